//! Signing in for one's own account, and proving a factor anew there: the login machine without a client behind it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Browser, Cause, Endpoint, Params, Refusal, Route, Server, answer, is_same_origin};
use countersign_primitives::{Id, Requirement, SignedIn};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::super::Login;
use super::super::cookies::{caller, remember};
use super::super::login::{has_proven, is_own_reload, read};
use super::super::reply::{Form, Replies, refusal};
use super::{Room, has_factor};
use crate::{Answer, BrowserMarks, Caller, Done, Heading, LoginError, LoginId, LoginRequest, Step, StepError};

const PATH: &str = "/account/sign-in";
/// What is said to have been done once a factor was set up.
const ADDED: &str = "added";

pub(super) fn routes(login: &Arc<Login>) -> Vec<Route> {
    vec![
        Route::new(Method::GET, PATH, Begin(Arc::clone(login))),
        Route::new(Method::GET, "/account/sign-in/{id}", ReadStep(Arc::clone(login))),
        Route::new(Method::POST, "/account/sign-in/{id}", AnswerStep(Arc::clone(login))),
    ]
}

/// Nobody is signed in, or not by what the policy asks: to the login, and back.
pub(super) fn first(replies: &Replies<'_>, room: Room) -> Response<Bytes> {
    to_login(replies, room, "")
}

/// A factor is to be proven anew.
pub(super) fn anew(replies: &Replies<'_>, room: Room) -> Response<Bytes> {
    to_login(replies, room, "&fresh=1")
}

fn to_login(replies: &Replies<'_>, room: Room, more: &str) -> Response<Bytes> {
    let place = format!("{}{PATH}?to={}{more}", replies.server.config().issuer().path(), room.name());
    if replies.form == Form::Page {
        return answer::see_other(&place);
    }
    let (status, error) = match more {
        "" => (StatusCode::UNAUTHORIZED, "login_required"),
        _ => (StatusCode::FORBIDDEN, "insufficient_user_authentication"),
    };
    answer::json(status, &json!({ "error": error, "sign_in": place }))
}

struct Begin(Arc<Login>);

struct ReadStep(Arc<Login>);

struct AnswerStep(Arc<Login>);

#[async_trait]
impl Endpoint for Begin {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        match begin(&replies, &parts).await {
            Ok(response) => response,
            Err(refusal) => replies.refused_as(Heading::Failed, &refusal),
        }
    }
}

/// Begins a login, and leads to it.
async fn begin(replies: &Replies<'_>, parts: &Parts) -> Result<Response<Bytes>, Refusal> {
    let server = replies.server;
    let params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .map_err(|error| Refusal::from(Cause::MalformedParameters).source(error))?;
    let room = params.get("to").and_then(Room::named).unwrap_or(Room::Overview);
    let browser = server.browser(parts).await?;
    let who = server.signed_in(&browser).await?;
    let request = match who.as_ref().filter(|_| params.get("fresh").is_some()) {
        Some(who) => {
            LoginRequest::new().requirement(required(replies, who).await?).since(replies.login.mfa.fresh_since())
        }
        None => LoginRequest::new(),
    };
    let request = who.into_iter().fold(request, LoginRequest::who);
    open(replies, parts, browser, request.context(json!({ "to": room.name() }))).await
}

/// Begins to set up one more factor beside those that there are, or a first one as the policy lets it.
pub(super) async fn add(
    replies: &Replies<'_>,
    parts: &Parts,
    browser: Browser,
    who: SignedIn,
) -> Result<Response<Bytes>, Refusal> {
    let adds = has_factor(replies, &who).await?;
    let request =
        LoginRequest::new().who(who).context(json!({ "to": Room::Factors.name(), "done": ADDED, "adds": adds }));
    let request = if adds { request.adds_factor() } else { request.requirement(Requirement::MFA) };
    open(replies, parts, browser, request).await
}

async fn open(
    replies: &Replies<'_>,
    parts: &Parts,
    mut browser: Browser,
    request: LoginRequest,
) -> Result<Response<Bytes>, Refusal> {
    let server = replies.server;
    server.admit_kept_request(countersign_oauth_core::Peer::of(parts)).await?;
    let id = LoginId(server.random().id()?);
    server.open_login(&mut browser, id.0).await?;
    let caller = caller(server, &browser, request.signed_in(), parts);
    let step = replies.login.mfa.begin(id, request.languages(replies.languages(None)), &caller).await;
    let visit = Visit { replies, id, browser, caller, marks: BrowserMarks::default() };
    if let Step::Done(done) = step.map_err(refusal)? {
        return visit.finish(done).await;
    }
    let place = answer::see_other(&visit.path());
    Ok(server.with_cookie(&visit.browser, place))
}

/// What is to be proven anew: a factor where its owner has one, else whatever says who they are.
async fn required(replies: &Replies<'_>, who: &SignedIn) -> Result<Requirement, Refusal> {
    Ok(if has_factor(replies, who).await? { Requirement::MFA } else { Requirement::NONE })
}

#[async_trait]
impl Endpoint for ReadStep {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        let shown = async {
            let visit = Visit::of(&replies, &parts).await?;
            match self.0.mfa.step(visit.id, &visit.caller).await {
                Ok(Step::Done(done)) => visit.finish(done).await,
                Ok(Step::Wait(_)) if is_own_reload(replies.form, &parts, server) => visit.answer(&Answer::Poll).await,
                Ok(step) => Ok(visit.page(&step)),
                Err(LoginError::Expired) => Ok(first(&replies, Room::Overview)),
                Err(error) => Err(refusal(error)),
            }
        };
        shown.await.unwrap_or_else(|refusal| replies.refused_as(Heading::Failed, &refusal))
    }
}

#[async_trait]
impl Endpoint for AnswerStep {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        if !is_same_origin(&parts, server.config().issuer()) {
            return replies.refused_as(Heading::Failed, &Cause::Forged.into());
        }
        let answered = async { Visit::of(&replies, &parts).await?.take(&parts, &body).await };
        answered.await.unwrap_or_else(|refusal| replies.refused_as(Heading::Failed, &refusal))
    }
}

/// One request at one login.
struct Visit<'a> {
    replies: &'a Replies<'a>,
    id: LoginId,
    browser: Browser,
    caller: Caller,
    /// What the browser shall remember, once the login is done.
    marks: BrowserMarks,
}

impl<'a> Visit<'a> {
    async fn of(replies: &'a Replies<'a>, parts: &Parts) -> Result<Self, Refusal> {
        let id = parts.uri.path().rsplit('/').next().and_then(|id| id.parse::<Id>().ok());
        let id = LoginId(id.ok_or(Cause::UnknownInteraction)?);
        let browser = replies.server.browser(parts).await?;
        if !browser.is_known() {
            return Err(Cause::UnknownInteraction.into());
        }
        let who = replies.server.signed_in(&browser).await?;
        let caller = caller(replies.server, &browser, who.as_ref(), parts);
        Ok(Self { replies, id, browser, caller, marks: BrowserMarks::default() })
    }

    fn path(&self) -> String {
        format!("{}{PATH}/{}", self.replies.server.config().issuer().path(), self.id.0)
    }

    async fn take(self, parts: &Parts, body: &Bytes) -> Result<Response<Bytes>, Refusal> {
        let submission = read(parts, body)?;
        let csrf = submission.csrf.unwrap_or_default();
        if !self.replies.server.is_anti_forgery(&self.browser, self.id.0, csrf.expose()) {
            return Err(Cause::Forged.into());
        }
        self.answer(&submission.answer).await
    }

    async fn answer(mut self, given: &Answer) -> Result<Response<Bytes>, Refusal> {
        let (server, mfa) = (self.replies.server, &self.replies.login.mfa);
        match mfa.answer(self.id, given, &self.caller).await {
            Ok(Step::Done(done)) => self.finish(done).await,
            Ok(step) => {
                if has_proven(given, &step) {
                    server.renew_cookie(&mut self.browser).await?;
                }
                Ok(self.page(&step))
            }
            Err(LoginError::Throttled { retry_after }) => {
                let step = mfa.step(self.id, &self.caller).await.map_err(refusal)?.with_error(StepError::Throttled);
                let mut response = self.page(&step);
                let seconds = retry_after.as_secs().max(1).to_string();
                answer::set(&mut response, http::header::RETRY_AFTER, &seconds);
                Ok(response)
            }
            // A page from before the login was used, or what it rested on has ended.
            Err(LoginError::Expired) => Ok(first(self.replies, Room::Overview)),
            Err(error) => Err(refusal(error)),
        }
    }

    /// The login is done: a session begins or grows stronger, and the room is shown that it was for.
    async fn finish(mut self, done: Done) -> Result<Response<Bytes>, Refusal> {
        let (server, mfa) = (self.replies.server, &self.replies.login.mfa);
        let context = mfa.context(self.id, &self.caller).await.map_err(refusal)?;
        // A factor was added: nobody signed in, and the session is worth what it was.
        if context.get("adds") == Some(&Value::Bool(true)) {
            return Ok(self.lead_back(&context));
        }
        let session = server.derived_id("account session", self.id.0);
        server.start_session(&mut self.browser, session, done.signed_in).await?;
        // A revocation may have come between the last proof and the session, which then outlives it; the login does not.
        if !matches!(mfa.step(self.id, &self.caller).await, Ok(Step::Done(_))) {
            server.drop_session(&mut self.browser).await?;
            return Err(Cause::UnknownInteraction.into());
        }
        self.marks = done.marks;
        Ok(self.lead_back(&context))
    }

    /// To the room that it was for, which says what was done.
    fn lead_back(&self, context: &Value) -> Response<Bytes> {
        let room = context.get("to").and_then(Value::as_str).and_then(Room::named).unwrap_or(Room::Overview);
        let done = context.get("done").and_then(Value::as_str).map(|done| format!("?done={done}")).unwrap_or_default();
        let place = format!("{}{}{done}", self.replies.server.config().issuer().path(), room.path());
        self.send(match self.replies.form {
            Form::Page => answer::see_other(&place),
            Form::Json => answer::json(StatusCode::OK, &json!({ "step": "done", "redirect_to": place })),
        })
    }

    fn page(&self, step: &Step) -> Response<Bytes> {
        let csrf = self.replies.server.anti_forgery(&self.browser, self.id.0);
        self.send(self.replies.own_step(self.path(), csrf, step))
    }

    fn send(&self, response: Response<Bytes>) -> Response<Bytes> {
        let response = remember(self.replies.server, &self.marks, response);
        self.replies.server.with_cookie(&self.browser, response)
    }
}
