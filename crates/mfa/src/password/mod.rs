//! Passwords: Argon2id, off the async threads, at the same cost whether or not the user exists.
//!
//! Hashes that other systems made are checked too, and replaced by ours when their users sign in. Until then a login of such a user
//! costs what that hash costs, while a name that nobody has costs what our own does: after an import the two can be told apart by
//! time until the users have signed in once. Nothing that is compared runs twice for it, and each takes one job of the pool.

#[cfg(feature = "legacy-hashes")]
mod bcrypt;
mod pbkdf2;
#[cfg(feature = "legacy-hashes")]
mod scrypt;
mod stored;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use countersign_accounts::PasswordHash;
use countersign_primitives::{PoolFull, Random, RandomError, SecretString, SystemRandom, WorkPool, compute};

use crate::{Answer, MfaConfigError};

pub use stored::HashRefused;
use stored::StoredHash;
pub(crate) use text::normalised;

/// What a password hash costs. The default is Argon2id with 19 MiB, two passes and one lane (OWASP Password Storage Cheat Sheet;
/// RFC 9106 describes the function).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: 19 * 1_024, passes: 2, lanes: 1 }
    }
}

impl PasswordCost {
    /// The most memory that a stored hash may ask for, in KiB; what asks for more is refused, not computed.
    pub const MAX_MEMORY_KIB: u32 = 1_024 * 1_024;
    /// The most iterations that a stored PBKDF2 hash may ask for.
    pub const MAX_PBKDF2_ITERATIONS: u32 = 5_000_000;
    /// The highest cost of a stored bcrypt hash: 2 to the power of it are the rounds.
    pub const MAX_BCRYPT: u32 = 16;
    const MAX_PASSES: u32 = 64;
    const MAX_LANES: u32 = 16;

    fn is_bearable(self) -> bool {
        self.memory_kib <= Self::MAX_MEMORY_KIB && self.passes <= Self::MAX_PASSES && self.lanes <= Self::MAX_LANES
    }

    fn params(self) -> Result<Params, MfaConfigError> {
        if !self.is_bearable() {
            return Err(MfaConfigError::PasswordParameters);
        }
        Params::new(self.memory_kib, self.passes, self.lanes, None).map_err(|_| MfaConfigError::PasswordParameters)
    }
}

/// Hashes and checks passwords on a work pool. A cheap clone.
///
/// Passwords are 1 to 1,024 bytes. They are neither trimmed nor cut, every character counts, and those that Unicode writes in several
/// ways are one (Normalization Form C; NIST SP 800-63B-4 §3.1.1.2).
///
/// Beside its own hashes it checks Argon2i and Argon2d, PBKDF2 (`$pbkdf2-sha256$`, `$pbkdf2-sha512$`, and Django's `pbkdf2_sha256$`), and
/// with feature `legacy-hashes` bcrypt (`$2a$`, `$2b$`, `$2y$`) and scrypt (`$scrypt$`), each within the bounds of [`PasswordCost`].
#[derive(Clone)]
pub struct PasswordHasher {
    params: Params,
    pool: Arc<dyn WorkPool>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHasher").field("params", &self.params).field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// What came of checking a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is right.
    Right {
        /// The hash is of an older kind or of another cost than hashes made now.
        aged: bool,
    },
    /// It is wrong.
    Wrong,
    /// The stored hash is not checked here. The work was done all the same.
    Refused(HashRefused),
}

impl PasswordHasher {
    /// Hashes at the default cost.
    #[must_use]
    pub fn new(pool: Arc<dyn WorkPool>) -> Self {
        Self { params: Params::DEFAULT, pool, random: Arc::new(SystemRandom) }
    }

    /// Hashes at another cost from now on. Older hashes are replaced when their users sign in.
    ///
    /// # Errors
    /// [`MfaConfigError::PasswordParameters`] when Argon2 cannot be run so.
    pub fn cost(mut self, cost: PasswordCost) -> Result<Self, MfaConfigError> {
        self.params = cost.params()?;
        Ok(self)
    }

    /// Another source of randomness for salts.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Whether a hash could be checked at a login here: for whoever brings in hashes of another system.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use countersign_mfa::{HashRefused, PasswordHasher};
    /// # let pool = Arc::new(countersign_primitives::ThreadPool::new(1, 1));
    ///
    /// let hasher = PasswordHasher::new(pool);
    /// assert_eq!(hasher.accepts(&"$1$old$md5crypt".into()), Err(HashRefused::UnknownKind));
    /// ```
    ///
    /// # Errors
    /// [`HashRefused`] says why not.
    pub fn accepts(&self, stored: &PasswordHash) -> Result<(), HashRefused> {
        StoredHash::read(stored, &self.params).map(drop)
    }

    /// The same at any cost of our own.
    pub(crate) fn check_kind(stored: &PasswordHash) -> Result<(), HashRefused> {
        StoredHash::read(stored, &Params::DEFAULT).map(drop)
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`PasswordError`] when the password is empty or too long, or the hash could not be computed.
    pub async fn hash(&self, password: &SecretString) -> Result<PasswordHash, PasswordError> {
        let password = normalised(bounded(password).ok_or(PasswordError::Length)?);
        let salt = self.random.array_of_salt()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let hashed = compute(&*self.pool, move || {
            argon2.hash_password_with_salt(password.expose().as_bytes(), &salt).map(|hash| hash.to_string())
        });
        hashed.await?.map(PasswordHash::new).map_err(|_| PasswordError::Hash)
    }

    /// Checks a password against a stored hash, or, where there is none, against a decoy that costs the same as a hash made now
    /// and that no password matches. One computation either way, or two for a password that is not in the form that is hashed:
    /// other systems may have hashed it as it was typed.
    pub(crate) async fn check(
        &self,
        password: &SecretString,
        stored: Option<&PasswordHash>,
    ) -> Result<Checked, CheckError> {
        let Some(password) = bounded(password) else { return Ok(Checked::Wrong) };
        let (hash, otherwise) = match stored.map(|stored| StoredHash::read(stored, &self.params)) {
            Some(Ok(hash)) => (hash, None),
            Some(Err(refused)) => (self.decoy()?, Some(Checked::Refused(refused))),
            None => (self.decoy()?, Some(Checked::Wrong)),
        };
        let (typed, password) = (SecretString::new(password.expose()), normalised(password));
        let checked = compute(&*self.pool, move || match hash.check(password.expose().as_bytes()) {
            Checked::Wrong if !text::is_normal(&typed) => match hash.check(typed.expose().as_bytes()) {
                Checked::Right { .. } => Checked::Right { aged: true },
                other => other,
            },
            checked => checked,
        });
        let checked = checked.await?;
        Ok(otherwise.unwrap_or(checked))
    }

    /// A hash of the present cost whose output was drawn, not computed.
    fn decoy(&self) -> Result<StoredHash, RandomError> {
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        self.random.fill(&mut output)?;
        let salt = self.random.array_of_salt()?;
        let phc = || {
            Some(Phc {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&self.params).ok()?,
                salt: Some(Salt::new(&salt).ok()?),
                hash: Some(Output::new(&output).ok()?),
            })
        };
        phc().map(|hash| StoredHash::Argon2 { hash: Box::new(hash), aged: false }).ok_or(RandomError)
    }
}

trait SaltSource {
    fn array_of_salt(&self) -> Result<[u8; 16], RandomError>;
}

impl SaltSource for Arc<dyn Random> {
    fn array_of_salt(&self) -> Result<[u8; 16], RandomError> {
        (**self).array()
    }
}

/// The password, if its length is one that is hashed.
fn bounded(password: &SecretString) -> Option<&SecretString> {
    (1..=Answer::MAX_PASSWORD).contains(&password.expose().len()).then_some(password)
}

/// Why a password was not hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// It is empty or longer than 1,024 bytes.
    #[error("a password has 1 to 1024 bytes")]
    Length,
    /// The pool has no room.
    #[error(transparent)]
    Busy(#[from] PoolFull),
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The function failed, such as for want of memory.
    #[error("the password could not be hashed")]
    Hash,
}

/// Why a password was not checked.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum CheckError {
    #[error(transparent)]
    Busy(#[from] PoolFull),
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl From<CheckError> for crate::LoginError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Busy(full) => Self::Busy(full),
            CheckError::Random(error) => Self::Random(error),
        }
    }
}
