//! How far the clock of a device is from ours (RFC 6238 §6).

use serde::{Deserialize, Serialize};

/// How far the clock of a device is from ours, in steps, as its codes have shown (RFC 6238 §6). Kept with the device; each code
/// that was accepted teaches it.
///
/// It moves by one step at most, and only when two codes in a row were off to the same side: a single one may have been typed
/// late. It never gets further than the caller allows, so a device whose clock stands still is not followed for ever.
///
/// ```
/// use countersign_mfa_otp::Drift;
///
/// let drift = Drift::NONE.learn(1_001, 1_000, 4); // a code of the step after ours
/// assert_eq!(drift.steps(), 0);
/// let drift = drift.learn(2_001, 2_000, 4); // and once more
/// assert_eq!(drift.steps(), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Drift {
    steps: i32,
    /// To which side the last code was off: -1, 0 or 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    lean: i8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(lean: &i8) -> bool {
    *lean == 0
}

impl Drift {
    /// A clock that runs as ours does, as far as is known.
    pub const NONE: Self = Self { steps: 0, lean: 0 };
    /// The most steps that are ever followed, whatever a caller allows: ten minutes of 30-second steps.
    pub const MOST: u8 = 20;

    /// A clock that was shown to be this many steps ahead of ours (behind it, if negative), and `most` at most.
    #[must_use]
    pub fn of(steps: i64, most: u8) -> Self {
        let most = i64::from(most.min(Self::MOST));
        Self { steps: i32::try_from(steps.clamp(-most, most)).unwrap_or_default(), lean: 0 }
    }

    /// How many steps the device is ahead of us; negative, if it is behind.
    #[must_use]
    pub const fn steps(self) -> i32 {
        self.steps
    }

    /// The same within `most` steps either side: what a stricter setting leaves of it.
    #[must_use]
    pub fn within(self, most: u8) -> Self {
        let steps = Self::of(self.steps.into(), most).steps;
        if steps == self.steps { self } else { Self { steps, lean: 0 } }
    }

    /// What a code teaches that was accepted for step `matched` while `here` was ours.
    #[must_use]
    pub fn learn(self, matched: u64, here: u64, most: u8) -> Self {
        let expected = here.saturating_add_signed(self.steps.into());
        let side = match matched.cmp(&expected) {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => 1,
        };
        if side == 0 || side != self.lean {
            return Self { lean: side, ..self };
        }
        Self::of(i64::from(self.steps).saturating_add(side.into()), most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc6238_6_a_code_that_was_typed_late_once_moves_nothing() {
        let once = Drift::NONE.learn(999, 1_000, 4);
        assert_eq!(once.steps(), 0);
        assert_eq!(once.learn(2_000, 2_000, 4), Drift::NONE, "the next one was in time");
        assert_eq!(once.learn(2_001, 2_000, 4).steps(), 0, "off to the other side");
    }

    #[test]
    fn rfc6238_6_drift_ends_at_the_bound() {
        let far = (0..100).fold(Drift::NONE, |drift, _| {
            let here = 1_000_u64;
            drift.learn(here.saturating_add_signed(i64::from(drift.steps()) + 1), here, 4)
        });
        assert_eq!(far.steps(), 4);
        assert_eq!(far.within(2).steps(), 2);
        assert_eq!(Drift::of(i64::MIN, 255).steps(), -20);
    }

    #[test]
    fn what_is_stored_stays_readable() {
        let json = serde_json::to_string(&Drift { steps: -2, lean: 1 }).unwrap();
        assert_eq!(json, r#"{"steps":-2,"lean":1}"#);
        assert_eq!(serde_json::from_str::<Drift>(r#"{"steps":-2}"#).unwrap(), Drift { steps: -2, lean: 0 });
        assert_eq!(serde_json::to_string(&Drift::NONE).unwrap(), r#"{"steps":0}"#);
    }

    proptest! {
        #[test]
        fn rfc6238_6_drift_moves_by_one_step_and_never_past_the_bound(
            codes in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..64), most: u8,
        ) {
            let mut drift = Drift::NONE;
            for (matched, here) in codes {
                let next = drift.learn(matched, here, most);
                prop_assert!(next.steps().abs_diff(drift.steps()) <= 1);
                prop_assert!(next.steps().unsigned_abs() <= u32::from(most.min(Drift::MOST)));
                drift = next;
            }
        }
    }
}
