//! What a session brings into a login, and what of it still counts.

use countersign_outbound::Channel;
use countersign_primitives::{Acr, AcrTable, Amr, Requirement, SignedIn, Subject, UnixTime};
use serde::{Deserialize, Serialize};

use super::LoginRequest;
use super::proven::Proven;
use super::record::Login;

/// A session that was brought, and of which a part is too old. Whatever it says, it says in the browser that has it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Aged {
    who: SignedIn,
    /// What its user is called, where that is known.
    name: Option<String>,
    /// The epoch of its user when it was brought.
    epoch: u64,
    /// What is young enough, and counts once the same user has said anew who he is.
    waiting: Vec<Proven>,
}

impl Login {
    /// Takes over what is young enough of what was proven before.
    pub(super) fn bring(&mut self, who: SignedIn, since: UnixTime) {
        let young = proofs_of(&who, since);
        if who.auth_time() < since {
            return self.bring_part(who, young);
        }
        self.subject = Some(who.subject().clone());
        self.proven = young;
        self.who = Some(who);
    }

    /// The same of a session that is too old in part. Without a first factor in the rest it must be said anew who signs in.
    fn bring_part(&mut self, who: SignedIn, mut young: Vec<Proven>) {
        young.retain(|proven| proven.amr != [Amr::Mfa]); // how many factors are left is counted anew
        let named = young.iter().any(|proven| proven.first);
        let subject = who.subject().clone();
        let mut aged = Aged { who, name: None, epoch: self.epoch, waiting: Vec::new() };
        (self.subject, self.proven) = if named {
            (Some(subject), young)
        } else {
            aged.waiting = young;
            (None, Vec::new())
        };
        self.aged = Some(aged);
    }

    /// Whose session it is that must say anew who he is.
    pub(super) fn aged_subject(&self) -> Option<&Subject> {
        self.aged.as_ref().filter(|_| self.subject.is_none()).map(|aged| aged.who.subject())
    }

    /// Notes the epoch of whoever was brought, and what to call him.
    pub(super) fn met(&mut self, epoch: u64, name: Option<&str>) {
        self.epoch = epoch;
        if let Some(aged) = &mut self.aged {
            aged.epoch = epoch;
            aged.name = name.map(str::to_owned);
        }
    }

    /// The name to begin with: what the client said, or what whoever is signed in here is called.
    pub(super) fn first_name(&self) -> Option<String> {
        self.login_hint.clone().or_else(|| self.aged.as_ref()?.name.clone())
    }

    /// Notes who signs in, by a first factor proven now. Of a session in part too old the rest counts beside it, if it is the same
    /// user's and nothing was ended since; else nothing of it does.
    pub(super) fn identify(&mut self, subject: &Subject, epoch: u64, first: Proven) {
        self.aged = self.aged.take().filter(|aged| aged.who.subject() == subject && aged.epoch == epoch);
        if let Some(aged) = &mut self.aged {
            self.proven.append(&mut aged.waiting);
        }
        self.subject = Some(subject.clone());
        self.epoch = epoch;
        self.prove(first);
    }

    /// Takes no account of what was proven before this. Without a first factor nobody is known.
    pub(super) fn forget_before(&mut self, since: UnixTime, name: Option<&str>) {
        self.forget(since, name, |proven| proven.at >= since);
    }

    /// Takes no account of what confirmed before this who signs in: it is confirmed anew.
    pub(crate) fn forget_second_factors_before(&mut self, since: UnixTime, name: Option<&str>) {
        self.forget(since, name, |proven| proven.first || proven.at >= since);
    }

    fn forget(&mut self, since: UnixTime, name: Option<&str>, keeps: impl Fn(&Proven) -> bool) {
        self.proven.retain(keeps);
        let mut session = self.who.take_if(|who| who.auth_time() < since);
        if session.is_none() && !self.has_first() {
            session = self.aged.take().map(|aged| aged.who);
        }
        if let Some(who) = session {
            let young = std::mem::take(&mut self.proven);
            self.bring_part(who, young);
            self.met(self.epoch, name);
        }
        self.forget_nobodys();
    }

    /// Without a first factor nobody is known, and what was found of somebody says nothing.
    pub(super) fn forget_nobodys(&mut self) {
        if !self.has_first() {
            self.subject = None;
            self.proven.clear();
            self.ordered = None;
            self.risk = None;
            self.device = None;
        }
    }

    /// The session's class, which a login that renews it reaches again where that can be.
    pub(super) fn class_before(&self, table: &AcrTable) -> Option<&Acr> {
        self.aged.as_ref()?.who.acr_value().filter(|class| table.knows(class))
    }

    /// The session that goes on, whole or in part.
    pub(super) fn session_before(&self) -> Option<&SignedIn> {
        self.who.as_ref().or_else(|| self.aged.as_ref().map(|aged| &aged.who))
    }
}

/// What of a session is young enough, as proofs that were brought.
fn proofs_of(who: &SignedIn, since: UnixTime) -> Vec<Proven> {
    // Beside a password or a link a key was the second factor, and says of nobody who he is.
    let by_link = who.rests_on_mail() && who.amr_values().contains(&Amr::Mca);
    let said = by_link || who.amr_values().contains(&Amr::Pwd);
    let mut proven: Vec<_> = who.proofs().iter().filter(|proof| proof.at >= since).map(Proven::brought).collect();
    for one in &mut proven {
        match one.amr.as_slice() {
            // Of its one-time codes none is known to have come another way.
            [Amr::Otp] if who.rests_on_mail() => one.channel = Some(Channel::Email),
            // The link that said who signs in.
            [Amr::Mca] if by_link => *one = Proven { brought: true, ..Proven::magic_link(one.at) },
            [Amr::Pwd] => {}
            _ if said => one.first = false,
            _ => {}
        }
    }
    proven
}

/// The time before which nothing counts, by what requirements and `acr_values` say of age. A class whose age could run out
/// while the login is under way counts as run out.
pub(super) fn oldest(request: &LoginRequest, floor: &Requirement, table: &AcrTable, now: UnixTime) -> UnixTime {
    let requirements = [&request.requirement, floor];
    let asked = request.acr_values.iter().chain(requirements.iter().filter_map(|one| one.acr_value()));
    let of_classes = asked.filter_map(|value| table.max_age(value)).map(|age| age.saturating_sub(Login::LIFETIME));
    let own = requirements.iter().filter_map(|one| one.max_age_value());
    // Ages are told in whole seconds, as tokens tell them.
    let second = UnixTime::from_secs(now.as_secs());
    of_classes.chain(own).map(|age| second.minus(age)).max().unwrap_or_default()
}
