//! Where the records of subjects live, for parts that are assembled beside the server.

use std::fmt;
use std::sync::Arc;

use countersign_primitives::{Clock, Id, Subject, UnixTime};
use countersign_storage_traits::{Batch, Expect, Found, Store, StoreError};

use crate::records::SubjectState;
use crate::secrets::Secrets;

/// The partitions of subjects and their epochs. A part that keeps records of a subject, such as its factors, puts them into the
/// same partition, so that a change of theirs and the end of what rested on them are one commit.
#[derive(Clone)]
pub struct SubjectRecords {
    secrets: Arc<Secrets>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for SubjectRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectRecords")
    }
}

impl SubjectRecords {
    pub(crate) fn new(secrets: Arc<Secrets>, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { secrets, store, clock }
    }

    /// The partition of a subject: always the same, and telling nothing of it.
    #[must_use]
    pub fn partition(&self, subject: &Subject) -> Id {
        self.secrets.subject_partition(subject)
    }

    /// The epoch of a subject: what remembers an older one is dead.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn epoch(&self, subject: &Subject) -> Result<u64, StoreError> {
        let found = self.store.find::<SubjectState>(self.secrets.subject_key(subject), self.clock.now()).await?;
        Ok(found.map_or(0, |found| found.value.epoch))
    }

    /// Adds to `batch`, which lies in the subject's partition, that its epoch rises: sessions, codes, grants and remembered
    /// consent from before are dead from that commit on (promise 12).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn raise_epoch(&self, subject: &Subject, batch: &mut Batch) -> Result<(), StoreError> {
        let key = self.secrets.subject_key(subject);
        let found = self.store.find::<SubjectState>(key, self.clock.now()).await?;
        let epoch = found.as_ref().map_or(0, |found| found.value.epoch).saturating_add(1);
        let expect = found.as_ref().map_or(Expect::Absent, Found::unchanged);
        batch.put_value(key, expect, UnixTime::MAX, &SubjectState { epoch })?;
        Ok(())
    }
}
