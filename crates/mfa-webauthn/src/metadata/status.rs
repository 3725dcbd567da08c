//! What befell a model, and which of it a relying party minds (FIDO MDS 3.0 §3.1.3, §3.1.4).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One report about a model. Names that are not known yet are kept as [`AuthenticatorStatus::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum AuthenticatorStatus {
    /// Not certified.
    NotFidoCertified,
    /// Certified, without a level.
    FidoCertified,
    /// The user's verification can be passed by.
    UserVerificationBypass,
    /// The key that attests is in wrong hands.
    AttestationKeyCompromise,
    /// Users' keys can be taken from afar.
    UserKeyRemoteCompromise,
    /// Users' keys can be taken by who has the device.
    UserKeyPhysicalCompromise,
    /// There is newer firmware.
    UpdateAvailable,
    /// Revoked: not to be trusted any more.
    Revoked,
    /// The maker says that it would be certified.
    SelfAssertionSubmitted,
    /// Certified at level 1.
    #[serde(rename = "FIDO_CERTIFIED_L1")]
    FidoCertifiedL1,
    /// Certified at level 1+.
    #[serde(rename = "FIDO_CERTIFIED_L1plus")]
    FidoCertifiedL1Plus,
    /// Certified at level 2.
    #[serde(rename = "FIDO_CERTIFIED_L2")]
    FidoCertifiedL2,
    /// Certified at level 2+.
    #[serde(rename = "FIDO_CERTIFIED_L2plus")]
    FidoCertifiedL2Plus,
    /// Certified at level 3.
    #[serde(rename = "FIDO_CERTIFIED_L3")]
    FidoCertifiedL3,
    /// Certified at level 3+.
    #[serde(rename = "FIDO_CERTIFIED_L3plus")]
    FidoCertifiedL3Plus,
    /// A name that is not known here.
    #[serde(other)]
    Other,
}

/// How far a model is certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certification {
    /// Certified at all.
    Any,
    /// Level 1.
    L1,
    /// Level 1+.
    L1Plus,
    /// Level 2.
    L2,
    /// Level 2+.
    L2Plus,
    /// Level 3.
    L3,
    /// Level 3+.
    L3Plus,
}

impl AuthenticatorStatus {
    const fn certification(self) -> Option<Certification> {
        match self {
            Self::FidoCertified => Some(Certification::Any),
            Self::FidoCertifiedL1 => Some(Certification::L1),
            Self::FidoCertifiedL1Plus => Some(Certification::L1Plus),
            Self::FidoCertifiedL2 => Some(Certification::L2),
            Self::FidoCertifiedL2Plus => Some(Certification::L2Plus),
            Self::FidoCertifiedL3 => Some(Certification::L3),
            Self::FidoCertifiedL3Plus => Some(Certification::L3Plus),
            _ => None,
        }
    }
}

/// Which reports a relying party minds. By default those that say that keys or users are not safe with the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPolicy {
    refused: BTreeSet<AuthenticatorStatus>,
    least: Option<Certification>,
}

impl Default for StatusPolicy {
    fn default() -> Self {
        use AuthenticatorStatus as S;
        let refused = [
            S::UserVerificationBypass,
            S::AttestationKeyCompromise,
            S::UserKeyRemoteCompromise,
            S::UserKeyPhysicalCompromise,
            S::Revoked,
        ];
        Self { refused: refused.into(), least: None }
    }
}

impl StatusPolicy {
    /// Refuses models of which this was ever reported, too.
    #[must_use]
    pub fn refuse(mut self, status: AuthenticatorStatus) -> Self {
        self.refused.insert(status);
        self
    }

    /// Takes models of which this was reported. The report may be about firmware that few still have: look before.
    #[must_use]
    pub fn danger_accept(mut self, status: AuthenticatorStatus) -> Self {
        self.refused.remove(&status);
        self
    }

    /// Takes models alone that are certified this far at least.
    #[must_use]
    pub const fn at_least(mut self, least: Certification) -> Self {
        self.least = Some(least);
        self
    }

    /// Whether a model with these reports is taken. A report is never outweighed by a later one.
    pub(crate) fn takes(&self, statuses: &[AuthenticatorStatus]) -> bool {
        let reached = statuses.iter().filter_map(|status| status.certification()).max();
        !statuses.iter().any(|status| self.refused.contains(status))
            && self.least <= reached.filter(|_| self.least.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AuthenticatorStatus as S;

    #[test]
    fn fido_mds_3_1_4_names_are_read_and_unknown_ones_kept() {
        let read = |name: &str| serde_json::from_str::<S>(&format!("\"{name}\"")).unwrap();
        assert_eq!(read("REVOKED"), S::Revoked);
        assert_eq!(read("USER_KEY_REMOTE_COMPROMISE"), S::UserKeyRemoteCompromise);
        assert_eq!(read("FIDO_CERTIFIED_L1plus"), S::FidoCertifiedL1Plus);
        assert_eq!(read("FIPS140_CERTIFIED_L9"), S::Other);
    }

    #[test]
    fn m18_what_endangers_users_is_refused_by_default() {
        let policy = StatusPolicy::default();
        assert!(policy.takes(&[]) && policy.takes(&[S::FidoCertifiedL1, S::UpdateAvailable, S::Other]));
        for bad in [
            S::Revoked,
            S::UserVerificationBypass,
            S::AttestationKeyCompromise,
            S::UserKeyRemoteCompromise,
            S::UserKeyPhysicalCompromise,
        ] {
            assert!(!policy.takes(&[bad, S::FidoCertifiedL3]), "{bad:?}, though certified since");
            assert!(policy.clone().danger_accept(bad).takes(&[bad]));
        }
        assert!(!policy.clone().refuse(S::UpdateAvailable).takes(&[S::UpdateAvailable]));
        let certified = policy.at_least(Certification::L2);
        assert!(certified.takes(&[S::FidoCertifiedL2]) && certified.takes(&[S::FidoCertifiedL1, S::FidoCertifiedL3]));
        assert!(!certified.takes(&[]) && !certified.takes(&[S::FidoCertifiedL1Plus, S::FidoCertified]));
    }
}
