//! A generated walk through logins: whatever is done, in whatever order and in however many of them at once, no login is done
//! below what is required, and none states what was not proven (promise 8).
//!
//! What was proven is reckoned here anew, from the secrets that the test holds, and not from what the engine says of an answer.
//! `COUNTERSIGN_WALKS` says how many walks are tried; more than the default are drawn at random.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use countersign_mfa::{
    Answer, Caller, Challenge, Done, Enrolled, Enrolment, Factor, FactorError, FirstEnrolment, FirstFactor, Limits,
    LoginHook, LoginId, LoginOrder, LoginRequest, Method, Occasion, Policy, Prompt, Step, Verdict, Way,
};
use countersign_mfa_otp::{TotpParameters, TotpSecret};
use countersign_primitives::{Acr, AcrTable, Amr, BoxError, Clock, Id, Requirement, SignedIn, UnixTime};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{Bench, codes_of, secret_of};

const USERS: [(&str, &str); 2] = [("u-1", "alice"), ("u-2", "bob")];
/// Of apps that another system set up, one of each user.
const SEEDS: [&str; 2] = ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR"];
const GRACE: Duration = Duration::from_secs(2_000);

/// A key that cannot be phished: the device answers `pressed`.
#[derive(Debug)]
struct SecurityKey;

#[async_trait]
impl Factor for SecurityKey {
    fn method(&self) -> Method {
        Method::new("key", "Key").amr([Amr::Hwk]).danger_phishing_resistant()
    }
    async fn enrol(&self, _: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        Enrolment::new(Prompt::none(), &())
    }
    async fn challenge(&self, _: &Occasion<'_>, _: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        Ok(Challenge::plain(Prompt::none()))
    }
    async fn verify(
        &self,
        _: &Occasion<'_>,
        _: &Enrolled<'_>,
        _: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        Ok(Verdict::when(answer.is_code("pressed")))
    }
}

/// What the hook of a walk orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    Proceeds,
    RequiresMore,
    DeniesBob,
    Fails,
}

#[async_trait]
impl LoginHook for Hook {
    async fn after_first_factor(&self, login: &FirstFactor<'_>) -> Result<LoginOrder, BoxError> {
        match self {
            Self::DeniesBob if login.subject().as_str() == "u-2" => Ok(LoginOrder::deny()),
            Self::Proceeds | Self::DeniesBob => Ok(LoginOrder::proceed()),
            Self::RequiresMore => Ok(LoginOrder::proceed().require(Requirement::MFA)),
            Self::Fails => Err("the directory is down".into()),
        }
    }
}

/// The rules of a walk.
#[derive(Debug, Clone)]
struct Rules {
    always: bool,
    alices: Requirement,
    bob: Requirement,
    grace: bool,
    hook: Hook,
}

impl Rules {
    fn policy(&self) -> Policy {
        let everybody = if self.always { Policy::always() } else { Policy::never() };
        let policy = everybody.group("alices", self.alices.clone()).user("u-2", self.bob.clone());
        let policy = policy.first_enrolment(FirstEnrolment::ThisLogin);
        if self.grace { policy.grace(GRACE) } else { policy }
    }
}

/// What may be sent as a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    OfApp(usize),
    Recovery(usize),
    Pressed,
    Wrong,
}

/// One thing that somebody may do.
#[derive(Debug, Clone)]
enum Move {
    Begin {
        login: usize,
        request: usize,
        browser: usize,
        with_session: bool,
    },
    Password {
        login: usize,
        user: usize,
        right: bool,
    },
    Code {
        login: usize,
        code: Code,
    },
    Enrol {
        login: usize,
        right: bool,
    },
    Choose {
        login: usize,
        way: usize,
    },
    Skip {
        login: usize,
    },
    Keep {
        login: usize,
    },
    Reload {
        login: usize,
    },
    Cancel {
        login: usize,
    },
    /// An answer that was sent before, to whatever login.
    Replay {
        login: usize,
        answer: usize,
    },
    /// One answer to two logins at once.
    Both {
        logins: [usize; 2],
        code: Code,
    },
    FromOtherBrowser {
        login: usize,
        user: usize,
    },
    Wait {
        seconds: u64,
    },
    Reset {
        user: usize,
    },
    /// The host takes over an app from another system.
    Import {
        user: usize,
    },
}

fn moves() -> impl Strategy<Value = Move> {
    let login = || 0..2_usize;
    let user = || 0..USERS.len();
    let code = || {
        prop_oneof![
            4 => user().prop_map(Code::OfApp),
            2 => (0..12_usize).prop_map(Code::Recovery),
            2 => Just(Code::Pressed),
            1 => Just(Code::Wrong),
        ]
    };
    prop_oneof![
        3 => (login(), 0..requests().len(), 0..2_usize, any::<bool>())
            .prop_map(|(login, request, browser, with_session)| Move::Begin { login, request, browser, with_session }),
        6 => (login(), user(), prop::bool::weighted(0.9)).prop_map(|(login, user, right)| Move::Password { login, user, right }),
        6 => (login(), code()).prop_map(|(login, code)| Move::Code { login, code }),
        5 => (login(), prop::bool::weighted(0.8)).prop_map(|(login, right)| Move::Enrol { login, right }),
        5 => (login(), 0..4_usize).prop_map(|(login, way)| Move::Choose { login, way }),
        2 => login().prop_map(|login| Move::Skip { login }),
        4 => login().prop_map(|login| Move::Keep { login }),
        1 => login().prop_map(|login| Move::Reload { login }),
        1 => login().prop_map(|login| Move::Cancel { login }),
        2 => (login(), 0..20_usize).prop_map(|(login, answer)| Move::Replay { login, answer }),
        2 => (login(), login(), code()).prop_map(|(a, b, code)| Move::Both { logins: [a, b], code }),
        1 => (login(), user()).prop_map(|(login, user)| Move::FromOtherBrowser { login, user }),
        3 => prop_oneof![Just(31), Just(61), Just(400), Just(2_001)].prop_map(|seconds| Move::Wait { seconds }),
        1 => user().prop_map(|user| Move::Reset { user }),
        2 => user().prop_map(|user| Move::Import { user }),
    ]
}

fn requests() -> Vec<(Requirement, Vec<Acr>)> {
    let fresh = |requirement: Requirement| requirement.max_age(Duration::from_secs(300));
    vec![
        (Requirement::NONE, vec![]),
        (Requirement::MFA, vec![]),
        (fresh(Requirement::MFA), vec![]),
        (fresh(Requirement::NONE), vec![]),
        (Requirement::PHISHING_RESISTANT, vec![]),
        (Requirement::NONE, vec![Acr::PHR, Acr::MFA]),
        (Requirement::at_least(Acr::AAL2), vec![Acr::AAL1]),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let requirement = || prop_oneof![3 => Just(Requirement::NONE), 1 => Just(Requirement::MFA)];
    let hook = prop_oneof![
        5 => Just(Hook::Proceeds), 2 => Just(Hook::RequiresMore), 1 => Just(Hook::DeniesBob), 1 => Just(Hook::Fails)
    ];
    (prop::bool::weighted(0.3), requirement(), requirement(), any::<bool>(), hook)
        .prop_map(|(always, alices, bob, grace, hook)| Rules { always, alices, bob, grace, hook })
}

/// A right secret that was sent: of whom, as what, when, and to which login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Proof {
    user: usize,
    amr: Amr,
    at: UnixTime,
    /// The factor was set up in this very login.
    fresh: bool,
}

/// One of several logins that are under way.
struct Open {
    id: LoginId,
    browser: usize,
    request: usize,
    begun_at: UnixTime,
    step: Step,
    /// Every right secret that was sent to it, and what its session brought along: nobody can have proven more.
    proofs: Vec<Proof>,
    was_done: bool,
}

/// What a user has, as the test saw it come into force.
#[derive(Default)]
struct Owned {
    app: Option<TotpSecret>,
    key_of: Option<LoginId>,
    recovery: Vec<String>,
    /// When a policy with a time of grace met him without a factor.
    met_at: Option<UnixTime>,
}

impl Owned {
    fn has_factor(&self) -> bool {
        self.app.is_some() || self.key_of.is_some()
    }
}

/// A session of a browser: who is signed in, and what that rests on.
#[derive(Clone)]
struct Session {
    who: SignedIn,
    proofs: Vec<Proof>,
}

/// An answer as it can be sent again: `Answer` is no `Clone`, so that secrets are not copied by mistake.
#[derive(Debug, Clone)]
enum Sent {
    Password { user: usize, right: bool },
    Code(String),
    Enrol(String),
    Choose(String),
    Keep,
    Skip,
}

impl Sent {
    fn answer(&self) -> Answer {
        match self {
            Self::Password { user, right: true } => {
                Answer::password(USERS[*user].1, format!("{}-password", USERS[*user].1))
            }
            Self::Password { user, right: false } => Answer::password(USERS[*user].1, "wrong"),
            Self::Code(code) => Answer::code(code),
            Self::Enrol(code) => Answer::enrol(code),
            Self::Choose(id) => Answer::choose(id),
            Self::Keep => Answer::RecoveryCodes,
            Self::Skip => Answer::Skip,
        }
    }
}

struct World<'a> {
    bench: &'a Bench,
    rules: Rules,
    logins: BTreeMap<usize, Open>,
    owned: [Owned; 2],
    sessions: [Option<Session>; 2],
    /// How often each browser's session changed: its name.
    turns: [usize; 2],
    sent: Vec<Sent>,
    seen: &'a Mutex<BTreeSet<&'static str>>,
}

type Judged = Result<(), TestCaseError>;

impl<'a> World<'a> {
    fn new(bench: &'a Bench, rules: Rules, seen: &'a Mutex<BTreeSet<&'static str>>) -> Self {
        let (logins, owned, sent) = (BTreeMap::new(), Default::default(), Vec::new());
        Self { bench, rules, logins, owned, sessions: [None, None], turns: [0, 0], sent, seen }
    }

    fn now(&self) -> UnixTime {
        self.bench.clock.now()
    }

    fn caller(&self, browser: usize) -> Caller {
        let id = Id::from_bytes([u8::try_from(browser).unwrap() + 1; 16]);
        match &self.sessions[browser] {
            Some(_) => Caller::new(id).session(format!("s{}-{browser}", self.turns[browser]).into()),
            None => Caller::new(id),
        }
    }

    async fn make(&mut self, step: &Move) -> Judged {
        match *step {
            Move::Begin { login, request, browser, with_session } => {
                self.begin(login, request, browser, with_session).await
            }
            Move::Password { login, user, right } => self.send(login, Sent::Password { user, right }).await,
            Move::Code { login, code } => {
                let code = self.text(code);
                self.send(login, Sent::Code(code)).await
            }
            Move::Enrol { login, right } => {
                let code = self.first_code(login).filter(|_| right).unwrap_or_else(|| "111111".to_owned());
                self.send(login, Sent::Enrol(code)).await
            }
            Move::Choose { login, way } => match self.way(login, way) {
                Some(id) => self.send(login, Sent::Choose(id)).await,
                None => Ok(()),
            },
            Move::Skip { login } => self.send(login, Sent::Skip).await,
            Move::Keep { login } => self.send(login, Sent::Keep).await,
            Move::Reload { login } => self.reload(login).await,
            Move::Cancel { login } => self.cancel(login).await,
            Move::Replay { login, answer } => match self.sent.get(answer).cloned() {
                Some(answer) => self.send(login, answer).await,
                None => Ok(()),
            },
            Move::Both { logins, code } => self.both(logins, code).await,
            Move::FromOtherBrowser { login, user } => self.in_other_browser(login, user).await,
            Move::Wait { seconds } => {
                self.bench.clock.advance(Duration::from_secs(seconds));
                Ok(())
            }
            Move::Reset { user } => self.reset(user).await,
            Move::Import { user } => self.import(user).await,
        }
    }

    /// What a code reads at present.
    fn text(&self, code: Code) -> String {
        let otherwise = || "111111".to_owned();
        match code {
            Code::OfApp(user) => self.owned[user].app.as_ref().map_or_else(otherwise, |app| self.bench.code(app)),
            Code::Recovery(nth) => {
                let mut all = self.owned.iter().flat_map(|owned| &owned.recovery);
                all.nth(nth).cloned().unwrap_or_else(otherwise)
            }
            Code::Pressed => "pressed".to_owned(),
            Code::Wrong => otherwise(),
        }
    }

    /// Whether an app shows this code now, or a little before or after.
    fn is_of(&self, app: &TotpSecret, code: &str) -> bool {
        let begin = self.now().minus(Duration::from_secs(60));
        (0..5).any(|step| app.code_at(begin.plus(Duration::from_secs(30 * step))).expose() == code)
    }

    /// What the thing that a login sets up answers first.
    fn first_code(&self, login: usize) -> Option<String> {
        let Step::Enrol(step) = &self.logins.get(&login)?.step else { return None };
        let step_ = Step::Enrol(step.clone());
        Some(if step.method == "key" { "pressed".to_owned() } else { self.bench.code(&secret_of(&step_)) })
    }

    fn way(&self, login: usize, nth: usize) -> Option<String> {
        let ways: &[Way] = match &self.logins.get(&login)?.step {
            Step::Choose(step) => &step.authenticators,
            Step::Code(step) => &step.or,
            Step::Enrol(step) => &step.or,
            _ => return None,
        };
        ways.get(nth % ways.len().max(1)).map(|way| way.id.clone())
    }

    async fn begin(&mut self, place: usize, request: usize, browser: usize, with_session: bool) -> Judged {
        let id = LoginId(self.bench.id());
        let (requirement, wishes) = requests().swap_remove(request);
        let asked = LoginRequest::new().requirement(requirement).acr_values(wishes);
        let session = self.sessions[browser].clone().filter(|_| with_session);
        if let Some(session) = &session {
            self.meet(user_of(&session.who));
        }
        let asked = match &session {
            Some(session) => asked.who(session.who.clone()),
            None => asked,
        };
        let Ok(step) = self.bench.mfa.begin(id, asked, &self.caller(browser)).await else { return self.stopped() };
        let proofs = session.map(|session| session.proofs).unwrap_or_default();
        let begun_at = self.now();
        self.logins.insert(place, Open { id, browser, request, begun_at, step: step.clone(), proofs, was_done: false });
        self.shown(place, step)
    }

    /// Nothing but a hook that fails stops a login of a store that works.
    fn stopped(&self) -> Judged {
        prop_assert!(self.rules.hook == Hook::Fails, "a login stopped");
        Ok(())
    }

    fn meet(&mut self, user: usize) {
        let now = self.now();
        if self.rules.grace && !self.owned[user].has_factor() {
            self.owned[user].met_at.get_or_insert(now);
        }
    }

    async fn send(&mut self, place: usize, answer: Sent) -> Judged {
        let Some(open) = self.logins.get(&place) else { return Ok(()) };
        let (id, caller, before) = (open.id, self.caller(open.browser), open.step.clone());
        self.reckon(place, &answer);
        self.sent.push(answer.clone());
        match self.bench.mfa.answer(id, &answer.answer(), &caller).await {
            Ok(step) => {
                self.note_enrolment(place, &before, &answer, &step);
                self.shown(place, step)
            }
            Err(error) if error.code() == "expired" => {
                self.logins.remove(&place);
                Ok(())
            }
            Err(_) => self.stopped(),
        }
    }

    /// Writes down what this answer could prove at this login, by the secrets that the test holds, before the engine sees it.
    fn reckon(&mut self, place: usize, answer: &Sent) {
        let now = self.now();
        let Some(open) = self.logins.get(&place) else { return };
        let (id, asks_password) = (open.id, matches!(open.step, Step::Password(_)));
        let mut proven = Vec::new();
        let mut add = |user, amr, fresh| proven.push(Proof { user, amr, at: now, fresh });
        match answer {
            Sent::Password { user, right: true } => add(*user, Amr::Pwd, false),
            Sent::Code(code) | Sent::Enrol(code) => {
                for (user, owned) in self.owned.iter().enumerate() {
                    let of_app = owned.app.as_ref().is_some_and(|app| self.is_of(app, code));
                    if of_app || owned.recovery.contains(code) {
                        add(user, Amr::Otp, false);
                    }
                    if let (Some(of), "pressed") = (owned.key_of, code.as_str()) {
                        add(user, Amr::Hwk, of == id);
                    }
                }
                if let (Sent::Enrol(code), Step::Enrol(step)) = (answer, &open.step)
                    && self.first_code(place).as_ref() == Some(code)
                {
                    let user = USERS.iter().position(|(_, name)| *name == step.account).unwrap();
                    add(user, if step.method == "key" { Amr::Hwk } else { Amr::Otp }, true);
                }
            }
            _ => {}
        }
        if let (Sent::Password { user, right: true }, true) = (answer, asks_password) {
            self.meet(*user);
        }
        if let Some(open) = self.logins.get_mut(&place) {
            open.proofs.extend(proven);
        }
    }

    /// A factor that came into force is its user's from now on.
    fn note_enrolment(&mut self, place: usize, before: &Step, answer: &Sent, after: &Step) {
        let (Step::Enrol(step), Sent::Enrol(_), Step::RecoveryCodes(_)) = (before, answer, after) else { return };
        let id = self.logins[&place].id;
        let user = USERS.iter().position(|(_, name)| *name == step.account).unwrap();
        let owned = &mut self.owned[user];
        match step.method.as_str() {
            "key" => owned.key_of = Some(id),
            _ => owned.app = Some(secret_of(before)),
        }
        owned.recovery = codes_of(after);
    }

    /// Looks at what a login shows, and judges it if it is done.
    fn shown(&mut self, place: usize, step: Step) -> Judged {
        self.seen.lock().unwrap().insert(name_of(&step));
        let Some(open) = self.logins.get_mut(&place) else { return Ok(()) };
        open.step = step.clone();
        let Step::Done(done) = step else { return Ok(()) };
        if std::mem::replace(&mut open.was_done, true) {
            return Ok(());
        }
        self.judge(place, &done)?;
        // The browser's session is this login from now on.
        let open = &self.logins[&place];
        let (browser, proofs) = (open.browser, open.proofs.clone());
        self.turns[browser] += 1;
        self.sessions[browser] = Some(Session { who: done.signed_in, proofs });
        Ok(())
    }

    fn judge(&self, place: usize, done: &Done) -> Judged {
        let (open, who, table) = (&self.logins[&place], &done.signed_in, AcrTable::default());
        let user = user_of(who);
        let own: Vec<_> = open.proofs.iter().filter(|proof| proof.user == user).collect();
        let has = |amr: Amr| own.iter().any(|proof| proof.amr == amr);
        let resistant = own.iter().any(|proof| proof.amr == Amr::Hwk && !proof.fresh);
        let reached = match (has(Amr::Pwd), has(Amr::Otp) || has(Amr::Hwk), resistant) {
            (true, true, true) => 3,
            (true, true, false) => 2,
            (true, false, _) => 1,
            (false, ..) => 0,
        };
        let stated = who.acr_value().and_then(|acr| table.strength(acr)).unwrap_or(0);
        prop_assert!(stated <= reached, "{who:?} was stated, of {own:?}");
        prop_assert!(self.rules.hook != Hook::Fails, "a hook failed, and {who:?} is in");
        prop_assert!(self.rules.hook != Hook::DeniesBob || user != 1, "a hook denied {who:?}");
        for proof in who.proofs() {
            let happened = own.iter().any(|own| own.at == proof.at && (own.amr == proof.amr || proof.amr == Amr::Mfa));
            prop_assert!(happened, "{proof:?} did not happen: {own:?}");
        }
        for need in self.required(open.request, user) {
            prop_assert!(need.class_met_by(who, &table, self.now()), "{need:?} by {who:?}");
            prop_assert!(
                need.acr_value().and_then(|acr| table.strength(acr)).unwrap_or(0) <= reached,
                "{need:?} of {own:?}"
            );
            prop_assert!(need.age_met_by(who, open.begun_at), "{need:?} by {who:?}, begun at {:?}", open.begun_at);
        }
        Ok(())
    }

    /// All that is required of a user, reckoned anew.
    fn required(&self, request: usize, user: usize) -> Vec<Requirement> {
        let (rules, owned) = (&self.rules, &self.owned[user]);
        let mut all = vec![requests().swap_remove(request).0];
        all.push(if user == 0 { rules.alices.clone() } else { rules.bob.clone() });
        if rules.hook == Hook::RequiresMore {
            all.push(Requirement::MFA);
        }
        let lacks = rules.grace && !owned.has_factor();
        let over = owned.met_at.is_some_and(|met_at| self.now() >= met_at.plus(GRACE));
        if rules.always && !lacks || lacks && over {
            all.push(Requirement::MFA);
        }
        all
    }

    async fn reload(&mut self, place: usize) -> Judged {
        let Some(open) = self.logins.get(&place) else { return Ok(()) };
        match self.bench.mfa.step(open.id, &self.caller(open.browser)).await {
            Ok(step) => self.shown(place, step),
            Err(error) if error.code() == "expired" => {
                self.logins.remove(&place);
                Ok(())
            }
            Err(_) => self.stopped(),
        }
    }

    async fn cancel(&mut self, place: usize) -> Judged {
        let Some(open) = self.logins.remove(&place) else { return Ok(()) };
        let _ = self.bench.mfa.cancel(open.id, &self.caller(open.browser)).await;
        Ok(())
    }

    /// One code to two logins at once: it serves one of them.
    async fn both(&mut self, places: [usize; 2], code: Code) -> Judged {
        let code = self.text(code);
        let [a, b] = places;
        let asks = |open: Option<&Open>| open.is_some_and(|open| matches!(open.step, Step::Code(_)));
        if a == b || !asks(self.logins.get(&a)) || !asks(self.logins.get(&b)) {
            return Ok(());
        }
        let answer = Sent::Code(code.clone());
        places.iter().for_each(|place| self.reckon(*place, &answer));
        let of = |place: usize| (self.logins[&place].id, self.caller(self.logins[&place].browser));
        let ((first, at_first), (second, at_second)) = (of(a), of(b));
        let (one, two) = (answer.answer(), answer.answer());
        let (one, two) = tokio::join!(
            self.bench.mfa.answer(first, &one, &at_first),
            self.bench.mfa.answer(second, &two, &at_second)
        );
        let accepted = |step: &Result<Step, _>| matches!(step, Ok(step) if !matches!(step, Step::Code(_)));
        prop_assert!(code == "pressed" || !(accepted(&one) && accepted(&two)), "one code served two logins");
        for (place, answered) in [(a, one), (b, two)] {
            match answered {
                Ok(step) => self.shown(place, step)?,
                Err(_) => drop(self.logins.remove(&place)),
            }
        }
        Ok(())
    }

    async fn in_other_browser(&mut self, place: usize, user: usize) -> Judged {
        let Some(open) = self.logins.get(&place) else { return Ok(()) };
        let answer = Sent::Password { user, right: true }.answer();
        let answered = self.bench.mfa.answer(open.id, &answer, &self.caller(1 - open.browser)).await;
        prop_assert!(answered.is_err(), "another browser was answered");
        Ok(())
    }

    async fn import(&mut self, user: usize) -> Judged {
        if self.owned[user].app.is_none() {
            self.bench.mfa.authenticators().import_totp(&USERS[user].0.into(), SEEDS[user]).await.unwrap();
            self.owned[user].app = Some(TotpSecret::from_base32(SEEDS[user], TotpParameters::default()).unwrap());
        }
        Ok(())
    }

    /// A help desk takes all factors away.
    async fn reset(&mut self, user: usize) -> Judged {
        self.bench.mfa.authenticators().reset(&USERS[user].0.into()).await.unwrap();
        self.owned[user] = Owned { met_at: self.owned[user].met_at, ..Owned::default() };
        Ok(())
    }
}

fn user_of(who: &SignedIn) -> usize {
    USERS.iter().position(|(subject, _)| who.subject().as_str() == *subject).unwrap()
}

fn name_of(step: &Step) -> &'static str {
    let skip = match step {
        Step::Enrol(step) => step.skip_until,
        Step::Choose(step) => step.skip_until,
        _ => None,
    };
    match (step, skip) {
        (Step::Enrol(_), Some(_)) => "enrol, or skip",
        (Step::Choose(_), Some(_)) => "choose what to set up, or skip",
        (Step::Choose(step), None) if step.authenticators.iter().any(|way| way.id.starts_with("enrol|")) => {
            "choose what to set up"
        }
        (step, _) => step.name(),
    }
}

async fn walk(rules: Rules, moves: Vec<Move>, seen: &Mutex<BTreeSet<&'static str>>) -> Judged {
    let (policy, hook) = (rules.policy(), rules.hook);
    let bench = Bench::with(|builder| {
        builder.policy(policy).login_hook(hook).factor(SecurityKey).limits(Limits::off()).recovery_codes(2)
    })
    .await;
    let mut world = World::new(&bench, rules, seen);
    for step in &moves {
        world.make(step).await?;
    }
    Ok(())
}

#[test]
fn promise_8_no_walk_of_many_logins_is_done_below_what_is_required() {
    let wanted: Option<u32> = std::env::var("COUNTERSIGN_WALKS").ok().and_then(|walks| walks.parse().ok());
    let config = Config { cases: wanted.unwrap_or(150), failure_persistence: None, ..Config::default() };
    let random = match wanted {
        Some(_) => TestRng::from_seed(RngAlgorithm::ChaCha, &rand_seed()),
        None => TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let seen = Mutex::new(BTreeSet::new());
    let mut runner = TestRunner::new_with_rng(config, random);
    runtime.block_on(walk(two_factors().0, two_factors().1, &seen)).unwrap();
    let walks = (rules(), proptest::collection::vec(moves(), 20..90));
    runner.run(&walks, |(rules, moves)| runtime.block_on(walk(rules, moves, &seen))).unwrap();
    let states: Vec<_> = seen.lock().unwrap().iter().copied().collect();
    let all = [
        "choose",
        "choose what to set up",
        "choose what to set up, or skip",
        "code",
        "done",
        "enrol",
        "enrol, or skip",
        "password",
        "recovery_codes",
        "refused",
    ];
    assert_eq!(states, all, "every state is reached");
}

/// Somebody who has two factors chooses between them, which chance alone seldom leads to.
fn two_factors() -> (Rules, Vec<Move>) {
    let none = Requirement::NONE;
    let rules = Rules { always: true, alices: none.clone(), bob: none, grace: false, hook: Hook::Proceeds };
    let begin = Move::Begin { login: 0, request: 0, browser: 0, with_session: false };
    let password = Move::Password { login: 0, user: 0, right: true };
    let set_up = [Move::Choose { login: 0, way: 1 }, Move::Enrol { login: 0, right: true }, Move::Keep { login: 0 }];
    let twice = [vec![begin.clone(), password.clone()], set_up.into(), vec![Move::Import { user: 0 }, begin, password]];
    (rules, twice.concat())
}

fn rand_seed() -> [u8; 32] {
    <dyn countersign_primitives::Random>::array(&countersign_primitives::SystemRandom).unwrap()
}
