//! Places by a database in MaxMind's format, which the host supplies.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use countersign_primitives::BoxError;
use maxminddb::{Reader, WithinOptions};
use serde::Deserialize;

use super::{Coordinates, Place, Places};

/// A database of places in MaxMind's format (`.mmdb`): a City one (GeoLite2, GeoIP2, DB-IP) knows countries and coordinates, a Country one
/// countries alone. It is licensed by whoever makes it, and none comes with the kit.
///
/// The file is read into memory. It is a cheap clone that all holders share: [`replace`](Self::replace) gives all of them a newer one,
/// without a restart.
///
/// ```no_run
/// use countersign_mfa::risk::{GeoDatabase, RiskPolicy};
///
/// let risk = RiskPolicy::new().places(GeoDatabase::open("GeoLite2-City.mmdb")?);
/// # let _ = risk;
/// # Ok::<(), countersign_mfa::risk::GeoDatabaseError>(())
/// ```
#[derive(Clone)]
pub struct GeoDatabase(Arc<RwLock<Arc<Reader<Vec<u8>>>>>);

/// A database of places cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GeoDatabaseError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {source}", file = file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not in MaxMind's format, or damaged.
    #[error("{file}: is no database in MaxMind's format, or damaged: {source}", file = file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: BoxError,
    },
    /// It is a database of something else, such as of networks' owners.
    #[error("{file}: knows no countries and no coordinates: take a City or a Country database", file = file.display())]
    NoPlaces {
        /// The file.
        file: PathBuf,
    },
}

/// What is read of an entry.
#[derive(Debug, Default, Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    country: Named<'a>,
    /// Where the address was registered, for those whose place is not known.
    #[serde(borrow, default)]
    registered_country: Named<'a>,
    #[serde(default)]
    location: Location,
}

#[derive(Debug, Default, Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    iso_code: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
struct Location {
    #[serde(default)]
    latitude: Option<f64>,
    #[serde(default)]
    longitude: Option<f64>,
}

impl Entry<'_> {
    fn place(&self) -> Place {
        let place = match self.country.iso_code.or(self.registered_country.iso_code) {
            Some(code) => Place::new().in_country(code),
            None => Place::new(),
        };
        let both = self.location.latitude.zip(self.location.longitude);
        match both.and_then(|(latitude, longitude)| Coordinates::new(latitude, longitude)) {
            Some(coordinates) => place.at(coordinates),
            None => place,
        }
    }
}

impl GeoDatabase {
    /// So many entries are looked at for one that knows a place.
    const LOOKED_AT: usize = 1_000;

    /// Reads a file.
    ///
    /// # Errors
    /// [`GeoDatabaseError`] names the file and what is wrong with it.
    pub fn open(file: impl AsRef<Path>) -> Result<Self, GeoDatabaseError> {
        let file = file.as_ref();
        let bytes = fs::read(file).map_err(|source| GeoDatabaseError::Unreadable { file: file.to_owned(), source })?;
        let damaged = |source| GeoDatabaseError::Damaged { file: file.to_owned(), source };
        let reader = Reader::from_source(bytes).map_err(|error| damaged(error.into()))?;
        if !knows_places(&reader).map_err(damaged)? {
            return Err(GeoDatabaseError::NoPlaces { file: file.to_owned() });
        }
        Ok(Self(Arc::new(RwLock::new(Arc::new(reader)))))
    }

    /// Takes over what another database says, for all who hold this one.
    pub fn replace(&self, other: &Self) {
        let newer = other.reader();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = newer;
    }

    fn reader(&self) -> Arc<Reader<Vec<u8>>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether one of the first entries knows a place.
fn knows_places(reader: &Reader<Vec<u8>>) -> Result<bool, BoxError> {
    for entry in reader.networks(WithinOptions::default())?.take(GeoDatabase::LOOKED_AT) {
        let place = entry?.decode::<Entry<'_>>()?.map(|entry| entry.place()).unwrap_or_default();
        if place != Place::new() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl fmt::Debug for GeoDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GeoDatabase").field(&self.reader().metadata().database_type).finish()
    }
}

#[async_trait]
impl Places for GeoDatabase {
    async fn place(&self, address: IpAddr) -> Result<Option<Place>, BoxError> {
        let reader = self.reader();
        Ok(reader.lookup(address)?.decode::<Entry<'_>>()?.map(|entry| entry.place()))
    }
}
