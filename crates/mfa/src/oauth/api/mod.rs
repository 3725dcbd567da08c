//! The MFA API: second factors by plain calls, for clients that show a login of their own (docs/mfa-api.md).
//!
//! Its wire format is the one that widely used client libraries speak. A login that a client drives so is a login like any other:
//! the same record, machine, budgets and messages as the pages. What differs is who says what comes next.

mod associate;
mod authenticators;
mod bearer;
mod body;
mod challenge;
mod code;
mod grants;
mod passkey;
mod refusals;
mod required;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use countersign_oauth_core::{
    At, AuthorizationRequest, Client, ConsentRule, Grant, Issuer, Member, Refusal, Resource, Route, Scope, Unmet,
};
use countersign_primitives::Requirement;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) use bearer::token as bearer_token;

use super::Login;
use crate::push::PUSH;

/// The scopes of the API's own tokens.
const ENROLL: &str = "enroll";
const READ: &str = "read:authenticators";
const REMOVE: &str = "remove:authenticators";

/// The member of a client's metadata that says that it shows the number of a push.
const NUMBER_MATCHING: &str = "mfa_number_matching";

/// How long ago a login may be that yields a token of the API's own: one that somebody finds open has no way to the factors.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// How long a token of the API's own lives.
const TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The MFA API, to be switched on by [`Login::mfa_api`]. It serves clients whose
/// [`grant_types`](countersign_oauth_core::Client::grant_types) name its grants, and no others.
///
/// ```
/// use countersign_mfa::oauth::MfaApi;
/// use std::time::Duration;
///
/// let api = MfaApi::new().token_lifetime(Duration::from_secs(300));
/// # let _ = api;
/// ```
#[derive(Debug, Clone)]
pub struct MfaApi {
    token_lifetime: Duration,
}

impl Default for MfaApi {
    fn default() -> Self {
        Self { token_lifetime: Self::TOKEN_LIFETIME }
    }
}

impl MfaApi {
    /// How long an `mfa_token` lives, by default and at most: ten minutes.
    pub const TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60);

    /// The grant type that takes the code of an authenticator app.
    pub const OTP: &'static str = "http://auth0.com/oauth/grant-type/mfa-otp";
    /// The grant type that takes a code that was sent, or waits for what a device was asked.
    pub const OOB: &'static str = "http://auth0.com/oauth/grant-type/mfa-oob";
    /// The grant type that takes a recovery code.
    pub const RECOVERY_CODE: &'static str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";
    /// The grant type that takes a password and the name of a connection. Served as `password` is.
    pub const PASSWORD_REALM: &'static str = "http://auth0.com/oauth/grant-type/password-realm";

    /// The grant type that takes what a passkey signed, for a question of `/passkey/challenge`. Served where [`Passkeys`](crate::Passkeys) say who signs in, to
    /// clients of the operator's own.
    pub const PASSKEY: &'static str = "urn:okta:params:oauth:grant-type:webauthn";

    /// The API as it is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long an `mfa_token` lives, at most [`MfaApi::TOKEN_LIFETIME`].
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime.min(Self::TOKEN_LIFETIME);
        self
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.token_lifetime
    }

    /// What the API's own access tokens are for.
    fn audience(issuer: &Issuer) -> String {
        issuer.url("/mfa/")
    }

    pub(super) fn resources(issuer: &Issuer) -> Vec<Resource> {
        let resource = Resource::new(Self::audience(issuer)).login_only(TOKEN_LIFETIME);
        vec![[ENROLL, READ, REMOVE].into_iter().fold(resource, Resource::scope)]
    }

    /// Only clients whose record names them may ask for them.
    pub(super) fn scopes() -> Vec<Scope> {
        vec![
            Scope::new(ENROLL, "Set up ways to sign in").hidden(),
            Scope::new(READ, "See your ways to sign in").hidden(),
            Scope::new(REMOVE, "Remove ways to sign in").hidden(),
        ]
    }

    pub(super) fn routes(login: &Arc<Login>) -> Vec<Route> {
        let own = || Arc::clone(login);
        let mut routes = vec![
            Route::new(Method::POST, "/mfa/associate", associate::Associate(own())),
            Route::new(Method::POST, "/mfa/challenge", challenge::ChallengeCall(own())),
            Route::new(Method::GET, "/mfa/authenticators", authenticators::List(own())),
            Route::new(Method::DELETE, "/mfa/authenticators/{id}", authenticators::Remove(own())),
        ];
        if login.mfa.0.passkeys.is_some() {
            routes.push(Route::new(Method::POST, "/passkey/challenge", passkey::PasskeyChallenge(own())));
        }
        routes.into_iter().map(|route| route.cors().needs_peer()).collect()
    }

    pub(super) fn grants(login: &Login) -> Vec<Arc<dyn Grant>> {
        let mut grants: Vec<Arc<dyn Grant>> = vec![
            Arc::new(grants::PasswordGrant { login: login.clone(), grant_type: "password" }),
            Arc::new(grants::PasswordGrant { login: login.clone(), grant_type: Self::PASSWORD_REALM }),
            Arc::new(grants::OtpGrant(login.clone())),
            Arc::new(grants::OobGrant(login.clone())),
            Arc::new(grants::RecoveryCodeGrant(login.clone())),
        ];
        if login.mfa.0.passkeys.is_some() {
            grants.push(Arc::new(grants::PasskeyGrant(login.clone())));
        }
        grants
    }

    pub(super) fn client_members() -> &'static [&'static str] {
        &[NUMBER_MATCHING]
    }

    pub(super) fn register(asked: &Map<String, Value>, client: Client) -> Result<Client, Refusal> {
        match asked.get(NUMBER_MATCHING) {
            None => Ok(client),
            Some(Value::Bool(shows)) => Ok(client.member(&NumberMatching(*shows))),
            Some(_) => Err(Refusal::invalid_request("mfa_number_matching is true or false")
                .cause("mfa_api.client_metadata", "docs/mfa-api.md")),
        }
    }

    /// Whether a client may use the API.
    fn is_open_to(client: &Client) -> bool {
        [Self::OTP, Self::OOB, Self::RECOVERY_CODE].into_iter().any(|grant_type| client.may_use(grant_type))
    }

    /// A token of the API's own comes from a login of moments ago, to a client that may use the API.
    pub(super) fn validate(at: &At<'_>, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
        if !Self::is_wanted(at.server.config().issuer(), request.scope(), request.resources()) {
            return Ok(());
        }
        if !Self::is_open_to(at.client) {
            return Err(countersign_oauth_core::Cause::Target.into());
        }
        request.require(&Requirement::NONE.max_age(FRESH), at.server.config().acr_table());
        Ok(())
    }

    /// And from one in which a factor was proven, if the user has one.
    pub(super) fn demand(has_factor: bool) -> Requirement {
        if has_factor { Requirement::MFA.never_remembered() } else { Requirement::NONE }
    }

    /// Whether a token of these would be one of the API's own.
    pub(super) fn is_wanted(issuer: &Issuer, scope: &countersign_oauth_core::ScopeSet, resources: &[String]) -> bool {
        let own = [ENROLL, READ, REMOVE].into_iter().any(|token| scope.contains(token));
        own || !resources.is_empty() && resources.contains(&Self::audience(issuer))
    }

    /// What a refresh falls short of, a second factor may make good.
    pub(super) async fn unmet(
        &self,
        login: &Login,
        at: &At<'_>,
        unmet: &Unmet<'_>,
    ) -> Result<Option<Refusal>, Refusal> {
        if unmet.grant_type != "refresh_token" || !Self::is_open_to(at.client) {
            return Ok(None);
        }
        required::by_refresh(login, at, unmet).await
    }
}

/// Why a client may not take logins itself: whoever is not the operator's own has users sign in on the pages, and consent there.
fn foreign(client: &Client) -> Option<&'static str> {
    let foreign = client.consent_rule() != ConsentRule::Implied;
    foreign.then_some(
        "grants of a login of its own are for clients of your own: mark it as one (first_party = true, or ConsentRule::Implied)",
    )
}

/// Whether a client shows the number that a push is compared by. Without it nobody is asked by push through that client.
#[derive(Debug, Serialize, Deserialize)]
struct NumberMatching(bool);

impl Member for NumberMatching {
    const NAME: &'static str = "mfa.number_matching";
}

/// Whether a method is spoken of with this client at all.
fn speaks(client: &Client, method: &str) -> bool {
    match Wire::of(method) {
        None => false,
        Some(_) if method == PUSH => client.members().get::<NumberMatching>().is_some_and(|shown| shown.0),
        Some(_) => true,
    }
}

/// What a method is called on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wire {
    authenticator_type: &'static str,
    oob_channel: Option<&'static str>,
    /// The type in `mfa_requirements`.
    requirement: &'static str,
    /// What the id of an authenticator begins with.
    prefix: &'static str,
    method: &'static str,
}

impl Wire {
    const ALL: [Self; 7] = [
        Self::new("totp", "otp", None, "otp", "totp"),
        Self::new("hotp", "otp", None, "otp", "hotp"),
        Self::new("sms", "oob", Some("sms"), "phone", "sms"),
        Self::new("voice", "oob", Some("voice"), "phone", "voice"),
        Self::new("email", "oob", Some("email"), "email", "email"),
        Self::new(PUSH, "oob", Some("auth0"), "push-notification", "push"),
        Self::new(crate::factor::RECOVERY_CODE, "recovery-code", None, "recovery-code", "recovery-code"),
    ];

    const fn new(
        method: &'static str,
        authenticator_type: &'static str,
        oob_channel: Option<&'static str>,
        requirement: &'static str,
        prefix: &'static str,
    ) -> Self {
        Self { authenticator_type, oob_channel, requirement, prefix, method }
    }

    /// None of a method that these calls cannot ask.
    fn of(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wire| wire.method == method)
    }

    fn of_channel(channel: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wire| wire.oob_channel == Some(channel))
    }
}
