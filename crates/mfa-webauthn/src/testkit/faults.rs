//! What an authenticator or browser does wrong, once.

use serde_json::Value;

use super::SoftAuthenticator;

type Spoil<T> = Option<Box<dyn Fn(&mut T) + Send>>;

/// The faults of the next ceremony.
#[derive(Default)]
pub(super) struct Faults {
    client_data: Spoil<Value>,
    client_data_bytes: Spoil<Vec<u8>>,
    auth_data: Spoil<Vec<u8>>,
    signature: Spoil<Vec<u8>>,
    statement_signature: Spoil<Vec<u8>>,
    certificates: Spoil<Vec<Vec<u8>>>,
    tpm_public_area: Spoil<Vec<u8>>,
    tpm_attest: Spoil<Vec<u8>>,
    safetynet: Spoil<Value>,
    object: Spoil<Vec<u8>>,
    answer: Spoil<Value>,
    pub(super) format_name: Option<String>,
    pub(super) any_algorithm: bool,
    pub(super) ignores_exclusion: bool,
    pub(super) ignores_allow_list: bool,
    pub(super) protects_nothing: bool,
    pub(super) certifies_another_key: bool,
    pub(super) certifies_for_another_format: bool,
    pub(super) certified_by_no_authority: bool,
    pub(super) certifies_another_model: bool,
    pub(super) attests_another_ceremony: bool,
}

/// A method that plans a fault, and one that commits it.
macro_rules! spoils {
    ($($(#[doc = $doc:literal])+ $plan:ident, $commit:ident, $field:ident: $what:ty;)+) => {
        /// Faults, each of the next ceremony alone.
        impl SoftAuthenticator {
            $($(#[doc = $doc])+
            pub fn $plan(&mut self, spoil: impl Fn(&mut $what) + Send + 'static) {
                self.faults.$field = Some(Box::new(spoil));
            })+
        }

        impl Faults {
            $(pub(super) fn $commit(&self, what: &mut $what) {
                if let Some(spoil) = &self.$field {
                    spoil(what);
                }
            })+
        }
    };
}

spoils! {
    /// Changes the members of the client data before it is hashed.
    tamper_client_data, spoil_client_data, client_data: Value;
    /// Changes the bytes of the client data before it is hashed.
    tamper_client_data_bytes, spoil_client_data_bytes, client_data_bytes: Vec<u8>;
    /// Changes the authenticator data before it is signed.
    tamper_auth_data, spoil_auth_data, auth_data: Vec<u8>;
    /// Changes the signature of a login.
    tamper_signature, spoil_signature, signature: Vec<u8>;
    /// Changes the signature in an attestation statement.
    tamper_statement_signature, spoil_statement_signature, statement_signature: Vec<u8>;
    /// Changes the chain of certificates, the attestation certificate first.
    tamper_certificates, spoil_certificates, certificates: Vec<Vec<u8>>;
    /// Changes a TPM's public area before it is named and signed.
    tamper_tpm_public_area, spoil_tpm_public_area, tpm_public_area: Vec<u8>;
    /// Changes what a TPM signs.
    tamper_tpm_attest, spoil_tpm_attest, tpm_attest: Vec<u8>;
    /// Changes what SafetyNet signs.
    tamper_safetynet, spoil_safetynet, safetynet: Value;
    /// Changes the attestation object as it is sent.
    tamper_attestation_object, spoil_object, object: Vec<u8>;
    /// Changes the JSON of the answer.
    tamper_answer, spoil_answer, answer: Value;
}

/// More faults of the next ceremony alone.
impl SoftAuthenticator {
    /// Makes a key of its own algorithm, offered or not.
    pub const fn ignore_algorithms(&mut self) {
        self.faults.any_algorithm = true;
    }

    /// Registers again although it is excluded.
    pub const fn ignore_exclusion(&mut self) {
        self.faults.ignores_exclusion = true;
    }

    /// Signs with its newest credential, allowed or not.
    pub const fn ignore_allow_list(&mut self) {
        self.faults.ignores_allow_list = true;
    }

    /// Gives no protection that was asked for.
    pub const fn protect_nothing(&mut self) {
        self.faults.protects_nothing = true;
    }

    /// Certifies another key than the credential's.
    pub const fn certify_another_key(&mut self) {
        self.faults.certifies_another_key = true;
    }

    /// Certifies its key with a certificate of another format.
    pub const fn certify_for_another_format(&mut self) {
        self.faults.certifies_for_another_format = true;
    }

    /// Has its key certified by somebody who may not certify.
    pub const fn certify_by_no_authority(&mut self) {
        self.faults.certified_by_no_authority = true;
    }

    /// Certifies another model than its own.
    pub const fn certify_another_model(&mut self) {
        self.faults.certifies_another_model = true;
    }

    /// Attests another ceremony than this one.
    pub const fn attest_another_ceremony(&mut self) {
        self.faults.attests_another_ceremony = true;
    }

    /// Calls the format of its attestation by this name.
    pub fn name_format(&mut self, name: &str) {
        self.faults.format_name = Some(name.to_owned());
    }
}
