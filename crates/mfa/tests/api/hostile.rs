//! What goes wrong, and what is tried.

use bytes::Bytes;
use countersign_mfa::oauth::MfaApi;
use countersign_mfa::{FirstEnrolment, Limits, Policy};
use http::{Request, header};
use serde_json::{Value, json};

use crate::{Kit, SECRET};

#[tokio::test]
async fn mfa_api_a_token_is_its_clients_in_time_and_once() {
    let kit = Kit::new().await;
    let (secret, ..) = kit.with_app("web", "alice").await;
    let token = kit.mfa_token("web", "alice").await;
    for bad in
        ["", "x", "cs_mfa_", &token[..token.len() - 1], &format!("{token}A"), &token.replace("cs_mfa_", "cs_at_")]
    {
        let answer = kit.otp("web", bad, &kit.app(&secret)).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.json);
        if !bad.is_empty() {
            answer.says(400, "invalid_grant", "Malformed mfa_token");
        }
        assert_eq!(kit.list(bad).await.status / 100, 4, "{bad}");
    }
    // Another client's, at every call that names one.
    kit.otp("spa", &token, &kit.app(&secret)).await.says(400, "invalid_grant", "Malformed mfa_token");
    kit.challenge("spa", &token, json!({})).await.says(400, "invalid_grant", "Malformed mfa_token");
    let body = json!({ "client_id": "spa", "authenticator_types": ["otp"] });
    kit.associate(&token, body).await.says(400, "invalid_grant", "Malformed mfa_token");
    // Without its client's credentials.
    let body = json!({ "grant_type": MfaApi::OTP, "client_id": "web", "mfa_token": token, "otp": kit.app(&secret) });
    kit.post("/oauth/token", Some(&token), body).await.is(401, "invalid_client");
    let body = json!({ "client_id": "web", "client_secret": "wrong", "mfa_token": token });
    kit.post("/mfa/challenge", None, body).await.is(401, "invalid_client");
    // Once.
    kit.otp("web", &token, &kit.app(&secret)).await.ok();
    kit.otp("web", &token, &kit.app(&secret)).await.is(400, "invalid_grant");
    kit.advance(61);
    kit.otp("web", &token, &kit.app(&secret)).await.is(400, "expired_token");
    // In time.
    let token = kit.mfa_token("web", "alice").await;
    kit.advance(599);
    kit.list(&token).await.ok();
    kit.advance(1);
    kit.otp("web", &token, &kit.app(&secret)).await.says(400, "expired_token", "mfa_token is expired");
    kit.list(&token).await.says(401, "expired_token", "mfa_token is expired");
    kit.challenge("web", &token, json!({})).await.is(400, "expired_token");
    kit.advance(600);
    kit.otp("web", &token, &kit.app(&secret)).await.says(400, "expired_token", "mfa_token is expired");
}

#[tokio::test]
async fn promise_12_a_token_from_before_an_end_of_everything_is_dead() {
    let kit = Kit::new().await;
    let (secret, ..) = kit.with_app("web", "alice").await;
    let token = kit.mfa_token("web", "alice").await;
    kit.server.revoke_subject("u-1").await.unwrap();
    kit.list(&token).await.is(401, "expired_token");
    kit.challenge("web", &token, json!({})).await.is(400, "expired_token");
    kit.otp("web", &token, &kit.app(&secret)).await.is(400, "expired_token");
}

#[tokio::test]
async fn m25_with_an_active_factor_a_login_sets_nothing_up() {
    let kit = Kit::new().await;
    let early = kit.mfa_token("spa", "alice").await;
    let pending = kit.associate(&early, json!({ "authenticator_types": ["otp"] })).await.ok();
    kit.with_app("web", "alice").await;
    // A login from before the factor came, too: neither anew nor what it had begun.
    kit.associate(&early, json!({ "authenticator_types": ["otp"] })).await.says(
        403,
        "access_denied",
        "User is already enrolled",
    );
    assert_ne!(kit.otp("spa", &early, &kit.app(&pending.text("secret"))).await.status, 200);
    let token = kit.mfa_token("spa", "alice").await;
    for body in [
        json!({ "authenticator_types": ["otp"] }),
        json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+4915112345623" }),
    ] {
        kit.associate(&token, body).await.says(403, "access_denied", "User is already enrolled");
    }
    assert_eq!(kit.letters.codes(), 0);
}

#[tokio::test]
async fn m24_wrong_codes_count_over_tokens_challenges_and_factors() {
    let kit = Kit::new().await;
    let (secret, codes, _) = kit.with_app("web", "alice").await;
    let mut wrong = 0;
    'guessing: for _ in 0..6 {
        let token = kit.mfa_token("spa", "alice").await;
        for _ in 0..2 {
            kit.challenge("spa", &token, json!({})).await.ok();
            let answer = kit.otp("spa", &token, "000000").await;
            if answer.status == 429 {
                break 'guessing;
            }
            answer.says(400, "invalid_grant", "Invalid otp_code.");
            wrong += 1;
        }
    }
    assert_eq!(wrong, 10, "as many as on the pages");
    let token = kit.mfa_token("spa", "alice").await;
    let answer = kit.otp("spa", &token, &kit.app(&secret)).await;
    assert_eq!(answer.status, 429, "a right code is not looked at either: {}", answer.json);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(kit.recovery("spa", &token, &codes[0]).await.status, 429, "another factor is no way round");
    assert!(kit.events(countersign_events::EventKind::GuessingThrottled) > 0);
}

#[tokio::test]
async fn promise_6_passwords_are_throttled_and_an_unknown_user_looks_like_a_wrong_password() {
    let kit = Kit::new().await;
    let ask = |user: &'static str, password: &'static str| {
        let body = json!({ "grant_type": "password", "username": user, "password": password, "scope": "orders" });
        let kit = kit.clone();
        async move { kit.token("spa", body).await }
    };
    let (known, unknown) = (ask("alice", "wrong").await, ask("nobody", "wrong").await);
    known.says(400, "invalid_grant", "Wrong email or password.");
    assert_eq!((known.status, &known.json), (unknown.status, &unknown.json));
    for user in ["alice", "nobody"] {
        for _ in 1..10 {
            ask(user, "wrong").await.is(400, "invalid_grant");
        }
        let stopped = ask(user, "wrong").await;
        assert_eq!(stopped.status, 429, "{user}");
        assert!(stopped.headers.contains_key("retry-after"));
    }
    assert_eq!(ask("alice", "alice-password").await.status, 429, "a right one is not looked at either");
}

#[tokio::test]
async fn promise_11_a_code_works_for_its_own_challenge_and_login_alone() {
    let kit =
        Kit::with(Policy::always().first_enrolment(FirstEnrolment::ThisLogin), |mfa| mfa.limits(Limits::off())).await;
    kit.with_phone("spa", "alice").await;
    let (one, two) = (kit.mfa_token("spa", "alice").await, kit.mfa_token("spa", "alice").await);
    let first = kit.challenge("spa", &one, json!({})).await.ok().text("oob_code");
    let first_code = kit.letters.code();
    let second = kit.challenge("spa", &two, json!({})).await.ok().text("oob_code");
    let second_code = kit.letters.code();
    for (token, oob_code, code) in [
        (&one, &second, &second_code),
        (&one, &first, &second_code),
        (&two, &first, &first_code),
        (&two, &second, &first_code),
    ] {
        kit.oob("spa", token, oob_code, Some(code)).await.says(400, "invalid_grant", "Invalid binding_code.");
    }
    // A challenge that was asked for again makes the first one void.
    let again = kit.challenge("spa", &one, json!({})).await.ok().text("oob_code");
    assert_ne!(again, first);
    kit.oob("spa", &one, &first, Some(&first_code)).await.is(400, "invalid_grant");
    kit.oob("spa", &one, &again, Some(&kit.letters.code())).await.ok();
    kit.oob("spa", &two, &second, Some(&second_code)).await.ok();
    // What associate gave confirms no challenge.
    let kit =
        Kit::with(Policy::always().first_enrolment(FirstEnrolment::ThisLogin), |mfa| mfa.limits(Limits::off())).await;
    let token = kit.mfa_token("spa", "bob").await;
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"] });
    let given = kit.associate(&token, body).await.ok().text("oob_code");
    let code = kit.letters.code();
    kit.challenge("spa", &token, json!({})).await.says(
        400,
        "association_required",
        "User does not have any authenticators enrolled",
    );
    kit.otp("spa", &token, &code).await.is(400, "invalid_grant");
    kit.oob("spa", &token, "cs_oob_x", Some(&code)).await.is(400, "invalid_grant");
    kit.oob("spa", &token, &given, None).await.is(400, "invalid_request");
    kit.oob("spa", &token, &given, Some(&code)).await.ok();
}

#[tokio::test]
async fn m24_messages_are_sent_no_faster_than_on_the_pages_and_codes_expire() {
    let kit = Kit::new().await;
    kit.with_phone("spa", "alice").await;
    let token = kit.mfa_token("spa", "alice").await;
    let asked = kit.challenge("spa", &token, json!({})).await.ok().text("oob_code");
    let sent = kit.letters.codes();
    for token in [&token, &kit.mfa_token("spa", "alice").await] {
        let early = kit.challenge("spa", token, json!({})).await;
        assert_eq!((early.status, early.text("error").as_str()), (429, "slow_down"), "{}", early.json);
        assert!(early.headers.contains_key("retry-after"));
    }
    assert_eq!(kit.letters.codes(), sent);
    kit.advance(301);
    kit.oob("spa", &token, &asked, Some(&kit.letters.code())).await.is(400, "invalid_grant");
}

#[tokio::test]
async fn promise_7_every_member_is_judged() {
    let kit = Kit::new().await;
    kit.with_phone("spa", "alice").await;
    let token = kit.mfa_token("spa", "alice").await;
    let fresh = kit.mfa_token("spa", "bob").await;
    let long = "x".repeat(400);
    for (body, error) in [
        (json!({}), "invalid_request"),
        (json!([]), "invalid_request"),
        (json!({ "authenticator_types": "otp" }), "invalid_request"),
        (json!({ "authenticator_types": [] }), "invalid_request"),
        (json!({ "authenticator_types": ["otp", "oob"] }), "invalid_request"),
        (json!({ "authenticator_types": [1] }), "invalid_request"),
        (json!({ "authenticator_types": ["webauthn"] }), "invalid_request"),
        (json!({ "authenticator_types": [long] }), "invalid_request"),
        (json!({ "authenticator_types": ["oob"] }), "invalid_request"),
        (json!({ "authenticator_types": ["oob"], "oob_channels": "sms" }), "invalid_request"),
        (json!({ "authenticator_types": ["oob"], "oob_channels": ["pigeon"] }), "invalid_request"),
        (json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"] }), "invalid_request"),
        (json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "12" }), "invalid_request"),
        (json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": 12 }), "invalid_request"),
        (json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": long }), "invalid_request"),
        (json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "@" }), "invalid_request"),
        (json!({ "authenticator_types": ["oob"], "oob_channels": ["auth0"] }), "access_denied"),
        (json!({ "authenticator_types": ["otp"], "client_id": 7 }), "invalid_request"),
        (json!({ "authenticator_types": ["otp"], "client_id": "nobody" }), "invalid_client"),
    ] {
        let answer = kit.associate(&fresh, body.clone()).await;
        assert_eq!(answer.text("error"), error, "{body} {}", answer.json);
        assert!(answer.status >= 400 && answer.status < 500, "{body}");
    }
    for (body, error) in [
        (json!({}), "invalid_client"),
        (json!({ "client_id": "spa" }), "invalid_request"),
        (json!({ "client_id": "spa", "mfa_token": 7 }), "invalid_request"),
        (json!({ "client_id": "spa", "mfa_token": long }), "invalid_request"),
        (json!({ "client_id": "spa", "mfa_token": token, "challenge_type": 7 }), "invalid_request"),
        (json!({ "client_id": "spa", "mfa_token": token, "challenge_type": "otp" }), "unsupported_challenge_type"),
        (json!({ "client_id": "spa", "mfa_token": token, "challenge_type": "pigeon" }), "unsupported_challenge_type"),
        (json!({ "client_id": "spa", "mfa_token": token, "authenticator_id": "sms|dev_1" }), "invalid_request"),
        (json!({ "client_id": "spa", "mfa_token": token, "authenticator_id": long }), "invalid_request"),
        (json!({ "client_id": "spa", "mfa_token": token, "authenticator_id": {} }), "invalid_request"),
        (json!({ "client_id": "web", "mfa_token": token }), "invalid_client"),
        (json!({ "client_id": "spa", "client_secret": SECRET, "mfa_token": token }), "invalid_client"),
    ] {
        let answer = kit.post("/mfa/challenge", None, body.clone()).await;
        assert_eq!(answer.text("error"), error, "{body} {}", answer.json);
    }
    for (grant_type, member) in
        [(MfaApi::OTP, "otp"), (MfaApi::OOB, "oob_code"), (MfaApi::RECOVERY_CODE, "recovery_code")]
    {
        for (name, value) in
            [("", ""), (member, ""), (member, long.as_str()), ("mfa_token", ""), ("binding_code", long.as_str())]
        {
            let mut body = json!({ "grant_type": grant_type, "mfa_token": token, member: "1" });
            body[name] = value.into();
            let answer = kit.token("spa", body.clone()).await;
            assert!(answer.status == 400, "{body} {}", answer.json);
        }
    }
    for name in ["username", "password"] {
        let mut body = json!({ "grant_type": "password", "username": "alice", "password": "alice-password" });
        body[name] = "".into();
        kit.token("spa", body).await.is(400, "invalid_request");
    }
    let body = json!({ "grant_type": "password", "username": "alice", "password": "x".repeat(1_100) });
    kit.token("spa", body).await.is(400, "invalid_grant");
    assert_eq!(kit.letters.codes(), 1, "nothing of all this sent anything");
}

#[tokio::test]
async fn promise_7_bodies_are_json_of_unique_names_and_docs_that_name_no_type_are_served() {
    let kit = Kit::new().await;
    kit.with_phone("spa", "alice").await;
    let token = kit.mfa_token("spa", "alice").await;
    let send = |content_type: Option<&'static str>, body: String| {
        let request = Request::post("/mfa/challenge").header(header::HOST, "id.example.com");
        let request =
            content_type.into_iter().fold(request, |request, typed| request.header(header::CONTENT_TYPE, typed));
        let mut request = request.body(Bytes::from(body)).unwrap();
        request.extensions_mut().insert(countersign_oauth_core::Peer::new([192, 0, 2, 1].into()));
        let kit = kit.clone();
        async move { kit.server.handle(request).await.status().as_u16() }
    };
    let body = json!({ "client_id": "spa", "mfa_token": token }).to_string();
    assert_eq!(send(Some("application/x-www-form-urlencoded"), body.clone()).await, 400);
    assert_eq!(send(Some("text/json"), body.clone()).await, 400);
    assert_eq!(send(None, format!("{{\"client_id\":\"spa\",{}", &body[1..])).await, 400, "a name twice");
    assert_eq!(send(None, format!("{body} {{}}")).await, 400);
    assert_eq!(send(None, String::new()).await, 400);
    assert_eq!(send(None, body).await, 200);
    let malformed: Value = json!({ "deep": [[[[[[[1]]]]]]] });
    assert_eq!(send(None, malformed.to_string()).await, 400);
}

#[tokio::test]
async fn promise_8_no_token_is_below_what_is_required() {
    // The policy, a scope, and a client, each alone; and a recovery code that is no second kind of nothing.
    let kit = Kit::new().await;
    kit.password("spa", "alice", "").await.is(403, "mfa_required");
    let (secret, ..) = kit.with_app("spa", "alice").await;
    kit.password("spa", "alice", "orders").await.is(403, "mfa_required");
    let tokens = {
        let token = kit.mfa_token("spa", "alice").await;
        kit.otp("spa", &token, &kit.app(&secret)).await.ok()
    };
    let claims = tokens.claims();
    assert_eq!(claims["acr"], "http://schemas.openid.net/pape/policies/2007/06/multi-factor");
    // A narrower request of the second call stays within the first.
    kit.advance(30);
    let token = kit.password("spa", "alice", "orders").await.text("mfa_token");
    let body =
        |scope: &str| json!({ "grant_type": MfaApi::OTP, "mfa_token": token, "otp": kit.app(&secret), "scope": scope });
    kit.token("spa", body("orders payments")).await.is(400, "invalid_scope");
}
