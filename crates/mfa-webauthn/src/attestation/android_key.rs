//! Android's key store (WebAuthn 3 §8.4).

use super::certificate::Certificate;
use super::object::{Evidence, Statement, algorithm, members, x5c};
use super::{AttestationError, AttestationFormat, AttestationKind};
use crate::cbor::Map;
use crate::cose::{Algorithm, verify as verify_signature};
use crate::der;

/// 1.3.6.1.4.1.11129.2.1.17
const KEY_DESCRIPTION: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x01, 0x11];

/// `KM_PURPOSE_SIGN`
const SIGN: u64 = 2;
/// `KM_ORIGIN_GENERATED`
const GENERATED: u64 = 0;

pub(super) fn verify<'a>(map: Map<'a>, evidence: &Evidence<'_>) -> Result<Statement<'a>, AttestationError> {
    let [alg, sig, chain] = members(map, ["alg", "sig", "x5c"])?;
    let algorithm = algorithm(alg)?;
    if algorithm == Algorithm::RS1 {
        return Err(AttestationError::Algorithm);
    }
    let chain = x5c(chain)?;
    let certificate = Certificate::read(chain[0])?;
    let key = certificate.public_key()?;
    verify_signature(algorithm, &key, &evidence.signed, sig.bytes()?)?;
    if key != evidence.attested.public_key.key {
        return Err(AttestationError::OtherKey);
    }
    let extension = certificate.extension(KEY_DESCRIPTION)?.ok_or(AttestationError::AndroidMalformed)?;
    let description = KeyDescription::read(extension.value).ok_or(AttestationError::AndroidMalformed)?;
    if description.challenge != evidence.client_data_hash {
        return Err(AttestationError::OtherCeremony);
    }
    let hardware_alone = evidence.policy.is_some_and(|policy| !policy.accepts_android_software());
    description.is_authorized(hardware_alone)?;
    Ok(Statement::new(AttestationFormat::AndroidKey, AttestationKind::Basic, chain))
}

/// What the key store says of a key, as far as it is asked.
pub(super) struct KeyDescription<'a> {
    /// 0 software, 1 trusted execution environment, 2 StrongBox.
    attestation_security_level: u64,
    keymaster_security_level: u64,
    challenge: &'a [u8],
    software: AuthorizationList,
    hardware: AuthorizationList,
}

/// The members of an authorization list that matter here; all others are passed over.
#[derive(Default)]
struct AuthorizationList {
    purposes: Vec<u64>,
    all_applications: bool,
    origin: Option<u64>,
}

impl<'a> KeyDescription<'a> {
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let mut description = der::Reader::new(value).only(der::SEQUENCE)?;
        description.take_unsigned(der::INTEGER)?; // attestationVersion
        let attestation_security_level = description.take_unsigned(der::ENUMERATED)?;
        description.take_unsigned(der::INTEGER)?; // keymasterVersion
        let keymaster_security_level = description.take_unsigned(der::ENUMERATED)?;
        let challenge = description.take(der::OCTET_STRING)?.content();
        description.take(der::OCTET_STRING)?; // uniqueId
        let software = AuthorizationList::read(description.take(der::SEQUENCE)?)?;
        let hardware = AuthorizationList::read(description.take(der::SEQUENCE)?)?;
        Some(Self { attestation_security_level, keymaster_security_level, challenge, software, hardware })
    }

    /// The last step of §8.4. Where hardware alone counts, its list must say all this; else no list may say otherwise, for the
    /// specification's own vector (§16) has lists that say nothing.
    pub(super) fn is_authorized(&self, hardware_alone: bool) -> Result<(), AttestationError> {
        let scoped = !self.hardware.all_applications && !self.software.all_applications;
        let authorized = if hardware_alone {
            let in_hardware = self.attestation_security_level > 0 && self.keymaster_security_level > 0;
            in_hardware && self.hardware.says_so()
        } else {
            self.hardware.allows() && self.software.allows()
        };
        if scoped && authorized { Ok(()) } else { Err(AttestationError::AndroidAuthorization) }
    }
}

impl AuthorizationList {
    /// Whether nothing in it speaks against a generated key that signs.
    fn allows(&self) -> bool {
        self.origin.is_none_or(|origin| origin == GENERATED) && self.purposes.iter().all(|purpose| *purpose == SIGN)
    }

    /// Whether it says that the key was generated there and signs.
    fn says_so(&self) -> bool {
        self.origin.is_some() && !self.purposes.is_empty() && self.allows()
    }

    fn read(mut list: der::Reader<'_>) -> Option<Self> {
        let mut authorizations = Self::default();
        while !list.is_empty() {
            let (tag, mut value) = list.next()?;
            if tag == der::context(1) {
                let mut set = value.only(der::SET)?;
                while !set.is_empty() {
                    authorizations.purposes.push(set.take_unsigned(der::INTEGER)?);
                }
            } else if tag == der::context(600) {
                authorizations.all_applications = true;
            } else if tag == der::context(702) {
                authorizations.origin = Some(value.take_unsigned(der::INTEGER)?);
            }
        }
        Some(authorizations)
    }
}
