//! What became of a message: Twilio's status callbacks.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign_events::{Event, EventKind};
use countersign_primitives::{BoxError, Id};
use http::{Method, Request};
use ring::digest::{SHA256, digest};
use ring::hmac;

use crate::Twilio;

/// A callback has some thirty parameters.
const MOST_PARAMETERS: usize = 100;
const LARGEST_BODY: usize = 16 * 1024;
/// So many reports are remembered; each comes again within minutes, if at all.
const REMEMBERED: usize = 4_096;

/// What became of a message or call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// On its way.
    Underway,
    /// It arrived, or somebody took the call.
    Delivered,
    /// It did not arrive; Twilio's own number of the error, where it says one.
    Lost(Option<u32>),
}

/// What a callback says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusReport {
    /// The name that the message was given ([`Message::id`](countersign_outbound::Message::id)).
    pub message: Option<Id>,
    /// What became of it.
    pub status: Status,
    /// The same was reported before; nothing was told again.
    pub repeated: bool,
}

/// Why a callback does not count. Answer 403, or 400 where it is malformed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// No address for callbacks was configured, so no signature can be checked.
    #[error("no address for callbacks is configured: call .status_callback(…)")]
    NotConfigured,
    /// Not a form that Twilio posts.
    #[error("the callback is no form of Twilio's")]
    Malformed,
    /// The signature is missing or wrong: it does not come from Twilio, or not to this address.
    #[error("the callback is not signed by Twilio")]
    Signature,
    /// It cannot be told whether it came before. Answer 503, and Twilio may try again.
    #[error("what came before cannot be read")]
    Seen(#[source] BoxError),
}

/// Which reports came before. A report may reach any process of a service, so several share one that lives in their store.
#[async_trait]
pub trait SeenReports: Send + Sync + fmt::Debug {
    /// Whether a report of this hash (SHA-256) comes for the first time. From now on it is known, for some hours at least.
    ///
    /// # Errors
    /// Any error means that the report is not heard now.
    async fn is_new(&self, report: [u8; 32]) -> Result<bool, BoxError>;
}

/// Reports that came before to this process, by their hash. The oldest gives way.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Reports>);

/// Which there are, and in which order they came.
#[derive(Debug, Default)]
struct Reports {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

#[async_trait]
impl SeenReports for Seen {
    async fn is_new(&self, report: [u8; 32]) -> Result<bool, BoxError> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.known.insert(report) {
            return Ok(false);
        }
        seen.order.push_back(report);
        if seen.order.len() > REMEMBERED
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.known.remove(&oldest);
        }
        Ok(true)
    }
}

impl Twilio {
    /// Reads a callback: checks that Twilio signed it (`X-Twilio-Signature`), and tells of a message that did not arrive, once. The route
    /// answers 204 to a report.
    ///
    /// # Errors
    /// [`CallbackError`] when it does not count; nothing was told then.
    ///
    /// ```
    /// # use countersign_delivery_twilio::{CallbackError, Twilio};
    /// # use http::{Request, StatusCode};
    /// async fn callback(twilio: &Twilio, request: &Request<bytes::Bytes>) -> StatusCode {
    ///     match twilio.status(request).await {
    ///         Ok(_) => StatusCode::NO_CONTENT,
    ///         Err(CallbackError::Malformed) => StatusCode::BAD_REQUEST,
    ///         Err(_) => StatusCode::FORBIDDEN,
    ///     }
    /// }
    /// ```
    pub async fn status(&self, request: &Request<Bytes>) -> Result<StatusReport, CallbackError> {
        let callback = self.callback.as_deref().ok_or(CallbackError::NotConfigured)?;
        if request.method() != Method::POST || request.body().len() > LARGEST_BODY {
            return Err(CallbackError::Malformed);
        }
        let query = request.uri().query();
        let url = query.map_or_else(|| callback.to_owned(), |query| format!("{callback}?{query}"));
        let parameters: Vec<_> = form_urlencoded::parse(request.body()).take(MOST_PARAMETERS + 1).collect();
        if parameters.len() > MOST_PARAMETERS {
            return Err(CallbackError::Malformed);
        }
        let mut signatures = request.headers().get_all("x-twilio-signature").iter();
        let signature = signatures.next().filter(|_| signatures.next().is_none()).ok_or(CallbackError::Signature)?;
        let signature = STANDARD.decode(signature.as_bytes()).map_err(|_| CallbackError::Signature)?;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.account.token.expose().as_bytes());
        let signed = signed(&url, &parameters);
        hmac::verify(&key, signed.as_bytes(), &signature).map_err(|_| CallbackError::Signature)?;
        let of = |name: &str| parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_ref());
        if of("AccountSid") != Some(&*self.account.sid) {
            return Err(CallbackError::Signature);
        }
        let state = of("MessageStatus").or_else(|| of("CallStatus")).ok_or(CallbackError::Malformed)?;
        let status = status_of(state, of("ErrorCode").and_then(|code| code.parse().ok()));
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let message = query.into_iter().find(|(name, _)| name == "message").and_then(|(_, id)| id.parse().ok());
        let what = of("MessageSid").or_else(|| of("CallSid")).unwrap_or_default();
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, format!("{what} {state}").as_bytes()).as_ref());
        let report =
            StatusReport { message, status, repeated: !self.seen.is_new(hash).await.map_err(CallbackError::Seen)? };
        self.tell(&report, if of("CallSid").is_some() { "voice" } else { "sms" });
        Ok(report)
    }

    fn tell(&self, report: &StatusReport, channel: &'static str) {
        if report.repeated || !matches!(report.status, Status::Lost(_)) {
            return;
        }
        let event = Event::new(EventKind::MessageLost, self.clock.now());
        let event = event.with_method(channel).with_cause("message.undelivered", "");
        self.events.record(&report.message.into_iter().fold(event, Event::with_message));
    }
}

/// What Twilio signs: the address that it called, and every parameter, name and value, in the order of the names.
pub(crate) fn signed<N: AsRef<str>, V: AsRef<str>>(url: &str, parameters: &[(N, V)]) -> String {
    let mut sorted: Vec<_> = parameters.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    sorted.sort_unstable();
    sorted.dedup(); // as Twilio's own libraries do with one that stands twice
    sorted.into_iter().fold(url.to_owned(), |text, (name, value)| text + name + value)
}

fn status_of(state: &str, error: Option<u32>) -> Status {
    match state {
        "delivered" | "read" | "completed" => Status::Delivered,
        "failed" | "undelivered" | "canceled" | "busy" | "no-answer" => Status::Lost(error),
        _ => Status::Underway,
    }
}
