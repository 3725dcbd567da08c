//! How a login moves: read, judged, written, and shown.

use std::cmp::Reverse;

use countersign_accounts::Account;
use countersign_events::EventKind;
use countersign_primitives::{Id, Requirement, Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key};

use super::machine::{self, Gate, Stage, View};
use super::record::Login;
use super::sending::Sent;
use super::situation::Situation;
use super::{LoginId, LoginRequest};
use crate::enrolments::Enrolments;
use crate::keys::LOGIN;
use crate::messages::spending::Spent;
use crate::mfa::Inner;
use crate::{Answer, Caller, Duty, LoginError, Method, Step, StepError};

/// A login as it was read, and as it is about to be.
pub(crate) struct Turn {
    pub(crate) id: LoginId,
    pub(crate) found: Found<Login>,
    pub(crate) login: Login,
    pub(crate) now: UnixTime,
    /// It was made sure that it is time for another message, and it is paid for.
    pub(super) may_send: Option<Spent>,
    /// What became of the message of this turn.
    pub(super) sent: Sent,
}

/// What came of looking at an answer.
pub(crate) enum Looked {
    /// The login goes on as it now is, saying what was wrong, if anything was.
    On(Option<StepError>),
    /// It was wrong, and the question is spent with it: another one is asked.
    Anew(StepError),
    /// The answer belongs to another step: the present one is shown again.
    Elsewhere,
}

impl Inner {
    /// Takes an answer to a login as it was read.
    pub(super) async fn take(&self, mut turn: Turn, answer: &Answer, caller: &Caller) -> Result<Step, LoginError> {
        let id = turn.id;
        if turn.login.done_at.is_some() {
            return self.present(id, caller, Sent::default()).await;
        }
        let looked = match answer {
            Answer::Password { login, password } => {
                self.password(&mut turn.login, turn.now, (login, password), caller).await?
            }
            Answer::SendLink { login } => self.send_magic_link(&mut turn, login, caller).await?,
            Answer::MagicLink { link } => self.magic_link(&mut turn, link, caller).await?,
            Answer::Choose { id } => self.choose(&mut turn, id, caller).await?,
            Answer::Code { .. } | Answer::Enrol { .. } | Answer::Webauthn { .. } | Answer::Poll => {
                self.code(&mut turn, answer, caller).await?
            }
            Answer::RememberDevice => self.wish_remembered(&mut turn, caller).await?,
            Answer::Contact { to } => self.contact(&mut turn, to, caller).await?,
            Answer::Resend => self.resend(&mut turn, caller).await?,
            Answer::RecoveryCodes if turn.login.to_keep.is_empty() => Looked::Elsewhere,
            Answer::RecoveryCodes => {
                turn.login.to_keep.clear();
                Looked::On(None)
            }
            Answer::Skip => self.skip(&mut turn, caller).await?,
            Answer::Consent(_) => return Err(LoginError::NotALoginAnswer),
        };
        match looked {
            Looked::On(None) => {
                self.recognise(&mut turn.login, caller, turn.now).await?;
                self.advance(turn, caller).await
            }
            Looked::On(error) => {
                let sent = Sent { error, ..turn.sent };
                self.present(id, caller, sent).await
            }
            Looked::Anew(error) => {
                turn.login.void_challenge();
                Ok(self.advance(turn, caller).await?.with_error(error))
            }
            Looked::Elsewhere => self.present(id, caller, Sent::default()).await,
        }
    }

    /// Shows where the login stands. If what it stands on changed meanwhile (a factor was removed), it moves first.
    pub(super) async fn present(&self, id: LoginId, caller: &Caller, said: Sent) -> Result<Step, LoginError> {
        let mut turn = self.turn(id, caller).await?;
        let before = turn.login.standing();
        let (stage, situation) = self.settle(turn.id, &mut turn.login, None, caller, turn.now).await?;
        if turn.login.standing() != before && !self.keep(&mut turn, (&stage, situation.as_ref()), caller).await? {
            return Err(LoginError::Contended);
        }
        let step = self.show(id, &turn.login, &stage, situation.as_ref(), caller);
        Ok(said.on(turn.sent.on(step)))
    }

    /// Writes the login as the answer left it, and shows what comes next. If another request was first, its outcome is shown.
    pub(super) async fn advance(&self, mut turn: Turn, caller: &Caller) -> Result<Step, LoginError> {
        let (stage, situation) = self.settle(turn.id, &mut turn.login, None, caller, turn.now).await?;
        if self.keep(&mut turn, (&stage, situation.as_ref()), caller).await? {
            return Ok(turn.sent.on(self.show(turn.id, &turn.login, &stage, situation.as_ref(), caller)));
        }
        if let Some(paid) = turn.may_send.take() {
            paid.refund(&*self.store, turn.now).await?; // another request was first, and nothing was sent
        }
        self.present(turn.id, caller, Sent::default()).await
    }

    /// Writes a login that begins, says what it has to say, and shows its first step. If another request was first, its outcome is
    /// shown.
    pub(super) async fn file(
        &self,
        (id, expect): (LoginId, Expect),
        mut login: Login,
        (stage, situation): (&Stage, Option<&Situation>),
        caller: &Caller,
        now: UnixTime,
    ) -> Result<Step, LoginError> {
        self.meet_browser(&mut login, caller, now).await?;
        let key = Key::root(LOGIN, id.0);
        let mut batch = Batch::new(key.partition, now, &*self.random)?;
        batch.put_value(key, expect, now.plus(Login::LIFETIME), &login)?;
        match self.store.commit_surely(&batch).await {
            Ok(()) => {
                if let Some(report) = &login.risk {
                    self.tell_risk(report);
                }
                self.settled(id, &login, stage, caller, now).await;
                let sent = self.send((id, &login, situation), None, caller, now).await?;
                Ok(sent.on(self.show(id, &login, stage, situation, caller)))
            }
            Err(CommitError::Conflict(_)) => self.present(id, caller, Sent::default()).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a login, for the browser that it is bound to.
    pub(super) async fn found(
        &self,
        id: LoginId,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<Option<Found<Login>>, LoginError> {
        self.refresh_settings().await?;
        let found: Option<Found<Login>> = self.store.find(Key::root(LOGIN, id.0), now).await?;
        match found {
            Some(found) if found.value.browser != caller.browser => Err(LoginError::OtherBrowser),
            found => Ok(found),
        }
    }

    /// A login that begins now, with what its caller brought.
    pub(super) async fn began(
        &self,
        request: LoginRequest,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<Login, LoginError> {
        let Some(who) = &request.who else {
            return Ok(Login::begin(request, caller, &Requirement::NONE, &self.table, now));
        };
        let epoch = self.epoch(who.subject()).await?;
        let known = self.situation(who.subject(), None, request.client_id.as_deref(), now).await?;
        let mut login = Login::begin(request, caller, &known.floor, &self.table, now);
        login.met(epoch, known.account.as_ref().filter(|_| !known.barred).and_then(Account::name));
        self.recognise(&mut login, caller, now).await?;
        Ok(login)
    }

    /// Whether a login still rests on what it rested on: neither its session nor everything of its subject was ended.
    pub(super) async fn holds(&self, login: &Login, caller: &Caller, now: UnixTime) -> Result<bool, LoginError> {
        Ok(login.holds(caller, now)
            && match login.subject.as_ref().or(login.aged_subject()) {
                Some(subject) => login.epoch == self.epoch(subject).await?,
                None => true,
            })
    }

    pub(crate) async fn epoch(&self, subject: &Subject) -> Result<u64, LoginError> {
        self.subjects.epoch(subject).await.map_err(LoginError::Subjects)
    }

    pub(super) async fn turn(&self, id: LoginId, caller: &Caller) -> Result<Turn, LoginError> {
        let now = self.now();
        let found = self.found(id, caller, now).await?.ok_or(LoginError::Expired)?;
        if !self.holds(&found.value, caller, now).await? {
            return Err(LoginError::Expired);
        }
        let login = found.value.clone();
        Ok(Turn { id, found, login, now, may_send: None, sent: Sent::default() })
    }

    /// Commits the login, if it is still as it was read, and sends what it has to say.
    pub(super) async fn keep(
        &self,
        turn: &mut Turn,
        (stage, situation): (&Stage, Option<&Situation>),
        caller: &Caller,
    ) -> Result<bool, LoginError> {
        if turn.found.value.done_at.is_none() {
            self.meet_browser(&mut turn.login, caller, turn.now).await?;
        }
        let Turn { id, found, login, now, may_send, sent } = turn;
        let mut batch = Batch::new(found.key.partition, *now, &*self.random)?;
        batch.put_value(found.key, found.unchanged(), found.expires_at, login)?;
        match self.store.commit_surely(&batch).await {
            Ok(()) => {
                if let (None, Some(report)) = (&found.value.risk, &login.risk) {
                    self.tell_risk(report);
                }
                if found.value.done_at.is_none() {
                    self.settled(*id, login, stage, caller, *now).await;
                }
                *sent = self.send((*id, login, situation), may_send.take(), caller, *now).await?;
                Ok(true)
            }
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes, when a login is done, whether its browser signed in to the account before.
    async fn meet_browser(&self, login: &mut Login, caller: &Caller, now: UnixTime) -> Result<(), LoginError> {
        if let (Some(subject), Some(_)) = (&login.subject, login.done_at) {
            let partition = self.subjects.partition(subject);
            login.marks_browser = self.known_browser(partition, caller, now).await?.is_none();
        }
        Ok(())
    }

    /// Reads what is known of a subject. An account that was read just now is taken as it is.
    pub(crate) async fn situation(
        &self,
        subject: &Subject,
        account: Option<Account>,
        client: Option<&str>,
        now: UnixTime,
    ) -> Result<Situation, LoginError> {
        self.refresh_settings().await?;
        let account = match (&self.accounts, account) {
            (Some((accounts, _)), None) => accounts.by_subject(subject).await.map_err(LoginError::Accounts)?,
            (_, account) => account,
        };
        let barred = self.accounts.is_some() && account.as_ref().is_none_or(Account::is_disabled);
        let mut enrolments = self.met(subject, now).await?;
        self.add_on_file(&mut enrolments, account.as_ref(), subject, now);
        let duty = self.policy.duty(enrolments.has_factor(), enrolments.met_at, now);
        let floor = self.asked(subject, account.as_ref(), client, &enrolments, now).await?;
        Ok(Situation {
            account,
            barred,
            enrolments,
            floor,
            duty,
            may_skip: false,
            remembered: None,
            may_remember: false,
        })
    }

    /// Decides what comes next, and makes what it needs: a challenge, something to set up, the end.
    pub(crate) async fn settle(
        &self,
        id: LoginId,
        login: &mut Login,
        account: Option<Account>,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<(Stage, Option<Situation>), LoginError> {
        let mut situation = match &login.subject {
            Some(subject) => Some(self.situation(&subject.clone(), account, login.client_id.as_deref(), now).await?),
            None => None,
        };
        let settings = self.run_time.settings();
        login.forget_factors(|method| !settings.is_on(method));
        if let Some(situation) =
            situation.as_mut().filter(|situation| login.proves_factor && situation.enrolments.has_factor())
        {
            situation.floor = situation.floor.clone().and(const { &Requirement::MFA.never_remembered() }, &self.table);
        }
        if let Some(situation) = situation.as_mut().filter(|situation| !situation.barred) {
            self.judge_risk(login, situation, caller, now).await?;
            self.heed_hooks(login, situation, now).await?;
        }
        let mut situation = situation.filter(|_| login.subject.is_some());
        if situation.as_ref().is_some_and(|situation| situation.barred) {
            return Ok((Stage::Unmet, situation));
        }
        if let Some(situation) = &mut situation {
            situation.remembered = self.remembered(login, now).await?;
        }
        let view = self.view(login, situation.as_ref(), now);
        let (stage, may_skip) = (machine::next(login, &view), machine::may_skip(login, &view));
        let may_remember = self.policy.remembers_devices().is_some() && machine::can_be_remembered(login, &view);
        if let Some(situation) = &mut situation {
            situation.may_skip = may_skip;
            situation.may_remember = may_remember;
        }
        if let (Some(subject), Some(situation)) = (login.subject.clone(), &situation) {
            self.prepare(id, login, &stage, &subject, situation, now).await?;
        }
        self.prepare_discovery(id, login, &stage, now)?;
        if matches!(stage, Stage::Done(_)) {
            login.done_at.get_or_insert(now);
        }
        Ok((stage, situation))
    }

    pub(crate) fn view<'a>(&'a self, login: &Login, situation: Option<&'a Situation>, now: UnixTime) -> View<'a> {
        let enrolments = situation.map(|situation| &situation.enrolments);
        let authenticators = enrolments.map(|enrolments| enrolments.authenticators.as_slice()).unwrap_or_default();
        let mut usable: Vec<_> = authenticators.iter().filter(|one| !one.is_used_up() && !one.opens_only).collect();
        usable.sort_by_key(|one| (one.is_recovery(), Reverse(one.last_used))); // the last one that worked comes first
        let settings = self.run_time.settings();
        let usable = usable.into_iter().filter(|one| settings.is_on(&one.method));
        let known = usable.filter_map(|one| self.factor(&one.method).map(|(method, _)| (one.id, method)));
        // Of those that are asked at once the first that was set up stands for all, whichever was used last.
        let stands = |id: Id, method: &Method| {
            let first = authenticators.iter().find(|one| one.method == method.name());
            !method.is_asked_together() || first.is_some_and(|first| first.id == id)
        };
        let ways = known.filter(|(id, method)| stands(*id, method)).collect();
        let has_factor = enrolments.is_some_and(Enrolments::has_factor);
        let joins = has_factor && machine::may_join(login, &self.table);
        let gate = if joins { Some(Gate::Open) } else { self.gate(login, enrolments, now) };
        let open = gate.is_some() && login.may_enrol() && enrolments.is_some() && (joins || !has_factor);
        let gate = gate.unwrap_or(Gate::Open);
        let enrolable = if open { self.enrolable().collect() } else { Vec::new() };
        let floor = situation.map_or(const { &Requirement::NONE }, |situation| &situation.floor);
        let due = situation.is_some_and(|situation| matches!(situation.duty, Duty::Until(_)));
        // Whoever finds a browser signed in is not asked, and neither is its owner in the middle of something else.
        let offers = due && !login.skipped && login.is_young(now);
        let first = self.accounts.as_ref().map(|_| self.first_factors);
        let suggested = self.policy.suggested();
        let remembered = situation.and_then(|situation| situation.remembered);
        View { ways, enrolable, suggested, gate, floor, offers, first, remembered, table: &self.table, now }
    }

    /// Tells how a login ended, and lets its browser be known from now on. Neither can undo it.
    pub(super) async fn settled(&self, id: LoginId, login: &Login, stage: &Stage, caller: &Caller, now: UnixTime) {
        let Some(subject) = &login.subject else { return };
        match stage {
            Stage::Done(_) if login.course.adds() => {} // nobody signed in
            Stage::Done(_) => {
                self.tell(EventKind::LoginSucceeded, Some(caller), |event| event.with_subject(subject));
                let remembered = match self.remember_browser(id, login, subject, caller, now).await {
                    Ok(browser) => self.remember_risk(login, subject, browser, caller, now).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = remembered {
                    tracing::warn!(%error, "the browser of a login will not be known again");
                    self.failed("browser_not_marked", Some(subject));
                }
                if let Err(error) = self.keep_device(id, login, subject, caller, now).await {
                    tracing::warn!(%error, "the device of a login will not be remembered");
                    self.failed("device_not_remembered", Some(subject));
                }
            }
            Stage::Unmet => self.tell(EventKind::LoginFailed, Some(caller), |event| {
                let cause = match () {
                    () if login.is_too_risky() => "denied_for_risk",
                    () if login.is_denied() => "denied_by_hook",
                    () => "requirement_out_of_reach",
                };
                event.with_subject(subject).with_cause(cause, "OpenID Connect Core §5.5.1.1")
            }),
            _ => {}
        }
    }
}
