//! The budgets of strangers: rungs, each with twice the wait of the one below it.
//!
//! Every rung is a counter of its own. It is used up by so many attempts, and the next one opens when the rung's window, which
//! began with its first attempt, is over. A rung that is not used up keeps what is left of it for the whole quiet time, so that
//! an attacker who stops one short of the limit gains nothing. After a quiet time the ladder begins at its foot again.

use std::time::Duration;

use countersign_primitives::UnixTime;
use countersign_storage_traits::{Charge, Charged, CounterKey};

use super::Budget;

#[derive(Debug, Clone, Copy)]
pub(super) struct Ladder {
    pub(super) foot: Budget,
    pub(super) longest: Duration,
    pub(super) quiet: Duration,
}

impl Ladder {
    /// So many rungs there are: those that double, and two of the longest window, which take turns. A window of a
    /// millisecond doubles 27 times to a day.
    pub(super) fn rungs(&self) -> u32 {
        let doubling = (0..40).take_while(|rung| self.window(*rung) < self.longest).count();
        u32::try_from(doubling).unwrap_or(40) + 2
    }

    /// From the first attempt on a rung until the next rung opens.
    pub(super) fn window(&self, rung: u32) -> Duration {
        let longest = self.longest.max(self.foot.window);
        self.foot.window.saturating_mul(1_u32.checked_shl(rung).unwrap_or(u32::MAX)).min(longest)
    }

    fn lifetime(&self, rung: u32) -> Duration {
        self.window(rung).saturating_add(self.quiet)
    }

    /// An attempt on a rung.
    pub(super) fn attempt(&self, counter: CounterKey, rung: u32) -> Charge {
        Charge { counter, add: 1, limit: self.foot.attempts, window: self.lifetime(rung) }
    }

    /// The rung that the next attempt is made on; or when it may be made.
    ///
    /// # Errors
    /// When the rung that was reached is used up and the next is not open yet.
    pub(super) fn reached(&self, rungs: &[Charged], now: UnixTime) -> Result<u32, UnixTime> {
        let begun = rungs.iter().zip(0..self.rungs()).filter(|(rung, _)| rung.count > 0);
        let Some((rung, at)) = begun.max_by_key(|(rung, at)| self.began(rung, *at)) else { return Ok(0) };
        if rung.count < self.foot.attempts {
            return Ok(at);
        }
        let opens = self.began(rung, at).plus(self.window(at));
        let next = if at + 1 < self.rungs() { at + 1 } else { at - 1 };
        if now < opens { Err(opens) } else { Ok(next) }
    }

    fn began(&self, rung: &Charged, at: u32) -> UnixTime {
        rung.resets_at.minus(self.lifetime(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: Duration = Duration::from_secs(900);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_wait_doubles_up_to_a_day() {
        let ladder = Ladder { foot: Budget::new(10, QUARTER), longest: DAY, quiet: DAY };
        let minutes: Vec<_> = (0..ladder.rungs()).map(|rung| ladder.window(rung).as_secs() / 60).collect();
        assert_eq!(minutes, [15, 30, 60, 120, 240, 480, 960, 1_440, 1_440]);
    }

    #[test]
    fn a_window_that_is_longer_than_the_longest_does_not_shrink_and_a_short_one_does_not_overflow() {
        let long = Ladder { foot: Budget::new(3, DAY * 7), longest: DAY, quiet: DAY };
        assert_eq!((long.rungs(), long.window(0), long.window(1)), (2, DAY * 7, DAY * 7));
        let short =
            Ladder { foot: Budget::new(3, Duration::from_nanos(1)), longest: Duration::MAX, quiet: Duration::MAX };
        assert_eq!(short.rungs(), 42);
        assert!(short.window(41) >= short.window(30));
        let now = UnixTime::from_secs(1_000);
        let full = Charged { admitted: true, count: 3, resets_at: UnixTime::MAX };
        let rungs = vec![full; 42];
        let _ = short.reached(&rungs, now);
    }
}
