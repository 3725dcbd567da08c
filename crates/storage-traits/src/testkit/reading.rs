//! What `get` shows.

use countersign_primitives::Id;

use crate::{Expect, Key, Kind, Store};

use super::runner::race;
use super::scene::{KIND, Scene, fresh_id};

/// Answers stand in the order of the keys, one for each: missing ones, the same one twice, keys of several partitions.
pub async fn get_answers_in_order(store: &dyn Store) {
    let (here, there) = (Scene::new(store), Scene::new(store));
    let (a, b, c) = (here.seed(3).await, here.seed(1).await, there.seed(2).await);
    let keys = [here.key(3), here.key(9), there.key(2), here.key(1), here.key(3), there.key(3), here.key(1)];
    let versions: Vec<_> =
        here.read_all(&keys, here.now).await.into_iter().map(|record| record.map(|record| record.version)).collect();
    assert_eq!(versions, [Some(a), None, Some(c), Some(b), Some(a), None, Some(b)]);
    assert!(here.read_all(&[], here.now).await.is_empty(), "no keys, no answers");
    let many: Vec<_> = (0..40).map(|number| here.key(number % 8)).collect();
    let found = here.read_all(&many, here.now).await.iter().filter(|record| record.is_some()).count();
    assert_eq!(found, 10, "forty keys at once");
}

/// Records of one partition are read as of one moment: token and grant never tell of different times.
pub async fn get_sees_a_partition_at_one_moment(store: &dyn Store) {
    let scene = Scene::new(store);
    let write = async || {
        let mut batch = scene.batch();
        for number in 0..4 {
            batch.put(scene.key(number), Expect::Any, scene.later(), Vec::new(), "together");
        }
        scene.done(&batch).await;
    };
    write().await;
    let keys: Vec<_> = (0..4).map(|number| scene.key(number)).collect();
    race(6, |racer| {
        let (keys, scene, write) = (&keys, &scene, &write);
        async move {
            for _ in 0..60 {
                if racer < 2 {
                    write().await;
                    continue;
                }
                let records = scene.read_all(keys, scene.now).await;
                let versions: Vec<_> = records.iter().flatten().map(|record| record.version).collect();
                assert!(versions.len() == 4 && versions.iter().all(|version| *version == versions[0]), "{versions:?}");
            }
        }
    });
}

/// What a commit answered Ok is what every reader sees from then on, until somebody writes again.
pub async fn an_answered_commit_is_seen_at_once(store: &dyn Store) {
    let scene = Scene::new(store);
    race(8, |racer| {
        let scene = &scene;
        async move {
            for round in 0..20 {
                let version = scene.done(&scene.putting(racer, Expect::Any, "fresh")).await;
                assert_eq!(scene.version(racer).await, Some(version), "round {round}");
            }
        }
    });
    for racer in 0..8 {
        let versions = race(4, |_| scene.version(racer));
        assert!(versions.iter().all(|version| *version == versions[0]), "every reader sees the same");
    }
}

/// Partition, kind and id tell keys apart, each to the last bit.
pub async fn keys_are_told_apart(store: &dyn Store) {
    let scene = Scene::new(store);
    let flipped = |id: Id, bit: u8| {
        let mut bytes = *id.as_bytes();
        bytes[if bit == 0 { 0 } else { 15 }] ^= if bit == 0 { 0x80 } else { 1 };
        Id::from_bytes(bytes)
    };
    let (partition, id) = (scene.partition, fresh_id());
    let keys = [
        Key::new(partition, KIND, id),
        Key::new(partition, Kind(KIND.0 ^ 1), id),
        Key::new(partition, Kind(0), id),
        Key::new(partition, Kind(255), id),
        Key::new(partition, KIND, flipped(id, 0)),
        Key::new(partition, KIND, flipped(id, 1)),
        Key::new(flipped(partition, 0), KIND, id),
        Key::new(flipped(partition, 1), KIND, id),
    ];
    let mut written = Vec::new();
    for key in keys {
        let mut batch = crate::Batch::new(key.partition, scene.now, &countersign_primitives::SystemRandom).unwrap();
        batch.put(key, Expect::Absent, scene.later(), Vec::new(), key.to_bytes().to_vec());
        written.push(scene.done(&batch).await);
    }
    let records = scene.read_all(&keys, scene.now).await;
    for ((record, key), version) in records.iter().zip(keys).zip(written) {
        let record = record.as_ref().expect("each key has its record");
        assert_eq!((record.version, record.payload.as_ref()), (version, &key.to_bytes()[..]));
    }
}
