use std::collections::BTreeMap;
use std::fs;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{Error, RootCertStore};

use super::*;
use crate::testing::TempDir;

const ISSUER: &str = "https://id.example.com/auth";
const DAY: u64 = 24 * 60 * 60;

fn day(number: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000 + number * DAY))
}

fn load(dir: &TempDir, issuer: &str, on: u64) -> Result<Tls, TlsError> {
    Tls::load(&TlsChoice::SelfSigned, dir.path(), issuer, day(on))
}

fn served(tls: &Tls) -> CertificateDer<'static> {
    tls.0.current.read().unwrap().cert[0].clone()
}

/// Every file of the folder, by name.
fn files(dir: &TempDir) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir.path().join("tls")).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// What a client says to it that trusts `ca.pem` alone.
fn verify(dir: &TempDir, tls: &Tls, name: &str, on: u64) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.path().join("tls/ca.pem")).unwrap()).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&served(tls), &[], &name, &[], day(on)).map(|_| ())
}

#[test]
fn a_client_that_trusts_the_authority_takes_the_server_by_each_of_its_names_and_by_no_other() {
    let dir = TempDir::new();
    let tls = load(&dir, ISSUER, 0).unwrap();
    for name in ["localhost", "127.0.0.1", "::1", "id.example.com"] {
        verify(&dir, &tls, name, 0).unwrap();
    }
    for name in ["example.com", "evil.example", "127.0.0.2"] {
        verify(&dir, &tls, name, 0).unwrap_err();
    }
}

#[cfg(unix)]
#[test]
fn keys_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = TempDir::new();
    load(&dir, ISSUER, 0).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("tls")), 0o700);
    assert_eq!(files(&dir).into_keys().collect::<Vec<_>>(), ["ca.key", "ca.pem", "server.pem"]);
    for file in ["ca.key", "server.pem"] {
        assert_eq!(mode(&dir.path().join("tls").join(file)), 0o600, "{file}");
    }
}

#[test]
fn it_is_made_once_and_renewed_in_time_by_the_same_authority() {
    let dir = TempDir::new();
    let first = load(&dir, ISSUER, 0).unwrap();
    let made = files(&dir);
    assert_eq!(served(&load(&dir, ISSUER, 59).unwrap()), served(&first));
    assert!(!first.renew(day(59)).unwrap());
    assert_eq!(files(&dir), made);

    assert!(first.renew(day(61)).unwrap());
    verify(&dir, &first, "localhost", 100).unwrap();
    assert_eq!(files(&dir)["ca.pem"], made["ca.pem"]);
    assert_eq!(served(&load(&dir, ISSUER, 61).unwrap()), served(&first));
}

#[test]
fn an_authority_for_other_names_or_near_its_end_gives_way_to_a_new_one() {
    for (issuer, on) in [("https://other.example", 0), (ISSUER, 3640)] {
        let dir = TempDir::new();
        load(&dir, ISSUER, 0).unwrap();
        let made = files(&dir);
        let tls = load(&dir, issuer, on).unwrap();
        assert!(files(&dir)["ca.pem"] != made["ca.pem"], "{issuer} on day {on}");
        verify(&dir, &tls, "localhost", on + 30).unwrap();
    }
}

#[test]
fn rfc5280_4_2_1_10_whoever_gets_the_authoritys_key_can_pose_as_no_other_site() {
    let dir = TempDir::new();
    let tls = load(&dir, ISSUER, 0).unwrap();
    let key = rcgen::KeyPair::from_pem(std::str::from_utf8(&files(&dir)["ca.key"]).unwrap()).unwrap();
    let authority = own::authority_params(&key);
    let forged = own::leaf_params(&["bank.example".to_owned()], day(0)).unwrap();
    let forged = forged.signed_by(&key, &rcgen::Issuer::new(authority, &key)).unwrap();
    *tls.0.current.write().unwrap() = Arc::new(CertifiedKey::new(
        vec![forged.into()],
        ring::sign::any_supported_type(&rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into())).unwrap(),
    ));
    let refused = verify(&dir, &tls, "bank.example", 0).unwrap_err();
    assert!(refused.to_string().contains("NameConstraintViolation"), "{refused}");
}

#[test]
fn a_folder_that_was_damaged_is_told_and_left_as_it_is() {
    let stranger = TempDir::new();
    load(&stranger, ISSUER, 0).unwrap();
    let strange = files(&stranger);
    for (file, text) in [
        ("ca.pem", &b"nonsense"[..]),
        ("ca.pem", &strange["ca.pem"][..]),
        ("ca.key", b"nonsense"),
        ("ca.key", &strange["ca.key"]),
    ] {
        let dir = TempDir::new();
        load(&dir, ISSUER, 0).unwrap();
        fs::write(dir.path().join("tls").join(file), text).unwrap();
        let damaged = files(&dir);
        // Another day, so that a new certificate is wanted.
        let error = load(&dir, ISSUER, 80).unwrap_err();
        assert!(matches!(error, TlsError::Damaged { .. }) && error.to_string().contains("tls/ca."), "{error}");
        assert!(!error.is_a_setting() && files(&dir) == damaged, "{file}");
    }
}

#[test]
fn without_the_authoritys_key_it_serves_on_until_it_must_be_renewed() {
    let dir = TempDir::new();
    let first = load(&dir, ISSUER, 0).unwrap();
    fs::remove_file(dir.path().join("tls/ca.key")).unwrap();
    assert_eq!(served(&load(&dir, ISSUER, 1).unwrap()), served(&first));
    let error = load(&dir, ISSUER, 80).unwrap_err();
    assert!(matches!(&error, TlsError::Damaged { file } if file.ends_with("ca.key")), "{error}");
}

#[test]
fn a_clock_that_is_years_behind_makes_no_second_authority() {
    let dir = TempDir::new();
    load(&dir, ISSUER, 1000).unwrap();
    let made = files(&dir);
    assert!(matches!(load(&dir, ISSUER, 0), Err(TlsError::Early)));
    assert_eq!(files(&dir), made);
}

#[test]
fn a_certificate_file_that_is_renewed_is_taken_up_and_a_bad_one_is_not() {
    let dir = TempDir::new();
    let (file, key) = (dir.path().join("own.pem"), dir.path().join("own.key"));
    let keep = |on| {
        let pair = rcgen::KeyPair::generate().unwrap();
        let certificate =
            own::leaf_params(&["id.example.com".to_owned()], day(on)).unwrap().self_signed(&pair).unwrap();
        fs::write(&file, certificate.pem()).unwrap();
        fs::write(&key, pair.serialize_pem()).unwrap();
        CertificateDer::from(certificate)
    };
    let first = keep(0);
    let choice = TlsChoice::Files { certificate: file.clone(), key: key.clone() };
    let tls = Tls::load(&choice, dir.path(), ISSUER, day(0)).unwrap();
    assert!(served(&tls) == first && !tls.renew(day(1)).unwrap());
    let second = keep(50);
    assert!(tls.renew(day(51)).unwrap() && served(&tls) == second);
    fs::write(&key, "half a key").unwrap();
    let error = tls.renew(day(52)).unwrap_err();
    assert!(error.to_string().contains("own.key") && served(&tls) == second, "{error}");
}

#[test]
fn the_host_of_an_issuer_is_a_name_or_an_address() {
    for (issuer, expected) in [
        ("https://localhost:4000", Some("localhost")),
        ("https://[::1]:4000/auth", Some("::1")),
        ("https://127.0.0.1", Some("127.0.0.1")),
        ("nonsense with blanks", None),
    ] {
        assert_eq!(host(issuer).map(|host| host.to_str().into_owned()).as_deref(), expected, "{issuer}");
    }
}
