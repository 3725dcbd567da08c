//! Answers to factors. What an answer spends is spent first, in the subject's partition; the login follows.

use countersign_events::EventKind;
use countersign_outbound::Channel;
use countersign_primitives::{Id, Subject, UnixTime};
use countersign_storage_traits::{Batch, Charge, CommitError};

use super::engine::{Looked, Turn};
use super::machine::Stage;
use super::prepare::factor_failed;
use super::proven::Proven;
use super::record::Login;
use super::situation::Situation;
use crate::enrolments::{Authenticator, Read, SpentBy};
use crate::factor::{Binding, Challenge, Factor, Judged, Occasion, Told, Verdict};
use crate::limits::{Guess, Guesser, PASSWORD, Paid, SECTION};
use crate::mfa::Inner;
use crate::{Answer, Caller, LoginError, Method, Notice, StepError};

/// How often a commit that lost to another is tried again. Of answers to one challenge one wins at once, so that only answers
/// to different challenges of one user keep each other busy.
pub(crate) const TRIES: usize = 4;

impl Inner {
    /// Takes a code: the answer of an authenticator, or the first of one that is being set up.
    pub(super) async fn code(&self, turn: &mut Turn, answer: &Answer, caller: &Caller) -> Result<Looked, LoginError> {
        let (stage, situation) = self.settle(turn.id, &mut turn.login, None, caller, turn.now).await?;
        let (Some(situation), Some(subject)) = (situation, turn.login.subject.clone()) else {
            return match answer {
                Answer::Webauthn { response, .. } => self.passkey(turn, response.expose(), caller).await,
                _ => Ok(Looked::Elsewhere),
            };
        };
        let is_signature = matches!(answer, Answer::Webauthn { .. });
        match (stage, answer) {
            (Stage::Ask { .. } | Stage::Enrol { .. }, _) if turn.login.is_signed() != is_signature => {
                Ok(Looked::Elsewhere)
            }
            (Stage::Ask { authenticator, .. }, Answer::Code { .. } | Answer::Webauthn { .. } | Answer::Poll) => {
                self.verify(turn, &subject, &situation, authenticator, answer, caller).await
            }
            (Stage::Invitation, Answer::Code { .. }) => {
                self.invited(turn, (&subject, &situation), answer, caller).await
            }
            (Stage::Enrol { .. }, Answer::Enrol { .. } | Answer::Webauthn { .. } | Answer::Poll) => {
                self.confirm(turn, &subject, &situation, answer, caller).await
            }
            _ => Ok(Looked::Elsewhere),
        }
    }

    async fn verify(
        &self,
        turn: &mut Turn,
        subject: &Subject,
        situation: &Situation,
        authenticator: Id,
        answer: &Answer,
        caller: &Caller,
    ) -> Result<Looked, LoginError> {
        let asked = turn.login.asked.take().filter(|asked| asked.authenticator == authenticator);
        let Some(asked) = asked else { return Ok(Looked::Elsewhere) };
        let found = situation.enrolments.find(authenticator).and_then(|one| self.factor(&one.method));
        let Some((method, factor)) = found else { return Ok(Looked::Elsewhere) };
        let (paid, guesser) = match self.admit(&asked.challenge, answer, (method, subject), caller, turn.now).await? {
            Admitted::Yes(paid, guesser) => (paid, guesser),
            Admitted::No(looked) => return Ok(looked),
        };
        let answered = Answered { turn, subject, name: situation.name(subject), factor: &**factor, answer };
        let on_file = situation.enrolments.find(authenticator).filter(|one| one.on_file);
        let spent = match on_file {
            Some(on_file) => self.judge(&answered, on_file, &asked.challenge).await,
            None => self.spend(&answered, authenticator, &asked.challenge).await,
        };
        match spent {
            Ok(Spent::Yes(told)) => {
                let contact = situation.enrolments.find(authenticator).and_then(|one| one.contact.as_ref());
                self.code_came_back(&asked.challenge, (contact, true), turn.now).await?;
                // Whoever proves two factors is the owner, and no row of failures is left.
                paid.succeeded(self.counting(), &guesser, self.guessed(), self.now()).await?;
                self.note_owner(turn, subject, method).await?;
                self.tell_doubts(&told, (method, subject), caller);
                let authenticator = told.by.unwrap_or(authenticator);
                let wished = turn.login.wishes_remembered && matches!(answer, Answer::Poll);
                let one = situation.enrolments.find(authenticator).filter(|_| wished || answer.remembers());
                if let Some(one) = one.filter(|one| self.may_remember(one, situation)) {
                    turn.login.remember = Some(one.remember());
                }
                match on_file.filter(|one| one.opens_only) {
                    Some(contact) => turn.login.open(contact.id),
                    None => {
                        let set_up_here = turn.login.added == Some(authenticator);
                        turn.login.prove(Proven::factor(method, turn.now, set_up_here).told(told.proves));
                    }
                }
                turn.login.to_keep.extend(asked.challenge.gives);
                let kind = if method.is_backup() { EventKind::RecoveryCodeUsed } else { EventKind::FactorVerified };
                self.tell(kind, Some(caller), |event| event.with_subject(subject).with_method(method.name()));
                if method.is_backup() {
                    self.tell_owner(subject, Notice::RecoveryCodeUsed).await;
                }
                Ok(Looked::On(None))
            }
            Ok(Spent::No) => self.wrong(paid, method, subject, caller).await,
            Ok(Spent::Refused(cause)) => self.refused(cause, paid, (method, subject), caller).await,
            Ok(other) => self.not_yet(other, paid, &asked.challenge, (method, subject), caller).await,
            Err(error) => {
                paid.refund(&*self.store, self.now()).await?; // nobody learnt anything
                Err(error)
            }
        }
    }

    /// Charges an answer before it is looked at: to the account, and then to the challenge. Asking whether an answer has come
    /// costs nothing, since it guesses nothing.
    pub(super) async fn admit(
        &self,
        challenge: &Challenge,
        answer: &Answer,
        (method, subject): (&Method, &Subject),
        caller: &Caller,
        now: UnixTime,
    ) -> Result<Admitted, LoginError> {
        let (guess, partition) = (Guess::SecondFactor(method), self.subjects.partition(subject));
        let polls = matches!(answer, Answer::Poll);
        if polls && challenge.prompt.wait.is_none() {
            return Ok(Admitted::No(Looked::Elsewhere));
        }
        if challenge.expires_at.is_some_and(|at| now >= at) {
            return Ok(Admitted::No(Looked::On(Some(StepError::CodeExpired))));
        }
        if polls {
            return Ok(Admitted::Yes(Paid::default(), self.guesser(guess, partition, caller, now).await?));
        }
        let (paid, guesser) = self.pay(guess, partition, Some(subject), caller, now).await?;
        let Some(limit) = challenge.attempts else { return Ok(Admitted::Yes(paid, guesser)) };
        let counter = self.keys.counter("attempts at a challenge", &[challenge.id.as_bytes()]);
        let charge = Charge { counter, add: 1, limit, window: Login::LIFETIME };
        if self.store.charge(&[charge], now).await?.iter().all(|charged| charged.admitted) {
            return Ok(Admitted::Yes(paid, guesser));
        }
        paid.refund(&*self.store, self.now()).await?; // nothing will be compared
        Ok(Admitted::No(Looked::On(Some(StepError::AttemptsSpent))))
    }

    /// What comes from elsewhere has not come, or says no.
    pub(super) async fn not_yet(
        &self,
        spent: Spent,
        paid: Paid,
        challenge: &Challenge,
        (method, subject): (&Method, &Subject),
        caller: &Caller,
    ) -> Result<Looked, LoginError> {
        paid.refund(&*self.store, self.now()).await?;
        if !matches!(spent, Spent::Denied) {
            return Ok(Looked::Elsewhere); // the present step is shown again
        }
        // A page asks again and again; it is told once.
        let counter = self.keys.counter("denial told", &[challenge.id.as_bytes()]);
        let once = Charge { counter, add: 1, limit: 1, window: Login::LIFETIME };
        if self.store.charge(&[once], self.now()).await?.iter().all(|charged| charged.admitted) {
            self.tell(EventKind::FactorDenied, Some(caller), |event| {
                event.with_subject(subject).with_method(method.name())
            });
            self.tell_owner(subject, Notice::PushDenied).await;
        }
        Ok(Looked::On(Some(StepError::Denied)))
    }

    /// Whoever proves something else than mail is the owner of a password that was chosen by a link in a mail: from now on it is a
    /// password like any other.
    async fn note_owner(&self, turn: &Turn, subject: &Subject, method: &Method) -> Result<(), LoginError> {
        let by_mail = turn.login.proven.iter().any(|one| one.method == PASSWORD && one.channel == Some(Channel::Email));
        if by_mail && method.travels_by() != Some(Channel::Email) {
            self.change_links(self.subjects.partition(subject), turn.now, |links| links.password_by_mail = false)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn wrong(
        &self,
        paid: Paid,
        method: &Method,
        subject: &Subject,
        caller: &Caller,
    ) -> Result<Looked, LoginError> {
        self.failed_factor(("wrong_code", SECTION), paid, (method, subject), caller).await?;
        Ok(Looked::On(Some(StepError::WrongCode)))
    }

    /// What a key signed does not hold. Which check failed is told to operators alone.
    pub(super) async fn refused(
        &self,
        cause: &'static str,
        paid: Paid,
        (method, subject): (&Method, &Subject),
        caller: &Caller,
    ) -> Result<Looked, LoginError> {
        self.failed_factor((cause, "WebAuthn 3 §7"), paid, (method, subject), caller).await?;
        Ok(Looked::Anew(StepError::NotAccepted))
    }

    async fn failed_factor(
        &self,
        (cause, section): (&'static str, &'static str),
        paid: Paid,
        (method, subject): (&Method, &Subject),
        caller: &Caller,
    ) -> Result<(), LoginError> {
        self.tell(EventKind::FactorFailed, Some(caller), |event| {
            event.with_subject(subject).with_method(method.name()).with_cause(cause, section)
        });
        let account = self.subjects.partition(subject);
        self.failed_guess(paid, Guess::SecondFactor(method), (account, Some(subject)), caller).await
    }

    /// Tells what gives pause about a key that was accepted.
    pub(super) fn tell_doubts(&self, told: &Told, (method, subject): (&Method, &Subject), caller: &Caller) {
        for doubt in &told.doubts {
            self.tell(EventKind::CredentialSuspected, Some(caller), |event| {
                event.with_subject(subject).with_method(method.name()).with_cause(doubt, "WebAuthn 3 §7.2")
            });
        }
    }

    /// Judges an answer to what nobody set up. There is no record to spend it in: the challenge goes with the login's next step.
    async fn judge(
        &self,
        answered: &Answered<'_>,
        on_file: &Authenticator,
        challenge: &Challenge,
    ) -> Result<Spent, LoginError> {
        let at = answered.occasion(self, on_file.id, challenge);
        let verdict = answered.factor.verify(&at, &on_file.as_enrolled(), challenge, answered.answer).await;
        let Verdict(judged) = verdict.map_err(factor_failed(&on_file.method))?;
        Ok(match judged {
            Judged::Right(_, told) => Spent::Yes(told),
            Judged::Wrong | Judged::Again(_) => Spent::No,
            Judged::Refused(cause) => Spent::Refused(cause),
            Judged::Pending => Spent::Pending,
            Judged::Denied => Spent::Denied,
        })
    }

    /// Judges an answer and spends what it used, naming the login. Of requests that were judged by one state one wins; the
    /// others are judged again, and see it spent.
    ///
    /// An answer that this very login spent before is right again: a crash came between spending and the login's next step.
    pub(super) async fn spend(
        &self,
        answered: &Answered<'_>,
        authenticator: Id,
        challenge: &Challenge,
    ) -> Result<Spent, LoginError> {
        let spent_by = answered.spent_by(self, authenticator, challenge);
        for _ in 0..TRIES {
            let now = answered.turn.now;
            let read = Read::of(&*self.store, &*self.subjects, answered.subject, now).await?;
            let mut value = read.value.clone();
            let Some(asked) = read.value.find(authenticator) else { return Ok(Spent::No) };
            let at = answered.occasion(self, authenticator, challenge);
            let at = Occasion { enrolments: Some(&read.value), ..at };
            let verdict = answered.factor.verify(&at, &asked.as_enrolled(), challenge, answered.answer).await;
            let Verdict(judged) = verdict.map_err(factor_failed(&asked.method))?;
            let is_own = |by: Id| read.value.find(by).is_some_and(|one| one.spent_by.as_ref() == Some(&spent_by));
            let (state, told) = match judged {
                Judged::Right(state, told) => (state, told),
                Judged::Again(told) if told.by.is_some_and(is_own) => return Ok(Spent::Yes(told)),
                Judged::Wrong if is_own(authenticator) => return Ok(Spent::Yes(Told::default())),
                Judged::Wrong | Judged::Again(_) => return Ok(Spent::No),
                Judged::Refused(cause) => return Ok(Spent::Refused(cause)),
                Judged::Pending => return Ok(Spent::Pending),
                Judged::Denied => return Ok(Spent::Denied),
            };
            let Some(one) = value.find_mut(told.by.unwrap_or(authenticator)) else { return Ok(Spent::No) };
            if let Some(state) = state {
                one.state = state;
            }
            one.last_used = Some(now);
            one.spent_by = Some(spent_by.clone());
            let mut batch = Batch::new(read.key.partition, now, &*self.random)?;
            read.put(&mut batch, &value)?;
            match self.store.commit_surely(&batch).await {
                Ok(()) => return Ok(Spent::Yes(told)),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }
}

/// Whether an answer is looked at.
pub(super) enum Admitted {
    /// It is paid for.
    Yes(Paid, Guesser),
    No(Looked),
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spent {
    /// It is right, and spent.
    Yes(Told),
    No,
    /// Wrong, for this cause; the challenge is spent with it.
    Refused(&'static str),
    Pending,
    Denied,
}

/// An answer, and everything by which it is judged.
pub(super) struct Answered<'a> {
    pub(super) turn: &'a Turn,
    pub(super) subject: &'a Subject,
    pub(super) name: &'a str,
    pub(super) factor: &'a dyn Factor,
    pub(super) answer: &'a Answer,
}

impl Answered<'_> {
    /// Where the answer is judged: in the login, and by the authenticator and the challenge, that it was asked for.
    pub(super) fn occasion<'a>(&'a self, inner: &'a Inner, authenticator: Id, challenge: &Challenge) -> Occasion<'a> {
        let binding = Binding { login: self.turn.id, authenticator, challenge: challenge.id };
        inner.occasion((&self.turn.login, binding), self.subject, self.name, self.turn.now)
    }

    /// Who spends: this login, by this answer to this challenge.
    pub(super) fn spent_by(&self, inner: &Inner, authenticator: Id, challenge: &Challenge) -> SpentBy {
        let login = (self.turn.id.0, self.turn.login.begun_at);
        SpentBy::of(&inner.keys, login, (authenticator, challenge.id), self.answer.proof())
    }
}
