//! The link between factors and what rests on them: one partition, one commit.

use async_trait::async_trait;
use countersign_mfa::{Changed, Subjects};
use countersign_oauth_core::SubjectRecords;
use countersign_primitives::{BoxError, Id, Subject, UnixTime};
use countersign_storage_traits::{Batch, Expect, Version};

/// Factors live in the partition of their subject, and taking one away raises the subject's epoch in the same commit: sessions
/// and grants that may rest on it end there and then (promise 12). Adding one takes nothing from what was proven before.
#[derive(Debug)]
pub(crate) struct SharedSubjects(pub(crate) SubjectRecords);

#[async_trait]
impl Subjects for SharedSubjects {
    fn partition(&self, subject: &Subject) -> Id {
        self.0.partition(subject)
    }

    /// Each rise of the epoch writes it anew, so that its version stands for it. The rise that tells the version is never
    /// committed.
    async fn epoch(&self, subject: &Subject) -> Result<u64, BoxError> {
        let mut rise = Batch::with_id(self.partition(subject), UnixTime::default(), Version::new(0));
        self.0.raise_epoch(subject, &mut rise).await?;
        Ok(rise.ops().iter().map(|op| op.expect).fold(0, |_, expect| match expect {
            Expect::At(version) => version.number(),
            _ => 0,
        }))
    }

    async fn changing(&self, subject: &Subject, change: Changed, batch: &mut Batch) -> Result<(), BoxError> {
        match change {
            Changed::FactorRemoved | Changed::FactorsReset => Ok(self.0.raise_epoch(subject, batch).await?),
            _ => Ok(()),
        }
    }
}
