//! What comes next: a pure function of the login, what the user has, and what is asked.

#[cfg(test)]
mod tests;

use countersign_outbound::Channel;
use countersign_primitives::{Acr, AcrTable, Amr, Id, Proof, Remembered, Requirement, SignedIn, UnixTime};

use crate::Method;
use crate::limits::PASSWORD;
use crate::login::proven::Proven;
use crate::login::record::Login;
use crate::login::{FirstMethods, MAGIC_LINK};
use crate::risk::{Confidence, RiskReport};

/// What the machine looks at besides the login.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// The authenticators that the user has and this server can ask.
    pub(crate) ways: Vec<(Id, &'a Method)>,
    /// What the user may set up now, or once that is opened; empty when nothing may be.
    pub(crate) enrolable: Vec<&'a Method>,
    /// Which of those the policy leads to.
    pub(crate) suggested: Option<&'a str>,
    /// What the policy asks of this user.
    pub(crate) floor: &'a Requirement,
    /// What opens the way to set something up, while it is not open.
    pub(crate) gate: Gate,
    /// The user has no factor and is to be asked for one, which he may put off.
    pub(crate) offers: bool,
    /// How it can be said here who signs in; by nothing, where the host does that.
    pub(crate) first: Option<FirstMethods>,
    /// The browser is a remembered device of the user.
    pub(crate) remembered: Option<Remembered>,
    pub(crate) table: &'a AcrTable,
    pub(crate) now: UnixTime,
}

/// What opens the way to set up a first factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// A code that is sent to one of these contacts on file.
    Contacts(Vec<Id>),
    Invitation,
}

/// Where a login stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It must be said who signs in.
    Password,
    /// The same, by a link that is sent.
    MagicLink,
    /// One of these authenticators is to be chosen.
    Choose(Vec<Id>),
    /// This authenticator is asked; the others would do as well.
    Ask { authenticator: Id, others: Vec<Id> },
    /// One of these methods is to be set up.
    ChooseEnrolment(Vec<String>),
    /// The number or address of this method is to be typed; the others would do as well.
    Contact { method: String, channel: Channel, others: Vec<String> },
    /// This method is set up; the others would do as well.
    Enrol { method: String, others: Vec<String> },
    /// An invitation is to be shown.
    Invitation,
    /// Recovery codes are to be kept.
    KeepCodes,
    /// What is asked is proven.
    Done(SignedIn),
    /// What is asked is out of reach.
    Unmet,
}

/// How strong a set of proofs is, before any table of classes says what that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    Nothing,
    OneFactor,
    TwoFactors,
    PhishingResistant,
}

impl Strength {
    fn of(proven: &[Proven]) -> Self {
        if !proven.iter().any(|proven| proven.first) {
            return Self::Nothing;
        }
        let repeated = |one: &&Proven| !proven.iter().any(|first| one.repeats(first));
        let kinds = proven.iter().filter(repeated).fold(crate::Kinds::NONE, |kinds, proven| kinds.and(proven.kinds));
        let two = kinds.count() >= 2;
        match (two, proven.iter().any(|proven| proven.phishing_resistant)) {
            (true, true) => Self::PhishingResistant,
            (true, false) => Self::TwoFactors,
            (false, _) => Self::OneFactor,
        }
    }

    /// What a session is worth whose class is known to the table.
    fn of_acr(acr: Option<&Acr>, table: &AcrTable) -> Self {
        let satisfies = |need| acr.is_some_and(|have| table.satisfies(have, need));
        if satisfies(&Acr::PHR) {
            Self::PhishingResistant
        } else if satisfies(&Acr::MFA) {
            Self::TwoFactors
        } else if satisfies(&Acr::AAL1) {
            Self::OneFactor
        } else {
            Self::Nothing
        }
    }

    /// What the table calls it; where the table has no name of its own for it, what everybody does.
    fn acr(self, table: &AcrTable) -> Option<Acr> {
        let (rank, plain) = match self {
            Self::Nothing => return None,
            Self::OneFactor => (1, Acr::AAL1),
            Self::TwoFactors => (2, Acr::MFA),
            Self::PhishingResistant => (3, Acr::PHR),
        };
        Some(table.value_of(rank).cloned().unwrap_or(plain))
    }
}

/// What comes next.
pub(crate) fn next(login: &Login, view: &View<'_>) -> Stage {
    let Some((have, strength)) = login.has_first().then(|| claims(login, &[], view)).flatten() else {
        return begin(login, view);
    };
    if !login.to_keep.is_empty() {
        return Stage::KeepCodes;
    }
    if login.course.adds() {
        return match login.added {
            // Nobody signs in by a factor that is set up now: the session is worth what it was.
            Some(_) if login.is_led() => Stage::Done(login.session_before().cloned().unwrap_or(have)),
            Some(_) => Stage::Done(have),
            None => add(login, view),
        };
    }
    match goal(login, view, &have) {
        Goal::Reached => Stage::Done(have),
        Goal::Ask(target) => match resumed(login, view) {
            // The enrolment was confirmed, and the step after it was lost: the user proves the new factor once more.
            Some(method) => Stage::Enrol { method, others: Vec::new() },
            None => ask(login, view, &target, strength),
        },
        Goal::Enrol(target) => gated(login, view, &target),
        Goal::Offer => gated(login, view, &Requirement::MFA),
        Goal::OutOfReach => Stage::Unmet,
    }
}

/// How it is said who signs in: as the user chose, else by the way that is shown first.
fn begin(login: &Login, view: &View<'_>) -> Stage {
    let Some(first) = view.first else { return Stage::Unmet };
    let by_link = match login.chosen.as_deref() {
        Some(MAGIC_LINK) => true,
        Some(PASSWORD) => false,
        _ => first.link_first || login.link_sent,
    };
    if first.magic_link && (by_link || !first.password) { Stage::MagicLink } else { Stage::Password }
}

/// What is still to be reached, and by which means.
enum Goal {
    Reached,
    Ask(Requirement),
    Enrol(Requirement),
    /// Nothing is missing, and the user is asked to set up a factor for later.
    Offer,
    OutOfReach,
}

/// Whether the user may put off what he is asked to set up: nothing that is required hangs on it.
pub(crate) fn may_skip(login: &Login, view: &View<'_>) -> bool {
    login.to_keep.is_empty()
        && login.has_first()
        && claims(login, &[], view).is_some_and(|(have, _)| matches!(goal(login, view, &have), Goal::Offer))
}

/// What hooks demand.
fn ordered(login: &Login) -> &Requirement {
    login.ordered.as_ref().map_or(const { &Requirement::NONE }, |ordered| &ordered.requirement)
}

/// What is asked for since it may be somebody else. A remembered device does not answer that: it may be theirs by now.
fn risk(login: &Login) -> Requirement {
    let asked = login.risk.as_ref().map(RiskReport::requirement).filter(|asked| !asked.is_none());
    asked.map_or(Requirement::NONE, |asked| asked.clone().never_remembered())
}

/// What must be proven, whoever demands it.
fn must(login: &Login, view: &View<'_>) -> Requirement {
    asked(login, view).and(&risk(login), view.table)
}

/// The same without what is asked for risk.
fn asked(login: &Login, view: &View<'_>) -> Requirement {
    view.floor.clone().and(&login.requirement, view.table).and(ordered(login), view.table)
}

/// Whether the browser may be remembered that proves a second factor now: it could stand in for what is asked. What is asked for risk does not
/// count, since that is judged anew each time and no remembered browser answers it; only where somebody else is likely, none is remembered.
pub(crate) fn can_be_remembered(login: &Login, view: &View<'_>) -> bool {
    let doubted =
        !risk(login).is_none() && login.risk.as_ref().is_some_and(|report| report.confidence() == Confidence::Low);
    !doubted && asked(login, view).can_be_remembered(view.table)
}

fn goal(login: &Login, view: &View<'_>, have: &SignedIn) -> Goal {
    let must = must(login, view);
    let met = |need: &Requirement, who: &SignedIn| need.class_met_by(who, view.table, view.now);
    let best = best_of_enrolled(login, view);
    let reachable = |need: &Requirement| best.as_ref().is_some_and(|best| met(need, best));
    let enrolable = |need: &Requirement| !reaching_by_enrolment(login, view, need).is_empty();
    // Of two classes that no table compares each must be met.
    for need in [&must, view.floor, &login.requirement, ordered(login), &risk(login)] {
        if !met(need, have) {
            return match () {
                () if reachable(need) => Goal::Ask(need.clone()),
                () if enrolable(need) => Goal::Enrol(need.clone()),
                () => Goal::OutOfReach,
            };
        }
    }
    let reached = if view.offers && enrolable(&Requirement::MFA) { Goal::Offer } else { Goal::Reached };
    let known = login.acr_values.iter().filter(|value| view.table.knows(value));
    // A class is stated if it was proven; a remembered device proves nothing.
    let wishes: Vec<_> = known.cloned().map(|value| Requirement::at_least(value).never_remembered()).collect();
    if wishes.is_empty() {
        // A session that is renewed keeps its class, where its user has what that takes.
        let before = login.class_before(view.table).cloned();
        let before = before.map(|class| Requirement::at_least(class).never_remembered());
        return match before.filter(|before| !met(before, have) && reachable(before)) {
            Some(before) => Goal::Ask(before),
            None => reached,
        };
    }
    for wish in &wishes {
        if met(wish, have) {
            return reached;
        }
        if reachable(wish) {
            return Goal::Ask(wish.clone());
        }
    }
    wishes.into_iter().find(enrolable).map_or(reached, Goal::Enrol)
}

/// The claims that a login would bear after proving these too, and how strong it would be.
fn claims(login: &Login, more: &[Proven], view: &View<'_>) -> Option<(SignedIn, Strength)> {
    let subject = login.subject.as_ref()?;
    let brought = login.who.as_ref();
    let base = Strength::of_acr(brought.and_then(SignedIn::acr_value), view.table);
    let fresh = login.proven.iter().any(|proven| !proven.brought) || !more.is_empty();
    // A host that says what was proven, and not what that is worth, leaves it to us.
    let rated = brought.filter(|who| who.acr_value().is_some() || login.proven.is_empty());
    if let (Some(who), false) = (rated, fresh) {
        let who = who.clone().with_claims(login.claims()).on_remembered(remembered(view, base));
        return Some((who, base)); // nothing to add: as it came, a host's own class included
    }
    let proven: Vec<_> = login.proven.iter().chain(more).cloned().collect();
    let own = Strength::of(&proven);
    let strength = base.max(own);
    let since = proven.iter().map(|proven| proven.at).chain(brought.map(SignedIn::auth_time)).min()?;
    let mail = rests_on_mail(&proven, brought, strength, base);
    let mut who = SignedIn::new(subject.clone(), since).resting_on_mail(mail).with_claims(login.claims());
    for Proof { amr, at } in proofs(proven.iter().filter(|one| mail || !by_mail(one))) {
        if own < Strength::TwoFactors || amr != Amr::Mfa {
            who = who.proof(amr, at);
        }
    }
    if own >= Strength::TwoFactors {
        // Two are as young as the one beside the first: a password typed anew makes no factor young.
        let seconds = proven.iter().filter(|proven| !proven.first).map(|proven| proven.at).max();
        let completed_at = seconds.or_else(|| proven.iter().map(|proven| proven.at).max())?;
        who = who.proof(Amr::Mfa, completed_at);
    }
    if let Some(session) = login.session_before().and_then(SignedIn::session_id) {
        who = who.session(session.clone());
    }
    let who = who.on_remembered(remembered(view, strength));
    Some((stated(who, strength, login, view), strength))
}

/// The mark of a remembered device, where it can stand in for something.
fn remembered(view: &View<'_>, strength: Strength) -> Option<Remembered> {
    view.remembered.filter(|_| strength == Strength::OneFactor)
}

/// Whether the strength would be less without what came by e-mail.
fn rests_on_mail(proven: &[Proven], brought: Option<&SignedIn>, strength: Strength, base: Strength) -> bool {
    let unmailed: Vec<_> = proven.iter().filter(|one| !by_mail(one)).cloned().collect();
    let session = base >= strength && brought.is_some_and(|who| !who.rests_on_mail());
    Strength::of(&unmailed) < strength && !session
}

/// Whether it came by mail. A password that was chosen by a link in a mail is one that its user knows all the same.
fn by_mail(one: &Proven) -> bool {
    one.channel == Some(Channel::Email) && one.method != PASSWORD
}

/// Each method of the claim once, at the time of its newest proof. What came by mail is left out where nothing rests on it: `amr`
/// cannot tell its code from another's, which would then seem as young.
fn proofs<'a>(proven: impl Iterator<Item = &'a Proven>) -> Vec<Proof> {
    let mut proofs: Vec<Proof> = Vec::new();
    for (amr, at) in proven.flat_map(|proven| proven.amr.iter().map(|amr| (*amr, proven.at))) {
        match proofs.iter_mut().find(|proof| proof.amr == amr) {
            Some(proof) => proof.at = proof.at.max(at),
            None => proofs.push(Proof { amr, at }),
        }
    }
    proofs
}

/// States the class. Of those of one strength, the one that was asked for.
fn stated(who: SignedIn, strength: Strength, login: &Login, view: &View<'_>) -> SignedIn {
    let Some(reached) = strength.acr(view.table) else { return who };
    let who = who.acr(reached.clone());
    let asked = login.acr_values.iter().chain(login.requirement.acr_value()).chain(view.floor.acr_value());
    let as_strong = |value: &&Acr| view.table.satisfies(value, &reached) && view.table.reached(&who, value, view.now);
    match asked.filter(|value| view.table.knows(value)).find(as_strong).cloned() {
        Some(value) => who.acr(value),
        None => who,
    }
}

/// What the login would be after proving everything that the user has.
fn best_of_enrolled(login: &Login, view: &View<'_>) -> Option<SignedIn> {
    let all: Vec<_> = view.ways.iter().map(|(id, method)| proving(login, *id, method, view)).collect();
    claims(login, &all, view).map(|(who, _)| who)
}

/// What proving an authenticator adds: of one that was set up in this login no more than that did.
fn proving(login: &Login, id: Id, method: &Method, view: &View<'_>) -> Proven {
    Proven::factor(method, view.now, login.added == Some(id))
}

fn reaching_by_enrolment(login: &Login, view: &View<'_>, need: &Requirement) -> Vec<String> {
    let reaches = |method: &&Method| {
        let proven = [Proven::factor(method, view.now, true)];
        claims(login, &proven, view).is_some_and(|(who, _)| need.class_met_by(&who, view.table, view.now))
    };
    view.enrolable.iter().copied().filter(reaches).map(|method| method.name().to_owned()).collect()
}

/// The method of an enrolment of this login that is in force already.
fn resumed(login: &Login, view: &View<'_>) -> Option<String> {
    let enrolling = login.enrolling.as_ref()?;
    view.ways.iter().any(|(id, _)| *id == enrolling.id).then(|| enrolling.method.clone())
}

/// Asks one of the authenticators that reach the target at once, or else that bring the login nearer to it. Recovery codes wait
/// beside the others.
fn ask(login: &Login, view: &View<'_>, target: &Requirement, strength: Strength) -> Stage {
    let mut reaching = Vec::new();
    let mut helping = Vec::new();
    for (id, method) in &view.ways {
        let Some((who, then)) = claims(login, &[proving(login, *id, method, view)], view) else { continue };
        if target.class_met_by(&who, view.table, view.now) {
            reaching.push((*id, *method));
        }
        if then > strength {
            helping.push((*id, *method));
        }
    }
    let ways = if reaching.is_empty() { helping } else { reaching };
    let chosen = ways.iter().find(|(id, method)| {
        login.chosen.as_deref() == Some(&*crate::AuthenticatorId::new(method.name(), *id).to_string())
    });
    let mut primary = ways.iter().filter(|(_, method)| !method.is_backup());
    let only = match (primary.next(), primary.next()) {
        (Some(only), None) => Some(only),
        (None, _) if ways.len() == 1 => ways.first(),
        _ => None,
    };
    let ids = ways.iter().map(|(id, _)| *id);
    match chosen.or(only.filter(|_| login.is_led())) {
        Some((authenticator, _)) => {
            Stage::Ask { authenticator: *authenticator, others: ids.filter(|id| id != authenticator).collect() }
        }
        None if ways.is_empty() => Stage::Unmet,
        None => Stage::Choose(ids.collect()),
    }
}

/// The prefix of a choice that sets something up.
pub(crate) const ENROL: &str = "enrol|";

/// Something is set up, once the way to it is open.
fn gated(login: &Login, view: &View<'_>, target: &Requirement) -> Stage {
    let contacts = match &view.gate {
        Gate::Open => return enrol(login, view, target),
        Gate::Invitation => return Stage::Invitation,
        Gate::Contacts(contacts) => contacts,
    };
    let is_chosen = |id: &Id| login.chosen.as_deref().is_some_and(|chosen| chosen.ends_with(&id.to_string()));
    match (contacts.iter().find(|id| is_chosen(id)), contacts.as_slice()) {
        (Some(chosen), _) => {
            let others = contacts.iter().filter(|id| *id != chosen).copied().collect();
            Stage::Ask { authenticator: *chosen, others }
        }
        (None, [only]) if login.is_led() => Stage::Ask { authenticator: *only, others: Vec::new() },
        (None, _) => Stage::Choose(contacts.clone()),
    }
}

fn enrol(login: &Login, view: &View<'_>, target: &Requirement) -> Stage {
    enrol_one_of(reaching_by_enrolment(login, view, target), login, view)
}

/// One more factor beside those that there are, or a first one where the way to it is open without more.
fn add(login: &Login, view: &View<'_>) -> Stage {
    let methods: Vec<_> = view.enrolable.iter().map(|method| method.name().to_owned()).collect();
    if methods.is_empty() || view.gate != Gate::Open { Stage::Unmet } else { enrol_one_of(methods, login, view) }
}

/// Whether a user who has factors may be given another one in this login: who asks has proven two, and so one that was there.
pub(crate) fn may_join(login: &Login, table: &AcrTable) -> bool {
    let reached = Strength::of_acr(login.who.as_ref().and_then(SignedIn::acr_value), table);
    login.course.adds() && reached >= Strength::TwoFactors
}

fn enrol_one_of(methods: Vec<String>, login: &Login, view: &View<'_>) -> Stage {
    let chosen = login.chosen.as_deref().and_then(|chosen| chosen.strip_prefix(ENROL));
    let named = |name: Option<&str>| methods.iter().find(|method| name == Some(method.as_str()));
    let pick = match methods.as_slice() {
        [only] if login.is_led() => Some(only),
        _ => named(chosen).or_else(|| named(view.suggested.filter(|_| login.is_led()))),
    };
    match pick {
        Some(method) => {
            let others = methods.iter().filter(|other| *other != method).cloned().collect();
            let channel = view.enrolable.iter().find(|one| one.name() == method).and_then(|one| one.contact());
            match channel.filter(|_| login.contact.as_ref().is_none_or(|typed| typed.method != *method)) {
                Some(channel) => Stage::Contact { method: method.clone(), channel, others },
                None => Stage::Enrol { method: method.clone(), others },
            }
        }
        None => Stage::ChooseEnrolment(methods),
    }
}
