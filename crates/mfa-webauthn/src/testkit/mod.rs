//! A software authenticator for tests: every algorithm and attestation format, honest or not (feature `testkit`).
//!
//! It stands for browser and authenticator in one: it takes the JSON of options and gives the JSON of answers, so that a host's own
//! tests can register and sign in without a browser. For real users it is worthless: nothing protects its keys.
//!
//! ```
//! use countersign_mfa_webauthn::testkit::SoftAuthenticator;
//! use countersign_mfa_webauthn::{NewUser, RegistrationResponse, RelyingParty, UserHandle};
//! use countersign_primitives::{SystemRandom, UnixTime};
//!
//! # fn main() -> Result<(), countersign_primitives::BoxError> {
//! let site = RelyingParty::new("example.com", "Example")?;
//! let handle = UserHandle::random(&SystemRandom)?;
//! let user = NewUser { handle: &handle, name: "alice", display_name: "Alice" };
//! let now = UnixTime::from_secs(1_750_000_000);
//! let (options, ceremony) = site.register_passkey(user).begin("session", now, &SystemRandom)?;
//!
//! let mut phone = SoftAuthenticator::platform()?;
//! let answer = phone.create(&serde_json::to_string(&options)?, "https://example.com")?;
//!
//! let response = RegistrationResponse::from_json(&answer)?;
//! let registered = site.finish_registration(ceremony, &response, "session", now)?;
//! assert!(registered.user_verified() && registered.credential().is_backed_up());
//! # Ok(())
//! # }
//! ```

mod cbor;
mod faults;
mod key;
mod maker;
pub mod readers;
mod statement;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_primitives::{BoxError, Random, SystemRandom, UnixTime};
use serde_json::{Value, json};

use self::faults::Faults;
use self::key::SoftKey;
use self::maker::Maker;
use self::statement::About;
use crate::cose::sha256;
use crate::encoding::{decode, encode};
use crate::{Aaguid, Algorithm, AttestationFormat};

/// What a key of Android's key store says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AndroidSecurity {
    /// It lies in software.
    Software,
    /// It was generated in the trusted execution environment.
    #[default]
    Trusted,
    /// It was generated in StrongBox.
    StrongBox,
    /// It was imported.
    Imported,
    /// All applications may use it.
    AllApplications,
}

/// An authenticator in software, together with its browser.
pub struct SoftAuthenticator {
    maker: Maker,
    aaguid: Aaguid,
    algorithm: Algorithm,
    format: AttestationFormat,
    self_attested: bool,
    parts: Vec<AttestationFormat>,
    serial_number: Option<Vec<u8>>,
    android: AndroidSecurity,
    attachment: &'static str,
    transports: Vec<&'static str>,
    user_verification: bool,
    backup: Option<bool>,
    counter: Option<u32>,
    now: UnixTime,
    credentials: Vec<SoftCredential>,
    faults: Faults,
}

struct SoftCredential {
    id: Vec<u8>,
    rp_id: String,
    user_handle: Vec<u8>,
    discoverable: bool,
    algorithm: Algorithm,
    key: SoftKey,
}

impl std::fmt::Debug for SoftAuthenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("SoftAuthenticator");
        shown.field("algorithm", &self.algorithm).field("format", &self.format).finish_non_exhaustive()
    }
}

impl SoftAuthenticator {
    fn new(attachment: &'static str, transports: &[&'static str]) -> Result<Self, BoxError> {
        Ok(Self {
            maker: Maker::new()?,
            aaguid: Aaguid::from_bytes(*b"software key 001"),
            algorithm: Algorithm::ES256,
            format: AttestationFormat::None,
            self_attested: false,
            parts: Vec::new(),
            serial_number: None,
            android: AndroidSecurity::default(),
            attachment,
            transports: transports.to_vec(),
            user_verification: true,
            backup: None,
            counter: None,
            now: UnixTime::from_secs(1_750_000_000),
            credentials: Vec::new(),
            faults: Faults::default(),
        })
    }

    /// A phone or computer whose passkeys are synced: user verification, backed up, no counter, no attestation.
    ///
    /// # Errors
    /// When no keys can be made.
    pub fn platform() -> Result<Self, BoxError> {
        Ok(Self { backup: Some(true), ..Self::new("platform", &["internal", "hybrid"])? })
    }

    /// A security key: a counter, keys that stay in it, packed attestation.
    ///
    /// # Errors
    /// When no keys can be made.
    pub fn security_key() -> Result<Self, BoxError> {
        let key = Self::new("cross-platform", &["usb", "nfc"])?;
        Ok(Self { counter: Some(0), format: AttestationFormat::Packed, ..key })
    }

    /// Makes keys of this algorithm.
    #[must_use]
    pub const fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Attests in this format, with the certificates of [`SoftAuthenticator::root`].
    #[must_use]
    pub const fn format(mut self, format: AttestationFormat) -> Self {
        self.format = format;
        self
    }

    /// Attests in the packed format by the credential's own key.
    #[must_use]
    pub const fn self_attested(mut self) -> Self {
        self.format = AttestationFormat::Packed;
        self.self_attested = true;
        self
    }

    /// Attests in several formats at once.
    #[must_use]
    pub fn compound(mut self, parts: impl IntoIterator<Item = AttestationFormat>) -> Self {
        self.format = AttestationFormat::Compound;
        self.parts = parts.into_iter().collect();
        self
    }

    /// Tells the number of the device in its certificate, as for an enterprise.
    #[must_use]
    pub fn serial_number(mut self, number: &[u8]) -> Self {
        self.serial_number = Some(number.to_vec());
        self
    }

    /// What its Android key says of itself.
    #[must_use]
    pub const fn android(mut self, security: AndroidSecurity) -> Self {
        self.android = security;
        self
    }

    /// Its model.
    #[must_use]
    pub const fn model(mut self, aaguid: Aaguid) -> Self {
        self.aaguid = aaguid;
        self
    }

    /// Whether it verifies its owner, from now on.
    pub const fn set_user_verification(&mut self, verifies: bool) {
        self.user_verification = verifies;
    }

    /// Whether its credentials can be backed up, and are: `None`, `Some(false)` or `Some(true)`, from now on.
    pub const fn set_backup(&mut self, backup: Option<bool>) {
        self.backup = backup;
    }

    /// Its signature counter, from now on; `None` for no counter.
    pub const fn set_counter(&mut self, counter: Option<u32>) {
        self.counter = counter;
    }

    /// The time that its attestations tell.
    pub const fn set_now(&mut self, now: UnixTime) {
        self.now = now;
    }

    /// The root of its maker, in DER: an anchor for a trust policy.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        self.maker.root()
    }

    /// A list of revoked certificates of its maker's, in DER, good for `seconds` from 2024-01-01 on; the intermediate authority stands on it or
    /// not.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn revocation_list(&self, revoked: bool, seconds: i64) -> Result<Vec<u8>, BoxError> {
        self.maker.revocation_list(revoked, seconds)
    }

    /// A metadata BLOB with this payload, signed for `host` under the root of its maker: `no`, `nextUpdate` and `entries` are the caller's.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn metadata_blob(&self, host: &str, payload: &Value) -> Result<String, BoxError> {
        let key = SoftKey::generate(Algorithm::RS256)?;
        let chain = self.maker.certify(&key, &maker::Purpose::Host(host), true)?;
        let encode = |value: &Value| encode(value.to_string().as_bytes());
        let x5c: Vec<_> = chain.iter().map(|certificate| STANDARD.encode(certificate)).collect();
        let header = json!({ "alg": "RS256", "typ": "JWT", "x5c": x5c });
        let signed = format!("{}.{}", encode(&header), encode(payload));
        let signature = key.sign(Algorithm::RS256, signed.as_bytes())?;
        Ok(format!("{signed}.{}", crate::encoding::encode(&signature)))
    }

    /// `navigator.credentials.create()` on a page of `origin`: the JSON of options in, the JSON of the answer out.
    ///
    /// # Errors
    /// When a browser would refuse: no algorithm in common, a credential that is excluded, options that cannot be read.
    pub fn create(&mut self, options: &str, origin: &str) -> Result<String, BoxError> {
        let options: Value = serde_json::from_str(options)?;
        let asked = &options["publicKey"];
        let offered = asked["pubKeyCredParams"].as_array().ok_or("no pubKeyCredParams")?;
        if !self.faults.any_algorithm && !offered.iter().any(|offer| offer["alg"] == self.algorithm.id()) {
            return Err("NotSupportedError: no algorithm in common".into());
        }
        let excluded = asked["excludeCredentials"].as_array().ok_or("no excludeCredentials")?;
        let known = |credential: &SoftCredential| excluded.iter().any(|entry| entry["id"] == encode(&credential.id));
        if !self.faults.ignores_exclusion && self.credentials.iter().any(known) {
            return Err("InvalidStateError: this authenticator is registered already".into());
        }
        let random: &dyn Random = &SystemRandom;
        let credential = SoftCredential {
            id: random.array::<32>()?.to_vec(),
            rp_id: asked["rp"]["id"].as_str().ok_or("no rp.id")?.to_owned(),
            user_handle: asked["user"]["id"].as_str().and_then(decode).ok_or("no user.id")?,
            discoverable: asked["authenticatorSelection"]["residentKey"] != "discouraged",
            algorithm: self.algorithm,
            key: SoftKey::generate(self.algorithm)?,
        };
        let faults = std::mem::take(&mut self.faults);
        let conditional = options["mediation"] == "conditional";
        let client_data = client_data(&faults, "webauthn.create", asked, origin);
        let auth_data = self.created_data(&faults, &credential, asked, conditional)?;
        let mut object = self.attestation_object(&faults, &credential, &auth_data, sha256(&[&client_data]))?;
        faults.spoil_object(&mut object);
        let mut answer = json!({
            "id": encode(&credential.id), "rawId": encode(&credential.id), "type": "public-key",
            "authenticatorAttachment": self.attachment,
            "clientExtensionResults": { "credProps": { "rk": credential.discoverable } },
            "response": {
                "clientDataJSON": encode(&client_data),
                "attestationObject": encode(&object),
                "authenticatorData": encode(&auth_data),
                "transports": self.transports,
                "publicKeyAlgorithm": self.algorithm.id(),
            },
        });
        faults.spoil_answer(&mut answer);
        self.credentials.push(credential);
        Ok(answer.to_string())
    }

    /// `navigator.credentials.get()` on a page of `origin`: the JSON of options in, the JSON of the answer out.
    ///
    /// # Errors
    /// When a browser would refuse: no credential for this site, or options that cannot be read.
    pub fn get(&mut self, options: &str, origin: &str) -> Result<String, BoxError> {
        let options: Value = serde_json::from_str(options)?;
        let asked = &options["publicKey"];
        let allowed = asked["allowCredentials"].as_array().ok_or("no allowCredentials")?;
        let faults = std::mem::take(&mut self.faults);
        let usable = |credential: &&SoftCredential| {
            let listed = allowed.iter().any(|entry| entry["id"] == encode(&credential.id));
            let found = allowed.is_empty() && credential.discoverable;
            asked["rpId"] == credential.rp_id.as_str() && (listed || found || faults.ignores_allow_list)
        };
        let credential = self.credentials.iter().rev().find(usable).ok_or("NotAllowedError: no such credential")?;
        let client_data = client_data(&faults, "webauthn.get", asked, origin);
        if let Some(counter) = &mut self.counter {
            *counter = counter.wrapping_add(1);
        }
        let mut auth_data = sha256(&[credential.rp_id.as_bytes()]).to_vec();
        auth_data.push(self.flags(false));
        auth_data.extend(self.counter.unwrap_or(0).to_be_bytes());
        faults.spoil_auth_data(&mut auth_data);
        let signed = [&auth_data[..], &sha256(&[&client_data])].concat();
        let mut signature = credential.key.sign(credential.algorithm, &signed)?;
        faults.spoil_signature(&mut signature);
        let handle = credential.discoverable.then(|| encode(&credential.user_handle));
        let mut answer = json!({
            "id": encode(&credential.id), "rawId": encode(&credential.id), "type": "public-key",
            "authenticatorAttachment": self.attachment,
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encode(&client_data),
                "authenticatorData": encode(&auth_data),
                "signature": encode(&signature),
                "userHandle": handle,
            },
        });
        faults.spoil_answer(&mut answer);
        Ok(answer.to_string())
    }

    fn flags(&self, attested: bool) -> u8 {
        let backup = match self.backup {
            None => 0,
            Some(false) => 0x08,
            Some(true) => 0x18,
        };
        0x01 | u8::from(self.user_verification) << 2 | backup | u8::from(attested) << 6
    }

    fn created_data(
        &self,
        faults: &Faults,
        credential: &SoftCredential,
        asked: &Value,
        conditional: bool,
    ) -> Result<Vec<u8>, BoxError> {
        let mut flags = self.flags(true);
        if conditional {
            flags &= !0x05; // nobody was there
        }
        let protection = match asked["extensions"]["credentialProtectionPolicy"].as_str() {
            Some("userVerificationOptionalWithCredentialIDList") => Some(2),
            Some("userVerificationRequired") => Some(3),
            _ => None,
        };
        let protection = protection.filter(|_| !faults.protects_nothing);
        let length = u16::try_from(credential.id.len())?;
        let mut data = sha256(&[credential.rp_id.as_bytes()]).to_vec();
        data.push(flags | u8::from(protection.is_some()) << 7);
        data.extend(self.counter.unwrap_or(0).to_be_bytes());
        data.extend(self.aaguid.as_bytes());
        data.extend(length.to_be_bytes());
        data.extend(&credential.id);
        data.extend(credential.key.cose(credential.algorithm));
        if let Some(level) = protection {
            data.extend(cbor::map(&[(cbor::text("credProtect"), cbor::int(level))]));
        }
        faults.spoil_auth_data(&mut data);
        Ok(data)
    }

    fn attestation_object(
        &self,
        faults: &Faults,
        credential: &SoftCredential,
        auth_data: &[u8],
        client_data_hash: [u8; 32],
    ) -> Result<Vec<u8>, BoxError> {
        let about = About {
            maker: &self.maker,
            faults,
            key: &credential.key,
            algorithm: credential.algorithm,
            aaguid: if faults.certifies_another_model { Aaguid::ZERO } else { self.aaguid },
            serial_number: self.serial_number.as_deref(),
            credential_id: &credential.id,
            auth_data,
            client_data_hash: if faults.attests_another_ceremony { [0; 32] } else { client_data_hash },
            android: self.android,
            now: self.now,
        };
        let statement =
            if self.self_attested { about.self_attestation()? } else { about.statement(self.format, &self.parts)? };
        Ok(cbor::map(&[
            (cbor::text("fmt"), cbor::text(faults.format_name.as_deref().unwrap_or(self.format.as_str()))),
            (cbor::text("attStmt"), statement),
            (cbor::text("authData"), cbor::bytes(auth_data)),
        ]))
    }
}

fn client_data(faults: &Faults, kind: &str, asked: &Value, origin: &str) -> Vec<u8> {
    let mut data = json!({ "type": kind, "challenge": asked["challenge"], "origin": origin, "crossOrigin": false });
    faults.spoil_client_data(&mut data);
    let mut bytes = data.to_string().into_bytes();
    faults.spoil_client_data_bytes(&mut bytes);
    bytes
}
