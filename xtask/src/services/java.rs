//! Java, and the archives that its clients need.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{is_stamped, on_path, read, renew, stamp};
use crate::command::{Failure, output, run};

/// The clients have switches with arrows.
const OLDEST_JAVA: u32 = 17;

/// A Java that compiles a source as it runs it.
pub(super) fn java() -> Option<PathBuf> {
    let compiler = output(Command::new(on_path("javac")?).arg("-version")).ok()?;
    if is_new_enough(&compiler) { on_path("java") } else { None }
}

/// Debian's names of what is not here.
pub(super) fn missing_packages() -> Vec<&'static str> {
    let java = java().is_none().then_some("default-jdk-headless");
    let maven = on_path("mvn").is_none().then_some("maven");
    java.into_iter().chain(maven).collect()
}

/// A folder with each archive that `pom.xml` names, and those that they need.
pub(super) fn archives(clients: &Path, folder: &Path) -> Result<(), Failure> {
    let project = clients.join("pom.xml");
    let wanted = read(&project)?;
    if is_stamped(folder, &wanted) {
        return Ok(());
    }
    renew(folder)?;
    let mut into = OsString::from("-DoutputDirectory=");
    into.push(folder);
    run(Command::new("mvn")
        .args(["--batch-mode", "--quiet", "--strict-checksums", "dependency:copy-dependencies", "--file"])
        .arg(project)
        .arg(into))?;
    stamp(folder, &wanted)
}

/// Reads `javac 17.0.15`.
fn is_new_enough(version: &str) -> bool {
    let major = version.trim().strip_prefix("javac ").and_then(|version| version.split(['.', '-']).next());
    major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= OLDEST_JAVA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_17_is_the_oldest_that_will_do() {
        assert!(is_new_enough("javac 17.0.15\n") && is_new_enough("javac 21") && is_new_enough("javac 27-ea"));
        assert!(!is_new_enough("javac 1.8.0_402") && !is_new_enough("javac 11.0.2") && !is_new_enough(""));
    }
}
