//! Opaque access tokens: handles that say nothing, and are dead the moment that their grant is (RFC 6749 §1.4, §10.10).

use countersign_oauth_core::{Resource, TokenFormat};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::testkit::{Call, CommitFault};
use countersign_tokens::{Handle, HandleKind};

use crate::kit::*;

const OPAQUE: &str = "https://opaque.example.com/";

/// The client `bff`, whose tokens are opaque, and a resource that wants them so from everybody.
fn kit() -> Kit {
    Kit::with(opaque)
}

fn opaque(builder: countersign_oauth_core::ServerBuilder) -> countersign_oauth_core::ServerBuilder {
    services(builder).resource(Resource::new(OPAQUE).scope("write").token_format(TokenFormat::Opaque))
}

#[track_caller]
fn handle(answer: &Answer) -> &str {
    let token = answer.text("access_token");
    assert!(token.starts_with("cs_access_") && !token.contains('.'), "{token}");
    token
}

#[test]
fn rfc6749_1_4_the_format_follows_client_and_resource() {
    let kit = kit();
    let is_jwt = |answer: &Answer| answer.text("access_token").starts_with("eyJ");
    // The client's own wish, whatever the token is for.
    handle(&kit.tokens("bff", "openid"));
    handle(&kit.tokens("bff", "read"));
    // The resource's wish, whoever asks; also beside others.
    handle(&kit.tokens("app", "write"));
    handle(&kit.tokens("app", "read write"));
    handle(&kit.own_token("billing", &[("scope", "read"), ("resource", OPAQUE)]).ok());
    // Nobody's wish.
    assert!(is_jwt(&kit.tokens("app", "openid read")));
    assert!(is_jwt(&kit.own_token("billing", &[("scope", "read")]).ok()));
}

#[test]
fn rfc6750_an_opaque_token_opens_this_servers_own_endpoints() {
    let kit = kit();
    let answer = kit.tokens("bff", "openid read");
    let access = kit.access(handle(&answer)).unwrap();
    assert_eq!((access.client.id(), access.subject.as_str()), ("bff", "alice"));
    assert_eq!(
        (access.scope.to_string().as_str(), access.expires_at),
        ("openid read", START.plus(Duration::from_secs(900)))
    );
    assert_eq!(access.grant.who().unwrap().subject().as_str(), "alice");
    // A client for itself: nobody is behind the token.
    let own = kit.own_token("vault", &[]).ok();
    let access = kit.access(handle(&own)).unwrap();
    assert_eq!((access.client.id(), access.subject.as_str(), access.grant.who().is_none()), ("vault", "vault", true));
    // For an API alone, it opens nothing here.
    assert_eq!(kit.access(handle(&kit.tokens("app", "write"))).unwrap_err().cause_id(), "bearer.invalid");
}

#[test]
fn promise_11_a_handle_that_is_cut_forged_or_of_another_kind_opens_nothing() {
    let kit = kit();
    let tokens = kit.tokens("bff", "openid offline_access");
    let token = handle(&tokens).to_owned();
    for bad in [
        forged(&token),
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
        token.replacen("cs_access_", "cs_code_", 1),
        tokens.text("refresh_token").replacen("cs_refresh_", "cs_access_", 1),
        tokens.text("refresh_token").to_owned(),
        "cs_access_".to_owned(),
    ] {
        assert_eq!(kit.access(&bad).unwrap_err().cause_id(), "bearer.invalid", "{bad}");
    }
    // A whole handle with a secret of somebody's own leads to another grant, where nothing is.
    let own = Handle::parse(HandleKind::ACCESS_TOKEN, &token).unwrap();
    let made_up = Handle::from_parts(HandleKind::ACCESS_TOKEN, own.id(), [7; 32]).expose();
    assert_eq!(kit.access(&made_up).unwrap_err().cause_id(), "bearer.invalid");
    assert!(kit.access(&token).is_ok());
}

#[test]
fn promise_16_an_opaque_token_of_one_issuer_is_nothing_to_another_on_the_same_store() {
    let store = MemoryStore::new();
    let (one, two) = (Kit::over(ISSUER, store.clone(), opaque), Kit::over("https://id.example.com/two", store, opaque));
    let token = one.own_token("vault", &[]).ok();
    assert!(one.access(handle(&token)).is_ok());
    assert!(two.access(handle(&token)).is_err());
}

#[test]
fn rfc6749_10_10_two_opaque_tokens_of_one_grant_share_no_bytes() {
    let kit = kit();
    let first = kit.tokens("bff", "openid offline_access");
    let second = kit.refresh("bff", first.text("refresh_token")).ok();
    let (first, second) = (handle(&first), handle(&second));
    let (first, second) = (&first["cs_access_".len()..], &second["cs_access_".len()..]);
    assert!(first.bytes().zip(second.bytes()).filter(|(a, b)| a == b).count() < first.len() / 4, "{first} {second}");
}

#[test]
fn promise_12_an_opaque_token_expires_and_is_dead_the_moment_that_its_grant_is() {
    let kit = kit();
    let code = kit.code("bff", "openid offline_access");
    let first = kit.redeem("bff", &code).ok();
    let second = kit.refresh("bff", first.text("refresh_token")).ok();
    assert!(kit.access(handle(&first)).is_ok() && kit.access(handle(&second)).is_ok());
    kit.redeem("bff", &code).is_error(400, "invalid_grant");
    for ended in [&first, &second] {
        assert_eq!(kit.access(handle(ended)).unwrap_err().cause_id(), "bearer.invalid");
    }
    let other = kit.tokens("bff", "openid offline_access");
    block_on(kit.server.revoke_subject("alice")).unwrap();
    assert!(kit.access(handle(&other)).is_err());
    let (own, users) = (kit.own_token("vault", &[]).ok(), kit.tokens("bff", "openid"));
    kit.advance(899);
    assert!(kit.access(handle(&own)).is_ok() && kit.access(handle(&users)).is_ok());
    kit.advance(1);
    assert!(kit.access(handle(&own)).is_err() && kit.access(handle(&users)).is_err());
}

#[test]
fn promise_3_an_opaque_token_whose_answer_was_lost_is_made_once() {
    for fault in [CommitFault::LostAnswer, CommitFault::LostRequest] {
        let kit = kit();
        let code = kit.code("bff", "openid offline_access");
        kit.script.restart();
        kit.script.fail_commit(1, fault);
        let tokens = kit.redeem("bff", &code).ok();
        assert!(kit.access(handle(&tokens)).is_ok());
        kit.script.restart();
        kit.script.fail_commit(1, fault);
        let own = kit.own_token("vault", &[]).ok();
        assert!(kit.access(handle(&own)).is_ok());
    }
}

#[test]
fn promise_12_of_refreshes_and_an_end_at_once_no_opaque_token_outlives_the_end() {
    for _ in 0..8 {
        let kit = kit();
        let code = kit.code("bff", "openid offline_access");
        let first = kit.redeem("bff", &code).ok();
        let answers = race(16, |racer| {
            std::future::ready(match racer {
                0 => kit.redeem("bff", &code),
                _ => kit.refresh("bff", first.text("refresh_token")),
            })
        });
        for answer in answers.iter().filter(|answer| answer.status == 200) {
            assert!(kit.access(handle(answer)).is_err(), "a token outlived its grant");
        }
    }
}

#[test]
fn promise_14_every_read_that_fails_refuses_an_opaque_token() {
    let kit = kit();
    let token = kit.tokens("bff", "openid");
    kit.script.restart();
    assert!(kit.access(handle(&token)).is_ok());
    let reads = kit.script.calls(Call::Get);
    assert!(reads >= 2, "token with grant in one, the subject in another");
    for read in 1..=reads {
        kit.script.restart();
        kit.script.fail(Call::Get, read);
        assert_eq!(kit.access(handle(&token)).unwrap_err().status(), 503, "read {read}");
    }
}
