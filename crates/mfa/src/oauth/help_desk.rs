//! What an operator does for a user, once it is sure who asks: each call is told as an event, and the user hears of what concerns them.

use std::time::Duration;

use countersign_events::{Event, EventKind};
use countersign_oauth_core::{Refusal, Server, SessionInfo};
use countersign_primitives::{BoxError, Subject};
use serde_json::{Value, json};

use crate::account_events::{AccountEventKind, By};
use crate::authenticators::AuthenticatorsError;
use crate::step::Shown;
use crate::{AuthenticatorId, AuthenticatorInfo, FirstEnrolment, LoginError, Mfa, Notice, Operator};

/// Looks after users in the name of an [`Operator`]. It asks for no proof: whoever makes one has made sure of the operator, and the operator of
/// the user.
///
/// ```
/// # use countersign_mfa::Operator;
/// # use countersign_mfa::oauth::{HelpDesk, HelpDeskError};
/// # async fn example(server: countersign_oauth_core::Server, mfa: countersign_mfa::Mfa) -> Result<(), HelpDeskError> {
/// let desk = HelpDesk::new(&server, &mfa, Operator::user("u-9"));
/// desk.unlock(&"u-1".into()).await?;
/// desk.reset_factors(&"u-1".into()).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct HelpDesk {
    server: Server,
    mfa: Mfa,
    by: Operator,
}

/// Why something was not done for a user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelpDeskError {
    /// No account is this subject's.
    #[error("there is no such user")]
    NoSuchUser,
    /// Operators take no factors of their own away here: who came by a token of theirs must not be able to.
    #[error("your own ways to sign in are changed at your account, or by another operator")]
    OwnFactors,
    /// The policy lets nobody set up a first factor by an invitation.
    #[error("users need no invitation here: first enrolment is not by FirstEnrolment::Invitation")]
    InvitationsNotUsed,
    /// The user's factors could not be read or changed.
    #[error(transparent)]
    Authenticators(#[from] AuthenticatorsError),
    /// What is kept of the user's logins could not be read or changed.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The accounts failed.
    #[error("the accounts failed")]
    Accounts(#[source] BoxError),
    /// The server could not do it.
    #[error("the server could not do it: {0}")]
    Server(Refusal),
}

impl From<Refusal> for HelpDeskError {
    fn from(refusal: Refusal) -> Self {
        Self::Server(refusal)
    }
}

impl HelpDesk {
    /// For users of this server, who sign in by this engine, in the name of an operator.
    #[must_use]
    pub fn new(server: &Server, mfa: &Mfa, by: Operator) -> Self {
        Self { server: server.clone(), mfa: mfa.clone(), by }
    }

    /// What a user can prove.
    ///
    /// # Errors
    /// As all calls: [`HelpDeskError::NoSuchUser`], and when something fails; what was done then may be done again.
    pub async fn authenticators(&self, user: &Subject) -> Result<Vec<AuthenticatorInfo>, HelpDeskError> {
        self.known(user).await?;
        Ok(self.mfa.authenticators().list(user).await?)
    }

    /// Gives an authenticator another name, and says whether it was there.
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators).
    pub async fn rename(&self, user: &Subject, id: &AuthenticatorId, label: &str) -> Result<bool, HelpDeskError> {
        let before = self.authenticators(user).await?.into_iter().find(|one| one.id == *id);
        let renamed = self.mfa.authenticators().rename(user, id, Some(label)).await?;
        if renamed {
            let before = before.and_then(|one| one.label);
            self.told(user, "authenticator.rename", &json!({ "id": id.to_string(), "before": before, "after": label }));
        }
        Ok(renamed)
    }

    /// Takes one authenticator away, with the sessions and grants that may rest on it, and says whether it was there. The owner is told.
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators).
    pub async fn remove(&self, user: &Subject, id: &AuthenticatorId) -> Result<bool, HelpDeskError> {
        self.not_own(user)?;
        let before = named(&self.authenticators(user).await?);
        let removed = self.mfa.authenticators().remove(user, id).await?;
        if removed {
            let after = named(&self.mfa.authenticators().list(user).await?);
            self.told(user, "authenticator.remove", &json!({ "before": before, "after": after }));
        }
        Ok(removed)
    }

    /// Takes all factors of a user away who lost them, with the sessions and grants that may rest on them. The owner is told.
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators).
    pub async fn reset_factors(&self, user: &Subject) -> Result<(), HelpDeskError> {
        self.not_own(user)?;
        let before = named(&self.authenticators(user).await?);
        self.mfa.authenticators().reset(user).await?;
        self.told(user, "factors.reset", &json!({ "before": before, "after": [] }));
        Ok(())
    }

    /// Wants a user to have a factor, or not any more ([`Authenticators::require_factor`](crate::Authenticators::require_factor)). The owner
    /// is told and signed out.
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators).
    pub async fn require_factor(&self, user: &Subject, required: bool) -> Result<(), HelpDeskError> {
        self.known(user).await?;
        if self.mfa.authenticators().require_factor(user, required).await? {
            self.told(user, "factor.require", &json!({ "before": !required, "after": required }));
        }
        Ok(())
    }

    /// Forgets the guesses at an account ([`Mfa::unlock_subject`]).
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators).
    pub async fn unlock(&self, user: &Subject) -> Result<(), HelpDeskError> {
        self.known(user).await?;
        self.mfa.unlock_subject(user).await.map_err(LoginError::from)?;
        self.told(user, "unlock", &Value::Null);
        Ok(())
    }

    /// Forgets the browsers that a user had remembered.
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators).
    pub async fn forget_browsers(&self, user: &Subject) -> Result<(), HelpDeskError> {
        self.known(user).await?;
        let before = self.mfa.remembered_devices().list(user).await?.len();
        self.mfa.remembered_devices().forget_all(user).await?;
        self.told(user, "browsers.forget", &json!({ "before": before, "after": 0 }));
        Ok(())
    }

    /// Invites a user to set up a first factor ([`Authenticators::invite`](crate::Authenticators::invite)). The code is handed out
    /// this once.
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators); and where nobody needs one, or the user has a factor.
    pub async fn invite(&self, user: &Subject, lasts: Duration) -> Result<Shown, HelpDeskError> {
        self.invites(user).await?;
        let code = self.mfa.authenticators().invite(user, lasts).await?;
        self.told(user, "invite", &json!({ "lasts": lasts.as_secs() }));
        Ok(code)
    }

    /// The same, with the code in a mail to the user's verified address.
    ///
    /// # Errors
    /// As [`invite`](Self::invite); and when the mail cannot be sent.
    pub async fn invite_by_mail(&self, user: &Subject, lasts: Duration) -> Result<(), HelpDeskError> {
        self.invites(user).await?;
        self.mfa.authenticators().invite_by_mail(user, lasts).await?;
        self.told(user, "invite.by_mail", &json!({ "lasts": lasts.as_secs() }));
        Ok(())
    }

    async fn invites(&self, user: &Subject) -> Result<(), HelpDeskError> {
        if self.mfa.0.policy.enrolment() != FirstEnrolment::Invitation {
            return Err(HelpDeskError::InvitationsNotUsed);
        }
        self.known(user).await
    }

    /// Where a user is signed in.
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators).
    pub async fn sessions(&self, user: &Subject) -> Result<Vec<SessionInfo>, HelpDeskError> {
        self.known(user).await?;
        Ok(self.server.sessions_of(user).await?)
    }

    /// Signs a user out everywhere, and says of how many sessions. What was granted for while nobody is there (`offline_access`) goes on.
    /// The owner is told.
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators).
    pub async fn end_sessions(&self, user: &Subject) -> Result<usize, HelpDeskError> {
        self.known(user).await?;
        let ended = self.server.end_sessions_of(user, None).await?;
        self.told(user, "sessions.end", &json!({ "before": ended, "after": 0 }));
        self.signed_out(user).await;
        Ok(ended)
    }

    /// Ends every session and every grant of a user, requests in flight included. The owner is told.
    ///
    /// # Errors
    /// As [`authenticators`](Self::authenticators).
    pub async fn revoke_access(&self, user: &Subject) -> Result<(), HelpDeskError> {
        self.known(user).await?;
        let before = self.server.sessions_of(user).await?.len();
        self.server.revoke_subject(user.clone()).await?;
        self.told(user, "access.revoke", &json!({ "before": before, "after": 0 }));
        self.signed_out(user).await;
        Ok(())
    }

    /// Whether there is such a user.
    async fn known(&self, user: &Subject) -> Result<(), HelpDeskError> {
        let accounts = self.server.accounts().ok_or(HelpDeskError::NoSuchUser)?;
        let account = accounts.by_subject(user).await.map_err(HelpDeskError::Accounts)?;
        account.map(drop).ok_or(HelpDeskError::NoSuchUser)
    }

    fn not_own(&self, user: &Subject) -> Result<(), HelpDeskError> {
        if self.by.subject() == Some(user) { Err(HelpDeskError::OwnFactors) } else { Ok(()) }
    }

    async fn signed_out(&self, user: &Subject) {
        self.mfa.0.note_done(user, AccountEventKind::SessionEnded, None, &By::HOST).await;
        self.mfa.0.tell_owner(user, Notice::SignedOut).await;
    }

    fn told(&self, user: &Subject, what: &'static str, detail: &Value) {
        let event = Event::new(EventKind::UserAdministered, self.server.now()).with_subject(user).with_method(what);
        let event = if detail.is_null() { event } else { event.with_detail(detail.to_string()) };
        self.server.event(&self.by.on(event));
    }
}

fn named(all: &[AuthenticatorInfo]) -> Vec<String> {
    all.iter().map(|one| one.id.to_string()).collect()
}
