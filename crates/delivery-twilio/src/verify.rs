//! Twilio Verify, with codes of ours.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use countersign_outbound::{Channel, Fetcher, Message, MessageSender, Purpose, SendError};
use countersign_primitives::SecretString;

use crate::account::{Account, address, is_sid};
use crate::{TwilioConfigError, TwilioError};

/// Codes through Twilio Verify: it chooses route and text, and watches for fraud; the code is ours, and so is the check.
///
/// The service must allow custom codes (Twilio's support switches that on). It carries codes alone
/// ([`Purpose::Code`], [`Purpose::VerifyAddress`]): give it a [`Twilio`](crate::Twilio) by [`otherwise`](Self::otherwise) for
/// notices.
///
/// ```
/// use countersign_delivery_twilio::{TwilioConfigError, TwilioVerify};
/// use countersign_outbound::Fetcher;
///
/// fn codes(client: impl Fetcher + 'static) -> Result<TwilioVerify, TwilioConfigError> {
///     let service = "VA0123456789abcdef0123456789abcdef";
///     TwilioVerify::new(client, "AC0123456789abcdef0123456789abcdef", "the auth token", service)
/// }
/// ```
#[derive(Clone)]
pub struct TwilioVerify {
    account: Account,
    service: String,
    base: String,
    otherwise: Option<Arc<dyn MessageSender>>,
    pending: Arc<Pending>,
}

/// The verifications that wait, by whom they are for. The oldest gives way; Twilio lets one expire within ten minutes anyway.
#[derive(Debug, Default)]
struct Pending(Mutex<VecDeque<(String, String)>>);

impl Pending {
    const MOST: usize = 4_096;

    fn put(&self, to: &str, sid: String) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.push_back((to.to_owned(), sid));
        if pending.len() > Self::MOST {
            pending.pop_front();
        }
    }

    /// The newest for a number or address, which waits no longer.
    fn take(&self, to: &str) -> Option<String> {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = pending.iter().rposition(|(waits, _)| waits == to)?;
        pending.remove(at).map(|(_, sid)| sid)
    }
}

impl fmt::Debug for TwilioVerify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioVerify")
            .field("account", &self.account)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl TwilioVerify {
    /// A Verify service (`VA…`) of an account (`AC…`), over an HTTP client.
    ///
    /// # Errors
    /// [`TwilioConfigError`] names what is none.
    pub fn new(
        client: impl Fetcher + 'static,
        account: &str,
        token: impl Into<SecretString>,
        service: &str,
    ) -> Result<Self, TwilioConfigError> {
        is_sid("VA", service).then_some(()).ok_or(TwilioConfigError::Service)?;
        let base = "https://verify.twilio.com".to_owned();
        Ok(Self {
            account: Account::new(client, account, token)?,
            service: service.to_owned(),
            base,
            otherwise: None,
            pending: Arc::default(),
        })
    }

    /// Calls with a key (`SK…`) and its secret, which can be revoked alone.
    ///
    /// # Errors
    /// [`TwilioConfigError::Key`] if it is no key's name.
    pub fn key(mut self, key: &str, secret: impl Into<SecretString>) -> Result<Self, TwilioConfigError> {
        self.account = self.account.key(key, secret)?;
        Ok(self)
    }

    /// Another address of the API, such as a region's.
    ///
    /// # Errors
    /// [`TwilioConfigError::Address`] if it is none.
    pub fn base_url(mut self, base: &str) -> Result<Self, TwilioConfigError> {
        self.base = address(base)?;
        Ok(self)
    }

    /// Who carries what is no code: notices, above all. Without one they are refused.
    #[must_use]
    pub fn otherwise(mut self, sender: impl MessageSender + 'static) -> Self {
        self.otherwise = Some(Arc::new(sender));
        self
    }

    async fn deliver(&self, message: &Message) -> Result<(), TwilioError> {
        let channel = match message.channel() {
            Channel::Sms => "sms",
            Channel::Voice => "call",
            Channel::Email => "email",
            _ => return Err(TwilioError::Channel),
        };
        let code = code_of(message).ok_or(TwilioError::Channel)?;
        let mut form = vec![("To", message.to()), ("Channel", channel), ("CustomCode", code)];
        form.extend(message.language().map(|tag| ("Locale", tag)));
        // One code at a time: Twilio takes no other one while a verification waits.
        if let Some(earlier) = self.pending.take(message.to()) {
            self.settle(&earlier, "canceled").await.ok(); // it may be over, and is void for us either way
        }
        let url = format!("{}/v2/Services/{}/Verifications", self.base, self.service);
        let answer = self.account.post(&url, &form).await?;
        if let Some(sid) = sid_of(answer.body()) {
            self.pending.put(message.to(), sid);
        }
        Ok(())
    }

    /// Tells what came of a verification, by its name or by whom it is for.
    async fn settle(&self, which: &str, status: &str) -> Result<(), TwilioError> {
        let which: String = form_urlencoded::byte_serialize(which.as_bytes()).collect();
        let url = format!("{}/v2/Services/{}/Verifications/{which}", self.base, self.service);
        self.account.post(&url, &[("Status", status)]).await.map(drop)
    }
}

#[async_trait]
impl MessageSender for TwilioVerify {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        match &self.otherwise {
            Some(other) if code_of(message).is_none() => other.send(message).await,
            _ => self.deliver(message).await.map_err(TwilioError::into_send_error),
        }
    }

    /// Verify watches its routes by it. A code that another process sent is named by whom it was for.
    async fn entered(&self, _: Channel, to: &str) -> Result<(), SendError> {
        let which = self.pending.take(to).unwrap_or_else(|| to.to_owned());
        self.settle(&which, "approved").await.map_err(TwilioError::into_send_error)
    }
}

/// The name of the verification that Twilio made.
fn sid_of(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Made {
        sid: String,
    }
    let made: Made = serde_json::from_slice(body).ok()?;
    is_sid("VE", &made.sid).then_some(made.sid)
}

/// The code that a message is there for.
fn code_of(message: &Message) -> Option<&str> {
    let is_for_it = matches!(message.purpose(), Purpose::Code | Purpose::VerifyAddress);
    message.code_text().filter(|_| is_for_it)
}
