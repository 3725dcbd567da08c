//! One more factor, set up at `/account` by whoever proved one just now (attack M25).

use countersign_mfa::{EmailCodes, Hotp, SmsCodes, VoiceCodes};
use countersign_mfa_otp::{Digits, HotpSecret, OtpAlgorithm};

use super::account::{MINUTE, alice, change, policy, prove, room, sign_in};
use super::sent_codes::Letters;
use super::*;

const TOO_OLD: &str = "insufficient_user_authentication";

async fn bench() -> (Bench, Letters) {
    let letters = Letters::default();
    let bench = Bench::with(|mfa| {
        mfa.policy(policy())
            .factor(Hotp::new("Example"))
            .factor(SmsCodes::new(letters.clone()))
            .factor(EmailCodes::new(letters.clone()))
            .factor(VoiceCodes::new(letters.clone()))
    });
    (bench.await, letters)
}

/// Begins to add one, as a front end does.
pub(super) async fn begin(browser: &mut Browser<'_>, method: &str) -> (String, Value) {
    let login = location(&change(browser, "/account/factors", json!({"action": "add"})).await);
    assert!(login.starts_with("/account/sign-in/"), "{login}");
    let mut step = browser.step(&login).await;
    if step["step"] == "choose" {
        let choice = json!({"answer": "choose", "id": format!("enrol|{method}")});
        step = browser.answer(&login, &step, choice).await;
    }
    (login, step)
}

async fn names(browser: &mut Browser<'_>) -> Vec<String> {
    let factors = room(browser, "/account/factors").await["factors"].clone();
    factors.as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap().to_owned()).collect()
}

fn app_of(step: &Value) -> TotpSecret {
    TotpSecret::from_base32(step["secret"].as_str().unwrap(), TotpParameters::default()).unwrap()
}

#[tokio::test]
async fn m25_every_method_is_added_beside_one_that_was_proven_and_its_owner_is_told_by_mail() {
    let (bench, letters) = bench().await;
    let (mut browser, _) = alice_by_app(&bench).await;
    for (method, to) in [
        ("totp", None),
        ("hotp", None),
        ("sms", Some("+49 151 123 456 23")),
        ("email", Some("alice@work.example")),
        ("voice", Some("+49 151 123 456 24")),
    ] {
        let (login, mut step) = begin(&mut browser, method).await;
        if let Some(to) = to {
            assert_eq!(step["step"], "contact", "{method}: {step}");
            step = browser.answer(&login, &step, json!({"answer": "contact", "to": to})).await;
        }
        assert_eq!((&step["step"], &step["type"]), (&json!("enrol"), &json!(method)), "{step}");
        let code = match method {
            "totp" => bench.code(&app_of(&step)),
            "hotp" => {
                let secret = step["secret"].as_str().unwrap();
                let secret = HotpSecret::from_base32(secret, OtpAlgorithm::Sha1, Digits::SIX).unwrap();
                secret.code(0).expose().to_owned()
            }
            _ => letters.last().0,
        };
        let wrong = json!({"answer": "enrol", "code": if code == "000000" { "111111" } else { "000000" }});
        let refused = browser.try_answer(&login, &step["csrf"], wrong).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{method}");
        assert!(!names(&mut browser).await[1..].contains(&method.to_owned()), "{method}");
        let step = browser.answer(&login, &step, json!({"answer": "enrol", "code": code})).await;
        let there = (&step["step"], &step["redirect_to"]);
        assert_eq!(there, (&json!("done"), &json!("/account/factors?done=added")), "{method}: {step}");
        let (code, told) = letters.last();
        assert!(code.is_empty() && told.contains("was added to your account"), "{method}: {told}");
        // A reload of the last page leads back, and adds nothing.
        assert_eq!(browser.step(&login).await["step"], "done");
    }
    assert_eq!(names(&mut browser).await, ["totp", "totp", "hotp", "sms", "email", "voice"]);
    assert_eq!(room(&mut browser, "/account/recovery-codes").await["left"], 10, "the codes are as they were");
    assert_eq!(room(&mut browser, "/account").await["sessions"], 1);
}

/// Alice with her app, where there are other methods too.
pub(super) async fn alice_by_app(bench: &Bench) -> (Browser<'_>, TotpSecret) {
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders%20payments").await;
    let step = browser.password(&login, "alice").await;
    let step = browser.answer(&login, &step, json!({"answer": "choose", "id": "enrol|totp"})).await;
    let (secret, step) = browser.prove_enrolment(&login, &step).await;
    browser.consent(&login, &step).await;
    bench.clock.advance(MINUTE);
    (browser, secret)
}

#[tokio::test]
async fn m25_without_a_fresh_factor_none_is_added_and_one_that_is_added_makes_no_session_younger() {
    let bench = account::bench().await;
    let (mut browser, secret) = alice(&bench).await;
    let add = json!({"action": "add"});
    let mut by_password = sign_in(&bench, "alice").await;
    let refused = change(&mut by_password, "/account/factors", add.clone()).await;
    assert_eq!((refused.status(), &body(&refused)["error"]), (StatusCode::FORBIDDEN, &json!(TOO_OLD)));
    bench.clock.advance(MINUTE * 10);
    let refused = change(&mut browser, "/account/factors", add).await;
    assert_eq!(body(&refused)["error"], TOO_OLD);
    prove(&bench, &mut browser, &secret).await;
    bench.clock.advance(MINUTE * 8);
    let (login, step) = begin(&mut browser, "totp").await;
    let code = bench.code(&app_of(&step));
    let step = browser.answer(&login, &step, json!({"answer": "enrol", "code": code})).await;
    assert_eq!(step["redirect_to"], "/account/factors?done=added");
    // The factor that was proven is ten minutes old now, whatever was set up since.
    bench.clock.advance(MINUTE * 2);
    let refused = change(&mut browser, "/account/recovery-codes", json!({"action": "renew"})).await;
    assert_eq!(body(&refused)["error"], TOO_OLD);
}

#[tokio::test]
async fn m25_of_two_that_are_added_at_once_both_count_and_what_is_removed_meanwhile_ends_what_rested_on_it() {
    let bench = account::bench().await;
    let (mut browser, secret) = alice(&bench).await;
    let first = room(&mut browser, "/account/factors").await["factors"][0]["id"].clone();
    let mut other = sign_in(&bench, "alice").await;
    bench.clock.advance(MINUTE);
    prove(&bench, &mut other, &secret).await;
    let (mine, mine_step) = begin(&mut browser, "totp").await;
    let (theirs, their_step) = begin(&mut other, "totp").await;
    let answer = |step: &Value| json!({"answer": "enrol", "code": bench.code(&app_of(step))});
    let (one, two) = tokio::join!(
        browser.answer(&mine, &mine_step, answer(&mine_step)),
        other.answer(&theirs, &their_step, answer(&their_step))
    );
    assert_eq!((&one["step"], &two["step"]), (&json!("done"), &json!("done")), "{one} {two}");
    assert_eq!(names(&mut browser).await, ["totp"; 3]);
    // One goes: the other session has ended, and with it what it had begun.
    let (theirs, step) = begin(&mut other, "totp").await;
    let gone = change(&mut browser, "/account/factors", json!({"action": "remove", "id": first})).await;
    assert_eq!(gone.status(), StatusCode::OK);
    let late = other.try_answer(&theirs, &step["csrf"], answer(&step)).await;
    assert_ne!(late.status(), StatusCode::OK, "{:?}", late.body());
    assert_eq!(names(&mut browser).await, ["totp"; 2]);
}

#[tokio::test]
async fn who_has_no_factor_sets_up_a_first_one_as_the_policy_lets_it() {
    let bench = account::bench().await;
    let mut browser = sign_in(&bench, "bob").await;
    assert_eq!(room(&mut browser, "/account/factors").await["may_add"], true);
    let (login, step) = begin(&mut browser, "totp").await;
    let (_, step) = browser.prove_enrolment(&login, &step).await;
    assert_eq!(step["redirect_to"], "/account/factors?done=added", "{step}");
    assert_eq!(names(&mut browser).await, ["totp"]);
    // Whoever finds a browser that was signed in long ago is asked for the password first.
    let mut found = sign_in(&bench, "alice").await;
    bench.clock.advance(MINUTE * 30);
    let refused = change(&mut found, "/account/factors", json!({"action": "add"})).await;
    assert_eq!(body(&refused)["error"], TOO_OLD);
    // Where nobody may set one up in a login, nobody does here.
    let closed = Bench::with(|mfa| mfa.policy(Policy::never().first_enrolment(FirstEnrolment::Closed))).await;
    let mut browser = sign_in(&closed, "bob").await;
    assert_eq!(room(&mut browser, "/account/factors").await["may_add"], false);
    let login = location(&change(&mut browser, "/account/factors", json!({"action": "add"})).await);
    assert_eq!(browser.step(&login).await["step"], "refused");
    assert_eq!(names(&mut browser).await, [""; 0]);
}

#[tokio::test]
async fn a_factor_is_added_without_script() {
    let bench = account::bench().await;
    let (mut browser, _) = alice(&bench).await;
    let csrf = room(&mut browser, "/account/factors").await["csrf"].as_str().unwrap().to_owned();
    browser.json = false;
    let login = location(&browser.form("/account/factors", &format!("csrf={csrf}&action=add")).await);
    let page = body(&browser.get(&login).await);
    assert_eq!(page["step"], "enrol", "{page}");
    let code = bench.code(&app_of(&page));
    let form = format!("answer=enrol&code={code}&csrf={}", page["csrf"].as_str().unwrap());
    assert_eq!(location(&browser.form(&login, &form).await), "/account/factors?done=added");
}
