//! Adaptive policy: what speaks against a login asks for more, and nothing that anybody can say lowers it (promises 8 and 14).

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_mfa::risk::{
    AddressList, Confidence, Coordinates, Finding, Place, Places, RiskPolicy, RiskReport, RiskSignal, RiskSituation,
};
use countersign_mfa::{
    Answer, BrowserMarks, Caller, FirstEnrolment, LoginRequest, Mfa, MfaConfigError, PasswordPolicy, Policy,
    RefusedReason, Step, Totp,
};
use countersign_mfa_otp::TotpSecret;
use countersign_primitives::{Amr, BoxError, Clock, Requirement, SignedIn};
use countersign_storage_memory::MemoryStore;

use crate::support::{Bench, Login, codes_of, from, key, secret_of};

const HOUR: Duration = Duration::from_secs(3_600);
const HOME: &str = "203.0.113.7";
const ABROAD: &str = "198.51.100.7";

/// Home is Berlin, abroad is Sydney; or the source is down.
#[derive(Clone, Default)]
struct Map(Arc<AtomicBool>);

#[async_trait]
impl Places for Map {
    async fn place(&self, address: IpAddr) -> Result<Option<Place>, BoxError> {
        if self.0.load(Ordering::SeqCst) {
            return Err("the map is down".into());
        }
        let at = |country, latitude, longitude| {
            Place::new().in_country(country).at(Coordinates::new(latitude, longitude).unwrap())
        };
        Ok(match address.to_string().as_str() {
            HOME => Some(at("DE", 52.5, 13.4)),
            ABROAD => Some(at("AU", -33.9, 151.2)),
            _ => None,
        })
    }
}

type Reports = Arc<Mutex<Vec<RiskReport>>>;

async fn under(risk: RiskPolicy) -> (Bench, Reports) {
    let reports: Reports = Arc::default();
    let heard = reports.clone();
    let risk = risk.report(move |report| heard.lock().unwrap().push(report.clone()));
    let policy = Policy::never().risk(risk).first_enrolment(FirstEnrolment::ThisLogin);
    (Bench::with(|builder| builder.policy(policy)).await, reports)
}

/// A browser at an address.
fn browser(bench: &Bench, address: &str, marks: &BrowserMarks) -> Caller {
    from(address, marks, bench.id())
}

async fn login<'a>(bench: &'a Bench, address: &str, marks: &BrowserMarks) -> Login<'a> {
    bench.password(LoginRequest::new(), browser(bench, address, marks), "alice").await
}

/// Alice's browser at home, after its first login: her authenticator app, and what the browser keeps.
async fn at_home(bench: &Bench) -> (TotpSecret, BrowserMarks) {
    let mut login = login(bench, HOME, &BrowserMarks::default()).await;
    let secret = secret_of(&login.step);
    login.answer(&Answer::enrol(bench.code(&secret))).await;
    codes_of(&login.step);
    login.answer(&Answer::RecoveryCodes).await;
    let marks = login.done().marks.clone();
    bench.clock.advance(Duration::from_secs(60)); // the code of enrolment is spent
    (secret, marks)
}

fn last(reports: &Reports) -> RiskReport {
    reports.lock().unwrap().last().unwrap().clone()
}

fn points(report: &RiskReport, name: &str) -> Option<u8> {
    report.signals().iter().find(|signal| signal.name == name).map(|signal| signal.points)
}

#[tokio::test]
async fn a_known_device_is_asked_nothing_and_a_new_country_asks_for_a_factor() {
    let (bench, reports) = under(RiskPolicy::new().places(Map::default())).await;
    let (secret, marks) = at_home(&bench).await;
    assert_eq!(last(&reports).confidence(), Confidence::Medium, "the first login is by a new device");

    let again = login(&bench, HOME, &marks).await;
    assert!(again.is_done(), "{:?}", again.step);
    assert_eq!((last(&reports).confidence(), last(&reports).score()), (Confidence::High, 0));

    bench.clock.advance(48 * HOUR); // time to travel
    let mut abroad = login(&bench, ABROAD, &marks).await;
    assert!(matches!(abroad.step, Step::Code(_)), "{:?}", abroad.step);
    assert_eq!(points(&last(&reports), "new_country"), Some(30));
    abroad.answer(&Answer::code(bench.code(&secret))).await;
    abroad.done();

    let again = login(&bench, ABROAD, &marks).await;
    assert!(again.is_done(), "the country is known now: {:?}", again.step);
    // Back home within minutes is no travel that anybody makes.
    let back = login(&bench, HOME, &marks).await;
    assert!(matches!(back.step, Step::Code(_)), "{:?}", back.step);
    assert_eq!(
        (points(&last(&reports), "impossible_travel"), last(&reports).confidence()),
        (Some(60), Confidence::Low)
    );
}

#[tokio::test]
async fn promise_8_what_is_asked_for_risk_holds_until_it_is_proven() {
    let (bench, _) = under(RiskPolicy::new()).await;
    let (secret, marks) = at_home(&bench).await;
    let mut stranger = login(&bench, HOME, &BrowserMarks::default()).await;
    for answer in
        [Answer::Skip, Answer::password("alice", "alice-password"), Answer::enrol("000000"), Answer::RecoveryCodes]
    {
        stranger.answer(&answer).await;
        assert!(matches!(stranger.step, Step::Code(_)), "{answer:?}: {:?}", stranger.step);
    }
    // The same login, shown to a browser that claims the owner's marks and address, asks the same.
    let claimed = stranger.caller.clone().marks(marks.clone());
    let step = bench.mfa.step(stranger.id, &claimed).await.unwrap();
    assert!(matches!(step, Step::Code(_)), "{step:?}");
    stranger.answer(&Answer::code(bench.code(&secret))).await;
    stranger.done();
}

#[tokio::test]
async fn promise_8_parallel_logins_are_each_judged_and_none_vouches_for_another() {
    let (bench, _) = under(RiskPolicy::new()).await;
    let (_, marks) = at_home(&bench).await;
    let attempts: Vec<_> = (0..8).map(|n| if n % 2 == 0 { marks.clone() } else { BrowserMarks::default() }).collect();
    let logins = futures_util::future::join_all(attempts.iter().map(|marks| login(&bench, HOME, marks))).await;
    for (login, marks) in logins.iter().zip(&attempts) {
        assert_eq!(login.is_done(), !marks.is_empty(), "{:?}", login.step);
    }
}

#[tokio::test]
async fn promise_8_a_password_alone_never_makes_a_device_known() {
    // Here medium confidence asks for nothing: the stranger gets in, and is a stranger still.
    let (bench, reports) = under(RiskPolicy::new().at_medium(Requirement::NONE)).await;
    let first = login(&bench, HOME, &BrowserMarks::default()).await;
    let again = login(&bench, HOME, &first.done().marks.clone()).await;
    assert!(again.is_done());
    let report = last(&reports);
    assert_eq!(points(&report, "new_device"), Some(35), "{report}");
    assert!(report.to_string().contains("one factor alone"), "{report}");
}

#[tokio::test]
async fn promise_8_at_high_risk_nobody_sets_up_a_first_factor() {
    let bad: AddressList = "198.51.100.0/24".parse().unwrap();
    for enrolment in [FirstEnrolment::ThisLogin, FirstEnrolment::Invitation] {
        let risk = RiskPolicy::new().listed_addresses(bad.clone());
        let policy = Policy::never().risk(risk).first_enrolment(enrolment);
        let bench = Bench::with(|builder| builder.policy(policy)).await;
        let code = bench.mfa.authenticators().invite(&"u-1".into(), HOUR).await.unwrap();
        let mut login = login(&bench, ABROAD, &BrowserMarks::default()).await;
        for answer in [Answer::code(code.expose()), Answer::enrol("000000"), Answer::choose("enrol|totp"), Answer::Skip]
        {
            let Step::Refused(refused) = &login.step else { panic!("{:?}", login.step) };
            assert_eq!(refused.reason, RefusedReason::UnmetAuthenticationRequirements);
            login.answer(&answer).await;
        }
        // The same user at home sets one up.
        let home = self::login(&bench, HOME, &BrowserMarks::default()).await;
        assert!(matches!(home.step, Step::Enrol(_) | Step::Code(_)), "{:?}", home.step);
    }
}

#[tokio::test]
async fn promise_8_a_grace_to_set_up_a_factor_is_no_grace_for_risk() {
    let policy = Policy::always().grace(14 * 24 * HOUR).risk(RiskPolicy::new());
    let bench = Bench::with(|builder| builder.policy(policy.first_enrolment(FirstEnrolment::ThisLogin))).await;
    let mut login = login(&bench, HOME, &BrowserMarks::default()).await;
    assert!(matches!(login.step, Step::Enrol(_)), "{:?}", login.step);
    login.answer(&Answer::Skip).await;
    assert!(matches!(login.step, Step::Enrol(_)), "{:?}", login.step);
}

#[tokio::test]
async fn promise_8_a_session_from_before_does_not_confirm_a_risky_login() {
    let (bench, _) = under(RiskPolicy::new()).await;
    let (secret, _) = at_home(&bench).await;
    let long_ago = bench.clock.now();
    bench.clock.advance(HOUR);
    let who = SignedIn::new("u-1", long_ago).amr([Amr::Pwd, Amr::Otp]).acr(countersign_primitives::Acr::MFA);
    let mut brought =
        bench.begin(LoginRequest::from(who.clone()), browser(&bench, HOME, &BrowserMarks::default())).await;
    assert!(matches!(brought.step, Step::Code(_)), "{:?}", brought.step);
    brought.answer(&Answer::code(bench.code(&secret))).await;
    assert_eq!(brought.done().signed_in.subject().as_str(), "u-1");
    // What the host proved just now is as good as what is proven here.
    bench.clock.advance(Duration::from_secs(60));
    let fresh = SignedIn::new("u-1", bench.clock.now()).amr([Amr::Pwd, Amr::Otp]).acr(countersign_primitives::Acr::MFA);
    let login = bench.begin(LoginRequest::from(fresh), browser(&bench, HOME, &BrowserMarks::default())).await;
    assert!(login.is_done(), "{:?}", login.step);
}

#[tokio::test]
async fn promise_8_a_spoofed_user_agent_makes_no_device_known() {
    let (bench, reports) = under(RiskPolicy::new()).await;
    let (_, marks) = at_home(&bench).await;
    let owner = browser(&bench, HOME, &marks).user_agent("Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0");
    assert!(bench.password(LoginRequest::new(), owner, "alice").await.is_done());
    for agent in ["Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0", "", &"x".repeat(100_000)] {
        let stranger = browser(&bench, HOME, &BrowserMarks::default()).user_agent(agent);
        let login = bench.password(LoginRequest::new(), stranger, "alice").await;
        assert!(matches!(login.step, Step::Code(_)), "{:?}", login.step);
        assert_eq!(points(&last(&reports), "new_device"), Some(35));
    }
    // Marks of one user are worth nothing to another.
    let bob = bench.password(LoginRequest::new(), browser(&bench, HOME, &marks), "bob").await;
    assert!(matches!(bob.step, Step::Enrol(_)), "{:?}", bob.step);
    assert_eq!(points(&last(&reports), "new_device"), Some(35));
}

#[tokio::test]
async fn m34_a_browser_that_answered_a_doubt_may_be_remembered_and_answers_no_other() {
    let policy = Policy::always().first_enrolment(FirstEnrolment::ThisLogin).remember_device(Policy::REMEMBERED);
    let policy = policy.risk(RiskPolicy::new().places(Map::default()));
    let bench = Bench::with(|builder| builder.policy(policy)).await;
    let (secret, _) = at_home(&bench).await;
    let offers = |login: &Login<'_>| matches!(&login.step, Step::Code(step) if step.may_remember_device);

    let mut second = login(&bench, HOME, &BrowserMarks::default()).await;
    assert!(offers(&second), "a new browser: {:?}", second.step);
    second.answer(&Answer::Code { code: bench.code(&secret).into(), remember: true }).await;
    let marks = second.done().marks.clone();
    assert!(login(&bench, HOME, &marks).await.is_done(), "what everybody is asked for, it stands in for");

    // Two countries an hour apart: most likely somebody else, who shall not be spared from now on.
    bench.clock.advance(HOUR);
    let elsewhere = login(&bench, ABROAD, &marks).await;
    assert!(matches!(&elsewhere.step, Step::Code(_)) && !offers(&elsewhere), "{:?}", elsewhere.step);
    // A journey of a week is a doubt, which a remembered browser does not answer.
    bench.clock.advance(HOUR * 24 * 7);
    let away = login(&bench, ABROAD, &marks).await;
    assert!(matches!(&away.step, Step::Code(_)) && offers(&away), "{:?}", away.step);
    assert!(login(&bench, HOME, &marks).await.is_done());
}

#[tokio::test]
async fn promise_12_a_known_device_is_unknown_once_factors_were_reset() {
    use countersign_mfa::{Changed, Subjects};
    use countersign_primitives::{Id, Subject};
    use countersign_storage_traits::Batch;
    use std::sync::atomic::AtomicU64;

    /// An epoch as an authorization server keeps it.
    #[derive(Debug, Default)]
    struct Epochs(AtomicU64);

    #[async_trait]
    impl Subjects for Epochs {
        fn partition(&self, subject: &Subject) -> Id {
            let mut bytes = [9; 16];
            bytes[..3].copy_from_slice(&subject.as_str().as_bytes()[..3]);
            Id::from_bytes(bytes)
        }
        async fn epoch(&self, _: &Subject) -> Result<u64, BoxError> {
            Ok(self.0.load(Ordering::SeqCst))
        }
        async fn changing(&self, _: &Subject, _: Changed, _: &mut Batch) -> Result<(), BoxError> {
            Ok(())
        }
    }

    let epochs = Arc::new(Epochs::default());
    let policy = Policy::adaptive().first_enrolment(FirstEnrolment::ThisLogin);
    let bench = Bench::with(|builder| builder.policy(policy).subjects(epochs.clone())).await;
    let (_, marks) = at_home(&bench).await;
    assert!(login(&bench, HOME, &marks).await.is_done());
    epochs.0.fetch_add(1, Ordering::SeqCst); // the help desk ended everything
    let after = login(&bench, HOME, &marks).await;
    assert!(matches!(after.step, Step::Code(_)), "{:?}", after.step);
}

#[tokio::test]
async fn promise_14_a_map_that_is_down_asks_for_more_proof_and_is_told() {
    let map = Map::default();
    let (bench, reports) =
        under(RiskPolicy::new().places(map.clone()).weight("new_country", 1).weight("impossible_travel", 1)).await;
    let (secret, marks) = at_home(&bench).await;
    assert!(login(&bench, HOME, &marks).await.is_done());
    map.0.store(true, Ordering::SeqCst);
    let mut down = login(&bench, HOME, &marks).await;
    assert!(matches!(down.step, Step::Code(_)), "{:?}", down.step);
    assert_eq!((last(&reports).confidence(), last(&reports).score()), (Confidence::Medium, 2));
    let failed: Vec<_> = {
        let events = bench.events.lock().unwrap();
        let failed = events.iter().filter(|event| event.cause() == Some("risk_signal_failed"));
        failed.map(|event| (event.name(), event.method().unwrap().to_owned())).collect()
    };
    assert_eq!(failed, [("failure", "new_country".to_owned()), ("failure", "impossible_travel".to_owned())]);
    down.answer(&Answer::code(bench.code(&secret))).await;
    down.done();
}

/// A source of the host's that is down.
struct Down;

#[async_trait]
impl RiskSignal for Down {
    fn name(&self) -> &str {
        "down"
    }
    fn weight(&self) -> u8 {
        1
    }
    async fn look(&self, _: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        Err("the source is down".into())
    }
}

#[tokio::test]
async fn promise_14_a_store_that_fails_lets_nobody_in() {
    let (bench, _) = under(RiskPolicy::new().signal(Down)).await;
    let mut login = bench.begin(LoginRequest::new(), browser(&bench, HOME, &BrowserMarks::default())).await;
    bench.store.stop(Some(crate::support::Stop::Before(0)));
    assert_eq!(login.try_answer(&Answer::password("alice", "alice-password")).await.unwrap_err().status(), 503);
    bench.store.stop(None);
    login.answer(&Answer::password("alice", "alice-password")).await;
    assert!(matches!(login.step, Step::Enrol(_)), "{:?}", login.step);
}

#[tokio::test]
async fn guesses_of_a_stranger_ask_the_owner_for_more_and_lock_nobody_out() {
    let (bench, reports) = under(RiskPolicy::new().weight("recent_failures", 30)).await;
    let (secret, marks) = at_home(&bench).await;
    for _ in 0..5 {
        let mut stranger = bench.begin(LoginRequest::new(), browser(&bench, ABROAD, &BrowserMarks::default())).await;
        stranger.answer(&Answer::password("alice", "wrong")).await;
    }
    let mut owner = login(&bench, HOME, &marks).await;
    assert_eq!(points(&last(&reports), "recent_failures"), Some(30));
    owner.answer(&Answer::code(bench.code(&secret))).await;
    owner.done();
    bench.clock.advance(HOUR);
    assert!(login(&bench, HOME, &marks).await.is_done(), "an hour later they are forgotten");
}

#[tokio::test]
async fn many_accounts_tried_from_one_address_are_counted_once_each() {
    let (bench, reports) = under(RiskPolicy::new()).await;
    for attempt in 0..38 {
        let mut stranger = bench.begin(LoginRequest::new(), browser(&bench, ABROAD, &BrowserMarks::default())).await;
        stranger.answer(&Answer::password(format!("user-{}", attempt / 2), "wrong")).await; // each twice
    }
    login(&bench, ABROAD, &BrowserMarks::default()).await;
    let report = last(&reports);
    assert_eq!(points(&report, "velocity"), Some(20), "{report}");
    assert!(report.to_string().contains("20 accounts"), "{report}");
    login(&bench, HOME, &BrowserMarks::default()).await;
    assert_eq!(points(&last(&reports), "velocity"), Some(0));
    // Behind a proxy that says nothing of whom it speaks for, everybody comes from loopback.
    login(&bench, "127.0.0.1", &BrowserMarks::default()).await;
    assert_eq!(points(&last(&reports), "velocity"), Some(0));
}

#[tokio::test]
async fn a_password_that_was_lost_asks_for_more_and_one_that_nobody_can_look_up_too() {
    let answer: Arc<Mutex<Result<&'static str, &'static str>>> = Arc::new(Mutex::new(Ok("")));
    let says = answer.clone();
    let passwords = PasswordPolicy::new().breached(move |_: String| {
        let said = says.lock().unwrap().map(str::to_owned).map_err(BoxError::from);
        async move { said }
    });
    let reports: Reports = Arc::default();
    let heard = reports.clone();
    let risk = RiskPolicy::new().breached_passwords().report(move |report| heard.lock().unwrap().push(report.clone()));
    let policy = Policy::never().risk(risk).first_enrolment(FirstEnrolment::ThisLogin);
    let bench = Bench::with(|builder| builder.policy(policy).password_policy(passwords)).await;
    let (_, marks) = at_home(&bench).await;
    assert!(login(&bench, HOME, &marks).await.is_done());
    // SHA-1 of "alice-password" is 5F7BE…: the rest of it.
    let lost: &'static str = Box::leak(format!("{}:7", rest_of("alice-password")).into_boxed_str());
    for (said, score) in [(Ok(lost), 40), (Err("down"), 40), (Ok("no range"), 40), (Ok("\n"), 0)] {
        *answer.lock().unwrap() = said;
        let login = login(&bench, HOME, &marks).await;
        assert_eq!(login.is_done(), score == 0, "{said:?}: {:?}", login.step);
        assert_eq!(last(&reports).score(), score, "{said:?}");
    }
}

fn rest_of(password: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<String>()[5..].to_owned()
}

#[tokio::test]
async fn a_dry_run_reports_and_asks_for_nothing() {
    let bad = "198.51.100.0/24".parse().unwrap();
    let (bench, reports) = under(RiskPolicy::new().listed_addresses(bad).refuse_at_low().dry_run()).await;
    let stranger = login(&bench, ABROAD, &BrowserMarks::default()).await;
    assert!(stranger.is_done(), "{:?}", stranger.step);
    let report = last(&reports);
    assert!(report.is_dry_run() && report.confidence() == Confidence::Low, "{report}");
    assert!(report.to_string().ends_with("; would refuse (dry run)"), "{report}");
}

#[tokio::test]
async fn a_login_that_is_too_risky_is_refused_where_the_policy_says_so() {
    let bad = "198.51.100.0/24".parse().unwrap();
    let (bench, _) = under(RiskPolicy::new().listed_addresses(bad).refuse_at_low()).await;
    let (_, marks) = at_home(&bench).await;
    let login = login(&bench, ABROAD, &marks).await;
    let Step::Refused(refused) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!(refused.reason, RefusedReason::AccessDenied);
    let causes: Vec<_> = bench.events.lock().unwrap().iter().filter_map(|event| event.cause()).collect();
    assert!(causes.contains(&"denied_for_risk"), "{causes:?}");
}

#[tokio::test]
async fn the_operator_hears_of_each_login_once() {
    let (bench, reports) = under(RiskPolicy::new()).await;
    let mut login =
        bench.begin(LoginRequest::new().client_id("shop"), browser(&bench, HOME, &BrowserMarks::default())).await;
    assert_eq!(reports.lock().unwrap().len(), 0, "nobody is known yet");
    login.answer(&Answer::password("alice", "alice-password")).await;
    bench.mfa.step(login.id, &login.caller).await.unwrap();
    login.answer(&Answer::enrol("000000")).await;
    assert_eq!(reports.lock().unwrap().len(), 1);
    let report = last(&reports);
    assert_eq!((report.subject().as_str(), report.client_id()), ("u-1", Some("shop")));
    let events = bench.events.lock().unwrap();
    let judged: Vec<_> = events.iter().filter(|event| event.name() == "risk.judged").collect();
    assert_eq!(judged.len(), 1);
    assert_eq!((judged[0].cause(), judged[0].address()), (Some("confidence.medium"), Some(HOME.parse().unwrap())));
    assert_eq!(judged[0].detail(), Some(report.to_string().as_str()));
}

#[tokio::test]
async fn what_does_not_fit_is_a_mistake_of_the_host_and_names_the_cure() {
    let build = async |risk: RiskPolicy| {
        let key = key();
        let builder = Mfa::builder(MemoryStore::new(), &key).factor(Totp::new("A")).policy(Policy::never().risk(risk));
        builder.build().await.map(drop)
    };
    assert!(build(RiskPolicy::new()).await.is_ok());
    let error = build(RiskPolicy::new().weight("new_county", 1)).await.unwrap_err();
    assert!(matches!(&error, MfaConfigError::RiskSignal(name) if name == "new_county"), "{error}");
    for (medium, low) in [(0, 60), (60, 59)] {
        let error = build(RiskPolicy::new().thresholds(medium, low)).await.unwrap_err();
        assert!(matches!(error, MfaConfigError::RiskThresholds), "{error}");
    }
    let error = build(RiskPolicy::new().breached_passwords()).await.unwrap_err();
    assert!(matches!(error, MfaConfigError::RiskWithoutBreached), "{error}");
    let error = build(RiskPolicy::new().at_low(Requirement::PHISHING_RESISTANT)).await.unwrap_err();
    assert!(matches!(&error, MfaConfigError::Unreachable(acr) if acr == "phr"), "{error}");
    assert!(build(RiskPolicy::new().at_low(Requirement::PHISHING_RESISTANT).dry_run()).await.is_ok());
}
