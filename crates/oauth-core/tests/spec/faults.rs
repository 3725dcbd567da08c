//! A store that fails, before and after every commit: nothing is half done, and what was lost can be asked for again.

use countersign_events::EventKind;
use countersign_oauth_core::{Consent, Outcome};
use countersign_storage_traits::testkit::{Call, CommitFault};

use crate::kit::*;
use crate::rfc6749_authorize::post_consent;

/// From the consent page to a code.
fn to_code(kit: &Kit, jar: &mut Jar, scope: &str) -> Outcome {
    let form = authorization("shop", scope).with("prompt", "consent");
    match kit.authorize(jar, &form, Some(alice(kit))) {
        Outcome::NeedsConsent(page) => {
            post_consent(kit, jar, &page.action("/consent"), Some(alice(kit)), Consent::allow_all())
        }
        other => other,
    }
}

/// The refusal of a store that is not there.
#[track_caller]
fn is_unavailable(answer: &Answer) {
    answer.is_error(503, "temporarily_unavailable");
    assert_eq!((answer.header("retry-after"), answer.header("cache-control")), ("1", "no-store"));
}

#[test]
fn promise_14_a_store_that_is_down_is_503_and_spends_nothing() {
    let kit = Kit::new();
    let code = kit.code("app", "openid offline_access");
    kit.script.down();
    is_unavailable(&kit.redeem("app", &code));
    assert!(matches!(
        kit.authorize(&mut Jar::default(), &authorization("app", "read"), None),
        Outcome::Refused(refusal) if refusal.status() == 503
    ));
    kit.script.up();
    let tokens = kit.redeem("app", &code).ok();
    kit.script.down();
    is_unavailable(&kit.refresh("app", tokens.text("refresh_token")));
    assert_eq!(kit.access(tokens.text("access_token")).unwrap_err().status(), 503);
    kit.script.up();
    kit.is_alive("app", &tokens);
    assert!(kit.events(EventKind::Failure).len() >= 3);
}

#[test]
fn promise_14_every_read_that_fails_refuses() {
    let kit = Kit::new();
    let code = kit.code("app", "openid offline_access");
    kit.script.restart();
    let tokens = kit.redeem("app", &code).ok();
    let reads = kit.script.calls(Call::Get);
    for read in 1..=reads {
        let code = kit.code("app", "openid offline_access");
        kit.script.restart();
        kit.script.fail(Call::Get, read);
        is_unavailable(&kit.redeem("app", &code));
        kit.script.restart();
        kit.redeem("app", &code).ok();
    }
    kit.script.restart();
    assert!(kit.access(tokens.text("access_token")).is_ok());
    for read in 1..=kit.script.calls(Call::Get) {
        kit.script.restart();
        kit.script.fail(Call::Get, read);
        assert_eq!(kit.access(tokens.text("access_token")).unwrap_err().status(), 503, "read {read}");
    }
}

#[test]
fn promise_3_a_commit_whose_answer_was_lost_is_repeated_and_succeeds() {
    let steps = |kit: &Kit, fault: Option<(u32, CommitFault)>| {
        let mut jar = Jar::default();
        kit.script.restart();
        if let Some((number, fault)) = fault {
            kit.script.fail_commit(number, fault);
        }
        let code = redirect(to_code(kit, &mut jar, "openid offline_access")).must("code").to_owned();
        let tokens = kit.redeem("shop", &code).ok();
        let tokens = kit.refresh("shop", tokens.text("refresh_token")).ok();
        kit.access_own(&tokens);
        tokens
    };
    let kit = Kit::new();
    steps(&kit, None);
    let commits = kit.script.commits();
    assert!(commits >= 6, "{commits}");
    for number in 1..=commits {
        for fault in [CommitFault::LostAnswer, CommitFault::LostRequest] {
            let kit = Kit::new();
            let tokens = steps(&kit, Some((number, fault)));
            assert!(
                kit.events(EventKind::CodeReused).is_empty() && kit.events(EventKind::RefreshTokenReused).is_empty()
            );
            kit.is_alive("shop", &tokens);
        }
    }
}

#[test]
fn promise_1_a_crash_at_any_commit_of_an_authorization_yields_one_code_at_most_and_a_reload_goes_on() {
    let counting = Kit::new();
    to_code(&counting, &mut Jar::default(), "read");
    let commits = counting.script.commits();
    for number in 1..=commits {
        for fault in CommitFault::ALL {
            let kit = Kit::new();
            let mut jar = Jar::default();
            let form = authorization("shop", "read").with("prompt", "consent");
            kit.script.crash_at_commit(number, fault);
            let first = kit.authorize(&mut jar, &form, Some(alice(&kit)));
            let Outcome::NeedsConsent(page) = first else {
                // Nothing was shown yet: the user starts again.
                assert_eq!(name(&first), "refused");
                kit.script.restart();
                assert!(redirect(to_code(&kit, &mut jar, "read")).get("code").is_some());
                continue;
            };
            let stopped = post_consent(&kit, &jar, &page.action("/consent"), Some(alice(&kit)), Consent::allow_all());
            assert_eq!(name(&stopped), "refused", "commit {number} {fault:?}");
            kit.script.restart();
            // The user presses the button once more.
            let again = post_consent(&kit, &jar, &page.action("/consent"), Some(alice(&kit)), Consent::allow_all());
            let code = redirect(again).must("code").to_owned();
            kit.redeem("shop", &code).ok();
            assert_eq!(name(&kit.come_back(&mut jar, page.return_to(), Some(alice(&kit)))), "refused");
        }
    }
}

#[test]
fn promise_1_a_crash_at_the_redemption_issues_once_or_not_at_all() {
    for fault in CommitFault::ALL {
        let kit = Kit::new();
        let code = kit.code("app", "openid offline_access");
        kit.script.restart();
        kit.script.crash_at_commit(1, fault);
        is_unavailable(&kit.redeem("app", &code));
        kit.script.restart();
        let again = kit.redeem("app", &code);
        match fault {
            // It was redeemed, and the answer is lost: the code is spent, and its second coming ends the grant (RFC 6749 §4.1.2).
            CommitFault::LostAnswer => again.is_error(400, "invalid_grant"),
            _ => kit.is_alive("app", &again.ok()),
        }
    }
}

#[test]
fn promise_1_a_crash_at_the_refresh_leaves_one_successor() {
    for fault in CommitFault::ALL {
        let kit = Kit::new();
        let tokens = kit.tokens("app", "openid offline_access");
        kit.script.restart();
        kit.script.crash_at_commit(1, fault);
        is_unavailable(&kit.refresh("app", tokens.text("refresh_token")));
        kit.script.restart();
        let again = kit.refresh("app", tokens.text("refresh_token")).ok();
        let same = kit.refresh("app", tokens.text("refresh_token")).ok();
        assert_eq!(again.text("refresh_token"), same.text("refresh_token"));
        kit.is_alive("app", &again);
    }
}

#[test]
fn promise_2_a_crash_at_the_ending_ends_it_at_the_next_coming() {
    for fault in CommitFault::ALL {
        let kit = Kit::new();
        let code = kit.code("app", "openid offline_access");
        let tokens = kit.redeem("app", &code).ok();
        kit.script.restart();
        kit.script.crash_at_commit(1, fault);
        is_unavailable(&kit.redeem("app", &code));
        kit.script.restart();
        kit.redeem("app", &code).is_error(400, "invalid_grant");
        kit.is_dead("app", &tokens);
    }
}

#[test]
fn promise_12_a_crash_at_a_revocation_has_revoked_or_has_not() {
    for fault in CommitFault::ALL {
        let kit = Kit::new();
        let tokens = kit.tokens("app", "openid offline_access");
        kit.script.restart();
        kit.script.crash_at_commit(1, fault);
        assert!(block_on(kit.server.revoke_subject("alice")).is_err());
        kit.script.restart();
        if fault == CommitFault::LostAnswer {
            kit.is_dead("app", &tokens);
        } else {
            kit.access_own(&tokens);
            block_on(kit.server.revoke_subject("alice")).unwrap();
            kit.is_dead("app", &tokens);
        }
    }
}
