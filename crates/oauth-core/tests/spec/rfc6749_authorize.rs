//! RFC 6749 at the authorization endpoint: who is redirected, with what, and how a request waits for its user.

use countersign_oauth_core::{Cause, Client, Consent, Outcome, Preset};
use http::{Method, header};

use crate::kit::*;

/// What comes of a request whose user is signed in.
fn ask(kit: &Kit, form: &Form) -> Outcome {
    kit.authorize(&mut Jar::default(), form, Some(alice(kit)))
}

#[test]
fn rfc6749_3_1_the_form_of_a_post_is_read_as_a_query_is() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    kit.authorize(&mut jar, &authorization("shop", "read"), None);
    let post = |content_type: &str, body: String| {
        let request = jar.request(Method::POST, "/authorize?client_id=other").header("content-type", content_type);
        block_on(kit.server.authorize(request.body(body.into()).unwrap(), Some(alice(&kit))))
    };
    let body = authorization("app", "read").encode();
    assert_eq!(shown(post("application/json", body.clone())), "request.content_type");
    assert!(redirect(post("application/x-www-form-urlencoded", body)).get("code").is_some());
}

#[test]
fn rfc6749_3_1_a_post_from_another_site_is_judged_where_the_cookie_is_seen() {
    let kit = Kit::new();
    let request = request(Method::POST, "/authorize").header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(authorization("app", "read").encode().into()).unwrap();
    let Outcome::Done(reply) = block_on(kit.server.authorize(request, None)) else { panic!() };
    // 303: the browser comes by GET, and the request stays as it was.
    assert_eq!((reply.status().as_u16(), reply.headers().get(header::SET_COOKIE)), (303, None));
    let back = reply.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let mut jar = Jar::default();
    let answer = redirect(kit.come_back(&mut jar, &back, Some(alice(&kit))));
    assert_eq!((answer.to.as_str(), answer.get("state")), ("https://app.example.com/cb", Some("af0ifjsldkj")));
    // It belongs to the browser that opened it first.
    assert_eq!(shown(kit.come_back(&mut Jar::default(), &back, Some(alice(&kit)))), "interaction.unknown");
}

#[test]
fn rfc6749_3_1_a_repeated_parameter_is_refused() {
    let kit = Kit::new();
    let form = authorization("app", "read").with("prompt", "login");
    for name in ["client_id", "redirect_uri"] {
        assert_eq!(shown(ask(&kit, &form.clone().also(name, &form.value(name)))), "request.repeated_parameter");
    }
    for name in ["response_type", "scope", "code_challenge", "code_challenge_method", "prompt", "nobody_knows"] {
        let twice = form.clone().with("nobody_knows", "x").also(name, &form.value(name));
        let answer = redirect(ask(&kit, &twice));
        assert_eq!((answer.must("error"), answer.must("state")), ("invalid_request", "af0ifjsldkj"), "{name}");
    }
    let answer = redirect(ask(&kit, &form.also("state", "other")));
    assert_eq!((answer.must("error"), answer.get("state")), ("invalid_request", None));
}

#[test]
fn rfc6749_3_1_a_parameter_without_a_value_counts_as_left_out() {
    let kit = Kit::new();
    let form = authorization("app", "read").with("state", "").with("prompt", "").with("max_age", "").with("foo", "bar");
    let answer = redirect(ask(&kit, &form));
    assert!(answer.get("code").is_some() && !answer.pairs().iter().any(|(name, _)| *name == "state"));
}

#[test]
fn rfc6749_3_1_1_the_response_type_is_one_that_is_served() {
    let kit = Kit::new();
    let form = authorization("app", "read");
    let answer = redirect(ask(&kit, &form.clone().without("response_type")));
    assert_eq!((answer.must("error"), answer.by), ("invalid_request", '?'));
    for other in ["token", "id_token", "code token", "code id_token", "none", "CODE", "code ", " code", "code code"] {
        let answer = redirect(ask(&kit, &form.clone().with("response_type", other)));
        assert_eq!(answer.must("error"), "unsupported_response_type", "{other}");
        assert!(answer.get("access_token").is_none());
    }
}

#[test]
fn rfc6749_3_1_2_the_query_of_a_redirect_uri_is_kept() {
    let kit = Kit::new();
    let answer = redirect(ask(&kit, &authorization("web", "read")));
    assert_eq!((answer.to.as_str(), answer.get("a")), ("https://web.example.com/cb", Some("b")));
    assert!(answer.get("code").is_some());
}

#[test]
fn rfc6749_3_1_2_3_of_several_redirect_uris_one_must_be_named() {
    let kit = Kit::new();
    assert!(redirect(ask(&kit, &authorization("app", "read").without("redirect_uri"))).get("code").is_some());
    assert_eq!(shown(ask(&kit, &authorization("native", "read").without("redirect_uri"))), "authorize.redirect_uri");
}

#[test]
fn rfc6749_4_1_2_1_nothing_is_redirected_before_client_and_uri_are_verified() {
    let kit = Kit::new();
    let form = authorization("app", "read");
    let evil = "https://evil.example/cb";
    for (form, cause) in [
        (form.clone().with("client_id", "nobody"), "authorize.unknown_client"),
        (form.clone().with("client_id", "APP"), "authorize.unknown_client"),
        (form.clone().with("client_id", "app\u{e4}"), "authorize.unknown_client"),
        (form.clone().with("client_id", &"a".repeat(300)), "authorize.unknown_client"),
        (form.clone().without("client_id"), "authorize.unknown_client"),
        (form.clone().with("redirect_uri", evil), "authorize.redirect_uri"),
        // Whatever else is wrong with it.
        (form.clone().with("redirect_uri", evil).with("response_type", "token"), "authorize.redirect_uri"),
        (form.clone().with("redirect_uri", evil).with("scope", "\""), "authorize.redirect_uri"),
        (form.clone().with("redirect_uri", evil).with("request_uri", evil), "authorize.redirect_uri"),
        (form.clone().with("redirect_uri", evil).with("prompt", "none"), "authorize.redirect_uri"),
        (form.clone().with("redirect_uri", evil).with("response_mode", "form_post"), "authorize.redirect_uri"),
        (form.clone().also("redirect_uri", evil), "request.repeated_parameter"),
        (form.also("client_id", "shop"), "request.repeated_parameter"),
    ] {
        for who in [None, Some(alice(&kit))] {
            assert_eq!(shown(kit.authorize(&mut Jar::default(), &form, who)), cause, "{form:?}");
        }
    }
}

#[test]
fn rfc6749_4_1_2_1_a_page_of_refusal_is_shown_with_the_strict_headers() {
    let kit = Kit::new();
    let Outcome::Refused(refusal) = ask(&kit, &authorization("nobody", "read")) else { panic!() };
    let page = Answer::of(refusal.page("<h1>No</h1>"));
    assert_eq!((page.status.as_u16(), page.header("x-frame-options")), (400, "DENY"));
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!((page.header("cache-control"), page.header("location")), ("no-store", ""));
}

#[test]
fn rfc6749_4_1_2_1_what_is_wrong_with_a_verified_clients_request_is_told_to_it() {
    let lean = Client::public("lean").redirect_uri("https://lean.example.com/cb").grant_types(["refresh_token"]);
    let kit = Kit::with(|builder| builder.client(lean));
    let form = authorization("app", "read");
    for (form, error) in [
        (form.clone().with("scope", "nonsense"), "invalid_scope"),
        (form.clone().with("request", "eyJ"), "request_not_supported"),
        (form.clone().with("request_uri", "https://app.example.com/r"), "request_uri_not_supported"),
        (form.clone().with("resource", "https://unknown.example.com/"), "invalid_target"),
        (form.clone().with("response_mode", "nonsense"), "invalid_request"),
        (form.clone().with("prompt", "none login"), "invalid_request"),
        (form.clone().with("max_age", "soon"), "invalid_request"),
        (authorization("lean", "read"), "unauthorized_client"),
    ] {
        let answer = redirect(ask(&kit, &form));
        assert_eq!((answer.must("error"), answer.must("state"), answer.must("iss")), (error, "af0ifjsldkj", ISSUER));
        assert!(answer.get("code").is_none() && answer.get("error_description").is_some());
    }
}

#[test]
fn rfc6749_4_1_2_1_access_denied_when_the_user_says_no() {
    for consent in [Consent::deny(), Consent::allow([]), Consent::allow(["write"])] {
        let (kit, jar, action) = asked_for_consent();
        assert_eq!(told(post_consent(&kit, &jar, &action, Some(alice(&kit)), consent)), "access_denied");
    }
}

#[test]
fn rfc6749_4_1_2_1_what_was_refused_is_not_granted_by_a_step_back() {
    let (kit, mut jar, action) = asked_for_consent();
    assert_eq!(told(post_consent(&kit, &jar, &action, Some(alice(&kit)), Consent::deny())), "access_denied");
    let allowed = post_consent(&kit, &jar, &action, Some(alice(&kit)), Consent::allow_all());
    assert_eq!(shown(allowed), "interaction.done");
    let reloaded = kit.come_back(&mut jar, &action.replace("/consent", "/authorize"), Some(alice(&kit)));
    assert_eq!(shown(reloaded), "interaction.done");
    // Saying no twice is one answer.
    assert_eq!(told(post_consent(&kit, &jar, &action, Some(alice(&kit)), Consent::deny())), "access_denied");
}

#[test]
fn promise_4_what_is_asked_shows_neither_state_nor_anti_forgery_value_nor_cookie() {
    let (kit, mut jar) = (Kit::new(), Jar::default());
    let form = authorization("shop", "read").with("login_hint", "alice-typed-this");
    let Outcome::NeedsConsent(ask) = kit.authorize(&mut jar, &form, Some(alice(&kit))) else { panic!() };
    let shown = format!("{ask:?}");
    assert!(shown.contains("shop"));
    for secret in [ask.anti_forgery(), "alice-typed-this", form.value("state").as_str(), "cs_browser"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

/// A browser that is shown the consent page, and what its form posts to.
fn asked_for_consent() -> (Kit, Jar, String) {
    let (kit, mut jar) = (Kit::new(), Jar::default());
    match kit.authorize(&mut jar, &authorization("shop", "read"), Some(alice(&kit))) {
        Outcome::NeedsConsent(page) => (kit, jar, page.action("/consent")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc6749_3_3_a_client_gets_the_scopes_that_are_open_to_it() {
    let limited = Client::public("limited").redirect_uri("https://limited.example.com/cb").scope("read inner");
    let kit = Kit::with(|builder| builder.client(limited.consent(countersign_oauth_core::ConsentRule::Implied)));
    for (client, scope, open) in [
        ("app", "read write", true),
        ("app", "inner", false),
        ("app", "read nonsense", false),
        ("app", "READ", false),
        ("app", "read  write", false),
        ("app", " read", false),
        ("app", "r\u{e4}d", false),
        ("limited", "read inner", true),
        ("limited", "read write", false),
    ] {
        let answer = redirect(ask(&kit, &authorization(client, scope)));
        assert_eq!(answer.get("code").is_some(), open, "{client} {scope}");
        assert_eq!(answer.get("error"), (!open).then_some("invalid_scope"));
    }
    let many = (0..100).map(|at| format!("s{at}")).collect::<Vec<_>>().join(" ");
    assert_eq!(told(ask(&kit, &authorization("app", &many))), "invalid_scope");
}

#[test]
fn rfc6749_3_3_partial_consent_is_told_by_the_scope_of_the_answer() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let form = authorization("shop", "read write");
    let Outcome::NeedsConsent(page) = kit.authorize(&mut jar, &form, Some(alice(&kit))) else { panic!() };
    let consent = Consent::allow(["write", "pay", "inner"]);
    let answer = redirect(post_consent(&kit, &jar, &page.action("/consent"), Some(alice(&kit)), consent));
    let tokens = kit.redeem("shop", answer.must("code")).ok();
    assert_eq!((tokens.text("scope"), tokens.claims()["scope"].as_str()), ("write", Some("write")));
}

#[test]
fn rfc6749_10_12_consent_comes_from_our_own_page_and_the_browser_and_user_that_were_asked() {
    let kit = Kit::new();
    let (mut jar, mut other) = (Jar::default(), Jar::default());
    let form = authorization("shop", "read");
    let Outcome::NeedsConsent(page) = kit.authorize(&mut jar, &form, Some(alice(&kit))) else { panic!() };
    let Outcome::NeedsConsent(theirs) = kit.authorize(&mut other, &form, Some(alice(&kit))) else { panic!() };
    let action = page.action("/consent");
    let post = |jar: &Jar, action: &str, headers: &[(&str, &str)], method: Method, who| {
        let mut request = jar.request(method, action);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        block_on(kit.server.consent(&parts, who, Consent::allow_all()))
    };
    let own = [("origin", ISSUER)];
    let alice = || Some(alice(&kit));
    let bob = countersign_primitives::SignedIn::new("bob", kit.server.now());
    // Its own anti-forgery value for this browser, beside the other browser's request, and so on.
    let swapped = format!("/consent?interaction={}&csrf={}", page.interaction(), theirs.anti_forgery());
    for (outcome, cause) in [
        (post(&jar, &action, &[], Method::POST, alice()), "interaction.forged"),
        (post(&jar, &action, &[("origin", "https://evil.example")], Method::POST, alice()), "interaction.forged"),
        (post(&jar, &action, &[("origin", "null")], Method::POST, alice()), "interaction.forged"),
        (post(&jar, &action, &[("sec-fetch-site", "cross-site")], Method::POST, alice()), "interaction.forged"),
        (post(&jar, &action, &own, Method::GET, alice()), "interaction.forged"),
        (post(&other, &action, &own, Method::POST, alice()), "interaction.forged"),
        (post(&Jar::default(), &action, &own, Method::POST, alice()), "interaction.forged"),
        (post(&jar, &action, &own, Method::POST, Some(bob)), "interaction.forged"),
        (post(&jar, &action, &own, Method::POST, None), "interaction.forged"),
        (post(&jar, &swapped, &own, Method::POST, alice()), "interaction.forged"),
        (post(&jar, &theirs.action("/consent"), &own, Method::POST, alice()), "interaction.forged"),
        (post(&jar, &action.replace("csrf=", "csrf=A"), &own, Method::POST, alice()), "interaction.forged"),
        (post(&jar, "/consent", &own, Method::POST, alice()), "interaction.unknown"),
        (post(&jar, "/consent?interaction=x&csrf=y", &own, Method::POST, alice()), "interaction.unknown"),
    ] {
        assert_eq!(shown(outcome), cause);
    }
    assert!(redirect(post(&jar, &action, &own, Method::POST, alice())).get("code").is_some());
}

#[test]
fn rfc6749_10_12_a_request_that_waits_belongs_to_one_browser() {
    let kit = Kit::new();
    let (mut jar, mut other) = (Jar::default(), Jar::default());
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("app", "read"), None) else { panic!() };
    kit.authorize(&mut other, &authorization("app", "read"), None);
    for foreign in [&mut other, &mut Jar::default()] {
        assert_eq!(shown(kit.come_back(foreign, ask.return_to(), Some(alice(&kit)))), "interaction.unknown");
    }
    assert_eq!(shown(kit.come_back(&mut jar, "/authorize?interaction=x", Some(alice(&kit)))), "interaction.unknown");
    let answer = redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit))));
    kit.redeem("app", answer.must("code")).ok();
}

#[test]
fn rfc6749_10_12_a_request_that_waits_ends_after_15_minutes() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("app", "read"), None) else { panic!() };
    kit.advance(15 * 60);
    assert_eq!(shown(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))), "interaction.unknown");
}

#[test]
fn rfc6749_10_12_a_reload_yields_the_same_code_for_a_minute_and_none_after_redemption() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("app", "read"), None) else { panic!() };
    let mut again = |who| kit.come_back(&mut jar, ask.return_to(), who);
    let code = redirect(again(Some(alice(&kit)))).must("code").to_owned();
    kit.advance(30);
    assert_eq!(redirect(again(Some(alice(&kit)))).must("code"), code);
    // Not for another user, and not for nobody.
    let bob = countersign_primitives::SignedIn::new("bob", kit.server.now());
    assert_eq!(shown(again(Some(bob))), "interaction.done");
    assert_eq!(shown(again(None)), "interaction.done");
    let tokens = kit.redeem("app", &code).ok();
    assert_eq!(shown(again(Some(alice(&kit)))), "interaction.done");
    kit.is_alive("app", &tokens);
}

#[test]
fn rfc6749_10_12_a_reload_makes_no_code_live_longer() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("app", "read"), None) else { panic!() };
    let code = redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))).must("code").to_owned();
    kit.advance(60);
    assert_eq!(shown(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))), "interaction.done");
    kit.redeem("app", &code).is_error(400, "invalid_grant");
}

#[test]
fn rfc6749_10_12_a_reload_yields_a_code_for_a_minute_however_long_codes_live() {
    let mut preset = Preset::oauth21();
    preset.lifetimes.code = Duration::from_secs(600);
    let kit = Kit::with(|builder| builder.preset(preset));
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("app", "read"), None) else { panic!() };
    let code = redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))).must("code").to_owned();
    kit.advance(60);
    assert_eq!(redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))).must("code"), code);
    kit.advance(1);
    assert_eq!(shown(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))), "interaction.done");
    kit.redeem("app", &code).ok();
}

#[test]
fn rfc6749_10_12_a_reload_of_an_older_code_does_not_bring_it_back() {
    let mut preset = Preset::oauth21();
    preset.lifetimes.code = Duration::from_secs(10);
    let kit = Kit::with(|builder| builder.preset(preset));
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("app", "read"), None) else { panic!() };
    let code = redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))).must("code").to_owned();
    kit.advance(20);
    assert_eq!(shown(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))), "interaction.done");
    kit.redeem("app", &code).is_error(400, "invalid_grant");
}

#[test]
fn rfc6749_10_12_two_tabs_that_decide_at_once_get_one_code() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("app", "read"), None) else { panic!() };
    let codes = race(16, |_| {
        let (kit, mut jar, to) = (kit.clone(), jar.clone(), ask.return_to().to_owned());
        async move { redirect(kit.come_back(&mut jar, &to, Some(alice(&kit)))).must("code").to_owned() }
    });
    assert!(codes.iter().all(|code| *code == codes[0]));
    kit.redeem("app", &codes[0]).ok();
}

#[test]
fn rfc6749_10_12_of_21_requests_that_wait_in_one_browser_the_oldest_gives_way() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let asks: Vec<_> = (0..21)
        .map(|_| match kit.authorize(&mut jar, &authorization("app", "read"), None) {
            Outcome::NeedsLogin(ask) => ask,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown(kit.come_back(&mut jar, asks[0].return_to(), Some(alice(&kit)))), "interaction.unknown");
    for ask in &asks[1..] {
        assert!(redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))).get("code").is_some());
    }
}

#[test]
fn rfc6749_10_12_a_reload_yields_nothing_to_somebody_who_would_not_get_it_now() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("app", "pay"), None) else { panic!() };
    let code = redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice_mfa(&kit)))).must("code").to_owned();
    assert_eq!(shown(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))), "interaction.done");
    assert_eq!(redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice_mfa(&kit)))).must("code"), code);
}

#[test]
fn rfc6749_4_1_2_1_a_login_that_came_to_nothing_is_told_to_the_client() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let form = authorization("app", "read").with("response_mode", "fragment");
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &form, None) else { panic!() };
    let decline = |jar: &Jar, cause: Cause| {
        let (parts, ()) = jar.request(Method::POST, "/").body(()).unwrap().into_parts();
        let mut browser = block_on(kit.server.browser(&parts)).unwrap();
        block_on(kit.server.decline(&mut browser, ask.interaction(), cause.into()))
    };
    assert_eq!(shown(decline(&Jar::default(), Cause::Unmet)), "interaction.unknown");
    let answer = redirect(decline(&jar, Cause::Unmet));
    let told = (answer.by, answer.must("error"), answer.must("state"), answer.must("iss"));
    assert_eq!(told, ('#', "unmet_authentication_requirements", "af0ifjsldkj", ISSUER));
}

#[test]
fn rfc6749_appendix_b_what_cannot_be_read_is_told_to_the_user_alone() {
    let kit = Kit::new();
    let form = authorization("app", "read").encode();
    for broken in ["x=%ff", "x=%00", "x=%", "x=%C3", "%00=x", "state=%1b", "redirect_uri=%zz"] {
        let request = request(Method::GET, &format!("/authorize?{form}&{broken}"));
        let outcome = block_on(kit.server.authorize(request.body(bytes::Bytes::new()).unwrap(), Some(alice(&kit))));
        assert_eq!(shown(outcome), "request.malformed", "{broken}");
    }
}

/// The user's answer on the host's consent page.
pub(crate) fn post_consent(
    kit: &Kit,
    jar: &Jar,
    action: &str,
    who: Option<countersign_primitives::SignedIn>,
    consent: Consent,
) -> Outcome {
    let (parts, ()) = jar.request(Method::POST, action).header("origin", ISSUER).body(()).unwrap().into_parts();
    block_on(kit.server.consent(&parts, who, consent))
}
