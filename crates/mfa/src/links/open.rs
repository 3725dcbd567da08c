//! Reading a link, and spending it.

use countersign_accounts::Account;
use countersign_primitives::{Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Found, Key};
use countersign_tokens::{Handle, Ring};

use super::{Link, LinkPurpose};
use crate::keys::LINK;
use crate::mfa::Inner;
use crate::{LoginError, Mfa};

/// A link that works at present.
pub(crate) struct Opened {
    pub(super) found: Found<Link>,
    pub(crate) account: Account,
}

impl Opened {
    pub(crate) fn subject(&self) -> &Subject {
        self.account.subject()
    }

    pub(crate) fn link(&self) -> &Link {
        &self.found.value
    }
}

impl Mfa {
    /// Whether a link works at present. Asking spends nothing: programs that look into mails may open it as often as they like.
    ///
    /// # Errors
    /// When store or accounts fail.
    pub async fn is_live_link(&self, purpose: LinkPurpose, link: &str) -> Result<bool, LoginError> {
        Ok(self.0.open(purpose, link).await?.is_some())
    }
}

impl Inner {
    /// The link behind a text, if it works: it is for this, it is the newest of its kind, nothing of its owner was ended since, and the
    /// address that it was sent to is still the owner's.
    pub(crate) async fn open(&self, purpose: LinkPurpose, text: &str) -> Result<Option<Opened>, LoginError> {
        let (Ok(handle), Some((accounts, _))) = (Handle::parse(purpose.kind(), text), &self.accounts) else {
            return Ok(None);
        };
        let now = self.now();
        let found: Option<Found<Link>> = self.store.find(Key::root(LINK, handle.id()), now).await?;
        let Some(found) = found.filter(|found| found.value.hash.matches(&handle.hash(&Ring))) else { return Ok(None) };
        let link = &found.value;
        let Some(subject) = link.subject.as_ref().filter(|_| !link.spent && link.purpose == purpose) else {
            return Ok(None);
        };
        let newest = self.links(self.subjects.partition(subject), now).await?.newest(purpose);
        if newest != Some(handle.id()) || self.epoch(subject).await? != link.epoch {
            return Ok(None);
        }
        let account = accounts.by_subject(subject).await.map_err(LoginError::Accounts)?;
        let account = account.filter(|account| !account.is_disabled() && is_sent_to(account, link));
        Ok(account.map(|account| Opened { found, account }))
    }

    /// Spends a link. Of any number of requests that bring it at once, one does.
    pub(crate) async fn spend_link(&self, opened: &Opened, now: UnixTime) -> Result<bool, LoginError> {
        let found = &opened.found;
        let mut batch = Batch::new(found.key.partition, now, &*self.random)?;
        let spent = Link { spent: true, ..found.value.clone() };
        batch.put_value(found.key, found.unchanged(), found.expires_at, &spent)?;
        match self.store.commit_surely(&batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_sent_to(account: &Account, link: &Link) -> bool {
    let verified = link.purpose == LinkPurpose::VerifyEmail;
    account.email_address().is_some_and(|(address, known)| address == link.to && (known || verified))
}
