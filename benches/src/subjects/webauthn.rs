//! A login by passkey beside the two hashes and the one verification that it cannot do without, and a registration.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::SystemRandom;
use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_mfa_webauthn::{
    Authentication, AuthenticationResponse, Credential, NewUser, Registration, RegistrationResponse, RelyingParty,
    UserHandle,
};
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::Value;

use crate::host::START;
use crate::meter::{Subject, subject};

const ORIGIN: &str = "https://example.com";
const SESSION: &str = "5f0c7b9e-login";

pub(super) fn subjects() -> Vec<Box<dyn Subject>> {
    let site = RelyingParty::new("example.com", "Example").unwrap();
    let mut phone = SoftAuthenticator::platform().unwrap();
    let (created, registration) = created(&site, &mut phone);
    let response = RegistrationResponse::from_json(&created).unwrap();
    let credential = finish_registration(&site, reread(&registration), &response);
    let (used, authentication) = used(&site, &mut phone, &credential);
    let raw = RawAssertion::of(&used, &credential);
    let registering = site.clone();
    vec![
        subject("assertion-limit", || (), move |()| raw.verify()),
        subject(
            "passkey-assertion",
            move || reread(&authentication),
            move |ceremony: Authentication| {
                let response = AuthenticationResponse::from_json(black_box(&used)).unwrap();
                let used = site.finish_authentication(ceremony, &response, [&credential], SESSION, START);
                drop(black_box(used.unwrap()));
            },
        ),
        subject(
            "passkey-registration",
            move || reread(&registration),
            move |ceremony| {
                black_box(finish_registration(&registering, ceremony, black_box(&response)));
            },
        ),
        subject(
            "passkey-registration-parsing",
            || (),
            move |()| {
                black_box(RegistrationResponse::from_json(black_box(&created)).unwrap());
            },
        ),
    ]
}

/// What the browser answers to a registration without attestation, and the ceremony as the store keeps it.
fn created(site: &RelyingParty, phone: &mut SoftAuthenticator) -> (String, String) {
    let handle = UserHandle::random(&SystemRandom).unwrap();
    let user = NewUser { handle: &handle, name: "alice@example.com", display_name: "Alice" };
    let (options, ceremony) = site.register_passkey(user).begin(SESSION, START, &SystemRandom).unwrap();
    let answer = phone.create(&serde_json::to_string(&options).unwrap(), ORIGIN).unwrap();
    (answer, serde_json::to_string(&ceremony).unwrap())
}

/// The same for a login that the passkey begins.
fn used(site: &RelyingParty, phone: &mut SoftAuthenticator, credential: &Credential) -> (String, String) {
    let (options, ceremony) = site.discover().begin(SESSION, START, &SystemRandom).unwrap();
    let answer = phone.get(&serde_json::to_string(&options).unwrap(), ORIGIN).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["id"], credential.id().to_string());
    (answer, serde_json::to_string(&ceremony).unwrap())
}

/// A ceremony serves once, so each round has one of its own.
fn reread<C: serde::de::DeserializeOwned>(kept: &str) -> C {
    serde_json::from_str(kept).unwrap()
}

fn finish_registration(site: &RelyingParty, ceremony: Registration, response: &RegistrationResponse) -> Credential {
    site.finish_registration(ceremony, response, SESSION, START).unwrap().into_credential()
}

/// The bytes of an assertion, decoded beforehand.
struct RawAssertion {
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
    key: UnparsedPublicKey<Vec<u8>>,
}

impl RawAssertion {
    fn of(answer: &str, credential: &Credential) -> Self {
        let answer: Value = serde_json::from_str(answer).unwrap();
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(answer["response"][name].as_str().unwrap()).unwrap();
        // The two coordinates of a P-256 key in COSE form: 32 bytes each, at its end, three bytes between them.
        let cose = credential.public_key();
        let (x, y) = (&cose[cose.len() - 67..cose.len() - 35], &cose[cose.len() - 32..]);
        Self {
            client_data: bytes("clientDataJSON"),
            authenticator_data: bytes("authenticatorData"),
            signature: bytes("signature"),
            key: UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, [&[4], x, y].concat()),
        }
    }

    /// Two hashes, that of the client data and that within the signature, and one verification.
    fn verify(&self) {
        let hash = digest(&SHA256, black_box(&self.client_data));
        let signed = [&self.authenticator_data[..], hash.as_ref()].concat();
        self.key.verify(&signed, &self.signature).unwrap();
    }
}
