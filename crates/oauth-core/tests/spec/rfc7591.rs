//! RFC 7591: clients that register themselves, and what they may not have.

use countersign_events::EventKind;
use countersign_oauth_core::{Outcome, Peer, Registration, Server};
use countersign_storage_memory::MemoryStore;
use countersign_tokens::SigningAlgorithm;
use http::Method;
use serde_json::{Value, json};

use crate::kit::*;
use crate::rfc7523;

pub(crate) fn open() -> Kit {
    Kit::with(|builder| builder.registration(Registration::open()))
}

#[track_caller]
fn is_refused(kit: &Kit, metadata: &Value, error: &str) {
    kit.register(metadata).is_error(400, error);
}

/// An authorization request of a client that registered itself.
pub(crate) fn asking(client: &Stranger, scope: &str) -> Form {
    authorization(&client.id, scope).with("redirect_uri", client.answer["redirect_uris"][0].as_str().unwrap())
}

/// A code for a client that registered itself: its user is asked, and says yes.
pub(crate) fn code(kit: &Kit, client: &Stranger, scope: &str) -> String {
    let mut jar = Jar::default();
    let who = alice(kit);
    match kit.authorize(&mut jar, &asking(client, scope), Some(who.clone())) {
        Outcome::NeedsConsent(page) => {
            let allow = countersign_oauth_core::Consent::allow_all();
            let action = page.action("/consent");
            let outcome = crate::rfc6749_authorize::post_consent(kit, &jar, &action, Some(who), allow);
            redirect(outcome).must("code").to_owned()
        }
        outcome => redirect(outcome).must("code").to_owned(),
    }
}

/// The tokens of a new grant to a public client that registered itself.
pub(crate) fn tokens(kit: &Kit, client: &Stranger, scope: &str) -> Answer {
    let uri = client.answer["redirect_uris"][0].as_str().unwrap().to_owned();
    let form = redemption(&client.id, &code(kit, client, scope)).with("redirect_uri", &uri);
    kit.token(&client.id, &form).ok()
}

#[test]
fn rfc7591_3_registration_is_closed_unless_the_host_opens_it() {
    let kit = Kit::new();
    kit.register(&app()).is_error(404, "invalid_request");
    kit.configure(Method::GET, "/oauth/register/x", "x", "").is_error(404, "invalid_request");
    let metadata = kit.get("/.well-known/oauth-authorization-server").ok().json;
    assert_eq!(metadata.get("registration_endpoint"), None);
    let metadata = open().get("/.well-known/oauth-authorization-server").ok().json;
    assert_eq!(metadata["registration_endpoint"], format!("{ISSUER}/oauth/register"));
}

#[test]
fn rfc7591_3_2_1_the_answer_is_complete_and_the_client_works() {
    let kit = open();
    let answer = kit.register(&app());
    assert_eq!((answer.header("cache-control"), answer.header("content-type")), ("no-store", "application/json"));
    let client = Stranger::of(&answer);
    assert_eq!(answer.json["client_id_issued_at"], START.as_secs());
    assert_eq!(answer.text("registration_client_uri"), format!("{ISSUER}{}", client.path()));
    assert_eq!(answer.json["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(answer.json["response_types"], json!(["code"]));
    assert_eq!(answer.json.get("client_secret"), None);
    let first = tokens(&kit, &client, "read offline_access");
    assert_eq!(first.claims()["client_id"], client.id);
    kit.refresh(&client.id, first.text("refresh_token")).ok();
    let told = kit.events(EventKind::ClientRegistered);
    assert_eq!(told[0].client_id(), Some(client.id.as_str()));
}

#[test]
fn rfc7591_2_what_is_left_out_has_its_default() {
    let kit = open();
    let answer = kit.register(&json!({ "redirect_uris": ["https://stranger.example.com/cb"] }));
    let client = Stranger::of(&answer);
    assert_eq!(answer.text("token_endpoint_auth_method"), "client_secret_basic");
    assert_eq!(answer.json["grant_types"], json!(["authorization_code"]));
    assert_eq!(answer.json["client_secret_expires_at"], 0);
    let secret = answer.text("client_secret");
    assert!(secret.starts_with("cs_client_") && secret.len() > 64, "{secret}");
    let form =
        redemption(&client.id, &code(&kit, &client, "read")).with("redirect_uri", "https://stranger.example.com/cb");
    kit.post_token(&form.encode(), &[basic(&client.id, SECRET)]).is_error(401, "invalid_client");
    let tokens = kit.post_token(&form.encode(), &[basic(&client.id, secret)]).ok();
    assert_eq!(tokens.json.get("refresh_token"), None);
}

#[test]
fn rfc7591_2_a_client_registers_its_keys() {
    let kit = open();
    let signer = rfc7523::Signer::new(SigningAlgorithm::Es256);
    let metadata = with(with(app(), "jwks", signer.jwks()), "token_endpoint_auth_method", json!("private_key_jwt"));
    let client = kit.registered(&metadata);
    let header = json!({ "alg": "ES256", "kid": signer.jwk()["kid"] });
    let form = Form::new()
        .with("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .with("client_assertion", &signer.sign(&header, &rfc7523::claims(&client.id, "1")))
        .with("grant_type", "none such");
    kit.post_token(&form.encode(), &[]).is_error(400, "unsupported_grant_type");
    for (member, value) in [
        ("jwks", json!({ "keys": [] })),
        ("jwks", json!("x")),
        ("jwks_uri", json!("https://stranger.example.com/jwks.json")),
        ("token_endpoint_auth_signing_alg", json!("none")),
        ("token_endpoint_auth_signing_alg", json!("PS256")),
    ] {
        is_refused(&kit, &with(metadata.clone(), member, value), "invalid_client_metadata");
    }
}

#[test]
fn rfc7591_2_members_that_nobody_reads_are_ignored() {
    let kit = open();
    let metadata = with(with(app(), "client_name#de", json!("Eine App")), "x_unknown", json!({ "a": [1] }));
    let client = kit.registered(&with(metadata, "client_id", json!("web")));
    assert_ne!(client.id, "web", "a client does not choose its name");
    assert_eq!((client.answer.get("x_unknown"), client.answer.get("client_name#de")), (None, None));
    let ours = with(app(), "registration_access_token", json!("mine"));
    assert_ne!(kit.registered(&with(ours, "client_secret", json!("mine"))).token, "mine");
}

#[test]
fn rfc7591_3_2_2_attack_9_redirect_uris_that_receive_no_codes() {
    let kit = open();
    for bad in [
        "/cb",
        "https://rp.example/cb#x",
        "https://user@rp.example/cb",
        "http://localhost:80@evil.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://rp.example/cb",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)//x.y",
        "data:text/html,x",
        "file:///etc/passwd",
        "myapp:/cb",
        "https://*.rp.example\\cb",
        "https://rp.example/c b",
        "",
    ] {
        is_refused(&kit, &with(app(), "redirect_uris", json!([bad])), "invalid_redirect_uri");
        let second = json!(["https://stranger.example.com/cb", bad]);
        is_refused(&kit, &with(app(), "redirect_uris", second), "invalid_redirect_uri");
    }
    for bad in
        [json!([]), json!("https://rp.example/cb"), json!([1]), json!({}), json!(vec!["https://rp.example/cb"; 33])]
    {
        is_refused(&kit, &with(app(), "redirect_uris", bad), "invalid_redirect_uri");
    }
    for good in ["http://127.0.0.1/cb", "http://[::1]:80/cb", "http://localhost:1/cb", "com.example.app:/cb"] {
        kit.registered(&with(app(), "redirect_uris", json!([good])));
    }
}

#[test]
fn promise_13_a_client_that_registers_itself_gets_no_more_than_is_public() {
    let kit = Kit::with(|builder| builder.registration(Registration::open()).grant(crate::extension::Badges));
    for grant in [
        "client_credentials",
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:openid:params:grant-type:ciba",
        "http://auth0.com/oauth/grant-type/mfa-otp",
        crate::extension::BADGE,
    ] {
        let types = json!(["authorization_code", grant]);
        is_refused(&kit, &with(app(), "grant_types", types), "invalid_client_metadata");
    }
    // Of the scopes it names it gets those that are public; one that is not stays out of reach for good.
    let client = kit.registered(&with(app(), "scope", json!("read inner nonsense")));
    assert_eq!(client.answer["scope"], "read");
    for scope in ["inner", "write", "read inner"] {
        assert_eq!(told(kit.authorize(&mut Jar::default(), &asking(&client, scope), None)), "invalid_scope");
    }
    is_refused(&kit, &with(app(), "scope", json!("inner")), "invalid_client_metadata");
    is_refused(&kit, &with(app(), "scope", json!("\"")), "invalid_client_metadata");
    // Without any, every public one is open to it, and the hidden one is not.
    let client = kit.registered(&app());
    assert_eq!(told(kit.authorize(&mut Jar::default(), &asking(&client, "inner"), None)), "invalid_scope");
}

#[test]
fn promise_13_attack_47_the_user_of_a_stranger_is_always_asked_the_first_time() {
    let kit = open();
    let client = kit.registered(&app());
    let mut jar = Jar::default();
    let outcome = kit.authorize(&mut jar, &asking(&client, "read"), Some(alice(&kit)));
    assert_eq!(name(&outcome), "consent");
    let silent = asking(&client, "read").with("prompt", "none");
    assert_eq!(told(kit.authorize(&mut Jar::default(), &silent, Some(alice(&kit)))), "consent_required");
    // On https it is remembered; another client of the same address and name is asked anew.
    code(&kit, &client, "read");
    assert_eq!(name(&kit.authorize(&mut Jar::default(), &asking(&client, "read"), Some(alice(&kit)))), "done");
    let impostor = kit.registered(&app());
    let outcome = kit.authorize(&mut Jar::default(), &asking(&impostor, "read"), Some(alice(&kit)));
    assert_eq!(name(&outcome), "consent");
    // On loopback any program can pose as it, so it is asked every time.
    let native = kit.registered(&with(app(), "redirect_uris", json!(["http://127.0.0.1/cb"])));
    code(&kit, &native, "read");
    let again = kit.authorize(&mut Jar::default(), &asking(&native, "read"), Some(alice(&kit)));
    assert_eq!(name(&again), "consent");
}

#[test]
fn rfc7591_2_1_grant_types_and_response_types_agree() {
    let kit = open();
    for (grants, responses) in [
        (json!(["authorization_code"]), json!([])),
        (json!(["refresh_token"]), json!(["code"])),
        (json!(["authorization_code"]), json!(["token"])),
        (json!(["authorization_code"]), json!("code")),
        (json!([]), json!([])),
        (json!("authorization_code"), json!(["code"])),
        (json!([1]), json!(["code"])),
    ] {
        let metadata = with(with(app(), "grant_types", grants), "response_types", responses);
        is_refused(&kit, &metadata, "invalid_client_metadata");
    }
}

#[test]
fn rfc7591_2_what_is_shown_to_users_runs_nothing_and_hides_nothing() {
    let kit = open();
    for member in ["client_uri", "logo_uri", "policy_uri", "tos_uri"] {
        for bad in
            ["javascript:alert(1)", "data:text/html,x", "http://rp.example/", "https://a@b/", "x", "https://a/\u{e4}"]
        {
            is_refused(&kit, &with(app(), member, json!(bad)), "invalid_client_metadata");
        }
        let good = "https://stranger.example.com/about#terms";
        assert_eq!(kit.registered(&with(app(), member, json!(good))).answer[member], good);
    }
    for bad in ["", "  ", "a\u{202e}b", "a\u{200b}b", "a\nb", "a\u{0}b", &"x".repeat(121)] {
        is_refused(&kit, &with(app(), "client_name", json!(bad)), "invalid_client_metadata");
    }
    kit.registered(&with(app(), "client_name", json!("\u{421}\u{447}\u{451}\u{442} \u{1f4b6}")));
}

#[test]
fn rfc7591_3_2_2_what_cannot_be_registered_is_told() {
    let kit = open();
    for (member, value) in [
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("token_endpoint_auth_method", json!("tls_client_auth")),
        ("token_endpoint_auth_method", json!(7)),
        ("application_type", json!("desktop")),
        ("contacts", json!("me@example.com")),
        ("client_name", json!(7)),
        ("client_uri", json!(format!("https://{}.example/", "x".repeat(2_100)))),
    ] {
        is_refused(&kit, &with(app(), member, value), "invalid_client_metadata");
    }
    is_refused(&kit, &with(app(), "software_statement", json!("e30.e30.x")), "unapproved_software_statement");
    assert_eq!(kit.cause(), "registration.software_statement");
    let native = with(app(), "redirect_uris", json!(["com.example.app:/cb"]));
    is_refused(&kit, &with(native.clone(), "application_type", json!("web")), "invalid_client_metadata");
    kit.registered(&with(native, "application_type", json!("native")));
}

#[test]
fn promise_7_a_registration_is_one_small_object_of_json() {
    let kit = open();
    let deep = format!("{{\"redirect_uris\":[\"https://a.example/\"],\"x\":{}{}}}", "[".repeat(7), "]".repeat(7));
    let far = format!("{{\"x\":{}", "[".repeat(50_000));
    let wide = format!("{{\"redirect_uris\":[\"https://a.example/\"],\"x\":[{}1]}}", "1,".repeat(2_000));
    let twice = r#"{"redirect_uris":["https://a.example/"],"redirect_uris":["https://b.example/"]}"#;
    for bad in ["", "{", "[]", "null", "7", "\"x\"", "{} {}", "\u{feff}{}", twice, &deep, &far, &wide] {
        kit.handle(registration(bad.to_owned())).is_error(400, "invalid_client_metadata");
    }
    kit.handle(registration(&b"{\"client_name\":\"\xff\"}"[..])).is_error(400, "invalid_client_metadata");
    kit.handle(registration(vec![b' '; 70_000])).is_error(413, "invalid_request");
    let body = app().to_string();
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/jsonp", ""] {
        let request = request(Method::POST, "/oauth/register").header("content-type", kind);
        kit.handle(request.body(body.clone().into()).unwrap()).is_error(400, "invalid_client_metadata");
    }
    kit.configure(Method::GET, "/oauth/register", "x", "").is_error(405, "invalid_request");
}

#[test]
fn rfc7591_3_an_initial_access_token_admits_and_nothing_else_does() {
    const TOKEN: &str = "b7c1e0a94d5f4e8f9a63d2c17e58f0ab";
    const OTHER: &str = "0f9e8d7c6b5a49382716051423324150";
    let invited = Registration::with_initial_access_token(TOKEN).and_initial_access_token(OTHER).per_hour(1);
    let kit = Kit::with(|builder| builder.registration(invited));
    let send = |authorization: &[&str]| {
        let mut request = request(Method::POST, "/oauth/register").header("content-type", "application/json");
        for line in authorization {
            request = request.header("authorization", *line);
        }
        kit.handle(request.body(app().to_string().into()).unwrap())
    };
    let (good, second) = (format!("Bearer {TOKEN}"), format!("bearer {OTHER}"));
    for line in [&good, &second, &good, &good] {
        assert_eq!(send(&[line]).status, 201);
    }
    for bad in ["Bearer b7c1e0a94d5f4e8f9a63d2c17e58f0ac", "Bearer x", "Bearer cs_registration_x"] {
        let answer = send(&[bad]);
        answer.is_error(401, "invalid_token");
        assert!(answer.header("www-authenticate").starts_with("Bearer "));
    }
    send(&[]).is_error(401, "invalid_token");
    for bad in [&["Bearer "][..], &["Basic Og=="], &[&good, &second]] {
        assert_eq!(send(bad).status, 400, "{bad:?}");
    }
    assert_eq!(send(&[]).header("access-control-allow-origin"), "");
    let weak = Server::builder(ISSUER, MemoryStore::new(), countersign_storage_traits::MasterKey::from_bytes([7; 32]))
        .registration(Registration::with_initial_access_token("letmein"));
    assert!(block_on(weak.build()).unwrap_err().to_string().contains("guessed"));
}

#[test]
fn promise_7_one_address_registers_so_many_clients_an_hour() {
    let kit = Kit::with(|builder| builder.registration(Registration::open().per_hour(2)));
    let from = |address: &str| {
        let mut request = registration(app().to_string());
        request.extensions_mut().insert(Peer::new(address.parse().unwrap()));
        kit.handle(request)
    };
    // What was refused costs nothing.
    for _ in 0..5 {
        is_refused(&kit, &with(app(), "grant_types", json!(["password"])), "invalid_client_metadata");
    }
    for _ in 0..2 {
        assert_eq!(from("192.0.2.1").status, 201);
        assert_eq!(from("2001:db8::1").status, 201);
    }
    for address in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::2", "2001:db8:0:0:ffff::1"] {
        let answer = from(address);
        answer.is_error(429, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), "3600");
    }
    for address in ["192.0.2.2", "2001:db8:0:1::1"] {
        assert_eq!(from(address).status, 201);
    }
    for _ in 0..5 {
        assert_eq!((from("127.0.0.1").status, from("::1").status).0, 201);
    }
    kit.advance(3_601);
    assert_eq!(from("192.0.2.1").status, 201);
}

#[test]
fn promise_7_a_client_that_is_never_used_goes_after_a_day() {
    let kit = open();
    let (used, unused) = (kit.registered(&app()), kit.registered(&app()));
    tokens(&kit, &used, "read");
    kit.advance(86_400 - 1);
    assert_eq!(kit.configure(Method::GET, &unused.path(), &unused.token, "").status, 200);
    kit.advance(1);
    kit.configure(Method::GET, &unused.path(), &unused.token, "").is_error(401, "invalid_token");
    let refused = kit.authorize(&mut Jar::default(), &asking(&unused, "read"), None);
    assert_eq!(shown(refused), "authorize.unknown_client");
    kit.advance(400 * 86_400);
    assert_eq!(kit.configure(Method::GET, &used.path(), &used.token, "").status, 200);
    tokens(&kit, &used, "read");
}

#[test]
fn promise_1_a_registration_survives_a_restart_and_hides_no_client_of_the_host() {
    let store = MemoryStore::new();
    let start = || Kit::over(ISSUER, store.clone(), |builder| builder.registration(Registration::open()));
    let client = start().registered(&app());
    let kit = start();
    tokens(&kit, &client, "read");
    // Closed later, who registered before still works.
    let closed = Kit::over(ISSUER, store.clone(), |builder| builder);
    tokens(&closed, &client, "read");
    closed.register(&app()).is_error(404, "invalid_request");
    // Another issuer on the same store knows nothing of it.
    let other = Kit::over("https://other.example.com", store.clone(), |builder| builder);
    let request = request(Method::POST, "/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("grant_type=refresh_token&client_id={}", client.id).into())
        .map(|mut request| {
            request.headers_mut().insert("host", "other.example.com".parse().unwrap());
            request
        });
    other.handle(request.unwrap()).is_error(401, "invalid_client");
}

#[test]
fn promise_4_neither_secret_nor_token_is_kept() {
    let store = MemoryStore::new();
    let kit = Kit::over(ISSUER, store.clone(), |builder| builder.registration(Registration::open()));
    let client = kit.registered(&json!({ "redirect_uris": ["https://stranger.example.com/cb"] }));
    let read = kit.configure(Method::GET, &client.path(), &client.token, "").ok();
    assert_eq!(read.json.get("client_secret"), None, "a secret is told once");
    let secret = client.answer["client_secret"].as_str().unwrap().to_owned();
    let dump = format!("{store:?} {:?}", kit.events(EventKind::ClientRegistered));
    assert!(!dump.contains(&secret) && !dump.contains(&client.token));
}

#[test]
fn promise_14_a_store_that_is_down_registers_nobody() {
    let kit = open();
    for call in 1..=2 {
        kit.script.restart();
        if call == 1 {
            kit.script.fail(countersign_storage_traits::testkit::Call::Charge, 1);
        } else {
            kit.script.down();
        }
        kit.register(&app()).is_error(503, "temporarily_unavailable");
        kit.script.up();
    }
    kit.script.restart();
    let client = kit.registered(&app());
    kit.script.down();
    kit.configure(Method::GET, &client.path(), &client.token, "").is_error(503, "temporarily_unavailable");
    let body = redemption(&client.id, "x").with("client_id", &client.id).encode();
    kit.post_token(&body, &[]).is_error(503, "temporarily_unavailable");
}

#[test]
fn fetch_3_2_pages_of_other_origins_register_where_registration_is_open() {
    let kit = open();
    let preflight = |path: &str| kit.handle(request(Method::OPTIONS, path).body(Default::default()).unwrap());
    let answer = preflight("/oauth/register");
    assert_eq!(
        (answer.header("access-control-allow-origin"), answer.header("access-control-allow-methods")),
        ("*", "POST")
    );
    assert_eq!(preflight("/oauth/register/x").header("access-control-allow-methods"), "GET, PUT, DELETE");
    assert_eq!(kit.register(&app()).header("access-control-allow-credentials"), "");
}
