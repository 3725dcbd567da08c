//! The data folder: `store.db`, `master.key`, `outbox/`, `tls/`, readable by their owner alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

use countersign::MasterKey;
use countersign::SystemRandom;
use countersign::store::MasterKeyError;

use crate::settings::{Settings, StoreChoice};

/// The data folder is not as it must be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A folder cannot be made, or its mode cannot be set.
    #[error("cannot make the folder {path}: {source}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a store, and not the key that it was written with.
    #[error(
        "{store} is there, but its master key {key} is not: put the key back, name it with --master-key, or move the store away \
         to start anew",
        store = store.display(),
        key = key.display()
    )]
    KeyMissing {
        /// The store.
        store: PathBuf,
        /// Where the key should be.
        key: PathBuf,
    },
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] MasterKeyError),
}

/// Makes the folders that are missing.
///
/// # Errors
/// [`DataError::Folder`] if the system refuses.
pub(crate) fn make_folders(settings: &Settings) -> Result<(), DataError> {
    private_folder(&settings.data)?;
    private_folder(&settings.outbox)?;
    match &settings.store {
        StoreChoice::Sqlite(file) => match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) if !folder.exists() => private_folder(folder),
            _ => Ok(()),
        },
        StoreChoice::Memory | StoreChoice::Postgres(_) | StoreChoice::Redis(_) => Ok(()),
    }
}

/// The master key: of the environment, or of its file, which is made with a new store and never beside an old one.
///
/// # Errors
/// [`DataError::KeyMissing`] or [`DataError::Key`].
pub(crate) fn master_key(settings: &Settings) -> Result<MasterKey, DataError> {
    match MasterKey::from_env() {
        Err(MasterKeyError::NotSet) => {}
        settled => return Ok(settled?),
    }
    let key = settings.master_key.clone().unwrap_or_else(|| settings.data.join("master.key"));
    match &settings.store {
        StoreChoice::Memory if settings.master_key.is_none() => {
            Ok(MasterKey::generate(&SystemRandom).map_err(MasterKeyError::from)?)
        }
        StoreChoice::Sqlite(store) if store.exists() && !key.exists() => {
            Err(DataError::KeyMissing { store: store.clone(), key })
        }
        _ => Ok(MasterKey::load_or_create(key)?),
    }
}

pub(crate) fn private_folder(path: &Path) -> Result<(), DataError> {
    let failed = |source| DataError::Folder { path: path.to_owned(), source };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = !path.exists();
    builder.create(path).map_err(failed)?;
    if made { Ok(()) } else { keep_others_out(path).map_err(failed) }
}

/// A folder that was there keeps its mode, but for the rights of others.
#[cfg(unix)]
fn keep_others_out(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let mut permissions = fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(permissions.mode() & 0o700);
    fs::set_permissions(path, permissions)
}

#[cfg(not(unix))]
fn keep_others_out(path: &Path) -> io::Result<()> {
    fs::metadata(path).map(|_| ())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::testing::TempDir;

    fn settings(dir: &TempDir, more: &[&str]) -> Settings {
        let data = format!("--data={}", dir.path().join("data").display());
        Settings::from_cli(&Cli::parse_from([&["quickstart", &data], more].concat())).unwrap()
    }

    #[cfg(unix)]
    #[test]
    fn folders_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = TempDir::new();
        let settings = settings(&dir, &[]);
        fs::create_dir(&settings.data).unwrap();
        fs::set_permissions(&settings.data, fs::Permissions::from_mode(0o755)).unwrap();
        make_folders(&settings).unwrap();
        for folder in [&settings.data, &settings.outbox] {
            assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700, "{folder:?}");
        }
        master_key(&settings).unwrap();
        let key = fs::metadata(settings.data.join("master.key")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_store_without_its_key_is_not_opened_with_a_new_one() {
        let dir = TempDir::new();
        let settings = settings(&dir, &[]);
        make_folders(&settings).unwrap();
        let first = master_key(&settings).unwrap();
        fs::write(settings.data.join("store.db"), "").unwrap();
        assert_eq!(master_key(&settings).unwrap().id(), first.id());
        fs::remove_file(settings.data.join("master.key")).unwrap();
        assert!(matches!(master_key(&settings), Err(DataError::KeyMissing { .. })));
        assert!(!settings.data.join("master.key").exists());
    }

    #[test]
    fn a_store_in_memory_needs_no_key_file() {
        let dir = TempDir::new();
        let settings = settings(&dir, &["--store=memory:"]);
        make_folders(&settings).unwrap();
        master_key(&settings).unwrap();
        assert!(!settings.data.join("master.key").exists());
    }
}
