//! The example file of the quickstart: each of its clients does what it is there for, and each mistake in it has a line.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_tests::{Http, Process, Quickstart, Reply, Scratch};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const SHOP: (&str, &str) = ("shop", "b7c1e0a94d5f4e8f9a63d2c17e58f0ab");
const FORUM: (&str, &str) = ("forum", "4f0d6b1c9e8a4b75a3c2d1e0f9876543");
const BILLING: (&str, &str) = ("billing", "c01dcafe5d8e4b7fa2b6e3f9d4a7c815");
const API: (&str, &str) = ("orders-api", "9e4d1f0b7a6c4c3d8b5e2a1f0c9d8e7b");

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart/example.toml")
}

struct Served(Quickstart);

impl Served {
    fn start() -> Self {
        Self(Quickstart::start(&["--config", &example().to_string_lossy()]))
    }

    fn post(&self, path: &str, form: &[(&str, &str)], basic: Option<(&str, &str)>) -> Reply {
        let credentials = basic.map(|(id, secret)| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
        let header = credentials.as_deref().map(|value| ("authorization", value));
        Http::new().post(&self.0.url(path), form, header.as_slice())
    }

    /// What the token endpoint says of a grant that nobody gave: `invalid_grant` to a client that it knows again.
    fn greets(&self, form: &[(&str, &str)], basic: Option<(&str, &str)>) -> String {
        let grant = [("grant_type", "authorization_code"), ("code", "nobody's")];
        let reply = self.post("/oauth/token", &[&grant[..], form].concat(), basic).json();
        reply["error"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether a request of this client at this address gets as far as a login; else a page says why not.
    fn authorizes(&self, client_id: &str, redirect_uri: &str) -> bool {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("response_type", "code"), ("client_id", client_id), ("redirect_uri", redirect_uri)])
            .extend_pairs([("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")])
            .extend_pairs([("code_challenge_method", "S256"), ("state", "s")])
            .finish();
        let reply = Http::new().get(&self.0.url(&format!("/authorize?{query}")), &[]);
        assert!([200, 303, 400].contains(&reply.status), "{}", reply.status);
        reply.status != 400
    }
}

#[test]
fn rfc7591_2_every_client_of_the_example_authenticates_by_its_own_method_alone() {
    let served = Served::start();
    assert_eq!(served.greets(&[], Some(SHOP)), "invalid_grant");
    let in_form = [("client_id", FORUM.0), ("client_secret", FORUM.1)];
    assert_eq!(served.greets(&in_form, None), "invalid_grant");
    assert_eq!(served.greets(&[("client_id", "spa")], None), "invalid_grant");
    assert_eq!(served.greets(&[("client_id", "bank")], None), "invalid_grant");

    assert_eq!(served.greets(&[], Some((SHOP.0, FORUM.1))), "invalid_client", "another's secret");
    assert_eq!(served.greets(&[], Some(FORUM)), "invalid_client", "in the header instead of the form");
    assert_eq!(served.greets(&[("client_id", "shop")], None), "invalid_client", "without its secret");
    assert_eq!(served.greets(&[("client_id", "robot")], None), "invalid_client", "without its key");
    let forged = [
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJyb2JvdCIsInN1YiI6InJvYm90In0."),
        ("client_id", "robot"),
    ];
    assert_eq!(served.greets(&forged, None), "invalid_client", "with an assertion that nobody signed");
}

#[test]
fn rfc7662_the_example_service_gets_opaque_tokens_and_the_example_api_asks_about_them() {
    let served = Served::start();
    let reply = served.post("/oauth/token", &[("grant_type", "client_credentials")], Some(BILLING));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let tokens = reply.json();
    let token = tokens["access_token"].as_str().unwrap();
    assert!(!token.contains('.') && tokens["expires_in"] == 300, "{tokens}");
    let ask = |who| served.post("/oauth/introspect", &[("token", token)], Some(who)).json();
    let seen = ask(API);
    assert_eq!(
        (&seen["active"], &seen["client_id"], &seen["scope"]),
        (&true.into(), &"billing".into(), &"orders".into())
    );
    assert_eq!(ask(SHOP), serde_json::json!({ "active": false }), "nothing of another's API");
    assert_eq!(served.post("/oauth/revoke", &[("token", token)], Some(BILLING)).status, 200);
    assert_eq!(ask(API)["active"], Value::Bool(false));
}

#[test]
fn rfc8252_7_the_example_clients_come_home_to_their_registered_addresses_alone() {
    let served = Served::start();
    for (client, uri, comes_home) in [
        ("shop", "https://shop.example/callback", true),
        ("shop", "https://shop.example/callback/", false),
        ("spa", "https://spa.example/", true),
        ("spa", "https://shop.example/callback", false),
        ("bank", "http://127.0.0.1:49152/callback", true),
        ("bank", "http://127.0.0.1:49152/other", false),
        ("bank", "com.example.bank:/callback", true),
        ("bank", "com.example.evil:/callback", false),
    ] {
        assert_eq!(served.authorizes(client, uri), comes_home, "{client} at {uri}");
    }
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_line() {
    let good = std::fs::read_to_string(example()).unwrap();
    for (what, replacement, word) in [
        ("client_secret = \"4f0d6b1c9e8a4b75a3c2d1e0f9876543\"", "client_secrets = \"x\"", "client_secrets"),
        ("\"https://spa.example/\"", "\"https://spa.example/#x\"", "spa"),
        ("\"com.example.bank:/callback\"", "\"javascript:alert(1)\"", "bank"),
        ("token_endpoint_auth_method = \"client_secret_post\"", "token_endpoint_auth_method = \"none\"", "forum"),
        ("kty = \"EC\"", "kty = \"oct\"", "robot"),
        ("grant_types = [\"client_credentials\"]", "grant_types = [\"telepathy\"]", "telepathy"),
        ("introspects = [\"https://api.example/\"]", "introspects = [\"https://nobody.example/\"]", "nobody.example"),
        ("scope = \"orders\"", "scope = \"ordres\"", "ordres"),
        ("policy = \"never\"", "policy = \"sometimes\"", "sometimes"),
        ("access_token = \"5m\"", "access_token = \"soon\"", "soon"),
        ("[user.alice]", "[user.carol]", "carol"),
    ] {
        assert!(good.contains(what), "{what} stands in the example");
        let scratch = Scratch::new();
        let file = scratch.file("wrong.toml", &good.replacen(what, replacement, 1));
        let switches = ["--listen", "localhost:0", "--config", &file.to_string_lossy()];
        let mut process = Process::start(Quickstart::command(scratch.path()).args(switches));
        let (status, output) = (process.wait(PATIENCE).code(), process.output());
        assert_eq!(status, Some(2), "{replacement}: {output}");
        assert!(output.contains("wrong.toml, line ") && output.contains(word), "{replacement}: {output}");
    }
}
