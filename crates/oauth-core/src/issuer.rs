//! The issuer: one URL that names the server everywhere.

use std::fmt;

use crate::ConfigError;

/// The issuer identifier (RFC 8414 §2): https, or http on loopback for development; no query, no fragment, no final slash.
#[derive(Clone, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    authority_at: usize,
    path_at: usize,
}

impl Issuer {
    /// Reads an issuer.
    ///
    /// # Errors
    /// [`ConfigError::Issuer`] says what is wrong and how to put it right.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |cure| Err(ConfigError::Issuer { issuer: text.to_owned(), cure });
        let Some((scheme @ ("https" | "http"), after)) = text.split_once("://") else {
            return wrong("write it as https://host or http://localhost:port, in lower case");
        };
        if text.contains(['?', '#', '@', ' ', '\\']) || !text.is_ascii() {
            return wrong("leave out query, fragment and user name");
        }
        let authority_at = scheme.len() + 3;
        let path_at = after.find('/').map_or(text.len(), |at| authority_at + at);
        let authority = &text[authority_at..path_at];
        if authority.is_empty() || authority.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return wrong("name a host, in lower case");
        }
        if text.ends_with('/') || text[path_at..].contains("//") {
            return wrong("leave out the final slash and empty path segments");
        }
        if crate::redirect_uri::check_redirect_uri(&format!("https://{authority}/")).is_err() {
            return wrong("name a host, and a port up to 65535 or none");
        }
        let issuer = Self { text: text.to_owned(), authority_at, path_at };
        if scheme == "http" && crate::redirect_uri::check_redirect_uri(&format!("http://{authority}/")).is_err() {
            return wrong("use https; http is for localhost, 127.0.0.1 and [::1]");
        }
        Ok(issuer)
    }

    /// The identifier itself, as it stands in `iss`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port, as a `Host` header names them.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.text[self.authority_at..self.path_at]
    }

    /// Scheme, host and port, as an `Origin` header names them.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.text[..self.path_at]
    }

    /// The path, without a final slash; empty for most.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.text[self.path_at..]
    }

    /// Whether it is https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// The absolute URL of a path below the issuer.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({})", self.text)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8414_2_an_issuer_is_a_plain_https_url() {
        let issuer = Issuer::parse("https://id.example.com:8443/tenant/one").unwrap();
        assert_eq!(issuer.authority(), "id.example.com:8443");
        assert_eq!(issuer.origin(), "https://id.example.com:8443");
        assert_eq!(issuer.path(), "/tenant/one");
        assert_eq!(issuer.url("/oauth/token"), "https://id.example.com:8443/tenant/one/oauth/token");
        for good in ["http://localhost:4000", "http://127.0.0.1", "http://[::1]:80", "https://id.example.com"] {
            assert!(Issuer::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "id.example.com",
            "ftp://id.example.com",
            "http://id.example.com",
            "https://id.example.com/",
            "https://id.example.com?x",
            "https://id.example.com#x",
            "https://user@id.example.com",
            "https://ID.example.com",
            "https://id.example.com:port",
            "https://id.example.com:99999",
            "https://",
            "",
        ] {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
    }
}
