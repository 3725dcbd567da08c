//! Who carries messages, started: a queue before each carrier, so that nobody learns from a delay whether a message went out.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::routing::post;
use countersign::outbound::{Channel, MessageSender, Queued};
use countersign::store::Store;
use countersign::twilio::{CallbackError, ReportsInStore, Twilio};
use countersign::{Clock, Events};
use http::StatusCode;
use tokio::task::JoinSet;

use crate::config::{Carrier, Delivery, Phones};
use crate::outbox::Outbox;
use crate::settings::SettingsError;

/// Where Twilio reports what became of messages, behind the issuer's origin.
const TWILIO_STATUS: &str = "/hooks/twilio";
/// A report is smaller than this.
const LARGEST_REPORT: usize = 16 * 1024;

/// The carriers, each behind its queue. A cheap clone.
#[derive(Debug, Clone)]
pub(crate) struct Carriers {
    email: Queued,
    sms: Queued,
    voice: Queued,
    /// Each queue once.
    queues: Vec<Queued>,
    reports: Option<Twilio>,
}

/// What queues share.
pub(crate) struct Around<'a> {
    pub(crate) origin: &'a str,
    pub(crate) events: Events,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where all nodes see what was reported.
    pub(crate) store: Arc<dyn Store>,
}

impl Carriers {
    /// Starts what the file names; without it everything ends in the outbox.
    pub(crate) fn start(delivery: &Delivery, outbox: &Outbox, around: &Around<'_>) -> Result<Self, SettingsError> {
        let mut queues = Vec::new();
        let mut queue = |sender: Arc<dyn MessageSender>| {
            let queue = Queued::around(sender).retries(delivery.retries);
            let queue = queue.events(around.events.clone()).clock(Arc::clone(&around.clock));
            let queue = delivery.waiting.into_iter().fold(queue, |queue, most| queue.waiting(most));
            let queue = delivery.at_once.into_iter().fold(queue, |queue, most| queue.at_once(most)).start();
            queues.push(queue.clone());
            queue
        };
        let outbox = queue(Arc::new(outbox.clone()));
        let mail = delivery.mail.clone().map(|mail| queue(Arc::new(mail)));
        let hook = delivery.hook.clone().map(|hook| queue(Arc::new(hook)));
        let mut reports = None;
        let twilio = match &delivery.twilio {
            Some(Phones { messages, verify, status_callback }) => {
                let mut messages = messages.clone().events(around.events.clone()).clock(Arc::clone(&around.clock));
                if *status_callback {
                    let address = format!("{}{TWILIO_STATUS}", around.origin);
                    messages = messages.status_callback(&address).map_err(SettingsError::StatusCallback)?;
                    messages = messages.seen_reports(ReportsInStore::new(Arc::clone(&around.store)));
                    reports = Some(messages.clone());
                }
                Some(match verify {
                    Some(verify) => queue(Arc::new(verify.clone().otherwise(messages))),
                    None => queue(Arc::new(messages)),
                })
            }
            None => None,
        };
        // A carrier that is named is there: the file was checked.
        let of = |carrier| match carrier {
            Carrier::Outbox => None,
            Carrier::Mail => mail.as_ref(),
            Carrier::Twilio => twilio.as_ref(),
            Carrier::Hook => hook.as_ref(),
        };
        let of = |carrier| of(carrier).unwrap_or(&outbox).clone();
        let (email, sms, voice) = (of(delivery.email), of(delivery.sms), of(delivery.voice));
        Ok(Self { email, sms, voice, queues, reports })
    }

    pub(crate) fn of(&self, channel: Channel) -> Queued {
        match channel {
            Channel::Sms => self.sms.clone(),
            Channel::Voice => self.voice.clone(),
            _ => self.email.clone(),
        }
    }

    /// Takes no more, and sends what is held, at most so long; the rest is lost, and told.
    pub(crate) async fn drain(&self, at_most: Duration) {
        let drain = |queue: Queued| async move { queue.drain(at_most).await };
        let draining: JoinSet<u32> = self.queues.iter().cloned().map(drain).collect();
        let lost: u32 = draining.join_all().await.into_iter().sum();
        if lost > 0 {
            tracing::warn!(lost, "messages were not sent in time");
        }
    }

    /// The route at which Twilio reports, where it does.
    pub(crate) fn routes(&self) -> Router {
        match &self.reports {
            Some(twilio) => Router::new().route(TWILIO_STATUS, post(report)).with_state(twilio.clone()),
            None => Router::new(),
        }
    }
}

async fn report(State(twilio): State<Twilio>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_REPORT).await else { return StatusCode::BAD_REQUEST };
    match twilio.status(&http::Request::from_parts(head, body)).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(CallbackError::Malformed) => StatusCode::BAD_REQUEST,
        Err(CallbackError::Seen(error)) => {
            tracing::warn!(%error, "a report of Twilio's was not heard");
            StatusCode::SERVICE_UNAVAILABLE
        }
        Err(_) => StatusCode::FORBIDDEN,
    }
}
