//! "That was not me": a link in a notice, for whoever finds that somebody else did it. It works without being signed in, whatever became of
//! password, address and sessions since.

use std::time::Duration;

use countersign_accounts::Account;
use countersign_primitives::{SecretString, Subject, UnixTime};
use countersign_storage_traits::{Batch, Expect, Found, Key};
use countersign_tokens::{Handle, Ring};

use super::{DeadLink, Link, LinkPurpose};
use crate::account_events::By;
use crate::keys::LINK;
use crate::mfa::Inner;
use crate::{Caller, LoginError, Mfa};

/// So long the link of a notice works: its owner may read mails once a week.
pub(crate) const LIFETIME: Duration = Duration::from_secs(7 * 86_400);

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
        Ok(found.and_then(|found| found.value.subject))
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
        let subject = found.value.subject.clone().ok_or(DeadLink)?;
        self.report_by_owner(&subject, &By::from(caller)).await?;
        if inner.spend_link_record(&found, inner.now()).await? { Ok(subject) } else { Err(DeadLink.into()) }
    }
}

impl Inner {
    /// A link for the next notice to this address, where notices have one.
    pub(crate) async fn new_not_me_link(&self, account: &Account, to: &str) -> Result<Option<SecretString>, LoginError> {
        if !self.not_me_links {
            return Ok(None);
        }
        let (id, now): (_, UnixTime) = (self.random.id()?, self.now());
        let handle = Handle::generate(LinkPurpose::NotMe.kind(), id, &*self.random)?;
        let subject = account.subject();
        let link = Link {
            purpose: LinkPurpose::NotMe,
            subject: Some(subject.clone()),
            hash: handle.hash(&Ring),
            epoch: self.epoch(subject).await?,
            to: to.to_owned(),
            login: None,
            spent: false,
        };
        let mut batch = Batch::new(id, now, &*self.random)?;
        batch.put_value(Key::root(LINK, id), Expect::Absent, now.plus(LIFETIME), &link)?;
        self.store.commit_surely(&batch).await?;
        Ok(Some(SecretString::new(format!("{}/not-me?link={}", self.link_base, handle.to_secret_string().expose()))))
    }

    /// The record behind a text, if it is such a link and works. What was changed since does not matter: it may be a thief who changed it.
    async fn open_not_me(&self, text: &str) -> Result<Option<Found<Link>>, LoginError> {
        let Ok(handle) = Handle::parse(LinkPurpose::NotMe.kind(), text) else { return Ok(None) };
        let found: Option<Found<Link>> = self.store.find(Key::root(LINK, handle.id()), self.now()).await?;
        Ok(found.filter(|found| {
            let link = &found.value;
            link.purpose == LinkPurpose::NotMe && !link.spent && link.hash.matches(&handle.hash(&Ring))
        }))
    }
}
