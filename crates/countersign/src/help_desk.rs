//! What a help desk does for a user, once it has made sure who is asking.

use countersign_mfa::oauth::HelpDesk;
use countersign_mfa::{AuthenticatorsError, Operator};
use countersign_oauth_core::{Cause, Refusal};
use countersign_primitives::Subject;

use crate::Server;

impl Server {
    /// Looks after users in the name of an operator: each call is told as an event that names him, and users hear of what concerns
    /// them. None for a server without a login of its own.
    ///
    /// ```
    /// # use countersign::mfa::Operator;
    /// # async fn example(server: countersign::Server) -> Result<(), Box<dyn std::error::Error>> {
    /// if let Some(desk) = server.help_desk(Operator::host("support ticket 7")) {
    ///     desk.reset_factors(&"u-1".into()).await?;
    ///     desk.require_factor(&"u-1".into(), true).await?;
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn help_desk(&self, by: Operator) -> Option<HelpDesk> {
        self.mfa().map(|mfa| HelpDesk::new(self, mfa, by))
    }

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
