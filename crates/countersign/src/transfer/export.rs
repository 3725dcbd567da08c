//! What is there, a line at a time.

use std::io::{self, Write};

use countersign_mfa::AuthenticatorsError;
use countersign_storage_traits::StoreError;
use serde_json::{Map, Value, json};

use super::Transfer;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct What {
    /// The users that the server keeps itself.
    pub users: bool,
    /// The clients that registered themselves or were imported.
    pub clients: bool,
    /// The grants that have not ended. For reports: they cannot be imported.
    pub grants: bool,
}

impl What {
    /// Everything.
    #[must_use]
    pub const fn all() -> Self {
        Self { users: true, clients: true, grants: true }
    }
}

/// How many lines were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Users.
    pub users: u64,
    /// Clients.
    pub clients: u64,
    /// Grants.
    pub grants: u64,
}

/// Why an export did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The host keeps the users.
    #[error("this server keeps no users itself: export them from the host's own table")]
    NoUsers,
    /// The store failed, or cannot be walked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The authenticators of a user cannot be read.
    #[error("the authenticators of a user cannot be exported")]
    Authenticators(#[from] AuthenticatorsError),
    /// The lines cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// How many records are looked at at once.
const PAGE: u16 = 256;

impl Transfer<'_> {
    /// Writes a line for everything asked for, a page at a time. What changes meanwhile is told as it was or as it is, and a line may
    /// come twice: an import takes no notice.
    ///
    /// # Errors
    /// [`ExportError`] says why it ended early; the lines before are whole.
    pub async fn export(&self, what: What, out: &mut (impl Write + Send)) -> Result<Exported, ExportError> {
        let mut exported = Exported::default();
        if what.users {
            self.users(out, &mut exported.users).await?;
        }
        if what.clients {
            self.clients(out, &mut exported.clients).await?;
        }
        if what.grants {
            self.grants(out, &mut exported.grants).await?;
        }
        out.flush()?;
        Ok(exported)
    }

    async fn users(&self, out: &mut (impl Write + Send), count: &mut u64) -> Result<(), ExportError> {
        let accounts = self.server.stored_accounts().ok_or(ExportError::NoUsers)?;
        let mut after = None;
        loop {
            let page = accounts.page(after, PAGE).await?;
            for account in page.accounts {
                let mut json = account.to_json();
                if let (Some(key), Some(mfa)) = (self.key, self.server.mfa())
                    && let Some(sealed) = mfa.authenticators().export_sealed(account.subject(), key).await?
                {
                    json.insert(super::import::AUTHENTICATORS.to_owned(), sealed.into());
                }
                line(out, "user", &json.into())?;
                *count += 1;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn clients(&self, out: &mut (impl Write + Send), count: &mut u64) -> Result<(), ExportError> {
        let mut after = None;
        loop {
            let page = self.server.registered_clients().page(after, PAGE).await?;
            for client in page.clients {
                line(out, "client", &client.into())?;
                *count += 1;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn grants(&self, out: &mut (impl Write + Send), count: &mut u64) -> Result<(), ExportError> {
        let mut after = None;
        loop {
            let page = self.server.grants_page(after, PAGE).await?;
            for info in page.grants {
                let mut json = Map::new();
                if let Some(who) = info.grant.who() {
                    json.insert("sub".to_owned(), who.subject().as_str().into());
                }
                json.insert("client_id".to_owned(), info.grant.client_id().into());
                json.insert("scope".to_owned(), info.grant.scope().to_string().into());
                json.insert("started_at".to_owned(), info.grant.started_at().as_secs().into());
                json.insert("expires_at".to_owned(), info.expires_at.as_secs().into());
                line(out, "grant", &json.into())?;
                *count += 1;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

fn line(out: &mut impl Write, kind: &str, value: &Value) -> io::Result<()> {
    writeln!(out, "{}", json!({ kind: value }))
}
