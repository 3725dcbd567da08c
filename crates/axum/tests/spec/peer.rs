//! The peer's address comes from the connection, or from a middleware of the host's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use countersign_axum::{Peer, Raw, router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[tokio::test]
async fn without_a_peer_the_token_endpoint_answers_nobody() {
    let app = router(&server(ISSUER).await);
    assert_eq!(send(&app, token_request("grant_type=x")).await.status(), 500);
    let mut request = token_request("grant_type=x");
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 9))));
    assert_ne!(send(&app, request).await.status(), 500);
}

/// What a handler behind the extractor sees.
async fn seen(request: Request<Body>) -> Option<IpAddr> {
    let app = Router::new().route("/", axum::routing::any(async |Raw(request): Raw| format!("{:?}", peer(&request))));
    let told = send(&app, request).await;
    let told = std::str::from_utf8(told.body()).unwrap().to_owned();
    told.strip_prefix("Some(").and_then(|told| told.strip_suffix(')')?.parse().ok())
}

fn peer(request: &Request<Bytes>) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.address())
}

#[tokio::test]
async fn a_peer_that_the_host_told_is_never_replaced() {
    let proxied: IpAddr = "203.0.113.9".parse().unwrap();
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 9))));
    request.extensions_mut().insert(Peer::new(proxied));
    assert_eq!(seen(request).await, Some(proxied));
}

#[tokio::test]
async fn an_ipv4_peer_on_a_socket_of_both_families_is_the_same_peer() {
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((mapped, 9))));
    assert_eq!(seen(request).await, Some(Ipv4Addr::new(192, 0, 2, 1).into()));
}

#[tokio::test]
async fn a_header_that_anybody_can_send_says_nothing() {
    let request = Request::get("/").header("x-forwarded-for", "203.0.113.9").header("forwarded", "for=203.0.113.9");
    assert_eq!(seen(request.body(Body::empty()).unwrap()).await, None);
}

#[tokio::test]
async fn over_a_socket_the_connection_tells_the_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = server(&format!("http://{address}")).await;
    let app = router(&server).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: 12\r\n\r\ngrant_type=x"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(answer.contains("cache-control: no-store"), "{answer}");
}
