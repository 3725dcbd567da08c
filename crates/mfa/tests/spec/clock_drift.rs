//! RFC 6238 §6: devices whose clocks are off.

use std::time::Duration;

use countersign_mfa::{Answer, Limits, Step, StepError, Totp};
use countersign_mfa_otp::{Digits, OtpAlgorithm, TotpParameters, TotpSecret};
use countersign_primitives::{Clock, UnixTime};
use futures_util::future::join_all;

use crate::support::Bench;

/// A device whose clock is this many seconds ahead, or behind.
fn shown(bench: &Bench, secret: &TotpSecret, seconds: i64) -> String {
    let now = bench.clock.now().as_secs().saturating_add_signed(seconds);
    secret.code_at(UnixTime::from_secs(now)).expose().to_owned()
}

async fn gets_in(bench: &Bench, code: &str) -> bool {
    let mut login = bench.second("alice").await;
    login.answer(&Answer::code(code)).await;
    login.is_done()
}

async fn bench() -> (Bench, TotpSecret) {
    let bench = Bench::with(|builder| builder.limits(Limits::off())).await;
    let (secret, _) = bench.enrol("alice").await;
    (bench, secret)
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn rfc6238_6_a_device_that_runs_slow_is_remembered_and_the_window_moves_with_it() {
    let (bench, secret) = bench().await;
    for day in 1..=120_i64 {
        bench.clock.advance(DAY);
        assert!(gets_in(&bench, &shown(&bench, &secret, -day)).await, "a second a day, on day {day}");
    }
    bench.clock.advance(DAY);
    assert!(!gets_in(&bench, &shown(&bench, &secret, 0)).await, "the window moved, it did not grow");
    assert!(gets_in(&bench, &shown(&bench, &secret, -120)).await);
}

#[tokio::test]
async fn rfc6238_6_a_device_far_off_needs_two_codes_in_a_row_and_then_one() {
    let (bench, secret) = bench().await;
    bench.clock.advance(DAY);
    assert!(!gets_in(&bench, &shown(&bench, &secret, -150)).await);
    let in_a_row = |ahead: i64| format!("{} {}", shown(&bench, &secret, ahead - 30), shown(&bench, &secret, ahead));
    assert!(!gets_in(&bench, &in_a_row(-360)).await, "more than five minutes off");
    assert!(gets_in(&bench, &in_a_row(-150)).await);
    assert!(!gets_in(&bench, &in_a_row(-150)).await, "both are spent");
    bench.clock.advance(Duration::from_secs(30));
    assert!(gets_in(&bench, &shown(&bench, &secret, -150)).await);
}

#[tokio::test]
async fn m19_rfc6238_6_no_code_serves_again_whichever_way_the_window_moves() {
    let (bench, secret) = bench().await;
    let mut used = Vec::new();
    // The device's clock is wrong by turns, a minute ahead and behind.
    for (round, ahead) in [30, 30, 30, 60, 60, 60, 30, 0, -30, -30, -30, -60, -60, 0, 30].into_iter().enumerate() {
        bench.clock.advance(Duration::from_secs(if round % 3 == 0 { 30 } else { 90 }));
        let code = shown(&bench, &secret, ahead);
        if gets_in(&bench, &code).await {
            used.push(code);
        }
        for code in &used {
            assert!(!gets_in(&bench, code).await, "round {round}: {code} was used");
        }
    }
    assert!(used.len() > 5, "{used:?}");
}

#[tokio::test]
async fn rfc6238_6_drift_can_be_left_out() {
    for (most, follows) in [(0, false), (10, true)] {
        let totp = Totp::new("Example").max_drift(most);
        let bench = Bench::of(totp, |builder| builder.limits(Limits::off())).await;
        let (secret, _) = bench.enrol("alice").await;
        for _ in 0..2 {
            bench.clock.advance(DAY);
            assert!(gets_in(&bench, &shown(&bench, &secret, 30)).await);
        }
        bench.clock.advance(DAY);
        assert_eq!(gets_in(&bench, &shown(&bench, &secret, 60)).await, follows);
        let pair = format!("{}{}", shown(&bench, &secret, 90), shown(&bench, &secret, 120));
        assert_eq!(gets_in(&bench, &pair).await, follows);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_m20_of_64_logins_over_two_engines_with_two_codes_in_a_row_one_gets_in() {
    let (bench, secret) = bench().await;
    bench.clock.advance(DAY);
    let other = bench.engine_with(|builder| builder.limits(Limits::off())).await;
    let answer = Answer::code(format!("{}{}", shown(&bench, &secret, 90), shown(&bench, &secret, 120)));
    let logins = join_all((0..64).map(|_| bench.second("alice"))).await;
    let racing = logins.iter().enumerate().map(|(number, login)| {
        let engine = if number % 2 == 0 { &bench.mfa } else { &other };
        engine.answer(login.id, &answer, &login.caller)
    });
    let done = join_all(racing).await;
    let done = done.into_iter().filter(|step| matches!(step, Ok(Step::Done(_)))).count();
    assert_eq!(done, 1);
}

#[tokio::test]
async fn rfc6238_1_2_apps_with_other_hashes_and_lengths_are_set_up_and_asked() {
    for (algorithm, digits) in [(OtpAlgorithm::Sha256, Digits::SEVEN), (OtpAlgorithm::Sha512, Digits::EIGHT)] {
        let parameters = TotpParameters::default().with_algorithm(algorithm).with_digits(digits);
        let bench = Bench::of(Totp::new("Example").parameters(parameters), |builder| builder).await;
        let mut login = bench.second("alice").await;
        let Step::Enrol(step) = &login.step else { panic!("{:?}", login.step) };
        assert_eq!(step.digits, Some(digits.get()));
        let secret = TotpSecret::from_otpauth_uri(step.otpauth_uri.as_ref().unwrap().expose()).unwrap().secret;
        assert_eq!(secret.parameters(), parameters, "the app is told");
        login.answer(&Answer::enrol(bench.code(&secret))).await;
        login.answer(&Answer::RecoveryCodes).await;
        bench.clock.advance(Duration::from_secs(60));
        let mut login = bench.second("alice").await;
        let truncated = &bench.code(&secret)[usize::from(digits.get()) - 6..];
        assert_eq!(login.answer(&Answer::code(truncated)).await.error(), Some(StepError::WrongCode), "its last six");
        login.answer(&Answer::code(bench.code(&secret))).await;
        assert!(login.is_done());
    }
}
