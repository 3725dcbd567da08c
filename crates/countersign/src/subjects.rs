//! The link between factors and what rests on them: one partition, one commit.

use async_trait::async_trait;
use countersign_mfa::{Changed, Subjects};
use countersign_oauth_core::SubjectRecords;
use countersign_primitives::{BoxError, Id, Subject};
use countersign_storage_traits::Batch;

/// Factors live in the partition of their subject, and taking one away raises the subject's epoch in the same commit: sessions
/// and grants that may rest on it end there and then (promise 12). So does a new password. Adding one takes nothing from what was proven before.
#[derive(Debug)]
pub(crate) struct SharedSubjects(pub(crate) SubjectRecords);

#[async_trait]
impl Subjects for SharedSubjects {
    fn partition(&self, subject: &Subject) -> Id {
        self.0.partition(subject)
    }

    async fn epoch(&self, subject: &Subject) -> Result<u64, BoxError> {
        Ok(self.0.epoch(subject).await?)
    }

    async fn changing(&self, subject: &Subject, change: Changed, batch: &mut Batch) -> Result<(), BoxError> {
        match change {
            Changed::FactorRemoved | Changed::FactorsReset | Changed::FactorRequired | Changed::PasswordChanged => {
                Ok(self.0.raise_epoch(subject, batch).await?)
            }
            _ => Ok(()),
        }
    }
}
