//! Messages to users, and who carries them.

use std::fmt;

use async_trait::async_trait;
use countersign_primitives::{BoxError, Id, SecretString, UnixTime};
use serde::{Deserialize, Serialize};

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Channel {
    /// A text message to a phone number (E.164).
    Sms,
    /// A call to a phone number (E.164), which reads the text out.
    Voice,
    /// A mail to an address.
    Email,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Sms, Self::Voice, Self::Email];

    /// The name: `sms`, `voice`, `email`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Voice => "voice",
            Self::Email => "email",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a message is for. A sender may choose its route by it; the words are in the text already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// A code that proves a factor, or confirms that an address is the user's while a factor is set up.
    Code,
    /// A link that signs its user in.
    MagicLink,
    /// A code or link that shows that an address is its user's.
    VerifyAddress,
    /// A link that lets its user choose a new password.
    ResetPassword,
    /// A code that lets its user set up a first factor.
    Invitation,
    /// A note that something happened to the account; nothing in it is secret.
    Notice,
}

/// A message on its way to a user.
///
/// Text and code are secrets: a sender hands them to whoever carries them and keeps them out of logs and errors. `Debug` shows
/// neither them nor whom the message is for.
///
/// ```
/// use countersign_outbound::{Channel, Message, Purpose};
///
/// let message = Message::new(Channel::Sms, Purpose::Code, "+4915112345678", "747723 is your Example code.").code("747723");
/// assert_eq!(message.text(), "747723 is your Example code.");
/// assert!(!format!("{message:?}").contains("747723"));
/// ```
pub struct Message {
    id: Option<Id>,
    channel: Channel,
    purpose: Purpose,
    to: String,
    subject: Option<String>,
    text: SecretString,
    code: Option<SecretString>,
    language: Option<String>,
    expires_at: Option<UnixTime>,
}

impl Message {
    /// A message of this text: an E.164 number or a mail address as `to`.
    #[must_use]
    pub fn new(channel: Channel, purpose: Purpose, to: impl Into<String>, text: impl Into<SecretString>) -> Self {
        Self {
            id: None,
            channel,
            purpose,
            to: to.into(),
            subject: None,
            text: text.into(),
            code: None,
            language: None,
            expires_at: None,
        }
    }

    /// Its name, by which reports of its delivery find it. Not secret.
    #[must_use]
    pub fn with_id(mut self, id: Id) -> Self {
        self.id = Some(id);
        self
    }

    /// The subject of a mail.
    #[must_use]
    pub fn subject_line(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The code that stands in the text, for services that want it apart.
    #[must_use]
    pub fn code(mut self, code: impl Into<SecretString>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The language of the text (BCP 47), such as `de`.
    #[must_use]
    pub fn language_tag(mut self, tag: impl Into<String>) -> Self {
        self.language = Some(tag.into());
        self
    }

    /// After this it is of no use, and need not be delivered.
    #[must_use]
    pub fn expires(mut self, at: UnixTime) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// The same message once more, for whoever sends it later than they were asked to.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            id: self.id,
            channel: self.channel,
            purpose: self.purpose,
            to: self.to.clone(),
            subject: self.subject.clone(),
            text: self.text().to_owned().into(),
            code: self.code_text().map(|code| code.to_owned().into()),
            language: self.language.clone(),
            expires_at: self.expires_at,
        }
    }

    /// Its name, if it was given one.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        self.id
    }

    /// How it travels.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whom it is for: an E.164 number or a mail address.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// The subject of a mail.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// What the user reads or hears. A secret.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.expose()
    }

    /// The code in it. A secret.
    #[must_use]
    pub fn code_text(&self) -> Option<&str> {
        self.code.as_ref().map(SecretString::expose)
    }

    /// The language of the text (BCP 47).
    #[must_use]
    pub fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }

    /// After this it is of no use.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.expires_at
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("channel", &self.channel)
            .field("purpose", &self.purpose)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Carries messages. Answers within seconds: a user waits.
#[async_trait]
pub trait MessageSender: Send + Sync + fmt::Debug {
    /// Hands a message on. `Ok` says that whoever carries it has taken it, not that it has arrived.
    ///
    /// # Errors
    /// [`SendError`]; nothing in it quotes the text.
    async fn send(&self, message: &Message) -> Result<(), SendError>;

    /// Hears that the code which it carried there last was entered: for services that watch how many are, against fraud. Does nothing by
    /// default.
    ///
    /// # Errors
    /// [`SendError`] when that could not be passed on. No login waits for it or fails by it.
    async fn entered(&self, channel: Channel, to: &str) -> Result<(), SendError> {
        let _ = (channel, to);
        Ok(())
    }
}

#[async_trait]
impl<S: MessageSender + ?Sized> MessageSender for std::sync::Arc<S> {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        (**self).send(message).await
    }

    async fn entered(&self, channel: Channel, to: &str) -> Result<(), SendError> {
        (**self).entered(channel, to).await
    }
}

#[async_trait]
impl<S: MessageSender + ?Sized> MessageSender for Box<S> {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        (**self).send(message).await
    }

    async fn entered(&self, channel: Channel, to: &str) -> Result<(), SendError> {
        (**self).entered(channel, to).await
    }
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Nobody can be reached there: the number or address is wrong or barred. The user is offered another way.
    #[error("nobody can be reached at this number or address")]
    Unreachable,
    /// The service is at its limit: the same message may be taken at another time.
    #[error("the service is busy and takes no more messages")]
    Busy,
    /// The service does not answer, or its answer makes no sense.
    #[error("the service cannot be used")]
    Unavailable(#[source] BoxError),
    /// The service will not take this message, however often it is sent: a wrong password, a sender that it does not know.
    #[error("the service refuses the message")]
    Rejected(#[source] BoxError),
}

impl SendError {
    /// The service does not answer, or its answer makes no sense.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(error.into())
    }

    /// The service will not take this message, however often it is sent.
    pub fn rejected(error: impl Into<BoxError>) -> Self {
        Self::Rejected(error.into())
    }

    /// Whether sending the same again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable(_))
    }

    /// The stable id of the cause, for operators.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Unreachable => "message.unreachable",
            Self::Busy => "message.busy",
            Self::Unavailable(_) => "message.unavailable",
            Self::Rejected(_) => "message.rejected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promise_4_debug_output_shows_no_text_no_code_and_no_recipient() {
        let message = Message::new(Channel::Email, Purpose::Code, "alice@example.com", "492039 is your code")
            .subject_line("Your code 492039")
            .code("492039");
        let shown = format!("{message:?}");
        assert!(!shown.contains("492039") && !shown.contains("alice"), "{shown}");
    }

    #[test]
    fn an_unreachable_recipient_and_a_refusal_are_final() {
        assert!(SendError::Busy.is_transient() && SendError::unavailable("down").is_transient());
        assert!(!SendError::Unreachable.is_transient() && !SendError::rejected("no").is_transient());
    }
}
