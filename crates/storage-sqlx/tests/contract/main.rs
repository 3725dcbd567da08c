//! SQLite keeps every guarantee of the contract: in a file and in memory, bare and sealed, with and without a runtime.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

#[path = "../folder/mod.rs"]
mod folder;

use std::sync::LazyLock;

use countersign_storage_sqlx::SqlStore;
use countersign_storage_traits::testkit::Holding;
use folder::Folder;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

async fn in_a_file() -> Holding<SqlStore, Folder> {
    let folder = Folder::new();
    Holding::new(SqlStore::open(&folder.url("store.db")).await.unwrap(), folder)
}

mod file {
    use super::{RUNTIME, in_a_file};

    countersign_storage_traits::testkit!(open = in_a_file(), block_on = |future| RUNTIME.block_on(future));
}

mod file_sealed {
    use std::sync::Arc;

    use countersign_primitives::SystemRandom;
    use countersign_storage_traits::{Encrypted, MasterKey};

    use super::{RUNTIME, in_a_file};

    countersign_storage_traits::testkit!(
        open = async {
            let master = MasterKey::from_bytes([1; 32]);
            Encrypted::new(in_a_file().await, &master, "https://id.example.com", Arc::new(SystemRandom))
        },
        block_on = |future| RUNTIME.block_on(future),
    );
}

mod memory_without_a_runtime {
    use countersign_storage_sqlx::SqlStore;
    use countersign_storage_traits::testkit::block_on;

    countersign_storage_traits::testkit!(block_on(SqlStore::open("sqlite::memory:")).unwrap());
}
