//! The storage contract, its wrappers, and (feature `testkit`) the suite that proves an adapter.
//!
//! # The idea
//!
//! A server keeps records: codes, grants, logins, sessions, keys. Whether one of them may be used once or twice is decided by
//! the store's *answer*, never by a read followed by a write. So the contract is small and sharp: one trait, [`Store`], with
//! seven methods, and no word of OAuth in it.
//!
//! - A [`Record`] has a [`Key`] (partition, kind, id), a [`Version`], an expiry and a payload. At its creation it may be entered
//!   in up to four lists ([`Index`]).
//! - A [`Batch`] changes records of *one* partition, all of them or none. Each operation says what it expects
//!   ([`Expect`]: any, absent, present, at a version) and what it does ([`Change`]: check, put, delete). A failed expectation is
//!   a [`CommitError::Conflict`] that names the key.
//! - What a batch puts bears the *batch's id* as its version. So a batch whose answer was lost can be sent again: it answers Ok
//!   and does nothing twice. [`CommitError::Unknown`] is the invitation to do so.
//! - Time is an argument. An expired record is absent for the caller whose `now` says so; the database's clock decides nothing.
//! - A [`Charge`] adds to a counter unless that would pass its limit: what guessing is throttled by.
//!
//! Protocol code does not call this bare: it stores typed values ([`Stored`], [`Found`]) in partitions that it picks so that
//! whatever must happen together lies together.
//!
//! A store that can also be walked from end to end and filled again offers [`Scan`]: moving it to another database, exports and
//! sealing dormant records anew rest on that, and nothing that serves a request does.
//!
//! # A store of one's own
//!
//! Look the records up inside a transaction, let [`Batch::judge`] decide, write. [`Charge::apply`] does the same for counters.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Mutex;
//!
//! use async_trait::async_trait;
//! use countersign_primitives::UnixTime;
//! use countersign_storage_traits::*;
//!
//! #[derive(Debug, Default)]
//! struct Shelf(Mutex<State>);
//!
//! #[derive(Debug, Default)]
//! struct State {
//!     records: BTreeMap<Key, (Record, Vec<Index>)>,
//!     counters: BTreeMap<CounterKey, Counter>,
//! }
//!
//! #[async_trait]
//! impl Store for Shelf {
//!     fn capabilities(&self) -> Capabilities {
//!         Capabilities::VOLATILE // or .durable(), when what commit answered Ok is on disk
//!     }
//!
//!     async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
//!         let state = self.0.lock().unwrap();
//!         let live = |key| state.records.get(key).filter(|(record, _)| record.expires_at > now);
//!         Ok(keys.iter().map(|key| live(key).map(|(record, _)| record.clone())).collect())
//!     }
//!
//!     async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
//!         batch.validate()?;
//!         let mut state = self.0.lock().unwrap(); // the transaction begins
//!         let records = &mut state.records;
//!         match batch.judge(|key| records.get(key).map(|(record, _)| Standing::from(record)))? {
//!             Judgement::AlreadyDone => return Ok(()),
//!             Judgement::Apply => {}
//!         }
//!         for op in batch.ops() {
//!             match &op.change {
//!                 Change::Check => {}
//!                 Change::Put { expires_at, indexes, payload } => {
//!                     let lives = records.get(&op.key).filter(|(held, _)| held.expires_at > batch.now());
//!                     let lists = lives.map_or(indexes, |(_, lists)| lists).clone(); // fixed while the record lives
//!                     let record = Record { version: batch.id(), expires_at: *expires_at, payload: payload.clone() };
//!                     records.insert(op.key, (record, lists));
//!                 }
//!                 Change::Delete => drop(records.remove(&op.key)),
//!             }
//!         }
//!         Ok(()) // the transaction ends
//!     }
//!
//!     async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
//!         let state = self.0.lock().unwrap();
//!         let listed = |(record, lists): &(Record, Vec<Index>)| record.expires_at > now && lists.contains(index);
//!         let after = after.map(|cursor| cursor.0);
//!         let beyond = |key: &Key| after.as_ref().is_none_or(|after| key.to_bytes()[..] > after[..]);
//!         let mut keys: Vec<Key> =
//!             state.records.iter().filter(|(key, entry)| beyond(key) && listed(entry)).map(|(key, _)| *key).collect();
//!         let more = keys.len() > usize::from(limit);
//!         keys.truncate(limit.into());
//!         let next = keys.last().filter(|_| more).map(|last| Cursor(last.to_bytes().to_vec().into()));
//!         Ok(Page { keys, next })
//!     }
//!
//!     async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
//!         let mut state = self.0.lock().unwrap();
//!         let mut charge = |charge: &Charge| {
//!             let (changed, charged) = charge.apply(state.counters.get(&charge.counter).copied(), now);
//!             changed.map(|counter| state.counters.insert(charge.counter, counter));
//!             charged
//!         };
//!         Ok(charges.iter().map(&mut charge).collect())
//!     }
//!
//!     async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
//!         let mut state = self.0.lock().unwrap();
//!         let (latest, mut removed) = (now.minus(SWEEP_MARGIN), 0);
//!         let mut goes = |expiry: UnixTime| {
//!             let goes = expiry < latest && removed < limit;
//!             removed += u32::from(goes);
//!             goes
//!         };
//!         state.records.retain(|_, (record, _)| !goes(record.expires_at));
//!         state.counters.retain(|_, counter| !goes(counter.resets_at));
//!         Ok(Swept { removed, more: removed == limit })
//!     }
//!
//!     async fn health(&self) -> Result<Health, StoreError> {
//!         Ok(Health::of("shelf"))
//!     }
//! }
//!
//! # /*
//! // In tests/contract.rs; a test for each guarantee, each with a shelf of its own:
//! countersign_storage_traits::testkit!(Shelf::default());
//! # */
//! # for guarantee in countersign_storage_traits::testkit::GUARANTEES {
//! #     countersign_storage_traits::testkit::run(guarantee.name, async { Shelf::default() }, |future| {
//! #         countersign_storage_traits::testkit::block_on(future)
//! #     });
//! # }
//! ```
//!
//! # How to prove it
//!
//! With feature `testkit` in the development dependencies, `testkit!(Shelf::default())` in a test file writes a `#[test]`
//! for every guarantee: races of 64 threads, repeated and dropped commits, clocks of the past and the future. The suite is itself
//! held against stores with planted faults, so a store that passes has been tried. The module `testkit` tells more.
//!
//! # Wrappers
//!
//! A wrapper is a store around a store, and passes the suite as any other.
//!
//! - [`Encrypted`] seals every payload under keys derived from the [`MasterKey`].
//! - [`Instrumented`] tells a [`StoreObserver`] what each call took and how it ended; [`StoreMetrics`] counts it without a lock.
//! - [`Cached`] remembers records of named kinds for at most 5 s. It stands above [`Encrypted`], and must not be given a kind whose
//!   end has to hold everywhere at once.
//! - The testkit's `Faulty` fails by a script, to test what stands above.
//!
//! # What this crate does not do
//!
//! Hold data: `countersign-storage-memory`, `countersign-storage-sqlx` and `countersign-storage-redis` do. Know what a code or a
//! grant is: the crates that own such records do. Promise more than the database keeps: what an adapter's settings cannot keep, its [`Capabilities`] say.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `testkit` | the module `testkit` and the macro `testkit!`: for development dependencies |
//!
//! # Where next
//!
//! [`Store`] has the contract, method by method. `docs/storage.md` in the repository says which records there are, and in which
//! order they are written.

mod batch;
mod cached;
mod encrypted;
mod error;
mod instrumented;
mod judge;
mod key;
mod key_file;
mod master_key;
mod metrics;
mod moving;
mod records;
mod root_key;
mod scan;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod transfer_key;

pub use batch::{Batch, BatchError, Change, Expect, Op, Version};
pub use cached::Cached;
pub use encrypted::{Encrypted, Resealed, Resealing};
pub use error::{CommitError, StoreError};
pub use instrumented::{Instrumented, Operation, Outcome, StoreObserver};
pub use judge::{Counter, Judgement, Standing};
pub use key::{CounterKey, Index, Key, Kind};
pub use master_key::{MasterKey, MasterKeyError, MasterKeyId};
pub use metrics::{OperationSnapshot, StoreMetrics, StoreSnapshot};
pub use moving::{Move, MoveError, Moved, Progress, Tally};
pub use records::{Found, Stored};
pub use root_key::RootKey;
pub use scan::{Item, Part, Scan, ScanPage};
pub use store::{
    BACKLOG_COUNTED, Capabilities, Charge, Charged, Cursor, Health, Page, Record, SWEEP_MARGIN, Store, Swept,
};
pub use transfer_key::{TransferKey, TransferKeyError};
