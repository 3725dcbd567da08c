//! Browsers that need not prove a second factor again (attacks M34 and M35).

use std::time::Duration;

use countersign_mfa::{
    Answer, AuthenticatorId, BrowserMarks, Caller, Done, FirstEnrolment, LoginId, LoginRequest, Policy, Push, Step,
};
use countersign_mfa_otp::TotpSecret;
use countersign_primitives::{Acr, Amr, Clock, Requirement, SignedIn, Subject};

use crate::push::phone::{Carrier, number_of};
use crate::support::{Bench, Login, Stop};

const DAY: Duration = Duration::from_secs(86_400);
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Everybody proves two factors, and may have a browser remembered for thirty days.
async fn bench() -> Bench {
    let policy = Policy::always().first_enrolment(FirstEnrolment::ThisLogin);
    Bench::with(|builder| builder.policy(policy.remember_device(Policy::REMEMBERED))).await
}

fn alice() -> Subject {
    "u-1".into()
}

/// A browser that is on somebody's table, with what it kept.
fn at(bench: &Bench, marks: &BrowserMarks) -> Caller {
    Caller::new(bench.id()).address([192, 0, 2, 7].into()).user_agent(FIREFOX).marks(marks.clone())
}

async fn code_step<'a>(bench: &'a Bench, marks: &BrowserMarks, name: &str) -> Login<'a> {
    let login = bench.password(LoginRequest::new(), at(bench, marks), name).await;
    assert!(matches!(&login.step, Step::Code(_)), "{:?}", login.step);
    login
}

fn code(bench: &Bench, secret: &TotpSecret, remember: bool) -> Answer {
    Answer::Code { code: bench.code(secret).into(), remember }
}

/// Signs in with both factors, has the browser remembered, and hands out what it keeps.
async fn remembered(bench: &Bench, secret: &TotpSecret, marks: &BrowserMarks, name: &str) -> BrowserMarks {
    bench.clock.advance(Duration::from_secs(60));
    let mut login = code_step(bench, marks, name).await;
    login.answer(&code(bench, secret, true)).await;
    login.done().marks.clone()
}

/// Whether the password alone lets somebody in who brings these.
async fn lets_in(bench: &Bench, marks: &BrowserMarks, name: &str) -> bool {
    bench.password(LoginRequest::new(), at(bench, marks), name).await.is_done()
}

#[tokio::test]
async fn m34_a_remembered_browser_is_not_asked_again_until_its_time_is_over() {
    let bench = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let marks = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    let listed = bench.mfa.remembered_devices().list(&alice()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].browser.as_deref(), listed[0].address),
        (Some("Firefox on Linux"), Some([192, 0, 2, 7].into()))
    );
    assert!(bench.heard().contains(&"device.remembered"));
    bench.clock.advance(DAY * 29);
    assert!(lets_in(&bench, &marks, "alice").await);
    let listed = bench.mfa.remembered_devices().list(&alice()).await.unwrap();
    assert!(listed[0].last_used > listed[0].since, "{listed:?}");
    bench.clock.advance(DAY);
    assert!(!lets_in(&bench, &marks, "alice").await, "using it makes it last no longer");
    assert!(bench.mfa.remembered_devices().list(&alice()).await.unwrap().is_empty());
}

#[tokio::test]
async fn m35_what_a_login_in_a_remembered_browser_states_is_what_was_proven_in_it() {
    let bench = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let marks = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    let login = bench.password(LoginRequest::new(), at(&bench, &marks), "alice").await;
    let Done { signed_in, .. } = login.done();
    assert_eq!((signed_in.acr_value(), &signed_in.amr_values()[..]), (Some(&Acr::AAL1), &[Amr::Pwd][..]));
    assert_eq!(signed_in.auth_time(), bench.clock.now());
    assert!(signed_in.remembered_at(signed_in.auth_time()).is_some());
}

#[tokio::test]
async fn m34_a_remembered_browser_is_remembered_for_its_own_user_alone() {
    let bench = bench().await;
    let (alices, _) = bench.enrol("alice").await;
    let (bobs, _) = bench.enrol("bob").await;
    let marks = remembered(&bench, &alices, &BrowserMarks::default(), "alice").await;
    assert!(!lets_in(&bench, &marks, "bob").await, "a cookie that was stolen from alice is nothing to bob");
    // Both may have it remembered, side by side.
    let both = remembered(&bench, &bobs, &marks, "bob").await;
    assert!(lets_in(&bench, &both, "alice").await && lets_in(&bench, &both, "bob").await);
    let (of_alice, of_bob) = (alice(), bench.subject_of("bob").await);
    let devices = bench.mfa.remembered_devices();
    let bobs_device = devices.list(&of_bob).await.unwrap()[0].id;
    assert!(!devices.forget(&of_alice, bobs_device).await.unwrap(), "one forgets one's own");
    assert!(lets_in(&bench, &both, "bob").await);
}

#[tokio::test]
async fn m34_a_secret_that_somebody_put_into_a_browser_is_never_the_one_that_is_remembered() {
    let bench = bench().await;
    let (alices, _) = bench.enrol("alice").await;
    let (bobs, _) = bench.enrol("bob").await;
    let planted = remembered(&bench, &bobs, &BrowserMarks::default(), "bob").await;
    let kept = remembered(&bench, &alices, &planted, "alice").await;
    assert!(lets_in(&bench, &kept, "alice").await);
    assert!(!lets_in(&bench, &planted, "alice").await);
    // One's own is replaced as well: of a copy that was made before nothing is left.
    bench.mfa.remembered_devices().forget_all(&alice()).await.unwrap();
    let anew = remembered(&bench, &alices, &kept, "alice").await;
    assert!(lets_in(&bench, &anew, "alice").await && !lets_in(&bench, &kept, "alice").await);
    assert_eq!(bench.mfa.remembered_devices().list(&alice()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn m34_what_a_remembered_browser_never_stands_in_for() {
    let bench = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let marks = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    let required = |requirement| LoginRequest::new().requirement(requirement);
    for (name, request, stands_in) in [
        ("two factors", required(Requirement::MFA), true),
        ("a greatest age", required(Requirement::MFA.max_age(DAY * 365)), false),
        ("what says so", required(Requirement::MFA.never_remembered()), false),
        ("NIST's second level", required(Requirement::at_least(Acr::AAL2)), false),
        ("a class that is asked for", LoginRequest::new().acr_values([Acr::MFA]), false),
    ] {
        let login = bench.password(request, at(&bench, &marks), "alice").await;
        assert_eq!(login.is_done(), stands_in, "{name}: {:?}", login.step);
        let offered = matches!(&login.step, Step::Code(step) if step.may_remember_device);
        assert_eq!(offered, name == "a class that is asked for", "{name}");
    }
    // What cannot be phished is out of reach here; the device does not bring it nearer.
    let login = bench.password(required(Requirement::PHISHING_RESISTANT), at(&bench, &marks), "alice").await;
    assert!(matches!(&login.step, Step::Refused(_)), "{:?}", login.step);
}

#[tokio::test]
async fn m34_nothing_is_remembered_unasked_or_unoffered() {
    let bench = bench().await;
    let (secret, codes) = bench.enrol("alice").await;
    let mut login = code_step(&bench, &BrowserMarks::default(), "alice").await;
    assert!(matches!(&login.step, Step::Code(step) if step.may_remember_device));
    login.answer(&code(&bench, &secret, false)).await;
    assert!(!lets_in(&bench, &login.done().marks.clone(), "alice").await);
    // A recovery code stands in for something that was lost.
    let mut login = code_step(&bench, &BrowserMarks::default(), "alice").await;
    login.choose("recovery_code").await;
    assert!(matches!(&login.step, Step::Code(step) if !step.may_remember_device));
    login.answer(&Answer::Code { code: codes[0].as_str().into(), remember: true }).await;
    assert!(!lets_in(&bench, &login.done().marks.clone(), "alice").await);
    // A wrong answer remembers nothing, nor does the right one after it that does not ask.
    bench.clock.advance(Duration::from_secs(60));
    let mut login = code_step(&bench, &BrowserMarks::default(), "alice").await;
    login.answer(&Answer::Code { code: "000000".into(), remember: true }).await;
    login.answer(&code(&bench, &secret, false)).await;
    assert!(!lets_in(&bench, &login.done().marks.clone(), "alice").await);
    // Where the policy remembers nothing, nothing is.
    let strict = bench.engine_with(|builder| builder.policy(Policy::always())).await;
    let marks = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    let id = LoginId(bench.id());
    let caller = at(&bench, &marks);
    strict.begin(id, LoginRequest::new(), &caller).await.unwrap();
    let step = strict.answer(id, &Answer::password("alice", "alice-password"), &caller).await.unwrap();
    assert!(matches!(&step, Step::Code(step) if !step.may_remember_device), "{step:?}");
}

#[tokio::test]
async fn m34_remembered_browsers_end_with_what_they_rest_on() {
    for change in ["password", "operator's password", "reset", "removed factor"] {
        let bench = bench().await;
        let (secret, _) = bench.enrol("alice").await;
        let marks = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
        let mut name = "alice-password";
        match change {
            "password" => {
                let (old, new) = (name.into(), "a new and longer one".into());
                let caller = at(&bench, &marks);
                bench.mfa.change_password(&alice(), Some(&old), &new, &caller).await.unwrap();
                name = "a new and longer one";
            }
            "operator's password" => {
                bench.mfa.set_password(&alice(), &"a new and longer one".into()).await.unwrap();
                name = "a new and longer one";
            }
            "reset" => bench.mfa.authenticators().reset(&alice()).await.unwrap(),
            _ => {
                let listed = bench.mfa.authenticators().list(&alice()).await.unwrap();
                let totp = listed.iter().find(|one| one.id.method() == "totp").unwrap();
                assert!(bench.mfa.authenticators().remove(&alice(), &totp.id).await.unwrap());
            }
        }
        let mut login = bench.begin(LoginRequest::new(), at(&bench, &marks)).await;
        login.answer(&Answer::password("alice", name)).await;
        assert!(!login.is_done(), "{change}");
        assert!(bench.mfa.remembered_devices().list(&alice()).await.unwrap().is_empty(), "{change}");
    }
}

#[tokio::test]
async fn promise_12_a_device_that_is_forgotten_stands_in_for_nothing_from_that_moment() {
    let bench = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let laptop = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    let phone = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    let devices = bench.mfa.remembered_devices();
    // A login that is done by a device does not outlive it: the session that it is to become asks once more.
    let login = bench.password(LoginRequest::new(), at(&bench, &phone), "alice").await;
    login.done();
    let listed = devices.list(&alice()).await.unwrap();
    let newest = listed[0].id;
    // Of two who forget it at once one does.
    let owner = alice();
    let (one, other) = tokio::join!(devices.forget(&owner, newest), devices.forget(&owner, newest));
    assert_eq!(usize::from(one.unwrap()) + usize::from(other.unwrap()), 1);
    let step = bench.mfa.step(login.id, &login.caller).await.unwrap();
    assert!(matches!(step, Step::Code(_)), "{step:?}");
    assert!(!lets_in(&bench, &phone, "alice").await && lets_in(&bench, &laptop, "alice").await);
    devices.forget_all(&alice()).await.unwrap();
    assert!(!lets_in(&bench, &laptop, "alice").await);
    assert_eq!(bench.heard().iter().filter(|name| **name == "device.forgotten").count(), 2);
}

#[tokio::test]
async fn m34_a_factor_that_goes_while_its_browser_is_being_remembered_takes_it_along() {
    for _ in 0..8 {
        let bench = bench().await;
        let (secret, _) = bench.enrol("alice").await;
        let mut login = code_step(&bench, &BrowserMarks::default(), "alice").await;
        let authenticators = bench.mfa.authenticators();
        let listed = authenticators.list(&alice()).await.unwrap();
        let totp: AuthenticatorId = listed.iter().find(|one| one.id.method() == "totp").unwrap().id.clone();
        let (owner, answer) = (alice(), code(&bench, &secret, true));
        let (_, removed) = tokio::join!(login.try_answer(&answer), authenticators.remove(&owner, &totp));
        assert!(removed.unwrap());
        assert!(bench.mfa.remembered_devices().list(&alice()).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn promise_7_so_many_browsers_are_remembered_of_one_user_and_the_oldest_gives_way() {
    let bench = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let first = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    let second = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    for _ in 0..19 {
        remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    }
    assert_eq!(bench.mfa.remembered_devices().list(&alice()).await.unwrap().len(), 20);
    assert!(!lets_in(&bench, &first, "alice").await && lets_in(&bench, &second, "alice").await);
}

#[tokio::test]
async fn promise_14_a_store_that_fails_remembers_nothing_and_undoes_nothing() {
    let bench = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let mut login = code_step(&bench, &BrowserMarks::default(), "alice").await;
    // What the code spends is written, and that the login is done; nothing after it.
    bench.store.stop(Some(Stop::Before(2)));
    login.answer(&code(&bench, &secret, true)).await;
    let marks = login.done().marks.clone();
    bench.store.stop(None);
    assert!(bench.heard().contains(&"failure") && !bench.heard().contains(&"device.remembered"));
    assert!(!lets_in(&bench, &marks, "alice").await);
}

#[tokio::test]
async fn promise_4_what_is_kept_of_a_device_is_not_what_its_browser_shows() {
    let bench = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let marks = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    let id = bench.mfa.remembered_devices().list(&alice()).await.unwrap()[0].id.to_string();
    assert!(!marks.to_string().contains(&id), "the list gives no access");
    let (_, devices) = marks.to_string().split_once('~').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let by_id = BrowserMarks::parse(&format!("~{id}"));
    assert!(!lets_in(&bench, &by_id, "alice").await);
    assert!(lets_in(&bench, &BrowserMarks::parse(&format!("~{devices}")), "alice").await);
    assert!(!format!("{marks:?}").contains(&devices));
}

#[tokio::test]
async fn m34_a_browser_that_waits_for_a_device_is_remembered_where_its_user_asks_for_that() {
    for wishes in [false, true] {
        let carrier = Carrier::default();
        let policy = Policy::always().first_enrolment(FirstEnrolment::ThisLogin).remember_device(Policy::REMEMBERED);
        let push = Push::new(carrier.clone());
        let bench = Bench::with(|builder| builder.policy(policy).push(push)).await;
        let phone = bench.enrol_phone("alice").await;
        let browser = at(&bench, &BrowserMarks::default());
        let mut login = bench.password(LoginRequest::new().client("Shop"), browser, "alice").await;
        let number = number_of(&login.step);
        if wishes {
            login.answer(&Answer::RememberDevice).await;
        }
        let Step::Wait(step) = &login.step else { panic!("{:?}", login.step) };
        assert_eq!((step.may_remember_device, step.remembers_device), (!wishes, wishes));
        assert_eq!((carrier.sent().len(), number_of(&login.step)), (1, number.clone()), "the question is the same");
        phone.decide(&bench.mfa, carrier.newest(), "approve", &number).await.unwrap();
        login.poll().await;
        let marks = login.done().marks.clone();
        assert_eq!(lets_in(&bench, &marks, "alice").await, wishes);
    }
}

#[tokio::test]
async fn m34_the_wish_for_an_answer_from_elsewhere_makes_no_code_remember() {
    let bench = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    bench.clock.advance(Duration::from_secs(60));
    let mut login = code_step(&bench, &BrowserMarks::default(), "alice").await;
    login.answer(&Answer::RememberDevice).await;
    assert!(matches!(&login.step, Step::Code(step) if step.may_remember_device), "{:?}", login.step);
    login.answer(&code(&bench, &secret, false)).await;
    let marks = login.done().marks.clone();
    assert!(!lets_in(&bench, &marks, "alice").await);
}

#[tokio::test]
async fn m34_a_host_that_checks_the_password_itself_need_not_say_what_it_is_worth() {
    let bench = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let marks = remembered(&bench, &secret, &BrowserMarks::default(), "alice").await;
    let who = SignedIn::new(alice(), bench.clock.now()).amr([Amr::Pwd]);
    let Step::Done(done) = bench.mfa.start(who.clone(), &at(&bench, &marks)).await.unwrap().step else {
        panic!("a browser that is remembered is asked")
    };
    assert_eq!((done.signed_in.amr_values(), done.signed_in.acr_value()), (vec![Amr::Pwd], Some(&Acr::AAL1)));
    let stranger = bench.mfa.start(who, &at(&bench, &BrowserMarks::default())).await.unwrap().step;
    assert!(matches!(stranger, Step::Code(_)), "{stranger:?}");
    // Who proved nothing at all is no better off in it.
    let nobody = SignedIn::new(alice(), bench.clock.now());
    let step = bench.mfa.start(nobody, &at(&bench, &marks)).await.unwrap().step;
    assert!(!matches!(step, Step::Done(_)), "{step:?}");
}
