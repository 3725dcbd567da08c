//! Links that come by mail, as a person meets them: read in the outbox, opened in the browser.

use serde_json::json;

use crate::person::{Shop, enter_code, enter_password, next_code};

const BOTH: &str = "[mfa]\nfirst_factors = [\"password\", \"magic_link\"]\n";

#[test]
fn a_link_by_mail_signs_in_once_and_the_second_factor_is_asked_all_the_same() {
    let shop = Shop::open_with("magic-link", BOTH, &["--throttle", "off"]);
    let (app, _, _) = shop.enrol();
    let browser = &shop.browser;
    shop.come_as_a_stranger();
    browser.wait_for_button("link by e-mail").click_away();
    browser.wait_for("#step-magic_link");
    browser.screenshot("1-magic-link");
    browser.wait_for("#username").type_text("alice");
    browser.agree();
    browser.wait_for("#sent");
    let link = shop.link();
    browser.goto(&link);
    browser.screenshot("2-confirm");
    assert!(browser.find("#username").is_none(), "opening it asks, and does nothing yet");
    browser.goto(&link);
    browser.agree();
    browser.wait_for("#step-code");
    enter_code(browser, &next_code(&app));
    let claims = shop.finish().claims;
    assert!(claims["amr"].as_array().unwrap().contains(&json!("mfa")), "{}", claims["amr"]);

    browser.goto(&link);
    browser.screenshot("3-used");
    assert!(!browser.wait_for("[role=alert]").text().is_empty(), "it is spent");
    // A stranger who asks for an account that is not there sees what anybody sees, and nobody is written to.
    let sent = shop.quickstart.messages().len();
    shop.come_as_a_stranger();
    browser.wait_for_button("link by e-mail").click_away();
    browser.wait_for("#username").type_text("nobody");
    browser.agree();
    browser.wait_for("#sent");
    shop.come_as_a_stranger();
    browser.wait_for_button("link by e-mail").click_away();
    browser.wait_for("#username").type_text("alice");
    browser.agree();
    browser.wait_for("#sent");
    let _ = shop.link();
    assert_eq!(shop.quickstart.messages().len(), sent + 1, "alice's alone");
}

#[test]
fn nist_sp800_63b_a_forgotten_password_is_replaced_through_the_pages_and_the_second_factor_stays() {
    let shop = Shop::open_with("forgotten", "", &["--throttle", "off"]);
    let (app, _, _) = shop.enrol();
    let browser = &shop.browser;
    shop.come_as_a_stranger();
    browser.wait_for("#forgot").click_away();
    browser.screenshot("1-forgot");
    browser.wait_for("#username").type_text("alice");
    browser.agree();
    browser.wait_for("#message");
    let link = shop.link();
    browser.goto(&link);
    browser.wait_for("#new_password").type_text("short");
    browser.agree();
    assert!(!browser.wait_for("[role=alert]").text().is_empty(), "too short");
    browser.screenshot("2-refused");
    browser.wait_for("#new_password").type_text("seven green bottles of ink");
    browser.agree();
    browser.wait_for("#message");
    browser.screenshot("3-done");

    shop.come_as_a_stranger();
    enter_password(browser, "alice", "alice-password");
    assert!(!browser.wait_for("[role=alert]").text().is_empty(), "the old password is gone");
    browser.goto(&shop.authorization_url());
    enter_password(browser, "alice", "seven green bottles of ink");
    browser.wait_for("#step-code");
    enter_code(browser, &next_code(&app));
    shop.finish();
}
