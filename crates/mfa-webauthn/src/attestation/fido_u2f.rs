//! The format of U2F keys (WebAuthn 3 §8.6).

use super::certificate::Certificate;
use super::object::{Evidence, Statement, members, x5c};
use super::{AttestationError, AttestationFormat, AttestationKind};
use crate::cbor::Map;
use crate::cose::{Algorithm, EcCurve, PublicKey, verify as verify_signature};

pub(super) fn verify<'a>(map: Map<'a>, evidence: &Evidence<'_>) -> Result<Statement<'a>, AttestationError> {
    let [sig, chain] = members(map, ["sig", "x5c"])?;
    let chain = x5c(chain)?;
    let [certificate] = chain[..] else { return Err(AttestationError::Members) };
    let certificate = Certificate::read(certificate)?;
    let certified = certificate.public_key()?;
    if !matches!(certified, PublicKey::Ec { curve: EcCurve::P256, .. }) {
        return Err(AttestationError::Algorithm);
    }
    let PublicKey::Ec { curve: EcCurve::P256, x, y } = evidence.attested.public_key.key else {
        return Err(AttestationError::Algorithm);
    };
    let (rp_id_hash, id) = (evidence.data.rp_id_hash, evidence.attested.credential_id);
    let signed = [&[0], &rp_id_hash[..], evidence.client_data_hash, id, &[4], x, y].concat();
    verify_signature(Algorithm::ES256, &certified, &signed, sig.bytes()?)?;
    Ok(Statement::new(AttestationFormat::FidoU2f, AttestationKind::BasicOrAttCa, chain))
}
