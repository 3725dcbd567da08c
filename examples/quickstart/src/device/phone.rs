//! What the phone keeps: a key for each account, in a file of its own, and the nudges that came.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::outbound::{PushMessage, PushSender, SendError};
use countersign::tokens::{
    CryptoProvider as _, Header, LocalSigner, Ring, Signer as _, SigningAlgorithm, sign_compact,
};
use countersign::{Id, Random, RandomError, SecretBytes, SecretString, SystemClock, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::outbox::{Outbox, OutgoingMessage};

/// The most nudges that wait; the oldest goes first.
const MOST: usize = 20;

/// The phone did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneError {
    /// The text is no link of a QR code of this server.
    #[error("this is no link to set up push with, or it is another server's")]
    Uri,
    /// The form is not of this page.
    #[error("this form is from another page; try again")]
    Form,
    /// No such question waits.
    #[error("there is no such question any more")]
    Nothing,
    /// The server refused.
    #[error("the server says: {0}")]
    Refused(String),
    /// The phone cannot sign.
    #[error("the phone cannot use its key")]
    Key,
    /// The phone's file cannot be written or read.
    #[error("the phone's file cannot be used")]
    File(#[from] std::io::Error),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The phone. A cheap clone.
#[derive(Clone)]
pub(crate) struct Phone(Arc<Inner>);

struct Inner {
    file: PathBuf,
    outbox: Outbox,
    csrf: SecretString,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Vec<DeviceKey>,
    waiting: Vec<(String, String)>,
}

/// A key and what it is for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct DeviceKey {
    /// The push address that it registered with.
    address: String,
    pub(super) issuer: String,
    pub(super) path: String,
    pub(super) account: String,
    /// PKCS#8. A phone would keep it in its hardware.
    pkcs8: String,
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(..)")
    }
}

impl Phone {
    /// The phone whose keys are in this folder.
    pub(crate) fn open(folder: &Path, outbox: Outbox) -> Result<Self, PhoneError> {
        let file = folder.join("demo-device.json");
        let keys = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(std::io::Error::from)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let csrf = SecretString::new(random_id()?.to_string());
        Ok(Self(Arc::new(Inner { file, outbox, csrf, state: Mutex::new(State { keys, waiting: Vec::new() }) })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn csrf(&self) -> &SecretString {
        &self.0.csrf
    }

    pub(super) fn check(&self, csrf: &str) -> Result<(), PhoneError> {
        if self.0.csrf.matches(csrf) { Ok(()) } else { Err(PhoneError::Form) }
    }

    /// The accounts that it has keys for.
    pub(super) fn accounts(&self) -> Vec<String> {
        self.state().keys.iter().map(|key| key.account.clone()).collect()
    }

    /// The challenges that it was nudged about.
    pub(super) fn challenges(&self) -> Vec<String> {
        self.state().waiting.iter().map(|(challenge, _)| challenge.clone()).collect()
    }

    /// The key that a challenge is for, and the challenge.
    pub(super) fn waiting(&self, challenge: &str) -> Option<(DeviceKey, String)> {
        let state = self.state();
        let (challenge, address) = state.waiting.iter().find(|(waiting, _)| waiting == challenge)?.clone();
        let key = state.keys.iter().find(|key| key.address == address)?.clone();
        Some((key, challenge))
    }

    pub(super) fn forget(&self, challenge: &str) {
        self.state().waiting.retain(|(waiting, _)| waiting != challenge);
    }

    /// A new key, and the proof that registers it.
    pub(super) async fn draft(
        &self,
        issuer: &str,
        path: &str,
        handle: &str,
    ) -> Result<(DeviceKey, String), PhoneError> {
        let pkcs8 = Ring.generate_key(SigningAlgorithm::Es256).map_err(|_| PhoneError::Key)?;
        let key = DeviceKey {
            address: format!("demo-device-{}", random_id()?),
            issuer: issuer.to_owned(),
            path: path.to_owned(),
            account: String::new(),
            pkcs8: STANDARD.encode(pkcs8.expose()),
        };
        let signer = key.signer()?;
        let claims = json!({ "aud": issuer, "handle": handle, "address": key.address, "name": "Demo device" });
        let header = Header { typ: Some("countersign-push-enrol+jwt"), cty: None, jwk: Some(signer.public_key()) };
        let proof = sign_compact(&signer, &header, &claims).await.map_err(|_| PhoneError::Key)?;
        Ok((key, proof))
    }

    /// Keeps a key that the server has taken.
    pub(super) fn keep(&self, key: DeviceKey, account: String) -> Result<(), PhoneError> {
        let mut state = self.state();
        state.keys.push(DeviceKey { account, ..key });
        let text = serde_json::to_vec_pretty(&state.keys).map_err(std::io::Error::from)?;
        let draft = self.0.file.with_extension("draft");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&draft)?.write_all(&text)?;
        fs::rename(&draft, &self.0.file)?;
        Ok(())
    }
}

impl DeviceKey {
    fn signer(&self) -> Result<LocalSigner, PhoneError> {
        let pkcs8 = SecretBytes::new(STANDARD.decode(&self.pkcs8).map_err(|_| PhoneError::Key)?);
        Ring.signing_key(SigningAlgorithm::Es256, &pkcs8).map(LocalSigner::new).map_err(|_| PhoneError::Key)
    }

    pub(super) async fn sign(&self, typ: &str, claims: &Value) -> Result<String, PhoneError> {
        let signer = self.signer()?;
        sign_compact(&signer, &Header::typ(typ), claims).await.map_err(|_| PhoneError::Key)
    }
}

/// A nudge reaches the phone at once, and stands in the outbox too, where tests play a phone of their own.
#[async_trait]
impl PushSender for Phone {
    async fn send(&self, push: &PushMessage) -> Result<(), SendError> {
        let challenge = push.challenge().to_string();
        let message = OutgoingMessage {
            channel: "push".to_owned(),
            to: push.to().to_owned(),
            subject: None,
            text: "A sign-in waits for this device.".to_owned(),
            code: Some(challenge.clone()),
            at: countersign::Clock::now(&SystemClock),
        };
        let outbox = self.0.outbox.clone();
        let written = tokio::task::spawn_blocking(move || outbox.put(&message)).await;
        written.map_err(SendError::unavailable)?.map_err(SendError::unavailable)?;
        let mut state = self.state();
        if state.waiting.len() >= MOST {
            state.waiting.remove(0);
        }
        state.waiting.retain(|(waiting, _)| *waiting != challenge);
        state.waiting.push((challenge, push.to().to_owned()));
        Ok(())
    }
}

fn random_id() -> Result<Id, RandomError> {
    let random: &dyn Random = &SystemRandom;
    random.id()
}

/// Where to call, and the handle, from the link that a QR code carries.
pub(super) fn read_uri(uri: &str) -> Option<(String, String)> {
    let query = uri.strip_prefix("countersign-push://enrol?")?;
    let (mut endpoint, mut handle) = (None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "endpoint" => endpoint = Some(value.into_owned()),
            "handle" => handle = Some(value.into_owned()),
            _ => {}
        }
    }
    Some((endpoint?, handle?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_endpoint_and_handle() {
        let uri = "countersign-push://enrol?endpoint=http%3A%2F%2Flocalhost%3A4000%2Fpush&handle=cs_push_x";
        assert_eq!(read_uri(uri), Some(("http://localhost:4000/push".into(), "cs_push_x".into())));
        for bad in ["", "otpauth://totp/x", "countersign-push://enrol?endpoint=x"] {
            assert_eq!(read_uri(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn keys_survive_a_restart_and_are_the_owners_alone() {
        let dir = crate::testing::TempDir::new();
        let outbox = Outbox::new(dir.path());
        let phone = Phone::open(dir.path(), outbox.clone()).unwrap();
        let (key, _) = phone.draft("http://localhost", "/push", "h").await.unwrap();
        phone.keep(key, "alice".into()).unwrap();
        assert_eq!(Phone::open(dir.path(), outbox).unwrap().accounts(), ["alice"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(dir.path().join("demo-device.json")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
