//! The caller's clock decides; the backend's own is never asked.

use std::time::Duration;

use crate::{Expect, Store};

use super::scene::{HOUR, SECOND, Scene, TICK, assert_conflict};

/// At its expiry a record is absent for every call, and a millisecond before it is present for every call.
pub async fn an_expired_record_is_absent(store: &dyn Store) {
    let scene = Scene::new(store);
    let expiry = scene.now.plus(10 * SECOND);
    let mut batch = scene.batch();
    batch.put(scene.key(0), Expect::Absent, expiry, vec![scene.index(1)], "short-lived");
    let version = scene.done(&batch).await;
    for (now, live) in [(expiry.minus(TICK), true), (expiry, false), (expiry.plus(TICK), false)] {
        assert_eq!(scene.read_at(0, now).await.is_some(), live, "get at {now:?}");
        assert_eq!(!scene.list(&scene.index(1), 10, now).await.is_empty(), live, "list at {now:?}");
        for (expect, holds) in [(Expect::Absent, !live), (Expect::Present, live), (Expect::At(version), live)] {
            let mut check = scene.batch_at(now);
            check.check(scene.key(0), expect);
            let outcome = scene.commit(&check).await;
            assert_eq!(outcome.is_ok(), holds, "{expect:?} at {now:?}: {outcome:?}");
        }
    }
}

/// A record that the backend's clock calls expired lives for a caller whose clock says so, and one that it calls alive is
/// gone for a caller who says so: tests hold time still, and nodes differ by seconds.
pub async fn the_callers_clock_decides(store: &dyn Store) {
    let scene = Scene::new(store);
    // Expired by the world's clock, by less than the margin that a backend's own collection keeps.
    let (past, expiry) = (scene.now.minus(Duration::from_secs(60)), scene.now.minus(Duration::from_secs(10)));
    let mut slow = scene.batch_at(past);
    slow.put(scene.key(0), Expect::Absent, expiry, vec![scene.index(1)], "slow clock");
    let version = scene.done(&slow).await;
    assert!(scene.read_at(0, past).await.is_some(), "alive for a caller in the past");
    assert_eq!(scene.list(&scene.index(1), 10, past).await, [scene.key(0)], "listed for a caller in the past");
    let mut update = scene.batch_at(past);
    update.put(scene.key(0), Expect::At(version), expiry, vec![scene.index(1)], "updated");
    scene.done(&update).await;
    assert!(scene.read_at(0, scene.now).await.is_none(), "gone for a caller in the present");

    let future = scene.now.plus(2 * HOUR);
    let seeded = scene.seed(1).await;
    assert!(scene.read_at(1, future).await.is_none(), "gone for a caller in the future");
    let mut late = scene.batch_at(future);
    late.check(scene.key(1), Expect::At(seeded));
    assert_conflict(&scene.commit(&late).await, scene.key(1), "gone for a batch of the future");
    assert!(scene.read(1).await.is_some(), "alive for a caller in the present");
}

/// Two nodes whose clocks differ judge one record differently, each batch by the time that it carries.
pub async fn a_batch_is_judged_by_its_own_time(store: &dyn Store) {
    let scene = Scene::new(store);
    let version = scene.seed(0).await;
    let mut slow = scene.putting(1, Expect::Absent, "slow");
    slow.check(scene.key(0), Expect::At(version));
    scene.done(&slow).await;
    let mut fast = scene.batch_at(scene.later());
    fast.put(scene.key(0), Expect::Absent, scene.later().plus(HOUR), Vec::new(), "fast");
    scene.done(&fast).await;
    let old = scene.putting(0, Expect::At(version), "late");
    assert_conflict(&scene.commit(&old).await, scene.key(0), "the fast node replaced it");
}

/// A later put moves the expiry, forward and back, and the lists follow.
pub async fn a_record_lives_as_long_as_its_last_put_says(store: &dyn Store) {
    let scene = Scene::new(store);
    let put = async |expiry| {
        let mut batch = scene.batch();
        batch.put(scene.key(0), Expect::Any, expiry, vec![scene.index(1)], "renewed");
        scene.done(&batch).await;
    };
    let (soon, late) = (scene.now.plus(SECOND), scene.now.plus(2 * HOUR));
    put(soon).await;
    put(late).await;
    assert_eq!(
        scene.read_at(0, scene.later()).await.map(|record| record.expires_at),
        Some(late),
        "the expiry moved on"
    );
    assert_eq!(scene.list(&scene.index(1), 10, scene.later()).await, [scene.key(0)], "the list knows it");
    put(soon).await;
    assert_eq!(scene.read_at(0, soon).await, None, "the expiry moved back");
}
