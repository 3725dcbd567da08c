//! Recovery codes: printed once, each good for one login when every other factor is lost.

use std::fmt;

use countersign_primitives::{Random, RandomError, SecretString};
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::CodeKey;
use crate::generator::is_separator;
use crate::keyed::{self, ParseHashError};

/// Digits and lower-case letters without i, l, o and u, which are read as others (or as words). Thirty-two symbols, so each
/// carries five bits and every byte of randomness picks one fairly.
const SYMBOLS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Symbols of a code: 24 of five bits are 120, and NIST SP 800-63B-4 §3.1.2.2 asks for 112 before a fast hash will do.
const LENGTH: usize = 24;
/// Symbols between hyphens.
const GROUP: usize = 4;

/// One recovery code, as it is shown to its owner: `xxxx-xxxx-xxxx-xxxx-xxxx-xxxx`, 120 bits. Wiped when dropped.
#[derive(Debug)]
pub struct RecoveryCode(SecretString);

impl RecoveryCode {
    /// A new code.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        random.fill(&mut *bytes)?;
        let mut code = String::with_capacity(LENGTH + LENGTH / GROUP);
        for (index, byte) in bytes.iter().enumerate() {
            if index > 0 && index % GROUP == 0 {
                code.push('-');
            }
            code.push(char::from(SYMBOLS[usize::from(byte % 32)]));
        }
        Ok(Self(SecretString::new(code)))
    }

    /// The code itself, to be shown once. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What the store keeps. `context` is whose code it is, such as the subject's id.
    #[must_use]
    pub fn hash(&self, key: &CodeKey, context: &[u8]) -> RecoveryCodeHash {
        let bare: Zeroizing<String> = Zeroizing::new(self.expose().chars().filter(|symbol| *symbol != '-').collect());
        RecoveryCodeHash::of(key, context, &bare)
    }
}

/// A set of recovery codes, to be shown once; [`RecoveryCodes::hashes`] are what is stored.
///
/// ```
/// use countersign_mfa_otp::{CodeKey, RecoveryCodeHash, RecoveryCodes};
/// use countersign_primitives::SystemRandom;
///
/// # fn main() -> Result<(), countersign_primitives::RandomError> {
/// let key = CodeKey::generate(&SystemRandom)?;
/// let codes = RecoveryCodes::generate(&SystemRandom, RecoveryCodes::USUAL)?;
/// let mut hashes = codes.hashes(&key, b"u-1");
/// for code in codes.iter() {
///     // show code.expose()
/// }
///
/// // Somebody types the fourth, in capitals and with spaces.
/// let typed = codes.iter().nth(3).map(|code| code.expose().to_uppercase().replace('-', " ")).unwrap_or_default();
/// let found = RecoveryCodeHash::find(&hashes, &key, b"u-1", &typed);
/// assert_eq!(found, Some(3));
/// hashes.remove(3); // stored by compare-and-set: the code is spent
/// assert_eq!(RecoveryCodeHash::find(&hashes, &key, b"u-1", &typed), None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RecoveryCodes(Vec<RecoveryCode>);

impl RecoveryCodes {
    /// How many codes a set usually has.
    pub const USUAL: u8 = 10;

    /// A new set of this many codes.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(random: &dyn Random, count: u8) -> Result<Self, RandomError> {
        (0..count).map(|_| RecoveryCode::generate(random)).collect::<Result<_, _>>().map(Self)
    }

    /// The codes, in the order of their hashes.
    pub fn iter(&self) -> std::slice::Iter<'_, RecoveryCode> {
        self.0.iter()
    }

    /// What the store keeps, in the same order. `context` is whose codes they are, such as the subject's id.
    #[must_use]
    pub fn hashes(&self, key: &CodeKey, context: &[u8]) -> Vec<RecoveryCodeHash> {
        self.0.iter().map(|code| code.hash(key, context)).collect()
    }
}

impl<'a> IntoIterator for &'a RecoveryCodes {
    type Item = &'a RecoveryCode;
    type IntoIter = std::slice::Iter<'a, RecoveryCode>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A recovery code as the store keeps it: HMAC-SHA-256 over its owner and the code.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecoveryCodeHash([u8; 32]);

impl RecoveryCodeHash {
    /// Which of the hashes is the one of what somebody typed: in either case, with or without hyphens and spaces, `o` for
    /// `0`, `i` or `l` for `1`. All hashes are compared, in constant time.
    ///
    /// The caller removes the hash from its record by compare-and-set before it lets anybody in: the code is then spent.
    #[must_use]
    pub fn find(hashes: &[Self], key: &CodeKey, context: &[u8], typed: &str) -> Option<usize> {
        let given = Self::of(key, context, &normalised(typed)?);
        let mut matched = Choice::from(0);
        let mut position = 0_u64;
        for (index, hash) in (0_u64..).zip(hashes) {
            let hit = hash.0.ct_eq(&given.0);
            position.conditional_assign(&index, hit);
            matched |= hit;
        }
        if bool::from(matched) { usize::try_from(position).ok() } else { None }
    }

    fn of(key: &CodeKey, context: &[u8], bare: &str) -> Self {
        Self(key.hash([b"recovery code", b"", context, bare.as_bytes()]))
    }
}

/// The bare symbols of a typed code; nothing if they are no code at all.
fn normalised(typed: &str) -> Option<Zeroizing<String>> {
    let mut bare = Zeroizing::new(String::with_capacity(LENGTH));
    for character in typed.chars().filter(|character| !is_separator(*character)) {
        let symbol = match character.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        if bare.len() == LENGTH || !u8::try_from(symbol).is_ok_and(|symbol| SYMBOLS.contains(&symbol)) {
            return None;
        }
        bare.push(symbol);
    }
    (bare.len() == LENGTH).then_some(bare)
}

impl fmt::Debug for RecoveryCodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCodeHash(..)")
    }
}

impl From<RecoveryCodeHash> for String {
    fn from(hash: RecoveryCodeHash) -> Self {
        keyed::encode(&hash.0)
    }
}

impl TryFrom<String> for RecoveryCodeHash {
    type Error = ParseHashError;

    fn try_from(text: String) -> Result<Self, ParseHashError> {
        keyed::decode(&text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use countersign_primitives::SystemRandom;
    use proptest::prelude::*;

    use super::*;

    fn key() -> CodeKey {
        CodeKey::new([7; 32])
    }

    #[test]
    fn a_code_has_at_least_112_bits_and_no_ambiguous_symbol() {
        const { assert!(LENGTH * 5 >= 112) };
        assert_eq!(SYMBOLS.iter().collect::<HashSet<_>>().len(), 32);
        assert!(!SYMBOLS.iter().any(|symbol| b"ilouILOU".contains(symbol)));
        let code = RecoveryCode::generate(&SystemRandom).unwrap();
        let groups: Vec<_> = code.expose().split('-').map(str::len).collect();
        assert_eq!(groups, [4; 6]);
    }

    #[test]
    fn the_codes_of_a_set_use_every_symbol_and_differ() {
        let codes = RecoveryCodes::generate(&SystemRandom, 100).unwrap();
        assert_eq!(codes.iter().map(RecoveryCode::expose).collect::<HashSet<_>>().len(), 100);
        let seen: HashSet<_> = codes.iter().flat_map(|code| code.expose().bytes()).collect();
        assert_eq!(seen.len(), 33, "32 symbols and the hyphen");
    }

    #[test]
    fn each_code_is_found_where_its_hash_is_and_nowhere_else() {
        let codes = RecoveryCodes::generate(&SystemRandom, RecoveryCodes::USUAL).unwrap();
        let hashes = codes.hashes(&key(), b"u-1");
        for (index, code) in codes.iter().enumerate() {
            assert_eq!(RecoveryCodeHash::find(&hashes, &key(), b"u-1", code.expose()), Some(index));
            assert_eq!(RecoveryCodeHash::find(&hashes, &key(), b"u-2", code.expose()), None, "another's");
            assert_eq!(RecoveryCodeHash::find(&hashes, &CodeKey::new([8; 32]), b"u-1", code.expose()), None);
        }
        let stranger = RecoveryCode::generate(&SystemRandom).unwrap();
        assert_eq!(RecoveryCodeHash::find(&hashes, &key(), b"u-1", stranger.expose()), None);
        assert_eq!(RecoveryCodeHash::find(&[], &key(), b"u-1", stranger.expose()), None);
    }

    #[test]
    fn promise_1_a_removed_code_is_found_no_more() {
        let codes = RecoveryCodes::generate(&SystemRandom, 3).unwrap();
        let mut hashes = codes.hashes(&key(), b"u-1");
        let second = codes.iter().nth(1).unwrap().expose();
        hashes.remove(RecoveryCodeHash::find(&hashes, &key(), b"u-1", second).unwrap());
        assert_eq!(RecoveryCodeHash::find(&hashes, &key(), b"u-1", second), None);
        assert_eq!(hashes.len(), 2);
    }

    #[test]
    fn look_alikes_case_and_separators_are_forgiven() {
        assert_eq!(normalised("OIl0-1234 ABCD\u{2013}efgh jkmn pqrs").unwrap().as_str(), "01101234abcdefghjkmnpqrs");
        for bad in ["", "0110", "01101234abcdefghjkmnpqr", "01101234abcdefghjkmnpqrst", "u1101234abcdefghjkmnpqrs", "é"]
        {
            assert!(normalised(bad).is_none(), "{bad}");
        }
        assert!(normalised(&"0".repeat(100_000)).is_none());
    }

    #[test]
    fn promise_4_neither_code_nor_hash_is_shown() {
        let codes = RecoveryCodes::generate(&SystemRandom, 1).unwrap();
        let shown = format!("{codes:?} {:?}", codes.hashes(&key(), b"u-1"));
        assert_eq!(shown, "RecoveryCodes([RecoveryCode(SecretString(..))]) [RecoveryCodeHash(..)]");
    }

    #[test]
    fn a_hash_survives_storage() {
        let codes = RecoveryCodes::generate(&SystemRandom, 2).unwrap();
        let stored = serde_json::to_string(&codes.hashes(&key(), b"u-1")).unwrap();
        let read: Vec<RecoveryCodeHash> = serde_json::from_str(&stored).unwrap();
        let last = codes.iter().last().unwrap().expose();
        assert_eq!(RecoveryCodeHash::find(&read, &key(), b"u-1", last), Some(1));
    }

    proptest! {
        #[test]
        fn promise_7_no_text_can_panic_the_search(typed in ".*") {
            prop_assert_eq!(RecoveryCodeHash::find(&[], &key(), b"u-1", &typed), None);
        }
    }
}
