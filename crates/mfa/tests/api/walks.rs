//! Whole ways: by password, by each method, and with what an account has already.

use countersign_events::EventKind;
use countersign_mfa::oauth::MfaApi;
use countersign_mfa::{FirstEnrolment, Policy};
use serde_json::json;

use crate::Kit;

#[tokio::test]
async fn mfa_api_a_password_alone_is_not_enough_and_the_answer_says_what_would_be() {
    let kit = Kit::new().await;
    let answer = kit.password("web", "alice", "orders").await;
    answer.says(403, "mfa_required", "Multifactor authentication required");
    assert!(answer.text("mfa_token").starts_with("cs_mfa_"), "{}", answer.json);
    let mut enroll = answer.required("enroll");
    enroll.sort_unstable();
    assert_eq!((enroll, answer.required("challenge")), (vec!["email".into(), "otp".into(), "phone".into()], vec![]));
    assert_eq!(kit.letters.codes(), 0, "nothing is sent before it is asked for");
    kit.with_app("web", "alice").await;
    let answer = kit.password("web", "alice", "orders").await;
    assert_eq!(
        (answer.required("enroll"), answer.required("challenge")),
        (vec![], vec!["otp".into(), "recovery-code".into()])
    );
}

#[tokio::test]
async fn mfa_api_an_authenticator_app_is_set_up_and_asked() {
    let kit = Kit::new().await;
    let token = kit.mfa_token("web", "alice").await;
    let given = kit.associate(&token, json!({ "authenticator_types": ["otp"] })).await.ok();
    assert_eq!((given.text("authenticator_type").as_str(), given.texts("recovery_codes").len()), ("otp", 10));
    let secret = given.text("secret");
    assert!(!secret.contains(' ') && given.text("barcode_uri").starts_with("otpauth://totp/"), "{}", given.json);
    assert!(given.text("barcode_uri").contains(&format!("secret={secret}")), "{}", given.json);
    let code = kit.app(&secret);
    kit.otp("web", &token, "000000").await.says(400, "invalid_grant", "Invalid otp_code.");
    let tokens = kit.otp("web", &token, &code).await.ok();
    let claims = tokens.claims();
    assert_eq!((&claims["amr"], &claims["client_id"]), (&json!(["pwd", "otp", "mfa"]), &json!("web")));
    assert_eq!(
        (tokens.text("token_type").as_str(), tokens.text("scope").as_str()),
        ("Bearer", "orders offline_access")
    );
    kit.token("web", json!({ "grant_type": "refresh_token", "refresh_token": tokens.text("refresh_token") }))
        .await
        .ok();

    // The next login: without a challenge, and with one.
    kit.advance(30);
    let token = kit.mfa_token("web", "alice").await;
    kit.otp("web", &token, &kit.app(&secret)).await.ok();
    kit.advance(30);
    let token = kit.mfa_token("web", "alice").await;
    let asked = kit.challenge("web", &token, json!({ "challenge_type": "otp oob" })).await.ok();
    assert_eq!(asked.json, json!({ "challenge_type": "otp" }));
    kit.otp("web", &token, &kit.app(&secret)).await.ok();
}

#[tokio::test]
async fn mfa_api_codes_by_sms_voice_and_mail_are_set_up_and_asked() {
    for (user, channel, more, name, prefix) in [
        ("alice", "sms", json!({ "phone_number": "+49 151 12345623" }), "+4915XXXXXXXXX", "sms|dev_"),
        ("bob", "voice", json!({ "phone_number": "+12025550147" }), "+1202XXXXXXX", "voice|dev_"),
    ] {
        let kit = Kit::new().await;
        let token = kit.mfa_token("spa", user).await;
        let mut body = json!({ "authenticator_types": ["oob"], "oob_channels": [channel] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let given = kit.associate(&token, body).await.ok();
        let expected = ("oob", "prompt", channel);
        let said = (given.text("authenticator_type"), given.text("binding_method"), given.text("oob_channel"));
        assert_eq!((said.0.as_str(), said.1.as_str(), said.2.as_str()), expected);
        assert_eq!(given.texts("recovery_codes").len(), 10);
        let oob_code = given.text("oob_code");
        kit.oob("spa", &token, &oob_code, Some("000000")).await.says(400, "invalid_grant", "Invalid binding_code.");
        kit.oob("spa", &token, &oob_code, Some(&kit.letters.code())).await.ok();

        kit.advance(30);
        let token = kit.mfa_token("spa", user).await;
        let listed = kit.list(&token).await.ok().json;
        let entry = &listed.as_array().unwrap()[0];
        assert!(entry["id"].as_str().unwrap().starts_with(prefix), "{listed}");
        assert_eq!((&entry["authenticator_type"], &entry["active"]), (&json!("oob"), &json!(true)));
        assert_eq!((&entry["oob_channel"], &entry["oob_channels"]), (&json!(channel), &json!([channel])));
        assert_eq!((&entry["name"], &entry["type"]), (&json!(name), &json!("phone")));
        assert_eq!((&entry["created_at"], entry.get("last_auth")), (&json!("2027-01-15T08:00:00.000Z"), None));
        let asked =
            kit.challenge("spa", &token, json!({ "challenge_type": "oob", "authenticator_id": entry["id"] })).await;
        let asked = asked.ok();
        assert_eq!((asked.text("challenge_type").as_str(), asked.text("binding_method").as_str()), ("oob", "prompt"));
        kit.oob("spa", &token, &asked.text("oob_code"), Some(&kit.letters.code())).await.ok();
        let token = kit.mfa_token("spa", user).await;
        assert_eq!(kit.list(&token).await.ok().json[0]["last_auth"], "2027-01-15T08:00:30.000Z");
    }
    // By mail: to the address on file, where none is named.
    let kit = Kit::new().await;
    let token = kit.mfa_token("spa", "alice").await;
    let given = kit.associate(&token, json!({ "authenticator_types": ["oob"], "oob_channels": ["email"] })).await.ok();
    kit.oob("spa", &token, &given.text("oob_code"), Some(&kit.letters.code())).await.ok();
    let token = kit.mfa_token("spa", "alice").await;
    let listed = kit.list(&token).await.ok().json;
    assert_eq!((&listed[0]["name"], &listed[0]["type"]), (&json!("a***@example.com"), &json!("email")));
}

#[tokio::test]
async fn mfa_api_m28_m30_recovery_codes_count_from_the_confirmation_and_a_used_one_is_replaced() {
    let kit = Kit::new().await;
    let token = kit.mfa_token("web", "alice").await;
    let first = kit.associate(&token, json!({ "authenticator_types": ["otp"] })).await.ok();
    // Another enrolment takes its place, and its codes with it; none of either is valid yet.
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"] });
    let second = kit.associate(&token, body).await.ok();
    for code in [&first.texts("recovery_codes")[0], &second.texts("recovery_codes")[0]] {
        kit.recovery("web", &token, code).await.is(400, "invalid_grant");
    }
    let code = kit.app(&first.text("secret"));
    kit.otp("web", &token, &code).await.is(400, "invalid_grant");
    let codes = second.texts("recovery_codes");
    kit.oob("web", &token, &second.text("oob_code"), Some(&kit.letters.code())).await.ok();

    let token = kit.mfa_token("web", "alice").await;
    kit.recovery("web", &token, &first.texts("recovery_codes")[0]).await.says(
        400,
        "invalid_grant",
        "Invalid recovery_code.",
    );
    let answer = kit.recovery("web", &token, &codes[0]).await.ok();
    let next = answer.text("recovery_code");
    assert!(!codes.contains(&next) && next.len() == codes[0].len(), "{next}");
    assert_eq!(kit.events(EventKind::RecoveryCodeUsed), 1);
    // The used one is spent; the new one works once, and so do the others.
    let token = kit.mfa_token("web", "alice").await;
    kit.recovery("web", &token, &codes[0]).await.is(400, "invalid_grant");
    kit.recovery("web", &token, &next).await.ok();
    let token = kit.mfa_token("web", "alice").await;
    kit.recovery("web", &token, &next).await.is(400, "invalid_grant");
    kit.recovery("web", &token, &codes[1]).await.ok();
    let token = kit.mfa_token("web", "alice").await;
    let listed = kit.list(&token).await.ok().json;
    let recovery = listed.as_array().unwrap().iter().find(|one| one["authenticator_type"] == "recovery-code").unwrap();
    assert!(recovery["id"].as_str().unwrap().starts_with("recovery-code|dev_"), "{recovery}");
}

#[tokio::test]
async fn mfa_api_sms_first_and_then_an_app_as_the_guides_have_it() {
    let kit = Kit::new().await;
    kit.with_phone("web", "alice").await;
    // A token of the API's own, from a login in which the phone was just proven.
    let own = kit.own_token("web", "enroll read:authenticators", kit.who("u-1", 2)).await.ok();
    assert_eq!((&own.json["expires_in"], own.json.get("refresh_token")), (&json!(600), None));
    let bearer = own.text("access_token");
    // As widely copied examples have it: client credentials in the body beside the header.
    let body = json!({ "client_id": "web", "client_secret": crate::SECRET, "authenticator_types": ["otp"] });
    let given = kit.associate(&bearer, body).await.ok();
    assert!(given.json.get("recovery_codes").is_none(), "there are some already: {}", given.json);
    kit.advance(60);
    let body = json!({
        "grant_type": MfaApi::OTP, "client_id": "web", "client_secret": crate::SECRET, "mfa_token": bearer,
        "otp": kit.app(&given.text("secret")),
    });
    let confirmed = kit.post("/oauth/token", Some(&bearer), body).await.ok();
    assert_eq!(confirmed.text("scope"), "enroll read:authenticators");
    assert_eq!(confirmed.json["expires_in"], 540, "it ends when the first one would have");
    assert_eq!(confirmed.json.get("refresh_token"), None);
    let listed = kit.list(&confirmed.text("access_token")).await.ok().json;
    let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["authenticator_type"].clone()).collect();
    assert_eq!(kinds, [json!("oob"), json!("recovery-code"), json!("otp")]);
    assert_eq!(kit.events(EventKind::FactorEnrolled), 2);
    // Both are asked from now on, whichever the user has at hand.
    kit.advance(30);
    let answer = kit.password("web", "alice", "orders").await;
    let mut challenge = answer.required("challenge");
    challenge.sort_unstable();
    assert_eq!(challenge, ["otp", "phone", "recovery-code"]);
    kit.otp("web", &answer.text("mfa_token"), &kit.app(&given.text("secret"))).await.ok();
}

#[tokio::test]
async fn mfa_api_without_a_requirement_a_password_is_enough_and_a_scope_asks_for_more() {
    let kit = Kit::with(Policy::never().first_enrolment(FirstEnrolment::ThisLogin), |mfa| mfa).await;
    let tokens = kit.password("spa", "alice", "openid orders offline_access").await.ok();
    assert_eq!(
        (tokens.text("scope").as_str(), &tokens.claims()["amr"]),
        ("openid orders offline_access", &json!(["pwd"]))
    );
    assert!(!tokens.text("refresh_token").is_empty());
    assert!(kit.password("spa", "alice", "openid orders").await.ok().text("refresh_token").is_empty());
    kit.password("spa", "alice", "payments").await.is(403, "mfa_required");
    let body = json!({
        "grant_type": MfaApi::PASSWORD_REALM, "username": "alice", "password": "alice-password",
        "realm": "Username-Password-Authentication", "scope": "orders",
    });
    kit.token("spa", body.clone()).await.ok();
    let mut without = body;
    without.as_object_mut().unwrap().remove("realm");
    kit.token("spa", without).await.is(400, "invalid_request");
}

#[tokio::test]
async fn mfa_api_a_first_factor_is_opened_by_a_verified_address_where_the_policy_says_so() {
    let policy = Policy::always().first_enrolment(FirstEnrolment::VerifiedChannel);
    let kit = Kit::with(policy, |mfa| mfa).await;
    let answer = kit.password("spa", "alice", "orders").await;
    assert_eq!((answer.required("challenge"), answer.required("enroll")), (vec!["email".into()], vec![]));
    let token = answer.text("mfa_token");
    let app = json!({ "authenticator_types": ["otp"] });
    kit.associate(&token, app.clone()).await.is(403, "access_denied");
    let listed = kit.list(&token).await.ok().json;
    assert_eq!((&listed[0]["oob_channel"], &listed[0]["name"]), (&json!("email"), &json!("a***@example.com")));
    let asked = kit.challenge("spa", &token, json!({ "authenticator_id": listed[0]["id"] })).await.ok();
    // The code proves nothing by itself: it opens the way, and the answer says what is next.
    let opened = kit.oob("spa", &token, &asked.text("oob_code"), Some(&kit.letters.code())).await;
    opened.is(403, "mfa_required");
    assert_eq!((opened.text("mfa_token"), opened.required("challenge")), (token.clone(), vec![]));
    let given = kit.associate(&token, app).await.ok();
    let tokens = kit.otp("spa", &token, &kit.app(&given.text("secret"))).await.ok();
    assert_eq!(tokens.claims()["amr"], json!(["pwd", "otp", "mfa"]));
}

#[tokio::test]
async fn mfa_api_a_user_without_a_way_is_told_and_nothing_can_be_set_up_where_that_is_closed() {
    let kit = Kit::with(Policy::never().first_enrolment(FirstEnrolment::Closed), |mfa| mfa).await;
    kit.password("spa", "alice", "payments").await.is(400, "unmet_authentication_requirements");
    let own = kit.own_token("spa", "enroll", kit.who("u-1", 1)).await.ok();
    let body = json!({ "authenticator_types": ["otp"] });
    kit.associate(&own.text("access_token"), body).await.is(403, "access_denied");
}

#[tokio::test]
async fn rfc7591_2_the_api_is_told_in_metadata_and_open_to_clients_that_name_it() {
    let kit = Kit::new().await;
    let metadata = kit.send(http::Method::GET, "/.well-known/oauth-authorization-server", None, None).await.ok().json;
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    assert!(grants.contains(&json!(MfaApi::OTP)) && !grants.contains(&json!("password")), "{grants:?}");
    assert!(!metadata["scopes_supported"].as_array().unwrap().contains(&json!("enroll")), "{metadata}");
    for path in ["/mfa/associate", "/mfa/challenge", "/mfa/authenticators"] {
        let request = http::Request::options(path).header("host", "id.example.com").body(bytes::Bytes::new()).unwrap();
        let response = kit.server.handle(request).await;
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
        assert!(response.headers().get("access-control-allow-credentials").is_none(), "{path}");
    }
    let answer = kit.password("bare", "alice", "orders").await;
    answer.is(403, "mfa_required");
    assert!(answer.json.get("mfa_token").is_none(), "a client without the grants gets no token: {}", answer.json);
    kit.password("shop", "alice", "orders").await.is(400, "unsupported_grant_type");
}
