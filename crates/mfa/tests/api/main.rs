//! The MFA API by plain calls, as client libraries make them.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod audience;
mod hostile;
mod passkeys;
mod push;
mod races;
mod refresh;
mod risk;
mod switched_off;
mod walks;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign_accounts::Account;
use countersign_events::{Event, EventKind};
use countersign_mfa::oauth::{Login, MfaApi};
use countersign_mfa::{
    Changed, EmailCodes, Existing, FirstEnrolment, Mfa, MfaBuilder, Passkeys, PasswordCost, PasswordHasher, Policy,
    SmsCodes, StoredAccounts, Subjects, Totp, VoiceCodes,
};
use countersign_mfa_otp::{TotpParameters, TotpSecret};
use countersign_oauth_core::{Client, ConsentRule, Outcome, Peer, Preset, Scope, Server, SubjectRecords};
use countersign_outbound::{Message, MessageSender, SendError};
use countersign_primitives::{
    Acr, Amr, BoxError, Clock, Id, ManualClock, Requirement, SignedIn, Subject, ThreadPool, UnixTime, WorkPool,
};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::{Batch, MasterKey};
use http::{HeaderMap, Method, Request, header};
use serde_json::{Map, Value, json};

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const AUDIENCE: &str = "https://id.example.com/mfa/";
pub(crate) const SECRET: &str = "5f0c9a1e7d3b48a6b2c4d6e8f0a1b3c5";
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };
const EVERYTHING: &str = "openid offline_access orders payments enroll read:authenticators remove:authenticators";
// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Keeps what is sent: to whom, and the code.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letters(Arc<Mutex<Vec<(String, String)>>>);

impl Letters {
    /// The newest code.
    pub(crate) fn code(&self) -> String {
        self.0.lock().unwrap().iter().rev().find(|(_, code)| !code.is_empty()).unwrap().1.clone()
    }

    /// How many codes were sent.
    pub(crate) fn codes(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, code)| !code.is_empty()).count()
    }

    /// How many notices were sent.
    pub(crate) fn notices(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, code)| code.is_empty()).count()
    }
}

#[async_trait]
impl MessageSender for Letters {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let code = message.code_text().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push((message.to().to_owned(), code));
        Ok(())
    }
}

/// Raises the epoch as the facade does.
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

/// A server with the API, users, clients, and a clock that stands still.
#[derive(Clone)]
pub(crate) struct Kit {
    pub(crate) server: Server,
    pub(crate) mfa: Mfa,
    pub(crate) clock: ManualClock,
    pub(crate) letters: Letters,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Kit {
    /// Everybody needs a second factor, and sets the first one up in a login.
    pub(crate) async fn new() -> Self {
        Self::with(Policy::always().first_enrolment(FirstEnrolment::ThisLogin), |mfa| mfa).await
    }

    pub(crate) async fn with(policy: Policy, change: impl FnOnce(MfaBuilder<'_>) -> MfaBuilder<'_>) -> Self {
        Self::over(MemoryStore::new(), policy, change, Requirement::NONE).await
    }

    pub(crate) async fn over(
        store: MemoryStore,
        policy: Policy,
        change: impl FnOnce(MfaBuilder<'_>) -> MfaBuilder<'_>,
        spa_requires: Requirement,
    ) -> Self {
        let (clock, letters) = (ManualClock::at(NOW), Letters::default());
        let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
        let events = Arc::clone(&heard);
        let pool: Arc<dyn WorkPool> = Arc::new(ThreadPool::new(1, 64));
        let mut builder = Server::builder(ISSUER, store, MasterKey::from_bytes([7; 32])).clock(clock.clone());
        builder = builder.events(move |event: &Event| heard.lock().unwrap().push(event.clone()));
        let root = builder.root_key().await.unwrap();
        let users = StoredAccounts::in_sealed(builder.sealed_store(), &root, ISSUER).clock(Arc::new(clock.clone()));
        let hasher = PasswordHasher::new(Arc::clone(&pool)).cost(CHEAP).unwrap();
        for (subject, name) in [("u-1", "alice"), ("u-2", "bob")] {
            let hash = hasher.hash(&format!("{name}-password").into()).await.unwrap();
            let account = Account::new(subject).username(name).password_hash(hash);
            let account = account.email(format!("{name}@example.com"), true);
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
            .factor(SmsCodes::new(letters.clone()))
            .factor(VoiceCodes::new(letters.clone()))
            .factor(EmailCodes::new(letters.clone()))
            .factor(Passkeys::new("example.com"))
            .policy(policy)
            .subjects(subjects)
            .events(builder.shared_events())
            .clock(builder.shared_clock());
        let mfa = change(mfa).build().await.unwrap();
        let engine = mfa.clone();
        let server = clients(builder, spa_requires)
            .accounts(users)
            .scope(Scope::new("openid", "Know who you are"))
            .scope(Scope::new("offline_access", "Stay signed in"))
            .scope(Scope::new("orders", "See your orders"))
            .scope(Scope::new("payments", "Make payments").requires(Requirement::MFA))
            .extension(Login::new(mfa).mfa_api(MfaApi::new()))
            .build()
            .await
            .unwrap();
        Self { server, mfa: engine, clock, letters, events }
    }

    pub(crate) fn events(&self, kind: EventKind) -> usize {
        self.events.lock().unwrap().iter().filter(|event| event.kind() == kind).count()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn send(&self, method: Method, path: &str, bearer: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "id.example.com");
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(Peer::new([192, 0, 2, 1].into()));
        Answer::of(self.server.handle(request).await)
    }

    pub(crate) async fn post(&self, path: &str, bearer: Option<&str>, body: Value) -> Answer {
        self.send(Method::POST, path, bearer, Some(body)).await
    }

    /// A token request of this client.
    pub(crate) async fn token(&self, client: &str, body: Value) -> Answer {
        self.post("/oauth/token", None, with_client(client, body)).await
    }

    pub(crate) async fn password(&self, client: &str, user: &str, scope: &str) -> Answer {
        let body = json!({
            "grant_type": "password", "username": user, "password": format!("{user}-password"), "scope": scope,
        });
        self.token(client, body).await
    }

    /// The `mfa_token` of a login by password.
    pub(crate) async fn mfa_token(&self, client: &str, user: &str) -> String {
        let answer = self.password(client, user, "orders offline_access").await;
        answer.is(403, "mfa_required");
        answer.text("mfa_token")
    }

    pub(crate) async fn challenge(&self, client: &str, mfa_token: &str, more: Value) -> Answer {
        let mut body = with_client(client, json!({ "mfa_token": mfa_token }));
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/mfa/challenge", None, body).await
    }

    pub(crate) async fn associate(&self, bearer: &str, body: Value) -> Answer {
        self.post("/mfa/associate", Some(bearer), body).await
    }

    pub(crate) async fn list(&self, bearer: &str) -> Answer {
        self.send(Method::GET, "/mfa/authenticators", Some(bearer), None).await
    }

    pub(crate) async fn delete(&self, bearer: &str, id: &str) -> Answer {
        let id = id.replace('|', "%7C");
        self.send(Method::DELETE, &format!("/mfa/authenticators/{id}"), Some(bearer), None).await
    }

    pub(crate) async fn otp(&self, client: &str, mfa_token: &str, otp: &str) -> Answer {
        let body = json!({ "grant_type": MfaApi::OTP, "mfa_token": mfa_token, "otp": otp });
        self.token(client, body).await
    }

    pub(crate) async fn oob(&self, client: &str, mfa_token: &str, oob_code: &str, code: Option<&str>) -> Answer {
        let mut body = json!({ "grant_type": MfaApi::OOB, "mfa_token": mfa_token, "oob_code": oob_code });
        if let Some(code) = code {
            body["binding_code"] = code.into();
        }
        self.token(client, body).await
    }

    pub(crate) async fn recovery(&self, client: &str, mfa_token: &str, code: &str) -> Answer {
        let body = json!({ "grant_type": MfaApi::RECOVERY_CODE, "mfa_token": mfa_token, "recovery_code": code });
        self.token(client, body).await
    }

    /// What the app shows now.
    pub(crate) fn app(&self, secret: &str) -> String {
        let secret = TotpSecret::from_base32(secret, TotpParameters::default()).unwrap();
        secret.code_at(Clock::now(&self.clock)).expose().to_owned()
    }

    /// Sets up an authenticator app as the first factor: its secret, the recovery codes, and the tokens.
    pub(crate) async fn with_app(&self, client: &str, user: &str) -> (String, Vec<String>, Answer) {
        let token = self.mfa_token(client, user).await;
        let given = self.associate(&token, json!({ "authenticator_types": ["otp"] })).await.ok();
        let secret = given.text("secret");
        let tokens = self.otp(client, &token, &self.app(&secret)).await.ok();
        self.advance(30);
        (secret, given.texts("recovery_codes"), tokens)
    }

    /// Sets up a phone as the first factor.
    pub(crate) async fn with_phone(&self, client: &str, user: &str) -> Answer {
        let token = self.mfa_token(client, user).await;
        let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+4915112345623" });
        let given = self.associate(&token, body).await.ok();
        let code = self.letters.code();
        let tokens = self.oob(client, &token, &given.text("oob_code"), Some(&code)).await.ok();
        self.advance(30);
        tokens
    }

    /// Somebody who has just signed in with a password alone, or with two factors.
    pub(crate) fn who(&self, subject: &str, factors: u8) -> SignedIn {
        let who = SignedIn::new(subject.to_owned(), self.server.now());
        if factors == 2 { who.amr([Amr::Pwd, Amr::Otp]).acr(Acr::MFA) } else { who.amr([Amr::Pwd]).acr(Acr::AAL1) }
    }

    /// What becomes of an authorization request for a token of the API's own.
    pub(crate) async fn authorize(&self, client: &str, scope: &str, who: SignedIn) -> Outcome {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", &format!("https://{client}.example/cb")),
            ("audience", AUDIENCE),
            ("scope", scope),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let request = Request::get(format!("/authorize?{}", query.finish())).header(header::HOST, "id.example.com");
        let mut request = request.body(Bytes::new()).unwrap();
        request.extensions_mut().insert(Peer::new([192, 0, 2, 1].into()));
        self.server.authorize(request, Some(who)).await
    }

    /// A token of the API's own.
    pub(crate) async fn own_token(&self, client: &str, scope: &str, who: SignedIn) -> Answer {
        let code = match self.authorize(client, scope, who).await {
            Outcome::Done(reply) => parameter(reply.headers(), "code").unwrap(),
            other => unreachable!("{other:?}"),
        };
        let body = json!({
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": format!("https://{client}.example/cb"),
            "code_verifier": VERIFIER,
        });
        self.token(client, body).await
    }
}

fn clients(
    builder: countersign_oauth_core::ServerBuilder,
    spa_requires: Requirement,
) -> countersign_oauth_core::ServerBuilder {
    let grants = [
        "authorization_code",
        "refresh_token",
        "password",
        MfaApi::PASSWORD_REALM,
        MfaApi::OTP,
        MfaApi::OOB,
        MfaApi::RECOVERY_CODE,
        MfaApi::PASSKEY,
    ];
    let own = move |client: Client, id: &str| {
        let client = client.redirect_uri(format!("https://{id}.example/cb")).consent(ConsentRule::Implied);
        client.preset(Preset::legacy()).scope(EVERYTHING).grant_types(grants)
    };
    let metadata = json!({
        "client_id": "phone",
        "redirect_uris": ["https://phone.example/cb"],
        "scope": EVERYTHING,
        "mfa_number_matching": true,
    });
    let metadata: Map<String, Value> = metadata.as_object().unwrap().clone();
    let spa = own(Client::public("spa"), "spa").name("Spa").requires(spa_requires);
    let keyed = Client::confidential("basic", SECRET);
    builder
        .client(own(Client::confidential("web", SECRET).secret_post(), "web").name("Web"))
        .client(spa)
        .client(own(keyed, "basic"))
        .client_metadata(metadata, move |client| own(client, "phone"))
        .client(
            Client::public("shop")
                .redirect_uri("https://shop.example/cb")
                .consent(ConsentRule::Implied)
                .scope(EVERYTHING),
        )
        .client(own(Client::public("bare"), "bare").grant_types(["authorization_code", "password", "refresh_token"]))
        .client(Client::service("robot", SECRET).secret_post().scope("enroll orders"))
}

fn with_client(client: &str, mut body: Value) -> Value {
    body["client_id"] = client.into();
    if ["web", "robot"].contains(&client) {
        body["client_secret"] = SECRET.into();
    }
    body
}

/// A parameter of the address that an answer leads to.
pub(crate) fn parameter(headers: &HeaderMap, name: &str) -> Option<String> {
    let location = headers[header::LOCATION].to_str().unwrap();
    let query = location.split_once(['?', '#'])?.1;
    let pairs: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    pairs.get(name).cloned()
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    fn of(response: http::Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Self { status: parts.status.as_u16(), headers: parts.headers, json }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status < 300, "{} {}", self.status, self.json);
        self
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16, error: &str) {
        assert_eq!((self.status, self.json["error"].as_str()), (status, Some(error)), "{}", self.json);
    }

    /// The error, and its text, on which client libraries branch.
    #[track_caller]
    pub(crate) fn says(&self, status: u16, error: &str, description: &str) {
        self.is(status, error);
        assert_eq!(self.json["error_description"], description);
    }

    pub(crate) fn text(&self, member: &str) -> String {
        self.json[member].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn texts(&self, member: &str) -> Vec<String> {
        let texts = self.json[member].as_array().into_iter().flatten();
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// The types of `mfa_requirements`.
    pub(crate) fn required(&self, what: &str) -> Vec<String> {
        let types = self.json["mfa_requirements"][what].as_array().into_iter().flatten();
        types.map(|one| one["type"].as_str().unwrap().to_owned()).collect()
    }

    /// The claims of the access token.
    pub(crate) fn claims(&self) -> Value {
        let token = self.text("access_token");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
    }
}
