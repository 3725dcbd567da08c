//! How often store and server speak, and what becomes of an answer that is lost on the way.

use countersign_primitives::SystemRandom;
use countersign_storage_sqlx::{SqlOptions, SqlStore};
use countersign_storage_traits::{Batch, CommitError, Expect, Index, Store};
use countersign_tests::Relay;

use crate::{LATER, NOW, SERVER, batch, charge, key, pair, read};

/// A store whose connections lead through a relay.
async fn relayed(options: SqlOptions) -> (Relay, SqlStore) {
    let relay = Relay::new();
    relay.lead_to(&[&SERVER.address()]);
    let url = SERVER.fresh_schema().replace(&SERVER.address(), &format!("127.0.0.1:{}", relay.port()));
    (relay, SqlStore::open_with(&url, options).await.unwrap())
}

/// So many calls.
const EACH: u64 = 10;

async fn one_of_each(store: &SqlStore, round: u32) {
    let (first, base) = (round * 10, 100 + round * 10);
    let list = Index { name: 1, value: key(1).partition };
    let created = batch(first, Expect::Absent, "created");
    store.commit(&created).await.unwrap();
    store.commit(&batch(first, Expect::At(created.id()), "updated")).await.unwrap();
    store.commit(&pair(base)).await.unwrap();
    let mut tidy = Batch::new(key(0).partition, NOW, &SystemRandom).unwrap();
    tidy.delete(key(first), Expect::Any);
    store.commit(&tidy).await.unwrap();
    store.get(&[key(2 * base)], NOW).await.unwrap();
    store.get(&[key(2 * base), key(2 * base + 1)], NOW).await.unwrap();
    store.list(&list, None, 10, NOW).await.unwrap();
    store.charge(&[charge(1, 1)], NOW).await.unwrap();
    store.charge(&[charge(2, 1), charge(1, 1)], NOW).await.unwrap();
    store.health().await.unwrap();
}

#[tokio::test]
async fn get_and_commit_are_one_round_trip() {
    for options in [SqlOptions::default(), SqlOptions::default().pooler(true)] {
        let (relay, store) = relayed(options.clone()).await;
        // Statements are prepared the first time.
        one_of_each(&store, 0).await;
        let before = relay.turns();
        one_of_each(&store, 1).await;
        assert_eq!(relay.turns() - before, EACH, "{options:?}");
    }
}

#[tokio::test]
async fn promise_1_a_commit_whose_answer_was_lost_is_repeated_and_comes_out_right() {
    for options in [SqlOptions::default(), SqlOptions::default().pooler(true), SqlOptions::default().transactions(true)]
    {
        let (relay, store) = relayed(options.clone()).await;
        let mut last = batch(1, Expect::Absent, "0");
        store.commit(&last).await.unwrap();
        store.commit(&pair(50)).await.unwrap();
        for round in 1..8_u32 {
            relay.lose_an_answer();
            let next = batch(1, Expect::At(last.id()), round.to_string());
            store.commit(&next).await.unwrap();
            assert_eq!(relay.lost(), u64::from(round * 2 - 1), "the answer was lost on the way");
            assert_eq!(read(&store, 1).await.unwrap().version, next.id());
            let replay = store.commit(&batch(1, Expect::At(last.id()), "replay")).await;
            assert!(matches!(replay, Err(CommitError::Conflict(lost)) if lost == key(1)), "{replay:?}");
            // And one that spends something and makes something.
            let mut redeem = batch(1, Expect::At(next.id()), "spent");
            redeem.put(key(1_000 + round), Expect::Absent, LATER, Vec::new(), "made").delete(key(100), Expect::Any);
            relay.lose_an_answer();
            store.commit(&redeem).await.unwrap();
            assert_eq!(relay.lost(), u64::from(round * 2));
            assert!(read(&store, 1_000 + round).await.is_some());
            last = redeem;
        }
    }
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_counts_at_least_once_and_a_refund_at_most_once() {
    let (relay, store) = relayed(SqlOptions::default()).await;
    store.charge(&[charge(7, 10)], NOW).await.unwrap();
    relay.lose_an_answer();
    let count = store.charge(&[charge(7, 1)], NOW).await.unwrap()[0].count;
    assert!((11..=12).contains(&count), "{count}");
    relay.lose_an_answer();
    assert!(store.charge(&[charge(7, -1)], NOW).await.is_err(), "nobody knows, so nobody repeats it");
    let after = store.charge(&[charge(7, 0)], NOW).await.unwrap()[0].count;
    assert!((count - 1..=count).contains(&after), "{after} after {count}");
}

#[tokio::test]
async fn reads_survive_a_lost_answer() {
    let (relay, store) = relayed(SqlOptions::default()).await;
    store.commit(&pair(1)).await.unwrap();
    for _ in 0..5 {
        relay.lose_an_answer();
        let records = store.get(&[key(2), key(3), key(4)], NOW).await.unwrap();
        assert_eq!(records.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    }
    assert_eq!(relay.lost(), 5);
}
