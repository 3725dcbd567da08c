//! What is known of who signs in.

use countersign_accounts::Account;
use countersign_primitives::{Id, Remembered, Requirement, Subject};

use super::machine::Stage;
use super::record::Login;
use crate::enrolments::Enrolments;
use crate::{Duty, Languages};

/// What is known of who signs in, read afresh for every step.
#[derive(Debug)]
pub(crate) struct Situation {
    pub(crate) account: Option<Account>,
    /// The account is gone or disabled.
    pub(crate) barred: bool,
    pub(crate) enrolments: Enrolments,
    pub(crate) floor: Requirement,
    /// How the user stands who shall have a factor.
    pub(crate) duty: Duty,
    /// Whether what is to be set up may be put off.
    pub(crate) may_skip: bool,
    /// The browser is a remembered device of the user.
    pub(crate) remembered: Option<Remembered>,
    /// Whether the browser may be remembered after a second factor.
    pub(crate) may_remember: bool,
}

impl Situation {
    /// Whether the stage only opens the way to set something up.
    pub(super) fn is_gate(&self, stage: &Stage) -> bool {
        let opens = |id: &Id| self.enrolments.find(*id).is_some_and(|one| one.opens_only);
        match stage {
            Stage::Invitation => true,
            Stage::Ask { authenticator, .. } => opens(authenticator),
            Stage::Choose(ids) => ids.iter().any(opens),
            _ => false,
        }
    }

    /// The name that the user knows the account by.
    pub(crate) fn name<'a>(&'a self, subject: &'a Subject) -> &'a str {
        self.account.as_ref().and_then(Account::name).unwrap_or_else(|| subject.as_str())
    }

    /// The languages that the user reads: what the account says, then what client and browser say.
    pub(crate) fn languages(&self, login: &Login) -> Languages {
        let locale = self.account.as_ref().and_then(|account| account.claims().get("locale")?.as_str());
        Languages::of(locale.unwrap_or_default()).then(login.languages.clone())
    }
}
