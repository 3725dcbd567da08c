//! The relying party: its id, its origins, and what it holds true for all ceremonies.

use std::time::Duration;

use crate::cose::{Algorithm, sha256};
use crate::origin::{Origin, OriginError, Origins, is_domain};

/// How long a ceremony may take (WebAuthn 3 §15.1 recommends 5 to 10 minutes, and never less than 5 where that would hinder somebody).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A mistake in a relying party's set-up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelyingPartyError {
    /// The RP ID is no domain name in lower case.
    #[error("the RP ID {0:?} is no domain name in lower case, such as example.com, without scheme, port or path")]
    Id(String),
    /// An origin that cannot be.
    #[error("the origin {0:?}: {1}")]
    Origin(String, #[source] OriginError),
    /// An AppID that is no https URL.
    #[error("the AppID {0:?} is no https URL")]
    AppId(String),
    /// No algorithm, one twice, one that needs a feature that is off, or RS1.
    #[error("the algorithms must be at least one, each once, and each switched on: {0} is not")]
    Algorithm(Algorithm),
    /// No algorithm.
    #[error("at least one algorithm must be offered")]
    NoAlgorithm,
}

/// What happens when a signature counter does not rise (WebAuthn 3 §6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnCloneSuspicion {
    /// The login goes on and its result says so ([`Counter::Suspect`](crate::Counter::Suspect)); the host weighs it.
    #[default]
    Report,
    /// A credential that cannot be backed up is refused. One that can is never: its copies do not share a counter.
    Refuse,
}

/// What happens when a credential that could not be backed up now can (WebAuthn 3 §6.1.3 forbids it, and it happens).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnEligibilityUpgrade {
    /// Accepted and told, unless a verified attestation stands for a key that cannot leave its device: then refused.
    #[default]
    UnlessAttested,
    /// Always accepted and told; an attestation's verdict no longer counts from then on.
    Accept,
    /// Always refused, as §7.2 step 19 reads.
    Refuse,
}

/// A WebAuthn relying party: a value that is made once and serves every ceremony.
///
/// ```
/// use countersign_mfa_webauthn::RelyingParty;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let site = RelyingParty::new("example.com", "Example")?
///     .origin("https://example.com")?
///     .origin("https://login.example.com")?
///     .related_origin("https://example.co.uk")?
///     .native_origin("android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck")?;
/// assert_eq!(site.id(), "example.com");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RelyingParty {
    pub(crate) id: String,
    pub(crate) id_hash: [u8; 32],
    pub(crate) name: String,
    pub(crate) origins: Origins,
    related: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) timeout: Duration,
    pub(crate) on_clone_suspicion: OnCloneSuspicion,
    pub(crate) on_eligibility_upgrade: OnEligibilityUpgrade,
    pub(crate) lenient_extensions: bool,
}

impl RelyingParty {
    /// A relying party of this RP ID, a domain name, and this name for people to read.
    ///
    /// Until an origin is named, `https://` and the id is the only one. Choose the id with care: credentials are bound to it for
    /// ever, and every host below it may ask for them.
    ///
    /// # Errors
    /// [`RelyingPartyError::Id`].
    pub fn new(id: &str, name: &str) -> Result<Self, RelyingPartyError> {
        if !is_domain(id) {
            return Err(RelyingPartyError::Id(id.to_owned()));
        }
        let mut site = Self {
            id: id.to_owned(),
            id_hash: sha256(&[id.as_bytes()]),
            name: name.to_owned(),
            origins: Origins::default(),
            related: Vec::new(),
            algorithms: Algorithm::DEFAULT.to_vec(),
            timeout: DEFAULT_TIMEOUT,
            on_clone_suspicion: OnCloneSuspicion::default(),
            on_eligibility_upgrade: OnEligibilityUpgrade::default(),
            lenient_extensions: false,
        };
        if let Ok(origin) = Origin::parse(&format!("https://{id}")) {
            site.origins.expect_by_default(origin);
        }
        Ok(site)
    }

    /// Expects ceremonies from this web origin, whose host is the RP ID or lies below it.
    ///
    /// # Errors
    /// [`RelyingPartyError::Origin`].
    pub fn origin(mut self, origin: &str) -> Result<Self, RelyingPartyError> {
        let parsed = Self::parse(origin)?;
        if !parsed.is_covered_by(&self.id) {
            return Err(RelyingPartyError::Origin(origin.to_owned(), OriginError::NotCovered));
        }
        self.origins.expect(parsed);
        Ok(self)
    }

    /// Expects ceremonies from this web origin too, which the RP ID does not cover (WebAuthn 3 §5.11). Browsers allow it when
    /// [`RelyingParty::related_origins_document`] is served at `https://RP-ID/.well-known/webauthn`.
    ///
    /// # Errors
    /// [`RelyingPartyError::Origin`].
    pub fn related_origin(mut self, origin: &str) -> Result<Self, RelyingPartyError> {
        let parsed = Self::parse(origin)?;
        if !matches!(parsed, Origin::Web { .. }) {
            return Err(RelyingPartyError::Origin(origin.to_owned(), OriginError::Malformed));
        }
        self.related.push(parsed.to_string());
        self.origins.expect_also(parsed);
        Ok(self)
    }

    /// Expects ceremonies from this native app, by the whole name that its platform gives it, such as
    /// `android:apk-key-hash:…`.
    ///
    /// # Errors
    /// [`RelyingPartyError::Origin`].
    pub fn native_origin(mut self, origin: &str) -> Result<Self, RelyingPartyError> {
        let parsed = Self::parse(origin)?;
        if !matches!(parsed, Origin::Native(_)) {
            return Err(RelyingPartyError::Origin(origin.to_owned(), OriginError::Malformed));
        }
        self.origins.expect_also(parsed);
        Ok(self)
    }

    /// Allows ceremonies in a frame of another origin, under pages of `top`. Without any such page they are refused.
    ///
    /// A client that tells only that it was framed, and not by whom, is then taken too.
    ///
    /// # Errors
    /// [`RelyingPartyError::Origin`].
    pub fn allow_frame_under(mut self, top: &str) -> Result<Self, RelyingPartyError> {
        let parsed = Self::parse(top)?;
        self.origins.allow_frame_under(parsed);
        Ok(self)
    }

    /// Offers these algorithms, the most wanted first, instead of [`Algorithm::DEFAULT`].
    ///
    /// # Errors
    /// [`RelyingPartyError::Algorithm`], [`RelyingPartyError::NoAlgorithm`].
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Result<Self, RelyingPartyError> {
        self.algorithms.clear();
        for algorithm in algorithms {
            let usable = algorithm.is_available() && algorithm.is_for_credentials();
            if !usable || self.algorithms.contains(&algorithm) {
                return Err(RelyingPartyError::Algorithm(algorithm));
            }
            self.algorithms.push(algorithm);
        }
        if self.algorithms.is_empty() { Err(RelyingPartyError::NoAlgorithm) } else { Ok(self) }
    }

    /// How long a ceremony may take: 5 minutes unless this says otherwise.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What happens when a signature counter does not rise.
    #[must_use]
    pub const fn on_clone_suspicion(mut self, policy: OnCloneSuspicion) -> Self {
        self.on_clone_suspicion = policy;
        self
    }

    /// What happens when a credential that could not be backed up now can.
    #[must_use]
    pub const fn on_eligibility_upgrade(mut self, policy: OnEligibilityUpgrade) -> Self {
        self.on_eligibility_upgrade = policy;
        self
    }

    /// Passes over results of extensions that were not asked for, instead of refusing them (§7.1 step 28 allows both). For
    /// clients that add some of their own accord.
    #[must_use]
    pub const fn ignore_unsolicited_extensions(mut self) -> Self {
        self.lenient_extensions = true;
        self
    }

    /// The RP ID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The document for `https://RP-ID/.well-known/webauthn`, of type `application/json` (WebAuthn 3 §5.11); nothing when there are
    /// no related origins, and the path should then not exist.
    ///
    /// Browsers look at the first five names before the public suffix alone: put the most used first.
    #[must_use]
    pub fn related_origins_document(&self) -> Option<String> {
        if self.related.is_empty() {
            return None;
        }
        Some(serde_json::json!({ "origins": self.related }).to_string())
    }

    fn parse(origin: &str) -> Result<Origin, RelyingPartyError> {
        Origin::parse(origin).map_err(|error| RelyingPartyError::Origin(origin.to_owned(), error))
    }
}

/// An AppID as U2F had it: an https URL (FIDO AppID and Facets §3.1).
pub(crate) fn check_app_id(app_id: &str) -> Result<(), RelyingPartyError> {
    let plain = app_id.bytes().all(|byte| byte.is_ascii_graphic()) && app_id.len() <= 512;
    let host = app_id.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if plain && host { Ok(()) } else { Err(RelyingPartyError::AppId(app_id.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> RelyingParty {
        RelyingParty::new("example.org", "Example").unwrap()
    }

    #[test]
    fn an_rp_id_is_a_domain_name() {
        for bad in
            ["", "https://example.org", "example.org:443", "Example.org", "example..org", "127.0.0.1", "käse.example"]
        {
            assert!(matches!(RelyingParty::new(bad, "x"), Err(RelyingPartyError::Id(_))), "{bad}");
        }
        assert!(RelyingParty::new("localhost", "x").is_ok());
    }

    #[test]
    fn m13_origins_lie_under_the_rp_id_or_are_named_as_related() {
        assert!(site().origin("https://a.example.org").is_ok());
        for foreign in ["https://notexample.org", "https://example.com", "https://example.org.evil.example"] {
            let refused = site().origin(foreign).unwrap_err();
            assert_eq!(refused, RelyingPartyError::Origin(foreign.into(), OriginError::NotCovered));
        }
        assert!(site().related_origin("https://example.com").is_ok());
        assert!(site().related_origin("android:x").is_err() && site().native_origin("https://example.com").is_err());
    }

    #[test]
    fn the_default_origin_gives_way_to_those_that_are_named() {
        assert!(site().origins.expects("https://example.org"));
        let site = site().origin("https://login.example.org").unwrap();
        assert!(site.origins.expects("https://login.example.org") && !site.origins.expects("https://example.org"));
    }

    #[test]
    fn webauthn_5_11_the_document_lists_the_related_origins() {
        assert_eq!(site().related_origins_document(), None);
        let site =
            site().related_origin("https://example.de").unwrap().related_origin("https://example.fr:8443").unwrap();
        let document = site.related_origins_document().unwrap();
        assert_eq!(document, r#"{"origins":["https://example.de","https://example.fr:8443"]}"#);
        assert!(site.origins.expects("https://example.org"), "the site's own origin goes on");
    }

    #[test]
    fn algorithms_can_be_verified_and_are_offered_once() {
        assert_eq!(site().algorithms([]).unwrap_err(), RelyingPartyError::NoAlgorithm);
        let twice = site().algorithms([Algorithm::ES256, Algorithm::ES256]);
        assert_eq!(twice.unwrap_err(), RelyingPartyError::Algorithm(Algorithm::ES256));
        let sha1 = site().algorithms([Algorithm::RS1]);
        assert_eq!(sha1.unwrap_err(), RelyingPartyError::Algorithm(Algorithm::RS1));
    }

    #[test]
    fn app_ids_are_https_urls() {
        assert!(check_app_id("https://example.org/app-id.json").is_ok());
        for bad in ["", "http://example.org", "https://", "https:///x", "https://a b", "example.org"] {
            assert!(check_app_id(bad).is_err(), "{bad}");
        }
    }
}
