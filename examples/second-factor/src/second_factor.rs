//! Between the password and the session: the steps of the engine as pages.

use std::net::SocketAddr;

use axum::Form;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use countersign::mfa::{Answer, Frame, LoginError, LoginId, Look, Presenter as _, Step, StepScreen};
use countersign::{Id, SecretString};
use tower_sessions::Session;

use crate::{App, Failed, caller, held, marks};

/// The step that the login is at.
pub(crate) async fn show(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    session: Session,
) -> Result<Response, Failed> {
    let Some(login) = session.get::<LoginId>(held::LOGIN).await? else { return Ok(to_login()) };
    let caller = caller(&session, peer, &headers).await?;
    answered(&app, &session, app.mfa.step(login, &caller).await).await
}

/// What the user answered.
pub(crate) async fn answer(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    session: Session,
    Form(form): Form<Vec<(String, String)>>,
) -> Result<Response, Failed> {
    let Some(login) = session.get::<LoginId>(held::LOGIN).await? else { return Ok(to_login()) };
    let Ok(sent) = Answer::from_form(form) else { return Ok(StatusCode::BAD_REQUEST.into_response()) };
    let browser: Option<Id> = session.get(held::BROWSER).await?;
    let own = |csrf: &SecretString| browser.is_some_and(|browser| csrf.matches(&browser.to_string()));
    if !sent.csrf.as_ref().is_some_and(own) {
        return Ok(StatusCode::FORBIDDEN.into_response());
    }
    let caller = caller(&session, peer, &headers).await?;
    answered(&app, &session, app.mfa.answer(login, &sent.answer, &caller).await).await
}

/// Shows a step, or signs in when it was the last.
async fn answered(app: &App, session: &Session, step: Result<Step, LoginError>) -> Result<Response, Failed> {
    match step {
        Ok(Step::Done(done)) => {
            session.cycle_id().await?; // who knew the session before does not know this one
            session.remove::<LoginId>(held::LOGIN).await?;
            session.insert(held::SIGNED_IN, &done.signed_in).await?;
            Ok(([(SET_COOKIE, marks::cookie(&done.marks))], Redirect::to("/")).into_response())
        }
        Ok(step) => page(app, session, &step).await,
        Err(LoginError::Expired | LoginError::OtherBrowser) => Ok(to_login()),
        Err(LoginError::Throttled { retry_after }) => {
            let seconds = retry_after.as_secs().max(1).to_string();
            Ok((
                StatusCode::TOO_MANY_REQUESTS,
                [(RETRY_AFTER, seconds)],
                Html("<p role=\"alert\">Too many attempts.</p>"),
            )
                .into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// The kit's own page of a step; a host with templates of its own reads `step` instead.
async fn page(app: &App, session: &Session, step: &Step) -> Result<Response, Failed> {
    let csrf = session.get::<Id>(held::BROWSER).await?.map(|browser| browser.to_string()).unwrap_or_default();
    let frame = Frame { action: "/second-factor".to_owned(), csrf: csrf.into(), client: None };
    let html = app.pages.page(&StepScreen { step, frame: &frame }, &Look::default());
    let status = if step.error().is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, "no-store".parse()?);
    headers.insert(CONTENT_SECURITY_POLICY, app.pages.content_security_policy().parse()?);
    Ok((status, headers, Html(html)).into_response())
}

fn to_login() -> Response {
    Redirect::to("/login").into_response()
}
