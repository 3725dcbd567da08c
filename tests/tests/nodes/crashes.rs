//! Nodes that are killed, and a database that goes down.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use countersign_tests::{FrontEnd, Http, Postgres, Reply, User};
use serde_json::{Value, json};

use crate::site::{Site, answered};

/// A client that refreshes without a pause. An answer that does not come, or puts it off, is asked for again with the same token.
pub(crate) struct Client {
    issuer: String,
    pub(crate) tokens: Value,
    rotations: usize,
    pub(crate) put_off: usize,
}

impl Client {
    pub(crate) fn new(issuer: &str, tokens: Value) -> Self {
        Self { issuer: issuer.to_owned(), tokens, rotations: 0, put_off: 0 }
    }

    pub(crate) fn refresh_until(&mut self, stop: &AtomicBool, answered: &AtomicUsize) {
        while !stop.load(Ordering::SeqCst) {
            let refresh_token = self.tokens["refresh_token"].as_str().unwrap();
            let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", "shop")];
            match Http::new().try_post(&format!("{}/oauth/token", self.issuer), &form) {
                Ok(reply) if reply.status == 200 => {
                    self.tokens = reply.json();
                    self.rotations += 1;
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                Ok(reply) => {
                    assert_put_off(&reply);
                    self.put_off += 1;
                }
                Err(_) => self.put_off += 1,
            }
        }
    }
}

#[track_caller]
pub(crate) fn assert_put_off(reply: &Reply) {
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert!(reply.header("retry-after").is_some(), "a client is told when to come again");
}

#[test]
fn promise_3_killed_nodes_and_a_restarted_database_in_mid_traffic_lose_nothing_that_was_answered() {
    let mut site = Site::open();
    let mut clients: Vec<_> = (0..6).map(|_| Client::new(site.issuer(), site.grant())).collect();
    let (stop, rotated) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| client.refresh_until(&stop, &rotated));
        }
        // Whatever fails here, the clients end.
        let stop = Stop(&stop);
        let wait_for_more = || {
            let before = rotated.load(Ordering::SeqCst);
            while rotated.load(Ordering::SeqCst) < before + 60 {
                thread::yield_now();
            }
        };
        wait_for_more();
        site.kill(0);
        site.lead_to(1); // as a load balancer does
        wait_for_more();
        site.database.crash();
        site.database.resume();
        wait_for_more();
        site.start_again(0);
        site.kill(1);
        site.lead_to(0);
        wait_for_more();
        site.database.stop();
        site.kill(0);
        site.database.resume();
        site.start_again(0);
        site.start_again(1);
        site.lead_to_both();
        wait_for_more();
        drop(stop);
    });
    for client in &clients {
        assert!(client.rotations > 0 && client.put_off > 0, "{} and {}", client.rotations, client.put_off);
        for node in 0..2 {
            site.lead_to(node);
            assert_eq!(answered(&site.userinfo(&client.tokens))["sub"], "alice");
        }
        answered(&site.refresh(&client.tokens));
    }
}

/// Ends the clients with its life, whatever fails.
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn promise_14_a_store_that_is_down_is_503_with_retry_after_spends_nothing_and_service_returns_by_itself() {
    let site = Site::open();
    for down in [Postgres::stop, Postgres::crash] {
        let tokens = site.grant();
        let code = site.code("shop", &mut User::alice());
        let mut front_end = FrontEnd::new(site.issuer());
        let login = front_end.begin(&site.request("shop"));
        assert_eq!(front_end.read(&login).status, 200);

        down(&site.database);
        for node in 0..2 {
            site.lead_to(node);
            assert_put_off(&site.redeem("shop", &code));
            assert_put_off(&site.refresh(&tokens));
            assert_put_off(&site.userinfo(&tokens));
            assert_put_off(&FrontEnd::new(site.issuer()).open(&site.request("shop")));
            assert_put_off(&front_end.answer(&login, User::alice().password()));
            let discovery = Http::new().get(&format!("{}/.well-known/openid-configuration", site.issuer()), &[]);
            assert_eq!(discovery.status, 200, "what needs no store is served");
        }
        site.lead_to_both();
        site.database.resume();

        // The code was not spent, nor was the token, and the login stands where it stood.
        let granted = answered(&site.redeem("shop", &code));
        assert_eq!(answered(&site.userinfo(&granted))["sub"], "alice");
        answered(&site.refresh(&tokens));
        let done = User::alice().walk(&mut front_end, &login, "done");
        answered(&site.redeem("shop", &site.code_in(&done)));
        let replay = site.redeem("shop", &code);
        assert_eq!((replay.status, &replay.json()["error"]), (400, &json!("invalid_grant")));
    }
}
