//! The members of an answer as they travel.

use std::fmt;

use countersign_primitives::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Answer, AnswerError, ConsentAnswer, Submission};
use crate::step::Shown;

/// What a passkey or security key answered, as JSON text: in JSON the object itself, or its text.
pub(super) struct Response(pub(super) Shown);

impl<'de> Deserialize<'de> for Response {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Shown::new(match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            object => object.to_string(),
        })))
    }
}

/// The members of all answers; which of them belong together is checked by [`Body::read`].
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    pub(super) answer: Option<Shown>,
    pub(super) login: Option<Shown>,
    pub(super) password: Option<Shown>,
    pub(super) link: Option<Shown>,
    pub(super) response: Option<Response>,
    pub(super) id: Option<Shown>,
    pub(super) code: Option<Shown>,
    pub(super) remember: Option<bool>,
    pub(super) to: Option<Shown>,
    pub(super) allow: Option<Vec<String>>,
    pub(super) csrf: Option<Shown>,
}

impl Body {
    /// Turns what only forms can say into what JSON says.
    pub(super) fn of_form(mut self, other: Option<Shown>, decision: Option<&str>) -> Result<Self, AnswerError> {
        if let Some(id) = other {
            // The button of another way stands in the form of this one, whose fields are sent along and mean nothing.
            let csrf = self.csrf;
            return Ok(match id.expose() {
                "resend" | "poll" | "remember_device" => Self { answer: Some(id), csrf, ..Self::default() },
                _ => Self { answer: Some(Shown::new("choose")), id: Some(id), csrf, ..Self::default() },
            });
        }
        if self.answer.is_none() && self.id.is_some() {
            self.answer = Some(Shown::new("choose"));
        }
        match decision {
            None => {}
            Some("allow") => self.answer = self.answer.filter(is_consent).or(Some(Shown::new("consent"))),
            Some("deny") => {
                self.answer = Some(Shown::new("consent"));
                self.allow = Some(Vec::new());
            }
            Some(_) => return Err(AnswerError::Malformed),
        }
        if decision.is_none() && self.answer.as_ref().is_some_and(is_consent) {
            return Err(AnswerError::Missing("decision"));
        }
        Ok(self)
    }

    pub(super) fn read(self) -> Result<Submission, AnswerError> {
        let kind = self.answer.as_ref().map(Shown::expose).ok_or(AnswerError::Missing("answer"))?;
        let belongs: &[&str] = match kind {
            "password" => &["login", "password"],
            "send_link" => &["login"],
            "magic_link" => &["link"],
            "choose" => &["id"],
            "code" => &["code", "remember"],
            "enrol" => &["code"],
            "webauthn" => &["response", "remember"],
            "contact" => &["to"],
            "resend" | "poll" | "remember_device" | "recovery_codes" | "skip" => &[],
            "consent" => &["allow"],
            _ => return Err(AnswerError::Unknown),
        };
        if self.present().any(|member| !belongs.contains(&member)) {
            return Err(AnswerError::Unknown);
        }
        let answer = match kind {
            "password" => Answer::Password {
                login: text(self.login, "login", Answer::MAX_LOGIN)?.expose().to_owned(),
                password: secret(self.password, "password", Answer::MAX_PASSWORD)?,
            },
            "send_link" => {
                Answer::SendLink { login: text(self.login, "login", Answer::MAX_LOGIN)?.expose().to_owned() }
            }
            "magic_link" => Answer::MagicLink { link: secret(self.link, "link", Answer::MAX_TEXT)? },
            "choose" => Answer::Choose { id: text(self.id, "id", Answer::MAX_TEXT)?.expose().to_owned() },
            "code" => Answer::Code {
                code: secret(self.code, "code", Answer::MAX_CODE)?,
                remember: self.remember.unwrap_or(false),
            },
            "enrol" => Answer::Enrol { code: secret(self.code, "code", Answer::MAX_CODE)? },
            "webauthn" => Answer::Webauthn {
                response: secret(self.response.map(|response| response.0), "response", Answer::MAX_BODY)?,
                remember: self.remember.unwrap_or(false),
            },
            "contact" => Answer::Contact { to: text(self.to, "to", Answer::MAX_LOGIN)?.expose().to_owned() },
            "resend" => Answer::Resend,
            "poll" => Answer::Poll,
            "remember_device" => Answer::RememberDevice,
            "recovery_codes" => Answer::RecoveryCodes,
            "skip" => Answer::Skip,
            _ => Answer::Consent(consent(self.allow)?),
        };
        let csrf = self.csrf.map(|csrf| secret(Some(csrf), "csrf", Answer::MAX_TEXT)).transpose()?;
        Ok(Submission { answer, csrf })
    }

    fn present(&self) -> impl Iterator<Item = &'static str> {
        [
            ("login", self.login.is_some()),
            ("password", self.password.is_some()),
            ("link", self.link.is_some()),
            ("response", self.response.is_some()),
            ("id", self.id.is_some()),
            ("code", self.code.is_some()),
            ("remember", self.remember.is_some()),
            ("to", self.to.is_some()),
            ("allow", self.allow.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, present)| present.then_some(name))
    }
}

fn is_consent(answer: &Shown) -> bool {
    answer.expose() == "consent"
}

fn text(value: Option<Shown>, name: &'static str, longest: usize) -> Result<Shown, AnswerError> {
    let value = value.ok_or(AnswerError::Missing(name))?;
    if value.expose().len() > longest { Err(AnswerError::TooLong(name)) } else { Ok(value) }
}

fn secret(value: Option<Shown>, name: &'static str, longest: usize) -> Result<SecretString, AnswerError> {
    text(value, name, longest).map(|value| SecretString::new(value.expose()))
}

fn consent(allow: Option<Vec<String>>) -> Result<ConsentAnswer, AnswerError> {
    match allow {
        None => Ok(ConsentAnswer::AllowAll),
        Some(scopes) if scopes.is_empty() => Ok(ConsentAnswer::Deny),
        Some(scopes) if scopes.len() > Answer::MAX_SCOPES => Err(AnswerError::TooLong("allow")),
        Some(scopes) if scopes.iter().any(|scope| scope.len() > Answer::MAX_TEXT) => Err(AnswerError::TooLong("allow")),
        Some(scopes) => Ok(ConsentAnswer::Allow(scopes)),
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(..)")
    }
}
