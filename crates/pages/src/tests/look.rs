//! What a host can make its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::{SCREENS, page, page_of};
use crate::samples::sample;
use crate::{Pages, PagesError};

#[test]
fn csp3_the_policy_admits_the_style_of_every_page_by_its_hash() {
    let plain = Pages::new("Example");
    let branded = plain.clone().accent("#e91e63").unwrap().css("h1 > b { color: \"&\" }\r\n").unwrap();
    for pages in [plain, branded] {
        for screen in SCREENS {
            let page = page_of(&pages, screen, &[]);
            let style = page.source.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
            let hash = format!("sha256-{}", STANDARD.encode(digest(&SHA256, style.as_bytes())));
            assert_eq!(pages.style_hash(), hash);
            assert!(pages.content_security_policy().contains(&format!("style-src '{hash}'")));
        }
    }
}

#[test]
fn csp3_the_policy_allows_the_one_script_by_its_hash_and_no_frame() {
    let policy = Pages::new("Example").content_security_policy();
    let asking = page("webauthn", &[]);
    let script = &asking.one("script").text;
    let hash = format!("sha256-{}", STANDARD.encode(digest(&SHA256, script.as_bytes())));
    assert!(policy.contains(&format!("script-src '{hash}';")), "{policy}");
    assert!(page("password", &[]).all("script").is_empty(), "where there is nothing to ask there is no script");
    assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe") && !policy.contains("form-action"));
}

#[test]
fn a_logo_stands_in_the_page_with_the_brand_as_its_text() {
    let pages = Pages::new("Example & Co").logo("image/png", b"\x89PNG").unwrap();
    let page = page_of(&pages, "password", &[]);
    assert_eq!(page.one("img").attribute("src"), "data:image/png;base64,iVBORw==");
    assert_eq!(page.one("img").attribute("alt"), "Example & Co");
    for (media_type, size) in [("text/html", 1), ("image/png", 64 * 1024 + 1)] {
        let refused = Pages::new("Example").logo(media_type, &vec![0; size]);
        assert!(matches!(refused, Err(PagesError::Logo)), "{media_type}");
    }
}

#[test]
fn a_language_is_chosen_by_the_users_preference() {
    let texts = r#"{"title.password": "تسجيل الدخول", "direction": "rtl"}"#;
    let pages = Pages::new("Example").language("ar", texts).unwrap();
    let arabic = pages.render("password", &sample("password"), "xx ar-EG");
    let html = std::str::from_utf8(&arabic).unwrap();
    assert!(html.contains("<html lang=\"ar\" dir=\"rtl\">") && html.contains("<h1>تسجيل الدخول</h1>"));
    assert!(html.contains("Username"), "texts left out stay English");
}

#[test]
fn one_page_is_replaced_and_the_others_stay() {
    let source = "{% extends 'base.html' %}{% block content %}<h1>Hi {{ client.name }}</h1>{% include 'hidden.html' %}{% endblock %}";
    let pages = Pages::new("Example").template("password", source).unwrap();
    let page = page_of(&pages, "password", &[("client", json!({"name": "<b>"}))]);
    assert_eq!(page.one("h1").text, "Hi <b>", "escaped");
    assert_eq!(page_of(&pages, "code", &[]).one("h1").text, "Enter your code");
}

#[test]
fn the_frame_is_replaced_for_all_pages() {
    let frame = "<!doctype html><html><body><main id=\"mine\">{% block content %}{% endblock %}</main></body></html>";
    let pages = Pages::new("Example").template("base", frame).unwrap();
    for screen in SCREENS {
        assert_eq!(page_of(&pages, screen, &[]).one("main").attribute("id"), "mine", "{screen}");
    }
}

#[test]
fn a_template_that_does_not_work_is_refused_with_its_line() {
    let refused = |source: &str| Pages::new("Example").template("password", source).unwrap_err();
    for (source, at) in [("<p>\n{% if %}", 2), ("\n\n{{ nothing() }}", 3), ("{{ t('no.such.text') }}", 1)] {
        let PagesError::Template { name, line, .. } = refused(source) else { panic!("{source}") };
        assert_eq!((name.as_str(), line), ("password", at), "{source}");
    }
    let unknown = Pages::new("Example").template("pasword", "").unwrap_err();
    assert!(unknown.to_string().contains("\"pasword\"") && unknown.to_string().contains("recovery_codes"));
}

#[test]
fn a_template_that_fails_on_real_data_gives_way_to_the_default_page() {
    let source = "{% extends 'base.html' %}{% block content %}<h1>{{ client.name|upper }}{{ 1 // (client.name|length - 3) }}</h1>{% endblock %}";
    let pages = Pages::new("Example").template("password", source).unwrap();
    assert_eq!(page_of(&pages, "password", &[("client", json!({"name": "Shops"}))]).one("h1").text, "SHOPS0");
    assert_eq!(page_of(&pages, "password", &[("client", json!({"name": "abc"}))]).one("h1").text, "Sign in");
}

#[test]
fn an_unknown_screen_is_an_error_page_and_no_failure() {
    let html = Pages::new("Example").render("grid", &json!({"secret": "hunter2"}), "en");
    let html = std::str::from_utf8(&html).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.contains("role=\"alert\"") && !html.contains("hunter2"));
}

#[test]
fn promise_4_debug_shows_the_brand_alone() {
    assert_eq!(format!("{:?}", Pages::new("Example")), "Pages { brand: \"Example\", .. }");
}
