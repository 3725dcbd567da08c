//! On Redis: a cluster of three masters, and one server.

use std::cell::RefCell;

use countersign_tests::{CLIENTS, Callback, FrontEnd, Http, Quickstart, User};

use crate::Nodes;
use crate::authority::Authority;
use crate::servers::{Cluster, Redis, free_port};

const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

#[test]
fn promise_1_two_nodes_on_a_redis_cluster_are_as_one() {
    let cluster = Cluster::start(0, DURABLE);
    let mut nodes = Nodes::on(&cluster.url());
    crate::a_login_begun_on_one_node_ends_on_the_other(&nodes);
    crate::of_64_redemptions_across_nodes_one_wins(&nodes);
    crate::of_16_uses_of_one_totp_step_across_nodes_one_gets_on(&nodes);
    crate::of_64_refreshes_across_nodes_all_get_one_successor(&nodes);
    crate::a_killed_node_loses_nothing(&mut nodes);
}

#[test]
fn promise_6_two_nodes_on_a_redis_cluster_let_through_as_many_guesses_as_one() {
    let cluster = Cluster::start(0, DURABLE);
    crate::of_32_passwords_guessed_across_nodes_ten_are_looked_at(&Nodes::with(&cluster.url(), &[]));
}

#[test]
fn promise_14_a_redis_cluster_that_is_down_is_503_and_service_returns_by_itself() {
    let mut cluster = Cluster::start(0, DURABLE);
    let nodes = Nodes::on(&cluster.url());
    let masters = RefCell::new(&mut cluster.masters);
    let down = || masters.borrow_mut().iter_mut().for_each(Redis::kill);
    let up = || masters.borrow_mut().iter_mut().for_each(Redis::restart);
    crate::a_store_that_is_down_is_503_and_service_returns(&nodes, down, up);
}

#[test]
fn promise_3_the_quickstart_on_redis_keeps_logins_and_grants_through_a_restart() {
    let server = Redis::start(DURABLE);
    let mut quickstart = Quickstart::configured(CLIENTS, &["--store", &server.url()]);
    let callback = Callback::at("https://shop.example/callback");
    let request = callback.authorization_url(quickstart.issuer(), "bank", "openid offline_access");
    let (mut alice, mut front_end) = (User::alice(), FrontEnd::new(quickstart.issuer()));
    let back = alice.sign_in(&mut front_end, &request);
    let tokens = callback.exchange(&back, quickstart.issuer(), "bank").answer;
    quickstart.restart();
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "bank")];
    let reply = Http::new().post(&quickstart.url("/oauth/token"), &form, &[]);
    assert_eq!(reply.status, 200, "{}", reply.body);
    // The authenticator and the session are there too.
    let mut other = FrontEnd::new(quickstart.issuer());
    let login = other.begin(&request);
    assert_eq!(alice.walk(&mut other, &login, "code")["type"], "totp");
}

#[test]
fn promise_4_the_quickstart_speaks_to_its_redis_by_tls_and_refuses_another_authority() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (certificate, port) = (authority.issue("127.0.0.1", |_| {}), free_port());
    let settings = authority.settings(&certificate, port, "yes");
    let settings: Vec<_> = settings.iter().map(String::as_str).chain(DURABLE.iter().copied()).collect();
    let server = Redis::start(&settings);
    let own = authority.issue("quickstart", |_| {});
    let url = |authority: &Authority| {
        let [cacert, cert, key] = [&authority.file(), &own.chain, &own.key].map(|file| file.display().to_string());
        format!("rediss://127.0.0.1:{port}?cacert={cacert}&cert={cert}&key={key}")
    };
    let quickstart = Quickstart::configured(CLIENTS, &["--store", &url(&authority)]);
    let callback = Callback::at("https://shop.example/callback");
    let request = callback.authorization_url(quickstart.issuer(), "shop", "openid offline_access");
    let back = User::alice().sign_in(&mut FrontEnd::new(quickstart.issuer()), &request);
    assert!(callback.exchange(&back, quickstart.issuer(), "shop").answer["refresh_token"].is_string());
    let clients = server.ask(&["CLIENT", "LIST", "TYPE", "normal"]);
    let by_tls = format!("laddr=127.0.0.1:{port}");
    assert!(clients.lines().filter(|client| !client.contains(&by_tls)).count() == 1, "redis-cli alone: {clients}");

    let folder = countersign_tests::Scratch::new();
    let (status, output) = Quickstart::refused(folder.path(), &["--store", &url(&stranger)]);
    assert_eq!(status, Some(1), "{output}");
    assert!(output.contains("not trusted") && output.contains("cacert=FILE"), "{output}");
    let nothing = format!("rediss://127.0.0.1:{port}?cacert=/nonexistent/ca.pem");
    let (status, output) = Quickstart::refused(folder.path(), &["--store", &nothing]);
    assert_eq!(status, Some(2), "{output}");
    assert!(output.contains("/nonexistent/ca.pem cannot be read"), "{output}");
}

#[test]
fn a_quickstart_whose_redis_is_not_there_says_so_and_no_password() {
    let folder = countersign_tests::Scratch::new();
    let port = free_port();
    let url = format!("redis://:hunter2@127.0.0.1:{port}");
    let (status, output) = Quickstart::refused(folder.path(), &["--store", &url]);
    assert_eq!(status, Some(1), "{output}");
    assert!(output.contains(&format!("127.0.0.1:{port}: it cannot be reached")), "{output}");
    assert!(!output.contains("hunter2"), "{output}");
}
