//! What a login shows next: the same in Rust, in JSON and behind the default pages.

mod bodies;
mod shown;
#[cfg(test)]
mod tests;

use std::time::Duration;

use countersign_primitives::{SignedIn, UnixTime};
use serde::Serialize;

pub use bodies::{
    ChooseStep, CodeStep, ContactStep, EnrolStep, MagicLinkStep, PasswordStep, RecoveryCodesStep, WaitStep,
    WebauthnStep,
};
pub use shown::Shown;

use crate::BrowserMarks;

/// What a login shows next.
///
/// As JSON it is the body that a front end reads, its member `step` saying which one it is.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// A user name and a password.
    Password(PasswordStep),
    /// A user name, to which a link is sent that signs in; or the link itself.
    MagicLink(MagicLinkStep),
    /// One of several ways to go on.
    Choose(ChooseStep),
    /// A code of an authenticator.
    Code(CodeStep),
    /// A passkey or a security key.
    Webauthn(WebauthnStep),
    /// The answer comes from elsewhere, such as a device that was asked.
    Wait(WaitStep),
    /// Where the messages of a factor go that is being set up.
    Contact(ContactStep),
    /// A factor to set up, and a first code that proves it.
    Enrol(EnrolStep),
    /// Recovery codes to keep; going on says that they are kept.
    RecoveryCodes(RecoveryCodesStep),
    /// What was asked is proven.
    Done(Done),
    /// The login cannot reach what is asked of it.
    Refused(Refused),
}

/// What was wrong with the last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepError {
    /// User name or password; which of them is not said.
    WrongPassword,
    /// The code, or it was used before.
    WrongCode,
    /// Nothing of that name can be chosen.
    NoSuchChoice,
    /// Too many attempts; the answer was not looked at.
    Throttled,
    /// This challenge takes no more answers; another one does.
    AttemptsSpent,
    /// This challenge has had its time; another one has its own.
    CodeExpired,
    /// Not a phone number or mail address that can be used.
    InvalidContact,
    /// The last message is not long ago; this one was not sent.
    TooSoon,
    /// Nobody can be reached there; another way may do.
    Unreachable,
    /// The message could not be sent. It can be asked for again.
    NotSent,
    /// Whoever was asked elsewhere said no.
    Denied,
    /// What the passkey or security key signed; which check failed is not said. Another question stands in place of the one that it
    /// answered.
    NotAccepted,
    /// The link was used, is too old, or is another login's; which of them is not said.
    LinkDead,
}

impl StepError {
    /// The code in JSON and in the data of a screen.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong_password",
            Self::WrongCode => "wrong_code",
            Self::NoSuchChoice => "no_such_choice",
            Self::Throttled => "throttled",
            Self::AttemptsSpent => "attempts_spent",
            Self::CodeExpired => "code_expired",
            Self::InvalidContact => "invalid_contact",
            Self::TooSoon => "too_soon",
            Self::Unreachable => "unreachable",
            Self::NotSent => "not_sent",
            Self::Denied => "denied",
            Self::NotAccepted => "not_accepted",
            Self::LinkDead => "link_dead",
        }
    }
}

/// A way to go on: an authenticator, or something to set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// What an answer names to choose it.
    pub id: String,
    /// The method: `totp`, `recovery_code`, or a host's own.
    #[serde(rename = "type")]
    pub method: String,
    /// The method's title.
    pub name: String,
    /// The name that the user gave the authenticator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where its messages go, with most of it hidden: `a***@example.com`, `+49…23`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// What was asked is proven.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    /// Who is signed in, since when and how.
    pub signed_in: SignedIn,
    /// When the login was done; the same however often it is read.
    #[serde(skip)]
    pub at: UnixTime,
    /// What the browser keeps in a cookie for a year, so that it is known at the next login ([`BrowserMarks`]).
    #[serde(skip)]
    pub marks: BrowserMarks,
}

/// The login cannot reach what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Why.
    #[serde(rename = "error")]
    pub reason: RefusedReason,
}

/// Why a login cannot reach what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusedReason {
    /// No factor that the user has, or may set up now, reaches what is required (OpenID Connect Core Error Code
    /// `unmet_authentication_requirements` 1.0).
    UnmetAuthenticationRequirements,
    /// The account was barred meanwhile.
    AccessDenied,
}

impl RefusedReason {
    /// The error code, as a client is told.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::AccessDenied => "access_denied",
        }
    }
}

impl Step {
    /// The name of the step: `step` in JSON, and the name of its screen.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::MagicLink(_) => "magic_link",
            Self::Choose(_) => "choose",
            Self::Code(_) => "code",
            Self::Webauthn(_) => "webauthn",
            Self::Wait(_) => "wait",
            Self::Contact(_) => "contact",
            Self::Enrol(_) => "enrol",
            Self::RecoveryCodes(_) => "recovery_codes",
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
        }
    }

    /// What was wrong with the last answer.
    #[must_use]
    pub const fn error(&self) -> Option<StepError> {
        match self {
            Self::Password(step) => step.error,
            Self::MagicLink(step) => step.error,
            Self::Choose(step) => step.error,
            Self::Code(step) => step.error,
            Self::Webauthn(step) => step.error,
            Self::Wait(step) => step.error,
            Self::Contact(step) => step.error,
            Self::Enrol(step) => step.error,
            Self::RecoveryCodes(_) | Self::Done(_) | Self::Refused(_) => None,
        }
    }

    /// The same step, saying what was wrong.
    #[must_use]
    pub fn with_error(mut self, error: StepError) -> Self {
        match &mut self {
            Self::Password(step) => step.error = Some(error),
            Self::MagicLink(step) => step.error = Some(error),
            Self::Choose(step) => step.error = Some(error),
            Self::Code(step) => step.error = Some(error),
            Self::Webauthn(step) => step.error = Some(error),
            Self::Wait(step) => step.error = Some(error),
            Self::Contact(step) => step.error = Some(error),
            Self::Enrol(step) => step.error = Some(error),
            Self::RecoveryCodes(_) | Self::Done(_) | Self::Refused(_) => {}
        }
        self
    }

    /// For so many seconds no other message can be asked for, where that is known.
    #[must_use]
    pub const fn resend_in(&self) -> Option<u64> {
        match self {
            Self::Code(step) => step.resend_in,
            Self::Wait(step) => step.resend_in,
            Self::Enrol(step) => step.resend_in,
            _ => None,
        }
    }

    /// The same step, saying how long it takes until another message can be asked for.
    pub(crate) fn with_resend_in(mut self, wait: Duration) -> Self {
        let seconds = Some(wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX));
        match &mut self {
            Self::Code(step) => step.resend_in = seconds,
            Self::Wait(step) => step.resend_in = seconds,
            Self::Enrol(step) => step.resend_in = seconds,
            _ => {}
        }
        self
    }
}
