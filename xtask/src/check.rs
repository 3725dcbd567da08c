//! `cargo xtask check`: everything about the sources that is not a test.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{Failure, cargo, run as run_command, succeeds};
use crate::project::{Package, Project};
use crate::{coverage, hygiene, threats};

type Check = fn(&Project) -> Result<(), Failure>;

/// The checks, quick ones first.
const CHECKS: [(&str, Check); 8] = [
    ("coverage table", coverage::check),
    ("threats", threats::check),
    ("tracked files", hygiene::check),
    ("formatting", formatting),
    ("dependencies", dependencies),
    ("lints", lints),
    ("documentation", documentation),
    ("each feature alone", features_alone),
];

/// Runs every check, also after one has failed, and says at the end which did.
pub(crate) fn run(project: &Project) -> Result<(), Failure> {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        println!("\n== {name}");
        if let Err(failure) = check(project) {
            eprintln!("xtask: {name}: {failure}");
            failed.push(name);
        }
    }
    println!();
    if failed.is_empty() {
        println!("{} checks passed", CHECKS.len());
        return Ok(());
    }
    Err(Failure::Failed(failed.join(", ")))
}

fn formatting(project: &Project) -> Result<(), Failure> {
    run_command(cargo(&project.root).args(["fmt", "--all", "--check"]))
}

fn lints(project: &Project) -> Result<(), Failure> {
    let words = ["clippy", "--locked", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    run_command(cargo(&project.root).args(words))
}

fn documentation(project: &Project) -> Result<(), Failure> {
    let words = ["doc", "--locked", "--workspace", "--no-deps", "--all-features"];
    run_command(cargo(&project.root).args(words).env("RUSTDOCFLAGS", "-D warnings"))
}

/// A feature that only works beside another is found here. Clippy stands for `cargo check`: it shares what is built, and sees more.
fn features_alone(project: &Project) -> Result<(), Failure> {
    let mut failed = Vec::new();
    for package in &project.packages {
        for feature in feature_sets(package) {
            let mut command = cargo(&project.root);
            command.args(["clippy", "--quiet", "--locked", "--no-default-features", "--package", &package.name]);
            if let Some(feature) = feature {
                command.args(["--features", feature]);
            }
            if run_command(command.args(["--", "-D", "warnings"])).is_err() {
                failed.push(format!("{} with {}", package.name, feature.unwrap_or("none")));
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::Failed(failed.join(", "))) }
}

/// No feature, then each alone; nothing for a crate without any, which the other checks have seen whole.
fn feature_sets(package: &Package) -> Vec<Option<&str>> {
    if package.features.is_empty() {
        return Vec::new();
    }
    std::iter::once(None).chain(package.features.iter().map(|feature| Some(feature.as_str()))).collect()
}

fn dependencies(project: &Project) -> Result<(), Failure> {
    let tool = cargo_deny(project)?;
    let words = ["--workspace", "--all-features", "--locked", "check", "licenses", "bans", "sources"];
    run_command(Command::new(tool).current_dir(&project.root).args(words))
}

/// The `cargo-deny` on `PATH`, or one built once and kept beside the build.
fn cargo_deny(project: &Project) -> Result<PathBuf, Failure> {
    let kept = project.target.join("tools");
    for tool in [PathBuf::from("cargo-deny"), kept.join("bin/cargo-deny")] {
        if succeeds(Command::new(&tool).arg("--version")) {
            return Ok(tool);
        }
    }
    println!("cargo-deny is not installed; building it takes some minutes");
    let mut command = cargo(&project.root);
    command.args(["install", "--quiet", "--debug", "--locked", "cargo-deny", "--root"]).arg(&kept);
    // Built apart and thrown away: its own crates are of no use to the workspace.
    let build = kept.join("build");
    let built = run_command(command.env("CARGO_TARGET_DIR", &build));
    std::fs::remove_dir_all(&build).ok();
    built?;
    Ok(kept.join("bin/cargo-deny"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_is_checked_alone_and_so_is_none() {
        let package = |features: &[&str]| Package {
            name: "demo".into(),
            folder: PathBuf::new(),
            features: features.iter().map(|&feature| feature.to_owned()).collect(),
        };
        assert_eq!(feature_sets(&package(&["default", "oauth"])), [None, Some("default"), Some("oauth")]);
        assert!(feature_sets(&package(&[])).is_empty());
    }
}
