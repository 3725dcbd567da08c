//! Risk: how surely it is the owner who signs in, and what is asked when that is in doubt.
//!
//! Once it is known who signs in, each [`RiskSignal`] looks at the [`RiskSituation`] and says what speaks against it. The points of all
//! together give a [`Confidence`], which decides what more must be proven ([`RiskPolicy`]). A signal can only ask for more: none has a
//! way to lower what a client, a scope, a policy or another signal asks (promise 8), and one that fails asks for more too (promise 14).
//!
//! # The formula
//! Each signal has a weight, 0 to 100. What it finds counts for a share of that: its *points*, rounded up. A signal that fails has all
//! its points. Their sum is the *score*:
//!
//! | score | [`Confidence`] | asked by default |
//! |---|---|---|
//! | below 30, and no signal failed | high | nothing more |
//! | from 30, or a signal failed | medium | a second factor |
//! | from 60 | low | a second factor that is set up already: no first one can be set up |
//!
//! # The signals
//!
//! | name | weight | it speaks against the login when | needs |
//! |---|---|---|---|
//! | `new_device` | 35 | the browser never proved two factors as this user | |
//! | `new_country` | 30 | the user never signed in from the country, and did from others | [`Places`] |
//! | `impossible_travel` | 60 | nobody travels so fast from where the user was last | [`Places`] |
//! | `listed_address` | 60 | the address stands on a list of bad ones | [`AddressList`] |
//! | `anonymous_network` | 30 | the address is an exit of an anonymous network | [`AddressList`] |
//! | `velocity` | 20 | from the address many accounts were tried lately | |
//! | `compromised` | 20 | somebody else may have got in lately ([`Compromised`](crate::Compromised)) | |
//! | `recent_failures` | 20 | guesses at the account failed lately | |
//! | `breached_password` | 40 | the password is in lists of lost ones | [`PasswordPolicy::breached`](crate::PasswordPolicy::breached) |
//! | `unusual_hour` | 10 | the user never signed in around this hour of the day | |
//!
//! What strangers can bring about from outside (`recent_failures`) stays below *low* together with `new_device`, so that they
//! cannot keep an owner from setting up a first factor.

mod addresses;
mod confidence;
mod counts;
mod finding;
#[cfg(feature = "geoip")]
mod geoip;
mod history;
mod judge;
mod place;
mod policy;
mod report;
mod signals;
mod situation;
#[cfg(test)]
mod tests;

pub use addresses::{AddressList, AddressListError};
pub use confidence::Confidence;
pub use finding::{Finding, RiskSignal};
#[cfg(feature = "geoip")]
pub use geoip::{GeoDatabase, GeoDatabaseError};
pub use place::{Coordinates, Place, Places};
pub use policy::RiskPolicy;
pub use report::{RiskOutcome, RiskReport, SignalReport};
pub use signals::{
    AnonymousNetwork, BreachedPassword, CompromisedAccount, ImpossibleTravel, ListedAddress, NewCountry, NewDevice,
    RecentFailures, UnusualHour, Velocity,
};
pub use situation::{DeviceSeen, LastPlace, PasswordSeen, PlaceUntold, RiskSituation, Seen};
