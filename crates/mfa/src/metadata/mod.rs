//! Metadata of authenticators: fetched, kept in the store, taken up by every node (FIDO MDS 3.0 §3.2).

mod error;
mod keeper;
mod record;

use std::fmt;
use std::sync::Arc;

use countersign_mfa_webauthn::MetadataSource;
use countersign_outbound::{FetchLimits, Fetcher};
use countersign_primitives::UnixTime;
use http::Uri;

pub use error::MetadataUpdateError;
pub(crate) use keeper::Keeper;

/// Where metadata of authenticators comes from: whose BLOB, from which address, and by which HTTP client.
///
/// The engine fetches it as due work ([`Mfa::work`](crate::Mfa::work)), one node for all, and no earlier than the BLOB itself says. What was fetched is kept in
/// the store, sealed as all else; other nodes and later starts take it from there. An older BLOB never replaces a newer one, whichever node
/// saw that. When a fetch fails, what is known goes on being good, and events tell; while nothing is known at all, authenticators whose
/// model must be known are not registered.
///
/// ```
/// use countersign_mfa::AuthenticatorMetadata;
/// use countersign_outbound::Fetcher;
/// use countersign_mfa_webauthn::{CertificateError, MetadataSource};
///
/// fn metadata(root: &[u8], http: impl Fetcher + 'static) -> Result<AuthenticatorMetadata, CertificateError> {
///     // The root is the operator's to get, over a way that he trusts: GlobalSign Root CA - R3 today.
///     Ok(AuthenticatorMetadata::new(MetadataSource::fido_alliance().root(root)?, http))
/// }
/// ```
#[derive(Clone)]
pub struct AuthenticatorMetadata {
    source: MetadataSource,
    address: Uri,
    fetcher: Arc<dyn Fetcher>,
}

impl fmt::Debug for AuthenticatorMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatorMetadata").field("source", &self.source.host()).finish_non_exhaustive()
    }
}

impl AuthenticatorMetadata {
    /// What the HTTP client must allow: the FIDO Alliance's BLOB has several megabytes.
    pub const LIMITS: FetchLimits =
        FetchLimits { time: std::time::Duration::from_secs(60), body: MetadataSource::MAX_BLOB };

    /// The address of the FIDO Alliance's BLOB.
    const FIDO_ALLIANCE: &'static str = "https://mds3.fidoalliance.org/";

    /// Metadata of this source, from the FIDO Alliance's address, by a client with [`AuthenticatorMetadata::LIMITS`].
    #[must_use]
    pub fn new(source: MetadataSource, fetcher: impl Fetcher + 'static) -> Self {
        Self { source, address: Uri::from_static(Self::FIDO_ALLIANCE), fetcher: Arc::new(fetcher) }
    }

    /// Another address, such as that of a mirror: a BLOB is known by its signature, not by where it lies.
    #[must_use]
    pub fn address(mut self, address: Uri) -> Self {
        self.address = address;
        self
    }
}

/// What is known of authenticators on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetadataState {
    /// The number of the BLOB.
    pub number: u64,
    /// How many models it knows.
    pub models: usize,
    /// When it was fetched.
    pub fetched: UnixTime,
    /// When the next one is due.
    pub next_update: UnixTime,
    /// Whether the next one is overdue: models that were revoked since are not known.
    pub outdated: bool,
}
