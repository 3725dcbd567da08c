//! How servers fail.

use std::error::Error;
use std::fmt;

use countersign_primitives::BoxError;
use countersign_storage_traits::StoreError;
use redis::{ErrorKind, RedisError};

/// Which server failed, and how. It names no user and no password.
#[derive(Debug)]
pub struct ServerError {
    /// The server, as HOST:PORT.
    pub server: String,
    /// What is wrong.
    pub cause: Cause,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.server, self.cause)
    }
}

impl Error for ServerError {
    /// What is behind the cause, which the text above has already.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

/// What is wrong with a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// No connection comes about: no server, no route.
    #[error("it cannot be reached")]
    Unreachable(#[source] BoxError),
    /// A connection comes about and ends before anything is said on it.
    #[error("it hangs up at once: if this port speaks TLS alone, write rediss:// in the URL")]
    HungUp(#[source] BoxError),
    /// TLS does not come about.
    #[error(transparent)]
    Tls(#[from] TlsTrouble),
    /// The connection broke before the answer came.
    #[error("the connection broke")]
    Broken(#[source] BoxError),
    /// No answer came in time.
    #[error("no answer came in time")]
    Timeout,
    /// What answers is no Redis and no Valkey.
    #[error("what answers is neither Redis nor Valkey")]
    NotRedis,
    /// The server wants a user and a password, or others (NOAUTH, WRONGPASS).
    #[error("it refuses the user and password of the URL")]
    Credentials,
    /// A sentinel wants a user and a password of its own, or others.
    #[error("this sentinel refuses its user and password: they are sentinel_user and sentinel_password in the URL")]
    SentinelCredentials,
    /// The user may not do what a store needs (NOPERM).
    #[error("its access list forbids a command or key that the store needs; docs/storage.md has the list")]
    NotAllowed,
    /// The server is a replica, or was made one.
    #[error("it is a replica and takes no writes")]
    ReadOnly,
    /// The memory that it may use is full (OOM).
    #[error("its memory is full: raise maxmemory")]
    OutOfMemory,
    /// It reads its files and answers nobody yet (LOADING).
    #[error("it is still loading its files")]
    Loading,
    /// It cannot write its files, and so takes no writes (MISCONF).
    #[error("it cannot write to its disk and takes no writes")]
    DiskFull,
    /// It has fewer replicas than it must have to take writes (NOREPLICAS).
    #[error("it has fewer good replicas than min-replicas-to-write asks for")]
    NoReplicas,
    /// A slot of the cluster is not served (CLUSTERDOWN, MASTERDOWN, TRYAGAIN).
    #[error("the cluster does not serve this slot at the moment")]
    ClusterDown,
    /// The server redirects: it is part of a cluster.
    #[error("it is part of a cluster: write redis-cluster:// in the URL")]
    OnlyCluster,
    /// No sentinel knows a master of this name.
    #[error("no sentinel knows a master of this name")]
    NoMaster,
    /// Disks or replicas did not confirm a write in time.
    #[error("disk and replicas did not confirm the write in time")]
    NotConfirmed,
    /// The store's marker is gone or of a newer version: somebody emptied the database or upgraded.
    #[error("the database is not the one that was opened")]
    Marker,
    /// It says something else.
    #[error("it answers {0}")]
    Refused(String),
    /// An answer was not of the expected form.
    #[error("its answer is not of the expected form")]
    Answer,
}

/// Why TLS does not come about. Nothing was sent in the clear.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsTrouble {
    /// An authority that is not trusted made the server's certificate, or nobody but the server itself.
    #[error("its certificate comes from an authority that is not trusted: name that one (cacert=FILE in the URL)")]
    UnknownAuthority,
    /// The certificate is for other names than the one that the server was called by.
    #[error(
        "its certificate is for another name: call it by one that the certificate has, or renew that with this name"
    )]
    OtherName,
    /// The certificate's time is over, or has not come.
    #[error("its certificate has expired or is not valid yet: renew it there, and see that both clocks are right")]
    Expired,
    /// The certificate will not do for another reason.
    #[error("its certificate cannot be accepted")]
    Certificate(#[source] BoxError),
    /// What answers does not speak TLS.
    #[error("it does not speak TLS: name its tls-port, or switch TLS on there")]
    NotSpoken,
    /// The greeting is not answered: a server without TLS may wait for more.
    #[error(
        "it does not answer a greeting of TLS in time: name its tls-port, switch TLS on there, or see why it hangs"
    )]
    NotAnswered,
    /// The server wants a certificate of its client's, or another one.
    #[error("it refuses a client without a certificate that it trusts: name one (cert=FILE&key=FILE in the URL)")]
    ClientCertificate,
    /// The two sides do not agree.
    #[error("no agreement on TLS is reached: it must offer TLS 1.2 or 1.3")]
    Handshake(#[source] BoxError),
}

/// A command that did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether the server may have done it nevertheless.
    pub(crate) sent: bool,
    pub(crate) error: ServerError,
}

#[expect(clippy::needless_pass_by_value, reason = "a name of any sort, made here or there")]
impl Failure {
    pub(crate) fn unsent(server: impl ToString, cause: Cause) -> Self {
        Self { sent: false, error: ServerError { server: server.to_string(), cause } }
    }

    pub(crate) fn sent(server: impl ToString, cause: Cause) -> Self {
        Self { sent: true, error: ServerError { server: server.to_string(), cause } }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::unavailable(failure.error)
    }
}

impl Cause {
    /// What an error code of the server means.
    pub(crate) fn of_code(code: &str) -> Self {
        match code {
            "NOAUTH" | "WRONGPASS" => Self::Credentials,
            "NOPERM" => Self::NotAllowed,
            "READONLY" => Self::ReadOnly,
            "OOM" => Self::OutOfMemory,
            "LOADING" => Self::Loading,
            "MISCONF" => Self::DiskFull,
            "NOREPLICAS" => Self::NoReplicas,
            "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" => Self::ClusterDown,
            "MOVED" | "ASK" | "CROSSSLOT" => Self::OnlyCluster,
            // Codes are the server's own words; what follows them may repeat what was sent.
            code => Self::Refused(code.chars().filter(|c| c.is_ascii_uppercase()).take(32).collect()),
        }
    }

    /// What went wrong while a connection was made.
    pub(crate) fn of_connecting(error: RedisError) -> Self {
        #[cfg(feature = "tls")]
        if let Some(trouble) = crate::tls::trouble(&error) {
            return trouble.into();
        }
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, code) => match code {
                Some(code @ "LOADING") => Self::of_code(code),
                _ => Self::Credentials,
            },
            (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => Self::NotRedis,
            (ErrorKind::Server(_) | ErrorKind::Extension, Some(code)) => Self::of_code(code),
            _ if error.is_timeout() => Self::Timeout,
            _ if error.is_connection_dropped() && !error.is_connection_refusal() => Self::HungUp(error.into()),
            _ => Self::Unreachable(error.into()),
        }
    }

    /// What went wrong while an answer was awaited.
    pub(crate) fn of_waiting(error: RedisError) -> Self {
        #[cfg(feature = "tls")]
        if let Some(trouble) = crate::tls::trouble(&error) {
            return trouble.into();
        }
        match error.kind() {
            ErrorKind::Parse => Self::NotRedis,
            _ if error.is_timeout() => Self::Timeout,
            _ => Self::Broken(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_say_no_more_than_the_code() {
        let cause = Cause::of_code("ERR hunter2");
        assert_eq!(cause.to_string(), "it answers ERR");
        assert!(matches!(Cause::of_code("WRONGPASS"), Cause::Credentials));
        assert!(matches!(Cause::of_code("MISCONF"), Cause::DiskFull));
    }
}
