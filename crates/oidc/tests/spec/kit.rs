//! A server with OpenID Connect, and somebody who signs in at it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign_accounts::{Account, Accounts};
use countersign_oauth_core::{Client, ConsentRule, Outcome, Peer, Server, ServerBuilder};
use countersign_oidc::Oidc;
use countersign_primitives::{Acr, Amr, BoxError, Clock, ManualClock, SignedIn, Subject, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::testkit::block_on;
use countersign_storage_traits::{MasterKey, Store};
use http::{Request, Response};
use serde_json::Value;

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const CALLBACK: &str = "https://rp.example/cb";
/// Where the client wants the browser after a sign-out.
pub(crate) const SIGNED_OUT: &str = "https://rp.example/out?a=b";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) struct Users;

#[async_trait]
impl Accounts for Users {
    async fn by_login(&self, _: &str) -> Result<Option<Account>, BoxError> {
        Ok(None)
    }

    async fn by_subject(&self, subject: &Subject) -> Result<Option<Account>, BoxError> {
        let alice = Account::new("u-1").username("alice").email("alice@example.com", true).claim("name", "Alice");
        match subject.as_str() {
            "u-1" => Ok(Some(alice)),
            "u-2" => Ok(Some(Account::new("u-2").username("bob"))),
            _ => Ok(None),
        }
    }
}

pub(crate) struct Kit {
    pub(crate) server: Server,
    pub(crate) clock: ManualClock,
}

impl Kit {
    pub(crate) fn new() -> Self {
        Self::with(Oidc::new())
    }

    pub(crate) fn with(oidc: Oidc) -> Self {
        let clock = ManualClock::at(UnixTime::from_secs(1_700_000_000));
        let server = wait(builder(&clock, oidc).build()).unwrap();
        Self { server, clock }
    }

    /// Alice, signed in just now with two factors.
    pub(crate) fn alice(&self) -> SignedIn {
        SignedIn::new("u-1", self.clock.now()).amr([Amr::Pwd, Amr::Otp, Amr::Mfa]).acr(Acr::MFA).session("sid-1")
    }

    /// The answer to an authorization request: where the browser is sent.
    pub(crate) fn authorize(&self, query: &str, who: Option<SignedIn>) -> Outcome {
        wait(self.server.authorize(Request::get(authorization_url(query)).body(Bytes::new()).unwrap(), who))
    }

    /// The tokens that follow from an authorization request.
    pub(crate) fn tokens(&self, query: &str, who: SignedIn) -> Value {
        let Outcome::Done(reply) = self.authorize(query, Some(who)) else { panic!("the request was not granted") };
        redeem(&self.server, &reply)
    }

    pub(crate) fn refresh(&self, tokens: &Value) -> Value {
        refresh_of(&self.server, tokens)
    }

    pub(crate) fn get(&self, path: &str, bearer: Option<&str>) -> Response<Bytes> {
        let mut request = Request::get(format!("{ISSUER}{path}"));
        if let Some(token) = bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        wait(self.server.handle(request.body(Bytes::new()).unwrap()))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// The tokens that a client gets for this scope.
pub(crate) fn tokens_of(server: &Server, scope: &str, who: SignedIn) -> Value {
    let request =
        Request::get(authorization_url(&format!("scope={}", scope.replace(' ', "+")))).body(Bytes::new()).unwrap();
    let Outcome::Done(reply) = block_on(server.authorize(request, Some(who))) else { panic!("not granted") };
    redeem(server, &reply)
}

pub(crate) fn refresh_of(server: &Server, tokens: &Value) -> Value {
    let token = tokens["refresh_token"].as_str().unwrap();
    post(server, &[("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", token)])
}

fn redeem(server: &Server, reply: &Response<Bytes>) -> Value {
    let code = parameter(reply, "code").expect("a code");
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "shop"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    post(server, &form)
}

fn post(server: &Server, form: &[(&str, &str)]) -> Value {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = Request::post(format!("{ISSUER}/oauth/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .extension(Peer::new([127, 0, 0, 1].into()))
        .body(Bytes::from(body))
        .unwrap();
    json(&block_on(server.handle(request)))
}

fn authorization_url(query: &str) -> String {
    let base = [("client_id", "shop"), ("redirect_uri", CALLBACK), ("response_type", "code")];
    let base = form_urlencoded::Serializer::new(String::new()).extend_pairs(base).finish();
    format!("{ISSUER}/authorize?{base}&code_challenge={CHALLENGE}&code_challenge_method=S256&{query}")
}

pub(crate) fn builder(clock: &ManualClock, oidc: Oidc) -> ServerBuilder {
    builder_on(MemoryStore::new(), clock, oidc)
}

pub(crate) fn builder_on(store: impl Store + 'static, clock: &ManualClock, oidc: Oidc) -> ServerBuilder {
    Server::builder(ISSUER, store, MasterKey::from_bytes([7; 32]))
        .extension(oidc)
        .accounts(Arc::new(Users))
        .clock(clock.clone())
        .client(
            Client::public("shop")
                .redirect_uri(CALLBACK)
                .post_logout_redirect_uri(SIGNED_OUT)
                .post_logout_redirect_uri("http://127.0.0.1:8000/out")
                .post_logout_redirect_uri("com.example.app:/out")
                .consent(ConsentRule::Implied),
        )
        .client(Client::public("second").redirect_uri("https://other.example/cb"))
}

pub(crate) fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or(Value::Null)
}

/// A parameter of the URL that an answer redirects to.
pub(crate) fn parameter(response: &Response<Bytes>, name: &str) -> Option<String> {
    let location = response.headers().get("location")?.to_str().ok()?;
    let query = location.split_once('?')?.1;
    let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &Value) -> Value {
    part(token, 1)
}

pub(crate) fn header(token: &Value) -> Value {
    part(token, 0)
}

fn part(token: &Value, at: usize) -> Value {
    let part = token.as_str().expect("a token").split('.').nth(at).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    futures_util::FutureExt::now_or_never(future).expect("the memory store never waits")
}
