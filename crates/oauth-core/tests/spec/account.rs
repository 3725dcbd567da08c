//! What a user has here and may end: sessions, and applications that were let in (promise 12).

use countersign_primitives::{SessionId, Subject};

use crate::kit::*;
use crate::promise_12::{session, signed_in};

fn of_alice() -> Subject {
    alice(&Kit::new()).subject().clone()
}

fn sessions(kit: &Kit) -> Vec<SessionId> {
    block_on(kit.server.sessions_of(&of_alice())).unwrap().into_iter().map(|one| one.id).collect()
}

#[test]
fn promise_12_a_user_sees_and_ends_sessions_of_their_own_alone() {
    let kit = Kit::new();
    let (laptop, phone) = (session(&kit, 1, alice(&kit)), session(&kit, 2, alice(&kit)));
    let (bob, mallory) =
        (Subject::new("bob"), session(&kit, 3, countersign_primitives::SignedIn::new("bob", kit.server.now())));
    let own = signed_in(&kit, &phone).unwrap().session_id().cloned().unwrap();
    assert_eq!(sessions(&kit).len(), 2);
    assert!(!block_on(kit.server.end_session_of(&bob, &own)).unwrap(), "not bob's");
    assert!(!block_on(kit.server.end_session_of(&of_alice(), &"no such".into())).unwrap());
    assert!(signed_in(&kit, &phone).is_some());
    assert_eq!(block_on(kit.server.end_sessions_of(&of_alice(), Some(&own))).unwrap(), 1);
    assert!(signed_in(&kit, &laptop).is_none() && signed_in(&kit, &phone).is_some());
    assert!(signed_in(&kit, &mallory).is_some(), "bob's goes on");
    let owner = of_alice();
    // Of many who end it at once each is told what it did, and it has ended.
    let ended = race(8, |_| kit.server.end_session_of(&owner, &own)).into_iter().map(Result::unwrap);
    assert!(ended.filter(|ended| *ended).count() >= 1);
    assert!(sessions(&kit).is_empty() && signed_in(&kit, &phone).is_none());
}

#[test]
fn promise_12_an_application_that_is_disconnected_is_dead_with_codes_in_flight() {
    let kit = Kit::new();
    let tokens = kit.tokens("app", "read");
    let in_flight = kit.code("app", "read");
    let connections = || block_on(kit.server.connections_of(&of_alice())).unwrap();
    let listed = connections();
    assert_eq!((listed.len(), listed[0].client_id.as_str(), listed[0].is_active), (1, "app", true));
    assert!(listed[0].scope.contains("read"));
    assert!(!block_on(kit.server.disconnect(&Subject::new("bob"), "app")).unwrap(), "bob let in nobody");
    assert!(!block_on(kit.server.disconnect(&of_alice(), "no-such-client")).unwrap());
    kit.is_alive("app", &tokens);
    kit.advance(1);
    assert!(block_on(kit.server.disconnect(&of_alice(), "app")).unwrap());
    kit.is_dead("app", &tokens);
    kit.redeem("app", &in_flight).is_error(400, "invalid_grant");
    assert!(connections().is_empty());
    // Whoever lets it in again has let it in.
    kit.advance(1);
    kit.is_alive("app", &kit.tokens("app", "read"));
}

#[test]
fn promise_12_a_code_that_races_with_the_withdrawal_yields_nothing_that_lives() {
    for _ in 0..16 {
        let kit = Kit::new();
        let (code, subject) = (kit.code("app", "read"), of_alice());
        kit.advance(1);
        let kit = &kit;
        let answer = std::thread::scope(|scope| {
            let redeeming = scope.spawn(|| kit.redeem("app", &code));
            block_on(kit.server.disconnect(&subject, "app")).unwrap();
            redeeming.join().unwrap()
        });
        assert!(block_on(kit.server.connections_of(&subject)).unwrap().is_empty());
        if answer.status == 200 {
            kit.is_dead("app", &answer); // issued a moment too early, or a moment too late
        }
    }
}
