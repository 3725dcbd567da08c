//! What a login rests on may end while it is under way: then it proves nothing (promise 12).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_mfa::{Answer, Caller, LoginError, LoginRequest, Step, StepError, Subjects};
use countersign_primitives::{Acr, Amr, BoxError, Id, Requirement, SessionId, SignedIn, Subject};

use crate::support::{Bench, NOW};

/// Subjects whose epoch a test raises.
#[derive(Debug, Default)]
struct Epochs(AtomicU64);

#[async_trait]
impl Subjects for Epochs {
    fn partition(&self, subject: &Subject) -> Id {
        let mut bytes = [1; 16];
        bytes[..3].copy_from_slice(subject.as_str().as_bytes());
        Id::from_bytes(bytes)
    }
    async fn epoch(&self, _: &Subject) -> Result<u64, BoxError> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}

async fn bench() -> (Bench, Arc<Epochs>) {
    let epochs = Arc::new(Epochs::default());
    let bench = Bench::with(|builder| builder.subjects(epochs.clone())).await;
    (bench, epochs)
}

fn mfa() -> LoginRequest {
    LoginRequest::new().requirement(Requirement::MFA)
}

#[tokio::test]
async fn promise_12_a_password_from_before_a_revocation_is_worth_nothing() {
    let (bench, epochs) = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    epochs.0.fetch_add(1, Ordering::SeqCst);
    let refused = login.try_answer(&Answer::code(bench.code(&secret))).await.unwrap_err();
    assert!(matches!(refused, LoginError::Expired), "{refused:?}");
    let again = bench.mfa.begin(login.id, mfa(), &login.caller).await.unwrap();
    assert!(matches!(again, Step::Password(_)), "{again:?}");
}

#[tokio::test]
async fn promise_12_a_login_that_was_done_before_a_revocation_is_not_done_again() {
    let (bench, epochs) = bench().await;
    let login = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert!(login.is_done());
    assert!(matches!(bench.mfa.step(login.id, &login.caller).await.unwrap(), Step::Done(_)), "a lost answer");
    epochs.0.fetch_add(1, Ordering::SeqCst);
    assert!(matches!(bench.mfa.step(login.id, &login.caller).await, Err(LoginError::Expired)));
}

fn session(who: &str, id: &str) -> SignedIn {
    SignedIn::new(who, NOW).amr([Amr::Pwd]).acr(Acr::AAL1).session(SessionId::new(id))
}

#[tokio::test]
async fn promise_12_what_a_session_proved_counts_only_while_the_browser_has_it() {
    let (bench, _) = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let caller = bench.browser();
    let with = |id: &str| caller.clone().session(SessionId::new(id));
    let mut login = bench.begin(mfa().who(session("u-1", "s-1")), with("s-1")).await;
    assert!(matches!(login.step, Step::Code(_)), "{:?}", login.step);
    let code = Answer::code(bench.code(&secret));
    for gone in [caller.clone(), with("s-2")] {
        login.caller = gone.clone();
        assert!(matches!(login.try_answer(&code).await, Err(LoginError::Expired)), "{gone:?}");
    }
    // Somebody else is signed in by now: the login is theirs from the start.
    let (bobs, _) = bench.enrol("bob").await;
    login.step = bench.mfa.begin(login.id, mfa().who(session("u-2", "s-2")), &with("s-2")).await.unwrap();
    login.caller = with("s-2");
    assert_eq!(login.answer(&code).await.error(), Some(StepError::WrongCode), "alice's code is not bob's");
    login.answer(&Answer::code(bench.code(&bobs))).await;
    assert_eq!(login.done().signed_in.subject().as_str(), "u-2");
}

#[tokio::test]
async fn promise_12_a_login_that_is_done_begins_one_session() {
    let (bench, _) = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let browser = bench.id();
    let caller = Caller::new(browser).session(SessionId::new("s-1"));
    let mut login = bench.begin(mfa().who(session("u-1", "s-1")), caller).await;
    login.answer(&Answer::code(bench.code(&secret))).await;
    assert!(login.is_done());
    // Signed out, or another user signed in: what was proven is not handed out again.
    let signed_out = bench.mfa.begin(login.id, mfa(), &Caller::new(browser)).await.unwrap();
    assert!(matches!(signed_out, Step::Password(_)), "{signed_out:?}");
}

#[tokio::test]
async fn m19_a_code_is_not_taken_again_by_a_login_that_began_anew() {
    let (bench, epochs) = bench().await;
    let (secret, _) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    let code = Answer::code(bench.code(&secret));
    login.answer(&code).await;
    assert!(login.is_done());
    bench.clock.advance(Duration::from_secs(1));
    epochs.0.fetch_add(1, Ordering::SeqCst);
    login.step = bench.mfa.begin(login.id, mfa(), &login.caller).await.unwrap();
    login.answer(&Answer::password("alice", "alice-password")).await;
    assert_eq!(login.answer(&code).await.error(), Some(StepError::WrongCode));
}

#[tokio::test]
async fn m25_a_first_factor_is_set_up_after_a_fresh_password_and_not_by_an_old_session() {
    let (bench, _) = bench().await;
    let caller = Caller::new(bench.id()).session(SessionId::new("s-1"));
    let young = bench.begin(mfa().who(session("u-1", "s-1")), caller.clone()).await;
    assert!(matches!(young.step, Step::Enrol(_)), "{:?}", young.step);
    bench.clock.advance(Duration::from_secs(16 * 60));
    let mut old = bench.begin(mfa().who(session("u-1", "s-1")), caller).await;
    assert!(matches!(old.step, Step::Password(_)), "{:?}", old.step);
    old.answer(&Answer::password("alice", "alice-password")).await;
    assert!(matches!(old.step, Step::Enrol(_)), "{:?}", old.step);
    // A factor that is there already is asked whatever the age.
    let (secret, _) = bench.enrol("bob").await;
    let caller = Caller::new(bench.id()).session(SessionId::new("s-2"));
    let mut other = bench.begin(mfa().who(session("u-2", "s-2")), caller).await;
    other.answer(&Answer::code(bench.code(&secret))).await;
    assert!(other.is_done());
}
