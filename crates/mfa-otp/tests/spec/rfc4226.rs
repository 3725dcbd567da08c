//! HOTP: An HMAC-Based One-Time Password Algorithm.

use countersign_mfa_otp::{Digits, HotpSecret, OtpAlgorithm, SecretError, hotp};
use proptest::prelude::*;
use ring::hmac;

const SECRET: &[u8] = b"12345678901234567890";
const APPENDIX_D: [&str; 10] =
    ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];

fn token() -> HotpSecret {
    HotpSecret::from_bytes(SECRET, OtpAlgorithm::Sha1, Digits::SIX).unwrap()
}

#[test]
fn rfc4226_appendix_d_all_ten_values() {
    for (counter, code) in (0..).zip(APPENDIX_D) {
        assert_eq!(hotp(SECRET, counter, OtpAlgorithm::Sha1, Digits::SIX).unwrap().expose(), code);
        assert_eq!(token().code(counter).expose(), code);
        assert_eq!(token().check(code, counter, 0), Some(counter + 1));
    }
}

#[test]
fn rfc4226_4_r6_a_secret_has_at_least_128_bits() {
    let made = |secret: &[u8]| HotpSecret::from_bytes(secret, OtpAlgorithm::Sha1, Digits::SIX).err();
    assert_eq!(made(&[0; 15]), Some(SecretError::TooShort));
    assert_eq!(made(&[0; 16]), None);
    let generated = HotpSecret::generate().unwrap();
    assert_eq!(generated.base32().expose().len(), 32, "160 bits");
    assert_ne!(generated.base32().expose(), HotpSecret::generate().unwrap().base32().expose());
}

#[test]
fn rfc4226_5_3_codes_keep_their_leading_zeros() {
    let code = (0..1_000).map(|counter| token().code(counter)).find(|code| code.expose().starts_with('0')).unwrap();
    assert_eq!(code.expose().len(), 6);
}

#[test]
fn rfc4226_7_2_a_spent_counter_is_refused() {
    let next = token().check(APPENDIX_D[0], 0, 5).unwrap();
    assert_eq!(next, 1);
    assert_eq!(token().check(APPENDIX_D[0], next, 5), None);
}

#[test]
fn rfc4226_7_4_a_code_within_the_look_ahead_window_is_taken_and_none_beyond() {
    assert_eq!(token().check(APPENDIX_D[5], 0, 5), Some(6));
    assert_eq!(token().check(APPENDIX_D[6], 0, 5), None);
    assert_eq!(token().check(APPENDIX_D[4], 5, 5), None, "the window never looks back");
}

#[test]
fn rfc4226_7_4_the_look_ahead_window_is_limited_however_wide_it_is_asked_for() {
    let at = |counter| token().check(token().code(counter).expose(), 0, u16::MAX);
    assert_eq!(at(100), Some(101));
    assert_eq!(at(101), None);
}

/// Counters 153567 and 153569 of the appendix's secret share a code. Were the older one taken, the code would be good for the
/// newer one once more.
#[test]
fn rfc4226_7_4_a_code_that_occurs_twice_in_the_window_is_spent_once() {
    assert_eq!(token().code(153_567).expose(), token().code(153_569).expose());
    let next = token().check("468457", 153_567, 5).unwrap();
    assert_eq!(next, 153_570);
    assert_eq!(token().check("468457", next, 5), None);
}

#[test]
fn rfc4226_7_4_two_consecutive_codes_resynchronise() {
    let code = |counter| token().code(counter);
    assert_eq!(token().resynchronise(code(60).expose(), code(61).expose(), 3, 100), Some(62));
    assert_eq!(token().resynchronise(code(61).expose(), code(60).expose(), 3, 100), None, "the wrong order");
    assert_eq!(token().resynchronise(code(60).expose(), code(62).expose(), 3, 100), None, "not consecutive");
    assert_eq!(token().resynchronise(code(60).expose(), code(60).expose(), 3, 100), None, "one code twice");
    assert_eq!(token().resynchronise(code(1).expose(), code(2).expose(), 2, 100), None, "spent");
    assert_eq!(token().resynchronise(code(104).expose(), code(105).expose(), 3, 100), None, "beyond the window");
}

#[test]
fn promise_7_the_last_counters_do_not_overflow() {
    let code = |counter| token().code(counter);
    assert_eq!(token().check(code(u64::MAX).expose(), u64::MAX, 100), None, "there is no counter after it");
    assert_eq!(token().check(code(u64::MAX - 1).expose(), u64::MAX - 1, 0), Some(u64::MAX));
    assert_eq!(token().resynchronise(code(u64::MAX).expose(), code(0).expose(), u64::MAX, 100), None);
}

proptest! {
    /// Another HMAC and the arithmetic of §5.3 spelt out anew.
    #[test]
    fn rfc4226_5_3_agrees_with_an_independent_computation(
        secret in proptest::collection::vec(any::<u8>(), 16..=64),
        counter: u64,
        digits in 6_u8..=8,
        hash in 0_usize..3,
    ) {
        let (ours, theirs) = [
            (OtpAlgorithm::Sha1, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            (OtpAlgorithm::Sha256, hmac::HMAC_SHA256),
            (OtpAlgorithm::Sha512, hmac::HMAC_SHA512),
        ][hash];
        let mac = hmac::sign(&hmac::Key::new(theirs, &secret), &counter.to_be_bytes());
        let mac = mac.as_ref();
        let offset = usize::from(mac[mac.len() - 1] & 0xf);
        let word = u32::from_be_bytes(mac[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
        let shown = format!("{word:010}");
        let code = hotp(&secret, counter, ours, Digits::new(digits).unwrap()).unwrap();
        prop_assert_eq!(code.expose(), &shown[10 - usize::from(digits)..]);
    }
}
