//! The table `[mfa.risk]`: what speaks against a login, and what is asked then.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use countersign::mfa::risk::{AddressList, GeoDatabase, RiskPolicy};
use serde::Deserialize;
use toml::Spanned;

use super::ConfigFileError;
use super::entries::RequirementEntry;

/// What speaks against a login. Files are named from where the configuration file is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RiskEntry {
    weights: BTreeMap<Spanned<String>, u8>,
    medium_from: Option<Spanned<u32>>,
    low_from: Option<Spanned<u32>>,
    at_medium: Option<RequirementEntry>,
    at_low: Option<RequirementEntry>,
    refuse_at_low: bool,
    dry_run: bool,
    geoip: Option<Spanned<PathBuf>>,
    listed_addresses: Option<Spanned<PathBuf>>,
    anonymous_networks: Option<Spanned<PathBuf>>,
}

impl RiskEntry {
    /// Reads the files that the table names.
    pub(super) fn load(&self, file: &Path, text: &str) -> Result<RiskPolicy, ConfigFileError> {
        let at =
            |span: &Range<usize>, problem: &dyn Display| ConfigFileError::at(file, text, span, problem.to_string());
        let beside = |name: &Spanned<PathBuf>| file.parent().unwrap_or(Path::new("")).join(name.get_ref());
        let list = |name: &Spanned<PathBuf>| AddressList::load(beside(name)).map_err(|error| at(&name.span(), &error));
        let mut risk = RiskPolicy::new();
        if let Some(name) = &self.geoip {
            risk = risk.places(GeoDatabase::open(beside(name)).map_err(|error| at(&name.span(), &error))?);
        }
        if let Some(name) = &self.listed_addresses {
            risk = risk.listed_addresses(list(name)?);
        }
        if let Some(name) = &self.anonymous_networks {
            risk = risk.anonymous_networks(list(name)?);
        }
        for (name, weight) in &self.weights {
            let known: Vec<_> = risk.signal_names().collect();
            if !known.contains(&name.get_ref().as_str()) {
                let problem =
                    format!("no signal {:?} looks at logins here: write one of {}", name.get_ref(), known.join(", "));
                return Err(at(&name.span(), &problem));
            }
            if *weight > 100 {
                return Err(at(&name.span(), &"a weight is 0 to 100"));
            }
            risk = risk.weight(name.get_ref(), *weight);
        }
        let usual = RiskPolicy::DEFAULT_THRESHOLDS;
        let value = |given: &Option<Spanned<u32>>, usual| given.as_ref().map_or(usual, |given| *given.get_ref());
        let (medium, low) = (value(&self.medium_from, usual.0), value(&self.low_from, usual.1));
        if let Some(given) = self.low_from.as_ref().or(self.medium_from.as_ref())
            && (medium == 0 || low < medium)
        {
            let problem =
                format!("medium_from is {medium} and low_from is {low}: medium must be above 0, and low not below it");
            return Err(at(&given.span(), &problem));
        }
        risk = risk.thresholds(medium, low);
        if let Some(requirement) = &self.at_medium {
            risk = risk.at_medium(requirement.into());
        }
        if let Some(requirement) = &self.at_low {
            risk = risk.at_low(requirement.into());
        }
        risk = if self.refuse_at_low { risk.refuse_at_low() } else { risk };
        Ok(if self.dry_run { risk.dry_run() } else { risk })
    }
}
