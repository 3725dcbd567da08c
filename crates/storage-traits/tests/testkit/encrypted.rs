//! What sealing stops.

use std::sync::Arc;
use std::time::Duration;

use countersign_primitives::{Id, SystemRandom, UnixTime};
use countersign_storage_traits::testkit::{Fault, Planted, block_on};
use countersign_storage_traits::{
    Batch, Charge, CommitError, CounterKey, Encrypted, Expect, Index, Key, Kind, MasterKey, Record, Store, StoreError,
    Version,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LATER: UnixTime = UnixTime::from_secs(1_800_003_600);
const ISSUER: &str = "https://id.example.com";
const SECRET: &[u8] = b"JBSWY3DPEHPK3PXP";

fn key(number: u8) -> Key {
    Key::new(Id::from_bytes([1; 16]), Kind(200), Id::from_bytes([number; 16]))
}

/// Where a key's row lies in the store below: at a place of the issuer's own.
fn place(key: Key, issuer: &str) -> Key {
    let realm = ring::digest::digest(&ring::digest::SHA256, issuer.as_bytes());
    let mut moved = *key.partition.as_bytes();
    moved.iter_mut().zip(realm.as_ref()).for_each(|(byte, realm)| *byte ^= realm);
    Key { partition: Id::from_bytes(moved), ..key }
}

fn master(number: u8) -> MasterKey {
    MasterKey::from_bytes([number; 32])
}

fn sealed(store: &Arc<Planted>, issuer: &str, master: &MasterKey) -> Encrypted<Arc<Planted>> {
    Encrypted::new(Arc::clone(store), master, issuer, Arc::new(SystemRandom))
}

fn put(store: &dyn Store, key: Key, version: u64, payload: Vec<u8>) {
    let mut batch = Batch::with_id(key.partition, NOW, Version::new(version));
    batch.put(key, Expect::Any, LATER, Vec::new(), payload);
    block_on(store.commit(&batch)).unwrap();
}

fn get(store: &dyn Store, key: Key) -> Result<Record, StoreError> {
    Ok(block_on(store.get(&[key], NOW))?.remove(0).expect("the record is there"))
}

fn corrupt(outcome: &Result<Record, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Corrupt { .. }))
}

/// A store with one sealed record of version 5 under `key(1)`.
fn one_record() -> (Arc<Planted>, Encrypted<Arc<Planted>>) {
    let store = Arc::new(Planted::new(Fault::None));
    let above = sealed(&store, ISSUER, &master(1));
    put(&above, key(1), 5, SECRET.to_vec());
    (store, above)
}

#[test]
fn promise_4_no_secret_reaches_a_database_row() {
    let (store, above) = one_record();
    let row = get(&store, place(key(1), ISSUER)).unwrap().payload;
    assert!(!row.windows(4).any(|window| SECRET.windows(4).any(|part| part == window)), "{row:?}");
    assert_eq!(get(&above, key(1)).unwrap().payload, SECRET);
    assert!(!format!("{above:?}").contains("LessSafeKey"));
}

#[test]
fn promise_11_a_payload_opens_only_under_its_own_key() {
    let (store, above) = one_record();
    let row = get(&store, place(key(1), ISSUER)).unwrap().payload.to_vec();
    put(&store, place(key(2), ISSUER), 5, row);
    assert!(corrupt(&get(&above, key(2))), "a row copied to another key");
}

#[test]
fn promise_11_a_payload_opens_only_under_its_own_version() {
    let (store, above) = one_record();
    let row = get(&store, place(key(1), ISSUER)).unwrap().payload.to_vec();
    put(&store, place(key(1), ISSUER), 6, row);
    assert!(corrupt(&get(&above, key(1))), "an old payload under a new version");
}

#[test]
fn promise_16_a_payload_opens_only_for_its_own_issuer() {
    const OTHER: &str = "https://other.example.com";
    let (store, above) = one_record();
    let other = sealed(&store, OTHER, &master(1));
    // What one issuer names is absent for the other; a row that somebody moved over there does not open.
    assert_eq!(block_on(other.get(&[key(1)], NOW)).unwrap(), [None]);
    let moved = get(&store, place(key(1), ISSUER)).unwrap().payload.to_vec();
    put(&store, place(key(1), OTHER), 5, moved);
    assert!(corrupt(&get(&other, key(1))));
    assert_eq!(get(&above, key(1)).unwrap().payload, SECRET);
}

#[test]
fn promise_16_two_issuers_share_no_list_and_no_counter() {
    let store = Arc::new(Planted::new(Fault::None));
    let (one, other) = (sealed(&store, ISSUER, &master(1)), sealed(&store, "https://other.example.com", &master(1)));
    let index = Index { name: 1, value: Id::from_bytes([9; 16]) };
    let mut batch = Batch::with_id(key(1).partition, NOW, Version::new(5));
    batch.put(key(1), Expect::Absent, LATER, vec![index], "x");
    block_on(one.commit(&batch)).unwrap();
    assert_eq!(block_on(one.list(&index, None, 10, NOW)).unwrap().keys, [key(1)]);
    assert!(block_on(other.list(&index, None, 10, NOW)).unwrap().keys.is_empty());
    let counter = CounterKey(Id::from_bytes([8; 16]));
    let charge = Charge { counter, add: 1, limit: 1, window: Duration::from_secs(60) };
    for store in [&one, &other] {
        assert!(block_on(store.charge(&[charge], NOW)).unwrap()[0].admitted);
    }
    assert!(!block_on(one.charge(&[charge], NOW)).unwrap()[0].admitted);
}

#[test]
fn a_conflict_names_the_key_as_the_caller_knows_it() {
    let (_, above) = one_record();
    let mut batch = Batch::with_id(key(1).partition, NOW, Version::new(6));
    batch.put(key(1), Expect::Absent, LATER, Vec::new(), "x");
    assert!(matches!(block_on(above.commit(&batch)), Err(CommitError::Conflict(named)) if named == key(1)));
}

#[test]
fn every_changed_byte_is_noticed() {
    let (store, above) = one_record();
    let row = get(&store, place(key(1), ISSUER)).unwrap().payload;
    for at in 0..row.len() {
        let mut changed = row.to_vec();
        changed[at] ^= 1;
        put(&store, place(key(1), ISSUER), 5, Vec::new());
        let at_home = place(key(1), ISSUER);
        block_on(store.commit(Batch::with_id(at_home.partition, NOW, Version::new(9)).delete(at_home, Expect::Any)))
            .unwrap();
        put(&store, place(key(1), ISSUER), 5, changed);
        assert!(get(&above, key(1)).is_err(), "byte {at}");
    }
}

#[test]
fn what_was_never_sealed_is_not_taken() {
    let store = Arc::new(Planted::new(Fault::None));
    let above = sealed(&store, ISSUER, &master(1));
    for (version, payload) in [&b""[..], b"\x01{}", b"\x02short", &[2; 32]].into_iter().enumerate() {
        put(&store, place(key(1), ISSUER), version as u64 + 10, payload.to_vec());
        assert!(corrupt(&get(&above, key(1))), "{payload:?}");
    }
}

#[test]
fn another_master_key_is_told_from_damage() {
    let (store, _) = one_record();
    let other = sealed(&store, ISSUER, &master(2));
    let error = get(&other, key(1)).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { key: named } if named == key(1)), "{error}");
    assert!(error.to_string().contains("sealed under another master key"));
}

#[test]
fn a_new_master_key_opens_what_the_old_one_sealed() {
    let (store, old) = one_record();
    let new = sealed(&store, ISSUER, &master(2)).also_opens(&master(1));
    assert_eq!(get(&new, key(1)).unwrap().payload, SECRET);
    put(&new, key(1), 6, SECRET.to_vec());
    assert_eq!(get(&new, key(1)).unwrap().payload, SECRET);
    assert!(matches!(get(&old, key(1)), Err(StoreError::WrongKey { .. })), "what is written again has the new key");
}

#[test]
fn equal_payloads_are_sealed_differently() {
    let (store, above) = one_record();
    put(&above, key(2), 5, SECRET.to_vec());
    let rows = [key(1), key(2)].map(|key| get(&store, place(key, ISSUER)).unwrap().payload);
    assert_ne!(rows[0][5..], rows[1][5..]);
}

#[test]
fn a_lost_master_key_is_an_error_at_start() {
    let store = Arc::new(Planted::new(Fault::None));
    block_on(sealed(&store, ISSUER, &master(1)).prove_key(NOW)).unwrap();
    block_on(sealed(&store, ISSUER, &master(1)).prove_key(LATER)).unwrap();
    let lost = block_on(sealed(&store, ISSUER, &master(2)).prove_key(NOW));
    assert!(matches!(lost, Err(StoreError::WrongKey { .. })), "{lost:?}");
    block_on(sealed(&store, "https://other.example.com", &master(2)).prove_key(NOW)).unwrap();
    block_on(sealed(&store, ISSUER, &master(2)).also_opens(&master(1)).prove_key(NOW)).unwrap();
}
