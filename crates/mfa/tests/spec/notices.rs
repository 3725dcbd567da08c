//! What the owner of an account is told unasked.

use std::time::Duration;

use countersign_accounts::Accounts as _;
use countersign_mfa::{Answer, Existing, LoginError, LoginRequest, MfaBuilder, NotMeError};
use countersign_outbound::{Channel, SendError};

use crate::letterbox::{Carried, Letterbox};
use crate::support::{Bench, Stop};

/// Alice's contacts are verified, and bob's are not.
async fn bench(change: fn(MfaBuilder<'_>) -> MfaBuilder<'_>) -> (Bench, Letterbox) {
    let letters = Letterbox::default();
    let bench = Bench::with(|builder| {
        change(builder.sender(Channel::Email, letters.clone()).sender(Channel::Sms, letters.clone()))
    })
    .await;
    for (name, verified) in [("alice", true), ("bob", false)] {
        let account = bench.users.by_login(name).await.unwrap().unwrap();
        let account = account.email(format!("{name}@example.com"), verified).phone_number("+4915112345623", verified);
        bench.users.import([account.claim("locale", "de-AT")], Existing::Replace).await.unwrap();
    }
    (bench, letters)
}

/// Whom the last messages went to, and the subject of the mail among them.
fn last(letters: &Letterbox, count: usize) -> (Vec<(Channel, String)>, Option<String>) {
    let sent: Vec<Carried> = letters.all();
    let sent = &sent[sent.len() - count..];
    let to = sent.iter().map(|message| (message.channel, message.to.clone())).collect();
    (to, sent.iter().find_map(|message| message.subject.clone()))
}

fn everywhere() -> Vec<(Channel, String)> {
    vec![(Channel::Email, "alice@example.com".into()), (Channel::Sms, "+4915112345623".into())]
}

#[tokio::test]
async fn m25_every_channel_on_file_is_told_of_a_factor_that_comes_or_goes() {
    let (bench, letters) = bench(|builder| builder).await;
    bench.enrol("alice").await;
    let told = (everywhere(), Some("Ein neuer Anmeldeweg bei id.example.com".to_owned()));
    assert_eq!((letters.count(), last(&letters, 2)), (2, told));
    let text = letters.message().text;
    assert!(text.contains("Authenticator app"), "{text}");
    let (authenticators, subject) = (bench.mfa.authenticators(), bench.subject_of("alice").await);
    authenticators.new_recovery_codes(&subject).await.unwrap();
    let codes = "Neue Wiederherstellungscodes für Ihr Konto bei id.example.com";
    assert_eq!(last(&letters, 2), (everywhere(), Some(codes.to_owned())));
    let totp = authenticators.list(&subject).await.unwrap().swap_remove(0).id;
    assert!(authenticators.remove(&subject, &totp).await.unwrap());
    let removed = "Ein Anmeldeweg bei id.example.com wurde entfernt";
    assert_eq!(last(&letters, 2), (everywhere(), Some(removed.to_owned())));
    let sent = letters.count();
    assert!(!authenticators.remove(&subject, &totp).await.unwrap());
    authenticators.reset(&subject).await.unwrap();
    assert_eq!(letters.count(), sent, "nothing changed, and nobody is told");
    bench.enrol("alice").await;
    authenticators.reset(&subject).await.unwrap();
    let reset = "Alle zweiten Schritte Ihres Kontos bei id.example.com wurden entfernt";
    assert_eq!(last(&letters, 2), (everywhere(), Some(reset.to_owned())));
}

#[tokio::test]
async fn the_owner_is_told_of_a_recovery_code_and_of_guesses_by_mail_alone() {
    let (bench, letters) = bench(|builder| builder).await;
    let (_, codes) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    login.choose("recovery_code").await;
    let sent = letters.count();
    login.answer(&Answer::code(&codes[0])).await;
    assert!(login.is_done() && letters.count() == sent + 1);
    let used = "Ein Wiederherstellungscode Ihres Kontos bei id.example.com wurde benutzt";
    assert_eq!(last(&letters, 1), (everywhere()[..1].to_vec(), Some(used.to_owned())));
    let sent = letters.count();
    for failures in 1..=20 {
        assert_eq!(letters.count(), sent, "after {failures}");
        loop {
            let mut stranger = bench.begin(LoginRequest::new(), bench.browser()).await;
            match stranger.try_answer(&Answer::password("alice", "guess")).await {
                Err(LoginError::Throttled { retry_after }) => bench.clock.advance(retry_after),
                other => break drop(other.map(drop)),
            }
        }
    }
    let guessing = "Jemand versucht Ihr Konto bei id.example.com zu erraten";
    assert_eq!(last(&letters, 1), (everywhere()[..1].to_vec(), Some(guessing.to_owned())));
    assert_eq!(letters.count(), sent + 1);
}

#[tokio::test]
async fn nobody_is_told_at_a_contact_that_was_not_verified_or_where_the_host_does_it() {
    let (bench, letters) = bench(|builder| builder).await;
    bench.enrol("bob").await;
    assert_eq!(letters.count(), 0);
    let (bench, letters) = self::bench(|builder| builder.notices(false)).await;
    bench.enrol("alice").await;
    assert_eq!(letters.count(), 0);
}

#[tokio::test]
async fn a_notice_that_cannot_be_sent_holds_nothing_up_and_is_told_to_operators() {
    let (bench, letters) = bench(|builder| builder).await;
    letters.fail(Some(|| SendError::Busy));
    bench.enrol("alice").await; // it is done all the same
    let failed = bench.heard().iter().filter(|name| **name == "message.failed").count();
    assert_eq!((failed, letters.count()), (2, 0));
}

#[tokio::test]
async fn m32_notices_by_text_message_are_counted_and_are_no_codes_that_did_not_come_back() {
    let (bench, letters) = bench(|builder| builder).await;
    let (authenticators, subject) = (bench.mfa.authenticators(), bench.subject_of("alice").await);
    for _ in 0..60 {
        authenticators.import_totp(&subject, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").await.unwrap();
        authenticators.reset(&subject).await.unwrap();
    }
    let by_sms = letters.all().iter().filter(|message| message.channel == Channel::Sms).count();
    assert_eq!((letters.count() - by_sms, by_sms), (120, 10), "ten an hour, and every mail");
    assert!(!bench.heard().contains(&"messages.stopped"));
    bench.clock.advance(Duration::from_secs(3_600));
    authenticators.import_totp(&subject, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").await.unwrap();
    assert_eq!(last(&letters, 2).0, everywhere());
}

#[tokio::test]
async fn promise_14_a_link_that_could_not_do_all_of_it_works_again() {
    let (bench, letters) = bench(|builder| builder.not_me_links(true)).await;
    let subject = bench.subject_of("alice").await;
    for stop in [Stop::Before(0), Stop::After(0), Stop::Before(1)] {
        bench.mfa.set_password(&subject, &"a long password of alice".into()).await.unwrap();
        let mail = letters.all().into_iter().rev().find(|message| message.channel == Channel::Email).unwrap().text;
        let link = mail.split_once("link=").unwrap().1.split_whitespace().next().unwrap();
        bench.store.stop(Some(stop));
        let failed = bench.mfa.not_me(link, &bench.browser()).await;
        assert!(matches!(failed, Err(NotMeError::Login(_))), "{stop:?}: {failed:?}");
        bench.store.stop(None);
        assert_eq!(bench.mfa.not_me_link(link).await.unwrap().as_ref(), Some(&subject), "{stop:?}");
        assert_eq!(bench.mfa.not_me(link, &bench.browser()).await.unwrap(), subject, "{stop:?}");
        assert!(matches!(bench.mfa.not_me(link, &bench.browser()).await, Err(NotMeError::Link(_))), "{stop:?}");
    }
}

#[tokio::test]
async fn nist_800_63b_4_2_a_channel_that_was_set_up_is_told_where_the_account_has_none_of_its_kind() {
    let (bench, letters) = bench(|builder| builder.factor(countersign_mfa::SmsCodes::new(Letterbox::default()))).await;
    let subject = bench.subject_of("bob").await;
    let account = bench.users.by_login("bob").await.unwrap().unwrap().email("bob@example.com", true);
    bench.users.import([account], Existing::Replace).await.unwrap();
    let mut login = bench.second("bob").await;
    login.choose("sms").await;
    login.answer(&Answer::contact("+49 151 999 999 99")).await;
    login.answer(&Answer::enrol(letters.last())).await;
    // The number that was just set up is told too: the mail is the other channel.
    let sent = letters.count();
    let totp = bench.mfa.authenticators().import_totp(&subject, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").await.unwrap();
    bench.mfa.authenticators().remove(&subject, &totp).await.unwrap();
    let to: Vec<_> = letters.all()[sent..].iter().map(|message| message.to.clone()).collect();
    assert_eq!(to, ["bob@example.com", "+4915199999999", "bob@example.com", "+4915199999999"]);
}
