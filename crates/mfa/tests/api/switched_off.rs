//! Factors that an administrator has switched off: the calls take them no more than the pages do (promise 8).

use countersign_mfa::Operator;
use serde_json::json;

use super::Kit;
use super::passkeys::{passkey_of, signed};

impl Kit {
    async fn switch(&self, factor: &str, on: bool) {
        let by = Operator::host("test");
        self.mfa.settings().change(&by, None, |settings| settings.switch_factor(factor, on)).await.unwrap();
    }
}

#[tokio::test]
async fn promise_8_a_code_of_an_app_that_was_switched_off_gets_no_tokens_by_calls() {
    let kit = Kit::new().await;
    let (secret, ..) = kit.with_app("web", "alice").await;
    let begun = kit.mfa_token("web", "alice").await;
    kit.switch("totp", false).await;
    let answer = kit.otp("web", &begun, &kit.app(&secret)).await;
    assert!(answer.status >= 400 && answer.json.get("access_token").is_none(), "{}", answer.json);
    // Nor one that begins now; nothing else can be set up in its place.
    let required = kit.password("web", "alice", "openid payments").await;
    required.is(403, "mfa_required");
    assert!(!required.required("challenge").contains(&"otp".to_owned()), "{}", required.json);
    let token = required.text("mfa_token");
    let answer = kit.otp("web", &token, &kit.app(&secret)).await;
    assert!(answer.status >= 400 && answer.json.get("access_token").is_none(), "{}", answer.json);
    let phone = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+4915112345623" });
    assert!(kit.associate(&token, phone).await.status >= 400, "a password alone sets up no other factor");
    // Switched on again it serves.
    kit.switch("totp", true).await;
    kit.advance(30);
    let token = kit.mfa_token("web", "alice").await;
    kit.otp("web", &token, &kit.app(&secret)).await.ok();
}

#[tokio::test]
async fn promise_8_what_was_switched_off_is_neither_set_up_nor_told_by_calls() {
    let kit = Kit::new().await;
    kit.switch("totp", false).await;
    let required = kit.password("web", "alice", "openid payments").await;
    assert!(!required.required("enroll").contains(&"otp".to_owned()), "{}", required.json);
    let token = required.text("mfa_token");
    let answer = kit.associate(&token, json!({ "authenticator_types": ["otp"] })).await;
    assert!(answer.status >= 400 && answer.json.get("secret").is_none(), "{}", answer.json);
    // What was begun before comes into force no more.
    kit.switch("totp", true).await;
    let token = kit.mfa_token("web", "alice").await;
    let given = kit.associate(&token, json!({ "authenticator_types": ["otp"] })).await.ok();
    kit.switch("totp", false).await;
    let answer = kit.otp("web", &token, &kit.app(&given.text("secret"))).await;
    assert!(answer.status >= 400 && answer.json.get("access_token").is_none(), "{}", answer.json);
}

#[tokio::test]
async fn promise_8_a_passkey_that_was_switched_off_signs_nobody_in_by_calls() {
    let kit = Kit::new().await;
    let mut phone = passkey_of(&kit, "u-1").await;
    let asked = kit.asked("web").await.ok();
    let response = signed(&mut phone, &asked);
    kit.switch("passkey", false).await;
    let answer = kit.answered("web", &asked.text("auth_session"), response).await;
    assert!(answer.status >= 400 && answer.json.get("access_token").is_none(), "{}", answer.json);
    let refused = kit.asked("web").await;
    assert!(refused.status >= 400 && refused.json.get("auth_session").is_none(), "{}", refused.json);
    kit.switch("passkey", true).await;
    let asked = kit.asked("web").await.ok();
    let response = signed(&mut phone, &asked);
    kit.answered("web", &asked.text("auth_session"), response).await.ok();
}
