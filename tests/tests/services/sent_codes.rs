//! Codes that are sent, as a person meets them: read in the outbox, typed into the real pages.

use serde_json::json;

use crate::person::{Shop, enter_code, enter_refused_code};

const NUMBER: &str = "+49 30 901820";

/// A method, where its messages go, how that is shown, and what the login then claims.
const METHODS: [(&str, &str, &str, &str); 3] = [
    ("sms", NUMBER, "+49…20", "sms"),
    ("email", "alice@example.com", "a***@example.com", "otp"),
    ("voice", NUMBER, "+49…20", "tel"),
];

#[test]
fn codes_by_sms_mail_and_voice_are_set_up_and_used_through_the_pages() {
    for (method, contact, masked, amr) in METHODS {
        let mfa = format!("[mfa]\nfactors = [\"{method}\", \"recovery_code\"]\n{method}.code = {{ length = 8 }}\n");
        // Without the time between two messages: nobody waits half a minute here.
        let shop = Shop::open_with(&format!("sent-{method}"), &mfa, &["--throttle", "off"]);
        shop.begin();
        shop.browser.wait_for("#step-contact");
        shop.browser.screenshot("2-contact");
        let autocomplete = if method == "email" { "email" } else { "tel" };
        let field = shop.browser.wait_for("#to");
        assert_eq!(field.attribute("autocomplete").as_deref(), Some(autocomplete));
        // What the browser lets through and no message can go to.
        field.type_text(if method == "email" { "alice@localhost" } else { "0190 1" });
        shop.browser.agree();
        assert!(!shop.browser.wait_for("[role=alert]").text().is_empty());
        assert!(shop.quickstart.messages().is_empty());
        shop.browser.wait_for("#to").type_text(contact);
        shop.browser.agree();

        shop.browser.wait_for("#step-enrol");
        shop.browser.screenshot("3-first-code");
        assert!(shop.browser.wait_for("#to").text().contains(masked), "{}", shop.browser.text());
        let message = shop.newest();
        assert_eq!(message["channel"], method);
        assert_eq!(message["to"], contact.replace(' ', ""));
        let code = code_of(&message);
        assert_eq!(code.len(), 8);
        assert!(!shop.browser.text().contains(&code), "the page does not show what was sent");
        enter_code(&shop.browser, &code);
        shop.browser.wait_for("li > code");
        shop.browser.agree();
        let claims = shop.finish().claims;
        assert!(claims["amr"].as_array().unwrap().contains(&json!(amr)), "{method}: {}", claims["amr"]);

        shop.begin();
        shop.browser.wait_for("#step-code");
        shop.browser.screenshot("4-code");
        assert!(shop.browser.wait_for("#to").text().contains(masked));
        enter_refused_code(&shop.browser, &code);
        let sent = shop.quickstart.messages().len();
        shop.browser.wait_for_button("again").click_away();
        shop.browser.wait_for("#step-code");
        let code = code_of(&shop.newest());
        assert_eq!(shop.quickstart.messages().len(), sent + 1);
        enter_code(&shop.browser, &code);
        shop.finish();
        shop.browser.goto(&shop.quickstart.url("/outbox"));
        let outbox = shop.browser.text().replace(", ", ""); // a voice spells
        assert!(outbox.contains(&code), "the outbox shows what would have been sent:\n{outbox}");
    }
}

#[test]
fn a_person_chooses_how_codes_come_and_where_to() {
    let factors = "[mfa]\nfactors = [\"totp\", \"sms\", \"email\", \"voice\", \"recovery_code\"]\n";
    let shop = Shop::open_with("sent-choice", factors, &["--throttle", "off"]);
    shop.begin();
    shop.browser.wait_for("#step-choose");
    shop.browser.screenshot("2-choose");
    let shown = shop.browser.text().to_lowercase();
    for way in ["authenticator app", "sms", "e-mail", "voice call"] {
        assert!(shown.contains(way), "{shown}");
    }
    shop.browser.wait_for_button("e-mail").click_away();
    // Another way in the middle of it, and another number.
    shop.browser.wait_for("#step-contact");
    shop.browser.wait_for_button("sms").click_away();
    shop.browser.wait_for("#to").type_text("+49 30 901821");
    shop.browser.agree();
    shop.browser.wait_for("#step-enrol");
    let first = code_of(&shop.newest());
    shop.browser.wait_for("#other-contact").click_away();
    shop.browser.wait_for("#step-contact");
    shop.browser.wait_for("#to").type_text(NUMBER);
    shop.browser.agree();
    shop.browser.wait_for("#step-enrol");
    let sms = shop.newest();
    let second = code_of(&sms);
    if first != second {
        enter_refused_code(&shop.browser, &first);
    }
    enter_code(&shop.browser, &second);
    shop.browser.wait_for("li > code");
    shop.browser.agree();
    shop.finish();
    let last = sms["text"].as_str().unwrap().lines().last().unwrap().to_owned();
    assert_eq!(last, format!("@localhost #{second}"), "phones fill the code in on this host's pages alone");
}

#[test]
fn a_verified_number_on_file_is_enough_where_the_policy_says_so() {
    let mfa = "[mfa]\nfactors = [\"sms\", \"recovery_code\"]\nverified_contacts = true\n";
    let shop = Shop::open_with("sent-on-file", mfa, &[]);
    shop.begin();
    shop.browser.wait_for("#step-code");
    assert!(shop.browser.wait_for("#to").text().contains("+49…20"));
    enter_code(&shop.browser, &code_of(&shop.newest()));
    let claims = shop.finish().claims;
    assert!(claims["amr"].as_array().unwrap().contains(&json!("sms")), "{}", claims["amr"]);
}

fn code_of(message: &serde_json::Value) -> String {
    message["code"].as_str().unwrap().to_owned()
}
