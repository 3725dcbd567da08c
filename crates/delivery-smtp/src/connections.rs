//! Connections to one server: how one is opened, and how many there are.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_primitives::SecretString;
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use tokio::sync::Semaphore;

use crate::address::ServerAddress;
use crate::{SmtpError, SmtpStep};

/// How long a connection may wait for the next mail; servers close idle ones after minutes.
const IDLE: Duration = Duration::from_secs(30);

/// How a server is spoken to.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) server: ServerAddress,
    pub(crate) hello: ClientId,
    pub(crate) login: Option<(String, Arc<SecretString>)>,
    /// None: in the clear.
    pub(crate) tls: Option<TlsParameters>,
}

/// The open connections. At most so many mails go on at once.
pub(crate) struct Connections {
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
    slots: Semaphore,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("free", &self.slots.available_permits()).finish_non_exhaustive()
    }
}

impl Connections {
    pub(crate) fn new(most: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), slots: Semaphore::new(most) }
    }

    /// Hands one mail over. Dropped in the middle it closes its connection: what was half said there must not be continued with
    /// another mail.
    pub(crate) async fn deliver(
        &self,
        route: &Route,
        from: &Address,
        to: &Address,
        mail: &[u8],
    ) -> Result<(), SmtpError> {
        let _slot = self.slots.acquire().await.map_err(|_| SmtpError::Full)?;
        let mut connection = match self.waiting().await {
            Some(connection) => connection,
            None => route.open().await?,
        };
        hand_over(&mut connection, from, to, mail).await?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((connection, Instant::now()));
        Ok(())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.slots.available_permits() == 0
    }

    /// A connection that was used before and still answers.
    async fn waiting(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() < IDLE && connection.test_connected().await {
                return Some(connection);
            }
        }
    }
}

impl Route {
    async fn open(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let hello = |error| SmtpError::at(SmtpStep::Hello, &error);
        let server = (self.server.host.as_str(), self.server.port);
        let wrapped = self.tls.clone().filter(|_| self.server.wrapped);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, wrapped, None).await.map_err(hello)?;
        if let Some(tls) = self.tls.clone().filter(|_| !connection.is_encrypted()) {
            if connection.can_starttls() {
                let failed = |error| SmtpError::at(SmtpStep::StartTls, &error);
                connection.starttls(tls, &self.hello).await.map_err(failed)?;
            } else if !self.server.is_loopback() {
                return Err(SmtpError::NoStartTls);
            }
        }
        if let Some((user, password)) = &self.login {
            log_in(&mut connection, Credentials::new(user.clone(), password.expose().to_owned())).await?;
        }
        Ok(connection)
    }
}

async fn log_in(connection: &mut AsyncSmtpConnection, credentials: Credentials) -> Result<(), SmtpError> {
    let mechanisms = [Mechanism::Plain, Mechanism::Login];
    if connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
        return Err(SmtpError::NoLogin);
    }
    let answer = connection.auth(&mechanisms, &credentials).await;
    let answer = answer.map_err(|error| SmtpError::at(SmtpStep::Login, &error))?;
    // RFC 4954 §4: nothing else says yes. A reply smuggled in before TLS began would be another.
    answer.has_code(235).then_some(()).ok_or(SmtpError::Protocol(SmtpStep::Login))
}

/// MAIL, RCPT, DATA and the mail itself, each answered before the next (RFC 5321 §3.3).
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    from: &Address,
    to: &Address,
    mail: &[u8],
) -> Result<(), SmtpError> {
    let at = |step| move |error| SmtpError::at(step, &error);
    let wide = [from, to].iter().any(|address| !address.to_string().is_ascii());
    if wide && !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
        return Err(SmtpError::Refused { step: SmtpStep::Recipient, code: 553 }); // RFC 6531 §3.5
    }
    let parameters = if wide { vec![MailParameter::SmtpUtfEight] } else { Vec::new() };
    connection.command(Mail::new(Some(from.clone()), parameters)).await.map_err(at(SmtpStep::Sender))?;
    connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(at(SmtpStep::Recipient))?;
    let go_on = connection.command(Data).await.map_err(at(SmtpStep::Data))?;
    if !go_on.has_code(354) {
        return Err(SmtpError::Protocol(SmtpStep::Data));
    }
    connection.message(mail).await.map_err(at(SmtpStep::Data))?;
    Ok(())
}
