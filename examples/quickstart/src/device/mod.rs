//! A page that plays the phone of a push: it registers a key by what the QR code says, is nudged, asks what waits, takes the
//! number and signs. All that it does goes through the endpoints that a real app calls.

mod page;
mod phone;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Form, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use countersign::Peer;
use http::{Method, Request, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::demo::Provider;
pub(crate) use phone::Phone;
pub use phone::PhoneError;

/// The page with its routes.
#[derive(Clone)]
struct Device {
    phone: Phone,
    provider: Arc<dyn Provider>,
}

/// The routes of the page: `/demo/device` and below.
pub(crate) fn routes(phone: Phone, provider: Arc<dyn Provider>) -> Router {
    Router::new()
        .route("/demo/device", get(show))
        .route("/demo/device/register", post(register))
        .route("/demo/device/answer", post(answer))
        .with_state(Device { phone, provider })
}

async fn show(State(device): State<Device>, ConnectInfo(peer): ConnectInfo<SocketAddr>) -> Response {
    device.page(peer, None).await
}

#[derive(Deserialize)]
struct Registration {
    uri: String,
    csrf: String,
}

async fn register(
    State(device): State<Device>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Form(form): Form<Registration>,
) -> Response {
    let registered = device.register(peer, &form).await;
    let said = match registered {
        Ok(digits) => page::Said::Registered(digits),
        Err(error) => page::Said::Failed(error),
    };
    device.page(peer, Some(said)).await
}

#[derive(Deserialize)]
struct Decision {
    challenge: String,
    decision: String,
    number: Option<String>,
    csrf: String,
}

async fn answer(
    State(device): State<Device>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Form(form): Form<Decision>,
) -> Response {
    let said = match device.answer(peer, &form).await {
        Ok(outcome) => page::Said::Answered(outcome),
        Err(error) => page::Said::Failed(error),
    };
    device.page(peer, Some(said)).await
}

impl Device {
    /// Registers a key of its own; yields the digits that are typed into the login page.
    async fn register(&self, peer: SocketAddr, form: &Registration) -> Result<String, PhoneError> {
        self.phone.check(&form.csrf)?;
        let (endpoint, handle) = phone::read_uri(form.uri.trim()).ok_or(PhoneError::Uri)?;
        let path = endpoint.strip_prefix(self.provider.origin()).ok_or(PhoneError::Uri)?;
        let (draft, proof) = self.phone.draft(self.provider.issuer(), path, &handle).await?;
        let said = self.call(peer, &format!("{path}/enrol"), &json!({ "proof": proof })).await?;
        let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.phone.keep(draft, text("account"))?;
        Ok(text("confirmation"))
    }

    async fn answer(&self, peer: SocketAddr, form: &Decision) -> Result<String, PhoneError> {
        self.phone.check(&form.csrf)?;
        let (key, push) = self.phone.waiting(&form.challenge).ok_or(PhoneError::Nothing)?;
        let about = self.about(peer, &key, &push).await?;
        let claims = json!({
            "aud": key.issuer,
            "challenge": form.challenge,
            "client": about["client"],
            "decision": form.decision,
            "number": form.number,
        });
        let proof = key.sign("countersign-push-answer+jwt", &claims).await?;
        let body = json!({ "challenge": form.challenge, "proof": proof });
        let said = self.call(peer, &format!("{}/answer", key.path), &body).await;
        self.phone.forget(&form.challenge);
        Ok(said?.get("outcome").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// What a challenge is about, as the server tells this device.
    async fn about(&self, peer: SocketAddr, key: &phone::DeviceKey, challenge: &str) -> Result<Value, PhoneError> {
        let claims = json!({ "aud": key.issuer, "challenge": challenge });
        let proof = key.sign("countersign-push-read+jwt", &claims).await?;
        let path = format!("{}/challenge/{challenge}", key.path);
        self.call(peer, &path, &json!({ "proof": proof })).await.map(Value::Object)
    }

    async fn call(&self, peer: SocketAddr, path: &str, body: &Value) -> Result<Map<String, Value>, PhoneError> {
        let authority = self.provider.origin().split("://").nth(1).unwrap_or_default();
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.to_string()));
        let mut request = request.map_err(|_| PhoneError::Uri)?;
        request.extensions_mut().insert(Peer::new(peer.ip().to_canonical()));
        let answer = self.provider.call(request).await;
        let said: Map<String, Value> = serde_json::from_slice(answer.body()).unwrap_or_default();
        if answer.status().is_success() {
            return Ok(said);
        }
        let description = said.get("error_description").and_then(Value::as_str).unwrap_or("no answer that it reads");
        Err(PhoneError::Refused(description.to_owned()))
    }

    async fn page(&self, peer: SocketAddr, said: Option<page::Said>) -> Response {
        let mut waiting = Vec::new();
        for challenge in self.phone.challenges() {
            let Some((key, _)) = self.phone.waiting(&challenge) else { continue };
            match self.about(peer, &key, &challenge).await {
                Ok(about) => waiting.push(about),
                Err(_) => self.phone.forget(&challenge), // answered elsewhere, or its time is over
            }
        }
        page::device(&self.phone.accounts(), &waiting, said.as_ref(), self.phone.csrf())
    }
}
