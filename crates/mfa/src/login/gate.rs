//! What lets a user set up a first factor within a login, beside the password.

use countersign_mfa_otp::RecoveryCodeHash;
use countersign_primitives::{Subject, UnixTime};

use super::engine::{Looked, Turn};
use super::machine::Gate;
use super::record::Login;
use super::situation::Situation;
use crate::enrolments::{Enrolments, Invitation};
use crate::limits::Guess;
use crate::mfa::Inner;
use crate::{Answer, Caller, FirstEnrolment, LoginError, Method};

/// What an invitation is called where methods are named.
pub(crate) const INVITATION: &str = "invitation";

impl Inner {
    /// What stands before an enrolment in this login; none where nothing may be set up.
    pub(super) fn gate(&self, login: &Login, enrolments: Option<&Enrolments>, now: UnixTime) -> Option<Gate> {
        match self.policy.enrolment() {
            FirstEnrolment::Closed => None,
            // Whoever has the password may not be its owner.
            FirstEnrolment::ThisLogin if enrolments.is_some_and(|all| all.compromised_at(now).is_some()) => None,
            FirstEnrolment::ThisLogin => Some(Gate::Open),
            FirstEnrolment::VerifiedChannel => {
                let opening = enrolments?.authenticators.iter().filter(|one| one.opens_only);
                let contacts: Vec<_> = opening.map(|one| one.id).collect();
                // An address that the account lost meanwhile opens nothing any more.
                let opened = login.opened.is_some_and(|opened| contacts.contains(&opened));
                match (opened, contacts.is_empty()) {
                    (true, _) => Some(Gate::Open),
                    (false, false) => Some(Gate::Contacts(contacts)),
                    (false, true) => None,
                }
            }
            FirstEnrolment::Invitation => {
                let invitation = valid_invitation(enrolments?, now)?;
                Some(if login.opened == Some(invitation.id) { Gate::Open } else { Gate::Invitation })
            }
        }
    }

    /// Takes the code of an invitation. It is spent by the factor that is set up with it, in one commit.
    pub(super) async fn invited(
        &self,
        turn: &mut Turn,
        (subject, situation): (&Subject, &Situation),
        answer: &Answer,
        caller: &Caller,
    ) -> Result<Looked, LoginError> {
        let method = Method::new(INVITATION, "Invitation");
        let partition = self.subjects.partition(subject);
        let (paid, _) = self.pay(Guess::SecondFactor(&method), partition, Some(subject), caller, turn.now).await?;
        let code = answer.code_text().unwrap_or_default();
        let is_right = |invitation: &&Invitation| {
            let hashes = std::slice::from_ref(&invitation.hash);
            RecoveryCodeHash::find(hashes, self.keys.codes(), &invitation_context(subject), code).is_some()
        };
        match valid_invitation(&situation.enrolments, turn.now).filter(is_right) {
            Some(invitation) => {
                paid.refund(&*self.store, self.now()).await?;
                turn.login.opened = Some(invitation.id);
                Ok(Looked::On(None))
            }
            None => self.wrong(paid, &method, subject, caller).await,
        }
    }

    /// Whether what opened the way still stands as the factor comes into force.
    pub(super) fn still_invited(&self, login: &Login, enrolments: &Enrolments, now: UnixTime) -> bool {
        self.policy.enrolment() != FirstEnrolment::Invitation
            || valid_invitation(enrolments, now).is_some_and(|invitation| login.opened == Some(invitation.id))
    }
}

fn valid_invitation(enrolments: &Enrolments, now: UnixTime) -> Option<&Invitation> {
    enrolments.invitation.as_ref().filter(|invitation| now < invitation.until)
}

/// What the hash of an invitation is bound to: nothing else that a user may type is.
pub(crate) fn invitation_context(subject: &Subject) -> Vec<u8> {
    [b"invitation\0", subject.as_str().as_bytes()].concat()
}
