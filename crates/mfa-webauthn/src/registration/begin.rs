//! The first half: options for the browser (§7.1 step 1).

use countersign_primitives::{Random, RandomError, UnixTime};

use super::Registration;
use crate::attestation::AttestationFormat;
use crate::checks::{Bond, Challenge, timeout_millis};
use crate::extensions::{CreationInputs, CredentialProtection, LargeBlobCreation, LargeBlobSupport, PrfInput};
use crate::options::{
    Attachment, Conveyance, CreationOptions, CredentialType, Descriptor, Hint, Mediation, Parameters,
    PublicKeyCreation, ResidentKey, RpEntity, Selection, UserEntity, UserVerification,
};
use crate::relying_party::check_app_id;
use crate::{Credential, CredentialUse, RelyingParty, RelyingPartyError, UserHandle};

/// Whom a credential is for.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// The handle, which stays the same for ever and tells nothing about the person.
    pub handle: &'a UserHandle,
    /// The name that tells accounts apart, such as an e-mail address.
    pub name: &'a str,
    /// The name that people call him by.
    pub display_name: &'a str,
}

/// A registration that is being put together; [`RegistrationOptions::begin`] starts it.
#[derive(Debug, Clone)]
#[must_use = "call begin"]
pub struct RegistrationOptions<'a> {
    site: &'a RelyingParty,
    user: NewUser<'a>,
    used_as: CredentialUse,
    attachment: Option<Attachment>,
    resident_key: ResidentKey,
    user_verification: UserVerification,
    conveyance: Conveyance,
    formats: Vec<&'static str>,
    hints: Vec<Hint>,
    excluded: Vec<Descriptor>,
    conditional: bool,
    extensions: CreationInputs,
}

impl RelyingParty {
    /// Registers a passkey: discoverable, with user verification, no attestation asked for.
    pub fn register_passkey<'a>(&'a self, user: NewUser<'a>) -> RegistrationOptions<'a> {
        RegistrationOptions::new(self, user, CredentialUse::Passkey)
    }

    /// Registers a second factor that stands beside a password: it takes no room in a security key and asks for no PIN.
    pub fn register_second_factor<'a>(&'a self, user: NewUser<'a>) -> RegistrationOptions<'a> {
        RegistrationOptions {
            resident_key: ResidentKey::Discouraged,
            user_verification: UserVerification::Discouraged,
            ..RegistrationOptions::new(self, user, CredentialUse::SecondFactor)
        }
    }

    /// Registers a security key whose model is verified: [`RelyingParty::finish_attested_registration`] ends it.
    pub fn register_security_key<'a>(&'a self, user: NewUser<'a>) -> RegistrationOptions<'a> {
        RegistrationOptions {
            attachment: Some(Attachment::CrossPlatform),
            resident_key: ResidentKey::Preferred,
            conveyance: Conveyance::Direct,
            hints: vec![Hint::SecurityKey],
            ..RegistrationOptions::new(self, user, CredentialUse::SecurityKey)
        }
    }

    /// Registers the device itself, with user verification.
    pub fn register_platform<'a>(&'a self, user: NewUser<'a>) -> RegistrationOptions<'a> {
        RegistrationOptions {
            attachment: Some(Attachment::Platform),
            resident_key: ResidentKey::Preferred,
            hints: vec![Hint::ClientDevice],
            ..RegistrationOptions::new(self, user, CredentialUse::Platform)
        }
    }
}

impl<'a> RegistrationOptions<'a> {
    fn new(site: &'a RelyingParty, user: NewUser<'a>, used_as: CredentialUse) -> Self {
        Self {
            site,
            user,
            used_as,
            attachment: None,
            resident_key: ResidentKey::Required,
            user_verification: UserVerification::Required,
            conveyance: Conveyance::None,
            formats: Vec::new(),
            hints: Vec::new(),
            excluded: Vec::new(),
            conditional: false,
            extensions: CreationInputs { cred_props: true, ..CreationInputs::default() },
        }
    }

    /// Excludes what the user has already, so that one authenticator is not registered twice. An answer that names one of them all
    /// the same is refused.
    pub fn exclude<'c>(mut self, credentials: impl IntoIterator<Item = &'c Credential>) -> Self {
        self.excluded.extend(credentials.into_iter().map(descriptor));
        self
    }

    /// Lets the browser make a passkey in the background, right after a login by password with the same password manager. Nobody
    /// touches anything then: neither presence nor verification is demanded of the answer (§7.1 step 15).
    pub fn conditional(mut self) -> Self {
        self.conditional = true;
        self.user_verification = UserVerification::Preferred;
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

    /// Where the authenticator must be. `None` lets the user choose.
    pub fn attachment(mut self, attachment: Option<Attachment>) -> Self {
        self.attachment = attachment;
        self
    }

    /// How much is asked about the authenticator, and in which formats, the most wanted first.
    pub fn attestation(mut self, conveyance: Conveyance, formats: impl IntoIterator<Item = AttestationFormat>) -> Self {
        self.conveyance = conveyance;
        self.formats = formats.into_iter().map(AttestationFormat::as_str).collect();
        self
    }

    /// Wishes for this protection of the credential; `enforced` refuses one without.
    pub fn protection(mut self, protection: CredentialProtection, enforced: bool) -> Self {
        self.extensions.credential_protection_policy = Some(protection);
        self.extensions.enforce_credential_protection_policy = enforced.then_some(true);
        self
    }

    /// Asks for room for a blob beside the credential.
    pub fn large_blob(mut self, support: LargeBlobSupport) -> Self {
        self.extensions.large_blob = Some(LargeBlobCreation { support });
        self
    }

    /// Asks for the pseudo-random function, which the page evaluates for itself.
    pub fn prf(mut self) -> Self {
        self.extensions.prf = Some(PrfInput::default());
        self
    }

    /// Asks for the least length of the authenticator's PIN. Only organisations that the authenticator was set up for hear it.
    pub fn min_pin_length(mut self) -> Self {
        self.extensions.min_pin_length = Some(true);
        self
    }

    /// Asks how the owner was verified.
    pub fn user_verification_methods(mut self) -> Self {
        self.extensions.uvm = Some(true);
        self
    }

    /// Excludes authenticators with credentials of the U2F API's time too.
    ///
    /// # Errors
    /// [`RelyingPartyError::AppId`].
    pub fn exclude_app_id(mut self, app_id: &str) -> Result<Self, RelyingPartyError> {
        check_app_id(app_id)?;
        self.extensions.appid_exclude = Some(app_id.to_owned());
        Ok(self)
    }

    /// Begins: the options go to the browser, the ceremony into the store.
    ///
    /// `session` is the host's name for the session in which this happens; the second half must name the same. The user's own
    /// existing credentials, if not excluded yet, and a fresh proof of who he is are the host's to see to (attack M17).
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn begin(
        self,
        session: &str,
        now: UnixTime,
        random: &dyn Random,
    ) -> Result<(CreationOptions, Registration), RandomError> {
        let bond = Bond::new(self.site, session, now, random)?;
        let ceremony = Registration {
            user: self.user.handle.clone(),
            used_as: self.used_as,
            algorithms: self.site.algorithms.clone(),
            user_verification_required: self.user_verification == UserVerification::Required,
            conditional: self.conditional,
            attested: self.used_as == CredentialUse::SecurityKey,
            enterprise: self.conveyance == Conveyance::Enterprise,
            must_be_discoverable: self.resident_key == ResidentKey::Required,
            excluded: self.excluded.iter().map(|descriptor| descriptor.id.clone()).collect(),
            extensions: self.extensions.clone(),
            bond,
        };
        Ok((self.options(ceremony.bond.challenge.clone()), ceremony))
    }

    fn options(self, challenge: Challenge) -> CreationOptions {
        let parameter = |alg: &_| Parameters { kind: CredentialType::PublicKey, alg: *alg };
        let public_key = PublicKeyCreation {
            rp: RpEntity { id: self.site.id.clone(), name: self.site.name.clone() },
            user: UserEntity {
                id: self.user.handle.clone(),
                name: self.user.name.to_owned(),
                display_name: self.user.display_name.to_owned(),
            },
            challenge,
            pub_key_cred_params: self.site.algorithms.iter().map(parameter).collect(),
            timeout: timeout_millis(self.site.timeout),
            exclude_credentials: self.excluded,
            authenticator_selection: Selection {
                authenticator_attachment: self.attachment,
                resident_key: self.resident_key,
                require_resident_key: self.resident_key == ResidentKey::Required,
                user_verification: self.user_verification,
            },
            hints: self.hints,
            attestation: self.conveyance,
            attestation_formats: self.formats,
            extensions: self.extensions,
        };
        CreationOptions { public_key, mediation: self.conditional.then_some(Mediation::Conditional) }
    }
}

/// How a credential is told to the browser.
pub(crate) fn descriptor(credential: &Credential) -> Descriptor {
    Descriptor { kind: CredentialType::PublicKey, id: credential.id.clone(), transports: credential.transports.clone() }
}
