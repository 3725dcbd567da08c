//! Passkeys and security keys (WebAuthn Level 3): what a host says of them, and how they plug in.

mod factor;
mod names;

use std::sync::Arc;

use countersign_mfa_webauthn::{Hint, OnCloneSuspicion, RelyingParty, RelyingPartyError, TrustPolicy};
use countersign_primitives::Amr;

use crate::factor::{Plugged, PluggedFactor};
use crate::login::record::Login;
use crate::metadata::Keeper;
use crate::{IntoFactor, Method};

pub(crate) use factor::{Discovered, WebauthnFactor, credential_of};
pub(crate) use names::{CredentialName, name_of};

/// The name of the method of passkeys.
pub(crate) const PASSKEY: &str = "passkey";
/// The name of the method of security keys.
pub(crate) const SECURITY_KEY: &str = "security_key";

/// What credentials are made for.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// Discoverable, with user verification.
    Passkey,
    /// Beside a password; of these models alone, if a policy says which are trusted.
    SecurityKey(Option<Arc<TrustPolicy>>),
}

/// What a host says of passkeys or security keys.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    purpose: Purpose,
    rp_id: String,
    name: Option<String>,
    origins: Vec<String>,
    related: Vec<String>,
    native: Vec<String>,
    hints: Vec<Hint>,
    on_clone_suspicion: OnCloneSuspicion,
    /// Whether a key says who signs in.
    first: bool,
}

impl Settings {
    fn new(purpose: Purpose, rp_id: String) -> Self {
        Self {
            first: matches!(purpose, Purpose::Passkey),
            purpose,
            rp_id,
            name: None,
            origins: Vec::new(),
            related: Vec::new(),
            native: Vec::new(),
            hints: Vec::new(),
            on_clone_suspicion: OnCloneSuspicion::default(),
        }
    }

    /// Whether it is a first factor too.
    pub(crate) fn is_first(&self) -> bool {
        self.first
    }

    pub(crate) fn method(&self) -> Method {
        let (name, title) = match self.purpose {
            Purpose::Passkey => (PASSKEY, "Passkey"),
            Purpose::SecurityKey(_) => (SECURITY_KEY, "Security key"),
        };
        Method::new(name, title).amr([Amr::Pop, Amr::User]).danger_phishing_resistant().together()
    }

    /// The factor, served at the issuer's own origin unless others were named. Where the RP ID does not cover that, it must be one of
    /// the related ones.
    pub(crate) fn serve(
        self,
        realm: &str,
        service: &str,
        metadata: Option<Arc<Keeper>>,
    ) -> Result<WebauthnFactor, RelyingPartyError> {
        let mut site = RelyingParty::new(&self.rp_id, self.name.as_deref().unwrap_or(service))?;
        let own = origin_of(realm).filter(|own| !self.related.iter().any(|related| related == own));
        for origin in self.origins.iter().map(String::as_str).chain(own.filter(|_| self.origins.is_empty())) {
            site = site.origin(origin)?;
        }
        for origin in &self.related {
            site = site.related_origin(origin)?;
        }
        for origin in &self.native {
            site = site.native_origin(origin)?;
        }
        let site = site.timeout(Login::LIFETIME).on_clone_suspicion(self.on_clone_suspicion);
        Ok(WebauthnFactor { method: self.method(), site, purpose: self.purpose, hints: self.hints, metadata })
    }
}

/// The origin of a realm that is an issuer (RFC 6454 §4).
fn origin_of(realm: &str) -> Option<&str> {
    let after_scheme = realm.find("://")? + 3;
    let authority = realm.get(after_scheme..)?.split(['/', '?', '#']).next()?;
    realm.get(..after_scheme + authority.len())
}

/// What passkeys and security keys have in common.
macro_rules! webauthn_settings {
    ($name:ident) => {
        impl $name {
            /// The name that people read in the browser's window. Default: the name of the service in messages.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.0.name = Some(name.into());
                self
            }

            /// The pages that ask are at this origin, such as `https://login.example.com`, and not at the issuer's. It may be said
            /// several times.
            #[must_use]
            pub fn origin(mut self, origin: impl Into<String>) -> Self {
                self.0.origins.push(origin.into());
                self
            }

            /// Pages at this origin may ask too, though the RP ID does not cover it (WebAuthn 3 §5.11). Browsers allow it when the
            /// document at `https://RP-ID/.well-known/webauthn` names it.
            #[must_use]
            pub fn related_origin(mut self, origin: impl Into<String>) -> Self {
                self.0.related.push(origin.into());
                self
            }

            /// A native app may ask, by the name that its platform gives it: `android:apk-key-hash:…`.
            #[must_use]
            pub fn native_origin(mut self, origin: impl Into<String>) -> Self {
                self.0.native.push(origin.into());
                self
            }

            /// What kinds of authenticators the browser should speak of, the likeliest first (WebAuthn 3 §5.8.8).
            #[must_use]
            pub fn hints(mut self, hints: impl IntoIterator<Item = Hint>) -> Self {
                self.0.hints = hints.into_iter().collect();
                self
            }

            /// What happens when a signature counter does not rise. Default: the login goes on, and an event tells of it.
            #[must_use]
            pub fn on_clone_suspicion(mut self, policy: OnCloneSuspicion) -> Self {
                self.0.on_clone_suspicion = policy;
                self
            }
        }

        impl IntoFactor for $name {
            fn into_factor(self) -> PluggedFactor {
                PluggedFactor(Plugged::Webauthn(Box::new(self.0)))
            }
        }
    };
}

/// Passkeys (WebAuthn Level 3): a key on a phone, a computer or in a password manager, that its owner unlocks. It cannot be phished,
/// and is two factors in one.
///
/// One says who signs in, without a user name and a password; beside a password it is the second factor. Its owner is always verified. `amr` says `pop` and `user`, `hwk` for a key that cannot be
/// copied and `swk` for one that can.
///
/// ```
/// use countersign_mfa::{FirstEnrolment, Mfa, Passkeys, Policy};
/// # use countersign_storage_memory::MemoryStore;
/// # use countersign_storage_traits::MasterKey;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), countersign_mfa::MfaConfigError> {
/// let mfa = Mfa::builder(MemoryStore::new(), &MasterKey::from_bytes([7; 32]))
///     .realm("https://id.example.com") // the pages are there
///     .factor(Passkeys::new("example.com")) // the keys are for all of example.com, for ever
///     .policy(Policy::phishing_resistant().first_enrolment(FirstEnrolment::Invitation))
///     .build()
///     .await?;
/// # let _ = mfa;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Passkeys(Settings);

impl Passkeys {
    /// Passkeys for this RP ID: the issuer's host, or a domain above it. They are bound to it for ever.
    #[must_use]
    pub fn new(rp_id: impl Into<String>) -> Self {
        Self(Settings::new(Purpose::Passkey, rp_id.into()))
    }

    /// Passkeys stand beside another first factor alone. Default: one of them says who signs in, without a user name; the login's first page
    /// offers it in the field for that, and works as before for whoever has none.
    #[must_use]
    pub fn second_factor_only(mut self) -> Self {
        self.0.first = false;
        self
    }
}

webauthn_settings!(Passkeys);

/// Security keys (WebAuthn Level 3) beside a password: what is plugged in or held to a phone. It cannot be phished, takes no room in
/// the key, and asks for no PIN.
///
/// ```
/// use countersign_mfa::{IntoFactor, SecurityKeys};
///
/// let keys = SecurityKeys::new("example.com").name("Example");
/// # let _ = keys.into_factor();
/// ```
#[derive(Debug, Clone)]
pub struct SecurityKeys(Settings);

impl SecurityKeys {
    /// Security keys for this RP ID: the issuer's host, or a domain above it. They are bound to it for ever.
    #[must_use]
    pub fn new(rp_id: impl Into<String>) -> Self {
        Self(Settings { hints: vec![Hint::SecurityKey], ..Settings::new(Purpose::SecurityKey(None), rp_id.into()) })
    }

    /// Takes keys of models alone that this policy trusts: their makers vouch for them (WebAuthn 3 §7.1 step 24). Where the engine keeps
    /// [metadata](crate::MfaBuilder::authenticator_metadata), the policy minds it; while none is known yet, no key is set up.
    #[must_use]
    pub fn trusting(mut self, policy: TrustPolicy) -> Self {
        self.0.purpose = Purpose::SecurityKey(Some(Arc::new(policy)));
        self
    }
}

webauthn_settings!(SecurityKeys);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m13_the_issuers_origin_lies_under_the_rp_id_or_is_named_as_related() {
        let serve = |passkeys: Passkeys, realm: &str| passkeys.0.serve(realm, "Example", None).err();
        assert_eq!(serve(Passkeys::new("example.com"), "https://id.example.com/path"), None);
        assert_eq!(serve(Passkeys::new("localhost"), "http://localhost:4000"), None);
        assert!(matches!(
            serve(Passkeys::new("example.com"), "https://id.example.org"),
            Some(RelyingPartyError::Origin(origin, _)) if origin == "https://id.example.org"
        ));
        let related = Passkeys::new("example.com").related_origin("https://id.example.org");
        assert_eq!(serve(related, "https://id.example.org"), None);
        assert!(serve(Passkeys::new("https://example.com"), "https://example.com").is_some());
        let elsewhere = Passkeys::new("example.com").origin("https://www.example.com");
        assert_eq!(serve(elsewhere, "no issuer"), None);
    }
}
