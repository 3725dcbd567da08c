//! What serves once serves once, whichever node is asked.

use countersign_tests::{User, at_once, guesses_at_once};
use serde_json::json;

use crate::site::{Site, answered, assert_refused};

#[test]
fn rfc6749_4_1_2_of_64_redemptions_on_two_nodes_one_wins_and_the_grant_ends() {
    let site = Site::open();
    let code = site.code("shop", &mut User::alice());
    let replies = at_once(vec![(); 64], |()| site.redeem("shop", &code));
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1, "exactly one may win");
    lost.into_iter().for_each(assert_refused);
    site.assert_ended(&won[0].json());
}

#[test]
fn rfc9700_4_14_64_refreshes_on_two_nodes_get_one_successor() {
    let site = Site::open();
    let first = site.grant();
    let replies = at_once(vec![(); 64], |()| site.refresh(&first));
    let (got, put_off): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    for reply in put_off {
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert!(reply.header("retry-after").is_some());
    }
    let mut successors: Vec<_> = got.iter().map(|reply| reply.json()["refresh_token"].clone()).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1, "both nodes give the same successor");
    let next = answered(&site.refresh(&got[0].json()));
    assert_refused(&site.refresh(&first));
    site.assert_ended(&next);
}

#[test]
fn promise_1_of_16_uses_of_one_totp_code_on_two_nodes_one_login_gets_on() {
    let site = Site::open();
    let mut user = site.enrolled();
    let logins: Vec<_> = (0..16).map(|_| site.up_to_the_code(&mut user)).collect();
    let code = user.lasting_code();
    let replies = at_once(logins, |(mut front_end, login)| {
        let reply = front_end.answer(&login, json!({ "answer": "code", "code": code }));
        (reply, front_end, login)
    });
    let mut winners = 0;
    for (reply, mut front_end, login) in replies {
        if reply.status == 200 {
            winners += 1;
            let done = user.walk(&mut front_end, &login, "done");
            answered(&site.redeem("bank", &site.code_in(&done)));
        } else {
            assert_eq!((reply.status, &reply.json()["error"]), (422, &json!("wrong_code")), "{}", reply.body);
            assert_eq!(front_end.read(&login).json()["step"], "code", "a loser got on");
        }
    }
    assert_eq!(winners, 1);
}

#[test]
fn promise_6_of_32_passwords_guessed_at_once_on_two_nodes_ten_are_looked_at() {
    let site = Site::throttled();
    let logins = guesses_at_once(32, site.issuer(), &site.request("shop"), "alice");
    assert_eq!(logins, (10, 22), "compared, and put off");
    let again = guesses_at_once(4, site.issuer(), &site.request("shop"), "alice");
    assert_eq!(again, (0, 4), "and nothing more afterwards");
    // The budget is one account's.
    assert_eq!(guesses_at_once(4, site.issuer(), &site.request("shop"), "bob"), (4, 0));
}
