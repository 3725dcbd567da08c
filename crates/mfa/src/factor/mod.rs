//! Second factors: one trait, and those of the kit.

mod hotp;
mod kind;
mod recovery;
mod state;
mod totp;

use std::fmt;

use async_trait::async_trait;
use countersign_mfa_otp::Digits;
use countersign_primitives::{BoxError, Random, RandomError, Subject, UnixTime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use hotp::Hotp;
pub(crate) use hotp::{HOTP, imported_hotp};
pub use kind::{Kind, Kinds, Method};
pub(crate) use recovery::{RECOVERY_CODE, RecoveryFactor};
pub(crate) use state::State;
pub use totp::Totp;
pub(crate) use totp::{TOTP, imported_totp};

use crate::Answer;
use crate::step::Shown;

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

    /// Whether the answer is right. Compares in constant time. A verdict with a new state is spent by the engine: of two
    /// requests that were judged by one state, one wins.
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
    async fn enrol(&self, at: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        (**self).enrol(at).await
    }
    async fn challenge(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        (**self).challenge(at, enrolled).await
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

/// When and for whom a factor is asked something.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    pub(crate) now: UnixTime,
    pub(crate) subject: &'a Subject,
    pub(crate) account: &'a str,
    pub(crate) random: &'a dyn Random,
}

impl<'a> Occasion<'a> {
    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// Whose factor it is.
    #[must_use]
    pub fn subject(&self) -> &'a Subject {
        self.subject
    }

    /// The name that the user knows the account by.
    #[must_use]
    pub fn account(&self) -> &'a str {
        self.account
    }

    /// Where randomness comes from.
    #[must_use]
    pub fn random(&self) -> &'a dyn Random {
        self.random
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
}

impl Enrolled<'_> {
    /// The state that enrolment, or the last verdict, left.
    ///
    /// # Errors
    /// When it is not of this type.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, FactorError> {
        self.state.read()
    }
}

/// What a user is asked this time: what is shown, and what the engine keeps until the answer comes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Challenge {
    pub(crate) prompt: Prompt,
    pub(crate) state: State,
}

impl Challenge {
    /// A challenge of this state.
    ///
    /// # Errors
    /// When the state cannot be written out.
    pub fn new<T: Serialize + ?Sized>(prompt: Prompt, state: &T) -> Result<Self, FactorError> {
        Ok(Self { prompt, state: State::write(state)? })
    }

    /// A challenge that keeps nothing: the answer is judged by what was enrolled.
    #[must_use]
    pub fn plain(prompt: Prompt) -> Self {
        Self { prompt, state: State::default() }
    }

    /// What the challenge keeps.
    ///
    /// # Errors
    /// When it is not of this type.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, FactorError> {
        self.state.read()
    }
}

/// Whether an answer is right. A rejected one carries nothing.
#[derive(Debug)]
#[must_use]
pub struct Verdict(pub(crate) Option<Option<State>>);

impl Verdict {
    /// It is right.
    pub fn accepted() -> Self {
        Self(Some(None))
    }

    /// It is wrong.
    pub fn rejected() -> Self {
        Self(None)
    }

    /// Right or wrong, as `right` says.
    pub fn when(right: bool) -> Self {
        if right { Self::accepted() } else { Self::rejected() }
    }

    /// It is right, and spends something: from now on the factor's state is this.
    ///
    /// # Errors
    /// When the state cannot be written out.
    pub fn spending<T: Serialize + ?Sized>(state: &T) -> Result<Self, FactorError> {
        Ok(Self(Some(Some(State::write(state)?))))
    }

    /// Whether it is right.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.0.is_some()
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

/// Two codes in a row, if that is what was typed: as many digits as both have (RFC 4226 §7.4).
fn in_a_row(code: &str, digits: Digits) -> Option<(&str, &str)> {
    let one = usize::from(digits.get());
    code.split_at_checked(one).filter(|(_, second)| second.len() == one)
}
