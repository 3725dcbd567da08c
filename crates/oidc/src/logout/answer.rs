//! What the user said on the page that asks: a form, or a JSON object of a front end.

use bytes::Bytes;
use countersign_oauth_core::{Cause, Params, Refusal};
use countersign_primitives::{Id, SecretString};
use http::request::Parts;
use http::{Method, header};
use serde::Deserialize;

/// The answer to [`LogoutAsk`](super::LogoutAsk).
pub(super) struct Answer {
    pub(super) request: Id,
    pub(super) csrf: SecretString,
    pub(super) decision: Decision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decision {
    #[default]
    SignOut,
    Stay,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    answer: Named,
    request: Id,
    csrf: String,
    #[serde(default)]
    decision: Decision,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    Logout,
}

impl Answer {
    /// Reads an answer; none when the request is no answer but a client's own. What tells them apart is the anti-forgery value: it
    /// stands in the form, or in the URL that the form of a host posts to.
    pub(super) fn read(parts: &Parts, body: &Bytes, limit: usize) -> Result<Option<Self>, Refusal> {
        if parts.method != Method::POST {
            return Ok(None);
        }
        if is_json(parts) {
            if body.len() > limit {
                return Err(Cause::BodyTooLarge.into());
            }
            let json: Json = serde_json::from_slice(body)
                .map_err(|error| Refusal::from(Cause::MalformedParameters).source(error))?;
            let Named::Logout = json.answer;
            return Ok(Some(Self { request: json.request, csrf: json.csrf.into(), decision: json.decision }));
        }
        let form = Params::of_request(parts, body, limit)?;
        let query = Params::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let query = query.map_err(|error| Refusal::from(Cause::MalformedParameters).source(error))?;
        let carrier = [&form, &query].into_iter().find(|params| params.get("csrf").is_some());
        let Some((csrf, carrier)) = carrier.and_then(|params| Some((params.get("csrf")?, params))) else {
            return Ok(None);
        };
        if form.repeated().is_some() || query.repeated().is_some() {
            return Err(Cause::RepeatedParameter.into());
        }
        let request = carrier.get("request").and_then(|id| id.parse().ok()).ok_or(Cause::UnknownInteraction)?;
        let decision = match form.get("decision") {
            None | Some("sign_out") => Decision::SignOut,
            Some("stay") => Decision::Stay,
            Some(_) => return Err(Cause::MalformedParameters.into()),
        };
        Ok(Some(Self { request, csrf: csrf.into(), decision }))
    }
}

/// The exact type, a charset aside.
fn is_json(parts: &Parts) -> bool {
    let value = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
