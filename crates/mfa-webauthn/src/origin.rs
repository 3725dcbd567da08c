//! Origins, compared as scheme, host and port; never by prefix or suffix (WebAuthn 3 §13.4.9).

use std::fmt;

use crate::refusal::refusals;

refusals! {
    /// Why a text is no origin that a relying party may name.
    OriginError as "origin" {
        /// Neither `https://host[:port]`, nor `http://` on a loopback name, nor the identifier of a native app.
        Malformed = "malformed": "an origin is https://host or https://host:port, without path, user or trailing slash",
        /// `http` off the loopback interface: browsers offer WebAuthn in secure contexts alone.
        Insecure = "insecure": "an http origin is only good for localhost; use https",
        /// A host that the RP ID does not cover.
        NotCovered = "not_covered": "the origin's host is neither the RP ID nor below it; name it with related_origin if it is meant",
    }
}

/// Where a call came from: a web origin (RFC 6454), or a native app by the name that its platform gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Web { secure: bool, host: String, port: u16 },
    Native(String),
}

impl Origin {
    /// Reads the text of an origin, as a browser writes it or a configuration names it. An explicit default port and upper-case
    /// letters in the host mean the same as without.
    pub(crate) fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once(':').ok_or(OriginError::Malformed)?;
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Self::native(text, scheme, rest),
        };
        let authority = rest.strip_prefix("//").ok_or(OriginError::Malformed)?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let host = host.to_ascii_lowercase();
        if !is_domain(&host) {
            return Err(OriginError::Malformed);
        }
        if !secure && !is_loopback_name(&host) {
            return Err(OriginError::Insecure);
        }
        let port = match port {
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Some(port) if is_port(port) => port.parse().map_err(|_| OriginError::Malformed)?,
            Some(_) => return Err(OriginError::Malformed),
        };
        Ok(Self::Web { secure, host, port })
    }

    fn native(text: &str, scheme: &str, rest: &str) -> Result<Self, OriginError> {
        let named =
            scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
        let plain = rest.bytes().all(|byte| byte.is_ascii_graphic());
        if named && plain && !scheme.is_empty() && !rest.is_empty() && text.len() <= 512 {
            Ok(Self::Native(text.to_owned()))
        } else {
            Err(OriginError::Malformed)
        }
    }

    /// Whether `rp_id` is this origin's host or a parent domain of it, at a dot.
    pub(crate) fn is_covered_by(&self, rp_id: &str) -> bool {
        match self {
            Self::Web { host, .. } => {
                host.strip_suffix(rp_id).is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            Self::Native(_) => false,
        }
    }
}

impl fmt::Display for Origin {
    /// As browsers serialise it (RFC 6454 §6.2): a default port is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web { secure: true, host, port: 443 } => write!(f, "https://{host}"),
            Self::Web { secure: false, host, port: 80 } => write!(f, "http://{host}"),
            Self::Web { secure, host, port } => write!(f, "http{}://{host}:{port}", if *secure { "s" } else { "" }),
            Self::Native(name) => f.write_str(name),
        }
    }
}

/// Where credentials may be created and used: the expected origins, and the pages that may frame them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    expected: Vec<(String, Origin)>,
    /// Whether the only expected origin is the one that follows from the RP ID.
    is_default: bool,
    frames: Frames,
}

/// Whether a ceremony may take place in a frame of another origin.
#[derive(Debug, Clone, Default)]
enum Frames {
    #[default]
    Refused,
    Under(Vec<Origin>),
}

impl Origins {
    /// Expects an origin until the first that is named as the site's own.
    pub(crate) fn expect_by_default(&mut self, origin: Origin) {
        self.expect_also(origin);
        self.is_default = true;
    }

    /// Expects an origin of the site's own.
    pub(crate) fn expect(&mut self, origin: Origin) {
        if std::mem::take(&mut self.is_default) {
            self.expected.remove(0);
        }
        self.expect_also(origin);
    }

    /// Expects an origin beside the site's own: a related one, or a native app.
    pub(crate) fn expect_also(&mut self, origin: Origin) {
        self.expected.push((origin.to_string(), origin));
    }

    pub(crate) fn allow_frame_under(&mut self, top: Origin) {
        match &mut self.frames {
            Frames::Refused => self.frames = Frames::Under(vec![top]),
            Frames::Under(tops) => tops.push(top),
        }
    }

    /// Whether this is one of the expected origins.
    pub(crate) fn expects(&self, claimed: &str) -> bool {
        // As a rule it is equal to the byte; only else is it taken apart.
        self.expected.iter().any(|(text, _)| text == claimed)
            || Origin::parse(claimed).is_ok_and(|claimed| self.expected.iter().any(|(_, origin)| *origin == claimed))
    }

    pub(crate) const fn may_be_framed(&self) -> bool {
        matches!(self.frames, Frames::Under(_))
    }

    /// Whether a page of this origin may be on top.
    pub(crate) fn expects_on_top(&self, claimed: &str) -> bool {
        match &self.frames {
            Frames::Refused => false,
            Frames::Under(tops) => Origin::parse(claimed).is_ok_and(|claimed| tops.contains(&claimed)),
        }
    }
}

/// A domain name in ASCII; names of other scripts come in their `xn--` form.
pub(crate) fn is_domain(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
    };
    let address = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= 253 && host.split('.').all(label) && !address
}

fn is_loopback_name(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(expected: &[&str]) -> Origins {
        let mut origins = Origins::default();
        expected.iter().for_each(|text| origins.expect(Origin::parse(text).unwrap()));
        origins
    }

    #[test]
    fn m13_an_origin_is_compared_as_a_whole() {
        let origins = origins(&["https://example.org", "https://login.example.org:8443", "http://localhost:4000"]);
        for good in [
            "https://example.org",
            "https://example.org:443",
            "https://EXAMPLE.org",
            "https://login.example.org:8443",
            "http://localhost:4000",
        ] {
            assert!(origins.expects(good), "{good}");
        }
        for foreign in [
            "https://example.org.evil.example",
            "https://evilexample.org",
            "https://evil.example.org",
            "https://example.or",
            "https://example.org:8443",
            "https://login.example.org",
            "http://example.org",
            "https://example.org/",
            "https://example.org/path",
            "https://user@example.org",
            "https://example.org?",
            "https://example.org#",
            "https://example.org:0443",
            "https://example.org:",
            "https://example.org\0",
            " https://example.org",
            "http://localhost:4001",
            "null",
            "",
        ] {
            assert!(!origins.expects(foreign), "{foreign}");
        }
    }

    #[test]
    fn m13_an_rp_id_covers_itself_and_what_lies_below_a_dot() {
        let covers = |rp_id: &str, origin: &str| Origin::parse(origin).unwrap().is_covered_by(rp_id);
        assert!(covers("example.org", "https://example.org") && covers("example.org", "https://a.b.example.org"));
        assert!(!covers("example.org", "https://badexample.org") && !covers("a.example.org", "https://example.org"));
        assert!(!covers("android", "android:apk-key-hash:abc"));
    }

    #[test]
    fn only_secure_origins_and_loopback_names_are_origins() {
        assert_eq!(Origin::parse("http://example.org"), Err(OriginError::Insecure));
        assert!(Origin::parse("http://app.localhost:8080").is_ok());
        for bad in [
            "example.org",
            "https:example.org",
            "https://",
            "https://127.0.0.1",
            "https://[::1]",
            "https://a..b",
            "HTTPS://a.example",
            ":x",
            "android:",
        ] {
            assert_eq!(Origin::parse(bad), Err(OriginError::Malformed), "{bad}");
        }
    }

    #[test]
    fn native_apps_are_known_by_their_whole_name() {
        let app = "android:apk-key-hash:BASE64url-_hash";
        let origins = origins(&[app]);
        assert!(origins.expects(app));
        assert!(!origins.expects("android:apk-key-hash:BASE64url-_hashX") && !origins.expects("android:apk-key-hash:"));
        assert!(!origins.expects(&app.to_lowercase()));
    }

    #[test]
    fn m12_frames_are_refused_unless_the_top_is_named() {
        let mut origins = origins(&["https://example.org"]);
        assert!(!origins.may_be_framed() && !origins.expects_on_top("https://example.com"));
        origins.allow_frame_under(Origin::parse("https://example.com").unwrap());
        assert!(origins.may_be_framed() && origins.expects_on_top("https://example.com"));
        assert!(!origins.expects_on_top("https://example.org") && !origins.expects_on_top("https://x.example.com"));
    }

    #[test]
    fn origins_are_printed_as_browsers_write_them() {
        for (text, printed) in [
            ("https://A.example:443", "https://a.example"),
            ("http://localhost:80", "http://localhost"),
            ("https://a.example:1", "https://a.example:1"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), printed);
        }
    }
}
