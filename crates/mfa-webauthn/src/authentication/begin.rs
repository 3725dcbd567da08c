//! The first half: options for the browser (§7.2 step 1).

use countersign_primitives::{Random, RandomError, UnixTime};

use super::Authentication;
use crate::checks::{Bond, timeout_millis};
use crate::extensions::{Encoded, LargeBlobRequest, PrfInput, PrfValues, RequestInputs};
use crate::options::{Descriptor, Hint, Mediation, PublicKeyRequest, RequestOptions, UserVerification};
use crate::registration::descriptor;
use crate::relying_party::check_app_id;
use crate::{Credential, RelyingParty, RelyingPartyError, UserHandle};

/// An authentication that is being put together; [`AuthenticationOptions::begin`] starts it.
#[derive(Debug, Clone)]
#[must_use = "call begin"]
pub struct AuthenticationOptions<'a> {
    site: &'a RelyingParty,
    user: Option<&'a UserHandle>,
    allowed: Vec<Descriptor>,
    user_verification: UserVerification,
    hints: Vec<Hint>,
    conditional: bool,
    extensions: RequestInputs,
}

impl RelyingParty {
    /// Signs in whoever has a passkey: no user name is asked for, the credential tells who it is. User verification is required.
    pub fn discover(&self) -> AuthenticationOptions<'_> {
        AuthenticationOptions::new(self, None)
    }

    /// Signs in this user with one of these credentials, with user verification. Those of other users are left out.
    ///
    /// A user without any credential gets options all the same, with an empty list, which no answer satisfies: so a page tells
    /// nothing about accounts. Who wants no difference at all calls [`RelyingParty::discover`].
    pub fn authenticate<'a, 'c>(
        &'a self,
        user: &'a UserHandle,
        credentials: impl IntoIterator<Item = &'c Credential>,
    ) -> AuthenticationOptions<'a> {
        let own = credentials.into_iter().filter(|credential| credential.user == *user && credential.rp_id == self.id);
        let allowed = own.map(descriptor).collect();
        AuthenticationOptions { allowed, ..AuthenticationOptions::new(self, Some(user)) }
    }

    /// Asks this user, who has given a password already, for one of these credentials as a second factor. No PIN is asked for.
    pub fn authenticate_second_factor<'a, 'c>(
        &'a self,
        user: &'a UserHandle,
        credentials: impl IntoIterator<Item = &'c Credential>,
    ) -> AuthenticationOptions<'a> {
        self.authenticate(user, credentials).user_verification(UserVerification::Discouraged)
    }
}

impl<'a> AuthenticationOptions<'a> {
    fn new(site: &'a RelyingParty, user: Option<&'a UserHandle>) -> Self {
        Self {
            site,
            user,
            allowed: Vec::new(),
            user_verification: UserVerification::Required,
            hints: Vec::new(),
            conditional: false,
            extensions: RequestInputs::default(),
        }
    }

    /// Offers passkeys in the autofill of the user name's field (`mediation: "conditional"`).
    pub fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }

    /// Whether the owner must prove that it is him. Kept in the ceremony: no answer lowers it.
    pub fn user_verification(mut self, requirement: UserVerification) -> Self {
        self.user_verification = requirement;
        self
    }

    /// What kinds of authenticators the page should speak of, the likeliest first.
    pub fn hints(mut self, hints: impl IntoIterator<Item = Hint>) -> Self {
        self.hints = hints.into_iter().collect();
        self
    }

    /// Takes credentials of the U2F API's time too, made for this AppID.
    ///
    /// # Errors
    /// [`RelyingPartyError::AppId`].
    pub fn app_id(mut self, app_id: &str) -> Result<Self, RelyingPartyError> {
        check_app_id(app_id)?;
        self.extensions.appid = Some(app_id.to_owned());
        Ok(self)
    }

    /// Reads the blob beside the credential.
    pub fn read_large_blob(mut self) -> Self {
        self.extensions.large_blob = Some(LargeBlobRequest::Read(true));
        self
    }

    /// Writes the blob beside the credential; exactly one credential must be allowed (WebAuthn 3 §10.1.5).
    pub fn write_large_blob(mut self, blob: impl Into<Vec<u8>>) -> Self {
        self.extensions.large_blob = Some(LargeBlobRequest::Write(blob.into()));
        self
    }

    /// Has the page evaluate the credential's pseudo-random function at these inputs. The results are the page's own.
    pub fn prf(mut self, first: impl Into<Vec<u8>>, second: Option<Vec<u8>>) -> Self {
        let values = PrfValues { first: first.into(), second: second.map(Encoded) };
        self.extensions.prf = Some(PrfInput { eval: Some(values) });
        self
    }

    /// Asks how the owner was verified.
    pub fn user_verification_methods(mut self) -> Self {
        self.extensions.uvm = Some(true);
        self
    }

    /// Begins: the options go to the browser, the ceremony into the store. `session` is the host's name for the session in
    /// which this happens; the second half must name the same.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn begin(
        self,
        session: &str,
        now: UnixTime,
        random: &dyn Random,
    ) -> Result<(RequestOptions, Authentication), RandomError> {
        let bond = Bond::new(self.site, session, now, random)?;
        let public_key = PublicKeyRequest {
            challenge: bond.challenge.clone(),
            timeout: timeout_millis(self.site.timeout),
            rp_id: self.site.id.clone(),
            allow_credentials: self.allowed.clone(),
            user_verification: self.user_verification,
            hints: self.hints,
            extensions: self.extensions.clone(),
        };
        let ceremony = Authentication {
            bond,
            user: self.user.cloned(),
            allowed: self.allowed.into_iter().map(|descriptor| descriptor.id).collect(),
            user_verification_required: self.user_verification == UserVerification::Required,
            extensions: self.extensions,
        };
        let mediation = self.conditional.then_some(Mediation::Conditional);
        Ok((RequestOptions { public_key, mediation }, ceremony))
    }
}
