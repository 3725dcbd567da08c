//! The maker of software authenticators: its root, and the certificates under it.

use countersign_primitives::BoxError;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData, SerialNumber,
};

use super::key::SoftKey;
use crate::Aaguid;

/// Root and intermediate of a maker that exists in tests alone.
pub(super) struct Maker {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
    /// Certified by the root too, but not to certify others.
    impostor: CertifiedIssuer<'static, KeyPair>,
}

/// The serial number of the intermediate, for lists of revoked certificates.
const INTERMEDIATE_SERIAL: u64 = 4711;

/// What a certificate is for.
pub(super) enum Purpose<'a> {
    /// §8.2.1, with a model and, in enterprises, the number of the device.
    Packed { aaguid: Aaguid, serial_number: Option<&'a [u8]> },
    /// §8.6.
    U2f,
    /// §8.3.1.
    Tpm,
    /// §8.4: the key description.
    Android(Vec<u8>),
    /// §8.8: the nonce.
    Apple([u8; 32]),
    /// A TLS server of this name.
    Host(&'a str),
}

struct Subject {
    public: Vec<u8>,
    algorithm: &'static rcgen::SignatureAlgorithm,
}

impl PublicKeyData for Subject {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.algorithm
    }
}

fn named(entries: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    entries.iter().for_each(|(kind, text)| name.push(kind.clone(), *text));
    name
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&[(DnType::CommonName, name)]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Maker {
    pub(super) fn new() -> Result<Self, BoxError> {
        let root = CertifiedIssuer::self_signed(authority("Software Authenticators Root"), KeyPair::generate()?)?;
        let mut params = authority("Software Authenticators Batch 1");
        params.serial_number = Some(SerialNumber::from(INTERMEDIATE_SERIAL));
        let intermediate = CertifiedIssuer::signed_by(params, KeyPair::generate()?, &root)?;
        let mut params = authority("Somebody Else");
        params.is_ca = IsCa::ExplicitNoCa;
        let impostor = CertifiedIssuer::signed_by(params, KeyPair::generate()?, &root)?;
        Ok(Self { root, intermediate, impostor })
    }

    /// The root, in DER.
    pub(super) fn root(&self) -> &[u8] {
        self.root.der()
    }

    /// A list of the root's, in DER, on which the intermediate stands or not.
    pub(super) fn revocation_list(&self, revoked: bool, until: i64) -> Result<Vec<u8>, BoxError> {
        let entry = rcgen::RevokedCertParams {
            serial_number: SerialNumber::from(INTERMEDIATE_SERIAL),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(2024, 1, 1) + std::time::Duration::from_secs(until.unsigned_abs()),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: if revoked { vec![entry] } else { Vec::new() },
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.root)?.der().to_vec())
    }

    /// A chain for `key`: its certificate and its issuer's, without the root.
    pub(super) fn certify(
        &self,
        key: &SoftKey,
        purpose: &Purpose<'_>,
        by_authority: bool,
    ) -> Result<Vec<Vec<u8>>, BoxError> {
        let algorithm = key.x509().ok_or("no certificates are made for keys of this algorithm")?;
        let issuer = if by_authority { &self.intermediate } else { &self.impostor };
        let certificate = params(purpose)?.signed_by(&Subject { public: key.public(), algorithm }, issuer)?;
        Ok(vec![certificate.der().to_vec(), issuer.der().to_vec()])
    }
}

fn params(purpose: &Purpose<'_>) -> Result<CertificateParams, BoxError> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::ExplicitNoCa;
    params.distinguished_name = DistinguishedName::new();
    let extend = |params: &mut CertificateParams, id: &[u64], content: Vec<u8>| {
        params.custom_extensions.push(CustomExtension::from_oid_content(id, content));
    };
    match purpose {
        Purpose::Packed { aaguid, serial_number } => {
            params.distinguished_name = named(&[
                (DnType::CountryName, "AA"),
                (DnType::OrganizationName, "Software Authenticators"),
                (DnType::OrganizationalUnitName, "Authenticator Attestation"),
                (DnType::CommonName, "Batch 1"),
            ]);
            extend(&mut params, &[1, 3, 6, 1, 4, 1, 45724, 1, 1, 4], octets(aaguid.as_bytes()));
            if let Some(number) = serial_number {
                extend(&mut params, &[1, 3, 6, 1, 4, 1, 45724, 1, 1, 2], octets(number));
            }
        }
        Purpose::U2f => params.distinguished_name = named(&[(DnType::CommonName, "U2F Key")]),
        Purpose::Tpm => {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 3])];
            let mut name = CustomExtension::from_oid_content(&[2, 5, 29, 17], tpm_name());
            name.set_criticality(true);
            params.custom_extensions.push(name);
        }
        Purpose::Android(description) => {
            params.distinguished_name = named(&[(DnType::CommonName, "Android Keystore Key")]);
            extend(&mut params, &[1, 3, 6, 1, 4, 1, 11129, 2, 1, 17], description.clone());
        }
        Purpose::Apple(nonce) => {
            params.distinguished_name = named(&[(DnType::CommonName, "credential")]);
            let nonce = sequence(0x30, &sequence(0xa1, &octets(nonce)));
            extend(&mut params, &[1, 2, 840, 113635, 100, 8, 2], nonce);
        }
        Purpose::Host(host) => {
            params = CertificateParams::new(vec![(*host).to_owned()])?;
        }
    }
    Ok(params)
}

/// An element of DER that is shorter than 64 KiB.
pub(super) fn sequence(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = match content.len() {
        0..0x80 => vec![tag, length[1]],
        0x80..0x100 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [head, content.to_vec()].concat()
}

pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    sequence(0x04, content)
}

/// A directory name with manufacturer, model and version (TPM 2.0 EK Credential Profile §3.2.9).
fn tpm_name() -> Vec<u8> {
    let attribute = |last: u8, text: &str| {
        let id = sequence(0x06, &[0x67, 0x81, 0x05, 0x02, last]);
        sequence(0x30, &[id, sequence(0x0c, text.as_bytes())].concat())
    };
    let attributes = [attribute(1, "id:FFFFF1D0"), attribute(2, "Software"), attribute(3, "id:00010000")].concat();
    let name = sequence(0x30, &sequence(0x31, &attributes));
    sequence(0x30, &sequence(0xa4, &name))
}
