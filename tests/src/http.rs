//! HTTP requests, as they are, with or without TLS: no redirect is followed and no status is an error.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::Body;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::trust;

/// An HTTP client without cookies.
#[derive(Debug, Clone)]
pub struct Http {
    agent: Agent,
    may_die: bool,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Http {
    /// A client that waits half a minute at most, and trusts the servers of this test alone.
    #[must_use]
    pub fn new() -> Self {
        let roots: Vec<_> = trust::roots().iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let roots = RootCerts::Specific(std::sync::Arc::new(roots));
        let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(trust::provider()).root_certs(roots);
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).tls_config(tls.build());
        Self { agent: config.timeout_global(Some(Duration::from_secs(30))).build().into(), may_die: false }
    }

    /// The same for a server that may die meanwhile: a status of 0 stands for no answer.
    #[must_use]
    pub fn of_a_mortal() -> Self {
        Self { may_die: true, ..Self::new() }
    }

    /// `GET url`.
    #[must_use]
    #[track_caller]
    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> Reply {
        let request = headers.iter().fold(self.agent.get(url), |request, &(name, value)| request.header(name, value));
        self.reply(url, request.call())
    }

    /// `POST url` with a form.
    #[must_use]
    #[track_caller]
    pub fn post(&self, url: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
        let request = headers.iter().fold(self.agent.post(url), |request, &(name, value)| request.header(name, value));
        self.reply(url, request.send_form(form.iter().copied()))
    }

    /// `POST url` with a form, where no answer may come: a server ends, or the way to it does.
    ///
    /// # Errors
    /// When no answer comes, or not all of it.
    pub fn try_post(&self, url: &str, form: &[(&str, &str)]) -> Result<Reply, ureq::Error> {
        read(self.agent.post(url).send_form(form.iter().copied())?)
    }

    /// `POST url` with JSON.
    #[must_use]
    #[track_caller]
    pub fn post_json(&self, url: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
        let request = headers.iter().fold(self.agent.post(url), |request, &(name, value)| request.header(name, value));
        self.reply(url, request.send_json(body))
    }

    #[track_caller]
    fn reply(&self, url: &str, answer: Result<Response<Body>, ureq::Error>) -> Reply {
        match answer.and_then(read) {
            Ok(reply) => reply,
            Err(_) if self.may_die => Reply { status: 0, headers: Vec::new(), body: String::new() },
            Err(error) => panic!("{url}: {error}"),
        }
    }

    /// `DELETE url`.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn delete(&self, url: &str) -> Result<(), ureq::Error> {
        self.agent.delete(url).call().map(|_| ())
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Reply {
    /// The first value of a header field; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("status {} with a body that is not JSON ({error}):\n{}", self.status, self.body),
        }
    }
}

fn read(mut answer: Response<Body>) -> Result<Reply, ureq::Error> {
    let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let body = answer.body_mut().read_to_string()?;
    Ok(Reply { status: answer.status().as_u16(), headers, body })
}
