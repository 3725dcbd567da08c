//! A login from `/authorize` to tokens, and what ends it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde_json::json;

use crate::support::{Bench, body};

#[tokio::test]
async fn a_front_end_of_the_hosts_own_signs_in_by_json_steps() {
    let bench = Bench::with(|builder| builder.login_page("/app/login")).await;
    bench.user("u-1", "alice", "alice-password").await;
    let mut browser = bench.browser();
    let page = browser.authorize("scope=openid%20email%20payments:write").await;
    let login = format!("/login/{}", page.strip_prefix("/app/login?login=").unwrap());
    let step = browser.step(&login).await;
    assert_eq!((&step["step"], &step["client"]["name"]), (&json!("password"), &json!("shop")));
    let wrong = json!({"answer": "password", "login": "alice", "password": "wrong"});
    let (status, step) = browser.post(&login, &step, wrong).await;
    assert_eq!((status, &step["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("wrong_password")));
    let step = browser.password(&login, "alice").await;
    let (_, step) = browser.enrol(&login, &step).await;
    let scopes: Vec<_> = step["scopes"].as_array().unwrap().iter().map(|scope| &scope["scope"]).collect();
    assert!(scopes.contains(&&json!("payments:write")), "{step}");
    let tokens = browser.tokens(&login, &step).await;
    assert!(tokens["id_token"].is_string() && tokens["scope"].as_str().unwrap().contains("payments:write"), "{tokens}");
    let request = Request::get("/userinfo")
        .header(header::AUTHORIZATION, format!("Bearer {}", tokens["access_token"].as_str().unwrap()))
        .body(Bytes::new())
        .unwrap();
    assert_eq!(body(&browser.send(request).await)["email"], "alice@example.com");
}

#[tokio::test]
async fn promise_6_a_throttled_answer_is_429_with_the_step() {
    let bench = Bench::new().await;
    bench.user("u-1", "alice", "alice-password").await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.step(&login).await;
    let wrong = json!({"answer": "password", "login": "alice", "password": "wrong"});
    for _ in 0..10 {
        assert_eq!(browser.post(&login, &step, wrong.clone()).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let (status, step) = browser.post(&login, &step, wrong).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((&step["step"], &step["error"]), (&json!("password"), &json!("throttled")), "{step}");
}

#[tokio::test]
async fn promise_12_a_revocation_ends_logins_that_are_under_way() {
    let bench = Bench::new().await;
    bench.user("u-1", "alice", "alice-password").await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments:write").await;
    let step = browser.password(&login, "alice").await;
    let (secret, step) = browser.enrol(&login, &step).await;
    browser.tokens(&login, &step).await;
    // In a browser that was never here, and in one that is signed in.
    let mut elsewhere = bench.browser();
    for browser in [&mut elsewhere, &mut browser] {
        bench.clock.advance(Duration::from_secs(60));
        let login = browser.authorize("scope=payments:write&prompt=login").await;
        let asked = browser.password(&login, "alice").await;
        assert_eq!(asked["step"], "code", "{asked}");
        bench.server.revoke_subject("u-1").await.unwrap();
        let step = browser.answer(&login, &asked, json!({"answer": "code", "code": bench.code(&secret)})).await;
        assert_eq!(step["step"], "password", "the password is from before: {step}");
    }
}

#[tokio::test]
async fn promise_12_a_login_that_was_done_before_a_revocation_begins_no_session_after_it() {
    let bench = Bench::new().await;
    bench.user("u-1", "alice", "alice-password").await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.password(&login, "alice").await;
    browser.tokens(&login, &step).await;
    let login = browser.authorize("scope=payments:write").await;
    let step = browser.step(&login).await;
    let (_, step) = browser.enrol(&login, &step).await;
    assert_eq!(step["step"], "consent", "{step}");
    bench.server.revoke_subject("u-1").await.unwrap();
    assert_eq!(browser.step(&login).await["step"], "password", "a reload proves nothing");
}

#[tokio::test]
async fn promise_8_who_has_a_factor_sets_up_no_other_with_the_password_alone() {
    let bench = Bench::new().await;
    bench.user("u-1", "alice", "alice-password").await;
    let (mut owner, mut thief) = (bench.browser(), bench.browser());
    let (owners, thiefs) =
        (owner.authorize("scope=payments:write").await, thief.authorize("scope=payments:write").await);
    // Both hold the password, and both are led to set up a first factor; one is first.
    let step = owner.password(&owners, "alice").await;
    let stolen = thief.password(&thiefs, "alice").await;
    assert_eq!(stolen["step"], "enrol");
    owner.enrol(&owners, &step).await;
    let secret = stolen["secret"].as_str().unwrap();
    let secret = countersign::otp::TotpSecret::from_base32(secret, Default::default()).unwrap();
    let step = thief.answer(&thiefs, &stolen, json!({"answer": "enrol", "code": bench.code(&secret)})).await;
    assert_eq!(step["step"], "code", "the owner's factor is asked: {step}");
    assert!(step.get("secret").is_none() && !step["or"].to_string().contains("enrol"), "{step}");
    let (status, step) = thief.post(&thiefs, &step, json!({"answer": "choose", "id": "enrol|totp"})).await;
    assert_eq!((status, &step["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("no_such_choice")), "{step}");
}

#[tokio::test]
async fn promise_6_a_help_desk_unlocks_an_account_and_resets_its_factors() {
    let bench = Bench::new().await;
    bench.user("u-1", "alice", "alice-password").await;
    let mut owner = bench.browser();
    let login = owner.authorize("scope=payments:write").await;
    let step = owner.password(&login, "alice").await;
    let (_, step) = owner.enrol(&login, &step).await;
    let tokens = owner.tokens(&login, &step).await;
    assert!(tokens["access_token"].is_string(), "{tokens}");
    let mut thief = bench.browser();
    let login = thief.authorize("scope=orders:read").await;
    let guess = json!({"answer": "password", "login": "alice", "password": "guess"});
    let mut status = StatusCode::OK;
    while status != StatusCode::TOO_MANY_REQUESTS {
        let step = thief.step(&login).await;
        status = thief.post(&login, &step, guess.clone()).await.0;
    }
    bench.server.unlock_subject("u-1").await.unwrap();
    bench.server.reset_factors("u-1").await.unwrap();
    let mut elsewhere = bench.browser();
    let login = elsewhere.authorize("scope=payments:write").await;
    let step = elsewhere.password(&login, "alice").await;
    assert_eq!(step["step"], "enrol", "the factors are gone: {step}");
    let login = owner.authorize("scope=payments:write").await;
    assert_eq!(owner.step(&login).await["step"], "password", "a session that rests on a factor that is gone has ended");
}

#[tokio::test]
async fn promise_7_an_address_that_begins_too_many_requests_is_told_when_to_come_back() {
    let bench = Bench::with(|builder| builder.requests_per_address(2)).await;
    bench.user("u-1", "alice", "alice-password").await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read").await;
    bench.browser().authorize("scope=orders:read").await;
    let target = format!(
        "/authorize?response_type=code&client_id=shop&code_challenge={}&code_challenge_method=S256",
        crate::support::CHALLENGE
    );
    let request = Request::get(&target).body(Bytes::new()).unwrap();
    let answer = bench.browser().send(request).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "900");
    assert_eq!(
        answer.headers()[header::CONTENT_TYPE],
        "text/html; charset=utf-8",
        "a page, since nobody is redirected"
    );
    // A login that was begun goes on.
    let step = browser.password(&login, "alice").await;
    assert!(browser.tokens(&login, &step).await["access_token"].is_string());
}

#[tokio::test]
async fn promise_7_hostile_input_is_answered_without_a_server_error() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read").await;
    let long = "a".repeat(60_000);
    let paths = ["/login/x", "/login/%00", "/login/..%2f", "/authorize?interaction=x", "/authorize?client_id=%ff"];
    for path in paths {
        let answer = browser.get(path).await;
        assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        assert!(!String::from_utf8_lossy(answer.body()).contains('\u{0}'), "{path}");
    }
    let csrf = browser.step(&login).await["csrf"].clone();
    for sent in [
        json!({"answer": "password", "login": long, "password": "x", "csrf": csrf}).to_string(),
        json!({"answer": "password", "login": "alice", "password": long, "csrf": csrf}).to_string(),
        json!({"answer": "password", "login": "a\u{0}\u{202e}", "password": "\u{0}", "csrf": csrf}).to_string(),
        json!({"answer": "choose", "id": long, "csrf": csrf}).to_string(),
        json!({"answer": "consent", "allow": vec!["x"; 5_000], "csrf": csrf}).to_string(),
        "[".repeat(60_000),
    ] {
        let request = Request::post(&login)
            .header(header::ORIGIN, crate::support::ISSUER)
            .header(header::CONTENT_TYPE, "application/json")
            .body(sent.into())
            .unwrap();
        let answer = browser.send(request).await;
        assert!(answer.status().is_client_error(), "{}: {:?}", answer.status(), answer.body());
    }
    assert_eq!(browser.step(&login).await["step"], "password");
}

/// A front end of the host's own asks whether to sign out; and HEAD, which only asks what an answer would say, ends nothing.
#[tokio::test]
async fn rfc9110_9_2_1_head_signs_nobody_out_and_a_page_of_the_hosts_own_asks() {
    let bench = Bench::with(|builder| builder.logout_page("/app/sign-out?from=id")).await;
    bench.user("u-1", "alice", "alice-password").await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=openid").await;
    let step = browser.password(&login, "alice").await;
    let tokens = browser.tokens(&login, &step).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let load = |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).header(header::ACCEPT, "text/html");
        request.body(Bytes::new()).unwrap()
    };
    for path in ["/logout".to_owned(), format!("/logout?id_token_hint={hint}")] {
        let head = browser.send(load("HEAD", &path)).await;
        assert_eq!(head.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(browser.authorize("scope=openid&prompt=none").await.contains("code="), "still signed in");
    }
    let asked = browser.send(load("GET", "/logout")).await;
    assert_eq!(asked.status(), StatusCode::SEE_OTHER);
    let place = asked.headers()[header::LOCATION].to_str().unwrap();
    let request = place.strip_prefix("/app/sign-out?from=id&logout=").unwrap_or_else(|| panic!("{place}")).to_owned();
    let question = body(&browser.get(&format!("/logout?request={request}")).await);
    assert_eq!((&question["step"], &question["account"]), (&json!("logout"), &json!("alice")));
    let said = json!({"answer": "logout", "request": request, "decision": "sign_out"});
    let done = browser.answer("/logout", &question, said).await;
    assert_eq!(done["step"], "signed_out");
    assert!(browser.authorize("scope=openid&prompt=none").await.contains("error=login_required"));
}
