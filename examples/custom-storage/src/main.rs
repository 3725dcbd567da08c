//! Proves the adapter on files of its own, and prints a table of what it keeps: `cargo run -p custom-storage`.

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign::store::testkit;
use custom_storage::RedbStore;
use tokio::runtime::Runtime;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("custom-storage-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let runtime = Runtime::new()?;
    let next = AtomicU32::new(0);
    let open = async || RedbStore::open(folder.join(format!("{}.redb", next.fetch_add(1, Ordering::Relaxed))));
    let report = testkit::report(open, move |future| runtime.block_on(future));
    std::fs::remove_dir_all(&folder)?;
    let report = report?;
    println!("{report}");
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
