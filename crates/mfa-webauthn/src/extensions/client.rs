//! What the client says: `getClientExtensionResults()` as JSON.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::inputs::Encoded;
use super::{ExtensionError, ExtensionResults, UserVerificationMethod};

/// The most bytes of a large blob that are taken.
const MAX_LARGE_BLOB: usize = 16 * 1024;

/// A name in the registry of extensions, or one that is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
pub(super) enum Name {
    CredProps,
    LargeBlob,
    Prf,
    Appid,
    AppidExclude,
    Uvm,
    MinPinLength,
    CredProtect,
    CredentialProtectionPolicy,
    #[serde(other)]
    Other,
}

/// Results of extensions: the known ones typed, of all others the fact that there are some. Whatever a stranger sends, no more is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ClientOutputs {
    /// Each once.
    names: Vec<Name>,
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

impl<'de> Deserialize<'de> for ClientOutputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Outputs)
    }
}

struct Outputs;

impl<'de> Visitor<'de> for Outputs {
    type Value = ClientOutputs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("results of extensions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClientOutputs, A::Error> {
        let mut outputs = ClientOutputs::default();
        while let Some(name) = map.next_key()? {
            let again = outputs.names.contains(&name);
            match name {
                Name::Other => {}
                _ if again => return Err(A::Error::custom("the result of an extension comes twice")),
                _ => {}
            }
            match name {
                Name::CredProps => outputs.cred_props = map.next_value()?,
                Name::LargeBlob => outputs.large_blob = map.next_value()?,
                Name::Prf => outputs.prf = map.next_value()?,
                Name::Appid => outputs.appid = map.next_value()?,
                Name::Uvm => outputs.uvm = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            if !again {
                outputs.names.push(name);
            }
        }
        let blob = outputs.large_blob.as_ref().and_then(|output| output.blob.as_ref());
        if blob.is_some_and(|blob| blob.0.len() > MAX_LARGE_BLOB) {
            return Err(A::Error::custom("a large blob of more than 16 KiB"));
        }
        Ok(outputs)
    }
}

impl ClientOutputs {
    /// Whether the AppID stood in for the RP ID (WebAuthn 3 §10.1.1).
    pub(crate) fn used_appid(&self) -> bool {
        self.appid == Some(true)
    }

    pub(super) fn only(&self, asked: impl Fn(Name) -> bool) -> Result<(), ExtensionError> {
        if self.names.iter().all(|name| asked(*name)) { Ok(()) } else { Err(ExtensionError::Unsolicited) }
    }

    pub(super) fn results(&self) -> ExtensionResults {
        let blob = self.large_blob.as_ref();
        ExtensionResults {
            discoverable: self.cred_props.as_ref().and_then(|output| output.rk),
            large_blob_supported: blob.and_then(|output| output.supported),
            large_blob_written: blob.and_then(|output| output.written),
            large_blob: blob.and_then(|output| output.blob.as_ref()).map(|blob| blob.0.clone()),
            prf_enabled: self.prf.as_ref().and_then(|output| output.enabled),
            user_verification_methods: self.uvm.clone().unwrap_or_default(),
            ..ExtensionResults::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn outputs_of_another_form_are_refused() {
        let long = "A".repeat((MAX_LARGE_BLOB + 1).div_ceil(3) * 4);
        for bad in [
            json!([]),
            json!("x"),
            json!({"credProps": true}),
            json!({"uvm": [[1]]}),
            json!({"largeBlob": {"blob": long}}),
        ] {
            assert!(serde_json::from_value::<ClientOutputs>(bad).is_err());
        }
        assert!(serde_json::from_str::<ClientOutputs>(r#"{"appid":false,"appid":true}"#).is_err(), "a name twice");
    }

    #[test]
    fn promise_7_names_that_are_not_known_take_no_room() {
        let many = format!("{{{}\"x\":[[1]]}}", "\"x\":{\"y\":1},".repeat(1000));
        let outputs: ClientOutputs = serde_json::from_str(&many).unwrap();
        assert_eq!(outputs, ClientOutputs { names: vec![Name::Other], ..ClientOutputs::default() });
    }
}
