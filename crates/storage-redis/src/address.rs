//! Where a store is: what a URL says.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use countersign_primitives::SecretString;
use percent_encoding::percent_decode_str;

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
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) shape: Shape,
    pub(crate) tls: bool,
    /// `USER:PASSWORD@` as it stood, percent-encoded, or nothing.
    pub(crate) login: String,
    pub(crate) database: u32,
    pub(crate) parameters: Parameters,
}

/// What stands behind the question mark: what one cannot say of a server by its name alone.
#[derive(Default, Clone)]
pub(crate) struct Parameters {
    /// Authorities, the client's certificate and its key: files in PEM, named as `redis-cli` names them.
    pub(crate) cacert: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) sentinel: Option<SentinelLogin>,
}

/// The user and password that sentinels ask for.
pub(crate) type SentinelLogin = Arc<(String, SecretString)>;

impl Parameters {
    fn parse(query: &str, kind: Kind, tls: bool) -> Result<Self, OpenError> {
        let mut parameters = Self::default();
        let (mut user, mut password) = (String::new(), None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').ok_or(OpenError::Url)?;
            let value = percent_decode_str(value).decode_utf8().map_err(|_| OpenError::Url)?;
            let value = if value.is_empty() { return Err(OpenError::Url) } else { value.into_owned() };
            match name {
                "cacert" if tls => parameters.cacert = Some(value.into()),
                "cert" if tls => parameters.cert = Some(value.into()),
                "key" if tls => parameters.key = Some(value.into()),
                "sentinel_user" if kind == Kind::Sentinel => user = value,
                "sentinel_password" if kind == Kind::Sentinel => password = Some(SecretString::new(value)),
                _ => return Err(OpenError::Url),
            }
        }
        let alone = parameters.cert.is_some() != parameters.key.is_some();
        if alone || (password.is_none() && !user.is_empty()) {
            return Err(OpenError::Url);
        }
        parameters.sentinel = password.map(|password| Arc::new((user, password)));
        Ok(parameters)
    }
}

/// What a scheme says of the servers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Sentinel,
    Cluster,
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
            "redis" | "valkey" => (Kind::Single, false),
            "rediss" | "valkeys" => (Kind::Single, true),
            "redis-sentinel" => (Kind::Sentinel, false),
            "rediss-sentinel" => (Kind::Sentinel, true),
            "redis-cluster" => (Kind::Cluster, false),
            "rediss-cluster" => (Kind::Cluster, true),
            _ => return Err(OpenError::Url),
        };
        if tls && !cfg!(feature = "tls") {
            return Err(OpenError::NoTls);
        }
        let (rest, parameters) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Parameters::parse(query, kind, tls)?),
            None => (rest, Parameters::default()),
        };
        let (login, rest) = match rest.rfind('@') {
            Some(at) => rest.split_at(at + 1),
            None => ("", rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = if kind == Kind::Sentinel { SENTINEL_PORT } else { PORT };
        let servers: Option<Vec<_>> = hosts.split(',').map(|host| Server::parse(host, port)).collect();
        let mut servers = servers.ok_or(OpenError::Url)?;
        let (shape, database) = match kind {
            Kind::Single if servers.len() == 1 => (Shape::Single(servers.remove(0)), path),
            Kind::Cluster => (Shape::Cluster(servers), path),
            Kind::Sentinel => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err(OpenError::Url);
                }
                (Shape::Sentinel(servers, name.to_owned()), database)
            }
            Kind::Single => return Err(OpenError::Url),
        };
        let database = if database.is_empty() { 0 } else { database.parse().map_err(|_| OpenError::Url)? };
        if database != 0 && matches!(shape, Shape::Cluster(_)) {
            return Err(OpenError::Url);
        }
        Ok(Self { shape, tls, login: login.to_owned(), database, parameters })
    }

    /// The URL of one server, for the driver, which has no part in TLS.
    pub(crate) fn url_of(&self, server: &Server) -> String {
        format!("redis://{}{server}/{}", self.login, self.database)
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
            "redis://hunter2@h?",
            "redis://hunter2@h?cacert=/ca.pem",
            "redis://:hunter2@h?sentinel_password=hunter2",
            "redis-sentinel://:hunter2@h/main?sentinel_user=u",
            "redis-sentinel://:hunter2@h/main?sentinel_password=",
            "redis-sentinel://:hunter2@h/main?sentinel_password=%ff",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(matches!(error, OpenError::Url), "{url}: {error:?}");
            assert!(!error.to_string().contains("hunter2"));
        }
        let url = "redis-sentinel://hunter2:hunter2@h/main?sentinel_user=hunter2&sentinel_password=hunter2";
        let shown = format!("{:?}", Address::parse(url).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn parameters_are_read_percent_decoded() {
        let url = "redis-sentinel://u:p@a/main/3?sentinel_user=probe&sentinel_password=a%40b%3F%26";
        let Address { login, database, parameters, .. } = Address::parse(url).unwrap();
        assert_eq!((login.as_str(), database), ("u:p@", 3));
        let sentinel = parameters.sentinel.unwrap();
        assert_eq!((sentinel.0.as_str(), sentinel.1.expose()), ("probe", "a@b?&"));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_client_certificate_comes_with_its_key() {
        let files = Address::parse("rediss://h?cacert=/a%20b.pem&cert=c.pem&key=k.pem").unwrap().parameters;
        assert_eq!(files.cacert.unwrap(), PathBuf::from("/a b.pem"));
        assert_eq!((files.cert.unwrap(), files.key.unwrap()), (PathBuf::from("c.pem"), PathBuf::from("k.pem")));
        for query in ["cert=c.pem", "key=k.pem", "cacert", "cacert=", "insecure=1"] {
            assert!(matches!(Address::parse(&format!("rediss://h?{query}")), Err(OpenError::Url)), "{query}");
        }
    }

    #[test]
    fn what_servers_answer_is_read() {
        assert_eq!(Server::parse("127.0.0.1:7000", 1), Some(server("127.0.0.1", 7000)));
        assert_eq!(Server::parse("::1:7000", 1), Some(server("::1", 7000)));
        assert_eq!(server("::1", 5).to_string(), "[::1]:5");
    }
}
