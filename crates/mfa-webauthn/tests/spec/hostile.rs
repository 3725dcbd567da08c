//! Promise 7: no input panics, whatever stands in it, and every answer to it is typed.

use std::sync::LazyLock;

use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_mfa_webauthn::testkit::readers::READERS;
use countersign_mfa_webauthn::{
    AttestationFormat, AuthenticationResponse, Credential, RegistrationResponse, TrustPolicy,
};
use countersign_primitives::SystemRandom;
use proptest::prelude::*;
use serde_json::Value;

use crate::site::{NOW, ORIGIN, SESSION, alice, passkey, site, user};

/// The answer to a registration, as it comes from an honest authenticator.
fn honest(format: AttestationFormat) -> Value {
    let (site, handle) = (site(), alice());
    let (options, _ceremony) = site.register_security_key(user(&handle)).begin(SESSION, NOW, &SystemRandom).unwrap();
    let mut key = SoftAuthenticator::security_key().unwrap().format(format);
    serde_json::from_str(&key.create(&serde_json::to_string(&options).unwrap(), ORIGIN).unwrap()).unwrap()
}

/// An answer that passes step 11 and fails later, with an object of one's own.
fn finish_in_time(spoil: impl Fn(&mut Vec<u8>) + Send + 'static, format: AttestationFormat) {
    let (site, handle) = (site(), alice());
    let (options, ceremony) = site.register_security_key(user(&handle)).begin(SESSION, NOW, &SystemRandom).unwrap();
    let mut key = SoftAuthenticator::security_key().unwrap().format(format);
    key.tamper_attestation_object(spoil);
    let answer = key.create(&serde_json::to_string(&options).unwrap(), ORIGIN).unwrap();
    let Ok(response) = RegistrationResponse::from_json(&answer) else { return };
    let policy = TrustPolicy::new().danger_accept_android_safetynet().danger_accept_tpm_sha1();
    let ended = site.finish_attested_registration(ceremony, &response, &policy, SESSION, NOW);
    assert!(!ended.unwrap_err().id().is_empty());
}

const FORMATS: [AttestationFormat; 6] = [
    AttestationFormat::Packed,
    AttestationFormat::Tpm,
    AttestationFormat::AndroidKey,
    AttestationFormat::AndroidSafetyNet,
    AttestationFormat::FidoU2f,
    AttestationFormat::Apple,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn promise_7_no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        finish_in_time(move |object| object.clone_from(&bytes), AttestationFormat::Packed);
    }

    #[test]
    fn promise_7_no_change_of_an_honest_attestation_panics(
        format in 0..FORMATS.len(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        finish_in_time(move |object| {
            for (index, byte) in &changes {
                let at = index.index(object.len());
                object[at] ^= byte;
            }
            if let Some(cut) = &cut {
                let at = cut.index(object.len());
                object.truncate(at);
            }
        }, FORMATS[format]);
    }

    #[test]
    fn promise_7_no_reader_panics_on_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        READERS.iter().for_each(|(_, read)| read(&bytes));
    }

    #[test]
    fn promise_7_no_reader_panics_on_parts_of_honest_answers(
        format in 0..FORMATS.len(),
        start in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
    ) {
        static OBJECTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
            let decode = |text: &str| data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
            FORMATS.iter().map(|format| decode(honest(*format)["response"]["attestationObject"].as_str().unwrap())).collect()
        });
        // From somewhere on: certificates, public areas and key descriptions begin in the middle of an object.
        let object = &OBJECTS[format];
        let mut part = object[start.index(object.len())..].to_vec();
        for (index, byte) in changes {
            let at = index.index(part.len());
            part[at] ^= byte;
        }
        READERS.iter().for_each(|(_, read)| read(&part));
    }

    #[test]
    fn promise_7_no_json_panics(text in "\\PC{0,200}") {
        prop_assert!(RegistrationResponse::from_json(&text).is_err());
        prop_assert!(AuthenticationResponse::from_json(&text).is_err());
        prop_assert!(serde_json::from_str::<Credential>(&text).is_err());
    }
}

#[test]
fn promise_7_every_cut_of_an_honest_attestation_is_refused() {
    for format in FORMATS {
        let answer = honest(format);
        let length = answer["response"]["attestationObject"].as_str().unwrap().len() * 3 / 4;
        for cut in (0..length).step_by(29) {
            finish_in_time(move |object| object.truncate(cut), format);
        }
    }
}

#[test]
fn promise_7_a_chain_of_many_certificates_is_not_searched() {
    let mut key = SoftAuthenticator::security_key().unwrap();
    let (site, handle) = (site(), alice());
    let (options, ceremony) = site.register_security_key(user(&handle)).begin(SESSION, NOW, &SystemRandom).unwrap();
    key.tamper_certificates(|chain| *chain = vec![chain[1].clone(); 60]);
    let answer = key.create(&serde_json::to_string(&options).unwrap(), ORIGIN).unwrap();
    let response = RegistrationResponse::from_json(&answer).unwrap();
    let refused =
        site.finish_attested_registration(ceremony, &response, &TrustPolicy::new(), SESSION, NOW).unwrap_err();
    assert_eq!(refused.id(), "attestation.members");
}

#[test]
fn promise_4_records_and_refusals_show_no_session() {
    let mut phone = SoftAuthenticator::platform().unwrap();
    let credential = passkey(&mut phone);
    let (_, ceremony) =
        site().authenticate(&alice(), [&credential]).begin("secret-session", NOW, &SystemRandom).unwrap();
    let shown = format!("{ceremony:?} {credential:?} {}", serde_json::to_string(&ceremony).unwrap());
    assert!(!shown.contains("secret-session"));
}
