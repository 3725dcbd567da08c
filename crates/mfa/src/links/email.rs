//! Showing that a mail address is one's own.

use countersign_events::EventKind;
use countersign_outbound::Channel;
use countersign_primitives::Subject;

use super::ask::{Asking, For};
use super::{DeadLink, LinkPurpose};
use crate::{Caller, LoginError, Mfa};

/// Why an address was not verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyEmailError {
    /// The link does not work.
    #[error(transparent)]
    Link(#[from] DeadLink),
    /// Store or accounts failed.
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl Mfa {
    /// Sends a link to the address on file of an account, by which its owner shows that it is theirs. Nothing is sent where there is no
    /// address, or one that is verified.
    ///
    /// # Errors
    /// [`LoginError::Throttled`]; else as store and accounts fail.
    pub async fn ask_to_verify_email(&self, subject: &Subject, caller: &Caller) -> Result<(), LoginError> {
        let inner = &*self.0;
        let Some((accounts, _)) = &inner.accounts else { return Ok(()) };
        let account = accounts.by_subject(subject).await.map_err(LoginError::Accounts)?;
        let Some(account) = account.filter(|account| !account.is_disabled()) else { return Ok(()) };
        let Some((address, false)) = account.email_address() else { return Ok(()) };
        let address = address.to_owned();
        let asking = Asking {
            purpose: LinkPurpose::VerifyEmail,
            caller,
            languages: &caller.languages,
            login: None,
            client: None,
        };
        inner.make_link(For::Owner(Box::new(account), address), inner.subjects.partition(subject), &asking).await
    }

    /// Spends a link that was sent to an address: the account knows from now on that it is its owner's. An address that the account
    /// has changed meanwhile is not verified by it.
    ///
    /// # Errors
    /// [`VerifyEmailError`].
    pub async fn verify_email(&self, link: &str, caller: &Caller) -> Result<(), VerifyEmailError> {
        let inner = &*self.0;
        let opened = inner.open(LinkPurpose::VerifyEmail, link).await?.ok_or(DeadLink)?;
        if !inner.spend_link(&opened, inner.now()).await? {
            return Err(DeadLink.into());
        }
        let Some((accounts, _)) = &inner.accounts else { return Err(DeadLink.into()) };
        let (subject, address) = (opened.subject(), &opened.link().to);
        accounts.set_email_verified(subject, address).await.map_err(LoginError::Accounts)?;
        inner.tell(EventKind::EmailVerified, Some(caller), |event| {
            event.with_subject(subject).with_method(Channel::Email.as_str())
        });
        Ok(())
    }
}
