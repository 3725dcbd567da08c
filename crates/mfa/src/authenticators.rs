//! The authenticators of users, as the host's administration and help desk see them.

use countersign_events::EventKind;
use countersign_mfa_otp::{Digits, HotpSecret, OtpAlgorithm, OtpauthError, SecretError, TotpParameters, TotpSecret};
use countersign_primitives::{BoxError, RandomError, Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, StoreError, TransferKeyError};

use crate::account_events::By;
use crate::contact::Contact;
use crate::enrolments::{Authenticator, AuthenticatorId, Enrolments, Read};
use crate::factor::{FactorError, HOTP, RECOVERY_CODE, RecoveryFactor, State, TOTP, imported_hotp, imported_totp};
use crate::mfa::Inner;
use crate::step::Shown;
use crate::{Changed, Mfa, Notice};

/// The authenticators of users: list, import, remove, reset. What it does needs no proof, so it is for a host's own code alone.
#[derive(Debug, Clone)]
pub struct Authenticators(pub(crate) Mfa, pub(crate) By);

/// An authenticator as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthenticatorInfo {
    /// Its name.
    pub id: AuthenticatorId,
    /// What users see of its method; its name where no such factor is plugged in any more.
    pub title: String,
    /// The name that the user gave it.
    pub label: Option<String>,
    /// Where its messages go, with most of it hidden.
    pub to: Option<String>,
    /// Since when it counts.
    pub enrolled_at: UnixTime,
    /// When it was last proven.
    pub last_used: Option<UnixTime>,
    /// Of recovery codes, how many are left.
    pub codes_left: Option<usize>,
}

/// Why authenticators could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticatorsError {
    /// No factor of that method is plugged in.
    #[error("no factor of the method {0:?} is plugged in")]
    NoSuchMethod(&'static str),
    /// The user has no factor that recovery codes could stand in for.
    #[error("recovery codes need a factor that they stand in for")]
    NoFactor,
    /// The user has a factor, and proves it to set up another.
    #[error("the user has a factor already")]
    HasFactor,
    /// No factor was proven lately by whoever changes his own ([`Mfa::fresh_since`]).
    #[error("a factor must be proven anew for this")]
    FactorTooOld,
    /// The user has as many authenticators as one may have.
    #[error("the user has {max} authenticators already", max = Enrolments::MAX)]
    TooMany,
    /// The secret is none of an authenticator app or token.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The URI is none of an authenticator app or token.
    #[error(transparent)]
    Uri(#[from] OtpauthError),
    /// What is kept of a factor cannot be read or written.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// What an export sealed cannot be opened.
    #[error(transparent)]
    Sealed(#[from] TransferKeyError),
    /// What an export sealed is none of authenticators that travel.
    #[error("what was sealed is none of authenticators")]
    NotExported,
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// An invitation cannot be mailed: the account has no verified mail address, or mails have no sender here.
    #[error("the user has no verified mail address, or no sender of mails is set")]
    NoAddress,
    /// An invitation stands, and its mail was not taken: invite again.
    #[error("the invitation could not be mailed")]
    NotSent(#[source] BoxError),
    /// Others changed the same user's authenticators again and again.
    #[error("others were first, again and again")]
    Contended,
    /// What changes with a subject's factors failed.
    #[error("the subject's records failed")]
    Subjects(#[source] BoxError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// How often a commit that lost to another is tried again.
pub(crate) const TRIES: usize = 4;

impl Authenticators {
    /// The same, for somebody whom the owner is to know.
    pub(crate) fn by(self, by: By) -> Self {
        Self(self.0, by)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0.0
    }

    /// What a user has.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, subject: &Subject) -> Result<Vec<AuthenticatorInfo>, AuthenticatorsError> {
        let read = self.read(subject).await?;
        read.value.authenticators.iter().map(|one| self.info(one)).collect()
    }

    fn info(&self, one: &Authenticator) -> Result<AuthenticatorInfo, AuthenticatorsError> {
        let title = self.inner().factor(&one.method).map_or(one.method.as_str(), |(method, _)| method.title());
        let codes_left = if one.is_recovery() { Some(RecoveryFactor::left(&one.state)?) } else { None };
        Ok(AuthenticatorInfo {
            id: one.named(),
            title: title.to_owned(),
            label: one.label.clone(),
            to: one.contact.as_ref().map(Contact::masked),
            enrolled_at: one.enrolled_at,
            last_used: one.last_used,
            codes_left,
        })
    }

    /// Takes over the secret of an authenticator app (base32) from another system, with the parameters that every app has
    /// ([`Authenticators::import_otpauth_uri`] for others). It counts at once, without a first code.
    ///
    /// # Errors
    /// When the secret is none, the user has too many, or the store fails.
    pub async fn import_totp(&self, subject: &Subject, base32: &str) -> Result<AuthenticatorId, AuthenticatorsError> {
        let secret = TotpSecret::from_base32(base32, TotpParameters::default())?;
        self.import(subject, TOTP, State::write(&imported_totp(&secret))?).await
    }

    /// Takes over the seed of a token with a button (base32), and the counter whose code comes next: what the maker of tokens
    /// delivers with them. SHA-1 and six digits, as RFC 4226 has it. It counts at once.
    ///
    /// # Errors
    /// When the secret is none, the user has too many, or the store fails.
    ///
    /// ```
    /// # use countersign_mfa::{Authenticators, AuthenticatorsError};
    /// # async fn example(authenticators: Authenticators) -> Result<(), AuthenticatorsError> {
    /// authenticators.import_hotp(&"u-1".into(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 0).await?;
    /// # Ok(()) }
    /// ```
    pub async fn import_hotp(
        &self,
        subject: &Subject,
        base32: &str,
        counter: u64,
    ) -> Result<AuthenticatorId, AuthenticatorsError> {
        let secret = HotpSecret::from_base32(base32, OtpAlgorithm::Sha1, Digits::SIX)?;
        self.import(subject, HOTP, State::write(&imported_hotp(&secret, counter))?).await
    }

    /// Takes over what an `otpauth://totp/` or `otpauth://hotp/` URI says, with the parameters in it: algorithm, digits, and
    /// period or counter. It counts at once.
    ///
    /// # Errors
    /// When the URI is none, the user has too many, or the store fails.
    pub async fn import_otpauth_uri(
        &self,
        subject: &Subject,
        uri: &str,
    ) -> Result<AuthenticatorId, AuthenticatorsError> {
        let (method, state) = match TotpSecret::from_otpauth_uri(uri) {
            Ok(imported) => (TOTP, State::write(&imported_totp(&imported.secret))?),
            Err(OtpauthError::Kind) => {
                let imported = HotpSecret::from_otpauth_uri(uri)?;
                (HOTP, State::write(&imported_hotp(&imported.secret, imported.counter))?)
            }
            Err(error) => return Err(error.into()),
        };
        self.import(subject, method, state).await
    }

    async fn import(
        &self,
        subject: &Subject,
        method: &'static str,
        state: State,
    ) -> Result<AuthenticatorId, AuthenticatorsError> {
        self.inner().factor(method).ok_or(AuthenticatorsError::NoSuchMethod(method))?;
        let id = self.inner().random.id()?;
        let named = AuthenticatorId::new(method, id);
        self.change(subject, Some(self.inner().title(method)), |enrolments, now| {
            if enrolments.authenticators.len() >= Enrolments::MAX {
                return Err(AuthenticatorsError::TooMany);
            }
            let first = !enrolments.has_factor();
            enrolments.authenticators.push(Authenticator::fresh(id, method, state.clone(), now));
            Ok(Some(if first { Changed::FirstFactorEnrolled } else { Changed::FactorEnrolled }))
        })
        .await?;
        self.inner().tell(EventKind::FactorEnrolled, None, |event| event.with_subject(subject).with_method(method));
        self.inner().tell_owner(subject, Notice::FactorEnrolled(self.inner().title(method))).await;
        Ok(named)
    }

    /// Gives one a name, or takes it away, and says whether it was there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rename(
        &self,
        subject: &Subject,
        id: &AuthenticatorId,
        label: Option<&str>,
    ) -> Result<bool, AuthenticatorsError> {
        let renamed = |enrolments: &mut Enrolments, _| {
            let named = enrolments.authenticators.iter_mut().find(|one| one.named() == *id);
            Ok(named.map(|one| {
                one.label = label.map(str::to_owned);
                Changed::FactorRenamed
            }))
        };
        let title = self.inner().title(id.method());
        let renamed = self.change(subject, Some(title), renamed).await?;
        if renamed {
            self.inner().tell_owner(subject, Notice::FactorRenamed(title)).await;
        }
        Ok(renamed)
    }

    /// Removes one, and says whether it was there. With the last factor the recovery codes go too.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(&self, subject: &Subject, id: &AuthenticatorId) -> Result<bool, AuthenticatorsError> {
        let removed = self
            .change(subject, Some(self.inner().title(id.method())), |enrolments, _| {
                let before = enrolments.authenticators.len();
                enrolments.authenticators.retain(|one| one.named() != *id);
                if enrolments.authenticators.len() == before {
                    return Ok(None);
                }
                if enrolments.authenticators.iter().all(Authenticator::is_recovery) {
                    enrolments.authenticators.clear();
                }
                Ok(Some(Changed::FactorRemoved))
            })
            .await?;
        if removed {
            self.inner()
                .tell(EventKind::FactorRemoved, None, |event| event.with_subject(subject).with_method(id.method()));
            self.inner().tell_owner(subject, Notice::FactorRemoved(self.inner().title(id.method()))).await;
        }
        Ok(removed)
    }

    /// Removes all: for a help desk that has made sure who is asking.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reset(&self, subject: &Subject) -> Result<(), AuthenticatorsError> {
        let removed = self
            .change(subject, None, |enrolments, _| {
                let had = enrolments.has_factor();
                enrolments.authenticators.clear();
                Ok(had.then_some(Changed::FactorsReset))
            })
            .await?;
        if removed {
            self.inner().tell(EventKind::FactorRemoved, None, |event| event.with_subject(subject).with_method("all"));
            self.inner().tell_owner(subject, Notice::FactorsReset).await;
        }
        Ok(())
    }

    /// Wants a user to have a factor, or not any more, and says whether that is new. While he has none he sets one up at the next login,
    /// in the way that the policy leaves open ([`FirstEnrolment`](crate::FirstEnrolment)); with the wish his sessions and grants end, as
    /// they may rest on a password alone.
    ///
    /// # Errors
    /// When the store fails, or others changed the same user's factors again and again.
    ///
    /// ```
    /// # use countersign_mfa::{Authenticators, AuthenticatorsError};
    /// # async fn example(authenticators: Authenticators) -> Result<(), AuthenticatorsError> {
    /// authenticators.require_factor(&"u-1".into(), true).await?;
    /// # Ok(()) }
    /// ```
    pub async fn require_factor(&self, subject: &Subject, required: bool) -> Result<bool, AuthenticatorsError> {
        let changed = self
            .change(subject, None, |enrolments, _| {
                let changes = std::mem::replace(&mut enrolments.must_have, required) != required;
                let change = if required { Changed::FactorRequired } else { Changed::FactorNotRequired };
                Ok(changes.then_some(change))
            })
            .await?;
        if changed && required {
            self.inner().tell_owner(subject, Notice::FactorRequired).await;
        }
        Ok(changed)
    }

    /// Makes new recovery codes; the old ones are void. The codes are handed out this once.
    ///
    /// # Errors
    /// When the user has no factor, no recovery codes are made here, or the store fails.
    pub async fn new_recovery_codes(&self, subject: &Subject) -> Result<Vec<Shown>, AuthenticatorsError> {
        let inner = self.inner();
        let recovery = inner.recovery.as_ref().ok_or(AuthenticatorsError::NoSuchMethod(RECOVERY_CODE))?;
        let (codes, state) = recovery.generate(&*inner.random, subject)?;
        let id = inner.random.id()?;
        self.change(subject, None, |enrolments, now| {
            enrolments.authenticators.retain(|one| !one.is_recovery());
            if !enrolments.has_factor() {
                return Err(AuthenticatorsError::NoFactor);
            }
            enrolments.authenticators.push(Authenticator::fresh(id, RECOVERY_CODE, state.clone(), now));
            Ok(Some(Changed::RecoveryCodesReplaced))
        })
        .await?;
        inner.tell(EventKind::RecoveryCodesIssued, None, |event| event.with_subject(subject));
        inner.tell_owner(subject, Notice::RecoveryCodesReplaced).await;
        Ok(codes)
    }

    pub(crate) async fn read(&self, subject: &Subject) -> Result<Read, StoreError> {
        let inner = self.inner();
        Read::of(&*inner.store, &*inner.subjects, subject, inner.now()).await
    }

    /// Changes a user's authenticators by compare-and-set, with what must change with them in the same commit. Says whether
    /// anything changed.
    pub(crate) async fn change(
        &self,
        subject: &Subject,
        about: Option<&str>,
        change: impl Fn(&mut Enrolments, UnixTime) -> Result<Option<Changed>, AuthenticatorsError>,
    ) -> Result<bool, AuthenticatorsError> {
        let inner = self.inner();
        for _ in 0..TRIES {
            let now = inner.now();
            let read = self.read(subject).await?;
            let mut value = read.value.clone();
            let Some(changed) = change(&mut value, now)? else { return Ok(false) };
            let mut batch = Batch::new(read.key.partition, now, &*inner.random)?;
            read.put(&mut batch, &value)?;
            let changing = inner.changing(subject, changed, (about, Some(&self.1)), &mut batch);
            changing.await.map_err(AuthenticatorsError::Subjects)?;
            match inner.store.commit_surely(&batch).await {
                Ok(()) => {
                    inner.release_names(&read.value, &value).await;
                    return Ok(true);
                }
                Err(CommitError::Unknown(error) | CommitError::Refused(error)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        Err(AuthenticatorsError::Contended)
    }
}
