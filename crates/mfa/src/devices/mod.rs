//! Remembered devices: browsers in which a second factor was proven, and where its user need not prove it again for a while.

mod login;
mod record;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use countersign_events::EventKind;
use countersign_primitives::{BoxError, Id, ParseIdError, Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key, StoreError};

use crate::account_events::{AccountEventKind, By};
use crate::authenticators::TRIES;
use crate::keys::REMEMBERED_DEVICES;
use crate::mfa::Inner;
use crate::{LoginError, Mfa};

use record::{Device, Devices};

/// The browsers that users had remembered: list, forget. What it does needs no proof, so it is for a host's own code, which has made sure
/// who is asking.
///
/// A login with a second factor can have its browser remembered where the policy lets it
/// ([`Policy::remember_device`](crate::Policy::remember_device)); from then on the password alone will do there for whatever asks for
/// [`Requirement::MFA`](countersign_primitives::Requirement::MFA). All of them are forgotten with a new password, and when a factor goes.
///
/// ```
/// # use countersign_mfa::{LoginError, Mfa};
/// # async fn example(mfa: Mfa) -> Result<(), LoginError> {
/// for device in mfa.remembered_devices().list(&"u-1".into()).await? {
///     println!("{} since {:?}", device.browser.as_deref().unwrap_or("a browser"), device.since);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct RememberedDevices(Mfa, By);

/// Names a remembered device in the list of its user. It gives no access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceId(Id);

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DeviceId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(Self)
    }
}

/// A remembered device as its user may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Its name in the list.
    pub id: DeviceId,
    /// What it called itself: `Firefox on Linux`.
    pub browser: Option<String>,
    /// Where it last called from.
    pub address: Option<IpAddr>,
    /// Since when it is remembered.
    pub since: UnixTime,
    /// When it last stood in for a second factor, or was remembered.
    pub last_used: UnixTime,
    /// Until when it is remembered.
    pub until: UnixTime,
}

impl Mfa {
    /// The browsers that users had remembered.
    #[must_use]
    pub fn remembered_devices(&self) -> RememberedDevices {
        RememberedDevices(self.clone(), By::HOST)
    }
}

impl RememberedDevices {
    /// The same, for somebody whom the owner is to know.
    #[cfg(feature = "oauth")]
    pub(crate) fn by(self, by: By) -> Self {
        Self(self.0, by)
    }

    /// Those of a user that stand in for a second factor at present, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, subject: &Subject) -> Result<Vec<DeviceInfo>, LoginError> {
        let inner = &*self.0.0;
        let (epoch, now) = (inner.epoch(subject).await?, inner.now());
        let found = inner.devices(inner.subjects.partition(subject), now).await?;
        let devices = found.iter().flat_map(|found| found.value.devices.iter().rev());
        Ok(devices.filter_map(|device| inner.info(device, epoch, now)).collect())
    }

    /// Forgets one, from this moment, and says whether it was there.
    ///
    /// # Errors
    /// When the store fails; the device may then be remembered still, so call again.
    pub async fn forget(&self, subject: &Subject, id: DeviceId) -> Result<bool, LoginError> {
        let change = |devices: &mut Vec<Device>| devices.retain(|device| device.id != id.0);
        let forgotten = self.0.0.change_devices(subject, &self.1, change).await?;
        if forgotten {
            self.0.0.tell(EventKind::DeviceForgotten, None, |event| event.with_subject(subject));
        }
        Ok(forgotten)
    }

    /// Forgets all, from this moment.
    ///
    /// # Errors
    /// When the store fails; they may then be remembered still, so call again.
    pub async fn forget_all(&self, subject: &Subject) -> Result<(), LoginError> {
        self.forget_any(subject).await.map(drop)
    }

    /// The same, and says whether there were any.
    pub(crate) async fn forget_any(&self, subject: &Subject) -> Result<bool, LoginError> {
        let forgotten = self.0.0.change_devices(subject, &self.1, Vec::clear).await?;
        if forgotten {
            self.0.0.tell(EventKind::DeviceForgotten, None, |event| event.with_subject(subject).with_method("all"));
        }
        Ok(forgotten)
    }
}

impl Inner {
    /// Which devices of a user the browser of a caller is remembered as.
    #[cfg(feature = "oauth")]
    pub(crate) fn known_devices(&self, subject: &Subject, caller: &crate::Caller) -> Vec<DeviceId> {
        let partition = self.subjects.partition(subject);
        caller.marks.devices().map(|secret| DeviceId(self.device_id(partition, secret))).collect()
    }

    fn info(&self, device: &Device, epoch: u64, now: UnixTime) -> Option<DeviceInfo> {
        let until = self.remembered_until(device, epoch, now)?;
        Some(DeviceInfo {
            id: DeviceId(device.id),
            browser: device.browser.clone(),
            address: device.address,
            since: device.since,
            last_used: device.last_used,
            until,
        })
    }

    /// Until when a device stands in for a second factor, if it does. The policy is that of today, whatever it was when the device was
    /// remembered.
    fn remembered_until(&self, device: &Device, epoch: u64, now: UnixTime) -> Option<UnixTime> {
        let until = device.since.plus(self.policy.remembers_devices()?);
        (device.epoch == epoch && now < until).then_some(until)
    }

    async fn devices(&self, partition: Id, now: UnixTime) -> Result<Option<Found<Devices>>, StoreError> {
        self.store.find(Key::root(REMEMBERED_DEVICES, partition), now).await
    }

    /// Takes some away, and says whether any went.
    async fn change_devices(
        &self,
        subject: &Subject,
        by: &By,
        change: impl Fn(&mut Vec<Device>),
    ) -> Result<bool, LoginError> {
        let partition = self.subjects.partition(subject);
        for _ in 0..TRIES {
            let now = self.now();
            let Some(found) = self.devices(partition, now).await? else { return Ok(false) };
            let mut left = found.value.clone();
            change(&mut left.devices);
            if left.devices.len() == found.value.devices.len() {
                return Ok(false);
            }
            let mut batch = Batch::new(partition, now, &*self.random)?;
            batch.put_value(found.key, found.unchanged(), found.expires_at, &left)?;
            self.note_event(&mut batch, AccountEventKind::DeviceForgotten, None, by).await?;
            match self.store.commit_surely(&batch).await {
                Ok(()) => return Ok(true),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }

    /// Adds to a batch in the subject's partition that all are forgotten: with whatever they rested on.
    pub(crate) fn forget_devices(&self, batch: &mut Batch) {
        batch.delete(Key::root(REMEMBERED_DEVICES, batch.partition()), Expect::Any);
    }

    /// Adds to a batch in the subject's partition what must change with factors or password: what the host says, remembered devices, where
    /// what they rested on goes, and what its owner sees of it, where somebody is named who did it.
    pub(crate) async fn changing(
        &self,
        subject: &Subject,
        changed: crate::Changed,
        (about, by): (Option<&str>, Option<&By>),
        batch: &mut Batch,
    ) -> Result<(), BoxError> {
        use crate::Changed::{FactorRemoved, FactorsReset, PasswordChanged};
        if matches!(changed, FactorRemoved | FactorsReset | PasswordChanged) {
            self.forget_devices(batch);
        }
        if let (Some(what), Some(by)) = (AccountEventKind::of(changed), by) {
            self.note_event(batch, what, about, by).await?;
        }
        self.subjects.changing(subject, changed, batch).await
    }
}
