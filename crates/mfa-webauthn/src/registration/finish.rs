//! The second half: §7.1 from step 5 to step 28, in its order.

use countersign_primitives::UnixTime;

use super::{Registered, Registration, RegistrationError};
use crate::attestation::{Attestation, AttestationError, AttestationObject, TrustPolicy};
use crate::authenticator_data::{AttestedCredential, AuthenticatorData};
use crate::client_data::ClientData;
use crate::cose::sha256;
use crate::extensions::{ExtensionError, ExtensionResults, Judge};
use crate::{CeremonyError, Credential, RegistrationResponse, RelyingParty, checks};

impl RelyingParty {
    /// Ends a registration that demands no attestation. What the authenticator says of itself is verified all the same, and told as
    /// not trusted.
    ///
    /// # Errors
    /// [`RegistrationError`]; the ceremony is spent either way.
    pub fn finish_registration(
        &self,
        ceremony: Registration,
        response: &RegistrationResponse,
        session: &str,
        now: UnixTime,
    ) -> Result<Registered, RegistrationError> {
        if ceremony.attested {
            return Err(RegistrationError::PolicyMissing);
        }
        self.register(ceremony, response, None, session, now)
    }

    /// Ends a registration whose authenticator must satisfy `policy`.
    ///
    /// # Errors
    /// [`RegistrationError`]; the ceremony is spent either way.
    pub fn finish_attested_registration(
        &self,
        ceremony: Registration,
        response: &RegistrationResponse,
        policy: &TrustPolicy,
        session: &str,
        now: UnixTime,
    ) -> Result<Registered, RegistrationError> {
        self.register(ceremony, response, Some(policy), session, now)
    }

    fn register(
        &self,
        ceremony: Registration,
        response: &RegistrationResponse,
        policy: Option<&TrustPolicy>,
        session: &str,
        now: UnixTime,
    ) -> Result<Registered, RegistrationError> {
        ceremony.bond.holds(self, session, now)?;
        let client_data = ClientData::read(&response.client_data_json)?; // steps 5 and 6
        self.client_data_is_expected(&ceremony, &client_data)?; // steps 7 to 11
        let hash = sha256(&[&response.client_data_json]); // step 12
        let object = AttestationObject::read(&response.attestation_object)?; // step 13
        let data = AuthenticatorData::read(object.auth_data)?;
        let attested = data.attested.ok_or(RegistrationError::NoCredential)?;
        self.authenticator_data_is_expected(&ceremony, &data)?; // steps 14 to 17
        algorithm_was_offered(&ceremony, &attested)?; // step 20
        let attestation = object.verify(&data, &attested, &hash, policy, now)?; // steps 21 to 24
        device_is_told_only_when_asked(&ceremony, &attestation)?;
        id_is_the_answers(response, &attested)?; // step 25 was taken by the reader
        id_is_not_excluded(&ceremony, response)?; // step 26, as far as it goes without a store
        let extensions = self.extensions_are_expected(&ceremony, response, &data)?; // step 28
        let credential = record(ceremony, response, &data, &attested, &attestation, &extensions); // step 27
        Ok(Registered { credential, attestation, extensions, user_verified: data.flags.user_verified() })
    }

    fn client_data_is_expected(
        &self,
        ceremony: &Registration,
        client_data: &ClientData<'_>,
    ) -> Result<(), CeremonyError> {
        checks::type_is(client_data, "webauthn.create")?;
        checks::challenge_is(client_data, &ceremony.bond.challenge)?;
        checks::origin_is_expected(client_data, self)?;
        checks::frame_is_expected(client_data, self)?;
        checks::top_is_expected(client_data, self)
    }

    fn authenticator_data_is_expected(
        &self,
        ceremony: &Registration,
        data: &AuthenticatorData<'_>,
    ) -> Result<(), CeremonyError> {
        checks::rp_id_hash_is(data.rp_id_hash, &self.id_hash)?;
        if !ceremony.conditional {
            checks::user_is_present(data.flags)?;
        }
        if ceremony.user_verification_required {
            checks::user_is_verified(data.flags)?;
        }
        checks::backup_flags_agree(data.flags)
    }

    /// Step 28; also that a passkey is discoverable, as far as the client knows.
    fn extensions_are_expected(
        &self,
        ceremony: &Registration,
        response: &RegistrationResponse,
        data: &AuthenticatorData<'_>,
    ) -> Result<ExtensionResults, ExtensionError> {
        let judge =
            Judge { client: &response.extensions, authenticator: data.extensions, lenient: self.lenient_extensions };
        let results = judge.registration(&ceremony.extensions)?;
        if ceremony.must_be_discoverable && results.discoverable == Some(false) {
            return Err(ExtensionError::NotDiscoverable);
        }
        Ok(results)
    }
}

/// Step 20.
fn algorithm_was_offered(ceremony: &Registration, attested: &AttestedCredential<'_>) -> Result<(), RegistrationError> {
    let algorithm = attested.public_key.algorithm;
    if ceremony.algorithms.contains(&algorithm) { Ok(()) } else { Err(RegistrationError::Algorithm(algorithm)) }
}

/// §8.2.2: only an enterprise attestation tells the very device.
fn device_is_told_only_when_asked(ceremony: &Registration, attestation: &Attestation) -> Result<(), AttestationError> {
    let told = attestation.serial_number().is_some();
    if told && !ceremony.enterprise { Err(AttestationError::SerialNumber) } else { Ok(()) }
}

/// The answer's id is not signed; the one in the authenticator data counts, and they must not differ.
fn id_is_the_answers(
    response: &RegistrationResponse,
    attested: &AttestedCredential<'_>,
) -> Result<(), RegistrationError> {
    let same = response.id.as_bytes() == attested.credential_id;
    if same { Ok(()) } else { Err(RegistrationError::IdMismatch) }
}

/// Step 26, for the ids that the ceremony knows; for all others the record's creation decides.
fn id_is_not_excluded(ceremony: &Registration, response: &RegistrationResponse) -> Result<(), RegistrationError> {
    if ceremony.excluded.contains(&response.id) { Err(RegistrationError::Excluded) } else { Ok(()) }
}

/// Step 27.
fn record(
    ceremony: Registration,
    response: &RegistrationResponse,
    data: &AuthenticatorData<'_>,
    attested: &AttestedCredential<'_>,
    attestation: &Attestation,
    extensions: &ExtensionResults,
) -> Credential {
    Credential {
        id: response.id.clone(),
        user: ceremony.user,
        rp_id: ceremony.bond.rp_id().to_owned(),
        used_as: ceremony.used_as,
        public_key: attested.cose_key.to_vec(),
        algorithm: attested.public_key.algorithm,
        sign_count: data.sign_count,
        uv_initialized: data.flags.user_verified(),
        backup_eligible: data.flags.backup_eligible(),
        backed_up: data.flags.backed_up(),
        transports: response.transports.clone(),
        attachment: response.attachment,
        aaguid: attested.aaguid,
        discoverable: extensions.discoverable,
        protection: extensions.protection,
        attestation: attestation.summary(),
    }
}
