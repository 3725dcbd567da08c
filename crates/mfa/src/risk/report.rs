//! What was found of a login, for an operator to read.

use std::fmt;
use std::net::IpAddr;

use countersign_primitives::{Requirement, Subject, UnixTime};
use serde::{Deserialize, Serialize};

use super::Confidence;

/// What was found of one login, and what came of it. It has no secret, and goes to whoever listens
/// ([`RiskPolicy::report`](super::RiskPolicy::report)); its text is the detail of the event `risk.judged`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskReport {
    pub(super) subject: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<IpAddr>,
    pub(super) at: UnixTime,
    pub(super) signals: Vec<SignalReport>,
    pub(super) score: u32,
    pub(super) confidence: Confidence,
    pub(super) outcome: RiskOutcome,
    pub(super) dry_run: bool,
}

/// What one signal said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SignalReport {
    /// Its name.
    pub name: String,
    /// What it counts at most.
    pub weight: u8,
    /// What it counts here.
    pub points: u8,
    /// Why.
    pub why: String,
    /// Its source failed, and it counts in full.
    pub failed: bool,
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RiskOutcome {
    /// Nothing more is asked.
    Nothing,
    /// This is asked, beside what all else asks.
    Asks(Requirement),
    /// The login is refused.
    Refuses,
}

impl RiskReport {
    /// Who signs in.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The client that the login is for, where it is for one.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Where the login comes from.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> UnixTime {
        self.at
    }

    /// What each signal said.
    #[must_use]
    pub fn signals(&self) -> &[SignalReport] {
        &self.signals
    }

    /// The points of all signals together.
    #[must_use]
    pub fn score(&self) -> u32 {
        self.score
    }

    /// How surely it is the owner.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        self.confidence
    }

    /// What comes of it; in a dry run, what would come of it.
    #[must_use]
    pub fn outcome(&self) -> &RiskOutcome {
        &self.outcome
    }

    /// Nothing comes of it: it is only reported.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// What is asked because of it.
    pub(crate) fn requirement(&self) -> &Requirement {
        match &self.outcome {
            RiskOutcome::Asks(requirement) if !self.dry_run => requirement,
            _ => const { &Requirement::NONE },
        }
    }

    /// Whether the login ends because of it.
    pub(crate) fn refuses(&self) -> bool {
        !self.dry_run && self.outcome == RiskOutcome::Refuses
    }

    /// Whether a first factor must not be set up in the login: at high risk never.
    pub(crate) fn bars_enrolment(&self) -> bool {
        !self.dry_run && self.confidence == Confidence::Low
    }

    /// The stable id of the confidence, as the cause of an event.
    pub(crate) fn cause(&self) -> &'static str {
        match self.confidence {
            Confidence::Low => "confidence.low",
            Confidence::Medium => "confidence.medium",
            Confidence::High => "confidence.high",
        }
    }
}

/// One line, such as `confidence medium, score 35: new_device 35 (no login with this browser before); asks phr`. Signals without points
/// are left out.
impl fmt::Display for RiskReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "confidence {}, score {}", self.confidence, self.score)?;
        let counted = self.signals.iter().filter(|signal| signal.points > 0 || signal.failed);
        for (at, SignalReport { name, points, why, .. }) in counted.enumerate() {
            write!(f, "{} {name} {points} ({why})", if at == 0 { ':' } else { ',' })?;
        }
        match (&self.outcome, self.dry_run) {
            (RiskOutcome::Nothing, _) => f.write_str("; asks nothing more")?,
            (RiskOutcome::Asks(requirement), false) => write!(f, "; asks {}", Asked(requirement))?,
            (RiskOutcome::Asks(requirement), true) => write!(f, "; would ask {}", Asked(requirement))?,
            (RiskOutcome::Refuses, false) => f.write_str("; refuses")?,
            (RiskOutcome::Refuses, true) => f.write_str("; would refuse")?,
        }
        if self.dry_run { f.write_str(" (dry run)") } else { Ok(()) }
    }
}

/// A requirement in words.
struct Asked<'a>(&'a Requirement);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.acr_value() {
            Some(acr) => f.write_str(acr.as_str())?,
            None => f.write_str("a login")?,
        }
        match self.0.max_age_value() {
            Some(age) => write!(f, " not older than {} s", age.as_secs()),
            None => Ok(()),
        }
    }
}
