//! The promises that no single specification makes: what is bound to what, what is bounded, and what is never told.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_events::EventKind;
use countersign_oauth_core::{Cause, Client, Outcome, Refusal};
use countersign_primitives::UnixTime;
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::{
    Batch, Capabilities, Change, Charge, Charged, CommitError, Cursor, Health, Index, Key, Page, Record, Store,
    StoreError, Swept,
};
use http::Method;

use crate::kit::*;
use crate::promise_12::{ALL, browser, session, with_table};

#[test]
fn promise_5_clients_of_the_hosts_own_table_are_held_to_the_same_checks() {
    let (kit, table) = with_table();
    let ask = |client: &str, uri: &str| {
        let form = authorization(client, "read").with("redirect_uri", uri);
        shown(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit))))
    };
    assert_eq!(ask("MINE", "https://mine.example.com/cb"), "authorize.unknown_client");
    assert_eq!(ask("failing", "https://mine.example.com/cb"), "lookup.failed");
    for uri in
        ["javascript:alert(1)", "http://mine.example.com/cb", "https://u@mine.example.com/cb", "data:text/html,x"]
    {
        table.set(Client::public("bad").redirect_uri(uri));
        assert_eq!(ask("bad", uri), "lookup.failed", "{uri}");
    }
    table.set(Client::confidential("bad", "guessable").redirect_uri("https://bad.example.com/cb"));
    assert_eq!(ask("bad", "https://bad.example.com/cb"), "lookup.failed");
    kit.post_token("grant_type=refresh_token&refresh_token=x", &[basic("bad", "guessable")])
        .is_error(503, "temporarily_unavailable");
    kit.redeem("failing", "x").is_error(503, "temporarily_unavailable");
}

#[test]
fn promise_16_two_issuers_share_nothing_not_even_over_one_store_and_key() {
    let store = MemoryStore::new();
    let one = Kit::over(ISSUER, store.clone(), |builder| builder);
    let two = Kit::over("https://id.example.com/two", store, |builder| builder);
    let post = |kit: &Kit, path: &str, form: &Form| {
        let request = request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        kit.handle(request.body(form.clone().with("client_id", "app").encode().into()).unwrap())
    };
    let refresh = |token: &str| Form::new().with("grant_type", "refresh_token").with("refresh_token", token);
    let code = one.code("app", ALL);
    // Neither store record nor tag is the other's.
    let foreign = post(&two, "/two/oauth/token", &redemption("app", &code));
    assert!(foreign.status.is_client_error() || foreign.status.is_server_error());
    assert!(foreign.json.get("access_token").is_none());
    let tokens = one.redeem("app", &code).ok();
    let foreign = post(&two, "/two/oauth/token", &refresh(tokens.text("refresh_token")));
    foreign.is_error(400, "invalid_grant");
    assert!(two.access(tokens.text("access_token")).is_err());
    let jwks = |kit: &Kit, path: &str| kit.get(path).ok().json["keys"][0]["kid"].clone();
    assert_ne!(jwks(&one, "/.well-known/jwks.json"), jwks(&two, "/two/.well-known/jwks.json"));
    // A browser of one is none of the other.
    let jar = session(&one, 1, alice(&one));
    assert!(browser(&one, &jar).is_known() && !browser(&two, &jar).is_known());
    one.is_alive("app", &tokens);
}

/// Notes every byte that a store is given.
#[derive(Debug, Clone, Default)]
struct Noting(MemoryStore, Arc<Mutex<Vec<u8>>>);

#[async_trait]
impl Store for Noting {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.0.get(keys, now).await
    }
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut seen = Vec::new();
        for op in batch.ops() {
            seen.extend_from_slice(&op.key.to_bytes());
            if let Change::Put { payload, indexes, .. } = &op.change {
                seen.extend_from_slice(payload);
                indexes.iter().for_each(|index| seen.extend_from_slice(index.value.as_bytes()));
            }
        }
        self.1.lock().unwrap().extend(seen);
        self.0.commit(batch).await
    }
    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.0.list(index, after, limit, now).await
    }
    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.0.charge(charges, now).await
    }
    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.0.sweep(now, limit).await
    }
    async fn health(&self) -> Result<Health, StoreError> {
        self.0.health().await
    }
}

#[test]
fn promise_4_no_secret_reaches_a_row_an_event_or_debug_output() {
    let (store, heard) = (Noting::default(), Arc::new(Mutex::new(String::new())));
    let noted = Arc::clone(&heard);
    let server = services(builder(ISSUER, store.clone())).events(move |event: &countersign_events::Event| {
        noted.lock().unwrap().push_str(&format!("{event:?} {}", serde_json::to_string(event).unwrap()));
    });
    let mut kit = Kit::new();
    kit.server = block_on(server.build()).unwrap();
    let mut jar = Jar::default();
    let outcome =
        kit.authorize(&mut jar, &authorization("web", "openid offline_access").with("state", "st4te-5ecret"), None);
    let mut told = format!("{outcome:?} {:?}", browser(&kit, &jar));
    let Outcome::NeedsLogin(ask) = outcome else { panic!() };
    let code = redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))).must("code").to_owned();
    let tokens = kit.redeem("web", &code).ok();
    kit.redeem("web", &code).is_error(400, "invalid_grant");
    kit.post_token(&redemption("web", &code).encode(), &[basic("web", "wr0ng-5ecret")]).is_error(401, "invalid_client");
    let second = kit.tokens("web", ALL);
    let third = kit.refresh("web", second.text("refresh_token")).ok();
    let own = kit.own_token("vault", &[]).ok();
    told.push_str(&format!("{:?}", kit.access(own.text("access_token")).unwrap()));
    told.push_str(&heard.lock().unwrap());
    told.push_str(&format!("{:?}", kit.server));
    let rows = String::from_utf8_lossy(&store.1.lock().unwrap()).into_owned();
    assert!(rows.len() > 2_000 && told.len() > 1_000);
    let secrets = [
        &code,
        tokens.text("access_token"),
        tokens.text("refresh_token"),
        second.text("refresh_token"),
        third.text("refresh_token"),
        own.text("access_token"),
        jar.value().unwrap(),
        SECRET,
        "wr0ng-5ecret",
        VERIFIER,
    ];
    for secret in secrets {
        // Neither whole nor its secret part.
        for part in [secret, &secret[secret.len() / 2..]] {
            assert!(!rows.contains(part) && !told.contains(part), "{part}");
        }
    }
    // Rows are sealed: not even names stand in them.
    assert!(!rows.contains("alice") && !rows.contains("st4te-5ecret") && !rows.contains("example.com"));
}

#[test]
fn promise_4_of_a_request_only_what_is_read_is_stored() {
    let kit = Kit::new();
    let form = authorization("app", "read").with("client_secret", "typed-by-mistake").with("password", "hunter2");
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut Jar::default(), &form, None) else { panic!() };
    let key = Key::root(countersign_storage_traits::Kind(5), ask.interaction());
    let stored = block_on(kit.server.store().get(&[key], kit.server.now())).unwrap().remove(0).unwrap();
    let stored = String::from_utf8_lossy(&stored.payload).into_owned();
    assert!(stored.contains("af0ifjsldkj") && stored.contains(CHALLENGE), "{stored}");
    assert!(!stored.contains("typed-by-mistake") && !stored.contains("hunter2") && !stored.contains("password"));
}

#[test]
fn promise_9_every_refusal_has_a_registered_code_and_a_cause_of_its_own() {
    let registered = [
        "",
        "access_denied",
        "consent_required",
        "insufficient_scope",
        "interaction_required",
        "invalid_client",
        "invalid_client_metadata",
        "invalid_grant",
        "invalid_redirect_uri",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "invalid_token",
        "login_required",
        "request_not_supported",
        "request_uri_not_supported",
        "server_error",
        "temporarily_unavailable",
        "unapproved_software_statement",
        "unauthorized_client",
        "unmet_authentication_requirements",
        "unsupported_grant_type",
        "unsupported_response_type",
    ];
    for cause in Cause::ALL {
        let refusal = Refusal::from(*cause);
        assert!(registered.contains(&refusal.error()), "{cause:?}");
        assert!(!refusal.cause_id().is_empty() && !refusal.section().is_empty());
    }
    let kit = Kit::new();
    kit.redeem("app", "x").is_error(400, "invalid_grant");
    let told = kit.events(EventKind::TokenRefused);
    assert_eq!((told[0].cause(), told[0].client_id()), (Some("code.malformed"), Some("app")));
    assert!(told[0].section().unwrap().contains("RFC 6749"));
}

#[test]
fn promise_7_what_is_as_large_as_may_be_is_kept_and_answered() {
    let kit = Kit::new();
    let long = "\u{7f51}".repeat(2_000);
    let form = authorization("app", "read").with("state", &long).with("login_hint", &long).with("ui_locales", &long);
    let form = form.with("acr_values", &"x ".repeat(1_500));
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &form, None) else { panic!() };
    let answer = redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit))));
    assert_eq!(answer.must("state"), long);
    // A little more is refused.
    let form = authorization("app", "read").with("state", &"x".repeat(16 * 1024 + 1));
    assert_eq!(shown(kit.authorize(&mut jar, &form, None)), "request.malformed");
    let many = (0..60).fold(authorization("app", "read"), |form, at| form.also(&format!("p{at}"), "x"));
    assert_eq!(shown(kit.authorize(&mut jar, &many, None)), "request.malformed");
}

#[test]
fn promise_7_what_has_expired_is_swept_and_nothing_else() {
    let store = MemoryStore::new();
    let kit = Kit::over(ISSUER, store.clone(), |builder| builder);
    let kept = store.len();
    for _ in 0..50 {
        kit.authorize(&mut Jar::default(), &authorization("app", "read"), None);
        let code = kit.code("app", "openid");
        kit.redeem("app", &code).ok();
        kit.code("app", "read");
    }
    assert!(store.len() > 150);
    kit.advance(3_600);
    let alive = kit.tokens("app", ALL);
    block_on(kit.server.work(kit.server.now())).unwrap();
    assert_eq!(store.len(), kept + 1, "the keys, and the one grant that lives");
    kit.is_alive("app", &alive);
}
