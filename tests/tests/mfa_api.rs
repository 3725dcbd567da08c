//! The MFA API of the quickstart by plain calls: the client `demo-legacy` of the demo, and one of the operator's own in a file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use countersign_mfa_otp::{TotpParameters, TotpSecret};
use countersign_tests::{Callback, FrontEnd, Http, Quickstart, Reply, User};
use serde_json::{Value, json};

const OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
const OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
const SECRET: &str = "N4hVb1mSxQy7cKp0TzWf9RgJ3uLdEa6o";

/// A quickstart, and the client that asks.
struct Demo {
    quickstart: Quickstart,
    client: Value,
    /// How many codes were read.
    codes: Cell<usize>,
}

impl Demo {
    fn post(&self, path: &str, bearer: Option<&str>, body: Value) -> Reply {
        let mut body = body;
        body.as_object_mut().unwrap().extend(self.client.as_object().unwrap().clone());
        let header = bearer.map(|bearer| format!("Bearer {bearer}"));
        let headers: Vec<_> = header.iter().map(|value| ("authorization", value.as_str())).collect();
        Http::new().post_json(&self.quickstart.url(path), &body, &headers)
    }

    fn password(&self) -> Reply {
        let body = json!({
            "grant_type": "password", "username": "alice", "password": "alice-password",
            "scope": "openid payments offline_access",
        });
        self.post("/oauth/token", None, body)
    }

    fn mfa_token(&self) -> String {
        let reply = self.password();
        assert_eq!((reply.status, &reply.json()["error"]), (403, &json!("mfa_required")), "{}", reply.body);
        text(&reply, "mfa_token")
    }

    /// The code of the next message that has one; messages leave by a queue.
    fn code(&self) -> String {
        let nth = self.codes.replace(self.codes.get() + 1);
        for _ in 0..100 {
            let messages = self.quickstart.messages();
            if let Some(code) = messages.iter().filter_map(|message| message["code"].as_str()).nth(nth) {
                return code.to_owned();
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("message {nth} with a code did not come")
    }

    fn client_id(&self) -> &str {
        self.client["client_id"].as_str().unwrap()
    }

    /// A token of the API's own, from a login in a browser that proves the phone.
    fn own_token(&self, redirect_uri: &str, scope: &str) -> String {
        let (callback, issuer) = (Callback::at(redirect_uri), self.quickstart.issuer());
        let audience = format!("&audience={}", issuer.replace(':', "%3A").replace('/', "%2F") + "%2Fmfa%2F");
        let url = callback.authorization_url(issuer, self.client_id(), scope) + &audience;
        let mut browser = FrontEnd::new(issuer);
        let login = browser.begin(&url);
        assert_eq!(browser.read(&login).status, 200);
        let mut step = browser.answer(&login, User::alice().password()).json();
        if step["step"] == "choose" {
            let ways = step["authenticators"].as_array().unwrap();
            let phone = ways.iter().find(|way| way["type"] == "sms").unwrap()["id"].clone();
            step = browser.answer(&login, json!({ "answer": "choose", "id": phone })).json();
        }
        assert_eq!((&step["step"], &step["type"]), (&json!("code"), &json!("sms")), "the factor is asked: {step}");
        let done = browser.answer(&login, json!({ "answer": "code", "code": self.code() })).json();
        let code = callback.parameter(done["redirect_to"].as_str().unwrap(), issuer, "code");
        let body = json!({
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
            "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        });
        let reply = self.post("/oauth/token", None, body);
        assert_eq!((reply.status, &reply.json()["expires_in"]), (200, &json!(600)), "{}", reply.body);
        assert!(reply.json().get("refresh_token").is_none(), "{}", reply.body);
        text(&reply, "access_token")
    }
}

#[track_caller]
fn text(reply: &Reply, member: &str) -> String {
    let json = reply.json();
    json[member].as_str().unwrap_or_else(|| panic!("{} {json}", reply.status)).to_owned()
}

fn app(secret: &str) -> String {
    let secret = TotpSecret::from_base32(secret, TotpParameters::default()).unwrap();
    secret.code_at(std::time::SystemTime::now()).expose().to_owned()
}

/// SMS first, then an authenticator app, as the guides of such services have it.
fn walk(demo: &Demo, redirect_uri: &str) {
    let token = demo.mfa_token();
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+4915112345623" });
    let given = demo.post("/mfa/associate", Some(&token), body);
    assert_eq!(given.status, 200, "{}", given.body);
    assert_eq!(given.json()["recovery_codes"].as_array().unwrap().len(), 10);
    let body = json!({
        "grant_type": OOB, "mfa_token": token, "oob_code": text(&given, "oob_code"), "binding_code": demo.code(),
    });
    // As widely copied examples have it: the token in the header too.
    let tokens = demo.post("/oauth/token", Some(&token), body);
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    assert!(!text(&tokens, "id_token").is_empty() && !text(&tokens, "refresh_token").is_empty());

    let own = demo.own_token(redirect_uri, "openid enroll read:authenticators remove:authenticators");
    let given = demo.post("/mfa/associate", Some(&own), json!({ "authenticator_types": ["otp"] }));
    assert_eq!(given.status, 200, "{}", given.body);
    let secret = text(&given, "secret");
    let body = json!({ "grant_type": OTP, "mfa_token": own, "otp": app(&secret) });
    let confirmed = demo.post("/oauth/token", Some(&own), body);
    assert_eq!(text(&confirmed, "scope"), "enroll read:authenticators remove:authenticators");

    // Both are there now, and either does.
    let reply = demo.password();
    let challenge = reply.json()["mfa_requirements"]["challenge"].clone();
    assert!(challenge.as_array().unwrap().contains(&json!({ "type": "otp" })), "{challenge}");
    let own = text(&confirmed, "access_token");
    let bearer = format!("Bearer {own}");
    let listed = Http::new().get(&demo.quickstart.url("/mfa/authenticators"), &[("authorization", bearer.as_str())]);
    let kinds: Vec<_> = listed.json().as_array().unwrap().iter().map(|one| one["authenticator_type"].clone()).collect();
    assert_eq!(kinds, ["oob", "recovery-code", "otp"], "{}", listed.body);
}

#[test]
fn mfa_api_sms_first_and_then_an_app_by_plain_calls_of_the_demos_client() {
    let quickstart = Quickstart::start(&["--throttle", "off"]);
    let redirect_uri = quickstart.url("/demo/callback");
    let demo = Demo { quickstart, client: json!({ "client_id": "demo-legacy" }), codes: Cell::new(0) };
    walk(&demo, &redirect_uri);
}

fn configured(more: &str) -> String {
    format!(
        r#"
        [[client]]
        client_id = "own"
        client_secret = "{SECRET}"
        token_endpoint_auth_method = "client_secret_post"
        redirect_uris = ["https://own.example/cb"]
        scope = "openid payments offline_access enroll read:authenticators remove:authenticators"
        grant_types = ["authorization_code", "refresh_token", "password",
            "http://auth0.com/oauth/grant-type/mfa-otp", "http://auth0.com/oauth/grant-type/mfa-oob"]
        preset = "legacy"
        mfa_number_matching = true
        {more}
        [[scope]]
        name = "payments"
        description = "Make payments"
        requires = {{ acr = "mfa" }}
        [mfa]
        policy = "never"
        factors = ["totp", "sms", "recovery_code"]
        first_enrolment = "this_login"
        [lifetimes]
        mfa_token = "5m"
        "#
    )
}

#[test]
fn mfa_api_a_client_of_the_operators_own_is_set_up_in_the_file() {
    let quickstart = Quickstart::configured(&configured("first_party = true"), &["--throttle", "off"]);
    let demo = Demo { quickstart, client: json!({ "client_id": "own", "client_secret": SECRET }), codes: Cell::new(0) };
    walk(&demo, "https://own.example/cb");
}
