//! What policy and hooks have to say of a login.

use countersign_accounts::Account;
use countersign_events::EventKind;
use countersign_primitives::{BoxError, Requirement, Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError};

use super::record::Login;
use super::second_factor::TRIES;
use super::situation::Situation;
use super::{FirstFactor, Ordered};
use crate::enrolments::{Enrolments, Read};
use crate::mfa::Inner;
use crate::{Compromised, Duty, LoginError, PolicyInput};

impl Inner {
    /// What the policy asks of a user who is there and can prove more: after a compromise, the factor too.
    #[cfg(feature = "oauth")]
    pub(crate) async fn asked_of_user(
        &self,
        subject: &Subject,
        account: Option<&Account>,
        client: Option<&str>,
    ) -> Result<Requirement, LoginError> {
        self.refresh_settings().await?;
        let now = self.now();
        let mut enrolments = Read::of(&*self.store, &*self.subjects, subject, now).await?.value;
        self.add_on_file(&mut enrolments, account, subject, now);
        self.asked(subject, account, client, &enrolments, now).await
    }

    /// The same, of a user of whom this is known.
    pub(super) async fn asked(
        &self,
        subject: &Subject,
        account: Option<&Account>,
        client: Option<&str>,
        enrolments: &Enrolments,
        now: UnixTime,
    ) -> Result<Requirement, LoginError> {
        let duty = self.policy.duty(enrolments.has_factor(), enrolments.met_at, now);
        let compromised = enrolments.compromised_at(now);
        let floor = self.floor(subject, account, client, (duty, compromised), now).await?;
        // Whoever got in may have the password and a remembered device; the owner has the factor.
        let proves = compromised.is_some() && enrolments.has_factor();
        let floor = if proves { floor.and(const { &Requirement::MFA.never_remembered() }, &self.table) } else { floor };
        let lacks = enrolments.must_have && !enrolments.has_factor();
        Ok(if lacks { floor.and(const { &Requirement::MFA }, &self.table) } else { floor })
    }

    /// What the policy asks of a user for this client where nobody can be asked: of a grant that goes on.
    #[cfg(feature = "oauth")]
    pub(crate) async fn asked_of_grant(
        &self,
        subject: &Subject,
        account: Option<&Account>,
        client: Option<&str>,
    ) -> Result<Requirement, LoginError> {
        self.refresh_settings().await?;
        let now = self.now();
        let duty = if self.policy.has_grace() {
            let mut enrolments = Read::of(&*self.store, &*self.subjects, subject, now).await?.value;
            self.add_on_file(&mut enrolments, account, subject, now);
            self.policy.duty(enrolments.has_factor(), enrolments.met_at, now)
        } else {
            Duty::None
        };
        self.floor(subject, account, client, (duty, None), now).await
    }

    /// Whether a user has a factor, set up or on file, that another one may only join after it was proven.
    #[cfg(feature = "oauth")]
    pub(crate) async fn has_factor_or_contact(
        &self,
        subject: &Subject,
        account: Option<&Account>,
    ) -> Result<bool, LoginError> {
        let now = self.now();
        let mut enrolments = Read::of(&*self.store, &*self.subjects, subject, now).await?.value;
        self.add_on_file(&mut enrolments, account, subject, now);
        Ok(enrolments.has_factor())
    }

    async fn floor(
        &self,
        subject: &Subject,
        account: Option<&Account>,
        client: Option<&str>,
        (duty, compromised): (Duty, Option<Compromised>),
        now: UnixTime,
    ) -> Result<Requirement, LoginError> {
        let input = PolicyInput::of(subject, now).with_account(account).for_client(client).with_duty(duty);
        let input = input.with_compromised(compromised);
        let asked = self.policy.requirement(&input, &self.table).await.map_err(LoginError::Policy)?;
        Ok(asked.and(&self.run_time.settings().asked(duty, client, &self.table), &self.table))
    }

    /// What a user has. Notes when a policy that wants everybody to have a factor first met one who has none, and takes away an invitation
    /// that is over, so that it is told once.
    pub(super) async fn met(&self, subject: &Subject, now: UnixTime) -> Result<Enrolments, LoginError> {
        for _ in 0..TRIES {
            let read = Read::of(&*self.store, &*self.subjects, subject, now).await?;
            let known = !self.policy.has_grace() || read.value.has_factor() || read.value.met_at.is_some();
            let over = read.value.invitation_is_over(now);
            if known && !over {
                return Ok(read.value);
            }
            let mut met = read.value.clone();
            if !known {
                met.met_at = Some(now);
            }
            if over {
                met.invitation = None;
            }
            let mut batch = Batch::new(read.key.partition, now, &*self.random)?;
            read.put(&mut batch, &met)?;
            match self.store.commit_surely(&batch).await {
                Ok(()) => {
                    if over {
                        self.tell_invitation(EventKind::InvitationExpired, subject);
                    }
                    return Ok(met);
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }

    /// Asks the hooks, once it is known who signs in. Their answer stays with the login; before there is one, it is not done.
    pub(super) async fn heed_hooks(
        &self,
        login: &mut Login,
        situation: &mut Situation,
        now: UnixTime,
    ) -> Result<(), LoginError> {
        // Somebody who adds a factor has signed in before.
        let signs_in = !login.course.adds();
        if !self.hooks.is_empty() && signs_in && login.has_first() && login.ordered.is_none() {
            let ordered = self.ordered(login, situation, now).await.map_err(LoginError::Hook)?;
            let age = ordered.requirement.max_age_value();
            login.ordered = Some(ordered);
            if let Some(age) = age {
                let name = situation.account.as_ref().and_then(Account::name);
                login.forget_before(UnixTime::from_secs(now.as_secs()).minus(age), name);
            }
        }
        situation.barred |= login.is_denied();
        Ok(())
    }

    async fn ordered(&self, login: &Login, situation: &Situation, now: UnixTime) -> Result<Ordered, BoxError> {
        let Some(subject) = &login.subject else { return Ok(Ordered::default()) };
        let first = FirstFactor {
            subject,
            account: situation.account.as_ref(),
            client_id: login.client_id.as_deref(),
            address: login.address,
            requirement: &login.requirement,
            context: &login.context,
            has_factor: situation.enrolments.has_factor(),
            now,
        };
        let ordered = Ordered::by(&self.hooks, &first, &self.table).await?;
        // A session that is stepped up keeps what it learnt before.
        Ok(Ordered { claims: login.claims().and(&ordered.claims)?, ..ordered })
    }
}
