//! What a stage needs: a challenge, something to set up.

use countersign_primitives::{Subject, UnixTime};

use super::LoginId;
use super::machine::Stage;
use super::record::{Asked, Enrolling, Login, NewRecoveryCodes, Typed};
use super::situation::Situation;
use crate::LoginError;
use crate::contact::Contact;
use crate::enrolments::Authenticator;
use crate::factor::{Binding, Enrolled, Factor, FactorError, Occasion};
use crate::mfa::Inner;

impl Inner {
    pub(super) async fn prepare(
        &self,
        id: LoginId,
        login: &mut Login,
        stage: &Stage,
        subject: &Subject,
        situation: &Situation,
        now: UnixTime,
    ) -> Result<(), LoginError> {
        match stage {
            Stage::Ask { authenticator, .. } => {
                login.enrolling = None;
                let asked_already = login.asked.as_ref().is_some_and(|asked| asked.authenticator == *authenticator);
                let enrolled = situation.enrolments.find(*authenticator).filter(|_| !asked_already);
                if let Some((enrolled, factor)) = enrolled.and_then(|one| Some((one, self.factor(&one.method)?.1))) {
                    let challenge = self.random.id()?;
                    let binding = Binding { login: id, authenticator: *authenticator, challenge };
                    let languages = situation.languages(login);
                    let at = self.occasion((login, binding), subject, situation.name(subject), now);
                    let at = Occasion { languages: Some(&languages), enrolments: Some(&situation.enrolments), ..at };
                    let made = factor.challenge(&at, &enrolled.as_enrolled()).await;
                    let made = made.map_err(factor_failed(&enrolled.method))?.named(challenge);
                    login.asked = Some(Asked { authenticator: *authenticator, challenge: made });
                }
            }
            Stage::Enrol { method, .. } => {
                login.asked = None;
                if login.enrolling.as_ref().is_none_or(|enrolling| enrolling.method != *method)
                    && let Some((_, factor)) = self.factor(method)
                {
                    let binding = Binding { login: id, authenticator: self.random.id()?, challenge: self.random.id()? };
                    let languages = situation.languages(login);
                    let at = self.occasion((login, binding), subject, situation.name(subject), now);
                    let at = Occasion { languages: Some(&languages), enrolments: Some(&situation.enrolments), ..at };
                    let has_codes = situation.enrolments.authenticators.iter().any(Authenticator::is_recovery);
                    let begun = self.begin_enrolment(method, &**factor, &at, (login.contact.as_ref(), has_codes)).await;
                    login.enrolling = Some(begun.map_err(factor_failed(method))?);
                }
            }
            _ => {
                login.asked = None;
                login.enrolling = None;
            }
        }
        Ok(())
    }

    async fn begin_enrolment(
        &self,
        method: &str,
        factor: &dyn Factor,
        at: &Occasion<'_>,
        (typed, has_codes): (Option<&Typed>, bool),
    ) -> Result<Enrolling, FactorError> {
        let contact = typed.filter(|typed| typed.method == method).map(|typed| typed.contact.clone());
        let to = contact.as_ref().map(Contact::to);
        let enrolment = factor.enrol(&Occasion { contact: to, ..*at }).await?;
        let challenge = factor.challenge(at, &Enrolled { state: &enrolment.state, contact: to }).await?;
        let recovery = match self.recovery.as_ref().filter(|_| !has_codes) {
            Some(recovery) => {
                let (codes, state) = recovery.generate(&*self.random, at.subject())?;
                Some(NewRecoveryCodes { id: self.random.id()?, codes, state })
            }
            None => None,
        };
        Ok(Enrolling {
            id: at.binding.authenticator,
            method: method.to_owned(),
            prompt: enrolment.prompt,
            state: enrolment.state,
            challenge: challenge.named(at.binding.challenge),
            contact,
            recovery,
        })
    }

    pub(crate) fn occasion<'a>(
        &'a self,
        (login, binding): (&'a Login, Binding),
        subject: &'a Subject,
        account: &'a str,
        now: UnixTime,
    ) -> Occasion<'a> {
        Occasion {
            now,
            subject,
            account,
            random: &*self.random,
            keys: &self.keys,
            texts: &self.texts,
            languages: None,
            host: self.host.as_deref(),
            client: login.client.as_deref(),
            address: login.address,
            known: None,
            contact: None,
            enrolments: None,
            beside_another: login.has_first(),
            replaces_codes: !login.is_led(),
            binding,
        }
    }
}

pub(super) fn factor_failed(method: &str) -> impl FnOnce(FactorError) -> LoginError {
    let method = method.to_owned();
    move |source| LoginError::Factor { method, source }
}
