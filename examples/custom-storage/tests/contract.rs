//! redb keeps every guarantee of the contract: in memory and in a file, bare and sealed.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod folder;

use std::sync::LazyLock;

use countersign::store::testkit::Holding;
use custom_storage::RedbStore;
use folder::Folder;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

async fn in_a_file() -> Holding<RedbStore, Folder> {
    let folder = Folder::new();
    Holding::new(RedbStore::open(folder.file("store.redb")).unwrap(), folder)
}

mod memory {
    use super::{RUNTIME, RedbStore};

    countersign::store::testkit!(
        open = async { RedbStore::in_memory().unwrap() },
        block_on = |future| RUNTIME.block_on(future),
    );
}

mod file {
    use super::{RUNTIME, in_a_file};

    countersign::store::testkit!(open = in_a_file(), block_on = |future| RUNTIME.block_on(future));
}

mod file_sealed {
    use std::sync::Arc;

    use countersign::store::Encrypted;
    use countersign::{MasterKey, SystemRandom};

    use super::{RUNTIME, in_a_file};

    countersign::store::testkit!(
        open = async {
            let master = MasterKey::from_bytes([1; 32]);
            Encrypted::new(in_a_file().await, &master, "https://id.example.com", Arc::new(SystemRandom))
        },
        block_on = |future| RUNTIME.block_on(future),
    );
}
