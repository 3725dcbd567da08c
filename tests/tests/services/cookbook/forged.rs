//! What the cookbook's APIs must refuse: tokens that a made-up issuer signs, each wrong in one way.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_tests::{Page, site};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{AUDIENCE, Api};

const MFA: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// An issuer that says whatever a test wants, and may lose its key set.
struct Issuer {
    url: String,
    key: EcdsaKeyPair,
}

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Issuer {
    fn new(has_keys: bool) -> Self {
        let key = key();
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256", "x": encoded(x), "y": encoded(y) });
        let keys = json!({ "keys": [jwk] }).to_string();
        let url = site(move |asked| {
            let origin = format!("http://{}", asked.field("host").unwrap_or_default());
            match asked.line.as_str() {
                "GET /.well-known/oauth-authorization-server" => {
                    Page::new(json!({ "issuer": origin, "jwks_uri": format!("{origin}/jwks") }).to_string())
                }
                "GET /jwks" if has_keys => Page::new(keys.clone()),
                _ => Page { status: 500, ..Page::new("down") },
            }
        });
        Self { url, key }
    }

    /// What a good token says.
    fn claims(&self) -> Value {
        let now = now();
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "u-1", "client_id": "shop", "scope": "openid orders payments",
            "iat": now, "exp": now + 300, "jti": "1", "acr": MFA, "auth_time": now - 10,
        })
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature))
    }

    /// A token with one claim changed; `null` leaves it out.
    fn with(&self, claim: &str, value: Value) -> String {
        let mut claims = self.claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
            value => claims[claim] = value,
        }
        self.token(&header(), &claims)
    }
}

fn header() -> Value {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": "1" })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn rfc9068_4_the_apis_of_the_cookbook_refuse_tokens_that_are_not_for_them() {
    let issuer = Issuer::new(true);
    let stranger = Issuer { url: issuer.url.clone(), key: key() };
    let good = issuer.token(&header(), &issuer.claims());
    let of_type = |alg: &str, typ: &str| issuer.token(&json!({ "alg": alg, "typ": typ, "kid": "1" }), &issuer.claims());
    let unsigned = format!("{}.", of_type("none", "at+jwt").rsplit_once('.').unwrap().0);
    let altered = {
        let (head, rest) = good.split_once('.').unwrap();
        let mut claims = issuer.claims();
        claims["sub"] = json!("admin");
        format!("{head}.{}.{}", encoded(claims.to_string()), rest.rsplit_once('.').unwrap().1)
    };
    let bad = [
        ("another's key", stranger.token(&header(), &issuer.claims())),
        ("no signature", unsigned),
        ("an algorithm that is not the issuer's", of_type("HS256", "at+jwt")),
        ("an ID token", of_type("ES256", "JWT")),
        ("an unknown key", issuer.token(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": "2" }), &issuer.claims())),
        ("altered", altered),
        ("another issuer's", issuer.with("iss", json!("https://evil.example"))),
        ("for another API", issuer.with("aud", json!("https://other.example/"))),
        ("for nobody", issuer.with("aud", Value::Null)),
        ("expired", issuer.with("exp", json!(now() - 5))),
        ("without end", issuer.with("exp", Value::Null)),
        ("of nobody", issuer.with("sub", Value::Null)),
        ("no token", "a.b.c".to_owned()),
    ];
    for api in Api::both(&issuer.url) {
        assert_eq!(api.orders(&format!("Bearer {good}")).status, 200, "{}", api.name);
        for (what, token) in &bad {
            let reply = api.orders(&format!("Bearer {token}"));
            let challenge = reply.header("www-authenticate");
            assert_eq!(
                (reply.status, challenge),
                (401, Some("Bearer error=\"invalid_token\"")),
                "{}: {what}",
                api.name
            );
        }
        for none in ["", "Basic c2hvcDpzZWNyZXQ=", "Bearer"] {
            let reply = api.orders(none);
            assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer")), "{}: {none}", api.name);
        }
        let narrow = issuer.with("scope", json!("openid orders_all"));
        let reply = api.orders(&format!("Bearer {narrow}"));
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"orders\"";
        assert_eq!((reply.status, reply.header("www-authenticate")), (403, Some(challenge)), "{}", api.name);
    }
}

#[test]
fn rfc9470_3_a_login_that_is_too_weak_or_too_old_pays_little() {
    let issuer = Issuer::new(true);
    let good = issuer.token(&header(), &issuer.claims());
    let weak = [
        ("one factor", issuer.with("acr", json!("http://idmanagement.gov/ns/assurance/aal/1"))),
        ("no class", issuer.with("acr", Value::Null)),
        ("several classes", issuer.with("acr", json!([MFA]))),
        ("too long ago", issuer.with("auth_time", json!(now() - 302))),
        ("nobody knows when", issuer.with("auth_time", Value::Null)),
        ("a time that is none", issuer.with("auth_time", json!("now"))),
        ("in the future", issuer.with("auth_time", json!(now() + 3_600))),
    ];
    for api in Api::both(&issuer.url) {
        assert_eq!(api.pay(&good, 101).status, 200, "{}", api.name);
        assert_eq!(api.pay(&issuer.with("acr", json!("phr")), 101).status, 200, "{}: more than was asked", api.name);
        for (what, token) in &weak {
            let reply = api.pay(token, 101);
            let challenge = reply.header("www-authenticate").unwrap_or_default();
            assert!(challenge.contains("insufficient_user_authentication"), "{}: {what}: {challenge}", api.name);
            assert_eq!(reply.status, 401, "{}: {what}", api.name);
            assert_eq!(api.pay(token, 100).status, 200, "{}: {what}, a small payment", api.name);
        }
        for amount in [json!(0), json!(-1), json!("500"), json!(null), json!([101])] {
            assert_eq!(api.pay(&good, amount.clone()).status, 400, "{}: {amount}", api.name);
        }
    }
}

#[test]
fn promise_14_an_api_of_the_cookbook_that_cannot_read_the_keys_lets_nobody_in() {
    let issuer = Issuer::new(false);
    let good = issuer.token(&header(), &issuer.claims());
    for api in Api::both(&issuer.url) {
        assert_eq!(api.orders(&format!("Bearer {good}")).status, 503, "{}", api.name);
    }
}
