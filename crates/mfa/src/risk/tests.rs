//! Situations and what they are worth.

use async_trait::async_trait;
use countersign_primitives::{Acr, AcrTable, BoxError, Requirement, Subject, UnixTime};
use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::Compromised;

/// Noon.
const NOON: UnixTime = UnixTime::from_secs(1_800_014_400);

fn point(latitude: f64, longitude: f64) -> Coordinates {
    Coordinates::new(latitude, longitude).unwrap()
}

fn berlin() -> Place {
    Place::new().in_country("DE").at(point(52.5, 13.4))
}

fn sydney() -> Place {
    Place::new().in_country("AU").at(point(-33.9, 151.2))
}

/// Nobody tells anything.
struct Nowhere;

#[async_trait]
impl Places for Nowhere {
    async fn place(&self, _: std::net::IpAddr) -> Result<Option<Place>, BoxError> {
        Ok(None)
    }
}

/// All signals that there are.
fn all() -> RiskPolicy {
    RiskPolicy::new()
        .places(Nowhere)
        .listed_addresses("192.0.2.0/24".parse().unwrap())
        .anonymous_networks("198.51.100.0/24".parse().unwrap())
        .breached_passwords()
}

/// A login that nothing speaks against.
fn at_home(subject: &Subject) -> RiskSituation<'_> {
    let mut at = RiskSituation::of(subject, NOON)
        .with_address([203, 0, 113, 7].into())
        .with_user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0")
        .with_device(DeviceSeen::TwoFactors)
        .with_place(Some(berlin()));
    at.country = Seen::Before;
    at.last_place =
        Some(LastPlace { at: NOON.minus(std::time::Duration::from_secs(600)), coordinates: point(52.5, 13.4) });
    at.hours[12] = 30;
    at.accounts_at_address = 1;
    at.password = PasswordSeen::NotLost;
    at
}

fn judged(risk: &RiskPolicy, at: &RiskSituation<'_>) -> RiskReport {
    risk.judge(at, &AcrTable::default()).now_or_never().unwrap()
}

type Change = fn(&mut RiskSituation<'_>);

/// What each signal speaks against, and what it counts.
const EACH: &[(&str, u8, Change)] = &[
    ("new_device", 35, |at| at.device = DeviceSeen::Never),
    ("new_device", 35, |at| at.device = DeviceSeen::OneFactor),
    ("new_country", 30, |at| at.country = Seen::Never),
    ("impossible_travel", 60, |at| at.place = Ok(Some(sydney()))),
    ("impossible_travel", 30, |at| at.place = Ok(None)),
    ("listed_address", 60, |at| at.address = Some([192, 0, 2, 9].into())),
    ("listed_address", 60, |at| at.address = Some("::ffff:192.0.2.9".parse().unwrap())),
    ("anonymous_network", 30, |at| at.address = Some([198, 51, 100, 9].into())),
    ("velocity", 20, |at| at.accounts_at_address = 20),
    ("recent_failures", 20, |at| at.failures = 5),
    ("compromised", 20, |at| at.compromised = Some(Compromised { since: NOON, until: NOON.plus(Compromised::LASTS) })),
    ("breached_password", 40, |at| at.password = PasswordSeen::Lost),
    ("unusual_hour", 10, |at| at.now = NOON.plus(std::time::Duration::from_secs(3 * 3_600))),
];

fn fired(report: &RiskReport) -> Vec<(&str, u8)> {
    let fired = report.signals().iter().filter(|signal| signal.points > 0);
    fired.map(|signal| (signal.name.as_str(), signal.points)).collect()
}

#[test]
fn each_signal_alone_counts_what_the_table_says() {
    let subject = Subject::new("u-1");
    let home = judged(&all(), &at_home(&subject));
    assert_eq!((fired(&home), home.confidence()), (vec![], Confidence::High));
    assert_eq!(home.signals().len(), 10, "{home}");
    for (name, points, change) in EACH {
        let mut at = at_home(&subject);
        change(&mut at);
        let report = judged(&all(), &at);
        assert_eq!(fired(&report), [(*name, *points)], "{report}");
        let confidence = match points {
            60.. => Confidence::Low,
            30.. => Confidence::Medium,
            _ => Confidence::High,
        };
        assert_eq!((report.score(), report.confidence()), (u32::from(*points), confidence), "{report}");
        assert!(report.to_string().contains(&format!("{name} {points} (")), "{report}");
    }
}

#[test]
fn situations_have_the_confidence_that_the_documentation_says() {
    let cases: &[(&str, &[&str], Confidence)] = &[
        ("the owner at home", &[], Confidence::High),
        ("the owner who mistyped, in an office", &["recent_failures", "unusual_hour"], Confidence::Medium),
        ("the owner who mistyped", &["recent_failures"], Confidence::High),
        ("the owner's new laptop", &["new_device"], Confidence::Medium),
        ("the owner abroad", &["new_country"], Confidence::Medium),
        ("the owner's new laptop abroad", &["new_device", "new_country"], Confidence::Low),
        ("a new user, while somebody guesses at his account", &["new_device", "recent_failures"], Confidence::Medium),
        ("a stolen password, tried among many", &["new_device", "velocity", "recent_failures"], Confidence::Low),
        ("a new device, after a token was used twice", &["new_device", "compromised"], Confidence::Medium),
        ("the owner abroad, after a token was used twice", &["new_country", "compromised"], Confidence::Medium),
        ("a lost password, after a token was used twice", &["breached_password", "compromised"], Confidence::Low),
        ("a lost password on a new device", &["new_device", "breached_password"], Confidence::Low),
    ];
    let subject = Subject::new("u-1");
    for (what, signals, confidence) in cases {
        let mut at = at_home(&subject);
        for (_, _, change) in signals.iter().filter_map(|name| EACH.iter().find(|(each, ..)| each == name)) {
            change(&mut at);
        }
        let report = judged(&all(), &at);
        assert_eq!(report.confidence(), *confidence, "{what}: {report}");
    }
}

/// Says a share, or fails.
struct Says(&'static str, u8, Option<u8>);

#[async_trait]
impl RiskSignal for Says {
    fn name(&self) -> &str {
        self.0
    }
    fn weight(&self) -> u8 {
        self.1
    }
    async fn look(&self, _: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        match self.2 {
            Some(percent) => Ok(Finding::share(percent, "said so")),
            None => Err("the source, with its password hunter2, is down".into()),
        }
    }
}

#[test]
fn promise_14_a_signal_that_fails_asks_for_more_and_never_for_less() {
    let subject = Subject::new("u-1");
    let at = at_home(&subject);
    // Whatever it weighs, confidence is not high.
    for (weight, confidence) in [(1, Confidence::Medium), (35, Confidence::Medium), (60, Confidence::Low)] {
        let report = judged(&RiskPolicy::new().signal(Says("own", weight, None)), &at);
        assert_eq!((report.score(), report.confidence()), (u32::from(weight), confidence), "{report}");
        assert!(report.signals().iter().any(|signal| signal.failed && signal.name == "own"));
        assert!(!report.to_string().contains("hunter2"), "{report}");
    }
    // One that the operator only watches has no say, whether it works or not.
    let watched = RiskPolicy::new().signal(Says("own", 60, None)).weight("own", 0);
    assert_eq!(judged(&watched, &at).confidence(), Confidence::High);
    // What the kit's own signals rest on fails.
    for change in [(|at| at.place = Err(PlaceUntold::Failed)) as Change, |at| at.password = PasswordSeen::Untold] {
        let mut at = at_home(&subject);
        change(&mut at);
        let report = judged(&all(), &at);
        assert!(report.confidence() < Confidence::High, "{report}");
        assert!(report.signals().iter().any(|signal| signal.failed), "{report}");
    }
    // An address that nobody knows could be any.
    let mut at = at_home(&subject);
    at.address = None;
    assert_eq!(judged(&all(), &at).confidence(), Confidence::Low);
}

#[test]
fn promise_8_at_low_confidence_nothing_is_asked_that_is_less_than_at_medium() {
    let subject = Subject::new("u-1");
    let at = at_home(&subject);
    let odd = RiskPolicy::new().signal(Says("own", 60, Some(100))).at_low(Requirement::at_least(Acr::AAL1));
    assert_eq!(judged(&odd, &at).outcome(), &RiskOutcome::Asks(Requirement::MFA));
    let strict = RiskPolicy::new().signal(Says("own", 60, Some(100))).at_low(Requirement::PHISHING_RESISTANT);
    assert_eq!(judged(&strict, &at).outcome(), &RiskOutcome::Asks(Requirement::PHISHING_RESISTANT));
    assert_eq!(judged(&odd.refuse_at_low(), &at).outcome(), &RiskOutcome::Refuses);
}

#[test]
fn impossible_travel_by_a_clock_that_stands_still_or_goes_back() {
    let subject = Subject::new("u-1");
    for at_last in [NOON, NOON.plus(std::time::Duration::from_secs(7_200))] {
        let mut at = at_home(&subject);
        at.last_place = Some(LastPlace { at: at_last, coordinates: point(52.5, 13.4) });
        assert_eq!(judged(&all(), &at).confidence(), Confidence::High, "where one was");
        at.place = Ok(Some(sydney()));
        assert_eq!(judged(&all(), &at).confidence(), Confidence::Low, "elsewhere, in no time");
    }
    // A day is time enough for any travel.
    let mut at = at_home(&subject);
    at.last_place =
        Some(LastPlace { at: NOON.minus(std::time::Duration::from_secs(86_400)), coordinates: point(52.5, 13.4) });
    at.place = Ok(Some(sydney()));
    assert_eq!(judged(&all(), &at).confidence(), Confidence::High);
    // The next town is no travel, however fast.
    let mut at = at_home(&subject);
    at.last_place = Some(LastPlace { at: NOON, coordinates: point(51.3, 12.4) });
    assert_eq!(judged(&all(), &at).confidence(), Confidence::High);
}

#[test]
fn an_hour_is_unusual_only_where_there_are_habits_and_days_are_round() {
    let subject = Subject::new("u-1");
    let midnight = |hours: [u8; 24]| {
        let mut at = at_home(&subject);
        at.now = UnixTime::from_secs(1_800_000_000 / 86_400 * 86_400);
        (at.last_place, at.hours) = (None, hours);
        fired(&judged(&all(), &at)).contains(&("unusual_hour", 10))
    };
    let at = |hour: usize, count: u8| std::array::from_fn(|other| if other == hour { count } else { 0 });
    assert!(!midnight([0; 24]) && !midnight(at(12, 19)), "no habits yet");
    assert!(midnight(at(12, 20)));
    assert!(!midnight(at(22, 20)) && !midnight(at(2, 20)) && !midnight(at(0, 20)));
    assert!(midnight(at(21, 20)) && midnight(at(3, 20)));
}

#[test]
fn promise_8_what_a_browser_says_of_itself_never_raises_confidence() {
    let subject = Subject::new("u-1");
    let risk = all();
    for (_, _, change) in EACH {
        let mut at = at_home(&subject);
        change(&mut at);
        let without = {
            let mut at = at.clone();
            at.user_agent = None;
            judged(&risk, &at).score()
        };
        for spoofed in ["", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "\u{0}trusted"] {
            assert!(judged(&risk, &at.clone().with_user_agent(spoofed)).score() >= without, "{spoofed}");
        }
    }
}

#[test]
fn a_signal_takes_the_place_of_one_that_has_its_name() {
    let subject = Subject::new("u-1");
    let mut at = at_home(&subject);
    at.failures = 1;
    let risk = RiskPolicy::new().signal(RecentFailures::after(1)).weight("recent_failures", 200);
    let report = judged(&risk, &at);
    assert_eq!((fired(&report), report.signals().len()), (vec![("recent_failures", 100)], 5));
    assert!(format!("{risk:?}").contains("(\"recent_failures\", 100)"));
}

#[test]
fn the_line_for_the_operator_says_what_counted_and_what_came_of_it() {
    let subject = Subject::new("u-1");
    let mut at = at_home(&subject);
    at.device = DeviceSeen::Never;
    let line = judged(&all(), &at).to_string();
    assert_eq!(
        line,
        "confidence medium, score 35: new_device 35 (the user did not sign in with this browser before); \
         asks http://schemas.openid.net/pape/policies/2007/06/multi-factor"
    );
    let dry = judged(&all().dry_run(), &at);
    assert!(
        dry.to_string().ends_with("; would ask http://schemas.openid.net/pape/policies/2007/06/multi-factor (dry run)")
    );
    assert!(dry.requirement().is_none() && !dry.bars_enrolment() && !dry.refuses());
    assert_eq!(judged(&all(), &at_home(&subject)).to_string(), "confidence high, score 0; asks nothing more");
}

/// How much is asked, as a number.
fn asked(report: &RiskReport) -> (u8, bool) {
    let strength = match report.outcome() {
        RiskOutcome::Nothing => 0,
        RiskOutcome::Asks(requirement) => {
            requirement.acr_value().and_then(|acr| AcrTable::default().strength(acr)).unwrap_or_default()
        }
        RiskOutcome::Refuses => u8::MAX,
    };
    (strength, report.bars_enrolment())
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

proptest! {
    #[test]
    fn promise_8_another_signal_never_lowers_what_is_asked(
        signals in prop::collection::vec((any::<u8>(), prop::option::of(any::<u8>())), 1..=6),
        thresholds in (1_u32..200, 0_u32..200),
        at_medium in 0_usize..3,
        at_low in 0_usize..3,
        refuse in any::<bool>(),
    ) {
        let requirements = [Requirement::NONE, Requirement::MFA, Requirement::PHISHING_RESISTANT];
        let base = RiskPolicy::new()
            .thresholds(thresholds.0, thresholds.0 + thresholds.1)
            .at_medium(requirements[at_medium].clone())
            .at_low(requirements[at_low].clone());
        let mut risk = if refuse { base.refuse_at_low() } else { base };
        let subject = Subject::new("u-1");
        let at = at_home(&subject);
        let mut before = asked(&judged(&risk, &at));
        for (name, (weight, share)) in NAMES.into_iter().zip(signals) {
            risk = risk.signal(Says(name, weight, share));
            let after = asked(&judged(&risk, &at));
            prop_assert!(after.0 >= before.0 && after.1 >= before.1, "{:?} after {:?}", after, before);
            before = after;
        }
    }
}
