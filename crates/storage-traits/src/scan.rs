//! Walking a store from end to end, and filling another with what was found.

use async_trait::async_trait;
use countersign_primitives::UnixTime;

use crate::{Counter, CounterKey, Cursor, Index, Key, Kind, Record, Store, StoreError};

/// A store that can be walked from end to end, and filled with what another was found to hold.
///
/// Not part of what a server needs to serve: it is for moving a store to another database, for exports, and for sealing dormant
/// records anew. A store offers it by [`Store::as_scan`]. Nothing in it is judged by time: what has expired and was not swept yet is
/// told too.
///
/// ```
/// use countersign_storage_traits::{Item, Kind, Part, Scan, StoreError};
///
/// async fn how_many(store: &dyn Scan, kind: Kind) -> Result<usize, StoreError> {
///     let (mut count, mut after) = (0, None);
///     loop {
///         let page = store.scan(Part::RecordsOf(kind), after, 256).await?;
///         count += page.items.len();
///         after = page.next;
///         if after.is_none() {
///             return Ok(count);
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Scan: Store {
    /// Tells what the store holds, a page at a time. Everything that was committed before the first page was asked for, and is
    /// neither changed nor removed meanwhile, is told; what is changed while the walk goes on is told as it was or as it is; and
    /// anything may be told twice. An entry of a list is told while its record is there.
    ///
    /// A page has about `limit` items, sometimes none; only a missing [`ScanPage::next`] ends the walk.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError>;

    /// Writes items exactly as they are told by [`Scan::scan`]: version, expiry and payload of a record, its place in a list, what a
    /// counter shows. What is there under the same name is replaced; a record keeps the lists that it stands in. A list's entry
    /// counts only if its record is there already, so records go first. The same items again change nothing.
    ///
    /// It asks no expectation and may write some of the items when it fails, so it is for a store that nobody else uses yet.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; the same call may be made again.
    async fn restore(&self, items: &[Item]) -> Result<(), StoreError>;
}

/// What of a store is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All records.
    Records,
    /// The records of one kind.
    RecordsOf(Kind),
    /// The entries of all lists.
    Lists,
    /// All counters.
    Counters,
}

impl Part {
    /// Everything, in the order in which another store can be filled with it.
    pub const ALL: [Self; 3] = [Self::Records, Self::Lists, Self::Counters];

    /// Whether records of this kind are asked for: for adapters.
    #[must_use]
    pub fn wants(self, kind: Kind) -> bool {
        match self {
            Self::Records => true,
            Self::RecordsOf(wanted) => wanted == kind,
            Self::Lists | Self::Counters => false,
        }
    }
}

/// Something that a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A record.
    Record {
        /// Where it lives.
        key: Key,
        /// What it is.
        record: Record,
    },
    /// An entry of a list.
    Entry {
        /// Which list.
        index: Index,
        /// The record that stands in it.
        key: Key,
        /// When that record counts as absent.
        expires_at: UnixTime,
    },
    /// A counter.
    Counter {
        /// Which one.
        counter: CounterKey,
        /// What it shows.
        shows: Counter,
    },
}

impl Item {
    /// From when on it counts as absent.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        match self {
            Self::Record { record, .. } => record.expires_at,
            Self::Entry { expires_at, .. } => *expires_at,
            Self::Counter { shows, .. } => shows.resets_at,
        }
    }
}

/// A page of a walk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScanPage {
    /// What was found.
    pub items: Vec<Item>,
    /// Where to go on; none when this was the last page.
    pub next: Option<Cursor>,
    /// How many records were left out because they could not be opened: another issuer's, or damaged. Only a wrapper that seals
    /// leaves any out.
    pub unread: u32,
}

impl dyn Store + '_ {
    /// The store as one that can be walked.
    ///
    /// # Errors
    /// [`StoreError::NotScannable`] when it cannot be.
    pub fn scannable(&self) -> Result<&dyn Scan, StoreError> {
        self.as_scan().ok_or(StoreError::NotScannable)
    }
}
