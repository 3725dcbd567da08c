//! The request as it came, for hosts whose login is their own.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use countersign_oauth_core::Config;
use http::StatusCode;

use crate::body::{self, BodyError};

/// The request as `Server::authorize` and its kin take it: body read, peer told.
///
/// ```
/// use axum::body::Body;
/// use axum::extract::State;
/// use axum::response::{IntoResponse, Response};
/// use countersign_axum::Raw;
/// use countersign_oauth_core::{Outcome, Server};
///
/// async fn authorize(State(server): State<Server>, Raw(request): Raw) -> Response {
///     match server.authorize(request, None).await {
///         Outcome::Done(reply) => reply.map(Body::from).into_response(),
///         // NeedsLogin, NeedsStepUp, NeedsConsent, Refused: the host's own pages
///         _ => "sign in first".into_response(),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Raw(pub http::Request<Bytes>);

/// The request was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RawRejection {
    /// Its body is longer than [`Config::BODY_LIMIT`].
    #[error("the request's body is too large")]
    TooLarge,
    /// The connection failed, or the body was malformed.
    #[error("the request's body could not be read")]
    Unreadable,
}

impl From<BodyError> for RawRejection {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::Unreadable => Self::Unreadable,
        }
    }
}

impl IntoResponse for RawRejection {
    fn into_response(self) -> Response {
        let status = match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable => StatusCode::BAD_REQUEST,
        };
        (status, self.to_string()).into_response()
    }
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = RawRejection;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, RawRejection> {
        Ok(Self(body::whole(request, Config::BODY_LIMIT).await?))
    }
}
