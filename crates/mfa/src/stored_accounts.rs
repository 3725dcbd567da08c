//! The kit's own users, for hosts without a table of theirs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_accounts::{Account, Accounts, PasswordHash};
use countersign_primitives::{BoxError, Clock, Random, RandomError, Subject, SystemClock, SystemRandom, UnixTime};
use countersign_storage_traits::{
    Batch, CommitError, Encrypted, Expect, Found, Key, Kind, MasterKey, RootKey, Store, StoreError, Stored,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::keys::{ACCOUNT, Keys, LOGIN_NAME, OwnSubjects, normalised};
use crate::{HashRefused, PasswordHasher, Subjects};

/// Users kept in the store. A cheap clone.
///
/// Users sign in by their user name, and by it alone: an e-mail address is a login name only where it *is* the user name. Names are
/// compared without white space around them and without regard to the case of ASCII letters, and belong to one user each.
///
/// ```
/// use countersign_accounts::{Account, Accounts};
/// use countersign_mfa::{Existing, StoredAccounts};
/// use countersign_storage_memory::MemoryStore;
/// use countersign_storage_traits::MasterKey;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), countersign_primitives::BoxError> {
/// let users = StoredAccounts::open(MemoryStore::new(), &MasterKey::from_bytes([7; 32]), "https://id.example.com").await?;
/// let imported = users.import([Account::new("u-1").username("Alice")], Existing::Keep).await?;
/// assert_eq!(imported.created, 1);
/// assert!(users.by_login(" alice").await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StoredAccounts {
    pub(crate) store: Arc<dyn Store>,
    keys: Arc<Keys>,
    subjects: Arc<dyn Subjects>,
    pub(crate) clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// What becomes of an account that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays as it is.
    Keep,
    /// It is replaced, password and all.
    Replace,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// So many accounts are new.
    pub created: usize,
    /// So many were replaced.
    pub replaced: usize,
    /// So many stayed as they were.
    pub kept: usize,
}

/// Why an account could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// The subject is not 1 to 255 printable ASCII characters (OpenID Connect Core §2).
    #[error("the subject {0:?} is not 1 to 255 printable ASCII characters")]
    Subject(Subject),
    /// The user name is empty or longer than 320 bytes.
    #[error("the user name of {0:?} is empty or too long")]
    Name(Subject),
    /// Another account has the user name.
    #[error("the user name of {0:?} belongs to another account")]
    NameTaken(Subject),
    /// The password hash is of a kind that no login checks, or too costly to check.
    #[error("the password hash of {subject:?} cannot be used: {source}")]
    PasswordHash {
        /// Whose.
        subject: Subject,
        /// Why.
        source: HashRefused,
    },
    /// There is no such account.
    #[error("there is no account {0:?}")]
    Unknown(Subject),
    /// Others changed the same account again and again.
    #[error("others were first, again and again")]
    Contended,
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// How often a commit that lost to another is tried again.
const TRIES: usize = 4;
/// How long a name stays reserved for an account that was never written.
const RESERVED: Duration = Duration::from_secs(10 * 60);

impl StoredAccounts {
    /// Accounts in a bare store: they are sealed under `key` ([`Encrypted`]), for this realm alone.
    ///
    /// # Errors
    /// When the store fails, or was sealed under another master key.
    pub async fn open(store: impl Store + 'static, key: &MasterKey, realm: &str) -> Result<Self, StoreError> {
        let sealed = Encrypted::new(store, key, realm, Arc::new(SystemRandom));
        let root = sealed.root_key(SystemClock.now()).await?;
        Ok(Self::in_sealed(Arc::new(sealed), &root, realm))
    }

    /// Accounts in a store that the caller has wrapped in [`Encrypted`] already, for the same realm.
    #[must_use]
    pub fn in_sealed(store: Arc<dyn Store>, key: &RootKey, realm: &str) -> Self {
        let keys = Arc::new(Keys::derive(key, realm));
        let subjects = Arc::new(OwnSubjects(Arc::clone(&keys)));
        Self { store, keys, subjects, clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) }
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where subjects' records live.
    #[must_use]
    pub fn subjects(mut self, subjects: Arc<dyn Subjects>) -> Self {
        self.subjects = subjects;
        self
    }

    /// Writes accounts. The same import again changes nothing; what becomes of accounts that are there already is said by
    /// `existing`.
    ///
    /// # Errors
    /// The first account that cannot be written ends the import; those before it are written.
    pub async fn import(
        &self,
        accounts: impl IntoIterator<Item = Account>,
        existing: Existing,
    ) -> Result<Imported, AccountsError> {
        let mut imported = Imported::default();
        for account in accounts {
            match self.write(&StoredAccount::from(&account), existing).await? {
                Written::Created => imported.created += 1,
                Written::Replaced => imported.replaced += 1,
                Written::Kept => imported.kept += 1,
            }
        }
        Ok(imported)
    }

    /// Whether an account can be written, as far as that can be told without a look at the others.
    ///
    /// # Errors
    /// As [`StoredAccounts::import`].
    pub fn check(&self, account: &Account) -> Result<(), AccountsError> {
        StoredAccount::from(account).check().map(drop)
    }

    /// The name is reserved first, then the account is written, then the old name is released: a crash in between leaves a
    /// reserved name, never two owners of one.
    async fn write(&self, account: &StoredAccount, existing: Existing) -> Result<Written, AccountsError> {
        let name = account.check()?;
        for _ in 0..TRIES {
            let now = self.clock.now();
            let found = self.find(&account.subject, now).await?;
            if found.is_some() && existing == Existing::Keep {
                return Ok(Written::Kept);
            }
            if let Some(name) = &name {
                self.reserve(name, &account.subject, now).await?;
            }
            let key = self.account_key(&account.subject);
            let expect = found.as_ref().map_or(Expect::Absent, Found::unchanged);
            let mut batch = Batch::new(key.partition, now, &*self.random)?;
            batch.put_value(key, expect, UnixTime::MAX, account)?;
            if !self.commit(&batch).await? {
                continue;
            }
            let Some(found) = found else { return Ok(Written::Created) };
            let old = found.value.login_name().ok().flatten();
            if let Some(old) = old.filter(|old| Some(old) != name.as_ref()) {
                self.release(&old, &account.subject, now).await?;
            }
            return Ok(Written::Replaced);
        }
        Err(AccountsError::Contended)
    }

    async fn find(&self, subject: &Subject, now: UnixTime) -> Result<Option<Found<StoredAccount>>, StoreError> {
        self.store.find(self.account_key(subject), now).await
    }

    fn account_key(&self, subject: &Subject) -> Key {
        Key::root(ACCOUNT, self.subjects.partition(subject))
    }

    fn name_key(&self, name: &str) -> Key {
        Key::root(LOGIN_NAME, self.keys.name(name))
    }

    /// Makes sure that the name is this subject's.
    async fn reserve(&self, name: &str, subject: &Subject, now: UnixTime) -> Result<(), AccountsError> {
        let key = self.name_key(name);
        for _ in 0..TRIES {
            let found: Option<Found<LoginName>> = self.store.find(key, now).await?;
            let expect = match &found {
                None => Expect::Absent,
                Some(found) if found.value.subject == *subject => return Ok(()),
                Some(found) if self.is_abandoned(name, &found.value, now).await? => found.unchanged(),
                Some(_) => return Err(AccountsError::NameTaken(subject.clone())),
            };
            let mut batch = Batch::new(key.partition, now, &*self.random)?;
            batch.put_value(key, expect, UnixTime::MAX, &LoginName { subject: subject.clone(), since: now })?;
            if self.commit(&batch).await? {
                return Ok(());
            }
        }
        Err(AccountsError::Contended)
    }

    /// Whether a name was reserved a while ago for an account that does not bear it.
    async fn is_abandoned(&self, name: &str, held: &LoginName, now: UnixTime) -> Result<bool, StoreError> {
        if now.since(held.since) < RESERVED {
            return Ok(false);
        }
        let owner = self.find(&held.subject, now).await?;
        Ok(owner.is_none_or(|owner| !owner.value.bears(name)))
    }

    /// Lets a name go, if it is still this subject's. It is overwritten by a record that has expired, for a deletion under an
    /// expectation could not be told from a lost race.
    async fn release(&self, name: &str, subject: &Subject, now: UnixTime) -> Result<(), AccountsError> {
        let found: Option<Found<LoginName>> = self.store.find(self.name_key(name), now).await?;
        let Some(found) = found.filter(|found| found.value.subject == *subject) else { return Ok(()) };
        let mut batch = Batch::new(found.key.partition, now, &*self.random)?;
        batch.put_value(found.key, found.unchanged(), now, &found.value)?;
        self.commit(&batch).await?;
        Ok(())
    }

    /// Whether the batch went through; not, if another was first.
    async fn commit(&self, batch: &Batch) -> Result<bool, StoreError> {
        match self.store.commit_surely(batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::Unknown(error) | CommitError::Refused(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }
}

#[async_trait]
impl Accounts for StoredAccounts {
    async fn by_login(&self, login: &str) -> Result<Option<Account>, BoxError> {
        let (name, now) = (normalised(login), self.clock.now());
        let pointer: Option<Found<LoginName>> = self.store.find(self.name_key(&name), now).await?;
        // A name that nobody has costs the same second read.
        let partition = match &pointer {
            Some(pointer) => self.subjects.partition(&pointer.value.subject),
            None => self.keys.unknown(&name),
        };
        let found: Option<Found<StoredAccount>> = self.store.find(Key::root(ACCOUNT, partition), now).await?;
        Ok(found.filter(|found| found.value.bears(&name)).map(|found| found.value.into()))
    }

    async fn by_subject(&self, subject: &Subject) -> Result<Option<Account>, BoxError> {
        Ok(self.find(subject, self.clock.now()).await?.map(|found| found.value.into()))
    }

    async fn set_password(&self, subject: &Subject, hash: &PasswordHash) -> Result<(), BoxError> {
        self.change(subject, |account| account.password = Some(hash.as_str().to_owned())).await
    }

    async fn set_email_verified(&self, subject: &Subject, address: &str) -> Result<(), BoxError> {
        self.change(subject, |account| {
            if let Some((_, verified)) = account.email.as_mut().filter(|(known, _)| known == address) {
                *verified = true;
            }
        })
        .await
    }
}

impl StoredAccounts {
    /// Changes an account as it is at present.
    async fn change(&self, subject: &Subject, change: impl Fn(&mut StoredAccount) + Send) -> Result<(), BoxError> {
        for _ in 0..TRIES {
            let now = self.clock.now();
            let found = self.find(subject, now).await?.ok_or_else(|| AccountsError::Unknown(subject.clone()))?;
            let mut account = found.value.clone();
            change(&mut account);
            let mut batch = Batch::new(found.key.partition, now, &*self.random)?;
            batch.put_value(found.key, found.unchanged(), UnixTime::MAX, &account)?;
            if self.commit(&batch).await? {
                return Ok(());
            }
        }
        Err(AccountsError::Contended.into())
    }
}

enum Written {
    Created,
    Replaced,
    Kept,
}

/// Whose a login name is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct LoginName {
    subject: Subject,
    since: UnixTime,
}

impl Stored for LoginName {
    const KIND: Kind = LOGIN_NAME;
}

/// An account as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredAccount {
    subject: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<(String, bool)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone_number: Option<(String, bool)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    claims: Map<String, Value>,
    #[serde(default)]
    disabled: bool,
}

impl Stored for StoredAccount {
    const KIND: Kind = ACCOUNT;
}

impl StoredAccount {
    /// Whether it can be written; the name it then signs in by.
    fn check(&self) -> Result<Option<String>, AccountsError> {
        if !self.subject.is_valid() {
            return Err(AccountsError::Subject(self.subject.clone()));
        }
        if let Some(hash) = &self.password {
            let refused = |source| AccountsError::PasswordHash { subject: self.subject.clone(), source };
            PasswordHasher::check_kind(&PasswordHash::new(hash)).map_err(refused)?;
        }
        self.login_name()
    }

    /// The name it signs in by, as names are compared.
    fn login_name(&self) -> Result<Option<String>, AccountsError> {
        let Some(name) = self.username.as_deref().map(normalised) else { return Ok(None) };
        if name.is_empty() || name.len() > crate::Answer::MAX_LOGIN {
            return Err(AccountsError::Name(self.subject.clone()));
        }
        Ok(Some(name))
    }

    fn bears(&self, name: &str) -> bool {
        self.username.as_deref().map(normalised).as_deref() == Some(name)
    }
}

impl From<&Account> for StoredAccount {
    fn from(account: &Account) -> Self {
        let owned = |pair: Option<(&str, bool)>| pair.map(|(text, verified)| (text.to_owned(), verified));
        Self {
            subject: account.subject().clone(),
            username: account.name().map(str::to_owned),
            password: account.password().map(|hash| hash.as_str().to_owned()),
            email: owned(account.email_address()),
            phone_number: owned(account.phone()),
            groups: account.groups().to_vec(),
            claims: account.claims().clone(),
            disabled: account.is_disabled(),
        }
    }
}

impl From<StoredAccount> for Account {
    fn from(stored: StoredAccount) -> Self {
        let mut account = Self::new(stored.subject);
        if let Some(name) = stored.username {
            account = account.username(name);
        }
        if let Some(hash) = stored.password {
            account = account.password_hash(hash);
        }
        if let Some((address, verified)) = stored.email {
            account = account.email(address, verified);
        }
        if let Some((number, verified)) = stored.phone_number {
            account = account.phone_number(number, verified);
        }
        account = stored.groups.into_iter().fold(account, Self::group);
        account = stored.claims.into_iter().fold(account, |account, (name, value)| account.claim(name, value));
        if stored.disabled { account.disabled() } else { account }
    }
}
