//! A client of the MFA API that sends plain calls, as those who write their own do.

#![expect(clippy::unwrap_used, reason = "a failure here is the failure of the test that called it")]

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Callback, FrontEnd, Http, Quickstart, Reply, User};

/// A quickstart, and a client that asks it by plain calls.
#[derive(Debug)]
pub struct MfaApiClient {
    quickstart: Quickstart,
    client: Value,
    /// How many codes were read.
    codes: Cell<usize>,
}

impl MfaApiClient {
    /// A client of this quickstart; `client` has its `client_id` and, if it has one, its `client_secret`.
    #[must_use]
    pub fn new(quickstart: Quickstart, client: Value) -> Self {
        Self { quickstart, client, codes: Cell::new(0) }
    }

    /// The server that it asks.
    #[must_use]
    pub fn quickstart(&self) -> &Quickstart {
        &self.quickstart
    }

    /// A call with the client's own credentials in the body, and a bearer token in the header if there is one.
    #[must_use]
    #[track_caller]
    pub fn post(&self, path: &str, bearer: Option<&str>, body: Value) -> Reply {
        let mut body = body;
        body.as_object_mut().unwrap().extend(self.client.as_object().unwrap().clone());
        let header = bearer.map(|bearer| format!("Bearer {bearer}"));
        let headers: Vec<_> = header.iter().map(|value| ("authorization", value.as_str())).collect();
        Http::new().post_json(&self.quickstart.url(path), &body, &headers)
    }

    /// A login by password alone, which falls short of what `payments` requires.
    #[must_use]
    #[track_caller]
    pub fn password(&self) -> Reply {
        let body = json!({
            "grant_type": "password", "username": "alice", "password": "alice-password",
            "scope": "openid payments offline_access",
        });
        self.post("/oauth/token", None, body)
    }

    /// What such a login is answered with.
    #[must_use]
    #[track_caller]
    pub fn mfa_token(&self) -> String {
        let reply = self.password();
        assert_eq!((reply.status, &reply.json()["error"]), (403, &json!("mfa_required")), "{}", reply.body);
        text_of(&reply, "mfa_token")
    }

    /// The code of the next message that has one; messages leave by a queue.
    #[must_use]
    #[track_caller]
    pub fn code(&self) -> String {
        let nth = self.codes.replace(self.codes.get() + 1);
        for _ in 0..100 {
            let messages = self.quickstart.messages();
            if let Some(code) = messages.iter().filter_map(|message| message["code"].as_str()).nth(nth) {
                return code.to_owned();
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("message {nth} with a code did not come")
    }

    /// What was sent so far is another client's.
    pub fn skip_codes(&self) {
        self.codes.set(self.quickstart.messages().iter().filter(|message| message["code"].is_string()).count());
    }

    fn client_id(&self) -> &str {
        self.client["client_id"].as_str().unwrap()
    }

    /// A token of the API's own, from a login in a browser that proves the phone.
    #[must_use]
    #[track_caller]
    pub fn own_token(&self, redirect_uri: &str, scope: &str) -> String {
        let (callback, issuer) = (Callback::at(redirect_uri), self.quickstart.issuer());
        let audience = format!("&audience={}", issuer.replace(':', "%3A").replace('/', "%2F") + "%2Fmfa%2F");
        let url = callback.authorization_url(issuer, self.client_id(), scope) + &audience;
        let mut browser = FrontEnd::new(issuer);
        let login = browser.begin(&url);
        assert_eq!(browser.read(&login).status, 200);
        let mut step = browser.answer(&login, User::alice().password()).json();
        if step["step"] == "choose" {
            let ways = step["authenticators"].as_array().unwrap();
            let phone = ways.iter().find(|way| way["type"] == "sms").unwrap()["id"].clone();
            step = browser.answer(&login, json!({ "answer": "choose", "id": phone })).json();
        }
        assert_eq!((&step["step"], &step["type"]), (&json!("code"), &json!("sms")), "the factor is asked: {step}");
        let done = browser.answer(&login, json!({ "answer": "code", "code": self.code() })).json();
        let code = callback.parameter(done["redirect_to"].as_str().unwrap(), issuer, "code");
        let body = json!({
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
            "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        });
        let reply = self.post("/oauth/token", None, body);
        assert_eq!((reply.status, &reply.json()["expires_in"]), (200, &json!(600)), "{}", reply.body);
        assert!(reply.json().get("refresh_token").is_none(), "{}", reply.body);
        text_of(&reply, "access_token")
    }
}

/// A member of an answer.
#[must_use]
#[track_caller]
pub fn text_of(reply: &Reply, member: &str) -> String {
    let json = reply.json();
    json[member].as_str().unwrap_or_else(|| panic!("{} {json}", reply.status)).to_owned()
}
