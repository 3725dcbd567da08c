//! The texts of all languages, compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use minijinja::{Environment, UndefinedBehavior, Value, context};

use super::NOT_ME;
use super::error::{MessageError, MessageTextsError};
use super::language::{Languages, tag};

const ENGLISH: &str = include_str!("texts/en.json");
const GERMAN: &str = include_str!("texts/de.json");
/// What lifetimes are called.
const LASTS: &str = "lasts";
/// A text message costs by pieces of about 150 letters.
const LONGEST_SMS: usize = 480;
/// A header line is at most this long before it is folded, and more is never read.
const LONGEST_SUBJECT: usize = 150;
const LONGEST_TEXT: usize = 8_000;

/// Every text in every language, by `language/key`.
#[derive(Clone)]
pub(super) struct Catalogue {
    templates: Environment<'static>,
    /// The keys of each language, which is in lower case.
    languages: BTreeMap<String, BTreeSet<String>>,
    keys: BTreeSet<String>,
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue").field("languages", &self.languages.keys()).finish_non_exhaustive()
    }
}

/// A language's texts as they come: key and template.
type Texts = BTreeMap<String, String>;

impl Catalogue {
    /// The texts of the kit.
    pub(super) fn built_in() -> Result<Self, MessageTextsError> {
        let mut templates = Environment::empty();
        templates.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        let keys = texts("en", ENGLISH)?.into_keys().collect();
        let mut catalogue = Self { templates, languages: BTreeMap::new(), keys };
        catalogue.add("en", ENGLISH)?;
        catalogue.add("de", GERMAN)?;
        Ok(catalogue)
    }

    pub(super) fn add(&mut self, language: &str, json: &str) -> Result<(), MessageTextsError> {
        let texts = texts(language, json)?;
        // What a lifetime is called comes first: other texts are tried with it.
        let (first, others): (Vec<_>, Vec<_>) = texts.into_iter().partition(|(key, _)| key == LASTS);
        first.into_iter().chain(others).try_for_each(|(key, template)| self.put(language, &key, template))
    }

    pub(super) fn put(&mut self, language: &str, key: &str, template: String) -> Result<(), MessageTextsError> {
        let no_tag = || MessageTextsError::Language(language.to_owned());
        let language = tag(language).ok_or_else(no_tag)?.to_ascii_lowercase();
        if !self.keys.contains(key) {
            return Err(MessageTextsError::Unknown { key: key.to_owned() });
        }
        let wrong = |error: minijinja::Error| MessageTextsError::Template {
            language: language.clone(),
            key: key.to_owned(),
            line: error.line().unwrap_or_default(),
            source: error.into(),
        };
        self.templates.add_template_owned(format!("{language}/{key}"), template).map_err(wrong)?;
        for sample in Sample::of(key) {
            let text = self.render(&language, key, sample.values).map_err(wrong)?;
            if let Some((what, _)) = sample.shows.filter(|(_, value)| !text.contains(value)) {
                return Err(MessageTextsError::Missing { language, key: key.to_owned(), what });
            }
            if !fits(key, &text) {
                return Err(MessageTextsError::Size { language, key: key.to_owned() });
            }
        }
        self.languages.entry(language).or_default().insert(key.to_owned());
        Ok(())
    }

    /// The language in which all of these texts are there, by preference; English if none is. None where English has none of them.
    pub(super) fn choose(&self, languages: &Languages, keys: &[&str]) -> Option<&str> {
        let has_all = |tag: &str| {
            let (name, texts) = self.languages.get_key_value(tag)?;
            keys.iter().all(|key| texts.contains(*key)).then_some(name.as_str())
        };
        languages.lookup(has_all).or_else(|| has_all("en"))
    }

    pub(super) fn write(&self, language: &str, key: &str, values: Value) -> Result<String, MessageError> {
        self.render(language, key, values).map_err(|error| MessageError::Text(error.into()))
    }

    /// What so many minutes are called. A language without the text counts as English does.
    pub(super) fn lasts(&self, language: &str, minutes: u64) -> Result<String, MessageError> {
        let language =
            if self.languages.get(language).is_some_and(|keys| keys.contains(LASTS)) { language } else { "en" };
        let whole = |unit: u64| if minutes.is_multiple_of(unit) { minutes / unit } else { 0 };
        let (hours, days) = (whole(60), whole(24 * 60));
        self.write(language, LASTS, context! { minutes, hours, days })
    }

    fn render(&self, language: &str, key: &str, values: Value) -> Result<String, minijinja::Error> {
        self.templates.get_template(&format!("{language}/{key}"))?.render(values)
    }
}

fn texts(language: &str, json: &str) -> Result<Texts, MessageTextsError> {
    serde_json::from_str(json)
        .map_err(|error| MessageTextsError::Json { language: language.to_owned(), source: error.into() })
}

fn fits(key: &str, text: &str) -> bool {
    let longest = match key {
        _ if key.ends_with(".subject") => LONGEST_SUBJECT,
        _ if key.ends_with(".sms") => LONGEST_SMS,
        _ => LONGEST_TEXT,
    };
    let one_line = !key.ends_with(".subject") || !text.contains(['\r', '\n']);
    !text.trim().is_empty() && text.chars().count() <= longest && one_line
}

/// What a template is tried with, and what must be found in what it prints.
struct Sample {
    values: Value,
    shows: Option<(&'static str, &'static str)>,
}

impl Sample {
    const CODE: &'static str = "492039";
    const SPOKEN: &'static str = "4, 9, 2, 0, 3, 9";
    const LINK: &'static str = "https://id.example.com/verify/sample";

    /// Every set of values that a text may be given.
    fn of(key: &str) -> Vec<Self> {
        if key == LASTS {
            let of = |days, hours, minutes| Self { values: context! { days, hours, minutes }, shows: None };
            return vec![of(0, 0, 1), of(0, 0, 10), of(0, 2, 120), of(7, 168, 10_080)];
        }
        let names = [context! {}, context! { account => "\"alice\"", client => "\"Shop\"" }];
        let (code, spoken, link) = (("code", Self::CODE), ("spoken", Self::SPOKEN), ("link", Self::LINK));
        // The first of each is what must be shown.
        let proofs: &[&[(&'static str, &'static str)]] = match key {
            NOT_ME => &[&[link]],
            _ if key.starts_with("notice.") => &[&[]],
            _ if key.ends_with(".voice") => &[&[spoken, code]],
            _ if key.starts_with("magic_link.") => &[&[link]],
            _ if key.starts_with("invitation.") => &[&[code, spoken]],
            _ if key.ends_with(".email") && !key.starts_with("code.") => &[&[link], &[code, spoken]],
            _ => &[&[code, spoken]],
        };
        let subject = key.ends_with(".subject");
        let both = names.iter().flat_map(|names| proofs.iter().map(move |proof| (names, *proof)));
        let samples = both.map(|(names, proof)| {
            let proven: Value = proof.iter().copied().collect::<BTreeMap<_, _>>().into();
            let rest = context! { service => "Example", factor => "Authenticator app", lasts => "10 minutes" };
            // A subject shows a code if it likes; a mail that has a link has no code to show.
            let (proven, shows) = match subject {
                true if key.starts_with("code.") => (proven, None),
                true => (context! {}, None),
                false => (proven, proof.first().copied()),
            };
            Self { values: context! { ..proven, ..names.clone(), ..rest }, shows }
        });
        samples.collect()
    }
}
