//! The request whole, for a host that owns the login.

use axum::extract::State;
use axum::routing;
use countersign_axum::Raw;
use countersign_oauth_core::{Config, Outcome, Server};

use super::*;

async fn authorize(State(server): State<Server>, Raw(request): Raw) -> String {
    match server.authorize(request, None).await {
        Outcome::NeedsLogin(_) => "login".to_owned(),
        Outcome::Refused(_) => "refused".to_owned(),
        _ => "other".to_owned(),
    }
}

#[tokio::test]
async fn a_host_with_a_login_of_its_own_owns_authorize() {
    let server = server(ISSUER).await;
    let routes = Router::new().route("/authorize", routing::get(authorize).post(authorize)).with_state(server.clone());
    let app = routes.merge(countersign_axum::router(&server));
    let query = "response_type=code&client_id=shop&redirect_uri=https://shop.example/cb&code_challenge_method=S256\
                 &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    assert_eq!(get_body(&app, &format!("/authorize?{query}")).await, "login");
    assert_eq!(get_body(&app, "/authorize?client_id=nobody").await, "refused");
}

async fn get_body(app: &Router, path: &str) -> Bytes {
    get(app, path).await.into_body()
}

#[tokio::test]
async fn promise_7_it_reads_no_further_than_the_limit() {
    let app = Router::new().route("/", routing::post(async |Raw(request): Raw| request.into_body()));
    let post = |size: usize| Request::post("/").body(Body::from(vec![b'a'; size])).unwrap();
    assert_eq!(send(&app, post(Config::BODY_LIMIT)).await.body().len(), Config::BODY_LIMIT);
    assert_eq!(send(&app, post(Config::BODY_LIMIT + 1)).await.status(), 413);
}
