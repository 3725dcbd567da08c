//! How a guarantee is run: a future to its end on this thread, races on many.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use crate::Store;

use super::Guarantee;

type Task<'a> = Pin<&'a mut dyn Future<Output = ()>>;
pub(super) type Runner = Arc<dyn Fn(Task<'_>) + Send + Sync>;

thread_local! {
    /// What runs futures on this thread, and on the threads of a race that it starts.
    static RUNNER: RefCell<Runner> = RefCell::new(Arc::new(|task: Task<'_>| block_on(task)));
}

/// Runs a future to its end on this thread, without a runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        thread::park();
    }
}

/// Opens a store and proves the guarantee of this name on it: what the tests that [`testkit!`](crate::testkit!) writes call.
/// `runner` runs one future to its end, on the thread that calls it; several threads call it at once.
///
/// # Panics
/// When the guarantee does not hold or there is none of this name.
pub fn run<S: Store>(
    name: &str,
    open: impl Future<Output = S>,
    runner: impl Fn(Pin<&mut dyn Future<Output = ()>>) + Send + Sync + 'static,
) {
    let guarantee: &Guarantee =
        super::GUARANTEES.iter().find(|guarantee| guarantee.name == name).expect("there is such a guarantee");
    let runner = install(runner);
    complete(&runner, async {
        let store = open.await;
        guarantee.prove(&store).await;
    });
}

/// Makes `runner` what runs futures on this thread, and on the threads of the races that it starts.
pub(super) fn install(runner: impl Fn(Task<'_>) + Send + Sync + 'static) -> Runner {
    let runner: Runner = Arc::new(runner);
    RUNNER.with_borrow_mut(|current| *current = Arc::clone(&runner));
    runner
}

/// Runs `racers` futures at once, each on a thread of its own, and waits for all of them.
pub(super) fn race<T: Send, F: Future<Output = T>>(racers: usize, racer: impl Fn(usize) -> F + Sync) -> Vec<T> {
    let runner = RUNNER.with_borrow(Arc::clone);
    let gate = Barrier::new(racers);
    thread::scope(|scope| {
        let (runner, gate, racer) = (&runner, &gate, &racer);
        let start = |number| {
            scope.spawn(move || {
                gate.wait();
                complete(runner, racer(number))
            })
        };
        let running: Vec<_> = (0..racers).map(start).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, T>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        running.into_iter().map(join).collect()
    })
}

pub(super) fn complete<T>(runner: &Runner, future: impl Future<Output = T>) -> T {
    let mut value = None;
    {
        let mut task = pin!(async { value = Some(future.await) });
        runner(task.as_mut());
    }
    value.expect("the runner runs the future to its end")
}
