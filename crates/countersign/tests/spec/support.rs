//! Servers in one process, as a host assembles them, and a browser that signs in by JSON steps.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign::mfa::{Existing, FirstEnrolment, PasswordCost, PasswordHasher, Policy, Totp};
use countersign::otp::{TotpParameters, TotpSecret};
use countersign::{
    Account, Client, Clock, ManualClock, MasterKey, Peer, Preset, Requirement, Scope, Server, ServerBuilder, SignedIn,
    TokioPool, UnixTime,
};
use countersign_storage_memory::MemoryStore;
use http::{Request, Response, StatusCode, header};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 appendix B
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

pub(crate) fn key() -> MasterKey {
    MasterKey::from_bytes([7; 32])
}

/// The server of the front page, on a store in memory.
pub(crate) fn greenfield(issuer: &str, store: MemoryStore, key: MasterKey) -> ServerBuilder {
    Server::builder(issuer, store, key)
        .preset(Preset::oidc())
        .stored_accounts()
        .password_cost(CHEAP)
        .factor(Totp::new("Example"))
        .policy(Policy::never().first_enrolment(FirstEnrolment::ThisLogin))
        .scope(Scope::new("orders:read", "See your orders"))
        .scope(
            Scope::new("payments:write", "Make payments").requires(Requirement::MFA.max_age(Duration::from_secs(300))),
        )
        .client(
            Client::public("shop")
                .redirect_uri("https://shop.example.com/callback")
                .scope("openid email orders:read payments:write"),
        )
}

pub(crate) struct Bench {
    pub(crate) server: Server,
    pub(crate) clock: ManualClock,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        Self::on(ISSUER, MemoryStore::new(), change).await
    }

    pub(crate) async fn on(
        issuer: &str,
        store: MemoryStore,
        change: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let clock = ManualClock::at(NOW);
        let server = change(greenfield(issuer, store, key()).clock(clock.clone())).build().await.unwrap();
        Self { server, clock }
    }

    pub(crate) async fn user(&self, subject: &str, name: &str, password: &str) {
        let hasher = PasswordHasher::new(std::sync::Arc::new(TokioPool::default())).cost(CHEAP).unwrap();
        let hash = hasher.hash(&password.into()).await.unwrap();
        let account = Account::new(subject).username(name).email(format!("{name}@example.com"), true);
        let accounts = self.server.stored_accounts().unwrap();
        accounts.import([account.password_hash(hash)], Existing::Replace).await.unwrap();
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser { bench: self, cookies: BTreeMap::new() }
    }

    /// What the app shows now.
    pub(crate) fn code(&self, secret: &TotpSecret) -> String {
        secret.code_at(self.clock.now()).expose().to_owned()
    }
}

/// A browser: it keeps cookies and follows no redirect by itself.
#[derive(Clone)]
pub(crate) struct Browser<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser<'_> {
    /// Who is signed in here, as the server knows it.
    pub(crate) async fn signed_in(&self) -> Option<SignedIn> {
        let mut request = Request::get("/").body(()).unwrap();
        self.add_cookies(&mut request);
        let browser = self.bench.server.browser(&request.into_parts().0).await.unwrap();
        self.bench.server.signed_in(&browser).await.unwrap()
    }

    fn add_cookies<B>(&self, request: &mut Request<B>) {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
    }

    pub(crate) async fn send(&mut self, mut request: Request<Bytes>) -> Response<Bytes> {
        self.add_cookies(&mut request);
        let host = self.bench.server.config().issuer().authority().to_owned();
        request.headers_mut().insert(header::HOST, host.parse().unwrap());
        request.extensions_mut().insert(Peer::new([192, 0, 2, 1].into()));
        let response = self.bench.server.handle(request).await;
        for line in response.headers().get_all(header::SET_COOKIE) {
            let (name, value) = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response<Bytes> {
        let request = Request::get(path).header(header::ACCEPT, "application/json").body(Bytes::new()).unwrap();
        self.send(request).await
    }

    /// Opens `/authorize` and says where it leads.
    pub(crate) async fn authorize(&mut self, more: &str) -> String {
        self.authorize_as("shop", more).await
    }

    pub(crate) async fn authorize_as(&mut self, client: &str, more: &str) -> String {
        let answer = self
            .get(&format!(
                "/authorize?response_type=code&client_id={client}&state=s1&code_challenge={CHALLENGE}\
                 &redirect_uri=https%3A%2F%2Fshop.example.com%2Fcallback&code_challenge_method=S256&{more}"
            ))
            .await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{:?}", answer.body());
        answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
    }

    pub(crate) async fn step(&mut self, login: &str) -> Value {
        body(&self.get(login).await)
    }

    /// Answers a step with its anti-forgery value, as a front end does.
    pub(crate) async fn post(&mut self, login: &str, step: &Value, mut answer: Value) -> (StatusCode, Value) {
        answer["csrf"] = step["csrf"].clone();
        let request = Request::post(login)
            .header(header::ORIGIN, self.bench.server.config().issuer().origin())
            .header(header::CONTENT_TYPE, "application/json")
            .body(answer.to_string().into())
            .unwrap();
        let answer = self.send(request).await;
        (answer.status(), body(&answer))
    }

    pub(crate) async fn answer(&mut self, login: &str, step: &Value, answer: Value) -> Value {
        let (status, step) = self.post(login, step, answer).await;
        assert_eq!(status, StatusCode::OK, "{step}");
        step
    }

    pub(crate) async fn password(&mut self, login: &str, name: &str) -> Value {
        let step = self.step(login).await;
        let password = format!("{name}-password");
        self.answer(login, &step, json!({"answer": "password", "login": name, "password": password})).await
    }

    /// Sets up an authenticator app, and keeps the recovery codes.
    pub(crate) async fn enrol(&mut self, login: &str, step: &Value) -> (TotpSecret, Value) {
        assert_eq!(step["step"], "enrol", "{step}");
        let secret = TotpSecret::from_base32(step["secret"].as_str().unwrap(), TotpParameters::default()).unwrap();
        let code = self.bench.code(&secret);
        let step = self.answer(login, step, json!({"answer": "enrol", "code": code})).await;
        assert_eq!(step["codes"].as_array().map(Vec::len), Some(10), "{step}");
        let step = self.answer(login, &step, json!({"answer": "recovery_codes"})).await;
        (secret, step)
    }

    /// Allows everything, and redeems the code.
    pub(crate) async fn tokens(&mut self, login: &str, step: &Value) -> Value {
        assert_eq!(step["step"], "consent", "{step}");
        let redirect = self.consent(login, step).await;
        self.redeem(&code_of(&redirect)).await.1
    }

    /// Allows everything where that is asked, and says where the answer goes.
    pub(crate) async fn consent(&mut self, login: &str, step: &Value) -> String {
        let done = match step["step"].as_str() {
            Some("consent") => self.answer(login, step, json!({"answer": "consent"})).await,
            _ => step.clone(),
        };
        assert_eq!(done["step"], "done", "{done}");
        done["redirect_to"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn redeem(&mut self, code: &str) -> (StatusCode, Value) {
        self.redeem_as("shop", code).await
    }

    pub(crate) async fn redeem_as(&mut self, client: &str, code: &str) -> (StatusCode, Value) {
        let form = format!(
            "grant_type=authorization_code&client_id={client}&code={code}&code_verifier={VERIFIER}\
             &redirect_uri=https%3A%2F%2Fshop.example.com%2Fcallback"
        );
        self.token(form).await
    }

    pub(crate) async fn refresh(&mut self, refresh_token: &str) -> (StatusCode, Value) {
        self.refresh_as("shop", refresh_token).await
    }

    pub(crate) async fn refresh_as(&mut self, client: &str, refresh_token: &str) -> (StatusCode, Value) {
        self.token(format!("grant_type=refresh_token&client_id={client}&refresh_token={refresh_token}")).await
    }

    async fn token(&mut self, form: String) -> (StatusCode, Value) {
        let request = Request::post("/oauth/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into())
            .unwrap();
        let answer = self.send(request).await;
        (answer.status(), body(&answer))
    }
}

pub(crate) fn code_of(redirect: &str) -> String {
    let (_, code) = redirect.split_once("code=").unwrap();
    code.split('&').next().unwrap().to_owned()
}

/// What a JWT says; its signature is another test's.
pub(crate) fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub(crate) fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or(Value::Null)
}
