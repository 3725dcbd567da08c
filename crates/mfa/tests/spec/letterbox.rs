//! A made-up sender, and users with codes that it carries.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_mfa::{Answer, EmailCodes, MfaBuilder, SmsCodes, VoiceCodes};
use countersign_outbound::{Channel, Message, MessageSender, SendError};

use crate::support::Bench;

/// How sending fails.
pub(crate) type Failure = fn() -> SendError;

pub(crate) const NUMBER: &str = "+49 151 123 456 23";
pub(crate) const ADDRESS: &str = "alice@example.com";

/// A message as it was carried.
#[derive(Debug, Clone)]
pub(crate) struct Carried {
    pub(crate) channel: Channel,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) subject: Option<String>,
    pub(crate) code: String,
}

/// Keeps what it is given; or fails as it is told to.
#[derive(Default, Clone)]
pub(crate) struct Letterbox {
    sent: Arc<Mutex<Vec<Carried>>>,
    fails: Arc<Mutex<Option<Failure>>>,
}

impl fmt::Debug for Letterbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Letterbox")
    }
}

impl Letterbox {
    /// The code of the last message.
    pub(crate) fn last(&self) -> String {
        self.message().code
    }

    pub(crate) fn message(&self) -> Carried {
        self.sent.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) fn all(&self) -> Vec<Carried> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    pub(crate) fn fail(&self, how: Option<Failure>) {
        *self.fails.lock().unwrap() = how;
    }

    /// All three channels, carried by this letterbox.
    pub(crate) fn factors<'a>(&self, builder: MfaBuilder<'a>) -> MfaBuilder<'a> {
        let builder = builder.factor(SmsCodes::new(self.clone())).factor(EmailCodes::new(self.clone()));
        builder.factor(VoiceCodes::new(self.clone()))
    }
}

#[async_trait]
impl MessageSender for Letterbox {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        if let Some(error) = *self.fails.lock().unwrap() {
            return Err(error());
        }
        assert!(message.id().is_some());
        self.sent.lock().unwrap().push(Carried {
            channel: message.channel(),
            to: message.to().to_owned(),
            text: message.text().to_owned(),
            subject: message.subject().map(str::to_owned),
            code: message.code_text().unwrap_or_default().to_owned(),
        });
        Ok(())
    }
}

/// A code of the same form that is another.
pub(crate) fn wrong(code: &str) -> String {
    if code == "000000" { "000001".into() } else { "000000".into() }
}

/// All three channels, carried by one letterbox.
pub(crate) async fn bench() -> (Bench, Letterbox) {
    bench_with(|builder| builder).await
}

pub(crate) async fn bench_with(change: impl FnOnce(MfaBuilder<'_>) -> MfaBuilder<'_>) -> (Bench, Letterbox) {
    let letters = Letterbox::default();
    let bench = Bench::with(|builder| change(letters.factors(builder))).await;
    (bench, letters)
}

/// Sets a method up for a user, and waits until the next message may be sent.
pub(crate) async fn set_up(bench: &Bench, letters: &Letterbox, name: &str, method: &str) {
    let mut login = bench.second(name).await;
    login.choose(method).await;
    login.answer(&Answer::contact(if method == "email" { ADDRESS } else { NUMBER })).await;
    login.answer(&Answer::enrol(letters.last())).await;
    login.answer(&Answer::RecoveryCodes).await;
    login.done();
    bench.clock.advance(Duration::from_secs(30));
}

/// A bench on which alice has codes by this method.
pub(crate) async fn enrolled(method: &str) -> (Bench, Letterbox) {
    let (bench, letters) = bench().await;
    set_up(&bench, &letters, "alice", method).await;
    (bench, letters)
}
