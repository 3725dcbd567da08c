//! The WebDriver protocol, as much of it as a login needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Http, Reply};
use crate::process::Process;
use crate::scratch::Scratch;

/// The name under which the protocol hides an element's reference.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const PATIENCE: Duration = Duration::from_secs(30);

/// One session: chromedriver on a port of its own, and a browser with a fresh profile.
#[derive(Debug)]
pub(crate) struct Session {
    http: Http,
    url: String,
    _driver: Process,
    _profile: Scratch,
}

/// What WebDriver answers where it cannot: `no such element`, `stale element reference`, …
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: String,
    pub(crate) message: String,
}

/// A driver, and the port that it took. It looks for a free one first and takes it then, so another program may come between.
#[track_caller]
fn listening_driver(profile: &Scratch) -> (Process, String) {
    loop {
        let mut command = Command::new(variable("COUNTERSIGN_TEST_CHROMEDRIVER"));
        // The browser keeps whom it trusts in the home folder.
        let mut driver = Process::start(command.arg("--port=0").env("HOME", profile.path()));
        let port = driver.wait_for(PATIENCE, |line| match line.split_once("started successfully on port ") {
            Some((_, port)) => Some(Some(port.trim_end_matches('.').to_owned())),
            None => line.contains("Address already in use").then_some(None),
        });
        if let Some(port) = port {
            return (driver, port);
        }
    }
}

impl Session {
    #[track_caller]
    pub(crate) fn start(authorities: &[PathBuf]) -> Self {
        let profile = Scratch::new();
        import_authorities(profile.path(), authorities);
        let (driver, port) = listening_driver(&profile);
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--window-size=1000,1000",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let options = json!({ "binary": variable("COUNTERSIGN_TEST_CHROMIUM"), "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "acceptInsecureCerts": false, "goog:chromeOptions": options } } });
        let http = Http::new();
        let base = format!("http://127.0.0.1:{port}/session");
        let session = match value(&http.post_json(&base, &wanted, &[])) {
            Ok(session) => session,
            Err(refusal) => panic!("no browser: {}: {}", refusal.error, refusal.message),
        };
        let url = format!("{base}/{}", session["sessionId"].as_str().unwrap_or_default());
        Self { http, url, _driver: driver, _profile: profile }
    }

    /// `GET session/path`.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> Result<Value, Refusal> {
        value(&self.http.get(&format!("{}{path}", self.url), &[]))
    }

    /// `POST session/path`.
    #[track_caller]
    pub(crate) fn send(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        value(&self.http.post_json(&format!("{}{path}", self.url), body, &[]))
    }

    /// `DELETE session/path`.
    #[track_caller]
    pub(crate) fn remove(&self, path: &str) {
        if let Err(error) = self.http.delete(&format!("{}{path}", self.url)) {
            panic!("{path} could not be deleted: {error}");
        }
    }

    /// Forgets the cookies of the site that is shown.
    #[track_caller]
    pub(crate) fn delete_cookies(&self) {
        self.remove("/cookie");
    }

    /// The references of all elements that match now.
    #[track_caller]
    pub(crate) fn elements(&self, using: &str, selector: &str) -> Vec<String> {
        let found = self.send("/elements", &json!({ "using": using, "value": selector }));
        let found = found.unwrap_or_else(|refusal| panic!("{selector}: {}: {}", refusal.error, refusal.message));
        let references = found.as_array().into_iter().flatten();
        references.filter_map(|element| element[ELEMENT].as_str().map(str::to_owned)).collect()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The driver tells its browser to end, and only then ends itself. A driver that is gone already has nothing to tell.
        self.http.delete(&self.url).ok();
    }
}

/// Tells a browser with this home folder to trust the authorities of the servers of this test.
#[track_caller]
fn import_authorities(home: &Path, authorities: &[PathBuf]) {
    if authorities.is_empty() {
        return;
    }
    let folder = home.join(".pki/nssdb");
    if let Err(error) = fs::create_dir_all(&folder) {
        panic!("{}: {error}", folder.display());
    }
    let database = format!("sql:{}", folder.display());
    let certutil = |words: &[&str]| {
        let mut command = Command::new("certutil");
        let output = command.args(["-d", &database]).args(words).output();
        let output = output.unwrap_or_else(|error| panic!("certutil (Debian: libnss3-tools): {error}"));
        assert!(output.status.success(), "certutil {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    certutil(&["-N", "--empty-password"]);
    for (number, authority) in authorities.iter().enumerate() {
        let (name, file) = (format!("authority {number}"), authority.to_string_lossy());
        // Trusted for servers alone.
        certutil(&["-A", "-n", &name, "-t", "C,,", "-i", &file]);
    }
}

fn value(reply: &Reply) -> Result<Value, Refusal> {
    let mut answer = reply.json();
    let value = answer["value"].take();
    if reply.status == 200 {
        return Ok(value);
    }
    let text = |member: &str| value[member].as_str().unwrap_or_default().to_owned();
    Err(Refusal { error: text("error"), message: text("message") })
}

/// A variable that `cargo xtask test` sets.
#[track_caller]
pub(crate) fn variable(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) => value,
        Err(_) => panic!("{name} is not set: run the tests by `cargo xtask test`, which sets it (see docs/testing.md)"),
    }
}
