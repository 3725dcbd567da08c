//! Which passwords somebody may choose (NIST SP 800-63B-4 §3.1.1.2).

mod breached;
mod context;

use std::fmt;
use std::sync::Arc;

use countersign_accounts::Account;
use countersign_primitives::{BoxError, SecretString};

pub use breached::BreachedPasswords;
use context::{Blocklist, is_derived, is_pattern};

use crate::Answer;
use crate::password::normalised;

/// Which passwords somebody may choose.
///
/// Length is what counts: 15 characters where the password alone signs somebody in, 8 where a second factor is always asked with it.
/// Every printing character and the space may be used, whatever Unicode has; there are no rules of composition, no hints, and no end of
/// a password's life. Refused is what anybody would try first: common passwords, patterns of the keyboard, the names of the service
/// and of the user. Whether a password was lost elsewhere can be asked of a service ([`PasswordPolicy::breached`]).
///
/// ```
/// use countersign_accounts::Account;
/// use countersign_mfa::{PasswordPolicy, PasswordRefused, PasswordUse};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let policy = PasswordPolicy::new().service("Example").block(["Initech Initech 1"]);
/// let alice = Account::new("u-1").username("alice");
/// let judge = async |text: &str| policy.judge(&text.into(), &alice, PasswordUse::Alone).await.map(drop);
/// assert_eq!(judge("correct horse battery").await, Ok(()));
/// assert_eq!(judge("Tr0ub4dor&3").await, Err(PasswordRefused::TooShort { minimum: 15 }));
/// assert_eq!(judge("example-alice-2026").await, Err(PasswordRefused::Names));
/// # }
/// ```
#[derive(Clone)]
pub struct PasswordPolicy {
    alone: usize,
    with_mfa: usize,
    service: Vec<String>,
    blocked: Blocklist,
    breached: Option<Arc<dyn BreachedPasswords>>,
    refuse_unchecked: bool,
}

impl fmt::Debug for PasswordPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordPolicy")
            .field("alone", &self.alone)
            .field("with_mfa", &self.with_mfa)
            .finish_non_exhaustive()
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// What a password is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordUse {
    /// It may be all that a login asks for.
    Alone,
    /// A second factor is asked with it, at every login.
    WithSecondFactor,
}

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordRefused {
    /// It has fewer characters than this.
    #[error("a password here has at least {minimum} characters")]
    TooShort {
        /// The fewest that it may have.
        minimum: usize,
    },
    /// It has more than 1,024 bytes.
    #[error("a password here has at most 1024 bytes")]
    TooLong,
    /// It has characters that do not print, such as a line's end.
    #[error("a password has printing characters and spaces alone")]
    NotPrinting,
    /// Many people have chosen it.
    #[error("many people have chosen this password")]
    Common,
    /// It is one short thing over and over, or a row of the keyboard.
    #[error("the password is a pattern")]
    Pattern,
    /// It is made of the names of the service and the user.
    #[error("the password is made of names")]
    Names,
    /// It was lost by another service, and is in the lists of those who guess.
    #[error("the password was lost elsewhere")]
    Breached,
    /// Whether it was lost elsewhere could not be told, and the policy refuses what it cannot check.
    #[error("whether the password was lost elsewhere could not be told")]
    Unchecked,
}

impl PasswordRefused {
    /// The code in JSON and in the data of a screen.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password_too_short",
            Self::TooLong => "password_too_long",
            Self::NotPrinting => "password_not_printing",
            Self::Common => "password_common",
            Self::Pattern => "password_pattern",
            Self::Names => "password_names",
            Self::Breached => "password_breached",
            Self::Unchecked => "password_unchecked",
        }
    }
}

/// A password that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Judged {
    /// Whether it was lost elsewhere could not be told.
    pub unchecked: bool,
}

impl PasswordPolicy {
    /// The most characters that anybody must type: nothing longer is demanded.
    const MOST: usize = 64;

    /// As NIST SP 800-63B-4 §3.1.1.2 has it: 15 characters alone, 8 with a second factor, the list of common passwords.
    #[must_use]
    pub fn new() -> Self {
        Self {
            alone: 15,
            with_mfa: 8,
            service: Vec::new(),
            blocked: Blocklist::new(),
            breached: None,
            refuse_unchecked: false,
        }
    }

    /// Demands more characters of passwords that may be used alone. Fewer than 15 and more than 64 cannot be demanded.
    #[must_use]
    pub fn minimum(mut self, characters: usize) -> Self {
        self.alone = characters.clamp(15, Self::MOST);
        self
    }

    /// Demands more characters of passwords that a second factor goes with. Fewer than 8 and more than 64 cannot be demanded.
    #[must_use]
    pub fn minimum_with_second_factor(mut self, characters: usize) -> Self {
        self.with_mfa = characters.clamp(8, Self::MOST);
        self
    }

    /// Lets shorter passwords be chosen, whatever they are used for.
    ///
    /// # Danger
    /// Below 15 characters a stolen table of hashes gives up many passwords, and below 8 guesses at the login find some
    /// (NIST SP 800-63B-4 §3.1.1.2 and its appendix A).
    #[must_use]
    pub fn danger_minimum(mut self, characters: usize) -> Self {
        (self.alone, self.with_mfa) = (characters.clamp(1, Self::MOST), characters.clamp(1, Self::MOST));
        self
    }

    /// What the service is called, by itself and in its address.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service.push(name.into());
        self
    }

    /// Refuses these too, whatever their case.
    #[must_use]
    pub fn block<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.blocked.add(words.into_iter().map(Into::into));
        self
    }

    /// Asks whether a password was lost elsewhere, when one is chosen. By default what cannot be told is let through and told by an
    /// event: the lists that are demanded are consulted all the same, and a service that is down keeps nobody from changing a password
    /// that has to be changed. [`PasswordPolicy::refuse_unchecked`] has it the other way.
    #[must_use]
    pub fn breached(mut self, source: impl BreachedPasswords + 'static) -> Self {
        self.breached = Some(Arc::new(source));
        self
    }

    /// Refuses a password where it cannot be told whether it was lost elsewhere.
    #[must_use]
    pub fn refuse_unchecked(mut self) -> Self {
        self.refuse_unchecked = true;
        self
    }

    /// The fewest characters that a password may have.
    #[must_use]
    pub fn least(&self, used: PasswordUse) -> usize {
        match used {
            PasswordUse::Alone => self.alone,
            PasswordUse::WithSecondFactor => self.with_mfa,
        }
    }

    /// Whether somebody may choose this password.
    ///
    /// # Errors
    /// [`PasswordRefused`] says why not.
    pub async fn judge(
        &self,
        password: &SecretString,
        account: &Account,
        used: PasswordUse,
    ) -> Result<Judged, PasswordRefused> {
        if password.expose().len() > Answer::MAX_PASSWORD {
            return Err(PasswordRefused::TooLong);
        }
        let password = normalised(password);
        let (minimum, text) = (self.least(used), password.expose());
        if text.chars().any(char::is_control) {
            return Err(PasswordRefused::NotPrinting);
        }
        // Each code point is one character.
        if text.chars().count() < minimum {
            return Err(PasswordRefused::TooShort { minimum });
        }
        let lower = SecretString::new(text.to_lowercase());
        let names: Vec<_> = self.service.iter().cloned().chain(names_of(account)).collect();
        match lower.expose() {
            lower if self.blocked.has(lower) => Err(PasswordRefused::Common),
            lower if is_pattern(lower) => Err(PasswordRefused::Pattern),
            lower if is_derived(lower, &names) => Err(PasswordRefused::Names),
            _ => self.ask(&password).await,
        }
    }

    /// Whether a password was lost elsewhere, where somebody is there to ask.
    pub(crate) async fn was_lost(&self, password: &SecretString) -> Option<Result<bool, BoxError>> {
        let source = self.breached.as_ref()?;
        Some(breached::was_lost(&**source, &normalised(password)).await)
    }

    /// Whether there is somebody to ask.
    pub(crate) fn knows_lost_passwords(&self) -> bool {
        self.breached.is_some()
    }

    async fn ask(&self, password: &SecretString) -> Result<Judged, PasswordRefused> {
        let Some(source) = &self.breached else { return Ok(Judged { unchecked: false }) };
        match breached::was_lost(&**source, password).await {
            Ok(true) => Err(PasswordRefused::Breached),
            Ok(false) => Ok(Judged { unchecked: false }),
            Err(error) => {
                tracing::warn!(%error, "whether a password was lost elsewhere could not be told");
                if self.refuse_unchecked { Err(PasswordRefused::Unchecked) } else { Ok(Judged { unchecked: true }) }
            }
        }
    }
}

/// What an account is called: user name, address and its parts, what others call its owner.
fn names_of(account: &Account) -> impl Iterator<Item = String> {
    let address = account.email_address().map(|(address, _)| address);
    let parts = address.into_iter().flat_map(|address| address.split('@'));
    let claims = ["name", "given_name", "family_name", "nickname"];
    let claims = claims.into_iter().filter_map(|claim| account.claims().get(claim)?.as_str());
    let names = account.name().into_iter().chain(address).chain(parts).chain(claims);
    names.map(str::to_owned).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Account {
        Account::new("u-1").username("alice").email("a.lovelace@mail.example", true).claim("family_name", "Lovelace")
    }

    async fn judge(policy: &PasswordPolicy, text: &str, used: PasswordUse) -> Result<Judged, PasswordRefused> {
        policy.judge(&text.into(), &alice(), used).await
    }

    #[tokio::test]
    async fn nist_sp800_63b_4_3_1_1_2_fifteen_characters_alone_and_eight_with_a_second_factor() {
        let policy = PasswordPolicy::new();
        let fourteen = "plum tree walk";
        assert_eq!(fourteen.len(), 14);
        assert_eq!(judge(&policy, fourteen, PasswordUse::Alone).await, Err(PasswordRefused::TooShort { minimum: 15 }));
        assert!(judge(&policy, fourteen, PasswordUse::WithSecondFactor).await.is_ok());
        assert!(judge(&policy, "plum tree walks", PasswordUse::Alone).await.is_ok());
        assert_eq!(
            judge(&policy, "plum t7", PasswordUse::WithSecondFactor).await,
            Err(PasswordRefused::TooShort { minimum: 8 })
        );
        // Each code point is one character, whatever it takes to write it down.
        assert!(judge(&policy, "слива деревья 🌳", PasswordUse::Alone).await.is_ok());
        assert!(judge(&policy, "слива дерево 🌳", PasswordUse::Alone).await.is_err());
        // What composes to fewer characters is fewer.
        let decomposed = "u\u{308}".repeat(14);
        assert_eq!(
            judge(&policy, &decomposed, PasswordUse::Alone).await,
            Err(PasswordRefused::TooShort { minimum: 15 })
        );
    }

    #[tokio::test]
    async fn nist_sp800_63b_4_3_1_1_2_long_passwords_of_any_printing_characters_need_no_mixture() {
        let policy = PasswordPolicy::new();
        let longest = "plum tree walk ".repeat(68);
        for fine in [
            "all lower case and nothing more",
            "ALL UPPER CASE AND NOTHING MORE",
            "8527419630 7418529630 1597534862",
            "~!@#$%^&*()_+`-={}|[]\\:\";'<>?,./",
            "ключ от моей квартиры",
            &longest,
        ] {
            assert!(judge(&policy, fine, PasswordUse::Alone).await.is_ok(), "{fine}");
        }
        let too_long = "x".repeat(1_025);
        assert_eq!(judge(&policy, &too_long, PasswordUse::Alone).await, Err(PasswordRefused::TooLong));
        assert_eq!(
            judge(&policy, "two lines\nof a password", PasswordUse::Alone).await,
            Err(PasswordRefused::NotPrinting)
        );
    }

    #[tokio::test]
    async fn nist_sp800_63b_4_3_1_1_2_what_anybody_would_try_first_is_refused() {
        let policy = PasswordPolicy::new().service("Example").block(["Four Words Of Ours"]);
        let with = PasswordUse::WithSecondFactor;
        for (text, why) in [
            ("Password123", PasswordRefused::Common),
            ("four words of ours", PasswordRefused::Common),
            ("qwertyuiop0987", PasswordRefused::Pattern),
            ("monkeymonkeymonkey", PasswordRefused::Pattern),
            ("Lovelace1815", PasswordRefused::Names),
            ("example.alice", PasswordRefused::Names),
            ("A.Lovelace@Mail.Example", PasswordRefused::Names),
        ] {
            assert_eq!(judge(&policy, text, with).await, Err(why), "{text}");
        }
        assert!(judge(&policy, "alice went to market", with).await.is_ok());
    }

    #[test]
    fn what_weakens_is_called_a_danger_and_nobody_must_type_more_than_64() {
        let policy = PasswordPolicy::new().minimum(4).minimum_with_second_factor(1);
        assert_eq!((policy.least(PasswordUse::Alone), policy.least(PasswordUse::WithSecondFactor)), (15, 8));
        let policy = PasswordPolicy::new().minimum(100).minimum_with_second_factor(12);
        assert_eq!((policy.least(PasswordUse::Alone), policy.least(PasswordUse::WithSecondFactor)), (64, 12));
        assert_eq!(PasswordPolicy::new().danger_minimum(4).least(PasswordUse::Alone), 4);
    }
}
