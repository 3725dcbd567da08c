//! What is asked of whom, by how surely it is the owner.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use countersign_primitives::{AcrTable, Requirement};

use super::confidence::Thresholds;
use super::{
    AddressList, AnonymousNetwork, BreachedPassword, CompromisedAccount, Confidence, Finding, ImpossibleTravel,
    ListedAddress, NewCountry, NewDevice, Places, RecentFailures, RiskOutcome, RiskReport, RiskSignal, RiskSituation,
    SignalReport, UnusualHour, Velocity,
};
use crate::MfaConfigError;

/// Which signals look at a login, what they weigh, and what is asked for it: the adaptive part of a
/// [`Policy`](crate::Policy::risk).
///
/// ```
/// use countersign_mfa::Policy;
/// use countersign_mfa::risk::{AddressList, RiskPolicy};
/// use countersign_primitives::Requirement;
///
/// let bad: AddressList = "192.0.2.0/24".parse()?;
/// let risk = RiskPolicy::new()
///     .listed_addresses(bad)
///     .weight("unusual_hour", 0) // our people work at all hours
///     .at_low(Requirement::PHISHING_RESISTANT)
///     .report(|report| println!("{}: {report}", report.subject().as_str()));
/// let policy = Policy::never().risk(risk);
/// # let _ = policy;
/// # Ok::<(), countersign_mfa::risk::AddressListError>(())
/// ```
#[derive(Clone)]
pub struct RiskPolicy {
    signals: Vec<Arc<dyn RiskSignal>>,
    weights: BTreeMap<String, u8>,
    thresholds: Thresholds,
    at_medium: Requirement,
    at_low: Requirement,
    refuse_at_low: bool,
    dry_run: bool,
    places: Option<Arc<dyn Places>>,
    listeners: Vec<Arc<Listener>>,
}

/// Who reads reports.
type Listener = dyn Fn(&RiskReport) + Send + Sync;

impl fmt::Debug for RiskPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signals: Vec<_> = self.signals.iter().map(|signal| (signal.name(), self.weight_of(&**signal))).collect();
        f.debug_struct("RiskPolicy")
            .field("signals", &signals)
            .field("thresholds", &self.thresholds)
            .field("at_medium", &self.at_medium)
            .field("at_low", &self.at_low)
            .field("refuse_at_low", &self.refuse_at_low)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

impl Default for RiskPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl RiskPolicy {
    /// From which score on confidence is medium, and low, unless [`thresholds`](Self::thresholds) says otherwise.
    pub const DEFAULT_THRESHOLDS: (u32, u32) = (30, 60);

    /// The signals that need nothing of the host (`new_device`, `velocity`, `recent_failures`, `compromised`, `unusual_hour`), and a second factor
    /// wherever confidence is not high.
    #[must_use]
    pub fn new() -> Self {
        let none = Self {
            signals: Vec::new(),
            weights: BTreeMap::new(),
            thresholds: Thresholds { medium: Self::DEFAULT_THRESHOLDS.0, low: Self::DEFAULT_THRESHOLDS.1 },
            at_medium: Requirement::MFA,
            at_low: Requirement::MFA,
            refuse_at_low: false,
            dry_run: false,
            places: None,
            listeners: Vec::new(),
        };
        let (velocity, failures) = (Velocity::default(), RecentFailures::default());
        none.signal(NewDevice).signal(velocity).signal(failures).signal(CompromisedAccount).signal(UnusualHour)
    }

    /// Another signal; in place of one that has the same name.
    #[must_use]
    pub fn signal(mut self, signal: impl RiskSignal + 'static) -> Self {
        self.signals.retain(|earlier| earlier.name() != signal.name());
        self.signals.push(Arc::new(signal));
        self
    }

    /// Knows where addresses are, and looks at countries and at travels.
    #[must_use]
    pub fn places(mut self, places: impl Places + 'static) -> Self {
        self.places = Some(Arc::new(places));
        self.signal(NewCountry).signal(ImpossibleTravel::default())
    }

    /// Looks for addresses with a bad name, by a list of the host's.
    #[must_use]
    pub fn listed_addresses(self, list: AddressList) -> Self {
        self.signal(ListedAddress::new(list))
    }

    /// Looks for exits of anonymous networks (Tor, open proxies, VPNs), by a list of the host's.
    #[must_use]
    pub fn anonymous_networks(self, list: AddressList) -> Self {
        self.signal(AnonymousNetwork::new(list))
    }

    /// Asks of every password that is typed right whether it was lost elsewhere, where
    /// [`PasswordPolicy::breached`](crate::PasswordPolicy::breached) asks it of new ones: a request at each login.
    #[must_use]
    pub fn breached_passwords(self) -> Self {
        self.signal(BreachedPassword)
    }

    /// Gives a signal another weight, 0 to 100; more is 100. With 0 it is reported and counts for nothing, and does not matter when it
    /// fails.
    #[must_use]
    pub fn weight(mut self, signal: impl Into<String>, weight: u8) -> Self {
        self.weights.insert(signal.into(), weight);
        self
    }

    /// From which score on confidence is medium, and from which it is low. Default: 30 and 60.
    #[must_use]
    pub fn thresholds(mut self, medium_from: u32, low_from: u32) -> Self {
        self.thresholds = Thresholds { medium: medium_from, low: low_from };
        self
    }

    /// What is asked at medium confidence, and below it. Default: a second factor.
    #[must_use]
    pub fn at_medium(mut self, requirement: Requirement) -> Self {
        self.at_medium = requirement;
        self
    }

    /// What is asked at low confidence, beside what is asked at medium. Default: a second factor.
    #[must_use]
    pub fn at_low(mut self, requirement: Requirement) -> Self {
        self.at_low = requirement;
        self
    }

    /// Refuses logins at low confidence, whatever they could prove. Who travels with a new device is locked out then.
    #[must_use]
    pub fn refuse_at_low(mut self) -> Self {
        self.refuse_at_low = true;
        self
    }

    /// Asks for nothing and only reports: to see what would come of it.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Who reads what was found of each login. It must neither block nor fail.
    #[must_use]
    pub fn report(mut self, to: impl Fn(&RiskReport) + Send + Sync + 'static) -> Self {
        self.listeners.push(Arc::new(to));
        self
    }

    /// The names of its signals.
    pub fn signal_names(&self) -> impl Iterator<Item = &str> {
        self.signals.iter().map(|signal| signal.name())
    }

    pub(super) fn places_source(&self) -> Option<&dyn Places> {
        self.places.as_deref()
    }

    pub(super) fn tell(&self, report: &RiskReport) {
        for listener in &self.listeners {
            listener(report);
        }
    }

    /// Whether every password that is typed right is looked up.
    pub(crate) fn checks_passwords(&self) -> bool {
        self.signal_names().any(|name| name == BreachedPassword::NAME)
    }

    /// What it may ask, for which factors must do.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        [&self.at_medium, &self.at_low].into_iter().filter(|_| !self.dry_run)
    }

    /// Whether it can be carried out.
    pub(crate) fn check(&self, knows_lost_passwords: bool) -> Result<(), MfaConfigError> {
        let is_signal = |name: &&String| self.signal_names().any(|signal| signal == *name);
        if let Some(unknown) = self.weights.keys().find(|name| !is_signal(name)) {
            return Err(MfaConfigError::RiskSignal(unknown.clone()));
        }
        if !self.thresholds.are_sound() {
            return Err(MfaConfigError::RiskThresholds);
        }
        if self.checks_passwords() && !knows_lost_passwords {
            return Err(MfaConfigError::RiskWithoutBreached);
        }
        Ok(())
    }

    fn weight_of(&self, signal: &dyn RiskSignal) -> u8 {
        self.weights.get(signal.name()).copied().unwrap_or(signal.weight()).min(100)
    }

    /// What all signals find of a login.
    pub(super) async fn judge(&self, at: &RiskSituation<'_>, table: &AcrTable) -> RiskReport {
        let mut signals = Vec::with_capacity(self.signals.len());
        for signal in &self.signals {
            let weight = self.weight_of(&**signal);
            let (finding, failed) = match signal.look(at).await {
                Ok(finding) => (finding, false),
                Err(error) => {
                    tracing::warn!(signal = signal.name(), error = &*error, "a risk signal failed");
                    (Finding::risk("could not be told, and counts in full"), true)
                }
            };
            let (name, points) = (signal.name().to_owned(), finding.points(weight));
            signals.push(SignalReport { name, weight, points, why: finding.why, failed });
        }
        let score = signals.iter().map(|signal| u32::from(signal.points)).fold(0, u32::saturating_add);
        let failed = signals.iter().any(|signal| signal.failed && signal.weight > 0);
        let confidence = self.thresholds.confidence(score, failed);
        RiskReport {
            subject: at.subject.clone(),
            client_id: at.client_id.map(str::to_owned),
            address: at.address,
            at: at.now,
            signals,
            score,
            confidence,
            outcome: self.outcome(confidence, table),
            dry_run: self.dry_run,
        }
    }

    /// What is asked. At low confidence it is never less than at medium.
    fn outcome(&self, confidence: Confidence, table: &AcrTable) -> RiskOutcome {
        let asked = match confidence {
            Confidence::High => return RiskOutcome::Nothing,
            Confidence::Medium => self.at_medium.clone(),
            Confidence::Low if self.refuse_at_low => return RiskOutcome::Refuses,
            Confidence::Low => self.at_medium.clone().and(&self.at_low, table),
        };
        if asked.is_none() { RiskOutcome::Nothing } else { RiskOutcome::Asks(asked) }
    }
}
