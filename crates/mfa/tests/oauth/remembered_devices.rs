//! Remembered devices as clients and browsers meet them (attacks M34 and M35).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 appendix B
const MINUTE: Duration = Duration::from_secs(60);

async fn bench() -> Bench {
    let policy = Policy::never().first_enrolment(FirstEnrolment::ThisLogin).remember_device(Policy::REMEMBERED);
    Bench::with(|mfa| mfa.policy(policy)).await
}

/// Ends the browser's session; what it keeps for longer it keeps.
fn signed_out<'a>(browser: &Browser<'a>) -> Browser<'a> {
    let mut browser = browser.clone();
    browser.cookies.retain(|name, _| name.contains("marks"));
    browser
}

/// A browser that alice signs in with, has remembered, and is signed out of again.
async fn remembered(bench: &Bench) -> (Browser<'_>, TotpSecret) {
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments").await;
    let (secret, step) = browser.enrol(&login, "alice").await;
    browser.consent(&login, &step).await;
    bench.clock.advance(MINUTE);
    let mut browser = signed_out(&browser);
    let login = browser.authorize("scope=payments").await;
    let step = browser.password(&login, "alice").await;
    assert_eq!((&step["step"], &step["may_remember_device"]), (&json!("code"), &json!(true)), "{step}");
    let answer = json!({"answer": "code", "code": bench.code(&secret), "remember": true});
    let step = browser.answer(&login, &step, answer).await;
    browser.consent(&login, &step).await;
    bench.clock.advance(MINUTE);
    (signed_out(&browser), secret)
}

/// Signs in by the password alone, and hands out the code.
async fn code_by_password(browser: &mut Browser<'_>, query: &str) -> String {
    let login = browser.authorize(query).await;
    let step = browser.password(&login, "alice").await;
    let back = browser.consent(&login, &step).await;
    let (_, query) = back.split_once("code=").unwrap();
    query.split('&').next().unwrap().to_owned()
}

async fn token(bench: &Bench, form: &str) -> (StatusCode, Value) {
    let mut browser = bench.browser();
    let response = browser.form("/oauth/token", &format!("client_id=shop&{form}")).await;
    (response.status(), body(&response))
}

async fn redeem(bench: &Bench, code: &str) -> Value {
    let uri = "https%3A%2F%2Fshop.example%2Fcb";
    let form = format!("grant_type=authorization_code&code={code}&redirect_uri={uri}&code_verifier={VERIFIER}");
    let (status, tokens) = token(bench, &form).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    tokens
}

async fn refresh(bench: &Bench, tokens: &Value, more: &str) -> (StatusCode, Value) {
    let old = tokens["refresh_token"].as_str().unwrap();
    token(bench, &format!("grant_type=refresh_token&refresh_token={old}{more}")).await
}

fn claims(tokens: &Value) -> Value {
    let payload = tokens["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn m35_tokens_of_a_remembered_browser_say_what_was_proven_and_are_refreshed_while_it_is_remembered() {
    let bench = bench().await;
    let (mut browser, _) = remembered(&bench).await;
    let tokens = redeem(&bench, &code_by_password(&mut browser, "scope=orders%20payments").await).await;
    assert_eq!(tokens["scope"], "orders payments");
    let told = claims(&tokens);
    assert_eq!((&told["acr"], &told["amr"]), (&json!(Acr::AAL1.as_str()), &json!(["pwd"])), "{told}");
    let (status, tokens) = refresh(&bench, &tokens, "").await;
    assert_eq!((status, &tokens["scope"]), (StatusCode::OK, &json!("orders payments")), "{tokens}");
    // From the moment that the device is forgotten, no grant rests on it any more (promises 8 and 12).
    bench.mfa.remembered_devices().forget_all(&"u-1".into()).await.unwrap();
    let (status, refused) = refresh(&bench, &tokens, "&scope=payments").await;
    assert_eq!((status, &refused["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    let (status, less) = refresh(&bench, &tokens, "").await;
    assert_eq!((status, &less["scope"]), (StatusCode::OK, &json!("orders")), "{less}");
}

#[tokio::test]
async fn m34_a_code_that_rests_on_a_device_is_worth_nothing_once_that_is_forgotten() {
    let bench = bench().await;
    let (mut browser, _) = remembered(&bench).await;
    let code = code_by_password(&mut browser, "scope=payments").await;
    bench.mfa.remembered_devices().forget_all(&"u-1".into()).await.unwrap();
    let uri = "https%3A%2F%2Fshop.example%2Fcb";
    let form = format!("grant_type=authorization_code&code={code}&redirect_uri={uri}&code_verifier={VERIFIER}");
    let (status, refused) = token(&bench, &form).await;
    assert_eq!((status, &refused["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    // The session that it left behind asks for the code now.
    let login = browser.authorize("scope=payments").await;
    assert_eq!(browser.step(&login).await["step"], "code");
}

#[tokio::test]
async fn m34_what_a_request_asks_for_is_proven_in_a_remembered_browser_too() {
    let bench = bench().await;
    let (browser, secret) = remembered(&bench).await;
    let mfa = Acr::MFA.as_str().replace(':', "%3A").replace('/', "%2F");
    for query in
        ["prompt=login&scope=payments", "max_age=3600&scope=payments", &format!("acr_values={mfa}&scope=orders")]
    {
        let mut browser = signed_out(&browser);
        let login = browser.authorize(query).await;
        let step = browser.password(&login, "alice").await;
        assert_eq!(step["step"], "code", "{query}: {step}");
        // The answer leads back: what was asked for is proven, and not asked for again.
        let step = browser.answer(&login, &step, json!({"answer": "code", "code": bench.code(&secret)})).await;
        assert!(browser.consent(&login, &step).await.contains("code="), "{query}");
        bench.clock.advance(MINUTE);
    }
}

#[tokio::test]
async fn m34_a_stolen_cookie_is_worth_nothing_without_its_users_password() {
    let bench = bench().await;
    let (browser, _) = remembered(&bench).await;
    let mut thief = signed_out(&browser);
    let login = thief.authorize("scope=payments").await;
    let step = thief.step(&login).await;
    assert_eq!(step["step"], "password", "it says nothing of who it is");
    // Bob has no factor, and alice's device stands in for none of his.
    let step = thief.password(&login, "bob").await;
    assert_eq!(step["step"], "enrol", "{step}");
}

#[tokio::test]
async fn m34_the_box_of_the_page_without_script_remembers_the_browser() {
    let bench = bench().await;
    let (browser, secret) = remembered(&bench).await;
    bench.mfa.remembered_devices().forget_all(&"u-1".into()).await.unwrap();
    let mut browser = signed_out(&browser);
    let login = browser.authorize("scope=payments").await;
    let step = browser.password(&login, "alice").await;
    let csrf = step["csrf"].as_str().unwrap();
    let form = format!("answer=code&csrf={csrf}&code={}&remember_device=true", bench.code(&secret));
    let response = browser.form(&login, &form).await;
    let lines = response.headers().get_all(header::SET_COOKIE).iter();
    let marks = lines.map(|line| line.to_str().unwrap()).find(|line| line.contains("marks")).unwrap();
    assert!(marks.starts_with("__Host-countersign-marks") && marks.contains("; Secure"), "{marks}");
    let mut browser = signed_out(&browser);
    assert!(!code_by_password(&mut browser, "scope=payments").await.is_empty());
}
