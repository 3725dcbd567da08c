//! Why a mail was not taken, and why a server cannot be addressed.

use std::fmt;

use countersign_outbound::SendError;
use lettre::transport::smtp::Error;

/// A mistake in how a server is addressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpConfigError {
    /// Neither `smtps://HOST` nor `smtp://HOST`, with or without a port.
    #[error("the address of the server must be smtps://HOST or smtp://HOST, perhaps with :PORT, and nothing else")]
    Url,
    /// A name or password stands in the address.
    #[error("take name and password out of the server's address and call .login(…): addresses end up in logs")]
    Userinfo,
    /// The sender is no mail address.
    #[error("the sender must be a mail address, alone or as Name <address>")]
    From(#[source] lettre::address::AddressError),
    /// What should be trusted is no certificate in PEM.
    #[error("the certificate to trust is none in PEM")]
    Certificate,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] Error),
}

/// At which step of a delivery a server said no (RFC 5321 §4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmtpStep {
    /// Its greeting, or EHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Login,
    /// MAIL FROM: it does not like the sender.
    Sender,
    /// RCPT TO: it does not like the recipient.
    Recipient,
    /// DATA, or what follows it.
    Data,
}

impl fmt::Display for SmtpStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
        })
    }
}

/// Why a mail was not taken. It says nothing that the server wrote, since that may quote the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpError {
    /// The server cannot be reached, or hung up.
    #[error("the mail server cannot be reached ({0})")]
    Connection(SmtpStep),
    /// It took longer than it may.
    #[error("the mail server is too slow")]
    Timeout,
    /// As many mails as may be are on their way, and none arrived in time.
    #[error("too many mails are on their way at once")]
    Full,
    /// No TLS came about: the certificate is not good, or the server does not speak it.
    #[error("the mail server has no TLS that can be trusted")]
    Tls,
    /// The server does not offer STARTTLS.
    #[error("the mail server does not offer STARTTLS: use smtps://, or another port")]
    NoStartTls,
    /// The server offers no way to log in that we have.
    #[error("the mail server offers neither AUTH PLAIN nor AUTH LOGIN")]
    NoLogin,
    /// It said no.
    #[error("the mail server answered {code} to {step}")]
    Refused {
        /// To what.
        step: SmtpStep,
        /// Its reply code (RFC 5321 §4.2).
        code: u16,
    },
    /// What it said makes no sense.
    #[error("the mail server's answer to {0} makes no sense")]
    Protocol(SmtpStep),
    /// The mail has a subject or an address that cannot stand in a header.
    #[error("the mail cannot be written")]
    Content,
    /// Only mails are sent here.
    #[error("this sends mails alone")]
    Channel,
}

impl SmtpError {
    pub(crate) fn at(step: SmtpStep, error: &Error) -> Self {
        match error.status() {
            Some(code) => Self::Refused { step, code: code.into() },
            None if error.is_tls() || is_tls_alert(error) => Self::Tls,
            None if error.is_response() || error.is_client() => Self::Protocol(step),
            None => Self::Connection(step),
        }
    }

    /// What the engine is told (RFC 5321 §4.2.1): 4yz may pass, 5yz will not.
    pub(crate) fn into_send_error(self) -> SendError {
        match self {
            Self::Refused { step: SmtpStep::Recipient, code: 550 | 551 | 553 | 556 } => SendError::Unreachable,
            Self::Refused { step: SmtpStep::Recipient, code: 552 } => SendError::Busy, // a full box, which may be emptied
            Self::Refused { code: 400..=499, .. } | Self::Full => SendError::Busy,
            Self::Refused { .. } | Self::NoLogin | Self::NoStartTls | Self::Content | Self::Channel => {
                SendError::rejected(self)
            }
            Self::Connection(_) | Self::Timeout | Self::Tls | Self::Protocol(_) => SendError::unavailable(self),
        }
    }
}

/// A handshake that fails is an input that makes no sense, wherever it was read.
fn is_tls_alert(error: &Error) -> bool {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let mut io = sources.filter_map(|error| error.downcast_ref::<std::io::Error>());
    io.any(|error| error.kind() == std::io::ErrorKind::InvalidData && error.get_ref().is_some())
}
