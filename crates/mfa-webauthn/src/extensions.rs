//! Extensions: what is asked for, what comes back, and that nothing else comes (WebAuthn 3 §9, §10; CTAP 2.1 §12).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cbor;
use crate::encoding::base64url;
use crate::refusal::refusals;

/// The most bytes of a large blob that are taken.
const MAX_LARGE_BLOB: usize = 16 * 1024;

refusals! {
    /// Why the results of extensions are refused.
    ExtensionError as "extension" {
        /// A result of an extension that was not asked for.
        Unsolicited = "unsolicited": "there is a result of an extension that was not asked for",
        /// A result of another form than its extension has.
        Malformed = "malformed": "the result of an extension does not have the form that the extension has",
        /// The protection that was demanded is not there (CTAP 2.1 §12.1).
        CredProtect = "cred_protect": "the credential does not have the protection that was demanded of it",
        /// The credential is not discoverable, although that was demanded.
        NotDiscoverable = "not_discoverable": "the credential is not discoverable, although it had to be",
    }
}

/// When a credential may be used without the owner's PIN or biometrics (CTAP 2.1 §12.1, `credProtect`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CredentialProtection {
    /// At any time.
    UserVerificationOptional,
    /// When its id is known; it is found without a user name only after verification.
    #[serde(rename = "userVerificationOptionalWithCredentialIDList")]
    UserVerificationOptionalWithCredentialIdList,
    /// Never.
    UserVerificationRequired,
}

impl CredentialProtection {
    const fn from_level(level: i64) -> Option<Self> {
        match level {
            1 => Some(Self::UserVerificationOptional),
            2 => Some(Self::UserVerificationOptionalWithCredentialIdList),
            3 => Some(Self::UserVerificationRequired),
            _ => None,
        }
    }
}

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

/// How the owner was verified: one to three methods of the FIDO registry (`uvm`), each with its key protection and matcher.
pub type UserVerificationMethod = [u32; 3];

/// What extensions gave back, of those that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExtensionResults {
    /// Whether the credential is discoverable (`credProps.rk`); nothing if the client does not know.
    pub discoverable: Option<bool>,
    /// The protection that the authenticator gave the credential (`credProtect`).
    pub protection: Option<CredentialProtection>,
    /// Whether a blob can be kept beside the credential (`largeBlob.supported`).
    pub large_blob_supported: Option<bool>,
    /// The blob that was read (`largeBlob.blob`).
    pub large_blob: Option<Vec<u8>>,
    /// Whether the blob was written (`largeBlob.written`).
    pub large_blob_written: Option<bool>,
    /// Whether the credential has a pseudo-random function (`prf.enabled`).
    pub prf_enabled: Option<bool>,
    /// The least length of the authenticator's PIN (`minPinLength`).
    pub min_pin_length: Option<u32>,
    /// How the owner was verified (`uvm`).
    pub user_verification_methods: Vec<UserVerificationMethod>,
}

/// `getClientExtensionResults()` as JSON. Members that are known are typed, the names of all are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ClientOutputs {
    names: Vec<String>,
    known: KnownOutputs,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KnownOutputs {
    cred_props: Option<CredProps>,
    large_blob: Option<LargeBlobOutput>,
    prf: Option<PrfOutput>,
    appid: Option<bool>,
    uvm: Option<Vec<UserVerificationMethod>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct CredProps {
    rk: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct LargeBlobOutput {
    supported: Option<bool>,
    blob: Option<Encoded>,
    written: Option<bool>,
}

/// `results` is left unread on purpose: it holds the page's secrets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct PrfOutput {
    enabled: Option<bool>,
}

impl ClientOutputs {
    /// The outputs of this JSON; nothing when it is no object, or a known member has another form.
    pub(crate) fn read(json: Option<Value>) -> Option<Self> {
        let members = match json {
            None | Some(Value::Null) => return Some(Self::default()),
            Some(Value::Object(members)) => members,
            Some(_) => return None,
        };
        let names = members.keys().cloned().collect();
        let known: KnownOutputs = serde_json::from_value(Value::Object(members)).ok()?;
        let blob = known.large_blob.as_ref().and_then(|output| output.blob.as_ref());
        let bounded = blob.is_none_or(|blob| blob.0.len() <= MAX_LARGE_BLOB);
        bounded.then_some(Self { names, known })
    }

    /// Whether the AppID stood in for the RP ID (WebAuthn 3 §10.1.1).
    pub(crate) fn used_appid(&self) -> bool {
        self.known.appid == Some(true)
    }

    fn only(&self, asked: impl Fn(&str) -> bool) -> Result<(), ExtensionError> {
        if self.names.iter().all(|name| asked(name)) { Ok(()) } else { Err(ExtensionError::Unsolicited) }
    }

    fn results(&self) -> ExtensionResults {
        let known = self.known.clone();
        let blob = known.large_blob.as_ref();
        ExtensionResults {
            discoverable: known.cred_props.and_then(|output| output.rk),
            large_blob_supported: blob.and_then(|output| output.supported),
            large_blob_written: blob.and_then(|output| output.written),
            large_blob: known.large_blob.and_then(|output| output.blob).map(|blob| blob.0),
            prf_enabled: known.prf.and_then(|output| output.enabled),
            user_verification_methods: known.uvm.unwrap_or_default(),
            ..ExtensionResults::default()
        }
    }
}

/// Reads what the authenticator itself signed, of the members that were asked for.
struct AuthenticatorOutputs<'a>(Option<cbor::Map<'a>>);

impl AuthenticatorOutputs<'_> {
    fn only(&self, asked: impl Fn(&str) -> bool) -> Result<(), ExtensionError> {
        let Some(map) = self.0 else { return Ok(()) };
        for (name, _) in map.iter() {
            let name = name.text().map_err(|_| ExtensionError::Malformed)?;
            // An authenticator may protect a credential of its own accord, and says so (CTAP 2.1 §12.1).
            if name != "credProtect" && !asked(name) {
                return Err(ExtensionError::Unsolicited);
            }
        }
        Ok(())
    }

    fn number(&self, name: &str) -> Result<Option<i64>, ExtensionError> {
        let value = self.0.and_then(|map| map.text_key(name));
        value.map(|value| value.int().map_err(|_| ExtensionError::Malformed)).transpose()
    }

    fn protection(&self) -> Result<Option<CredentialProtection>, ExtensionError> {
        let level = self.number("credProtect")?;
        level.map(|level| CredentialProtection::from_level(level).ok_or(ExtensionError::Malformed)).transpose()
    }

    fn min_pin_length(&self) -> Result<Option<u32>, ExtensionError> {
        let length = self.number("minPinLength")?;
        length.map(|length| u32::try_from(length).map_err(|_| ExtensionError::Malformed)).transpose()
    }

    fn uvm(&self) -> Result<Option<Vec<UserVerificationMethod>>, ExtensionError> {
        let Some(value) = self.0.and_then(|map| map.text_key("uvm")) else { return Ok(None) };
        let method = |value: cbor::Value<'_>| {
            let mut numbers =
                value.array().ok()?.iter().map(|number| number.int().ok().and_then(|n| u32::try_from(n).ok()));
            let method = [numbers.next()??, numbers.next()??, numbers.next()??];
            numbers.next().is_none().then_some(method)
        };
        let methods = value.array().map_err(|_| ExtensionError::Malformed)?.iter().map(method);
        methods.collect::<Option<Vec<_>>>().map(Some).ok_or(ExtensionError::Malformed)
    }
}

/// Whether what came back is what was asked for, and what it says (§7.1 step 28, §7.2 step 23).
pub(crate) struct Judge<'a> {
    pub(crate) client: &'a ClientOutputs,
    pub(crate) authenticator: Option<cbor::Map<'a>>,
    /// Whether results that nobody asked for are passed over instead of refused.
    pub(crate) lenient: bool,
}

impl Judge<'_> {
    pub(crate) fn registration(&self, asked: &CreationInputs) -> Result<ExtensionResults, ExtensionError> {
        let client_asked = |name: &str| match name {
            "credProps" => asked.cred_props,
            "largeBlob" => asked.large_blob.is_some(),
            "prf" => asked.prf.is_some(),
            "appidExclude" => asked.appid_exclude.is_some(),
            "uvm" => asked.uvm.is_some(),
            "minPinLength" => asked.min_pin_length.is_some(),
            "credProtect" | "credentialProtectionPolicy" => asked.credential_protection_policy.is_some(),
            _ => false,
        };
        let authenticator_asked = |name: &str| match name {
            "minPinLength" => asked.min_pin_length.is_some(),
            "uvm" => asked.uvm.is_some(),
            "hmac-secret" | "hmac-secret-mc" => asked.prf.is_some(),
            _ => false,
        };
        let mut results = self.results(client_asked, authenticator_asked)?;
        let authenticator = AuthenticatorOutputs(self.authenticator);
        results.protection = authenticator.protection()?;
        results.min_pin_length = authenticator.min_pin_length()?;
        if asked.enforce_credential_protection_policy == Some(true)
            && results.protection < asked.credential_protection_policy
        {
            return Err(ExtensionError::CredProtect);
        }
        Ok(results)
    }

    pub(crate) fn authentication(&self, asked: &RequestInputs) -> Result<ExtensionResults, ExtensionError> {
        let client_asked = |name: &str| match name {
            "appid" => asked.appid.is_some(),
            "largeBlob" => asked.large_blob.is_some(),
            "prf" => asked.prf.is_some(),
            "uvm" => asked.uvm.is_some(),
            _ => false,
        };
        let authenticator_asked = |name: &str| match name {
            "uvm" => asked.uvm.is_some(),
            "hmac-secret" => asked.prf.is_some(),
            _ => false,
        };
        self.results(client_asked, authenticator_asked)
    }

    fn results(
        &self,
        client_asked: impl Fn(&str) -> bool,
        authenticator_asked: impl Fn(&str) -> bool,
    ) -> Result<ExtensionResults, ExtensionError> {
        let authenticator = AuthenticatorOutputs(self.authenticator);
        if !self.lenient {
            self.client.only(client_asked)?;
            authenticator.only(authenticator_asked)?;
        }
        let mut results = self.client.results();
        if let Some(methods) = authenticator.uvm()? {
            results.user_verification_methods = methods;
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn client(json: Value) -> ClientOutputs {
        ClientOutputs::read(Some(json)).unwrap()
    }

    fn map(bytes: &[u8]) -> cbor::Map<'_> {
        cbor::Value::read(bytes).unwrap().map().unwrap()
    }

    const CRED_PROTECT_2: &[u8] = b"\xa1\x6bcredProtect\x02";

    #[test]
    fn webauthn_7_1_step_28_unsolicited_results_are_refused() {
        let asked = CreationInputs { cred_props: true, ..CreationInputs::default() };
        let judge = |client: &ClientOutputs, authenticator, lenient| {
            Judge { client, authenticator, lenient }.registration(&asked)
        };
        let expected = client(json!({"credProps": {"rk": true}}));
        assert_eq!(judge(&expected, None, false).unwrap().discoverable, Some(true));
        for unsolicited in [json!({"prf": {"enabled": true}}), json!({"mystery": 1}), json!({"largeBlob": {}})] {
            let unsolicited = client(unsolicited);
            assert_eq!(judge(&unsolicited, None, false), Err(ExtensionError::Unsolicited));
            assert!(judge(&unsolicited, None, true).is_ok(), "unless the host passes them over");
        }
        for unsolicited in [&b"\xa1\x6bhmac-secret\xf5"[..], b"\xa1\x6cminPinLength\x04", b"\xa1\x61x\x01"] {
            assert_eq!(judge(&expected, Some(map(unsolicited)), false), Err(ExtensionError::Unsolicited));
        }
        assert_eq!(judge(&expected, Some(map(b"\xa1\x01\x01")), false), Err(ExtensionError::Malformed));
        let protected = judge(&expected, Some(map(CRED_PROTECT_2)), false).unwrap();
        assert_eq!(protected.protection, Some(CredentialProtection::UserVerificationOptionalWithCredentialIdList));
    }

    #[test]
    fn ctap_12_1_demanded_protection_is_enforced() {
        let asked = |level, enforce| CreationInputs {
            credential_protection_policy: Some(level),
            enforce_credential_protection_policy: enforce,
            ..CreationInputs::default()
        };
        let none = ClientOutputs::default();
        let judge = |authenticator, asked: &CreationInputs| {
            Judge { client: &none, authenticator, lenient: false }.registration(asked)
        };
        let required = CredentialProtection::UserVerificationRequired;
        let second = CredentialProtection::UserVerificationOptionalWithCredentialIdList;
        assert_eq!(judge(None, &asked(required, Some(true))), Err(ExtensionError::CredProtect));
        assert_eq!(judge(Some(map(CRED_PROTECT_2)), &asked(required, Some(true))), Err(ExtensionError::CredProtect));
        assert!(judge(Some(map(CRED_PROTECT_2)), &asked(second, Some(true))).is_ok());
        assert!(judge(None, &asked(required, None)).is_ok(), "what is only wished for may be missing");
        assert_eq!(judge(Some(map(b"\xa1\x6bcredProtect\x04")), &asked(second, None)), Err(ExtensionError::Malformed));
    }

    #[test]
    fn results_are_typed() {
        let asked = RequestInputs {
            large_blob: Some(LargeBlobRequest::Read(true)),
            prf: Some(PrfInput::default()),
            uvm: Some(true),
            appid: Some("https://example.org".into()),
        };
        let outputs = client(json!({"largeBlob": {"blob": "AQI"}, "prf": {"results": {"first": "AA"}}, "appid": true}));
        assert!(outputs.used_appid());
        assert!(!format!("{outputs:?}").contains("AA"), "the page's secrets are not kept");
        let uvm = b"\xa1\x63uvm\x81\x83\x02\x04\x02";
        let judge = Judge { client: &outputs, authenticator: Some(map(uvm)), lenient: false };
        let results = judge.authentication(&asked).unwrap();
        assert_eq!(
            (results.large_blob.as_deref(), results.user_verification_methods.as_slice()),
            (Some(&[1, 2][..]), &[[2, 4, 2]][..])
        );
        for bad in [&b"\xa1\x63uvm\x81\x82\x02\x04"[..], b"\xa1\x63uvm\x02", b"\xa1\x63uvm\x81\x84\x01\x01\x01\x01"] {
            let judge = Judge { client: &outputs, authenticator: Some(map(bad)), lenient: false };
            assert_eq!(judge.authentication(&asked), Err(ExtensionError::Malformed));
        }
    }

    #[test]
    fn outputs_of_another_form_are_none() {
        let long = "A".repeat((MAX_LARGE_BLOB + 1).div_ceil(3) * 4);
        for bad in [
            json!([]),
            json!("x"),
            json!({"credProps": true}),
            json!({"uvm": [[1]]}),
            json!({"largeBlob": {"blob": long}}),
        ] {
            assert_eq!(ClientOutputs::read(Some(bad)), None);
        }
        assert_eq!(ClientOutputs::read(None), ClientOutputs::read(Some(Value::Null)));
    }

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
