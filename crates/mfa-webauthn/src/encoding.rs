//! Bytes as JSON carries them: base64url without padding (WebAuthn 3 §5.1).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(false);
const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether `text` is exactly the base64url of `bytes`.
pub(crate) fn is_encoding_of(text: &str, bytes: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(text.as_bytes(), encode(bytes).as_bytes()).into()
}

/// The bytes of base64url; padding and the alphabet of plain base64 are taken too, since some password managers send them.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL.decode(text).or_else(|_| STANDARD.decode(text)).ok()
}

/// serde's form of bytes that must be base64url.
pub(crate) mod base64url {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer, B: AsRef<[u8]>>(bytes: &B, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::encode(bytes.as_ref()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, B: TryFrom<Vec<u8>>>(deserializer: D) -> Result<B, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = super::decode(&text).ok_or_else(|| serde::de::Error::custom("not base64url"))?;
        B::try_from(bytes).map_err(|_| serde::de::Error::custom("bytes of another length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_password_managers_send_is_decoded() {
        for text in ["-_8", "-_8=", "+/8", "+/8="] {
            assert_eq!(decode(text), Some(vec![0xfb, 0xff]), "{text}");
        }
        for bad in ["-_9", "-/8", "-_8==x", "a", "é", " -_8"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn webauthn_7_1_step_8_a_challenge_is_compared_in_its_one_encoding() {
        let text = encode(&[0xff; 32]);
        assert!(is_encoding_of(&text, &[0xff; 32]));
        for other in [&format!("{text}=") as &str, &text.replace('_', "/"), &text[..42], "", &encode(&[0xfe; 32])] {
            assert!(!is_encoding_of(other, &[0xff; 32]), "{other}");
        }
    }
}
