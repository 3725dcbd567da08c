//! Sends mails through any SMTP server.
//!
//! [`Smtp`] is a [`MessageSender`](countersign_outbound::MessageSender) for [`Channel::Email`](countersign_outbound::Channel): it
//! speaks TLS from the first byte (`smtps://`, RFC 8314) or demands STARTTLS (`smtp://`, RFC 3207), logs in if it is told to, and
//! hands over one mail to one recipient.
//!
//! ```
//! use countersign_delivery_smtp::Smtp;
//!
//! let mail = Smtp::new("smtps://mail.example.com", "Example <no-reply@example.com>")?.login("mailer", "the password");
//! # let _ = mail;
//! # Ok::<(), countersign_delivery_smtp::SmtpConfigError>(())
//! ```
//!
//! # What holds
//! - Nothing is sent in the clear, name and password least of all, except to a loopback address or by
//!   [`danger_plain`](Smtp::danger_plain). A server that does not offer STARTTLS, or whose certificate is not good, gets no mail.
//! - A message takes as long as the [time limit](Smtp::time_limit) at most, and no more go on at once than there may be
//!   [connections](Smtp::connections). A connection that was cut off in the middle of a message is never used again.
//! - No header and no command is made of what a user typed unless it is one mail address.
//! - Errors say which reply code the server gave and at which command. They quote neither mail nor recipient.
//!
//! # What this crate does not do
//! Retry: wrap it in `Queued` of `countersign-outbound`. Write texts: `countersign-mfa` does. Sign mails (DKIM) or hear of those that
//! come back: the server does.
//!
//! # Features
//! None for users; `services` is for its tests.
//!
//! # Where next
//! `EmailCodes` of `countersign-mfa`; `docs/operations.md` of the repository for what to watch.

mod address;
mod connections;
mod error;
mod letter;
mod smtp;

pub use error::{SmtpConfigError, SmtpError, SmtpStep};
pub use smtp::Smtp;
