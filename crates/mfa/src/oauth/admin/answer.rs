//! What the admin API answers: JSON that no cache keeps, and errors in the form that its clients know.

use bytes::Bytes;
use countersign_events::EventKind;
use countersign_oauth_core::{Cause, Refusal, Server, answer};
use countersign_primitives::BoxError;
use countersign_storage_traits::StoreError;
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

use crate::oauth::HelpDeskError;
use crate::{AuthenticatorsError, SettingsError, SettingsVersion};

/// Where it is written down.
const SECTION: &str = "docs/admin-api.md";

/// What was asked for.
pub(super) struct Reply {
    status: StatusCode,
    body: Option<Value>,
    version: Option<SettingsVersion>,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body), version: None }
    }

    pub(super) fn created(body: Value) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok(body) }
    }

    /// Done, and nothing to tell.
    pub(super) fn done() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: None, version: None }
    }

    /// In this state of the settings (RFC 9110 §8.8.3).
    pub(super) fn version(self, version: SettingsVersion) -> Self {
        Self { version: Some(version), ..self }
    }

    pub(super) fn response(self) -> Response<Bytes> {
        let mut response = match &self.body {
            Some(body) => answer::json(self.status, body),
            None => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = self.status;
                answer::never_stored(&mut response);
                response
            }
        };
        if let Some(version) = self.version {
            answer::set(&mut response, header::ETAG, &format!("\"{version}\""));
        }
        response
    }
}

/// Why a call was not done.
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    challenge: Option<String>,
    cause: &'static str,
    source: Option<BoxError>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), challenge: None, cause: code, source: None }
    }

    /// The body is not what the call takes.
    pub(super) fn body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", message)
    }

    /// Something named in the path, or in the body, is not there.
    pub(super) fn missing(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// The token does not do (RFC 6750 §3, RFC 9470 §3).
    pub(super) fn challenge(self, challenge: String) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    fn conflict(code: &'static str, message: String) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// A part of ours failed.
    fn ours(cause: &'static str, error: impl Into<BoxError>) -> Self {
        let (status, message) = (StatusCode::SERVICE_UNAVAILABLE, "A part of the server failed. Try again.");
        Self { cause, source: Some(error.into()), ..Self::new(status, "temporarily_unavailable", message) }
    }

    pub(super) fn response(self, server: &Server) -> Response<Bytes> {
        let noted = Refusal::new(self.status, self.code, "").cause(self.cause, SECTION);
        let noted = match self.source {
            Some(source) => noted.source(source),
            None => noted,
        };
        server.note_refusal(EventKind::AdministrationRefused, &noted, None);
        let body = json!({
            "statusCode": self.status.as_u16(),
            "error": self.status.canonical_reason().unwrap_or_default(),
            "message": self.message,
            "errorCode": self.code,
        });
        let mut response = answer::json(self.status, &body);
        answer::retry_after(&mut response, &noted);
        if let Some(challenge) = &self.challenge {
            answer::set(&mut response, header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// A refusal of the bearer: what the token lacks (RFC 6750 §3.1).
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        if refusal.is_failure() {
            return Self::ours(refusal.cause_id(), refusal);
        }
        let challenge = match refusal.error() {
            "" => "Bearer".to_owned(),
            error => format!("Bearer error=\"{error}\", error_description=\"{}\"", refusal.description()),
        };
        let code = if refusal.error().is_empty() { "invalid_token" } else { refusal.error() };
        let message =
            if refusal.description().is_empty() { "An access token is needed." } else { refusal.description() };
        let failure = Self::new(refusal.status(), code, message);
        Self { cause: refusal.cause_id(), ..failure }.challenge(challenge)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let (id, message) = (error.id(), error.to_string());
        match error {
            SettingsError::UnknownFactor { .. } => Self::missing("inexistent_factor", message),
            SettingsError::UnknownClass { .. } => Self::body(message),
            SettingsError::Changed { .. } => Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", message),
            SettingsError::BelowFloor { .. }
            | SettingsError::OutOfReach { .. }
            | SettingsError::GraceWithoutEnrolment
            | SettingsError::LocksOperatorOut => Self::conflict(id, message),
            error => Self::ours(id, error),
        }
    }
}

impl From<HelpDeskError> for Failure {
    fn from(error: HelpDeskError) -> Self {
        let message = error.to_string();
        match error {
            HelpDeskError::NoSuchUser => Self::missing("inexistent_user", "The user does not exist."),
            HelpDeskError::InvitationsNotUsed => Self::conflict("invitations_not_used", message),
            HelpDeskError::OwnFactors => Self::conflict("own_factors", message),
            HelpDeskError::Authenticators(AuthenticatorsError::HasFactor) => Self::conflict("user_has_factor", message),
            HelpDeskError::Authenticators(AuthenticatorsError::NoAddress) => {
                Self::conflict("no_verified_address", message)
            }
            HelpDeskError::Server(refusal) => Self::ours(refusal.cause_id(), refusal),
            error => Self::ours(Cause::StoreFailed.id(), error),
        }
    }
}
