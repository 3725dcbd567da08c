//! The hook against a server on loopback.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_outbound::{
    Channel, FetchLimits, HookError, HttpClient, HttpHook, Message, MessageSender as _, Purpose, SendError,
};
use countersign_primitives::{Id, ManualClock, UnixTime};
use ring::hmac;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Arrived = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver whose status is what the number to which the message goes ends in.
async fn receiver() -> (String, Arrived) {
    let arrived = Arrived::default();
    let take = async |State(arrived): State<Arrived>, headers: HeaderMap, body: Bytes| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let status = text.split(r#""to":"+49151"#).nth(1).and_then(|rest| rest.get(..3)).unwrap();
        arrived.lock().unwrap().push((headers, body));
        StatusCode::from_u16(status.parse().unwrap()).unwrap()
    };
    let app = Router::new().route("/messages", post(take)).with_state(arrived.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/messages", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, arrived)
}

fn hook(address: &str) -> HttpHook {
    let client = HttpClient::new(FetchLimits::default()).unwrap();
    let clock = Arc::new(ManualClock::at(UnixTime::from_secs(1_700_000_000)));
    HttpHook::new(client, address, SECRET).unwrap().clock(clock)
}

fn message(status: u16) -> Message {
    let to = format!("+49151{status}45678");
    let message = Message::new(Channel::Sms, Purpose::Code, to, "747723 is your \"Example\" code").code("747723");
    message.with_id(Id::from_bytes([1; 16])).language_tag("en").expires(UnixTime::from_secs(1_700_000_300))
}

#[tokio::test]
async fn a_message_is_posted_and_its_signature_verifies_as_standard_webhooks_says() {
    let (address, arrived) = receiver().await;
    hook(&address).send(&message(200)).await.unwrap();
    let (headers, body) = arrived.lock().unwrap().pop().unwrap();
    let id = Id::from_bytes([1; 16]).to_string();
    assert_eq!(headers["webhook-id"], *id);
    assert_eq!(headers["webhook-timestamp"], "1700000000");
    assert_eq!(headers["content-type"], "application/json");
    let body = std::str::from_utf8(&body).unwrap();
    for part in [
        r#""channel":"sms""#,
        r#""purpose":"code""#,
        r#""text":"747723 is your \"Example\" code""#,
        r#""code":"747723""#,
        r#""language":"en""#,
        r#""expires_at":1700000300"#,
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap());
    let signature = headers["webhook-signature"].to_str().unwrap().strip_prefix("v1,").unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    assert!(hmac::verify(&key, format!("{id}.1700000000.{body}").as_bytes(), &signature).is_ok());
    assert!(hmac::verify(&key, format!("{id}.1700000001.{body}").as_bytes(), &signature).is_err());
}

#[tokio::test]
async fn a_hook_says_by_its_status_what_became_of_a_message() {
    let (address, _) = receiver().await;
    let hook = hook(&address);
    assert!(hook.send(&message(204)).await.is_ok());
    assert!(matches!(hook.send(&message(422)).await, Err(SendError::Unreachable)));
    for status in [429, 503] {
        assert!(matches!(hook.send(&message(status)).await, Err(SendError::Busy)), "{status}");
    }
    for status in [400, 401, 404] {
        assert!(matches!(hook.send(&message(status)).await, Err(SendError::Rejected(_))), "{status}");
    }
    for status in [301, 500, 502] {
        assert!(matches!(hook.send(&message(status)).await, Err(SendError::Unavailable(_))), "{status}");
    }
}

#[test]
fn promise_4_a_hook_without_a_good_secret_or_in_the_clear_cannot_be_made() {
    let made = |address: &str, secret: &str| {
        let client = HttpClient::new(FetchLimits::default()).unwrap();
        HttpHook::new(client, address, secret).map(drop)
    };
    assert_eq!(made("https://hooks.example.com/x", SECRET), Ok(()));
    assert_eq!(made("http://hooks.example.com/x", SECRET), Err(HookError::Address));
    assert_eq!(made("hooks", SECRET), Err(HookError::Address));
    for secret in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%"] {
        assert_eq!(made("https://hooks.example.com/x", secret), Err(HookError::Secret), "{secret}");
    }
}
