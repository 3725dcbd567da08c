//! Logins by their JSON steps: what a front end of a host's own does in one browser, and what its user answers.

use std::thread;
use std::time::{Duration, SystemTime};

use countersign_mfa_otp::TotpSecret;
use serde_json::{Value, json};

use crate::http::{Http, Reply};
use crate::jar::Jar;

/// Two clients for [`Quickstart::configured`](crate::Quickstart::configured): `shop` wants one factor, `bank` two.
pub const CLIENTS: &str = r#"
    [[client]]
    client_id = "shop"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    scope = "openid offline_access"

    [[client]]
    client_id = "bank"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    scope = "openid offline_access"
    requires = { acr = "mfa" }
"#;

/// The length of a TOTP step.
const STEP: Duration = Duration::from_secs(30);
/// A login that takes more answers than this goes in circles.
const ANSWERS: usize = 12;

/// A front end in one browser: it keeps cookies, and repeats the anti-forgery value of the step that it read last.
#[derive(Debug, Clone)]
pub struct FrontEnd {
    issuer: String,
    jar: Jar,
    csrf: String,
    may_die: bool,
}

impl FrontEnd {
    /// A browser that the issuer has never seen.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        Self { issuer: issuer.to_owned(), jar: Jar::default(), csrf: String::new(), may_die: false }
    }

    /// From now on the server may die meanwhile: a status of 0 stands for no answer.
    pub fn expect_death(&mut self, may_die: bool) {
        self.may_die = may_die;
    }

    /// `GET url` as a browser does when it is led there; no redirect is followed.
    #[must_use]
    #[track_caller]
    pub fn open(&mut self, url: &str) -> Reply {
        self.get(url, "text/html")
    }

    /// Opens an authorization request of which the user must be asked; the answer is the address of the login's steps.
    #[must_use]
    #[track_caller]
    pub fn begin(&mut self, url: &str) -> String {
        let reply = self.open(url);
        let place = reply.header("location").unwrap_or_default();
        assert!(
            reply.status == 303 && place.starts_with("/login/"),
            "no login: {} {place}\n{}",
            reply.status,
            reply.body
        );
        format!("{}{place}", self.issuer)
    }

    /// Reads the step at which a login stands.
    #[must_use]
    #[track_caller]
    pub fn read(&mut self, login: &str) -> Reply {
        let reply = self.get(login, "application/json");
        self.note(&reply);
        reply
    }

    /// Answers a step, with the anti-forgery value of the step before.
    #[must_use]
    #[track_caller]
    pub fn answer(&mut self, login: &str, answer: Value) -> Reply {
        let mut body = answer;
        body["csrf"] = self.csrf.as_str().into();
        let issuer = self.issuer.clone();
        self.post(login, &body, &[("origin", &issuer)])
    }

    /// `POST login` with this body, these header fields and the browser's cookies, and nothing else.
    #[must_use]
    #[track_caller]
    pub fn post(&mut self, login: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
        let cookies = self.jar.line();
        let reply = self.http().post_json(login, body, &[headers, &[("cookie", cookies.as_str())]].concat());
        self.jar.keep(&reply);
        self.note(&reply);
        reply
    }

    /// The anti-forgery value of the step that was read last.
    #[must_use]
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// The value of the browser's header `Cookie`.
    #[must_use]
    pub fn cookies(&self) -> String {
        self.jar.line()
    }

    #[track_caller]
    fn get(&mut self, url: &str, accept: &str) -> Reply {
        // A connection for each request: between two of them the server may have been started anew.
        let cookies = self.jar.line();
        let reply = self.http().get(url, &[("accept", accept), ("cookie", &cookies)]);
        self.jar.keep(&reply);
        reply
    }

    fn http(&self) -> Http {
        if self.may_die { Http::of_a_mortal() } else { Http::new() }
    }

    fn note(&mut self, reply: &Reply) {
        let step: Option<Value> = serde_json::from_str(&reply.body).ok();
        if let Some(csrf) = step.as_ref().and_then(|step| step["csrf"].as_str()) {
            csrf.clone_into(&mut self.csrf);
        }
    }
}

/// A user: what she knows, and what a login gave her.
#[derive(Debug)]
pub struct User {
    name: String,
    password: String,
    authenticator: Option<TotpSecret>,
    last_step: u64,
    /// The recovery codes that she kept.
    pub recovery_codes: Vec<String>,
}

impl User {
    /// A user who has no factor yet.
    #[must_use]
    pub fn new(name: &str, password: &str) -> Self {
        let (name, password) = (name.to_owned(), password.to_owned());
        Self { name, password, authenticator: None, last_step: 0, recovery_codes: Vec::new() }
    }

    /// The demo's alice.
    #[must_use]
    pub fn alice() -> Self {
        Self::new("alice", "alice-password")
    }

    /// The answer to a password step.
    #[must_use]
    pub fn password(&self) -> Value {
        json!({ "answer": "password", "login": self.name, "password": self.password })
    }

    /// Whether [`User::next_code`] need not wait, and its code is accepted for some ten seconds.
    #[must_use]
    #[track_caller]
    pub fn has_code_now(&self) -> bool {
        let (authenticator, now) = (self.authenticator(), SystemTime::now());
        let oldest = authenticator.step_at(now + Duration::from_secs(2)) - 1;
        let step = oldest.max(self.last_step + 1);
        step <= authenticator.step_at(now) + 1 && step + 1 >= authenticator.step_at(now + Duration::from_secs(12))
    }

    /// The earliest code that is accepted now and was not given out before; waits for its time where there is none.
    #[must_use]
    #[track_caller]
    pub fn next_code(&mut self) -> String {
        // A step is accepted until the end of the one after it. Two seconds before that it is passed over.
        let now = SystemTime::now() + Duration::from_secs(2);
        let oldest = self.authenticator().step_at(now) - 1;
        self.code_from(oldest)
    }

    /// A code that was not given out before and is accepted for half a minute at least.
    #[must_use]
    #[track_caller]
    pub fn lasting_code(&mut self) -> String {
        let present = self.authenticator().step_at(SystemTime::now());
        self.code_from(present)
    }

    #[track_caller]
    fn code_from(&mut self, oldest: u64) -> String {
        let step = oldest.max(self.last_step + 1);
        self.last_step = step;
        while self.authenticator().step_at(SystemTime::now()) + 1 < step {
            thread::sleep(Duration::from_millis(200));
        }
        let begins = u32::try_from(step).map(|step| SystemTime::UNIX_EPOCH + STEP * step);
        match begins {
            Ok(begins) => self.authenticator().code_at(begins).expose().to_owned(),
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    fn authenticator(&self) -> &TotpSecret {
        match &self.authenticator {
            Some(secret) => secret,
            None => panic!("{} has no authenticator app", self.name),
        }
    }

    /// Answers a login's steps, saying yes to everything, until it stands at the step `until`; the answer is that step.
    #[track_caller]
    pub fn walk(&mut self, front_end: &mut FrontEnd, login: &str, until: &str) -> Value {
        let mut reply = front_end.read(login);
        for _ in 0..ANSWERS {
            let step = reply.json();
            if step["step"] == until {
                return step;
            }
            reply = front_end.answer(login, self.yes(&step));
        }
        panic!("the login goes in circles and does not come to {until}: {}", reply.body);
    }

    /// Opens an authorization request and says yes to everything; the answer is the address that the browser is sent to.
    #[must_use]
    #[track_caller]
    pub fn sign_in(&mut self, front_end: &mut FrontEnd, url: &str) -> String {
        let login = front_end.begin(url);
        let done = self.walk(front_end, &login, "done");
        done["redirect_to"].as_str().unwrap_or_default().to_owned()
    }

    /// The answer to a step that says yes to whatever it asks.
    #[must_use]
    #[track_caller]
    pub fn yes(&mut self, step: &Value) -> Value {
        match step["step"].as_str() {
            Some("password") if step["error"].is_null() => self.password(),
            Some("enrol") => {
                if step["error"].is_null() {
                    self.authenticator = authenticator(step);
                    self.last_step = 0;
                }
                json!({ "answer": "enrol", "code": self.next_code() })
            }
            // Of several ways the app.
            Some("choose") => {
                let ways = step["authenticators"].as_array().into_iter().flatten();
                let app = ways.into_iter().find(|way| way["type"] == "totp");
                match app {
                    Some(app) => json!({ "answer": "choose", "id": app["id"] }),
                    None => panic!("no app to choose: {step}"),
                }
            }
            Some("recovery_codes") => {
                let codes = step["codes"].as_array().into_iter().flatten();
                self.recovery_codes = codes.filter_map(|code| code.as_str().map(str::to_owned)).collect();
                json!({ "answer": "recovery_codes" })
            }
            Some("code") if step["type"] == "totp" => json!({ "answer": "code", "code": self.next_code() }),
            Some("code") => json!({ "answer": "code", "code": self.recovery_codes.pop() }),
            Some("consent") => json!({ "answer": "consent" }),
            _ => panic!("nothing to say yes to: {step}"),
        }
    }
}

fn authenticator(step: &Value) -> Option<TotpSecret> {
    let uri = step["otpauth_uri"].as_str()?;
    TotpSecret::from_otpauth_uri(uri).ok().map(|imported| imported.secret)
}

/// Guesses the password of `name` in so many browsers at once, and says how many guesses were looked at and how many put off.
#[must_use]
pub fn guesses_at_once(browsers: usize, issuer: &str, request: &str, name: &str) -> (usize, usize) {
    let logins: Vec<_> = (0..browsers)
        .map(|_| {
            let mut front_end = FrontEnd::new(issuer);
            let login = front_end.begin(request);
            assert_eq!(front_end.read(&login).json()["step"], "password");
            (front_end, login)
        })
        .collect();
    let guess = json!({ "answer": "password", "login": name, "password": "not-that-one" });
    let replies = at_once(logins, |(mut front_end, login)| front_end.answer(&login, guess.clone()));
    let put_off = replies.iter().filter(|reply| reply.json()["error"] == "throttled").count();
    let wrong = replies.iter().filter(|reply| reply.json()["error"] == "wrong_password").count();
    assert_eq!(wrong + put_off, browsers, "{:?}", replies.iter().map(|reply| &reply.body).collect::<Vec<_>>());
    (wrong, put_off)
}

/// Does the same with each of these at one moment, each on a thread of its own; the answers stand in the order of the items.
#[must_use]
pub fn at_once<I: Send, T: Send>(items: Vec<I>, act: impl Fn(I) -> T + Sync) -> Vec<T> {
    let start = std::sync::Barrier::new(items.len());
    let (start, act) = (&start, &act);
    thread::scope(|scope| {
        let begin = |item| {
            scope.spawn(move || {
                start.wait();
                act(item)
            })
        };
        let threads: Vec<_> = items.into_iter().map(begin).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|outcome| outcome.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))).collect()
    })
}
