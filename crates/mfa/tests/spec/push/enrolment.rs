//! Setting a device up: a handle that serves once, a key that proves itself, digits that show whose device it is.

use std::time::Duration;

use countersign_mfa::{Answer, PushError, Step, StepError};
use countersign_tokens::{Header, Signer, SigningAlgorithm, sign_compact};
use futures_util::future::join_all;
use serde_json::json;

use super::phone::{ENROL, Phone, devices, handle_of, signer};
use super::{bench, unlimited};
use crate::support::{Bench, Login, REALM};

async fn enrolling(bench: &Bench) -> Login<'_> {
    let mut login = bench.second("alice").await;
    login.choose("push").await;
    login
}

#[tokio::test]
async fn a_link_registers_one_device_and_the_same_one_is_answered_alike() {
    let (bench, _) = bench().await;
    let login = enrolling(&bench).await;
    let handle = handle_of(&login.step);
    let (phone, other) = (Phone::new("a"), Phone::new("b"));
    let first = devices(&bench.mfa).enrol(&phone.registration(&handle).await).await.unwrap();
    let again = devices(&bench.mfa).enrol(&phone.registration(&handle).await).await.unwrap();
    assert_eq!(first.confirmation.expose(), again.confirmation.expose(), "a lost answer is repeated");
    let second = devices(&bench.mfa).enrol(&other.registration(&handle).await).await;
    assert!(matches!(second, Err(PushError::Handle)), "{second:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_of_64_devices_over_two_engines_with_one_link_one_registers() {
    let (bench, carrier) = bench().await;
    let other = bench.engine_with(|builder| builder.push(countersign_mfa::Push::new(carrier.clone()))).await;
    let login = enrolling(&bench).await;
    let handle = handle_of(&login.step);
    let proofs = join_all((0..64).map(|number| {
        let handle = handle.clone();
        async move { Phone::new(&format!("phone-{number}")).registration(&handle).await }
    }))
    .await;
    let racing = proofs.iter().enumerate().map(|(number, proof)| {
        let devices = devices(if number % 2 == 0 { &bench.mfa } else { &other });
        async move { devices.enrol(proof).await.is_ok() }
    });
    assert_eq!(join_all(racing).await.into_iter().filter(|registered| *registered).count(), 1);
}

#[tokio::test]
async fn a_link_lives_for_five_minutes_and_another_can_be_asked_for() {
    let (bench, _) = unlimited().await;
    let mut login = enrolling(&bench).await;
    let old = handle_of(&login.step);
    bench.clock.advance(Duration::from_secs(5 * 60));
    let late = devices(&bench.mfa).enrol(&Phone::new("a").registration(&old).await).await;
    assert!(matches!(late, Err(PushError::Handle)), "{late:?}");
    assert!(matches!(&login.step, Step::Enrol(step) if step.may_resend));
    login.answer(&Answer::Resend).await;
    let new = handle_of(&login.step);
    assert_ne!(old, new);
    let phone = Phone::new("a");
    let registered = devices(&bench.mfa).enrol(&phone.registration(&new).await).await.unwrap();
    login.answer(&Answer::enrol(registered.confirmation.expose())).await;
    assert!(matches!(login.step, Step::RecoveryCodes(_)), "{:?}", login.step);
}

/// Somebody photographs the QR code over the user's shoulder, and is first: the user's device shows no digits, and the thief's
/// are not the user's to type.
#[tokio::test]
async fn m25_a_device_counts_only_once_its_digits_are_typed() {
    let (bench, _) = bench().await;
    let mut login = enrolling(&bench).await;
    assert_eq!(login.answer(&Answer::enrol("123456")).await.error(), Some(StepError::WrongCode), "before any device");
    let thief = Phone::new("thief");
    let registered = devices(&bench.mfa).enrol(&thief.registration(&handle_of(&login.step)).await).await.unwrap();
    let digits = registered.confirmation.expose();
    assert!(digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let other = if digits == "000000" { "000001" } else { "000000" };
    assert_eq!(login.answer(&Answer::enrol(other)).await.error(), Some(StepError::WrongCode));
    let subject = bench.subject_of("alice").await;
    assert!(bench.mfa.authenticators().list(&subject).await.unwrap().is_empty(), "nothing is in force");
    let spaced = format!("{} {}", &digits[..3], &digits[3..]);
    login.answer(&Answer::enrol(spaced)).await;
    assert!(matches!(login.step, Step::RecoveryCodes(_)));
    let listed = bench.mfa.authenticators().list(&subject).await.unwrap();
    assert_eq!(listed[0].label.as_deref(), Some("Phone"), "the name that the device gave itself");
    let next = bench.second("alice").await;
    assert!(matches!(&next.step, Step::Wait(step) if step.label.as_deref() == Some("Phone")), "{:?}", next.step);
}

#[tokio::test]
async fn m24_digits_are_guessed_five_times_at_most() {
    let (bench, _) = bench().await;
    let mut login = enrolling(&bench).await;
    let phone = Phone::new("a");
    let registered = devices(&bench.mfa).enrol(&phone.registration(&handle_of(&login.step)).await).await.unwrap();
    for _ in 0..5 {
        assert_eq!(login.answer(&Answer::enrol("not-it")).await.error(), Some(StepError::WrongCode));
    }
    let right = Answer::enrol(registered.confirmation.expose());
    assert_eq!(login.answer(&right).await.error(), Some(StepError::AttemptsSpent));
}

#[tokio::test]
async fn promise_11_the_digits_of_one_login_are_no_others() {
    let (bench, _) = bench().await;
    let first = enrolling(&bench).await;
    let mut second = enrolling(&bench).await;
    let proof = Phone::new("a").registration(&handle_of(&first.step)).await;
    let registered = devices(&bench.mfa).enrol(&proof).await.unwrap();
    let step = second.answer(&Answer::enrol(registered.confirmation.expose())).await;
    assert_eq!(step.error(), Some(StepError::WrongCode));
}

#[tokio::test]
async fn a_registration_is_read_strictly() {
    let (bench, _) = bench().await;
    let login = enrolling(&bench).await;
    let (handle, phone) = (handle_of(&login.step), Phone::new("a"));
    let devices = devices(&bench.mfa);
    let good = json!({ "aud": REALM, "handle": handle, "address": "a" });
    let with = |member: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[member] = value;
        claims
    };
    for (claims, why) in [
        (with("aud", json!("https://other.example")), "invalid_proof"),
        (with("aud", json!([REALM])), "invalid_proof"),
        (with("handle", json!("cs_push_x")), "invalid_handle"),
        (with("handle", json!(format!("{handle}x"))), "invalid_handle"),
        (with("handle", json!(handle.replace("cs_push", "cs_code"))), "invalid_handle"),
        (with("address", json!("")), "invalid_request"),
        (with("address", json!("x".repeat(2_049))), "invalid_request"),
        (with("address", json!("a\nb")), "invalid_request"),
        (with("name", json!("x".repeat(65))), "invalid_request"),
    ] {
        let refused = devices.enrol(&phone.registration_of(&claims).await).await.unwrap_err();
        assert_eq!(refused.code(), why, "{claims}");
    }
    let without_key = phone.sign(ENROL, &good).await;
    assert_eq!(devices.enrol(&without_key).await.unwrap_err().code(), "invalid_proof");
    let others = Phone::new("b");
    let header = Header { typ: Some(ENROL), cty: None, jwk: Some(others.signer.public_key()) };
    let borrowed = sign_compact(&phone.signer, &header, &good).await.unwrap();
    assert_eq!(devices.enrol(&borrowed).await.unwrap_err().code(), "invalid_proof", "another's key");
    let header = Header { typ: Some("at+jwt"), cty: None, jwk: Some(phone.signer.public_key()) };
    let other_type = sign_compact(&phone.signer, &header, &good).await.unwrap();
    assert_eq!(devices.enrol(&other_type).await.unwrap_err().code(), "invalid_proof");
    for algorithm in [SigningAlgorithm::Es384, SigningAlgorithm::EdDsa] {
        let signer = signer(algorithm);
        let header = Header { typ: Some(ENROL), cty: None, jwk: Some(signer.public_key()) };
        let proof = sign_compact(&signer, &header, &good).await.unwrap();
        assert_eq!(devices.enrol(&proof).await.unwrap_err().code(), "invalid_proof", "{algorithm}");
    }
    assert_eq!(devices.enrol(&"x".repeat(8_193)).await.unwrap_err().code(), "invalid_request");
    assert!(devices.enrol(&phone.registration_of(&good).await).await.is_ok(), "the handle is still good");
}
