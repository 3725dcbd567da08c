//! The least relying party: an address for the answer to come to, and the exchange of its code.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::http::{Http, Reply};
use crate::site::{Page, site};

/// The verifier and challenge of RFC 7636, Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const STATE: &str = "the-state-of-this-request";

/// A page on loopback at which a browser arrives with the answer; it serves until the test's process ends.
#[derive(Debug)]
pub struct Callback {
    uri: String,
}

/// What the token endpoint gave.
#[derive(Debug)]
pub struct Tokens {
    /// The whole answer.
    pub answer: Value,
    /// The ID token's claims. Its signature is checked by the foreign clients' tests.
    pub claims: Value,
}

impl Callback {
    /// Listens on a free port.
    #[must_use]
    #[track_caller]
    pub fn listen() -> Self {
        let origin = site(|_| Page::new("<!doctype html><title>Back at the client</title><p>Back at the client</p>"));
        Self { uri: format!("{origin}/callback") }
    }

    /// A client at this redirect URI, which no browser opens: the test reads the answer from the address.
    #[must_use]
    pub fn at(uri: &str) -> Self {
        Self { uri: uri.to_owned() }
    }

    /// The redirect URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// An authorization request of `client_id` for `scope`, with PKCE and state.
    #[must_use]
    pub fn authorization_url(&self, issuer: &str, client_id: &str, scope: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("response_type", "code").append_pair("client_id", client_id).append_pair("scope", scope);
        query.append_pair("redirect_uri", &self.uri).append_pair("state", STATE).append_pair("nonce", "n-1");
        query.append_pair("code_challenge", CHALLENGE).append_pair("code_challenge_method", "S256");
        format!("{issuer}/authorize?{}", query.finish())
    }

    /// A parameter of the answer that arrived at `url`, which must be this client's and this issuer's; empty if it is not there.
    #[must_use]
    #[track_caller]
    pub fn parameter(&self, url: &str, issuer: &str, wanted: &str) -> String {
        let query = url.strip_prefix(&self.uri).and_then(|rest| rest.strip_prefix('?')).unwrap_or_default();
        let parameter = |wanted: &str| {
            let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
            found.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        assert_eq!(parameter("state"), STATE, "another request's answer: {url}");
        assert_eq!(parameter("iss"), issuer, "another issuer's answer: {url}");
        parameter(wanted)
    }

    /// Sends a code to the token endpoint, as a public client.
    #[must_use]
    #[track_caller]
    pub fn redeem(&self, issuer: &str, client_id: &str, code: &str) -> Reply {
        self.redeem_by(&Http::new(), issuer, client_id, code)
    }

    /// The same by this HTTP client.
    #[must_use]
    #[track_caller]
    pub fn redeem_by(&self, http: &Http, issuer: &str, client_id: &str, code: &str) -> Reply {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.uri),
            ("client_id", client_id),
            ("code_verifier", VERIFIER),
        ];
        http.post(&format!("{issuer}/oauth/token"), &form, &[])
    }

    /// Checks the answer that arrived at `url` and exchanges its code, as a public client.
    #[must_use]
    #[track_caller]
    pub fn exchange(&self, url: &str, issuer: &str, client_id: &str) -> Tokens {
        let reply = self.redeem(issuer, client_id, &self.parameter(url, issuer, "code"));
        assert_eq!(reply.status, 200, "{}", reply.body);
        let answer = reply.json();
        let claims = claims(answer["id_token"].as_str().unwrap_or_default());
        Tokens { answer, claims }
    }
}

#[track_caller]
fn claims(id_token: &str) -> Value {
    let payload = id_token.split('.').nth(1).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&payload).unwrap_or_else(|error| panic!("no ID token: {error}"))
}
