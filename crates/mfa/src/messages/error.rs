//! Why texts cannot be used, and why a message cannot be written.

use countersign_primitives::BoxError;

/// A mistake in the texts that a host gave.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageTextsError {
    /// The service has no name, a very long one, or one on several lines.
    #[error("the service's name must be 1 to 60 letters on one line")]
    Service,
    /// Not a language tag.
    #[error("{0:?} is no language tag (BCP 47)")]
    Language(String),
    /// The texts are no JSON object of strings.
    #[error("the texts of {language:?} are no JSON object of strings")]
    Json {
        /// Of which language.
        language: String,
        /// What is wrong.
        #[source]
        source: BoxError,
    },
    /// There is no text with this key.
    #[error("there is no text {key:?}: texts/en.json has those that there are")]
    Unknown {
        /// The key.
        key: String,
    },
    /// A template cannot be read, or shows what it is not given.
    #[error("the text {key:?} of {language:?} cannot be used (line {line})")]
    Template {
        /// Of which language.
        language: String,
        /// Of which text.
        key: String,
        /// On which of its lines.
        line: usize,
        /// What is wrong.
        #[source]
        source: BoxError,
    },
    /// A text does not show what it is for.
    #[error("the text {key:?} of {language:?} does not show {what}, so nobody could use it")]
    Missing {
        /// Of which language.
        language: String,
        /// Of which text.
        key: String,
        /// `code`, `spoken` or `link`.
        what: &'static str,
    },
    /// A subject or a text message is too long, or a subject has several lines.
    #[error("the text {key:?} of {language:?} is empty, too long, or has more than the one line that a subject has")]
    Size {
        /// Of which language.
        language: String,
        /// Of which text.
        key: String,
    },
}

/// Why a message cannot be written. Nothing in it quotes what was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Not a mail address, or not an E.164 number.
    #[error("the recipient is none of this channel")]
    Recipient,
    /// A code is 1 to 32 letters and digits of ASCII.
    #[error("the code has letters that cannot be sent")]
    Code,
    /// A link is one HTTPS address, or one of loopback.
    #[error("the link is none that may be sent")]
    Link,
    /// Not the name of a host.
    #[error("the origin is no host name")]
    Origin,
    /// Nothing is said about this over this channel, such as a link by telephone.
    #[error("there is no text of this over this channel")]
    Channel,
    /// A template failed on what it was given, though it had worked on samples.
    #[error("a text could not be written")]
    Text(#[source] BoxError),
}
