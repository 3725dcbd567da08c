//! The form in which a key ring is stored: JSON that names its version.

use std::fmt;

use countersign_primitives::{SecretBytes, UnixTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{KeyRing, RingKey};
use crate::{PublicJwk, SigningAlgorithm, b64};

/// A reader refuses other versions: a field that carries a rule must not be lost on the way.
const VERSION: u8 = 1;

#[derive(Serialize)]
struct RingOut<'a> {
    v: u8,
    keys: Vec<KeyOut<'a>>,
}

#[derive(Serialize)]
struct KeyOut<'a> {
    kid: &'a str,
    alg: SigningAlgorithm,
    public: &'a PublicJwk,
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<PrivateOut<'a>>,
    published_at: UnixTime,
    signs_from: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    signs_until: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaves_jwks_at: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forgotten_at: Option<UnixTime>,
}

struct PrivateOut<'a>(&'a SecretBytes);

impl Serialize for PrivateOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(b64::encode(self.0.expose())))
    }
}

impl Serialize for KeyRing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys = self.keys.iter().map(|key| KeyOut {
            kid: &key.kid,
            alg: key.algorithm,
            public: &key.public,
            private: key.private.as_ref().map(PrivateOut),
            published_at: key.published_at,
            signs_from: key.signs_from,
            signs_until: key.signs_until,
            leaves_jwks_at: key.leaves_jwks_at,
            forgotten_at: key.forgotten_at,
        });
        RingOut { v: VERSION, keys: keys.collect() }.serialize(serializer)
    }
}

#[derive(Deserialize)]
struct RingIn {
    v: u8,
    keys: Vec<KeyIn>,
}

#[derive(Deserialize)]
struct KeyIn {
    kid: String,
    alg: SigningAlgorithm,
    public: PublicJwk,
    private: Option<PrivateIn>,
    published_at: UnixTime,
    signs_from: UnixTime,
    signs_until: Option<UnixTime>,
    leaves_jwks_at: Option<UnixTime>,
    forgotten_at: Option<UnixTime>,
}

struct PrivateIn(SecretBytes);

impl<'de> Deserialize<'de> for PrivateIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = PrivateIn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a private key in base64url")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PrivateIn, E> {
                // Not `invalid_value`: that would quote the key in the error.
                let bytes = b64::decode(text).ok_or_else(|| E::custom("a private key is base64url"))?;
                Ok(PrivateIn(SecretBytes::from(bytes)))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl<'de> Deserialize<'de> for KeyRing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ring = RingIn::deserialize(deserializer)?;
        if ring.v != VERSION {
            return Err(serde::de::Error::custom("a key ring of another version"));
        }
        let keys = ring.keys.into_iter().map(|key| RingKey {
            algorithm: key.alg,
            kid: key.kid,
            public: key.public,
            private: key.private.map(|private| private.0),
            published_at: key.published_at,
            signs_from: key.signs_from,
            signs_until: key.signs_until,
            leaves_jwks_at: key.leaves_jwks_at,
            forgotten_at: key.forgotten_at,
        });
        Ok(Self { keys: keys.collect() })
    }
}
