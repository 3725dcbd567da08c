//! What is asked for: the inputs of client extensions, by their names in the registry.

use serde::{Deserialize, Serialize};

use super::CredentialProtection;
use crate::encoding::base64url;

/// How much the client should strive for a large blob (WebAuthn 3 §10.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LargeBlobSupport {
    /// Else no credential is made.
    Required,
    /// If it can be.
    Preferred,
}

/// What a registration asks of extensions. `credProps` is always asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreationInputs {
    pub(crate) cred_props: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credential_protection_policy: Option<CredentialProtection>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) enforce_credential_protection_policy: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) large_blob: Option<LargeBlobCreation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prf: Option<PrfInput>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) appid_exclude: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_pin_length: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uvm: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LargeBlobCreation {
    pub(crate) support: LargeBlobSupport,
}

/// What an authentication asks of extensions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestInputs {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) appid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) large_blob: Option<LargeBlobRequest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prf: Option<PrfInput>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uvm: Option<bool>,
}

/// Reading or writing of the blob beside a credential (WebAuthn 3 §10.1.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LargeBlobRequest {
    Read(bool),
    #[serde(with = "base64url")]
    Write(Vec<u8>),
}

/// Inputs of the pseudo-random function (WebAuthn 3 §10.1.4). Its outputs are the page's own secrets and never read here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct PrfInput {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) eval: Option<PrfValues>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PrfValues {
    #[serde(with = "base64url")]
    pub(crate) first: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) second: Option<Encoded>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Encoded(#[serde(with = "base64url")] pub(crate) Vec<u8>);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn webauthn_9_inputs_have_the_names_of_the_registry() {
        let inputs = CreationInputs {
            cred_props: true,
            credential_protection_policy: Some(CredentialProtection::UserVerificationOptionalWithCredentialIdList),
            enforce_credential_protection_policy: Some(true),
            large_blob: Some(LargeBlobCreation { support: LargeBlobSupport::Preferred }),
            prf: Some(PrfInput { eval: Some(PrfValues { first: vec![1], second: Some(Encoded(vec![2])) }) }),
            appid_exclude: Some("https://example.org".into()),
            min_pin_length: Some(true),
            uvm: Some(true),
        };
        let expected = json!({
            "credProps": true, "credentialProtectionPolicy": "userVerificationOptionalWithCredentialIDList",
            "enforceCredentialProtectionPolicy": true, "largeBlob": {"support": "preferred"},
            "prf": {"eval": {"first": "AQ", "second": "Ag"}}, "appidExclude": "https://example.org",
            "minPinLength": true, "uvm": true,
        });
        assert_eq!(serde_json::to_value(&inputs).unwrap(), expected);
        let write = RequestInputs { large_blob: Some(LargeBlobRequest::Write(vec![1])), ..RequestInputs::default() };
        assert_eq!(serde_json::to_value(&write).unwrap(), json!({"largeBlob": {"write": "AQ"}}));
        assert_eq!(serde_json::from_value::<CreationInputs>(expected).unwrap(), inputs);
    }
}
