//! Invitations to set up a first factor, from the operator's command to the user's login.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::{Duration, Instant};

use countersign_tests::{Callback, FrontEnd, Http, Quickstart, Reply, User};
use serde_json::{Value, json};

const TOKEN: &str = "4d5f4e8f9a63d2c17e58f0abb7c1e0a9";
const TOML: &str = r#"
    [[client]]
    client_id = "shop"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    scope = "openid"
    requires = { acr = "mfa" }
    [mfa]
    first_enrolment = "invitation"
"#;

struct Provider {
    quickstart: Quickstart,
    callback: Callback,
}

impl Provider {
    fn start() -> Self {
        let quickstart = Quickstart::configured(TOML, &["--admin-token", TOKEN]);
        Self { quickstart, callback: Callback::at("https://shop.example/callback") }
    }

    fn admin(&self, action: &str) -> Reply {
        let url = self.quickstart.url(&format!("/admin/{action}"));
        Http::new().post(&url, &[], &[("authorization", &format!("Bearer {TOKEN}"))])
    }

    fn events(&self) -> Vec<String> {
        let url = self.quickstart.url("/admin/events?after=0");
        let events = Http::new().get(&url, &[("authorization", &format!("Bearer {TOKEN}"))]).json();
        let names = events["events"].as_array().unwrap().iter().map(|event| event["name"].as_str().unwrap().to_owned());
        names.filter(|name| name.starts_with("invitation.")).collect()
    }

    /// The output of `quickstart invite`, beside the server that serves.
    fn invite(&self, words: &[&str]) -> (Option<i32>, String) {
        let data = self.quickstart.data().to_string_lossy().into_owned();
        let config = self.quickstart.folder().join("quickstart.toml").to_string_lossy().into_owned();
        let server = ["--data", &data, "--config", &config, "--issuer", self.quickstart.issuer()];
        self.quickstart.run(&[&server, &["invite"][..], words].concat())
    }

    /// A login of alice's after her password.
    fn begin(&self) -> (FrontEnd, String, Value) {
        let mut browser = FrontEnd::new(self.quickstart.issuer());
        let login = browser.begin(&self.callback.authorization_url(self.quickstart.issuer(), "shop", "openid"));
        let _ = browser.read(&login);
        let step = browser.answer(&login, User::alice().password()).json();
        (browser, login, step)
    }

    /// Whether alice can set up nothing, and the client is told that it asks for too much.
    fn is_sent_back(&self) -> bool {
        let (_, _, step) = self.begin();
        step["redirect_to"].as_str().is_some_and(|to| to.contains("error=unmet_authentication_requirements"))
    }

    /// Alice types a code and sets up an app.
    fn sets_up_with(&self, code: &str) {
        let (mut browser, login, step) = self.begin();
        assert_eq!((&step["step"], &step["type"]), (&json!("code"), &json!("invitation")), "{step}");
        let wrong = browser.answer(&login, json!({ "answer": "code", "code": "aaaa-bbbb" }));
        assert_eq!((wrong.status, &wrong.json()["error"]), (422, &json!("wrong_code")));
        let step = browser.answer(&login, json!({ "answer": "code", "code": code })).json();
        assert_eq!(step["step"], "enrol", "{step}");
        let mut alice = User::alice();
        alice.walk(&mut browser, &login, "done");
        assert_eq!(alice.recovery_codes.len(), 10);
    }
}

#[test]
fn m25_a_user_is_invited_by_the_command_and_sets_up_a_factor_once() {
    let provider = Provider::start();
    assert!(provider.is_sent_back(), "nobody was invited");
    let (status, output) = provider.invite(&["alice", "--lasts", "2d"]);
    assert_eq!(status, Some(0), "{output}");
    let line = output.lines().find(|line| line.starts_with("invitation for alice within 2days: ")).unwrap();
    provider.sets_up_with(line.rsplit(' ').next().unwrap());
    // Issued by the command's own process, used here.
    assert_eq!(provider.events(), ["invitation.used"]);
    let (status, output) = provider.invite(&["alice"]);
    assert!(status == Some(1) && output.contains("has a factor already"), "{output}");
    for (words, status, told) in [
        (&["nobody"][..], 1, "there is no such user"),
        (&["alice", "--lasts", "91d"], 2, "90 days at most"),
        (&["alice", "--lasts", "soon"], 2, "write 12h or 7d"),
    ] {
        let (code, output) = provider.invite(words);
        assert!(code == Some(status) && output.contains(told), "{output}");
    }
}

#[test]
fn m25_an_operator_invites_over_admin_or_by_mail_and_hears_what_became_of_it() {
    let provider = Provider::start();
    let short = provider.admin("users/alice/invite?lasts=1s");
    assert_eq!(short.status, 200, "{}", short.body);
    assert!(short.json()["code"].as_str().unwrap().len() > 20 && short.json()["expires_at"].is_u64());
    std::thread::sleep(Duration::from_millis(1_200));
    assert!(provider.is_sent_back() && provider.is_sent_back(), "it is over");
    assert_eq!(provider.events(), ["invitation.issued", "invitation.expired"], "told once");

    let mailed = provider.admin("users/alice/invite?mail=true");
    assert_eq!((mailed.status, &mailed.json()["mailed"]), (200, &json!(true)));
    assert!(mailed.json().get("code").is_none(), "nobody but its owner sees it");
    let end = Instant::now() + Duration::from_secs(20);
    let mail = loop {
        if let Some(mail) = provider.quickstart.messages().pop() {
            break mail;
        }
        assert!(Instant::now() < end, "no mail");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!((&mail["channel"], &mail["to"]), (&json!("email"), &json!("alice@example.com")));
    assert!(mail["text"].as_str().unwrap().contains("7 days"), "{mail}");
    provider.sets_up_with(mail["code"].as_str().unwrap());
    assert_eq!(provider.events()[2..], ["invitation.issued", "invitation.used"]);

    for (action, status) in [
        ("users/alice/invite", 409),
        ("users/nobody/invite", 404),
        ("users/bob/invite?lasts=soon", 400),
        ("users/bob/invite?unknown=1", 400),
    ] {
        assert_eq!(provider.admin(action).status, status, "{action}");
    }
    let open = Quickstart::start(&["--admin-token", TOKEN]);
    let url = open.url("/admin/users/alice/invite");
    let reply = Http::new().post(&url, &[], &[("authorization", &format!("Bearer {TOKEN}"))]);
    assert_eq!(reply.status, 409, "{}", reply.body);
    assert!(reply.body.contains("first_enrolment"), "the cure: {}", reply.body);
}
