//! A host with a login, sessions and pages of its own, through all five outcomes. The handlers are what such a host writes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use countersign_oauth_core::{Ask, Consent, Outcome, Params, Refusal, Server, answer, cookie};
use countersign_primitives::{Acr, Amr, SignedIn};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};

use crate::kit::*;

/// The host: its sessions, by the value of its cookie.
#[derive(Clone)]
struct Host {
    server: Server,
    sessions: Arc<Mutex<HashMap<String, SignedIn>>>,
}

fn signed_in(host: &Host, parts: &Parts) -> Option<SignedIn> {
    host.sessions.lock().unwrap().get(cookie(parts, "host-session")?).cloned()
}

async fn authorize(host: &Host, request: Request<Bytes>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    let who = signed_in(host, &parts);
    respond(host.server.authorize(Request::from_parts(parts, body), who).await)
}

async fn consent(host: &Host, request: Request<Bytes>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    let form = Params::parse(&body).unwrap();
    let consent = if form.get("allow").is_some() { Consent::allow_all() } else { Consent::deny() };
    respond(host.server.consent(&parts, signed_in(host, &parts), consent).await)
}

fn respond(outcome: Outcome) -> Response<Bytes> {
    match outcome {
        Outcome::NeedsLogin(ask) => ask.redirect("/login"),
        Outcome::NeedsStepUp(ask) => ask.redirect("/second-factor"),
        Outcome::NeedsConsent(ask) => ask.page(consent_html(&ask)),
        Outcome::Refused(refusal) => refusal.page(error_html(&refusal)),
        Outcome::Done(reply) => reply,
    }
}

/// The host's login page, after the password was right; its second factor, after the code was.
fn logged_in(host: &Host, request: &Request<Bytes>, proofs: &[Amr], acr: Acr) -> Response<Bytes> {
    let who = SignedIn::new("alice", host.server.now()).amr(proofs.iter().copied()).acr(acr);
    let value = format!("s-{}", host.sessions.lock().unwrap().len());
    host.sessions.lock().unwrap().insert(value.clone(), who);
    let form = Params::parse(request.uri().query().unwrap().as_bytes()).unwrap();
    let mut response = answer::see_other(form.get("return_to").unwrap());
    answer::set(&mut response, http::header::SET_COOKIE, &format!("host-session={value}; Path=/; HttpOnly"));
    response
}

fn consent_html(ask: &Ask) -> String {
    let scopes: String =
        ask.scopes().iter().map(|scope| format!("<li>{}</li>", answer::escape(&scope.description))).collect();
    let (name, action) = (answer::escape(ask.client().display_name()), answer::escape(&ask.action("/consent")));
    format!("<h1>{name} ({})</h1><ul>{scopes}</ul><form method=post action=\"{action}\">", ask.redirect_host())
}

fn error_html(refusal: &Refusal) -> String {
    format!("<h1>{}</h1>", answer::escape(refusal.description()))
}

async fn serve(host: &Host, request: Request<Bytes>) -> Response<Bytes> {
    match (request.method(), request.uri().path()) {
        (_, "/authorize") => authorize(host, request).await,
        (&Method::POST, "/consent") => consent(host, request).await,
        (_, "/login") => logged_in(host, &request, &[Amr::Pwd], Acr::AAL1),
        (_, "/second-factor") => logged_in(host, &request, &[Amr::Pwd, Amr::Otp], Acr::MFA),
        _ => host.server.handle(request).await,
    }
}

/// A browser that follows what it is told, and keeps cookies.
struct Visitor<'a> {
    host: &'a Host,
    jar: Jar,
    seen: Vec<String>,
}

impl Visitor<'_> {
    fn go(&mut self, method: Method, path: &str, body: &str) -> Answer {
        let (mut method, mut path, mut body) = (method, path.to_owned(), body.to_owned());
        loop {
            self.seen.push(path.split('?').next().unwrap().to_owned());
            let request = self.jar.request(method, &path).header("sec-fetch-site", "same-origin");
            let response = block_on(serve(self.host, request.body(body.clone().into()).unwrap()));
            self.jar.take(&response);
            let answer = Answer::of(response);
            let to = answer.header("location").to_owned();
            if !to.starts_with('/') {
                return answer;
            }
            (method, path, body) = (Method::GET, to, String::new());
        }
    }
}

/// The URL of a form in a page.
fn action(page: &Answer) -> String {
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    html.split("action=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&")
}

fn host() -> (Kit, Host) {
    let kit = Kit::new();
    let host = Host { server: kit.server.clone(), sessions: Arc::default() };
    (kit, host)
}

#[test]
fn host_login_goes_through_all_five_outcomes() {
    let (kit, host) = host();
    let mut visitor = Visitor { host: &host, jar: Jar::default(), seen: Vec::new() };
    let path = format!("/authorize?{}", authorization("shop", "read pay").encode());
    let page = visitor.go(Method::GET, &path, "");
    assert_eq!(visitor.seen, ["/authorize", "/login", "/authorize", "/second-factor", "/authorize"]);
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(
        html.contains("<h1>The Shop (shop.example.com)</h1><ul><li>See your orders</li><li>Make payments</li></ul>")
    );
    assert_eq!((page.header("x-frame-options"), page.header("cache-control")), ("DENY", "no-store"));

    let done = visitor.go(Method::POST, &action(&page), "allow=yes");
    let location = done.header("location");
    assert!(location.starts_with("https://shop.example.com/cb?code="), "{location}");
    let answer = Params::parse(location.split_once('?').unwrap().1.as_bytes()).unwrap();
    let tokens = kit.redeem("shop", answer.get("code").unwrap()).ok();
    assert_eq!((tokens.text("scope"), tokens.claims()["acr"].as_str()), ("read pay", Some(Acr::MFA.as_str())));
    assert_eq!(tokens.claims()["amr"], serde_json::json!(["pwd", "otp"]));

    // Signed in, strong enough and asked before: the answer comes at once.
    visitor.seen.clear();
    assert!(visitor.go(Method::GET, &path, "").header("location").contains("code="));
    assert_eq!(visitor.seen, ["/authorize"]);

    // Asked again, the user says no.
    let page = visitor.go(Method::GET, &format!("{path}&prompt=consent"), "");
    let denied = visitor.go(Method::POST, &action(&page), "deny=yes");
    assert!(denied.header("location").starts_with("https://shop.example.com/cb?error=access_denied"));

    // An unknown client is nobody's to redirect to.
    let page = visitor.go(Method::GET, &path.replace("client_id=shop", "client_id=nobody"), "");
    assert_eq!((page.status, page.header("location")), (StatusCode::BAD_REQUEST, ""));
}

#[test]
fn host_login_prompt_login_sends_to_the_login_once_more_and_no_further() {
    let (kit, host) = host();
    let mut visitor = Visitor { host: &host, jar: Jar::default(), seen: Vec::new() };
    let path = format!("/authorize?{}", authorization("app", "read").encode());
    visitor.go(Method::GET, &path, "");
    kit.advance(60);
    visitor.seen.clear();
    let done = visitor.go(Method::GET, &format!("{path}&prompt=login"), "");
    assert_eq!(visitor.seen, ["/authorize", "/login", "/authorize"]);
    assert!(done.header("location").contains("code="));
}

#[test]
fn host_login_says_503_and_when_to_come_back_while_the_store_is_down() {
    let (kit, host) = host();
    let mut visitor = Visitor { host: &host, jar: Jar::default(), seen: Vec::new() };
    kit.script.down();
    let page = visitor.go(Method::GET, &format!("/authorize?{}", authorization("app", "read").encode()), "");
    assert_eq!((page.status, page.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
}
