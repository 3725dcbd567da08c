//! A login that a client drives by calls, and whose user a passkey names.

use countersign_primitives::Requirement;
use countersign_storage_traits::Expect;
use serde_json::Value;

use super::direct::Stand;
use super::record::Login;
use super::{LoginId, LoginRequest};
use crate::{Answer, Caller, LoginError, Mfa};

impl Mfa {
    /// Begins one, and says what to ask: the argument of `navigator.credentials.get()`. None where passkeys do not say who signs in.
    pub(crate) async fn begin_by_passkey(
        &self,
        id: LoginId,
        request: LoginRequest,
        caller: &Caller,
    ) -> Result<Option<Value>, LoginError> {
        let (inner, now) = (&*self.0, self.0.now());
        let mut login = Login::begin(request, caller, &Requirement::NONE, &inner.table, now);
        let (stage, situation) = inner.settle(id, &mut login, None, caller, now).await?;
        let asked = login.discovery.as_ref().and_then(|asked| asked.prompt.options.clone());
        let Some(options) = asked else { return Ok(None) };
        inner.file((id, Expect::Absent), login, (&stage, situation.as_ref()), caller, now).await?;
        Ok(Some(options))
    }

    /// Takes what a passkey signed. What must be proven, and what for, is said with it, and holds once it is known who signs in.
    pub(crate) async fn reply_by_passkey(
        &self,
        id: LoginId,
        (requirement, context): (Requirement, Value),
        answer: &Answer,
        caller: &Caller,
    ) -> Result<Stand, LoginError> {
        let mut turn = self.0.turn(id, caller).await?;
        if turn.login.subject.is_none() {
            turn.login.requirement = requirement;
            turn.login.context = context;
            turn.login.skipped = true; // what may be put off a client asks for when its user wants it
        }
        let step = self.0.take(turn, answer, caller).await?;
        self.stand(id, step, caller).await
    }
}
