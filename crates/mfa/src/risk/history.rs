//! What is kept of a user's logins: one record in the user's partition, of bounded size, without addresses and names of places.

use std::time::Duration;

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Kind, Stored};
use serde::{Deserialize, Serialize};

use super::situation::hour_of;
use super::{Coordinates, DeviceSeen, LastPlace, Seen};
use crate::keys::RISK_HISTORY;

/// What is known of a user's logins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RiskHistory {
    devices: Vec<Device>,
    countries: Vec<Country>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_place: Option<LastPlace>,
    hours: [u8; 24],
}

/// A browser that signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    /// Stands for its mark.
    id: Id,
    /// The subject's epoch then: it is another one once factors or password changed, or everything was revoked.
    epoch: u64,
    at: UnixTime,
    two_factors: bool,
}

/// A country that the user signed in from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Country {
    /// Stands for it.
    id: Id,
    at: UnixTime,
}

/// A login that is done, as it is remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remembered {
    pub(crate) device: Id,
    pub(crate) epoch: u64,
    pub(crate) two_factors: bool,
    /// Stands for the country, where somebody was asked for it.
    pub(crate) country: Option<Id>,
    pub(crate) coordinates: Option<Coordinates>,
    pub(crate) at: UnixTime,
}

impl Stored for RiskHistory {
    const KIND: Kind = RISK_HISTORY;
}

impl RiskHistory {
    /// How long a login is remembered. The record goes this long after the last one.
    pub(crate) const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
    /// The most browsers.
    const DEVICES: usize = 32;
    /// The most countries.
    const COUNTRIES: usize = 16;
    /// So many logins at one hour count as many; all hours are halved then, so that a change of habits is learnt.
    const MANY: u8 = 64;

    /// Whether the user signed in with one of these browsers, since the last change of factors and password.
    pub(super) fn device(&self, marks: &[Id], epoch: u64, now: UnixTime) -> DeviceSeen {
        let seen = |device: &&Device| device.epoch == epoch && is_fresh(device.at, now) && marks.contains(&device.id);
        match self.devices.iter().filter(seen).map(|device| device.two_factors).max() {
            None => DeviceSeen::Never,
            Some(false) => DeviceSeen::OneFactor,
            Some(true) => DeviceSeen::TwoFactors,
        }
    }

    /// Whether the user signed in from this country.
    pub(super) fn country(&self, id: Id, now: UnixTime) -> Seen {
        let fresh = self.countries.iter().filter(|country| is_fresh(country.at, now));
        match fresh.map(|country| country.id == id).max() {
            None => Seen::Nothing,
            Some(true) => Seen::Before,
            Some(false) => Seen::Never,
        }
    }

    pub(super) fn last_place(&self) -> Option<LastPlace> {
        self.last_place
    }

    pub(super) fn hours(&self) -> [u8; 24] {
        self.hours
    }

    /// Remembers a login. The oldest give way; of browsers those that proved one factor alone before the others, so that who knows the
    /// password cannot push out its owner's.
    pub(super) fn remember(&mut self, login: &Remembered) {
        let Remembered { device, epoch, two_factors, country, coordinates, at } = *login;
        let before = self.devices.iter().find(|known| known.id == device && known.epoch == epoch);
        let two_factors = two_factors || before.is_some_and(|known| known.two_factors && is_fresh(known.at, at));
        self.devices.retain(|known| known.id != device && is_fresh(known.at, at));
        if self.devices.len() >= Self::DEVICES {
            let weak = self.devices.iter().position(|known| !known.two_factors || known.epoch != epoch);
            self.devices.remove(weak.unwrap_or_default());
        }
        self.devices.push(Device { id: device, epoch, at, two_factors });
        if let Some(id) = country {
            self.countries.retain(|known| known.id != id && is_fresh(known.at, at));
            if self.countries.len() >= Self::COUNTRIES {
                self.countries.remove(0);
            }
            self.countries.push(Country { id, at });
        }
        if let Some(coordinates) = coordinates {
            self.last_place = Some(LastPlace { at, coordinates });
        }
        if let Some(hour) = self.hours.get_mut(hour_of(at)) {
            *hour = hour.saturating_add(1);
            if *hour >= Self::MANY {
                self.hours.iter_mut().for_each(|hour| *hour /= 2);
            }
        }
    }
}

fn is_fresh(at: UnixTime, now: UnixTime) -> bool {
    now.since(at) < RiskHistory::REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn id(number: u8) -> Id {
        Id::from_bytes([number; 16])
    }

    fn login(device: u8, two_factors: bool, country: u8, at: UnixTime) -> Remembered {
        let country = Some(id(country));
        Remembered { device: id(device), epoch: 1, two_factors, country, coordinates: None, at }
    }

    #[test]
    fn promise_7_a_history_is_bounded_and_a_flood_of_weak_logins_pushes_no_owner_out() {
        let mut history = RiskHistory::default();
        history.remember(&login(1, true, 1, NOW));
        for number in 2..=200 {
            history.remember(&login(number, false, number, NOW));
        }
        assert_eq!((history.devices.len(), history.countries.len()), (RiskHistory::DEVICES, RiskHistory::COUNTRIES));
        assert_eq!(history.device(&[id(1)], 1, NOW), DeviceSeen::TwoFactors);
        assert_eq!(history.device(&[id(200)], 1, NOW), DeviceSeen::OneFactor);
        assert_eq!(history.device(&[id(2)], 1, NOW), DeviceSeen::Never);
        assert_eq!((history.country(id(200), NOW), history.country(id(2), NOW)), (Seen::Before, Seen::Never));
        assert!(history.hours.iter().all(|hour| *hour < RiskHistory::MANY));
    }

    #[test]
    fn promise_12_a_browser_is_unknown_once_factors_or_password_changed() {
        let mut history = RiskHistory::default();
        history.remember(&login(1, true, 1, NOW));
        assert_eq!(history.device(&[id(1)], 2, NOW), DeviceSeen::Never);
        // Under the new epoch a password alone does not bring back what was proven under the old one.
        history.remember(&Remembered { epoch: 2, ..login(1, false, 1, NOW) });
        assert_eq!(history.device(&[id(1)], 2, NOW), DeviceSeen::OneFactor);
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut history = RiskHistory::default();
        assert_eq!(history.country(id(1), NOW), Seen::Nothing);
        history.remember(&login(1, true, 1, NOW));
        let later = NOW.plus(RiskHistory::REMEMBERED);
        assert_eq!(history.device(&[id(1)], 1, later), DeviceSeen::Never);
        assert_eq!(history.country(id(1), later), Seen::Nothing);
        // A password alone long after does not keep the second factor of then.
        history.remember(&login(1, false, 1, later));
        assert_eq!(history.device(&[id(1)], 1, later), DeviceSeen::OneFactor);
        assert_eq!((history.devices.len(), history.countries.len()), (1, 1));
    }
}
