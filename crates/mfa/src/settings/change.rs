//! Reading and changing what is switched while the server runs.

use countersign_events::EventKind;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{Batch, CommitError};

use super::held::Stand;
use super::{GeneralPolicy, Settings, SettingsError, SettingsVersion};
use crate::authenticators::TRIES;
use crate::{Method, Mfa, Operator};

/// The settings that are switched while the server runs: one record for all nodes. A change is in force on this node at once, and on
/// others within five seconds.
///
/// What it does needs no proof, so it is for a host's own code, which has made sure who is asking.
///
/// ```
/// # use countersign_mfa::{Mfa, Operator, SettingsError};
/// # async fn example(mfa: Mfa) -> Result<(), SettingsError> {
/// let by = Operator::host("incident 42");
/// mfa.settings().change(&by, None, |settings| settings.switch_factor("sms", false)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct RunTimeSettings(Mfa);

impl Mfa {
    /// What is switched while the server runs.
    #[must_use]
    pub fn settings(&self) -> RunTimeSettings {
        RunTimeSettings(self.clone())
    }
}

impl RunTimeSettings {
    /// The settings as they stand in the store, and the name of that state.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(&self) -> Result<(Settings, SettingsVersion), SettingsError> {
        let Stand { settings, version, .. } = self.0.0.settings_stand(self.0.0.now()).await?;
        Ok((settings, version))
    }

    /// The factors that there are, recovery codes too, whether switched on or off.
    pub fn factors(&self) -> impl Iterator<Item = &Method> {
        self.0.0.factors.iter().map(|(method, _)| method)
    }

    /// The policies in force under these settings, those of the code among them.
    #[must_use]
    pub fn policies(&self, settings: &Settings) -> Vec<GeneralPolicy> {
        let in_force = |policy: &GeneralPolicy| settings.has_policy(*policy) || self.0.0.has_built_in(*policy);
        GeneralPolicy::ALL.iter().copied().filter(in_force).collect()
    }

    /// Changes the settings by compare-and-set. With `seen` only if they still are in that state; without it the change is tried
    /// again on what somebody else left, so it should say no more than what is to be different. Events tell who changed what
    /// ([`EventKind::SettingsChanged`]).
    ///
    /// # Errors
    /// [`SettingsError`] says why they stay as they are.
    pub async fn change(
        &self,
        by: &Operator,
        seen: Option<SettingsVersion>,
        change: impl Fn(&mut Settings),
    ) -> Result<(Settings, SettingsVersion), SettingsError> {
        self.try_change(by, seen, |settings| {
            change(settings);
            Ok(())
        })
        .await
    }

    /// The same, where the change itself may not be possible.
    ///
    /// # Errors
    /// [`SettingsError`] says why they stay as they are.
    pub async fn try_change(
        &self,
        by: &Operator,
        seen: Option<SettingsVersion>,
        change: impl Fn(&mut Settings) -> Result<(), SettingsError>,
    ) -> Result<(Settings, SettingsVersion), SettingsError> {
        let inner = &*self.0.0;
        for _ in 0..TRIES {
            let now = inner.now();
            let stand = inner.settings_stand(now).await?;
            if seen.is_some_and(|seen| seen != stand.version) {
                return Err(SettingsError::Changed { present: stand.version });
            }
            let mut settings = stand.settings.clone();
            change(&mut settings)?;
            if settings == stand.settings {
                return Ok((settings, stand.version));
            }
            inner.check_settings(&settings)?;
            inner.check_operator(by, &stand.settings, &settings).await?;
            let mut batch = Batch::new(stand.key.partition, now, &*inner.random)?;
            batch.put_value(stand.key, stand.expect, UnixTime::MAX, &settings)?;
            match inner.store.commit_surely(&batch).await {
                Ok(()) => {
                    inner.run_time.put(settings.clone(), now);
                    inner.tell(EventKind::SettingsChanged, None, |event| {
                        let said = serde_json::json!({ "before": stand.settings, "after": settings });
                        by.on(event.with_detail(said.to_string()))
                    });
                    return Ok((settings, SettingsVersion(Some(batch.id()))));
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(SettingsError::Contended)
    }

    /// Puts these policies in force in place of those that were switched on before.
    ///
    /// # Errors
    /// [`SettingsError::BelowFloor`] where one is missing that the code has; else as [`change`](Self::change).
    pub async fn set_policies(
        &self,
        by: &Operator,
        seen: Option<SettingsVersion>,
        policies: &[GeneralPolicy],
    ) -> Result<(Settings, SettingsVersion), SettingsError> {
        self.try_change(by, seen, |settings| self.put_policies(settings, policies)).await
    }

    /// The same, within a change of more.
    ///
    /// # Errors
    /// [`SettingsError::BelowFloor`] where one is missing that the code has.
    pub fn put_policies(&self, settings: &mut Settings, policies: &[GeneralPolicy]) -> Result<(), SettingsError> {
        for policy in GeneralPolicy::ALL {
            match (self.0.0.has_built_in(*policy), policies.contains(policy)) {
                (true, false) => {
                    return Err(SettingsError::BelowFloor { what: format!("policy {:?}", policy.name()) });
                }
                (false, true) => settings.add_policy(*policy),
                (true, true) | (false, false) => settings.remove_policy(*policy),
            }
        }
        Ok(())
    }
}
