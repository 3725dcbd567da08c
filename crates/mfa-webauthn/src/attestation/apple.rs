//! Apple's anonymous attestation (WebAuthn 3 §8.8).

use super::certificate::Certificate;
use super::object::{Evidence, Statement, members, x5c};
use super::{AttestationError, AttestationFormat, AttestationKind};
use crate::cbor::Map;
use crate::cose::sha256;
use crate::der;

/// 1.2.840.113635.100.8.2
const NONCE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x63, 0x64, 0x08, 0x02];

pub(super) fn verify<'a>(map: Map<'a>, evidence: &Evidence<'_>) -> Result<Statement<'a>, AttestationError> {
    let [chain] = members(map, ["x5c"])?;
    let chain = x5c(chain)?;
    let certificate = Certificate::read(chain[0])?;
    let extension = certificate.extension(NONCE)?.ok_or(AttestationError::OtherCeremony)?;
    let nonce = sha256(&[&evidence.signed]);
    if certified_nonce(extension.value) != Some(&nonce[..]) {
        return Err(AttestationError::OtherCeremony);
    }
    if certificate.public_key()? != evidence.attested.public_key.key {
        return Err(AttestationError::OtherKey);
    }
    Ok(Statement::new(AttestationFormat::Apple, AttestationKind::AnonCa, chain))
}

/// `SEQUENCE { [1] EXPLICIT OCTET STRING }`, nothing else.
pub(super) fn certified_nonce(value: &[u8]) -> Option<&[u8]> {
    let mut outer = der::Reader::new(value).only(der::SEQUENCE)?;
    let mut tagged = outer.take(der::context(1))?;
    let nonce = tagged.take(der::OCTET_STRING)?;
    (tagged.is_empty() && outer.is_empty()).then(|| nonce.content())
}
