//! Values that strangers choose cannot become part of the page.

use serde_json::{Value, json};

use super::html::Page;
use super::{SCREENS, page_of};
use crate::Pages;
use crate::pages::SCRIPT;
use crate::samples::sample;

const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ csrf }}{% raw %}&amp;\u{202e}";

/// The sample of a screen with every text in it hostile, but for the types that decide what is shown.
fn poisoned(value: Value) -> Value {
    match value {
        Value::String(_) => HOSTILE.into(),
        Value::Array(items) => items.into_iter().map(poisoned).collect(),
        Value::Object(members) => {
            let kept = |name: &str| name == "type" || name == "step";
            members.into_iter().map(|(name, v)| if kept(&name) { (name, v) } else { (name, poisoned(v)) }).collect()
        }
        other => other,
    }
}

fn rendered(pages: &Pages, screen: &str, data: &Value) -> Page {
    Page::parse(std::str::from_utf8(&pages.render(screen, data, "en")).unwrap())
}

#[test]
fn every_text_of_every_screen_is_escaped() {
    for screen in SCREENS {
        let mut data = poisoned(sample(screen));
        data["error"] = HOSTILE.into();
        data["login_hint"] = HOSTILE.into();
        data["text"] = HOSTILE.into();
        data["question"] = HOSTILE.into();
        data["label"] = HOSTILE.into();
        data["or"] = json!([{"id": HOSTILE, "type": HOSTILE, "name": HOSTILE, "label": HOSTILE}]);
        // The parser is strict: it fails if a value ended its attribute or opened an element.
        let page = rendered(&Pages::new(HOSTILE), screen, &data);
        assert!(!page.source.contains("alert(1)</script>") && !page.source.contains("<img"), "{screen}");
        assert!(page.source.contains("&lt;script&gt;"), "{screen}");
    }
}

#[test]
fn no_screen_has_a_foreign_script_style_attributes_or_anything_from_elsewhere() {
    for screen in SCREENS {
        for data in [sample(screen), poisoned(sample(screen))] {
            let page = rendered(&Pages::new("Example"), screen, &data);
            for element in &page.elements {
                if element.tag == "script" {
                    assert!(element.text == SCRIPT && element.attributes.is_empty(), "{screen}: {element:?}");
                }
                assert!(!["iframe", "object", "embed", "base"].contains(&element.tag.as_str()), "{screen}");
                assert!(!element.has("style") && !element.has("srcset") && !element.has("formaction"), "{element:?}");
                assert!(!element.attributes.keys().any(|name| name.starts_with("on")), "{element:?}");
                assert!(!element.has("src") || element.attribute("src").starts_with("data:image/"), "{element:?}");
                if element.tag == "link" {
                    assert!(element.attribute("href").starts_with("data:"), "{element:?}");
                }
            }
        }
    }
}

#[test]
fn a_clients_address_is_a_link_only_if_it_leads_to_the_web() {
    let link = |uri: &str| {
        let client = json!({"name": "Shop", "uri": uri, "logo_uri": "https://tracker.example/pixel.png"});
        page_of(&Pages::new("Example"), "consent", &[("client", client)])
    };
    let page = link("https://shop.example.com/?a=\"&b=<");
    assert_eq!(page.one("a").attribute("href"), "https://shop.example.com/?a=\"&b=<");
    assert_eq!(page.one("a").attribute("rel"), "noopener noreferrer");
    assert!(!page.source.contains("tracker"));
    for bad in
        ["javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "\tjavascript:x", "file:///etc/passwd"]
    {
        assert!(link(bad).all("a").is_empty(), "{bad}");
    }
}

#[test]
fn a_scheme_that_runs_code_never_takes_the_place_of_the_authenticator_link() {
    let uri = json!("javascript:alert(1)");
    let page = page_of(&Pages::new("Example"), "enrol", &[("otpauth_uri", uri)]);
    assert!(page.all("a").is_empty() && page.all("svg").is_empty());
}

#[test]
fn a_member_of_the_data_cannot_pass_for_one_of_ours() {
    let evil = json!("</style><script>alert(1)</script>");
    let names = ["qr", "style", "brand", "logo", "t", "lang", "direction", "others"];
    let page = page_of(&Pages::new("Example"), "enrol", &names.map(|name| (name, evil.clone())));
    assert!(page.all("script").is_empty());
    assert_eq!(page.one("html").attribute("lang"), "en");
}
