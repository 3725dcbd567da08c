//! "That was not me": a link in a notice, for whoever finds that somebody else did it. It works without being signed in, whatever became of
//! password, address and sessions since.

use std::time::Duration;

use countersign_primitives::{SecretString, Subject};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key, Kind, Stored};
use countersign_tokens::{Handle, HandleHash, HandleKind, Ring};
use serde::{Deserialize, Serialize};

use super::DeadLink;
use crate::account_events::By;
use crate::keys::NOT_ME_LINK;
use crate::mfa::Inner;
use crate::{Caller, LoginError, Mfa};

/// So long the link of a notice works: its owner may read mails once a week.
pub(crate) const LIFETIME: Duration = Duration::from_secs(7 * 86_400);

const KIND: HandleKind = HandleKind::new("cs_notme");

/// A link that was sent: 256 bits, of which the hash is kept, in a partition of its own.
#[derive(Clone, Serialize, Deserialize)]
struct NotMeLink {
    subject: Subject,
    hash: HandleHash,
    spent: bool,
}

impl Stored for NotMeLink {
    const KIND: Kind = NOT_ME_LINK;
}

/// Why an account was not closed to whoever got in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotMeError {
    /// The link does not work.
    #[error(transparent)]
    Link(#[from] DeadLink),
    /// The store failed; the link works as before.
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl Mfa {
    /// Whose account a "this was not me" link is for, if it works. Asking does nothing: programs that look into mails may open it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn not_me_link(&self, link: &str) -> Result<Option<Subject>, LoginError> {
        let found = self.0.open_not_me(link).await?;
        Ok(found.map(|found| found.value.subject))
    }

    /// Takes a "this was not me" link ([`MfaBuilder::not_me_links`](crate::MfaBuilder::not_me_links)): notes that somebody else may have got
    /// in, as [`Mfa::report_compromise`] does, tells the owner, and spends the link, last, so that one that could not do all of it works
    /// again.
    ///
    /// It ends no sessions: whoever has some ends them before, by [`Mfa::not_me_link`], so that nothing is left once the link is spent.
    ///
    /// ```
    /// # use countersign_mfa::{Caller, Mfa, NotMeError};
    /// # async fn example(mfa: Mfa, link: &str, caller: Caller) -> Result<(), NotMeError> {
    /// if let Some(subject) = mfa.not_me_link(link).await? {
    ///     println!("ends all sessions of {}", subject.as_str());
    ///     mfa.not_me(link, &caller).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`NotMeError::Link`] for a link that does not work; else as the store fails.
    pub async fn not_me(&self, link: &str, caller: &Caller) -> Result<Subject, NotMeError> {
        let inner = &*self.0;
        let found = inner.open_not_me(link).await?.ok_or(DeadLink)?;
        let subject = found.value.subject.clone();
        self.report_by_owner(&subject, &By::from(caller)).await?;
        let spent = NotMeLink { spent: true, ..found.value.clone() };
        let mut batch = Batch::new(found.key.partition, inner.now(), &*inner.random).map_err(LoginError::from)?;
        batch.put_value(found.key, found.unchanged(), found.expires_at, &spent).map_err(LoginError::from)?;
        match inner.store.commit_surely(&batch).await {
            Ok(()) => Ok(subject),
            Err(CommitError::Conflict(_)) => Err(DeadLink.into()),
            Err(error) => Err(LoginError::from(error).into()),
        }
    }
}

impl Inner {
    /// A link for a notice to the owner of an account.
    pub(crate) async fn new_not_me_link(&self, subject: &Subject) -> Result<SecretString, LoginError> {
        let (id, now) = (self.random.id()?, self.now());
        let handle = Handle::generate(KIND, id, &*self.random)?;
        let link = NotMeLink { subject: subject.clone(), hash: handle.hash(&Ring), spent: false };
        let mut batch = Batch::new(id, now, &*self.random)?;
        batch.put_value(Key::root(NOT_ME_LINK, id), Expect::Absent, now.plus(LIFETIME), &link)?;
        self.store.commit_surely(&batch).await?;
        Ok(SecretString::new(format!("{}/not-me?link={}", self.link_base, handle.to_secret_string().expose())))
    }

    /// The record behind a text, if it is such a link and works. What was changed since does not matter: it may be a thief who changed it.
    async fn open_not_me(&self, text: &str) -> Result<Option<Found<NotMeLink>>, LoginError> {
        let Ok(handle) = Handle::parse(KIND, text) else { return Ok(None) };
        let found: Option<Found<NotMeLink>> = self.store.find(Key::root(NOT_ME_LINK, handle.id()), self.now()).await?;
        Ok(found.filter(|found| !found.value.spent && found.value.hash.matches(&handle.hash(&Ring))))
    }
}
