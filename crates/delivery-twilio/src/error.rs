//! Why Twilio took no message, and why it cannot be called.

use countersign_outbound::{FetchError, SendError};
use http::{Response, StatusCode};
use serde::Deserialize;

/// A mistake in how Twilio is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TwilioConfigError {
    /// Not the name of an account: `AC` and 32 hexadecimal digits.
    #[error("the account is AC and 32 hexadecimal digits")]
    Account,
    /// Not the name of a key: `SK` and 32 hexadecimal digits.
    #[error("the key is SK and 32 hexadecimal digits")]
    Key,
    /// Neither a number, a sender of letters, nor a messaging service.
    #[error("the sender is a number (+15005550006), 1 to 11 letters and digits, or a messaging service (MG…)")]
    From,
    /// Not the name of a Verify service: `VA` and 32 hexadecimal digits.
    #[error("the Verify service is VA and 32 hexadecimal digits")]
    Service,
    /// Not an absolute address without a query.
    #[error("the address must be https://HOST/… without a query, or http to a loopback address")]
    Address,
}

/// Why Twilio took no message. It says nothing that Twilio wrote but its number, since texts and phone numbers stand there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TwilioError {
    /// It said no.
    #[error("Twilio answered {status} with error {code:?} (www.twilio.com/docs/api/errors)")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Twilio's own number of the error.
        code: Option<u32>,
    },
    /// No answer came.
    #[error("Twilio cannot be reached")]
    Fetch(#[from] FetchError),
    /// The request cannot be written.
    #[error("the request cannot be written")]
    Request(#[source] http::Error),
    /// No sender was set.
    #[error("no sender is set: call .from(…)")]
    NoFrom,
    /// Mails are not sent here.
    #[error("this carries no message of this channel and purpose")]
    Channel,
}

#[derive(Deserialize)]
struct Problem {
    code: Option<u32>,
}

/// Numbers that nobody can be reached at, by Twilio's own numbers of errors: not a number, not a mobile one, unsubscribed, a country or
/// prefix that is closed.
const UNREACHABLE: [u32; 19] = [
    13_224, 13_225, 13_227, 21_211, 21_214, 21_215, 21_217, 21_219, 21_408, 21_601, 21_610, 21_612, 21_614, 60_200,
    60_205, 60_410, 60_605, 63_024, 21_635,
];

impl TwilioError {
    /// What an answer that is no success says.
    pub(crate) fn of(answer: &Response<bytes::Bytes>) -> Self {
        let code = serde_json::from_slice::<Problem>(answer.body()).ok().and_then(|problem| problem.code);
        Self::Refused { status: answer.status().as_u16(), code }
    }

    pub(crate) fn into_send_error(self) -> SendError {
        match &self {
            Self::Refused { code: Some(code), .. } if UNREACHABLE.contains(code) => SendError::Unreachable,
            Self::Refused { status, .. } => match StatusCode::from_u16(*status) {
                Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => SendError::Busy,
                Ok(status) if status.is_client_error() => SendError::rejected(self),
                _ => SendError::unavailable(self),
            },
            Self::Fetch(FetchError::NotSecure) | Self::Request(_) | Self::NoFrom | Self::Channel => {
                SendError::rejected(self)
            }
            Self::Fetch(_) => SendError::unavailable(self),
        }
    }
}
