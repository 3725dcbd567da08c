//! COSE keys as credentials have them (WebAuthn 3 §6.5.1; RFC 9052 §7, RFC 9053 §7, RFC 8230 §4).

use super::curve;
use super::{Algorithm, CoseKeyError};
use crate::cbor::{CborError, Map, Value};

/// Curves with two coordinates (RFC 9053 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EcCurve {
    P256,
    P384,
    P521,
    Secp256k1,
}

impl EcCurve {
    /// The bytes of one coordinate.
    pub(crate) const fn coordinate(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn from_id(id: i64) -> Option<Self> {
        match id {
            1 => Some(Self::P256),
            2 => Some(Self::P384),
            3 => Some(Self::P521),
            8 => Some(Self::Secp256k1),
            _ => None,
        }
    }
}

/// Curves of EdDSA (RFC 9053 §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OkpCurve {
    Ed25519,
    Ed448,
}

/// A public key, borrowed and checked: points lie on their curve, RSA numbers are within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublicKey<'a> {
    Ec { curve: EcCurve, x: &'a [u8], y: &'a [u8] },
    Okp { curve: OkpCurve, x: &'a [u8] },
    Rsa { n: &'a [u8], e: &'a [u8] },
    MlDsa { level: MlDsaLevel, key: &'a [u8] },
}

/// The parameter sets of ML-DSA (FIPS 204).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MlDsaLevel {
    L44,
    L65,
    L87,
}

impl MlDsaLevel {
    const fn key_length(self) -> usize {
        match self {
            Self::L44 => 1312,
            Self::L65 => 1952,
            Self::L87 => 2592,
        }
    }
}

/// A public key with the one algorithm that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CoseKey<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: PublicKey<'a>,
}

impl<'a> CoseKey<'a> {
    /// The key that `bytes` are.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, CoseKeyError> {
        let (key, rest) = Self::read_first(bytes)?;
        if rest.is_empty() { Ok(key) } else { Err(CborError::TrailingBytes.into()) }
    }

    /// The key that `bytes` begin with, and what follows.
    pub(crate) fn read_first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), CoseKeyError> {
        let (value, rest) = Value::read_first(bytes)?;
        Ok((Self::from_map(value.map()?)?, rest))
    }

    fn from_map(map: Map<'a>) -> Result<Self, CoseKeyError> {
        let members = Members::collect(map)?;
        let algorithm = Algorithm::from_id(members.number(Label::Algorithm)?)?;
        if !algorithm.is_available() || !algorithm.is_for_credentials() {
            return Err(CoseKeyError::Unavailable(algorithm));
        }
        let key = match members.number(Label::KeyType)? {
            1 => members.okp(algorithm)?,
            2 => members.ec2(algorithm)?,
            3 => members.rsa(algorithm)?,
            7 => members.akp(algorithm)?,
            _ => return Err(CoseKeyError::Mismatch(algorithm)),
        };
        Ok(Self { algorithm, key })
    }
}

impl<'a> PublicKey<'a> {
    /// A point in coordinates of full length, on its curve.
    pub(crate) fn ec(curve: EcCurve, x: &'a [u8], y: &'a [u8]) -> Result<Self, CoseKeyError> {
        if x.len() != curve.coordinate() || y.len() != curve.coordinate() {
            return Err(CoseKeyError::Length);
        }
        if curve::is_on(curve, x, y) { Ok(Self::Ec { curve, x, y }) } else { Err(CoseKeyError::NotOnCurve) }
    }

    /// An EdDSA key of full length.
    pub(crate) const fn okp(curve: OkpCurve, x: &'a [u8]) -> Result<Self, CoseKeyError> {
        let length = match curve {
            OkpCurve::Ed25519 => 32,
            OkpCurve::Ed448 => 57,
        };
        if x.len() == length { Ok(Self::Okp { curve, x }) } else { Err(CoseKeyError::Length) }
    }

    /// An RSA key; both numbers without leading zeros.
    pub(crate) fn rsa(n: &'a [u8], e: &'a [u8]) -> Result<Self, CoseKeyError> {
        let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        let led = |number: &[u8]| number.first().is_some_and(|byte| *byte != 0);
        // 2041 to 2047 bits also take 256 bytes: the first bit must be set.
        let long_enough = n.len() > 256 || n.len() == 256 && n[0] >= 0x80;
        if !odd(n) || !led(n) || !long_enough || n.len() > 1024 {
            return Err(CoseKeyError::RsaModulus);
        }
        let bounded = e.len() < 5 || e.len() == 5 && e[0] == 1;
        if !odd(e) || !led(e) || e == [1] || !bounded {
            return Err(CoseKeyError::RsaExponent);
        }
        Ok(Self::Rsa { n, e })
    }
}

/// Members that keys have, by meaning; what the label -1 means depends on the type.
#[derive(Debug, Clone, Copy)]
enum Label {
    KeyType,
    Algorithm,
    Minus1,
    Minus2,
    Minus3,
}

/// The members of a key; there are no others than these five.
struct Members<'a>([Option<Value<'a>>; 5]);

impl<'a> Members<'a> {
    fn collect(map: Map<'a>) -> Result<Self, CoseKeyError> {
        let mut members = [None; 5];
        for (key, value) in map.iter() {
            let label = match key {
                Value::Int(1) => Label::KeyType,
                Value::Int(3) => Label::Algorithm,
                Value::Int(-1) => Label::Minus1,
                Value::Int(-2) => Label::Minus2,
                Value::Int(-3) => Label::Minus3,
                _ => return Err(CoseKeyError::UnexpectedMember),
            };
            members[label as usize] = Some(value);
        }
        Ok(Self(members))
    }

    fn member(&self, label: Label) -> Result<Value<'a>, CoseKeyError> {
        self.0[label as usize].ok_or(CoseKeyError::Member)
    }

    fn number(&self, label: Label) -> Result<i64, CoseKeyError> {
        self.member(label)?.int().map_err(|_| CoseKeyError::Member)
    }

    fn bytes(&self, label: Label) -> Result<&'a [u8], CoseKeyError> {
        self.member(label)?.bytes().map_err(|_| CoseKeyError::Member)
    }

    fn without(&self, labels: &[Label]) -> Result<(), CoseKeyError> {
        let unexpected = labels.iter().any(|label| self.0[*label as usize].is_some());
        if unexpected { Err(CoseKeyError::UnexpectedMember) } else { Ok(()) }
    }

    fn ec2(&self, algorithm: Algorithm) -> Result<PublicKey<'a>, CoseKeyError> {
        let curve = match algorithm {
            Algorithm::ES256 | Algorithm::ESP256 => EcCurve::P256,
            Algorithm::ES384 | Algorithm::ESP384 => EcCurve::P384,
            Algorithm::ES512 | Algorithm::ESP512 => EcCurve::P521,
            Algorithm::ES256K => EcCurve::Secp256k1,
            _ => return Err(CoseKeyError::Mismatch(algorithm)),
        };
        if EcCurve::from_id(self.number(Label::Minus1)?) != Some(curve) {
            return Err(CoseKeyError::Mismatch(algorithm));
        }
        if matches!(self.member(Label::Minus3)?, Value::Bool(_)) {
            return Err(CoseKeyError::CompressedPoint);
        }
        PublicKey::ec(curve, self.bytes(Label::Minus2)?, self.bytes(Label::Minus3)?)
    }

    fn okp(&self, algorithm: Algorithm) -> Result<PublicKey<'a>, CoseKeyError> {
        let (curve, id) = match algorithm {
            Algorithm::EdDSA | Algorithm::Ed25519 => (OkpCurve::Ed25519, 6),
            Algorithm::Ed448 => (OkpCurve::Ed448, 7),
            _ => return Err(CoseKeyError::Mismatch(algorithm)),
        };
        if self.number(Label::Minus1)? != id {
            return Err(CoseKeyError::Mismatch(algorithm));
        }
        self.without(&[Label::Minus3])?;
        PublicKey::okp(curve, self.bytes(Label::Minus2)?)
    }

    fn rsa(&self, algorithm: Algorithm) -> Result<PublicKey<'a>, CoseKeyError> {
        use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
        if !matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512) {
            return Err(CoseKeyError::Mismatch(algorithm));
        }
        self.without(&[Label::Minus3])?;
        PublicKey::rsa(self.bytes(Label::Minus1)?, self.bytes(Label::Minus2)?)
    }

    /// ML-DSA (RFC 9964): the type says nothing but that the algorithm tells all.
    fn akp(&self, algorithm: Algorithm) -> Result<PublicKey<'a>, CoseKeyError> {
        let level = match algorithm {
            Algorithm::MlDsa44 => MlDsaLevel::L44,
            Algorithm::MlDsa65 => MlDsaLevel::L65,
            Algorithm::MlDsa87 => MlDsaLevel::L87,
            _ => return Err(CoseKeyError::Mismatch(algorithm)),
        };
        self.without(&[Label::Minus2, Label::Minus3])?;
        let key = self.bytes(Label::Minus1)?;
        if key.len() == level.key_length() { Ok(PublicKey::MlDsa { level, key }) } else { Err(CoseKeyError::Length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [u8; 32] = *b"\x65\xed\xa5\xa1\x25\x77\xc2\xba\xe8\x29\x43\x7f\xe3\x38\x70\x1a\x10\xaa\xa3\x75\xe1\xbb\x5b\x5d\xe1\x08\xde\x43\x9c\x08\x55\x1d";
    const Y: [u8; 32] = *b"\x1e\x52\xed\x75\x70\x11\x63\xf7\xf9\xe4\x0d\xdf\x9f\x34\x1b\x3d\xc9\xba\x86\x0a\xf7\xe0\xca\x7c\xa7\xe9\xee\xcd\x00\x84\xd1\x9c";

    /// A map of encoded members.
    fn map(members: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut map = vec![0xa0 | u8::try_from(members.len()).unwrap()];
        members.iter().for_each(|(key, value)| map.extend([*key, *value].concat()));
        map
    }

    fn bytes(content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let head = match content.len() {
            0..24 => vec![0x40 | length[1]],
            24..256 => vec![0x58, length[1]],
            _ => vec![0x59, length[0], length[1]],
        };
        [head, content.to_vec()].concat()
    }

    fn es256(x: &[u8], y: &[u8]) -> Vec<u8> {
        map(&[(&[1], &[2]), (&[3], &[0x26]), (&[0x20], &[1]), (&[0x21], &bytes(x)), (&[0x22], &bytes(y))])
    }

    fn rsa(n: &[u8], e: &[u8]) -> Vec<u8> {
        map(&[(&[1], &[3]), (&[3], &[0x39, 1, 0]), (&[0x20], &bytes(n)), (&[0x21], &bytes(e))])
    }

    fn refused(key: &[u8]) -> CoseKeyError {
        CoseKey::read(key).unwrap_err()
    }

    #[test]
    fn webauthn_6_5_1_1_the_example_keys_are_read() {
        let key = es256(&X, &Y);
        let read = CoseKey::read(&key).unwrap();
        assert_eq!(
            read,
            CoseKey { algorithm: Algorithm::ES256, key: PublicKey::Ec { curve: EcCurve::P256, x: &X, y: &Y } }
        );
        let n = [0xdb; 256];
        assert_eq!(CoseKey::read(&rsa(&n, &[1, 0, 1])).unwrap().algorithm, Algorithm::RS256);
        let ed25519 = map(&[(&[1], &[1]), (&[3], &[0x27]), (&[0x20], &[6]), (&[0x21], &bytes(&X))]);
        assert_eq!(CoseKey::read(&ed25519).unwrap().key, PublicKey::Okp { curve: OkpCurve::Ed25519, x: &X });
    }

    #[test]
    fn m14_a_key_off_the_curve_is_refused() {
        let mut off = Y;
        off[31] ^= 1;
        assert_eq!(refused(&es256(&X, &off)), CoseKeyError::NotOnCurve);
        assert_eq!(refused(&es256(&Y, &X)), CoseKeyError::NotOnCurve);
        assert_eq!(refused(&es256(&[0; 32], &[0; 32])), CoseKeyError::NotOnCurve);
    }

    #[test]
    fn m14_algorithm_type_and_curve_fit_each_other() {
        let mut key = es256(&X, &Y);
        key[6] = 2; // P-384
        assert_eq!(refused(&key), CoseKeyError::Mismatch(Algorithm::ES256));
        let mut key = es256(&X, &Y);
        key[2] = 1; // OKP
        assert_eq!(refused(&key), CoseKeyError::Mismatch(Algorithm::ES256));
        let mut key = es256(&X, &Y);
        key[4] = 0x27; // EdDSA
        assert_eq!(refused(&key), CoseKeyError::Mismatch(Algorithm::EdDSA));
        let ed448_as_eddsa = map(&[(&[1], &[1]), (&[3], &[0x27]), (&[0x20], &[7]), (&[0x21], &bytes(&[1; 57]))]);
        assert_eq!(refused(&ed448_as_eddsa), CoseKeyError::Mismatch(Algorithm::EdDSA), "§5.8.5");
        let mut key = es256(&X, &Y);
        key[4] = 0x00;
        assert_eq!(refused(&key), CoseKeyError::UnknownAlgorithm(crate::UnknownAlgorithm(0)));
    }

    #[test]
    fn webauthn_5_8_5_compressed_points_are_refused() {
        let key = map(&[(&[1], &[2]), (&[3], &[0x26]), (&[0x20], &[1]), (&[0x21], &bytes(&X)), (&[0x22], &[0xf5])]);
        assert_eq!(refused(&key), CoseKeyError::CompressedPoint);
    }

    #[test]
    fn webauthn_6_5_1_there_are_no_other_members() {
        let with_kid = map(&[
            (&[1], &[2]),
            (&[2], &bytes(b"kid")),
            (&[3], &[0x26]),
            (&[0x20], &[1]),
            (&[0x21], &bytes(&X)),
            (&[0x22], &bytes(&Y)),
        ]);
        assert_eq!(refused(&with_kid), CoseKeyError::UnexpectedMember);
        let okp_with_y =
            map(&[(&[1], &[1]), (&[3], &[0x27]), (&[0x20], &[6]), (&[0x21], &bytes(&X)), (&[0x22], &bytes(&Y))]);
        assert_eq!(refused(&okp_with_y), CoseKeyError::UnexpectedMember);
        let without_alg = map(&[(&[1], &[2]), (&[0x20], &[1]), (&[0x21], &bytes(&X)), (&[0x22], &bytes(&Y))]);
        assert_eq!(refused(&without_alg), CoseKeyError::Member);
        let without_y = map(&[(&[1], &[2]), (&[3], &[0x26]), (&[0x20], &[1]), (&[0x21], &bytes(&X))]);
        assert_eq!(refused(&without_y), CoseKeyError::Member);
    }

    #[test]
    fn lengths_are_exact() {
        assert_eq!(refused(&es256(&X[..31], &Y)), CoseKeyError::Length);
        assert_eq!(refused(&es256(&X, &[&[0], &Y[..]].concat())), CoseKeyError::Length);
        let short = map(&[(&[1], &[1]), (&[3], &[0x27]), (&[0x20], &[6]), (&[0x21], &bytes(&X[..31]))]);
        assert_eq!(refused(&short), CoseKeyError::Length);
    }

    #[test]
    fn rsa_numbers_are_within_bounds() {
        let good = [0xff; 256];
        let mut even = good;
        even[255] = 0xfe;
        let mut short = good;
        short[0] = 0x7f;
        for n in [&even[..], &short, &[0xff; 255], &[0xff; 1025], &[&[0], &good[..]].concat(), &[]] {
            assert_eq!(refused(&rsa(n, &[1, 0, 1])), CoseKeyError::RsaModulus);
        }
        for e in [&[][..], &[1], &[2], &[0, 3], &[2, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 1]] {
            assert_eq!(refused(&rsa(&good, e)), CoseKeyError::RsaExponent);
        }
        assert!(CoseKey::read(&rsa(&good, &[3])).is_ok() && CoseKey::read(&rsa(&good, &[1, 0, 0, 0, 1])).is_ok());
    }

    #[test]
    fn m16_no_credential_has_sha1() {
        let mut key =
            map(&[(&[1], &[3]), (&[3], &[0x39, 0xff, 0xfe]), (&[0x20], &bytes(&[0xff; 256])), (&[0x21], &[0x41, 3])]);
        assert_eq!(refused(&key), CoseKeyError::Unavailable(Algorithm::RS1));
        key.push(0);
        assert_eq!(refused(&key), CoseKeyError::Unavailable(Algorithm::RS1));
    }

    #[cfg(not(feature = "p521"))]
    #[test]
    fn what_cannot_be_verified_is_not_registered() {
        let key = map(&[(&[1], &[2]), (&[3], &[0x38, 0x23])]);
        assert_eq!(refused(&key), CoseKeyError::Unavailable(Algorithm::ES512));
    }
}
