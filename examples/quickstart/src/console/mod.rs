//! `/console`: a small page for administrators. It is a client of the admin API like any other: an administrator signs in with a second
//! factor, the token stays in this process, and every button is a call that the API allows or refuses.

mod api;
mod page;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Form, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use countersign::mfa::oauth::AdminApi;
use countersign::oauth::{ConsentRule, is_same_origin};
use countersign::{Accounts as _, Client, SecretString, Server, SystemRandom};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::demo::client::{Authorization, Callback, DemoClient};
use crate::demo::page::redirect;
use crate::demo::sessions::{Sessions, unguessable};
use crate::demo::{DemoError, Offer};
use api::{Api, ApiError};

/// Where it is.
const PATH: &str = "/console";
/// Where the server sends the browser back to.
const CALLBACK: &str = "/console/callback";
/// The client.
const CLIENT: &str = "console";

/// What it asks for: all that its buttons need.
const OFFER: Offer = Offer {
    name: CLIENT,
    label: "Sign in",
    explanation: "For administrators, with a second factor.",
    client_id: CLIENT,
    scope: "read:guardian_factors update:guardian_factors read:mfa_policies update:mfa_policies \
            read:authentication_methods delete:authentication_methods update:users read:sessions delete:sessions",
};

/// The client that the page is. It is the operator's own, so nobody is asked whether it may.
pub(crate) fn client(origin: &str) -> Client {
    let client = Client::public(CLIENT).name("Administration").redirect_uri(format!("{origin}{CALLBACK}"));
    client.scope(OFFER.scope).consent(ConsentRule::Implied)
}

#[derive(Clone)]
struct Console(Arc<Inner>);

struct Inner {
    server: Server,
    client: DemoClient,
    sessions: Sessions<Session>,
}

/// What is remembered of a browser.
enum Session {
    Asked(Box<Authorization>),
    SignedIn { bearer: SecretString, csrf: SecretString },
}

/// The routes below `/console`.
pub(crate) fn routes(server: Server) -> Router {
    let client = DemoClient::new(Arc::new(server.clone()), CALLBACK);
    let sessions = Sessions::new(CLIENT, client.origin());
    let console = Console(Arc::new(Inner { server, client, sessions }));
    Router::new()
        .route(PATH, get(show))
        .route("/console/sign-in", post(sign_in))
        .route(CALLBACK, get(callback))
        .route("/console/act", post(act))
        .route("/console/sign-out", post(sign_out))
        .with_state(console)
}

impl Console {
    /// Who is signed in in this browser: the token, and the anti-forgery value of the page.
    fn signed_in(&self, headers: &HeaderMap) -> Option<(SecretString, SecretString)> {
        let read = |session: &Session| match session {
            Session::SignedIn { bearer, csrf } => {
                Some((SecretString::new(bearer.expose()), SecretString::new(csrf.expose())))
            }
            Session::Asked(_) => None,
        };
        self.0.sessions.read(headers, read).flatten()
    }

    fn api(&self, bearer: SecretString, peer: SocketAddr) -> Api<'_> {
        Api { server: &self.0.server, bearer, peer }
    }

    /// Sends the browser to the server, which asks for a second factor, and for a new one where the last is too old.
    async fn ask(&self, peer: SocketAddr) -> Result<Response, DemoError> {
        let authorization = Authorization::begin(&OFFER, &SystemRandom)?;
        let location = self.0.client.authorization_url(&authorization, peer).await?;
        let cookie = self.0.sessions.open(Session::Asked(Box::new(authorization)))?;
        Ok(redirect(&location, Some(&cookie)))
    }

    /// The page after a call that failed: another sign-in where the token does not do any more, else what the API says.
    async fn failed(&self, error: ApiError, peer: SocketAddr) -> Result<Response, DemoError> {
        if error.status == StatusCode::UNAUTHORIZED { self.ask(peer).await } else { Ok(page::failed(&error)) }
    }
}

#[derive(Deserialize)]
struct Showing {
    user: Option<String>,
    done: Option<String>,
}

async fn show(
    State(console): State<Console>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Query(Showing { user, done }): Query<Showing>,
) -> Result<Response, DemoError> {
    let Some((bearer, csrf)) = console.signed_in(&headers) else { return Ok(page::welcome()) };
    let api = console.api(bearer, peer);
    let subject = match user.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => Some((name, subject_of(&console.0.server, name).await?)),
        None => None,
    };
    match api.overview(subject.as_ref().and_then(|(_, subject)| subject.as_deref())).await {
        Ok(overview) => {
            let user = subject.as_ref().map(|(name, _)| *name);
            Ok(page::overview(&overview, user, done.as_deref(), &csrf))
        }
        Err(error) => console.failed(error, peer).await,
    }
}

/// The subject behind the name that a user signs in with; none where nobody has it.
async fn subject_of(server: &Server, name: &str) -> Result<Option<String>, DemoError> {
    let Some(accounts) = server.stored_accounts() else { return Ok(None) };
    let account = accounts.by_login(name).await.map_err(|_| DemoError::Provider("the table of users"))?;
    Ok(account.map(|account| account.subject().as_str().to_owned()))
}

/// A press of a button: which one, and that it is on our own page (RFC 6749 §10.12).
#[derive(Deserialize)]
struct Press {
    csrf: String,
    #[serde(default)]
    action: String,
    /// A factor.
    #[serde(default)]
    name: String,
    /// A user.
    #[serde(default)]
    user: String,
    #[serde(default)]
    enabled: bool,
    #[serde(default, rename = "all-applications")]
    all_applications: bool,
    #[serde(default, rename = "confidence-score")]
    confidence_score: bool,
}

async fn sign_in(
    State(console): State<Console>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    parts: Parts,
) -> Result<Response, DemoError> {
    if !is_same_origin(&parts, console.0.server.config().issuer()) {
        return Err(DemoError::NothingAsked);
    }
    console.ask(peer).await
}

async fn callback(
    State(console): State<Console>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Query(query): Query<Callback>,
) -> Result<Response, DemoError> {
    let inner = &console.0;
    // Checked before it is taken: an answer that is not ours ends no sign-in of ours.
    let check = inner.sessions.read(&headers, |session| match session {
        Session::Asked(asked) => inner.client.check_answer(asked, &query),
        Session::SignedIn { .. } => Err(DemoError::NothingAsked),
    });
    check.ok_or(DemoError::NothingAsked)??;
    let Some(Session::Asked(asked)) = inner.sessions.take(&headers) else { return Err(DemoError::NothingAsked) };
    let code = query.code()?;
    let bearer = inner.client.redeem_for_api(&asked, &code, peer).await?;
    let csrf = SecretString::new(unguessable(&SystemRandom)?);
    let cookie = inner.sessions.open(Session::SignedIn { bearer, csrf })?;
    Ok(redirect(PATH, Some(&cookie)))
}

async fn act(
    State(console): State<Console>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    parts: Parts,
    Form(press): Form<Press>,
) -> Result<Response, DemoError> {
    let signed_in = console.signed_in(&parts.headers).filter(|(_, csrf)| csrf.matches(&press.csrf));
    let ours = is_same_origin(&parts, console.0.server.config().issuer());
    let (bearer, _) = signed_in.filter(|_| ours).ok_or(DemoError::NothingAsked)?;
    let api = console.api(bearer, peer);
    let done = match press.action.as_str() {
        "factor" => api.switch_factor(&press.name, press.enabled).await,
        "policies" => {
            let chosen = [("all-applications", press.all_applications), ("confidence-score", press.confidence_score)];
            let chosen: Vec<_> = chosen.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
            api.put_policies(&chosen).await
        }
        action => match subject_of(&console.0.server, &press.user).await? {
            Some(subject) => api.user_action(action, &subject).await,
            None => Err(ApiError::no_such_user()),
        },
    };
    match done {
        Ok(()) => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("user", &press.user)
                .append_pair("done", &press.action)
                .finish();
            Ok(redirect(&format!("{PATH}?{query}"), None))
        }
        Err(error) => console.failed(error, peer).await,
    }
}

async fn sign_out(State(console): State<Console>, headers: HeaderMap, Form(press): Form<Press>) -> Response {
    let ours = console.signed_in(&headers).is_some_and(|(_, csrf)| csrf.matches(&press.csrf));
    if ours {
        drop(console.0.sessions.take(&headers));
        return redirect(PATH, None);
    }
    DemoError::NothingAsked.into_response()
}

/// What administrators must have proven, and how lately: an open console is not open for ever.
pub(crate) fn admin_api(group: &str) -> AdminApi {
    let lately = countersign::Requirement::MFA.max_age(std::time::Duration::from_secs(3_600));
    AdminApi::for_group(group).requires(lately)
}
