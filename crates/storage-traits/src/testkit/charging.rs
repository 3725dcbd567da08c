//! Counters: what guessing is throttled by.

use std::time::Duration;

use countersign_primitives::UnixTime;

use crate::{Charge, Charged, CounterKey, Store};

use super::runner::race;
use super::scene::{HOUR, Scene, TICK, fresh_id};

fn charge(counter: CounterKey, add: i32, limit: u32) -> Charge {
    Charge { counter, add, limit, window: HOUR }
}

async fn charged(store: &dyn Store, charge: Charge, now: UnixTime) -> Charged {
    let mut answers = store.charge(&[charge], now).await.expect("the store counts");
    assert_eq!(answers.len(), 1, "one answer for each charge");
    answers.remove(0)
}

/// Of 64 racing charges exactly as many are admitted as the limit lets through.
pub async fn a_charge_never_passes_its_limit(store: &dyn Store) {
    for (add, limit, fits) in [(1, 10, 10), (3, 10, 3), (1, 64, 64), (1, 0, 0)] {
        let (scene, counter) = (Scene::new(store), CounterKey(fresh_id()));
        let answers = race(64, |_| charged(store, charge(counter, add, limit), scene.now));
        let admitted = answers.iter().filter(|answer| answer.admitted).count();
        assert_eq!(admitted, fits, "charges of {add} under a limit of {limit}");
        assert!(answers.iter().all(|answer| answer.count <= limit), "the count never passes {limit}");
    }
}

/// A charge that does not fit changes nothing, so a smaller one may fit after it.
pub async fn a_refused_charge_is_not_counted(store: &dyn Store) {
    let (scene, counter) = (Scene::new(store), CounterKey(fresh_id()));
    assert_eq!(charged(store, charge(counter, 4, 5), scene.now).await.count, 4);
    for _ in 0..3 {
        let refused = charged(store, charge(counter, 2, 5), scene.now).await;
        assert!(!refused.admitted && refused.count == 4, "{refused:?}");
    }
    let fits = charged(store, charge(counter, 1, 5), scene.now).await;
    assert!(fits.admitted && fits.count == 5, "{fits:?}");
}

/// A refund takes back what it names and no more: others' charges stay, and nothing falls below zero.
pub async fn a_refund_never_falls_below_zero(store: &dyn Store) {
    let (scene, counter) = (Scene::new(store), CounterKey(fresh_id()));
    let fresh = charged(store, charge(counter, -1, 5), scene.now).await;
    assert!(fresh.admitted && fresh.count == 0, "a refund of nothing: {fresh:?}");
    charged(store, charge(counter, 4, 5), scene.now).await;
    let refund = charged(store, charge(counter, -1, 5), scene.now).await;
    assert!(refund.admitted && refund.count == 3, "others' charges stay: {refund:?}");
    assert_eq!(charged(store, charge(counter, -9, 5), scene.now).await.count, 0);
    assert_eq!(charged(store, charge(counter, 1, 5), scene.now).await.count, 1, "zero is zero");
    let racing = CounterKey(fresh_id());
    charged(store, charge(racing, 32, 100), scene.now).await;
    race(64, |racer| charged(store, charge(racing, if racer % 2 == 0 { 1 } else { -1 }, 100), scene.now));
    assert_eq!(charged(store, charge(racing, 1, 100), scene.now).await.count, 33, "no charge and no refund is lost");
}

/// A counter runs from its first charge for its window, by the caller's clock, and then starts anew; later charges do not
/// prolong it.
pub async fn a_window_runs_by_the_callers_clock(store: &dyn Store) {
    let (scene, counter) = (Scene::new(store), CounterKey(fresh_id()));
    let end = scene.now.plus(HOUR);
    assert_eq!(charged(store, charge(counter, 1, 2), scene.now).await.resets_at, end);
    let half = scene.now.plus(Duration::from_secs(1_800));
    assert_eq!(charged(store, charge(counter, 1, 2), half).await.resets_at, end, "the window does not slide");
    assert!(!charged(store, charge(counter, 1, 2), end.minus(TICK)).await.admitted, "it lasts to its end");
    let anew = charged(store, charge(counter, 1, 2), end).await;
    assert_eq!(anew, Charged { admitted: true, count: 1, resets_at: end.plus(HOUR) });
    // By a clock of the past, whatever the backend's says.
    let (past, other) = (scene.now.minus(Duration::from_secs(90)), CounterKey(fresh_id()));
    let short = Charge { window: Duration::from_secs(60), ..charge(other, 1, 1) };
    assert!(charged(store, short, past).await.admitted);
    assert!(!charged(store, short, past).await.admitted, "the window of a caller in the past has not ended");
}

/// A charge of nothing reads: it is admitted, tells count and end of the window as they are, and changes neither, nor makes a
/// counter. Whose limit and window it names does not matter.
pub async fn a_charge_of_nothing_reads(store: &dyn Store) {
    let (scene, counter) = (Scene::new(store), CounterKey(fresh_id()));
    let read = Charge { window: HOUR * 5, ..charge(counter, 0, u32::MAX) };
    assert_eq!(charged(store, read, scene.now).await.count, 0);
    let half = scene.now.plus(Duration::from_secs(1_800));
    let begun = charged(store, charge(counter, 3, 3), half).await;
    assert_eq!(begun.resets_at, half.plus(HOUR), "reading what is not there begins nothing");
    let later = half.plus(Duration::from_secs(60));
    assert_eq!(charged(store, read, later).await, Charged { admitted: true, count: 3, resets_at: begun.resets_at });
    assert!(!charged(store, charge(counter, 1, 3), begun.resets_at.minus(TICK)).await.admitted);
    assert_eq!(charged(store, read, begun.resets_at).await.count, 0, "a counter that has ended counts nothing");
}

/// Several charges in one call are each admitted or refused on their own, in order.
pub async fn charges_stand_each_by_itself(store: &dyn Store) {
    let (scene, a, b, c) = (Scene::new(store), CounterKey(fresh_id()), CounterKey(fresh_id()), CounterKey(fresh_id()));
    charged(store, charge(b, 1, 1), scene.now).await;
    let charges = [charge(a, 1, 5), charge(b, 1, 1), charge(c, 2, 5), charge(a, 2, 5), charge(b, -1, 1)];
    let answers = store.charge(&charges, scene.now).await.expect("the store counts");
    let told: Vec<_> = answers.iter().map(|answer| (answer.admitted, answer.count)).collect();
    assert_eq!(told, [(true, 1), (false, 1), (true, 2), (true, 3), (true, 0)]);
    assert!(store.charge(&[], scene.now).await.expect("the store counts").is_empty());
}

/// The largest charges, refunds, limits and windows are computed without overflow.
pub async fn extreme_charges_do_not_overflow(store: &dyn Store) {
    let (scene, counter) = (Scene::new(store), CounterKey(fresh_id()));
    let most = charge(counter, i32::MAX, u32::MAX);
    assert!(charged(store, most, scene.now).await.admitted);
    assert_eq!(charged(store, most, scene.now).await.count, 2 * i32::MAX.unsigned_abs());
    assert!(!charged(store, most, scene.now).await.admitted);
    assert_eq!(charged(store, charge(counter, 1, u32::MAX), scene.now).await.count, u32::MAX);
    let refund = charged(store, charge(counter, i32::MIN, 0), scene.now).await;
    assert!(refund.admitted && refund.count == u32::MAX - i32::MIN.unsigned_abs(), "{refund:?}");
    let forever = Charge { window: Duration::MAX, ..charge(CounterKey(fresh_id()), 1, 1) };
    assert!(charged(store, forever, scene.now).await.admitted);
    assert!(!charged(store, forever, scene.later()).await.admitted, "a window without end");
}
