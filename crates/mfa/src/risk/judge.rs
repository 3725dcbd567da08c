//! A login is judged: what signals look at is gathered, and what comes of it is kept with the login.

use countersign_accounts::Account;
use countersign_events::EventKind;
use countersign_primitives::{Id, SecretString, Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key};

use super::counts::Counts;
use super::history::{Remembered, RiskHistory};
use super::{PasswordSeen, Place, PlaceUntold, RiskPolicy, RiskReport, RiskSituation, Seen};
use crate::keys::RISK_HISTORY;
use crate::login::record::Login;
use crate::login::second_factor::TRIES;
use crate::login::situation::Situation;
use crate::mfa::Inner;
use crate::{Caller, LoginError};

impl Inner {
    /// Judges a login, once it is known who signs in. What is found stays with the login; before there is something, it is not done.
    pub(crate) async fn judge_risk(
        &self,
        login: &mut Login,
        situation: &Situation,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<(), LoginError> {
        let Some(risk) = self.risk_policy() else { return Ok(()) };
        let Some(subject) = login.subject.clone().filter(|_| login.has_first() && login.risk.is_none()) else {
            return Ok(());
        };
        let partition = self.subjects.partition(&subject);
        let history = self.risk_history(partition, now).await?.map(|found| found.value).unwrap_or_default();
        let place = self.place(risk, caller).await;
        let counts = Counts::of(&*self.store, &self.keys, partition, caller.address);
        let country = place.map(|place| self.country_id(partition, place));
        let marks = self.marks_of(partition, caller);
        let at = RiskSituation {
            subject: &subject,
            account: situation.account.as_ref(),
            client_id: login.client_id.as_deref(),
            address: caller.address,
            user_agent: caller.user_agent.as_deref(),
            now,
            device: history.device(&marks, login.epoch, now),
            place,
            country: country.map_or(Seen::Nothing, |country| history.country(country, now)),
            last_place: history.last_place(),
            hours: history.hours(),
            failures: counts.failures(now).await?,
            accounts_at_address: counts.tried(now).await?,
            password: login.password_seen,
            compromised: situation.enrolments.compromised_at(now),
        };
        let report = risk.judge(&at, &self.table).await;
        for failed in report.signals().iter().filter(|signal| signal.failed) {
            self.tell(EventKind::Failure, Some(caller), |event| {
                let event = event.with_subject(&subject).with_method(failed.name.as_str());
                event.with_cause("risk_signal_failed", "")
            });
        }
        // Whoever adds a factor proved one just now, or the call would not have been taken.
        if !report.requirement().is_none() && !login.course.adds() {
            let name = situation.account.as_ref().and_then(Account::name);
            login.forget_second_factors_before(now.minus(Login::LIFETIME), name);
        }
        login.risk = Some(report).filter(|_| login.has_first());
        Ok(())
    }

    /// Tells what was found of a login, once that is kept.
    pub(crate) fn tell_risk(&self, report: &RiskReport) {
        self.tell(EventKind::RiskJudged, None, |event| {
            let event = match report.address() {
                Some(address) => event.with_address(address),
                None => event,
            };
            let event = match report.client_id() {
                Some(client_id) => event.with_client_id(client_id),
                None => event,
            };
            event.with_subject(report.subject()).with_cause(report.cause(), "").with_detail(report.to_string())
        });
        if let Some(risk) = self.risk_policy() {
            risk.tell(report);
        }
    }

    /// Counts a guess that failed, at an account or at a name that nobody has.
    pub(crate) async fn count_failure(&self, account: Id, caller: &Caller, now: UnixTime) -> Result<(), LoginError> {
        if self.risk_policy().is_some() {
            Counts::of(&*self.store, &self.keys, account, caller.address).failed(now).await?;
        }
        Ok(())
    }

    /// Whether a password that was typed right was lost elsewhere, where a signal looks at that.
    pub(crate) async fn look_up_password(&self, password: &SecretString) -> PasswordSeen {
        if !self.risk_policy().is_some_and(RiskPolicy::checks_passwords) {
            return PasswordSeen::Unasked;
        }
        match self.passwords.was_lost(password).await {
            Some(Ok(false)) => PasswordSeen::NotLost,
            Some(Ok(true)) => PasswordSeen::Lost,
            Some(Err(error)) => {
                tracing::warn!(error = &*error, "whether a password was lost could not be told");
                PasswordSeen::Untold
            }
            None => PasswordSeen::Untold,
        }
    }

    /// Remembers a login that is done, by the browser that it was done with.
    pub(crate) async fn remember_risk(
        &self,
        login: &Login,
        subject: &Subject,
        device: Id,
        caller: &Caller,
        now: UnixTime,
    ) -> Result<(), LoginError> {
        let Some(risk) = self.risk_policy() else { return Ok(()) };
        let partition = self.subjects.partition(subject);
        let place = self.place(risk, caller).await.ok();
        let login = Remembered {
            device,
            epoch: login.epoch,
            two_factors: login.proved_second_factor(),
            country: place.map(|place| self.country_id(partition, place)),
            coordinates: place.flatten().and_then(|place| place.coordinates()),
            at: now,
        };
        for _ in 0..TRIES {
            let found = self.risk_history(partition, now).await?;
            let expect = found.as_ref().map_or(Expect::Absent, Found::unchanged);
            let mut history = found.map(|found| found.value).unwrap_or_default();
            history.remember(&login);
            let mut batch = Batch::new(partition, now, &*self.random)?;
            batch.put_value(Key::root(RISK_HISTORY, partition), expect, now.plus(RiskHistory::REMEMBERED), &history)?;
            match self.store.commit_surely(&batch).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }

    async fn risk_history(&self, partition: Id, now: UnixTime) -> Result<Option<Found<RiskHistory>>, LoginError> {
        Ok(self.store.find(Key::root(RISK_HISTORY, partition), now).await?)
    }

    async fn place(&self, risk: &RiskPolicy, caller: &Caller) -> Result<Option<Place>, PlaceUntold> {
        let places = risk.places_source().ok_or(PlaceUntold::NoSource)?;
        let Some(address) = caller.address else { return Ok(None) };
        places.place(address.to_canonical()).await.map_err(|error| {
            tracing::warn!(error = &*error, "where an address is could not be told");
            PlaceUntold::Failed
        })
    }

    /// Stands for a country, in the records of one user.
    fn country_id(&self, partition: Id, place: Option<Place>) -> Id {
        let country = place.as_ref().and_then(Place::country).unwrap_or_default();
        self.keys.id("risk country", &[partition.as_bytes(), country.as_bytes()])
    }
}
