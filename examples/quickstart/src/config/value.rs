//! Values that TOML has no type for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign::SecretString;
use countersign::mfa::Budget;
use serde::de::{Error as _, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A span of time, as people write it: `90s`, `5m`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let period = humantime::parse_duration(&text).ok().filter(|period| !period.is_zero());
        let wrong = || D::Error::custom(format!("{text:?} is no span of time: write 90s, 5m, 12h or 30d"));
        period.map(Self).ok_or_else(wrong)
    }
}

/// The same, or `off`: no time at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeriodOrOff(pub(crate) Duration);

impl<'de> Deserialize<'de> for PeriodOrOff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self(Duration::ZERO));
        }
        Period::deserialize(text.into_deserializer()).map(|Period(lasts)| Self(lasts))
    }
}

/// So many in a window.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetEntry {
    attempts: u32,
    window: Period,
}

impl From<BudgetEntry> for Budget {
    fn from(entry: BudgetEntry) -> Self {
        Self::new(entry.attempts, entry.window.0)
    }
}

/// Where a secret is: `{ env = "NAME" }` or `{ file = "PATH" }`. It never stands in the file itself, which people copy and show around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretEntry {
    Env(String),
    File(PathBuf),
}

impl SecretEntry {
    /// The secret, without the line's end that editors put behind it. A file is looked for from `folder` on.
    pub(crate) fn read(&self, folder: &Path) -> Result<SecretString, String> {
        let (text, place) = match self {
            Self::Env(name) => {
                let text = std::env::var(name);
                (text.map_err(|_| format!("the variable {name} is not set, or is no text"))?, name.clone())
            }
            Self::File(path) => {
                let path = folder.join(path);
                let text = std::fs::read_to_string(&path);
                (
                    text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
                    path.display().to_string(),
                )
            }
        };
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() { Err(format!("{place} is empty")) } else { Ok(SecretString::new(secret)) }
    }
}

impl<'de> Deserialize<'de> for SecretEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretPlace)
    }
}

struct SecretPlace;

impl SecretPlace {
    const CURE: &str = "write { env = \"NAME\" } or { file = \"PATH\" }";
}

impl<'de> Visitor<'de> for SecretPlace {
    type Value = SecretEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the place of a secret: {}", Self::CURE)
    }

    /// What stands there is a secret, and must not be repeated.
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<SecretEntry, E> {
        Err(E::custom(format!("a secret does not stand in this file: {}", Self::CURE)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<SecretEntry, A::Error> {
        let place = match members.next_key::<String>()?.as_deref() {
            Some("env") => SecretEntry::Env(members.next_value()?),
            Some("file") => SecretEntry::File(members.next_value()?),
            _ => return Err(A::Error::custom(format!("this is no place of a secret: {}", Self::CURE))),
        };
        match members.next_key::<String>()? {
            None => Ok(place),
            Some(_) => Err(A::Error::custom(format!("a secret has one place: {}", Self::CURE))),
        }
    }
}
