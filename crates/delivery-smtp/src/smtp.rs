//! A mail server as a sender of messages.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_outbound::{Channel, Message, MessageSender, SendError};
use countersign_primitives::SecretString;
use lettre::message::Mailbox;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use crate::address::ServerAddress;
use crate::connections::{Connections, Route};
use crate::letter::Letter;
use crate::{SmtpConfigError, SmtpError};

/// How long a mail may take: a user waits.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// How many mails go on at once.
const CONNECTIONS: usize = 8;

/// Sends mails through an SMTP server. A cheap clone; clones share their connections.
///
/// ```
/// use std::time::Duration;
/// use countersign_delivery_smtp::Smtp;
///
/// let mail = Smtp::new("smtp://mail.example.com:587", "no-reply@example.com")? // STARTTLS, or nothing is sent
///     .login("mailer", "the password")
///     .connections(4)
///     .time_limit(Duration::from_secs(5));
/// assert!(!format!("{mail:?}").contains("the password"));
/// # Ok::<(), countersign_delivery_smtp::SmtpConfigError>(())
/// ```
#[derive(Clone)]
pub struct Smtp {
    from: Mailbox,
    route: Route,
    trusted: Vec<Certificate>,
    time_limit: Duration,
    most: usize,
    connections: Arc<Connections>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp")
            .field("server", &self.route.server)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl Smtp {
    /// A server by its address, and the sender of every mail, alone or as `Name <address>`. `smtps://HOST` speaks TLS from the
    /// first byte (port 465), `smtp://HOST` begins it by STARTTLS (port 587) and sends nothing without; to a loopback address
    /// it sends in the clear where STARTTLS is not offered. Certificates are checked against Mozilla's authorities.
    ///
    /// # Errors
    /// [`SmtpConfigError`] names what cannot be used.
    pub fn new(server: &str, from: &str) -> Result<Self, SmtpConfigError> {
        let server = ServerAddress::parse(server)?;
        let from: Mailbox = from.parse().map_err(SmtpConfigError::From)?;
        let tls = TlsParameters::builder(server.host.clone()).build_rustls().map_err(SmtpConfigError::Tls)?;
        let hello = ClientId::Domain(from.email.domain().to_owned());
        let route = Route { server, hello, login: None, tls: Some(tls) };
        let (trusted, most) = (Vec::new(), CONNECTIONS);
        Ok(Self { from, route, trusted, time_limit: TIME_LIMIT, most, connections: Arc::new(Connections::new(most)) })
    }

    /// Logs in (RFC 4954, PLAIN or LOGIN).
    #[must_use]
    pub fn login(mut self, user: impl Into<String>, password: impl Into<SecretString>) -> Self {
        self.route.login = Some((user.into(), Arc::new(password.into())));
        self.fresh()
    }

    /// Trusts this authority (PEM) beside Mozilla's: a company's own.
    ///
    /// # Errors
    /// [`SmtpConfigError::Certificate`] if it is none.
    pub fn trust(mut self, pem: &[u8]) -> Result<Self, SmtpConfigError> {
        let begin = b"-----BEGIN CERTIFICATE-----";
        let one = pem.windows(begin.len()).any(|part| part == begin).then(|| Certificate::from_pem(pem).ok()).flatten();
        self.trusted.push(one.ok_or(SmtpConfigError::Certificate)?);
        let mut tls = TlsParameters::builder(self.route.server.host.clone());
        for certificate in &self.trusted {
            tls = tls.add_root_certificate(certificate.clone());
        }
        self.route.tls = Some(tls.build_rustls().map_err(SmtpConfigError::Tls)?);
        Ok(self.fresh())
    }

    /// How long a mail may take, with connecting and logging in. Default: 10 s, since a user waits.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// How many mails go on at once; others wait for their turn within their time. At least 1. Default: 8.
    #[must_use]
    pub fn connections(mut self, most: usize) -> Self {
        self.most = most.clamp(1, 1_024);
        self.fresh()
    }

    /// The name that we greet the server with (RFC 5321 §4.1.1.1). Default: the domain of the sender.
    #[must_use]
    pub fn hello(mut self, name: impl Into<String>) -> Self {
        self.route.hello = ClientId::Domain(name.into().chars().filter(char::is_ascii_graphic).collect());
        self.fresh()
    }

    /// Sends in the clear over `smtp://`, name and password too. Everybody on the way can read every code and every link to a new
    /// password, and use them: only for a network that nobody else is on.
    #[must_use]
    pub fn danger_plain(mut self) -> Self {
        if !self.route.server.wrapped {
            self.route.tls = None;
        }
        self.fresh()
    }

    /// What was opened under another setting is used no more.
    fn fresh(mut self) -> Self {
        self.connections = Arc::new(Connections::new(self.most));
        self
    }

    async fn deliver(&self, message: &Message) -> Result<(), SendError> {
        if message.channel() != Channel::Email {
            return Err(SmtpError::Channel.into_send_error());
        }
        let letter = Letter::write(&self.from, message).map_err(SmtpError::into_send_error)?;
        let letter = letter.ok_or(SendError::Unreachable)?;
        let delivery = self.connections.deliver(&self.route, &self.from.email, &letter.to, &letter.bytes);
        match tokio::time::timeout(self.time_limit, delivery).await {
            Ok(done) => done.map_err(SmtpError::into_send_error),
            Err(_) if self.connections.is_full() => Err(SmtpError::Full.into_send_error()),
            Err(_) => Err(SmtpError::Timeout.into_send_error()),
        }
    }
}

#[async_trait]
impl MessageSender for Smtp {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        self.deliver(message).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        let made = |server: &str, from: &str| Smtp::new(server, from).map(drop);
        assert!(made("smtps://mail.example.com", "Example <no-reply@example.com>").is_ok());
        assert!(matches!(made("mail.example.com", "a@example.com"), Err(SmtpConfigError::Url)));
        assert!(matches!(made("smtps://a", "Example"), Err(SmtpConfigError::From(_))));
        assert!(matches!(made("smtps://a", "a@b\r\nBcc: c@d"), Err(SmtpConfigError::From(_))));
        let smtp = Smtp::new("smtps://a", "a@example.com").unwrap();
        assert!(matches!(smtp.trust(b"nonsense").map(drop), Err(SmtpConfigError::Certificate)));
    }

    #[test]
    fn promise_4_debug_output_shows_no_password() {
        let smtp = Smtp::new("smtps://mail.example.com", "a@example.com").unwrap().login("mailer", "hunter2");
        assert!(!format!("{smtp:?}").contains("hunter2"));
    }
}
