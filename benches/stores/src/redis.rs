//! Redis: a commit against a lone script that sets as many keys and is sent as many bytes, a get against a lone `MGET`, through the
//! raw driver and over as many connections.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_storage_redis::{RedisOptions, RedisStore};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use crate::servers::Redis;
use crate::works::{Caller, Callers, LATER, Ours, PAYLOAD, compare};

/// Sets what it is sent, and looks at nothing.
const SCRIPT: &str =
    "#!lua\nfor i = 1, #KEYS do redis.call('SET', KEYS[i], ARGV[3 * i + 2], 'PXAT', ARGV[3 * i + 1]) end return 0";
/// What the store has by default.
const CONNECTIONS: usize = 4;

struct Lone {
    connection: MultiplexedConnection,
    script: Arc<str>,
    caller: usize,
    records: usize,
}

impl Lone {
    fn key(&self, number: usize) -> String {
        format!("cs:{{{:022}}}:c8:{number:022}", self.caller)
    }
}

impl Caller for Lone {
    fn call(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if self.records == 0 {
                let get = redis::cmd("MGET").arg(self.key(0)).query_async(&mut self.connection).await;
                let found: Vec<Option<Vec<u8>>> = get.unwrap();
                assert!(found[0].is_some());
                return;
            }
            let mut value = format!("{:016x}{:016}", 1, LATER.as_millis()).into_bytes();
            value.extend_from_slice(&PAYLOAD);
            let mut command = redis::cmd("EVALSHA");
            command.arg(&*self.script).arg(self.records);
            for number in 0..self.records {
                command.arg(self.key(number));
            }
            command.arg("0123456789abcdef").arg(1_800_000_000_000_u64);
            for _ in 0..self.records {
                command.arg("0123456789abcdef").arg(LATER.as_millis() + 120_000).arg(&value);
            }
            let done: i64 = command.query_async(&mut self.connection).await.unwrap();
            assert_eq!(done, 0);
        })
    }
}

pub(crate) fn report(rounds: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let info = server.ask(&["INFO", "server"]);
    let process = info.lines().find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok()).unwrap();
    let script: Arc<str> = server.ask(&["SCRIPT", "LOAD", SCRIPT]).into();
    runtime.block_on(async {
        let options = RedisOptions::default().connections(CONNECTIONS).timeout(Duration::from_secs(30));
        let store = Arc::new(RedisStore::open_with(&server.url(), options).await.unwrap());
        let client = redis::Client::open(server.url()).unwrap();
        // A disk that is slow for a moment is no error.
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(client.get_multiplexed_async_connection_with_config(&patient).await.unwrap());
        }
        for callers in [1, 8] {
            for (work, records) in [("commit of one", 1), ("commit of three", 3), ("get", 0)] {
                let (mut ours, mut lone) = (Callers::new(), Callers::new());
                for caller in 0..callers {
                    ours.push(Box::new(Ours::new(&store, caller as u128, records as u128).await));
                    let connection = connections[caller % CONNECTIONS].clone();
                    let mut alone = Lone { connection, script: Arc::clone(&script), caller, records: 1 };
                    alone.call().await;
                    lone.push(Box::new(Lone { records, ..alone }));
                }
                compare(&format!("redis, {callers} callers, {work}"), ours, lone, &|| vec![process], rounds).await;
            }
        }
    });
}
