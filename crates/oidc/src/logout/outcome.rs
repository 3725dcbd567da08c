//! What comes of a logout request, for the host to act on.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use countersign_oauth_core::{Client, Refusal, answer, with_query};
use countersign_primitives::{Id, SignedIn};
use http::{Response, StatusCode};

/// The policy of a host's own page: what it may load is its own business, who may frame it is not.
const PAGE_POLICY: &str = "frame-ancestors 'none'; base-uri 'none'; object-src 'none'";

/// What comes of a logout request. Deliberately exhaustive: the compiler asks a host for each.
#[derive(Debug)]
pub enum Logout {
    /// The user must be asked. The session stays until the answer.
    NeedsConfirmation(Box<LogoutAsk>),
    /// The user is signed out: the host ends its own session in this browser, where there is one, and then answers.
    SignedOut(SignedOut),
    /// The user said no: the session stays.
    Stayed(Stayed),
    /// The user is told; nothing is ended and nothing redirected.
    Refused(Refusal),
    /// The answer to be sent as it is: the browser is on its way. The session stays.
    Done(Response<Bytes>),
}

/// The question whether to sign out.
pub struct LogoutAsk {
    pub(super) request: Id,
    pub(super) client: Option<Arc<Client>>,
    pub(super) who: SignedIn,
    pub(super) anti_forgery: String,
    pub(super) ui_locales: Option<String>,
}

/// Shows which client asks; not the anti-forgery value, nor who is asked.
impl fmt::Debug for LogoutAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutAsk").field("client", &self.client).finish_non_exhaustive()
    }
}

impl LogoutAsk {
    /// What names the request while it waits.
    #[must_use]
    pub fn request(&self) -> Id {
        self.request
    }

    /// The client that sent the user here; none when nobody did.
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        self.client.as_deref()
    }

    /// Who is signed in.
    #[must_use]
    pub fn who(&self) -> &SignedIn {
        &self.who
    }

    /// The anti-forgery value of the form, bound to the request and to whoever is signed in.
    #[must_use]
    pub fn anti_forgery(&self) -> &str {
        &self.anti_forgery
    }

    /// The languages that the user reads, the best first.
    #[must_use]
    pub fn ui_locales(&self) -> Option<&str> {
        self.ui_locales.as_deref()
    }

    /// What the form posts to: `path`, where [`end_session`](crate::end_session) is called. The form's field `decision` is `sign_out`,
    /// or `stay`.
    #[must_use]
    pub fn action(&self, path: &str) -> String {
        with_query(path, &[("request", &self.request.to_string()), ("csrf", &self.anti_forgery)])
    }

    /// Shows a page of the host's, with the headers that a page of this kind needs.
    #[must_use]
    pub fn page(&self, html: impl Into<Bytes>) -> Response<Bytes> {
        answer::page(StatusCode::OK, html, PAGE_POLICY)
    }
}

/// The user is signed out.
#[derive(Debug)]
pub struct SignedOut {
    pub(super) client: Option<Arc<Client>>,
    pub(super) back: Option<String>,
    /// Whether the browser goes there at once.
    pub(super) at_once: bool,
    pub(super) ui_locales: Option<String>,
}

impl SignedOut {
    /// Where the browser goes now: the client's registered place, with its `state` (OpenID Connect RP-Initiated Logout 1.0 §3).
    #[must_use]
    pub fn redirect_to(&self) -> Option<&str> {
        self.back.as_deref().filter(|_| self.at_once)
    }

    /// Where a link on the page may lead, if the user wants to: the same place, of a request that nobody vouched for. Nothing
    /// was asked and no ID token came with it, so it is not followed by itself.
    #[must_use]
    pub fn return_to(&self) -> Option<&str> {
        self.back.as_deref().filter(|_| !self.at_once)
    }

    /// The client that sent the user here.
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        self.client.as_deref()
    }

    /// The languages that the user reads, the best first.
    #[must_use]
    pub fn ui_locales(&self) -> Option<&str> {
        self.ui_locales.as_deref()
    }

    /// Sends the browser back to the client, or shows a page of the host's where there is no place to go.
    #[must_use]
    pub fn reply(&self, html: impl Into<Bytes>) -> Response<Bytes> {
        match self.redirect_to() {
            Some(to) => answer::see_other(to),
            None => answer::page(StatusCode::OK, html, PAGE_POLICY),
        }
    }
}

/// The user stays signed in. The client is not told, since what it asked for did not happen.
#[derive(Debug)]
pub struct Stayed {
    pub(super) client: Option<Arc<Client>>,
    pub(super) ui_locales: Option<String>,
}

impl Stayed {
    /// The client that sent the user here.
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        self.client.as_deref()
    }

    /// The languages that the user reads, the best first.
    #[must_use]
    pub fn ui_locales(&self) -> Option<&str> {
        self.ui_locales.as_deref()
    }

    /// Shows a page of the host's, with the headers that a page of this kind needs.
    #[must_use]
    pub fn page(&self, html: impl Into<Bytes>) -> Response<Bytes> {
        answer::page(StatusCode::OK, html, PAGE_POLICY)
    }
}
