//! What a help desk does for a user, once it has made sure who is asking.

use countersign_mfa::AuthenticatorsError;
use countersign_oauth_core::{Cause, Refusal};
use countersign_primitives::Subject;

use crate::Server;

impl Server {
    /// Forgets the guesses at an account ([`Mfa::unlock_subject`](countersign_mfa::Mfa::unlock_subject)). Nothing is ended and
    /// nothing is granted: the owner may try again. A server without a login of its own counts no guesses.
    ///
    /// # Errors
    /// When the store fails; calling it again does the rest.
    ///
    /// ```
    /// # async fn example(server: countersign::Server) -> Result<(), countersign::Refusal> {
    /// server.unlock_subject("u-1").await?;
    /// # Ok(()) }
    /// ```
    pub async fn unlock_subject(&self, subject: impl Into<Subject>) -> Result<(), Refusal> {
        match self.mfa() {
            Some(mfa) => Ok(mfa.unlock_subject(&subject.into()).await?),
            None => Ok(()),
        }
    }

    /// Removes every factor of a user who lost them, recovery codes too
    /// ([`Authenticators::reset`](countersign_mfa::Authenticators::reset)). Sessions and grants end with them, since they may rest
    /// on a factor that is gone.
    ///
    /// # Errors
    /// When the store fails, or others changed the same user's factors again and again.
    pub async fn reset_factors(&self, subject: impl Into<Subject>) -> Result<(), Refusal> {
        let Some(mfa) = self.mfa() else { return Ok(()) };
        mfa.authenticators().reset(&subject.into()).await.map_err(refusal)
    }
}

fn refusal(error: AuthenticatorsError) -> Refusal {
    match error {
        AuthenticatorsError::Store(error) => error.into(),
        AuthenticatorsError::Random(error) => error.into(),
        AuthenticatorsError::Contended => Cause::Contention.into(),
        other => Refusal::from(Cause::StoreFailed).source(other),
    }
}
