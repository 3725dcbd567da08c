//! What a user did: the same in Rust, in JSON and in a form.

mod body;
#[cfg(test)]
mod tests;

use countersign_primitives::SecretString;
use subtle::ConstantTimeEq;

use body::{Body, Response};

use crate::step::Shown;

/// What a user did at a [`Step`](crate::Step).
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// Typed a user name and a password.
    Password {
        /// The user name.
        login: String,
        /// The password.
        password: SecretString,
    },
    /// Asked for a link that signs in.
    SendLink {
        /// The user name.
        login: String,
    },
    /// Opened the link, and said that it is to sign in.
    MagicLink {
        /// The link: the value of its parameter `link`.
        link: SecretString,
    },
    /// Chose a way.
    Choose {
        /// The [`Way::id`](crate::Way::id).
        id: String,
    },
    /// Typed a code.
    Code {
        /// The code.
        code: SecretString,
        /// Whether this browser is to be remembered.
        remember: bool,
    },
    /// Typed the first code of what was set up.
    Enrol {
        /// The code.
        code: SecretString,
    },
    /// Had a passkey or security key answer.
    Webauthn {
        /// What the browser gave: `credential.toJSON()`, as text.
        response: SecretString,
        /// Whether this browser is to be remembered.
        remember: bool,
    },
    /// Typed the phone number or mail address of what is being set up.
    Contact {
        /// The number or address.
        to: String,
    },
    /// Asked for the message, or the question to a device, once more.
    Resend,
    /// Asked whether an answer has come that comes from elsewhere.
    Poll,
    /// Asked that this browser be remembered once the answer has come from elsewhere, which itself can say nothing of it.
    RememberDevice,
    /// Kept the recovery codes.
    RecoveryCodes,
    /// Put off setting up a factor, where that is offered.
    Skip,
    /// Decided what a client may have; for the authorization server, not for a login.
    Consent(ConsentAnswer),
}

/// What a user decided about a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentAnswer {
    /// All that was asked for.
    AllowAll,
    /// These scopes alone.
    Allow(Vec<String>),
    /// Nothing.
    Deny,
}

/// An answer as it came from a browser, with the anti-forgery value that the host checks before it passes the answer on.
#[derive(Debug)]
pub struct Submission {
    /// The answer.
    pub answer: Answer,
    /// The value of the member or field `csrf`.
    pub csrf: Option<SecretString>,
}

impl Answer {
    /// The longest user name, in bytes.
    pub const MAX_LOGIN: usize = 320;
    /// The longest password, in bytes: more than anybody types, less than would make hashing costly.
    pub const MAX_PASSWORD: usize = 1_024;
    /// The longest code, in bytes.
    pub const MAX_CODE: usize = 256;
    /// The longest id of a way, scope, or anti-forgery value, in bytes.
    pub const MAX_TEXT: usize = 512;
    /// The most scopes in a consent.
    pub const MAX_SCOPES: usize = 100;
    /// The largest body, in bytes.
    pub const MAX_BODY: usize = 64 * 1_024;

    /// A typed code.
    #[must_use]
    pub fn code(code: impl Into<String>) -> Self {
        Self::Code { code: SecretString::new(code), remember: false }
    }

    /// A user name and a password.
    #[must_use]
    pub fn password(login: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Password { login: login.into(), password: SecretString::new(password) }
    }

    /// The way of this id.
    #[must_use]
    pub fn choose(id: impl Into<String>) -> Self {
        Self::Choose { id: id.into() }
    }

    /// The first code of what was set up.
    #[must_use]
    pub fn enrol(code: impl Into<String>) -> Self {
        Self::Enrol { code: SecretString::new(code) }
    }

    /// What a passkey or security key answered, as JSON text.
    #[must_use]
    pub fn webauthn(response: impl Into<String>) -> Self {
        Self::Webauthn { response: SecretString::new(response), remember: false }
    }

    /// The phone number or mail address of what is being set up.
    #[must_use]
    pub fn contact(to: impl Into<String>) -> Self {
        Self::Contact { to: to.into() }
    }

    /// A link to this user's address is asked for.
    #[must_use]
    pub fn send_link(login: impl Into<String>) -> Self {
        Self::SendLink { login: login.into() }
    }

    /// A link that was sent.
    #[must_use]
    pub fn magic_link(link: impl Into<String>) -> Self {
        Self::MagicLink { link: SecretString::new(link) }
    }

    /// The text of the code, where the answer is one.
    #[must_use]
    pub fn code_text(&self) -> Option<&str> {
        match self {
            Self::Code { code, .. } | Self::Enrol { code } => Some(code.expose()),
            _ => None,
        }
    }

    /// What tells this answer from others to the same question.
    pub(crate) fn proof(&self) -> &str {
        match self {
            Self::Webauthn { response, .. } => response.expose(),
            answer => answer.code_text().unwrap_or_default(),
        }
    }

    /// Whether the browser is to be remembered with it.
    pub(crate) fn remembers(&self) -> bool {
        matches!(self, Self::Code { remember: true, .. } | Self::Webauthn { remember: true, .. })
    }

    /// Whether the answer is exactly this code, white space around it aside. Constant time for codes of equal length.
    #[must_use]
    pub fn is_code(&self, expected: &str) -> bool {
        self.code_text().is_some_and(|code| code.trim().as_bytes().ct_eq(expected.as_bytes()).into())
    }

    /// Reads a JSON body: one object, whose members are those of the answer, each once, and `csrf`.
    ///
    /// ```
    /// use countersign_mfa::Answer;
    ///
    /// let body = br#"{"answer":"code","code":"492039","csrf":"x"}"#;
    /// assert!(Answer::from_json(body).is_ok_and(|sent| sent.answer.is_code("492039")));
    /// assert!(Answer::from_json(br#"{"answer":"code","code":"1","code":"2"}"#).is_err());
    /// ```
    ///
    /// # Errors
    /// [`AnswerError`] says what is wrong.
    pub fn from_json(body: &[u8]) -> Result<Submission, AnswerError> {
        if body.len() > Self::MAX_BODY {
            return Err(AnswerError::TooLong("body"));
        }
        let body: Body = serde_json::from_slice(body).map_err(|_| AnswerError::Malformed)?;
        body.read()
    }

    /// Reads a form, given as its decoded pairs. `answer` names the kind of answer, `other` or `authenticator` is the value of
    /// the button that chose a way; an `other` of `resend`, `poll` or `remember_device` is that answer.
    ///
    /// # Errors
    /// [`AnswerError`] says what is wrong.
    pub fn from_form<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Submission, AnswerError>
    where
        K: AsRef<str>,
        V: Into<String>,
    {
        let mut body = Body::default();
        let mut other = None;
        let mut decision = None;
        let mut skip = false;
        for (name, value) in pairs {
            let value = Shown::new(value);
            let place = match name.as_ref() {
                "answer" => &mut body.answer,
                "username" => &mut body.login,
                "password" => &mut body.password,
                "link" => &mut body.link,
                "response" => {
                    if body.response.replace(Response(value)).is_some() {
                        return Err(AnswerError::Repeated);
                    }
                    continue;
                }
                "code" => &mut body.code,
                "authenticator" => &mut body.id,
                "to" => &mut body.to,
                "other" => &mut other,
                "decision" => &mut decision,
                "csrf" => &mut body.csrf,
                "remember_device" => {
                    body.remember = Some(true);
                    continue;
                }
                "skip" => {
                    skip = true;
                    continue;
                }
                "scope" => {
                    let scopes = value.expose().split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned);
                    body.allow.get_or_insert_default().extend(scopes);
                    continue;
                }
                _ => return Err(AnswerError::Unknown),
            };
            if place.replace(value).is_some() {
                return Err(AnswerError::Repeated);
            }
        }
        if skip {
            // The button stands in the form of what is put off, whose fields are sent along and mean nothing.
            body = Body { answer: Some(Shown::new("skip")), csrf: body.csrf, ..Body::default() };
            (other, decision) = (None, None);
        }
        body.of_form(other, decision.as_ref().map(Shown::expose))?.read()
    }
}

/// Why a body is no answer. None of them quotes the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not the JSON of an answer: another shape, a member twice, or one that no answer has.
    #[error("the body is not an answer")]
    Malformed,
    /// No such answer, or a member that belongs to another.
    #[error("an unknown answer, or a member that does not belong to it")]
    Unknown,
    /// A field stands there twice.
    #[error("a field is repeated")]
    Repeated,
    /// A member is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member is too long.
    #[error("{0} is too long")]
    TooLong(&'static str),
}
