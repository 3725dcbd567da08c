//! RFC 6750: bearer tokens at this server's own endpoints.

use bytes::Bytes;
use countersign_oauth_core::{Access, Cause, Refusal};
use http::Method;

use crate::kit::*;

fn access(kit: &Kit, method: Method, uri: &str, headers: &[(&str, String)], body: &str) -> Result<Access, Refusal> {
    let mut request = request(method, uri);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    block_on(kit.server.access(&parts, &Bytes::copy_from_slice(body.as_bytes())))
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

#[test]
fn rfc6750_2_a_token_is_sent_once_in_the_header_or_a_form_and_never_in_the_query() {
    let kit = Kit::new();
    let token = kit.tokens("app", "openid").text("access_token").to_owned();
    let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
    let body = format!("access_token={token}");
    let by = |method, uri: &str, headers: &[_], body: &str| {
        access(&kit, method, uri, headers, body).map(|_| ()).map_err(|refusal| refusal.cause_id())
    };
    assert_eq!(by(Method::GET, "/", &[bearer(&token)], ""), Ok(()));
    assert_eq!(by(Method::GET, "/", &[("authorization", format!("bEARER {token}"))], ""), Ok(()));
    assert_eq!(by(Method::POST, "/", std::slice::from_ref(&form), &body), Ok(()));
    assert_eq!(by(Method::GET, &format!("/?{body}"), &[], ""), Err("bearer.missing"));
    assert_eq!(by(Method::GET, "/", std::slice::from_ref(&form), &body), Err("bearer.missing"));
    assert_eq!(by(Method::POST, "/", &[("content-type", "text/plain".to_owned())], &body), Err("bearer.missing"));
    assert_eq!(by(Method::POST, "/", &[form.clone(), bearer(&token)], &body), Err("bearer.malformed"));
    assert_eq!(by(Method::GET, "/", &[bearer(&token), bearer(&token)], ""), Err("bearer.malformed"));
    assert_eq!(by(Method::POST, "/", &[form], &format!("{body}&{body}")), Err("request.repeated_parameter"));
    assert_eq!(by(Method::GET, "/", &[bearer("")], ""), Err("bearer.malformed"));
    assert_eq!(by(Method::GET, "/", &[basic("app", &token)], ""), Err("bearer.missing"));
}

#[test]
fn rfc6750_3_a_refusal_names_the_scheme_and_no_error_where_no_token_was_sent() {
    let kit = Kit::new();
    let answer = |cause: Cause| Answer::of(kit.server.bearer_refusal(&cause.into()));
    let missing = answer(Cause::MissingToken);
    assert_eq!((missing.status.as_u16(), missing.header("www-authenticate")), (401, "Bearer"));
    assert!(missing.json.get("error").is_none());
    for (cause, status, error) in [
        (Cause::InvalidToken, 401, "invalid_token"),
        (Cause::InsufficientScope, 403, "insufficient_scope"),
        (Cause::MalformedBearer, 400, "invalid_request"),
    ] {
        let refused = answer(cause);
        refused.is_error(status, error);
        assert!(
            refused.header("www-authenticate").starts_with(&format!("Bearer error=\"{error}\", error_description="))
        );
        assert_eq!(refused.header("cache-control"), "no-store");
    }
    let failed = answer(Cause::StoreUnavailable);
    assert_eq!(
        (failed.status.as_u16(), failed.header("retry-after"), failed.header("www-authenticate")),
        (503, "1", "")
    );
}

#[test]
fn rfc6750_5_2_a_token_of_an_ended_grant_opens_nothing() {
    let kit = Kit::new();
    let code = kit.code("app", "openid offline_access");
    let tokens = kit.redeem("app", &code).ok();
    let newer = kit.refresh("app", tokens.text("refresh_token")).ok();
    kit.redeem("app", &code).is_error(400, "invalid_grant");
    for tokens in [&tokens, &newer] {
        assert_eq!(kit.access(tokens.text("access_token")).unwrap_err().cause_id(), "bearer.invalid");
    }
}
