//! A ceremony as a factor: what the browser is asked, and whether its answer holds.
//!
//! A ceremony lives in the login's record, which is one browser's. What it leaves behind (a counter, a new key) is written in one
//! commit with what says that it is spent.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_mfa_webauthn::{
    Attachment, Authenticated, Authentication, AuthenticationResponse, Counter, Credential, Hint, NewUser, Registered,
    Registration, RegistrationResponse, RelyingParty, TrustPolicy, UserHandle, UserVerification,
};
use countersign_primitives::{Amr, Id, Random, UnixTime};
use serde::{Deserialize, Serialize};

use super::{PASSKEY, Purpose, SECURITY_KEY, name_of};
use crate::enrolments::{Authenticator, Enrolments};
use crate::factor::{Judged, Kind, Kinds, State, Told};
use crate::metadata::Keeper;
use crate::{Answer, Challenge, Enrolled, Enrolment, Factor, FactorError, Method, Occasion, Prompt, Verdict};

/// Passkeys or security keys, as the engine asks for them.
#[derive(Debug)]
pub(crate) struct WebauthnFactor {
    pub(crate) method: Method,
    pub(super) site: RelyingParty,
    pub(super) purpose: Purpose,
    pub(super) hints: Vec<Hint>,
    /// What is known of models of authenticators.
    pub(super) metadata: Option<Arc<Keeper>>,
}

/// What an authenticator keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WebauthnState {
    /// A key is being made.
    Registering,
    /// It is this one.
    Registered(Box<Key>),
}

/// A credential, and by what it was last used.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Key {
    credential: Credential,
    /// The challenge whose answer last let somebody in, or registered it: it lets nobody in again.
    spent: Option<Id>,
    /// Whether its owner was verified then.
    verified: bool,
}

/// The credential of an authenticator, if it is one.
pub(crate) fn credential_of(authenticator: &Authenticator) -> Option<Credential> {
    key_of(authenticator).map(|key| key.credential)
}

fn key_of(authenticator: &Authenticator) -> Option<Key> {
    if ![PASSKEY, SECURITY_KEY].contains(&authenticator.method.as_str()) {
        return None;
    }
    match authenticator.state.read().ok()? {
        WebauthnState::Registered(key) => Some(*key),
        WebauthnState::Registering => None,
    }
}

/// All keys of a user, each with the authenticator that it is.
fn keys_of<'a>(at: &'a Occasion<'_>) -> impl Iterator<Item = (&'a Authenticator, Key)> + 'a {
    let all = at.enrolments.map(|enrolments| enrolments.authenticators.as_slice()).unwrap_or_default();
    all.iter().filter_map(|one| Some((one, key_of(one)?)))
}

#[async_trait]
impl Factor for WebauthnFactor {
    fn method(&self) -> Method {
        self.method.clone()
    }

    async fn enrol(&self, _: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        Enrolment::new(Prompt::none(), &WebauthnState::Registering)
    }

    async fn challenge(&self, at: &Occasion<'_>, enrolled: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        match enrolled.state()? {
            WebauthnState::Registering => self.begin_registration(at),
            WebauthnState::Registered(_) => self.begin_authentication(at),
        }
    }

    /// The model of the authenticator, where that is well known.
    fn label(&self, enrolled: &Enrolled<'_>) -> Option<String> {
        match enrolled.state().ok()? {
            WebauthnState::Registered(key) => key.credential.aaguid().name().map(str::to_owned),
            WebauthnState::Registering => None,
        }
    }

    async fn verify(
        &self,
        at: &Occasion<'_>,
        enrolled: &Enrolled<'_>,
        challenge: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        let Answer::Webauthn { response, .. } = answer else { return Ok(Verdict::rejected()) };
        // What this challenge was answered with is spent, whichever of the keys it was.
        if let Some((one, key)) = keys_of(at).find(|(_, key)| key.spent == Some(at.challenge_id())) {
            return Ok(Verdict(Judged::Again(told(one.id, &key.credential, key.verified))));
        }
        match enrolled.state()? {
            WebauthnState::Registering => self.registered(at, challenge, response.expose()).await,
            WebauthnState::Registered(_) => self.authenticated(at, challenge, response.expose()),
        }
    }
}

/// What became of the answer of whoever has a passkey.
pub(crate) enum Discovered {
    /// It holds; the key as it is from now on.
    Right(State, Told),
    /// It held once: this challenge was answered before.
    Again(Told),
    /// It does not hold, for this cause.
    Refused(&'static str),
}

/// Keys that say who signs in.
impl WebauthnFactor {
    pub(crate) fn rp_id(&self) -> &str {
        self.site.id()
    }

    pub(crate) fn related_origins(&self) -> Option<String> {
        self.site.related_origins_document()
    }

    /// Asks whoever has a key. `session` names what the question is bound to.
    pub(crate) fn begin_discovery(
        &self,
        session: &str,
        now: UnixTime,
        random: &dyn Random,
    ) -> Result<Challenge, FactorError> {
        let (options, ceremony) = self.site.discover().hints(self.hints.iter().copied()).begin(session, now, random)?;
        Challenge::new(Prompt::webauthn(&options)?, &ceremony)
    }

    /// Judges the answer by the key of this authenticator, if it is one that may say who signs in.
    pub(crate) fn discovered(
        &self,
        (challenge, session): (&Challenge, &str),
        response: &AuthenticationResponse,
        (enrolments, authenticator): (&Enrolments, Id),
        now: UnixTime,
    ) -> Result<Discovered, FactorError> {
        let one = enrolments.find(authenticator).filter(|one| one.method == self.method.name());
        let Some(key) = one.and_then(key_of) else {
            return Ok(Discovered::Refused("authentication.unknown_credential"));
        };
        if key.spent == Some(challenge.id) {
            return Ok(Discovered::Again(told(authenticator, &key.credential, key.verified)));
        }
        let ceremony: Authentication = challenge.state()?;
        match self.site.finish_authentication(ceremony, response, [&key.credential], session, now) {
            Ok(used) => {
                let (state, told) = kept(used, authenticator, challenge.id)?;
                Ok(Discovered::Right(state, told))
            }
            Err(error) => Ok(Discovered::Refused(error.id())),
        }
    }
}

impl WebauthnFactor {
    fn begin_registration(&self, at: &Occasion<'_>) -> Result<Challenge, FactorError> {
        let handle = user_handle(at)?;
        let user = NewUser { handle: &handle, name: at.account(), display_name: at.account() };
        let options = match &self.purpose {
            Purpose::Passkey => self.site.register_passkey(user),
            Purpose::SecurityKey(Some(_)) => {
                self.site.register_security_key(user).user_verification(UserVerification::Discouraged)
            }
            Purpose::SecurityKey(None) => {
                self.site.register_second_factor(user).attachment(Some(Attachment::CrossPlatform))
            }
        };
        // One authenticator holds one key of a user, whatever that is for.
        let before: Vec<_> = keys_of(at).map(|(_, key)| key.credential).collect();
        let options = options.exclude(&before).hints(self.hints.iter().copied());
        let (options, ceremony) = options.begin(&session(at), at.now(), at.random())?;
        Challenge::new(Prompt::webauthn(&options)?, &ceremony)
    }

    fn begin_authentication(&self, at: &Occasion<'_>) -> Result<Challenge, FactorError> {
        let (handle, own) = (user_handle(at)?, self.own_keys(at));
        let options = match self.purpose {
            Purpose::Passkey => self.site.authenticate(&handle, &own),
            Purpose::SecurityKey(_) => self.site.authenticate_second_factor(&handle, &own),
        };
        let options = options.hints(self.hints.iter().copied());
        let (options, ceremony) = options.begin(&session(at), at.now(), at.random())?;
        Challenge::new(Prompt::webauthn(&options)?, &ceremony)
    }

    /// The keys of the user that this method asks for.
    fn own_keys(&self, at: &Occasion<'_>) -> Vec<Credential> {
        let own = keys_of(at).filter(|(one, _)| one.method == self.method.name());
        own.map(|(_, key)| key.credential).collect()
    }

    /// The second half of a registration (§7.1), but for the id that must be nobody else's.
    async fn registered(
        &self,
        at: &Occasion<'_>,
        challenge: &Challenge,
        response: &str,
    ) -> Result<Verdict, FactorError> {
        let ceremony: Registration = challenge.state()?;
        let response = match RegistrationResponse::from_json(response) {
            Ok(response) => response,
            Err(error) => return Ok(Verdict(Judged::Refused(error.id()))),
        };
        let finished = match &self.purpose {
            Purpose::SecurityKey(Some(policy)) => {
                let policy = &match &self.metadata {
                    Some(keeper) => keeper.mind(policy, at.now()).await.map_err(FactorError::unavailable)?,
                    None => TrustPolicy::clone(policy),
                };
                self.site.finish_attested_registration(ceremony, &response, policy, &session(at), at.now())
            }
            _ => self.site.finish_registration(ceremony, &response, &session(at), at.now()),
        };
        match finished {
            Ok(registered) => self.keep(at, registered),
            Err(error) => Ok(Verdict(Judged::Refused(error.id()))),
        }
    }

    fn keep(&self, at: &Occasion<'_>, registered: Registered) -> Result<Verdict, FactorError> {
        let verified = registered.user_verified();
        let credential = registered.into_credential();
        let told = Told {
            unique: Some(name_of(at.keys, self.site.id(), credential.id())),
            ..told(at.authenticator_id(), &credential, verified)
        };
        let key = Key { credential, spent: Some(at.challenge_id()), verified };
        let state = State::write(&WebauthnState::Registered(Box::new(key)))?;
        Ok(Verdict(Judged::Right(Some(state), told)))
    }

    /// The second half of an authentication (§7.2).
    fn authenticated(&self, at: &Occasion<'_>, challenge: &Challenge, response: &str) -> Result<Verdict, FactorError> {
        let ceremony: Authentication = challenge.state()?;
        let response = match AuthenticationResponse::from_json(response) {
            Ok(response) => response,
            Err(error) => return Ok(Verdict(Judged::Refused(error.id()))),
        };
        let own = self.own_keys(at);
        match self.site.finish_authentication(ceremony, &response, &own, &session(at), at.now()) {
            Ok(used) => self.used(at, used),
            Err(error) => Ok(Verdict(Judged::Refused(error.id()))),
        }
    }

    /// The key as it is from now on, its counter and backup state with it (§7.2 step 24, attack M7).
    fn used(&self, at: &Occasion<'_>, mut used: Authenticated) -> Result<Verdict, FactorError> {
        let by = keys_of(at).find(|(_, key)| key.credential.id() == used.credential().id()).map(|(one, _)| one.id);
        let by = by.ok_or_else(|| FactorError::state("a credential of no authenticator"))?;
        if at.beside_another {
            used.initialize_user_verification();
        }
        let (state, told) = kept(used, by, at.challenge_id())?;
        Ok(Verdict(Judged::Right(Some(state), told)))
    }
}

/// What is kept of a key that was used, and what that told.
fn kept(used: Authenticated, by: Id, challenge: Id) -> Result<(State, Told), FactorError> {
    let mut doubts = Vec::new();
    if matches!(used.counter(), Counter::Suspect { .. }) {
        doubts.push("webauthn.counter");
    }
    if used.became_backup_eligible() {
        doubts.push("webauthn.backup_eligible");
    }
    let verified = used.user_verified();
    let credential = used.into_credential();
    let told = Told { doubts, ..told(by, &credential, verified) };
    let key = Key { credential, spent: Some(challenge), verified };
    Ok((State::write(&WebauthnState::Registered(Box::new(key)))?, told))
}

/// What a key has proven: that it is there, and somebody with it; with its owner verified two factors in one. By what he was verified
/// is not told: it counts as what a password is, the lesser of a PIN and a finger.
fn told(by: Id, credential: &Credential, verified: bool) -> Told {
    let kinds = Kinds::of(Kind::Possession);
    let kinds = if verified { kinds.and(Kinds::of(Kind::Knowledge)) } else { kinds };
    // A key that can be copied to other devices is one in software (RFC 8176 §2).
    let key = if credential.is_backup_eligible() { Amr::Swk } else { Amr::Hwk };
    Told { by: Some(by), proves: Some((kinds, vec![key, Amr::Pop, Amr::User])), ..Told::default() }
}

/// The handle of a user: the one that there is, for keys may have come from another system, else one that tells nothing of who it is.
fn user_handle(at: &Occasion<'_>) -> Result<UserHandle, FactorError> {
    let before = keys_of(at).map(|(_, key)| key.credential.user().clone()).next();
    match before {
        Some(handle) => Ok(handle),
        None => UserHandle::new(at.keys.user_handle(at.subject()).as_bytes().to_vec()).map_err(FactorError::state),
    }
}

/// What a ceremony is bound to: the login, which is one browser's, the question in it, and the user.
fn session(at: &Occasion<'_>) -> String {
    format!("{} {} {}", at.binding.login, at.challenge_id(), at.subject().as_str())
}
