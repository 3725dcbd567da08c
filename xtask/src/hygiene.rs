//! No tracked file tells whose machine it was written on, or which mirror its packages came from.

use crate::command::Failure;
use crate::project::{Project, TrackedFile};

/// Folders at a machine's root in which homes, checkouts and scratch files lie.
const MACHINE_FOLDERS: [&str; 9] =
    ["home", "root", "Users", "tmp", "work", "workspace", "builds", "var/tmp", "private/var"];

/// Registries' download hosts, in two halves so that this file passes its own check.
const REGISTRY_HOSTS: [(&str, &str); 8] = [
    ("index.", "crates.io"),
    ("static.", "crates.io"),
    ("registry.", "npmjs.org"),
    ("registry.", "yarnpkg.com"),
    ("files.", "pythonhosted.org"),
    ("pypi.org", "/simple"),
    ("deb.", "debian.org"),
    ("proxy.", "golang.org"),
];

/// Fails when a tracked file has a machine's path or a registry's host in it.
pub(crate) fn check(project: &Project) -> Result<(), Failure> {
    let files = project.tracked_files()?;
    let root = project.root.to_string_lossy();
    let problems: Vec<String> = files.iter().flat_map(|file| problems(file, &root)).collect();
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        println!("{} files, none names a machine's path or a registry's host", files.len());
        return Ok(());
    }
    Err(Failure::Failed(format!("{} lines name a machine's path or a registry's host", problems.len())))
}

fn problems(file: &TrackedFile, root: &str) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    let found = lines.filter_map(|(index, line)| Some((index + 1, fault(&file.path, line, root)?)));
    found.map(|(number, fault)| format!("{}:{number}: {fault}", file.path)).collect()
}

fn fault(path: &str, line: &str, root: &str) -> Option<String> {
    if line.contains(root) || MACHINE_FOLDERS.iter().any(|folder| names_folder(line, folder)) {
        return Some("a path of one machine".into());
    }
    if let Some((sub, domain)) = REGISTRY_HOSTS.iter().find(|(sub, domain)| line.contains(&format!("{sub}{domain}"))) {
        return Some(format!("the registry host {sub}{domain}"));
    }
    let resolved = path.ends_with("package-lock.json") && line.contains("\"resolved\"");
    resolved.then(|| "a download address in a lock file".into())
}

/// Whether `/folder/…` stands in the line as a path of its own, not as the rest of a URL or of a longer path.
fn names_folder(line: &str, folder: &str) -> bool {
    let path = format!("/{folder}/");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        let alone = before.is_none_or(|letter| !(letter.is_alphanumeric() || "/._-~}$".contains(letter)));
        alone && after.is_some_and(|letter| letter.is_alphanumeric() || "._-{".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        problems(&TrackedFile { path: path.into(), text: text.into() }, "/srv/checkout").len()
    }

    #[test]
    fn a_machine_path_is_found() {
        for folder in MACHINE_FOLDERS {
            assert_eq!(count("a.rs", &format!("first\nlet path = \"/{folder}/someone/key\";")), 1, "{folder}");
        }
        assert_eq!(count("a.md", "see /srv/checkout/docs"), 1);
    }

    #[test]
    fn addresses_and_relative_paths_are_none() {
        for text in
            ["https://rp.example/home/start", "$HOME/tmp/x", "target/tmp/x", "./tmp/x", "the folder `tmp`", "~/src/x"]
        {
            assert_eq!(count("a.md", text), 0, "{text}");
        }
    }

    #[test]
    fn a_registry_host_is_found() {
        for (sub, domain) in REGISTRY_HOSTS {
            assert_eq!(count("pip.conf", &format!("index-url = https://{sub}{domain}/x")), 1);
        }
        assert_eq!(count("tests/package-lock.json", "  \"resolved\": \"https://mirror.example/x.tgz\","), 1);
        assert_eq!(count("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\""), 0);
    }
}
