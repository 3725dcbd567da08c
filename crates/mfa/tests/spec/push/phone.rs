//! A device with a key, and a push service that only remembers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_mfa::{Answer, Mfa, PushDecision, PushDevices, PushError, Step};
use countersign_outbound::{PushMessage, PushSender, SendError};
use countersign_primitives::Id;
use countersign_tokens::{CryptoProvider, Header, LocalSigner, Ring, Signer, SigningAlgorithm, sign_compact};
use serde_json::{Value, json};

use crate::support::{Bench, Login, REALM, codes_of};

pub(crate) const ENROL: &str = "countersign-push-enrol+jwt";
pub(crate) const READ: &str = "countersign-push-read+jwt";
pub(crate) const ANSWER: &str = "countersign-push-answer+jwt";

/// How the push service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Service {
    #[default]
    Up,
    Gone,
    Busy,
    Down,
}

/// Remembers what it was to carry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Carrier(Arc<Mutex<(Vec<PushMessage>, Service)>>);

impl Carrier {
    pub(crate) fn sent(&self) -> Vec<PushMessage> {
        self.0.lock().unwrap().0.clone()
    }

    /// The challenge of the newest nudge.
    pub(crate) fn newest(&self) -> Id {
        self.sent().last().unwrap().challenge()
    }

    pub(crate) fn is(&self, service: Service) {
        self.0.lock().unwrap().1 = service;
    }
}

#[async_trait]
impl PushSender for Carrier {
    async fn send(&self, push: &PushMessage) -> Result<(), SendError> {
        let mut state = self.0.lock().unwrap();
        match state.1 {
            Service::Up => {
                state.0.push(push.clone());
                Ok(())
            }
            Service::Gone => Err(SendError::Unreachable),
            Service::Busy => Err(SendError::Busy),
            Service::Down => Err(SendError::unavailable("down")),
        }
    }
}

/// A device. Its clock is of no account.
pub(crate) struct Phone {
    pub(crate) signer: LocalSigner,
    pub(crate) address: String,
}

impl Phone {
    pub(crate) fn new(address: &str) -> Self {
        Self { signer: signer(SigningAlgorithm::Es256), address: address.to_owned() }
    }

    pub(crate) async fn sign(&self, typ: &str, claims: &Value) -> String {
        sign_compact(&self.signer, &Header::typ(typ), claims).await.unwrap()
    }

    /// What registers this key by a handle.
    pub(crate) async fn registration(&self, handle: &str) -> String {
        let claims = json!({ "aud": REALM, "handle": handle, "address": self.address, "name": "Phone" });
        self.registration_of(&claims).await
    }

    pub(crate) async fn registration_of(&self, claims: &Value) -> String {
        let header = Header { typ: Some(ENROL), cty: None, jwk: Some(self.signer.public_key()) };
        sign_compact(&self.signer, &header, claims).await.unwrap()
    }

    pub(crate) async fn reading(&self, challenge: Id) -> String {
        self.sign(READ, &json!({ "aud": REALM, "challenge": challenge.to_string() })).await
    }

    /// A decision about the client that tests have.
    pub(crate) async fn decision(&self, challenge: Id, decision: &str, number: &str) -> String {
        let claims = json!({
            "aud": REALM, "challenge": challenge.to_string(), "client": "Shop", "decision": decision, "number": number,
        });
        self.sign(ANSWER, &claims).await
    }

    pub(crate) async fn decide(
        &self,
        mfa: &Mfa,
        challenge: Id,
        decision: &str,
        number: &str,
    ) -> Result<PushDecision, PushError> {
        devices(mfa).answer(challenge, &self.decision(challenge, decision, number).await).await
    }
}

pub(crate) fn signer(algorithm: SigningAlgorithm) -> LocalSigner {
    let pkcs8 = Ring.generate_key(algorithm).unwrap();
    LocalSigner::new(Ring.signing_key(algorithm, &pkcs8).unwrap())
}

pub(crate) fn devices(mfa: &Mfa) -> PushDevices {
    mfa.push_devices().unwrap()
}

/// The handle in the link of an enrolment.
pub(crate) fn handle_of(step: &Step) -> String {
    let Step::Enrol(step) = step else { panic!("not an enrolment: {step:?}") };
    let uri = step.device_uri.as_ref().unwrap().expose();
    let endpoint = "countersign-push://enrol?endpoint=https%3A%2F%2Fid.example.com%2Fpush&handle=";
    uri.strip_prefix(endpoint).unwrap_or_else(|| panic!("{uri}")).to_owned()
}

/// The number that the login page shows.
pub(crate) fn number_of(step: &Step) -> String {
    let Step::Wait(step) = step else { panic!("does not wait: {step:?}") };
    step.number.as_ref().unwrap().expose().to_owned()
}

/// Another number than this.
pub(crate) fn other_than(number: &str) -> String {
    let number: u8 = number.parse().unwrap();
    (if number == 99 { 10 } else { number + 1 }).to_string()
}

impl Bench {
    /// Sets a device up for somebody who has no factor.
    pub(crate) async fn enrol_phone(&self, name: &str) -> Phone {
        let mut login = self.second(name).await;
        if matches!(login.step, Step::Choose(_)) || matches!(&login.step, Step::Enrol(step) if step.method != "push") {
            login.choose("push").await;
        }
        let phone = Phone::new(&format!("phone-of-{name}"));
        let proof = phone.registration(&handle_of(&login.step)).await;
        let registered = devices(&self.mfa).enrol(&proof).await.unwrap();
        assert_eq!((registered.issuer.as_str(), registered.account.as_str()), (REALM, name));
        login.answer(&Answer::enrol(registered.confirmation.expose())).await;
        codes_of(&login.step);
        login.answer(&Answer::RecoveryCodes).await;
        login.done();
        self.clock.advance(std::time::Duration::from_secs(60));
        phone
    }
}

impl Login<'_> {
    pub(crate) async fn poll(&mut self) -> &Step {
        self.answer(&Answer::Poll).await
    }
}
