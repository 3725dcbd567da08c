//! The way to one server: a few connections, each shared by many callers, made when needed and replaced when they break.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, Value};
use tokio::sync::Mutex;

use crate::address::{Address, Server, Shape};
use crate::error::{Cause, Failure};
use crate::{OpenError, RedisOptions};

/// For so long after a failed attempt to connect the next callers are told the same: they waited while it was made.
const SETTLING: Duration = Duration::from_millis(20);

pub(crate) struct Link {
    server: Server,
    client: Client,
    config: AsyncConnectionConfig,
    lines: Vec<Mutex<Line>>,
    next: AtomicUsize,
    /// A replica is turned away when the connection is made.
    master: bool,
}

#[derive(Default)]
struct Line {
    connection: Option<MultiplexedConnection>,
    /// How many connections there were before: tells a broken one from its successor.
    generation: u64,
    failed_at: Option<Instant>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.server)
    }
}

impl Link {
    pub(crate) fn new(address: &Address, server: Server, options: &RedisOptions) -> Result<Self, OpenError> {
        let client = options.client(&address.url_of(&server))?;
        // A cluster's replica redirects by itself.
        let master = !matches!(address.shape, Shape::Cluster(_));
        Ok(Self::with(client, server, options, options.lines(), master))
    }

    /// The way to a sentinel, which has no data and no user of the data's.
    pub(crate) fn to_sentinel(address: &Address, server: Server, options: &RedisOptions) -> Result<Self, OpenError> {
        let login = options.sentinel_login();
        let sentinel = Address { login, database: 0, ..address.clone() };
        let client = options.client(sentinel.url_of(&server).trim_end_matches("/0"))?;
        Ok(Self::with(client, server, options, 1, false))
    }

    fn with(client: Client, server: Server, options: &RedisOptions, lines: usize, master: bool) -> Self {
        // A commit that waits for disks and replicas holds up its connection for that long.
        let answers = if options.durable.is_some() { options.timeout } else { options.answer_timeout };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(options.connect_timeout))
            .set_response_timeout(Some(answers));
        let lines = (0..lines.max(1)).map(|_| Mutex::default()).collect();
        Self { server, client, config, lines, next: AtomicUsize::new(0), master }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Sends commands together, on one connection, and waits for their answers. Errors of the server are among the answers.
    pub(crate) async fn send(&self, commands: &[Cmd]) -> Result<Vec<Value>, Failure> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        let line = &self.lines[self.next.fetch_add(1, Ordering::Relaxed) % self.lines.len()];
        let (mut connection, generation) = self.connection(line).await?;
        match connection.send_packed_commands(&pipeline, 0, commands.len()).await {
            Ok(values) if values.len() == commands.len() => Ok(values),
            Ok(_) => Err(Failure::sent(&self.server, Cause::Answer)),
            Err(error) => {
                let mut line = line.lock().await;
                if line.generation == generation {
                    line.connection = None;
                }
                Err(Failure::sent(&self.server, Cause::of_waiting(error)))
            }
        }
    }

    async fn connection(&self, line: &Mutex<Line>) -> Result<(MultiplexedConnection, u64), Failure> {
        let asked_at = Instant::now();
        let mut line = line.lock().await;
        if let Some(connection) = &line.connection {
            return Ok((connection.clone(), line.generation));
        }
        if line.failed_at.is_some_and(|at| at + SETTLING > asked_at) {
            return Err(Failure::unsent(&self.server, Cause::Unreachable("another attempt just failed".into())));
        }
        match self.connect().await {
            Ok(connection) => {
                line.generation += 1;
                line.failed_at = None;
                line.connection = Some(connection.clone());
                Ok((connection, line.generation))
            }
            Err(cause) => {
                line.failed_at = Some(Instant::now());
                Err(Failure::unsent(&self.server, cause))
            }
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Cause> {
        let connecting = self.client.get_multiplexed_async_connection_with_config(&self.config);
        let mut connection = connecting.await.map_err(Cause::of_connecting)?;
        if !self.master {
            return Ok(connection);
        }
        // A replica would answer reads with what was. (A user who may not ask is trusted to have named the master.)
        let role = connection.send_packed_command(&redis::cmd("ROLE")).await.map_err(Cause::of_waiting)?;
        match &role {
            Value::Array(role) => match role.first() {
                Some(Value::BulkString(role)) if role == b"master" => Ok(connection),
                Some(Value::BulkString(role)) if role == b"slave" => Err(Cause::ReadOnly),
                _ => Err(Cause::NotRedis),
            },
            Value::ServerError(error) if error.code() == "NOPERM" => Ok(connection),
            Value::ServerError(error) => Err(Cause::of_code(error.code())),
            _ => Err(Cause::Answer),
        }
    }
}
