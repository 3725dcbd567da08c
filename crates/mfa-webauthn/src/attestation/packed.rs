//! The packed format (WebAuthn 3 §8.2).

use super::certificate::Certificate;
use super::object::{Evidence, Statement, algorithm, members, x5c};
use super::{AttestationError, AttestationFormat, AttestationKind};
use crate::cbor::Map;
use crate::cose::{Algorithm, verify as verify_signature};

pub(super) fn verify<'a>(map: Map<'a>, evidence: &Evidence<'_>) -> Result<Statement<'a>, AttestationError> {
    if map.text_key("x5c").is_none() {
        return by_the_credential(map, evidence);
    }
    let [alg, sig, chain] = members(map, ["alg", "sig", "x5c"])?;
    let algorithm = algorithm(alg)?;
    if algorithm == Algorithm::RS1 {
        return Err(AttestationError::Algorithm);
    }
    let chain = x5c(chain)?;
    let certificate = Certificate::read(chain[0])?;
    verify_signature(algorithm, &certificate.public_key()?, &evidence.signed, sig.bytes()?)?;
    certificate.meets_packed_requirements()?;
    certificate.is_for_model(evidence.attested.aaguid)?;
    let serial_number = certificate.serial_number_of_device()?;
    let kind = AttestationKind::BasicOrAttCa;
    Ok(Statement { serial_number, ..Statement::new(AttestationFormat::Packed, kind, chain) })
}

/// Self attestation: the credential's own key signs.
fn by_the_credential<'a>(map: Map<'a>, evidence: &Evidence<'_>) -> Result<Statement<'a>, AttestationError> {
    let [alg, sig] = members(map, ["alg", "sig"])?;
    let key = &evidence.attested.public_key;
    if algorithm(alg)? != key.algorithm {
        return Err(AttestationError::Algorithm);
    }
    verify_signature(key.algorithm, &key.key, &evidence.signed, sig.bytes()?)?;
    Ok(Statement::new(AttestationFormat::Packed, AttestationKind::SelfAttestation, Vec::new()))
}
