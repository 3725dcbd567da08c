//! A temporary folder.

use std::path::PathBuf;

use countersign_primitives::{Random, SystemRandom};

/// A folder of its own, gone with the value.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let random: &dyn Random = &SystemRandom;
        let path = std::env::temp_dir().join(format!("countersign-sqlite-{}", random.id().unwrap()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("sqlite:{}", self.0.join(name).display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
