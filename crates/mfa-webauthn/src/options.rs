//! The options of a ceremony, as `parseCreationOptionsFromJSON()` and `parseRequestOptionsFromJSON()` read them (WebAuthn 3 §5.1.8, §5.1.9).

use serde::{Deserialize, Serialize};

use crate::checks::Challenge;
use crate::encoding::base64url;
use crate::extensions::{CreationInputs, RequestInputs};
use crate::{Algorithm, CredentialId, UserHandle};

/// How client and authenticator talk (§5.8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Transport {
    /// USB.
    Usb,
    /// Near field.
    Nfc,
    /// Bluetooth.
    Ble,
    /// A smart card.
    SmartCard,
    /// A phone beside the computer.
    Hybrid,
    /// In the device itself.
    Internal,
}

/// Where the authenticator is (§5.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attachment {
    /// In the device that the browser runs on.
    Platform,
    /// On its own: a security key, a phone.
    CrossPlatform,
}

/// Whether the credential is kept in the authenticator, so that it is found without a user name (§5.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResidentKey {
    /// Better not: room in a security key is scarce.
    Discouraged,
    /// If it can be.
    Preferred,
    /// Else no credential is made.
    Required,
}

/// Whether the owner proves that it is him, by PIN or biometrics (§5.8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserVerification {
    /// Enforced: an answer without it is refused.
    Required,
    /// Asked for; an answer without it is taken, and told apart.
    Preferred,
    /// Not asked for.
    Discouraged,
}

/// How much the relying party wants to know about the authenticator (§5.4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Conveyance {
    /// Nothing.
    #[default]
    None,
    /// Something, which the client may make less telling.
    Indirect,
    /// What the authenticator says.
    Direct,
    /// What tells this very device, for keys that an organisation handed out.
    Enterprise,
}

/// What kind of authenticator the page should speak of (§5.8.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Hint {
    /// A security key.
    SecurityKey,
    /// This device.
    ClientDevice,
    /// A phone.
    Hybrid,
}

/// The argument of `navigator.credentials.create()`.
///
/// As JSON: `publicKey` goes through `PublicKeyCredential.parseCreationOptionsFromJSON()`, and `mediation` stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreationOptions {
    pub(crate) public_key: PublicKeyCreation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mediation: Option<Mediation>,
}

/// The argument of `navigator.credentials.get()`.
///
/// As JSON: `publicKey` goes through `PublicKeyCredential.parseRequestOptionsFromJSON()`, and `mediation` stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestOptions {
    pub(crate) public_key: PublicKeyRequest,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mediation: Option<Mediation>,
}

/// That the browser asks in its own time: autofill, or a passkey made beside a password (§5.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mediation {
    Conditional,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublicKeyCreation {
    pub(crate) rp: RpEntity,
    pub(crate) user: UserEntity,
    #[serde(serialize_with = "base64url::serialize")]
    pub(crate) challenge: Challenge,
    pub(crate) pub_key_cred_params: Vec<Parameters>,
    pub(crate) timeout: u64,
    pub(crate) exclude_credentials: Vec<Descriptor>,
    pub(crate) authenticator_selection: Selection,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hints: Vec<Hint>,
    pub(crate) attestation: Conveyance,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attestation_formats: Vec<&'static str>,
    pub(crate) extensions: CreationInputs,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublicKeyRequest {
    #[serde(serialize_with = "base64url::serialize")]
    pub(crate) challenge: Challenge,
    pub(crate) timeout: u64,
    pub(crate) rp_id: String,
    pub(crate) allow_credentials: Vec<Descriptor>,
    pub(crate) user_verification: UserVerification,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hints: Vec<Hint>,
    pub(crate) extensions: RequestInputs,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RpEntity {
    pub(crate) id: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserEntity {
    pub(crate) id: UserHandle,
    pub(crate) name: String,
    pub(crate) display_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Parameters {
    #[serde(rename = "type")]
    pub(crate) kind: CredentialType,
    pub(crate) alg: Algorithm,
}

/// A credential that is allowed or excluded (§5.8.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Descriptor {
    #[serde(rename = "type")]
    pub(crate) kind: CredentialType,
    pub(crate) id: CredentialId,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) transports: Vec<Transport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CredentialType {
    PublicKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Selection {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authenticator_attachment: Option<Attachment>,
    pub(crate) resident_key: ResidentKey,
    /// What clients of Level 1 read instead of `residentKey`.
    pub(crate) require_resident_key: bool,
    pub(crate) user_verification: UserVerification,
}
