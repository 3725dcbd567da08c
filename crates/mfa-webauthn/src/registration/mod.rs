//! Registering a credential (WebAuthn 3 §7.1).

mod begin;
mod error;
mod finish;

use serde::{Deserialize, Serialize};

use crate::attestation::Attestation;
use crate::checks::Bond;
use crate::extensions::{CreationInputs, ExtensionResults};
use crate::{Algorithm, Credential, CredentialId, CredentialUse, UserHandle};

pub(crate) use begin::descriptor;
pub use begin::{NewUser, RegistrationOptions};
pub use error::RegistrationError;

/// A registration between its two halves.
///
/// It serialises, and is neither secret nor to be trusted in a browser's hands: keep it in the store, in a record that is *deleted
/// as it is read*, so that it serves once under any concurrency. The second half takes it by value.
#[derive(Debug, Serialize, Deserialize)]
#[must_use = "keep it until the browser answers"]
pub struct Registration {
    bond: Bond,
    user: UserHandle,
    used_as: CredentialUse,
    algorithms: Vec<Algorithm>,
    user_verification_required: bool,
    conditional: bool,
    attested: bool,
    enterprise: bool,
    must_be_discoverable: bool,
    excluded: Vec<CredentialId>,
    extensions: CreationInputs,
}

impl Registration {
    /// When it expires.
    #[must_use]
    pub const fn expires(&self) -> countersign_primitives::UnixTime {
        self.bond.expires()
    }

    /// Whom it is for.
    #[must_use]
    pub const fn user(&self) -> &UserHandle {
        &self.user
    }
}

/// A credential that passed every step of §7.1 but the one that only a store can take: that its id is new (step 26).
#[derive(Debug)]
#[must_use = "create the credential's record"]
pub struct Registered {
    credential: Credential,
    attestation: Attestation,
    extensions: ExtensionResults,
    user_verified: bool,
}

impl Registered {
    /// The credential. *Create* its record under its id: when there is one already, of whatever user, this registration has failed.
    #[must_use]
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The credential, taken out.
    #[must_use]
    pub fn into_credential(self) -> Credential {
        self.credential
    }

    /// What the authenticator said of itself, and what stands behind that.
    #[must_use]
    pub const fn attestation(&self) -> &Attestation {
        &self.attestation
    }

    /// What extensions gave back.
    #[must_use]
    pub const fn extensions(&self) -> &ExtensionResults {
        &self.extensions
    }

    /// Whether the owner proved with PIN or biometrics that it was him.
    #[must_use]
    pub const fn user_verified(&self) -> bool {
        self.user_verified
    }
}
