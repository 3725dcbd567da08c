//! Two nodes behind one address, on one store: what serves once serves once across both, and what one node began the other ends.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "../../../crates/storage-redis/tests/servers/authority.rs"]
mod authority;
mod balancer;
mod moves;
mod redis;
#[path = "../../../crates/storage-redis/tests/servers/mod.rs"]
mod servers;

use countersign_tests::{
    CLIENTS, Callback, FrontEnd, Http, Quickstart, Reply, Scratch, User, at_once, guesses_at_once,
};
use serde_json::{Value, json};

use balancer::Balancer;
use servers::free_port;

/// Nodes that share a store and a master key, and the address that their users know.
pub(crate) struct Nodes {
    pub(crate) balancer: Balancer,
    pub(crate) nodes: Vec<Quickstart>,
    issuer: String,
    callback: Callback,
    _keys: Scratch,
}

impl Nodes {
    /// Two nodes on the store at `url`.
    pub(crate) fn on(url: &str) -> Self {
        Self::with(url, &["--throttle", "off"])
    }

    /// The same with more switches, or without that which lets tests guess.
    pub(crate) fn with(url: &str, more: &[&str]) -> Self {
        let ports = vec![free_port(), free_port()];
        let balancer = Balancer::before(ports.clone());
        let (issuer, keys) = (balancer.issuer(), Scratch::new());
        let key = keys.path().join("master.key").to_string_lossy().into_owned();
        let switches = [&["--store", url, "--master-key", &key], more].concat();
        // One after the other: the first makes the key.
        let nodes = ports.into_iter().map(|port| Quickstart::node(&issuer, port, CLIENTS, &switches)).collect();
        let callback = Callback::at("https://shop.example/callback");
        Self { balancer, nodes, issuer, callback, _keys: keys }
    }

    fn request(&self, client_id: &str) -> String {
        self.callback.authorization_url(&self.issuer, client_id, "openid offline_access")
    }

    fn front_end(&self) -> FrontEnd {
        FrontEnd::new(&self.issuer)
    }

    fn code(&self, client_id: &str, user: &mut User) -> String {
        let back = user.sign_in(&mut self.front_end(), &self.request(client_id));
        self.callback.parameter(&back, &self.issuer, "code")
    }

    fn redeem(&self, client_id: &str, code: &str) -> Reply {
        self.callback.redeem(&self.issuer, client_id, code)
    }

    fn grant(&self) -> Value {
        self.grant_of(&mut User::alice())
    }

    fn grant_of(&self, user: &mut User) -> Value {
        let reply = self.redeem("shop", &self.code("shop", user));
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }

    fn refresh(&self, refresh_token: &Value) -> Reply {
        let token = refresh_token.as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "shop")];
        Http::new().post(&format!("{}/oauth/token", self.issuer), &form, &[])
    }

    fn refreshed(&self, refresh_token: &Value) -> Value {
        let reply = self.refresh(refresh_token);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }

    fn userinfo(&self, tokens: &Value) -> u16 {
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        Http::new().get(&format!("{}/userinfo", self.issuer), &[("authorization", &bearer)]).status
    }
}

/// A login with password, enrolment and consent; code, tokens, refresh: each step on the other node than the one before.
pub(crate) fn a_login_begun_on_one_node_ends_on_the_other(nodes: &Nodes) {
    let mut alice = User::alice();
    let mut front_end = nodes.front_end();
    nodes.balancer.only(0);
    let login = front_end.begin(&nodes.request("bank"));
    nodes.balancer.only(1);
    assert_eq!(front_end.read(&login).json()["step"], "password");
    nodes.balancer.only(0);
    let enrol = front_end.answer(&login, alice.password()).json();
    assert_eq!(enrol["step"], "enrol");
    nodes.balancer.each();
    let done = alice.walk(&mut front_end, &login, "done");
    let code = nodes.callback.parameter(done["redirect_to"].as_str().unwrap(), &nodes.issuer, "code");
    nodes.balancer.only(0);
    let reply = nodes.redeem("bank", &code);
    assert_eq!(reply.status, 200, "{}", reply.body);
    nodes.balancer.only(1);
    assert_eq!(nodes.userinfo(&reply.json()), 200);
    nodes.balancer.each();
}

/// 64 redemptions of one code over both nodes: one wins, and then the grant ends on both.
pub(crate) fn of_64_redemptions_across_nodes_one_wins(nodes: &Nodes) {
    let code = nodes.code("shop", &mut User::alice());
    let replies = at_once(vec![(); 64], |()| nodes.redeem("shop", &code));
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1, "exactly one may win");
    for reply in lost {
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_grant")));
    }
    for node in 0..2 {
        nodes.balancer.only(node);
        assert_eq!(nodes.userinfo(&won[0].json()), 401, "node {node}");
        assert_eq!(nodes.refresh(&won[0].json()["refresh_token"]).status, 400);
    }
    nodes.balancer.each();
}

/// 64 refreshes of one token over both nodes: all that are answered get one successor.
pub(crate) fn of_64_refreshes_across_nodes_all_get_one_successor(nodes: &Nodes) {
    // Whoever's token was used twice proves a factor for a while, and sets up no first one: nobody who is needed below.
    let first = nodes.grant_of(&mut User::new("bob", "bob-password"));
    let replies = at_once(vec![(); 64], |()| nodes.refresh(&first["refresh_token"]));
    let mut successors = Vec::new();
    for reply in &replies {
        match reply.status {
            200 => successors.push(reply.json()["refresh_token"].clone()),
            503 => assert!(reply.header("retry-after").is_some()),
            status => panic!("{status}: {}", reply.body),
        }
    }
    assert!(!successors.is_empty());
    successors.dedup();
    assert_eq!(successors.len(), 1, "one successor");
    let next = nodes.refreshed(&successors[0]);
    assert_eq!(nodes.refresh(&first["refresh_token"]).status, 400, "reuse, once the successor was used");
    assert_eq!(nodes.refresh(&next["refresh_token"]).status, 400, "and the grant has ended");
}

/// 16 logins over both nodes with one TOTP code: one gets on.
pub(crate) fn of_16_uses_of_one_totp_step_across_nodes_one_gets_on(nodes: &Nodes) {
    let mut user = User::new("bob", "bob-password");
    nodes.code("bank", &mut user);
    let logins: Vec<_> = (0..16)
        .map(|_| {
            let mut front_end = nodes.front_end();
            let login = front_end.begin(&nodes.request("bank"));
            user.walk(&mut front_end, &login, "code");
            (front_end, login)
        })
        .collect();
    let code = user.lasting_code();
    let replies =
        at_once(logins, |(mut front_end, login)| front_end.answer(&login, json!({ "answer": "code", "code": code })));
    let won = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(won, 1, "a step serves once, whichever node is asked");
    assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 422)), "the others were told a wrong code");
}

/// 32 guesses at one password over both nodes: as many are looked at as one node alone would let through.
pub(crate) fn of_32_passwords_guessed_across_nodes_ten_are_looked_at(nodes: &Nodes) {
    let request = nodes.request("shop");
    assert_eq!(guesses_at_once(32, &nodes.issuer, &request, "alice"), (10, 22), "compared, and put off");
    assert_eq!(guesses_at_once(4, &nodes.issuer, &request, "alice"), (0, 4), "and nothing more afterwards");
}

/// A node that is killed loses nothing that was answered, and the other goes on.
pub(crate) fn a_killed_node_loses_nothing(nodes: &mut Nodes) {
    nodes.balancer.only(0);
    let tokens = nodes.grant();
    let mut front_end = nodes.front_end();
    let login = front_end.begin(&nodes.request("shop"));
    nodes.nodes[0].process().kill();
    nodes.balancer.only(1);
    let done = User::alice().walk(&mut front_end, &login, "done");
    assert!(done["redirect_to"].as_str().unwrap().starts_with("https://shop.example/callback?"));
    let second = nodes.refreshed(&tokens["refresh_token"]);
    nodes.nodes[0].crash();
    nodes.balancer.only(0);
    assert_eq!(nodes.userinfo(&second), 200);
    nodes.refreshed(&second["refresh_token"]);
    nodes.balancer.each();
}

/// While the store is down both nodes answer 503 with `Retry-After`, and serve again by themselves when it is back.
pub(crate) fn a_store_that_is_down_is_503_and_service_returns(nodes: &Nodes, down: impl FnOnce(), up: impl FnOnce()) {
    let tokens = nodes.grant();
    down();
    for node in 0..2 {
        nodes.balancer.only(node);
        let reply = nodes.refresh(&tokens["refresh_token"]);
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert!(reply.header("retry-after").is_some());
        let begin = Http::new().get(&nodes.request("shop"), &[]);
        assert_eq!(begin.status, 503, "{}", begin.body);
    }
    up();
    for node in 0..2 {
        nodes.balancer.only(node);
        servers::until("service returns", || nodes.refresh(&tokens["refresh_token"]).status == 200);
    }
    nodes.balancer.each();
    nodes.grant();
}
