//! A primary that is killed in mid traffic, and its standby that takes its place.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use countersign_tests::{Postgres, Relay, User};

use crate::crashes::{Client, Stop, assert_put_off};
use crate::site::{Site, answered};

#[test]
fn promise_3_a_standby_takes_the_place_of_a_killed_primary_in_mid_traffic_and_nothing_answered_is_lost() {
    let (primary, address) = (Postgres::start(), Relay::new());
    let standby = primary.standby();
    primary.wait_for_standby("sync");
    address.lead_to(&[&primary.address()]);
    let store = primary.url().replace(&primary.address(), &format!("127.0.0.1:{}", address.port()));
    let site = Site::on(primary, store);
    let code = site.code("shop", &mut User::alice());
    let mut clients: Vec<_> = (0..6).map(|_| Client::new(site.issuer(), site.grant())).collect();
    let (stop, rotated) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| client.refresh_until(&stop, &rotated));
        }
        let stop = Stop(&stop);
        let wait_for_more = || {
            let before = rotated.load(Ordering::SeqCst);
            while rotated.load(Ordering::SeqCst) < before + 60 {
                thread::sleep(Duration::from_millis(5));
            }
        };
        wait_for_more();
        site.database.kill();
        assert_put_off(&site.redeem("shop", &code));
        address.lead_to(&[&standby.address()]);
        assert_put_off(&site.redeem("shop", &code));
        standby.promote();
        wait_for_more();
        drop(stop);
    });
    for client in &clients {
        assert!(client.put_off > 0, "the primary was missed");
        for node in 0..2 {
            site.lead_to(node);
            assert_eq!(answered(&site.userinfo(&client.tokens))["sub"], "alice");
        }
        answered(&site.refresh(&client.tokens));
    }
    // What was put off was not spent.
    answered(&site.redeem("shop", &code));
}
