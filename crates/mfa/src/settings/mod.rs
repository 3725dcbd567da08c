//! What an operator switches while the server runs: which factors are on, and what is asked beside what the code asks.

mod change;
mod check;
mod held;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use countersign_primitives::{Acr, AcrTable, Requirement};
use countersign_storage_traits::{CommitError, Kind, StoreError, Stored, Version};
use serde::{Deserialize, Serialize};

pub use change::RunTimeSettings;
pub(crate) use held::RunTime;

use crate::Duty;
use crate::keys::SETTINGS;

/// What is switched while the server runs. It only adds to what the code says: the [`Policy`](crate::Policy) that the engine was built
/// with, and what clients, scopes and resources require, are asked whatever stands here (promise 8). What can be switched off is a
/// factor, which then proves nothing.
///
/// A host that wants everything to be switched builds its engine with [`Policy::never`](crate::Policy::never).
///
/// ```
/// use countersign_mfa::{GeneralPolicy, Settings};
/// use countersign_primitives::Acr;
///
/// let mut settings = Settings::default();
/// settings.switch_factor("sms", false);
/// settings.add_policy(GeneralPolicy::AllApplications);
/// settings.require_of_client("backoffice", Some(Acr::PHR));
/// assert!(!settings.is_on("sms") && settings.is_on("totp"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    #[serde(default)]
    factors_off: BTreeSet<String>,
    #[serde(default)]
    policies: BTreeSet<GeneralPolicy>,
    #[serde(default)]
    clients: BTreeMap<String, Acr>,
    #[serde(default)]
    scopes: BTreeMap<String, Acr>,
}

impl Stored for Settings {
    const KIND: Kind = SETTINGS;
}

/// A policy that is switched by its name, as administrators of other servers know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GeneralPolicy {
    /// A second factor from everybody, at every login.
    AllApplications,
    /// A second factor wherever it is not sure enough that it is the owner ([`RiskPolicy::new`](crate::risk::RiskPolicy::new)).
    ConfidenceScore,
}

impl GeneralPolicy {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::AllApplications, Self::ConfidenceScore];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllApplications => "all-applications",
            Self::ConfidenceScore => "confidence-score",
        }
    }
}

impl fmt::Display for GeneralPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a policy is all-applications or confidence-score")]
pub struct ParseGeneralPolicyError;

impl FromStr for GeneralPolicy {
    type Err = ParseGeneralPolicyError;

    fn from_str(text: &str) -> Result<Self, ParseGeneralPolicyError> {
        Self::ALL.iter().copied().find(|policy| policy.name() == text).ok_or(ParseGeneralPolicyError)
    }
}

impl Settings {
    /// Whether a factor is switched on, by the name of its method. All are, at first.
    #[must_use]
    pub fn is_on(&self, method: &str) -> bool {
        !self.factors_off.contains(method)
    }

    /// Switches a factor, by the name of its method.
    pub fn switch_factor(&mut self, method: &str, on: bool) {
        if on {
            self.factors_off.remove(method);
        } else {
            self.factors_off.insert(method.to_owned());
        }
    }

    /// The factors that are switched off.
    pub fn factors_off(&self) -> impl Iterator<Item = &str> {
        self.factors_off.iter().map(String::as_str)
    }

    /// Switches a policy on, beside what the code asks.
    pub fn add_policy(&mut self, policy: GeneralPolicy) {
        self.policies.insert(policy);
    }

    /// Switches a policy off, as far as the code lets it be off.
    pub fn remove_policy(&mut self, policy: GeneralPolicy) {
        self.policies.remove(&policy);
    }

    /// Whether a policy was switched on. That of the code is none of these.
    #[must_use]
    pub fn has_policy(&self, policy: GeneralPolicy) -> bool {
        self.policies.contains(&policy)
    }

    /// Asks users of a client for a class of login, or no more than the code does.
    pub fn require_of_client(&mut self, client_id: impl Into<String>, acr: Option<Acr>) {
        put(&mut self.clients, client_id.into(), acr);
    }

    /// Asks for a class of login wherever a scope is issued, or no more than the code does.
    pub fn require_for_scope(&mut self, scope: impl Into<String>, acr: Option<Acr>) {
        put(&mut self.scopes, scope.into(), acr);
    }

    /// What is asked of users of clients, by `client_id`.
    pub fn clients(&self) -> impl Iterator<Item = (&str, &Acr)> {
        self.clients.iter().map(|(client_id, acr)| (client_id.as_str(), acr))
    }

    /// What is asked for scopes.
    pub fn scopes(&self) -> impl Iterator<Item = (&str, &Acr)> {
        self.scopes.iter().map(|(scope, acr)| (scope.as_str(), acr))
    }

    /// What is asked of a user who is to have a factor by then, for this client.
    pub(crate) fn asked(&self, duty: Duty, client: Option<&str>, table: &AcrTable) -> Requirement {
        let everybody = self.has_policy(GeneralPolicy::AllApplications) && !matches!(duty, Duty::Until(_));
        let everybody = if everybody { Requirement::MFA } else { Requirement::NONE };
        let of_client = client.and_then(|client| self.clients.get(client)).cloned().map(Requirement::at_least);
        of_client.iter().fold(everybody, |all, one| all.and(one, table))
    }

    /// What is asked for any of these scopes.
    #[cfg(feature = "oauth")]
    pub(crate) fn asked_for<'a>(&self, scopes: impl Iterator<Item = &'a str>, table: &AcrTable) -> Requirement {
        let asked = scopes.filter_map(|scope| self.scopes.get(scope)).cloned().map(Requirement::at_least);
        asked.fold(Requirement::NONE, |all, one| all.and(&one, table))
    }
}

fn put(all: &mut BTreeMap<String, Acr>, name: String, acr: Option<Acr>) {
    match acr {
        Some(acr) => all.insert(name, acr),
        None => all.remove(&name),
    };
}

/// Names a state of the settings: who changes them says which one they have seen. Written as an entity tag without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingsVersion(Option<Version>);

impl fmt::Display for SettingsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0.map_or(0, Version::number))
    }
}

/// A text that names no state of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a state of the settings is named by up to 16 hexadecimal digits")]
pub struct ParseSettingsVersionError;

impl FromStr for SettingsVersion {
    type Err = ParseSettingsVersionError;

    fn from_str(text: &str) -> Result<Self, ParseSettingsVersionError> {
        let number = u64::from_str_radix(text, 16).map_err(|_| ParseSettingsVersionError)?;
        Ok(Self((number != 0).then(|| Version::new(number))))
    }
}

/// Why settings were not changed. Nothing was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No such factor is plugged in.
    #[error("no factor is called {name:?}: there are {}", known.join(", "))]
    UnknownFactor {
        /// What was named.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No class of login is called so.
    #[error("{place} cannot require {acr:?}, which is no class that this server knows")]
    UnknownClass {
        /// For what it was to be required.
        place: String,
        /// What was to be required.
        acr: String,
    },
    /// The code asks for more, whatever is switched.
    #[error("{what} is what this server is built to ask for: it cannot be switched off while it runs")]
    BelowFloor {
        /// What the code asks for.
        what: String,
    },
    /// What is required somewhere would be out of reach for everybody.
    #[error("{place} requires {acr}, which no factor that is left reaches: leave one on, or require less there first")]
    OutOfReach {
        /// Where: `scope "payments:write"`, `client "backoffice"`, `the policy`.
        place: String,
        /// What.
        acr: String,
    },
    /// Everybody is to have a factor, and nobody could set one up any more.
    #[error(
        "the policy wants every user to have a factor, and none could be set up: leave on what opens the way to it"
    )]
    GraceWithoutEnrolment,
    /// Whoever changes them could not sign in to change them back.
    #[error("you would have no factor left to sign in with: set up another one first")]
    LocksOperatorOut,
    /// Somebody else changed them since they were read.
    #[error("somebody else was first: read the settings again")]
    Changed {
        /// The state that they are in.
        present: SettingsVersion,
    },
    /// Others changed them again and again.
    #[error("others were first, again and again")]
    Contended,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] countersign_primitives::RandomError),
}

impl From<CommitError> for SettingsError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Unknown(error) | CommitError::Refused(error) => Self::Store(error),
            _ => Self::Contended,
        }
    }
}

impl SettingsError {
    /// The stable id of the cause, for operators.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::UnknownFactor { .. } => "settings.unknown_factor",
            Self::UnknownClass { .. } => "settings.unknown_class",
            Self::BelowFloor { .. } => "settings.below_floor",
            Self::OutOfReach { .. } => "settings.out_of_reach",
            Self::GraceWithoutEnrolment => "settings.grace_without_enrolment",
            Self::LocksOperatorOut => "settings.locks_operator_out",
            Self::Changed { .. } => "settings.changed",
            Self::Contended => "contended",
            Self::Store(_) => "store_failed",
            Self::Random(_) => "random_failed",
        }
    }
}
