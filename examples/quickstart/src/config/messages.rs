//! The table `[messages]`: how many messages go out, and to which countries.

use std::collections::BTreeMap;
use std::path::Path;

use countersign::mfa::{Budget, Countries, Country, MessageBudget, Share};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::ConfigFileError;
use super::value::{BudgetEntry, Period};

/// How many messages go out; what is left out keeps its default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MessagesEntry {
    countries: Option<Spanned<Vec<Country>>>,
    countries_apart: BTreeMap<Country, BudgetEntry>,
    phone_account: Option<BudgetEntry>,
    phone_number: Option<BudgetEntry>,
    phone_address: Option<BudgetEntry>,
    phone_country: Option<BudgetEntry>,
    country_share: Option<ShareEntry>,
    share: Option<ShareEntry>,
    stopped_for: Option<Period>,
    mail_account: Option<BudgetEntry>,
    mail_to: Option<BudgetEntry>,
    mail_address: Option<BudgetEntry>,
    notices: Option<bool>,
}

/// How many codes must come back.
#[derive(Debug, Clone, Copy)]
struct ShareEntry(Share);

impl<'de> Deserialize<'de> for ShareEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members {
            percent: u8,
            sends: u32,
        }
        let Members { percent, sends } = Members::deserialize(deserializer)?;
        let good = (1..=100).contains(&percent) && sends > 0;
        let wrong =
            || D::Error::custom("a share is 1 to 100 percent of at least one: write { percent = 25, sends = 100 }");
        good.then(|| Self(Share::new(percent, sends))).ok_or_else(wrong)
    }
}

impl MessagesEntry {
    pub(super) fn check(&self, file: &Path, text: &str) -> Result<(), ConfigFileError> {
        match &self.countries {
            Some(none) if none.get_ref().is_empty() => {
                let problem = "codes would go to no country: name some, or leave countries out for all of them";
                Err(ConfigFileError::at(file, text, &none.span(), problem.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The budgets that the file states.
    pub(crate) fn budget(&self) -> MessageBudget {
        let usual = MessageBudget::default();
        let or = |entry: Option<BudgetEntry>, usual: Budget| entry.map_or(usual, Budget::from);
        let share = |entry: Option<ShareEntry>, usual: Option<Share>| entry.map(|ShareEntry(share)| share).or(usual);
        MessageBudget {
            phone_account: or(self.phone_account, usual.phone_account),
            phone_number: or(self.phone_number, usual.phone_number),
            phone_address: or(self.phone_address, usual.phone_address),
            phone_country: or(self.phone_country, usual.phone_country),
            countries_apart: self.countries_apart.iter().map(|(country, entry)| (*country, (*entry).into())).collect(),
            countries: match &self.countries {
                Some(listed) => Countries::only(listed.get_ref().iter().copied()),
                None => usual.countries,
            },
            country_share: share(self.country_share, usual.country_share),
            share: share(self.share, usual.share),
            stopped_for: self.stopped_for.map_or(usual.stopped_for, |Period(time)| time),
            mail_account: or(self.mail_account, usual.mail_account),
            mail_to: or(self.mail_to, usual.mail_to),
            mail_address: or(self.mail_address, usual.mail_address),
            off: usual.off,
        }
    }

    /// Whether owners are told unasked of what happened to their accounts.
    pub(crate) fn notices(&self) -> bool {
        self.notices.unwrap_or(true)
    }
}
