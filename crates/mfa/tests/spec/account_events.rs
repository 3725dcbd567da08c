//! What happened to an account: written with what it tells, or not at all (promises 12 and 14).

use countersign_mfa::{AccountEvent, AccountEventKind, Answer, AuthenticatorId, LoginRequest};
use countersign_primitives::Subject;

use crate::support::{Bench, Stop};

fn alice() -> Subject {
    "u-1".into()
}

async fn kinds(bench: &Bench) -> Vec<AccountEventKind> {
    bench.mfa.account_events(&alice()).await.unwrap().into_iter().map(|event| event.what).collect()
}

async fn first_factor(bench: &Bench) -> AuthenticatorId {
    bench.mfa.authenticators().list(&alice()).await.unwrap()[0].id.clone()
}

#[tokio::test]
async fn promise_14_a_change_and_what_its_owner_sees_of_it_are_one_commit() {
    let bench = Bench::new().await;
    bench.enrol("alice").await;
    assert_eq!(kinds(&bench).await, [AccountEventKind::NewBrowser, AccountEventKind::FactorAdded]);
    let id = first_factor(&bench).await;
    bench.store.stop(None);
    assert!(bench.mfa.authenticators().rename(&alice(), &id, Some("Mine")).await.unwrap());
    assert_eq!(bench.store.commits(), 1);
    assert_eq!(kinds(&bench).await[0], AccountEventKind::FactorRenamed);
    // A store that takes nothing takes neither.
    bench.store.stop(Some(Stop::Before(0)));
    assert!(bench.mfa.authenticators().remove(&alice(), &id).await.is_err());
    bench.store.stop(None);
    assert_eq!((kinds(&bench).await.len(), first_factor(&bench).await), (3, id.clone()));
    // One whose answer was lost took both.
    bench.store.stop(Some(Stop::After(0)));
    assert!(bench.mfa.authenticators().remove(&alice(), &id).await.is_err());
    bench.store.stop(None);
    assert_eq!(kinds(&bench).await[0], AccountEventKind::FactorRemoved);
    assert!(bench.mfa.authenticators().list(&alice()).await.unwrap().is_empty());
    assert_eq!(bench.mfa.account_events(&"u-2".into()).await.unwrap(), []);
}

#[tokio::test]
async fn promise_12_of_changes_at_once_each_that_was_done_is_told_once() {
    let bench = Bench::new().await;
    bench.enrol("alice").await;
    let id = first_factor(&bench).await;
    let before = kinds(&bench).await.len();
    let names = ["a", "b", "c", "d", "e", "f"];
    let renamed = names.map(|name| {
        let (authenticators, id) = (bench.mfa.authenticators(), id.clone());
        async move { authenticators.rename(&alice(), &id, Some(name)).await }
    });
    let done = futures_util::future::join_all(renamed).await.into_iter().filter(Result::is_ok).count();
    assert!(done > 0);
    assert_eq!(kinds(&bench).await.len() - before, done);
}

#[tokio::test]
async fn a_browser_that_is_known_writes_nothing_more_and_old_events_are_not_shown() {
    let bench = Bench::new().await;
    let browser = bench.browser();
    let login = bench.password(LoginRequest::new(), browser.clone(), "alice").await;
    let marks = login.done().marks.clone();
    assert_eq!(kinds(&bench).await, [AccountEventKind::NewBrowser]);
    let mut again = bench.begin(LoginRequest::new(), bench.browser().marks(marks)).await;
    again.answer(&Answer::password("alice", "alice-password")).await;
    assert!(again.is_done());
    assert_eq!(kinds(&bench).await.len(), 1);
    bench.clock.advance(AccountEvent::KEPT);
    assert_eq!(kinds(&bench).await, []);
}
