//! Tokens for `ISSUER/mfa/`: where they come from, and what they open.

use countersign_oauth_core::Outcome;
use serde_json::json;

use crate::{AUDIENCE, Kit, parameter};

fn told(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done(reply) => parameter(reply.headers(), "error").unwrap_or_default(),
        Outcome::NeedsLogin(_) => "login".to_owned(),
        Outcome::NeedsStepUp(_) => "step up".to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn m25_a_token_to_add_factors_comes_from_a_login_of_now_in_which_a_factor_was_proven() {
    let kit = Kit::new().await;
    // Without a factor a password of moments ago is enough; a session that somebody finds is not.
    assert_eq!(told(kit.authorize("web", "enroll", kit.who("u-1", 1)).await), "step up", "the policy wants two");
    let kit = Kit::with(
        countersign_mfa::Policy::never().first_enrolment(countersign_mfa::FirstEnrolment::ThisLogin),
        |mfa| mfa,
    )
    .await;
    let who = kit.who("u-1", 1);
    assert_eq!(told(kit.authorize("web", "enroll", who.clone()).await), "");
    kit.advance(301);
    assert_eq!(told(kit.authorize("web", "enroll", who).await), "step up");
    // With one the password is not enough, however young.
    let own = kit.own_token("web", "enroll", kit.who("u-1", 1)).await.ok();
    let given = kit.associate(&own.text("access_token"), json!({ "authenticator_types": ["otp"] })).await.ok();
    assert_eq!(given.texts("recovery_codes").len(), 10);
    let confirmed = kit.otp("web", &own.text("access_token"), &kit.app(&given.text("secret"))).await.ok();
    assert_eq!(confirmed.text("scope"), "enroll");
    assert_eq!(told(kit.authorize("web", "enroll", kit.who("u-1", 1)).await), "step up");
    let who = kit.who("u-1", 2);
    assert_eq!(told(kit.authorize("web", "enroll", who.clone()).await), "");
    kit.advance(301);
    assert_eq!(told(kit.authorize("web", "enroll", who).await), "step up");
    // A token from before the first factor adds no second one: it never proved the first.
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"] });
    kit.associate(&own.text("access_token"), body).await.is(403, "access_denied");
}

#[tokio::test]
async fn promise_13_the_audience_is_reached_by_no_other_way() {
    let kit = Kit::new().await;
    let (secret, _, tokens) = kit.with_app("web", "alice").await;
    // By password, by the factor after it, by refresh, by a client for itself, by a client without the API.
    let password = json!({ "grant_type": "password", "username": "alice", "password": "alice-password" });
    for (name, value) in [("audience", AUDIENCE), ("scope", "enroll"), ("scope", "orders enroll")] {
        let mut body = password.clone();
        body[name] = value.into();
        kit.token("web", body).await.is(400, "invalid_target");
    }
    let token = kit.mfa_token("web", "alice").await;
    let body = json!({
        "grant_type": countersign_mfa::oauth::MfaApi::OTP, "mfa_token": token, "otp": kit.app(&secret),
        "audience": AUDIENCE,
    });
    kit.token("web", body).await.is(400, "invalid_target");
    let refresh = json!({
        "grant_type": "refresh_token", "refresh_token": tokens.text("refresh_token"), "audience": AUDIENCE,
    });
    kit.token("web", refresh).await.is(400, "invalid_target");
    let robot = json!({ "grant_type": "client_credentials", "scope": "enroll" });
    kit.token("robot", robot).await.is(400, "invalid_target");
    assert_eq!(told(kit.authorize("shop", "enroll", kit.who("u-1", 2)).await), "invalid_target");
    // An access token for something else opens nothing here.
    kit.list(&tokens.text("access_token")).await.is(401, "invalid_token");
}

#[tokio::test]
async fn m25_each_call_needs_its_scope_and_only_an_access_token_removes() {
    let kit = Kit::new().await;
    let (secret, ..) = kit.with_app("web", "alice").await;
    let bearer = |answer: crate::Answer| answer.ok().text("access_token");
    let enroll = bearer(kit.own_token("web", "enroll", kit.who("u-1", 2)).await);
    let read = bearer(kit.own_token("web", "read:authenticators", kit.who("u-1", 2)).await);
    let id = kit.list(&read).await.ok().json[0]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("totp|dev_"), "{id}");
    kit.list(&enroll).await.is(403, "insufficient_scope");
    kit.associate(&read, json!({ "authenticator_types": ["otp"] })).await.is(403, "insufficient_scope");
    for weak in [&enroll, &read] {
        kit.delete(weak, &id).await.is(403, "insufficient_scope");
    }
    // Who knows a password must not take away what guards against that.
    let token = kit.mfa_token("web", "alice").await;
    let refused = kit.delete(&token, &id).await;
    refused.is(401, "invalid_token");
    assert!(refused.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    let remove = bearer(kit.own_token("web", "remove:authenticators", kit.who("u-1", 2)).await);
    kit.delete(&remove, "totp|dev_00000000000000000000000000").await.is(404, "invalid_request");
    // Another user's is not there.
    let bobs = {
        kit.with_app("web", "bob").await;
        let read = bearer(kit.own_token("web", "read:authenticators", kit.who("u-2", 2)).await);
        kit.list(&read).await.ok().json[0]["id"].as_str().unwrap().to_owned()
    };
    kit.delete(&remove, &bobs).await.is(404, "invalid_request");
    let notices = kit.letters.notices();
    assert_eq!(kit.delete(&remove, &id).await.status, 204);
    assert!(kit.letters.notices() > notices, "the owner is told");
    // What rested on it has ended, the token and the login under way among it.
    kit.delete(&remove, &id).await.is(401, "invalid_token");
    kit.otp("web", &token, &kit.app(&secret)).await.is(400, "expired_token");
    let answer = kit.password("web", "alice", "orders").await;
    assert_eq!(answer.required("challenge"), Vec::<String>::new());
}

#[tokio::test]
async fn promise_11_a_token_of_one_client_confirms_nothing_for_another() {
    let kit = Kit::new().await;
    kit.with_phone("web", "alice").await;
    let own = kit.own_token("web", "enroll", kit.who("u-1", 2)).await.ok().text("access_token");
    let given = kit.associate(&own, json!({ "authenticator_types": ["otp"] })).await.ok();
    let code = kit.app(&given.text("secret"));
    kit.otp("spa", &own, &code).await.says(400, "invalid_grant", "Malformed mfa_token");
    let body = json!({ "client_id": "spa", "authenticator_types": ["otp"] });
    kit.associate(&own, body).await.is(400, "invalid_grant");
    kit.otp("web", &own, &code).await.ok();
    // Confirmed once; the same call again is no second confirmation.
    kit.otp("web", &own, &code).await.is(400, "invalid_grant");
    // The token may set up another one as long as it lives.
    kit.advance(30);
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "alice@example.com" });
    let given = kit.associate(&own, body).await.ok();
    kit.oob("web", &own, &given.text("oob_code"), Some(&kit.letters.code())).await.ok();
    kit.advance(570);
    kit.associate(&own, json!({ "authenticator_types": ["otp"] })).await.is(401, "invalid_token");
}
