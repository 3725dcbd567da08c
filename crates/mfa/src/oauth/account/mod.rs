//! `/account`: what users look after themselves. A room is a page with its forms, and the same as JSON: factors, recovery codes, remembered
//! devices, sessions, applications, and what happened of late.
//!
//! Whoever is signed in may look, by what the policy asks of them. What changes how somebody signs in needs a factor that was proven within
//! the last ten minutes (attack M25); the same login machine asks for it, and leads back.

mod applications;
mod devices;
mod events;
mod factors;
mod of;
mod overview;
mod recovery_codes;
mod sessions;
mod sign_in;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Browser, Cause, Endpoint, Params, Refusal, Route, Server, answer, is_same_origin};
use countersign_primitives::{Id, SecretString, SignedIn, UnixTime};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

pub use of::Account;

use super::Login;
use super::cookies::caller;
use super::pages::account_name;
use super::reply::{Form, Replies, is_json, is_type, refusal};
use crate::enrolments::Enrolments;
use crate::step::Shown;
use crate::{Answer, Caller, FirstEnrolment, Frame, Heading, Screen};

/// The longest name of a thing that a user names.
const LONGEST_LABEL: usize = 64;

/// A room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Overview,
    Factors,
    RecoveryCodes,
    Devices,
    Sessions,
    Applications,
    Events,
}

impl Room {
    const ALL: [Self; 7] = [
        Self::Overview,
        Self::Factors,
        Self::RecoveryCodes,
        Self::Devices,
        Self::Sessions,
        Self::Applications,
        Self::Events,
    ];

    /// The name in addresses.
    const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Factors => "factors",
            Self::RecoveryCodes => "recovery-codes",
            Self::Devices => "devices",
            Self::Sessions => "sessions",
            Self::Applications => "applications",
            Self::Events => "events",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Overview => "/account",
            Self::Factors => "/account/factors",
            Self::RecoveryCodes => "/account/recovery-codes",
            Self::Devices => "/account/devices",
            Self::Sessions => "/account/sessions",
            Self::Applications => "/account/applications",
            Self::Events => "/account/events",
        }
    }

    const fn screen(self) -> &'static str {
        match self {
            Self::Overview => "account",
            Self::Factors => "account_factors",
            Self::RecoveryCodes => "account_recovery_codes",
            Self::Devices => "account_devices",
            Self::Sessions => "account_sessions",
            Self::Applications => "account_applications",
            Self::Events => "account_events",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|room| room.name() == name)
    }

    /// Whether what is done here needs a fresh factor: what changes how its owner signs in, not what ends something.
    const fn needs_fresh_factor(self) -> bool {
        matches!(self, Self::Factors | Self::RecoveryCodes)
    }

    async fn show(self, visit: &Visit<'_>) -> Result<Value, Refusal> {
        match self {
            Self::Overview => overview::show(visit).await,
            Self::Factors => factors::show(visit).await,
            Self::RecoveryCodes => recovery_codes::show(visit).await,
            Self::Devices => devices::show(visit).await,
            Self::Sessions => sessions::show(visit).await,
            Self::Applications => applications::show(visit).await,
            Self::Events => events::show(visit).await,
        }
    }

    async fn change(self, visit: &mut Visit<'_>, sent: &Sent) -> Result<Done, Refusal> {
        match self {
            Self::Overview | Self::Events => Err(Cause::MalformedParameters.into()),
            Self::Factors => factors::change(visit, sent).await,
            Self::RecoveryCodes => recovery_codes::change(visit, sent).await,
            Self::Devices => devices::change(visit, sent).await,
            Self::Sessions => sessions::change(visit, sent).await,
            Self::Applications => applications::change(visit, sent).await,
        }
    }
}

/// What became of a form.
enum Done {
    /// It was done; the name of what was.
    Yes(&'static str),
    /// It was done, and there is something to show, this once.
    Shown(Value),
    /// Nobody is signed in any more.
    SignedOut,
    /// What it was about is not there (any more).
    Gone,
    /// Something in it was wrong.
    Wrong(&'static str),
}

/// The routes of all rooms.
pub(super) fn routes(login: &Arc<Login>) -> Vec<Route> {
    let mut routes: Vec<_> = Room::ALL
        .into_iter()
        .flat_map(|room| {
            let show = Route::new(Method::GET, room.path(), Show(Arc::clone(login), room));
            let change = Route::new(Method::POST, room.path(), Change(Arc::clone(login), room));
            std::iter::once(show).chain((!matches!(room, Room::Overview | Room::Events)).then_some(change))
        })
        .collect();
    routes.extend(sign_in::routes(login));
    routes.into_iter().map(Route::needs_peer).collect()
}

struct Show(Arc<Login>, Room);

struct Change(Arc<Login>, Room);

#[async_trait]
impl Endpoint for Show {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        match Visit::begin(&replies, &parts).await {
            Ok(visit) => visit.page(self.1, done_of(&parts)).await,
            Err(NotIn::SignInFirst) => sign_in::first(&replies, self.1),
            Err(NotIn::Refused(refusal)) => replies.refused_as(Heading::Failed, &refusal),
        }
    }
}

#[async_trait]
impl Endpoint for Change {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        if !is_same_origin(&parts, server.config().issuer()) {
            return replies.refused_as(Heading::Failed, &Cause::Forged.into());
        }
        match Visit::begin(&replies, &parts).await {
            Ok(visit) => visit.take(self.1, &parts, &body).await,
            Err(NotIn::SignInFirst) => sign_in::first(&replies, self.1),
            Err(NotIn::Refused(refusal)) => replies.refused_as(Heading::Failed, &refusal),
        }
    }
}

/// Why a visit does not begin.
enum NotIn {
    SignInFirst,
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for NotIn {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Whoever is signed in, at one request.
struct Visit<'a> {
    replies: &'a Replies<'a>,
    browser: Browser,
    who: SignedIn,
    caller: Caller,
}

impl<'a> Visit<'a> {
    async fn begin(replies: &'a Replies<'a>, parts: &Parts) -> Result<Self, NotIn> {
        let server = replies.server;
        let browser = server.browser(parts).await?;
        let who = server.signed_in(&browser).await?.ok_or(NotIn::SignInFirst)?;
        let visit = Self { replies, caller: caller(server, &browser, Some(&who), parts), browser, who };
        if visit.has_proven_enough().await? { Ok(visit) } else { Err(NotIn::SignInFirst) }
    }

    fn login(&self) -> &'a Login {
        self.replies.login
    }

    fn server(&self) -> &'a Server {
        self.replies.server
    }

    /// The account of whoever is signed in, and who asks.
    fn account(&self) -> Account {
        Account::of(self.server(), &self.login().mfa, self.who.subject().clone()).by(&self.caller)
    }

    fn now(&self) -> UnixTime {
        self.server().now()
    }

    /// Whether the session is worth what the policy asks of its user everywhere.
    async fn has_proven_enough(&self) -> Result<bool, Refusal> {
        let (inner, subject) = (&self.login().mfa.0, self.who.subject());
        let account = match self.server().accounts() {
            Some(accounts) => accounts.by_subject(subject).await,
            None => Ok(None),
        };
        let account = account.map_err(|error| Refusal::from(Cause::LookupFailed).source(error))?;
        let asked = inner.asked_of_user(subject, account.as_ref(), None).await.map_err(refusal)?;
        let remembered = match self.who.remembered_at(self.now()) {
            Some(mark) => inner.remembers(subject, mark.device).await.map_err(refusal)?,
            None => true,
        };
        let asked = if remembered { asked } else { asked.never_remembered() };
        Ok(asked.met_by(&self.who, self.server().config().acr_table(), self.now()))
    }

    /// Whether a factor was proven within the last minutes; of a user who has none, the password.
    async fn is_fresh(&self) -> Result<bool, Refusal> {
        let mfa = &self.login().mfa;
        if has_factor(self.replies, &self.who).await? {
            return Ok(mfa.has_fresh_factor(&self.who));
        }
        Ok(self.who.auth_time() >= mfa.fresh_since())
    }

    /// Whether one more may be set up beside so many authenticators; a first one, where the policy lets anybody set one up in a login.
    async fn may_add(&self, there: usize) -> Result<bool, Refusal> {
        let inner = &self.login().mfa.0;
        let room = there + 2 <= Enrolments::MAX && self.login().mfa.methods().next().is_some();
        Ok(room && (inner.policy.enrolment() != FirstEnrolment::Closed || has_factor(self.replies, &self.who).await?))
    }

    /// What the forms of this session are about.
    fn matter(&self) -> Id {
        let session = self.who.session_id().and_then(|id| id.as_str().parse().ok());
        self.server().derived_id("account forms", session.unwrap_or(self.browser.id()))
    }

    /// Takes a form: one of our own pages sent it, for whoever is signed in.
    async fn take(mut self, room: Room, parts: &Parts, body: &Bytes) -> Response<Bytes> {
        let sent = match Sent::read(parts, body) {
            Ok(sent) => sent,
            Err(refusal) => return self.replies.refused_as(Heading::Failed, &refusal),
        };
        let csrf = sent.csrf.as_ref().map(Shown::expose).unwrap_or_default();
        if !self.server().is_anti_forgery(&self.browser, self.matter(), csrf) {
            return self.replies.refused_as(Heading::Failed, &Cause::Forged.into());
        }
        match self.is_fresh().await {
            Ok(false) if room.needs_fresh_factor() => return sign_in::anew(self.replies, room),
            Ok(_) => {}
            Err(refusal) => return self.replies.refused_as(Heading::Failed, &refusal),
        }
        if room == Room::Factors && sent.action == "add" {
            let begun = sign_in::add(self.replies, parts, self.browser, self.who).await;
            return begun.unwrap_or_else(|refusal| self.replies.refused_as(Heading::Failed, &refusal));
        }
        match room.change(&mut self, &sent).await {
            Ok(Done::Yes(what)) => self.changed(room, what).await,
            Ok(Done::Shown(own)) => self.screen(room, StatusCode::OK, own, None).await,
            Ok(Done::SignedOut) => sign_in::first(self.replies, room),
            Ok(Done::Gone) => self.screen(room, StatusCode::NOT_FOUND, json!({}), Some("gone")).await,
            Ok(Done::Wrong(code)) => self.screen(room, StatusCode::UNPROCESSABLE_ENTITY, json!({}), Some(code)).await,
            Err(refusal) => self.replies.refused_as(Heading::Failed, &refusal),
        }
    }

    /// A page that can be read again without sending the form again; to a front end, the room as it is now.
    async fn changed(self, room: Room, what: &'static str) -> Response<Bytes> {
        if self.replies.form == Form::Json {
            return self.page(room, Some(what)).await;
        }
        let to = format!("{}{}?done={what}", self.server().config().issuer().path(), room.path());
        self.server().with_cookie(&self.browser, answer::see_other(&to))
    }

    async fn page(self, room: Room, done: Option<&'static str>) -> Response<Bytes> {
        self.screen(room, StatusCode::OK, json!({ "done": done }), None).await
    }

    /// Shows a room, with more to it.
    async fn screen(self, room: Room, status: StatusCode, more: Value, error: Option<&'static str>) -> Response<Bytes> {
        let shown = async {
            let mut own = room.show(&self).await?;
            let path = self.server().config().issuer().path();
            let common = json!({
                "account": account_name(self.server(), &self.who).await,
                "base": format!("{path}/account"),
                "password_change": self.changes_passwords().then(|| format!("{path}/password/change")),
            });
            for members in [common, more] {
                if let (Some(own), Value::Object(members)) = (own.as_object_mut(), members) {
                    own.extend(members);
                }
            }
            Ok::<_, Refusal>(own)
        };
        match shown.await {
            Ok(own) => {
                let action = format!("{}{}", self.server().config().issuer().path(), room.path());
                let csrf = self.server().anti_forgery(&self.browser, self.matter());
                let frame = Frame { action, csrf: SecretString::new(csrf), client: None };
                let screen = RoomScreen { name: room.screen(), frame: &frame, own, error };
                self.server().with_cookie(&self.browser, self.replies.screen(status, &screen, None))
            }
            Err(refusal) => self.replies.refused_as(Heading::Failed, &refusal),
        }
    }

    fn changes_passwords(&self) -> bool {
        let inner = &self.login().mfa.0;
        inner.first_factors.password && inner.accounts.is_some()
    }

    /// Goes on in a new session where all have ended with what was changed. What was proven in this one was proven.
    async fn keep_session(&mut self) -> Result<(), Refusal> {
        let before = self.who.session_id().and_then(|id| id.as_str().parse().ok()).unwrap_or(self.browser.id());
        let session = self.server().derived_id("session after a change of the account", before);
        self.who = self.server().start_session(&mut self.browser, session, self.who.clone()).await?;
        Ok(())
    }
}

/// Whether somebody has a factor, set up or on file, that is proven before another one joins it.
async fn has_factor(replies: &Replies<'_>, who: &SignedIn) -> Result<bool, Refusal> {
    let account = match replies.server.accounts() {
        Some(accounts) => accounts.by_subject(who.subject()).await,
        None => Ok(None),
    };
    let account = account.map_err(|error| Refusal::from(Cause::LookupFailed).source(error))?;
    replies.login.mfa.0.has_factor_or_contact(who.subject(), account.as_ref()).await.map_err(refusal)
}

/// What the forms and their JSON send. Each takes what belongs to it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    #[serde(default)]
    action: String,
    id: Option<String>,
    label: Option<String>,
    csrf: Option<Shown>,
}

impl Sent {
    /// A form, or a JSON object of the exact type.
    fn read(parts: &Parts, body: &Bytes) -> Result<Self, Refusal> {
        let malformed = || Refusal::from(Cause::MalformedParameters);
        let content_type =
            parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let sent: Self = if is_json(content_type) {
            serde_json::from_slice(body).map_err(|_| malformed())?
        } else if is_type(content_type, "application/x-www-form-urlencoded") {
            let form = Params::parse(body).map_err(|error| malformed().source(error))?;
            if form.iter().any(|(name, _)| !["action", "id", "label", "csrf"].contains(&name)) {
                return Err(malformed());
            }
            let text = |name| form.get(name).map(str::to_owned);
            let csrf = form.get("csrf").map(Shown::new);
            Self { action: text("action").unwrap_or_default(), id: text("id"), label: text("label"), csrf }
        } else {
            return Err(Cause::ContentType.into());
        };
        let longest =
            [Some(sent.action.len()), sent.id.as_ref().map(String::len), sent.label.as_ref().map(String::len)];
        let csrf = sent.csrf.as_ref().map_or(0, |csrf| csrf.expose().len());
        let fits = longest.into_iter().flatten().chain([csrf]).all(|length| length <= Answer::MAX_TEXT);
        if fits { Ok(sent) } else { Err(malformed()) }
    }

    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }
}

/// A room as a screen.
struct RoomScreen<'a> {
    name: &'static str,
    frame: &'a Frame,
    own: Value,
    error: Option<&'static str>,
}

impl Screen for RoomScreen<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn data(&self) -> Value {
        self.frame.around(self.name, self.own.clone(), self.error)
    }
}

/// What may be said to have been done. Anybody can write an address, so it is one of these.
const DONE: [&str; 8] =
    ["renamed", "removed", "added", "forgotten", "all_forgotten", "session_ended", "sessions_ended", "disconnected"];

fn done_of(parts: &Parts) -> Option<&'static str> {
    let params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes()).ok()?;
    DONE.into_iter().find(|done| params.get("done") == Some(done))
}

/// A time in the data of a screen: in seconds.
fn seconds(time: UnixTime) -> u64 {
    time.as_secs()
}
