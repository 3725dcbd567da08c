//! `/admin/`: who gets in, and what an operator does there for a user.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use countersign_tests::{Callback, FrontEnd, Http, Quickstart, Reply, Scratch, Tokens, User, Wire};
use serde_json::{Value, json};

const TOKEN: &str = "4d5f4e8f9a63d2c17e58f0abb7c1e0a9";
const SECRET: &str = "vT2k7mQx9RzL4wYb8NcJ5hGd3FsP6aEu";
const CLIENTS: &str = r#"
    [[client]]
    client_id = "web"
    client_secret = "vT2k7mQx9RzL4wYb8NcJ5hGd3FsP6aEu"
    token_endpoint_auth_method = "client_secret_post"
    redirect_uris = ["https://web.example/callback"]

    [[client]]
    client_id = "shop"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    requires = { acr = "mfa" }
"#;

struct Provider {
    quickstart: Quickstart,
    callback: Callback,
}

impl Provider {
    fn start() -> Self {
        let quickstart = Quickstart::configured(CLIENTS, &["--admin-token", TOKEN, "--tls", "self-signed"]);
        Self { quickstart, callback: Callback::at("https://shop.example/callback") }
    }

    fn act(&self, action: &str) -> Reply {
        Http::new().post(&self.quickstart.url(action), &[], &[("authorization", &format!("Bearer {TOKEN}"))])
    }

    fn events(&self, after: u64) -> Reply {
        let url = self.quickstart.url(&format!("/admin/events?after={after}"));
        Http::new().get(&url, &[("authorization", &format!("Bearer {TOKEN}"))])
    }

    fn request(&self) -> String {
        self.callback.authorization_url(self.quickstart.issuer(), "shop", "openid offline_access")
    }

    fn sign_in(&self, user: &mut User, browser: &mut FrontEnd) -> Tokens {
        let back = user.sign_in(browser, &self.request());
        self.callback.exchange(&back, self.quickstart.issuer(), "shop")
    }

    fn refresh(&self, tokens: &Tokens) -> Reply {
        let refresh = tokens.answer["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", refresh)];
        Http::new().post(&self.quickstart.url("/oauth/token"), &form, &[])
    }

    /// The step that a login of this browser begins with.
    fn first_step(&self, browser: &mut FrontEnd) -> Value {
        let login = browser.begin(&self.request());
        browser.read(&login).json()
    }
}

#[test]
fn rfc6750_3_nothing_below_admin_is_told_without_the_token() {
    let provider = Provider::start();
    let issuer = provider.quickstart.issuer();
    let bearer = format!("Bearer {TOKEN}");
    let get = |target: &str| Wire::get(target);
    for (what, wire, told) in [
        ("no token", get("/admin/events"), "Bearer realm=\"admin\""),
        ("no token at an address that is not there", get("/admin/nowhere"), "Bearer realm=\"admin\""),
        ("no token and a wrong method", Wire::form("/admin/events", ""), "Bearer realm=\"admin\""),
        ("another scheme", get("/admin/events").field("Authorization", "Basic YTpi"), "Bearer realm=\"admin\""),
        ("a token in the URL", get(&format!("/admin/events?access_token={TOKEN}")), "Bearer realm=\"admin\""),
        (
            "a token in a cookie",
            get("/admin/events").field("Cookie", format!("token={TOKEN}")),
            "Bearer realm=\"admin\"",
        ),
        (
            "two tokens",
            get("/admin/events").field("Authorization", &bearer).field("Authorization", &bearer),
            "Bearer realm=\"admin\"",
        ),
        (
            "a wrong token",
            get("/admin/events").field("Authorization", "Bearer 5d5f4e8f9a63d2c17e58f0abb7c1e0a9"),
            "Bearer realm=\"admin\", error=\"invalid_token\"",
        ),
        (
            "the begin of the token",
            get("/admin/events").field("Authorization", "Bearer 4d5f4e8f9a63d2c1"),
            "Bearer realm=\"admin\", error=\"invalid_token\"",
        ),
        (
            "a preflight",
            Wire::new("OPTIONS", "/admin/events").field("Origin", "https://evil.example"),
            "Bearer realm=\"admin\"",
        ),
    ] {
        let reply = wire.send(issuer);
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some(told)), "{what}: {reply:?}");
        assert_eq!(reply.json()["error"], "invalid_token", "{what}");
        check_headers(&reply);
    }
    let wire = get("/admin/events").field("Authorization", format!("bearer {TOKEN}"));
    assert_eq!(wire.send(issuer).status, 200);
}

/// JSON for one reader, kept by no cache, and for no page of another origin.
fn check_headers(reply: &Reply) {
    assert_eq!(reply.header("content-type"), Some("application/json"), "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
    let open = reply.headers.iter().any(|(name, _)| name.starts_with("access-control-") || name == "set-cookie");
    assert!(!open, "{reply:?}");
}

#[test]
fn bad_requests_to_admin_get_a_clear_answer() {
    let provider = Provider::start();
    let issuer = provider.quickstart.issuer();
    let allowed = |wire: Wire| wire.field("Authorization", format!("Bearer {TOKEN}"));
    for (what, wire, status, error) in [
        ("no such address", Wire::get("/admin/nowhere"), 404, "not_found"),
        ("no address", Wire::get("/admin/"), 404, "not_found"),
        ("a wrong method", Wire::new("DELETE", "/admin/events"), 405, "invalid_request"),
        ("a change by GET", Wire::get("/admin/users/alice/revoke"), 405, "invalid_request"),
        ("a number that is none", Wire::get("/admin/events?after=-1"), 400, "invalid_request"),
        ("an unknown user", Wire::form("/admin/users/nobody/unlock", ""), 404, "not_found"),
        ("a name that is no text", Wire::form("/admin/users/%ff%fe/revoke", ""), 404, "not_found"),
        ("a name with a slash", Wire::form("/admin/users/a%2fb/reset-factors", ""), 404, "not_found"),
        ("a long body", Wire::form("/admin/users/alice/unlock", "x".repeat(5000)), 413, "invalid_request"),
        ("another host", Wire::get("/admin/events").host("evil.example"), 421, "invalid_request"),
    ] {
        let reply = allowed(wire).send(issuer);
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        assert_eq!(reply.json()["error"], error, "{what}");
        check_headers(&reply);
    }
}

#[test]
fn without_the_switch_there_is_no_admin() {
    let quickstart = Quickstart::start(&["--store", "memory:"]);
    let bearer = format!("Bearer {TOKEN}");
    let reply = Http::new().get(&quickstart.url("/admin/events"), &[("authorization", &bearer)]);
    assert_eq!(reply.status, 404);
}

#[test]
fn a_token_that_can_be_guessed_opens_nothing_off_loopback() {
    let scratch = Scratch::new();
    let open =
        ["--listen", "0.0.0.0:0", "--open-demo", "--issuer", "https://id.example.com", "--admin-token", "letmein"];
    let (status, output) = Quickstart::refused(scratch.path(), &open);
    assert_eq!(status, Some(2), "{output}");
    assert!(
        output.contains("--admin-token") && output.contains("openssl rand") && !output.contains("letmein"),
        "{output}"
    );
}

#[test]
fn an_operator_unlocks_a_user_whom_guessing_locked_out() {
    let provider = Provider::start();
    let mut stranger = FrontEnd::new(provider.quickstart.issuer());
    let login = stranger.begin(&provider.request());
    let _ = stranger.read(&login);
    let wrong = json!({ "answer": "password", "login": "alice", "password": "wrong" });
    let mut guesses = (0..50).map(|_| stranger.answer(&login, wrong.clone()).status);
    assert!(guesses.any(|status| status == 429), "guessing is not limited");
    let mut owner = FrontEnd::new(provider.quickstart.issuer());
    let mut begin = || {
        let login = owner.begin(&provider.request());
        let _ = owner.read(&login);
        owner.answer(&login, User::alice().password())
    };
    assert_eq!(begin().status, 429);
    let reply = provider.act("/admin/users/alice/unlock");
    assert_eq!((reply.status, reply.json()), (200, json!({ "user": "alice" })));
    assert_eq!(begin().status, 200);
}

#[test]
fn promise_12_an_operator_resets_factors_and_what_rested_on_them_ends() {
    let provider = Provider::start();
    let (mut alice, mut browser) = (User::alice(), FrontEnd::new(provider.quickstart.issuer()));
    let tokens = provider.sign_in(&mut alice, &mut browser);
    assert_eq!(provider.act("/admin/users/alice/reset-factors").status, 200);
    assert_eq!(provider.refresh(&tokens).status, 400);
    // The next login sets up a new factor.
    let login = browser.begin(&provider.request());
    assert_eq!(alice.walk(&mut browser, &login, "enrol")["step"], "enrol");
}

#[test]
fn promise_12_an_operator_ends_sessions_and_grants_of_one_user() {
    let provider = Provider::start();
    let issuer = provider.quickstart.issuer();
    let (mut alice, mut hers) = (User::alice(), FrontEnd::new(issuer));
    let (mut bob, mut his) = (User::new("bob", "bob-password"), FrontEnd::new(issuer));
    let (of_alice, of_bob) = (provider.sign_in(&mut alice, &mut hers), provider.sign_in(&mut bob, &mut his));
    assert_eq!(provider.act("/admin/users/alice/revoke").status, 200);
    assert_eq!(provider.refresh(&of_alice).json()["error"], "invalid_grant");
    assert_eq!(provider.first_step(&mut hers)["step"], "password");
    assert_eq!(provider.refresh(&of_bob).status, 200);
    // She may come again.
    let again = provider.sign_in(&mut alice, &mut hers);
    assert_eq!(provider.refresh(&again).status, 200);
}

#[test]
fn an_operator_publishes_the_next_signing_key_once() {
    let mut provider = Provider::start();
    let published = |provider: &Provider| {
        let keys = Http::new().get(&provider.quickstart.url("/.well-known/jwks.json"), &[]).json();
        let keys = keys["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = published(&provider);
    let reply = provider.act("/admin/keys/rotate");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let rotated = reply.json();
    let kid = rotated["kid"].as_str().unwrap().to_owned();
    assert!(rotated["is_new"] == true && !before.contains(&kid), "{rotated}");
    assert_eq!(published(&provider), [before, vec![kid.clone()]].concat());
    // While it waits, it is the next one, whoever asks.
    provider.quickstart.restart();
    let again = provider.act("/admin/keys/rotate").json();
    assert_eq!((again["kid"].as_str(), &again["is_new"]), (Some(kid.as_str()), &json!(false)));
}

#[test]
fn promise_9_an_operator_reads_why_a_client_was_refused() {
    let provider = Provider::start();
    let before = provider.events(0).json();
    let last = before["last"].as_u64().unwrap();
    let token = provider.quickstart.url("/oauth/token");
    let redeem = |secret: &str, code: &str| {
        let form =
            [("grant_type", "authorization_code"), ("code", code), ("client_id", "web"), ("client_secret", secret)];
        Http::new().post(&token, &form, &[]).json()["error"].clone()
    };
    // The client learns no more than an error code.
    assert_eq!(redeem("a-wrong-secret-of-the-client", "x"), "invalid_client");
    assert_eq!(redeem(SECRET, "not-a-code-of-ours"), "invalid_grant");

    let reply = provider.events(last);
    assert_eq!(reply.status, 200);
    for secret in [SECRET, TOKEN, "a-wrong-secret-of-the-client", "not-a-code-of-ours"] {
        assert!(!reply.body.contains(secret), "promise 4: {}", reply.body);
    }
    let answer = reply.json();
    let events = answer["events"].as_array().unwrap();
    let refused = events.iter().find(|event| event["cause"] == "client.wrong_secret").unwrap();
    assert_eq!(refused["client_id"], "web");
    assert_eq!(
        (&refused["section"], &refused["why"]),
        (&json!("RFC 6749 §2.3.1"), &json!("The client's secret is wrong."))
    );
    assert!(events.iter().all(|event| event["cause"].is_null() || event["section"].is_string()), "{answer}");
    let numbers: Vec<u64> = events.iter().map(|event| event["number"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers[0] > last && answer["last"] == *numbers.last().unwrap());
    assert_eq!(provider.events(answer["last"].as_u64().unwrap()).json()["events"], json!([]));
}

#[test]
fn an_operator_sees_the_backlog_and_how_the_node_is_doing() {
    let provider = Provider::start();
    let url = provider.quickstart.url("/admin/health");
    let health = Http::new().get(&url, &[("authorization", &format!("Bearer {TOKEN}"))]);
    let told = health.json();
    assert_eq!((health.status, told["store"].as_str(), told["backlog"].as_u64()), (200, Some("SQLite"), Some(0)));
    assert!(told["swept"].is_u64() && told["worked_at"].as_u64() > Some(1_700_000_000), "{told}");
    assert_eq!(Http::new().get(&url, &[]).status, 401);
}
