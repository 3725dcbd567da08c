//! What each step shows.

use countersign_outbound::Channel;
use countersign_primitives::UnixTime;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Shown, StepError, Way};
use crate::login::gate::INVITATION;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A user name and a password are asked for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PasswordStep {
    /// The name to begin with, where one is known.
    pub login_hint: Option<String>,
    /// The argument of `navigator.credentials.get()` for whoever has a passkey, where one says who signs in: with
    /// `mediation: "conditional"` beside the field of the user name, or by a button. The answer is
    /// [`Answer::Webauthn`](crate::Answer::Webauthn).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
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
    /// The argument of `navigator.credentials.get()` for whoever has a passkey, where one says who signs in: with
    /// `mediation: "conditional"` beside the field of the user name, or by a button. The answer is
    /// [`Answer::Webauthn`](crate::Answer::Webauthn).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
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
    /// Whether the browser can be remembered with the answer, so that it is not asked for a second factor for a while.
    #[serde(skip_serializing_if = "is_false")]
    pub may_remember_device: bool,
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
            may_remember_device: false,
            or: Vec::new(),
            error: None,
        }
    }
}

/// A passkey or a security key is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct WebauthnStep {
    /// The method: `passkey` or `security_key`.
    #[serde(rename = "type")]
    pub method: String,
    /// The argument of `navigator.credentials.get()`: its member `publicKey` goes through
    /// `PublicKeyCredential.parseRequestOptionsFromJSON()`.
    pub options: Value,
    /// Whether the browser can be remembered with the answer, so that it is not asked for a second factor for a while.
    #[serde(skip_serializing_if = "is_false")]
    pub may_remember_device: bool,
    /// Other ways.
    pub or: Vec<Way>,
    /// What was wrong with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
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
    /// Whether the browser can be remembered with the answer, by [`Answer::RememberDevice`](crate::Answer::RememberDevice).
    #[serde(skip_serializing_if = "is_false")]
    pub may_remember_device: bool,
    /// It will be, as the user asked.
    #[serde(skip_serializing_if = "is_false")]
    pub remembers_device: bool,
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
    /// The argument of `navigator.credentials.create()`, for a passkey or a security key: its member `publicKey` goes through
    /// `PublicKeyCredential.parseCreationOptionsFromJSON()`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
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
