//! Signing in with a credential (WebAuthn 3 §7.2).

mod begin;
mod error;
mod finish;

use countersign_primitives::UnixTime;
use serde::{Deserialize, Serialize};

use crate::checks::Bond;
use crate::extensions::{ExtensionResults, RequestInputs};
use crate::{Attachment, Credential, CredentialId, UserHandle};

pub use begin::AuthenticationOptions;
pub use error::AuthenticationError;

/// An authentication between its two halves.
///
/// It serialises; keep it in the store, in a record that is *deleted as it is read*, so that it serves once under any concurrency.
/// The second half takes it by value.
#[derive(Debug, Serialize, Deserialize)]
#[must_use = "keep it until the browser answers"]
pub struct Authentication {
    bond: Bond,
    /// Nobody, when the credential is to tell who it is.
    user: Option<UserHandle>,
    allowed: Vec<CredentialId>,
    user_verification_required: bool,
    extensions: RequestInputs,
}

impl Authentication {
    /// When it expires.
    #[must_use]
    pub const fn expires(&self) -> UnixTime {
        self.bond.expires()
    }

    /// Who is to sign in; nobody when the credential is to tell.
    #[must_use]
    pub const fn user(&self) -> Option<&UserHandle> {
        self.user.as_ref()
    }
}

/// What the signature counter says (§6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// The authenticator has none, as synced passkeys and many others: it was zero and is.
    Unused,
    /// It rose.
    Risen,
    /// It did not rise: the key may have been copied. Not proof; weigh it with what else is known.
    Suspect {
        /// The counter that was kept, and stays kept.
        stored: u32,
        /// The counter that came.
        received: u32,
    },
}

/// Somebody signed in: every step of §7.2 holds.
#[derive(Debug, Clone)]
#[must_use = "store the credential: its counter and backup state have changed"]
pub struct Authenticated {
    credential: Credential,
    user_verified: bool,
    counter: Counter,
    became_backup_eligible: bool,
    attachment: Option<Attachment>,
    extensions: ExtensionResults,
}

impl Authenticated {
    /// Who signed in: the credential's owner, proved, whatever the client said.
    #[must_use]
    pub const fn user(&self) -> &UserHandle {
        self.credential.user()
    }

    /// The credential as it is from now on: replace its record by this, together with whatever the login gains (§7.2 step 24).
    #[must_use]
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The credential, taken out.
    #[must_use]
    pub fn into_credential(self) -> Credential {
        self.credential
    }

    /// Whether the owner proved with PIN or biometrics that it was him: then the credential is two factors, else one.
    ///
    /// Not for a credential that never verified anybody before (`uvInitialized` of §4): whoever finds a key without a PIN can give it one.
    /// See [`Authenticated::initialize_user_verification`].
    #[must_use]
    pub const fn user_verified(&self) -> bool {
        self.user_verified && self.credential.uv_initialized
    }

    /// Whether somebody was verified for the first time with this credential. It counts as one factor; ask for another.
    #[must_use]
    pub const fn verified_for_the_first_time(&self) -> bool {
        self.user_verified && !self.credential.uv_initialized
    }

    /// Has verification by this credential count, now and from now on. Only after another factor of equal weight was proven in this login,
    /// such as the password that was given before (§7.2 step 24).
    pub fn initialize_user_verification(&mut self) {
        self.credential.uv_initialized |= self.user_verified;
    }

    /// What the signature counter says.
    #[must_use]
    pub const fn counter(&self) -> Counter {
        self.counter
    }

    /// Whether a credential that could not be backed up now can; worth an event.
    #[must_use]
    pub const fn became_backup_eligible(&self) -> bool {
        self.became_backup_eligible
    }

    /// Where the authenticator was, as the client says. A phone or key on a device that has an authenticator itself is the moment to
    /// offer that one too (§5.1).
    #[must_use]
    pub const fn attachment(&self) -> Option<Attachment> {
        self.attachment
    }

    /// What extensions gave back.
    #[must_use]
    pub const fn extensions(&self) -> &ExtensionResults {
        &self.extensions
    }
}
