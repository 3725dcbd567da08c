//! COSE keys and signatures (RFC 9052, RFC 9053, RFC 8230), as WebAuthn 3 §5.8.5 narrows them.

mod algorithm;
mod curve;
mod error;
mod key;
mod verify;
#[cfg(test)]
mod wycheproof;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use error::CoseKeyError;
pub(crate) use key::{CoseKey, EcCurve, OkpCurve, PublicKey};
pub use verify::SignatureError;
pub(crate) use verify::{Hash, sha1, sha256, verify, verify_fixed_es256, verify_x509};
