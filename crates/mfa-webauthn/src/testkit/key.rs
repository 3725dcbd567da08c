//! Keys of every algorithm, in software.

use countersign_primitives::BoxError;
use ring::rand::SystemRandom as RingRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};

use super::cbor;
use crate::Algorithm;

/// ring makes no RSA keys. This one is for tests alone: everybody has it.
const RSA_2048: &[u8] = include_bytes!("rsa_2048.pk8");

/// A private key of one algorithm.
pub(super) enum SoftKey {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    #[cfg(feature = "p521")]
    P521(p521::ecdsa::SigningKey),
    #[cfg(feature = "k256")]
    K256(k256::ecdsa::SigningKey),
    #[cfg(feature = "ed448")]
    Ed448(Box<ed448_goldilocks_plus::SigningKey>),
    #[cfg(feature = "ml-dsa")]
    MlDsa44(Box<ml_dsa::SigningKey<ml_dsa::MlDsa44>>),
    #[cfg(feature = "ml-dsa")]
    MlDsa65(Box<ml_dsa::SigningKey<ml_dsa::MlDsa65>>),
    #[cfg(feature = "ml-dsa")]
    MlDsa87(Box<ml_dsa::SigningKey<ml_dsa::MlDsa87>>),
}

fn ecdsa(algorithm: &'static signature::EcdsaSigningAlgorithm) -> Result<EcdsaKeyPair, BoxError> {
    let random = RingRandom::new();
    let failed = |_| BoxError::from("no key could be made");
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(failed)?;
    EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).map_err(|error| error.to_string().into())
}

#[cfg(any(feature = "p521", feature = "k256", feature = "ed448", feature = "ml-dsa"))]
fn random<const N: usize>() -> Result<[u8; N], BoxError> {
    let random: &dyn countersign_primitives::Random = &countersign_primitives::SystemRandom;
    Ok(random.array()?)
}

impl SoftKey {
    /// A new key; for RSA the one that everybody has.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, BoxError> {
        use Algorithm as A;
        Ok(match algorithm {
            A::ES256 | A::ESP256 => Self::P256(ecdsa(&signature::ECDSA_P256_SHA256_ASN1_SIGNING)?),
            A::ES384 | A::ESP384 => Self::P384(ecdsa(&signature::ECDSA_P384_SHA384_ASN1_SIGNING)?),
            A::EdDSA | A::Ed25519 => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8(&RingRandom::new()).map_err(|_| "no key could be made")?;
                Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|error| error.to_string())?)
            }
            A::RS256 | A::RS384 | A::RS512 | A::PS256 | A::PS384 | A::PS512 => {
                Self::Rsa(RsaKeyPair::from_pkcs8(RSA_2048).map_err(|error| error.to_string())?)
            }
            #[cfg(feature = "p521")]
            A::ES512 | A::ESP512 => {
                let mut scalar = random::<66>()?;
                scalar[0] = 0; // below the order of the curve
                Self::P521(p521::ecdsa::SigningKey::from_slice(&scalar).map_err(|error| error.to_string())?)
            }
            #[cfg(feature = "k256")]
            A::ES256K => {
                let scalar = random::<32>()?;
                Self::K256(k256::ecdsa::SigningKey::from_slice(&scalar).map_err(|error| error.to_string())?)
            }
            #[cfg(feature = "ed448")]
            A::Ed448 => {
                let key = ed448_goldilocks_plus::SigningKey::try_from(&random::<57>()?[..])?;
                Self::Ed448(Box::new(key))
            }
            #[cfg(feature = "ml-dsa")]
            A::MlDsa44 => Self::MlDsa44(Box::new(ml_dsa::SigningKey::from_seed(&random::<32>()?.into()))),
            #[cfg(feature = "ml-dsa")]
            A::MlDsa65 => Self::MlDsa65(Box::new(ml_dsa::SigningKey::from_seed(&random::<32>()?.into()))),
            #[cfg(feature = "ml-dsa")]
            A::MlDsa87 => Self::MlDsa87(Box::new(ml_dsa::SigningKey::from_seed(&random::<32>()?.into()))),
            other => return Err(format!("no software key for {other} with these features").into()),
        })
    }

    /// Its signature of `message`, in the form of §6.5.5.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, BoxError> {
        let failed = |_| BoxError::from("the message could not be signed");
        Ok(match self {
            Self::P256(key) | Self::P384(key) => {
                key.sign(&RingRandom::new(), message).map_err(failed)?.as_ref().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
            Self::Rsa(key) => {
                let padding: &dyn signature::RsaEncoding = match algorithm {
                    Algorithm::RS384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::RS512 => &signature::RSA_PKCS1_SHA512,
                    Algorithm::PS256 => &signature::RSA_PSS_SHA256,
                    Algorithm::PS384 => &signature::RSA_PSS_SHA384,
                    Algorithm::PS512 => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signed = vec![0; key.public().modulus_len()];
                key.sign(padding, &RingRandom::new(), message, &mut signed).map_err(failed)?;
                signed
            }
            #[cfg(feature = "p521")]
            Self::P521(key) => {
                let signed: p521::ecdsa::Signature = p521::ecdsa::signature::Signer::sign(key, message);
                signed.to_der().as_bytes().to_vec()
            }
            #[cfg(feature = "k256")]
            Self::K256(key) => {
                let signed: k256::ecdsa::Signature = k256::ecdsa::signature::Signer::sign(key, message);
                signed.to_der().as_bytes().to_vec()
            }
            #[cfg(feature = "ed448")]
            Self::Ed448(key) => key.sign_raw(message).to_bytes().to_vec(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(key) => key.expanded_key().sign_deterministic(message, &[])?.encode().to_vec(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65(key) => key.expanded_key().sign_deterministic(message, &[])?.encode().to_vec(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa87(key) => key.expanded_key().sign_deterministic(message, &[])?.encode().to_vec(),
        })
    }

    /// The public half: a point in uncompressed form, RSA's DER, or the bare key.
    pub(super) fn public(&self) -> Vec<u8> {
        match self {
            Self::P256(key) | Self::P384(key) => key.public_key().as_ref().to_vec(),
            Self::Ed25519(key) => key.public_key().as_ref().to_vec(),
            Self::Rsa(key) => key.public_key().as_ref().to_vec(),
            #[cfg(feature = "p521")]
            Self::P521(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            #[cfg(feature = "k256")]
            Self::K256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            #[cfg(feature = "ed448")]
            Self::Ed448(key) => key.verifying_key().as_bytes().to_vec(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(key) => key.expanded_key().verifying_key().encode().to_vec(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa65(key) => key.expanded_key().verifying_key().encode().to_vec(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa87(key) => key.expanded_key().verifying_key().encode().to_vec(),
        }
    }

    /// Modulus and exponent of an RSA key.
    pub(super) fn rsa_numbers(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let Self::Rsa(key) = self else { return None };
        let numbers = signature::RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
        Some((numbers.n, numbers.e))
    }

    /// The COSE key (RFC 9052 §7), its members in canonical order.
    pub(super) fn cose(&self, algorithm: Algorithm) -> Vec<u8> {
        let public = self.public();
        let head = |kind| vec![(cbor::int(1), cbor::int(kind)), (cbor::int(3), cbor::int(algorithm.id()))];
        let ec = |curve| {
            let (x, y) = public[1..].split_at(public.len() / 2);
            let members =
                [(cbor::int(-1), cbor::int(curve)), (cbor::int(-2), cbor::bytes(x)), (cbor::int(-3), cbor::bytes(y))];
            cbor::map(&[head(2), members.to_vec()].concat())
        };
        let okp = |curve| {
            let members = [(cbor::int(-1), cbor::int(curve)), (cbor::int(-2), cbor::bytes(&public))];
            cbor::map(&[head(1), members.to_vec()].concat())
        };
        match self {
            Self::P256(_) => ec(1),
            Self::P384(_) => ec(2),
            Self::Ed25519(_) => okp(6),
            Self::Rsa(_) => {
                let (n, e) = self.rsa_numbers().unwrap_or_default();
                let members = [(cbor::int(-1), cbor::bytes(&n)), (cbor::int(-2), cbor::bytes(&e))];
                cbor::map(&[head(3), members.to_vec()].concat())
            }
            #[cfg(feature = "p521")]
            Self::P521(_) => ec(3),
            #[cfg(feature = "k256")]
            Self::K256(_) => ec(8),
            #[cfg(feature = "ed448")]
            Self::Ed448(_) => okp(7),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(_) | Self::MlDsa65(_) | Self::MlDsa87(_) => {
                cbor::map(&[head(7), vec![(cbor::int(-1), cbor::bytes(&public))]].concat())
            }
        }
    }

    /// What X.509 calls its kind; certificates are made for these alone.
    pub(super) fn x509(&self) -> Option<&'static rcgen::SignatureAlgorithm> {
        match self {
            Self::P256(_) => Some(&rcgen::PKCS_ECDSA_P256_SHA256),
            Self::P384(_) => Some(&rcgen::PKCS_ECDSA_P384_SHA384),
            Self::Ed25519(_) => Some(&rcgen::PKCS_ED25519),
            Self::Rsa(_) => Some(&rcgen::PKCS_RSA_SHA256),
            #[cfg(any(feature = "p521", feature = "k256", feature = "ed448", feature = "ml-dsa"))]
            _ => None,
        }
    }
}
