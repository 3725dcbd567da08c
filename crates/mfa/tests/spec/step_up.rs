//! A step-up asks for what is missing and for nothing else (RFC 9470 §4, OpenID Connect Core §3.1.2.1): a table over how old each
//! factor is, how old it may be, and how much is asked.

use std::time::Duration;

use countersign_mfa::{Answer, Caller, FirstFactor, LoginHook, LoginOrder, LoginRequest, RefusedReason, Step};
use countersign_mfa_otp::TotpSecret;
use countersign_primitives::{Acr, Amr, BoxError, Clock, Requirement, SessionId, SignedIn, UnixTime};

use crate::support::{Bench, Login};

const YOUNG: u64 = 10;
const OLD: u64 = 1_000;

/// What is asked of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// `acr_values`: a wish.
    Wish(&'static [Acr]),
    Must(&'static Acr),
}

/// How old things may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Any,
    /// `max_age`, as the authorization server hands it over.
    Max(u64),
    /// The greatest age that a requirement has of its own.
    OfRequirement(u64),
    /// `prompt=login`.
    Anew,
}

impl Age {
    fn admits(self, age: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Max(most) | Self::OfRequirement(most) => age <= most,
            Self::Anew => false,
        }
    }
}

/// What must happen, worked out from the cell alone.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    password: bool,
    code: bool,
    acr: Option<&'static Acr>,
    /// How long ago `auth_time` is.
    since: u64,
}

fn expected(password: u64, factor: Option<u64>, age: Age, asked: Asked) -> Expected {
    let (young_password, young_factor) = (age.admits(password), factor.is_some_and(|factor| age.admits(factor)));
    let whole = young_password && factor.is_none_or(|_| young_factor);
    let two_before = factor.is_some();
    let needs_two = match asked {
        Asked::Wish(values) => values[0] == Acr::MFA,
        Asked::Must(acr) if *acr == Acr::MFA => true,
        // What a session had is renewed with it.
        Asked::Nothing | Asked::Must(_) => two_before && !whole,
    };
    let code = needs_two && !young_factor;
    let password_age = if young_password { password } else { 0 };
    let two = young_factor || code;
    let factor_age = if young_factor { factor.unwrap_or(0) } else { 0 };
    Expected {
        password: !young_password,
        code,
        acr: Some(if two { &Acr::MFA } else { &Acr::AAL1 }),
        since: if two { password_age.max(factor_age) } else { password_age },
    }
}

/// A session of which each factor is so old.
fn session(who: &str, now: UnixTime, password: u64, factor: Option<u64>, id: SessionId) -> SignedIn {
    let ago = |seconds| now.minus(Duration::from_secs(seconds));
    let who = SignedIn::new(who, ago(password)).amr([Amr::Pwd]).session(id);
    match factor {
        None => who.acr(Acr::AAL1),
        Some(factor) => {
            let completed = password.min(factor);
            who.proof(Amr::Otp, ago(factor)).proof(Amr::Mfa, ago(completed)).acr(Acr::MFA)
        }
    }
}

/// Answers whatever is asked, and says what it was.
async fn through(login: &mut Login<'_>, secret: &TotpSecret) -> (bool, bool) {
    let (mut password, mut code) = (false, false);
    loop {
        match &login.step {
            Step::Password(step) => {
                assert_eq!(step.login_hint.as_deref(), Some("alice"), "the form begins with whoever is signed in");
                assert!(!std::mem::replace(&mut password, true), "asked twice");
                login.answer(&Answer::password("alice", "alice-password")).await;
            }
            Step::Code(_) => {
                assert!(!std::mem::replace(&mut code, true), "asked twice");
                let typed = login.bench.code(secret);
                login.answer(&Answer::code(typed)).await;
            }
            _ => return (password, code),
        }
    }
}

#[tokio::test]
async fn rfc9470_4_each_cell_of_ages_and_classes_asks_only_for_what_is_missing() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let asks = [
        Asked::Nothing,
        Asked::Wish(&[Acr::MFA]),
        Asked::Wish(&[Acr::AAL1]),
        Asked::Must(&Acr::AAL1),
        Asked::Must(&Acr::MFA),
    ];
    let ages = [Age::Any, Age::Max(300), Age::Max(2_000), Age::Max(0), Age::OfRequirement(300), Age::Anew];
    let mut cells = 0;
    for password in [YOUNG, OLD] {
        for factor in [None, Some(YOUNG), Some(OLD)] {
            for age in ages {
                for asked in asks {
                    bench.clock.advance(Duration::from_secs(60)); // each code is used once
                    let now = bench.clock.now();
                    let who = session("u-1", now, password, factor, bench.id().into());
                    let mut requirement = match asked {
                        Asked::Must(acr) => Requirement::at_least(acr.clone()),
                        _ => Requirement::NONE,
                    };
                    if let Age::OfRequirement(most) = age {
                        requirement = requirement.max_age(Duration::from_secs(most));
                    }
                    let mut request = LoginRequest::new().requirement(requirement.clone()).who(who.clone());
                    if let Asked::Wish(values) = asked {
                        request = request.acr_values(values.to_vec());
                    }
                    match age {
                        Age::Max(most) => request = request.since(now.minus(Duration::from_secs(most))),
                        Age::Anew => request = request.since(now),
                        _ => {}
                    }
                    let caller = Caller::new(bench.id()).session(who.session_id().unwrap().clone());
                    let mut login = bench.begin(request, caller).await;
                    let asked_for = through(&mut login, &secret).await;
                    let (cell, done) = (format!("{password} {factor:?} {age:?} {asked:?}"), login.done());
                    let told = &done.signed_in;
                    let actual = Expected {
                        password: asked_for.0,
                        code: asked_for.1,
                        acr: [&Acr::MFA, &Acr::AAL1].into_iter().find(|acr| told.acr_value() == Some(acr)),
                        since: now.since(told.auth_time()).as_secs(),
                    };
                    assert_eq!(actual, expected(password, factor, age, asked), "{cell}: {told:?}");
                    assert_eq!(
                        told.amr_values().contains(&Amr::Mfa),
                        actual.acr == Some(&Acr::MFA),
                        "{cell}: {told:?}"
                    );
                    assert_eq!(told.session_id(), who.session_id(), "{cell}");
                    assert!(
                        requirement.class_met_by(told, &countersign_primitives::AcrTable::default(), now),
                        "{cell}"
                    );
                    cells += 1;
                }
            }
        }
    }
    assert_eq!(cells, 2 * 3 * 6 * 5);
}

#[tokio::test]
async fn promise_11_another_users_young_factor_does_not_count() {
    let bench = Bench::new().await;
    bench.enrol("alice").await;
    bench.enrol("bob").await;
    let now = bench.clock.now();
    // Alice's session, with a code of this minute and an old password; it is bob who signs in.
    let who = session("u-1", now, OLD, Some(YOUNG), bench.id().into());
    let caller = Caller::new(bench.id()).session(who.session_id().unwrap().clone());
    let since = now.minus(Duration::from_secs(300));
    let request = LoginRequest::new().requirement(Requirement::MFA).since(since).who(who.clone());
    let mut login = bench.begin(request, caller).await;
    login.answer(&Answer::password("bob", "bob-password")).await;
    let Step::Code(step) = &login.step else { panic!("bob has proven one factor: {:?}", login.step) };
    assert_eq!(step.method, "totp");
    // The same where nothing more is asked: nothing of her session is told of him.
    let caller = Caller::new(bench.id()).session(who.session_id().unwrap().clone());
    let request = LoginRequest::new().since(since).who(who.clone());
    let mut login = bench.begin(request, caller).await;
    login.answer(&Answer::password("bob", "bob-password")).await;
    let told = &login.done().signed_in;
    assert_eq!((told.subject().as_str(), told.acr_value()), ("u-2", Some(&Acr::AAL1)));
    assert_eq!((told.amr_values(), told.session_id()), (vec![Amr::Pwd], None));
}

#[tokio::test]
async fn promise_11_what_a_session_brought_ends_with_it_and_its_name_is_not_shown_to_the_next() {
    let bench = Bench::new().await;
    bench.enrol("alice").await;
    let now = bench.clock.now();
    let who = session("u-1", now, OLD, Some(YOUNG), bench.id().into());
    let (browser, session) = (bench.id(), who.session_id().unwrap().clone());
    let caller = Caller::new(browser).session(session.clone());
    let since = now.minus(Duration::from_secs(300));
    let request = LoginRequest::new().requirement(Requirement::MFA).since(since);
    let login = bench.begin(request.clone().who(who.clone()), caller.clone()).await;
    let Step::Password(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(step.login_hint.as_deref(), Some("alice"));
    // Another browser is told nothing at all.
    let stranger = Caller::new(bench.id()).session(session.clone());
    assert_eq!(bench.mfa.step(login.id, &stranger).await.unwrap_err().id(), "login_of_another_browser");
    // Signed out, the browser is told nothing of who was here, and the young code is gone with the session.
    let signed_out = Caller::new(browser);
    assert_eq!(bench.mfa.step(login.id, &signed_out).await.unwrap_err().id(), "login_expired");
    let right = Answer::password("alice", "alice-password");
    assert_eq!(bench.mfa.answer(login.id, &right, &signed_out).await.unwrap_err().id(), "login_expired");
    let step = bench.mfa.begin(login.id, request, &signed_out).await.unwrap();
    assert!(matches!(&step, Step::Password(step) if step.login_hint.is_none()), "{step:?}");
    let step = bench.mfa.answer(login.id, &right, &signed_out).await.unwrap();
    assert!(matches!(step, Step::Code(_)), "{step:?}");
}

#[tokio::test]
async fn m35_a_key_beside_a_password_does_not_say_who_signs_in_once_the_password_is_old() {
    let bench = Bench::new().await;
    bench.enrol("alice").await;
    let now = bench.clock.now();
    let ago = |seconds| now.minus(Duration::from_secs(seconds));
    let who = SignedIn::new("u-1", ago(OLD)).amr([Amr::Pwd]).proof(Amr::Hwk, ago(YOUNG)).acr(Acr::PHR);
    let request = LoginRequest::new().requirement(Requirement::MFA).since(ago(300)).who(who);
    let mut login = bench.begin(request, bench.browser()).await;
    assert!(matches!(login.step, Step::Password(_)), "{:?}", login.step);
    login.answer(&Answer::password("alice", "alice-password")).await;
    let told = &login.done().signed_in;
    assert_eq!(
        told.acr_value(),
        Some(&Acr::MFA),
        "which proof made the session phishing-resistant is not known any more"
    );
    assert_eq!(told.auth_time(), ago(YOUNG));
}

#[tokio::test]
async fn promise_8_a_session_in_part_too_old_reaches_nothing_that_its_user_cannot_prove_now() {
    let bench = Bench::new().await;
    bench.enrol("alice").await;
    let now = bench.clock.now();
    let ago = |seconds| now.minus(Duration::from_secs(seconds));
    let who = SignedIn::new("u-1", ago(OLD)).amr([Amr::Pwd]).proof(Amr::Hwk, ago(YOUNG)).acr(Acr::PHR);
    let request = LoginRequest::new().requirement(Requirement::PHISHING_RESISTANT).since(ago(300)).who(who);
    let mut login = bench.begin(request, bench.browser()).await;
    login.answer(&Answer::password("alice", "alice-password")).await;
    let Step::Refused(refused) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(refused.reason, RefusedReason::UnmetAuthenticationRequirements);
}

/// Wants the first factor of this minute.
struct Fresh;

#[async_trait::async_trait]
impl LoginHook for Fresh {
    async fn after_first_factor(&self, _: &FirstFactor<'_>) -> Result<LoginOrder, BoxError> {
        Ok(LoginOrder::proceed().require(Requirement::NONE.max_age(Duration::from_secs(60))))
    }
}

#[tokio::test]
async fn a_hook_that_finds_the_password_old_has_it_asked_again_and_the_young_code_stands() {
    let bench = Bench::with(|builder| builder.login_hook(Fresh)).await;
    bench.enrol("alice").await;
    let now = bench.clock.now();
    let who = session("u-1", now, OLD, Some(YOUNG), bench.id().into());
    let caller = Caller::new(bench.id()).session(who.session_id().unwrap().clone());
    let mut login = bench.begin(LoginRequest::new().requirement(Requirement::MFA).who(who), caller).await;
    let Step::Password(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(step.login_hint.as_deref(), Some("alice"));
    login.answer(&Answer::password("alice", "alice-password")).await;
    assert_eq!(login.done().signed_in.auth_time(), now.minus(Duration::from_secs(YOUNG)));
}
