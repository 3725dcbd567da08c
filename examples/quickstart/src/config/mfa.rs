//! The table `[mfa]`: when a second factor is asked for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use countersign::mfa::risk::RiskPolicy;
use countersign::mfa::{
    AuthenticatorMetadata, Budget, CodeAlphabet, CodeFormat, FirstEnrolment, FirstMethod, Passkeys, Policy, Push,
    PushLimits, SecurityKeys,
};
use countersign::webauthn::TrustPolicy;
use countersign::{Acr, AcrClass, AcrTable};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::ConfigFileError;
use super::entries::RequirementEntry;
use super::metadata::MetadataEntry;
use super::risk::RiskEntry;
use super::value::{BudgetEntry, Period, PeriodOrOff};

/// When a second factor is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MfaEntry {
    policy: PolicyName,
    factors: Option<Spanned<Vec<FactorName>>>,
    first_factors: Option<Spanned<Vec<FirstMethod>>>,
    first_enrolment: FirstEnrolmentName,
    groups: BTreeMap<String, RequirementEntry>,
    users: BTreeMap<String, RequirementEntry>,
    grace: Option<Period>,
    acr: Vec<AcrEntry>,
    verified_contacts: bool,
    remember_device: Option<Period>,
    after_compromise: Option<PeriodOrOff>,
    code: CodeEntry,
    sms: ChannelEntry,
    email: ChannelEntry,
    voice: ChannelEntry,
    push: PushEntry,
    webauthn: WebauthnEntry,
    risk: Option<Spanned<RiskEntry>>,
    metadata: Option<MetadataEntry>,
    /// Whose metadata it is, once the files that it rests on were read.
    #[serde(skip)]
    known_models: Option<AuthenticatorMetadata>,
    /// What looks at risk, once the files that it rests on were read.
    #[serde(skip)]
    adaptive: Option<RiskPolicy>,
}

/// How devices are asked.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PushEntry {
    lifetime: Option<Period>,
    strangers: Option<BudgetEntry>,
    strangers_long: Option<BudgetEntry>,
    known: Option<BudgetEntry>,
    cooling_off: Option<Period>,
    denials: Option<BudgetEntry>,
}

impl PushEntry {
    fn apply(self, push: Push) -> Push {
        let usual = PushLimits::default();
        let or = |entry: Option<BudgetEntry>, usual: Budget| entry.map_or(usual, Budget::from);
        let limits = PushLimits {
            strangers: or(self.strangers, usual.strangers),
            strangers_long: or(self.strangers_long, usual.strangers_long),
            known: or(self.known, usual.known),
            cooling_off: self.cooling_off.map_or(usual.cooling_off, |period| period.0),
            denials: or(self.denials, usual.denials),
        };
        let push = push.limits(limits);
        match self.lifetime {
            Some(Period(lifetime)) => push.lifetime(lifetime),
            None => push,
        }
    }
}

/// Where passkeys and security keys may be used.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WebauthnEntry {
    rp_id: Option<String>,
    related_origins: Vec<String>,
}

impl MfaEntry {
    /// The policy that the file states.
    pub(crate) fn policy(&self) -> Policy {
        let policy = match self.policy {
            PolicyName::Never | PolicyName::Adaptive => Policy::never(),
            PolicyName::Always => Policy::always(),
            PolicyName::PhishingResistant => Policy::phishing_resistant(),
        };
        let policy = match &self.adaptive {
            Some(risk) => policy.risk(risk.clone()),
            None => policy,
        };
        let policy = policy.first_enrolment(self.first_enrolment.into());
        let policy = match self.grace {
            Some(Period(grace)) => policy.grace(grace),
            None => policy,
        };
        let policy = self.users.iter().fold(policy, |policy, (name, entry)| policy.user(name.as_str(), entry.into()));
        let policy = if self.verified_contacts { policy.verified_contacts() } else { policy };
        let policy = match self.remember_device {
            Some(Period(lasts)) => policy.remember_device(lasts),
            None => policy,
        };
        let policy = match self.after_compromise {
            Some(PeriodOrOff(lasts)) => policy.after_compromise(lasts),
            None => policy,
        };
        self.groups.iter().fold(policy, |policy, (name, entry)| policy.group(name, entry.into()))
    }

    /// What is to be known of models of security keys.
    pub(crate) fn metadata(&self) -> Option<AuthenticatorMetadata> {
        self.known_models.clone()
    }

    /// Whether a user without a factor needs an invitation to set one up.
    pub(crate) fn invites(&self) -> bool {
        self.first_enrolment == FirstEnrolmentName::Invitation
    }

    /// The classes that the file names in place of the kit's own.
    pub(crate) fn acr_table(&self) -> Option<AcrTable> {
        let class = |entry: &AcrEntry| AcrClass {
            value: Acr::new(&entry.value),
            strength: entry.strength.into(),
            max_age: entry.max_age.map(|Period(age)| age),
        };
        (!self.acr.is_empty()).then(|| AcrTable::new(self.acr.iter().map(class)))
    }

    /// How users say who they are: by password alone unless the file says more.
    pub(crate) fn first_factors(&self) -> Vec<FirstMethod> {
        self.first_factors.as_ref().map_or_else(|| vec![FirstMethod::Password], |listed| listed.get_ref().clone())
    }

    /// Whether users may have an authenticator app.
    pub(crate) fn has_totp(&self) -> bool {
        self.factors.as_ref().is_none_or(|factors| factors.get_ref().contains(&FactorName::Totp))
    }

    /// Push as the file wants it, if users may have it.
    pub(crate) fn push(&self, push: Push) -> Option<Push> {
        self.has(FactorName::Push).then(|| self.push.apply(push))
    }

    /// Passkeys, if users may have them; by default for the issuer's host.
    pub(crate) fn passkeys(&self, host: &str) -> Option<Passkeys> {
        let passkeys = || Passkeys::new(self.webauthn.rp_id.as_deref().unwrap_or(host));
        let related = |passkeys: Passkeys, origin: &String| passkeys.related_origin(origin);
        self.has(FactorName::Passkey).then(|| self.webauthn.related_origins.iter().fold(passkeys(), related))
    }

    /// The same of security keys; where it is to be known of which models they are, of known ones alone.
    pub(crate) fn security_keys(&self, host: &str) -> Option<SecurityKeys> {
        let keys = || {
            let keys = SecurityKeys::new(self.webauthn.rp_id.as_deref().unwrap_or(host));
            match &self.known_models {
                Some(_) => keys.trusting(TrustPolicy::new().listed_models_alone()),
                None => keys,
            }
        };
        let related = |keys: SecurityKeys, origin: &String| keys.related_origin(origin);
        self.has(FactorName::SecurityKey).then(|| self.webauthn.related_origins.iter().fold(keys(), related))
    }

    /// Whether the file names a factor.
    fn has(&self, factor: FactorName) -> bool {
        self.factors.as_ref().is_some_and(|factors| factors.get_ref().contains(&factor))
    }

    /// Whether users may have a token with a button.
    pub(crate) fn has_hotp(&self) -> bool {
        self.has(FactorName::Hotp)
    }

    /// How codes by SMS look, where users may have them.
    pub(crate) fn sms(&self) -> Option<CodeLook> {
        self.delivered(FactorName::Sms, &self.sms)
    }

    /// How codes by e-mail look, where users may have them.
    pub(crate) fn email(&self) -> Option<CodeLook> {
        self.delivered(FactorName::Email, &self.email)
    }

    /// How codes that a voice reads out look, where users may have them.
    pub(crate) fn voice(&self) -> Option<CodeLook> {
        self.delivered(FactorName::Voice, &self.voice)
    }

    fn delivered(&self, factor: FactorName, channel: &ChannelEntry) -> Option<CodeLook> {
        self.has(factor).then(|| channel.code.look(&self.code))
    }

    /// Reads what the table needs of other files, and looks for what has no sense: a risk that nothing comes of, recovery codes without a
    /// factor.
    pub(super) fn check(&mut self, file: &Path, text: &str) -> Result<(), ConfigFileError> {
        self.adaptive = match &self.risk {
            Some(risk) if self.policy == PolicyName::Never => {
                let problem = "with the policy \"never\" nothing comes of risk: write policy = \"adaptive\"";
                return Err(ConfigFileError::at(file, text, &risk.span(), problem.to_owned()));
            }
            Some(risk) => Some(risk.get_ref().load(file, text)?),
            None if self.policy == PolicyName::Adaptive => Some(RiskPolicy::new()),
            None => None,
        };
        self.known_models = self.metadata.as_ref().map(|entry| entry.load(file, text)).transpose()?;
        if let Some(none) = self.first_factors.as_ref().filter(|listed| listed.get_ref().is_empty()) {
            let problem = "nobody could sign in: name \"password\", \"magic_link\", or both";
            return Err(ConfigFileError::at(file, text, &none.span(), problem.to_owned()));
        }
        let Some(factors) = &self.factors else { return Ok(()) };
        let factors_alone = factors.get_ref().iter().any(|factor| *factor != FactorName::RecoveryCode);
        if factors_alone == factors.get_ref().contains(&FactorName::RecoveryCode) {
            return Ok(());
        }
        let problem = "recovery codes come with another factor and not alone: name both, or none";
        Err(ConfigFileError::at(file, text, &factors.span(), problem.to_owned()))
    }
}

/// Who is asked for a second factor, beside what clients, scopes and groups require.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PolicyName {
    #[default]
    Never,
    Adaptive,
    Always,
    PhishingResistant,
}

/// A class of the file's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcrEntry {
    value: String,
    strength: StrengthName,
    max_age: Option<Period>,
}

/// How strong a login of a class is.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StrengthName {
    OneFactor,
    TwoFactors,
    PhishingResistant,
}

impl From<StrengthName> for u8 {
    fn from(name: StrengthName) -> Self {
        match name {
            StrengthName::OneFactor => 1,
            StrengthName::TwoFactors => 2,
            StrengthName::PhishingResistant => 3,
        }
    }
}

/// A second factor that users may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FactorName {
    Passkey,
    SecurityKey,
    Totp,
    Hotp,
    Sms,
    Email,
    Voice,
    Push,
    RecoveryCode,
}

/// What is said of one channel alone.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ChannelEntry {
    code: CodeEntry,
}

/// How codes that are sent look, and how long they last.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CodeEntry {
    length: Option<CodeLength>,
    alphabet: Option<AlphabetName>,
    lifetime: Option<CodeLifetime>,
}

impl CodeEntry {
    /// What this says, else what is said of all channels, else what the kit has.
    fn look(&self, all: &Self) -> CodeLook {
        let length = self.length.or(all.length).map_or(CodeFormat::default().length(), |length| length.0);
        let alphabet = match self.alphabet.or(all.alphabet) {
            Some(AlphabetName::Letters) => CodeAlphabet::Letters,
            Some(AlphabetName::Digits) | None => CodeAlphabet::Digits,
        };
        let lifetime = self.lifetime.or(all.lifetime).map_or(DEFAULT_LIFETIME, |lifetime| lifetime.0);
        CodeLook { format: CodeFormat::new(length, alphabet).unwrap_or_default(), lifetime }
    }
}

/// How long codes last where nothing is said.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// The longest that NIST lets a code last (SP 800-63B-4 §3.1.3.2).
const LONGEST_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How the codes of a channel look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodeLook {
    pub(crate) format: CodeFormat,
    pub(crate) lifetime: Duration,
}

/// Of what codes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AlphabetName {
    Digits,
    Letters,
}

/// How many signs a code has.
#[derive(Debug, Clone, Copy)]
struct CodeLength(u8);

impl<'de> Deserialize<'de> for CodeLength {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let length = u64::deserialize(deserializer)?;
        let known = u8::try_from(length).ok().filter(|length| CodeFormat::new(*length, CodeAlphabet::Digits).is_ok());
        known.map(Self).ok_or_else(|| D::Error::custom(format!("{length} is no length of a code: write 6 to 16")))
    }
}

/// How long a code lasts.
#[derive(Debug, Clone, Copy)]
struct CodeLifetime(Duration);

impl<'de> Deserialize<'de> for CodeLifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Period(lifetime) = Period::deserialize(deserializer)?;
        let short = lifetime <= LONGEST_LIFETIME;
        short
            .then_some(Self(lifetime))
            .ok_or_else(|| D::Error::custom("a code lasts for ten minutes at most: write 10m or less"))
    }
}

/// When a user without a factor may set one up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FirstEnrolmentName {
    #[default]
    ThisLogin,
    VerifiedChannel,
    Invitation,
    Closed,
}

impl From<FirstEnrolmentName> for FirstEnrolment {
    fn from(name: FirstEnrolmentName) -> Self {
        match name {
            FirstEnrolmentName::ThisLogin => Self::ThisLogin,
            FirstEnrolmentName::VerifiedChannel => Self::VerifiedChannel,
            FirstEnrolmentName::Invitation => Self::Invitation,
            FirstEnrolmentName::Closed => Self::Closed,
        }
    }
}
