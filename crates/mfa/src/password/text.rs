//! The form in which passwords are hashed and measured.

use countersign_primitives::SecretString;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// A password as it is hashed: every space is U+0020, and the text is in Normalization Form C, so that the same characters typed on
/// another keyboard are the same password (NIST SP 800-63B-4 §3.1.1.2; RFC 8265 §4.2.2). Case and width are the user's.
pub(crate) fn normalised(password: &SecretString) -> SecretString {
    let spaced = password.expose().chars().map(|letter| if is_space(letter) { ' ' } else { letter });
    SecretString::new(spaced.nfc().collect::<String>())
}

/// Whether normalising changes nothing.
pub(super) fn is_normal(password: &SecretString) -> bool {
    password.expose().is_ascii() || (is_nfc(password.expose()) && !password.expose().contains(is_foreign_space))
}

fn is_space(letter: char) -> bool {
    letter == ' ' || is_foreign_space(letter)
}

/// The spaces of Unicode (category Zs) beside the one of ASCII.
fn is_foreign_space(letter: char) -> bool {
    matches!(letter, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        normalised(&text.into()).expose().to_owned()
    }

    #[test]
    fn rfc8265_4_2_2_composed_and_decomposed_characters_are_one_password() {
        assert_eq!(form("Zu\u{308}rich"), form("Z\u{fc}rich"));
        assert_eq!(form("a\u{a0}b\u{3000}c"), "a b c");
        // Case, width and compatibility characters are what the user typed.
        assert_eq!(form("Ｐａｓｓ ﬁ"), "Ｐａｓｓ ﬁ");
    }

    #[test]
    fn what_is_normal_is_not_hashed_twice() {
        for (text, normal) in [("plain", true), ("Z\u{fc}rich", true), ("Zu\u{308}rich", false), ("a\u{a0}b", false)] {
            assert_eq!(is_normal(&text.into()), normal, "{text}");
            assert_eq!(form(text) == text, normal, "{text}");
        }
    }
}
