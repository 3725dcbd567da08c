//! A server to try things on: what a test needs to ask for a code, redeem it, and read the answers.

mod answers;
mod registering;
mod sent;
mod services;

use std::future::Future;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign_events::{Event, EventKind};
use countersign_oauth_core::{
    Access, Client, ConsentRule, Outcome, Peer, Preset, Refusal, Resource, Scope, Server, ServerBuilder,
};
use countersign_pkce::CodeVerifier;
use countersign_primitives::{Acr, Amr, ManualClock, Requirement, SignedIn, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::MasterKey;
use countersign_storage_traits::testkit::{FaultScript, Faulty};
use http::{Method, Request};

pub(crate) use countersign_storage_traits::testkit::block_on;
pub(crate) use std::time::Duration;

pub(crate) use answers::*;
pub(crate) use registering::*;
pub(crate) use sent::*;
pub(crate) use services::*;

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const API: &str = "https://api.example.com/";
pub(crate) const SECRET: &str = "5f0c9a1e7d3b48a6b2c4d6e8f0a1b3c5";
/// RFC 7636 Appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const START: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A server over a store in memory that can be made to fail, with a clock that stands still.
#[derive(Clone)]
pub(crate) struct Kit {
    pub(crate) server: Server,
    pub(crate) clock: ManualClock,
    pub(crate) script: FaultScript,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Kit {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(adjust: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        Self::over(ISSUER, MemoryStore::new(), adjust)
    }

    pub(crate) fn over(
        issuer: &str,
        store: impl countersign_storage_traits::Store + 'static,
        adjust: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let (clock, script, events) = (ManualClock::at(START), FaultScript::new(), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&events);
        let builder = builder(issuer, Faulty::new(store, script.clone()))
            .clock(clock.clone())
            .events(move |event: &Event| heard.lock().unwrap().push(event.clone()));
        let server = block_on(adjust(builder).build()).unwrap();
        script.restart();
        Self { server, clock, script, events }
    }

    /// What the server told of this kind.
    pub(crate) fn events(&self, kind: EventKind) -> Vec<Event> {
        self.events.lock().unwrap().iter().filter(|event| event.kind() == kind).cloned().collect()
    }

    /// The cause of the last refusal.
    pub(crate) fn cause(&self) -> &'static str {
        self.events.lock().unwrap().iter().rev().find_map(Event::cause).unwrap_or("")
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn handle(&self, request: Request<Bytes>) -> Answer {
        Answer::of(block_on(self.server.handle(request)))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.handle(request(Method::GET, path).body(Bytes::new()).unwrap())
    }

    /// An authorization request of a browser, on behalf of whoever is signed in there.
    pub(crate) fn authorize(&self, jar: &mut Jar, form: &Form, who: Option<SignedIn>) -> Outcome {
        let request = jar.request(Method::GET, &format!("/authorize?{}", form.encode()));
        jar.keep(block_on(self.server.authorize(request.body(Bytes::new()).unwrap(), who)))
    }

    /// What `Ask::return_to` leads to.
    pub(crate) fn come_back(&self, jar: &mut Jar, to: &str, who: Option<SignedIn>) -> Outcome {
        let request = jar.request(Method::GET, to).body(Bytes::new()).unwrap();
        jar.keep(block_on(self.server.authorize(request, who)))
    }

    /// A code for this client, which asks nobody for consent.
    pub(crate) fn code(&self, client: &str, scope: &str) -> String {
        self.code_for(&authorization(client, scope), alice(self))
    }

    pub(crate) fn code_for(&self, form: &Form, who: SignedIn) -> String {
        redirect(self.authorize(&mut Jar::default(), form, Some(who))).must("code").to_owned()
    }

    pub(crate) fn redeem(&self, client: &str, code: &str) -> Answer {
        self.token(client, &redemption(client, code))
    }

    pub(crate) fn refresh(&self, client: &str, refresh_token: &str) -> Answer {
        self.token(client, &Form::new().with("grant_type", "refresh_token").with("refresh_token", refresh_token))
    }

    /// A token request of one of the clients below, authenticated as it is registered.
    pub(crate) fn token(&self, client: &str, form: &Form) -> Answer {
        let form = form.clone();
        match client {
            "web" | "bank" => self.post_token(&form.encode(), &[basic(client, SECRET)]),
            "post" => self.post_token(&form.with("client_id", client).with("client_secret", SECRET).encode(), &[]),
            _ => self.post_token(&form.with("client_id", client).encode(), &[]),
        }
    }

    pub(crate) fn post_token(&self, body: &str, headers: &[(&str, String)]) -> Answer {
        self.handle(token_request(body, headers))
    }

    /// The tokens of a new grant.
    pub(crate) fn tokens(&self, client: &str, scope: &str) -> Answer {
        self.redeem(client, &self.code(client, scope)).ok()
    }

    /// What an access token allows here at this moment.
    pub(crate) fn access(&self, token: &str) -> Result<Access, Refusal> {
        let request = request(Method::GET, "/userinfo").header("authorization", format!("Bearer {token}"));
        let (parts, body) = request.body(Bytes::new()).unwrap().into_parts();
        block_on(self.server.access(&parts, &body))
    }

    /// The access token opens this server's own endpoints.
    #[track_caller]
    pub(crate) fn access_own(&self, tokens: &Answer) {
        // What an opaque one is for, only the server knows.
        if tokens.text("access_token").contains('.') && tokens.claims()["aud"] == ISSUER {
            assert!(self.access(tokens.text("access_token")).is_ok());
        }
    }

    /// Nothing of this answer works any more.
    #[track_caller]
    pub(crate) fn is_dead(&self, client: &str, tokens: &Answer) {
        self.refresh(client, tokens.text("refresh_token")).is_error(400, "invalid_grant");
        assert_eq!(self.access(tokens.text("access_token")).unwrap_err().error(), "invalid_token");
    }

    /// All of this answer works. Spends its refresh token.
    #[track_caller]
    pub(crate) fn is_alive(&self, client: &str, tokens: &Answer) {
        self.access_own(tokens);
        self.refresh(client, tokens.text("refresh_token")).ok();
    }
}

/// The server of most tests: two kinds of scopes, one resource, and a client of each sort.
pub(crate) fn builder(issuer: &str, store: impl countersign_storage_traits::Store + 'static) -> ServerBuilder {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let client = |client: Client, uri: &str| client.redirect_uri(uri).consent(ConsentRule::Implied);
    Server::builder(issuer, store, MasterKey::from_bytes([7; 32]))
        .preset(Preset::oauth21())
        .scope(Scope::new("read", "See your orders"))
        .scope(Scope::new("write", "Place orders"))
        .scope(Scope::new("openid", "Know who you are"))
        .scope(Scope::new("offline_access", "Stay signed in"))
        .scope(Scope::new("pay", "Make payments").requires(Requirement::MFA))
        .scope(Scope::new("fresh", "Change the password").requires(Requirement::NONE.max_age(minutes(5))))
        .scope(Scope::new("inner", "Work inside").hidden())
        .resource(Resource::new(API).scope("read"))
        .resource(Resource::new("https://other.example.com/"))
        .client(client(Client::public("app"), "https://app.example.com/cb"))
        .client(client(Client::confidential("web", SECRET), "https://web.example.com/cb?a=b"))
        .client(client(Client::confidential("post", SECRET).secret_post(), "https://post.example.com/cb"))
        .client(client(Client::confidential("bank", SECRET).requires(Requirement::MFA), "https://bank.example.com/cb"))
        .client(Client::public("shop").name("The Shop").redirect_uri("https://shop.example.com/cb"))
        .client(Client::public("native").redirect_uri("http://127.0.0.1/cb").redirect_uri("com.example.app:/cb"))
}

/// Where a client of the builder wants its answers.
pub(crate) fn callback(client: &str) -> String {
    match client {
        "web" => "https://web.example.com/cb?a=b".to_owned(),
        "native" => "http://127.0.0.1:51004/cb".to_owned(),
        _ => format!("https://{client}.example.com/cb"),
    }
}

/// A request that a client may send.
pub(crate) fn authorization(client: &str, scope: &str) -> Form {
    Form::new()
        .with("response_type", "code")
        .with("client_id", client)
        .with("redirect_uri", &callback(client))
        .with("scope", scope)
        .with("state", "af0ifjsldkj")
        .with("code_challenge", CHALLENGE)
        .with("code_challenge_method", "S256")
}

/// The exchange of a code that [`authorization`] brought.
pub(crate) fn redemption(client: &str, code: &str) -> Form {
    Form::new()
        .with("grant_type", "authorization_code")
        .with("code", code)
        .with("redirect_uri", &callback(client))
        .with("code_verifier", VERIFIER)
}

/// Signed in with a password, just now.
pub(crate) fn alice(kit: &Kit) -> SignedIn {
    SignedIn::new("alice", kit.server.now()).amr([Amr::Pwd]).acr(Acr::AAL1)
}

/// Signed in with two factors, just now.
pub(crate) fn alice_mfa(kit: &Kit) -> SignedIn {
    SignedIn::new("alice", kit.server.now()).amr([Amr::Pwd, Amr::Otp]).acr(Acr::MFA)
}

pub(crate) fn basic(client: &str, secret: &str) -> (&'static str, String) {
    ("authorization", format!("Basic {}", STANDARD.encode(format!("{client}:{secret}"))))
}

/// A request to the issuer's host from a known peer.
pub(crate) fn request(method: Method, path: &str) -> http::request::Builder {
    let peer = Peer::new([192, 0, 2, 1].into());
    Request::builder().method(method).uri(path).header("host", "id.example.com").extension(peer)
}

/// A request to the token endpoint.
pub(crate) fn token_request(body: &str, headers: &[(&str, String)]) -> Request<Bytes> {
    let mut request = request(Method::POST, "/oauth/token").header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

/// A verifier of one's own and its challenge.
pub(crate) fn pkce() -> (String, String) {
    let verifier = CodeVerifier::generate(&countersign_primitives::SystemRandom).unwrap();
    (verifier.expose().to_owned(), verifier.challenge().as_str().to_owned())
}

/// Runs `racers` at once, each on a thread of its own.
pub(crate) fn race<T: Send, F: Future<Output = T>>(racers: usize, racer: impl Fn(usize) -> F + Sync) -> Vec<T> {
    let gate = Barrier::new(racers);
    thread::scope(|scope| {
        let (gate, racer) = (&gate, &racer);
        let start = |number| {
            scope.spawn(move || {
                gate.wait();
                block_on(racer(number))
            })
        };
        let running: Vec<_> = (0..racers).map(start).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// A handle with another secret: its checksum is wrong.
pub(crate) fn forged(handle: &str) -> String {
    let at = handle.len() - 20;
    let other = if &handle[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &handle[..at], &handle[at + 1..])
}
