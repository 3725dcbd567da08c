//! The host's own users. Any table will do; the engine never sees it.

use std::collections::BTreeMap;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use countersign::{BoxError, Random, SecretString, Subject, SystemRandom};

/// User names and password hashes.
#[derive(Debug)]
pub struct Users {
    hashes: BTreeMap<String, String>,
    /// A hash of nothing that anybody types, so that an unknown user costs what a known one costs.
    decoy: String,
}

impl Users {
    /// Users by name and password.
    ///
    /// # Errors
    /// When a password cannot be hashed.
    pub fn new<'a>(users: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, BoxError> {
        let hashes = users.into_iter().map(|(name, password)| Ok((name.to_owned(), hash(password)?)));
        Ok(Self { hashes: hashes.collect::<Result<_, BoxError>>()?, decoy: hash("the decoy")? })
    }

    /// Who this is, if the password is right. Takes as long as a password hash takes; a real host counts failures here too.
    #[must_use]
    pub fn check(&self, name: &str, password: &SecretString) -> Option<Subject> {
        let known = self.hashes.get(name);
        let hash = PasswordHash::new(known.unwrap_or(&self.decoy)).ok()?;
        let right = Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok();
        (known.is_some() && right).then(|| Subject::new(name))
    }
}

fn hash(password: &str) -> Result<String, BoxError> {
    let random: &dyn Random = &SystemRandom;
    Ok(Argon2::default().hash_password_with_salt(password.as_bytes(), &random.array::<16>()?)?.to_string())
}
