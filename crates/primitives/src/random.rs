//! Where randomness comes from.

use std::fmt;
use std::sync::Arc;

use crate::Id;

/// A source of cryptographic randomness.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills `buffer` with unpredictable bytes.
    ///
    /// # Errors
    /// When the source fails. The caller refuses the request: there is no weaker source to fall back to.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError>;
}

impl<R: Random + ?Sized> Random for Arc<R> {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        (**self).fill(buffer)
    }
}

impl dyn Random + '_ {
    /// Unpredictable bytes in an array.
    ///
    /// # Errors
    /// When the source fails.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], RandomError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A fresh identifier of 128 bits.
    ///
    /// # Errors
    /// When the source fails.
    pub fn id(&self) -> Result<Id, RandomError> {
        self.array().map(Id::from_bytes)
    }
}

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the source of randomness failed")]
pub struct RandomError;

/// The random source of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(|_| RandomError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let random: &dyn Random = &SystemRandom;
        assert_ne!(random.array::<32>(), random.array::<32>());
    }
}
