//! What settings must keep: nothing that is required goes out of reach, and who changes them can still sign in.

use countersign_primitives::{Acr, Requirement};

use super::{GeneralPolicy, Settings, SettingsError};
use crate::enrolments::{Authenticator, Read};
use crate::mfa::Inner;
use crate::{FirstEnrolment, Operator};

impl Inner {
    /// Which of the policies the code has, whatever is switched.
    pub(super) fn has_built_in(&self, policy: GeneralPolicy) -> bool {
        match policy {
            GeneralPolicy::AllApplications => {
                let everybody = self.policy.everybody().acr_value();
                everybody.is_some_and(|acr| self.table.satisfies(acr, &Acr::MFA))
            }
            GeneralPolicy::ConfidenceScore => self.policy.risk_policy().is_some(),
        }
    }

    /// Whether settings can be gone by.
    pub(super) fn check_settings(&self, settings: &Settings) -> Result<(), SettingsError> {
        let known = || self.factors.iter().map(|(method, _)| method.name().to_owned());
        if let Some(name) = settings.factors_off().find(|name| self.factor(name).is_none()) {
            return Err(SettingsError::UnknownFactor { name: name.to_owned(), known: known().collect() });
        }
        for (place, acr) in stated(settings) {
            if self.table.strength(acr).is_none() {
                return Err(SettingsError::UnknownClass { place, acr: acr.as_str().to_owned() });
            }
            let code = self.required.iter().filter(|(at, _)| *at == place).filter_map(|(_, asked)| asked.acr_value());
            if let Some(more) = code.into_iter().find(|code| !self.table.satisfies(acr, code)) {
                return Err(SettingsError::BelowFloor { what: format!("{} for {place}", more.as_str()) });
            }
        }
        let stated = stated(settings).map(|(place, acr)| (place, Requirement::at_least(acr.clone())));
        let policies = GeneralPolicy::ALL.iter().filter(|policy| settings.has_policy(**policy));
        let policies = policies.map(|policy| (format!("policy {:?}", policy.name()), Requirement::MFA));
        let policy = self.policy.requirements().cloned().map(|asked| ("the policy".to_owned(), asked));
        let required = self.required.iter().cloned().chain(policy).chain(policies).chain(stated);
        for (place, asked) in required {
            if let Some(acr) = asked.acr_value().filter(|acr| !self.attains_under(settings, acr)) {
                return Err(SettingsError::OutOfReach { place, acr: acr.as_str().to_owned() });
            }
        }
        let opens = |method: &crate::Method| settings.is_on(method.name());
        let by_mail_or_phone = self.policy.enrolment() == FirstEnrolment::VerifiedChannel;
        let way =
            |all: bool| self.factors.iter().any(|(method, factor)| factor.works_on_file() && (all || opens(method)));
        if self.policy.has_grace() && by_mail_or_phone && way(true) && !way(false) {
            return Err(SettingsError::GraceWithoutEnrolment);
        }
        Ok(())
    }

    /// Whether an operator who has a factor would still have one.
    pub(super) async fn check_operator(
        &self,
        operator: &Operator,
        before: &Settings,
        after: &Settings,
    ) -> Result<(), SettingsError> {
        let Some(subject) = operator.subject() else { return Ok(()) };
        let own = Read::of(&*self.store, &*self.subjects, subject, self.now()).await?.value.authenticators;
        let usable = |settings: &Settings, one: &Authenticator| {
            let method = self.factor(&one.method).map(|(method, _)| method);
            method.is_some_and(|method| !method.is_backup() && settings.is_on(method.name()))
        };
        let has_one = |settings| own.iter().any(|one| usable(settings, one));
        if has_one(before) && !has_one(after) { Err(SettingsError::LocksOperatorOut) } else { Ok(()) }
    }
}

/// What settings state, by the name of its place.
fn stated(settings: &Settings) -> impl Iterator<Item = (String, &Acr)> {
    let clients = settings.clients().map(|(client_id, acr)| (format!("client {client_id:?}"), acr));
    clients.chain(settings.scopes().map(|(scope, acr)| (format!("scope {scope:?}"), acr)))
}
