//! The steps of a login as calls.

use countersign_storage_traits::{Batch, Expect};

use super::machine::Stage;
use super::record::Login;
use super::sending::Sent;
use super::{Begun, LoginId, LoginRequest};
use crate::{Answer, Caller, LoginError, Mfa, Step};

impl Mfa {
    /// Begins a login under a new random name: for a host that keeps the name in the browser's session. A host that has checked
    /// the password itself passes who that is ([`SignedIn`](countersign_primitives::SignedIn)), and only what is missing is asked.
    ///
    /// ```
    /// use countersign_mfa::{Begun, Caller, LoginError, Mfa};
    /// use countersign_primitives::{Amr, SignedIn, UnixTime};
    ///
    /// # async fn example(mfa: Mfa, caller: Caller, now: UnixTime) -> Result<(), LoginError> {
    /// let Begun { id, step } = mfa.start(SignedIn::new("u-1", now).amr([Amr::Pwd]), &caller).await?;
    /// # let _ = (id, step);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Mfa::begin`].
    pub async fn start(&self, request: impl Into<LoginRequest> + Send, caller: &Caller) -> Result<Begun, LoginError> {
        let id = LoginId(self.0.random.id()?);
        let step = self.begin(id, request.into(), caller).await?;
        Ok(Begun { id, step })
    }

    /// Begins a login and says what to show first. The same id again, from the same browser, answers where that login stands; it
    /// begins anew if what it rested on has ended.
    ///
    /// # Errors
    /// [`LoginError`] when the login cannot begin.
    pub async fn begin(&self, id: LoginId, request: LoginRequest, caller: &Caller) -> Result<Step, LoginError> {
        let inner = &*self.0;
        let now = inner.now();
        let adds = request.course.adds();
        if adds && !request.who.as_ref().is_some_and(|who| self.has_fresh_factor(who)) {
            return Err(LoginError::FactorTooOld);
        }
        let expect = match inner.found(id, caller, now).await? {
            None => Expect::Absent,
            Some(found) if inner.holds(&found.value, caller, now).await? => return self.step(id, caller).await,
            Some(found) => found.unchanged(),
        };
        let mut login = inner.began(request.clone(), caller, now).await?;
        let (mut stage, mut situation) = inner.settle(id, &mut login, None, caller, now).await?;
        // Whoever finds a browser signed in must not set up a factor of his own: the password is asked again.
        let enrols = matches!(stage, Stage::Enrol { .. } | Stage::Contact { .. } | Stage::ChooseEnrolment(_))
            || situation.as_ref().is_some_and(|situation| situation.is_gate(&stage));
        if enrols && !adds && inner.accounts.is_some() && !login.is_young(now) {
            let since = request.since.max(now.minus(Login::LIFETIME));
            login = inner.began(LoginRequest { since, ..request }, caller, now).await?;
            (stage, situation) = inner.settle(id, &mut login, None, caller, now).await?;
        }
        inner.file((id, expect), login, (&stage, situation.as_ref()), caller, now).await
    }

    /// What to show at present. Reading it again changes nothing.
    ///
    /// # Errors
    /// [`LoginError::Expired`] and [`LoginError::OtherBrowser`] when there is no such login for this browser; else as the store
    /// fails.
    pub async fn step(&self, id: LoginId, caller: &Caller) -> Result<Step, LoginError> {
        self.0.present(id, caller, Sent::default()).await
    }

    /// Takes an answer and says what to show next. A wrong answer is the same step again, with its error.
    ///
    /// # Errors
    /// [`LoginError`] when the answer was not looked at, [`LoginError::Throttled`] foremost.
    pub async fn answer(&self, id: LoginId, answer: &Answer, caller: &Caller) -> Result<Step, LoginError> {
        let turn = self.0.turn(id, caller).await?;
        self.0.take(turn, answer, caller).await
    }

    /// Ends a login that the user gave up. What it proved is forgotten.
    ///
    /// # Errors
    /// As [`Mfa::step`].
    pub async fn cancel(&self, id: LoginId, caller: &Caller) -> Result<(), LoginError> {
        let turn = self.0.turn(id, caller).await?;
        let mut batch = Batch::new(turn.found.key.partition, turn.now, &*self.0.random)?;
        batch.delete(turn.found.key, Expect::Any);
        Ok(self.0.store.commit_surely(&batch).await?)
    }

    /// What the caller of [`Mfa::begin`] left with the login ([`LoginRequest::context`]).
    ///
    /// # Errors
    /// As [`Mfa::step`].
    pub async fn context(&self, id: LoginId, caller: &Caller) -> Result<serde_json::Value, LoginError> {
        Ok(self.0.turn(id, caller).await?.login.context)
    }
}
