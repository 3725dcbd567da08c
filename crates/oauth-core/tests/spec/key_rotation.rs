//! The signing keys over time: published first, signing later, known until the last token is over (RFC 7517 §5).

use std::collections::VecDeque;

use countersign_events::EventKind;
use countersign_oauth_core::{ConfigError, KeyInfo, KeyState, Lifetimes, Preset};
use countersign_primitives::{Clock, ManualClock, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::testkit::{Call, CommitFault};
use countersign_tokens::{Expect, JwkSet, Ring, RotationPolicy, SigningAlgorithm, VerifyingKeys, verify_compact};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::kit::*;

const DAY: u64 = 86_400;
const MINUTE: Duration = Duration::from_secs(60);

/// Servers of one issuer on one store, by one clock.
fn nodes<const N: usize>() -> [Kit; N] {
    let (store, clock) = (MemoryStore::new(), ManualClock::at(START));
    std::array::from_fn(|_| node(&store, &clock, Preset::oauth21()))
}

fn node(store: &MemoryStore, clock: &ManualClock, preset: Preset) -> Kit {
    let shared = clock.clone();
    let mut kit = Kit::over(ISSUER, store.clone(), |builder| builder.preset(preset).clock(shared));
    kit.clock = clock.clone();
    kit
}

impl Kit {
    fn list(&self) -> Vec<KeyInfo> {
        block_on(self.server.keys().list()).unwrap()
    }

    fn in_state(&self, state: KeyState) -> Vec<String> {
        self.list().into_iter().filter(|key| key.state == state).map(|key| key.kid).collect()
    }

    fn work(&self) -> UnixTime {
        block_on(self.server.work(self.clock.now())).unwrap()
    }

    fn published(&self) -> KeySet {
        KeySet(serde_json::from_slice(&self.get("/.well-known/jwks.json").ok().body).unwrap())
    }

    fn access_token(&self) -> String {
        self.tokens("app", "read").text("access_token").to_owned()
    }
}

/// The published set as a resource server holds it.
struct KeySet(JwkSet);

impl KeySet {
    fn verifies(&self, token: &str) -> bool {
        verify_compact(&Ring, token, &VerifyingKeys::from_set(&self.0), &Expect::typ("at+jwt")).is_ok()
    }

    fn kids(&self) -> Vec<&str> {
        self.0.keys.iter().filter_map(|key| key.kid()).collect()
    }
}

fn kid(token: &str) -> String {
    countersign_tokens::Compact::parse(token).unwrap().header().kid.clone().unwrap()
}

#[test]
fn rotation_publishes_a_key_now_and_signs_with_it_once_caches_have_it() {
    let kit = Kit::new();
    let old = kid(&kit.access_token());
    let rotated = block_on(kit.server.keys().rotate()).unwrap();
    assert!(rotated.is_new && rotated.signs_from == START.plus(Duration::from_secs(DAY + 120)));
    assert_eq!(kit.published().kids(), [old.as_str(), rotated.kid.as_str()]);
    assert_eq!(
        (kit.in_state(KeyState::Signing), kit.in_state(KeyState::Waiting)),
        (vec![old.clone()], vec![rotated.kid.clone()])
    );
    assert_eq!(kid(&kit.access_token()), old);

    kit.advance(DAY + 120);
    let last = kit.access_token();
    assert_eq!(kid(&last), rotated.kid);
    assert_eq!(kit.in_state(KeyState::Retiring), [&*old]);
    // Two minutes for nodes that are behind, and as long as a token lives.
    kit.advance(120 + 15 * 60);
    assert_eq!(kit.published().kids(), [rotated.kid.as_str()]);
    assert_eq!(kit.in_state(KeyState::Remembered), [&*old]);
    kit.advance(14 * DAY);
    kit.work();
    assert_eq!(kit.list().into_iter().map(|key| key.kid).collect::<Vec<_>>(), [&*rotated.kid]);
    let created: Vec<_> =
        kit.events(EventKind::KeyCreated).iter().map(|event| event.key_id().unwrap().to_owned()).collect();
    assert_eq!(created, [old, rotated.kid]);
}

#[test]
fn the_key_set_is_cached_no_longer_than_rotation_reckons_with() {
    let kit = Kit::new();
    let before = kit.get("/.well-known/jwks.json").ok();
    let max_age = format!("public, max-age={}", RotationPolicy::JWKS_MAX_AGE.as_secs());
    assert_eq!(before.header("cache-control"), max_age);
    block_on(kit.server.keys().rotate()).unwrap();
    let known = before.header("etag").to_owned();
    let again = request(http::Method::GET, "/.well-known/jwks.json").header("if-none-match", &known);
    let after = kit.handle(again.body(bytes::Bytes::new()).unwrap()).ok();
    assert_ne!(after.header("etag"), known, "a set with another key is another document");
}

#[test]
fn nodes_that_begin_together_by_clocks_that_differ_all_start_and_trust_each_other() {
    for _ in 0..8 {
        let store = MemoryStore::new();
        // The key of whoever is first may sign from a moment that others have yet to see.
        let servers = race(16, |number| {
            let clock = ManualClock::at(START.plus(Duration::from_millis(u64::try_from(number).unwrap())));
            let store = store.clone();
            let mut kit = Kit::over(ISSUER, store, |builder| builder.clock(clock.clone()));
            kit.clock = clock;
            async move { kit }
        });
        servers.iter().for_each(|kit| kit.advance(10));
        let set = servers[0].published();
        for kit in &servers {
            let token = kit.access_token();
            assert!(set.verifies(&token), "{} of {:?}", kid(&token), set.kids());
            assert_eq!(kit.list(), servers[0].list());
        }
    }
}

#[test]
fn of_64_rotators_over_two_servers_one_key_comes() {
    let [one, two] = nodes();
    let outcomes = race(64, |number| {
        let kit = if number % 2 == 0 { &one } else { &two };
        async move { kit.server.keys().rotate().await.unwrap() }
    });
    assert_eq!(outcomes.iter().filter(|rotated| rotated.is_new).count(), 1);
    assert!(
        outcomes.iter().all(|rotated| (&rotated.kid, rotated.signs_from) == (&outcomes[0].kid, outcomes[0].signs_from))
    );
    assert_eq!(one.list().len(), 2);
    assert_eq!(two.list(), one.list());
}

#[test]
fn of_48_nodes_whose_rotation_is_due_one_rotates_whoever_else_does_by_hand() {
    let [one, two] = nodes();
    one.advance(89 * DAY);
    race(48, |number| {
        let kit = if number % 2 == 0 { &one } else { &two };
        async move {
            if number % 3 == 0 {
                kit.server.keys().rotate().await.unwrap();
            } else {
                kit.server.work(kit.clock.now()).await.unwrap();
            }
        }
    });
    assert_eq!((one.in_state(KeyState::Signing).len(), one.in_state(KeyState::Waiting).len()), (1, 1));
    assert_eq!(one.list().len(), 2);
    assert_eq!(one.events(EventKind::KeyCreated).len() + two.events(EventKind::KeyCreated).len(), 2);
}

#[test]
fn rotation_during_traffic_leaves_every_token_verifiable() {
    let (store, clock) = (MemoryStore::new(), ManualClock::at(START));
    let mut preset = Preset::oauth21();
    (preset.key_rotation.every, preset.key_rotation.publish_ahead) = (MINUTE * 7, MINUTE * 7);
    let (one, two) = (node(&store, &clock, preset.clone()), node(&store, &clock, preset));
    let verified = race(16, |number| {
        let kit = if number % 2 == 0 { &one } else { &two };
        async move {
            let mut verified = 0;
            for _ in 0..24 {
                if number < 2 {
                    kit.server.keys().rotate().await.unwrap();
                    kit.work();
                    kit.clock.advance(MINUTE);
                    continue;
                }
                let signed_at = kit.clock.now();
                let token = kit.server.sign("at+jwt", &serde_json::json!({})).await.unwrap();
                let (set, lives) = (kit.published(), kit.clock.now().since(signed_at) < MINUTE * 15);
                assert!(!lives || set.verifies(&token), "signed with {}", kid(&token));
                verified += usize::from(lives);
            }
            verified
        }
    });
    assert!(verified.iter().sum::<usize>() > 100, "{verified:?}");
    assert!(one.events(EventKind::KeyCreated).len() + two.events(EventKind::KeyCreated).len() > 3, "keys did change");
}

#[test]
fn promise_12_a_revoked_key_is_out_of_use_on_every_node_within_5_s() {
    let [one, two] = nodes();
    let (token, refresh) = {
        let tokens = two.tokens("app", "openid offline_access");
        (tokens.text("access_token").to_owned(), tokens.text("refresh_token").to_owned())
    };
    let bad = kid(&token);
    assert!(two.access(&token).is_ok());
    let next = block_on(one.server.keys().revoke(&bad)).unwrap();

    // Here at once, with a new key, since none waited.
    assert_ne!(next, bad);
    assert_eq!(one.access(&token).unwrap_err().error(), "invalid_token");
    let fresh = one.tokens("app", "openid").text("access_token").to_owned();
    assert_eq!((kid(&fresh), one.published().kids()), (next.clone(), vec![next.as_str()]));
    assert_eq!(one.events(EventKind::KeyRevoked)[0].key_id(), Some(bad.as_str()));
    one.advance(5);
    assert_eq!(two.access(&token).unwrap_err().error(), "invalid_token");
    assert_eq!(two.published().kids(), [next.as_str()]);
    // Only what it signed is void.
    assert_eq!(kid(two.refresh("app", &refresh).ok().text("access_token")), next);
}

#[test]
fn a_key_that_a_node_has_not_heard_of_makes_it_look_at_once() {
    let [one, two] = nodes();
    let bad = kid(&two.access_token());
    block_on(one.server.keys().revoke(&bad)).unwrap();
    let fresh = one.tokens("app", "openid").text("access_token").to_owned();
    assert!(two.access(&fresh).is_ok(), "by a clock that stands still");
}

#[test]
fn a_ring_is_looked_at_now_and_then_and_not_at_every_request() {
    let kit = Kit::new();
    let gets = |kit: &Kit| {
        kit.script.restart();
        assert_eq!(kit.get("/.well-known/jwks.json").status, 200);
        kit.script.calls(Call::Get)
    };
    assert_eq!((gets(&kit), gets(&kit)), (0, 0));
    kit.advance(4);
    assert_eq!((gets(&kit), gets(&kit)), (1, 0));
}

#[test]
fn promise_12_the_waiting_key_takes_over_from_a_revoked_one() {
    let [one, two] = nodes();
    let bad = kid(&two.access_token());
    let waiting = block_on(two.server.keys().rotate()).unwrap().kid;
    assert_eq!(block_on(one.server.keys().revoke(&bad)).unwrap(), waiting);
    assert_eq!(kid(&one.access_token()), waiting);
    assert_eq!(one.list().len(), 1, "no other was made");
    let refusal = block_on(one.server.keys().revoke(&bad)).unwrap_err();
    assert_eq!((refusal.cause_id(), refusal.status().as_u16()), ("keys.unknown", 404));
}

#[test]
fn promise_12_of_32_revocations_at_once_each_names_the_key_that_signs() {
    let [one, two] = nodes();
    let bad = kid(&one.access_token());
    let outcomes = race(32, |number| {
        let (kit, bad) = (if number % 2 == 0 { &one } else { &two }, &bad);
        async move { kit.server.keys().revoke(bad).await }
    });
    let signing = one.in_state(KeyState::Signing);
    assert_eq!((signing.len(), one.list().len()), (1, 1));
    for outcome in outcomes {
        match outcome {
            Ok(kid) => assert_eq!(kid, signing[0]),
            Err(refusal) => assert_eq!(refusal.cause_id(), "keys.unknown", "it came when all was over"),
        }
    }
    assert_eq!(one.events(EventKind::KeyRevoked).len() + two.events(EventKind::KeyRevoked).len(), 1);
}

#[test]
fn a_crash_at_any_change_of_the_ring_leaves_a_good_one() {
    type Step = fn(&Kit) -> bool;
    let steps: [(&str, Step); 3] = [
        ("rotate", |kit| block_on(kit.server.keys().rotate()).is_ok()),
        ("revoke", |kit| block_on(kit.server.keys().revoke(&kit.in_state(KeyState::Signing)[0])).is_ok()),
        ("work", |kit| block_on(kit.server.work(kit.clock.now())).is_ok()),
    ];
    for (name, step) in steps {
        for fault in CommitFault::ALL {
            let (store, clock) = (MemoryStore::new(), ManualClock::at(START));
            let kit = node(&store, &clock, Preset::oauth21());
            kit.advance(89 * DAY);
            kit.script.restart();
            kit.script.crash_at_commit(1, fault);
            assert!(!step(&kit), "{name} {fault:?}");
            // Another process finds a ring that signs, whose tokens verify, and finishes what is due.
            let next = node(&store, &clock, Preset::oauth21());
            assert!(next.published().verifies(&next.access_token()), "{name} {fault:?}");
            next.work();
            assert_eq!(
                (next.in_state(KeyState::Signing).len(), next.in_state(KeyState::Waiting).len()),
                match name {
                    "revoke" if fault == CommitFault::LostAnswer => (1, 0), // its successor is new
                    _ => (1, 1),
                }
            );
        }
    }
}

#[test]
fn promise_3_a_change_whose_answer_was_lost_is_repeated() {
    for fault in [CommitFault::LostAnswer, CommitFault::LostRequest] {
        let kit = Kit::new();
        let bad = kit.in_state(KeyState::Signing).remove(0);
        kit.script.fail_commit(1, fault);
        assert!(block_on(kit.server.keys().rotate()).unwrap().is_new);
        kit.script.restart();
        kit.script.fail_commit(1, fault);
        block_on(kit.server.keys().revoke(&bad)).unwrap();
        assert_eq!(kit.list().len(), 1);
    }
}

#[test]
fn promise_14_a_node_that_cannot_look_at_the_ring_neither_signs_nor_verifies_by_what_it_knew() {
    let kit = Kit::new();
    let token = kit.tokens("app", "openid").text("access_token").to_owned();
    kit.advance(5);
    kit.script.down();
    assert_eq!(kit.access(&token).unwrap_err().status(), 503);
    assert_eq!(block_on(kit.server.sign("JWT", &1)).unwrap_err().status(), 503);
    assert!(block_on(kit.server.keys().rotate()).is_err() && block_on(kit.server.keys().list()).is_err());
    // What any cache may hold, it hands out as long as a cache may hold it.
    kit.advance(294);
    assert_eq!(kit.get("/.well-known/jwks.json").status, 200);
    kit.advance(1);
    kit.get("/.well-known/jwks.json").is_error(503, "temporarily_unavailable");
    kit.script.up();
    assert!(kit.access(&token).is_ok());
    assert!(kit.published().verifies(&token));
}

#[test]
fn work_says_when_a_key_is_due_and_does_nothing_before() {
    let kit = Kit::new();
    assert_eq!(kit.work(), START.plus(MINUTE));
    assert_eq!(kit.list().len(), 1);
    // The next key is published so early that it signs when the first has signed for 90 days; that one began a minute ago, for
    // nodes whose clock is behind.
    let next = START.minus(MINUTE).plus(Duration::from_secs(90 * DAY));
    let due = next.minus(Duration::from_secs(DAY + 120));
    kit.clock.advance(due.minus(Duration::from_secs(20)).since(START));
    assert_eq!(kit.work(), due);
    kit.script.restart();
    kit.work();
    assert_eq!((kit.list().len(), kit.script.commits()), (1, 0), "idle work writes nothing");
    kit.advance(20);
    assert_eq!(kit.work(), due.plus(MINUTE));
    assert_eq!(kit.list()[1].signs_from, next);
    kit.work();
    assert_eq!(kit.list().len(), 2);
}

#[test]
fn promise_12_a_private_key_that_signs_no_more_is_erased_by_work() {
    let kit = Kit::new();
    block_on(kit.server.keys().rotate()).unwrap();
    kit.advance(DAY + 120);
    kit.script.restart();
    kit.work();
    assert_eq!(kit.script.commits(), 1, "the ring without the old private half");
    kit.script.restart();
    kit.work();
    assert_eq!(kit.script.commits(), 0);
}

#[test]
fn promise_4_an_operator_is_shown_no_private_key() {
    let kit = Kit::new();
    let shown = serde_json::to_value(kit.list()).unwrap();
    let names: Vec<_> = shown[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["algorithm", "forgotten_at", "kid", "leaves_jwks_at", "published_at", "signs_from", "signs_until", "state"]
    );
    assert_eq!(format!("{:?}", kit.server.keys()), "Keys(..)");
}

#[test]
fn rotation_that_outruns_caches_is_refused_at_start() {
    let build = |every: u64, ahead: u64| {
        let mut preset = Preset::oauth21();
        preset.key_rotation.every = Duration::from_secs(every);
        preset.key_rotation.publish_ahead = Duration::from_secs(ahead);
        block_on(builder(ISSUER, MemoryStore::new()).preset(preset).build())
    };
    assert!(matches!(build(90 * DAY, 419), Err(ConfigError::Unreachable { .. })));
    assert!(matches!(build(420, 421), Err(ConfigError::Unreachable { .. })));
    assert!(build(420, 420).is_ok());
}

#[test]
fn another_algorithm_signs_from_the_start_and_the_old_key_retires() {
    let (store, clock) = (MemoryStore::new(), ManualClock::at(START));
    let before = node(&store, &clock, Preset::oauth21());
    let old = before.access_token();
    let after = node(&store, &clock, Preset { signing_algorithm: SigningAlgorithm::EdDsa, ..Preset::oauth21() });
    assert_ne!(kid(&after.access_token()), kid(&old));
    assert!(after.published().verifies(&old) && after.published().verifies(&after.access_token()));
    after.work();
    assert_eq!(after.in_state(KeyState::Signing).len(), 2, "a node that was not started anew signs on for a day");
    after.advance(2 * DAY);
    assert_eq!(after.in_state(KeyState::Remembered), [kid(&old)]);
}

#[test]
fn tokens_that_live_longer_since_a_restart_keep_a_retiring_key_published() {
    let (store, clock) = (MemoryStore::new(), ManualClock::at(START));
    let short = node(&store, &clock, Preset::oauth21());
    block_on(short.server.keys().rotate()).unwrap();
    let lifetimes = Lifetimes { access_token: Duration::from_secs(6 * 3_600), ..Lifetimes::default() };
    let long = node(&store, &clock, Preset { lifetimes, ..Preset::oauth21() });
    long.advance(DAY + 119);
    long.work();
    let last = long.access_token();
    long.advance(6 * 3_600);
    assert!(long.published().verifies(&last));
}

/// A cache of the published set that ignores what it is told and keeps it for so long.
struct Cache {
    keeps: Duration,
    held: Option<(UnixTime, KeySet)>,
}

impl Cache {
    fn at(&mut self, kit: &Kit) -> &KeySet {
        let now = kit.clock.now();
        if self.held.as_ref().is_none_or(|(since, _)| now.since(*since) >= self.keeps) {
            self.held = Some((now, kit.published()));
        }
        &self.held.as_ref().unwrap().1
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Weeks go by on two nodes, one of which is restarted now and then. Every token verifies from its first moment to its last by
    /// every set that a client may hold: fetched just now, 5 minutes ago or a day ago, from either node.
    #[test]
    fn rfc7517_5_every_token_verifies_by_every_set_that_a_client_may_hold(
        steps in vec((0..2_usize, 0..8_u8, prop_oneof![0..10_u64, 100..2_000_u64, 3_000..90_000_u64]), 20..60),
        starts in vec(0..DAY, 4),
    ) {
        let (store, clock) = (MemoryStore::new(), ManualClock::at(START));
        let mut preset = Preset::oauth21();
        preset.key_rotation.every = Duration::from_secs(3 * DAY);
        let mut nodes = [node(&store, &clock, preset.clone()), node(&store, &clock, preset.clone())];
        let cache = |keeps| Cache { keeps: Duration::from_secs(keeps), held: None };
        let mut caches = [(0, cache(300)), (1, cache(300)), (0, cache(DAY)), (1, cache(DAY))];
        let mut live: VecDeque<(UnixTime, String)> = VecDeque::new();
        let mut signers = std::collections::BTreeSet::new();
        // The caches begin at moments of their own.
        for ((at, cache), start) in caches.iter_mut().zip(starts) {
            clock.advance(Duration::from_secs(start / 4));
            cache.at(&nodes[*at]);
        }
        for (at, action, pause) in steps {
            match action {
                0 => drop(block_on(nodes[at].server.keys().rotate()).unwrap()),
                1 => nodes[at] = node(&store, &clock, preset.clone()),
                _ => drop(nodes[at].work()),
            }
            let token = nodes[at].access_token();
            signers.insert(kid(&token));
            live.push_back((clock.now().plus(preset.lifetimes.access_token), token));
            // Many looks on the way, also at the last moment of the oldest token.
            let last = live.front().map(|(end, _)| end.minus(Duration::from_millis(1)).since(clock.now()));
            let last = last.filter(|last| last.as_secs() < pause).unwrap_or_default();
            for part in [Duration::ZERO, last, Duration::from_secs(pause) - last] {
                clock.advance(part);
                live.retain(|(end, _)| clock.now() < *end);
                for (from, cache) in &mut caches {
                    let set = cache.at(&nodes[*from]);
                    for (_, token) in &live {
                        prop_assert!(set.verifies(token), "signed by {} and held {:?}", kid(token), set.kids());
                    }
                }
                for node in &nodes {
                    prop_assert_eq!(node.in_state(KeyState::Signing).len(), 1);
                }
            }
        }
        prop_assert!(nodes[0].list().len() <= 10, "the ring stays short");
    }
}
