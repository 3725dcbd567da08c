//! Trying again: what it waits for, and when it gives up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_primitives::{Clock, SystemClock};

use crate::{Channel, Message, MessageSender, SendError};

/// How often a message is tried, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How often at most. Default: 4.
    pub attempts: u32,
    /// How long to wait after the first attempt; each further wait is twice as long. Default: 1 s.
    pub wait: Duration,
    /// The longest wait. Default: 30 s.
    pub longest_wait: Duration,
    /// How long one attempt may take. Default: 15 s.
    pub attempt: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 4,
            wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
            attempt: Duration::from_secs(15),
        }
    }
}

/// A message is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message has expired")]
pub(crate) struct Expired;

/// An attempt took longer than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the attempt took too long")]
struct TooSlow;

impl Retries {
    fn wait_after(&self, attempt: u32) -> Duration {
        self.wait.saturating_mul(1 << (attempt - 1).min(16)).min(self.longest_wait)
    }

    /// Tries until it is taken, or trying again does not help. `turn` is awaited before each attempt and held during it.
    pub(crate) async fn run<T, F: Future<Output = T>>(
        &self,
        sender: &dyn MessageSender,
        message: &Message,
        clock: &dyn Clock,
        turn: impl Fn() -> F,
    ) -> Result<(), SendError> {
        let mut attempt = 1;
        loop {
            let turn = turn().await;
            if message.expires_at().is_some_and(|end| end <= clock.now()) {
                return Err(SendError::rejected(Expired));
            }
            let sent = tokio::time::timeout(self.attempt, sender.send(message)).await;
            drop(turn);
            match sent.unwrap_or_else(|_| Err(SendError::unavailable(TooSlow))) {
                Err(error) if error.is_transient() && attempt < self.attempts => {
                    let wait = self.wait_after(attempt);
                    if message.expires_at().is_some_and(|end| end <= clock.now().plus(wait)) {
                        return Err(error); // it would come too late
                    }
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                }
                settled => return settled,
            }
        }
    }
}

/// A sender that tries again while its caller waits: for jobs that no user waits for. Where one does, take
/// [`Queued`](crate::Queued).
///
/// Only what may pass is tried again ([`SendError::is_transient`]), and nothing after it has expired. What is tried again may arrive
/// twice, if the first answer was lost.
///
/// ```
/// use countersign_outbound::{MessageSender, Retries, Retrying};
///
/// fn reliable(gateway: impl MessageSender + 'static) -> Retrying {
///     Retrying::new(gateway).retries(Retries { attempts: 3, ..Retries::default() })
/// }
/// ```
#[derive(Clone)]
pub struct Retrying {
    sender: Arc<dyn MessageSender>,
    retries: Retries,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying").field("sender", &self.sender).field("retries", &self.retries).finish_non_exhaustive()
    }
}

impl Retrying {
    /// A sender that is tried again.
    pub fn new(sender: impl MessageSender + 'static) -> Self {
        Self { sender: Arc::new(sender), retries: Retries::default(), clock: Arc::new(SystemClock) }
    }

    /// How often, and for how long.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// Where the time comes from by which messages expire.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

#[async_trait]
impl MessageSender for Retrying {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        self.retries.run(&*self.sender, message, &*self.clock, || std::future::ready(())).await
    }

    async fn entered(&self, channel: Channel, to: &str) -> Result<(), SendError> {
        self.sender.entered(channel, to).await
    }
}
