//! User name and password.

use countersign_accounts::{Account, Accounts, PasswordCheck, PasswordHash};
use countersign_events::EventKind;
use countersign_primitives::{Id, SecretString, Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key};

use super::LoginId;
use super::engine::Looked;
use super::proven::Proven;
use super::record::Login;
use super::second_factor::TRIES;
use crate::account_events::{AccountEventKind, By};
use crate::enrolments::{BROWSER_KNOWN, KnownBrowser, KnownBrowsers};
use crate::keys::{KNOWN_BROWSER, normalised};
use crate::limits::{Guess, PASSWORD};
use crate::mfa::Inner;
use crate::password::{Checked, PasswordHasher};
use crate::{Answer, Caller, LoginError, StepError};

/// What became of a user name and a password.
enum Outcome {
    Right { account: Account, aged: bool },
    Wrong { cause: &'static str, account: Option<Account> },
}

impl Inner {
    /// Checks a user name and a password. An unknown user, a disabled one and a wrong password take the same way and cost the same:
    /// one look-up, one charge, one hash (promise 6).
    pub(super) async fn password(
        &self,
        login: &mut Login,
        now: UnixTime,
        (name, password): (&str, &SecretString),
        caller: &Caller,
    ) -> Result<Looked, LoginError> {
        let Some((accounts, hasher)) = &self.accounts else { return Ok(Looked::Elsewhere) };
        if login.has_first() || !self.first_factors.password {
            return Ok(Looked::Elsewhere);
        }
        if name.len() > Answer::MAX_LOGIN {
            return Ok(Looked::On(Some(StepError::WrongPassword)));
        }
        let account = accounts.by_login(name.trim()).await.map_err(LoginError::Accounts)?;
        let partition = match &account {
            Some(account) => self.subjects.partition(account.subject()),
            None => self.keys.unknown(&normalised(name)),
        };
        let subject = account.as_ref().map(|account| account.subject().clone());
        // Read before anything is compared, and for nobody too.
        let epoch = self.epoch(subject.as_ref().unwrap_or(&Subject::new("nobody"))).await?;
        let (paid, guesser) = self.pay(Guess::Password, partition, subject.as_ref(), caller, now).await?;
        match check(&**accounts, hasher, account, password).await {
            Ok(Outcome::Right { account, aged }) => {
                paid.succeeded(self.counting(), &guesser, std::iter::once(PASSWORD), self.now()).await?;
                if !self.is_present(&**accounts, &account).await? {
                    return Err(LoginError::Contended);
                }
                if aged {
                    self.rehash(&**accounts, hasher, &account, password).await;
                }
                let by_mail = self.links(partition, now).await?.password_by_mail;
                login.password_seen = self.look_up_password(password).await;
                let proven = if by_mail { Proven::password_by_mail(now) } else { Proven::password(now) };
                login.identify(account.subject(), epoch, proven);
                Ok(Looked::On(None))
            }
            Ok(Outcome::Wrong { cause, account }) => {
                self.tell(EventKind::LoginFailed, Some(caller), |event| {
                    let event = event.with_method(PASSWORD).with_cause(cause, "RFC 6749 §10.10");
                    match &account {
                        Some(account) => event.with_subject(account.subject()),
                        None => event,
                    }
                });
                self.failed_guess(paid, Guess::Password, (partition, subject.as_ref()), caller).await?;
                Ok(Looked::On(Some(StepError::WrongPassword)))
            }
            Err(error) => {
                paid.refund(&*self.store, self.now()).await?; // nothing was compared
                Err(error)
            }
        }
    }

    /// Whether the account still has the password that was checked: it may have been changed, and everything ended, meanwhile.
    async fn is_present(&self, accounts: &dyn Accounts, checked: &Account) -> Result<bool, LoginError> {
        let present = accounts.by_subject(checked.subject()).await.map_err(LoginError::Accounts)?;
        Ok(present.is_some_and(|present| present.password() == checked.password()))
    }

    /// What is remembered of the browser by the account, if anything is.
    pub(crate) async fn known_browser(
        &self,
        partition: Id,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<Option<KnownBrowser>, LoginError> {
        let marks = self.marks_of(partition, caller);
        if marks.is_empty() {
            return Ok(None);
        }
        let found: Option<Found<KnownBrowsers>> = self.store.find(Key::root(KNOWN_BROWSER, partition), now).await?;
        Ok(found.and_then(|found| found.value.find(&marks, now).cloned()))
    }

    /// What an account may remember of whoever calls: of a browser by its marks, of a client by its address.
    pub(crate) fn marks_of(&self, partition: Id, caller: &Caller) -> Vec<Id> {
        match self.client_of(partition, caller) {
            Some(client) => vec![client],
            None => caller.marks.iter().map(|mark| self.mark_id(partition, mark)).collect(),
        }
    }

    /// What the account remembers of a client that called from this address.
    fn client_of(&self, partition: Id, caller: &Caller) -> Option<Id> {
        let client = self.keys.client(caller.client.as_deref()?, caller.address);
        Some(self.keys.id("known client", &[partition.as_bytes(), client.as_bytes()]))
    }

    fn mark_id(&self, partition: Id, mark: Id) -> Id {
        self.keys.id("browser mark", &[partition.as_bytes(), mark.as_bytes()])
    }

    /// The mark that a login gives its browser: the same however often it is read, and known to that browser alone.
    pub(super) fn mark_of(&self, login: LoginId) -> Id {
        self.keys.id("mark of login", &[login.0.as_bytes()])
    }

    /// Remembers the browser of a login that is done, by the mark that it has or by a new one, and says which.
    pub(super) async fn remember_browser(
        &self,
        id: LoginId,
        login: &Login,
        subject: &Subject,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<Id, LoginError> {
        let partition = self.subjects.partition(subject);
        let second_factor = login.proved_second_factor();
        let browser = match self.known_browser(partition, caller, now).await?.filter(|_| !login.marks_browser) {
            Some(known) if known.second_factor || !second_factor => return Ok(known.id),
            Some(known) => known.id,
            None => {
                let client = self.client_of(partition, caller);
                client.unwrap_or_else(|| self.mark_id(partition, self.mark_of(id)))
            }
        };
        let key = Key::root(KNOWN_BROWSER, partition);
        for _ in 0..TRIES {
            let found: Option<Found<KnownBrowsers>> = self.store.find(key, now).await?;
            let expect = found.as_ref().map_or(Expect::Absent, Found::unchanged);
            let mut browsers = found.map(|found| found.value).unwrap_or_default();
            browsers.remember(browser, second_factor, now);
            let mut batch = Batch::new(partition, now, &*self.random)?;
            batch.put_value(key, expect, now.plus(BROWSER_KNOWN), &browsers)?;
            self.note_event(&mut batch, AccountEventKind::NewBrowser, None, &By::from(caller)).await?;
            match self.store.commit_surely(&batch).await {
                Ok(()) => return Ok(browser),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }

    /// Replaces a hash of an older kind or cost. Whether it works or not, the login goes on.
    async fn rehash(
        &self,
        accounts: &dyn Accounts,
        hasher: &PasswordHasher,
        account: &Account,
        password: &SecretString,
    ) {
        let subject = account.subject();
        let Ok(hash) = hasher.hash(password).await else { return self.failed("rehash_failed", Some(subject)) };
        // A password that was changed meanwhile must not be undone.
        let unchanged = match accounts.by_subject(subject).await {
            Ok(now) => now.as_ref().and_then(Account::password) == account.password(),
            Err(_) => false,
        };
        if unchanged && accounts.set_password(subject, &hash).await.is_err() {
            self.failed("rehash_failed", Some(subject));
        }
    }
}

/// Checks the password of an account: by the host where it does so itself, else by the account's hash.
pub(crate) async fn check_password(
    accounts: &dyn Accounts,
    hasher: &PasswordHasher,
    account: &Account,
    password: &SecretString,
) -> Result<Checked, LoginError> {
    Ok(match accounts.verify_password(account, password).await.map_err(LoginError::Accounts)? {
        PasswordCheck::ByHash => hasher.check(password, account.password()).await?,
        PasswordCheck::Right => Checked::Right { aged: false },
        PasswordCheck::Wrong => Checked::Wrong,
    })
}

/// The same of an account that there may not be: then against a decoy.
async fn check(
    accounts: &dyn Accounts,
    hasher: &PasswordHasher,
    account: Option<Account>,
    password: &SecretString,
) -> Result<Outcome, LoginError> {
    let checked = match &account {
        Some(account) => check_password(accounts, hasher, account, password).await?,
        None => hasher.check(password, None).await?,
    };
    Ok(judge(account, checked))
}

fn judge(account: Option<Account>, checked: Checked) -> Outcome {
    let has_hash = account.as_ref().and_then(Account::password).map(PasswordHash::as_str).is_some();
    let cause = match (&account, checked) {
        (None, _) => "unknown_user",
        (Some(account), _) if account.is_disabled() => "account_disabled",
        (Some(_), Checked::Refused(refused)) => refused.id(),
        (Some(_), Checked::Wrong) if has_hash => "wrong_password",
        (Some(_), Checked::Wrong) => "wrong_or_no_password",
        (Some(_), Checked::Right { aged }) => {
            return match account {
                Some(account) => Outcome::Right { account, aged },
                None => Outcome::Wrong { cause: "unknown_user", account },
            };
        }
    };
    Outcome::Wrong { cause, account }
}
