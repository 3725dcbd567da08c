use countersign_pkce::{ChallengeMethod, CodeChallenge, CodeVerifier, PkceError};
use proptest::prelude::*;

/// Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[test]
fn rfc7636_appendix_b_vector() {
    let verifier = CodeVerifier::parse(VERIFIER).unwrap();
    assert_eq!(verifier.challenge().as_str(), CHALLENGE);
    assert!(CodeChallenge::parse(CHALLENGE).unwrap().verify(&verifier));
}

#[test]
fn rfc7636_4_1_verifier_has_43_to_128_unreserved_characters() {
    assert!(CodeVerifier::parse(&"a".repeat(43)).is_ok());
    assert!(CodeVerifier::parse(&"~".repeat(128)).is_ok());
    for length in [0, 1, 42, 129, 4096] {
        assert_eq!(CodeVerifier::parse(&"a".repeat(length)).unwrap_err(), PkceError::VerifierLength);
    }
    for bad in ['+', '/', '=', ' ', '%', '\0', 'ä', '\u{7f}', '\n'] {
        let text = format!("{}{bad}", "a".repeat(50));
        assert_eq!(CodeVerifier::parse(&text).unwrap_err(), PkceError::VerifierCharacter, "{bad:?}");
    }
}

#[test]
fn rfc7636_4_2_challenge_is_canonical_base64url_of_32_bytes() {
    for bad in ["", "short", &CHALLENGE[1..], &format!("{CHALLENGE}="), &format!("{CHALLENGE}A")] {
        assert_eq!(CodeChallenge::parse(bad), Err(PkceError::Challenge), "{bad}");
    }
    // The same bytes in another spelling: the last character's two spare bits set.
    assert_eq!(CodeChallenge::parse(&format!("{}N", &CHALLENGE[..42])), Err(PkceError::Challenge));
    assert_eq!(CodeChallenge::parse(&CHALLENGE.replace('-', "+")), Err(PkceError::Challenge));
}

#[test]
fn rfc7636_4_3_plain_is_refused_by_a_cause_of_its_own() {
    assert_eq!(ChallengeMethod::parse("S256"), Ok(ChallengeMethod::S256));
    assert_eq!(ChallengeMethod::parse("plain"), Err(PkceError::PlainRefused));
    for unknown in ["", "s256", "S512", "S256 ", "PLAIN"] {
        assert_eq!(ChallengeMethod::parse(unknown), Err(PkceError::UnknownMethod), "{unknown}");
    }
    assert_eq!(ChallengeMethod::S256.as_str(), "S256");
}

#[test]
fn rfc7636_4_6_another_verifier_does_not_match() {
    let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
    assert!(!challenge.verify(&CodeVerifier::parse(&"a".repeat(43)).unwrap()));
    // Whoever saw the challenge alone has nothing: it does not serve as its own verifier.
    assert!(!challenge.verify(&CodeVerifier::parse(CHALLENGE).unwrap()));
}

#[test]
fn a_challenge_is_stored_as_its_text_and_checked_when_read() {
    let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
    let stored = serde_json::to_string(&challenge).unwrap();
    assert_eq!(stored, format!("\"{CHALLENGE}\""));
    assert_eq!(serde_json::from_str::<CodeChallenge>(&stored).unwrap(), challenge);
    assert!(serde_json::from_str::<CodeChallenge>("\"plain\"").is_err());
}

proptest! {
    #[test]
    fn every_valid_verifier_matches_its_own_challenge_only(text in "[A-Za-z0-9._~-]{43,128}") {
        let verifier = CodeVerifier::parse(&text).unwrap();
        let challenge = CodeChallenge::parse(verifier.challenge().as_str()).unwrap();
        prop_assert!(challenge.verify(&verifier));
        let other = format!("{}{}", &text[..42], if text.ends_with('A') { "B" } else { "A" });
        let other = CodeVerifier::parse(&other).unwrap();
        prop_assert_eq!(challenge.verify(&other), other.expose() == verifier.expose());
    }

    #[test]
    fn no_text_panics_the_parsers(text in ".{0,200}") {
        let _ = CodeVerifier::parse(&text);
        let _ = CodeChallenge::parse(&text);
        let _ = ChallengeMethod::parse(&text);
    }
}
