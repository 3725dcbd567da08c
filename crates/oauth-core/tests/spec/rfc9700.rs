//! RFC 9700 (BCP 240): refresh tokens rotate, one successor each, and reuse ends the grant.

use countersign_events::EventKind;
use countersign_oauth_core::{Preset, Rotation};

use crate::kit::*;

#[test]
fn rfc9700_4_14_2_a_refresh_token_is_replaced_at_each_use() {
    let kit = Kit::new();
    let first = kit.tokens("app", "read").text("refresh_token").to_owned();
    let second = kit.refresh("app", &first).ok();
    assert_ne!(second.text("refresh_token"), first);
    kit.advance(1);
    let third = kit.refresh("app", second.text("refresh_token")).ok();
    kit.is_alive("app", &third);
}

#[test]
fn rfc9700_4_14_2_whoever_lost_the_answer_gets_the_same_successor() {
    let kit = Kit::new();
    let first = kit.tokens("app", "read").text("refresh_token").to_owned();
    let second = kit.refresh("app", &first).ok();
    for _ in 0..3 {
        kit.advance(9);
        let again = kit.refresh("app", &first).ok();
        assert_eq!(again.text("refresh_token"), second.text("refresh_token"));
        assert_ne!(again.text("access_token"), second.text("access_token"));
    }
    assert!(kit.events(EventKind::RefreshTokenReused).is_empty());
    kit.is_alive("app", &second);
}

#[test]
fn rfc9700_4_14_2_a_retry_passes_every_check_of_the_first_request() {
    let kit = Kit::new();
    let first = kit.tokens("web", "read").text("refresh_token").to_owned();
    let second = kit.refresh("web", &first).ok();
    kit.refresh("post", &first).is_error(400, "invalid_grant");
    kit.refresh("app", &first).is_error(400, "invalid_grant");
    let body = format!("grant_type=refresh_token&refresh_token={first}");
    kit.post_token(&body, &[basic("web", "wrong")]).is_error(401, "invalid_client");
    kit.post_token(&format!("{body}&client_id=web"), &[]).is_error(401, "invalid_client");
    kit.post_token(&format!("{body}&scope=pay"), &[basic("web", SECRET)]).is_error(400, "invalid_scope");
    kit.is_alive("web", &second);
}

#[test]
fn rfc9700_4_14_2_reuse_after_the_grace_ends_the_grant_for_ever() {
    let kit = Kit::new();
    let (tokens, other) = (kit.tokens("app", "openid offline_access"), kit.tokens("app", "openid offline_access"));
    let second = kit.refresh("app", tokens.text("refresh_token")).ok();
    kit.advance(30);
    kit.refresh("app", tokens.text("refresh_token")).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "refresh_token.reused");
    assert_eq!(kit.events(EventKind::RefreshTokenReused).len(), 1);
    assert_eq!(kit.events(EventKind::GrantEnded).len(), 1);
    for tokens in [&tokens, &second] {
        kit.is_dead("app", tokens);
    }
    kit.is_alive("app", &other);
    kit.advance(29 * 86_400);
    kit.refresh("app", second.text("refresh_token")).is_error(400, "invalid_grant");
}

#[test]
fn rfc9700_4_14_2_the_grace_ends_when_the_successor_is_used() {
    let kit = Kit::new();
    let first = kit.tokens("app", "openid offline_access");
    let second = kit.refresh("app", first.text("refresh_token")).ok();
    let third = kit.refresh("app", second.text("refresh_token")).ok();
    kit.refresh("app", first.text("refresh_token")).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "refresh_token.reused");
    kit.is_dead("app", &third);
}

#[test]
fn rfc9700_4_14_2_an_old_token_is_known_however_often_it_was_replaced() {
    let kit = Kit::new();
    let first = kit.tokens("app", "read").text("refresh_token").to_owned();
    let mut tokens = kit.refresh("app", &first).ok();
    for _ in 0..100 {
        kit.advance(3_600);
        tokens = kit.refresh("app", tokens.text("refresh_token")).ok();
    }
    kit.refresh("app", &first).is_error(400, "invalid_grant");
    kit.refresh("app", tokens.text("refresh_token")).is_error(400, "invalid_grant");
}

#[test]
fn rfc9700_4_14_2_64_refreshes_at_once_all_get_one_successor() {
    for client in ["app", "web"] {
        let kit = Kit::new();
        let first = kit.tokens(client, "read").text("refresh_token").to_owned();
        let answers = race(64, |_| {
            let (kit, first) = (kit.clone(), first.clone());
            async move { kit.refresh(client, &first).ok() }
        });
        let successor = answers[0].text("refresh_token").to_owned();
        assert_ne!(successor, first);
        assert!(answers.iter().all(|answer| answer.text("refresh_token") == successor));
        assert!(kit.events(EventKind::RefreshTokenReused).is_empty());
        kit.refresh(client, &successor).ok();
    }
}

#[test]
fn rfc9700_4_14_2_a_chain_of_races_never_splits() {
    let kit = Kit::new();
    let mut token = kit.tokens("app", "read").text("refresh_token").to_owned();
    for _ in 0..8 {
        let answers = race(8, |_| {
            let (kit, token) = (kit.clone(), token.clone());
            async move { kit.refresh("app", &token).ok().text("refresh_token").to_owned() }
        });
        assert!(answers.iter().all(|successor| *successor == answers[0]));
        token.clone_from(&answers[0]);
    }
}

#[test]
fn rfc9700_4_14_2_without_rotation_the_same_token_comes_back_and_races_cost_nobody() {
    let mut preset = Preset::oauth21();
    preset.rotation = Rotation::PublicClients;
    let kit = Kit::with(|builder| builder.preset(preset));
    let first = kit.tokens("web", "read").text("refresh_token").to_owned();
    for seconds in [0, 10, 86_400] {
        kit.advance(seconds);
        let answers = race(64, |_| {
            let (kit, first) = (kit.clone(), first.clone());
            async move { kit.refresh("web", &first).ok().text("refresh_token").to_owned() }
        });
        assert!(answers.iter().all(|same| *same == first));
    }
    // Use keeps it alive.
    for _ in 0..10 {
        kit.advance(20 * 86_400 - 8_641);
        kit.refresh("web", &first).ok();
        if kit.server.now().since(START) > Duration::from_secs(160 * 86_400) {
            break;
        }
    }
    // A public client's rotate all the same.
    let public = kit.tokens("app", "read").text("refresh_token").to_owned();
    assert_ne!(kit.refresh("app", &public).ok().text("refresh_token"), public);
}

#[test]
fn rfc9700_4_14_2_a_forged_token_ends_nothing() {
    let kit = Kit::new();
    let first = kit.tokens("app", "read");
    let tokens = kit.refresh("app", first.text("refresh_token")).ok();
    kit.advance(60);
    // The grant's id is known from the token; the tag is not.
    let foreign = countersign_tokens::RefreshTokens::new(
        std::sync::Arc::new(countersign_tokens::Ring),
        1,
        countersign_primitives::SecretBytes::new([9; 32]),
    );
    let grant = kit.events(EventKind::GrantStarted)[0].grant().unwrap();
    let mut forgery = countersign_tokens::RefreshToken::first(grant, &countersign_primitives::SystemRandom).unwrap();
    for _ in 0..3 {
        kit.refresh("app", foreign.seal(&forgery).expose()).is_error(400, "invalid_grant");
        assert_eq!(kit.cause(), "refresh_token.malformed");
        forgery = forgery.successor(&countersign_primitives::SystemRandom).unwrap();
    }
    kit.refresh("app", &forged(first.text("refresh_token"))).is_error(400, "invalid_grant");
    assert!(kit.events(EventKind::GrantEnded).is_empty());
    kit.is_alive("app", &tokens);
}

#[test]
fn rfc9700_4_14_2_a_spent_token_ends_nothing_in_a_request_that_is_invalid_otherwise() {
    let kit = Kit::new();
    let first = kit.tokens("web", "read").text("refresh_token").to_owned();
    let tokens = kit.refresh("web", &first).ok();
    kit.advance(60);
    let body = format!("grant_type=refresh_token&refresh_token={first}");
    kit.refresh("post", &first).is_error(400, "invalid_grant");
    kit.refresh("app", &first).is_error(400, "invalid_grant");
    kit.post_token(&body, &[basic("web", "wrong")]).is_error(401, "invalid_client");
    kit.post_token(&format!("{body}&scope=nonsense"), &[basic("web", SECRET)]).is_error(400, "invalid_scope");
    kit.post_token(&format!("{body}&resource=x"), &[basic("web", SECRET)]).is_error(400, "invalid_target");
    assert!(kit.events(EventKind::GrantEnded).is_empty());
    kit.is_alive("web", &tokens);
}

#[test]
fn rfc9700_4_14_2_rotation_survives_a_restart() {
    let store = countersign_storage_memory::MemoryStore::new();
    let before = Kit::over(ISSUER, store.clone(), |builder| builder);
    let first = before.tokens("app", "read").text("refresh_token").to_owned();
    let second = before.refresh("app", &first).ok().text("refresh_token").to_owned();
    let after = Kit::over(ISSUER, store, |builder| builder);
    assert_eq!(after.refresh("app", &first).ok().text("refresh_token"), second);
    after.advance(31);
    after.refresh("app", &first).is_error(400, "invalid_grant");
    before.refresh("app", &second).is_error(400, "invalid_grant");
}
