//! Each reader of foreign bytes by itself, for fuzzing: what it makes of them is thrown away, only that it comes back matters.

use crate::attestation::{Certificate, TrustPolicy, readers};
use crate::authenticator_data::AuthenticatorData;
use crate::cbor::Value;
use crate::client_data::ClientData;
use crate::cose::CoseKey;
use crate::jws::SignedByCertificate;
use crate::metadata::read_payload;
use crate::{AuthenticationResponse, RegistrationResponse};

/// A reader of bytes that may be anything.
pub type Reader = fn(&[u8]);

/// Every reader, with its name.
pub const READERS: [(&str, Reader); 11] = [
    ("cbor", cbor),
    ("client_data", client_data),
    ("authenticator_data", authenticator_data),
    ("cose_key", cose_key),
    ("attestation_object", attestation_object),
    ("tpm", tpm),
    ("android_key", android_key),
    ("apple_nonce", apple_nonce),
    ("certificate", certificate),
    ("metadata", metadata),
    ("response", response),
];

/// Canonical CBOR.
pub fn cbor(bytes: &[u8]) {
    let _ = Value::read(bytes);
}

/// Client data.
pub fn client_data(bytes: &[u8]) {
    let _ = ClientData::read(bytes);
}

/// Authenticator data.
pub fn authenticator_data(bytes: &[u8]) {
    let _ = AuthenticatorData::read(bytes);
}

/// COSE keys.
pub fn cose_key(bytes: &[u8]) {
    let _ = CoseKey::read(bytes);
}

/// Attestation objects with their statements, judged as far as they go.
pub fn attestation_object(bytes: &[u8]) {
    let policy = TrustPolicy::new().danger_accept_android_safetynet().danger_accept_tpm_sha1();
    readers::object(bytes, &policy);
}

/// Structures of a TPM.
pub fn tpm(bytes: &[u8]) {
    readers::tpm(bytes);
}

/// Key descriptions of Android.
pub fn android_key(bytes: &[u8]) {
    readers::android_key(bytes);
}

/// Nonces of Apple.
pub fn apple_nonce(bytes: &[u8]) {
    readers::apple_nonce(bytes);
}

/// Certificates, their keys, and lists of revoked ones.
pub fn certificate(bytes: &[u8]) {
    if let Ok(certificate) = Certificate::read(bytes) {
        let _ = certificate.public_key();
        let _ = certificate.is_for_host("example.org");
    }
    let _ = TrustPolicy::new().revocation_list(bytes);
}

/// Signed metadata, and its content as if the signature were right.
pub fn metadata(bytes: &[u8]) {
    let _ = SignedByCertificate::read(bytes);
    let _ = read_payload(bytes);
}

/// The JSON of browsers.
pub fn response(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = RegistrationResponse::from_json(text);
        let _ = AuthenticationResponse::from_json(text);
    }
}
