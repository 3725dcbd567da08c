//! Messages of a login: sent once what they belong to is stored, and not more often than they may be.

use std::time::Duration;

use countersign_events::{Event, EventKind};
use countersign_outbound::{Message, SendError};
use countersign_primitives::{Id, Subject, UnixTime};
use countersign_storage_traits::Charge;

use super::LoginId;
use super::engine::{Looked, Turn};
use super::machine::Stage;
use super::prepare::factor_failed;
use super::record::{Addressee, Enrolling, Login, Typed};
use super::situation::Situation;
use crate::contact::Contact;
use crate::factor::{AskError, Binding, Enrolled, FactorError, Occasion};
use crate::messages::spending::{Sending, Spent};
use crate::mfa::Inner;
use crate::{Caller, Challenge, LoginError, Step, StepError};

/// What became of a message, for the step that is shown.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sent {
    pub(super) error: Option<StepError>,
    /// How long until another one may be sent.
    pub(super) resend_in: Option<Duration>,
}

impl Sent {
    pub(super) fn on(self, step: Step) -> Step {
        let step = match self.resend_in {
            Some(wait) => step.with_resend_in(wait),
            None => step,
        };
        match self.error {
            Some(error) => step.with_error(error),
            None => step,
        }
    }
}

impl Inner {
    /// Takes the number or address of what is to be set up.
    pub(super) async fn contact(&self, turn: &mut Turn, typed: &str, caller: &Caller) -> Result<Looked, LoginError> {
        let (stage, _) = self.settle(turn.id, &mut turn.login, None, caller, turn.now).await?;
        let Stage::Contact { method, channel, .. } = stage else { return Ok(Looked::Elsewhere) };
        let Some(contact) = Contact::parse(channel, typed) else {
            return Ok(Looked::On(Some(StepError::InvalidContact)));
        };
        turn.login.contact = Some(Typed { method, contact });
        Ok(Looked::On(None))
    }

    /// Makes another challenge in place of the present one, if it is time for another message. What was sent before is void.
    pub(super) async fn resend(&self, turn: &mut Turn, caller: &Caller) -> Result<Looked, LoginError> {
        let (_, situation) = self.settle(turn.id, &mut turn.login, None, caller, turn.now).await?;
        let Some(subject) = turn.login.subject.clone() else { return Ok(Looked::Elsewhere) };
        let resendable = turn.login.challenge().is_some_and(Challenge::can_be_sent_again);
        let addressee = turn.login.addressee(situation.as_ref()).filter(|_| resendable);
        let Some(addressee) = addressee else { return Ok(Looked::Elsewhere) };
        match self.pay_to_send(&addressee, &subject, caller, turn.now).await? {
            Ok(paid) => turn.may_send = Some(paid),
            Err(sent) => {
                turn.sent = sent;
                return Ok(Looked::On(sent.error));
            }
        }
        turn.login.asked = None; // another is made for it
        let renewable = turn.login.enrolling.as_ref().is_some_and(|enrolling| enrolling.challenge.renewable);
        if renewable {
            turn.login.enrolling = None; // what was given is void too
        } else if let (Some(enrolling), Some(situation)) = (turn.login.enrolling.clone(), &situation) {
            turn.login.enrolling = Some(self.ask_again(turn, enrolling, &subject, situation).await?);
        }
        Ok(Looked::On(None))
    }

    /// What is being set up, with another challenge.
    async fn ask_again(
        &self,
        turn: &Turn,
        enrolling: Enrolling,
        subject: &Subject,
        situation: &Situation,
    ) -> Result<Enrolling, LoginError> {
        let Some((_, factor)) = self.factor(&enrolling.method) else { return Ok(enrolling) };
        let binding = Binding { login: turn.id, authenticator: enrolling.id, challenge: self.random.id()? };
        let languages = situation.languages(&turn.login);
        let at = self.occasion((&turn.login, binding), subject, situation.name(subject), turn.now);
        let at = Occasion { languages: Some(&languages), enrolments: Some(&situation.enrolments), ..at };
        let contact = enrolling.contact.as_ref().map(Contact::to);
        let made = factor.challenge(&at, &Enrolled { state: &enrolling.state, contact }).await;
        let challenge = made.map_err(factor_failed(&enrolling.method))?.named(binding.challenge);
        Ok(Enrolling { challenge, ..enrolling })
    }

    /// Sends what the login has to say, now that it is stored. `paid` was paid for it before, where it was asked for again.
    pub(super) async fn send(
        &self,
        (id, login, situation): (LoginId, &Login, Option<&Situation>),
        paid: Option<Spent>,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<Sent, LoginError> {
        let says = login.challenge().filter(|challenge| challenge.asks || challenge.message.is_some());
        let (Some(challenge), Some(subject), Some(addressee)) = (says, &login.subject, login.addressee(situation))
        else {
            return Ok(Sent::default());
        };
        let paid = match paid {
            Some(paid) => paid,
            None => match self.pay_to_send(&addressee, subject, caller, now).await? {
                Ok(paid) => paid,
                Err(sent) => return Ok(sent),
            },
        };
        let (method, resend_in) = (addressee.method, (!self.limits.off).then_some(self.limits.resend_after));
        let error = match (challenge.message.as_deref(), situation) {
            (Some(message), _) => self.hand_over(message, subject, caller).await,
            (None, Some(situation)) => match self.ask((id, login, challenge), method, situation, caller, now).await {
                Ok(()) => None,
                Err(AskError::TooSoon { retry_after }) => {
                    return Ok(Sent { error: Some(StepError::TooSoon), resend_in: Some(retry_after) });
                }
                Err(AskError::Send(error)) => {
                    Some(self.not_taken(&error, (method, Some(challenge.id)), subject, caller))
                }
                Err(AskError::Factor(error)) => return Err(factor_failed(method)(error)),
            },
            (None, None) => None,
        };
        if error.is_some() {
            paid.refund(&*self.store, self.now()).await?; // nobody took it
        }
        Ok(Sent { error, resend_in })
    }

    /// Lets a factor ask elsewhere, now that the login keeps what it asks.
    async fn ask(
        &self,
        (id, login, challenge): (LoginId, &Login, &Challenge),
        method: &str,
        situation: &Situation,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<(), AskError> {
        let (Some(subject), Some((_, factor))) = (&login.subject, self.factor(method)) else { return Ok(()) };
        let asked = login.asked.as_ref().and_then(|asked| situation.enrolments.find(asked.authenticator));
        let (authenticator, enrolled) = match (asked, &login.enrolling) {
            (Some(one), _) => (one.id, one.as_enrolled()),
            (None, Some(one)) => {
                (one.id, Enrolled { state: &one.state, contact: one.contact.as_ref().map(Contact::to) })
            }
            (None, None) => return Ok(()),
        };
        let known = self.known_browser(self.subjects.partition(subject), caller, now).await;
        let known = known.map_err(FactorError::unavailable)?.filter(|browser| browser.second_factor);
        let binding = Binding { login: id, authenticator, challenge: challenge.id };
        let at = self.occasion((login, binding), subject, situation.name(subject), now);
        let at = Occasion { known: known.map(|browser| browser.id), ..at };
        factor.ask(&at, &enrolled, challenge).await
    }

    /// Makes sure that it is time for another message, and pays for it.
    async fn pay_to_send(
        &self,
        addressee: &Addressee<'_>,
        subject: &Subject,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<Result<Spent, Sent>, LoginError> {
        if let Some(wait) = self.too_soon(subject, addressee.method, now).await? {
            return Ok(Err(Sent { error: Some(StepError::TooSoon), resend_in: Some(wait) }));
        }
        let Some(contact) = addressee.contact else { return Ok(Ok(Spent::default())) }; // no message, no budget
        let account = self.subjects.partition(subject);
        let known = self.known_browser(account, caller, now).await?.filter(|browser| browser.second_factor);
        let known = known.map(|browser| browser.id);
        let (channel, to, proven) = (contact.channel(), contact.to(), addressee.proven);
        let sending = Sending { channel, to, account, known, proven, address: caller.address, awaits_code: true };
        let refused = match self.pay_for_message(&sending, (caller, Some(subject)), now).await? {
            Ok(paid) => return Ok(Ok(paid)),
            Err(refused) => refused,
        };
        let error = if refused.retry_after().is_some() { StepError::TooSoon } else { StepError::Unreachable };
        Ok(Err(Sent { error: Some(error), resend_in: refused.retry_after() }))
    }

    /// A code came back, from a number that nobody earns money by. It counts once, however often it is typed at the same time.
    pub(super) async fn code_came_back(
        &self,
        challenge: &Challenge,
        (contact, proven): (Option<&Contact>, bool),
        now: UnixTime,
    ) -> Result<(), LoginError> {
        let Some(contact) = contact.filter(|_| challenge.channel.is_some()) else { return Ok(()) };
        let counter = self.keys.counter("code came back", &[challenge.id.as_bytes()]);
        let once = Charge { counter, add: 1, limit: 1, window: Login::LIFETIME };
        if self.store.charge(&[once], now).await?.iter().all(|charged| charged.admitted) {
            self.message_confirmed((contact.channel(), contact.to(), proven), now).await?;
            if let Some(sender) = self.senders.get(&contact.channel())
                && let Err(error) = sender.entered(contact.channel(), contact.to()).await
            {
                tracing::warn!(%error, "a sender was not told that its code was entered");
            }
        }
        Ok(())
    }

    /// Charges a message; or says how long it is too soon for one. Counted by account and method over all logins (M24).
    async fn too_soon(&self, subject: &Subject, method: &str, now: UnixTime) -> Result<Option<Duration>, LoginError> {
        if self.limits.off {
            return Ok(None);
        }
        let partition = self.subjects.partition(subject);
        let counter = self.keys.counter("message", &[partition.as_bytes(), method.as_bytes()]);
        let charge = Charge { counter, add: 1, limit: 1, window: self.limits.resend_after };
        let charged = self.store.charge(&[charge], now).await?;
        let refused = charged.iter().find(|charged| !charged.admitted);
        Ok(refused.map(|charged| charged.resets_at.since(now).max(Duration::from_secs(1))))
    }

    /// Hands a message to whoever carries it. That it was not taken is told, and never makes the login go on without it.
    async fn hand_over(&self, message: &Message, subject: &Subject, caller: &Caller) -> Option<StepError> {
        let outcome = match self.senders.get(&message.channel()) {
            Some(sender) => sender.send(message).await,
            None => Err(SendError::unavailable("no sender for this channel")), // ruled out when the engine was built
        };
        let channel = message.channel().as_str();
        let named = |event: Event| message.id().into_iter().fold(event, Event::with_message);
        match outcome {
            Ok(()) => {
                self.tell(EventKind::MessageSent, Some(caller), |event| {
                    named(event).with_subject(subject).with_method(channel)
                });
                None
            }
            Err(error) => Some(self.not_taken(&error, (channel, message.id()), subject, caller)),
        }
    }

    /// What the user is told of a message that was not taken; the operator hears the cause. `by` names the channel, or the method
    /// that asks elsewhere.
    fn not_taken(
        &self,
        error: &SendError,
        (by, message): (&str, Option<Id>),
        subject: &Subject,
        caller: &Caller,
    ) -> StepError {
        let (told, cause) = match error {
            SendError::Unreachable => (StepError::Unreachable, "message.unreachable"),
            SendError::Busy => (StepError::NotSent, "message.busy"),
            _ => {
                tracing::warn!(%error, by, "a message could not be sent");
                (StepError::NotSent, "message.unavailable")
            }
        };
        self.tell(EventKind::MessageFailed, Some(caller), |event| {
            let event = message.into_iter().fold(event, Event::with_message);
            event.with_subject(subject).with_method(by).with_cause(cause, "")
        });
        told
    }
}
