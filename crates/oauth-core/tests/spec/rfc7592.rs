//! RFC 7592: a client reads, changes and deletes its own registration, and nobody else does.

use countersign_events::EventKind;
use countersign_storage_traits::testkit::CommitFault;
use http::Method;
use serde_json::{Value, json};

use crate::kit::*;
use crate::rfc7591::{asking, open, tokens};

fn put(kit: &Kit, client: &Stranger, metadata: &Value) -> Answer {
    kit.configure(Method::PUT, &client.path(), &client.token, &metadata.to_string())
}

fn get(kit: &Kit, client: &Stranger) -> Answer {
    kit.configure(Method::GET, &client.path(), &client.token, "")
}

fn delete(kit: &Kit, client: &Stranger) -> Answer {
    kit.configure(Method::DELETE, &client.path(), &client.token, "")
}

#[test]
fn rfc7592_2_1_a_client_reads_what_is_registered() {
    let kit = open();
    let client = kit.registered(&with(app(), "contacts", json!(["ops@stranger.example.com"])));
    let read = get(&kit, &client).ok();
    assert_eq!(read.json, client.answer);
    assert_eq!(read.header("cache-control"), "no-store");
}

#[test]
fn rfc7592_2_only_the_clients_own_token_opens_its_registration() {
    let kit = open();
    let (own, other) = (kit.registered(&app()), kit.registered(&app()));
    let access = tokens(&kit, &own, "read").text("access_token").to_owned();
    let body = own.update().to_string();
    for token in ["", "x", &other.token, &forged(&own.token), &access, &own.token.to_uppercase(), &own.id] {
        for (method, body) in [(Method::GET, ""), (Method::PUT, &*body), (Method::DELETE, "")] {
            let answer = kit.configure(method, &own.path(), token, body);
            assert!(matches!(answer.status.as_u16(), 400 | 401), "{token} {}", answer.status);
        }
    }
    for path in ["/oauth/register/web", "/oauth/register/%20", "/oauth/register/AAAAAAAAAAAAAAAAAAAAAA"] {
        kit.configure(Method::GET, path, &own.token, "").is_error(401, "invalid_token");
    }
    let bare = kit.get(&own.path());
    assert_eq!((bare.status.as_u16(), bare.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(get(&kit, &own).status, 200);
}

#[test]
fn rfc7592_2_2_an_update_replaces_all_of_it() {
    let kit = open();
    let client = kit.registered(&with(
        with(app(), "client_uri", json!("https://stranger.example.com/")),
        "scope",
        json!("read"),
    ));
    let renamed = with(client.update(), "client_name", json!("Another name"));
    let mut renamed = with(renamed, "client_uri", Value::Null);
    renamed.as_object_mut().unwrap().remove("scope");
    let answer = put(&kit, &client, &renamed).ok();
    assert_eq!(answer.text("client_name"), "Another name");
    assert_eq!((answer.json.get("client_uri"), answer.json.get("scope")), (None, None));
    assert_eq!(get(&kit, &client).ok().json, answer.json);
    assert_eq!(kit.events(EventKind::ClientUpdated).len(), 1);
    // The same registration, so what was granted lives on.
    let first = tokens(&kit, &client, "read offline_access");
    put(&kit, &client, &renamed).ok();
    kit.is_alive(&client.id, &first);
}

#[test]
fn rfc7592_2_2_an_update_that_is_refused_changes_nothing() {
    let kit = open();
    let client = kit.registered(&app());
    let before = get(&kit, &client).ok().json;
    let own = client.update();
    for (member, value, error) in [
        ("client_id", Value::Null, "invalid_request"),
        ("client_id", json!("web"), "invalid_request"),
        ("client_secret", json!("mine"), "invalid_request"),
        ("registration_access_token", json!(client.token), "invalid_request"),
        ("registration_client_uri", json!("https://evil.example/"), "invalid_request"),
        ("client_secret_expires_at", json!(0), "invalid_request"),
        ("client_id_issued_at", json!(0), "invalid_request"),
        ("redirect_uris", json!(["javascript:alert(1)"]), "invalid_redirect_uri"),
        ("redirect_uris", json!([]), "invalid_redirect_uri"),
        ("grant_types", json!(["authorization_code", "password"]), "invalid_client_metadata"),
        ("scope", json!("inner"), "invalid_client_metadata"),
        ("software_statement", json!("e30.e30.x"), "unapproved_software_statement"),
    ] {
        put(&kit, &client, &with(own.clone(), member, value)).is_error(400, error);
    }
    for bad in ["{", "[]", "{\"client_id\":\"a\",\"client_id\":\"b\"}"] {
        kit.configure(Method::PUT, &client.path(), &client.token, bad).is_error(400, "invalid_client_metadata");
    }
    assert_eq!(get(&kit, &client).ok().json, before);
}

#[test]
fn promise_13_an_update_widens_nothing_that_a_registration_could_not_have() {
    let kit = open();
    let client = kit.registered(&with(app(), "scope", json!("read")));
    let answer = put(&kit, &client, &with(client.update(), "scope", json!("read write inner"))).ok();
    assert_eq!(answer.text("scope"), "read write");
    let inner = kit.authorize(&mut Jar::default(), &asking(&client, "inner"), None);
    assert_eq!(told(inner), "invalid_scope");
}

#[test]
fn rfc7592_2_2_a_secret_is_made_kept_and_dropped_with_the_method() {
    let kit = open();
    let client = kit.registered(&app());
    let basic_method = with(client.update(), "token_endpoint_auth_method", json!("client_secret_basic"));
    let answer = put(&kit, &client, &basic_method).ok();
    let secret = answer.text("client_secret").to_owned();
    assert!(secret.starts_with("cs_client_"));
    // It may name its secret, to show that it knows it; it gets no other.
    let again = put(&kit, &client, &with(basic_method.clone(), "client_secret", json!(secret))).ok();
    assert_eq!((again.json.get("client_secret"), &again.json["client_secret_expires_at"]), (None, &json!(0)));
    let admitted = |expected: u16| {
        let answer = kit.post_token("grant_type=none+such", &[basic(&client.id, &secret)]);
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.json);
    };
    admitted(400);
    let public = put(&kit, &client, &client.update()).ok();
    assert_eq!(public.json.get("client_secret_expires_at"), None);
    admitted(401);
}

#[test]
fn rfc7592_2_3_promise_12_a_deleted_client_is_gone_with_all_it_had() {
    let kit = open();
    let client = kit.registered(&app());
    let first = tokens(&kit, &client, "openid offline_access");
    kit.access_own(&first);
    let waiting = crate::rfc7591::code(&kit, &client, "read");
    let answer = delete(&kit, &client);
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    // Tokens, codes in flight, pages and the registration itself.
    kit.refresh(&client.id, first.text("refresh_token")).is_error(401, "invalid_client");
    assert_eq!(kit.access(first.text("access_token")).unwrap_err().error(), "invalid_token");
    let form = redemption(&client.id, &waiting).with("redirect_uri", "https://stranger.example.com/cb");
    kit.token(&client.id, &form).is_error(401, "invalid_client");
    assert_eq!(shown(kit.authorize(&mut Jar::default(), &asking(&client, "read"), None)), "authorize.unknown_client");
    for answer in [get(&kit, &client), put(&kit, &client, &client.update()), delete(&kit, &client)] {
        answer.is_error(401, "invalid_token");
    }
    assert_eq!((kit.events(EventKind::ClientDeleted).len(), kit.events(EventKind::GrantEnded).len()), (1, 1));
}

#[test]
fn rfc7592_2_3_attack_48_an_update_that_races_the_deletion_brings_nothing_back() {
    for _ in 0..8 {
        let kit = open();
        let client = kit.registered(&app());
        let (own, body) = (&client, client.update().to_string());
        let answers = race(16, |number| {
            let (method, body) = if number == 7 { (Method::DELETE, "") } else { (Method::PUT, &*body) };
            kit.server.handle(configuration(method, &own.path(), &own.token, body))
        });
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
        assert!(statuses.iter().all(|status| [200, 204, 401, 503].contains(status)), "{statuses:?}");
        if statuses[7] == 204 {
            get(&kit, &client).is_error(401, "invalid_token");
        } else {
            delete(&kit, &client);
        }
        get(&kit, &client).is_error(401, "invalid_token");
    }
}

#[test]
fn promise_12_an_issue_that_races_the_deletion_brings_nothing_back() {
    let kit = open();
    let client = kit.registered(&app());
    let code = crate::rfc7591::code(&kit, &client, "openid");
    let form = redemption(&client.id, &code)
        .with("redirect_uri", "https://stranger.example.com/cb")
        .with("client_id", &client.id)
        .encode();
    let answers = race(2, |number| {
        let request = if number == 0 {
            configuration(Method::DELETE, &client.path(), &client.token, "")
        } else {
            token_request(&form, &[])
        };
        kit.server.handle(request)
    });
    if answers[0].status() != 204 {
        delete(&kit, &client);
    }
    get(&kit, &client).is_error(401, "invalid_token");
    let issued: Value = serde_json::from_slice(answers[1].body()).unwrap();
    if let Some(token) = issued["access_token"].as_str() {
        assert_eq!(kit.access(token).unwrap_err().error(), "invalid_token");
    }
}

#[test]
fn promise_12_a_crash_at_the_deletion_deletes_or_leaves_it_whole() {
    for fault in CommitFault::ALL {
        let kit = open();
        let client = kit.registered(&app());
        kit.script.restart();
        kit.script.crash_at_commit(1, fault);
        assert_ne!(delete(&kit, &client).status, 204);
        kit.script.restart();
        let whole = get(&kit, &client).status == 200;
        assert_eq!(whole, !matches!(fault, CommitFault::LostAnswer));
        delete(&kit, &client);
        get(&kit, &client).is_error(401, "invalid_token");
    }
}
