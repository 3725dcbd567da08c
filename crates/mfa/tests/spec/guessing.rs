//! Guessing passwords and codes (NIST SP 800-63B-4 §3.2.2), and what it tells.

use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_mfa::{Answer, BrowserMarks, LoginError, LoginId, LoginRequest, Step, StepError};
use countersign_primitives::Requirement;

use crate::support::{Bench, from};

#[expect(clippy::needless_pass_by_value, reason = "an outcome is looked at once")]
pub(crate) fn throttled(step: Result<&Step, LoginError>) -> Option<Duration> {
    match step {
        Err(LoginError::Throttled { retry_after }) => Some(retry_after),
        _ => None,
    }
}

#[tokio::test]
async fn promise_6_unknown_user_and_wrong_password_look_and_cost_the_same() {
    let bench = Bench::new().await;
    let disabled = countersign_accounts::Account::new("u-3").username("carol").disabled();
    bench.users.import([disabled], countersign_mfa::Existing::Keep).await.unwrap();
    let mut seen = Vec::new();
    for name in ["alice", "nobody", "carol"] {
        let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
        let before = bench.pool.runs.load(Ordering::SeqCst);
        let commits = bench.store.commits();
        let step = serde_json::to_value(login.answer(&Answer::password(name, "wrong")).await).unwrap();
        let cost = (bench.pool.runs.load(Ordering::SeqCst) - before, bench.store.commits() - commits);
        let throttled_after = {
            let mut tries = 1;
            while throttled(login.try_answer(&Answer::password(name, "wrong")).await).is_none() {
                tries += 1;
                assert!(tries < 50, "guessing is never stopped");
            }
            tries
        };
        seen.push((step, cost, throttled_after));
    }
    assert_eq!(seen[0].1, (1, 0), "one hash, no commit");
    assert_eq!(seen[0].0["error"], "wrong_password");
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    let causes: Vec<_> = bench.events.lock().unwrap().iter().filter_map(countersign_events::Event::cause).collect();
    for cause in ["wrong_password", "unknown_user", "account_disabled"] {
        assert!(causes.contains(&cause), "the operator is told apart what the user is not: {causes:?}");
    }
}

#[tokio::test]
async fn promise_6_a_disabled_account_with_the_right_password_looks_like_a_wrong_one() {
    let bench = Bench::new().await;
    let alice = countersign_accounts::Accounts::by_login(&bench.users, "alice").await.unwrap().unwrap();
    bench.users.import([alice.disabled()], countersign_mfa::Existing::Replace).await.unwrap();
    let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
    let step = login.answer(&Answer::password("alice", "alice-password")).await;
    assert_eq!(step.error(), Some(StepError::WrongPassword));
}

#[tokio::test]
async fn promise_6_strangers_who_guess_do_not_lock_the_owner_out() {
    let bench = Bench::new().await;
    let owner = bench.browser();
    let login = bench.password(LoginRequest::new(), owner.clone(), "alice").await;
    let marks = login.done().marks.clone();
    assert!(!marks.is_empty());
    for _ in 0..3 {
        let mut thief = bench.begin(LoginRequest::new(), bench.browser()).await;
        for _ in 0..5 {
            let _ = thief.try_answer(&Answer::password("alice", "guess")).await;
        }
    }
    let mut stranger = bench.begin(LoginRequest::new(), bench.browser()).await;
    let wait = throttled(stranger.try_answer(&Answer::password("alice", "alice-password")).await);
    assert_eq!(wait, Some(Duration::from_secs(900)), "even the right password waits");
    let known = owner.marks(BrowserMarks::parse(&marks.to_string()));
    let back = bench.password(LoginRequest::new(), known, "alice").await;
    assert_eq!(back.done().marks, marks, "a browser that is known keeps its mark");
    assert!(bench.heard().contains(&"guessing.throttled"));
    bench.clock.advance(Duration::from_secs(899));
    assert!(
        bench.mfa.answer(stranger.id, &Answer::password("alice", "alice-password"), &stranger.caller).await.is_err()
    );
}

#[tokio::test]
async fn promise_6_a_mark_of_another_account_or_of_nobody_gives_no_budget() {
    let bench = Bench::new().await;
    let bobs = bench.password(LoginRequest::new(), bench.browser(), "bob").await.done().marks.clone();
    let forged = BrowserMarks::parse(&bench.id().to_string());
    for marks in [bobs, forged] {
        let mut thief = bench.begin(LoginRequest::new(), bench.browser().marks(marks)).await;
        for _ in 0..10 {
            let _ = thief.try_answer(&Answer::password("alice", "guess")).await;
        }
        assert!(throttled(thief.try_answer(&Answer::password("alice", "guess")).await).is_some());
    }
}

#[tokio::test]
async fn m24_wrong_codes_count_over_all_logins_and_factors_of_an_account() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    for round in 0..10 {
        let mut login = bench.second("alice").await;
        if round % 2 == 0 {
            login.choose("recovery_code").await;
        }
        assert_eq!(login.answer(&Answer::code("000000")).await.error(), Some(StepError::WrongCode));
    }
    let mut login = bench.second("alice").await;
    let right = Answer::code(bench.code(&secret));
    assert!(throttled(login.try_answer(&right).await).is_some(), "a new login is no new budget");
    let (other, _) = bench.enrol("bob").await;
    let mut bob = bench.second("bob").await;
    bob.answer(&Answer::code(bench.code(&other))).await;
    assert!(bob.is_done(), "another account is not touched");
}

#[tokio::test]
async fn m24_the_first_code_of_an_enrolment_is_counted_like_any_other() {
    let bench = Bench::new().await;
    let mut login = bench.second("alice").await;
    for _ in 0..10 {
        login.answer(&Answer::enrol("000000")).await;
    }
    assert!(throttled(login.try_answer(&Answer::enrol("000000")).await).is_some());
}

#[tokio::test]
async fn a_success_pays_back_its_own_attempt_alone() {
    let bench = Bench::new().await;
    let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
    for _ in 0..9 {
        login.answer(&Answer::password("alice", "wrong")).await;
    }
    login.answer(&Answer::password("alice", "alice-password")).await;
    assert!(login.is_done());
    let mut next = bench.begin(LoginRequest::new(), bench.browser()).await;
    next.answer(&Answer::password("alice", "wrong")).await;
    assert!(throttled(next.try_answer(&Answer::password("alice", "wrong")).await).is_some(), "nine and one are ten");
}

#[tokio::test]
async fn one_address_is_stopped_over_many_names() {
    let bench = Bench::new().await;
    let caller = || from("192.0.2.7", &BrowserMarks::default(), bench.id());
    for n in 0..100 {
        let mut login = bench.begin(LoginRequest::new(), caller()).await;
        login.answer(&Answer::password(format!("user-{n}"), "Summer2026")).await;
    }
    let mut login = bench.begin(LoginRequest::new(), caller()).await;
    assert!(throttled(login.try_answer(&Answer::password("alice", "alice-password")).await).is_some());
    let elsewhere = from("192.0.2.8", &BrowserMarks::default(), bench.id());
    assert!(bench.password(LoginRequest::new(), elsewhere, "alice").await.is_done());
}

#[tokio::test]
async fn promise_14_a_full_pool_refuses_and_counts_nothing() {
    let bench = Bench::new().await;
    let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
    bench.pool.full.store(true, Ordering::SeqCst);
    for _ in 0..20 {
        let error = login.try_answer(&Answer::password("alice", "alice-password")).await.unwrap_err();
        assert_eq!((error.id(), error.status()), ("busy", 503));
    }
    bench.pool.full.store(false, Ordering::SeqCst);
    login.answer(&Answer::password("alice", "alice-password")).await;
    assert!(login.is_done());
}

#[tokio::test]
async fn an_aged_hash_is_replaced_by_a_login() {
    use countersign_accounts::{Account, Accounts};
    use countersign_mfa::{Existing, PasswordCost, PasswordHasher};

    use crate::support::CHEAP;

    let bench = Bench::new().await;
    let older = PasswordHasher::new(bench.pool.clone()).cost(PasswordCost { memory_kib: 16, ..CHEAP }).unwrap();
    let hash = older.hash(&"carol-password".into()).await.unwrap();
    bench.users.import([Account::new("u-3").username("carol").password_hash(hash)], Existing::Keep).await.unwrap();
    assert!(bench.password(LoginRequest::new(), bench.browser(), "carol").await.is_done());
    let carol = bench.users.by_login("carol").await.unwrap().unwrap();
    assert!(carol.password().unwrap().as_str().contains("m=8,"));
    assert!(bench.password(LoginRequest::new(), bench.browser(), "carol").await.is_done());
}

#[tokio::test]
async fn a_hash_of_an_unknown_kind_is_told_to_the_operator_and_is_no_login() {
    use countersign_accounts::{Account, Accounts as _};
    use countersign_mfa::Existing;

    let bench = Bench::new().await;
    let account = Account::new("u-3").username("carol");
    bench.users.import([account], Existing::Keep).await.unwrap();
    bench.users.set_password(&"u-3".into(), &"$md5$plain".into()).await.unwrap();
    let login = bench.password(LoginRequest::new(), bench.browser(), "carol").await;
    assert_eq!(login.step.error(), Some(StepError::WrongPassword));
    let events = bench.events.lock().unwrap();
    assert!(events.iter().any(|event| event.cause() == Some("password_hash_of_unknown_kind")));
}

#[tokio::test]
async fn m24_browsers_that_proved_a_password_alone_share_one_budget_for_codes() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    // Who knows the password signs in where it is enough, in as many browsers as he likes.
    for _ in 0..10 {
        let marks = bench.password(LoginRequest::new(), bench.browser(), "alice").await.done().marks.clone();
        let mut login = bench.password(mfa(), bench.browser().marks(marks), "alice").await;
        assert_eq!(login.answer(&Answer::code("000000")).await.error(), Some(StepError::WrongCode));
    }
    let marks = bench.password(LoginRequest::new(), bench.browser(), "alice").await.done().marks.clone();
    let mut login = bench.password(mfa(), bench.browser().marks(marks), "alice").await;
    let right = Answer::code(bench.code(&secret));
    assert!(throttled(login.try_answer(&right).await).is_some(), "another browser is no new budget");
}

#[tokio::test]
async fn promise_6_a_browser_that_proved_a_second_factor_keeps_its_budget_whoever_else_knows_the_password() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let owner = bench.browser();
    let weak = bench.password(LoginRequest::new(), owner.clone(), "alice").await.done().marks.clone();
    let owner = owner.marks(weak.clone());
    let mut login = bench.password(mfa(), owner.clone(), "alice").await;
    login.answer(&Answer::code(bench.code(&secret))).await;
    assert_eq!(login.done().marks, weak, "the mark that it had is worth more now");
    for _ in 0..100 {
        let _ = bench.password(LoginRequest::new(), bench.browser(), "alice").await.is_done();
    }
    let mut thief = bench.second("alice").await;
    while throttled(thief.try_answer(&Answer::code("000000")).await).is_none() {}
    bench.clock.advance(Duration::from_secs(60));
    let mut login = bench.password(mfa(), owner, "alice").await;
    login.answer(&Answer::code(bench.code(&secret))).await;
    assert!(login.is_done());
}

#[tokio::test]
async fn promise_7_only_so_many_browsers_of_an_account_are_remembered() {
    let bench = Bench::new().await;
    let first = bench.password(LoginRequest::new(), bench.browser(), "alice").await.done().marks.clone();
    for _ in 0..100 {
        assert!(bench.password(LoginRequest::new(), bench.browser(), "alice").await.is_done());
    }
    let mut stranger = bench.begin(LoginRequest::new(), bench.browser()).await;
    while throttled(stranger.try_answer(&Answer::password("alice", "guess")).await).is_none() {}
    let mut displaced = bench.begin(LoginRequest::new(), bench.browser().marks(first)).await;
    let answer = displaced.try_answer(&Answer::password("alice", "alice-password")).await;
    assert!(throttled(answer).is_some(), "the oldest gives way");
}

#[tokio::test]
async fn promise_6_the_operator_unlocks_an_account() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let marks = bench.password(LoginRequest::new(), bench.browser(), "alice").await.done().marks.clone();
    for marks in [marks.clone(), BrowserMarks::default()] {
        let mut login = bench.begin(LoginRequest::new(), bench.browser().marks(marks)).await;
        while throttled(login.try_answer(&Answer::password("alice", "guess")).await).is_none() {}
    }
    bench.mfa.unlock_subject(&bench.subject_of("bob").await).await.unwrap();
    let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
    let right = Answer::password("alice", "alice-password");
    assert!(throttled(login.try_answer(&right).await).is_some(), "another account's unlocking does not help");
    bench.mfa.unlock_subject(&bench.subject_of("alice").await).await.unwrap();
    assert!(bench.password(LoginRequest::new(), bench.browser().marks(marks), "alice").await.is_done());
    let mut thief = bench.second("alice").await;
    while throttled(thief.try_answer(&Answer::code("000000")).await).is_none() {}
    bench.mfa.unlock_subject(&bench.subject_of("alice").await).await.unwrap();
    let mut login = bench.second("alice").await;
    login.answer(&Answer::code(bench.code(&secret))).await;
    assert!(login.is_done());
    let events = bench.events.lock().unwrap();
    let unlocked = events.iter().filter(|event| event.name() == "guessing.unlocked");
    let told: Vec<_> =
        unlocked.map(|event| (event.subject().unwrap().as_str(), event.cause(), event.section())).collect();
    let cause = (Some("guessing.unlocked_by_operator"), Some("NIST SP 800-63B-4 §3.2.2"));
    assert_eq!(told, ["u-2", "u-1", "u-1"].map(|subject| (subject, cause.0, cause.1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn promise_6_racers_over_two_engines_never_get_more_than_the_budget() {
    let bench = Bench::new().await;
    let second = bench.engine().await;
    let mut racers = tokio::task::JoinSet::new();
    for n in 0..256 {
        let mfa = if n % 2 == 0 { bench.mfa.clone() } else { second.clone() };
        let (id, caller) = (LoginId(bench.id()), bench.browser());
        racers.spawn(async move {
            mfa.begin(id, LoginRequest::new(), &caller).await.unwrap();
            mfa.answer(id, &Answer::password("alice", "guess"), &caller).await.is_ok()
        });
    }
    let compared = racers.join_all().await.into_iter().filter(|compared| *compared).count();
    assert_eq!(compared, 10, "so many of 256 guesses were compared");
    assert!(!bench.heard().contains(&"guessing.closed"), "guesses that were not compared are no failures");
    let mut next = bench.begin(LoginRequest::new(), bench.browser()).await;
    assert!(throttled(next.try_answer(&Answer::password("alice", "guess")).await).is_some());
}

fn mfa() -> LoginRequest {
    LoginRequest::new().requirement(Requirement::MFA)
}
