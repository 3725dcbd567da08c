//! What a factor is called, and what it is worth.

use std::fmt;

use countersign_outbound::Channel;
use countersign_primitives::Amr;
use serde::{Deserialize, Serialize};

/// What somebody proves by a factor (NIST SP 800-63B-4 §1): two factors of one kind are no more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Something one knows: a password, the answer to a question.
    Knowledge,
    /// Something one has: a phone, a key, a printed list.
    Possession,
    /// Something one is: a fingerprint, a face.
    Inherence,
}

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kinds(u8);

impl Kinds {
    /// No kind.
    pub const NONE: Self = Self(0);

    /// One kind.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        Self(match kind {
            Kind::Knowledge => 1,
            Kind::Possession => 2,
            Kind::Inherence => 4,
        })
    }

    /// The kinds of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// How many kinds there are.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// What a method of the `amr` claim proves, where it proves a kind at all (RFC 8176 §2).
    #[must_use]
    pub const fn of_amr(amr: Amr) -> Self {
        match amr {
            Amr::Pwd | Amr::Pin | Amr::Kba => Self::of(Kind::Knowledge),
            Amr::Otp | Amr::Sms | Amr::Tel | Amr::Hwk | Amr::Swk | Amr::Pop | Amr::Sc => Self::of(Kind::Possession),
            Amr::Face | Amr::Fpt | Amr::Iris | Amr::Retina | Amr::Vbm => Self::of(Kind::Inherence),
            _ => Self::NONE,
        }
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [Kind::Knowledge, Kind::Possession, Kind::Inherence];
        f.debug_set().entries(all.into_iter().filter(|kind| self.0 & Self::of(*kind).0 != 0)).finish()
    }
}

/// What a factor is called, and what a login with it is worth.
///
/// ```
/// use countersign_mfa::{Kind, Method};
/// use countersign_primitives::Amr;
///
/// let card = Method::new("grid-card", "Grid card").amr([Amr::Otp]);
/// let question = Method::new("question", "Question").kind(Kind::Knowledge).amr([Amr::Kba]); // no second factor to a password
/// assert_eq!(card.name(), "grid-card");
/// # let _ = question;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    name: String,
    title: String,
    amr: Vec<Amr>,
    kinds: Kinds,
    phishing_resistant: bool,
    backup: bool,
    /// All that a user has of it are asked at once.
    together: bool,
    channel: Option<Channel>,
    /// What must be typed before it is set up, as its factor says.
    contact: Option<Channel>,
}

impl Method {
    /// A method of this name (lower-case letters, digits, `-` and `_`), which users see under this title. It proves
    /// possession, unless [`Method::kind`] says otherwise, and is never phishing-resistant.
    #[must_use]
    pub fn new(name: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            amr: Vec::new(),
            kinds: Kinds::of(Kind::Possession),
            phishing_resistant: false,
            backup: false,
            together: false,
            channel: None,
            contact: None,
        }
    }

    /// The values of the `amr` claim that a login with it carries (RFC 8176 §2).
    #[must_use]
    pub fn amr(mut self, values: impl IntoIterator<Item = Amr>) -> Self {
        self.amr.extend(values);
        self
    }

    /// What it proves instead of possession.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kinds = Kinds::of(kind);
        self
    }

    /// How what it proves travels. A channel proves one thing in a login: after a link by mail has said who signs in, a code by
    /// mail says nothing more.
    #[must_use]
    pub fn channel(mut self, channel: Channel) -> Self {
        self.channel = Some(channel);
        self
    }

    /// Declares that the method cannot be phished.
    ///
    /// # Danger
    /// A login with it then counts as `phr` where clients ask for that. It must be bound to the server's origin by a key that
    /// the user cannot hand to anybody, as WebAuthn is (NIST SP 800-63B-4 §3.2.5). Nothing that a user reads and types is.
    #[must_use]
    pub fn danger_phishing_resistant(mut self) -> Self {
        self.phishing_resistant = true;
        self
    }

    /// It stands in for a lost factor and is offered beside the others, not before them.
    pub(crate) fn backup(mut self) -> Self {
        self.backup = true;
        self
    }

    /// All that a user has of it are one way: whichever is at hand answers.
    pub(crate) fn together(mut self) -> Self {
        self.together = true;
        self
    }

    pub(crate) fn is_asked_together(&self) -> bool {
        self.together
    }

    /// The name: `type` in steps, and the beginning of an authenticator's id.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What users see.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The values of the `amr` claim.
    #[must_use]
    pub fn amr_values(&self) -> &[Amr] {
        &self.amr
    }

    /// What it proves.
    #[must_use]
    pub fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// How what it proves travels, where it travels by message.
    #[must_use]
    pub fn travels_by(&self) -> Option<Channel> {
        self.channel
    }

    /// Whether it cannot be phished.
    #[must_use]
    pub fn is_phishing_resistant(&self) -> bool {
        self.phishing_resistant
    }

    /// Whether guessing could hit it. What cannot be phished signs with a key that nobody guesses: no number of failures closes
    /// it, and none counts against its account, so no stranger keeps an owner from it.
    #[must_use]
    pub fn is_guessable(&self) -> bool {
        !self.phishing_resistant
    }

    pub(crate) fn with_contact(mut self, contact: Option<Channel>) -> Self {
        self.contact = contact;
        self
    }

    /// What must be typed before it is set up.
    pub(crate) fn contact(&self) -> Option<Channel> {
        self.contact
    }

    pub(crate) fn is_backup(&self) -> bool {
        self.backup
    }

    pub(crate) fn has_good_name(&self) -> bool {
        let good = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        (1..=32).contains(&self.name.len()) && self.name.bytes().all(good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nist_sp800_63b_two_factors_of_one_kind_are_one() {
        let password = Kinds::of(Kind::Knowledge);
        assert_eq!(password.and(Kinds::of_amr(Amr::Kba)).count(), 1);
        assert_eq!(password.and(Kinds::of_amr(Amr::Otp)).count(), 2);
        assert_eq!(Kinds::of_amr(Amr::Otp).and(Kinds::of_amr(Amr::Sms)).count(), 1);
        assert_eq!(Kinds::of_amr(Amr::Mfa), Kinds::NONE);
    }
}
