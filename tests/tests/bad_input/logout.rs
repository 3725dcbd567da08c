//! Requests to sign out, and answers to the question.

use countersign_tests::{FrontEnd, User, Wire};
use serde_json::json;

use super::{LIMIT, Provider};

const OUT: &str = "https%3A%2F%2Fshop.example%2Fout";

#[test]
fn oidc_rp_initiated_logout_4_requests_that_are_not_in_order_end_and_redirect_nothing() {
    let provider = Provider::start();
    let issuer = provider.quickstart.issuer();
    let mut browser = FrontEnd::new(issuer);
    let back =
        User::alice().sign_in(&mut browser, &provider.quickstart.url(&provider.request("openid offline_access")));
    let tokens = provider.callback.exchange(&back, issuer, "shop");
    let text = |member: &str| tokens.answer[member].as_str().unwrap().to_owned();
    let hint = text("id_token");
    let cookies = browser.cookies();
    let open = |query: &str| Wire::get(format!("/logout?{query}")).field("Cookie", &cookies);
    let form = |body: &str| Wire::form("/logout", body).field("Cookie", &cookies);
    let (signed, signature) = hint.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let changed = format!("{signed}.{first}{}", &signature[1..]);
    let (access, refresh) = (text("access_token"), text("refresh_token"));
    let other = Provider::start().tokens("openid").answer["id_token"].as_str().unwrap().to_owned();
    provider.check(vec![
        ("a client of nobody's", open("client_id=nobody"), 400, "page"),
        ("the same by POST", form("client_id=nobody"), 400, "page"),
        ("a URI without a client", open(&format!("post_logout_redirect_uri={OUT}")), 400, "page"),
        (
            "an unregistered URI",
            open("client_id=shop&post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F"),
            400,
            "page",
        ),
        ("one that begins like it", open(&format!("client_id=shop&post_logout_redirect_uri={OUT}%2F..")), 400, "page"),
        (
            "where codes go",
            open("client_id=shop&post_logout_redirect_uri=https%3A%2F%2Fshop.example%2Fcallback"),
            400,
            "page",
        ),
        ("another client's URI", open(&format!("client_id=web&post_logout_redirect_uri={OUT}")), 400, "page"),
        ("a script", open("client_id=shop&post_logout_redirect_uri=javascript%3Aalert(1)"), 400, "page"),
        (
            "two URIs",
            open(&format!("client_id=shop&post_logout_redirect_uri={OUT}&post_logout_redirect_uri={OUT}")),
            400,
            "page",
        ),
        ("two clients", open("client_id=shop&client_id=web"), 400, "page"),
        ("two states", open("client_id=shop&state=a&state=b"), 400, "page"),
        ("no ID token", open("id_token_hint=x"), 400, "page"),
        ("a changed signature", open(&format!("id_token_hint={changed}")), 400, "page"),
        ("no signature", open(&format!("id_token_hint={signed}.")), 400, "page"),
        ("an access token", open(&format!("id_token_hint={access}")), 400, "page"),
        ("a refresh token", open(&format!("id_token_hint={refresh}")), 400, "page"),
        ("another issuer's token", open(&format!("id_token_hint={other}")), 400, "page"),
        ("a token of another client", open(&format!("id_token_hint={hint}&client_id=web")), 400, "page"),
        ("a long token", open(&format!("id_token_hint={}", "x".repeat(20_000))), 400, "page"),
        ("a question of nobody's", open("request=AAAAAAAAAAAAAAAAAAAAAA"), 400, "page"),
        ("no question's name", open("request=../../etc/passwd"), 400, "page"),
        ("a broken escape", open("state=%z"), 400, "page"),
        ("an escaped NUL", open("client_id=shop%00"), 400, "page"),
        ("bytes that are not UTF-8", open("client_id=%ff"), 400, "page"),
        ("many parameters", open(&"a=b&".repeat(100)), 400, "page"),
        (
            "plain text",
            Wire::new("POST", "/logout").field("Content-Type", "text/plain").body("client_id=shop"),
            400,
            "page",
        ),
        ("a large body", form(&"x".repeat(LIMIT + 1)), 413, "invalid_request"),
        ("another host", open("client_id=shop").host("attacker.example"), 421, "invalid_request"),
        ("PUT", Wire::new("PUT", "/logout").field("Cookie", &cookies), 405, "invalid_request"),
        ("DELETE", Wire::new("DELETE", "/logout").field("Cookie", &cookies), 405, "invalid_request"),
        ("JSON for the refusal", open("client_id=nobody").field("Accept", "application/json"), 400, "invalid_request"),
    ]);
    // Nobody was signed out by any of it.
    let silent = format!("{}&prompt=none", provider.request("openid"));
    let reply = browser.open(&provider.quickstart.url(&silent));
    assert!(reply.header("location").unwrap().contains("code="), "{reply:?}");
}

#[test]
fn rfc6749_10_12_answers_to_a_question_that_are_not_our_own_pages_sign_nobody_out() {
    let provider = Provider::start();
    let issuer = provider.quickstart.issuer();
    let mut browser = FrontEnd::new(issuer);
    let _ = User::alice().sign_in(&mut browser, &provider.quickstart.url(&provider.request("openid")));
    let logout = provider.quickstart.url("/logout");
    let step = browser.read(&logout).json();
    let (csrf, request) = (step["csrf"].as_str().unwrap().to_owned(), step["request"].as_str().unwrap().to_owned());
    let other = browser.read(&logout).json()["csrf"].as_str().unwrap().to_owned();
    let cookies = browser.cookies();
    let bare = |content_type: &str, body: &str| {
        Wire::new("POST", "/logout").field("Content-Type", content_type).field("Cookie", &cookies).body(body)
    };
    let json = |body: &str| bare("application/json", body);
    let own = |body: &str| json(body).field("Origin", issuer);
    let answer = |csrf: &str, request: &str| json!({"answer": "logout", "csrf": csrf, "request": request}).to_string();
    let right = answer(&csrf, &request);
    let form = format!("answer=logout&csrf={csrf}&request={request}&decision=sign_out");
    let posted = |body: &str| bare("application/x-www-form-urlencoded", body);
    provider.check(vec![
        ("no origin", json(&right), 403, "invalid_request"),
        ("another origin", json(&right).field("Origin", "https://attacker.example"), 403, "invalid_request"),
        ("another site", own(&right).field("Sec-Fetch-Site", "cross-site"), 403, "invalid_request"),
        ("a form of another site", posted(&form).field("Origin", "https://attacker.example"), 403, "page"),
        ("a form without an origin", posted(&form), 403, "page"),
        ("a wrong value", own(&answer("x", &request)), 403, "invalid_request"),
        ("an empty value", own(&answer("", &request)), 403, "invalid_request"),
        ("the value of another question", own(&answer(&other, &request)), 403, "invalid_request"),
        ("a question of nobody's", own(&answer(&csrf, "AAAAAAAAAAAAAAAAAAAAAA")), 400, "invalid_request"),
        ("no question's name", own(&answer(&csrf, "x")), 400, "invalid_request"),
        ("another decision", posted(&form.replace("sign_out", "maybe")).field("Origin", issuer), 400, "page"),
        ("a field twice", posted(&format!("{form}&csrf={csrf}")).field("Origin", issuer), 400, "page"),
        ("an answer of a login", own(&right.replace("logout", "password")), 400, "invalid_request"),
        ("a member twice", own(&right.replacen('{', "{\"csrf\":\"x\",", 1)), 400, "invalid_request"),
        ("a member of nobody's", own(&right.replacen('{', "{\"admin\":true,", 1)), 400, "invalid_request"),
        ("a list", own("[]"), 400, "invalid_request"),
        ("depth", own(&"[".repeat(60_000)), 400, "invalid_request"),
        ("nothing", own(""), 400, "invalid_request"),
        ("a large body", own(&" ".repeat(LIMIT + 1)), 413, "invalid_request"),
    ]);
    // The question still stands, and its answer counts.
    assert_eq!(browser.read(&format!("{logout}?request={request}")).json()["step"], "logout");
    let done = browser.answer(&logout, json!({ "answer": "logout", "request": request }));
    assert_eq!((done.status, &done.json()["step"]), (200, &json!("signed_out")));
}
