//! Messages and calls to a local server of Twilio's shape.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use countersign_delivery_twilio::{Twilio, TwilioError, TwilioVerify};
use countersign_outbound::{Channel, FetchLimits, HttpClient, Message, MessageSender as _, Purpose, SendError};
use countersign_primitives::{Id, ManualClock, UnixTime};

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const KEY: &str = "SK0123456789abcdef0123456789abcdef";
const SERVICE: &str = "VA0123456789abcdef0123456789abcdef";

/// A request that arrived: path, who called, and the form.
#[derive(Debug)]
struct Arrived {
    path: String,
    authorization: String,
    form: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default)]
struct Server {
    arrived: Arc<Mutex<Vec<Arrived>>>,
    /// What it answers from now on.
    answer: Arc<Mutex<(u16, String)>>,
    base: String,
}

impl Server {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { base, ..Self::default() };
        server.answers(201, r#"{"sid":"SM1","status":"queued"}"#);
        let app = Router::new().fallback(take).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn refuses(&self, status: u16, code: u32) {
        self.answers(
            status,
            &format!(r#"{{"code":{code},"message":"no, not +4915112345678: 747723","status":{status}}}"#),
        );
    }

    fn last(&self) -> Arrived {
        self.arrived.lock().unwrap().pop().unwrap()
    }

    fn twilio(&self) -> Twilio {
        let twilio = Twilio::new(client(), ACCOUNT, "the token").unwrap().base_url(&self.base).unwrap();
        let clock = Arc::new(ManualClock::at(UnixTime::from_secs(1_000)));
        twilio
            .from("+15005550006")
            .unwrap()
            .status_callback("https://id.example.com/hooks/twilio")
            .unwrap()
            .clock(clock)
    }
}

async fn take(State(server): State<Server>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let form = form_urlencoded::parse(&body).into_owned().collect();
    let authorization = headers["authorization"].to_str().unwrap().to_owned();
    server.arrived.lock().unwrap().push(Arrived { path: uri.path().to_owned(), authorization, form });
    let (status, body) = server.answer.lock().unwrap().clone();
    (StatusCode::from_u16(status).unwrap(), body)
}

fn client() -> HttpClient {
    HttpClient::new(FetchLimits { time: Duration::from_secs(5), body: 16 * 1_024 }).unwrap()
}

fn message(channel: Channel) -> Message {
    let text = "747723 is your Example code & <more>.";
    let message = Message::new(channel, Purpose::Code, "+4915112345678", text).code("747723").language_tag("de");
    message.with_id(Id::from_bytes([7; 16])).expires(UnixTime::from_secs(1_300))
}

#[tokio::test]
async fn a_text_message_is_posted_with_its_sender_its_lifetime_and_its_callback() {
    let server = Server::start().await;
    server.twilio().send(&message(Channel::Sms)).await.unwrap();
    let arrived = server.last();
    assert_eq!(arrived.path, format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
    let basic = "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjp0aGUgdG9rZW4=";
    assert_eq!(arrived.authorization, basic);
    let callback = format!("https://id.example.com/hooks/twilio?message={}", Id::from_bytes([7; 16]));
    for (name, value) in [
        ("To", "+4915112345678"),
        ("From", "+15005550006"),
        ("Body", "747723 is your Example code & <more>."),
        ("ValidityPeriod", "300"),
        ("StatusCallback", &callback),
    ] {
        assert_eq!(arrived.form.get(name).map(String::as_str), Some(value));
    }
    let service = server.twilio().from("MG0123456789abcdef0123456789abcdef").unwrap().key(KEY, "secret").unwrap();
    service.send(&message(Channel::Sms)).await.unwrap();
    let arrived = server.last();
    assert_eq!(arrived.form["MessagingServiceSid"], "MG0123456789abcdef0123456789abcdef");
    assert!(!arrived.form.contains_key("From") && arrived.authorization != basic);
}

#[tokio::test]
async fn a_call_reads_the_text_out_as_text() {
    let server = Server::start().await;
    server.twilio().send(&message(Channel::Voice)).await.unwrap();
    let arrived = server.last();
    assert_eq!(arrived.path, format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json"));
    let said = r#"<Say language="de-DE">747723 is your Example code &amp; &lt;more&gt;.</Say>"#;
    assert!(arrived.form["Twiml"].contains(said), "{}", arrived.form["Twiml"]);
    let letters = server.twilio().from("Example").unwrap();
    let error = letters.send(&message(Channel::Voice)).await.unwrap_err(); // letters make no calls
    assert!(matches!(error, SendError::Rejected(_)));
}

#[tokio::test]
async fn verify_sends_a_code_of_ours_and_nothing_else() {
    let server = Server::start().await;
    let verify = TwilioVerify::new(client(), ACCOUNT, "the token", SERVICE).unwrap().base_url(&server.base).unwrap();
    for (channel, name) in [(Channel::Sms, "sms"), (Channel::Voice, "call")] {
        verify.send(&message(channel)).await.unwrap();
        let arrived = server.last();
        assert_eq!(arrived.path, format!("/v2/Services/{SERVICE}/Verifications"));
        assert_eq!(
            (&*arrived.form["CustomCode"], &*arrived.form["Channel"], &*arrived.form["Locale"]),
            ("747723", name, "de")
        );
    }
    // What came of it is told by the name that Twilio gave it, or by the number where another process had sent it.
    let sid = "VE0123456789abcdef0123456789abcdef";
    server.answers(201, &format!(r#"{{"sid":"{sid}","status":"pending"}}"#));
    let to = "+4915112345678";
    for _ in 0..2 {
        verify.send(&message(Channel::Sms)).await.unwrap();
    }
    let told: Vec<_> = std::iter::from_fn(|| server.arrived.lock().unwrap().pop()).collect();
    let told: Vec<_> =
        told.iter().rev().map(|one| (one.path.rsplit('/').next().unwrap(), one.form.get("Status"))).collect();
    let canceled = "canceled".to_owned();
    assert_eq!(told, [("Verifications", None), (sid, Some(&canceled)), ("Verifications", None)], "one at a time");
    verify.entered(Channel::Sms, to).await.unwrap();
    let arrived = server.last();
    assert_eq!(
        (&*arrived.path, &*arrived.form["Status"]),
        (&*format!("/v2/Services/{SERVICE}/Verifications/{sid}"), "approved")
    );
    verify.entered(Channel::Sms, to).await.unwrap();
    assert!(server.last().path.ends_with("/Verifications/%2B4915112345678"));
    server.refuses(404, 20_404);
    assert!(verify.entered(Channel::Sms, to).await.is_err());
    server.answers(201, "{}");
    server.arrived.lock().unwrap().clear();

    let notice = Message::new(Channel::Sms, Purpose::Notice, "+4915112345678", "x");
    assert!(matches!(verify.send(&notice).await, Err(SendError::Rejected(_))));
    assert!(server.arrived.lock().unwrap().is_empty());
    let verify = verify.otherwise(server.twilio());
    verify.send(&notice).await.unwrap();
    assert!(server.last().path.ends_with("/Messages.json"), "what is no code goes by another way");
    verify.send(&message(Channel::Sms)).await.unwrap();
    assert!(server.last().path.ends_with("/Verifications"));
}

#[tokio::test]
async fn what_twilio_refuses_is_told_by_its_number_and_quotes_nothing() {
    let server = Server::start().await;
    let twilio = server.twilio();
    for code in [21_211, 21_408, 21_610, 21_614, 60_410] {
        server.refuses(400, code);
        assert!(matches!(twilio.send(&message(Channel::Sms)).await, Err(SendError::Unreachable)), "{code}");
    }
    for status in [429, 503] {
        server.refuses(status, 20_429);
        assert!(matches!(twilio.send(&message(Channel::Sms)).await, Err(SendError::Busy)), "{status}");
    }
    server.refuses(401, 20_003);
    let error = twilio.send(&message(Channel::Sms)).await.unwrap_err();
    let cause = error.source().and_then(|source| source.downcast_ref::<TwilioError>());
    assert!(matches!(cause, Some(TwilioError::Refused { status: 401, code: Some(20_003) })));
    let shown = format!("{error:?} {error} {}", cause.unwrap());
    assert!(!error.is_transient() && !["747723", "15112345678", "the token"].iter().any(|part| shown.contains(part)));
    for (status, body) in [(500, ""), (502, "<html>"), (302, "")] {
        server.answers(status, body);
        let error = twilio.send(&message(Channel::Sms)).await.unwrap_err();
        assert!(matches!(error, SendError::Unavailable(_)), "{status}");
    }
    let mail = Message::new(Channel::Email, Purpose::Code, "alice@example.com", "x");
    assert!(matches!(twilio.send(&mail).await, Err(SendError::Rejected(_))));
}

#[tokio::test]
async fn m32_no_text_and_no_number_adds_a_parameter() {
    let server = Server::start().await;
    let text = "x&To=%2B1900&MediaUrl=http://evil\r\n\r\nTo=+1900";
    let message = Message::new(Channel::Sms, Purpose::Code, "+4915112345678&To=+1900", text);
    server.twilio().send(&message).await.unwrap();
    let arrived = server.last();
    assert_eq!(arrived.form["To"], "+4915112345678&To=+1900");
    assert_eq!(arrived.form["Body"], text);
    assert_eq!(arrived.form.len(), 4, "{:?}", arrived.form); // and From and StatusCallback
}
