//! What a process holds in memory while a store has many live records.

use countersign_primitives::{Id, Random, SystemRandom};
use countersign_storage_memory::MemoryStore;
use countersign_storage_sqlx::SqlStore;
use countersign_storage_traits::{Batch, Expect, Index, Key, Kind, Store};
use countersign_tests::Scratch;
use tokio::runtime::Runtime;

use crate::works::{LATER, NOW, PAYLOAD};

pub(crate) fn report(store: &str, records: usize) {
    let runtime = Runtime::new().unwrap();
    let before = resident();
    let held = match store {
        "memory" => {
            let store = MemoryStore::new();
            runtime.block_on(fill(&store, records));
            resident()
        }
        "sqlite" => {
            let folder = Scratch::new();
            let url = format!("sqlite:{}", folder.path().join("store.db").display());
            let store = runtime.block_on(SqlStore::open(&url)).unwrap();
            runtime.block_on(fill(&store, records));
            resident()
        }
        other => panic!("{other}: memory or sqlite"),
    };
    println!("{store}\t{records}\t{held}\t{}", held.saturating_sub(before) / records.max(1));
}

/// Records as long as a sealed grant, each in a list.
async fn fill(store: &dyn Store, records: usize) {
    let random: &dyn Random = &SystemRandom;
    let mut left = records;
    while left > 0 {
        let partition = random.id().unwrap();
        let mut batch = Batch::new(partition, NOW, &SystemRandom).unwrap();
        let now = left.min(16);
        for number in 0..now {
            let key = Key::new(partition, Kind(200), Id::from_bytes((number as u128).to_be_bytes()));
            batch.put(key, Expect::Absent, LATER, vec![Index { name: 1, value: partition }], &PAYLOAD[..]);
        }
        store.commit(&batch).await.unwrap();
        left -= now;
    }
}

/// What the process holds in memory, by the kernel's count.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or(0) * 1_024
}
