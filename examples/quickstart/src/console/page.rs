//! The pages of `/console`: HTML without script.

use std::fmt::Write as _;

use axum::response::Response;
use countersign::SecretString;
use countersign::oauth::answer::escape;
use http::StatusCode;

use super::api::{ApiError, Overview};
use crate::demo::page::html;

const TITLE: &str = "Administration";

/// The policies that can be switched, and what they do.
const POLICIES: [(&str, &str); 2] = [
    ("all-applications", "Ask everybody for a second step at every sign-in"),
    ("confidence-score", "Ask for a second step when a sign-in looks unusual"),
];

/// The buttons of a user: what each does, and what is said when it is done.
const ACTIONS: [(&str, &str, &str); 5] = [
    ("unlock", "Unlock", "Failed guesses are forgotten: the user can try again."),
    ("end-sessions", "Sign out everywhere", "The user is signed out everywhere, and was told."),
    ("forget", "Forget remembered browsers", "No browser stands in for a second step any more."),
    (
        "require",
        "Require a second step",
        "Without a second step the user sets one up at the next sign-in, and was told.",
    ),
    ("reset", "Remove all second steps", "All second steps are removed. The user was told."),
];

pub(super) fn welcome() -> Response {
    let body = format!(
        "<h1>{TITLE}</h1>\n<p>For members of the group of administrators, with a second step.</p>\n\
         <form method=\"post\" action=\"/console/sign-in\"><button id=\"sign-in\" type=\"submit\">Sign in</button></form>\n"
    );
    html(StatusCode::OK, TITLE, &body)
}

pub(super) fn failed(error: &ApiError) -> Response {
    let body = format!(
        "<h1>Not done</h1>\n<p class=\"error\" role=\"alert\" id=\"refused\">{}</p>\n\
         <p><a class=\"button\" href=\"/console\">Back</a></p>\n",
        escape(&error.message)
    );
    html(error.status, TITLE, &body)
}

pub(super) fn overview(shown: &Overview, user: Option<&str>, done: Option<&str>, csrf: &SecretString) -> Response {
    let csrf = format!("<input type=\"hidden\" name=\"csrf\" value=\"{}\">", escape(csrf.expose()));
    let mut body = format!("<h1>{TITLE}</h1>\n");
    if let Some(said) = done.and_then(said) {
        let _ = writeln!(body, "<p id=\"done\" role=\"status\">{said}</p>");
    }
    factors(&mut body, shown, &csrf);
    policies(&mut body, shown, &csrf);
    users(&mut body, shown, user, &csrf);
    let _ = writeln!(
        body,
        "<div class=\"row\"><form method=\"post\" action=\"/console/sign-out\">{csrf}\
         <button id=\"sign-out\" type=\"submit\" class=\"other\">Leave</button></form></div>"
    );
    html(StatusCode::OK, TITLE, &body)
}

fn said(action: &str) -> Option<&'static str> {
    match action {
        "factor" | "policies" => Some("Switched. Other nodes know within five seconds."),
        action => ACTIONS.iter().find(|(name, ..)| *name == action).map(|(.., said)| *said),
    }
}

fn factors(body: &mut String, shown: &Overview, csrf: &str) {
    body.push_str("<h2 id=\"factors\">Second steps</h2>\n<table aria-labelledby=\"factors\">\n");
    for (name, on) in &shown.factors {
        let (state, next, label) = if *on { ("on", false, "Switch off") } else { ("off", true, "Switch on") };
        let name = escape(name);
        let _ = writeln!(
            body,
            "<tr><th scope=\"row\">{name}</th><td id=\"state-{name}\">{state}</td>\
             <td><form method=\"post\" action=\"/console/act\">{csrf}\
             <input type=\"hidden\" name=\"action\" value=\"factor\"><input type=\"hidden\" name=\"name\" value=\"{name}\">\
             <input type=\"hidden\" name=\"enabled\" value=\"{next}\">\
             <button id=\"switch-{name}\" type=\"submit\" class=\"other\" aria-label=\"{label}: {name}\">{label}</button>\
             </form></td></tr>"
        );
    }
    body.push_str("</table>\n");
}

fn policies(body: &mut String, shown: &Overview, csrf: &str) {
    let _ = writeln!(
        body,
        "<h2>When it is asked for</h2>\n<form method=\"post\" action=\"/console/act\">{csrf}\
         <input type=\"hidden\" name=\"action\" value=\"policies\">"
    );
    for (name, label) in POLICIES {
        let checked = if shown.policies.iter().any(|policy| policy == name) { " checked" } else { "" };
        let _ = writeln!(
            body,
            "<label class=\"check\"><input type=\"checkbox\" id=\"{name}\" name=\"{name}\" value=\"true\"{checked}> {label}</label>"
        );
    }
    body.push_str("<div class=\"row\"><button id=\"save-policies\" type=\"submit\">Save</button></div></form>\n");
}

fn users(body: &mut String, shown: &Overview, user: Option<&str>, csrf: &str) {
    let name = escape(user.unwrap_or_default());
    let _ = writeln!(
        body,
        "<h2>A user</h2>\n<form method=\"get\" action=\"/console\"><label for=\"user\">User name</label>\
         <input id=\"user\" name=\"user\" value=\"{name}\" autocomplete=\"off\" required>\
         <button id=\"find\" type=\"submit\">Show</button></form>"
    );
    match (user.filter(|user| !user.is_empty()), &shown.user) {
        (None, _) => {}
        (Some(_), None) => body.push_str("<p class=\"error\" role=\"alert\">No user signs in by that name.</p>\n"),
        (Some(_), Some((methods, sessions))) => {
            let methods = if methods.is_empty() { "no second step".to_owned() } else { methods.join(", ") };
            let _ = writeln!(
                body,
                "<p id=\"found\">{name} has {}; sessions: <span id=\"sessions\">{sessions}</span>.</p>\n<div class=\"row\">",
                escape(&methods)
            );
            for (action, label, _) in ACTIONS {
                let _ = writeln!(
                    body,
                    "<form method=\"post\" action=\"/console/act\">{csrf}\
                     <input type=\"hidden\" name=\"action\" value=\"{action}\"><input type=\"hidden\" name=\"user\" value=\"{name}\">\
                     <button id=\"{action}\" type=\"submit\" class=\"other\">{label}</button></form>"
                );
            }
            body.push_str("</div>\n");
        }
    }
}
