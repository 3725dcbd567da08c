//! RFC 7009: revocation.

use bytes::Bytes;
use countersign_events::EventKind;
use countersign_oauth_core::{Client, ClientKeys};
use countersign_storage_traits::testkit::{Call, CommitFault};
use countersign_tokens::SigningAlgorithm;
use http::Method;
use serde_json::json;

use crate::kit::*;
use crate::rfc7523::{Signer, claims};

const PATH: &str = "/oauth/revoke";

#[test]
fn rfc7009_2_1_a_refresh_token_ends_the_grant_and_all_that_came_of_it() {
    let kit = with_services();
    for client in ["app", "web", "post", "bff"] {
        let first = kit.tokens(client, "openid read offline_access");
        let second = kit.refresh(client, first.text("refresh_token")).ok();
        let other = kit.tokens(client, "openid read offline_access");
        kit.revoked(client, second.text("refresh_token"));
        for tokens in [&first, &second] {
            kit.is_dead(client, tokens);
            kit.is_inactive("orders", tokens.text("access_token"));
        }
        // What else the user gave the client stays.
        assert!(kit.access(other.text("access_token")).is_ok());
        kit.refresh(client, other.text("refresh_token")).ok();
        let ended = kit.events(EventKind::GrantEnded).pop().unwrap();
        assert_eq!((ended.client_id(), ended.subject().unwrap().as_str()), (Some(client), "alice"));
    }
}

#[test]
fn rfc7009_2_1_an_access_token_goes_alone_and_at_once() {
    let kit = with_services();
    for client in ["app", "bff", "web"] {
        let first = kit.tokens(client, "openid read offline_access");
        let second = kit.refresh(client, first.text("refresh_token")).ok();
        kit.is_active("orders", first.text("access_token"));
        kit.revoked(client, first.text("access_token"));
        // Dead here and to whoever asks, that moment.
        assert_eq!(kit.access(first.text("access_token")).unwrap_err().cause_id(), "bearer.invalid");
        kit.is_inactive("orders", first.text("access_token"));
        // Its siblings live, and the grant goes on.
        assert!(kit.access(second.text("access_token")).is_ok());
        kit.is_active("orders", second.text("access_token"));
        kit.is_alive(client, &second);
        let revoked = kit.events(EventKind::TokenRevoked).pop().unwrap();
        assert_eq!((revoked.client_id(), revoked.subject().unwrap().as_str()), (Some(client), "alice"));
    }
    assert_eq!(kit.events(EventKind::TokenRevoked).len(), 3);
    assert!(kit.events(EventKind::GrantEnded).is_empty());
}

#[test]
fn rfc7009_2_1_a_service_revokes_its_own_token() {
    let kit = with_services();
    for client in ["billing", "vault"] {
        let (token, other) = (kit.own_token(client, &[]).ok(), kit.own_token(client, &[]).ok());
        kit.is_active(client, token.text("access_token"));
        kit.revoked(client, token.text("access_token"));
        kit.is_inactive(client, token.text("access_token"));
        kit.is_active(client, other.text("access_token"));
        assert!(kit.access(token.text("access_token")).is_err());
    }
}

#[test]
fn rfc7009_2_1_a_jwt_that_was_revoked_stays_so_until_its_end() {
    let kit = with_services();
    let tokens = kit.tokens("web", "openid offline_access");
    kit.revoked("web", tokens.text("access_token"));
    for _ in 0..9 {
        kit.advance(99);
        block_on(kit.server.work(kit.server.now())).unwrap();
        kit.is_inactive("web", tokens.text("access_token"));
    }
}

#[test]
fn rfc7009_2_1_attack_42_a_token_of_another_client_is_left_as_it_is_and_nothing_is_told() {
    let kit = with_services();
    for client in ["app", "web", "bff"] {
        let tokens = kit.tokens(client, "openid read offline_access");
        for other in ["post", "shop", "billing", "orders"] {
            for token in [tokens.text("access_token"), tokens.text("refresh_token")] {
                let (told, unknown) = (kit.revoke(other, token), kit.revoke(other, "unknown"));
                assert_eq!((told.status, &told.body, &told.headers), (unknown.status, &unknown.body, &unknown.headers));
            }
        }
        kit.is_active("orders", tokens.text("access_token"));
        kit.is_alive(client, &tokens);
    }
    let own = kit.own_token("vault", &[]).ok();
    kit.revoked("billing", own.text("access_token"));
    kit.is_active("vault", own.text("access_token"));
    assert!(kit.events(EventKind::GrantEnded).is_empty() && kit.events(EventKind::TokenRevoked).is_empty());
}

#[test]
fn rfc7009_2_2_what_is_no_token_or_no_more_is_200() {
    let kit = with_services();
    let tokens = kit.tokens("web", "openid offline_access");
    let code = kit.code("web", "read");
    for none in [
        "x",
        "a.b.c",
        "\u{e4}",
        &"x".repeat(16_000),
        "cs_access_",
        "cs_refresh_AAAA",
        &forged(tokens.text("refresh_token")),
        &format!("{}.", tokens.text("access_token").rsplit_once('.').unwrap().0),
        &code,
    ] {
        kit.revoked("web", none);
    }
    // A code is no token (RFC 7009 §2.1): it is redeemed as if nothing had been.
    kit.redeem("web", &code).ok();
    kit.is_alive("web", &tokens);
    let tokens = kit.tokens("web", "openid offline_access");
    for _ in 0..2 {
        kit.revoked("web", tokens.text("access_token"));
        kit.revoked("web", tokens.text("refresh_token"));
    }
    assert_eq!(kit.events(EventKind::GrantEnded).len(), 1, "told once");
    let expired = kit.tokens("web", "openid offline_access");
    kit.advance(900);
    kit.revoked("web", expired.text("access_token"));
}

#[test]
fn rfc7009_2_1_a_hint_is_only_a_hint() {
    let kit = with_services();
    for hint in ["access_token", "refresh_token", "nonsense", ""] {
        for member in ["access_token", "refresh_token"] {
            let tokens = kit.tokens("bff", "read offline_access");
            let form = Form::new().with("token", tokens.text(member)).with("token_type_hint", hint);
            kit.send(PATH, "bff", &form).ok();
            kit.is_inactive("orders", tokens.text("access_token"));
        }
    }
}

#[test]
fn rfc7009_2_1_a_spent_refresh_token_still_says_which_grant_is_to_end() {
    let kit = with_services();
    let first = kit.tokens("app", "openid offline_access");
    let second = kit.refresh("app", first.text("refresh_token")).ok();
    let third = kit.refresh("app", second.text("refresh_token")).ok();
    kit.advance(60);
    // The client that lost both answers signs out.
    kit.revoked("app", first.text("refresh_token"));
    kit.is_dead("app", &third);
}

#[test]
fn rfc7009_2_1_a_client_that_fails_to_authenticate_revokes_nothing() {
    let kit = with_services();
    let tokens = kit.tokens("web", "openid offline_access");
    let form = Form::new().with("token", tokens.text("refresh_token"));
    let send = |form: &Form, headers: &[(&str, String)]| kit.post_form(PATH, &form.encode(), headers);
    for (answer, cause) in [
        (send(&form, &[]), "client.not_authenticated"),
        (send(&form.clone().with("client_id", "web"), &[]), "client.not_authenticated"),
        (send(&form.clone().with("client_id", "nobody"), &[]), "client.unknown"),
        (send(&form, &[basic("web", "0f0c9a1e7d3b48a6b2c4d6e8f0a1b3c5")]), "client.wrong_secret"),
        (send(&form.clone().with("client_id", "web").with("client_secret", SECRET), &[]), "client.wrong_method"),
    ] {
        answer.is_error(401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
        assert!(kit.events(EventKind::ClientRefused).iter().any(|event| event.cause() == Some(cause)), "{cause}");
    }
    send(&form.clone().with("client_secret", SECRET), &[basic("web", SECRET)]).is_error(400, "invalid_request");
    kit.is_alive("web", &tokens);
}

#[test]
fn rfc7009_2_1_a_request_is_a_form_with_one_token() {
    let kit = with_services();
    let send = |body: &str| kit.post_form(PATH, body, &[service("web")]);
    for body in ["", "token=", "token_type_hint=access_token", "token=a&token=b", "token=%zz", "token=%ff"] {
        send(body).is_error(400, "invalid_request");
    }
    let (name, value) = service("web");
    let json = request(Method::POST, PATH).header("content-type", "application/json").header(name, value);
    kit.handle(json.body(Bytes::from_static(b"{\"token\":\"a\"}")).unwrap()).is_error(400, "invalid_request");
    assert_eq!(kit.events(EventKind::RevocationRefused).len(), 7);
    let by_get = kit.get("/oauth/revoke?token=a");
    assert_eq!((by_get.status.as_u16(), by_get.header("allow")), (405, "POST"));
}

#[test]
fn rfc7009_2_3_a_page_of_another_origin_may_revoke() {
    let kit = with_services();
    let preflight = request(Method::OPTIONS, PATH).header("origin", "https://spa.example.com");
    let answer = kit.handle(preflight.body(Bytes::new()).unwrap());
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (204, "*"));
    assert_eq!(answer.header("access-control-allow-methods"), "POST");
    let tokens = kit.tokens("app", "openid offline_access");
    let answer = kit.revoke("app", tokens.text("refresh_token")).ok();
    assert_eq!(
        (answer.header("access-control-allow-origin"), answer.header("access-control-allow-credentials")),
        ("*", "")
    );
}

#[test]
fn rfc7009_2_1_a_client_may_sign_in_with_its_own_key() {
    let signer = Signer::new(SigningAlgorithm::Es256);
    let keys = ClientKeys::from_jwks(&signer.jwks(), None).unwrap();
    let robot = Client::with_keys("robot", keys).grant_types(["client_credentials"]);
    let kit = Kit::with(|builder| services(builder).client(robot));
    let header = json!({ "alg": "ES256", "kid": signer.jwk()["kid"] });
    let shown = |form: Form, jti: &str| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        form.with("client_assertion_type", kind)
            .with("client_assertion", &signer.sign(&header, &claims("robot", jti)))
            .encode()
    };
    let token = kit.post_token(&shown(Form::new().with("grant_type", "client_credentials"), "1"), &[]).ok();
    assert!(kit.access(token.text("access_token")).is_ok());
    let form = Form::new().with("token", token.text("access_token"));
    kit.post_form(PATH, &shown(form.clone(), "1"), &[]).is_error(401, "invalid_client");
    assert!(kit.access(token.text("access_token")).is_ok());
    kit.post_form(PATH, &shown(form, "2"), &[]).ok();
    assert!(kit.access(token.text("access_token")).is_err());
}

#[test]
fn rfc7009_2_2_1_a_store_that_fails_is_503_and_a_retry_revokes() {
    let kit = with_services();
    for member in ["access_token", "refresh_token"] {
        for client in ["app", "bff"] {
            let tokens = kit.tokens(client, "openid read offline_access");
            kit.script.restart();
            kit.script.fail(Call::Get, 1);
            let answer = kit.revoke(client, tokens.text(member));
            answer.is_error(503, "temporarily_unavailable");
            assert_eq!(answer.header("retry-after"), "1");
            for fault in CommitFault::ALL {
                let tokens = kit.tokens(client, "openid read offline_access");
                kit.script.restart();
                kit.script.crash_at_commit(1, fault);
                kit.revoke(client, tokens.text(member)).is_error(503, "temporarily_unavailable");
                kit.script.restart();
                kit.revoked(client, tokens.text(member));
                kit.is_inactive("orders", tokens.text("access_token"));
            }
            kit.script.restart();
            kit.revoked(client, tokens.text(member));
            kit.is_inactive("orders", tokens.text("access_token"));
        }
    }
}

#[test]
fn promise_12_of_a_revocation_and_refreshes_at_once_nothing_outlives_the_revocation() {
    for client in ["app", "bff"] {
        for _ in 0..8 {
            let kit = with_services();
            let first = kit.tokens(client, "openid read offline_access");
            let answers = race(16, |racer| {
                std::future::ready(match racer {
                    0 => kit.revoke(client, first.text("refresh_token")),
                    1..4 => kit.introspect("orders", first.text("access_token")),
                    _ => kit.refresh(client, first.text("refresh_token")),
                })
            });
            assert_eq!(answers[0].status, 200);
            for tokens in answers.iter().skip(4).filter(|answer| answer.status == 200) {
                kit.is_dead(client, tokens);
                kit.is_inactive("orders", tokens.text("access_token"));
            }
            kit.is_inactive("orders", first.text("access_token"));
            assert!(kit.events(EventKind::RefreshTokenReused).is_empty());
        }
    }
}

#[test]
fn promise_12_of_64_revocations_and_questions_at_once_none_sees_the_token_come_back() {
    for client in ["app", "bff"] {
        let kit = with_services();
        let first = kit.tokens(client, "openid read offline_access");
        let answers = race(64, |racer| {
            std::future::ready(match racer % 4 {
                0 => kit.revoke(client, first.text("access_token")).ok(),
                _ => {
                    // Once dead, it stays dead, for whoever asks twice.
                    let (before, after) = (
                        kit.introspect("orders", first.text("access_token")).ok(),
                        kit.introspect("orders", first.text("access_token")).ok(),
                    );
                    assert!(before.json["active"] == true || after.json["active"] == false);
                    after
                }
            })
        });
        assert_eq!(answers.len(), 64);
        kit.is_inactive("orders", first.text("access_token"));
        kit.refresh(client, first.text("refresh_token")).ok();
    }
}
