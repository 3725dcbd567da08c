//! RFC 6265: the one cookie of a browser, and how its value is replaced.

use countersign_oauth_core::Outcome;
use http::{Method, header};

use crate::kit::*;

#[test]
fn rfc6265_4_1_2_the_browsers_cookie_bears_the_attributes_that_its_scheme_allows() {
    let line = |issuer: &str| {
        let kit = Kit::over(issuer, countersign_storage_memory::MemoryStore::new(), |builder| builder);
        let Outcome::NeedsLogin(ask) = kit.authorize(&mut Jar::default(), &authorization("app", "read"), None) else {
            panic!()
        };
        let reply = ask.redirect("/login");
        let lines: Vec<_> = reply.headers().get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].is_sensitive());
        lines[0].to_str().unwrap().to_owned()
    };
    let secure = line(ISSUER);
    assert!(secure.starts_with("__Host-countersign-"), "{secure}");
    assert!(secure.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{secure}");
    let plain = line("http://localhost:4000");
    assert!(plain.starts_with("countersign-") && plain.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{plain}");
    // Two issuers on one host do not share it.
    assert_ne!(secure.split('=').next(), line("https://id.example.com/two").split('=').next());
}

#[test]
fn rfc6265_8_4_a_cookie_is_worth_nothing_after_it_was_replaced() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("app", "read"), None) else { panic!() };
    let planted = jar.clone();
    let browser = |jar: &Jar| {
        let (parts, ()) = jar.request(Method::GET, "/").body(()).unwrap().into_parts();
        block_on(kit.server.browser(&parts)).unwrap()
    };
    for step in ["a factor", "a session"] {
        let (before, mut own) = (jar.value().unwrap().to_owned(), browser(&jar));
        let id = own.id();
        if step == "a factor" {
            block_on(kit.server.renew_cookie(&mut own)).unwrap();
        } else {
            let session = countersign_primitives::Id::from_bytes([9; 16]);
            block_on(kit.server.start_session(&mut own, session, alice(&kit))).unwrap();
        }
        jar.take(&kit.server.with_cookie(&own, http::Response::new(bytes::Bytes::new())));
        assert_ne!(jar.value().unwrap(), before, "{step}");
        assert_eq!(browser(&jar).id(), id);
        assert!(browser(&jar).is_known() && !browser(&planted).is_known(), "{step}");
    }
    assert_eq!(shown(kit.come_back(&mut planted.clone(), ask.return_to(), Some(alice(&kit)))), "interaction.unknown");
    assert!(block_on(kit.server.signed_in(&browser(&jar))).unwrap().is_some());
    assert!(block_on(kit.server.signed_in(&browser(&planted))).unwrap().is_none());
    assert!(redirect(kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))).get("code").is_some());
}

#[test]
fn rfc6749_10_12_a_cookie_that_is_none_of_ours_is_a_new_browser() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &authorization("app", "read"), None) else { panic!() };
    let value = jar.value().unwrap().to_owned();
    for other in ["x", &forged(&value), &format!("{value}x"), &value.replace("cs_browser", "cs_code")] {
        let mut forged = jar.clone();
        let name =
            ask.redirect("/").headers()[header::SET_COOKIE].to_str().unwrap().split('=').next().unwrap().to_owned();
        let cookie = http::Response::builder().header("set-cookie", format!("{name}={other}")).body(()).unwrap();
        forged.take(&cookie);
        assert_eq!(shown(kit.come_back(&mut forged, ask.return_to(), None)), "interaction.unknown");
    }
}
