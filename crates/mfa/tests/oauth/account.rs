//! `/account`: what users look after themselves (attacks M25 and M34, promises 8, 11 and 12).

use std::time::Duration;

use super::*;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn policy() -> Policy {
    Policy::never().first_enrolment(FirstEnrolment::ThisLogin).remember_device(Policy::REMEMBERED)
}

pub(crate) async fn bench() -> Bench {
    let mailbox = Mailbox::default();
    let bench =
        Bench::with(|mfa| mfa.policy(policy()).not_me_links(true).sender(Channel::Email, mailbox.clone())).await;
    Bench { mailbox, ..bench }
}

/// What was mailed since this was asked last.
pub(crate) fn mails(bench: &Bench) -> Vec<String> {
    bench.mailbox.0.lock().unwrap().drain(..).map(|(_, _, text)| text).collect()
}

/// A session by the password alone, and the code of a client.
async fn code_of<'a>(bench: &'a Bench, name: &str) -> (Browser<'a>, String) {
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let step = browser.password(&login, name).await;
    let back = browser.consent(&login, &step).await;
    let code = back.split_once("code=").unwrap().1.split('&').next().unwrap().to_owned();
    (browser, code)
}

/// What the token endpoint says.
async fn token(bench: &Bench, form: &str) -> Response<Bytes> {
    bench.browser().form("/oauth/token", &format!("client_id=shop&{form}")).await
}

fn of_code(code: &str) -> String {
    format!(
        "grant_type=authorization_code&code={code}&redirect_uri=https%3A%2F%2Fshop.example%2Fcb\
         &code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
}

fn of_refresh(tokens: &Value) -> String {
    format!("grant_type=refresh_token&refresh_token={}", tokens["refresh_token"].as_str().unwrap())
}

/// Signs in for an account's own pages, by the password and whatever else is asked.
pub(crate) async fn sign_in<'a>(bench: &'a Bench, name: &str) -> Browser<'a> {
    let mut browser = bench.browser();
    let login = location(&browser.get("/account/sign-in?to=factors").await);
    let step = browser.password(&login, name).await;
    assert_eq!((&step["step"], &step["redirect_to"]), (&json!("done"), &json!("/account/factors")), "{step}");
    browser
}

/// Alice, who has an authenticator app and signed in with it just now.
pub(crate) async fn alice(bench: &Bench) -> (Browser<'_>, TotpSecret) {
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders%20payments").await;
    let (secret, step) = browser.enrol(&login, "alice").await;
    browser.consent(&login, &step).await;
    bench.clock.advance(MINUTE);
    (browser, secret)
}

pub(crate) async fn room(browser: &mut Browser<'_>, path: &str) -> Value {
    let response = browser.get(path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}: {:?}", response.body());
    body(&response)
}

pub(crate) async fn change(browser: &mut Browser<'_>, path: &str, form: Value) -> Response<Bytes> {
    let csrf = room(browser, path).await["csrf"].clone();
    browser.try_answer(path, &csrf, form).await
}

/// Proves the app anew, as the account asks for it.
pub(crate) async fn prove(bench: &Bench, browser: &mut Browser<'_>, secret: &TotpSecret) {
    let login = location(&browser.get("/account/sign-in?to=factors&fresh=1").await);
    let mut step = browser.step(&login).await;
    if step["step"] == "password" {
        step = browser.password(&login, "alice").await;
    }
    assert_eq!(step["step"], "code", "{step}");
    let step = browser.answer(&login, &step, json!({"answer": "code", "code": bench.code(secret)})).await;
    assert_eq!(step["step"], "done", "{step}");
    bench.clock.advance(MINUTE);
}

#[tokio::test]
async fn promise_11_whoever_is_not_signed_in_is_led_to_the_login_and_back_to_a_room_of_ours() {
    let bench = bench().await;
    let mut nobody = bench.browser();
    let refused = nobody.get("/account/devices").await;
    assert_eq!((refused.status(), &body(&refused)["error"]), (StatusCode::UNAUTHORIZED, &json!("login_required")));
    nobody.json = false;
    assert_eq!(location(&nobody.get("/account/devices").await), "/account/sign-in?to=devices");
    nobody.json = true;
    for to in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "no-such-room"] {
        let login = location(&nobody.clone().get(&format!("/account/sign-in?to={to}")).await);
        assert!(login.starts_with("/account/sign-in/"), "{login}");
    }
    let login = location(&nobody.get("/account/sign-in?to=https%3A%2F%2Fevil.example").await);
    let step = nobody.password(&login, "alice").await;
    assert_eq!(step["redirect_to"], "/account");
    // A login is its own browser's.
    assert_eq!(bench.browser().get(&login).await.status(), StatusCode::BAD_REQUEST);
    let shown = room(&mut nobody, "/account").await;
    assert_eq!((&shown["account"], &shown["sessions"]), (&json!("alice"), &json!(1)));
}

#[tokio::test]
async fn m25_a_factor_is_changed_by_whoever_proved_one_just_now_and_by_nobody_else() {
    let bench = bench().await;
    let (mut browser, secret) = alice(&bench).await;
    let mut elsewhere = bench.browser();
    let login = elsewhere.authorize("scope=orders").await;
    let step = elsewhere.password(&login, "alice").await;
    elsewhere.consent(&login, &step).await;
    let id = room(&mut browser, "/account/factors").await["factors"][0]["id"].clone();
    let remove = json!({"action": "remove", "id": id});
    // The password alone, however fresh.
    let refused = change(&mut elsewhere, "/account/factors", remove.clone()).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(body(&refused)["error"], "insufficient_user_authentication");
    // The factor, but too long ago.
    bench.clock.advance(MINUTE * 10);
    for form in [remove.clone(), json!({"action": "rename", "id": id, "label": "Mine"})] {
        let refused = change(&mut browser, "/account/factors", form).await;
        assert_eq!(body(&refused)["error"], "insufficient_user_authentication");
    }
    let refused = change(&mut browser, "/account/recovery-codes", json!({"action": "renew"})).await;
    assert_eq!(body(&refused)["error"], "insufficient_user_authentication");
    // Proven anew, it goes; so does what rested on it, and whoever took it away goes on.
    prove(&bench, &mut browser, &secret).await;
    let named = change(&mut browser, "/account/factors", json!({"action": "rename", "id": id, "label": "Mine"})).await;
    assert_eq!((named.status(), &body(&named)["factors"][0]["label"]), (StatusCode::OK, &json!("Mine")));
    let gone = change(&mut browser, "/account/factors", remove.clone()).await;
    assert_eq!((gone.status(), &body(&gone)["factors"]), (StatusCode::OK, &json!([])));
    assert_eq!(room(&mut browser, "/account").await["sessions"], 1);
    assert_eq!(elsewhere.get("/account").await.status(), StatusCode::UNAUTHORIZED);
    let again = change(&mut browser, "/account/factors", remove).await;
    assert_eq!((again.status(), &body(&again)["error"]), (StatusCode::NOT_FOUND, &json!("gone")));
}

#[tokio::test]
async fn promise_11_a_form_is_its_own_sessions_and_pages() {
    let bench = bench().await;
    let (mut browser, _) = alice(&bench).await;
    let mut mallory = sign_in(&bench, "bob").await;
    let shown = room(&mut browser, "/account/factors").await;
    let form = json!({"action": "remove", "id": shown["factors"][0]["id"]});
    let theirs = room(&mut mallory, "/account/factors").await["csrf"].clone();
    for csrf in [json!(""), json!("AAAAAAAAAAAAAAAAAAAAAA"), theirs] {
        assert_eq!(browser.try_answer("/account/factors", &csrf, form.clone()).await.status(), StatusCode::FORBIDDEN);
    }
    let mut sent = form.clone();
    sent["csrf"] = shown["csrf"].clone();
    for origin in ["https://evil.example", "null"] {
        let request = Request::post("/account/factors")
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/json")
            .body(sent.to_string().into())
            .unwrap();
        assert_eq!(browser.send(request).await.status(), StatusCode::FORBIDDEN, "{origin}");
    }
    for bad in [
        json!({"action": "remove", "id": 7}),
        json!({"action": "remove", "x": "y"}),
        json!({"action": "x", "id": shown["factors"][0]["id"]}),
    ] {
        assert_eq!(browser.try_answer("/account/factors", &shown["csrf"], bad).await.status(), StatusCode::BAD_REQUEST);
    }
    // Another's ids are no ids.
    let gone = change(&mut mallory, "/account/factors", form).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    assert_eq!(room(&mut browser, "/account/factors").await["factors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn m30_new_recovery_codes_are_shown_once_and_void_the_old_ones() {
    let bench = bench().await;
    let (mut browser, _) = alice(&bench).await;
    let renewed = change(&mut browser, "/account/recovery-codes", json!({"action": "renew"})).await;
    assert_eq!(body(&renewed)["codes"].as_array().unwrap().len(), 10);
    let later = room(&mut browser, "/account/recovery-codes").await;
    assert_eq!((&later["codes"], &later["left"]), (&Value::Null, &json!(10)));
    // Who has no factor has nothing that they would stand in for.
    let mut bob = sign_in(&bench, "bob").await;
    assert_eq!(room(&mut bob, "/account/recovery-codes").await["may_renew"], false);
    let refused = change(&mut bob, "/account/recovery-codes", json!({"action": "renew"})).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn promise_12_sessions_devices_and_applications_are_ended_from_that_moment() {
    let bench = bench().await;
    let (mut browser, secret) = alice(&bench).await;
    // A second browser, which is remembered.
    let mut other = bench.browser();
    let login = other.authorize("scope=payments").await;
    let step = other.password(&login, "alice").await;
    let answer = json!({"answer": "code", "code": bench.code(&secret), "remember": true});
    let step = other.answer(&login, &step, answer).await;
    other.consent(&login, &step).await;
    let devices = room(&mut browser, "/account/devices").await["devices"].clone();
    assert_eq!((devices.as_array().unwrap().len(), &devices[0]["here"]), (1, &json!(false)));
    assert_eq!(room(&mut other, "/account/devices").await["devices"][0]["here"], true);
    let mut mallory = sign_in(&bench, "bob").await;
    let forget = json!({"action": "forget", "id": devices[0]["id"]});
    assert_eq!(change(&mut mallory, "/account/devices", forget.clone()).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(body(&change(&mut browser, "/account/devices", forget).await)["devices"], json!([]));
    // Sessions.
    let sessions = room(&mut browser, "/account/sessions").await["sessions"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    let there = sessions.as_array().unwrap().iter().find(|one| one["here"] == false).unwrap();
    let end = json!({"action": "end", "id": there["id"]});
    assert_eq!(change(&mut mallory, "/account/sessions", end.clone()).await.status(), StatusCode::NOT_FOUND);
    assert!(other.get("/account").await.status().is_success());
    assert_eq!(change(&mut browser, "/account/sessions", end).await.status(), StatusCode::OK);
    assert_eq!(other.get("/account").await.status(), StatusCode::UNAUTHORIZED);
    let third = sign_in(&bench, "bob").await;
    assert_eq!(
        change(&mut mallory, "/account/sessions", json!({"action": "end_others"})).await.status(),
        StatusCode::OK
    );
    assert_eq!(third.clone().get("/account").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/account").await.status(), StatusCode::OK, "alice's goes on");
    // Applications: consent was given, and is asked for anew.
    let applications = room(&mut browser, "/account/applications").await["applications"].clone();
    assert_eq!((&applications[0]["id"], &applications[0]["name"]), (&json!("shop"), &json!("Shop")));
    let disconnect = json!({"action": "disconnect", "id": "shop"});
    let nothing = change(&mut mallory, "/account/applications", disconnect.clone()).await;
    assert_eq!(nothing.status(), StatusCode::NOT_FOUND);
    let none = change(&mut browser, "/account/applications", disconnect).await;
    assert_eq!((none.status(), &body(&none)["applications"]), (StatusCode::OK, &json!([])));
    let login = browser.authorize("scope=orders").await;
    assert_eq!(browser.step(&login).await["step"], "consent");
}

#[tokio::test]
async fn m34_a_remembered_device_changes_no_factor() {
    let bench = bench().await;
    let (mut browser, secret) = alice(&bench).await;
    browser.cookies.retain(|name, _| name.contains("marks"));
    let login = browser.authorize("scope=payments").await;
    let step = browser.password(&login, "alice").await;
    let answer = json!({"answer": "code", "code": bench.code(&secret), "remember": true});
    let step = browser.answer(&login, &step, answer).await;
    browser.consent(&login, &step).await;
    bench.clock.advance(MINUTE);
    // A session that rests on the device: it may look, and is asked for the factor before it changes one.
    browser.cookies.retain(|name, _| name.contains("marks"));
    let login = browser.authorize("scope=payments").await;
    let step = browser.password(&login, "alice").await;
    browser.consent(&login, &step).await;
    let refused = change(&mut browser, "/account/recovery-codes", json!({"action": "renew"})).await;
    assert_eq!(body(&refused)["error"], "insufficient_user_authentication");
    prove(&bench, &mut browser, &secret).await;
    let renewed = change(&mut browser, "/account/recovery-codes", json!({"action": "renew"})).await;
    assert_eq!(renewed.status(), StatusCode::OK);
}

#[tokio::test]
async fn forms_of_the_account_work_without_script() {
    let bench = bench().await;
    let (mut browser, _) = alice(&bench).await;
    let shown = room(&mut browser, "/account/factors").await;
    let (csrf, id) = (shown["csrf"].as_str().unwrap(), shown["factors"][0]["id"].as_str().unwrap());
    browser.json = false;
    let form = format!("csrf={csrf}&id={}&label=My+phone&action=rename", id.replace('|', "%7C"));
    let done = location(&browser.form("/account/factors", &form).await);
    assert_eq!(done, "/account/factors?done=renamed");
    let page = body(&browser.get(&done).await);
    assert_eq!((&page["done"], &page["factors"][0]["label"]), (&json!("renamed"), &json!("My phone")));
    assert_eq!(body(&browser.get("/account/factors?done=%3Cscript%3E").await)["done"], Value::Null);
    bench.clock.advance(MINUTE * 11);
    let again = browser.form("/account/factors", &form).await;
    assert_eq!(location(&again), "/account/sign-in?to=factors&fresh=1");
}

#[tokio::test]
async fn rfc9700_4_14_a_refresh_token_that_was_used_twice_warns_its_user_and_asks_for_the_factor() {
    let bench = bench().await;
    let (mut browser, secret) = alice(&bench).await;
    let (mut other, code) = code_of(&bench, "alice").await;
    let (_, elsewhere) = code_of(&bench, "alice").await;
    let tokens = body(&token(&bench, &of_code(&code)).await);
    let goes_on = body(&token(&bench, &of_code(&elsewhere)).await);
    assert_eq!(token(&bench, &of_refresh(&tokens)).await.status(), StatusCode::OK);
    mails(&bench);
    // Within its grace it is a client that lost the answer.
    assert_eq!(token(&bench, &of_refresh(&tokens)).await.status(), StatusCode::OK);
    assert_eq!(bench.mfa.compromised(&"u-1".into()).await.unwrap(), None);
    bench.clock.advance(MINUTE * 10);
    assert_eq!(token(&bench, &of_refresh(&tokens)).await.status(), StatusCode::BAD_REQUEST);
    assert!(bench.mfa.compromised(&"u-1".into()).await.unwrap().is_some());
    assert_eq!(bench.mfa.compromised(&"u-2".into()).await.unwrap(), None, "nobody else's");
    let told = mails(&bench);
    assert!(told.len() == 1 && told[0].contains("access to your account \"alice\""), "{told:?}");
    // Nobody is signed out: a session that has proven the factor goes on, and so does another application.
    let shown = room(&mut browser, "/account").await;
    assert_eq!(shown["sessions"], 3);
    assert_eq!(token(&bench, &of_refresh(&goes_on)).await.status(), StatusCode::OK);
    // One that has not is asked for it, whatever it is for.
    assert_eq!(other.get("/account").await.status(), StatusCode::UNAUTHORIZED);
    let login = other.authorize("scope=orders").await;
    let step = other.step(&login).await;
    assert_eq!(step["step"], "code", "{step}");
    let step = other.answer(&login, &step, json!({"answer": "code", "code": bench.code(&secret)})).await;
    assert!(other.consent(&login, &step).await.contains("code="));
}

#[tokio::test]
async fn rfc6749_4_1_2_a_callback_page_that_is_loaded_again_ends_its_grant_and_accuses_nobody() {
    let bench = bench().await;
    let (mut browser, code) = code_of(&bench, "alice").await;
    let tokens = body(&token(&bench, &of_code(&code)).await);
    mails(&bench);
    assert_eq!(token(&bench, &of_code(&code)).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(token(&bench, &of_refresh(&tokens)).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(bench.mfa.compromised(&"u-1".into()).await.unwrap(), None);
    assert_eq!(mails(&bench), Vec::<String>::new());
    assert_eq!(room(&mut browser, "/account").await["sessions"], 1);
}

#[tokio::test]
async fn whoever_says_this_was_not_me_ends_everything_and_proves_a_factor_next() {
    let bench = bench().await;
    let (mut browser, _) = alice(&bench).await;
    let mut thief = bench.browser();
    let login = thief.authorize("scope=orders").await;
    let step = thief.password(&login, "alice").await;
    thief.consent(&login, &step).await;
    let said = change(&mut browser, "/account/sessions", json!({"action": "not_me"})).await;
    assert_eq!((said.status(), &body(&said)["error"]), (StatusCode::UNAUTHORIZED, &json!("login_required")));
    for browser in [&mut browser, &mut thief] {
        assert_eq!(browser.get("/account").await.status(), StatusCode::UNAUTHORIZED);
    }
    let login = thief.authorize("scope=orders").await;
    assert_eq!(thief.password(&login, "alice").await["step"], "code");
}
