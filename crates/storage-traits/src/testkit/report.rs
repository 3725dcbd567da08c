//! What an adapter keeps, as a table.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use crate::{Capabilities, Store};

use super::runner::{complete, install};
use super::{GUARANTEES, Guarantee};

/// What the suite found out about a store: what it declares, and which guarantees it keeps.
///
/// [`fmt::Display`] writes the table that an adapter's README may show.
#[derive(Debug)]
pub struct Report {
    capabilities: Capabilities,
    walks: bool,
    backend: &'static str,
    findings: Vec<(&'static str, Option<String>)>,
}

impl Report {
    /// Whether every guarantee is kept.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.broken().next().is_none()
    }

    /// The guarantees that are not kept, and what was seen instead.
    pub fn broken(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.findings.iter().filter_map(|(name, seen)| Some((*name, seen.as_deref()?)))
    }

    /// What the store declares.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let declared = |yes| if yes { "yes" } else { "no" };
        let Capabilities { durable, survives_failover, shared } = self.capabilities;
        writeln!(f, "{}", self.backend)?;
        writeln!(
            f,
            "  declared: durable {}, survives fail-over {}, shared between processes {}, can be walked {}",
            declared(durable),
            declared(survives_failover),
            declared(shared),
            declared(self.walks)
        )?;
        for (name, seen) in &self.findings {
            match seen {
                None => writeln!(f, "  kept    {name}")?,
                Some(seen) => writeln!(f, "  BROKEN  {name}: {seen}")?,
            }
        }
        let kept = self.findings.len() - self.broken().count();
        write!(f, "  {kept} of {} guarantees kept", self.findings.len())
    }
}

/// Proves every guarantee, each on a store of its own, and reports: for a program or a page that shows what an adapter keeps. In
/// tests [`testkit!`](crate::testkit!) is better, which names each by itself.
///
/// `open` makes a store and `runner` runs one future to its end, as for [`run`](super::run).
///
/// ```
/// use countersign_storage_traits::StoreError;
/// use countersign_storage_traits::testkit::{Fault, Planted, block_on, report};
///
/// let good = report(async || Ok::<_, StoreError>(Planted::new(Fault::None)), |future| block_on(future))?;
/// assert!(good.passed(), "{good}");
/// # Ok::<(), StoreError>(())
/// ```
///
/// # Errors
/// When not even the first store can be opened.
pub fn report<S: Store, E: fmt::Display>(
    open: impl AsyncFn() -> Result<S, E>,
    runner: impl Fn(Pin<&mut dyn Future<Output = ()>>) + Send + Sync + 'static,
) -> Result<Report, E> {
    let runner = install(runner);
    let (capabilities, walks, backend) = complete(&runner, async {
        let store = open().await?;
        let backend = store.health().await.map_or("an unhealthy store", |health| health.backend);
        Ok((store.capabilities(), store.as_scan().is_some(), backend))
    })?;
    let prove = async |guarantee: &Guarantee| match open().await {
        Ok(store) => guarantee.prove(&store).await,
        Err(error) => panic!("the store cannot be opened: {error}"),
    };
    let findings = GUARANTEES.iter().map(|guarantee| {
        let outcome = catch_unwind(AssertUnwindSafe(|| complete(&runner, prove(guarantee))));
        (guarantee.name, outcome.err().map(|panic| seen(&*panic)))
    });
    Ok(Report { capabilities, walks, backend, findings: findings.collect() })
}

/// What a guarantee said as it failed.
fn seen(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it failed").lines().next().unwrap_or_default().to_owned()
}
