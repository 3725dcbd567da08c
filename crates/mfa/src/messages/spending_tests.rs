//! Budgets over a store in memory, also with many callers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::RootKey;

use super::super::budget::Countries;
use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_000_000);
const HOUR: Duration = Duration::from_secs(3_600);
const ALICE: Id = Id::from_bytes([1; 16]);
const GERMAN: &str = "+4915112345678";

fn sms(to: &str) -> Sending<'_> {
    Sending { channel: Channel::Sms, to, account: ALICE, known: None, proven: false, address: None, awaits_code: true }
}

fn mail() -> Sending<'static> {
    Sending { channel: Channel::Email, ..sms("alice@example.com") }
}

fn account(number: u32) -> Id {
    Id::from_bytes(u128::from(number).to_be_bytes())
}

fn number(count: u32) -> String {
    format!("+49151{:08}", 10_000_000 + count)
}

#[derive(Clone)]
struct Bench {
    store: MemoryStore,
    keys: Arc<Keys>,
    budget: MessageBudget,
}

impl Bench {
    fn new(budget: MessageBudget) -> Self {
        let keys = Arc::new(Keys::derive(&RootKey::from_bytes([7; 32]), "https://a"));
        Self { store: MemoryStore::new(), keys, budget }
    }

    async fn spend(&self, sending: &Sending<'_>, now: UnixTime) -> Result<Spent, Denied> {
        self.budget.spend(&self.store, &self.keys, sending, now).await.unwrap()
    }

    async fn refused(&self, sending: &Sending<'_>, now: UnixTime) -> Option<MessageRefused> {
        self.spend(sending, now).await.err().map(|denied| denied.refused)
    }

    async fn confirmed(&self, to: &str, proven: bool, now: UnixTime) {
        self.budget.confirmed(&self.store, &self.keys, (Channel::Sms, to, proven), now).await.unwrap();
    }

    /// Sends each code for another account to another number, and says how many went.
    async fn pump(&self, codes: std::ops::Range<u32>, entered_of_ten: u32, now: UnixTime) -> u32 {
        let mut went = 0;
        for count in codes {
            let to = number(count);
            if self.spend(&Sending { account: account(count), ..sms(&to) }, now).await.is_ok() {
                went += 1;
                if count % 10 < entered_of_ten {
                    self.confirmed(&to, false, now).await;
                }
            }
        }
        went
    }
}

#[tokio::test]
async fn m32_an_account_gets_ten_text_messages_an_hour_whatever_numbers_it_names() {
    let bench = Bench::new(MessageBudget::default());
    for count in 0..10 {
        let to = number(count);
        let channel = if count % 2 == 0 { Channel::Sms } else { Channel::Voice };
        assert!(bench.spend(&Sending { channel, ..sms(&to) }, NOW).await.is_ok());
    }
    assert_eq!(bench.refused(&sms(GERMAN), NOW).await, Some(MessageRefused::Account { retry_after: HOUR }));
    assert_eq!(bench.refused(&sms(GERMAN), NOW.plus(HOUR)).await, None);
    for _ in 0..5 {
        assert!(bench.spend(&mail(), NOW).await.is_ok());
    }
    let five = Duration::from_secs(300);
    assert!(matches!(bench.refused(&mail(), NOW).await, Some(refused) if refused.retry_after() == Some(five)));
}

#[tokio::test]
async fn m32_a_number_gets_ten_an_hour_however_many_accounts_name_it() {
    let bench = Bench::new(MessageBudget::default());
    for count in 0..10 {
        assert!(bench.spend(&Sending { account: account(count), ..sms(GERMAN) }, NOW).await.is_ok());
    }
    let refused = bench.refused(&Sending { account: account(99), ..sms(GERMAN) }, NOW).await;
    assert_eq!(refused, Some(MessageRefused::Recipient { retry_after: HOUR }));
}

#[tokio::test]
async fn m32_an_address_asks_for_thirty_an_hour_over_all_accounts_and_loopback_is_not_counted() {
    let bench = Bench::new(MessageBudget::default());
    let from = |count: u32, address: String| {
        let (bench, to) = (bench.clone(), number(count));
        async move {
            let address = Some(address.parse().unwrap());
            bench.refused(&Sending { account: account(count), address, ..sms(&to) }, NOW).await
        }
    };
    for count in 0..30 {
        assert_eq!(from(count, format!("2001:db8::{count}")).await, None); // one subscriber
        assert_eq!(from(100 + count, "::1".into()).await, None);
    }
    assert_eq!(from(30, "2001:db8::ffff".into()).await, Some(MessageRefused::Address { retry_after: HOUR }));
    assert_eq!(from(31, "::1".into()).await, None);
}

#[tokio::test]
async fn m32_a_country_has_a_budget_of_its_own_and_only_listed_ones_are_sent_to() {
    let (de, jm): (Country, Country) = ("DE".parse().unwrap(), "JM".parse().unwrap());
    let budget = MessageBudget {
        countries: Countries::only([de]),
        phone_country: Budget::new(3, HOUR),
        countries_apart: [(jm, Budget::new(1, HOUR))].into(),
        ..MessageBudget::default()
    };
    let bench = Bench::new(budget.clone());
    assert_eq!(bench.pump(0..9, 10, NOW).await, 3);
    let to = number(50);
    let refused = bench.refused(&Sending { account: account(50), ..sms(&to) }, NOW).await;
    assert_eq!(refused, Some(MessageRefused::CountryBudget { retry_after: HOUR }));
    assert_eq!(bench.refused(&sms("+18768901234"), NOW).await, Some(MessageRefused::Country));
    let open = Bench::new(MessageBudget { countries: Countries::All, ..budget });
    assert_eq!(open.refused(&sms("+18768901234"), NOW).await, None);
    assert!(open.refused(&sms("+18768901234"), NOW).await.is_some());
}

#[tokio::test]
async fn m32_numbers_that_earn_money_are_refused_with_every_country_open() {
    let bench = Bench::new(MessageBudget::default());
    for to in ["+19002345678", "+447012345678", "+8812123456789", "+979123456789", "+4911", "nonsense"] {
        assert_eq!(bench.refused(&sms(to), NOW).await, Some(MessageRefused::Number), "{to}");
    }
}

#[tokio::test]
async fn m32_where_too_few_codes_are_entered_sending_stops_and_it_is_told_once() {
    let bench = Bench::new(MessageBudget { share: None, ..MessageBudget::default() });
    assert_eq!(bench.pump(0..130, 0, NOW).await, 100); // the 101st in a row of which none was entered
    let told = Bench::new(MessageBudget { share: None, ..MessageBudget::default() });
    assert_eq!(told.pump(0..100, 0, NOW).await, 100);
    let to = number(500);
    let denied = told.spend(&Sending { account: account(500), ..sms(&to) }, NOW).await.unwrap_err();
    assert_eq!(denied.stopped, Some(Stop::To("DE".parse().unwrap())));
    assert_eq!(denied.refused.retry_after(), Some(Duration::from_secs(86_400)));
    let again = told.spend(&Sending { account: account(501), ..sms(&to) }, NOW.plus(HOUR)).await.unwrap_err();
    assert_eq!((again.stopped, again.refused.id()), (None, "message.unconfirmed"));
    assert!(told.spend(&Sending { account: account(502), ..sms("+33612345678") }, NOW).await.is_ok()); // France is not concerned
    let next_day = NOW.plus(Duration::from_secs(86_400));
    assert_eq!(told.pump(600..800, 0, next_day).await, 100);
}

#[tokio::test]
async fn m32_where_enough_codes_are_entered_sending_never_stops() {
    let bench = Bench::new(MessageBudget { phone_country: Budget::new(10_000, HOUR), ..MessageBudget::default() });
    assert_eq!(bench.pump(0..1_000, 3, NOW).await, 1_000);
    let tenth = Bench::new(MessageBudget { phone_country: Budget::new(10_000, HOUR), ..MessageBudget::default() });
    let went = tenth.pump(0..1_000, 1, NOW).await;
    assert!((100..250).contains(&went), "{went}"); // one of ten is entered: later than with none, and still soon
}

#[tokio::test]
async fn m32_over_all_countries_too_few_codes_stop_everything() {
    let budget = MessageBudget { country_share: None, share: Some(Share::new(25, 40)), ..MessageBudget::default() };
    let bench = Bench::new(budget);
    assert_eq!(bench.pump(0..60, 0, NOW).await, 40);
    let refused = bench.refused(&Sending { account: account(99), ..sms("+33612345678") }, NOW).await;
    assert!(matches!(refused, Some(MessageRefused::Unconfirmed { .. })));
    bench.budget.resume(&bench.store, &bench.keys, None, NOW).await.unwrap();
    assert_eq!(bench.pump(100..160, 0, NOW).await, 40);
}

#[tokio::test]
async fn promise_6_strangers_who_use_budgets_up_keep_no_owner_from_a_code() {
    let bench = Bench::new(MessageBudget::default());
    let owner = Sending { known: Some(Id::from_bytes([9; 16])), proven: true, ..sms(GERMAN) };
    for count in 0..20 {
        let _ = bench.spend(&sms(GERMAN), NOW).await; // strangers at the owner's account
        let _ = bench.spend(&Sending { account: account(count), ..sms(GERMAN) }, NOW).await; // and at their own, with that number
        let _ = bench.spend(&Sending { known: None, ..owner }, NOW).await; // and one who learnt the password
    }
    bench.pump(100..300, 0, NOW).await; // and sending to the country has stopped
    assert!(
        matches!(bench.refused(&Sending { account: account(999), ..sms(&number(999)) }, NOW).await, Some(refused) if refused.id() == "message.unconfirmed")
    );
    assert_eq!(bench.refused(&owner, NOW).await, None);
}

#[tokio::test]
async fn a_message_that_nobody_took_costs_nothing() {
    let bench = Bench::new(MessageBudget::default());
    for _ in 0..300 {
        let spent = bench.spend(&sms(GERMAN), NOW).await.unwrap();
        spent.refund(&bench.store, NOW).await.unwrap();
    }
    assert_eq!(bench.refused(&sms(GERMAN), NOW).await, None);
}

#[tokio::test]
async fn m32_what_other_budgets_refuse_is_no_code_that_was_not_entered() {
    let bench = Bench::new(MessageBudget { country_share: Some(Share::new(25, 20)), ..MessageBudget::default() });
    for _ in 0..500 {
        let _ = bench.spend(&sms(GERMAN), NOW).await; // ten go out
    }
    assert_eq!(bench.pump(100..120, 0, NOW).await, 10); // and ten more fill the debt
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m32_of_64_that_ask_at_once_over_two_nodes_as_many_as_the_budget_has_get_one() {
    let nodes = [Bench::new(MessageBudget::default()), Bench::new(MessageBudget::default())];
    let store = nodes[0].store.clone();
    let went = Arc::new(AtomicU32::new(0));
    let tasks = (0..64_usize).map(|task| {
        let (node, went) = (Bench { store: store.clone(), ..nodes[task % 2].clone() }, Arc::clone(&went));
        tokio::spawn(async move {
            if node.spend(&sms(GERMAN), NOW).await.is_ok() {
                went.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(went.load(Ordering::SeqCst), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m32_of_64_that_ask_at_once_one_stops_the_country_and_no_more_go_than_may() {
    let bench = Bench::new(MessageBudget { country_share: Some(Share::new(25, 30)), ..MessageBudget::default() });
    let tasks = (0..64).map(|count| {
        let bench = bench.clone();
        tokio::spawn(async move {
            let to = number(count);
            bench.spend(&Sending { account: account(count), ..sms(&to) }, NOW).await
        })
    });
    let (mut went, mut stopped) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(_) => went += 1,
            Err(denied) => stopped += u32::from(denied.stopped.is_some()),
        }
    }
    assert_eq!((went, stopped), (30, 1));
}

#[tokio::test]
async fn promise_16_two_realms_share_no_budget() {
    let bench = Bench::new(MessageBudget::default());
    let keys = Arc::new(Keys::derive(&RootKey::from_bytes([7; 32]), "https://b"));
    let other = Bench { keys, ..bench.clone() };
    for _ in 0..10 {
        assert!(bench.spend(&sms(GERMAN), NOW).await.is_ok());
    }
    assert!(bench.spend(&sms(GERMAN), NOW).await.is_err());
    assert!(other.spend(&sms(GERMAN), NOW).await.is_ok());
}
