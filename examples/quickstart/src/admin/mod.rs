//! `/admin/`: what an operator does by curl. JSON, by bearer token alone (RFC 6750 §2.1): no cookie is read and no page of another
//! origin may read an answer, so that a browser can be led to nothing here.

mod events;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{self, Body};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use countersign::store::StoreMetrics;
use countersign::{Accounts as _, Refusal, SecretString, Server, Subject, UnixTime};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use events::RecentEvents;

use crate::invite::{self, InviteError, Invited};
use crate::running::is_our_host;

/// Nothing here reads a body, and none needs to be longer.
const LONGEST_BODY: usize = 4096;
/// The most events of one answer.
const PAGE: usize = 200;

#[derive(Clone)]
struct Admin(Arc<Inner>);

struct Inner {
    server: Server,
    watched: Watched,
    /// Whether users need invitations.
    invites: bool,
    token: SecretString,
}

/// What is kept of what happens, for an operator to read.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) events: RecentEvents,
    pub(crate) metrics: Arc<StoreMetrics>,
}

/// The routes below `/admin/`.
pub(crate) fn routes(server: Server, watched: Watched, invites: bool, token: SecretString) -> Router {
    let admin = Admin(Arc::new(Inner { server, watched, invites, token }));
    let routes = Router::new()
        .route("/keys/rotate", post(rotate))
        .route("/users/{name}/unlock", post(unlock))
        .route("/users/{name}/reset-factors", post(reset_factors))
        .route("/users/{name}/revoke", post(revoke))
        .route("/users/{name}/invite", post(invite))
        .route("/events", get(recent))
        .route("/health", get(health))
        .fallback(nothing)
        .method_not_allowed_fallback(async || {
            Answer::error(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "not by this method")
        })
        .with_state(admin.clone());
    let guard = middleware::from_fn_with_state(admin, guard);
    Router::new().route("/admin/", any(nothing)).nest("/admin", routes).layer(guard)
}

async fn nothing() -> Answer {
    Answer::not_found("there is nothing at this address")
}

/// Before anything is looked at: the issuer's host, the token, and a body that is not too long.
async fn guard(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if !is_our_host(&admin.0.server, request.headers()) {
        return Answer::error(StatusCode::MISDIRECTED_REQUEST, "invalid_request", "another host").into_response();
    }
    if let Err(answer) = authenticate(&admin, &request) {
        return answer.into_response();
    }
    let (parts, body) = request.into_parts();
    if body::to_bytes(body, LONGEST_BODY).await.is_err() {
        let answer = Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "no body is needed");
        return answer.into_response();
    }
    next.run(Request::from_parts(parts, Body::empty())).await
}

/// One `Authorization: Bearer` with the very token (RFC 6750 §2.1, §3).
fn authenticate(admin: &Admin, request: &Request) -> Result<(), Answer> {
    let Some(presented) = bearer(request.headers()) else {
        return Err(Answer::unauthorized("Bearer realm=\"admin\"", "a bearer token is needed"));
    };
    if admin.0.token.matches(presented) {
        return Ok(());
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    tracing::warn!(target: "countersign::admin", ?peer, "refused: a wrong token");
    Err(Answer::unauthorized("Bearer realm=\"admin\", error=\"invalid_token\"", "the token is wrong"))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, token) = lines.next()?.to_str().ok()?.split_once(' ')?;
    (lines.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

/// Publishes a new signing key; it signs when every cache has it.
async fn rotate(State(admin): State<Admin>) -> Result<Answer, Answer> {
    let rotated = admin.0.server.keys().rotate().await?;
    noted("keys/rotate", &rotated.kid);
    Ok(Answer::ok(serde_json::to_value(&rotated).unwrap_or_default()))
}

/// Lets a user try again whom others locked out.
async fn unlock(State(admin): State<Admin>, name: Result<Path<String>, PathRejection>) -> Result<Answer, Answer> {
    let user = admin.user(name).await?;
    admin.0.server.unlock_subject(user.clone()).await?;
    Ok(done("unlock", &user))
}

/// Takes a user's factors away, and what rests on them; the next login sets up new ones.
async fn reset_factors(
    State(admin): State<Admin>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Answer, Answer> {
    let user = admin.user(name).await?;
    admin.0.server.reset_factors(user.clone()).await?;
    Ok(done("reset-factors", &user))
}

/// Ends every session and grant of a user.
async fn revoke(State(admin): State<Admin>, name: Result<Path<String>, PathRejection>) -> Result<Answer, Answer> {
    let user = admin.user(name).await?;
    admin.0.server.revoke_subject(user.clone()).await?;
    Ok(done("revoke", &user))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inviting {
    lasts: Option<String>,
    #[serde(default)]
    mail: bool,
}

/// Invites a user to set up a first factor. The code is told this once, or mailed.
async fn invite(
    State(admin): State<Admin>,
    name: Result<Path<String>, PathRejection>,
    how: Result<Query<Inviting>, QueryRejection>,
) -> Result<Answer, Answer> {
    let wrong = |description| Answer::error(StatusCode::BAD_REQUEST, "invalid_request", description);
    let Ok(Query(Inviting { lasts, mail })) = how else { return Err(wrong("lasts is a time, mail is true or false")) };
    let Ok(Path(name)) = name else { return Err(Answer::not_found("no such user")) };
    if !admin.0.invites {
        return Err(InviteError::NotNeeded.into());
    }
    let Invited { user, code, lasts } = invite::issue(&admin.0.server, &name, lasts.as_deref(), mail).await?;
    noted("invite", user.as_str());
    let until = admin.0.server.now().plus(lasts).as_secs();
    Ok(Answer::ok(match code {
        Some(code) => json!({ "user": user.as_str(), "code": code.expose(), "expires_at": until }),
        None => json!({ "user": user.as_str(), "mailed": true, "expires_at": until }),
    }))
}

impl From<InviteError> for Answer {
    fn from(error: InviteError) -> Self {
        let (status, code) = match &error {
            InviteError::Lasts => (StatusCode::BAD_REQUEST, "invalid_request"),
            InviteError::NoSuchUser => return Self::not_found("no such user"),
            InviteError::NotNeeded | InviteError::HasFactor | InviteError::NoAddress => {
                (StatusCode::CONFLICT, "not_possible")
            }
            _ => {
                tracing::error!(target: "countersign::admin", ?error, "nobody was invited");
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
            }
        };
        Self::error(status, code, &error.to_string())
    }
}

#[derive(Deserialize)]
struct Reading {
    #[serde(default)]
    after: u64,
}

/// What happened after the event of this number, the oldest first.
async fn recent(State(admin): State<Admin>, reading: Result<Query<Reading>, QueryRejection>) -> Result<Answer, Answer> {
    let Ok(Query(Reading { after })) = reading else {
        return Err(Answer::error(StatusCode::BAD_REQUEST, "invalid_request", "after is the number of an event"));
    };
    Ok(Answer::ok(admin.0.watched.events.after(after, PAGE)))
}

/// How this node is doing, with the gauges of its store: `backlog` are expired records that wait for the sweep, `swept` those that
/// this node has removed, `resealing` what an earlier master key still seals and until when it is needed.
async fn health(State(admin): State<Admin>) -> Answer {
    let health = admin.0.server.health().await;
    let swept = admin.0.watched.metrics.snapshot().swept;
    match health {
        Ok(health) => Answer::ok(json!({
            "store": health.store.backend,
            "backlog": health.store.backlog,
            "swept": swept,
            "clock_offset_ms": health.clock_offset.map(|offset| u64::try_from(offset.as_millis()).unwrap_or(u64::MAX)),
            "worked_at": health.worked_at.as_secs(),
            "resealing": health.resealing.map(|resealing| json!({
                "left": resealing.left,
                "needed_until": resealing.needed_until.map(UnixTime::as_secs),
                "walked_at": resealing.walked_at.map(UnixTime::as_secs),
            })),
        })),
        Err(unhealthy) => {
            tracing::error!(target: "countersign::admin", ?unhealthy, "not well");
            let reason = std::error::Error::source(&unhealthy).map(|source| format!(": {source}")).unwrap_or_default();
            Answer::error(StatusCode::SERVICE_UNAVAILABLE, "unhealthy", &format!("{unhealthy}{reason}"))
        }
    }
}

impl Admin {
    /// The subject of a user who is known, by the name that he signs in with.
    async fn user(&self, name: Result<Path<String>, PathRejection>) -> Result<Subject, Answer> {
        let unknown = || Answer::not_found("no such user");
        let Ok(Path(name)) = name else { return Err(unknown()) };
        let accounts = self.0.server.stored_accounts().ok_or_else(unknown)?;
        let account = accounts.by_login(&name).await.map_err(|error| {
            tracing::error!(target: "countersign::admin", %error, "the accounts cannot be read");
            Answer::error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again")
        })?;
        account.map(|account| account.subject().clone()).ok_or_else(unknown)
    }
}

fn done(action: &'static str, user: &Subject) -> Answer {
    noted(action, user.as_str());
    Answer::ok(json!({ "user": user.as_str() }))
}

/// Every change leaves a line in the log.
fn noted(action: &'static str, what: &str) {
    tracing::info!(target: "countersign::admin", action, what, "done");
}

/// A status and a JSON object.
struct Answer {
    status: StatusCode,
    body: Value,
    challenge: Option<&'static str>,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body, challenge: None }
    }

    fn error(status: StatusCode, error: &str, description: &str) -> Self {
        Self { status, body: json!({ "error": error, "error_description": description }), challenge: None }
    }

    fn not_found(description: &str) -> Self {
        Self::error(StatusCode::NOT_FOUND, "not_found", description)
    }

    fn unauthorized(challenge: &'static str, description: &str) -> Self {
        Self { challenge: Some(challenge), ..Self::error(StatusCode::UNAUTHORIZED, "invalid_token", description) }
    }
}

/// The operator is told the cause too.
impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        tracing::error!(target: "countersign::admin", ?refusal, "not done");
        let mut answer = Self::error(refusal.status(), refusal.error(), refusal.description());
        answer.body["cause"] = refusal.cause_id().into();
        answer
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body.to_string()).into_response();
        let headers = [
            (header::CONTENT_TYPE, Some("application/json")),
            (header::CACHE_CONTROL, Some("no-store")),
            (HeaderName::from_static("x-content-type-options"), Some("nosniff")),
            (header::WWW_AUTHENTICATE, self.challenge),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }
        response
    }
}
