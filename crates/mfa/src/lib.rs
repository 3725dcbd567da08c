//! Login as a state machine: policies, factors, enrolment.
//!
//! [`Mfa`] takes somebody from "who is it?" to a [`SignedIn`](countersign_primitives::SignedIn) that says who signed in, how and
//! how surely. A login is a record bound to one browser; each call answers with the [`Step`] to show next, and takes the
//! [`Answer`] that the user gave. Rust calls, a JSON front end and plain HTML pages all drive the same machine.
//!
//! ```
//! use std::sync::Arc;
//! use countersign_accounts::Account;
//! use countersign_mfa::{
//!     Answer, Caller, Existing, LoginId, LoginRequest, Mfa, PasswordHasher, Policy, Step, StoredAccounts, Totp,
//! };
//! use countersign_primitives::{Id, ThreadPool, WorkPool};
//! use countersign_storage_memory::MemoryStore;
//! use countersign_storage_traits::MasterKey;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (store, key) = (MemoryStore::new(), MasterKey::from_bytes([7; 32]));
//! let pool: Arc<dyn WorkPool> = Arc::new(ThreadPool::new(2, 64));
//! let users = StoredAccounts::open(store.clone(), &key, "https://id.example.com").await?;
//! let hash = PasswordHasher::new(pool.clone()).hash(&"correct horse".into()).await?;
//! users.import([Account::new("u-1").username("alice").password_hash(hash)], Existing::Keep).await?;
//!
//! let mfa = Mfa::builder(store, &key)
//!     .realm("https://id.example.com")
//!     .accounts(Arc::new(users))
//!     .pool(pool)
//!     .factor(Totp::new("Example"))
//!     .policy(Policy::never()) // a second factor only where it is asked for
//!     .build()
//!     .await?;
//!
//! let caller = Caller::new(Id::from_bytes([1; 16])); // what the browser's cookie stands for
//! let login = LoginId(Id::from_bytes([2; 16])); // random, in earnest
//! let step = mfa.begin(login, LoginRequest::new(), &caller).await?;
//! assert!(matches!(step, Step::Password(_)));
//! let step = mfa.answer(login, &Answer::password("alice", "correct horse"), &caller).await?;
//! let Step::Done(done) = step else { panic!("{step:?}") };
//! assert_eq!(done.signed_in.subject().as_str(), "u-1");
//! # Ok(())
//! # }
//! ```
//!
//! | what | where |
//! |---|---|
//! | the engine | [`Mfa`], [`LoginRequest`], [`Caller`], [`LoginError`] |
//! | what is shown and answered | [`Step`], [`Answer`]; as pages [`Screen`] and [`Presenter`] |
//! | what is asked of whom | [`Policy`], [`PolicyRule`], and a [`Requirement`](countersign_primitives::Requirement) at each login; [`LoginHook`] |
//! | ways to prove it | passwords ([`PasswordHasher`]), [`Totp`], [`Hotp`], [`SmsCodes`], [`EmailCodes`], [`VoiceCodes`], [`Push`], [`Passkeys`], [`SecurityKeys`], recovery codes, a host's own [`Factor`] |
//! | passwords that may be chosen | [`PasswordPolicy`] |
//! | how surely it is the owner | [`risk`] |
//! | guessing | [`Limits`] |
//! | users, where the host has no table | [`StoredAccounts`] |
//! | a help desk's view | [`Authenticators`], [`RememberedDevices`] |
//! | what is switched while it runs | [`Settings`], [`RunTimeSettings`] |
//!
//! # What holds
//! - A code is accepted once, however many requests bring it at once, and across a crash: what it spends is written to the
//!   user's record first, naming the login, and only then does the login go on.
//! - No login is done below what is required of it. Two factors count as two only when they are of different kinds; a factor
//!   enrolled in a login never makes that login phishing-resistant.
//! - An unknown user and a wrong password look and cost the same, and strangers who guess cannot lock out a browser that signed
//!   in before.
//!
//! # What this crate does not do
//! Without feature `oauth` it reads no cookie and speaks no HTTP: the host says which browser calls. It issues no token: the
//! authorization server does, and checks the requirement again. It carries no messages: a
//! [`MessageSender`](countersign_outbound::MessageSender) does.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `oauth` | the module `oauth`: the login as an extension of `countersign-oauth-core`, which serves `/authorize` and `/login` as pages and as JSON steps. On in `countersign` |
//! | `geoip` | [`risk`]'s `GeoDatabase`: where addresses are, by a database in MaxMind's format that the host supplies |
//! | `legacy-hashes` | passwords hashed by other systems with bcrypt or scrypt are accepted, and hashed anew at the next login. On in `countersign` |
//!
//! # Where next
//! [`Factor`] for a method of the host's own; `countersign-pages` for HTML; `countersign` for a server in thirty lines.

mod account_events;
mod answer;
mod authenticators;
mod builder;
mod caller;
mod compromise;
mod contact;
mod devices;
mod enrolments;
mod error;
mod export;
mod factor;
mod fresh;
mod invitations;
mod keys;
mod limits;
mod links;
mod login;
mod messages;
mod metadata;
mod mfa;
#[cfg(feature = "oauth")]
pub mod oauth;
mod operator;
mod password;
mod password_policy;
mod policy;
mod push;
pub mod risk;
mod screen;
mod settings;
mod step;
mod stored_accounts;
mod webauthn;

pub use countersign_mfa_otp::{CodeAlphabet, CodeFormat, CodeFormatError};

pub use account_events::{AccountEvent, AccountEventKind};
pub use answer::{Answer, AnswerError, ConsentAnswer, Submission};
pub use authenticators::{AuthenticatorInfo, Authenticators, AuthenticatorsError};
pub use builder::MfaBuilder;
pub use caller::{BrowserMarks, Caller};
pub use compromise::Compromised;
pub use devices::{DeviceId, DeviceInfo, RememberedDevices};
pub use enrolments::{AuthenticatorId, ParseAuthenticatorIdError};
pub use error::{LoginError, MfaConfigError};
pub use export::AccountsPage;
pub use factor::{
    AskError, Challenge, EmailCodes, Enrolled, Enrolment, Factor, FactorError, Hotp, IntoFactor, Kind, Kinds, Method,
    Occasion, PluggedFactor, Prompt, SmsCodes, Totp, Verdict, VoiceCodes,
};
pub use keys::{Changed, Subjects};
pub use limits::{Budget, Limits};
pub use links::{DeadLink, LinkPurpose, NotMeError, PasswordChangeError, VerifyEmailError};
pub use login::{Begun, FirstFactor, FirstMethod, FirstMethods, LoginHook, LoginId, LoginOrder, LoginRequest};
pub use messages::{
    Countries, Country, Envelope, Languages, MessageBudget, MessageError, MessageRefused, MessageTexts,
    MessageTextsError, Notice, ParseCountryError, Share, Ticket,
};
pub use metadata::{AuthenticatorMetadata, MetadataState, MetadataUpdateError};
pub use mfa::Mfa;
pub use operator::Operator;
pub use password::{HashRefused, PasswordCost, PasswordError, PasswordHasher};
pub use password_policy::{BreachedPasswords, Judged, PasswordPolicy, PasswordRefused, PasswordUse};
pub use policy::{Duty, FirstEnrolment, Policy, PolicyInput, PolicyRule};
pub use push::{Push, PushDecision, PushDevices, PushError, PushLimits, PushQuestion, RegisteredDevice};
pub use screen::{
    ConsentScreen, Frame, Heading, LoggedOutScreen, LogoutScreen, Look, Presenter, RefusedScreen, Screen, ScreenClient,
    ScreenScope, StepScreen,
};
pub use settings::{
    GeneralPolicy, ParseGeneralPolicyError, ParseSettingsVersionError, RunTimeSettings, Settings, SettingsError,
    SettingsVersion,
};
pub use step::{
    ChooseStep, CodeStep, ContactStep, Done, EnrolStep, MagicLinkStep, PasswordStep, RecoveryCodesStep, Refused,
    RefusedReason, Shown, Step, StepError, WaitStep, Way, WebauthnStep,
};
pub use stored_accounts::{AccountsError, Existing, Imported, StoredAccounts};
pub use webauthn::{Passkeys, SecurityKeys};
