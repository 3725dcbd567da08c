//! Passkeys over a real socket, on a store that lasts: what must not let anybody in, and what serves once.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_tests::{Callback, FrontEnd, Http, Quickstart, Reply, User, at_once};
use serde_json::{Value, json};

const TOKEN: &str = "4d5f4e8f9a63d2c17e58f0abb7c1e0a9";

const FILE: &str = r#"
    [[client]]
    client_id = "shop"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    grant_types = ["authorization_code"]
    scope = "openid email"

    [[client]]
    client_id = "bank"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    grant_types = ["authorization_code"]
    scope = "openid email"
    requires = { acr = "mfa" }

    [mfa]
    factors = ["passkey", "security_key", "totp", "recovery_code"]
"#;

/// A provider whose users may have passkeys, on SQLite.
struct Site {
    quickstart: Quickstart,
    callback: Callback,
}

/// A browser at a login.
#[derive(Clone)]
struct Visit {
    front_end: FrontEnd,
    login: String,
}

impl Site {
    fn open() -> Self {
        let callback = Callback::at("https://shop.example/callback");
        Self { quickstart: Quickstart::configured(FILE, &["--admin-token", TOKEN]), callback }
    }

    fn issuer(&self) -> &str {
        self.quickstart.issuer()
    }

    /// A browser that nobody knows, at the first step of a login for this client.
    fn come(&self, client_id: &str) -> (Visit, Value) {
        let mut front_end = FrontEnd::new(self.issuer());
        let login = front_end.begin(&self.callback.authorization_url(self.issuer(), client_id, "openid email"));
        let step = front_end.read(&login).json();
        (Visit { front_end, login }, step)
    }

    /// The same with the password typed.
    fn second(&self, name: &str) -> (Visit, Value) {
        let (mut visit, _) = self.come("bank");
        let step = visit.answer(User::new(name, &format!("{name}-password")).password()).json();
        (visit, step)
    }

    /// Sets up a key of this method as a user's first factor.
    fn set_up(&self, name: &str, method: &str, key: &mut SoftAuthenticator) {
        let (mut visit, _) = self.second(name);
        let step = visit.answer(json!({ "answer": "choose", "id": format!("enrol|{method}") })).json();
        let response = key.create(&step["options"].to_string(), self.issuer()).unwrap();
        let reply = visit.answer(webauthn(&response));
        assert_eq!(reply.json()["step"], "recovery_codes", "{}", reply.body);
        assert_eq!(visit.answer(json!({ "answer": "recovery_codes" })).json()["step"], "consent");
    }

    fn assertion(&self, key: &mut SoftAuthenticator, step: &Value) -> Value {
        webauthn(&key.get(&step["options"].to_string(), self.issuer()).unwrap())
    }

    /// How often the operator was told of an event with this cause.
    fn told(&self, event: &str, cause: impl Into<Value>) -> usize {
        let cause = cause.into();
        let url = self.quickstart.url("/admin/events?after=0");
        let reply = Http::new().get(&url, &[("authorization", &format!("Bearer {TOKEN}"))]).json();
        let events = reply["events"].as_array().unwrap();
        events.iter().filter(|told| told["name"] == event && told["cause"] == cause).count()
    }

    /// Agrees, and exchanges the code.
    fn claims(&self, mut visit: Visit, step: &Value, client_id: &str) -> Value {
        let step =
            if step["step"] == "consent" { visit.answer(json!({ "answer": "consent" })).json() } else { step.clone() };
        let back = step["redirect_to"].as_str().unwrap();
        self.callback.exchange(back, self.issuer(), client_id).claims
    }
}

impl Visit {
    fn answer(&mut self, answer: Value) -> Reply {
        self.front_end.answer(&self.login, answer)
    }
}

/// An answer as a front end sends it: the object that the browser gave.
fn webauthn(response: &str) -> Value {
    json!({ "answer": "webauthn", "response": serde_json::from_str::<Value>(response).unwrap() })
}

#[track_caller]
fn assert_not_accepted(reply: &Reply) {
    assert_eq!((reply.status, &reply.json()["error"]), (422, &json!("not_accepted")), "{}", reply.body);
}

#[test]
fn m1_m2_m33_over_http_a_key_signs_in_its_owner_and_nobody_else() {
    let site = Site::open();
    let (mut alices, mut bobs) = (SoftAuthenticator::platform().unwrap(), SoftAuthenticator::platform().unwrap());
    site.set_up("alice", "passkey", &mut alices);
    site.set_up("bob", "passkey", &mut bobs);

    // M1: alice's question, bob's key.
    let (mut visit, step) = site.second("alice");
    assert_eq!(step["step"], "webauthn", "{step}");
    bobs.ignore_allow_list();
    let answer = site.assertion(&mut bobs, &step);
    assert_not_accepted(&visit.answer(answer));

    // M2, M33: alice's key, and a browser that says that it was bob.
    let (mut visit, step) = site.come("shop");
    let mut answer = site.assertion(&mut alices, &step);
    answer["response"]["response"]["userHandle"] = handle(&site.assertion(&mut bobs, &step));
    assert_not_accepted(&visit.answer(answer));
    let (mut visit, step) = site.come("shop");
    let mut answer = site.assertion(&mut alices, &step);
    answer["response"]["id"] = site.assertion(&mut bobs, &step)["response"]["id"].clone();
    answer["response"]["rawId"] = answer["response"]["id"].clone();
    assert_not_accepted(&visit.answer(answer));

    // Who signs in by bob's key is bob, whoever the client thought that it was.
    let (mut visit, step) = site.come("shop");
    let answer = site.assertion(&mut bobs, &step);
    let step = visit.answer(answer).json();
    let claims = site.claims(visit, &step, "shop");
    assert_eq!(claims["acr"], "phr");
    let (mut visit, _) = site.come("shop");
    let step = visit.answer(User::new("bob", "bob-password").password()).json();
    assert_eq!(site.claims(visit, &step, "shop")["sub"], claims["sub"]);
}

fn handle(answer: &Value) -> Value {
    answer["response"]["response"]["userHandle"].clone()
}

#[test]
fn m3_over_http_what_does_not_verify_begins_no_session() {
    let site = Site::open();
    let mut key = SoftAuthenticator::platform().unwrap();
    site.set_up("alice", "passkey", &mut key);
    let (mut visit, step) = site.come("shop");
    key.tamper_signature(|signature| *signature.last_mut().unwrap() ^= 1);
    let answer = site.assertion(&mut key, &step);
    assert_not_accepted(&visit.answer(answer));
    for response in [json!({}), json!(""), json!([]), json!({ "id": "AAAA", "type": "public-key" })] {
        assert_not_accepted(&visit.answer(json!({ "answer": "webauthn", "response": response })));
    }
    for malformed in [json!({ "answer": "webauthn" }), json!({ "answer": "webauthn", "response": {}, "code": "1" })] {
        assert_eq!(visit.answer(malformed).status, 400);
    }
    assert_eq!(visit.front_end.read(&visit.login).json()["step"], "password");
}

#[test]
fn m4_over_http_a_ceremony_serves_one_login_in_one_browser_once() {
    let site = Site::open();
    let mut key = SoftAuthenticator::platform().unwrap();
    site.set_up("alice", "passkey", &mut key);
    let ((mut visit, step), (mut other, _)) = (site.come("shop"), site.come("shop"));
    let answer = site.assertion(&mut key, &step);
    assert_not_accepted(&other.answer(answer.clone()));
    let mut thief = Visit { front_end: FrontEnd::new(site.issuer()), login: visit.login.clone() };
    assert_ne!(thief.answer(answer.clone()).status, 200, "another browser");
    let step = visit.answer(answer.clone()).json();
    site.claims(visit, &step, "shop");
    let (mut later, _) = site.come("shop");
    assert_not_accepted(&later.answer(answer));
}

#[test]
fn promise_1_over_http_of_32_equal_answers_at_once_one_counts() {
    let site = Site::open();
    let mut key = SoftAuthenticator::security_key().unwrap();
    site.set_up("alice", "security_key", &mut key);
    let (visit, step) = site.second("alice");
    let answer = site.assertion(&mut key, &step);
    let replies = at_once(vec![visit; 32], |mut visit| visit.answer(answer.clone()));
    assert!(replies.iter().any(|reply| reply.json()["step"] == "consent"), "{}", replies[0].body);
    assert_eq!(site.told("credential.suspected", "webauthn.counter"), 0, "the counter rose once");
    // What was spent opens no other login, then or later.
    let (mut later, _) = site.second("alice");
    assert_not_accepted(&later.answer(answer));
}

#[test]
fn promise_1_over_http_of_many_answers_to_one_question_at_once_one_signs_in_at_most() {
    let site = Site::open();
    let mut key = SoftAuthenticator::platform().unwrap();
    site.set_up("alice", "passkey", &mut key);
    let (visit, step) = site.come("shop");
    let answers: Vec<_> = (0..16).map(|_| site.assertion(&mut key, &step)).collect();
    let visits = answers.into_iter().map(|answer| (visit.clone(), answer)).collect();
    let replies = at_once(visits, |(mut visit, answer): (Visit, Value)| (visit.answer(answer), visit));
    let signed_in = replies.iter().filter(|(reply, _)| reply.json()["step"] == "consent").count();
    let ended = site.told("login.succeeded", Value::Null) - 1; // the other one set the key up
    // A wrong answer spends the question too: it may come before the right one, which is then too late.
    assert!(ended <= 1 && (ended == 1 || signed_in == 0), "{ended} {signed_in}");
    let (mut later, step) = site.come("shop");
    let answer = site.assertion(&mut key, &step);
    assert_eq!(later.answer(answer).json()["step"], "consent", "and nobody is locked out");
}

#[test]
fn m7_m8_m9_over_http_counters_are_kept_and_copies_told() {
    let site = Site::open();
    let (mut key, mut phone) = (SoftAuthenticator::security_key().unwrap(), SoftAuthenticator::platform().unwrap());
    key.set_counter(Some(7));
    site.set_up("alice", "security_key", &mut key);
    site.set_up("bob", "passkey", &mut phone);
    let sign_in = |name: &str, key: &mut SoftAuthenticator| {
        let (mut visit, step) = site.second(name);
        let answer = site.assertion(key, &step);
        assert_eq!(visit.answer(answer).json()["step"], "consent");
    };
    sign_in("alice", &mut key);
    sign_in("bob", &mut phone); // zero and zero is no counter
    assert_eq!(site.told("credential.suspected", "webauthn.counter"), 0);
    key.set_counter(Some(7)); // a copy from before the login
    sign_in("alice", &mut key);
    assert_eq!(site.told("credential.suspected", "webauthn.counter"), 1);
}

#[test]
fn m10_over_http_a_key_that_cannot_be_backed_up_is_not() {
    let site = Site::open();
    let mut key = SoftAuthenticator::platform().unwrap();
    site.set_up("alice", "passkey", &mut key);
    let (mut visit, step) = site.come("shop");
    key.tamper_auth_data(|data| data[32] = (data[32] & !0x08) | 0x10);
    let answer = site.assertion(&mut key, &step);
    assert_not_accepted(&visit.answer(answer));
    assert_eq!(site.told("login.failed", "ceremony.backup_state"), 1);
}

#[test]
fn m17_over_http_whoever_has_a_factor_sets_up_no_key_by_the_password_alone() {
    let site = Site::open();
    let mut key = SoftAuthenticator::platform().unwrap();
    site.set_up("alice", "passkey", &mut key);
    let (mut visit, _) = site.second("alice");
    let reply = visit.answer(json!({ "answer": "choose", "id": "enrol|security_key" }));
    assert_eq!(reply.json()["error"], "no_such_choice", "{}", reply.body);
    // Nor by the options of somebody else's set-up.
    let (mut bobs, _) = site.second("bob");
    let step = bobs.answer(json!({ "answer": "choose", "id": "enrol|passkey" })).json();
    let mut thief = SoftAuthenticator::platform().unwrap();
    let response = thief.create(&step["options"].to_string(), site.issuer()).unwrap();
    assert_not_accepted(&visit.answer(webauthn(&response)));
}

#[test]
fn promise_11_over_http_the_steps_of_a_passkey_want_the_anti_forgery_value_and_the_own_origin() {
    let site = Site::open();
    let mut key = SoftAuthenticator::platform().unwrap();
    site.set_up("alice", "passkey", &mut key);
    let (mut visit, step) = site.come("shop");
    let mut answer = site.assertion(&mut key, &step);
    let issuer = site.issuer().to_owned();
    let reply = visit.front_end.post(&visit.login, &answer, &[("origin", &issuer)]);
    assert_eq!(reply.status, 403, "{}", reply.body);
    answer["csrf"] = visit.front_end.csrf().into();
    let reply = visit.front_end.post(&visit.login, &answer, &[("origin", "https://evil.example")]);
    assert_eq!(reply.status, 403, "{}", reply.body);
    let reply = visit.front_end.post(&visit.login, &answer, &[("origin", &issuer)]);
    assert_eq!(reply.json()["step"], "consent", "neither spent the question: {}", reply.body);
}
