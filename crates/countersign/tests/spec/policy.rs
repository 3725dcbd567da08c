//! Policies and hooks from `/authorize` to tokens (promise 8).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::mfa::{FirstEnrolment, FirstFactor, LoginHook, LoginOrder, Policy, PolicyInput};
use countersign::{BoxError, ConfigError, Requirement, Resource};
use countersign_storage_memory::MemoryStore;
use http::{Request, StatusCode, header};
use serde_json::json;

use crate::policy_table::SecurityKey;
use crate::support::{Bench, ISSUER, body, claims, code_of, greenfield, key};

const DAY: Duration = Duration::from_secs(86_400);

async fn under(policy: Policy) -> Bench {
    let policy = policy.first_enrolment(FirstEnrolment::ThisLogin);
    let bench = Bench::with(|builder| builder.policy(policy)).await;
    bench.user("u-1", "alice", "alice-password").await;
    bench
}

/// Denies user u-2 and tells everybody's department; fails while it is told to.
struct Directory(Arc<AtomicBool>);

#[async_trait::async_trait]
impl LoginHook for Directory {
    async fn after_first_factor(&self, login: &FirstFactor<'_>) -> Result<LoginOrder, BoxError> {
        if self.0.load(Ordering::SeqCst) {
            return Err("the directory is down".into());
        }
        assert_eq!(login.client_id(), Some("shop"));
        match login.subject().as_str() {
            "u-2" => Ok(LoginOrder::deny()),
            _ => Ok(LoginOrder::proceed().claim("department", "Sales")?),
        }
    }
}

async fn with_directory() -> (Bench, Arc<AtomicBool>) {
    let down = Arc::new(AtomicBool::new(false));
    let bench = Bench::with(|builder| builder.login_hook(Directory(down.clone()))).await;
    bench.user("u-1", "alice", "alice-password").await;
    bench.user("u-2", "bob", "bob-password").await;
    (bench, down)
}

#[tokio::test]
async fn oidc_core_5_1_2_what_a_hook_adds_reaches_id_token_and_userinfo() {
    let (bench, _) = with_directory().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=openid%20orders:read").await;
    let step = browser.password(&login, "alice").await;
    let tokens = browser.tokens(&login, &step).await;
    assert_eq!(claims(&tokens["id_token"])["department"], "Sales");
    let request = Request::get("/userinfo")
        .header(header::AUTHORIZATION, format!("Bearer {}", tokens["access_token"].as_str().unwrap()))
        .body(bytes::Bytes::new())
        .unwrap();
    assert_eq!(body(&browser.send(request).await)["department"], "Sales");
    // It stays with the session, through a step-up too.
    let login = browser.authorize("scope=openid%20payments:write").await;
    let step = browser.step(&login).await;
    let (_, step) = browser.enrol(&login, &step).await;
    let tokens = browser.tokens(&login, &step).await;
    assert_eq!(claims(&tokens["id_token"])["department"], "Sales");
}

#[tokio::test]
async fn promise_8_whom_a_hook_denies_gets_nothing_and_the_client_is_told() {
    let (bench, _) = with_directory().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.password(&login, "bob").await;
    let back = step["redirect_to"].as_str().unwrap();
    assert!(back.starts_with("https://shop.example.com/callback?error=access_denied"), "{step}");
    // No session began.
    let again = browser.authorize("scope=orders:read&prompt=none").await;
    assert!(again.contains("error=login_required"), "{again}");
}

#[tokio::test]
async fn promise_14_a_hook_that_is_down_is_503_and_the_login_goes_on_later() {
    let (bench, down) = with_directory().await;
    down.store(true, Ordering::SeqCst);
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.step(&login).await;
    let password = json!({"answer": "password", "login": "alice", "password": "alice-password"});
    let (status, refused) = browser.post(&login, &step, password).await;
    assert_eq!((status, &refused["error"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("temporarily_unavailable")));
    down.store(false, Ordering::SeqCst);
    let step = browser.password(&login, "alice").await;
    browser.tokens(&login, &step).await;
}

#[tokio::test]
async fn promise_8_what_was_put_off_is_asked_at_every_grant_when_the_time_is_over() {
    let bench = under(Policy::always().grace(DAY)).await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.password(&login, "alice").await;
    assert_eq!((&step["step"], step["skip_until"].is_u64()), (&json!("enrol"), true), "{step}");
    let step = browser.answer(&login, &step, json!({"answer": "skip"})).await;
    let tokens = browser.tokens(&login, &step).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let (status, tokens) = browser.refresh(refresh_token).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    bench.clock.advance(DAY);
    let (status, refused) = browser.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!((status, &refused["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    // The session is worth no more than the password, and the factor is a must now.
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.password(&login, "alice").await;
    assert_eq!((&step["step"], step.get("skip_until")), (&json!("enrol"), None), "{step}");
    let stays = browser.answer(&login, &step, json!({"answer": "skip"})).await;
    assert_eq!(stays["step"], "enrol", "{stays}");
    let (_, step) = browser.enrol(&login, &step).await;
    assert_eq!(step["step"], "done", "{step}");
}

#[tokio::test]
async fn promise_8_a_scope_cannot_be_reached_by_a_skip() {
    let bench = under(Policy::never().grace(DAY)).await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read%20payments:write").await;
    let step = browser.password(&login, "alice").await;
    assert_eq!((&step["step"], step.get("skip_until")), (&json!("enrol"), None), "{step}");
    let stays = browser.answer(&login, &step, json!({"answer": "skip"})).await;
    assert_eq!(stays["step"], "enrol", "{stays}");
    // What another request put off is put off for that request alone.
    let other = browser.authorize("scope=orders:read").await;
    let step = browser.password(&other, "alice").await;
    let step = browser.answer(&other, &step, json!({"answer": "skip"})).await;
    browser.tokens(&other, &step).await;
    let step = browser.step(&login).await;
    assert_ne!(step["step"], "consent", "{step}");
    assert_ne!(step["step"], "done", "{step}");
}

#[tokio::test]
async fn a_page_puts_off_by_a_button_whose_form_is_sent_along() {
    let bench = under(Policy::never().grace(DAY)).await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.password(&login, "alice").await;
    let csrf = step["csrf"].as_str().unwrap();
    let form = format!("csrf={csrf}&answer=enrol&code=&skip=yes");
    let request = Request::post(&login)
        .header(header::ORIGIN, ISSUER)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .body(form.into())
        .unwrap();
    let step = body(&browser.send(request).await);
    assert_eq!(step["step"], "consent", "{step}");
}

#[tokio::test]
async fn promise_8_a_rule_of_the_hosts_own_is_asked_at_login_and_at_every_grant() {
    let strict = Arc::new(AtomicBool::new(false));
    let heard = strict.clone();
    let rule = move |input: &PolicyInput<'_>| -> Result<Requirement, BoxError> {
        let strict = heard.load(Ordering::SeqCst) && input.client_id() == Some("shop");
        Ok(if strict { Requirement::MFA } else { Requirement::NONE })
    };
    let bench = under(Policy::never().rule(rule)).await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.password(&login, "alice").await;
    let done = browser.answer(&login, &step, json!({"answer": "consent"})).await;
    let code = code_of(done["redirect_to"].as_str().unwrap());
    strict.store(true, Ordering::SeqCst);
    let (status, refused) = browser.redeem(&code).await;
    assert_eq!((status, &refused["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    let login = browser.authorize("scope=orders:read").await;
    assert_eq!(browser.step(&login).await["step"], "enrol");
}

#[tokio::test]
async fn what_a_resource_requires_must_be_within_reach_of_some_factor() {
    let vault = Resource::new("https://vault.example.com/").requires(Requirement::PHISHING_RESISTANT);
    let built = greenfield(ISSUER, MemoryStore::new(), key()).resource(vault).build().await;
    let Err(ConfigError::Unreachable { what, .. }) = built else { panic!("{built:?}") };
    assert_eq!(what, "resource \"https://vault.example.com/\" requires phr");
}

#[tokio::test]
async fn a_method_that_the_policy_suggests_is_led_to_and_one_that_is_not_there_is_an_error_at_start() {
    let opened = async |policy: Policy| {
        let policy = policy.first_enrolment(FirstEnrolment::ThisLogin);
        let bench = Bench::with(|builder| builder.factor(SecurityKey).policy(policy)).await;
        bench.user("u-1", "alice", "alice-password").await;
        let mut browser = bench.browser();
        let login = browser.authorize("scope=payments:write").await;
        browser.password(&login, "alice").await
    };
    let led = opened(Policy::never().suggest("key")).await;
    assert_eq!(
        (&led["step"], &led["type"], &led["or"][0]["id"]),
        (&json!("enrol"), &json!("key"), &json!("enrol|totp"))
    );
    let free = opened(Policy::never()).await;
    assert_eq!((&free["step"], free["authenticators"].as_array().map(Vec::len)), (&json!("choose"), Some(2)), "{free}");
    let built = greenfield(ISSUER, MemoryStore::new(), key()).policy(Policy::never().suggest("sms")).build().await;
    let error = built.unwrap_err();
    let mut causes = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    assert!(causes.iter().any(|cause| cause.contains("\"sms\"")), "the method is named: {causes:?}");
}
