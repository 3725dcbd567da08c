//! Policies as values: who is asked for what, and who may put it off (promise 8).

use std::time::Duration;

use countersign_accounts::Account;
use countersign_mfa::{
    Answer, Existing, FirstEnrolment, LoginRequest, Mfa, MfaConfigError, Policy, PolicyInput, Step, Totp,
};
use countersign_primitives::{Acr, AcrClass, AcrTable, BoxError, Clock, Requirement, SignedIn};
use countersign_storage_memory::MemoryStore;

use crate::support::{Bench, Login, NOW, key};

const DAY: Duration = Duration::from_secs(86_400);

async fn under(policy: Policy) -> Bench {
    Bench::with(|builder| builder.policy(policy.first_enrolment(FirstEnrolment::ThisLogin))).await
}

/// Until when the user may put off what the step asks him to set up.
fn skip_until(step: &Step) -> Option<u64> {
    match step {
        Step::Enrol(step) => step.skip_until.map(countersign_primitives::UnixTime::as_secs),
        Step::Choose(step) => step.skip_until.map(countersign_primitives::UnixTime::as_secs),
        _ => None,
    }
}

async fn skips(login: &mut Login<'_>) -> bool {
    login.answer(&Answer::Skip).await;
    login.is_done()
}

#[tokio::test]
async fn promise_8_of_policy_group_user_rule_and_request_the_strictest_counts() {
    let (none, two) = (Requirement::NONE, Requirement::MFA);
    for case in 0..32_u8 {
        let ask = |bit: u8| if case & (1 << bit) == 0 { none.clone() } else { two.clone() };
        let (everybody, group, user, ruled, request) = (ask(0), ask(1), ask(2), ask(3), ask(4));
        let rule = move |input: &PolicyInput<'_>| -> Result<Requirement, BoxError> {
            Ok(if input.client_id() == Some("ruled") { ruled.clone() } else { Requirement::NONE })
        };
        let policy = Policy::of_everybody(everybody).group("alices", group).user("u-1", user).rule(rule);
        let bench = under(policy).await;
        let request = LoginRequest::new().requirement(request).client_id("ruled");
        let login = bench.password(request, bench.browser(), "alice").await;
        assert_eq!(login.is_done(), case == 0, "{case:05b}: {:?}", login.step);
        // What was asked of alice alone is not asked of bob.
        let login = bench.password(LoginRequest::new(), bench.browser(), "bob").await;
        assert_eq!(login.is_done(), case & 1 == 0, "{case:05b}: {:?}", login.step);
    }
}

#[tokio::test]
async fn promise_8_only_a_phishing_resistant_factor_will_do_where_the_policy_says_so() {
    let key = key();
    let builder = Mfa::builder(MemoryStore::new(), &key).factor(Totp::new("A")).policy(Policy::phishing_resistant());
    let error = builder.build().await.unwrap_err();
    assert!(matches!(&error, MfaConfigError::Unreachable(acr) if acr == "phr"), "{error}");
}

#[tokio::test]
async fn promise_14_a_rule_that_fails_lets_nobody_in() {
    let failing = |_: &PolicyInput<'_>| -> Result<Requirement, BoxError> { Err("the directory is down".into()) };
    let unranked = |_: &PolicyInput<'_>| -> Result<Requirement, BoxError> {
        Ok(Requirement::at_least(Acr::new("urn:example:unknown")))
    };
    for policy in [Policy::never().rule(failing), Policy::never().rule(unranked)] {
        let bench = under(policy).await;
        let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
        let error = login.try_answer(&Answer::password("alice", "alice-password")).await.unwrap_err();
        assert_eq!((error.id(), error.status()), ("policy_failed", 503));
        assert!(matches!(bench.mfa.step(login.id, &login.caller).await.unwrap(), Step::Password(_)));
    }
}

#[tokio::test]
async fn who_has_no_factor_may_put_it_off_until_the_time_is_over() {
    let bench = under(Policy::never().grace(14 * DAY)).await;
    let until = NOW.plus(14 * DAY).as_secs();
    for _ in 0..2 {
        let mut login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
        assert_eq!(skip_until(&login.step), Some(until), "{:?}", login.step);
        assert!(skips(&mut login).await);
        assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::AAL1));
        bench.clock.advance(7 * DAY - Duration::from_secs(1));
    }
    // A second before the end.
    bench.clock.advance(Duration::from_secs(1));
    let mut login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert!(skips(&mut login).await);
    bench.clock.advance(Duration::from_secs(1));
    let mut login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert!(matches!(login.step, Step::Enrol(_)) && skip_until(&login.step).is_none(), "{:?}", login.step);
    assert!(!skips(&mut login).await && matches!(login.step, Step::Enrol(_)), "{:?}", login.step);
    bench.enrol("alice").await;
    // A policy that wants everybody to have one asks for it at no login by itself.
    assert!(bench.password(LoginRequest::new(), bench.browser(), "alice").await.is_done());
}

#[tokio::test]
async fn promise_8_nothing_that_something_requires_can_be_put_off() {
    let grace = || Policy::never().grace(14 * DAY);
    let rule = |_: &PolicyInput<'_>| -> Result<Requirement, BoxError> { Ok(Requirement::MFA) };
    let plain = LoginRequest::new;
    for (policy, request) in [
        (grace(), plain().requirement(Requirement::MFA)),
        (grace(), plain().acr_values([Acr::MFA])),
        (grace().group("alices", Requirement::MFA), plain()),
        (grace().user("u-1", Requirement::MFA), plain()),
        (grace().rule(rule), plain()),
    ] {
        let bench = under(policy.clone()).await;
        let mut login = bench.password(request, bench.browser(), "alice").await;
        assert!(skip_until(&login.step).is_none(), "{policy:?}: {:?}", login.step);
        assert!(!skips(&mut login).await && matches!(login.step, Step::Enrol(_)), "{policy:?}: {:?}", login.step);
    }
}

#[tokio::test]
async fn promise_8_the_time_begins_once_and_a_reset_does_not_begin_it_again() {
    let bench = under(Policy::always().grace(DAY)).await;
    let mut login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert!(skips(&mut login).await, "of everybody a factor is asked, and who has none may put that off");
    let (secret, _) = bench.enrol("alice").await;
    let mut login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert!(!skips(&mut login).await && matches!(login.step, Step::Code(_)), "who has one is asked: {:?}", login.step);
    login.answer(&Answer::code(bench.code(&secret))).await;
    assert!(login.is_done());
    bench.clock.advance(DAY);
    bench.mfa.authenticators().reset(&"u-1".into()).await.unwrap();
    let mut login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert!(!skips(&mut login).await && matches!(login.step, Step::Enrol(_)), "{:?}", login.step);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn promise_8_of_many_logins_that_meet_a_user_at_once_one_begins_the_time() {
    let bench = under(Policy::never().grace(DAY)).await;
    let request = || LoginRequest::new().requirement(Requirement::NONE);
    let logins =
        futures_util::future::join_all((0..8).map(|_| bench.password(request(), bench.browser(), "alice"))).await;
    let times: Vec<_> = logins.iter().map(|login| skip_until(&login.step)).collect();
    assert_eq!(times, vec![Some(NOW.plus(DAY).as_secs()); 8]);
    bench.clock.advance(DAY);
    let late = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert_eq!(skip_until(&late.step), None, "{:?}", late.step);
}

#[tokio::test]
async fn promise_8_a_skip_is_worth_nothing_where_it_is_not_offered() {
    let bench = under(Policy::never().grace(DAY)).await;
    let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
    assert!(!skips(&mut login).await && matches!(login.step, Step::Password(_)), "before anything is proven");
    bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    assert!(!skips(&mut login).await && matches!(login.step, Step::Code(_)), "in place of a code");
    // A skip of one login is none of another's.
    let mut skipped = bench.password(LoginRequest::new(), bench.browser(), "bob").await;
    assert!(skips(&mut skipped).await);
    assert!(!bench.password(LoginRequest::new(), bench.browser(), "bob").await.is_done());
    // Recovery codes are kept first.
    let mut login = bench.password(LoginRequest::new(), bench.browser(), "bob").await;
    let secret = crate::support::secret_of(&login.step);
    login.answer(&Answer::enrol(bench.code(&secret))).await;
    assert!(!skips(&mut login).await && matches!(login.step, Step::RecoveryCodes(_)), "{:?}", login.step);
}

#[tokio::test]
async fn m25_a_session_that_somebody_finds_is_not_asked_to_set_up_a_factor() {
    let bench = under(Policy::never().grace(DAY)).await;
    let since = bench.clock.now();
    bench.clock.advance(Duration::from_secs(3_600));
    let session = SignedIn::new("u-1", since).amr([countersign_primitives::Amr::Pwd]).acr(Acr::AAL1);
    let login = bench.begin(LoginRequest::new().who(session), bench.browser()).await;
    assert!(login.is_done(), "{:?}", login.step);
}

#[tokio::test]
async fn a_policy_that_nobody_could_follow_is_told_at_start() {
    let key = key();
    let builder = Mfa::builder(MemoryStore::new(), &key).factor(Totp::new("A"));
    let closed = builder.policy(Policy::never().grace(DAY).first_enrolment(FirstEnrolment::Closed)).build().await;
    assert!(matches!(closed, Err(MfaConfigError::GraceWithoutEnrolment)), "{closed:?}");
    let grace = Policy::never().grace(DAY).first_enrolment(FirstEnrolment::ThisLogin);
    let no_factor = Mfa::builder(MemoryStore::new(), &key).policy(grace).build().await;
    assert!(matches!(no_factor, Err(MfaConfigError::Unreachable(_))), "{no_factor:?}");
    let of_user = Policy::never().user("u-1", Requirement::PHISHING_RESISTANT);
    let error = Mfa::builder(MemoryStore::new(), &key).factor(Totp::new("A")).policy(of_user).build().await;
    assert!(matches!(error, Err(MfaConfigError::Unreachable(_))), "{error:?}");
}

#[tokio::test]
async fn rfc9470_4_a_login_states_the_hosts_own_names_of_its_classes() {
    let class = |value, strength| AcrClass { value: Acr::from_static(value), strength, max_age: None };
    let table = AcrTable::new([class("urn:silver", 1), class("urn:gold", 2)]);
    let bench = Bench::with(|builder| builder.acr_table(table)).await;
    assert_eq!(bench.mfa.acr_values(), ["urn:silver", "urn:gold"].map(Acr::new));
    let login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::new("urn:silver")));
    let (secret, _) = bench.enrol("alice").await;
    for request in [
        LoginRequest::new().requirement(Requirement::MFA),
        LoginRequest::new().acr_values([Acr::new("urn:gold")]),
        LoginRequest::new().requirement(Requirement::at_least(Acr::new("urn:gold"))),
    ] {
        let mut login = bench.password(request, bench.browser(), "alice").await;
        login.answer(&Answer::code(bench.code(&secret))).await;
        let who = login.done().signed_in.clone();
        assert_eq!(who.acr_value(), Some(&Acr::new("urn:gold")));
        // A session of that name is worth as much as it was.
        assert!(
            bench.begin(LoginRequest::new().requirement(Requirement::MFA).who(who), bench.browser()).await.is_done()
        );
        bench.clock.advance(Duration::from_secs(60));
    }
    let unknown = LoginRequest::new().acr_values([Acr::MFA]);
    assert!(bench.password(unknown, bench.browser(), "alice").await.is_done(), "a name that is not in the table");
}

#[tokio::test]
async fn a_new_group_counts_at_the_next_step() {
    let bench = under(Policy::never().group("admin", Requirement::MFA)).await;
    let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
    let alice = countersign_accounts::Accounts::by_login(&bench.users, "alice").await.unwrap().unwrap();
    bench.users.import([Account::group(alice, "admin")], Existing::Replace).await.unwrap();
    login.answer(&Answer::password("alice", "alice-password")).await;
    assert!(matches!(login.step, Step::Enrol(_)), "{:?}", login.step);
}
