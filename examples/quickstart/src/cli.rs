//! The command line. Every switch is also an environment variable; the switch wins.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};

/// What stands below the list of switches in `--help`.
const NOTES: &str = "\
The master key is read from the file of --master-key, or from the variable COUNTERSIGN_MASTER_KEY (32 bytes in base64), or \
from master.key in the data folder, which is made at the first start.

Without --config the demo has the clients `demo`, `demo-mfa` (always a second factor) and `demo-legacy` (preset legacy: password \
and MFA grants), and the scope `payments` (second factor). Switches that are marked so come with a later version.

It exits with 0 after SIGTERM or SIGINT, with 2 for a wrong setting and with 1 if it cannot start.";

/// An authorization server with multi-factor authentication on one machine, to try and to read.
#[derive(Parser, Default)]
#[command(name = "quickstart", version, after_help = NOTES)]
pub struct Cli {
    /// What to do instead of serving
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Where to listen: localhost:PORT (both loopback families), or an address with a port; port 0 takes a free one
    #[arg(long, env = "COUNTERSIGN_LISTEN", value_name = "ADDR", default_value = "localhost:4000")]
    pub(crate) listen: String,

    /// The issuer: the URL that names this server; by default http:// (https:// with TLS) and where it listens
    #[arg(long, env = "COUNTERSIGN_ISSUER", value_name = "URL")]
    pub(crate) issuer: Option<String>,

    /// Where records live: memory:, sqlite:FILE, postgres://USER:PASSWORD@HOST/DATABASE, redis://HOST:PORT or redis-cluster://HOST:PORT,HOST:PORT; by default store.db in the data folder
    #[arg(long, env = "COUNTERSIGN_STORE", value_name = "URL", hide_env_values = true)]
    pub(crate) store: Option<String>,

    /// The data folder: store.db, master.key, outbox/, tls/
    #[arg(long, env = "COUNTERSIGN_DATA", value_name = "DIR", default_value = "quickstart-data")]
    pub(crate) data: PathBuf,

    /// The file of the master key, to share it between nodes
    #[arg(long, env = "COUNTERSIGN_MASTER_KEY_FILE", value_name = "FILE")]
    pub(crate) master_key: Option<PathBuf>,

    /// The file of the next master key, which every node learns before any of them seals under it
    #[arg(long, env = "COUNTERSIGN_NEXT_MASTER_KEY", value_name = "FILE")]
    pub(crate) next_master_key: Option<PathBuf>,

    /// The file of an earlier master key, which still opens what it sealed
    #[arg(long, env = "COUNTERSIGN_EARLIER_MASTER_KEY", value_name = "FILE")]
    pub(crate) earlier_master_key: Option<PathBuf>,

    /// On Redis: has every commit wait for the disk and for so many replicas, at least one
    #[arg(long, env = "COUNTERSIGN_DURABLE", value_name = "REPLICAS")]
    pub(crate) durable: Option<u32>,

    /// Where outgoing messages go, one JSON file each; by default outbox in the data folder
    #[arg(long, env = "COUNTERSIGN_OUTBOX", value_name = "DIR")]
    pub(crate) outbox: Option<PathBuf>,

    /// The switches of the server, all at once: oidc, oauth21 or legacy (fapi2 and mcp come with a later version)
    #[arg(long, env = "COUNTERSIGN_PRESET", value_name = "NAME", default_value = "oidc")]
    pub(crate) preset: String,

    /// A file of clients, scopes, resources, lifetimes and rules
    #[arg(long, env = "COUNTERSIGN_CONFIG", value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,

    /// A user to sign in as, repeatable; by default alice:alice-password and bob:bob-password. In the variable: one a line
    #[arg(
        long = "demo-user",
        env = "COUNTERSIGN_DEMO_USER",
        value_name = "NAME:PASSWORD",
        value_delimiter = '\n',
        hide_env_values = true
    )]
    pub(crate) demo_users: Vec<String>,

    /// `off` lifts the limits on guessing: for tests, on loopback
    #[arg(long, env = "COUNTERSIGN_THROTTLE", value_name = "on|off", default_value = "on")]
    pub(crate) throttle: String,

    /// Allow demo users and the outbox page off loopback
    #[arg(long, env = "COUNTERSIGN_OPEN_DEMO", value_parser = FalseyValueParser::new())]
    pub(crate) open_demo: bool,

    /// HTTPS with a certificate of its own: `self-signed`; tell browsers to trust tls/ca.pem in the data folder
    #[arg(long, env = "COUNTERSIGN_TLS", value_name = "self-signed")]
    pub(crate) tls: Option<String>,

    /// HTTPS with the certificate of this PEM file, and those that lead to its root
    #[arg(long, env = "COUNTERSIGN_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The certificate's key, in PEM
    #[arg(long, env = "COUNTERSIGN_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// A listener that asks for client certificates (later version)
    #[arg(long, env = "COUNTERSIGN_MTLS_LISTEN", value_name = "ADDR")]
    pub(crate) mtls_listen: Option<String>,

    /// Opens /admin/ to this bearer token: 128 random bits, such as `openssl rand -hex 32` prints
    #[arg(long, env = "COUNTERSIGN_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,

    /// A host that may be fetched although it is private, repeatable (later version)
    #[arg(long, env = "COUNTERSIGN_FETCH_ALLOW", value_name = "HOST", value_delimiter = '\n')]
    pub(crate) fetch_allow: Vec<String>,

    /// Decide CIBA requests without a user (later version)
    #[arg(long, env = "COUNTERSIGN_CIBA_AUTO_APPROVAL", value_parser = FalseyValueParser::new())]
    pub(crate) ciba_auto_approval: bool,
}

/// What the quickstart does instead of serving.
#[derive(Subcommand)]
pub enum Command {
    /// Moves a whole store to another database: grants, sessions, users, keys, all as they are
    Move(MoveArgs),
    /// Writes users, clients or grants as JSON lines; the switches of the server stand before `export`
    Export(ExportArgs),
    /// Takes over users and clients from JSON lines; the switches of the server stand before `import`
    Import(ImportArgs),
    /// Seals what an earlier master key sealed and never expires under the present one
    Reseal,
    /// Invites a user to set up a first factor (first_enrolment = "invitation"), and prints the code to hand over
    Invite(InviteArgs),
}

/// Whom to invite.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// The name that the user signs in with
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// How long the invitation lasts: 12h, 7d; by default 7 days, at most 90
    #[arg(long, env = "COUNTERSIGN_INVITE_LASTS", value_name = "TIME")]
    pub(crate) lasts: Option<String>,

    /// Mails the code to the user's verified address instead
    #[arg(long, env = "COUNTERSIGN_INVITE_MAIL", value_parser = FalseyValueParser::new())]
    pub(crate) mail: bool,
}

/// What is exported, and where it goes.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The users, with the hashes of their passwords
    #[arg(long)]
    pub(crate) users: bool,

    /// The clients that registered themselves or were imported, with the hashes of their secrets
    #[arg(long)]
    pub(crate) clients: bool,

    /// The grants that have not ended: for reports, they cannot be imported
    #[arg(long)]
    pub(crate) grants: bool,

    /// Also the seeds of users' authenticators, sealed under the key in this file, which is made if there is none
    #[arg(long, env = "COUNTERSIGN_TRANSFER_KEY", value_name = "KEYFILE")]
    pub(crate) transfer_key: Option<PathBuf>,

    /// The file to write, which must not be there
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// What is imported.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Users who are there already are replaced, password and all; else they stay as they are
    #[arg(long)]
    pub(crate) replace: bool,

    /// The file of the key under which the export sealed authenticators
    #[arg(long, env = "COUNTERSIGN_TRANSFER_KEY", value_name = "KEYFILE")]
    pub(crate) transfer_key: Option<PathBuf>,

    /// The file to read
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// What a move needs to know. It needs no key: everything stays sealed.
#[derive(Args)]
pub struct MoveArgs {
    /// The store to read, written as for --store. Servers on it refuse everything from now on, and do not start
    #[arg(long, env = "COUNTERSIGN_MOVE_FROM", value_name = "URL", hide_env_values = true)]
    pub(crate) from: String,

    /// The store to fill, which must be empty, or half filled by a move that did not end
    #[arg(
        long,
        env = "COUNTERSIGN_MOVE_TO",
        value_name = "URL",
        hide_env_values = true,
        required_unless_present = "undo"
    )]
    pub(crate) to: Option<String>,

    /// Moves nothing, and lifts the mark of an earlier move from the store of --from, so that servers use it again. See first that nothing serves from where it was moved to
    #[arg(long)]
    pub(crate) undo: bool,

    /// How long servers on the store have to notice its mark before it is read; 0 if all of them have been stopped
    #[arg(long, env = "COUNTERSIGN_MOVE_WAIT", value_name = "SECONDS", default_value_t = 5)]
    pub(crate) wait: u64,

    /// On Redis: has everything that is written wait for the disk and for so many replicas, at least one
    #[arg(long, env = "COUNTERSIGN_MOVE_DURABLE", value_name = "REPLICAS")]
    pub(crate) durable: Option<u32>,

    /// How many records are read and written at once: more is faster, and takes more memory
    #[arg(long, env = "COUNTERSIGN_MOVE_AT_ONCE", value_name = "NUMBER", default_value_t = 512)]
    pub(crate) at_once: u16,
}

impl Cli {
    /// What it is to do instead of serving.
    #[must_use]
    pub fn instead(&self) -> Option<&Command> {
        self.command.as_ref()
    }

    /// The first switch given that this version does not have yet.
    pub(crate) fn later_switch(&self) -> Option<&'static str> {
        let given = [
            ("--mtls-listen", self.mtls_listen.is_some()),
            ("--fetch-allow", !self.fetch_allow.is_empty()),
            ("--ciba-auto-approval", self.ciba_auto_approval),
        ];
        given.into_iter().find_map(|(name, given)| given.then_some(name))
    }
}

/// Shows which, and no value.
impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Move(args) => args.fmt(f),
            Self::Export(args) => args.fmt(f),
            Self::Import(args) => args.fmt(f),
            Self::Reseal => f.write_str("Reseal"),
            Self::Invite(args) => args.fmt(f),
        }
    }
}

/// Shows no URL: passwords may stand in them.
impl std::fmt::Debug for MoveArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MoveArgs").field("at_once", &self.at_once).finish_non_exhaustive()
    }
}

/// Shows no value: passwords and tokens may stand among them.
impl std::fmt::Debug for Cli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cli").field("listen", &self.listen).field("data", &self.data).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_switch_has_its_variable() {
        Cli::command().debug_assert();
        for switch in Cli::command().get_arguments() {
            let Some(long) = switch.get_long().filter(|long| !["help", "version"].contains(long)) else { continue };
            // COUNTERSIGN_MASTER_KEY is the key itself.
            let name = if long == "master-key" { "master-key-file" } else { long }; // the others are only ever files
            let variable = format!("COUNTERSIGN_{}", name.to_uppercase().replace('-', "_"));
            assert_eq!(switch.get_env().unwrap().to_str(), Some(variable.as_str()));
        }
    }

    #[test]
    fn promise_4_neither_help_nor_debug_shows_a_secret() {
        let cli = Cli::parse_from(["quickstart", "--demo-user", "eve:hunter2", "--admin-token", "hunter3"]);
        assert!(!format!("{cli:?}").contains("hunter"));
        for secret in ["demo-user", "admin-token", "store"] {
            let command = Cli::command();
            let switch = command.get_arguments().find(|switch| switch.get_long() == Some(secret)).unwrap();
            assert!(switch.is_hide_env_values_set(), "{secret}");
        }
    }

    #[test]
    fn promise_4_the_urls_of_a_move_are_not_shown() {
        let command = Cli::command();
        let moving = command.find_subcommand("move").unwrap();
        for switch in moving.get_arguments().filter(|switch| ["from", "to"].contains(&switch.get_long().unwrap())) {
            assert!(switch.is_hide_env_values_set());
        }
        let cli = Cli::parse_from(["quickstart", "move", "--from", "redis://:hunter2@h", "--to", "sqlite:f"]);
        assert!(!format!("{cli:?}").contains("hunter"));
    }

    #[test]
    fn switches_of_later_versions_are_named() {
        for switch in [&["--mtls-listen", "x"][..], &["--fetch-allow", "x"], &["--ciba-auto-approval"]] {
            let cli = Cli::parse_from([&["quickstart"], switch].concat());
            assert_eq!(cli.later_switch(), Some(switch[0]));
        }
    }
}
