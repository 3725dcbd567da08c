//! The quickstart in process, as tests start it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser as _;
use countersign::{ManualClock, UnixTime};
use quickstart::{Cli, ListenError, Running, Settings, StartError, start, start_with_clock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A data folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        Self(std::env::temp_dir().join(format!("countersign-quickstart-{}-{test}", std::process::id())))
    }

    fn settings(&self, switches: &[&str]) -> Settings {
        self.settings_at("localhost:0", switches)
    }

    fn settings_at(&self, listen: &str, switches: &[&str]) -> Settings {
        let data = self.0.display().to_string();
        let switches = [&["quickstart", "--data", &data, "--listen", listen], switches].concat();
        Settings::from_cli(&Cli::parse_from(switches)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn port(running: &Running) -> u16 {
    running.issuer().strip_prefix("http://localhost:").unwrap().parse().unwrap()
}

async fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\r\n", at.port());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_in_process_serves_on_both_families_and_ends() {
    let folder = Folder::new("serves");
    let running = start(folder.settings(&["--store=memory:"])).await.unwrap();
    let port = port(&running);
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for path in ["/", "/outbox", "/.well-known/openid-configuration", "/.well-known/jwks.json", "/demo/style.css"] {
        assert!(get(here, path).await.starts_with("HTTP/1.1 200"), "{path}");
    }
    assert!(get(here, "/nowhere").await.starts_with("HTTP/1.1 404"));
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok() {
        let there = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        assert!(get(there, "/.well-known/jwks.json").await.starts_with("HTTP/1.1 200"));
    }
    assert!(running.data().is_absolute() && running.outbox().starts_with(running.data()));
    running.stop().await;
    assert!(TcpStream::connect(here).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_can_be_held_still() {
    let folder = Folder::new("clock");
    let clock = ManualClock::at(UnixTime::from_secs(1_000_000));
    let running = start_with_clock(folder.settings(&["--store=memory:"]), clock.clone()).await.unwrap();
    assert_eq!(running.server().now(), UnixTime::from_secs(1_000_000));
    clock.advance(Duration::from_secs(5));
    assert_eq!(running.server().now(), UnixTime::from_secs(1_000_005));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_data_is_opened_again() {
    let folder = Folder::new("again");
    let keys = async |running: &Running| {
        let answer = get((Ipv4Addr::LOCALHOST, port(running)).into(), "/.well-known/jwks.json").await;
        answer.split("\r\n\r\n").nth(1).unwrap().to_owned()
    };
    let running = start(folder.settings(&[])).await.unwrap();
    let (first, address) = (keys(&running).await, format!("localhost:{}", port(&running)));
    running.stop().await;
    let running = start(folder.settings_at(&address, &[])).await.unwrap();
    assert!(first.contains("\"keys\"") && keys(&running).await == first);
    running.stop().await;
    std::fs::remove_file(folder.0.join("master.key")).unwrap();
    let error = start(folder.settings(&[])).await.unwrap_err();
    assert!(matches!(error, StartError::Data(_)) && error.exit_code() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_a_failed_start_and_leaves_nothing_behind() {
    let folder = Folder::new("taken");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let listen = format!("localhost:{}", taken.local_addr().unwrap().port());
    let error = start(folder.settings_at(&listen, &[])).await.unwrap_err();
    assert!(matches!(error, StartError::Listen(ListenError::InUse(_))), "{error}");
    assert!(error.exit_code() == 1 && error.to_string().contains("--listen") && !folder.0.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_the_server_refuses_is_told_with_its_line() {
    let folder = Folder::new("refused");
    std::fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("demo.toml");
    std::fs::write(&file, "# a comment\n[[client]]\nclient_id = \"x\"\nredirect_uris = [\"https://rp.example/#x\"]\n")
        .unwrap();
    let config = format!("--config={}", file.display());
    let error = start(folder.settings(&["--store=memory:", &config])).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("demo.toml, line 2: client \"x\""), "{error}");
}
