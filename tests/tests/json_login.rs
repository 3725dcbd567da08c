//! The login as JSON steps, for a front end of a host's own: what each answer leads to, with its status.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::thread;
use std::time::Duration;

use countersign_tests::{Callback, FrontEnd, Http, Quickstart, Reply, User};
use serde_json::{Value, json};

const CLIENTS: &str = r#"
    [[client]]
    client_id = "shop"
    client_name = "Shop"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    post_logout_redirect_uris = ["https://shop.example/out"]
    scope = "openid profile email"

    [[client]]
    client_id = "bank"
    client_name = "Bank"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    scope = "openid profile email"
    requires = { acr = "mfa" }
"#;

/// The class of a login with two factors (OpenID PAPE 1.0).
const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

struct Provider {
    quickstart: Quickstart,
    callback: Callback,
}

impl Provider {
    fn start(switches: &[&str]) -> Self {
        let quickstart = Quickstart::configured(CLIENTS, switches);
        Self { quickstart, callback: Callback::at("https://shop.example/callback") }
    }

    fn browser(&self) -> FrontEnd {
        FrontEnd::new(self.quickstart.issuer())
    }

    /// An authorization request; `more` begins with `&` or is empty.
    fn request(&self, client_id: &str, more: &str) -> String {
        self.callback.authorization_url(self.quickstart.issuer(), client_id, "openid profile") + more
    }

    /// A browser in which alice has signed in for `client_id`.
    fn signed_in(&self, client_id: &str, alice: &mut User) -> FrontEnd {
        let mut browser = self.browser();
        let back = alice.sign_in(&mut browser, &self.request(client_id, ""));
        assert!(!self.answer(&back, "code").is_empty(), "{back}");
        browser
    }

    fn answer(&self, back: &str, parameter: &str) -> String {
        self.callback.parameter(back, self.quickstart.issuer(), parameter)
    }

    /// Where the browser is sent at once: to the client, since nobody need be asked.
    fn sent_back(&self, browser: &mut FrontEnd, client_id: &str, more: &str) -> String {
        let reply = browser.open(&self.request(client_id, more));
        assert_eq!(reply.status, 303, "{}", reply.body);
        reply.header("location").unwrap().to_owned()
    }

    fn claims(&self, back: &str, client_id: &str) -> Value {
        self.callback.exchange(back, self.quickstart.issuer(), client_id).claims
    }
}

#[track_caller]
fn step(reply: &Reply, status: u16, step: &str) -> Value {
    let body = reply.json();
    assert_eq!((reply.status, &body["step"]), (status, &json!(step)), "{body}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    body
}

#[track_caller]
fn refused(reply: &Reply, status: u16, error: &str) {
    let body = reply.json();
    assert_eq!((reply.status, &body["error"]), (status, &json!(error)), "{body}");
    assert!(body.get("csrf").is_none() && body.get("step").is_none(), "{body}");
}

fn redirect_to(done: &Value) -> &str {
    done["redirect_to"].as_str().unwrap()
}

fn code(code: impl Into<Value>) -> Value {
    json!({ "answer": "code", "code": code.into() })
}

#[test]
fn a_login_goes_from_password_by_enrolment_to_consent_and_back_to_the_client() {
    let provider = Provider::start(&[]);
    let mut alice = User::alice();
    let mut browser = provider.browser();
    let login = browser.begin(&provider.request("bank", ""));

    let first = step(&browser.read(&login), 200, "password");
    assert_eq!(first["client"]["name"], "Bank");
    assert!(login.ends_with(first["action"].as_str().unwrap()));
    assert!(first.get("error").is_none(), "{first}");

    let enrol = step(&browser.answer(&login, alice.password()), 200, "enrol");
    assert_eq!((&enrol["type"], &enrol["digits"], &enrol["account"]), (&json!("totp"), &json!(6), &json!("alice")));
    assert!(enrol["secret"].is_string() && enrol["otpauth_uri"].as_str().unwrap().starts_with("otpauth://totp/"));
    let wrong = step(&browser.answer(&login, json!({ "answer": "enrol", "code": "abcdef" })), 422, "enrol");
    assert_eq!((&wrong["error"], &wrong["otpauth_uri"]), (&json!("wrong_code"), &enrol["otpauth_uri"]));

    let codes = alice.walk(&mut browser, &login, "recovery_codes");
    assert_eq!(codes["codes"].as_array().unwrap().len(), 10);
    let consent = step(&browser.answer(&login, json!({ "answer": "recovery_codes" })), 200, "consent");
    assert_eq!((&consent["account"], &consent["redirect_host"]), (&json!("alice"), &json!("shop.example")));
    let asked: Vec<_> =
        consent["scopes"].as_array().unwrap().iter().map(|scope| scope["scope"].as_str().unwrap()).collect();
    assert_eq!(asked, ["openid", "profile"]);
    assert!(consent["scopes"].as_array().unwrap().iter().all(|scope| scope["description"].is_string()));

    let done = step(&browser.answer(&login, json!({ "answer": "consent", "allow": ["openid"] })), 200, "done");
    let tokens = provider.callback.exchange(redirect_to(&done), provider.quickstart.issuer(), "bank");
    assert_eq!((&tokens.answer["scope"], &tokens.claims["acr"]), (&json!("openid"), &json!(MULTI_FACTOR)));
}

#[test]
fn a_wrong_password_is_422_and_says_nothing_of_the_account() {
    let provider = Provider::start(&[]);
    let mut browser = provider.browser();
    let login = browser.begin(&provider.request("shop", ""));
    step(&browser.read(&login), 200, "password");
    let mut wrong = |name: &str| {
        let answer = json!({ "answer": "password", "login": name, "password": "not-the-password" });
        let body = step(&browser.answer(&login, answer), 422, "password");
        assert_eq!(body["error"], "wrong_password");
        body
    };
    assert_eq!(wrong("alice"), wrong("nobody"), "promise 6");
    step(&browser.answer(&login, User::alice().password()), 200, "consent");
}

#[test]
fn promise_6_too_many_wrong_passwords_are_429_and_the_owner_gets_in() {
    let provider = Provider::start(&[]);
    let mut owner = provider.signed_in("shop", &mut User::alice());
    let mut stranger = provider.browser();
    let login = stranger.begin(&provider.request("shop", ""));
    step(&stranger.read(&login), 200, "password");
    let wrong = json!({ "answer": "password", "login": "alice", "password": "a guess" });
    for _ in 0..10 {
        step(&stranger.answer(&login, wrong.clone()), 422, "password");
    }
    for answer in [wrong, User::alice().password()] {
        let reply = stranger.answer(&login, answer);
        assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
        assert_eq!(step(&reply, 429, "password")["error"], "throttled");
    }
    let login = owner.begin(&provider.request("shop", "&prompt=login"));
    User::alice().walk(&mut owner, &login, "done");
}

#[test]
fn promise_6_too_many_wrong_codes_are_429_and_the_right_one_is_no_longer_looked_at() {
    let provider = Provider::start(&[]);
    let mut alice = User::alice();
    provider.signed_in("bank", &mut alice);
    let mut stranger = provider.browser();
    let login = stranger.begin(&provider.request("bank", ""));
    alice.walk(&mut stranger, &login, "code");
    for _ in 0..10 {
        let body = step(&stranger.answer(&login, code("abcdef")), 422, "code");
        assert_eq!(body["error"], "wrong_code");
    }
    let right = stranger.answer(&login, code(alice.lasting_code()));
    assert!(right.header("retry-after").is_some());
    assert_eq!(step(&right, 429, "code")["error"], "throttled");
}

#[test]
fn a_wrong_code_is_422_and_another_way_can_be_chosen() {
    let provider = Provider::start(&[]);
    let mut alice = User::alice();
    provider.signed_in("bank", &mut alice);
    let mut browser = provider.browser();
    let login = browser.begin(&provider.request("bank", ""));
    let asked = alice.walk(&mut browser, &login, "code");
    assert_eq!((&asked["type"], &asked["digits"]), (&json!("totp"), &json!(6)));
    let wrong = step(&browser.answer(&login, code("abcdef")), 422, "code");
    assert_eq!((&wrong["type"], &wrong["error"]), (&json!("totp"), &json!("wrong_code")));

    let nothing = step(&browser.answer(&login, json!({ "answer": "choose", "id": "totp|nobodys" })), 422, "code");
    assert_eq!(nothing["error"], "no_such_choice");
    let way = wrong["or"].as_array().unwrap().iter().find(|way| way["type"] == "recovery_code").unwrap();
    let recovery = step(&browser.answer(&login, json!({ "answer": "choose", "id": way["id"] })), 200, "code");
    assert_eq!(recovery["type"], "recovery_code");
    let spelt = alice.recovery_codes.pop().unwrap().to_uppercase();
    let done = step(&browser.answer(&login, code(spelt)), 200, "done");
    assert_eq!(provider.claims(redirect_to(&done), "bank")["acr"], MULTI_FACTOR);
}

#[test]
fn who_denies_consent_is_sent_back_with_access_denied() {
    let provider = Provider::start(&[]);
    let mut browser = provider.browser();
    let login = browser.begin(&provider.request("shop", ""));
    User::alice().walk(&mut browser, &login, "consent");
    let done = step(&browser.answer(&login, json!({ "answer": "consent", "allow": [] })), 200, "done");
    let back = redirect_to(&done);
    assert_eq!(
        (provider.answer(back, "error").as_str(), provider.answer(back, "code").as_str()),
        ("access_denied", "")
    );
    // Saying yes afterwards does not undo it.
    let late = browser.answer(&login, json!({ "answer": "consent" }));
    assert!(!late.body.contains("code="), "{} {}", late.status, late.body);
}

#[test]
fn promise_11_another_browser_gets_nothing_of_a_login() {
    let provider = Provider::start(&[]);
    let mut alice = User::alice();
    let mut browser = provider.browser();
    let login = browser.begin(&provider.request("shop", ""));
    alice.walk(&mut browser, &login, "consent");
    let csrf = browser.csrf().to_owned();

    let blank = provider.browser();
    let mut busy = provider.browser();
    let own = busy.begin(&provider.request("shop", ""));
    step(&busy.read(&own), 200, "password");
    // A browser that is known has an anti-forgery value of its own for each login, and this is not it.
    for (mut other, status) in [(blank, 400), (busy, 403)] {
        refused(&other.read(&login), 400, "invalid_request");
        let issuer = provider.quickstart.issuer();
        for answer in [json!({ "answer": "consent" }), alice.password()] {
            let mut body = answer;
            body["csrf"] = csrf.as_str().into();
            refused(&other.post(&login, &body, &[("origin", issuer)]), status, "invalid_request");
        }
    }
    step(&browser.answer(&login, json!({ "answer": "consent" })), 200, "done");
}

#[test]
fn a_finished_login_answers_the_same_and_begins_nothing() {
    let provider = Provider::start(&[]);
    let mut alice = User::alice();
    let mut browser = provider.browser();
    let login = browser.begin(&provider.request("shop", ""));
    let done = alice.walk(&mut browser, &login, "done");
    let again = step(&browser.read(&login), 200, "done");
    assert_eq!(again["redirect_to"], done["redirect_to"], "a reload gets the same answer");

    // None of the answers, late as they are, yields another code.
    for answer in
        [alice.password(), code("000000"), json!({ "answer": "consent", "allow": [] }), json!({ "answer": "consent" })]
    {
        let reply = browser.answer(&login, answer);
        match reply.status {
            200 => assert_eq!(step(&reply, 200, "done")["redirect_to"], done["redirect_to"]),
            403 => refused(&reply, 403, "invalid_request"),
            _ => refused(&reply, 400, "invalid_request"),
        }
    }
    provider.claims(redirect_to(&done), "shop");
    refused(&browser.read(&login), 400, "invalid_request");
}

#[test]
fn oidc_core_3_1_2_6_prompt_none_asks_nobody() {
    let provider = Provider::start(&[]);
    let mut alice = User::alice();
    let outcome = |browser: &mut FrontEnd, client_id: &str, more: &str| {
        let back = provider.sent_back(browser, client_id, &format!("&prompt=none{more}"));
        (provider.answer(&back, "error"), !provider.answer(&back, "code").is_empty())
    };
    let error = |error: &str| (error.to_owned(), false);
    assert_eq!(outcome(&mut provider.browser(), "shop", ""), error("login_required"));

    let mut browser = provider.browser();
    let login = browser.begin(&provider.request("shop", ""));
    alice.walk(&mut browser, &login, "consent");
    assert_eq!(outcome(&mut browser, "shop", ""), error("consent_required"));
    alice.walk(&mut browser, &login, "done");
    assert_eq!(outcome(&mut browser, "shop", ""), (String::new(), true));
    assert_eq!(outcome(&mut browser, "shop", "&max_age=0"), error("login_required"));
    assert_eq!(outcome(&mut browser, "bank", ""), error("interaction_required"));
    assert_eq!(outcome(&mut provider.browser(), "shop", ""), error("login_required"), "another browser has no session");
}

#[test]
fn oidc_core_3_1_2_1_max_age_0_and_prompt_login_ask_again() {
    let provider = Provider::start(&[]);
    let mut alice = User::alice();
    let mut browser = provider.signed_in("shop", &mut alice);
    let back = provider.sent_back(&mut browser, "shop", "&max_age=3600");
    let first = provider.claims(&back, "shop");
    for anew in ["&max_age=0", "&prompt=login", "&prompt=select_account"] {
        // Times are compared in whole seconds, so the login of before must lie in another one.
        thread::sleep(Duration::from_millis(1_100));
        let login = browser.begin(&provider.request("shop", anew));
        step(&browser.read(&login), 200, "password");
        // The session of before does not answer for it, however often it is opened.
        let _ = browser.open(&login);
        step(&browser.read(&login), 200, "password");
        let done = alice.walk(&mut browser, &login, "done");
        let claims = provider.claims(redirect_to(&done), "shop");
        assert!(claims["auth_time"].as_u64().unwrap() > first["auth_time"].as_u64().unwrap(), "{anew}");
    }
    let login = browser.begin(&provider.request("shop", "&prompt=consent"));
    step(&browser.read(&login), 200, "consent");
}

#[test]
fn a_step_up_asks_only_for_the_second_factor() {
    let provider = Provider::start(&[]);
    let mut alice = User::alice();
    provider.signed_in("bank", &mut alice);
    let acr = format!("&acr_values={}", form_urlencoded(MULTI_FACTOR));
    for (client_id, more) in [("shop", acr.as_str()), ("bank", "")] {
        let mut browser = provider.signed_in("shop", &mut alice);
        let login = browser.begin(&provider.request(client_id, more));
        step(&browser.read(&login), 200, "code");
        let done = alice.walk(&mut browser, &login, "done");
        let claims = provider.claims(redirect_to(&done), client_id);
        assert_eq!((&claims["sub"], &claims["acr"]), (&json!("alice"), &json!(MULTI_FACTOR)));
        let back = provider.sent_back(&mut browser, client_id, &format!("{more}&prompt=none"));
        assert_eq!(provider.claims(&back, client_id)["acr"], MULTI_FACTOR, "the session remembers");
    }
}

#[test]
fn form_post_2_the_answer_stands_in_the_form_of_a_page() {
    let provider = Provider::start(&[]);
    let mut alice = User::alice();
    let mut browser = provider.browser();
    let login = browser.begin(&provider.request("shop", "&response_mode=form_post"));
    let done = alice.walk(&mut browser, &login, "done");
    assert_eq!((&done["page"], done.get("redirect_to")), (&json!(true), None), "a front end opens the login itself");

    let shown = browser.open(&login);
    let at_once = browser.open(&provider.request("shop", "&response_mode=form_post"));
    for page in [shown, at_once] {
        assert_eq!((page.status, page.header("location")), (200, None));
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
        assert!(page.body.contains(r#"<form method="post" action="https://shop.example/callback">"#), "{}", page.body);
        let field = |name: &str| {
            let (_, rest) = page.body.split_once(&format!(r#"name="{name}" value=""#))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        let query = ["code", "state", "iss"].map(|name| format!("{name}={}", form_urlencoded(&field(name).unwrap())));
        let back = format!("https://shop.example/callback?{}", query.join("&"));
        assert_eq!(provider.claims(&back, "shop")["sub"], "alice");
    }
    let denied = browser.open(&provider.request("shop", "&response_mode=form_post&prompt=none&max_age=0"));
    assert!(denied.status == 200 && denied.body.contains(r#"name="error" value="login_required""#), "{}", denied.body);
}

fn form_urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn oidc_rp_initiated_logout_2_a_front_end_asks_and_goes_where_it_is_told() {
    let provider = Provider::start(&[]);
    let mut browser = provider.signed_in("shop", &mut User::alice());
    let logout = provider.quickstart.url("/logout");
    let asked = format!("{logout}?client_id=shop&post_logout_redirect_uri=https%3A%2F%2Fshop.example%2Fout&state=s1");
    let question = step(&browser.read(&asked), 200, "logout");
    assert_eq!((&question["client"]["name"], &question["account"]), (&json!("Shop"), &json!("alice")));
    let said = |decision: &str| json!({ "answer": "logout", "request": question["request"], "decision": decision });
    step(&browser.answer(&logout, said("stay")), 200, "still_signed_in");
    assert!(!provider.answer(&provider.sent_back(&mut browser, "shop", "&prompt=none"), "code").is_empty());
    step(&browser.read(&asked), 200, "logout");
    let question = step(&browser.read(&asked), 200, "logout");
    let said = json!({ "answer": "logout", "request": question["request"], "decision": "sign_out" });
    let done = step(&browser.answer(&logout, said), 200, "signed_out");
    assert_eq!(redirect_to(&done), "https://shop.example/out?state=s1");
    let silent = provider.sent_back(&mut browser, "shop", "&prompt=none");
    assert_eq!(provider.answer(&silent, "error"), "login_required");
}

/// What the newest event of this name says.
fn event(provider: &Provider, name: &str) -> Value {
    let reply = Http::new()
        .get(&provider.quickstart.url("/admin/events"), &[("authorization", "Bearer operator-token-0123456789")]);
    let events = reply.json()["events"].as_array().unwrap().clone();
    events.into_iter().rev().find(|event| event["name"] == name).unwrap()
}

fn adaptive(risk: &str) -> Provider {
    let toml = format!("{CLIENTS}\n[mfa]\npolicy = \"adaptive\"\n[mfa.risk]\n{risk}");
    let quickstart = Quickstart::configured(&toml, &["--admin-token", "operator-token-0123456789"]);
    Provider { quickstart, callback: Callback::at("https://shop.example/callback") }
}

#[test]
fn promise_8_an_adaptive_policy_asks_a_new_browser_for_a_factor_and_a_known_one_for_nothing() {
    let places = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/mfa/tests/data/places.mmdb");
    let provider = adaptive(&format!("geoip = \"{places}\"\n"));
    let mut alice = User::alice();
    let back = {
        let mut browser = provider.signed_in("shop", &mut alice);
        // The same browser, after its user signed out.
        let logout = provider.quickstart.url("/logout");
        let question = step(&browser.read(&logout), 200, "logout");
        let said = json!({ "answer": "logout", "request": question["request"], "decision": "sign_out" });
        step(&browser.answer(&logout, said), 200, "signed_out");
        let login = browser.begin(&provider.request("shop", ""));
        step(&browser.read(&login), 200, "password");
        let reply = browser.answer(&login, alice.password()).json();
        assert!(reply["step"] == "done" || reply["step"] == "consent", "{reply}");
        assert_eq!(event(&provider, "risk.judged")["cause"], "confidence.high");
        alice.walk(&mut browser, &login, "done")["redirect_to"].as_str().unwrap().to_owned()
    };
    assert_ne!(provider.claims(&back, "shop")["acr"], MULTI_FACTOR, "a known browser proved the password alone");

    // Another one, whatever it says of itself.
    let mut stranger = provider.browser();
    let login = stranger.begin(&provider.request("shop", ""));
    step(&stranger.read(&login), 200, "password");
    step(&stranger.answer(&login, alice.password()), 200, "code");
    step(&stranger.answer(&login, json!({ "answer": "skip" })), 200, "code");
    let judged = event(&provider, "risk.judged");
    assert_eq!(
        (&judged["subject"], &judged["client_id"]),
        (&event(&provider, "login.succeeded")["subject"], &json!("shop"))
    );
    assert!(judged["detail"].as_str().unwrap().starts_with("confidence medium, score 35: new_device 35 ("), "{judged}");
    let done = alice.walk(&mut stranger, &login, "done");
    assert_eq!(provider.claims(redirect_to(&done), "shop")["acr"], MULTI_FACTOR);
}

#[test]
fn a_dry_run_of_an_adaptive_policy_asks_for_nothing_and_tells_what_it_would() {
    let provider = adaptive("dry_run = true\n");
    let alice = User::alice();
    let mut browser = provider.browser();
    let login = browser.begin(&provider.request("shop", ""));
    step(&browser.read(&login), 200, "password");
    step(&browser.answer(&login, alice.password()), 200, "consent");
    let detail = event(&provider, "risk.judged")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("; would ask ") && detail.ends_with(" (dry run)"), "{detail}");
}
