//! What the page tells authenticators after a change: arguments of the Signal API (WebAuthn 3 §5.1.10).

use serde::Serialize;

use crate::{Credential, CredentialId, NewUser, RelyingParty, UserHandle};

/// The argument of `PublicKeyCredential.signalUnknownCredential()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnknownCredential {
    rp_id: String,
    credential_id: CredentialId,
}

/// The argument of `PublicKeyCredential.signalAllAcceptedCredentials()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AllAcceptedCredentials {
    rp_id: String,
    user_id: UserHandle,
    all_accepted_credential_ids: Vec<CredentialId>,
}

/// The argument of `PublicKeyCredential.signalCurrentUserDetails()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CurrentUserDetails {
    rp_id: String,
    user_id: UserHandle,
    name: String,
    display_name: String,
}

impl RelyingParty {
    /// That a credential which was just used is not known here, so that its authenticator stops offering it. It tells nothing about an
    /// account, and may be said to anybody.
    #[must_use]
    pub fn signal_unknown(&self, credential: &CredentialId) -> UnknownCredential {
        UnknownCredential { rp_id: self.id.clone(), credential_id: credential.clone() }
    }

    /// Which credentials a user has, *all* of them: authenticators hide the others, perhaps for ever. To be said to the signed-in user
    /// alone. Credentials of other users are left out.
    #[must_use]
    pub fn signal_accepted<'c>(
        &self,
        user: &UserHandle,
        credentials: impl IntoIterator<Item = &'c Credential>,
    ) -> AllAcceptedCredentials {
        let own = credentials.into_iter().filter(|credential| credential.user == *user && credential.rp_id == self.id);
        let ids = own.map(|credential| credential.id.clone()).collect();
        AllAcceptedCredentials { rp_id: self.id.clone(), user_id: user.clone(), all_accepted_credential_ids: ids }
    }

    /// What a user is called by now.
    #[must_use]
    pub fn signal_details(&self, user: NewUser<'_>) -> CurrentUserDetails {
        CurrentUserDetails {
            rp_id: self.id.clone(),
            user_id: user.handle.clone(),
            name: user.name.to_owned(),
            display_name: user.display_name.to_owned(),
        }
    }
}
