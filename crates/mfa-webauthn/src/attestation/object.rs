//! Attestation objects, and the verification of their statements (§6.5, §7.1 steps 21 to 24).

use std::borrow::Cow;

use countersign_primitives::UnixTime;

use super::{Attestation, AttestationError, AttestationFormat, AttestationKind, TrustPolicy};
use super::{android_key, android_safetynet, apple, fido_u2f, packed, tpm};
use crate::authenticator_data::{AttestedCredential, AuthenticatorData};
use crate::cbor::{CborError, Map, Value};
use crate::cose::Algorithm;
use crate::registration::RegistrationError;

/// An attestation object: three members, no more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttestationObject<'a> {
    pub(crate) auth_data: &'a [u8],
    format: &'a str,
    statement: Value<'a>,
}

/// What every verification procedure is given.
pub(super) struct Evidence<'a> {
    pub(super) data: &'a AuthenticatorData<'a>,
    pub(super) attested: &'a AttestedCredential<'a>,
    pub(super) client_data_hash: &'a [u8; 32],
    /// `authenticatorData || clientDataHash`, which most formats sign.
    pub(super) signed: Vec<u8>,
    /// Nothing where no attestation is demanded.
    pub(super) policy: Option<&'a TrustPolicy>,
    pub(super) now: UnixTime,
}

/// A statement whose verification procedure succeeded.
#[derive(Debug, Clone)]
pub(super) struct Statement<'a> {
    pub(super) format: AttestationFormat,
    pub(super) kind: AttestationKind,
    /// The attestation trust path, the attestation certificate first.
    pub(super) path: Vec<Cow<'a, [u8]>>,
    /// `id-fido-gen-ce-sernum`, of keys that an organisation handed out.
    pub(super) serial_number: Option<&'a [u8]>,
}

impl<'a> Statement<'a> {
    pub(super) fn new(format: AttestationFormat, kind: AttestationKind, path: Vec<&'a [u8]>) -> Self {
        let path = path.into_iter().map(Cow::Borrowed).collect();
        Self { format, kind, path, serial_number: None }
    }

    /// A statement whose certificates are not as they are in the message.
    pub(super) fn owned(format: AttestationFormat, kind: AttestationKind, path: Vec<Vec<u8>>) -> Self {
        let path = path.into_iter().map(Cow::Owned).collect();
        Self { format, kind, path, serial_number: None }
    }
}

impl<'a> AttestationObject<'a> {
    /// Step 13.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, CborError> {
        let map = Value::read(bytes)?.map()?;
        if map.len() != 3 {
            return Err(CborError::Type);
        }
        let member = |name| map.text_key(name).ok_or(CborError::Type);
        Ok(Self {
            auth_data: member("authData")?.bytes()?,
            format: member("fmt")?.text()?,
            statement: member("attStmt")?,
        })
    }

    /// Steps 21 to 24. Without a policy nothing is trusted, and the statement must be right all the same.
    pub(crate) fn verify(
        &self,
        data: &AuthenticatorData<'_>,
        attested: &AttestedCredential<'_>,
        client_data_hash: &[u8; 32],
        policy: Option<&TrustPolicy>,
        now: UnixTime,
    ) -> Result<Attestation, RegistrationError> {
        let signed = [data.bytes, client_data_hash].concat();
        let evidence = Evidence { data, attested, client_data_hash, signed, policy, now };
        let format = AttestationFormat::from_name(self.format).ok_or(AttestationError::UnknownFormat)?;
        if format == AttestationFormat::Compound {
            return compound(self.statement, &evidence);
        }
        let statement = statement(format, self.statement, &evidence)?;
        let trusted = match policy {
            Some(policy) => policy.trusts(&statement, attested, now)?,
            None => false,
        };
        let serial_number = statement.serial_number.map(<[u8]>::to_vec);
        Ok(Attestation { format, kind: statement.kind, trusted, serial_number })
    }
}

/// The verification procedure of one format (§8.2 to §8.8).
fn statement<'a>(
    format: AttestationFormat,
    value: Value<'a>,
    evidence: &Evidence<'_>,
) -> Result<Statement<'a>, AttestationError> {
    let map = value.map()?;
    match format {
        AttestationFormat::None => none(map),
        AttestationFormat::Packed => packed::verify(map, evidence),
        AttestationFormat::Tpm => tpm::verify(map, evidence),
        AttestationFormat::AndroidKey => android_key::verify(map, evidence),
        AttestationFormat::AndroidSafetyNet => android_safetynet::verify(map, evidence),
        AttestationFormat::FidoU2f => fido_u2f::verify(map, evidence),
        AttestationFormat::Apple => apple::verify(map, evidence),
        AttestationFormat::Compound => Err(AttestationError::Compound),
    }
}

/// §8.7: an empty map. What more is in it would claim something that nobody checked.
fn none(map: Map<'_>) -> Result<Statement<'_>, AttestationError> {
    if map.is_empty() {
        Ok(Statement::new(AttestationFormat::None, AttestationKind::None, Vec::new()))
    } else {
        Err(AttestationError::Members)
    }
}

/// §8.9: every part must verify; as many as the policy says must be trusted, by default all.
fn compound(value: Value<'_>, evidence: &Evidence<'_>) -> Result<Attestation, RegistrationError> {
    let parts = value.array().map_err(AttestationError::from)?;
    if parts.len() < 2 {
        return Err(AttestationError::Compound.into());
    }
    let mut statements: Vec<Statement<'_>> = Vec::new();
    for part in parts.iter() {
        let part = part.map().map_err(AttestationError::from)?;
        let (Some(name), Some(value), 2) = (part.text_key("fmt"), part.text_key("attStmt"), part.len()) else {
            return Err(AttestationError::Members.into());
        };
        let name = name.text().map_err(AttestationError::from)?;
        let format = AttestationFormat::from_name(name).ok_or(AttestationError::UnknownFormat)?;
        let twice = statements.iter().any(|statement| statement.format == format);
        if twice || format == AttestationFormat::Compound {
            return Err(AttestationError::Compound.into());
        }
        statements.push(statement(format, value, evidence)?);
    }
    let trusted = match evidence.policy {
        Some(policy) => policy.trusts_compound(&statements, evidence.attested, evidence.now)?,
        None => false,
    };
    // The strongest part speaks for the whole; it is the one that was trusted, if any was.
    let kind = statements.iter().map(|statement| statement.kind).max_by_key(|kind| strength(*kind));
    let serial_number = statements.iter().find_map(|statement| statement.serial_number).map(<[u8]>::to_vec);
    let kind = kind.unwrap_or(AttestationKind::None);
    Ok(Attestation { format: AttestationFormat::Compound, kind, trusted, serial_number })
}

const fn strength(kind: AttestationKind) -> u8 {
    match kind {
        AttestationKind::None => 0,
        AttestationKind::SelfAttestation => 1,
        AttestationKind::BasicOrAttCa | AttestationKind::Basic => 2,
        AttestationKind::AnonCa => 3,
        AttestationKind::AttCa => 4,
    }
}

/// The members of a statement: each that is named is there, and no other.
pub(super) fn members<'a, const N: usize>(map: Map<'a>, names: [&str; N]) -> Result<[Value<'a>; N], AttestationError> {
    let mut values = [Value::Null; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = map.text_key(name).ok_or(AttestationError::Members)?;
    }
    let count = u64::try_from(N).map_err(|_| AttestationError::Members)?;
    if map.len() == count { Ok(values) } else { Err(AttestationError::Members) }
}

/// The member `alg`.
pub(super) fn algorithm(value: Value<'_>) -> Result<Algorithm, AttestationError> {
    Algorithm::from_id(value.int()?).map_err(|_| AttestationError::Algorithm)
}

/// The most certificates that are taken from a message: each is searched for issuers, at the price of a signature.
const MAX_CHAIN: u64 = 8;

/// The member `x5c`: one certificate or more.
pub(super) fn x5c(value: Value<'_>) -> Result<Vec<&[u8]>, AttestationError> {
    let chain = value.array()?;
    if !(1..=MAX_CHAIN).contains(&chain.len()) {
        return Err(AttestationError::Members);
    }
    Ok(chain.iter().map(Value::bytes).collect::<Result<_, _>>()?)
}
