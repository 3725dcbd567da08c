//! TLS on the way to the servers.

use std::path::Path;
use std::time::Duration;

use countersign_primitives::SecretString;
use countersign_storage_redis::{Cause, OpenError, RedisOptions, RedisStore, TlsTrouble};
use countersign_storage_traits::{Expect, Store as _};
use rcgen::date_time_ymd;

use crate::authority::{Authority, Certificate};
use crate::refusals::{cause, refused};
use crate::servers::{Cluster, Redis, free_port};
use crate::{batch, fresh_id, read, told};

const HOST: &str = "127.0.0.1";

/// A server that listens in the clear and by TLS.
fn server(authority: &Authority, certificate: &Certificate, clients: &str) -> (Redis, u16) {
    let port = free_port();
    let settings = authority.settings(certificate, port, clients);
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    (Redis::start(&settings), port)
}

fn url(port: u16, authority: &Authority) -> String {
    format!("rediss://{HOST}:{port}?cacert={}", authority.file().display())
}

fn trouble(error: &OpenError) -> &TlsTrouble {
    match cause(error) {
        Cause::Tls(trouble) => trouble,
        cause => panic!("TLS fails, not {cause:?}"),
    }
}

#[tokio::test]
async fn promise_4_a_store_by_tls_trusts_the_authority_that_it_is_given() {
    let authority = Authority::new();
    let (server, port) = server(&authority, &authority.issue(HOST, |_| {}), "no");
    for store in [
        RedisStore::open(&url(port, &authority)).await.unwrap(),
        RedisStore::open_with(&format!("rediss://{HOST}:{port}"), RedisOptions::default().authorities(authority.pem()))
            .await
            .unwrap(),
    ] {
        store.commit(&batch(1, Expect::Any, "sealed on the way")).await.unwrap();
        assert_eq!(read(&store, 1).await.unwrap().payload, "sealed on the way".as_bytes());
        store.health().await.unwrap();
    }
    // Nobody connected in the clear but `redis-cli`, which asks.
    let clients = server.ask(&["CLIENT", "LIST"]);
    let plain = format!("laddr={HOST}:{}", server.port);
    assert_eq!(clients.lines().filter(|client| client.contains(&plain)).count(), 1, "{clients}");
}

#[tokio::test]
async fn promise_4_a_certificate_that_will_not_do_is_refused_by_name_and_nothing_goes_in_the_clear() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let now = authority.issue(HOST, |_| {});
    let (server, port) = server(&authority, &now, "no");
    let replace = |certificate: &Certificate| {
        let [chain, key] = [&certificate.chain, &certificate.key].map(|path| path.to_str().unwrap());
        assert_eq!(server.ask(&["CONFIG", "SET", "tls-cert-file", chain, "tls-key-file", key]), "OK");
    };
    let address = url(port, &authority);
    RedisStore::open(&address).await.unwrap();

    let error = refused(&format!("rediss://user:hunter2@{HOST}:{port}?cacert={}", stranger.file().display())).await;
    assert!(matches!(trouble(&error), TlsTrouble::UnknownAuthority), "{error:?}");
    assert!(error.to_string().contains("cacert=FILE") && error.to_string().contains(&port.to_string()), "{error}");
    // The system's authorities know nothing of this one.
    let error = refused(&format!("rediss://{HOST}:{port}")).await;
    assert!(matches!(trouble(&error), TlsTrouble::UnknownAuthority), "{error:?}");
    let error = refused(&address.replace(HOST, "localhost")).await;
    assert!(matches!(trouble(&error), TlsTrouble::OtherName), "{error:?}");

    replace(&authority.issue("db.example.com", |_| {}));
    assert!(matches!(trouble(&refused(&address).await), TlsTrouble::OtherName));
    replace(&authority.issue(HOST, |params| params.not_after = date_time_ymd(2024, 2, 3)));
    assert!(matches!(trouble(&refused(&address).await), TlsTrouble::Expired));
    replace(&authority.issue(HOST, |params| params.not_before = date_time_ymd(3024, 2, 3)));
    assert!(matches!(trouble(&refused(&address).await), TlsTrouble::Expired));

    // A port that is in the clear gets nothing but a greeting of TLS.
    let error = refused(&url(server.port, &authority)).await;
    assert!(matches!(trouble(&error), TlsTrouble::NotSpoken | TlsTrouble::NotAnswered), "{error:?}");
    assert_eq!(server.ask(&["EXISTS", "cs:schema"]), "1", "the first was let in");
    replace(&now);
    RedisStore::open(&address).await.unwrap();
}

#[tokio::test]
async fn promise_14_a_certificate_that_expires_is_an_unavailable_store_until_it_is_renewed() {
    let authority = Authority::new();
    let certificate = authority.issue(HOST, |_| {});
    let (server, port) = server(&authority, &certificate, "no");
    let options = RedisOptions::default().timeout(Duration::from_secs(2));
    let store = RedisStore::open_with(&url(port, &authority), options).await.unwrap();
    let replace = |certificate: &Certificate| {
        let [chain, key] = [&certificate.chain, &certificate.key].map(|path| path.to_str().unwrap());
        assert_eq!(server.ask(&["CONFIG", "SET", "tls-cert-file", chain, "tls-key-file", key]), "OK");
        server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    };
    replace(&authority.issue(HOST, |params| params.not_after = date_time_ymd(2024, 2, 3)));
    let outcome = store.commit(&batch(1, Expect::Absent, "lost?")).await;
    assert!(told(&outcome.unwrap_err()).contains("has expired"));
    replace(&certificate);
    store.commit(&batch(1, Expect::Absent, "renewed")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_asks_its_clients_for_certificates_gets_one() {
    let authority = Authority::new();
    let (_server, port) = server(&authority, &authority.issue(HOST, |_| {}), "yes");
    let address = url(port, &authority);
    let error = refused(&address).await;
    assert!(matches!(trouble(&error), TlsTrouble::ClientCertificate), "{error:?}");
    assert!(error.to_string().contains("cert=FILE&key=FILE"), "{error}");
    let with = |certificate: &Certificate| {
        format!("{address}&cert={}&key={}", certificate.chain.display(), certificate.key.display())
    };
    let error = refused(&with(&Authority::new().issue("stranger", |_| {}))).await;
    assert!(matches!(trouble(&error), TlsTrouble::ClientCertificate), "{error:?}");

    let own = authority.issue("node-1", |_| {});
    RedisStore::open(&with(&own)).await.unwrap().health().await.unwrap();
    let (chain, key) = (std::fs::read(&own.chain).unwrap(), std::fs::read_to_string(&own.key).unwrap());
    let options = RedisOptions::default().client_certificate(chain, SecretString::new(key));
    RedisStore::open_with(&address, options).await.unwrap();

    let other = authority.issue("node-2", |_| {});
    let mixed = with(&Certificate { chain: own.chain.clone(), key: other.key });
    assert!(matches!(refused(&mixed).await, OpenError::ClientCertificate));
    let swapped = with(&Certificate { chain: own.key, key: own.chain });
    assert!(matches!(refused(&swapped).await, OpenError::ClientCertificate));
}

#[tokio::test]
async fn files_of_certificates_that_cannot_be_used_are_told_before_anybody_is_asked() {
    let authority = Authority::new();
    let own = authority.issue("node-1", |_| {});
    let absent = Path::new("/nonexistent/ca.pem");
    let port = free_port();
    let error = refused(&format!("rediss://{HOST}:{port}?cacert={}", absent.display())).await;
    assert!(matches!(&error, OpenError::File { path, .. } if path == absent), "{error:?}");
    assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
    let error = refused(&format!("rediss://{HOST}:{port}?cacert={}", own.key.display())).await;
    assert!(matches!(error, OpenError::NoAuthorities), "a key is no certificate: {error:?}");
    let options = RedisOptions::default().authorities("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
    let error = RedisStore::open_with(&format!("rediss://{HOST}:{port}"), options).await.unwrap_err();
    assert!(matches!(error, OpenError::NoAuthorities), "{error:?}");
}

#[tokio::test]
async fn a_port_of_tls_that_is_called_in_the_clear_is_told() {
    let authority = Authority::new();
    let (_server, port) = server(&authority, &authority.issue(HOST, |_| {}), "no");
    let error = refused(&format!("redis://user:hunter2@{HOST}:{port}")).await;
    assert!(error.to_string().contains("rediss://"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_served_by_tls_alone() {
    let authority = Authority::new();
    let certificate = authority.issue(HOST, |_| {});
    let cluster = Cluster::start_by_tls(|port| authority.settings(&certificate, port, "no"));
    let url = format!("{}?cacert={}", cluster.url(), authority.file().display());
    assert!(url.starts_with("rediss-cluster://"));
    let store = RedisStore::open(&url).await.unwrap();
    for number in 0..30 {
        let key = countersign_storage_traits::Key::root(countersign_storage_traits::Kind(200), fresh_id());
        store.commit(&crate::batch_of(key, Expect::Absent, vec![number])).await.unwrap();
        assert!(store.get(&[key], crate::now()).await.unwrap()[0].is_some());
    }
    for node in &cluster.masters {
        let clients = node.ask(&["CLIENT", "LIST", "TYPE", "normal"]);
        let plain = format!("laddr={HOST}:{}", node.port);
        assert_eq!(clients.lines().filter(|client| client.contains(&plain)).count(), 1, "only redis-cli: {clients}");
        assert_ne!(node.ask(&["DBSIZE"]), "0", "records went to every master");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_and_their_master_are_called_by_tls_alone() {
    let authority = Authority::new();
    let certificate = authority.issue(HOST, |_| {});
    let (master, port) = server(&authority, &certificate, "no");
    let sentinel_port = free_port();
    let settings = authority.settings(&certificate, sentinel_port, "no");
    let (settings, _) = settings.as_chunks::<2>();
    let lines: String = settings.iter().map(|[name, value]| format!("{} {value}\n", &name[2..])).collect();
    let sentinel = Redis::sentinel_with("main", port, 1, &format!("{lines}tls-replication yes\n"));
    let files = format!("?cacert={}", authority.file().display());
    let store = RedisStore::open(&format!("rediss-sentinel://{HOST}:{sentinel_port}/main{files}")).await.unwrap();
    store.commit(&batch(1, Expect::Absent, "by TLS")).await.unwrap();
    assert!(read(&store, 1).await.is_some());
    for server in [&master, &sentinel] {
        let clients = server.ask(&["CLIENT", "LIST"]);
        let plain = format!("laddr={HOST}:{}", server.port);
        let strangers = clients.lines().filter(|client| client.contains(&plain) && !client.contains("cmd=client"));
        assert_eq!(strangers.count(), 0, "{clients}");
    }
}
