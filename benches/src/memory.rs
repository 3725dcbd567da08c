//! How much memory a server takes: idle, with many live tokens, and after they are gone.

use std::time::Duration;

use axum::body::Body;
use http::Request;

use crate::host::{CLIENT_CREDENTIALS, Host, answered, body_of, ready, token_request};
use crate::meter;

const TOKENS: usize = 100_000;

/// Prints a name and a number of bytes a line.
pub(crate) fn report() {
    let host = Host::new();
    let router = host.router();
    body_of(answered(
        &mut router.clone(),
        Request::get("/.well-known/jwks.json").header("host", "id.example.com").body(Body::empty()).unwrap(),
    ));
    println!("idle-resident\t{}", resident());
    let before = meter::live_bytes();
    issue(&host, TOKENS);
    println!("live-tokens\t{}", meter::live_bytes() - before);
    println!("live-tokens-resident\t{}", resident());
    // Three times as many again, each lot gone before the next: what is left over must not grow.
    let empty = |host: &Host| {
        host.clock.advance(Duration::from_secs(24 * 3_600));
        while ready(host.server.work(host.clock_now())).unwrap() <= host.clock_now() {}
        meter::live_bytes()
    };
    let first = empty(&host);
    for _ in 0..3 {
        issue(&host, TOKENS);
        empty(&host);
    }
    println!("left-over\t{}", empty(&host).saturating_sub(first));
    println!("records-left\t{}", host.store.len());
}

fn issue(host: &Host, tokens: usize) {
    let mut router = host.router();
    for _ in 0..tokens {
        let response = answered(&mut router, token_request("opaque-machine", CLIENT_CREDENTIALS));
        assert_eq!(response.status(), 200);
    }
}

/// What the process holds in memory, by the kernel's count.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or(0) * 1_024
}
