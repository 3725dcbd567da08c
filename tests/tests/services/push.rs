//! Push as a person sees it: the login page in one browser, the page that plays the phone in another.

use countersign_tests::{Browser, Callback, Quickstart};
use serde_json::json;

use crate::person::{agree_until, enter_code, enter_password};

/// A client that asks for a second factor, of a server whose users may have push alone.
struct Scene {
    quickstart: Quickstart,
    callback: Callback,
    login: Browser,
    phone: Browser,
}

impl Scene {
    fn open(name: &str) -> Self {
        let callback = Callback::listen();
        let toml = format!(
            r#"
            [mfa]
            factors = ["push", "recovery_code"]
            [mfa.push]
            strangers = {{ attempts = 9, window = "1h" }}
            [[client]]
            client_id = "shop"
            client_name = "Shop"
            token_endpoint_auth_method = "none"
            redirect_uris = ["{}"]
            grant_types = ["authorization_code"]
            scope = "openid profile email"
            requires = {{ acr = "mfa" }}
            "#,
            callback.uri()
        );
        let quickstart = Quickstart::configured(&toml, &["--throttle", "off"]);
        let (login, phone) = (Browser::start(name), Browser::start(&format!("{name}-phone")));
        Self { quickstart, callback, login, phone }
    }

    fn begin(&self) {
        self.login.goto(self.quickstart.issuer());
        self.login.forget_cookies();
        self.login.goto(&self.callback.authorization_url(self.quickstart.issuer(), "shop", "openid profile email"));
        enter_password(&self.login, "alice", "alice-password");
    }

    fn device_page(&self) {
        self.phone.goto(&self.quickstart.url("/demo/device"));
    }

    /// Registers the phone by the link beside the QR code, and types its digits into the login page.
    fn enrol(&self) {
        self.begin();
        let link = self.login.wait_for(r#"a[href^="countersign-push://"]"#).attribute("href").unwrap();
        assert!(self.login.find("svg").is_some(), "a QR code");
        self.login.screenshot("push-enrol");
        self.device_page();
        self.phone.wait_for("#uri").type_text(&link);
        self.phone.wait_for("#register").click_away();
        let digits = self.phone.wait_for("#confirmation").text();
        self.phone.screenshot("push-registered");
        enter_code(&self.login, &digits);
        self.login.wait_for("li > code");
        self.login.agree();
        self.finish();
    }

    fn finish(&self) -> serde_json::Value {
        let url = agree_until(&self.login, self.callback.uri());
        self.callback.exchange(&url, self.quickstart.issuer(), "shop").claims
    }

    /// What the login page shows to be typed on the phone.
    fn number(&self) -> String {
        self.login.wait_for("#number").text()
    }
}

#[test]
fn push_is_walked_through_in_a_browser() {
    let scene = Scene::open("push");
    scene.enrol();

    // Approve: the phone shows who asks, and takes the number.
    scene.begin();
    let number = scene.number();
    assert!(scene.login.text().contains("Demo device"), "which device is asked");
    scene.login.screenshot("push-wait");
    scene.device_page();
    assert_eq!(scene.phone.wait_for("#client").text(), "Shop");
    assert_eq!(scene.phone.wait_for("#account").text(), "alice");
    assert!(scene.phone.wait_for("#place").text().contains("this machine"));
    assert!(!scene.phone.text().contains(&format!(" {number} ")), "the phone is not told the number");
    scene.phone.screenshot("push-question");
    scene.phone.wait_for("#number").type_text(&number);
    scene.phone.wait_for("#approve").click_away();
    assert_eq!(scene.phone.wait_for("#outcome").attribute("data-outcome").as_deref(), Some("approved"));
    // Nobody touches the login page: it moves on by itself.
    scene.login.wait_for("#consent-form");
    let claims = scene.finish();
    let amr = claims["amr"].as_array().unwrap();
    for method in ["pwd", "swk", "pop", "user", "mfa"] {
        assert!(amr.contains(&json!(method)), "{amr:?}");
    }

    // Deny, and a wrong number: the page says so, and the login goes no further.
    for (button, outcome) in [("#deny", "denied"), ("#approve", "wrong_number")] {
        scene.begin();
        let number = scene.number();
        scene.device_page();
        let wrong = if number == "10" { "11" } else { "10" };
        scene.phone.wait_for("#number").type_text(wrong);
        scene.phone.wait_for(button).click_away();
        assert_eq!(scene.phone.wait_for("#outcome").attribute("data-outcome").as_deref(), Some(outcome));
        assert!(!scene.login.wait_for("[role=alert]").text().is_empty(), "told by itself");
        assert!(scene.login.find("meta[http-equiv=refresh]").is_none(), "and left to be read");
        assert!(scene.login.find("#number").is_none(), "the number is of no use any more");
        scene.login.screenshot(&format!("push-{outcome}"));
    }
}
