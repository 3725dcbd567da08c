//! The way to one server: a few connections, each shared by many callers, made when needed and replaced when they break.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::OpenError;
use crate::access::Access;
use crate::address::{Server, Shape};
use crate::error::{Cause, Failure};

/// For so long after a failed attempt to connect the next callers are told the same: they waited while it was made.
const SETTLING: Duration = Duration::from_millis(20);

pub(crate) struct Link {
    server: Server,
    client: Client,
    config: AsyncConnectionConfig,
    connect_timeout: Duration,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Tls>,
    lines: Vec<Mutex<Line>>,
    next: AtomicUsize,
    /// A replica is turned away when the connection is made.
    master: bool,
}

#[derive(Default)]
struct Line {
    connection: Option<Connection>,
    /// How many connections there were before: tells a broken one from its successor.
    generation: u64,
    failed_at: Option<Instant>,
}

/// A connection, which ends with its last clone.
#[derive(Clone)]
struct Connection {
    commands: MultiplexedConnection,
    /// What carries them, where that is not the driver's own.
    #[cfg(feature = "tls")]
    _carrier: Option<crate::tls::Carrier>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.server)
    }
}

impl Link {
    pub(crate) fn new(access: &Access, server: Server) -> Result<Self, OpenError> {
        // A cluster's replica redirects by itself.
        let master = !matches!(access.address.shape, Shape::Cluster(_));
        let url = access.address.url_of(&server);
        Self::with(access, server, &url, access.options.lines(), master)
    }

    /// The way to a sentinel, which has no data and no user of the data's.
    pub(crate) fn to_sentinel(access: &Access, server: Server) -> Result<Self, OpenError> {
        let url = format!("redis://{}{server}", access.options.sentinel_login());
        Self::with(access, server, &url, 1, false)
    }

    fn with(access: &Access, server: Server, url: &str, lines: usize, master: bool) -> Result<Self, OpenError> {
        let options = &access.options;
        // The driver's errors may repeat the URL.
        let client = Client::open(url).map_err(|_| OpenError::Url)?;
        // A commit that waits for disks and replicas holds up its connection for that long.
        let answers = if options.durable.is_some() { options.timeout } else { options.answer_timeout };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(options.connect_timeout))
            .set_response_timeout(Some(answers));
        let lines = (0..lines.max(1)).map(|_| Mutex::default()).collect();
        let next = AtomicUsize::new(0);
        Ok(Self {
            server,
            client,
            config,
            connect_timeout: options.connect_timeout,
            #[cfg(feature = "tls")]
            tls: access.tls.clone(),
            lines,
            next,
            master,
        })
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
        match connection.commands.send_packed_commands(&pipeline, 0, commands.len()).await {
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

    async fn connection(&self, line: &Mutex<Line>) -> Result<(Connection, u64), Failure> {
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

    async fn dial(&self) -> Result<Connection, Cause> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let settings = self.client.get_connection_info().redis_settings();
            let (commands, carrier) =
                tls.connect(&self.server, settings, &self.config, self.connect_timeout / 2).await?;
            return Ok(Connection { commands, _carrier: Some(carrier) });
        }
        let connecting = self.client.get_multiplexed_async_connection_with_config(&self.config);
        Ok(Connection {
            commands: connecting.await.map_err(Cause::of_connecting)?,
            #[cfg(feature = "tls")]
            _carrier: None,
        })
    }

    async fn connect(&self) -> Result<Connection, Cause> {
        let dialling = timeout(self.connect_timeout, self.dial());
        let mut connection = dialling.await.unwrap_or(Err(Cause::Timeout))?;
        if !self.master {
            return Ok(connection);
        }
        // A replica would answer reads with what was. (A user who may not ask is trusted to have named the master.)
        let role = connection.commands.send_packed_command(&redis::cmd("ROLE")).await.map_err(Cause::of_waiting)?;
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
