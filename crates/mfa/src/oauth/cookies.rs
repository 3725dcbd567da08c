//! The cookie that knows a browser again: so that strangers who guess cannot lock its owner out, and so that a browser that was remembered
//! need not prove a second factor.

use bytes::Bytes;
use countersign_oauth_core::{Browser, Server, cookie};
use countersign_primitives::SignedIn;
use http::Response;
use http::header::{self, HeaderValue};
use http::request::Parts;

use crate::{BrowserMarks, Caller, Languages};

/// How long a browser is known: a year.
const LASTS: u32 = 365 * 86_400;

fn name(server: &Server) -> String {
    server.cookie_named("countersign-marks")
}

/// Who calls: the browser, its session and address, and whether it was here before.
pub(super) fn caller(server: &Server, browser: &Browser, who: Option<&SignedIn>, parts: &Parts) -> Caller {
    let marks = cookie(parts, &name(server)).map(BrowserMarks::parse).unwrap_or_default();
    let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let languages = accepted.map(Languages::accept).unwrap_or_default();
    let caller = Caller::new(browser.id()).marks(marks).languages(languages);
    let caller = match parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()) {
        Some(user_agent) => caller.user_agent(user_agent),
        None => caller,
    };
    let caller = match who.and_then(SignedIn::session_id) {
        Some(session) => caller.session(session.clone()),
        None => caller,
    };
    match countersign_oauth_core::Peer::of(parts) {
        Some(peer) => caller.address(peer.address()),
        None => caller,
    }
}

/// Adds the marks to an answer.
pub(super) fn remember(server: &Server, marks: &BrowserMarks, mut response: Response<Bytes>) -> Response<Bytes> {
    if marks.is_empty() {
        return response;
    }
    let secure = if server.config().issuer().is_https() { "; Secure" } else { "" };
    let line = format!("{}={marks}; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age={LASTS}", name(server));
    if let Ok(mut value) = HeaderValue::from_str(&line) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
