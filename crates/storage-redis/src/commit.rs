//! One batch, in one script on one slot.

use std::collections::BTreeMap;

use countersign_primitives::UnixTime;
use countersign_storage_traits::{Batch, Change, CommitError, Expect, Index, Key, StoreError};
use redis::{Cmd, Value};

use crate::error::{Cause, Failure};
use crate::script::{COMMIT, Call};
use crate::{Inner, encode};

/// How a commit is made sure of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assurance {
    /// The disks of the server and of so many replicas have it (`WAITAOF`).
    Disks(u32),
    /// So many replicas have it (`WAIT`); the server's own disk has it before it answers (`appendfsync always`).
    Replicas(u32),
}

impl Assurance {
    pub(crate) fn command(self, timeout: std::time::Duration) -> Cmd {
        let millis = timeout.as_millis().max(1).to_string();
        let mut command;
        match self {
            Self::Disks(replicas) => {
                command = redis::cmd("WAITAOF");
                command.arg(1).arg(replicas);
            }
            Self::Replicas(replicas) => {
                command = redis::cmd("WAIT");
                command.arg(replicas);
            }
        }
        command.arg(millis);
        command
    }

    /// Whether the answer says that enough of them have it.
    pub(crate) fn is_met(self, answer: Option<&Value>) -> bool {
        let enough = |value: &Value, least: u32| matches!(value, Value::Int(count) if *count >= i64::from(least));
        match (self, answer) {
            (Self::Disks(replicas), Some(Value::Array(counts))) => match counts.as_slice() {
                [local, remote] => enough(local, 1) && enough(remote, replicas),
                _ => false,
            },
            (Self::Replicas(replicas), Some(count)) => enough(count, replicas),
            _ => false,
        }
    }
}

impl Inner {
    pub(crate) async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        // Lists first: an entry without its record is skipped, a record without its entry would be missed.
        self.enlist(entries(batch)).await.map_err(|failure| CommitError::Refused(failure.into()))?;
        // Less than a call may take: the answer is to come before the call is given up.
        let behind = self.assurance.map(|assurance| assurance.command(self.options.timeout * 2 / 3));
        let answers = self.network.call(&call(batch), behind.as_ref(), true).await.map_err(unsettled)?;
        match answers.first() {
            Some(Value::Int(0)) => {}
            Some(Value::Int(place)) => return Err(conflict(batch, *place)),
            _ => return Err(unsettled(Failure::sent("the server", Cause::Answer))),
        }
        match self.assurance {
            Some(assurance) if !assurance.is_met(answers.get(1)) => {
                Err(unsettled(Failure::sent("the server", Cause::NotConfirmed)))
            }
            _ => Ok(()),
        }
    }
}

/// The entries of a batch, by list.
fn entries(batch: &Batch) -> BTreeMap<Index, Vec<(Key, UnixTime)>> {
    let mut lists: BTreeMap<Index, Vec<(Key, UnixTime)>> = BTreeMap::new();
    for op in batch.ops() {
        if let Change::Put { expires_at, indexes, .. } = &op.change {
            for index in indexes {
                lists.entry(*index).or_default().push((op.key, *expires_at));
            }
        }
    }
    lists
}

fn call(batch: &Batch) -> Call {
    let mut call = Call::new(&COMMIT).arg(encode::version(batch.id())).number(encode::time(batch.now()));
    for op in batch.ops() {
        let expect = match op.expect {
            Expect::Any => "*".to_owned(),
            Expect::Absent => "-".to_owned(),
            Expect::Present => "+".to_owned(),
            Expect::At(version) => encode::version(version),
        };
        call = call.key(encode::record_key(&op.key)).arg(expect);
        call = match &op.change {
            Change::Check => call.arg("c").arg(""),
            Change::Delete => call.arg("d").arg(""),
            Change::Put { expires_at, payload, .. } => {
                call.number(encode::rubbish_at(*expires_at)).arg(encode::record(batch.id(), *expires_at, payload))
            }
        };
    }
    call
}

fn conflict(batch: &Batch, place: i64) -> CommitError {
    let at = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
    match at.and_then(|at| batch.ops().get(at)) {
        Some(op) => CommitError::Conflict(op.key),
        None => CommitError::Unknown(Failure::sent("the server", Cause::Answer).into()),
    }
}

fn unsettled(failure: Failure) -> CommitError {
    if failure.sent { CommitError::Unknown(failure.into()) } else { CommitError::Refused(StoreError::from(failure)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assurance_counts_disks_and_replicas() {
        let pair = |local, remote| Value::Array(vec![Value::Int(local), Value::Int(remote)]);
        assert!(Assurance::Disks(1).is_met(Some(&pair(1, 1))));
        assert!(!Assurance::Disks(1).is_met(Some(&pair(0, 1))) && !Assurance::Disks(2).is_met(Some(&pair(1, 1))));
        assert!(Assurance::Replicas(1).is_met(Some(&Value::Int(2))));
        assert!(!Assurance::Replicas(1).is_met(Some(&Value::Int(0))) && !Assurance::Replicas(1).is_met(None));
        assert!(!Assurance::Disks(1).is_met(Some(&Value::Int(1))));
    }
}
