//! The events of the last while, numbered, so that an operator can ask why somebody was refused.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use countersign::Event;
use countersign::oauth::Cause;
use serde_json::{Value, json};

/// The most events that are kept; the oldest go first.
const KEPT: usize = 1000;

/// A bounded list of events. A cheap clone.
#[derive(Debug, Clone)]
pub(crate) struct RecentEvents(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    /// The number of the first event of the list, or of the next event if it is empty.
    first: u64,
    events: VecDeque<Value>,
}

impl RecentEvents {
    /// An empty list. Numbers begin with the microsecond of the start: whoever read up to a number of an earlier start goes on.
    pub(crate) fn new(start: SystemTime) -> Self {
        let since = start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = u64::try_from(since.as_micros()).unwrap_or_default();
        Self(Arc::new(Mutex::new(Kept { first, events: VecDeque::with_capacity(KEPT) })))
    }

    pub(crate) fn add(&self, event: &Event) {
        let mut shown = serde_json::to_value(event).unwrap_or_default();
        if let Some(cause) = event.cause().and_then(Cause::by_id) {
            shown["why"] = cause.explanation().into();
        }
        let mut kept = self.kept();
        if kept.events.len() == KEPT {
            kept.events.pop_front();
            kept.first += 1;
        }
        kept.events.push_back(shown);
    }

    /// The events after a number, the oldest first and so many at most. `last` is what to ask after next time; `missed` says
    /// whether others came before these and are kept no more.
    pub(super) fn after(&self, number: u64, most: usize) -> Value {
        let kept = self.kept();
        let next = number.saturating_add(1);
        let skipped = next.saturating_sub(kept.first);
        let numbered = (kept.first..).zip(&kept.events).skip(usize::try_from(skipped).unwrap_or(KEPT));
        let events: Vec<Value> = numbered
            .take(most)
            .map(|(number, event)| {
                let mut event = event.clone();
                event["number"] = number.into();
                event
            })
            .collect();
        let last = events.last().map_or(number, |event| event["number"].as_u64().unwrap_or(number));
        json!({ "missed": number > 0 && next < kept.first, "last": last, "events": events })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
