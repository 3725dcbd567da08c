//! What users change themselves asks for a factor that they have just proven.

use countersign_primitives::{Acr, Amr, SignedIn, UnixTime};

use crate::account_events::By;
use crate::factor::{Kind, Kinds};
use crate::step::Shown;
use crate::{AuthenticatorsError, Mfa};

impl Mfa {
    /// Since when a factor counts as just proven ([`MfaBuilder::fresh_factor`](crate::MfaBuilder::fresh_factor)): what a step-up
    /// passes to [`LoginRequest::since`](crate::LoginRequest::since).
    #[must_use]
    pub fn fresh_since(&self) -> UnixTime {
        self.0.now().minus(self.0.fresh_factor)
    }

    /// Whether two factors stand behind a session, and the one beside the password was proven lately. A password typed anew makes
    /// no factor young.
    #[must_use]
    pub fn has_fresh_factor(&self, who: &SignedIn) -> bool {
        let (since, own) = (self.fresh_since(), Kinds::of(Kind::Knowledge));
        let is_factor = |amr| amr == Amr::Mfa || own.and(Kinds::of_amr(amr)).count() > 1;
        let two = who.acr_value().is_some_and(|acr| self.0.table.satisfies(acr, &Acr::MFA));
        two && who.proofs().iter().any(|proof| is_factor(proof.amr) && proof.at >= since)
    }

    /// Makes new recovery codes for whoever is signed in, and makes the old ones void in the same commit. They are handed out this
    /// once: show them, and keep them nowhere.
    ///
    /// ```
    /// use countersign_mfa::{AuthenticatorsError, LoginRequest, Mfa};
    /// use countersign_primitives::{Requirement, SignedIn};
    ///
    /// # async fn example(mfa: Mfa, who: SignedIn) -> Result<Option<LoginRequest>, AuthenticatorsError> {
    /// match mfa.renew_recovery_codes(&who).await {
    ///     Ok(codes) => codes.iter().for_each(|code| println!("{}", code.expose())),
    ///     // The way there is a login that asks for what is too old, and for that alone.
    ///     Err(AuthenticatorsError::FactorTooOld) => {
    ///         return Ok(Some(LoginRequest::new().requirement(Requirement::MFA).since(mfa.fresh_since()).who(who)));
    ///     }
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(None) }
    /// ```
    ///
    /// # Errors
    /// [`AuthenticatorsError::FactorTooOld`] when no factor was proven lately, and as
    /// [`Authenticators::new_recovery_codes`](crate::Authenticators::new_recovery_codes), which asks for no proof and is for a host's
    /// own code.
    pub async fn renew_recovery_codes(&self, who: &SignedIn) -> Result<Vec<Shown>, AuthenticatorsError> {
        self.renew_recovery_codes_by(who, By::HOST).await
    }

    /// The same, for somebody whom the owner is to know.
    pub(crate) async fn renew_recovery_codes_by(
        &self,
        who: &SignedIn,
        by: By,
    ) -> Result<Vec<Shown>, AuthenticatorsError> {
        if !self.has_fresh_factor(who) {
            return Err(AuthenticatorsError::FactorTooOld);
        }
        self.authenticators().by(by).new_recovery_codes(who.subject()).await
    }
}
