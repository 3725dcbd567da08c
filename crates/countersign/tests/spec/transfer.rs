//! Users and clients leave as JSON lines and come in again, whole or not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign::mfa::{AccountsError, AuthenticatorsError, FirstEnrolment, Policy};
use countersign::oauth::ClientImportError;
use countersign::otp::{TotpParameters, TotpSecret};
use countersign::store::{TransferKey, TransferKeyError};
use countersign::transfer::{Done, Existing, ImportError, LineError, Tally, Transfer, What};
use countersign::{Account, Accounts, MasterKey, Server};
use countersign_accounts::AccountJsonError;
use countersign_storage_memory::MemoryStore;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{Bench, ISSUER, greenfield};

const OTHER: &str = "https://other.example.com";
const USERS: What = What { users: true, clients: false, grants: false };
const CLIENTS: What = What { users: false, clients: true, grants: false };
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// argon2 of nothing that matters here.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";

async fn exported(server: &Server, what: What, key: Option<&TransferKey>) -> String {
    let mut out = Vec::new();
    let transfer = Transfer::of(server);
    let transfer = if let Some(key) = key { transfer.key(key) } else { transfer };
    transfer.export(what, &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

async fn imported(server: &Server, lines: &str) -> Result<Done, ImportError> {
    Transfer::of(server).import(&mut lines.as_bytes(), Existing::Keep).await
}

fn sorted(lines: &str) -> BTreeSet<&str> {
    lines.lines().collect()
}

async fn fresh(issuer: &str) -> Bench {
    Bench::on(issuer, MemoryStore::new(), |builder| builder).await
}

fn transfer_key(byte: u8) -> TransferKey {
    TransferKey::from(MasterKey::from_bytes([byte; 32]))
}

#[derive(Debug, Clone)]
struct User {
    name: Option<String>,
    password: bool,
    email: Option<(String, bool)>,
    phone: Option<bool>,
    groups: Vec<String>,
    claim: Option<String>,
    disabled: bool,
}

fn user() -> impl Strategy<Value = User> {
    let name = proptest::option::of("\\PC{1,20}");
    let email = proptest::option::of(("[a-z]{1,8}@example\\.com", any::<bool>()));
    let rest = (proptest::option::of(any::<bool>()), proptest::collection::vec("\\PC{1,6}", 0..3), any::<bool>());
    (name, any::<bool>(), email, rest, proptest::option::of("\\PC{0,20}")).prop_map(
        |(name, password, email, (phone, groups, disabled), claim)| User {
            name,
            password,
            email,
            phone,
            groups,
            claim,
            disabled,
        },
    )
}

fn account(number: usize, user: &User) -> Account {
    let mut account = Account::new(format!("u-{number}"));
    if let Some(name) = &user.name {
        account = account.username(format!("{number}-{name}")); // nobody shares a name
    }
    if user.password {
        account = account.password_hash(HASH);
    }
    if let Some((address, verified)) = &user.email {
        account = account.email(address, *verified);
    }
    if let Some(verified) = user.phone {
        account = account.phone_number("+4930901820", verified);
    }
    if let Some(claim) = &user.claim {
        account = account.claim("nickname", claim.as_str()).claim("address", json!({ "country": claim }));
    }
    account = user.groups.iter().fold(account, Account::group);
    if user.disabled { account.disabled() } else { account }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn users_survive_the_round_trip(users in proptest::collection::vec(user(), 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (here, there) = (fresh(ISSUER).await, fresh(OTHER).await);
            let accounts: Vec<Account> = users.iter().enumerate().map(|(number, user)| account(number, user)).collect();
            here.server.stored_accounts().unwrap().import(accounts.clone(), Existing::Keep).await.unwrap();
            let lines = exported(&here.server, USERS, None).await;
            let created = Tally { created: accounts.len() as u64, ..Tally::default() };
            assert_eq!(imported(&there.server, &lines).await.unwrap().users, created);
            let again = imported(&there.server, &lines).await.unwrap().users;
            assert_eq!(again, Tally { kept: accounts.len() as u64, ..Tally::default() }, "nothing changes");
            assert_eq!(sorted(&exported(&there.server, USERS, None).await), sorted(&lines));
            for account in accounts {
                let found = there.server.stored_accounts().unwrap().by_subject(account.subject()).await.unwrap();
                assert_eq!(found, Some(account));
            }
        });
    }
}

#[tokio::test]
async fn an_imported_user_signs_in_with_the_password_and_the_app_of_before() {
    let (here, there) = (fresh(ISSUER).await, fresh(OTHER).await);
    here.user("u-1", "alice", "alice-password").await;
    here.server.mfa().unwrap().authenticators().import_totp(&"u-1".into(), SEED).await.unwrap();
    let key = transfer_key(9);
    let lines = exported(&here.server, USERS, Some(&key)).await;
    let transfer = Transfer::of(&there.server).key(&key);
    let done = transfer.import(&mut lines.as_bytes(), Existing::Keep).await.unwrap();
    assert_eq!((done.users.created, done.authenticators), (1, 1));
    let secret = TotpSecret::from_base32(SEED, TotpParameters::default()).unwrap();
    let mut browser = there.browser();
    let login = browser.authorize("scope=payments:write").await;
    let step = browser.password(&login, "alice").await;
    assert_eq!(step["step"], "code", "{step}");
    let step = browser.answer(&login, &step, json!({ "answer": "code", "code": there.code(&secret) })).await;
    assert_eq!(step["step"], "consent", "{step}");
    // Whoever removed it has it no more, whatever is imported again.
    there.server.reset_factors("u-1").await.unwrap();
    let done = transfer.import(&mut lines.as_bytes(), Existing::Replace).await.unwrap();
    assert_eq!((done.users.replaced, done.authenticators), (1, 0));
    assert!(there.server.mfa().unwrap().authenticators().list(&"u-1".into()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_imported_app_reaches_a_user_whom_a_policy_only_met_and_none_who_lost_one() {
    const DAY: Duration = Duration::from_secs(86_400);
    let here = fresh(ISSUER).await;
    let there = Bench::on(OTHER, MemoryStore::new(), |builder| {
        builder.policy(Policy::always().grace(DAY).first_enrolment(FirstEnrolment::ThisLogin))
    });
    let there = there.await;
    here.user("u-1", "alice", "alice-password").await;
    here.server.mfa().unwrap().authenticators().import_totp(&"u-1".into(), SEED).await.unwrap();
    let key = transfer_key(9);
    let lines = exported(&here.server, USERS, Some(&key)).await;
    // She signed in there before, was met without a factor, and put it off.
    there.user("u-1", "alice", "alice-password").await;
    let mut browser = there.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.password(&login, "alice").await;
    assert_eq!((&step["step"], step["skip_until"].is_u64()), (&json!("enrol"), true), "{step}");
    let transfer = Transfer::of(&there.server).key(&key);
    let done = transfer.import(&mut lines.as_bytes(), Existing::Keep).await.unwrap();
    assert_eq!((done.users.kept, done.authenticators), (1, 1));
    let mut browser = there.browser();
    let login = browser.authorize("scope=orders:read").await;
    assert_eq!(browser.password(&login, "alice").await["step"], "code");
    // The time that she had goes on from when she was met: without the app there is nothing to put off.
    let id = there.server.mfa().unwrap().authenticators().list(&"u-1".into()).await.unwrap().remove(0).id;
    assert!(there.server.mfa().unwrap().authenticators().remove(&"u-1".into(), &id).await.unwrap());
    there.clock.advance(DAY + Duration::from_secs(1));
    let mut browser = there.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.password(&login, "alice").await;
    assert_eq!((&step["step"], step.get("skip_until")), (&json!("enrol"), None), "{step}");
    // And what she removed comes back by no import.
    let done = transfer.import(&mut lines.as_bytes(), Existing::Replace).await.unwrap();
    assert_eq!((done.users.replaced, done.authenticators), (1, 0));
}

#[tokio::test]
async fn promise_4_no_seed_leaves_plain_and_none_without_a_key() {
    let here = fresh(ISSUER).await;
    here.user("u-1", "alice", "alice-password").await;
    here.user("u-2", "bob", "bob-password").await;
    here.server.mfa().unwrap().authenticators().import_totp(&"u-1".into(), SEED).await.unwrap();
    let without = exported(&here.server, What::all(), None).await;
    assert!(!without.contains("authenticators") && !without.contains("alice-password"), "{without}");
    let sealed = exported(&here.server, What::all(), Some(&transfer_key(9))).await;
    assert!(sealed.contains("authenticators_sealed") && !sealed.contains(SEED) && !sealed.contains("otp"), "{sealed}");
    let there = fresh(OTHER).await;
    let none = imported(&there.server, &sealed).await.unwrap_err();
    assert!(matches!(none.cause, LineError::NoKey), "{none}");
    let wrong = transfer_key(8);
    let wrong = Transfer::of(&there.server).key(&wrong).import(&mut sealed.as_bytes(), Existing::Keep).await;
    let cause = wrong.unwrap_err().cause;
    assert!(matches!(cause, LineError::Authenticators(AuthenticatorsError::Sealed(TransferKeyError::WrongKey))));
    // Bob cannot be given alice's authenticator by whoever edits the file.
    let swapped = sealed.replace("u-1", "u-9").replace("alice", "mallory");
    let key = transfer_key(9);
    let swapped = Transfer::of(&there.server).key(&key).import(&mut swapped.as_bytes(), Existing::Keep).await;
    let cause = swapped.unwrap_err().cause;
    assert!(matches!(cause, LineError::Authenticators(AuthenticatorsError::Sealed(TransferKeyError::Damaged))));
}

#[tokio::test]
async fn a_line_that_cannot_be_imported_is_named_and_those_before_it_are_imported() {
    type Is = fn(&LineError) -> bool;
    let long = format!("{{\"user\":{{\"sub\":\"{}\"}}}}", "x".repeat(1 << 20));
    let wrong: [(&str, Is); 17] = [
        ("{", |cause| matches!(cause, LineError::Json(_))),
        ("[]", |cause| matches!(cause, LineError::Json(_))),
        ("\u{0}", |cause| matches!(cause, LineError::Json(_))),
        ("{}", |cause| matches!(cause, LineError::Sort)),
        (r#"{"user":{"sub":"a"},"client":{}}"#, |cause| matches!(cause, LineError::Sort)),
        (r#"{"role":{}}"#, |cause| matches!(cause, LineError::Sort)),
        (r#"{"user":[]}"#, |cause| matches!(cause, LineError::Sort)),
        (r#"{"grant":{"sub":"a"}}"#, |cause| matches!(cause, LineError::Grant)),
        (&long, |cause| matches!(cause, LineError::TooLong)),
        (r#"{"user":{}}"#, |cause| matches!(cause, LineError::User(AccountJsonError::NoSubject))),
        (r#"{"user":{"sub":"a","pasword":"x"}}"#, |cause| {
            matches!(cause, LineError::User(AccountJsonError::Unknown(_)))
        }),
        (r#"{"user":{"sub":"ä"}}"#, |cause| matches!(cause, LineError::Account(AccountsError::Subject(_)))),
        (r#"{"user":{"sub":"a","username":" "}}"#, |cause| matches!(cause, LineError::Account(AccountsError::Name(_)))),
        (r#"{"user":{"sub":"a","username":"ALICE"}}"#, |cause| {
            matches!(cause, LineError::Account(AccountsError::NameTaken(_)))
        }),
        (r#"{"user":{"sub":"a","password_hash":"plain"}}"#, |cause| {
            matches!(cause, LineError::Account(AccountsError::PasswordHash { .. }))
        }),
        (r#"{"client":{"client_id":""}}"#, |cause| matches!(cause, LineError::Client(ClientImportError::ClientId))),
        (r#"{"client":{"client_id":"c","redirect_uris":["javascript:x"]}}"#, |cause| {
            matches!(cause, LineError::Client(ClientImportError::Metadata(_)))
        }),
    ];
    for (line, is) in wrong {
        let bench = fresh(ISSUER).await;
        let lines = format!(
            "{{\"user\":{{\"sub\":\"u-1\",\"username\":\"alice\"}}}}\n\n{line}\n{{\"user\":{{\"sub\":\"u-2\"}}}}"
        );
        let error = imported(&bench.server, &lines).await.unwrap_err();
        assert!(is(&error.cause), "{}: {error:?}", &line[..line.len().min(80)]);
        assert_eq!(error.line, 3);
        let text = error.to_string();
        assert!(text.starts_with("line 3: ") && !text.contains('\n'), "{text}");
        let accounts = bench.server.stored_accounts().unwrap();
        assert!(accounts.by_subject(&"u-1".into()).await.unwrap().is_some(), "what stood before");
        for absent in ["a", "u-2"] {
            assert!(accounts.by_subject(&absent.into()).await.unwrap().is_none(), "{absent}");
        }
    }
}

#[tokio::test]
async fn hashes_of_other_products_come_in_by_any_kind_that_a_login_checks() {
    let bench = fresh(ISSUER).await;
    let hashes = [
        HASH,
        "$2b$04$abcdefghijklmnopqrstuuAPwm1Lhy3xGsTuXkeaEgcwRe5ZkHC0W",
        "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "pbkdf2_sha256$1000$saltsaltsalt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ];
    let lines: String = hashes
        .iter()
        .enumerate()
        .map(|(number, hash)| {
            json!({ "user": { "sub": format!("u-{number}"), "password_hash": hash } }).to_string() + "\n"
        })
        .collect();
    assert_eq!(imported(&bench.server, &lines).await.unwrap().users.created, hashes.len() as u64);
    assert_eq!(sorted(&exported(&bench.server, USERS, None).await), sorted(&lines));
}

fn client(more: &Value) -> Map<String, Value> {
    let mut client = json!({
        "client_id": "portal of 1999",
        "client_name": "Portal",
        "redirect_uris": ["https://portal.example.com/cb"],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let members = client.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    members.clone()
}

fn line(client: &Map<String, Value>) -> String {
    json!({ "client": client }).to_string()
}

#[tokio::test]
async fn rfc7591_2_a_client_of_another_product_is_taken_over_with_its_name_and_secret() {
    const SECRET: &str = "4d5f4e8f9a63d2c17e58f0abb7c1e0a9";
    let (here, there) = (fresh(ISSUER).await, fresh(OTHER).await);
    let done = imported(&here.server, &line(&client(&json!({ "client_secret": SECRET })))).await.unwrap();
    assert_eq!(done.clients, Tally { created: 1, ..Tally::default() });
    let lines = exported(&here.server, CLIENTS, None).await;
    assert!(!lines.contains(SECRET), "{lines}");
    for kept in [0, 1] {
        let done = imported(&there.server, &lines).await.unwrap();
        assert_eq!(done.clients, Tally { created: 1 - kept, kept, ..Tally::default() });
    }
    assert_eq!(sorted(&exported(&there.server, CLIENTS, None).await), sorted(&lines));
    for bench in [&here, &there] {
        for (secret, status) in [(SECRET, 400), ("4d5f4e8f9a63d2c17e58f0abb7c1e0a8", 401)] {
            let credentials = basic("portal of 1999", secret);
            let form = "grant_type=authorization_code&code=none&redirect_uri=https://portal.example.com/cb";
            let request = http::Request::post("/oauth/token")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("authorization", credentials)
                .body(form.into())
                .unwrap();
            assert_eq!(bench.browser().send(request).await.status(), status, "{secret}");
        }
    }
}

/// RFC 6749 §2.3.1: both are encoded as in a form, and then as Basic has it.
fn basic(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    let pair = format!("{}:{secret}", id.replace(' ', "+"));
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

#[tokio::test]
async fn a_client_that_must_not_come_in_is_refused_for_its_own_reason() {
    type Is = fn(&ClientImportError) -> bool;
    let wrong: [(Value, Is); 6] = [
        (json!({}), |error| matches!(error, ClientImportError::NoSecret)),
        (json!({ "client_secret": "hunter2" }), |error| matches!(error, ClientImportError::WeakSecret)),
        (json!({ "client_secret_hash": "AAAA" }), |error| {
            matches!(error, ClientImportError::Hash("client_secret_hash"))
        }),
        (json!({ "client_id": "shop", "token_endpoint_auth_method": "none" }), |error| {
            matches!(error, ClientImportError::TheHosts)
        }),
        (json!({ "grant_types": ["client_credentials"] }), |error| matches!(error, ClientImportError::Metadata(_))),
        (json!({ "token_endpoint_auth_method": "none", "registration_access_token_hash": 7 }), |error| {
            matches!(error, ClientImportError::Hash("registration_access_token_hash"))
        }),
    ];
    let bench = fresh(ISSUER).await;
    for (more, is) in wrong {
        let error = imported(&bench.server, &line(&client(&more))).await.unwrap_err();
        assert!(matches!(&error.cause, LineError::Client(error) if is(error)), "{more}: {error:?}");
    }
    assert!(exported(&bench.server, CLIENTS, None).await.is_empty());
}

#[tokio::test]
async fn grants_are_told_and_never_taken_over() {
    let bench = fresh(ISSUER).await;
    bench.user("u-1", "alice", "alice-password").await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.password(&login, "alice").await;
    let tokens = browser.tokens(&login, &step).await;
    let grants = What { users: false, clients: false, grants: true };
    let lines = exported(&bench.server, grants, None).await;
    let told: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&told["grant"]["sub"], &told["grant"]["client_id"]), (&json!("u-1"), &json!("shop")));
    assert_eq!(told["grant"]["scope"], "orders:read");
    for secret in ["access_token", "refresh_token"] {
        assert!(tokens[secret].as_str().is_none_or(|token| !lines.contains(token)));
    }
    let error = imported(&bench.server, &lines).await.unwrap_err();
    assert!(matches!(error.cause, LineError::Grant), "{error}");
}

#[tokio::test]
async fn dormant_records_are_sealed_anew_until_the_earlier_key_is_not_needed() {
    let (store, clock) = (MemoryStore::new(), fresh(ISSUER).await.clock);
    let master = |number| MasterKey::from_bytes([number; 32]);
    let build = async |present, earlier: Option<u8>| {
        let builder = greenfield(ISSUER, store.clone(), master(present)).clock(clock.clone());
        let builder = match earlier {
            Some(earlier) => builder.earlier_master_key(&master(earlier)),
            None => builder,
        };
        Bench { server: builder.build().await.unwrap(), clock: clock.clone() }
    };
    let before = build(1, None).await;
    for number in 0..40 {
        before.user(&format!("u-{number}"), &format!("name-{number}"), "password").await;
    }
    before.server.mfa().unwrap().authenticators().import_totp(&"u-7".into(), SEED).await.unwrap();
    let mut browser = before.browser();
    let _ = browser.authorize("scope=orders:read").await; // records that expire
    let changed = build(2, Some(1)).await;
    let walk = async |server: &Server| {
        let (mut after, mut anew, mut left, mut expiring, mut last) = (None, 0, 0, 0, None);
        loop {
            let step = server.reseal(after, 7).await.unwrap();
            assert!(step.looked_at <= 7, "a step is bounded");
            (anew, left, expiring, last) =
                (anew + step.anew, left + step.left, expiring + step.expiring, last.max(step.last_expires_at));
            after = step.next;
            if after.is_none() {
                return (anew, left, expiring, last);
            }
        }
    };
    let (anew, left, expiring, last) = walk(&changed.server).await;
    assert!(anew >= 81 && left == 0 && expiring >= 2, "accounts and names: {anew} {left} {expiring}");
    assert_eq!(walk(&changed.server).await.0, 0, "once is enough");
    clock.advance(Duration::from_secs(91 * 86_400)); // what an account's owner sees of late is kept for 90 days
    assert!(last.unwrap() <= countersign::Clock::now(&clock));
    assert_eq!(walk(&changed.server).await.2, 0, "the earlier key is not needed any more");
    let after = build(2, None).await;
    let found = after.server.stored_accounts().unwrap().by_login("name-39").await.unwrap();
    assert!(found.is_some(), "an account that nobody had touched");
    assert_eq!(after.server.mfa().unwrap().authenticators().list(&"u-7".into()).await.unwrap().len(), 1);
}
