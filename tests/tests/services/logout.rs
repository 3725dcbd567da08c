//! Signing out as a person sees it: a real browser on the demo and on the default pages.

use countersign_tests::{Browser, Quickstart};

use crate::person::{agree_until, enter_password};

/// Alice, signed in at the demo.
fn signed_in(test: &str) -> (Quickstart, Browser) {
    let quickstart = Quickstart::start(&[]);
    let browser = Browser::start(test);
    browser.goto(quickstart.issuer());
    browser.wait_for_button("sign in").click_away();
    enter_password(&browser, "alice", "alice-password");
    agree_until(&browser, &quickstart.url("/demo"));
    (quickstart, browser)
}

/// What `prompt=none` answers the demo client in this browser. Consent to a client on loopback is asked every time (RFC 8252 §8.6),
/// so whoever is signed in is told by `consent_required`.
fn silent(quickstart: &Quickstart, browser: &Browser) -> String {
    let request = format!(
        "/authorize?response_type=code&client_id=demo&scope=openid&prompt=none&code_challenge_method=S256\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&redirect_uri={}%2Fdemo%2Fcallback",
        quickstart.issuer().replace(':', "%3A").replace('/', "%2F")
    );
    browser.goto(&quickstart.url(&request));
    browser.url()
}

#[test]
fn the_demo_signs_out_after_a_question_and_nobody_is_signed_in_any_more() {
    let (quickstart, browser) = signed_in("sign-out");
    browser.wait_for("#sign-out").click_away();
    browser.wait_for("#step-logout");
    browser.screenshot("1-question");
    let shown = browser.text();
    assert!(shown.contains("Countersign demo") && shown.contains("alice"), "{shown}");
    assert!(silent(&quickstart, &browser).contains("error=consent_required"), "a question ends nothing");

    browser.goto(&quickstart.url("/logout"));
    browser.wait_for("#stay").click_away();
    browser.wait_for("#step-still_signed_in");
    browser.screenshot("2-stayed");
    assert!(silent(&quickstart, &browser).contains("error=consent_required"));

    browser.goto(&quickstart.url("/logout"));
    browser.wait_for("#step-logout");
    browser.agree();
    browser.wait_for("#step-signed_out");
    browser.screenshot("3-signed-out");
    assert!(silent(&quickstart, &browser).contains("error=login_required"));
}

#[test]
fn the_demo_gets_its_browser_back_after_a_yes() {
    let (quickstart, browser) = signed_in("sign-out-back");
    browser.wait_for("#sign-out").click_away();
    browser.wait_for("#step-logout");
    browser.agree();
    browser.wait_for_url(&quickstart.url("/demo/signed-out?state="));
    browser.wait_for("#signed-out");
    browser.screenshot("1-demo");
    assert!(silent(&quickstart, &browser).contains("error=login_required"));
}
