//! The catalogue of texts: one JSON file a language, one key a text.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::PagesError;

/// The English texts, which also say what keys there are.
const ENGLISH: &str = include_str!("../texts/en.json");

/// The texts of one language.
pub(crate) type Texts = BTreeMap<String, String>;

/// The English texts, parsed once. They are part of the crate and a test holds them to be well formed.
fn english() -> &'static Arc<Texts> {
    static TEXTS: OnceLock<Arc<Texts>> = OnceLock::new();
    TEXTS.get_or_init(|| Arc::new(serde_json::from_str(ENGLISH).unwrap_or_default()))
}

/// All languages that the pages speak beside English, each with English where it has no text of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalogue(BTreeMap<String, Arc<Texts>>);

impl Catalogue {
    /// Adds or replaces a language. Keys left out stay English.
    pub(crate) fn add(&mut self, language: &str, json: &str) -> Result<(), PagesError> {
        let texts: Texts = serde_json::from_str(json)
            .map_err(|error| PagesError::Texts { language: language.to_owned(), source: error.into() })?;
        if let Some(key) = texts.keys().find(|key| !english().contains_key(*key)) {
            return Err(PagesError::UnknownText { language: language.to_owned(), key: key.clone() });
        }
        let mut all = Texts::clone(english());
        all.extend(texts);
        self.0.insert(language.to_ascii_lowercase(), Arc::new(all));
        Ok(())
    }

    /// The first language of a list of preferences that is spoken here: as `ui_locales` writes it, tags parted by spaces
    /// (OpenID Connect Core §3.1.2.1). A tag is matched whole, then cut short from its end (RFC 4647 §3.4).
    pub(crate) fn choose(&self, preferences: &str) -> Language<'_> {
        for wanted in preferences.split([' ', ',']).filter(|tag| !tag.is_empty()).take(16) {
            let mut tag = wanted.to_ascii_lowercase();
            loop {
                if let Some((name, texts)) = self.0.get_key_value(&tag) {
                    return Language { name, texts };
                }
                if tag == "en" {
                    return Language::english();
                }
                match tag.rfind('-') {
                    Some(end) => tag.truncate(end),
                    None => break,
                }
            }
        }
        Language::english()
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
    fn english() -> Self {
        Language { name: "en", texts: english() }
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

    fn german() -> Catalogue {
        let mut catalogue = Catalogue::default();
        catalogue.add("de", r#"{"title.password": "Anmelden"}"#).unwrap();
        catalogue
    }

    #[test]
    fn the_english_texts_are_well_formed() {
        assert!(english().len() > 40);
        assert!(english().values().all(|text| !text.trim().is_empty()));
    }

    #[test]
    fn rfc4647_3_4_a_tag_is_looked_up_whole_then_cut_short() {
        let catalogue = german();
        for (wanted, name) in
            [("de", "de"), ("de-CH-1996", "de"), ("fr de", "de"), ("DE", "de"), ("fr", "en"), ("", "en")]
        {
            assert_eq!(catalogue.choose(wanted).name, name, "{wanted}");
        }
        assert_eq!(catalogue.choose("en-GB de").name, "en");
    }

    #[test]
    fn a_language_falls_back_to_english_text_by_text() {
        let catalogue = german();
        let language = catalogue.choose("de");
        assert_eq!(language.text("title.password"), Some("Anmelden"));
        assert_eq!(language.text("password.submit"), Some("Sign in"));
        assert_eq!(language.text("nonsense"), None);
    }

    #[test]
    fn unknown_keys_and_other_json_are_refused() {
        let mut catalogue = Catalogue::default();
        assert!(matches!(catalogue.add("de", r#"{"titel": "x"}"#), Err(PagesError::UnknownText { .. })));
        assert!(matches!(catalogue.add("de", "[1]"), Err(PagesError::Texts { .. })));
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
