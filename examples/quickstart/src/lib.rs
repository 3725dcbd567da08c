//! The quickstart as a library, so that tests start it in process.
//!
//! `cargo run -p quickstart` needs nothing else installed: it listens on loopback, keeps everything in one data folder, and
//! has a page at `/` that signs in against it. What a host of its own writes stands in `assembly.rs`; everything else is a
//! demo's: switches, a configuration file, sockets, the page.
//!
//! ```no_run
//! use clap::Parser as _;
//! use quickstart::{Cli, Settings, start};
//!
//! # async fn example() -> Result<(), quickstart::StartError> {
//! let cli = Cli::parse_from(["quickstart", "--listen", "localhost:0", "--store", "memory:"]);
//! let running = start(Settings::from_cli(&cli)?).await?;
//! println!("{}", running.issuer());
//! running.stop().await;
//! # Ok(())
//! # }
//! ```

mod admin;
mod assembly;
mod cli;
mod config;
mod console;
mod data;
mod delivery;
mod demo;
mod device;
mod invite;
mod listen;
mod moving;
mod outbox;
mod running;
mod serve;
mod settings;
mod stores;
#[cfg(test)]
mod testing;
mod tls;
mod transfer;
mod users;

use countersign::ConfigError;

pub use cli::{Cli, Command, ExportArgs, ImportArgs, InviteArgs, MoveArgs};
pub use config::{
    ClientEntry, ConfigFileError, FileConfig, LifetimesEntry, MfaEntry, ResourceEntry, ScopeEntry, UserEntry,
};
pub use data::DataError;
pub use demo::{DemoError, Offer, Provider};
pub use device::PhoneError;
pub use invite::{InviteError, invite};
pub use listen::ListenError;
pub use moving::{MovingError, move_store};
pub use outbox::{Outbox, OutgoingMessage};
pub use running::{Running, start, start_with_clock};
pub use settings::{DatabaseUrl, DemoUser, Listen, PresetName, Settings, SettingsError, StoreChoice};
pub use stores::StoreOpenError;
pub use tls::{CertificateProblem, TlsChoice, TlsError};
pub use transfer::{TransferError, export, import, reseal};
pub use users::UsersError;

/// The quickstart did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The data folder is not as it must be.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is no HTTPS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The store or the keys in it cannot be used.
    #[error(transparent)]
    Server(ConfigError),
    /// The store was not moved.
    #[error(transparent)]
    Move(#[from] MovingError),
    /// The demo device has no file to keep its keys in.
    #[error("the demo device cannot be used: {0}")]
    Phone(#[from] PhoneError),
    /// What was asked for instead of serving was not done.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// Nobody was invited.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// The demo users cannot be written.
    #[error(transparent)]
    Users(#[from] UsersError),
}

impl StartError {
    /// What the process exits with: 2 for a wrong setting, 1 for a start that failed.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            Self::Store(error) if error.is_a_setting() => 2,
            Self::Tls(error) if error.is_a_setting() => 2,
            Self::Move(error) if error.is_a_setting() => 2,
            Self::Transfer(error) if error.is_a_setting() => 2,
            Self::Invite(error) if error.is_a_setting() => 2,
            _ => 1,
        }
    }
}
