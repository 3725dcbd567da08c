//! A master that sentinels name, and name anew.

use std::time::Duration;

use countersign_primitives::SecretString;
use countersign_storage_redis::{Cause, RedisOptions, RedisStore};
use countersign_storage_traits::{Expect, Store as _};

use crate::refusals::{cause, refused};
use crate::servers::{Redis, until};
use crate::traffic::{Traffic, assert_kept};

#[tokio::test(flavor = "multi_thread")]
async fn promise_3_sentinels_name_another_master_and_a_durable_store_has_lost_nothing() {
    let always = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut master = Redis::start(&always);
    let replica = master.replica(&always);
    let second = master.replica(&always);
    let sentinels: Vec<_> = (0..3).map(|_| Redis::sentinel("main", &master, 2)).collect();
    for sentinel in &sentinels {
        sentinel.wait_for(&["SENTINEL", "MASTER", "main"], "num-other-sentinels\n2");
        sentinel.wait_for(&["SENTINEL", "MASTER", "main"], "num-slaves\n2");
    }
    let hosts: Vec<_> = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
    let url = format!("redis-sentinel://{}/main", hosts.join(","));
    let options = RedisOptions::default().durable(1).timeout(Duration::from_secs(6));
    let store = RedisStore::open_with(&url, options).await.unwrap();
    let traffic = Traffic::start(&store, 4);
    tokio::task::block_in_place(|| {
        traffic.wait_for(50);
        master.kill();
        let is_master = |server: &Redis| server.ask(&["INFO", "replication"]).contains("role:master");
        until("another is master", || is_master(&replica) || is_master(&second));
        traffic.wait_for(100);
    });
    let written = traffic.stop().await;
    assert_kept(&store, &written).await;
    let failed: u32 = written.iter().map(|written| written.failed).sum();
    assert!(failed <= 8, "the new master is waited for: {failed} commits failed");
    store.health().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_have_a_login_of_their_own_and_another_master_is_found_with_it() {
    let users = "--user default off --user data on >hunter2 ~cs:* &* +@all --user peer on >peer-secret ~* &* +@all";
    let data: Vec<_> = users.split(' ').chain(["--masteruser", "peer", "--masterauth", "peer-secret"]).collect();
    let as_peer = ["--user", "peer", "--pass", "peer-secret", "--no-auth-warning"];
    let mut master = Redis::start(&data);
    let port = master.port.to_string();
    let replica = Redis::start(&[&data[..], &["--replicaof", "127.0.0.1", &port]].concat());
    let of_replica = [&as_peer[..], &["INFO", "replication"]].concat();
    replica.wait_for(&of_replica, "master_link_status:up");
    let lines = "sentinel auth-user main peer\nsentinel auth-pass main peer-secret\nuser default off\n\
                 user probe on >hunter2%@? &* -@all +sentinel|get-master-addr-by-name\n\
                 user operator on >operator-secret &* +@all\n";
    let sentinel = Redis::sentinel_with("main", master.port, 1, lines);
    let as_operator = ["--user", "operator", "--pass", "operator-secret", "--no-auth-warning"];
    sentinel.wait_for(&[&as_operator[..], &["SENTINEL", "MASTER", "main"]].concat(), "num-slaves\n1");

    let url =
        |data: &str, parameters: &str| format!("redis-sentinel://{data}@127.0.0.1:{}/main{parameters}", sentinel.port);
    let login = "?sentinel_user=probe&sentinel_password=hunter2%25%40%3F";
    for parameters in ["", "?sentinel_password=hunter2", "?sentinel_user=data&sentinel_password=hunter2"] {
        let error = refused(&url("data:hunter2", parameters)).await;
        assert!(matches!(cause(&error), Cause::SentinelCredentials), "{parameters}: {error:?}");
        assert!(error.to_string().contains(&sentinel.port.to_string()), "the sentinel is named: {error}");
    }
    let error = refused(&url("probe:hunter2", login)).await;
    assert!(matches!(cause(&error), Cause::Credentials), "the data has another login: {error:?}");
    assert!(error.to_string().contains(&master.port.to_string()), "the master is named: {error}");

    let options = RedisOptions::default().sentinel_password("probe", SecretString::new("hunter2%@?"));
    RedisStore::open_with(&url("data:hunter2", ""), options).await.unwrap();
    let options = RedisOptions::default().timeout(Duration::from_secs(10));
    let store = RedisStore::open_with(&url("data:hunter2", login), options).await.unwrap();
    store.commit(&crate::batch(1, Expect::Absent, "before")).await.unwrap();
    until("the replica has it", || replica.ask(&[&as_peer[..], &["DBSIZE"]].concat()) == "2");
    master.kill();
    store.commit(&crate::batch(2, Expect::Absent, "after")).await.unwrap();
    assert!(crate::read(&store, 1).await.is_some() && crate::read(&store, 2).await.is_some());
    assert!(replica.ask(&of_replica).contains("role:master"));
}
