//! Attacks on answers: replayed, forged, meant for something else, racing, cut off by a crash.

use countersign_mfa::{Answer, PushDecision, PushError, Step};
use countersign_primitives::{Id, Random, SystemRandom};
use countersign_tokens::{Header, Signer, sign_compact};
use futures_util::future::join_all;
use proptest::prelude::*;
use serde_json::json;

use super::phone::{ANSWER, ENROL, Phone, READ, devices, number_of, other_than};
use super::{asked, bench, request, unlimited};
use crate::support::{REALM, Stop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_of_64_answers_over_two_engines_one_counts() {
    let (bench, carrier) = unlimited().await;
    let phone = bench.enrol_phone("alice").await;
    let other = bench
        .engine_with(|builder| {
            builder.push(countersign_mfa::Push::new(carrier.clone())).limits(countersign_mfa::Limits::off())
        })
        .await;
    for _ in 0..4 {
        let mut login = asked(&bench, "alice").await;
        let (challenge, number) = (carrier.newest(), number_of(&login.step));
        let wrong = other_than(&number);
        let mut proofs = Vec::new();
        for turn in 0..64 {
            let (decision, number) = [("approve", &number), ("deny", &number), ("approve", &wrong)][turn % 3];
            proofs.push(phone.decision(challenge, decision, number).await);
        }
        let racing = proofs.iter().enumerate().map(|(number, proof)| {
            let devices = devices(if number % 2 == 0 { &bench.mfa } else { &other });
            async move { devices.answer(challenge, proof).await }
        });
        let outcomes: Vec<_> = join_all(racing).await.into_iter().filter_map(Result::ok).collect();
        assert_eq!(outcomes.len(), 1, "exactly one answer may count: {outcomes:?}");
        login.poll().await;
        assert_eq!(login.is_done(), outcomes[0] == PushDecision::Approved);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_an_approved_login_that_asks_many_times_at_once_is_one_login() {
    let (bench, carrier) = unlimited().await;
    let phone = bench.enrol_phone("alice").await;
    let login = asked(&bench, "alice").await;
    phone.decide(&bench.mfa, carrier.newest(), "approve", &number_of(&login.step)).await.unwrap();
    let steps = join_all((0..16).map(|_| bench.mfa.answer(login.id, &Answer::Poll, &login.caller))).await;
    let done: Vec<_> = steps.into_iter().map(|step| format!("{:?}", step.unwrap())).collect();
    assert!(done.iter().all(|step| *step == done[0] && step.starts_with("Done")), "{done:?}");
}

#[tokio::test]
async fn a_replayed_answer_changes_nothing_and_is_answered_alike() {
    let (bench, carrier) = unlimited().await;
    let phone = bench.enrol_phone("alice").await;
    let mut login = asked(&bench, "alice").await;
    let (challenge, number) = (carrier.newest(), number_of(&login.step));
    let proof = phone.decision(challenge, "approve", &number).await;
    for _ in 0..3 {
        assert_eq!(devices(&bench.mfa).answer(challenge, &proof).await.unwrap(), PushDecision::Approved);
    }
    login.poll().await;
    assert!(login.is_done());
    let mut next = asked(&bench, "alice").await;
    let replayed = devices(&bench.mfa).answer(carrier.newest(), &proof).await;
    assert!(matches!(replayed, Err(PushError::Unknown)), "{replayed:?}");
    assert_eq!(devices(&bench.mfa).answer(challenge, &proof).await.unwrap(), PushDecision::Approved);
    assert!(matches!(next.poll().await, Step::Wait(_)), "the next login is not answered by it");
    let reread = devices(&bench.mfa).challenge(challenge, &phone.reading(challenge).await).await;
    assert!(matches!(reread, Err(PushError::Answered)), "{reread:?}");
}

#[tokio::test]
async fn promise_11_a_challenge_of_one_login_answers_no_others() {
    let (bench, carrier) = unlimited().await;
    let (alice, bob) = (bench.enrol_phone("alice").await, bench.enrol_phone("bob").await);
    let mut alices = asked(&bench, "alice").await;
    let (of_alice, number) = (carrier.newest(), number_of(&alices.step));
    let mut bobs = asked(&bench, "bob").await;
    let of_bob = carrier.newest();
    // Bob's phone answers Alice's challenge, and Bob's own with her number.
    let foreign = bob.decide(&bench.mfa, of_alice, "approve", &number).await;
    assert!(matches!(foreign, Err(PushError::Unknown)), "another's device learns nothing: {foreign:?}");
    let read = devices(&bench.mfa).challenge(of_alice, &bob.reading(of_alice).await).await;
    assert!(matches!(read, Err(PushError::Unknown)), "{read:?}");
    assert!(alice.decide(&bench.mfa, of_bob, "approve", &number_of(&bobs.step)).await.is_err());
    // An answer about one challenge, sent for another.
    let proof = alice.decision(of_alice, "approve", &number).await;
    assert!(devices(&bench.mfa).answer(of_bob, &proof).await.is_err());
    alice.decide(&bench.mfa, of_alice, "approve", &number).await.unwrap();
    assert!(matches!(bobs.poll().await, Step::Wait(_)));
    alices.poll().await;
    assert!(alices.is_done());
}

#[tokio::test]
async fn promise_11_an_answer_works_for_its_issuer_client_challenge_and_purpose_alone() {
    let (bench, carrier) = unlimited().await;
    let phone = bench.enrol_phone("alice").await;
    let mut login = asked(&bench, "alice").await;
    let (challenge, number) = (carrier.newest(), number_of(&login.step));
    let devices = devices(&bench.mfa);
    let good = json!({
        "aud": REALM, "challenge": challenge.to_string(), "client": "Shop", "decision": "approve", "number": number,
    });
    let with = |member: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[member] = value;
        claims
    };
    for claims in [
        with("aud", json!("https://other.example")),
        with("client", json!("Bank")),
        with("challenge", json!(Id::from_bytes([9; 16]).to_string())),
        with("challenge", json!("")),
        with("decision", json!("maybe")),
        with("number", json!(number.parse::<u8>().unwrap())),
    ] {
        assert!(devices.answer(challenge, &phone.sign(ANSWER, &claims).await).await.is_err(), "{claims}");
    }
    for typ in [ENROL, READ, "at+jwt", "JWT"] {
        assert!(devices.answer(challenge, &phone.sign(typ, &good).await).await.is_err(), "{typ}");
    }
    assert!(devices.challenge(challenge, &phone.sign(ANSWER, &good).await).await.is_err(), "an answer reads nothing");
    let forger = Phone::new("forger");
    let forged = devices.answer(challenge, &forger.sign(ANSWER, &good).await).await;
    assert!(matches!(forged, Err(PushError::Unknown)), "{forged:?}");
    // A key that the token brings along is not the one it is checked with.
    let header = Header { typ: Some(ANSWER), cty: None, jwk: Some(forger.signer.public_key()) };
    let embedded = sign_compact(&forger.signer, &header, &good).await.unwrap();
    assert!(devices.answer(challenge, &embedded).await.is_err());
    let proof = phone.sign(ANSWER, &good).await;
    let cut = &proof[..proof.len() - 4];
    assert!(devices.answer(challenge, cut).await.is_err());
    assert!(matches!(login.poll().await, Step::Wait(_)), "none of them answered");
    assert_eq!(devices.answer(challenge, &proof).await.unwrap(), PushDecision::Approved);
}

#[tokio::test]
async fn a_number_is_taken_whole_and_as_it_stands() {
    for typed in ["", " ", "0", "4", "047", "٤٧", "47 ", "470"] {
        let (bench, carrier) = unlimited().await;
        let phone = bench.enrol_phone("alice").await;
        let login = asked(&bench, "alice").await;
        let number = number_of(&login.step);
        let near = if typed == "47 " { format!("{number} ") } else { typed.to_owned() };
        let decided = phone.decide(&bench.mfa, carrier.newest(), "approve", &near).await.unwrap();
        assert_eq!(decided, PushDecision::WrongNumber, "{near:?}");
    }
}

#[tokio::test]
async fn promise_12_what_was_revoked_meanwhile_is_not_answered() {
    let (bench, carrier) = unlimited().await;
    let phone = bench.enrol_phone("alice").await;
    let login = asked(&bench, "alice").await;
    let (challenge, number) = (carrier.newest(), number_of(&login.step));
    phone.decide(&bench.mfa, challenge, "approve", &number).await.unwrap();
    bench.mfa.authenticators().reset(&bench.subject_of("alice").await).await.unwrap();
    let step = bench.mfa.answer(login.id, &Answer::Poll, &login.caller).await.unwrap();
    assert!(!matches!(step, Step::Done(_)), "{step:?}");
}

#[tokio::test]
async fn promise_1_a_crash_at_any_commit_of_an_approval_lets_its_own_login_in_and_no_other() {
    for at in 0..12 {
        for stop in [Stop::Before(at), Stop::After(at)] {
            let (bench, carrier) = unlimited().await;
            let phone = bench.enrol_phone("alice").await;
            let mut login = asked(&bench, "alice").await;
            let (challenge, number) = (carrier.newest(), number_of(&login.step));
            let proof = phone.decision(challenge, "approve", &number).await;
            bench.store.stop(Some(stop));
            let _ = devices(&bench.mfa).answer(challenge, &proof).await;
            let _ = bench.mfa.answer(login.id, &Answer::Poll, &login.caller).await;
            bench.store.stop(None);
            // The device and the page repeat what they did, and both come out right.
            assert_eq!(
                devices(&bench.mfa).answer(challenge, &proof).await.unwrap(),
                PushDecision::Approved,
                "{stop:?}"
            );
            login.poll().await;
            assert!(login.is_done(), "{stop:?}");
            let mut next = bench.password(request(), bench.browser(), "alice").await;
            assert!(!matches!(next.poll().await, Step::Done(_)), "{stop:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn promise_7_no_proof_can_panic_what_devices_call(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (bench, _) = bench().await;
            let devices = devices(&bench.mfa);
            let random: &dyn Random = &SystemRandom;
            let id = random.id().unwrap();
            let binary = String::from_utf8_lossy(&bytes);
            for proof in [text.as_str(), &binary] {
                assert!(devices.enrol(proof).await.is_err());
                assert!(devices.challenge(id, proof).await.is_err());
                assert!(devices.answer(id, proof).await.is_err());
            }
        });
    }
}
