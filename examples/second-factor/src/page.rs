//! The host's own two pages.

use axum::response::Html;
use countersign::SignedIn;
use countersign::oauth::answer::escape;

/// The login form, and what was wrong with the last one.
pub(crate) fn login(problem: &str) -> Html<String> {
    Html(LOGIN.replace("{problem}", problem))
}

/// What the application shows: here only who signed in, and how.
pub(crate) fn home(who: &SignedIn, csrf: &str) -> Html<String> {
    let methods: Vec<_> = who.amr_values().into_iter().map(|amr| amr.as_str()).collect();
    Html(
        HOME.replace("{csrf}", csrf)
            .replace("{methods}", &methods.join(", "))
            .replace("{name}", &escape(who.subject().as_str())),
    )
}

const LOGIN: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title></head><body><main>
<h1>Notes</h1>
{problem}<form method="post" action="/login">
<p><label for="username">Name</label> <input id="username" name="username" autocomplete="username" required autofocus></p>
<p><label for="password">Password</label> <input id="password" name="password" type="password" autocomplete="current-password" required></p>
<p><button id="submit">Sign in</button></p>
</form></main></body></html>
"#;

const HOME: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Notes</title></head><body><main>
<h1>Notes</h1>
<p>Signed in as <strong id="name">{name}</strong> by <span id="methods">{methods}</span>.</p>
<form method="post" action="/logout"><input type="hidden" name="csrf" value="{csrf}"><button>Sign out</button></form>
</main></body></html>
"#;
