//! The demo client against a server that is played by the test.

use std::sync::Mutex;

use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign::UnixTime;
use countersign::pkce::{CodeChallenge, CodeVerifier};
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;

const ISSUER: &str = "http://localhost:4000";

/// Answers as a server does, and remembers what the token endpoint was sent.
#[derive(Default)]
struct Played {
    nonce: Mutex<String>,
    forms: Mutex<Vec<Vec<(String, String)>>>,
    audience: Mutex<Option<Value>>,
    refuse: Mutex<bool>,
}

#[async_trait::async_trait]
impl Provider for Played {
    async fn call(&self, request: Request<Bytes>) -> http::Response<Bytes> {
        assert!(request.extensions().get::<countersign::Peer>().is_some(), "guesses are counted by address");
        let (status, body) = match request.uri().path() {
            "/.well-known/oauth-authorization-server" => (200, metadata()),
            "/oauth/token" => self.token(&request),
            "/userinfo" => (200, json!({"sub": "alice", "name": "<b>Alice</b>"})),
            other => panic!("{other}"),
        };
        http::Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap()
    }

    fn issuer(&self) -> &str {
        ISSUER
    }

    fn origin(&self) -> &str {
        ISSUER
    }

    fn now(&self) -> UnixTime {
        UnixTime::from_secs(1_000)
    }
}

impl Played {
    fn token(&self, request: &Request<Bytes>) -> (u16, Value) {
        let form = form_urlencoded::parse(request.body()).into_owned().collect();
        self.forms.lock().unwrap().push(form);
        if *self.refuse.lock().unwrap() {
            return (400, json!({"error": "invalid_grant", "error_description": "<i>spent</i>"}));
        }
        let audience = self.audience.lock().unwrap().clone().unwrap_or(json!("demo"));
        let claims = json!({"iss": ISSUER, "sub": "alice", "aud": audience, "exp": 2_000, "auth_time": 900,
            "nonce": *self.nonce.lock().unwrap()});
        let token = |claims: &Value| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let response = json!({"access_token": token(&json!({"scope": "openid"})), "id_token": token(&claims),
            "refresh_token": "secret-refresh-token", "token_type": "Bearer", "expires_in": 900});
        (200, response)
    }
}

fn metadata() -> Value {
    json!({"issuer": ISSUER, "authorization_endpoint": format!("{ISSUER}/authorize"),
        "end_session_endpoint": format!("{ISSUER}/logout"), "token_endpoint": format!("{ISSUER}/oauth/token"), "userinfo_endpoint": format!("{ISSUER}/userinfo")})
}

/// A browser on the demo page.
struct Browser {
    provider: Arc<Played>,
    app: Router,
    cookie: String,
}

struct Page {
    status: StatusCode,
    location: String,
    html: String,
}

impl Browser {
    fn new() -> Self {
        let provider = Arc::new(Played::default());
        let app = routes(
            Arc::clone(&provider) as Arc<dyn Provider>,
            vec![Offer::PLAIN, Offer::MFA],
            vec!["alice".into()],
            false,
        );
        Self { provider, app, cookie: String::new() }
    }

    async fn send(&mut self, mut request: Request<Body>) -> Page {
        request.headers_mut().insert(header::COOKIE, self.cookie.parse().unwrap());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
        let response = self.app.clone().oneshot(request).await.unwrap();
        let value = |name| response.headers().get(name).map_or("", |value: &http::HeaderValue| value.to_str().unwrap());
        assert!(value(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"));
        assert_eq!((value(header::CACHE_CONTROL), value(header::X_CONTENT_TYPE_OPTIONS)), ("no-store", "nosniff"));
        if let Some((cookie, attributes)) = value(header::SET_COOKIE).split_once(';') {
            assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"));
            self.cookie = cookie.to_owned();
        }
        let (status, location) = (response.status(), value(header::LOCATION).to_owned());
        let html = to_bytes(response.into_body(), 1_000_000).await.unwrap();
        Page { status, location, html: String::from_utf8(html.to_vec()).unwrap() }
    }

    async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn csrf(&mut self) -> String {
        let page = self.sign_in().await;
        page.html.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    async fn press(&mut self, path: &str, csrf: &str) -> Page {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(format!("csrf={csrf}"))).unwrap()).await
    }

    /// Begins a sign-in; returns the parameters of the authorization request.
    async fn begin(&mut self, offer: &str) -> Vec<(String, String)> {
        let page = self.get(&format!("/demo/sign-in?offer={offer}")).await;
        assert_eq!(page.status, 303);
        let query = page.location.strip_prefix("http://localhost:4000/authorize?").unwrap();
        let parameters: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        *self.provider.nonce.lock().unwrap() = of(&parameters, "nonce");
        parameters
    }

    async fn sign_in(&mut self) -> Page {
        let state = of(&self.begin("demo").await, "state");
        let answer = self.get(&format!("/demo/callback?code=c0de&state={state}&iss={ISSUER}")).await;
        assert_eq!(
            (answer.status, answer.location.as_str()),
            (StatusCode::SEE_OTHER, "/demo/tokens"),
            "{}",
            answer.html
        );
        self.get("/demo/tokens").await
    }
}

fn of(parameters: &[(String, String)], name: &str) -> String {
    parameters.iter().find(|(key, _)| key == name).unwrap().1.clone()
}

#[tokio::test]
async fn the_start_page_offers_what_there_is() {
    let page = Browser::new().get("/").await;
    for shown in ["/demo/sign-in?offer=demo\"", "/demo/sign-in?offer=demo-mfa\"", ">Sign in<", "<code>alice</code>"] {
        assert!(page.html.contains(shown), "{shown}");
    }
    assert!(!page.html.contains("offer=payments"));
    assert_eq!(Browser::new().get("/demo/sign-in?offer=nonsense").await.status, 400);
}

#[tokio::test]
async fn rfc7636_4_the_code_is_redeemed_with_the_verifier_of_this_sign_in() {
    let mut browser = Browser::new();
    let parameters = browser.begin("demo").await;
    assert_eq!((of(&parameters, "client_id"), of(&parameters, "response_type")), ("demo".into(), "code".into()));
    assert_eq!(of(&parameters, "redirect_uri"), "http://localhost:4000/demo/callback");
    assert_eq!(of(&parameters, "code_challenge_method"), "S256");
    let state = of(&parameters, "state");
    browser.get(&format!("/demo/callback?code=c0de&state={state}&iss={ISSUER}")).await;
    let form = browser.provider.forms.lock().unwrap().pop().unwrap();
    assert_eq!((of(&form, "grant_type"), of(&form, "code")), ("authorization_code".into(), "c0de".into()));
    let verifier = CodeVerifier::parse(&of(&form, "code_verifier")).unwrap();
    assert!(CodeChallenge::parse(&of(&parameters, "code_challenge")).unwrap().verify(&verifier));
}

#[tokio::test]
async fn the_claims_are_shown_and_no_token_is() {
    let page = Browser::new().sign_in().await;
    for shown in ["auth_time", "1970-01-01T00:15:00Z", "alice", ISSUER, "&lt;b&gt;Alice&lt;/b&gt;", "id=\"refresh\""] {
        assert!(page.html.contains(shown), "{shown}");
    }
    assert!(!page.html.contains("secret-refresh-token") && !page.html.contains("<b>") && !page.html.contains("e30."));
}

#[tokio::test]
async fn rfc6749_10_12_an_answer_with_another_state_is_refused_and_ends_nothing() {
    let mut browser = Browser::new();
    let state = of(&browser.begin("demo").await, "state");
    for forged in ["state=forged&", ""] {
        let page = browser.get(&format!("/demo/callback?{forged}code=c0de&iss={ISSUER}")).await;
        assert_eq!(page.status, 400);
    }
    assert!(browser.provider.forms.lock().unwrap().is_empty());
    let page = browser.get(&format!("/demo/callback?code=c0de&state={state}&iss={ISSUER}")).await;
    assert_eq!(page.status, 303);
}

#[tokio::test]
async fn rfc9207_2_4_an_answer_from_another_issuer_is_refused() {
    let mut browser = Browser::new();
    let state = of(&browser.begin("demo").await, "state");
    for iss in ["", "&iss=https://attacker.example"] {
        assert_eq!(browser.get(&format!("/demo/callback?code=c&state={state}{iss}")).await.status, 400);
    }
    assert!(browser.provider.forms.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_counts_in_the_browser_that_asked_and_once() {
    let mut browser = Browser::new();
    let state = of(&browser.begin("demo").await, "state");
    let answer = format!("/demo/callback?code=c0de&state={state}&iss={ISSUER}");
    let cookie = std::mem::take(&mut browser.cookie);
    assert_eq!(browser.get(&answer).await.status, 400, "another browser");
    browser.cookie.clone_from(&cookie);
    assert_eq!(browser.get(&answer).await.status, 303);
    browser.cookie = cookie;
    assert_eq!(browser.get(&answer).await.status, 400, "the same answer again");
}

#[tokio::test]
async fn oidc_core_3_1_3_7_an_id_token_for_somebody_else_is_refused() {
    let mut browser = Browser::new();
    *browser.provider.audience.lock().unwrap() = Some(json!(["another"]));
    let state = of(&browser.begin("demo").await, "state");
    let page = browser.get(&format!("/demo/callback?code=c0de&state={state}&iss={ISSUER}")).await;
    assert!(page.status == 400 && page.html.contains("aud differs"), "{}", page.html);
    let state = of(&browser.begin("demo").await, "state");
    *browser.provider.audience.lock().unwrap() = None;
    *browser.provider.nonce.lock().unwrap() = "another".into();
    let page = browser.get(&format!("/demo/callback?code=c0de&state={state}&iss={ISSUER}")).await;
    assert!(page.html.contains("nonce differs"), "{}", page.html);
}

#[tokio::test]
async fn an_error_is_shown_and_cannot_become_part_of_the_page() {
    let mut browser = Browser::new();
    let state = of(&browser.begin("demo").await, "state");
    let error = "error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E";
    let page = browser.get(&format!("/demo/callback?{error}&state={state}&iss={ISSUER}")).await;
    assert_eq!(page.status, 400);
    assert!(
        page.html.contains("access_denied") && page.html.contains("&lt;script&gt;") && !page.html.contains("<script")
    );
}

#[tokio::test]
async fn the_refresh_button_refreshes_and_nobody_elses_does() {
    let mut browser = Browser::new();
    let page = browser.sign_in().await;
    let csrf = page.html.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    browser.provider.forms.lock().unwrap().clear();
    assert_eq!(browser.press("/demo/refresh", "forged").await.status, 400);
    assert!(browser.provider.forms.lock().unwrap().is_empty());
    let pressed = browser.press("/demo/refresh", &csrf).await;
    assert_eq!(pressed.location, "/demo/tokens");
    let form = browser.provider.forms.lock().unwrap().pop().unwrap();
    assert_eq!(
        (of(&form, "grant_type"), of(&form, "refresh_token")),
        ("refresh_token".into(), "secret-refresh-token".into())
    );
    *browser.provider.refuse.lock().unwrap() = true;
    let refused = browser.press("/demo/refresh", &csrf).await;
    assert!(refused.html.contains("invalid_grant") && refused.html.contains("&lt;i&gt;spent"));
    assert_eq!(browser.press("/demo/forget", &csrf).await.location, "/");
    assert_eq!(browser.get("/demo/tokens").await.location, "/", "forgotten");
}

#[tokio::test]
async fn oidc_rp_initiated_logout_2_the_sign_out_button_forgets_the_tokens_and_leads_to_the_server() {
    let mut browser = Browser::new();
    let csrf = browser.csrf().await;
    assert_eq!(browser.press("/demo/sign-out", "forged").await.status, 400);
    assert_eq!(browser.get("/demo/tokens").await.status, 200, "a forged press ends nothing");
    let left = browser.press("/demo/sign-out", &csrf).await;
    let query = left.location.strip_prefix("http://localhost:4000/logout?").unwrap();
    let sent: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(of(&sent, "post_logout_redirect_uri"), "http://localhost:4000/demo/signed-out");
    assert_eq!((of(&sent, "client_id").as_str(), sent.len()), ("demo", 3));
    assert_eq!(browser.get("/demo/tokens").await.location, "/", "forgotten");
    for forged in ["", "?state=forged"] {
        assert_eq!(browser.get(&format!("/demo/signed-out{forged}")).await.status, 400);
    }
    let page = browser.get(&format!("/demo/signed-out?state={}", of(&sent, "state"))).await;
    assert!(page.status == 200 && page.html.contains("id=\"signed-out\""), "{}", page.html);
    assert_eq!(Browser::new().get(&format!("/demo/signed-out?state={}", of(&sent, "state"))).await.status, 400);
}
