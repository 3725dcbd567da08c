//! Whether a point lies on its curve.
//!
//! P-256 and P-384 are computed here: ring looks at the point too, but only as it verifies a signature, and a registration without attestation has none. Points are
//! public, so nothing here needs constant time.

use super::EcCurve;

/// `y² = x³ - 3x + b` modulo `p`, in limbs of 64 bits, the least significant first (SEC 2 §2.4.2, §2.5.1).
struct Curve<const N: usize> {
    p: [u64; N],
    b: [u64; N],
    /// `-p⁻¹` modulo 2^64.
    inverse: u64,
    /// `2^(128 N)` modulo `p`: multiplied by it, a number takes Montgomery's form.
    r2: [u64; N],
}

static P256: Curve<4> = Curve::new(
    [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001],
    [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7],
);

static P384: Curve<6> = Curve::new(
    [
        0x0000_0000_ffff_ffff,
        0xffff_ffff_0000_0000,
        0xffff_ffff_ffff_fffe,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_ffff_ffff,
    ],
    [
        0x2a85_c8ed_d3ec_2aef,
        0xc656_398d_8a2e_d19d,
        0x0314_088f_5013_875a,
        0x181d_9c6e_fe81_4112,
        0x988e_056b_e3f8_2d19,
        0xb331_2fa7_e23e_e7e4,
    ],
);

/// Whether the coordinates, of full length, are those of a point on the curve.
pub(super) fn is_on(curve: EcCurve, x: &[u8], y: &[u8]) -> bool {
    match curve {
        EcCurve::P256 => match (x.try_into(), y.try_into()) {
            (Ok(x), Ok(y)) => is_on_p256(x, y),
            _ => false,
        },
        EcCurve::P384 => match (x.try_into(), y.try_into()) {
            (Ok(x), Ok(y)) => is_on_p384(x, y),
            _ => false,
        },
        #[cfg(feature = "p521")]
        EcCurve::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(&super::verify::uncompressed(x, y)).is_ok(),
        #[cfg(feature = "k256")]
        EcCurve::Secp256k1 => k256::ecdsa::VerifyingKey::from_sec1_bytes(&super::verify::uncompressed(x, y)).is_ok(),
        #[cfg(not(all(feature = "p521", feature = "k256")))]
        _ => false,
    }
}

/// Whether the coordinates are those of a point on P-256.
fn is_on_p256(x: &[u8; 32], y: &[u8; 32]) -> bool {
    P256.contains(&limbs(x), &limbs(y))
}

/// Whether the coordinates are those of a point on P-384.
fn is_on_p384(x: &[u8; 48], y: &[u8; 48]) -> bool {
    P384.contains(&limbs(x), &limbs(y))
}

fn limbs<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut limbs = [0; N];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.rchunks(8)) {
        *limb = chunk.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    limbs
}

impl<const N: usize> Curve<N> {
    const fn new(p: [u64; N], b: [u64; N]) -> Self {
        // Newton's iteration doubles the right bits of the inverse at each step.
        let (mut inverse, mut step) = (1_u64, 0);
        while step < 6 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(p[0].wrapping_mul(inverse)));
            step += 1;
        }
        let (mut r2, mut doubling) = ([0; N], 0);
        r2[0] = 1;
        while doubling < 128 * N {
            r2 = add(&r2, &r2, &p);
            doubling += 1;
        }
        Self { p, b, inverse: inverse.wrapping_neg(), r2 }
    }

    fn contains(&self, x: &[u64; N], y: &[u64; N]) -> bool {
        if !is_less(x, &self.p) || !is_less(y, &self.p) {
            return false;
        }
        let [x, y, b] = [x, y, &self.b].map(|number| self.multiply(number, &self.r2));
        let x3 = self.multiply(&self.multiply(&x, &x), &x);
        let three_x = add(&add(&x, &x, &self.p), &x, &self.p);
        // y² + 3x = x³ + b
        add(&self.multiply(&y, &y), &three_x, &self.p) == add(&x3, &b, &self.p)
    }

    /// `a b 2^(-64 N)` modulo `p` (Montgomery's product).
    #[expect(clippy::cast_possible_truncation, reason = "a number is cut into limbs")]
    fn multiply(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut sum = [0_u64; N];
        let mut top = 0_u64;
        for &factor in a {
            // sum += factor * b
            let mut carry = 0_u128;
            for (limb, &other) in sum.iter_mut().zip(b) {
                carry += u128::from(*limb) + u128::from(factor) * u128::from(other);
                *limb = carry as u64;
                carry >>= 64;
            }
            carry += u128::from(top);
            let (high, higher) = (carry as u64, (carry >> 64) as u64);
            // sum = (sum + m p) / 2^64, with m such that nothing is lost
            let m = sum[0].wrapping_mul(self.inverse);
            let mut carry = (u128::from(sum[0]) + u128::from(m) * u128::from(self.p[0])) >> 64;
            for index in 1..N {
                carry += u128::from(sum[index]) + u128::from(m) * u128::from(self.p[index]);
                sum[index - 1] = carry as u64;
                carry >>= 64;
            }
            carry += u128::from(high);
            sum[N - 1] = carry as u64;
            top = higher + (carry >> 64) as u64;
        }
        if top != 0 || !is_less(&sum, &self.p) { subtract(&sum, &self.p) } else { sum }
    }
}

const fn is_less<const N: usize>(a: &[u64; N], b: &[u64; N]) -> bool {
    let mut index = N;
    while index > 0 {
        index -= 1;
        if a[index] != b[index] {
            return a[index] < b[index];
        }
    }
    false
}

const fn subtract<const N: usize>(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
    let (mut difference, mut borrow, mut index) = ([0; N], false, 0);
    while index < N {
        let (first, under) = a[index].overflowing_sub(b[index]);
        let (second, under_too) = first.overflowing_sub(borrow as u64);
        difference[index] = second;
        borrow = under || under_too;
        index += 1;
    }
    difference
}

/// `a + b` modulo `p`, both below it.
const fn add<const N: usize>(a: &[u64; N], b: &[u64; N], p: &[u64; N]) -> [u64; N] {
    let (mut sum, mut carry, mut index) = ([0; N], false, 0);
    while index < N {
        let (first, over) = a[index].overflowing_add(b[index]);
        let (second, over_too) = first.overflowing_add(carry as u64);
        sum[index] = second;
        carry = over || over_too;
        index += 1;
    }
    if carry || !is_less(&sum, p) { subtract(&sum, p) } else { sum }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;

    fn point(algorithm: &'static ring::signature::EcdsaSigningAlgorithm) -> Vec<u8> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        key.public_key().as_ref()[1..].to_vec()
    }

    #[test]
    fn points_of_real_keys_are_on_the_curve_and_no_neighbour_is() {
        for _ in 0..200 {
            let p256 = point(&ECDSA_P256_SHA256_ASN1_SIGNING);
            let (x, y) = (p256[..32].try_into().unwrap(), p256[32..].try_into().unwrap());
            assert!(is_on_p256(&x, &y) && !is_on_p256(&y, &x));
            for bit in 0..256 {
                let mut off = y;
                off[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_on_p256(&x, &off));
            }
            let p384 = point(&ECDSA_P384_SHA384_ASN1_SIGNING);
            let (x, y) = (p384[..48].try_into().unwrap(), p384[48..].try_into().unwrap());
            assert!(is_on_p384(&x, &y) && !is_on_p384(&y, &x));
        }
    }

    #[test]
    fn coordinates_are_below_the_modulus() {
        // (0, √b) lies on the curve; (p, √b) is the same point, written in a way that SEC 1 §2.3.5 forbids.
        let p256 = P256.p.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect::<Vec<_>>();
        let root = *b"\x66\x48\x5c\x78\x0e\x2f\x83\xd7\x24\x33\xbd\x5d\x84\xa0\x6b\xb6\x54\x1c\x2a\xf3\x1d\xae\x87\x17\x28\xbf\x85\x6a\x17\x4f\x93\xf4";
        assert!(is_on_p256(&[0; 32], &root));
        assert!(!is_on_p256(&p256.try_into().unwrap(), &root));
        assert!(!is_on_p256(&[0; 32], &[0; 32]) && !is_on_p256(&[0xff; 32], &[0xff; 32]));
    }
}
