//! What servers are and what their settings keep: looked at before a store is opened, and for its health.

use std::collections::HashMap;
use std::time::Duration;

use countersign_primitives::UnixTime;
use countersign_storage_traits::{BACKLOG_COUNTED, Capabilities, Health, StoreError};
use redis::Value;
use tokio::time::{Instant, sleep};

use crate::commit::Assurance;
use crate::error::{Cause, Failure, ServerError};
use crate::link::Link;
use crate::network::Network;
use crate::script::{Call, RIGHTS};
use crate::{Inner, OpenError, RedisOptions, encode, slot};

/// How often a server is asked whether it has read its files.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// What the store and its scripts do to keys.
const COMMANDS: [&str; 15] = [
    "GET",
    "MGET",
    "GETRANGE",
    "SET",
    "DEL",
    "SCAN",
    "ZADD",
    "ZREM",
    "ZRANGE",
    "ZCOUNT",
    "ZCARD",
    "ZSCORE",
    "PERSIST",
    "PEXPIREAT",
    "EVALSHA",
];
/// The oldest servers whose scripts declare themselves.
const NEEDED: &str = "Redis 7.0 or Valkey 7.2";

/// What a store is opened with.
pub(crate) struct Found {
    pub(crate) assurance: Option<Assurance>,
    pub(crate) capabilities: Capabilities,
}

/// What one server says of itself.
struct Report {
    server: String,
    info: HashMap<String, String>,
    /// Empty where the server does not tell its settings.
    settings: HashMap<String, String>,
    /// Whether it knows `WAITAOF`.
    waits_for_disks: bool,
}

pub(crate) async fn examine(network: &Network, options: &RedisOptions) -> Result<Found, OpenError> {
    let deadline = Instant::now() + options.loading_timeout;
    let masters = when_loaded(deadline, || network.masters()).await.map_err(|failure| not_cluster(failure.error))?;
    let mut reports = Vec::with_capacity(masters.len());
    for master in &masters {
        let report = when_loaded(deadline, || Report::of(network, master)).await.map_err(|failure| failure.error)?;
        report.fits(network.is_cluster())?;
        check_rights(network, master, options).await?;
        reports.push(report);
    }
    let assurance = match options.durable {
        Some(replicas) => Some(assurance(&reports, replicas)?),
        None => None,
    };
    check_format(network).await?;
    for report in &reports {
        report.warn(assurance);
    }
    let capabilities = Capabilities::VOLATILE.shared();
    let capabilities = match assurance {
        Some(_) => capabilities.durable().survives_failover(),
        None if reports.iter().all(Report::syncs_always) => capabilities.durable(),
        None => capabilities,
    };
    Ok(Found { assurance, capabilities })
}

/// Asks again, until the deadline, while a server still reads its files.
async fn when_loaded<T>(deadline: Instant, ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut told = false;
    loop {
        let outcome = ask().await;
        let Err(Failure { error: ServerError { server, cause: Cause::Loading }, .. }) = &outcome else {
            return outcome;
        };
        if Instant::now() + BETWEEN_LOOKS >= deadline {
            return outcome;
        }
        if !told {
            tracing::info!(%server, "the server is still loading its files: it is waited for");
            told = true;
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

/// That the user may do all that a store does, so that nothing is refused half way.
async fn check_rights(network: &Network, master: &Link, options: &RedisOptions) -> Result<(), OpenError> {
    let waits: &[&str] = if options.durable.is_some() { &["WAIT"] } else { &[] };
    let call = COMMANDS.iter().chain(waits).fold(Call::new(&RIGHTS), |call, &command| call.arg(command));
    let answer = network.send_to(master, &call.command(true)).await.map_err(|failure| failure.error)?;
    match text(&answer).as_deref() {
        Some("") => Ok(()),
        Some(commands) => Err(OpenError::Rights { server: master.server().to_string(), commands: commands.to_owned() }),
        None => Err(Failure::unsent(master.server(), Cause::Answer).error.into()),
    }
}

/// A server that is no part of a cluster says so when it is asked for slots.
fn not_cluster(error: ServerError) -> OpenError {
    match error.cause {
        Cause::Refused(code) if code == "ERR" => OpenError::NotCluster { server: error.server },
        _ => OpenError::Server(error),
    }
}

fn assurance(reports: &[Report], replicas: u32) -> Result<Assurance, OpenError> {
    let disks = reports.iter().all(|report| report.waits_for_disks);
    for report in reports {
        let lacks = |lacks| Err(OpenError::NotDurable { server: report.server.clone(), lacks });
        if report.number("connected_slaves") < u64::from(replicas) {
            return lacks("it has fewer replicas than commits are to wait for");
        }
        if report.info("aof_enabled") != "1" {
            return lacks("its append-only file is off: set appendonly yes");
        }
        if !disks && !report.syncs_always() {
            return lacks("it knows no WAITAOF (Redis 7.2, Valkey): set appendfsync always");
        }
    }
    Ok(if disks { Assurance::Disks(replicas) } else { Assurance::Replicas(replicas) })
}

/// Marks an empty database as ours, and refuses one of a newer format.
async fn check_format(network: &Network) -> Result<(), OpenError> {
    let slot = slot::of(encode::SCHEMA_KEY.as_bytes());
    let server = |failure: Failure| OpenError::Server(failure.error);
    let mut mark = redis::cmd("SET");
    mark.arg(encode::SCHEMA_KEY).arg(encode::SCHEMA).arg("NX");
    network.read(slot, &mark).await.map_err(server)?;
    match format(network).await.map_err(server)? {
        Some(found) if found > encode::SCHEMA => Err(OpenError::Newer { found, known: encode::SCHEMA }),
        Some(_) => Ok(()),
        None => Err(OpenError::Foreign),
    }
}

async fn format(network: &Network) -> Result<Option<u64>, Failure> {
    let mut read = redis::cmd("GET");
    read.arg(encode::SCHEMA_KEY);
    let value = network.read(slot::of(encode::SCHEMA_KEY.as_bytes()), &read).await?;
    Ok(text(&value).and_then(|number| number.parse().ok()))
}

/// A server's clock.
pub(crate) async fn clock(network: &Network, master: &Link) -> Result<UnixTime, Failure> {
    let wrong = || Failure::unsent(master.server(), Cause::Answer);
    let answer = network.send_to(master, &redis::cmd("TIME")).await?;
    let Value::Array(parts) = answer else { return Err(wrong()) };
    let numbers: Vec<u64> = parts.iter().filter_map(|part| text(part)?.parse().ok()).collect();
    let [seconds, micros] = numbers.as_slice() else { return Err(wrong()) };
    Ok(UnixTime::from_millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000)))
}

impl Inner {
    pub(crate) async fn health(&self) -> Result<Health, StoreError> {
        if format(&self.network).await? != Some(encode::SCHEMA) {
            return Err(StoreError::Schema(Failure::unsent("the database", Cause::Marker).error.into()));
        }
        let mut farthest: Option<UnixTime> = None;
        let mut backlog = 0;
        for master in self.network.masters().await? {
            let report = Report::of(&self.network, &master).await?;
            let failing = |cause| Err(Failure::unsent(master.server(), cause).into());
            if report.info("role") != "master" {
                return failing(Cause::ReadOnly);
            }
            if report.info("aof_last_write_status") == "err" {
                return failing(Cause::DiskFull);
            }
            if !matches!(report.policy(), "noeviction" | "") {
                return Err(StoreError::Schema(
                    OpenError::Evicts { server: report.server.clone(), policy: report.policy().to_owned() }.into(),
                ));
            }
            backlog += report.backlog();
            let clock = clock(&self.network, &master).await?;
            // The slowest of several clocks: it drops rubbish last, and a fast one is seen by its own node's watch.
            farthest = Some(farthest.map_or(clock, |slowest| slowest.min(clock)));
        }
        let health = Health::of("Redis").backlog(backlog.min(BACKLOG_COUNTED));
        Ok(farthest.map_or(health.clone(), |clock| health.clock(clock)))
    }
}

impl Report {
    async fn of(network: &Network, master: &Link) -> Result<Self, Failure> {
        let info = network.send_to(master, &redis::cmd("INFO")).await?;
        let info = text(&info).unwrap_or_default();
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        let info: HashMap<_, _> = lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        if info.get("loading").is_some_and(|loading| loading == "1") {
            return Err(Failure::unsent(master.server(), Cause::Loading));
        }
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET").arg("appendfsync");
        // Some services keep their settings to themselves.
        let settings = match network.send_to(master, &ask).await {
            Ok(settings) => pairs(settings),
            Err(failure) if !failure.sent => HashMap::new(),
            Err(failure) => return Err(failure),
        };
        let mut known = redis::cmd("COMMAND");
        known.arg("INFO").arg("WAITAOF");
        let waits = network.send_to(master, &known).await;
        let waits_for_disks =
            matches!(&waits, Ok(Value::Array(known)) if matches!(known.first(), Some(Value::Array(_))));
        Ok(Self { server: master.server().to_string(), info, settings, waits_for_disks })
    }

    fn info(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> u64 {
        self.info(name).parse().unwrap_or_default()
    }

    fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    /// How many keys the server has not dropped yet though their time is up: its own estimate, over all its databases.
    fn backlog(&self) -> u64 {
        let databases = self.info.iter().filter(|(name, _)| name.strip_prefix("db").is_some_and(is_number));
        let ending =
            databases.filter_map(|(_, counts)| counts.split(',').find_map(|count| count.strip_prefix("expires=")));
        let ending: u64 = ending.filter_map(|count| count.parse::<u64>().ok()).sum();
        // In hundredths of a per cent, such as 0.25.
        let share = self.info("expired_stale_perc").replace('.', "").parse::<u64>().unwrap_or_default();
        ending.saturating_mul(share) / 10_000
    }

    fn policy(&self) -> &str {
        self.info("maxmemory_policy")
    }

    fn syncs_always(&self) -> bool {
        self.info("aof_enabled") == "1" && self.setting("appendfsync") == "always"
    }

    fn fits(&self, cluster: bool) -> Result<(), OpenError> {
        let server = self.server.clone();
        let version = self.info("redis_version");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        match major {
            None => return Err(Failure::unsent(server, Cause::NotRedis).error.into()),
            Some(major) if major < 7 => {
                return Err(OpenError::Version { server, found: version.to_owned(), needed: NEEDED });
            }
            Some(_) => {}
        }
        match (self.info("cluster_enabled") == "1", cluster) {
            (true, false) => return Err(OpenError::IsCluster { server }),
            (false, true) => return Err(OpenError::NotCluster { server }),
            _ => {}
        }
        if self.info("role") != "master" {
            return Err(Failure::unsent(server, Cause::ReadOnly).error.into());
        }
        match self.policy() {
            "noeviction" | "" => Ok(()),
            policy => Err(OpenError::Evicts { server, policy: policy.to_owned() }),
        }
    }

    /// Says what the server would lose of what commits were answered.
    fn warn(&self, assurance: Option<Assurance>) {
        if assurance.is_some() {
            return;
        }
        let server = &self.server;
        if self.settings.is_empty() {
            tracing::warn!(%server, "the server does not tell its settings: whether it loses what it has answered is not known");
        } else if self.info("aof_enabled") != "1" {
            tracing::warn!(
                %server,
                "the append-only file is off: a crash loses every commit since the last snapshot; \
                 set appendonly yes and appendfsync always"
            );
        } else if !self.syncs_always() {
            tracing::warn!(
                %server,
                appendfsync = self.setting("appendfsync"),
                "a crash may lose the commits of the last second: a spent code or a revoked grant could come back; \
                 set appendfsync always"
            );
        }
        if self.number("connected_slaves") > 0 {
            tracing::warn!(
                %server,
                "replicas follow behind: a fail-over may lose commits that were answered; open the store with the option durable"
            );
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

fn pairs(value: Value) -> HashMap<String, String> {
    let words: Vec<String> = match value {
        Value::Array(words) => words.iter().filter_map(text).collect(),
        Value::Map(pairs) => pairs.iter().flat_map(|(name, value)| [text(name), text(value)]).flatten().collect(),
        _ => Vec::new(),
    };
    let (pairs, _) = words.as_chunks::<2>();
    pairs.iter().map(|[name, value]| (name.clone(), value.clone())).collect()
}
