//! Twilio Verify, with codes of ours.

use std::fmt;
use std::sync::Arc;

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
        Ok(Self { account: Account::new(client, account, token)?, service: service.to_owned(), base, otherwise: None })
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
        let url = format!("{}/v2/Services/{}/Verifications", self.base, self.service);
        self.account.post(&url, &form).await.map(drop)
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
}

/// The code that a message is there for.
fn code_of(message: &Message) -> Option<&str> {
    let is_for_it = matches!(message.purpose(), Purpose::Code | Purpose::VerifyAddress);
    message.code_text().filter(|_| is_for_it)
}
