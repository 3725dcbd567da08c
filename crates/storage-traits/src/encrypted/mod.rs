//! A store whose payloads are sealed.

mod resealing;
mod watch;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_primitives::{Id, Random, UnixTime};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;
use zeroize::Zeroizing;

use self::resealing::Walk;
use self::watch::Watch;
use crate::moving::{LEFT, check_marks};
use crate::{
    Batch, Capabilities, Charge, Charged, CommitError, CounterKey, Cursor, Expect, Health, Index, Item, Key, Kind,
    MasterKey, MasterKeyId, Page, Part, Record, RootKey, Scan, ScanPage, Store, StoreError, Swept, Version,
};

pub use self::resealing::{Resealed, Resealing};

/// A store that seals every payload before another store sees it, and opens it on the way back.
///
/// AES-256-GCM (NIST SP 800-38D) under a key derived from the master key for this issuer alone, with a random nonce. What is
/// sealed is bound to issuer, key and version: a row that somebody copied to another key, gave another version or took from
/// another issuer's database cannot be opened. Keys, expiries, indexes and counters stay readable; they are hashes and times.
///
/// Partitions, indexes and counters are moved to a place of the issuer's own, so that two issuers on one store cannot meet: what
/// one names is absent for the other.
///
/// ```
/// use std::sync::Arc;
/// use countersign_primitives::SystemRandom;
/// use countersign_storage_traits::{Encrypted, MasterKey, Store};
///
/// fn sealed(store: impl Store, key: &MasterKey) -> impl Store {
///     Encrypted::new(store, key, "https://id.example.com", Arc::new(SystemRandom))
/// }
/// ```
///
/// It is also where a server notices that its store was [moved](crate::Move): every few seconds the mark is read along with whatever is read at
/// that moment, and from then on every call is refused ([`StoreError::MovedAway`]).
///
/// What it does not stop: whoever can write to the database can delete a row, change its expiry, or bring back an old row
/// together with its old version. Under one master key and issuer at most 2^32 payloads should be written (SP 800-38D §8.3).
#[derive(Clone)]
pub struct Encrypted<S> {
    store: S,
    realm: [u8; 32],
    name: Arc<str>,
    /// The first one seals; each opens what it sealed.
    keys: Vec<Sealing>,
    random: Arc<dyn Random>,
    watch: Arc<Watch>,
    walk: Arc<Walk>,
}

#[derive(Clone)]
struct Sealing {
    id: MasterKeyId,
    key: Arc<Option<LessSafeKey>>,
    /// What it sealed is to be sealed anew.
    is_replaced: bool,
}

/// The first byte of what is sealed.
const FORMAT_SEALED: u8 = 2;
/// Format, key id, nonce.
const HEADER: usize = 1 + 4 + NONCE_LEN;
/// What the cipher appends.
const TAG: usize = 16;
/// The kind of the record that keeps the root key.
const ROOT_KEY: Kind = Kind(80);

impl<S: Store> Encrypted<S> {
    /// Seals what goes to `store` for the issuer `realm`.
    #[must_use]
    pub fn new(store: S, master: &MasterKey, realm: &str, random: Arc<dyn Random>) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, realm.as_bytes()).as_ref());
        Self {
            store,
            realm: hash,
            name: realm.into(),
            keys: vec![Sealing::new(master, realm)],
            random,
            watch: Arc::new(Watch::new()),
            walk: Arc::default(),
        }
    }

    /// Also opens what `next` sealed, and goes on sealing under the present key: what every node learns before any of them seals
    /// under the next master key.
    #[must_use]
    pub fn also_opens(mut self, next: &MasterKey) -> Self {
        self.keys.push(Sealing::new(next, &self.name));
        self
    }

    /// Also opens what an earlier master key sealed. Whatever is written again is sealed under the present one, and so is, as it is
    /// read, what never expires. The earlier key can go when all else has expired and every such record was read or written.
    #[must_use]
    pub fn replaces(mut self, earlier: &MasterKey) -> Self {
        self.keys.push(Sealing { is_replaced: true, ..Sealing::new(earlier, &self.name) });
        self
    }

    /// The store below.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.store
    }

    /// The root key of this realm, from which names and tags are derived. The first call makes it; later ones read it, so that a
    /// lost master key is an error at start and not at the first login. A root key that an earlier master key sealed is sealed
    /// anew under the present one.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`] when the store was sealed under a master key that is not among those given,
    /// [`StoreError::HalfMoved`] while a [`Move`](crate::Move) into it has not ended, [`StoreError::MovedAway`] when one out of it has begun;
    /// else as the store fails.
    pub async fn root_key(&self, now: UnixTime) -> Result<RootKey, StoreError>
    where
        S: 'static,
    {
        let mut id = [0; 16];
        id.copy_from_slice(&digest::digest(&digest::SHA256, &self.realm).as_ref()[..16]);
        let key = Key::root(ROOT_KEY, Id::from_bytes(id));
        let store: &dyn Store = self;
        check_marks(&self.store, now).await?;
        self.watch.note(None, now);
        // The second read is for the process that lost the race to write the first record.
        for _ in 0..2 {
            if let Some(record) = self.get(&[key], now).await?.into_iter().flatten().next() {
                let bytes: [u8; RootKey::LENGTH] =
                    (*record.payload).try_into().map_err(|_| StoreError::Corrupt { key, reason: "no root key" })?;
                return Ok(RootKey::from_bytes(bytes));
            }
            let mut fresh = Zeroizing::new([0; RootKey::LENGTH]);
            self.random.fill(&mut *fresh)?;
            let mut batch = Batch::new(key.partition, now, &*self.random)?;
            batch.put(key, Expect::Absent, UnixTime::MAX, Vec::new(), Bytes::copy_from_slice(&*fresh));
            match store.commit_surely(&batch).await {
                Ok(()) => return Ok(RootKey::from_bytes(*fresh)),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Unknown(error) | CommitError::Refused(error)) => return Err(error),
            }
        }
        Err(StoreError::Corrupt { key, reason: "absent and present at once" })
    }

    /// Refuses what goes to a store that was moved away. Only a write that no read went before, for some seconds, looks for itself.
    async fn admit(&self, now: UnixTime) -> Result<(), StoreError> {
        if self.watch.is_due(now) {
            let mark = self.store.get(&[LEFT], now).await?.pop().flatten();
            self.watch.note(mark.as_ref(), now);
        }
        self.watch.admit()
    }

    fn seal(&self, key: &Key, version: Version, payload: &Bytes) -> Result<Bytes, StoreError> {
        let sealing = self.keys.first().ok_or(StoreError::WrongKey { key: *key })?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce)?;
        let mut sealed = Vec::with_capacity(HEADER + payload.len() + TAG);
        sealed.push(FORMAT_SEALED);
        sealed.extend_from_slice(&sealing.id.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(payload);
        let cipher = sealing.cipher(key)?;
        let tag = cipher
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.context(key, version)),
                &mut sealed[HEADER..],
            )
            .map_err(|_| StoreError::Encode("the payload cannot be sealed".into()))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed.into())
    }

    /// Opens a record, and says whether it is to be sealed anew.
    fn open(&self, key: &Key, record: &Record) -> Result<(Record, Sealed), StoreError> {
        let corrupt = |reason| StoreError::Corrupt { key: *key, reason };
        let sealed = &record.payload;
        if sealed.first().is_some_and(|format| *format != FORMAT_SEALED) {
            return Err(corrupt("not sealed"));
        }
        if sealed.len() < HEADER + TAG {
            return Err(corrupt("too short to be sealed"));
        }
        let (id, nonce) = sealed[1..HEADER].split_at(4);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| corrupt("too short to be sealed"))?;
        let mut tried = false;
        for sealing in self.keys.iter().filter(|sealing| sealing.id.0 == *id) {
            tried = true;
            let mut payload = sealed[HEADER..].to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce.as_ref());
            let aad = Aad::from(self.context(key, record.version));
            if let Ok(opened) = sealing.cipher(key)?.open_in_place(nonce, aad, &mut payload) {
                let length = opened.len();
                payload.truncate(length);
                let opened = Record { payload: payload.into(), ..*record };
                return Ok((opened, if sealing.is_replaced { Sealed::Earlier } else { Sealed::WellEnough }));
            }
        }
        if !tried {
            return Err(StoreError::WrongKey { key: *key });
        }
        Err(corrupt("damaged, moved from another key or version, or another issuer's"))
    }

    /// The issuer's own place for a partition, an index or a counter; and, asked with the place, what it stands for.
    fn own(&self, id: Id) -> Id {
        let mut own = *id.as_bytes();
        own.iter_mut().zip(&self.realm).for_each(|(byte, realm)| *byte ^= realm);
        Id::from_bytes(own)
    }

    fn moved(&self, key: Key) -> Key {
        Key { partition: self.own(key.partition), ..key }
    }

    /// An entry or a counter at the issuer's own place; and, asked with the place, what it stands for.
    fn elsewhere(&self, item: Item) -> Item {
        match item {
            Item::Record { key, record } => Item::Record { key: self.moved(key), record },
            Item::Entry { index, key, expires_at } => {
                let index = Index { value: self.own(index.value), ..index };
                Item::Entry { index, key: self.moved(key), expires_at }
            }
            Item::Counter { counter, shows } => Item::Counter { counter: CounterKey(self.own(counter.0)), shows },
        }
    }

    /// What the payload is bound to: issuer, key, version.
    fn context(&self, key: &Key, version: Version) -> [u8; 73] {
        let mut context = [0; 73];
        context[..32].copy_from_slice(&self.realm);
        context[32..65].copy_from_slice(&key.to_bytes());
        context[65..].copy_from_slice(&version.number().to_be_bytes());
        context
    }
}

/// Whether a record is to be sealed anew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sealed {
    WellEnough,
    Earlier,
}

impl Sealing {
    fn new(master: &MasterKey, realm: &str) -> Self {
        let derived = master.derive_bytes(realm, "seal payloads");
        let key = UnboundKey::new(&AES_256_GCM, derived.as_slice()).map(LessSafeKey::new);
        Self { id: master.id(), key: Arc::new(key.ok()), is_replaced: false }
    }

    /// Never absent: a derived key has the cipher's length.
    fn cipher(&self, key: &Key) -> Result<&LessSafeKey, StoreError> {
        (*self.key).as_ref().ok_or(StoreError::WrongKey { key: *key })
    }
}

impl<S: fmt::Debug> fmt::Debug for Encrypted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted").field("store", &self.store).field("realm", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: Store> Store for Encrypted<S> {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        let looks = self.watch.is_due(now);
        let mut places = Vec::with_capacity(keys.len() + 1);
        places.extend(keys.iter().map(|key| self.moved(*key)));
        if looks {
            places.push(LEFT);
        }
        let mut records = self.store.get(&places, now).await?;
        if looks {
            let mark = records.drain(keys.len()..).next().flatten();
            self.watch.note(mark.as_ref(), now);
        }
        self.watch.admit()?;
        let mut answer = Vec::with_capacity(keys.len());
        for (key, record) in keys.iter().zip(records) {
            answer.push(match record.map(|record| self.open(key, &record)).transpose()? {
                Some((record, Sealed::Earlier)) if record.expires_at == UnixTime::MAX => {
                    Some(self.renewed(key, record, now).await)
                }
                opened => opened.map(|(record, _)| record),
            });
        }
        Ok(answer)
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        batch.validate()?;
        let sealed = batch.map_payloads(|key, payload| self.seal(key, batch.id(), payload));
        let sealed = sealed.map_err(CommitError::Refused)?.moved(|id| self.own(id));
        self.admit(batch.now()).await.map_err(CommitError::Refused)?;
        self.store.commit(&sealed).await.map_err(|error| match error {
            CommitError::Conflict(place) => CommitError::Conflict(self.moved(place)),
            other => other,
        })
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.admit(now).await?;
        let index = Index { name: index.name, value: self.own(index.value) };
        let page = self.store.list(&index, after, limit, now).await?;
        Ok(Page { keys: page.keys.into_iter().map(|place| self.moved(place)).collect(), next: page.next })
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.admit(now).await?;
        let own = |charge: &Charge| Charge { counter: CounterKey(self.own(charge.counter.0)), ..*charge };
        self.store.charge(&charges.iter().map(own).collect::<Vec<_>>(), now).await
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.admit(now).await?;
        self.store.sweep(now, limit).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.watch.admit()?;
        self.store.health().await
    }
    fn as_scan(&self) -> Option<&dyn Scan> {
        self.store.as_scan().map(|_| self as &dyn Scan)
    }
}

/// Records come opened and from their own places. What cannot be opened is left out and counted, for it may be another issuer's.
/// Of lists and counters nobody can tell whose they are: all are told, at the places that they would have for this issuer.
#[async_trait]
impl<S: Store> Scan for Encrypted<S> {
    async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        let store: &dyn Store = &self.store;
        let page = store.scannable()?.scan(part, after, limit).await?;
        let mut own = ScanPage { items: Vec::with_capacity(page.items.len()), ..page };
        for item in page.items {
            match item {
                Item::Record { key: place, record } => {
                    let key = self.moved(place);
                    match self.open(&key, &record) {
                        Ok((record, _)) => own.items.push(Item::Record { key, record }),
                        Err(StoreError::Corrupt { .. } | StoreError::WrongKey { .. }) => own.unread += 1,
                        Err(error) => return Err(error),
                    }
                }
                other => own.items.push(self.elsewhere(other)),
            }
        }
        Ok(own)
    }

    async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        let sealed = items.iter().map(|item| match item {
            Item::Record { key, record } => {
                let payload = self.seal(key, record.version, &record.payload)?;
                Ok(Item::Record { key: self.moved(*key), record: Record { payload, ..*record } })
            }
            other => Ok(self.elsewhere(other.clone())),
        });
        let sealed = sealed.collect::<Result<Vec<_>, StoreError>>()?;
        let store: &dyn Store = &self.store;
        store.scannable()?.restore(&sealed).await
    }
}
