//! Client data: what the browser says about the call (WebAuthn 3 §5.8.1).

use std::borrow::Cow;

use serde::Deserialize;

use crate::refusal::refusals;

/// The longest client data that is read, in bytes. Browsers send about 200.
pub(crate) const MAX_CLIENT_DATA: usize = 8 * 1024;

refusals! {
    /// Why client data cannot be read.
    ClientDataError as "client_data" {
        /// Longer than 8 KiB.
        TooLong = "too_long": "the client data is longer than 8 KiB",
        /// Not UTF-8.
        NotUtf8 = "not_utf8": "the client data is not UTF-8",
        /// Not a JSON object with `type`, `challenge` and `origin` as strings, each once.
        Malformed = "malformed": "the client data is no JSON object with type, challenge and origin",
    }
}

/// Client data, borrowed from the message where it has no escapes.
///
/// Unknown members are passed over, as §5.8.1 demands; a known one that comes twice is refused.
#[derive(Debug, Deserialize)]
pub(crate) struct ClientData<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) ceremony: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) challenge: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) origin: Cow<'a, str>,
    #[serde(rename = "crossOrigin")]
    pub(crate) cross_origin: Option<bool>,
    #[serde(borrow, rename = "topOrigin")]
    pub(crate) top_origin: Option<Cow<'a, str>>,
}

impl<'a> ClientData<'a> {
    /// Decodes UTF-8, without the byte order mark, and JSON (§7.1 steps 5 and 6, §7.2 steps 8 and 9).
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, ClientDataError> {
        if bytes.len() > MAX_CLIENT_DATA {
            return Err(ClientDataError::TooLong);
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|_| ClientDataError::NotUtf8)?;
        serde_json::from_str(text).map_err(|_| ClientDataError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"type":"webauthn.get","challenge":"AAAA","origin":"https://example.org","crossOrigin":false}"#;

    #[test]
    fn webauthn_7_1_step_5_utf8_is_decoded_and_a_byte_order_mark_is_stripped() {
        let marked = [b"\xef\xbb\xbf", GOOD.as_bytes()].concat();
        assert_eq!(ClientData::read(&marked).unwrap().challenge, "AAAA");
        assert_eq!(ClientData::read(b"{\"type\":\"\xff\"}").unwrap_err(), ClientDataError::NotUtf8);
    }

    #[test]
    fn webauthn_7_1_step_6_members_are_read_in_any_order_among_unknown_ones() {
        let text = r#"{"new":{"a":[1]},"topOrigin":"https://t.example","origin":"https:\/\/example.org",
            "crossOrigin":true,"challenge":"AA","type":"webauthn.create","new":1}"#;
        let read = ClientData::read(text.as_bytes()).unwrap();
        assert_eq!((&*read.ceremony, &*read.origin), ("webauthn.create", "https://example.org"));
        assert_eq!((read.cross_origin, read.top_origin.as_deref()), (Some(true), Some("https://t.example")));
        assert!(matches!(read.challenge, Cow::Borrowed(_)));
    }

    #[test]
    fn webauthn_7_1_step_6_what_is_no_client_data_is_refused() {
        let twice = GOOD.replace(r#""origin""#, r#""origin":"https://evil.example","origin""#);
        let missing = GOOD.replace("challenge", "chalenge");
        let wrong = GOOD.replace("false", "\"false\"");
        for bad in ["", "[]", "{}", "null", &GOOD[1..], &format!("{GOOD}x"), &twice, &missing, &wrong] {
            assert_eq!(ClientData::read(bad.as_bytes()).unwrap_err(), ClientDataError::Malformed, "{bad}");
        }
        let long = format!("{}{}", " ".repeat(MAX_CLIENT_DATA), GOOD);
        assert_eq!(ClientData::read(long.as_bytes()).unwrap_err(), ClientDataError::TooLong);
    }
}
