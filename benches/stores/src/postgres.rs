//! PostgreSQL: a commit against a lone `UPDATE` of as many rows, a get against a lone `SELECT`, through the raw driver.

use std::pin::Pin;
use std::sync::Arc;

use countersign_storage_sqlx::{SqlOptions, SqlStore};
use countersign_tests::Postgres;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::works::{Caller, Callers, LATER, NOW, Ours, PAYLOAD, compare, key};

const UPDATE: &str = "UPDATE countersign_record SET version = $2, expires = $3, payload = $4 WHERE k = $1";
const UPDATE_THREE: &str = "UPDATE countersign_record r SET version = $2, expires = new.expires, payload = new.payload \
     FROM unnest($1::bytea[], $3::bigint[], $4::bytea[]) new(k, expires, payload) WHERE r.k = new.k";
const SELECT: &str = "SELECT k, version, expires, payload FROM countersign_record WHERE k = $1 AND expires > $2";

/// A caller of the driver, with a connection of its own.
struct Lone {
    connection: PgConnection,
    caller: u128,
    records: u128,
    done: i64,
}

impl Caller for Lone {
    fn call(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let keys: Vec<_> = (0..self.records.max(1)).map(|number| key(self.caller, number).to_bytes()).collect();
            let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
            let later = i64::try_from(LATER.as_millis()).unwrap_or(i64::MAX);
            self.done += 1;
            let rows = match self.records {
                0 => {
                    let now = i64::try_from(NOW.as_millis()).unwrap_or(i64::MAX);
                    let rows =
                        sqlx::query(SELECT).bind(keys[0]).bind(now).fetch_all(&mut self.connection).await.unwrap();
                    rows.len() as u64
                }
                1 => {
                    let update = sqlx::query(UPDATE).bind(keys[0]).bind(self.done).bind(later).bind(&PAYLOAD[..]);
                    update.execute(&mut self.connection).await.unwrap().rows_affected()
                }
                _ => {
                    let (later, payloads) = (vec![later; keys.len()], vec![&PAYLOAD[..]; keys.len()]);
                    let update = sqlx::query(UPDATE_THREE).bind(keys).bind(self.done).bind(later).bind(payloads);
                    update.execute(&mut self.connection).await.unwrap().rows_affected()
                }
            };
            assert_eq!(u128::from(rows), self.records.max(1));
        })
    }
}

pub(crate) fn report(rounds: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = Postgres::start();
    runtime.block_on(async {
        for callers in [1, 8] {
            let options = SqlOptions::default().connections(callers);
            let store = Arc::new(SqlStore::open_with(&server.url(), options).await.unwrap());
            for (work, records) in [("commit of one", 1), ("commit of three", 3), ("get", 0)] {
                let (mut ours, mut lone) = (Callers::new(), Callers::new());
                for caller in 0..callers as u128 {
                    ours.push(Box::new(Ours::new(&store, caller, records).await));
                    let connection = PgConnection::connect(&server.url()).await.unwrap();
                    lone.push(Box::new(Lone { connection, caller: 100 + caller, records, done: 0 }));
                    drop(Ours::new(&store, 100 + caller, records).await);
                }
                let name = format!("postgres, {callers} callers, {work}");
                compare(&name, ours, lone, &|| processes(&server), rounds).await;
            }
        }
    });
}

/// Everything that the server consists of but the process that listens.
fn processes(server: &Postgres) -> Vec<u32> {
    let told = server.sql("countersign", "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
    told.lines().filter_map(|line| line.trim().parse().ok()).collect()
}
