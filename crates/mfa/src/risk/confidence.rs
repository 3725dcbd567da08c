//! How surely it is the owner.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How surely it is the owner who signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Much speaks against it: high risk.
    Low,
    /// Something speaks against it, or could not be looked at.
    Medium,
    /// Little or nothing speaks against it.
    High,
}

impl Confidence {
    /// The stable name, for events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// From which score on confidence is medium, and low.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thresholds {
    pub(super) medium: u32,
    pub(super) low: u32,
}

impl Thresholds {
    /// Whether there is a high confidence, and medium is not above low.
    pub(super) fn are_sound(self) -> bool {
        0 < self.medium && self.medium <= self.low
    }

    /// What a score means. Where a signal failed, nobody knows what it would have said: confidence is not high.
    pub(super) fn confidence(self, score: u32, failed: bool) -> Confidence {
        match score {
            score if score >= self.low => Confidence::Low,
            score if score >= self.medium || failed => Confidence::Medium,
            _ => Confidence::High,
        }
    }
}
