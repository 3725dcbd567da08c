//! How long a key lives.

use std::time::Duration;

use super::KeyRingError;

/// How long a node of ours may hold an older ring.
const NODE_REFRESH: Duration = Duration::from_secs(60);
/// How far clocks may differ.
pub(super) const SKEW: Duration = Duration::from_secs(60);

/// The times of a key's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationPolicy {
    /// How long a key signs. 90 days: long enough not to trouble caches, short enough that rotation is practised.
    pub every: Duration,
    /// How long a key is published before it signs. 24 hours, since some verifiers cache a set for a day whatever its
    /// `max-age` says; at least [`RotationPolicy::MIN_PUBLISH_AHEAD`].
    pub publish_ahead: Duration,
    /// The longest lifetime of a token that the key signs; it stays published that long after its last signature.
    pub longest_token: Duration,
    /// How long the public half is known after the last signature, for ID token hints: a session's absolute limit.
    pub remember: Duration,
}

impl RotationPolicy {
    /// How long the published set is cached by others: its `max-age`.
    pub const JWKS_MAX_AGE: Duration = Duration::from_secs(5 * 60);

    /// The least [`RotationPolicy::publish_ahead`]: the age of a cached set, the refresh of a node, and the skew of clocks.
    pub const MIN_PUBLISH_AHEAD: Duration =
        Duration::from_secs(Self::JWKS_MAX_AGE.as_secs() + NODE_REFRESH.as_secs() + SKEW.as_secs());

    /// Whether keys can live by it.
    ///
    /// # Errors
    /// [`KeyRingError::PublishAhead`].
    pub fn check(&self) -> Result<(), KeyRingError> {
        if self.publish_ahead < Self::MIN_PUBLISH_AHEAD { Err(KeyRingError::PublishAhead) } else { Ok(()) }
    }

    /// A node that has not heard of the rotation signs a little longer, hence the slack.
    pub(super) fn published_after(&self) -> Duration {
        self.longest_token.saturating_add(NODE_REFRESH).saturating_add(SKEW)
    }

    pub(super) fn known_after(&self) -> Duration {
        self.published_after().max(self.remember.saturating_add(NODE_REFRESH).saturating_add(SKEW))
    }
}

impl Default for RotationPolicy {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { every: DAY * 90, publish_ahead: DAY, longest_token: Duration::from_secs(60 * 60), remember: DAY * 14 }
    }
}
