//! Secrets as people type them: base32 (RFC 4648 §6).

use std::sync::LazyLock;

use countersign_primitives::SecretString;
use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use zeroize::Zeroizing;

/// Reads what other systems print: either case, with spaces, hyphens or padding, and with last characters that carry bits of
/// no byte. Authenticator apps drop those bits, so both sides still hold one secret.
static LENIENT: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    specification.translate.from.push_str("abcdefghijklmnopqrstuvwxyz");
    specification.translate.to.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    specification.ignore.push_str(" \t\r\n-=");
    specification.check_trailing_bits = false;
    specification.encoding().unwrap_or(BASE32_NOPAD)
});

/// More characters than any secret of 64 bytes has, grouped and padded.
const LONGEST_TEXT: usize = 256;

/// The bytes of a typed secret; nothing if it is not base32 or absurdly long.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    LENIENT.decode(text.as_bytes()).ok().map(Zeroizing::new)
}

/// Upper case without padding.
pub(crate) fn encode(bytes: &[u8]) -> SecretString {
    SecretString::new(BASE32_NOPAD.encode(bytes))
}

/// Upper case in groups of four, for reading and typing.
pub(crate) fn encode_grouped(bytes: &[u8]) -> SecretString {
    let plain = encode(bytes);
    let mut grouped = String::with_capacity(plain.expose().len() * 5 / 4 + 1);
    for (index, character) in plain.expose().chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            grouped.push(' ');
        }
        grouped.push(character);
    }
    SecretString::new(grouped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc4648_10_vectors() {
        for (bytes, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(encode(bytes.as_bytes()).expose(), text);
            assert_eq!(decode(text).unwrap().as_slice(), bytes.as_bytes());
        }
        assert_eq!(decode("mzxw 6ytb-oi======").unwrap().as_slice(), b"foobar");
    }

    #[test]
    fn what_is_not_base32_is_refused() {
        for bad in ["MZXW1", "MZXW0YTB", "MZXW8", "é", "M\u{130}", "A", "MZXW6YTBOI!"] {
            assert!(decode(bad).is_none(), "{bad}");
        }
        assert!(decode(&"A".repeat(257)).is_none());
    }

    #[test]
    fn bits_of_no_byte_are_dropped_as_authenticator_apps_do() {
        assert_eq!(decode("MZ").unwrap().as_slice(), b"f");
    }

    proptest! {
        #[test]
        fn base32_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..=64)) {
            prop_assert_eq!(decode(encode(&bytes).expose()).unwrap().to_vec(), bytes.clone());
            prop_assert_eq!(decode(encode_grouped(&bytes).expose()).unwrap().to_vec(), bytes.clone());
            prop_assert_eq!(decode(&encode(&bytes).expose().to_lowercase()).unwrap().to_vec(), bytes.clone());
        }

        #[test]
        fn promise_7_no_text_can_panic_the_reader(text in ".*") {
            let _ = decode(&text);
        }
    }
}
