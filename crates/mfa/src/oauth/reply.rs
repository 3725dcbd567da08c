//! Steps, refusals and redirects as pages or as JSON, whichever the browser reads.

use bytes::Bytes;
use countersign_oauth_core::{Ask, Cause, Params, Refusal, Server, answer};
use countersign_primitives::SecretString;
use http::header;
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Login;
use crate::{
    ConsentScreen, Frame, Heading, Languages, LoginError, LoginId, Look, RefusedScreen, Screen, ScreenClient,
    ScreenScope, Step, StepError, StepScreen,
};

/// How the browser reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Page,
    Json,
}

impl Form {
    /// JSON for whoever asks for it or sends it; pages for everybody else.
    pub(super) fn of(parts: &Parts) -> Self {
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accepts = header(header::ACCEPT);
        let wants = accepts.contains("application/json") && !accepts.contains("text/html");
        if wants || is_json(header(header::CONTENT_TYPE)) { Self::Json } else { Self::Page }
    }
}

/// Whether a body is JSON: the exact type, a charset aside.
pub(super) fn is_json(content_type: &str) -> bool {
    is_type(content_type, "application/json")
}

/// Whether a body is of this type, whatever parameters follow it.
pub(super) fn is_type(content_type: &str, expected: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

/// What answers one request.
pub(super) struct Replies<'a> {
    pub(super) login: &'a Login,
    pub(super) server: &'a Server,
    pub(super) form: Form,
    /// The languages that the request's own `ui_locales` and the browser ask for, the dearest first.
    languages: Vec<String>,
}

impl<'a> Replies<'a> {
    pub(super) fn new(login: &'a Login, server: &'a Server, parts: &Parts, form: Form) -> Self {
        Self { login, server, form, languages: asked_languages(parts) }
    }

    /// A step: a wrong answer is 422, too many are 429.
    pub(super) fn step(
        &self,
        id: LoginId,
        csrf: String,
        (ask, link): (&Ask, Option<&SecretString>),
        step: &Step,
    ) -> Response<Bytes> {
        let frame = self.frame(id, csrf, Some(ask));
        let screen = StepScreen { step, frame: &frame };
        match link {
            Some(link) => self.step_screen(step, &Opened { screen, link }, ask.ui_locales()),
            None => self.step_screen(step, &screen, ask.ui_locales()),
        }
    }

    /// A step of a login that no client asked for, at a path of its own.
    pub(super) fn own_step(&self, action: String, csrf: String, step: &Step) -> Response<Bytes> {
        let frame = Frame { action, csrf: SecretString::new(csrf), client: None };
        self.step_screen(step, &StepScreen { step, frame: &frame }, None)
    }

    fn step_screen(&self, step: &Step, screen: &dyn Screen, ui_locales: Option<&str>) -> Response<Bytes> {
        let status = match step.error() {
            None => StatusCode::OK,
            Some(StepError::Throttled | StepError::TooSoon) => StatusCode::TOO_MANY_REQUESTS,
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let mut response = self.screen(status, screen, ui_locales);
        if let (Some(StepError::TooSoon), Some(seconds)) = (step.error(), step.resend_in()) {
            answer::set(&mut response, header::RETRY_AFTER, &seconds.to_string());
        }
        response
    }

    /// The consent page: every scope in plain words, and the host that the answer goes to.
    pub(super) fn consent(&self, id: LoginId, ask: &Ask, account: String) -> Response<Bytes> {
        let frame = self.frame(id, ask.anti_forgery().to_owned(), Some(ask));
        let scopes = ask
            .scopes()
            .iter()
            .map(|scope| ScreenScope { scope: scope.token.clone(), description: scope.description.clone() });
        let screen = ConsentScreen {
            frame: &frame,
            account,
            scopes: scopes.collect(),
            redirect_host: ask.redirect_host().to_owned(),
            logout: None,
        };
        self.screen(StatusCode::OK, &screen, ask.ui_locales())
    }

    /// The answer to the client: as it is for a browser that follows, as a step for a front end.
    pub(super) fn done(&self, reply: Response<Bytes>) -> Response<Bytes> {
        if self.form == Form::Page {
            return reply;
        }
        let to = reply.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut json = match to {
            Some(to) => answer::json(StatusCode::OK, &json!({ "step": "done", "redirect_to": to })),
            // A form_post answer is a page: the front end opens the login itself, which shows it.
            None => answer::json(StatusCode::OK, &json!({ "step": "done", "page": true })),
        };
        for value in reply.headers().get_all(header::SET_COOKIE) {
            json.headers_mut().append(header::SET_COOKIE, value.clone());
        }
        json
    }

    /// An error that must not be redirected.
    pub(super) fn refused(&self, refusal: &Refusal) -> Response<Bytes> {
        self.refused_as(Heading::SignIn, refusal)
    }

    /// The same under a heading that says what cannot go on.
    pub(super) fn refused_as(&self, heading: Heading, refusal: &Refusal) -> Response<Bytes> {
        if self.form == Form::Json || self.login.presenter.is_none() {
            return answer::refusal(refusal);
        }
        let frame = Frame::default();
        let failure = refusal.is_failure();
        let screen = RefusedScreen {
            frame: &frame,
            heading: if failure { Heading::Failed } else { heading },
            message: sentence(refusal.description()),
            cause: Some(refusal.cause_id().to_owned()),
        };
        let mut response = self.screen(refusal.status(), &screen, None);
        answer::retry_after(&mut response, refusal);
        response
    }

    /// Why a step could not be taken.
    pub(super) fn failed(&self, error: LoginError) -> Response<Bytes> {
        let retry_after = match &error {
            LoginError::Throttled { retry_after } => Some(retry_after.as_secs().max(1)),
            _ => None,
        };
        let mut response = self.refused(&refusal(error));
        if let Some(seconds) = retry_after {
            answer::set(&mut response, header::RETRY_AFTER, &seconds.to_string());
        }
        response
    }

    /// The languages that the user reads: what the client knows, then what the browser says.
    pub(super) fn languages(&self, ui_locales: Option<&str>) -> Languages {
        Languages::of(ui_locales.unwrap_or_default()).then(Languages::of(&self.languages.join(" ")))
    }

    fn frame(&self, id: LoginId, csrf: String, ask: Option<&Ask>) -> Frame {
        let client = ask.map(Ask::client).map(ScreenClient::of);
        let path = self.server.config().issuer().path();
        Frame { action: format!("{path}/login/{}", id.0), csrf: SecretString::new(csrf), client }
    }

    pub(super) fn screen(&self, status: StatusCode, screen: &dyn Screen, ui_locales: Option<&str>) -> Response<Bytes> {
        match (&self.login.presenter, self.form) {
            (Some(presenter), Form::Page) => {
                let look = look(ui_locales.unwrap_or_default(), &self.languages);
                answer::page(status, presenter.page(screen, &look), &presenter.content_security_policy())
            }
            _ => answer::json(status, &for_json(screen.data())),
        }
    }
}

/// A step at which a link was opened: the form's button sends it.
struct Opened<'a> {
    screen: StepScreen<'a>,
    link: &'a SecretString,
}

impl Screen for Opened<'_> {
    fn name(&self) -> &'static str {
        self.screen.name()
    }

    fn data(&self) -> Value {
        let mut data = self.screen.data();
        if let Some(members) = data.as_object_mut() {
            members.insert("link".to_owned(), self.link.expose().into());
        }
        data
    }
}

/// In JSON what is not there is left out.
fn for_json(mut data: Value) -> Value {
    if let Some(members) = data.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    data
}

fn sentence(description: &str) -> String {
    let mut letters = description.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// The most languages that are looked at.
const MOST_LANGUAGES: usize = 16;

/// What the client knows of the user (`ui_locales`, OpenID Connect Core §3.1.2.1) comes before what the browser says.
fn look(ui_locales: &str, accepted: &[String]) -> Look {
    let told = ui_locales.split(' ').filter(|tag| is_language(tag));
    let languages: Vec<_> = told.chain(accepted.iter().map(String::as_str)).take(MOST_LANGUAGES).collect();
    if languages.is_empty() { Look::default() } else { Look::locale(languages.join(" ")) }
}

/// The languages that a request asks for: those of its `ui_locales`, where its page is asked for by one that has some (OpenID Connect
/// Core §3.1.2.1, RP-Initiated Logout 1.0 §2), then those of the browser.
fn asked_languages(parts: &Parts) -> Vec<String> {
    let params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes()).ok();
    let told = params.as_ref().and_then(|params| params.get("ui_locales")).unwrap_or_default();
    let told = told.split(' ').filter(|tag| is_language(tag)).take(MOST_LANGUAGES).map(str::to_owned);
    told.chain(accepted_languages(parts)).collect()
}

/// The languages of `Accept-Language`, by their weights (RFC 9110 §12.5.4).
fn accepted_languages(parts: &Parts) -> Vec<String> {
    let header = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut weighted: Vec<(f32, &str)> = header.split(',').take(MOST_LANGUAGES).filter_map(weighted).collect();
    weighted.sort_by(|(a, _), (b, _)| b.total_cmp(a)); // stable: equals stay as they came
    weighted.into_iter().map(|(_, tag)| tag.to_owned()).collect()
}

fn weighted(range: &str) -> Option<(f32, &str)> {
    let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
    let weight = match parameters.trim().strip_prefix("q=") {
        Some(weight) => weight.parse().ok()?,
        None => 1.0,
    };
    let tag = tag.trim();
    (weight > 0.0 && weight <= 1.0 && is_language(tag)).then_some((weight, tag))
}

/// Whether it has the shape of a language tag (BCP 47).
fn is_language(tag: &str) -> bool {
    (1..=35).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A login's error as a refusal.
pub(super) fn refusal(error: LoginError) -> Refusal {
    match error {
        LoginError::Expired | LoginError::OtherBrowser => Cause::UnknownInteraction.into(),
        LoginError::Throttled { .. } => {
            let description = "too many attempts; wait a little and try again";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "slow_down", description)
                .cause("login.throttled", "NIST SP 800-63B-4 §3.2.2")
        }
        LoginError::NotALoginAnswer => Refusal::invalid_request("this answer belongs to another step")
            .cause("login.other_step", "docs/promises.md"),
        LoginError::FactorTooOld => {
            let (error, description) = ("insufficient_user_authentication", "a factor must be proven anew for this");
            Refusal::new(StatusCode::FORBIDDEN, error, description).cause("login.factor_too_old", "attack M25")
        }
        LoginError::Busy(full) => full.into(),
        LoginError::Contended => Cause::Contention.into(),
        LoginError::Store(error) => error.into(),
        LoginError::Accounts(error)
        | LoginError::Subjects(error)
        | LoginError::Policy(error)
        | LoginError::Hook(error) => Refusal::from(Cause::LookupFailed).source(error),
        other => Refusal::from(Cause::StoreFailed).source(other),
    }
}
