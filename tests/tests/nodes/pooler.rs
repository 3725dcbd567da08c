//! The quickstart behind PgBouncer.

use std::thread;
use std::time::{Duration, Instant};

use countersign_tests::{CLIENTS, Callback, FrontEnd, Http, PgBouncer, Postgres, Quickstart, Reply, User};
use serde_json::Value;

use crate::site::answered;

fn refresh(quickstart: &Quickstart, tokens: &Value) -> Reply {
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "bank")];
    Http::new().post(&quickstart.url("/oauth/token"), &form, &[])
}

fn login_tokens_refresh(mode: &str, lines: &[&str], parameters: &str) {
    let server = Postgres::start();
    let pooler = PgBouncer::before(&server, &server.address(), mode, lines);
    let store = format!("{}{parameters}", pooler.fresh_schema());
    let mut quickstart = Quickstart::configured(CLIENTS, &["--store", &store]);
    let callback = Callback::at("https://shop.example/callback");
    let request = callback.authorization_url(quickstart.issuer(), "bank", "openid offline_access");
    let (mut alice, mut front_end) = (User::alice(), FrontEnd::new(quickstart.issuer()));
    let back = alice.sign_in(&mut front_end, &request);
    let tokens = callback.exchange(&back, quickstart.issuer(), "bank").answer;
    let tokens = answered(&refresh(&quickstart, &tokens));

    pooler.kill();
    let put_off = refresh(&quickstart, &tokens);
    assert_eq!(put_off.status, 503, "{}", put_off.body);
    assert!(put_off.header("retry-after").is_some());
    pooler.resume();
    let end = Instant::now() + Duration::from_secs(30);
    let tokens = loop {
        match refresh(&quickstart, &tokens) {
            reply if reply.status == 200 => break reply.json(),
            reply => assert_eq!(reply.status, 503, "{}", reply.body),
        }
        assert!(Instant::now() < end, "service returns by itself");
        thread::sleep(Duration::from_millis(50));
    };
    quickstart.restart();
    answered(&refresh(&quickstart, &tokens));
    let mut other = FrontEnd::new(quickstart.issuer());
    let login = other.begin(&request);
    assert_eq!(alice.walk(&mut other, &login, "code")["type"], "totp");
}

#[test]
fn promise_14_the_quickstart_behind_a_pooler_by_transaction_serves_and_service_returns_by_itself() {
    login_tokens_refresh("transaction", &[], "?pooler=true");
}

#[test]
fn promise_14_the_quickstart_behind_a_pooler_by_session_serves_and_service_returns_by_itself() {
    // As many connections as a node has: each keeps its own for as long as it lives.
    login_tokens_refresh("session", &["ignore_startup_parameters = options", "default_pool_size = 12"], "");
}
