//! After a compromise: what is asked for a time (RFC 9700 §4.14, attacks M25 and M34).

use std::time::Duration;

use countersign_mfa::{
    Answer, BrowserMarks, Caller, Compromised, FirstEnrolment, LoginRequest, Policy, PolicyInput, RefusedReason, Step,
};
use countersign_primitives::{BoxError, Requirement, Subject};

use crate::support::{Bench, Stop};

const DAY: Duration = Duration::from_secs(86_400);

fn alice() -> Subject {
    "u-1".into()
}

fn policy() -> Policy {
    Policy::never().first_enrolment(FirstEnrolment::ThisLogin).remember_device(Policy::REMEMBERED)
}

/// Whether the password alone lets somebody in.
async fn lets_in(bench: &Bench, name: &str, marks: &BrowserMarks) -> bool {
    let caller = Caller::new(bench.id()).marks(marks.clone());
    bench.password(LoginRequest::new(), caller, name).await.is_done()
}

#[tokio::test]
async fn rfc9700_4_14_after_a_compromise_the_owner_proves_a_factor_for_a_time_and_no_device_counts() {
    let bench = Bench::with(|builder| builder.policy(policy())).await;
    let (secret, _) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    login.answer(&Answer::Code { code: bench.code(&secret).into(), remember: true }).await;
    let marks = login.done().marks.clone();
    assert!(lets_in(&bench, "alice", &marks).await);
    let mark = bench.mfa.report_compromise(&alice(), "test.reported").await.unwrap().unwrap();
    assert_eq!(mark.until, mark.since.plus(Compromised::LASTS));
    assert_eq!(bench.mfa.compromised(&alice()).await.unwrap(), Some(mark));
    assert!(bench.mfa.remembered_devices().list(&alice()).await.unwrap().is_empty());
    assert!(!lets_in(&bench, "alice", &marks).await && lets_in(&bench, "bob", &marks).await);
    // A device that is remembered within that time counts no more than the others.
    bench.clock.advance(Duration::from_secs(60));
    let mut login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert!(matches!(&login.step, Step::Code(step) if !step.may_remember_device), "{:?}", login.step);
    login.answer(&Answer::Code { code: bench.code(&secret).into(), remember: true }).await;
    let marks = login.done().marks.clone();
    assert!(!lets_in(&bench, "alice", &marks).await);
    // Reported again it lasts from then on, and began when it began.
    bench.clock.advance(DAY);
    let again = bench.mfa.report_compromise(&alice(), "test.reported").await.unwrap().unwrap();
    assert_eq!((again.since, again.until > mark.until), (mark.since, true));
    bench.clock.advance(DAY * 7);
    assert_eq!(bench.mfa.compromised(&alice()).await.unwrap(), None);
    assert!(lets_in(&bench, "alice", &BrowserMarks::default()).await);
}

#[tokio::test]
async fn m25_after_a_compromise_nobody_sets_up_a_first_factor_by_the_password_alone() {
    let bench = Bench::with(|builder| builder.policy(policy())).await;
    bench.mfa.report_compromise(&alice(), "test.reported").await.unwrap();
    // Who has no factor is asked for none, and is not shut out for it.
    assert!(lets_in(&bench, "alice", &BrowserMarks::default()).await);
    let login = bench.second("alice").await;
    assert!(
        matches!(&login.step, Step::Refused(refused) if refused.reason == RefusedReason::UnmetAuthenticationRequirements),
        "{:?}",
        login.step
    );
    assert!(bench.mfa.clear_compromise(&alice()).await.unwrap());
    assert!(!bench.mfa.clear_compromise(&alice()).await.unwrap());
    assert!(matches!(bench.second("alice").await.step, Step::Enrol(_)));
}

#[tokio::test]
async fn a_rule_of_the_hosts_own_reads_it_and_a_policy_may_take_no_notice() {
    let rule = |asked: &PolicyInput<'_>| -> Result<Requirement, BoxError> {
        Ok(asked.compromised().map_or(Requirement::NONE, |_| Requirement::PHISHING_RESISTANT))
    };
    let bench = Bench::with(|builder| builder.policy(policy().rule(rule))).await;
    assert!(lets_in(&bench, "alice", &BrowserMarks::default()).await);
    bench.mfa.report_compromise(&alice(), "test.reported").await.unwrap();
    assert!(!lets_in(&bench, "alice", &BrowserMarks::default()).await);
    let careless = bench.engine_with(|builder| builder.policy(policy().after_compromise(Duration::ZERO))).await;
    assert_eq!(careless.report_compromise(&"u-2".into(), "test.reported").await.unwrap(), None);
    assert_eq!(careless.compromised(&"u-2".into()).await.unwrap(), None);
}

#[tokio::test]
async fn promise_14_what_cannot_be_noted_is_an_error_and_reports_at_once_are_all_heard() {
    let bench = Bench::with(|builder| builder.policy(policy())).await;
    bench.store.stop(Some(Stop::Before(0)));
    assert!(bench.mfa.report_compromise(&alice(), "test.reported").await.is_err());
    bench.store.stop(None);
    let owner = alice();
    let report = || bench.mfa.report_compromise(&owner, "test.reported");
    let (one, other, third) = tokio::join!(report(), report(), report());
    assert!([one, other, third].iter().all(|told| matches!(told, Ok(Some(_)))));
    assert!(bench.mfa.compromised(&owner).await.unwrap().is_some());
}
