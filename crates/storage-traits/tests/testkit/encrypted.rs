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
    let new = sealed(&store, ISSUER, &master(2)).replaces(&master(1));
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
    let root = |issuer, number, now| block_on(sealed(&store, issuer, &master(number)).root_key(now));
    let first = root(ISSUER, 1, NOW).unwrap().derive(ISSUER, "x");
    assert!(first.matches(root(ISSUER, 1, LATER).unwrap().derive(ISSUER, "x").expose()), "it stays the same");
    assert!(matches!(root(ISSUER, 2, NOW), Err(StoreError::WrongKey { .. })));
    let others = root("https://other.example.com", 2, NOW).unwrap();
    assert!(!first.matches(others.derive(ISSUER, "x").expose()), "each realm has its own");
}

#[test]
fn many_processes_that_start_together_have_one_root_key() {
    let store = Arc::new(Planted::new(Fault::None));
    let roots = std::thread::scope(|scope| {
        let start = || block_on(sealed(&store, ISSUER, &master(1)).root_key(NOW)).unwrap().derive(ISSUER, "x");
        let starting: Vec<_> = (0..16).map(|_| scope.spawn(start)).collect();
        starting.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(roots.iter().all(|root| root.matches(roots[0].expose())));
}

#[test]
fn the_root_key_outlives_a_change_of_the_master_key() {
    let store = Arc::new(Planted::new(Fault::None));
    let root = block_on(sealed(&store, ISSUER, &master(1)).root_key(NOW)).unwrap().derive(ISSUER, "x");
    let changing = sealed(&store, ISSUER, &master(2)).replaces(&master(1));
    assert!(root.matches(block_on(changing.root_key(NOW)).unwrap().derive(ISSUER, "x").expose()));
    // From now on the new key is enough, and the old one opens it no more.
    assert!(
        root.matches(block_on(sealed(&store, ISSUER, &master(2)).root_key(NOW)).unwrap().derive(ISSUER, "x").expose())
    );
    let old = block_on(sealed(&store, ISSUER, &master(1)).root_key(NOW));
    assert!(matches!(old, Err(StoreError::WrongKey { .. })), "{old:?}");
}

/// Puts a record that expires at `expiry` under the first master key, and reads it once while the key changes.
fn read_during_a_change(expiry: UnixTime) -> (Arc<Planted>, Record) {
    let store = Arc::new(Planted::new(Fault::None));
    let mut batch = Batch::with_id(key(1).partition, NOW, Version::new(5));
    let index = Index { name: 1, value: Id::from_bytes([9; 16]) };
    batch.put(key(1), Expect::Absent, expiry, vec![index], SECRET);
    block_on(sealed(&store, ISSUER, &master(1)).commit(&batch)).unwrap();
    let changing = sealed(&store, ISSUER, &master(2)).replaces(&master(1));
    let read = get(&changing, key(1)).unwrap();
    assert_eq!(block_on(changing.list(&index, None, 10, NOW)).unwrap().keys, [key(1)], "it keeps its lists");
    (store, read)
}

#[test]
fn what_never_expires_is_sealed_anew_as_it_is_read() {
    let (store, read) = read_during_a_change(UnixTime::MAX);
    let with_the_new_key_alone = get(&sealed(&store, ISSUER, &master(2)), key(1)).unwrap();
    assert_eq!(with_the_new_key_alone, read, "the reader has the version that it may expect");
    assert_eq!((&read.payload[..], read.expires_at), (SECRET, UnixTime::MAX));
}

#[test]
fn promise_1_what_may_be_about_to_be_spent_keeps_its_version() {
    let (store, read) = read_during_a_change(LATER);
    assert_eq!(read.version, Version::new(5));
    assert!(matches!(get(&sealed(&store, ISSUER, &master(2)), key(1)), Err(StoreError::WrongKey { .. })));
}

#[test]
fn sealing_anew_never_undoes_a_write_that_came_meanwhile() {
    let store = Arc::new(Planted::new(Fault::None));
    put_for_ever(&sealed(&store, ISSUER, &master(1)), 5, b"first");
    let changing = sealed(&store, ISSUER, &master(2)).replaces(&master(1));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| get(&changing, key(1)).unwrap());
        }
        scope.spawn(|| put_for_ever(&changing, 6, b"second"));
    });
    assert_eq!(&get(&changing, key(1)).unwrap().payload[..], b"second");
}

fn put_for_ever(store: &dyn Store, version: u64, payload: &'static [u8]) {
    let mut batch = Batch::with_id(key(1).partition, NOW, Version::new(version));
    batch.put(key(1), Expect::Any, UnixTime::MAX, Vec::new(), payload);
    block_on(store.commit(&batch)).unwrap();
}

#[test]
fn a_node_that_only_opens_the_next_key_turns_nothing_back() {
    let (store, _) = read_during_a_change(UnixTime::MAX);
    let prepared = sealed(&store, ISSUER, &master(1)).also_opens(&master(2));
    assert_eq!(get(&prepared, key(1)).unwrap().payload, SECRET);
    assert_eq!(get(&sealed(&store, ISSUER, &master(2)), key(1)).unwrap().payload, SECRET);
}
