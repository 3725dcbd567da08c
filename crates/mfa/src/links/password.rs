//! New passwords: by a link, by the old one, by an operator.

use countersign_accounts::{Account, Accounts, PasswordHash};
use countersign_events::EventKind;
use countersign_primitives::{Acr, Requirement, SecretString, Subject};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key};

use super::ask::{Asking, TRIES};
use super::{DeadLink, LinkPurpose, Links};
use crate::account_events::By;
use crate::keys::LINKS;
use crate::limits::{Guess, PASSWORD};
use crate::mfa::Inner;
use crate::password::{Checked, PasswordHasher};
use crate::{Caller, Changed, LoginError, Mfa, Notice, PasswordError, PasswordRefused, PasswordUse, PolicyInput};

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordChangeError {
    /// The link does not work.
    #[error(transparent)]
    Link(#[from] DeadLink),
    /// The new password may not be chosen.
    #[error(transparent)]
    Refused(#[from] PasswordRefused),
    /// The old password is wrong.
    #[error("the old password is wrong")]
    WrongPassword,
    /// There is no such account, or it has no password here.
    #[error("there is no such account, or it has no password here")]
    NoAccount,
    /// The new password could not be hashed.
    #[error(transparent)]
    Hash(#[from] PasswordError),
    /// Store or accounts failed, or there were too many attempts.
    #[error(transparent)]
    Login(#[from] LoginError),
}

/// What the owner of a password has proven for a new one.
enum Proof {
    /// A link that came by mail.
    Link,
    /// The old password.
    Password,
    /// A factor, just now; or an operator answers for it.
    Fresh,
}

impl Mfa {
    /// Sends a link by which the owner of an account chooses a new password, if what was typed names an account that can be written to.
    /// Whether it does, nobody can tell by the answer. An address that no account has is told so by mail.
    ///
    /// ```
    /// # use countersign_mfa::{Caller, LoginError, Mfa};
    /// # async fn example(mfa: Mfa, caller: Caller) -> Result<(), LoginError> {
    /// mfa.forgot_password("alice", &caller).await?;
    /// // "If there is such an account, a mail is on its way."
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`LoginError::Throttled`], alike for known and unknown names; else as store and accounts fail.
    pub async fn forgot_password(&self, typed: &str, caller: &Caller) -> Result<(), LoginError> {
        let asking = Asking {
            purpose: LinkPurpose::ResetPassword,
            caller,
            languages: &caller.languages,
            login: None,
            client: None,
        };
        self.0.ask_by_name(typed, &asking).await
    }

    /// Sets a new password by a link that was sent. The link is spent; sessions, grants and logins of its owner end, and the owner is told.
    /// Nobody is signed in by it: the next login asks for the password and for whatever else it asked before, and until something else
    /// than mail was proven with it, codes by mail do not count.
    ///
    /// # Errors
    /// [`PasswordChangeError`]. A password that may not be chosen leaves the link as it is.
    pub async fn reset_password(
        &self,
        link: &str,
        password: &SecretString,
        caller: &Caller,
    ) -> Result<(), PasswordChangeError> {
        let inner = &*self.0;
        let opened = inner.open(LinkPurpose::ResetPassword, link).await?.ok_or(DeadLink)?;
        let hash = self.new_password_hash(&opened.account, password).await?;
        if !inner.spend_link(&opened, inner.now()).await? {
            return Err(DeadLink.into());
        }
        inner.replace_password(&opened.account, &hash, &Proof::Link, Some(caller)).await
    }

    /// Changes the password of somebody who is signed in: by the old one, or without it where a second factor was proven within the last
    /// minutes. Sessions, grants and logins end, the present one too unless the host begins it anew; the owner is told.
    ///
    /// # Errors
    /// [`PasswordChangeError`].
    pub async fn change_password(
        &self,
        subject: &Subject,
        old: Option<&SecretString>,
        password: &SecretString,
        caller: &Caller,
    ) -> Result<(), PasswordChangeError> {
        let inner = &*self.0;
        let (accounts, hasher) = inner.accounts.as_ref().ok_or(PasswordChangeError::NoAccount)?;
        let account = accounts.by_subject(subject).await.map_err(LoginError::Accounts)?;
        let account = account.filter(|account| !account.is_disabled()).ok_or(PasswordChangeError::NoAccount)?;
        let proof = match old {
            None => Proof::Fresh,
            Some(old) => {
                inner.check_old(&**accounts, hasher, &account, old, caller).await?;
                Proof::Password
            }
        };
        let hash = self.new_password_hash(&account, password).await?;
        inner.replace_password(&account, &hash, &proof, Some(caller)).await
    }

    /// Sets a password for somebody: for an operator who has made sure who is asking. All else is as for a change.
    ///
    /// # Errors
    /// [`PasswordChangeError`].
    pub async fn set_password(&self, subject: &Subject, password: &SecretString) -> Result<(), PasswordChangeError> {
        let accounts = self.0.accounts.as_ref().map(|(accounts, _)| accounts).ok_or(PasswordChangeError::NoAccount)?;
        let account = accounts.by_subject(subject).await.map_err(LoginError::Accounts)?;
        let account = account.ok_or(PasswordChangeError::NoAccount)?;
        let hash = self.new_password_hash(&account, password).await?;
        self.0.replace_password(&account, &hash, &Proof::Fresh, None).await
    }

    /// Judges a password by the [policy](crate::PasswordPolicy) and hashes it: for an account that is about to be created.
    ///
    /// ```
    /// # use countersign_accounts::Account;
    /// # use countersign_mfa::{Existing, Mfa, StoredAccounts};
    /// # async fn example(mfa: Mfa, users: StoredAccounts) -> Result<(), Box<dyn std::error::Error>> {
    /// let alice = Account::new("u-1").username("alice");
    /// let hash = mfa.new_password_hash(&alice, &"correct horse battery".into()).await?;
    /// users.import([alice.password_hash(hash)], Existing::Keep).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`PasswordChangeError::Refused`] says why it may not be chosen.
    pub async fn new_password_hash(
        &self,
        account: &Account,
        password: &SecretString,
    ) -> Result<PasswordHash, PasswordChangeError> {
        let inner = &*self.0;
        let (_, hasher) = inner.accounts.as_ref().ok_or(PasswordChangeError::NoAccount)?;
        let judged = inner.passwords.judge(password, account, inner.password_use(account).await).await?;
        if judged.unchecked {
            inner.failed("breached_passwords_unavailable", Some(account.subject()));
        }
        Ok(hasher.hash(password).await?)
    }

    /// The fewest characters that a new password of this account may have.
    pub async fn shortest_password(&self, account: &Account) -> usize {
        self.0.passwords.least(self.0.password_use(account).await)
    }
}

impl Inner {
    /// What an account's password is used for: never alone where the policy asks its owner for more at every login. A time of grace, and
    /// a rule that fails, leave it alone.
    async fn password_use(&self, account: &Account) -> PasswordUse {
        if self.policy.has_grace() {
            return PasswordUse::Alone;
        }
        let input = PolicyInput::of(account.subject(), self.now()).with_account(Some(account));
        let floor = self.policy.requirement(&input, &self.table).await.ok();
        let need = floor.as_ref().and_then(Requirement::acr_value);
        let two = need.is_some_and(|need| self.table.satisfies(need, &Acr::MFA));
        if two { PasswordUse::WithSecondFactor } else { PasswordUse::Alone }
    }

    /// Checks the old password, within the budgets of a login.
    async fn check_old(
        &self,
        accounts: &dyn Accounts,
        hasher: &PasswordHasher,
        account: &Account,
        old: &SecretString,
        caller: &Caller,
    ) -> Result<(), PasswordChangeError> {
        let (subject, now) = (account.subject(), self.now());
        let partition = self.subjects.partition(subject);
        let (paid, guesser) = self.pay(Guess::Password, partition, Some(subject), caller, now).await?;
        let checked = crate::login::check_password(accounts, hasher, account, old).await;
        match checked {
            Ok(Checked::Right { .. }) => {
                paid.succeeded(self.counting(), &guesser, std::iter::once(PASSWORD), self.now())
                    .await
                    .map_err(LoginError::from)?;
                Ok(())
            }
            Ok(_) => {
                self.failed_guess(paid, Guess::Password, (partition, Some(subject)), caller).await?;
                Err(PasswordChangeError::WrongPassword)
            }
            Err(error) => {
                paid.refund(&*self.store, self.now()).await.map_err(LoginError::from)?;
                Err(error.into())
            }
        }
    }

    /// Puts a new password in force, and ends what rested on the old one: before, so that a crash leaves no session beside the new
    /// password, and after, so that nothing that was begun with the old one in between goes on.
    async fn replace_password(
        &self,
        account: &Account,
        hash: &PasswordHash,
        proof: &Proof,
        caller: Option<&Caller>,
    ) -> Result<(), PasswordChangeError> {
        let Some((accounts, _)) = &self.accounts else { return Err(PasswordChangeError::NoAccount) };
        let subject = account.subject();
        self.end_for_password(subject, proof, None).await?;
        accounts.set_password(subject, hash).await.map_err(LoginError::Accounts)?;
        let by = caller.map_or(By::HOST, By::from);
        self.end_for_password(subject, proof, Some(&by)).await?;
        let how = match proof {
            Proof::Link => "password.by_link",
            Proof::Password => "password.by_old_one",
            Proof::Fresh => "password.by_factor_or_operator",
        };
        self.tell(EventKind::PasswordChanged, caller, |event| {
            event.with_subject(subject).with_method(PASSWORD).with_cause(how, "NIST SP 800-63B-4 §3.1.1.2")
        });
        self.tell_owner(subject, Notice::PasswordChanged).await;
        Ok(())
    }

    /// Voids every link and raises the epoch, in one commit; once the password is another one, with what its owner sees of it.
    async fn end_for_password(&self, subject: &Subject, proof: &Proof, by: Option<&By>) -> Result<(), LoginError> {
        let key = Key::root(LINKS, self.subjects.partition(subject));
        for _ in 0..TRIES {
            let now = self.now();
            let found: Option<Found<Links>> = self.store.find(key, now).await?;
            let expect = found.as_ref().map_or(Expect::Absent, Found::unchanged);
            let mut links = found.map(|found| found.value).unwrap_or_default();
            links.void();
            links.password_by_mail = match proof {
                Proof::Link => true,
                Proof::Password => links.password_by_mail,
                Proof::Fresh => false,
            };
            let mut batch = Batch::new(key.partition, now, &*self.random)?;
            batch.put_value(key, expect, links.expires(now), &links)?;
            let changing = self.changing(subject, Changed::PasswordChanged, (None, by), &mut batch);
            changing.await.map_err(LoginError::Subjects)?;
            match self.store.commit_surely(&batch).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }
}
