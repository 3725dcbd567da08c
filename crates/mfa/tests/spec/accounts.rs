//! The kit's own accounts.

use std::time::Duration;

use countersign_accounts::{Account, Accounts};
use countersign_mfa::{
    AccountsError, Answer, Existing, HashRefused, Imported, LoginRequest, StepError, StoredAccounts,
};
use countersign_storage_traits::{MasterKey, Store, StoreError};
use futures_util::future::join_all;

use crate::support::{Bench, REALM, Stop, key};

/// Nobody knows its password.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn what_is_imported_comes_back_whole() {
    let bench = Bench::new().await;
    let account = Account::new("u-9")
        .username(" Dora ")
        .password_hash(HASH)
        .email("dora@example.com", true)
        .phone_number("+15550100", false)
        .group("staff")
        .claim("locale", "de-DE")
        .disabled();
    let imported = bench.users.import([account.clone()], Existing::Keep).await.unwrap();
    assert_eq!(imported, Imported { created: 1, ..Imported::default() });
    assert_eq!(bench.users.by_login("DORA").await.unwrap(), Some(account.clone()));
    assert_eq!(bench.users.by_subject(&"u-9".into()).await.unwrap(), Some(account));
    assert_eq!(bench.users.by_login("dora@example.com").await.unwrap(), None);
}

#[tokio::test]
async fn an_import_never_replaces_unless_it_says_so() {
    let bench = Bench::new().await;
    let alice = bench.users.by_login("alice").await.unwrap().unwrap();
    let other = Account::new("u-1").username("alicia");
    let kept = bench.users.import([other.clone()], Existing::Keep).await.unwrap();
    assert_eq!(kept, Imported { kept: 1, ..Imported::default() });
    assert_eq!(bench.users.by_login("alice").await.unwrap(), Some(alice));
    let replaced = bench.users.import([other.clone()], Existing::Replace).await.unwrap();
    assert_eq!(replaced, Imported { replaced: 1, ..Imported::default() });
    assert_eq!(bench.users.by_login("alicia").await.unwrap(), Some(other));
    assert_eq!(bench.users.by_login("alice").await.unwrap(), None, "the old name is released");
    let newcomer = Account::new("u-8").username("alice");
    assert_eq!(bench.users.import([newcomer], Existing::Keep).await.unwrap().created, 1);
}

#[tokio::test]
async fn a_name_belongs_to_one_account() {
    let bench = Bench::new().await;
    for name in ["alice", "ALICE", " alice "] {
        let taken = bench.users.import([Account::new("u-8").username(name)], Existing::Replace).await;
        assert!(matches!(taken, Err(AccountsError::NameTaken(_))), "{name:?}: {taken:?}");
    }
    let accounts = (0..16).map(|n| Account::new(n + 100).username("popular"));
    let outcomes = join_all(accounts.map(|account| bench.users.import([account], Existing::Keep))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test]
async fn bad_subjects_and_names_are_refused() {
    let bench = Bench::new().await;
    let import = async |account| bench.users.import([account], Existing::Keep).await;
    assert!(matches!(import(Account::new("käse")).await, Err(AccountsError::Subject(_))));
    assert!(matches!(import(Account::new("u-8").username("  ")).await, Err(AccountsError::Name(_))));
    assert!(matches!(import(Account::new("u-8").username("x".repeat(321))).await, Err(AccountsError::Name(_))));
    assert_eq!(import(Account::new("u-8")).await.unwrap().created, 1);
}

#[tokio::test]
async fn a_crash_between_name_and_account_leaves_no_account_and_the_name_comes_free() {
    let bench = Bench::new().await;
    bench.store.stop(Some(Stop::Before(1)));
    assert!(bench.users.import([Account::new("u-8").username("eve")], Existing::Keep).await.is_err());
    bench.store.stop(None);
    assert_eq!(bench.users.by_login("eve").await.unwrap(), None);
    let other = || Account::new("u-9").username("eve");
    assert!(bench.users.import([other()], Existing::Keep).await.is_err(), "reserved for the one that may come back");
    assert_eq!(bench.users.import([Account::new("u-8").username("eve")], Existing::Keep).await.unwrap().created, 1);
    bench.store.stop(Some(Stop::Before(1)));
    assert!(bench.users.import([Account::new("u-7").username("mallory")], Existing::Keep).await.is_err());
    bench.store.stop(None);
    bench.clock.advance(Duration::from_secs(600));
    let taken_over = Account::new("u-9").username("mallory");
    assert_eq!(bench.users.import([taken_over], Existing::Keep).await.unwrap().created, 1);
    assert!(bench.users.import([other()], Existing::Keep).await.is_ok(), "u-9 is there already and stays");
    assert_eq!(bench.users.by_login("eve").await.unwrap().unwrap().subject().as_str(), "u-8");
}

#[tokio::test]
async fn promise_16_two_realms_share_no_account() {
    let bench = Bench::new().await;
    let other = StoredAccounts::open(bench.store.clone(), &key(), "https://other.example.com").await.unwrap();
    assert_eq!(other.by_login("alice").await.unwrap(), None);
    assert!(bench.users.by_login("alice").await.unwrap().is_some());
    let wrong_key = StoredAccounts::open(bench.store.clone(), &MasterKey::from_bytes([8; 32]), REALM).await;
    assert!(matches!(wrong_key, Err(StoreError::WrongKey { .. })), "{wrong_key:?}");
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_alone() {
    let bench = Bench::new().await;
    let before = bench.users.by_login("alice").await.unwrap().unwrap();
    bench.users.set_password(&"u-1".into(), &"$argon2id$new".into()).await.unwrap();
    let after = bench.users.by_login("alice").await.unwrap().unwrap();
    assert_eq!(after, before.password_hash("$argon2id$new"));
    assert!(bench.users.set_password(&"nobody".into(), &"$argon2id$new".into()).await.is_err());
    let _: &dyn Store = &bench.store;
}

#[tokio::test]
async fn promise_7_a_hash_that_no_login_could_check_is_not_imported() {
    let bench = Bench::new().await;
    let costly =
        "$argon2id$v=19$m=4000000000,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (hash, why) in [("$md5$plain", HashRefused::UnknownKind), (costly, HashRefused::TooCostly)] {
        let account = Account::new("u-9").username("dora").password_hash(hash);
        match bench.users.import([account], Existing::Replace).await {
            Err(AccountsError::PasswordHash { subject, source }) => {
                assert_eq!((subject.as_str(), source), ("u-9", why));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(bench.users.by_login("dora").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_password_that_another_system_hashed_is_hashed_anew_at_the_first_login() {
    let bench = Bench::new().await;
    // Django's own test.
    let hash = "pbkdf2_sha256$12000$seasalt$Ybw8zsFxqja97tY/o6G+Fy1ksY4U/Hw3DRrGED6Up4s=";
    let account = Account::new("u-9").username("dora").password_hash(hash);
    bench.users.import([account], Existing::Replace).await.unwrap();
    let mut login = bench.begin(LoginRequest::new(), bench.browser()).await;
    login.answer(&Answer::password("dora", "letmein")).await;
    assert_eq!(login.step.error(), Some(StepError::WrongPassword));
    login.answer(&Answer::password("dora", "lètmein")).await;
    login.done();
    let dora = bench.users.by_login("dora").await.unwrap().unwrap();
    assert!(dora.password().unwrap().as_str().starts_with("$argon2id$v=19$m=8,"), "{:?}", dora);
    let mut again = bench.begin(LoginRequest::new(), bench.browser()).await;
    again.answer(&Answer::password("dora", "lètmein")).await;
    again.done();
}
