//! When everybody is asked for a second factor, and who may set one up.

use countersign_primitives::{AcrTable, Requirement};

/// What is asked of everybody and of groups. Clients and scopes state their own [`Requirement`] beside it, and clients may ask
/// for more at a request (`acr_values`); the strictest counts.
///
/// ```
/// use countersign_mfa::{FirstEnrolment, Policy};
/// use countersign_primitives::Requirement;
///
/// let policy = Policy::never().group("admin", Requirement::MFA).first_enrolment(FirstEnrolment::ThisLogin);
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    everybody: Requirement,
    groups: Vec<(String, Requirement)>,
    first_enrolment: FirstEnrolment,
    verified_contacts: bool,
}

/// When a user without a second factor may set up the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FirstEnrolment {
    /// Not in a login: the host enrols its users. The default, since whoever knows a stolen password could else set up a factor of
    /// his own.
    #[default]
    Closed,
    /// In any login that needs one, after the password alone.
    ThisLogin,
}

impl Default for Policy {
    fn default() -> Self {
        Self::never()
    }
}

impl Policy {
    /// A second factor only where a client, a scope, a group or the request asks for it.
    #[must_use]
    pub fn never() -> Self {
        Self {
            everybody: Requirement::NONE,
            groups: Vec::new(),
            first_enrolment: FirstEnrolment::default(),
            verified_contacts: false,
        }
    }

    /// A second factor from everybody, always.
    #[must_use]
    pub fn always() -> Self {
        Self { everybody: Requirement::MFA, ..Self::never() }
    }

    /// What is asked of members of a group ([`Account::group`](countersign_accounts::Account::group)).
    #[must_use]
    pub fn group(mut self, name: impl Into<String>, requirement: Requirement) -> Self {
        self.groups.push((name.into(), requirement));
        self
    }

    /// When a user without a second factor may set up the first one.
    #[must_use]
    pub fn first_enrolment(mut self, when: FirstEnrolment) -> Self {
        self.first_enrolment = when;
        self
    }

    /// Codes may go to the phone number and the mail address that the account has verified, without being set up. Default: no,
    /// since both are often easier to take over than what a user enrols.
    #[must_use]
    pub fn verified_contacts(mut self) -> Self {
        self.verified_contacts = true;
        self
    }

    pub(crate) fn allows_verified_contacts(&self) -> bool {
        self.verified_contacts
    }

    /// What is asked of a user of these groups.
    #[must_use]
    pub fn requirement(&self, groups: &[String], table: &AcrTable) -> Requirement {
        let of_groups = self.groups.iter().filter(|(name, _)| groups.contains(name));
        of_groups.fold(self.everybody.clone(), |all, (_, one)| all.and(one, table))
    }

    pub(crate) fn allows_first_enrolment(&self) -> bool {
        self.first_enrolment == FirstEnrolment::ThisLogin
    }

    /// All that it may ask of somebody.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        std::iter::once(&self.everybody).chain(self.groups.iter().map(|(_, requirement)| requirement))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_of_policy_and_groups_counts() {
        let policy = Policy::always().group("admin", Requirement::PHISHING_RESISTANT).group("staff", Requirement::NONE);
        let table = AcrTable::default();
        let of =
            |groups: &[&str]| policy.requirement(&groups.iter().map(ToString::to_string).collect::<Vec<_>>(), &table);
        assert_eq!(of(&[]), Requirement::MFA);
        assert_eq!(of(&["staff"]), Requirement::MFA);
        assert_eq!(of(&["staff", "admin"]), Requirement::PHISHING_RESISTANT);
    }
}
