//! The end of a grant against what is on its way.

use crate::{CommitError, Expect, Store};

use super::runner::race;
use super::scene::Scene;

const ENDED: &str = "ended";

/// A tombstone put without expectation stays the last word: what races with it either came before or fails, and nothing that
/// expects the grant as it was, or expects none, goes through after it (the end of a grant is one commit).
pub async fn nothing_is_issued_after_the_end(store: &dyn Store) {
    for _ in 0..4 {
        let scene = Scene::new(store);
        let seeded = scene.seed(0).await;
        race(32, |racer| {
            let scene = &scene;
            async move {
                match racer {
                    0 => {
                        scene.done(&scene.putting(0, Expect::Any, ENDED)).await;
                        after_the_end(scene, seeded).await;
                    }
                    racer if racer % 3 == 0 => redeem(scene).await,
                    racer => rotate(scene, racer).await,
                }
            }
        });
        let grant = scene.read(0).await.expect("the tombstone is there");
        assert_eq!(grant.payload, ENDED, "nobody wrote over the tombstone");
    }
}

/// Rotates as a refresh does, time and again, until it reads the tombstone.
async fn rotate(scene: &Scene<'_>, racer: usize) {
    for _ in 0..200 {
        let Some(grant) = scene.read(0).await else { panic!("a grant that ends does not vanish") };
        if grant.payload == ENDED {
            return;
        }
        let mut batch = scene.putting(0, Expect::At(grant.version), "rotated");
        batch.put(scene.key(racer), Expect::Any, scene.later(), Vec::new(), "token");
        match scene.commit(&batch).await {
            Ok(()) | Err(CommitError::Conflict(_)) => {}
            Err(error) => panic!("a rotation wins or loses: {error}"),
        }
    }
}

/// Redeems as a late code does; the grant was there all the time.
async fn redeem(scene: &Scene<'_>) {
    let outcome = scene.commit(&scene.putting(0, Expect::Absent, "redeemed")).await;
    assert!(matches!(outcome, Err(CommitError::Conflict(_))), "a grant is made once: {outcome:?}");
}

async fn after_the_end(scene: &Scene<'_>, seeded: crate::Version) {
    for expect in [Expect::At(seeded), Expect::Absent] {
        let outcome = scene.commit(&scene.putting(0, expect, "revived")).await;
        assert!(matches!(outcome, Err(CommitError::Conflict(_))), "{expect:?} after the end: {outcome:?}");
    }
    let grant = scene.read(0).await.expect("the tombstone is there");
    assert_eq!(grant.payload, ENDED, "who ended the grant sees it ended");
}
