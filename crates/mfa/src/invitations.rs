//! Invitations to set up a first factor: issued by the host, spent by the factor, told when they come, serve and end.

use std::time::Duration;

use countersign_events::EventKind;
use countersign_mfa_otp::RecoveryCode;
use countersign_outbound::Channel;
use countersign_primitives::{Subject, UnixTime};

use crate::authenticators::{Authenticators, AuthenticatorsError};
use crate::enrolments::{Enrolments, Invitation};
use crate::login::gate::{INVITATION, invitation_context};
use crate::mfa::Inner;
use crate::step::Shown;
use crate::{Changed, Envelope, Languages};

impl Authenticators {
    /// Invites a user to set up a first factor in a login, within this time. The code is handed out this once, for the host to
    /// carry to the user in a way that it trusts: a letter, a counter, an officer. It serves one enrolment, replaces any invitation
    /// from before, and opens nothing without the password ([`FirstEnrolment::Invitation`](crate::FirstEnrolment::Invitation)).
    ///
    /// # Errors
    /// When the user has a factor already, or the store fails.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use countersign_mfa::{Authenticators, AuthenticatorsError};
    /// # async fn example(authenticators: Authenticators) -> Result<(), AuthenticatorsError> {
    /// let code = authenticators.invite(&"u-1".into(), Duration::from_secs(7 * 86_400)).await?;
    /// println!("Your code: {}", code.expose());
    /// # Ok(()) }
    /// ```
    pub async fn invite(&self, subject: &Subject, lasts: Duration) -> Result<Shown, AuthenticatorsError> {
        let inner = self.inner();
        let code = RecoveryCode::generate(&*inner.random)?;
        let (id, hash) = (inner.random.id()?, code.hash(inner.keys.codes(), &invitation_context(subject)));
        self.change(subject, None, |enrolments, now| {
            if enrolments.has_factor() {
                return Err(AuthenticatorsError::HasFactor);
            }
            enrolments.invitation = Some(Invitation { id, hash: hash.clone(), until: now.plus(lasts) });
            Ok(Some(Changed::Invited))
        })
        .await?;
        inner.tell_invitation(EventKind::InvitationIssued, subject);
        Ok(Shown::new(code.expose()))
    }

    /// The same, with the code in a mail to the account's verified address, where nobody else sees it. As good as that mailbox: whoever
    /// reads it and knows the password sets up a factor.
    ///
    /// # Errors
    /// As [`invite`](Self::invite); [`AuthenticatorsError::NoAddress`] before anything is issued, [`AuthenticatorsError::NotSent`] after
    /// it: invite again then.
    pub async fn invite_by_mail(&self, subject: &Subject, lasts: Duration) -> Result<(), AuthenticatorsError> {
        let inner = self.inner();
        let (Some((accounts, _)), Some(sender)) = (&inner.accounts, inner.senders.get(&Channel::Email)) else {
            return Err(AuthenticatorsError::NoAddress);
        };
        let account = accounts.by_subject(subject).await.map_err(AuthenticatorsError::Subjects)?;
        let account = account.ok_or(AuthenticatorsError::NoAddress)?;
        let Some((address, true)) = account.email_address() else { return Err(AuthenticatorsError::NoAddress) };
        let code = self.invite(subject, lasts).await?;
        let languages = inner.languages_of(&account, &Languages::default());
        let to = Envelope::new(Channel::Email, address, inner.now()).languages(languages);
        let to = account.name().into_iter().fold(to, Envelope::account);
        let message = inner.texts.invitation(&to, code.expose(), lasts);
        let message = message.map_err(|error| AuthenticatorsError::NotSent(error.into()))?;
        let message = message.with_id(inner.random.id()?);
        let sent = sender.send(&message).await;
        let kind = if sent.is_ok() { EventKind::MessageSent } else { EventKind::MessageFailed };
        inner.tell(kind, None, |event| {
            let event = event.with_subject(subject).with_method(Channel::Email.as_str());
            let event = message.id().into_iter().fold(event, countersign_events::Event::with_message);
            sent.as_ref().err().into_iter().fold(event, |event, error| event.with_cause(error.id(), ""))
        });
        sent.map_err(|error| AuthenticatorsError::NotSent(error.into()))
    }
}

impl Inner {
    pub(crate) fn tell_invitation(&self, kind: EventKind, subject: &Subject) {
        self.tell(kind, None, |event| event.with_subject(subject).with_method(INVITATION));
    }
}

impl Enrolments {
    /// Whether an invitation stands here that its user did not use in time.
    pub(crate) fn invitation_is_over(&self, now: UnixTime) -> bool {
        !self.has_factor() && self.invitation.as_ref().is_some_and(|invitation| invitation.until <= now)
    }
}
