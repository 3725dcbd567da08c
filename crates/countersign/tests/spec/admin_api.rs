//! The admin API: who gets in, and what is done there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign::mfa::oauth::AdminApi;
use countersign::mfa::{EmailCodes, Existing, FirstEnrolment, PasswordHasher, Policy};
use countersign::otp::{TotpParameters, TotpSecret};
use countersign::outbound::{Message, MessageSender, SendError};
use countersign::{Account, Client, Event, Requirement, ServerBuilder, TokioPool};
use countersign_storage_memory::MemoryStore;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Bench, Browser, CHEAP, ISSUER, body, code_of};

const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const AUDIENCE: &str = "https://id.example.com/admin/api/v2/";

/// Counts who is written to.
#[derive(Debug, Clone, Default)]
struct Letters(Arc<Mutex<Vec<(String, String)>>>);

#[async_trait::async_trait]
impl MessageSender for Letters {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let subject = message.subject().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push((message.to().to_owned(), subject));
        Ok(())
    }
}

/// A server with the API; alice administers, bob does not, both with an app.
struct Office {
    bench: Bench,
    letters: Letters,
    events: Arc<Mutex<Vec<Event>>>,
    secret: TotpSecret,
}

impl Office {
    async fn new() -> Self {
        Self::with(AdminApi::for_group("admin"), |builder| builder).await
    }

    async fn with(api: AdminApi, change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        Self::on(ISSUER, MemoryStore::new(), api, change).await
    }

    async fn on(
        issuer: &str,
        store: MemoryStore,
        api: AdminApi,
        change: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let letters = Letters::default();
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let heard = Arc::clone(&events);
        let scopes: Vec<_> = AdminApi::scope_tokens().collect();
        let client = |id: &str| {
            let client = Client::public(id).redirect_uri("https://shop.example.com/callback");
            client.scope(format!("openid offline_access {}", scopes.join(" ")))
        };
        let bench = Bench::on(issuer, store, |builder| {
            let builder = builder.factor(EmailCodes::new(letters.clone())).admin_api(api).client(client("console"));
            change(builder.events(move |event: &Event| heard.lock().unwrap().push(event.clone())))
        })
        .await;
        let office =
            Self { bench, letters, events, secret: TotpSecret::from_base32(SEED, TotpParameters::default()).unwrap() };
        office.user("u-1", "alice", &["admin"]).await;
        office.user("u-2", "bob", &[]).await;
        for user in ["u-1", "u-2"] {
            office.mfa().authenticators().import_totp(&user.into(), SEED).await.unwrap();
        }
        office.letters.0.lock().unwrap().clear();
        office
    }

    fn mfa(&self) -> &countersign::mfa::Mfa {
        self.bench.server.mfa().unwrap()
    }

    async fn user(&self, subject: &str, name: &str, groups: &[&str]) {
        let hasher = PasswordHasher::new(Arc::new(TokioPool::default())).cost(CHEAP).unwrap();
        let hash = hasher.hash(&format!("{name}-password").into()).await.unwrap();
        let account = Account::new(subject).username(name).email(format!("{name}@example.com"), true);
        let account = groups.iter().fold(account.password_hash(hash), |account, group| account.group(*group));
        self.bench.server.stored_accounts().unwrap().import([account], Existing::Replace).await.unwrap();
    }

    /// Signs in and says what the client is answered.
    async fn redirect(&self, browser: &mut Browser<'_>, name: &str, asked: &str) -> String {
        self.bench.clock.advance(Duration::from_secs(30)); // each code is used once
        let at = browser.authorize_as("console", asked).await;
        if !at.starts_with("/login/") {
            return at;
        }
        let mut step = browser.step(&at).await;
        loop {
            let answer = match step["step"].as_str().unwrap_or_else(|| panic!("{step}")) {
                "password" => json!({ "answer": "password", "login": name, "password": format!("{name}-password") }),
                "code" => json!({ "answer": "code", "code": self.bench.code(&self.secret) }),
                "consent" => json!({ "answer": "consent" }),
                "done" => return step["redirect_to"].as_str().unwrap().to_owned(),
                other => panic!("{other}: {step}"),
            };
            step = browser.answer(&at, &step, answer).await;
        }
    }

    async fn token(&self, name: &str, asked: &str) -> String {
        let mut browser = self.bench.browser();
        let redirect = self.redirect(&mut browser, name, asked).await;
        let (status, tokens) = browser.redeem_as("console", &code_of(&redirect)).await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    /// A token of alice's with every scope.
    async fn admin(&self) -> String {
        let scopes: Vec<_> = AdminApi::scope_tokens().collect();
        self.token("alice", &format!("scope={}", scopes.join("+"))).await
    }

    async fn call(&self, token: &str, method: Method, path: &str, sent: Value) -> Answer {
        self.call_with(&[("authorization", &format!("Bearer {token}"))], method, path, sent).await
    }

    async fn call_with(&self, headers: &[(&str, &str)], method: Method, path: &str, sent: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/admin/api/v2/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = if sent.is_null() { Bytes::new() } else { Bytes::from(sent.to_string()) };
        let request = request.header(header::CONTENT_TYPE, "application/json").body(sent).unwrap();
        Answer(self.bench.browser().send(request).await)
    }

    fn told(&self, name: &str) -> Vec<Event> {
        self.events.lock().unwrap().iter().filter(|event| event.name() == name).cloned().collect()
    }
}

#[derive(Debug)]
struct Answer(Response<Bytes>);

impl Answer {
    fn json(&self) -> Value {
        body(&self.0)
    }

    #[track_caller]
    fn ok(self) -> Value {
        assert!(self.0.status().is_success(), "{} {}", self.0.status(), self.json());
        assert_eq!(self.0.headers()[header::CACHE_CONTROL], "no-store");
        self.json()
    }

    /// An error in the documented form.
    #[track_caller]
    fn is(self, status: u16, code: &str) -> Self {
        let told = self.json();
        assert_eq!(
            (told["statusCode"].as_u64(), told["errorCode"].as_str()),
            (Some(status.into()), Some(code)),
            "{told}"
        );
        assert_eq!(self.0.status().as_u16(), status);
        assert!(told["message"].as_str().is_some_and(|text| !text.is_empty()) && told["error"].is_string());
        self
    }

    fn header(&self, name: &str) -> &str {
        self.0.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

#[tokio::test]
async fn rfc6750_3_1_a_call_needs_a_token_for_this_api_with_its_scope() {
    let office = Office::new().await;
    let none = office.call_with(&[], Method::GET, "guardian/factors", Value::Null).await.is(401, "invalid_token");
    assert_eq!(none.header("www-authenticate"), "Bearer");
    office.call("nonsense", Method::GET, "guardian/factors", Value::Null).await.is(401, "invalid_token");
    // A token for something else, by the same administrator, with a second factor.
    let other = office.token("alice", "scope=openid&acr_values=mfa").await;
    office.call(&other, Method::GET, "guardian/factors", Value::Null).await.is(401, "invalid_token");
    // One that may look and not change.
    let reader = office.token("alice", "scope=read:guardian_factors").await;
    office.call(&reader, Method::GET, "guardian/factors", Value::Null).await.ok();
    let refused = office.call(&reader, Method::PUT, "guardian/factors/email", json!({ "enabled": false })).await;
    let refused = refused.is(403, "insufficient_scope");
    assert!(refused.header("www-authenticate").contains("scope=\"update:guardian_factors\""));
    office.call(&reader, Method::GET, "guardian/policies", Value::Null).await.is(403, "insufficient_scope");
    office.call(&reader, Method::DELETE, "users/u-2/authenticators", Value::Null).await.is(403, "insufficient_scope");
    assert!(office.mfa().settings().read().await.unwrap().0.is_on("email"));
    assert!(!office.told("administration.refused").is_empty());
}

#[tokio::test]
async fn rfc6750_2_no_cookie_opens_the_api_and_no_other_origin_reads_it() {
    let office = Office::new().await;
    let mut browser = office.bench.browser();
    office.redirect(&mut browser, "alice", "scope=read:guardian_factors").await;
    assert!(browser.signed_in().await.is_some());
    let request = Request::get("/admin/api/v2/guardian/factors").header(header::ORIGIN, "https://evil.example");
    let answer = Answer(browser.send(request.body(Bytes::new()).unwrap()).await).is(401, "invalid_token");
    assert_eq!(answer.header("access-control-allow-origin"), "");
    // The query is no place for a token either.
    let token = office.admin().await;
    let path = format!("guardian/factors?access_token={token}");
    office.call_with(&[], Method::GET, &path, Value::Null).await.is(401, "invalid_token");
}

#[tokio::test]
async fn promise_13_scopes_of_administration_are_for_administrators_for_as_long_as_they_are() {
    let office = Office::new().await;
    let redirect = office.redirect(&mut office.bench.browser(), "bob", "scope=read:guardian_factors").await;
    assert!(redirect.contains("error=access_denied"), "{redirect}");
    let token = office.admin().await;
    office.call(&token, Method::GET, "guardian/factors", Value::Null).await.ok();
    office.user("u-1", "alice", &[]).await; // she leaves the group
    office.call(&token, Method::GET, "guardian/factors", Value::Null).await.is(403, "not_an_administrator");
}

#[tokio::test]
async fn rfc6749_4_4_a_client_by_itself_administers_nothing() {
    const SECRET: &str = "5f0c9a1e7d3b48a6b2c4d6e8f0a1b3c5";
    let office = Office::with(AdminApi::for_group("admin"), |builder| {
        let robot = Client::confidential("robot", SECRET).grant_types(["client_credentials"]);
        builder.client(robot.scope("orders:read read:guardian_factors"))
    })
    .await;
    let ask = async |more: &str| {
        let form = format!("grant_type=client_credentials&{more}");
        let basic = format!("Basic {}", STANDARD.encode(format!("robot:{SECRET}")));
        let request = Request::post("/oauth/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.header(header::AUTHORIZATION, basic);
        let answer = office.bench.browser().send(request.body(form.into()).unwrap()).await;
        body(&answer)
    };
    let refused = ask("scope=read:guardian_factors").await;
    assert_eq!(refused["error"], "invalid_scope", "{refused}");
    // With the audience and none of the scopes it has a token that opens nothing.
    let tokens = ask(&format!("resource={AUDIENCE}")).await;
    let token = tokens["access_token"].as_str().unwrap_or_else(|| panic!("{tokens}"));
    office.call(token, Method::GET, "guardian/factors", Value::Null).await.is(403, "user_required");
}

#[tokio::test]
async fn rfc9470_3_a_login_that_proved_too_little_or_too_long_ago_is_told_what_to_prove() {
    let fresh = Requirement::MFA.max_age(Duration::from_secs(300));
    let office = Office::with(AdminApi::for_group("admin").requires(fresh), |builder| builder).await;
    // For the audience, without a scope that would have asked for a factor.
    let weak = office.token("alice", &format!("scope=openid&resource={AUDIENCE}")).await;
    let refused = office.call(&weak, Method::GET, "guardian/factors", Value::Null).await;
    let refused = refused.is(401, "insufficient_user_authentication");
    let challenge = refused.header("www-authenticate").to_owned();
    assert!(challenge.starts_with("Bearer error=\"insufficient_user_authentication\""), "{challenge}");
    assert!(challenge.contains("multi-factor\"") && challenge.contains("max_age=\"300\""), "{challenge}");
    let token = office.admin().await;
    office.call(&token, Method::GET, "guardian/factors", Value::Null).await.ok();
    office.bench.clock.advance(Duration::from_secs(301));
    let refused = office.call(&token, Method::GET, "guardian/factors", Value::Null).await;
    refused.is(401, "insufficient_user_authentication");
}

#[tokio::test]
async fn promise_11_another_issuers_token_opens_nothing_here() {
    let store = MemoryStore::new();
    let api = || AdminApi::for_group("admin");
    let office = Office::on(ISSUER, store.clone(), api(), |builder| builder).await;
    let other = Office::on("https://other.example.com", store, api(), |builder| builder).await;
    let token = other.admin().await;
    other.call(&token, Method::GET, "guardian/factors", Value::Null).await.ok();
    office.call(&token, Method::GET, "guardian/factors", Value::Null).await.is(401, "invalid_token");
    // Nor is anything that is switched there switched here.
    other.call(&token, Method::PUT, "guardian/factors/email", json!({ "enabled": false })).await.ok();
    assert!(office.mfa().settings().read().await.unwrap().0.is_on("email"));
}

#[tokio::test]
async fn factors_and_policies_are_switched_and_what_is_needed_stays() {
    let office = Office::new().await;
    let token = office.admin().await;
    let call = async |method, path: &str, sent| office.call(&token, method, path, sent).await;
    let factors = call(Method::GET, "guardian/factors", Value::Null).await.ok();
    let named =
        |factors: &Value, name: &str| factors.as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
    assert_eq!(named(&factors, "otp").unwrap()["enabled"], true);
    assert_eq!(call(Method::PUT, "guardian/factors/email", json!({ "enabled": false })).await.ok()["enabled"], false);
    let factors = call(Method::GET, "guardian/factors", Value::Null).await.ok();
    assert_eq!(named(&factors, "email").unwrap()["enabled"], false);
    // The last one that the scopes of administration require, and alice's own.
    let refused = call(Method::PUT, "guardian/factors/otp", json!({ "enabled": false })).await;
    let refused = refused.is(409, "settings.out_of_reach").json();
    assert!(refused["message"].as_str().unwrap().starts_with("scope \""), "{refused}");
    call(Method::PUT, "guardian/factors/email", json!({ "enabled": true })).await.ok();
    let refused = call(Method::PUT, "guardian/factors/otp", json!({ "enabled": false })).await;
    refused.is(409, "settings.locks_operator_out");
    call(Method::PUT, "guardian/factors/duo", json!({ "enabled": true })).await.is(404, "inexistent_factor");
    for wrong in [json!({ "enabled": "yes" }), json!({ "enabled": true, "more": 1 }), json!([]), json!({})] {
        call(Method::PUT, "guardian/factors/email", wrong).await.is(400, "invalid_body");
    }
    assert_eq!(call(Method::GET, "guardian/policies", Value::Null).await.ok(), json!([]));
    let both = json!(["all-applications", "confidence-score"]);
    assert_eq!(call(Method::PUT, "guardian/policies", both.clone()).await.ok(), both);
    call(Method::PUT, "guardian/policies", json!(["sometimes"])).await.is(400, "invalid_body");
    assert_eq!(call(Method::PUT, "guardian/policies", json!([])).await.ok(), json!([]));
    let told = office.told("settings.changed");
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|event| event.operator() == Some("user u-1 by client console")));
    assert!(told[2].detail().unwrap().contains("all-applications"));
}

#[tokio::test]
async fn promise_8_what_the_code_asks_is_not_switched_off_over_http() {
    let always = Policy::always().first_enrolment(FirstEnrolment::ThisLogin);
    let office = Office::with(AdminApi::for_group("admin"), |builder| builder.policy(always)).await;
    let token = office.admin().await;
    let policies = office.call(&token, Method::GET, "guardian/policies", Value::Null).await.ok();
    assert_eq!(policies, json!(["all-applications"]));
    let refused = office.call(&token, Method::PUT, "guardian/policies", json!([])).await;
    refused.is(409, "settings.below_floor");
    let lower = json!({ "scopes": { "payments:write": "urn:example:silver" } });
    office.call(&token, Method::PATCH, "guardian/settings", lower).await.is(400, "invalid_body");
}

#[tokio::test]
async fn a_patch_of_the_settings_says_what_is_different_and_its_names_are_checked() {
    let office = Office::new().await;
    let token = office.admin().await;
    let patch = async |sent| office.call(&token, Method::PATCH, "guardian/settings", sent).await;
    let mfa = countersign::Acr::MFA.as_str();
    let settings = patch(json!({
        "factors": { "email": false }, "clients": { "shop": mfa }, "scopes": { "orders:read": mfa },
        "policies": ["confidence-score"],
    }));
    let settings = settings.await.ok();
    assert_eq!(settings["factors"], json!({ "email": false, "otp": true, "recovery-code": true }));
    assert_eq!((&settings["clients"]["shop"], &settings["policies"]), (&json!(mfa), &json!(["confidence-score"])));
    let settings = patch(json!({ "clients": { "shop": null } })).await.ok();
    assert_eq!((&settings["clients"], &settings["scopes"]["orders:read"]), (&json!({}), &json!(mfa)));
    for wrong in [
        json!({ "clients": { "nobody": mfa } }),
        json!({ "scopes": { "none": mfa } }),
        json!({ "scopes": { "orders:read": 3 } }),
        json!({ "factors": { "otp": 1 } }),
        json!({ "policy": [] }),
    ] {
        patch(wrong).await.is(400, "invalid_body");
    }
    // Who may only change policies does not switch factors so.
    let policies = office.token("alice", "scope=update:mfa_policies").await;
    let sent = json!({ "factors": { "email": true } });
    office.call(&policies, Method::PATCH, "guardian/settings", sent).await.is(403, "insufficient_scope");
    // A scope that is asked more for asks for it at the next login.
    let mut browser = office.bench.browser();
    let at = browser.authorize("scope=orders:read").await;
    let step = browser.password(&at, "bob").await;
    assert_eq!(step["step"], "code", "{step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9110_13_1_1_of_administrators_who_saw_the_same_one_is_told_that_another_was_first() {
    let office = Office::new().await;
    let token = office.admin().await;
    let bearer = format!("Bearer {token}");
    let read = office.call(&token, Method::GET, "guardian/settings", Value::Null).await;
    let seen = read.header("etag").to_owned();
    assert!(seen.starts_with('"') && seen.ends_with('"'), "{seen}");
    let headers = [("authorization", bearer.as_str()), ("if-match", seen.as_str())];
    let put = |policy: &'static str| office.call_with(&headers, Method::PUT, "guardian/policies", json!([policy]));
    let (all, risk) = ("all-applications", "confidence-score");
    let (one, two, three, four) = tokio::join!(put(all), put(risk), put(all), put(risk));
    let answers = [one, two, three, four];
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.0.status().is_success());
    assert_eq!(won.len(), 1);
    let now = won[0].header("etag").to_owned();
    assert_ne!(now, seen);
    for answer in lost {
        answer.is(412, "precondition_failed");
    }
    let headers = [("authorization", bearer.as_str()), ("if-match", now.as_str())];
    office.call_with(&headers, Method::PUT, "guardian/policies", json!([])).await.ok();
    let headers = [("authorization", bearer.as_str()), ("if-match", "W/yesterday")];
    let wrong = office.call_with(&headers, Method::PUT, "guardian/policies", json!([])).await;
    wrong.is(400, "invalid_if_match");
}

#[tokio::test]
async fn an_administrator_looks_after_a_users_factors_and_the_user_is_told() {
    let office = Office::new().await;
    let token = office.admin().await;
    let call = async |method, path: &str, sent| office.call(&token, method, path, sent).await;
    let list = call(Method::GET, "users/u-2/authentication-methods", Value::Null).await.ok();
    let id = list[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&list[0]["type"], &list[0]["confirmed"]), (&json!("totp"), &json!(true)));
    let at = format!("users/u-2/authentication-methods/{}", id.replace('|', "%7C"));
    let renamed = call(Method::PATCH, &at, json!({ "name": "blue phone" })).await.ok();
    assert_eq!(renamed["name"], "blue phone");
    call(Method::PATCH, &at, json!({ "name": "two\nlines" })).await.is(400, "invalid_body");
    assert_eq!(call(Method::GET, &at, Value::Null).await.ok()["name"], "blue phone");
    call(Method::GET, "users/u-7/authentication-methods", Value::Null).await.is(404, "inexistent_user");
    let gone = "users/u-2/authentication-methods/totp%7Cdev_1";
    call(Method::DELETE, gone, Value::Null).await.is(404, "inexistent_authentication_method");
    // Another's authenticator is none of this user's.
    let hers = call(Method::GET, "users/u-1/authentication-methods", Value::Null).await.ok();
    let foreign = format!("users/u-2/authentication-methods/{}", hers[0]["id"].as_str().unwrap().replace('|', "%7C"));
    call(Method::DELETE, &foreign, Value::Null).await.is(404, "inexistent_authentication_method");
    let mut bob = office.bench.browser();
    office.redirect(&mut bob, "bob", "scope=openid").await;
    assert!(bob.signed_in().await.is_some());
    call(Method::DELETE, &at, Value::Null).await.ok();
    assert!(bob.signed_in().await.is_none(), "what may rest on it has ended");
    assert_eq!(call(Method::GET, "users/u-2/authentication-methods", Value::Null).await.ok(), json!([]));
    let letters = office.letters.0.lock().unwrap().clone();
    assert!(letters.iter().any(|(to, subject)| to == "bob@example.com" && subject.contains("removed")), "{letters:?}");
    let told = office.told("user.administered");
    let last = told.last().unwrap();
    assert_eq!((last.method(), last.operator()), (Some("authenticator.remove"), Some("user u-1 by client console")));
    assert_eq!(last.subject().unwrap().as_str(), "u-2");
    assert!(last.detail().unwrap().contains(&id) && last.detail().unwrap().contains("\"after\":[]"));
    // Her own she does not take away here.
    for path in ["users/u-1/authenticators", "users/u-1/authentication-methods"] {
        call(Method::DELETE, path, Value::Null).await.is(409, "own_factors");
    }
}

#[tokio::test]
async fn promise_12_an_administrator_ends_what_a_user_has_and_wants_a_factor_of_him() {
    let office = Office::new().await;
    let token = office.admin().await;
    let call = async |method, path: &str, sent| office.call(&token, method, path, sent).await;
    let mut bob = office.bench.browser();
    office.redirect(&mut bob, "bob", "scope=openid").await;
    let sessions = call(Method::GET, "users/u-2/sessions", Value::Null).await.ok();
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1));
    call(Method::DELETE, "users/u-2/sessions", Value::Null).await.ok();
    assert!(bob.signed_in().await.is_none());
    office.redirect(&mut bob, "bob", "scope=openid").await;
    call(Method::POST, "users/u-2/revoke-access", Value::Null).await.ok();
    assert!(bob.signed_in().await.is_none());
    call(Method::POST, "users/u-2/multifactor/actions/invalidate-remember-browser", Value::Null).await.ok();
    call(Method::DELETE, "user-blocks/u-2", Value::Null).await.ok();
    // A user without a factor sets one up at the next login, and is signed out until then.
    call(Method::DELETE, "users/u-2/authenticators", Value::Null).await.ok();
    office.redirect(&mut bob, "bob", "scope=openid").await;
    assert!(bob.signed_in().await.is_some());
    call(Method::PATCH, "users/u-2/multifactor", json!({ "required": true })).await.ok();
    assert!(bob.signed_in().await.is_none());
    let at = bob.authorize("scope=openid").await;
    let step = bob.password(&at, "bob").await;
    assert_eq!(step["step"], "choose", "{step}");
    call(Method::PATCH, "users/u-2/multifactor", json!({ "required": false })).await.ok();
    office.redirect(&mut office.bench.browser(), "bob", "scope=openid").await;
    let did: Vec<_> = office.told("user.administered").iter().map(|event| event.method().unwrap().to_owned()).collect();
    let expected = [
        "sessions.end",
        "access.revoke",
        "browsers.forget",
        "unlock",
        "factors.reset",
        "factor.require",
        "factor.require",
    ];
    assert_eq!(did, expected);
    let letters = office.letters.0.lock().unwrap();
    assert!(
        letters.iter().filter(|(to, subject)| to == "bob@example.com" && subject.contains("signed out")).count() == 2
    );
    assert!(letters.iter().any(|(to, subject)| to == "bob@example.com" && subject.contains("second step")));
}

#[tokio::test]
async fn a_ticket_is_an_invitation_whose_code_stands_in_no_address() {
    let office = Office::new().await;
    let token = office.admin().await;
    let ask = json!({ "user_id": "u-2" });
    office.call(&token, Method::POST, "guardian/enrollments/ticket", ask.clone()).await.is(409, "invitations_not_used");
    let by_invitation = Policy::never().first_enrolment(FirstEnrolment::Invitation);
    let office = Office::with(AdminApi::for_group("admin"), |builder| builder.policy(by_invitation)).await;
    let token = office.admin().await;
    let call = async |sent| office.call(&token, Method::POST, "guardian/enrollments/ticket", sent).await;
    call(ask.clone()).await.is(409, "user_has_factor");
    office.call(&token, Method::DELETE, "users/u-2/authenticators", Value::Null).await.ok();
    let ticket = call(ask).await.ok();
    let code = ticket["ticket_id"].as_str().unwrap();
    assert_eq!(ticket["ticket_url"], "https://id.example.com/account");
    let mailed = call(json!({ "user_id": "u-2", "send_mail": true })).await.ok();
    assert!(mailed.get("ticket_id").is_none());
    call(json!({ "user_id": "u-2", "email": "eve@example.com" })).await.is(400, "invalid_body");
    call(json!({})).await.is(400, "invalid_body");
    assert!(!format!("{:?}", office.events.lock().unwrap()).contains(code));
}
