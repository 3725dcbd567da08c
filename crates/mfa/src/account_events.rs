//! What happened to an account of late, for its owner to see: one bounded record in the subject's partition.

use std::net::IpAddr;
use std::time::Duration;

use countersign_primitives::{Subject, UnixTime, describe_user_agent};
use countersign_storage_traits::{Batch, Expect, Found, Key, Kind, StoreError, Stored};
use serde::{Deserialize, Serialize};

use crate::keys::ACCOUNT_EVENTS;
use crate::mfa::Inner;
use crate::{Caller, Changed, LoginError, Mfa};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountEventKind {
    /// Somebody signed in with a browser that the account did not know, or that proved a second factor for the first time.
    NewBrowser,
    /// A factor was set up.
    FactorAdded,
    /// A factor was given another name.
    FactorRenamed,
    /// A factor was removed.
    FactorRemoved,
    /// All factors were removed.
    FactorsReset,
    /// Recovery codes were made anew.
    RecoveryCodesReplaced,
    /// The password was changed.
    PasswordChanged,
    /// A browser was remembered.
    DeviceRemembered,
    /// A browser, or all of them, are remembered no more.
    DeviceForgotten,
    /// A session, or all others, were ended by the owner.
    SessionEnded,
    /// An application's access was taken back.
    ApplicationDisconnected,
    /// A refresh token was used twice.
    TokenReused,
    /// It was reported that somebody else may have got in.
    Compromised,
}

impl AccountEventKind {
    /// What a change of factors or password is to the owner.
    pub(crate) const fn of(changed: Changed) -> Option<Self> {
        match changed {
            Changed::FirstFactorEnrolled | Changed::FactorEnrolled => Some(Self::FactorAdded),
            Changed::FactorRenamed => Some(Self::FactorRenamed),
            Changed::FactorRemoved => Some(Self::FactorRemoved),
            Changed::FactorsReset => Some(Self::FactorsReset),
            Changed::RecoveryCodesReplaced => Some(Self::RecoveryCodesReplaced),
            Changed::PasswordChanged => Some(Self::PasswordChanged),
            Changed::Invited | Changed::FactorRequired | Changed::FactorNotRequired => None,
        }
    }

    /// Its name in the data of a screen.
    #[cfg(feature = "oauth")]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NewBrowser => "new_browser",
            Self::FactorAdded => "factor_added",
            Self::FactorRenamed => "factor_renamed",
            Self::FactorRemoved => "factor_removed",
            Self::FactorsReset => "factors_reset",
            Self::RecoveryCodesReplaced => "recovery_codes_replaced",
            Self::PasswordChanged => "password_changed",
            Self::DeviceRemembered => "device_remembered",
            Self::DeviceForgotten => "device_forgotten",
            Self::SessionEnded => "session_ended",
            Self::ApplicationDisconnected => "application_disconnected",
            Self::TokenReused => "token_reused",
            Self::Compromised => "compromised",
        }
    }
}

/// One thing that happened to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccountEvent {
    /// When.
    pub at: UnixTime,
    /// What.
    pub what: AccountEventKind,
    /// What it was about: the title of a factor, the name of an application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What the browser called itself, in our words: `Firefox on Linux`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// Where it was done from. Neither where an operator or the host's own code did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

impl AccountEvent {
    /// So many of one account are kept.
    pub const MAX: usize = 50;
    /// For so long.
    pub const KEPT: Duration = Duration::from_secs(90 * 86_400);
    /// The longest text that is kept of what it was about.
    const LONGEST: usize = 100;
}

/// Who did something, as far as its owner is to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct By {
    browser: Option<String>,
    address: Option<IpAddr>,
}

impl By {
    /// An operator, or the host's own code.
    pub(crate) const HOST: Self = Self { browser: None, address: None };
}

impl From<&Caller> for By {
    fn from(caller: &Caller) -> Self {
        let browser = caller.user_agent.as_deref().and_then(describe_user_agent);
        Self { browser, address: caller.address }
    }
}

/// What is written down of one account, the oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Happened(Vec<AccountEvent>);

impl Stored for Happened {
    const KIND: Kind = ACCOUNT_EVENTS;
}

impl Happened {
    /// Adds one. Whoever has the password can sign in as often as he likes and push out nothing else: sign-ins give way first.
    fn add(&mut self, event: AccountEvent) {
        let since = event.at.minus(AccountEvent::KEPT);
        self.0.retain(|earlier| earlier.at >= since);
        if self.0.len() >= AccountEvent::MAX {
            let sign_in = self.0.iter().position(|earlier| earlier.what == AccountEventKind::NewBrowser);
            self.0.remove(sign_in.unwrap_or_default());
        }
        self.0.push(event);
    }
}

impl Mfa {
    /// What happened to an account within ninety days, the newest first: at most the fifty newest things. For its owner to read; it holds no
    /// secret, and what must be alarmed about is told to [`MfaBuilder::events`](crate::MfaBuilder::events).
    ///
    /// ```
    /// # use countersign_mfa::{LoginError, Mfa};
    /// # async fn example(mfa: Mfa) -> Result<(), LoginError> {
    /// for event in mfa.account_events(&"u-1".into()).await? {
    ///     println!("{:?} {:?} {:?}", event.at, event.what, event.browser);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the store fails.
    pub async fn account_events(&self, subject: &Subject) -> Result<Vec<AccountEvent>, LoginError> {
        let (inner, now) = (&*self.0, self.0.now());
        let key = Key::root(ACCOUNT_EVENTS, inner.subjects.partition(subject));
        let found: Option<Found<Happened>> = inner.store.find(key, now).await?;
        let since = now.minus(AccountEvent::KEPT);
        let events = found.into_iter().flat_map(|found| found.value.0.into_iter().rev());
        Ok(events.filter(|event| event.at >= since).collect())
    }
}

impl Inner {
    /// Adds to a batch in a subject's partition that something happened. Another thing that happens at the same time is a conflict, and the
    /// batch is made anew.
    pub(crate) async fn note_event(
        &self,
        batch: &mut Batch,
        what: AccountEventKind,
        about: Option<&str>,
        by: &By,
    ) -> Result<(), StoreError> {
        let (key, now) = (Key::root(ACCOUNT_EVENTS, batch.partition()), batch.now());
        let found: Option<Found<Happened>> = self.store.find(key, now).await?;
        let expect = found.as_ref().map_or(Expect::Absent, Found::unchanged);
        let mut happened = found.map(|found| found.value).unwrap_or_default();
        let about = about.map(|about| about.chars().take(AccountEvent::LONGEST).collect());
        happened.add(AccountEvent { at: now, what, about, browser: by.browser.clone(), address: by.address });
        batch.put_value(key, expect, now.plus(AccountEvent::KEPT), &happened).map(drop)
    }

    /// Notes what has happened elsewhere: in a session's partition, say. It has happened whether it can be noted or not; that it cannot is an
    /// event.
    #[cfg(feature = "oauth")]
    pub(crate) async fn note_done(&self, subject: &Subject, what: AccountEventKind, about: Option<&str>, by: &By) {
        let noted = async {
            for _ in 0..crate::authenticators::TRIES {
                let mut batch = Batch::new(self.subjects.partition(subject), self.now(), &*self.random)?;
                self.note_event(&mut batch, what, about, by).await?;
                match self.store.commit_surely(&batch).await {
                    Ok(()) => return Ok(()),
                    Err(countersign_storage_traits::CommitError::Conflict(_)) => {}
                    Err(error) => return Err(LoginError::from(error)),
                }
            }
            Err(LoginError::Contended)
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "what happened to an account could not be noted");
            self.failed("account_event.not_noted", Some(subject));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64, what: AccountEventKind) -> AccountEvent {
        AccountEvent { at: UnixTime::from_secs(at), what, about: None, browser: None, address: None }
    }

    #[test]
    fn nist_800_63b_4_2_a_flood_of_sign_ins_pushes_out_nothing_but_sign_ins_and_what_is_old_goes() {
        let mut happened = Happened::default();
        happened.add(event(1, AccountEventKind::FactorRemoved));
        for at in 2..200 {
            happened.add(event(at, AccountEventKind::NewBrowser));
        }
        assert_eq!(happened.0.len(), AccountEvent::MAX);
        assert_eq!(
            (happened.0[0].what, happened.0[49].at),
            (AccountEventKind::FactorRemoved, UnixTime::from_secs(199))
        );
        for at in 200..300 {
            happened.add(event(at, AccountEventKind::FactorAdded));
        }
        assert!(happened.0.len() == AccountEvent::MAX && happened.0.iter().all(|one| one.at.as_secs() >= 250));
        happened.add(event(299 + AccountEvent::KEPT.as_secs(), AccountEventKind::FactorAdded));
        assert_eq!(happened.0.len(), 2);
    }
}
