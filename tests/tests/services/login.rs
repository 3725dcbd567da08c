//! Logins as a person sees them: a real browser on the default pages.

use countersign_mfa_otp::HotpSecret;
use countersign_tests::{Browser, Quickstart};
use serde_json::json;

use crate::WAYS;
use crate::person::{Shop, agree_until, enter_code, enter_password, enter_refused_code, next_code};

/// The class of a login with two factors (OpenID PAPE 1.0).
const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

#[test]
fn the_demo_client_shows_who_signed_in() {
    for (way, name) in WAYS.into_iter().zip(["demo", "demo-https"]) {
        signs_in_to_the_demo(&Quickstart::start(way), name);
    }
}

fn signs_in_to_the_demo(quickstart: &Quickstart, name: &str) {
    let browser = Browser::start(name);
    browser.goto(quickstart.issuer());
    browser.screenshot("0-home");
    let secure = browser.execute("return window.isSecureContext && location.origin");
    assert_eq!(secure, quickstart.issuer());
    browser.wait_for_button("sign in").click_away();
    enter_password(&browser, "alice", "alice-password");
    agree_until(&browser, &quickstart.url("/demo"));
    browser.screenshot("9-claims");
    let shown = browser.text();
    for claim in ["sub", "auth_time", quickstart.issuer()] {
        assert!(shown.contains(claim), "{claim} is not shown:\n{shown}");
    }
}

#[test]
fn a_browser_that_was_not_told_of_the_authority_shows_no_page_of_it() {
    let quickstart = Quickstart::secure(&["--store", "memory:"]);
    let stranger = Browser::distrustful("demo-distrust");
    stranger.goto(quickstart.issuer());
    let shown = stranger.text();
    assert!(shown.contains("ERR_CERT_AUTHORITY_INVALID"), "{shown}");
    // The other tests look at pages by HTTPS with the same browser: it was told, and ignores nothing.
    let browser = Browser::start("demo-trust");
    browser.goto(quickstart.issuer());
    browser.wait_for_button("sign in");
}

#[test]
fn a_wrong_password_is_told_and_asked_for_again() {
    let shop = Shop::open("wrong-password");
    shop.browser.goto(&shop.callback.authorization_url(shop.quickstart.issuer(), "shop", "openid"));
    enter_password(&shop.browser, "alice", "not-her-password");
    assert!(!shop.browser.wait_for("[role=alert]").text().is_empty());
    let same = shop.browser.text();
    enter_password(&shop.browser, "nobody", "not-her-password");
    assert_eq!(shop.browser.text(), same, "promise 6: an unknown user looks the same");
    enter_password(&shop.browser, "alice", "alice-password");
    assert!(shop.browser.wait_for(r#"a[href^="otpauth://"]"#).attribute("href").is_some());
}

#[test]
fn a_second_factor_is_set_up_on_the_way_when_the_client_asks_for_one() {
    let shop = Shop::open("enrolment");
    let (_, _, tokens) = shop.enrol();
    assert_eq!(tokens.claims["acr"], MULTI_FACTOR);
    let amr = tokens.claims["amr"].as_array().unwrap();
    for method in ["pwd", "otp", "mfa"] {
        assert!(amr.contains(&json!(method)), "{amr:?}");
    }
}

#[test]
fn promise_1_a_totp_code_is_accepted_once() {
    let shop = Shop::open("totp");
    let (secret, _, _) = shop.enrol();

    shop.begin();
    let code = next_code(&secret);
    enter_code(&shop.browser, &code);
    assert_eq!(shop.finish().claims["acr"], MULTI_FACTOR);

    shop.begin();
    enter_refused_code(&shop.browser, &code);
}

#[test]
fn rfc4226_7_2_a_token_that_counts_is_set_up_and_each_of_its_codes_signs_in_once() {
    let shop = Shop::open_with("hotp", "[mfa]\nfactors = [\"hotp\", \"recovery_code\"]", &[]);
    shop.begin();
    let uri = shop.browser.wait_for(r#"a[href^="otpauth://hotp/"]"#).attribute("href").unwrap();
    let token = HotpSecret::from_otpauth_uri(&uri).unwrap().secret;
    shop.browser.screenshot("2-enrol");
    enter_code(&shop.browser, token.code(0).expose());
    shop.browser.wait_for("li > code");
    shop.browser.agree();
    assert_eq!(shop.finish().claims["acr"], MULTI_FACTOR);

    shop.begin();
    enter_refused_code(&shop.browser, token.code(0).expose());
    // One that was pressed in a pocket is passed over.
    enter_code(&shop.browser, token.code(2).expose());
    assert_eq!(shop.finish().claims["acr"], MULTI_FACTOR);
    shop.begin();
    enter_refused_code(&shop.browser, token.code(1).expose());
}

#[test]
fn promise_1_a_recovery_code_is_accepted_once() {
    let shop = Shop::open("recovery");
    let (_, codes, _) = shop.enrol();
    let begin = || {
        shop.begin();
        shop.browser.wait_for_button("recovery code").click_away();
    };

    begin();
    enter_code(&shop.browser, &codes[0]);
    assert_eq!(shop.finish().claims["acr"], MULTI_FACTOR);

    begin();
    enter_refused_code(&shop.browser, &codes[0]);
    enter_code(&shop.browser, &codes[1]);
    assert_eq!(shop.finish().claims["acr"], MULTI_FACTOR);
}

#[test]
fn who_says_no_is_taken_back_with_access_denied() {
    let shop = Shop::open("refusal");
    shop.begin();
    // The second factor comes before consent.
    let uri = shop.browser.wait_for(r#"a[href^="otpauth://"]"#).attribute("href").unwrap();
    let secret = countersign_mfa_otp::TotpSecret::from_otpauth_uri(&uri).unwrap().secret;
    enter_code(&shop.browser, secret.code_at(std::time::SystemTime::now()).expose());
    shop.browser.wait_for("li > code");
    shop.browser.agree();
    shop.browser.wait_for("#step-consent");
    shop.browser.wait_for("#deny").click();
    let answer = shop.browser.wait_for_url(shop.callback.uri());
    assert!(answer.contains("error=access_denied") && !answer.contains("code="), "{answer}");
}
