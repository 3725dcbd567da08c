//! Refusals: what the client is told, and why, for the operator alone.

use std::fmt;
use std::time::Duration;

use countersign_primitives::{BoxError, PoolFull, RandomError};
use countersign_storage_traits::{CommitError, StoreError};
use http::StatusCode;
use serde_json::{Map, Value};

/// A refusal: a registered error code for the client, a stable cause for the operator.
///
/// The description is static text: no secret, no hint whether an account exists. The cause's id and section go to events and
/// logs, never over the wire.
///
/// ```
/// use countersign_oauth_core::Refusal;
///
/// let refusal = Refusal::invalid_grant("no such badge").cause("badge.unknown", "docs/badges.md");
/// assert_eq!((refusal.error(), refusal.cause_id()), ("invalid_grant", "badge.unknown"));
/// ```
pub struct Refusal(Box<Inner>);

struct Inner {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
    members: Map<String, Value>,
    id: &'static str,
    section: &'static str,
    retry_after: Option<Duration>,
    source: Option<BoxError>,
    client: Option<String>,
}

impl Refusal {
    /// A refusal of one's own: status, error code and a static description.
    #[must_use]
    pub fn new(status: StatusCode, error: &'static str, description: &'static str) -> Self {
        Self(Box::new(Inner {
            status,
            error,
            description,
            members: Map::new(),
            id: "extension",
            section: "",
            retry_after: None,
            source: None,
            client: None,
        }))
    }

    /// `invalid_grant` (RFC 6749 §5.2), with a static description.
    #[must_use]
    pub fn invalid_grant(description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", description)
    }

    /// `invalid_request` (RFC 6749 §5.2), with a static description.
    #[must_use]
    pub fn invalid_request(description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// Why, for the operator: a stable id, and the section that asks for the check.
    #[must_use]
    pub fn cause(mut self, id: &'static str, section: &'static str) -> Self {
        self.0.id = id;
        self.0.section = section;
        self
    }

    /// The same with another status, where an endpoint has its own for it.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// A further member of the error answer, such as `mfa_token`.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// How long to wait before the next attempt: the answer's `Retry-After` (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The error behind it, for the operator's log.
    #[must_use]
    pub fn source(mut self, error: impl Into<BoxError>) -> Self {
        self.0.source = Some(error.into());
        self
    }

    /// The client that the refusal is about, where it did not come so far as to authenticate. For the operator alone.
    pub(crate) fn about(mut self, client: &str) -> Self {
        self.0.client = Some(client.to_owned());
        self
    }

    pub(crate) fn client(&self) -> Option<&str> {
        self.0.client.as_deref()
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The error code on the wire.
    #[must_use]
    pub fn error(&self) -> &'static str {
        self.0.error
    }

    /// The description on the wire.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.0.description
    }

    /// Further members of the answer.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.0.members
    }

    /// The stable id of the cause.
    #[must_use]
    pub fn cause_id(&self) -> &'static str {
        self.0.id
    }

    /// The section of the specification that asks for the check.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.0.section
    }

    /// The seconds of `Retry-After`, where the answer bears one: what was said, else one where a part of ours is at fault.
    #[must_use]
    pub fn seconds_to_wait(&self) -> Option<u64> {
        let failure = self.0.status == StatusCode::SERVICE_UNAVAILABLE;
        self.0.retry_after.map(|wait| wait.as_secs().max(1)).or(failure.then_some(1))
    }

    /// The error behind it.
    #[must_use]
    pub fn source_error(&self) -> Option<&(dyn std::error::Error + Send + Sync)> {
        self.0.source.as_deref()
    }

    /// Whether the fault is ours: a store, a signer or another part that failed.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.0.status.is_server_error()
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({} {}, cause {}", self.0.status.as_u16(), self.0.error, self.0.id)?;
        match &self.0.source {
            Some(source) => write!(f, ": {source})"),
            None => f.write_str(")"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.error, self.0.description)
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $variant:ident, $id:literal, $section:literal, $status:ident $error:literal, $description:literal;)+) => {
        /// Why this crate refuses: one variant a check. Several may share a wire error; ids and sections tell them apart.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable id.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }

            /// What happened, in words for the operator: more than the client is told.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The cause of this id, such as an event names it.
            ///
            /// ```
            /// use countersign_oauth_core::Cause;
            ///
            /// let cause = Cause::by_id("client.wrong_secret");
            /// assert_eq!(cause.map(Cause::explanation), Some("The client's secret is wrong."));
            /// ```
            #[must_use]
            pub fn by_id(id: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|cause| cause.id() == id)
            }

            /// The section that asks for the check.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self { $(Self::$variant => $section,)+ }
            }
        }

        /// The one place where a cause becomes an answer (RFC 6749 §4.1.2.1 and §5.2).
        impl From<Cause> for Refusal {
            fn from(cause: Cause) -> Self {
                let (status, error, description) = match cause {
                    $(Cause::$variant => (StatusCode::$status, $error, $description),)+
                };
                Self::new(status, error, description).cause(cause.id(), cause.section())
            }
        }
    };
}

causes! {
    /// A parameter or body could not be read.
    MalformedParameters, "request.malformed", "RFC 6749 Appendix B", BAD_REQUEST "invalid_request", "the parameters cannot be read";
    /// A parameter was sent twice.
    RepeatedParameter, "request.repeated_parameter", "RFC 6749 §3.1", BAD_REQUEST "invalid_request", "a parameter was sent more than once";
    /// The body is no form.
    ContentType, "request.content_type", "RFC 6749 §4.1.3", BAD_REQUEST "invalid_request", "the body must be application/x-www-form-urlencoded";
    /// The body is too large.
    BodyTooLarge, "request.too_large", "promise 7", PAYLOAD_TOO_LARGE "invalid_request", "the body is too large";
    /// The request came for another host.
    ForeignHost, "request.foreign_host", "RFC 9110 §7.4", MISDIRECTED_REQUEST "invalid_request", "this host is not the issuer's";
    /// A parameter that the request needs is missing.
    MissingParameter, "request.missing_parameter", "RFC 6749 §5.2", BAD_REQUEST "invalid_request", "a required parameter is missing";
    /// No such page.
    UnknownPath, "request.unknown_path", "RFC 9110 §15.5.5", NOT_FOUND "invalid_request", "nothing is here";
    /// Not by this method.
    WrongMethod, "request.wrong_method", "RFC 9110 §15.5.6", METHOD_NOT_ALLOWED "invalid_request", "not by this method";
    /// The address of the peer is not known, so its guesses could not be counted.
    NoPeer, "request.no_peer", "docs/operations.md", INTERNAL_SERVER_ERROR "server_error", "the server is not set up";

    /// The client is not known.
    UnknownClient, "client.unknown", "RFC 6749 §5.2", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The client did not authenticate although it must.
    ClientNotAuthenticated, "client.not_authenticated", "RFC 6749 §3.2.1", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The client used two methods at once.
    TwoClientAuthentications, "client.two_methods", "RFC 6749 §2.3", BAD_REQUEST "invalid_request", "more than one client authentication";
    /// The client used another method than it is registered for.
    ClientMethod, "client.wrong_method", "RFC 7591 §2", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The client's secret is wrong.
    ClientSecret, "client.wrong_secret", "RFC 6749 §2.3.1", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The Authorization header cannot be read.
    MalformedAuthorization, "client.malformed_authorization", "RFC 6749 §2.3.1", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The type of the client assertion is missing, or not that of a JWT.
    ClientAssertionType, "client.assertion_type", "RFC 7523 §2.2", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The client assertion is no JWT, or lacks a claim.
    MalformedClientAssertion, "client.assertion_malformed", "RFC 7523 §3", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// No key of the client's verifies its assertion by the algorithm that was registered.
    ClientAssertionSignature, "client.assertion_signature", "RFC 7523 §3", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// Issuer and subject of the client assertion are not both the client.
    ClientAssertionParties, "client.assertion_parties", "RFC 7523 §3", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The client assertion is for another audience, or for several.
    ClientAssertionAudience, "client.assertion_audience", "RFC 7523 §3", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The client assertion has expired, is not valid yet, or lives too long.
    ClientAssertionLifetime, "client.assertion_lifetime", "RFC 7523 §3", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The client assertion was used before.
    ClientAssertionReplayed, "client.assertion_replayed", "RFC 7523 §3", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The client is named differently in header and body.
    ClientMismatch, "client.mismatch", "RFC 6749 §3.2.1", BAD_REQUEST "invalid_request", "the client is named differently in header and body";

    /// The authorization request names no client or an unknown one.
    AuthorizeUnknownClient, "authorize.unknown_client", "RFC 6749 §4.1.2.1", BAD_REQUEST "invalid_request", "the application that sent you here is not known";
    /// The redirect URI is missing, or not one that the client registered.
    RedirectUri, "authorize.redirect_uri", "RFC 9700 §2.1", BAD_REQUEST "invalid_request", "the application asked to send you to an address that it has not registered";
    /// The response type is missing.
    MissingResponseType, "authorize.missing_response_type", "RFC 6749 §3.1.1", BAD_REQUEST "invalid_request", "response_type is missing";
    /// The response type is not served, or not to this client.
    ResponseType, "authorize.response_type", "RFC 6749 §3.1.1", BAD_REQUEST "unsupported_response_type", "this response_type is not served";
    /// The response mode is not served.
    ResponseMode, "authorize.response_mode", "OAuth 2.0 Multiple Response Type Encoding Practices §2.1", BAD_REQUEST "invalid_request", "this response_mode is not served";
    /// The client may not use the authorization code grant.
    AuthorizeUnauthorizedClient, "authorize.unauthorized_client", "RFC 6749 §4.1.2.1", BAD_REQUEST "unauthorized_client", "the client may not use this response type";
    /// The code challenge is missing although the client must send one.
    MissingChallenge, "pkce.missing_challenge", "RFC 7636 §4.4.1", BAD_REQUEST "invalid_request", "code_challenge is missing";
    /// The code challenge is malformed.
    MalformedChallenge, "pkce.malformed_challenge", "RFC 7636 §4.2", BAD_REQUEST "invalid_request", "code_challenge is malformed";
    /// The challenge method is not S256.
    ChallengeMethod, "pkce.challenge_method", "RFC 9700 §2.1.1", BAD_REQUEST "invalid_request", "code_challenge_method must be S256";
    /// A scope is malformed, unknown, or not the client's to ask for.
    Scope, "request.scope", "RFC 6749 §3.3", BAD_REQUEST "invalid_scope", "the scope is malformed, unknown or beyond what the client may ask for";
    /// A resource is malformed or unknown.
    Target, "request.target", "RFC 8707 §2", BAD_REQUEST "invalid_target", "the resource is malformed, unknown or beyond what was granted";
    /// `prompt` is malformed: unknown values, or `none` beside another.
    Prompt, "authorize.prompt", "OpenID Connect Core §3.1.2.1", BAD_REQUEST "invalid_request", "prompt is malformed";
    /// `max_age` is no number of seconds.
    MaxAge, "authorize.max_age", "OpenID Connect Core §3.1.2.1", BAD_REQUEST "invalid_request", "max_age is malformed";
    /// A request object was sent, which this server does not read.
    RequestNotSupported, "authorize.request_object", "OpenID Connect Core §3.1.2.6", BAD_REQUEST "request_not_supported", "request objects are not served";
    /// A request object by reference was sent, which this server does not read.
    RequestUriNotSupported, "authorize.request_uri", "OpenID Connect Core §3.1.2.6", BAD_REQUEST "request_uri_not_supported", "request objects by reference are not served";
    /// Too many requests that wait for their users came from this address.
    AuthorizeThrottled, "authorize.throttled", "promise 7", TOO_MANY_REQUESTS "temporarily_unavailable", "too many sign-ins were begun from this address; try again later";
    /// The user said no.
    Denied, "authorize.denied", "RFC 6749 §4.1.2.1", BAD_REQUEST "access_denied", "the request was denied";
    /// Nobody is signed in, and the client asked that nobody be asked.
    LoginRequired, "authorize.login_required", "OpenID Connect Core §3.1.2.6", BAD_REQUEST "login_required", "nobody is signed in";
    /// More must be proven, and the client asked that nobody be asked.
    InteractionRequired, "authorize.interaction_required", "OpenID Connect Core §3.1.2.6", BAD_REQUEST "interaction_required", "the user must be asked";
    /// Consent is missing, and the client asked that nobody be asked.
    ConsentRequired, "authorize.consent_required", "OpenID Connect Core §3.1.2.6", BAD_REQUEST "consent_required", "the user's consent is missing";
    /// What was asked to be proven cannot be.
    Unmet, "authorize.unmet_requirements", "OpenID Connect Core Unmet Authentication Requirements 1.0 §2", BAD_REQUEST "unmet_authentication_requirements", "the authentication that was asked for cannot be reached";
    /// The account is barred, gone, or its subject cannot stand in a token.
    AccountUnusable, "account.unusable", "promise 12", BAD_REQUEST "access_denied", "the request was denied";
    /// The interaction is unknown, expired, or of another browser.
    UnknownInteraction, "interaction.unknown", "RFC 6749 §10.12", BAD_REQUEST "invalid_request", "this page has expired or belongs to another browser; start again at the application";
    /// The interaction was answered already, too long ago to answer it in the same way.
    InteractionDone, "interaction.done", "RFC 6749 §10.12", BAD_REQUEST "invalid_request", "this page was answered already; start again at the application";
    /// A change under a cookie lacks the anti-forgery value, or comes from another site.
    Forged, "interaction.forged", "RFC 6749 §10.12", FORBIDDEN "invalid_request", "this request did not come from our own page; go back and try again";

    /// The grant type is missing.
    MissingGrantType, "token.missing_grant_type", "RFC 6749 §5.2", BAD_REQUEST "invalid_request", "grant_type is missing";
    /// The grant type is not served.
    UnsupportedGrantType, "token.unsupported_grant_type", "RFC 6749 §5.2", BAD_REQUEST "unsupported_grant_type", "this grant_type is not served";
    /// The client may not use this grant type.
    UnauthorizedClient, "token.unauthorized_client", "RFC 6749 §5.2", BAD_REQUEST "unauthorized_client", "the client may not use this grant_type";
    /// A client asked for itself for a scope that only a user can give.
    UserScope, "client_credentials.user_scope", "RFC 6749 §4.4", BAD_REQUEST "invalid_scope", "a scope that needs a user is not given to a client for itself";
    /// The code is no code of ours.
    MalformedCode, "code.malformed", "RFC 6749 §5.2", BAD_REQUEST "invalid_grant", "the code is invalid, expired or spent";
    /// The code is unknown or has expired.
    UnknownCode, "code.unknown", "RFC 6749 §5.2", BAD_REQUEST "invalid_grant", "the code is invalid, expired or spent";
    /// The code belongs to another client.
    CodeClient, "code.foreign_client", "RFC 6749 §4.1.3", BAD_REQUEST "invalid_grant", "the code is invalid, expired or spent";
    /// The redirect URI differs from that of the authorization request.
    CodeRedirectUri, "code.redirect_uri", "RFC 6749 §4.1.3", BAD_REQUEST "invalid_grant", "the code is invalid, expired or spent";
    /// The verifier is missing, malformed or wrong.
    Verifier, "code.verifier", "RFC 7636 §4.6", BAD_REQUEST "invalid_grant", "the code is invalid, expired or spent";
    /// A verifier was sent for a code without a challenge.
    UnexpectedVerifier, "code.unexpected_verifier", "RFC 9700 §2.1.1", BAD_REQUEST "invalid_grant", "the code is invalid, expired or spent";
    /// The code was spent before; its grant was ended.
    CodeReused, "code.reused", "RFC 6749 §4.1.2", BAD_REQUEST "invalid_grant", "the code is invalid, expired or spent";
    /// The refresh token is none of ours.
    MalformedRefreshToken, "refresh_token.malformed", "RFC 6749 §5.2", BAD_REQUEST "invalid_grant", "the refresh token is invalid, expired or spent";
    /// The refresh token's grant is unknown, expired or ended.
    UnknownRefreshToken, "refresh_token.unknown", "RFC 6749 §5.2", BAD_REQUEST "invalid_grant", "the refresh token is invalid, expired or spent";
    /// The refresh token belongs to another client.
    RefreshTokenClient, "refresh_token.foreign_client", "RFC 6749 §6", BAD_REQUEST "invalid_grant", "the refresh token is invalid, expired or spent";
    /// The refresh token was spent before; its grant was ended.
    RefreshTokenReused, "refresh_token.reused", "RFC 9700 §4.14.2", BAD_REQUEST "invalid_grant", "the refresh token is invalid, expired or spent";
    /// The grant was ended by revocation, a new epoch of the subject, or a change of the client.
    GrantEnded, "grant.ended", "promise 12", BAD_REQUEST "invalid_grant", "the grant has ended";
    /// The session that the grant ends with has ended.
    SessionEnded, "grant.session_ended", "promise 12", BAD_REQUEST "invalid_grant", "the grant has ended";
    /// More must be proven before this may be issued.
    GrantRequirement, "grant.requirement", "promise 8", BAD_REQUEST "invalid_grant", "the user must sign in again";
    /// An extension demands a class that the server's table cannot rank.
    UnknownDemand, "grant.unknown_demand", "promise 14", INTERNAL_SERVER_ERROR "server_error", "something on our side has failed";
    /// Others were first, several times over.
    Contention, "store.contention", "ARCHITECTURE.md", SERVICE_UNAVAILABLE "temporarily_unavailable", "try again";
    /// The store cannot be reached.
    StoreUnavailable, "store.unavailable", "promise 14", SERVICE_UNAVAILABLE "temporarily_unavailable", "try again later";
    /// A record cannot be read or written.
    StoreFailed, "store.failed", "promise 14", INTERNAL_SERVER_ERROR "server_error", "something on our side has failed";
    /// The source of randomness failed.
    RandomFailed, "random.failed", "promise 14", SERVICE_UNAVAILABLE "temporarily_unavailable", "try again later";
    /// The work pool is full.
    PoolIsFull, "pool.full", "promise 7", SERVICE_UNAVAILABLE "temporarily_unavailable", "try again later";
    /// A token could not be signed.
    SigningFailed, "signer.failed", "promise 14", SERVICE_UNAVAILABLE "temporarily_unavailable", "try again later";
    /// The ring of signing keys is gone or damaged, or a key cannot be made.
    KeysUnusable, "keys.unusable", "promise 14", SERVICE_UNAVAILABLE "temporarily_unavailable", "try again later";
    /// An operator named a signing key that the ring does not have.
    UnknownKey, "keys.unknown", "RFC 7517 §4.5", NOT_FOUND "invalid_request", "there is no key of this name";
    /// The host's user or client table failed.
    LookupFailed, "lookup.failed", "promise 14", SERVICE_UNAVAILABLE "temporarily_unavailable", "try again later";
    /// A claim or member was set twice, or one that the protocol sets itself.
    ReservedMember, "extension.reserved_member", "RFC 9068 §2.2", INTERNAL_SERVER_ERROR "server_error", "something on our side has failed";
    /// Nobody may register without an initial access token, and this is none.
    InitialAccessToken, "registration.initial_access_token", "RFC 7591 §3", UNAUTHORIZED "invalid_token", "an initial access token is needed";
    /// Too many clients were registered from this address.
    RegistrationThrottled, "registration.throttled", "promise 7", TOO_MANY_REQUESTS "temporarily_unavailable", "too many clients were registered from this address; try again later";
    /// The body of a registration is not JSON.
    RegistrationContentType, "registration.content_type", "RFC 7591 §3.1", BAD_REQUEST "invalid_client_metadata", "the body must be application/json";
    /// The metadata is not one JSON object with unique names, or too deep or too large.
    MalformedMetadata, "registration.malformed", "RFC 7591 §3.1", BAD_REQUEST "invalid_client_metadata", "the body is no JSON object with unique names, or has too much in it";
    /// A redirect URI is missing, malformed, or of a kind that receives no codes.
    RegisteredRedirectUri, "registration.redirect_uri", "RFC 7591 §3.2.2", BAD_REQUEST "invalid_redirect_uri", "a redirect URI is missing or may not be registered";
    /// A member is malformed, or asks for what is not served or not open to strangers.
    ClientMetadata, "registration.metadata", "RFC 7591 §3.2.2", BAD_REQUEST "invalid_client_metadata", "a member is malformed or asks for what is not served";
    /// A software statement was sent, and none is trusted here.
    SoftwareStatement, "registration.software_statement", "RFC 7591 §3.2.2", BAD_REQUEST "unapproved_software_statement", "no software statement is accepted here";
    /// The registration access token is missing.
    MissingRegistrationToken, "registration.missing_token", "RFC 7592 §2", UNAUTHORIZED "", "";
    /// The registration access token is not this client's, or its client is gone.
    RegistrationToken, "registration.token", "RFC 7592 §2", UNAUTHORIZED "invalid_token", "the registration access token is invalid";
    /// An update names no client, or another one.
    UpdateClientId, "registration.update_client_id", "RFC 7592 §2.2", BAD_REQUEST "invalid_request", "client_id is missing or another one";
    /// An update names a member that is the server's to say.
    UpdateMember, "registration.update_member", "RFC 7592 §2.2", BAD_REQUEST "invalid_request", "a member was sent that is not the client's to change";
    /// An update names a secret that is not the client's own.
    UpdateSecret, "registration.update_secret", "RFC 7592 §2.2", BAD_REQUEST "invalid_request", "client_secret is not the one that was issued";
    /// A public client asked what a token is worth.
    PublicIntrospection, "introspection.public_client", "RFC 7662 §2.1", UNAUTHORIZED "invalid_client", "client authentication failed";
    /// The access token is missing.
    MissingToken, "bearer.missing", "RFC 6750 §3", UNAUTHORIZED "", "";
    /// The access token was sent in two places, or malformed.
    MalformedBearer, "bearer.malformed", "RFC 6750 §2", BAD_REQUEST "invalid_request", "the access token must be sent once, in the Authorization header";
    /// The access token is not valid here, or no more.
    InvalidToken, "bearer.invalid", "RFC 6750 §3.1", UNAUTHORIZED "invalid_token", "the access token is invalid, expired or revoked";
    /// The access token lacks a scope.
    InsufficientScope, "bearer.insufficient_scope", "RFC 6750 §3.1", FORBIDDEN "insufficient_scope", "the access token lacks a scope";
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let cause = match error {
            StoreError::Unavailable(_) | StoreError::MovedAway { .. } => Cause::StoreUnavailable,
            _ => Cause::StoreFailed,
        };
        Self::from(cause).source(error)
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(_) => Cause::Contention.into(),
            CommitError::Unknown(error) => Self::from(Cause::StoreUnavailable).source(error),
            CommitError::Refused(error) => error.into(),
            other => Self::from(Cause::StoreFailed).source(other),
        }
    }
}

impl From<RandomError> for Refusal {
    fn from(error: RandomError) -> Self {
        Self::from(Cause::RandomFailed).source(error)
    }
}

impl From<PoolFull> for Refusal {
    fn from(error: PoolFull) -> Self {
        Self::from(Cause::PoolIsFull).source(error)
    }
}

/// A mistake in how the host assembled its server. Told at start, with place and cure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The issuer is malformed.
    #[error("issuer {issuer:?}: {cure}")]
    Issuer {
        /// What was given.
        issuer: String,
        /// How to put it right.
        cure: &'static str,
    },
    /// A client's record is wrong.
    #[error("client {client_id:?}: {problem}")]
    Client {
        /// Which client.
        client_id: String,
        /// What is wrong and how to put it right.
        problem: String,
    },
    /// A scope is wrong.
    #[error("scope {scope:?}: {problem}")]
    Scope {
        /// Which scope.
        scope: String,
        /// What is wrong and how to put it right.
        problem: &'static str,
    },
    /// A resource is wrong.
    #[error("resource {uri:?}: {problem}")]
    Resource {
        /// Which resource.
        uri: String,
        /// What is wrong and how to put it right.
        problem: &'static str,
    },
    /// Two parts serve one path.
    #[error("the path {path} is served twice; give one of the two another path")]
    RouteTwice {
        /// Which path.
        path: String,
    },
    /// Two parts set one member of the metadata.
    #[error("two extensions set the metadata member {member:?}")]
    MetadataTwice {
        /// Which member.
        member: String,
    },
    /// Two parts serve one grant type.
    #[error("two parts serve the grant type {grant_type:?}")]
    GrantTwice {
        /// Which grant type.
        grant_type: String,
    },
    /// Something is asked for that no part of this server reaches.
    #[error("{what}: {cure}")]
    Unreachable {
        /// What is asked for, and where.
        what: String,
        /// How to put it right.
        cure: String,
    },
    /// The store cannot be used.
    #[error("the store cannot be used: {0}")]
    Store(#[source] StoreError),
    /// The records of this store were sealed with another master key.
    #[error(
        "the store was written with another master key; start with the key that it was written with, or name that as the earlier key if you mean to change it"
    )]
    MasterKey,
    /// The signing keys could not be made or read.
    #[error("the signing keys cannot be used: {0}")]
    Keys(#[source] BoxError),
    /// An extension could not be set up.
    #[error("{extension}: {source}")]
    Extension {
        /// Which extension.
        extension: &'static str,
        /// What it said.
        source: BoxError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promise_9_every_cause_has_an_id_of_its_own_and_a_section() {
        let mut ids: Vec<_> = Cause::ALL.iter().map(|cause| cause.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Cause::ALL.len());
        assert!(Cause::ALL.iter().all(|cause| !cause.section().is_empty()));
        for &cause in Cause::ALL {
            let words = cause.explanation();
            assert!(words.ends_with('.') && words.trim() == words, "{words}");
            assert_eq!(Cause::by_id(cause.id()), Some(cause));
        }
        assert_eq!(Cause::by_id("no such cause"), None);
    }

    #[test]
    fn promise_6_the_wire_tells_an_unknown_client_from_a_wrong_secret_by_nothing() {
        let (unknown, wrong) = (Refusal::from(Cause::UnknownClient), Refusal::from(Cause::ClientSecret));
        assert_eq!(
            (unknown.status(), unknown.error(), unknown.description()),
            (wrong.status(), wrong.error(), wrong.description())
        );
        assert_ne!(unknown.cause_id(), wrong.cause_id());
    }

    #[test]
    fn rfc6749_5_2_descriptions_hold_only_the_allowed_characters() {
        for cause in Cause::ALL {
            let refusal = Refusal::from(*cause);
            let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(refusal.description().bytes().all(allowed), "{}", refusal.description());
            assert!(refusal.error().bytes().all(allowed));
        }
    }
}
