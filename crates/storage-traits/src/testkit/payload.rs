//! What may be written, and what is refused.

use bytes::Bytes;
use countersign_primitives::{SystemRandom, UnixTime};

use crate::{Batch, Expect, Index, Store};

use super::scene::{HOUR, Scene, assert_misshapen, fresh_id};

/// Payloads of no bytes, of every byte, and of the greatest length come back as they went.
pub async fn payloads_come_back_byte_for_byte(store: &dyn Store) {
    let scene = Scene::new(store);
    let every: Vec<u8> = (0..=255).collect();
    let longest: Vec<u8> = every.iter().copied().cycle().take(Batch::MAX_PAYLOAD).collect();
    let payloads = [Vec::new(), vec![0], vec![0; 33], every, longest];
    for (number, payload) in payloads.into_iter().enumerate() {
        let mut batch = scene.batch();
        batch.put(scene.key(number), Expect::Absent, scene.later(), Vec::new(), payload.clone());
        scene.done(&batch).await;
        let record = scene.read(number).await.expect("the record is there");
        assert!(record.payload == payload, "payload {number} of {} bytes", payload.len());
        assert_eq!((record.version, record.expires_at), (batch.id(), scene.later()));
    }
}

/// The largest batch goes through: as many operations as allowed, each record in as many lists as allowed.
pub async fn a_full_batch_goes_through(store: &dyn Store) {
    let scene = Scene::new(store);
    let lists: Vec<Index> = (0..Batch::MAX_INDEXES).map(|name| scene.index(u8::try_from(name).unwrap())).collect();
    let mut batch = scene.batch();
    for number in 0..Batch::MAX_OPS {
        batch.put(scene.key(number), Expect::Absent, scene.later(), lists.clone(), "full");
    }
    scene.done(&batch).await;
    for index in &lists {
        assert_eq!(scene.list(index, 5, scene.now).await.len(), Batch::MAX_OPS);
    }
}

/// A record may expire never, or have expired before it was written.
pub async fn expiries_at_the_ends_of_time_are_kept(store: &dyn Store) {
    let scene = Scene::new(store);
    let mut batch = scene.batch();
    batch.put(scene.key(0), Expect::Absent, UnixTime::MAX, vec![scene.index(1)], "for ever");
    batch.put(scene.key(1), Expect::Absent, UnixTime::default(), Vec::new(), "never");
    scene.done(&batch).await;
    let age = scene.now.plus(1_000_000 * HOUR);
    assert!(scene.read_at(0, age).await.is_some(), "it lives in a hundred years");
    assert_eq!(scene.list(&scene.index(1), 10, age).await, [scene.key(0)]);
    assert_eq!(scene.read(1).await, None, "it never lived");
    store.sweep(scene.later(), 1_000).await.expect("the store can be swept");
    assert!(scene.read(0).await.is_some(), "no sweep takes it");
}

/// A batch of a wrong shape is refused as such, and nothing of it is written.
pub async fn wrong_shapes_are_refused(store: &dyn Store) {
    let scene = Scene::new(store);
    scene.seed(1).await;
    let first = || scene.putting(0, Expect::Absent, "must not be written");
    let mut many = first();
    (0..Batch::MAX_OPS).for_each(|number| {
        many.check(scene.key(100 + number), Expect::Any);
    });
    let mut twice = first();
    twice.check(scene.key(0), Expect::Any);
    let mut foreign = first();
    foreign.check(Scene::new(store).key(0), Expect::Any);
    let mut lists = first();
    let indexes = (0..=Batch::MAX_INDEXES).map(|_| Index { name: 1, value: fresh_id() }).collect();
    lists.put(scene.key(2), Expect::Any, scene.later(), indexes, "");
    let mut long = first();
    long.put(scene.key(2), Expect::Any, scene.later(), Vec::new(), Bytes::from(vec![0; Batch::MAX_PAYLOAD + 1]));
    let mut unrepeatable = scene.batch();
    unrepeatable.delete(scene.key(1), Expect::Present);
    let empty = Batch::new(scene.partition, scene.now, &SystemRandom).unwrap();
    let shapes = [
        (empty, "an empty batch"),
        (many, "too many operations"),
        (twice, "a key twice"),
        (foreign, "a key of another partition"),
        (lists, "too many lists"),
        (long, "too long a payload"),
        (unrepeatable, "a conditional deletion that puts nothing"),
    ];
    for (batch, why) in shapes {
        assert_misshapen(&scene.commit(&batch).await, why);
        assert_eq!(scene.read(0).await, None, "{why}: nothing is written");
        assert!(scene.read(1).await.is_some(), "{why}: nothing is deleted");
    }
}
