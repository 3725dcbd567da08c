//! Messages that are sent in the background.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_events::{Event, EventKind, Events};
use countersign_primitives::{Clock, SystemClock};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use crate::retry::Expired;
use crate::{Channel, Message, MessageSender, Retries, SendError};

/// A sender that takes a message at once and sends it in the background, trying again where that may help.
///
/// Whoever asks for a message neither waits for a gateway nor learns from a delay whether one went out: an account that exists and
/// one that does not look and cost the same (promise 6). In return the caller does not hear that nobody can be reached: what
/// was taken and does not arrive is an event, `message.lost`, with the cause.
///
/// At most [`waiting`](Queue::waiting) messages are held; more are refused as [`SendError::Busy`]. What is held lives in memory: before
/// the process ends, call [`drain`](Queued::drain).
///
/// ```
/// use std::time::Duration;
/// use countersign_outbound::{MessageSender, Queued};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # use countersign_outbound::{Message, SendError};
/// # #[derive(Debug)]
/// # struct Gateway;
/// # #[async_trait::async_trait]
/// # impl MessageSender for Gateway {
/// #     async fn send(&self, _: &Message) -> Result<(), SendError> { Ok(()) }
/// # }
/// let messages = Queued::around(Gateway).waiting(500).start();
/// // … MfaBuilder::sender(Channel::Sms, messages.clone()) …
/// assert_eq!(messages.drain(Duration::from_secs(5)).await, 0); // at shutdown
/// # }
/// ```
#[derive(Clone)]
pub struct Queued(Arc<Inner>);

/// A [`Queued`] that is being set up.
pub struct Queue {
    sender: Arc<dyn MessageSender>,
    retries: Retries,
    waiting: u32,
    at_once: usize,
    events: Events,
    clock: Arc<dyn Clock>,
}

struct Inner {
    sender: Arc<dyn MessageSender>,
    retries: Retries,
    waiting: u32,
    /// One permit a message, from when it is taken until it is settled.
    room: Arc<Semaphore>,
    /// One permit an attempt.
    going: Semaphore,
    stopping: watch::Sender<bool>,
    events: Events,
    clock: Arc<dyn Clock>,
    runtime: Handle,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("sender", &self.sender).finish_non_exhaustive()
    }
}

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.held();
        f.debug_struct("Queued").field("sender", &self.0.sender).field("held", &held).finish_non_exhaustive()
    }
}

impl Queue {
    /// How often a message is tried, and for how long.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// How many messages are held at most, those under way included. Default: 1,000.
    #[must_use]
    pub fn waiting(mut self, most: u32) -> Self {
        self.waiting = most.clamp(1, 1_000_000);
        self
    }

    /// How many are handed over at once. Default: 8.
    #[must_use]
    pub fn at_once(mut self, most: usize) -> Self {
        self.at_once = most.clamp(1, 1_024);
        self
    }

    /// Who hears of messages that are lost.
    #[must_use]
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Where the time comes from by which messages expire.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Begins, on the runtime of tokio that this is called on.
    ///
    /// # Panics
    /// Off a runtime of tokio.
    #[must_use]
    pub fn start(self) -> Queued {
        Queued(Arc::new(Inner {
            sender: self.sender,
            retries: self.retries,
            waiting: self.waiting,
            room: Arc::new(Semaphore::new(self.waiting as usize)),
            going: Semaphore::new(self.at_once),
            stopping: watch::Sender::new(false),
            events: self.events,
            clock: self.clock,
            runtime: Handle::current(),
        }))
    }
}

impl Queued {
    /// Sets up a queue before a sender.
    pub fn around(sender: impl MessageSender + 'static) -> Queue {
        Queue {
            sender: Arc::new(sender),
            retries: Retries::default(),
            waiting: 1_000,
            at_once: 8,
            events: Events::none(),
            clock: Arc::new(SystemClock),
        }
    }

    /// How many messages are held.
    #[must_use]
    pub fn held(&self) -> u32 {
        let free = u32::try_from(self.0.room.available_permits()).unwrap_or(u32::MAX);
        self.0.waiting.saturating_sub(free)
    }

    /// Takes no more, and waits until what is held has been sent, at most so long; the rest is lost, each with its event. Answers how many
    /// were lost for want of time.
    pub async fn drain(&self, at_most: Duration) -> u32 {
        let all = Arc::clone(&self.0.room).acquire_many_owned(self.0.waiting);
        // Whoever asks for a permit after this one waits behind it, and nobody who sends waits for one.
        match tokio::time::timeout(at_most, all).await {
            Ok(permits) => {
                self.0.room.close();
                drop(permits);
                0
            }
            Err(_) => {
                let lost = self.held();
                self.0.room.close();
                self.0.stopping.send_replace(true);
                lost
            }
        }
    }
}

#[async_trait]
impl MessageSender for Queued {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let Ok(place) = Arc::clone(&self.0.room).try_acquire_owned() else { return Err(SendError::Busy) };
        let held = Held { message: message.duplicate(), queue: Arc::clone(&self.0), settled: false };
        self.0.runtime.spawn(async move {
            held.carry().await;
            drop(place);
        });
        Ok(())
    }

    /// In the background too, once: it is worth no second try.
    async fn entered(&self, channel: Channel, to: &str) -> Result<(), SendError> {
        let Ok(place) = Arc::clone(&self.0.room).try_acquire_owned() else { return Err(SendError::Busy) };
        let (queue, to) = (Arc::clone(&self.0), to.to_owned());
        self.0.runtime.spawn(async move {
            if let Err(error) = queue.sender.entered(channel, &to).await {
                tracing::warn!(channel = channel.as_str(), %error, "a service was not told that its code was entered");
            }
            drop(place);
        });
        Ok(())
    }
}

/// A message that was taken. Dropped before it is settled, it is lost, and that is told: a sender that panics and a runtime that ends
/// lose nothing in silence.
struct Held {
    message: Message,
    queue: Arc<Inner>,
    settled: bool,
}

impl Held {
    async fn carry(mut self) {
        let queue = Arc::clone(&self.queue);
        let mut stopping = queue.stopping.subscribe();
        let sent = queue.retries.run(&*queue.sender, &self.message, &*queue.clock, || queue.going.acquire());
        let sent = tokio::select! {
            biased;
            sent = sent => sent,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        self.settled = true;
        if let Err(error) = sent {
            let expired = error.source().is_some_and(|source| source.is::<Expired>());
            // No error quotes a message, so operators may read all of it.
            let why = error.source().map(tracing::field::display);
            tracing::warn!(channel = self.message.channel().as_str(), %error, why, "a message is lost");
            self.tell_lost(if expired { "message.expired" } else { error.id() });
        }
    }

    fn tell_lost(&self, cause: &'static str) {
        let event = Event::new(EventKind::MessageLost, self.queue.clock.now());
        let event = event.with_method(self.message.channel().as_str()).with_cause(cause, "");
        self.queue.events.record(&match self.message.id() {
            Some(id) => event.with_message(id),
            None => event,
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.settled {
            self.tell_lost("message.dropped");
        }
    }
}
