//! `client_secret_basic`: name and secret in the Authorization header, each form-encoded first (RFC 6749 §2.3.1, Appendix B).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_primitives::SecretString;
use http::header;
use http::request::Parts;
use zeroize::Zeroizing;

use super::{Credential, Shown};
use crate::client::ClientAuthenticationMethod;
use crate::params::decode_form_value;
use crate::{Cause, Refusal};

/// Reads the header. A bearer token beside credentials in the body is no client authentication, and is passed over.
pub(super) fn read(parts: &Parts) -> Result<Option<Shown>, Refusal> {
    let mut lines = parts.headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(Cause::TwoClientAuthentications.into());
    }
    let line = line.to_str().map_err(|_| Cause::MalformedAuthorization)?;
    let (scheme, credentials) = line.split_once(' ').ok_or(Cause::MalformedAuthorization)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Cause::MalformedAuthorization.into());
    }
    decode(credentials.trim_start_matches(' ')).map(Some).ok_or_else(|| Cause::MalformedAuthorization.into())
}

fn decode(credentials: &str) -> Option<Shown> {
    let decoded = Zeroizing::new(STANDARD.decode(credentials).ok()?);
    let (client_id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let client_id = decode_form_value(client_id.as_bytes()).ok()?;
    let secret = decode_form_value(secret.as_bytes()).ok().filter(|secret| !secret.is_empty())?;
    let credential = Credential::Secret(SecretString::new(secret));
    Some(Shown { method: ClientAuthenticationMethod::SecretBasic, client_id, credential })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(credentials: &str) -> Option<(String, String)> {
        let shown = decode(&STANDARD.encode(credentials))?;
        let Credential::Secret(secret) = shown.credential else { return None };
        Some((shown.client_id, secret.expose().to_owned()))
    }

    #[test]
    fn rfc6749_2_3_1_name_and_secret_are_form_decoded() {
        assert_eq!(shown("shop:se%2Bcr%3Aet"), Some(("shop".to_owned(), "se+cr:et".to_owned())));
        assert_eq!(shown("sh%20op:a+b"), Some(("sh op".to_owned(), "a b".to_owned())));
        assert_eq!(shown("shop:a:b"), Some(("shop".to_owned(), "a:b".to_owned())));
    }

    #[test]
    fn rfc6749_2_3_1_what_cannot_be_decoded_is_refused() {
        for bad in ["shop", "shop:%zz", "shop:%ff", "shop:"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
        assert!(decode("not base64!").is_none());
        assert!(decode("c2hvcDpzZWNyZXQ").is_none(), "padding is part of the encoding");
    }
}
