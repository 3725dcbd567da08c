//! A temporary folder.

use std::path::PathBuf;

use countersign::{Random, SystemRandom};

/// A folder of its own, gone with the value.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let random: &dyn Random = &SystemRandom;
        let path = std::env::temp_dir().join(format!("custom-storage-{}", random.id().unwrap()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
