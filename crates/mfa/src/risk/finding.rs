//! What a signal is, and what it finds.

use async_trait::async_trait;
use countersign_primitives::BoxError;

use super::RiskSituation;

/// One thing that may speak against a login. A host adds its own by [`RiskPolicy::signal`](super::RiskPolicy::signal).
///
/// It is asked once a login, when it is known who signs in. It must answer in time: the login waits for it, and no clock here stops it.
///
/// ```
/// use async_trait::async_trait;
/// use countersign_mfa::risk::{Finding, RiskPolicy, RiskSignal, RiskSituation};
/// use countersign_primitives::BoxError;
///
/// /// People on leave do not sign in.
/// struct OnLeave;
///
/// #[async_trait]
/// impl RiskSignal for OnLeave {
///     fn name(&self) -> &str {
///         "on_leave"
///     }
///     fn weight(&self) -> u8 {
///         40
///     }
///     async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
///         let on_leave = at.account().is_some_and(|account| account.groups().iter().any(|group| group == "on-leave"));
///         Ok(if on_leave { Finding::risk("the user is on leave") } else { Finding::nothing("the user is at work") })
///     }
/// }
///
/// let risk = RiskPolicy::new().signal(OnLeave);
/// # let _ = risk;
/// ```
#[async_trait]
pub trait RiskSignal: Send + Sync {
    /// The stable name, in reports, events and weights: lower-case letters and `_`.
    fn name(&self) -> &str;

    /// What it counts at most, 0 to 100; more is 100. [`RiskPolicy::weight`](super::RiskPolicy::weight) gives it another.
    fn weight(&self) -> u8;

    /// What it finds.
    ///
    /// # Errors
    /// Any error means that it cannot be told: the signal then counts in full, and confidence is not high (promise 14).
    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError>;
}

/// What a signal found: how much of its weight counts, and why, for an operator to read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Finding {
    pub(super) percent: u8,
    pub(super) why: String,
}

impl Finding {
    /// Nothing speaks against the login.
    pub fn nothing(why: impl Into<String>) -> Self {
        Self::share(0, why)
    }

    /// It speaks against the login, with its whole weight.
    pub fn risk(why: impl Into<String>) -> Self {
        Self::share(100, why)
    }

    /// It speaks against the login with this percentage of its weight; more than 100 is 100.
    pub fn share(percent: u8, why: impl Into<String>) -> Self {
        Self { percent: percent.min(100), why: why.into() }
    }

    /// The share of a weight, rounded up: a finding of something never counts for nothing.
    pub(super) fn points(&self, weight: u8) -> u8 {
        let points = (u32::from(weight) * u32::from(self.percent)).div_ceil(100);
        u8::try_from(points).unwrap_or(u8::MAX)
    }
}
