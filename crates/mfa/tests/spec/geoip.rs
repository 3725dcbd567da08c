//! A database in MaxMind's format: read as it is, refused by name where it is damaged or of something else.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use countersign_mfa::risk::{Coordinates, GeoDatabase, GeoDatabaseError, Place, Places, RiskPolicy};
use countersign_mfa::{Answer, BrowserMarks, FirstEnrolment, LoginRequest, Policy, Step};
use futures_util::FutureExt;

use crate::mmdb::{Value, database};
use crate::support::{Bench, codes_of, from, secret_of};

/// The database that tests use: what [`places`] makes, as a file.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/places.mmdb");

fn country(code: &str) -> (&str, Value) {
    ("country", Value::map([("iso_code", Value::text(code))]))
}

fn location(latitude: f64, longitude: f64) -> (&'static str, Value) {
    ("location", Value::map([("latitude", Value::Double(latitude)), ("longitude", Value::Double(longitude))]))
}

/// Addresses for documentation, each somewhere.
fn places() -> Vec<u8> {
    let registered = ("registered_country", Value::map([("iso_code", Value::text("FR"))]));
    database(
        "Countersign-Test-City",
        &[
            ("203.0.113.0/24", Value::map([country("DE"), location(52.52, 13.405)])),
            ("198.51.100.0/25", Value::map([country("AU"), location(-33.87, 151.21)])),
            ("198.51.100.128/25", Value::map([registered])),
            ("192.0.2.0/28", Value::map([country("xx"), location(1_000.0, 0.0)])),
            ("2001:db8::/32", Value::map([country("US"), location(40.71, -74.01)])),
        ],
    )
}

fn place(database: &GeoDatabase, address: &str) -> Option<Place> {
    database.place(address.parse::<IpAddr>().unwrap()).now_or_never().unwrap().unwrap()
}

/// A file that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn with(name: &str, bytes: &[u8]) -> Self {
        let file = env::temp_dir().join(format!("countersign-{}-{name}.mmdb", process::id()));
        fs::write(&file, bytes).unwrap();
        Self(file)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// `COUNTERSIGN_WRITE_TEST_DATA=1` writes it anew.
#[test]
fn the_database_on_file_is_what_the_tests_say() {
    if env::var_os("COUNTERSIGN_WRITE_TEST_DATA").is_some() {
        fs::write(FILE, places()).unwrap();
    }
    assert_eq!(fs::read(FILE).unwrap(), places());
}

#[test]
fn a_database_says_country_and_coordinates() {
    let database = GeoDatabase::open(FILE).unwrap();
    let at = |latitude, longitude| Coordinates::new(latitude, longitude).unwrap();
    let berlin = Place::new().in_country("DE").at(at(52.52, 13.405));
    assert_eq!(place(&database, "203.0.113.77"), Some(berlin));
    assert_eq!(place(&database, "198.51.100.1").unwrap().country(), Some("AU"));
    assert_eq!(place(&database, "198.51.100.200"), Some(Place::new().in_country("FR")), "where it was registered");
    assert_eq!(place(&database, "2001:db8:7::1").unwrap().country(), Some("US"));
    assert_eq!(place(&database, "192.0.2.1"), Some(Place::new()), "what is no country and not on Earth is left out");
    assert_eq!(place(&database, "192.0.2.77"), None);
    assert_eq!(place(&database, "2001:db9::1"), None);
    assert_eq!(format!("{database:?}"), "GeoDatabase(\"Countersign-Test-City\")");
}

#[test]
fn a_newer_database_serves_all_who_hold_the_older_one() {
    let newer = Scratch::with("newer", &database("Newer", &[("203.0.113.0/24", Value::map([country("AT")]))]));
    let database = GeoDatabase::open(FILE).unwrap();
    let held = database.clone();
    database.replace(&GeoDatabase::open(&newer.0).unwrap());
    assert_eq!(place(&held, "203.0.113.77"), Some(Place::new().in_country("AT")));
}

#[test]
fn promise_14_a_database_that_is_missing_damaged_or_of_something_else_is_refused_by_name() {
    let missing = GeoDatabase::open("/no/such.mmdb").unwrap_err();
    assert!(
        matches!(missing, GeoDatabaseError::Unreadable { .. }) && missing.to_string().starts_with("/no/such.mmdb: ")
    );
    let owners = Value::map([("autonomous_system_number", Value::Uint32(64_496))]);
    let owners = Scratch::with("owners", &database("ASN", &[("203.0.113.0/24", owners)]));
    let refused = GeoDatabase::open(&owners.0).unwrap_err();
    assert!(matches!(refused, GeoDatabaseError::NoPlaces { .. }), "{refused}");
    assert!(refused.to_string().contains("take a City or a Country database"), "{refused}");
    let whole = places();
    for (name, bytes) in [("empty", &[][..]), ("text", b"203.0.113.0/24 DE"), ("cut", &whole[..whole.len() / 2])] {
        let file = Scratch::with(name, bytes);
        let refused = GeoDatabase::open(&file.0).unwrap_err();
        assert!(matches!(refused, GeoDatabaseError::Damaged { .. }), "{name}: {refused}");
        assert!(refused.to_string().contains(file.0.to_str().unwrap()), "{refused}");
    }
}

/// Every byte of a file may be wrong.
#[test]
fn promise_7_a_damaged_database_is_an_error_or_another_answer_and_never_a_panic() {
    let whole = places();
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            let file = Scratch::with("damaged", &bytes);
            let Ok(database) = GeoDatabase::open(&file.0) else { continue };
            for address in ["203.0.113.77", "198.51.100.1", "2001:db8::1", "192.0.2.1"] {
                let _ = database.place(address.parse().unwrap()).now_or_never().unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_login_from_another_country_of_the_database_asks_for_a_factor() {
    let risk = RiskPolicy::new().places(GeoDatabase::open(Path::new(FILE)).unwrap());
    let policy = Policy::never().risk(risk).first_enrolment(FirstEnrolment::ThisLogin);
    let bench = Bench::with(|builder| builder.policy(policy)).await;
    let from = |address, marks: &BrowserMarks| from(address, marks, bench.id());
    let mut first = bench.password(LoginRequest::new(), from("203.0.113.7", &BrowserMarks::default()), "alice").await;
    let secret = secret_of(&first.step);
    first.answer(&Answer::enrol(bench.code(&secret))).await;
    codes_of(&first.step);
    first.answer(&Answer::RecoveryCodes).await;
    let marks = first.done().marks.clone();
    assert!(bench.password(LoginRequest::new(), from("203.0.113.8", &marks), "alice").await.is_done());
    let abroad = bench.password(LoginRequest::new(), from("2001:db8::1", &marks), "alice").await;
    assert!(matches!(abroad.step, Step::Code(_)), "{:?}", abroad.step);
}
