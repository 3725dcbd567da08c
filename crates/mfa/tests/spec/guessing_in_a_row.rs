//! A hundred failures in a row close a factor to strangers, and its owner is told on the way (NIST SP 800-63B-4 §3.2.2).

use std::time::Duration;

use countersign_mfa::{Answer, LoginRequest};
use countersign_primitives::{Clock as _, Requirement};

use crate::guessing::throttled;
use crate::support::Bench;

const DAY: Duration = Duration::from_secs(86_400);

/// Guesses in strangers' browsers for ten days, waiting as long as is told; says what was seen at each attempt: how long to
/// wait, and how often counters were touched.
async fn besiege(bench: &Bench, name: &str) -> Vec<(Option<Duration>, u64)> {
    let mut seen = Vec::new();
    let end = bench.clock.now().plus(10 * DAY);
    while bench.clock.now() < end {
        let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
        let before = bench.store.charges();
        let wait = throttled(login.try_answer(&Answer::password(name, "guess")).await);
        seen.push((wait, bench.store.charges() - before));
        bench.clock.advance(wait.unwrap_or_default());
    }
    seen
}

fn told(bench: &Bench, name: &str) -> Vec<(Option<String>, Option<&'static str>, Option<&'static str>)> {
    let events = bench.events.lock().unwrap();
    let found = events.iter().filter(|event| event.name() == name);
    found.map(|event| (event.subject().map(ToString::to_string), event.cause(), event.section())).collect()
}

#[tokio::test]
async fn nist_sp800_63b_4_3_2_2_an_unknown_name_is_stopped_closed_and_counted_like_a_known_one() {
    let bench = Bench::new().await;
    let (known, unknown) = (besiege(&bench, "alice").await, besiege(&bench, "nobody").await);
    assert_eq!(known.iter().filter(|(wait, _)| wait.is_none()).count(), 100, "a hundred were compared, and no more");
    assert_eq!(known, unknown, "what is answered, how long to wait, and what it costs the store");
    let section = Some("NIST SP 800-63B-4 §3.2.2");
    let owner = || Some("u-1".to_owned());
    assert_eq!(
        told(&bench, "guessing.closed"),
        [(owner(), Some("guessing.row"), section), (None, Some("guessing.row"), section)]
    );
    let warned = [(owner(), Some("guessing.row"), section), (owner(), Some("guessing.closed"), section)];
    assert_eq!(told(&bench, "owner.warned"), warned, "at twenty and at a hundred, and of nobody's name nobody is told");
    assert!(told(&bench, "guessing.throttled").iter().any(|(_, cause, _)| *cause == Some("guessing.closed")));
}

#[tokio::test]
async fn promise_6_a_closed_password_is_open_to_its_owners_browser_which_opens_it_again() {
    let bench = Bench::new().await;
    let owner = bench.browser();
    let marks = bench.password(LoginRequest::new(), owner.clone(), "alice").await.done().marks.clone();
    besiege(&bench, "alice").await;
    let right = Answer::password("alice", "alice-password");
    let mut elsewhere = bench.begin(LoginRequest::new(), bench.browser()).await;
    assert_eq!(throttled(elsewhere.try_answer(&right).await), Some(DAY));
    bench.clock.advance(30 * DAY);
    let mut elsewhere = bench.begin(LoginRequest::new(), bench.browser()).await;
    assert_eq!(throttled(elsewhere.try_answer(&right).await), Some(DAY), "no time opens it");
    assert!(bench.password(LoginRequest::new(), owner.marks(marks), "alice").await.is_done());
    assert!(bench.password(LoginRequest::new(), bench.browser(), "alice").await.is_done());
}

#[tokio::test]
async fn promise_6_an_operator_opens_what_was_closed() {
    let bench = Bench::new().await;
    besiege(&bench, "alice").await;
    bench.mfa.unlock_subject(&bench.subject_of("alice").await).await.unwrap();
    assert!(bench.password(LoginRequest::new(), bench.browser(), "alice").await.is_done());
}

/// Somebody who knows the password guesses codes until the app is closed to strangers.
async fn besiege_app(bench: &Bench) {
    for _ in 0..1_000 {
        let mut login = bench.second("alice").await;
        match throttled(login.try_answer(&Answer::code("000000")).await) {
            Some(wait) => bench.clock.advance(wait),
            None => continue,
        };
        let closed = bench.heard().contains(&"guessing.closed");
        if closed {
            return;
        }
    }
    panic!("the app is never closed");
}

#[tokio::test]
async fn nist_sp800_63b_4_3_2_2_a_closed_app_opens_to_the_proof_of_another_factor_and_not_to_the_password() {
    let bench = Bench::new().await;
    let (secret, codes) = bench.enrol("alice").await;
    besiege_app(&bench).await;
    // Who knows the password signs in where it is enough, and that opens nothing.
    assert!(bench.password(LoginRequest::new(), bench.browser(), "alice").await.is_done());
    bench.clock.advance(3 * DAY);
    let mut login = bench.second("alice").await;
    let right = Answer::code(bench.code(&secret));
    assert_eq!(throttled(login.try_answer(&right).await), Some(DAY));
    // The owner has another way, which opens the app again.
    let mut login = bench.second("alice").await;
    login.choose("recovery_code").await;
    login.answer(&Answer::code(&codes[0])).await;
    assert!(login.is_done());
    let mut login = bench.password(LoginRequest::new().requirement(Requirement::MFA), bench.browser(), "alice").await;
    login.answer(&Answer::code(bench.code(&secret))).await;
    assert!(login.is_done());
}
