//! An account as its owner looks after it, in Rust: what the rooms of `/account` do, and a host's own pages.

use countersign_oauth_core::{Connection, Refusal, Server, SessionInfo};
use countersign_primitives::{SessionId, Subject};

use crate::account_events::By;
use crate::authenticators::AuthenticatorsError;
use crate::oauth::reply::refusal;
use crate::{
    AccountEvent, AccountEventKind, AuthenticatorId, AuthenticatorInfo, Caller, DeviceId, DeviceInfo, Mfa, Notice,
};

/// What users look after themselves: factors, remembered devices, sessions, applications, and what happened of late. What it does needs no
/// proof, so it is for code that has made sure who is asking; the owner is told of each change, and sees it among the events.
///
/// ```
/// use countersign_mfa::Mfa;
/// use countersign_mfa::oauth::Account;
/// use countersign_oauth_core::{Refusal, Server};
///
/// # async fn example(server: Server, mfa: Mfa) -> Result<(), Refusal> {
/// let account = Account::of(&server, &mfa, "u-1");
/// for session in account.sessions().await? {
///     println!("{:?} since {:?}", session.browser, session.began_at);
/// }
/// account.end_other_sessions(None).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Account {
    server: Server,
    mfa: Mfa,
    subject: Subject,
    by: By,
}

impl Account {
    /// The account of somebody.
    #[must_use]
    pub fn of(server: &Server, mfa: &Mfa, subject: impl Into<Subject>) -> Self {
        Self { server: server.clone(), mfa: mfa.clone(), subject: subject.into(), by: By::HOST }
    }

    /// Who is asking, for the events that the owner sees.
    #[must_use]
    pub fn by(mut self, caller: &Caller) -> Self {
        self.by = By::from(caller);
        self
    }

    /// The factors, and recovery codes as one of them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn factors(&self) -> Result<Vec<AuthenticatorInfo>, AuthenticatorsError> {
        self.mfa.authenticators().list(&self.subject).await
    }

    /// Gives a factor a name, or takes it away, and says whether it was there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rename_factor(&self, id: &AuthenticatorId, label: Option<&str>) -> Result<bool, AuthenticatorsError> {
        self.mfa.authenticators().by(self.by.clone()).rename(&self.subject, id, label).await
    }

    /// Removes a factor, and says whether it was there. Sessions and grants that may rest on it end with it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_factor(&self, id: &AuthenticatorId) -> Result<bool, AuthenticatorsError> {
        self.mfa.authenticators().by(self.by.clone()).remove(&self.subject, id).await
    }

    /// The remembered devices.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>, Refusal> {
        self.mfa.remembered_devices().list(&self.subject).await.map_err(refusal)
    }

    /// Forgets a device, and says whether it was there.
    ///
    /// # Errors
    /// When the store fails; call again.
    pub async fn forget_device(&self, id: DeviceId) -> Result<bool, Refusal> {
        let there =
            self.mfa.remembered_devices().by(self.by.clone()).forget(&self.subject, id).await.map_err(refusal)?;
        if there {
            self.tell(Notice::DeviceForgotten).await;
        }
        Ok(there)
    }

    /// Forgets all devices.
    ///
    /// # Errors
    /// When the store fails; call again.
    pub async fn forget_devices(&self) -> Result<(), Refusal> {
        let devices = self.mfa.remembered_devices().by(self.by.clone());
        if devices.forget_any(&self.subject).await.map_err(refusal)? {
            self.tell(Notice::DeviceForgotten).await;
        }
        Ok(())
    }

    /// Where the owner is signed in.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, Refusal> {
        self.server.sessions_of(&self.subject).await
    }

    /// Ends a session, and says whether it was there.
    ///
    /// # Errors
    /// When the store fails; call again.
    pub async fn end_session(&self, id: &SessionId) -> Result<bool, Refusal> {
        let there = self.server.end_session_of(&self.subject, id).await?;
        if there {
            self.ended(AccountEventKind::SessionEnded, None, Notice::SessionEnded).await;
        }
        Ok(there)
    }

    /// Ends every session but one.
    ///
    /// # Errors
    /// When the store fails; call again.
    pub async fn end_other_sessions(&self, but: Option<&SessionId>) -> Result<(), Refusal> {
        self.server.end_sessions_of(&self.subject, but).await?;
        self.ended(AccountEventKind::SessionEnded, None, Notice::SessionEnded).await;
        Ok(())
    }

    /// The applications that were let in.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn applications(&self) -> Result<Vec<Connection>, Refusal> {
        self.server.connections_of(&self.subject).await
    }

    /// Takes an application's access back, and says whether there was any.
    ///
    /// # Errors
    /// When the store fails; call again.
    pub async fn disconnect(&self, client_id: &str) -> Result<bool, Refusal> {
        let there = self.server.disconnect(&self.subject, client_id).await?;
        if there {
            let client = self.server.client(client_id).await?;
            let name = client.as_ref().map_or(client_id, |client| client.display_name());
            self.ended(AccountEventKind::ApplicationDisconnected, Some(name), Notice::ApplicationDisconnected(name))
                .await;
        }
        Ok(there)
    }

    /// What happened within ninety days, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn events(&self) -> Result<Vec<AccountEvent>, Refusal> {
        self.mfa.account_events(&self.subject).await.map_err(refusal)
    }

    /// The owner says that somebody else is signed in: every session and grant ends, no device is remembered, and for a time every login
    /// proves a factor.
    ///
    /// # Errors
    /// When the store fails; call again.
    pub async fn not_me(&self) -> Result<(), Refusal> {
        self.mfa.report_by_owner(&self.subject, &self.by).await.map_err(refusal)?;
        self.server.revoke_subject(self.subject.clone()).await
    }

    async fn ended(&self, what: AccountEventKind, about: Option<&str>, notice: Notice<'_>) {
        self.mfa.0.note_done(&self.subject, what, about, &self.by).await;
        self.tell(notice).await;
    }

    async fn tell(&self, notice: Notice<'_>) {
        self.mfa.0.tell_owner(&self.subject, notice).await;
    }
}
