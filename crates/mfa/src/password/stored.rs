//! Hashes as they are stored: our own, those of before, and those of other systems.

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Params, PasswordVerifier as _, Version};
use countersign_accounts::PasswordHash;

#[cfg(feature = "legacy-hashes")]
use super::bcrypt::Bcrypt;
use super::pbkdf2::Pbkdf2;
#[cfg(feature = "legacy-hashes")]
use super::scrypt::Scrypt;
use super::{Checked, PasswordCost};

/// Why a stored hash is not checked: no password matches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashRefused {
    /// It is of a kind that is not checked here. bcrypt and scrypt need the feature `legacy-hashes`.
    #[error("a password hash of a kind that is not checked here")]
    UnknownKind,
    /// It is of a known kind, and a part is missing or makes no sense.
    #[error("a malformed password hash")]
    Malformed,
    /// Checking it would cost more than a login may: memory, passes or iterations are beyond [`PasswordCost`]'s bounds.
    #[error("a password hash too costly to check")]
    TooCostly,
}

impl HashRefused {
    /// The stable id of the cause, for operators.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::UnknownKind => "password_hash_of_unknown_kind",
            Self::Malformed => "password_hash_malformed",
            Self::TooCostly => "password_hash_too_costly",
        }
    }
}

/// A stored hash that can be checked, within bounds.
pub(super) enum StoredHash {
    Argon2 {
        hash: Box<Phc>,
        aged: bool,
    },
    Pbkdf2(Pbkdf2),
    #[cfg(feature = "legacy-hashes")]
    Bcrypt(Bcrypt),
    #[cfg(feature = "legacy-hashes")]
    Scrypt(Scrypt),
}

impl StoredHash {
    /// Reads a hash; `current` is what hashes made now cost.
    pub(super) fn read(stored: &PasswordHash, current: &Params) -> Result<Self, HashRefused> {
        let text = stored.as_str();
        let kind = text.strip_prefix('$').unwrap_or(text).split('$').next().unwrap_or_default();
        match kind {
            "argon2id" | "argon2i" | "argon2d" => argon2(text, current),
            "pbkdf2-sha256" | "pbkdf2-sha512" => Pbkdf2::from_phc(text).map(Self::Pbkdf2),
            "pbkdf2_sha256" => Pbkdf2::from_django(text).map(Self::Pbkdf2),
            #[cfg(feature = "legacy-hashes")]
            "2a" | "2b" | "2y" => Bcrypt::read(text).map(Self::Bcrypt),
            #[cfg(feature = "legacy-hashes")]
            "scrypt" => Scrypt::read(text).map(Self::Scrypt),
            _ => Err(HashRefused::UnknownKind),
        }
    }

    /// Whether the password matches, compared in constant time.
    pub(super) fn check(&self, password: &[u8]) -> Checked {
        let (matches, aged) = match self {
            Self::Argon2 { hash, aged } => (Argon2::default().verify_password(password, &**hash).is_ok(), *aged),
            Self::Pbkdf2(hash) => (hash.matches(password), true),
            // Of a longer password bcrypt has seen the beginning alone: what was typed behind it is not known to be right.
            #[cfg(feature = "legacy-hashes")]
            Self::Bcrypt(hash) => (hash.matches(password), password.len() <= Bcrypt::LONGEST),
            #[cfg(feature = "legacy-hashes")]
            Self::Scrypt(hash) => (hash.matches(password), true),
        };
        if matches { Checked::Right { aged } } else { Checked::Wrong }
    }
}

/// A PHC string of `argon2id`, `argon2i` or `argon2d` (RFC 9106).
fn argon2(text: &str, current: &Params) -> Result<StoredHash, HashRefused> {
    let malformed = HashRefused::Malformed;
    let hash = Phc::new(text).map_err(|_| malformed)?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| malformed)?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).map_err(|_| malformed)?;
    let params = Params::try_from(&hash).map_err(|_| malformed)?;
    let cost = PasswordCost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
    if !cost.is_bearable() {
        return Err(HashRefused::TooCostly);
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(malformed);
    }
    let same_cost =
        (params.m_cost(), params.t_cost(), params.p_cost()) == (current.m_cost(), current.t_cost(), current.p_cost());
    let aged = algorithm != Algorithm::Argon2id || version != Version::V0x13 || !same_cost;
    Ok(StoredHash::Argon2 { hash: Box::new(hash), aged })
}
