//! Budgets, ladders and rows over a store in memory.

use std::time::Duration;

use countersign_primitives::{Amr, Id, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::{RootKey, Store as _};
use proptest::prelude::*;

use super::guard::Stopped;
use super::*;
use crate::Method;
use crate::keys::Keys;

const NOW: UnixTime = UnixTime::from_secs(1_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn stranger(address: Option<&str>) -> Guesser {
    let address = address.map(|text| text.parse().unwrap());
    Guesser { account: Id::from_bytes([1; 16]), known: None, client: None, address }
}

fn owner() -> Guesser {
    Guesser { known: Some(Id::from_bytes([9; 16])), ..stranger(None) }
}

fn totp() -> Method {
    Method::new("totp", "Authenticator app").amr([Amr::Otp])
}

struct Bench {
    store: MemoryStore,
    keys: Keys,
    limits: Limits,
}

impl Bench {
    fn new() -> Self {
        let keys = Keys::derive(&RootKey::from_bytes([7; 32]), "https://a");
        Self { store: MemoryStore::new(), keys, limits: Limits::default() }
    }

    async fn guess(&self, guess: Guess<'_>, guesser: &Guesser, now: UnixTime) -> Result<Paid, Stopped> {
        self.limits.charge(&self.store, &self.keys, guess, guesser, now).await.unwrap()
    }

    async fn fail(&self, guess: Guess<'_>, guesser: &Guesser, now: UnixTime) -> Result<Note, Stopped> {
        let paid = self.guess(guess, guesser, now).await?;
        Ok(paid.failed(&self.limits, &self.store, now).await.unwrap())
    }

    async fn succeed(&self, guess: Guess<'_>, guesser: &Guesser, now: UnixTime) -> Result<(), Stopped> {
        let paid = self.guess(guess, guesser, now).await?;
        let methods = std::iter::once(guess.method());
        paid.succeeded((&self.limits, &self.store, &self.keys), guesser, methods, now).await.unwrap();
        Ok(())
    }

    /// Fails until it is stopped, and says how often it could and how long it must wait.
    async fn exhaust(&self, guess: Guess<'_>, guesser: &Guesser, now: UnixTime) -> (u32, Duration) {
        for failures in 0..1_000 {
            if let Err(stopped) = self.fail(guess, guesser, now).await {
                return (failures, stopped.retry_after);
            }
        }
        panic!("guessing is never stopped");
    }

    /// Fails as a stranger, waiting as long as one is told to, until the secret is closed; says when and what was noted.
    async fn close(&self, guess: Guess<'_>, mut now: UnixTime) -> (UnixTime, Vec<(u32, Note)>) {
        let mut noted = Vec::new();
        for failure in 1..=100 {
            let note = match self.fail(guess, &stranger(None), now).await {
                Ok(note) => note,
                Err(stopped) => {
                    assert!(!stopped.closed, "closed after {failure}");
                    now = now.plus(stopped.retry_after);
                    self.fail(guess, &stranger(None), now).await.unwrap()
                }
            };
            if note != Note::default() {
                noted.push((failure, note));
            }
        }
        (now, noted)
    }
}

#[tokio::test]
async fn promise_6_strangers_share_a_budget_and_a_known_browser_has_its_own() {
    let bench = Bench::new();
    for _ in 0..10 {
        assert!(bench.guess(Guess::Password, &stranger(None), NOW).await.is_ok());
    }
    let stopped = bench.guess(Guess::Password, &stranger(Some("192.0.2.1")), NOW).await.unwrap_err();
    assert_eq!((stopped.retry_after, stopped.closed), (15 * MINUTE, false));
    assert!(bench.guess(Guess::Password, &owner(), NOW).await.is_ok());
    assert!(bench.guess(Guess::Password, &stranger(None), NOW.plus(15 * MINUTE)).await.is_ok());
}

#[tokio::test]
async fn promise_6_each_time_strangers_use_their_budget_up_the_wait_doubles_up_to_a_day() {
    let bench = Bench::new();
    let totp = totp();
    for (guess, minutes) in [
        (Guess::Password, &[15, 30, 60, 120, 240, 480, 960, 1_440, 1_440, 1_440][..]),
        (Guess::SecondFactor(&totp), &[60, 120, 240, 480, 960, 1_440, 1_440, 1_440]),
    ] {
        let mut now = NOW;
        for wait in minutes {
            let (failures, told) = bench.exhaust(guess, &stranger(None), now).await;
            assert_eq!((failures, told.as_secs() / 60), (10, *wait));
            let early = now.plus(told).minus(Duration::from_millis(1));
            assert!(bench.guess(guess, &stranger(None), early).await.is_err(), "one millisecond early after {wait}");
            now = now.plus(told);
        }
    }
}

#[tokio::test]
async fn nist_sp800_63b_4_3_2_2_who_stops_one_short_of_the_limit_gains_nothing() {
    let bench = Bench::new();
    for _ in 0..9 {
        assert!(bench.fail(Guess::Password, &stranger(None), NOW).await.is_ok());
    }
    // The window is over and the rung is not: one attempt is left of it for a day, then the next wait begins.
    let hours_later = NOW.plus(20 * 60 * MINUTE);
    assert!(bench.fail(Guess::Password, &stranger(None), hours_later).await.is_ok());
    assert_eq!(bench.exhaust(Guess::Password, &stranger(None), hours_later).await, (10, 30 * MINUTE));
}

#[tokio::test]
async fn after_a_quiet_day_the_ladder_begins_at_its_foot() {
    let bench = Bench::new();
    let mut now = NOW;
    for _ in 0..4 {
        now = now.plus(bench.exhaust(Guess::Password, &stranger(None), now).await.1);
    }
    let almost = now.plus(DAY).minus(Duration::from_millis(1));
    let fourth = bench.guess(Guess::Password, &stranger(None), almost).await.unwrap();
    fourth.refund(&bench.store, almost).await.unwrap();
    assert_eq!(bench.exhaust(Guess::Password, &stranger(None), now.plus(DAY)).await, (10, 15 * MINUTE));
}

#[tokio::test]
async fn a_refused_attempt_costs_the_address_nothing() {
    let bench = Bench::new();
    for _ in 0..10 {
        let _ = bench.guess(Guess::Password, &stranger(Some("192.0.2.1")), NOW).await.unwrap();
    }
    for _ in 0..200 {
        assert!(bench.guess(Guess::Password, &stranger(Some("192.0.2.1")), NOW).await.is_err());
    }
    let other = Guesser { account: Id::from_bytes([2; 16]), ..stranger(Some("192.0.2.1")) };
    assert!(bench.guess(Guess::Password, &other, NOW).await.is_ok());
}

#[tokio::test]
async fn one_address_is_stopped_over_many_accounts_and_loopback_is_not() {
    let bench = Bench::new();
    let totp = totp();
    for n in 0..100_u8 {
        let guesser = Guesser { account: Id::from_bytes([n; 16]), ..stranger(Some("192.0.2.1")) };
        assert!(bench.guess(Guess::Password, &guesser, NOW).await.is_ok());
        let local = Guesser { account: Id::from_bytes([n; 16]), ..stranger(Some("127.0.0.1")) };
        assert!(bench.guess(Guess::SecondFactor(&totp), &local, NOW).await.is_ok());
    }
    let next = |address| Guesser { account: Id::from_bytes([200; 16]), ..stranger(Some(address)) };
    let stopped = bench.guess(Guess::Password, &next("192.0.2.1"), NOW).await.unwrap_err();
    assert_eq!((stopped.retry_after, stopped.closed), (15 * MINUTE, false));
    assert!(bench.guess(Guess::Password, &next("127.0.0.1"), NOW).await.is_ok());
    assert!(bench.guess(Guess::Password, &next("::ffff:127.0.0.1"), NOW).await.is_ok());
}

#[tokio::test]
async fn promise_6_an_ipv6_subscriber_is_one_address() {
    let bench = Bench::new();
    for n in 0..100_u8 {
        let address = format!("2001:db8:0:1::{n:x}");
        let guesser = Guesser { account: Id::from_bytes([n; 16]), ..stranger(Some(&address)) };
        assert!(bench.guess(Guess::Password, &guesser, NOW).await.is_ok());
    }
    let next = |address| Guesser { account: Id::from_bytes([200; 16]), ..stranger(Some(address)) };
    assert!(bench.guess(Guess::Password, &next("2001:db8:0:1:ffff::1"), NOW).await.is_err());
    assert!(bench.guess(Guess::Password, &next("2001:db8:0:2::1"), NOW).await.is_ok());
}

#[tokio::test]
async fn a_success_takes_back_its_own_charge_and_no_other() {
    let bench = Bench::new();
    let totp = totp();
    let guess = Guess::SecondFactor(&totp);
    bench.fail(guess, &stranger(None), NOW).await.unwrap();
    bench.succeed(guess, &stranger(None), NOW).await.unwrap();
    assert_eq!(bench.exhaust(guess, &stranger(None), NOW).await.0, 9, "the failure still counts");
}

#[tokio::test]
async fn a_refund_after_its_counter_has_ended_takes_nothing_from_the_next() {
    let bench = Bench::new();
    let slow = bench.guess(Guess::Password, &owner(), NOW).await.unwrap();
    let later = NOW.plus(15 * MINUTE);
    for _ in 0..10 {
        assert!(bench.fail(Guess::Password, &owner(), later).await.is_ok());
    }
    slow.refund(&bench.store, later).await.unwrap();
    assert!(bench.guess(Guess::Password, &owner(), later).await.is_err());
}

#[tokio::test]
async fn nist_sp800_63b_4_3_2_2_a_hundred_failures_in_a_row_close_a_factor_to_strangers() {
    let bench = Bench::new();
    let (password, totp) = (Guess::Password, totp());
    let (now, noted) = bench.close(password, NOW).await;
    assert_eq!(noted.first().map(|(failure, note)| (*failure, note.closed)), Some((20, false)));
    assert_eq!(noted.last().map(|(failure, note)| (*failure, note.closed)), Some((100, true)));
    // No wait opens it, and no other address, client or day.
    for later in [now, now.plus(DAY), now.plus(60 * DAY), now.plus(365 * DAY)] {
        let stopped = bench.guess(password, &stranger(Some("198.51.100.1")), later).await.unwrap_err();
        assert_eq!((stopped.closed, stopped.retry_after), (true, DAY));
        let client = Guesser { client: Some(Id::from_bytes([5; 16])), ..stranger(None) };
        assert!(bench.guess(password, &client, later).await.unwrap_err().closed);
    }
    // Another factor is open, and a known browser has never been shut out. Its success opens it to strangers again.
    assert!(bench.guess(Guess::SecondFactor(&totp), &stranger(None), now).await.is_ok());
    bench.succeed(password, &owner(), now.plus(DAY)).await.unwrap();
    assert!(bench.succeed(password, &stranger(None), now.plus(2 * DAY)).await.is_ok());
}

#[tokio::test]
async fn nist_sp800_63b_4_3_2_2_a_success_ends_the_row() {
    let bench = Bench::new();
    let mut now = NOW;
    for _ in 0..30 {
        for _ in 0..9 {
            assert_eq!(bench.fail(Guess::Password, &stranger(None), now).await.unwrap(), Note::default());
        }
        bench.succeed(Guess::Password, &stranger(None), now).await.unwrap();
        now = now.plus(2 * DAY);
    }
}

#[tokio::test]
async fn nist_sp800_63b_4_3_2_2_a_known_browser_that_fails_a_hundred_times_is_a_stranger() {
    let bench = Bench::new();
    let mut now = NOW;
    for _ in 0..10 {
        for _ in 0..10 {
            bench.fail(Guess::Password, &owner(), now).await.unwrap();
        }
        now = now.plus(15 * MINUTE);
    }
    // It shares the budget of strangers from now on.
    assert_eq!(bench.exhaust(Guess::Password, &owner(), now).await, (10, 15 * MINUTE));
    assert!(bench.guess(Guess::Password, &stranger(None), now).await.is_err());
    let other = Guesser { known: Some(Id::from_bytes([8; 16])), ..owner() };
    assert!(bench.succeed(Guess::Password, &other, now).await.is_ok(), "another known browser is not touched");
}

#[tokio::test]
async fn promise_6_the_owner_is_told_once_a_row_and_once_a_day() {
    let bench = Bench::new();
    let totp = totp();
    let (_, noted) = bench.close(Guess::Password, NOW).await;
    let told: Vec<_> = noted.iter().filter(|(_, note)| note.told).map(|(failure, _)| *failure).collect();
    assert_eq!(told, [20, 100], "at the twentieth failure, and days later as it closes");
    // Two factors that are guessed on one day make one message. The other follows when the day is over.
    let bench = Bench::new();
    let mut told = Vec::new();
    let mut now = NOW;
    for _ in 0..6 {
        for guess in [Guess::Password, Guess::SecondFactor(&totp)] {
            for _ in 0..10 {
                if bench.fail(guess, &stranger(None), now).await.is_ok_and(|note| note.told) {
                    told.push(now);
                }
            }
        }
        now = now.plus(Duration::from_secs(16 * 3_600));
    }
    assert!(told.windows(2).all(|two| two[1].since(two[0]) >= DAY), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
}

#[tokio::test]
async fn promise_6_callers_without_a_browser_count_by_client_and_address() {
    let bench = Bench::new();
    let client = |client, address: &str| Guesser {
        client: Some(bench.keys.client(client, Some(address.parse().unwrap()))),
        ..stranger(Some(address))
    };
    let thief = client("app", "192.0.2.1");
    assert_eq!(bench.exhaust(Guess::Password, &thief, NOW).await, (10, 15 * MINUTE));
    assert!(bench.guess(Guess::Password, &client("app", "192.0.2.2"), NOW).await.is_ok(), "another address");
    assert!(bench.guess(Guess::Password, &client("other", "192.0.2.1"), NOW).await.is_ok(), "another client");
    assert!(bench.guess(Guess::Password, &stranger(Some("192.0.2.1")), NOW).await.is_ok(), "a browser");
    let later = NOW.plus(15 * MINUTE);
    assert_eq!(bench.exhaust(Guess::Password, &thief, later).await, (10, 30 * MINUTE), "it doubles too");
    // However many addresses there are, all of them together make one row.
    let mut failures = 20 + 2 + 1;
    for n in 0..=255_u8 {
        match bench.fail(Guess::Password, &client("app", &format!("198.51.100.{n}")), later).await {
            Ok(_) => failures += 1,
            Err(stopped) => assert!(stopped.closed),
        }
    }
    assert!(failures <= 100, "{failures}");
}

#[tokio::test]
async fn promise_6_what_signs_with_a_key_is_never_closed_and_not_counted_for_its_account() {
    let bench = Bench::new();
    let passkey = Method::new("passkey", "Passkey").danger_phishing_resistant();
    let guess = Guess::SecondFactor(&passkey);
    for _ in 0..1_000 {
        assert_eq!(bench.fail(guess, &stranger(None), NOW).await.unwrap(), Note::default());
    }
    assert_eq!(bench.exhaust(guess, &stranger(Some("192.0.2.1")), NOW).await.0, 100, "the address is counted");
    assert!(bench.guess(guess, &stranger(Some("192.0.2.2")), NOW).await.is_ok());
}

#[tokio::test]
async fn nist_sp800_63b_4_3_2_2_a_crash_before_the_answer_costs_an_attempt_and_gives_none() {
    let bench = Bench::new();
    for _ in 0..10 {
        drop(bench.guess(Guess::Password, &stranger(None), NOW).await.unwrap()); // charged, and never heard of again
    }
    assert!(bench.guess(Guess::Password, &stranger(None), NOW).await.is_err());
    // The same where the failure was the one that closes: it is closed by whoever comes next.
    let bench = Bench::new();
    let mut now = NOW;
    for _ in 0..100 {
        let paid = match bench.guess(Guess::Password, &stranger(None), now).await {
            Ok(paid) => paid,
            Err(stopped) => {
                now = now.plus(stopped.retry_after);
                bench.guess(Guess::Password, &stranger(None), now).await.unwrap()
            }
        };
        drop(paid);
    }
    now = now.plus(2 * DAY);
    let stopped = bench.guess(Guess::Password, &stranger(None), now).await.unwrap_err();
    assert!(stopped.closed && stopped.note.closed);
    let again = bench.guess(Guess::Password, &stranger(None), now.plus(40 * DAY)).await.unwrap_err();
    assert!(again.closed && !again.note.closed, "told once");
}

#[tokio::test]
async fn limits_can_be_off() {
    let bench = Bench { limits: Limits::off(), ..Bench::new() };
    for _ in 0..1_000 {
        assert!(bench.fail(Guess::Password, &stranger(Some("192.0.2.1")), NOW).await.is_ok());
    }
    assert!(bench.store.is_empty());
}

#[derive(Debug, Clone, Copy)]
enum Who {
    Stranger,
    Known,
    Client,
}

/// One guess after a pause: by whom, and whether it is right.
fn guesses() -> impl Strategy<Value = Vec<(Who, bool, u64)>> {
    let who = prop_oneof![6 => Just(Who::Stranger), 1 => Just(Who::Known), 2 => Just(Who::Client)];
    let pause = prop_oneof![8 => Just(0), 4 => 1..2_000_u64, 2 => 2_000..50_000_u64, 1 => 50_000..300_000_u64];
    let right = prop_oneof![9 => Just(false), 1 => Just(true)];
    proptest::collection::vec((who, right, pause), 1..400)
}

/// What strangers may fail on a day: every rung that begins on it, beginning at the foot, and what was left of the one before.
fn most_on_a_day(foot: Budget) -> usize {
    let (mut begins, mut rungs, mut window) = (Duration::ZERO, 0, foot.window);
    while begins < DAY {
        rungs += 1;
        begins += window;
        window = (window * 2).min(DAY);
    }
    foot.attempts as usize * (rungs + 1)
}

#[test]
fn promise_6_what_strangers_may_guess_on_a_day_is_bounded() {
    let limits = Limits::default();
    assert_eq!(most_on_a_day(limits.password_strangers), 80);
    assert_eq!(most_on_a_day(limits.second_factor_strangers), 60);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn promise_6_whatever_is_guessed_strangers_are_bounded_and_the_owner_gets_in(walk in guesses(), factor in any::<bool>()) {
        futures_util::FutureExt::now_or_never(async {
            let bench = Bench::new();
            let totp = totp();
            let guess = if factor { Guess::SecondFactor(&totp) } else { Guess::Password };
            let foot = if factor { bench.limits.second_factor_strangers } else { bench.limits.password_strangers };
            let client = Guesser { client: Some(bench.keys.client("app", None)), ..stranger(None) };
            let (mut now, mut row, mut told) = (NOW, 0_u32, Vec::new());
            let (mut strangers, mut clients, mut own) = (Vec::new(), Vec::new(), Vec::new());
            for (who, right, pause) in walk {
                now = now.plus(Duration::from_secs(pause));
                let guesser = match who {
                    Who::Stranger => stranger(None),
                    Who::Known => owner(),
                    Who::Client => client,
                };
                let row_of_its_own = matches!(who, Who::Known);
                if right {
                    let succeeded = bench.succeed(guess, &guesser, now).await.is_ok();
                    let own_today = own.iter().filter(|at| now.since(**at) < 15 * MINUTE).count();
                    prop_assert!(succeeded || !row_of_its_own || own_today >= 10 || own.len() >= 100, "the owner is out");
                    row = if succeeded { 0 } else { row };
                    continue;
                }
                let Ok(note) = bench.fail(guess, &guesser, now).await else { continue };
                let failures = match who {
                    Who::Stranger => &mut strangers,
                    Who::Known => &mut own,
                    Who::Client => &mut clients,
                };
                failures.push(now);
                row += u32::from(!row_of_its_own);
                // A row that is not closed is forgotten after thirty days.
                let periods = now.since(NOW).as_secs() / (30 * 86_400) + 1;
                prop_assert!(u64::from(row) <= 100 * periods, "{row} failures in a row");
                if note.told {
                    told.push(now);
                }
            }
            for failures in [&strangers, &clients] {
                for first in failures {
                    let day = failures.iter().filter(|at| **at >= *first && at.since(*first) < DAY).count();
                    prop_assert!(day <= most_on_a_day(foot), "{day} failures on one day");
                }
            }
            prop_assert!(told.windows(2).all(|two| two[1].since(two[0]) >= DAY), "told twice a day: {told:?}");
            // Two ladders, the known browser's budget, two rows with what was told of them, one closed, one for the day.
            prop_assert!(bench.store.len() <= 2 * 9 + 1 + 2 * 2 + 1 + 1, "{} counters", bench.store.len());
            bench.store.sweep(now.plus(31 * DAY), 1_000).await.unwrap();
            prop_assert!(bench.store.len() <= 1, "{} counters are left", bench.store.len());
            Ok(())
        })
        .expect("a store in memory answers at once")?;
    }
}
