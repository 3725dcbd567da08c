//! Calls without a browser: guesses count by client and address.

use std::time::Duration;

use countersign_mfa::{Answer, Caller, LoginError, LoginRequest};
use countersign_primitives::Requirement;

use crate::guessing::throttled;
use crate::support::Bench;

fn app(address: &str) -> Caller {
    Caller::of_client("app").address(address.parse().unwrap())
}

async fn exhaust(bench: &Bench, caller: Caller) -> u32 {
    let mut login = bench.begin(LoginRequest::new(), caller).await;
    for guesses in 0..100 {
        if throttled(login.try_answer(&Answer::password("alice", "guess")).await).is_some() {
            return guesses;
        }
    }
    panic!("guessing is never stopped");
}

#[tokio::test]
async fn promise_6_who_calls_without_cookies_is_counted_by_client_and_address() {
    let bench = Bench::new().await;
    assert_eq!(exhaust(&bench, app("192.0.2.1")).await, 10);
    assert_eq!(exhaust(&bench, app("192.0.2.1")).await, 0, "a new login is no new budget");
    // Neither browsers nor other addresses of the client are held up by it, and it is not held up by browsers.
    assert!(bench.password(LoginRequest::new(), bench.browser(), "alice").await.is_done());
    assert!(bench.password(LoginRequest::new(), app("192.0.2.2"), "alice").await.is_done());
    assert_eq!(exhaust(&bench, bench.browser()).await, 10);
    assert!(bench.password(LoginRequest::new(), app("192.0.2.3"), "alice").await.is_done());
}

#[tokio::test]
async fn promise_6_a_client_and_address_that_signed_in_before_have_a_budget_of_their_own() {
    let bench = Bench::new().await;
    let login = bench.password(LoginRequest::new(), app("192.0.2.1"), "alice").await;
    assert!(login.done().marks.is_empty(), "a client is given no cookie");
    // The password is closed to strangers by guesses from everywhere.
    for n in 0..30 {
        let _ = exhaust(&bench, Caller::of_client("other").address(format!("198.51.100.{n}").parse().unwrap())).await;
    }
    assert!(bench.heard().contains(&"guessing.closed"));
    let mut login = bench.begin(LoginRequest::new(), app("192.0.2.9")).await;
    let right = Answer::password("alice", "alice-password");
    assert_eq!(throttled(login.try_answer(&right).await), Some(Duration::from_secs(86_400)));
    assert!(bench.password(LoginRequest::new(), app("192.0.2.1"), "alice").await.is_done());
}

#[tokio::test]
async fn promise_11_a_login_of_a_client_answers_no_other_client_and_no_browser() {
    let bench = Bench::new().await;
    let request = LoginRequest::new().requirement(Requirement::MFA);
    let login = bench.password(request, app("192.0.2.1"), "alice").await;
    for other in [Caller::of_client("other"), bench.browser()] {
        assert!(matches!(bench.mfa.step(login.id, &other).await, Err(LoginError::OtherBrowser)));
    }
    // The user's device may have moved to another network meanwhile.
    assert!(bench.mfa.step(login.id, &app("198.51.100.1")).await.is_ok());
}
