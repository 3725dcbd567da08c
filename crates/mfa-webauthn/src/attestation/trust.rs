//! Which authenticators are trusted, as a value (§7.1 steps 23 and 24).

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_primitives::UnixTime;

use super::AttestationKind;
use super::anchors::Anchors;
use super::certificate::{Certificate, CertificateError};
use super::object::Statement;
use crate::authenticator_data::AttestedCredential;
use crate::metadata::MetadataEntry;
use crate::refusal::refusals;
use crate::{Aaguid, Metadata, StatusPolicy};

refusals! {
    /// Why an attestation whose signature is right is not trusted (§7.1 step 24).
    TrustError as "trust" {
        /// There is no attestation, and the policy demands one.
        Unattested = "unattested": "the authenticator gives no attestation, which the policy demands",
        /// The credential's own key attests, and the policy does not take that.
        SelfAttested = "self_attested": "the credential attests itself, which the policy does not take",
        /// The model is not one that the policy takes.
        Model = "model": "this model of authenticator is not one that the policy takes",
        /// No path from the attestation certificate to an anchor.
        NoPath = "no_path": "the attestation certificate does not lead to an anchor of the policy",
        /// A certificate on the path is not valid at this time.
        NotValidNow = "not_valid_now": "a certificate on the path has expired or is not valid yet",
        /// A certificate on the path may not issue others.
        NoAuthority = "no_authority": "a certificate on the path may not issue others",
        /// A certificate on the path cannot be read.
        Certificate = "certificate": "a certificate on the path cannot be read",
        /// A certificate on the path has been revoked.
        Revoked = "revoked": "a certificate on the path has been revoked",
        /// A list of revoked certificates is too old, or not its issuer's.
        RevocationList = "revocation_list": "a list of revoked certificates is too old or not signed by its issuer; fetch it anew",
        /// The metadata has a report about the model that the policy minds.
        Status = "status": "the metadata has a report about this model of authenticator that the policy minds",
        /// The metadata does not know the model, and the policy takes none that it does not.
        Unlisted = "unlisted": "the metadata does not know this model of authenticator",
        /// Too few parts of a compound attestation are trusted.
        Compound = "compound": "too few parts of the compound attestation are trusted",
    }
}

/// Which models are taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Models {
    #[default]
    Any,
    Only(BTreeSet<Aaguid>),
    Except(BTreeSet<Aaguid>),
}

/// Which authenticators a relying party trusts: anchors, models, and how much each format must show.
///
/// A policy without anchors trusts nothing. Anchors are certificates of makers or of the FIDO Metadata Service, and never come from
/// the message.
///
/// ```
/// use countersign_mfa_webauthn::{Aaguid, TrustPolicy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let yubikey_5: Aaguid = "cb69481e-8ff7-4039-93ec-0a2729a154a8".parse()?;
/// let policy = TrustPolicy::new().only_models([yubikey_5]);
/// # let _ = policy;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TrustPolicy {
    anchors: Anchors,
    metadata: Option<Arc<Metadata>>,
    statuses: StatusPolicy,
    listed_models_alone: bool,
    models: Models,
    self_attestation: bool,
    no_attestation: bool,
    android_software: bool,
    android_safetynet: bool,
    tpm_sha1: bool,
    compound: Option<usize>,
}

impl TrustPolicy {
    /// A policy that trusts nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts what leads to this certificate, in DER. It may be a root, an intermediate, or an attestation certificate itself; its own
    /// dates are not looked at, for it is trusted as it stands.
    ///
    /// # Errors
    /// When it is no certificate, or its key is of a kind that is not known here.
    pub fn anchor(mut self, der: impl Into<Vec<u8>>) -> Result<Self, CertificateError> {
        self.anchors.add(der.into())?;
        Ok(self)
    }

    /// Refuses certificates on this list of revoked ones (RFC 5280 §5), in DER. A list that has run out refuses every certificate of
    /// its issuer's: fetch it before.
    ///
    /// # Errors
    /// When it is no such list, or has a critical extension that is not known here.
    pub fn revocation_list(mut self, der: impl Into<Vec<u8>>) -> Result<Self, CertificateError> {
        self.anchors.revoke(der.into())?;
        Ok(self)
    }

    /// Trusts what leads to the root that this metadata has for the model, and minds what it reports. A model is judged by its reports also
    /// where an anchor of the policy's own vouches for it.
    #[must_use]
    pub fn metadata(mut self, metadata: impl Into<Arc<Metadata>>) -> Self {
        self.metadata = Some(metadata.into());
        self
    }

    /// Which reports of the metadata count; [`StatusPolicy::default`] unless this says otherwise.
    #[must_use]
    pub fn statuses(mut self, statuses: StatusPolicy) -> Self {
        self.statuses = statuses;
        self
    }

    /// Takes models alone that the metadata knows.
    #[must_use]
    pub const fn listed_models_alone(mut self) -> Self {
        self.listed_models_alone = true;
        self
    }

    /// Takes these models alone.
    #[must_use]
    pub fn only_models(mut self, models: impl IntoIterator<Item = Aaguid>) -> Self {
        self.models = Models::Only(models.into_iter().collect());
        self
    }

    /// Takes all models but these.
    #[must_use]
    pub fn except_models(mut self, models: impl IntoIterator<Item = Aaguid>) -> Self {
        self.models = Models::Except(models.into_iter().collect());
        self
    }

    /// Takes credentials that attest themselves, or not at all; they are registered, and not told as trusted.
    #[must_use]
    pub const fn accept_untrusted(mut self) -> Self {
        self.self_attestation = true;
        self.no_attestation = true;
        self
    }

    /// Takes keys of Android's key store that lie in software, not in a secure environment.
    #[must_use]
    pub const fn danger_accept_android_software(mut self) -> Self {
        self.android_software = true;
        self
    }

    /// Takes SafetyNet's attestation, which Google has ended: whoever keeps an old key of it could sign answers still.
    #[must_use]
    pub const fn danger_accept_android_safetynet(mut self) -> Self {
        self.android_safetynet = true;
        self
    }

    /// Takes SHA-1 in what a TPM signs (RS1). Some TPM 2.0 of the first years know nothing else. SHA-1 no longer withstands
    /// collisions.
    #[must_use]
    pub const fn danger_accept_tpm_sha1(mut self) -> Self {
        self.tpm_sha1 = true;
        self
    }

    /// Takes compound attestations of which at least this many parts are trusted, instead of all.
    #[must_use]
    pub const fn compound_parts(mut self, trusted: usize) -> Self {
        self.compound = Some(trusted);
        self
    }

    pub(super) const fn accepts_android_software(&self) -> bool {
        self.android_software
    }

    pub(super) const fn accepts_android_safetynet(&self) -> bool {
        self.android_safetynet
    }

    pub(super) const fn accepts_tpm_sha1(&self) -> bool {
        self.tpm_sha1
    }

    /// Whether the statement is trusted; untrusted ones that are taken all the same yield `false`.
    pub(super) fn trusts(
        &self,
        statement: &Statement<'_>,
        attested: &AttestedCredential<'_>,
        now: UnixTime,
    ) -> Result<bool, TrustError> {
        self.takes_model(attested.aaguid)?;
        let known = self.known(statement, attested)?;
        match statement.kind {
            AttestationKind::None if self.no_attestation => Ok(false),
            AttestationKind::None => Err(TrustError::Unattested),
            AttestationKind::SelfAttestation if self.self_attestation => Ok(false),
            AttestationKind::SelfAttestation => Err(TrustError::SelfAttested),
            _ => {
                let roots = known.map_or(&[][..], |known| &known.roots);
                self.anchors.leads(&statement.path, roots, now).map(|()| true)
            }
        }
    }

    /// The same for the parts of a compound attestation.
    pub(super) fn trusts_compound(
        &self,
        parts: &[Statement<'_>],
        attested: &AttestedCredential<'_>,
        now: UnixTime,
    ) -> Result<bool, TrustError> {
        self.takes_model(attested.aaguid)?;
        let needed = self.compound.unwrap_or(parts.len()).max(1);
        let trusted = parts.iter().filter(|part| self.trusts(part, attested, now) == Ok(true)).count();
        if trusted >= needed { Ok(true) } else { Err(TrustError::Compound) }
    }

    fn takes_model(&self, aaguid: Aaguid) -> Result<(), TrustError> {
        let taken = match &self.models {
            Models::Any => true,
            Models::Only(models) => models.contains(&aaguid),
            Models::Except(models) => !models.contains(&aaguid),
        };
        if taken { Ok(()) } else { Err(TrustError::Model) }
    }

    /// What the metadata knows of the model, if it is one that the policy takes.
    fn known(
        &self,
        statement: &Statement<'_>,
        attested: &AttestedCredential<'_>,
    ) -> Result<Option<&MetadataEntry>, TrustError> {
        let metadata = self.metadata.as_deref();
        let known = match metadata.and_then(|metadata| metadata.model(attested.aaguid)) {
            Some(known) => Some(known),
            None => match (metadata, statement.path.first()) {
                (Some(metadata), Some(certificate)) => {
                    let certificate = Certificate::read(certificate).map_err(|_| TrustError::Certificate)?;
                    metadata.by_key(certificate.subject_public_key())
                }
                _ => None,
            },
        };
        match known {
            Some(known) if !self.statuses.takes(&known.statuses) => Err(TrustError::Status),
            None if self.listed_models_alone => Err(TrustError::Unlisted),
            known => Ok(known),
        }
    }
}
