//! After a compromise: what is asked for a time, once somebody else may have got in.

use std::time::Duration;

use countersign_events::EventKind;
use countersign_primitives::{Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError};
use serde::{Deserialize, Serialize};

use crate::account_events::{AccountEventKind, By};
use crate::authenticators::TRIES;
use crate::enrolments::{Enrolments, Read};
use crate::{LoginError, Mfa, Notice};

/// The time in which an account is looked after more closely, since somebody else may have got in.
///
/// Within it no remembered device counts, a user who has a factor proves it at every login and in every session, one who has none sets none up
/// by the password alone, and an adaptive policy counts it (`compromised`). Rules of the host's own read it too ([`PolicyInput::compromised`](crate::PolicyInput::compromised)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compromised {
    /// When it was first reported.
    pub since: UnixTime,
    /// When it is over.
    pub until: UnixTime,
}

impl Compromised {
    /// How long it usually lasts.
    pub const LASTS: Duration = Duration::from_secs(7 * 86_400);
}

impl Mfa {
    /// Whether somebody else may have got in to an account lately.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn compromised(&self, subject: &Subject) -> Result<Option<Compromised>, LoginError> {
        let inner = &*self.0;
        let now = inner.now();
        let read = Read::of(&*inner.store, &*inner.subjects, subject, now).await?;
        Ok(read.value.compromised_at(now))
    }

    /// Notes that somebody else may have got in: remembered devices are forgotten in the same commit, the owner is told, and for a time
    /// ([`Policy::after_compromise`](crate::Policy::after_compromise)) a second factor is asked for at every login and of every session that
    /// has not proven one. Reported again it lasts from then on, and the owner is not told anew. None where the policy takes no notice.
    ///
    /// It ends no sessions: [`Server::revoke_subject`](https://docs.rs/countersign-oauth-core) ends everything. An authorization server
    /// reports by itself where a refresh token was used twice.
    ///
    /// ```
    /// # use countersign_mfa::{LoginError, Mfa};
    /// # async fn example(mfa: Mfa) -> Result<(), LoginError> {
    /// mfa.report_compromise(&"u-1".into(), "helpdesk.reported").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the store fails; call again.
    pub async fn report_compromise(
        &self,
        subject: &Subject,
        cause: &'static str,
    ) -> Result<Option<Compromised>, LoginError> {
        let noted = (cause, AccountEventKind::Compromised);
        let Some((before, mark)) = self.mark_compromised(subject, noted, &By::HOST).await? else { return Ok(None) };
        if before.is_none() {
            self.0.tell_owner(subject, Notice::Compromised).await;
        }
        Ok(Some(mark))
    }

    /// A refresh token came again that had been spent: somebody else has it, or had it.
    #[cfg(feature = "oauth")]
    pub(crate) async fn report_token_reuse(&self, subject: &Subject) -> Result<(), LoginError> {
        let cause = countersign_oauth_core::Cause::RefreshTokenReused.id();
        let noted = (cause, AccountEventKind::TokenReused);
        if let Some((None, _)) = self.mark_compromised(subject, noted, &By::HOST).await? {
            self.0.tell_owner(subject, Notice::TokenReused).await;
        }
        Ok(())
    }

    /// The owner says so. Whoever it was that said it, the owner is told.
    pub(crate) async fn report_by_owner(&self, subject: &Subject, by: &By) -> Result<(), LoginError> {
        self.mark_compromised(subject, ("owner.reported", AccountEventKind::Compromised), by).await?;
        self.0.tell_owner(subject, Notice::Compromised).await;
        Ok(())
    }

    /// Sets the mark. What stood there before comes first.
    async fn mark_compromised(
        &self,
        subject: &Subject,
        (cause, what): (&'static str, AccountEventKind),
        by: &By,
    ) -> Result<Option<(Option<Compromised>, Compromised)>, LoginError> {
        let inner = &*self.0;
        let Some(lasts) = inner.policy.heeds_compromise() else { return Ok(None) };
        for _ in 0..TRIES {
            let now = inner.now();
            let read = Read::of(&*inner.store, &*inner.subjects, subject, now).await?;
            let before = read.value.compromised_at(now);
            let mark = Compromised { since: before.map_or(now, |before| before.since), until: now.plus(lasts) };
            let value = Enrolments { compromised: Some(mark), ..read.value.clone() };
            let mut batch = Batch::new(read.key.partition, now, &*inner.random)?;
            read.put(&mut batch, &value)?;
            inner.forget_devices(&mut batch);
            inner.note_event(&mut batch, what, None, by).await?;
            match inner.store.commit_surely(&batch).await {
                Ok(()) => {
                    inner.tell(EventKind::AccountCompromised, None, |event| {
                        event.with_subject(subject).with_cause(cause, "NIST SP 800-63B-4 §4.2")
                    });
                    return Ok(Some((before, mark)));
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }

    /// Says that the account is in its owner's hands: for a help desk that has made sure. Says whether there was anything to clear.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn clear_compromise(&self, subject: &Subject) -> Result<bool, LoginError> {
        let inner = &*self.0;
        for _ in 0..TRIES {
            let now = inner.now();
            let read = Read::of(&*inner.store, &*inner.subjects, subject, now).await?;
            if read.value.compromised_at(now).is_none() {
                return Ok(false);
            }
            let value = Enrolments { compromised: None, ..read.value.clone() };
            let mut batch = Batch::new(read.key.partition, now, &*inner.random)?;
            read.put(&mut batch, &value)?;
            match inner.store.commit_surely(&batch).await {
                Ok(()) => return Ok(true),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }
}
