//! Logins that a client drives by calls of its own, without a browser: the same record, the same machine and the same checks, but
//! nothing is asked, sent or set up before the client names it.

use std::time::Duration;

use countersign_primitives::{Id, Requirement, SecretString, SignedIn, Subject};
use countersign_storage_traits::{Charge, Expect, Found, Key};

use super::engine::Looked;
use super::machine::{ENROL, Stage};
use super::record::{Asked, Enrolling, Login, Typed};
use super::{Course, LoginId, LoginRequest};
use crate::contact::Contact;
use crate::enrolments::Authenticator;
use crate::keys::LOGIN;
use crate::mfa::Inner;
use crate::{Answer, AuthenticatorId, Caller, LoginError, Mfa, Step};

/// Where a login stands after a call.
pub(crate) struct Stand {
    pub(crate) step: Step,
    /// The login as it is kept; none where nothing needs to be.
    pub(crate) login: Option<Login>,
    /// Recovery codes that the user is given.
    pub(crate) codes: Vec<crate::Shown>,
}

/// What may be asked of a user.
pub(crate) struct Askable {
    pub(crate) ids: Vec<AuthenticatorId>,
    /// Nothing may, and something is to be set up.
    pub(crate) enrols: bool,
}

/// What a client asks to be set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Associating<'a> {
    pub(crate) method: &'a str,
    /// The number or address, where the method has one.
    pub(crate) to: Option<&'a str>,
}

/// What became of that.
pub(crate) enum Associated {
    /// It waits for its first code; an error says what became of the message.
    Begun(Box<(Enrolling, Option<Step>)>),
    /// The user has a factor, and proves it first.
    Enrolled,
    /// The method is none that may be set up here and now.
    NotOffered,
    /// No such number or address.
    InvalidContact,
}

impl LoginRequest {
    /// A login that a client drives by calls.
    pub(crate) fn called(self) -> Self {
        Self { course: Course::Called, ..self }
    }
}

impl Mfa {
    /// Begins a login by user name and password. Nothing is kept before the password was right, and nothing of a login that needs no more.
    pub(crate) async fn begin_by_password(
        &self,
        id: LoginId,
        request: LoginRequest,
        (name, password): (&str, &SecretString),
        caller: &Caller,
    ) -> Result<Stand, LoginError> {
        let (inner, now) = (&*self.0, self.0.now());
        let mut login = Login::begin(request, caller, &Requirement::NONE, &inner.table, now);
        match inner.password(&mut login, now, (name, password), caller).await? {
            Looked::On(None) => self.filed(id, Expect::Absent, login, caller).await,
            Looked::On(Some(error)) | Looked::Anew(error) => {
                let (stage, situation) = inner.settle(id, &mut login, None, caller, now).await?;
                let step = inner.show(id, &login, &stage, situation.as_ref(), caller).with_error(error);
                Ok(Stand { step, login: None, codes: Vec::new() })
            }
            Looked::Elsewhere => Err(LoginError::NotALoginAnswer),
        }
    }

    /// Begins a login anew under this name, whatever stood there: what was asked before is void.
    pub(crate) async fn begin_anew(
        &self,
        id: LoginId,
        request: LoginRequest,
        who: SignedIn,
        caller: &Caller,
    ) -> Result<Stand, LoginError> {
        let (inner, now) = (&*self.0, self.0.now());
        let login = inner.began(request.who(who), caller, now).await?;
        let expect = inner.expected(id).await?;
        self.filed(id, expect, login, caller).await
    }

    async fn filed(&self, id: LoginId, expect: Expect, mut login: Login, caller: &Caller) -> Result<Stand, LoginError> {
        let (inner, now) = (&*self.0, self.0.now());
        let (mut stage, mut situation) = inner.settle(id, &mut login, None, caller, now).await?;
        // What may be put off is put off: a client asks for it when its user wants it.
        if situation.as_ref().is_some_and(|situation| situation.may_skip) {
            login.skipped = true;
            (stage, situation) = inner.settle(id, &mut login, None, caller, now).await?;
        }
        // Whoever holds an old login of somebody's must not set up a factor of his own.
        let opens = situation.as_ref().is_some_and(|situation| situation.is_gate(&stage));
        if (opens || matches!(stage, Stage::ChooseEnrolment(_))) && !login.is_young(now) {
            return Err(LoginError::Expired);
        }
        if matches!(stage, Stage::Done(_) | Stage::Unmet | Stage::Password | Stage::MagicLink) {
            if let Some(report) = &login.risk {
                inner.tell_risk(report);
            }
            inner.settled(id, &login, &stage, caller, now).await;
            let step = inner.show(id, &login, &stage, situation.as_ref(), caller);
            return Ok(Stand { step, login: Some(login), codes: Vec::new() });
        }
        let step = inner.file((id, expect), login.clone(), (&stage, situation.as_ref()), caller, now).await?;
        Ok(Stand { step, login: Some(login), codes: Vec::new() })
    }

    /// Begins to add a factor to those of somebody who has signed in, and makes what it needs.
    pub(crate) async fn begin_adding(
        &self,
        id: LoginId,
        (who, client_id): (SignedIn, &str),
        asked: Associating<'_>,
        caller: &Caller,
    ) -> Result<Associated, LoginError> {
        let (inner, now) = (&*self.0, self.0.now());
        let request = LoginRequest { course: Course::Adding, ..LoginRequest::new().client_id(client_id).who(who) };
        let request = request.languages(caller.languages.clone());
        let mut login = Login::begin(request, caller, &Requirement::NONE, &inner.table, now);
        let Some(subject) = login.subject.clone() else { return Err(LoginError::Expired) };
        login.epoch = inner.epoch(&subject).await?;
        if !inner.name_next(&mut login, asked) {
            return Ok(Associated::InvalidContact);
        }
        let expect = inner.expected(id).await?;
        let (stage, situation) = inner.settle(id, &mut login, None, caller, now).await?;
        let Some(enrolling) = login.enrolling.clone().filter(|_| matches!(stage, Stage::Enrol { .. })) else {
            return Ok(refused(&stage));
        };
        let step = inner.file((id, expect), login, (&stage, situation.as_ref()), caller, now).await?;
        Ok(Associated::Begun(Box::new((enrolling, Some(step).filter(|step| step.error().is_some())))))
    }

    /// Begins to set up the first factor of whoever signs in in this login.
    pub(crate) async fn associate(
        &self,
        id: LoginId,
        asked: Associating<'_>,
        caller: &Caller,
    ) -> Result<Associated, LoginError> {
        let inner = &*self.0;
        let mut turn = inner.turn(id, caller).await?;
        let has_factor = match &turn.login.subject {
            Some(subject) => inner.situation(subject, None, None, turn.now).await?.enrolments.has_factor(),
            None => false,
        };
        if has_factor || turn.login.done_at.is_some() {
            return Ok(Associated::Enrolled);
        }
        if !inner.name_next(&mut turn.login, asked) {
            return Ok(Associated::InvalidContact);
        }
        let (stage, situation) = inner.settle(id, &mut turn.login, None, caller, turn.now).await?;
        let Some(enrolling) = turn.login.enrolling.clone().filter(|_| matches!(stage, Stage::Enrol { .. })) else {
            return Ok(refused(&stage));
        };
        if !inner.keep(&mut turn, (&stage, situation.as_ref()), caller).await? {
            return Err(LoginError::Contended);
        }
        let step = turn.sent.on(inner.show(id, &turn.login, &stage, situation.as_ref(), caller));
        Ok(Associated::Begun(Box::new((enrolling, Some(step).filter(|step| step.error().is_some())))))
    }

    /// Asks this authenticator, and sends what it sends. One that is asked already is asked anew, as soon as that may be.
    pub(crate) async fn challenge(
        &self,
        id: LoginId,
        authenticator: &AuthenticatorId,
        caller: &Caller,
    ) -> Result<(Step, Option<Asked>), LoginError> {
        let turn = self.0.turn(id, caller).await?;
        let name = authenticator.to_string();
        let asked = turn.login.asked.as_ref().filter(|asked| name.ends_with(&asked.authenticator.to_string()));
        let again = asked.is_some_and(|asked| asked.challenge.can_be_sent_again());
        let answer = if again { Answer::Resend } else { Answer::Choose { id: name } };
        let step = self.0.take(turn, &answer, caller).await?;
        let login = self.0.kept(id).await?.map(|found| found.value);
        Ok((step, login.and_then(|login| login.asked)))
    }

    /// Takes an answer to what is asked at the moment, if that is `challenge`, where one is named. None where it is not.
    pub(crate) async fn reply(
        &self,
        id: LoginId,
        (challenge, answer): (Option<Id>, &Answer),
        caller: &Caller,
    ) -> Result<Option<Stand>, LoginError> {
        let turn = self.0.turn(id, caller).await?;
        let current = turn.login.challenge().map(|challenge| challenge.id);
        if turn.login.done_at.is_none() && challenge.is_some_and(|named| current != Some(named)) {
            return Ok(None);
        }
        let step = self.0.take(turn, answer, caller).await?;
        self.stand(id, step, caller).await.map(Some)
    }

    /// Where a login stands after an answer. Codes are handed out with the answer of the same call.
    pub(super) async fn stand(&self, id: LoginId, mut step: Step, caller: &Caller) -> Result<Stand, LoginError> {
        let mut codes = Vec::new();
        if let Step::RecoveryCodes(shown) = &step {
            codes.clone_from(&shown.codes);
            step = self.answer(id, &Answer::RecoveryCodes, caller).await?;
        }
        let login = self.0.kept(id).await?.map(|found| found.value);
        Ok(Stand { step, login, codes })
    }

    /// The authenticators that may be asked now, the one that is asked foremost.
    pub(crate) async fn askable(&self, id: LoginId, caller: &Caller) -> Result<Askable, LoginError> {
        let mut turn = self.0.turn(id, caller).await?;
        let (stage, situation) = self.0.settle(id, &mut turn.login, None, caller, turn.now).await?;
        let ids = match &stage {
            Stage::Choose(ids) => ids.clone(),
            Stage::Ask { authenticator, others } => [&[*authenticator], others.as_slice()].concat(),
            _ => Vec::new(),
        };
        let found = ids.into_iter().filter_map(|id| situation.as_ref()?.enrolments.find(id));
        let enrols = matches!(stage, Stage::ChooseEnrolment(_) | Stage::Contact { .. } | Stage::Enrol { .. });
        Ok(Askable { ids: found.map(Authenticator::named).collect(), enrols })
    }

    /// The mail address on file of somebody.
    pub(crate) async fn address_of(&self, subject: &Subject) -> Result<Option<String>, LoginError> {
        let Some((accounts, _)) = &self.0.accounts else { return Ok(None) };
        let account = accounts.by_subject(subject).await.map_err(LoginError::Accounts)?;
        Ok(account.and_then(|account| account.email_address().map(|(address, _)| address.to_owned())))
    }

    /// Counts a question whether an answer has come. Whether it came too soon after the last one.
    pub(crate) async fn polls_too_fast(&self, challenge: Id, every: Duration) -> Result<bool, LoginError> {
        let counter = self.0.keys.counter("poll", &[challenge.as_bytes()]);
        let charge = Charge { counter, add: 1, limit: 1, window: every };
        Ok(!self.0.store.charge(&[charge], self.0.now()).await?.iter().all(|charged| charged.admitted))
    }

    /// A login under this name, whoever asks.
    pub(crate) async fn login_named(&self, id: LoginId) -> Result<Option<Login>, LoginError> {
        Ok(self.0.kept(id).await?.map(|found| found.value))
    }

    /// What somebody has and can be asked here, on file or set up.
    pub(crate) async fn enrolled(&self, subject: &Subject) -> Result<Vec<Authenticator>, LoginError> {
        let situation = self.0.situation(subject, None, None, self.0.now()).await?;
        let all = situation.enrolments.authenticators.into_iter();
        Ok(all.filter(|one| self.0.factor(&one.method).is_some()).collect())
    }
}

impl Inner {
    async fn kept(&self, id: LoginId) -> Result<Option<Found<Login>>, LoginError> {
        Ok(self.store.find(Key::root(LOGIN, id.0), self.now()).await?)
    }

    async fn expected(&self, id: LoginId) -> Result<Expect, LoginError> {
        Ok(self.kept(id).await?.map_or(Expect::Absent, |found| found.unchanged()))
    }

    /// Names what is set up next. Whether it is a number or address of the method's kind.
    fn name_next(&self, login: &mut Login, asked: Associating<'_>) -> bool {
        let channel = self.factor(asked.method).and_then(|(method, _)| method.contact());
        login.enrolling = None;
        login.chosen = Some(format!("{ENROL}{}", asked.method));
        login.contact = match (channel, asked.to) {
            (None, _) => None,
            (Some(channel), to) => match to.and_then(|to| Contact::parse(channel, to)) {
                Some(contact) => Some(Typed { method: asked.method.to_owned(), contact }),
                None => return false,
            },
        };
        true
    }
}

/// Why nothing is set up in this stage.
fn refused(stage: &Stage) -> Associated {
    match stage {
        Stage::Choose(_) | Stage::Ask { .. } => Associated::Enrolled,
        _ => Associated::NotOffered,
    }
}
