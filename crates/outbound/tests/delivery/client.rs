//! The HTTP client against servers that behave badly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign_outbound::{FetchError, FetchLimits, Fetcher as _, HttpClient, HttpClientError};
use http::Request;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Answers every connection with these bytes, and says where.
async fn answers(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&bytes).await;
        }
    });
    address
}

fn client(time: Duration) -> HttpClient {
    HttpClient::new(FetchLimits { time, body: 1_024 }).unwrap()
}

async fn fetch(client: &HttpClient, address: &str) -> Result<http::Response<Bytes>, FetchError> {
    client.fetch(Request::get(address).body(Bytes::new()).unwrap()).await
}

const QUICK: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_answer_is_read_to_its_end_whatever_its_status() {
    let address = answers(b"HTTP/1.1 404 Not Found\r\nx-a: b\r\ncontent-length: 4\r\n\r\ngone".to_vec()).await;
    let answer = fetch(&client(QUICK), &address).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-a"] == "b", &answer.body()[..]),
        (404, true, &b"gone"[..])
    );
}

#[tokio::test]
async fn promise_7_an_answer_is_bounded_in_size_and_time() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let long = [chunked, b"400\r\n".to_vec(), vec![b'x'; 1_024], b"\r\n400\r\n".to_vec(), vec![b'x'; 1_024]].concat();
    assert!(matches!(fetch(&client(QUICK), &answers(long).await).await, Err(FetchError::TooLong)));
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let began = Instant::now();
    let address = format!("http://{}/", silent.local_addr().unwrap());
    let slow = fetch(&client(Duration::from_millis(200)), &address).await;
    assert!(matches!(slow, Err(FetchError::Timeout)) && began.elapsed() < QUICK);
    drop(silent);
    assert!(matches!(fetch(&client(QUICK), &address).await, Err(FetchError::Connection(_))));
}

#[tokio::test]
async fn promise_15_no_redirect_is_followed_and_nothing_goes_in_the_clear() {
    let elsewhere = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec();
    assert_eq!(fetch(&client(QUICK), &answers(elsewhere).await).await.unwrap().status().as_u16(), 302);
    assert!(matches!(fetch(&client(QUICK), "http://192.0.2.1/").await, Err(FetchError::NotSecure)));
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_is_refused_unless_it_is_trusted() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    assert!(matches!(fetch(&client(QUICK), &address).await, Err(FetchError::Connection(_))));
    let trusting = HttpClient::trusting(FetchLimits::default(), cert.pem().as_bytes()).unwrap();
    assert_eq!(fetch(&trusting, &address).await.unwrap().status().as_u16(), 204);
    let nonsense = HttpClient::trusting(FetchLimits::default(), b"nonsense");
    assert!(matches!(nonsense.map(drop), Err(HttpClientError::Certificate)));
}

#[tokio::test]
async fn promise_4_an_error_does_not_quote_the_address() {
    let error = fetch(&client(QUICK), "http://127.0.0.1:1/?token=hunter2").await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
}
