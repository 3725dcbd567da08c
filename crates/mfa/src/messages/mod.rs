//! What users read: the texts of every message, in their languages.
//!
//! A host names its service and, if it likes, brings texts of its own; each is compiled and tried as it is given, so a text
//! that cannot be written is an error at the start and not a message that never comes. What strangers chose (the name of an
//! account, of a client that registered itself) stands between quotation marks and can neither begin a line nor look like a link,
//! a code or a number to call. Mails are plain text.

mod budget;
mod catalogue;
mod clean;
mod error;
mod language;
mod owner;
pub(crate) mod phone;
pub(crate) mod spending;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use countersign_outbound::{Channel, Message, Purpose};
use countersign_primitives::UnixTime;
use minijinja::{Value, context};

pub use budget::{Countries, MessageBudget, MessageRefused, Share};
use catalogue::Catalogue;
pub use error::{MessageError, MessageTextsError};
pub use language::Languages;
pub use phone::{Country, ParseCountryError};

/// How long a notice is worth delivering.
const NOTICE: Duration = Duration::from_secs(86_400);

/// The text that follows a notice by mail.
pub(super) const NOT_ME: &str = "notice.not_me.email";

/// The texts of every message: English and German, and what a host adds or replaces. A cheap clone.
///
/// ```
/// use std::time::Duration;
/// use countersign_mfa::{Envelope, Languages, MessageTexts};
/// use countersign_outbound::Channel;
/// use countersign_primitives::UnixTime;
///
/// let texts = MessageTexts::new("Example")?
///     .text("en", "code.sms", "{{ code }} opens {{ service }}")? // one text
///     .language("nl", r#"{"code.sms": "{{ code }} is uw code voor {{ service }}"}"#)?; // what Dutch lacks stays English
/// let now = UnixTime::from_secs(1_700_000_000);
/// let to = Envelope::new(Channel::Sms, "+31612345678", now).languages(Languages::of("nl-BE"));
/// let message = texts.code(&to, "747723", Duration::from_secs(300))?;
/// assert_eq!(message.text(), "747723 is uw code voor Example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MessageTexts {
    service: Arc<str>,
    catalogue: Arc<Catalogue>,
}

/// Whom a message is for, how it travels, and which languages they read.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    channel: Channel,
    to: &'a str,
    now: UnixTime,
    languages: Languages,
    account: Option<&'a str>,
    client: Option<&'a str>,
    origin: Option<&'a str>,
    not_me: Option<(&'a str, Duration)>,
}

impl<'a> Envelope<'a> {
    /// To an E.164 number or a mail address, written at `now`.
    #[must_use]
    pub fn new(channel: Channel, to: &'a str, now: UnixTime) -> Self {
        Self {
            channel,
            to,
            now,
            languages: Languages::default(),
            account: None,
            client: None,
            origin: None,
            not_me: None,
        }
    }

    /// The languages that they read. Default: English.
    #[must_use]
    pub fn languages(mut self, languages: Languages) -> Self {
        self.languages = languages;
        self
    }

    /// The name of the account, which may be anything that somebody typed.
    #[must_use]
    pub fn account(mut self, name: &'a str) -> Self {
        self.account = Some(name);
        self
    }

    /// The name of the application, which may be anything that it registered.
    #[must_use]
    pub fn client(mut self, name: &'a str) -> Self {
        self.client = Some(name);
        self
    }

    /// A link by which its reader says that it was not them, and how long it works: for notices by mail.
    #[must_use]
    pub fn not_me(mut self, link: &'a str, lasts: Duration) -> Self {
        self.not_me = Some((link, lasts));
        self
    }

    /// The host of the page where a code is typed. A text message with a code then ends in a line that binds it to that page, so
    /// that a browser fills it in nowhere else (WICG, Origin-bound one-time codes, §2).
    #[must_use]
    pub fn origin(mut self, host: &'a str) -> Self {
        self.origin = Some(host);
        self
    }
}

/// What proves that a message arrived.
#[derive(Debug, Clone, Copy)]
pub enum Ticket<'a> {
    /// A code to type.
    Code(&'a str),
    /// A link to open. Only mails have links.
    Link(&'a str),
}

/// Something that the owner of an account, or of an address, is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// A factor of this title was enrolled.
    FactorEnrolled(&'a str),
    /// A factor of this title was removed.
    FactorRemoved(&'a str),
    /// All factors were removed by a help desk.
    FactorsReset,
    /// An operator wants a factor to be set up, and ended what rests on the password alone.
    FactorRequired,
    /// An operator signed the user out everywhere.
    SignedOut,
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// A factor of this title was given another name.
    FactorRenamed(&'a str),
    /// A remembered device was forgotten by the owner.
    DeviceForgotten,
    /// The owner ended a session elsewhere.
    SessionEnded,
    /// The owner took back what an application of this name could do.
    ApplicationDisconnected(&'a str),
    /// Recovery codes were made anew.
    RecoveryCodesReplaced,
    /// The password was changed.
    PasswordChanged,
    /// So many guesses failed in a row that the owner is to know.
    Guessing,
    /// So many guesses failed in a row that strangers are shut out.
    GuessingClosed,
    /// The owner said that a sign-in was not theirs.
    PushDenied,
    /// It was reported that somebody else may have got in.
    Compromised,
    /// A refresh token was used twice: somebody else may have what one application has.
    TokenReused,
    /// Somebody typed this address where an account was asked for, and none has it.
    NoAccount,
    /// Somebody tried to register this address, and an account has it.
    AccountExists,
}

impl<'a> Notice<'a> {
    const fn key(self) -> &'static str {
        match self {
            Self::FactorEnrolled(_) => "notice.factor_enrolled",
            Self::FactorRemoved(_) => "notice.factor_removed",
            Self::FactorsReset => "notice.factors_reset",
            Self::FactorRequired => "notice.factor_required",
            Self::SignedOut => "notice.signed_out",
            Self::FactorRenamed(_) => "notice.factor_renamed",
            Self::DeviceForgotten => "notice.device_forgotten",
            Self::SessionEnded => "notice.session_ended",
            Self::ApplicationDisconnected(_) => "notice.application_disconnected",
            Self::RecoveryCodeUsed => "notice.recovery_code_used",
            Self::RecoveryCodesReplaced => "notice.recovery_codes_replaced",
            Self::PasswordChanged => "notice.password_changed",
            Self::Guessing => "notice.guessing",
            Self::GuessingClosed => "notice.guessing_closed",
            Self::PushDenied => "notice.push_denied",
            Self::Compromised => "notice.compromised",
            Self::TokenReused => "notice.token_reused",
            Self::NoAccount => "notice.no_account",
            Self::AccountExists => "notice.account_exists",
        }
    }

    const fn factor(self) -> Option<&'a str> {
        match self {
            Self::FactorEnrolled(title) | Self::FactorRemoved(title) | Self::FactorRenamed(title) => Some(title),
            _ => None,
        }
    }
}

/// What a template is given beside the names.
#[derive(Default)]
struct Said<'a> {
    ticket: Option<Ticket<'a>>,
    factor: Option<&'a str>,
    lasts: Option<Duration>,
}

impl MessageTexts {
    /// The texts of the kit, for a service of this name.
    ///
    /// # Errors
    /// [`MessageTextsError::Service`] if the name has several lines, or none at all.
    pub fn new(service: impl Into<String>) -> Result<Self, MessageTextsError> {
        let service = service.into();
        let one_line = !service.trim().is_empty() && service.chars().count() <= 60;
        if !one_line || service.chars().any(|letter| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')) {
            return Err(MessageTextsError::Service);
        }
        Ok(Self { service: service.into(), catalogue: Arc::new(Catalogue::built_in()?) })
    }

    /// Adds texts of a language (BCP 47): a JSON object with the keys of `src/messages/texts/en.json`, each a minijinja template.
    /// A message of which a part is left out is sent in the next language that its reader knows, at last in English.
    ///
    /// # Errors
    /// Whatever would keep a text from being sent: [`MessageTextsError`] has the cases.
    pub fn language(mut self, tag: &str, json: &str) -> Result<Self, MessageTextsError> {
        Arc::make_mut(&mut self.catalogue).add(tag, json)?;
        Ok(self)
    }

    /// Replaces one text. Templates see `service`, `account`, `client`, and where there are such `code`, `spoken` (the code as a
    /// voice reads it), `link`, `lasts` and `factor`. `account` and `client` may be missing: write `{% if client %}`.
    ///
    /// # Errors
    /// Whatever would keep it from being sent: [`MessageTextsError`] has the cases.
    pub fn text(mut self, tag: &str, key: &str, template: impl Into<String>) -> Result<Self, MessageTextsError> {
        Arc::make_mut(&mut self.catalogue).put(tag, key, template.into())?;
        Ok(self)
    }

    /// What the service is called.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// A code that proves a factor.
    ///
    /// # Errors
    /// [`MessageError`] where recipient or code are malformed.
    pub fn code(&self, to: &Envelope<'_>, code: &str, lasts: Duration) -> Result<Message, MessageError> {
        self.with_ticket(to, (Purpose::Code, "code"), Ticket::Code(code), lasts)
    }

    /// A link that signs its reader in.
    ///
    /// # Errors
    /// [`MessageError`] where recipient or link are malformed, and for another channel than mail.
    pub fn magic_link(&self, to: &Envelope<'_>, link: &str, lasts: Duration) -> Result<Message, MessageError> {
        self.with_ticket(to, (Purpose::MagicLink, "magic_link"), Ticket::Link(link), lasts)
    }

    /// What shows that an address is its reader's.
    ///
    /// # Errors
    /// [`MessageError`] where recipient or ticket are malformed, and for a link over another channel than mail.
    pub fn verify_address(
        &self,
        to: &Envelope<'_>,
        ticket: Ticket<'_>,
        lasts: Duration,
    ) -> Result<Message, MessageError> {
        self.with_ticket(to, (Purpose::VerifyAddress, "verify_address"), ticket, lasts)
    }

    /// What lets its reader choose a new password.
    ///
    /// # Errors
    /// [`MessageError`] where recipient or ticket are malformed, for a link over another channel than mail, and for a voice.
    pub fn reset_password(
        &self,
        to: &Envelope<'_>,
        ticket: Ticket<'_>,
        lasts: Duration,
    ) -> Result<Message, MessageError> {
        self.with_ticket(to, (Purpose::ResetPassword, "reset_password"), ticket, lasts)
    }

    /// An invitation to set up a first factor, by the code that opens the way.
    ///
    /// # Errors
    /// [`MessageError`] where recipient or code are malformed, and for another channel than mail.
    pub fn invitation(&self, to: &Envelope<'_>, code: &str, lasts: Duration) -> Result<Message, MessageError> {
        self.with_ticket(to, (Purpose::Invitation, "invitation"), Ticket::Code(code), lasts)
    }

    /// Tells what happened. It is worth delivering for a day.
    ///
    /// # Errors
    /// [`MessageError`] where the recipient is malformed, and for a voice.
    pub fn notice(&self, to: &Envelope<'_>, notice: Notice<'_>) -> Result<Message, MessageError> {
        let said = Said { factor: notice.factor(), ..Said::default() };
        let to = match notice {
            Notice::ApplicationDisconnected(name) => &to.clone().client(name),
            _ => to,
        };
        Ok(self.write(to, (Purpose::Notice, notice.key()), &said)?.expires(to.now.plus(NOTICE)))
    }

    /// What follows a notice by mail: how its reader says that it was not them.
    fn denial(&self, to: &Envelope<'_>) -> Result<Option<String>, MessageError> {
        let Some((link, lasts)) = to.not_me.filter(|_| to.channel == Channel::Email) else { return Ok(None) };
        let ticket = Ticket::Link(link);
        ticket.check(to.channel)?;
        let language = self.catalogue.choose(&to.languages, &[NOT_ME]).ok_or(MessageError::Channel)?;
        let values = self.values(to, &Said { ticket: Some(ticket), lasts: Some(lasts), factor: None }, language)?;
        self.catalogue.write(language, NOT_ME, values).map(Some)
    }

    fn with_ticket(
        &self,
        to: &Envelope<'_>,
        (purpose, what): (Purpose, &str),
        ticket: Ticket<'_>,
        lasts: Duration,
    ) -> Result<Message, MessageError> {
        ticket.check(to.channel)?;
        let said = Said { ticket: Some(ticket), lasts: Some(lasts), factor: None };
        let message = self.write(to, (purpose, what), &said)?.expires(to.now.plus(lasts));
        Ok(match ticket {
            Ticket::Code(code) => message.code(code),
            Ticket::Link(_) => message,
        })
    }

    fn write(
        &self,
        to: &Envelope<'_>,
        (purpose, what): (Purpose, &str),
        said: &Said<'_>,
    ) -> Result<Message, MessageError> {
        if !is_recipient(to.channel, to.to) {
            return Err(MessageError::Recipient);
        }
        let (text_key, subject_key) = (format!("{what}.{}", to.channel), format!("{what}.{}.subject", to.channel));
        let keys = [text_key.as_str(), subject_key.as_str()];
        let keys = if to.channel == Channel::Email { &keys[..] } else { &keys[..1] };
        let language = self.catalogue.choose(&to.languages, keys).ok_or(MessageError::Channel)?;
        let values = self.values(to, said, language)?;
        let mut text = self.catalogue.write(language, &text_key, values.clone())?;
        if let (Channel::Sms, Some(Ticket::Code(code)), Some(host)) = (to.channel, said.ticket, to.origin) {
            let host = is_host(host).then_some(host).ok_or(MessageError::Origin)?;
            text = format!("{}\n\n@{host} #{code}", text.trim_end());
        }
        if let Some(denial) = self.denial(to)? {
            text = format!("{}\n\n{denial}", text.trim_end());
        }
        let message = Message::new(to.channel, purpose, to.to, text).language_tag(language);
        Ok(match keys.get(1) {
            Some(key) => message.subject_line(one_line(&self.catalogue.write(language, key, values)?)),
            None => message,
        })
    }

    fn values(&self, to: &Envelope<'_>, said: &Said<'_>, language: &str) -> Result<Value, MessageError> {
        let mut values = std::collections::BTreeMap::from([("service", self.service.to_string())]);
        let mut put = |name, value: Option<String>| value.map(|value| values.insert(name, value));
        put("account", to.account.and_then(|name| clean::quoted(name, to.to)));
        put("client", to.client.and_then(|name| clean::quoted(name, to.to)));
        put("factor", said.factor.map(one_line));
        match said.ticket {
            Some(Ticket::Code(code)) => {
                put("code", Some(code.to_owned()));
                put("spoken", Some(spoken(code)));
            }
            Some(Ticket::Link(link)) => drop(put("link", Some(link.to_owned()))),
            None => {}
        }
        if let Some(lasts) = said.lasts {
            put("lasts", Some(self.catalogue.lasts(language, lasts.as_secs().div_ceil(60))?));
        }
        Ok(context! { ..Value::from(values) })
    }
}

impl Ticket<'_> {
    fn check(self, channel: Channel) -> Result<(), MessageError> {
        match self {
            Self::Code(code) => {
                let good = (1..=32).contains(&code.len())
                    && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                good.then_some(()).ok_or(MessageError::Code)
            }
            Self::Link(_) if channel != Channel::Email => Err(MessageError::Channel),
            Self::Link(link) => is_link(link).then_some(()).ok_or(MessageError::Link),
        }
    }
}

/// Each letter of a code by itself, with a rest after it.
fn spoken(code: &str) -> String {
    code.chars().map(|letter| letter.to_ascii_uppercase().to_string()).collect::<Vec<_>>().join(", ")
}

/// A header has one line (RFC 5322 §2.2).
fn one_line(text: &str) -> String {
    text.split(char::is_control).flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// Made by us from the issuer: `https`, or `http` on a developer's machine; nothing in it ends the link early.
fn is_link(link: &str) -> bool {
    let local = ["http://localhost", "http://127.0.0.1", "http://[::1]"]
        .iter()
        .any(|start| link.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/', '?'])));
    (local || link.starts_with("https://"))
        && link.len() <= 2_000
        && link.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"`\\".contains(&byte))
}

fn is_host(host: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    (1..=253).contains(&host.len()) && host.bytes().all(good)
}

/// Whether a message over this channel could go there at all: one address, and nothing that a header or a command would take
/// for its end.
fn is_recipient(channel: Channel, to: &str) -> bool {
    match channel {
        Channel::Email => {
            let plain = to
                .chars()
                .all(|letter| !letter.is_whitespace() && !letter.is_control() && !"<>()[],;:\\\"".contains(letter));
            let parts = to.split_once('@').filter(|(_, domain)| !domain.contains('@'));
            plain && to.len() <= 254 && parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        }
        _ => to.strip_prefix('+').is_some_and(|number| {
            (7..=15).contains(&number.len())
                && !number.starts_with('0')
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }),
    }
}
