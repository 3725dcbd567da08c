//! A batch that comes again after its answer was lost.

use crate::{Expect, Store};

use super::runner::race;
use super::scene::{Scene, assert_conflict};

/// The same batch again is Ok, whatever it expected: its answer was lost, and the client library or the caller repeats it.
pub async fn a_repeated_batch_is_ok(store: &dyn Store) {
    let scene = Scene::new(store);
    let create = scene.putting(0, Expect::Absent, "created");
    let version = scene.done(&create).await;
    assert!(scene.commit(&create).await.is_ok(), "a repeated creation is done already");
    let mut update = scene.putting(0, Expect::At(version), "updated");
    update
        .put(scene.key(1), Expect::Absent, scene.later(), Vec::new(), "made beside")
        .check(scene.key(2), Expect::Absent);
    scene.done(&update).await;
    for _ in 0..3 {
        assert!(scene.commit(&update).await.is_ok(), "a repeated update is done already");
    }
    assert_eq!(scene.version(0).await, Some(update.id()));
    assert_eq!(scene.version(1).await, Some(update.id()));
}

/// The same batch, sent by sixteen callers at once, is Ok for each of them.
pub async fn a_batch_that_races_with_itself_is_ok(store: &dyn Store) {
    for _ in 0..4 {
        let scene = Scene::new(store);
        let version = scene.seed(0).await;
        let batch = scene.putting(0, Expect::At(version), "once");
        let outcomes = race(16, |_| store.commit(&batch));
        assert!(outcomes.iter().all(Result::is_ok), "all are answered as the first: {outcomes:?}");
        assert_eq!(scene.version(0).await, Some(batch.id()));
    }
}

/// A batch that deletes what it expects and puts something is Ok again, although what it expects is gone.
pub async fn a_repeated_delete_is_ok(store: &dyn Store) {
    let scene = Scene::new(store);
    let code = scene.seed(0).await;
    let mut redeem = scene.batch();
    redeem.delete(scene.key(0), Expect::At(code)).put(scene.key(1), Expect::Absent, scene.later(), Vec::new(), "grant");
    scene.done(&redeem).await;
    assert!(scene.commit(&redeem).await.is_ok(), "a repeated redemption is done already");
    assert_eq!(scene.read(0).await, None);
    let mut tidy = scene.batch();
    tidy.delete(scene.key(1), Expect::Any).delete(scene.key(7), Expect::Any);
    scene.done(&tidy).await;
    assert!(scene.commit(&tidy).await.is_ok(), "an unconditional deletion is Ok as often as it comes");
}

/// A repeated batch whose work somebody has replaced meanwhile is told so, and writes nothing.
pub async fn an_overwritten_repeat_conflicts(store: &dyn Store) {
    let scene = Scene::new(store);
    let first = scene.putting(0, Expect::Absent, "first");
    scene.done(&first).await;
    let second = scene.putting(0, Expect::At(first.id()), "second");
    scene.done(&second).await;
    let third = scene.putting(0, Expect::At(second.id()), "third");
    scene.done(&third).await;
    assert_conflict(&scene.commit(&first).await, scene.key(0), "the creation was overwritten");
    assert_conflict(&scene.commit(&second).await, scene.key(0), "the update was overwritten");
    assert_eq!(scene.version(0).await, Some(third.id()), "the repeat wrote nothing");
}

/// A repeated batch of which somebody has replaced a part brings nothing of its own back.
pub async fn a_repeat_never_undoes_a_later_write(store: &dyn Store) {
    let scene = Scene::new(store);
    let mut both = scene.putting(0, Expect::Absent, "a");
    both.put(scene.key(1), Expect::Absent, scene.later(), Vec::new(), "b");
    scene.done(&both).await;
    let newer = scene.done(&scene.putting(1, Expect::At(both.id()), "newer")).await;
    // Ok (it was done, after all) and a conflict are both true answers.
    let _ = scene.commit(&both).await;
    assert_eq!(scene.version(0).await, Some(both.id()));
    assert_eq!(scene.version(1).await, Some(newer), "the later write stays");
}

/// A record that was deleted and made anew is not the one that was read before: no version comes twice.
pub async fn a_record_made_anew_is_another_one(store: &dyn Store) {
    let scene = Scene::new(store);
    let first = scene.seed(0).await;
    let mut delete = scene.batch();
    delete.delete(scene.key(0), Expect::Any);
    scene.done(&delete).await;
    assert_eq!(scene.read(0).await, None, "a deleted record is gone");
    let second = scene.done(&scene.putting(0, Expect::Absent, "anew")).await;
    let stale = scene.putting(0, Expect::At(first), "stale");
    assert_conflict(&scene.commit(&stale).await, scene.key(0), "the version is of another life");
    assert_eq!(scene.version(0).await, Some(second));
}
