//! Promise 12: the end of a session ends what hangs on it, under any concurrency and across a crash.

use async_trait::async_trait;
use countersign_events::EventKind;
use countersign_oauth_core::{Client, ConsentRule, Grant, GrantRequest, Issue, Preset, Refusal};
use countersign_primitives::{Amr, Id, SessionId, SignedIn};
use countersign_storage_traits::testkit::{Call, CommitFault};
use http::Response;

use crate::kit::*;
use crate::promise_12::{browser, session, signed_in};

/// A refresh token without `offline_access`, and an access token for this server.
const ONLINE: &str = "write";
const OFFLINE: &str = "openid offline_access";
const KIOSK: &str = "urn:example:params:oauth:grant-type:kiosk";

fn code_in(kit: &Kit, jar: &Jar, scope: &str) -> String {
    let who = signed_in(kit, jar);
    redirect(kit.authorize(&mut jar.clone(), &authorization("app", scope), who)).must("code").to_owned()
}

fn tokens_in(kit: &Kit, jar: &Jar, scope: &str) -> Answer {
    kit.redeem("app", &code_in(kit, jar, scope)).ok()
}

fn sign_out(kit: &Kit, jar: &Jar) -> Result<(), Refusal> {
    let mut own = browser(kit, jar);
    block_on(kit.server.drop_session(&mut own))
}

#[test]
fn promise_12_the_end_of_a_session_ends_its_codes_and_tokens_without_offline_access() {
    let kit = Kit::new();
    let (here, there) = (session(&kit, 1, alice(&kit)), session(&kit, 2, alice(&kit)));
    let (tokens, offline) = (tokens_in(&kit, &here, ONLINE), tokens_in(&kit, &here, OFFLINE));
    let (code, offline_code) = (code_in(&kit, &here, ONLINE), code_in(&kit, &here, OFFLINE));
    let (elsewhere, unbound) = (tokens_in(&kit, &there, ONLINE), kit.tokens("app", ONLINE));
    kit.access_own(&tokens);

    sign_out(&kit, &here).unwrap();
    assert_eq!(signed_in(&kit, &here), None);
    kit.is_dead("app", &tokens);
    kit.redeem("app", &code).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "grant.session_ended");
    // Whoever was asked for `offline_access` gave it beyond the session (OpenID Connect Core §11).
    kit.is_alive("app", &offline);
    kit.is_alive("app", &kit.redeem("app", &offline_code).ok());
    // Another browser of the same user, and a grant of no session.
    kit.is_alive("app", &elsewhere);
    kit.is_alive("app", &unbound);
    assert!(signed_in(&kit, &there).is_some());
    let ended = kit.events(EventKind::SessionEnded);
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].session(), Some(&SessionId::from(Id::from_bytes([1; 16]))));
    assert_eq!(kit.events(EventKind::GrantEnded).len(), 1);
}

#[test]
fn promise_12_a_hosts_session_ends_in_the_same_way_and_its_user_must_sign_in_anew() {
    let kit = Kit::new();
    // A host's ids are its own: any text, one that looks like ours too.
    for sid in ["session-7f3a", "", &"x".repeat(300), &Id::from_bytes([9; 16]).to_string()] {
        let who = || alice(&kit).session(sid);
        let in_session = |scope: &str| kit.redeem("app", &kit.code_for(&authorization("app", scope), who())).ok();
        let (tokens, offline) = (in_session(ONLINE), in_session(OFFLINE));
        let code = kit.code_for(&authorization("app", ONLINE), who());
        block_on(kit.server.session_ended(sid)).unwrap();
        kit.is_dead("app", &tokens);
        kit.redeem("app", &code).is_error(400, "invalid_grant");
        kit.is_alive("app", &offline);
        // The host still says so, in a request that was on its way.
        let late = kit.authorize(&mut Jar::default(), &authorization("app", ONLINE), Some(who()));
        assert_eq!(name(&late), "login", "{sid}");
        let silent = authorization("app", ONLINE).with("prompt", "none");
        assert_eq!(told(kit.authorize(&mut Jar::default(), &silent, Some(who()))), "login_required");
        let before = kit.events(EventKind::SessionEnded).len();
        block_on(kit.server.session_ended(sid)).unwrap();
        assert_eq!(kit.events(EventKind::SessionEnded).len(), before, "told once");
    }
    kit.is_alive("app", &kit.tokens("app", ONLINE));
}

#[test]
fn promise_12_another_user_in_the_same_browser_ends_the_session_and_its_grants() {
    let kit = Kit::new();
    let jar = session(&kit, 1, alice(&kit));
    let tokens = tokens_in(&kit, &jar, ONLINE);
    let mut own = browser(&kit, &jar);
    let bob = SignedIn::new("bob", kit.server.now());
    block_on(kit.server.start_session(&mut own, Id::from_bytes([2; 16]), bob)).unwrap();
    kit.is_dead("app", &tokens);
}

#[test]
fn promise_12_requests_in_flight_at_the_end_of_a_session_yield_nothing_that_lives() {
    for round in 0..8 {
        let kit = Kit::new();
        let jar = session(&kit, round, alice(&kit));
        let (before, code) = (tokens_in(&kit, &jar, ONLINE), code_in(&kit, &jar, ONLINE));
        let refresh_token = before.text("refresh_token").to_owned();
        kit.script.delay(2);
        let won = race(16, |number| {
            let (kit, jar, refresh_token, code) = (kit.clone(), jar.clone(), refresh_token.clone(), code.clone());
            async move {
                let answer = match number {
                    0..2 => {
                        sign_out(&kit, &jar).unwrap();
                        return None;
                    }
                    2..8 => kit.refresh("app", &refresh_token),
                    8 => kit.redeem("app", &code),
                    _ => {
                        let who = signed_in(&kit, &jar);
                        let outcome = kit.authorize(&mut jar.clone(), &authorization("app", ONLINE), who);
                        let countersign_oauth_core::Outcome::Done(_) = outcome else { return None };
                        kit.redeem("app", redirect(outcome).must("code"))
                    }
                };
                Some(answer).filter(|answer| answer.status == 200)
            }
        });
        for tokens in won.into_iter().flatten().chain([before]) {
            kit.is_dead("app", &tokens);
        }
        assert_eq!(signed_in(&kit, &jar), None);
        assert!(kit.events(EventKind::RefreshTokenReused).is_empty(), "an end is no reuse");
    }
}

#[test]
fn promise_12_a_crash_at_any_commit_of_a_sign_out_leaves_all_or_nothing() {
    let counting = Kit::new();
    let jar = session(&counting, 1, alice(&counting));
    tokens_in(&counting, &jar, ONLINE);
    counting.script.restart();
    sign_out(&counting, &jar).unwrap();
    // The mark, the grant, the cookie.
    let commits = counting.script.commits();
    assert_eq!(commits, 3);
    for number in 1..=commits {
        for fault in CommitFault::ALL {
            let kit = Kit::new();
            let jar = session(&kit, 1, alice(&kit));
            let (tokens, code) = (tokens_in(&kit, &jar, ONLINE), code_in(&kit, &jar, ONLINE));
            kit.script.restart();
            kit.script.crash_at_commit(number, fault);
            assert!(sign_out(&kit, &jar).is_err());
            kit.script.restart();
            let marked = number > 1 || fault == CommitFault::LostAnswer;
            assert_eq!(signed_in(&kit, &jar).is_none(), marked, "commit {number} {fault:?}");
            if !marked {
                kit.access_own(&tokens);
                sign_out(&kit, &jar).unwrap();
            }
            kit.redeem("app", &code).is_error(400, "invalid_grant");
            kit.is_dead("app", &tokens);
            // The user presses the button once more.
            sign_out(&kit, &jar).unwrap();
            assert_eq!(signed_in(&kit, &jar), None);
        }
    }
}

#[test]
fn promise_12_what_was_not_tidied_up_stays_dead_for_as_long_as_it_might_have_lived() {
    let mut preset = Preset::oauth21();
    preset.lifetimes.refresh_token_idle = preset.lifetimes.refresh_token_absolute;
    let kit = Kit::with(|builder| builder.preset(preset));
    let jar = session(&kit, 1, alice(&kit));
    let tokens = tokens_in(&kit, &jar, ONLINE);
    kit.script.restart();
    kit.script.fail(Call::List, 1);
    sign_out(&kit, &jar).unwrap();
    assert!(kit.events(EventKind::GrantEnded).is_empty());
    for _ in 0..17 {
        kit.advance(10 * 86_400);
        kit.refresh("app", tokens.text("refresh_token")).is_error(400, "invalid_grant");
        assert_eq!(kit.cause(), "grant.session_ended");
        block_on(kit.server.work(kit.server.now())).unwrap();
    }
    assert!(kit.events(EventKind::RefreshTokenReused).is_empty(), "an end is no reuse");
}

#[test]
fn promise_12_a_client_of_many_grants_is_ended_whole() {
    let kit = Kit::new();
    let jar = session(&kit, 1, alice(&kit));
    let tokens: Vec<_> = (0..300).map(|_| tokens_in(&kit, &jar, ONLINE)).collect();
    sign_out(&kit, &jar).unwrap();
    assert_eq!(kit.events(EventKind::GrantEnded).len(), 300);
    kit.is_dead("app", &tokens[299]);
}

#[test]
fn promise_14_a_mark_that_cannot_be_read_refuses() {
    let kit = Kit::new();
    let jar = session(&kit, 1, alice(&kit));
    let tokens = tokens_in(&kit, &jar, ONLINE);
    kit.script.restart();
    kit.refresh("app", tokens.text("refresh_token")).ok();
    for read in 1..=kit.script.calls(Call::Get) {
        let tokens = tokens_in(&kit, &jar, ONLINE);
        kit.script.restart();
        kit.script.fail(Call::Get, read);
        kit.refresh("app", tokens.text("refresh_token")).is_error(503, "temporarily_unavailable");
        kit.script.restart();
        kit.is_alive("app", &tokens);
    }
}

/// Trades a session of the host's for tokens.
struct Kiosk;

#[async_trait]
impl Grant for Kiosk {
    fn grant_type(&self) -> &str {
        KIOSK
    }
    async fn redeem(&self, request: &GrantRequest<'_>) -> Result<Issue, Refusal> {
        let who = SignedIn::new("alice", request.now()).amr([Amr::Hwk]).session(request.param("session")?);
        Ok(Issue::to(who).refreshable())
    }
}

#[test]
fn promise_12_a_grant_of_the_hosts_own_hangs_on_its_session_too() {
    let client = Client::public("kiosk").grant_types([KIOSK, "refresh_token"]).consent(ConsentRule::Implied);
    let kit = Kit::with(|builder| builder.grant(Kiosk).client(client));
    let form = Form::new().with("grant_type", KIOSK).with("session", "s-1").with("scope", ONLINE);
    let tokens = kit.token("kiosk", &form).ok();
    kit.access_own(&tokens);
    block_on(kit.server.session_ended("s-1")).unwrap();
    assert_eq!(kit.events(EventKind::GrantEnded).len(), 1, "it stands in the session's list");
    kit.is_dead("kiosk", &tokens);
    kit.token("kiosk", &form).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "grant.session_ended");
    kit.token("kiosk", &form.with("session", "s-2")).ok();
}

#[test]
fn promise_12_two_tabs_that_sign_out_at_once_both_succeed() {
    let kit = Kit::new();
    let jar = session(&kit, 1, alice(&kit));
    kit.script.delay(2);
    let done = race(8, |_| {
        let (kit, jar) = (kit.clone(), jar.clone());
        async move { sign_out(&kit, &jar) }
    });
    assert!(done.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(signed_in(&kit, &jar), None);
    // Nobody is signed in by a cookie that somebody kept.
    let mut own = browser(&kit, &jar);
    let kept = kit.server.with_cookie(&own, Response::new(bytes::Bytes::new()));
    let mut other = jar.clone();
    other.take(&kept);
    assert_eq!(signed_in(&kit, &other), None);
    block_on(kit.server.drop_session(&mut own)).unwrap();
}

#[test]
fn rfc7662_4_attack_41_a_token_of_a_session_that_has_ended_is_worth_nothing() {
    let kit = with_services();
    // One client's tokens are JWTs, the other's opaque.
    for client in ["app", "bff"] {
        let who = || alice(&kit).session(format!("of {client}"));
        let tokens = |scope: &str| kit.redeem(client, &kit.code_for(&authorization(client, scope), who())).ok();
        let (online, offline) = (tokens("read"), tokens("read offline_access"));
        let active =
            |tokens: &Answer| kit.introspect("orders", tokens.text("access_token")).ok().json["active"] == true;
        assert!(active(&online) && active(&offline));
        // Nothing is tidied up: the mark alone decides.
        kit.script.restart();
        kit.script.fail(Call::List, 1);
        block_on(kit.server.session_ended(format!("of {client}"))).unwrap();
        assert!(!active(&online) && active(&offline));
    }
}
