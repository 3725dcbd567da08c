//! RFC 8252: native apps, and redirect URIs that match exactly (RFC 9700 §2.1).

use countersign_oauth_core::{Consent, Outcome};

use crate::kit::*;
use crate::rfc6749_authorize::post_consent;

fn outcome(kit: &Kit, client: &str, uri: &str) -> Outcome {
    kit.authorize(&mut Jar::default(), &authorization(client, "read").with("redirect_uri", uri), Some(alice(kit)))
}

#[test]
fn rfc8252_7_3_the_port_of_a_loopback_address_is_free_and_nothing_else() {
    let kit = Kit::new();
    for uri in ["http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://127.0.0.1:1/cb", "com.example.app:/cb"] {
        assert_eq!(name(&outcome(&kit, "native", uri)), "consent", "{uri}");
    }
    for uri in [
        "http://127.0.0.1:51004/cb2",
        "http://127.0.0.1:51004/cb/",
        "http://127.0.0.1:51004/cb?x=y",
        "http://127.0.0.1:51004/CB",
        "http://127.0.0.1:51004/cb#x",
        "http://127.0.0.2:51004/cb",
        "http://localhost:51004/cb",
        "http://[::1]:51004/cb",
        "https://127.0.0.1:51004/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://0177.0.0.1:51004/cb",
        "http://2130706433:51004/cb",
        "com.example.app://cb",
        "com.example.app:/cb/",
        "com.example.other:/cb",
    ] {
        assert_eq!(shown(outcome(&kit, "native", uri)), "authorize.redirect_uri", "{uri}");
    }
}

#[test]
fn rfc9700_2_1_other_redirect_uris_match_byte_for_byte() {
    let kit = Kit::new();
    for uri in [
        "https://web.example.com/cb",
        "https://web.example.com/cb?a=b&c=d",
        "https://web.example.com/cb?a=b#",
        "https://web.example.com/cb?a=B",
        "https://web.example.com/CB?a=b",
        "https://WEB.example.com/cb?a=b",
        "HTTPS://web.example.com/cb?a=b",
        "https://web.example.com:443/cb?a=b",
        "https://web.example.com/./cb?a=b",
        "https://web.example.com/%63b?a=b",
        "https://web.example.com/cb%3Fa=b",
        "https://web.example.com.evil.example/cb?a=b",
        "https://web.example.com@evil.example/cb?a=b",
        "https://evil.example/https://web.example.com/cb?a=b",
        "https://sub.web.example.com/cb?a=b",
        "http://web.example.com/cb?a=b",
        " https://web.example.com/cb?a=b",
        "//web.example.com/cb?a=b",
        "/cb?a=b",
    ] {
        assert_eq!(shown(outcome(&kit, "web", uri)), "authorize.redirect_uri", "{uri}");
    }
}

#[test]
fn rfc8252_8_6_consent_to_a_client_that_anybody_may_pose_as_is_never_remembered() {
    let kit = Kit::new();
    let form = authorization("native", "read");
    for _ in 0..2 {
        let mut jar = Jar::default();
        let Outcome::NeedsConsent(ask) = kit.authorize(&mut jar, &form, Some(alice(&kit))) else { panic!() };
        assert_eq!((ask.redirect_host(), ask.scopes().len()), ("127.0.0.1", 1));
        redirect(post_consent(&kit, &jar, &ask.action("/consent"), Some(alice(&kit)), Consent::allow_all()));
    }
    let silent = form.with("prompt", "none");
    assert_eq!(told(kit.authorize(&mut Jar::default(), &silent, Some(alice(&kit)))), "consent_required");
}

#[test]
fn rfc8252_8_6_not_even_where_the_same_client_was_remembered_for_its_https_address() {
    for scope in ["read", ""] {
        let both = countersign_oauth_core::Client::public("both").redirect_uri("https://both.example.com/cb");
        let kit = Kit::with(|builder| builder.client(both.redirect_uri("http://127.0.0.1/cb")));
        let form = authorization("both", scope);
        let mut jar = Jar::default();
        let Outcome::NeedsConsent(ask) = kit.authorize(&mut jar, &form, Some(alice(&kit))) else { panic!() };
        redirect(post_consent(&kit, &jar, &ask.action("/consent"), Some(alice(&kit)), Consent::allow_all()));
        assert_eq!(name(&kit.authorize(&mut jar, &form, Some(alice(&kit)))), "done");
        let loopback = form.with("redirect_uri", "http://127.0.0.1:7777/cb");
        assert_eq!(name(&kit.authorize(&mut jar, &loopback, Some(alice(&kit)))), "consent", "{scope:?}");
    }
}
