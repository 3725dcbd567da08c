//! The demo's pages: HTML without script, under a policy that admits nothing but their style sheet.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use countersign::SecretString;
use countersign::oauth::answer::escape;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::client::Shown;
use super::{DemoError, Offer};

/// Scripts, frames and pictures are shut out, and forms post nowhere but here (Content Security Policy Level 3).
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("style.css");

/// Claims that are points in time (RFC 7519 §4.1, OpenID Connect Core §2, §5.1).
const TIMES: [&str; 5] = ["exp", "iat", "nbf", "auth_time", "updated_at"];

pub(super) fn home(issuer: &str, offers: &[Offer], users: &[String], has_console: bool) -> Response {
    let mut body = format!(
        "<h1>It is running</h1>\n<p>This is an authorization server with multi-factor authentication, at \
         <code>{}</code>, and this page is a client of it.</p>\n<ul class=\"offers\">\n",
        escape(issuer)
    );
    for offer in offers {
        let _ = writeln!(
            body,
            "<li><a class=\"button\" id=\"{0}\" href=\"/demo/sign-in?offer={0}\">{1}</a>\
             <p class=\"quiet\">{2}</p></li>",
            offer.name,
            escape(offer.label),
            escape(offer.explanation)
        );
    }
    body.push_str("</ul>\n");
    if !users.is_empty() {
        let names: Vec<String> = users.iter().map(|name| format!("<code>{}</code>", escape(name))).collect();
        let _ = writeln!(body, "<p>Users: {}. The terminal tells how they sign in.</p>", names.join(", "));
    }
    body.push_str(
        "<p class=\"quiet\">Outgoing messages: <a href=\"/outbox\">outbox</a>. The phone that push asks: \
         <a href=\"/demo/device\">demo device</a>. What the server can do: \
         <a href=\"/.well-known/oauth-authorization-server\">its metadata</a>.</p>\n",
    );
    if has_console {
        body.push_str("<p class=\"quiet\">For administrators: <a href=\"/console\">console</a>.</p>\n");
    }
    html(StatusCode::OK, "Countersign quickstart", &body)
}

pub(super) fn tokens((shown, csrf): (&Shown, &SecretString)) -> Response {
    let mut body = "<h1>Signed in</h1>\n<p class=\"quiet\">What the demo client received.</p>\n".to_owned();
    let tables = [
        ("id-token", "ID token", &shown.id_token),
        ("access-token", "Access token", &shown.access_token),
        ("userinfo", "Userinfo", &shown.userinfo),
    ];
    for (id, title, claims) in tables {
        if let Some(claims) = claims {
            table(&mut body, id, title, claims);
        }
    }
    table(&mut body, "response", "Token response", &shown.response);
    body.push_str("<div class=\"row\">\n");
    if shown.renewal().is_some() {
        button(&mut body, "refresh", "Refresh the tokens", "", csrf);
    }
    button(&mut body, "sign-out", "Sign out", " class=\"other\"", csrf);
    button(&mut body, "forget", "Start again", " class=\"other\"", csrf);
    body.push_str("</div>\n");
    html(StatusCode::OK, "Signed in", &body)
}

pub(super) fn signed_out() -> Response {
    let body = "<h1>Signed out</h1>\n<p id=\"signed-out\">The demo client has forgotten its tokens, and the server has ended \
                your session.</p>\n<p><a class=\"button\" href=\"/\">Back to the start</a></p>\n";
    html(StatusCode::OK, "Signed out", body)
}

pub(super) fn failed(status: StatusCode, error: &DemoError) -> Response {
    let mut body =
        format!("<h1>The sign-in did not work</h1>\n<p class=\"error\" role=\"alert\">{}", escape(&error.to_string()));
    if let DemoError::Refused { error, description } = error {
        let _ = write!(body, ": <code id=\"error\">{}</code>", escape(error));
        if let Some(description) = description {
            let _ = write!(body, " ({})", escape(description));
        }
    }
    body.push_str("</p>\n<p><a href=\"/\">Back to the start</a></p>\n");
    html(status, "Not signed in", &body)
}

/// A 303 to another page, with the cookie that it needs.
pub(crate) fn redirect(location: &str, cookie: Option<&str>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    for (name, value) in [(header::LOCATION, Some(location)), (header::SET_COOKIE, cookie)] {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            response.headers_mut().insert(name, value);
        }
    }
    strict(response)
}

pub(super) fn style() -> Response {
    let mut response = Response::new(Body::from(STYLE));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    strict(response)
}

/// A page around `body`, which is HTML already.
pub(crate) fn html(status: StatusCode, title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <link rel=\"stylesheet\" href=\"/demo/style.css\">\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    );
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    strict(response)
}

/// The headers that keep a page from being framed, sniffed, cached or leaked by referrer.
fn strict(mut response: Response) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn table(body: &mut String, id: &str, title: &str, members: &Map<String, Value>) {
    let _ = writeln!(body, "<h2 id=\"{id}\">{title}</h2>\n<table aria-labelledby=\"{id}\">");
    for (name, value) in members {
        let shown = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let _ = write!(body, "<tr><th scope=\"row\">{}</th><td><code>{}</code>", escape(name), escape(&shown));
        if let Some(seconds) = value.as_u64().filter(|_| TIMES.contains(&name.as_str()))
            && let Some(time) = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.min(u32::MAX.into())))
        {
            let _ = write!(body, " <span class=\"quiet\">{}</span>", humantime::format_rfc3339_seconds(time));
        }
        body.push_str("</td></tr>\n");
    }
    body.push_str("</table>\n");
}

fn button(body: &mut String, action: &str, label: &str, class: &str, csrf: &SecretString) {
    let _ = writeln!(
        body,
        "<form id=\"{action}-form\" method=\"post\" action=\"/demo/{action}\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{}\"><button id=\"{action}\" type=\"submit\"{class}>{label}</button></form>",
        escape(csrf.expose())
    );
}
