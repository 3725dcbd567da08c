//! Passkeys and security keys as a person meets them: a real browser, with authenticators that its driver lends it.

use countersign_tests::{Authenticator, Http};
use serde_json::{Value, json};

use crate::person::{Shop, enter_password};

const FACTORS: &str = r#"
    [mfa]
    factors = ["passkey", "security_key", "totp", "recovery_code"]
"#;

const TOKEN: &str = "4d5f4e8f9a63d2c17e58f0abb7c1e0a9";

fn shop(test: &str) -> Shop {
    Shop::open_with(test, FACTORS, &[])
}

/// Sets up a key of this kind at the first login, and keeps the recovery codes.
fn set_up(shop: &Shop, button: &str) {
    shop.begin();
    shop.browser.wait_for_button(button).click_away();
    shop.browser.wait_for("#step-enrol");
    shop.browser.screenshot("2-enrol");
    shop.browser.wait_for("#use-key").click_away();
    shop.browser.wait_for("li > code");
    shop.browser.agree();
}

fn amr(claims: &Value) -> Vec<&str> {
    claims["amr"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[test]
fn a_passkey_is_set_up_signs_in_by_autofill_and_button_and_is_removed() {
    let shop = shop("passkey");
    let device = shop.browser.plug_in(Authenticator::Passkeys);
    set_up(&shop, "passkey");
    let first = shop.finish().claims;
    assert!(amr(&first).contains(&"mfa") && first["acr"] != "phr", "enrolled in this login: {first}");
    let credentials = device.credentials();
    assert_eq!(credentials.len(), 1);
    assert_eq!(credentials[0]["rpId"], "localhost");
    device.unplug();

    // Where the passkey is not at hand the first page works as before, and the next one says that it was not found.
    let device = shop.browser.plug_in(Authenticator::Passkeys);
    shop.begin();
    shop.browser.wait_for("#step-webauthn");
    shop.browser.wait_for("#use-key").click();
    assert!(!shop.browser.wait_for("#webauthn-failed:not([hidden])").text().is_empty());
    shop.browser.screenshot("3-failed");
    device.put(&credentials[0]);
    shop.browser.screenshot("3-second-factor");
    shop.browser.wait_for("#use-key").click_away();
    let second = shop.finish().claims;
    assert_eq!(second["acr"], "phr");
    assert!(amr(&second).contains(&"pwd"), "{second}");

    // The button of the first page says that there is none, and signs in once there is one.
    device.unplug();
    let device = shop.browser.plug_in(Authenticator::Passkeys);
    shop.come_as_a_stranger();
    let field = shop.browser.wait_for("input[name=username]").attribute("autocomplete");
    assert_eq!(field.as_deref(), Some("username webauthn"));
    let button = shop.browser.wait_for("#webauthn-form:not([hidden]) #use-key");
    button.click();
    shop.browser.wait_for("#webauthn-failed:not([hidden])");
    shop.browser.screenshot("4-first-page");
    device.put(&credentials[0]);
    button.click_away();
    let third = shop.finish().claims;
    assert_eq!((&third["acr"], &third["sub"]), (&json!("phr"), &first["sub"]));
    assert!(!amr(&third).contains(&"pwd"), "{third}");

    // Autofill signs in by itself, once its user picks the passkey: this authenticator's does at once.
    shop.come_as_a_stranger();
    shop.browser
        .wait_until("the login to go on by itself", || shop.browser.find("#step-password").is_none().then_some(()));
    let fourth = shop.finish().claims;
    assert_eq!((&fourth["acr"], &fourth["sub"]), (&json!("phr"), &first["sub"]));

    // Its owner takes it away, and it opens nothing any more.
    shop.browser.goto(&shop.quickstart.url("/account/factors"));
    shop.browser.wait_for("#factors");
    shop.browser.screenshot("5-account");
    shop.browser.wait_for("button[value=remove]").click_away();
    shop.browser.wait_for("#none");
    shop.come_as_a_stranger();
    let told = shop.browser.wait_for("[role=alert]").text();
    assert!(told.contains("not accepted"), "{told}");
    shop.browser.screenshot("6-removed");
}

#[test]
fn a_security_key_is_set_up_and_confirms_the_password() {
    let shop = shop("security-key");
    let _key = shop.browser.plug_in(Authenticator::SecurityKey);
    set_up(&shop, "security key");
    shop.finish();
    shop.begin();
    shop.browser.wait_for("#step-webauthn");
    shop.browser.screenshot("3-second-factor");
    shop.browser.wait_for("#use-key").click_away();
    let claims = shop.finish().claims;
    assert_eq!(claims["acr"], "phr");
    for method in ["pwd", "hwk", "pop", "user", "mfa"] {
        assert!(amr(&claims).contains(&method), "{claims}");
    }
}

#[test]
fn m8_a_copy_of_a_key_is_told_to_the_operator() {
    let shop = Shop::open_with("copied-key", FACTORS, &["--admin-token", TOKEN]);
    let key = shop.browser.plug_in(Authenticator::SecurityKey);
    set_up(&shop, "security key");
    shop.finish();
    let before = key.credentials().remove(0);
    let sign_in = || {
        shop.begin();
        shop.browser.wait_for("#use-key").click_away();
        shop.finish();
    };
    sign_in();
    key.unplug();
    let copy = shop.browser.plug_in(Authenticator::SecurityKey);
    copy.put(&before); // its counter stands where the first login found it
    sign_in();
    let url = shop.quickstart.url("/admin/events?after=0");
    let told = Http::new().get(&url, &[("Authorization", &format!("Bearer {TOKEN}"))]).body;
    assert_eq!(told.matches("credential.suspected").count(), 1, "{told}");
    assert!(told.contains("webauthn.counter"), "{told}");
}

#[test]
fn the_password_page_of_somebody_without_a_passkey_says_so_only_when_asked() {
    let shop = shop("no-passkey");
    shop.come_as_a_stranger();
    assert!(shop.browser.find("#webauthn-failed:not([hidden])").is_none());
    enter_password(&shop.browser, "alice", "alice-password");
    shop.browser.wait_for("#step-choose");
    shop.browser.screenshot("2-choose");
}
