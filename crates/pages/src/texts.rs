//! The catalogue of texts: one JSON file a language, one key a text.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::PagesError;

/// The English texts, which also say what keys there are.
const ENGLISH: &str = include_str!("../texts/en.json");
const GERMAN: &str = include_str!("../texts/de.json");

/// The texts of one language.
pub(crate) type Texts = BTreeMap<String, String>;

/// The English texts, parsed once. They are part of the crate and a test holds them to be well formed.
fn english() -> &'static Arc<Texts> {
    static TEXTS: OnceLock<Arc<Texts>> = OnceLock::new();
    TEXTS.get_or_init(|| Arc::new(serde_json::from_str(ENGLISH).unwrap_or_default()))
}

/// The German texts, likewise.
fn german() -> &'static Arc<Texts> {
    static TEXTS: OnceLock<Arc<Texts>> = OnceLock::new();
    TEXTS.get_or_init(|| Arc::new(over_english(serde_json::from_str(GERMAN).unwrap_or_default())))
}

/// Texts of a language, with English ones where it has none of its own.
fn over_english(texts: Texts) -> Texts {
    let mut all = Texts::clone(english());
    all.extend(texts);
    all
}

/// All languages that the pages speak beside English, each with English where it has no text of its own.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    languages: BTreeMap<String, Arc<Texts>>,
    /// What is spoken to whoever reads none of them: English unless the host says another.
    usual: Option<String>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self { languages: BTreeMap::from([("de".to_owned(), Arc::clone(german()))]), usual: None }
    }
}

impl Catalogue {
    /// Speaks this one to whoever reads none that is spoken here.
    pub(crate) fn set_usual(&mut self, language: &str) -> Result<(), PagesError> {
        let language = language.to_ascii_lowercase();
        if language != "en" && !self.languages.contains_key(&language) {
            return Err(PagesError::UnknownLanguage { language });
        }
        self.usual = Some(language);
        Ok(())
    }

    /// Adds or replaces a language. Keys left out stay English.
    pub(crate) fn add(&mut self, language: &str, json: &str) -> Result<(), PagesError> {
        let texts: Texts = serde_json::from_str(json)
            .map_err(|error| PagesError::Texts { language: language.to_owned(), source: error.into() })?;
        if let Some(key) = texts.keys().find(|key| !english().contains_key(*key)) {
            return Err(PagesError::UnknownText { language: language.to_owned(), key: key.clone() });
        }
        self.languages.insert(language.to_ascii_lowercase(), Arc::new(over_english(texts)));
        Ok(())
    }

    /// The first language of a list of preferences that is spoken here: as `ui_locales` writes it, tags parted by spaces
    /// (OpenID Connect Core §3.1.2.1). A tag is matched whole, then cut short from its end (RFC 4647 §3.4).
    pub(crate) fn choose(&self, preferences: &str) -> Language<'_> {
        for wanted in preferences.split([' ', ',']).filter(|tag| !tag.is_empty()).take(16) {
            let mut tag = wanted.to_ascii_lowercase();
            loop {
                if let Some(language) = self.language(&tag) {
                    return language;
                }
                if tag == "en" {
                    return self.english();
                }
                match tag.rfind('-') {
                    Some(end) => tag.truncate(end),
                    None => break,
                }
            }
        }
        self.usual.as_deref().and_then(|usual| self.language(usual)).unwrap_or_else(|| self.english())
    }

    /// English: the host's own texts, where it has some.
    fn english(&self) -> Language<'_> {
        self.language("en").unwrap_or(Language { name: "en", texts: english() })
    }

    fn language(&self, tag: &str) -> Option<Language<'_>> {
        let (name, texts) = self.languages.get_key_value(tag)?;
        Some(Language { name, texts })
    }
}

/// One language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Language<'a> {
    /// Its tag (BCP 47), for the `lang` attribute.
    pub(crate) name: &'a str,
    /// Its texts, by key.
    pub(crate) texts: &'a Arc<Texts>,
}

impl Language<'_> {
    /// Whether what is not in the catalogue may be said as it comes.
    pub(crate) fn is_english(&self) -> bool {
        self.name == "en" || self.name.starts_with("en-")
    }

    /// The text of `key`, if there is one.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }
}

/// Puts values into the places that a text keeps for them: `{name}`. What a value contains is not read again.
pub(crate) fn filled<'a>(text: &str, value_of: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}').and_then(|(name, after)| Some((value_of(name)?, after))) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dutch() -> Catalogue {
        let mut catalogue = Catalogue::default();
        catalogue.add("nl", r#"{"title.password": "Aanmelden"}"#).unwrap();
        catalogue
    }

    /// The places that a text keeps, `{like}` `{these}`.
    fn places(text: &str) -> Vec<&str> {
        let mut places: Vec<_> = text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect();
        places.sort_unstable();
        places
    }

    /// What reads alike in both languages.
    const ALIKE: [&str; 5] = ["direction", "way.labelled", "code.delivered.label", "code.other.label", "account.count"];

    #[test]
    fn both_languages_say_the_same_with_the_same_places_and_nothing_is_left_untranslated() {
        let german: Texts = serde_json::from_str(GERMAN).unwrap();
        assert!(english().len() > 40);
        let keys = |texts: &Texts| texts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&german), keys(english()));
        for (key, text) in english().iter() {
            let translated = &german[key];
            assert!(!text.trim().is_empty() && !translated.trim().is_empty(), "{key}");
            assert_eq!(places(translated), places(text), "{key}");
            assert_eq!(translated == text, ALIKE.contains(&key.as_str()), "{key}: {translated}");
        }
    }

    #[test]
    fn rfc4647_3_4_a_tag_is_looked_up_whole_then_cut_short() {
        let catalogue = dutch();
        for (wanted, name) in [
            ("nl", "nl"),
            ("nl-BE-1996", "nl"),
            ("fr nl", "nl"),
            ("DE", "de"),
            ("de-AT", "de"),
            ("fr", "en"),
            ("", "en"),
        ] {
            assert_eq!(catalogue.choose(wanted).name, name, "{wanted}");
        }
        assert_eq!(catalogue.choose("en-GB nl").name, "en");
    }

    #[test]
    fn whoever_reads_none_of_the_languages_gets_the_usual_one() {
        let mut catalogue = dutch();
        catalogue.set_usual("NL").unwrap();
        assert_eq!((catalogue.choose("fr").name, catalogue.choose("").name), ("nl", "nl"));
        assert_eq!((catalogue.choose("fr en").name, catalogue.choose("de").name), ("en", "de"));
        assert!(matches!(catalogue.set_usual("fr"), Err(PagesError::UnknownLanguage { .. })));
    }

    #[test]
    fn english_may_be_replaced_too() {
        let mut catalogue = Catalogue::default();
        catalogue.add("en", r#"{"title.password": "Log in"}"#).unwrap();
        let language = catalogue.choose("fr");
        assert_eq!((language.name, language.text("title.password")), ("en", Some("Log in")));
    }

    #[test]
    fn a_language_falls_back_to_english_text_by_text() {
        let catalogue = dutch();
        let language = catalogue.choose("nl");
        assert_eq!(language.text("title.password"), Some("Aanmelden"));
        assert_eq!(language.text("password.submit"), Some("Sign in"));
        assert_eq!(language.text("nonsense"), None);
    }

    #[test]
    fn unknown_keys_and_other_json_are_refused() {
        let mut catalogue = Catalogue::default();
        assert!(matches!(catalogue.add("nl", r#"{"titel": "x"}"#), Err(PagesError::UnknownText { .. })));
        assert!(matches!(catalogue.add("nl", "[1]"), Err(PagesError::Texts { .. })));
    }

    #[test]
    fn a_value_with_braces_is_not_read_again() {
        let value_of = |name: &str| match name {
            "a" => Some("{b}"),
            "b" => Some("never"),
            _ => None,
        };
        assert_eq!(filled("x {a} y {c} { {a", value_of), "x {b} y {c} { {a");
    }
}
