//! OpenID Connect Core §3.1.2: `prompt`, `max_age` and consent, as far as the authorization endpoint itself sees to them.

use std::time::Duration;

use countersign_oauth_core::{Consent, Outcome};
use countersign_primitives::SignedIn;

use crate::kit::*;
use crate::rfc6749_authorize::post_consent;

#[test]
fn oidc_core_3_1_2_1_prompt_none_asks_nobody() {
    let kit = Kit::new();
    let none = |client: &str, scope: &str| authorization(client, scope).with("prompt", "none");
    let mut jar = Jar::default();
    assert_eq!(told(kit.authorize(&mut jar, &none("app", "read"), None)), "login_required");
    assert!(redirect(kit.authorize(&mut jar, &none("app", "read"), Some(alice(&kit)))).get("code").is_some());
    assert_eq!(told(kit.authorize(&mut jar, &none("shop", "read"), Some(alice(&kit)))), "consent_required");
    assert_eq!(told(kit.authorize(&mut jar, &none("bank", "read"), Some(alice(&kit)))), "interaction_required");
    let fresh = none("app", "read").with("max_age", "10");
    let old = alice(&kit);
    kit.advance(11);
    assert_eq!(told(kit.authorize(&mut jar, &fresh, Some(old.clone()))), "login_required");
    assert_eq!(told(kit.authorize(&mut jar, &none("app", "read").with("max_age", "0"), Some(old))), "login_required");
    // Nothing was stored for a page that nobody will see.
    assert_eq!(jar.value(), None);
}

#[test]
fn oidc_core_3_1_2_1_prompt_is_one_of_those_defined() {
    let kit = Kit::new();
    for bad in ["none login", "login none", "none consent", "Login", "create", "none none2", "logout"] {
        let form = authorization("app", "read").with("prompt", bad);
        let answer = redirect(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit))));
        assert_eq!(answer.must("error"), "invalid_request", "{bad}");
    }
    for bad in ["-1", "1.5", "x", "1e3", " 5", "99999999999"] {
        let form = authorization("app", "read").with("max_age", bad);
        assert_eq!(told(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit)))), "invalid_request", "{bad}");
    }
}

#[test]
fn oidc_core_3_1_2_1_prompt_login_asks_for_a_login_of_this_request() {
    let kit = Kit::new();
    for (name_of, value) in
        [("prompt", "login"), ("prompt", "select_account"), ("prompt", "login consent"), ("max_age", "0")]
    {
        let mut jar = Jar::default();
        let before = alice(&kit);
        kit.advance(5);
        let form = authorization("app", "read").with(name_of, value);
        let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &form, Some(before.clone())) else { panic!("{value}") };
        assert_eq!(ask.proofs_since(), Some(kit.server.now()), "{value}");
        kit.advance(5);
        // Coming back without one changes nothing.
        assert_eq!(name(&kit.come_back(&mut jar, ask.return_to(), Some(before))), "login", "{value}");
        let expected = if value.contains("consent") { "consent" } else { "done" };
        assert_eq!(name(&kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))), expected, "{value}");
    }
    // A login just before the request, in the same second, is none of this request's.
    let form = authorization("app", "read").with("prompt", "login");
    assert_eq!(name(&kit.authorize(&mut Jar::default(), &form, Some(alice(&kit)))), "login");
}

#[test]
fn oidc_core_3_1_2_1_prompt_login_is_not_met_by_a_login_of_the_same_second() {
    let kit = Kit::new();
    kit.clock.advance(Duration::from_millis(200));
    let before = alice(&kit);
    kit.clock.advance(Duration::from_millis(300));
    for (name_of, value) in [("prompt", "login"), ("max_age", "0")] {
        let mut jar = Jar::default();
        let form = authorization("app", "read").with(name_of, value);
        let Outcome::NeedsLogin(ask) = kit.authorize(&mut jar, &form, Some(before.clone())) else { panic!("{value}") };
        assert_eq!(name(&kit.come_back(&mut jar, ask.return_to(), Some(before.clone()))), "login", "{value}");
        assert_eq!(name(&kit.come_back(&mut jar, ask.return_to(), Some(alice(&kit)))), "done", "{value}");
    }
}

#[test]
fn oidc_core_3_1_2_1_auth_time_is_that_of_the_login_and_stays() {
    let kit = Kit::new();
    let who = alice(&kit);
    kit.advance(500);
    let first =
        kit.redeem("app", &kit.code_for(&authorization("app", "read").with("max_age", "1000"), who.clone())).ok();
    kit.advance(400);
    let silent = kit.redeem("app", &kit.code_for(&authorization("app", "read").with("prompt", "none"), who)).ok();
    let refreshed = kit.refresh("app", first.text("refresh_token")).ok();
    for tokens in [first, silent, refreshed] {
        assert_eq!(tokens.claims()["auth_time"], START.as_secs());
    }
}

#[test]
fn oidc_core_3_1_2_4_consent_is_asked_once_and_remembered() {
    let kit = Kit::new();
    let (mut jar, form) = (Jar::default(), authorization("shop", "read"));
    let Outcome::NeedsConsent(page) = kit.authorize(&mut jar, &form, Some(alice(&kit))) else { panic!() };
    assert_eq!((page.client().display_name(), page.redirect_host()), ("The Shop", "shop.example.com"));
    let shown: Vec<_> = page.scopes().iter().map(|scope| (scope.token.as_str(), scope.description.as_str())).collect();
    assert_eq!(shown, [("read", "See your orders")]);
    redirect(post_consent(&kit, &jar, &page.action("/consent"), Some(alice(&kit)), Consent::allow_all()));
    // In another browser too, and silently.
    assert_eq!(name(&kit.authorize(&mut Jar::default(), &form, Some(alice(&kit)))), "done");
    assert_eq!(
        name(&kit.authorize(&mut Jar::default(), &form.clone().with("prompt", "none"), Some(alice(&kit)))),
        "done"
    );
    // Not for another user, and not for more.
    let bob = SignedIn::new("bob", kit.server.now());
    assert_eq!(name(&kit.authorize(&mut Jar::default(), &form, Some(bob))), "consent");
    let more = authorization("shop", "read write");
    assert_eq!(
        told(kit.authorize(&mut Jar::default(), &more.clone().with("prompt", "none"), Some(alice(&kit)))),
        "consent_required"
    );
    let Outcome::NeedsConsent(page) = kit.authorize(&mut jar, &more, Some(alice(&kit))) else { panic!() };
    let shown: Vec<_> = page.scopes().iter().map(|scope| scope.token.as_str()).collect();
    assert_eq!(shown, ["write"]);
}

#[test]
fn oidc_core_3_1_2_4_what_was_given_before_is_not_lost_on_a_page_that_shows_the_rest() {
    let kit = Kit::new();
    let mut jar = Jar::default();
    let mut allow = |form: &Form, consent: Consent| {
        let Outcome::NeedsConsent(page) = kit.authorize(&mut jar, form, Some(alice(&kit))) else { panic!() };
        let answer = redirect(post_consent(&kit, &jar, &page.action("/consent"), Some(alice(&kit)), consent));
        kit.redeem("shop", answer.must("code")).ok().text("scope").to_owned()
    };
    assert_eq!(allow(&authorization("shop", "openid"), Consent::allow_all()), "openid");
    assert_eq!(allow(&authorization("shop", "openid read write"), Consent::allow(["read"])), "openid read");
    assert_eq!(allow(&authorization("shop", "openid read write"), Consent::allow([])), "openid read");
    // Asked anew, the page shows all of it, and what is left out is forgotten.
    let anew = authorization("shop", "openid read").with("prompt", "consent");
    assert_eq!(allow(&anew, Consent::allow(["openid"])), "openid");
    assert_eq!(allow(&authorization("shop", "openid read"), Consent::allow_all()), "openid read");
}

#[test]
fn oidc_core_3_1_2_1_prompt_consent_asks_even_if_it_was_given_or_is_implied() {
    let kit = Kit::new();
    for client in ["shop", "app"] {
        for _ in 0..2 {
            let mut jar = Jar::default();
            let form = authorization(client, "read").with("prompt", "consent");
            let Outcome::NeedsConsent(page) = kit.authorize(&mut jar, &form, Some(alice(&kit))) else { panic!() };
            assert_eq!(page.scopes().len(), 1);
            redirect(post_consent(&kit, &jar, &page.action("/consent"), Some(alice(&kit)), Consent::allow_all()));
        }
    }
}

#[test]
fn oidc_core_3_1_2_4_a_client_that_asks_for_no_scope_is_asked_for_once() {
    let kit = Kit::new();
    let (mut jar, form) = (Jar::default(), authorization("shop", "").without("scope"));
    let Outcome::NeedsConsent(page) = kit.authorize(&mut jar, &form, Some(alice(&kit))) else { panic!() };
    redirect(post_consent(&kit, &jar, &page.action("/consent"), Some(alice(&kit)), Consent::allow_all()));
    assert_eq!(name(&kit.authorize(&mut jar, &form, Some(alice(&kit)))), "done");
}

#[test]
fn oidc_core_3_1_2_1_hints_are_handed_to_the_login() {
    let kit = Kit::new();
    let form = authorization("app", "read").with("login_hint", "alice@example.com").with("ui_locales", "de en");
    let Outcome::NeedsLogin(ask) = kit.authorize(&mut Jar::default(), &form, None) else { panic!() };
    assert_eq!((ask.login_hint(), ask.ui_locales()), (Some("alice@example.com"), Some("de en")));
    assert!(ask.prompt() == countersign_oauth_core::Prompt::default() && ask.who().is_none());
}

#[test]
fn oidc_core_11_with_openid_a_refresh_token_is_asked_for_by_offline_access() {
    let kit = Kit::new();
    for (scope, refresh) in [("openid", false), ("openid offline_access", true), ("read", true), ("openid read", false)]
    {
        assert_eq!(kit.tokens("app", scope).json.get("refresh_token").is_some(), refresh, "{scope}");
    }
}
