//! A user's way through the application, and the ways around it that must not exist.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as the test does")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::http::{Request, StatusCode, header};
use countersign::otp::TotpSecret;
use countersign::{Clock as _, ManualClock, UnixTime};
use http_body_util::BodyExt as _;
use second_factor::{App, Users};
use tower::ServiceExt as _;

const START: UnixTime = UnixTime::from_secs(1_800_000_000);

/// The application and its clock.
struct Site {
    router: Router,
    clock: ManualClock,
}

impl Site {
    async fn open() -> Self {
        let clock = ManualClock::at(START);
        let users = Users::new([("alice", "alice-password"), ("bob", "bob-password")]).unwrap();
        let app = App::new(users, clock.clone()).await.unwrap();
        let router = app.router().layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4242))));
        Self { router, clock }
    }
}

/// A browser: the cookie of its session, the one by which it is known, and the page that it shows.
struct Browser<'a> {
    site: &'a Site,
    cookie: String,
    marks: String,
    status: StatusCode,
    page: String,
    at: String,
}

impl<'a> Browser<'a> {
    fn new(site: &'a Site) -> Self {
        Self {
            site,
            cookie: String::new(),
            marks: String::new(),
            status: StatusCode::OK,
            page: String::new(),
            at: String::new(),
        }
    }

    /// Sends a request and follows where it leads.
    async fn send(&mut self, method: &str, path: &str, form: &str) -> &mut Self {
        let (mut method, mut form) = (method.to_owned(), form.to_owned());
        path.clone_into(&mut self.at);
        for _ in 0..4 {
            let request = Request::builder()
                .method(&*method)
                .uri(&self.at)
                .header(header::COOKIE, format!("{}; {}", self.cookie, self.marks))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(form))
                .unwrap();
            let answer = self.site.router.clone().oneshot(request).await.unwrap();
            for line in answer.headers().get_all(header::SET_COOKIE) {
                let line = line.to_str().unwrap();
                let ends = line.contains("Max-Age=0");
                assert!(ends || line.contains("HttpOnly; SameSite=Lax"), "{line}");
                let cookie = line.split(';').next().unwrap().to_owned();
                let jar = if cookie.starts_with("notes-marks=") { &mut self.marks } else { &mut self.cookie };
                *jar = cookie;
            }
            self.status = answer.status();
            let next = answer.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            self.page = String::from_utf8(body.to_vec()).unwrap();
            let Some(next) = next else { break };
            (self.at, method, form) = (next, "GET".into(), String::new());
        }
        self
    }

    async fn get(&mut self, path: &str) -> &mut Self {
        self.send("GET", path, "").await
    }

    async fn password(&mut self, name: &str, password: &str) -> &mut Self {
        self.send("POST", "/login", &format!("username={name}&password={password}")).await
    }

    async fn answer(&mut self, fields: &str) -> &mut Self {
        let csrf = self.value_of("name=\"csrf\" value=\"");
        self.send("POST", "/second-factor", &format!("{fields}&csrf={csrf}")).await
    }

    /// What stands in the page after this, up to the next quote or tag.
    fn value_of(&self, before: &str) -> String {
        let (_, after) = self.page.split_once(before).unwrap_or_else(|| panic!("no {before} in {}", self.page));
        after.split(['"', '<']).next().unwrap().to_owned()
    }

    /// Sets up an authenticator app on the way in.
    async fn enrol(&mut self) -> TotpSecret {
        let uri = self.value_of("id=\"otpauth\" href=\"").replace("&amp;", "&").replace("&#x2f;", "/");
        let secret = TotpSecret::from_otpauth_uri(&uri).unwrap().secret;
        let code = secret.code_at(self.site.clock.now());
        self.answer(&format!("answer=enrol&code={}", code.expose())).await;
        assert!(self.page.contains("<li><code>"), "{}", self.page);
        self.answer("answer=recovery_codes").await;
        secret
    }
}

#[tokio::test]
async fn a_user_sets_up_an_app_on_the_way_in_and_is_asked_for_it_from_then_on() {
    let site = Site::open().await;
    let mut alice = Browser::new(&site);
    alice.get("/").await;
    assert_eq!(alice.at, "/login");
    let secret = {
        alice.password("alice", "alice-password").await;
        assert_eq!((&*alice.at, alice.status), ("/second-factor", StatusCode::OK));
        alice.enrol().await
    };
    assert_eq!(alice.at, "/");
    assert_eq!(
        (alice.value_of("id=\"name\">"), alice.value_of("id=\"methods\">")),
        ("alice".into(), "pwd, otp, mfa".into())
    );

    site.clock.advance(Duration::from_secs(60));
    let mut elsewhere = Browser::new(&site);
    elsewhere.password("alice", "alice-password").await;
    assert!(elsewhere.page.contains("autocomplete=\"one-time-code\""), "{}", elsewhere.page);
    elsewhere.answer("answer=code&code=000000").await;
    assert_eq!((&*elsewhere.at, elsewhere.status), ("/second-factor", StatusCode::UNPROCESSABLE_ENTITY));
    let code = secret.code_at(site.clock.now());
    elsewhere.answer(&format!("answer=code&code={}", code.expose())).await;
    assert_eq!((&*elsewhere.at, elsewhere.status), ("/", StatusCode::OK));

    // The code is spent: whoever looked over the shoulder has no use for it.
    let mut thief = Browser::new(&site);
    thief.password("alice", "alice-password").await;
    thief.answer(&format!("answer=code&code={}", code.expose())).await;
    assert_eq!((&*thief.at, thief.status), ("/second-factor", StatusCode::UNPROCESSABLE_ENTITY));
}

#[tokio::test]
async fn promise_8_a_password_alone_opens_nothing() {
    let site = Site::open().await;
    let mut alice = Browser::new(&site);
    alice.password("alice", "wrong").await;
    assert_eq!(alice.status, StatusCode::UNPROCESSABLE_ENTITY);
    alice.password("alice", "alice-password").await;
    alice.get("/").await;
    assert_eq!(alice.at, "/login", "half a login is none");
    // Answers of other steps, and none at all, lead nowhere.
    alice.get("/second-factor").await;
    for fields in
        ["answer=recovery_codes", "answer=code&code=", "authenticator=recovery_code", "answer=enrol&code=000000"]
    {
        alice.answer(fields).await;
        assert_eq!(alice.at, "/second-factor", "{fields}");
    }
    alice.get("/").await;
    assert_eq!(alice.at, "/login");
}

#[tokio::test]
async fn promise_11_a_login_goes_on_in_its_own_browser_and_its_session_is_new() {
    let site = Site::open().await;
    let mut alice = Browser::new(&site);
    alice.password("alice", "alice-password").await;
    let before = alice.cookie.clone();
    // A stranger who planted or saw the session's id at the password loses it when the login is done.
    let mut stranger = Browser::new(&site);
    stranger.cookie.clone_from(&before);
    alice.enrol().await;
    assert_eq!(alice.at, "/");
    assert_ne!(alice.cookie, before);
    stranger.get("/").await;
    assert_eq!(stranger.at, "/login");
    // Another user's login in the same browser begins with nothing of the first.
    alice.password("bob", "bob-password").await;
    assert_eq!(alice.at, "/second-factor");
    alice.get("/").await;
    assert_eq!(alice.at, "/login");
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let site = Site::open().await;
    let mut alice = Browser::new(&site);
    alice.password("alice", "alice-password").await;
    alice.send("POST", "/second-factor", "answer=enrol&code=000000").await;
    assert_eq!(alice.status, StatusCode::FORBIDDEN);
    alice.send("POST", "/second-factor", "answer=enrol&code=000000&csrf=AAAAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!(alice.status, StatusCode::FORBIDDEN);
    alice.send("POST", "/second-factor", "answer=dance").await;
    assert_eq!(alice.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn m34_a_browser_that_was_remembered_is_not_asked_again_and_nobody_elses_is_known_by_it() {
    let site = Site::open().await;
    let mut alice = Browser::new(&site);
    alice.password("alice", "alice-password").await;
    let secret = alice.enrol().await;
    site.clock.advance(Duration::from_secs(60));
    alice.cookie.clear();
    alice.password("alice", "alice-password").await;
    assert!(alice.page.contains("type=\"checkbox\""), "{}", alice.page);
    let code = secret.code_at(site.clock.now());
    alice.answer(&format!("answer=code&code={}&remember_device=on", code.expose())).await;
    assert_eq!(alice.at, "/");
    alice.cookie.clear();
    alice.password("alice", "alice-password").await;
    assert_eq!((&*alice.at, alice.value_of("id=\"methods\">")), ("/", "pwd".into()), "it says what was proven now");
    // It is no second factor of another user's, and none without the password.
    alice.cookie.clear();
    alice.password("bob", "bob-password").await;
    assert_eq!(alice.at, "/second-factor");
    let mut thief = Browser::new(&site);
    thief.marks.clone_from(&alice.marks);
    thief.password("alice", "wrong").await;
    assert_eq!(thief.status, StatusCode::UNPROCESSABLE_ENTITY);
}
