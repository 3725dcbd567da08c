//! What a person does on the login pages.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use countersign_mfa_otp::TotpSecret;
use countersign_tests::{Browser, Callback, Quickstart, Tokens};
use serde_json::Value;

/// The length of a TOTP step.
const STEP: Duration = Duration::from_secs(30);

/// A client that asks for a second factor, its provider, and alice at her browser.
pub(crate) struct Shop {
    pub(crate) quickstart: Quickstart,
    pub(crate) callback: Callback,
    pub(crate) browser: Browser,
    /// The texts of the messages that were looked at.
    read: RefCell<HashSet<String>>,
}

impl Shop {
    /// `test` names the screenshots.
    pub(crate) fn open(test: &str) -> Self {
        Self::open_with(test, "", &[])
    }

    /// The same with more in its file, and with these switches.
    pub(crate) fn open_with(test: &str, more: &str, switches: &[&str]) -> Self {
        let callback = Callback::listen();
        let toml = format!(
            r#"
            [[client]]
            client_id = "shop"
            client_name = "Shop"
            token_endpoint_auth_method = "none"
            redirect_uris = ["{}"]
            grant_types = ["authorization_code"]
            scope = "openid profile email"
            requires = {{ acr = "mfa" }}
            {more}"#,
            callback.uri()
        );
        let quickstart = Quickstart::configured(&toml, switches);
        Self { quickstart, callback, browser: Browser::start(test), read: RefCell::default() }
    }

    /// Begins a login in a browser that nobody knows, up to the second factor.
    pub(crate) fn begin(&self) {
        self.come_as_a_stranger();
        enter_password(&self.browser, "alice", "alice-password");
    }

    /// Begins a login in a browser that nobody knows.
    pub(crate) fn come_as_a_stranger(&self) {
        self.browser.goto(self.quickstart.issuer());
        self.browser.forget_cookies();
        self.browser.goto(&self.authorization_url());
    }

    /// Where the client sends its users.
    pub(crate) fn authorization_url(&self) -> String {
        self.callback.authorization_url(self.quickstart.issuer(), "shop", "openid profile email")
    }

    /// The link in the next message that holds one.
    pub(crate) fn link(&self) -> String {
        self.next_message(|message| {
            let mut words = message["text"].as_str()?.split_whitespace();
            words.find(|word| word.starts_with(self.quickstart.issuer())).map(str::to_owned)
        })
    }

    /// The next message with a code.
    pub(crate) fn newest(&self) -> Value {
        self.next_message(|message| message["code"].is_string().then(|| message.clone()))
    }

    /// Waits for a message of this kind that was not looked at yet: it may arrive after the page that asked for it.
    fn next_message<T>(&self, of: impl Fn(&Value) -> Option<T>) -> T {
        self.browser.wait_until("a message", || {
            let messages = self.quickstart.messages();
            let fits =
                |message: &Value| of(message).filter(|_| self.read.borrow_mut().insert(message["text"].to_string()));
            messages.iter().rev().find_map(fits)
        })
    }

    /// Agrees to whatever is still asked, and exchanges the code that arrives.
    pub(crate) fn finish(&self) -> Tokens {
        let url = agree_until(&self.browser, self.callback.uri());
        self.callback.exchange(&url, self.quickstart.issuer(), "shop")
    }

    /// The first login: sets up an authenticator app, keeps the recovery codes, and agrees.
    pub(crate) fn enrol(&self) -> (TotpSecret, Vec<String>, Tokens) {
        self.begin();
        let (secret, codes) = enrol_totp(&self.browser);
        (secret, codes, self.finish())
    }
}

pub(crate) fn enter_password(browser: &Browser, username: &str, password: &str) {
    let field = browser.wait_for("input[name=username]");
    assert!(field.attribute("autocomplete").is_some_and(|kinds| kinds.split(' ').next() == Some("username")));
    field.type_text(username);
    let field = browser.wait_for("input[name=password]");
    assert_eq!(field.attribute("autocomplete").as_deref(), Some("current-password"));
    field.type_text(password);
    browser.screenshot("1-password");
    browser.agree();
}

/// Sets up an authenticator app from what the page shows; returns its secret and the recovery codes that follow.
pub(crate) fn enrol_totp(browser: &Browser) -> (TotpSecret, Vec<String>) {
    let uri = browser.wait_for(r#"a[href^="otpauth://"]"#).attribute("href").unwrap();
    let secret = TotpSecret::from_otpauth_uri(&uri).unwrap().secret;
    browser.screenshot("2-enrol");
    assert!(browser.find("svg").is_some() || browser.find("img[src^='data:image/svg']").is_some(), "no QR code");
    let shown = browser.text().replace([' ', '\n'], "");
    assert!(shown.contains(secret.base32().expose()), "the secret is not shown for typing");
    enter_code(browser, secret.code_at(SystemTime::now()).expose());

    browser.wait_for("li > code");
    browser.screenshot("3-recovery-codes");
    let codes: Vec<String> = browser.find_all("li > code").iter().map(countersign_tests::Element::text).collect();
    assert_eq!(codes.len(), 10);
    browser.agree();
    (secret, codes)
}

/// The code of the step after the present one: one step ahead is accepted, and the present one may be spent.
pub(crate) fn next_code(secret: &TotpSecret) -> String {
    secret.code_at(SystemTime::now() + STEP).expose().to_owned()
}

/// Types a code, of an app or from paper, and sends it.
pub(crate) fn enter_code(browser: &Browser, code: &str) {
    browser.wait_for(r#"input[autocomplete="one-time-code"]"#).type_text(code);
    browser.agree();
}

/// Types a code that must be refused: the page says so and asks again.
pub(crate) fn enter_refused_code(browser: &Browser, code: &str) {
    enter_code(browser, code);
    let alert = browser.wait_for("[role=alert]");
    assert!(!alert.text().is_empty());
    browser.screenshot("refused");
    assert!(browser.find(r#"input[autocomplete="one-time-code"]"#).is_some(), "not asked again");
}

/// Says yes on page after page, until the browser is at an address that begins with `target`.
pub(crate) fn agree_until(browser: &Browser, target: &str) -> String {
    for page in 4..8 {
        browser.wait_until("a page to agree to, or the client's", || {
            (browser.url().starts_with(target) || browser.find("form").is_some()).then_some(())
        });
        if browser.url().starts_with(target) {
            return browser.url();
        }
        browser.screenshot(&format!("{page}-agree"));
        assert!(
            browser.find("input:not([type=hidden])").is_none(),
            "more is asked at {}: {}",
            browser.url(),
            browser.text()
        );
        browser.agree();
    }
    panic!("no end of pages at {}: {}", browser.url(), browser.text());
}
