//! Attestation certificates: read, and held to what their formats ask (§8.2.1, §8.3.1).

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Version};

use super::AttestationError;
use crate::Aaguid;
use crate::cose::{CoseKeyError, EcCurve, OkpCurve, PublicKey};
use crate::der;
use crate::refusal::refusals;

/// The longest certificate that is read, in bytes.
const MAX_CERTIFICATE: usize = 16 * 1024;

const ID_EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const SECP256R1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const SECP521R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

/// `id-fido-gen-ce-aaguid`, 1.3.6.1.4.1.45724.1.1.4
const FIDO_AAGUID: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xe5, 0x1c, 0x01, 0x01, 0x04];
/// `id-fido-gen-ce-sernum`, 1.3.6.1.4.1.45724.1.1.2
const FIDO_SERIAL_NUMBER: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xe5, 0x1c, 0x01, 0x01, 0x02];
/// `id-ce-subjectAltName`
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// `tcg-kp-AIKCertificate`, 2.23.133.8.3
const AIK_CERTIFICATE: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x03];
/// `tcg-at-tpmManufacturer`, `tcg-at-tpmModel`, `tcg-at-tpmVersion`: 2.23.133.2.1 to 2.23.133.2.3
const TPM_ATTRIBUTES: [&[u8]; 3] =
    [&[0x67, 0x81, 0x05, 0x02, 0x01], &[0x67, 0x81, 0x05, 0x02, 0x02], &[0x67, 0x81, 0x05, 0x02, 0x03]];

refusals! {
    /// Why a certificate is refused, apart from where it leads.
    CertificateError as "certificate" {
        /// No X.509 certificate, or one with something after it.
        Malformed = "malformed": "it is no X.509 certificate in DER, or there are bytes after it",
        /// A key of a kind or size that is not known here.
        Key = "key": "its public key is of a kind or size that is not known here",
        /// An extension that the format asks for or judges is malformed, or critical where it must not be.
        Extension = "extension": "one of its extensions is malformed, or critical where it must not be",
        /// Version, subject, key usage or basic constraints are not what the format asks for.
        Requirements = "requirements": "it does not meet the requirements of its attestation format",
    }
}

/// A certificate, borrowed.
pub(crate) struct Certificate<'a> {
    pub(super) der: &'a [u8],
    pub(super) parsed: X509Certificate<'a>,
}

/// An extension's value, without the octet string that it is wrapped in.
pub(super) struct Extension<'a> {
    pub(super) value: &'a [u8],
    critical: bool,
}

impl<'a> Certificate<'a> {
    /// Reads one certificate, to its last byte.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(CertificateError::Malformed);
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        if rest.is_empty() { Ok(Self { der, parsed }) } else { Err(CertificateError::Malformed) }
    }

    /// Its key.
    pub(crate) fn public_key(&self) -> Result<PublicKey<'a>, CertificateError> {
        public_key(self.parsed.tbs_certificate.subject_pki.raw).ok_or(CertificateError::Key)
    }

    /// The bits of its key, which identify it (RFC 5280 §4.2.1.2).
    pub(crate) fn subject_public_key(&self) -> &[u8] {
        &self.parsed.tbs_certificate.subject_pki.subject_public_key.data
    }

    /// The extension of this identifier, which occurs at most once (RFC 5280 §4.2).
    pub(super) fn extension(&self, id: &[u8]) -> Result<Option<Extension<'a>>, CertificateError> {
        let extensions = self.parsed.tbs_certificate.extensions().iter();
        let mut found = extensions.filter(|extension| extension.oid.as_bytes() == id);
        match (found.next(), found.next()) {
            (Some(extension), None) => Ok(Some(Extension { value: extension.value, critical: extension.critical })),
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(CertificateError::Extension),
        }
    }

    /// An extension that holds one octet string and is not critical.
    fn octets(&self, id: &[u8]) -> Result<Option<&'a [u8]>, CertificateError> {
        let Some(extension) = self.extension(id)? else { return Ok(None) };
        let octets = der::Reader::new(extension.value).only(der::OCTET_STRING);
        match octets {
            Some(octets) if !extension.critical => Ok(Some(octets.content())),
            _ => Err(CertificateError::Extension),
        }
    }

    /// That the certificate, where it names a model, names this one (§8.2, §8.3).
    pub(super) fn is_for_model(&self, aaguid: Aaguid) -> Result<(), AttestationError> {
        match self.octets(FIDO_AAGUID)? {
            Some(named) if named != aaguid.as_bytes() => Err(AttestationError::Aaguid),
            _ => Ok(()),
        }
    }

    /// The number of this very device, in enterprise attestations (§8.2.2).
    pub(super) fn serial_number_of_device(&self) -> Result<Option<&'a [u8]>, CertificateError> {
        self.octets(FIDO_SERIAL_NUMBER)
    }

    /// §8.2.1.
    pub(super) fn meets_packed_requirements(&self) -> Result<(), CertificateError> {
        let subject = self.parsed.subject();
        let one = |mut found: Box<dyn Iterator<Item = String> + '_>| found.next().filter(|text| !text.is_empty());
        let text =
            |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| attribute.as_str().unwrap_or("").to_owned();
        let country = one(Box::new(subject.iter_country().map(text)));
        let organization = one(Box::new(subject.iter_organization().map(text)));
        let unit = one(Box::new(subject.iter_organizational_unit().map(text)));
        let name = one(Box::new(subject.iter_common_name().map(text)));
        let named = country.is_some_and(|country| country.len() == 2)
            && organization.is_some()
            && unit.as_deref() == Some("Authenticator Attestation")
            && name.is_some();
        if named && self.is_version_3() && self.is_no_authority() {
            Ok(())
        } else {
            Err(CertificateError::Requirements)
        }
    }

    /// §8.3.1.
    pub(super) fn meets_tpm_requirements(&self) -> Result<(), CertificateError> {
        let nameless = self.parsed.subject().iter().next().is_none();
        let usage = self.parsed.extended_key_usage().map_err(|_| CertificateError::Extension)?;
        let certifies = usage.is_some_and(|usage| usage.value.other.iter().any(|id| id.as_bytes() == AIK_CERTIFICATE));
        let name = self.extension(SUBJECT_ALTERNATIVE_NAME)?.ok_or(CertificateError::Requirements)?;
        let tpm = names_a_tpm(name.value).ok_or(CertificateError::Extension)?;
        if nameless && certifies && tpm && self.is_version_3() && self.is_no_authority() {
            Ok(())
        } else {
            Err(CertificateError::Requirements)
        }
    }

    /// Whether a subject alternative name is this host; where there are none, the common name (RFC 6125 §6.4.4).
    pub(crate) fn is_for_host(&self, host: &str) -> bool {
        match self.parsed.subject_alternative_name() {
            Ok(Some(names)) => {
                names.value.general_names.iter().any(|name| matches!(name, GeneralName::DNSName(name) if *name == host))
            }
            Ok(None) => self.parsed.subject().iter_common_name().any(|name| name.as_str() == Ok(host)),
            Err(_) => false,
        }
    }

    fn is_version_3(&self) -> bool {
        self.parsed.version() == X509Version::V3
    }

    /// That basic constraints are there and say so.
    fn is_no_authority(&self) -> bool {
        matches!(self.parsed.basic_constraints(), Ok(Some(constraints)) if !constraints.value.ca)
    }
}

/// Whether a subject alternative name is a directory name with manufacturer, model and version of a TPM (TPM 2.0 EK Credential
/// Profile §3.2.9), in one relative name or several.
fn names_a_tpm(value: &[u8]) -> Option<bool> {
    let mut names = der::Reader::new(value).only(der::SEQUENCE)?;
    let mut found = [false; 3];
    while !names.is_empty() {
        let (tag, mut name) = names.next()?;
        if tag != der::context(4) {
            continue;
        }
        let mut relative_names = name.take(der::SEQUENCE)?;
        while !relative_names.is_empty() {
            let mut attributes = relative_names.take(der::SET)?;
            while !attributes.is_empty() {
                let mut attribute = attributes.take(der::SEQUENCE)?;
                let id = attribute.take(der::OBJECT_IDENTIFIER)?.content();
                let (_, value) = attribute.next()?;
                for (found, known) in found.iter_mut().zip(TPM_ATTRIBUTES) {
                    *found |= id == known && !value.is_empty();
                }
            }
        }
    }
    Some(found == [true; 3])
}

/// The key in a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), if it is of a kind that is known here.
fn public_key(spki: &[u8]) -> Option<PublicKey<'_>> {
    let mut spki = der::Reader::new(spki).only(der::SEQUENCE)?;
    let mut algorithm = spki.take(der::SEQUENCE)?;
    let bits = spki.take(der::BIT_STRING)?.content();
    let id = algorithm.take(der::OBJECT_IDENTIFIER)?.content();
    let (0, key) = bits.split_first()? else { return None };
    let key = match id {
        ID_EC_PUBLIC_KEY => {
            let curve = match algorithm.take(der::OBJECT_IDENTIFIER)?.content() {
                SECP256R1 => EcCurve::P256,
                SECP384R1 => EcCurve::P384,
                SECP521R1 => EcCurve::P521,
                _ => return None,
            };
            let (4, point) = key.split_first()? else { return None };
            let (x, y) = point.split_at_checked(curve.coordinate())?;
            PublicKey::ec(curve, x, y)
        }
        RSA_ENCRYPTION => {
            let mut numbers = der::Reader::new(key).only(der::SEQUENCE)?;
            let (n, e) = (numbers.take(der::INTEGER)?.content(), numbers.take(der::INTEGER)?.content());
            PublicKey::rsa(without_sign(n), without_sign(e))
        }
        ID_ED25519 => PublicKey::okp(OkpCurve::Ed25519, key),
        _ => Err(CoseKeyError::Member),
    };
    key.ok()
}

/// A natural number without the zero that keeps it from being negative.
fn without_sign(number: &[u8]) -> &[u8] {
    number.strip_prefix(&[0]).unwrap_or(number)
}
