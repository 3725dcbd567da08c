//! Guessing: who may try how often (NIST SP 800-63B-4 §3.2.2).
//!
//! Every attempt is charged before anything is compared, and a success takes back its own charge and no more. A browser that
//! signed in to the account before has budgets of its own, so strangers who use theirs up cannot lock the owner out (promise 6).

use std::net::IpAddr;
use std::time::Duration;

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Charge, Charged, CounterKey, Store, StoreError};

use crate::keys::Keys;

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
    /// Passwords of one account, from all browsers that never signed in to it together. Default: 10 in 15 minutes.
    pub password_strangers: Budget,
    /// Passwords of one account, from one browser that did. Default: 10 in 15 minutes.
    pub password_known: Budget,
    /// Answers to second factors of one account, over all factors, challenges and logins, from browsers that never signed in to
    /// it. Default: 10 in an hour: of six digits with three steps one in 14,000 guesses a day is right.
    pub second_factor_strangers: Budget,
    /// The same, from one browser that did. Default: 10 in 15 minutes.
    pub second_factor_known: Budget,
    /// Failures of one address (an IPv6 subscriber's /64) over all accounts, loopback aside. Default: 100 in 15 minutes.
    pub address: Budget,
    /// Nothing is counted and nobody is stopped: for tests that guess. Default: no.
    pub off: bool,
}

impl Default for Limits {
    fn default() -> Self {
        const QUARTER: Duration = Duration::from_secs(15 * 60);
        Self {
            password_strangers: Budget::new(10, QUARTER),
            password_known: Budget::new(10, QUARTER),
            second_factor_strangers: Budget::new(10, Duration::from_secs(3_600)),
            second_factor_known: Budget::new(10, QUARTER),
            address: Budget::new(100, QUARTER),
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

/// What is guessed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guess {
    Password,
    SecondFactor,
}

impl Guess {
    /// What it is called in events.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondFactor => "second_factor",
        }
    }
}

/// Whose secret is guessed, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guesser {
    /// The subject's partition, or what stands for a name that nobody has.
    pub(crate) account: Id,
    /// The mark of a browser that signed in to the account before.
    pub(crate) known: Option<Id>,
    pub(crate) address: Option<IpAddr>,
}

/// An attempt that was let through and is paid for.
#[derive(Debug)]
#[must_use]
pub(crate) struct Paid(Vec<(Charge, Charged)>);

/// An attempt that was not let through.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) retry_after: Duration,
}

impl Limits {
    fn charges(&self, keys: &Keys, guess: Guess, guesser: &Guesser) -> Vec<Charge> {
        if self.off {
            return Vec::new();
        }
        let account = guesser.account.as_bytes();
        let (budget, counter) = match (guess, &guesser.known) {
            (Guess::Password, None) => (self.password_strangers, keys.counter(guess.label(), &[account])),
            (Guess::SecondFactor, None) => (self.second_factor_strangers, keys.counter(guess.label(), &[account])),
            (Guess::Password, Some(mark)) => {
                (self.password_known, keys.counter(guess.label(), &[account, mark.as_bytes()]))
            }
            (Guess::SecondFactor, Some(mark)) => {
                (self.second_factor_known, keys.counter(guess.label(), &[account, mark.as_bytes()]))
            }
        };
        let mut charges = vec![charge(counter, budget)];
        if let Some(address) = guesser.address.filter(|address| !address.to_canonical().is_loopback()) {
            charges.push(charge(keys.address_counter(address), self.address));
        }
        charges
    }

    /// Forgets what was counted of an account, by strangers and by these browsers.
    pub(crate) async fn unlock(
        &self,
        store: &dyn Store,
        keys: &Keys,
        account: Id,
        marks: &[Id],
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let callers = std::iter::once(None).chain(marks.iter().copied().map(Some));
        let both = callers.flat_map(|known| [(Guess::Password, known), (Guess::SecondFactor, known)]);
        let all = both.flat_map(|(guess, known)| self.charges(keys, guess, &Guesser { account, known, address: None }));
        let all: Vec<_> = all.map(|charge| Charge { add: i32::MIN, ..charge }).collect();
        if !all.is_empty() {
            store.charge(&all, now).await?;
        }
        Ok(())
    }

    /// Charges an attempt, before anything is compared.
    pub(crate) async fn charge(
        &self,
        store: &dyn Store,
        keys: &Keys,
        guess: Guess,
        guesser: &Guesser,
        now: UnixTime,
    ) -> Result<Result<Paid, Stopped>, StoreError> {
        let charges = self.charges(keys, guess, guesser);
        if charges.is_empty() {
            return Ok(Ok(Paid(Vec::new())));
        }
        let charged = store.charge(&charges, now).await?;
        let refused = charged.iter().filter(|charged| !charged.admitted).map(|charged| charged.resets_at).max();
        let admitted = charges.into_iter().zip(charged).filter(|(_, charged)| charged.admitted).collect();
        let paid = Paid(admitted);
        match refused {
            None => Ok(Ok(paid)),
            Some(resets_at) => {
                paid.refund(store, now).await?; // nothing is compared, so nothing is counted
                Ok(Err(Stopped { retry_after: resets_at.since(now).max(Duration::from_secs(1)) }))
            }
        }
    }
}

fn charge(counter: CounterKey, budget: Budget) -> Charge {
    Charge { counter, add: 1, limit: budget.attempts, window: budget.window }
}

impl Paid {
    /// Takes back this attempt's own charges: it was no failure. A counter that started anew meanwhile holds none of them.
    pub(crate) async fn refund(self, store: &dyn Store, now: UnixTime) -> Result<(), StoreError> {
        let running = self.0.into_iter().filter(|(_, charged)| charged.resets_at > now);
        let refunds: Vec<_> = running.map(|(charge, _)| Charge { add: -1, ..charge }).collect();
        if !refunds.is_empty() {
            store.charge(&refunds, now).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use countersign_storage_memory::MemoryStore;
    use countersign_storage_traits::MasterKey;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_000_000);

    fn stranger(address: Option<&str>) -> Guesser {
        Guesser { account: Id::from_bytes([1; 16]), known: None, address: address.map(|text| text.parse().unwrap()) }
    }

    struct Bench {
        store: MemoryStore,
        keys: Keys,
        limits: Limits,
    }

    impl Bench {
        fn new() -> Self {
            let keys = Keys::derive(&MasterKey::from_bytes([7; 32]), "https://a");
            Self { store: MemoryStore::new(), keys, limits: Limits::default() }
        }

        async fn guess(&self, guess: Guess, guesser: &Guesser, now: UnixTime) -> Result<Paid, Stopped> {
            self.limits.charge(&self.store, &self.keys, guess, guesser, now).await.unwrap()
        }
    }

    #[tokio::test]
    async fn promise_6_strangers_share_a_budget_and_a_known_browser_has_its_own() {
        let bench = Bench::new();
        for _ in 0..10 {
            assert!(bench.guess(Guess::Password, &stranger(None), NOW).await.is_ok());
        }
        let stopped = bench.guess(Guess::Password, &stranger(Some("192.0.2.1")), NOW).await.unwrap_err();
        assert_eq!(stopped.retry_after, Duration::from_secs(900));
        let owner = Guesser { known: Some(Id::from_bytes([9; 16])), ..stranger(None) };
        assert!(bench.guess(Guess::Password, &owner, NOW).await.is_ok());
        let later = NOW.plus(Duration::from_secs(900));
        assert!(bench.guess(Guess::Password, &stranger(None), later).await.is_ok());
    }

    #[tokio::test]
    async fn a_refused_attempt_costs_the_address_nothing() {
        let bench = Bench::new();
        let mut paid = Vec::new();
        for _ in 0..10 {
            paid.push(bench.guess(Guess::Password, &stranger(Some("192.0.2.1")), NOW).await.unwrap());
        }
        for _ in 0..200 {
            assert!(bench.guess(Guess::Password, &stranger(Some("192.0.2.1")), NOW).await.is_err());
        }
        let other = Guesser { account: Id::from_bytes([2; 16]), ..stranger(Some("192.0.2.1")) };
        assert!(bench.guess(Guess::Password, &other, NOW).await.is_ok());
    }

    #[tokio::test]
    async fn one_address_is_stopped_over_many_accounts_and_loopback_is_not() {
        let bench = Bench::new();
        for n in 0..100_u8 {
            let guesser = Guesser { account: Id::from_bytes([n; 16]), ..stranger(Some("192.0.2.1")) };
            assert!(bench.guess(Guess::Password, &guesser, NOW).await.is_ok());
            let local = Guesser { account: Id::from_bytes([n; 16]), ..stranger(Some("127.0.0.1")) };
            assert!(bench.guess(Guess::SecondFactor, &local, NOW).await.is_ok());
        }
        let next = |address| Guesser { account: Id::from_bytes([200; 16]), ..stranger(Some(address)) };
        assert!(bench.guess(Guess::Password, &next("192.0.2.1"), NOW).await.is_err());
        assert!(bench.guess(Guess::Password, &next("127.0.0.1"), NOW).await.is_ok());
        assert!(bench.guess(Guess::Password, &next("::ffff:127.0.0.1"), NOW).await.is_ok());
    }

    #[tokio::test]
    async fn a_success_takes_back_its_own_charge_and_no_other() {
        let bench = Bench::new();
        let failed = bench.guess(Guess::SecondFactor, &stranger(None), NOW).await.unwrap();
        drop(failed);
        let right = bench.guess(Guess::SecondFactor, &stranger(None), NOW).await.unwrap();
        right.refund(&bench.store, NOW).await.unwrap();
        for _ in 0..9 {
            assert!(bench.guess(Guess::SecondFactor, &stranger(None), NOW).await.is_ok());
        }
        assert!(bench.guess(Guess::SecondFactor, &stranger(None), NOW).await.is_err(), "the failure still counts");
    }

    #[tokio::test]
    async fn a_refund_after_the_window_takes_nothing_from_the_next() {
        let bench = Bench::new();
        let slow = bench.guess(Guess::Password, &stranger(None), NOW).await.unwrap();
        let later = NOW.plus(Duration::from_secs(901));
        for _ in 0..10 {
            assert!(bench.guess(Guess::Password, &stranger(None), later).await.is_ok());
        }
        slow.refund(&bench.store, later).await.unwrap();
        assert!(bench.guess(Guess::Password, &stranger(None), later).await.is_err());
    }

    #[tokio::test]
    async fn limits_can_be_off() {
        let bench = Bench { limits: Limits::off(), ..Bench::new() };
        for _ in 0..1_000 {
            assert!(bench.guess(Guess::Password, &stranger(Some("192.0.2.1")), NOW).await.is_ok());
        }
    }
}
