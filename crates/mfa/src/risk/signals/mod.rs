//! The signals of the kit, a file each.

mod anonymous_network;
mod breached_password;
mod compromised;
mod impossible_travel;
mod listed_address;
mod new_country;
mod new_device;
mod recent_failures;
mod unusual_hour;
mod velocity;

pub use anonymous_network::AnonymousNetwork;
pub use breached_password::BreachedPassword;
pub use compromised::CompromisedAccount;
pub use impossible_travel::ImpossibleTravel;
pub use listed_address::ListedAddress;
pub use new_country::NewCountry;
pub use new_device::NewDevice;
pub use recent_failures::RecentFailures;
pub use unusual_hour::UnusualHour;
pub use velocity::Velocity;

use super::{AddressList, Finding, RiskSituation};

/// What a list says of the address. A login whose address nobody knows could come from anywhere on the list.
fn by_list(list: &AddressList, at: &RiskSituation<'_>, listed: &str, free: &str) -> Finding {
    match at.address() {
        Some(address) if list.contains(address) => Finding::risk(listed),
        Some(_) => Finding::nothing(free),
        None => Finding::risk("the address is not known"),
    }
}
