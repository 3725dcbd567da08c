//! What a user did: the same in Rust, in JSON and in a form.

use std::fmt;

use countersign_primitives::SecretString;
use serde::Deserialize;
use subtle::ConstantTimeEq;

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
    /// Typed the phone number or mail address of what is being set up.
    Contact {
        /// The number or address.
        to: String,
    },
    /// Asked for the message, or the question to a device, once more.
    Resend,
    /// Asked whether an answer has come that comes from elsewhere.
    Poll,
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
    /// the button that chose a way; an `other` of `resend` or `poll` is that answer.
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

/// The members of all answers; which of them belong together is checked by [`Body::read`].
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    answer: Option<Shown>,
    login: Option<Shown>,
    password: Option<Shown>,
    link: Option<Shown>,
    id: Option<Shown>,
    code: Option<Shown>,
    remember: Option<bool>,
    to: Option<Shown>,
    allow: Option<Vec<String>>,
    csrf: Option<Shown>,
}

impl Body {
    /// Turns what only forms can say into what JSON says.
    fn of_form(mut self, other: Option<Shown>, decision: Option<&str>) -> Result<Self, AnswerError> {
        if let Some(id) = other {
            // The button of another way stands in the form of this one, whose fields are sent along and mean nothing.
            let csrf = self.csrf;
            return Ok(match id.expose() {
                "resend" | "poll" => Self { answer: Some(id), csrf, ..Self::default() },
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

    fn read(self) -> Result<Submission, AnswerError> {
        let kind = self.answer.as_ref().map(Shown::expose).ok_or(AnswerError::Missing("answer"))?;
        let belongs: &[&str] = match kind {
            "password" => &["login", "password"],
            "send_link" => &["login"],
            "magic_link" => &["link"],
            "choose" => &["id"],
            "code" => &["code", "remember"],
            "enrol" => &["code"],
            "contact" => &["to"],
            "resend" | "poll" | "recovery_codes" | "skip" => &[],
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
            "contact" => Answer::Contact { to: text(self.to, "to", Answer::MAX_LOGIN)?.expose().to_owned() },
            "resend" => Answer::Resend,
            "poll" => Answer::Poll,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> Result<Answer, AnswerError> {
        Answer::from_json(text.as_bytes()).map(|sent| sent.answer)
    }

    fn form(pairs: &[(&str, &str)]) -> Result<Answer, AnswerError> {
        Answer::from_form(pairs.iter().copied()).map(|sent| sent.answer)
    }

    #[test]
    fn each_answer_is_read_from_json() {
        assert!(matches!(
            json(r#"{"answer":"password","login":"alice","password":"pw"}"#),
            Ok(Answer::Password { login, password }) if login == "alice" && password.matches("pw")
        ));
        assert!(
            matches!(json(r#"{"answer":"choose","id":"totp|dev_1"}"#), Ok(Answer::Choose { id }) if id == "totp|dev_1")
        );
        assert!(matches!(
            json(r#"{"answer":"code","code":"1","remember":true}"#),
            Ok(Answer::Code { remember: true, .. })
        ));
        assert!(matches!(json(r#"{"answer":"enrol","code":"1"}"#), Ok(Answer::Enrol { .. })));
        assert!(matches!(
            json(r#"{"answer":"contact","to":"+49 151 12345678"}"#),
            Ok(Answer::Contact { to }) if to == "+49 151 12345678"
        ));
        assert!(
            matches!(json(r#"{"answer":"send_link","login":"alice"}"#), Ok(Answer::SendLink { login }) if login == "alice")
        );
        assert!(matches!(
            json(r#"{"answer":"magic_link","link":"cs_link_x"}"#),
            Ok(Answer::MagicLink { link }) if link.matches("cs_link_x")
        ));
        assert!(matches!(json(r#"{"answer":"resend"}"#), Ok(Answer::Resend)));
        assert!(matches!(json(r#"{"answer":"poll"}"#), Ok(Answer::Poll)));
        assert!(matches!(json(r#"{"answer":"recovery_codes"}"#), Ok(Answer::RecoveryCodes)));
        assert!(matches!(
            json(r#"{"answer":"consent","allow":["openid"]}"#),
            Ok(Answer::Consent(ConsentAnswer::Allow(scopes))) if scopes == ["openid"]
        ));
        assert!(matches!(json(r#"{"answer":"consent","allow":[]}"#), Ok(Answer::Consent(ConsentAnswer::Deny))));
    }

    #[test]
    fn promise_7_json_is_read_strictly() {
        for (bad, error) in [
            ("", AnswerError::Malformed),
            ("[]", AnswerError::Malformed),
            ("{}", AnswerError::Missing("answer")),
            (r#"{"answer":"dance"}"#, AnswerError::Unknown),
            (r#"{"answer":"code","code":"1","code":"2"}"#, AnswerError::Malformed),
            (r#"{"answer":"code","answer":"choose","code":"1"}"#, AnswerError::Malformed),
            (r#"{"answer":"code","code":1}"#, AnswerError::Malformed),
            (r#"{"answer":"code","code":"1","extra":"x"}"#, AnswerError::Malformed),
            (r#"{"answer":"code","code":"1","password":"x"}"#, AnswerError::Unknown),
            (r#"{"answer":"code"}"#, AnswerError::Missing("code")),
            (r#"{"answer":"code","code":"1"} trailing"#, AnswerError::Malformed),
        ] {
            assert_eq!(json(bad).err(), Some(error), "{bad}");
        }
        let long = "x".repeat(Answer::MAX_PASSWORD + 1);
        let body = format!(r#"{{"answer":"password","login":"a","password":"{long}"}}"#);
        assert_eq!(json(&body).err(), Some(AnswerError::TooLong("password")));
        assert_eq!(json(&" ".repeat(Answer::MAX_BODY + 1)).err(), Some(AnswerError::TooLong("body")));
    }

    #[test]
    fn each_answer_is_read_from_a_form() {
        assert!(matches!(
            form(&[("username", "alice"), ("password", "pw"), ("csrf", "c"), ("answer", "password")]),
            Ok(Answer::Password { .. })
        ));
        assert!(matches!(
            form(&[("code", "1"), ("remember_device", "on"), ("answer", "code")]),
            Ok(Answer::Code { remember: true, .. })
        ));
        assert!(matches!(form(&[("authenticator", "totp|1")]), Ok(Answer::Choose { .. })));
        assert!(matches!(form(&[("authenticator", "totp|1"), ("answer", "choose")]), Ok(Answer::Choose { .. })));
        assert!(
            matches!(form(&[("code", ""), ("other", "recovery|1")]), Ok(Answer::Choose { id }) if id == "recovery|1")
        );
        assert!(matches!(form(&[("to", "a@b.example"), ("answer", "contact")]), Ok(Answer::Contact { .. })));
        assert!(matches!(form(&[("answer", "code"), ("code", "1"), ("other", "resend")]), Ok(Answer::Resend)));
        assert!(matches!(form(&[("answer", "poll")]), Ok(Answer::Poll)));
        assert!(matches!(form(&[("answer", "recovery_codes")]), Ok(Answer::RecoveryCodes)));
        let consent = |pairs: &[_]| match form(pairs) {
            Ok(Answer::Consent(consent)) => consent,
            other => panic!("{other:?}"),
        };
        assert_eq!(consent(&[("answer", "consent"), ("decision", "allow")]), ConsentAnswer::AllowAll);
        assert_eq!(consent(&[("decision", "deny"), ("scope", "a")]), ConsentAnswer::Deny);
        assert_eq!(
            consent(&[("scope", "a"), ("scope", "b"), ("decision", "allow")]),
            ConsentAnswer::Allow(vec!["a".into(), "b".into()])
        );
        assert_eq!(
            consent(&[("scope", "a b"), ("decision", "allow")]),
            ConsentAnswer::Allow(vec!["a".into(), "b".into()])
        );
    }

    #[test]
    fn promise_7_a_form_is_read_strictly() {
        for (bad, error) in [
            (&[][..], AnswerError::Missing("answer")),
            (&[("answer", "code"), ("code", "1"), ("code", "2")], AnswerError::Repeated),
            (&[("answer", "code"), ("code", "1"), ("x", "2")], AnswerError::Unknown),
            (&[("answer", "consent")], AnswerError::Missing("decision")),
            (&[("decision", "maybe")], AnswerError::Malformed),
            (&[("answer", "code"), ("username", "x"), ("code", "1")], AnswerError::Unknown),
        ] {
            assert_eq!(form(bad).err(), Some(error), "{bad:?}");
        }
    }

    #[test]
    fn a_code_is_compared_whole() {
        let answer = Answer::code(" 1234 ");
        assert!(answer.is_code("1234"));
        assert!(!answer.is_code("123") && !answer.is_code("12345") && !answer.is_code(""));
        assert!(!Answer::choose("1234").is_code("1234"));
    }

    #[test]
    fn promise_4_debug_output_shows_no_password_and_no_code() {
        let shown = format!("{:?} {:?}", Answer::password("alice", "hunter2"), Answer::code("492039"));
        assert!(!shown.contains("hunter2") && !shown.contains("492039"), "{shown}");
    }

    proptest! {
        #[test]
        fn promise_7_no_body_can_panic_the_reader(body in proptest::collection::vec(any::<u8>(), 0..256), text in ".*") {
            let _ = Answer::from_json(&body);
            let _ = Answer::from_json(text.as_bytes());
            let _ = Answer::from_form([(text.as_str(), text.as_str())]);
        }
    }
}
