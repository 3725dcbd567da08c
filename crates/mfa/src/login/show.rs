//! A stage of a login as the step that is shown.

use countersign_primitives::{Id, Subject, UnixTime};

use super::machine::{ENROL, Stage};
use super::record::Login;
use super::situation::Situation;
use super::{LoginId, MAGIC_LINK};
use crate::contact::Contact;
use crate::limits::PASSWORD;
use crate::mfa::Inner;
use crate::step::{
    ChooseStep, CodeStep, ContactStep, Done, EnrolStep, MagicLinkStep, PasswordStep, RecoveryCodesStep, Refused,
    RefusedReason, Step, WaitStep, Way, WebauthnStep,
};
use crate::{Caller, Challenge, Duty};

impl Inner {
    /// What a login in this stage shows.
    pub(super) fn show(
        &self,
        id: LoginId,
        login: &Login,
        stage: &Stage,
        situation: Option<&Situation>,
        caller: &Caller,
    ) -> Step {
        match stage {
            Stage::Password => Step::Password(PasswordStep {
                login_hint: login.first_name(),
                options: login.discovery.as_ref().and_then(|asked| asked.prompt.options.clone()),
                or: self.first_factors.magic_link.then(|| first_way(MAGIC_LINK)).into_iter().collect(),
                may_reset: self.may_reset(),
                error: None,
            }),
            Stage::MagicLink => Step::MagicLink(MagicLinkStep {
                login_hint: login.first_name(),
                options: login.discovery.as_ref().and_then(|asked| asked.prompt.options.clone()),
                sent: login.link_sent,
                or: self.first_factors.password.then(|| first_way(PASSWORD)).into_iter().collect(),
                error: None,
            }),
            Stage::Choose(ids) => {
                Step::Choose(ChooseStep { authenticators: self.ways(situation, ids), ..ChooseStep::default() })
            }
            Stage::ChooseEnrolment(methods) => {
                let skip_until = skip_until(situation);
                Step::Choose(ChooseStep { authenticators: self.methods_as_ways(methods), skip_until, error: None })
            }
            Stage::Ask { authenticator, others } => self.show_code(login, *authenticator, others, situation),
            Stage::Contact { method, channel, others } => Step::Contact(ContactStep {
                method: method.clone(),
                channel: *channel,
                or: self.methods_as_ways(others),
                skip_until: skip_until(situation),
                error: None,
            }),
            Stage::Invitation => Step::Code(CodeStep::of_invitation()),
            Stage::Enrol { others, .. } => self.show_enrolment(login, others, situation),
            Stage::KeepCodes => Step::RecoveryCodes(RecoveryCodesStep { codes: login.to_keep.clone() }),
            Stage::Done(signed_in) => {
                let new = login.marks_browser && caller.client.is_none();
                let marks = if new { caller.marks.with(self.mark_of(id)) } else { caller.marks.clone() };
                let marks = self.with_device(id, login, marks, caller);
                let at = login.done_at.unwrap_or(login.begun_at);
                Step::Done(Done { signed_in: signed_in.clone(), at, marks })
            }
            Stage::Unmet => Step::Refused(Refused { reason: reason(situation) }),
        }
    }

    fn ways(&self, situation: Option<&Situation>, ids: &[Id]) -> Vec<Way> {
        let enrolments = situation.map(|situation| &situation.enrolments);
        let named = ids.iter().filter_map(|id| enrolments?.find(*id));
        named.filter_map(|one| self.factor(&one.method).map(|(method, _)| one.way(method))).collect()
    }

    fn methods_as_ways(&self, methods: &[String]) -> Vec<Way> {
        let known = methods.iter().filter_map(|name| self.factor(name));
        known
            .map(|(method, _)| Way {
                id: format!("{ENROL}{}", method.name()),
                method: method.name().to_owned(),
                name: method.title().to_owned(),
                label: None,
                to: None,
            })
            .collect()
    }

    fn show_code(&self, login: &Login, authenticator: Id, others: &[Id], situation: Option<&Situation>) -> Step {
        let found = situation.and_then(|situation| situation.enrolments.find(authenticator));
        let challenge = login.asked.as_ref().map(|asked| &asked.challenge);
        let prompt = challenge.map(|challenge| &challenge.prompt);
        let method = found.map(|found| found.method.clone()).unwrap_or_default();
        let text = prompt.and_then(|prompt| prompt.text.clone());
        let label = found.and_then(|found| found.label.clone());
        let may_resend = challenge.is_some_and(Challenge::can_be_sent_again);
        let or = self.ways(situation, others);
        let may_remember_device = found.zip(situation).is_some_and(|(one, all)| self.may_remember(one, all));
        if let Some(options) = prompt.and_then(|prompt| prompt.options.clone()) {
            return Step::Webauthn(WebauthnStep { method, options, may_remember_device, or, error: None });
        }
        if let Some(wait) = prompt.and_then(|prompt| prompt.wait.clone()) {
            let (number, poll_every) = (wait.number, wait.every);
            return Step::Wait(WaitStep {
                method,
                number,
                text,
                label,
                poll_every,
                may_resend,
                may_remember_device: may_remember_device && !login.wishes_remembered,
                remembers_device: may_remember_device && login.wishes_remembered,
                resend_in: None,
                or,
                error: None,
            });
        }
        Step::Code(CodeStep {
            method,
            digits: prompt.and_then(|prompt| prompt.digits),
            text,
            label,
            to: found.and_then(|found| found.contact.as_ref()).map(Contact::masked),
            may_resend,
            resend_in: None,
            may_remember_device,
            or,
            error: None,
        })
    }

    fn show_enrolment(&self, login: &Login, others: &[String], situation: Option<&Situation>) -> Step {
        let (Some(enrolling), Some(subject)) = (&login.enrolling, &login.subject) else {
            return Step::Refused(Refused { reason: reason(situation) });
        };
        let account = situation.map_or_else(|| subject.as_str(), |situation| name(situation, subject));
        Step::Enrol(EnrolStep {
            method: enrolling.method.clone(),
            secret: enrolling.prompt.secret.clone(),
            otpauth_uri: enrolling.prompt.otpauth_uri.clone(),
            device_uri: enrolling.prompt.device_uri.clone(),
            options: enrolling.challenge.prompt.options.clone(),
            text: enrolling.prompt.text.clone(),
            question: enrolling.challenge.prompt.text.clone(),
            digits: enrolling.challenge.prompt.digits,
            account: account.to_owned(),
            to: enrolling.contact.as_ref().map(Contact::masked),
            may_resend: enrolling.challenge.can_be_sent_again(),
            resend_in: None,
            poll_every: enrolling.challenge.prompt.wait.as_ref().map(|wait| wait.every),
            or: self.methods_as_ways(others),
            skip_until: skip_until(situation),
            error: None,
        })
    }
}

/// Until when the user may put off what he is asked to set up.
fn skip_until(situation: Option<&Situation>) -> Option<UnixTime> {
    match situation {
        Some(Situation { may_skip: true, duty: Duty::Until(time), .. }) => Some(*time),
        _ => None,
    }
}

/// A way to say who signs in.
fn first_way(id: &str) -> Way {
    let name = if id == PASSWORD { "Password" } else { "Link by mail" };
    Way { id: id.to_owned(), method: id.to_owned(), name: name.to_owned(), label: None, to: None }
}

fn name<'a>(situation: &'a Situation, subject: &'a Subject) -> &'a str {
    situation.name(subject)
}

fn reason(situation: Option<&Situation>) -> RefusedReason {
    match situation {
        Some(situation) if situation.barred => RefusedReason::AccessDenied,
        _ => RefusedReason::UnmetAuthenticationRequirements,
    }
}
