//! Key Uri Format of Google Authenticator, and how programs get it wrong.

use countersign_mfa_otp::{
    Digits, HotpSecret, OtpAlgorithm, OtpauthError, ParameterError, SecretError, TotpParameters, TotpSecret,
};
use proptest::prelude::*;

const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn secret() -> TotpSecret {
    TotpSecret::from_bytes(b"12345678901234567890", TotpParameters::default()).unwrap()
}

fn refused(uri: &str) -> OtpauthError {
    TotpSecret::from_otpauth_uri(uri).unwrap_err()
}

fn owner(uri: &str) -> (Option<String>, String) {
    let imported = TotpSecret::from_otpauth_uri(uri).unwrap();
    (imported.issuer, imported.account)
}

fn named(issuer: &str, account: &str) -> (Option<String>, String) {
    (Some(issuer.to_owned()), account.to_owned())
}

#[test]
fn a_uri_names_every_parameter() {
    assert_eq!(
        secret().otpauth_uri("Example", "alice@example.com").expose(),
        format!(
            "otpauth://totp/Example:alice%40example.com?secret={BASE32}&issuer=Example&algorithm=SHA1&digits=6&period=30"
        ),
    );
}

#[test]
fn a_space_is_percent_20_and_never_a_plus() {
    let uri = secret().otpauth_uri("Big Corp & Söhne", "alice+otp smith");
    let head = "otpauth://totp/Big%20Corp%20%26%20S%C3%B6hne:alice%2Botp%20smith?";
    assert!(uri.expose().starts_with(head), "{}", uri.expose());
    assert!(uri.expose().contains("&issuer=Big%20Corp%20%26%20S%C3%B6hne&"));
    assert!(!uri.expose().contains('+'));
    assert_eq!(owner(uri.expose()), named("Big Corp & Söhne", "alice+otp smith"));
}

#[test]
fn a_colon_in_a_name_stays_in_the_name() {
    let uri = secret().otpauth_uri("a:b", "c:d");
    assert!(uri.expose().starts_with("otpauth://totp/a%3Ab:c%3Ad?"));
    assert_eq!(owner(uri.expose()), named("a:b", "c:d"));
}

#[test]
fn an_encoded_colon_separates_where_no_literal_one_does() {
    assert_eq!(owner(&format!("otpauth://totp/Example%3Aalice?secret={BASE32}")), named("Example", "alice"));
    assert_eq!(owner(&format!("otpauth://totp/Example%3A%20alice?secret={BASE32}")), named("Example", "alice"));
    assert_eq!(
        owner(&format!("otpauth://totp/Example%3Aa%3Ab?secret={BASE32}&issuer=Example")),
        named("Example", "a:b")
    );
    assert_eq!(owner(&format!("otpauth://totp/a%3Ab?secret={BASE32}&issuer=Other")), named("Other", "a:b"));
}

#[test]
fn the_issuer_parameter_wins_and_may_be_missing() {
    assert_eq!(owner(&format!("otpauth://totp/Old:alice?secret={BASE32}&issuer=New")), named("New", "alice"));
    assert_eq!(owner(&format!("otpauth://totp/alice?secret={BASE32}")), (None, "alice".to_owned()));
    assert_eq!(owner(&format!("otpauth://totp/alice?secret={BASE32}&issuer=")), (None, "alice".to_owned()));
}

#[test]
fn missing_parameters_have_their_defaults_and_unknown_ones_are_passed_over() {
    let uri = format!("OTPAUTH://TOTP/alice?image=https%3A%2F%2Fexample.com%2Fa.png&secret={}", BASE32.to_lowercase());
    let imported = TotpSecret::from_otpauth_uri(&uri).unwrap();
    assert_eq!(imported.secret.parameters(), TotpParameters::default());
    assert_eq!(imported.secret.base32().expose(), BASE32);
}

#[test]
fn a_secret_with_padding_or_groups_is_read() {
    let uri = "otpauth://totp/a?secret=GEZD%20GNBV%20GY3T%20QOJQ%20GEZD%20GNBV%20GY%3D%3D%3D%3D%3D%3D";
    assert_eq!(TotpSecret::from_otpauth_uri(uri).unwrap().secret.base32().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY");
    let grouped = secret().base32_grouped();
    assert_eq!(grouped.expose(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
    let typed = TotpSecret::from_base32(&grouped.expose().to_lowercase(), TotpParameters::default()).unwrap();
    assert_eq!(typed.base32().expose(), BASE32);
}

#[test]
fn each_mistake_has_its_cause() {
    let with = |tail: &str| refused(&format!("otpauth://totp/a?secret={BASE32}{tail}"));
    assert_eq!(refused("https://example.com/"), OtpauthError::Scheme);
    assert_eq!(refused("otpauth:"), OtpauthError::Scheme);
    assert_eq!(refused("ötpauth://totp/a"), OtpauthError::Scheme);
    assert_eq!(refused("otpauth://totp"), OtpauthError::Kind);
    assert_eq!(refused(&format!("otpauth://hotp/a?secret={BASE32}&counter=0")), OtpauthError::Kind);
    assert_eq!(refused("otpauth://totp/a"), OtpauthError::NoSecret);
    assert_eq!(refused("otpauth://totp/a?issuer=b"), OtpauthError::NoSecret);
    assert_eq!(refused("otpauth://totp/a?secret=GEZDGNBV"), OtpauthError::Secret(SecretError::TooShort));
    assert_eq!(refused("otpauth://totp/a?secret=1890"), OtpauthError::Secret(SecretError::NotBase32));
    assert_eq!(with("&secret=A"), OtpauthError::Repeated);
    assert_eq!(with("&issuer=a&issuer=b"), OtpauthError::Repeated);
    assert_eq!(with("&algorithm=MD5"), OtpauthError::Parameter(ParameterError::Algorithm));
    assert_eq!(with("&digits=1"), OtpauthError::Parameter(ParameterError::Digits));
    assert_eq!(with("&digits=six"), OtpauthError::Parameter(ParameterError::Digits));
    assert_eq!(with("&period=0"), OtpauthError::Parameter(ParameterError::Period));
    assert_eq!(with("&period=-30"), OtpauthError::Parameter(ParameterError::Period));
    assert_eq!(with("&issuer=%"), OtpauthError::Encoding);
    assert_eq!(with("&issuer=%f"), OtpauthError::Encoding);
    assert_eq!(with("&issuer=%zz"), OtpauthError::Encoding);
    assert_eq!(with("&issuer=%ff"), OtpauthError::Encoding);
    assert_eq!(with("&issuer=a%0Ab"), OtpauthError::Encoding);
    assert_eq!(with(&format!("&image={}", "a".repeat(2_048))), OtpauthError::TooLong);
}

#[test]
fn a_hotp_uri_carries_its_counter() {
    let token = HotpSecret::from_base32(BASE32, OtpAlgorithm::Sha1, Digits::SIX).unwrap();
    let uri = token.otpauth_uri("Example", "alice", 7);
    let wanted =
        format!("otpauth://hotp/Example:alice?secret={BASE32}&issuer=Example&algorithm=SHA1&digits=6&counter=7");
    assert_eq!(uri.expose(), wanted);
    let imported = HotpSecret::from_otpauth_uri(uri.expose()).unwrap();
    assert_eq!((imported.counter, imported.account.as_str()), (7, "alice"));
    assert_eq!(imported.secret.code(0).expose(), "755224");
    let refused =
        |tail: &str| HotpSecret::from_otpauth_uri(&format!("otpauth://hotp/a?secret={BASE32}{tail}")).unwrap_err();
    assert_eq!(refused(""), OtpauthError::NoCounter);
    assert_eq!(refused("&counter=x"), OtpauthError::Counter);
    assert_eq!(refused("&counter=18446744073709551616"), OtpauthError::Counter);
}

#[test]
fn promise_4_an_imported_secret_is_not_shown() {
    let imported = TotpSecret::from_otpauth_uri(secret().otpauth_uri("Example", "alice").expose()).unwrap();
    assert!(!format!("{imported:?}").contains("GEZD"));
}

proptest! {
    #[test]
    fn otpauth_uri_round_trip(
        bytes in proptest::collection::vec(any::<u8>(), 16..=64),
        issuer in "\\PC{1,40}",
        account in "[^ \\pC]\\PC{0,40}",
        digits in 6_u8..=8,
        period in 5_u16..=300,
        algorithm in 0_usize..3,
    ) {
        let algorithm = [OtpAlgorithm::Sha1, OtpAlgorithm::Sha256, OtpAlgorithm::Sha512][algorithm];
        let parameters = TotpParameters::default()
            .with_algorithm(algorithm)
            .with_digits(Digits::new(digits).unwrap())
            .with_period(period)
            .unwrap();
        let secret = TotpSecret::from_bytes(&bytes, parameters).unwrap();
        let uri = secret.otpauth_uri(&issuer, &account);
        prop_assume!(uri.expose().len() <= 2_048);
        let read = TotpSecret::from_otpauth_uri(uri.expose()).unwrap();
        prop_assert_eq!(read.issuer, Some(issuer));
        prop_assert_eq!(read.account, account);
        prop_assert_eq!(read.secret.parameters(), parameters);
        let (written, again) = (secret.base32(), read.secret.base32());
        prop_assert_eq!(written.expose(), again.expose());
    }

    #[test]
    fn promise_7_no_uri_can_panic_the_reader(tail in ".*", uri in ".*") {
        let _ = TotpSecret::from_otpauth_uri(&uri);
        let _ = TotpSecret::from_otpauth_uri(&format!("otpauth://totp/{tail}"));
        let _ = HotpSecret::from_otpauth_uri(&format!("otpauth://hotp/a?{tail}"));
    }
}
