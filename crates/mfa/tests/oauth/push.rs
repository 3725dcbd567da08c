//! What devices call by HTTP, and a login that waits for them.

use async_trait::async_trait;
use bytes::Bytes;
use countersign_mfa::Push;
use countersign_outbound::{PushMessage, PushSender, SendError};
use countersign_tokens::{CryptoProvider, Header, LocalSigner, Ring, Signer, SigningAlgorithm, sign_compact};
use http::{Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::{Bench, ISSUER, Peer, body};

#[derive(Debug, Clone, Default)]
struct Carrier(std::sync::Arc<std::sync::Mutex<Vec<PushMessage>>>);

#[async_trait]
impl PushSender for Carrier {
    async fn send(&self, push: &PushMessage) -> Result<(), SendError> {
        self.0.lock().unwrap().push(push.clone());
        Ok(())
    }
}

async fn call(bench: &Bench, path: &str, content_type: &str, sent: impl Into<Bytes>) -> Response<Bytes> {
    let request = Request::post(path).header(header::HOST, "id.example.com").header(header::CONTENT_TYPE, content_type);
    let mut request = request.body(sent.into()).unwrap();
    request.extensions_mut().insert(Peer::new([192, 0, 2, 9].into()));
    bench.server.handle(request).await
}

async fn post(bench: &Bench, path: &str, sent: &Value) -> (StatusCode, Value) {
    let response = call(bench, path, "application/json", sent.to_string()).await;
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    (response.status(), body(&response))
}

async fn signed(signer: &LocalSigner, typ: &str, claims: &Value) -> String {
    sign_compact(signer, &Header::typ(typ), claims).await.unwrap()
}

fn key() -> LocalSigner {
    let pkcs8 = Ring.generate_key(SigningAlgorithm::Es256).unwrap();
    LocalSigner::new(Ring.signing_key(SigningAlgorithm::Es256, &pkcs8).unwrap())
}

/// A device that alice has set up.
async fn registered(bench: &Bench) -> LocalSigner {
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments").await;
    let step = browser.password(&login, "alice").await;
    let step = browser.answer(&login, &step, json!({"answer": "choose", "id": "enrol|push"})).await;
    let (device, code) = register(bench, &step).await;
    let step = browser.answer(&login, &step, json!({"answer": "enrol", "code": code})).await;
    browser.answer(&login, &step, json!({"answer": "recovery_codes"})).await;
    device
}

/// A device that reads what the page shows, and the digits that it shows then.
async fn register(bench: &Bench, step: &Value) -> (LocalSigner, String) {
    let uri = step["device_uri"].as_str().unwrap();
    let start = "countersign-push://enrol?endpoint=https%3A%2F%2Fid.example.com%2Fdevices&handle=";
    let handle = uri.strip_prefix(start).unwrap();

    let device = key();
    let claims = json!({ "aud": ISSUER, "handle": handle, "address": "phone-1" });
    let header = Header { typ: Some("countersign-push-enrol+jwt"), cty: None, jwk: Some(device.public_key()) };
    let proof = sign_compact(&device, &header, &claims).await.unwrap();
    let (status, registered) = post(bench, "/devices/enrol", &json!({ "proof": proof })).await;
    assert_eq!(
        (status, &registered["account"], &registered["issuer"]),
        (StatusCode::OK, &json!("alice"), &json!(ISSUER))
    );
    (device, registered["confirmation"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn m25_a_device_is_added_beside_an_app_at_the_account() {
    let bench = Bench::with(|mfa| mfa.push(Push::new(Carrier::default()).path("/devices"))).await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments").await;
    let step = browser.password(&login, "alice").await;
    let step = browser.answer(&login, &step, json!({"answer": "choose", "id": "enrol|totp"})).await;
    let (_, step) = browser.prove_enrolment(&login, &step).await;
    browser.consent(&login, &step).await;
    let (login, step) = crate::adding::begin(&mut browser, "push").await;
    let (_, code) = register(&bench, &step).await;
    let step = browser.answer(&login, &step, json!({"answer": "enrol", "code": code})).await;
    assert_eq!(step["redirect_to"], "/account/factors?done=added", "{step}");
    let shown = crate::account::room(&mut browser, "/account/factors").await;
    assert_eq!(shown["factors"][1]["type"], "push", "{shown}");
}

/// The device approves the newest question with this number; the answer is what it sent, to be sent again.
async fn approve(bench: &Bench, carrier: &Carrier, device: &LocalSigner, number: &Value) -> (String, Value) {
    let challenge = carrier.0.lock().unwrap().last().unwrap().challenge().to_string();
    let reading = signed(device, "countersign-push-read+jwt", &json!({ "aud": ISSUER, "challenge": challenge })).await;
    let (status, about) = post(bench, &format!("/devices/challenge/{challenge}"), &json!({ "proof": reading })).await;
    assert_eq!((status, &about["client"], &about["account"]), (StatusCode::OK, &json!("Shop"), &json!("alice")));
    assert!(about.get("number").is_none(), "{about}");
    let answer = json!({
        "aud": ISSUER, "challenge": challenge, "client": about["client"], "decision": "approve", "number": number,
    });
    let proof = signed(device, "countersign-push-answer+jwt", &answer).await;
    let sent = json!({ "challenge": challenge, "proof": proof });
    let (status, decided) = post(bench, "/devices/answer", &sent).await;
    assert_eq!((status, decided), (StatusCode::OK, json!({ "outcome": "approved" })));
    (challenge, answer)
}

#[tokio::test]
async fn a_device_registers_and_answers_by_http_and_the_login_goes_on() {
    let carrier = Carrier::default();
    let bench = Bench::with(|mfa| mfa.push(Push::new(carrier.clone()).path("/devices"))).await;
    let device = registered(&bench).await;
    let mut other = bench.browser();
    let login = other.authorize("scope=payments").await;
    let step = other.password(&login, "alice").await;
    assert_eq!((&step["step"], &step["type"], &step["poll_every"]), (&json!("wait"), &json!("push"), &json!(2)));
    let step = other.answer(&login, &step, json!({"answer": "poll"})).await;
    assert_eq!(step["step"], "wait", "{step}");
    let (challenge, answer) = approve(&bench, &carrier, &device, &step["number"]).await;
    let step = other.answer(&login, &step, json!({"answer": "poll"})).await;
    let back = other.consent(&login, &step).await;
    assert!(back.starts_with("https://shop.example/cb?code="), "{back}");
    let again = signed(&device, "countersign-push-answer+jwt", &answer).await;
    let (status, refused) = post(&bench, "/devices/answer", &json!({ "challenge": challenge, "proof": again })).await;
    assert_eq!((status, &refused["error"]), (StatusCode::CONFLICT, &json!("already_answered")));
}

/// A page that waits reloads itself and moves on; a GET that another's page causes, or whose page nobody knows, changes nothing.
#[tokio::test]
async fn a_page_that_waits_moves_on_by_itself_and_for_no_page_but_our_own() {
    let carrier = Carrier::default();
    let bench = Bench::with(|mfa| mfa.push(Push::new(carrier.clone()).path("/devices"))).await;
    let device = registered(&bench).await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments").await;
    let step = browser.password(&login, "alice").await;
    let load = |site: Option<&'static str>, accept: &'static str| {
        let request = Request::get(&login).header(header::ACCEPT, accept);
        site.into_iter()
            .fold(request, |request, site| request.header("sec-fetch-site", site))
            .body(Bytes::new())
            .unwrap()
    };
    let ours = || load(Some("same-origin"), "text/html");
    let waiting = browser.send(ours()).await;
    let (status, shown) = (waiting.status(), body(&waiting));
    assert_eq!((status, &shown["step"], &shown["error"]), (StatusCode::OK, &json!("wait"), &Value::Null));
    assert_eq!(shown["number"], step["number"], "nothing is asked anew");
    approve(&bench, &carrier, &device, &step["number"]).await;
    for others in [
        load(None, "text/html"),
        load(Some("cross-site"), "text/html"),
        load(Some("same-site"), "text/html"),
        load(Some("none"), "text/html"),
        load(Some("same-origin"), "application/json"),
    ] {
        assert_eq!(body(&browser.send(others).await)["step"], "wait");
    }
    let cookies = browser.cookies.clone();
    let moved = browser.send(ours()).await;
    assert_eq!((moved.status(), &body(&moved)["step"]), (StatusCode::OK, &json!("consent")), "{:?}", moved.body());
    assert_ne!(browser.cookies, cookies, "a proof gives the cookie a new value");
    assert_eq!(carrier.0.lock().unwrap().len(), 1, "nobody was nudged again");
}

#[tokio::test]
async fn promise_7_what_devices_send_is_bounded() {
    let bench = Bench::with(|mfa| mfa.push(Push::new(Carrier::default()))).await;
    let unknown = countersign_primitives::Id::from_bytes([3; 16]);
    let long = json!({ "proof": "x".repeat(20_000) }).to_string();
    for (path, content_type, sent, status) in [
        ("/push/enrol", "text/plain", r#"{"proof":"x"}"#, 400),
        ("/push/enrol", "application/json", "", 400),
        ("/push/enrol", "application/json", "[]", 400),
        ("/push/enrol", "application/json", r#"{"proof":1}"#, 400),
        ("/push/enrol", "application/json", r#"{"proof":"x","proof":"y"}"#, 400),
        ("/push/enrol", "application/json", r#"{"proof":"x","more":"y"}"#, 400),
        ("/push/enrol", "application/json", r#"{"proof":"x","challenge":"y"}"#, 400),
        ("/push/enrol", "application/json", r#"{"proof":"x"} {}"#, 400),
        ("/push/enrol", "application/json", &long, 400),
        ("/push/enrol", "application/json", r#"{"proof":"x"}"#, 401),
        ("/push/enrol", "application/json", r#"{"proof":"a.b.c"}"#, 401),
        ("/push/answer", "application/json", r#"{"proof":"x"}"#, 400),
        ("/push/answer", "application/json", r#"{"proof":"x","challenge":"nonsense"}"#, 404),
        (
            "/push/answer",
            "application/json",
            &json!({ "proof": "x", "challenge": unknown.to_string() }).to_string(),
            404,
        ),
        ("/push/challenge/nonsense", "application/json", r#"{"proof":"x"}"#, 404),
        (&format!("/push/challenge/{unknown}"), "application/json", r#"{"proof":"x"}"#, 404),
    ] {
        let response = call(&bench, path, content_type, sent.to_owned()).await;
        assert_eq!(response.status().as_u16(), status, "{path} {sent:.60}");
        let refused = body(&response);
        assert!(refused["error"].is_string() && !response.body().windows(3).any(|bytes| bytes == b"xxx"), "{refused}");
    }
    let request = Request::builder().method(Method::GET).uri("/push/enrol").header(header::HOST, "id.example.com");
    let response = bench.server.handle(request.body(Bytes::new()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    let without = Bench::new().await;
    assert_eq!(call(&without, "/push/enrol", "application/json", "{}").await.status(), StatusCode::NOT_FOUND);
}
