//! A WebAuthn Level 3 relying party: passkeys and security keys, every step of the specification, no IO and no store.
//!
//! A *ceremony* has two halves. The first makes options for the browser and a value to remember; the second takes that value and the
//! browser's answer, and yields proof or a refusal that names the step. The smallest program, with one user and no database:
//!
//! ```
//! use countersign_mfa_webauthn::{AuthenticationResponse, NewUser, RegistrationResponse, RelyingParty, UserHandle};
//! use countersign_primitives::{Clock, SystemClock, SystemRandom};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let site = RelyingParty::new("example.com", "Example")?; // at https://example.com
//! let (now, session) = (SystemClock.now(), "the host's name for this browser's session");
//!
//! // Registration: options to the browser, ceremony into the store.
//! let handle = UserHandle::random(&SystemRandom)?; // once for each user
//! let user = NewUser { handle: &handle, name: "alice@example.com", display_name: "Alice" };
//! let (options, ceremony) = site.register_passkey(user).begin(session, now, &SystemRandom)?;
//! let json = serde_json::to_string(&options)?; // {"publicKey": …} for navigator.credentials.create
//! # assert!(json.starts_with("{\"publicKey\":{\"rp\":{\"id\":\"example.com\""));
//!
//! // The browser answers with credential.toJSON(); the ceremony comes back out of the store, once.
//! # let answer = "{}";
//! # let Ok(_) = RegistrationResponse::from_json(answer) else { return Ok(()) };
//! let response = RegistrationResponse::from_json(answer)?;
//! let registered = site.finish_registration(ceremony, &response, session, now)?;
//! let mut passkey = registered.into_credential(); // create its record; if there is one under its id, all has failed
//!
//! // Login: nobody says who he is, the passkey tells.
//! let (options, ceremony) = site.discover().conditional().begin(session, now, &SystemRandom)?;
//! # let _ = options;
//! let response = AuthenticationResponse::from_json(answer)?;
//! let used = site.finish_authentication(ceremony, &response, [&passkey], session, now)?;
//! assert_eq!(used.user(), &handle);
//! passkey = used.into_credential(); // replace the record: the counter is in it
//! # let _ = passkey;
//! # Ok(())
//! # }
//! ```
//!
//! | what | where |
//! |---|---|
//! | who asks | [`RelyingParty`]: its id, origins, frames, algorithms, policies |
//! | a new credential | [`RelyingParty::register_passkey`] and its like, [`Registration`], [`Registered`] |
//! | a login | [`RelyingParty::discover`], [`RelyingParty::authenticate`], [`Authentication`], [`Authenticated`] |
//! | what is kept | [`Credential`], [`UserHandle`] |
//! | what the browser sends | [`RegistrationResponse`], [`AuthenticationResponse`] |
//! | which authenticators are trusted | [`TrustPolicy`], [`Attestation`]; [`MetadataSource`], [`Metadata`] |
//! | what authenticators are told | [`RelyingParty::signal_accepted`] and its like |
//! | why not | [`RegistrationError`], [`AuthenticationError`]: each with `id()` and `step()` |
//!
//! # What this crate does not do
//! - It has *no store*. A ceremony must be deleted as it is read, else it serves twice (attack M4); a credential's record must be
//!   created only if there is none under its id (§7.1 step 26), and replaced after each login (attack M7).
//! - It does *not know who is signed in*. Registering a credential needs a fresh proof of the account's owner (attack M17).
//! - It fetches nothing: no metadata, no lists of revoked certificates.
//! - It does not check that a point of Ed25519 or Ed448 lies on its curve when it is registered: such a key verifies nothing, ever.
//!
//! # Features
//! `p521` (ES512), `k256` (ES256K), `ed448` (Ed448) and `ml-dsa` (ML-DSA-44, -65, -87) add algorithms that ring does not have.
//! `testkit` has a software authenticator for tests, a host's own too.
//!
//! # Where next
//! `docs/webauthn.md` of the project says for each step of the specification which function and which test stand for it.

mod attestation;
mod authentication;
mod authenticator_data;
mod cbor;
mod checks;
mod client_data;
mod cose;
mod credential;
mod der;
mod encoding;
mod extensions;
mod ids;
mod jws;
mod member;
mod metadata;
mod models;
mod options;
mod origin;
mod refusal;
mod registration;
mod relying_party;
mod response;
mod signal;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use attestation::{
    Attestation, AttestationError, AttestationFormat, AttestationKind, CertificateError, TrustError, TrustPolicy,
};
pub use authentication::{Authenticated, Authentication, AuthenticationError, AuthenticationOptions, Counter};
pub use authenticator_data::{Aaguid, AuthenticatorDataError, Flags, MAX_CREDENTIAL_ID, ParseAaguidError};
pub use cbor::CborError;
pub use checks::CeremonyError;
pub use client_data::ClientDataError;
pub use cose::{Algorithm, CoseKeyError, SignatureError, UnknownAlgorithm};
pub use credential::{AttestationSummary, Credential, CredentialUse};
pub use extensions::{
    CredentialProtection, ExtensionError, ExtensionResults, LargeBlobSupport, UserVerificationMethod,
};
pub use ids::{CredentialId, IdError, UserHandle};
pub use metadata::{
    AuthenticatorStatus, Certification, Metadata, MetadataEntry, MetadataError, MetadataSource, StatusPolicy,
};
pub use options::{
    Attachment, Conveyance, CreationOptions, Hint, RequestOptions, ResidentKey, Transport, UserVerification,
};
pub use origin::OriginError;
pub use registration::{NewUser, Registered, Registration, RegistrationError, RegistrationOptions};
pub use relying_party::{OnCloneSuspicion, OnEligibilityUpgrade, RelyingParty, RelyingPartyError};
pub use response::{AuthenticationResponse, MAX_RESPONSE, RegistrationResponse, ResponseError};
pub use signal::{AllAcceptedCredentials, CurrentUserDetails, UnknownCredential};

#[cfg(test)]
mod tests {
    #[test]
    fn promise_9_every_cause_has_an_id_of_its_own() {
        let lists = [
            crate::CborError::IDS,
            crate::CeremonyError::IDS,
            crate::CertificateError::IDS,
            crate::ClientDataError::IDS,
            crate::ExtensionError::IDS,
            crate::IdError::IDS,
            crate::OriginError::IDS,
            crate::ResponseError::IDS,
            crate::SignatureError::IDS,
            crate::TrustError::IDS,
        ];
        let all: Vec<_> = lists.into_iter().flatten().collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|id| id.split('.').count() == 2 && !id.contains(' ')));
    }
}
