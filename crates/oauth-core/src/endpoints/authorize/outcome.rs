//! What comes of an authorization request, for the host to act on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_primitives::{Acr, Id, Requirement, SignedIn, UnixTime};
use http::{Response, StatusCode};

use super::{ANTI_FORGERY, INTERACTION, Pending};
use crate::records::Prompt;
use crate::transport::{answer, with_query};
use crate::{Browser, Client, Refusal, ScopeSet, Server, redirect_uri};

/// What comes of an authorization request. Deliberately exhaustive: the compiler asks a host for each.
#[derive(Debug)]
pub enum Outcome {
    /// Somebody must sign in; or whoever is signed in ([`Ask::who`]) must anew, since what he proved is too old in part
    /// ([`Ask::proofs_since`]).
    NeedsLogin(Ask),
    /// Whoever is signed in must prove more: see [`Ask::requirement`].
    NeedsStepUp(Ask),
    /// The user must be asked whether the client may.
    NeedsConsent(Ask),
    /// The user is told; nothing is redirected, since client or redirect URI are not verified, or something of ours failed.
    Refused(Refusal),
    /// The answer to the client, to be sent as it is.
    Done(Response<Bytes>),
}

/// What must be asked of the user, and the way back.
pub struct Ask {
    interaction: Id,
    client: Arc<Client>,
    redirect_host: String,
    requirement: Requirement,
    acr_values: Vec<Acr>,
    prompt: Prompt,
    since: UnixTime,
    max_age: Option<u64>,
    login_hint: Option<String>,
    ui_locales: Option<String>,
    scopes: Vec<AskedScope>,
    wanted: (ScopeSet, Vec<String>),
    who: Option<SignedIn>,
    return_to: String,
    anti_forgery: String,
    cookie: Response<Bytes>,
}

/// Shows who asks for what; neither the cookie nor the anti-forgery value, nor what the client or the user typed.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("interaction", &self.interaction)
            .field("client", &self.client)
            .field("requirement", &self.requirement)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// A scope as the consent page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedScope {
    /// The token.
    pub token: String,
    /// What it allows, in plain words.
    pub description: String,
}

impl Ask {
    pub(super) fn new(
        server: &Server,
        browser: &Browser,
        pending: &Pending,
        interaction: Id,
        who: Option<SignedIn>,
        requirement: Requirement,
        missing: &ScopeSet,
    ) -> Self {
        let request = &pending.request;
        let described = |token: &str| AskedScope {
            token: token.to_owned(),
            description: server.config().scope(token).map_or(token, |scope| scope.description()).to_owned(),
        };
        Self {
            interaction,
            client: Arc::clone(&pending.client),
            redirect_host: redirect_uri::host(&request.redirect_uri).unwrap_or(&request.redirect_uri).to_owned(),
            requirement,
            acr_values: request.acr_values.clone(),
            prompt: request.prompt,
            since: pending.since,
            max_age: request.max_age,
            login_hint: request.login_hint.clone(),
            ui_locales: request.ui_locales.clone(),
            scopes: missing.iter().map(described).collect(),
            wanted: (request.scope.clone(), request.resources.clone()),
            anti_forgery: server.anti_forgery(browser, server.secrets().consent_matter(interaction, who.as_ref())),
            who,
            return_to: server.return_to(interaction),
            cookie: server.with_cookie(browser, Response::new(Bytes::new())),
        }
    }

    /// What names the request while it waits.
    #[must_use]
    pub fn interaction(&self) -> Id {
        self.interaction
    }

    /// The client that asks.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The host that the user will be sent to: a consent page shows it, since a client's name may be anything.
    #[must_use]
    pub fn redirect_host(&self) -> &str {
        &self.redirect_host
    }

    /// What must be proven, from client, scopes and extensions together.
    #[must_use]
    pub fn requirement(&self) -> &Requirement {
        &self.requirement
    }

    /// The classes that the client prefers, the best first; any of them is enough.
    #[must_use]
    pub fn acr_values(&self) -> &[Acr] {
        &self.acr_values
    }

    /// Proofs from before this time are too old for this request; none where any age will do.
    #[must_use]
    pub fn proofs_since(&self) -> Option<UnixTime> {
        let by_age = self.max_age.map(Duration::from_secs);
        let least = [by_age, self.requirement.max_age_value()].into_iter().flatten().min();
        let anew = self.prompt.login || least == Some(Duration::ZERO);
        // Ages are told in whole seconds, as tokens tell them.
        let second = UnixTime::from_secs(self.since.as_secs());
        if anew { Some(self.since) } else { least.map(|age| second.minus(age)) }
    }

    /// What the client wants the user to be asked.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        self.prompt
    }

    /// What the user may have typed at the client as a name to sign in by. It tells nothing of whether there is one.
    #[must_use]
    pub fn login_hint(&self) -> Option<&str> {
        self.login_hint.as_deref()
    }

    /// The languages that the user reads, the best first.
    #[must_use]
    pub fn ui_locales(&self) -> Option<&str> {
        self.ui_locales.as_deref()
    }

    /// The scopes to ask consent for.
    #[must_use]
    pub fn scopes(&self) -> &[AskedScope] {
        &self.scopes
    }

    /// Everything that the client asks for, consented to or not.
    #[must_use]
    pub fn scope(&self) -> &ScopeSet {
        &self.wanted.0
    }

    /// The resources that the tokens are for (RFC 8707 §2).
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.wanted.1
    }

    /// Whoever is signed in, as the caller said; nobody where the request is for another user, or the login has ended.
    #[must_use]
    pub fn who(&self) -> Option<&SignedIn> {
        self.who.as_ref()
    }

    /// Where the browser goes when the user has answered: back to `/authorize`.
    #[must_use]
    pub fn return_to(&self) -> &str {
        &self.return_to
    }

    /// Sends the browser to a page of the host's, which learns the way back as `return_to`.
    #[must_use]
    pub fn redirect(&self, to: &str) -> Response<Bytes> {
        self.with_cookie(answer::see_other(&with_query(to, &[("return_to", &self.return_to)])))
    }

    /// Shows a page of the host's, with the headers that a page of this kind needs.
    #[must_use]
    pub fn page(&self, html: impl Into<Bytes>) -> Response<Bytes> {
        let policy = "frame-ancestors 'none'; base-uri 'none'; object-src 'none'";
        self.with_cookie(answer::page(StatusCode::OK, html, policy))
    }

    /// What the consent form posts to: `path`, with what names the request and the anti-forgery value.
    #[must_use]
    pub fn action(&self, path: &str) -> String {
        with_query(path, &[(INTERACTION, &self.interaction.to_string()), (ANTI_FORGERY, &self.anti_forgery)])
    }

    /// The anti-forgery value of a consent form, bound to the browser, the request and whoever is signed in. [`Ask::action`]
    /// has it in the URL; a form of one's own may carry it in a hidden field and check it by [`Server::is_consent_form`].
    #[must_use]
    pub fn anti_forgery(&self) -> &str {
        &self.anti_forgery
    }

    /// Adds the cookie that binds the request to the browser to an answer of the host's own.
    #[must_use]
    pub fn with_cookie(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        for value in self.cookie.headers().get_all(http::header::SET_COOKIE) {
            response.headers_mut().append(http::header::SET_COOKIE, value.clone());
        }
        response
    }
}

impl Refusal {
    /// Shows a page of the host's that tells the user.
    #[must_use]
    pub fn page(&self, html: impl Into<Bytes>) -> Response<Bytes> {
        let policy = "frame-ancestors 'none'; base-uri 'none'; object-src 'none'";
        let mut response = answer::page(self.status(), html, policy);
        answer::retry_after(&mut response, self);
        response
    }
}

/// What the user said when asked for consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent(Answer);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    All,
    Only(ScopeSet),
    No,
}

impl Consent {
    /// Everything that was asked for.
    #[must_use]
    pub fn allow_all() -> Self {
        Self(Answer::All)
    }

    /// Some of it. What was not asked for is not granted, whatever stands here (promise 13).
    #[must_use]
    pub fn allow<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Answer::Only(scopes.into_iter().collect()))
    }

    /// No.
    #[must_use]
    pub fn deny() -> Self {
        Self(Answer::No)
    }

    pub(super) fn allowed(&self, asked: &ScopeSet) -> ScopeSet {
        match &self.0 {
            Answer::All => asked.clone(),
            Answer::Only(allowed) => asked.filtered(|token| allowed.contains(token)),
            Answer::No => ScopeSet::empty(),
        }
    }
}
