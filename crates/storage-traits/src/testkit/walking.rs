//! What a walk tells, and what a store is after it was filled. A store that does not offer [`Scan`](crate::Scan) has nothing to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_primitives::{Id, UnixTime};

use crate::{Charge, Counter, CounterKey, Cursor, Expect, Index, Item, Key, Kind, Part, Record, Scan, Store};

use super::runner::race;
use super::scene::{HOUR, KIND, SECOND, Scene, fresh_id};

/// What a store was told to hold. A map, for anything may be told twice.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    records: BTreeMap<Key, (u64, UnixTime, Vec<u8>)>,
    entries: BTreeMap<(Index, Key), UnixTime>,
    counters: BTreeMap<CounterKey, (u32, UnixTime)>,
}

impl Told {
    fn add(&mut self, item: Item) {
        match item {
            Item::Record { key, record: Record { version, expires_at, payload } } => {
                self.records.insert(key, (version.number(), expires_at, payload.to_vec()));
            }
            Item::Entry { index, key, expires_at } => drop(self.entries.insert((index, key), expires_at)),
            Item::Counter { counter, shows: Counter { count, resets_at } } => {
                self.counters.insert(counter, (count, resets_at));
            }
        }
    }

    fn items(&self) -> Vec<Item> {
        let records = self.records.iter().map(|(key, (version, expires_at, payload))| {
            let (version, payload) = (crate::Version::new(*version), payload.clone().into());
            Item::Record { key: *key, record: Record { version, expires_at: *expires_at, payload } }
        });
        let entries = self.entries.iter().map(|((index, key), expires_at)| Item::Entry {
            index: *index,
            key: *key,
            expires_at: *expires_at,
        });
        let counters = self.counters.iter().map(|(counter, (count, resets_at))| Item::Counter {
            counter: *counter,
            shows: Counter { count: *count, resets_at: *resets_at },
        });
        records.chain(entries).chain(counters).collect()
    }
}

/// All pages of a walk, in the partitions asked for.
async fn walk(store: &dyn Scan, part: Part, limit: u16, partitions: &[Id]) -> Vec<Item> {
    let (mut items, mut after) = (Vec::new(), None);
    for _ in 0..100_000 {
        let page = store.scan(part, after, limit).await.expect("the store can be walked");
        items.extend(page.items.into_iter().filter(|item| match item {
            Item::Record { key, .. } | Item::Entry { key, .. } => partitions.contains(&key.partition),
            Item::Counter { counter, .. } => partitions.contains(&counter.0),
        }));
        after = page.next;
        if after.is_none() {
            return items;
        }
    }
    panic!("the walk never ends");
}

async fn told(store: &dyn Scan, limit: u16, partitions: &[Id]) -> Told {
    let mut told = Told::default();
    for part in Part::ALL {
        walk(store, part, limit, partitions).await.into_iter().for_each(|item| told.add(item));
    }
    told
}

async fn put(scene: &Scene<'_>, key: Key, expiry: UnixTime, indexes: Vec<Index>) -> (u64, UnixTime, Vec<u8>) {
    let payload: Vec<u8> = (0..=u8::MAX).cycle().take(300).collect();
    let mut batch = scene.batch();
    batch.put(key, Expect::Any, expiry, indexes, payload.clone());
    (scene.done(&batch).await.number(), expiry, payload)
}

async fn count(scene: &Scene<'_>, counter: Id, times: u16) -> (u32, UnixTime) {
    let charge = Charge { counter: CounterKey(counter), add: times.into(), limit: 1_000, window: HOUR };
    let charged = scene.store.charge(&[charge], scene.now).await.expect("the store counts");
    (charged[0].count, charged[0].resets_at)
}

/// Records of two partitions and several kinds, with lists and without, one that never expires and one that has expired; entries of
/// what is there and none of what has gone; counters.
async fn furnished(scene: &Scene<'_>, other: &Scene<'_>) -> Told {
    let mut all = Told::default();
    for number in 0..7 {
        let expiry = if number == 3 { UnixTime::MAX } else { scene.later() };
        let indexes: Vec<Index> = [0, 1, 2, 3].into_iter().take(number % 5).map(|name| scene.index(name)).collect();
        let held = put(scene, scene.key(number), expiry, indexes.clone()).await;
        all.records.insert(scene.key(number), held);
        all.entries.extend(indexes.into_iter().map(|index| ((index, scene.key(number)), expiry)));
    }
    let (foreign, expired) = (Key { kind: Kind(201), ..other.key(0) }, other.key(1));
    all.records.insert(foreign, put(other, foreign, other.later(), vec![scene.index(1)]).await);
    all.entries.insert((scene.index(1), foreign), other.later());
    all.records.insert(expired, put(other, expired, other.now.minus(SECOND), Vec::new()).await);
    put(other, other.key(2), other.later(), vec![scene.index(2)]).await;
    let mut batch = other.batch();
    other.done(batch.delete(other.key(2), Expect::Any)).await;
    all.counters.insert(CounterKey(scene.partition), count(scene, scene.partition, 3).await);
    all.counters.insert(CounterKey(other.partition), count(scene, other.partition, 7).await);
    all
}

/// A walk tells every record with version, expiry and payload, every entry of a list and every counter, whatever the pages' length;
/// the expired too, and no entry of a record that has gone.
pub async fn a_walk_tells_everything(store: &dyn Store) {
    let Some(walked) = store.as_scan() else { return };
    let (scene, other) = (Scene::new(store), Scene::new(store));
    let all = furnished(&scene, &other).await;
    for limit in [1, 2, 3, 9, 10, u16::MAX] {
        assert_eq!(told(walked, limit, &[scene.partition, other.partition]).await, all, "pages of {limit}");
    }
}

/// Asked for the records of one kind, a walk tells those and no others.
pub async fn a_walk_tells_one_kind(store: &dyn Store) {
    let Some(walked) = store.as_scan() else { return };
    let (scene, other) = (Scene::new(store), Scene::new(store));
    let all = furnished(&scene, &other).await;
    for (kind, most) in [(KIND, all.records.len() - 1), (Kind(201), 1), (Kind(202), 0)] {
        let mut seen = Told::default();
        let items = walk(walked, Part::RecordsOf(kind), 2, &[scene.partition, other.partition]).await;
        items.into_iter().for_each(|item| seen.add(item));
        assert!(seen.records.keys().all(|key| key.kind == kind), "no other kind than {kind:?}");
        assert_eq!(seen.records.len(), most, "all of {kind:?}");
    }
}

/// Deleting what a page told makes the next page miss nothing.
pub async fn a_walk_survives_deletes_between_pages(store: &dyn Store) {
    let Some(walked) = store.as_scan() else { return };
    let scene = Scene::new(store);
    for number in 0..20 {
        scene.seed(number).await;
    }
    let (mut seen, mut after): (BTreeSet<Key>, Option<Cursor>) = (BTreeSet::new(), None);
    loop {
        let page = walked.scan(Part::Records, after, 3).await.expect("the store can be walked");
        for item in page.items {
            let Item::Record { key, .. } = item else { panic!("only records were asked for") };
            if key.partition == scene.partition {
                seen.insert(key);
                scene.done(scene.batch().delete(key, Expect::Any)).await;
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..20).map(|number| scene.key(number)).collect(), "every record was told");
}

/// What was committed before a walk began and stays is in it, however many others come, change and go meanwhile.
pub async fn a_walk_misses_nothing_while_others_write(store: &dyn Store) {
    let Some(walked) = store.as_scan() else { return };
    let (scene, busy) = (Scene::new(store), Scene::new(store));
    for number in 0..20 {
        put(&scene, scene.key(number), scene.later(), vec![scene.index(1)]).await;
    }
    let all: BTreeSet<Key> = (0..20).map(|number| scene.key(number)).collect();
    let stop = AtomicBool::new(false);
    race(3, |racer| {
        let (scene, busy, all, stop) = (&scene, &busy, &all, &stop);
        async move {
            if racer == 0 {
                for _ in 0..10 {
                    let keys: BTreeSet<Key> = told(walked, 3, &[scene.partition]).await.records.into_keys().collect();
                    assert_eq!(keys, *all, "nothing is missed");
                    let entries = told(walked, 3, &[scene.partition]).await.entries;
                    assert_eq!(entries.len(), all.len(), "no entry is missed");
                }
                stop.store(true, Ordering::SeqCst);
                return;
            }
            for round in 0..2_000 {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                // In a partition before and in one behind, so that pages that count from the front are shifted.
                let key = busy.key(racer * 4 + round % 4);
                let mut batch = busy.batch();
                batch.put(key, Expect::Any, busy.later(), vec![busy.index(1)], "busy");
                busy.done(&batch).await;
                busy.done(busy.batch().delete(key, Expect::Any)).await;
            }
        }
    });
}

/// A store that has lost everything, or holds something else under the same names, is after `restore` as the walk had found it; and
/// once more after the same again. Records keep the lists that they stand in.
pub async fn what_is_restored_is_the_same(store: &dyn Store) {
    let Some(walked) = store.as_scan() else { return };
    let (scene, other) = (Scene::new(store), Scene::new(store));
    let partitions = [scene.partition, other.partition];
    let all = furnished(&scene, &other).await;
    let restore = async |items: &[Item]| walked.restore(items).await.expect("the store can be filled");
    let keys: Vec<Key> = all.records.keys().copied().collect();
    for key in &keys {
        let scene = if key.partition == scene.partition { &scene } else { &other };
        scene.done(scene.batch().delete(*key, Expect::Any)).await;
    }
    restore(&all.items()).await;
    assert_eq!(told(walked, 7, &partitions).await, all, "what was gone is back");
    put(&scene, scene.key(3), scene.now.plus(2 * HOUR), Vec::new()).await;
    count(&scene, scene.partition, 5).await;
    restore(&all.items()).await;
    restore(&all.items()).await;
    assert_eq!(told(walked, 7, &partitions).await, all, "what was changed is as it was");
    let (records, counters) =
        all.items().into_iter().partition::<Vec<_>, _>(|item| matches!(item, Item::Record { .. }));
    restore(&records).await;
    assert_eq!(told(walked, 7, &partitions).await, all, "a record that comes again keeps its lists");
    restore(&counters).await;
    // And as the rest of the contract sees it.
    let (version, expires_at, _) = &all.records[&scene.key(3)];
    let read = scene.read(3).await.expect("it is there");
    assert_eq!((read.version.number(), read.expires_at), (*version, *expires_at));
    let listed: BTreeSet<Key> = scene.list(&scene.index(1), 4, scene.now).await.into_iter().collect();
    let should = all.entries.keys().filter(|(index, _)| *index == scene.index(1)).map(|(_, key)| *key).collect();
    assert_eq!(listed, should, "the list holds what it held");
    assert_eq!(count(&scene, scene.partition, 0).await, (3, scene.now.plus(HOUR)), "the counter goes on");
    let mut batch = scene.batch();
    batch.put(scene.key(3), Expect::At(read.version), scene.later(), Vec::new(), "next");
    scene.done(&batch).await;
    let absent = Item::Entry {
        index: scene.index(9),
        key: Key::new(scene.partition, KIND, fresh_id()),
        expires_at: scene.later(),
    };
    restore(&[absent]).await;
    assert_eq!(
        told(walked, 7, &partitions).await.entries,
        all.entries
            .into_iter()
            .map(|(at, expiry)| { (at, if at.1 == scene.key(3) { scene.later() } else { expiry }) })
            .collect(),
        "an entry without its record is none"
    );
}
