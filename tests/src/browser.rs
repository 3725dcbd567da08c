//! A real browser without a window: what a person does on a page.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::scratch::artifact;
use crate::trust;
use crate::webdriver::{Refusal, Session};

const PATIENCE: Duration = Duration::from_secs(20);

/// A headless Chromium with a fresh profile, closed when this value goes.
#[derive(Debug)]
pub struct Browser {
    session: Session,
    name: String,
}

/// Something on the page.
#[derive(Debug)]
pub struct Element<'a> {
    browser: &'a Browser,
    reference: String,
}

/// What kind of authenticator is at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authenticator {
    /// The device's own, which keeps passkeys and verifies its owner.
    Passkeys,
    /// A security key without a PIN.
    SecurityKey,
}

/// An authenticator at hand.
#[derive(Debug)]
pub struct PluggedIn<'a> {
    browser: &'a Browser,
    id: String,
}

impl PluggedIn<'_> {
    /// The credentials that it has.
    #[must_use]
    #[track_caller]
    pub fn credentials(&self) -> Vec<Value> {
        let path = format!("/webauthn/authenticator/{}/credentials", self.id);
        self.browser.done(self.browser.session.read(&path)).as_array().cloned().unwrap_or_default()
    }

    /// Puts a credential into it, as [`PluggedIn::credentials`] told it.
    #[track_caller]
    pub fn put(&self, credential: &Value) {
        let path = format!("/webauthn/authenticator/{}/credential", self.id);
        self.browser.done(self.browser.session.send(&path, credential));
    }

    /// Takes it away, with all that is in it.
    #[track_caller]
    pub fn unplug(self) {
        self.browser.session.remove(&format!("/webauthn/authenticator/{}", self.id));
    }
}

impl Browser {
    /// Starts it; `name` begins the names of its screenshots.
    #[must_use]
    #[track_caller]
    pub fn start(name: &str) -> Self {
        Self { session: Session::start(&trust::authorities()), name: name.to_owned() }
    }

    /// Starts one that knows none of the authorities of this test's servers.
    #[must_use]
    #[track_caller]
    pub fn distrustful(name: &str) -> Self {
        Self { session: Session::start(&[]), name: name.to_owned() }
    }

    /// Opens an address and waits for the page to load.
    #[track_caller]
    pub fn goto(&self, url: &str) {
        self.done(self.session.send("/url", &json!({ "url": url })));
    }

    /// The address that the browser shows.
    #[must_use]
    #[track_caller]
    pub fn url(&self) -> String {
        self.done(self.session.read("/url")).as_str().unwrap_or_default().to_owned()
    }

    /// The text that the page shows.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> String {
        self.wait_for("body").text()
    }

    /// The first element that matches a CSS selector now, if any.
    #[must_use]
    #[track_caller]
    pub fn find(&self, selector: &str) -> Option<Element<'_>> {
        self.find_all(selector).into_iter().next()
    }

    /// Every element that matches a CSS selector now.
    #[must_use]
    #[track_caller]
    pub fn find_all(&self, selector: &str) -> Vec<Element<'_>> {
        let references = self.session.elements("css selector", selector).into_iter();
        references.map(|reference| Element { browser: self, reference }).collect()
    }

    /// The first element that matches, as soon as there is one.
    #[track_caller]
    pub fn wait_for(&self, selector: &str) -> Element<'_> {
        self.wait_until(selector, || self.find(selector))
    }

    /// The first button or link whose text has `words` in it, in any case, as soon as there is one.
    #[track_caller]
    pub fn wait_for_button(&self, words: &str) -> Element<'_> {
        let words = words.to_lowercase();
        self.wait_until(&format!("a button that says {words:?}"), || {
            let buttons = self.find_all("button, input[type=submit], a").into_iter();
            buttons.into_iter().find(|button| button.label().to_lowercase().contains(&words))
        })
    }

    /// Waits until the address begins with `prefix`, and returns it.
    #[track_caller]
    pub fn wait_for_url(&self, prefix: &str) -> String {
        self.wait_until(prefix, || Some(self.url()).filter(|url| url.starts_with(prefix)))
    }

    /// Waits until `probe` yields something; fails the test with what the page shows.
    #[track_caller]
    pub fn wait_until<T>(&self, what: &str, probe: impl Fn() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = probe() {
                return found;
            }
            if Instant::now() > end {
                self.screenshot("failed");
                panic!("waited for {what} in vain at {}:\n{}", self.url(), self.text());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses the first submit button of the page's first form, which means yes, and waits for the page to go.
    #[track_caller]
    pub fn agree(&self) {
        let button = self.wait_for("form button:not([type=button]), form input[type=submit]");
        button.click_away();
    }

    /// Shows pages as on a screen of this width, in CSS pixels.
    #[track_caller]
    pub fn set_width(&self, width: u32) {
        let screen = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": screen });
        self.done(self.session.send("/goog/cdp/execute", &command));
    }

    /// Prefers dark pages from now on, or bright ones.
    #[track_caller]
    pub fn prefer_dark(&self, dark: bool) {
        let feature = json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": [feature] } });
        self.done(self.session.send("/goog/cdp/execute", &command));
    }

    /// Runs a script in the page, as the body of a function, and returns its value.
    #[track_caller]
    pub fn execute(&self, script: &str) -> Value {
        self.done(self.session.send("/execute/sync", &json!({ "script": script, "args": [] })))
    }

    /// Forgets the cookies of the site that is shown.
    #[track_caller]
    pub fn forget_cookies(&self) {
        self.session.delete_cookies();
    }

    /// Has an authenticator at hand from now on: in the device itself and made for passkeys, or a key that is plugged in and knows
    /// nobody's finger (Web Authentication Level 3 §11). Whoever is asked agrees at once.
    #[track_caller]
    pub fn plug_in(&self, kind: Authenticator) -> PluggedIn<'_> {
        let passkeys = kind == Authenticator::Passkeys;
        let options = json!({
            "protocol": "ctap2",
            "transport": if passkeys { "internal" } else { "usb" },
            "hasResidentKey": passkeys,
            "hasUserVerification": passkeys,
            "isUserVerified": passkeys,
            "isUserConsenting": true,
        });
        let id = self.done(self.session.send("/webauthn/authenticator", &options));
        PluggedIn { browser: self, id: id.as_str().unwrap_or_default().to_owned() }
    }

    /// Keeps a picture of the page in `artifacts`, beside what cargo builds.
    #[track_caller]
    pub fn screenshot(&self, name: &str) {
        let picture = self.done(self.session.read("/screenshot"));
        let picture = STANDARD.decode(picture.as_str().unwrap_or_default()).unwrap_or_default();
        let file = artifact(&format!("{}-{name}.png", self.name));
        if let Err(error) = fs::write(&file, picture) {
            panic!("{}: {error}", file.display());
        }
    }

    #[track_caller]
    fn done(&self, answer: Result<Value, Refusal>) -> Value {
        match answer {
            Ok(value) => value,
            Err(Refusal { error, message }) => panic!("{}: {error}: {message}", self.name),
        }
    }
}

impl Element<'_> {
    /// Empties a field and types into it.
    #[track_caller]
    pub fn type_text(&self, text: &str) {
        self.act("clear", &json!({}));
        self.act("value", &json!({ "text": text }));
    }

    /// Clicks it.
    #[track_caller]
    pub fn click(&self) {
        self.act("click", &json!({}));
    }

    /// Clicks what leads to another page, and waits until this one is gone.
    #[track_caller]
    pub fn click_away(&self) {
        self.click();
        self.browser.wait_until("the next page", || match self.look("/name") {
            Err(Refusal { error, .. }) if error == "stale element reference" => Some(()),
            // Chromium says so of an element whose page is just being replaced.
            Err(Refusal { error, .. }) if error == "no such element" => Some(()),
            _ => None,
        });
    }

    /// The text that it shows.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> String {
        self.browser.done(self.look("/text")).as_str().unwrap_or_default().to_owned()
    }

    /// An attribute, if it has it.
    #[must_use]
    #[track_caller]
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.browser.done(self.look(&format!("/attribute/{name}"))).as_str().map(str::to_owned)
    }

    /// What a button says: its text, or the value of an `input`.
    fn label(&self) -> String {
        let said = |path| self.look(path).ok().and_then(|said| said.as_str().map(str::to_owned)).unwrap_or_default();
        let text = said("/text");
        if text.is_empty() { said("/attribute/value") } else { text }
    }

    #[track_caller]
    fn look(&self, path: &str) -> Result<Value, Refusal> {
        self.browser.session.read(&format!("/element/{}{path}", self.reference))
    }

    #[track_caller]
    fn act(&self, action: &str, body: &Value) {
        self.browser.done(self.browser.session.send(&format!("/element/{}/{action}", self.reference), body));
    }
}
