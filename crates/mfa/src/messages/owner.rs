//! What the owner of an account is told unasked: that its factors changed, that somebody guesses.

use countersign_accounts::Account;
use countersign_events::EventKind;
use countersign_outbound::{Channel, Message};
use countersign_primitives::{BoxError, SecretString, Subject};

use super::spending::Sending;
use super::{Envelope, Languages, Notice};
use crate::LoginError;
use crate::enrolments::Read;
use crate::links::NOT_ME_LIFETIME;
use crate::mfa::Inner;

impl Notice<'_> {
    /// Whether it may be a thief who did it, who then must not be able to hide it: every channel on file is told.
    const fn goes_everywhere(self) -> bool {
        match self {
            Self::FactorEnrolled(_)
            | Self::FactorRemoved(_)
            | Self::FactorsReset
            | Self::RecoveryCodesReplaced
            | Self::Compromised
            | Self::TokenReused
            | Self::PasswordChanged => true,
            Self::FactorRenamed(_)
            | Self::DeviceForgotten
            | Self::SessionEnded
            | Self::ApplicationDisconnected(_)
            | Self::RecoveryCodeUsed
            | Self::FactorRequired
            | Self::SignedOut
            | Self::Guessing
            | Self::GuessingClosed
            | Self::PushDenied
            | Self::NoAccount
            | Self::AccountExists => false,
        }
    }

    /// Whether it tells of something that was done in the account, by which somebody else would show that they got in.
    const fn can_be_denied(self) -> bool {
        match self {
            Self::FactorEnrolled(_)
            | Self::FactorRemoved(_)
            | Self::FactorRenamed(_)
            | Self::FactorsReset
            | Self::RecoveryCodeUsed
            | Self::RecoveryCodesReplaced
            | Self::PasswordChanged
            | Self::DeviceForgotten
            | Self::SessionEnded
            | Self::ApplicationDisconnected(_)
            | Self::TokenReused => true,
            Self::Compromised
            | Self::FactorRequired
            | Self::SignedOut
            | Self::Guessing
            | Self::GuessingClosed
            | Self::PushDenied
            | Self::NoAccount
            | Self::AccountExists => false,
        }
    }
}

impl Inner {
    /// Tells the owner of an account: at its verified mail address, or, where it has none, by text message to its verified number; at
    /// both when it may be a thief's doing, and where one of them is not on file, at what was set up as a factor of that channel. What has happened has happened: that the owner cannot be told is an event and no error.
    ///
    /// Notices to a mail address are not counted, so that nobody keeps one away by asking for other mails first; each stands for a change
    /// that had to be proven, or comes once a day.
    pub(crate) async fn tell_owner(&self, subject: &Subject, notice: Notice<'_>) {
        let has_sender = [Channel::Email, Channel::Sms].iter().any(|channel| self.senders.contains_key(channel));
        let (true, Some((accounts, _))) = (self.notices && has_sender, &self.accounts) else { return };
        let account = match accounts.by_subject(subject).await {
            Ok(Some(account)) => account,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "an owner cannot be told, since the accounts failed");
                return self.failed("notice.accounts_failed", Some(subject));
            }
        };
        let verified =
            |contact: Option<(&str, bool)>| contact.filter(|(_, verified)| *verified).map(|(to, _)| to.to_owned());
        let (mut mail, mut phone) = (verified(account.email_address()), verified(account.phone()));
        if notice.goes_everywhere() && (mail.is_none() || phone.is_none()) {
            match Read::of(&*self.store, &*self.subjects, subject, self.now()).await {
                Ok(read) => {
                    let of = |channel| read.value.contact(channel).map(str::to_owned);
                    mail = mail.or_else(|| of(Channel::Email));
                    phone = phone.or_else(|| of(Channel::Sms));
                }
                Err(error) => {
                    tracing::warn!(%error, "where else an owner can be told is not known");
                    self.failed("notice.store_failed", Some(subject));
                }
            }
        }
        let mail = mail.filter(|_| self.senders.contains_key(&Channel::Email));
        let phone = phone.filter(|_| self.senders.contains_key(&Channel::Sms));
        if let Some(to) = &mail {
            self.send_notice(&account, (Channel::Email, to), notice).await;
        }
        if let Some(to) = phone.filter(|_| mail.is_none() || notice.goes_everywhere()) {
            self.send_notice(&account, (Channel::Sms, &to), notice).await;
        }
    }

    async fn send_notice(&self, account: &Account, (channel, to): (Channel, &str), notice: Notice<'_>) {
        let subject = account.subject();
        let denial = match self.denial(account, channel, notice).await {
            Ok(link) => link,
            Err(error) => {
                tracing::warn!(%error, "a notice goes out without its link");
                self.failed("notice.store_failed", Some(subject));
                None
            }
        };
        let cause = match self.write_notice(account, (channel, to), (notice, denial.as_ref())) {
            Err(error) => {
                tracing::warn!(%error, "a notice could not be written");
                Some("message.unwritable")
            }
            Ok(message) => match self.carry_notice(&message, subject).await {
                Ok(cause) => cause,
                Err(error) => {
                    tracing::warn!(%error, "a notice could not be counted");
                    Some("notice.store_failed")
                }
            },
        };
        let kind = if cause.is_none() { EventKind::MessageSent } else { EventKind::MessageFailed };
        self.tell(kind, None, |event| {
            let event = event.with_subject(subject).with_method(channel.as_str());
            cause.into_iter().fold(event, |event, cause| event.with_cause(cause, ""))
        });
    }

    /// A link by which its reader says that it was not them, where the notice has one.
    async fn denial(
        &self,
        account: &Account,
        channel: Channel,
        notice: Notice<'_>,
    ) -> Result<Option<SecretString>, LoginError> {
        if !self.not_me_links || channel != Channel::Email || !notice.can_be_denied() {
            return Ok(None);
        }
        self.new_not_me_link(account.subject()).await.map(Some)
    }

    fn write_notice(
        &self,
        account: &Account,
        (channel, to): (Channel, &str),
        (notice, denial): (Notice<'_>, Option<&SecretString>),
    ) -> Result<Message, BoxError> {
        let locale = account.claims().get("locale").and_then(serde_json::Value::as_str);
        let envelope = Envelope::new(channel, to, self.now()).languages(Languages::of(locale.unwrap_or_default()));
        let envelope = account.name().into_iter().fold(envelope, Envelope::account);
        let envelope = match denial {
            Some(link) => envelope.not_me(link.expose(), NOT_ME_LIFETIME),
            None => envelope,
        };
        Ok(self.texts.notice(&envelope, notice)?.with_id(self.random.id()?))
    }

    /// Sends it, if it is a mail or the budget of the account's notices has room. None: it was taken.
    async fn carry_notice(&self, message: &Message, subject: &Subject) -> Result<Option<&'static str>, BoxError> {
        let now = self.now();
        let partition = self.subjects.partition(subject);
        let account = self.keys.id("notices", &[partition.as_bytes()]); // not at the expense of its codes
        let (channel, to) = (message.channel(), message.to());
        let sending = Sending { channel, to, account, known: None, proven: true, address: None, awaits_code: false };
        let paid = match channel {
            Channel::Email => None,
            _ => match self.budget.spend(&*self.store, &self.keys, &sending, now).await? {
                Ok(paid) => Some(paid),
                Err(denied) => return Ok(Some(denied.refused.id())),
            },
        };
        let Some(sender) = self.senders.get(&channel) else { return Ok(Some("message.unavailable")) };
        let Err(error) = sender.send(message).await else { return Ok(None) };
        if let Some(paid) = paid {
            paid.refund(&*self.store, now).await?;
        }
        Ok(Some(error.id()))
    }
}
