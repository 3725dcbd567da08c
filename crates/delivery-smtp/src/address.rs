//! The address of a server.

use std::net::IpAddr;

use crate::SmtpConfigError;

/// Where the server is, and how TLS begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    /// TLS from the first byte, not by STARTTLS.
    pub(crate) wrapped: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl ServerAddress {
    /// Reads `smtps://HOST`, `smtp://HOST`, each with `:PORT` if it is not the usual one (465, 587).
    pub(crate) fn parse(url: &str) -> Result<Self, SmtpConfigError> {
        let (scheme, rest) = url.split_once("://").ok_or(SmtpConfigError::Url)?;
        let (wrapped, usual) = match scheme {
            "smtps" => (true, 465),
            "smtp" => (false, 587),
            _ => return Err(SmtpConfigError::Url),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(SmtpConfigError::Userinfo);
        }
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host.parse::<IpAddr>().ok().filter(IpAddr::is_ipv6).map(|_| host), port),
            None => rest.split_at_checked(rest.find(':').unwrap_or(rest.len())).map_or((None, ""), |(host, port)| {
                let good = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
                (Some(host).filter(|host| good && !host.is_empty()), port)
            }),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(SmtpConfigError::Url)?,
            None if port.is_empty() => usual,
            None => return Err(SmtpConfigError::Url),
        };
        Ok(Self { wrapped, host: host.ok_or(SmtpConfigError::Url)?.to_owned(), port })
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_scheme_a_host_and_perhaps_a_port() {
        for (url, wrapped, host, port) in [
            ("smtps://mail.example.com", true, "mail.example.com", 465),
            ("smtp://mail.example.com/", false, "mail.example.com", 587),
            ("smtp://127.0.0.1:1025", false, "127.0.0.1", 1_025),
            ("smtps://[::1]:465", true, "::1", 465),
            ("smtp://[2001:db8::1]", false, "2001:db8::1", 587),
        ] {
            assert_eq!(ServerAddress::parse(url).unwrap(), ServerAddress { wrapped, host: host.into(), port }, "{url}");
        }
        for bad in [
            "",
            "mail.example.com",
            "https://mail.example.com",
            "smtps://",
            "smtps://:465",
            "smtps://a:0",
            "smtps://a:x",
            "smtps://a:99999",
            "smtps://a/b",
            "smtps://a?b",
            "smtps://[a]",
            "smtps://[::1",
            "smtps://[::1]x",
            "smtps://a b",
            "smtps://a\r\nb",
            "SMTPS://a",
        ] {
            assert!(matches!(ServerAddress::parse(bad), Err(SmtpConfigError::Url)), "{bad:?}");
        }
    }

    #[test]
    fn promise_4_no_password_stands_in_an_address() {
        let error = ServerAddress::parse("smtps://mailer:hunter2@mail.example.com").unwrap_err();
        assert!(matches!(error, SmtpConfigError::Userinfo) && !format!("{error:?} {error}").contains("hunter2"));
    }

    #[test]
    fn loopback_is_known_by_its_address() {
        let loopback = |url: &str| ServerAddress::parse(url).unwrap().is_loopback();
        assert!(loopback("smtp://localhost") && loopback("smtp://127.0.0.2:25") && loopback("smtp://[::1]"));
        assert!(!loopback("smtp://localhost.example.com") && !loopback("smtp://10.0.0.1"));
    }
}
