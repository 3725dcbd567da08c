//! A store is moved from one database to another, and nobody who was served before notices.

use std::process::ExitStatus;
use std::time::Duration;

use countersign_tests::{CLIENTS, Callback, FrontEnd, Http, Postgres, Process, Quickstart, Reply, User};
use serde_json::Value;

use crate::servers::Redis;

const PATIENCE: Duration = Duration::from_secs(60);
const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// A client, its user and her browser, and what they were given: tokens, a session, a factor, and a code that is not redeemed yet.
struct Before {
    callback: Callback,
    user: User,
    browser: FrontEnd,
    tokens: Value,
    code: String,
}

impl Before {
    fn begin(quickstart: &Quickstart) -> Self {
        let callback = Callback::at("https://shop.example/callback");
        let (mut user, mut browser) = (User::alice(), FrontEnd::new(quickstart.issuer()));
        let back = user.sign_in(&mut browser, &Self::request(&callback, quickstart, ""));
        let tokens = callback.exchange(&back, quickstart.issuer(), "bank").answer;
        let mut this = Self { callback, user, browser, tokens, code: String::new() };
        this.code = this.silent_code(quickstart);
        this
    }

    fn request(callback: &Callback, quickstart: &Quickstart, more: &str) -> String {
        callback.authorization_url(quickstart.issuer(), "bank", "openid offline_access") + more
    }

    /// A code by the session alone.
    fn silent_code(&mut self, quickstart: &Quickstart) -> String {
        let silent = self.callback.authorization_url(quickstart.issuer(), "bank", "openid") + "&prompt=none";
        let reply = self.browser.open(&silent);
        self.callback.parameter(reply.header("location").unwrap_or_default(), quickstart.issuer(), "code")
    }

    fn refresh(&self, quickstart: &Quickstart) -> Reply {
        let token = self.tokens["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "bank")];
        Http::new().post(&quickstart.url("/oauth/token"), &form, &[])
    }

    fn userinfo(&self, quickstart: &Quickstart) -> u16 {
        let bearer = format!("Bearer {}", self.tokens["access_token"].as_str().unwrap());
        Http::new().get(&quickstart.url("/userinfo"), &[("authorization", &bearer)]).status
    }

    /// What was given before the move is worth the same after it, and is renewed for the next.
    fn is_served(&mut self, quickstart: &Quickstart) {
        assert_eq!(self.userinfo(quickstart), 200, "the access token");
        let redeemed = self.callback.redeem(quickstart.issuer(), "bank", &self.code);
        assert_eq!(redeemed.status, 200, "the code: {}", redeemed.body);
        let again = self.callback.redeem(quickstart.issuer(), "bank", &self.code);
        assert_eq!(again.status, 400, "and it serves once");
        self.code = self.silent_code(quickstart);
        let refreshed = self.refresh(quickstart);
        assert_eq!(refreshed.status, 200, "the refresh token: {}", refreshed.body);
        self.tokens = refreshed.json();
        // Another browser is asked for the factor that was enrolled before, and no other.
        let mut other = FrontEnd::new(quickstart.issuer());
        let login = other.begin(&Self::request(&self.callback, quickstart, ""));
        assert_eq!(self.user.walk(&mut other, &login, "code")["type"], "totp");
    }
}

fn moved(quickstart: &Quickstart, from: &str, to: &str) -> String {
    let (status, output) = quickstart.run(&["move", "--from", from, "--to", to, "--wait", "0"]);
    assert_eq!(status, Some(0), "{output}");
    let line = output.lines().find(|line| line.starts_with("moved ")).unwrap();
    line.rsplit_once("digest=").unwrap().1.to_owned()
}

#[test]
fn promise_3_a_store_is_moved_from_sqlite_to_postgresql_to_redis_and_back_and_nobody_notices() {
    let (postgres, redis) = (Postgres::start(), Redis::start(DURABLE));
    let mut quickstart = Quickstart::configured(CLIENTS, &["--store", "sqlite:first.db"]);
    let mut before = Before::begin(&quickstart);
    let mut from = "sqlite:first.db".to_owned();
    for to in [postgres.url(), redis.url(), "sqlite:second.db".to_owned()] {
        quickstart.stop();
        moved(&quickstart, &from, &to);
        quickstart.switch("--store", &to);
        quickstart.start_again();
        before.is_served(&quickstart);
        from = to;
    }
    // What has been served since is in the way of another move into any of them.
    quickstart.stop();
    for to in [postgres.url(), redis.url()] {
        let (status, output) = quickstart.run(&["move", "--from", &from, "--to", &to, "--wait", "0"]);
        assert!(status == Some(1) && output.contains("the target is not empty"), "{output}");
    }
    // In a row and unused, all of them have the same.
    let (third, fourth) = (postgres.fresh_schema(), "sqlite:third.db");
    assert_eq!(moved(&quickstart, &from, &third), moved(&quickstart, &third, fourth));
    // The factor is worth a whole login.
    quickstart.switch("--store", fourth);
    quickstart.start_again();
    let mut browser = FrontEnd::new(quickstart.issuer());
    let _ = before.user.sign_in(&mut browser, &Before::request(&before.callback, &quickstart, ""));
}

#[test]
fn promise_3_a_move_that_was_killed_is_ended_by_another_and_no_server_starts_before() {
    let postgres = Postgres::start();
    let mut quickstart = Quickstart::configured(CLIENTS, &["--throttle", "off", "--store", "sqlite:first.db"]);
    let mut before = Before::begin(&quickstart);
    for _ in 0..40 {
        let _ = FrontEnd::new(quickstart.issuer()).begin(&Before::request(&before.callback, &quickstart, ""));
    }
    quickstart.stop();
    for to in [postgres.url(), "sqlite:second.db".to_owned()] {
        let words = ["move", "--from", "sqlite:first.db", "--to", &to, "--at-once", "1", "--wait", "0"];
        let mut moving = Process::start(Quickstart::command(quickstart.folder()).args(words));
        moving.wait_for(PATIENCE, |line| line.starts_with("copied ").then_some(()));
        moving.kill();
        assert!(!moving.output().contains("moved "), "{}", moving.output());
        let (status, output) = quickstart.serve_once(&["--store", &to]);
        assert!(status == Some(1) && output.contains("has not ended"), "{status:?} {output}");
        moved(&quickstart, "sqlite:first.db", &to);
        quickstart.switch("--store", &to);
        quickstart.start_again();
        assert_eq!(before.userinfo(&quickstart), 200);
        quickstart.stop();
        // The store that was moved is as it was, once its mark is lifted.
        let (status, output) = quickstart.serve_once(&["--store", "sqlite:first.db"]);
        assert!(status == Some(1) && output.contains("was moved to") && output.contains("move --undo"), "{output}");
        assert!(!output.contains("postgres-password"), "{output}");
        let (status, output) = quickstart.run(&["move", "--undo", "--from", "sqlite:first.db"]);
        assert!(status == Some(0) && output.contains("reopened sqlite:first.db"), "{output}");
    }
    quickstart.switch("--store", "sqlite:first.db");
    quickstart.start_again();
    before.is_served(&quickstart);
}

#[test]
fn promise_3_a_running_server_stops_within_seconds_when_its_store_is_moved() {
    let (postgres, redis) = (Postgres::start(), Redis::start(DURABLE));
    for (number, from) in [postgres.url(), redis.url(), "sqlite:first.db".to_owned()].into_iter().enumerate() {
        let mut quickstart = Quickstart::configured(CLIENTS, &["--store", &from]);
        let mut before = Before::begin(&quickstart);
        let to = format!("sqlite:moved-{number}.db");
        let words = ["move", "--from", &from, "--to", &to];
        let mut moving = Process::start(Quickstart::command(quickstart.folder()).args(words));
        // It goes on until the mark is noticed: what was answered until then has to be found at the target.
        // A busy machine may put off a call before that.
        loop {
            let answer = before.refresh(&quickstart);
            if answer.status == 200 {
                before.tokens = answer.json();
                continue;
            }
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert!(answer.header("retry-after").is_some());
            if before.userinfo(&quickstart) == 503 {
                break;
            }
        }
        let callback = &before.callback;
        let page = Http::new().get(&Before::request(callback, &quickstart, ""), &[]);
        assert_eq!(page.status, 503, "{}", page.body);
        assert!(moving.wait(PATIENCE).success(), "{}", moving.output());
        let output = quickstart.process().output();
        assert!(output.contains(&format!("was moved to {to}")) && output.contains("move --undo"), "{output}");
        quickstart.stop();
        quickstart.switch("--store", &to);
        quickstart.start_again();
        before.is_served(&quickstart);
    }
}

#[test]
fn a_move_that_cannot_be_made_says_why_and_shows_no_password() {
    let folder = countersign_tests::Scratch::new();
    for (from, to, says) in [
        ("sqlite:none.db", "sqlite:new.db", "no such file"),
        ("mysql://u:hunter2@h", "sqlite:new.db", "--from names no store"),
        ("memory:", "sqlite:new.db", "--from memory:"),
        ("sqlite:none.db", "memory:", "--to memory:"),
    ] {
        let mut process = Process::start(Quickstart::command(folder.path()).args(["move", "--from", from, "--to", to]));
        let status: ExitStatus = process.wait(PATIENCE);
        let output = process.output();
        assert!(status.code() == Some(2) && output.contains(says) && !output.contains("hunter2"), "{output}");
        assert!(!folder.path().join("new.db").exists() && !folder.path().join("none.db").exists());
    }
}
