//! The master key's file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use countersign_primitives::{Id, Random, SystemRandom};
use zeroize::Zeroizing;

use crate::{MasterKey, MasterKeyError};

/// Longer than any spelling of a key with the white space around it.
const MAX_FILE: u16 = 256;

pub(crate) fn load(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let failed = |source| MasterKeyError::Io { path: path.into(), source };
    let mut file = File::open(path).map_err(failed)?;
    refuse_exposed(&file, path)?;
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE.into()));
    match Read::by_ref(&mut file).take(MAX_FILE.into()).read_to_string(&mut text) {
        Ok(_) => MasterKey::from_base64(&text).map_err(|_| MasterKeyError::MalformedFile { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(MasterKeyError::MalformedFile { path: path.into() })
        }
        Err(error) => Err(failed(error)),
    }
}

pub(crate) fn load_or_create(path: &Path) -> Result<MasterKey, MasterKeyError> {
    match load(path) {
        Err(MasterKeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        settled => return settled,
    }
    let key = MasterKey::generate(&SystemRandom)?;
    let draft = draft_beside(path)?;
    let published = write_new(&draft, &key).and_then(|()| publish(&draft, path, &key));
    let removed = fs::remove_file(&draft);
    match published {
        Ok(()) => {
            removed
                .and_then(|()| sync_folder(path))
                .map_err(|source| MasterKeyError::Io { path: path.into(), source })?;
            Ok(key)
        }
        // Another process was first: its key is the one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => load(path),
        Err(source) => Err(MasterKeyError::Io { path: path.into(), source }),
    }
}

/// A name of its own in the same folder: a file is made whole there before it gets its name.
fn draft_beside(path: &Path) -> Result<PathBuf, MasterKeyError> {
    let random: &dyn Random = &SystemRandom;
    let unique: Id = random.id()?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{unique}.new"));
    Ok(path.with_file_name(name))
}

fn write_new(path: &Path, key: &MasterKey) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(key.to_base64().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Gives the file its name unless the name is taken: a link does that in one step, where a rename would overwrite. On a file
/// system without links the file is made in its place, exclusively too.
fn publish(draft: &Path, path: &Path, key: &MasterKey) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            write_new(path, key)
        }
        settled => settled,
    }
}

#[cfg(unix)]
fn refuse_exposed(file: &File, path: &Path) -> Result<(), MasterKeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|source| MasterKeyError::Io { path: path.into(), source })?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(MasterKeyError::Exposed { path: path.into() });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_exposed(_file: &File, _path: &Path) -> Result<(), MasterKeyError> {
    Ok(())
}

/// So that the name, too, outlives a power cut.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let random: &dyn Random = &SystemRandom;
            let folder = std::env::temp_dir().join(format!("countersign-{}", random.id().unwrap()));
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let folder = Folder::new();
        let path = folder.0.join("auth.key");
        let made = load_or_create(&path).unwrap().id();
        assert_eq!(load_or_create(&path).unwrap().id(), made);
        assert_eq!(load(&path).unwrap().id(), made);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "no draft stays behind");
    }

    #[test]
    fn promise_1_processes_that_start_at_once_end_with_one_key() {
        let folder = Folder::new();
        let path = folder.0.join("auth.key");
        let ids: Vec<_> = thread::scope(|scope| {
            let starters: Vec<_> = (0..16).map(|_| scope.spawn(|| load_or_create(&path).unwrap().id())).collect();
            starters.into_iter().map(|starter| starter.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn promise_4_only_the_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = Folder::new();
        let path = folder.0.join("auth.key");
        load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load_or_create(&path).unwrap_err();
            assert!(matches!(error, MasterKeyError::Exposed { .. }), "{error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_never_overwritten() {
        let folder = Folder::new();
        let path = folder.0.join("auth.key");
        for content in [&b""[..], b"not a key", &[0xff; 40]] {
            fs::write(&path, content).unwrap();
            #[cfg(unix)]
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            let error = load_or_create(&path).unwrap_err();
            assert!(matches!(error, MasterKeyError::MalformedFile { .. }), "{error}");
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert!(matches!(load(&folder.0.join("absent")), Err(MasterKeyError::Io { .. })));
        assert!(matches!(load_or_create(&folder.0.join("no/such/folder")), Err(MasterKeyError::Io { .. })));
    }
}
