//! The BLOB: a JWT whose chain leads to a root that was configured (FIDO MDS 3.0 §3.1.7, §3.2).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_primitives::UnixTime;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{AuthenticatorStatus, Metadata, MetadataEntry, date};
use crate::attestation::{Anchors, Certificate};
use crate::jws::SignedByCertificate;
use crate::{Aaguid, CertificateError, TrustError};

/// The most entries that are read.
const MAX_ENTRIES: usize = 20_000;

/// Why a BLOB is refused. What was known before goes on being good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Longer than 32 MiB, or with more than 20,000 entries.
    #[error("the metadata BLOB is longer than 32 MiB or has more than 20,000 entries")]
    TooLong,
    /// No JWT by RS256 or ES256 with certificates, or its signature is not right.
    #[error("the metadata BLOB is no JWT that its first certificate signed")]
    Signature,
    /// Its certificate is for another host.
    #[error("the metadata BLOB is signed by a certificate for another host")]
    Host,
    /// Its chain does not lead to a root that was configured.
    #[error("the metadata BLOB: {0}")]
    Chain(#[source] TrustError),
    /// Its content is not that of a BLOB.
    #[error("the metadata BLOB's content is malformed")]
    Malformed,
    /// It is older than what is known.
    #[error("the metadata BLOB has number {received}, and {known} is known already")]
    RolledBack {
        /// The number that is known.
        known: u64,
        /// The number that came.
        received: u64,
    },
}

impl MetadataError {
    /// The stable id of the cause.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::TooLong => "metadata.too_long",
            Self::Signature => "metadata.signature",
            Self::Host => "metadata.host",
            Self::Chain(error) => error.id(),
            Self::Malformed => "metadata.malformed",
            Self::RolledBack { .. } => "metadata.rolled_back",
        }
    }
}

/// Who issues metadata, and how that is known.
///
/// ```
/// use countersign_mfa_webauthn::MetadataSource;
///
/// // The root of the FIDO Alliance's chain (today GlobalSign Root CA - R3) is the host's to get, over a way that it trusts.
/// let source = MetadataSource::fido_alliance();
/// assert!(source.verify("", countersign_primitives::UnixTime::from_secs(0), None).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct MetadataSource {
    anchors: Anchors,
    host: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    no: u64,
    next_update: String,
    entries: Entries,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    aaguid: Option<Aaguid>,
    #[serde(default)]
    attestation_certificate_key_identifiers: Vec<String>,
    metadata_statement: Option<Statement>,
    status_reports: Vec<Report>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    description: Option<String>,
    #[serde(default)]
    attestation_root_certificates: Vec<String>,
}

#[derive(Deserialize)]
struct Report {
    status: AuthenticatorStatus,
}

impl MetadataSource {
    /// The longest BLOB that is read, in bytes. The FIDO Alliance's has about seven million.
    pub const MAX_BLOB: usize = 32 * 1024 * 1024;

    /// The FIDO Alliance, whose BLOB is at `https://mds3.fidoalliance.org/` and signed for `mds.fidoalliance.org`. It needs a root.
    #[must_use]
    pub fn fido_alliance() -> Self {
        Self::signed_for("mds.fidoalliance.org")
    }

    /// Another issuer, who signs with a certificate for this host.
    #[must_use]
    pub fn signed_for(host: impl Into<String>) -> Self {
        Self { anchors: Anchors::default(), host: host.into() }
    }

    /// The host that its signer's certificate is for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Trusts chains that lead to this certificate, in DER.
    ///
    /// # Errors
    /// When it is no certificate, or its key is of a kind that is not known here.
    pub fn root(mut self, der: impl Into<Vec<u8>>) -> Result<Self, CertificateError> {
        self.anchors.add(der.into())?;
        Ok(self)
    }

    /// Refuses certificates on this list of revoked ones, in DER.
    ///
    /// # Errors
    /// When it is no such list.
    pub fn revocation_list(mut self, der: impl Into<Vec<u8>>) -> Result<Self, CertificateError> {
        self.anchors.revoke(der.into())?;
        Ok(self)
    }

    /// Verifies a BLOB: its signature, its chain as of `fetched`, its signer's name, and that it is no older than what is `known`.
    ///
    /// That its next issue is overdue is no error: [`Metadata::is_outdated`] tells.
    ///
    /// # Errors
    /// [`MetadataError`]; what was known before goes on being good.
    pub fn verify(&self, blob: &str, fetched: UnixTime, known: Option<&Metadata>) -> Result<Metadata, MetadataError> {
        if blob.len() > Self::MAX_BLOB {
            return Err(MetadataError::TooLong);
        }
        let signed = SignedByCertificate::read(blob.trim_ascii().as_bytes()).ok_or(MetadataError::Signature)?;
        // The root signs for half of the web: that it leads there is not enough.
        if !signed.is_signed_for(&self.host) {
            return Err(MetadataError::Host);
        }
        self.anchors.leads(&signed.chain, &[], fetched).map_err(MetadataError::Chain)?;
        let metadata = read(&signed.payload)?;
        match known.map(Metadata::number) {
            Some(known) if metadata.number < known => {
                Err(MetadataError::RolledBack { known, received: metadata.number })
            }
            _ => Ok(metadata),
        }
    }
}

/// Reads the content of a BLOB.
pub(crate) fn read(payload: &[u8]) -> Result<Metadata, MetadataError> {
    let payload: Payload = serde_json::from_slice(payload).map_err(|_| MetadataError::Malformed)?;
    let next_update = date::end_of(&payload.next_update).ok_or(MetadataError::Malformed)?;
    let Entries { count, models, keys, skipped } = payload.entries;
    if count > MAX_ENTRIES {
        return Err(MetadataError::TooLong);
    }
    Ok(Metadata { number: payload.no, next_update, models, keys, skipped })
}

/// What is kept of the entries. They are read one by one: a tree of them all would take many times the memory of the text.
#[derive(Default)]
struct Entries {
    count: usize,
    models: BTreeMap<Aaguid, Arc<MetadataEntry>>,
    keys: BTreeMap<[u8; 20], Arc<MetadataEntry>>,
    skipped: usize,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries, A::Error> {
                let mut entries = Entries::default();
                while entries.count < MAX_ENTRIES {
                    let Some(entry) = list.next_element::<&RawValue>()? else { return Ok(entries) };
                    entries.read(entry.get());
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    entries.count += 1;
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl Entries {
    fn read(&mut self, entry: &str) {
        self.count += 1;
        match serde_json::from_str(entry) {
            Ok(entry) => self.add(entry),
            Err(_) => self.skipped += 1,
        }
    }

    /// Entries for authenticators of UAF have neither an AAGUID nor keys, and are not needed.
    fn add(&mut self, entry: Entry) {
        let statement = entry.metadata_statement;
        let roots = statement.iter().flat_map(|statement| &statement.attestation_root_certificates);
        let known = Arc::new(MetadataEntry {
            roots: roots.filter_map(|text| certificate(text)).collect(),
            description: statement.and_then(|statement| statement.description),
            statuses: entry.status_reports.iter().map(|report| report.status).collect(),
        });
        for identifier in entry.attestation_certificate_key_identifiers {
            match key_identifier(&identifier) {
                Some(identifier) => drop(self.keys.insert(identifier, known.clone())),
                None => self.skipped += 1,
            }
        }
        if let Some(aaguid) = entry.aaguid {
            self.models.insert(aaguid, known);
        }
    }
}

/// A certificate in base64, in which some entries have line breaks. One that cannot be read anchors nothing.
fn certificate(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(text).ok()?;
    Certificate::read(&der).ok()?.public_key().ok()?;
    Some(der)
}

fn key_identifier(text: &str) -> Option<[u8; 20]> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok();
    let bytes = text.as_bytes().chunks_exact(2).map(pair).collect::<Option<Vec<_>>>()?;
    if text.len() == 40 { bytes.try_into().ok() } else { None }
}
