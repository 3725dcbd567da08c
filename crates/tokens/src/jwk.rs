//! Public keys in JSON (RFC 7517).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{CryptoProvider, SigningAlgorithm, b64};

/// Members that are private or symmetric key material (RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2).
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// A public key in JSON (RFC 7517).
///
/// Reading one that holds private members is an error, so none can be passed on by mistake. A key of a kind that this
/// crate does not know keeps all its members and can be written again, but makes no [`VerifyingKey`](crate::VerifyingKey).
///
/// ```
/// use countersign_tokens::{PublicJwk, Ring};
///
/// let key: PublicJwk = serde_json::from_str(
///     r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#, // RFC 8037 A.2
/// )?;
/// assert_eq!(key.thumbprint(&Ring).as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PublicJwk {
    members: Map<String, Value>,
    material: Option<KeyMaterial>,
    algorithm: Option<SigningAlgorithm>,
}

/// The numbers of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyMaterial {
    /// A point on an elliptic curve (RFC 7518 §6.2.1), uncompressed: 4, x, y.
    Ec {
        /// The curve.
        curve: EcCurve,
        /// The point.
        point: Vec<u8>,
    },
    /// An Ed25519 key (RFC 8037 §2).
    Ed25519([u8; 32]),
    /// An RSA key (RFC 7518 §6.3.1), its numbers big-endian without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
}

/// The elliptic curves that are used for ECDSA here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EcCurve {
    /// P-256.
    P256,
    /// P-384.
    P384,
}

impl EcCurve {
    const fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }
}

/// Why a JWK was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// A member is missing, of the wrong type, or not canonical base64url of the right length.
    #[error("the member {0} is missing or malformed")]
    Member(&'static str),
    /// The key holds private or symmetric key material.
    #[error("the key holds private members")]
    Private,
    /// The kind of key or the curve is not known here.
    #[error("this kind of key is not supported")]
    Unsupported,
    /// `use` or `key_ops` give the key another purpose (RFC 7517 §4.2, §4.3).
    #[error("the key is not for signatures")]
    NotForSignatures,
    /// The algorithm does not fit the key, or is another than the one demanded.
    #[error("the algorithm does not fit the key")]
    Algorithm,
    /// An RSA modulus outside 2048 to 8192 bits, or an exponent that is even, below 3 or above 2^33 - 1.
    #[error("the RSA key's size or exponent is out of bounds")]
    Bounds,
}

impl PublicJwk {
    /// Reads a key; one that is malformed is an error, one of an unknown kind is not.
    ///
    /// # Errors
    /// [`JwkError::Private`] or [`JwkError::Member`].
    pub fn from_members(members: Map<String, Value>) -> Result<Self, JwkError> {
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(JwkError::Private);
        }
        for name in ["kid", "alg", "use"] {
            if members.get(name).is_some_and(|value| !value.is_string()) {
                return Err(JwkError::Member(name));
            }
        }
        let material = KeyMaterial::read(&members)?;
        let algorithm = text(&members, "alg").and_then(|alg| alg.parse().ok());
        Ok(Self { members, material, algorithm })
    }

    /// The public half of a signing key of ours: `use` is `sig`, `kid` the thumbprint. `None` if the algorithm does not fit.
    #[must_use]
    pub fn for_signatures(crypto: &dyn CryptoProvider, alg: SigningAlgorithm, material: KeyMaterial) -> Option<Self> {
        if !material.fits(alg) {
            return None;
        }
        let mut members = Map::new();
        for (name, value) in material.members() {
            members.insert(name.to_owned(), Value::String(value.into_owned()));
        }
        members.insert("kid".to_owned(), Value::String(thumbprint(crypto, &material)));
        members.insert("alg".to_owned(), Value::String(alg.as_str().to_owned()));
        members.insert("use".to_owned(), Value::String("sig".to_owned()));
        Some(Self { members, material: Some(material), algorithm: Some(alg) })
    }

    /// The same key under another `kid`, such as the name that a key service gives it.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.members.insert("kid".to_owned(), Value::String(kid.into()));
        self
    }

    /// The key's name (RFC 7517 §4.5).
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        text(&self.members, "kid")
    }

    /// The kind of key (RFC 7517 §4.1).
    #[must_use]
    pub fn kty(&self) -> Option<&str> {
        text(&self.members, "kty")
    }

    /// The algorithm that `alg` names, if it is one for signatures (RFC 7517 §4.4).
    #[must_use]
    pub const fn algorithm(&self) -> Option<SigningAlgorithm> {
        self.algorithm
    }

    /// `use`, such as `sig` or `enc` (RFC 7517 §4.2).
    #[must_use]
    pub fn key_use(&self) -> Option<&str> {
        text(&self.members, "use")
    }

    /// Any member, such as `x5c` (RFC 7517 §4.7).
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// The numbers, if the kind of key is known.
    #[must_use]
    pub const fn material(&self) -> Option<&KeyMaterial> {
        self.material.as_ref()
    }

    /// The SHA-256 thumbprint in base64url (RFC 7638); `None` for a kind of key that is not known here.
    #[must_use]
    pub fn thumbprint(&self, crypto: &dyn CryptoProvider) -> Option<String> {
        self.material.as_ref().map(|material| thumbprint(crypto, material))
    }

    pub(crate) fn forbids_signatures(&self) -> bool {
        let ops = self.members.get("key_ops").and_then(Value::as_array);
        self.key_use().is_some_and(|purpose| purpose != "sig")
            || ops.is_some_and(|ops| !ops.iter().any(|op| op.as_str() == Some("verify")))
            || (self.member("alg").is_some() && self.algorithm.is_none())
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

impl KeyMaterial {
    fn read(members: &Map<String, Value>) -> Result<Option<Self>, JwkError> {
        let kty = text(members, "kty").ok_or(JwkError::Member("kty"))?;
        let curve = text(members, "crv");
        match (kty, curve) {
            ("EC", Some("P-256")) => Self::read_ec(members, EcCurve::P256).map(Some),
            ("EC", Some("P-384")) => Self::read_ec(members, EcCurve::P384).map(Some),
            ("OKP", Some("Ed25519")) => {
                let x = text(members, "x").and_then(b64::decode_array).ok_or(JwkError::Member("x"))?;
                Ok(Some(Self::Ed25519(x)))
            }
            ("RSA", _) => Ok(Some(Self::Rsa { n: number(members, "n")?, e: number(members, "e")? })),
            ("EC" | "OKP", None) => Err(JwkError::Member("crv")),
            _ => Ok(None),
        }
    }

    fn read_ec(members: &Map<String, Value>, curve: EcCurve) -> Result<Self, JwkError> {
        let mut point = Vec::with_capacity(1 + 2 * curve.width());
        point.push(4);
        for name in ["x", "y"] {
            let coordinate = text(members, name).and_then(b64::decode).ok_or(JwkError::Member(name))?;
            if coordinate.len() != curve.width() {
                return Err(JwkError::Member(name));
            }
            point.extend_from_slice(&coordinate);
        }
        Ok(Self::Ec { curve, point })
    }

    /// The required members in lexicographic order, as RFC 7638 §3.2 wants them.
    fn members(&self) -> Vec<(&'static str, Cow<'static, str>)> {
        match self {
            Self::Ec { curve, point } => {
                let (x, y) = point.get(1..).unwrap_or_default().split_at_checked(curve.width()).unwrap_or_default();
                vec![
                    ("crv", curve.name().into()),
                    ("kty", "EC".into()),
                    ("x", b64::encode(x).into()),
                    ("y", b64::encode(y).into()),
                ]
            }
            Self::Ed25519(x) => vec![("crv", "Ed25519".into()), ("kty", "OKP".into()), ("x", b64::encode(x).into())],
            Self::Rsa { n, e } => {
                vec![("e", b64::encode(e).into()), ("kty", "RSA".into()), ("n", b64::encode(n).into())]
            }
        }
    }

    pub(crate) const fn fits(&self, alg: SigningAlgorithm) -> bool {
        matches!(
            (self, alg),
            (Self::Ec { curve: EcCurve::P256, .. }, SigningAlgorithm::Es256)
                | (Self::Ec { curve: EcCurve::P384, .. }, SigningAlgorithm::Es384)
                | (Self::Ed25519(_), SigningAlgorithm::EdDsa)
                | (Self::Rsa { .. }, SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256)
        )
    }

    /// What a key without `alg` is for; an RSA key means the registered default of OpenID Connect, RS256.
    pub(crate) const fn default_algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Ec { curve: EcCurve::P256, .. } => SigningAlgorithm::Es256,
            Self::Ec { curve: EcCurve::P384, .. } => SigningAlgorithm::Es384,
            Self::Ed25519(_) => SigningAlgorithm::EdDsa,
            Self::Rsa { .. } => SigningAlgorithm::Rs256,
        }
    }

    /// RFC 7518 §3.3 asks for 2048 bits; the upper bounds keep a stranger's key from costing seconds.
    pub(crate) fn check_bounds(&self) -> Result<(), JwkError> {
        let Self::Rsa { n, e } = self else { return Ok(()) };
        let first = n.first().copied().unwrap_or_default();
        let bits = (n.len() * 8).saturating_sub(first.leading_zeros() as usize);
        let exponent = e.iter().fold(0_u64, |value, byte| value.saturating_mul(256).saturating_add(u64::from(*byte)));
        let sound = (2048..=8192).contains(&bits) && exponent % 2 == 1 && (3..1 << 33).contains(&exponent);
        if sound { Ok(()) } else { Err(JwkError::Bounds) }
    }
}

/// A Base64urlUInt (RFC 7518 §2); leading zeros, which some libraries write, are dropped.
fn number(members: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, JwkError> {
    let bytes = text(members, name).and_then(b64::decode).ok_or(JwkError::Member(name))?;
    let start = bytes.iter().position(|byte| *byte != 0).ok_or(JwkError::Member(name))?;
    Ok(bytes.get(start..).unwrap_or_default().to_vec())
}

fn thumbprint(crypto: &dyn CryptoProvider, material: &KeyMaterial) -> String {
    let mut json = String::from("{");
    for (position, (name, value)) in material.members().iter().enumerate() {
        let separator = if position == 0 { "" } else { "," };
        // Names and values are base64url or fixed words, so nothing needs escaping.
        json.push_str(separator);
        json.extend(["\"", name, "\":\"", value, "\""]);
    }
    json.push('}');
    b64::encode(crypto.sha256(&[json.as_bytes()]))
}

impl Serialize for PublicJwk {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.members.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PublicJwk {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_members(Map::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A set of public keys (RFC 7517 §5).
///
/// Reading keeps keys of unknown kinds, and keys whose numbers are malformed, so that the set can be written again; they
/// verify nothing. A private key anywhere in the set is an error.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<PublicJwk>,
}

impl<'de> Deserialize<'de> for JwkSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            keys: Vec<Map<String, Value>>,
        }
        let mut keys = Vec::new();
        for members in Raw::deserialize(deserializer)?.keys {
            match PublicJwk::from_members(members.clone()) {
                Ok(key) => keys.push(key),
                Err(JwkError::Private) => return Err(serde::de::Error::custom(JwkError::Private)),
                Err(_) => keys.push(PublicJwk { members, material: None, algorithm: None }),
            }
        }
        Ok(Self { keys })
    }
}
