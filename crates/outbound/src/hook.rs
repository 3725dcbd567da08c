//! Messages to an address of the host's, as signed JSON: for whatever carries them there.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign_primitives::{Clock, Id, Random as _, SecretString, SystemClock, SystemRandom};
use http::{Method, Request, StatusCode, Uri, header};
use ring::hmac;
use serde::Serialize;

use crate::fetch::is_private;
use crate::{Channel, FetchError, Fetcher, Message, MessageSender, Purpose, SendError};

/// Hands each message to an address of the host's: a `POST` of JSON, signed as [Standard Webhooks] has it, so that receivers verify
/// it with a library.
///
/// ```text
/// POST /messages
/// content-type: application/json
/// webhook-id: 7p2v…                       the message's name; the same one again is the same message
/// webhook-timestamp: 1700000000           refuse what is older than some minutes
/// webhook-signature: v1,K5oZ…             HMAC-SHA256 over ID.TIMESTAMP.BODY
///
/// {"id":"7p2v…","channel":"sms","purpose":"code","to":"+4915112345678","text":"747723 is your …","code":"747723",
///  "language":"en","expires_at":1700000300}
/// ```
///
/// It answers 2xx when it has taken the message, 422 when nobody can be reached there, 429 or 503 to be asked again later. Any other
/// 4xx is final.
///
/// [Standard Webhooks]: https://www.standardwebhooks.com
///
/// ```
/// use countersign_outbound::{Fetcher, HookError, HttpHook};
///
/// fn messages(client: impl Fetcher + 'static) -> Result<HttpHook, HookError> {
///     HttpHook::new(client, "https://gateway.example.com/messages", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
/// }
/// ```
#[derive(Clone)]
pub struct HttpHook {
    fetcher: Arc<dyn Fetcher>,
    to: Uri,
    key: hmac::Key,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for HttpHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpHook").field("host", &self.to.host()).finish_non_exhaustive()
    }
}

/// Why a hook cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// Codes are told to nobody on the way.
    #[error("the hook's address must be https, or http to a loopback address")]
    Address,
    /// A key that can be guessed signs nothing.
    #[error("the hook's secret must be whsec_ and 24 to 64 bytes in base64")]
    Secret,
}

/// What is posted.
#[derive(Serialize)]
struct Posted<'a> {
    id: Id,
    channel: Channel,
    purpose: Purpose,
    to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

/// The answer's status says that the message will not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hook answered {0}")]
struct Answered(u16);

impl HttpHook {
    /// A hook at this address, whose receiver knows the secret (`whsec_` and base64).
    ///
    /// # Errors
    /// [`HookError`] names what cannot be used.
    pub fn new(fetcher: impl Fetcher + 'static, to: &str, secret: impl Into<SecretString>) -> Result<Self, HookError> {
        let to: Uri = to.parse().ok().filter(is_private).ok_or(HookError::Address)?;
        let secret = secret.into();
        let key = secret.expose().strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
        let key = key.filter(|key| (24..=64).contains(&key.len())).ok_or(HookError::Secret)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Ok(Self { fetcher: Arc::new(fetcher), to, key, clock: Arc::new(SystemClock) })
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn request(&self, message: &Message) -> Result<Request<Bytes>, SendError> {
        let id = match message.id() {
            Some(id) => id,
            None => {
                let mut id = [0; 16];
                SystemRandom.fill(&mut id).map_err(SendError::unavailable)?;
                Id::from_bytes(id)
            }
        };
        let body = serde_json::to_vec(&Posted {
            id,
            channel: message.channel(),
            purpose: message.purpose(),
            to: message.to(),
            subject: message.subject(),
            text: message.text(),
            code: message.code_text(),
            language: message.language(),
            expires_at: message.expires_at().map(|time| time.as_secs()),
        });
        let body = body.map_err(SendError::rejected)?;
        let time = self.clock.now().as_secs();
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(&body);
        let signature = format!("v1,{}", STANDARD.encode(mac.sign().as_ref()));
        Request::builder()
            .method(Method::POST)
            .uri(self.to.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id.to_string())
            .header("webhook-timestamp", time)
            .header("webhook-signature", signature)
            .body(body.into())
            .map_err(SendError::rejected)
    }
}

#[async_trait]
impl MessageSender for HttpHook {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let answer = match self.fetcher.fetch(self.request(message)?).await {
            Ok(answer) => answer.status(),
            Err(error @ FetchError::NotSecure) => return Err(SendError::rejected(error)),
            Err(error) => return Err(SendError::unavailable(error)),
        };
        match answer {
            status if status.is_success() => Ok(()),
            StatusCode::UNPROCESSABLE_ENTITY => Err(SendError::Unreachable),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Err(SendError::Busy),
            status if status.is_client_error() => Err(SendError::rejected(Answered(status.as_u16()))),
            status => Err(SendError::unavailable(Answered(status.as_u16()))),
        }
    }
}
