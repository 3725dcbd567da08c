//! bcrypt: `$2a$`, `$2b$` and `$2y$`, which are the same where the password has no NUL byte.

use super::{HashRefused, PasswordCost};

pub(super) struct Bcrypt(String);

impl Bcrypt {
    /// Of a longer password bcrypt sees so many bytes.
    pub(super) const LONGEST: usize = 72;

    pub(super) fn read(text: &str) -> Result<Self, HashRefused> {
        let [_, _, cost, salt_and_hash] = super::pbkdf2::parts(text)?;
        let cost: u32 = match cost.as_bytes() {
            [b'0'..=b'9', b'0'..=b'9'] => cost.parse().map_err(|_| HashRefused::Malformed)?,
            _ => return Err(HashRefused::Malformed),
        };
        if cost > PasswordCost::MAX_BCRYPT {
            return Err(HashRefused::TooCostly);
        }
        let own_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
        if cost < 4 || salt_and_hash.len() != 53 || !salt_and_hash.bytes().all(own_alphabet) {
            return Err(HashRefused::Malformed);
        }
        Ok(Self(text.to_owned()))
    }

    /// In constant time. A password with a NUL byte matches nothing: implementations disagree on what follows it.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        !password.contains(&0) && bcrypt::verify(password, &self.0).unwrap_or(false)
    }
}
