//! A router has the server's paths, and no others.

use axum::Router;
use axum::routing;
use countersign_axum::{mounted_router, root_router, router};
use countersign_oauth_core::Server;

use super::*;

#[tokio::test]
async fn every_route_of_the_server_answers() {
    let server = server(ISSUER).await;
    let app = router(&server);
    for route in server.routes() {
        let path = route.path().replace("{id}", "x");
        let request = Request::builder().method(route.method()).uri(&path).header("host", "localhost:4000");
        assert_ne!(send(&app, request.body(Body::empty()).unwrap()).await.status(), 404, "{route:?}");
    }
    let metadata: serde_json::Value = serde_json::from_slice(get(&app, METADATA).await.body()).unwrap();
    assert_eq!(metadata["issuer"], ISSUER);
}

#[tokio::test]
async fn it_merges_with_a_hosts_routes_and_leaves_the_fallback_to_it() {
    let server = server(ISSUER).await;
    let app: Router = Router::new()
        .route("/", routing::get(async || "home"))
        .merge(router(&server))
        .fallback(async || (StatusCode::IM_A_TEAPOT, "the host's"));
    assert_eq!(get(&app, "/").await.body(), "home");
    assert_eq!(status(&app, METADATA).await, 200);
    for path in ["/nowhere", "/oauth", "/oauth/token/", "/login"] {
        assert_eq!(status(&app, path).await, 418, "{path}");
    }
}

#[tokio::test]
async fn it_merges_into_a_router_with_state() {
    let server = server(ISSUER).await;
    let app: Router = Router::new().merge(router::<Server>(&server)).with_state(server);
    assert_eq!(status(&app, METADATA).await, 200);
}

#[tokio::test]
async fn rfc9110_15_5_6_a_wrong_method_is_told_by_the_server() {
    let app = router(&server(ISSUER).await);
    let answer = get(&app, "/oauth/token").await;
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["allow"], "POST");
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let app = router(&server(ISSUER).await);
    let request = Request::get(METADATA).header("host", "attacker.example").body(Body::empty()).unwrap();
    assert_eq!(send(&app, request).await.status(), 421);
}

#[tokio::test]
async fn rfc8414_3_1_an_issuer_with_a_path_serves_both_forms_of_its_documents() {
    let server = server("http://localhost:4000/auth").await;
    let inserted = format!("{METADATA}/auth");
    let appended = format!("/auth{METADATA}");
    let whole = router(&server);
    let nested: Router = Router::new().nest("/auth", mounted_router(&server)).merge(root_router(&server));
    for app in [whole, nested] {
        for path in [&inserted, &appended, "/auth/.well-known/jwks.json"] {
            assert_eq!(status(&app, path).await, 200, "{path}");
        }
        assert_eq!(status(&app, METADATA).await, 404);
    }
    let root: Router = root_router(&server);
    assert_eq!(status(&root, &inserted).await, 200);
    assert_eq!(status(&root, &appended).await, 404);
}

#[tokio::test]
async fn an_issuer_without_a_path_has_nothing_outside_it() {
    let server = server(ISSUER).await;
    let (mounted, root): (Router, Router) = (mounted_router(&server), root_router(&server));
    assert_eq!(status(&mounted, METADATA).await, 200);
    assert_eq!(status(&root, METADATA).await, 404);
}

#[tokio::test]
async fn promise_16_two_issuers_stand_side_by_side() {
    let (one, two) = (server("http://localhost:4000/one").await, server("http://localhost:4000/two").await);
    let app: Router = Router::new().merge(router(&one)).merge(router(&two));
    for name in ["one", "two"] {
        let answer = get(&app, &format!("/{name}{METADATA}")).await;
        let metadata: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(metadata["issuer"], format!("http://localhost:4000/{name}"));
    }
}
