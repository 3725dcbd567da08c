//! Passwords: Argon2id, off the async threads, at the same cost whether or not the user exists.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use countersign_accounts::PasswordHash;
use countersign_primitives::{PoolFull, Random, RandomError, SecretString, SystemRandom, WorkPool, compute};

use crate::{Answer, MfaConfigError};

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
/// Passwords are 1 to 1,024 bytes and taken as they were typed: no Unicode normalisation, no trimming, no truncation.
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
    /// The stored hash is of a kind that is not checked here. The work was done all the same.
    Unsupported,
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

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`PasswordError`] when the password is empty or too long, or the hash could not be computed.
    pub async fn hash(&self, password: &SecretString) -> Result<PasswordHash, PasswordError> {
        let password = bounded(password).ok_or(PasswordError::Length)?;
        let salt = self.random.array_of_salt()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let hashed = compute(&*self.pool, move || {
            argon2.hash_password_with_salt(password.expose().as_bytes(), &salt).map(|hash| hash.to_string())
        });
        hashed.await?.map(PasswordHash::new).map_err(|_| PasswordError::Hash)
    }

    /// Checks a password against a stored hash, or, where there is none, against a decoy that costs the same as a hash made now
    /// and that no password matches. One computation either way.
    pub(crate) async fn check(
        &self,
        password: &SecretString,
        stored: Option<&PasswordHash>,
    ) -> Result<Checked, CheckError> {
        let Some(password) = bounded(password) else { return Ok(Checked::Wrong) };
        let stored = stored.map(|stored| Stored::read(stored, &self.params));
        let unsupported = matches!(stored, Some(None));
        let (hash, aged) = match stored.flatten() {
            Some(Stored { hash, aged }) => (hash, Some(aged)),
            None => (self.decoy()?, None),
        };
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let matches = compute(&*self.pool, move || argon2.verify_password(password.expose().as_bytes(), &hash).is_ok());
        Ok(match (matches.await?, aged) {
            (true, Some(aged)) => Checked::Right { aged },
            _ if unsupported => Checked::Unsupported,
            _ => Checked::Wrong,
        })
    }

    /// A hash of the present cost whose output was drawn, not computed.
    fn decoy(&self) -> Result<Phc, RandomError> {
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
        phc().ok_or(RandomError)
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

/// A copy for the pool, if the length is one that is hashed.
fn bounded(password: &SecretString) -> Option<SecretString> {
    let length = password.expose().len();
    (1..=Answer::MAX_PASSWORD).contains(&length).then(|| SecretString::new(password.expose()))
}

/// A stored hash that can be checked.
struct Stored {
    hash: Phc,
    aged: bool,
}

impl Stored {
    /// Reads a PHC string of `argon2id`, `argon2i` or `argon2d`; nothing for any other, or one too costly to compute.
    fn read(stored: &PasswordHash, current: &Params) -> Option<Self> {
        let hash = Phc::new(stored.as_str()).ok()?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
        let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let cost = PasswordCost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
        if !cost.is_bearable() || hash.salt.is_none() || hash.hash.is_none() {
            return None;
        }
        let same_cost = (params.m_cost(), params.t_cost(), params.p_cost())
            == (current.m_cost(), current.t_cost(), current.p_cost());
        let aged = algorithm != Algorithm::Argon2id || version != Version::V0x13 || !same_cost;
        Some(Self { hash, aged })
    }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;

    /// Runs on the spot, and counts.
    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl WorkPool for Counting {
        async fn run(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), PoolFull> {
            self.0.fetch_add(1, Ordering::SeqCst);
            job();
            Ok(())
        }
    }

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

    fn hasher() -> (Arc<Counting>, PasswordHasher) {
        let pool = Arc::new(Counting::default());
        let hasher = PasswordHasher::new(pool.clone()).cost(CHEAP).unwrap();
        (pool, hasher)
    }

    #[tokio::test]
    async fn a_password_matches_its_hash_and_no_other() {
        let (_, hasher) = hasher();
        let hash = hasher.hash(&"correct horse".into()).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{}", hash.as_str());
        let check = |text: &str| SecretString::new(text);
        assert_eq!(hasher.check(&check("correct horse"), Some(&hash)).await.unwrap(), Checked::Right { aged: false });
        for wrong in ["correct horse ", "Correct horse", "", "correct hors"] {
            assert_eq!(hasher.check(&check(wrong), Some(&hash)).await.unwrap(), Checked::Wrong, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn promise_6_a_decoy_costs_one_computation_of_the_same_parameters() {
        let (pool, hasher) = hasher();
        assert_eq!(hasher.check(&"any".into(), None).await.unwrap(), Checked::Wrong);
        assert_eq!(pool.0.load(Ordering::SeqCst), 1);
        let decoy = hasher.decoy().unwrap().to_string();
        assert!(decoy.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{decoy}");
        let made = hasher.hash(&"any".into()).await.unwrap();
        assert_eq!(decoy.len(), made.as_str().len());
    }

    #[tokio::test]
    async fn hashes_of_another_cost_or_kind_are_right_and_aged() {
        let (_, hasher) = hasher();
        let other = hasher.clone().cost(PasswordCost { memory_kib: 16, ..CHEAP }).unwrap();
        let hash = other.hash(&"pw".into()).await.unwrap();
        assert_eq!(hasher.check(&"pw".into(), Some(&hash)).await.unwrap(), Checked::Right { aged: true });
        let argon2i = Argon2::new(Algorithm::Argon2i, Version::V0x10, CHEAP.params().unwrap());
        let hash = PasswordHash::new(argon2i.hash_password_with_salt(b"pw", &[3; 16]).unwrap().to_string());
        assert_eq!(hasher.check(&"pw".into(), Some(&hash)).await.unwrap(), Checked::Right { aged: true });
    }

    #[tokio::test]
    async fn promise_7_a_hash_that_is_unknown_or_too_costly_is_refused_after_the_same_work() {
        let (pool, hasher) = hasher();
        for stored in [
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            "$argon2id$v=19$m=4000000000,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA",
            "plain",
            "",
        ] {
            let before = pool.0.load(Ordering::SeqCst);
            let checked = hasher.check(&"plain".into(), Some(&PasswordHash::new(stored))).await.unwrap();
            assert_eq!(checked, Checked::Unsupported, "{stored}");
            assert_eq!(pool.0.load(Ordering::SeqCst), before + 1);
        }
    }

    #[tokio::test]
    async fn promise_7_passwords_are_bounded_before_they_are_hashed() {
        let (pool, hasher) = hasher();
        let long = SecretString::new("x".repeat(1_025));
        assert_eq!(hasher.hash(&long).await, Err(PasswordError::Length));
        assert_eq!(hasher.hash(&SecretString::default()).await, Err(PasswordError::Length));
        assert_eq!(hasher.check(&long, None).await.unwrap(), Checked::Wrong);
        assert_eq!(pool.0.load(Ordering::SeqCst), 0);
        assert!(hasher.hash(&SecretString::new("x".repeat(1_024))).await.is_ok());
    }

    #[test]
    fn costs_out_of_range_are_refused() {
        let (_, hasher) = hasher();
        for bad in [
            PasswordCost { memory_kib: 0, ..CHEAP },
            PasswordCost { passes: 0, ..CHEAP },
            PasswordCost { lanes: 0, ..CHEAP },
            PasswordCost { memory_kib: PasswordCost::MAX_MEMORY_KIB + 1, ..CHEAP },
        ] {
            assert!(matches!(hasher.clone().cost(bad), Err(MfaConfigError::PasswordParameters)), "{bad:?}");
        }
    }
}
