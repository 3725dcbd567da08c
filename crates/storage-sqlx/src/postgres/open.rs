//! Finding out what a server is before anything is written to it.

use std::str::FromStr as _;
use std::sync::Arc;

use countersign_storage_traits::Capabilities;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Row as _};

use super::error::{Place, ServerError, ServerTrouble};
use crate::{OpenError, SqlOptions};

/// What a server makes of several writes in one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// PostgreSQL itself.
    Postgres,
    /// A distributed database that speaks its protocol.
    Distributed,
}

/// Parameters that a URL may have. Others would be dropped in silence, and shown in a log with what stands behind them.
const PARAMETERS: [&str; 14] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "application_name",
    "options",
];

/// Takes `pooler=true` or `pooler=false` out of a URL: it is the store's own, and the driver would tell a log that it does not know it.
pub(super) fn own_parameters(url: &str, options: &mut SqlOptions) -> Result<String, OpenError> {
    let Some((place, query)) = url.split_once('?') else { return Ok(url.to_owned()) };
    let mut others = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("pooler", value)) => options.pooler = value.parse().map_err(|_| OpenError::Url)?,
            _ => others.push(pair),
        }
    }
    Ok(if others.is_empty() { place.to_owned() } else { format!("{place}?{}", others.join("&")) })
}

/// Reads a URL. What cannot be read is not repeated: a password may stand in it.
pub(super) fn parse(url: &str, options: &SqlOptions) -> Result<(PgConnectOptions, Place), OpenError> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let names = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
    for name in names.filter(|name| !name.is_empty()) {
        let is_setting = name.starts_with("options[") && name.ends_with(']');
        if !is_setting && !PARAMETERS.contains(&name) {
            return Err(OpenError::Url);
        }
    }
    let connect = PgConnectOptions::from_str(url).map_err(|_| OpenError::Url)?;
    // Floats are none of ours, and a pooler does not know this parameter.
    let connect = connect.extra_float_digits(None).disable_statement_logging();
    let connect = match connect.get_application_name() {
        Some(_) => connect,
        None => connect.application_name("countersign"),
    };
    let connect = if options.pooler {
        connect.statement_cache_capacity(0)
    } else {
        // A statement that its caller gave up goes too, and with it the rows that it locks.
        connect.options([("statement_timeout", options.call_timeout.as_millis().to_string())])
    };
    let database = connect.get_database().unwrap_or_else(|| connect.get_username());
    let place = match connect.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", connect.get_host(), connect.get_port()),
    };
    Ok((connect, Place(Arc::from(place))))
}

/// What a server told of itself.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) dialect: Dialect,
    pub(super) capabilities: Capabilities,
}

const SETTINGS: &str = "SELECT version(), current_setting('synchronous_commit', true), current_setting('fsync', true), \
     current_setting('full_page_writes', true), current_setting('synchronous_standby_names', true), \
     current_setting('transaction_read_only', true)";

/// Asks a server what it is and what it keeps, and warns of what it does not.
pub(super) async fn inspect(connection: &mut PgConnection, place: &Place) -> Result<Server, ServerError> {
    let row = sqlx::raw_sql(SETTINGS).fetch_one(&mut *connection).await.map_err(|error| place.error(error))?;
    let column = |at: usize| row.try_get::<Option<String>, _>(at).map_err(|error| place.error(error));
    let version = column(0)?.unwrap_or_default();
    if column(5)?.as_deref() == Some("on") {
        return Err(place.trouble(ServerTrouble::ReadOnly));
    }
    if version.contains("CockroachDB") || version.contains("-YB-") {
        // They acknowledge what a majority of replicas has; how many there are is theirs to know, so no more is promised.
        return Ok(Server { dialect: Dialect::Distributed, capabilities: Capabilities::VOLATILE.durable().shared() });
    }
    let settings = Durability {
        commit: column(1)?.unwrap_or_default(),
        fsync: column(2)?.is_none_or(|value| value == "on"),
        whole_pages: column(3)?.is_none_or(|value| value == "on"),
        standbys: column(4)?.is_some_and(|names| !names.is_empty()),
        followed: is_followed(connection).await.map_err(|error| place.error(error))?,
    };
    settings.warn(place);
    Ok(Server { dialect: Dialect::Postgres, capabilities: settings.capabilities() })
}

/// Whether standbys follow the server at this moment: anybody may count them.
async fn is_followed(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("SELECT count(*) > 0 FROM pg_stat_replication").fetch_one(connection).await?.try_get(0)
}

/// The settings by which PostgreSQL keeps what it acknowledged, or does not
/// (<https://www.postgresql.org/docs/current/runtime-config-wal.html>).
struct Durability {
    commit: String,
    fsync: bool,
    whole_pages: bool,
    /// Whether standbys are waited for.
    standbys: bool,
    followed: bool,
}

impl Durability {
    fn is_durable(&self) -> bool {
        self.fsync && self.commit != "off"
    }

    /// A standby that only received a commit loses it with its own memory; `local` does not even ask one.
    fn is_on_standby(&self) -> bool {
        self.standbys && matches!(self.commit.as_str(), "on" | "remote_apply")
    }

    fn capabilities(&self) -> Capabilities {
        let all = Capabilities::VOLATILE.shared();
        let all = if self.is_durable() { all.durable() } else { all };
        if self.is_durable() && self.is_on_standby() { all.survives_failover() } else { all }
    }

    fn warn(&self, place: &Place) {
        if self.commit == "off" {
            tracing::warn!(
                ?place,
                "synchronous_commit is off: a crash of the database loses what clients were answered"
            );
        }
        if !self.fsync {
            tracing::warn!(?place, "fsync is off: a crash of the machine loses what clients were answered, or all");
        }
        if (self.followed || self.standbys) && !self.is_on_standby() {
            tracing::warn!(
                ?place,
                synchronous_commit = self.commit,
                "standbys follow behind: a fail-over may lose commits that were answered, and a spent code or a revoked grant \
                 could come back; set synchronous_standby_names, and synchronous_commit to on or remote_apply"
            );
        }
        if !self.whole_pages {
            tracing::warn!(?place, "full_page_writes is off: a crash of the machine may damage the database");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> String {
        let (connect, place) = parse(url, &SqlOptions::default()).unwrap();
        assert!(!format!("{place:?}").contains("hunter2") && connect.get_host() != "hunter2");
        place.0.to_string()
    }

    #[test]
    fn promise_4_a_place_is_named_without_its_password() {
        assert_eq!(place("postgres://kit:hunter2@db.example:6432/auth?sslmode=require"), "db.example:6432/auth");
        assert_eq!(place("postgresql://kit:hunter2@db.example/auth"), "db.example:5432/auth");
        assert_eq!(place("postgres://kit@%2Frun%2Fpostgresql/auth"), "/run/postgresql/auth");
    }

    #[test]
    fn promise_4_a_url_that_cannot_be_read_is_not_repeated() {
        for url in [
            "postgres://kit:hunter2@db.example:port/auth",
            "postgres://kit:hunter2@db.example/auth?sslmode=hunter2",
            "postgres://kit@db.example/auth?passwrod=hunter2",
            "postgres://kit@db.example/auth?password=hunter2",
            "postgres://kit:hunter2@db.example/auth?pooler=hunter2",
            "postgres://kit:hunter2@db.example/auth?pooler",
        ] {
            let mut options = SqlOptions::default();
            let url = own_parameters(url, &mut options);
            let error = url.and_then(|url| parse(&url, &options)).unwrap_err();
            assert!(matches!(error, OpenError::Url), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_pooler_may_be_named_in_the_url() {
        let parameters = |url: &str| {
            let mut options = SqlOptions::default().pooler(url.contains("false"));
            (own_parameters(url, &mut options).unwrap(), options.pooler)
        };
        assert_eq!(parameters("postgres://h/d?pooler=true"), ("postgres://h/d".to_owned(), true));
        assert_eq!(parameters("postgres://h/d?a=1&pooler=false&b=2"), ("postgres://h/d?a=1&b=2".to_owned(), false));
        assert_eq!(parameters("postgres://h/d"), ("postgres://h/d".to_owned(), false));
    }

    #[test]
    fn capabilities_follow_from_the_settings() {
        let settings = |commit: &str, fsync, standbys| {
            let all = Durability { commit: commit.to_owned(), fsync, whole_pages: true, standbys, followed: false }
                .capabilities();
            (all.durable, all.survives_failover, all.shared)
        };
        assert_eq!(settings("on", true, false), (true, false, true));
        assert_eq!(settings("on", true, true), (true, true, true));
        assert_eq!(settings("remote_apply", true, true), (true, true, true));
        for commit in ["local", "remote_write"] {
            assert_eq!(settings(commit, true, true), (true, false, true), "{commit}");
        }
        assert_eq!(settings("off", true, true), (false, false, true));
        assert_eq!(settings("on", false, true), (false, false, true));
    }
}
