//! `/push/…`: what devices call. They bring no cookie and no client; their own signature says who they are.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Endpoint, Refusal, Route, Server, answer};
use countersign_primitives::Id;
use http::header;
use http::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::reply::is_json;
use crate::push::PushService;
use crate::{PushDevices, PushError};

/// The largest body: a proof, and what stands around it.
const MAX_BODY: usize = PushDevices::MAX_PROOF + 512;

/// The routes below the path of the settings.
pub(super) fn routes(service: &Arc<PushService>) -> Vec<Route> {
    let path = service.path();
    let route = |end: &str, call| Route::new(Method::POST, format!("{path}{end}"), DeviceCall(service.clone(), call));
    vec![route("/enrol", Call::Enrol), route("/challenge/{id}", Call::Challenge), route("/answer", Call::Answer)]
}

#[derive(Clone, Copy)]
enum Call {
    Enrol,
    Challenge,
    Answer,
}

struct DeviceCall(Arc<PushService>, Call);

/// The body of every call; `challenge` belongs to an answer alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    proof: String,
    challenge: Option<String>,
}

/// What an answer came to.
#[derive(Serialize)]
struct Decided {
    outcome: crate::PushDecision,
}

#[async_trait]
impl Endpoint for DeviceCall {
    async fn answer(&self, _: &Server, request: Request<Bytes>) -> Response<Bytes> {
        match self.call(&request).await {
            Ok(response) => response,
            Err(error) => answer::refusal(&refusal(error)),
        }
    }
}

impl DeviceCall {
    async fn call(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, PushError> {
        let Body { proof, challenge } = body(request)?;
        let devices = PushDevices(self.0.clone());
        let named = |text: Option<&str>| text.and_then(|text| text.parse::<Id>().ok()).ok_or(PushError::Unknown);
        match self.1 {
            Call::Enrol if challenge.is_none() => Ok(answer::json(StatusCode::OK, &devices.enrol(&proof).await?)),
            Call::Challenge if challenge.is_none() => {
                let id = named(request.uri().path().rsplit('/').next())?;
                Ok(answer::json(StatusCode::OK, &devices.challenge(id, &proof).await?))
            }
            Call::Answer => {
                let id = named(Some(&challenge.ok_or(PushError::Member("challenge"))?))?;
                let outcome = devices.answer(id, &proof).await?;
                Ok(answer::json(StatusCode::OK, &Decided { outcome }))
            }
            _ => Err(PushError::Member("challenge")),
        }
    }
}

/// Reads a JSON object of the exact type, with each member once.
fn body(request: &Request<Bytes>) -> Result<Body, PushError> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(is_json) {
        return Err(PushError::Member("content type"));
    }
    if request.body().len() > MAX_BODY {
        return Err(PushError::Member("body"));
    }
    serde_json::from_slice(request.body()).map_err(|_| PushError::Member("body"))
}

fn refusal(error: PushError) -> Refusal {
    let description = match &error {
        PushError::Handle => "the handle is unknown, spent or expired",
        PushError::Unknown => "there is no such challenge for this device",
        PushError::Answered => "the challenge has been answered",
        PushError::Proof(_) => "the proof does not hold",
        PushError::Member(_) | PushError::Key => "a member is missing or out of bounds",
        _ => "that did not work; try again",
    };
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let (code, id) = (error.code(), error.id());
    Refusal::new(status, code, description).cause(id, "NIST SP 800-63B-4 §3.1.3").source(error)
}
