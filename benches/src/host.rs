//! The server that is measured: as a host assembles it with the facade, on the store in memory, behind axum's router.

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign::mfa::{Existing, FirstEnrolment, Policy, Totp};
use countersign::store::MemoryStore;
use countersign::{
    Account, Acr, Amr, Client, Clock as _, ConsentRule, ManualClock, MasterKey, Outcome, Preset, Resource, Scope,
    Server, SignedIn, TokenFormat, UnixTime,
};
use futures_util::FutureExt as _;
use http::{Request, header};
use http_body_util::BodyExt as _;
use tower::Service as _;

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const API: &str = "https://api.example.com/";
pub(crate) const START: UnixTime = UnixTime::from_secs(1_800_000_000);
const SECRET: &str = "5f0c9a1e7d3b48a6b2c4d6e8f0a1b3c5";
/// RFC 7636 Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://shop.example.com/callback";

pub(crate) const CLIENT_CREDENTIALS: &str = "grant_type=client_credentials&scope=orders%3Aread";

/// A server with a few clients and one user, and the store below it.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) server: Server,
    pub(crate) store: MemoryStore,
    pub(crate) clock: ManualClock,
}

impl Host {
    pub(crate) fn new() -> Self {
        let (store, clock) = (MemoryStore::new(), ManualClock::at(START));
        let server = Server::builder(ISSUER, store.clone(), MasterKey::from_bytes([7; 32]))
            .preset(Preset::oidc())
            .stored_accounts()
            .factor(Totp::new("Example"))
            .policy(Policy::never().first_enrolment(FirstEnrolment::ThisLogin))
            .scope(Scope::new("orders:read", "See your orders"))
            .scope(Scope::new("orders:write", "Place orders"))
            .resource(Resource::new(API).scope("orders:read").scope("orders:write"))
            .client(
                Client::confidential("shop", SECRET)
                    .redirect_uri(CALLBACK)
                    .scope("openid email offline_access orders:read orders:write")
                    .consent(ConsentRule::Implied),
            )
            .client(machine("opaque-machine").token_format(TokenFormat::Opaque))
            .client(machine("jwt-machine").token_format(TokenFormat::Jwt))
            .clock(clock.clone());
        let server = ready(server.build()).unwrap();
        let alice = Account::new("alice").username("alice").email("alice@example.com", true);
        ready(server.stored_accounts().unwrap().import([alice], Existing::Replace)).unwrap();
        Self { server, store, clock }
    }

    pub(crate) fn clock_now(&self) -> UnixTime {
        self.clock.now()
    }

    pub(crate) fn router(&self) -> Router {
        countersign::axum::router(&self.server)
    }

    /// A code, as a host with a login of its own gets one.
    pub(crate) fn code(&self) -> String {
        let query = form(&[
            ("response_type", "code"),
            ("client_id", "shop"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid email offline_access orders:read"),
            ("state", "af0ifjsldkj"),
            ("nonce", "n-0S6_WzA2Mj"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let request = Request::get(format!("/authorize?{query}")).header(header::HOST, "id.example.com");
        let who = SignedIn::new("alice", START).amr([Amr::Pwd, Amr::Otp]).acr(Acr::MFA);
        let outcome = ready(self.server.authorize(request.body(Bytes::new()).unwrap(), Some(who)));
        let Outcome::Done(answer) = outcome else { panic!("no code: {outcome:?}") };
        let location = answer.headers()[header::LOCATION].to_str().unwrap();
        let (_, query) = location.split_once('?').unwrap();
        let mut members = form_urlencoded::parse(query.as_bytes());
        members.find(|(name, _)| name == "code").map(|(_, code)| code.into_owned()).unwrap()
    }

    /// A refresh token that was never used.
    pub(crate) fn refresh_token(&self) -> String {
        self.tokens(token_request("shop", &redemption(&self.code())))["refresh_token"].as_str().unwrap().to_owned()
    }

    /// An opaque access token.
    pub(crate) fn access_token(&self) -> String {
        let request = token_request("opaque-machine", CLIENT_CREDENTIALS);
        self.tokens(request)["access_token"].as_str().unwrap().to_owned()
    }

    fn tokens(&self, request: Request<Body>) -> serde_json::Value {
        serde_json::from_slice(&body_of(answered(&mut self.router(), request))).unwrap()
    }
}

fn machine(name: &str) -> Client {
    Client::confidential(name, SECRET).grant_types(["client_credentials"]).scope("orders:read orders:write")
}

pub(crate) fn redemption(code: &str) -> String {
    form(&[
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ])
}

pub(crate) fn refreshing(token: &str) -> String {
    form(&[("grant_type", "refresh_token"), ("refresh_token", token)])
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) fn token_request(client: &str, body: &str) -> Request<Body> {
    post("/oauth/token", client, body)
}

/// A form, sent by a client that authenticates by name and secret.
pub(crate) fn post(path: &str, client: &str, body: &str) -> Request<Body> {
    Request::post(path)
        .header(header::HOST, "id.example.com")
        .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{client}:{SECRET}"))))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::CONTENT_LENGTH, body.len())
        .header(header::ACCEPT, "application/json")
        .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 51_004))))
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// Asks a router, which must answer at once: nothing that is measured here waits.
pub(crate) fn answered(router: &mut Router, request: Request<Body>) -> Response {
    ready(router.call(request)).unwrap_or_else(|never| match never {})
}

pub(crate) fn body_of(response: Response) -> Bytes {
    ready(response.into_body().collect()).unwrap().to_bytes()
}

pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing here waits")
}
