//! Second factors: one trait, and those of the kit.

mod challenge;
mod delivered;
mod hotp;
mod kind;
mod occasion;
mod plugged;
mod recovery;
mod state;
mod totp;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_mfa_otp::Digits;
use countersign_outbound::{Channel, MessageSender, SendError};
use countersign_primitives::{BoxError, RandomError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use challenge::{Challenge, Verdict};
pub(crate) use challenge::{Judged, Told};
pub use delivered::{EmailCodes, SmsCodes, VoiceCodes};
pub use hotp::Hotp;
pub(crate) use hotp::{HOTP, imported_hotp};
pub use kind::{Kind, Kinds, Method};
pub(crate) use occasion::Binding;
pub use occasion::Occasion;
pub(crate) use plugged::Plugged;
pub use plugged::{IntoFactor, PluggedFactor};
pub(crate) use recovery::{RECOVERY_CODE, RecoveryFactor};
pub(crate) use state::State;
pub use totp::Totp;
pub(crate) use totp::{TOTP, imported_totp};

use crate::step::Shown;
use crate::{Answer, MessageError};

/// A way to prove who one is beside the password: an app, a printed card, a device.
///
/// A factor says only what is its own: what it gives the user, what it asks, whether an answer is right. The engine counts
/// attempts, spends once, keeps what enrolment and challenge hand over (sealed), and decides what the factor is worth.
///
/// ```
/// use async_trait::async_trait;
/// use countersign_mfa::{Answer, Challenge, Enrolled, Enrolment, Factor, FactorError, Method, Occasion, Prompt, Verdict};
/// use countersign_primitives::Amr;
///
/// #[derive(Debug)]
/// struct GridCard; // numbers on a printed card, sixteen cells of two digits
///
/// #[async_trait]
/// impl Factor for GridCard {
///     fn method(&self) -> Method {
///         Method::new("grid-card", "Grid card").amr([Amr::Otp])
///     }
///     async fn enrol(&self, at: &Occasion<'_>) -> Result<Enrolment, FactorError> {
///         let grid: Vec<u8> = at.random().array::<16>()?.iter().map(|byte| byte % 100).collect();
///         Enrolment::new(Prompt::text(format!("{grid:02?}")), &grid)
///     }
///     async fn challenge(&self, at: &Occasion<'_>, _: &Enrolled<'_>) -> Result<Challenge, FactorError> {
///         let cell = usize::from(at.random().array::<1>()?[0] % 16);
///         Challenge::new(Prompt::code(format!("Number in cell {}", cell + 1), 2), &cell)
///     }
///     async fn verify(
///         &self, _: &Occasion<'_>, enrolled: &Enrolled<'_>, challenge: &Challenge, answer: &Answer,
///     ) -> Result<Verdict, FactorError> {
///         let (grid, cell): (Vec<u8>, usize) = (enrolled.state()?, challenge.state()?);
///         let number = grid.get(cell).ok_or_else(|| FactorError::state("the card is too small"))?;
///         Ok(Verdict::when(answer.is_code(&format!("{number:02}")))) // in constant time
///     }
/// }
/// ```
#[async_trait]
pub trait Factor: Send + Sync + fmt::Debug {
    /// What it is called, and what a login with it is worth. Always the same.
    fn method(&self) -> Method;

    /// Where its messages go, if it sends any: what the user types before it is set up, and what the first code then shows to
    /// be theirs. `None` for a factor that needs neither number nor address.
    fn contact(&self) -> Option<Channel> {
        None
    }

    /// Who carries its messages, where it brings a sender of its own. One that was given to
    /// [`MfaBuilder::sender`](crate::MfaBuilder::sender) for the same channel comes first.
    fn sender(&self) -> Option<(Channel, Arc<dyn MessageSender>)> {
        None
    }

    /// Whether a number or address that the account has verified is enough for it, without anything being set up. It then keeps
    /// no state of its own. [`Policy::verified_contacts`](crate::Policy::verified_contacts) says whether it is used so.
    fn works_on_file(&self) -> bool {
        false
    }

    /// Makes what the user is given. It counts once an answer to a first challenge has proven that it arrived.
    ///
    /// # Errors
    /// When it cannot be made.
    async fn enrol(&self, at: &Occasion<'_>) -> Result<Enrolment, FactorError>;

    /// Makes what the user is asked this time.
    ///
    /// # Errors
    /// When it cannot be asked.
    async fn challenge(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>) -> Result<Challenge, FactorError>;

    /// Asks elsewhere, such as on a device, once a challenge that [asks](Challenge::asks) is stored. Called once for each. What
    /// comes of it is told to the user, who may ask anew; nobody gets on without an answer.
    ///
    /// # Errors
    /// [`AskError`] says what the user is told.
    async fn ask(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>, challenge: &Challenge) -> Result<(), AskError> {
        let _ = (at, enrolled, challenge);
        Ok(())
    }

    /// What the authenticator calls itself, once it is set up: the name of a device, which its user sees. Nothing by default.
    fn label(&self, enrolled: &Enrolled<'_>) -> Option<String> {
        let _ = enrolled;
        None
    }

    /// Whether the answer is right. Compares in constant time. A verdict with a new state is spent by the engine: of two
    /// requests that were judged by one state, one wins. Where a challenge [waits](Prompt::wait) for something that comes from
    /// elsewhere, the answer is [`Answer::Poll`] and the verdict is [`Verdict::pending`] until that has come.
    ///
    /// # Errors
    /// When it cannot be judged.
    async fn verify(
        &self,
        at: &Occasion<'_>,
        enrolled: &Enrolled<'_>,
        challenge: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError>;
}

#[async_trait]
impl<F: Factor + ?Sized> Factor for Box<F> {
    fn method(&self) -> Method {
        (**self).method()
    }
    fn contact(&self) -> Option<Channel> {
        (**self).contact()
    }
    fn sender(&self) -> Option<(Channel, Arc<dyn MessageSender>)> {
        (**self).sender()
    }
    fn works_on_file(&self) -> bool {
        (**self).works_on_file()
    }
    async fn enrol(&self, at: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        (**self).enrol(at).await
    }
    async fn challenge(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        (**self).challenge(at, enrolled).await
    }
    async fn ask(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>, challenge: &Challenge) -> Result<(), AskError> {
        (**self).ask(at, enrolled, challenge).await
    }
    fn label(&self, enrolled: &Enrolled<'_>) -> Option<String> {
        (**self).label(enrolled)
    }
    async fn verify(
        &self,
        at: &Occasion<'_>,
        enrolled: &Enrolled<'_>,
        challenge: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        (**self).verify(at, enrolled, challenge, answer).await
    }
}

/// What a user is shown.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Prompt {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Shown>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digits: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Shown>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) otpauth_uri: Option<Shown>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device_uri: Option<Shown>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wait: Option<Wait>,
    /// What the page passes to `navigator.credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) options: Option<serde_json::Value>,
}

/// The answer comes from elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wait {
    /// What is compared, or typed, over there.
    pub(crate) number: Option<Shown>,
    /// How often it may be asked whether the answer has come, in seconds.
    pub(crate) every: u64,
}

impl Prompt {
    /// Nothing but the field for the answer.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A text, such as what is printed on a card.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(Shown::new(text)), ..Self::default() }
    }

    /// A question whose answer is this many digits.
    #[must_use]
    pub fn code(text: impl Into<String>, digits: u8) -> Self {
        Self { digits: Some(digits), ..Self::text(text) }
    }

    /// The secret of an authenticator app: for typing, and as the URI that a QR code carries.
    #[must_use]
    pub fn authenticator_app(secret: impl Into<String>, otpauth_uri: impl Into<String>) -> Self {
        Self { secret: Some(Shown::new(secret)), otpauth_uri: Some(Shown::new(otpauth_uri)), ..Self::default() }
    }

    /// The URI that a device registers by, which a QR code carries. Whoever has it may register a device.
    #[must_use]
    pub fn device(uri: impl Into<String>) -> Self {
        Self { device_uri: Some(Shown::new(uri)), ..Self::default() }
    }

    /// The argument of `navigator.credentials.create()` or `.get()`.
    pub(crate) fn webauthn(options: &impl Serialize) -> Result<Self, FactorError> {
        let options = serde_json::to_value(options).map_err(FactorError::state)?;
        Ok(Self { options: Some(options), ..Self::default() })
    }

    /// The answer comes from elsewhere, such as a device that is asked: the user is shown this number to compare or type there,
    /// and the page asks once in `every` whether it has come.
    #[must_use]
    pub fn wait(number: impl Into<String>, every: Duration) -> Self {
        Self::none().waiting(Some(Shown::new(number)), every)
    }

    /// What is shown while something is set up whose answer comes from elsewhere: asks once in `every` whether it has come.
    #[must_use]
    pub fn polling(self, every: Duration) -> Self {
        self.waiting(None, every)
    }

    fn waiting(self, number: Option<Shown>, every: Duration) -> Self {
        Self { wait: Some(Wait { number, every: every.as_secs().max(1) }), ..self }
    }

    /// How many digits the answer has.
    #[must_use]
    pub fn digits(mut self, digits: u8) -> Self {
        self.digits = Some(digits);
        self
    }
}

/// What enrolment made: what the user is shown, and what the engine keeps, sealed.
#[derive(Debug)]
pub struct Enrolment {
    pub(crate) prompt: Prompt,
    pub(crate) state: State,
}

impl Enrolment {
    /// An enrolment of this state.
    ///
    /// # Errors
    /// When the state cannot be written out.
    pub fn new<T: Serialize + ?Sized>(prompt: Prompt, state: &T) -> Result<Self, FactorError> {
        Ok(Self { prompt, state: State::write(state)? })
    }
}

/// A factor as a user has it.
#[derive(Debug)]
pub struct Enrolled<'a> {
    pub(crate) state: &'a State,
    pub(crate) contact: Option<&'a str>,
}

impl Enrolled<'_> {
    /// Where its messages go, for a factor that has a [contact](Factor::contact): an E.164 number or a mail address.
    #[must_use]
    pub fn contact(&self) -> Option<&str> {
        self.contact
    }

    /// The state that enrolment, or the last verdict, left.
    ///
    /// # Errors
    /// When it is not of this type.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, FactorError> {
        self.state.read()
    }
}

/// Why a factor could not do its part. A wrong answer is no error but a [`Verdict`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FactorError {
    /// What was kept cannot be read or written.
    #[error("the factor's state cannot be used")]
    State(#[source] BoxError),
    /// What the factor rests on (a message service, a directory) does not answer.
    #[error("the factor is not available")]
    Unavailable(#[source] BoxError),
    /// It has no number or address to send to.
    #[error("the authenticator has no number or address")]
    NoContact,
    /// What it would send cannot be written.
    #[error("the message cannot be written")]
    Message(#[from] MessageError),
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl FactorError {
    /// What was kept makes no sense.
    pub fn state(error: impl Into<BoxError>) -> Self {
        Self::State(error.into())
    }

    /// What the factor rests on does not answer.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(error.into())
    }
}

/// Why nobody was asked elsewhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Not yet: as many questions were asked as may be.
    #[error("another question may not be asked yet")]
    TooSoon {
        /// When it may.
        retry_after: Duration,
    },
    /// The question was not taken by whoever carries it.
    #[error("the question was not taken")]
    Send(#[from] SendError),
    /// The factor failed.
    #[error(transparent)]
    Factor(#[from] FactorError),
}

/// Two codes in a row, if that is what was typed: as many digits as both have (RFC 4226 §7.4).
fn in_a_row(code: &str, digits: Digits) -> Option<(&str, &str)> {
    let one = usize::from(digits.get());
    code.split_at_checked(one).filter(|(_, second)| second.len() == one)
}
