//! Recovery codes (NIST SP 800-63B-4 §3.1.2).

use countersign_mfa::{Answer, Limits, Step, StepError};
use countersign_primitives::{Acr, Amr};
use futures_util::future::join_all;

use crate::support::{Bench, codes_of, secret_of};

#[tokio::test]
async fn nist_sp800_63b_3_1_2_a_recovery_code_stands_in_for_the_app_once() {
    let bench = Bench::new().await;
    let (_, codes) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    let Step::Code(step) = login.choose("recovery_code").await else { panic!("{:?}", login.step) };
    assert_eq!((step.method.as_str(), step.digits), ("recovery_code", None));
    login.answer(&Answer::code(codes[3].to_uppercase().replace('-', " "))).await;
    assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::MFA));
    assert_eq!(login.done().signed_in.amr_values(), [Amr::Pwd, Amr::Otp, Amr::Mfa]);
    assert!(bench.heard().contains(&"recovery_code.used"));
    let mut replay = bench.second("alice").await;
    replay.choose("recovery_code").await;
    assert_eq!(replay.answer(&Answer::code(&codes[3])).await.error(), Some(StepError::WrongCode));
    replay.answer(&Answer::code(&codes[4])).await;
    assert!(replay.is_done());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_m29_of_64_logins_with_one_recovery_code_one_gets_in() {
    let bench = Bench::with(|builder| builder.limits(Limits::off())).await;
    let (_, codes) = bench.enrol("alice").await;
    let mut logins = join_all((0..64).map(|_| bench.second("alice"))).await;
    for login in &mut logins {
        login.choose("recovery_code").await;
    }
    let answer = Answer::code(&codes[0]);
    let steps = join_all(logins.iter_mut().map(|login| login.try_answer(&answer))).await;
    assert_eq!(steps.iter().filter(|step| matches!(step, Ok(Step::Done(_)))).count(), 1);
    let left = bench.mfa.authenticators().list(&bench.subject_of("alice").await).await.unwrap();
    assert_eq!(left.iter().find_map(|one| one.codes_left), Some(9));
}

#[tokio::test]
async fn m28_codes_are_shown_until_they_are_kept_and_never_again() {
    let bench = Bench::new().await;
    let mut login = bench.second("alice").await;
    let secret = secret_of(&login.step);
    login.answer(&Answer::enrol(bench.code(&secret))).await;
    let codes = codes_of(&login.step);
    let reloaded = bench.mfa.step(login.id, &login.caller).await.unwrap();
    assert_eq!(codes_of(&reloaded), codes);
    login.answer(&Answer::RecoveryCodes).await;
    assert!(login.is_done());
    let shown = serde_json::to_string(&bench.mfa.step(login.id, &login.caller).await.unwrap()).unwrap();
    assert!(codes.iter().all(|code| !shown.contains(code.as_str())));
    assert!(codes.iter().all(|code| code.replace('-', "").len() * 5 >= 112), "at least 112 bits each");
}

#[tokio::test]
async fn m30_codes_are_not_valid_before_the_enrolment_is_confirmed() {
    let bench = Bench::new().await;
    let login = bench.second("alice").await;
    assert!(matches!(login.step, Step::Enrol(_)));
    assert!(bench.mfa.authenticators().list(&bench.subject_of("alice").await).await.unwrap().is_empty());
}

#[tokio::test]
async fn m30_new_codes_make_the_old_ones_void() {
    let bench = Bench::new().await;
    let (_, old) = bench.enrol("alice").await;
    let subject = bench.subject_of("alice").await;
    let new = bench.mfa.authenticators().new_recovery_codes(&subject).await.unwrap();
    let mut login = bench.second("alice").await;
    login.choose("recovery_code").await;
    assert_eq!(login.answer(&Answer::code(&old[0])).await.error(), Some(StepError::WrongCode));
    login.answer(&Answer::code(new[0].expose())).await;
    assert!(login.is_done());
    let bob = bench.subject_of("bob").await;
    assert!(bench.mfa.authenticators().new_recovery_codes(&bob).await.is_err(), "they stand in for a factor");
}

#[tokio::test]
async fn promise_11_a_recovery_code_is_its_owners_alone() {
    let bench = Bench::new().await;
    let (_, alices) = bench.enrol("alice").await;
    bench.enrol("bob").await;
    let mut login = bench.second("bob").await;
    login.choose("recovery_code").await;
    assert_eq!(login.answer(&Answer::code(&alices[0])).await.error(), Some(StepError::WrongCode));
}

#[tokio::test]
async fn used_up_codes_are_offered_no_more() {
    let bench = Bench::with(|builder| builder.recovery_codes(1)).await;
    let (_, codes) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    login.choose("recovery_code").await;
    login.answer(&Answer::code(&codes[0])).await;
    assert!(login.is_done());
    let next = bench.second("alice").await;
    let Step::Code(step) = &next.step else { panic!("{:?}", next.step) };
    assert!(step.or.is_empty(), "{step:?}");
}
