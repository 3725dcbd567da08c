//! Single sign-on sessions: the idle limit moves with use, the absolute one never, and each browser has its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_oauth_core::{Outcome, Preset};
use countersign_primitives::{Acr, Amr, Id, SignedIn};
use http::{Method, Response};

use crate::kit::*;
use crate::promise_12::{browser, session, signed_in};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// What `prompt=none` answers in this browser.
fn silent(kit: &Kit, jar: &Jar) -> String {
    let form = authorization("app", "read").with("prompt", "none");
    let answer = redirect(kit.authorize(&mut jar.clone(), &form, signed_in(kit, jar)));
    answer.get("error").unwrap_or("signed in").to_owned()
}

fn with_limits(idle: u64, absolute: u64) -> Kit {
    let mut preset = Preset::oauth21();
    preset.lifetimes.session_idle = Duration::from_secs(idle);
    preset.lifetimes.session_absolute = Duration::from_secs(absolute);
    Kit::with(|builder| builder.preset(preset))
}

/// The browser goes on with the cookie that its login left it.
fn step_up(kit: &Kit, jar: &mut Jar, who: SignedIn) -> SignedIn {
    let mut own = browser(kit, jar);
    static NEXT: AtomicUsize = AtomicUsize::new(100);
    let id = u8::try_from(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap();
    let who = block_on(kit.server.start_session(&mut own, Id::from_bytes([id; 16]), who)).unwrap();
    jar.take(&kit.server.with_cookie(&own, Response::new(bytes::Bytes::new())));
    who
}

#[test]
fn oidc_core_3_1_2_1_prompt_none_is_login_required_once_a_session_was_idle_for_too_long() {
    let kit = Kit::new();
    let jar = session(&kit, 1, alice(&kit));
    kit.advance(DAY - 1);
    assert_eq!(silent(&kit, &jar), "signed in");
    // The use counts: from here on there is a whole day again.
    kit.advance(DAY - 1);
    assert_eq!(silent(&kit, &jar), "signed in");
    kit.advance(DAY);
    assert_eq!(silent(&kit, &jar), "login_required");
}

#[test]
fn oidc_core_3_1_2_1_prompt_none_is_login_required_after_the_absolute_limit_however_much_it_was_used() {
    let kit = Kit::new();
    let jar = session(&kit, 1, alice(&kit));
    for _ in 0..14 * 24 {
        assert_eq!(silent(&kit, &jar), "signed in");
        kit.advance(HOUR);
    }
    assert_eq!(silent(&kit, &jar), "login_required");
}

#[test]
fn the_absolute_limit_ends_a_session_to_the_second_and_a_step_up_does_not_move_it() {
    let kit = Kit::new();
    let mut jar = session(&kit, 1, alice(&kit));
    let sid = signed_in(&kit, &jar).unwrap().session_id().cloned();
    for _ in 0..14 {
        kit.advance(DAY - 60);
        let stronger = step_up(&kit, &mut jar, alice_mfa(&kit));
        assert_eq!(stronger.session_id(), sid.as_ref(), "it stays the same session");
    }
    kit.advance(14 * 60 - 1);
    assert_eq!(signed_in(&kit, &jar).unwrap().acr_value(), Some(&Acr::MFA));
    kit.advance(1);
    assert_eq!(signed_in(&kit, &jar), None);
}

#[test]
fn a_note_of_use_never_shortens_a_session() {
    let kit = Kit::new();
    let jar = session(&kit, 1, alice(&kit));
    // Used all the time: whether a use was noted or not, the session never ends earlier than one that was not used.
    for _ in 0..48 * 60 {
        kit.advance(59);
        assert!(signed_in(&kit, &jar).is_some());
    }
    // The last use may go unnoted for five minutes.
    kit.advance(DAY - 300);
    assert!(signed_in(&kit, &jar).is_some());
}

#[test]
fn a_short_idle_limit_moves_with_use_too() {
    let kit = with_limits(60, DAY);
    let jar = session(&kit, 1, alice(&kit));
    for _ in 0..100 {
        kit.advance(20);
        assert!(signed_in(&kit, &jar).is_some());
    }
    kit.advance(60);
    assert_eq!(signed_in(&kit, &jar), None);
}

#[test]
fn an_absolute_limit_shorter_than_the_idle_one_counts() {
    let kit = with_limits(DAY, HOUR);
    let jar = session(&kit, 1, alice(&kit));
    kit.advance(HOUR - 1);
    assert!(signed_in(&kit, &jar).is_some());
    kit.advance(1);
    assert_eq!(silent(&kit, &jar), "login_required");
}

#[test]
fn a_limit_that_was_made_shorter_holds_for_sessions_from_before() {
    let store = countersign_storage_memory::MemoryStore::new();
    let before = Kit::over(ISSUER, store.clone(), |builder| builder);
    let jar = session(&before, 1, alice(&before));
    let mut preset = Preset::oauth21();
    preset.lifetimes.session_idle = Duration::from_secs(HOUR);
    let after = Kit::over(ISSUER, store, |builder| builder.preset(preset));
    after.advance(HOUR);
    assert_eq!(signed_in(&after, &jar), None);
    assert!(signed_in(&before, &jar).is_some());
}

#[test]
fn a_use_that_is_noted_while_the_session_ends_does_not_bring_it_back() {
    for round in 0..8 {
        let kit = Kit::new();
        let jar = session(&kit, round, alice(&kit));
        kit.advance(HOUR);
        kit.script.delay(2);
        race(8, |number| {
            let (kit, jar) = (kit.clone(), jar.clone());
            async move {
                if number == 0 {
                    let mut own = browser(&kit, &jar);
                    kit.server.drop_session(&mut own).await.unwrap();
                } else {
                    signed_in(&kit, &jar);
                }
            }
        });
        assert_eq!(signed_in(&kit, &jar), None);
    }
}

#[test]
fn two_browsers_have_sessions_of_their_own() {
    let kit = Kit::new();
    let (desk, phone) = (session(&kit, 1, alice(&kit)), session(&kit, 2, alice_mfa(&kit)));
    let sid = |jar: &Jar| signed_in(&kit, jar).unwrap().session_id().cloned();
    assert_ne!(sid(&desk), sid(&phone));
    // What one proved is not proven in the other.
    let form = authorization("bank", "read").with("prompt", "none");
    let ask = |jar: &Jar| kit.authorize(&mut jar.clone(), &form, signed_in(&kit, jar));
    assert_eq!(told(ask(&desk)), "interaction_required");
    assert!(redirect(ask(&phone)).get("code").is_some());
    block_on(kit.server.drop_session(&mut browser(&kit, &desk))).unwrap();
    assert_eq!((silent(&kit, &desk).as_str(), silent(&kit, &phone).as_str()), ("login_required", "signed in"));
}

#[test]
fn two_tabs_share_the_session_and_the_cookie_that_the_last_gain_left() {
    let kit = Kit::new();
    let mut jar = session(&kit, 1, alice(&kit));
    let planted = jar.clone();
    // One tab is at another login while the other proves a second factor.
    let form = authorization("bank", "read");
    let who = signed_in(&kit, &jar);
    let Outcome::NeedsStepUp(waiting) = kit.authorize(&mut jar, &form, who) else { panic!() };
    step_up(&kit, &mut jar, alice_mfa(&kit));
    let who = signed_in(&kit, &jar);
    assert_eq!(who.as_ref().unwrap().amr_values(), [Amr::Pwd, Amr::Otp]);
    assert!(redirect(kit.come_back(&mut jar, waiting.return_to(), who)).get("code").is_some());
    assert_eq!(signed_in(&kit, &planted), None, "the value from before the gain is worth nothing");
}

#[test]
fn tabs_that_gain_and_use_a_session_at_once_disturb_each_other_in_nothing() {
    for round in 0..8 {
        let kit = Kit::new();
        let jar = session(&kit, round, alice(&kit));
        kit.advance(HOUR);
        kit.script.delay(2);
        let outcomes = race(8, |number| {
            let (kit, jar) = (kit.clone(), jar.clone());
            async move {
                let mut own = browser(&kit, &jar);
                if number == 0 {
                    let who = kit.server.start_session(&mut own, Id::from_bytes([77; 16]), alice_mfa(&kit)).await;
                    who.map(|who| who.acr_value().cloned())
                } else {
                    kit.server.signed_in(&own).await.map(|_| None)
                }
            }
        });
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(outcomes[0].as_ref().unwrap(), &Some(Acr::MFA));
    }
}

#[test]
fn promise_12_a_revocation_of_the_user_ends_the_sessions_of_every_browser() {
    let kit = Kit::new();
    let (desk, phone) = (session(&kit, 1, alice(&kit)), session(&kit, 2, alice(&kit)));
    let theirs = session(&kit, 3, SignedIn::new("bob", kit.server.now()));
    block_on(kit.server.revoke_subject("alice")).unwrap();
    for jar in [&desk, &phone] {
        assert_eq!(silent(&kit, jar), "login_required");
    }
    assert_eq!(silent(&kit, &theirs), "signed in");
    // Whoever signs in again has a session of the present epoch.
    let mut desk = desk;
    step_up(&kit, &mut desk, alice(&kit));
    assert_eq!(silent(&kit, &desk), "signed in");
}

#[test]
fn a_session_that_ended_is_read_by_no_cookie_of_that_browser() {
    let kit = Kit::new();
    let jar = session(&kit, 1, alice(&kit));
    kit.advance(DAY);
    let (parts, ()) = jar.request(Method::GET, "/").body(()).unwrap().into_parts();
    let own = block_on(kit.server.browser(&parts)).unwrap();
    assert!(own.is_known(), "the browser is known, and nobody is signed in");
    assert_eq!(block_on(kit.server.signed_in(&own)).unwrap(), None);
}
