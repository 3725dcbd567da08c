//! Whether a client's record can be what its host means.

use super::{Client, ClientAuthenticationMethod, ClientId};
use crate::{ConfigError, ScopeSet, redirect_uri};

impl Client {
    /// RFC 6749 §4.4: the grant is for clients that authenticate; and where users must prove something, nobody is there to.
    fn check_client_credentials(&self) -> Result<(), String> {
        if !self.may_use("client_credentials") {
            return Ok(());
        }
        if self.is_public() {
            return Err("the client credentials grant is for clients that authenticate (RFC 6749 §4.4)".to_owned());
        }
        if self.requires.is_none() {
            return Ok(());
        }
        Err("its users must prove something, and in the client credentials grant there is no user; give the grant to a client \
             of its own"
            .to_owned())
    }

    fn check_links(&self) -> Result<(), String> {
        check_link("client_uri", self.uri.as_deref())?;
        check_link("logo_uri", self.logo_uri.as_deref())?;
        check_link("policy_uri", self.policy_uri.as_deref())?;
        check_link("tos_uri", self.tos_uri.as_deref())
    }

    /// Checks a record that the host wrote by hand.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |problem: String| Err(ConfigError::Client { client_id: self.id.clone(), problem });
        if ClientId::parse(&self.id).is_none() {
            return wrong("a client_id is 1 to 256 visible ASCII characters".to_owned());
        }
        if self.method.uses_secret() && self.secret_hash.is_none() {
            return wrong("this authentication method needs a secret".to_owned());
        }
        if self.method == ClientAuthenticationMethod::PrivateKeyJwt && self.keys.is_none() {
            return wrong("private_key_jwt needs keys: use `Client::with_keys`, or the member jwks".to_owned());
        }
        self.check_links().or_else(wrong)?;
        if self.weak_secret {
            return wrong(
                "its secret could be guessed; use 128 random bits or more, such as 32 random hexadecimal digits"
                    .to_owned(),
            );
        }
        for uri in &self.redirect_uris {
            if let Err(error) = redirect_uri::check_redirect_uri(uri) {
                return wrong(format!("redirect URI {uri:?}: {error}"));
            }
        }
        for uri in &self.post_logout_redirect_uris {
            if let Err(error) = redirect_uri::check_redirect_uri(uri) {
                return wrong(format!("post-logout redirect URI {uri:?}: {error}"));
            }
        }
        if self.may_use("authorization_code") && self.redirect_uris.is_empty() {
            return wrong("the authorization code grant needs a redirect URI".to_owned());
        }
        self.check_client_credentials().or_else(wrong)?;
        if self.is_public() && !self.introspects.is_empty() {
            return wrong("a client that introspects authenticates (RFC 7662 §2.1)".to_owned());
        }
        if self.scope.as_deref().is_some_and(|scope| ScopeSet::parse(scope).is_err()) {
            return wrong("its scope does not follow RFC 6749 §3.3".to_owned());
        }
        Ok(())
    }
}

/// A link that a page may show: to a web page, so that nothing runs or opens what a client wrote.
fn check_link(member: &str, uri: Option<&str>) -> Result<(), String> {
    let holds = |uri: &str| {
        let (page, _) = uri.split_once('#').unwrap_or((uri, ""));
        page.starts_with("http")
            && redirect_uri::check_redirect_uri(page).is_ok()
            && uri.bytes().all(|b| b.is_ascii_graphic())
    };
    match uri {
        Some(uri) if !holds(uri) => Err(format!("{member} {uri:?}: the https address of a web page is needed")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_could_be_guessed_is_refused_at_start() {
        let weak = Client::confidential("shop", "hunter2").redirect_uri("https://rp.example/cb");
        assert!(weak.check().unwrap_err().to_string().contains("could be guessed"));
        let strong =
            Client::confidential("shop", "0123456789abcdef0123456789abcdef").redirect_uri("https://rp.example/cb");
        assert!(strong.check().is_ok());
    }

    #[test]
    fn rfc6749_3_1_2_3_without_a_redirect_uri_the_only_registered_one_counts() {
        let one = Client::public("a").redirect_uri("https://rp.example/cb");
        assert_eq!(one.verify_redirect(None).unwrap().as_str(), "https://rp.example/cb");
        let two = Client::public("a").redirect_uri("https://rp.example/cb").redirect_uri("https://rp.example/cb2");
        assert!(two.verify_redirect(None).is_none());
        assert!(two.verify_redirect(Some("https://rp.example/cb3")).is_none());
    }

    #[test]
    fn rfc9700_2_1_a_redirect_needs_a_uri_that_may_be_registered_wherever_its_client_came_from() {
        for uri in
            ["javascript:alert(1)", "https://rp.example/cb#x", "https://user@rp.example/cb", "http://rp.example/cb"]
        {
            let client = Client::public("a").redirect_uri(uri);
            assert!(client.verify_redirect(Some(uri)).is_none(), "{uri}");
            assert!(client.verify_redirect(None).is_none(), "{uri}");
        }
    }
}
