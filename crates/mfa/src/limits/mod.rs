//! Guessing: who may try how often (NIST SP 800-63B-4 §3.2.2).
//!
//! Every attempt is charged before anything is compared, and a success takes back its own charge and no more. A browser that
//! signed in to the account before has budgets of its own, so strangers who use theirs up cannot lock the owner out (promise 6).
//! Strangers share a [`ladder`] of budgets, each with twice the wait of the one before. Beside it failures are counted in a
//! [`row`]: after so many the owner is told, and after more the secret is closed to strangers.

mod guard;
mod ladder;
mod row;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use guard::{Guess, Guesser, Note, PASSWORD, Paid};

/// The section that asks for limits on guessing.
pub(crate) const SECTION: &str = "NIST SP 800-63B-4 §3.2.2";

/// So many attempts in a window that begins with the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many attempts.
    pub attempts: u32,
    /// In how long a time.
    pub window: Duration,
}

impl Budget {
    /// So many attempts in this time.
    #[must_use]
    pub const fn new(attempts: u32, window: Duration) -> Self {
        Self { attempts, window }
    }
}

/// How often somebody may guess.
///
/// ```
/// use countersign_mfa::{Budget, Limits};
/// use std::time::Duration;
///
/// let limits = Limits { password_strangers: Budget::new(5, Duration::from_secs(600)), ..Limits::default() };
/// # let _ = limits;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Passwords of one account, from all browsers that never signed in to it together; of a caller without a browser, from that
    /// client and address. Once it is used up its window doubles, up to [`longest_wait`](Self::longest_wait). Default: 10 in 15
    /// minutes, so 80 on a first day at most and 10 on each that follows.
    pub password_strangers: Budget,
    /// Passwords of one account, from one browser that did. Default: 10 in 15 minutes, which do not double: it is most likely
    /// the owner.
    pub password_known: Budget,
    /// Answers to second factors of one account, over all factors, challenges and logins, from browsers that never signed in to
    /// it. Doubles like that of passwords. Default: 10 in an hour: of six digits with three steps one in 5,000 first days of
    /// guessing finds one.
    pub second_factor_strangers: Budget,
    /// The same, from one browser that did. Default: 10 in 15 minutes.
    pub second_factor_known: Budget,
    /// Failures of one address (an IPv6 subscriber's /64) over all accounts, loopback aside. Default: 100 in 15 minutes, for the
    /// many people behind one address.
    pub address: Budget,
    /// The longest window that strangers come to wait for. Default: 24 hours, so that an owner without a known browser waits for
    /// a day at most.
    pub longest_wait: Duration,
    /// How long after a window of the strangers began and ended its doubling is remembered. Default: 24 hours.
    pub quiet: Duration,
    /// After so many failures in a row at one factor its owner is told, once until somebody gets it right, and once a day at
    /// most whatever is guessed. Default: 20, since nobody mistypes so often.
    pub told_after: u32,
    /// After so many failures in a row the factor is closed to strangers, until its owner signs in by a known browser or another
    /// factor, or an operator unlocks it; a known browser is then a stranger. What cannot be guessed, as a passkey, is never
    /// closed. Default: 100, the most that NIST SP 800-63B-4 §3.2.2 allows.
    pub closed_after: u32,
    /// How long failures are counted as one row, from the first of them. Default: 30 days, so that names which nobody has leave
    /// no counters for ever.
    pub row: Duration,
    /// How long between two messages to one account by one method, whoever asks for them. Default: 30 seconds.
    pub resend_after: Duration,
    /// Nothing is counted and nobody is stopped: for tests that guess. Default: no.
    pub off: bool,
}

impl Default for Limits {
    fn default() -> Self {
        const QUARTER: Duration = Duration::from_secs(15 * 60);
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            password_strangers: Budget::new(10, QUARTER),
            password_known: Budget::new(10, QUARTER),
            second_factor_strangers: Budget::new(10, Duration::from_secs(3_600)),
            second_factor_known: Budget::new(10, QUARTER),
            address: Budget::new(100, QUARTER),
            longest_wait: DAY,
            quiet: DAY,
            told_after: 20,
            closed_after: 100,
            row: Duration::from_secs(30 * 86_400),
            resend_after: Duration::from_secs(30),
            off: false,
        }
    }
}

impl Limits {
    /// No limits: for tests that guess. Guessing a six-digit code then takes minutes.
    #[must_use]
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }
}
