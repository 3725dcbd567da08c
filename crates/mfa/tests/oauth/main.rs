//! The login as browsers meet it: `/authorize`, `/login/{id}`, and back to the client.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod account;
mod adding;
mod links;
mod not_me;
mod passkeys;
mod push;
mod remembered_devices;
mod sent_codes;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use countersign_accounts::Account;
use countersign_mfa::oauth::Login;
use countersign_mfa::{
    Changed, Existing, FirstEnrolment, FirstMethod, Look, Mfa, MfaBuilder, PasswordCost, PasswordHasher, Policy,
    Presenter, Screen, StoredAccounts, Subjects, Totp,
};
use countersign_mfa_otp::{TotpParameters, TotpSecret};
use countersign_oauth_core::{
    At, AuthorizationRequest, Client, Extension, Hook, Params, Peer, Refusal, Scope, Server, SubjectRecords,
};
use countersign_outbound::{Channel, Message, MessageSender, Purpose, SendError};
use countersign_primitives::{
    Acr, BoxError, Clock, Id, ManualClock, Requirement, Subject, ThreadPool, UnixTime, WorkPool,
};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::{Batch, MasterKey};
use http::{Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example.com";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; // RFC 7636 appendix B
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

/// Prints a screen's data, so that a test reads what a template would, and notes the language.
struct Plain(Arc<Mutex<Vec<Option<String>>>>);

impl Presenter for Plain {
    fn page(&self, screen: &dyn Screen, look: &Look) -> Bytes {
        self.0.lock().unwrap().push(look.locale.clone());
        screen.data().to_string().into()
    }
}

/// Accepts the user that `login_hint` names alone, as an extension does that reads `id_token_hint`.
#[derive(Debug)]
struct OnlyTheHinted;

#[async_trait]
impl Extension for OnlyTheHinted {
    fn name(&self) -> &'static str {
        "only the hinted"
    }
    fn hooks(&self) -> &'static [Hook] {
        &[Hook::Validate]
    }
    async fn validate(&self, _: &At<'_>, params: &Params, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
        if let Some(subject) = params.get("login_hint") {
            request.only(Subject::new(subject));
        }
        Ok(())
    }
}

/// Keeps what is sent.
#[derive(Debug, Clone, Default)]
struct Mailbox(Arc<Mutex<Vec<(Purpose, String, String)>>>);

#[async_trait]
impl MessageSender for Mailbox {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mail = (message.purpose(), message.to().to_owned(), message.text().to_owned());
        self.0.lock().unwrap().push(mail);
        Ok(())
    }
}

/// Raises the epoch of a subject whose password changes or who loses a factor, as the facade does.
#[derive(Debug)]
struct Shared(SubjectRecords);

#[async_trait]
impl Subjects for Shared {
    fn partition(&self, subject: &Subject) -> Id {
        self.0.partition(subject)
    }
    async fn epoch(&self, subject: &Subject) -> Result<u64, BoxError> {
        Ok(self.0.epoch(subject).await?)
    }
    async fn changing(&self, subject: &Subject, change: Changed, batch: &mut Batch) -> Result<(), BoxError> {
        match change {
            Changed::PasswordChanged | Changed::FactorRemoved | Changed::FactorsReset => {
                Ok(self.0.raise_epoch(subject, batch).await?)
            }
            _ => Ok(()),
        }
    }
}

struct Bench {
    mailbox: Mailbox,
    mfa: Mfa,
    server: Server,
    clock: ManualClock,
    looks: Arc<Mutex<Vec<Option<String>>>>,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|mfa| mfa).await
    }

    /// Where mails can be sent: to users who have verified addresses.
    async fn with_mail() -> Self {
        let mailbox = Mailbox::default();
        let first = [FirstMethod::Password, FirstMethod::MagicLink];
        let bench = Self::with(|mfa| mfa.sender(Channel::Email, mailbox.clone()).first_factors(first)).await;
        Self { mailbox, ..bench }
    }

    async fn with(change: impl FnOnce(MfaBuilder<'_>) -> MfaBuilder<'_>) -> Self {
        let (clock, looks) = (ManualClock::at(NOW), Arc::default());
        let pool: Arc<dyn WorkPool> = Arc::new(ThreadPool::new(1, 16));
        let mut builder =
            Server::builder(ISSUER, MemoryStore::new(), MasterKey::from_bytes([7; 32])).clock(clock.clone());
        let root = builder.root_key().await.unwrap();
        let users = StoredAccounts::in_sealed(builder.sealed_store(), &root, ISSUER).clock(Arc::new(clock.clone()));
        let hasher = PasswordHasher::new(Arc::clone(&pool)).cost(CHEAP).unwrap();
        for (subject, name) in [("u-1", "alice"), ("u-2", "bob")] {
            let hash = hasher.hash(&format!("{name}-password").into()).await.unwrap();
            let account = Account::new(subject)
                .username(name)
                .password_hash(hash)
                .email(format!("{name}@example.com"), name == "alice");
            users.import([account], Existing::Keep).await.unwrap();
        }
        let users = Arc::new(users);
        let subjects = Arc::new(Shared(builder.subject_records().await.unwrap()));
        let mfa = Mfa::builder_sealed(builder.sealed_store(), &root)
            .realm(ISSUER)
            .accounts(users.clone())
            .pool(pool)
            .password_cost(CHEAP)
            .factor(Totp::new("Example"))
            .policy(Policy::never().first_enrolment(FirstEnrolment::ThisLogin))
            .subjects(subjects)
            .clock(builder.shared_clock());
        let mfa = change(mfa).build().await.unwrap();
        let shop = Client::public("shop").name("Shop").redirect_uri("https://shop.example/cb").scope("orders payments");
        let server = builder
            .accounts(users)
            .scope(Scope::new("orders", "See your orders"))
            .scope(Scope::new("payments", "Make payments").requires(Requirement::MFA))
            .client(shop)
            .extension(OnlyTheHinted)
            .extension(Login::new(mfa.clone()).presenter(Arc::new(Plain(Arc::clone(&looks)))))
            .build()
            .await
            .unwrap();
        Self { mailbox: Mailbox::default(), mfa, server, clock, looks }
    }

    /// What the app shows now.
    fn code(&self, secret: &TotpSecret) -> String {
        secret.code_at(Clock::now(&self.clock)).expose().to_owned()
    }

    fn browser(&self) -> Browser<'_> {
        Browser { bench: self, cookies: BTreeMap::new(), json: true, address: Ipv4Addr::LOCALHOST.into() }
    }
}

/// A browser: it keeps cookies and follows no redirect by itself.
#[derive(Clone)]
struct Browser<'a> {
    bench: &'a Bench,
    cookies: BTreeMap<String, String>,
    json: bool,
    address: IpAddr,
}

impl Browser<'_> {
    async fn send(&mut self, mut request: Request<Bytes>) -> Response<Bytes> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        request.headers_mut().insert(header::HOST, "id.example.com".parse().unwrap());
        request.extensions_mut().insert(Peer::new(self.address));
        let response = self.bench.server.handle(request).await;
        for line in response.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            assert!(line.contains("; HttpOnly; SameSite=Lax; Secure"), "{line}");
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{line}");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    async fn get(&mut self, path: &str) -> Response<Bytes> {
        let accept = if self.json { "application/json" } else { "text/html" };
        let request = Request::get(path).header(header::ACCEPT, accept).body(Bytes::new()).unwrap();
        self.send(request).await
    }

    /// Opens `/authorize` and says where the login is.
    async fn authorize(&mut self, query: &str) -> String {
        let response = self.get(&format!("/authorize?{}", authorization(query))).await;
        location(&response)
    }

    async fn step(&mut self, login: &str) -> Value {
        let response = self.get(login).await;
        assert_eq!(response.status(), StatusCode::OK, "{:?}", response.body());
        body(&response)
    }

    async fn try_answer(&mut self, login: &str, csrf: &Value, mut answer: Value) -> Response<Bytes> {
        answer["csrf"] = csrf.clone();
        let request = Request::post(login)
            .header(header::ORIGIN, ISSUER)
            .header(header::CONTENT_TYPE, "application/json")
            .body(answer.to_string().into())
            .unwrap();
        self.send(request).await
    }

    async fn answer(&mut self, login: &str, step: &Value, answer: Value) -> Value {
        let response = self.try_answer(login, &step["csrf"], answer).await;
        assert_eq!(response.status(), StatusCode::OK, "{:?}", response.body());
        body(&response)
    }

    /// Signs in by a password, up to the question of consent or whatever comes before it.
    async fn password(&mut self, login: &str, name: &str) -> Value {
        let step = self.step(login).await;
        assert_eq!(step["step"], "password", "{step}");
        let password = format!("{name}-password");
        self.answer(login, &step, json!({"answer": "password", "login": name, "password": password})).await
    }

    /// Signs in by a password and sets up an authenticator app.
    async fn enrol(&mut self, login: &str, name: &str) -> (TotpSecret, Value) {
        let step = self.password(login, name).await;
        self.prove_enrolment(login, &step).await
    }

    async fn prove_enrolment(&mut self, login: &str, step: &Value) -> (TotpSecret, Value) {
        assert_eq!(step["step"], "enrol", "{step}");
        let secret = TotpSecret::from_base32(step["secret"].as_str().unwrap(), TotpParameters::default()).unwrap();
        let code = self.bench.code(&secret);
        let step = self.answer(login, step, json!({"answer": "enrol", "code": code})).await;
        let step = self.answer(login, &step, json!({"answer": "recovery_codes"})).await;
        (secret, step)
    }

    /// Posts a form of our own page.
    async fn form(&mut self, login: &str, form: &str) -> Response<Bytes> {
        let request = Request::post(login)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form.to_owned()))
            .unwrap();
        self.send(request).await
    }

    /// Consents where that is asked, and says where the answer goes.
    async fn consent(&mut self, login: &str, step: &Value) -> String {
        let mut step = step.clone();
        if step["step"] == "consent" {
            let all = json!({"answer": "consent", "allow": ["orders", "payments"]});
            step = self.answer(login, &step, all).await;
        }
        assert_eq!(step["step"], "done", "{step}");
        step["redirect_to"].as_str().unwrap().to_owned()
    }
}

fn authorization(more: &str) -> String {
    format!(
        "response_type=code&client_id=shop&redirect_uri=https%3A%2F%2Fshop.example%2Fcb&state=s1\
         &code_challenge={CHALLENGE}&code_challenge_method=S256&{more}"
    )
}

fn location(response: &Response<Bytes>) -> String {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{:?}", response.body());
    response.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn rfc6749_4_1_a_password_and_consent_lead_back_with_a_code() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    assert!(login.starts_with("/login/"), "{login}");
    let step = browser.password(&login, "alice").await;
    assert_eq!((&step["client"]["name"], &step["account"]), (&json!("Shop"), &json!("alice")));
    assert_eq!(step["redirect_host"], "shop.example");
    let back = browser.consent(&login, &step).await;
    assert!(back.starts_with("https://shop.example/cb?code=cs_code"), "{back}");
    assert!(back.contains("state=s1") && back.contains("iss=https%3A%2F%2Fid.example.com"), "{back}");
    // The session is enough for the next request; this client's consent is asked where it must be.
    let again = browser.get(&format!("/authorize?{}", authorization("scope=orders"))).await;
    assert!(location(&again).starts_with("https://shop.example/cb?code="), "{again:?}");
}

#[tokio::test]
async fn promise_8_a_scope_that_needs_two_factors_leads_through_enrolment_and_later_asks_for_a_code() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments").await;
    let step = browser.password(&login, "alice").await;
    assert_eq!(step["step"], "enrol", "{step}");
    let secret = TotpSecret::from_base32(step["secret"].as_str().unwrap(), TotpParameters::default()).unwrap();
    let code = || secret.code_at(Clock::now(&bench.clock)).expose().to_owned();
    let step = browser.answer(&login, &step, json!({"answer": "enrol", "code": code()})).await;
    assert_eq!(step["codes"].as_array().map(Vec::len), Some(10), "{step}");
    let step = browser.answer(&login, &step, json!({"answer": "recovery_codes"})).await;
    browser.consent(&login, &step).await;
    // A step-up of a session that has the password alone.
    bench.clock.advance(std::time::Duration::from_secs(60));
    let mut other = bench.browser();
    let login = other.authorize("scope=orders").await;
    let step = other.password(&login, "alice").await;
    other.consent(&login, &step).await;
    let login = other.authorize("scope=payments").await;
    let step = other.step(&login).await;
    assert_eq!((&step["step"], &step["type"]), (&json!("code"), &json!("totp")), "{step}");
    let wrong = other.try_answer(&login, &step["csrf"], json!({"answer": "code", "code": "000000"})).await;
    assert_eq!((wrong.status(), &body(&wrong)["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("wrong_code")));
    let step = other.answer(&login, &step, json!({"answer": "code", "code": code()})).await;
    other.consent(&login, &step).await;
}

#[tokio::test]
async fn oidc_core_3_1_2_1_a_cross_site_post_of_a_browser_that_was_never_here_leads_to_the_login() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let request = Request::post("/authorize")
        .header(header::ORIGIN, "https://shop.example")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(authorization("scope=orders").into())
        .unwrap();
    // Such a request brings no cookie, so the browser is met again on a request of its own (303, then GET).
    let resumed = location(&browser.send(request).await);
    assert!(browser.cookies.is_empty() && resumed.starts_with("/authorize?interaction="), "{resumed}");
    let login = location(&browser.get(&resumed).await);
    let step = browser.password(&login, "alice").await;
    assert!(browser.consent(&login, &step).await.contains("code="));
}

#[tokio::test]
async fn oidc_core_3_1_2_2_another_user_than_the_hinted_one_is_asked_to_sign_in() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let step = browser.password(&login, "bob").await;
    browser.consent(&login, &step).await;
    let login = browser.authorize("scope=orders&login_hint=u-1").await;
    let step = browser.password(&login, "alice").await;
    assert_eq!((&step["step"], &step["account"]), (&json!("consent"), &json!("alice")), "{step}");
    assert!(browser.consent(&login, &step).await.contains("code="));
}

#[tokio::test]
async fn promise_11_a_login_is_its_own_browsers_and_a_form_its_own_pages() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let step = browser.step(&login).await;
    let mut thief = bench.browser();
    thief.authorize("scope=orders").await;
    assert_eq!(thief.get(&login).await.status(), StatusCode::BAD_REQUEST);
    let password = json!({"answer": "password", "login": "alice", "password": "alice-password"});
    let stolen = thief.try_answer(&login, &step["csrf"], password.clone()).await;
    assert!(stolen.status().is_client_error(), "{stolen:?}");
    let forged = browser.try_answer(&login, &json!("AAAAAAAAAAAAAAAAAAAAAA"), password.clone()).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    let mut body = password.clone();
    body["csrf"] = step["csrf"].clone();
    for origin in ["https://evil.example", "null"] {
        let request = Request::post(&login)
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into())
            .unwrap();
        assert_eq!(browser.send(request).await.status(), StatusCode::FORBIDDEN, "{origin}");
    }
    assert_eq!(browser.answer(&login, &step, password).await["step"], "consent");
}

#[tokio::test]
async fn rfc9700_4_12_the_cookie_has_a_new_value_after_each_factor() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments").await;
    let step = browser.step(&login).await;
    let before = browser.clone();
    let answer = json!({"answer": "password", "login": "alice", "password": "alice-password"});
    browser.answer(&login, &step, answer).await;
    let mut planted = before;
    assert_eq!(planted.get(&login).await.status(), StatusCode::BAD_REQUEST, "the value from before is worth nothing");
    assert_eq!(browser.step(&login).await["step"], "enrol");
}

#[tokio::test]
async fn promise_6_guessing_is_429_with_a_time_to_wait() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let step = browser.step(&login).await;
    let wrong = json!({"answer": "password", "login": "alice", "password": "wrong"});
    for _ in 0..10 {
        let response = browser.try_answer(&login, &step["csrf"], wrong.clone()).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    let response = browser.try_answer(&login, &step["csrf"], wrong).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[header::RETRY_AFTER], "900");
}

#[tokio::test]
async fn rfc6749_4_1_2_1_the_user_may_say_no() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let step = browser.password(&login, "alice").await;
    let step = browser.answer(&login, &step, json!({"answer": "consent", "allow": []})).await;
    assert!(step["redirect_to"].as_str().unwrap().contains("error=access_denied"), "{step}");
}

#[tokio::test]
async fn forms_work_without_script() {
    let bench = Bench::new().await;
    let mut browser = Browser { json: false, ..bench.browser() };
    let login = browser.authorize("scope=orders").await;
    let page = browser.get(&login).await;
    assert!(page.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
    let data = body(&page);
    assert_eq!(data["action"], json!(login));
    let form =
        format!("username=alice&password=alice-password&answer=password&csrf={}", data["csrf"].as_str().unwrap());
    let post = |body: String| {
        Request::builder()
            .method(Method::POST)
            .uri(&login)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(body))
            .unwrap()
    };
    let next = browser.send(post(form)).await;
    let data = if next.status() == StatusCode::SEE_OTHER { body(&browser.get(&login).await) } else { body(&next) };
    assert_eq!(data["step"], "consent", "{data}");
    let form = format!("answer=consent&decision=allow&csrf={}", data["csrf"].as_str().unwrap());
    let done = browser.send(post(form)).await;
    assert!(location(&done).starts_with("https://shop.example/cb?code="));
}

#[tokio::test]
async fn what_is_out_of_reach_is_told_to_the_client_unless_it_was_only_a_wish() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let phr = Acr::PHR;
    let login = browser.authorize(&format!("scope=orders&acr_values={}", phr.as_str())).await;
    let step = browser.password(&login, "alice").await;
    assert!(browser.consent(&login, &step).await.contains("code="), "acr_values are a wish");
}

#[tokio::test]
async fn promise_6_a_throttled_answer_leaves_the_form_on_screen() {
    let bench = Bench::new().await;
    let mut browser = Browser { json: false, ..bench.browser() };
    let login = browser.authorize("scope=orders").await;
    let csrf = body(&browser.get(&login).await)["csrf"].as_str().unwrap().to_owned();
    let form = format!("username=alice&password=wrong&answer=password&csrf={csrf}");
    for _ in 0..10 {
        assert_eq!(browser.form(&login, &form).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    let page = browser.form(&login, &form).await;
    assert_eq!(
        (page.status(), &page.headers()[header::RETRY_AFTER]),
        (StatusCode::TOO_MANY_REQUESTS, &"900".parse().unwrap())
    );
    assert!(page.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    let data = body(&page);
    assert_eq!((&data["step"], &data["error"], &data["csrf"]), (&json!("password"), &json!("throttled"), &json!(csrf)));
}

#[tokio::test]
async fn oidc_core_3_1_2_1_ui_locales_come_before_what_the_browser_says() {
    let bench = Bench::new().await;
    let mut browser = Browser { json: false, ..bench.browser() };
    let mut language = async |query: &str, accepted: &str| {
        let login = browser.authorize(query).await;
        let request = Request::get(&login).header(header::ACCEPT_LANGUAGE, accepted).body(Bytes::new()).unwrap();
        let page = browser.send(request).await;
        assert_eq!(page.status(), StatusCode::OK);
        bench.looks.lock().unwrap().pop().flatten()
    };
    assert_eq!(language("scope=orders", "da, en-GB;q=0.8, de;q=0.9, xx;q=0, *;q=0.1").await.unwrap(), "da de en-GB");
    assert_eq!(language("scope=orders&ui_locales=fr-CA%20fr", "da").await.unwrap(), "fr-CA fr da");
    assert_eq!(language("scope=orders&ui_locales=%22%3E%3Cscript%3E", "<b>;q=1").await, None);
    // A refusal that is not redirected too.
    let refused = browser.get("/authorize?client_id=nobody&ui_locales=de%20%3Cb%3E").await;
    assert_eq!((refused.status(), &body(&refused)["heading"]), (StatusCode::BAD_REQUEST, &json!("sign_in")));
    assert_eq!(bench.looks.lock().unwrap().pop().flatten().as_deref(), Some("de"));
}

#[tokio::test]
async fn rfc8414_2_the_metadata_says_which_acr_a_login_reaches() {
    let bench = Bench::new().await;
    let metadata = body(&bench.browser().get("/.well-known/oauth-authorization-server").await);
    let values = metadata["acr_values_supported"].as_array().unwrap();
    assert!(values.contains(&json!(Acr::MFA.as_str())) && values.contains(&json!(Acr::AAL1.as_str())), "{values:?}");
    assert!(!values.contains(&json!(Acr::PHR.as_str())), "promise 10: {values:?}");
}

#[tokio::test]
async fn promise_7_an_answer_of_another_type_is_refused() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let csrf = browser.step(&login).await["csrf"].as_str().unwrap().to_owned();
    let bodies = [
        ("application/x-www-form-urlencoded-not", "username=alice&password=alice-password&answer=password&csrf=CSRF"),
        ("text/plain", r#"{"answer":"password","login":"alice","password":"alice-password","csrf":"CSRF"}"#),
        ("application/json", r#"{"answer":"password","answer":"code","csrf":"CSRF"}"#),
        ("application/json", "[[[[[[[["),
        ("application/x-www-form-urlencoded", "answer=password&username=%ff%00&password=%&csrf=CSRF&x=1"),
    ];
    for (content_type, sent) in bodies {
        let request = Request::post(&login)
            .header(header::ORIGIN, ISSUER)
            .header(header::CONTENT_TYPE, content_type)
            .body(sent.replace("CSRF", &csrf).into())
            .unwrap();
        let answer = browser.send(request).await;
        assert!(answer.status().is_client_error(), "{content_type}: {:?}", answer.status());
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    }
    assert_eq!(browser.step(&login).await["step"], "password");
}

/// Two requests wait in one browser; alice began to prove more for the first, and bob signs in for the second.
#[tokio::test]
async fn promise_11_what_one_users_session_proved_does_not_count_when_another_is_signed_in() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments").await;
    let (secret, step) = browser.enrol(&login, "alice").await;
    browser.consent(&login, &step).await;
    bench.clock.advance(std::time::Duration::from_secs(60));
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let step = browser.password(&login, "alice").await;
    browser.consent(&login, &step).await;
    let first = browser.authorize("scope=payments").await;
    let asked = browser.step(&first).await;
    assert_eq!(asked["step"], "code", "{asked}");
    bench.clock.advance(std::time::Duration::from_secs(2));
    let second = browser.authorize("scope=orders&prompt=login").await;
    let step = browser.password(&second, "bob").await;
    assert_eq!(step["account"], "bob");
    let code = bench.code(&secret);
    let answer = browser.try_answer(&first, &asked["csrf"], json!({"answer": "code", "code": code})).await;
    let shown = body(&answer);
    assert_eq!(shown["step"], "enrol", "it is bob's step-up by now: {shown}");
    assert_eq!(shown["account"], "bob", "{shown}");
}

/// Alice stepped up and stopped at the consent page; bob signs in. The page from before leads back to nobody's proofs.
#[tokio::test]
async fn promise_12_a_login_that_is_done_is_not_done_again_for_the_next_user() {
    let bench = Bench::new().await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let step = browser.password(&login, "alice").await;
    browser.consent(&login, &step).await;
    let first = browser.authorize("scope=payments").await;
    let step = browser.step(&first).await;
    let (_, step) = browser.prove_enrolment(&first, &step).await;
    assert_eq!((&step["step"], &step["account"]), (&json!("consent"), &json!("alice")), "{step}");
    bench.clock.advance(std::time::Duration::from_secs(2));
    let second = browser.authorize("scope=orders&prompt=login").await;
    browser.password(&second, "bob").await;
    let back = browser.step(&first).await;
    assert_eq!((&back["step"], &back["account"]), (&json!("enrol"), &json!("bob")), "{back}");
    let consent = json!({"answer": "consent"});
    let stale = browser.try_answer(&first, &step["csrf"], consent).await;
    assert_eq!(stale.status(), StatusCode::FORBIDDEN, "alice's consent is not bob's");
}
