//! What is kept of a login under way.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use countersign_primitives::{Acr, AcrTable, Id, LoginClaims, Requirement, SessionId, SignedIn, Subject, UnixTime};
use countersign_storage_traits::{Kind, Stored};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::brought::{Aged, oldest};
use super::proven::Proven;
use super::situation::Situation;
use super::{Course, LoginRequest, Ordered};
use crate::contact::Contact;
use crate::factor::{Challenge, Prompt, State};
use crate::keys::LOGIN;
use crate::risk::{PasswordSeen, RiskReport};
use crate::step::Shown;
use crate::{Answer, Caller, Languages};

/// A login under way. Its partition is its own, so each step is one compare-and-set.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) browser: Id,
    pub(crate) context: Value,
    pub(crate) requirement: Requirement,
    pub(crate) acr_values: Vec<Acr>,
    pub(crate) login_hint: Option<String>,
    pub(crate) begun_at: UnixTime,
    /// Who was signed in when it began, if nothing of that was too old.
    pub(crate) who: Option<SignedIn>,
    /// The same, if some of it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aged: Option<Aged>,
    /// The session that the browser had when it began.
    pub(crate) session: Option<SessionId>,
    /// Whose login it is, once the first factor says so.
    pub(crate) subject: Option<Subject>,
    /// The subject's epoch when that was known.
    pub(crate) epoch: u64,
    /// What counts: brought along, or proven here.
    pub(crate) proven: Vec<Proven>,
    /// The way that the user chose.
    pub(crate) chosen: Option<String>,
    /// A link that signs in was asked for.
    #[serde(default)]
    pub(crate) link_sent: bool,
    /// What whoever has a passkey is asked, while it is not known who signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) discovery: Option<Challenge>,
    pub(crate) asked: Option<Asked>,
    pub(crate) enrolling: Option<Enrolling>,
    /// The number or address that the user typed for the method that is to be set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contact: Option<Typed>,
    /// What the client is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    /// The languages that the client and the browser say its user reads.
    #[serde(default)]
    pub(crate) languages: Languages,
    /// Where it was begun from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    /// Recovery codes that the user has yet to say are kept.
    pub(crate) to_keep: Vec<Shown>,
    pub(crate) done_at: Option<UnixTime>,
    /// The browser was a stranger to the account when the login was done, and is given a mark.
    pub(crate) marks_browser: bool,
    /// The client that it is for, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// What hooks ordered after the first factor; none before they were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ordered: Option<Ordered>,
    /// What was found when it was known who signs in, where the policy looks at risk; none before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) risk: Option<RiskReport>,
    /// Whether the password that was typed is known to be lost.
    #[serde(default)]
    pub(crate) password_seen: PasswordSeen,
    /// What opened the way to set up a first factor: a contact on file, or an invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) opened: Option<Id>,
    /// The user put off setting up a factor.
    #[serde(default)]
    pub(crate) skipped: bool,
    /// The remembered device of the user that the browser was known as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<Id>,
    /// The browser is to be remembered, for this proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) remember: Option<Remember>,
    /// It is to be, once an answer that comes from elsewhere has come.
    #[serde(default)]
    pub(crate) wishes_remembered: bool,
    /// Who says what comes next.
    #[serde(default)]
    pub(crate) course: Course,
    /// A factor must be proven by whoever has one.
    #[serde(default)]
    pub(crate) proves_factor: bool,
    /// What was set up in this login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) added: Option<Id>,
}

/// For what a browser is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Remember {
    /// This authenticator was proven.
    Enrolled(Id),
    /// The number or address of the account was.
    OnFile,
}

impl Stored for Login {
    const KIND: Kind = LOGIN;
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("subject", &self.subject).field("proven", &self.proven).finish_non_exhaustive()
    }
}

/// What a factor asks at the moment.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) authenticator: Id,
    pub(crate) challenge: Challenge,
}

/// A factor on its way to a user. Ids and recovery codes are drawn when it begins, so that its confirmation can be repeated.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Enrolling {
    pub(crate) id: Id,
    pub(crate) method: String,
    pub(crate) prompt: Prompt,
    pub(crate) state: State,
    pub(crate) challenge: Challenge,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contact: Option<Contact>,
    pub(crate) recovery: Option<NewRecoveryCodes>,
}

/// A number or address, and what it was typed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Typed {
    pub(crate) method: String,
    pub(crate) contact: Contact,
}

/// Who is sent something, and by which method.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addressee<'a> {
    pub(crate) method: &'a str,
    pub(crate) contact: Option<&'a Contact>,
    /// Their user has shown before that number or address are theirs.
    pub(crate) proven: bool,
}

/// Recovery codes that become valid when the enrolment is confirmed, and are shown then.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct NewRecoveryCodes {
    pub(crate) id: Id,
    pub(crate) codes: Vec<Shown>,
    pub(crate) state: State,
}

impl Login {
    /// How long a login may take.
    pub(crate) const LIFETIME: Duration = Duration::from_secs(15 * 60);
    /// How long a login that is done answers the same.
    pub(crate) const DONE_GRACE: Duration = Duration::from_secs(60);

    /// A login that begins now. `floor` is what the policy asks of who is signed in already.
    pub(crate) fn begin(
        request: LoginRequest,
        caller: &Caller,
        floor: &Requirement,
        table: &AcrTable,
        now: UnixTime,
    ) -> Self {
        let since = request.since.max(oldest(&request, floor, table, now));
        // Whoever takes no old proof takes no remembered one.
        let anew = request.since > UnixTime::default();
        let LoginRequest {
            context,
            requirement,
            acr_values,
            who,
            login_hint,
            client,
            client_id,
            languages,
            course,
            proves_factor,
            ..
        } = request;
        let mut login = Self {
            browser: caller.browser,
            context,
            requirement: if anew { requirement.never_remembered() } else { requirement },
            acr_values,
            login_hint: login_hint.filter(|hint| hint.len() <= Answer::MAX_LOGIN),
            begun_at: now,
            who: None,
            aged: None,
            session: caller.session.clone(),
            subject: None,
            epoch: 0,
            proven: Vec::new(),
            chosen: None,
            link_sent: false,
            discovery: None,
            asked: None,
            enrolling: None,
            contact: None,
            client,
            languages,
            address: caller.address,
            to_keep: Vec::new(),
            done_at: None,
            marks_browser: false,
            client_id,
            ordered: None,
            risk: None,
            password_seen: PasswordSeen::default(),
            opened: None,
            skipped: false,
            device: None,
            remember: None,
            wishes_remembered: false,
            course,
            proves_factor,
            added: None,
        };
        if let Some(who) = who {
            login.bring(who, since);
        }
        login
    }

    /// Whether the user is led from step to step.
    pub(crate) fn is_led(&self) -> bool {
        matches!(self.course, Course::Led | Course::AddingLed)
    }

    /// Whether it is known who signs in.
    pub(crate) fn has_first(&self) -> bool {
        self.subject.is_some() && (self.who.is_some() || self.proven.iter().any(|proven| proven.first))
    }

    /// Whether a hook or the risk said no.
    pub(crate) fn is_denied(&self) -> bool {
        self.ordered.as_ref().is_some_and(|ordered| ordered.denied) || self.is_too_risky()
    }

    /// Whether it is refused for what speaks against it.
    pub(crate) fn is_too_risky(&self) -> bool {
        self.risk.as_ref().is_some_and(RiskReport::refuses)
    }

    /// Whether a first factor may be set up, as far as risk goes.
    pub(crate) fn may_enrol(&self) -> bool {
        !self.risk.as_ref().is_some_and(RiskReport::bars_enrolment)
    }

    /// Whether a second factor was proven in it, beside the first or in one with it.
    pub(crate) fn proved_second_factor(&self) -> bool {
        self.proven.iter().any(|proven| !proven.brought && (!proven.first || proven.kinds.count() > 1))
    }

    /// What it is to tell beside who signed in: what a session learnt, and what hooks added.
    pub(crate) fn claims(&self) -> LoginClaims {
        match &self.ordered {
            Some(ordered) => ordered.claims.clone(),
            None => self.session_before().map(|who| who.claims().clone()).unwrap_or_default(),
        }
    }

    /// Whether it still rests on what it rested on, as far as time and the browser's session tell. What was brought along is
    /// worth nothing without its session; what was done is handed out to the session that it was done in.
    pub(crate) fn holds(&self, caller: &Caller, now: UnixTime) -> bool {
        let brought = self.session_before().is_some() || self.proven.iter().any(|proven| proven.brought);
        let in_time = self.done_at.is_none_or(|at| now.since(at) <= Self::DONE_GRACE);
        in_time && (self.session == caller.session || !brought && self.done_at.is_none())
    }

    /// What a settled login was given to go on with.
    pub(crate) fn standing(&self) -> (Option<Id>, Option<Id>, Option<Id>, bool, bool, bool) {
        let discovery = self.discovery.as_ref().map(|challenge| challenge.id);
        let asked = self.asked.as_ref().map(|asked| asked.challenge.id);
        let enrolling = self.enrolling.as_ref().map(|enrolling| enrolling.id);
        (discovery, asked, enrolling, self.done_at.is_some(), self.ordered.is_some(), self.risk.is_some())
    }

    /// Whether what says who signs in was proven lately: young enough to set up a first factor.
    pub(crate) fn is_young(&self, now: UnixTime) -> bool {
        let young = |at| now.since(at) <= Self::LIFETIME;
        let first = self.proven.iter().filter(|proven| proven.first).map(|proven| proven.at).max();
        first.or(self.who.as_ref().map(SignedIn::auth_time)).is_some_and(young)
    }

    /// Opens the way to set up a first factor. Nothing is proven by it.
    pub(crate) fn open(&mut self, by: Id) {
        self.opened = Some(by);
        self.chosen = None;
        self.asked = None;
    }

    /// Counts something proven now, in place of what the same method proved before.
    pub(crate) fn prove(&mut self, proven: Proven) {
        self.proven.retain(|earlier| earlier.method != proven.method);
        self.proven.push(proven);
        self.chosen = None;
        self.asked = None;
        self.contact = None;
    }

    /// Forgets what was proven in it by a factor that does not count any more. A login that rested on it is not done.
    pub(crate) fn forget_factors(&mut self, is_off: impl Fn(&str) -> bool) {
        let before = self.proven.len();
        self.proven.retain(|proven| proven.brought || !is_off(&proven.method));
        if self.proven.len() < before {
            self.done_at = None;
            self.remember = None;
            self.forget_nobodys();
        }
    }

    /// Takes back what is asked at the moment, so that it is asked anew.
    pub(crate) fn void_challenge(&mut self) {
        self.discovery = None;
        self.asked = None;
        self.enrolling = None;
    }

    /// Who is sent what is asked at the moment.
    pub(crate) fn addressee<'a>(&'a self, situation: Option<&'a Situation>) -> Option<Addressee<'a>> {
        let asked = self.asked.as_ref().and_then(|asked| situation?.enrolments.find(asked.authenticator));
        if let Some(asked) = asked {
            return Some(Addressee { method: &asked.method, contact: asked.contact.as_ref(), proven: true });
        }
        let enrolling = self.enrolling.as_ref()?;
        Some(Addressee { method: &enrolling.method, contact: enrolling.contact.as_ref(), proven: false })
    }

    /// Whether what is asked at the moment is answered by a key's signature.
    pub(crate) fn is_signed(&self) -> bool {
        self.challenge().is_some_and(|challenge| challenge.prompt.options.is_some())
    }

    /// What is asked at the moment.
    pub(crate) fn challenge(&self) -> Option<&Challenge> {
        let asked = self.asked.as_ref().map(|asked| &asked.challenge);
        asked.or(self.enrolling.as_ref().map(|enrolling| &enrolling.challenge))
    }
}
