//! Two nodes behind one address.

use std::process::Command;
use std::time::Duration;

use countersign_tests::{
    CLIENTS, Callback, FrontEnd, Http, Postgres, Process, Quickstart, Relay, Reply, Scratch, User,
};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A provider of two nodes with a database, a master key and an address in common.
pub(crate) struct Site {
    pub(crate) database: Postgres,
    pub(crate) front: Relay,
    nodes: Vec<Node>,
    issuer: String,
    callback: Callback,
    store: String,
    scratch: Scratch,
    throttle: &'static [&'static str],
}

/// Most tests guess, or are in a hurry.
const UNTHROTTLED: &[&str] = &["--throttle", "off"];

/// One node: a process, and where it listens.
struct Node {
    process: Process,
    address: String,
    name: &'static str,
}

impl Site {
    /// Starts a database, and both nodes on it at once.
    pub(crate) fn open() -> Self {
        let database = Postgres::start();
        let store = database.url();
        Self::on(database, store)
    }

    /// Starts both nodes at once, on a database that is found by this URL.
    pub(crate) fn on(database: Postgres, store: String) -> Self {
        Self::with(database, store, UNTHROTTLED)
    }

    /// As [`Site::open`], with the limits on guessing that users have.
    pub(crate) fn throttled() -> Self {
        let database = Postgres::start();
        let store = database.url();
        Self::with(database, store, &[])
    }

    fn with(database: Postgres, store: String, throttle: &'static [&'static str]) -> Self {
        let front = Relay::new();
        let issuer = format!("http://localhost:{}", front.port());
        let scratch = Scratch::new();
        let clients = scratch.file("clients.toml", CLIENTS);
        assert!(clients.is_file());
        let nodes = ["one", "two"].map(|name| {
            let process = Process::start(command(&scratch, &issuer, &store, name, "127.0.0.1:0").args(throttle));
            (process, name)
        });
        let nodes = nodes.into_iter().map(|(process, name)| Node::ready(process, name)).collect();
        let callback = Callback::at("https://shop.example/callback");
        let site = Self { database, front, nodes, issuer, callback, store, scratch, throttle };
        site.lead_to_both();
        site
    }

    /// New connections go to the nodes in turn.
    pub(crate) fn lead_to_both(&self) {
        self.front.lead_to(&[&self.nodes[0].address, &self.nodes[1].address]);
    }

    /// New connections go to this node alone.
    pub(crate) fn lead_to(&self, node: usize) {
        self.front.lead_to(&[&self.nodes[node].address]);
    }

    /// Kills a node where it stands (SIGKILL).
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].process.kill();
    }

    /// Starts a killed node again at its address.
    pub(crate) fn start_again(&mut self, node: usize) {
        let Node { address, name, .. } = &self.nodes[node];
        let mut command = command(&self.scratch, &self.issuer, &self.store, name, address);
        self.nodes[node] = Node::ready(Process::start(command.args(self.throttle)), name);
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn request(&self, client_id: &str) -> String {
        self.callback.authorization_url(&self.issuer, client_id, "openid offline_access")
    }

    /// Signs in, and agrees, in a browser of its own.
    pub(crate) fn code(&self, client_id: &str, user: &mut User) -> String {
        let mut front_end = FrontEnd::new(&self.issuer);
        let back = user.sign_in(&mut front_end, &self.request(client_id));
        self.callback.parameter(&back, &self.issuer, "code")
    }

    /// The code in the address at which a login ended.
    pub(crate) fn code_in(&self, done: &Value) -> String {
        self.callback.parameter(done["redirect_to"].as_str().unwrap(), &self.issuer, "code")
    }

    pub(crate) fn redeem(&self, client_id: &str, code: &str) -> Reply {
        self.callback.redeem(&self.issuer, client_id, code)
    }

    pub(crate) fn grant(&self) -> Value {
        answered(&self.redeem("shop", &self.code("shop", &mut User::alice())))
    }

    pub(crate) fn refresh(&self, tokens: &Value) -> Reply {
        let refresh_token = tokens["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", "shop")];
        Http::new().post(&format!("{}/oauth/token", self.issuer), &form, &[])
    }

    pub(crate) fn userinfo(&self, tokens: &Value) -> Reply {
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        Http::new().get(&format!("{}/userinfo", self.issuer), &[("authorization", &bearer)])
    }

    /// A login of a user who has a factor, up to the question for a code of it.
    pub(crate) fn up_to_the_code(&self, user: &mut User) -> (FrontEnd, String) {
        let mut front_end = FrontEnd::new(&self.issuer);
        let login = front_end.begin(&self.request("bank"));
        user.walk(&mut front_end, &login, "code");
        (front_end, login)
    }

    /// A user with a factor, who has signed in with it once.
    pub(crate) fn enrolled(&self) -> User {
        let mut user = User::alice();
        answered(&self.redeem("bank", &self.code("bank", &mut user)));
        user
    }

    /// That the grant of these tokens is over, on each node.
    pub(crate) fn assert_ended(&self, tokens: &Value) {
        for node in 0..2 {
            self.lead_to(node);
            assert_refused(&self.refresh(tokens));
            let reply = self.userinfo(tokens);
            assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("invalid_token")), "node {node}");
        }
        self.lead_to_both();
    }
}

impl Node {
    fn ready(mut process: Process, name: &'static str) -> Self {
        let address = process.wait_for(PATIENCE, |line| Some(line.split_once("listening at=")?.1.to_owned()));
        process.wait_for(PATIENCE, |line| line.strip_prefix("ready ").map(str::to_owned));
        Self { process, address, name }
    }
}

fn command(scratch: &Scratch, issuer: &str, store: &str, name: &str, address: &str) -> Command {
    let mut command = Quickstart::command(scratch.path());
    command.args(["--listen", address, "--issuer", issuer, "--store", store]);
    command.args(["--config", "clients.toml", "--data", name, "--master-key", "master.key"]);
    command
}

#[track_caller]
pub(crate) fn answered(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

#[track_caller]
pub(crate) fn assert_refused(reply: &Reply) {
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_grant")), "{}", reply.body);
}
