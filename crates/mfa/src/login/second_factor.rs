//! Answers to factors. What an answer spends is spent first, in the subject's partition; the login follows.

use countersign_events::EventKind;
use countersign_mfa_otp::normalise;
use countersign_primitives::{Id, Subject};
use countersign_storage_traits::{Batch, CommitError};

use super::engine::{Looked, Situation, Turn, factor_failed};
use super::machine::Stage;
use super::record::Proven;
use crate::enrolments::{Read, SpentBy};
use crate::factor::{Challenge, Enrolled, Factor, Verdict};
use crate::limits::{Guess, Paid, SECTION};
use crate::mfa::Inner;
use crate::{Answer, Caller, LoginError, Method, StepError};

/// How often a commit that lost to another is tried again. Of answers to one challenge one wins at once, so that only answers
/// to different challenges of one user keep each other busy.
pub(super) const TRIES: usize = 4;

impl Inner {
    /// Takes a code: the answer of an authenticator, or the first of one that is being set up.
    pub(super) async fn code(&self, turn: &mut Turn, answer: &Answer, caller: &Caller) -> Result<Looked, LoginError> {
        let (stage, situation) = self.settle(&mut turn.login, None, turn.now).await?;
        let (Some(situation), Some(subject)) = (situation, turn.login.subject.clone()) else {
            return Ok(Looked::Elsewhere);
        };
        match (stage, answer) {
            (Stage::Ask { authenticator, .. }, Answer::Code { .. }) => {
                self.verify(turn, &subject, &situation, authenticator, answer, caller).await
            }
            (Stage::Enrol { .. }, Answer::Enrol { .. }) => {
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
        let partition = self.subjects.partition(subject);
        let (paid, guesser) = self.pay(Guess::SecondFactor(method), partition, Some(subject), caller, turn.now).await?;
        let answered = Answered { turn, subject, name: situation.name(subject), factor: &**factor, answer };
        match self.spend(&answered, authenticator, &asked.challenge).await {
            Ok(true) => {
                // Whoever proves two factors is the owner, and no row of failures is left.
                paid.succeeded(self.counting(), &guesser, self.guessed(), self.now()).await?;
                turn.login.prove(Proven::factor(method, turn.now, false));
                let kind = if method.is_backup() { EventKind::RecoveryCodeUsed } else { EventKind::FactorVerified };
                self.tell(kind, Some(caller), |event| event.with_subject(subject).with_method(method.name()));
                Ok(Looked::On(None))
            }
            Ok(false) => self.wrong(paid, method, subject, caller).await,
            Err(error) => {
                paid.refund(&*self.store, self.now()).await?; // nobody learnt anything
                Err(error)
            }
        }
    }

    pub(super) async fn wrong(
        &self,
        paid: Paid,
        method: &Method,
        subject: &Subject,
        caller: &Caller,
    ) -> Result<Looked, LoginError> {
        self.tell(EventKind::FactorFailed, Some(caller), |event| {
            let event = event.with_subject(subject).with_method(method.name());
            event.with_cause("wrong_code", SECTION)
        });
        self.failed_guess(paid, Guess::SecondFactor(method), Some(subject), caller).await?;
        Ok(Looked::On(Some(StepError::WrongCode)))
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
    ) -> Result<bool, LoginError> {
        let spent_by = answered.spent_by(self, authenticator);
        for _ in 0..TRIES {
            let now = answered.turn.now;
            let read = Read::of(&*self.store, &*self.subjects, answered.subject, now).await?;
            let mut value = read.value.clone();
            let Some(one) = value.find_mut(authenticator) else { return Ok(false) };
            let at = self.occasion(answered.subject, answered.name, now);
            let verdict =
                answered.factor.verify(&at, &Enrolled { state: &one.state }, challenge, answered.answer).await;
            let Verdict(accepted) = verdict.map_err(factor_failed(&one.method))?;
            let Some(state) = accepted else { return Ok(one.spent_by.as_ref() == Some(&spent_by)) };
            if let Some(state) = state {
                one.state = state;
            }
            one.last_used = Some(now);
            one.spent_by = Some(spent_by.clone());
            let mut batch = Batch::new(read.key.partition, now, &*self.random)?;
            read.put(&mut batch, &value)?;
            match self.store.commit_surely(&batch).await {
                Ok(()) => return Ok(true),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }
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
    /// Who spends: this login, by this answer. The answer is kept as a keyed hash alone.
    pub(super) fn spent_by(&self, inner: &Inner, authenticator: Id) -> SpentBy {
        let login = self.turn.id.0;
        let code = normalise(self.answer.code_text().unwrap_or_default());
        // A login that begins anew under the same id is another one.
        let begun_at = self.turn.login.begun_at.as_millis().to_be_bytes();
        let parts: [&[u8]; 4] = [login.as_bytes(), &begun_at, authenticator.as_bytes(), code.expose().as_bytes()];
        SpentBy { login, answer: inner.keys.id("answer", &parts) }
    }
}
