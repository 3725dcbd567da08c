//! The host's users, as Countersign sees them.
//!
//! A host with a user table implements [`Accounts`] over it: two lookups, and what else it can do. An [`Account`] is a
//! value; the engine checks its password hash (and hashes a decoy for unknown names, so that both cost the same), filters
//! its claims by scope, and hands back a better hash when the old one has aged.
//!
//! ```
//! use async_trait::async_trait;
//! use countersign_accounts::{Account, Accounts};
//! use countersign_primitives::{BoxError, Subject};
//!
//! struct Users; // over your own table
//!
//! #[async_trait]
//! impl Accounts for Users {
//!     async fn by_login(&self, login: &str) -> Result<Option<Account>, BoxError> {
//!         Ok((login == "alice").then(|| Account::new("u-1").username("alice").email("alice@example.com", true)))
//!     }
//!     async fn by_subject(&self, subject: &Subject) -> Result<Option<Account>, BoxError> {
//!         Ok((subject.as_str() == "u-1").then(|| Account::new("u-1").username("alice")))
//!     }
//! }
//! ```
//!
//! # What this crate does not do
//! Store users: a host without a table takes `StoredAccounts` of `countersign-mfa`. Hash or compare passwords: the engine does, unless
//! [`Accounts::verify_password`] says that the host did.
//!
//! # Features
//! None.
//!
//! # Where next
//! `ServerBuilder::accounts` of `countersign-oauth-core` and `MfaBuilder::accounts` of `countersign-mfa` take an [`Accounts`].

mod json;

use std::fmt;

pub use json::AccountJsonError;

use async_trait::async_trait;
use countersign_primitives::{BoxError, SecretString, Subject};
use serde_json::{Map, Value};

/// The users of a host.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account that signs in by this name, e-mail address or whatever the host's users type.
    ///
    /// # Errors
    /// Any error means that the answer is not known; the login is then refused.
    async fn by_login(&self, login: &str) -> Result<Option<Account>, BoxError>;

    /// The account of this subject. None, or a [disabled](Account::disabled) one, ends what the subject's grants can do.
    ///
    /// # Errors
    /// Any error means that the answer is not known; the request is then refused.
    async fn by_subject(&self, subject: &Subject) -> Result<Option<Account>, BoxError>;

    /// Checks a password where the host does so itself (LDAP, a foreign hash). By default the engine checks the account's hash.
    ///
    /// # Errors
    /// Any error means that the answer is not known; the login is then refused.
    async fn verify_password(&self, account: &Account, password: &SecretString) -> Result<PasswordCheck, BoxError> {
        let _ = (account, password);
        Ok(PasswordCheck::ByHash)
    }

    /// Stores a new password hash: after a change, a reset, or because the old hash has aged.
    ///
    /// # Errors
    /// By default that this host keeps its passwords to itself.
    async fn set_password(&self, subject: &Subject, hash: &PasswordHash) -> Result<(), BoxError> {
        let _ = (subject, hash);
        Err(Box::new(PasswordsAreTheHosts))
    }

    /// Notes that the user has shown this address to be theirs. If the account has another address by now, nothing changes.
    ///
    /// # Errors
    /// By default that this host keeps its addresses to itself.
    async fn set_email_verified(&self, subject: &Subject, address: &str) -> Result<(), BoxError> {
        let _ = (subject, address);
        Err(Box::new(AddressesAreTheHosts))
    }
}

/// This host keeps its passwords to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this host does not let its passwords be set")]
pub struct PasswordsAreTheHosts;

/// This host keeps its addresses to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this host does not let its addresses be verified here")]
pub struct AddressesAreTheHosts;

/// Who checks a password, and with what result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The engine, against the account's hash.
    ByHash,
    /// The host did: it is right.
    Right,
    /// The host did: it is wrong.
    Wrong,
}

/// A hashed password in the PHC string format, `$argon2id$…`. Not a secret like the password, yet shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash as the database keeps it.
    #[must_use]
    pub fn new(phc: impl Into<String>) -> Self {
        Self(phc.into())
    }

    /// The PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

impl From<String> for PasswordHash {
    fn from(phc: String) -> Self {
        Self(phc)
    }
}

impl From<&str> for PasswordHash {
    fn from(phc: &str) -> Self {
        Self::new(phc)
    }
}

/// A user: who it is, how it signs in, what may be told about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    subject: Subject,
    username: Option<String>,
    password: Option<PasswordHash>,
    email: Option<(String, bool)>,
    phone_number: Option<(String, bool)>,
    groups: Vec<String>,
    claims: Map<String, Value>,
    disabled: bool,
}

impl Account {
    /// A user by the host's own id, which becomes the `sub` of its tokens and must never be given to somebody else.
    #[must_use]
    pub fn new(subject: impl Into<Subject>) -> Self {
        Self {
            subject: subject.into(),
            username: None,
            password: None,
            email: None,
            phone_number: None,
            groups: Vec::new(),
            claims: Map::new(),
            disabled: false,
        }
    }

    /// The name it signs in by: the `preferred_username` claim.
    #[must_use]
    pub fn username(mut self, name: impl Into<String>) -> Self {
        self.username = Some(name.into());
        self
    }

    /// The hash of its password.
    #[must_use]
    pub fn password_hash(mut self, hash: impl Into<PasswordHash>) -> Self {
        self.password = Some(hash.into());
        self
    }

    /// Its e-mail address, and whether the host has seen that it is the user's.
    #[must_use]
    pub fn email(mut self, address: impl Into<String>, verified: bool) -> Self {
        self.email = Some((address.into(), verified));
        self
    }

    /// Its phone number (E.164), and whether the host has seen that it is the user's.
    #[must_use]
    pub fn phone_number(mut self, number: impl Into<String>, verified: bool) -> Self {
        self.phone_number = Some((number.into(), verified));
        self
    }

    /// A group it belongs to, for policies.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// Something that may be told about it (OpenID Connect Core §5.1). Claims that the protocol itself sets cannot be
    /// overwritten here: an account that tries is refused when tokens are made.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Bars it: no login, no token, and what was issued before stops.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    /// Who it is.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The name it signs in by.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The hash of its password, where it has one here.
    #[must_use]
    pub fn password(&self) -> Option<&PasswordHash> {
        self.password.as_ref()
    }

    /// Its e-mail address and whether it is verified.
    #[must_use]
    pub fn email_address(&self) -> Option<(&str, bool)> {
        self.email.as_ref().map(|(address, verified)| (address.as_str(), *verified))
    }

    /// Its phone number and whether it is verified.
    #[must_use]
    pub fn phone(&self) -> Option<(&str, bool)> {
        self.phone_number.as_ref().map(|(number, verified)| (number.as_str(), *verified))
    }

    /// The groups it belongs to.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// What else may be told about it.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Whether it is barred.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promise_4_debug_output_shows_no_password_hash() {
        let account = Account::new("u-1").password_hash("$argon2id$secret");
        assert!(!format!("{account:?}").contains("secret"));
    }
}
