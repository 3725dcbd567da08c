//! A step-up over HTTP, from `/authorize` to the ID token (RFC 9470 §4, OpenID Connect Core §2, §3.1.2.1).

use std::time::Duration;

use countersign::otp::TotpSecret;
use countersign::{Acr, Clock};
use serde_json::{Value, json};

use crate::support::{Bench, Browser, claims, code_of};

/// How old the factors of a session are when the request comes, in seconds.
#[derive(Debug, Clone, Copy)]
struct Ages {
    password: u64,
    code: Option<u64>,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// `acr_values`.
    Wish,
    /// An essential `acr` (OpenID Connect Core §5.5.1.1).
    Essential,
}

impl Asked {
    fn parameter(self) -> String {
        let acr = Acr::MFA.as_str();
        match self {
            Self::Nothing => String::new(),
            Self::Wish => format!("&acr_values={acr}"),
            Self::Essential => {
                let claims = json!({"id_token": {"acr": {"essential": true, "value": acr}}}).to_string();
                format!("&claims={}", encoded(&claims))
            }
        }
    }
}

pub(crate) fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Answers what is asked up to the redirect, and says which steps those were.
pub(crate) async fn through(browser: &mut Browser<'_>, at: &str, secret: &TotpSecret) -> (Vec<String>, String) {
    let mut asked = Vec::new();
    if !at.starts_with("/login/") {
        return (asked, at.to_owned());
    }
    let mut step = browser.step(at).await;
    loop {
        let name = step["step"].as_str().unwrap_or_else(|| panic!("{step}")).to_owned();
        let answer = match name.as_str() {
            "password" => json!({"answer": "password", "login": "alice", "password": "alice-password"}),
            "code" => json!({"answer": "code", "code": browser.bench.code(secret)}),
            "consent" => json!({"answer": "consent"}),
            "done" => return (asked, step["redirect_to"].as_str().unwrap().to_owned()),
            other => panic!("{other}: {step}"),
        };
        if name == "password" && !asked.is_empty() {
            panic!("asked twice: {asked:?}");
        }
        if name != "consent" {
            asked.push(name);
        }
        step = browser.answer(at, &step, answer).await;
    }
}

/// A browser whose session is so old, by the ways that users take to it.
async fn session<'a>(bench: &'a Bench, ages: Ages, secret: &TotpSecret) -> Browser<'a> {
    let mut browser = bench.browser();
    let wait = |seconds| bench.clock.advance(Duration::from_secs(seconds));
    wait(60); // each code is used once
    let mfa = Asked::Essential.parameter();
    let open = async |browser: &mut Browser<'_>, more: &str, expected: &[&str]| {
        let at = browser.authorize(&format!("scope=openid{more}")).await;
        let (asked, _) = through(browser, &at, secret).await;
        assert_eq!(asked, expected, "{ages:?} {more}");
    };
    match ages {
        Ages { password, code: None } => {
            open(&mut browser, "", &["password"]).await;
            wait(password);
        }
        Ages { password, code: Some(code) } if code <= password => {
            open(&mut browser, "", &["password"]).await;
            wait(password - code);
            open(&mut browser, &mfa, &["code"]).await;
            wait(code);
        }
        // The password is the newer one: it was renewed while the code was young enough.
        Ages { password, code: Some(code) } => {
            open(&mut browser, "", &["password"]).await;
            wait(10);
            open(&mut browser, &mfa, &["code"]).await;
            wait(code - password);
            open(&mut browser, &format!("{mfa}&max_age={}", code - password + 5), &["password"]).await;
            wait(password);
        }
    }
    browser
}

/// Alice with an authenticator app.
pub(crate) async fn alice(bench: &Bench) -> TotpSecret {
    bench.user("u-1", "alice", "alice-password").await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=openid%20payments:write").await;
    let step = browser.password(&login, "alice").await;
    let (secret, step) = browser.enrol(&login, &step).await;
    browser.tokens(&login, &step).await;
    bench.clock.advance(Duration::from_secs(60));
    secret
}

#[tokio::test]
async fn rfc9470_4_over_http_each_cell_of_ages_and_classes_asks_only_for_what_is_missing() {
    let bench = Bench::new().await;
    let secret = alice(&bench).await;
    let pairs =
        [(10, None), (1_000, None), (100, Some(100)), (1_000, Some(100)), (100, Some(1_000)), (900, Some(1_000))];
    let mut cells = 0;
    for (password, code) in pairs {
        for limit in [None, Some("&max_age=300"), Some("&max_age=2000"), Some("&max_age=0"), Some("&prompt=login")] {
            for asked in [Asked::Nothing, Asked::Wish, Asked::Essential] {
                let ages = Ages { password, code };
                let mut browser = session(&bench, ages, &secret).await;
                bench.clock.advance(Duration::from_secs(60)); // each code is used once
                let (password, code) = (password + 60, code.map(|code| code + 60));
                let admits = |age: u64| match limit {
                    None => true,
                    Some("&max_age=300") => age <= 300,
                    Some("&max_age=2000") => age <= 2_000,
                    _ => false,
                };
                let young_code = code.is_some_and(admits);
                let aged = !admits(password) || code.is_some() && !young_code;
                let two = asked != Asked::Nothing || code.is_some() && aged || young_code;
                let mut expected = Vec::new();
                if !admits(password) {
                    expected.push("password");
                }
                if two && !young_code {
                    expected.push("code");
                }
                let cell = format!("{ages:?} {limit:?} {asked:?}");
                let query = format!("scope=openid{}{}", limit.unwrap_or_default(), asked.parameter());
                let at = browser.authorize(&query).await;
                let (steps, redirect) = through(&mut browser, &at, &secret).await;
                assert_eq!(steps, expected, "{cell}");
                let (status, tokens) = browser.redeem(&code_of(&redirect)).await;
                assert!(status.is_success(), "{cell}: {tokens}");
                let told = claims(&tokens["id_token"]);
                let class = if two { Acr::MFA } else { Acr::AAL1 };
                assert_eq!(told["acr"], class.as_str(), "{cell}: {told}");
                assert_eq!(told["amr"].as_array().unwrap().contains(&json!("mfa")), two, "{cell}: {told}");
                let password_age = if admits(password) { password } else { 0 };
                let code_age = if young_code { code.unwrap_or(0) } else { 0 };
                let oldest = if two { password_age.max(code_age) } else { password_age };
                let now = bench.clock.now().as_secs();
                assert_eq!(now - told["auth_time"].as_u64().unwrap(), oldest, "{cell}: {told}");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 6 * 5 * 3);
}

#[tokio::test]
async fn promise_11_the_name_of_whoever_is_signed_in_is_shown_in_that_browser_alone() {
    let bench = Bench::new().await;
    alice(&bench).await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=openid").await;
    assert_eq!(browser.password(&login, "alice").await["step"], "done");
    bench.clock.advance(Duration::from_secs(60));
    let at = browser.authorize("scope=openid&prompt=login").await;
    let step = browser.step(&at).await;
    assert_eq!((&step["step"], &step["login_hint"]), (&json!("password"), &json!("alice")), "{step}");
    // What the client says comes before.
    let hinted = browser.authorize("scope=openid&prompt=login&login_hint=bob").await;
    assert_eq!(browser.step(&hinted).await["login_hint"], "bob");
    // Another browser that has the link learns nothing.
    let mut stranger = bench.browser();
    stranger.authorize("scope=openid").await;
    let told = stranger.step(&at).await;
    assert!(!told.to_string().contains("alice") && told["step"].is_null(), "{told}");
    // Nor does the same browser once alice has signed out.
    let who = browser.signed_in().await.unwrap();
    bench.server.session_ended(who.session_id().unwrap().clone()).await.unwrap();
    let step = browser.step(&at).await;
    assert_eq!((&step["step"], &step["login_hint"]), (&json!("password"), &Value::Null), "{step}");
}

#[tokio::test]
async fn promise_11_who_signs_in_as_somebody_else_has_nothing_of_the_session_that_was_there() {
    let bench = Bench::new().await;
    let secret = alice(&bench).await;
    bench.user("u-2", "bob", "bob-password").await;
    let mut browser = session(&bench, Ages { password: 1_000, code: Some(100) }, &secret).await;
    let at = browser.authorize("scope=openid%20payments:write&max_age=300").await;
    let step = browser.step(&at).await;
    assert_eq!((&step["step"], &step["login_hint"]), (&json!("password"), &json!("alice")), "{step}");
    let bob = json!({"answer": "password", "login": "bob", "password": "bob-password"});
    let step = browser.answer(&at, &step, bob).await;
    assert_eq!((&step["step"], &step["account"]), (&json!("enrol"), &json!("bob")), "her code is not his: {step}");
}

#[tokio::test]
async fn promise_11_a_request_for_another_user_has_nothing_of_whoever_is_signed_in() {
    let bench = Bench::new().await;
    let secret = alice(&bench).await;
    bench.user("u-2", "bob", "bob-password").await;
    let mut other = bench.browser();
    let login = other.authorize("scope=openid").await;
    let step = other.password(&login, "bob").await;
    let hint = other.tokens(&login, &step).await["id_token"].as_str().unwrap().to_owned();
    let mut browser = session(&bench, Ages { password: 1_000, code: Some(100) }, &secret).await;
    let at = browser.authorize(&format!("scope=openid&max_age=300&id_token_hint={hint}")).await;
    let step = browser.step(&at).await;
    assert_eq!((&step["step"], &step["login_hint"]), (&json!("password"), &Value::Null), "{step}");
}
