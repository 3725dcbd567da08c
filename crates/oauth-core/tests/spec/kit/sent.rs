//! What a browser and a client send.

use bytes::Bytes;
use countersign_oauth_core::Outcome;
use http::{Method, Response, header};

use super::request;

/// Parameters that are sent: in a query or in a body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets a parameter, in place of what it was.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).also(name, value)
    }

    /// Adds a parameter, even if it stands there.
    pub(crate) fn also(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(key, _)| key != name);
        self
    }

    pub(crate) fn value(&self, name: &str) -> String {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    pub(crate) fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// The cookies of one browser.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jar(Vec<(String, String)>);

impl Jar {
    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let cookies: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request(method, path);
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    /// Keeps the cookies of what comes of a request.
    pub(crate) fn keep(&mut self, outcome: Outcome) -> Outcome {
        match &outcome {
            Outcome::NeedsLogin(ask) | Outcome::NeedsStepUp(ask) | Outcome::NeedsConsent(ask) => {
                self.take(&ask.with_cookie(Response::new(Bytes::new())));
            }
            Outcome::Done(reply) => self.take(reply),
            Outcome::Refused(_) => {}
        }
        outcome
    }

    pub(crate) fn take<T>(&mut self, response: &Response<T>) {
        for line in response.headers().get_all(header::SET_COOKIE) {
            let (name, value) = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.0.retain(|(kept, _)| kept != name);
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    pub(crate) fn value(&self) -> Option<&str> {
        self.0.first().map(|(_, value)| value.as_str())
    }
}
