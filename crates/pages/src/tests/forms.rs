//! The rules that every form keeps: a person with a screen reader, a password manager and a test all rely on them.

use serde_json::json;

use super::html::Page;
use super::{SCREENS, page, recovery_code};

const FORMS: [&str; 16] = [
    "password",
    "choose",
    "code",
    "webauthn",
    "wait",
    "contact",
    "enrol",
    "recovery_codes",
    "consent",
    "logout",
    "magic_link",
    "password_forgot",
    "password_reset",
    "password_change",
    "verify_email",
    "not_me",
];

fn submit_buttons(page: &Page) -> Vec<(&str, &str)> {
    page.all("button").iter().map(|button| (button.attribute("name"), button.attribute("value"))).collect()
}

#[test]
fn every_form_posts_its_step_and_the_anti_forgery_value() {
    for screen in FORMS {
        let page = page(screen, &[]);
        let form = page.one("form");
        assert_eq!((form.attribute("method"), form.attribute("action")), ("post", "/login/sample"), "{screen}");
        assert_eq!(page.input("csrf").attribute("value"), "sample-csrf", "{screen}");
        let answer = match screen {
            "wait" => "poll",
            "magic_link" => "send_link",
            screen => screen,
        };
        assert_eq!(page.input("answer").attribute("value"), answer);
        assert_eq!(page.input("answer").attribute("type"), "hidden");
    }
}

#[test]
fn the_first_submit_button_means_yes_and_other_ways_come_after_it() {
    for screen in ["password", "code", "webauthn", "enrol"] {
        let page = page(screen, &[("or", recovery_code())]);
        assert_eq!(submit_buttons(&page), [("", ""), ("other", "recovery_code|1")], "{screen}");
        let other = page.all("button")[1].clone();
        assert!(other.has("formnovalidate"), "{screen}");
        assert_eq!(other.text, "Use a recovery code");
    }
    assert_eq!(submit_buttons(&page("consent", &[])), [("decision", "allow"), ("decision", "deny")]);
}

#[test]
fn wcag_1_3_1_every_visible_input_has_a_label_of_its_own() {
    for screen in FORMS {
        let page = page(screen, &[("may_remember_device", json!(true))]);
        for input in page.all("input").into_iter().filter(|input| input.attribute("type") != "hidden") {
            let labels: Vec<_> =
                page.all("label").into_iter().filter(|label| label.attribute("for") == input.attribute("id")).collect();
            assert_eq!(labels.len(), 1, "{screen}: {input:?}");
            assert!(!labels[0].text.trim().is_empty());
            assert_eq!(input.attribute("id"), input.attribute("name"));
        }
    }
}

#[test]
fn wcag_1_3_5_inputs_tell_browsers_what_they_are_for() {
    let password = page("password", &[]);
    assert_eq!(password.input("username").attribute("autocomplete"), "username");
    assert_eq!(password.input("password").attribute("autocomplete"), "current-password");
    assert_eq!(password.input("password").attribute("type"), "password");
    assert_eq!(page("code", &[]).input("code").attribute("autocomplete"), "one-time-code");
}

#[test]
fn wcag_3_3_1_an_error_is_announced_and_tied_to_its_input() {
    for (screen, input, code) in
        [("password", "password", "wrong_password"), ("code", "code", "wrong_code"), ("enrol", "code", "throttled")]
    {
        let page = page(screen, &[("error", json!(code))]);
        let error = page.by_id("error").expect(screen);
        assert_eq!(error.attribute("role"), "alert");
        assert!(!error.text.is_empty());
        let input = page.input(input);
        assert!(input.attribute("aria-describedby").split(' ').any(|id| id == "error"), "{screen}");
        assert_eq!(input.attribute("aria-invalid"), "true");
    }
}

#[test]
fn wcag_4_1_2_every_reference_between_elements_leads_somewhere() {
    for screen in SCREENS {
        for error in [json!(null), json!("wrong_code")] {
            let page = page(screen, &[("error", error)]);
            for element in &page.elements {
                for id in element.attribute("aria-describedby").split_whitespace() {
                    assert!(page.by_id(id).is_some(), "{screen}: {id}");
                }
            }
        }
    }
}

#[test]
fn a_wrong_password_is_never_sent_back() {
    let page = page("password", &[("error", json!("wrong_password")), ("password", json!("hunter2"))]);
    assert!(!page.source.contains("hunter2"));
    assert!(!page.input("password").has("value"));
}

#[test]
fn what_may_be_put_off_has_a_button_after_all_others() {
    for screen in ["enrol", "choose"] {
        let page = page(screen, &[("skip_until", json!(1_800_000_000)), ("or", recovery_code())]);
        assert_eq!(submit_buttons(&page).last(), Some(&("skip", "yes")), "{screen}");
        let skip = page.all("button").last().unwrap().to_owned();
        assert!(skip.has("formnovalidate") && skip.text == "Not now", "{screen}");
    }
    assert!(submit_buttons(&page("enrol", &[])).iter().all(|(name, _)| *name != "skip"));
}

#[test]
fn a_link_that_was_opened_is_sent_by_a_button_alone() {
    let magic = page("magic_link", &[("link", json!("cs_link_x"))]);
    assert_eq!(
        (magic.input("link").attribute("value"), magic.input("answer").attribute("value")),
        ("cs_link_x", "magic_link")
    );
    for screen in ["password_reset", "verify_email", "not_me"] {
        let page = page(screen, &[("link", json!("cs_x"))]);
        assert_eq!((page.input("link").attribute("type"), page.input("link").attribute("value")), ("hidden", "cs_x"));
        assert_eq!(page.all("button").len(), 1, "{screen}");
    }
}

#[test]
fn nist_sp800_63b_4_3_1_1_2_password_managers_may_fill_in_and_nothing_is_demanded_of_the_browser() {
    for screen in ["password_reset", "password_change"] {
        let page = page(screen, &[]);
        let new = page.input("new_password");
        assert_eq!((new.attribute("type"), new.attribute("autocomplete")), ("password", "new-password"), "{screen}");
        for rule in ["pattern", "maxlength", "minlength", "onpaste"] {
            assert!(!new.has(rule), "{screen}: {rule}");
        }
    }
    let short = page("password_reset", &[("error", json!("password_too_short")), ("minimum", json!(15))]);
    assert!(short.by_id("error").unwrap().text.contains("at least 15 characters"));
}

#[test]
fn the_way_to_a_new_password_is_built_from_the_forms_own_path() {
    let page_of = |action: &str, may: bool| page("password", &[("action", json!(action)), ("may_reset", json!(may))]);
    let link = |page: &Page| page.by_id("forgot").map(|link| link.attribute("href").to_owned());
    assert_eq!(link(&page_of("/id/login/abc", true)).as_deref(), Some("/id/password/forgot?login=abc"));
    for (action, may) in
        [("/id/login/abc", false), ("javascript:/login/abc", true), ("/login/a?b", true), ("/elsewhere", true)]
    {
        assert_eq!(link(&page_of(action, may)), None, "{action}");
    }
}
