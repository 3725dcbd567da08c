//! Sign-out at the wish of a client or of the user (OpenID Connect RP-Initiated Logout 1.0).
//!
//! [`end_session`] is the whole door for a host with sessions of its own. The kit's own `/logout` is a caller like it, which reads who
//! is signed in from the browser's session.

mod answer;
mod endpoint;
mod outcome;
mod request;

use std::sync::Arc;

use bytes::Bytes;
use countersign_events::EventKind;
use countersign_oauth_core::{Cause, Params, Refusal, Server, answer as reply, is_same_origin, with_query};
use countersign_primitives::{Id, SignedIn};
use http::request::Parts;
use http::{Method, Request};

use self::answer::{Answer, Decision};
use self::request::Verified;

pub(crate) use endpoint::LogoutEndpoint;
pub use endpoint::LogoutPages;
pub use outcome::{Logout, LogoutAsk, SignedOut, Stayed};

/// Where logout is served, below the issuer.
pub(crate) const PATH: &str = "/logout";

/// Who answers at `/logout`.
#[derive(Clone)]
pub(crate) enum Served {
    /// The host, by a route of its own that calls [`end_session`].
    ByHost,
    /// This extension, for sessions of the kit's own.
    Here(Arc<dyn LogoutPages>),
}

/// Answers a logout request, or says what the host must do for the answer (OpenID Connect RP-Initiated Logout 1.0 §2).
///
/// For a host with sessions of its own, at `/logout` below the issuer, by GET and POST. `who` is whoever is signed in, with the
/// host's session id ([`SignedIn::session`]). The grants of that session are ended before [`Logout::SignedOut`] is returned.
///
/// Nobody is signed out by a link alone: the user is asked, unless the request brings an ID token that this server issued to this
/// user in this very session.
///
/// ```
/// use bytes::Bytes;
/// use countersign_oauth_core::Server;
/// use countersign_oidc::{Logout, end_session};
/// use countersign_primitives::SignedIn;
///
/// async fn logout(server: &Server, request: http::Request<Bytes>, who: Option<SignedIn>) -> http::Response<Bytes> {
///     match end_session(server, request, who).await {
///         Logout::NeedsConfirmation(ask) => ask.page(format!(
///             r#"<form method="post" action="{}"><button name="decision" value="sign_out">Sign out</button></form>"#,
///             ask.action("/logout")
///         )),
///         Logout::SignedOut(done) => {
///             // end the host's own session here
///             done.reply("<h1>You are signed out</h1>")
///         }
///         Logout::Stayed(stayed) => stayed.page("<h1>You are still signed in</h1>"),
///         Logout::Refused(refusal) => refusal.page("<h1>This link does not work</h1>"),
///         Logout::Done(reply) => reply,
///     }
/// }
/// ```
pub async fn end_session(server: &Server, request: Request<Bytes>, who: Option<SignedIn>) -> Logout {
    let (parts, body) = request.into_parts();
    let session = who.as_ref().and_then(SignedIn::session_id).cloned();
    match (judge(server, &parts, &body, who).await, session) {
        (Logout::SignedOut(done), Some(session)) => match server.session_ended(session).await {
            Ok(()) => Logout::SignedOut(done),
            Err(refusal) => refused(server, refusal),
        },
        (outcome, _) => outcome,
    }
}

/// What is to come of a request. Ends nothing.
async fn judge(server: &Server, parts: &Parts, body: &Bytes, who: Option<SignedIn>) -> Logout {
    let judged = match Answer::read(parts, body, server.config().body_limit()) {
        Ok(Some(answer)) => hear(server, parts, &answer, who).await,
        Ok(None) => ask(server, parts, body, who).await,
        Err(refusal) => Err(refusal),
    };
    judged.unwrap_or_else(|refusal| refused(server, refusal))
}

fn refused(server: &Server, refusal: Refusal) -> Logout {
    server.note_refusal(EventKind::LogoutRefused, &refusal, None);
    Logout::Refused(refusal)
}

/// A request of a client, or of the user.
async fn ask(server: &Server, parts: &Parts, body: &Bytes, who: Option<SignedIn>) -> Result<Logout, Refusal> {
    let params = Params::of_request(parts, body, server.config().body_limit())?;
    let waiting = params.get("request").filter(|_| parts.method != Method::POST);
    let (verified, kept) = match waiting {
        Some(id) => {
            let id: Id = id.parse().map_err(|_| Cause::UnknownInteraction)?;
            (Verified::stored(server, id).await?, Some(id))
        }
        None => (Verified::read(server, &params).await?, None),
    };
    let Some(who) = who else {
        // A cross-site POST brings no Lax cookie, so nothing can be said of who is signed in: the request is kept, and judged when
        // the browser opens it by GET.
        if parts.method == Method::POST {
            let id = verified.keep(server, parts).await?;
            return Ok(Logout::Done(reply::see_other(&place(server, id))));
        }
        return Ok(Logout::SignedOut(signed_out(&verified, verified.has_hint())));
    };
    if verified.names(server, &who) {
        return Ok(Logout::SignedOut(signed_out(&verified, true)));
    }
    let request = match kept {
        Some(id) => id,
        None => verified.keep(server, parts).await?,
    };
    let anti_forgery = server.anti_forgery_for(&who, request);
    let ui_locales = verified.ui_locales().map(str::to_owned);
    Ok(Logout::NeedsConfirmation(Box::new(LogoutAsk {
        request,
        client: verified.client,
        who,
        anti_forgery,
        ui_locales,
    })))
}

/// What the user said on our page. It comes from that page, in the browser and for the user that was asked.
async fn hear(server: &Server, parts: &Parts, answer: &Answer, who: Option<SignedIn>) -> Result<Logout, Refusal> {
    if !is_same_origin(parts, server.config().issuer()) {
        return Err(Cause::Forged.into());
    }
    let verified = Verified::stored(server, answer.request).await?;
    match (&who, answer.decision) {
        (Some(who), _) if !server.is_anti_forgery_for(who, answer.request, answer.csrf.expose()) => {
            Err(Cause::Forged.into())
        }
        (Some(_), Decision::Stay) => {
            let ui_locales = verified.ui_locales().map(str::to_owned);
            Ok(Logout::Stayed(Stayed { client: verified.client, ui_locales }))
        }
        // The second press of the button comes when nobody is signed in any more.
        _ => Ok(Logout::SignedOut(signed_out(&verified, true))),
    }
}

fn signed_out(verified: &Verified, at_once: bool) -> SignedOut {
    SignedOut {
        client: verified.client.clone(),
        back: verified.back(),
        at_once,
        ui_locales: verified.ui_locales().map(str::to_owned),
    }
}

/// Where a kept request is opened again: `/logout` itself.
fn place(server: &Server, request: Id) -> String {
    let path = format!("{}{PATH}", server.config().issuer().path());
    with_query(&path, &[("request", &request.to_string())])
}
