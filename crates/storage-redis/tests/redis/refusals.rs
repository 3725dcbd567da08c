//! What is not opened, and why.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use countersign_storage_redis::{Cause, OpenError, RedisOptions, RedisStore};
use countersign_storage_traits::{CommitError, Expect, Store as _, StoreError};

use crate::servers::{Redis, free_port};
use crate::{batch, key, now, told};

/// Opens what cannot be opened; the error and its causes tell no secret.
pub(crate) async fn refused(url: &str) -> OpenError {
    let options = RedisOptions::default().timeout(Duration::from_secs(1));
    let error = RedisStore::open_with(url, options).await.unwrap_err();
    let told = format!("{} {error:?}", told(&error));
    assert!(!told.contains("hunter2") && !told.contains('\n'), "{told}");
    error
}

pub(crate) fn cause(error: &OpenError) -> &Cause {
    match error {
        OpenError::Server(error) => &error.cause,
        error => panic!("a server's fault, not {error:?}"),
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_names_the_server() {
    let port = free_port();
    for url in [
        format!("redis://user:hunter2@127.0.0.1:{port}"),
        format!("redis-cluster://user:hunter2@127.0.0.1:{port}"),
        format!("redis-sentinel://user:hunter2@127.0.0.1:{port}/main"),
    ] {
        let error = refused(&url).await;
        assert!(matches!(cause(&error), Cause::Unreachable(_)), "{error:?}");
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    }
}

#[tokio::test]
async fn another_program_is_no_redis() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let error = refused(&format!("redis://127.0.0.1:{port}")).await;
    assert!(matches!(cause(&error), Cause::NotRedis), "{error:?}");
}

/// A server that says it is this old, and master of itself.
fn old_server(version: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let info = format!("redis_version:{version}\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n");
    let info = format!("${}\r\n{info}\r\n", info.len());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, info) = (stream.unwrap(), info.clone());
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                // A command is `*N`, and then for each word its length and itself.
                while let Some(count) = lines.next() {
                    let words = count[1..].parse::<usize>().unwrap() * 2;
                    let words: Vec<_> = lines.by_ref().take(words).collect();
                    let answer = match words[1].as_str() {
                        "INFO" => &info,
                        "ROLE" => "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n",
                        "CONFIG" | "COMMAND" => "*0\r\n",
                        _ => "+OK\r\n",
                    };
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_with_its_version_and_the_oldest_that_will_do() {
    let error = refused(&format!("redis://127.0.0.1:{}", old_server("6.2.14"))).await;
    let OpenError::Version { found, needed, .. } = &error else { panic!("{error:?}") };
    assert_eq!((found.as_str(), *needed), ("6.2.14", "Redis 7.0 or Valkey 7.2"));
    assert!(error.to_string().contains("6.2.14") && error.to_string().contains("Redis 7.0"), "{error}");
}

#[tokio::test]
async fn promise_14_a_server_that_loads_its_files_is_waited_for_and_refused_by_name_after_that() {
    let mut server = Redis::start(LOADS_SLOWLY);
    let options = RedisOptions::default().timeout(Duration::from_millis(1_500));
    let store = RedisStore::open_with(&server.url(), options).await.unwrap();
    for number in 0..120 {
        store.commit(&batch(number, Expect::Absent, vec![7; 4_000])).await.unwrap();
    }
    server.ask(&["SAVE"]);
    server.kill();
    server.restart_unready();

    // In mid traffic: refused in time, nothing written, nothing lost, and over by itself.
    let hasty = RedisOptions::default().loading_timeout(Duration::from_millis(200));
    let error = RedisStore::open_with(&server.url(), hasty).await.unwrap_err();
    assert!(matches!(cause(&error), Cause::Loading), "{error:?}");
    assert!(error.to_string().contains(&server.port.to_string()), "{error}");
    assert_eq!(server.ask(&["PING"]), "LOADING Redis is loading the dataset in memory", "it goes on loading");
    let read = store.get(&[key(0)], now()).await;
    assert!(matches!(&read, Err(StoreError::Unavailable(_))), "no record is absent for that: {read:?}");
    // A server that is busy with a large record may not even say that it loads.
    let outcome = store.commit(&batch(120, Expect::Absent, "lost?")).await;
    let Err(CommitError::Refused(error) | CommitError::Unknown(error)) = outcome else { panic!("{outcome:?}") };
    assert!(["still loading", "no answer came in time"].iter().any(|why| told(&error).contains(why)), "{error:?}");

    RedisStore::open(&server.url()).await.unwrap().health().await.unwrap();
    for number in 0..121 {
        assert_eq!(crate::read(&store, number).await.is_some(), number < 120, "record {number}");
    }
    store.commit(&batch(120, Expect::Absent, "after")).await.unwrap();
}

/// Some 50 ms a record, looking up after each.
const LOADS_SLOWLY: &[&str] = &["--key-load-delay", "50000", "--loading-process-events-interval-bytes", "1024"];

#[tokio::test]
async fn wrong_credentials_are_told_from_missing_rights() {
    let server = Redis::start(&["--requirepass", "secret"]);
    let port = server.port;
    for login in ["", ":hunter2@", "default:hunter2@", "stranger:hunter2@"] {
        let error = refused(&format!("redis://{login}127.0.0.1:{port}")).await;
        assert!(matches!(cause(&error), Cause::Credentials), "{login}: {error:?}");
    }
    RedisStore::open(&format!("redis://:secret@127.0.0.1:{port}")).await.unwrap();

    let narrow = "--user narrow on >hunter2 ~cs:* +@read +info +role";
    let wide = "--user wide on >hunter2 ~cs:* -@all +info +role +time +command|info +scan +mget +get +set +del \
                +getrange +evalsha +eval +zadd +zrem +zrange +zcount +zcard +zscore +persist +pexpireat";
    let users: Vec<_> = narrow.split_whitespace().chain(wide.split_whitespace()).collect();
    let server = Redis::start(&users);
    let port = server.port;
    let error = refused(&format!("redis://narrow:hunter2@127.0.0.1:{port}")).await;
    assert!(matches!(cause(&error), Cause::NotAllowed), "{error:?}");
    server.ask(&["ACL", "SETUSER", "wide", "-zadd", "-del"]);
    let error = refused(&format!("redis://wide:hunter2@127.0.0.1:{port}")).await;
    assert!(matches!(&error, OpenError::Rights { commands, .. } if commands == "DEL ZADD"), "{error:?}");
    server.ask(&["ACL", "SETUSER", "wide", "+zadd", "+del"]);
    // No more than docs/storage.md lists is needed; without CONFIG the settings are not known.
    let store = RedisStore::open(&format!("redis://wide:hunter2@127.0.0.1:{port}")).await.unwrap();
    for guarantee in countersign_storage_traits::testkit::GUARANTEES {
        if ["a_list_is_paged", "a_full_batch_goes_through", "charges_stand_each_by_itself", "a_sweep_takes_counters"]
            .contains(&guarantee.name)
        {
            guarantee.prove(&store).await;
        }
    }
}

#[tokio::test]
async fn a_cluster_and_a_lone_server_are_not_taken_for_each_other() {
    let lone = Redis::start(&[]);
    let error = refused(&format!("redis-cluster://127.0.0.1:{}", lone.port)).await;
    assert!(matches!(error, OpenError::NotCluster { .. }), "{error:?}");
    let node = Redis::start(&["--cluster-enabled", "yes", "--cluster-port", &free_port().to_string()]);
    let error = refused(&node.url()).await;
    assert!(matches!(error, OpenError::IsCluster { .. }), "{error:?}");
    let error = refused(&format!("redis-cluster://127.0.0.1:{}", node.port)).await;
    assert!(matches!(cause(&error), Cause::ClusterDown), "a cluster without slots: {error:?}");
}

#[tokio::test]
async fn a_replica_is_refused() {
    let master = Redis::start(&[]);
    let replica = master.replica(&[]);
    let error = refused(&replica.url()).await;
    assert!(matches!(cause(&error), Cause::ReadOnly), "{error:?}");
}

#[tokio::test]
async fn a_server_that_evicts_is_refused() {
    for policy in ["allkeys-lru", "volatile-ttl", "volatile-lru"] {
        let server = Redis::start(&["--maxmemory-policy", policy]);
        let error = refused(&server.url()).await;
        assert!(matches!(error, OpenError::Evicts { .. }) && error.to_string().contains(policy), "{error:?}");
    }
}

#[tokio::test]
async fn a_newer_or_foreign_database_is_refused_and_left_alone() {
    let server = Redis::start(&[]);
    server.ask(&["SET", "cs:schema", "2"]);
    let error = refused(&server.url()).await;
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1 }), "{error:?}");
    server.ask(&["SET", "cs:schema", "mine"]);
    assert!(matches!(refused(&server.url()).await, OpenError::Foreign));
    assert_eq!(server.ask(&["GET", "cs:schema"]), "mine");
    assert_eq!(server.ask(&["DBSIZE"]), "1");
}

#[tokio::test]
async fn sentinels_that_know_no_such_master_say_so() {
    let master = Redis::start(&[]);
    let sentinel = Redis::sentinel("main", &master, 1);
    let error = refused(&format!("redis-sentinel://127.0.0.1:{}/other", sentinel.port)).await;
    assert!(matches!(cause(&error), Cause::NoMaster), "{error:?}");
}
