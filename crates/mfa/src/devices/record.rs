//! The browsers that a subject had remembered: one record, so that their number is bounded.

use std::net::IpAddr;

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Kind, Stored};
use serde::{Deserialize, Serialize};

use crate::keys::REMEMBERED_DEVICES;

/// A browser that was remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Device {
    /// Stands for the secret in its cookie: a keyed hash of it and of its user's partition, worth nothing to anybody else.
    pub(super) id: Id,
    /// The subject's epoch when it was remembered.
    pub(super) epoch: u64,
    pub(super) since: UnixTime,
    pub(super) last_used: UnixTime,
    /// What it called itself, in our words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) browser: Option<String>,
    /// Where it called from when it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<IpAddr>,
}

/// All of them, the oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Devices {
    pub(super) devices: Vec<Device>,
}

impl Stored for Devices {
    const KIND: Kind = REMEMBERED_DEVICES;
}

impl Devices {
    /// The most that are remembered of one subject.
    pub(super) const MAX: usize = 20;

    pub(super) fn find(&self, id: Id) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id)
    }

    /// Remembers one more, in place of what it was before; when there are too many the oldest goes.
    pub(super) fn remember(&mut self, device: Device, replaced: Option<Id>) {
        self.devices.retain(|other| other.id != device.id && Some(other.id) != replaced);
        if self.devices.len() >= Self::MAX {
            self.devices.remove(0);
        }
        self.devices.push(device);
    }
}
