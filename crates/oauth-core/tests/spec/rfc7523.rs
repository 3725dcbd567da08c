//! RFC 7523 §3 and OpenID Connect Core §9: clients that sign an assertion with a key of their own.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_events::EventKind;
use countersign_oauth_core::{Client, ClientKeys, ClientKeysError, ConfigError, ConsentRule, Preset};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::testkit::CommitFault;
use countersign_tokens::{CryptoProvider as _, KeyPair, Ring, SigningAlgorithm};
use serde_json::{Map, Value, json};

use crate::kit::*;

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's private key.
#[derive(Clone)]
pub(crate) struct Signer(Arc<dyn KeyPair>, SigningAlgorithm);

impl Signer {
    pub(crate) fn new(algorithm: SigningAlgorithm) -> Self {
        let key = Ring.generate_key(algorithm).unwrap();
        Self(Ring.signing_key(algorithm, &key).unwrap(), algorithm)
    }

    pub(crate) fn jwk(&self) -> Value {
        serde_json::to_value(self.0.public_key()).unwrap()
    }

    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk()] })
    }

    fn header(&self) -> Value {
        json!({ "alg": self.1.as_str(), "kid": self.0.public_key().kid() })
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", part(header), part(claims));
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(input.as_bytes()).unwrap().as_bytes()))
    }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The claims of a good assertion; `jti` makes it one of its own.
pub(crate) fn claims(client: &str, jti: &str) -> Value {
    let now = START.as_secs();
    json!({ "iss": client, "sub": client, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": jti })
}

fn changed(mut claims: Value, member: &str, value: Value) -> Value {
    claims[member] = value;
    claims
}

/// Servers that know the client `robot` by its key.
struct Robot {
    signer: Signer,
    store: MemoryStore,
}

impl Robot {
    fn new() -> Self {
        Self { signer: Signer::new(SigningAlgorithm::Es256), store: MemoryStore::new() }
    }

    fn client(&self) -> Client {
        client("robot", &self.signer.jwks(), None)
    }

    fn start(&self, preset: Preset) -> Kit {
        let other = client("other", &self.signer.jwks(), None);
        Kit::over(ISSUER, self.store.clone(), |builder| builder.preset(preset).client(self.client()).client(other))
    }

    fn assertion(&self, jti: &str) -> String {
        self.signer.sign(&self.signer.header(), &claims("robot", jti))
    }
}

fn client(id: &str, jwks: &Value, algorithm: Option<SigningAlgorithm>) -> Client {
    Client::with_keys(id, ClientKeys::from_jwks(jwks, algorithm).unwrap())
        .redirect_uri(callback(id))
        .consent(ConsentRule::Implied)
}

fn shown(assertion: &str) -> Form {
    Form::new().with("client_assertion_type", TYPE).with("client_assertion", assertion)
}

/// Presents an assertion with a grant that is not served: who authenticates hears of the grant.
fn present(kit: &Kit, form: &Form) -> Answer {
    kit.post_token(&form.clone().with("grant_type", "none such").encode(), &[])
}

#[track_caller]
fn is_admitted(kit: &Kit, assertion: &str) {
    present(kit, &shown(assertion)).is_error(400, "unsupported_grant_type");
}

#[track_caller]
fn is_refused(kit: &Kit, assertion: &str, cause: &str) {
    present(kit, &shown(assertion)).is_error(401, "invalid_client");
    assert_eq!(kit.cause(), cause);
}

#[test]
fn rfc7523_3_a_client_signs_in_with_its_own_key() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    let code = kit.code_for(&authorization("robot", "read"), alice(&kit));
    let form = format!("{}&{}", redemption("robot", &code).encode(), shown(&robot.assertion("1")).encode());
    let tokens = kit.post_token(&form, &[]).ok();
    assert_eq!(tokens.claims()["client_id"], "robot");
    let named = shown(&robot.assertion("2")).with("client_id", "robot");
    present(&kit, &named).is_error(400, "unsupported_grant_type");
}

#[test]
fn rfc7523_3_every_algorithm_that_can_be_made_here_is_read() {
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Es384, SigningAlgorithm::EdDsa] {
        let signer = Signer::new(algorithm);
        let kit = Kit::with(|builder| builder.client(client("robot", &signer.jwks(), Some(algorithm))));
        is_admitted(&kit, &signer.sign(&signer.header(), &claims("robot", "1")));
    }
}

#[test]
fn rfc7523_3_attack_12_an_assertion_serves_once_also_after_a_restart() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    let assertion = robot.assertion("1");
    is_admitted(&kit, &assertion);
    is_refused(&kit, &assertion, "client.assertion_replayed");
    let again = robot.start(Preset::oauth21());
    is_refused(&again, &assertion, "client.assertion_replayed");
    // The serial is the client's own: another client may use the same.
    let other = robot.signer.sign(&robot.signer.header(), &claims("other", "1"));
    is_admitted(&again, &other);
    // Until the end of its own time, leeway included, it is known; afterwards its time is over.
    again.advance(89);
    is_refused(&again, &assertion, "client.assertion_replayed");
    again.advance(1);
    is_refused(&again, &assertion, "client.assertion_lifetime");
    assert!(again.events(EventKind::ClientRefused).len() >= 3);
}

#[test]
fn promise_1_of_64_requests_with_one_assertion_one_is_admitted() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    let body = shown(&robot.assertion("1")).with("grant_type", "none such").encode();
    let answers = race(64, |_| kit.server.handle(token_request(&body, &[])));
    let admitted = answers.iter().filter(|answer| answer.status() == 400).count();
    assert_eq!((admitted, answers.iter().filter(|answer| answer.status() == 401).count()), (1, 63));
}

#[test]
fn promise_1_a_crash_as_an_assertion_is_spent_never_admits_it_twice() {
    for fault in CommitFault::ALL {
        let robot = Robot::new();
        let kit = robot.start(Preset::oauth21());
        let assertion = robot.assertion("1");
        kit.script.crash_at_commit(1, fault);
        present(&kit, &shown(&assertion)).is_error(503, "temporarily_unavailable");
        kit.script.restart();
        let status = present(&kit, &shown(&assertion)).status.as_u16();
        assert_eq!(status, if matches!(fault, CommitFault::LostAnswer) { 401 } else { 400 });
        is_refused(&kit, &assertion, "client.assertion_replayed");
    }
}

#[test]
fn promise_14_an_assertion_that_cannot_be_filed_as_spent_is_not_admitted() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    kit.script.down();
    present(&kit, &shown(&robot.assertion("1"))).is_error(503, "temporarily_unavailable");
    kit.script.up();
    is_admitted(&kit, &robot.assertion("1"));
}

#[test]
fn rfc7523_3_attack_13_the_audience_is_one_string_and_the_issuer() {
    let robot = Robot::new();
    let (strict, open) = (robot.start(Preset::oauth21()), robot.start(Preset::oidc()));
    let token_endpoint = format!("{ISSUER}/oauth/token");
    let aud =
        |jti: &str, aud: Value| robot.signer.sign(&robot.signer.header(), &changed(claims("robot", jti), "aud", aud));
    for (number, foreign) in [
        json!([ISSUER]),
        json!([ISSUER, "https://evil.example"]),
        json!([]),
        json!("https://evil.example"),
        json!(format!("{ISSUER}/")),
        json!("https://ID.example.com"),
        json!(format!("{token_endpoint}/")),
        json!(format!("{ISSUER}/oauth/revoke")),
    ]
    .into_iter()
    .enumerate()
    {
        is_refused(&strict, &aud(&format!("s{number}"), foreign.clone()), "client.assertion_audience");
        is_refused(&open, &aud(&format!("o{number}"), foreign), "client.assertion_audience");
    }
    is_refused(&strict, &aud("endpoint", json!(token_endpoint)), "client.assertion_audience");
    is_admitted(&open, &aud("endpoint", json!(token_endpoint)));
    is_admitted(&open, &aud("issuer", json!(ISSUER)));
}

#[test]
fn rfc7523_3_a_clients_own_preset_says_whom_its_assertion_may_be_for() {
    let signer = Signer::new(SigningAlgorithm::Es256);
    let kit = Kit::with(|builder| {
        let strict = client("strict", &signer.jwks(), None).preset(Preset::oauth21());
        builder.preset(Preset::oidc()).client(strict).client(client("open", &signer.jwks(), None))
    });
    for (id, status) in [("strict", 401), ("open", 400)] {
        let claims = changed(claims(id, "1"), "aud", json!(format!("{ISSUER}/oauth/token")));
        let answer = present(&kit, &shown(&signer.sign(&signer.header(), &claims)));
        assert_eq!(answer.status.as_u16(), status, "{id}");
    }
}

#[test]
fn rfc7523_3_attack_14_no_algorithm_but_the_registered_one() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    let claims = claims("robot", "1");
    let kid = robot.signer.jwk()["kid"].clone();
    for alg in ["none", "None", "HS256", "RS256", "ES384", ""] {
        let forged = robot.signer.sign(&json!({ "alg": alg, "kid": kid }), &claims);
        present(&kit, &shown(&forged)).is_error(401, "invalid_client");
    }
    let unsigned = format!("{}.{}.", part(&json!({ "alg": "none" })), part(&claims));
    is_refused(&kit, &unsigned, "client.assertion_signature");
    let stripped = robot.assertion("1");
    let stripped = format!("{}.", stripped.rsplit_once('.').unwrap().0);
    is_refused(&kit, &stripped, "client.assertion_malformed");
    let other = Signer::new(SigningAlgorithm::Es256);
    is_refused(&kit, &other.sign(&robot.signer.header(), &claims), "client.assertion_signature");
    is_admitted(&kit, &robot.signer.sign(&robot.signer.header(), &claims));
}

#[test]
fn rfc7523_3_the_registered_signing_algorithm_admits_no_other_key_of_the_set() {
    let (small, large) = (Signer::new(SigningAlgorithm::Es256), Signer::new(SigningAlgorithm::Es384));
    let jwks = json!({ "keys": [small.jwk(), large.jwk()] });
    let kit = Kit::with(|builder| builder.client(client("robot", &jwks, Some(SigningAlgorithm::Es384))));
    is_refused(&kit, &small.sign(&small.header(), &claims("robot", "1")), "client.assertion_signature");
    is_admitted(&kit, &large.sign(&large.header(), &claims("robot", "1")));
}

#[test]
fn rfc7523_3_a_key_is_found_by_its_name_and_without_one_only_where_it_is_alone() {
    let (old, new) = (Signer::new(SigningAlgorithm::Es256), Signer::new(SigningAlgorithm::Es256));
    let jwks = json!({ "keys": [old.jwk(), new.jwk()] });
    let kit = Kit::with(|builder| builder.client(client("robot", &jwks, None)));
    is_admitted(&kit, &old.sign(&old.header(), &claims("robot", "1")));
    is_admitted(&kit, &new.sign(&new.header(), &claims("robot", "2")));
    is_refused(&kit, &new.sign(&old.header(), &claims("robot", "3")), "client.assertion_signature");
    is_refused(&kit, &new.sign(&json!({ "alg": "ES256" }), &claims("robot", "4")), "client.assertion_signature");
    let lone = Robot::new();
    is_admitted(&lone.start(Preset::oauth21()), &lone.signer.sign(&json!({ "alg": "ES256" }), &claims("robot", "5")));
}

#[test]
fn rfc7515_4_1_11_attack_16_an_assertion_with_an_unknown_crit_is_refused() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    for (member, value) in [("crit", json!(["exp"])), ("crit", json!([])), ("b64", json!(false))] {
        let header = changed(robot.signer.header(), member, value);
        let assertion = robot.signer.sign(&header, &claims("robot", "1"));
        is_refused(&kit, &assertion, "client.assertion_malformed");
    }
}

#[test]
fn rfc8725_3_10_attack_17_an_assertion_does_not_bring_its_own_key() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    let thief = Signer::new(SigningAlgorithm::Es256);
    for (member, value) in [
        ("jwk", thief.jwk()),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ] {
        for kid in [robot.signer.jwk()["kid"].clone(), thief.jwk()["kid"].clone()] {
            let header = changed(json!({ "alg": "ES256", "kid": kid }), member, value.clone());
            is_refused(&kit, &thief.sign(&header, &claims("robot", "1")), "client.assertion_signature");
        }
    }
}

#[test]
fn rfc8725_3_11_attack_18_a_token_made_for_something_else_is_no_assertion() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    let typed = |typ: &str, jti: &str| {
        robot.signer.sign(&changed(robot.signer.header(), "typ", json!(typ)), &claims("robot", jti))
    };
    for (number, foreign) in ["at+jwt", "dpop+jwt", "logout+jwt", "oauth-authz-req+jwt", ""].into_iter().enumerate() {
        is_refused(&kit, &typed(foreign, &number.to_string()), "client.assertion_malformed");
    }
    for own in ["JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"] {
        is_admitted(&kit, &typed(own, own));
    }
    // A token of this server's own is signed with another key and names another issuer.
    let tokens = kit.tokens("web", "read");
    present(&kit, &shown(tokens.text("access_token"))).is_error(401, "invalid_client");
}

#[test]
fn rfc7523_3_issuer_and_subject_are_the_client_that_is_named() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    let sign = |claims: &Value| robot.signer.sign(&robot.signer.header(), claims);
    is_refused(&kit, &sign(&changed(claims("robot", "1"), "iss", json!("other"))), "client.assertion_parties");
    is_refused(&kit, &sign(&changed(claims("robot", "1"), "sub", json!("other"))), "client.assertion_parties");
    is_refused(&kit, &sign(&claims("stranger", "1")), "client.unknown");
    is_refused(&kit, &sign(&claims("web", "1")), "client.wrong_method");
    let named = shown(&robot.assertion("1")).with("client_id", "other");
    present(&kit, &named).is_error(400, "invalid_request");
    assert_eq!(kit.cause(), "client.mismatch");
    is_admitted(&kit, &robot.assertion("1"));
}

#[test]
fn rfc7523_3_an_assertion_is_timely_and_short_lived() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    let now = START.as_secs();
    let at = |member: &str, second: u64, jti: &str| {
        robot.signer.sign(&robot.signer.header(), &changed(claims("robot", jti), member, json!(second)))
    };
    is_admitted(&kit, &at("exp", now - 29, "exp-29"));
    is_refused(&kit, &at("exp", now - 30, "exp-30"), "client.assertion_lifetime");
    is_admitted(&kit, &at("exp", now + 3_630, "exp+3630"));
    is_refused(&kit, &at("exp", now + 3_631, "exp+3631"), "client.assertion_lifetime");
    is_refused(&kit, &at("exp", u64::MAX, "exp+max"), "client.assertion_lifetime");
    for member in ["iat", "nbf"] {
        is_admitted(&kit, &at(member, now + 30, &format!("{member}+30")));
        is_refused(&kit, &at(member, now + 31, &format!("{member}+31")), "client.assertion_lifetime");
    }
}

#[test]
fn rfc7523_3_every_claim_that_is_needed_is_there_and_of_its_type() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    for (missing, cause) in [
        ("iss", "client.assertion_malformed"),
        ("sub", "client.assertion_malformed"),
        ("aud", "client.assertion_audience"),
        ("exp", "client.assertion_lifetime"),
        ("jti", "client.assertion_malformed"),
    ] {
        let mut claims: Map<String, Value> = claims("robot", "1").as_object().unwrap().clone();
        claims.remove(missing);
        is_refused(&kit, &robot.signer.sign(&robot.signer.header(), &json!(claims)), cause);
        for wrong in [json!(1.5), json!(null), json!({}), json!(""), json!(true)] {
            let odd = changed(json!(claims), missing, wrong);
            present(&kit, &shown(&robot.signer.sign(&robot.signer.header(), &odd))).is_error(401, "invalid_client");
        }
    }
}

#[test]
fn rfc7521_4_2_the_assertions_type_is_named_to_the_letter() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    let assertion = robot.assertion("1");
    let bare = Form::new().with("client_assertion", &assertion);
    for form in [
        bare.clone(),
        bare.clone().with("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
        bare.clone().with("client_assertion_type", &TYPE.to_uppercase()),
        Form::new().with("client_assertion_type", TYPE),
    ] {
        present(&kit, &form).is_error(401, "invalid_client");
    }
    is_admitted(&kit, &assertion);
}

#[test]
fn rfc6749_2_3_an_assertion_beside_a_secret_is_refused_and_not_spent() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    let form = shown(&robot.assertion("1"));
    present(&kit, &form.clone().with("client_secret", SECRET)).is_error(400, "invalid_request");
    let body = form.with("grant_type", "none such").encode();
    kit.post_token(&body, &[basic("robot", SECRET)]).is_error(400, "invalid_request");
    assert_eq!(kit.cause(), "client.two_methods");
    // A bearer token beside it is no client authentication.
    kit.post_token(&body, &[("authorization", "Bearer x".to_owned())]).is_error(400, "unsupported_grant_type");
}

#[test]
fn rfc7591_2_a_client_with_keys_uses_them_and_nothing_else() {
    let robot = Robot::new();
    let kit = robot.start(Preset::oauth21());
    present(&kit, &Form::new().with("client_id", "robot")).is_error(401, "invalid_client");
    let secret = Form::new().with("client_id", "robot").with("client_secret", SECRET);
    present(&kit, &secret).is_error(401, "invalid_client");
}

#[test]
fn promise_7_whatever_is_shown_as_an_assertion_is_answered() {
    let kit = Robot::new().start(Preset::oauth21());
    let deep = format!("{{\"alg\":\"ES256\",\"x\":{}}}", "[".repeat(4_000));
    let deep = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(deep));
    let long = format!("{}.{}.AAAA", part(&json!({ "alg": "ES256" })), "A".repeat(12_400));
    for hostile in [".", "..", "...", "a.b.c", "e30.e30.e30", "e30.e30.", "\u{e4}.\u{e4}.\u{e4}", &deep, &long] {
        present(&kit, &shown(hostile)).is_error(401, "invalid_client");
    }
}

#[test]
fn rfc7518_3_3_attack_49_a_key_of_absurd_size_is_not_registered() {
    let rsa = |bytes: usize, exponent: &[u8]| {
        let mut modulus = vec![0xff; bytes];
        modulus[0] = 0x80;
        json!({ "keys": [{ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent) }] })
    };
    let odd = &[1, 0, 1][..];
    for good in [rsa(256, odd), rsa(1_024, odd)] {
        assert!(ClientKeys::from_jwks(&good, None).is_ok());
    }
    for bad in [rsa(128, odd), rsa(255, odd), rsa(1_025, odd), rsa(8_000, odd), rsa(256, &[2]), rsa(256, &[1])] {
        assert!(matches!(ClientKeys::from_jwks(&bad, None), Err(ClientKeysError::Bounds)));
    }
    let key = Signer::new(SigningAlgorithm::Es256).jwk();
    let many = json!({ "keys": vec![key; ClientKeys::MAX_KEYS + 1] });
    assert!(matches!(ClientKeys::from_jwks(&many, None), Err(ClientKeysError::TooMany)));
}

#[test]
fn rfc7518_6_2_1_attack_49_a_point_off_the_curve_verifies_nothing() {
    let robot = Robot::new();
    let mut jwk = robot.signer.jwk();
    jwk["y"] = jwk["x"].clone();
    let kit = Kit::with(|builder| builder.client(client("robot", &json!({ "keys": [jwk] }), None)));
    is_refused(&kit, &robot.assertion("1"), "client.assertion_signature");
}

#[test]
fn rfc7517_9_2_a_private_or_useless_key_set_is_told_at_start() {
    let key = Signer::new(SigningAlgorithm::Es256).jwk();
    for (jwks, problem) in [
        (json!({ "keys": [changed(key.clone(), "d", json!("AAAA"))] }), "private"),
        (json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] }), "private"),
        (json!({ "keys": [changed(key.clone(), "use", json!("enc"))] }), "no key"),
        (json!({ "keys": [] }), "no key"),
        (json!([]), "no set"),
        (json!("https://rp.example/jwks.json"), "no set"),
    ] {
        let error = ClientKeys::from_jwks(&jwks, None).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

/// The mistake that the server tells of a client's metadata.
fn told_of(members: Value) -> String {
    let Value::Object(members) = members else { panic!("no object") };
    let builder = builder(ISSUER, MemoryStore::new()).client_metadata(members, |client| client);
    match block_on(builder.build()) {
        Err(ConfigError::Client { problem, .. }) => problem,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn rfc7591_2_what_metadata_says_of_keys_is_checked_at_start() {
    let signer = Signer::new(SigningAlgorithm::Es256);
    let base =
        json!({ "client_id": "robot", "redirect_uris": ["https://robot.example.com/cb"], "jwks": signer.jwks() });
    let with = |member: &str, value: Value| changed(base.clone(), member, value);
    let method = || with("token_endpoint_auth_method", json!("private_key_jwt"));
    for (members, problem) in [
        (with("jwks_uri", json!("https://robot.example.com/jwks.json")), "fetches nothing"),
        (changed(method(), "client_secret", json!(SECRET)), "no client_secret"),
        (changed(method(), "jwks", json!({ "keys": [] })), "no key"),
        (with("token_endpoint_auth_signing_alg", json!("HS256")), "not served"),
        (with("token_endpoint_auth_signing_alg", json!("RS256")), "no key"),
        (with("token_endpoint_auth_method", json!("client_secret_jwt")), "not served"),
        (with("policy_uri", json!("javascript:alert(1)")), "web page"),
        (with("tos_uri", json!("http://robot.example.com/")), "web page"),
        (with("contacts", json!("me")), "invalid type"),
        (with("response_types", json!([])), "contradict"),
    ] {
        let told = told_of(members);
        assert!(told.contains(problem), "{told}");
    }
    let Value::Object(members) = method() else { panic!("no object") };
    let kit = Kit::with(|builder| builder.client_metadata(members, |client| client));
    is_admitted(&kit, &signer.sign(&signer.header(), &claims("robot", "1")));
}

#[test]
fn promise_10_metadata_names_the_method_and_its_algorithms() {
    let metadata = Kit::new().get("/.well-known/oauth-authorization-server").ok().json;
    let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
    assert!(methods.contains(&json!("private_key_jwt")));
    let algorithms = metadata["token_endpoint_auth_signing_alg_values_supported"].as_array().unwrap();
    assert!(algorithms.contains(&json!("ES256")) && algorithms.contains(&json!("RS256")));
    assert!(!algorithms.contains(&json!("none")) && !algorithms.contains(&json!("HS256")));
}
