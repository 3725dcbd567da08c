use std::time::Duration;

use super::*;
use crate::{Id, UnixTime};

const NOW: UnixTime = UnixTime::from_secs(1_000_000);

#[test]
fn promise_8_a_login_without_a_class_meets_no_class() {
    let who = SignedIn::new("u", NOW).amr([Amr::Pwd, Amr::Otp]);
    assert!(!Requirement::MFA.met_by(&who, &AcrTable::default(), NOW));
    assert!(Requirement::NONE.met_by(&who, &AcrTable::default(), NOW));
}

#[test]
fn a_stronger_class_satisfies_a_weaker_one_and_never_the_other_way() {
    let table = AcrTable::default();
    for (have, need, holds) in [
        (Acr::PHR, Acr::MFA, true),
        (Acr::MFA, Acr::AAL1, true),
        (Acr::AAL1, Acr::MFA, false),
        (Acr::MFA, Acr::PHR, false),
        (Acr::new("unknown"), Acr::AAL1, false),
        (Acr::PHR, Acr::new("unknown"), false),
        (Acr::new("own"), Acr::new("own"), true),
    ] {
        assert_eq!(table.satisfies(&have, &need), holds, "{have:?} for {need:?}");
    }
}

#[test]
fn nist_sp800_63b_aal2_ends_after_a_day() {
    let table = AcrTable::default();
    let day_old = SignedIn::new("u", NOW.minus(Duration::from_secs(24 * 3_600 + 1))).acr(Acr::MFA);
    assert!(!table.reached(&day_old, &Acr::AAL2, NOW));
    assert!(table.reached(&day_old, &Acr::MFA, NOW));
}

#[test]
fn the_strictest_of_two_requirements_counts() {
    let table = AcrTable::default();
    let minute = Duration::from_secs(60);
    let both = Requirement::MFA.max_age(minute * 5).and(&Requirement::PHISHING_RESISTANT.max_age(minute), &table);
    assert_eq!(both, Requirement::PHISHING_RESISTANT.max_age(minute));
    let other_way = Requirement::PHISHING_RESISTANT.max_age(minute).and(&Requirement::MFA.max_age(minute * 5), &table);
    assert_eq!(other_way, both);
    assert_eq!(Requirement::NONE.and(&Requirement::MFA, &table), Requirement::MFA);
}

#[test]
fn m34_a_remembered_browser_stands_in_for_two_factors_of_any_age_and_nothing_else() {
    let (gold, fresh) = (Acr::new("gold"), Acr::new("fresh gold"));
    let class = |value: &Acr, max_age| AcrClass { value: value.clone(), strength: 2, max_age };
    let table = AcrTable::new([class(&gold, None), class(&fresh, Some(Duration::from_secs(60)))]);
    let device = Remembered { device: Id::from_bytes([1; 16]), until: NOW.plus(Duration::from_secs(1)) };
    let bare = SignedIn::new("u", NOW).amr([Amr::Pwd]);
    let who = bare.clone().acr(Acr::AAL1).on_remembered(Some(device));
    for (need, met) in [
        (Requirement::MFA, true),
        (Requirement::at_least(gold), true),
        (Requirement::MFA.never_remembered(), false),
        (Requirement::NONE.never_remembered().and(&Requirement::MFA, &table), false),
        (Requirement::MFA.and(&Requirement::NONE.never_remembered(), &table), false),
        (Requirement::MFA.max_age(Duration::from_secs(300)), false),
        (Requirement::at_least(Acr::AAL2), false), // its factors are at most a day old
        (Requirement::at_least(fresh), false),
        (Requirement::PHISHING_RESISTANT, false),
        (Requirement::at_least(Acr::new("unknown")), false),
    ] {
        assert_eq!(need.met_by(&who, &table, NOW), met, "{need:?}");
    }
    assert!(!Requirement::MFA.met_by(&who, &table, device.until), "its time is over");
    let nothing_proven = bare.on_remembered(Some(device));
    assert!(!Requirement::MFA.met_by(&nothing_proven, &table, NOW), "it adds to a factor and is none");
    assert!(Requirement::NONE.never_remembered().is_none(), "a client that acts for itself has no browser");
}

#[test]
fn m35_a_remembered_browser_changes_nothing_that_a_login_states() {
    let device = Remembered { device: Id::from_bytes([1; 16]), until: UnixTime::MAX };
    let who = SignedIn::new("u", NOW).amr([Amr::Pwd]).acr(Acr::AAL1).on_remembered(Some(device));
    assert_eq!((who.acr_value(), &who.amr_values()[..]), (Some(&Acr::AAL1), &[Amr::Pwd][..]));
    assert!(!AcrTable::default().reached(&who, &Acr::MFA, NOW));
}

#[test]
fn oidc_core_2_auth_time_is_the_oldest_proof() {
    let who = SignedIn::new("u", NOW).amr([Amr::Pwd]).proof(Amr::Otp, NOW.plus(Duration::from_secs(9)));
    assert_eq!(who.auth_time(), NOW);
    assert_eq!(who.amr_values(), [Amr::Pwd, Amr::Otp]);
}
