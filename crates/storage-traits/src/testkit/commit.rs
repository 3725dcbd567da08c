//! Expectations, and what a race over them leaves.

use crate::{Expect, Store, Version};

use super::runner::race;
use super::scene::{SECOND, Scene, assert_conflict, wins};

/// Of 16 and of 64 racing batches that expect one version, one commits, and it is the one that is stored: a code, a refresh
/// token, a login's step is spent once (RFC 6749 §4.1.2 rests on it).
pub async fn one_commit_wins_a_version(store: &dyn Store) {
    for racers in [16, 64, 16, 64] {
        let scene = Scene::new(store);
        let version = scene.seed(0).await;
        let batches: Vec<_> = (0..racers).map(|_| scene.putting(0, Expect::At(version), "won")).collect();
        let outcomes = race(racers, |racer| store.commit(&batches[racer]));
        assert_eq!(wins(&outcomes), 1, "exactly one batch may win the version");
        let winner = outcomes.iter().position(Result::is_ok).expect("there is one");
        assert_eq!(scene.version(0).await, Some(batches[winner].id()), "the winner is what is stored");
    }
}

/// Of 64 racing batches that expect absence, one creates the record: a proof's `jti`, a user code, a grant is new once.
pub async fn an_absent_record_is_created_once(store: &dyn Store) {
    for racers in [16, 64, 16, 64] {
        let scene = Scene::new(store);
        let outcomes = race(racers, |_| {
            let batch = scene.putting(0, Expect::Absent, "created");
            async move { store.commit(&batch).await }
        });
        assert_eq!(wins(&outcomes), 1, "exactly one batch may create the record");
    }
}

/// An expired record is as good as none, and of the batches that race to replace it one does.
pub async fn an_expired_record_is_replaced_once(store: &dyn Store) {
    for racers in [16, 64, 16, 64] {
        let scene = Scene::new(store);
        let mut old = scene.batch();
        old.put(scene.key(0), Expect::Absent, scene.now.plus(SECOND), Vec::new(), "old");
        scene.done(&old).await;
        let outcomes = race(racers, |_| {
            let mut batch = scene.batch_at(scene.now.plus(SECOND));
            batch.put(scene.key(0), Expect::Absent, scene.later(), Vec::new(), "new");
            async move { store.commit(&batch).await }
        });
        assert_eq!(wins(&outcomes), 1, "exactly one batch may replace the expired record");
    }
}

/// Batches that only need a record to be there do not stand in each other's way: tokens are issued side by side under one grant.
pub async fn present_lets_children_be_written_side_by_side(store: &dyn Store) {
    let scene = Scene::new(store);
    let parent = scene.seed(0).await;
    let outcomes = race(64, |racer| {
        let mut batch = scene.putting(racer + 1, Expect::Absent, "child");
        batch.check(scene.key(0), Expect::Present);
        async move { store.commit(&batch).await }
    });
    assert_eq!(wins(&outcomes), 64, "children do not conflict");
    assert_eq!(scene.version(0).await, Some(parent), "the parent is untouched");
    for child in 1..=64 {
        assert!(scene.read(child).await.is_some(), "child {child} is there");
    }
}

/// Each expectation holds exactly when it says so: any always, absent and present as they are, a version for that one alone.
pub async fn expectations_hold_as_they_say(store: &dyn Store) {
    let scene = Scene::new(store);
    let version = scene.seed(1).await;
    let other = Version::new(version.number() ^ 1);
    let cases = [
        (0, Expect::Any, true),
        (0, Expect::Absent, true),
        (0, Expect::Present, false),
        (0, Expect::At(version), false),
        (1, Expect::Any, true),
        (1, Expect::Absent, false),
        (1, Expect::Present, true),
        (1, Expect::At(version), true),
        (1, Expect::At(other), false),
    ];
    for (number, expect, holds) in cases {
        let mut batch = scene.batch();
        batch.check(scene.key(number), expect);
        let outcome = scene.commit(&batch).await;
        if holds {
            assert!(outcome.is_ok(), "{expect:?} holds for record {number}: {outcome:?}");
        } else {
            assert_conflict(&outcome, scene.key(number), "the expectation fails");
        }
    }
    scene.done(&scene.putting(2, Expect::Any, "made")).await;
    let replaced = scene.done(&scene.putting(2, Expect::Any, "replaced")).await;
    assert_eq!(scene.version(2).await, Some(replaced), "any creates and replaces");
    scene.done(&scene.putting(2, Expect::Present, "again")).await;
}

/// A check leaves a record as it is, version and expiry and content, and makes none where there is none.
pub async fn a_check_writes_nothing(store: &dyn Store) {
    let scene = Scene::new(store);
    let version = scene.seed(0).await;
    let before = scene.read(0).await;
    for expect in [Expect::Any, Expect::Present, Expect::At(version)] {
        let mut batch = scene.putting(9, Expect::Any, "beside");
        batch.check(scene.key(0), expect).check(scene.key(1), Expect::Absent);
        scene.done(&batch).await;
    }
    assert_eq!(scene.read(0).await, before, "the record is untouched");
    assert_eq!(scene.read(1).await, None, "no record came to be");
}

/// A batch one of whose expectations fails leaves nothing of itself, wherever in the batch that one stands.
pub async fn a_batch_is_applied_whole_or_not_at_all(store: &dyn Store) {
    for failing in 0..4 {
        let scene = Scene::new(store);
        let (kept, deleted) = (scene.seed(0).await, scene.seed(1).await);
        let mut batch = scene.batch();
        for place in 0..4 {
            match place {
                place if place == failing => batch.check(scene.key(9), Expect::Present),
                0 => batch.put(scene.key(0), Expect::At(kept), scene.later(), Vec::new(), "changed"),
                1 => batch.delete(scene.key(1), Expect::At(deleted)),
                _ => {
                    let lists = vec![scene.index(1)];
                    batch.put(scene.key(place), Expect::Absent, scene.later(), lists, "made")
                }
            };
        }
        assert_conflict(&scene.commit(&batch).await, scene.key(9), "the batch fails");
        assert_eq!(scene.version(0).await, Some(kept), "nothing was changed");
        assert_eq!(scene.version(1).await, Some(deleted), "nothing was deleted");
        assert!(scene.read(2).await.is_none() && scene.read(3).await.is_none(), "nothing was made");
    }
}

/// Batches that race over two records leave both from one batch.
pub async fn racing_batches_never_mix(store: &dyn Store) {
    for _ in 0..4 {
        let scene = Scene::new(store);
        let outcomes = race(16, |racer| {
            let mut batch = scene.batch();
            // Both orders, so that a store that locks record by record is seen to lock in one order.
            let pair = if racer % 2 == 0 { [0, 1] } else { [1, 0] };
            for number in pair {
                batch.put(scene.key(number), Expect::Any, scene.later(), Vec::new(), "both");
            }
            async move { store.commit(&batch).await }
        });
        assert_eq!(wins(&outcomes), 16, "nothing was expected, so nobody loses");
        assert_eq!(scene.version(0).await, scene.version(1).await, "both records are from one batch");
    }
}

/// Of several expectations that fail, the conflict names the one that stands first in the batch: callers tell a replay by it.
pub async fn a_conflict_names_the_first_failing_key(store: &dyn Store) {
    let scene = Scene::new(store);
    scene.seed(5).await;
    for order in [[9, 3, 1], [1, 3, 9], [3, 9, 1]] {
        let mut batch = scene.batch();
        batch.put(scene.key(5), Expect::Present, scene.later(), Vec::new(), "");
        for number in order {
            batch.check(scene.key(number), Expect::Present);
        }
        assert_conflict(&scene.commit(&batch).await, scene.key(order[0]), "the first failing key is named");
    }
}
