//! Calls to the admin API, in the same process.

use std::net::SocketAddr;

use bytes::Bytes;
use countersign::mfa::oauth::AdminApi;
use countersign::{Peer, SecretString, Server};
use http::{Method, Request, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// The API, by the token of an administrator.
pub(super) struct Api<'a> {
    pub(super) server: &'a Server,
    pub(super) bearer: SecretString,
    pub(super) peer: SocketAddr,
}

/// What the API refused.
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn no_such_user() -> Self {
        Self { status: StatusCode::NOT_FOUND, message: "No user signs in by that name.".to_owned() }
    }
}

/// What the page shows.
pub(super) struct Overview {
    pub(super) factors: Vec<(String, bool)>,
    pub(super) policies: Vec<String>,
    /// What the user who was asked for has, and how often they are signed in; none where there is no such user.
    pub(super) user: Option<(Vec<String>, usize)>,
}

impl Api<'_> {
    pub(super) async fn overview(&self, user: Option<&str>) -> Result<Overview, ApiError> {
        let factors = self.call(Method::GET, "guardian/factors", None).await?;
        let factor = |one: &Value| (text(&one["name"]), one["enabled"] == true);
        let policies = self.call(Method::GET, "guardian/policies", None).await?;
        let user = match user {
            Some(user) => {
                let at = at(user);
                let methods = self.call(Method::GET, &format!("users/{at}/authentication-methods"), None).await?;
                let sessions = self.call(Method::GET, &format!("users/{at}/sessions"), None).await?;
                Some((list(&methods, described), sessions["sessions"].as_array().map_or(0, Vec::len)))
            }
            None => None,
        };
        Ok(Overview { factors: list(&factors, factor), policies: list(&policies, text), user })
    }

    pub(super) async fn switch_factor(&self, name: &str, enabled: bool) -> Result<(), ApiError> {
        let body = json!({ "enabled": enabled });
        self.call(Method::PUT, &format!("guardian/factors/{}", at(name)), Some(body)).await.map(drop)
    }

    pub(super) async fn put_policies(&self, names: &[&str]) -> Result<(), ApiError> {
        self.call(Method::PUT, "guardian/policies", Some(json!(names))).await.map(drop)
    }

    /// One of the buttons that a user has on the page.
    pub(super) async fn user_action(&self, action: &str, user: &str) -> Result<(), ApiError> {
        let at = at(user);
        let (method, path, body) = match action {
            "unlock" => (Method::DELETE, format!("user-blocks/{at}"), None),
            "reset" => (Method::DELETE, format!("users/{at}/authentication-methods"), None),
            "end-sessions" => (Method::DELETE, format!("users/{at}/sessions"), None),
            "require" => (Method::PATCH, format!("users/{at}/multifactor"), Some(json!({ "required": true }))),
            "forget" => (Method::POST, format!("users/{at}/multifactor/actions/invalidate-remember-browser"), None),
            _ => {
                let message = "There is no such button.".to_owned();
                return Err(ApiError { status: StatusCode::BAD_REQUEST, message });
            }
        };
        self.call(method, &path, body).await.map(drop)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, ApiError> {
        let failed = |message: &str| ApiError { status: StatusCode::BAD_GATEWAY, message: message.to_owned() };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", AdminApi::audience(self.server.config().issuer())))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.bearer.expose()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.map_or_else(Bytes::new, |body| body.to_string().into()))
            .map_err(|_| failed("The call could not be made."))?;
        request.extensions_mut().insert(Peer::new(self.peer.ip().to_canonical()));
        let answer = self.server.handle(request).await;
        let told: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        if answer.status().is_success() {
            return Ok(told);
        }
        let message = told["message"].as_str().unwrap_or("The server gave no reason.").to_owned();
        Err(ApiError { status: answer.status(), message })
    }
}

fn at(segment: &str) -> String {
    utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().map(|all| all.iter().map(read).collect()).unwrap_or_default()
}

/// What a user has, in a line.
fn described(one: &Value) -> String {
    let to = ["name", "phone_number", "email"].into_iter().find_map(|member| one[member].as_str());
    let kind = text(&one["type"]);
    to.map_or_else(|| kind.clone(), |to| format!("{kind} ({to})"))
}
