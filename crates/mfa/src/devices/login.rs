//! Remembered devices in a login: known again, and remembered.

use countersign_events::EventKind;
use countersign_primitives::{Id, Remembered, Subject, UnixTime, describe_user_agent};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key};

use super::record::{Device, Devices};
use crate::account_events::{AccountEventKind, By};
use crate::authenticators::TRIES;
use crate::enrolments::{Authenticator, Read};
use crate::keys::REMEMBERED_DEVICES;
use crate::login::LoginId;
use crate::login::engine::{Looked, Turn};
use crate::login::machine::Stage;
use crate::login::record::{Login, Remember};
use crate::login::situation::Situation;
use crate::mfa::Inner;
use crate::{BrowserMarks, Caller, LoginError};

impl Inner {
    /// What stands for the secret of a device. Two users never have the same, so a cookie is worth nothing for anybody but its own.
    pub(super) fn device_id(&self, partition: Id, secret: Id) -> Id {
        self.keys.id("remembered device", &[partition.as_bytes(), secret.as_bytes()])
    }

    /// The secret that a login gives a browser that is to be remembered: the same however often it is read, new with each login.
    fn device_secret(&self, id: LoginId, login: &Login) -> Id {
        let begun_at = login.begun_at.as_millis().to_be_bytes();
        self.keys.id("secret of a remembered device", &[id.0.as_bytes(), &begun_at])
    }

    /// The secret in the cookie that stands for this device.
    fn secret_of(&self, partition: Id, device: Id, caller: &Caller) -> Option<Id> {
        caller.marks.devices().find(|secret| self.device_id(partition, *secret) == device)
    }

    /// Whether the browser may be remembered with an answer to this one. A recovery code stands in for something that was lost: it makes
    /// no lasting exception.
    pub(crate) fn may_remember(&self, one: &Authenticator, situation: &Situation) -> bool {
        situation.may_remember && !one.opens_only && !one.is_recovery()
    }

    /// Notes that the browser is to be remembered once the answer has come from elsewhere, where that is offered.
    pub(crate) async fn wish_remembered(&self, turn: &mut Turn, caller: &Caller) -> Result<Looked, LoginError> {
        let (stage, situation) = self.settle(turn.id, &mut turn.login, None, caller, turn.now).await?;
        let (Stage::Ask { authenticator, .. }, Some(situation)) = (stage, situation) else {
            return Ok(Looked::Elsewhere);
        };
        let waits = turn.login.asked.as_ref().is_some_and(|asked| asked.challenge.prompt.wait.is_some());
        let found = situation.enrolments.find(authenticator);
        if !waits || !found.is_some_and(|one| self.may_remember(one, &situation)) {
            return Ok(Looked::Elsewhere);
        }
        turn.login.wishes_remembered = true;
        Ok(Looked::On(None))
    }

    /// Notes, once it is known who signs in, which remembered device of that user the browser is.
    pub(crate) async fn recognise(&self, login: &mut Login, caller: &Caller, now: UnixTime) -> Result<(), LoginError> {
        let may_be = self.policy.remembers_devices().is_some() && caller.client.is_none() && login.device.is_none();
        let Some(subject) = login.subject.as_ref().filter(|_| may_be && login.has_first()) else { return Ok(()) };
        let partition = self.subjects.partition(subject);
        let ids: Vec<_> = caller.marks.devices().map(|secret| self.device_id(partition, secret)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let found = self.devices(partition, now).await?;
        let live = |device: &&Device| self.remembered_until(device, login.epoch, now).is_some();
        let known = |id: &&Id| found.as_ref().is_some_and(|found| found.value.find(**id).filter(live).is_some());
        login.device = ids.iter().find(known).copied();
        Ok(())
    }

    /// The mark that a login bears which was begun in a remembered device, while that is remembered.
    pub(crate) async fn remembered(&self, login: &Login, now: UnixTime) -> Result<Option<Remembered>, LoginError> {
        let (Some(subject), Some(device)) = (&login.subject, login.device) else { return Ok(None) };
        self.remembered_device(subject, device, login.epoch, now).await
    }

    /// The mark of a device of a subject, while it is remembered.
    async fn remembered_device(
        &self,
        subject: &Subject,
        device: Id,
        epoch: u64,
        now: UnixTime,
    ) -> Result<Option<Remembered>, LoginError> {
        let found = self.devices(self.subjects.partition(subject), now).await?;
        let found = found.as_ref().and_then(|found| found.value.find(device));
        let until = found.and_then(|device| self.remembered_until(device, epoch, now));
        Ok(until.map(|until| Remembered { device, until }))
    }

    /// Whether a device of a subject is remembered still.
    #[cfg(feature = "oauth")]
    pub(crate) async fn remembers(&self, subject: &Subject, device: Id) -> Result<bool, LoginError> {
        let epoch = self.epoch(subject).await?;
        Ok(self.remembered_device(subject, device, epoch, self.now()).await?.is_some())
    }

    /// What the browser keeps when a login is done whose user had it remembered.
    pub(crate) fn with_device(&self, id: LoginId, login: &Login, marks: BrowserMarks, caller: &Caller) -> BrowserMarks {
        let (Some(subject), true) = (&login.subject, login.remember.is_some()) else { return marks };
        let partition = self.subjects.partition(subject);
        let before = login.device.and_then(|device| self.secret_of(partition, device, caller));
        marks.with_device(self.device_secret(id, login), before)
    }

    /// Remembers the browser of a login that is done, or notes that it was used. A secret that a browser brings along is never the one
    /// that is remembered: somebody else may have put it there.
    pub(crate) async fn keep_device(
        &self,
        id: LoginId,
        login: &Login,
        subject: &Subject,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<(), LoginError> {
        let Some(lasts) = self.policy.remembers_devices() else { return Ok(()) };
        if login.remember.is_none() && login.device.is_none() {
            return Ok(());
        }
        let partition = self.subjects.partition(subject);
        let key = Key::root(REMEMBERED_DEVICES, partition);
        for _ in 0..TRIES {
            let mut batch = Batch::new(partition, now, &*self.random)?;
            if let Some(remember) = &login.remember
                && !self.still_rests(remember, subject, &mut batch).await?
            {
                return Ok(()); // the factor was taken away meanwhile
            }
            let found = self.devices(partition, now).await?;
            let expect = found.as_ref().map_or(Expect::Absent, Found::unchanged);
            let mut all = found.map(|found| found.value).unwrap_or_default();
            if !self.note(&mut all, (id, login), partition, caller, now) {
                return Ok(());
            }
            batch.put_value(key, expect, now.plus(lasts), &all)?;
            if login.remember.is_some() {
                self.note_event(&mut batch, AccountEventKind::DeviceRemembered, None, &By::from(caller)).await?;
            }
            match self.store.commit_surely(&batch).await {
                Ok(()) => {
                    if login.remember.is_some() {
                        self.tell(EventKind::DeviceRemembered, Some(caller), |event| event.with_subject(subject));
                    }
                    return Ok(());
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }

    /// Whether the factor that the device is remembered for is one of the subject still. The batch expects that it stays so.
    async fn still_rests(&self, remember: &Remember, subject: &Subject, batch: &mut Batch) -> Result<bool, LoginError> {
        let Remember::Enrolled(authenticator) = remember else { return Ok(true) };
        let read = Read::of(&*self.store, &*self.subjects, subject, batch.now()).await?;
        batch.check(read.key, read.expect);
        Ok(read.value.find(*authenticator).is_some())
    }

    /// Writes the device down, or that it was used; and says whether there is anything to write.
    fn note(
        &self,
        all: &mut Devices,
        (id, login): (LoginId, &Login),
        partition: Id,
        caller: &Caller,
        now: UnixTime,
    ) -> bool {
        if login.remember.is_some() {
            let device = Device {
                id: self.device_id(partition, self.device_secret(id, login)),
                epoch: login.epoch,
                since: now,
                last_used: now,
                browser: caller.user_agent.as_deref().and_then(describe_user_agent),
                address: caller.address,
            };
            all.remember(device, login.device);
            return true;
        }
        let known = all.devices.iter_mut().find(|device| Some(device.id) == login.device);
        let Some(device) = known else { return false };
        device.last_used = now;
        device.address = caller.address.or(device.address);
        true
    }
}
