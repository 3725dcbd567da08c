//! Secrets of clients: compared by their hash, and measured for what could be guessed.

use countersign_tokens::CryptoProvider;

/// Whether a secret has this hash, in constant time.
pub(crate) fn secret_matches(crypto: &dyn CryptoProvider, own: &[u8; 32], shown: &str) -> bool {
    subtle::ConstantTimeEq::ct_eq(&own[..], &crypto.sha256(&[shown.as_bytes()])[..]).into()
}

/// The strength of a secret if every character were drawn at random from the sorts of characters it uses.
pub(crate) fn estimated_bits(secret: &str) -> f64 {
    let has = |sort: fn(&u8) -> bool| secret.bytes().any(|byte| sort(&byte));
    let hexadecimal = secret.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let alphabet = if hexadecimal {
        16.0
    } else {
        let mut letters = 0.0;
        for (present, size) in [
            (has(u8::is_ascii_lowercase), 26.0),
            (has(u8::is_ascii_uppercase), 26.0),
            (has(u8::is_ascii_digit), 10.0),
            (has(|byte| !byte.is_ascii_alphanumeric()), 2.0),
        ] {
            if present {
                letters += size;
            }
        }
        letters
    };
    let length = u32::try_from(secret.len()).unwrap_or(u32::MAX);
    f64::from(length) * f64::max(alphabet, 1.0).log2()
}
