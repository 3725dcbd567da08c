//! A certificate for this machine, from an authority made once: `tls/ca.pem` in the data folder is what browsers are told to
//! trust. The authority may speak for this server's own names and no other (RFC 5280 §4.2.1.10), so that whoever gets its key
//! can pose as no other site.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, RootCertStore};

use super::files::check_times;
use super::{CertificateProblem, TlsError, provider};
use crate::data::private_folder;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_LIVES: u32 = 3650;
const LEAF_LIVES: u32 = 90;
/// With fewer days left than this a certificate is renewed.
const AHEAD: u32 = 30;

/// The certificate and its key in one file, so that no crash can part them.
const LEAF: &str = "server.pem";
const AUTHORITY: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca.key";

/// The certificate of an earlier start if it will do for another month, else a new one.
pub(super) fn certificate(
    folder: &Path,
    host: Option<ServerName<'static>>,
    now: UnixTime,
) -> Result<CertifiedKey, TlsError> {
    let names = names(host);
    private_folder(folder)?;
    if let Some(authority) = Authority::load(folder)? {
        if let Some(served) = authority.vouch(folder, &names, now)? {
            return Ok(served);
        }
        let file = folder.join(AUTHORITY);
        tracing::warn!(file = %file.display(), "a new authority is made, which browsers must be told to trust");
    }
    let authority = Authority::make(folder, &names, now)?;
    let leaf = Leaf::of(&authority, folder, &names, now)?;
    lasts(slice::from_ref(leaf.certificate.der()), &authority, &names, now).map_err(TlsError::Unusable)?;
    leaf.keep(folder)
}

/// What this server is called: by what leads to this machine, and by the issuer's host.
fn names(host: Option<ServerName<'static>>) -> Vec<ServerName<'static>> {
    let here = ["localhost", "127.0.0.1", "::1"].into_iter().filter_map(|name| ServerName::try_from(name).ok());
    let mut names: Vec<_> = here.collect();
    if let Some(host) = host.filter(|host| !names.contains(host)) {
        names.push(host);
    }
    names
}

/// What a client does that trusts the authority, for each name, now and in a month.
fn lasts(
    chain: &[CertificateDer<'static>],
    authority: &Authority,
    names: &[ServerName<'static>],
    now: UnixTime,
) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone())?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
    let leaf = chain.first().ok_or(Error::NoCertificatesPresented)?;
    for name in names {
        for time in [now, month_after(now)] {
            verifier.verify_server_cert(leaf, &[], name, &[], time)?;
        }
    }
    Ok(())
}

fn month_after(now: UnixTime) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + DAY * AHEAD)
}

struct Authority {
    certificate: CertificateDer<'static>,
    /// Nothing where its file is gone: what was signed before is served for as long as it lasts.
    key: Option<KeyPair>,
}

impl Authority {
    /// The authority of an earlier start. Its certificate is written last: without it nobody was told to trust it.
    fn load(folder: &Path) -> Result<Option<Self>, TlsError> {
        let Some(certificate) = read(folder, AUTHORITY)? else { return Ok(None) };
        let damaged = |file| TlsError::Damaged { file: folder.join(file) };
        let certificate = CertificateDer::from_pem_slice(&certificate).map_err(|_| damaged(AUTHORITY))?;
        let key = match read(folder, AUTHORITY_KEY)? {
            Some(pem) => {
                let key = std::str::from_utf8(&pem).ok().and_then(|pem| KeyPair::from_pem(pem).ok());
                Some(key.ok_or_else(|| damaged(AUTHORITY_KEY))?)
            }
            None => None,
        };
        Ok(Some(Self { certificate, key }))
    }

    /// What it signed before if that will do, else a new certificate; nothing if it is near its end or was made for other names.
    fn vouch(
        &self,
        folder: &Path,
        names: &[ServerName<'static>],
        now: UnixTime,
    ) -> Result<Option<CertifiedKey>, TlsError> {
        let damaged = || TlsError::Damaged { file: folder.join(AUTHORITY) };
        match check_times(slice::from_ref(&self.certificate), month_after(now)) {
            Ok(()) => {}
            Err(CertificateProblem::Expired { .. }) => return Ok(None),
            Err(CertificateProblem::NotYetValid { .. }) => return Err(TlsError::Early),
            Err(_) => return Err(damaged()),
        }
        let stored = read(folder, LEAF)?.and_then(|text| of_pem(&text));
        if let Some(stored) = stored.filter(|stored| lasts(&stored.cert, self, names, now).is_ok()) {
            return Ok(Some(stored));
        }
        let leaf = Leaf::of(self, folder, names, now)?;
        match lasts(slice::from_ref(leaf.certificate.der()), self, names, now) {
            Ok(()) => leaf.keep(folder).map(Some),
            // Signed by another key than the certificate's.
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
                Err(damaged())
            }
            Err(_) => Ok(None),
        }
    }

    fn make(folder: &Path, names: &[ServerName<'static>], now: UnixTime) -> Result<Self, TlsError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Making)?;
        let mut params = authority_params(&key);
        set_period(&mut params, now, AUTHORITY_LIVES);
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: names.iter().map(subtree).collect(),
            excluded_subtrees: Vec::new(),
        });
        let certificate = params.self_signed(&key).map_err(TlsError::Making)?;
        write(folder, AUTHORITY_KEY, &key.serialize_pem())?;
        write(folder, AUTHORITY, &certificate.pem())?;
        Ok(Self { certificate: certificate.into(), key: Some(key) })
    }
}

/// What stands in the authority's certificate, and of that in what it signs.
pub(super) fn authority_params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    // A name of its own, so that a browser that knows an earlier authority does not take one for the other.
    let id: String = params.key_identifier(key).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Countersign quickstart");
    params.distinguished_name.push(DnType::CommonName, format!("Countersign quickstart authority {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn subtree(name: &ServerName<'static>) -> GeneralSubtree {
    match name {
        ServerName::IpAddress(address) => match IpAddr::from(*address) {
            IpAddr::V4(address) => GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix(address.octets(), 32)),
            IpAddr::V6(address) => GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(address.octets(), 128)),
        },
        name => GeneralSubtree::DnsName(name.to_str().into_owned()),
    }
}

/// From yesterday on, since clocks differ.
fn set_period(params: &mut CertificateParams, now: UnixTime, days: u32) {
    let now: SystemTime = UNIX_EPOCH + Duration::from_secs(now.as_secs());
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * days).into();
}

struct Leaf {
    certificate: Certificate,
    key: KeyPair,
}

impl Leaf {
    fn of(
        authority: &Authority,
        folder: &Path,
        names: &[ServerName<'static>],
        now: UnixTime,
    ) -> Result<Self, TlsError> {
        let signer = authority.key.as_ref().ok_or_else(|| TlsError::Damaged { file: folder.join(AUTHORITY_KEY) })?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Making)?;
        let names: Vec<String> = names.iter().map(|name| name.to_str().into_owned()).collect();
        let params = leaf_params(&names, now).map_err(TlsError::Making)?;
        let issuer = Issuer::new(authority_params(signer), signer);
        let certificate = params.signed_by(&key, &issuer).map_err(TlsError::Making)?;
        Ok(Self { certificate, key })
    }

    fn keep(&self, folder: &Path) -> Result<CertifiedKey, TlsError> {
        let text = self.certificate.pem() + &self.key.serialize_pem();
        write(folder, LEAF, &text)?;
        of_pem(text.as_bytes()).ok_or_else(|| TlsError::Damaged { file: folder.join(LEAF) })
    }
}

/// What stands in the server's certificate.
pub(super) fn leaf_params(names: &[String], now: UnixTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Countersign quickstart");
    set_period(&mut params, now, LEAF_LIVES);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A certificate and its key. What is not both is made anew.
fn of_pem(text: &[u8]) -> Option<CertifiedKey> {
    let certificate = CertificateDer::from_pem_slice(text).ok()?;
    let key = any_supported_type(&PrivateKeyDer::from_pem_slice(text).ok()?).ok()?;
    let certified = CertifiedKey::new(vec![certificate], key);
    certified.keys_match().is_ok().then_some(certified)
}

fn read(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, TlsError> {
    match fs::read(folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TlsError::Own { file: folder.join(name), source }),
    }
}

/// The file appears whole, or the one that was there stays.
fn write(folder: &Path, name: &str, text: &str) -> Result<(), TlsError> {
    let (draft, file) = (folder.join(format!(".{name}")), folder.join(name));
    let written = private_file(&draft, text).and_then(|()| fs::rename(&draft, &file));
    written.map_err(|source| TlsError::Own { file, source })
}

/// For its owner alone: most of these hold a key.
fn private_file(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
