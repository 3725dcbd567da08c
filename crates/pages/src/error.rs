//! What a host can get wrong when it makes the pages its own.

/// Why the pages could not be changed as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PagesError {
    /// No page has this name.
    #[error("no page is named {name:?}: the names are {names}", names = crate::pages::NAMES.join(", "))]
    UnknownPage {
        /// The name that was asked for.
        name: String,
    },
    /// The template does not parse, or fails on the sample data of its page.
    #[error("template {name:?}, line {line}: {source}")]
    Template {
        /// The page whose template it is.
        name: String,
        /// The line where it went wrong; 0 where no line is to blame.
        line: usize,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The texts of a language are not a JSON object of strings.
    #[error("the texts of language {language:?} are not a JSON object of strings: {source}")]
    Texts {
        /// The language.
        language: String,
        /// What the parser said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key of a language is not one that the pages use.
    #[error("language {language:?} has a text for {key:?}, which no page shows: the keys are those of texts/en.json")]
    UnknownText {
        /// The language.
        language: String,
        /// The key that is not known.
        key: String,
    },
    /// A language was never added.
    #[error("no texts of language {language:?} were added: call .language(…) before")]
    UnknownLanguage {
        /// The language.
        language: String,
    },
    /// A colour is not `#rgb` or `#rrggbb`.
    #[error("{0:?} is not a colour: write it as #rrggbb")]
    Colour(String),
    /// A style sheet would end its own element.
    #[error("a style sheet may not contain \"</style\" or \"<!--\"")]
    Style,
    /// A logo is of a kind that browsers do not show as a picture, or too large to stand in every page.
    #[error("a logo is image/svg+xml, image/png, image/jpeg, image/gif or image/webp of at most 64 KiB")]
    Logo,
}
