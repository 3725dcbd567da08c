//! The page for administrators, in a real browser.

use countersign_tests::{Browser, Quickstart};

use crate::person::{enrol_totp, enter_password};

const STAFF: &str = r#"
    [admin]
    group = "staff"
    [user.alice]
    groups = ["staff"]
    [mfa]
    policy = "never"
    factors = ["totp", "sms", "recovery_code"]
    first_enrolment = "this_login"
"#;

/// Signs in at the console, and sets up an authenticator app on the way.
fn sign_in(browser: &Browser, quickstart: &Quickstart, name: &str) {
    browser.goto(&quickstart.url("/console"));
    browser.wait_for("#sign-in").click();
    enter_password(browser, name, &format!("{name}-password"));
    browser.wait_for_button("authenticator app").click();
    enrol_totp(browser);
}

#[test]
fn an_administrator_switches_factors_and_policies_and_looks_after_users_on_the_console() {
    let quickstart = Quickstart::configured(STAFF, &[]);
    let browser = Browser::start("console");
    sign_in(&browser, &quickstart, "alice");
    browser.wait_for("#factors");
    browser.screenshot("1-overview");
    assert_eq!(browser.execute("return document.scripts.length"), 0);
    browser.wait_for("#switch-sms").click_away();
    browser.wait_for("#done");
    assert_eq!(browser.wait_for("#state-sms").text(), "off");
    // What the administration itself requires stays on.
    browser.wait_for("#switch-otp").click_away();
    let refused = browser.wait_for("#refused").text();
    assert!(refused.starts_with("scope ") && refused.contains("leave one on"), "{refused}");
    browser.screenshot("2-refused");
    browser.goto(&quickstart.url("/console"));
    browser.wait_for("#all-applications").click();
    browser.wait_for("#save-policies").click_away();
    browser.wait_for("#done");
    assert_eq!(browser.execute("return document.querySelector('#all-applications').checked"), true);
    browser.wait_for("#user").type_text("bob");
    browser.wait_for("#find").click_away();
    assert!(browser.wait_for("#found").text().contains("no second step"));
    browser.screenshot("3-user");
    for (action, said) in [
        ("unlock", "try again"),
        ("end-sessions", "signed out everywhere"),
        ("forget", "No browser"),
        ("require", "next sign-in"),
        ("reset", "removed"),
    ] {
        browser.wait_for(&format!("#{action}")).click_away();
        browser.wait_until("what was done", || browser.find("#done").filter(|done| done.text().contains(said)));
    }
    let told: Vec<_> = quickstart.messages().iter().map(|message| message["to"].clone()).collect();
    assert!(told.iter().any(|to| to == "bob@example.com"), "{told:?}");
    // A form that is not this page's own is refused (RFC 6749 §10.12).
    browser.execute("document.querySelector('#switch-sms').form.csrf.value = 'guessed'");
    browser.wait_for("#switch-sms").click_away();
    browser.wait_for(".error");
    browser.goto(&quickstart.url("/console"));
    assert_eq!(browser.wait_for("#state-sms").text(), "off");
    browser.wait_for("#sign-out").click_away();
    browser.wait_for("#sign-in");
}

#[test]
fn who_is_no_administrator_is_told_so_and_sees_nothing() {
    let quickstart = Quickstart::configured(STAFF, &[]);
    let browser = Browser::start("console-stranger");
    sign_in(&browser, &quickstart, "bob");
    assert_eq!(browser.wait_for("#error").text(), "access_denied");
    browser.goto(&quickstart.url("/console"));
    browser.wait_for("#sign-in");
    assert!(browser.find("#factors").is_none());
}
