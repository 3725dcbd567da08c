//! RFC 6238, and the attacks on codes of an app.

use std::time::Duration;

use countersign_mfa::{Answer, Limits, LoginRequest, Step, StepError};
use countersign_primitives::{Acr, Amr, Requirement};
use futures_util::future::join_all;

use crate::support::{Bench, codes_of, secret_of};

#[tokio::test]
async fn a_login_sets_up_an_app_and_the_next_one_uses_it() {
    let bench = Bench::new().await;
    let (secret, codes) = bench.enrol("alice").await;
    assert_eq!(codes.len(), 10);
    let mut login = bench.second("alice").await;
    let Step::Code(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!((step.method.as_str(), step.digits, step.error), ("totp", Some(6), None));
    assert_eq!(step.or.iter().map(|way| way.method.as_str()).collect::<Vec<_>>(), ["recovery_code"]);
    login.answer(&Answer::code(bench.code(&secret))).await;
    let done = login.done();
    assert_eq!(done.signed_in.acr_value(), Some(&Acr::MFA));
    assert_eq!(done.signed_in.amr_values(), [Amr::Pwd, Amr::Otp, Amr::Mfa]);
    assert!(bench.heard().contains(&"factor.enrolled") && bench.heard().contains(&"recovery_codes.issued"));
    assert!(bench.heard().contains(&"factor.verified") && bench.heard().contains(&"login.succeeded"));
}

#[tokio::test]
async fn rfc6238_5_2_m19_a_code_is_accepted_once_and_so_are_those_before_it() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let code = bench.code(&secret);
    let mut login = bench.second("alice").await;
    login.answer(&Answer::code(&code)).await;
    assert!(login.is_done());
    let mut replay = bench.second("alice").await;
    assert_eq!(replay.answer(&Answer::code(&code)).await.error(), Some(StepError::WrongCode));
    let older = secret.code_at(countersign_primitives::Clock::now(&bench.clock).minus(Duration::from_secs(30)));
    assert_eq!(replay.answer(&Answer::code(older.expose())).await.error(), Some(StepError::WrongCode));
    bench.clock.advance(Duration::from_secs(30));
    replay.answer(&Answer::code(bench.code(&secret))).await;
    assert!(replay.is_done());
}

#[tokio::test]
async fn rfc6238_5_2_m19_the_code_of_enrolment_is_spent_too() {
    let bench = Bench::new().await;
    let mut login = bench.second("alice").await;
    let secret = secret_of(&login.step);
    let code = bench.code(&secret);
    login.answer(&Answer::enrol(&code)).await;
    codes_of(&login.step);
    let mut other = bench.second("alice").await;
    assert_eq!(other.answer(&Answer::code(&code)).await.error(), Some(StepError::WrongCode));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_m20_of_64_logins_with_one_code_one_gets_in() {
    let bench = Bench::with(|builder| builder.limits(Limits::off())).await;
    let (secret, _) = bench.enrol("alice").await;
    let code = bench.code(&secret);
    let mut logins = join_all((0..64).map(|_| bench.second("alice"))).await;
    let outcomes = join_all(logins.iter_mut().map(|login| login.try_answer_code(&code))).await;
    assert_eq!(outcomes.iter().filter(|done| **done).count(), 1, "exactly one login may spend the code");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_one_login_that_sends_its_code_many_times_is_one_login() {
    let bench = Bench::with(|builder| builder.limits(Limits::off())).await;
    let (secret, _) = bench.enrol("alice").await;
    let code = bench.code(&secret);
    let login = bench.second("alice").await;
    let answer = Answer::code(&code);
    let steps = join_all((0..16).map(|_| bench.mfa.answer(login.id, &answer, &login.caller))).await;
    let done: Vec<_> = steps.into_iter().map(|step| format!("{:?}", step.unwrap())).collect();
    assert!(done.iter().all(|step| *step == done[0] && step.starts_with("Done")), "{done:?}");
    let succeeded = bench.heard().iter().filter(|name| **name == "login.succeeded").count();
    assert_eq!(succeeded, 2, "the enrolment's login, and this one once");
}

#[tokio::test]
async fn m22_a_code_is_exactly_its_digits() {
    let bench = Bench::with(|builder| builder.limits(Limits::off())).await;
    let (secret, _) = bench.enrol("alice").await;
    let code = bench.code(&secret);
    let mut login = bench.second("alice").await;
    for wrong in ["", "0", &code[..5], &format!("{code}0"), "abcdef", "١٢٣٤٥٦", &format!("+{}", &code[1..])] {
        assert_eq!(login.answer(&Answer::code(wrong)).await.error(), Some(StepError::WrongCode), "{wrong:?}");
    }
    login.answer(&Answer::code(format!("{} {}", &code[..3], &code[3..]))).await;
    assert!(login.is_done(), "spaces between digits are the user's to type");
}

#[tokio::test]
async fn m25_a_factor_is_never_set_up_beside_one_that_was_not_proven() {
    let bench = Bench::new().await;
    // Two logins with the password alone are both about to set up the first factor.
    let mut owner = bench.second("alice").await;
    let mut thief = bench.second("alice").await;
    let (first, second) = (secret_of(&owner.step), secret_of(&thief.step));
    owner.answer(&Answer::enrol(bench.code(&first))).await;
    thief.answer(&Answer::enrol(bench.code(&second))).await;
    let Step::Code(step) = &thief.step else { panic!("{:?}", thief.step) };
    assert_eq!(step.method, "totp", "it is the owner's factor that must be proven now");
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(thief.answer(&Answer::code(bench.code(&second))).await.error(), Some(StepError::WrongCode));
    let subject = bench.subject_of("alice").await;
    let methods: Vec<_> = bench.mfa.authenticators().list(&subject).await.unwrap();
    assert_eq!(methods.len(), 2, "one app and its recovery codes: {methods:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m25_of_many_logins_that_set_up_the_first_factor_at_once_one_does() {
    let bench = Bench::with(|builder| builder.limits(Limits::off())).await;
    let mut logins = join_all((0..16).map(|_| bench.second("alice"))).await;
    let codes: Vec<_> = logins.iter().map(|login| bench.code(&secret_of(&login.step))).collect();
    let answers: Vec<_> = codes.iter().map(Answer::enrol).collect();
    let enrolled = join_all(logins.iter_mut().zip(&answers).map(|(login, answer)| login.try_answer(answer))).await;
    let shown = enrolled.iter().filter(|step| matches!(step, Ok(Step::RecoveryCodes(_)))).count();
    assert_eq!(shown, 1);
    let subject = bench.subject_of("alice").await;
    assert_eq!(bench.mfa.authenticators().list(&subject).await.unwrap().len(), 2);
}

#[tokio::test]
async fn m27_a_factor_that_was_reset_is_asked_no_more_and_its_codes_are_void() {
    let bench = Bench::new().await;
    let (secret, codes) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    bench.mfa.authenticators().reset(&bench.subject_of("alice").await).await.unwrap();
    login.answer(&Answer::code(bench.code(&secret))).await;
    assert!(matches!(login.step, Step::Enrol(_)), "{:?}", login.step);
    login.answer(&Answer::code(&codes[0])).await;
    assert!(!login.is_done());
    assert!(bench.heard().contains(&"factor.removed"));
}

#[tokio::test]
async fn m26_an_enrolment_proves_its_own_login_alone() {
    let bench = Bench::new().await;
    let waiting = bench.second("alice").await;
    bench.enrol("alice").await;
    let step = bench.mfa.step(waiting.id, &waiting.caller).await.unwrap();
    assert!(matches!(step, Step::Code(_)), "the other login must prove the factor itself: {step:?}");
}

#[tokio::test]
async fn the_secret_that_is_shown_stays_the_same_until_it_is_confirmed() {
    let bench = Bench::new().await;
    let mut login = bench.second("alice").await;
    let secret = secret_of(&login.step);
    assert_eq!(login.answer(&Answer::enrol("000000")).await.error(), Some(StepError::WrongCode));
    let again = bench.mfa.step(login.id, &login.caller).await.unwrap();
    assert_eq!(secret_of(&again).base32().expose(), secret.base32().expose());
    assert_eq!(secret_of(&login.step).base32().expose(), secret.base32().expose());
}

#[tokio::test]
async fn an_imported_secret_counts_at_once() {
    let bench = Bench::new().await;
    let subject = bench.subject_of("bob").await;
    let authenticators = bench.mfa.authenticators();
    let id = authenticators.import_totp(&subject, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").await.unwrap();
    let secret = countersign_mfa_otp::TotpSecret::from_base32(
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        countersign_mfa_otp::TotpParameters::default(),
    );
    let mut login = bench.second("bob").await;
    login.answer(&Answer::code(bench.code(&secret.unwrap()))).await;
    assert!(login.is_done());
    assert!(authenticators.remove(&subject, &id).await.unwrap());
    assert!(!authenticators.remove(&subject, &id).await.unwrap());
    assert!(authenticators.list(&subject).await.unwrap().is_empty());
}

#[tokio::test]
async fn promise_11_a_login_answers_no_other_browser() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let login = bench.second("alice").await;
    let answer = Answer::code(bench.code(&secret));
    let stolen = bench.mfa.answer(login.id, &answer, &bench.browser()).await.unwrap_err();
    assert_eq!((stolen.id(), stolen.code()), ("login_of_another_browser", "expired"));
    assert!(bench.mfa.step(login.id, &bench.browser()).await.is_err());
    assert!(bench.mfa.answer(login.id, &answer, &login.caller).await.is_ok());
}

#[tokio::test]
async fn a_login_ends_after_its_time_and_when_it_is_given_up() {
    let bench = Bench::new().await;
    let late = bench.begin(LoginRequest::new(), bench.browser()).await;
    bench.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(bench.mfa.step(late.id, &late.caller).await.unwrap_err().id(), "login_expired");
    let given_up = bench.password(LoginRequest::new().requirement(Requirement::MFA), bench.browser(), "alice").await;
    bench.mfa.cancel(given_up.id, &given_up.caller).await.unwrap();
    assert_eq!(bench.mfa.step(given_up.id, &given_up.caller).await.unwrap_err().id(), "login_expired");
}

#[tokio::test]
async fn a_login_that_is_done_answers_the_same_for_a_minute() {
    let bench = Bench::new().await;
    let login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    let first = format!("{:?}", login.done());
    bench.clock.advance(Duration::from_secs(59));
    let again = bench.mfa.step(login.id, &login.caller).await.unwrap();
    let Step::Done(again) = again else { panic!("{again:?}") };
    assert_eq!(format!("{again:?}"), first);
    assert_eq!(again.marks, login.done().marks);
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.mfa.step(login.id, &login.caller).await.unwrap_err().id(), "login_expired");
}

impl crate::support::Login<'_> {
    async fn try_answer_code(&mut self, code: &str) -> bool {
        matches!(self.try_answer(&Answer::code(code)).await, Ok(Step::Done(_)))
    }
}
