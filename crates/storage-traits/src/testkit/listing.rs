//! What `list` finds.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Expect, Index, Key, Store};

use super::runner::race;
use super::scene::{Scene, fresh_id};

async fn fill(scene: &Scene<'_>, numbers: std::ops::Range<usize>, index: Index) -> BTreeSet<Key> {
    for number in numbers.clone() {
        let mut batch = scene.batch();
        batch.put(scene.key(number), Expect::Absent, scene.later(), vec![index], "listed");
        scene.done(&batch).await;
    }
    numbers.map(|number| scene.key(number)).collect()
}

fn set(keys: Vec<Key>) -> BTreeSet<Key> {
    keys.into_iter().collect()
}

/// A record stands in each of its lists and in no other, whether list name or value differs.
pub async fn a_list_holds_what_was_committed(store: &dyn Store) {
    let scene = Scene::new(store);
    let elsewhere = Index { name: 1, value: fresh_id() };
    let mut batch = scene.batch();
    batch.put(scene.key(0), Expect::Absent, scene.later(), vec![scene.index(1), scene.index(2), elsewhere], "three");
    batch.put(scene.key(1), Expect::Absent, scene.later(), vec![scene.index(2)], "one");
    batch.put(scene.key(2), Expect::Absent, scene.later(), Vec::new(), "none");
    scene.done(&batch).await;
    assert_eq!(scene.list(&scene.index(1), 10, scene.now).await, [scene.key(0)]);
    assert_eq!(set(scene.list(&scene.index(2), 10, scene.now).await), [scene.key(0), scene.key(1)].into());
    assert_eq!(scene.list(&elsewhere, 10, scene.now).await, [scene.key(0)]);
    assert!(scene.list(&scene.index(3), 10, scene.now).await.is_empty());
    assert!(scene.list(&Index { name: 2, value: elsewhere.value }, 10, scene.now).await.is_empty());
    // A record of another partition in the same list, as all grants of one subject are.
    let other = Scene::new(store);
    let mut foreign = other.batch();
    foreign.put(other.key(0), Expect::Absent, other.later(), vec![scene.index(1)], "elsewhere");
    other.done(&foreign).await;
    assert_eq!(set(scene.list(&scene.index(1), 10, scene.now).await), [scene.key(0), other.key(0)].into());
}

/// Pages of any length together hold everything.
pub async fn a_list_is_paged(store: &dyn Store) {
    let scene = Scene::new(store);
    let all = fill(&scene, 0..23, scene.index(1)).await;
    for limit in [1, 2, 7, 22, 23, 24, u16::MAX] {
        assert_eq!(set(scene.list(&scene.index(1), limit, scene.now).await), all, "pages of {limit}");
    }
}

/// Deleting what a page named, as an ending of all grants does, makes the next page miss nothing.
pub async fn a_list_survives_deletes_between_pages(store: &dyn Store) {
    let scene = Scene::new(store);
    let all = fill(&scene, 0..20, scene.index(1)).await;
    let (mut seen, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.list(&scene.index(1), after, 3, scene.now).await.expect("the store can be listed");
        let mut batch = scene.batch();
        for key in &page.keys {
            batch.delete(*key, Expect::Any);
        }
        if !page.keys.is_empty() {
            scene.done(&batch).await;
        }
        seen.extend(page.keys);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, all, "every record was named");
}

/// What was committed before a listing began is in it, however many others are written and renewed meanwhile.
pub async fn a_list_misses_nothing_while_others_write(store: &dyn Store) {
    let scene = Scene::new(store);
    let all = fill(&scene, 100..120, scene.index(1)).await;
    let stop = AtomicBool::new(false);
    race(3, |racer| {
        let (scene, all, stop) = (&scene, &all, &stop);
        async move {
            if racer == 0 {
                for _ in 0..10 {
                    let listed = set(scene.list(&scene.index(1), 3, scene.now).await);
                    assert!(all.is_subset(&listed), "nothing is missed: {} of {}", listed.len(), all.len());
                }
                stop.store(true, Ordering::SeqCst);
                return;
            }
            for round in 0..500 {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let mut batch = scene.batch();
                let renewed = scene.key(100 + round % 20);
                let created = scene.key(racer * 1_000_000 + round);
                for key in [renewed, created] {
                    batch.put(key, Expect::Any, scene.later(), vec![scene.index(1)], "busy");
                }
                scene.done(&batch).await;
            }
        }
    });
}

/// A record keeps the lists that it was created with: a later put that names fewer or others takes it out of none. A record
/// made anew stands in its new lists.
pub async fn lists_are_fixed_at_creation(store: &dyn Store) {
    let scene = Scene::new(store);
    fill(&scene, 0..1, scene.index(1)).await;
    for indexes in [vec![scene.index(1)], Vec::new(), vec![scene.index(2)]] {
        let mut update = scene.batch();
        update.put(scene.key(0), Expect::Present, scene.later(), indexes, "updated");
        scene.done(&update).await;
        assert_eq!(scene.list(&scene.index(1), 10, scene.now).await, [scene.key(0)], "it stays in its list");
    }
    let mut delete = scene.batch();
    delete.delete(scene.key(0), Expect::Any);
    scene.done(&delete).await;
    fill(&scene, 0..1, scene.index(3)).await;
    assert_eq!(scene.list(&scene.index(3), 10, scene.now).await, [scene.key(0)], "made anew, it has new lists");
}
