//! What is switched while the server runs: it adds to what the code asks, and takes away nothing but factors (promise 8).

use std::time::Duration;

use countersign_mfa::{
    Answer, FirstEnrolment, GeneralPolicy, LoginRequest, Mfa, MfaBuilder, Operator, Policy, Settings, SettingsError,
    Step,
};
use countersign_primitives::{Acr, Requirement};
use countersign_storage_traits::Kind;
use futures_util::future::join_all;

use crate::letterbox::{Letterbox, enrolled};
use crate::support::{Bench, Login, Stop};

/// The kind of the record.
const SETTINGS: Kind = Kind(57);

fn by() -> Operator {
    Operator::host("test")
}

async fn switch(mfa: &Mfa, factor: &str, on: bool) -> Result<(), SettingsError> {
    mfa.settings().change(&by(), None, |settings| settings.switch_factor(factor, on)).await.map(drop)
}

/// What a user is offered to prove.
fn offered(step: &Step) -> Vec<String> {
    let (first, others) = match step {
        Step::Choose(step) => (None, &step.authenticators),
        Step::Code(step) => (Some(step.method.clone()), &step.or),
        Step::Enrol(step) => (None, &step.or),
        _ => return Vec::new(),
    };
    first.into_iter().chain(others.iter().map(|way| way.method.clone())).collect()
}

/// Alice with codes by SMS and recovery codes, where there are codes by mail, calls and an app too.
async fn two_factors() -> (Bench, Letterbox) {
    enrolled("sms").await
}

/// A second node.
async fn node(bench: &Bench, letters: &Letterbox) -> Mfa {
    bench.engine_with(|builder| letters.factors(builder)).await
}

#[tokio::test]
async fn promise_8_a_switched_off_factor_cannot_satisfy_a_requirement_in_a_running_login() {
    let (bench, letters) = two_factors().await;
    // Its code is on the screen already.
    let mut login = bench.second("alice").await;
    assert!(matches!(login.step, Step::Code(_)), "{:?}", login.step);
    let code = letters.last();
    switch(&bench.mfa, "sms", false).await.unwrap();
    login.answer(&Answer::code(code)).await;
    assert!(!login.is_done() && !offered(&login.step).contains(&"sms".to_owned()), "{:?}", login.step);
    // And it is back when it is switched on.
    switch(&bench.mfa, "sms", true).await.unwrap();
    bench.clock.advance(Duration::from_secs(60));
    let mut login = bench.second("alice").await;
    login.answer(&Answer::code(letters.last())).await;
    login.done();
}

#[tokio::test]
async fn promise_8_what_a_factor_proved_does_not_count_once_it_is_off_before_the_login_is_taken() {
    let (bench, letters) = two_factors().await;
    let mut login = bench.second("alice").await;
    login.answer(&Answer::code(letters.last())).await;
    login.done();
    switch(&bench.mfa, "sms", false).await.unwrap();
    // The login was done, and nobody has been given its session yet.
    let step = bench.mfa.step(login.id, &login.caller).await.unwrap();
    assert!(!matches!(step, Step::Done(_)), "{step:?}");
}

#[tokio::test]
async fn promise_8_nobody_sets_up_a_factor_that_is_off_and_a_stolen_password_sets_up_none_in_its_place() {
    let (bench, _) = two_factors().await;
    // One who has nothing yet is offered what is left.
    switch(&bench.mfa, "sms", false).await.unwrap();
    let login = bench.second("bob").await;
    assert!(!offered(&login.step).contains(&"sms".to_owned()), "{:?}", login.step);
    // One who has it, and recovery codes, is asked for those and not led to set up another.
    let login = bench.second("alice").await;
    assert_eq!(offered(&login.step), ["recovery_code"], "{:?}", login.step);
    switch(&bench.mfa, "recovery_code", false).await.unwrap();
    let login = bench.second("alice").await;
    assert!(matches!(login.step, Step::Refused(_)), "{:?}", login.step);
}

#[tokio::test]
async fn promise_8_a_node_hears_of_a_change_within_five_seconds_and_asks_the_store_no_more_than_once_for_it() {
    let (bench, letters) = two_factors().await;
    let other = node(&bench, &letters).await;
    switch(&other, "sms", false).await.unwrap();
    bench.clock.advance(Duration::from_secs(5));
    let login = bench.second("alice").await;
    assert_eq!(offered(&login.step), ["recovery_code"], "{:?}", login.step);
    // Within that time no request reads it again.
    let reads = |bench: &Bench| bench.store.gets();
    let count = async |login: &Login<'_>| {
        let before = reads(&bench);
        bench.mfa.step(login.id, &login.caller).await.unwrap();
        reads(&bench) - before
    };
    let fresh = count(&login).await;
    bench.clock.advance(Duration::from_secs(4));
    assert_eq!(count(&login).await, fresh + 1, "the settings are read anew");
    assert_eq!(count(&login).await, fresh, "and not again");
}

#[tokio::test]
async fn promise_8_what_the_code_asks_stays_asked_whatever_is_switched() {
    let policy = Policy::always().first_enrolment(FirstEnrolment::ThisLogin);
    let bench = Bench::with(|builder| builder.policy(policy)).await;
    let settings = bench.mfa.settings();
    assert_eq!(settings.policies(&Settings::default()), [GeneralPolicy::AllApplications]);
    let refused = settings.set_policies(&by(), None, &[GeneralPolicy::ConfidenceScore]).await.unwrap_err();
    assert!(matches!(&refused, SettingsError::BelowFloor { what } if what.contains("all-applications")), "{refused}");
    // With a policy beside it nothing is asked less.
    let both = [GeneralPolicy::AllApplications, GeneralPolicy::ConfidenceScore];
    settings.set_policies(&by(), None, &both).await.unwrap();
    assert!(!bench.password(LoginRequest::new(), bench.browser(), "alice").await.is_done());
    settings.set_policies(&by(), None, &[GeneralPolicy::AllApplications]).await.unwrap();
    assert!(!bench.password(LoginRequest::new(), bench.browser(), "alice").await.is_done());
}

#[tokio::test]
async fn promise_8_policies_and_requirements_that_are_switched_on_are_asked() {
    let bench = Bench::new().await;
    let settings = bench.mfa.settings();
    let asks = async |request: LoginRequest| !bench.password(request, bench.browser(), "alice").await.is_done();
    let of = |client: &str| LoginRequest::new().client_id(client);
    assert!(!asks(of("shop")).await);
    settings.change(&by(), None, |all| all.require_of_client("backoffice", Some(Acr::MFA))).await.unwrap();
    assert!(asks(of("backoffice")).await && !asks(of("shop")).await);
    settings.set_policies(&by(), None, &[GeneralPolicy::ConfidenceScore]).await.unwrap();
    assert!(asks(of("shop")).await, "a browser that was never here");
    settings.set_policies(&by(), None, &[GeneralPolicy::AllApplications]).await.unwrap();
    assert!(asks(of("shop")).await);
    settings.set_policies(&by(), None, &[]).await.unwrap();
    assert!(!asks(of("shop")).await && asks(of("backoffice")).await);
}

async fn with_required(place: &str, requirement: Requirement) -> Bench {
    Bench::with(|builder: MfaBuilder<'_>| builder.required(place, requirement)).await
}

#[tokio::test]
async fn the_last_factor_that_something_requires_stays_on_and_the_refusal_names_it() {
    for place in ["scope \"payments:write\"", "client \"backoffice\""] {
        let bench = with_required(place, Requirement::MFA).await;
        let refused = switch(&bench.mfa, "totp", false).await.unwrap_err();
        assert_eq!(refused.id(), "settings.out_of_reach");
        let said = refused.to_string();
        let why = format!("{place} requires {}, which no factor that is left reaches", Acr::MFA.as_str());
        assert!(said.starts_with(&why) && said.contains("leave one on"), "{said}");
        assert!(bench.mfa.settings().read().await.unwrap().0.is_on("totp"));
    }
    // What the settings themselves require counts as much.
    let bench = Bench::new().await;
    bench.mfa.settings().set_policies(&by(), None, &[GeneralPolicy::AllApplications]).await.unwrap();
    let refused = switch(&bench.mfa, "totp", false).await.unwrap_err().to_string();
    assert!(refused.starts_with("policy \"all-applications\" requires"), "{refused}");
    let settings = bench.mfa.settings();
    let phr = settings.change(&by(), None, |all| all.require_for_scope("pay", Some(Acr::PHR))).await.unwrap_err();
    assert!(phr.to_string().starts_with("scope \"pay\" requires phr"), "{phr}");
    settings.set_policies(&by(), None, &[]).await.unwrap();
    switch(&bench.mfa, "totp", false).await.unwrap(); // nothing requires one
}

#[tokio::test]
async fn nothing_that_is_unknown_or_less_than_the_code_asks_is_switched() {
    let bench = with_required("client \"backoffice\"", Requirement::MFA).await;
    let settings = bench.mfa.settings();
    let unknown = switch(&bench.mfa, "palm", false).await.unwrap_err();
    assert_eq!(unknown.to_string(), "no factor is called \"palm\": there are totp, recovery_code");
    let class = Acr::new("urn:example:none");
    let unknown = settings.change(&by(), None, |all| all.require_of_client("a", Some(class.clone()))).await;
    assert_eq!(unknown.unwrap_err().id(), "settings.unknown_class");
    let less = settings.change(&by(), None, |all| all.require_of_client("backoffice", Some(Acr::AAL1))).await;
    assert_eq!(less.unwrap_err().id(), "settings.below_floor");
    assert_eq!(settings.read().await.unwrap().0, Settings::default());
}

#[tokio::test]
async fn an_operator_cannot_switch_off_the_last_factor_that_he_has_himself() {
    let (bench, _letters) = two_factors().await;
    let alice = Operator::user("u-1").by_client("console");
    let off = async |by: &Operator, factor: &'static str| {
        bench.mfa.settings().change(by, None, |settings| settings.switch_factor(factor, false)).await.map(drop)
    };
    assert_eq!(off(&alice, "sms").await.unwrap_err().id(), "settings.locks_operator_out");
    off(&alice, "email").await.unwrap(); // which she has not set up
    off(&Operator::user("u-2"), "sms").await.unwrap(); // who has none at all
    let events = bench.events.lock().unwrap();
    let told: Vec<_> = events.iter().filter(|event| event.name() == "settings.changed").collect();
    assert_eq!(told[0].operator(), Some("user u-1 by client console"));
    assert_eq!(told[0].client_id(), Some("console"));
    let detail: serde_json::Value = serde_json::from_str(told[1].detail().unwrap()).unwrap();
    assert_eq!(detail["before"]["factors_off"], serde_json::json!(["email"]));
    assert_eq!(detail["after"]["factors_off"], serde_json::json!(["email", "sms"]));
}

#[tokio::test]
async fn of_two_operators_who_saw_the_same_one_is_told_that_the_other_was_first() {
    let (bench, letters) = two_factors().await;
    let nodes = [bench.mfa.clone(), node(&bench, &letters).await];
    let (_, seen) = bench.mfa.settings().read().await.unwrap();
    let factors = ["email", "voice", "recovery_code", "email", "voice", "recovery_code", "email", "voice"];
    let tries = factors.iter().zip(nodes.iter().cycle()).map(|(factor, node)| {
        let settings = node.settings();
        async move { settings.change(&by(), Some(seen), |all| all.switch_factor(factor, false)).await }
    });
    let outcomes = join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let lost = outcomes.into_iter().filter_map(Result::err).all(|error| matches!(error, SettingsError::Changed { .. }));
    assert!(lost);
    let (settings, now) = bench.mfa.settings().read().await.unwrap();
    assert_eq!(settings.factors_off().count(), 1);
    assert_ne!(now, seen);
    assert_eq!(now.to_string().parse(), Ok(now));
    assert_eq!(seen.to_string(), "0");
}

#[tokio::test]
async fn of_operators_who_say_what_is_to_be_different_nobodys_word_is_lost() {
    let (bench, letters) = two_factors().await;
    let other = node(&bench, &letters).await;
    let (email, voice) = tokio::join!(switch(&bench.mfa, "email", false), switch(&other, "voice", false));
    email.unwrap();
    voice.unwrap();
    let (settings, _) = bench.mfa.settings().read().await.unwrap();
    assert_eq!(settings.factors_off().collect::<Vec<_>>(), ["email", "voice"]);
}

#[tokio::test]
async fn promise_14_settings_that_cannot_be_read_let_nobody_in_and_a_change_that_is_not_kept_is_not_gone_by() {
    let (bench, _letters) = two_factors().await;
    bench.store.stop(Some(Stop::Before(0)));
    assert_eq!(switch(&bench.mfa, "sms", false).await.unwrap_err().id(), "store_failed");
    bench.store.stop(None);
    let login = bench.second("alice").await;
    assert!(offered(&login.step).contains(&"sms".to_owned()));
    bench.store.fail_to_read(Some(SETTINGS));
    bench.clock.advance(Duration::from_secs(5));
    let error = bench.mfa.step(login.id, &login.caller).await.unwrap_err();
    assert_eq!(error.id(), "store_failed");
}

#[tokio::test]
async fn a_node_that_starts_goes_by_what_was_switched_before() {
    let bench = Bench::new().await;
    switch(&bench.mfa, "totp", false).await.unwrap();
    let later = bench.engine().await;
    assert_eq!(later.methods().count(), 0);
    assert!(later.settings().factors().any(|method| method.name() == "totp"));
}
