//! Callers that go away, and a store that is well.

use std::future::poll_fn;
use std::task::Poll;

use crate::{Expect, Store};

use super::scene::Scene;

/// A caller who goes away in the middle of a commit (a connection closed, a timeout) leaves all of the batch or nothing, and a
/// store that works on.
pub async fn a_dropped_commit_leaves_all_or_nothing(store: &dyn Store) {
    for polls in 0..24 {
        let scene = Scene::new(store);
        let mut batch = scene.batch();
        for number in 0..4 {
            batch.put(scene.key(number), Expect::Absent, scene.later(), Vec::new(), "all or nothing");
        }
        let mut commit = store.commit(&batch);
        for _ in 0..polls {
            let done = poll_fn(|context| Poll::Ready(commit.as_mut().poll(context).is_ready())).await;
            if done {
                break;
            }
            std::thread::yield_now();
        }
        drop(commit);
        let keys: Vec<_> = (0..4).map(|number| scene.key(number)).collect();
        for _ in 0..3 {
            let written = scene.read_all(&keys, scene.now).await.iter().flatten().count();
            assert!(written == 0 || written == 4, "all or nothing, not {written} of 4");
        }
        assert!(scene.commit(&batch).await.is_ok(), "the batch can be repeated");
        let written = scene.read_all(&keys, scene.now).await.iter().flatten().count();
        assert_eq!(written, 4, "and then all of it is there");
    }
}

/// A store that works says so, and promises the same each time.
pub async fn a_working_store_is_healthy(store: &dyn Store) {
    let health = store.health().await.expect("the store is healthy");
    assert!(!health.backend.is_empty(), "the operator can read what it is");
    assert_eq!(store.capabilities(), store.capabilities());
}
