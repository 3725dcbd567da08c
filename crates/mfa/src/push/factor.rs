//! Push as a factor: what the login page shows, and whether the device has answered.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_mfa_otp::normalise;
use countersign_primitives::{Amr, Id};
use countersign_storage_traits::{Batch, Expect, Found, Key};
use countersign_tokens::{Handle, HandleKind, Ring};
use serde::{Deserialize, Serialize};

use super::records::{CausedBy, Device, Outcome, PushChallenge, PushEnrolment, Told};
use super::service::{NotAsked, PushService, Question};
use super::{PUSH, Push};
use crate::factor::AskError;
use crate::keys::{Keys, PUSH_CHALLENGE, PUSH_ENROLMENT};
use crate::login::record::Login;
use crate::{Answer, Challenge, Enrolled, Enrolment, Factor, FactorError, Method, Occasion, Prompt, Verdict};

/// What registers a device, once.
pub(super) const ENROLMENT: HandleKind = HandleKind::new("cs_push");

/// How many digits a device shows when it has registered.
const CONFIRMATION: u8 = 6;
/// How often a page asks whether the device has answered.
const POLL: Duration = Duration::from_secs(2);

/// Push as the engine asks for it.
#[derive(Debug)]
pub(crate) struct PushFactor(pub(crate) Arc<PushService>);

/// What an authenticator keeps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PushState {
    /// A device is being registered.
    Enrolling(Id),
    /// It is this one.
    Device(Device),
}

/// What a login keeps of its question.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    number: String,
}

impl Push {
    pub(crate) fn method(&self) -> Method {
        let key = if self.hardware_keys { Amr::Hwk } else { Amr::Swk };
        Method::new(PUSH, "Push notification").amr([key, Amr::Pop, Amr::User])
    }
}

#[async_trait]
impl Factor for PushFactor {
    /// A key of the device signs (`swk` or `hwk`, `pop`), and its user was there: the number was typed (`user`; RFC 8176 §2).
    fn method(&self) -> Method {
        self.0.method.clone()
    }

    async fn enrol(&self, at: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        let service = &*self.0;
        let handle = Handle::generate(ENROLMENT, at.random().id()?, at.random())?;
        let enrolment = PushEnrolment {
            subject: at.subject().clone(),
            account: at.account().to_owned(),
            handle: handle.hash(&Ring),
            open_until: at.now().plus(Push::ENROLMENT_LIFETIME),
            device: None,
        };
        let (id, mut batch) = (handle.id(), Batch::new(handle.id(), at.now(), at.random())?);
        let until = at.now().plus(Login::LIFETIME);
        batch.put_value(Key::root(PUSH_ENROLMENT, id), Expect::Absent, until, &enrolment).map_err(store_failed)?;
        service.store.commit_surely(&batch).await.map_err(store_failed)?;
        Enrolment::new(Prompt::device(uri(&service.endpoint(), &handle)), &PushState::Enrolling(id))
    }

    async fn challenge(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        match enrolled.state()? {
            PushState::Enrolling(_) => {
                Ok(Challenge::plain(Prompt::none().digits(CONFIRMATION)).attempts(5).renewable())
            }
            PushState::Device(_) => {
                let number = two_digits(at)?;
                let expires_at = at.now().plus(self.0.settings.lifetime);
                let challenge = Challenge::new(Prompt::wait(&number, POLL), &Asked { number })?;
                Ok(challenge.expires(expires_at).asks())
            }
        }
    }

    async fn ask(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>, challenge: &Challenge) -> Result<(), AskError> {
        let (PushState::Device(device), Asked { number }) = (enrolled.state()?, challenge.state()?) else {
            return Ok(());
        };
        let caused_by = CausedBy { known: at.known, address: at.address() };
        let told = Told {
            account: at.account().to_owned(),
            client: at.client().unwrap_or(&self.0.realm).to_owned(),
            address: at.address(),
            place: self.0.place(&caused_by),
            at: at.now(),
        };
        let asks = PushChallenge {
            subject: at.subject().clone(),
            authenticator: at.authenticator_id(),
            login: at.binding.login.0,
            number,
            told,
            caused_by,
            answered: None,
        };
        let expires_at = challenge.expires_at.unwrap_or_else(|| at.now().plus(self.0.settings.lifetime));
        let question = Question { id: at.challenge_id(), expires_at, asks };
        self.0.ask(&question, &device).await.map_err(not_asked)
    }

    /// The name that the device signed its registration with.
    fn label(&self, enrolled: &Enrolled<'_>) -> Option<String> {
        match enrolled.state().ok()? {
            PushState::Device(device) => device.name,
            PushState::Enrolling(_) => None,
        }
    }

    async fn verify(
        &self,
        at: &Occasion<'_>,
        enrolled: &Enrolled<'_>,
        _: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        match (enrolled.state()?, answer) {
            (PushState::Enrolling(id), Answer::Enrol { code }) => self.registered(at, id, code.expose()).await,
            (PushState::Device(device), Answer::Poll) => self.answered(at, device).await,
            _ => Ok(Verdict::rejected()),
        }
    }
}

impl PushFactor {
    /// Whether the digits are those that the device shows, which shows that it is the user's.
    async fn registered(&self, at: &Occasion<'_>, id: Id, typed: &str) -> Result<Verdict, FactorError> {
        let key = Key::root(PUSH_ENROLMENT, id);
        let found: Option<Found<PushEnrolment>> = self.0.store.find(key, at.now()).await.map_err(store_failed)?;
        let enrolment = found.map(|found| found.value).filter(|enrolment| enrolment.subject == *at.subject());
        let Some(device) = enrolment.and_then(|enrolment| enrolment.device) else { return Ok(Verdict::rejected()) };
        let right = Answer::code(normalise(typed).expose()).is_code(&confirmation(&self.0.keys, id, &device));
        if right { Verdict::spending(&PushState::Device(device)) } else { Ok(Verdict::rejected()) }
    }

    /// What the device has answered to the question of this login, of this authenticator, and to no other.
    async fn answered(&self, at: &Occasion<'_>, device: Device) -> Result<Verdict, FactorError> {
        if device.spent == Some(at.challenge_id()) {
            return Ok(Verdict::rejected()); // to all but the login that spent it, which may repeat itself
        }
        let key = Key::root(PUSH_CHALLENGE, at.challenge_id());
        let found: Option<Found<PushChallenge>> = self.0.store.find(key, at.now()).await.map_err(store_failed)?;
        let Some(asked) = found.map(|found| found.value) else { return Ok(Verdict::pending()) };
        let (login, authenticator) = (at.binding.login.0, at.authenticator_id());
        if asked.login != login || asked.authenticator != authenticator || asked.subject != *at.subject() {
            return Ok(Verdict::rejected());
        }
        match asked.answered.map(|answered| answered.outcome) {
            None => Ok(Verdict::pending()),
            Some(Outcome::Approved) => {
                Verdict::spending(&PushState::Device(Device { spent: Some(at.challenge_id()), ..device }))
            }
            Some(Outcome::Denied | Outcome::WrongNumber) => Ok(Verdict::denied()),
        }
    }
}

/// The digits that a device shows when it has registered: they follow from its key, so that a call whose answer was lost is
/// repeated and answered alike.
pub(super) fn confirmation(keys: &Keys, enrolment: Id, device: &Device) -> String {
    let thumbprint = device.jwk.thumbprint(&Ring).unwrap_or_default();
    let id = keys.id("push confirmation", &[enrolment.as_bytes(), thumbprint.as_bytes()]);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&id.as_bytes()[..8]);
    format!("{:06}", u64::from_be_bytes(bytes) % 1_000_000)
}

/// A number from 10 to 99, each as likely.
fn two_digits(at: &Occasion<'_>) -> Result<String, FactorError> {
    for _ in 0..64 {
        let [byte] = at.random().array::<1>()?;
        if byte < 180 {
            return Ok((10 + byte % 90).to_string());
        }
    }
    Err(FactorError::Random(countersign_primitives::RandomError)) // for a working source less likely than a guessed key
}

/// What the QR code carries: where the device calls, and the handle that lets it register. Neither needs escaping but for what
/// a URL has of its own.
fn uri(endpoint: &str, handle: &Handle) -> String {
    let mut escaped = String::with_capacity(endpoint.len() + 16);
    for byte in endpoint.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("countersign-push://enrol?endpoint={escaped}&handle={}", handle.expose())
}

fn not_asked(error: NotAsked) -> AskError {
    match error {
        NotAsked::TooSoon(wait) => AskError::TooSoon { retry_after: wait.0 },
        NotAsked::Send(error) => AskError::Send(error),
        NotAsked::Store(error) => store_failed(error).into(),
        NotAsked::Random(error) => FactorError::from(error).into(),
    }
}

fn store_failed(error: impl Into<countersign_primitives::BoxError>) -> FactorError {
    FactorError::unavailable(error)
}
