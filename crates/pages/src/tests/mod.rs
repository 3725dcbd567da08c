//! The pages as a browser meets them.

mod forms;
mod hostile;
mod html;
mod look;
mod screens;

use serde_json::{Value, json};

use crate::Pages;
use crate::samples::sample;
use html::Page;

const SCREENS: [&str; 26] = [
    "password",
    "choose",
    "webauthn",
    "wait",
    "contact",
    "code",
    "enrol",
    "recovery_codes",
    "consent",
    "refused",
    "logout",
    "signed_out",
    "still_signed_in",
    "magic_link",
    "password_forgot",
    "password_reset",
    "password_change",
    "verify_email",
    "account",
    "account_factors",
    "account_recovery_codes",
    "account_devices",
    "account_sessions",
    "account_applications",
    "account_events",
    "not_me",
];

/// The page of a screen whose sample data has these members changed.
fn page(screen: &str, changes: &[(&str, Value)]) -> Page {
    page_of(&Pages::new("Example"), screen, changes)
}

fn page_of(pages: &Pages, screen: &str, changes: &[(&str, Value)]) -> Page {
    let mut data = sample(screen);
    for (name, value) in changes {
        data[*name] = value.clone();
    }
    let html = pages.render(screen, &data, "en");
    Page::parse(std::str::from_utf8(&html).unwrap())
}

fn recovery_code() -> Value {
    json!([{"id": "recovery_code|1", "type": "recovery_code", "name": "Recovery code"}])
}
