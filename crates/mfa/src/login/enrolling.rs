//! Setting up a factor: the first one within a login, or one more beside those that there are.

use countersign_events::EventKind;
use countersign_primitives::{Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError};

use super::engine::{Looked, Turn};
use super::machine;
use super::prepare::factor_failed;
use super::proven::Proven;
use super::record::{Enrolling, Login};
use super::second_factor::{Admitted, Answered, Spent, TRIES};
use super::situation::Situation;
use crate::account_events::By;
use crate::contact::Contact;
use crate::enrolments::{Authenticator, Enrolments, Read};
use crate::factor::{Enrolled, Judged, Occasion, RECOVERY_CODE, State, Told, Verdict};
use crate::mfa::Inner;
use crate::{Answer, Caller, Changed, LoginError, Notice};

/// What became of a first answer.
enum Confirmed {
    /// The factor is in force, and its recovery codes with it where the user had none.
    Yes { with_codes: bool, told: Told },
    /// The answer was wrong, or has not come.
    No(Spent),
    /// Another login was first: this user has a factor now, and it is that one that must be proven.
    Overtaken,
}

impl Inner {
    /// Takes the first answer of a factor that is being set up. The factor and its recovery codes come into force in one commit in
    /// the subject's partition; the login's step follows.
    pub(super) async fn confirm(
        &self,
        turn: &mut Turn,
        subject: &Subject,
        situation: &Situation,
        answer: &Answer,
        caller: &Caller,
    ) -> Result<Looked, LoginError> {
        let Some(enrolling) = turn.login.enrolling.clone() else { return Ok(Looked::Elsewhere) };
        let Some((method, factor)) = self.factor(&enrolling.method) else { return Ok(Looked::Elsewhere) };
        let admitted = self.admit(&enrolling.challenge, answer, (method, subject), caller, turn.now).await?;
        let paid = match admitted {
            Admitted::Yes(paid, _) => paid,
            Admitted::No(looked) => return Ok(looked),
        };
        let answered = Answered { turn, subject, name: situation.name(subject), factor: &**factor, answer };
        match self.put_in_force(&answered, &enrolling, caller).await {
            Ok(Confirmed::Yes { with_codes, told }) => {
                self.code_came_back(&enrolling.challenge, (enrolling.contact.as_ref(), false), turn.now).await?;
                paid.refund(&*self.store, self.now()).await?;
                turn.login.added = Some(enrolling.id);
                turn.login.enrolling = None;
                turn.login.epoch = self.epoch(subject).await?; // the change itself may have raised it
                turn.login.prove(Proven::factor(method, turn.now, true).told(told.proves));
                let recovery = enrolling.recovery.filter(|_| with_codes);
                turn.login.to_keep = recovery.map(|recovery| recovery.codes).unwrap_or_default();
                Ok(Looked::On(None))
            }
            Ok(Confirmed::No(Spent::Refused(cause))) => self.refused(cause, paid, (method, subject), caller).await,
            Ok(Confirmed::No(Spent::No | Spent::Yes(_))) => self.wrong(paid, method, subject, caller).await,
            Ok(Confirmed::No(other)) => {
                self.not_yet(other, paid, &enrolling.challenge, (method, subject), caller).await
            }
            Ok(Confirmed::Overtaken) => {
                paid.refund(&*self.store, self.now()).await?;
                Ok(Looked::Elsewhere)
            }
            Err(error) => {
                paid.refund(&*self.store, self.now()).await?;
                Err(error)
            }
        }
    }

    async fn put_in_force(
        &self,
        answered: &Answered<'_>,
        enrolling: &Enrolling,
        caller: &Caller,
    ) -> Result<Confirmed, LoginError> {
        let now = answered.turn.now;
        for _ in 0..TRIES {
            let read = Read::of(&*self.store, &*self.subjects, answered.subject, now).await?;
            if read.value.find(enrolling.id).is_some() {
                // It is in force: a crash came before the login's step. The user proves it once more, or repeats the answer.
                let recovery = enrolling.recovery.as_ref();
                let with_codes = recovery.is_some_and(|recovery| read.value.find(recovery.id).is_some());
                return Ok(match self.spend(answered, enrolling.id, &enrolling.challenge).await? {
                    Spent::Yes(told) => Confirmed::Yes { with_codes, told },
                    other => Confirmed::No(other),
                });
            }
            let login = &answered.turn.login;
            if !self.may_enrol(login, &read.value, now) {
                return Ok(Confirmed::Overtaken);
            }
            // What the session rests on may have ended since the login was read; whatever ends it after this meets the record that was read.
            if login.course.adds() && login.epoch != self.epoch(answered.subject).await? {
                return Err(LoginError::Expired);
            }
            // Two that are set up at once each made codes: the first ones count.
            let had_codes = read.value.authenticators.iter().any(Authenticator::is_recovery);
            let enrolling = &match had_codes {
                true => Enrolling { recovery: None, ..enrolling.clone() },
                false => enrolling.clone(),
            };
            let at = answered.occasion(self, enrolling.id, &enrolling.challenge);
            let at = Occasion { enrolments: Some(&read.value), ..at };
            let contact = enrolling.contact.as_ref().map(Contact::to);
            let enrolled = Enrolled { state: &enrolling.state, contact };
            let verdict = answered.factor.verify(&at, &enrolled, &enrolling.challenge, answered.answer).await;
            let Verdict(judged) = verdict.map_err(factor_failed(&enrolling.method))?;
            let (state, told) = match judged {
                Judged::Right(state, told) => (state, told),
                Judged::Refused(cause) => return Ok(Confirmed::No(Spent::Refused(cause))),
                Judged::Wrong | Judged::Again(_) => return Ok(Confirmed::No(Spent::No)),
                Judged::Pending => return Ok(Confirmed::No(Spent::Pending)),
                Judged::Denied => return Ok(Confirmed::No(Spent::Denied)),
            };
            if let Some(name) = told.unique
                && !self.reserve_name(name, answered.subject, enrolling.id, now).await?
            {
                return Ok(Confirmed::No(Spent::Refused("registration.not_new")));
            }
            let state = state.unwrap_or_else(|| enrolling.state.clone());
            if self.enrol(&read, answered, (enrolling, state), caller).await? {
                self.tell_enrolled(answered.subject, enrolling, caller);
                let invitation = read.value.invitation.as_ref();
                if invitation.is_some_and(|invitation| answered.turn.login.opened == Some(invitation.id)) {
                    self.tell_invitation(EventKind::InvitationUsed, answered.subject);
                }
                self.tell_owner(answered.subject, Notice::FactorEnrolled(self.title(&enrolling.method))).await;
                return Ok(Confirmed::Yes { with_codes: enrolling.recovery.is_some(), told });
            }
        }
        Err(LoginError::Contended)
    }

    /// Whether the factor may still come into force: a first one, as the policy lets it; another one in a login that is for that, by
    /// somebody who proved one that was there (M25).
    fn may_enrol(&self, login: &Login, enrolments: &Enrolments, now: UnixTime) -> bool {
        let joins = machine::may_join(login, &self.table);
        if enrolments.has_factor() {
            let room = enrolments.authenticators.len() + 2 <= Enrolments::MAX; // recovery codes may come with it
            return room && joins;
        }
        joins || self.still_invited(login, enrolments, now)
    }

    /// Writes factor and recovery codes, if nobody was first.
    async fn enrol(
        &self,
        read: &Read,
        answered: &Answered<'_>,
        (enrolling, state): (&Enrolling, State),
        caller: &Caller,
    ) -> Result<bool, LoginError> {
        let now = answered.turn.now;
        let mut value = read.value.clone();
        value.invitation = None; // it served
        let spent_by = Some(answered.spent_by(self, enrolling.id, &enrolling.challenge));
        let proven = Authenticator::fresh(enrolling.id, &enrolling.method, state, now);
        let proven = Authenticator { spent_by, contact: enrolling.contact.clone(), ..proven };
        let label = answered.factor.label(&proven.as_enrolled());
        value.authenticators.push(Authenticator { label, ..proven });
        if let Some(recovery) = &enrolling.recovery {
            value.authenticators.push(Authenticator::fresh(recovery.id, RECOVERY_CODE, recovery.state.clone(), now));
        }
        let mut batch = Batch::new(read.key.partition, now, &*self.random)?;
        read.put(&mut batch, &value)?;
        let change = if read.value.has_factor() { Changed::FactorEnrolled } else { Changed::FirstFactorEnrolled };
        let (title, by) = (self.title(&enrolling.method), By::from(caller));
        let changing = self.changing(answered.subject, change, (Some(title), Some(&by)), &mut batch);
        changing.await.map_err(LoginError::Subjects)?;
        match self.store.commit_surely(&batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn tell_enrolled(&self, subject: &Subject, enrolling: &Enrolling, caller: &Caller) {
        self.tell(EventKind::FactorEnrolled, Some(caller), |event| {
            event.with_subject(subject).with_method(&enrolling.method)
        });
        if enrolling.recovery.is_some() {
            self.tell(EventKind::RecoveryCodesIssued, Some(caller), |event| event.with_subject(subject));
        }
    }
}
