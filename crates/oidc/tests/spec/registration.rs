//! OpenID Connect Dynamic Client Registration 1.0.

use bytes::Bytes;
use countersign_oauth_core::{Peer, Registration, Server};
use countersign_oidc::{Logout, Oidc};
use countersign_primitives::{ManualClock, UnixTime};
use http::{Request, Response};
use serde_json::{Value, json};

use crate::kit::{ISSUER, builder, json as body, wait};

fn server() -> Server {
    let clock = ManualClock::at(UnixTime::from_secs(1_700_000_000));
    wait(builder(&clock, Oidc::new()).registration(Registration::open()).build()).unwrap()
}

fn register(server: &Server, members: &Value) -> Response<Bytes> {
    let mut metadata = json!({ "redirect_uris": ["https://rp.example/cb"] });
    metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let request = Request::post(format!("{ISSUER}/oauth/register"))
        .header("content-type", "application/json")
        .extension(Peer::new([127, 0, 0, 1].into()))
        .body(metadata.to_string().into());
    wait(server.handle(request.unwrap()))
}

#[test]
fn oidc_registration_2_members_of_openid_connect_are_read_and_told_back() {
    let server = server();
    let members = json!({
        "application_type": "web",
        "subject_type": "public",
        "id_token_signed_response_alg": "ES256",
        "require_auth_time": true,
        "default_max_age": 600,
        "contacts": ["ops@rp.example"],
        "post_logout_redirect_uris": ["https://rp.example/out?a=b", "https://rp.example/out"],
        "scope": "openid email",
    });
    let answer = register(&server, &members);
    assert_eq!(answer.status(), 201);
    let told = body(&answer);
    for (member, value) in members.as_object().unwrap() {
        assert_eq!(&told[member], value, "{member}");
    }
    let read = Request::get(told["registration_client_uri"].as_str().unwrap())
        .header("authorization", format!("Bearer {}", told["registration_access_token"].as_str().unwrap()))
        .body(Bytes::new());
    assert_eq!(body(&wait(server.handle(read.unwrap())))["default_max_age"], 600);
}

#[test]
fn oidc_registration_2_what_is_not_served_is_refused() {
    let server = server();
    for members in [
        json!({ "subject_type": "pairwise" }),
        json!({ "id_token_signed_response_alg": "none" }),
        json!({ "id_token_signed_response_alg": "HS256" }),
        json!({ "id_token_signed_response_alg": "RS256" }),
        json!({ "require_auth_time": "yes" }),
        json!({ "default_max_age": -1 }),
        json!({ "default_max_age": "600" }),
        json!({ "post_logout_redirect_uris": "https://rp.example/out" }),
        json!({ "post_logout_redirect_uris": ["http://rp.example/out"] }),
        json!({ "post_logout_redirect_uris": ["https://rp.example/out#top"] }),
        json!({ "post_logout_redirect_uris": ["javascript:alert(1)"] }),
        json!({ "post_logout_redirect_uris": [true] }),
        json!({ "application_type": "web", "redirect_uris": ["com.example.app:/cb"] }),
        json!({ "response_types": ["id_token"] }),
        json!({ "grant_types": ["implicit"] }),
    ] {
        let answer = register(&server, &members);
        assert_eq!(
            (answer.status().as_u16(), body(&answer)["error"].clone()),
            (400, json!("invalid_client_metadata")),
            "{members}"
        );
    }
}

#[test]
fn oidc_registration_3_discovery_names_the_endpoint_where_it_is_open() {
    let discovery = |server: &Server| {
        let request = Request::get(format!("{ISSUER}/.well-known/openid-configuration")).body(Bytes::new());
        body(&wait(server.handle(request.unwrap())))
    };
    assert_eq!(discovery(&server())["registration_endpoint"], format!("{ISSUER}/oauth/register"));
    assert_eq!(discovery(&crate::kit::Kit::new().server).get("registration_endpoint"), None);
}

#[test]
fn oidc_rp_initiated_logout_3_1_a_client_that_registered_itself_gets_its_browser_back_where_it_said() {
    let server = server();
    let told = body(&register(&server, &json!({ "post_logout_redirect_uris": ["https://rp.example/out"] })));
    let link = |uri: &str| {
        let query = crate::rp_initiated_logout::encode(&[
            ("client_id", told["client_id"].as_str().unwrap()),
            ("post_logout_redirect_uri", uri),
        ]);
        let request = Request::get(format!("{ISSUER}/logout?{query}")).body(Bytes::new()).unwrap();
        wait(countersign_oidc::end_session(&server, request, None))
    };
    let Logout::SignedOut(done) = link("https://rp.example/out") else { panic!() };
    assert_eq!(done.return_to(), Some("https://rp.example/out"));
    assert!(matches!(link("https://rp.example/elsewhere"), Logout::Refused(_)));
}
