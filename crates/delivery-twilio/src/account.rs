//! An account, and how a request is made in its name.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign_outbound::Fetcher;
use countersign_primitives::SecretString;
use form_urlencoded::Serializer;
use http::{HeaderValue, Request, Response, Uri, header};

use crate::{TwilioConfigError, TwilioError};

/// An account, its token, and the client that calls.
#[derive(Clone)]
pub(crate) struct Account {
    fetcher: Arc<dyn Fetcher>,
    pub(crate) sid: Arc<str>,
    /// What callbacks are signed with.
    pub(crate) token: Arc<SecretString>,
    /// Who calls: the account itself, or a key of it.
    user: Arc<str>,
    password: Arc<SecretString>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("sid", &self.sid).finish_non_exhaustive()
    }
}

impl Account {
    pub(crate) fn new(
        fetcher: impl Fetcher + 'static,
        sid: &str,
        token: impl Into<SecretString>,
    ) -> Result<Self, TwilioConfigError> {
        is_sid("AC", sid).then_some(()).ok_or(TwilioConfigError::Account)?;
        let token = Arc::new(token.into());
        let sid: Arc<str> = sid.into();
        let (user, password) = (Arc::clone(&sid), Arc::clone(&token));
        Ok(Self { fetcher: Arc::new(fetcher), sid, token, user, password })
    }

    pub(crate) fn key(mut self, sid: &str, secret: impl Into<SecretString>) -> Result<Self, TwilioConfigError> {
        is_sid("SK", sid).then_some(()).ok_or(TwilioConfigError::Key)?;
        (self.user, self.password) = (sid.into(), Arc::new(secret.into()));
        Ok(self)
    }

    /// Posts a form and gives back an answer that is a success.
    pub(crate) async fn post(&self, url: &str, form: &[(&str, &str)]) -> Result<Response<Bytes>, TwilioError> {
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let basic = STANDARD.encode(format!("{}:{}", self.user, self.password.expose()));
        let mut authorization =
            HeaderValue::from_str(&format!("Basic {basic}")).map_err(|error| TwilioError::Request(error.into()))?;
        authorization.set_sensitive(true);
        let request = Request::post(url)
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(body.into())
            .map_err(TwilioError::Request)?;
        let answer = self.fetcher.fetch(request).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(TwilioError::of(&answer)) }
    }
}

/// Two letters and 32 hexadecimal digits, which stand in paths.
pub(crate) fn is_sid(kind: &str, sid: &str) -> bool {
    sid.strip_prefix(kind).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// An absolute address without query and fragment, and without a slash at its end.
pub(crate) fn address(text: &str) -> Result<String, TwilioConfigError> {
    let uri: Uri = text.parse().map_err(|_| TwilioConfigError::Address)?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let good = uri.scheme_str() == Some("https") && !host.is_empty() || uri.scheme_str() == Some("http") && loopback;
    let plain = uri.query().is_none() && !text.contains(['#', '@']);
    (good && plain).then(|| text.trim_end_matches('/').to_owned()).ok_or(TwilioConfigError::Address)
}
