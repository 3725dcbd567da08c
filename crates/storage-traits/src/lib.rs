//! The storage contract, its wrappers, and (feature `testkit`) the suite that proves an adapter.
//!
//! An adapter author implements one trait, [`Store`], and knows nothing of OAuth. What protocol code calls are typed records
//! over it ([`Stored`], [`Found`]). See [`Store`] for the guarantees, each of which the testkit proves by a test
//! of its own.

mod batch;
mod encrypted;
mod error;
mod judge;
mod key;
mod key_file;
mod master_key;
mod records;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use batch::{Batch, BatchError, Change, Expect, Op, Version};
pub use encrypted::Encrypted;
pub use error::{CommitError, StoreError};
pub use judge::{Counter, Judgement, Standing};
pub use key::{CounterKey, Index, Key, Kind};
pub use master_key::{MasterKey, MasterKeyError, MasterKeyId};
pub use records::{Found, Stored};
pub use store::{Capabilities, Charge, Charged, Cursor, Health, Page, Record, SWEEP_MARGIN, Store, Swept};
