//! A host's own word after the first factor: it can deny, require more and add claims, and never lower anything.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_mfa::{
    Answer, FirstEnrolment, FirstFactor, LoginHook, LoginOrder, LoginRequest, Policy, RefusedReason, Step,
};
use countersign_primitives::{Acr, Amr, BoxError, Clock, Requirement, SignedIn};

use crate::support::{Bench, from};

type Orders = Arc<Mutex<Box<dyn Fn(&FirstFactor<'_>) -> Result<LoginOrder, BoxError> + Send>>>;

/// Orders what a test tells it to, and counts how often it was asked.
#[derive(Clone)]
struct Told {
    orders: Orders,
    asked: Arc<AtomicUsize>,
}

impl Told {
    fn new(order: impl Fn(&FirstFactor<'_>) -> Result<LoginOrder, BoxError> + Send + 'static) -> Self {
        Self { orders: Arc::new(Mutex::new(Box::new(order))), asked: Arc::default() }
    }
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl LoginHook for Told {
    async fn after_first_factor(&self, login: &FirstFactor<'_>) -> Result<LoginOrder, BoxError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.orders.lock().unwrap()(login)
    }
}

async fn bench(hooks: impl IntoIterator<Item = Told>) -> Bench {
    let policy = Policy::never().first_enrolment(FirstEnrolment::ThisLogin);
    Bench::with(|builder| hooks.into_iter().fold(builder.policy(policy), countersign_mfa::MfaBuilder::login_hook)).await
}

fn refusal(step: &Step) -> Option<RefusedReason> {
    match step {
        Step::Refused(refused) => Some(refused.reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_hook_sees_who_signs_in_for_what_and_is_asked_once() {
    let hook = Told::new(|login| {
        assert_eq!((login.subject().as_str(), login.client_id()), ("u-1", Some("shop")));
        assert_eq!(login.account().and_then(countersign_accounts::Account::name), Some("alice"));
        assert_eq!(login.address(), Some([192, 0, 2, 7].into()));
        assert_eq!((login.requirement(), login.has_factor()), (&Requirement::MFA, false));
        assert_eq!(login.context(), "kept");
        Ok(LoginOrder::proceed())
    });
    let bench = bench([hook.clone()]).await;
    let request = LoginRequest::new().client_id("shop").requirement(Requirement::MFA).context("kept".into());
    let caller = from("192.0.2.7", &Default::default(), bench.id());
    let mut login = bench.begin(request, caller).await;
    login.answer(&Answer::password("alice", "wrong")).await;
    assert_eq!(hook.asked(), 0, "nobody is known yet");
    login.answer(&Answer::password("alice", "alice-password")).await;
    login.answer(&Answer::enrol("000000")).await;
    bench.mfa.step(login.id, &login.caller).await.unwrap();
    assert_eq!(hook.asked(), 1);
}

#[tokio::test]
async fn promise_8_a_hook_denies_whatever_else_was_proven() {
    let hook = Told::new(|_| Ok(LoginOrder::deny().require(Requirement::NONE)));
    let bench = bench([hook]).await;
    for request in [LoginRequest::new(), LoginRequest::new().requirement(Requirement::MFA)] {
        let mut login = bench.password(request, bench.browser(), "alice").await;
        assert_eq!(refusal(&login.step), Some(RefusedReason::AccessDenied));
        for answer in [Answer::Skip, Answer::enrol("000000"), Answer::password("alice", "alice-password")] {
            login.answer(&answer).await;
            assert_eq!(refusal(&login.step), Some(RefusedReason::AccessDenied), "{answer:?}");
        }
    }
    let causes: Vec<_> = bench.events.lock().unwrap().iter().filter_map(countersign_events::Event::cause).collect();
    assert!(causes.contains(&"denied_by_hook"), "{causes:?}");
}

#[tokio::test]
async fn promise_8_a_hook_requires_more_and_cannot_lower_what_else_requires() {
    let more = || Told::new(|_| Ok(LoginOrder::proceed().require(Requirement::MFA)));
    let less = || Told::new(|_| Ok(LoginOrder::proceed().require(Requirement::at_least(Acr::AAL1))));
    for (hooks, request) in [
        (vec![more()], Requirement::NONE),
        (vec![less(), more()], Requirement::NONE),
        (vec![more(), less()], Requirement::NONE),
        (vec![less()], Requirement::MFA),
        (
            vec![Told::new(|_| Ok(LoginOrder::proceed().require(Requirement::MFA).require(Requirement::NONE)))],
            Requirement::NONE,
        ),
    ] {
        let bench = bench(hooks).await;
        let request = LoginRequest::new().requirement(request);
        let login = bench.password(request, bench.browser(), "alice").await;
        assert!(matches!(login.step, Step::Enrol(_)), "{:?}", login.step);
    }
    let bench = bench([Told::new(|_| Ok(LoginOrder::proceed().require(Requirement::PHISHING_RESISTANT)))]).await;
    let login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert_eq!(refusal(&login.step), Some(RefusedReason::UnmetAuthenticationRequirements));
}

#[tokio::test]
async fn promise_8_what_a_hook_requires_holds_for_what_a_session_brings_along() {
    let hook = Told::new(|_| Ok(LoginOrder::proceed().require(Requirement::MFA.max_age(Duration::from_secs(60)))));
    let bench = bench([hook.clone()]).await;
    let long_ago = bench.clock.now();
    bench.clock.advance(Duration::from_secs(61));
    let session = SignedIn::new("u-1", long_ago).amr([Amr::Pwd, Amr::Otp]).acr(Acr::MFA);
    let mut login = bench.begin(LoginRequest::new().who(session.clone()), bench.browser()).await;
    assert!(matches!(login.step, Step::Password(_)), "all of it is too old: {:?}", login.step);
    // Somebody else signs in: nothing of the session is his.
    login.answer(&Answer::password("bob", "bob-password")).await;
    let Step::Enrol(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(step.account, "bob");
    bench.clock.advance(Duration::from_secs(60));
    // Young enough.
    let session = SignedIn::new("u-1", bench.clock.now()).amr([Amr::Pwd, Amr::Otp]).acr(Acr::MFA);
    assert!(bench.begin(LoginRequest::new().who(session), bench.browser()).await.is_done());
}

#[tokio::test]
async fn promise_14_a_hook_that_fails_lets_nobody_in_and_no_other_hook_helps() {
    let failing = || Told::new(|_| Err("the directory is down".into()));
    let unranked =
        Told::new(|_| Ok(LoginOrder::proceed().require(Requirement::at_least(Acr::new("urn:example:unknown")))));
    let reserved = Told::new(|_| Ok(LoginOrder::proceed().claim("sub", "u-2")?));
    let fine = || Told::new(|_| Ok(LoginOrder::proceed()));
    for hooks in [vec![failing()], vec![fine(), failing()], vec![failing(), fine()], vec![unranked], vec![reserved]] {
        let bench = bench(hooks).await;
        let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
        let error = login.try_answer(&Answer::password("alice", "alice-password")).await.unwrap_err();
        assert_eq!((error.id(), error.status(), error.code()), ("hook_failed", 503, "temporarily_unavailable"));
        assert!(!matches!(bench.mfa.step(login.id, &login.caller).await, Ok(Step::Done(_))));
        let session = SignedIn::new("u-1", bench.clock.now()).amr([Amr::Pwd, Amr::Otp]).acr(Acr::MFA);
        let (id, caller) = (countersign_mfa::LoginId(bench.id()), bench.browser());
        let begun = bench.mfa.begin(id, LoginRequest::new().who(session), &caller);
        assert_eq!(begun.await.unwrap_err().id(), "hook_failed");
    }
}

#[tokio::test]
async fn claims_of_hooks_go_with_the_login_and_of_two_the_later_counts() {
    let first = Told::new(|_| Ok(LoginOrder::proceed().claim("department", "Sales")?.claim("floor", 3)?));
    let second = Told::new(|_| Ok(LoginOrder::proceed().claim("floor", 4)?));
    let bench = bench([first, second]).await;
    let login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    let who = &login.done().signed_in;
    assert_eq!(who.claims().iter().count(), 2);
    assert_eq!((who.claims().get("department"), who.claims().get("floor")), (Some(&"Sales".into()), Some(&4.into())));
    // A step-up keeps what the session learnt.
    let session = who.clone().with_claims(who.claims().clone().claim("from", "upstream").unwrap());
    let login = bench.begin(LoginRequest::new().who(session), bench.browser()).await;
    assert_eq!(login.done().signed_in.claims().get("from"), Some(&"upstream".into()));
}
