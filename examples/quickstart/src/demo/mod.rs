//! The built-in client: a page that signs in against the server beside it, as any client would, and shows what it got.
//!
//! It is a public client with PKCE (RFC 7636, S256). What it has to remember between two requests (state, verifier, nonce,
//! tokens) stays in this process, found by a cookie.

pub(crate) mod client;
pub(crate) mod page;
pub(crate) mod sessions;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Form, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use countersign::{RandomError, SystemRandom};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use client::{Authorization, Callback, DemoClient, Farewell};
pub use client::{DemoError, Provider};
use sessions::{Session, Sessions, unguessable};

/// Where the server sends the browser back to, below its own origin.
pub(crate) const CALLBACK: &str = "/demo/callback";
/// Where it sends the browser after a sign-out.
pub(crate) const SIGNED_OUT: &str = "/demo/signed-out";

/// What the page offers to sign in with.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The name in the link.
    pub name: &'static str,
    /// What the button says.
    pub label: &'static str,
    /// What it shows.
    pub explanation: &'static str,
    /// The client.
    pub client_id: &'static str,
    /// The scopes asked for.
    pub scope: &'static str,
}

impl Offer {
    /// A sign-in and no more.
    pub const PLAIN: Self = Self {
        name: "demo",
        label: "Sign in",
        explanation: "A password, and a second factor only if a rule asks for one.",
        client_id: "demo",
        scope: "openid profile email phone address offline_access",
    };
    /// A client that requires a second factor.
    pub const MFA: Self = Self {
        name: "demo-mfa",
        label: "Sign in with a second factor",
        explanation: "This client always requires a second factor. The first time you set one up.",
        client_id: "demo-mfa",
        scope: "openid profile email offline_access",
    };
    /// A scope that requires a second factor.
    pub const PAYMENTS: Self = Self {
        name: "payments",
        label: "Sign in and ask for payments",
        explanation: "The scope payments requires a second factor, whatever client asks for it.",
        client_id: "demo",
        scope: "openid profile payments offline_access",
    };
}

/// The demo page with its routes.
#[derive(Clone)]
struct Demo(Arc<Inner>);

struct Inner {
    client: DemoClient,
    offers: Vec<Offer>,
    users: Vec<String>,
    /// Whether there is a page for administrators.
    has_console: bool,
    sessions: Sessions<Session>,
}

/// The routes of the demo page: `/` and `/demo/…`.
pub(crate) fn routes(provider: Arc<dyn Provider>, offers: Vec<Offer>, users: Vec<String>, has_console: bool) -> Router {
    let sessions = Sessions::new("demo", provider.origin());
    let demo =
        Demo(Arc::new(Inner { client: DemoClient::new(provider, CALLBACK), offers, users, has_console, sessions }));
    Router::new()
        .route("/", get(home))
        .route("/demo/style.css", get(async || page::style()))
        .route("/demo/sign-in", get(sign_in))
        .route(CALLBACK, get(callback))
        .route("/demo/tokens", get(tokens))
        .route("/demo/refresh", post(refresh))
        .route("/demo/sign-out", post(sign_out))
        .route(SIGNED_OUT, get(signed_out))
        .route("/demo/forget", post(forget))
        .with_state(demo)
}

async fn home(State(demo): State<Demo>) -> Response {
    page::home(demo.0.client.origin(), &demo.0.offers, &demo.0.users, demo.0.has_console)
}

#[derive(Deserialize)]
struct SignIn {
    offer: Option<String>,
}

/// Sends the browser to the server, with all that binds the answer to this request (RFC 6749 §4.1.1, RFC 7636 §4.3).
async fn sign_in(
    State(demo): State<Demo>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(query): Query<SignIn>,
) -> Result<Response, DemoError> {
    let named = |offer: &&Offer| query.offer.as_deref().is_none_or(|name| name == offer.name);
    let offer = demo.0.offers.iter().find(named).ok_or(DemoError::NoSuchOffer)?;
    let authorization = Authorization::begin(offer, &SystemRandom)?;
    let location = demo.0.client.authorization_url(&authorization, peer).await?;
    // A cookie of this request's own, whatever the browser sent: nobody can plant one to share.
    let cookie = demo.0.sessions.open(Session::asked(authorization))?;
    Ok(page::redirect(&location, Some(&cookie)))
}

/// Checks the answer, redeems the code, and shows what came of it at an address that can be loaded again.
async fn callback(
    State(demo): State<Demo>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Query(query): Query<Callback>,
) -> Result<Response, DemoError> {
    // Checked before it is taken: an answer that is not ours ends no sign-in of ours.
    let check = demo.0.sessions.read(&headers, |session| {
        let asked = session.authorization().ok_or(DemoError::NothingAsked)?;
        demo.0.client.check_answer(asked, &query)
    });
    check.ok_or(DemoError::NothingAsked)??;
    let asked = demo.0.sessions.take(&headers).and_then(Session::into_asked).ok_or(DemoError::NothingAsked)?;
    let code = query.code()?;
    let shown = demo.0.client.redeem(asked, &code, peer).await?;
    let cookie = demo.0.sessions.open(Session::signed_in(shown, unguessable(&SystemRandom)?))?;
    Ok(page::redirect("/demo/tokens", Some(&cookie)))
}

async fn tokens(State(demo): State<Demo>, headers: HeaderMap) -> Response {
    let page = demo.0.sessions.read(&headers, |session| session.signed().map(page::tokens));
    page.flatten().unwrap_or_else(|| page::redirect("/", None))
}

#[derive(Deserialize)]
struct Press {
    csrf: String,
}

async fn refresh(
    State(demo): State<Demo>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(press): Form<Press>,
) -> Result<Response, DemoError> {
    let renewal = demo.0.sessions.read(&headers, |session| session.renewal(&press.csrf)).flatten();
    let renewal = renewal.ok_or(DemoError::NothingAsked)?;
    let shown = demo.0.client.refresh(renewal, peer).await?;
    demo.0.sessions.change(&headers, |session| session.renew(shown));
    Ok(page::redirect("/demo/tokens", None))
}

/// Forgets the tokens, and sends the browser to the server, which ends the session there.
async fn sign_out(
    State(demo): State<Demo>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(press): Form<Press>,
) -> Result<Response, DemoError> {
    let farewell = demo.0.sessions.read(&headers, |session| {
        let (shown, _) = session.signed().filter(|_| session.is_press(&press.csrf)).ok_or(DemoError::NothingAsked)?;
        Ok::<_, DemoError>(Farewell::begin(shown, &SystemRandom)?)
    });
    let farewell = farewell.ok_or(DemoError::NothingAsked)??;
    let location = demo.0.client.end_session_url(&farewell, peer).await?;
    drop(demo.0.sessions.take(&headers));
    let cookie = demo.0.sessions.open(Session::leaving(farewell))?;
    Ok(page::redirect(&location, Some(&cookie)))
}

#[derive(Deserialize)]
struct SignedOut {
    state: Option<String>,
}

/// Where the server sends the browser back to, with our state (OpenID Connect RP-Initiated Logout 1.0 §3).
async fn signed_out(
    State(demo): State<Demo>,
    headers: HeaderMap,
    Query(query): Query<SignedOut>,
) -> Result<Response, DemoError> {
    let ours = demo.0.sessions.read(&headers, |session| {
        let farewell = session.farewell()?;
        Some(query.state.as_deref().is_some_and(|state| farewell.is_state(state)))
    });
    match ours.flatten() {
        Some(true) => Ok(page::signed_out()),
        Some(false) => Err(DemoError::State),
        None => Err(DemoError::NothingAsked),
    }
}

async fn forget(State(demo): State<Demo>, headers: HeaderMap, Form(press): Form<Press>) -> Response {
    let ours = demo.0.sessions.read(&headers, |session| session.is_press(&press.csrf));
    if ours == Some(true) {
        drop(demo.0.sessions.take(&headers));
    }
    page::redirect("/", None)
}

impl From<RandomError> for DemoError {
    fn from(_: RandomError) -> Self {
        Self::Provider("randomness")
    }
}

impl axum::response::IntoResponse for DemoError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Provider(_) | Self::Answer(_) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::BAD_REQUEST,
        };
        page::failed(status, &self)
    }
}

/// Reads one cookie of a request.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests;
