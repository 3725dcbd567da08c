//! What is queued, tried again, and lost. Time stands still, and tokio moves it on when everybody waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_events::{Event, Events};
use countersign_outbound::{Channel, Message, MessageSender, Purpose, Queued, Retries, Retrying, SendError};
use countersign_primitives::{Clock, Id, UnixTime};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// The wall clock of a test, which goes as tokio's does.
#[derive(Debug)]
struct PausedClock(Instant);

impl PausedClock {
    fn start() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for PausedClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(1_000_000).plus(self.0.elapsed())
    }
}

type Script = fn(u32) -> Result<(), SendError>;

/// Answers by a script and the number of the attempt, and remembers when it was asked.
#[derive(Debug, Clone)]
struct Gateway {
    script: Script,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Gateway {
    fn new(script: Script) -> Self {
        Self { script, asked: Arc::default() }
    }

    /// At which seconds after the first attempt the others came.
    fn seconds(&self) -> Vec<u64> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|time| time.duration_since(asked[0]).as_secs()).collect()
    }
}

#[async_trait]
impl MessageSender for Gateway {
    async fn send(&self, _: &Message) -> Result<(), SendError> {
        let attempt = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(Instant::now());
            u32::try_from(asked.len()).unwrap()
        };
        (self.script)(attempt)
    }
}

/// Answers when it is told to.
#[derive(Debug, Clone)]
struct Gate {
    open: Arc<Semaphore>,
    came: Arc<Notify>,
    peak: Arc<Mutex<(u32, u32)>>,
}

impl Gate {
    fn closed() -> Self {
        Self { open: Arc::new(Semaphore::new(0)), came: Arc::default(), peak: Arc::default() }
    }
}

#[async_trait]
impl MessageSender for Gate {
    async fn send(&self, _: &Message) -> Result<(), SendError> {
        {
            let mut peak = self.peak.lock().unwrap();
            peak.0 += 1;
            peak.1 = peak.1.max(peak.0);
        }
        self.came.notify_one();
        self.open.acquire().await.unwrap().forget();
        self.peak.lock().unwrap().0 -= 1;
        Ok(())
    }
}

#[derive(Debug)]
struct Panics;

#[async_trait]
impl MessageSender for Panics {
    async fn send(&self, _: &Message) -> Result<(), SendError> {
        panic!("a sender of the host's that has a mistake")
    }
}

/// The causes of what was lost, and its names.
#[derive(Clone, Default)]
struct Lost(Arc<Mutex<Causes>>);

type Causes = Vec<(&'static str, Option<Id>)>;

impl Lost {
    fn events(&self) -> Events {
        let lost = Arc::clone(&self.0);
        Events::none().and(move |event: &Event| {
            assert_eq!(event.name(), "message.lost");
            lost.lock().unwrap().push((event.cause().unwrap(), event.message()));
        })
    }

    fn causes(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(|(cause, _)| *cause).collect()
    }
}

fn message() -> Message {
    Message::new(Channel::Sms, Purpose::Code, "+4915112345678", "747723").with_id(Id::from_bytes([1; 16]))
}

fn retries() -> Retries {
    Retries {
        attempts: 4,
        wait: Duration::from_secs(1),
        longest_wait: Duration::from_secs(3),
        attempt: Duration::from_secs(5),
    }
}

const LONG: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_with_longer_and_longer_waits() {
    let gateway = Gateway::new(|attempt| if attempt < 4 { Err(SendError::Busy) } else { Ok(()) });
    Retrying::new(gateway.clone()).retries(retries()).send(&message()).await.unwrap();
    assert_eq!(gateway.seconds(), [0, 1, 3, 6]); // 1, 2, then 3 as the longest
    let down = Gateway::new(|_| Err(SendError::unavailable("down")));
    let error = Retrying::new(down.clone()).retries(retries()).send(&message()).await.unwrap_err();
    assert!(matches!(error, SendError::Unavailable(_)) && down.seconds().len() == 4);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_tried_once() {
    for script in [(|_| Err(SendError::Unreachable)) as Script, |_| Err(SendError::rejected("no"))] {
        let gateway = Gateway::new(script);
        let error = Retrying::new(gateway.clone()).send(&message()).await.unwrap_err();
        assert!(!error.is_transient() && gateway.seconds() == [0]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_it_has_expired() {
    let clock = PausedClock::start();
    let gateway = Gateway::new(|_| Err(SendError::Busy));
    let retrying = Retrying::new(gateway.clone()).retries(Retries { attempts: 100, ..retries() }).clock(clock.clone());
    let error = retrying.send(&message().expires(clock.now().plus(Duration::from_secs(5)))).await.unwrap_err();
    assert!(matches!(error, SendError::Busy));
    assert_eq!(gateway.seconds(), [0, 1, 3]); // the next would be at 6
    let late = message().expires(clock.now());
    assert!(matches!(retrying.send(&late).await, Err(SendError::Rejected(_))));
    assert_eq!(gateway.seconds().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn promise_6_whoever_asks_waits_for_no_gateway_and_the_message_goes() {
    let gate = Gate::closed();
    let queued = Queued::around(gate.clone()).start();
    let began = Instant::now();
    queued.send(&message()).await.unwrap(); // the gateway has not answered
    assert_eq!(began.elapsed(), Duration::ZERO);
    gate.came.notified().await;
    assert_eq!(queued.held(), 1);
    gate.open.add_permits(1);
    assert_eq!(queued.drain(LONG).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_told_with_its_cause_and_its_name() {
    for (script, cause) in [
        ((|_| Err(SendError::Unreachable)) as Script, "message.unreachable"),
        (|_| Err(SendError::Busy), "message.busy"),
        (|_| Err(SendError::unavailable("down")), "message.unavailable"),
        (|_| Err(SendError::rejected("no")), "message.rejected"),
    ] {
        let lost = Lost::default();
        let queued = Queued::around(Gateway::new(script)).retries(retries()).events(lost.events()).start();
        queued.send(&message()).await.unwrap();
        assert_eq!(queued.drain(LONG).await, 0);
        assert_eq!(*lost.0.lock().unwrap(), [(cause, Some(Id::from_bytes([1; 16])))]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_expires_and_is_told() {
    let (gate, lost, clock) = (Gate::closed(), Lost::default(), PausedClock::start());
    let queue = Queued::around(gate.clone()).at_once(1).events(lost.events()).clock(clock.clone());
    let queued = queue.retries(Retries { attempt: LONG, ..retries() }).start();
    queued.send(&message()).await.unwrap();
    gate.came.notified().await;
    queued.send(&message().expires(clock.now().plus(Duration::from_secs(60)))).await.unwrap(); // behind the first
    tokio::time::advance(Duration::from_secs(61)).await;
    gate.open.add_permits(2);
    queued.drain(LONG).await;
    assert_eq!(lost.causes(), ["message.expired"]);
}

#[tokio::test(start_paused = true)]
async fn promise_7_a_full_queue_refuses_and_only_so_many_go_at_once() {
    let gate = Gate::closed();
    let queued = Queued::around(gate.clone()).waiting(10).at_once(3).start();
    for _ in 0..10 {
        queued.send(&message()).await.unwrap();
    }
    assert!(matches!(queued.send(&message()).await, Err(SendError::Busy)));
    while gate.peak.lock().unwrap().0 < 3 {
        tokio::task::yield_now().await;
    }
    gate.open.add_permits(10);
    assert_eq!(queued.drain(LONG).await, 0);
    assert_eq!(*gate.peak.lock().unwrap(), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn at_shutdown_what_is_held_is_sent_and_what_has_no_time_is_told() {
    let (gate, lost) = (Gate::closed(), Lost::default());
    let retries = Retries { attempt: LONG, ..retries() };
    let queued = Queued::around(gate.clone()).events(lost.events()).retries(retries).start();
    for _ in 0..3 {
        queued.send(&message()).await.unwrap();
    }
    gate.open.add_permits(1);
    assert_eq!(queued.drain(Duration::from_secs(5)).await, 2);
    assert!(matches!(queued.send(&message()).await, Err(SendError::Busy)), "it takes no more");
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(lost.causes(), ["message.dropped", "message.dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_hangs_or_panics_holds_nobody_up() {
    let lost = Lost::default();
    let queued = Queued::around(Panics).waiting(1).events(lost.events()).start();
    for _ in 0..3 {
        queued.send(&message()).await.unwrap();
        while queued.held() > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(lost.causes(), ["message.dropped"; 3]);
    let (gate, lost) = (Gate::closed(), Lost::default());
    let queued = Queued::around(gate).retries(retries()).events(lost.events()).start();
    queued.send(&message()).await.unwrap();
    assert_eq!(queued.drain(LONG).await, 0); // four attempts of 5 s each
    assert_eq!(lost.causes(), ["message.unavailable"]);
}

#[test]
fn a_runtime_that_ends_loses_nothing_in_silence() {
    let lost = Lost::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let queued = Queued::around(Gate::closed()).events(lost.events()).start();
        queued.send(&message()).await.unwrap();
    });
    drop(runtime);
    assert_eq!(lost.causes(), ["message.dropped"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_send_at_once_each_message_is_sent_once() {
    let gateway = Gateway::new(|_| Ok(()));
    let queued = Queued::around(gateway.clone()).waiting(64).at_once(4).start();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let queued = queued.clone();
            tokio::spawn(async move { queued.send(&message()).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(queued.drain(Duration::from_secs(30)).await, 0);
    assert_eq!(gateway.seconds().len(), 64);
}
