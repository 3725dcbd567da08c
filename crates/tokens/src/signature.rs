//! Signatures, in the form that JOSE wants.

use std::fmt;

/// Long enough for every ECDSA and Ed25519 signature, so that those need no allocation.
const INLINE: usize = 96;

/// A signature as it stands in a JWS: for ECDSA the two numbers at full width (RFC 7518 §3.4).
#[derive(Clone)]
pub struct Signature(Bytes);

#[derive(Clone)]
enum Bytes {
    Inline { bytes: [u8; INLINE], len: usize },
    Heap(Vec<u8>),
}

impl Signature {
    /// A signature of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut inline = [0; INLINE];
        match inline.get_mut(..bytes.len()) {
            Some(start) => {
                start.copy_from_slice(bytes);
                Self(Bytes::Inline { bytes: inline, len: bytes.len() })
            }
            None => Self(Bytes::Heap(bytes.to_vec())),
        }
    }

    /// An ECDSA signature on P-256 or P-384 from the DER form that key services return (RFC 3279 §2.2.3).
    ///
    /// The curve is told from the size of the numbers.
    ///
    /// ```
    /// use countersign_tokens::Signature;
    ///
    /// let signature = Signature::from_der(&[0x30, 6, 2, 1, 1, 2, 1, 2])?; // r = 1, s = 2
    /// assert_eq!(signature.as_bytes().len(), 64);
    /// # Ok::<(), countersign_tokens::DerError>(())
    /// ```
    ///
    /// # Errors
    /// [`DerError`] when the bytes are not the one DER encoding of two positive numbers of at most 384 bits.
    pub fn from_der(der: &[u8]) -> Result<Self, DerError> {
        let [0x30, length, body @ ..] = der else { return Err(DerError) };
        // Two numbers of 384 bits take at most 102 bytes, so a length in long form is never the shortest one.
        if *length >= 0x80 || usize::from(*length) != body.len() {
            return Err(DerError);
        }
        let (r, rest) = integer(body)?;
        let (s, rest) = integer(rest)?;
        if !rest.is_empty() {
            return Err(DerError);
        }
        let width = if r.len().max(s.len()) <= 32 { 32 } else { 48 };
        let mut bytes = [0; INLINE];
        bytes[width - r.len()..width].copy_from_slice(r);
        bytes[2 * width - s.len()..2 * width].copy_from_slice(s);
        Ok(Self(Bytes::Inline { bytes, len: 2 * width }))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Inline { bytes, len } => bytes.get(..*len).unwrap_or_default(),
            Bytes::Heap(bytes) => bytes,
        }
    }
}

/// Reads a positive DER INTEGER of at most 384 bits; yields its digits without leading zeros, and the rest.
fn integer(der: &[u8]) -> Result<(&[u8], &[u8]), DerError> {
    let [0x02, length, rest @ ..] = der else { return Err(DerError) };
    let (digits, rest) = rest.split_at_checked(usize::from(*length)).ok_or(DerError)?;
    let digits = match digits {
        // A zero byte in front only where the number would else be negative.
        [0, next, ..] if *next >= 0x80 => &digits[1..],
        [first, ..] if (1..0x80).contains(first) => digits,
        _ => return Err(DerError),
    };
    if digits.len() > 48 { Err(DerError) } else { Ok((digits, rest)) }
}

impl From<Vec<u8>> for Signature {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes::Heap(bytes))
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Signature {}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({} bytes)", self.as_bytes().len())
    }
}

/// Not the DER encoding of an ECDSA signature on P-256 or P-384.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a DER-encoded ECDSA signature")]
pub struct DerError;

#[cfg(test)]
mod tests {
    use super::*;

    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let byte = |n: usize| u8::try_from(n).unwrap();
        let mut out = vec![0x30, byte(r.len() + s.len() + 4), 2, byte(r.len())];
        out.extend_from_slice(r);
        out.extend_from_slice(&[2, byte(s.len())]);
        out.extend_from_slice(s);
        out
    }

    #[test]
    fn rfc7518_3_4_numbers_are_written_at_full_width() {
        let mut r = vec![0];
        r.extend_from_slice(&[0xff; 32]);
        let signature = Signature::from_der(&der(&r, &[5])).unwrap();
        assert_eq!(&signature.as_bytes()[..32], &[0xff; 32]);
        assert_eq!(&signature.as_bytes()[32..], [&[0; 31][..], &[5]].concat());
        let wide = Signature::from_der(&der(&[0x7f; 48], &[1; 31])).unwrap();
        assert_eq!(wide.as_bytes().len(), 96);
        assert_eq!(&wide.as_bytes()[48..], [&[0; 17][..], &[1; 31]].concat());
    }

    #[test]
    fn rfc3279_2_2_3_only_strict_der_is_read() {
        let good = der(&[1; 32], &[2; 32]);
        assert!(Signature::from_der(&good).is_ok());
        for cut in 0..good.len() {
            assert_eq!(Signature::from_der(&good[..cut]), Err(DerError), "cut at {cut}");
        }
        let trailing = [good.as_slice(), &[0]].concat();
        let wrong_tag = [&[0x31], &good[1..]].concat();
        let long_form = [&[0x30, 0x81, good[1]], &good[2..]].concat();
        for bad in [trailing, wrong_tag, long_form, der(&[0], &[1]), der(&[0x80], &[1]), der(&[0, 1], &[1])] {
            assert_eq!(Signature::from_der(&bad), Err(DerError), "{bad:02x?}");
        }
        assert_eq!(Signature::from_der(&der(&[], &[1])), Err(DerError));
        assert_eq!(Signature::from_der(&der(&[1; 49], &[1])), Err(DerError));
    }
}
