//! TOTP: Time-Based One-Time Password Algorithm.

use std::time::{Duration, SystemTime};

use countersign_mfa_otp::{Digits, Drift, OtpAlgorithm, TotpParameters, TotpSecret, normalise};
use countersign_primitives::UnixTime;
use proptest::prelude::*;

const SEED: &[u8; 64] = b"1234567890123456789012345678901234567890123456789012345678901234";

/// The default: six digits, 30 seconds, one step either side.
fn secret() -> TotpSecret {
    TotpSecret::from_bytes(&SEED[..20], TotpParameters::default()).unwrap()
}

fn at(step: u64) -> UnixTime {
    UnixTime::from_secs(step * 30)
}

#[test]
fn rfc6238_appendix_b_all_vectors_of_the_three_algorithms() {
    let vectors = [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ];
    let algorithms = [(OtpAlgorithm::Sha1, 20), (OtpAlgorithm::Sha256, 32), (OtpAlgorithm::Sha512, 64)];
    for (seconds, codes) in vectors {
        for ((algorithm, length), code) in algorithms.into_iter().zip(codes) {
            let parameters = TotpParameters::default().with_algorithm(algorithm).with_digits(Digits::EIGHT);
            let secret = TotpSecret::from_bytes(&SEED[..length], parameters).unwrap();
            let now = UnixTime::from_secs(seconds);
            assert_eq!(secret.code_at(now).expose(), code, "{algorithm} at {seconds}");
            assert_eq!(secret.check(code, now, None), Some(seconds / 30), "{algorithm} at {seconds}");
        }
    }
}

#[test]
fn rfc6238_4_2_a_step_is_counted_from_the_epoch() {
    assert_eq!(secret().step_at(UnixTime::from_secs(29)), 0);
    assert_eq!(secret().step_at(UnixTime::from_secs(30)), 1);
    assert_eq!(secret().step_at(UnixTime::from_millis(59_999)), 1);
    let minute = TotpSecret::from_bytes(&SEED[..20], TotpParameters::default().with_period(60).unwrap()).unwrap();
    assert_eq!(minute.step_at(UnixTime::from_secs(119)), 1);
}

#[test]
fn rfc6238_5_2_one_step_either_side_is_accepted_and_no_more() {
    let code = secret().code_at(at(1_000));
    let accepted = |step| secret().check(code.expose(), at(step), None);
    assert_eq!([998, 999, 1_000, 1_001, 1_002].map(accepted), [None, Some(1_000), Some(1_000), Some(1_000), None]);
    // To the second: the first and the last at which step 1000 is within the window.
    assert_eq!(secret().check(code.expose(), UnixTime::from_millis(999 * 30_000 - 1), None), None);
    assert_eq!(secret().check(code.expose(), UnixTime::from_millis(1_002 * 30_000 - 1), None), Some(1_000));
}

#[test]
fn rfc6238_5_2_without_skew_only_the_current_step_is_accepted() {
    let strict = TotpParameters::default().with_skew(0).unwrap();
    let secret = TotpSecret::from_bytes(&SEED[..20], strict).unwrap();
    let code = secret.code_at(at(1_000));
    assert_eq!([999, 1_000, 1_001].map(|step| secret.check(code.expose(), at(step), None)), [None, Some(1_000), None]);
}

#[test]
fn rfc6238_5_2_a_code_is_accepted_once() {
    let code = secret().code_at(at(1_000));
    let spent = secret().check(code.expose(), at(1_000), None);
    assert_eq!(spent, Some(1_000));
    for step in 999..=1_001 {
        assert_eq!(secret().check(code.expose(), at(step), spent), None, "again, at step {step}");
    }
}

#[test]
fn rfc6238_5_2_a_code_older_than_the_last_one_is_refused() {
    let older = secret().code_at(at(999));
    assert_eq!(secret().check(older.expose(), at(1_000), Some(1_000)), None);
    assert_eq!(secret().check(older.expose(), at(1_000), Some(999)), None);
    assert_eq!(secret().check(older.expose(), at(1_000), Some(998)), Some(999));
}

/// Steps 910737 and 910738 of this secret share a code, as do 153567 and 153569.
#[test]
fn rfc6238_5_2_where_two_steps_share_a_code_the_newest_unused_is_taken() {
    for (code, older, newer) in [("911617", 910_737, 910_738), ("468457", 153_567, 153_569)] {
        assert_eq!(secret().code_at(at(older)).expose(), code);
        assert_eq!(secret().code_at(at(newer)).expose(), code);
        let middle = at(older + 1);
        assert_eq!(secret().check(code, middle, None), Some(newer));
        // The older was spent: the newer is no replay.
        assert_eq!(secret().check(code, middle, Some(older)), Some(newer));
        // The newer was spent: the same code is not let in once more for the older.
        assert_eq!(secret().check(code, middle, Some(newer)), None);
        // The newer is not within the window yet.
        assert_eq!(secret().check(code, at(newer - 2), None), Some(older));
    }
}

#[test]
fn rfc6238_6_a_device_that_drifts_is_found_where_it_is_known_to_be() {
    let code = secret().code_at(at(1_004));
    assert_eq!(secret().check(code.expose(), at(1_000), None), None);
    assert_eq!(secret().check_with_drift(code.expose(), at(1_000), 3, None), Some(1_004));
    assert_eq!(secret().check_with_drift(code.expose(), at(1_008), -3, None), Some(1_004));
    assert_eq!(
        secret().check_with_drift(code.expose(), at(1_000), 3, Some(1_004)),
        None,
        "drift opens no way around replay"
    );
}

#[test]
fn rfc6238_6_a_clock_that_runs_slow_is_followed_for_years() {
    // A device that loses a second a day, whose user signs in once a day.
    let (mut drift, mut last) = (Drift::NONE, None);
    for day in 0..250_u64 {
        let now = UnixTime::from_secs(1_000_000_000 + day * 86_400);
        let shown = secret().code_at(UnixTime::from_secs(now.as_secs() - day));
        let step = secret().check_with_drift(shown.expose(), now, drift.steps(), last);
        assert!(step.is_some(), "day {day}: {drift:?}");
        assert!(step > last);
        (drift, last) = (drift.learn(step.unwrap(), secret().step_at(now), 10), step);
    }
    assert_eq!(drift.steps(), -8, "250 seconds");
}

#[test]
fn rfc6238_6_two_codes_in_a_row_find_a_clock_that_is_far_off() {
    let code = |step| secret().code_at(at(step));
    let found = |first: u64, second: u64, last| {
        secret().resynchronise((code(first).expose(), code(second).expose()), at(1_000), 10, last)
    };
    for second in [990, 991, 999, 1_000, 1_001, 1_010] {
        assert_eq!(found(second - 1, second, None), Some(second));
    }
    assert_eq!(found(988, 989, None), None, "too slow");
    assert_eq!(found(1_010, 1_011, None), None, "too fast");
    assert_eq!(found(995, 994, None), None, "the wrong order");
    assert_eq!(found(995, 995, None), None, "one code twice");
    assert_eq!(found(993, 995, None), None, "not in a row");
    assert_eq!(found(994, 995, Some(994)), None, "the first of them is spent");
    assert_eq!(found(994, 995, Some(993)), Some(995));
}

#[test]
fn only_exactly_the_digits_are_a_code() {
    let code = secret().code_at(at(37));
    let code = code.expose();
    let arabic: String = code.chars().map(|digit| char::from_u32(digit as u32 - 0x30 + 0x660).unwrap()).collect();
    let wide: String = code.chars().map(|digit| char::from_u32(digit as u32 - 0x30 + 0xff10).unwrap()).collect();
    let wrong = [
        String::new(),
        code[..5].to_owned(),
        code[..1].to_owned(),
        format!("0{code}"),
        format!("{code}0"),
        format!("{code}\n"),
        format!(" {code}"),
        format!("{} {}", &code[..3], &code[3..]),
        format!("+{}", &code[1..]),
        format!("-{}", &code[1..]),
        format!("{}a", &code[..5]),
        format!("{}\0", &code[..5]),
        arabic.clone(),
        wide,
    ];
    for wrong in wrong {
        assert_eq!(secret().check(&wrong, at(37), None), None, "{wrong:?}");
    }
    assert_eq!(
        secret().check(normalise(&arabic).expose(), at(37), None),
        None,
        "digits of another script stay what they are"
    );
    let spaced = format!(" {}-{} ", &code[..3], &code[3..]);
    assert_eq!(secret().check(normalise(&spaced).expose(), at(37), None), Some(37));
}

#[test]
fn promise_7_time_near_its_ends_neither_underflows_nor_overflows() {
    for seconds in [0, 1, 29, 30, 59, u64::MAX / 1_000] {
        let now = UnixTime::from_secs(seconds);
        let code = secret().code_at(now);
        assert_eq!(secret().check(code.expose(), now, None), Some(secret().step_at(now)));
        for drift in [i32::MIN, i32::MAX] {
            let _ = secret().check_with_drift(code.expose(), now, drift, Some(u64::MAX));
            let _ = secret().resynchronise((code.expose(), code.expose()), now, u8::MAX, Some(u64::MAX));
        }
    }
    assert_eq!(secret().check(secret().code_at(at(0)).expose(), at(1), None), Some(0));
    let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_secs(86_400);
    assert_eq!(secret().step_at(before_1970), 0);
}

#[test]
fn promise_4_debug_output_shows_no_seed() {
    assert_eq!(format!("{:?} {:?}", secret(), secret().to_stored()), "TotpSecret(..) StoredTotp(..)");
}

proptest! {
    #[test]
    fn rfc6238_5_2_what_was_accepted_is_newer_than_the_last_and_within_the_window(
        step in 1_u64..1 << 40, last in proptest::option::of(0_u64..1 << 40), off in -3_i64..=3, skew in 0_u8..=3,
    ) {
        let parameters = TotpParameters::default().with_skew(skew).unwrap();
        let secret = TotpSecret::from_bytes(&SEED[..20], parameters).unwrap();
        let code = secret.code_at(at(step.saturating_add_signed(off)));
        if let Some(matched) = secret.check(code.expose(), at(step), last) {
            prop_assert!(last.is_none_or(|last| matched > last));
            prop_assert!(matched.abs_diff(step) <= u64::from(skew));
        }
    }

    /// Whatever the clocks do and whatever is typed when, no step is accepted that is not newer than every one before.
    #[test]
    fn rfc6238_6_no_drift_reopens_a_spent_step(
        moves in proptest::collection::vec((-40_i64..40, -14_i64..=14, 0_u8..=12), 1..80),
    ) {
        let (mut here, mut drift, mut last) = (100_000_u64, Drift::NONE, None);
        for (passed, off, most) in moves {
            here = here.saturating_add_signed(passed); // clocks are set back, too
            let code = secret().code_at(at(here.saturating_add_signed(off)));
            if let Some(step) = secret().check_with_drift(code.expose(), at(here), drift.within(most).steps(), last) {
                prop_assert!(last.is_none_or(|last| step > last));
                prop_assert!(step.abs_diff(here) <= u64::from(most) + 1, "within the bound and the window");
                (drift, last) = (drift.within(most).learn(step, here, most), Some(step));
            }
        }
    }

    #[test]
    fn promise_7_no_text_can_panic_the_check(typed in ".*", seconds: u64, last: Option<u64>) {
        let _ = secret().check(&typed, UnixTime::from_secs(seconds), last);
        let _ = secret().check(normalise(&typed).expose(), UnixTime::from_secs(seconds), last);
    }
}
