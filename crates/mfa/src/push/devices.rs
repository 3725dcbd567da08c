//! What devices call: to register, to be told what waits, to answer.

use std::net::IpAddr;

use countersign_events::EventKind;
use countersign_primitives::{Id, SecretString, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Found, Key};
use countersign_tokens::{Handle, Ring};
use serde::{Serialize, Serializer};
use subtle::ConstantTimeEq as _;

use super::factor::{ENROLMENT, PushState, confirmation};
use super::proof::{self, AnswerClaims, Decision, ReadClaims};
use super::records::{Answered, Device, OpenPush, Outcome, PushChallenge, PushEnrolment};
use super::{PUSH, PushError, PushService};
use crate::enrolments::Read;
use crate::keys::{OPEN_PUSH, PUSH_CHALLENGE, PUSH_ENROLMENT};
use crate::limits::{Guess, Guesser};

/// What devices call. Each call is authenticated by the device's own signature, and by nothing else.
///
/// The proofs are compact JWS (RFC 7515) with `alg` `ES256`, `aud` the issuer, and an explicit `typ` for each purpose:
///
/// | call | `typ` | claims beside `aud` |
/// |---|---|---|
/// | [`enrol`](Self::enrol), with the key in the header as `jwk` | `countersign-push-enrol+jwt` | `handle`, `address`, and `name` if it likes |
/// | [`challenge`](Self::challenge) | `countersign-push-read+jwt` | `challenge` |
/// | [`answer`](Self::answer) | `countersign-push-answer+jwt` | `challenge`, `client` as it was shown, `decision` (`approve` or `deny`), `number` |
#[derive(Debug, Clone)]
pub struct PushDevices(pub(crate) std::sync::Arc<PushService>);

/// A device that has registered. The factor counts once its user has typed the digits.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct RegisteredDevice {
    /// The issuer that its proofs name as `aud`.
    pub issuer: String,
    /// The name that the user knows the account by.
    pub account: String,
    /// The digits that the device shows, and its user types into the page. A secret of the two.
    #[serde(serialize_with = "exposed")]
    pub confirmation: SecretString,
}

/// What a challenge is about: what the device shows before it asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PushQuestion {
    /// The challenge.
    pub challenge: String,
    /// The issuer.
    pub issuer: String,
    /// The name that the user knows the account by.
    pub account: String,
    /// The client that the login is for. Anybody may have chosen the name.
    pub client: String,
    /// Where the login comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Where that is, in the host's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// When it was asked, in seconds since 1970.
    pub at: u64,
    /// Until when it waits, in seconds since 1970.
    pub expires_at: u64,
}

/// What came of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PushDecision {
    /// The login goes on.
    Approved,
    /// It does not, and the fraud was noted.
    Denied,
    /// The number was another; the challenge is over.
    WrongNumber,
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// A question, and the device that it is for.
struct Asked {
    found: Found<PushChallenge>,
    device: Device,
    account: Id,
}

impl PushDevices {
    /// The longest proof, in bytes.
    pub const MAX_PROOF: usize = 8 * 1_024;
    /// The longest push address, in bytes.
    pub const MAX_ADDRESS: usize = 2 * 1_024;
    /// The longest name of a device, in bytes.
    pub const MAX_NAME: usize = 64;
    /// How often a commit that lost to another is tried again.
    const TRIES: usize = 4;

    /// Registers a device: it signs the handle of the QR code with the key that it registers. The handle serves once; the same
    /// device may repeat the call, and is answered alike.
    ///
    /// # Errors
    /// [`PushError`], by cause.
    pub async fn enrol(&self, proof: &str) -> Result<RegisteredDevice, PushError> {
        let service = &*self.0;
        let (claims, jwk) = proof::enrolment(proof, &service.realm)?;
        if claims.address.is_empty() || claims.address.len() > Self::MAX_ADDRESS || has_control(&claims.address) {
            return Err(PushError::Member("address"));
        }
        if claims.name.as_deref().is_some_and(|name| name.len() > Self::MAX_NAME || has_control(name)) {
            return Err(PushError::Member("name"));
        }
        let handle = Handle::parse(ENROLMENT, &claims.handle).map_err(|_| PushError::Handle)?;
        let device =
            Device { jwk, address: claims.address, name: claims.name.filter(|name| !name.is_empty()), spent: None };
        let key = Key::root(PUSH_ENROLMENT, handle.id());
        for _ in 0..Self::TRIES {
            let now = service.now();
            let found: Option<Found<PushEnrolment>> = service.store.find(key, now).await?;
            let found = found.filter(|found| found.value.handle.matches(&handle.hash(&Ring)));
            let found = found.filter(|found| now < found.value.open_until).ok_or(PushError::Handle)?;
            if let Some(registered) = &found.value.device {
                let same = registered.jwk.thumbprint(&Ring) == device.jwk.thumbprint(&Ring);
                return if same {
                    Ok(self.welcome(&found.value, registered, handle.id()))
                } else {
                    Err(PushError::Handle)
                };
            }
            let enrolment = PushEnrolment { device: Some(device.clone()), ..found.value.clone() };
            let mut batch = Batch::new(key.partition, now, &*service.random)?;
            batch.put_value(key, found.unchanged(), found.expires_at, &enrolment)?;
            match service.store.commit_surely(&batch).await {
                Ok(()) => return Ok(self.welcome(&enrolment, &device, handle.id())),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PushError::Contended)
    }

    fn welcome(&self, enrolment: &PushEnrolment, device: &Device, id: Id) -> RegisteredDevice {
        RegisteredDevice {
            issuer: self.0.realm.clone(),
            account: enrolment.account.clone(),
            confirmation: confirmation(&self.0.keys, id, device).into(),
        }
    }

    /// Says what a challenge is about, to the device that it is for.
    ///
    /// # Errors
    /// [`PushError`], by cause; [`PushError::Unknown`] to every other device.
    pub async fn challenge(&self, challenge: Id, proof: &str) -> Result<PushQuestion, PushError> {
        let service = &*self.0;
        let Asked { found, device, account } = self.asked(challenge).await?;
        let claims: ReadClaims = self.proven(proof, proof::READ, &device, challenge)?;
        if !proof::names(&claims.challenge, challenge) {
            return Err(PushError::Unknown);
        }
        if found.value.answered.is_some() {
            return Err(PushError::Answered);
        }
        self.is_open(account, challenge, service.now()).await?;
        let told = found.value.told;
        Ok(PushQuestion {
            challenge: challenge.to_string(),
            issuer: service.realm.clone(),
            account: told.account,
            client: told.client,
            address: told.address,
            place: told.place,
            at: told.at.as_secs(),
            expires_at: found.expires_at.as_secs(),
        })
    }

    /// Takes what the device's user decided. Once: of any number of answers one counts, and the very same one again is told the
    /// same. A wrong number ends the challenge, and a no reports fraud.
    ///
    /// # Errors
    /// [`PushError`], by cause.
    pub async fn answer(&self, challenge: Id, proof: &str) -> Result<PushDecision, PushError> {
        let service = &*self.0;
        let by = service.keys.id("push answer", &[proof.as_bytes()]);
        for _ in 0..Self::TRIES {
            let now = service.now();
            let Asked { found, device, account } = self.asked(challenge).await?;
            let claims: AnswerClaims = self.proven(proof, proof::ANSWER, &device, challenge)?;
            if !proof::names(&claims.challenge, challenge) || claims.client != found.value.told.client {
                self.refused(&found.value, "push.another_challenge");
                return Err(PushError::Unknown);
            }
            match found.value.answered {
                Some(answered) if answered.by == by => {
                    service.release(account, challenge, now).await; // a crash may have come before it was
                    return Ok(answered.outcome.into());
                }
                Some(_) => {
                    self.refused(&found.value, "push.replay");
                    return Err(PushError::Answered);
                }
                None => {}
            }
            self.is_open(account, challenge, now).await?;
            let outcome = outcome(&claims, &found.value.number);
            let answered = PushChallenge { answered: Some(Answered { outcome, by }), ..found.value.clone() };
            let mut batch = Batch::new(found.key.partition, now, &*service.random)?;
            batch.put_value(found.key, found.unchanged(), found.expires_at, &answered)?;
            match service.store.commit_surely(&batch).await {
                Ok(()) => {
                    self.decided(&answered, outcome, account, challenge, now).await?;
                    return Ok(outcome.into());
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PushError::Contended)
    }

    /// The question, and the device of the authenticator that it is for, as its owner has it now.
    async fn asked(&self, challenge: Id) -> Result<Asked, PushError> {
        let service = &*self.0;
        let now = service.now();
        let found: Option<Found<PushChallenge>> = service.store.find(Key::root(PUSH_CHALLENGE, challenge), now).await?;
        let found = found.ok_or(PushError::Unknown)?;
        let enrolments = Read::of(&*service.store, &*service.subjects, &found.value.subject, now).await?.value;
        let authenticator = enrolments.find(found.value.authenticator).filter(|one| one.method == PUSH);
        let state = authenticator.and_then(|authenticator| authenticator.state.read().ok());
        let Some(PushState::Device(device)) = state else { return Err(PushError::Unknown) };
        let account = service.subjects.partition(&found.value.subject);
        Ok(Asked { found, device, account })
    }

    /// The claims, if this device signed them. What another device signed tells it nothing, not even that there is a challenge.
    fn proven<T: for<'de> serde::Deserialize<'de>>(
        &self,
        proof: &str,
        typ: &str,
        device: &Device,
        challenge: Id,
    ) -> Result<T, PushError> {
        proof::by_device(proof, typ, device, &self.0.realm).map_err(|error| {
            tracing::debug!(%error, %challenge, "a device's proof was refused");
            match error {
                PushError::Proof(
                    countersign_tokens::JwtError::Signature | countersign_tokens::JwtError::UnknownKey,
                ) => PushError::Unknown,
                other => other,
            }
        })
    }

    /// Whether it is the one question of its subject. One that its login has asked anew is not.
    async fn is_open(&self, account: Id, challenge: Id, now: UnixTime) -> Result<(), PushError> {
        let open: Option<Found<OpenPush>> = self.0.store.find(Key::root(OPEN_PUSH, account), now).await?;
        open.filter(|open| open.value.challenge == challenge).map(drop).ok_or(PushError::Unknown)
    }

    /// What follows from an answer. The answer itself is written; what is counted is counted before the device hears of it.
    async fn decided(
        &self,
        asked: &PushChallenge,
        outcome: Outcome,
        account: Id,
        challenge: Id,
        now: UnixTime,
    ) -> Result<(), PushError> {
        let service = &*self.0;
        service.release(account, challenge, now).await;
        let (kind, cause) = match outcome {
            Outcome::Approved => return Ok(()),
            Outcome::Denied => (EventKind::PushDenied, "push.denied"),
            Outcome::WrongNumber => (EventKind::PushRefused, "push.wrong_number"),
        };
        service.tell_of(kind, cause, |event| {
            let event = event.with_subject(&asked.subject);
            match asked.caused_by.address {
                Some(address) => event.with_address(address),
                None => event,
            }
        });
        service.count_denial(account, &asked.caused_by, now).await?;
        // It counts against whoever caused it as a wrong code would.
        let guesser = Guesser { account, known: asked.caused_by.known, client: None, address: asked.caused_by.address };
        let guess = Guess::SecondFactor(&service.method);
        let charged = service.limits.charge(&*service.store, &service.keys, guess, &guesser, now).await?;
        if let Ok(paid) = charged {
            paid.failed(&service.limits, &*service.store, now).await?;
        }
        Ok(())
    }

    fn refused(&self, asked: &PushChallenge, cause: &'static str) {
        self.0.tell(EventKind::PushRefused, &asked.subject, cause);
    }
}

/// What an answer comes to. The number is compared in constant time.
fn outcome(claims: &AnswerClaims, number: &str) -> Outcome {
    match claims.decision {
        Decision::Deny => Outcome::Denied,
        Decision::Approve => {
            let typed = claims.number.as_deref().unwrap_or_default();
            if bool::from(typed.as_bytes().ct_eq(number.as_bytes())) { Outcome::Approved } else { Outcome::WrongNumber }
        }
    }
}

impl From<Outcome> for PushDecision {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Approved => Self::Approved,
            Outcome::Denied => Self::Denied,
            Outcome::WrongNumber => Self::WrongNumber,
        }
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}
