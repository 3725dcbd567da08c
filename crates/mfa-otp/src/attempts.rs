//! How often a code may be guessed.

use serde::{Deserialize, Serialize};

/// A count of guesses against a limit (RFC 4226 §7.3): a value that the caller keeps beside the code.
///
/// Count *before* the comparison and store the result before it too, else parallel requests guess for free.
///
/// ```
/// use countersign_mfa_otp::Attempts;
///
/// let attempts = Attempts::up_to(2);
/// let attempts = attempts.count().expect("the first");
/// let attempts = attempts.count().expect("the second");
/// assert!(attempts.count().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    used: u32,
    limit: u32,
}

impl Attempts {
    /// No guess yet, of this many.
    #[must_use]
    pub const fn up_to(limit: u32) -> Self {
        Self { used: 0, limit }
    }

    /// One guess more.
    ///
    /// # Errors
    /// [`AttemptsSpent`] when the limit has been reached: the code is not compared at all.
    pub const fn count(self) -> Result<Self, AttemptsSpent> {
        if self.used >= self.limit {
            return Err(AttemptsSpent);
        }
        Ok(Self { used: self.used + 1, limit: self.limit })
    }

    /// How many guesses are left.
    #[must_use]
    pub const fn left(self) -> u32 {
        self.limit.saturating_sub(self.used)
    }
}

/// Every guess has been made; only a new code helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no attempts are left")]
pub struct AttemptsSpent;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4226_7_3_guesses_end_at_the_limit() {
        let spent = (0..5).try_fold(Attempts::up_to(5), |attempts, _| attempts.count()).unwrap();
        assert_eq!(spent.left(), 0);
        assert_eq!(spent.count(), Err(AttemptsSpent));
        assert_eq!(Attempts::up_to(0).count(), Err(AttemptsSpent));
    }
}
