//! Requests that wait for their users are bounded by the address that they come from (promise 7).

use bytes::Bytes;
use countersign_oauth_core::{Config, Outcome, Peer};
use countersign_storage_memory::MemoryStore;
use http::{Method, Request};

use crate::kit::*;

fn from(address: &str) -> Request<Bytes> {
    let query = authorization("shop", "read").encode();
    let mut request = request(Method::GET, &format!("/authorize?{query}")).body(Bytes::new()).unwrap();
    request.extensions_mut().insert(Peer::new(address.parse().unwrap()));
    request
}

#[test]
fn promise_7_one_address_begins_so_many_requests_within_the_lifetime_of_a_login() {
    let store = MemoryStore::new();
    let kit = Kit::over(ISSUER, store.clone(), |builder| builder.requests_per_address(3));
    let ask = |address| block_on(kit.server.authorize(from(address), None));
    for _ in 0..3 {
        assert!(matches!(ask("192.0.2.1"), Outcome::NeedsLogin(_)));
    }
    let held = store.len();
    for address in ["192.0.2.1", "::ffff:192.0.2.1"] {
        let Outcome::Refused(refusal) = ask(address) else { panic!("let through") };
        assert_eq!((refusal.status().as_u16(), refusal.error()), (429, "temporarily_unavailable"));
        assert_eq!((kit.cause(), refusal.seconds_to_wait()), ("authorize.throttled", Some(900)));
        let page = refusal.page("<h1>Wait</h1>");
        assert_eq!(page.headers()["retry-after"], "900");
    }
    assert_eq!(store.len(), held, "what is refused is not kept");
    for address in ["192.0.2.2", "2001:db8::1"] {
        assert!(matches!(ask(address), Outcome::NeedsLogin(_)), "another address");
    }
    for n in 2..5 {
        let answer = block_on(kit.server.authorize(from(&format!("2001:db8::{n}")), None));
        assert_eq!(matches!(answer, Outcome::NeedsLogin(_)), n < 4, "an IPv6 subscriber is one address");
    }
    kit.advance(900);
    assert!(matches!(ask("192.0.2.1"), Outcome::NeedsLogin(_)));
}

#[test]
fn promise_7_loopback_and_answers_that_keep_nothing_have_no_budget_of_requests() {
    let kit = Kit::with(|builder| builder.requests_per_address(1));
    let mut jar = Jar::default();
    for _ in 0..10 {
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(matches!(block_on(kit.server.authorize(from(address), None)), Outcome::NeedsLogin(_)));
        }
        // Whoever is signed in and is asked nothing leaves no record behind.
        let form = authorization("app", "read");
        assert!(matches!(kit.authorize(&mut jar, &form, Some(alice(&kit))), Outcome::Done(_)));
    }
    assert!(matches!(kit.authorize(&mut jar, &authorization("shop", "read"), None), Outcome::NeedsLogin(_)));
}

#[test]
fn promise_7_a_request_that_waits_may_be_opened_as_often_as_one_likes() {
    let kit = Kit::with(|builder| builder.requests_per_address(1));
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("shop", "read"), None) else { panic!() };
    for _ in 0..10 {
        assert!(matches!(kit.come_back(&mut jar, ask.return_to(), None), Outcome::NeedsLogin(_)));
    }
    assert_eq!(kit.server.config().requests_per_address(), 1);
    assert_eq!(Kit::new().server.config().requests_per_address(), Config::REQUESTS_PER_ADDRESS);
}
