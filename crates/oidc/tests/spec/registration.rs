//! OpenID Connect Dynamic Client Registration 1.0.

use bytes::Bytes;
use countersign_oauth_core::{Peer, Registration, Server};
use countersign_oidc::Oidc;
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
