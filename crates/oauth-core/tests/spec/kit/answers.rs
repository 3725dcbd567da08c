//! What comes back, and what a test reads of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign_oauth_core::{Outcome, Params};
use http::{HeaderMap, Response, StatusCode, header};
use serde_json::Value;

/// An answer of the server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn of(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Self { status: parts.status, headers: parts.headers, body, json }
    }

    /// The answer, which must be a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{}", self.json);
        self
    }

    /// The answer, which must be this error.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, error: &str) {
        assert_eq!((self.status.as_u16(), self.text("error")), (status, error), "{}", self.json);
    }

    pub(crate) fn text(&self, member: &str) -> &str {
        self.json[member].as_str().unwrap_or("")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The claims of the access token.
    pub(crate) fn claims(&self) -> Value {
        let token = self.text("access_token");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
    }
}

/// An answer to a client, sent by way of the browser.
#[derive(Debug)]
pub(crate) struct Redirect {
    /// Where to, without what was added.
    pub(crate) to: String,
    /// `?` or `#`.
    pub(crate) by: char,
    params: Params,
}

impl Redirect {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }

    #[track_caller]
    pub(crate) fn must(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| panic!("no {name} in the answer: {:?}", self.pairs()))
    }

    pub(crate) fn pairs(&self) -> Vec<(&str, &str)> {
        self.params.iter().collect()
    }
}

/// Reads an outcome that must be a redirect to a client.
#[track_caller]
pub(crate) fn redirect(outcome: Outcome) -> Redirect {
    let Outcome::Done(reply) = outcome else { panic!("no answer to the client: {outcome:?}") };
    assert_eq!(reply.status(), StatusCode::SEE_OTHER, "{:?}", String::from_utf8_lossy(reply.body()));
    let location = reply.headers()[header::LOCATION].to_str().unwrap();
    let at = location.find('#').or_else(|| location.find('?')).unwrap();
    let (to, rest) = location.split_at(at);
    let by = rest.chars().next().unwrap();
    Redirect { to: to.to_owned(), by, params: Params::parse(&rest.as_bytes()[1..]).unwrap() }
}

/// The error that an outcome tells the client.
#[track_caller]
pub(crate) fn told(outcome: Outcome) -> String {
    redirect(outcome).must("error").to_owned()
}

/// The cause of an outcome that nobody but the user hears of.
#[track_caller]
pub(crate) fn shown(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Refused(refusal) => refusal.cause_id(),
        other => panic!("not refused: {other:?}"),
    }
}

/// The name of an outcome.
pub(crate) fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::NeedsLogin(_) => "login",
        Outcome::NeedsStepUp(_) => "step up",
        Outcome::NeedsConsent(_) => "consent",
        Outcome::Refused(_) => "refused",
        Outcome::Done(_) => "done",
    }
}
