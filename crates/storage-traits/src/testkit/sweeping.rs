//! What `sweep` takes, and what not.

use countersign_primitives::UnixTime;

use crate::{Charge, CounterKey, Expect, SWEEP_MARGIN, Store};

use super::backlog::sweep_beside_traffic;
use super::runner::race;
use super::scene::{HOUR, SECOND, Scene, TICK, fresh_id};

async fn put(scene: &Scene<'_>, number: usize, expiry: UnixTime) {
    let mut batch = scene.batch();
    batch.put(scene.key(number), Expect::Any, expiry, vec![scene.index(1)], "for the broom");
    scene.done(&batch).await;
}

/// Sweeps until there is nothing left to sweep.
async fn sweep_all(store: &dyn Store, now: UnixTime, limit: u32) {
    for _ in 0..100_000 {
        let swept = store.sweep(now, limit).await.expect("the store can be swept");
        assert!(swept.removed <= limit, "a sweep takes at most as many as asked: {swept:?}");
        if !swept.more {
            return;
        }
        assert!(swept.removed > 0, "a sweep that says there is more gets on");
    }
    panic!("the sweeping never ends");
}

/// A sweep takes what expired longer ago than the margin, and leaves what expired within it or lives on.
pub async fn a_sweep_takes_only_what_expired_long_ago(store: &dyn Store) {
    let scene = Scene::new(store);
    let swept_at = scene.later();
    let edge = swept_at.minus(SWEEP_MARGIN);
    let expiries = [edge.minus(SECOND), edge.plus(TICK), swept_at.minus(SECOND), swept_at.plus(SECOND)];
    for (number, expiry) in expiries.into_iter().enumerate() {
        put(&scene, number, expiry).await;
    }
    sweep_all(store, swept_at, 1_000).await;
    assert_eq!(scene.read(0).await, None, "what expired long ago is gone");
    for number in 1..4 {
        assert!(scene.read(number).await.is_some(), "record {number} is still there for a slower clock");
    }
    assert!(scene.list(&scene.index(1), 10, scene.now).await.contains(&scene.key(3)), "the living stay listed");
}

/// A sweep takes at most as many as it was told to, says that there is more, and the next ones take the rest.
pub async fn a_sweep_is_bounded(store: &dyn Store) {
    let scene = Scene::new(store);
    for number in 0..25 {
        put(&scene, number, scene.now.plus(SECOND)).await;
    }
    put(&scene, 99, scene.now.plus(2 * HOUR)).await;
    sweep_all(store, scene.later(), 10).await;
    for number in 0..25 {
        assert_eq!(scene.read(number).await, None, "record {number} was swept");
    }
    assert!(scene.read(99).await.is_some(), "the living one stays");
    sweep_all(store, scene.later(), 10).await;
}

/// A record that is renewed while the sweep runs stays: expiry is judged again as it deletes.
pub async fn a_sweep_keeps_what_is_renewed(store: &dyn Store) {
    const RECORDS: usize = 64;
    for _ in 0..10 {
        let scene = Scene::new(store);
        let put_from = async |first: usize, count: usize, expiry| {
            let mut batch = scene.batch();
            for number in first..first + count {
                batch.put(scene.key(number), Expect::Any, expiry, vec![scene.index(1)], "for the broom");
            }
            scene.done(&batch).await;
        };
        for first in (0..RECORDS).step_by(16) {
            put_from(first, 16, scene.now.plus(SECOND)).await;
        }
        race(2, |racer| {
            let (scene, put_from) = (&scene, &put_from);
            async move {
                if racer == 0 {
                    sweep_all(store, scene.later(), 100).await;
                    return;
                }
                // From the far end, so that the two meet on the way.
                for first in (0..RECORDS).step_by(4).rev() {
                    put_from(first, 4, scene.now.plus(2 * HOUR)).await;
                }
            }
        });
        for number in 0..RECORDS {
            assert!(scene.read(number).await.is_some(), "record {number} was renewed and stays");
        }
        let listed = scene.list(&scene.index(1), 100, scene.now).await;
        assert_eq!(listed.len(), RECORDS, "and stays listed");
    }
}

/// Counters whose window ended longer ago than the margin go too; the running ones stay.
pub async fn a_sweep_takes_counters(store: &dyn Store) {
    let (scene, ended, running) = (Scene::new(store), CounterKey(fresh_id()), CounterKey(fresh_id()));
    let charge = |counter, window| Charge { counter, add: 1, limit: 9, window };
    let charges = [charge(ended, SECOND), charge(running, 2 * HOUR)];
    store.charge(&charges, scene.now).await.expect("the store counts");
    sweep_all(store, scene.later(), 1_000).await;
    let again = store.charge(&charges, scene.now).await.expect("the store counts");
    assert_eq!(again.iter().map(|answer| answer.count).collect::<Vec<_>>(), [1, 2]);
}

/// Two sweepers at once remove a backlog, in bounded calls, while commits go on: nothing that lives or is made anew goes, and
/// nothing that expired long ago stays.
pub async fn two_sweepers_clear_a_backlog_beside_traffic(store: &dyn Store) {
    let swept = sweep_beside_traffic(store, 600).await;
    assert!(swept.removed >= 550, "the backlog went by the sweepers: {swept:?}");
}
