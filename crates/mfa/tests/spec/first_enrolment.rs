//! Who may set up a first factor in a login: what a stolen password can do with it decides (attack M25).

use std::time::Duration;

use countersign_accounts::Accounts as _;
use countersign_mfa::{
    Answer, AuthenticatorsError, Existing, FirstEnrolment, LoginRequest, Mfa, MfaConfigError, Policy, RefusedReason,
    Step, StepError, Totp,
};
use countersign_primitives::{Acr, Amr, Clock, Requirement, SignedIn};
use countersign_storage_memory::MemoryStore;

use crate::letterbox::{Letterbox, bench_with, wrong};
use crate::support::{Bench, Login, codes_of, key, secret_of};

const DAY: Duration = Duration::from_secs(86_400);

/// Alice has a verified mail address and phone number, bob has none that is verified.
async fn by_channel(policy: Policy) -> (Bench, Letterbox) {
    let (bench, letters) = bench_with(|builder| builder.policy(policy)).await;
    for (name, verified) in [("alice", true), ("bob", false)] {
        let account = bench.users.by_login(name).await.unwrap().unwrap();
        let account = account.email(format!("{name}@example.com"), verified).phone_number("+4915112345623", verified);
        bench.users.import([account], Existing::Replace).await.unwrap();
    }
    (bench, letters)
}

async fn by_invitation() -> Bench {
    let policy = Policy::never().first_enrolment(FirstEnrolment::Invitation);
    Bench::with(|builder| builder.policy(policy)).await
}

fn refusal(step: &Step) -> Option<RefusedReason> {
    match step {
        Step::Refused(refused) => Some(refused.reason),
        _ => None,
    }
}

/// Sets up an authenticator app at a login that offers it.
async fn set_up(login: &mut Login<'_>) {
    if matches!(login.step, Step::Choose(_)) {
        login.choose("totp").await;
    }
    let secret = secret_of(&login.step);
    let code = login.bench.code(&secret);
    login.answer(&Answer::enrol(code)).await;
    assert!(!codes_of(&login.step).is_empty());
    login.answer(&Answer::RecoveryCodes).await;
}

#[tokio::test]
async fn m25_by_default_a_code_to_a_verified_address_opens_the_way_to_a_first_factor() {
    let (bench, letters) = by_channel(Policy::never()).await;
    let mut login = bench.second("alice").await;
    assert!(matches!(login.step, Step::Choose(_)), "by one of them: {:?}", login.step);
    let Step::Code(step) = login.choose("email").await else { panic!("{:?}", login.step) };
    assert_eq!(step.to.as_deref(), Some("a***@example.com"));
    assert_eq!(login.answer(&Answer::code(wrong(&letters.last()))).await.error(), Some(StepError::WrongCode));
    login.answer(&Answer::code(letters.last())).await;
    assert!(!login.is_done(), "the code proves nothing beside the password: {:?}", login.step);
    set_up(&mut login).await;
    let who = &login.done().signed_in;
    assert_eq!((who.acr_value(), who.amr_values()), (Some(&Acr::MFA), vec![Amr::Pwd, Amr::Otp, Amr::Mfa]));
    // From then on the factor is asked, and the address opens nothing.
    let login = bench.second("alice").await;
    assert!(matches!(&login.step, Step::Code(step) if step.method == "totp" && step.or.len() == 1), "{:?}", login.step);
}

#[tokio::test]
async fn m25_a_stolen_password_sets_nothing_up_without_the_code() {
    let (bench, letters) = by_channel(Policy::never()).await;
    let mut thief = bench.second("alice").await;
    thief.choose("email").await;
    for answer in [Answer::enrol("000000"), Answer::choose("enrol|totp"), Answer::Skip, Answer::RecoveryCodes] {
        thief.answer(&answer).await;
        assert!(matches!(&thief.step, Step::Code(step) if step.method == "email"), "{answer:?}: {:?}", thief.step);
    }
    // What the owner was sent opens the owner's login, not the thief's.
    let owners = letters.last();
    bench.clock.advance(Duration::from_secs(60));
    let mut owner = bench.second("alice").await;
    owner.choose("email").await;
    assert_eq!(owner.answer(&Answer::code(owners)).await.error(), Some(StepError::WrongCode));
    owner.answer(&Answer::code(letters.last())).await;
    set_up(&mut owner).await;
    assert!(owner.is_done());
    let step = bench.mfa.step(thief.id, &thief.caller).await.unwrap();
    assert!(matches!(&step, Step::Code(step) if step.method == "totp"), "the owner's factor is asked: {step:?}");
}

#[tokio::test]
async fn m25_without_a_verified_address_or_a_sender_nothing_can_be_set_up() {
    let (bench, letters) = by_channel(Policy::never()).await;
    let login = bench.second("bob").await;
    assert_eq!(refusal(&login.step), Some(RefusedReason::UnmetAuthenticationRequirements));
    assert_eq!(letters.count(), 0);
    let plain = Bench::with(|builder| builder.policy(Policy::never())).await;
    let login = plain.second("alice").await;
    assert_eq!(refusal(&login.step), Some(RefusedReason::UnmetAuthenticationRequirements));
    let key = key();
    let grace = Mfa::builder(MemoryStore::new(), &key).factor(Totp::new("A")).policy(Policy::never().grace(DAY));
    assert!(matches!(grace.build().await, Err(MfaConfigError::GraceWithoutEnrolment)));
}

#[tokio::test]
async fn m25_an_address_that_the_account_lost_meanwhile_opens_nothing() {
    let (bench, letters) = by_channel(Policy::never()).await;
    let mut login = bench.second("alice").await;
    login.choose("email").await;
    login.answer(&Answer::code(letters.last())).await;
    let account = bench.users.by_login("alice").await.unwrap().unwrap();
    bench.users.import([account.email("new@example.com", true)], Existing::Replace).await.unwrap();
    let step = bench.mfa.step(login.id, &login.caller).await.unwrap();
    assert!(
        matches!(&step, Step::Choose(step) if step.authenticators.iter().all(|way| way.id.starts_with("email") || way.id.starts_with("sms") || way.id.starts_with("voice"))),
        "{step:?}"
    );
}

#[tokio::test]
async fn m25_a_session_that_somebody_finds_opens_no_way_either() {
    let (bench, letters) = by_channel(Policy::never()).await;
    let since = bench.clock.now();
    bench.clock.advance(Duration::from_secs(3_600));
    let session = SignedIn::new("u-1", since).amr([Amr::Pwd]).acr(Acr::AAL1);
    let request = LoginRequest::new().requirement(Requirement::MFA).who(session);
    let login = bench.begin(request, bench.browser()).await;
    assert!(matches!(login.step, Step::Password(_)), "{:?}", login.step);
    assert_eq!(letters.count(), 0);
}

#[tokio::test]
async fn what_may_be_put_off_is_offered_behind_the_gate_and_can_be_skipped_there() {
    let (bench, letters) = by_channel(Policy::never().grace(DAY)).await;
    let mut login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert!(!login.is_done(), "{:?}", login.step);
    login.answer(&Answer::Skip).await;
    assert!(login.is_done(), "{:?}", login.step);
    assert_eq!(letters.count(), 0);
    // Who cannot set anything up is not kept out by it before the time is over.
    assert!(bench.password(LoginRequest::new(), bench.browser(), "bob").await.is_done());
}

#[tokio::test]
async fn m25_an_invitation_serves_one_enrolment_of_one_user() {
    let bench = by_invitation().await;
    let (alice, bob) = ("u-1".into(), "u-2".into());
    let login = bench.second("alice").await;
    assert_eq!(refusal(&login.step), Some(RefusedReason::UnmetAuthenticationRequirements), "nobody was invited");
    let code = bench.mfa.authenticators().invite(&alice, 7 * DAY).await.unwrap();
    let of_bob = bench.mfa.authenticators().invite(&bob, 7 * DAY).await.unwrap();
    assert!(!format!("{code:?}").contains(code.expose()));
    let mut login = bench.second("alice").await;
    assert!(matches!(&login.step, Step::Code(step) if step.method == "invitation"), "{:?}", login.step);
    for bad in [of_bob.expose(), "nonsense", ""] {
        assert_eq!(login.answer(&Answer::code(bad)).await.error(), Some(StepError::WrongCode), "{bad}");
    }
    login.answer(&Answer::code(code.expose())).await;
    let mut other = bench.second("alice").await;
    other.answer(&Answer::code(code.expose())).await;
    assert!(matches!(other.step, Step::Enrol(_)), "{:?}", other.step);
    set_up(&mut login).await;
    assert!(login.is_done());
    // It was spent with the factor, even where the factor is gone again.
    bench.mfa.authenticators().reset(&alice).await.unwrap();
    let secret = secret_of(&other.step);
    other.answer(&Answer::enrol(bench.code(&secret))).await;
    assert!(!matches!(other.step, Step::RecoveryCodes(_) | Step::Done(_)), "{:?}", other.step);
    assert!(bench.mfa.authenticators().list(&alice).await.unwrap().is_empty());
}

#[tokio::test]
async fn m25_an_invitation_ends_and_a_new_one_replaces_it() {
    let bench = by_invitation().await;
    let alice = "u-1".into();
    let first = bench.mfa.authenticators().invite(&alice, DAY).await.unwrap();
    let second = bench.mfa.authenticators().invite(&alice, DAY).await.unwrap();
    let mut login = bench.second("alice").await;
    assert_eq!(login.answer(&Answer::code(first.expose())).await.error(), Some(StepError::WrongCode));
    login.answer(&Answer::code(second.expose())).await;
    assert!(matches!(login.step, Step::Enrol(_)), "{:?}", login.step);
    bench.clock.advance(DAY);
    let late = bench.second("alice").await;
    assert_eq!(refusal(&late.step), Some(RefusedReason::UnmetAuthenticationRequirements));
    bench.mfa.authenticators().import_totp(&alice, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").await.unwrap();
    let has_one = bench.mfa.authenticators().invite(&alice, DAY).await;
    assert!(matches!(has_one, Err(AuthenticatorsError::HasFactor)), "{has_one:?}");
}

#[tokio::test]
async fn m24_guesses_at_an_invitation_are_counted() {
    let bench = by_invitation().await;
    bench.mfa.authenticators().invite(&"u-1".into(), DAY).await.unwrap();
    let mut throttled = false;
    for _ in 0..12 {
        let mut login = bench.second("alice").await;
        throttled |=
            login.try_answer(&Answer::code("aaaa-bbbb-cccc")).await.is_err_and(|error| error.id() == "throttled");
    }
    assert!(throttled);
}
