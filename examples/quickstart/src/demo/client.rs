//! The client's half of the protocol, spoken to the server in the same process.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign::pkce::CodeVerifier;
use countersign::{Peer, Random, RandomError, SecretString, UnixTime};
use http::{Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::sessions::unguessable;
use super::{Offer, SIGNED_OUT};

/// The server, as far as a client sees it.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Answers a request.
    async fn call(&self, request: Request<Bytes>) -> Response<Bytes>;
    /// The issuer.
    fn issuer(&self) -> &str;
    /// Scheme, host and port of the issuer.
    fn origin(&self) -> &str;
    /// The time.
    fn now(&self) -> UnixTime;
}

#[async_trait]
impl Provider for countersign::Server {
    async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.handle(request).await
    }

    fn issuer(&self) -> &str {
        self.config().issuer().as_str()
    }

    fn origin(&self) -> &str {
        self.config().issuer().origin()
    }

    fn now(&self) -> UnixTime {
        countersign::oauth::Server::now(self)
    }
}

/// A sign-in of the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The link names nothing that is offered.
    #[error("there is no such button")]
    NoSuchOffer,
    /// This browser did not begin a sign-in here, or it was too long ago.
    #[error("this browser has no sign-in under way here")]
    NothingAsked,
    /// `state` is not the one that was sent (RFC 6749 §10.12).
    #[error("the answer is not to this browser's request: its state is another")]
    State,
    /// `iss` is not the issuer that was asked (RFC 9207 §2.4).
    #[error("the answer is not from the issuer that was asked")]
    Issuer,
    /// The server refused (RFC 6749 §4.1.2.1, §5.2).
    #[error("the server answered with an error")]
    Refused {
        /// The error code.
        error: String,
        /// What the server says about it.
        description: Option<String>,
    },
    /// The answer has neither a code nor an error.
    #[error("the answer has no code")]
    NoCode,
    /// The ID token fails a check (OpenID Connect Core §3.1.3.7).
    #[error("the ID token is not for this sign-in: {0} differs")]
    IdToken(&'static str),
    /// The server's answer is not of the form that the specification gives it.
    #[error("the server's answer cannot be read: {0}")]
    Answer(&'static str),
    /// Something that the demo needs is not there.
    #[error("{0} is not available")]
    Provider(&'static str),
}

/// An authorization request under way.
#[derive(Debug)]
pub(crate) struct Authorization {
    client_id: &'static str,
    scope: &'static str,
    state: SecretString,
    nonce: SecretString,
    verifier: CodeVerifier,
}

impl Authorization {
    pub(crate) fn begin(offer: &Offer, random: &dyn Random) -> Result<Self, RandomError> {
        Ok(Self {
            client_id: offer.client_id,
            scope: offer.scope,
            state: SecretString::new(unguessable(random)?),
            nonce: SecretString::new(unguessable(random)?),
            verifier: CodeVerifier::generate(random)?,
        })
    }
}

/// What it takes to use a refresh token.
#[derive(Debug)]
pub(super) struct Renewal {
    client_id: &'static str,
    token: SecretString,
}

/// A sign-out under way.
#[derive(Debug)]
pub(super) struct Farewell {
    client_id: &'static str,
    state: SecretString,
}

impl Farewell {
    pub(super) fn begin(shown: &Shown, random: &dyn Random) -> Result<Self, RandomError> {
        Ok(Self { client_id: shown.client_id, state: SecretString::new(unguessable(random)?) })
    }

    pub(super) fn is_state(&self, state: &str) -> bool {
        self.state.matches(state)
    }
}

/// What a sign-in brought, for the page.
#[derive(Debug, Default)]
pub(super) struct Shown {
    client_id: &'static str,
    refresh_token: Option<SecretString>,
    /// Members of the token response that are no tokens.
    pub(super) response: Map<String, Value>,
    /// The claims of the ID token.
    pub(super) id_token: Option<Map<String, Value>>,
    /// The claims of the access token, if it is a JWT.
    pub(super) access_token: Option<Map<String, Value>>,
    /// The answer of userinfo.
    pub(super) userinfo: Option<Map<String, Value>>,
}

impl Shown {
    pub(super) fn renewal(&self) -> Option<Renewal> {
        let token = SecretString::new(self.refresh_token.as_ref()?.expose());
        Some(Renewal { client_id: self.client_id, token })
    }
}

/// The client.
pub(crate) struct DemoClient {
    provider: Arc<dyn Provider>,
    redirect_uri: String,
}

/// What the server sends the browser back with (RFC 6749 §4.1.2, RFC 9207 §2).
#[derive(Deserialize)]
pub(crate) struct Callback {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Callback {
    /// The code, once the answer was checked.
    pub(crate) fn code(self) -> Result<String, DemoError> {
        match self.error {
            Some(error) => Err(DemoError::Refused { error, description: self.error_description }),
            None => self.code.ok_or(DemoError::NoCode),
        }
    }
}

impl DemoClient {
    /// A client of this server that is answered at this path.
    pub(crate) fn new(provider: Arc<dyn Provider>, callback: &str) -> Self {
        let redirect_uri = format!("{}{callback}", provider.origin());
        Self { provider, redirect_uri }
    }

    pub(crate) fn origin(&self) -> &str {
        self.provider.origin()
    }

    /// The authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1).
    pub(crate) async fn authorization_url(
        &self,
        request: &Authorization,
        peer: SocketAddr,
    ) -> Result<String, DemoError> {
        let challenge = request.verifier.challenge();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", request.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", request.scope)
            .append_pair("state", request.state.expose())
            .append_pair("nonce", request.nonce.expose())
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("code_challenge_method", "S256")
            .finish();
        let endpoint = self.endpoint("authorization_endpoint", peer).await?;
        Ok(format!("{endpoint}?{query}"))
    }

    /// The request to end the session at the server too (OpenID Connect RP-Initiated Logout 1.0 §2). It brings no ID token, which
    /// would stand in the browser's history: the user says yes instead.
    pub(super) async fn end_session_url(&self, farewell: &Farewell, peer: SocketAddr) -> Result<String, DemoError> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", farewell.client_id)
            .append_pair("post_logout_redirect_uri", &format!("{}{SIGNED_OUT}", self.provider.origin()))
            .append_pair("state", farewell.state.expose())
            .finish();
        let endpoint = self.endpoint("end_session_endpoint", peer).await?;
        Ok(format!("{endpoint}?{query}"))
    }

    /// The answer is to our request, and from whom we asked (RFC 6749 §10.12, RFC 9207 §2.4).
    pub(crate) fn check_answer(&self, asked: &Authorization, answer: &Callback) -> Result<(), DemoError> {
        if !answer.state.as_deref().is_some_and(|state| asked.state.matches(state)) {
            return Err(DemoError::State);
        }
        if answer.iss.as_deref() != Some(self.provider.issuer()) {
            return Err(DemoError::Issuer);
        }
        Ok(())
    }

    /// Exchanges the code for tokens, and asks who it is (RFC 6749 §4.1.3, OpenID Connect Core §5.3).
    pub(super) async fn redeem(&self, asked: Authorization, code: &str, peer: SocketAddr) -> Result<Shown, DemoError> {
        self.tokens(asked.client_id, self.code_form(&asked, code), Some(&asked.nonce), peer).await
    }

    /// Exchanges the code for an access token for an API, and no more.
    pub(crate) async fn redeem_for_api(
        &self,
        asked: &Authorization,
        code: &str,
        peer: SocketAddr,
    ) -> Result<SecretString, DemoError> {
        let mut response = self.token_response(self.code_form(asked, code), peer).await?;
        take(&mut response, "access_token").ok_or(DemoError::Answer("no access_token"))
    }

    fn code_form(&self, asked: &Authorization, code: &str) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("client_id", asked.client_id)
            .append_pair("code_verifier", asked.verifier.expose())
            .finish()
    }

    async fn token_response(&self, form: String, peer: SocketAddr) -> Result<Map<String, Value>, DemoError> {
        let endpoint = self.endpoint("token_endpoint", peer).await?;
        let request = Request::post(endpoint).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, form.into(), peer).await
    }

    /// Uses the refresh token (RFC 6749 §6).
    pub(super) async fn refresh(&self, renewal: Renewal, peer: SocketAddr) -> Result<Shown, DemoError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", renewal.token.expose())
            .append_pair("client_id", renewal.client_id)
            .finish();
        let mut shown = self.tokens(renewal.client_id, form, None, peer).await?;
        // A server that does not rotate sends no new one: the old one goes on.
        shown.refresh_token.get_or_insert(renewal.token);
        Ok(shown)
    }

    async fn tokens(
        &self,
        client_id: &'static str,
        form: String,
        nonce: Option<&SecretString>,
        peer: SocketAddr,
    ) -> Result<Shown, DemoError> {
        let mut response = self.token_response(form, peer).await?;
        let (id_token, refresh_token) = (take(&mut response, "id_token"), take(&mut response, "refresh_token"));
        let access_token = take(&mut response, "access_token").ok_or(DemoError::Answer("no access_token"))?;
        let id_token = id_token.map(|token| claims(&token).ok_or(DemoError::Answer("the ID token"))).transpose()?;
        if let Some(id_token) = &id_token {
            self.check_id_token(id_token, client_id, nonce)?;
        }
        let userinfo = self.userinfo(&access_token, peer).await?;
        let access_token = claims(&access_token);
        Ok(Shown { client_id, refresh_token, response, id_token, access_token, userinfo })
    }

    /// The ID token came straight from the server, so its signature says nothing more (OpenID Connect Core §3.1.3.7); these
    /// claims do.
    fn check_id_token(
        &self,
        claims: &Map<String, Value>,
        client_id: &str,
        nonce: Option<&SecretString>,
    ) -> Result<(), DemoError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let audience = match claims.get("aud") {
            Some(Value::Array(audience)) => audience.iter().any(|one| one == client_id),
            Some(one) => one == client_id,
            None => false,
        };
        let expires = claims.get("exp").and_then(Value::as_u64).unwrap_or_default();
        let checks = [
            ("iss", text("iss") == self.provider.issuer()),
            ("aud", audience),
            ("nonce", nonce.is_none_or(|nonce| nonce.matches(text("nonce")))),
            ("exp", expires > self.provider.now().as_secs()),
        ];
        match checks.into_iter().find(|(_, holds)| !holds) {
            Some((claim, _)) => Err(DemoError::IdToken(claim)),
            None => Ok(()),
        }
    }

    /// Userinfo, where the server has it.
    async fn userinfo(
        &self,
        access_token: &SecretString,
        peer: SocketAddr,
    ) -> Result<Option<Map<String, Value>>, DemoError> {
        let Ok(endpoint) = self.endpoint("userinfo_endpoint", peer).await else { return Ok(None) };
        let bearer = format!("Bearer {}", access_token.expose());
        let request = Request::get(endpoint).header(header::AUTHORIZATION, bearer);
        Ok(Some(self.send(request, Bytes::new(), peer).await?))
    }

    /// An address from the server's metadata (RFC 8414 §3): the demo knows no path.
    async fn endpoint(&self, name: &'static str, peer: SocketAddr) -> Result<String, DemoError> {
        let document = format!("{}/.well-known/oauth-authorization-server", self.provider.issuer());
        let metadata = self.send(Request::get(document), Bytes::new(), peer).await?;
        metadata.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(DemoError::Provider(name))
    }

    async fn send(
        &self,
        request: http::request::Builder,
        body: Bytes,
        peer: SocketAddr,
    ) -> Result<Map<String, Value>, DemoError> {
        let mut request = request.body(body).map_err(|_| DemoError::Provider("an endpoint"))?;
        request.extensions_mut().insert(Peer::new(peer.ip().to_canonical()));
        let post = request.method() == Method::POST;
        let answer = self.provider.call(request).await;
        let members = match serde_json::from_slice(answer.body()) {
            Ok(Value::Object(members)) => members,
            _ if post => return Err(DemoError::Answer("no JSON object")),
            _ => Map::new(),
        };
        if answer.status() == StatusCode::OK {
            return Ok(members);
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let error = text("error").unwrap_or_else(|| answer.status().to_string());
        Err(DemoError::Refused { error, description: text("error_description") })
    }
}

/// A token out of a response.
fn take(response: &mut Map<String, Value>, name: &str) -> Option<SecretString> {
    match response.remove(name) {
        Some(Value::String(token)) => Some(SecretString::new(token)),
        _ => None,
    }
}

/// The claims of a JWT, unverified; nothing if it is none.
fn claims(token: &SecretString) -> Option<Map<String, Value>> {
    let mut parts = token.expose().split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    match serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?) {
        Ok(Value::Object(claims)) if parts.next().is_none() => Some(claims),
        _ => None,
    }
}
