//! Where a store is: what a URL says.

use std::fmt;

use crate::OpenError;

/// The port that a server listens on when none is named.
const PORT: u16 = 6_379;
/// The port that a sentinel listens on when none is named.
const SENTINEL_PORT: u16 = 26_379;

/// One server's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Server {
    /// Reads `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`; also `V6:PORT`, which servers answer in redirections.
    pub(crate) fn parse(text: &str, port: u16) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']')?,
            None => match text.rfind(':') {
                Some(at) => text.split_at(at),
                None => (text, ""),
            },
        };
        let port = if rest.is_empty() { port } else { rest.strip_prefix(':')?.parse().ok()? };
        let plain = !host.is_empty() && !host.contains(['/', '?', '#', '@', ',', ' ']);
        plain.then(|| Self { host: host.to_owned(), port })
    }
}

/// How the servers stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Single(Server),
    /// Sentinels, and the name they know the master by.
    Sentinel(Vec<Server>, String),
    /// Some nodes, of which the others are learnt.
    Cluster(Vec<Server>),
}

/// What a URL says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) shape: Shape,
    pub(crate) tls: bool,
    /// `USER:PASSWORD@` as it stood, percent-encoded, or nothing.
    pub(crate) login: String,
    pub(crate) database: u32,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("shape", &self.shape)
            .field("tls", &self.tls)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        let (scheme, rest) = url.split_once("://").ok_or(OpenError::Url)?;
        let (kind, tls) = match scheme {
            "redis" | "valkey" => ("single", false),
            "rediss" | "valkeys" => ("single", true),
            "redis-sentinel" => ("sentinel", false),
            "rediss-sentinel" => ("sentinel", true),
            "redis-cluster" => ("cluster", false),
            "rediss-cluster" => ("cluster", true),
            _ => return Err(OpenError::Url),
        };
        if tls && !cfg!(feature = "tls") {
            return Err(OpenError::NoTls);
        }
        let (login, rest) = match rest.rfind('@') {
            Some(at) => rest.split_at(at + 1),
            None => ("", rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = if kind == "sentinel" { SENTINEL_PORT } else { PORT };
        let servers: Option<Vec<_>> = hosts.split(',').map(|host| Server::parse(host, port)).collect();
        let mut servers = servers.ok_or(OpenError::Url)?;
        let (shape, database) = match kind {
            "single" if servers.len() == 1 => (Shape::Single(servers.remove(0)), path),
            "cluster" => (Shape::Cluster(servers), path),
            "sentinel" => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err(OpenError::Url);
                }
                (Shape::Sentinel(servers, name.to_owned()), database)
            }
            _ => return Err(OpenError::Url),
        };
        let database = if database.is_empty() { 0 } else { database.parse().map_err(|_| OpenError::Url)? };
        if database != 0 && matches!(shape, Shape::Cluster(_)) {
            return Err(OpenError::Url);
        }
        Ok(Self { shape, tls, login: login.to_owned(), database })
    }

    /// The URL of one server, for the driver.
    pub(crate) fn url_of(&self, server: &Server) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        format!("{scheme}://{}{server}/{}", self.login, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16) -> Server {
        Server { host: host.to_owned(), port }
    }

    #[test]
    fn urls_say_what_there_is() {
        let address = Address::parse("redis://user:p%40ss@db.example:7000/3").unwrap();
        assert_eq!(address.shape, Shape::Single(server("db.example", 7000)));
        assert_eq!(address.url_of(&server("db.example", 7000)), "redis://user:p%40ss@db.example:7000/3");
        let address = Address::parse("redis-cluster://a:1,[::1]:2,c").unwrap();
        assert_eq!(address.shape, Shape::Cluster(vec![server("a", 1), server("::1", 2), server("c", 6379)]));
        assert_eq!(address.url_of(&server("::1", 2)), "redis://[::1]:2/0");
        let address = Address::parse("redis-sentinel://a,b:1/main/2").unwrap();
        assert_eq!(address.shape, Shape::Sentinel(vec![server("a", 26379), server("b", 1)], "main".to_owned()));
        assert_eq!(address.database, 2);
        assert_eq!(Address::parse("valkey://h").unwrap().shape, Shape::Single(server("h", 6379)));
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        for url in [
            "",
            "redis:",
            "redis://",
            "redis://hunter2@",
            "http://hunter2@h",
            "redis://hunter2@h:70000",
            "redis://hunter2@h/x",
            "redis://hunter2@a,b",
            "redis-cluster://hunter2@a,/1",
            "redis-cluster://hunter2@a/1",
            "redis-sentinel://hunter2@a",
            "redis://hunter2@h?protocol=3",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(matches!(error, OpenError::Url), "{url}: {error:?}");
            assert!(!error.to_string().contains("hunter2"));
        }
        let shown = format!("{:?}", Address::parse("redis://hunter2:hunter2@h").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_servers_answer_is_read() {
        assert_eq!(Server::parse("127.0.0.1:7000", 1), Some(server("127.0.0.1", 7000)));
        assert_eq!(Server::parse("::1:7000", 1), Some(server("::1", 7000)));
        assert_eq!(server("::1", 5).to_string(), "[::1]:5");
    }
}
