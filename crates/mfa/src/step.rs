//! What a login shows next: the same in Rust, in JSON and behind the default pages.

use std::fmt;

use countersign_primitives::{SecretString, SignedIn, UnixTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::BrowserMarks;

/// A secret on its way to the one user who is meant to see it: a TOTP seed, a recovery code. Redacted in `Debug` and wiped when
/// dropped; serialising it shows it.
pub struct Shown(SecretString);

impl Shown {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(SecretString::new(text))
    }

    /// The text. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl Clone for Shown {
    fn clone(&self) -> Self {
        Self::new(self.expose())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(..)")
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// What a login shows next.
///
/// As JSON it is the body that a front end reads, its member `step` saying which one it is.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// A user name and a password.
    Password(PasswordStep),
    /// One of several ways to go on.
    Choose(ChooseStep),
    /// A code of an authenticator.
    Code(CodeStep),
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
}

/// A user name and a password are asked for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PasswordStep {
    /// The name to begin with, where one is known.
    pub login_hint: Option<String>,
    /// Other ways to begin.
    pub or: Vec<Way>,
    /// What was wrong with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// One of several ways is to be chosen.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChooseStep {
    /// The ways.
    pub authenticators: Vec<Way>,
    /// What was wrong with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// A code is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct CodeStep {
    /// The method: `totp`, `recovery_code`, or a host's own.
    #[serde(rename = "type")]
    pub method: String,
    /// How many digits it has, where it has digits.
    pub digits: Option<u8>,
    /// What the method says to the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Shown>,
    /// The name that the user gave the authenticator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Other ways.
    pub or: Vec<Way>,
    /// What was wrong with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// A factor is set up.
#[derive(Debug, Clone, Serialize)]
pub struct EnrolStep {
    /// The method: `totp`, or a host's own.
    #[serde(rename = "type")]
    pub method: String,
    /// The secret for typing, in groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Shown>,
    /// The URI that a QR code carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otpauth_uri: Option<Shown>,
    /// What the method gives the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Shown>,
    /// What the method asks the user, to prove that it arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Shown>,
    /// How many digits the answer has, where it has digits.
    pub digits: Option<u8>,
    /// The name that the user knows the account by.
    pub account: String,
    /// Other methods that may be set up instead.
    pub or: Vec<Way>,
    /// What was wrong with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// Recovery codes are shown, this once.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveryCodesStep {
    /// The codes.
    pub codes: Vec<Shown>,
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
            Self::Choose(_) => "choose",
            Self::Code(_) => "code",
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
            Self::Choose(step) => step.error,
            Self::Code(step) => step.error,
            Self::Enrol(step) => step.error,
            Self::RecoveryCodes(_) | Self::Done(_) | Self::Refused(_) => None,
        }
    }

    /// The same step, saying what was wrong.
    #[must_use]
    pub fn with_error(mut self, error: StepError) -> Self {
        match &mut self {
            Self::Password(step) => step.error = Some(error),
            Self::Choose(step) => step.error = Some(error),
            Self::Code(step) => step.error = Some(error),
            Self::Enrol(step) => step.error = Some(error),
            Self::RecoveryCodes(_) | Self::Done(_) | Self::Refused(_) => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_is_the_json_that_front_ends_read() {
        let way = Way { id: "totp|dev_1".into(), method: "totp".into(), name: "App".into(), label: None };
        let step = Step::Choose(ChooseStep { authenticators: vec![way], error: None });
        assert_eq!(
            serde_json::to_value(&step).unwrap(),
            json!({"step": "choose", "authenticators": [{"id": "totp|dev_1", "type": "totp", "name": "App"}]})
        );
        let code = CodeStep {
            method: "totp".into(),
            digits: Some(6),
            text: None,
            label: None,
            or: Vec::new(),
            error: Some(StepError::WrongCode),
        };
        assert_eq!(
            serde_json::to_value(Step::Code(code)).unwrap(),
            json!({"step": "code", "type": "totp", "digits": 6, "or": [], "error": "wrong_code"})
        );
    }

    #[test]
    fn promise_4_debug_output_of_a_step_shows_no_secret() {
        let step = Step::RecoveryCodes(RecoveryCodesStep { codes: vec![Shown::new("abcd-efgh")] });
        assert!(!format!("{step:?}").contains("abcd"));
    }

    #[test]
    fn codes_in_json_are_those_that_rust_names() {
        for error in [StepError::WrongPassword, StepError::WrongCode, StepError::NoSuchChoice, StepError::Throttled] {
            assert_eq!(serde_json::to_value(error).unwrap(), error.code());
        }
        for reason in [RefusedReason::UnmetAuthenticationRequirements, RefusedReason::AccessDenied] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
        }
    }
}
