//! What an export tells of users, and what an import takes over.

use countersign_accounts::Account;
use countersign_events::EventKind;
use countersign_primitives::{Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Cursor, Found, Item, Part, Store, StoreError, TransferKey};

use crate::authenticators::{AuthenticatorsError, TRIES};
use crate::enrolments::{Authenticator, Enrolments};
use crate::factor::{HOTP, TOTP};
use crate::keys::ACCOUNT;
use crate::stored_accounts::StoredAccount;
use crate::{Authenticators, Changed, StoredAccounts};

/// A page of all accounts.
#[derive(Debug, Clone, Default)]
pub struct AccountsPage {
    /// So many of them, in no order.
    pub accounts: Vec<Account>,
    /// Where to go on; none when this was the last page.
    pub next: Option<Cursor>,
}

impl StoredAccounts {
    /// Goes over all accounts, a page at a time: about `limit` records of any kind are looked at, so a page may be empty. An account
    /// that is there throughout is told, perhaps twice.
    ///
    /// ```
    /// # use countersign_mfa::StoredAccounts;
    /// # use countersign_storage_traits::StoreError;
    /// # async fn example(accounts: StoredAccounts) -> Result<(), StoreError> {
    /// let mut after = None;
    /// loop {
    ///     let page = accounts.page(after, 256).await?;
    ///     page.accounts.iter().for_each(|account| println!("{:?}", account.subject()));
    ///     after = page.next;
    ///     if after.is_none() {
    ///         break;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the store fails, or cannot be walked.
    pub async fn page(&self, after: Option<Cursor>, limit: u16) -> Result<AccountsPage, StoreError> {
        let store: &dyn Store = &*self.store;
        let page = store.scannable()?.scan(Part::RecordsOf(ACCOUNT), after, limit).await?;
        let now = self.clock.now();
        let mut accounts = Vec::new();
        for item in page.items {
            if let Item::Record { key, record } = item
                && record.expires_at > now
            {
                accounts.push(Found::<StoredAccount>::decode(key, &record)?.value.into());
            }
        }
        Ok(AccountsPage { accounts, next: page.next })
    }
}

impl Authenticators {
    /// The seeds of a user's authenticator apps and tokens with a button, sealed for an export; none if there are none. Recovery codes
    /// and what hangs on this server alone stay behind.
    ///
    /// # Errors
    /// When the store fails or there is no randomness.
    pub async fn export_sealed(
        &self,
        subject: &Subject,
        key: &TransferKey,
    ) -> Result<Option<String>, AuthenticatorsError> {
        let read = self.read(subject).await?;
        let travels = |one: &&Authenticator| [TOTP, HOTP].contains(&one.method.as_str());
        // Which login spent the present code is of no meaning elsewhere; that it is spent stands in the state.
        let apart = |one: &Authenticator| Authenticator { spent_by: None, ..one.clone() };
        let authenticators: Vec<_> = read.value.authenticators.iter().filter(travels).map(apart).collect();
        if authenticators.is_empty() {
            return Ok(None);
        }
        let json = serde_json::to_vec(&Enrolments { authenticators, ..Enrolments::default() });
        let json = zeroize::Zeroizing::new(json.map_err(|error| StoreError::Encode(error.into()))?);
        Ok(Some(key.seal(subject.as_str(), &json, &*self.inner().random)?))
    }

    /// Takes over what [`Authenticators::export_sealed`] sealed for this user, and says whether it did: whoever has had a factor here,
    /// if only one that was removed, keeps what there is.
    ///
    /// # Errors
    /// When it was sealed under another key or for somebody else, no such factor is plugged in, or the store fails.
    pub async fn import_sealed(
        &self,
        subject: &Subject,
        key: &TransferKey,
        sealed: &str,
    ) -> Result<bool, AuthenticatorsError> {
        let json = key.open(subject.as_str(), sealed)?;
        let told: Enrolments = serde_json::from_slice(&json).map_err(|_| AuthenticatorsError::NotExported)?;
        for one in &told.authenticators {
            let method = [TOTP, HOTP].into_iter().find(|method| *method == one.method);
            let method = method.ok_or(AuthenticatorsError::NotExported)?;
            self.inner().factor(method).ok_or(AuthenticatorsError::NoSuchMethod(method))?;
        }
        if told.authenticators.is_empty() || told.authenticators.len() > Enrolments::MAX {
            return Err(AuthenticatorsError::NotExported);
        }
        for _ in 0..TRIES {
            let (now, read): (UnixTime, _) = (self.inner().now(), self.read(subject).await?);
            if read.value.had || !read.value.authenticators.is_empty() {
                return Ok(false);
            }
            let mut batch = Batch::new(read.key.partition, now, &*self.inner().random)?;
            // When a policy first met the user stays known; an invitation to a first factor has served.
            let authenticators = told.authenticators.clone();
            read.put(&mut batch, &Enrolments { authenticators, invitation: None, ..read.value.clone() })?;
            let changing =
                self.inner().changing(subject, Changed::FirstFactorEnrolled, (None, Some(&self.1)), &mut batch);
            changing.await.map_err(AuthenticatorsError::Subjects)?;
            match self.inner().store.commit_surely(&batch).await {
                Ok(()) => {
                    for one in &told.authenticators {
                        let told =
                            |event: countersign_events::Event| event.with_subject(subject).with_method(&one.method);
                        self.inner().tell(EventKind::FactorEnrolled, None, told);
                    }
                    return Ok(true);
                }
                Err(CommitError::Unknown(error) | CommitError::Refused(error)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        Err(AuthenticatorsError::Contended)
    }
}
