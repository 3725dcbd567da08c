//! Passwords that anybody would try first: common ones, patterns, and what stands in the account itself.

use std::sync::Arc;

/// The 5,000 commonest of at least eight characters that no rule below finds, in lower case and in order. They are those of the
/// frequency list of zxcvbn (MIT), which were counted in passwords that others lost.
const COMMON: &str = include_str!("common.txt");

/// What is refused whole, whatever its case.
#[derive(Clone)]
pub(super) struct Blocklist {
    common: Arc<[&'static str]>,
    own: Arc<[String]>,
}

impl Blocklist {
    pub(super) fn new() -> Self {
        Self { common: COMMON.lines().collect(), own: Arc::default() }
    }

    pub(super) fn add(&mut self, words: impl IntoIterator<Item = String>) {
        let words = words.into_iter().map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty());
        let mut own: Vec<_> = self.own.iter().cloned().chain(words).collect();
        own.sort_unstable();
        own.dedup();
        self.own = own.into();
    }

    /// The whole password is compared, and no part of it (NIST SP 800-63B-4 §3.1.1.2).
    pub(super) fn has(&self, lower: &str) -> bool {
        self.common.binary_search(&lower).is_ok() || self.own.binary_search_by(|own| own.as_str().cmp(lower)).is_ok()
    }
}

/// Shorter than this a word that is only repeated is no password.
const UNIT: usize = 8;
/// A run of neighbours is one from so many on.
const RUN: usize = 4;
/// What follows what on a keyboard, in counting, and in the alphabet. The long ones go round.
const ROWS: [&str; 15] = [
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
    "8ik,",
    "9ol.",
];

/// Whether the whole of it is one short thing over and over, or runs of neighbours: `aaaaaaaa`, `dragondragon`, `12345678`,
/// `qwertyuiop0987`, `1qaz2wsx`.
pub(super) fn is_pattern(lower: &str) -> bool {
    let letters: Vec<char> = lower.chars().collect();
    let repeats = |unit: usize| letters.iter().zip(letters.iter().skip(unit)).all(|(one, next)| one == next);
    if (1..UNIT).take_while(|unit| unit * 2 <= letters.len()).any(repeats) {
        return true;
    }
    let mut rest = letters.as_slice();
    while !rest.is_empty() {
        let run = run(rest);
        if run < RUN {
            return false;
        }
        rest = rest.get(run..).unwrap_or_default();
    }
    !letters.is_empty()
}

/// How many letters from the beginning are one run: all the same, or neighbours in one direction.
fn run(letters: &[char]) -> usize {
    let same = letters.iter().take_while(|letter| Some(*letter) == letters.first()).count();
    let rows = ROWS.iter().flat_map(|row| [true, false].map(|up| neighbours(letters, row, up)));
    rows.max().unwrap_or_default().max(same)
}

fn neighbours(letters: &[char], row: &str, up: bool) -> usize {
    let row: Vec<char> = row.chars().collect();
    let goes_round = row.len() > RUN;
    let at = |letter: &char| row.iter().position(|other| other == letter);
    let follows = |(one, next): (&char, &char)| {
        let (Some(one), Some(next)) = (at(one), at(next)) else { return false };
        let (low, high) = if up { (one, next) } else { (next, one) };
        low + 1 == high || (goes_round && high == 0 && low + 1 == row.len())
    };
    let pairs = letters.iter().zip(letters.iter().skip(1)).take_while(|pair| follows(*pair)).count();
    if pairs == 0 { 0 } else { pairs + 1 }
}

/// Whether it is made of these words, digits and signs alone: the service's name, the user's, or both with a year.
pub(super) fn is_derived(lower: &str, words: &[String]) -> bool {
    let plain = letters_of(lower);
    let mut words: Vec<_> = words.iter().map(|word| letters_of(word)).filter(|word| word.len() >= 3).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let backwards: String = plain.chars().rev().collect();
    [plain, backwards].into_iter().any(|mut rest| {
        let mut found = false;
        for word in &words {
            found |= rest.contains(word);
            rest = rest.replace(word, " ");
        }
        found && rest.chars().all(|letter| letter == ' ' || letter.is_numeric())
    })
}

/// Letters and digits alone, in lower case.
fn letters_of(text: &str) -> String {
    text.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_list_is_sorted_in_lower_case_and_holds_what_no_rule_finds() {
        let words: Vec<_> = COMMON.lines().collect();
        assert_eq!(words.len(), 5_000);
        assert!(words.is_sorted() && words.windows(2).all(|two| two[0] != two[1]));
        assert!(words.iter().all(|word| word.chars().count() >= 8 && word.to_lowercase() == *word));
    }

    #[test]
    fn nist_sp800_63b_4_3_1_1_2_common_passwords_are_found_whole_and_not_within_others() {
        let mut list = Blocklist::new();
        for common in ["password", "password1", "football", "iloveyou", "trustno1", "starwars", "sunshine"] {
            assert!(list.has(common), "{common}");
        }
        assert!(!list.has("my password is not football"));
        list.add(["  Correct Horse Battery Staple ".to_owned()]);
        assert!(list.has("correct horse battery staple"));
    }

    #[test]
    fn nist_sp800_63b_4_3_1_1_2_repetitions_and_sequences_are_patterns() {
        for pattern in [
            "aaaaaaaaaaaaaaa",
            "abcabcabcabcabc",
            "dragondragondra",
            "123456789012345",
            "987654321098765",
            "abcdefghijklmno",
            "qwertyuiop12345",
            "1qaz2wsx3edc4rfv",
            "aaaabbbbccccdddd",
            "qwertzuiopasdfgh",
            "zyxwvuts",
        ] {
            assert!(is_pattern(pattern), "{pattern}");
        }
        for none in
            ["correct horse battery", "abcd is a beginning", "tr0ub4dor&3 again", "314159265358979", "qwerty uiop"]
        {
            assert!(!is_pattern(none), "{none}");
        }
        assert!(!is_pattern(""));
    }

    #[test]
    fn nist_sp800_63b_4_3_1_1_2_names_with_digits_and_signs_are_derived_from_them() {
        let words = ["Example".to_owned(), "alice".to_owned(), "alice@mail.example".to_owned(), "bo".to_owned()];
        for derived in
            ["example2026!!!!", "Alice.Example.1", "alice@mail.example", "ECILA-elpmaxe-99", "exampleexample"]
        {
            assert!(is_derived(derived, &words), "{derived}");
        }
        for none in ["alice likes horses", "an example of a phrase", "bo 1234567890123", "20262026", ""] {
            assert!(!is_derived(none, &words), "{none}");
        }
    }

    proptest! {
        #[test]
        fn promise_7_any_text_is_judged(text in "\\PC{0,80}", word in "\\PC{0,12}") {
            let _ = (Blocklist::new().has(&text), is_pattern(&text), is_derived(&text, &[word]));
        }
    }
}
