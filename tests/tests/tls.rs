//! HTTPS: which versions and suites are spoken, who is not waited for, and certificates that will not do.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use countersign_tests::{Callback, Connection, FrontEnd, Http, Quickstart, Scratch, User, Wire, trust};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::version::{TLS12, TLS13};

const PATIENCE: Duration = Duration::from_secs(20);

/// The first bytes of a server's answer to a greeting.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// A suite was chosen.
    Suite(u16),
    /// The alert of this number (RFC 8446 §6).
    Alert(u8),
}
const HANDSHAKE_FAILURE: Answer = Answer::Alert(40);
const PROTOCOL_VERSION: Answer = Answer::Alert(70);

/// A greeting byte by byte (RFC 5246 §7.4.1.2): no client library speaks what is to be refused here.
fn hello(version: u16, suites: &[u16]) -> Vec<u8> {
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let extensions: &[&[u8]] = &[
        &[0, 10, 0, 6, 0, 4, 0, 29, 0, 23],     // groups: x25519, secp256r1
        &[0, 11, 0, 2, 1, 0],                   // points: uncompressed
        &[0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1], // signatures: ECDSA, RSA-PSS and RSA with SHA-256
    ];
    let extensions = extensions.concat();
    let body = [
        &version.to_be_bytes()[..],
        &[7; 32],
        &[0],
        &length(suites.len()),
        &suites,
        &[1, 0],
        &length(extensions.len()),
        &extensions,
    ]
    .concat();
    let message = [&[1, 0][..], &length(body.len()), &body].concat();
    [&[22, 3, 1][..], &length(message.len()), &message].concat()
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap().to_be_bytes()
}

fn greet(quickstart: &Quickstart, version: u16, suites: &[u16]) -> Answer {
    let mut stream = connect(quickstart);
    stream.write_all(&hello(version, suites)).unwrap();
    let mut record = [0; 5];
    stream.read_exact(&mut record).unwrap();
    let mut body = vec![0; u16::from_be_bytes([record[3], record[4]]).into()];
    stream.read_exact(&mut body).unwrap();
    match record[0] {
        21 => Answer::Alert(body[1]),
        // Type, length, version and randomness stand before the session's name and the suite.
        22 => {
            let at = 4 + 2 + 32 + 1 + usize::from(body[38]);
            Answer::Suite(u16::from_be_bytes([body[at], body[at + 1]]))
        }
        other => panic!("a record of type {other}"),
    }
}

fn connect(quickstart: &Quickstart) -> TcpStream {
    let stream = TcpStream::connect(quickstart.issuer().strip_prefix("https://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn rfc9325_3_1_1_versions_before_tls_1_2_are_refused() {
    let quickstart = Quickstart::secure(&["--store", "memory:"]);
    // Suites of that time, and those of today that these versions could speak.
    for version in [0x0300, 0x0301, 0x0302] {
        assert_eq!(greet(&quickstart, version, &[0xc009, 0xc013, 0x002f, 0xc02b]), PROTOCOL_VERSION, "{version:x}");
    }
    // The same greeting with version 1.2 is taken.
    assert_eq!(greet(&quickstart, 0x0303, &[0xc009, 0xc013, 0x002f, 0xc02b]), Answer::Suite(0xc02b));
}

#[test]
fn rfc9325_4_2_tls_1_2_is_spoken_with_ecdhe_and_aes_gcm_alone() {
    let quickstart = Quickstart::secure(&["--store", "memory:"]);
    for suite in [0xc02b, 0xc02c] {
        assert_eq!(greet(&quickstart, 0x0303, &[suite]), Answer::Suite(suite));
    }
    for (what, suite) in [
        ("ECDHE with CBC", 0xc009),
        ("ECDHE with CBC and SHA-256", 0xc023),
        ("ECDHE with CBC and SHA-384", 0xc024),
        ("ECDHE with ChaCha20", 0xcca9),
        ("ECDHE with CCM", 0xc0ac),
        ("ECDHE with RC4", 0xc007),
        ("ECDHE with 3DES", 0xc008),
        ("ECDHE without encryption", 0xc006),
        ("ECDH with a fixed key", 0xc02d),
        ("RSA key transport with GCM", 0x009c),
        ("RSA key transport with CBC", 0x002f),
        ("DHE with GCM", 0x009e),
        ("anonymous ECDH", 0xc018),
        ("nothing", 0x0000),
    ] {
        assert_eq!(greet(&quickstart, 0x0303, &[suite]), HANDSHAKE_FAILURE, "{what}");
    }
}

#[test]
fn tls_1_2_and_1_3_are_spoken_with_http_1_1_on_top() {
    let quickstart = Quickstart::secure(&["--store", "memory:"]);
    let authority = quickstart.issuer().strip_prefix("https://").unwrap();
    for version in [&TLS12, &TLS13] {
        let mut stream = Connection::by(version, quickstart.issuer());
        write!(stream, "GET / HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(stream.version(), Some(version.version));
    }
    assert_eq!(Wire::get("/.well-known/jwks.json").send(quickstart.issuer()).status, 200);
}

#[test]
fn plain_http_gets_no_page_and_holds_nobody_up() {
    let quickstart = Quickstart::secure(&["--store", "memory:"]);
    for said in [&b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], b"\0", b"\x16\x03\x01\xff\xff", &[0xff; 70_000]] {
        let mut stream = connect(&quickstart);
        stream.write_all(said).ok();
        stream.shutdown(std::net::Shutdown::Write).ok();
        let mut answer = Vec::new();
        // A reset ends it too.
        stream.read_to_end(&mut answer).ok();
        assert!(answer.is_empty() || answer[0] == 21, "an alert or nothing: {answer:?}");
    }
    assert_eq!(Http::new().get(&quickstart.url("/"), &[]).status, 200);
}

#[test]
fn promise_7_slow_handshakes_hold_nobody_up() {
    let quickstart = Quickstart::secure(&["--store", "memory:"]);
    let whole = hello(0x0303, &[0xc02b]);
    let slow: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut stream = connect(&quickstart);
            stream.write_all(&whole[..number % whole.len()]).unwrap();
            stream
        })
        .collect();
    let begin = Instant::now();
    assert_eq!(Http::new().get(&quickstart.url("/"), &[]).status, 200);
    // Half of what a handshake may take.
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    drop(slow);
}

#[test]
fn a_login_by_https_has_host_cookies_and_outlives_a_restart() {
    let mut quickstart = Quickstart::secure(&[]);
    let callback = Callback::at(&quickstart.url("/demo/callback"));
    let url = callback.authorization_url(quickstart.issuer(), "demo-mfa", "openid offline_access");
    let reply = FrontEnd::new(quickstart.issuer()).open(&url);
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-") && !cookie.contains("Domain"), "{cookie}");
    for attribute in ["; Secure", "; HttpOnly", "; Path=/", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let mut browser = FrontEnd::new(quickstart.issuer());
    let mut alice = User::alice();
    let back = alice.sign_in(&mut browser, &url);
    let first = callback.exchange(&back, quickstart.issuer(), "demo-mfa");
    assert_eq!(first.claims["iss"], quickstart.issuer());

    let authority = fs::read(quickstart.authority().unwrap()).unwrap();
    quickstart.restart();
    quickstart.crash();
    assert_eq!(fs::read(quickstart.authority().unwrap()).unwrap(), authority);
    let refresh = first.answer["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("client_id", "demo-mfa"), ("refresh_token", refresh)];
    assert_eq!(Http::new().post(&quickstart.url("/oauth/token"), &form, &[]).status, 200);
}

/// A certificate as an operator gets one, with its key.
struct Issued {
    certificate: Certificate,
    params: CertificateParams,
    key: KeyPair,
}

impl Issued {
    fn new(names: &[&str], adjust: impl FnOnce(&mut CertificateParams), by: Option<&Self>) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a certificate for tests");
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = match by {
            Some(by) => params.signed_by(&key, &Issuer::from_params(&by.params, &by.key)),
            None => params.self_signed(&key),
        };
        Self { certificate: certificate.unwrap(), params, key }
    }

    fn authority(name: &str, by: Option<&Self>) -> Self {
        let adjust = |params: &mut CertificateParams| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        };
        Self::new(&[], adjust, by)
    }

    fn localhost() -> Self {
        Self::new(&["localhost"], |_| {}, None)
    }
}

#[test]
fn a_chain_of_the_operators_is_served() {
    let root = Issued::authority("root", None);
    let between = Issued::authority("between", Some(&root));
    let own = Issued::new(&["localhost"], |_| {}, Some(&between));
    let scratch = Scratch::new();
    let chain = scratch.file("chain.pem", &(own.certificate.pem() + &between.certificate.pem()));
    let key = scratch.file("key.pem", &own.key.serialize_pem());
    let switches = ["--tls-cert", &chain.to_string_lossy(), "--tls-key", &key.to_string_lossy(), "--store", "memory:"];
    let quickstart = Quickstart::start(&switches);
    let _trusted = trust(quickstart.issuer(), &scratch.file("root.pem", &root.certificate.pem()));
    assert_eq!(Http::new().get(&quickstart.url("/"), &[]).status, 200);
    assert!(!quickstart.data().join("tls").exists(), "no authority of its own is needed");
}

/// A key that `openssl pkcs8 -topk8` encrypted.
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgflFZIVQnSywICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKHASUob08nsByzyUVlDcygEgZB0
w1J5BgdzqqM0p6B0FaXa4U3w4UmXB9N8ECpqTqPgZ04cRhi2o6uPAKElRK+C/LbY
hID38pkxBoG0yxkLC4A2fw0Z7V8iRE8s9YIJUC81G70qsg7nmcJKA8HkXtVkuTuh
e+Nybon7B4wpc3cVCIN+UvCiksITZ2jccmC4iKyWCSYz4fIG5aKih++0sDjyAL8=
-----END ENCRYPTED PRIVATE KEY-----
";

#[test]
fn a_certificate_that_browsers_would_refuse_is_refused_at_the_start() {
    let good = Issued::localhost();
    let (pem, key) = (good.certificate.pem(), good.key.serialize_pem());
    let past = Issued::new(&["localhost"], |params| params.not_after = date_time_ymd(2024, 2, 3), None);
    let future = Issued::new(&["localhost"], |params| params.not_before = date_time_ymd(3024, 2, 3), None);
    let elsewhere = Issued::new(&["id.example.com"], |_| {}, None);
    let other = Issued::localhost();
    let old_form = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n";
    let no_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (what, certificate, private, words) in [
        ("another's key", &pem, &other.key.serialize_pem(), &["--tls-cert", "does not belong to the key"][..]),
        ("expired", &past.certificate.pem(), &past.key.serialize_pem(), &["--tls-cert", "expired", "2024", "renew"]),
        ("early", &future.certificate.pem(), &future.key.serialize_pem(), &["--tls-cert", "valid only from", "3024"]),
        (
            "another host",
            &elsewhere.certificate.pem(),
            &elsewhere.key.serialize_pem(),
            &["--tls-cert", "not for the issuer's host localhost", "--issuer"],
        ),
        ("an expired root in the chain", &(pem.clone() + &past.certificate.pem()), &key, &["number 2", "expired"]),
        ("an empty chain", &String::new(), &key, &["--tls-cert", "not PEM"]),
        ("no PEM", &"DER, perhaps".to_owned(), &key, &["--tls-cert", "not PEM", "openssl"]),
        ("broken PEM", &"-----BEGIN CERTIFICATE-----\n%%%\n".to_owned(), &key, &["--tls-cert", "not PEM"]),
        ("a key for a certificate", &key, &key, &["--tls-cert", "holds no certificate"]),
        ("no X.509", &no_x509.to_owned(), &key, &["--tls-cert", "number 1", "no X.509"]),
        ("a certificate for a key", &pem, &pem, &["--tls-key", "holds no private key"]),
        ("no PEM for a key", &pem, &"nothing".to_owned(), &["--tls-key", "not PEM"]),
        ("an encrypted key", &pem, &ENCRYPTED.to_owned(), &["--tls-key", "encrypted", "openssl pkey"]),
        ("an encrypted key of the old form", &pem, &old_form.to_owned(), &["--tls-key", "encrypted"]),
        ("no key in it", &pem, &no_key.to_owned(), &["--tls-key", "cannot be used", "P-256"]),
    ] {
        let scratch = Scratch::new();
        let _ = scratch.file("chain.pem", certificate);
        let _ = scratch.file("key.pem", private);
        check_refused(&scratch, what, &["--tls-cert", "chain.pem", "--tls-key", "key.pem"], words);
    }
}

#[test]
fn switches_for_tls_that_do_not_fit_together_are_refused() {
    let scratch = Scratch::new();
    let pair = ["--tls-cert", "chain.pem", "--tls-key", "key.pem"];
    let plain = ["--tls", "self-signed", "--issuer", "http://localhost:4000"];
    for (what, switches, words) in [
        ("no key", &pair[..2], &["--tls-key"][..]),
        ("no certificate", &pair[2..], &["--tls-cert"]),
        ("no such file", &pair, &["--tls-cert chain.pem", "cannot be read"]),
        ("two certificates", &[&pair[..], &["--tls", "self-signed"]].concat(), &["--tls-cert", "leave one"]),
        ("an unknown way", &["--tls", "acme"], &["--tls self-signed"]),
        ("an issuer of plain HTTP", &plain, &["http://localhost:4000", "https://"]),
    ] {
        check_refused(&scratch, what, switches, words);
    }
    // A folder is no file.
    fs::create_dir(scratch.path().join("chain.pem")).unwrap();
    check_refused(&scratch, "a folder", &pair, &["--tls-cert chain.pem", "cannot be read"]);
}

#[track_caller]
fn check_refused(scratch: &Scratch, what: &str, switches: &[&str], words: &[&str]) {
    let (status, output) = Quickstart::refused(scratch.path(), switches);
    assert_eq!(status, Some(2), "{what}: {output}");
    for word in words {
        assert!(output.contains(word), "{what}: {word:?} is not told:\n{output}");
    }
    assert_eq!(output.lines().count(), 1, "{what}: {output}");
    assert!(!Path::new(&scratch.path().join("quickstart-data")).exists(), "{what}: something was begun");
}
