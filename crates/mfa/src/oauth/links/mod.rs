//! `/password/forgot`, `/password/reset`, `/password/change`, `/verify-email` and `/not-me`: pages with a form, and the same as JSON.
//!
//! Opening a link shows a page with a button; only its POST spends the link, so programs that look into mails use nothing up. What is
//! shown is built from the issuer, whatever `Host` a request has.

mod change;
mod forgot;
mod not_me;
mod reset;
mod verify;

use bytes::Bytes;
use countersign_oauth_core::{Cause, Params, Refusal, answer, is_same_origin};
use countersign_primitives::SecretString;
use http::request::Parts;
use http::{Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use change::{ChangePassword, ShowChange};
pub(super) use forgot::{AskForReset, ShowForgot};
pub(super) use not_me::{EndEverything, ShowNotMe};
pub(super) use reset::{ResetPassword, ShowReset};
pub(super) use verify::{ShowVerify, VerifyEmail};

use super::cookies::caller;
use super::reply::{Replies, is_json, is_type, refusal};
use crate::step::Shown;
use crate::{Answer, Caller, Frame, Heading, LoginError, PasswordChangeError, PasswordRefused, Screen};

/// What the forms and their JSON send. Each takes what belongs to it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    username: Option<Shown>,
    link: Option<Shown>,
    password: Option<Shown>,
    new_password: Option<Shown>,
    csrf: Option<Shown>,
}

impl Sent {
    /// A form, or a JSON object of the exact type.
    fn read(parts: &Parts, body: &Bytes) -> Result<Self, Refusal> {
        let malformed = || Refusal::from(Cause::MalformedParameters);
        let content_type =
            parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if is_json(content_type) {
            return serde_json::from_slice::<Self>(body).map_err(|_| malformed())?.bounded();
        }
        if !is_type(content_type, "application/x-www-form-urlencoded") {
            return Err(Cause::ContentType.into());
        }
        let form = Params::parse(body).map_err(|error| malformed().source(error))?;
        let mut sent = Self::default();
        for (name, value) in form.iter() {
            let place = match name {
                "username" => &mut sent.username,
                "link" => &mut sent.link,
                "password" => &mut sent.password,
                "new_password" => &mut sent.new_password,
                "csrf" => &mut sent.csrf,
                "answer" => continue,
                _ => return Err(malformed()),
            };
            if place.replace(Shown::new(value)).is_some() {
                return Err(malformed());
            }
        }
        sent.bounded()
    }

    fn bounded(self) -> Result<Self, Refusal> {
        let fits = |value: &Option<Shown>, longest| value.as_ref().is_none_or(|value| value.expose().len() <= longest);
        let all = fits(&self.username, Answer::MAX_LOGIN)
            && fits(&self.link, Answer::MAX_TEXT)
            && fits(&self.password, Answer::MAX_PASSWORD)
            && fits(&self.csrf, Answer::MAX_TEXT);
        // A new password that is too long is told so by the policy.
        if all { Ok(self) } else { Err(Cause::MalformedParameters.into()) }
    }
}

/// What one of our own pages sent, and who calls: the door of the forms that anybody may send.
async fn received(replies: &Replies<'_>, parts: &Parts, body: &Bytes) -> Result<(Sent, Caller), Response<Bytes>> {
    if !is_same_origin(parts, replies.server.config().issuer()) {
        return Err(forged(replies));
    }
    let refused = |refusal: Refusal| replies.refused(&refusal);
    let sent = Sent::read(parts, body).map_err(refused)?;
    let browser = replies.server.browser(parts).await.map_err(refused)?;
    Ok((sent, caller(replies.server, &browser, None, parts)))
}

fn text(value: Option<&Shown>) -> &str {
    value.map(Shown::expose).unwrap_or_default()
}

fn secret(value: Option<&Shown>) -> SecretString {
    SecretString::new(text(value))
}

/// The link in an address.
pub(super) fn link_of(parts: &Parts) -> Option<SecretString> {
    let params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes()).ok()?;
    params.get("link").filter(|link| link.len() <= Answer::MAX_TEXT).map(SecretString::new)
}

/// A screen of these.
struct Page<'a> {
    name: &'static str,
    frame: &'a Frame,
    own: Value,
    error: Option<&'static str>,
}

impl Screen for Page<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn data(&self) -> Value {
        self.frame.around(self.name, self.own.clone(), self.error)
    }
}

/// Shows a screen that posts to its own path.
fn show(
    replies: &Replies<'_>,
    (name, path): (&'static str, &str),
    csrf: &str,
    own: Value,
    error: Option<(StatusCode, &'static str)>,
) -> Response<Bytes> {
    let action = format!("{}{path}", replies.server.config().issuer().path());
    let frame = Frame { action, csrf: SecretString::new(csrf), client: None };
    let (status, error) = error.map_or((StatusCode::OK, None), |(status, code)| (status, Some(code)));
    replies.screen(status, &Page { name, frame: &frame, own, error }, None)
}

/// The page with the button that spends a link, while the link is alive.
fn show_link(
    replies: &Replies<'_>,
    place: (&'static str, &str),
    (state, link): (&str, &SecretString),
    is_live: Result<bool, LoginError>,
) -> Response<Bytes> {
    match is_live {
        Ok(true) => show(replies, place, "", json!({ "state": state, "link": link.expose() }), None),
        Ok(false) => dead(replies),
        Err(error) => failed(replies, error),
    }
}

/// A link that does not work. Which of the reasons it is, nobody is told.
fn dead(replies: &Replies<'_>) -> Response<Bytes> {
    let description = "this link was used, it is too old, or a newer one was asked for; ask for another";
    let refusal = Refusal::new(StatusCode::GONE, "link_dead", description).cause("link.dead", "NIST SP 800-63B-4 §4.2");
    replies.refused_as(Heading::Link, &refusal)
}

/// A link that signs in, in a browser that did not ask for it. Nobody is told whether it would work elsewhere.
pub(super) fn elsewhere(replies: &Replies<'_>) -> Response<Bytes> {
    let description = "open this link in the browser in which you asked for it, or sign in there anew";
    let refusal =
        Refusal::new(StatusCode::GONE, "link_dead", description).cause("link.other_browser", "NIST SP 800-63B-4 §4.2");
    replies.refused_as(Heading::LinkElsewhere, &refusal)
}

/// A request that others had another site's page send.
fn forged(replies: &Replies<'_>) -> Response<Bytes> {
    replies.refused_as(Heading::Failed, &Cause::Forged.into())
}

/// Too many requests, with when to come back; or a failure.
fn failed(replies: &Replies<'_>, error: LoginError) -> Response<Bytes> {
    replies.failed(error)
}

/// What was wrong with a new password, for its form; everything else is no matter of the form.
fn wrong_password(error: PasswordChangeError) -> Result<(StatusCode, &'static str, Value), Refusal> {
    let form = |code, more| Ok((StatusCode::UNPROCESSABLE_ENTITY, code, more));
    match error {
        PasswordChangeError::Refused(refused @ PasswordRefused::TooShort { minimum }) => {
            form(refused.code(), json!({ "minimum": minimum }))
        }
        PasswordChangeError::Refused(refused) => form(refused.code(), json!({})),
        PasswordChangeError::WrongPassword => form("wrong_old_password", json!({})),
        PasswordChangeError::Hash(crate::PasswordError::Busy(full)) => Err(full.into()),
        PasswordChangeError::Hash(error) => Err(Refusal::from(Cause::StoreFailed).source(error)),
        PasswordChangeError::Login(error) => Err(refusal(error)),
        error => Err(Refusal::from(Cause::LookupFailed).source(error)),
    }
}

/// The answer of a form again, with what was wrong.
fn merged(mut own: Value, more: Value) -> Value {
    if let (Some(own), Value::Object(more)) = (own.as_object_mut(), more) {
        own.extend(more);
    }
    own
}

/// Adds when to come back.
fn with_wait(mut response: Response<Bytes>, error: &LoginError) -> Response<Bytes> {
    if let LoginError::Throttled { retry_after } = error {
        answer::set(&mut response, header::RETRY_AFTER, &retry_after.as_secs().max(1).to_string());
    }
    response
}
