//! What users look after themselves, as a person sees it.

use countersign_tests::Browser;
use serde_json::Value;

use crate::person::{Shop, enrol_totp, enter_code, enter_password, next_code};

const FILE: &str = "[mfa]\nfactors = [\"totp\", \"sms\", \"recovery_code\"]\nremember_device = \"30d\"\n";
const NUMBER: &str = "+49 30 901820";

/// The first login: of the two ways, the app.
fn enrol(shop: &Shop) -> countersign_mfa_otp::TotpSecret {
    shop.begin();
    shop.browser.wait_for("#step-choose");
    shop.browser.wait_for_button("authenticator app").click_away();
    let (secret, _) = enrol_totp(&shop.browser);
    shop.finish();
    secret
}

fn room(shop: &Shop, browser: &Browser, name: &str) {
    browser.goto(&shop.quickstart.url(&format!("/account{name}")));
    browser.wait_for("h1");
}

/// What the page says was done.
fn done(browser: &Browser) -> String {
    browser.wait_for("#message").text()
}

fn code_of(message: &Value) -> String {
    message["code"].as_str().unwrap().to_owned()
}

/// What stands in a list of the page.
fn things(browser: &Browser, list: &str) -> Vec<String> {
    browser.find_all(&format!("#{list} > li")).iter().map(countersign_tests::Element::text).collect()
}

#[test]
fn a_person_looks_after_the_account_and_says_that_something_was_not_theirs() {
    let shop = Shop::open_with("account", FILE, &["--throttle", "off"]);
    let secret = enrol(&shop);
    let browser = &shop.browser;
    // A second browser, which is remembered.
    let other = Browser::start("account-other");
    other.goto(&shop.authorization_url());
    enter_password(&other, "alice", "alice-password");
    other.wait_for("input[type=checkbox]").click();
    enter_code(&other, &next_code(&secret));
    crate::person::agree_until(&other, shop.callback.uri());

    room(&shop, browser, "");
    browser.screenshot("overview");
    assert!(browser.text().contains("alice"), "{}", browser.text());
    for (id, title) in [("to-factors", "Ways to confirm"), ("to-events", "What happened")] {
        assert_eq!(browser.wait_for(&format!("#{id}")).text(), title);
    }

    // A second factor by text message, beside the app.
    browser.wait_for("#to-factors").click_away();
    assert_eq!(things(browser, "factors").len(), 1);
    browser.wait_for("#add").click_away();
    browser.wait_for("#step-choose");
    browser.screenshot("add-choose");
    browser.wait_for_button("sms").click_away();
    browser.wait_for("#to").type_text(NUMBER);
    browser.agree();
    browser.wait_for("#step-enrol");
    enter_code(browser, &code_of(&shop.newest()));
    assert_eq!(done(browser), "It was added.");
    browser.screenshot("factors");
    let factors = things(browser, "factors");
    assert!(factors.len() == 2 && factors[1].contains("+49…20"), "{factors:?}");

    browser.wait_for("#label-2").type_text("My mobile");
    browser.wait_for("#factors > li:nth-child(2) button[value=rename]").click_away();
    assert_eq!(done(browser), "The name was changed.");
    assert!(things(browser, "factors")[1].starts_with("My mobile"));

    // New codes are shown once.
    room(&shop, browser, "/recovery-codes");
    browser.wait_for("#renew").click_away();
    assert_eq!(browser.find_all("#recovery-codes > li").len(), 10);
    browser.screenshot("recovery-codes");
    room(&shop, browser, "/recovery-codes");
    assert!(browser.find("#recovery-codes").is_none() && browser.text().contains("10 recovery codes"));

    // The remembered browser, its session, and the application.
    room(&shop, browser, "/devices");
    assert_eq!(things(browser, "devices").len(), 1);
    browser.screenshot("devices");
    browser.wait_for("#devices button[value=forget]").click_away();
    assert_eq!(done(browser), "That device is no longer remembered.");
    assert_eq!(browser.wait_for("#none").text(), "No device is remembered.");
    room(&shop, browser, "/sessions");
    assert_eq!(things(browser, "sessions").len(), 2);
    browser.screenshot("sessions");
    let sessions = browser.find_all("#sessions > li");
    let elsewhere = sessions.iter().position(|one| !one.text().contains("this browser")).unwrap();
    browser.wait_for(&format!("#sessions > li:nth-child({}) button[value=end]", elsewhere + 1)).click_away();
    assert_eq!(done(browser), "That sign-in has ended.");
    room(&shop, &other, "");
    other.wait_for("input[name=password]");
    room(&shop, browser, "/applications");
    let applications = things(browser, "applications");
    assert!(applications.len() == 1 && applications[0].contains("Shop"), "{applications:?}");
    browser.screenshot("applications");
    browser.wait_for("#applications button[value=disconnect]").click_away();
    assert_eq!(done(browser), "That application has no access any more.");

    // All of it stands among the events, the newest first.
    room(&shop, browser, "/events");
    browser.screenshot("events");
    let events = things(browser, "events");
    for said in [
        "Access taken back: Shop",
        "Signed out elsewhere",
        "Device forgotten",
        "New recovery codes",
        "Renamed: SMS",
        "Set up: SMS",
    ] {
        assert!(events.iter().any(|event| event.contains(said)), "{said}: {events:?}");
    }
    assert!(
        events[0].contains("Access taken back") && events[0].contains("Chrom") && events[0].contains("UTC"),
        "{events:?}"
    );

    remove_after_a_fresh_factor(&shop);
    say_that_it_was_not_me(&shop);
}

/// In a browser that proved the password alone, a factor is proven before one is removed.
fn remove_after_a_fresh_factor(shop: &Shop) {
    let browser = Browser::start("account-third");
    room(shop, &browser, "/factors");
    enter_password(&browser, "alice", "alice-password");
    browser.wait_for("#proof-first");
    browser.wait_for("#factors > li:nth-child(2) button[value=remove]").click_away();
    browser.wait_for("#step-choose");
    browser.screenshot("step-up");
    browser.wait_for_button("sms").click_away();
    browser.wait_for("#step-code");
    enter_code(&browser, &code_of(&shop.newest()));
    browser.wait_for("#factors");
    assert!(browser.find("#proof-first").is_none(), "{}", browser.text());
    browser.wait_for("#factors > li:nth-child(2) button[value=remove]").click_away();
    assert!(done(&browser).starts_with("It was removed."));
    assert_eq!(things(&browser, "factors").len(), 1);
}

/// The link in the mail about it, opened by somebody who is signed in nowhere.
fn say_that_it_was_not_me(shop: &Shop) {
    let link = shop.link();
    assert!(link.starts_with(&shop.quickstart.url("/not-me?link=")), "{link}");
    let reader = Browser::start("account-reader");
    reader.goto(&link);
    reader.wait_for("#not-me-form");
    reader.screenshot("not-me");
    reader.wait_for("#submit").click_away();
    assert!(done(&reader).contains("Everything has ended"));
    reader.screenshot("not-me-done");
    reader.wait_for("#reset");
    room(shop, &shop.browser, "");
    shop.browser.wait_for("input[name=password]");
    // The link has served, and the next login proves the app.
    reader.goto(&link);
    assert!(reader.text().contains("was used"), "{}", reader.text());
    shop.browser.goto(&shop.quickstart.url("/account"));
    enter_password(&shop.browser, "alice", "alice-password");
    shop.browser.wait_for("#step-code");
    shop.browser.screenshot("after");
}
