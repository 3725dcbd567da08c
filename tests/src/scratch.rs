//! Folders that a test fills.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty folder of the test's own; it goes when this value does.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes the folder.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("countersign-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        match fs::create_dir(&path) {
            Ok(()) => Self { path },
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it and returns the file's path.
    #[must_use]
    #[track_caller]
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path.join(name);
        match fs::write(&path, text) {
            Ok(()) => path,
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A browser that is just ending may still write there: what stays lies in the system's temporary folder.
        fs::remove_dir_all(&self.path).ok();
    }
}

/// A file to look at after the run, such as a screenshot: in `artifacts`, beside what cargo builds.
#[must_use]
#[track_caller]
pub fn artifact(name: &str) -> PathBuf {
    let folder = target().join("artifacts");
    if let Err(error) = fs::create_dir_all(&folder) {
        panic!("{}: {error}", folder.display());
    }
    folder.join(name)
}

/// The target folder: the parent of the profile's folder, in which cargo put this very program under `deps`.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    match program.ancestors().nth(3) {
        Some(target) => target.to_owned(),
        None => panic!("{} is not where cargo builds tests", program.display()),
    }
}
