//! Every screen shows what its data says.

use serde_json::json;

use super::html::Page;
use super::{SCREENS, page};
use crate::Pages;
use crate::samples::sample;

#[test]
fn every_screen_renders_from_its_sample() {
    for screen in SCREENS {
        let page = page(screen, &[]);
        assert_eq!(page.one("main").attribute("id"), format!("step-{screen}"));
        assert_eq!(page.one("html").attribute("lang"), "en");
        assert_eq!(page.all("h1").len(), 1, "{screen}");
        assert!(page.one("title").text.ends_with("– Example"), "{screen}");
        assert!(!page.source.contains("{{") && !page.source.contains("None"), "{screen}");
    }
}

#[test]
fn every_screen_speaks_german() {
    for screen in SCREENS {
        let html = Pages::new("Example").render(screen, &sample(screen), "de-AT en");
        let german = Page::parse(std::str::from_utf8(&html).unwrap());
        assert_eq!(german.one("html").attribute("lang"), "de", "{screen}");
        assert_ne!(german.one("h1").text, page(screen, &[]).one("h1").text, "{screen}");
    }
}

#[test]
fn a_refusal_is_told_in_the_users_language_or_in_general_words_with_the_english_ones() {
    let refused = |locale: &str, cause: &str| {
        let mut data = sample("refused");
        data["cause"] = cause.into();
        data["message"] = "Code_challenge is malformed.".into();
        Page::parse(std::str::from_utf8(&Pages::new("Example").render("refused", &data, locale)).unwrap())
    };
    let known = refused("de", "authorize.redirect_uri");
    assert_eq!(known.one("h1").text, "Diese Anmeldung kann nicht weitergehen");
    assert!(known.by_id("message").unwrap().text.contains("nicht angemeldet hat") && known.by_id("detail").is_none());
    let unknown = refused("de", "pkce.malformed_challenge");
    assert!(unknown.by_id("message").unwrap().text.starts_with("Die Anfrage konnte nicht"));
    let detail = unknown.by_id("detail").unwrap();
    assert_eq!((detail.attribute("lang"), detail.text.as_str()), ("en", "Code_challenge is malformed."));
    let english = refused("en", "pkce.malformed_challenge");
    assert_eq!(english.by_id("message").unwrap().text, "Code_challenge is malformed.");
    assert!(english.by_id("detail").is_none());
}

#[test]
fn a_page_that_waits_comes_back_by_itself_until_something_is_to_be_read() {
    let refresh = |changes: &[(&str, serde_json::Value)]| {
        let page = page("wait", changes);
        let metas = page.all("meta").into_iter().filter(|meta| meta.attribute("http-equiv") == "refresh");
        let found = metas.map(|meta| meta.attribute("content").to_owned()).next();
        assert_eq!(found.is_some(), page.by_id("moves-on").is_some());
        found
    };
    assert_eq!(refresh(&[]).as_deref(), Some("5; url=/login/sample"), "no oftener than a page can be read out");
    assert_eq!(refresh(&[("poll_every", json!(600))]).as_deref(), Some("15; url=/login/sample"));
    assert_eq!(refresh(&[("error", json!("too_soon"))]).as_deref(), Some("5; url=/login/sample"));
    for (member, value) in [
        ("error", json!("denied")),
        ("error", json!("code_expired")),
        ("error", json!("not_sent")),
        ("poll_every", json!(null)),
        ("action", json!("javascript:alert(1)")),
    ] {
        assert_eq!(refresh(&[(member, value.clone())]), None, "{member} {value}");
    }
    for screen in SCREENS.iter().filter(|screen| **screen != "wait") {
        assert!(
            !page(screen, &[("poll_every", json!(2))]).source.contains("http-equiv"),
            "{screen}: what is typed stays"
        );
    }
}

#[test]
fn a_question_that_is_over_shows_no_number_and_offers_to_ask_anew() {
    for error in ["denied", "code_expired"] {
        let page = page("wait", &[("error", json!(error))]);
        assert!(page.by_id("number").is_none() && page.by_id("submit").is_none(), "{error}");
        assert!(page.by_id("resend").is_some() && page.by_id("error").is_some(), "{error}");
    }
    let waits = page("wait", &[("error", json!("not_sent"))]);
    assert!(waits.by_id("number").is_some() && waits.by_id("submit").is_some());
}

#[test]
fn a_picture_that_a_device_scans_is_shown_anew_and_not_sent() {
    let device = ("device_uri", json!("countersign-push://enrol?x"));
    let page = page("enrol", &[("type", json!("push")), ("may_resend", json!(true)), device]);
    assert_eq!(page.by_id("resend").unwrap().text, "Show a new code");
}

#[test]
fn every_screen_renders_without_any_data() {
    for screen in SCREENS {
        let html = Pages::new("Example").render(screen, &json!({}), "");
        assert!(std::str::from_utf8(&html).unwrap().contains(&format!("step-{screen}")), "{screen}");
    }
}

#[test]
fn the_password_screen_names_the_client_and_keeps_the_hint() {
    let page = page("password", &[("login_hint", json!("alice"))]);
    assert_eq!(page.input("username").attribute("value"), "alice");
    assert!(page.input("password").has("autofocus"));
    assert!(page.one("main").text.contains("Shop"));
}

#[test]
fn the_choose_screen_has_a_button_for_each_authenticator() {
    let page = page("choose", &[]);
    let buttons: Vec<_> = page.all("button").iter().map(|b| (b.attribute("value"), b.text.as_str())).collect();
    assert_eq!(
        buttons,
        [("totp|1", "Use an authenticator app"), ("recovery_code|1", "Use a recovery code")].map(|(v, t)| (v, t))
    );
    assert!(page.all("button").iter().all(|button| button.attribute("name") == "authenticator"));
}

#[test]
fn the_code_screen_asks_for_digits_or_for_a_recovery_code() {
    let totp = page("code", &[("digits", json!(8))]);
    assert_eq!(totp.input("code").attribute("inputmode"), "numeric");
    assert!(totp.one("main").text.contains("8 digits"));
    let recovery = page("code", &[("type", json!("recovery_code")), ("digits", json!(null))]);
    assert_eq!(recovery.input("code").attribute("inputmode"), "text");
    assert_eq!(recovery.one("h1").text, "Use a recovery code");
}

#[test]
fn the_remembered_device_is_a_checkbox_where_it_is_offered() {
    assert!(page("code", &[]).by_id("remember_device").is_none());
    let page = page("code", &[("may_remember_device", json!(true))]);
    assert_eq!(page.input("remember_device").attribute("type"), "checkbox");
}

#[test]
fn while_a_device_is_asked_a_button_has_the_browser_remembered_and_then_says_so() {
    let asks = page("wait", &[("may_remember_device", json!(true))]);
    let button = asks.by_id("remember-device").unwrap();
    assert_eq!((button.attribute("name"), button.attribute("value")), ("other", "remember_device"));
    assert!(asks.by_id("remembers-device").is_none());
    let told = page("wait", &[("may_remember_device", json!(false)), ("remembers_device", json!(true))]);
    assert!(told.by_id("remember-device").is_none() && told.by_id("remembers-device").is_some());
    let over = page("wait", &[("may_remember_device", json!(true)), ("error", json!("denied"))]);
    assert!(over.by_id("remember-device").is_none(), "nothing is left to wait for");
}

#[test]
fn the_enrolment_screen_shows_picture_link_and_typed_secret() {
    let page = page("enrol", &[]);
    assert_eq!(page.one("svg").attribute("role"), "img");
    assert!(page.by_id("otpauth").unwrap().attribute("href").starts_with("otpauth://totp/"));
    assert_eq!(page.by_id("secret").unwrap().text, "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
    assert_eq!(page.input("code").attribute("autocomplete"), "one-time-code");
}

#[test]
fn a_code_that_was_sent_says_where_and_can_be_sent_again() {
    let sms = [("type", json!("sms")), ("to", json!("+49…23")), ("may_resend", json!(true))];
    let code = page("code", &sms);
    assert_eq!(code.by_id("to").unwrap().text, "Sent to +49…23");
    let resend = code.by_id("resend").unwrap();
    assert_eq!((resend.attribute("name"), resend.attribute("value")), ("other", "resend"));
    assert!(page("code", &[]).by_id("resend").is_none());
    let enrol = page("enrol", &[&sms[..], &[("otpauth_uri", json!(null)), ("secret", json!(null))]].concat());
    assert_eq!(enrol.by_id("other-contact").unwrap().attribute("value"), "enrol|sms");
    assert!(enrol.by_id("resend").is_some() && enrol.by_id("secret").is_none());
}

#[test]
fn a_device_is_set_up_by_a_picture_and_the_link_in_it() {
    let push = |uri| {
        let own = [("type", json!("push")), ("device_uri", json!(uri)), ("otpauth_uri", json!(null))];
        page("enrol", &[&own[..], &[("secret", json!(null)), ("may_resend", json!(true))]].concat())
    };
    let enrol = push("countersign-push://enrol?endpoint=https%3A%2F%2Fid.example%2Fpush&handle=cs_push_x");
    assert!(enrol.by_id("device-uri").unwrap().attribute("href").starts_with("countersign-push://enrol?endpoint="));
    assert!(!enrol.all("svg").is_empty() && enrol.by_id("resend").is_some());
    let hostile = push("javascript:alert(1)");
    assert!(hostile.by_id("device-uri").is_none() && hostile.all("svg").is_empty());
}

#[test]
fn a_number_or_an_address_is_asked_for() {
    for (channel, kind) in [("sms", "tel"), ("voice", "tel"), ("email", "email")] {
        let page = page("contact", &[("type", json!(channel)), ("channel", json!(channel))]);
        assert_eq!(page.input("to").attribute("autocomplete"), kind);
        assert_eq!(page.input("answer").attribute("value"), "contact");
    }
}

#[test]
fn a_page_that_waits_shows_the_number_and_asks_again() {
    let page = page("wait", &[]);
    assert_eq!(page.by_id("number").unwrap().text, "42");
    assert_eq!(page.input("answer").attribute("value"), "poll");
}

#[test]
fn a_hosts_own_factor_speaks_for_itself() {
    let own = [("type", json!("grid-card")), ("text", json!("Number at B4")), ("digits", json!(null))];
    let code = page("code", &own);
    assert_eq!(code.by_id("code-help").unwrap().text, "Number at B4");
    assert_eq!(code.input("code").attribute("inputmode"), "text");
    let mut data =
        json!({"step": "enrol", "type": "grid-card", "text": "1 2 3", "question": "Number at A1", "digits": 4});
    data["account"] = json!("alice");
    let html = Pages::new("Example").render("enrol", &data, "en");
    let page = Page::parse(std::str::from_utf8(&html).unwrap());
    assert_eq!(page.by_id("enrol-text").unwrap().text, "1 2 3");
    assert_eq!(page.by_id("code-help").unwrap().text, "Number at A1");
    assert!(page.all("svg").is_empty() && page.by_id("secret").is_none());
}

#[test]
fn recovery_codes_stand_in_list_items() {
    let page = page("recovery_codes", &[]);
    assert_eq!(page.source.matches("<li><code>").count(), 3);
    assert_eq!(page.all("code")[0].text, "71kw-gy70-10vq-wk0y-77pd-es6k");
}

#[test]
fn the_consent_screen_tells_client_account_scopes_and_host() {
    let page = page("consent", &[]);
    let text = &page.one("main").text;
    for told in ["Shop", "alice", "See your orders", "shop.example.com"] {
        assert!(text.contains(told), "{told}");
    }
    let scopes: Vec<_> = page.all("li").iter().map(|item| item.attribute("data-scope")).collect();
    assert_eq!(scopes, ["profile", "orders:read"]);
}

#[test]
fn promise_13_the_consent_form_allows_what_it_shows_and_no_more() {
    let page = page("consent", &[]);
    let named = page.all("input").into_iter().filter(|input| input.attribute("name") == "scope");
    let named: Vec<_> = named.map(|input| input.attribute("value")).collect();
    assert_eq!(named, ["profile orders:read"]);
}

#[test]
fn the_consent_screen_offers_another_account_where_there_is_a_way() {
    assert!(page("consent", &[]).by_id("logout").is_none());
    assert!(page("consent", &[("logout", json!("javascript:alert(1)"))]).by_id("logout").is_none());
    let offered = page("consent", &[("logout", json!("/logout"))]);
    assert_eq!(offered.by_id("logout").unwrap().attribute("href"), "/logout");
}

#[test]
fn a_refusal_has_no_form_and_tells_its_cause() {
    let page = page("refused", &[]);
    assert!(page.all("form").is_empty());
    assert_eq!(page.by_id("cause").unwrap().text, "authorize.redirect_uri");
    assert_eq!(page.by_id("message").unwrap().attribute("role"), "alert");
}

#[test]
fn the_logout_screen_tells_who_asks_and_who_is_signed_in_and_repeats_the_request() {
    let page = page("logout", &[]);
    for told in ["Shop", "alice"] {
        assert!(page.one("main").text.contains(told), "{told}");
    }
    assert_eq!(page.input("request").attribute("value"), "sample-request");
    let buttons: Vec<_> = page.all("button").iter().map(|b| (b.attribute("name"), b.attribute("value"))).collect();
    assert_eq!(buttons, [("decision", "sign_out"), ("decision", "stay")]);
    // Whoever opens the address himself is asked in the same way.
    let page = super::page("logout", &[("client", json!(null))]);
    assert!(!page.one("main").text.contains("asks"));
}

#[test]
fn promise_5_the_signed_out_screen_links_to_the_web_or_an_application_and_runs_nothing() {
    let link = |to: &str| {
        page("signed_out", &[("return_to", json!(to))]).by_id("return").map(|a| a.attribute("href").to_owned())
    };
    for good in ["https://shop.example.com/signed-out", "com.example.app:/out"] {
        assert_eq!(link(good).as_deref(), Some(good));
    }
    for bad in ["javascript:alert(1)", "data:text/html,x", "//evil.example", "java.script\n:alert(1)", ""] {
        assert_eq!(link(bad), None, "{bad}");
    }
    assert!(page("still_signed_in", &[]).by_id("return").is_some());
    assert!(page("signed_out", &[]).all("form").is_empty());
}

#[test]
fn a_passkey_is_asked_for_by_the_script_and_the_page_says_what_to_do_without() {
    let page = page("webauthn", &[]);
    let form = page.by_id("webauthn-form").unwrap();
    assert_eq!(form.attribute("data-ceremony"), "get");
    assert!(form.attribute("data-options").contains("example.com"));
    assert_eq!(page.input("response").attribute("type"), "hidden");
    assert!(page.by_id("use-key").unwrap().has("hidden"), "no button that does nothing");
    assert!(page.by_id("no-script").unwrap().text.contains("JavaScript"));
    assert!(page.by_id("webauthn-failed").unwrap().has("hidden") && page.by_id("remember_device").is_some());
    assert_eq!(page.all("button").last().unwrap().text, "Use a recovery code");
}

#[test]
fn a_passkey_signs_in_from_the_password_page_where_the_script_says_so() {
    let options = ("options", json!({"publicKey": {"rpId": "example.com"}}));
    for screen in ["password", "magic_link"] {
        let page = page(screen, std::slice::from_ref(&options));
        assert_eq!(page.input("username").attribute("autocomplete"), "username webauthn");
        assert!(page.by_id("webauthn-form").unwrap().has("hidden") && page.by_id("submit").is_some());
    }
    let autofill = |error: &str| {
        let page = page("password", &[options.clone(), ("error", json!(error))]);
        page.by_id("webauthn-form").unwrap().has("data-autofill")
    };
    assert!(autofill("wrong_password") && !autofill("not_accepted"), "what was refused is not offered again unasked");
    let plain = page("password", &[]);
    assert_eq!(plain.input("username").attribute("autocomplete"), "username");
    assert!(plain.by_id("webauthn-form").is_none());
}

#[test]
fn a_passkey_is_set_up_without_anything_to_type() {
    let options = ("options", json!({"publicKey": {"rp": {"id": "example.com"}}}));
    for (method, title) in [("passkey", "Set up a passkey"), ("security_key", "Set up a security key")] {
        let own = [("type", json!(method)), ("otpauth_uri", json!(null)), ("secret", json!(null)), options.clone()];
        let page = page("enrol", &own);
        assert_eq!(page.one("h1").text, title);
        assert_eq!(page.by_id("webauthn-form").unwrap().attribute("data-ceremony"), "create");
        assert_eq!(page.input("answer").attribute("value"), "webauthn");
        assert!(page.by_id("code").is_none());
    }
}
