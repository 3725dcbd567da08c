//! A whole store, moved to another database.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use countersign_primitives::{Clock, Id, Random, RandomError, UnixTime};
use ring::digest;

use crate::{
    Batch, CommitError, Cursor, Expect, Item, Key, Kind, Part, Record, SWEEP_MARGIN, Scan, Store, StoreError, Version,
};

/// Moves everything that a store holds to an empty one: versions, expiries, payloads, lists and counters stay as they are. Payloads
/// stay sealed, so no key is needed, and the same master key opens them afterwards.
///
/// Both stores must rest: stop every server that uses the source, and start none on the target. What changes in the source while it
/// is read is found at the end and is an error. Until the end a mark in the target keeps servers from starting on it
/// ([`StoreError::HalfMoved`]); a move that was killed is begun again by the same call, which writes everything once more. The source is
/// only read.
///
/// ```
/// use countersign_primitives::{Clock, Random};
/// use countersign_storage_traits::{Move, MoveError, Moved, Scan};
///
/// async fn to_postgres(
///     sqlite: &dyn Scan,
///     postgres: &dyn Scan,
///     clock: &dyn Clock,
///     random: &dyn Random,
/// ) -> Result<Moved, MoveError> {
///     Move::new(sqlite, postgres, clock, random).run(|progress| eprintln!("{progress}")).await
/// }
/// ```
pub struct Move<'a> {
    source: &'a dyn Scan,
    target: &'a dyn Scan,
    clock: &'a dyn Clock,
    random: &'a dyn Random,
    page: u16,
    class: usize,
}

/// How many items are read and written at once.
const PAGE: u16 = 512;
/// How many items are compared at once: what bounds memory, at some 32 bytes an item and side.
const CLASS: usize = 1 << 20;
/// What expires so soon after the comparison began is not compared: it may go while the comparison runs.
const SOON: Duration = Duration::from_secs(60);
/// Times from here on are the end of time in every database.
const END: u64 = (1 << 53) - 1;

/// The record that says that a store is being filled.
pub(crate) const MARK: Key = Key::root(Kind(81), Id::from_bytes(*b"countersign move"));

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// How much of it there is in the target, by what was compared at the end.
    pub compared: Tally,
    /// How many records, entries and counters had expired and were left behind.
    pub expired: u64,
    /// A digest of what was compared: SHA-256 over the digests of all items, in order.
    pub digest: [u8; 32],
}

/// How much of each part there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Records.
    pub records: u64,
    /// Entries of lists.
    pub entries: u64,
    /// Counters.
    pub counters: u64,
}

impl Tally {
    fn count(&mut self, item: &Item) {
        match item {
            Item::Record { .. } => self.records += 1,
            Item::Entry { .. } => self.entries += 1,
            Item::Counter { .. } => self.counters += 1,
        }
    }

    fn all(&self) -> u64 {
        self.records + self.entries + self.counters
    }
}

/// How far a move has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So much was copied.
    Copied(Tally),
    /// So much of the copies was compared; `of` counts both sides.
    Compared {
        /// So many items so far.
        items: u64,
        /// About so many in all.
        of: u64,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copied(Tally { records, entries, counters }) => {
                write!(f, "copied {records} records, {entries} entries of lists, {counters} counters")
            }
            Self::Compared { items, of } => write!(f, "compared {items} of about {of}"),
        }
    }
}

/// Why a store was not moved. The source is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The source holds nothing.
    #[error("there is nothing to move: the source is empty")]
    Empty,
    /// The source was to be filled by a move that did not end.
    #[error("the source was itself to be filled by a move that did not end: end that one first")]
    SourceUnfinished,
    /// The target holds something that no move into it has begun to write.
    #[error("the target is not empty: name an empty database, for nothing in it is overwritten")]
    NotEmpty,
    /// Another move into the same target has begun.
    #[error("another move into the same target has taken over")]
    TakenOver,
    /// At the end source and target differ.
    #[error(
        "source and target differ ({missing} missing, {extra} too many): the source was used meanwhile, or between two tries. Stop every \
         server on it, empty the target, and move again"
    )]
    Differs {
        /// How many items of the source the target lacks.
        missing: u64,
        /// How many items the target has beyond those of the source.
        extra: u64,
    },
    /// The source cannot be read.
    #[error("the source cannot be read: {0}")]
    Source(#[source] StoreError),
    /// The target cannot be written or read.
    #[error("the target cannot be written: {0}")]
    Target(#[source] StoreError),
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl<'a> Move<'a> {
    /// From `source` to `target`, both bare: without [`Encrypted`](crate::Encrypted) around them.
    #[must_use]
    pub fn new(source: &'a dyn Scan, target: &'a dyn Scan, clock: &'a dyn Clock, random: &'a dyn Random) -> Self {
        Self { source, target, clock, random, page: PAGE, class: CLASS }
    }

    /// How many items are read and written at once, and how many are compared at once: what bounds memory. Defaults: 512, and about a
    /// million.
    #[must_use]
    pub fn at_once(mut self, page: u16, compared: usize) -> Self {
        (self.page, self.class) = (page.max(1), compared.max(1));
        self
    }

    /// Moves, compares, and tells how far it has come after each page.
    ///
    /// # Errors
    /// [`MoveError`] says what is wrong, and what to do.
    pub async fn run(&self, mut progress: impl FnMut(Progress) + Send) -> Result<Moved, MoveError> {
        if self.read_mark(self.source).await.map_err(MoveError::Source)?.is_some() {
            return Err(MoveError::SourceUnfinished);
        }
        let mut mark = self.begin().await?;
        let (copied, expired) = self.copy(&mut mark, &mut progress).await?;
        if copied.all() == 0 {
            self.release(mark).await?;
            return Err(MoveError::Empty);
        }
        let (compared, digest) = self.compare(&mut mark, copied.all(), &mut progress).await?;
        self.release(mark).await?;
        Ok(Moved { compared, expired, digest })
    }

    async fn read_mark(&self, store: &dyn Scan) -> Result<Option<Record>, StoreError> {
        Ok(store.get(&[MARK], self.clock.now()).await?.pop().flatten())
    }

    /// Marks the target, or takes over the mark of a move that did not end.
    async fn begin(&self) -> Result<Version, MoveError> {
        let expect = match self.read_mark(self.target).await.map_err(MoveError::Target)? {
            Some(mark) => Expect::At(mark.version),
            None if self.is_empty().await? => Expect::Absent,
            None => return Err(MoveError::NotEmpty),
        };
        self.mark(expect, UnixTime::MAX).await
    }

    async fn is_empty(&self) -> Result<bool, MoveError> {
        for part in Part::ALL {
            let mut after = None;
            loop {
                let page = self.target.scan(part, after, self.page).await.map_err(MoveError::Target)?;
                if page.items.iter().any(|item| !is_mark(item)) {
                    return Ok(false);
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Writes the mark, and so learns whether it is still this move's.
    async fn mark(&self, expect: Expect, expires_at: UnixTime) -> Result<Version, MoveError> {
        let mut batch = Batch::new(MARK.partition, self.clock.now(), self.random)?;
        batch.put(MARK, expect, expires_at, Vec::new(), Bytes::from_static(b"a move into this store was begun"));
        for tries_left in (0..3).rev() {
            match self.target.commit(&batch).await {
                Ok(()) => return Ok(batch.id()),
                Err(CommitError::Conflict(_)) => return Err(MoveError::TakenOver),
                Err(CommitError::Unknown(_)) if tries_left > 0 => {}
                Err(CommitError::Unknown(error) | CommitError::Refused(error)) => return Err(MoveError::Target(error)),
            }
        }
        Err(MoveError::TakenOver)
    }

    /// Ends the mark. A deletion under an expectation could not be told from a lost race, so it expires.
    async fn release(&self, mark: Version) -> Result<(), MoveError> {
        self.mark(Expect::At(mark), UnixTime::default()).await.map(drop)
    }

    async fn copy(
        &self,
        mark: &mut Version,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(Tally, u64), MoveError> {
        let (mut copied, mut expired) = (Tally::default(), 0);
        for part in Part::ALL {
            let mut after: Option<Cursor> = None;
            loop {
                let page = self.source.scan(part, after, self.page).await.map_err(MoveError::Source)?;
                let old = self.clock.now().minus(SWEEP_MARGIN);
                let (items, gone): (Vec<Item>, Vec<Item>) =
                    page.items.into_iter().filter(|item| !is_mark(item)).partition(|item| item.expires_at() >= old);
                expired += gone.len() as u64;
                items.iter().for_each(|item| copied.count(item));
                if !items.is_empty() {
                    *mark = self.mark(Expect::At(*mark), UnixTime::MAX).await?;
                    self.target.restore(&items).await.map_err(MoveError::Target)?;
                    progress(Progress::Copied(copied));
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok((copied, expired))
    }

    /// Compares what both sides hold, a class of items at a time. What expires soon is left out, for a database may drop it meanwhile; if
    /// the comparison took longer than that, it is made again with more patience.
    async fn compare(
        &self,
        mark: &mut Version,
        copied: u64,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(Tally, [u8; 32]), MoveError> {
        let classes = (usize::try_from(copied).unwrap_or(usize::MAX) / self.class) as u128 + 1;
        let of = u64::try_from(classes).unwrap_or(u64::MAX).saturating_mul(copied).saturating_mul(2);
        let mut patience = SOON;
        loop {
            let horizon = self.clock.now().plus(patience);
            let (mut tally, mut difference, mut seen) = (Tally::default(), (0, 0), 0);
            let mut all = digest::Context::new(&digest::SHA256);
            for class in 0..classes {
                let wanted = |digest: u128| digest % classes == class;
                let mut read = async |store, side: fn(StoreError) -> MoveError| {
                    let mut tell = |items| {
                        seen += items;
                        progress(Progress::Compared { items: seen, of });
                    };
                    self.survey(store, horizon, &wanted, &mut tell).await.map_err(side)
                };
                let (source, counted) = read(self.source, MoveError::Source).await?;
                let (target, _) = read(self.target, MoveError::Target).await?;
                *mark = self.mark(Expect::At(*mark), UnixTime::MAX).await?;
                difference.0 += source.difference(&target).count() as u64;
                difference.1 += target.difference(&source).count() as u64;
                tally.records += counted.records;
                tally.entries += counted.entries;
                tally.counters += counted.counters;
                let mut sorted: Vec<u128> = source.into_iter().collect();
                sorted.sort_unstable();
                sorted.iter().for_each(|digest| all.update(&digest.to_be_bytes()));
            }
            if self.clock.now() > horizon.plus(SWEEP_MARGIN) {
                patience *= 2;
                continue;
            }
            let (missing, extra) = difference;
            if (missing, extra) != (0, 0) {
                return Err(MoveError::Differs { missing, extra });
            }
            let mut digest = [0; 32];
            digest.copy_from_slice(all.finish().as_ref());
            return Ok((tally, digest));
        }
    }

    /// The digests of a class of what a store holds beyond the horizon. A set, for a walk may tell anything twice.
    async fn survey(
        &self,
        store: &dyn Scan,
        horizon: UnixTime,
        wanted: &(impl Fn(u128) -> bool + Sync),
        tell: &mut (impl FnMut(u64) + Send),
    ) -> Result<(HashSet<u128>, Tally), StoreError> {
        let (mut digests, mut tally) = (HashSet::new(), Tally::default());
        for part in Part::ALL {
            let mut after = None;
            loop {
                let page = store.scan(part, after, self.page).await?;
                tell(page.items.len() as u64);
                for item in page.items.iter().filter(|item| item.expires_at() > horizon && !is_mark(item)) {
                    let digest = digest_of(item);
                    if wanted(digest) && digests.insert(digest) {
                        tally.count(item);
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok((digests, tally))
    }
}

impl fmt::Debug for Move<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Move").field("source", &self.source).field("target", &self.target).finish_non_exhaustive()
    }
}

fn is_mark(item: &Item) -> bool {
    matches!(item, Item::Record { key, .. } if *key == MARK)
}

/// The first half of SHA-256 over all that an item is. Each sort begins with a byte of its own, and its parts but the last are of
/// fixed length.
fn digest_of(item: &Item) -> u128 {
    let mut context = digest::Context::new(&digest::SHA256);
    let time = |time: UnixTime| time.as_millis().min(END).to_be_bytes();
    match item {
        Item::Record { key, record } => {
            context.update(&[1]);
            context.update(&key.to_bytes());
            context.update(&record.version.number().to_be_bytes());
            context.update(&time(record.expires_at));
            context.update(&record.payload);
        }
        Item::Entry { index, key, .. } => {
            context.update(&[2, index.name]);
            context.update(index.value.as_bytes());
            context.update(&key.to_bytes());
        }
        Item::Counter { counter, shows } => {
            context.update(&[3]);
            context.update(counter.0.as_bytes());
            context.update(&shows.count.to_be_bytes());
            context.update(&time(shows.resets_at));
        }
    }
    let mut half = [0; 16];
    half.copy_from_slice(&context.finish().as_ref()[..16]);
    u128::from_be_bytes(half)
}

/// Whether a move into this store was begun and did not end.
pub(crate) async fn is_half_moved(store: &(impl Store + ?Sized), now: UnixTime) -> Result<bool, StoreError> {
    Ok(store.get(&[MARK], now).await?.into_iter().flatten().next().is_some())
}
