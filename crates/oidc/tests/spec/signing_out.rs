//! `/logout` for sessions of the kit's own: who is signed in is read from the browser's cookie.

use async_trait::async_trait;
use bytes::Bytes;
use countersign_events::{Event, EventKind};
use countersign_oauth_core::{Peer, Server, ServerBuilder, answer};
use countersign_oidc::{Logout, LogoutPages, Oidc};
use countersign_primitives::{Acr, Amr, Clock, Id, ManualClock, SignedIn, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::testkit::{CommitFault, FaultScript, Faulty, block_on};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::{Arc, Barrier, Mutex};

use crate::kit::{ISSUER, SIGNED_OUT, builder_on};
use crate::rp_initiated_logout::encode;

/// Says what came of it, as a front end reads it.
#[derive(Debug)]
pub(crate) struct Plain;

#[async_trait]
impl LogoutPages for Plain {
    async fn show(&self, _: &Server, _: &Parts, logout: Logout) -> Response<Bytes> {
        match logout {
            Logout::NeedsConfirmation(ask) => answer::json(
                StatusCode::OK,
                &json!({"step": "logout", "csrf": ask.anti_forgery(), "request": ask.request()}),
            ),
            Logout::SignedOut(done) => match done.redirect_to() {
                Some(to) => answer::see_other(to),
                None => answer::json(StatusCode::OK, &json!({"step": "signed_out", "return_to": done.return_to()})),
            },
            Logout::Stayed(_) => answer::json(StatusCode::OK, &json!({"step": "still_signed_in"})),
            Logout::Refused(refusal) => answer::refusal(&refusal),
            Logout::Done(reply) => reply,
        }
    }
}

#[derive(Clone)]
struct Bench {
    server: Server,
    clock: ManualClock,
    script: FaultScript,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Bench {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(adjust: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let (clock, script) = (ManualClock::at(UnixTime::from_secs(1_700_000_000)), FaultScript::new());
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let heard = Arc::clone(&events);
        let store = Faulty::new(MemoryStore::new(), script.clone());
        let builder = adjust(builder_on(store, &clock, Oidc::new().logout(Plain)));
        let server = builder.events(move |event: &Event| heard.lock().unwrap().push(event.clone())).build();
        let server = block_on(server).unwrap();
        script.restart();
        Self { server, clock, script, events }
    }

    fn alice(&self) -> SignedIn {
        SignedIn::new("u-1", self.clock.now()).amr([Amr::Pwd]).acr(Acr::AAL1)
    }

    /// A browser in which somebody has signed in.
    fn browser(&self, id: u8) -> Browser {
        let mut browser = Browser { bench: self.clone(), cookie: String::new() };
        let (parts, ()) = Request::get("/").body(()).unwrap().into_parts();
        let mut own = block_on(self.server.browser(&parts)).unwrap();
        block_on(self.server.start_session(&mut own, Id::from_bytes([id; 16]), self.alice())).unwrap();
        browser.keep(&self.server.with_cookie(&own, Response::new(Bytes::new())));
        browser
    }

    fn causes(&self) -> Vec<&'static str> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.kind() == EventKind::LogoutRefused).filter_map(Event::cause).collect()
    }
}

#[derive(Clone)]
struct Browser {
    bench: Bench,
    cookie: String,
}

impl Browser {
    fn keep(&mut self, response: &Response<Bytes>) {
        if let Some(line) = response.headers().get("set-cookie") {
            self.cookie = line.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
    }

    fn send(&mut self, request: http::request::Builder, body: &str) -> Response<Bytes> {
        let request = request.header("host", "id.example.com").header("cookie", &self.cookie);
        let request = request.extension(Peer::new([192, 0, 2, 1].into()));
        let response = block_on(self.bench.server.handle(request.body(body.to_owned().into()).unwrap()));
        self.keep(&response);
        response
    }

    fn get(&mut self, pairs: &[(&str, &str)]) -> Response<Bytes> {
        self.send(Request::get(format!("/logout?{}", encode(pairs))), "")
    }

    /// A form of our own page.
    fn post(&mut self, pairs: &[(&str, &str)]) -> Response<Bytes> {
        let request = Request::post("/logout").header("origin", ISSUER);
        self.send(request.header("content-type", "application/x-www-form-urlencoded"), &encode(pairs))
    }

    fn press(&mut self, step: &Value, decision: &str) -> Response<Bytes> {
        let (csrf, request) = (step["csrf"].as_str().unwrap(), step["request"].as_str().unwrap());
        self.post(&[("csrf", csrf), ("answer", "logout"), ("request", request), ("decision", decision)])
    }

    fn who(&self) -> Option<SignedIn> {
        let request = Request::get("/").header("cookie", &self.cookie).body(()).unwrap();
        let (parts, ()) = request.into_parts();
        let own = block_on(self.bench.server.browser(&parts)).unwrap();
        block_on(self.bench.server.signed_in(&own)).unwrap()
    }

    /// The tokens of a client that was signed in to here.
    fn tokens(&self, scope: &str) -> Value {
        crate::kit::tokens_of(&self.bench.server, scope, self.who().unwrap())
    }

    fn hint(&self) -> String {
        self.tokens("openid")["id_token"].as_str().unwrap().to_owned()
    }
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or(Value::Null)
}

fn location(response: &Response<Bytes>) -> &str {
    response.headers().get("location").map_or("", |value| value.to_str().unwrap())
}

const REQUEST: [(&str, &str); 3] = [("client_id", "shop"), ("post_logout_redirect_uri", SIGNED_OUT), ("state", "s1")];

#[test]
fn oidc_rp_initiated_logout_2_asked_and_answered_in_the_browser_that_is_signed_in() {
    let bench = Bench::new();
    let (mut browser, other) = (bench.browser(1), bench.browser(2));
    let before = browser.clone();
    let step = body(&browser.get(&REQUEST));
    assert_eq!(step["step"], "logout");
    assert_eq!(body(&browser.press(&step, "stay"))["step"], "still_signed_in");
    assert!(browser.who().is_some());
    let done = browser.press(&step, "sign_out");
    assert_eq!(location(&done), "https://rp.example/out?a=b&state=s1");
    assert!(browser.who().is_none() && before.who().is_none());
    assert_ne!(browser.cookie, before.cookie, "the cookie has a new value");
    assert!(other.who().is_some(), "another browser of the same user is not touched");
    let ended = bench.events.lock().unwrap().iter().filter(|event| event.kind() == EventKind::SessionEnded).count();
    assert_eq!(ended, 1);
}

#[test]
fn oidc_rp_initiated_logout_2_by_json_steps_of_a_front_end() {
    let bench = Bench::new();
    let mut browser = bench.browser(1);
    let step = body(&browser.get(&[]));
    let send = |browser: &mut Browser, body: &Value, content_type: &str, origin: &str| {
        let request = Request::post("/logout").header("content-type", content_type).header("origin", origin);
        browser.send(request, &body.to_string())
    };
    let json = "application/json";
    let right = json!({"answer": "logout", "request": step["request"], "csrf": step["csrf"], "decision": "sign_out"});
    let with = |member: &str, value: Value| {
        let mut body = right.clone();
        body[member] = value;
        body
    };
    for (what, sent, content_type, origin, status) in [
        ("another site", right.clone(), json, "https://evil.example", 403),
        ("another type", right.clone(), "text/plain", ISSUER, 400),
        ("another answer", with("answer", json!("password")), json, ISSUER, 400),
        ("another decision", with("decision", json!("maybe")), json, ISSUER, 400),
        ("a member of nobody's", with("admin", json!(true)), json, ISSUER, 400),
        ("no request", with("request", Value::Null), json, ISSUER, 400),
        ("a wrong value", with("csrf", json!("x")), json, ISSUER, 403),
        ("no object", json!([]), json, ISSUER, 400),
    ] {
        assert_eq!(send(&mut browser, &sent, content_type, origin).status(), status, "{what}");
    }
    let twice = right.to_string().replacen('{', "{\"decision\":\"stay\",", 1);
    let request = Request::post("/logout").header("content-type", json).header("origin", ISSUER);
    assert_eq!(browser.send(request, &twice).status(), 400);
    assert!(browser.who().is_some());
    assert_eq!(body(&send(&mut browser, &with("decision", json!("stay")), json, ISSUER))["step"], "still_signed_in");
    let done = send(&mut browser, &right, "application/json; charset=utf-8", ISSUER);
    assert_eq!(body(&done)["step"], "signed_out");
    assert!(browser.who().is_none());
    assert!(bench.causes().contains(&"interaction.forged"));
}

#[test]
fn oidc_rp_initiated_logout_2_a_hint_of_this_browsers_session_needs_no_question() {
    let bench = Bench::new();
    let (mut browser, mut other) = (bench.browser(1), bench.browser(2));
    let (mine, theirs) = (browser.hint(), other.hint());
    // The token of another browser's session, of the same user: he is asked.
    assert_eq!(body(&browser.get(&[("id_token_hint", &theirs)]))["step"], "logout");
    assert!(browser.who().is_some() && other.who().is_some());
    let done = browser.get(&[("id_token_hint", &mine), ("post_logout_redirect_uri", SIGNED_OUT)]);
    assert_eq!(location(&done), SIGNED_OUT);
    assert!(browser.who().is_none());
    // The same link once more, or in another browser, ends nothing else.
    assert_eq!(body(&other.get(&[("id_token_hint", &mine)]))["step"], "logout");
    assert!(other.who().is_some());
    assert_eq!(
        location(&browser.get(&[("id_token_hint", &mine), ("post_logout_redirect_uri", SIGNED_OUT)])),
        SIGNED_OUT
    );
}

#[test]
fn rfc6749_10_12_a_cross_site_request_signs_nobody_out() {
    let bench = Bench::new();
    let browser = bench.browser(1);
    // A form of another site carries no Lax cookie.
    let mut bare = Browser { cookie: String::new(), ..browser.clone() };
    let form = "application/x-www-form-urlencoded";
    let request = Request::post("/logout").header("content-type", form).header("sec-fetch-site", "cross-site");
    let sent = bare.send(request, &encode(&REQUEST));
    let place = location(&sent).to_owned();
    assert!(place.starts_with("/logout?request="));
    assert!(sent.headers().get("set-cookie").is_none());
    let mut led = browser.clone();
    let step = body(&led.send(Request::get(&place), ""));
    assert_eq!(step["step"], "logout", "the browser that is led here is asked");
    // A browser that sends the cookie all the same does no more.
    let mut sloppy = browser.clone();
    let request = Request::post("/logout").header("content-type", form).header("sec-fetch-site", "cross-site");
    assert_eq!(body(&sloppy.send(request, &encode(&REQUEST)))["step"], "logout");
    let forged = [("csrf", step["csrf"].as_str().unwrap()), ("request", step["request"].as_str().unwrap())];
    let request = Request::post("/logout").header("content-type", form).header("sec-fetch-site", "cross-site");
    assert_eq!(sloppy.send(request, &encode(&forged)).status(), StatusCode::FORBIDDEN);
    assert!(browser.who().is_some());
}

#[test]
fn promise_12_a_sign_out_ends_the_refresh_tokens_of_the_session_without_offline_access() {
    let bench = Bench::new();
    let mut browser = bench.browser(1);
    let (online, offline) = (browser.tokens("email"), browser.tokens("openid offline_access"));
    let refresh = |tokens: &Value| crate::kit::refresh_of(&bench.server, tokens);
    let step = body(&browser.get(&[]));
    browser.press(&step, "sign_out");
    assert_eq!(refresh(&online)["error"], "invalid_grant");
    assert!(refresh(&offline)["access_token"].is_string());
}

#[test]
fn promise_12_a_crash_at_any_commit_of_a_sign_out_is_made_good_by_pressing_the_button_once_more() {
    let prepared = || {
        let bench = Bench::new();
        let mut browser = bench.browser(1);
        let tokens = browser.tokens("email");
        let step = body(&browser.get(&REQUEST));
        bench.script.restart();
        (bench, browser, tokens, step)
    };
    let (counting, mut browser, _, step) = prepared();
    browser.press(&step, "sign_out");
    let commits = counting.script.commits();
    assert_eq!(commits, 3, "the mark, the grant, the cookie");
    for number in 1..=commits {
        for fault in CommitFault::ALL {
            let (bench, mut browser, tokens, step) = prepared();
            bench.script.crash_at_commit(number, fault);
            let stopped = browser.press(&step, "sign_out");
            assert_eq!(stopped.status(), StatusCode::SERVICE_UNAVAILABLE, "commit {number} {fault:?}");
            bench.script.restart();
            let again = browser.press(&step, "sign_out");
            assert_eq!(location(&again), "https://rp.example/out?a=b&state=s1", "commit {number} {fault:?}");
            assert!(browser.who().is_none());
            assert_eq!(crate::kit::refresh_of(&bench.server, &tokens)["error"], "invalid_grant");
        }
    }
}

#[test]
fn promise_12_sixteen_tabs_that_sign_out_and_refresh_at_once_leave_nothing_alive() {
    for round in 0..4 {
        let bench = Bench::new();
        let mut browser = bench.browser(round);
        let tokens = browser.tokens("email");
        let step = body(&browser.get(&REQUEST));
        bench.script.delay(2);
        let gate = Barrier::new(16);
        let won: Vec<Option<Value>> = std::thread::scope(|scope| {
            let racers = (0..16).map(|number| {
                let (mut browser, tokens, step, gate, bench) = (browser.clone(), &tokens, &step, &gate, &bench);
                scope.spawn(move || {
                    gate.wait();
                    if number % 2 == 0 {
                        let done = browser.press(step, "sign_out");
                        assert_eq!(location(&done), "https://rp.example/out?a=b&state=s1", "{:?}", done.body());
                        return None;
                    }
                    Some(crate::kit::refresh_of(&bench.server, tokens))
                })
            });
            let racers: Vec<_> = racers.collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(browser.who().is_none());
        let successes = won.into_iter().flatten().filter(|answer| answer["refresh_token"].is_string());
        for tokens in successes.chain([tokens]) {
            assert_eq!(crate::kit::refresh_of(&bench.server, &tokens)["error"], "invalid_grant");
        }
    }
}

#[test]
fn promise_14_a_store_that_is_down_signs_nobody_out_and_says_so() {
    let bench = Bench::new();
    let mut browser = bench.browser(1);
    let hint = browser.hint();
    bench.script.down();
    for pairs in [&REQUEST[..], &[("id_token_hint", &hint)]] {
        assert_eq!(browser.get(pairs).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    bench.script.up();
    assert!(browser.who().is_some());
}

#[test]
fn promise_4_a_question_shows_no_secret_in_debug_and_keeps_no_token() {
    let bench = Bench::new();
    let mut browser = bench.browser(1);
    let hint = bench.browser(2).hint();
    let kept =
        browser.get(&[("id_token_hint", &hint), ("post_logout_redirect_uri", SIGNED_OUT), ("state", "secret-state")]);
    assert_eq!(body(&kept)["step"], "logout");
    let request = Request::get(format!("{ISSUER}/logout")).body(Bytes::new()).unwrap();
    let outcome = block_on(countersign_oidc::end_session(&bench.server, request, browser.who()));
    let Logout::NeedsConfirmation(ask) = &outcome else { panic!() };
    let shown = format!("{outcome:?}");
    assert!(!shown.contains(ask.anti_forgery()) && !shown.contains("u-1"), "{shown}");
}

#[test]
fn promise_7_requests_that_wait_for_their_user_are_counted_by_address() {
    let bench = Bench::with(|builder| builder.requests_per_address(3));
    let mut bare = Browser { bench: bench.clone(), cookie: String::new() };
    let form = "application/x-www-form-urlencoded";
    let mut send = || bare.send(Request::post("/logout").header("content-type", form), &encode(&REQUEST));
    for _ in 0..3 {
        assert_eq!(send().status(), StatusCode::SEE_OTHER);
    }
    let refused = send();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    // An ID token of the session needs no question, and nothing is kept for it.
    let mut browser = bench.browser(1);
    let hint = browser.hint();
    assert_eq!(browser.get(&[("id_token_hint", &hint)]).status(), StatusCode::OK);
    assert!(browser.who().is_none());
}
