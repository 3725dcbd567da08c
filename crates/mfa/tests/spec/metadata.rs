//! Metadata of authenticators, fetched and kept (FIDO MDS 3.0 §3.2; attack M18).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_events::Event;
use countersign_mfa::{
    Answer, AuthenticatorMetadata, Begun, Caller, FirstEnrolment, LoginError, LoginRequest, Mfa, MfaBuilder, Policy,
    SecurityKeys, Step, StepError,
};
use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_mfa_webauthn::{
    Aaguid, AttestationFormat, MetadataSource, NewUser, Registered, RegistrationError, RegistrationResponse,
    RelyingParty, TrustPolicy, UserHandle,
};
use countersign_outbound::{FetchError, Fetcher};
use countersign_primitives::{Amr, Clock, Id, ManualClock, SignedIn, SystemRandom, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::MasterKey;
use futures_util::future::join_all;
use http::{HeaderMap, Request, Response, StatusCode, header};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);
const HOST: &str = "mds.fidoalliance.org";
const MODEL: Aaguid = Aaguid::from_bytes([7; 16]);
const DAY: Duration = Duration::from_secs(86_400);
/// The end of 2025-07-01.
const NEXT: UnixTime = UnixTime::from_secs(1_751_414_400);

/// The service: what it answers, and what it was asked.
#[derive(Debug, Clone, Default)]
struct Service(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    answer: Option<(StatusCode, Option<&'static str>, String)>,
    asked: Vec<HeaderMap>,
}

impl Service {
    fn answers(&self, status: u16, etag: Option<&'static str>, body: impl Into<String>) {
        self.0.lock().unwrap().answer = Some((StatusCode::from_u16(status).unwrap(), etag, body.into()));
    }

    fn is_down(&self) {
        self.0.lock().unwrap().answer = None;
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }
}

#[async_trait]
impl Fetcher for Service {
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        // Others come while this one waits for its answer.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut inner = self.0.lock().unwrap();
        inner.asked.push(request.headers().clone());
        let (status, etag, body) = inner.answer.clone().ok_or(FetchError::Timeout)?;
        let tag = request.headers().get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
        let mut answer = Response::builder().status(status);
        if let Some(etag) = etag {
            answer = answer.header(header::ETAG, etag);
            if tag == Some(etag) {
                return Ok(Response::builder().status(304).body(Bytes::new()).unwrap());
            }
        }
        Ok(answer.body(Bytes::from(body)).unwrap())
    }
}

/// The name of an event, and its cause.
type Told = (&'static str, Option<&'static str>);

/// The alliance, in the guise of a maker; a key of the model; its service, and nodes on one store.
struct World {
    alliance: SoftAuthenticator,
    key: SoftAuthenticator,
    service: Service,
    store: MemoryStore,
    clock: Arc<ManualClock>,
    events: Arc<Mutex<Vec<Told>>>,
}

impl World {
    fn new() -> Self {
        Self {
            alliance: SoftAuthenticator::security_key().unwrap(),
            key: SoftAuthenticator::security_key().unwrap().format(AttestationFormat::Packed).model(MODEL),
            service: Service::default(),
            store: MemoryStore::new(),
            clock: Arc::new(ManualClock::at(NOW)),
            events: Arc::default(),
        }
    }

    fn builder(&self) -> MfaBuilder<'static> {
        static KEY: std::sync::LazyLock<MasterKey> = std::sync::LazyLock::new(|| MasterKey::from_bytes([7; 32]));
        let source = MetadataSource::fido_alliance().root(self.alliance.root()).unwrap();
        let events = Arc::clone(&self.events);
        Mfa::builder(self.store.clone(), &KEY)
            .realm("https://id.example.com")
            .authenticator_metadata(AuthenticatorMetadata::new(source, self.service.clone()))
            .clock(Arc::<ManualClock>::clone(&self.clock))
            .events(countersign_events::Events::none().and(move |event: &Event| {
                events.lock().unwrap().push((event.kind().name(), event.cause()));
            }))
    }

    async fn node(&self) -> Mfa {
        self.builder().build().await.unwrap()
    }

    /// A BLOB of this number, with these reports about the model, and `padding` further entries.
    fn blob(&self, number: u64, statuses: &[&str], padding: usize) -> String {
        let encode = |der: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
        let reports: Vec<_> = statuses.iter().map(|status| json!({"status": status})).collect();
        let known = json!({
            "aaguid": MODEL, "statusReports": reports,
            "metadataStatement": {"attestationRootCertificates": [encode(self.key.root())]},
        });
        let mut entries = vec![known];
        entries
            .extend((0..padding).map(|_| json!({"aaid": "0001#0001", "statusReports": [], "text": "x".repeat(1000)})));
        self.signed(&json!({"no": number, "nextUpdate": "2025-07-01", "entries": entries}))
    }

    fn signed(&self, payload: &Value) -> String {
        self.alliance.metadata_blob(HOST, payload).unwrap()
    }

    fn told(&self, kind: &str) -> Vec<Option<&'static str>> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|(name, _)| *name == kind).map(|(_, cause)| *cause).collect()
    }

    fn at(&self, time: UnixTime) -> UnixTime {
        self.clock.advance(time.since(self.clock.now()));
        time
    }

    /// Registers the key where models must be known and good.
    async fn register(&mut self, node: &Mfa) -> Result<Registered, RegistrationError> {
        let policy = node.minding_metadata(&TrustPolicy::new().listed_models_alone()).await.unwrap();
        let site = RelyingParty::new("example.com", "Example").unwrap();
        let handle = UserHandle::new(*b"alice").unwrap();
        let user = NewUser { handle: &handle, name: "alice", display_name: "Alice" };
        let now = self.clock.now();
        let (options, ceremony) = site.register_security_key(user).begin("s", now, &SystemRandom).unwrap();
        let answer = self.key.create(&serde_json::to_string(&options).unwrap(), "https://example.com").unwrap();
        let response = RegistrationResponse::from_json(&answer).unwrap();
        site.finish_attested_registration(ceremony, &response, &policy, "s", now)
    }
}

fn number(node: &Mfa) -> Option<u64> {
    node.authenticator_metadata().map(|state| state.number)
}

#[tokio::test]
async fn fido_mds_3_2_a_blob_is_fetched_by_one_node_and_taken_up_by_others_and_later_starts() {
    let mut world = World::new();
    world.service.answers(200, None, world.blob(5, &["FIDO_CERTIFIED_L1"], 900));
    let (one, other) = (world.node().await, world.node().await);
    assert_eq!(number(&one), None);
    assert_eq!(one.work(NOW).await, Some(NEXT), "no earlier than the BLOB says");
    assert_eq!(number(&one), Some(5));
    other.work(NOW).await;
    let state = other.authenticator_metadata().unwrap();
    assert_eq!((state.number, state.models, state.fetched, state.next_update), (5, 1, NOW, NEXT));
    assert!(!state.outdated);
    let later = world.node().await;
    assert!(world.register(&later).await.unwrap().attestation().is_trusted(), "from the store, before any work");
    assert_eq!(world.service.asked(), 1);
    assert_eq!(world.told("metadata.updated").len(), 3);
}

#[tokio::test]
async fn fido_mds_3_2_nothing_is_fetched_before_the_next_update_and_an_unchanged_blob_is_not_sent_again() {
    let world = World::new();
    world.service.answers(200, Some("\"five\""), world.blob(5, &[], 0));
    let node = world.node().await;
    node.work(NOW).await;
    for time in [NOW.plus(DAY), NEXT.minus(Duration::from_millis(1))] {
        assert_eq!(node.work(world.at(time)).await, Some(NEXT));
    }
    assert_eq!(world.service.asked(), 1);
    let again = node.work(world.at(NEXT)).await.unwrap();
    assert_eq!(
        again,
        NEXT.plus(Duration::from_secs(6 * 3600)),
        "unchanged although it is due: asked a few times a day"
    );
    let tags: Vec<_> =
        world.service.0.lock().unwrap().asked.iter().map(|asked| asked.get("if-none-match").cloned()).collect();
    assert_eq!(tags, [None, Some("\"five\"".parse().unwrap())]);
    assert_eq!((number(&node), world.told("metadata.refused").len()), (Some(5), 0));
}

#[tokio::test]
async fn m18_an_older_blob_never_replaces_a_newer_one_whichever_node_saw_that() {
    let world = World::new();
    world.service.answers(200, None, world.blob(5, &["REVOKED"], 0));
    world.node().await.work(NOW).await;
    // A node that knows nothing yet, and a service that was set back.
    world.service.answers(200, None, world.blob(4, &[], 0));
    let fresh = world.node().await;
    fresh.work(world.at(NEXT)).await;
    assert_eq!(number(&fresh), Some(5));
    assert_eq!(world.told("metadata.refused"), [Some("metadata.rolled_back")]);
    let last = world.node().await;
    last.work(world.at(NEXT.plus(DAY))).await;
    assert_eq!(number(&last), Some(5));
}

#[tokio::test]
async fn promise_14_hostile_and_missing_answers_leave_what_is_known() {
    let mut world = World::new();
    world.service.answers(200, None, world.blob(5, &["REVOKED"], 0));
    let node = world.node().await;
    node.work(NOW).await;
    let good = world.blob(6, &[], 0);
    let cut = good[..good.len() - 1].to_owned();
    let foreign = world.key.metadata_blob(HOST, &json!({"no": 9, "nextUpdate": "2025-07-01", "entries": []})).unwrap();
    let elsewhere =
        world.alliance.metadata_blob("evil.example", &json!({"no": 9, "nextUpdate": "2025-07-01", "entries": []}));
    let malformed = world.signed(&json!({"no": 9}));
    let answers: [(u16, String, &str); 8] = [
        (500, good.clone(), "metadata.status"),
        (302, good.clone(), "metadata.status"),
        (304, String::new(), "metadata.status"),
        (200, "<html>".into(), "metadata.signature"),
        (200, cut, "metadata.signature"),
        (200, foreign, "trust.no_path"),
        (200, elsewhere.unwrap(), "metadata.host"),
        (200, malformed, "metadata.malformed"),
    ];
    let mut time = NEXT;
    for (status, body, cause) in answers {
        world.service.answers(status, None, body);
        time = node.work(world.at(time)).await.unwrap();
        assert_eq!(world.told("metadata.refused").last(), Some(&Some(cause)));
        assert_eq!(number(&node), Some(5));
    }
    world.service.answers(200, None, "A".repeat(MetadataSource::MAX_BLOB + 1));
    time = node.work(world.at(time)).await.unwrap();
    assert_eq!(world.told("metadata.refused").last(), Some(&Some("metadata.too_long")));
    world.service.is_down();
    node.work(world.at(time)).await;
    assert_eq!(world.told("metadata.refused").last(), Some(&Some("metadata.fetch")));
    assert_eq!(world.register(&node).await.unwrap_err().id(), "trust.status", "the model that was revoked stays so");
    assert_eq!(world.service.asked(), 11);
}

#[tokio::test]
async fn promise_14_failures_are_tried_again_at_growing_intervals() {
    let world = World::new();
    let node = world.node().await;
    let mut time = NOW;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let next = node.work(world.at(time)).await.unwrap();
        assert_eq!(node.work(world.clock.now()).await, Some(next), "nothing is asked in between");
        pauses.push(next.since(time).as_secs() / 60);
        time = next;
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 360, 360]);
    assert_eq!(world.service.asked(), 8);
    world.service.answers(200, None, world.blob(5, &[], 0));
    node.work(world.at(time)).await;
    assert_eq!(number(&node), Some(5));
}

#[tokio::test]
async fn promise_14_while_nothing_is_known_no_policy_is_handed_out() {
    let world = World::new();
    let node = world.node().await;
    node.work(NOW).await;
    let refused = node.minding_metadata(&TrustPolicy::new().accept_untrusted()).await.unwrap_err();
    assert_eq!(refused.id(), "metadata.incomplete");
}

#[tokio::test]
async fn m18_an_overdue_blob_is_kept_and_told_once_a_day() {
    let mut world = World::new();
    world.service.answers(200, None, world.blob(5, &[], 0));
    let node = world.node().await;
    node.work(NOW).await;
    world.service.is_down();
    let mut time = NEXT.plus(Duration::from_secs(1));
    while time < NEXT.plus(3 * DAY) {
        node.work(world.at(time)).await;
        time = time.plus(Duration::from_secs(3600));
    }
    assert_eq!(world.told("metadata.outdated").len(), 3);
    assert!(node.authenticator_metadata().unwrap().outdated);
    assert!(world.register(&node).await.is_ok());
    world.service.answers(200, None, world.signed(&json!({"no": 6, "nextUpdate": "2025-08-01", "entries": []})));
    node.work(world.at(time.plus(DAY))).await;
    assert_eq!(number(&node), Some(6));
    assert!(!node.authenticator_metadata().unwrap().outdated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fido_mds_3_2_of_nodes_that_race_one_fetches() {
    for round in 0..8 {
        let world = World::new();
        world.service.answers(200, None, world.blob(5 + round, &[], 300));
        let nodes = join_all((0..16).map(|_| world.node())).await;
        let works = nodes.iter().cloned().map(|node| tokio::spawn(async move { node.work(NOW).await }));
        for worked in join_all(works).await {
            worked.unwrap();
        }
        assert_eq!(world.service.asked(), 1);
        assert_eq!(world.told("metadata.refused"), []);
        for node in &nodes {
            node.work(NOW).await;
            assert_eq!(number(node), Some(5 + round));
        }
    }
}

#[tokio::test]
async fn fido_mds_3_2_a_turn_that_takes_too_long_writes_nothing_over_a_later_one() {
    /// Answers the first request with an old issue, once the second has been answered with a newer one.
    #[derive(Debug)]
    struct Slow(Vec<String>, AtomicUsize, tokio::sync::Notify);

    #[async_trait]
    impl Fetcher for Slow {
        async fn fetch(&self, _: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
            let turn = self.1.fetch_add(1, Ordering::SeqCst);
            if turn == 0 {
                self.2.notified().await;
            }
            Ok(Response::new(Bytes::from(self.0[turn].clone())))
        }
    }
    let world = World::new();
    let source = MetadataSource::fido_alliance().root(world.alliance.root()).unwrap();
    let slow = Arc::new(Slow(
        vec![world.blob(5, &[], 0), world.blob(6, &[], 0)],
        AtomicUsize::new(0),
        tokio::sync::Notify::new(),
    ));
    let node = || {
        world.builder().authenticator_metadata(AuthenticatorMetadata::new(source.clone(), Arc::clone(&slow))).build()
    };
    let (stuck, other) = (node().await.unwrap(), node().await.unwrap());
    let waiting = tokio::spawn({
        let stuck = stuck.clone();
        async move { stuck.work(NOW).await }
    });
    while slow.1.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let later = world.at(NOW.plus(Duration::from_secs(11 * 60)));
    other.work(later).await;
    assert_eq!(number(&other), Some(6));
    slow.2.notify_one();
    waiting.await.unwrap();
    stuck.work(later).await;
    assert_eq!(number(&stuck), Some(6));
}

#[tokio::test]
async fn fido_mds_3_2_what_is_lost_from_the_store_is_fetched_anew() {
    let world = World::new();
    world.service.answers(200, Some("\"five\""), world.blob(5, &[], 0));
    world.node().await.work(NOW).await;
    // The pieces have expired, the record that names them has not.
    let later = world.at(NEXT.plus(401 * DAY));
    world.service.answers(
        200,
        Some("\"five\""),
        world.signed(&json!({"no": 5, "nextUpdate": "2027-07-01", "entries": []})),
    );
    let node = world.node().await;
    assert!(node.minding_metadata(&TrustPolicy::new()).await.is_err());
    node.work(later).await;
    assert_eq!(number(&node), Some(5), "whole, although the service would say that nothing changed");
}

/// Sets up the key of the world in a login that takes known models alone.
async fn set_up(world: &mut World) -> Result<Step, LoginError> {
    let keys = SecurityKeys::new("example.com").trusting(TrustPolicy::new().listed_models_alone());
    let policy = Policy::always().first_enrolment(FirstEnrolment::ThisLogin);
    let node = world.builder().factor(keys).recovery_codes(0).policy(policy).build().await.unwrap();
    let caller = Caller::new(Id::from_bytes([9; 16]));
    let who = SignedIn::new("u-1", world.clock.now()).amr([Amr::Pwd]);
    let Begun { id, step } = node.start(LoginRequest::new().who(who), &caller).await.unwrap();
    let options = match step {
        Step::Enrol(step) => step.options.unwrap().to_string(),
        other => panic!("{other:?}"),
    };
    let answer = world.key.create(&options, "https://id.example.com").unwrap();
    node.answer(id, &Answer::webauthn(answer), &caller).await
}

#[tokio::test]
async fn m18_security_keys_are_set_up_by_what_is_known_of_their_model_at_the_time() {
    let mut world = World::new();
    assert!(matches!(set_up(&mut world).await, Err(LoginError::Factor { .. })), "nothing is known yet");
    world.service.answers(200, None, world.blob(5, &["FIDO_CERTIFIED_L1", "REVOKED"], 0));
    world.node().await.work(NOW).await;
    assert_eq!(set_up(&mut world).await.unwrap().error(), Some(StepError::NotAccepted));
    world.service.answers(200, None, world.blob(6, &["FIDO_CERTIFIED_L1"], 0));
    world.node().await.work(world.at(NEXT)).await;
    assert!(matches!(set_up(&mut world).await.unwrap(), Step::Done(_)));
}
