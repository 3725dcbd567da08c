//! Push messages to devices, and who carries them.

use std::fmt;

use async_trait::async_trait;
use countersign_primitives::{Id, UnixTime};

use crate::SendError;

/// A nudge on its way to a device: something waits for it.
///
/// It carries no secret and says nothing of who signs in where: whoever carries it learns that a device is nudged, and no more.
/// The device asks the server what it is about, and proves by its key that it may know.
#[derive(Clone, PartialEq, Eq)]
pub struct PushMessage {
    to: String,
    challenge: Id,
    expires_at: UnixTime,
}

impl PushMessage {
    /// A nudge to a device at this address, about this challenge.
    #[must_use]
    pub fn new(to: impl Into<String>, challenge: Id, expires_at: UnixTime) -> Self {
        Self { to: to.into(), challenge, expires_at }
    }

    /// Where the device is reached: what it said when it was registered, such as a token of its push service.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// What the device asks the server about. Random, and worth nothing without the device's key.
    #[must_use]
    pub fn challenge(&self) -> Id {
        self.challenge
    }

    /// After this it is of no use, and need not be delivered.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

impl fmt::Debug for PushMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushMessage")
            .field("challenge", &self.challenge)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Carries nudges to devices: Firebase, APNs, a socket of the host's own. Answers within seconds: a user waits.
///
/// ```
/// use async_trait::async_trait;
/// use countersign_outbound::{PushMessage, PushSender, SendError};
///
/// #[derive(Debug)]
/// struct Printer; // a sender for trying things out
///
/// #[async_trait]
/// impl PushSender for Printer {
///     async fn send(&self, push: &PushMessage) -> Result<(), SendError> {
///         println!("{}: ask about {}", push.to(), push.challenge());
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait PushSender: Send + Sync + fmt::Debug {
    /// Hands a nudge on. `Ok` says that whoever carries it has taken it, not that it has arrived.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::Unreachable`] when the device is gone for good.
    async fn send(&self, push: &PushMessage) -> Result<(), SendError>;
}

#[async_trait]
impl<S: PushSender + ?Sized> PushSender for std::sync::Arc<S> {
    async fn send(&self, push: &PushMessage) -> Result<(), SendError> {
        (**self).send(push).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promise_4_debug_output_shows_no_address_of_a_device() {
        let push = PushMessage::new("token-of-a-phone", Id::from_bytes([1; 16]), UnixTime::from_secs(1));
        assert!(!format!("{push:?}").contains("token"));
    }
}
