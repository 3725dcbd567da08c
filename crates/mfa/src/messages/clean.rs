//! What strangers chose, made fit to stand in a message.

/// So long a name is shown at most.
const LONGEST: usize = 40;
/// Programs make a link, a mail address or a number to call of words that these join.
const JOINERS: &[char] = &['.', '/', '\\', ':', '@', '。', '．', '｡', '／', '＼', '：', '＠', '․', '⁄', '∕'];
/// A name stands between quotation marks, and holds none itself.
const QUOTES: &[char] = &['"', '“', '”', '„', '‟', '«', '»', '″', '＂', '`'];
/// So many digits could be taken for a code or a number to call.
const DIGITS: usize = 4;

/// A name that its owner, or somebody else, chose freely, between quotation marks: on one line, without links, without what
/// looks like a code or a phone number, and short. None if nothing is left. What equals `recipient` is shown as it is: to
/// them their own address says nothing new.
pub(super) fn quoted(name: &str, recipient: &str) -> Option<String> {
    if name == recipient {
        return Some(format!("\"{name}\""));
    }
    let plain: String =
        name.chars().take(4 * LONGEST).map(|letter| if is_plain(letter) { letter } else { ' ' }).collect();
    let parted = without_numbers(&without_links(&plain));
    let words = parted.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = words.chars().take(LONGEST).collect();
    let short = short.trim();
    (!short.is_empty()).then(|| format!("\"{short}\""))
}

/// Whether a letter shows as itself and changes nothing around it.
fn is_plain(letter: char) -> bool {
    let turns_or_hides = matches!(
        u32::from(letter),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E
            | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFF | 0xE0000.. // private use too
    );
    !letter.is_control() && !turns_or_hides && !QUOTES.contains(&letter)
}

fn without_links(text: &str) -> String {
    let parted = text.chars().flat_map(|letter| [Some(letter), JOINERS.contains(&letter).then_some(' ')]);
    parted.flatten().collect()
}

/// Puts `***` where digits, perhaps with other signs between, are more than a few.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(char::is_numeric) {
        let (before, run) = rest.split_at(start);
        let end = run.find(|letter: char| letter.is_alphabetic() && !letter.is_numeric()).unwrap_or(run.len());
        let (run, after) = run.split_at(end);
        let many = run.chars().filter(|letter| letter.is_numeric()).count() >= DIGITS;
        out.push_str(before);
        out.push_str(if many { "*** " } else { run });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(name: &str) -> String {
        quoted(name, "alice@example.com").unwrap_or_default()
    }

    #[test]
    fn a_plain_name_is_shown_as_it_is() {
        for name in ["alice", "Zoë Müller-Lüdenscheidt", "株式会社", "O'Neill & Sons", "bob_77"] {
            assert_eq!(shown(name), format!("\"{name}\""));
        }
        assert_eq!(shown("alice@example.com"), "\"alice@example.com\"");
    }

    #[test]
    fn m32_a_name_smuggles_no_link_no_number_and_no_line() {
        assert_eq!(shown("win at https://evil.example/x"), "\"win at https: / / evil. example/ x\"");
        assert_eq!(shown("mallory@evil.example"), "\"mallory@ evil. example\"");
        assert_eq!(shown("Your code is 747 723"), "\"Your code is ***\"");
        assert_eq!(shown("call +1 (900) 555-0199 now"), "\"call +*** now\"");
        assert_eq!(shown("a\r\nBcc: x\u{2028}b"), "\"a Bcc: x b\"");
        assert_eq!(shown("x\" is safe, and \"y"), "\"x is safe, and y\"");
        assert_eq!(shown("\u{202e}moc.live\u{200b}"), "\"moc. live\"");
        assert_eq!(quoted("\u{200b}\r\n\"", "x"), None);
    }

    proptest! {
        #[test]
        fn m32_no_name_breaks_out_of_its_quotation_marks(name in "(\\PC|[\\x00-\\x7f]|https://|\\r\\n|\u{202e}){0,80}") {
            if let Some(shown) = quoted(&name, "+4915112345678") {
                let inner = shown.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
                prop_assert!(!inner.is_empty() && inner.chars().count() <= LONGEST);
                prop_assert!(inner.chars().all(is_plain), "{inner:?}");
                prop_assert!(!inner.contains(['\r', '\n', '"']));
                let joins = |(letter, next): (char, char)| JOINERS.contains(&letter) && next != ' ';
                prop_assert!(!inner.chars().zip(inner.chars().skip(1)).any(joins), "{inner:?}");
                prop_assert!(!inner.split(char::is_alphabetic).any(|run| run.chars().filter(|c| c.is_numeric()).count() >= DIGITS));
            }
        }
    }
}
