//! What a login learnt of its user, in ID tokens and userinfo (OpenID Connect Core §5.1.2).

use countersign_primitives::{LoginClaims, SignedIn};
use serde_json::json;

use crate::kit::{Kit, claims, json};

fn alice(kit: &Kit) -> SignedIn {
    let learnt = LoginClaims::default().claim("department", "Sales").unwrap();
    kit.alice().with_claims(learnt.claim("email", "alice@sales.example").unwrap())
}

#[test]
fn oidc_core_5_1_2_claims_of_the_login_reach_id_token_and_userinfo_and_stay_at_refresh() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=openid+offline_access", alice(&kit));
    let id_token = claims(&tokens["id_token"]);
    assert_eq!((&id_token["department"], id_token.get("email")), (&json!("Sales"), None));
    assert_eq!(id_token["sub"], "u-1");
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(json(&kit.get("/userinfo", Some(access_token))), json!({"sub": "u-1", "department": "Sales"}));
    assert_eq!(claims(&kit.refresh(&tokens)["id_token"])["department"], "Sales");
    assert_eq!(claims(&tokens["access_token"]).get("department"), None, "an API is told nothing of it");
}

#[test]
fn promise_13_a_claim_of_the_login_that_belongs_to_a_scope_is_told_with_that_scope_alone() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=openid+email", alice(&kit));
    assert_eq!(claims(&tokens["id_token"])["email"], "alice@sales.example");
    let userinfo = json(&kit.get("/userinfo", Some(tokens["access_token"].as_str().unwrap())));
    assert_eq!(userinfo["email"], "alice@sales.example", "both tell the same");
}

#[test]
fn attack_52_a_record_that_was_tampered_with_overwrites_no_claim_of_the_protocol() {
    let kit = Kit::new();
    // Written past the check that `LoginClaims::claim` makes.
    let mut who = serde_json::to_value(kit.alice()).unwrap();
    who["claims"] = json!({"sub": "u-2", "aud": "others", "acr": "phr", "department": "Sales"});
    let who: SignedIn = serde_json::from_value(who).unwrap();
    let tokens = kit.tokens("scope=openid", who);
    let id_token = claims(&tokens["id_token"]);
    assert_eq!((&id_token["sub"], &id_token["aud"]), (&json!("u-1"), &json!("shop")));
    assert_eq!((id_token["acr"].as_str() == Some("phr"), &id_token["department"]), (false, &json!("Sales")));
    let userinfo = json(&kit.get("/userinfo", Some(tokens["access_token"].as_str().unwrap())));
    assert_eq!(userinfo, json!({"sub": "u-1", "department": "Sales"}));
}
