//! `quickstart export`, `quickstart import` and `quickstart reseal`: the server's records without its sockets.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use countersign::store::{Resealed, StoreError, TransferKey};
use countersign::transfer::{Done, Existing, ExportError, ImportError, Transfer, What};
use countersign::{MasterKey, Server};

use crate::cli::{Cli, ExportArgs, ImportArgs};
use crate::settings::Settings;
use crate::{DataError, StartError, running};

/// What was asked for instead of serving was not done, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// Nothing is to be exported.
    #[error("say what to export: --users, --clients, --grants")]
    Nothing,
    /// The file cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key of the export cannot be used.
    #[error(transparent)]
    Key(DataError),
    /// The export did not come to its end.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A line was not imported.
    #[error("{}, {source}", path.display())]
    Import {
        /// In which file.
        path: PathBuf,
        /// Which line, and why.
        source: ImportError,
    },
    /// What never expires was not sealed anew.
    #[error(transparent)]
    Reseal(StoreError),
    /// What was done cannot be told: nobody reads the output.
    #[error("it was done; but that cannot be told: {0}")]
    Tell(io::Error),
}

/// Writes users, clients or grants as JSON lines into a new file, which its owner alone may read.
///
/// # Errors
/// [`StartError`] says what is wrong.
pub async fn export(cli: &Cli, args: &ExportArgs) -> Result<(), StartError> {
    let what = What { users: args.users, clients: args.clients, grants: args.grants };
    if !(what.users || what.clients || what.grants) {
        return Err(TransferError::Nothing.into());
    }
    let key = key(args.transfer_key.as_deref(), |path| MasterKey::load_or_create(path))?;
    let exported = with_server(cli, async |server| {
        let transfer = Transfer::of(server);
        let transfer = if let Some(key) = &key { transfer.key(key) } else { transfer };
        let file = |source| TransferError::File { path: args.file.clone(), source };
        let mut out = BufWriter::new(create(&args.file).map_err(file)?);
        let exported = transfer.export(what, &mut out).await?;
        out.into_inner().map_err(|error| file(error.into_error()))?.sync_all().map_err(file)?;
        Ok(exported)
    });
    let exported = exported.await?;
    tell(&format!("exported users={} clients={} grants={}", exported.users, exported.clients, exported.grants))
}

/// Takes over users and clients from JSON lines.
///
/// # Errors
/// [`StartError`] names the line and says what is wrong with it.
pub async fn import(cli: &Cli, args: &ImportArgs) -> Result<(), StartError> {
    let key = key(args.transfer_key.as_deref(), |path| MasterKey::load(path))?;
    let source = |source| TransferError::File { path: args.file.clone(), source };
    let mut lines = BufReader::new(File::open(&args.file).map_err(source)?);
    let existing = if args.replace { Existing::Replace } else { Existing::Keep };
    let done = with_server(cli, async |server| {
        let transfer = Transfer::of(server);
        let transfer = if let Some(key) = &key { transfer.key(key) } else { transfer };
        let done = transfer.import(&mut lines, existing).await;
        done.map_err(|source| TransferError::Import { path: args.file.clone(), source })
    });
    let Done { users, clients, authenticators } = done.await?;
    tell(&format!(
        "imported users={} replaced={} kept={} clients={} kept={} authenticators={authenticators}",
        users.created, users.replaced, users.kept, clients.created, clients.kept
    ))
}

/// Seals what an earlier master key sealed and never expires under the present one, and says what is left.
///
/// # Errors
/// [`StartError`] says what is wrong; it can be begun again.
pub async fn reseal(cli: &Cli) -> Result<(), StartError> {
    let all = with_server(cli, async |server| {
        let (mut after, mut all) = (None, Resealed::default());
        loop {
            let step = server.reseal(after, PAGE).await.map_err(TransferError::Reseal)?;
            all.add(&step);
            after = step.next;
            let _ = writeln!(io::stderr(), "looked at {} records, sealed {} anew", all.looked_at, all.anew);
            if after.is_none() {
                return Ok(all);
            }
        }
    });
    let Resealed { anew, left, expiring, last_expires_at: last, .. } = all.await?;
    let needed = match last {
        _ if left > 0 => "run it again for those that are left".to_owned(),
        None => "the earlier key is not needed any more".to_owned(),
        Some(last) => {
            let last = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(last.as_secs()));
            format!("the earlier key is needed until {last} at the latest")
        }
    };
    tell(&format!("resealed records={anew} left={left} expiring={expiring}: {needed}"))
}

/// How many records a step of sealing anew looks at.
const PAGE: u16 = 512;

/// Does something with the records of the server that the switches describe, and leaves its store in order.
async fn with_server<T>(
    cli: &Cli,
    work: impl AsyncFnOnce(&Server) -> Result<T, TransferError>,
) -> Result<T, StartError> {
    let (assembled, store) = running::at_rest(Settings::from_cli(cli)?).await?;
    let done = work(&assembled.server).await;
    store.close().await;
    Ok(done?)
}

fn key<E: Into<DataError>>(
    path: Option<&Path>,
    load: impl FnOnce(&Path) -> Result<MasterKey, E>,
) -> Result<Option<TransferKey>, TransferError> {
    let key = path.map(load).transpose().map_err(|error| TransferError::Key(error.into()))?;
    Ok(key.map(TransferKey::from))
}

/// What is there is not overwritten.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn tell(line: &str) -> Result<(), StartError> {
    writeln!(io::stdout(), "{line}").map_err(|error| TransferError::Tell(error).into())
}

impl TransferError {
    pub(crate) fn is_a_setting(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}
