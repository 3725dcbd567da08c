//! What is SQLite's own: files, locks, full disks, groups.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

#[path = "../folder/mod.rs"]
mod folder;

mod closing;
mod damage;
mod files;
mod groups;
mod sweeping;
mod trouble;

use countersign_primitives::{Id, SystemRandom, UnixTime};
use countersign_storage_traits::{Batch, Expect, Key, Kind, Record, Store};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LATER: UnixTime = UnixTime::from_secs(1_800_003_600);

fn key(number: u32) -> Key {
    Key::new(Id::from_bytes([1; 16]), Kind(200), Id::from_bytes(u128::from(number).to_be_bytes()))
}

fn batch(number: u32, expect: Expect, payload: impl Into<Vec<u8>>) -> Batch {
    let mut batch = Batch::new(key(number).partition, NOW, &SystemRandom).unwrap();
    batch.put(key(number), expect, LATER, Vec::new(), payload.into());
    batch
}

async fn read(store: &dyn Store, number: u32) -> Option<Record> {
    store.get(&[key(number)], NOW).await.unwrap().remove(0)
}
