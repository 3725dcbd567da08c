//! The second half: §7.2 from step 5 to step 24, in its order.

use countersign_primitives::UnixTime;

use super::{Authenticated, Authentication, AuthenticationError, Counter};
use crate::authenticator_data::{AuthenticatorData, Flags};
use crate::client_data::ClientData;
use crate::cose::{sha256, verify};
use crate::extensions::{ExtensionResults, Judge};
use crate::relying_party::{OnCloneSuspicion, OnEligibilityUpgrade};
use crate::{AuthenticationResponse, CeremonyError, Credential, RelyingParty, checks};

impl RelyingParty {
    /// Ends an authentication.
    ///
    /// `credentials` are those of the user who was named as it began; where nobody was, those of the user whom
    /// [`AuthenticationResponse::user_handle`] names, or the one record under [`AuthenticationResponse::credential_id`]. Each
    /// says itself whose it is, so a wrong list is refused, not trusted.
    ///
    /// # Errors
    /// [`AuthenticationError`]; the ceremony is spent either way.
    #[expect(clippy::needless_pass_by_value, reason = "a ceremony serves once")]
    pub fn finish_authentication<'c>(
        &self,
        ceremony: Authentication,
        response: &AuthenticationResponse,
        credentials: impl IntoIterator<Item = &'c Credential>,
        session: &str,
        now: UnixTime,
    ) -> Result<Authenticated, AuthenticationError> {
        ceremony.bond.holds(self, session, now)?;
        credential_is_allowed(&ceremony, response)?; // step 5
        let credential = self.credential_of_the_user(&ceremony, response, credentials)?; // step 6
        let data = authenticator_data(response)?; // step 7
        let client_data = ClientData::read(&response.client_data_json)?; // steps 8 and 9
        self.assertion_is_expected(&ceremony, &client_data)?; // steps 10 to 14
        self.flags_are_expected(&ceremony, response, &data)?; // steps 15 to 18
        let became_backup_eligible = self.eligibility_is_allowed(credential, data.flags)?; // step 19
        let hash = sha256(&[&response.client_data_json]); // step 20
        signature_is_the_credentials(credential, &data, &hash, &response.signature)?; // step 21
        let counter = self.counter_is_allowed(credential, &data)?; // step 22
        let extensions = self.assertion_extensions(&ceremony, response, &data)?; // step 23
        let credential = updated(credential, &data, counter); // step 24
        Ok(Authenticated {
            credential,
            user_verified: data.flags.user_verified(),
            counter,
            became_backup_eligible,
            attachment: response.attachment,
            extensions,
        })
    }

    /// Step 6: a record of the identified user, or of the user whom the authenticator names.
    fn credential_of_the_user<'c>(
        &self,
        ceremony: &Authentication,
        response: &AuthenticationResponse,
        credentials: impl IntoIterator<Item = &'c Credential>,
    ) -> Result<&'c Credential, AuthenticationError> {
        let found = credentials.into_iter().find(|credential| credential.id == response.id);
        let credential = found.ok_or(AuthenticationError::UnknownCredential)?;
        if credential.rp_id != self.id {
            return Err(AuthenticationError::UnknownCredential);
        }
        let handle = response.user_handle.as_ref();
        match &ceremony.user {
            Some(user) if credential.user != *user => Err(AuthenticationError::UnknownCredential),
            Some(user) if handle.is_some_and(|handle| handle != user) => Err(AuthenticationError::OtherUser),
            Some(_) => Ok(credential),
            None => match handle {
                None => Err(AuthenticationError::NoUserHandle),
                Some(handle) if credential.user != *handle => Err(AuthenticationError::OtherUser),
                Some(_) => Ok(credential),
            },
        }
    }

    fn assertion_is_expected(
        &self,
        ceremony: &Authentication,
        client_data: &ClientData<'_>,
    ) -> Result<(), CeremonyError> {
        checks::type_is(client_data, "webauthn.get")?;
        checks::challenge_is(client_data, &ceremony.bond.challenge)?;
        checks::origin_is_expected(client_data, self)?;
        checks::frame_is_expected(client_data, self)?;
        checks::top_is_expected(client_data, self)
    }

    fn flags_are_expected(
        &self,
        ceremony: &Authentication,
        response: &AuthenticationResponse,
        data: &AuthenticatorData<'_>,
    ) -> Result<(), CeremonyError> {
        // Where an AppID was asked for and stood in, its hash is the one (§10.1.1).
        let app_id = ceremony.extensions.appid.as_ref().filter(|_| response.extensions.used_appid());
        let expected = app_id.map_or(self.id_hash, |app_id| sha256(&[app_id.as_bytes()]));
        checks::rp_id_hash_is(data.rp_id_hash, &expected)?;
        checks::user_is_present(data.flags)?;
        if ceremony.user_verification_required {
            checks::user_is_verified(data.flags)?;
        }
        checks::backup_flags_agree(data.flags)
    }

    /// Step 19. Whether the credential has become eligible, where that is allowed.
    fn eligibility_is_allowed(&self, credential: &Credential, flags: Flags) -> Result<bool, AuthenticationError> {
        match (credential.backup_eligible, flags.backup_eligible()) {
            (true, false) => Err(AuthenticationError::BackupEligibility),
            (false, true) => match self.on_eligibility_upgrade {
                OnEligibilityUpgrade::Accept => Ok(true),
                OnEligibilityUpgrade::UnlessAttested if !credential.attestation.trusted => Ok(true),
                _ => Err(AuthenticationError::BackupEligibility),
            },
            _ => Ok(false),
        }
    }

    /// Step 22: compared if either is not zero.
    fn counter_is_allowed(
        &self,
        credential: &Credential,
        data: &AuthenticatorData<'_>,
    ) -> Result<Counter, AuthenticationError> {
        let (stored, received) = (credential.sign_count, data.sign_count);
        if stored == 0 && received == 0 {
            return Ok(Counter::Unused);
        }
        if received > stored {
            return Ok(Counter::Risen);
        }
        let suspect = Counter::Suspect { stored, received };
        // As it was registered, not as this answer says: whoever copied a key can set a flag.
        let honest_copies = credential.backup_eligible;
        if self.on_clone_suspicion == OnCloneSuspicion::Refuse && !honest_copies {
            return Err(AuthenticationError::CloneSuspected(suspect));
        }
        Ok(suspect)
    }

    fn assertion_extensions(
        &self,
        ceremony: &Authentication,
        response: &AuthenticationResponse,
        data: &AuthenticatorData<'_>,
    ) -> Result<ExtensionResults, AuthenticationError> {
        let judge =
            Judge { client: &response.extensions, authenticator: data.extensions, lenient: self.lenient_extensions };
        Ok(judge.authentication(&ceremony.extensions)?)
    }
}

/// Step 5. A user who was identified but had no credential can use none.
fn credential_is_allowed(
    ceremony: &Authentication,
    response: &AuthenticationResponse,
) -> Result<(), AuthenticationError> {
    let discovered = ceremony.user.is_none() && ceremony.allowed.is_empty();
    let allowed = discovered || ceremony.allowed.contains(&response.id);
    if allowed { Ok(()) } else { Err(AuthenticationError::NotAllowed) }
}

/// Step 7: assertions have no credential in them (§6.1).
fn authenticator_data(response: &AuthenticationResponse) -> Result<AuthenticatorData<'_>, AuthenticationError> {
    let data = AuthenticatorData::read(&response.authenticator_data)?;
    if data.attested.is_some() { Err(AuthenticationError::UnexpectedCredential) } else { Ok(data) }
}

/// Step 21.
fn signature_is_the_credentials(
    credential: &Credential,
    data: &AuthenticatorData<'_>,
    client_data_hash: &[u8; 32],
    signature: &[u8],
) -> Result<(), AuthenticationError> {
    let key = credential.key().map_err(AuthenticationError::StoredKey)?;
    let message = [data.bytes, client_data_hash].concat();
    Ok(verify(key.algorithm, &key.key, &message, signature)?)
}

/// Step 24. A counter that fell is not followed down, else the fall would be told only once. `uvInitialized` stays: to raise it
/// needs another factor, which is the host's to ask for.
fn updated(credential: &Credential, data: &AuthenticatorData<'_>, counter: Counter) -> Credential {
    let mut updated = credential.clone();
    if counter == Counter::Risen {
        updated.sign_count = data.sign_count;
    }
    updated.backup_eligible = data.flags.backup_eligible();
    updated.backed_up = data.flags.backed_up();
    // A key that can leave its device is not what its attestation stood for.
    updated.attestation.trusted &= credential.backup_eligible == updated.backup_eligible;
    updated
}
