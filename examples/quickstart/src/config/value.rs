//! Values that TOML has no type for.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A span of time, as people write it: `90s`, `5m`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let period = humantime::parse_duration(&text).ok().filter(|period| !period.is_zero());
        let wrong = || serde::de::Error::custom(format!("{text:?} is no span of time: write 90s, 5m, 12h or 30d"));
        period.map(Self).ok_or_else(wrong)
    }
}
