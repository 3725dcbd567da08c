//! The work pool on tokio's blocking threads.

use async_trait::async_trait;
use std::sync::Arc;

use countersign_primitives::{PoolFull, WorkPool};
use tokio::sync::Semaphore;

/// Runs long computations on tokio's blocking threads: so many at a time, so many waiting, and no more.
///
/// A password hash takes tens of milliseconds of a core and megabytes of memory, so the bound is what keeps a flood of logins
/// from taking the whole machine.
#[derive(Debug)]
pub struct TokioPool {
    room: Semaphore,
    running: Arc<Semaphore>,
}

impl TokioPool {
    /// `running` computations at a time, and room for `waiting` more.
    #[must_use]
    pub fn new(running: usize, waiting: usize) -> Self {
        let running = running.max(1);
        Self { room: Semaphore::new(running + waiting), running: Arc::new(Semaphore::new(running)) }
    }
}

impl Default for TokioPool {
    /// As many at a time as there are processors, and 64 waiting.
    fn default() -> Self {
        Self::new(std::thread::available_parallelism().map_or(2, usize::from), 64)
    }
}

#[async_trait]
impl WorkPool for TokioPool {
    async fn run(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), PoolFull> {
        let _room = self.room.try_acquire().map_err(|_| PoolFull)?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| PoolFull)?;
        // The turn goes with the job: a caller that gives up does not free a processor that is still at work.
        let work = tokio::task::spawn_blocking(move || {
            job();
            drop(turn);
        });
        work.await.map_err(|_| PoolFull)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use countersign_primitives::compute;

    #[tokio::test(flavor = "multi_thread")]
    async fn promise_7_a_full_pool_refuses_at_once_and_recovers() {
        let pool = Arc::new(TokioPool::new(1, 1));
        let (release, gate) = mpsc::channel::<()>();
        let busy = {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { compute(&*pool, move || gate.recv().is_ok()).await })
        };
        let waiting = {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { compute(&*pool, || 2).await })
        };
        while pool.room.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(compute(&*pool, || 3).await, Err(PoolFull));
        release.send(()).unwrap();
        assert_eq!(busy.await.unwrap(), Ok(true));
        assert_eq!(waiting.await.unwrap(), Ok(2));
        assert_eq!(compute(&*pool, || 4).await, Ok(4));
    }
}
