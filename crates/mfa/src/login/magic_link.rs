//! A link by mail that says who signs in, in the login and the browser that asked for it.

use countersign_events::EventKind;
use countersign_primitives::SecretString;

use super::MAGIC_LINK;
use super::engine::{Looked, Turn};
use super::machine::{self, Stage};
use super::proven::Proven;
use crate::links::Asking;
use crate::mfa::Inner;
use crate::{Caller, LinkPurpose, LoginError, StepError};

impl Inner {
    /// Sends a link, if the name has an account that can be written to. The step that follows says no more than that one was asked for.
    pub(super) async fn send_magic_link(
        &self,
        turn: &mut Turn,
        name: &str,
        caller: &Caller,
    ) -> Result<Looked, LoginError> {
        if !self.awaits_link(turn) {
            return Ok(Looked::Elsewhere);
        }
        let asking = Asking {
            purpose: LinkPurpose::MagicLink,
            caller,
            languages: &turn.login.languages,
            login: Some((turn.id.0, turn.login.begun_at)),
            client: turn.login.client.as_deref(),
        };
        self.ask_by_name(name, &asking).await?;
        turn.login.link_sent = true;
        turn.login.chosen = Some(MAGIC_LINK.to_owned());
        Ok(Looked::On(None))
    }

    /// Takes a link. It works in the login that asked for it, which answers no other browser; and once.
    pub(super) async fn magic_link(
        &self,
        turn: &mut Turn,
        link: &SecretString,
        caller: &Caller,
    ) -> Result<Looked, LoginError> {
        if !self.awaits_link(turn) {
            return Ok(Looked::Elsewhere);
        }
        let opened = self.open(LinkPurpose::MagicLink, link.expose()).await?;
        let own = Some((turn.id.0, turn.login.begun_at));
        let spent = match opened.filter(|opened| opened.link().login == own) {
            Some(opened) => self.spend_link(&opened, turn.now).await?.then_some(opened),
            None => None,
        };
        let Some(opened) = spent else {
            self.tell(EventKind::LoginFailed, Some(caller), |event| {
                event.with_method(MAGIC_LINK).with_cause("link.dead", "NIST SP 800-63B-4 §3.1.3.1")
            });
            return Ok(Looked::On(Some(StepError::LinkDead)));
        };
        turn.login.identify(opened.subject(), opened.link().epoch, Proven::magic_link(turn.now));
        Ok(Looked::On(None))
    }

    /// Whether the login is at its beginning, and links are a way to begin.
    fn awaits_link(&self, turn: &Turn) -> bool {
        let view = self.view(&turn.login, None, turn.now);
        self.first_factors.magic_link && matches!(machine::next(&turn.login, &view), Stage::Password | Stage::MagicLink)
    }
}
