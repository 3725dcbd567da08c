//! The cookie by which a browser is known again: strangers who guess cannot lock its owner out, and one that was remembered is not asked
//! for the second factor for a while. It outlives the session, and gives no access beside the password.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use countersign::mfa::BrowserMarks;
use tower_sessions::cookie::time::Duration;
use tower_sessions::cookie::{Cookie, SameSite};

const NAME: &str = "notes-marks";

/// What the browser brought along.
pub(crate) fn of(headers: &HeaderMap) -> BrowserMarks {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == NAME).map(|cookie| BrowserMarks::parse(cookie.value())).unwrap_or_default()
}

/// What it keeps from now on. Behind HTTPS with `.secure(true)`, and `__Host-` before the name.
pub(crate) fn cookie(marks: &BrowserMarks) -> String {
    let cookie = Cookie::build((NAME, marks.to_string())).path("/").http_only(true).same_site(SameSite::Lax);
    cookie.max_age(Duration::days(365)).build().to_string()
}
