//! The id of a credential is one user's alone, whoever registers it (WebAuthn 3 §7.1 step 26).

use countersign_mfa_webauthn::CredentialId;
use countersign_primitives::{Id, Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key, Kind, Stored};
use serde::{Deserialize, Serialize};

use super::credential_of;
use crate::LoginError;
use crate::enrolments::{Enrolments, Read};
use crate::keys::{CREDENTIAL, Keys};
use crate::login::record::Login;
use crate::mfa::Inner;

/// Whose credential has an id, in a partition that the id names. It is reserved before the credential comes into force and given back
/// after it went, so it may point to what is not there; it never fails to point to what is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CredentialName {
    pub(crate) subject: Subject,
    pub(crate) authenticator: Id,
    reserved_at: UnixTime,
}

impl Stored for CredentialName {
    const KIND: Kind = CREDENTIAL;
}

/// Where the name of a credential lies.
pub(crate) fn name_of(keys: &Keys, rp_id: &str, id: &CredentialId) -> Id {
    keys.id("credential", &[rp_id.as_bytes(), id.as_bytes()])
}

impl Inner {
    /// Reserves a name for an authenticator; not if it is another's.
    pub(crate) async fn reserve_name(
        &self,
        name: Id,
        subject: &Subject,
        authenticator: Id,
        now: UnixTime,
    ) -> Result<bool, LoginError> {
        let key = Key::root(CREDENTIAL, name);
        let own = CredentialName { subject: subject.clone(), authenticator, reserved_at: now };
        let found: Option<Found<CredentialName>> = self.store.find(key, now).await?;
        let expect = match &found {
            None => Expect::Absent,
            Some(found) if found.value.subject == own.subject && found.value.authenticator == authenticator => {
                return Ok(true); // an answer that is repeated
            }
            Some(found) if self.is_left_over(&found.value, now).await? => found.unchanged(),
            Some(_) => return Ok(false),
        };
        let mut batch = Batch::new(name, now, &*self.random)?;
        batch.put_value(key, expect, UnixTime::MAX, &own)?;
        match self.store.commit_surely(&batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false), // somebody else was first
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a name was reserved for what never came into force, or has gone since.
    async fn is_left_over(&self, name: &CredentialName, now: UnixTime) -> Result<bool, LoginError> {
        if now.since(name.reserved_at) <= Login::LIFETIME {
            return Ok(false); // it may come yet
        }
        let read = Read::of(&*self.store, &*self.subjects, &name.subject, now).await?;
        Ok(read.value.find(name.authenticator).is_none())
    }

    /// Gives back the names of the credentials that are gone. Whatever fails here leaves a name that points to nothing.
    pub(crate) async fn release_names(&self, before: &Enrolments, after: &Enrolments) {
        let gone = before.authenticators.iter().filter(|one| after.find(one.id).is_none());
        for (one, credential) in gone.filter_map(|one| Some((one.id, credential_of(one)?))) {
            let name = name_of(&self.keys, credential.rp_id(), credential.id());
            if let Err(error) = self.release_name(name, one).await {
                tracing::warn!(%error, "the name of a credential that was removed stays behind");
            }
        }
    }

    async fn release_name(&self, name: Id, authenticator: Id) -> Result<(), LoginError> {
        let (key, now) = (Key::root(CREDENTIAL, name), self.now());
        let found: Option<Found<CredentialName>> = self.store.find(key, now).await?;
        let Some(found) = found.filter(|found| found.value.authenticator == authenticator) else { return Ok(()) };
        let mut batch = Batch::new(name, now, &*self.random)?;
        batch.delete(key, found.unchanged());
        match self.store.commit_surely(&batch).await {
            Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
