//! The authorization endpoint (RFC 6749 §3.1): who asks, for what, of whom, and with what answer.
//!
//! [`Server::authorize`] is the whole door for a host. It reads and checks a request ([`request`]), judges it against who is
//! signed in ([`decide`]), and either answers the client ([`respond`]) or says what is missing ([`Outcome`]). What must wait
//! for a user is kept as an interaction ([`interaction`]), bound to the browser; its request never changes after.

mod decide;
mod interaction;
mod outcome;
mod request;
mod respond;

pub use outcome::{Ask, AskedScope, Consent, Outcome};
pub(crate) use request::is_content_type;
pub(crate) use respond::CODE_HANDLE;

use bytes::Bytes;
use countersign_primitives::{Id, SignedIn, UnixTime};
use http::request::Parts;
use http::{Method, Request};

use self::decide::{Decision, Judged};
use self::request::Failure;
use crate::records::AuthorizationRequest;
use crate::transport::{answer, is_same_origin, with_query};
use crate::{Browser, Cause, Client, Params, Refusal, Server};

/// The parameter that names an interaction in our own URLs.
const INTERACTION: &str = "interaction";
/// The parameter that carries the anti-forgery value in the URL that a host's consent form posts to.
const ANTI_FORGERY: &str = "csrf";

/// A request that is being judged: new, or kept from before.
pub(crate) struct Pending {
    pub(crate) client: std::sync::Arc<Client>,
    pub(crate) request: AuthorizationRequest,
    /// Proofs are measured against this time: when the request was first seen.
    pub(crate) since: UnixTime,
    /// The interaction, where one is stored.
    pub(crate) kept: Option<interaction::Kept>,
}

impl Server {
    /// Answers an authorization request, or says what is missing for the answer (RFC 6749 §4.1.1).
    ///
    /// `who` is whoever is signed in, as far as the caller knows. When something is missing, the [`Ask`] binds the request to
    /// the browser by a cookie and leads back here; the caller then calls again with what it knows by then.
    ///
    /// ```no_run
    /// # use bytes::Bytes;
    /// # use countersign_oauth_core::{Outcome, Server};
    /// # use countersign_primitives::SignedIn;
    /// # async fn handler(server: Server, request: http::Request<Bytes>, who: Option<SignedIn>) -> http::Response<Bytes> {
    /// match server.authorize(request, who).await {
    ///     Outcome::NeedsLogin(ask) => ask.redirect("/login"),
    ///     Outcome::NeedsStepUp(ask) => ask.redirect("/second-factor"),
    ///     Outcome::NeedsConsent(ask) => ask.page("<form method=post action=...>"),
    ///     Outcome::Refused(refusal) => refusal.page("<h1>This link does not work</h1>"),
    ///     Outcome::Done(reply) => reply,
    /// }
    /// # }
    /// ```
    pub async fn authorize(&self, request: Request<Bytes>, who: Option<SignedIn>) -> Outcome {
        let (parts, body) = request.into_parts();
        let mut browser = match self.browser(&parts).await {
            Ok(browser) => browser,
            Err(refusal) => return self.refused(refusal),
        };
        self.authorize_in(&mut browser, &parts, &body, who).await
    }

    /// As [`Server::authorize`], for a caller that has looked at the browser already.
    pub async fn authorize_in(
        &self,
        browser: &mut Browser,
        parts: &Parts,
        body: &Bytes,
        who: Option<SignedIn>,
    ) -> Outcome {
        let params = match request::read(parts, body, self.config().body_limit()) {
            Ok(params) => params,
            Err(refusal) => return self.refused(refusal),
        };
        if let Some(id) = params.get(INTERACTION).filter(|_| parts.method == Method::GET) {
            return match id.parse() {
                Ok(id) => self.resume(browser, id, who).await,
                Err(_) => self.refused(Cause::UnknownInteraction.into()),
            };
        }
        let (client, request) = match self.read_authorization_request(&params).await {
            Ok(read) => read,
            Err(Failure::ShowUser(refusal)) => return self.refused(refusal),
            Err(Failure::Redirect { back, refusal }) => return self.tell_client(browser, &back, refusal),
        };
        let pending = Pending { client, request, since: self.now(), kept: None };
        // A cross-site POST brings no Lax cookie, so nothing can be said of who is signed in: the request is stored, and judged
        // when the browser opens it by GET.
        if parts.method == Method::POST && !browser.is_known() {
            return match self.keep(browser, &pending, false).await {
                Ok(interaction) => Outcome::Done(answer::see_other(&self.return_to(interaction))),
                Err(refusal) => self.refused(refusal),
            };
        }
        self.judge(browser, pending, who, None).await
    }

    /// Goes on with an interaction after a login: what [`Ask::return_to`] leads to.
    pub async fn resume(&self, browser: &mut Browser, interaction: Id, who: Option<SignedIn>) -> Outcome {
        match self.pending(browser, interaction).await {
            Ok(pending) => self.judge(browser, pending, who, None).await,
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Hears what the user said on the host's consent page, whose form posted to [`Ask::action`].
    ///
    /// The request must be a POST from the issuer's own pages, from the browser that was asked, for the user who was asked.
    pub async fn consent(&self, parts: &Parts, who: Option<SignedIn>, consent: Consent) -> Outcome {
        let query = parts.uri.query().unwrap_or_default();
        let named = Params::parse(query.as_bytes()).ok().and_then(|params| {
            let interaction: Id = params.get(INTERACTION)?.parse().ok()?;
            Some((interaction, params.get(ANTI_FORGERY)?.to_owned()))
        });
        let Some((interaction, anti_forgery)) = named else {
            return self.refused(Cause::UnknownInteraction.into());
        };
        let mut browser = match self.browser(parts).await {
            Ok(browser) => browser,
            Err(refusal) => return self.refused(refusal),
        };
        if parts.method != Method::POST
            || !is_same_origin(parts, self.config().issuer())
            || !self.is_consent_form(&browser, interaction, who.as_ref(), &anti_forgery)
        {
            return self.refused(Cause::Forged.into());
        }
        self.decide(&mut browser, interaction, who, consent).await
    }

    /// As [`Server::consent`], for a caller that has checked the form itself.
    pub async fn decide(
        &self,
        browser: &mut Browser,
        interaction: Id,
        who: Option<SignedIn>,
        consent: Consent,
    ) -> Outcome {
        match self.pending(browser, interaction).await {
            Ok(pending) => self.judge(browser, pending, who, Some(consent)).await,
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Tells the client that its request came to nothing: the user gave up, or cannot reach what was asked.
    pub async fn decline(&self, browser: &mut Browser, interaction: Id, refusal: Refusal) -> Outcome {
        match self.pending(browser, interaction).await {
            Ok(pending) => self.say_no(browser, &pending, refusal).await,
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Tells the client no, once and for all: what was refused is not granted by a step back.
    async fn say_no(&self, browser: &Browser, pending: &Pending, refusal: Refusal) -> Outcome {
        if let Some(kept) = &pending.kept
            && let Err(refusal) = self.close(kept).await
        {
            return self.refused(refusal);
        }
        self.tell_client(browser, &respond::Back::of(&pending.request), refusal)
    }

    async fn judge(
        &self,
        browser: &mut Browser,
        pending: Pending,
        who: Option<SignedIn>,
        consent: Option<Consent>,
    ) -> Outcome {
        let judged = match self.judged(browser, &pending, who, consent).await {
            Ok(judged) => judged,
            Err(refusal) => return self.refused(refusal),
        };
        match judged.decision.clone() {
            Decision::Grant { scope } => match self.grant_code(&pending, &judged, scope).await {
                Ok(reply) => Outcome::Done(self.with_cookie(browser, reply)),
                Err(refusal) if refusal.is_failure() => self.refused(refusal),
                Err(refusal) => self.tell_client(browser, &respond::Back::of(&pending.request), refusal),
            },
            Decision::Refuse(cause) => self.say_no(browser, &pending, cause.into()).await,
            Decision::Again => self.answer_again(browser, &pending, &judged).await,
            Decision::TooLate => self.refused(Cause::InteractionDone.into()),
            Decision::Ask(_) => match self.keep(browser, &pending, true).await {
                Ok(interaction) => self.ask(browser, &pending, judged, interaction),
                Err(refusal) => self.refused(refusal),
            },
        }
    }

    fn ask(&self, browser: &Browser, pending: &Pending, judged: Judged, interaction: Id) -> Outcome {
        let Judged { decision, who, requirement, missing, .. } = judged;
        let ask = Ask::new(self, browser, pending, interaction, who, requirement, &missing);
        match decision {
            Decision::Ask(decide::Missing::StepUp) => Outcome::NeedsStepUp(ask),
            Decision::Ask(decide::Missing::Consent) => Outcome::NeedsConsent(ask),
            _ => Outcome::NeedsLogin(ask),
        }
    }

    /// Where a stored request is opened again: our own `/authorize`.
    fn return_to(&self, interaction: Id) -> String {
        let path = format!("{}/authorize", self.config().issuer().path());
        with_query(&path, &[(INTERACTION, &interaction.to_string())])
    }

    /// The anti-forgery value of a page shown to this browser about this thing: an interaction, a login.
    #[must_use]
    pub fn anti_forgery(&self, browser: &Browser, about: Id) -> String {
        self.secrets().anti_forgery(browser.id(), about).to_string()
    }

    /// Whether `shown` is the anti-forgery value of this browser for this thing.
    #[must_use]
    pub fn is_anti_forgery(&self, browser: &Browser, about: Id, shown: &str) -> bool {
        let own = countersign_primitives::SecretString::new(self.anti_forgery(browser, about));
        browser.is_known() && own.matches(shown)
    }

    /// Whether `shown` is the anti-forgery value of the consent page that this browser was shown about this request, while
    /// this user was signed in: [`Ask::anti_forgery`].
    #[must_use]
    pub fn is_consent_form(&self, browser: &Browser, interaction: Id, who: Option<&SignedIn>, shown: &str) -> bool {
        self.is_anti_forgery(browser, self.secrets().consent_matter(interaction, who), shown)
    }

    /// The anti-forgery value of a page about this thing that is shown to whoever is signed in, whatever cookie the host knows them
    /// by: bound to user, session and login.
    #[must_use]
    pub fn anti_forgery_for(&self, who: &SignedIn, about: Id) -> String {
        self.secrets().user_form(who, about).to_string()
    }

    /// Whether `shown` is the anti-forgery value of this user for this thing.
    #[must_use]
    pub fn is_anti_forgery_for(&self, who: &SignedIn, about: Id, shown: &str) -> bool {
        countersign_primitives::SecretString::new(self.anti_forgery_for(who, about)).matches(shown)
    }

    fn refused(&self, refusal: Refusal) -> Outcome {
        self.note_refusal(countersign_events::EventKind::AuthorizationRefused, &refusal, None);
        Outcome::Refused(refusal)
    }
}
