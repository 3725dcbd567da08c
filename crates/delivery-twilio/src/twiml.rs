//! What a call says (TwiML).

/// A document that reads a text out, twice as slowly as it would stand there alone: a breath before it, and text that is no markup.
pub(crate) fn say(text: &str, language: Option<&str>) -> String {
    let language = voice_of(language);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Pause length=\"1\"/>\
         <Say language=\"{language}\">{}</Say></Response>",
        escaped(text)
    )
}

/// Twilio's voices are of a language and a country.
fn voice_of(tag: Option<&str>) -> &'static str {
    let tag = tag.unwrap_or("en").to_ascii_lowercase();
    let exact = VOICES.iter().find(|voice| voice.eq_ignore_ascii_case(&tag));
    let language = tag.split('-').next().unwrap_or("en");
    let near = || VOICES.iter().find(|voice| voice.split('-').next() == Some(language));
    exact.or_else(near).copied().unwrap_or("en-US")
}

const VOICES: [&str; 26] = [
    "en-US", "en-GB", "en-AU", "en-IN", "de-DE", "fr-FR", "fr-CA", "es-ES", "es-MX", "it-IT", "pt-BR", "pt-PT",
    "nl-NL", "da-DK", "sv-SE", "nb-NO", "fi-FI", "pl-PL", "ru-RU", "tr-TR", "ja-JP", "ko-KR", "zh-CN", "zh-TW",
    "ca-ES", "el-GR",
];

/// A text in XML 1.0: markup escaped, letters that XML has not left out (§2.2).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\r' | '\t' => out.push(' '),
            _ if letter.is_control() || matches!(letter, '\u{FFFE}' | '\u{FFFF}') => {}
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_read_out_in_its_language() {
        let text = say("Ihr Code lautet: 7, 4, 7.", Some("de-AT"));
        assert!(text.ends_with("<Say language=\"de-DE\">Ihr Code lautet: 7, 4, 7.</Say></Response>"), "{text}");
        assert_eq!((voice_of(Some("en-gb")), voice_of(Some("tlh")), voice_of(None)), ("en-GB", "en-US", "en-US"));
    }

    proptest! {
        #[test]
        fn m32_no_text_breaks_out_of_what_is_said(text in "(\\PC|[\\x00-\\x7f]|</Say>|<Dial>|&lt;|\\]\\]>){0,60}", tag in "\\PC{0,12}") {
            let document = say(&text, Some(&tag));
            prop_assert_eq!(document.matches('<').count(), 6, "{}", document);
            let said = document.split_once("\">").and_then(|(_, rest)| rest.split_once("</Say>")).map(|(said, _)| said);
            let said = said.unwrap_or_default();
            prop_assert!(!said.contains(['<', '>', '"', '\'']) && !said.chars().any(char::is_control));
            let entity = |rest: &str| ["amp;", "lt;", "gt;", "quot;", "apos;"].iter().any(|name| rest.starts_with(name));
            let all_escaped = said.split('&').skip(1).all(entity);
            prop_assert!(all_escaped);
        }
    }
}
