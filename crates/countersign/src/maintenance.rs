//! The loop over a server's due work.

use std::time::Duration;

use crate::Server;

/// How long to wait after a round that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// The longest and the shortest pause between two rounds.
const LONGEST: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_millis(50);

/// Does the server's due work for ever: sweeping, and what extensions have to do. Run it once a process; several processes on
/// one store do not get into each other's way.
///
/// ```no_run
/// # async fn example(server: countersign::Server) {
/// tokio::spawn(countersign::maintenance(&server));
/// # }
/// ```
pub fn maintenance(server: &Server) -> impl Future<Output = ()> + Send + 'static {
    let server = server.clone();
    async move {
        loop {
            let pause = match server.work(server.now()).await {
                Ok(next) => next.since(server.now()).clamp(SHORTEST, LONGEST),
                Err(refusal) => {
                    tracing::warn!(cause = refusal.cause_id(), "a round of due work failed; trying again soon");
                    AFTER_FAILURE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }
}
