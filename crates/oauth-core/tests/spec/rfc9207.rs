//! RFC 9207 and the response modes: `iss` and `state` on every answer, by every way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_oauth_core::{Extension, Outcome};
use countersign_tokens::{CryptoProvider as _, Ring};
use http::header;

use crate::kit::*;

#[derive(Debug)]
struct Proof;

#[async_trait::async_trait]
impl Extension for Proof {
    fn name(&self) -> &'static str {
        "proof"
    }
    fn response_types(&self) -> &'static [&'static str] {
        &["code proof"]
    }
}

fn kit() -> Kit {
    Kit::with(|builder| builder.extension(Proof))
}

/// A success and an error of this request.
fn both(kit: &Kit, form: &Form) -> [Outcome; 2] {
    let ask = |form: &Form| kit.authorize(&mut Jar::default(), form, Some(alice(kit)));
    [ask(form), ask(&form.clone().with("scope", "nonsense"))]
}

#[test]
fn rfc9207_2_iss_and_state_stand_in_every_answer() {
    let kit = kit();
    for (response_type, mode, by) in [
        ("code", None, '?'),
        ("code", Some("query"), '?'),
        ("code", Some("fragment"), '#'),
        ("code proof", None, '#'),
        ("proof code", None, '#'),
        ("code proof", Some("fragment"), '#'),
    ] {
        let form = authorization("app", "read").with("response_type", response_type).with("state", "a&b=c d\u{e4}");
        let form = mode.map_or(form.clone(), |mode| form.with("response_mode", mode));
        for outcome in both(&kit, &form) {
            let answer = redirect(outcome);
            assert_eq!((answer.by, answer.must("iss"), answer.must("state")), (by, ISSUER, "a&b=c d\u{e4}"));
            assert_ne!(answer.get("code").is_some(), answer.get("error").is_some());
        }
    }
}

#[test]
fn multiple_response_types_2_1_what_carries_more_than_a_code_stands_in_no_query() {
    let kit = kit();
    let form = authorization("app", "read").with("response_type", "code proof").with("response_mode", "query");
    assert_eq!(told(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit)))), "invalid_request");
    let form = form.with("response_mode", "nonsense");
    let answer = redirect(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit))));
    assert_eq!((answer.must("error"), answer.by), ("invalid_request", '#'));
}

#[test]
fn form_post_2_the_answer_is_a_form_that_sends_itself() {
    let kit = kit();
    let form = authorization("app", "read").with("response_mode", "form_post");
    let evil = "\"><script>alert('x')</script>&amp;";
    for (at, outcome) in both(&kit, &form.with("state", evil)).into_iter().enumerate() {
        let Outcome::Done(reply) = outcome else { panic!("{outcome:?}") };
        let page = Answer::of(reply);
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert_eq!((page.header("cache-control"), page.header("x-frame-options")), ("no-store", "DENY"));
        let html = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(html.contains("<form method=\"post\" action=\"https://app.example.com/cb\">"), "{html}");
        assert!(html.contains("<button type=\"submit\">"), "a button serves without script");
        let escaped = "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;";
        assert!(html.contains(&format!("name=\"state\" value=\"{escaped}\"")), "{html}");
        assert!(html.contains(&format!("name=\"iss\" value=\"{ISSUER}\"")));
        assert!(html.contains(["name=\"code\" value=\"cs_code_", "name=\"error\" value=\"invalid_scope\""][at]));
        // The policy admits the one script of the page, and nothing else.
        let script = html.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
        assert_eq!(html.matches("<script").count(), 1);
        let hash = STANDARD.encode(Ring.sha256(&[script.as_bytes()]));
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.ends_with(&format!("script-src 'sha256-{hash}'")), "{policy}");
        assert!(!policy.contains("form-action"), "the form leads to the client");
    }
}

#[test]
fn rfc9207_2_4_nothing_else_names_an_issuer() {
    let kit = kit();
    let answer = redirect(kit.authorize(
        &mut Jar::default(),
        &authorization("app", "read").with("iss", "https://evil.example"),
        Some(alice(&kit)),
    ));
    assert_eq!(answer.pairs().iter().filter(|(name, _)| *name == "iss").count(), 1);
    assert_eq!(answer.must("iss"), ISSUER);
}

#[test]
fn rfc9700_4_12_an_answer_is_303_and_tells_no_referrer() {
    let kit = kit();
    let Outcome::Done(reply) = kit.authorize(&mut Jar::default(), &authorization("app", "read"), Some(alice(&kit)))
    else {
        panic!()
    };
    assert_eq!(reply.status(), 303);
    assert_eq!(reply.headers()[header::REFERRER_POLICY], "no-referrer");
    assert_eq!(reply.headers()[header::CACHE_CONTROL], "no-store");
    assert!(reply.body().is_empty());
}
