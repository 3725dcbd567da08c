//! What a login shows next: the same in Rust, in JSON and behind the default pages.

use std::fmt;
use std::time::Duration;

use countersign_outbound::Channel;
use countersign_primitives::{SecretString, SignedIn, UnixTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::BrowserMarks;
use crate::login::gate::INVITATION;

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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(value: &bool) -> bool {
    !value
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
    /// A user name, to which a link is sent that signs in; or the link itself.
    MagicLink(MagicLinkStep),
    /// One of several ways to go on.
    Choose(ChooseStep),
    /// A code of an authenticator.
    Code(CodeStep),
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

/// A user name and a password are asked for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PasswordStep {
    /// The name to begin with, where one is known.
    pub login_hint: Option<String>,
    /// Other ways to begin.
    pub or: Vec<Way>,
    /// Whether a new password can be asked for by mail.
    #[serde(skip_serializing_if = "is_false")]
    pub may_reset: bool,
    /// What was wrong with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// A user name is asked for, to whose address a link is sent; once it was, the link.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MagicLinkStep {
    /// The name to begin with, where one is known.
    pub login_hint: Option<String>,
    /// A link was asked for. Whether there is an account that it was sent to is not said.
    pub sent: bool,
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
    /// The user may put off setting one up ([`Answer::Skip`](crate::Answer::Skip)), until this time; in JSON in seconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub skip_until: Option<UnixTime>,
    /// What was wrong with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// A code is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct CodeStep {
    /// The method: `totp`, `recovery_code`, a host's own; or `invitation`, which opens the way to set one up.
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
    /// Where the code was sent, with most of it hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whether it can be sent again.
    #[serde(skip_serializing_if = "is_false")]
    pub may_resend: bool,
    /// For so many seconds it cannot, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resend_in: Option<u64>,
    /// Other ways.
    pub or: Vec<Way>,
    /// What was wrong with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

impl CodeStep {
    /// The code of an invitation is asked for.
    pub(crate) fn of_invitation() -> Self {
        Self {
            method: INVITATION.to_owned(),
            digits: None,
            text: None,
            label: None,
            to: None,
            may_resend: false,
            resend_in: None,
            or: Vec::new(),
            error: None,
        }
    }
}

/// The answer comes from elsewhere. The page asks for it by [`Answer::Poll`](crate::Answer::Poll).
#[derive(Debug, Clone, Serialize)]
pub struct WaitStep {
    /// The method: `push`, or a host's own.
    #[serde(rename = "type")]
    pub method: String,
    /// What the user compares or types over there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Shown>,
    /// What the method says to the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Shown>,
    /// The name that the user gave the authenticator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How often to ask, in seconds.
    pub poll_every: u64,
    /// Whether it can be asked anew.
    #[serde(skip_serializing_if = "is_false")]
    pub may_resend: bool,
    /// For so many seconds it cannot, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resend_in: Option<u64>,
    /// Other ways.
    pub or: Vec<Way>,
    /// What was wrong with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// A phone number or mail address is asked for, where the messages of a factor go that is being set up.
#[derive(Debug, Clone, Serialize)]
pub struct ContactStep {
    /// The method: `sms`, `voice`, `email`, or a host's own.
    #[serde(rename = "type")]
    pub method: String,
    /// What is asked for: a mail address for `email`, a phone number for the others.
    pub channel: Channel,
    /// Other methods that may be set up instead.
    pub or: Vec<Way>,
    /// The user may put it off ([`Answer::Skip`](crate::Answer::Skip)), until this time; in JSON in seconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub skip_until: Option<UnixTime>,
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
    /// The URI that a device registers by, which a QR code carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_uri: Option<Shown>,
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
    /// Where the first code was sent, with most of it hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whether it can be sent again.
    #[serde(skip_serializing_if = "is_false")]
    pub may_resend: bool,
    /// For so many seconds it cannot, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resend_in: Option<u64>,
    /// How often to ask whether the answer has come, in seconds, where it comes from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_every: Option<u64>,
    /// Other methods that may be set up instead.
    pub or: Vec<Way>,
    /// The user may put it off ([`Answer::Skip`](crate::Answer::Skip)), until this time; in JSON in seconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub skip_until: Option<UnixTime>,
    /// What was wrong with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
fn seconds<S: Serializer>(time: &Option<UnixTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(UnixTime::as_secs).serialize(serializer)
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
            Self::MagicLink(_) => "magic_link",
            Self::Choose(_) => "choose",
            Self::Code(_) => "code",
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_is_the_json_that_front_ends_read() {
        let way = Way { id: "totp|dev_1".into(), method: "totp".into(), name: "App".into(), label: None, to: None };
        let step = Step::Choose(ChooseStep { authenticators: vec![way], ..ChooseStep::default() });
        assert_eq!(
            serde_json::to_value(&step).unwrap(),
            json!({"step": "choose", "authenticators": [{"id": "totp|dev_1", "type": "totp", "name": "App"}]})
        );
        let code = CodeStep {
            method: "totp".into(),
            digits: Some(6),
            text: None,
            label: None,
            to: Some("+49…23".into()),
            may_resend: true,
            resend_in: None,
            or: Vec::new(),
            error: Some(StepError::WrongCode),
        };
        assert_eq!(
            serde_json::to_value(Step::Code(code)).unwrap(),
            json!({
                "step": "code", "type": "totp", "digits": 6, "to": "+49…23", "may_resend": true, "or": [],
                "error": "wrong_code",
            })
        );
    }

    #[test]
    fn promise_4_debug_output_of_a_step_shows_no_secret() {
        let step = Step::RecoveryCodes(RecoveryCodesStep { codes: vec![Shown::new("abcd-efgh")] });
        assert!(!format!("{step:?}").contains("abcd"));
    }

    #[test]
    fn codes_in_json_are_those_that_rust_names() {
        for error in [
            StepError::WrongPassword,
            StepError::WrongCode,
            StepError::NoSuchChoice,
            StepError::Throttled,
            StepError::AttemptsSpent,
            StepError::CodeExpired,
            StepError::InvalidContact,
            StepError::TooSoon,
            StepError::Unreachable,
            StepError::NotSent,
            StepError::Denied,
            StepError::LinkDead,
        ] {
            assert_eq!(serde_json::to_value(error).unwrap(), error.code());
        }
        for reason in [RefusedReason::UnmetAuthenticationRequirements, RefusedReason::AccessDenied] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
        }
    }
}
