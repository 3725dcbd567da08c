//! Users, clients and grants as JSON lines: to other systems, and from them.
//!
//! A line is a JSON object of one member, `user`, `client` or `grant`. [`Account::from_json`](crate::Account::from_json) says
//! what a user is, and [`RegisteredClients`](countersign_oauth_core::RegisteredClients) what a client is; a grant is told and
//! never taken over.
//!
#![cfg_attr(feature = "memory", doc = "```")]
#![cfg_attr(not(feature = "memory"), doc = "```ignore")]
//! use countersign::transfer::{Existing, Transfer, What};
//! # use countersign::{MasterKey, Server, store::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = MasterKey::from_bytes([7; 32]);
//! # let server = Server::builder("https://id.example.com", MemoryStore::new(), key).stored_accounts().build().await?;
//! let lines = br#"{"user":{"sub":"u-1","username":"alice","email":"alice@example.com","email_verified":true}}"#;
//! let done = Transfer::of(&server).import(&mut &lines[..], Existing::Keep).await?;
//! assert_eq!(done.users.created, 1);
//! let mut out = Vec::new();
//! Transfer::of(&server).export(What::all(), &mut out).await?;
//! let again = Transfer::of(&server).import(&mut &out[..], Existing::Keep).await?; // what came out goes in
//! assert_eq!((again.users.created, again.users.kept), (0, 1));
//! # Ok(())
//! # }
//! ```

mod export;
mod import;

pub use countersign_mfa::Existing;
pub use export::{ExportError, Exported, What};
pub use import::{Done, ImportError, LineError, Tally};

use countersign_storage_traits::TransferKey;

use crate::Server;

/// Takes a server's users, clients and grants out, or users and clients in.
#[derive(Debug)]
pub struct Transfer<'a> {
    server: &'a Server,
    key: Option<&'a TransferKey>,
}

impl<'a> Transfer<'a> {
    /// Of this server. Users' authenticators stay behind, unless there is a [`Transfer::key`].
    #[must_use]
    pub fn of(server: &'a Server) -> Self {
        Self { server, key: None }
    }

    /// Seals the seeds of authenticators in what is exported, and opens them in what is imported. They are never written plain.
    #[must_use]
    pub fn key(self, key: &'a TransferKey) -> Self {
        Self { key: Some(key), ..self }
    }
}
