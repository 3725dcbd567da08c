//! Why a login could not go on, and why an engine could not be built.

use std::time::Duration;

use countersign_mfa_webauthn::RelyingPartyError;
use countersign_outbound::Channel;
use countersign_primitives::{BoxError, PoolFull, RandomError};
use countersign_storage_traits::{CommitError, StoreError};

use crate::{FactorError, MessageTextsError};

/// Why a step of a login could not be taken. A wrong password or code is none of these: it is a step again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The login has ended or never was.
    #[error("the login has expired")]
    Expired,
    /// The login belongs to another browser. To whoever asks it looks like an expired one.
    #[error("the login belongs to another browser")]
    OtherBrowser,
    /// Too many guesses (NIST SP 800-63B-4 §3.2.2). Answered 429 with `Retry-After`.
    #[error("too many attempts")]
    Throttled {
        /// How long to wait before the next attempt.
        retry_after: Duration,
    },
    /// The answer is none that a login takes, such as a consent.
    #[error("the answer does not belong to a login")]
    NotALoginAnswer,
    /// Whoever adds a factor proved none lately ([`Mfa::fresh_since`](crate::Mfa::fresh_since)). Answered 403.
    #[error("a factor must be proven anew for this")]
    FactorTooOld,
    /// No work pool has room for another password hash. Answered 503.
    #[error("no room for another password hash")]
    Busy(#[from] PoolFull),
    /// Others changed the same records again and again. Answered 503; the same request may succeed.
    #[error("others were first, again and again")]
    Contended,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The host's accounts failed.
    #[error("the accounts failed")]
    Accounts(#[source] BoxError),
    /// What changes with a subject's factors failed.
    #[error("the subject's records failed")]
    Subjects(#[source] BoxError),
    /// A rule of the host's policy failed: nothing goes on without it (promise 14).
    #[error("a rule of the policy failed")]
    Policy(#[source] BoxError),
    /// A hook of the host's failed: nothing goes on without it (promise 14).
    #[error("a login hook failed")]
    Hook(#[source] BoxError),
    /// A factor failed.
    #[error("the factor {method} failed")]
    Factor {
        /// Which.
        method: String,
        /// Why.
        #[source]
        source: FactorError,
    },
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl LoginError {
    /// The stable id of the cause, for operators.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Expired => "login_expired",
            Self::OtherBrowser => "login_of_another_browser",
            Self::Throttled { .. } => "throttled",
            Self::NotALoginAnswer => "not_a_login_answer",
            Self::FactorTooOld => "factor_too_old",
            Self::Busy(_) => "busy",
            Self::Contended => "contended",
            Self::Store(_) => "store_failed",
            Self::Accounts(_) => "accounts_failed",
            Self::Subjects(_) => "subjects_failed",
            Self::Policy(_) => "policy_failed",
            Self::Hook(_) => "hook_failed",
            Self::Factor { .. } => "factor_failed",
            Self::Random(_) => "random_failed",
        }
    }

    /// The code that a page or a JSON answer may show.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired | Self::OtherBrowser => "expired",
            Self::Throttled { .. } => "throttled",
            Self::NotALoginAnswer => "invalid_request",
            Self::FactorTooOld => "insufficient_user_authentication",
            _ => "temporarily_unavailable",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Expired | Self::OtherBrowser => 410,
            Self::Throttled { .. } => 429,
            Self::NotALoginAnswer => 400,
            Self::FactorTooOld => 403,
            _ => 503,
        }
    }
}

/// A conflict is for the caller to handle; what comes here is a failure.
impl From<CommitError> for LoginError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(_) => Self::Contended,
            CommitError::Unknown(error) | CommitError::Refused(error) => Self::Store(error),
            _ => Self::Contended,
        }
    }
}

/// A mistake in how the engine was put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MfaConfigError {
    /// Two factors have the same method.
    #[error("two factors have the method {0:?}: give one of them another name")]
    MethodTwice(String),
    /// A method's name is not one to four words of lower-case letters, or one of ours.
    #[error("the method {0:?} cannot be used: write 1 to 32 of a-z, 0-9, - and _, and not a name of ours")]
    MethodName(String),
    /// The policy asks for what no factor reaches.
    #[error("the policy requires {0:?}, which no factor here reaches: add a factor, such as Totp")]
    Unreachable(String),
    /// The policy leads users to a method that no factor has.
    #[error("the policy suggests {0:?}, which no factor here is: name one of those that are there")]
    Suggested(String),
    /// A weight is given to a signal that the policy does not have.
    #[error("the risk policy weighs {0:?}, which none of its signals is: name one of those that it has")]
    RiskSignal(String),
    /// The scores from which confidence is medium and low leave no high confidence, or no order.
    #[error("the thresholds of the risk policy must be above 0, and low not below medium")]
    RiskThresholds,
    /// Passwords shall be looked up at logins, and nobody knows lost ones.
    #[error(
        "the risk policy looks for lost passwords, and nobody knows them: call .breached(…) on the password policy"
    )]
    RiskWithoutBreached,
    /// Passkeys or security keys cannot be served where the issuer is.
    #[error("passkeys and security keys need an RP ID that is the issuer's host or above it, or .origin(…): {0}")]
    RelyingParty(#[from] RelyingPartyError),
    /// Nobody carries the messages of a factor.
    #[error("messages by {0} have no sender: give the factor one, or call .sender(…)")]
    NoSender(Channel),
    /// Everybody shall have a factor, and nobody may set one up.
    #[error(
        "the policy wants every user to have a factor, and none may be set up in a login: call .first_enrolment(…) on it"
    )]
    GraceWithoutEnrolment,
    /// There are accounts with passwords, and nowhere to hash them.
    #[error("accounts need a work pool to hash passwords on: call .pool(…)")]
    NoPool,
    /// The texts of messages cannot be used: the realm is too long to be the name of a service.
    #[error("give the service a name that users know: call .messages(MessageTexts::new(…)?)")]
    Texts(#[from] MessageTextsError),
    /// The parameters of Argon2 are out of range.
    #[error("the parameters of the password hash are out of range")]
    PasswordParameters,
    /// The store cannot be used, or was sealed under another master key.
    #[error("the store cannot be used: {0}")]
    Store(#[from] StoreError),
}
