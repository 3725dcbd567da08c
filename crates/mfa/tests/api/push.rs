//! Push through the API: the client shows the number, and the device takes it.

use async_trait::async_trait;
use countersign_mfa::{FirstEnrolment, Policy, Push};
use countersign_outbound::{PushMessage, PushSender, SendError};
use countersign_tokens::{CryptoProvider, Header, LocalSigner, Ring, Signer, SigningAlgorithm, sign_compact};
use serde_json::{Value, json};

use crate::{ISSUER, Kit};

#[derive(Debug, Clone, Default)]
struct Carrier(std::sync::Arc<std::sync::Mutex<Vec<PushMessage>>>);

#[async_trait]
impl PushSender for Carrier {
    async fn send(&self, push: &PushMessage) -> Result<(), SendError> {
        self.0.lock().unwrap().push(push.clone());
        Ok(())
    }
}

async fn signed(signer: &LocalSigner, header: &Header<'_>, claims: &Value) -> String {
    sign_compact(signer, header, claims).await.unwrap()
}

/// A kit whose user has a device.
async fn with_device() -> (Kit, Carrier, LocalSigner) {
    let carrier = Carrier::default();
    let policy = Policy::always().first_enrolment(FirstEnrolment::ThisLogin);
    let kit = Kit::with(policy, |mfa| mfa.push(Push::new(carrier.clone()))).await;
    let token = kit.mfa_token("phone", "alice").await;
    let given = kit.associate(&token, json!({ "authenticator_types": ["oob"], "oob_channels": ["auth0"] })).await.ok();
    assert_eq!((given.text("oob_channel").as_str(), given.text("binding_method").as_str()), ("auth0", "prompt"));
    let handle = given.text("barcode_uri").rsplit_once("handle=").unwrap().1.to_owned();
    let pkcs8 = Ring.generate_key(SigningAlgorithm::Es256).unwrap();
    let device = LocalSigner::new(Ring.signing_key(SigningAlgorithm::Es256, &pkcs8).unwrap());
    let oob_code = given.text("oob_code");
    kit.oob("phone", &token, &oob_code, None).await.is(400, "authorization_pending");
    kit.oob("phone", &token, &oob_code, None).await.is(400, "slow_down");
    let header = Header { typ: Some("countersign-push-enrol+jwt"), cty: None, jwk: Some(device.public_key()) };
    let proof = signed(&device, &header, &json!({ "aud": ISSUER, "handle": handle, "address": "phone-1" })).await;
    let registered = kit.post("/push/enrol", None, json!({ "proof": proof })).await.ok();
    kit.oob("phone", &token, &oob_code, Some(&registered.text("confirmation"))).await.ok();
    kit.advance(30);
    (kit, carrier, device)
}

async fn decide(kit: &Kit, carrier: &Carrier, device: &LocalSigner, decision: &str, number: &str) -> Value {
    let challenge = carrier.0.lock().unwrap().last().unwrap().challenge().to_string();
    let claims = json!({
        "aud": ISSUER, "challenge": challenge, "client": "phone", "decision": decision, "number": number,
    });
    let proof = signed(device, &Header::typ("countersign-push-answer+jwt"), &claims).await;
    kit.post("/push/answer", None, json!({ "challenge": challenge, "proof": proof })).await.ok().json
}

#[tokio::test]
async fn m31_push_carries_a_number_that_the_device_takes() {
    let (kit, carrier, device) = with_device().await;
    let answer = kit.password("phone", "alice", "orders").await;
    assert_eq!(answer.required("challenge"), ["push-notification", "recovery-code"]);
    let token = answer.text("mfa_token");
    let asked = kit.challenge("phone", &token, json!({ "challenge_type": "oob" })).await.ok();
    assert_eq!((asked.text("number").len(), asked.json.get("binding_method")), (2, None), "{}", asked.json);
    let oob_code = asked.text("oob_code");
    kit.oob("phone", &token, &oob_code, None).await.says(
        400,
        "authorization_pending",
        "Authorization pending: please repeat the request in a few seconds.",
    );
    kit.oob("phone", &token, &oob_code, None).await.is(400, "slow_down");
    decide(&kit, &carrier, &device, "approve", &asked.text("number")).await;
    kit.advance(3);
    kit.oob("phone", &token, &oob_code, None).await.ok();
}

#[tokio::test]
async fn m31_a_wrong_number_ends_the_challenge_and_a_client_that_shows_none_asks_nobody() {
    let (kit, carrier, device) = with_device().await;
    // A client that is not registered as able to show the number.
    let answer = kit.password("spa", "alice", "orders").await;
    assert_eq!(answer.required("challenge"), ["recovery-code"]);
    let token = answer.text("mfa_token");
    kit.challenge("spa", &token, json!({ "challenge_type": "oob" })).await.is(400, "unsupported_challenge_type");
    let listed = kit.list(&token).await.ok().json;
    assert!(listed.as_array().unwrap().iter().all(|one| one["oob_channel"] != "auth0"), "{listed}");
    assert!(carrier.0.lock().unwrap().is_empty());

    let token = kit.mfa_token("phone", "alice").await;
    let asked = kit.challenge("phone", &token, json!({})).await.ok();
    let number: u32 = asked.text("number").parse().unwrap();
    let other = if number == 99 { 98 } else { number + 1 };
    decide(&kit, &carrier, &device, "approve", &other.to_string()).await;
    kit.oob("phone", &token, &asked.text("oob_code"), None).await.says(
        400,
        "invalid_grant",
        "MFA Authorization rejected.",
    );
    kit.advance(3);
    kit.oob("phone", &token, &asked.text("oob_code"), None).await.is(400, "invalid_grant");
}
