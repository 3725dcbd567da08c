//! Scopes: what a client may ask for, and what it got (RFC 6749 §3.3).

use std::fmt;

use countersign_primitives::{AcrTable, Requirement};
use serde::{Deserialize, Serialize};

/// A scope that this server knows: its token, the plain words of the consent page, and what must be proven to get it.
///
/// ```
/// use countersign_oauth_core::Scope;
/// use countersign_primitives::Requirement;
///
/// let payments = Scope::new("payments:write", "Make payments").requires(Requirement::MFA);
/// assert_eq!(payments.token(), "payments:write");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    token: String,
    description: String,
    requires: Requirement,
    public: bool,
    admin: bool,
}

impl Scope {
    /// A scope, and what the consent page says it allows.
    #[must_use]
    pub fn new(token: impl Into<String>, description: impl Into<String>) -> Self {
        let (token, description) = (token.into(), description.into());
        Self { token, description, requires: Requirement::NONE, public: true, admin: false }
    }

    /// A scope that opens administration: it requires a second factor ([`Requirement::MFA`]) from the start, and stands in no
    /// metadata and within reach of no client whose record does not name it ([`Scope::hidden`]). [`Scope::requires`] can ask for
    /// more and never for less; [`Scope::danger_without_second_factor`] takes the requirement away.
    ///
    /// ```
    /// use countersign_oauth_core::Scope;
    /// use countersign_primitives::Requirement;
    ///
    /// let users = Scope::admin("users:write", "Change users");
    /// assert_eq!(users.requirement(), &Requirement::MFA.never_remembered());
    /// assert!(!users.is_public());
    /// ```
    #[must_use]
    pub fn admin(token: impl Into<String>, description: impl Into<String>) -> Self {
        let requires = Requirement::MFA.never_remembered();
        Self { requires, public: false, admin: true, ..Self::new(token, description) }
    }

    /// What must be proven whenever this scope is issued. Of a scope of administration the stronger of this and a second factor;
    /// a class of the host's own counts as stronger, and the server's table must know it as one.
    #[must_use]
    pub fn requires(mut self, requirement: Requirement) -> Self {
        let least = const { &Requirement::MFA.never_remembered() };
        self.requires = if self.admin { requirement.and(least, &AcrTable::default()) } else { requirement };
        self
    }

    /// Gives a scope of administration for a password alone.
    ///
    /// Whoever learns, guesses or phishes one administrator's password then has what the scope opens. For servers whose
    /// administrators prove a second factor elsewhere, such as at an upstream login.
    #[must_use]
    pub fn danger_without_second_factor(mut self) -> Self {
        self.admin = false;
        self.requires = Requirement::NONE;
        self
    }

    /// Leaves the scope out of the metadata, and out of reach for clients whose record does not name it.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.public = false;
        self
    }

    /// The scope token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What it allows, in plain words.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What must be proven to get it.
    #[must_use]
    pub fn requirement(&self) -> &Requirement {
        &self.requires
    }

    /// Whether it opens administration.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.admin
    }

    /// Whether every client may ask for it and metadata shows it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.public
    }
}

/// A set of scope tokens, in the order first named.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ScopeSet(Vec<String>);

impl ScopeSet {
    /// At most this many tokens in one request.
    pub const MAX_TOKENS: usize = 64;

    /// No scope at all.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads a `scope` parameter: tokens separated by single spaces, repetitions dropped.
    ///
    /// # Errors
    /// When a character is outside `%x21 / %x23-5B / %x5D-7E`, a space is doubled, or there are too many.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let mut set = Self::default();
        for token in text.split(' ') {
            if token.is_empty() || !token.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
                return Err(ScopeError::Malformed);
            }
            set.insert(token);
        }
        if set.0.len() > Self::MAX_TOKENS { Err(ScopeError::TooMany) } else { Ok(set) }
    }

    /// Adds a token.
    pub fn insert(&mut self, token: &str) {
        if !self.contains(token) {
            self.0.push(token.to_owned());
        }
    }

    /// Whether the set has this token.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|own| own == token)
    }

    /// Whether every token of this set is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.iter().all(|token| other.contains(token))
    }

    /// The tokens for which `keep` holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|token| keep(token)).cloned().collect())
    }

    /// Both sets together.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        other.iter().for_each(|token| all.insert(token));
        all
    }

    /// The tokens.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, token) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeSet({self})")
    }
}

impl<'a> FromIterator<&'a str> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tokens: I) -> Self {
        let mut set = Self::default();
        tokens.into_iter().for_each(|token| set.insert(token));
        set
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() { Ok(Self::default()) } else { Self::parse(&text).map_err(serde::de::Error::custom) }
    }
}

/// Why a `scope` parameter could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// It does not follow the grammar of RFC 6749 §3.3.
    #[error("the scope does not follow RFC 6749 §3.3")]
    Malformed,
    /// It has more than [`ScopeSet::MAX_TOKENS`] tokens.
    #[error("the scope has too many tokens")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_3_scope_tokens_follow_the_grammar() {
        assert_eq!(ScopeSet::parse("openid email openid").unwrap().to_string(), "openid email");
        for bad in ["", " a", "a ", "a  b", "a\"b", "a\\b", "k\u{e4}se", "a\tb"] {
            assert_eq!(ScopeSet::parse(bad), Err(ScopeError::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn promise_13_a_set_tells_what_it_does_not_hold() {
        let granted = ScopeSet::parse("a b").unwrap();
        assert!(ScopeSet::parse("b").unwrap().is_subset(&granted));
        assert!(!ScopeSet::parse("b c").unwrap().is_subset(&granted));
        assert!(!ScopeSet::parse("A").unwrap().is_subset(&granted));
    }
}
