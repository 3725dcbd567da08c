//! What serves once serves once: under concurrency, after a restart and after a crash, over a real socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use countersign_tests::{Callback, FrontEnd, Http, Quickstart, Reply, User, at_once};
use serde_json::{Value, json};

const CLIENTS: &str = r#"
    [[client]]
    client_id = "shop"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    scope = "openid offline_access email"

    [[client]]
    client_id = "bank"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    scope = "openid offline_access"
    requires = { acr = "mfa" }

    [[client]]
    client_id = "till"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    scope = "openid offline_access"
    token_format = "opaque"
"#;

/// A provider with a client that wants one factor, `shop`, and one that wants two, `bank`.
struct Market {
    quickstart: Quickstart,
    callback: Callback,
}

impl Market {
    fn open(switches: &[&str]) -> Self {
        let switches = [&["--throttle", "off"], switches].concat();
        let callback = Callback::at("https://shop.example/callback");
        Self { quickstart: Quickstart::configured(CLIENTS, &switches), callback }
    }

    fn request(&self, client_id: &str) -> String {
        self.callback.authorization_url(self.quickstart.issuer(), client_id, "openid offline_access")
    }

    /// Signs in, and agrees, in a browser of its own.
    fn code(&self, client_id: &str, user: &mut User) -> String {
        let mut front_end = FrontEnd::new(self.quickstart.issuer());
        let back = user.sign_in(&mut front_end, &self.request(client_id));
        self.callback.parameter(&back, self.quickstart.issuer(), "code")
    }

    /// A grant that ends with its session, the browser that is signed in, and the question whether to sign out.
    fn signed_in(&self) -> (Value, FrontEnd, Value) {
        let mut front_end = FrontEnd::new(self.quickstart.issuer());
        let request = self.callback.authorization_url(self.quickstart.issuer(), "shop", "email");
        let back = User::alice().sign_in(&mut front_end, &request);
        let reply = self.redeem(&self.callback.parameter(&back, self.quickstart.issuer(), "code"));
        assert_eq!(reply.status, 200, "{}", reply.body);
        let step = front_end.read(&self.quickstart.url("/logout")).json();
        assert_eq!(step["step"], "logout", "{step}");
        (reply.json(), front_end, step)
    }

    fn sign_out(&self, front_end: &mut FrontEnd, step: &Value) -> Reply {
        front_end.answer(&self.quickstart.url("/logout"), json!({ "answer": "logout", "request": step["request"] }))
    }

    fn redeem(&self, code: &str) -> Reply {
        self.callback.redeem(self.quickstart.issuer(), "shop", code)
    }

    fn grant(&self) -> Value {
        self.grant_to("shop")
    }

    fn grant_to(&self, client_id: &str) -> Value {
        let code = self.code(client_id, &mut User::alice());
        let reply = self.callback.redeem(self.quickstart.issuer(), client_id, &code);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }

    fn refresh(&self, refresh_token: &Value) -> Reply {
        self.refresh_as("shop", refresh_token)
    }

    fn refresh_as(&self, client_id: &str, refresh_token: &Value) -> Reply {
        let refresh_token = refresh_token.as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", client_id)];
        Http::new().post(&self.quickstart.url("/oauth/token"), &form, &[])
    }

    fn refreshed(&self, refresh_token: &Value) -> Value {
        let reply = self.refresh(refresh_token);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }

    fn userinfo(&self, access_token: &Value) -> Reply {
        let bearer = format!("Bearer {}", access_token.as_str().unwrap());
        Http::new().get(&self.quickstart.url("/userinfo"), &[("authorization", &bearer)])
    }

    fn assert_lives(&self, tokens: &Value) {
        let reply = self.userinfo(&tokens["access_token"]);
        assert_eq!((reply.status, &reply.json()["sub"]), (200, &json!("alice")));
        self.refreshed(&tokens["refresh_token"]);
    }

    fn assert_ended(&self, tokens: &Value) {
        assert_refused(&self.refresh(&tokens["refresh_token"]));
        let reply = self.userinfo(&tokens["access_token"]);
        assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("invalid_token")));
    }

    fn revoke(&self, client_id: &str, token: &Value) -> Reply {
        let form = [("token", token.as_str().unwrap()), ("client_id", client_id)];
        Http::new().post(&self.quickstart.url("/oauth/revoke"), &form, &[])
    }

    /// A login of a user who has a factor, up to the question for a code of it.
    fn up_to_the_code(&self, user: &mut User) -> (FrontEnd, String) {
        let mut front_end = FrontEnd::new(self.quickstart.issuer());
        let login = front_end.begin(&self.request("bank"));
        user.walk(&mut front_end, &login, "code");
        (front_end, login)
    }

    /// The same, up to the question for a recovery code.
    fn up_to_the_recovery_code(&self, user: &mut User) -> (FrontEnd, String) {
        let (mut front_end, login) = self.up_to_the_code(user);
        let step = front_end.read(&login).json();
        let mut others = step["or"].as_array().unwrap().iter();
        let way = others.find(|way| way["type"] == "recovery_code").unwrap();
        let reply = front_end.answer(&login, json!({ "answer": "choose", "id": way["id"] }));
        assert_eq!(reply.json()["type"], "recovery_code");
        (front_end, login)
    }

    /// Sixteen logins of one user, at one moment, with one code: one gets on, and to tokens.
    fn assert_one_gets_on(&self, user: &mut User, logins: Vec<(FrontEnd, String)>, code: &str) {
        let logins = at_once(logins, |(mut front_end, login)| {
            let reply = front_end.answer(&login, json!({ "answer": "code", "code": code }));
            (reply, front_end, login)
        });
        let mut winners = 0;
        for (reply, mut front_end, login) in logins {
            if reply.status == 200 {
                winners += 1;
                let done = user.walk(&mut front_end, &login, "done");
                let code =
                    self.callback.parameter(done["redirect_to"].as_str().unwrap(), self.quickstart.issuer(), "code");
                assert_eq!(self.callback.redeem(self.quickstart.issuer(), "bank", &code).status, 200);
            } else {
                assert_wrong_code(&reply);
                assert_eq!(front_end.read(&login).json()["step"], "code", "a loser got on");
            }
        }
        assert_eq!(winners, 1);
    }
}

#[track_caller]
fn assert_refused(reply: &Reply) {
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_grant")));
}

#[track_caller]
fn assert_wrong_code(reply: &Reply) {
    assert_eq!((reply.status, &reply.json()["error"]), (422, &json!("wrong_code")), "{}", reply.body);
}

/// A user with a factor, who has signed in with it once.
fn enrolled(market: &Market) -> User {
    let mut user = User::alice();
    let code = market.code("bank", &mut user);
    assert_eq!(market.callback.redeem(market.quickstart.issuer(), "bank", &code).status, 200);
    user
}

fn one_of_64_redemptions_wins(market: &Market) {
    let other = market.grant();
    let code = market.code("shop", &mut User::alice());
    let replies = at_once(vec![(); 64], |()| market.redeem(&code));
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1, "exactly one may win");
    lost.into_iter().for_each(assert_refused);
    market.assert_ended(&won[0].json());
    market.assert_lives(&other);
}

#[test]
fn rfc6749_4_1_2_of_64_parallel_redemptions_one_wins_and_the_grant_ends() {
    one_of_64_redemptions_wins(&Market::open(&[]));
}

#[test]
fn rfc6749_4_1_2_of_64_parallel_redemptions_one_wins_in_memory_too() {
    one_of_64_redemptions_wins(&Market::open(&["--store", "memory:"]));
}

#[test]
fn rfc9700_4_14_64_parallel_refreshes_inside_the_grace_get_one_successor() {
    let market = Market::open(&[]);
    let first = market.grant();
    let replies = at_once(vec![(); 64], |()| market.refresh(&first["refresh_token"]));
    let (answered, put_off): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    for reply in put_off {
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert!(reply.header("retry-after").is_some());
    }
    let mut successors: Vec<_> = answered.iter().map(|reply| reply.json()["refresh_token"].clone()).collect();
    assert!(!successors.is_empty());
    successors.dedup();
    let [successor] = &successors[..] else { panic!("{} successors", successors.len()) };
    assert_ne!(successor, &first["refresh_token"]);

    let next = market.refreshed(successor);
    assert_refused(&market.refresh(&first["refresh_token"]));
    market.assert_ended(&next);
}

#[test]
fn promise_1_of_16_parallel_uses_of_one_totp_code_one_login_gets_on() {
    let market = Market::open(&[]);
    let mut user = enrolled(&market);
    let logins = (0..16).map(|_| market.up_to_the_code(&mut user)).collect();
    let code = user.lasting_code();
    market.assert_one_gets_on(&mut user, logins, &code);
}

#[test]
fn promise_1_of_16_parallel_uses_of_one_recovery_code_one_login_gets_on() {
    let market = Market::open(&[]);
    let mut user = enrolled(&market);
    let logins = (0..16).map(|_| market.up_to_the_recovery_code(&mut user)).collect();
    let code = user.recovery_codes.pop().unwrap();
    market.assert_one_gets_on(&mut user, logins, &code);
}

#[test]
fn promise_2_a_code_spent_before_a_restart_or_crash_is_refused_after_it_and_ends_its_grant() {
    let mut market = Market::open(&[]);
    for begin_anew in [Quickstart::restart, Quickstart::crash] {
        let code = market.code("shop", &mut User::alice());
        let tokens = market.redeem(&code).json();
        begin_anew(&mut market.quickstart);
        assert_eq!(market.userinfo(&tokens["access_token"]).status, 200, "promise 3: what was answered is durable");
        assert_refused(&market.redeem(&code));
        market.assert_ended(&tokens);
    }
}

#[test]
fn promise_1_a_code_answered_before_a_crash_is_redeemed_once_after_it() {
    let mut market = Market::open(&[]);
    let code = market.code("shop", &mut User::alice());
    market.quickstart.crash();
    let reply = market.redeem(&code);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_refused(&market.redeem(&code));
    market.assert_ended(&reply.json());
}

#[test]
fn rfc9700_4_14_2_a_refresh_token_spent_before_a_crash_is_known_as_reuse_after_it() {
    let mut market = Market::open(&[]);
    let first = market.grant();
    let second = market.refreshed(&first["refresh_token"]);
    market.quickstart.crash();
    let again = market.refreshed(&first["refresh_token"]);
    assert_eq!(again["refresh_token"], second["refresh_token"], "within the grace the successor is the same");
    let third = market.refreshed(&second["refresh_token"]);
    market.quickstart.crash();
    assert_refused(&market.refresh(&first["refresh_token"]));
    market.assert_ended(&third);
}

#[test]
fn promise_1_codes_of_factors_spent_before_a_crash_are_refused_after_it() {
    let mut market = Market::open(&[]);
    let mut user = enrolled(&market);
    let totp = user.lasting_code();
    let recovery = user.recovery_codes.pop().unwrap();
    let (mut by_app, app_login) = market.up_to_the_code(&mut user);
    let (mut by_paper, paper_login) = market.up_to_the_recovery_code(&mut user);
    let spent = [
        by_app.answer(&app_login, json!({ "answer": "code", "code": totp })),
        by_paper.answer(&paper_login, json!({ "answer": "code", "code": recovery })),
    ];
    assert!(spent.iter().all(|reply| reply.status == 200), "{spent:?}");

    market.quickstart.crash();
    let (mut by_app, login) = market.up_to_the_code(&mut user);
    assert_wrong_code(&by_app.answer(&login, json!({ "answer": "code", "code": totp })));
    let (mut by_paper, login) = market.up_to_the_recovery_code(&mut user);
    assert_wrong_code(&by_paper.answer(&login, json!({ "answer": "code", "code": recovery })));
    let next = user.recovery_codes.pop().unwrap();
    assert_eq!(by_paper.answer(&login, json!({ "answer": "code", "code": next })).status, 200);
}

#[test]
fn promise_12_of_64_requests_with_a_token_none_yields_anything_that_outlives_its_revocation() {
    for store in [&[][..], &["--store", "memory:"]] {
        let market = Market::open(store);
        for client_id in ["shop", "till"] {
            let first = market.grant_to(client_id);
            let replies = at_once((0..64).collect(), |number| match number % 8 {
                0 => market.revoke(client_id, &first["refresh_token"]),
                1 | 2 => market.userinfo(&first["access_token"]),
                _ => market.refresh_as(client_id, &first["refresh_token"]),
            });
            for (number, reply) in replies.iter().enumerate() {
                match number % 8 {
                    0 => assert_eq!((reply.status, reply.body.as_str()), (200, "")),
                    1 | 2 => assert!([200, 401].contains(&reply.status), "{reply:?}"),
                    _ if reply.status == 200 => {
                        let tokens = reply.json();
                        assert_refused(&market.refresh_as(client_id, &tokens["refresh_token"]));
                        assert_eq!(market.userinfo(&tokens["access_token"]).status, 401);
                    }
                    _ => assert!([400, 503].contains(&reply.status), "{reply:?}"),
                }
            }
            assert_eq!(market.userinfo(&first["access_token"]).status, 401);
        }
    }
}

#[test]
fn promise_12_what_was_revoked_before_a_crash_is_dead_after_it() {
    let mut market = Market::open(&[]);
    for client_id in ["shop", "till"] {
        let (one, other) = (market.grant_to(client_id), market.grant_to(client_id));
        assert_eq!(market.revoke(client_id, &one["access_token"]).status, 200);
        assert_eq!(market.revoke(client_id, &other["refresh_token"]).status, 200);
        market.quickstart.crash();
        assert_eq!(market.userinfo(&one["access_token"]).status, 401);
        assert_eq!(market.userinfo(&other["access_token"]).status, 401);
        assert_refused(&market.refresh_as(client_id, &other["refresh_token"]));
        // The access token went alone.
        let fresh = market.refresh_as(client_id, &one["refresh_token"]);
        assert_eq!(market.userinfo(&fresh.json()["access_token"]).status, 200);
    }
}

#[test]
fn promise_12_of_48_refreshes_and_16_sign_outs_at_once_nothing_lives_on() {
    let market = Market::open(&[]);
    for _ in 0..4 {
        let (tokens, front_end, step) = market.signed_in();
        let racers = (0..64).map(|number| (number, front_end.clone())).collect::<Vec<_>>();
        let replies = at_once(racers, |(number, mut front_end)| {
            if number % 4 == 0 {
                let reply = market.sign_out(&mut front_end, &step);
                assert_eq!((reply.status, &reply.json()["step"]), (200, &json!("signed_out")), "{}", reply.body);
                return None;
            }
            Some(market.refresh(&tokens["refresh_token"]))
        });
        let won = replies.into_iter().flatten().filter(|reply| reply.status == 200);
        for reply in won {
            market.assert_ended(&reply.json());
        }
        assert_refused(&market.refresh(&tokens["refresh_token"]));
    }
}

#[test]
fn promise_12_a_sign_out_that_was_answered_holds_after_a_crash() {
    let mut market = Market::open(&[]);
    for begin_anew in [Quickstart::restart, Quickstart::crash] {
        let (tokens, mut front_end, step) = market.signed_in();
        let others = market.grant();
        assert_eq!(market.sign_out(&mut front_end, &step).status, 200);
        begin_anew(&mut market.quickstart);
        market.assert_ended(&tokens);
        assert_eq!(front_end.read(&market.quickstart.url("/logout")).json()["step"], "signed_out");
        market.assert_lives(&others);
    }
}
