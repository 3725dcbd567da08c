//! Lines that come from elsewhere, one commit after the other.

use std::io::{self, BufRead, Read as _};

use countersign_accounts::{Account, AccountJsonError};
use countersign_mfa::{AccountsError, AuthenticatorsError, Existing};
use countersign_oauth_core::{ClientImportError, ImportedClient};
use countersign_primitives::BoxError;
use serde_json::{Map, Value};

use super::Transfer;

/// The member of a user that has the sealed seeds of authenticators.
pub(super) const AUTHENTICATORS: &str = "authenticators_sealed";
/// The longest line, in bytes.
const LONGEST: u64 = 1 << 20;

/// What became of lines of one sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// So many are new.
    pub created: u64,
    /// So many were replaced.
    pub replaced: u64,
    /// So many were there already, and stayed as they were.
    pub kept: u64,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Users.
    pub users: Tally,
    /// Clients.
    pub clients: Tally,
    /// So many users got authenticators.
    pub authenticators: u64,
}

/// A line that was not imported. Those before it were; the import can be made again from the beginning.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct ImportError {
    /// Which one, counted from one.
    pub line: u64,
    /// Why.
    #[source]
    pub cause: LineError,
}

/// Why a line was not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[source] io::Error),
    /// It is longer than a megabyte.
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    /// It is no JSON object.
    #[error("it is no JSON object: {0}")]
    Json(#[source] BoxError),
    /// Its one member is none that is imported.
    #[error("it must have one member, `user` or `client`, with an object")]
    Sort,
    /// It is a grant: tokens hang on their server's own keys, and one that was revoked must not come back.
    #[error("grants are not imported: move the whole store, or let clients ask anew")]
    Grant,
    /// The host keeps the users.
    #[error("this server keeps no users itself")]
    NoUsers,
    /// Authenticators are sealed, and no key was given.
    #[error("it has sealed authenticators: name the key of the export")]
    NoKey,
    /// The server has no login of its own.
    #[error("it has authenticators, and this server has no login of its own")]
    NoLogin,
    /// The user is none.
    #[error("{0}")]
    User(#[from] AccountJsonError),
    /// The user cannot be written.
    #[error("{0}")]
    Account(#[from] AccountsError),
    /// The authenticators cannot be taken over.
    #[error("its authenticators cannot be taken over: {0}")]
    Authenticators(#[from] AuthenticatorsError),
    /// The client cannot be taken over.
    #[error("{}", with_reason(.0))]
    Client(#[from] ClientImportError),
}

fn with_reason(error: &ClientImportError) -> String {
    match error {
        ClientImportError::Metadata(refusal) => {
            let reason = std::error::Error::source(refusal).map(|source| format!(": {source}")).unwrap_or_default();
            format!("{error}: {refusal}{reason}")
        }
        other => other.to_string(),
    }
}

impl Transfer<'_> {
    /// Reads lines, and writes what each says: one commit a line, so that a crash leaves whole lines. The same import again changes
    /// nothing and says what was there; `existing` says what becomes of users who are there already. Empty lines are passed over.
    ///
    /// # Errors
    /// [`ImportError`] names the first line that cannot be imported, and why; the lines before it were.
    pub async fn import(&self, lines: &mut (impl BufRead + Send), existing: Existing) -> Result<Done, ImportError> {
        let (mut done, mut number, mut text) = (Done::default(), 0, Vec::new());
        loop {
            number += 1;
            let at = |cause| ImportError { line: number, cause };
            text.clear();
            let read = lines.by_ref().take(LONGEST + 1).read_until(b'\n', &mut text);
            if read.map_err(|error| at(LineError::Read(error)))? == 0 {
                return Ok(done);
            }
            if text.len() as u64 > LONGEST {
                return Err(at(LineError::TooLong));
            }
            if !text.trim_ascii().is_empty() {
                self.line(&text, existing, &mut done).await.map_err(at)?;
            }
        }
    }

    async fn line(&self, text: &[u8], existing: Existing, done: &mut Done) -> Result<(), LineError> {
        let mut json: Map<String, Value> =
            serde_json::from_slice(text).map_err(|error| LineError::Json(error.into()))?;
        let sort = json.keys().next().cloned().filter(|_| json.len() == 1).ok_or(LineError::Sort)?;
        match (sort.as_str(), json.get_mut(&sort).map(Value::take)) {
            ("user", Some(Value::Object(user))) => self.user(user, existing, done).await,
            ("client", Some(Value::Object(client))) => {
                match self.server.registered_clients().import(&client).await? {
                    ImportedClient::Created => done.clients.created += 1,
                    ImportedClient::Kept => done.clients.kept += 1,
                }
                Ok(())
            }
            ("grant", _) => Err(LineError::Grant),
            _ => Err(LineError::Sort),
        }
    }

    /// Authenticators first: a user who is there and lacks them would be asked to enrol anew.
    async fn user(&self, mut user: Map<String, Value>, existing: Existing, done: &mut Done) -> Result<(), LineError> {
        let sealed = match user.remove(AUTHENTICATORS) {
            None => None,
            Some(Value::String(sealed)) => Some(sealed),
            Some(_) => {
                let member = AUTHENTICATORS;
                return Err(AccountJsonError::Type { member, wanted: "a string" }.into());
            }
        };
        let account = Account::from_json(&user)?;
        let accounts = self.server.stored_accounts().ok_or(LineError::NoUsers)?;
        accounts.check(&account)?;
        if let Some(sealed) = sealed {
            let key = self.key.ok_or(LineError::NoKey)?;
            let mfa = self.server.mfa().ok_or(LineError::NoLogin)?;
            let took = mfa.authenticators().import_sealed(account.subject(), key, &sealed).await?;
            done.authenticators += u64::from(took);
        }
        let imported = accounts.import([account], existing).await?;
        done.users.created += imported.created as u64;
        done.users.replaced += imported.replaced as u64;
        done.users.kept += imported.kept as u64;
        Ok(())
    }
}
