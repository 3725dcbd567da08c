//! scrypt (RFC 7914), as a PHC string: `$scrypt$ln=17,r=8,p=1$SALT$HASH`.

use data_encoding::BASE64_NOPAD;
use scrypt::Params;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashRefused, PasswordCost};

pub(super) struct Scrypt {
    params: Params,
    salt: Vec<u8>,
    derived: Vec<u8>,
}

impl Scrypt {
    const SHORTEST: usize = 16;
    const LONGEST: usize = 64;

    pub(super) fn read(text: &str) -> Result<Self, HashRefused> {
        let malformed = HashRefused::Malformed;
        let [_, _, parameters, salt, derived] = super::pbkdf2::parts(text)?;
        let mut given = parameters.split(',');
        let mut number = |name: &str| -> Result<u32, HashRefused> {
            let value = given.next().and_then(|one| one.strip_prefix(name)).ok_or(malformed)?;
            if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(malformed);
            }
            value.parse().map_err(|_| HashRefused::TooCostly)
        };
        let (log_n, r, p) = (number("ln=")?, number("r=")?, number("p=")?);
        if given.next().is_some() {
            return Err(malformed);
        }
        let params = bounded(log_n, r, p)?;
        let decode = |part: &str| BASE64_NOPAD.decode(part.as_bytes()).map_err(|_| malformed);
        let (salt, derived) = (decode(salt)?, decode(derived)?);
        if salt.is_empty() || !(Self::SHORTEST..=Self::LONGEST).contains(&derived.len()) {
            return Err(malformed);
        }
        Ok(Self { params, salt, derived })
    }

    /// In constant time.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut derived = Zeroizing::new(vec![0; self.derived.len()]);
        scrypt::scrypt(password, &self.salt, &self.params, &mut derived).is_ok()
            && bool::from(derived.ct_eq(&self.derived))
    }
}

/// Memory is 128·r·N bytes, work is p times that (RFC 7914 §2).
fn bounded(log_n: u32, r: u32, p: u32) -> Result<Params, HashRefused> {
    let memory_kib = 1_u64.checked_shl(log_n).and_then(|n| n.checked_mul(u64::from(r))).map(|blocks| blocks / 8);
    let bearable = log_n < 64
        && memory_kib.is_some_and(|kib| kib <= u64::from(PasswordCost::MAX_MEMORY_KIB))
        && p <= PasswordCost::MAX_LANES;
    if !bearable {
        return Err(HashRefused::TooCostly);
    }
    let log_n = u8::try_from(log_n).map_err(|_| HashRefused::TooCostly)?;
    Params::new(log_n, r, p).map_err(|_| HashRefused::Malformed)
}
