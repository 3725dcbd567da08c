//! Connections: TLS where it is wanted, HTTP on top, each with a limit on its time and none in another's way.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

/// How long a listener pauses when the system has no connection to give: it may be out of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a request may take, its body and its answer included.
const IN_ALL: Duration = Duration::from_secs(60);

/// How long a peer may take for each part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For the TLS handshake.
    pub(crate) handshake: Duration,
    /// For the head of a request, and between two requests.
    pub(crate) head: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { handshake: Duration::from_secs(10), head: Duration::from_secs(60) }
    }
}

/// What every connection of a listener shares.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) app: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) patience: Patience,
}

/// Takes connections until it is told to stop, and returns when the last request has its answer.
pub(crate) async fn serve(listener: TcpListener, site: Site) {
    let mut connections = JoinSet::new();
    let mut stopped = site.stopped.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // Nothing of the handshake is waited for here: who is slow holds nobody up.
                Ok((stream, peer)) => drop(connections.spawn(connection(stream, peer, site.clone()))),
                Err(error) => after(&error).await,
            },
            Some(_) = connections.join_next() => {}
            () = stop(&mut stopped) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn stop(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

/// A peer that left before it was greeted costs nothing; whatever else stands in the way may pass.
async fn after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "no connection can be taken");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, mut site: Site) {
    // Answers are written whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let Some(tls) = site.tls.take() else { return requests(stream, peer, site).await };
    let mut stopped = site.stopped.clone();
    let secured = tokio::select! {
        secured = timeout(site.patience.handshake, tls.accept(stream)) => secured,
        () = stop(&mut stopped) => return,
    };
    match secured {
        Ok(Ok(stream)) => requests(stream, peer, site).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
    }
}

/// Answers one request after the other. Told to stop, it ends after the answer under way.
async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin, peer: SocketAddr, mut site: Site) {
    let answer = service_fn(|request| respond(site.app.clone(), peer, request));
    let mut http = http1::Builder::new();
    // Whoever has said all it has to say may still want the answer.
    http.half_close(true).timer(TokioTimer::new()).header_read_timeout(site.patience.head);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop(&mut site.stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection failed");
    }
}

fn respond(
    mut app: Router,
    peer: SocketAddr,
    mut request: http::Request<Incoming>,
) -> impl Future<Output = Result<Response, Infallible>> {
    request.extensions_mut().insert(ConnectInfo(peer));
    // A router is always ready.
    app.call(request)
}

/// Cuts off a request that takes too long, such as one whose body trickles in.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    match timeout(IN_ALL, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use axum::routing::get;
    use rustls::pki_types::UnixTime;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::testing::TempDir;
    use crate::tls::{Tls, TlsChoice};

    const SHORT: Duration = Duration::from_millis(50);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    struct Serving {
        at: SocketAddr,
        stop: watch::Sender<bool>,
        served: tokio::task::JoinHandle<()>,
    }

    /// Serves the peer's port, after a word from `held` if there is one.
    async fn serving(tls: bool, patience: Patience, held: Option<watch::Receiver<bool>>) -> Serving {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let page = async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
            if let Some(mut held) = held {
                super::stop(&mut held).await;
            }
            peer.port().to_string()
        };
        let dir = TempDir::new();
        let tls = tls.then(|| {
            let tls = Tls::load(&TlsChoice::SelfSigned, dir.path(), "https://localhost", UnixTime::now()).unwrap();
            TlsAcceptor::from(Arc::new(tls.config().unwrap()))
        });
        let site = Site { app: Router::new().route("/", get(page)), tls, stopped, patience };
        Serving { at, stop, served: tokio::spawn(serve(listener, site)) }
    }

    #[tokio::test]
    async fn the_peers_address_is_kept() {
        let serving = serving(false, Patience::default(), None).await;
        let mut stream = TcpStream::connect(serving.at).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        let port = stream.local_addr().unwrap().port().to_string();
        let mut answer = Vec::new();
        while !answer.ends_with(port.as_bytes()) {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn promise_7_whoever_says_nothing_is_not_waited_for() {
        let patience = Patience { handshake: SHORT, head: SHORT };
        for tls in [true, false] {
            let serving = serving(tls, patience, None).await;
            let mut silent = TcpStream::connect(serving.at).await.unwrap();
            let mut said = Vec::new();
            // The connection ends, with or without a word.
            silent.read_to_end(&mut said).await.ok();
            assert!(!said.starts_with(b"HTTP/1.1 200"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rfc9110_15_5_9_a_request_that_takes_too_long_is_answered_408() {
        use tower::ServiceExt as _;

        let slow = || tokio::time::sleep(IN_ALL * 2);
        let app = Router::new().route("/slow", get(async move || slow().await)).route("/", get(async || "here"));
        let app = app.layer(axum::middleware::from_fn(in_time));
        let status = async |path: &str| {
            let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap().status()
        };
        assert_eq!((status("/").await, status("/slow").await), (StatusCode::OK, StatusCode::REQUEST_TIMEOUT));
    }

    #[tokio::test]
    async fn the_end_waits_for_the_request_under_way_and_for_no_handshake() {
        let (release, held) = watch::channel(false);
        let serving = serving(false, Patience::default(), Some(held)).await;
        let mut busy = TcpStream::connect(serving.at).await.unwrap();
        busy.write_all(REQUEST).await.unwrap();
        // The request is with the page as soon as the page holds it.
        while release.receiver_count() < 2 {
            tokio::task::yield_now().await;
        }
        serving.stop.send_replace(true);
        release.send_replace(true);
        let mut answer = Vec::new();
        busy.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        serving.served.await.unwrap();

        let secure = self::serving(true, Patience::default(), None).await;
        let silent = TcpStream::connect(secure.at).await.unwrap();
        secure.stop.send_replace(true);
        secure.served.await.unwrap();
        drop(silent);
        assert!(TcpStream::connect(secure.at).await.is_err());
    }
}
