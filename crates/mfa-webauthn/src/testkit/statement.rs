//! Attestation statements of every format (§8), made as authenticators make them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_primitives::{BoxError, UnixTime};
use serde_json::json;

use super::cbor;
use super::key::SoftKey;
use super::maker::{Maker, Purpose, octets, sequence};
use super::{AndroidSecurity, Faults};
use crate::cose::sha256;
use crate::{Aaguid, Algorithm, AttestationFormat};

/// What a statement is about.
pub(super) struct About<'a> {
    pub(super) maker: &'a Maker,
    pub(super) faults: &'a Faults,
    pub(super) key: &'a SoftKey,
    pub(super) algorithm: Algorithm,
    pub(super) aaguid: Aaguid,
    pub(super) serial_number: Option<&'a [u8]>,
    pub(super) credential_id: &'a [u8],
    pub(super) auth_data: &'a [u8],
    pub(super) client_data_hash: [u8; 32],
    pub(super) android: AndroidSecurity,
    pub(super) now: UnixTime,
}

impl About<'_> {
    fn signed(&self) -> Vec<u8> {
        [self.auth_data, &self.client_data_hash].concat()
    }

    /// Signs, and spoils the signature where that is asked for.
    fn sign(&self, key: &SoftKey, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, BoxError> {
        let mut signature = key.sign(algorithm, message)?;
        self.faults.spoil_statement_signature(&mut signature);
        Ok(signature)
    }

    fn certify(&self, key: &SoftKey, purpose: &Purpose<'_>) -> Result<Vec<Vec<u8>>, BoxError> {
        let purpose = if self.faults.certifies_for_another_format { &Purpose::U2f } else { purpose };
        self.maker.certify(key, purpose, !self.faults.certified_by_no_authority)
    }

    fn chain(&self, key: &SoftKey, purpose: &Purpose<'_>) -> Result<Vec<u8>, BoxError> {
        let mut chain = self.certify(key, purpose)?;
        self.faults.spoil_certificates(&mut chain);
        Ok(cbor::array(&chain.iter().map(|certificate| cbor::bytes(certificate)).collect::<Vec<_>>()))
    }

    /// The statement of this format.
    pub(super) fn statement(
        &self,
        format: AttestationFormat,
        parts: &[AttestationFormat],
    ) -> Result<Vec<u8>, BoxError> {
        match format {
            AttestationFormat::None => Ok(cbor::map(&[])),
            AttestationFormat::Packed => self.packed(),
            AttestationFormat::Tpm => self.tpm(),
            AttestationFormat::AndroidKey => self.android_key(),
            AttestationFormat::AndroidSafetyNet => self.android_safetynet(),
            AttestationFormat::FidoU2f => self.fido_u2f(),
            AttestationFormat::Apple => self.apple(),
            AttestationFormat::Compound => {
                let part = |format: &AttestationFormat| {
                    let statement = self.statement(*format, &[])?;
                    let name = (cbor::text("fmt"), cbor::text(format.as_str()));
                    Ok(cbor::map(&[name, (cbor::text("attStmt"), statement)]))
                };
                Ok(cbor::array(&parts.iter().map(part).collect::<Result<Vec<_>, BoxError>>()?))
            }
        }
    }

    /// Self attestation: by the credential's own key.
    pub(super) fn self_attestation(&self) -> Result<Vec<u8>, BoxError> {
        let signature = self.sign(self.key, self.algorithm, &self.signed())?;
        let alg = (cbor::text("alg"), cbor::int(self.algorithm.id()));
        Ok(cbor::map(&[alg, (cbor::text("sig"), cbor::bytes(&signature))]))
    }

    fn packed(&self) -> Result<Vec<u8>, BoxError> {
        let key = SoftKey::generate(Algorithm::ES256)?;
        let purpose = Purpose::Packed { aaguid: self.aaguid, serial_number: self.serial_number };
        let signature = self.sign(&key, Algorithm::ES256, &self.signed())?;
        Ok(cbor::map(&[
            (cbor::text("alg"), cbor::int(Algorithm::ES256.id())),
            (cbor::text("sig"), cbor::bytes(&signature)),
            (cbor::text("x5c"), self.chain(&key, &purpose)?),
        ]))
    }

    fn fido_u2f(&self) -> Result<Vec<u8>, BoxError> {
        let key = SoftKey::generate(Algorithm::ES256)?;
        let (rp_id_hash, public) = (&self.auth_data[..32], self.key.public());
        let message = [&[0], rp_id_hash, &self.client_data_hash, self.credential_id, &public].concat();
        let signature = self.sign(&key, Algorithm::ES256, &message)?;
        let mut chain = self.certify(&key, &Purpose::U2f)?;
        self.faults.spoil_certificates(&mut chain);
        // One certificate alone; the intermediate is known from elsewhere.
        let certificate = cbor::array(&[cbor::bytes(&chain[0])]);
        Ok(cbor::map(&[(cbor::text("sig"), cbor::bytes(&signature)), (cbor::text("x5c"), certificate)]))
    }

    fn apple(&self) -> Result<Vec<u8>, BoxError> {
        let chain = self.chain(self.certified()?.key(self.key), &Purpose::Apple(sha256(&[&self.signed()])))?;
        Ok(cbor::map(&[(cbor::text("x5c"), chain)]))
    }

    fn android_key(&self) -> Result<Vec<u8>, BoxError> {
        let other = self.certified()?;
        let key = other.key(self.key);
        let signature = self.sign(key, self.algorithm, &self.signed())?;
        let description = self.android.description(&self.client_data_hash);
        Ok(cbor::map(&[
            (cbor::text("alg"), cbor::int(self.algorithm.id())),
            (cbor::text("sig"), cbor::bytes(&signature)),
            (cbor::text("x5c"), self.chain(key, &Purpose::Android(description))?),
        ]))
    }

    /// The key that is certified: the credential's, unless a fault has it be another.
    fn certified(&self) -> Result<Certified, BoxError> {
        let other = self.faults.certifies_another_key.then(|| SoftKey::generate(self.algorithm)).transpose()?;
        Ok(Certified(other))
    }

    fn android_safetynet(&self) -> Result<Vec<u8>, BoxError> {
        let key = SoftKey::generate(Algorithm::RS256)?;
        let mut chain = self.certify(&key, &Purpose::Host("attest.android.com"))?;
        self.faults.spoil_certificates(&mut chain);
        let x5c: Vec<_> = chain.iter().map(|certificate| STANDARD.encode(certificate)).collect();
        let mut payload = json!({
            "nonce": STANDARD.encode(sha256(&[&self.signed()])),
            "timestampMs": self.now.as_millis(),
            "ctsProfileMatch": true,
        });
        self.faults.spoil_safetynet(&mut payload);
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(json!({"alg": "RS256", "x5c": x5c})), encode(payload));
        let signature = self.sign(&key, Algorithm::RS256, signed.as_bytes())?;
        let response = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        let version = (cbor::text("ver"), cbor::text("14799021"));
        Ok(cbor::map(&[version, (cbor::text("response"), cbor::bytes(response.as_bytes()))]))
    }

    fn tpm(&self) -> Result<Vec<u8>, BoxError> {
        // TPMs have RSA or elliptic curves for this; the fault that certifies another key puts that into the public area.
        let (alg, key) = (Algorithm::ES256, SoftKey::generate(Algorithm::ES256)?);
        let certified = self.certified()?;
        let mut public_area = public_area(certified.key(self.key))?;
        self.faults.spoil_tpm_public_area(&mut public_area);
        let name = [&[0, 0x0b], &sha256(&[&public_area])[..]].concat();
        let mut attest = certify_info(&sha256(&[&self.signed()]), &name);
        self.faults.spoil_tpm_attest(&mut attest);
        let signature = self.sign(&key, alg, &attest)?;
        Ok(cbor::map(&[
            (cbor::text("alg"), cbor::int(alg.id())),
            (cbor::text("sig"), cbor::bytes(&signature)),
            (cbor::text("ver"), cbor::text("2.0")),
            (cbor::text("x5c"), self.chain(&key, &Purpose::Tpm)?),
            (cbor::text("pubArea"), cbor::bytes(&public_area)),
            (cbor::text("certInfo"), cbor::bytes(&attest)),
        ]))
    }
}

struct Certified(Option<SoftKey>);

impl Certified {
    fn key<'a>(&'a self, own: &'a SoftKey) -> &'a SoftKey {
        self.0.as_ref().unwrap_or(own)
    }
}

fn sized(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&length, content].concat()
}

/// `TPMT_PUBLIC` (TPM 2.0 Part 2 §12.2.4).
fn public_area(key: &SoftKey) -> Result<Vec<u8>, BoxError> {
    let head = |kind: u8| [&[0, kind, 0, 0x0b, 0, 6, 4, 0x72], &sized(&[0x9d; 32])[..]].concat();
    if let Some((n, _)) = key.rsa_numbers() {
        // No symmetric algorithm, no scheme, 2048 bits, the default exponent.
        return Ok([head(1), vec![0, 0x10, 0, 0x10, 8, 0, 0, 0, 0, 0], sized(&n)].concat());
    }
    let SoftKey::P256(_) = key else { return Err("a TPM has RSA or P-256 here".into()) };
    let (x, y) = (key.public()[1..33].to_vec(), key.public()[33..].to_vec());
    // No symmetric algorithm, no scheme, P-256, no key derivation.
    Ok([head(0x23), vec![0, 0x10, 0, 0x10, 0, 3, 0, 0x10], sized(&x), sized(&y)].concat())
}

/// `TPMS_ATTEST` with `TPMS_CERTIFY_INFO` (TPM 2.0 Part 2 §10.12.8).
fn certify_info(extra_data: &[u8], name: &[u8]) -> Vec<u8> {
    let head = [0xff, 0x54, 0x43, 0x47, 0x80, 0x17];
    [&head[..], &sized(&[1; 34]), &sized(extra_data), &[2; 17], &[3; 8], &sized(name), &sized(&[4; 34])].concat()
}

impl AndroidSecurity {
    /// `KeyDescription`.
    fn description(self, challenge: &[u8]) -> Vec<u8> {
        let level = u8::from(self != Self::Software) + u8::from(self == Self::StrongBox);
        let purpose = sequence(0xa1, &sequence(0x31, &[2, 1, 2]));
        let origin = [&[0xbf, 0x85, 0x3e, 3][..], &[2, 1, 0]].concat();
        let all_applications = [0xbf, 0x84, 0x58, 2, 5, 0];
        let origin = if self == Self::Imported { [&origin[..6], &[2]].concat() } else { origin };
        let mut authorizations = [purpose, origin].concat();
        if self == Self::AllApplications {
            authorizations.extend(all_applications);
        }
        let authorizations = sequence(0x30, &authorizations);
        let empty = sequence(0x30, &[]);
        let (software, hardware) = if level == 0 { (authorizations, empty) } else { (empty, authorizations) };
        let head = vec![2, 1, 3, 10, 1, level, 2, 1, 4, 10, 1, level];
        sequence(0x30, &[head, octets(challenge), octets(&[]), software, hardware].concat())
    }
}
