//! A generated walk over HTTP: two browsers with several tabs, from `/authorize` to tokens and their renewal. Whatever is opened,
//! answered, answered again or left, no token states or rests on less than what is required (promise 8).
//!
//! What was proven is reckoned here from the secrets that the test holds, and not from what the server says of an answer.
//! `COUNTERSIGN_WALKS` says how many walks are tried; more than the default are drawn at random.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use countersign::mfa::{Existing, FirstEnrolment, FirstFactor, Limits, LoginHook, LoginOrder, PasswordHasher, Policy};
use countersign::otp::{TotpParameters, TotpSecret};
use countersign::{
    Account, Acr, BoxError, Client, Clock, Random, Requirement, Resource, Scope, Subject, SystemRandom, TokioPool,
    UnixTime,
};
use countersign_storage_memory::MemoryStore;
use http::StatusCode;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

mod world;

use crate::policy_table::{SecurityKey, rank};
use crate::step_up::encoded;
use crate::support::{Bench, Browser, CHEAP, ISSUER, claims, code_of};

const USERS: [&str; 2] = ["alice", "bob"];
/// Of apps that another system set up, one of each user.
const SEEDS: [&str; 2] = ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR"];
const GRACE: Duration = Duration::from_secs(2_000);
/// The clients, and the rank that each asks for.
const CLIENTS: [(&str, u8); 3] = [("open", 1), ("two", 2), ("resistant", 3)];
/// The scopes: name, rank, and how old the login may be.
const SCOPES: [(&str, u8, Option<u64>); 4] =
    [("plain", 1, None), ("twofold", 2, None), ("fresh", 2, Some(300)), ("key", 3, None)];
const VAULT: &str = "https://vault.example.com/";
const WANTED: [&str; 5] =
    ["openid plain", "twofold", "plain fresh", "openid plain twofold key offline_access", "openid"];

/// What a request asks for beside its scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Login,
    Silent,
    MaxAge,
    Wish,
    Essential(u8),
    /// A token for the vault (RFC 8707), which asks for a key.
    Vault,
}

impl Asked {
    const ALL: [Self; 8] = [
        Self::Nothing,
        Self::Login,
        Self::Silent,
        Self::MaxAge,
        Self::Wish,
        Self::Essential(2),
        Self::Essential(3),
        Self::Vault,
    ];

    fn parameter(self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Login => "&prompt=login".to_owned(),
            Self::Silent => "&prompt=none".to_owned(),
            Self::MaxAge => "&max_age=300".to_owned(),
            Self::Vault => format!("&resource={}", encoded(VAULT)),
            Self::Wish => format!("&acr_values={}", Acr::PHR.as_str()),
            Self::Essential(rank) => {
                let acr = if rank == 2 { Acr::MFA } else { Acr::PHR };
                let claims = json!({"id_token": {"acr": {"essential": true, "value": acr.as_str()}}}).to_string();
                format!("&claims={}", encoded(&claims))
            }
        }
    }
}

/// The rules of a walk.
#[derive(Debug, Clone)]
struct Rules {
    always: bool,
    alices: u8,
    bob: u8,
    grace: bool,
    hook: Hook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    Proceeds,
    RequiresMore,
    DeniesBob,
}

#[async_trait]
impl LoginHook for Hook {
    async fn after_first_factor(&self, login: &FirstFactor<'_>) -> Result<LoginOrder, BoxError> {
        Ok(match self {
            Self::DeniesBob if login.subject().as_str() == "bob" => LoginOrder::deny(),
            Self::RequiresMore => LoginOrder::proceed().require(Requirement::MFA),
            Self::Proceeds | Self::DeniesBob => LoginOrder::proceed(),
        })
    }
}

fn class(rank: u8) -> Requirement {
    match rank {
        1 => Requirement::NONE,
        2 => Requirement::MFA,
        _ => Requirement::PHISHING_RESISTANT,
    }
}

impl Rules {
    fn policy(&self) -> Policy {
        let everybody = if self.always { Policy::always() } else { Policy::never() };
        let policy = everybody.group("alices", class(self.alices)).user("bob", class(self.bob));
        let policy = policy.first_enrolment(FirstEnrolment::ThisLogin);
        if self.grace { policy.grace(GRACE) } else { policy }
    }
}

/// What may be sent as a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    OfApp(usize),
    Recovery(usize),
    Pressed,
    Wrong,
}

/// A tab: of which browser, and which of its tabs.
type Place = (usize, usize);

/// One thing that somebody may do.
#[derive(Debug, Clone)]
enum Move {
    /// Answers what is asked, as its user would.
    GoOn {
        place: Place,
        user: usize,
        way: usize,
    },
    Open {
        place: Place,
        client: usize,
        wanted: usize,
        asked: Asked,
    },
    Password {
        place: Place,
        user: usize,
        right: bool,
    },
    /// A code, with the anti-forgery value of this page or of the one before it: the back button.
    Code {
        place: Place,
        code: Code,
        back: bool,
    },
    Enrol {
        place: Place,
        right: bool,
    },
    Choose {
        place: Place,
        way: usize,
    },
    Press {
        place: Place,
        button: &'static str,
    },
    Consent {
        place: Place,
        only: Option<usize>,
    },
    Reload {
        place: Place,
    },
    /// The other browser has the address of this tab, and a right password.
    FromOtherBrowser {
        place: Place,
        user: usize,
    },
    Redeem {
        code: usize,
        as_client: Option<usize>,
    },
    Refresh {
        token: usize,
        as_client: Option<usize>,
    },
    Wait {
        seconds: u64,
    },
    Reset {
        user: usize,
    },
    Import {
        user: usize,
    },
}

fn moves() -> impl Strategy<Value = Move> {
    let place = || (0..2_usize, 0..2_usize);
    let user = || 0..USERS.len();
    let code = prop_oneof![
        4 => user().prop_map(Code::OfApp),
        2 => (0..6_usize).prop_map(Code::Recovery),
        3 => Just(Code::Pressed),
        1 => Just(Code::Wrong),
    ];
    let client = || prop_oneof![4 => Just(0_usize), 1 => Just(1), 1 => Just(2)];
    let stranger = || prop::option::weighted(0.2, 0..CLIENTS.len());
    prop_oneof![
        40 => (place(), user(), 0..4_usize).prop_map(|(place, user, way)| Move::GoOn { place, user, way }),
        7 => (place(), client(), 0..WANTED.len(), prop::sample::select(&Asked::ALL[..]))
            .prop_map(|(place, client, wanted, asked)| Move::Open { place, client, wanted, asked }),
        6 => (place(), user(), prop::bool::weighted(0.9))
            .prop_map(|(place, user, right)| Move::Password { place, user, right }),
        6 => (place(), code, prop::bool::weighted(0.1)).prop_map(|(place, code, back)| Move::Code { place, code, back }),
        5 => (place(), prop::bool::weighted(0.8)).prop_map(|(place, right)| Move::Enrol { place, right }),
        4 => (place(), 0..4_usize).prop_map(|(place, way)| Move::Choose { place, way }),
        5 => (place(), prop::sample::select(&["recovery_codes", "recovery_codes", "skip"][..]))
            .prop_map(|(place, button)| Move::Press { place, button }),
        8 => (place(), prop::option::weighted(0.2, 0..SCOPES.len()))
            .prop_map(|(place, only)| Move::Consent { place, only }),
        1 => place().prop_map(|place| Move::Reload { place }),
        1 => (place(), user()).prop_map(|(place, user)| Move::FromOtherBrowser { place, user }),
        8 => (0..4_usize, stranger()).prop_map(|(code, as_client)| Move::Redeem { code, as_client }),
        7 => (0..4_usize, stranger()).prop_map(|(token, as_client)| Move::Refresh { token, as_client }),
        3 => prop_oneof![3 => Just(31_u64), 2 => Just(61), 1 => Just(400), 1 => Just(2_001)]
            .prop_map(|seconds| Move::Wait { seconds }),
        1 => user().prop_map(|user| Move::Reset { user }),
        2 => user().prop_map(|user| Move::Import { user }),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let class = || prop_oneof![4 => Just(1_u8), 2 => Just(2), 1 => Just(3)];
    let hook = prop_oneof![5 => Just(Hook::Proceeds), 1 => Just(Hook::RequiresMore), 1 => Just(Hook::DeniesBob)];
    (prop::bool::weighted(0.3), class(), class(), any::<bool>(), hook)
        .prop_map(|(always, alices, bob, grace, hook)| Rules { always, alices, bob, grace, hook })
}

#[test]
fn promise_8_no_walk_over_http_yields_a_token_below_what_is_required() {
    let wanted: Option<u32> = std::env::var("COUNTERSIGN_WALKS").ok().and_then(|walks| walks.parse().ok());
    let config = Config { cases: wanted.unwrap_or(100), failure_persistence: None, ..Config::default() };
    let random = match wanted {
        Some(_) => TestRng::from_seed(RngAlgorithm::ChaCha, &<dyn Random>::array::<32>(&SystemRandom).unwrap()),
        None => TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let seen = std::sync::Mutex::new(BTreeSet::new());
    let mut runner = TestRunner::new_with_rng(config, random);
    let walks = (rules(), proptest::collection::vec(moves(), 40..160));
    let outcome =
        runner.run(&walks, |(rules, moves)| runtime.block_on(world::walk(rules, moves, &mut seen.lock().unwrap())));
    outcome.unwrap();
    let seen = seen.into_inner().unwrap();
    let all = [
        "a code",
        "a code in silence",
        "a code that is refused",
        "a code that was spent",
        "a refresh",
        "a refresh that is refused",
        "access_denied",
        "login_required",
        "step choose",
        "step code",
        "step consent",
        "step done",
        "step enrol",
        "step password",
        "step recovery_codes",
        "tokens of rank 1",
        "tokens of rank 2",
        "tokens of rank 3",
        "tokens for the vault of rank 3",
    ];
    for state in all {
        assert!(seen.contains(state), "no walk came to {state}: {seen:?}");
    }
}
