//! Logins that a client drives are judged as those of a browser are (attack M34, promise 8).

use std::sync::{Arc, Mutex};

use countersign_mfa::risk::{Confidence, RiskPolicy};
use countersign_mfa::{FirstEnrolment, Policy};
use serde_json::json;

use crate::Kit;

/// What was found of each login, in order.
type Found = Arc<Mutex<Vec<Confidence>>>;

async fn kit(risk: RiskPolicy) -> (Kit, Found) {
    let found = Found::default();
    let heard = Arc::clone(&found);
    let risk = risk.report(move |report| heard.lock().unwrap().push(report.confidence()));
    let policy = Policy::never().first_enrolment(FirstEnrolment::ThisLogin).risk(risk);
    (Kit::with(policy, |mfa| mfa).await, found)
}

#[tokio::test]
async fn promise_8_a_password_grant_is_judged_and_from_a_client_that_is_not_known_asks_for_the_factor() {
    let (kit, found) = kit(RiskPolicy::new()).await;
    let (secret, _, _) = kit.with_app("web", "alice").await;
    // Client and address are known now; what somebody else tries elsewhere is not.
    kit.password("web", "alice", "orders").await.ok();
    let asked = kit.password("spa", "alice", "orders").await;
    asked.is(403, "mfa_required");
    kit.otp("spa", &asked.text("mfa_token"), &kit.app(&secret)).await.ok();
    kit.password("spa", "alice", "orders").await.ok();
    let found = found.lock().unwrap().clone();
    assert_eq!(found, [Confidence::Medium, Confidence::High, Confidence::Medium, Confidence::High]);
}

#[tokio::test]
async fn m25_at_low_confidence_no_call_sets_a_first_factor_up() {
    let (kit, found) = kit(RiskPolicy::new().thresholds(10, 35)).await;
    let refused = kit.password("web", "bob", "orders").await;
    refused.is(400, "unmet_authentication_requirements");
    assert!(refused.json.get("mfa_token").is_none() && refused.json.get("access_token").is_none());
    assert_eq!(*found.lock().unwrap(), [Confidence::Low]);
    let own = kit.own_token("web", "enroll", kit.who("u-2", 1)).await.ok().text("access_token");
    let given = kit.associate(&own, json!({ "authenticator_types": ["otp"] })).await;
    assert!(given.status == 403 && given.json.get("secret").is_none(), "{given:?}");
}
