//! A passkey that says who signs in: nobody types a name, and a stranger learns of none.

use countersign_events::EventKind;
use countersign_mfa_webauthn::AuthenticationResponse;
use countersign_primitives::{Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Found, Key};

use super::LoginId;
use super::engine::{Looked, Turn};
use super::machine::Stage;
use super::prepare::factor_failed;
use super::proven::Proven;
use super::record::Login;
use super::second_factor::TRIES;
use crate::enrolments::{Read, SpentBy};
use crate::factor::Told;
use crate::keys::CREDENTIAL;
use crate::limits::Guess;
use crate::mfa::Inner;
use crate::webauthn::{CredentialName, Discovered, PASSKEY, WebauthnFactor, name_of};
use crate::{Caller, Challenge, LoginError, StepError};

/// What became of an answer.
enum Outcome {
    /// This user's key signed.
    Right(Subject, u64, Told),
    /// Nobody's, or not so that it holds.
    Refused(&'static str),
}

impl Inner {
    /// Asks whoever has a passkey, beside whatever else says who signs in.
    pub(super) fn prepare_discovery(
        &self,
        id: LoginId,
        login: &mut Login,
        stage: &Stage,
        now: UnixTime,
    ) -> Result<(), LoginError> {
        let asks = matches!(stage, Stage::Password | Stage::MagicLink) && self.run_time.settings().is_on(PASSKEY);
        let Some(passkeys) = self.passkeys.as_ref().filter(|_| asks) else {
            login.discovery = None;
            return Ok(());
        };
        if login.discovery.is_none() {
            let challenge = self.random.id()?;
            let made = passkeys.begin_discovery(&session(id, challenge), now, &*self.random);
            login.discovery = Some(made.map_err(factor_failed(PASSKEY))?.named(challenge));
        }
        Ok(())
    }

    /// Takes what a passkey signed. Who that is says the key that was registered, and nothing else in the answer (attack M33). A key
    /// that nobody has and one that did not sign look alike.
    pub(super) async fn passkey(&self, turn: &mut Turn, response: &str, caller: &Caller) -> Result<Looked, LoginError> {
        let (Some(passkeys), Some(challenge)) = (&self.passkeys, turn.login.discovery.take()) else {
            return Ok(Looked::Elsewhere);
        };
        let (guess, nobody) = (Guess::SecondFactor(&passkeys.method), self.keys.unknown(PASSKEY));
        let (paid, _) = self.pay(guess, nobody, None, caller, turn.now).await?;
        match self.discover(passkeys, turn, &challenge, response).await {
            Ok(Outcome::Right(subject, epoch, told)) => {
                paid.refund(&*self.store, self.now()).await?;
                self.tell_doubts(&told, (&passkeys.method, &subject), caller);
                self.tell(EventKind::FactorVerified, Some(caller), |event| {
                    event.with_subject(&subject).with_method(PASSKEY)
                });
                let proven = Proven::factor(&passkeys.method, turn.now, false).told(told.proves);
                turn.login.identify(&subject, epoch, Proven { first: true, ..proven });
                Ok(Looked::On(None))
            }
            Ok(Outcome::Refused(cause)) => {
                self.tell(EventKind::LoginFailed, Some(caller), |event| {
                    event.with_method(PASSKEY).with_cause(cause, "WebAuthn 3 §7.2")
                });
                self.failed_guess(paid, guess, (nobody, None), caller).await?;
                Ok(Looked::Anew(StepError::NotAccepted))
            }
            Err(error) => {
                paid.refund(&*self.store, self.now()).await?; // nobody learnt anything
                Err(error)
            }
        }
    }

    /// Judges an answer and spends what it used: of requests that were judged by one state one wins.
    async fn discover(
        &self,
        passkeys: &WebauthnFactor,
        turn: &Turn,
        challenge: &Challenge,
        response: &str,
    ) -> Result<Outcome, LoginError> {
        let now = turn.now;
        let read = match AuthenticationResponse::from_json(response) {
            Ok(read) => read,
            Err(error) => return Ok(Outcome::Refused(error.id())),
        };
        let name = Key::root(CREDENTIAL, name_of(&self.keys, passkeys.rp_id(), read.credential_id()));
        let named: Option<Found<CredentialName>> = self.store.find(name, now).await?;
        let Some(CredentialName { subject, authenticator, .. }) = named.map(|found| found.value) else {
            return Ok(Outcome::Refused("authentication.unknown_credential"));
        };
        let epoch = self.epoch(&subject).await?; // before anything is compared
        let spent_by =
            SpentBy::of(&self.keys, (turn.id.0, turn.login.begun_at), (authenticator, challenge.id), response);
        let session = session(turn.id, challenge.id);
        for _ in 0..TRIES {
            let found = Read::of(&*self.store, &*self.subjects, &subject, now).await?;
            let judged = passkeys.discovered((challenge, &session), &read, (&found.value, authenticator), now);
            let (state, told) = match judged.map_err(factor_failed(PASSKEY))? {
                Discovered::Right(state, told) => (state, told),
                Discovered::Again(told) => {
                    let one = found.value.find(authenticator);
                    let own = one.is_some_and(|one| one.spent_by.as_ref() == Some(&spent_by));
                    return Ok(match own {
                        true => Outcome::Right(subject, epoch, told),
                        false => Outcome::Refused("authentication.spent"),
                    });
                }
                Discovered::Refused(cause) => return Ok(Outcome::Refused(cause)),
            };
            let mut value = found.value.clone();
            let Some(one) = value.find_mut(authenticator) else { break };
            one.state = state;
            one.last_used = Some(now);
            one.spent_by = Some(spent_by.clone());
            let mut batch = Batch::new(found.key.partition, now, &*self.random)?;
            found.put(&mut batch, &value)?;
            match self.store.commit_surely(&batch).await {
                Ok(()) => return Ok(Outcome::Right(subject, epoch, told)),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }
}

/// What the ceremony is bound to: the login, which is one browser's, and the question in it. Whose it is nobody knows yet.
fn session(login: LoginId, challenge: countersign_primitives::Id) -> String {
    format!("{login} {challenge}")
}
