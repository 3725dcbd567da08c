//! The phone's page: plain forms, as the demo's other pages.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use axum::response::Response;
use countersign::SecretString;
use countersign::oauth::answer::escape;
use http::StatusCode;
use serde_json::Value;

use super::PhoneError;
use crate::demo::page::html;

/// What came of what was done last.
pub(super) enum Said {
    /// The digits to type into the login page.
    Registered(String),
    /// The outcome of an answer.
    Answered(String),
    Failed(PhoneError),
}

pub(super) fn device(accounts: &[String], waiting: &[Value], said: Option<&Said>, csrf: &SecretString) -> Response {
    let mut body =
        "<h1>Demo device</h1>\n<p class=\"quiet\">This page plays the phone that push asks.</p>\n".to_owned();
    let mut status = StatusCode::OK;
    match said {
        None => {}
        Some(Said::Registered(digits)) => {
            let _ = writeln!(
                body,
                "<section id=\"registered\" role=\"status\"><h2>Almost done</h2><p>Type these digits into the login \
                 page:</p><p><code id=\"confirmation\">{}</code></p></section>",
                escape(digits)
            );
        }
        Some(Said::Answered(outcome)) => {
            let text = match outcome.as_str() {
                "approved" => "Approved. The login goes on.",
                "denied" => "Denied. If it was not you, somebody knows your password: change it.",
                _ => "That was another number. The request is over.",
            };
            let _ = writeln!(body, "<p id=\"outcome\" role=\"status\" data-outcome=\"{}\">{text}</p>", escape(outcome));
        }
        Some(Said::Failed(error)) => {
            status = StatusCode::UNPROCESSABLE_ENTITY;
            let _ = writeln!(body, "<p class=\"error\" role=\"alert\">{}</p>", escape(&error.to_string()));
        }
    }
    for about in waiting {
        question(&mut body, about, csrf);
    }
    if waiting.is_empty() {
        body.push_str("<p id=\"nothing\">Nothing waits. <a href=\"/demo/device\">Look again</a></p>\n");
    }
    registration(&mut body, accounts, csrf);
    html(status, "Demo device", &body)
}

/// One question: who, where, when, a field for the number, and a yes beside a no.
fn question(body: &mut String, about: &Value, csrf: &SecretString) {
    let text = |name: &str| escape(about[name].as_str().unwrap_or_default());
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(about["at"].as_u64().unwrap_or_default().min(u32::MAX.into())));
    let at = at.map(|at| humantime::format_rfc3339_seconds(at).to_string()).unwrap_or_default();
    let place = match (about["place"].as_str(), about["address"].as_str()) {
        (Some(place), Some(address)) => format!("{} ({})", escape(place), escape(address)),
        (_, address) => escape(address.unwrap_or("unknown")),
    };
    let _ = writeln!(
        body,
        "<section class=\"question\"><h2>Is this you?</h2>\n<table>\
         <tr><th scope=\"row\">Application</th><td id=\"client\">{}</td></tr>\
         <tr><th scope=\"row\">Account</th><td id=\"account\">{}</td></tr>\
         <tr><th scope=\"row\">From</th><td id=\"place\">{place}</td></tr>\
         <tr><th scope=\"row\">At</th><td id=\"at\">{at}</td></tr></table>\n\
         <form id=\"answer-form\" method=\"post\" action=\"/demo/device/answer\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{}\"><input type=\"hidden\" name=\"challenge\" value=\"{}\">\
         <label for=\"number\">The number on the login page</label>\
         <input id=\"number\" name=\"number\" inputmode=\"numeric\" autocomplete=\"off\" maxlength=\"2\">\
         <button id=\"approve\" name=\"decision\" value=\"approve\" type=\"submit\">Approve</button>\
         <button id=\"deny\" name=\"decision\" value=\"deny\" type=\"submit\" class=\"other\">No, it is not me</button>\
         </form></section>",
        text("client"),
        text("account"),
        escape(csrf.expose()),
        text("challenge"),
    );
}

fn registration(body: &mut String, accounts: &[String], csrf: &SecretString) {
    if !accounts.is_empty() {
        let names: Vec<_> = accounts.iter().map(|name| format!("<code>{}</code>", escape(name))).collect();
        let _ = writeln!(body, "<p>It has keys for {}.</p>", names.join(", "));
    }
    let _ = writeln!(
        body,
        "<section><h2>Set it up</h2><p>The login page shows a QR code and the link that it carries. Copy the link.</p>\
         <form id=\"register-form\" method=\"post\" action=\"/demo/device/register\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{}\"><label for=\"uri\">The link</label>\
         <input id=\"uri\" name=\"uri\" type=\"text\" autocomplete=\"off\" required>\
         <button id=\"register\" type=\"submit\">Register this device</button></form></section>",
        escape(csrf.expose())
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_client_cannot_become_part_of_the_page() {
        let about = json!({ "client": "<script>alert(1)</script>", "account": "alice", "challenge": "c", "at": 0 });
        let page = device(&["<b>".into()], &[about], Some(&Said::Registered("<i>".into())), &"csrf".into());
        let html = axum::body::to_bytes(page.into_body(), 100_000).await.unwrap();
        let html = std::str::from_utf8(&html).unwrap();
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script") && !html.contains("<i>"));
    }
}
