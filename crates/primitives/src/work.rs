//! Where long computations run.

use std::fmt;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use async_trait::async_trait;

/// Runs work that would hold up an async thread, such as a password hash.
///
/// A pool is bounded: when it is full it says so at once, and the caller answers 503 rather than queue without end.
#[async_trait]
pub trait WorkPool: Send + Sync + fmt::Debug {
    /// Runs `job` elsewhere and returns when it has run.
    ///
    /// # Errors
    /// [`PoolFull`] when there is no room; the job has then not run and never will.
    async fn run(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), PoolFull>;
}

/// The work pool has no room; the caller may try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work pool is full")]
pub struct PoolFull;

/// Runs `job` on `pool` and hands back what it computed.
///
/// # Errors
/// [`PoolFull`] when there is no room.
pub async fn compute<T: Send + 'static>(
    pool: &dyn WorkPool,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PoolFull> {
    let slot = Arc::new(Mutex::new(None));
    let result = Arc::clone(&slot);
    pool.run(Box::new(move || {
        let value = job();
        if let Ok(mut slot) = result.lock() {
            *slot = Some(value);
        }
    }))
    .await?;
    // A pool that returned without having run the job, or whose job panicked, has nothing to give.
    slot.lock().ok().and_then(|mut slot| slot.take()).ok_or(PoolFull)
}

/// A pool of plain threads, for hosts without an async runtime's own.
///
/// ```
/// use countersign_primitives::ThreadPool;
///
/// let pool = ThreadPool::new(2, 64); // two at a time, 64 waiting
/// ```
pub struct ThreadPool {
    jobs: SyncSender<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ThreadPool")
    }
}

impl ThreadPool {
    /// `threads` workers (at least one), and room for `waiting` jobs beside those that run. The threads end with the pool.
    #[must_use]
    pub fn new(threads: usize, waiting: usize) -> Self {
        let (jobs, queue) = sync_channel::<Box<dyn FnOnce() + Send>>(waiting);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                loop {
                    let job = match queue.lock() {
                        Ok(queue) => queue.recv(),
                        Err(_) => return,
                    };
                    let Ok(job) = job else { return };
                    // A job that panics must not take its worker with it.
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                }
            });
        }
        Self { jobs }
    }
}

#[derive(Default)]
struct Done {
    finished: bool,
    waker: Option<Waker>,
}

struct Finish(Arc<Mutex<Done>>);

impl Drop for Finish {
    fn drop(&mut self) {
        if let Ok(mut done) = self.0.lock() {
            done.finished = true;
            if let Some(waker) = done.waker.take() {
                waker.wake();
            }
        }
    }
}

#[async_trait]
impl WorkPool for ThreadPool {
    async fn run(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), PoolFull> {
        let done = Arc::new(Mutex::new(Done::default()));
        let finish = Finish(Arc::clone(&done));
        let wrapped: Box<dyn FnOnce() + Send> = Box::new(move || {
            let _finish = finish; // tells the waiter even when the job panics
            job();
        });
        match self.jobs.try_send(wrapped) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return Err(PoolFull),
        }
        std::future::poll_fn(move |context| {
            let Ok(mut done) = done.lock() else { return Poll::Ready(Err(PoolFull)) };
            if done.finished {
                return Poll::Ready(Ok(()));
            }
            done.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;
    use std::time::Duration;

    use super::*;

    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            thread::park_timeout(Duration::from_secs(5));
        }
    }

    #[test]
    fn a_job_hands_back_its_value() {
        let pool = ThreadPool::new(1, 1);
        assert_eq!(block_on(compute(&pool, || 6 * 7)), Ok(42));
    }

    #[test]
    fn a_job_that_panics_is_an_error_and_the_worker_lives_on() {
        let pool = ThreadPool::new(1, 1);
        let outcome: Result<(), PoolFull> = block_on(compute(&pool, || panic!("on purpose")));
        assert_eq!(outcome, Err(PoolFull));
        assert_eq!(block_on(compute(&pool, || 1)), Ok(1));
    }

    #[test]
    fn promise_7_a_full_pool_refuses_at_once() {
        let pool = ThreadPool::new(1, 0);
        let (release, gate) = sync_channel::<()>(0);
        let (started, running) = sync_channel::<()>(0);
        let mut context = Context::from_waker(Waker::noop());
        // With no room to wait, a job is taken only when the worker stands ready; try until it does.
        let gate = Arc::new(Mutex::new(gate));
        let mut first = loop {
            let (gate, started) = (Arc::clone(&gate), started.clone());
            let mut job = Box::pin(pool.run(Box::new(move || {
                started.send(()).ok();
                gate.lock().unwrap().recv().ok();
            })));
            match job.as_mut().poll(&mut context) {
                Poll::Pending => break job,
                Poll::Ready(_) => thread::yield_now(),
            }
        };
        running.recv().unwrap();
        assert_eq!(block_on(pool.run(Box::new(|| {}))), Err(PoolFull));
        release.send(()).unwrap();
        assert_eq!(block_on(first.as_mut()), Ok(()));
    }
}
