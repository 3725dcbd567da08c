//! The settings that this node goes by: read once in a while for all requests, never for each.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Expect, Key, Store, StoreError};

use super::{Settings, SettingsVersion};
use crate::keys::{Keys, SETTINGS};
use crate::mfa::Inner;
use crate::risk::RiskPolicy;

/// How long settings are gone by before they are read anew: with a second to read them, other nodes know within five.
const HELD: Duration = Duration::from_secs(4);

/// The settings of a node, and what they may switch on.
#[derive(Debug)]
pub(crate) struct RunTime {
    partition: Id,
    held: RwLock<Held>,
    /// What is looked at when the confidence score is switched on and the code has no policy of risk.
    standby: RiskPolicy,
}

#[derive(Debug, Clone)]
struct Held {
    settings: Arc<Settings>,
    read_at: UnixTime,
    /// Changes with each change that this node makes, so that what was read before it is not taken after it.
    generation: u64,
}

/// Settings as they stand in the store.
pub(super) struct Stand {
    pub(super) key: Key,
    pub(super) expect: Expect,
    pub(super) version: SettingsVersion,
    pub(super) settings: Settings,
}

impl RunTime {
    /// Reads the settings of a node that starts.
    pub(crate) async fn open(store: &dyn Store, keys: &Keys, now: UnixTime) -> Result<Self, StoreError> {
        let partition = keys.id("run-time settings", &[]);
        let settings = Arc::new(read(store, partition, now).await?.settings);
        let held = RwLock::new(Held { settings, read_at: now, generation: 0 });
        Ok(Self { partition, held, standby: RiskPolicy::new() })
    }

    fn held(&self) -> Held {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, change: impl FnOnce(&mut Held)) {
        change(&mut self.held.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// What this node goes by at present. [`Inner::refresh_settings`] sees to it that it is not old.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.held().settings
    }

    pub(crate) fn standby_risk(&self) -> &RiskPolicy {
        &self.standby
    }

    /// Goes by what this node has just written.
    pub(super) fn put(&self, settings: Settings, now: UnixTime) {
        self.hold(|held| {
            *held = Held { settings: Arc::new(settings), read_at: now, generation: held.generation + 1 };
        });
    }
}

impl Inner {
    /// Reads the settings anew if it is time. Every way into a login and to a grant begins with it; most find nothing to do.
    ///
    /// When they cannot be read nothing goes on: what was switched off a while ago must not count (promise 14).
    pub(crate) async fn refresh_settings(&self) -> Result<(), StoreError> {
        let (before, now) = (self.run_time.held(), self.now());
        if before.read_at <= now && now < before.read_at.plus(HELD) {
            return Ok(());
        }
        let stand = self.settings_stand(now).await?;
        self.run_time.hold(|held| {
            if held.generation == before.generation {
                *held = Held { settings: Arc::new(stand.settings), read_at: now, generation: held.generation };
            }
        });
        Ok(())
    }

    pub(super) async fn settings_stand(&self, now: UnixTime) -> Result<Stand, StoreError> {
        read(&*self.store, self.run_time.partition, now).await
    }
}

async fn read(store: &dyn Store, partition: Id, now: UnixTime) -> Result<Stand, StoreError> {
    let key = Key::root(SETTINGS, partition);
    Ok(match store.find::<Settings>(key, now).await? {
        Some(found) => Stand {
            key,
            expect: found.unchanged(),
            version: SettingsVersion(Some(found.version)),
            settings: found.value,
        },
        None => Stand { key, expect: Expect::Absent, version: SettingsVersion(None), settings: Settings::default() },
    })
}
