//! The specification's own test vectors (WebAuthn 3 §16), from end to end.

use countersign_mfa_webauthn::{
    Algorithm, Attestation, AttestationFormat, AttestationKind, Authentication, AuthenticationResponse, Counter,
    NewUser, Registration, RegistrationResponse, RelyingParty, TrustPolicy, UserHandle,
};
use countersign_primitives::{SystemRandom, UnixTime};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::hkdf;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);

#[derive(Deserialize)]
struct Vectors {
    attestation_ca_cert: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    info: String,
    registration: Created,
    authentication: Used,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    challenge: String,
    #[serde(rename = "credential_id")]
    credential_id: String,
    aaguid: String,
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    attestation_object: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Used {
    challenge: String,
    authenticator_data: String,
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    signature: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/webauthn-3.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

fn base64(hex: &str) -> String {
    BASE64URL_NOPAD.encode(&bytes(hex))
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// A value as the appendix derives it.
fn derived(info: &str, salt: u8, length: usize) -> String {
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, &[salt]).extract(b"WebAuthn test vectors");
    let info = [info.as_bytes()];
    let mut out = vec![0; length];
    key.expand(&info, Length(length)).unwrap().fill(&mut out).unwrap();
    HEXLOWER.encode(&out)
}

/// Every algorithm that the vectors have.
fn site() -> RelyingParty {
    let all =
        [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512, Algorithm::RS256, Algorithm::EdDSA, Algorithm::Ed448];
    let available = all.into_iter().filter(|algorithm| algorithm.is_available());
    let site = RelyingParty::new("example.org", "Example").unwrap().algorithms(available).unwrap();
    site.allow_frame_under("https://example.com").unwrap()
}

/// The ceremony, with the challenge of the vector instead of its own.
fn with_challenge<C: Serialize + for<'de> Deserialize<'de>>(ceremony: &C, challenge: &str) -> C {
    let mut value = serde_json::to_value(ceremony).unwrap();
    value["bond"]["challenge"] = Value::String(base64(challenge));
    serde_json::from_value(value).unwrap()
}

fn register(
    site: &RelyingParty,
    vector: &Created,
    policy: Option<&TrustPolicy>,
    now: UnixTime,
) -> Result<(countersign_mfa_webauthn::Credential, Attestation), countersign_mfa_webauthn::RegistrationError> {
    let handle = UserHandle::new(*b"user").unwrap();
    let user = NewUser { handle: &handle, name: "alice", display_name: "Alice" };
    let options = site.register_second_factor(user);
    let (_, ceremony): (_, Registration) = options.begin("session", now, &SystemRandom).unwrap();
    let ceremony = with_challenge(&ceremony, &vector.challenge);
    let id = base64(&vector.credential_id);
    let response = json!({
        "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
        "response": {
            "clientDataJSON": base64(&vector.client_data_json),
            "attestationObject": base64(&vector.attestation_object),
        },
    });
    let response = RegistrationResponse::from_json(&response.to_string()).unwrap();
    let registered = match policy {
        Some(policy) => site.finish_attested_registration(ceremony, &response, policy, "session", now)?,
        None => site.finish_registration(ceremony, &response, "session", now)?,
    };
    let attestation = registered.attestation().clone();
    Ok((registered.into_credential(), attestation))
}

#[test]
fn webauthn_16_the_vectors_are_derived_as_the_appendix_says() {
    for vector in vectors().vectors {
        let length = vector.registration.challenge.len() / 2;
        assert_eq!(vector.registration.challenge, derived(&vector.info, 0, length), "{}", vector.info);
        // The number of random values before these two differs from vector to vector.
        let among = |value: &str| (1..16).any(|salt| derived(&vector.info, salt, value.len() / 2) == value);
        assert!(among(&vector.registration.aaguid), "{}", vector.info);
        assert!(among(&vector.registration.credential_id), "{}", vector.info);
        assert!(among(&vector.authentication.challenge), "{}", vector.info);
    }
}

#[test]
fn webauthn_16_every_vector_registers_and_signs_in() {
    let vectors = vectors();
    let site = site();
    // The Android vector is of security level 0, software.
    let policy =
        TrustPolicy::new().anchor(bytes(&vectors.attestation_ca_cert)).unwrap().danger_accept_android_software();
    let mut verified = 0;
    for vector in &vectors.vectors {
        let (format, kind) = match vector.info.split('.').next().unwrap() {
            "none" => (AttestationFormat::None, AttestationKind::None),
            "packed-self" => (AttestationFormat::Packed, AttestationKind::SelfAttestation),
            "packed" => (AttestationFormat::Packed, AttestationKind::BasicOrAttCa),
            "tpm" => (AttestationFormat::Tpm, AttestationKind::AttCa),
            "android-key" => (AttestationFormat::AndroidKey, AttestationKind::Basic),
            "apple" => (AttestationFormat::Apple, AttestationKind::AnonCa),
            "fido-u2f" => (AttestationFormat::FidoU2f, AttestationKind::BasicOrAttCa),
            other => panic!("{other}"),
        };
        let certified = !matches!(kind, AttestationKind::None | AttestationKind::SelfAttestation);
        let registered = register(&site, &vector.registration, certified.then_some(&policy), NOW);
        let algorithm = vector.info.split('.').nth(1).unwrap();
        if !cfg!(feature = "p521") && algorithm == "ES512" || !cfg!(feature = "ed448") && algorithm == "Ed448" {
            assert!(registered.is_err(), "{}", vector.info);
            continue;
        }
        let (credential, attestation) = registered.unwrap_or_else(|error| panic!("{}: {error}", vector.info));
        assert_eq!((attestation.format(), attestation.kind()), (format, kind), "{}", vector.info);
        assert_eq!(attestation.is_trusted(), certified, "{}", vector.info);
        assert_eq!(HEXLOWER.encode(credential.aaguid().as_bytes()), vector.registration.aaguid);

        let options = site.authenticate_second_factor(credential.user(), [&credential]);
        let (_, ceremony): (_, Authentication) = options.begin("session", NOW, &SystemRandom).unwrap();
        let ceremony = with_challenge(&ceremony, &vector.authentication.challenge);
        let mut response = json!({
            "id": base64(&vector.registration.credential_id), "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": base64(&vector.authentication.client_data_json),
                "authenticatorData": base64(&vector.authentication.authenticator_data),
                "signature": base64(&vector.authentication.signature),
            },
        });
        let parsed = AuthenticationResponse::from_json(&response.to_string()).unwrap();
        let again = with_challenge(&ceremony, &vector.authentication.challenge);
        let used = site.finish_authentication(ceremony, &parsed, [&credential], "session", NOW);
        let used = used.unwrap_or_else(|error| panic!("{}: {error}", vector.info));
        assert_eq!(used.counter(), Counter::Unused);

        // The same with one bit of the signature changed.
        let mut signature = bytes(&vector.authentication.signature);
        *signature.last_mut().unwrap() ^= 1;
        response["response"]["signature"] = Value::String(BASE64URL_NOPAD.encode(&signature));
        let forged = AuthenticationResponse::from_json(&response.to_string()).unwrap();
        let refused = site.finish_authentication(again, &forged, [&credential], "session", NOW).unwrap_err();
        assert_eq!((refused.id(), refused.step()), ("signature.invalid", Some(21)), "{}", vector.info);
        verified += 1;
    }
    assert!(verified >= 13);
}

#[test]
fn webauthn_16_framed_vectors_are_refused_where_no_frame_is_allowed() {
    let site = RelyingParty::new("example.org", "Example").unwrap();
    let named = |info: &str| vectors().vectors.into_iter().find(|vector| vector.info == info).unwrap();
    let refused = |info| register(&site, &named(info).registration, None, NOW).unwrap_err().id();
    assert_eq!(refused("none.ES256.crossOrigin"), "ceremony.cross_origin");
    assert_eq!(refused("none.ES256.topOrigin"), "ceremony.cross_origin");
    assert!(register(&site, &named("none.ES256").registration, None, NOW).is_ok());
}

#[test]
fn webauthn_8_4_a_key_in_software_is_refused_unless_the_policy_takes_it() {
    let vectors = vectors();
    let android = vectors.vectors.iter().find(|vector| vector.info == "android-key.ES256").unwrap();
    let policy = TrustPolicy::new().anchor(bytes(&vectors.attestation_ca_cert)).unwrap();
    let refused = register(&site(), &android.registration, Some(&policy), NOW).unwrap_err();
    assert_eq!((refused.id(), refused.step()), ("attestation.android_authorization", Some(22)));
}

#[test]
fn m5_the_vectors_are_not_trusted_under_another_anchor() {
    let vectors = vectors();
    let own = vectors.vectors.iter().find(|vector| vector.info == "packed.ES256").unwrap();
    let refused = register(&site(), &own.registration, Some(&TrustPolicy::new()), NOW).unwrap_err();
    assert_eq!((refused.id(), refused.step()), ("trust.no_path", Some(24)));
}

#[test]
fn m16_sha1_under_a_tpm_counts_only_where_the_policy_allows_it() {
    let vectors: Vectors = serde_json::from_str(include_str!("vectors/tpm-rs1.json")).unwrap();
    let (old_tpm, made_since) = (&vectors.vectors[0].registration, UnixTime::from_secs(1_900_000_000));
    let policy = TrustPolicy::new().anchor(bytes(&vectors.attestation_ca_cert)).unwrap();
    for refusing in [Some(&policy), None] {
        let refused = register(&site(), old_tpm, refusing, made_since).unwrap_err();
        assert_eq!((refused.id(), refused.step()), ("attestation.algorithm", Some(22)));
    }
    let (_, attestation) = register(&site(), old_tpm, Some(&policy.danger_accept_tpm_sha1()), made_since).unwrap();
    assert!(attestation.is_trusted());
}
