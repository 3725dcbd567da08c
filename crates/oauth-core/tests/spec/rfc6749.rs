//! RFC 6749 at the token endpoint: client authentication, the code, the refresh token, errors.

use std::future::{Future as _, poll_fn};
use std::task::Poll;

use countersign_events::EventKind;
use countersign_oauth_core::{Client, ConsentRule, Preset};
use http::Method;

use crate::kit::*;

#[test]
fn rfc6749_2_3_two_client_authentications_at_once_are_refused() {
    let kit = Kit::new();
    let form = redemption("web", &kit.code("web", "read"));
    let both = form.clone().with("client_secret", SECRET).with("client_id", "web");
    kit.post_token(&both.encode(), &[basic("web", SECRET)]).is_error(400, "invalid_request");
    assert_eq!(kit.cause(), "client.two_methods");
    kit.post_token(&form.encode(), &[basic("web", SECRET), basic("web", SECRET)]).is_error(400, "invalid_request");
    let mismatch = form.clone().with("client_id", "app");
    kit.post_token(&mismatch.encode(), &[basic("web", SECRET)]).is_error(400, "invalid_request");
    kit.token("web", &form).ok();
}

#[test]
fn rfc6749_2_3_1_basic_credentials_are_form_decoded() {
    let id = "a b:c+d";
    let secret = "5f0c:9a1e+7d3b%48a6 b2c4d6e8f0a1b3c5";
    let client =
        Client::confidential(id, secret).redirect_uri("https://x.example.com/cb").consent(ConsentRule::Implied);
    let kit = Kit::with(|builder| builder.client(client));
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let ask = authorization(id, "read").with("redirect_uri", "https://x.example.com/cb");
    let code = kit.code_for(&ask, alice(&kit));
    let form = redemption(id, &code).with("redirect_uri", "https://x.example.com/cb").encode();
    kit.post_token(&form, &[basic(id, secret)]).is_error(401, "invalid_client");
    kit.post_token(&form, &[basic(&encoded(id), &encoded(secret))]).ok();
}

#[test]
fn rfc6749_2_3_1_basic_credentials_are_read_strictly() {
    let kit = Kit::new();
    let form = redemption("web", &kit.code("web", "read")).encode();
    let raw = |text: &str| [("authorization", text.to_owned())];
    for broken in [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic d2Vi",
        "Basic d2ViOjVmMGM5YTFlN2QzYjQ4YTZiMmM0ZDZlOGYwYTFiM2M1=",
        "Basic d2ViOi\nVm",
        "Basic /zo=",
        "Digest d2ViOjVm",
        "d2ViOjVm",
    ] {
        if http::HeaderValue::from_str(broken).is_err() {
            continue;
        }
        let answer = kit.post_token(&form, &raw(broken));
        answer.is_error(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"token endpoint\"", "{broken}");
    }
    for (user, secret) in [("web", "%zz"), ("web", "%ff"), ("we%00b", SECRET), ("web", ""), ("", SECRET)] {
        kit.post_token(&form, &[basic(user, secret)]).is_error(401, "invalid_client");
    }
    kit.post_token(&form, &[("authorization", basic("web", SECRET).1.replace("Basic", "bAsIc"))]).ok();
}

#[test]
fn rfc6749_2_3_1_a_client_uses_the_method_it_is_registered_for() {
    let kit = Kit::new();
    for (client, form, headers) in [
        ("web", Form::new().with("client_id", "web").with("client_secret", SECRET), vec![]),
        ("web", Form::new().with("client_id", "web"), vec![]),
        ("post", Form::new(), vec![basic("post", SECRET)]),
        ("app", Form::new().with("client_id", "app").with("client_secret", SECRET), vec![]),
        ("app", Form::new(), vec![basic("app", SECRET)]),
        ("web", Form::new().with("client_id", "web").with("client_assertion", "x"), vec![]),
        ("web", Form::new(), vec![]),
        ("web", Form::new().with("client_secret", SECRET), vec![]),
    ] {
        let code = kit.code(client, "read");
        let form = format!("{}&{}", redemption(client, &code).encode(), form.encode());
        kit.post_token(&form, &headers).is_error(401, "invalid_client");
        kit.redeem(client, &code).ok();
    }
}

#[test]
fn rfc6749_2_3_1_credentials_in_the_query_are_not_read() {
    let kit = Kit::new();
    let form = redemption("post", &kit.code("post", "read"));
    let path = format!("/oauth/token?client_id=post&client_secret={SECRET}&{}", form.encode());
    let request = request(Method::POST, &path).header("content-type", "application/x-www-form-urlencoded");
    kit.handle(request.body(form.encode().into()).unwrap()).is_error(401, "invalid_client");
    kit.token("post", &form).ok();
}

#[test]
fn rfc6749_2_3_1_a_wrong_secret_and_an_unknown_client_get_one_answer() {
    let kit = Kit::new();
    let form = redemption("web", "cs_code_x").encode();
    let wrong = kit.post_token(&form, &[basic("web", "5f0c9a1e7d3b48a6b2c4d6e8f0a1b3c6")]);
    assert_eq!(kit.cause(), "client.wrong_secret");
    let unknown = kit.post_token(&form, &[basic("nobody", SECRET)]);
    assert_eq!(kit.cause(), "client.unknown");
    assert_eq!((wrong.status, &wrong.body, &wrong.headers), (unknown.status, &unknown.body, &unknown.headers));
    assert_eq!(kit.events(EventKind::ClientRefused).len(), 2);
}

#[test]
fn rfc6749_3_2_only_a_form_in_a_post_is_read() {
    let kit = Kit::new();
    let form = redemption("app", &kit.code("app", "read")).with("client_id", "app").encode();
    let post = |content_type: Option<&str>| {
        let mut request = request(Method::POST, "/oauth/token");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        kit.handle(request.body(form.clone().into()).unwrap())
    };
    for wrong in [None, Some("text/json"), Some("text/plain"), Some("multipart/form-data; boundary=x"), Some("")] {
        post(wrong).is_error(400, "invalid_request");
        assert_eq!(kit.cause(), "request.content_type", "{wrong:?}");
    }
    post(Some("application/json")).is_error(400, "invalid_request");
    assert_eq!(kit.cause(), "request.malformed", "a form is no JSON");
    let by_get = kit.get(&format!("/oauth/token?{form}"));
    by_get.is_error(405, "invalid_request");
    assert_eq!(by_get.header("allow"), "POST");
    post(Some("Application/X-WWW-Form-Urlencoded; charset=UTF-8")).ok();
}

#[test]
fn rfc6749_3_2_a_repeated_parameter_is_refused() {
    let kit = Kit::new();
    let form = redemption("app", &kit.code("app", "read"));
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", "x"),
        ("redirect_uri", "https://app.example.com/cb"),
        ("code_verifier", VERIFIER),
        ("anything", "a"),
        ("anything", ""),
    ] {
        let twice = form.clone().with("anything", "a").with("client_id", "app").also(name, value);
        kit.post_token(&twice.encode(), &[]).is_error(400, "invalid_request");
        assert_eq!(kit.cause(), "request.repeated_parameter", "{name}");
    }
    kit.token("app", &form).ok();
}

#[test]
fn rfc6749_4_1_2_a_code_lives_for_a_minute() {
    let kit = Kit::new();
    let (early, late) = (kit.code("app", "read"), kit.code("app", "read"));
    kit.advance(59);
    kit.redeem("app", &early).ok();
    kit.advance(1);
    kit.redeem("app", &late).is_error(400, "invalid_grant");
}

#[test]
fn rfc6749_4_1_2_a_code_that_comes_again_ends_its_grant() {
    let kit = Kit::new();
    let (code, other) = (kit.code("app", "read"), kit.tokens("app", "read"));
    let tokens = kit.redeem("app", &code).ok();
    kit.access_own(&tokens);
    kit.redeem("app", &code).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "code.reused");
    assert_eq!(kit.events(EventKind::CodeReused).len(), 1);
    kit.is_dead("app", &tokens);
    kit.is_alive("app", &other);
    // For ever: also after the first ending.
    kit.redeem("app", &code).is_error(400, "invalid_grant");
}

#[test]
fn rfc6749_4_1_2_of_64_redemptions_of_one_code_one_wins_and_the_grant_ends() {
    for _ in 0..4 {
        let kit = Kit::new();
        let (code, other) = (kit.code("app", "openid offline_access"), kit.tokens("app", "openid offline_access"));
        let answers = race(64, |_| {
            let (kit, code) = (kit.clone(), code.clone());
            async move { kit.redeem("app", &code) }
        });
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1);
        lost.iter().for_each(|answer| answer.is_error(400, "invalid_grant"));
        kit.is_dead("app", &won[0]);
        kit.is_alive("app", &other);
    }
}

#[test]
fn rfc6749_4_1_2_the_grant_ends_even_if_both_redemptions_read_the_code_before_either_spent_it() {
    let kit = Kit::new();
    let code = kit.code("app", "openid offline_access");
    let body = redemption("app", &code).with("client_id", "app").encode();
    // On one thread, each call of the store gives way to the other request.
    kit.script.delay(1);
    let mut racing = [0, 1].map(|_| Some(Box::pin(kit.server.handle(token_request(&body, &[])))));
    let mut answers = Vec::new();
    block_on(poll_fn(|context| {
        for racer in &mut racing {
            let ready = racer.as_mut().map(|racer| racer.as_mut().poll(context));
            if let Some(Poll::Ready(response)) = ready {
                answers.push(Answer::of(response));
                *racer = None;
            }
        }
        if answers.len() == 2 { Poll::Ready(()) } else { Poll::Pending }
    }));
    drop(racing);
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 1));
    lost[0].is_error(400, "invalid_grant");
    assert_eq!(kit.events(EventKind::CodeReused).len(), 1);
    kit.is_dead("app", &won[0]);
}

#[test]
fn rfc6749_4_1_2_a_spent_code_ends_nothing_in_a_request_that_is_invalid_otherwise() {
    let kit = Kit::with(|builder| builder.preset(Preset::oidc()));
    let code = kit.code("web", "read");
    let tokens = kit.redeem("web", &code).ok();
    let form = redemption("web", &code);
    let (verifier, _) = pkce();
    for (client, form, cause) in [
        ("post", redemption("post", &code), "code.foreign_client"),
        ("app", redemption("app", &code), "code.foreign_client"),
        ("web", form.clone().with("code_verifier", &verifier), "code.verifier"),
        ("web", form.clone().without("code_verifier"), "code.verifier"),
        ("web", form.clone().with("redirect_uri", "https://web.example.com/cb"), "code.redirect_uri"),
        ("web", form.clone().without("redirect_uri"), "code.redirect_uri"),
        ("web", form.clone().with("code", &forged(&code)), "code.malformed"),
    ] {
        kit.token(client, &form).is_error(400, "invalid_grant");
        assert_eq!(kit.cause(), cause);
    }
    kit.post_token(&form.encode(), &[basic("web", "wrong")]).is_error(401, "invalid_client");
    assert!(kit.events(EventKind::GrantEnded).is_empty());
    kit.is_alive("web", &tokens);
}

#[test]
fn rfc6749_4_1_3_a_code_is_for_the_client_that_it_was_issued_to() {
    let kit = Kit::new();
    let code = kit.code("app", "read");
    for client in ["shop", "web", "post"] {
        kit.token(client, &redemption("app", &code)).is_error(400, "invalid_grant");
        assert_eq!(kit.cause(), "code.foreign_client");
    }
    // None of them spent it.
    kit.redeem("app", &code).ok();
}

#[test]
fn rfc6749_4_1_3_the_redirect_uri_is_repeated_where_it_was_sent() {
    let kit = Kit::with(|builder| builder.preset(Preset::oidc()));
    let form = redemption("web", &kit.code("web", "read"));
    for wrong in ["https://web.example.com/cb", "https://web.example.com/cb?a=b&", "https://WEB.example.com/cb?a=b"] {
        kit.token("web", &form.clone().with("redirect_uri", wrong)).is_error(400, "invalid_grant");
    }
    kit.token("web", &form.clone().without("redirect_uri")).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "code.redirect_uri");
    kit.token("web", &form).ok();
    // One that was not sent need not be repeated.
    let code = kit.code_for(&authorization("web", "read").without("redirect_uri"), alice(&kit));
    kit.token("web", &redemption("web", &code).without("redirect_uri")).ok();
}

#[test]
fn oauth21_4_1_3_the_redirect_uri_may_be_left_out_and_is_compared_when_sent() {
    let kit = Kit::new();
    let form = redemption("app", &kit.code("app", "read"));
    kit.token("app", &form.clone().with("redirect_uri", "https://app.example.com/cb2")).is_error(400, "invalid_grant");
    kit.token("app", &form.without("redirect_uri")).ok();
}

#[test]
fn rfc6749_4_1_3_what_is_no_code_of_ours_is_invalid_grant() {
    let kit = Kit::new();
    let code = kit.code("app", "read");
    let refresh = kit.tokens("app", "read").text("refresh_token").to_owned();
    for other in ["x", "cs_code_", "cs_code_AAAA", &code[1..], &format!("{code}A"), &forged(&code), &refresh] {
        kit.redeem("app", other).is_error(400, "invalid_grant");
    }
    kit.token("app", &redemption("app", &code).without("code")).is_error(400, "invalid_request");
    kit.token("app", &redemption("app", &code).with("code", "")).is_error(400, "invalid_request");
    kit.redeem("app", &code).ok();
}

#[test]
fn rfc6749_5_1_the_answer_is_complete_and_never_stored() {
    let kit = Kit::new();
    let answer = kit.tokens("app", "read");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(
        (answer.text("token_type"), &answer.json["expires_in"], answer.text("scope")),
        ("Bearer", &900.into(), "read")
    );
    let members: Vec<_> = answer.json.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "expires_in", "refresh_token", "scope", "token_type"]);
}

#[test]
fn rfc6749_5_1_a_scope_that_would_be_empty_is_left_out() {
    let kit = Kit::new();
    let code = kit.code_for(&authorization("app", "").without("scope"), alice(&kit));
    assert!(kit.redeem("app", &code).ok().json.get("scope").is_none());
}

#[test]
fn rfc6749_5_2_each_error_has_its_code() {
    let only_code = Client::public("lean").redirect_uri("https://lean.example.com/cb").consent(ConsentRule::Implied);
    let kit = Kit::with(|builder| builder.client(only_code.grant_types(["authorization_code"])));
    let grant = |grant_type: &str| Form::new().with("grant_type", grant_type);
    kit.token("app", &Form::new()).is_error(400, "invalid_request");
    assert_eq!(kit.cause(), "token.missing_grant_type");
    kit.token("app", &grant("password")).is_error(400, "unsupported_grant_type");
    kit.token("app", &grant("password")).is_error(400, "unsupported_grant_type");
    kit.token("lean", &grant("refresh_token")).is_error(400, "unauthorized_client");
    kit.token("app", &grant("refresh_token")).is_error(400, "invalid_request");
    kit.token("nobody", &grant("refresh_token")).is_error(401, "invalid_client");
    let refused = kit.token("app", &grant("password"));
    assert_eq!((refused.header("cache-control"), refused.header("pragma")), ("no-store", "no-cache"));
    // A client without the refresh token grant gets no refresh token.
    assert!(kit.tokens("lean", "read").json.get("refresh_token").is_none());
}

#[test]
fn rfc6749_5_2_invalid_client_names_the_scheme() {
    let kit = Kit::new();
    for headers in [vec![basic("web", "wrong")], vec![]] {
        let answer = kit.post_token("grant_type=refresh_token&refresh_token=x", &headers);
        answer.is_error(401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
    }
}

#[test]
fn rfc6749_6_a_refresh_may_ask_for_less_and_never_for_more() {
    let kit = Kit::new();
    let tokens = kit.tokens("app", "read write");
    let ask = |scope: &str, token: &str| {
        let form = Form::new().with("grant_type", "refresh_token").with("refresh_token", token);
        kit.token("app", &form.with("scope", scope))
    };
    let token = tokens.text("refresh_token");
    for wider in ["read pay", "inner", "nonsense", "read  write", "\"", "READ"] {
        ask(wider, token).is_error(400, "invalid_scope");
    }
    let less = ask("write", token).ok();
    assert_eq!((less.text("scope"), less.claims()["scope"].as_str()), ("write", Some("write")));
    // The grant itself is as wide as before.
    assert_eq!(kit.refresh("app", less.text("refresh_token")).ok().text("scope"), "read write");
}

#[test]
fn rfc6749_6_a_refresh_token_is_for_the_client_that_it_was_issued_to() {
    let kit = Kit::new();
    let tokens = kit.tokens("app", "read");
    for client in ["shop", "web", "post"] {
        kit.refresh(client, tokens.text("refresh_token")).is_error(400, "invalid_grant");
        assert_eq!(kit.cause(), "refresh_token.foreign_client");
    }
    kit.is_alive("app", &tokens);
}

#[test]
fn rfc6749_6_a_refresh_token_that_is_not_used_ends_after_30_days() {
    let kit = Kit::new();
    let tokens = kit.tokens("app", "read");
    kit.advance(30 * 86_400 - 1);
    let tokens = kit.refresh("app", tokens.text("refresh_token")).ok();
    kit.advance(30 * 86_400);
    kit.refresh("app", tokens.text("refresh_token")).is_error(400, "invalid_grant");
}

#[test]
fn rfc6749_6_a_refresh_token_ends_after_180_days_however_often_it_is_used() {
    for client in ["app", "web"] {
        let kit = Kit::new();
        let mut tokens = kit.tokens(client, "read");
        for _ in 0..179 {
            kit.advance(86_400);
            tokens = kit.refresh(client, tokens.text("refresh_token")).ok();
        }
        kit.advance(86_400 - 600);
        tokens = kit.refresh(client, tokens.text("refresh_token")).ok();
        kit.advance(600);
        kit.refresh(client, tokens.text("refresh_token")).is_error(400, "invalid_grant");
        // The access token lives on for its quarter of an hour.
        kit.access_own(&tokens);
    }
}

#[test]
fn rfc6749_10_12_the_token_endpoint_reads_no_cookie() {
    let kit = Kit::new();
    let form = redemption("app", &kit.code("app", "read")).with("client_id", "app").encode();
    let answer = kit.post_token(&form, &[("cookie", "__Host-countersign-00000000=x".to_owned())]).ok();
    assert_eq!(answer.header("set-cookie"), "");
}

#[test]
fn rfc6749_appendix_b_what_is_no_form_is_refused() {
    let kit = Kit::new();
    for body in [&b"grant_type=%ff"[..], b"grant_type=\xff\xfe", b"a=%", b"a=%4", b"a=b%00c", b"\0=1", b"a=\x1b[2J"] {
        let request = request(Method::POST, "/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        kit.handle(request.body(bytes::Bytes::copy_from_slice(body)).unwrap()).is_error(400, "invalid_request");
        assert_eq!(kit.cause(), "request.malformed");
    }
}
