//! What is counted for signals: guesses that failed at an account, and accounts that were tried from an address.
//!
//! These counters stand beside those of [`Limits`](crate::Limits), which a success takes back: what was guessed before it is what
//! tells a stolen password from a mistyped one.

use std::net::IpAddr;
use std::time::Duration;

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Charge, CounterKey, Store, StoreError};

use crate::keys::Keys;

/// How long is lately.
const LATELY: Duration = Duration::from_secs(3_600);

/// The counters that a guess at an account from an address touches.
pub(super) struct Counts<'a> {
    store: &'a dyn Store,
    failures: CounterKey,
    /// Whether this account was tried from the address, and how many were. Loopback is everybody's address behind a proxy.
    address: Option<(CounterKey, CounterKey)>,
}

impl<'a> Counts<'a> {
    pub(super) fn of(store: &'a dyn Store, keys: &Keys, account: Id, address: Option<IpAddr>) -> Self {
        let address = address.filter(|address| !address.to_canonical().is_loopback());
        let address = address.map(|address| {
            let (pair, all) = ("risk account at address", "risk accounts at address");
            let pair = keys.subscriber_counter(pair, account.as_bytes(), address);
            (pair, keys.subscriber_counter(all, b"", address))
        });
        Self { store, failures: keys.counter("risk failures", &[account.as_bytes()]), address }
    }

    /// Counts a guess that failed.
    pub(super) async fn failed(&self, now: UnixTime) -> Result<(), StoreError> {
        let failure = Charge { counter: self.failures, add: 1, limit: u32::MAX, window: LATELY };
        self.store.charge(&[failure], now).await?;
        self.tried(now).await.map(drop)
    }

    /// Counts the account as tried from the address, and says how many were.
    pub(super) async fn tried(&self, now: UnixTime) -> Result<u32, StoreError> {
        let Some((pair, all)) = self.address else { return Ok(0) };
        let first = Charge { counter: pair, add: 1, limit: 1, window: LATELY };
        let is_first = self.store.charge(&[first], now).await?.iter().all(|charged| charged.admitted);
        read(self.store, Charge { counter: all, add: i32::from(is_first), limit: u32::MAX, window: LATELY }, now).await
    }

    /// How many guesses at the account failed.
    pub(super) async fn failures(&self, now: UnixTime) -> Result<u32, StoreError> {
        read(self.store, Charge { counter: self.failures, add: 0, limit: u32::MAX, window: LATELY }, now).await
    }
}

async fn read(store: &dyn Store, charge: Charge, now: UnixTime) -> Result<u32, StoreError> {
    Ok(store.charge(&[charge], now).await?.first().map_or(0, |charged| charged.count))
}
