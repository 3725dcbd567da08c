//! The quickstart as a program: its switches, its documents, its end.

use std::time::Duration;

use countersign_tests::{Http, Process, Quickstart, Scratch};

const PATIENCE: Duration = Duration::from_secs(30);

/// The status and output of a start that is refused.
fn refused(switches: &[&str]) -> (Option<i32>, String) {
    let scratch = Scratch::new();
    let mut process = Process::start(Quickstart::command(scratch.path()).args(switches));
    (process.wait(PATIENCE).code(), process.output())
}

#[test]
fn promise_10_discovery_names_the_issuer_and_addresses_that_answer() {
    let quickstart = Quickstart::start(&[]);
    let http = Http::new();
    for document in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let reply = http.get(&quickstart.url(document), &[]);
        assert_eq!(reply.status, 200, "{document}");
        let metadata = reply.json();
        assert_eq!(metadata["issuer"], quickstart.issuer());
        let members = metadata.as_object().unwrap().iter();
        let addresses = members.filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
        for (name, address) in addresses {
            let address = address.as_str().unwrap();
            assert!(address.starts_with(quickstart.issuer()), "{name} is {address}");
            assert_ne!(http.get(address, &[]).status, 404, "{name} is {address}");
        }
    }
}

#[test]
fn rfc6749_4_1_2_1_an_unknown_client_is_told_by_a_page_and_redirected_nowhere() {
    let quickstart = Quickstart::start(&[]);
    let query = "response_type=code&client_id=nobody&redirect_uri=https://attacker.example/cb&state=s";
    let reply = Http::new().get(&quickstart.url(&format!("/authorize?{query}")), &[]);
    assert_eq!(reply.status, 400);
    assert_eq!(reply.header("location"), None);
    assert!(reply.header("content-type").unwrap().starts_with("text/html"));
}

#[test]
fn a_host_that_is_not_the_issuers_is_refused() {
    let quickstart = Quickstart::start(&[]);
    let reply = Http::new().get(&quickstart.url("/authorize"), &[("host", "attacker.example")]);
    assert_eq!(reply.status, 421);
}

#[test]
fn keys_outlive_a_restart_and_a_crash() {
    let mut quickstart = Quickstart::start(&[]);
    let keys = |quickstart: &Quickstart| Http::new().get(&quickstart.url("/.well-known/jwks.json"), &[]).json();
    let before = keys(&quickstart);
    assert!(!before["keys"].as_array().unwrap().is_empty());
    quickstart.restart();
    assert_eq!(keys(&quickstart), before);
    quickstart.crash();
    assert_eq!(keys(&quickstart), before);
}

#[test]
fn a_wrong_switch_ends_with_2() {
    let (status, output) = refused(&["--listen", "localhost:0", "--no-such-switch"]);
    assert_eq!(status, Some(2), "{output}");
    assert!(output.contains("--no-such-switch"), "{output}");
}

#[test]
fn an_unknown_setting_is_told_with_file_and_line() {
    let scratch = Scratch::new();
    let file = scratch.file("demo.toml", "[lifetimes]\ncode = \"60s\"\ncoda = \"60s\"\n");
    let (status, output) = refused(&["--listen", "localhost:0", "--config", &file.to_string_lossy()]);
    assert_eq!(status, Some(2), "{output}");
    assert!(output.contains("demo.toml") && output.contains('3') && output.contains("coda"), "{output}");
}

#[test]
fn a_start_that_fails_ends_with_1() {
    let scratch = Scratch::new();
    // A file stands where the data folder would be made.
    let file = scratch.file("data", "");
    let (status, output) = refused(&["--listen", "localhost:0", "--data", &file.to_string_lossy()]);
    assert_eq!(status, Some(1), "{output}");
}

#[test]
fn promise_3_a_store_that_forgets_is_told_at_start() {
    let mut forgetful = Quickstart::start(&["--store", "memory:"]);
    assert!(forgetful.process().output().contains("not durable"), "{}", forgetful.process().output());
    let mut durable = Quickstart::start(&[]);
    assert!(!durable.process().output().contains("not durable"), "{}", durable.process().output());
}

#[test]
fn demo_users_stay_on_loopback() {
    let (status, output) = refused(&["--listen", "0.0.0.0:0", "--issuer", "https://id.example.com"]);
    assert_eq!(status, Some(2), "{output}");
    assert!(output.contains("--open-demo"), "{output}");
}
