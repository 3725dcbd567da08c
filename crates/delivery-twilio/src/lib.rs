//! Sends text messages and makes calls through [Twilio](https://www.twilio.com).
//!
//! [`Twilio`] is a [`MessageSender`](countersign_outbound::MessageSender) for text messages and calls, over any
//! [`Fetcher`](countersign_outbound::Fetcher). [`TwilioVerify`] sends the same codes through Twilio Verify, which brings routes, texts
//! and fraud protection of its own.
//!
//! ```
//! use countersign_delivery_twilio::{Twilio, TwilioConfigError};
//! use countersign_outbound::Fetcher;
//!
//! fn phone(client: impl Fetcher + 'static) -> Result<Twilio, TwilioConfigError> {
//!     Twilio::new(client, "AC0123456789abcdef0123456789abcdef", "the auth token")?
//!         .from("+15005550006")?
//!         .status_callback("https://id.example.com/hooks/twilio")
//! }
//! ```
//!
//! # What became of a message
//! Twilio takes a message before anybody has got it. Mount a route at the callback's address and give each request to
//! [`Twilio::status`]: it checks the signature, and tells of what did not arrive as an event, `message.lost`, under the name that the
//! message has ([`Message::id`](countersign_outbound::Message::id)).
//!
//! # What holds
//! - The account's secrets go to Twilio alone, by HTTPS, in a header. No error and no event quotes them, a text or a number.
//! - A callback counts only with Twilio's signature over the configured address and every parameter, compared in constant time; the same
//!   one again tells nothing again.
//! - What a call reads out is text: nothing in it is markup.
//!
//! # What this crate does not do
//! Retry: wrap it in `Queued` of `countersign-outbound`; Twilio's `Messages` and `Calls` have no key against doing it twice, so a lost
//! answer may cost a second message. Budgets: `countersign-mfa` has them.
//!
//! # Features
//! None.
//!
//! # Where next
//! `SmsCodes` and `VoiceCodes` of `countersign-mfa`; `docs/operations.md` of the repository for what to watch.

mod account;
mod error;
mod messages;
mod status;
#[cfg(test)]
mod tests;
mod twiml;
mod verify;

pub use error::{TwilioConfigError, TwilioError};
pub use messages::Twilio;
pub use status::{CallbackError, SeenReports, Status, StatusReport};
pub use verify::TwilioVerify;
