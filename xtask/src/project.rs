//! The workspace as cargo and git see it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{Failure, cargo, output};

/// The workspace: where it lies, where it is built, what is in it.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One crate of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Relative to the workspace's root.
    pub(crate) folder: PathBuf,
    pub(crate) features: Vec<String>,
}

/// A file that git tracks, read as text; binary files are left out.
#[derive(Debug)]
pub(crate) struct TrackedFile {
    /// Relative to the workspace's root, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Project {
    pub(crate) fn load() -> Result<Self, Failure> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = cargo(here);
        Self::parse(&output(command.args(["metadata", "--no-deps", "--format-version", "1"]))?)
    }

    fn parse(metadata: &str) -> Result<Self, Failure> {
        let broken = || Failure::Failed("cargo metadata has another shape than expected".into());
        let metadata: Value = serde_json::from_str(metadata).map_err(|_| broken())?;
        let path = |value: &Value| value.as_str().map(PathBuf::from);
        let root = path(&metadata["workspace_root"]).ok_or_else(broken)?;
        let target = path(&metadata["target_directory"]).ok_or_else(broken)?;
        let packages = metadata["packages"].as_array().ok_or_else(broken)?;
        let packages = packages.iter().map(|package| Package::parse(package, &root).ok_or_else(broken));
        Ok(Self { packages: packages.collect::<Result<_, _>>()?, root, target })
    }

    /// Every text file that git tracks and that is still there.
    pub(crate) fn tracked_files(&self) -> Result<Vec<TrackedFile>, Failure> {
        let names = output(Command::new("git").args(["ls-files", "-z"]).current_dir(&self.root))?;
        let mut files = Vec::new();
        for path in names.split_terminator('\0') {
            let Ok(bytes) = fs::read(self.root.join(path)) else { continue };
            if !bytes.contains(&0) {
                files.push(TrackedFile { path: path.into(), text: String::from_utf8_lossy(&bytes).into_owned() });
            }
        }
        Ok(files)
    }
}

impl Package {
    fn parse(package: &Value, root: &Path) -> Option<Self> {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        Some(Self {
            name: package["name"].as_str()?.to_owned(),
            folder: manifest.parent()?.strip_prefix(root).ok()?.to_owned(),
            features: package["features"].as_object()?.keys().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_yields_packages_with_their_features() {
        let project = Project::parse(
            r#"{"workspace_root":"/w","target_directory":"/t","packages":[
                {"name":"demo-mfa","manifest_path":"/w/crates/mfa/Cargo.toml","features":{"default":[],"oauth":["dep:x"]}}]}"#,
        )
        .unwrap();
        let package = &project.packages[0];
        assert_eq!((package.name.as_str(), package.folder.to_str()), ("demo-mfa", Some("crates/mfa")));
        assert_eq!(package.features, ["default", "oauth"]);
        assert!(Project::parse("{}").is_err() && Project::parse("").is_err());
    }

    #[test]
    fn the_workspace_finds_itself() {
        let project = Project::load().unwrap();
        assert!(project.packages.iter().any(|package| package.name == "xtask" && package.folder == Path::new("xtask")));
        assert!(project.tracked_files().unwrap().iter().any(|file| file.path == "xtask/src/main.rs"));
    }
}
