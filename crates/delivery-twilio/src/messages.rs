//! Text messages and calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_events::Events;
use countersign_outbound::{Channel, Fetcher, Message, MessageSender, SendError};
use countersign_primitives::{Clock, SecretString, SystemClock};

use crate::account::{Account, address, is_sid};
use crate::status::{Seen, SeenReports};
use crate::{TwilioConfigError, TwilioError, twiml};

/// Twilio waits so long with a message at most.
const LONGEST_VALIDITY: Duration = Duration::from_secs(14_400);
/// So long a telephone rings, in seconds.
const RING: &str = "25";

/// Text messages and calls through Twilio. A cheap clone.
///
/// ```
/// use countersign_delivery_twilio::{Twilio, TwilioConfigError};
/// use countersign_outbound::Fetcher;
///
/// fn phone(client: impl Fetcher + 'static) -> Result<Twilio, TwilioConfigError> {
///     Twilio::new(client, "AC0123456789abcdef0123456789abcdef", "the auth token")?
///         .key("SK0123456789abcdef0123456789abcdef", "the key's secret")? // calls with a key in place of the token
///         .from("+15005550006")
/// }
/// ```
#[derive(Clone)]
pub struct Twilio {
    pub(crate) account: Account,
    from: Option<From>,
    base: String,
    pub(crate) callback: Option<String>,
    pub(crate) events: Events,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seen: Arc<dyn SeenReports>,
}

/// Who a message comes from.
#[derive(Debug, Clone)]
enum From {
    Number(String),
    /// Letters: for text messages alone, and not in every country.
    Letters(String),
    Service(String),
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio")
            .field("account", &self.account)
            .field("callback", &self.callback)
            .finish_non_exhaustive()
    }
}

impl Twilio {
    /// An account (`AC…`) and its auth token, over an HTTP client.
    ///
    /// # Errors
    /// [`TwilioConfigError::Account`] if it is no account's name.
    pub fn new(
        client: impl Fetcher + 'static,
        account: &str,
        token: impl Into<SecretString>,
    ) -> Result<Self, TwilioConfigError> {
        Ok(Self {
            account: Account::new(client, account, token)?,
            from: None,
            base: "https://api.twilio.com".to_owned(),
            callback: None,
            events: Events::none(),
            clock: Arc::new(SystemClock),
            seen: Arc::new(Seen::default()),
        })
    }

    /// Calls with a key (`SK…`) and its secret, which can be revoked alone. The auth token still checks callbacks.
    ///
    /// # Errors
    /// [`TwilioConfigError::Key`] if it is no key's name.
    pub fn key(mut self, key: &str, secret: impl Into<SecretString>) -> Result<Self, TwilioConfigError> {
        self.account = self.account.key(key, secret)?;
        Ok(self)
    }

    /// Who messages come from: a number of the account's (needed for calls), up to 11 letters and digits, or a messaging service.
    ///
    /// # Errors
    /// [`TwilioConfigError::From`] if it is none of them.
    pub fn from(mut self, sender: &str) -> Result<Self, TwilioConfigError> {
        let digits =
            |number: &str| (7..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        let letters = || {
            (1..=11).contains(&sender.len())
                && sender.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
                && sender.bytes().any(|byte| byte.is_ascii_alphabetic())
        };
        self.from = Some(match sender.strip_prefix('+') {
            Some(number) if digits(number) => From::Number(sender.to_owned()),
            None if is_sid("MG", sender) => From::Service(sender.to_owned()),
            None if letters() => From::Letters(sender.to_owned()),
            _ => return Err(TwilioConfigError::From),
        });
        Ok(self)
    }

    /// Where Twilio reports what became of a message: the public address of a route that gives requests to
    /// [`status`](Self::status). Signatures are checked against this address, never against what a request says of itself.
    ///
    /// # Errors
    /// [`TwilioConfigError::Address`] if it is none, or has a query.
    pub fn status_callback(mut self, public: &str) -> Result<Self, TwilioConfigError> {
        self.callback = Some(address(public)?);
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

    /// Where it is kept which reports came before. Default: in this process; several that share a callback share one in their store.
    #[must_use]
    pub fn seen_reports(mut self, seen: impl SeenReports + 'static) -> Self {
        self.seen = Arc::new(seen);
        self
    }

    /// Who hears of messages that did not arrive.
    #[must_use]
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    async fn deliver(&self, message: &Message) -> Result<(), TwilioError> {
        let callback = self.callback.as_ref().map(|address| match message.id() {
            Some(id) => format!("{address}?message={id}"),
            None => address.clone(),
        });
        let mut form: Vec<(&str, &str)> = vec![("To", message.to())];
        form.extend(callback.as_deref().map(|address| ("StatusCallback", address)));
        match message.channel() {
            Channel::Sms => self.text(message, form).await,
            Channel::Voice => self.call(message, form).await,
            _ => Err(TwilioError::Channel),
        }
    }

    async fn text(&self, message: &Message, mut form: Vec<(&str, &str)>) -> Result<(), TwilioError> {
        let from = self.from.as_ref().ok_or(TwilioError::NoFrom)?;
        form.push(match from {
            From::Number(sender) | From::Letters(sender) => ("From", sender),
            From::Service(sid) => ("MessagingServiceSid", sid),
        });
        form.push(("Body", message.text()));
        // In Twilio's queue no longer than it is of use.
        let left = message.expires_at().map(|end| end.since(self.clock.now()).min(LONGEST_VALIDITY).as_secs().max(1));
        let left = left.map(|seconds| seconds.to_string());
        form.extend(left.as_deref().map(|seconds| ("ValidityPeriod", seconds)));
        let url = format!("{}/2010-04-01/Accounts/{}/Messages.json", self.base, self.account.sid);
        self.account.post(&url, &form).await.map(drop)
    }

    async fn call(&self, message: &Message, mut form: Vec<(&str, &str)>) -> Result<(), TwilioError> {
        let Some(From::Number(number)) = &self.from else { return Err(TwilioError::NoFrom) };
        let said = twiml::say(message.text(), message.language());
        form.extend([("From", number.as_str()), ("Twiml", &said), ("Timeout", RING)]);
        let url = format!("{}/2010-04-01/Accounts/{}/Calls.json", self.base, self.account.sid);
        self.account.post(&url, &form).await.map(drop)
    }
}

#[async_trait]
impl MessageSender for Twilio {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        self.deliver(message).await.map_err(TwilioError::into_send_error)
    }
}
