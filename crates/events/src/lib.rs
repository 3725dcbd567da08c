//! Typed security events with stable ids, and the sink that a host listens at.
//!
//! Every Countersign crate tells what happened through an [`EventSink`]: logins, refusals, reuse of a token, the end of a
//! grant. An event never carries a secret: no code, token, password or one-time code.
//!
//! A closure is a sink:
//!
//! ```
//! use countersign_events::{Event, EventKind, EventSink};
//! use countersign_primitives::UnixTime;
//!
//! let audit = |event: &Event| println!("{} {:?}", event.name(), event.subject());
//! audit.record(&Event::new(EventKind::LoginSucceeded, UnixTime::from_secs(1)).with_subject("u-1"));
//! ```
//!
//! A sink must neither block nor fail. What must survive a crash is a record in the store, not an event.
//!
//! # What this crate does not do
//! Deliver, store or count events: that is the sink's. Carry what developers debug with: that goes to `tracing`.
//!
//! # Features
//! None.
//!
//! # Where next
//! [`EventKind`] lists what is told; `ServerBuilder::events` of `countersign-oauth-core` takes the sink.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_primitives::{Id, SessionId, Subject, UnixTime};
use serde::Serialize;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal,)+) => {
        /// What happened. The name of each is stable: alarms may rest on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

kinds! {
    /// Somebody else may have got in to an account; the cause says by what it was seen.
    AccountCompromised => "account.compromised",
    /// A client was given a code or a token response at the authorization endpoint.
    AuthorizationGranted => "authorization.granted",
    /// The user said no, or a request for authorization was refused; the cause says which.
    AuthorizationRefused => "authorization.refused",
    /// A client that registered itself deleted its registration.
    ClientDeleted => "client.deleted",
    /// A client failed to authenticate.
    ClientRefused => "client.refused",
    /// A client registered itself (RFC 7591).
    ClientRegistered => "client.registered",
    /// A client that registered itself changed its registration (RFC 7592).
    ClientUpdated => "client.updated",
    /// A code that was spent came again in an otherwise valid request; its grant was ended (RFC 6749 §4.1.2).
    CodeReused => "code.reused",
    /// A passkey or security key was accepted and gives pause: its signature counter did not rise, so that it may have been copied, or it
    /// can be copied to other devices now and could not before (WebAuthn 3 §6.1.1, §6.1.3).
    CredentialSuspected => "credential.suspected",
    /// A browser that was remembered is remembered no more, or all of a user's are (then the method is `all`).
    DeviceForgotten => "device.forgotten",
    /// A user had a browser remembered, which is not asked for a second factor for a while.
    DeviceRemembered => "device.remembered",
    /// Who was asked on a device says that a login is not theirs: somebody else has the password.
    FactorDenied => "factor.denied",
    /// The owner of an account has shown that its mail address is theirs.
    EmailVerified => "email.verified",
    /// A factor was enrolled and proven.
    FactorEnrolled => "factor.enrolled",
    /// An answer to a factor's challenge was wrong.
    FactorFailed => "factor.failed",
    /// A factor was removed.
    FactorRemoved => "factor.removed",
    /// A factor was proven.
    FactorVerified => "factor.verified",
    /// A grant ended, and everything issued under it.
    GrantEnded => "grant.ended",
    /// A code was exchanged, and a grant began.
    GrantStarted => "grant.started",
    /// So many guesses at a factor failed in a row that it was closed to strangers.
    GuessingClosed => "guessing.closed",
    /// Guessing was stopped by a limit.
    GuessingThrottled => "guessing.throttled",
    /// An operator opened an account to strangers again, whose guesses had been stopped.
    GuessingUnlocked => "guessing.unlocked",
    /// A question what a token is worth was refused; the cause says why (RFC 7662).
    IntrospectionRefused => "introspection.refused",
    /// A user's invitation to set up a first factor was not used in time. Comes once, when its user signs in.
    InvitationExpired => "invitation.expired",
    /// A user was invited to set up a first factor; an invitation from before is void.
    InvitationIssued => "invitation.issued",
    /// A user set up a first factor by an invitation, which serves no other.
    InvitationUsed => "invitation.used",
    /// A signing key was made.
    KeyCreated => "key.created",
    /// A signing key was revoked; every token it signed is void.
    KeyRevoked => "key.revoked",
    /// Somebody asked for a link by mail, to sign in, to choose a new password or to show that an address is theirs; the method names which.
    LinkAsked => "link.asked",
    /// A password or user name was wrong.
    LoginFailed => "login.failed",
    /// A login reached what was asked of it.
    LoginSucceeded => "login.succeeded",
    /// A request to sign out was refused; the cause says why (OpenID Connect RP-Initiated Logout 1.0 §4).
    LogoutRefused => "logout.refused",
    /// A message was not taken; the method names the channel and the cause says why.
    MessageFailed => "message.failed",
    /// A message that had been taken, or was to be sent later, will not arrive; the cause says why.
    MessageLost => "message.lost",
    /// A message was not sent because of a budget or of where it would go; the cause says which.
    MessageRefused => "message.refused",
    /// A message was handed to whoever carries it; the method names the channel.
    MessageSent => "message.sent",
    /// Codes are sent again to a country, or everywhere, by an operator.
    MessagesResumed => "messages.resumed",
    /// Too few of the codes sent to a country, or of all codes, were entered: none is sent there until an operator resumes it
    /// (`Mfa::resume_messages`). Comes once.
    MessagesStopped => "messages.stopped",
    /// The owner of an account is to be told that somebody guesses: the host sends the message, where we cannot. Comes once for each row of
    /// failures, and once a day and account at most, so that who guesses floods nobody.
    OwnerWarned => "owner.warned",
    /// The password of an account was changed.
    PasswordChanged => "password.changed",
    /// The metadata of authenticators is overdue: models that were revoked since are not known. Comes once a day and node.
    MetadataOutdated => "metadata.outdated",
    /// Metadata of authenticators was not renewed; the cause says why. What was known goes on being good.
    MetadataRefused => "metadata.refused",
    /// A node took up newer metadata of authenticators.
    MetadataUpdated => "metadata.updated",
    /// A device was nudged about a login.
    PushSent => "push.sent",
    /// The owner of a device says that a login is not his: somebody else has his password.
    PushDenied => "push.denied",
    /// An answer of a device was refused; the cause says why.
    PushRefused => "push.refused",
    /// A recovery code was used.
    RecoveryCodeUsed => "recovery_code.used",
    /// Recovery codes were made; older ones are void.
    RecoveryCodesIssued => "recovery_codes.issued",
    /// A refresh token that was spent came again in an otherwise valid request; its grant was ended (RFC 9700 §4.14).
    RefreshTokenReused => "refresh_token.reused",
    /// A request to register a client, or to see or change a registration, was refused; the cause says why.
    RegistrationRefused => "registration.refused",
    /// A request to revoke a token was refused; the cause says why (RFC 7009).
    RevocationRefused => "revocation.refused",
    /// It was judged how surely it is the owner who signs in. The cause says how surely (`confidence.high`, `.medium`, `.low`), the detail
    /// why and what comes of it.
    RiskJudged => "risk.judged",
    /// What is switched while the server runs was changed; the operator is who did it, the detail what stood before and after.
    SettingsChanged => "settings.changed",
    /// A session began.
    SessionStarted => "session.started",
    /// A session ended.
    SessionEnded => "session.ended",
    /// A call to look after users or settings was refused; the cause says why.
    AdministrationRefused => "administration.refused",
    /// An operator did something for a user or about one: the method says what, the operator who, the detail what stood before and after.
    UserAdministered => "user.administered",
    /// Everything of a subject was revoked.
    SubjectRevoked => "subject.revoked",
    /// Tokens were issued.
    TokenIssued => "token.issued",
    /// A request at the token endpoint was refused; the cause says why.
    TokenRefused => "token.refused",
    /// An access token was revoked by the client that held it (RFC 7009). A refresh token ends its grant.
    TokenRevoked => "token.revoked",
    /// Something that is ours to keep working failed: a store, a signer, a source of randomness.
    Failure => "failure",
}

impl Serialize for EventKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Something that happened, who it concerns, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    name: EventKind,
    at: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
}

impl Event {
    /// An event that happened at `at`.
    #[must_use]
    pub fn new(kind: EventKind, at: UnixTime) -> Self {
        Self {
            name: kind,
            at,
            subject: None,
            client_id: None,
            grant: None,
            session: None,
            method: None,
            key_id: None,
            address: None,
            country: None,
            message: None,
            cause: None,
            section: None,
            detail: None,
            operator: None,
        }
    }

    /// The user it concerns.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<Subject>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The client it concerns.
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// The grant it concerns.
    #[must_use]
    pub fn with_grant(mut self, grant: Id) -> Self {
        self.grant = Some(grant);
        self
    }

    /// The session it concerns.
    #[must_use]
    pub fn with_session(mut self, session: impl Into<SessionId>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// The factor or method, such as `totp`.
    #[must_use]
    pub fn with_method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// The signing key it concerns.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// Where the request came from.
    #[must_use]
    pub fn with_address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The country of a phone number (ISO 3166-1): `DE`.
    #[must_use]
    pub fn with_country(mut self, country: impl Into<String>) -> Self {
        self.country = Some(country.into());
        self
    }

    /// The message it concerns.
    #[must_use]
    pub fn with_message(mut self, message: Id) -> Self {
        self.message = Some(message);
        self
    }

    /// Why: the stable id of the cause, and the specification's section that asks for the check.
    #[must_use]
    pub fn with_cause(mut self, cause: &'static str, section: &'static str) -> Self {
        self.cause = Some(cause);
        self.section = Some(section);
        self
    }

    /// More of why, in a line for an operator to read. Alarms rest on the cause.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Who did it, where an operator did and not the user: `user u-9 by client console`.
    #[must_use]
    pub fn with_operator(mut self, operator: impl Into<String>) -> Self {
        self.operator = Some(operator.into());
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.name
    }

    /// The stable name of what happened.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name.name()
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> UnixTime {
        self.at
    }

    /// The user it concerns.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    /// The client it concerns.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// The grant it concerns.
    #[must_use]
    pub fn grant(&self) -> Option<Id> {
        self.grant
    }

    /// The session it concerns.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// The factor or method.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The name of the signing key, its `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Where the request came from.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The country of a phone number (ISO 3166-1).
    #[must_use]
    pub fn country(&self) -> Option<&str> {
        self.country.as_deref()
    }

    /// The message it concerns.
    #[must_use]
    pub fn message(&self) -> Option<Id> {
        self.message
    }

    /// The stable id of the cause.
    #[must_use]
    pub fn cause(&self) -> Option<&'static str> {
        self.cause
    }

    /// More of why, in a line for an operator to read.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Who did it, where an operator did.
    #[must_use]
    pub fn operator(&self) -> Option<&str> {
        self.operator.as_deref()
    }

    /// The section of the specification that asks for the check that failed.
    #[must_use]
    pub fn section(&self) -> Option<&'static str> {
        self.section
    }
}

/// Hears of every event. Must not block and cannot fail.
pub trait EventSink: Send + Sync {
    /// Takes note of an event.
    fn record(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> EventSink for F {
    fn record(&self, event: &Event) {
        self(event);
    }
}

/// A sink, or several, shared by the crates of one server.
#[derive(Clone, Default)]
pub struct Events(Vec<Arc<dyn EventSink>>);

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} sinks)", self.0.len())
    }
}

impl Events {
    /// Nobody listens.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One more listener.
    #[must_use]
    pub fn and(mut self, sink: impl EventSink + 'static) -> Self {
        self.0.push(Arc::new(sink));
        self
    }

    /// Whether nobody listens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells every listener.
    pub fn record(&self, event: &Event) {
        for sink in &self.0 {
            sink.record(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_listener_hears_of_an_event() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (first, second) = (Arc::clone(&heard), Arc::clone(&heard));
        let events = Events::none()
            .and(move |event: &Event| first.lock().unwrap().push(event.name()))
            .and(move |event: &Event| second.lock().unwrap().push(event.name()));
        events.record(&Event::new(EventKind::GrantEnded, UnixTime::from_secs(1)));
        assert_eq!(*heard.lock().unwrap(), ["grant.ended", "grant.ended"]);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EventKind::ALL.len());
    }
}
