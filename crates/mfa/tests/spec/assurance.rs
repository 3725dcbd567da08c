//! How much must be proven, and what is then stated (OpenID Connect Core §2, §3.1.2.1, RFC 9470).

use std::time::Duration;

use countersign_mfa::{Answer, FirstEnrolment, LoginRequest, Mfa, MfaConfigError, Policy, RefusedReason, Step, Totp};
use countersign_primitives::{Acr, Amr, Requirement, SignedIn};
use countersign_storage_memory::MemoryStore;

use crate::support::{Bench, NOW, key};

fn refusal(step: &Step) -> Option<RefusedReason> {
    match step {
        Step::Refused(refused) => Some(refused.reason),
        _ => None,
    }
}

#[tokio::test]
async fn oidc_core_2_a_password_login_states_aal1_and_when() {
    let bench = Bench::new().await;
    bench.clock.advance(Duration::from_secs(5));
    let login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    let who = &login.done().signed_in;
    assert_eq!((who.acr_value(), who.amr_values()), (Some(&Acr::AAL1), vec![Amr::Pwd]));
    assert_eq!(who.auth_time(), NOW.plus(Duration::from_secs(5)));
}

#[tokio::test]
async fn promise_8_policy_client_and_group_each_ask_for_a_second_factor() {
    let policies = [
        (Policy::always(), Requirement::NONE),
        (Policy::never(), Requirement::MFA),
        (Policy::never().group("alices", Requirement::MFA), Requirement::NONE),
    ];
    for (policy, requirement) in policies {
        let bench =
            Bench::with(|builder| builder.policy(policy.clone().first_enrolment(FirstEnrolment::ThisLogin))).await;
        let request = LoginRequest::new().requirement(requirement);
        let login = bench.password(request.clone(), bench.browser(), "alice").await;
        assert!(matches!(login.step, Step::Enrol(_)), "{policy:?}: {:?}", login.step);
        bench.enrol("alice").await;
        let login = bench.password(request, bench.browser(), "alice").await;
        assert!(matches!(login.step, Step::Code(_)), "{policy:?}: {:?}", login.step);
    }
}

#[tokio::test]
async fn promise_8_where_nothing_may_be_set_up_the_login_is_refused() {
    let bench = Bench::with(|builder| builder.policy(Policy::always())).await;
    let login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert_eq!(refusal(&login.step), Some(RefusedReason::UnmetAuthenticationRequirements));
    let reload = bench.mfa.step(login.id, &login.caller).await.unwrap();
    assert_eq!(refusal(&reload), Some(RefusedReason::UnmetAuthenticationRequirements));
}

#[tokio::test]
async fn promise_8_what_no_factor_reaches_is_refused_and_a_factor_set_up_here_is_never_phishing_resistant() {
    let bench = Bench::new().await;
    for need in [Requirement::PHISHING_RESISTANT, Requirement::at_least(Acr::new("urn:example:unknown"))] {
        let login = bench.password(LoginRequest::new().requirement(need), bench.browser(), "alice").await;
        assert_eq!(refusal(&login.step), Some(RefusedReason::UnmetAuthenticationRequirements));
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_of_acr_values_the_most_preferred_that_is_reachable_is_asked() {
    let bench = Bench::new().await;
    let wish = |values: &[Acr]| LoginRequest::new().acr_values(values.to_vec());
    // Without a factor: a listed value that is reachable without setting one up is enough.
    let login = bench.password(wish(&[Acr::PHR, Acr::MFA, Acr::AAL1]), bench.browser(), "alice").await;
    assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::AAL1));
    // None is: one is set up.
    let login = bench.password(wish(&[Acr::PHR, Acr::MFA]), bench.browser(), "alice").await;
    assert!(matches!(login.step, Step::Enrol(_)), "{:?}", login.step);
    // Unknown values are ignored, and what cannot be reached at all does not stop anybody.
    for values in [&[Acr::new("urn:unknown")][..], &[Acr::PHR]] {
        assert!(bench.password(wish(values), bench.browser(), "alice").await.is_done(), "{values:?}");
    }
    // With a factor: it is asked for the most preferred.
    let (secret, _) = bench.enrol("alice").await;
    let mut login = bench.password(wish(&[Acr::PHR, Acr::AAL2, Acr::AAL1]), bench.browser(), "alice").await;
    login.answer(&Answer::code(bench.code(&secret))).await;
    assert_eq!(
        login.done().signed_in.acr_value(),
        Some(&Acr::AAL2),
        "of two names for one strength, the one asked for"
    );
    let login = bench.password(wish(&[Acr::AAL1, Acr::MFA]), bench.browser(), "alice").await;
    assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::AAL1));
}

#[tokio::test]
async fn rfc9470_a_step_up_asks_only_for_what_is_missing() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let subject = bench.subject_of("alice").await;
    let since = countersign_primitives::Clock::now(&bench.clock);
    let session = SignedIn::new(subject, since).amr([Amr::Pwd]).acr(Acr::AAL1).session(bench.id());
    bench.clock.advance(Duration::from_secs(120));
    let request = LoginRequest::new().requirement(Requirement::MFA).who(session.clone());
    let mut login = bench.begin(request, bench.browser()).await;
    assert!(matches!(login.step, Step::Code(_)), "{:?}", login.step);
    login.answer(&Answer::code(bench.code(&secret))).await;
    let who = &login.done().signed_in;
    assert_eq!(who.acr_value(), Some(&Acr::MFA));
    assert_eq!(who.auth_time(), since, "the oldest factor that the class rests on");
    assert_eq!(who.session_id(), session.session_id());
    // Nothing is missing: done at once, as it came.
    let login = bench.begin(LoginRequest::new().who(session.clone()), bench.browser()).await;
    assert_eq!(login.done().signed_in, session);
}

#[tokio::test]
async fn oidc_core_3_1_2_1_what_is_older_than_max_age_is_asked_anew() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let subject = bench.subject_of("alice").await;
    let long_ago = countersign_primitives::Clock::now(&bench.clock);
    bench.clock.advance(Duration::from_secs(301));
    let session = SignedIn::new(subject, long_ago).amr([Amr::Pwd, Amr::Otp]).acr(Acr::MFA);
    let fresh = Requirement::MFA.max_age(Duration::from_secs(300));
    let mut login = bench.begin(LoginRequest::new().requirement(fresh).who(session.clone()), bench.browser()).await;
    assert!(matches!(login.step, Step::Password(_)), "{:?}", login.step);
    login.answer(&Answer::password("alice", "alice-password")).await;
    login.answer(&Answer::code(bench.code(&secret))).await;
    assert!(login.done().signed_in.auth_time() > long_ago);
    // prompt=login
    let now = countersign_primitives::Clock::now(&bench.clock);
    let login = bench.begin(LoginRequest::new().since(now).who(session), bench.browser()).await;
    assert!(matches!(login.step, Step::Password(_)), "{:?}", login.step);
}

#[tokio::test]
async fn m35_of_a_session_only_what_is_young_enough_counts() {
    let bench = Bench::new().await;
    bench.enrol("alice").await;
    let subject = bench.subject_of("alice").await;
    let now = countersign_primitives::Clock::now(&bench.clock);
    let old = now.minus(Duration::from_secs(1_000));
    // A fresh one-time code without a fresh password does not say who somebody is.
    let session = SignedIn::new(subject.clone(), old).amr([Amr::Pwd]).proof(Amr::Otp, now).acr(Acr::MFA);
    let since = now.minus(Duration::from_secs(500));
    let login = bench.begin(LoginRequest::new().since(since).who(session), bench.browser()).await;
    assert!(matches!(login.step, Step::Password(_)), "{:?}", login.step);
    // A fresh password beside an old code: the code is asked again.
    let session = SignedIn::new(subject, now).amr([Amr::Pwd]).proof(Amr::Otp, old).acr(Acr::MFA);
    let request = LoginRequest::new().since(since).requirement(Requirement::MFA).who(session);
    let login = bench.begin(request, bench.browser()).await;
    assert!(matches!(login.step, Step::Code(_)), "{:?}", login.step);
}

#[tokio::test]
async fn nist_sp800_63b_aal2_of_a_day_ago_is_asked_anew() {
    let bench = Bench::new().await;
    bench.enrol("alice").await;
    let subject = bench.subject_of("alice").await;
    let old = countersign_primitives::Clock::now(&bench.clock).minus(Duration::from_secs(25 * 3_600));
    let session = SignedIn::new(subject, old).amr([Amr::Pwd, Amr::Otp]).acr(Acr::MFA);
    let request = LoginRequest::new().requirement(Requirement::at_least(Acr::AAL2)).who(session.clone());
    assert!(matches!(bench.begin(request, bench.browser()).await.step, Step::Password(_)));
    let request = LoginRequest::new().requirement(Requirement::MFA).who(session);
    assert!(bench.begin(request, bench.browser()).await.is_done());
}

#[tokio::test]
async fn promise_12_an_account_that_is_barred_meanwhile_goes_no_further() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    let alice = countersign_accounts::Accounts::by_login(&bench.users, "alice").await.unwrap().unwrap();
    bench.users.import([alice.disabled()], countersign_mfa::Existing::Replace).await.unwrap();
    login.answer(&Answer::code(bench.code(&secret))).await;
    assert_eq!(refusal(&login.step), Some(RefusedReason::AccessDenied));
}

#[tokio::test]
async fn answers_to_other_steps_change_nothing() {
    let bench = Bench::new().await;
    let mut login = bench.begin(LoginRequest::new().requirement(Requirement::MFA), bench.browser()).await;
    let others = [Answer::code("123456"), Answer::enrol("123456"), Answer::RecoveryCodes, Answer::choose("totp|dev_x")];
    for answer in &others {
        assert!(matches!(login.answer(answer).await, Step::Password(_)), "{answer:?}");
    }
    login.answer(&Answer::password("alice", "alice-password")).await;
    login.answer(&Answer::password("bob", "bob-password")).await;
    let Step::Enrol(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(step.account, "alice", "a login stays whose it is");
    let consent = Answer::Consent(countersign_mfa::ConsentAnswer::AllowAll);
    assert_eq!(login.try_answer(&consent).await.unwrap_err().id(), "not_a_login_answer");
}

#[tokio::test]
async fn a_host_that_checks_passwords_itself_brings_who_signed_in() {
    let bench = Bench::new().await;
    let mfa = Mfa::builder(bench.store.clone(), &key())
        .realm("https://app.example.com")
        .factor(Totp::new("Example"))
        .policy(Policy::always().first_enrolment(FirstEnrolment::ThisLogin))
        .clock(std::sync::Arc::new(bench.clock.clone()))
        .build()
        .await
        .unwrap();
    let caller = bench.browser();
    let who = SignedIn::new("u-9", NOW).amr([Amr::Pwd]);
    let id = countersign_mfa::LoginId(bench.id());
    let step = mfa.begin(id, LoginRequest::new().who(who), &caller).await.unwrap();
    let secret = crate::support::secret_of(&step);
    let step = mfa.answer(id, &Answer::enrol(bench.code(&secret)), &caller).await.unwrap();
    assert!(matches!(step, Step::RecoveryCodes(_)));
    let step = mfa.answer(id, &Answer::RecoveryCodes, &caller).await.unwrap();
    let Step::Done(done) = step else { panic!("{step:?}") };
    assert_eq!(done.signed_in.acr_value(), Some(&Acr::MFA));
    // Without anybody there is nothing to begin with.
    let step = mfa.begin(countersign_mfa::LoginId(bench.id()), LoginRequest::new(), &caller).await.unwrap();
    assert_eq!(refusal(&step), Some(RefusedReason::UnmetAuthenticationRequirements));
}

#[tokio::test]
async fn what_cannot_work_is_an_error_at_start() {
    let key = key();
    let built = async |policy: Policy| Mfa::builder(MemoryStore::new(), &key).policy(policy).build().await.err();
    assert!(built(Policy::never()).await.is_none());
    let always = built(Policy::always()).await;
    assert!(matches!(&always, Some(MfaConfigError::Unreachable(acr)) if acr == Acr::MFA.as_str()), "{always:?}");
    let phr = built(Policy::never().group("admin", Requirement::PHISHING_RESISTANT)).await;
    assert!(matches!(&phr, Some(MfaConfigError::Unreachable(acr)) if acr == "phr"), "{phr:?}");
    let twice = Mfa::builder(MemoryStore::new(), &key).factor(Totp::new("A")).factor(Totp::new("B")).build().await;
    assert!(matches!(twice, Err(MfaConfigError::MethodTwice(method)) if method == "totp"));
    let mfa = Mfa::builder(MemoryStore::new(), &key).factor(Totp::new("A")).build().await.unwrap();
    assert_eq!(mfa.acr_values(), [Acr::AAL1, Acr::MFA, Acr::AAL2]);
    assert_eq!(mfa.methods().map(countersign_mfa::Method::name).collect::<Vec<_>>(), ["totp"]);
}
