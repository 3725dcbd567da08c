use std::sync::Arc;
use std::time::Duration;

use countersign_primitives::{SecretBytes, UnixTime};
use countersign_tokens::{
    ActiveKeys, ActiveKeysError, Expect, Header, KeyRing, KeyRingError, LocalSigner, NewKey, Ring, RotationPolicy,
    SigningAlgorithm, sign_compact, verify_compact,
};
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use crate::{fresh, unb64, vectors::*};

const ES256: SigningAlgorithm = SigningAlgorithm::Es256;
const START: UnixTime = UnixTime::from_secs(1_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn key() -> NewKey {
    NewKey::generate(&Ring, ES256).unwrap()
}

fn policy() -> RotationPolicy {
    RotationPolicy::default()
}

fn published(ring: &KeyRing, now: UnixTime) -> Vec<String> {
    ring.published(now).map(|key| key.kid().to_owned()).collect()
}

fn signing(ring: &KeyRing, now: UnixTime) -> Option<&str> {
    ring.signing(ES256, now).map(|key| key.kid())
}

#[test]
fn the_first_key_signs_at_once() {
    let first = key();
    let kid = first.kid().to_owned();
    let ring = KeyRing::first([first], START);
    assert_eq!(signing(&ring, START), Some(&*kid));
    assert_eq!(published(&ring, START), [kid]);
    assert!(ring.signing(SigningAlgorithm::EdDsa, START).is_none());
}

#[test]
fn a_key_is_published_first_signs_later_and_leaves_after_the_longest_token() {
    let mut ring = KeyRing::first([key()], START);
    let old = signing(&ring, START).unwrap().to_owned();
    let new = ring.rotate(START, &policy(), key()).unwrap();
    let hand_over = START.plus(24 * HOUR);

    assert_eq!(signing(&ring, hand_over.minus(Duration::from_millis(1))), Some(&*old));
    assert_eq!(published(&ring, START), [old.clone(), new.clone()]);
    assert_eq!(signing(&ring, hand_over), Some(&*new));
    // The last token of the old key lives an hour; a node may have been two minutes behind.
    let gone = hand_over.plus(HOUR + Duration::from_secs(120));
    assert_eq!(published(&ring, gone.minus(Duration::from_millis(1))), [old.clone(), new.clone()]);
    assert_eq!(published(&ring, gone), [new]);
    // For ID token hints the public half is known as long as a session can live, and no longer.
    let forgotten = hand_over.plus(14 * 24 * HOUR + Duration::from_secs(120));
    assert!(ring.known(forgotten.minus(Duration::from_millis(1))).any(|key| key.kid() == old));
    assert!(!ring.known(forgotten).any(|key| key.kid() == old));
}

#[test]
fn there_is_a_signing_key_at_every_moment_of_many_rotations() {
    let mut ring = KeyRing::first([key()], START);
    let mut now = START;
    for _ in 0..6 {
        while !ring.rotation_is_due(ES256, now, &policy()) {
            now = now.plus(12 * HOUR);
            assert!(signing(&ring, now).is_some());
        }
        ring.rotate(now, &policy(), key()).unwrap();
    }
    assert!(ring.keys().len() <= 3, "what is over is tidied away");
}

#[test]
fn two_nodes_that_rotate_make_one_rotation() {
    let mut ring = KeyRing::first([key()], START);
    ring.rotate(START, &policy(), key()).unwrap();
    assert_eq!(ring.rotate(START.plus(HOUR), &policy(), key()), Err(KeyRingError::Pending));
    assert_eq!(ring.keys().len(), 2);
    // While one waits none is due; 90 days after it began to sign, less the day ahead, the next one is.
    assert!(!ring.rotation_is_due(ES256, START.plus(HOUR), &policy()));
    let due = START.plus(90 * 24 * HOUR);
    assert!(!ring.rotation_is_due(ES256, due.minus(Duration::from_millis(1)), &policy()));
    assert!(ring.rotation_is_due(ES256, due, &policy()));
}

#[test]
fn a_key_never_signs_before_caches_can_know_it() {
    let hasty = RotationPolicy { publish_ahead: Duration::from_secs(419), ..policy() };
    let mut ring = KeyRing::first([key()], START);
    assert_eq!(ring.rotate(START, &hasty, key()), Err(KeyRingError::PublishAhead));
    let least = RotationPolicy { publish_ahead: RotationPolicy::MIN_PUBLISH_AHEAD, ..policy() };
    assert!(ring.rotate(START, &least, key()).is_ok());
}

#[test]
fn promise_12_a_revoked_key_neither_signs_nor_verifies() {
    let mut ring = KeyRing::first([key()], START);
    let bad = signing(&ring, START).unwrap().to_owned();
    let active = ActiveKeys::open(&ring, &Ring, START).unwrap();
    let signer = active.signer(ES256).unwrap();
    let token = sign_compact(signer, &Header::typ("at+jwt"), &json!({})).now_or_never().unwrap().unwrap();
    assert!(verify_compact(&Ring, &token, active.verifiers(), &Expect::typ("at+jwt")).is_ok());

    // The key that waits takes over at once.
    let next = ring.rotate(START, &policy(), key()).unwrap();
    assert_eq!(ring.revoke(&bad, START.plus(HOUR)), Ok(true));
    assert_eq!(signing(&ring, START.plus(HOUR)), Some(&*next));
    let active = ActiveKeys::open(&ring, &Ring, START.plus(HOUR)).unwrap();
    assert!(active.verifier(&bad).is_none());
    assert!(verify_compact(&Ring, &token, active.verifiers(), &Expect::typ("at+jwt")).is_err());
    assert_eq!(ring.revoke(&bad, START), Err(KeyRingError::UnknownKey));

    // With none waiting there is no signer until a rotation, which then brings one at once.
    assert_eq!(ring.revoke(&next, START.plus(2 * HOUR)), Ok(false));
    let third = ring.rotate(START.plus(2 * HOUR), &policy(), key()).unwrap();
    assert_eq!(signing(&ring, START.plus(2 * HOUR)), Some(&*third));
}

#[test]
fn revoking_the_key_that_waits_calls_the_rotation_off() {
    let mut ring = KeyRing::first([key()], START);
    let old = signing(&ring, START).unwrap().to_owned();
    let next = ring.rotate(START, &policy(), key()).unwrap();
    assert_eq!(ring.revoke(&next, START.plus(HOUR)), Ok(true));
    for days in [1, 2, 400] {
        assert_eq!(signing(&ring, START.plus(days * 24 * HOUR)), Some(&*old));
        assert_eq!(published(&ring, START.plus(days * 24 * HOUR)), [&*old]);
    }
}

#[test]
fn algorithms_rotate_apart() {
    let rsa = NewKey::load(&Ring, SigningAlgorithm::Rs256, SecretBytes::from(unb64(RSA_PKCS8))).unwrap();
    let mut ring = KeyRing::first([key(), rsa], START);
    ring.rotate(START, &policy(), key()).unwrap();
    let rs256 = ring.signing(SigningAlgorithm::Rs256, START).unwrap();
    assert_eq!(rs256.signs_until(), None);
    assert_eq!(ActiveKeys::open(&ring, &Ring, START).unwrap().algorithms().count(), 2);
    let again = NewKey::load(&Ring, SigningAlgorithm::Rs256, SecretBytes::from(unb64(RSA_PKCS8))).unwrap();
    assert_eq!(ring.rotate(START, &policy(), again), Err(KeyRingError::Duplicate));
}

#[test]
fn a_private_key_is_erased_once_it_signs_no_more() {
    let mut ring = KeyRing::first([key()], START);
    ring.rotate(START, &policy(), key()).unwrap();
    let stored = |ring: &KeyRing| serde_json::to_value(ring).unwrap();
    assert!(!ring.tidy(START.plus(HOUR)));
    assert!(stored(&ring)["keys"][0]["private"].is_string());
    assert!(ring.tidy(START.plus(24 * HOUR)));
    assert!(stored(&ring)["keys"][0]["private"].is_null());
    assert!(ring.tidy(START.plus(400 * 24 * HOUR)));
    assert_eq!(ring.keys().len(), 1);
}

#[test]
fn a_stored_ring_names_its_version_and_reads_back() {
    let mut ring = KeyRing::first([key()], START);
    ring.rotate(START, &policy(), key()).unwrap();
    let stored = serde_json::to_value(&ring).unwrap();
    assert_eq!(stored["v"], 1);
    assert_eq!(stored["keys"][0]["alg"], "ES256");
    assert_eq!(stored["keys"][0]["published_at"], START.as_millis());
    let read: KeyRing = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), stored);
    assert!(ActiveKeys::open(&read, &Ring, START).is_ok());

    let mut newer = stored.clone();
    newer["v"] = json!(2);
    assert!(serde_json::from_value::<KeyRing>(newer).is_err());
    let mut damaged = stored;
    damaged["keys"][0]["private"] = json!("!secret!");
    let error = serde_json::from_value::<KeyRing>(damaged).unwrap_err().to_string();
    assert!(!error.contains("secret!"), "{error}");
}

#[test]
fn damage_is_told_and_not_left_out() {
    let ring = KeyRing::first([key()], START);
    let mut stored = serde_json::to_value(&ring).unwrap();
    stored["keys"][0]["private"] =
        serde_json::to_value(KeyRing::first([key()], START)).unwrap()["keys"][0]["private"].take();
    let swapped: KeyRing = serde_json::from_value(stored.clone()).unwrap();
    assert!(matches!(ActiveKeys::open(&swapped, &Ring, START), Err(ActiveKeysError::Mismatch)));
    stored["keys"][0]["private"] = json!("AAAA");
    let broken: KeyRing = serde_json::from_value(stored).unwrap();
    assert!(matches!(ActiveKeys::open(&broken, &Ring, START), Err(ActiveKeysError::Private(_))));
}

#[test]
fn promise_4_the_published_set_and_debug_show_no_private_key() {
    let ring = KeyRing::first([key()], START);
    let active = ActiveKeys::open(&ring, &Ring, START).unwrap();
    let set: Value = serde_json::from_slice(active.jwks_json()).unwrap();
    let names: Vec<_> = set["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    let stored = serde_json::to_value(&ring).unwrap();
    let private = stored["keys"][0]["private"].as_str().unwrap();
    let shown = format!("{ring:?}{active:?}{:?}", key());
    assert!(!shown.contains(private) && !shown.contains("private"));
}

#[test]
fn the_time_of_the_next_rotation_is_told() {
    let mut ring = KeyRing::first([key()], START);
    let due = START.plus(89 * 24 * HOUR);
    assert_eq!(ring.rotation_due_at(ES256, START, &policy()), Some(due));
    ring.rotate(due, &policy(), key()).unwrap();
    assert_eq!(ring.rotation_due_at(ES256, due, &policy()), None, "one waits");
    let signs = due.plus(24 * HOUR);
    assert_eq!(ring.rotation_due_at(ES256, signs, &policy()), Some(signs.plus(89 * 24 * HOUR)));
    assert_eq!(ring.rotation_due_at(SigningAlgorithm::EdDsa, START, &policy()), Some(START), "none signs");
}

#[test]
fn a_planned_end_moves_later_with_the_lifetimes_and_never_sooner() {
    let mut ring = KeyRing::first([key()], START);
    assert!(!ring.lengthen(&policy()), "no end is planned");
    ring.rotate(START, &policy(), key()).unwrap();
    assert!(!ring.lengthen(&policy()));
    let shorter = RotationPolicy { longest_token: HOUR / 4, remember: HOUR, ..policy() };
    assert!(!ring.lengthen(&shorter));
    let longer = RotationPolicy { longest_token: 5 * HOUR, remember: 20 * 24 * HOUR, ..policy() };
    assert!(ring.lengthen(&longer) && !ring.lengthen(&longer));
    let slack = Duration::from_secs(120);
    let old = &ring.keys()[0];
    assert_eq!(old.leaves_jwks_at(), Some(START.plus(29 * HOUR + slack)));
    assert_eq!(old.forgotten_at(), Some(START.plus(21 * 24 * HOUR + slack)));
}

#[test]
fn keys_of_an_algorithm_that_is_no_longer_used_end_like_others() {
    let eddsa = NewKey::generate(&Ring, SigningAlgorithm::EdDsa).unwrap();
    let mut ring = KeyRing::first([key(), eddsa], START);
    assert!(ring.retire_others(SigningAlgorithm::EdDsa, START, &policy()));
    assert!(!ring.retire_others(SigningAlgorithm::EdDsa, START, &policy()));
    let end = START.plus(24 * HOUR);
    assert!(signing(&ring, end.minus(Duration::from_millis(1))).is_some());
    assert!(signing(&ring, end).is_none());
    assert!(ring.signing(SigningAlgorithm::EdDsa, end).is_some());
    assert_eq!(published(&ring, end.plus(HOUR + Duration::from_secs(120))).len(), 1);
}

#[test]
fn a_key_service_signs_in_place_of_the_ring_and_is_published() {
    let ring = KeyRing::first([key()], START);
    let pair = fresh(ES256);
    let service = Arc::new(LocalSigner::new(Arc::clone(&pair)));
    let active = ActiveKeys::open(&ring, &Ring, START).unwrap().with_signer(service.clone()).unwrap();
    assert_eq!(active.signer(ES256).unwrap().public_key(), pair.public_key());
    let set: Value = serde_json::from_slice(active.jwks_json()).unwrap();
    assert_eq!(set["keys"].as_array().unwrap().len(), 2);
    assert!(active.verifier(pair.public_key().kid().unwrap()).is_some());
    assert!(matches!(active.with_signer(service), Err(ActiveKeysError::Signer)), "the same name twice");
}

#[test]
fn a_holder_is_told_when_to_open_the_ring_again() {
    let mut ring = KeyRing::first([key()], START);
    assert_eq!(ActiveKeys::open(&ring, &Ring, START).unwrap().valid_until(), None);
    ring.rotate(START, &policy(), key()).unwrap();
    assert_eq!(ActiveKeys::open(&ring, &Ring, START).unwrap().valid_until(), Some(START.plus(24 * HOUR)));
}
