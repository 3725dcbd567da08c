//! Sockets: bound before the issuer is formed, on both loopback families for `localhost`.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::settings::Listen;

/// How often another free port is tried for which the second family is free too.
const TRIES: usize = 32;

/// Bound listeners on one port.
#[derive(Debug)]
pub(crate) struct Bound {
    /// One for each address family.
    pub(crate) listeners: Vec<TcpListener>,
    /// The port, also where 0 was asked for.
    pub(crate) port: u16,
}

/// A listener could not be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Something else listens there.
    #[error(
        "{0} is in use: stop the program that listens there, or choose another port with --listen (localhost:0 takes a free one)"
    )]
    InUse(SocketAddr),
    /// The port is one that needs rights.
    #[error("no right to listen at {0}: choose a port from 1024 on with --listen")]
    Forbidden(SocketAddr),
    /// The address is not one of this machine.
    #[error("{0} is no address of this machine: choose one with --listen, or localhost")]
    NotHere(SocketAddr),
    /// The system refused for another reason.
    #[error("cannot listen at {at}: {source}")]
    Failed {
        /// The address.
        at: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Binds what was asked for.
///
/// # Errors
/// [`ListenError`] says what is in the way.
pub(crate) async fn bind(listen: Listen) -> Result<Bound, ListenError> {
    match listen {
        Listen::Address(address) => {
            let (listener, port) = bind_one(address).await?;
            Ok(Bound { listeners: vec![listener], port })
        }
        Listen::Localhost(0) => {
            for _ in 1..TRIES {
                match both_families(0).await {
                    Err(ListenError::InUse(_)) => {}
                    settled => return settled,
                }
            }
            both_families(0).await
        }
        Listen::Localhost(port) => both_families(port).await,
    }
}

/// 127.0.0.1, and ::1 on the same port where the machine has IPv6.
async fn both_families(port: u16) -> Result<Bound, ListenError> {
    let (first, port) = bind_one((Ipv4Addr::LOCALHOST, port).into()).await?;
    match bind_one((Ipv6Addr::LOCALHOST, port).into()).await {
        Ok((second, _)) => Ok(Bound { listeners: vec![first, second], port }),
        // `localhost` leads some browsers to ::1 first: a stranger there would get what is meant for us.
        Err(error @ ListenError::InUse(_)) => Err(error),
        Err(error) => {
            tracing::info!(%error, "going on with IPv4 alone");
            Ok(Bound { listeners: vec![first], port })
        }
    }
}

async fn bind_one(at: SocketAddr) -> Result<(TcpListener, u16), ListenError> {
    let failed = |source: io::Error| match source.kind() {
        ErrorKind::AddrInUse => ListenError::InUse(at),
        ErrorKind::PermissionDenied => ListenError::Forbidden(at),
        ErrorKind::AddrNotAvailable => ListenError::NotHere(at),
        _ => ListenError::Failed { at, source },
    };
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_0_is_one_port_on_both_families() {
        let bound = bind(Listen::Localhost(0)).await.unwrap();
        assert_ne!(bound.port, 0);
        for listener in &bound.listeners {
            let address = listener.local_addr().unwrap();
            assert!(address.ip().is_loopback());
            assert_eq!(address.port(), bound.port);
        }
        assert_eq!(bound.listeners[0].local_addr().unwrap().ip(), Ipv4Addr::LOCALHOST);
    }

    #[tokio::test]
    async fn a_port_in_use_names_the_cure() {
        let taken = bind(Listen::Localhost(0)).await.unwrap();
        for listen in [Listen::Localhost(taken.port), Listen::Address((Ipv4Addr::LOCALHOST, taken.port).into())] {
            let error = bind(listen).await.unwrap_err();
            assert!(matches!(error, ListenError::InUse(_)), "{error}");
            assert!(error.to_string().contains("--listen"));
        }
    }

    #[tokio::test]
    async fn a_stranger_on_the_other_family_is_not_overlooked() {
        let Ok((stranger, port)) = bind_one((Ipv6Addr::LOCALHOST, 0).into()).await else { return };
        assert!(matches!(bind(Listen::Localhost(port)).await, Err(ListenError::InUse(at)) if at.is_ipv6()));
        drop(stranger);
    }
}
