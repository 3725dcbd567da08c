//! `kill -9` in the midst of traffic, again and again: nothing that was answered is lost, and nothing that was spent serves again
//! (promises 1, 2 and 3).
//!
//! Each client keeps a ledger of what it was answered and of the request that was under way. After each restart the ledgers are
//! compared with what the server does. The moment of each kill comes from a seed, which a failure prints;
//! `COUNTERSIGN_CRASH_SEED` repeats it, as far as threads can be repeated.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_tests::{CLIENTS, Callback, FrontEnd, Http, Quickstart, Reply, User};
use serde_json::{Value, json};

/// Kills by HTTP and by HTTPS.
const ROUNDS: usize = 25;
/// A kill comes when at most so many requests of its round are answered; by number, so that a slow machine sees traffic as well.
const TRAFFIC: u64 = 36;
/// Users with factors of their own: a step of an authenticator serves once in half a minute.
const USERS: usize = 4;

#[test]
fn promise_1_promise_3_50_kills_amid_traffic_lose_nothing_answered_and_revive_nothing_spent() {
    let seed = std::env::var("COUNTERSIGN_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| {
        u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() >> 8).unwrap()
    });
    println!("COUNTERSIGN_CRASH_SEED={seed}");
    // Both at once, so that one starts while the other is asked.
    let runs = [(&[][..], seed), (&["--tls", "self-signed"][..], seed ^ 0x5555)];
    let counts = countersign_tests::at_once(runs.to_vec(), |(switches, seed)| Crashes::begin(switches, seed).run());
    for count in counts {
        println!("{count:?}");
        // The kills did come amid traffic of every sort.
        assert!(count.refreshes > ROUNDS && count.redemptions > ROUNDS && count.codes_kept > ROUNDS / 2, "{count:?}");
        assert!(count.factors_spent > ROUNDS / 3 && count.cut_off > ROUNDS / 2, "{count:?}");
    }
}

/// What happened, to show that something did.
#[derive(Debug, Default)]
struct Count {
    refreshes: usize,
    redemptions: usize,
    codes_kept: usize,
    factors_spent: usize,
    factors_cut_off: usize,
    /// Requests that were under way at a kill.
    cut_off: usize,
}

struct Crashes {
    quickstart: Quickstart,
    market: Market,
    random: u64,
    /// A browser in which the user is signed in.
    browser: FrontEnd,
    users: Vec<User>,
    refreshers: Vec<Refresher>,
    count: Count,
}

/// What a client needs to know.
struct Market {
    issuer: String,
    callback: Callback,
}

/// A client that refreshes, and what it knows: the token that it was answered last, and the one that it spent for it.
#[derive(Clone)]
struct Refresher {
    current: Value,
    spent: Option<Value>,
    refreshes: usize,
    was_cut_off: bool,
}

/// What a client that signs in and redeems knows of its codes.
#[derive(Default)]
struct Codes {
    /// Answered and not sent anywhere.
    kept: Vec<String>,
    /// Redeemed, with what the answer was.
    redeemed: Vec<(String, Value)>,
    /// Sent, and not answered.
    in_flight: Option<String>,
}

/// A code of a factor that a login was answered with.
struct FactorUse {
    user: usize,
    code: String,
    is_totp: bool,
    status: u16,
}

impl Crashes {
    fn begin(switches: &[&str], seed: u64) -> Self {
        let mut all = vec!["--throttle".to_owned(), "off".to_owned()];
        for user in 0..USERS {
            all.extend(["--demo-user".to_owned(), format!("user{user}:password-{user}")]);
        }
        all.extend(["--demo-user".to_owned(), "alice:alice-password".to_owned()]);
        all.extend(switches.iter().map(|switch| (*switch).to_owned()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let quickstart = Quickstart::configured(CLIENTS, &all);
        let callback = Callback::at("https://shop.example/callback");
        let market = Market { issuer: quickstart.issuer().to_owned(), callback };
        let mut browser = FrontEnd::new(&market.issuer);
        let _code = User::alice().sign_in(&mut browser, &market.request("shop"));
        let mut users: Vec<_> =
            (0..USERS).map(|user| User::new(&format!("user{user}"), &format!("password-{user}"))).collect();
        for user in &mut users {
            let _code = user.sign_in(&mut FrontEnd::new(&market.issuer), &market.request("bank"));
        }
        let refreshers = (0..3).map(|_| market.refresher(&mut browser)).collect();
        Self { quickstart, market, random: seed, browser, users, refreshers, count: Count::default() }
    }

    fn run(mut self) -> Count {
        for round in 0..ROUNDS {
            self.round(round);
        }
        self.count
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    /// Traffic, a kill, a restart, and the ledgers.
    fn round(&mut self, round: usize) {
        // A login stands at its factor before the traffic begins, so that the kill meets the factor and not the password.
        let user = round % USERS;
        let (mut login_browser, login) = self.market.up_to_the_code(&mut self.users[user]);
        let is_totp = self.users[user].has_code_now();
        let code = if is_totp {
            self.users[user].next_code()
        } else {
            self.market.choose_recovery(&mut login_browser, &login);
            self.users[user].recovery_codes.pop().unwrap()
        };
        let kill_at = 6 + self.random(TRAFFIC - 6);
        let (answer_at, then) = (self.random(kill_at), Duration::from_micros(self.random(8_000)));
        let (market, browser, answered) = (&self.market, self.browser.clone(), &AtomicU64::new(0));
        let factors = &AtomicU64::new(0);
        let wait_for = |answered: &AtomicU64, number| {
            while answered.load(Ordering::Relaxed) < number {
                thread::sleep(Duration::from_micros(500));
            }
        };
        let (refreshers, codes, factor) = thread::scope(|scope| {
            let refreshing: Vec<_> = self
                .refreshers
                .drain(..)
                .map(|refresher| scope.spawn(move || refresher.until_death(market, answered)))
                .collect();
            let redeeming = [0, 1].map(|_| {
                let browser = browser.clone();
                scope.spawn(move || Codes::until_death(market, browser, answered))
            });
            let answering = scope.spawn(move || {
                wait_for(answered, answer_at);
                login_browser.expect_death(true);
                let status = login_browser.answer(&login, json!({ "answer": "code", "code": code })).status;
                factors.fetch_add(1, Ordering::Relaxed);
                FactorUse { user, code, is_totp, status }
            });
            wait_for(answered, kill_at);
            // Every other kill comes just after the factor was taken, the others whenever it comes.
            wait_for(factors, u64::from(round.is_multiple_of(2)));
            thread::sleep(then);
            self.quickstart.kill();
            let refreshers: Vec<_> = refreshing.into_iter().map(|thread| thread.join().unwrap()).collect();
            let codes: Vec<_> = redeeming.into_iter().map(|thread| thread.join().unwrap()).collect();
            (refreshers, codes, answering.join().unwrap())
        });
        self.quickstart.start_again();
        self.check_refreshers(refreshers, round);
        codes.into_iter().for_each(|codes| self.check_codes(codes));
        self.check_factor(&factor);
    }

    /// No answered token is lost: it or its successor works. What was spent before it is reuse, and ends the grant.
    fn check_refreshers(&mut self, refreshers: Vec<Refresher>, round: usize) {
        for (at, mut refresher) in refreshers.into_iter().enumerate() {
            self.count.refreshes += refresher.refreshes;
            self.count.cut_off += usize::from(refresher.was_cut_off);
            let reply = self.market.refresh(&Http::new(), &refresher.current);
            assert_eq!(reply.status, 200, "promise 3: an answered refresh token is lost: {}", reply.body);
            let successor = reply.json()["refresh_token"].clone();
            // Whoever asks again within the grace gets the same.
            let again = self.market.refresh(&Http::new(), &refresher.current);
            assert_eq!(again.json()["refresh_token"], successor, "two successors");
            // One client a round shows what it spent long ago.
            let spent = refresher.spent.take().filter(|_| at == round % 3);
            if let Some(spent) = spent {
                assert_refused(&self.market.refresh(&Http::new(), &spent));
                assert_refused(&self.market.refresh(&Http::new(), &successor));
                refresher = self.market.refresher(&mut self.browser);
            } else {
                refresher = Refresher { spent: Some(refresher.current), ..Refresher::new(successor) };
            }
            self.refreshers.push(refresher);
        }
    }

    /// Every answered code serves once; one that was sent before the kill served or serves, and not twice.
    fn check_codes(&mut self, codes: Codes) {
        self.count.codes_kept += codes.kept.len();
        self.count.redemptions += codes.redeemed.len();
        self.count.cut_off += usize::from(codes.in_flight.is_some());
        for code in codes.kept.iter().take(2) {
            let reply = self.market.redeem(&Http::new(), code);
            assert_eq!(reply.status, 200, "promise 3: an answered code is lost: {}", reply.body);
            self.assert_spent(code, &reply.json());
        }
        // Of those that were redeemed the last is the one that matters: its answer left just before the kill.
        for (code, tokens) in codes.redeemed.iter().rev().take(2) {
            let reply = self.market.refresh(&Http::new(), &tokens["refresh_token"]);
            assert_eq!(reply.status, 200, "promise 3: an answered grant is lost: {}", reply.body);
            self.assert_spent(code, &reply.json());
        }
        if let Some(code) = codes.in_flight {
            let reply = self.market.redeem(&Http::new(), &code);
            match reply.status {
                200 => self.assert_spent(&code, &reply.json()),
                _ => assert_refused(&reply),
            }
        }
    }

    fn assert_spent(&self, code: &str, tokens: &Value) {
        assert_refused(&self.market.redeem(&Http::new(), code));
        assert_refused(&self.market.refresh(&Http::new(), &tokens["refresh_token"])); // promise 2
    }

    /// A code of a factor that was taken is taken for good; one whose answer was lost serves one login at most.
    fn check_factor(&mut self, factor: &FactorUse) {
        let mut uses = 0;
        match factor.status {
            200 => {
                uses = 1;
                self.count.factors_spent += 1;
            }
            0 => self.count.factors_cut_off += 1,
            status => panic!("a right code was answered with {status}"),
        }
        for _ in 0..2 - uses {
            let (mut browser, login) = self.market.up_to_the_code(&mut self.users[factor.user]);
            if !factor.is_totp {
                self.market.choose_recovery(&mut browser, &login);
            }
            let reply = browser.answer(&login, json!({ "answer": "code", "code": factor.code }));
            match reply.status {
                200 => uses += 1,
                422 => assert_eq!(reply.json()["error"], "wrong_code"),
                status => panic!("{status}: {}", reply.body),
            }
        }
        assert!(uses <= 1, "promise 1: a code of a factor served {uses} times");
    }
}

impl Market {
    fn request(&self, client_id: &str) -> String {
        self.callback.authorization_url(&self.issuer, client_id, "openid offline_access")
    }

    /// A login of a user who has a factor, up to the question for a code of it.
    fn up_to_the_code(&self, user: &mut User) -> (FrontEnd, String) {
        let mut front_end = FrontEnd::new(&self.issuer);
        let login = front_end.begin(&self.request("bank"));
        user.walk(&mut front_end, &login, "code");
        (front_end, login)
    }

    fn choose_recovery(&self, front_end: &mut FrontEnd, login: &str) {
        let step = front_end.read(login).json();
        let mut others = step["or"].as_array().unwrap().iter();
        let way = others.find(|way| way["type"] == "recovery_code").unwrap();
        let reply = front_end.answer(login, json!({ "answer": "choose", "id": way["id"] }));
        assert_eq!(reply.json()["type"], "recovery_code");
    }

    /// A code, where the user is signed in already; nothing if the server has died.
    fn code(&self, browser: &mut FrontEnd) -> Option<String> {
        let reply = browser.open(&self.request("shop"));
        let back = reply.header("location").filter(|_| reply.status == 303)?;
        let code = self.callback.parameter(back, &self.issuer, "code");
        assert!(!code.is_empty(), "{back}");
        Some(code)
    }

    fn redeem(&self, http: &Http, code: &str) -> Reply {
        self.callback.redeem_by(http, &self.issuer, "shop", code)
    }

    fn refresh(&self, http: &Http, token: &Value) -> Reply {
        let token = token.as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "shop")];
        http.post(&format!("{}/oauth/token", self.issuer), &form, &[])
    }

    fn refresher(&self, browser: &mut FrontEnd) -> Refresher {
        let reply = self.redeem(&Http::new(), &self.code(browser).unwrap());
        assert_eq!(reply.status, 200, "{}", reply.body);
        Refresher::new(reply.json()["refresh_token"].clone())
    }
}

impl Refresher {
    fn new(current: Value) -> Self {
        Self { current, spent: None, refreshes: 0, was_cut_off: false }
    }

    /// Refreshes one token after the other until no answer comes.
    fn until_death(mut self, market: &Market, answered: &AtomicU64) -> Self {
        let http = Http::of_a_mortal();
        loop {
            let reply = market.refresh(&http, &self.current);
            match reply.status {
                200 => {
                    answered.fetch_add(1, Ordering::Relaxed);
                    self.refreshes += 1;
                    self.spent = Some(std::mem::replace(&mut self.current, reply.json()["refresh_token"].clone()));
                }
                503 => {}
                0 => {
                    self.was_cut_off = true;
                    return self;
                }
                status => panic!("{status}: {}", reply.body),
            }
        }
    }
}

impl Codes {
    /// Gets codes and redeems two of three, until no answer comes.
    fn until_death(market: &Market, mut browser: FrontEnd, answered: &AtomicU64) -> Self {
        let (http, mut codes) = (Http::of_a_mortal(), Self::default());
        browser.expect_death(true);
        for number in 0.. {
            let Some(code) = market.code(&mut browser) else { break };
            answered.fetch_add(1, Ordering::Relaxed);
            if number % 3 == 0 {
                codes.kept.push(code);
                continue;
            }
            let reply = market.redeem(&http, &code);
            match reply.status {
                200 => {
                    answered.fetch_add(1, Ordering::Relaxed);
                    codes.redeemed.push((code, reply.json()));
                }
                0 => {
                    codes.in_flight = Some(code);
                    break;
                }
                status => panic!("{status}: {}", reply.body),
            }
        }
        codes
    }
}

#[track_caller]
fn assert_refused(reply: &Reply) {
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_grant")), "{}", reply.body);
}
