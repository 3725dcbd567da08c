use std::time::{Duration, UNIX_EPOCH};

use countersign::{Event, EventKind};

use super::*;

fn at(second: u64) -> RecentEvents {
    RecentEvents::new(UNIX_EPOCH + Duration::from_secs(second))
}

fn event(client: &str) -> Event {
    Event::new(EventKind::TokenRefused, UnixTime::from_secs(1)).with_client_id(client)
}

fn clients(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["client_id"].as_str().unwrap()).collect()
}

#[test]
fn events_are_read_on_from_where_one_stopped() {
    let events = at(1);
    let nothing = events.after(0, 10);
    assert_eq!((&nothing["last"], &nothing["missed"], clients(&nothing).len()), (&json!(0), &json!(false), 0));
    for client in ["a", "b", "c"] {
        events.add(&event(client));
    }
    let first = events.after(0, 2);
    assert_eq!(clients(&first), ["a", "b"]);
    let last = first["last"].as_u64().unwrap();
    let second = events.after(last, 2);
    assert_eq!((clients(&second), &second["missed"]), (vec!["c"], &json!(false)));
    let last = second["last"].as_u64().unwrap();
    assert_eq!(events.after(last, 2)["last"], last);
    assert!(clients(&events.after(u64::MAX, 2)).is_empty());
}

#[test]
fn promise_7_the_oldest_events_go_and_the_gap_is_told() {
    let events = at(1);
    events.add(&event("first"));
    let first = events.after(0, 1)["last"].as_u64().unwrap();
    for _ in 0..1000 {
        events.add(&event("x"));
    }
    // The next one is still there, the one after that is not.
    assert_eq!(events.after(first, 2000)["missed"], false);
    events.add(&event("x"));
    let answer = events.after(first, 2000);
    assert_eq!((clients(&answer).len(), &answer["missed"]), (1000, &json!(true)));
}

#[test]
fn numbers_increase_over_a_restart() {
    let before = at(1);
    (0..500).for_each(|_| before.add(&event("x")));
    let last = before.after(0, 1000)["last"].as_u64().unwrap();
    let after = at(2);
    after.add(&event("y"));
    let answer = after.after(last, 10);
    assert_eq!((clients(&answer), &answer["missed"]), (vec!["y"], &json!(true)));
}

#[test]
fn an_event_says_why_in_words() {
    let events = at(1);
    let cause = countersign::oauth::Cause::ClientSecret;
    events.add(&event("shop").with_cause(cause.id(), cause.section()));
    events.add(&event("shop").with_cause("of a host's own", ""));
    let answer = events.after(0, 2);
    let told = &answer["events"][0];
    assert_eq!(told["cause"], "client.wrong_secret");
    assert_eq!((&told["section"], &told["why"]), (&json!("RFC 6749 §2.3.1"), &json!("The client's secret is wrong.")));
    assert!(answer["events"][1]["why"].is_null());
}
