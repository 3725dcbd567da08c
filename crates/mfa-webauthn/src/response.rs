//! What the browser sends back: the JSON of `PublicKeyCredential.toJSON()` (WebAuthn 3 §5.1), and what password managers make of it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::encoding::decode;
use crate::extensions::ClientOutputs;
use crate::member::Member;
use crate::options::{Attachment, Transport};
use crate::refusal::refusals;
use crate::{CredentialId, UserHandle};

/// The longest answer that is read, in bytes of JSON: an attestation with a chain of certificates has about ten thousand.
pub const MAX_RESPONSE: usize = 128 * 1024;

refusals! {
    /// Why the browser's answer cannot be read.
    ResponseError as "response" {
        /// Longer than [`MAX_RESPONSE`].
        TooLong = "too_long": "the answer is longer than 128 KiB",
        /// No JSON object with the members that `toJSON()` gives.
        Malformed = "malformed": "the answer is not the JSON of PublicKeyCredential.toJSON()",
        /// Neither `id` nor `rawId` is base64url of 1 to 1023 bytes.
        Id = "id": "the credential id is not base64url of 1 to 1023 bytes",
        /// `id` and `rawId` are two different ids.
        IdsDiffer = "ids_differ": "id and rawId name different credentials",
        /// `type` is not `public-key`.
        Type = "type": "the credential's type is not public-key",
        /// A member that holds bytes is not base64url.
        Base64 = "base64": "a member of the response is not base64url",
        /// A user handle of more than 64 bytes.
        UserHandle = "user_handle": "the user handle has more than 64 bytes",
    }
}

/// The answer to `navigator.credentials.create()`.
///
/// ```
/// # use countersign_mfa_webauthn::{RegistrationResponse, ResponseError};
/// assert_eq!(RegistrationResponse::from_json("{}").err(), Some(ResponseError::Malformed));
/// ```
#[derive(Debug, Clone)]
pub struct RegistrationResponse {
    pub(crate) id: CredentialId,
    pub(crate) client_data_json: Vec<u8>,
    pub(crate) attestation_object: Vec<u8>,
    pub(crate) transports: Vec<Transport>,
    pub(crate) attachment: Option<Attachment>,
    pub(crate) extensions: ClientOutputs,
}

/// The answer to `navigator.credentials.get()`.
#[derive(Debug, Clone)]
pub struct AuthenticationResponse {
    pub(crate) id: CredentialId,
    pub(crate) client_data_json: Vec<u8>,
    pub(crate) authenticator_data: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) user_handle: Option<UserHandle>,
    pub(crate) attachment: Option<Attachment>,
    pub(crate) extensions: ClientOutputs,
}

/// The outer object. What is a [`Member`] is read with tolerance, each for a reason given at its reader.
#[derive(Deserialize)]
struct Outer<'a, R> {
    #[serde(borrow)]
    id: Option<Member<'a>>,
    #[serde(borrow, rename = "rawId")]
    raw_id: Option<Member<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    response: R,
    #[serde(borrow, rename = "authenticatorAttachment")]
    attachment: Option<Member<'a>>,
    #[serde(rename = "clientExtensionResults")]
    extensions: Option<ClientOutputs>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attestation<'a> {
    #[serde(borrow, rename = "clientDataJSON")]
    client_data_json: Cow<'a, str>,
    #[serde(borrow)]
    attestation_object: Cow<'a, str>,
    #[serde(borrow)]
    transports: Option<Member<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assertion<'a> {
    #[serde(borrow, rename = "clientDataJSON")]
    client_data_json: Cow<'a, str>,
    #[serde(borrow)]
    authenticator_data: Cow<'a, str>,
    #[serde(borrow)]
    signature: Cow<'a, str>,
    #[serde(borrow)]
    user_handle: Option<Member<'a>>,
}

impl<'a, R> Outer<'a, R> {
    fn read(json: &'a str) -> Result<Self, ResponseError>
    where
        R: Deserialize<'a>,
    {
        if json.len() > MAX_RESPONSE {
            return Err(ResponseError::TooLong);
        }
        let outer: Self = serde_json::from_str(json).map_err(|_| ResponseError::Malformed)?;
        if outer.kind == "public-key" { Ok(outer) } else { Err(ResponseError::Type) }
    }

    /// `id` and `rawId` say the same. Some password managers hand out a `rawId` that is no text once it is JSON (`{}`, a list of
    /// numbers): then `id` alone counts.
    fn id(&self) -> Result<CredentialId, ResponseError> {
        let read = |text: &str| {
            let bytes = decode(text).ok_or(ResponseError::Id)?;
            CredentialId::new(bytes).map_err(|_| ResponseError::Id)
        };
        match (self.id.as_ref().and_then(Member::text), self.raw_id.as_ref().and_then(Member::text)) {
            (Some(id), Some(raw_id)) if id == raw_id => read(id),
            (Some(id), Some(raw_id)) => {
                let id = read(id)?;
                if id == read(raw_id)? { Ok(id) } else { Err(ResponseError::IdsDiffer) }
            }
            (Some(one), None) | (None, Some(one)) => read(one),
            (None, None) => Err(ResponseError::Id),
        }
    }

    /// Missing, `null` and unknown values mean that it is not known (§5.1).
    fn attachment(&self) -> Option<Attachment> {
        self.attachment.as_ref()?.named()
    }
}

impl RegistrationResponse {
    /// Reads the JSON of `credential.toJSON()`, or `JSON.stringify(credential)` where that calls it.
    ///
    /// The members `authenticatorData`, `publicKey` and `publicKeyAlgorithm` repeat what the attestation object has, and are not
    /// looked at.
    ///
    /// # Errors
    /// [`ResponseError`], when it is not that.
    pub fn from_json(json: &str) -> Result<Self, ResponseError> {
        let outer = Outer::<Attestation<'_>>::read(json)?;
        Ok(Self {
            id: outer.id()?,
            attachment: outer.attachment(),
            client_data_json: bytes(&outer.response.client_data_json)?,
            attestation_object: bytes(&outer.response.attestation_object)?,
            transports: outer.response.transports.map(Member::into_transports).unwrap_or_default(),
            extensions: outer.extensions.unwrap_or_default(),
        })
    }

    /// The id of the new credential, as the client tells it; nothing about it is proved yet.
    #[must_use]
    pub const fn credential_id(&self) -> &CredentialId {
        &self.id
    }
}

impl AuthenticationResponse {
    /// Reads the JSON of `credential.toJSON()`.
    ///
    /// # Errors
    /// [`ResponseError`], when it is not that.
    pub fn from_json(json: &str) -> Result<Self, ResponseError> {
        let outer = Outer::<Assertion<'_>>::read(json)?;
        Ok(Self {
            id: outer.id()?,
            attachment: outer.attachment(),
            client_data_json: bytes(&outer.response.client_data_json)?,
            authenticator_data: bytes(&outer.response.authenticator_data)?,
            signature: bytes(&outer.response.signature)?,
            user_handle: user_handle(outer.response.user_handle.as_ref())?,
            extensions: outer.extensions.unwrap_or_default(),
        })
    }

    /// The id of the credential that was used, to look it up by; nothing about it is proved yet.
    #[must_use]
    pub const fn credential_id(&self) -> &CredentialId {
        &self.id
    }

    /// The user whom the authenticator names, to look the account up by; nothing about it is proved yet.
    #[must_use]
    pub const fn user_handle(&self) -> Option<&UserHandle> {
        self.user_handle.as_ref()
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, ResponseError> {
    decode(text).ok_or(ResponseError::Base64)
}

/// U2F keys have none, which clients tell by leaving it out, by `null` or by an empty text.
fn user_handle(member: Option<&Member<'_>>) -> Result<Option<UserHandle>, ResponseError> {
    match member {
        None => Ok(None),
        Some(Member::Text(text)) if text.is_empty() => Ok(None),
        Some(Member::Text(text)) => {
            let handle = UserHandle::new(bytes(text)?).map_err(|_| ResponseError::UserHandle)?;
            Ok(Some(handle))
        }
        Some(_) => Err(ResponseError::Base64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = r#"{"id":"aWQ","rawId":"aWQ","type":"public-key","authenticatorAttachment":"platform",
        "clientExtensionResults":{"credProps":{"rk":true}},
        "response":{"clientDataJSON":"e30","attestationObject":"oA","authenticatorData":"AA","publicKey":"AA",
            "publicKeyAlgorithm":-7,"transports":["internal","hybrid","internal","warp"]}}"#;
    const USED: &str = r#"{"id":"aWQ","rawId":"aWQ","type":"public-key","clientExtensionResults":{},
        "response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AQ","userHandle":"dTE"}}"#;

    fn created(json: &str) -> Result<RegistrationResponse, ResponseError> {
        RegistrationResponse::from_json(json)
    }

    fn used(json: &str) -> Result<AuthenticationResponse, ResponseError> {
        AuthenticationResponse::from_json(json)
    }

    #[test]
    fn webauthn_5_1_the_json_of_to_json_is_read() {
        let response = created(CREATED).unwrap();
        assert_eq!(response.credential_id().as_bytes(), b"id");
        assert_eq!((&response.client_data_json[..], &response.attestation_object[..]), (&b"{}"[..], &[0xa0][..]));
        assert_eq!(
            response.transports,
            [Transport::Hybrid, Transport::Internal],
            "twice and unknown ones are left out"
        );
        assert_eq!(response.attachment, Some(Attachment::Platform));
        let response = used(USED).unwrap();
        assert_eq!(response.user_handle().unwrap().as_bytes(), b"u1");
        assert_eq!((&response.authenticator_data[..], &response.signature[..]), (&[0][..], &[1][..]));
    }

    #[test]
    fn password_managers_are_read_with_their_oddities() {
        for odd in [
            CREATED.replace(r#""rawId":"aWQ""#, r#""rawId":{}"#),
            CREATED.replace(r#""rawId":"aWQ","#, ""),
            CREATED.replace(r#""id":"aWQ","#, ""),
            CREATED.replace(r#""rawId":"aWQ""#, r#""rawId":"aWQ=""#),
            CREATED.replace(r#""platform""#, "null"),
            CREATED.replace(r#""platform""#, r#""implant""#),
            CREATED.replace(r#"{"credProps":{"rk":true}}"#, "null"),
        ] {
            assert_eq!(created(&odd).unwrap().id.as_bytes(), b"id", "{odd}");
        }
        for absent in ["null", "\"\""] {
            assert_eq!(used(&USED.replace("\"dTE\"", absent)).unwrap().user_handle, None);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused_by_name() {
        let cases = [
            (CREATED.replace(r#""rawId":"aWQ""#, r#""rawId":"aWR""#), ResponseError::Id),
            (CREATED.replace(r#""rawId":"aWQ""#, r#""rawId":"aWE""#), ResponseError::IdsDiffer),
            (CREATED.replace("aWQ", ""), ResponseError::Id),
            (CREATED.replace("public-key", "password"), ResponseError::Type),
            (CREATED.replace("\"oA\"", "\"o!\""), ResponseError::Base64),
            (CREATED.replace("\"oA\"", "7"), ResponseError::Malformed),
            (CREATED.replace("attestationObject", "attestation"), ResponseError::Malformed),
            (CREATED.replace(r#"{"credProps":{"rk":true}}"#, "[]"), ResponseError::Malformed),
            (format!("{CREATED}{}", " ".repeat(MAX_RESPONSE)), ResponseError::TooLong),
            (USED.to_owned(), ResponseError::Malformed),
        ];
        for (json, error) in cases {
            assert_eq!(created(&json).unwrap_err(), error, "{json:.300}");
        }
        assert_eq!(used(CREATED).unwrap_err(), ResponseError::Malformed);
        assert_eq!(used(&USED.replace("dTE", &"A".repeat(88))).unwrap_err(), ResponseError::UserHandle);
        assert_eq!(used(&USED.replace("\"dTE\"", "{}")).unwrap_err(), ResponseError::Base64);
    }
}
