//! What a user may choose, or put off.

use countersign_primitives::Id;

use super::MAGIC_LINK;
use super::engine::{Looked, Turn};
use super::machine::{self, Stage};
use super::situation::Situation;
use crate::limits::PASSWORD;
use crate::mfa::Inner;
use crate::{Caller, LoginError, StepError};

impl Inner {
    /// Takes a choice, if it is one of those that stand to choice.
    pub(super) async fn choose(&self, turn: &mut Turn, id: &str, caller: &Caller) -> Result<Looked, LoginError> {
        let (stage, situation) = self.settle(turn.id, &mut turn.login, None, caller, turn.now).await?;
        if let (Stage::Enrol { method, .. }, Some(situation)) = (&stage, &situation)
            && id.strip_prefix(machine::ENROL) == Some(method)
            && turn.login.contact.is_some()
            && turn.login.enrolling.as_ref().is_none_or(|one| situation.enrolments.find(one.id).is_none())
        {
            turn.login.contact = None; // another number or address for the same
            turn.login.enrolling = None;
            return Ok(Looked::On(None));
        }
        let offered = match (&stage, situation) {
            (Stage::Password, _) => id == MAGIC_LINK && self.first_factors.magic_link,
            (Stage::MagicLink, _) => id == PASSWORD && self.first_factors.password,
            (Stage::Choose(ids), Some(situation)) => self.offers(&situation, ids, id),
            (Stage::Ask { authenticator, others }, Some(situation)) => {
                self.offers(&situation, others, id) || self.offers(&situation, &[*authenticator], id)
            }
            (
                Stage::ChooseEnrolment(methods)
                | Stage::Enrol { others: methods, .. }
                | Stage::Contact { others: methods, .. },
                _,
            ) => id.strip_prefix(machine::ENROL).is_some_and(|chosen| methods.iter().any(|method| method == chosen)),
            _ => return Ok(Looked::Elsewhere),
        };
        if !offered {
            return Ok(Looked::On(Some(StepError::NoSuchChoice)));
        }
        turn.login.chosen = Some(id.to_owned());
        Ok(Looked::On(None))
    }

    /// Puts off what was to be set up, where that may be.
    pub(super) async fn skip(&self, turn: &mut Turn, caller: &Caller) -> Result<Looked, LoginError> {
        let (_, situation) = self.settle(turn.id, &mut turn.login, None, caller, turn.now).await?;
        if !situation.is_some_and(|situation| situation.may_skip) {
            return Ok(Looked::Elsewhere);
        }
        turn.login.skipped = true;
        Ok(Looked::On(None))
    }

    fn offers(&self, situation: &Situation, ids: &[Id], chosen: &str) -> bool {
        let named = ids.iter().filter_map(|id| situation.enrolments.find(*id));
        named.map(|authenticator| authenticator.named().to_string()).any(|name| name == chosen)
    }
}
