//! OpenID Connect RP-Initiated Logout 1.0, as a host with sessions of its own calls it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign_oauth_core::Server;
use countersign_oidc::{Logout, LogoutAsk, Oidc, SignedOut, end_session};
use countersign_primitives::{Clock, SignedIn, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::MasterKey;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::kit::{ISSUER, Kit, SIGNED_OUT, wait};

const OPENID: &str = "scope=openid";

pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn get(kit: &Kit, pairs: &[(&str, &str)], who: Option<SignedIn>) -> Logout {
    open(kit, &format!("/logout?{}", encode(pairs)), who)
}

fn open(kit: &Kit, path: &str, who: Option<SignedIn>) -> Logout {
    let request = Request::get(format!("{ISSUER}{path}")).body(Bytes::new()).unwrap();
    wait(end_session(&kit.server, request, who))
}

fn post(kit: &Kit, path: &str, pairs: &[(&str, &str)], origin: Option<&str>, who: Option<SignedIn>) -> Logout {
    let mut request =
        Request::post(format!("{ISSUER}{path}")).header("content-type", "application/x-www-form-urlencoded");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    wait(end_session(&kit.server, request.body(encode(pairs).into()).unwrap(), who))
}

/// Presses a button of the page that a host shows.
fn press(kit: &Kit, ask: &LogoutAsk, decision: &str, who: Option<SignedIn>) -> Logout {
    post(kit, &ask.action("/logout"), &[("decision", decision)], Some(ISSUER), who)
}

#[track_caller]
fn asked(logout: Logout) -> LogoutAsk {
    match logout {
        Logout::NeedsConfirmation(ask) => *ask,
        other => panic!("nobody was asked: {other:?}"),
    }
}

#[track_caller]
fn signed_out(logout: Logout) -> SignedOut {
    match logout {
        Logout::SignedOut(done) => done,
        other => panic!("not signed out: {other:?}"),
    }
}

#[track_caller]
fn refused(logout: Logout) -> &'static str {
    match logout {
        Logout::Refused(refusal) => {
            assert_eq!(refusal.page("").headers().get("location"), None);
            refusal.cause_id()
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn id_token(kit: &Kit, who: SignedIn) -> String {
    kit.tokens(OPENID, who)["id_token"].as_str().unwrap().to_owned()
}

/// Whether refresh tokens of the session still work.
fn session_lives(kit: &Kit, tokens: &Value) -> bool {
    kit.get("/userinfo", tokens["access_token"].as_str()).status() == StatusCode::OK
}

#[test]
fn oidc_rp_initiated_logout_2_a_hint_of_this_very_session_signs_out_and_goes_back_with_state() {
    for method in [Method::GET, Method::POST] {
        let kit = Kit::new();
        let tokens = kit.tokens(OPENID, kit.alice());
        let hint = tokens["id_token"].as_str().unwrap();
        let state = "a b&c=d\u{e9}";
        let pairs = [("id_token_hint", hint), ("post_logout_redirect_uri", SIGNED_OUT), ("state", state)];
        assert!(session_lives(&kit, &tokens));
        let logout = match method {
            Method::GET => get(&kit, &pairs, Some(kit.alice())),
            _ => post(&kit, "/logout", &pairs, Some("https://rp.example"), Some(kit.alice())),
        };
        let done = signed_out(logout);
        let expected = format!("{SIGNED_OUT}&{}", encode(&[("state", state)]));
        assert_eq!((done.redirect_to(), done.return_to()), (Some(expected.as_str()), None));
        let reply = done.reply("");
        assert_eq!(
            (reply.status(), reply.headers()["location"].to_str().unwrap()),
            (StatusCode::SEE_OTHER, &*expected)
        );
        assert!(!session_lives(&kit, &tokens), "what hung on the session has ended");
    }
}

#[test]
fn oidc_rp_initiated_logout_2_without_a_hint_the_user_is_asked_and_yes_signs_out() {
    let kit = Kit::new();
    let tokens = kit.tokens(OPENID, kit.alice());
    let pairs = [
        ("client_id", "shop"),
        ("post_logout_redirect_uri", SIGNED_OUT),
        ("state", "s1"),
        ("ui_locales", "de-CH de"),
        ("logout_hint", "alice@example.com"),
        ("unheard_of", "x"),
    ];
    let ask = asked(get(&kit, &pairs, Some(kit.alice())));
    assert_eq!((ask.client().unwrap().id(), ask.who().subject().as_str()), ("shop", "u-1"));
    assert_eq!(ask.ui_locales(), Some("de-CH de"));
    assert!(session_lives(&kit, &tokens), "a question ends nothing");
    let page = ask.page("<form>");
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    assert_eq!(page.headers()["cache-control"], "no-store");

    let Logout::Stayed(stayed) = press(&kit, &ask, "stay", Some(kit.alice())) else { panic!() };
    assert_eq!((stayed.client().unwrap().id(), stayed.page("").headers().get("location")), ("shop", None));
    assert!(session_lives(&kit, &tokens));

    let done = signed_out(press(&kit, &ask, "sign_out", Some(kit.alice())));
    assert_eq!(done.redirect_to(), Some("https://rp.example/out?a=b&state=s1"));
    assert!(!session_lives(&kit, &tokens));
    // The button was pressed twice.
    assert!(signed_out(press(&kit, &ask, "sign_out", None)).redirect_to().is_some());
}

#[test]
fn oidc_rp_initiated_logout_2_a_user_who_opens_it_himself_is_asked_and_shown_a_page() {
    let kit = Kit::new();
    for pairs in [&[][..], &[("state", "s1")], &[("ui_locales", "fr")]] {
        let ask = asked(get(&kit, pairs, Some(kit.alice())));
        assert!(ask.client().is_none());
        let done = signed_out(press(&kit, &ask, "sign_out", Some(kit.alice())));
        assert_eq!((done.redirect_to(), done.return_to()), (None, None));
        assert_eq!(done.reply("<h1>").status(), StatusCode::OK);
    }
    // Nobody is signed in: there is nothing to ask.
    assert_eq!(signed_out(get(&kit, &[], None)).redirect_to(), None);
}

#[test]
fn oidc_rp_initiated_logout_2_a_hint_of_another_session_or_user_signs_out_nobody_unasked() {
    let kit = Kit::new();
    let mine = kit.tokens(OPENID, kit.alice());
    let of = |who: SignedIn| id_token(&kit, who);
    let bob = || SignedIn::new("u-2", kit.clock.now()).session("sid-9");
    for (what, hint) in [
        ("the same user elsewhere", of(kit.alice().session("sid-2"))),
        ("another user", of(bob())),
        ("another user with this session's id", of(bob().session("sid-1"))),
        ("no session", of(SignedIn::new("u-1", kit.clock.now()))),
    ] {
        let pairs = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", SIGNED_OUT)];
        let ask = asked(get(&kit, &pairs, Some(kit.alice())));
        assert_eq!(ask.who().subject().as_str(), "u-1", "{what}");
        assert!(session_lives(&kit, &mine), "{what}");
    }
    // A host whose sessions have no ids: it cannot be told that the token is of this one.
    let nameless = SignedIn::new("u-1", kit.clock.now());
    let hint = of(nameless.clone());
    asked(get(&kit, &[("id_token_hint", &hint)], Some(nameless)));
}

#[test]
fn oidc_rp_initiated_logout_2_attack_39_an_expired_hint_is_accepted() {
    let kit = Kit::new();
    let hint = id_token(&kit, kit.alice());
    let since = kit.alice();
    kit.advance(13 * 86_400);
    let pairs = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", SIGNED_OUT)];
    assert_eq!(signed_out(get(&kit, &pairs, Some(since))).redirect_to(), Some(SIGNED_OUT));
    // The session is gone already, and the client still gets its browser back.
    assert_eq!(signed_out(get(&kit, &pairs, None)).redirect_to(), Some(SIGNED_OUT));
}

#[test]
fn oidc_rp_initiated_logout_2_attack_39_a_hint_of_a_key_that_has_left_the_published_set_is_accepted() {
    let kit = Kit::new();
    let hint = id_token(&kit, kit.alice());
    let since = kit.alice();
    let kid = crate::kit::header(&json!(hint))["kid"].as_str().unwrap().to_owned();
    wait(kit.server.keys().rotate()).unwrap();
    kit.advance(3 * 86_400);
    wait(kit.server.work(kit.clock.now())).unwrap();
    let published = crate::kit::json(&kit.get("/.well-known/jwks.json", None)).to_string();
    assert!(!published.contains(&kid), "{published}");
    let pairs = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", SIGNED_OUT)];
    assert_eq!(signed_out(get(&kit, &pairs, Some(since.clone()))).redirect_to(), Some(SIGNED_OUT));
    // One that was revoked in an emergency vouches for nothing.
    wait(kit.server.keys().revoke(&kid)).unwrap();
    assert_eq!(refused(get(&kit, &pairs, Some(since))), "oidc.logout_hint");
}

/// A token with other claims, or another header, under the signature of the first.
fn altered(token: &str, part: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&parts[part]).unwrap()).unwrap();
    change(&mut value);
    parts[part] = URL_SAFE_NO_PAD.encode(value.to_string());
    parts.join(".")
}

#[test]
fn oidc_rp_initiated_logout_2_attack_39_a_hint_that_is_not_ours_ends_nothing_and_leads_nowhere() {
    let kit = Kit::new();
    let tokens = kit.tokens(OPENID, kit.alice());
    let hint = tokens["id_token"].as_str().unwrap();
    let unsigned = altered(hint, 0, |header| header["alg"] = json!("none"));
    let bare = unsigned.rsplit_once('.').unwrap().0.to_owned();
    // The same key and claims, by an issuer of the same process and master key.
    let neighbour = {
        let server = Server::builder("https://other.example.com", MemoryStore::new(), MasterKey::from_bytes([7; 32]))
            .extension(Oidc::new())
            .client(countersign_oauth_core::Client::public("shop").redirect_uri("https://rp.example/cb"));
        wait(server.build()).unwrap()
    };
    let claims = json!({"iss": "https://other.example.com", "sub": "u-1", "aud": "shop", "sid": "sid-1", "exp": 4_000_000_000_u64});
    let foreign = wait(neighbour.sign("JWT", &claims)).unwrap();
    let of_ours = |claims: Value| wait(kit.server.sign("JWT", &claims)).unwrap();
    let access =
        wait(kit.server.sign("at+jwt", &json!({"iss": ISSUER, "sub": "u-1", "aud": "shop", "sid": "sid-1"}))).unwrap();
    for (what, hint) in [
        ("another user in it", altered(hint, 1, |claims| claims["sub"] = json!("u-2"))),
        ("another algorithm", altered(hint, 0, |header| header["alg"] = json!("HS256"))),
        ("an unknown key", altered(hint, 0, |header| header["kid"] = json!("x"))),
        ("no signature", format!("{bare}.")),
        ("alg none with a signature", unsigned),
        ("two parts", bare),
        ("another issuer's key", foreign),
        (
            "another issuer in it",
            of_ours(json!({"iss": "https://other.example.com", "sub": "u-1", "aud": "shop", "sid": "sid-1"})),
        ),
        ("no issuer", of_ours(json!({"sub": "u-1", "aud": "shop", "sid": "sid-1"}))),
        ("no subject", of_ours(json!({"iss": ISSUER, "aud": "shop", "sid": "sid-1"}))),
        ("a session that is no text", of_ours(json!({"iss": ISSUER, "sub": "u-1", "aud": "shop", "sid": 7}))),
        ("an access token", tokens["access_token"].as_str().unwrap().to_owned()),
        ("an access token with a session", access),
        ("rubbish", "x".to_owned()),
        ("too long", "x".repeat(16_000)),
    ] {
        let pairs = [("id_token_hint", hint.as_str()), ("client_id", "shop"), ("post_logout_redirect_uri", SIGNED_OUT)];
        for who in [Some(kit.alice()), None] {
            assert_eq!(refused(get(&kit, &pairs, who)), "oidc.logout_hint", "{what}");
        }
    }
    assert!(session_lives(&kit, &tokens));
}

#[test]
fn oidc_rp_initiated_logout_2_client_id_and_hint_agree_and_name_a_client() {
    let kit = Kit::new();
    let hint = id_token(&kit, kit.alice());
    let of_ours = |aud: Value| {
        wait(kit.server.sign("JWT", &json!({"iss": ISSUER, "sub": "u-1", "aud": aud, "sid": "sid-1"}))).unwrap()
    };
    let (two, gone, none) = (of_ours(json!(["shop", "second"])), of_ours(json!("gone")), of_ours(json!([])));
    let redirect = ("post_logout_redirect_uri", SIGNED_OUT);
    for (pairs, cause) in [
        (vec![("id_token_hint", hint.as_str()), ("client_id", "second")], "oidc.logout_hint_client"),
        (vec![("id_token_hint", &hint), ("client_id", "second"), redirect], "oidc.logout_hint_client"),
        (vec![("client_id", "nobody")], "oidc.logout_client"),
        (vec![("client_id", "nobody"), redirect], "oidc.logout_client"),
        (vec![("client_id", "sh\u{f6}p")], "oidc.logout_client"),
        (vec![("id_token_hint", &gone)], "oidc.logout_client"),
        (vec![("id_token_hint", &two)], "oidc.logout_client"),
        (vec![("id_token_hint", &none)], "oidc.logout_client"),
        (vec![redirect], "oidc.logout_redirect_uri"),
        (vec![("client_id", "shop"), ("client_id", "second")], "request.repeated_parameter"),
        (vec![("client_id", "shop"), redirect, redirect], "request.repeated_parameter"),
    ] {
        let cause_is = refused(get(&kit, &pairs, Some(kit.alice())));
        assert!(
            cause_is == cause || cause.ends_with("repeated_parameter") && cause_is.contains("repeated"),
            "{cause_is} {pairs:?}"
        );
    }
    // Named twice and alike, and a token for several of which one is named.
    let pairs = [("id_token_hint", hint.as_str()), ("client_id", "shop"), redirect];
    signed_out(get(&kit, &pairs, Some(kit.alice())));
    signed_out(get(&kit, &[("id_token_hint", &two), ("client_id", "shop")], Some(kit.alice())));
}

#[test]
fn oidc_rp_initiated_logout_3_promise_5_only_a_registered_uri_is_gone_to_to_the_byte() {
    let kit = Kit::new();
    let tokens = kit.tokens(OPENID, kit.alice());
    let hint = tokens["id_token"].as_str().unwrap();
    for unregistered in [
        "https://rp.example/out",
        "https://rp.example/out?a=b&c=d",
        "https://rp.example/out?a=b#x",
        "https://rp.example/OUT?a=b",
        "https://RP.example/out?a=b",
        "https://rp.example:443/out?a=b",
        "https://rp.example/out?a=b ",
        "https://rp.example.evil.example/out?a=b",
        "https://rp.example@evil.example/out?a=b",
        "https://evil.example/",
        "//evil.example",
        "/",
        "javascript:alert(1)",
        // Unlike a redirect URI, the port of a loopback address is fixed.
        "http://127.0.0.1:8001/out",
        "http://localhost:8000/out",
        // Where codes go is not where a sign-out goes.
        "https://rp.example/cb",
        // Another client's.
        "https://other.example/cb",
    ] {
        let pairs = [("id_token_hint", hint), ("post_logout_redirect_uri", unregistered), ("state", "s")];
        for who in [Some(kit.alice()), None] {
            assert_eq!(refused(get(&kit, &pairs, who)), "oidc.logout_redirect_uri", "{unregistered}");
        }
        let pairs = [("client_id", "shop"), ("post_logout_redirect_uri", unregistered)];
        assert_eq!(refused(get(&kit, &pairs, Some(kit.alice()))), "oidc.logout_redirect_uri", "{unregistered}");
    }
    assert!(session_lives(&kit, &tokens), "a refusal ends nothing");
    for registered in [SIGNED_OUT, "http://127.0.0.1:8000/out", "com.example.app:/out"] {
        let pairs = [("id_token_hint", hint), ("post_logout_redirect_uri", registered)];
        assert_eq!(signed_out(get(&kit, &pairs, None)).redirect_to(), Some(registered));
    }
}

#[test]
fn oidc_rp_initiated_logout_3_a_request_that_nobody_vouches_for_is_not_followed_by_itself() {
    let kit = Kit::new();
    // Nobody is signed in, nobody was asked, and any stranger can write this link.
    let done = signed_out(get(&kit, &[("client_id", "shop"), ("post_logout_redirect_uri", SIGNED_OUT)], None));
    assert_eq!((done.redirect_to(), done.return_to()), (None, Some(SIGNED_OUT)));
    assert_eq!(done.reply("<a>").status(), StatusCode::OK);
}

#[test]
fn oidc_rp_initiated_logout_2_a_post_without_cookies_ends_nothing_and_is_judged_when_the_browser_is_known() {
    let kit = Kit::new();
    let tokens = kit.tokens(OPENID, kit.alice());
    let pairs = [("client_id", "shop"), ("post_logout_redirect_uri", SIGNED_OUT), ("state", "s1")];
    let Logout::Done(reply) = post(&kit, "/logout", &pairs, Some("https://evil.example"), None) else { panic!() };
    let place = reply.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(reply.status(), StatusCode::SEE_OTHER);
    assert!(place.starts_with("/logout?request=") && !place.contains("s1"), "{place}");
    // A host that clears its cookie on `SignedOut` has not been told to.
    let ask = asked(open(&kit, &place, Some(kit.alice())));
    assert_eq!(ask.client().unwrap().id(), "shop");
    assert!(session_lives(&kit, &tokens));
    assert!(signed_out(press(&kit, &ask, "sign_out", Some(kit.alice()))).redirect_to().is_some());

    // With an ID token nobody need be asked, by this way too.
    let hint = id_token(&kit, kit.alice().session("sid-5"));
    let pairs = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", SIGNED_OUT)];
    let Logout::Done(reply) = post(&kit, "/logout", &pairs, Some("https://rp.example"), None) else { panic!() };
    let place = reply.headers()["location"].to_str().unwrap().to_owned();
    assert!(!place.contains(&hint), "the token stands in no address");
    assert_eq!(signed_out(open(&kit, &place, Some(kit.alice().session("sid-5")))).redirect_to(), Some(SIGNED_OUT));
    // It waits no longer than a login.
    let place = place.as_str();
    kit.advance(15 * 60);
    assert_eq!(refused(open(&kit, place, None)), "interaction.unknown");
    for bad in ["/logout?request=x", "/logout?request=AAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(refused(open(&kit, bad, Some(kit.alice()))), "interaction.unknown");
    }
}

#[test]
fn rfc6749_10_12_promise_11_an_answer_comes_from_our_page_for_the_user_and_the_request_that_were_asked() {
    let kit = Kit::new();
    let tokens = kit.tokens(OPENID, kit.alice());
    let ask = asked(get(&kit, &[("client_id", "shop")], Some(kit.alice())));
    let other = asked(get(&kit, &[("client_id", "shop")], Some(kit.alice())));
    let (mine, request) = (ask.anti_forgery().to_owned(), ask.request().to_string());
    let bob = || SignedIn::new("u-2", kit.clock.now()).session("sid-9");
    let theirs = asked(get(&kit, &[], Some(bob())));
    let sent = |csrf: &str, request: &str, origin: Option<&str>, who: SignedIn| {
        let pairs = [("answer", "logout"), ("csrf", csrf), ("request", request), ("decision", "sign_out")];
        post(&kit, "/logout", &pairs, origin, Some(who))
    };
    let later = SignedIn::new("u-1", UnixTime::from_secs(1_700_000_060)).session("sid-1");
    for (what, logout) in [
        ("another site", sent(&mine, &request, Some("https://evil.example"), kit.alice())),
        ("no origin", sent(&mine, &request, None, kit.alice())),
        ("an opaque origin", sent(&mine, &request, Some("null"), kit.alice())),
        ("a wrong value", sent("x", &request, Some(ISSUER), kit.alice())),
        ("the value of another request", sent(other.anti_forgery(), &request, Some(ISSUER), kit.alice())),
        ("the value of another user", sent(theirs.anti_forgery(), &request, Some(ISSUER), kit.alice())),
        (
            "another user's own value and request",
            sent(theirs.anti_forgery(), &theirs.request().to_string(), Some(ISSUER), kit.alice()),
        ),
        ("another session", sent(&mine, &request, Some(ISSUER), kit.alice().session("sid-2"))),
        ("another login", sent(&mine, &request, Some(ISSUER), later)),
        ("another user", sent(&mine, &request, Some(ISSUER), bob())),
    ] {
        assert_eq!(refused(logout), "interaction.forged", "{what}");
    }
    for (what, logout) in [
        ("no request", sent(&mine, "", Some(ISSUER), kit.alice())),
        ("a request of nobody's", sent(&mine, "AAAAAAAAAAAAAAAAAAAAAA", Some(ISSUER), kit.alice())),
    ] {
        assert_eq!(refused(logout), "interaction.unknown", "{what}");
    }
    // Without an anti-forgery value it is no answer, but a client's request, whose user is asked.
    let pairs = [("request", request.as_str()), ("decision", "sign_out")];
    asked(post(&kit, "/logout", &pairs, Some("https://evil.example"), Some(kit.alice())));
    // An answer is no GET.
    let path = format!("{}&decision=sign_out", ask.action("/logout"));
    asked(open(&kit, &path, Some(kit.alice())));
    assert!(session_lives(&kit, &tokens));
    signed_out(sent(&mine, &request, Some(ISSUER), kit.alice()));
    assert!(!session_lives(&kit, &tokens));
}

#[test]
fn promise_10_discovery_names_the_endpoint_where_somebody_answers() {
    let endpoint = |oidc: Oidc| {
        let kit = Kit::with(oidc);
        let document = crate::kit::json(&kit.get("/.well-known/openid-configuration", None));
        (document["end_session_endpoint"].clone(), kit.server.routes().iter().any(|route| route.path() == "/logout"))
    };
    let url = json!(format!("{ISSUER}/logout"));
    assert_eq!(endpoint(Oidc::new()), (Value::Null, false));
    assert_eq!(endpoint(Oidc::new().logout_by_host()), (url.clone(), false));
    assert_eq!(endpoint(Oidc::new().logout(crate::signing_out::Plain)), (url, true));
}
