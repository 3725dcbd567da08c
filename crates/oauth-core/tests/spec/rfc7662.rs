//! RFC 7662: introspection.

use std::sync::Arc;

use bytes::Bytes;
use countersign_events::EventKind;
use countersign_oauth_core::{Client, ClientKeys, ConfigError, Extension, Resource, Server};
use countersign_primitives::{Acr, Id, Subject};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::MasterKey;
use countersign_storage_traits::testkit::Call;
use countersign_tokens::SigningAlgorithm;
use http::Method;
use serde_json::{Value, json};

use crate::kit::*;
use crate::promise_12::Users;
use crate::rfc7523::{Signer, claims};

const PATH: &str = "/oauth/introspect";

/// A grant whose tokens `orders` may ask about.
fn tokens(kit: &Kit, client: &str) -> Answer {
    kit.tokens(client, "read offline_access")
}

#[test]
fn rfc7662_2_2_an_api_hears_what_a_token_sent_to_it_is_worth() {
    let kit = with_services();
    for client in ["app", "bff"] {
        let answer = kit.introspect("orders", tokens(&kit, client).text("access_token")).ok();
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        let mut worth = answer.json;
        assert!(worth["jti"].take().as_str().unwrap().len() >= 22);
        let now = START.as_secs();
        assert_eq!(
            worth,
            json!({"active": true, "iss": ISSUER, "sub": "alice", "client_id": client, "scope": "read offline_access",
                "aud": API, "token_type": "Bearer", "exp": now + 900, "iat": now, "jti": null, "auth_time": now,
                "acr": Acr::AAL1.as_str(), "amr": ["pwd"]})
        );
    }
}

#[test]
fn rfc7662_2_2_a_service_is_its_own_subject_and_nobody_signed_in() {
    let kit = with_services();
    for client in ["billing", "vault"] {
        let token = kit.own_token(client, &[("resource", API)]).ok();
        let mut worth = kit.introspect("orders", token.text("access_token")).ok().json;
        worth["jti"].take();
        let now = START.as_secs();
        let mut expected = json!({"active": true, "iss": ISSUER, "sub": client, "client_id": client, "aud": API,
            "token_type": "Bearer", "exp": now + 900, "iat": now, "jti": null});
        if client == "billing" {
            expected["scope"] = json!("read write");
        }
        assert_eq!(worth, expected);
    }
}

#[test]
fn rfc7662_2_2_a_client_hears_of_its_own_tokens_the_refresh_token_too() {
    let kit = with_services();
    let answer = kit.tokens("web", "read offline_access");
    kit.is_active("web", answer.text("access_token"));
    let now = START.as_secs();
    assert_eq!(
        kit.introspect("web", answer.text("refresh_token")).ok().json,
        json!({"active": true, "iss": ISSUER, "sub": "alice", "client_id": "web", "scope": "read offline_access",
            "exp": now + 30 * 86_400, "auth_time": now, "acr": Acr::AAL1.as_str(), "amr": ["pwd"]})
    );
    let own = kit.own_token("vault", &[]).ok();
    kit.is_active("vault", own.text("access_token"));
}

#[test]
fn rfc7662_2_2_each_token_has_a_name_of_its_own() {
    let kit = with_services();
    let name = |token: &Answer| kit.introspect("orders", token.text("access_token")).ok().text("jti").to_owned();
    for client in ["app", "bff"] {
        let first = tokens(&kit, client);
        let second = kit.refresh(client, first.text("refresh_token")).ok();
        assert_ne!(name(&first), name(&second));
        assert_eq!(name(&first), name(&first));
    }
    let jwt = tokens(&kit, "app");
    assert_eq!(name(&jwt), jwt.claims()["jti"]);
}

#[test]
fn rfc7662_4_attack_41_a_token_that_is_not_the_askers_looks_like_none() {
    let kit = with_services();
    for client in ["app", "bff", "web"] {
        let answer = kit.tokens(client, "read offline_access");
        for token in [answer.text("access_token"), answer.text("refresh_token")] {
            // Another API, another client, a service.
            for asker in ["ledger", "post", "billing"] {
                kit.is_inactive(asker, token);
            }
        }
        // An API hears of access tokens alone: a refresh token that reached it has leaked.
        kit.is_active("orders", answer.text("access_token"));
        kit.is_inactive("orders", answer.text("refresh_token"));
    }
    // For this server alone: no API may ask.
    let own = kit.tokens("app", "openid");
    kit.is_inactive("orders", own.text("access_token"));
    // For two: each may.
    let both = kit.own_token("billing", &[("resource", API), ("resource", OTHER)]).ok();
    kit.is_active("orders", both.text("access_token"));
    kit.is_active("ledger", both.text("access_token"));
}

#[test]
fn rfc7662_2_2_what_is_no_token_is_inactive_and_nothing_else_is_told() {
    let kit = with_services();
    let answer = kit.tokens("web", "openid offline_access");
    let jwt = answer.text("access_token");
    let opaque = kit.own_token("vault", &[]).ok().text("access_token").to_owned();
    for none in [
        "x".to_owned(),
        "a.b.c".to_owned(),
        "\u{e4}".to_owned(),
        "x".repeat(16_000),
        "cs_access_".to_owned(),
        "cs_refresh_AAAA".to_owned(),
        format!("{jwt}x"),
        format!("{}.", jwt.rsplit_once('.').unwrap().0),
        forged(&opaque),
        forged(answer.text("refresh_token")),
        kit.code("web", "read"),
        block_on(kit.server.sign("JWT", &answer.claims())).unwrap(),
    ] {
        for client in ["web", "vault", "orders"] {
            kit.is_inactive(client, &none);
        }
    }
    kit.is_active("web", jwt);
    kit.is_active("vault", &opaque);
}

#[test]
fn rfc7662_2_1_a_hint_is_only_a_hint() {
    let kit = with_services();
    let answer = kit.tokens("web", "read offline_access");
    for token in [answer.text("access_token"), answer.text("refresh_token")] {
        for hint in ["access_token", "refresh_token", "pct", "nonsense", ""] {
            let form = Form::new().with("token", token).with("token_type_hint", hint);
            assert_eq!(kit.send(PATH, "web", &form).ok().json["active"], true, "{hint}");
        }
    }
}

#[test]
fn rfc7662_2_1_who_does_not_authenticate_hears_nothing() {
    let kit = with_services();
    let answer = kit.tokens("app", "read");
    let form = Form::new().with("token", answer.text("access_token"));
    let send = |form: &Form, headers: &[(&str, String)]| kit.post_form(PATH, &form.encode(), headers);
    let bearer = ("authorization", format!("Bearer {}", answer.text("access_token")));
    for (answer, cause) in [
        (send(&form, &[]), "client.not_authenticated"),
        (send(&form, &[bearer]), "client.not_authenticated"),
        (send(&form.clone().with("client_id", "orders"), &[]), "client.not_authenticated"),
        // The token is its own, and still: it cannot be told from whoever found the token.
        (send(&form.clone().with("client_id", "app"), &[]), "introspection.public_client"),
        (send(&form.clone().with("client_id", "nobody"), &[]), "client.unknown"),
        (send(&form, &[basic("orders", "0f0c9a1e7d3b48a6b2c4d6e8f0a1b3c5")]), "client.wrong_secret"),
        (send(&form.clone().with("client_id", "orders").with("client_secret", SECRET), &[]), "client.wrong_method"),
    ] {
        answer.is_error(401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
        assert!(kit.events(EventKind::ClientRefused).iter().any(|event| event.cause() == Some(cause)), "{cause}");
    }
    kit.is_active("orders", answer.text("access_token"));
}

#[test]
fn rfc7662_2_1_a_request_is_a_form_with_one_token() {
    let kit = with_services();
    let send = |body: &str| kit.post_form(PATH, body, &[service("orders")]);
    for body in ["", "token=", "token_type_hint=access_token", "token=a&token=b", "token=%zz", "token=%ff"] {
        send(body).is_error(400, "invalid_request");
    }
    send("token=a&client_id=ledger").is_error(400, "invalid_request");
    let json = request(Method::POST, PATH).header("content-type", "application/json");
    let (name, value) = service("orders");
    kit.handle(json.header(name, value).body(Bytes::from_static(b"{\"token\":\"a\"}")).unwrap())
        .is_error(400, "invalid_request");
    assert!(kit.events(EventKind::IntrospectionRefused).len() >= 8);
    let by_get = kit.get("/oauth/introspect?token=a");
    assert_eq!((by_get.status.as_u16(), by_get.header("allow")), (405, "POST"));
    // No page of another origin reads an answer.
    let preflight = request(Method::OPTIONS, PATH).header("origin", "https://spa.example.com");
    assert_eq!(kit.handle(preflight.body(Bytes::new()).unwrap()).header("access-control-allow-origin"), "");
}

#[test]
fn rfc7662_2_1_an_api_may_sign_in_with_its_own_key() {
    let signer = Signer::new(SigningAlgorithm::Es256);
    let keys = ClientKeys::from_jwks(&signer.jwks(), None).unwrap();
    let robot = Client::with_keys("robot", keys).grant_types([""; 0]).introspects(API);
    let kit = Kit::with(|builder| services(builder).client(robot));
    let token = kit.tokens("app", "read");
    let header = json!({ "alg": "ES256", "kid": signer.jwk()["kid"] });
    let form = |assertion: &str| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = Form::new().with("token", token.text("access_token")).with("client_assertion_type", kind);
        form.with("client_assertion", assertion).encode()
    };
    let assertion = signer.sign(&header, &claims("robot", "1"));
    assert_eq!(kit.post_form(PATH, &form(&assertion), &[]).ok().json["active"], true);
    // Each serves once, here as at the token endpoint.
    kit.post_form(PATH, &form(&assertion), &[]).is_error(401, "invalid_client");
    assert_eq!(kit.cause(), "client.assertion_replayed");
}

/// Tokens of both formats are worth nothing, to the API and to their client, once `end` has ended what they rest on.
#[track_caller]
fn ends(kit: &Kit, tokens: impl Fn(&str) -> Answer, end: impl Fn()) {
    let all = ["web", "bff"].map(tokens);
    for answer in &all {
        kit.is_active("orders", answer.text("access_token"));
    }
    end();
    for answer in &all {
        kit.is_inactive("orders", answer.text("access_token"));
        kit.is_inactive("web", answer.text("access_token"));
        kit.is_inactive("web", answer.text("refresh_token"));
    }
}

#[test]
fn rfc7662_4_attack_41_every_rule_that_ends_a_token_counts() {
    let users = Users::default();
    users.set("alice", true);
    let kit = Kit::with(|builder| services(builder).accounts(Arc::new(users.clone())));
    let fresh = |client: &str| kit.tokens(client, "read offline_access");
    // The subject's epoch.
    ends(&kit, fresh, || block_on(kit.server.revoke_subject("alice")).unwrap());
    // The account.
    ends(&kit, fresh, || users.set("alice", false));
    users.set("alice", true);
    // The session, where nothing was given beyond it.
    let in_session = |client: &str| {
        let code = kit.code_for(&authorization(client, "read"), alice(&kit).session("s-1"));
        kit.redeem(client, &code).ok()
    };
    ends(&kit, in_session, || block_on(kit.server.session_ended("s-1")).unwrap());
    // The grant, by a replay of its code.
    for client in ["web", "bff"] {
        let code = kit.code(client, "read offline_access");
        let answer = kit.redeem(client, &code).ok();
        kit.is_active("orders", answer.text("access_token"));
        kit.redeem(client, &code).is_error(400, "invalid_grant");
        kit.is_inactive("orders", answer.text("access_token"));
    }
    // The time.
    let answer = kit.tokens("bff", "read offline_access");
    let jwt = kit.tokens("web", "read offline_access");
    kit.advance(899);
    kit.is_active("orders", answer.text("access_token"));
    kit.advance(1);
    kit.is_inactive("orders", answer.text("access_token"));
    kit.is_inactive("web", jwt.text("access_token"));
    kit.is_active("web", jwt.text("refresh_token"));
    kit.advance(30 * 86_400);
    kit.is_inactive("web", jwt.text("refresh_token"));
}

#[test]
fn rfc7662_4_attack_41_a_client_that_was_made_anew_has_no_tokens() {
    let store = MemoryStore::new();
    let with = |instance: u8| {
        Kit::over(ISSUER, store.clone(), |builder| {
            let own = Client::service("own", SECRET).instance(Id::from_bytes([instance; 16]));
            services(builder).client(own)
        })
    };
    let token = with(1).own_token("own", &[("resource", API)]).ok();
    with(1).is_active("orders", token.text("access_token"));
    for asker in ["orders", "own"] {
        with(2).is_inactive(asker, token.text("access_token"));
    }
    // And where the client is gone.
    Kit::over(ISSUER, store, services).is_inactive("orders", token.text("access_token"));
}

#[test]
fn rfc7662_2_2_a_refresh_token_is_active_while_it_would_be_taken_and_asking_uses_nothing() {
    let kit = with_services();
    let first = kit.tokens("web", "read offline_access");
    let second = kit.refresh("web", first.text("refresh_token")).ok();
    // Within the grace the first one still yields the same successor.
    kit.is_active("web", first.text("refresh_token"));
    kit.is_active("web", second.text("refresh_token"));
    kit.advance(30);
    kit.is_inactive("web", first.text("refresh_token"));
    kit.is_active("web", second.text("refresh_token"));
    assert!(kit.events(EventKind::RefreshTokenReused).is_empty());
    kit.is_alive("web", &second);
}

/// Another name for everybody's subject, towards one client.
#[derive(Debug)]
struct Pairwise;

impl Extension for Pairwise {
    fn name(&self) -> &'static str {
        "pairwise"
    }

    fn subject(&self, client: &Client, subject: &Subject) -> Option<Subject> {
        matches!(client.id(), "web" | "bff").then(|| Subject::new(format!("{}-{}", client.id(), subject.as_str())))
    }
}

#[test]
fn rfc7662_2_2_the_subject_is_the_one_that_the_client_knows() {
    let kit = Kit::with(|builder| services(builder).extension(Pairwise));
    for (client, subject) in [("app", "alice"), ("web", "web-alice"), ("bff", "bff-alice")] {
        let answer = kit.tokens(client, "read offline_access");
        assert_eq!(kit.introspect("orders", answer.text("access_token")).ok().text("sub"), subject);
        if client == "web" {
            assert_eq!(kit.introspect("web", answer.text("refresh_token")).ok().text("sub"), subject);
        }
    }
}

#[test]
fn promise_14_every_read_that_fails_tells_nothing_of_a_token() {
    let kit = with_services();
    let (jwt, opaque) = (kit.tokens("web", "read offline_access"), kit.tokens("bff", "read offline_access"));
    for (asker, token) in [
        ("orders", jwt.text("access_token")),
        ("orders", opaque.text("access_token")),
        ("web", jwt.text("refresh_token")),
    ] {
        kit.script.restart();
        kit.is_active(asker, token);
        let reads = kit.script.calls(Call::Get);
        assert!(reads >= 2);
        for read in 1..=reads {
            kit.script.restart();
            kit.script.fail(Call::Get, read);
            let answer = kit.introspect(asker, token);
            answer.is_error(503, "temporarily_unavailable");
            assert_eq!((answer.header("retry-after"), &answer.json["active"]), ("1", &Value::Null));
        }
    }
}

#[test]
fn rfc7662_2_1_a_record_that_contradicts_it_is_a_mistake_told_at_start() {
    let build = |client: Client| {
        let builder = Server::builder(ISSUER, MemoryStore::new(), MasterKey::from_bytes([7; 32]));
        block_on(builder.resource(Resource::new(OTHER)).client(client).build())
    };
    let public = Client::public("a").redirect_uri("https://a.example.com/cb").introspects(OTHER);
    for (client, problem) in
        [(public, "authenticates"), (Client::resource_server("a", SECRET).introspects(API), "no resource")]
    {
        match build(client).unwrap_err() {
            ConfigError::Client { client_id, problem: told } => {
                assert!(client_id == "a" && told.contains(problem), "{told}");
            }
            other => panic!("{other}"),
        }
    }
    // It gets no tokens.
    let kit = with_services();
    for grant_type in ["client_credentials", "authorization_code", "refresh_token"] {
        kit.send("/oauth/token", "orders", &Form::new().with("grant_type", grant_type))
            .is_error(400, "unauthorized_client");
    }
}
