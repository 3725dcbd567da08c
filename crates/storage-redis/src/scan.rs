//! The servers from end to end, and servers filled with what was found elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{Cursor, Index, Item, Key, Part, ScanPage, StoreError};
use futures_util::future::try_join_all;
use redis::Value;

use crate::error::{Cause, Failure};
use crate::link::Link;
use crate::list::SIGN_STORED;
use crate::sweep::read_scan;
use crate::{Inner, encode, slot};

/// How many questions are under way at once.
const AT_ONCE: usize = 256;

/// Where a walk has come to: a server, and the cursor that it gave.
struct Place {
    server: String,
    cursor: String,
}

impl Place {
    fn read(cursor: &Cursor) -> Option<Self> {
        let (cursor, server) = std::str::from_utf8(&cursor.0).ok()?.split_once(' ')?;
        Some(Self { server: server.to_owned(), cursor: cursor.to_owned() })
    }

    fn cursor(&self) -> Cursor {
        Cursor(Bytes::from(format!("{} {}", self.cursor, self.server)))
    }
}

impl Inner {
    pub(crate) async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        let mut masters = self.network.masters().await?;
        masters.sort_by_key(|master| master.server().to_string());
        let named = |server: &str| masters.iter().position(|master| master.server().to_string() == server);
        let (at, cursor) = match &after {
            None => (0, "0".to_owned()),
            Some(cursor) => {
                let place = Place::read(cursor).ok_or(StoreError::Cursor)?;
                (named(&place.server).ok_or(StoreError::Cursor)?, place.cursor)
            }
        };
        let Some(master) = masters.get(at) else { return Ok(ScanPage::default()) };
        let (cursor, items) = self.scan_master(master, part, &cursor, limit).await?;
        let next = match (cursor.as_str(), masters.get(at + 1)) {
            ("0", None) => None,
            ("0", Some(next)) => Some(Place { server: next.server().to_string(), cursor }),
            _ => Some(Place { server: master.server().to_string(), cursor }),
        };
        Ok(ScanPage { items, next: next.map(|place| place.cursor()), unread: 0 })
    }

    async fn scan_master(
        &self,
        master: &Arc<Link>,
        part: Part,
        cursor: &str,
        limit: u16,
    ) -> Result<(String, Vec<Item>), StoreError> {
        let pattern = match part {
            Part::Records => format!("{}{{*", encode::PREFIX),
            Part::RecordsOf(kind) => format!("{}{{*}}:{:02x}:*", encode::PREFIX, kind.0),
            Part::Lists => format!("{}i:*", encode::PREFIX),
            Part::Counters => format!("{}c:*", encode::PREFIX),
        };
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(limit);
        let wrong = || StoreError::from(Failure::unsent(master.server(), Cause::Answer));
        let (next, names) = read_scan(self.network.send_to(master, &scan).await?).ok_or_else(wrong)?;
        let mut items = Vec::new();
        for names in names.chunks(AT_ONCE) {
            items.extend(match part {
                Part::Records | Part::RecordsOf(_) => self.records(names).await?,
                Part::Lists => self.entries(names).await?,
                Part::Counters => self.counters(names).await?,
            });
        }
        Ok((next, items))
    }

    async fn records(&self, names: &[Vec<u8>]) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::with_capacity(names.len());
        for (name, value) in self.values(names).await? {
            let Some(key) = encode::key_of(name) else { continue };
            let record = encode::record_from(value).map_err(|reason| StoreError::Corrupt { key, reason })?;
            items.push(Item::Record { key, record });
        }
        Ok(items)
    }

    async fn counters(&self, names: &[Vec<u8>]) -> Result<Vec<Item>, StoreError> {
        let values = self.values(names).await?;
        let item = |(name, value): (&Vec<u8>, Vec<u8>)| {
            let (counter, shows) = (encode::counter_of(name)?, encode::counter_from(&value)?);
            Some(Item::Counter { counter, shows })
        };
        Ok(values.into_iter().filter_map(item).collect())
    }

    /// What stands under these names; what has gone meanwhile is left out.
    async fn values<'a>(&self, names: &'a [Vec<u8>]) -> Result<Vec<(&'a Vec<u8>, Vec<u8>)>, StoreError> {
        let reads = names.iter().map(async |name| {
            let mut command = redis::cmd("GET");
            command.arg(name);
            match self.network.read(slot::of(name), &command).await? {
                Value::BulkString(value) => Ok::<_, StoreError>(Some((name, value))),
                _ => Ok(None),
            }
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    /// The entries of these lists whose records are there.
    async fn entries(&self, names: &[Vec<u8>]) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        for name in names {
            let Some(index) = encode::index_of(name) else { continue };
            let mut command = redis::cmd("ZRANGE");
            command.arg(name).arg(0).arg(-1);
            let Value::Array(members) = self.network.read(slot::of(name), &command).await? else { continue };
            for members in members.chunks(AT_ONCE) {
                let entries = members.iter().filter_map(member).map(async |key| self.entry(index, key).await);
                items.extend(try_join_all(entries).await?.into_iter().flatten());
            }
        }
        Ok(items)
    }

    async fn entry(&self, index: Index, key: Key) -> Result<Option<Item>, StoreError> {
        let name = encode::record_key(&key);
        let mut command = redis::cmd("GETRANGE");
        command.arg(&name).arg(16).arg(31);
        let expiry = match self.network.read(slot::of(name.as_bytes()), &command).await? {
            Value::BulkString(digits) => std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok()),
            _ => None,
        };
        Ok(expiry.map(|millis| Item::Entry { index, key, expires_at: encode::time_from(millis) }))
    }

    /// Records first, entries behind them, so that no list names what is not there yet.
    pub(crate) async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        for items in items.chunks(AT_ONCE) {
            let (mut values, mut entries) = (Vec::new(), BTreeMap::new());
            for item in items {
                match item {
                    Item::Record { key, record } => values.push((
                        encode::record_key(key),
                        encode::record(record.version, record.expires_at, &record.payload),
                        record.expires_at,
                    )),
                    Item::Counter { counter, shows } => values.push((
                        encode::counter_key(*counter),
                        encode::counter(*shows).into_bytes(),
                        shows.resets_at,
                    )),
                    Item::Entry { index, key, expires_at } => {
                        entries.entry(*index).or_insert_with(Vec::new).push((*key, *expires_at));
                    }
                }
            }
            try_join_all(values.iter().map(async |(name, value, expiry)| self.set(name, value, *expiry).await)).await?;
            self.enlist(entries).await?;
        }
        Ok(())
    }

    async fn set(&self, name: &str, value: &[u8], expiry: UnixTime) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(name).arg(value);
        match encode::rubbish_at(expiry) {
            0 => {}
            at => {
                command.arg("PXAT").arg(at);
            }
        }
        let behind = self.assurance.map(|assurance| assurance.command(self.options.timeout * 2 / 3));
        let answers = self.network.write(slot::of(name.as_bytes()), &command, behind.as_ref()).await?;
        match self.assurance {
            Some(assurance) if !assurance.is_met(answers.get(1)) => {
                Err(Failure::sent("the server", Cause::NotConfirmed).into())
            }
            _ => Ok(()),
        }
    }
}

/// The record that an entry names; the sign of a split names none.
fn member(value: &Value) -> Option<Key> {
    match value {
        Value::BulkString(member) if member != SIGN_STORED => member.as_slice().try_into().ok().map(Key::from_bytes),
        _ => None,
    }
}
