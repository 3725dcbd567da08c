//! Structures of TPM 2.0 (Part 2: §12.2.4 `TPMT_PUBLIC`, §10.12.8 `TPMS_ATTEST`), big-endian and read to the last byte.

/// `TPM_GENERATED_VALUE`: what the TPM itself made begins with it.
const GENERATED: u32 = 0xff54_4347;
/// `TPM_ST_ATTEST_CERTIFY`
const ATTEST_CERTIFY: u16 = 0x8017;

const ALG_RSA: u16 = 0x0001;
const ALG_NULL: u16 = 0x0010;
const ALG_RSASSA: u16 = 0x0014;
const ALG_RSAPSS: u16 = 0x0016;
const ALG_ECDSA: u16 = 0x0018;
const ALG_ECC: u16 = 0x0023;

/// A public area, as far as it is compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Public<'a> {
    pub(super) name_algorithm: u16,
    pub(super) id: PublicId<'a>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum PublicId<'a> {
    Rsa {
        n: &'a [u8],
        e: u32,
    },
    /// `curve` is a `TPM_ECC_CURVE`; always there.
    Ecc {
        curve: Option<u16>,
        x: &'a [u8],
        y: &'a [u8],
    },
}

/// An attestation, as far as it is compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attest<'a> {
    magic: u32,
    kind: u16,
    pub(super) extra_data: &'a [u8],
    /// The name in the `TPMS_CERTIFY_INFO`.
    pub(super) name: &'a [u8],
}

impl<'a> Public<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let kind = reader.u16()?;
        let name_algorithm = reader.u16()?;
        reader.u32()?; // objectAttributes
        reader.sized()?; // authPolicy
        let id = match kind {
            ALG_RSA => reader.rsa()?,
            ALG_ECC => reader.ecc()?,
            _ => return None,
        };
        reader.0.is_empty().then_some(Self { name_algorithm, id })
    }
}

impl<'a> Attest<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let magic = reader.u32()?;
        let kind = reader.u16()?;
        reader.sized()?; // qualifiedSigner
        let extra_data = reader.sized()?;
        reader.take(8 + 4 + 4 + 1)?; // clockInfo
        reader.take(8)?; // firmwareVersion
        let name = reader.sized()?;
        reader.sized()?; // qualifiedName
        reader.0.is_empty().then_some(Self { magic, kind, extra_data, name })
    }

    /// Whether the TPM made it, and it certifies a key.
    pub(super) const fn is_certification(&self) -> bool {
        self.magic == GENERATED && self.kind == ATTEST_CERTIFY
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A `TPM2B`: two bytes of length, then as many bytes.
    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// `TPMS_RSA_PARMS`, then the modulus.
    fn rsa(&mut self) -> Option<PublicId<'a>> {
        self.symmetric()?;
        self.scheme(&[ALG_RSASSA, ALG_RSAPSS])?;
        let bits = self.u16()?;
        let exponent = match self.u32()? {
            0 => 65_537,
            exponent => exponent,
        };
        let n = self.sized()?;
        (n.len() * 8 == usize::from(bits)).then_some(PublicId::Rsa { n, e: exponent })
    }

    /// `TPMS_ECC_PARMS`, then the point.
    fn ecc(&mut self) -> Option<PublicId<'a>> {
        self.symmetric()?;
        self.scheme(&[ALG_ECDSA])?;
        let curve = self.u16()?;
        if self.u16()? != ALG_NULL {
            self.u16()?; // the hash of the key derivation
        }
        Some(PublicId::Ecc { curve: Some(curve), x: self.sized()?, y: self.sized()? })
    }

    /// Keys that sign have none (`TPMT_SYM_DEF_OBJECT`).
    fn symmetric(&mut self) -> Option<()> {
        (self.u16()? == ALG_NULL).then_some(())
    }

    /// None, or one of these with its hash.
    fn scheme(&mut self, known: &[u16]) -> Option<()> {
        let scheme = self.u16()?;
        if known.contains(&scheme) {
            self.u16()?;
            return Some(());
        }
        (scheme == ALG_NULL).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa() -> Vec<u8> {
        let head = [0, 1, 0, 0x0b, 0, 6, 4, 0x72, 0, 2, 9, 9, 0, 0x10, 0, 0x14, 0, 0x0b, 0x08, 0, 0, 0, 0, 0, 1, 0];
        [&head[..], &[0xdb; 256]].concat()
    }

    const ECC: [u8; 26] =
        [0, 0x23, 0, 0x0b, 0, 6, 4, 0x72, 0, 0, 0, 0x10, 0, 0x18, 0, 0x0b, 0, 3, 0, 0x10, 0, 1, 7, 0, 1, 8];

    fn attest() -> Vec<u8> {
        let head = [0xff, 0x54, 0x43, 0x47, 0x80, 0x17, 0, 1, 5, 0, 2, 6, 7];
        [&head[..], &[0; 25], &[0, 3, 0, 0x0b, 1], &[0, 0]].concat()
    }

    #[test]
    fn webauthn_8_3_public_areas_are_read() {
        let bytes = rsa();
        let n = [0xdb; 256];
        let expected = Public { name_algorithm: 0x0b, id: PublicId::Rsa { n: &n, e: 65_537 } };
        assert_eq!(Public::read(&bytes), Some(expected));
        let expected = Public { name_algorithm: 0x0b, id: PublicId::Ecc { curve: Some(3), x: &[7], y: &[8] } };
        assert_eq!(Public::read(&ECC), Some(expected));
    }

    #[test]
    fn webauthn_8_3_attestations_are_read() {
        let bytes = attest();
        let read = Attest::read(&bytes).unwrap();
        assert_eq!((read.extra_data, read.name), (&[6, 7][..], &[0, 0x0b, 1][..]));
        assert!(read.is_certification());
        let mut quote = bytes.clone();
        quote[5] = 0x18;
        assert!(!Attest::read(&quote).unwrap().is_certification(), "a quote is no certification");
        let mut foreign = bytes;
        foreign[0] = 0;
        assert!(!Attest::read(&foreign).unwrap().is_certification(), "not made by the TPM");
    }

    #[test]
    fn m15_structures_are_read_to_the_last_byte() {
        for whole in [rsa(), ECC.to_vec()] {
            assert!((0..whole.len()).all(|cut| Public::read(&whole[..cut]).is_none()));
            assert_eq!(Public::read(&[&whole[..], &[0]].concat()), None);
        }
        let whole = attest();
        assert!((0..whole.len()).all(|cut| Attest::read(&whole[..cut]).is_none()));
        assert_eq!(Attest::read(&[&whole[..], &[0]].concat()), None);
    }

    #[test]
    fn what_cannot_sign_is_no_public_area() {
        let mut encrypting = ECC;
        encrypting[11] = 6; // symmetric: AES
        assert_eq!(Public::read(&encrypting), None);
        let mut keyed_hash = ECC;
        keyed_hash[1] = 8;
        assert_eq!(Public::read(&keyed_hash), None);
        let mut short = rsa();
        short[18] = 4; // keyBits
        assert_eq!(Public::read(&short), None);
    }
}
