//! From a call to the server that answers it: one server, a master that sentinels name, or the nodes of a cluster.

mod cluster;
mod sentinel;

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::{Instant, sleep, timeout_at};

use self::cluster::Cluster;
use self::sentinel::Sentinels;
use crate::OpenError;
use crate::access::Access;
use crate::address::Shape;
use crate::error::{Cause, Failure, TlsTrouble};
use crate::link::Link;
use crate::script::Call;

/// How long to wait before the first of several attempts; each next wait is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_millis(200);
/// How often a lone server that cannot be reached is tried: there is no other to wait for.
const LONE_ATTEMPTS: u32 = 3;

#[derive(Debug)]
pub(crate) struct Network {
    shape: Servers,
    timeout: Duration,
}

#[derive(Debug)]
enum Servers {
    Single(Arc<Link>),
    Sentinel(Sentinels),
    Cluster(Cluster),
}

/// What follows from an answer that is an error.
enum Next {
    /// Ask again: the way was learnt anew.
    Again,
    /// Ask this server, for this once.
    Ask(Arc<Link>),
    /// Send the script's text.
    Text,
    /// Ask again in a moment.
    Later(Cause),
    /// It is the answer.
    Fail(Cause),
}

/// What is sent.
enum Words<'a> {
    Script(&'a Call),
    Plain(&'a Cmd),
}

/// One call on its way.
struct Errand<'a> {
    words: Words<'a>,
    /// What is sent behind the call on the same connection.
    behind: Option<&'a Cmd>,
    /// Whether it may be sent again when nobody knows whether it was done.
    repeatable: bool,
    with_text: bool,
    ask: Option<Arc<Link>>,
    attempts: u32,
    wait: Duration,
    /// Whether some attempt may have been done.
    sent: bool,
}

impl<'a> Errand<'a> {
    fn new(words: Words<'a>, behind: Option<&'a Cmd>, repeatable: bool) -> Self {
        let wait = FIRST_WAIT;
        Self { words, behind, repeatable, with_text: false, ask: None, attempts: 0, wait, sent: false }
    }

    fn command(&self) -> Cmd {
        match self.words {
            Words::Script(call) => call.command(self.with_text),
            Words::Plain(command) => command.clone(),
        }
    }
}

impl Network {
    pub(crate) fn new(access: &Access) -> Result<Self, OpenError> {
        let shape = match &access.address.shape {
            Shape::Single(server) => Servers::Single(Arc::new(Link::new(access, server.clone())?)),
            Shape::Sentinel(sentinels, name) => Servers::Sentinel(Sentinels::new(access, sentinels, name.clone())?),
            Shape::Cluster(seeds) => Servers::Cluster(Cluster::new(access, seeds)?),
        };
        Ok(Self { shape, timeout: access.options.timeout })
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.shape, Servers::Cluster(_))
    }

    /// Every master there is.
    pub(crate) async fn masters(&self) -> Result<Vec<Arc<Link>>, Failure> {
        let masters = async {
            match &self.shape {
                Servers::Single(link) => Ok(vec![Arc::clone(link)]),
                Servers::Sentinel(sentinels) => Ok(vec![sentinels.master().await?]),
                Servers::Cluster(cluster) => cluster.masters().await,
            }
        };
        self.in_time(Instant::now() + self.timeout, masters).await
    }

    /// Calls a script on the master of its slot, and answers what it answers.
    pub(crate) async fn call(
        &self,
        call: &Call,
        behind: Option<&Cmd>,
        repeatable: bool,
    ) -> Result<Vec<Value>, Failure> {
        self.run(call.slot(), Errand::new(Words::Script(call), behind, repeatable)).await
    }

    /// Sends a command that only reads to the master of a slot.
    pub(crate) async fn read(&self, slot: u16, command: &Cmd) -> Result<Value, Failure> {
        let mut values = self.run(slot, Errand::new(Words::Plain(command), None, true)).await?;
        values.pop().ok_or_else(|| Failure::sent(self.name(), Cause::Answer))
    }

    /// Sends a command that may be repeated to the master of its slot, and another behind it on the same connection.
    pub(crate) async fn write(&self, slot: u16, command: &Cmd, behind: Option<&Cmd>) -> Result<Vec<Value>, Failure> {
        self.run(slot, Errand::new(Words::Plain(command), behind, true)).await
    }

    /// Sends a command to one server, without redirection.
    pub(crate) async fn send_to(&self, link: &Link, command: &Cmd) -> Result<Value, Failure> {
        let sending = async {
            let mut values = link.send(std::slice::from_ref(command)).await?;
            match values.pop() {
                Some(Value::ServerError(error)) => Err(Failure::unsent(link.server(), Cause::of_code(error.code()))),
                Some(value) => Ok(value),
                None => Err(Failure::sent(link.server(), Cause::Answer)),
            }
        };
        self.in_time(Instant::now() + self.timeout, sending).await
    }

    /// Sends commands together to one server, without redirection. Errors of the server are among the answers.
    pub(crate) async fn send_all_to(&self, link: &Link, commands: &[Cmd]) -> Result<Vec<Value>, Failure> {
        self.in_time(Instant::now() + self.timeout, link.send(commands)).await
    }

    async fn in_time<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        timeout_at(deadline, work).await.unwrap_or_else(|_| Err(Failure::sent(self.name(), Cause::Timeout)))
    }

    fn name(&self) -> String {
        match &self.shape {
            Servers::Single(link) => link.server().to_string(),
            Servers::Sentinel(sentinels) => sentinels.name().to_owned(),
            Servers::Cluster(_) => "the cluster".to_owned(),
        }
    }

    async fn run(&self, slot: u16, mut errand: Errand<'_>) -> Result<Vec<Value>, Failure> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let attempt = self.attempt(slot, &mut errand);
            let failure = match timeout_at(deadline, attempt).await {
                Ok(Ok(values)) => return Ok(values),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::sent(self.name(), Cause::Timeout),
            };
            errand.sent |= failure.sent;
            let hopeless = (failure.sent && !errand.repeatable) || !self.may_pass(&failure.error.cause, &errand);
            if hopeless || Instant::now() + errand.wait >= deadline {
                return Err(Failure { sent: errand.sent, ..failure });
            }
            sleep(errand.wait).await;
            errand.wait = (errand.wait * 2).min(LONGEST_WAIT);
            // A deadline may pass in here; the next attempt then tells.
            let _late = timeout_at(deadline, self.learn(&failure.error.cause)).await;
        }
    }

    /// Whether a trouble may be over in a moment.
    fn may_pass(&self, cause: &Cause, errand: &Errand<'_>) -> bool {
        let lone = matches!(self.shape, Servers::Single(_));
        match cause {
            Cause::Unreachable(_) | Cause::HungUp(_) => !lone || errand.attempts < LONE_ATTEMPTS,
            Cause::Broken(_) | Cause::ClusterDown | Cause::Loading => true,
            // A lone server that has become a replica stays one; elsewhere there is a new master, or soon will be.
            Cause::ReadOnly | Cause::Timeout | Cause::NoMaster => !lone,
            // Or one that dies.
            Cause::Tls(TlsTrouble::NotSpoken | TlsTrouble::NotAnswered) => !lone,
            _ => false,
        }
    }

    /// Looks for the way anew, after a trouble that a new master may have caused.
    async fn learn(&self, cause: &Cause) {
        match &self.shape {
            Servers::Single(_) => {}
            Servers::Sentinel(sentinels) => {
                if !matches!(cause, Cause::Loading | Cause::NoMaster) {
                    sentinels.forget();
                }
            }
            Servers::Cluster(cluster) => cluster.refresh().await,
        }
    }

    async fn attempt(&self, slot: u16, errand: &mut Errand<'_>) -> Result<Vec<Value>, Failure> {
        // Redirections follow each other at once, but not for ever.
        for _ in 0..8 {
            errand.attempts += 1;
            let asked = errand.ask.take();
            let asking = asked.is_some();
            let link = match asked {
                Some(link) => link,
                None => self.link(slot).await?,
            };
            let mut commands = Vec::with_capacity(3);
            commands.extend(asking.then(|| redis::cmd("ASKING")));
            commands.push(errand.command());
            commands.extend(errand.behind.cloned());
            let mut values = link.send(&commands).await?;
            if asking {
                values.remove(0);
            }
            let Some(Value::ServerError(error)) = values.first() else { return Ok(values) };
            match self.next(error, errand) {
                Next::Again => self.learn(&Cause::ClusterDown).await,
                Next::Ask(link) => errand.ask = Some(link),
                Next::Text => errand.with_text = true,
                Next::Later(cause) | Next::Fail(cause) => return Err(Failure::unsent(link.server(), cause)),
            }
        }
        Err(Failure::unsent(self.name(), Cause::ClusterDown))
    }

    fn next(&self, error: &redis::ServerError, errand: &Errand<'_>) -> Next {
        let target = |cluster: &Cluster| {
            let address = error.details()?.split_ascii_whitespace().nth(1)?;
            cluster.link_named(address)
        };
        match (error.code(), &self.shape) {
            ("NOSCRIPT", _) if !errand.with_text => Next::Text,
            ("ASK", Servers::Cluster(cluster)) => match target(cluster) {
                Some(link) => Next::Ask(link),
                None => Next::Later(Cause::ClusterDown),
            },
            // The slot's new master is learnt at once, and all that has moved with it a moment later.
            ("MOVED", Servers::Cluster(cluster)) => match (error.details(), target(cluster)) {
                (Some(details), Some(link)) => {
                    if let Some(slot) = details.split_ascii_whitespace().next().and_then(|slot| slot.parse().ok()) {
                        cluster.moved(slot, link);
                    }
                    Next::Again
                }
                _ => Next::Later(Cause::ClusterDown),
            },
            (code, _) => match Cause::of_code(code) {
                cause @ (Cause::ClusterDown | Cause::ReadOnly | Cause::Loading) => Next::Later(cause),
                cause => Next::Fail(cause),
            },
        }
    }

    async fn link(&self, slot: u16) -> Result<Arc<Link>, Failure> {
        match &self.shape {
            Servers::Single(link) => Ok(Arc::clone(link)),
            Servers::Sentinel(sentinels) => sentinels.master().await,
            Servers::Cluster(cluster) => cluster.link(slot).await,
        }
    }
}
