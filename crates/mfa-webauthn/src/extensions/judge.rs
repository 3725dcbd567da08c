//! That what came back is what was asked for.

use super::authenticator::AuthenticatorOutputs;
use super::client::Name;
use super::{ClientOutputs, CreationInputs, ExtensionError, ExtensionResults, RequestInputs};
use crate::cbor;

/// Whether what came back is what was asked for, and what it says (§7.1 step 28, §7.2 step 23).
pub(crate) struct Judge<'a> {
    pub(crate) client: &'a ClientOutputs,
    pub(crate) authenticator: Option<cbor::Map<'a>>,
    /// Whether results that nobody asked for are passed over instead of refused.
    pub(crate) lenient: bool,
}

impl Judge<'_> {
    pub(crate) fn registration(&self, asked: &CreationInputs) -> Result<ExtensionResults, ExtensionError> {
        let client_asked = |name| match name {
            Name::CredProps => asked.cred_props,
            Name::LargeBlob => asked.large_blob.is_some(),
            Name::Prf => asked.prf.is_some(),
            Name::AppidExclude => asked.appid_exclude.is_some(),
            Name::Uvm => asked.uvm.is_some(),
            Name::MinPinLength => asked.min_pin_length.is_some(),
            Name::CredProtect | Name::CredentialProtectionPolicy => asked.credential_protection_policy.is_some(),
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
        let client_asked = |name| match name {
            Name::Appid => asked.appid.is_some(),
            Name::LargeBlob => asked.large_blob.is_some(),
            Name::Prf => asked.prf.is_some(),
            Name::Uvm => asked.uvm.is_some(),
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
        client_asked: impl Fn(Name) -> bool,
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
    use serde_json::{Value, json};

    use super::*;
    use crate::extensions::CredentialProtection;
    use crate::extensions::inputs::{LargeBlobRequest, PrfInput};

    fn client(json: Value) -> ClientOutputs {
        serde_json::from_value(json).unwrap()
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
}
