//! Codes to a verified number or address that the account has on file, as a policy.

use countersign_accounts::{Account, Accounts as _};
use countersign_mfa::{Answer, Existing, FirstEnrolment, Policy, RefusedReason, Step, StepError};
use countersign_primitives::{Acr, Amr};

use crate::letterbox::{Letterbox, bench_with, wrong};
use crate::support::{Bench, Login};

async fn bench(policy: Policy) -> (Bench, Letterbox) {
    let (bench, letters) = bench_with(|builder| builder.policy(policy)).await;
    let contacts = |account: Account, verified| {
        account.email("alice@example.com", verified).phone_number("+4915112345623", verified)
    };
    for (name, verified) in [("alice", true), ("bob", false)] {
        let account = bench.users.by_login(name).await.unwrap().unwrap();
        bench.users.import([contacts(account, verified)], Existing::Replace).await.unwrap();
    }
    (bench, letters)
}

fn on_file() -> Policy {
    Policy::never().first_enrolment(FirstEnrolment::ThisLogin).verified_contacts()
}

fn methods(login: &Login<'_>) -> Vec<String> {
    match &login.step {
        Step::Choose(step) => step.authenticators.iter().map(|way| way.method.clone()).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_verified_contact_is_a_factor_that_nobody_set_up() {
    let (bench, letters) = bench(on_file()).await;
    let mut login = bench.second("alice").await;
    assert_eq!(methods(&login), ["sms", "email", "voice"]);
    let Step::Code(step) = login.choose("sms").await else { panic!() };
    assert_eq!(step.to.as_deref(), Some("+49…23"));
    assert_eq!(letters.message().to, "+4915112345623");
    assert_eq!(login.answer(&Answer::code(wrong(&letters.last()))).await.error(), Some(StepError::WrongCode));
    login.answer(&Answer::code(letters.last())).await;
    assert_eq!(login.done().signed_in.amr_values(), [Amr::Pwd, Amr::Sms, Amr::Mfa]);
    assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::MFA));
    let subject = bench.subject_of("alice").await;
    assert!(bench.mfa.authenticators().list(&subject).await.unwrap().is_empty(), "no record holds it");
}

#[tokio::test]
async fn promise_8_a_contact_that_was_not_verified_is_none() {
    let (bench, _) = bench(Policy::never().verified_contacts()).await;
    let login = bench.second("bob").await;
    let Step::Refused(refused) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(refused.reason, RefusedReason::UnmetAuthenticationRequirements);
}

#[tokio::test]
async fn promise_8_without_the_policy_contact_data_is_no_factor() {
    let (bench, letters) = bench(Policy::never().first_enrolment(FirstEnrolment::Closed)).await;
    assert!(matches!(bench.second("alice").await.step, Step::Refused(_)));
    assert_eq!(letters.count(), 0);
}

#[tokio::test]
async fn m25_who_has_a_contact_on_file_sets_nothing_up_by_the_password_alone() {
    let (bench, _) = bench(on_file()).await;
    let mut login = bench.second("alice").await;
    assert_eq!(login.answer(&Answer::choose("enrol|totp")).await.error(), Some(StepError::NoSuchChoice));
}

#[tokio::test]
async fn promise_12_a_number_that_the_account_lost_is_no_factor_any_more() {
    let (bench, letters) = bench(on_file()).await;
    let mut login = bench.second("alice").await;
    login.choose("sms").await;
    let code = letters.last();
    let account = bench.users.by_login("alice").await.unwrap().unwrap().phone_number("+4915112345699", true);
    bench.users.import([account], Existing::Replace).await.unwrap();
    assert!(!matches!(login.answer(&Answer::code(code)).await, Step::Done(_)));
}
