//! Judging a request against who is signed in. A list of named checks, each with one thing that may be missing.

use countersign_primitives::{Requirement, SignedIn, UnixTime};
use countersign_storage_traits::Found;

use super::Pending;
use super::outcome::Consent;
use crate::client::ConsentRule;
use crate::extension::{At, Wanted};
use crate::records::ConsentRecord;
use crate::redirect_uri::VerifiedRedirect;
use crate::{Browser, Cause, Client, Refusal, ScopeSet, Server};

/// What comes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A code is issued for these scopes.
    Grant { scope: ScopeSet },
    /// The client is told no.
    Refuse(Cause),
    /// The user must be asked.
    Ask(Missing),
    /// It was decided before, and the same answer may be given again.
    Again,
    /// It was decided before, and not for whoever asks now.
    TooLate,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Login,
    StepUp,
    Consent,
}

/// A decision and what it rests on.
pub(crate) struct Judged {
    pub(crate) decision: Decision,
    pub(crate) who: Option<SignedIn>,
    pub(crate) requirement: Requirement,
    /// The scopes that consent is missing for.
    pub(crate) missing: ScopeSet,
    /// Consent given just now that may be remembered.
    pub(crate) remember: Option<ScopeSet>,
    pub(crate) epoch: u64,
}

impl Server {
    pub(crate) async fn judged(
        &self,
        browser: &Browser,
        pending: &Pending,
        who: Option<SignedIn>,
        consent: Option<Consent>,
    ) -> Result<Judged, Refusal> {
        let mut who = match who {
            Some(who) if self.may_go_on(pending, &who).await? => Some(who),
            _ => None,
        };
        let at = At { server: self, client: &pending.client, now: self.now() };
        let (scope, resources) = (&pending.request.scope, &pending.request.resources);
        let wanted = Wanted { scope, resources, interactive: true };
        let requirement = self.requirement(&pending.client, pending);
        let requirement = self.demanded(&at, who.as_ref(), wanted, requirement).await?;
        let mut judged = Judged {
            decision: Decision::TooLate,
            who: None,
            requirement,
            missing: ScopeSet::empty(),
            remember: None,
            epoch: 0,
        };
        let done = pending.kept.as_ref().is_some_and(|kept| kept.done.is_some());
        if !done && consent == Some(Consent::deny()) {
            judged.decision = Decision::Refuse(Cause::Denied);
            return Ok(judged);
        }
        if pending.kept.as_ref().is_some_and(|kept| kept.found.value.declined) {
            return Ok(judged);
        }
        let mut missing = self.login_missing(pending, who.as_ref(), &judged.requirement);
        if let (None, Some(signed_in)) = (missing, &who) {
            judged.epoch = self.epoch(signed_in.subject()).await?;
            // A revocation may have come between the reading of the session and that of the epoch.
            if self.has_outlived_its_session(browser, signed_in, judged.epoch).await? {
                (missing, who) = (Some(Missing::Login), None);
            }
        }
        judged.who = who;
        judged.decision = match missing {
            None if done => Decision::Again,
            // Its answer is not made again for somebody who would not get it now.
            Some(_) if done => Decision::TooLate,
            Some(missing) => ask(pending, missing),
            None => self.judge_consent(pending, consent, &mut judged).await?,
        };
        Ok(judged)
    }

    /// What client, scopes, resources and the request itself demand, whether or not a consent page is shown.
    fn requirement(&self, client: &Client, pending: &Pending) -> Requirement {
        let table = self.config().acr_table();
        let asked = self.config().requirement_for(&pending.request.resources, &pending.request.scope);
        let all = asked.and(client.requirement(), table).and(&pending.request.requirement, table);
        // Whoever asks for a login of a certain age asks for no older second factor either.
        let anew = pending.request.max_age.is_some() || pending.request.prompt.login;
        if anew { all.never_remembered() } else { all }
    }

    /// Whether whoever is signed in is one whom the request may be answered for.
    async fn may_go_on(&self, pending: &Pending, who: &SignedIn) -> Result<bool, Refusal> {
        let right_one = pending.request.only_subject.as_ref().is_none_or(|only| only == who.subject());
        Ok(right_one && self.is_usable(who.subject()).await?)
    }

    /// Whether somebody must sign in, or prove more. In order: anybody at all, recently enough, strongly enough.
    fn login_missing(&self, pending: &Pending, who: Option<&SignedIn>, requirement: &Requirement) -> Option<Missing> {
        let Some(who) = who.filter(|who| is_fresh(pending, who)) else { return Some(Missing::Login) };
        let request = &pending.request;
        let table = self.config().acr_table();
        let known: Vec<_> = request.acr_values.iter().filter(|acr| table.knows(acr)).collect();
        let waived = pending.kept.as_ref().is_some_and(|kept| kept.found.value.preference_waived);
        let preferred = waived || known.is_empty() || known.iter().any(|acr| table.reached(who, acr, self.now()));
        let strong = requirement.class_met_by(who, table, self.now()) && requirement.age_met_by(who, pending.since);
        (!strong || !preferred).then_some(Missing::StepUp)
    }

    async fn judge_consent(
        &self,
        pending: &Pending,
        consent: Option<Consent>,
        judged: &mut Judged,
    ) -> Result<Decision, Refusal> {
        let (asked, ask_anew) = (&pending.request.scope, pending.request.prompt.consent);
        let implied = pending.client.consent_rule() == ConsentRule::Implied;
        let remembers = pending.client.consent_rule() == ConsentRule::Remembered && !self.could_pose(pending);
        let given = match &judged.who {
            Some(who) if remembers => self.remembered_consent(pending, who, judged.epoch).await?,
            _ => None,
        };
        judged.missing = match &given {
            _ if ask_anew => asked.clone(),
            _ if implied => ScopeSet::empty(),
            Some(given) => asked.filtered(|token| !given.value.scope.contains(token)),
            None => asked.clone(),
        };
        // A client that asks for no scope at all still learns who the user is, so it is asked for once.
        let must_ask = ask_anew || !implied && (given.is_none() || !judged.missing.is_empty());
        Ok(match consent {
            None if must_ask => ask(pending, Missing::Consent),
            None => Decision::Grant { scope: asked.clone() },
            Some(consent) => {
                // The page showed what was missing; what was given before stays given.
                let allowed = consent.allowed(&judged.missing);
                let scope = asked.filtered(|token| !judged.missing.contains(token) || allowed.contains(token));
                judged.remember = remembers.then(|| scope.clone());
                if scope.is_empty() && !asked.is_empty() {
                    Decision::Refuse(Cause::Denied)
                } else {
                    Decision::Grant { scope }
                }
            }
        })
    }

    /// Whether another program could pose as the client, so that its consent is asked every time (RFC 8252 §8.6).
    fn could_pose(&self, pending: &Pending) -> bool {
        let registered = pending.client.redirect_uris().iter().map(String::as_str);
        VerifiedRedirect::verify(registered, &pending.request.redirect_uri)
            .is_none_or(|redirect| pending.client.could_be_posed_as(&redirect))
    }

    async fn remembered_consent(
        &self,
        pending: &Pending,
        who: &SignedIn,
        epoch: u64,
    ) -> Result<Option<Found<ConsentRecord>>, Refusal> {
        let key = self.secrets().consent_key(who.subject(), &pending.request.client_id);
        let found = self.store().find::<ConsentRecord>(key, self.now()).await?;
        let instance = pending.client.instance_id();
        Ok(found.filter(|given| given.value.epoch == epoch && given.value.client_instance == instance))
    }
}

/// What is missing is asked for, unless the client wants nobody asked (OpenID Connect Core §3.1.2.6).
fn ask(pending: &Pending, missing: Missing) -> Decision {
    if !pending.request.prompt.none {
        return Decision::Ask(missing);
    }
    Decision::Refuse(match missing {
        Missing::Login => Cause::LoginRequired,
        Missing::StepUp => Cause::InteractionRequired,
        Missing::Consent => Cause::ConsentRequired,
    })
}

/// Whether the login is as recent as `max_age` and `prompt=login` ask, both measured when the request was first seen. A
/// request that is seen for the first time has had no login of its own yet.
fn is_fresh(pending: &Pending, who: &SignedIn) -> bool {
    let request = &pending.request;
    let since = pending.since;
    let signed_in_for_it = pending.kept.is_some() && not_before(who.auth_time(), since);
    let young = |age: u64| since.as_secs().saturating_sub(who.auth_time().as_secs()) <= age;
    let age_kept = match request.max_age {
        None => true,
        Some(0) => signed_in_for_it,
        Some(age) => young(age),
    };
    age_kept && (!request.prompt.login || signed_in_for_it)
}

/// Whether `time` is not before `since`. A host that keeps whole seconds only is taken at its word for the second; a login of the
/// same second that is told to the millisecond is judged by it, so that an old one does not pass for a new one.
fn not_before(time: UnixTime, since: UnixTime) -> bool {
    let whole_seconds = time.as_millis().is_multiple_of(1_000);
    time >= since || whole_seconds && time.as_secs() >= since.as_secs()
}
