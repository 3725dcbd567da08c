//! One relying party, one user, one session, and the ceremonies between them.

use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_mfa_webauthn::{
    Algorithm, Authenticated, Authentication, AuthenticationError, AuthenticationResponse, Credential, NewUser,
    Registered, Registration, RegistrationError, RegistrationOptions, RegistrationResponse, RelyingParty,
    RequestOptions, TrustPolicy, UserHandle,
};
use countersign_primitives::{SystemRandom, UnixTime};

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);
pub(crate) const ORIGIN: &str = "https://example.org";
pub(crate) const SESSION: &str = "session-1";

/// Every algorithm that these features have.
pub(crate) fn algorithms() -> Vec<Algorithm> {
    use Algorithm as A;
    let all = [
        A::ES256,
        A::EdDSA,
        A::ESP256,
        A::Ed25519,
        A::ES384,
        A::ES512,
        A::PS256,
        A::PS384,
        A::PS512,
        A::ES256K,
        A::MlDsa44,
        A::MlDsa65,
        A::MlDsa87,
        A::ESP384,
        A::ESP512,
        A::Ed448,
        A::RS256,
        A::RS384,
        A::RS512,
    ];
    all.into_iter().filter(|algorithm| algorithm.is_available()).collect()
}

pub(crate) fn site() -> RelyingParty {
    RelyingParty::new("example.org", "Example").unwrap().algorithms(algorithms()).unwrap()
}

pub(crate) fn alice() -> UserHandle {
    UserHandle::new(*b"alice-handle").unwrap()
}

pub(crate) fn user(handle: &UserHandle) -> NewUser<'_> {
    NewUser { handle, name: "alice@example.org", display_name: "Alice" }
}

/// Begins a registration and has the authenticator answer.
pub(crate) fn answer_to(
    options: RegistrationOptions<'_>,
    authenticator: &mut SoftAuthenticator,
) -> (Registration, RegistrationResponse) {
    let (options, ceremony) = options.begin(SESSION, NOW, &SystemRandom).unwrap();
    let answer = authenticator.create(&serde_json::to_string(&options).unwrap(), ORIGIN).unwrap();
    (ceremony, RegistrationResponse::from_json(&answer).unwrap())
}

/// Registers a passkey.
pub(crate) fn register(
    site: &RelyingParty,
    authenticator: &mut SoftAuthenticator,
) -> Result<Registered, RegistrationError> {
    let handle = alice();
    let (ceremony, response) = answer_to(site.register_passkey(user(&handle)), authenticator);
    site.finish_registration(ceremony, &response, SESSION, NOW)
}

/// Registers a security key under a policy.
pub(crate) fn register_attested(
    policy: &TrustPolicy,
    authenticator: &mut SoftAuthenticator,
) -> Result<Registered, RegistrationError> {
    let (site, handle) = (site(), alice());
    let (ceremony, response) = answer_to(site.register_security_key(user(&handle)), authenticator);
    site.finish_attested_registration(ceremony, &response, policy, SESSION, NOW)
}

pub(crate) fn passkey(authenticator: &mut SoftAuthenticator) -> Credential {
    register(&site(), authenticator).unwrap().into_credential()
}

/// Has the authenticator answer a login that has begun.
pub(crate) fn answer(options: &RequestOptions, authenticator: &mut SoftAuthenticator) -> AuthenticationResponse {
    let answer = authenticator.get(&serde_json::to_string(options).unwrap(), ORIGIN).unwrap();
    AuthenticationResponse::from_json(&answer).unwrap()
}

/// Signs in with one of the credentials.
pub(crate) fn sign_in(
    site: &RelyingParty,
    credential: &Credential,
    authenticator: &mut SoftAuthenticator,
) -> Result<Authenticated, AuthenticationError> {
    let begun = site.authenticate(credential.user(), [credential]).begin(SESSION, NOW, &SystemRandom).unwrap();
    let (options, ceremony): (RequestOptions, Authentication) = begun;
    let response = answer(&options, authenticator);
    site.finish_authentication(ceremony, &response, [credential], SESSION, NOW)
}

/// The id and the step of a refusal.
pub(crate) trait Told {
    fn told(self) -> (&'static str, Option<u8>);
}

impl<T: std::fmt::Debug> Told for Result<T, RegistrationError> {
    fn told(self) -> (&'static str, Option<u8>) {
        let error = self.unwrap_err();
        (error.id(), error.step())
    }
}

impl<T: std::fmt::Debug> Told for Result<T, AuthenticationError> {
    fn told(self) -> (&'static str, Option<u8>) {
        let error = self.unwrap_err();
        (error.id(), error.step())
    }
}
