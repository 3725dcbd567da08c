//! The examples of `docs/mfa-cookbook.md`: APIs that ask for a step-up, the function that carries it out, and the front ends' types.

mod apis;
mod forged;
mod front_ends;
mod one_of_ones_own;

use std::process::Command;
use std::time::Duration;

use countersign_tests::{Http, Process, Quickstart, Reply, cookbook, examples};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
/// A client of `examples/cookbook/quickstart.toml`, and where it is led back to.
const CLIENT: &str = "shop";
const REDIRECT_URI: &str = "http://localhost:5173/callback";
/// What the examples' APIs are called in tokens.
const AUDIENCE: &str = "https://api.example/";

/// The examples' server.
fn provider() -> Quickstart {
    let file = examples().join("cookbook/quickstart.toml");
    let toml = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Quickstart::configured(&toml, &[])
}

/// One of the examples' APIs, on a port of its own; it ends with this value.
struct Api {
    name: &'static str,
    origin: String,
    _process: Process,
}

impl Api {
    /// Both of them, at this issuer.
    fn both(issuer: &str) -> [Self; 2] {
        let mut express = Command::new(variable("COUNTERSIGN_TEST_NODE"));
        express.arg(cookbook().join("express/api.js"));
        [Self::start("Express", express, issuer), Self::flask(issuer)]
    }

    fn flask(issuer: &str) -> Self {
        let mut flask = Command::new(variable("COUNTERSIGN_TEST_PYTHON"));
        flask.arg("-B").arg(cookbook().join("flask/api.py"));
        Self::start("Flask", flask, issuer)
    }

    fn start(name: &'static str, mut command: Command, issuer: &str) -> Self {
        let settings = [("ISSUER", issuer), ("AUDIENCE", AUDIENCE), ("PORT", "0")];
        let mut process = Process::start(command.envs(settings));
        // "listening on …" says one, "Running on …" the other.
        let origin = process.wait_for(PATIENCE, |line| Some(line.split_once(" on http://")?.1.trim().to_owned()));
        Self { name, origin: format!("http://{origin}"), _process: process }
    }

    fn pay(&self, token: &str, amount: impl Into<Value>) -> Reply {
        let bearer = format!("Bearer {token}");
        let body = json!({ "amount": amount.into() });
        Http::new().post_json(&format!("{}/payments", self.origin), &body, &[("authorization", &bearer)])
    }

    fn orders(&self, authorization: &str) -> Reply {
        Http::new().get(&format!("{}/orders", self.origin), &[("authorization", authorization)])
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `cargo xtask test`"))
}
