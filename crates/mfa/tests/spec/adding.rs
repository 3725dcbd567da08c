//! One more factor beside those that there are (attack M25; promises 1 and 14).

use std::time::Duration;

use countersign_mfa::{Answer, LoginError, LoginRequest, Step};
use countersign_mfa_otp::TotpSecret;
use countersign_primitives::SignedIn;

use crate::support::{Bench, Login, Stop, secret_of};

/// Alice with an app that she proved just now, and who that makes her.
async fn fresh(bench: &Bench) -> (SignedIn, TotpSecret) {
    let (secret, _) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    login.answer(&Answer::code(bench.code(&secret))).await;
    let who = login.done().signed_in.clone();
    bench.clock.advance(Duration::from_secs(60));
    (who, secret)
}

async fn adding<'a>(bench: &'a Bench, who: &SignedIn) -> Login<'a> {
    bench.begin(LoginRequest::new().who(who.clone()).adds_factor(), bench.browser()).await
}

async fn begun(bench: &Bench, who: Option<SignedIn>) -> Result<Step, LoginError> {
    let request = who.into_iter().fold(LoginRequest::new(), LoginRequest::who).adds_factor();
    Ok(bench.mfa.start(request, &bench.browser()).await?.step)
}

async fn count(bench: &Bench) -> usize {
    bench.mfa.authenticators().list(&"u-1".into()).await.unwrap().len()
}

#[tokio::test]
async fn m25_only_who_proved_a_factor_just_now_begins_to_add_one() {
    let bench = Bench::new().await;
    let (who, _) = fresh(&bench).await;
    let first = bench.password(LoginRequest::new(), bench.browser(), "alice").await.done().signed_in.clone();
    assert!(matches!(begun(&bench, Some(who.clone())).await, Ok(Step::Enrol(_))));
    for who in [None, Some(first)] {
        assert!(matches!(begun(&bench, who).await, Err(LoginError::FactorTooOld)));
    }
    bench.clock.advance(Duration::from_secs(600));
    let error = begun(&bench, Some(who)).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (403, "insufficient_user_authentication"));
}

#[tokio::test]
async fn m25_what_is_set_up_now_proves_nothing_more_of_who_was_signed_in() {
    let bench = Bench::new().await;
    let (who, _) = fresh(&bench).await;
    let mut login = adding(&bench, &who).await;
    let secret = secret_of(&login.step);
    login.answer(&Answer::enrol(bench.code(&secret))).await;
    assert_eq!(login.done().signed_in, who);
    assert_eq!(count(&bench).await, 3, "two apps, and the codes of the first");
}

#[tokio::test]
async fn promise_14_a_store_that_fails_at_any_commit_loses_no_factor_and_adds_none_twice() {
    for stop in [Stop::Before(0), Stop::After(0), Stop::Before(1), Stop::After(1)] {
        let bench = Bench::new().await;
        let (who, _) = fresh(&bench).await;
        let mut login = adding(&bench, &who).await;
        let secret = secret_of(&login.step);
        let answer = Answer::enrol(bench.code(&secret));
        bench.store.stop(Some(stop));
        assert!(login.try_answer(&answer).await.is_err(), "{stop:?}");
        bench.store.stop(None);
        login.answer(&answer).await;
        assert!(login.is_done(), "{stop:?}: {:?}", login.step);
        assert_eq!(count(&bench).await, 3, "{stop:?}");
    }
}

#[tokio::test]
async fn m25_of_many_that_are_added_at_once_each_counts_once_and_no_codes_are_made_twice() {
    let bench = Bench::new().await;
    // A factor from elsewhere has no recovery codes yet.
    bench.mfa.authenticators().import_totp(&"u-1".into(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").await.unwrap();
    let imported = TotpSecret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Default::default()).unwrap();
    let mut login = bench.second("alice").await;
    login.answer(&Answer::code(bench.code(&imported))).await;
    let who = login.done().signed_in.clone();
    let mut logins = Vec::new();
    for _ in 0..6 {
        logins.push(adding(&bench, &who).await);
    }
    let answered = logins.iter_mut().map(|login| async {
        let answer = Answer::enrol(bench.code(&secret_of(&login.step)));
        while let Err(LoginError::Contended) = login.try_answer(&answer).await {}
        matches!(login.step, Step::RecoveryCodes(_))
    });
    let shown = futures_util::future::join_all(answered).await.into_iter().filter(|shown| *shown).count();
    assert_eq!(shown, 1, "codes are shown once");
    let listed = bench.mfa.authenticators().list(&"u-1".into()).await.unwrap();
    assert_eq!(listed.iter().filter(|one| one.codes_left.is_some()).count(), 1);
    assert_eq!(listed.len(), 8);
}
