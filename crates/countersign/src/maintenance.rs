//! The loop over a server's due work.

use std::time::Duration;

use crate::{Refusal, Server, UnixTime};

/// How long to wait after a round that failed: twice as long after each further one.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// The longest and the shortest pause between two rounds.
const LONGEST: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_millis(50);

/// Does the server's due work for ever: rotating keys, sweeping, and what extensions have to do. Run it once a process; several
/// processes on one store do not get into each other's way. A store that is away for a while does not end it: it tries again
/// ever more rarely, at least once a minute, and [`Server::health`](countersign_oauth_core::Server::health) tells when nothing
/// has gone through for too long.
///
/// ```no_run
/// # async fn example(server: countersign::Server) {
/// tokio::spawn(countersign::maintenance(&server));
/// # }
/// ```
pub fn maintenance(server: &Server) -> impl Future<Output = ()> + Send + 'static {
    let server = server.clone();
    async move {
        let mut failures = 0;
        loop {
            let outcome = server.work(server.now()).await;
            if let Err(refusal) = &outcome {
                tracing::warn!(cause = refusal.cause_id(), source = ?refusal.source_error(), "due work failed; trying again soon");
            }
            tokio::time::sleep(pause(&outcome, &mut failures, server.now())).await;
        }
    }
}

/// How long to wait after a round.
fn pause(outcome: &Result<UnixTime, Refusal>, failures: &mut u32, now: UnixTime) -> Duration {
    match outcome {
        Ok(next) => {
            *failures = 0;
            next.since(now).clamp(SHORTEST, LONGEST)
        }
        Err(_) => {
            let pause = AFTER_FAILURE.saturating_mul(1_u32.checked_shl(*failures).unwrap_or(u32::MAX));
            *failures = failures.saturating_add(1);
            pause.min(LONGEST)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    #[test]
    fn a_round_says_when_the_next_is_within_bounds() {
        let after = |next: UnixTime| pause(&Ok(next), &mut 0, NOW);
        assert_eq!(after(NOW.plus(Duration::from_secs(20))), Duration::from_secs(20));
        assert_eq!((after(NOW), after(NOW.minus(LONGEST))), (SHORTEST, SHORTEST));
        assert_eq!(after(NOW.plus(LONGEST * 60)), LONGEST);
    }

    #[test]
    fn promise_14_rounds_that_fail_come_ever_more_rarely_and_never_cease() {
        let mut failures = 0;
        let mut failed = || pause(&Err(Refusal::invalid_request("down")), &mut failures, NOW).as_secs();
        let pauses: Vec<_> = (0..40).map(|_| failed()).collect();
        assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(pauses[8..].iter().all(|pause| *pause == 60));
        pause(&Ok(NOW), &mut failures, NOW);
        assert_eq!(failures, 0, "a success begins anew");
    }
}
