//! The table `[mfa]`: when a second factor is asked for.

use std::collections::BTreeMap;
use std::path::Path;

use countersign::mfa::Policy;
use serde::Deserialize;
use toml::Spanned;

use super::ConfigFileError;
use super::entries::RequirementEntry;

/// When a second factor is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MfaEntry {
    policy: PolicyName,
    factors: Option<Spanned<Vec<FactorName>>>,
    first_enrolment: FirstEnrolmentName,
    groups: BTreeMap<String, RequirementEntry>,
}

impl MfaEntry {
    /// The policy that the file states; a user without a factor sets one up on the way.
    pub(crate) fn policy(&self) -> Policy {
        let policy = match self.policy {
            PolicyName::Never => Policy::never(),
            PolicyName::Always => Policy::always(),
        };
        self.groups.iter().fold(policy, |policy, (name, entry)| policy.group(name, entry.into()))
    }

    /// Whether users may have an authenticator app.
    pub(crate) fn has_totp(&self) -> bool {
        self.factors.as_ref().is_none_or(|factors| factors.get_ref().contains(&FactorName::Totp))
    }

    /// Whether users may have a token with a button.
    pub(crate) fn has_hotp(&self) -> bool {
        self.factors.as_ref().is_some_and(|factors| factors.get_ref().contains(&FactorName::Hotp))
    }

    /// Recovery codes come with the first factor, and have no sense without one.
    pub(super) fn check(&self, file: &Path, text: &str) -> Result<(), ConfigFileError> {
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
    Always,
}

/// A second factor that users may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FactorName {
    Totp,
    Hotp,
    RecoveryCode,
}

/// When a user without a factor may set one up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FirstEnrolmentName {
    #[default]
    ThisLogin,
}
