//! RFC 4226 as a factor, and the attacks on tokens with a button.

use countersign_mfa::{Answer, AuthenticatorsError, Hotp, Limits, LoginId, LoginRequest, Step, StepError};
use countersign_mfa_otp::{Digits, HotpSecret, OtpAlgorithm, OtpauthError};
use countersign_primitives::{Acr, Amr, Requirement};
use futures_util::future::join_all;
use proptest::prelude::*;

use crate::guessing::throttled;
use crate::support::Bench;

/// The secret of RFC 4226 appendix D.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn token() -> HotpSecret {
    HotpSecret::from_base32(SECRET, OtpAlgorithm::Sha1, Digits::SIX).unwrap()
}

fn code(counter: u64) -> Answer {
    Answer::code(token().code(counter).expose())
}

/// Two codes in a row.
fn pair(first: u64, second: u64) -> Answer {
    Answer::code(format!("{} {}", token().code(first).expose(), token().code(second).expose()))
}

/// Alice has the token of appendix D, and its next code is that of this counter.
async fn bench_at(counter: u64) -> Bench {
    let bench = Bench::with(|builder| builder.factor(Hotp::new("Example")).limits(Limits::off())).await;
    bench.mfa.authenticators().import_hotp(&bench.subject_of("alice").await, SECRET, counter).await.unwrap();
    bench
}

async fn gets_in(bench: &Bench, answer: &Answer) -> bool {
    let mut login = bench.second("alice").await;
    login.answer(answer).await;
    login.is_done()
}

#[tokio::test]
async fn rfc4226_appendix_d_each_code_signs_in_once_in_its_order() {
    let bench = bench_at(0).await;
    let values = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    for value in values {
        let mut login = bench.second("alice").await;
        let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
        assert_eq!((step.method.as_str(), step.digits), ("hotp", Some(6)));
        login.answer(&Answer::code(value)).await;
        assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::MFA));
        assert_eq!(login.done().signed_in.amr_values(), [Amr::Pwd, Amr::Otp, Amr::Mfa]);
        let mut replay = bench.second("alice").await;
        assert_eq!(replay.answer(&Answer::code(value)).await.error(), Some(StepError::WrongCode), "{value} again");
    }
}

#[tokio::test]
async fn a_token_is_set_up_by_an_otpauth_uri_and_its_first_code_is_spent() {
    let bench = Bench::with(|builder| builder.factor(Hotp::new("Example").digits(Digits::EIGHT))).await;
    let mut login = bench.second("alice").await;
    let Step::Enrol(step) = login.choose("hotp").await else { panic!("{:?}", login.step) };
    let uri = step.otpauth_uri.as_ref().unwrap().expose().to_owned();
    assert!(uri.starts_with("otpauth://hotp/Example:alice?secret=") && uri.ends_with("&digits=8&counter=0"), "{uri}");
    let secret = HotpSecret::from_otpauth_uri(&uri).unwrap().secret;
    assert_eq!(step.secret.as_ref().unwrap().expose(), secret.base32_grouped().expose());
    let first = secret.code(0);
    login.answer(&Answer::enrol(first.expose())).await;
    login.answer(&Answer::RecoveryCodes).await;
    assert!(login.is_done());
    let mut login = bench.second("alice").await;
    assert_eq!(login.answer(&Answer::code(first.expose())).await.error(), Some(StepError::WrongCode));
    login.answer(&Answer::code(secret.code(1).expose())).await;
    assert!(login.is_done());
}

#[tokio::test]
async fn rfc4226_7_4_a_token_that_is_a_little_ahead_is_found_and_what_it_skipped_is_void() {
    let bench = bench_at(0).await;
    assert!(!gets_in(&bench, &code(6)).await, "beyond the look-ahead window");
    assert!(gets_in(&bench, &code(5)).await);
    for old in 0..=5 {
        assert!(!gets_in(&bench, &code(old)).await, "counter {old} lies before the one that was used");
    }
    assert!(gets_in(&bench, &code(6)).await);
}

#[tokio::test]
async fn rfc4226_7_4_two_codes_in_a_row_find_a_token_that_is_far_ahead() {
    let bench = bench_at(0).await;
    for wrong in [pair(80, 82), pair(81, 80), pair(80, 80), pair(101, 102), code(80)] {
        assert!(!gets_in(&bench, &wrong).await);
    }
    assert!(gets_in(&bench, &pair(80, 81)).await);
    assert!(!gets_in(&bench, &pair(80, 81)).await, "once");
    assert!(!gets_in(&bench, &code(81)).await, "both codes are spent");
    assert!(gets_in(&bench, &code(82)).await, "the counter stands after them");
}

/// Whoever holds the token for a moment presses its button many times, so that its owner is locked out.
#[tokio::test]
async fn m19_a_token_desynchronised_on_purpose_is_found_again_and_old_codes_stay_void() {
    let bench = bench_at(10).await;
    let written_down: Vec<_> = (10..60).map(code).collect();
    assert!(!gets_in(&bench, &code(60)).await, "fifty presses later");
    assert!(gets_in(&bench, &pair(60, 61)).await);
    for noted in &written_down {
        assert!(!gets_in(&bench, noted).await, "what was noted while pressing is void");
    }
    assert!(gets_in(&bench, &code(62)).await);
}

#[tokio::test]
async fn rfc4226_7_4_resynchronisation_can_be_left_out() {
    let bench =
        Bench::with(|builder| builder.factor(Hotp::new("Example").resynchronisation(0)).limits(Limits::off())).await;
    bench.mfa.authenticators().import_hotp(&bench.subject_of("alice").await, SECRET, 0).await.unwrap();
    assert!(!gets_in(&bench, &pair(1, 2)).await);
    assert!(gets_in(&bench, &code(1)).await);
}

#[tokio::test]
async fn rfc4226_7_3_guesses_at_a_token_are_limited_and_so_are_those_of_two_codes_in_a_row() {
    let bench = Bench::with(|builder| builder.factor(Hotp::new("Example"))).await;
    bench.mfa.authenticators().import_hotp(&bench.subject_of("alice").await, SECRET, 0).await.unwrap();
    for guess in 0..10 {
        let mut thief = bench.second("alice").await; // a new login brings no new budget
        let answer = if guess % 2 == 0 { Answer::code("000000") } else { Answer::code("000000000000") };
        assert_eq!(thief.answer(&answer).await.error(), Some(StepError::WrongCode));
    }
    let mut login = bench.second("alice").await;
    assert!(throttled(login.try_answer(&code(0)).await).is_some(), "the right code is no longer looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_m20_of_64_logins_over_two_engines_with_one_counter_one_gets_in() {
    let bench = bench_at(0).await;
    let other = bench.engine_with(|builder| builder.factor(Hotp::new("Example")).limits(Limits::off())).await;
    for answer in [code(3), pair(40, 41)] {
        let logins = join_all((0..64).map(|_| bench.second("alice"))).await;
        let racing = logins.iter().enumerate().map(|(number, login)| {
            let engine = if number % 2 == 0 { &bench.mfa } else { &other };
            engine.answer(login.id, &answer, &login.caller)
        });
        let done = join_all(racing).await.into_iter().filter(|step| matches!(step, Ok(Step::Done(_)))).count();
        assert_eq!(done, 1, "exactly one login may spend the counter");
    }
}

#[tokio::test]
async fn seeds_are_imported_by_uri_with_their_parameters() {
    let bench = Bench::with(|builder| builder.factor(Hotp::new("Example"))).await;
    let (alice, bob) = (bench.subject_of("alice").await, bench.subject_of("bob").await);
    let authenticators = bench.mfa.authenticators();
    let hotp = format!("otpauth://hotp/Other:alice?secret={SECRET}&digits=8&algorithm=SHA256&counter=7");
    authenticators.import_otpauth_uri(&alice, &hotp).await.unwrap();
    let token = HotpSecret::from_base32(SECRET, OtpAlgorithm::Sha256, Digits::EIGHT).unwrap();
    assert!(gets_in(&bench, &Answer::code(token.code(7).expose())).await);
    let totp = format!("otpauth://totp/Other:bob?secret={SECRET}&digits=7&algorithm=SHA512&period=60");
    authenticators.import_otpauth_uri(&bob, &totp).await.unwrap();
    let app = countersign_mfa_otp::TotpSecret::from_otpauth_uri(&totp).unwrap().secret;
    let mut login = bench.second("bob").await;
    let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(step.digits, Some(7));
    login.answer(&Answer::code(bench.code(&app))).await;
    assert!(login.is_done());
    let bad = authenticators.import_otpauth_uri(&bob, "otpauth://yotp/a?secret=x").await.unwrap_err();
    assert!(matches!(bad, AuthenticatorsError::Uri(OtpauthError::Kind)), "{bad:?}");
    let none = Bench::new().await;
    let missing = none.mfa.authenticators().import_hotp(&bob, SECRET, 0).await.unwrap_err();
    assert!(matches!(missing, AuthenticatorsError::NoSuchMethod("hotp")), "{missing:?}");
}

#[tokio::test]
async fn promise_7_the_last_counter_of_a_token_is_refused_without_harm() {
    let bench = bench_at(u64::MAX).await;
    assert!(!gets_in(&bench, &code(u64::MAX)).await);
    assert!(!gets_in(&bench, &pair(u64::MAX - 1, u64::MAX)).await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// However a token's owner and whoever notes its codes take turns, each code signs in once at most and never after a later one.
    #[test]
    fn rfc4226_7_2_no_counter_is_accepted_that_is_not_newer_than_all_before(
        presses in proptest::collection::vec((0_u64..40, any::<bool>()), 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = bench_at(0).await;
            let mut next = 0;
            for (counter, twice) in presses {
                let answer = if twice { pair(counter, counter + 1) } else { code(counter) };
                let login = bench.second("alice").await;
                let step = bench.mfa.answer(LoginId(login.id.0), &answer, &login.caller).await.unwrap();
                if matches!(step, Step::Done(_)) {
                    assert!(counter >= next, "counter {counter} after {next} was expected");
                    next = counter + 1 + u64::from(twice);
                }
            }
        });
    }
}

#[tokio::test]
async fn promise_8_a_token_is_never_phishing_resistant() {
    let bench = bench_at(0).await;
    let request = LoginRequest::new().requirement(Requirement::PHISHING_RESISTANT);
    let login = bench.password(request, bench.browser(), "alice").await;
    assert!(matches!(login.step, Step::Refused(_)), "a code that is typed can be phished: {:?}", login.step);
}
