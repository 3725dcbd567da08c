//! An operator changes the master key, and users notice nothing.

use std::time::Duration;

use countersign::otp::TotpSecret;
use countersign::{ConfigError, ManualClock, MasterKey};
use countersign_storage_memory::MemoryStore;
use serde_json::json;

use crate::support::{Bench, Browser, ISSUER, code_of, greenfield};

fn master(number: u8) -> MasterKey {
    MasterKey::from_bytes([number; 32])
}

/// A node that seals under `present`.
async fn node(store: &MemoryStore, clock: &ManualClock, present: u8, change: Change) -> Bench {
    let builder = greenfield(ISSUER, store.clone(), master(present)).clock(clock.clone());
    let builder = match change {
        Change::None => builder,
        Change::To(next) => builder.next_master_key(&master(next)),
        Change::From(earlier) => builder.earlier_master_key(&master(earlier)),
    };
    Bench { server: builder.build().await.unwrap(), clock: clock.clone() }
}

enum Change {
    None,
    To(u8),
    From(u8),
}

/// Signs alice in by password and authenticator app, in a browser that was never here.
async fn signs_in(bench: &Bench, secret: &TotpSecret) {
    bench.clock.advance(Duration::from_secs(60)); // a step of the app that was not used yet
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments:write").await;
    let step = browser.password(&login, "alice").await;
    let code = bench.code(secret);
    let step = browser.answer(&login, &step, json!({"answer": "code", "code": code})).await;
    assert_eq!(step["step"], "done", "consent is remembered: {step}");
    let (status, tokens) = browser.redeem(&code_of(step["redirect_to"].as_str().unwrap())).await;
    assert_eq!(status, 200, "{tokens}");
}

async fn refreshed(browser: &mut Browser<'_>, refresh_token: &str) -> String {
    let (status, tokens) = browser.refresh(refresh_token).await;
    assert_eq!(status, 200, "{tokens}");
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_changed_master_key_costs_no_factor_no_token_and_no_session() {
    let (store, clock) = (MemoryStore::new(), Bench::new().await.clock);
    let before = node(&store, &clock, 1, Change::None).await;
    before.user("u-1", "alice", "alice-password").await;
    let mut browser = before.browser();
    let login = browser.authorize("scope=orders:read%20payments:write").await;
    let step = browser.password(&login, "alice").await;
    let (secret, step) = browser.enrol(&login, &step).await;
    let tokens = browser.tokens(&login, &step).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap().to_owned();

    // First every node learns to open what the new key seals, then the new key seals, on one node after the other.
    let prepared = node(&store, &clock, 1, Change::To(2)).await;
    let changed = node(&store, &clock, 2, Change::From(1)).await;
    for bench in [&prepared, &changed, &prepared, &changed] {
        signs_in(bench, &secret).await;
    }
    let refresh_token = refreshed(&mut prepared.browser(), &refresh_token).await;
    let refresh_token = refreshed(&mut changed.browser(), &refresh_token).await;

    // When what expires has expired, the earlier key goes.
    clock.advance(Duration::from_secs(15 * 86_400));
    let after = node(&store, &clock, 2, Change::None).await;
    signs_in(&after, &secret).await;
    refreshed(&mut after.browser(), &refresh_token).await;
    let left = greenfield(ISSUER, store, master(1)).build().await.unwrap_err();
    assert!(matches!(left, ConfigError::MasterKey), "{left}");
}
