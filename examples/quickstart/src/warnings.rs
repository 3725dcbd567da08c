//! Owners are told when somebody guesses at their accounts: a message to the address that they proved to be theirs.
//!
//! The engine says whom to tell, once a row of failures and once a day at most. Nobody who guesses learns of it: the message is
//! written apart from the request.

use countersign::{Accounts as _, Event, EventKind, EventSink, Server};
use tokio::sync::mpsc;

use crate::outbox::{Outbox, OutgoingMessage};

/// So many wait to be written; one more is told to the log alone.
const WAITING: usize = 256;

/// The warnings that wait.
#[derive(Debug)]
pub(crate) struct Warnings(mpsc::Receiver<Event>);

/// Where the engine puts warnings, and where they come out.
pub(crate) fn channel() -> (impl EventSink + 'static, Warnings) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let sink = move |event: &Event| {
        if event.kind() == EventKind::OwnerWarned && sender.try_send(event.clone()).is_err() {
            tracing::warn!("too many owners are to be told at once; one is not");
        }
    };
    (sink, Warnings(receiver))
}

impl Warnings {
    /// Writes messages until the server is gone.
    pub(crate) async fn deliver(mut self, server: Server, outbox: Outbox) {
        while let Some(event) = self.0.recv().await {
            let Some(message) = message(&server, &event).await else { continue };
            if outbox.put_apart(message).await.is_err() {
                tracing::warn!("a message could not be written to the outbox");
            }
        }
    }
}

/// What the owner is told; nothing where no address of his was verified.
async fn message(server: &Server, event: &Event) -> Option<OutgoingMessage> {
    let account = server.stored_accounts()?.by_subject(event.subject()?).await.ok()??;
    let (address, true) = account.email_address()? else { return None };
    let secret = if event.method() == Some("password") { "password" } else { "code" };
    let closed = event.cause() == Some("guessing.closed");
    let more = if closed {
        "Browsers that you never signed in with are not let in by it any more until you sign in."
    } else {
        "Nobody got in by it."
    };
    Some(OutgoingMessage {
        channel: "email".into(),
        to: address.to_owned(),
        subject: Some("Somebody tries to sign in to your account".into()),
        text: format!(
            "Somebody entered a wrong {secret} for your account many times in a row. {more} If it was not you, there is \
             nothing that you must do; choose another password if somebody else may know yours."
        ),
        code: None,
        at: event.at(),
    })
}

#[cfg(test)]
mod tests {
    use countersign::mfa::Existing;
    use countersign::store::MemoryStore;
    use countersign::{Account, MasterKey, UnixTime};

    use super::*;
    use crate::testing::TempDir;

    #[tokio::test]
    async fn promise_6_the_owner_gets_a_message_at_a_verified_address_and_nobody_else_does() {
        let server = Server::builder("https://id.example.com", MemoryStore::new(), MasterKey::from_bytes([7; 32]));
        let server = server.stored_accounts().build().await.unwrap();
        let accounts = [
            Account::new("u-1").username("alice").email("alice@example.com", true),
            Account::new("u-2").username("bob").email("bob@example.com", false),
        ];
        server.stored_accounts().unwrap().import(accounts, Existing::Keep).await.unwrap();
        let folder = TempDir::new();
        let outbox = Outbox::new(folder.path());
        let (sink, warnings) = channel();
        let event = |kind, subject: &str, cause| {
            let event = Event::new(kind, UnixTime::from_secs(5)).with_subject(subject).with_method("password");
            event.with_cause(cause, "NIST SP 800-63B-4 §3.2.2")
        };
        sink.record(&event(EventKind::OwnerWarned, "u-1", "guessing.row"));
        sink.record(&event(EventKind::OwnerWarned, "u-2", "guessing.row"));
        sink.record(&event(EventKind::OwnerWarned, "nobody", "guessing.row"));
        sink.record(&event(EventKind::GuessingThrottled, "u-1", "guessing.throttled"));
        sink.record(&Event::new(EventKind::OwnerWarned, UnixTime::from_secs(5)));
        drop(sink);
        warnings.deliver(server, outbox.clone()).await;
        let messages = outbox.newest(10).unwrap();
        let told: Vec<_> =
            messages.iter().map(|told| (told.channel.as_str(), told.to.as_str(), told.code.as_ref())).collect();
        assert_eq!(told, [("email", "alice@example.com", None)]);
        assert!(messages[0].text.contains("a wrong password for your account"), "{}", messages[0].text);
    }

    #[test]
    fn a_flood_of_warnings_neither_blocks_nor_grows() {
        let (sink, mut warnings) = channel();
        for _ in 0..WAITING * 2 {
            sink.record(&Event::new(EventKind::OwnerWarned, UnixTime::from_secs(5)).with_subject("u-1"));
        }
        assert_eq!(std::iter::from_fn(|| warnings.0.try_recv().ok()).count(), WAITING);
    }
}
