//! What the command line and the configuration file say together, checked.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use countersign::twilio::TwilioConfigError;
use countersign::{Client, ConfigError, SecretString};

use crate::cli::Cli;
use crate::config::{ConfigFileError, FileConfig};
use crate::tls::TlsChoice;

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// On both loopback families, on one port.
    Localhost(u16),
    /// On this address alone.
    Address(SocketAddr),
}

impl Listen {
    /// Whether only this machine can connect.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        match self {
            Self::Localhost(_) => true,
            Self::Address(address) => address.ip().is_loopback(),
        }
    }
}

/// Where records live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreChoice {
    /// In memory: gone with the process.
    Memory,
    /// In an SQLite file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database.
    Postgres(DatabaseUrl),
    /// On Redis or Valkey.
    Redis(DatabaseUrl),
}

impl StoreChoice {
    /// What a URL names; nothing if it names no store. An error must not repeat it, for a password may stand in it.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        const REDIS: [&str; 8] = [
            "redis",
            "rediss",
            "redis-cluster",
            "rediss-cluster",
            "redis-sentinel",
            "rediss-sentinel",
            "valkey",
            "valkeys",
        ];
        match url.split_once(':')? {
            ("memory", "") => Some(Self::Memory),
            ("sqlite", file) if !file.is_empty() => Some(Self::Sqlite(file.trim_start_matches("//").into())),
            ("postgres" | "postgresql", _) => Some(Self::Postgres(DatabaseUrl(url.to_owned()))),
            (scheme, _) if REDIS.contains(&scheme) => Some(Self::Redis(DatabaseUrl(url.to_owned()))),
            _ => None,
        }
    }

    /// What it is called where others read it: without user, password and parameters.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Memory => "memory:".to_owned(),
            Self::Sqlite(file) => format!("sqlite:{}", file.display()),
            Self::Postgres(url) | Self::Redis(url) => {
                let (scheme, rest) = url.expose().split_once("://").unwrap_or_default();
                let place = rest.split(['?', '#']).next().unwrap_or_default();
                // An `@` behind that says that the question mark stood in a password.
                let place = if place.contains('@') || !rest.contains('@') { place } else { "" };
                format!("{scheme}://{}", place.rsplit('@').next().unwrap_or_default())
            }
        }
    }
}

/// Where a database server is. A password may stand in it, so it is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL, password and all.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

/// The switches of the server, by the name of their preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetName {
    /// OAuth 2.1.
    OAuth21,
    /// OpenID Connect as certification asks for it.
    Oidc,
    /// OpenID Connect, and the password grant for clients of one's own.
    Legacy,
}

/// A user to sign in as.
#[derive(Debug)]
pub struct DemoUser {
    /// The user name, which is the subject too.
    pub name: String,
    /// The password.
    pub password: SecretString,
}

/// The users of a demo that names none. Their passwords are no secrets: they stand in the documentation.
const DEFAULT_USERS: [&str; 2] = ["alice:alice-password", "bob:bob-password"];

impl DemoUser {
    /// The password, if it is the one that the documentation gives this user.
    #[must_use]
    pub fn known_password(&self) -> Option<&'static str> {
        let known = DEFAULT_USERS.iter().filter_map(|user| user.split_once(':'));
        let own = known.into_iter().find(|(name, password)| *name == self.name && self.password.matches(password));
        own.map(|(_, password)| password)
    }
}

/// The group of administrators where no file names one.
pub(crate) const DEMO_ADMINS: &str = "admin";

/// Everything that the quickstart needs to know before it starts.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: Listen,
    /// The issuer, unless it follows from where the server listens.
    pub issuer: Option<String>,
    /// Where the certificate comes from; plain HTTP without one.
    pub tls: Option<TlsChoice>,
    /// Where records live.
    pub store: StoreChoice,
    /// The data folder.
    pub data: PathBuf,
    /// The file of the master key, if it is not the data folder's.
    pub master_key: Option<PathBuf>,
    /// The file of the next master key.
    pub next_master_key: Option<PathBuf>,
    /// The file of an earlier master key.
    pub earlier_master_key: Option<PathBuf>,
    /// For how many replicas each commit waits, on Redis.
    pub durable: Option<u32>,
    /// Where outgoing messages go.
    pub outbox: PathBuf,
    /// The switches of the server.
    pub preset: PresetName,
    /// The users to sign in as.
    pub users: Vec<DemoUser>,
    /// Whether guessing is limited.
    pub throttle: bool,
    /// What opens `/admin/`; nothing does without it.
    pub admin_token: Option<SecretString>,
    /// Clients, scopes, lifetimes and rules of a file; the demo's own without one.
    pub file: Option<FileConfig>,
}

/// A setting is wrong. The program says so and exits with 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A switch that this version does not have.
    #[error("{0} comes with a later version: start without it")]
    LaterSwitch(&'static str),
    /// `--listen` is neither `localhost:PORT` nor an address with a port.
    #[error("--listen {0:?} is no address: write localhost:4000, 127.0.0.1:4000 or [::1]:4000")]
    Listen(String),
    /// `--issuer` is missing where it cannot be told from the address.
    #[error("--issuer is needed with --listen {0}: say the https:// URL that browsers reach this server at")]
    NoIssuer(SocketAddr),
    /// A command needs the issuer, and no port says it.
    #[error("--issuer is needed: the records are those of an issuer, and --listen names no port to tell it from")]
    IssuerNeeded,
    /// `--tls` names no way to get a certificate.
    #[error("--tls {0:?}: write --tls self-signed, or name a certificate of your own with --tls-cert and --tls-key")]
    Tls(String),
    /// `--tls` stands beside `--tls-cert`.
    #[error("--tls self-signed and --tls-cert name two certificates: leave one of them out")]
    TwoCertificates,
    /// One of `--tls-cert` and `--tls-key` is missing.
    #[error("{0} is needed too: a certificate is served with its key")]
    HalfCertificate(&'static str),
    /// The issuer is not served by HTTPS.
    #[error("--issuer {0} is plain HTTP, and TLS is switched on: write https://, or leave the switch for TLS out")]
    PlainIssuer(String),
    /// `--store` names no store.
    #[error(
        "--store names no store: write sqlite:FILE, postgres://USER:PASSWORD@HOST/DATABASE, redis://HOST:PORT or memory:"
    )]
    Store,
    /// `--durable` stands beside a store that is not Redis, or names no replica.
    #[error(
        "--durable says for how many replicas of a Redis server to wait, at least one: name one with --store redis://…, or leave it out"
    )]
    Durable,
    /// `--preset` is one of a later version.
    #[error("--preset {0}: comes with a later version; use oidc or oauth21")]
    LaterPreset(String),
    /// `--preset` is no preset.
    #[error("--preset {0:?} is no preset: use oidc or oauth21")]
    Preset(String),
    /// `--throttle` is neither on nor off.
    #[error("--throttle is on or off")]
    Throttle,
    /// `--demo-user` is not a name and a password.
    #[error("--demo-user number {0} is not NAME:PASSWORD, with a name of visible ASCII that stands once")]
    DemoUser(usize),
    /// `--admin-token` can never be presented.
    #[error("--admin-token is no bearer token: use letters, digits and -._~+/, such as `openssl rand -hex 32` prints")]
    AdminToken,
    /// `--admin-token` can be guessed, where others can try.
    #[error("--admin-token can be guessed: use 128 random bits or more, such as `openssl rand -hex 32` prints")]
    WeakAdminToken,
    /// The demo would be open to other machines.
    #[error(
        "{what} would be open to other machines at {listen}: listen on localhost, or add --open-demo if you mean it"
    )]
    OffLoopback {
        /// What would be open.
        what: &'static str,
        /// Where it was to listen.
        listen: SocketAddr,
    },
    /// The configuration file is wrong.
    #[error(transparent)]
    File(#[from] ConfigFileError),
    /// The file speaks of a user who is not there.
    #[error("{file}, line {line}: there is no user {user}: add --demo-user {user}:PASSWORD", file = file.display())]
    NoSuchUser {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The user's name.
        user: String,
    },
    /// The server refuses an entry of the file.
    #[error("{file}, line {line}: {source}", file = file.display())]
    Entry {
        /// The file.
        file: PathBuf,
        /// The line at which the entry begins.
        line: usize,
        /// Why.
        source: ConfigError,
    },
    /// Twilio cannot report to this issuer.
    #[error("[twilio] status_callback: Twilio cannot report to this issuer: {0}; leave it out")]
    StatusCallback(#[source] TwilioConfigError),
    /// The server refuses what the switches say.
    #[error(transparent)]
    Server(ConfigError),
}

impl Settings {
    /// Checks what the command line says, and reads the file that it names.
    ///
    /// # Errors
    /// [`SettingsError`] says what is wrong and how to put it right.
    pub fn from_cli(cli: &Cli) -> Result<Self, SettingsError> {
        if let Some(switch) = cli.later_switch() {
            return Err(SettingsError::LaterSwitch(switch));
        }
        let listen = listen(&cli.listen)?;
        let settings = Self {
            listen,
            issuer: cli.issuer.clone(),
            tls: tls(cli)?,
            store: store(cli)?,
            data: cli.data.clone(),
            master_key: cli.master_key.clone(),
            next_master_key: cli.next_master_key.clone(),
            earlier_master_key: cli.earlier_master_key.clone(),
            durable: cli.durable,
            outbox: cli.outbox.clone().unwrap_or_else(|| cli.data.join("outbox")),
            preset: preset(&cli.preset)?,
            users: users(&cli.demo_users)?,
            throttle: throttle(&cli.throttle)?,
            admin_token: admin_token(cli, listen)?,
            file: cli.config.as_deref().map(FileConfig::load).transpose()?,
        };
        if settings.durable.is_some_and(|least| least == 0 || !matches!(settings.store, StoreChoice::Redis(_))) {
            return Err(SettingsError::Durable);
        }
        settings.refuse_openness(cli.open_demo)?;
        settings.refuse_unknown_users()?;
        Ok(settings)
    }

    /// Whose members are administrators: as the file says, and in the demo those of `admin`.
    pub(crate) fn admin_group(&self) -> Option<&str> {
        match &self.file {
            Some(file) => file.admin.as_ref().map(|admin| admin.group.as_str()),
            None => Some(DEMO_ADMINS),
        }
    }

    /// Whether a user without a factor needs an invitation to set one up.
    pub(crate) fn invites(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.mfa.invites())
    }

    /// Demo users, open registration, the outbox page and unlimited guessing are for this machine alone, unless the operator says otherwise.
    fn refuse_openness(&self, open_demo: bool) -> Result<(), SettingsError> {
        let Listen::Address(listen) = self.listen else { return Ok(()) };
        if listen.ip().is_loopback() {
            return Ok(());
        }
        if !open_demo {
            let what =
                if self.throttle { "the demo users, open registration and the outbox" } else { "unlimited guessing" };
            return Err(SettingsError::OffLoopback { what, listen });
        }
        if self.issuer.is_none() { Err(SettingsError::NoIssuer(listen)) } else { Ok(()) }
    }

    fn refuse_unknown_users(&self) -> Result<(), SettingsError> {
        let Some(file) = &self.file else { return Ok(()) };
        let known = |name: &String| self.users.iter().any(|user| user.name == *name);
        match file.users.keys().find(|name| !known(name)) {
            Some(name) => {
                let line = file.line_of_user(name);
                Err(SettingsError::NoSuchUser { file: file.path.clone(), line, user: name.clone() })
            }
            None => Ok(()),
        }
    }
}

fn listen(text: &str) -> Result<Listen, SettingsError> {
    let wrong = || SettingsError::Listen(text.to_owned());
    match text.strip_prefix("localhost:") {
        Some(port) => port.parse().map(Listen::Localhost).map_err(|_| wrong()),
        None => text.parse().map(Listen::Address).map_err(|_| wrong()),
    }
}

fn tls(cli: &Cli) -> Result<Option<TlsChoice>, SettingsError> {
    let choice = match (cli.tls.as_deref(), &cli.tls_cert, &cli.tls_key) {
        (None, None, None) => return Ok(None),
        (Some("self-signed"), None, None) => TlsChoice::SelfSigned,
        (None, Some(certificate), Some(key)) => TlsChoice::Files { certificate: certificate.clone(), key: key.clone() },
        (Some("self-signed"), ..) => return Err(SettingsError::TwoCertificates),
        (Some(other), ..) => return Err(SettingsError::Tls(other.to_owned())),
        (None, Some(_), None) => return Err(SettingsError::HalfCertificate("--tls-key")),
        (None, None, Some(_)) => return Err(SettingsError::HalfCertificate("--tls-cert")),
    };
    match cli.issuer.as_deref().filter(|issuer| issuer.starts_with("http://")) {
        Some(issuer) => Err(SettingsError::PlainIssuer(issuer.to_owned())),
        None => Ok(Some(choice)),
    }
}

fn store(cli: &Cli) -> Result<StoreChoice, SettingsError> {
    match cli.store.as_deref() {
        None => Ok(StoreChoice::Sqlite(cli.data.join("store.db"))),
        Some(url) => StoreChoice::parse(url).ok_or(SettingsError::Store),
    }
}

fn preset(name: &str) -> Result<PresetName, SettingsError> {
    match name {
        "oauth21" => Ok(PresetName::OAuth21),
        "oidc" => Ok(PresetName::Oidc),
        "legacy" => Ok(PresetName::Legacy),
        "fapi2" | "mcp" => Err(SettingsError::LaterPreset(name.to_owned())),
        _ => Err(SettingsError::Preset(name.to_owned())),
    }
}

fn throttle(text: &str) -> Result<bool, SettingsError> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(SettingsError::Throttle),
    }
}

/// A token as RFC 6750 §2.1 spells it. On loopback one that somebody typed will do, and is told.
fn admin_token(cli: &Cli, listen: Listen) -> Result<Option<SecretString>, SettingsError> {
    let Some(token) = cli.admin_token.as_deref() else { return Ok(None) };
    let letters = token.trim_end_matches('=');
    let spelt = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if letters.is_empty() || !letters.bytes().all(spelt) {
        return Err(SettingsError::AdminToken);
    }
    let weak = Client::confidential("admin", SecretString::new(token)).has_weak_secret();
    match (weak, listen.is_loopback()) {
        (true, false) => return Err(SettingsError::WeakAdminToken),
        (true, true) => {
            tracing::warn!("--admin-token could be guessed; use 128 random bits where others can reach this server");
        }
        (false, _) => {}
    }
    Ok(Some(SecretString::new(token)))
}

fn users(given: &[String]) -> Result<Vec<DemoUser>, SettingsError> {
    let defaults = DEFAULT_USERS.map(str::to_owned);
    let given = if given.is_empty() { &defaults } else { given };
    let mut users: Vec<DemoUser> = Vec::new();
    for (at, text) in given.iter().enumerate() {
        let user = text.split_once(':').filter(|(name, password)| {
            let named = (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
            named && !password.is_empty() && users.iter().all(|earlier| earlier.name != *name)
        });
        let (name, password) = user.ok_or(SettingsError::DemoUser(at + 1))?;
        users.push(DemoUser { name: name.to_owned(), password: SecretString::new(password) });
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const STRONG: &str = "4d5f4e8f9a63d2c17e58f0abb7c1e0a9";

    fn settings(switches: &[&str]) -> Result<Settings, SettingsError> {
        Settings::from_cli(&Cli::parse_from([&["quickstart"], switches].concat()))
    }

    #[test]
    fn promise_4_what_a_store_is_called_has_no_password() {
        for (url, shown) in [
            ("sqlite:data/store.db", "sqlite:data/store.db"),
            ("postgres://u:hunter2@db.example:5432/auth?sslmode=require", "postgres://db.example:5432/auth"),
            ("postgres://db.example/auth?user=u&password=hunter2", "postgres://db.example/auth"),
            ("postgres://db.example/auth?password=hun@ter2", "postgres://"),
            ("postgres://u:hunt?er2@db.example/auth", "postgres://"),
            ("postgres://u:hun@ter2@db.example/auth", "postgres://db.example/auth"),
            ("redis://:hunter2@a.example:6379", "redis://a.example:6379"),
            ("redis-cluster://u:hunter2@a:1,b:2", "redis-cluster://a:1,b:2"),
        ] {
            assert_eq!(StoreChoice::parse(url).unwrap().shown(), shown, "{url}");
        }
    }

    #[test]
    fn without_switches_it_is_the_demo_on_localhost() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.listen, Listen::Localhost(4000));
        assert_eq!(settings.store, StoreChoice::Sqlite("quickstart-data/store.db".into()));
        assert_eq!(settings.outbox, PathBuf::from("quickstart-data/outbox"));
        assert_eq!(settings.users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
        assert!(settings.users[0].password.matches("alice-password"));
        assert!(settings.throttle && settings.file.is_none() && settings.issuer.is_none());
    }

    #[test]
    fn switches_are_read() {
        let settings = settings(&[
            "--listen=127.0.0.1:0",
            "--store=sqlite://x/y.db",
            "--data=d",
            "--preset=oauth21",
            "--throttle=off",
            "--demo-user=eve:a:b c",
            "--outbox=o",
        ])
        .unwrap();
        assert_eq!(settings.listen, Listen::Address("127.0.0.1:0".parse().unwrap()));
        assert_eq!(settings.store, StoreChoice::Sqlite("x/y.db".into()));
        assert_eq!((settings.preset, settings.throttle), (PresetName::OAuth21, false));
        assert!(settings.users.len() == 1 && settings.users[0].password.matches("a:b c"));
    }

    #[test]
    fn promise_4_a_databases_password_is_shown_nowhere() {
        for url in ["postgres://u:hunter2@h/db", "postgresql://u:hunter2@h:5433/db?sslmode=require"] {
            let settings = settings(&["--store", url]).unwrap();
            assert!(!format!("{settings:?}").contains("hunter2"));
            assert!(matches!(settings.store, StoreChoice::Postgres(kept) if kept.expose() == url));
        }
    }

    #[test]
    fn promise_4_the_url_of_a_store_is_not_shown() {
        for url in ["redis://:hunter2@h", "rediss://u:hunter2@h/1", "redis-cluster://u:hunter2@a:1,b:2"] {
            let settings = settings(&["--store", url]).unwrap();
            assert!(!format!("{settings:?}").contains("hunter2"));
            assert!(matches!(settings.store, StoreChoice::Redis(kept) if kept.expose() == url));
        }
    }

    #[test]
    fn wrong_switches_say_the_cure() {
        for (switch, cure) in [
            ("--listen=4000", "localhost:4000"),
            ("--listen=localhost", "localhost:4000"),
            ("--listen=localhost:70000", "localhost:4000"),
            ("--store=mysql://u:hunter2@h", "redis://HOST:PORT"),
            ("--store=hunter2", "sqlite:FILE"),
            ("--durable=1", "redis://"),
            ("--preset=fapi2", "later version"),
            ("--preset=nonsense", "oidc or oauth21"),
            ("--throttle=maybe", "on or off"),
            ("--admin-token=hunter2 or so", "openssl rand"),
            ("--admin-token=", "openssl rand"),
            ("--demo-user=hunter2", "NAME:PASSWORD"),
            ("--demo-user=:hunter2", "NAME:PASSWORD"),
            ("--tls=letsencrypt", "--tls self-signed"),
            ("--tls-cert=c", "--tls-key"),
            ("--tls-key=k", "--tls-cert"),
            ("--mtls-listen=localhost:0", "later version"),
            ("--config=no/such/file.toml", "no/such/file.toml"),
        ] {
            let error = settings(&[switch]).unwrap_err().to_string();
            assert!(error.contains(cure), "{switch}: {error}");
            assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
        }
        assert!(settings(&["--demo-user=a:1", "--demo-user=a:2"]).is_err());
        let two = settings(&["--tls=self-signed", "--tls-cert=c", "--tls-key=k"]);
        assert!(matches!(two, Err(SettingsError::TwoCertificates)));
        let plain = settings(&["--tls=self-signed", "--issuer=http://localhost:4000"]);
        assert!(matches!(plain, Err(SettingsError::PlainIssuer(_))));
    }

    #[test]
    fn promise_6_an_admin_token_that_can_be_guessed_is_refused_off_loopback() {
        let open = ["--listen=0.0.0.0:0", "--open-demo", "--issuer=https://id.example.com"];
        for (token, fits) in [("hunter2", false), ("correct-horse", false), (STRONG, true)] {
            let token = format!("--admin-token={token}");
            let far = settings(&[&open[..], &[&token]].concat());
            assert_eq!(matches!(far, Err(SettingsError::WeakAdminToken)), !fits, "{far:?}");
            assert!(settings(&[&token]).unwrap().admin_token.is_some());
        }
    }

    #[test]
    fn off_loopback_the_demo_opens_only_when_told() {
        for open in
            [&["--listen=0.0.0.0:4000"][..], &["--listen=192.0.2.1:4000", "--throttle=off"], &["--listen=[::]:0"]]
        {
            assert!(matches!(settings(open), Err(SettingsError::OffLoopback { .. })), "{open:?}");
        }
        let open = ["--listen=0.0.0.0:4000", "--open-demo"];
        assert!(matches!(settings(&open), Err(SettingsError::NoIssuer(_))));
        assert!(settings(&[&open[..], &["--issuer=https://id.example.com"]].concat()).is_ok());
        assert!(settings(&["--listen=[::1]:0", "--throttle=off"]).is_ok());
    }
}
