//! Codes that are sent, as JSON steps and as forms.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_mfa::SmsCodes;
use countersign_outbound::{Message, MessageSender, SendError};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::{Bench, body};

/// The codes and texts that were sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letters(Arc<Mutex<Vec<(String, String)>>>);

impl Letters {
    pub(crate) fn last(&self) -> (String, String) {
        self.0.lock().unwrap().last().unwrap().clone()
    }
}

#[async_trait]
impl MessageSender for Letters {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let code = message.code_text().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push((code, message.text().to_owned()));
        Ok(())
    }
}

async fn bench() -> (Bench, Letters) {
    let letters = Letters::default();
    (Bench::with(|mfa| mfa.factor(SmsCodes::new(letters.clone()))).await, letters)
}

fn way(step: &Value, method: &str) -> Value {
    let ways = step["authenticators"].as_array().unwrap();
    ways.iter().find(|way| way["type"] == method).unwrap()["id"].clone()
}

#[tokio::test]
async fn a_front_end_sets_codes_up_sends_them_again_and_is_told_when_it_may() {
    let (bench, letters) = bench().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments&ui_locales=de").await;
    let step = browser.password(&login, "alice").await;
    let id = way(&step, "sms");
    let step = browser.answer(&login, &step, json!({"answer": "choose", "id": id})).await;
    assert_eq!((&step["step"], &step["type"], &step["channel"]), (&json!("contact"), &json!("sms"), &json!("sms")));
    let wrong = browser.try_answer(&login, &step["csrf"], json!({"answer": "contact", "to": "12"})).await;
    assert_eq!((wrong.status(), &body(&wrong)["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid_contact")));
    let step = browser.answer(&login, &step, json!({"answer": "contact", "to": "+49 151 123 456 23"})).await;
    assert_eq!((&step["step"], &step["to"], &step["resend_in"]), (&json!("enrol"), &json!("+49…23"), &json!(30)));
    assert!(letters.last().1.contains("gilt") && letters.last().1.ends_with(&format!("#{}", letters.last().0)));

    let early = browser.try_answer(&login, &step["csrf"], json!({"answer": "resend"})).await;
    assert_eq!((early.status(), &body(&early)["error"]), (StatusCode::TOO_MANY_REQUESTS, &json!("too_soon")));
    assert_eq!(early.headers()[header::RETRY_AFTER], "30");
    bench.clock.advance(Duration::from_secs(30));
    let step = browser.answer(&login, &step, json!({"answer": "resend"})).await;
    let cookies = browser.cookies.clone();
    let code = letters.last().0;
    let step = browser.answer(&login, &step, json!({"answer": "enrol", "code": code})).await;
    assert_eq!(step["step"], "recovery_codes", "{step}");
    assert_ne!(browser.cookies, cookies, "a proof gives the browser's cookie a new value");
    let step = browser.answer(&login, &step, json!({"answer": "recovery_codes"})).await;
    browser.consent(&login, &step).await;
}

#[tokio::test]
async fn a_page_does_the_same_by_forms() {
    let (bench, letters) = bench().await;
    let mut browser = bench.browser();
    browser.json = false;
    let login = browser.authorize("scope=payments").await;
    let mut page = body(&browser.get(&login).await);
    let answers = ["username=alice&password=alice-password&answer=password", "other=enrol%7Csms&answer=choose"];
    let number = "to=%2B4915112345623&answer=contact";
    let other_number = ["other=enrol%7Csms&answer=enrol&code=", "to=%2B4915112345624&answer=contact"];
    for form in answers.iter().chain([&number]).chain(&other_number) {
        if *form == other_number[1] {
            bench.clock.advance(Duration::from_secs(30));
        }
        let response = browser.form(&login, &format!("{form}&csrf={}", page["csrf"].as_str().unwrap())).await;
        assert_eq!(response.status(), StatusCode::OK, "{form}: {:?}", response.body());
        page = body(&response);
    }
    assert_eq!((&page["step"], &page["to"]), (&json!("enrol"), &json!("+49…24")));
    bench.clock.advance(Duration::from_secs(30));
    let csrf = page["csrf"].as_str().unwrap();
    let again = body(&browser.form(&login, &format!("other=resend&answer=enrol&code=&csrf={csrf}")).await);
    assert_eq!((&again["step"], &again["error"], letters.0.lock().unwrap().len()), (&json!("enrol"), &json!(null), 3));
    let form = format!("code={}&answer=enrol&csrf={}", letters.last().0, again["csrf"].as_str().unwrap());
    assert_eq!(body(&browser.form(&login, &form).await)["step"], "recovery_codes");
}
