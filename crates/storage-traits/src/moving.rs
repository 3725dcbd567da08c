//! A whole store, moved to another database.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
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
/// Both stores must rest, and marks see to it. One in the target keeps servers from starting on it until the end
/// ([`StoreError::HalfMoved`]). One in the source keeps servers from starting there, and from [`Move::NOTICED`] on those that serve from it
/// refuse every call ([`StoreError::MovedAway`], answered as 503); it stays when the move has ended, so that nothing is written where it
/// would be lost, and [`Move::reopen`] lifts it. [`Move::mark`] sets both beforehand, for hosts whose servers may still run. What changes in
/// the source all the same is found at the end and is an error.
///
/// A move that was killed is begun again by the same call, which writes everything once more. One that fails lifts the source's mark again.
/// But for the mark, the source is only read.
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
    name: &'a str,
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
const MARK: Key = Key::root(Kind(81), Id::from_bytes(*b"countersign move"));
/// The record that says where everything in a store went. It lies beside the other, so that one commit may change both.
pub(crate) const LEFT: Key = Key::new(MARK.partition, MARK.kind, Id::from_bytes(*b"countersign left"));

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

/// Why a store was not moved. The source is as it was, and servers may use it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The source holds nothing.
    #[error("there is nothing to move: the source is empty")]
    Empty,
    /// The source was to be filled by a move that did not end.
    #[error("the source was itself to be filled by a move that did not end: end that one first")]
    SourceUnfinished,
    /// The source was moved to another target, or a move there was begun.
    #[error(
        "the source was already moved to {to}, or a move there was begun: end that one, or empty that store and lift the source's mark"
    )]
    SourceMoved {
        /// What the other target is called.
        to: Arc<str>,
    },
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
        Self { source, target, clock, random, name: "another store", page: PAGE, class: CLASS }
    }

    /// From so long after [`Move::mark`] on no server writes to the source.
    pub const NOTICED: Duration = Duration::from_secs(5);

    /// What the target is called, for those who find the source's mark: without a password.
    #[must_use]
    pub fn named(mut self, target: &'a str) -> Self {
        self.name = target;
        self
    }

    /// How many items are read and written at once, and how many are compared at once: what bounds memory. Defaults: 512, and about a
    /// million.
    #[must_use]
    pub fn at_once(mut self, page: u16, compared: usize) -> Self {
        (self.page, self.class) = (page.max(1), compared.max(1));
        self
    }

    /// Marks both stores and moves nothing yet. Whose servers may still run waits for [`Move::NOTICED`] between this and [`Move::run`].
    ///
    /// # Errors
    /// As [`Move::run`].
    pub async fn mark(&self) -> Result<(), MoveError> {
        self.mark_both().await.map(drop)
    }

    /// Marks both stores, moves, compares, and tells how far it has come after each page.
    ///
    /// # Errors
    /// [`MoveError`] says what is wrong, and what to do.
    pub async fn run(&self, progress: impl FnMut(Progress) + Send) -> Result<Moved, MoveError> {
        let (left, mark) = self.mark_both().await?;
        let moved = self.run_marked(mark, progress).await;
        if moved.is_err() {
            // Nobody serves from the target, so the source is as good as before. Whoever took over has a mark of another version.
            let _ = self.put(self.source, LEFT, Expect::At(left), UnixTime::default(), "").await;
        }
        moved
    }

    async fn run_marked(
        &self,
        mut mark: Version,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Moved, MoveError> {
        let (copied, expired) = self.copy(&mut mark, &mut progress).await?;
        if copied.all() == 0 {
            self.release(mark).await?;
            return Err(MoveError::Empty);
        }
        let (compared, digest) = self.compare(&mut mark, copied.all(), &mut progress).await?;
        self.release(mark).await?;
        Ok(Moved { compared, expired, digest })
    }

    /// Lifts the mark that a move left in its source, so that servers may use it again, and says what the target was called; none if there
    /// was no mark. A server that refused because of it serves again within [`Move::NOTICED`]. First see that nothing serves from the
    /// target: what happened there is not known here, and what is spent there could be spent here once more.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; the same call may be made again.
    pub async fn reopen(
        source: &dyn Store,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<Option<Arc<str>>, StoreError> {
        let Some(mark) = source.get(&[LEFT], clock.now()).await?.pop().flatten() else { return Ok(None) };
        let mut batch = Batch::new(LEFT.partition, clock.now(), random)?;
        batch.put(LEFT, Expect::At(mark.version), UnixTime::default(), Vec::new(), "");
        match source.commit_surely(&batch).await {
            Ok(()) => Ok(Some(target_of(&mark))),
            Err(CommitError::Conflict(_)) => Err(StoreError::unavailable("a move is under way")),
            Err(CommitError::Unknown(error) | CommitError::Refused(error)) => Err(error),
        }
    }

    /// The versions of the marks in source and target.
    async fn mark_both(&self) -> Result<(Version, Version), MoveError> {
        let [unfinished, left] = self.read_marks(self.source).await.map_err(MoveError::Source)?;
        if unfinished.is_some() {
            return Err(MoveError::SourceUnfinished);
        }
        let expect = match left {
            Some(left) if *target_of(&left) == *self.name => Expect::At(left.version),
            Some(left) => return Err(MoveError::SourceMoved { to: target_of(&left) }),
            None => Expect::Absent,
        };
        // The target first: what stands in the way there is told before any server on the source is stopped.
        let mark = self.begin().await?;
        match self.put(self.source, LEFT, expect, UnixTime::MAX, self.name).await.map_err(MoveError::Source)? {
            Some(left) => Ok((left, mark)),
            None => Err(MoveError::TakenOver),
        }
    }

    async fn read_marks(&self, store: &dyn Scan) -> Result<[Option<Record>; 2], StoreError> {
        let mut found = store.get(&[MARK, LEFT], self.clock.now()).await?.into_iter();
        Ok([found.next().flatten(), found.next().flatten()])
    }

    /// Marks the target, or takes over the mark of a move that did not end.
    async fn begin(&self) -> Result<Version, MoveError> {
        let [mark, _] = self.read_marks(self.target).await.map_err(MoveError::Target)?;
        let expect = match mark {
            Some(mark) => Expect::At(mark.version),
            None if self.is_empty().await? => Expect::Absent,
            None => return Err(MoveError::NotEmpty),
        };
        self.mark_target(expect, UnixTime::MAX).await
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
    async fn mark_target(&self, expect: Expect, expires_at: UnixTime) -> Result<Version, MoveError> {
        let version = self.put(self.target, MARK, expect, expires_at, "a move into this store was begun").await;
        version.map_err(MoveError::Target)?.ok_or(MoveError::TakenOver)
    }

    /// Ends the mark. A deletion under an expectation could not be told from a lost race, so it expires. So does the mark of an earlier
    /// move out of this store.
    async fn release(&self, mark: Version) -> Result<(), MoveError> {
        self.put(self.target, LEFT, Expect::Any, UnixTime::default(), "").await.map_err(MoveError::Target)?;
        self.mark_target(Expect::At(mark), UnixTime::default()).await.map(drop)
    }

    /// The version of a mark that was written; none when others were first.
    async fn put(
        &self,
        store: &dyn Scan,
        key: Key,
        expect: Expect,
        expires_at: UnixTime,
        payload: &str,
    ) -> Result<Option<Version>, StoreError> {
        let mut batch = Batch::new(key.partition, self.clock.now(), self.random)?;
        batch.put(key, expect, expires_at, Vec::new(), Bytes::copy_from_slice(payload.as_bytes()));
        for tries_left in (0..3).rev() {
            match store.commit(&batch).await {
                Ok(()) => return Ok(Some(batch.id())),
                Err(CommitError::Conflict(_)) => return Ok(None),
                Err(CommitError::Unknown(_)) if tries_left > 0 => {}
                Err(CommitError::Unknown(error) | CommitError::Refused(error)) => return Err(error),
            }
        }
        Ok(None)
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
                    *mark = self.mark_target(Expect::At(*mark), UnixTime::MAX).await?;
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
                *mark = self.mark_target(Expect::At(*mark), UnixTime::MAX).await?;
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
    matches!(item, Item::Record { key, .. } if [MARK, LEFT].contains(key))
}

/// What the mark in a source says of where everything went.
pub(crate) fn target_of(left: &Record) -> Arc<str> {
    String::from_utf8_lossy(&left.payload).into()
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

/// Refuses a store that is half moved, or was moved away.
pub(crate) async fn check_marks(store: &(impl Store + ?Sized), now: UnixTime) -> Result<(), StoreError> {
    let mut found = store.get(&[MARK, LEFT], now).await?.into_iter();
    match (found.next().flatten(), found.next().flatten()) {
        (Some(_), _) => Err(StoreError::HalfMoved),
        (None, Some(left)) => Err(StoreError::MovedAway { to: target_of(&left) }),
        (None, None) => Ok(()),
    }
}
