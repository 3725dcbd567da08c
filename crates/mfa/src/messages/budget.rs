//! How many messages go out: what keeps somebody from earning money by having codes sent (toll fraud).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::phone::Country;
use crate::Budget;

/// To which countries codes are sent by text message and telephone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Countries {
    /// To all. Numbers that a person is not reached at (premium rate, shared cost, personal numbers, no country, no known kind)
    /// are refused all the same.
    #[default]
    All,
    /// To these alone. List the countries in which there are users: fraud mostly happens where there are none.
    Only(BTreeSet<Country>),
}

impl Countries {
    /// These alone.
    ///
    /// ```
    /// use countersign_mfa::Countries;
    ///
    /// let countries = Countries::only(["DE".parse()?, "AT".parse()?, "CH".parse()?]);
    /// # let _ = countries;
    /// # Ok::<(), countersign_mfa::ParseCountryError>(())
    /// ```
    pub fn only(countries: impl IntoIterator<Item = Country>) -> Self {
        Self::Only(countries.into_iter().collect())
    }

    pub(super) fn has(&self, country: Country) -> bool {
        match self {
            Self::All => true,
            Self::Only(countries) => countries.contains(&country),
        }
    }
}

/// How many codes must come back. Whoever pumps messages for money does not type them.
///
/// A send adds `percent` to a debt, a code that is entered takes 100 from it, and sending stops when the debt passes that of
/// `sends`: after so many in a row of which none was entered, and later the nearer the share comes to `percent`. Above `percent`
/// it never stops for long. What is on its way counts as not entered, so `sends` must be more than are ever on their way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The least share, 1 to 100.
    pub percent: u8,
    /// After so many that were never entered sending stops.
    pub sends: u32,
}

impl Share {
    /// At least `percent` of what is sent, judged over this many `sends`.
    #[must_use]
    pub const fn new(percent: u8, sends: u32) -> Self {
        Self { percent, sends }
    }
}

/// How many messages go out, to whom and for whom (attack M32).
///
/// Every message is paid for before it is sent. What it is counted by: the account, the number or mail address it goes to, the
/// address of whoever asked for it, and, for text messages and calls, the country of the number. What a browser that signed in before
/// asks for, and what goes to a number that the user has proven, is counted apart: strangers who use their budgets up keep no owner
/// from a code (promise 6).
///
/// ```
/// use std::time::Duration;
/// use countersign_mfa::{Budget, Countries, MessageBudget};
///
/// let budget = MessageBudget {
///     countries: Countries::only(["DE".parse()?, "FR".parse()?]),
///     phone_country: Budget::new(2_000, Duration::from_secs(3_600)),
///     ..MessageBudget::default()
/// };
/// # let _ = budget;
/// # Ok::<(), countersign_mfa::ParseCountryError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageBudget {
    /// Text messages and calls together, for one account. Default: 10 in an hour.
    pub phone_account: Budget,
    /// Text messages and calls together, to one number, over all accounts that have not proven it. Default: 10 in an hour.
    pub phone_number: Budget,
    /// Text messages and calls together, that one address (an IPv6 subscriber's /64; loopback aside) asks for, over all accounts.
    /// Default: 30 in an hour, for the many people behind one address.
    pub phone_address: Budget,
    /// Text messages and calls together, to one country. Default: 500 in an hour: raise it where more users live, with
    /// [`countries_apart`](Self::countries_apart) or for all.
    pub phone_country: Budget,
    /// Countries with a budget of their own.
    pub countries_apart: BTreeMap<Country, Budget>,
    /// Where text messages and calls go. Default: to all countries.
    pub countries: Countries,
    /// How many codes to one country must be entered. Default: 25 % over 100.
    pub country_share: Option<Share>,
    /// How many codes must be entered over all countries. Default: 25 % over 500.
    pub share: Option<Share>,
    /// How long sending stops when too few were entered, unless an operator resumes it ([`Mfa::resume_messages`](crate::Mfa::resume_messages)).
    /// Default: 24 hours.
    pub stopped_for: Duration,
    /// Mails for one account. Default: 5 in 5 minutes.
    pub mail_account: Budget,
    /// Mails to one address, over all accounts. Default: 5 in 5 minutes.
    pub mail_to: Budget,
    /// Mails that one address of a caller asks for, over all accounts. Default: 100 in 15 minutes.
    pub mail_address: Budget,
    /// Nothing is counted, and every number of every country is sent to: for tests. Default: no.
    pub off: bool,
}

impl Default for MessageBudget {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        const FIVE: Duration = Duration::from_secs(5 * 60);
        Self {
            phone_account: Budget::new(10, HOUR),
            phone_number: Budget::new(10, HOUR),
            phone_address: Budget::new(30, HOUR),
            phone_country: Budget::new(500, HOUR),
            countries_apart: BTreeMap::new(),
            countries: Countries::All,
            country_share: Some(Share::new(25, 100)),
            share: Some(Share::new(25, 500)),
            stopped_for: Duration::from_secs(86_400),
            mail_account: Budget::new(5, FIVE),
            mail_to: Budget::new(5, FIVE),
            mail_address: Budget::new(100, Duration::from_secs(15 * 60)),
            off: false,
        }
    }
}

impl MessageBudget {
    /// No budget: for tests. One user can then have messages sent without end.
    #[must_use]
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    pub(super) fn of_country(&self, country: Country) -> Budget {
        self.countries_apart.get(&country).copied().unwrap_or(self.phone_country)
    }
}

/// Why a message is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageRefused {
    /// No person is reached at this number: it is of no country, of no known kind, or earns money for whoever is called.
    #[error("no codes go to numbers of this kind")]
    Number,
    /// Nothing is sent to the country of this number.
    #[error("no codes go to this country")]
    Country,
    /// Enough was sent for this account.
    #[error("enough was sent for this account")]
    Account {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Enough was sent to this number or mail address.
    #[error("enough was sent to this number or address")]
    Recipient {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Enough was asked for from this address.
    #[error("enough was asked for from this address")]
    Address {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Enough was sent to this country.
    #[error("enough was sent to this country")]
    CountryBudget {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Too few of the codes to this country, or of all codes, were entered.
    #[error("too few of the codes sent were entered")]
    Unconfirmed {
        /// How long to wait, if no operator resumes it.
        retry_after: Duration,
    },
}

impl MessageRefused {
    /// The stable id of the cause, for operators.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Number => "message.number_refused",
            Self::Country => "message.country_refused",
            Self::Account { .. } => "message.account_budget",
            Self::Recipient { .. } => "message.recipient_budget",
            Self::Address { .. } => "message.address_budget",
            Self::CountryBudget { .. } => "message.country_budget",
            Self::Unconfirmed { .. } => "message.unconfirmed",
        }
    }

    /// How long to wait until the same may be sent; none where waiting does not help and another way must be offered.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Number | Self::Country => None,
            Self::Account { retry_after }
            | Self::Recipient { retry_after }
            | Self::Address { retry_after }
            | Self::CountryBudget { retry_after }
            | Self::Unconfirmed { retry_after } => Some(*retry_after),
        }
    }
}
