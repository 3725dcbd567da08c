//! Request parameters, read once and strictly.

use std::fmt;

use percent_encoding::percent_decode;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::json;

/// Parameters that may be sent several times: RFC 8707 §2 (`resource`) and its alias `audience`.
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The one member of a JSON body that is no text but an object: the answer of an authenticator. Its value here is that object
/// as JSON.
const NESTED: &str = "authn_response";

/// The parameters of one request: `application/x-www-form-urlencoded` from a query or a body, or a JSON object of texts.
///
/// A parameter without a value counts as left out (RFC 6749 §3.1). Values may hold secrets: they are wiped on drop, and
/// `Debug` shows names alone.
#[derive(Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
    repeated: Option<String>,
}

impl Params {
    /// At most this many parameters in one request.
    pub const MAX_PARAMETERS: usize = 64;
    /// At most this many bytes in one value.
    pub const MAX_VALUE: usize = 16 * 1024;
    /// At most this many in an authenticator's answer, `authn_response` of a JSON body: an attestation brings certificates along.
    pub const MAX_ANSWER: usize = 48 * 1024;

    /// Reads a query or a form body.
    ///
    /// # Errors
    /// When an escape is broken, a value is not UTF-8 or holds a control character, or there is too much of anything.
    pub fn parse(encoded: &[u8]) -> Result<Self, ParamsError> {
        let mut params = Self::default();
        for piece in encoded.split(|&byte| byte == b'&') {
            if piece.is_empty() {
                continue;
            }
            if params.pairs.len() == Self::MAX_PARAMETERS {
                return Err(ParamsError::TooMany);
            }
            let (name, value) = piece.split_at(piece.iter().position(|&byte| byte == b'=').unwrap_or(piece.len()));
            let name = decode_form_value(name)?;
            let value = decode_form_value(value.get(1..).unwrap_or_default())?;
            if params.repeated.is_none() && !REPEATABLE.contains(&name.as_str()) && params.has(&name) {
                params.repeated = Some(name.clone());
            }
            params.pairs.push((name, value));
        }
        Ok(params)
    }

    /// Reads a JSON object whose members are texts, and at most one object, `authn_response`. What holds of a form holds here, and
    /// no member stands there twice.
    ///
    /// # Errors
    /// When it is no such object, or there is too much of anything.
    ///
    /// ```
    /// use countersign_oauth_core::Params;
    ///
    /// let params = Params::from_json(br#"{"grant_type":"refresh_token"}"#).unwrap();
    /// assert_eq!(params.get("grant_type"), Some("refresh_token"));
    /// ```
    pub fn from_json(body: &[u8]) -> Result<Self, ParamsError> {
        Self::from_members(json::read_object(body).map_err(|_| ParamsError::Json)?)
    }

    /// The same of an object that was read already.
    ///
    /// # Errors
    /// As [`Params::from_json`].
    pub fn from_members(members: Map<String, Value>) -> Result<Self, ParamsError> {
        if members.len() > Self::MAX_PARAMETERS {
            return Err(ParamsError::TooMany);
        }
        let mut params = Self::default();
        for (name, value) in members {
            check_text(&name, Self::MAX_VALUE)?;
            let (value, at_most) = match value {
                Value::String(text) => (text, Self::MAX_VALUE),
                object @ Value::Object(_) if name == NESTED => (object.to_string(), Self::MAX_ANSWER),
                _ => return Err(ParamsError::NoText),
            };
            check_text(&value, at_most)?;
            params.pairs.push((name, value));
        }
        Ok(params)
    }

    /// The value of a parameter; none when it is absent or empty. Of a repeated one the first, which no check may rely on:
    /// see [`Params::repeated`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter that may be sent several times, empty ones left out.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The name of the first parameter that was sent more than once although it must not be (RFC 6749 §3.1).
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        self.repeated.as_deref()
    }

    /// Whether this parameter was sent more than once.
    #[must_use]
    pub fn is_repeated(&self, name: &str) -> bool {
        self.pairs.iter().filter(|(key, _)| key == name).count() > 1
    }

    /// Every parameter, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(key, _)| key == name)
    }
}

/// Decodes one form-encoded value (RFC 6749 Appendix B).
pub(crate) fn decode_form_value(piece: &[u8]) -> Result<String, ParamsError> {
    if piece.len() > 3 * Params::MAX_VALUE {
        return Err(ParamsError::TooLong);
    }
    // Most values are plain text that stands for itself.
    if let Ok(text) = std::str::from_utf8(piece)
        && piece.len() <= Params::MAX_VALUE
        && piece.iter().all(|&byte| matches!(byte, b' '..=b'~') && byte != b'%' && byte != b'+')
    {
        return Ok(text.to_owned());
    }
    let escapes_hold = |(at, &byte): (usize, &u8)| {
        byte != b'%' || piece.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    if !piece.iter().enumerate().all(escapes_hold) {
        return Err(ParamsError::Escape);
    }
    let spaced: Vec<u8> = piece.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    let spaced = Zeroizing::new(spaced);
    let text = percent_decode(&spaced).decode_utf8().map_err(|_| ParamsError::Utf8)?.into_owned();
    check_text(&text, Params::MAX_VALUE)?;
    Ok(text)
}

/// A name or a value: bounded, and of characters that text has.
fn check_text(text: &str, at_most: usize) -> Result<(), ParamsError> {
    if text.len() > at_most {
        return Err(ParamsError::TooLong);
    }
    if text.chars().any(|character| character.is_control() && !matches!(character, '\t' | '\r' | '\n')) {
        return Err(ParamsError::ControlCharacter);
    }
    Ok(())
}

impl Drop for Params {
    fn drop(&mut self) {
        for (_, value) in &mut self.pairs {
            value.zeroize();
        }
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

/// Why parameters could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// A percent sign is not followed by two hexadecimal digits.
    #[error("a percent escape is broken")]
    Escape,
    /// Something is not UTF-8.
    #[error("a parameter is not UTF-8")]
    Utf8,
    /// A name or value holds NUL or another control character.
    #[error("a parameter holds a control character")]
    ControlCharacter,
    /// There are more than [`Params::MAX_PARAMETERS`].
    #[error("there are too many parameters")]
    TooMany,
    /// One is longer than [`Params::MAX_VALUE`], or an authenticator's answer than [`Params::MAX_ANSWER`].
    #[error("a parameter is too long")]
    TooLong,
    /// The body is no JSON object, or one with a name twice, too deep or too wide.
    #[error("the body is no JSON object with unique names")]
    Json,
    /// A member of a JSON body is no text.
    #[error("a member is no text")]
    NoText,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_an_empty_value_counts_as_left_out() {
        let params = Params::parse(b"state=&scope=a+b&x").unwrap();
        assert_eq!((params.get("state"), params.get("scope"), params.get("x")), (None, Some("a b"), None));
    }

    #[test]
    fn rfc6749_3_1_a_parameter_sent_twice_is_told() {
        assert_eq!(Params::parse(b"a=1&b=2&a=1").unwrap().repeated(), Some("a"));
        assert_eq!(Params::parse(b"a=&a=1").unwrap().repeated(), Some("a"));
        assert_eq!(Params::parse(b"resource=1&resource=2").unwrap().repeated(), None);
    }

    #[test]
    fn rfc6749_appendix_b_values_are_utf8_and_escapes_are_whole() {
        assert_eq!(Params::parse(b"a=%C3%A4%2B").unwrap().get("a"), Some("\u{e4}+"));
        for (bad, error) in [
            (&b"a=%"[..], ParamsError::Escape),
            (b"a=%4", ParamsError::Escape),
            (b"a=%zz", ParamsError::Escape),
            (b"a=%ff", ParamsError::Utf8),
            (b"a=\xff", ParamsError::Utf8),
            (b"a=%00", ParamsError::ControlCharacter),
            (b"a\0=1", ParamsError::ControlCharacter),
        ] {
            assert_eq!(Params::parse(bad).unwrap_err(), error, "{bad:?}");
        }
    }

    #[test]
    fn promise_7_parameters_are_bounded() {
        let many = "a=1&".repeat(Params::MAX_PARAMETERS + 1);
        assert_eq!(Params::parse(many.as_bytes()).unwrap_err(), ParamsError::TooMany);
        let long = format!("a={}", "x".repeat(Params::MAX_VALUE + 1));
        assert_eq!(Params::parse(long.as_bytes()).unwrap_err(), ParamsError::TooLong);
    }

    #[test]
    fn mfa_api_a_json_body_is_an_object_of_texts_with_unique_names() {
        let params = Params::from_json(br#"{"a":"\u00e4+","b":"","authn_response":{"id":"x","n":[1]}}"#).unwrap();
        assert_eq!((params.get("a"), params.get("b")), (Some("\u{e4}+"), None));
        assert_eq!(params.get("authn_response"), Some(r#"{"id":"x","n":[1]}"#));
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(Params::MAX_VALUE + 1));
        let answer = |length| format!(r#"{{"authn_response":{{"a":"{}"}}}}"#, "x".repeat(length));
        assert!(Params::from_json(answer(Params::MAX_ANSWER - 8).as_bytes()).is_ok());
        assert_eq!(Params::from_json(answer(Params::MAX_ANSWER).as_bytes()).unwrap_err(), ParamsError::TooLong);
        let wide: Vec<_> = (0..=Params::MAX_PARAMETERS).map(|n| format!(r#""{n}":"1""#)).collect();
        let wide = format!("{{{}}}", wide.join(","));
        for (bad, error) in [
            ("", ParamsError::Json),
            ("[]", ParamsError::Json),
            (r#"{"a":"1","a":"1"}"#, ParamsError::Json),
            (r#"{"resource":"1","resource":"2"}"#, ParamsError::Json),
            (r#"{"a":"1"} {}"#, ParamsError::Json),
            (r#"{"a":1}"#, ParamsError::NoText),
            (r#"{"a":null}"#, ParamsError::NoText),
            (r#"{"a":true}"#, ParamsError::NoText),
            (r#"{"a":["1"]}"#, ParamsError::NoText),
            (r#"{"a":{"b":"1"}}"#, ParamsError::NoText),
            (r#"{"a":"\u0000"}"#, ParamsError::ControlCharacter),
            (r#"{"a\u0007":"1"}"#, ParamsError::ControlCharacter),
            (&long, ParamsError::TooLong),
            (&wide, ParamsError::TooMany),
        ] {
            assert_eq!(Params::from_json(bad.as_bytes()).unwrap_err(), error, "{}", &bad[..bad.len().min(40)]);
        }
    }

    #[test]
    fn promise_4_debug_output_shows_names_alone() {
        assert_eq!(format!("{:?}", Params::parse(b"client_secret=hunter2").unwrap()), "[\"client_secret\"]");
    }
}
