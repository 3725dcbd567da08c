//! Requests that nobody should send. Each gets the refusal that its specification names, none a failure or silence, and the
//! server serves on.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod authorize;
mod bearer;
mod given_back;
mod login;
mod logout;
mod register;
mod token;
mod transport;

use countersign_tests::{Callback, FrontEnd, Http, Quickstart, Reply, Tokens, User, Wire};

const CLIENTS: &str = r#"
    [[client]]
    client_id = "shop"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    post_logout_redirect_uris = ["https://shop.example/out"]
    scope = "openid profile email offline_access"

    [[client]]
    client_id = "once"
    token_endpoint_auth_method = "none"
    redirect_uris = ["https://shop.example/callback"]
    scope = "openid profile"
    grant_types = ["authorization_code"]

    [[client]]
    client_id = "web"
    client_secret = "vT2k7mQx9RzL4wYb8NcJ5hGd3FsP6aEu"
    redirect_uris = ["https://web.example/callback"]
    scope = "openid"

    [[client]]
    client_id = "billing"
    client_secret = "Jm4nT8sVq2LxYc7RbK9wPz5hGd3FaE6u"
    grant_types = ["client_credentials"]
    scope = "orders openid offline_access"

    [[client]]
    client_id = "api"
    client_secret = "Zr6tU1xNw8QbHs4LkC7vMy2jFg9DpE3a"
    grant_types = []
    introspects = ["https://api.example/"]

    [[scope]]
    name = "orders"
    description = "See your orders"

    [[resource]]
    uri = "https://api.example/"
    token_format = "opaque"
"#;
const WEB: &str = "web:vT2k7mQx9RzL4wYb8NcJ5hGd3FsP6aEu";
const SERVICE: &str = "billing:Jm4nT8sVq2LxYc7RbK9wPz5hGd3FaE6u";
const API: &str = "api:Zr6tU1xNw8QbHs4LkC7vMy2jFg9DpE3a";
/// The largest body that is read.
const LIMIT: usize = 64 * 1024;

struct Provider {
    quickstart: Quickstart,
    callback: Callback,
}

/// A request, and the status and the words that answer it: the `error` of a JSON body or of a redirect to the client, `page` for
/// a page that leads nowhere, `` for an answer without a body.
type Case = (&'static str, Wire, u16, &'static str);

impl Provider {
    fn start() -> Self {
        let callback = Callback::at("https://shop.example/callback");
        Self { quickstart: Quickstart::configured(CLIENTS, &[]), callback }
    }

    /// The target of an authorization request that is in order.
    fn request(&self, scope: &str) -> String {
        self.callback.authorization_url("", "shop", scope)
    }

    fn code(&self, scope: &str) -> String {
        let mut browser = FrontEnd::new(self.quickstart.issuer());
        let back = User::alice().sign_in(&mut browser, &self.quickstart.url(&self.request(scope)));
        self.callback.parameter(&back, self.quickstart.issuer(), "code")
    }

    fn tokens(&self, scope: &str) -> Tokens {
        let mut browser = FrontEnd::new(self.quickstart.issuer());
        let back = User::alice().sign_in(&mut browser, &self.quickstart.url(&self.request(scope)));
        self.callback.exchange(&back, self.quickstart.issuer(), "shop")
    }

    /// Sends every request, then signs in as if nothing had been.
    fn check(&self, cases: Vec<Case>) {
        let mut wrong = Vec::new();
        for (what, wire, status, said) in cases {
            let reply = wire.send(self.quickstart.issuer());
            if (reply.status, self.said(&reply).as_str()) != (status, said) {
                wrong.push(format!("{what}: {status} {said} expected:\n{reply:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        self.serves_on();
    }

    fn said(&self, reply: &Reply) -> String {
        if let Some(place) = reply.header("location") {
            return match place.strip_prefix(self.callback.uri()) {
                Some(answer) => format!("sent {}", parameter(answer, "error")),
                None if place.starts_with("/login/") || place.starts_with("/authorize?interaction=") => {
                    "login".to_owned()
                }
                None => place.to_owned(),
            };
        }
        match reply.header("content-type") {
            Some("application/json") if !reply.body.is_empty() => {
                reply.json()["error"].as_str().unwrap_or_default().to_owned()
            }
            Some(html) if html.starts_with("text/html") && !reply.body.is_empty() => "page".to_owned(),
            _ => String::new(),
        }
    }

    fn serves_on(&self) {
        let tokens = self.tokens("openid");
        assert_eq!(tokens.claims["sub"], "alice");
        assert_eq!(self.userinfo(tokens.answer["access_token"].as_str().unwrap()).status, 200);
    }

    fn userinfo(&self, token: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        Http::new().get(&self.quickstart.url("/userinfo"), &[("authorization", &bearer)])
    }
}

/// A parameter of the query or fragment that an answer begins with.
fn parameter(answer: &str, wanted: &str) -> String {
    let pairs = answer.trim_start_matches(['?', '#']).split('&');
    let mut found = pairs.filter_map(|pair| pair.strip_prefix(wanted)?.strip_prefix('='));
    found.next().unwrap_or_default().to_owned()
}
