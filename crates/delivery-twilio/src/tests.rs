//! Callbacks, signed and not.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign_events::{Event, Events};
use countersign_outbound::{FetchError, Fetcher};
use countersign_primitives::{BoxError, Id};
use http::{Request, Response};
use ring::hmac;

use crate::{CallbackError, SeenReports, Status, StatusReport, Twilio, TwilioConfigError};

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const TOKEN: &str = "12345";
const CALLBACK: &str = "https://id.example.com/hooks/twilio";

#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Fetcher for Nobody {
    async fn fetch(&self, _: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        Err(FetchError::Timeout)
    }
}

type Told = Arc<Mutex<Vec<(Option<&'static str>, Option<Id>)>>>;

fn twilio() -> (Twilio, Told) {
    let told = Told::default();
    let events = {
        let told = Arc::clone(&told);
        Events::none().and(move |event: &Event| told.lock().unwrap().push((event.cause(), event.message())))
    };
    let twilio = Twilio::new(Nobody, ACCOUNT, TOKEN).unwrap().status_callback(CALLBACK).unwrap().events(events);
    (twilio, told)
}

fn id() -> Id {
    Id::from_bytes([7; 16])
}

/// A callback as Twilio sends it.
fn callback(parameters: &[(&str, &str)]) -> Request<Bytes> {
    let query = format!("message={}", id());
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let text = sorted.iter().fold(format!("{CALLBACK}?{query}"), |text, (name, value)| text + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()).as_ref());
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let uri = format!("/hooks/twilio?{query}");
    Request::post(uri).header("x-twilio-signature", signature).body(body.into()).unwrap()
}

fn undelivered() -> [(&'static str, &'static str); 5] {
    [
        ("AccountSid", ACCOUNT),
        ("MessageSid", "SM1"),
        ("MessageStatus", "undelivered"),
        ("ErrorCode", "30003"),
        ("To", "+4915112345678"),
    ]
}

#[test]
fn a_signature_of_twilios_own_documentation_verifies() {
    let parameters = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ];
    let text = crate::status::signed("https://mycompany.com/myapp.php?foo=1&bar=2", &parameters);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"12345");
    let signature = STANDARD.decode("RSOYDt4T1cUTdK1PDd93/VVr8B8=").unwrap();
    assert!(hmac::verify(&key, text.as_bytes(), &signature).is_ok());
}

#[tokio::test]
async fn a_message_that_did_not_arrive_is_told_once() {
    let (twilio, told) = twilio();
    let report = twilio.status(&callback(&undelivered())).await.unwrap();
    let lost = Status::Lost(Some(30_003));
    assert_eq!(report, StatusReport { message: Some(id()), status: lost, repeated: false });
    assert!(twilio.status(&callback(&undelivered())).await.unwrap().repeated);
    assert_eq!(*told.lock().unwrap(), [(Some("message.undelivered"), Some(id()))]);
    let call = [("AccountSid", ACCOUNT), ("CallSid", "CA1"), ("CallStatus", "no-answer")];
    assert_eq!(twilio.status(&callback(&call)).await.unwrap().status, Status::Lost(None));
    for (state, status) in
        [("delivered", Status::Delivered), ("sent", Status::Underway), ("a new word", Status::Underway)]
    {
        let parameters = [("AccountSid", ACCOUNT), ("MessageSid", "SM2"), ("MessageStatus", state)];
        assert_eq!(twilio.status(&callback(&parameters)).await.unwrap().status, status, "{state}");
    }
    assert_eq!(told.lock().unwrap().len(), 2);
}

/// What all processes share.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<std::collections::HashSet<[u8; 32]>>>, Arc<Mutex<bool>>);

#[async_trait]
impl SeenReports for Shared {
    async fn is_new(&self, report: [u8; 32]) -> Result<bool, BoxError> {
        if *self.1.lock().unwrap() { Err("down".into()) } else { Ok(self.0.lock().unwrap().insert(report)) }
    }
}

#[tokio::test]
async fn a_report_that_reaches_two_processes_is_told_once_and_none_while_that_cannot_be_told() {
    let shared = Shared::default();
    let processes = [twilio(), twilio()].map(|(twilio, told)| (twilio.seen_reports(shared.clone()), told));
    *shared.1.lock().unwrap() = true;
    assert!(matches!(processes[0].0.status(&callback(&undelivered())).await, Err(CallbackError::Seen(_))));
    *shared.1.lock().unwrap() = false;
    assert!(!processes[0].0.status(&callback(&undelivered())).await.unwrap().repeated);
    assert!(processes[1].0.status(&callback(&undelivered())).await.unwrap().repeated);
    assert_eq!((processes[0].1.lock().unwrap().len(), processes[1].1.lock().unwrap().len()), (1, 0));
}

#[tokio::test]
async fn promise_11_a_callback_that_twilio_did_not_sign_tells_nothing() {
    let (twilio, told) = twilio();
    let refused = async |request: Request<Bytes>| twilio.status(&request).await.unwrap_err().to_string();
    let unsigned = CallbackError::Signature.to_string();
    let (good, _) = callback(&undelivered()).into_parts();
    let rebuilt = |uri: &str, signature: Option<&str>, body: &'static str| {
        let mut request = Request::post(uri).body(Bytes::from(body)).unwrap();
        if let Some(signature) = signature {
            request.headers_mut().insert("x-twilio-signature", signature.parse().unwrap());
        }
        request
    };
    let signature = good.headers["x-twilio-signature"].to_str().unwrap();
    let uri = good.uri.to_string();
    let body = "AccountSid=AC0123456789abcdef0123456789abcdef&MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003&To=%2B4915112345678";
    assert!(twilio.status(&rebuilt(&uri, Some(signature), body)).await.is_ok()); // the same bytes are good
    let told_before = told.lock().unwrap().len();
    assert_eq!(refused(rebuilt(&uri, None, body)).await, unsigned);
    assert_eq!(refused(rebuilt(&uri, Some(""), body)).await, unsigned);
    assert_eq!(refused(rebuilt(&uri, Some("AAAA"), body)).await, unsigned);
    let other = "AccountSid=AC0123456789abcdef0123456789abcdef&MessageSid=SM9&MessageStatus=undelivered&ErrorCode=30003&To=%2B4915112345678";
    assert_eq!(refused(rebuilt(&uri, Some(signature), other)).await, unsigned);
    let another = format!("/hooks/twilio?message={}", Id::from_bytes([8; 16]));
    assert_eq!(refused(rebuilt(&another, Some(signature), body)).await, unsigned);
    let mut twice = rebuilt(&uri, Some(signature), body);
    twice.headers_mut().append("x-twilio-signature", signature.parse().unwrap());
    assert_eq!(refused(twice).await, unsigned);
    let foreign =
        [("AccountSid", "AC00000000000000000000000000000000"), ("MessageSid", "SM1"), ("MessageStatus", "failed")];
    assert_eq!(refused(callback(&foreign)).await, unsigned); // signed, and of another account
    assert_eq!(told.lock().unwrap().len(), told_before);
}

#[tokio::test]
async fn promise_7_a_callback_is_bounded() {
    let (twilio, _) = twilio();
    let many: Vec<_> = (0..101).map(|_| ("a", "b")).collect();
    assert!(matches!(twilio.status(&callback(&many)).await, Err(CallbackError::Malformed)));
    let long = "x".repeat(20_000);
    assert!(matches!(twilio.status(&callback(&[("a", &long)])).await, Err(CallbackError::Malformed)));
    let get = Request::get(CALLBACK).body(Bytes::new()).unwrap();
    assert!(matches!(twilio.status(&get).await, Err(CallbackError::Malformed)));
    assert!(matches!(twilio.status(&callback(&[("AccountSid", ACCOUNT)])).await, Err(CallbackError::Malformed)));
    let without = Twilio::new(Nobody, ACCOUNT, TOKEN).unwrap();
    assert!(matches!(without.status(&callback(&undelivered())).await, Err(CallbackError::NotConfigured)));
}

#[test]
fn a_setting_that_cannot_be_used_is_named() {
    let made = || Twilio::new(Nobody, ACCOUNT, TOKEN).unwrap();
    for sid in ["", "AC1", "SK0123456789abcdef0123456789abcdef", "AC0123456789abcdef0123456789abcde/"] {
        assert_eq!(Twilio::new(Nobody, sid, TOKEN).map(drop), Err(TwilioConfigError::Account), "{sid}");
    }
    for sender in ["+15005550006", "Example", "MG0123456789abcdef0123456789abcdef"] {
        assert!(made().from(sender).is_ok(), "{sender}");
    }
    for sender in ["", "15005550006", "+1", "far too long a name", "a&b", "+1500555000x"] {
        assert_eq!(made().from(sender).map(drop), Err(TwilioConfigError::From), "{sender}");
    }
    for url in ["", "id.example.com", "http://id.example.com/x", "https://a/?b=c", "https://a/#b", "https://u:p@a/"] {
        assert_eq!(made().status_callback(url).map(drop), Err(TwilioConfigError::Address), "{url}");
    }
    let twilio = Twilio::new(Nobody, ACCOUNT, "hunter2").unwrap();
    assert!(!format!("{twilio:?}").contains("hunter2"));
}
