//! Where an address is.

use std::net::IpAddr;

use async_trait::async_trait;
use countersign_primitives::BoxError;
use serde::{Deserialize, Serialize};

/// Says where addresses are: a database that the host supplies (`GeoDatabase`, feature `geoip`), or a service.
#[async_trait]
pub trait Places: Send + Sync {
    /// Where an address is; none where that is not known.
    ///
    /// # Errors
    /// Any error means that it cannot be told: all signals that look at places then count in full.
    async fn place(&self, address: IpAddr) -> Result<Option<Place>, BoxError>;
}

/// What is known of where an address is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Place {
    country: Option<[u8; 2]>,
    coordinates: Option<Coordinates>,
}

impl Place {
    /// A place of which nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The country by its two letters (ISO 3166-1): `DE`. Anything else is no country.
    #[must_use]
    pub fn in_country(mut self, code: &str) -> Self {
        let letters: Option<[u8; 2]> = code.as_bytes().try_into().ok();
        self.country = letters.filter(|letters| letters.iter().all(u8::is_ascii_uppercase));
        self
    }

    /// Where on Earth.
    #[must_use]
    pub fn at(mut self, coordinates: Coordinates) -> Self {
        self.coordinates = Some(coordinates);
        self
    }

    /// The country by its two letters.
    #[must_use]
    pub fn country(&self) -> Option<&str> {
        self.country.as_ref().and_then(|letters| std::str::from_utf8(letters).ok())
    }

    /// Where on Earth.
    #[must_use]
    pub fn coordinates(&self) -> Option<Coordinates> {
        self.coordinates
    }
}

/// A point on Earth, to a whole degree: about 110 km. More is not needed to tell where somebody cannot have come from, and is
/// nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinates {
    latitude: i16,
    longitude: i16,
}

impl Coordinates {
    /// The most kilometres between a point and where it is rounded to.
    pub(super) const ROUNDING_KM: f64 = 80.0;
    /// The radius of Earth in kilometres.
    const EARTH_KM: f64 = 6_371.0;

    /// Degrees north of the equator (-90 to 90) and east of Greenwich (-180 to 180); none of any others.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked, and degrees are rounded")]
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        on_earth.then(|| Self { latitude: latitude.round() as i16, longitude: longitude.round() as i16 })
    }

    /// The kilometres to another point, by the shortest way.
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        let radians = |degrees: i16| f64::from(degrees).to_radians();
        let (from, to) = (radians(self.latitude), radians(other.latitude));
        let half = |one: i16, two: i16| (radians(one) - radians(two)) / 2.0;
        let north = half(self.latitude, other.latitude).sin().powi(2);
        let east = half(self.longitude, other.longitude).sin().powi(2);
        2.0 * Self::EARTH_KM * (north + from.cos() * to.cos() * east).sqrt().min(1.0).asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_globe() {
        let point = |latitude, longitude| Coordinates::new(latitude, longitude).unwrap();
        let (berlin, sydney) = (point(52.52, 13.40), point(-33.87, 151.21));
        let distance = berlin.distance_km(sydney);
        assert!((distance - 16_090.0).abs() < 2.0 * Coordinates::ROUNDING_KM, "{distance}");
        assert!(berlin.distance_km(berlin).abs() < 1e-6);
        // Across the date line is near.
        assert!(point(0.0, 179.0).distance_km(point(0.0, -179.0)) < 250.0);
        assert!((point(90.0, 0.0).distance_km(point(-90.0, 77.0)) - 20_015.0).abs() < 1.0);
    }

    #[test]
    fn promise_7_what_is_not_on_earth_is_no_place() {
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(Coordinates::new(latitude, longitude), None);
        }
        for code in ["", "D", "de", "DEU", "D1", "ÄÖ", "Ä"] {
            assert_eq!(Place::new().in_country(code).country(), None, "{code}");
        }
        assert_eq!(Place::new().in_country("DE").country(), Some("DE"));
    }
}
