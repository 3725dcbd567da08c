//! Seeds through serde: one explicit form, checked as it is read.

use countersign_mfa_otp::{
    Digits, HotpSecret, OtpAlgorithm, ParameterError, SecretError, StoredHotp, StoredTotp, TotpParameters, TotpSecret,
};

#[test]
fn a_totp_secret_survives_storage() {
    let parameters = TotpParameters::default()
        .with_algorithm(OtpAlgorithm::Sha512)
        .with_digits(Digits::EIGHT)
        .with_period(60)
        .and_then(|parameters| parameters.with_skew(2))
        .unwrap();
    let secret = TotpSecret::from_bytes(&[0xa5; 33], parameters).unwrap();
    let stored = serde_json::to_string(&secret.to_stored()).unwrap();
    let read = TotpSecret::from_stored(&serde_json::from_str(&stored).unwrap()).unwrap();
    assert_eq!(read.parameters(), parameters);
    assert_eq!(read.base32().expose(), secret.base32().expose());
}

/// Records outlive releases: this is what the first one wrote.
#[test]
fn the_stored_form_stays_readable() {
    let json = r#"{"secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ","algorithm":"SHA1","digits":6,"period":30,"skew":1}"#;
    let stored: StoredTotp = serde_json::from_str(json).unwrap();
    let secret = TotpSecret::from_stored(&stored).unwrap();
    assert_eq!(secret.parameters(), TotpParameters::default());
    assert_eq!(serde_json::to_string(&secret.to_stored()).unwrap(), json);
    let json = r#"{"secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ","algorithm":"SHA1","digits":6}"#;
    let stored: StoredHotp = serde_json::from_str(json).unwrap();
    let token = HotpSecret::from_stored(&stored).unwrap();
    assert_eq!(token.code(0).expose(), "755224");
    assert_eq!(serde_json::to_string(&token.to_stored()).unwrap(), json);
}

#[test]
fn a_record_out_of_range_is_refused() {
    let read = |secret: &str, digits: u8, period: u16, skew: u8| {
        let json =
            format!(r#"{{"secret":"{secret}","algorithm":"SHA1","digits":{digits},"period":{period},"skew":{skew}}}"#);
        serde_json::from_str::<StoredTotp>(&json).map(|stored| TotpSecret::from_stored(&stored).err())
    };
    let good = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    assert_eq!(read(good, 6, 30, 1).unwrap(), None);
    assert!(read(good, 1, 30, 1).is_err());
    assert_eq!(read(good, 6, 0, 1).unwrap(), Some(SecretError::Parameter(ParameterError::Period)));
    assert_eq!(read(good, 6, 30, 200).unwrap(), Some(SecretError::Parameter(ParameterError::Skew)));
    assert_eq!(read("GEZD", 6, 30, 1).unwrap(), Some(SecretError::TooShort));
    assert_eq!(read("1", 6, 30, 1).unwrap(), Some(SecretError::NotBase32));
}
