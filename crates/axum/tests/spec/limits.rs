//! A body is read to its limit and no further.

use countersign_axum::router;
use countersign_oauth_core::Config;
use futures_util::stream;

use super::*;

#[tokio::test]
async fn promise_7_a_body_beyond_the_limit_is_refused() {
    let app = router(&server(ISSUER).await);
    let answer = send(&app, token_request(vec![b'a'; Config::BODY_LIMIT + 1])).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let error: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(error["error"], "invalid_request");
    let largest = send(&app, token_request(vec![b'a'; Config::BODY_LIMIT])).await;
    assert_ne!(largest.status(), 413);
}

#[tokio::test]
async fn promise_7_a_body_that_does_not_tell_its_length_is_counted_as_it_comes() {
    let app = router(&server(ISSUER).await);
    let chunks = std::iter::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'a'; 1024])));
    let endless = Body::from_stream(stream::iter(chunks));
    assert_eq!(send(&app, token_request(endless)).await.status(), 413);
}

#[tokio::test]
async fn the_limit_is_the_servers() {
    let builder = Server::builder(ISSUER, MemoryStore::new(), MasterKey::from_bytes([7; 32]));
    let app = router(&builder.body_limit(10).build().await.unwrap());
    assert_eq!(send(&app, token_request("01234567890")).await.status(), 413);
    assert_ne!(send(&app, token_request("0123456789")).await.status(), 413);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_request() {
    let app = router(&server(ISSUER).await);
    let chunks =
        [Ok(Bytes::from_static(b"grant_type=")), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
    assert_eq!(send(&app, token_request(Body::from_stream(stream::iter(chunks)))).await.status(), 400);
}
