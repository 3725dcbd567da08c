//! OpenID Connect Core 1.0: the ID token.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_oauth_core::Outcome;
use countersign_primitives::{Amr, SignedIn};
use countersign_tokens::{CryptoProvider as _, Ring};
use serde_json::json;

use crate::kit::{ISSUER, Kit, claims, header, parameter, wait};

#[test]
fn oidc_core_2_the_id_token_has_the_claims_of_the_login() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=openid&nonce=n-1", kit.alice());
    let id_token = claims(&tokens["id_token"]);
    assert_eq!(id_token["iss"], ISSUER);
    assert_eq!(id_token["aud"], "shop");
    assert_eq!(id_token["sub"], "u-1");
    assert_eq!(id_token["nonce"], "n-1");
    assert_eq!(id_token["sid"], "sid-1");
    assert_eq!(id_token["acr"], "http://schemas.openid.net/pape/policies/2007/06/multi-factor");
    assert_eq!(id_token["amr"], json!(["pwd", "otp", "mfa"]));
    assert_eq!(id_token["auth_time"], 1_700_000_000);
    assert_eq!(id_token["iat"], 1_700_000_000);
    assert_eq!(id_token["exp"], 1_700_000_000 + 900);
    assert_eq!(header(&tokens["id_token"])["alg"], "ES256");
}

#[test]
fn oidc_core_3_1_3_6_at_hash_is_the_left_half_of_the_hash_of_the_access_token() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=openid", kit.alice());
    let hash = Ring.sha256(&[tokens["access_token"].as_str().unwrap().as_bytes()]);
    assert_eq!(claims(&tokens["id_token"])["at_hash"], URL_SAFE_NO_PAD.encode(&hash[..16]));
}

#[test]
fn oidc_core_3_1_2_1_without_openid_there_is_no_id_token() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=email", kit.alice());
    assert!(tokens["access_token"].is_string() && tokens.get("id_token").is_none());
}

#[test]
fn oidc_core_11_a_refresh_token_comes_with_offline_access_alone() {
    let kit = Kit::new();
    assert!(kit.tokens("scope=openid", kit.alice()).get("refresh_token").is_none());
    assert!(kit.tokens("scope=openid+offline_access", kit.alice())["refresh_token"].is_string());
    assert!(kit.tokens("scope=email", kit.alice())["refresh_token"].is_string());
}

#[test]
fn oidc_core_12_2_a_refreshed_id_token_keeps_the_login_and_loses_the_nonce() {
    let kit = Kit::new();
    let first = kit.tokens("scope=openid+offline_access&nonce=n-1", kit.alice());
    kit.advance(600);
    let second = kit.refresh(&first);
    let (before, after) = (claims(&first["id_token"]), claims(&second["id_token"]));
    for same in ["iss", "sub", "aud", "auth_time", "acr", "amr", "sid"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(after["iat"], 1_700_000_600);
    assert!(after.get("nonce").is_none());
}

#[test]
fn oidc_core_2_auth_time_is_stable_and_is_the_oldest_proof() {
    let kit = Kit::new();
    let password = kit.clock_now();
    kit.advance(300);
    let who = SignedIn::new("u-1", password).amr([Amr::Pwd]).proof(Amr::Otp, kit.clock_now());
    assert_eq!(claims(&kit.tokens("scope=openid", who.clone())["id_token"])["auth_time"], 1_700_000_000);
    kit.advance(60);
    assert_eq!(claims(&kit.tokens("scope=openid", who)["id_token"])["auth_time"], 1_700_000_000);
}

#[test]
fn oidc_core_3_1_2_1_the_id_token_hint_binds_the_answer_to_its_subject() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=openid", kit.alice());
    let hint = tokens["id_token"].as_str().unwrap();
    kit.advance(86_400); // an expired one will do
    let query = format!("scope=openid&prompt=none&id_token_hint={hint}");
    let Outcome::Done(same) = kit.authorize(&query, Some(kit.alice())) else { panic!("refused") };
    assert!(parameter(&same, "code").is_some());
    let other = SignedIn::new("u-2", kit.clock_now());
    let Outcome::Done(other) = kit.authorize(&query, Some(other)) else { panic!("refused") };
    assert_eq!(parameter(&other, "error").as_deref(), Some("login_required"));
}

#[test]
fn oidc_core_3_1_2_1_a_hint_of_a_retired_key_is_known_as_long_as_a_session_may_last() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=openid", kit.alice());
    let query = format!("scope=openid&prompt=none&id_token_hint={}", tokens["id_token"].as_str().unwrap());
    let signs_from = wait(kit.server.keys().rotate()).unwrap().signs_from;
    let work = || wait(kit.server.work(kit.clock_now())).unwrap();
    let answer = || {
        work();
        let Outcome::Done(reply) = kit.authorize(&query, Some(kit.alice())) else { panic!("not told to the client") };
        (parameter(&reply, "code").is_some(), parameter(&reply, "error"))
    };
    // The key has signed no more for all that time, and has long left the published set.
    kit.clock.advance(signs_from.plus(Duration::from_secs(14 * 86_400)).since(kit.clock_now()));
    assert_eq!(answer(), (true, None));
    kit.advance(600);
    assert_eq!(answer(), (false, Some("invalid_request".to_owned())));
}

#[test]
fn oidc_core_3_1_2_1_a_hint_that_is_no_id_token_of_ours_for_this_client_is_refused() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=openid", kit.alice());
    let foreign = Kit::new().tokens("scope=openid", kit.alice());
    let access_token = tokens["access_token"].as_str().unwrap().to_owned();
    let foreign = foreign["id_token"].as_str().unwrap().to_owned();
    let forged = format!("{}A", tokens["id_token"].as_str().unwrap());
    for hint in [access_token, foreign, forged, "nonsense".to_owned()] {
        let query = format!("scope=openid&id_token_hint={hint}");
        let Outcome::Done(reply) = kit.authorize(&query, Some(kit.alice())) else { panic!("not told to the client") };
        assert_eq!(parameter(&reply, "error").as_deref(), Some("invalid_request"), "{hint}");
    }
}
