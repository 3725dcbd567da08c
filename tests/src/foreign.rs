//! Clients that others wrote, run as programs of their own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::trust;
use crate::webdriver::variable;

/// Runs `tests/clients/python/SCRIPT` with these settings and returns what it says; any claim that fails there fails here.
#[must_use]
#[track_caller]
pub fn python_client(script: &str, settings: &Value) -> Value {
    let mut command = Command::new(variable("COUNTERSIGN_TEST_PYTHON"));
    // Authlib refuses plain HTTP elsewhere than on loopback, which is where it is.
    command.arg("-B").arg(clients().join("python").join(script));
    converse(&mut command, settings)
}

/// The same for `tests/clients/node/SCRIPT`.
#[must_use]
#[track_caller]
pub fn node_client(script: &str, settings: &Value) -> Value {
    // Node looks for packages beside the script: it is run from where they are.
    let folder = PathBuf::from(variable("COUNTERSIGN_TEST_NODE_FOLDER"));
    for file in fs::read_dir(clients().join("node")).into_iter().flatten().flatten() {
        let is_script = file.path().extension().is_some_and(|extension| extension == "mjs");
        if is_script && let Err(error) = fs::copy(file.path(), folder.join(file.file_name())) {
            panic!("{}: {error}", file.path().display());
        }
    }
    let mut command = Command::new(variable("COUNTERSIGN_TEST_NODE"));
    command.arg(folder.join(script));
    converse(&mut command, settings)
}

/// The same for `tests/clients/java/CLASS.java`, which is compiled as it is run.
#[must_use]
#[track_caller]
pub fn java_client(class: &str, settings: &Value) -> Value {
    let archives = PathBuf::from(variable("COUNTERSIGN_TEST_JAVA_FOLDER")).join("*");
    let mut command = Command::new(variable("COUNTERSIGN_TEST_JAVA"));
    // It runs once and briefly: the second compiler would only be in its way.
    command.arg("-XX:TieredStopAtLevel=1").arg("-cp").arg(archives);
    command.arg(clients().join("java").join(class).with_extension("java"));
    converse(&mut command, settings)
}

/// A folder with all of `examples/cookbook` beside the packages that it names.
#[must_use]
#[track_caller]
pub fn cookbook() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = PathBuf::from(variable("COUNTERSIGN_TEST_COOKBOOK_FOLDER"));
        // What is emptied below must not be somebody's own folder.
        assert!(folder.join("stamp").exists(), "{}: made by no `cargo xtask test`", folder.display());
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            // What an earlier version of the examples left.
            if entry.path().is_dir() && entry.file_name() != "node_modules" {
                fs::remove_dir_all(entry.path()).unwrap_or_else(|error| panic!("{}: {error}", entry.path().display()));
            }
        }
        copy(&examples().join("cookbook"), &folder);
        folder
    })
}

/// The folder `examples`.
#[must_use]
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples")
}

#[track_caller]
fn copy(from: &Path, to: &Path) {
    let copied = fs::create_dir_all(to).and_then(|()| fs::read_dir(from)).and_then(|entries| {
        for entry in entries {
            let entry = entry?;
            let target = to.join(entry.file_name());
            // Where somebody works on the examples their packages lie beside them.
            if entry.file_name() == "node_modules" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target)?;
            }
        }
        Ok(())
    });
    copied.unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Settings go in as JSON; the last line that comes out is JSON too.
#[track_caller]
fn converse(command: &mut Command, settings: &Value) -> Value {
    let program = format!("{command:?}");
    // What each library calls the file of authorities that it shall trust.
    if let Some(authority) = settings["issuer"].as_str().and_then(trust::authority_of) {
        for variable in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            command.env(variable, &authority);
        }
    }
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{program}: {error}"));
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended before it read its settings is judged by its status below.
        stdin.write_all(settings.to_string().as_bytes()).ok();
    }
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} ended with {}\n{said}\n{complained}", output.status);
    match said.lines().last().map(serde_json::from_str) {
        Some(Ok(value)) => value,
        _ => panic!("{program} printed no JSON:\n{said}\n{complained}"),
    }
}
