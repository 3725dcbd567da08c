//! `/login/{id}`: a login's steps, as pages and as JSON (one `GET` reads, one `POST` answers).
//!
//! What is shown follows from what the server says of the request behind the login: done, refused, consent, or more to prove.
//! So a reload, a second tab or a step back shows where things stand, and cannot lead past a step.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{
    Ask, Browser, Cause, Consent, Endpoint, Outcome, Params, Refusal, Server, answer, is_same_origin,
};
use countersign_primitives::{Id, SecretString, SignedIn};
use http::header;
use http::request::Parts;
use http::{Method, Request, Response};

use super::cookies::{caller, remember};
use super::links::{self, link_of};
use super::pages::account_name;
use super::reply::{Form, Replies, is_json, is_type};
use super::{Login, MfaApi};
use crate::{
    Answer, BrowserMarks, Caller, ConsentAnswer, Done, Languages, LoginError, LoginId, LoginRequest, Step, StepError,
    Submission,
};

pub(super) struct ReadStep(pub(super) Arc<Login>);

pub(super) struct AnswerStep(pub(super) Arc<Login>);

#[async_trait]
impl Endpoint for ReadStep {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        let form = Form::of(&parts);
        let replies = Replies::new(&self.0, server, &parts, form);
        match Visit::begin(&replies, &parts).await {
            Ok(visit) => {
                let polls = is_own_reload(form, &parts, server);
                Visit { link: link_of(&parts), polls, ..visit }.show().await
            }
            Err(refusal) if link_of(&parts).is_some() && refusal.cause_id() == Cause::UnknownInteraction.id() => {
                links::elsewhere(&replies)
            }
            Err(refusal) => replies.refused(&refusal),
        }
    }
}

#[async_trait]
impl Endpoint for AnswerStep {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let form = Form::of(&parts);
        let replies = Replies::new(&self.0, server, &parts, form);
        if !is_same_origin(&parts, server.config().issuer()) {
            return replies.refused(&Cause::Forged.into());
        }
        let visit = Visit::begin(&replies, &parts).await;
        match visit.and_then(|visit| Ok((read(&parts, &body)?, visit))) {
            Ok((submission, visit)) => visit.take(submission).await,
            Err(refusal) => replies.refused(&refusal),
        }
    }
}

/// Whether a page of ours has come back to ask: one that waits reloads itself, and no other page can say that it is ours.
pub(super) fn is_own_reload(form: Form, parts: &Parts, server: &Server) -> bool {
    form == Form::Page && parts.method == Method::GET && is_same_origin(parts, server.config().issuer())
}

/// Reads an answer: a form, or a JSON object of the exact type.
pub(super) fn read(parts: &Parts, body: &Bytes) -> Result<Submission, Refusal> {
    let content_type =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let malformed = |error: crate::AnswerError| Refusal::from(Cause::MalformedParameters).source(error);
    if is_json(content_type) {
        return Answer::from_json(body).map_err(malformed);
    }
    if !is_type(content_type, "application/x-www-form-urlencoded") {
        return Err(Cause::ContentType.into());
    }
    let form = Params::parse(body).map_err(|error| Refusal::from(Cause::MalformedParameters).source(error))?;
    Answer::from_form(form.iter()).map_err(malformed)
}

/// One request at one login.
struct Visit<'a> {
    replies: &'a Replies<'a>,
    id: LoginId,
    browser: Browser,
    /// Who was signed in when it came.
    who: Option<SignedIn>,
    caller: Caller,
    /// What the browser shall remember, once a login is done.
    marks: BrowserMarks,
    /// The link that was opened, for the page with the button that spends it.
    link: Option<SecretString>,
    /// The page of a step that waits has come back to ask whether the answer has come.
    polls: bool,
}

impl<'a> Visit<'a> {
    async fn begin(replies: &'a Replies<'a>, parts: &Parts) -> Result<Self, Refusal> {
        let id = parts.uri.path().rsplit('/').next().and_then(|id| id.parse::<Id>().ok());
        let id = LoginId(id.ok_or(Cause::UnknownInteraction)?);
        let browser = replies.server.browser(parts).await?;
        if !browser.is_known() {
            return Err(Cause::UnknownInteraction.into());
        }
        let who = replies.server.signed_in(&browser).await?;
        let caller = caller(replies.server, &browser, who.as_ref(), parts);
        Ok(Self { replies, id, browser, who, caller, marks: BrowserMarks::default(), link: None, polls: false })
    }

    /// Shows where the request behind the login stands.
    async fn show(mut self) -> Response<Bytes> {
        let outcome = self.resume().await;
        self.reply(outcome, Again::Yes).await
    }

    async fn resume(&mut self) -> Outcome {
        self.replies.server.resume(&mut self.browser, self.id.0, self.who.clone()).await
    }

    async fn take(self, submission: Submission) -> Response<Bytes> {
        let csrf = submission.csrf.unwrap_or_default();
        if let Answer::Consent(consent) = submission.answer {
            return self.consent(&csrf, consent).await;
        }
        if !self.replies.server.is_anti_forgery(&self.browser, self.id.0, csrf.expose()) {
            return self.replies.refused(&Cause::Forged.into());
        }
        self.answer(&submission.answer).await
    }

    async fn answer(self, answer: &Answer) -> Response<Bytes> {
        match self.replies.login.mfa.answer(self.id, answer, &self.caller).await {
            Ok(Step::Done(done)) => self.finish(done).await,
            Ok(step) => self.after(answer, step).await,
            Err(LoginError::Throttled { retry_after }) => self.throttled(retry_after).await,
            // What the login rested on has ended, or a page from before it was used: where things stand now is shown.
            Err(LoginError::Expired) => self.show().await,
            Err(error) => self.replies.failed(error),
        }
    }

    /// The step stays on screen, and says that the answer was not looked at.
    async fn throttled(mut self, retry_after: Duration) -> Response<Bytes> {
        let step = match self.replies.login.mfa.step(self.id, &self.caller).await {
            Ok(step) => step.with_error(StepError::Throttled),
            Err(error) => return self.replies.failed(error),
        };
        let mut response = match self.resume().await {
            Outcome::NeedsLogin(ask) | Outcome::NeedsStepUp(ask) => self.page(&ask, &step).await,
            other => return self.reply(other, Again::No).await,
        };
        answer::set(&mut response, header::RETRY_AFTER, &retry_after.as_secs().max(1).to_string());
        response
    }

    /// A step that did not end the login. A proof that held gives the browser's cookie a new value.
    async fn after(mut self, answer: &Answer, step: Step) -> Response<Bytes> {
        if has_proven(answer, &step)
            && let Err(refusal) = self.replies.server.renew_cookie(&mut self.browser).await
        {
            return self.replies.refused(&refusal);
        }
        match self.resume().await {
            Outcome::NeedsLogin(ask) | Outcome::NeedsStepUp(ask) => self.page(&ask, &step).await,
            other => self.reply(other, Again::No).await,
        }
    }

    /// The login is done: a session begins, and the request behind it is judged anew.
    async fn finish(mut self, done: Done) -> Response<Bytes> {
        let server = self.replies.server;
        let session = server.derived_id("login session", self.id.0);
        let who = match server.start_session(&mut self.browser, session, done.signed_in).await {
            Ok(who) => who,
            Err(refusal) => return self.replies.refused(&refusal),
        };
        // A revocation may have come between the last proof and the session, which then outlives it; the login does not.
        match self.replies.login.mfa.step(self.id, &self.caller).await {
            Ok(Step::Done(_)) => {}
            Ok(_) => {
                return match server.drop_session(&mut self.browser).await {
                    Ok(()) => self.send(self.replies.refused(&Cause::UnknownInteraction.into())),
                    Err(refusal) => self.replies.refused(&refusal),
                };
            }
            Err(error) => return self.replies.failed(error),
        }
        self.marks = done.marks;
        let mut outcome = server.resume(&mut self.browser, self.id.0, Some(who.clone())).await;
        // The login asked for the preferred classes wherever they are within reach; a preference may go unmet.
        if matches!(&outcome, Outcome::NeedsStepUp(ask) if !ask.acr_values().is_empty()) {
            outcome = match server.waive_acr_values(&mut self.browser, self.id.0).await {
                Ok(()) => server.resume(&mut self.browser, self.id.0, Some(who)).await,
                Err(refusal) => return self.replies.refused(&refusal),
            };
        }
        self.reply(outcome, Again::No).await
    }

    async fn consent(mut self, csrf: &SecretString, consent: ConsentAnswer) -> Response<Bytes> {
        let (server, who) = (self.replies.server, self.who.take());
        if !server.is_consent_form(&self.browser, self.id.0, who.as_ref(), csrf.expose()) {
            return self.replies.refused(&Cause::Forged.into());
        }
        let consent = match consent {
            ConsentAnswer::AllowAll => Consent::allow_all(),
            ConsentAnswer::Allow(scopes) => Consent::allow(scopes.iter().map(String::as_str)),
            ConsentAnswer::Deny => Consent::deny(),
        };
        let outcome = server.decide(&mut self.browser, self.id.0, who, consent).await;
        self.reply(outcome, Again::No).await
    }

    async fn reply(self, outcome: Outcome, again: Again) -> Response<Bytes> {
        match outcome {
            Outcome::Done(reply) => self.send(self.replies.done(reply)),
            Outcome::Refused(refusal) => self.send(self.replies.refused(&refusal)),
            Outcome::NeedsConsent(ask) => {
                let account = match ask.who() {
                    Some(who) => account_name(self.replies.server, who).await,
                    None => String::new(),
                };
                self.send(self.replies.consent(self.id, &ask, account))
            }
            Outcome::NeedsLogin(ask) | Outcome::NeedsStepUp(ask) => self.prove(&ask, again).await,
        }
    }

    /// More must be proven: the login goes on, or begins.
    async fn prove(mut self, ask: &Ask, again: Again) -> Response<Bytes> {
        let mut request = request(ask, self.replies.languages(ask.ui_locales()));
        let issuer = self.replies.server.config().issuer();
        if self.replies.login.api.is_some() && MfaApi::is_wanted(issuer, ask.scope(), ask.resources()) {
            request = request.proves_factor();
        }
        let begun = self.replies.login.mfa.begin(self.id, request, &self.caller).await;
        match begun {
            // It was done before, and what it proved was not lost: a session begins, once.
            Ok(Step::Done(done)) if again == Again::Yes => Box::pin(self.finish(done)).await,
            // It is done and does not do: nothing more can be proven in this login.
            Ok(Step::Done(_)) => {
                let outcome = self.replies.server.decline(&mut self.browser, self.id.0, Cause::Unmet.into()).await;
                self.declined(outcome)
            }
            Ok(Step::Refused(refused)) => {
                let refusal = Refusal::from(match refused.reason {
                    crate::RefusedReason::AccessDenied => Cause::Denied,
                    _ => Cause::Unmet,
                });
                let outcome = self.replies.server.decline(&mut self.browser, self.id.0, refusal).await;
                self.declined(outcome)
            }
            Ok(Step::Wait(_)) if self.polls => {
                self.polls = false;
                Box::pin(self.answer(&Answer::Poll)).await
            }
            Ok(step) => self.page(ask, &step).await,
            Err(error) => self.replies.failed(error),
        }
    }

    fn declined(self, outcome: Outcome) -> Response<Bytes> {
        match outcome {
            Outcome::Done(reply) => self.send(self.replies.done(reply)),
            Outcome::Refused(refusal) => self.replies.refused(&refusal),
            _ => self.replies.refused(&Cause::Unmet.into()),
        }
    }

    async fn page(self, ask: &Ask, step: &Step) -> Response<Bytes> {
        if let Step::Refused(_) = step {
            return Box::pin(self.show()).await;
        }
        let csrf = self.replies.server.anti_forgery(&self.browser, self.id.0);
        let link = self.link.as_ref().filter(|_| matches!(step, Step::MagicLink(_)));
        let page = self.replies.step(self.id, csrf, (ask, link), step);
        self.send(page)
    }

    fn send(&self, response: Response<Bytes>) -> Response<Bytes> {
        let response = remember(self.replies.server, &self.marks, response);
        self.replies.server.with_cookie(&self.browser, response)
    }
}

/// Whether an answer that led to this step has proven something.
pub(super) fn has_proven(answer: &Answer, step: &Step) -> bool {
    let proves = matches!(
        answer,
        Answer::Password { .. }
            | Answer::MagicLink { .. }
            | Answer::Code { .. }
            | Answer::Enrol { .. }
            | Answer::Webauthn { .. }
            | Answer::Poll
    );
    let waits = matches!((step, answer), (Step::Wait(_) | Step::Enrol(_), Answer::Enrol { .. } | Answer::Poll));
    proves && !waits && step.error().is_none()
}

/// Whether a login that is done may begin a session now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

/// What a login must prove for this request, beside what is proven already by whoever may go on with it.
fn request(ask: &Ask, languages: Languages) -> LoginRequest {
    let request = LoginRequest::new().client_id(ask.client().id()).requirement(ask.requirement().clone());
    let mut request = request.acr_values(ask.acr_values().to_vec());
    if let Some(who) = ask.who() {
        request = request.who(who.clone());
    }
    if let Some(since) = ask.proofs_since() {
        request = request.since(since);
    }
    request = request.client(ask.client().display_name()).languages(languages);
    if let Some(hint) = ask.login_hint() {
        request = request.login_hint(hint);
    }
    request
}
