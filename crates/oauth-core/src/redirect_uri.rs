//! Redirect URIs: strings that match exactly, the port of a loopback address aside.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Checks that a URI may be registered for redirects (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1).
///
/// # Errors
/// [`RedirectUriError`] tells what is wrong with it.
pub fn check_redirect_uri(uri: &str) -> Result<(), RedirectUriError> {
    let parts = Parts::of(uri)?;
    match parts.scheme.as_str() {
        "https" if parts.authority.is_some() => Ok(()),
        "http" if parts.is_loopback() => Ok(()),
        "http" => Err(RedirectUriError::PlainHttp),
        "https" | "javascript" | "data" | "vbscript" | "file" | "blob" | "about" | "view-source" | "filesystem"
        | "ws" | "wss" | "ftp" => Err(RedirectUriError::Scheme),
        // A private-use scheme is a reversed domain name (RFC 8252 §7.1).
        scheme if scheme.contains('.') => Ok(()),
        _ => Err(RedirectUriError::Scheme),
    }
}

/// Whether `asked` is the registered URI: byte for byte, except that the port of an http loopback address is free (RFC 8252 §7.3).
pub(crate) fn matches(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    let (Ok(registered), Ok(asked)) = (Parts::of(registered), Parts::of(asked)) else { return false };
    registered.scheme == "http"
        && asked.scheme == "http"
        && registered.is_loopback()
        && asked.is_loopback()
        && registered.authority.map(|authority| authority.host) == asked.authority.map(|authority| authority.host)
        && registered.rest == asked.rest
}

/// Whether only this machine can receive what is sent there, so that any program on it may pose as the client.
pub(crate) fn is_loopback_or_private(uri: &str) -> bool {
    Parts::of(uri).is_ok_and(|parts| parts.scheme != "https")
}

/// The host of a URI, for a consent page to show.
pub(crate) fn host(uri: &str) -> Option<&str> {
    Parts::of(uri).ok()?.authority.map(|authority| authority.host)
}

struct Parts<'a> {
    scheme: String,
    authority: Option<Authority<'a>>,
    rest: &'a str,
}

#[derive(Clone, Copy)]
struct Authority<'a> {
    host: &'a str,
}

impl<'a> Parts<'a> {
    fn of(uri: &'a str) -> Result<Self, RedirectUriError> {
        if uri.len() > 2_048 {
            return Err(RedirectUriError::TooLong);
        }
        if uri.contains('#') {
            return Err(RedirectUriError::Fragment);
        }
        if !uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
            return Err(RedirectUriError::Character);
        }
        let (scheme, rest) = uri.split_once(':').ok_or(RedirectUriError::Relative)?;
        let mut letters = scheme.bytes();
        let named = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !named {
            return Err(RedirectUriError::Relative);
        }
        let scheme = scheme.to_ascii_lowercase();
        let Some(after) = rest.strip_prefix("//") else {
            return Ok(Self { scheme, authority: None, rest });
        };
        let (authority, rest) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
        Ok(Self { scheme, authority: Some(Authority::of(authority)?), rest })
    }

    fn is_loopback(&self) -> bool {
        self.authority.is_some_and(|authority| authority.is_loopback())
    }
}

impl<'a> Authority<'a> {
    fn of(authority: &'a str) -> Result<Self, RedirectUriError> {
        if authority.contains('@') {
            return Err(RedirectUriError::UserInfo);
        }
        let host_end = if authority.starts_with('[') {
            authority.find(']').ok_or(RedirectUriError::Host)? + 1
        } else {
            authority.find(':').unwrap_or(authority.len())
        };
        let (host, port) = authority.split_at(host_end);
        let port_holds = match port.strip_prefix(':') {
            Some(digits) => {
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
            }
            None => port.is_empty(),
        };
        if !port_holds {
            return Err(RedirectUriError::Port);
        }
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let named = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte));
        match bracketed {
            Some(address) if address.parse::<Ipv6Addr>().is_ok() => Ok(Self { host }),
            None if !host.is_empty() && named(host) => Ok(Self { host }),
            _ => Err(RedirectUriError::Host),
        }
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host == "[::1]"
            || self.host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Why a URI cannot be a redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectUriError {
    /// It is not absolute (RFC 6749 §3.1.2).
    #[error("a redirect URI is absolute (RFC 6749 §3.1.2)")]
    Relative,
    /// It has a fragment (RFC 6749 §3.1.2).
    #[error("a redirect URI has no fragment (RFC 6749 §3.1.2)")]
    Fragment,
    /// It has a user name before the host.
    #[error("a redirect URI has no user name before its host")]
    UserInfo,
    /// It is http to a host that is not this machine (RFC 8252 §7.3).
    #[error("http is for loopback addresses alone; use https (RFC 8252 §7.3)")]
    PlainHttp,
    /// Its scheme cannot receive a code: it runs code, reads files, or is no reversed domain name (RFC 8252 §7.1).
    #[error(
        "a redirect URI is https, http to a loopback address, or of a private-use scheme with a dot (RFC 8252 §7.1)"
    )]
    Scheme,
    /// Its host is empty or malformed.
    #[error("the host of the redirect URI is malformed")]
    Host,
    /// Its port is no number up to 65535.
    #[error("the port of the redirect URI is no port")]
    Port,
    /// It holds a character that no URI has.
    #[error("the redirect URI holds a character that no URI has")]
    Character,
    /// It is longer than 2,048 bytes.
    #[error("the redirect URI is longer than 2048 bytes")]
    TooLong,
}

/// A redirect URI that equals one the client registered. Only this module's check makes one, so what is not verified cannot
/// be redirected to.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedRedirect(String);

impl VerifiedRedirect {
    /// Compares what was asked for with what is registered (RFC 6749 §3.1.2.3, RFC 9700 §2.1). What may not be registered is
    /// not redirected to, whoever registered it.
    pub(crate) fn verify<'a>(registered: impl IntoIterator<Item = &'a str>, asked: &str) -> Option<Self> {
        let holds = registered.into_iter().any(|uri| matches(uri, asked)) && check_redirect_uri(asked).is_ok();
        holds.then(|| Self(asked.to_owned()))
    }

    /// As [`VerifiedRedirect::verify`], with no freedom for loopback ports.
    pub(crate) fn verify_exactly<'a>(registered: impl IntoIterator<Item = &'a str>, asked: &str) -> Option<Self> {
        let holds = registered.into_iter().any(|uri| uri == asked) && check_redirect_uri(asked).is_ok();
        holds.then(|| Self(asked.to_owned()))
    }

    /// The URI as it was asked for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for VerifiedRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedRedirect({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9700_2_1_redirect_uris_match_byte_for_byte() {
        let registered = "https://rp.example/cb?a=b";
        assert!(matches(registered, registered));
        for foreign in [
            "https://rp.example/cb",
            "https://rp.example/cb?a=b&c=d",
            "https://rp.example/CB?a=b",
            "https://RP.example/cb?a=b",
            "https://rp.example:443/cb?a=b",
            "https://rp.example.evil.example/cb?a=b",
            "https://rp.example@evil.example/cb?a=b",
            "https://rp.example/cb/../cb?a=b",
            "http://rp.example/cb?a=b",
            "https://rp.example/cb?a=b#",
        ] {
            assert!(!matches(registered, foreign), "{foreign}");
        }
    }

    #[test]
    fn rfc8252_7_3_the_port_of_a_loopback_address_is_free_and_nothing_else() {
        let registered = "http://127.0.0.1/cb";
        assert!(matches(registered, "http://127.0.0.1:51004/cb"));
        assert!(matches("http://localhost:1/cb", "http://localhost:2/cb"));
        assert!(matches("http://[::1]/cb", "http://[::1]:9/cb"));
        for foreign in [
            "http://127.0.0.1:51004/cb2",
            "http://127.0.0.2:51004/cb",
            "http://localhost:51004/cb",
            "https://127.0.0.1:51004/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:/cb",
        ] {
            assert!(!matches(registered, foreign), "{foreign}");
        }
        assert!(!matches("https://localhost/cb", "https://localhost:8443/cb"));
        assert!(!matches("http://rp.example/cb", "http://rp.example:8080/cb"));
    }

    #[test]
    fn rfc6749_3_1_2_what_may_be_registered() {
        for good in [
            "https://rp.example/cb",
            "https://rp.example:8443/cb?x=y",
            "http://127.0.0.1:8000/cb",
            "http://127.3.2.1/cb",
            "http://[::1]/cb",
            "http://localhost/cb",
            "com.example.app:/cb",
            "com.example.app://cb",
        ] {
            assert_eq!(check_redirect_uri(good), Ok(()), "{good}");
        }
        for (bad, error) in [
            ("/cb", RedirectUriError::Relative),
            ("https://rp.example/cb#x", RedirectUriError::Fragment),
            ("https://user@rp.example/cb", RedirectUriError::UserInfo),
            ("http://localhost:80@evil.example/cb", RedirectUriError::UserInfo),
            ("http://rp.example/cb", RedirectUriError::PlainHttp),
            ("javascript:alert(1)", RedirectUriError::Scheme),
            ("JavaScript:alert(1)", RedirectUriError::Scheme),
            ("data:text/html,x", RedirectUriError::Scheme),
            ("myapp:/cb", RedirectUriError::Scheme),
            ("https:/rp.example/cb", RedirectUriError::Scheme),
            ("https:///cb", RedirectUriError::Host),
            ("https://rp.example:x/cb", RedirectUriError::Port),
            ("https://rp.example\\@evil.example/cb", RedirectUriError::Character),
            ("https://rp.example/c b", RedirectUriError::Character),
            ("https://[::zz]/cb", RedirectUriError::Host),
        ] {
            assert_eq!(check_redirect_uri(bad), Err(error), "{bad}");
        }
    }
}
