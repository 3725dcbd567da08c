//! Secrets, identifiers, clocks and the values that OAuth and MFA share.
//!
//! Every other Countersign crate stands on this one. It does no input or output of its own: time comes from a [`Clock`],
//! randomness from a [`Random`], long computations go to a [`WorkPool`], and each of them is a value that a host passes in.
//!
//! The values that cross from "who is signed in" (MFA, or a host's own login) to "what may be issued" (OAuth) live here
//! too: [`Subject`], [`SignedIn`], [`Acr`], [`Amr`] and [`Requirement`].
//!
//! ```
//! use countersign_primitives::{Acr, AcrTable, Amr, Requirement, SignedIn, UnixTime};
//! use std::time::Duration;
//!
//! let who = SignedIn::new("u-1", UnixTime::from_secs(1_000)).amr([Amr::Pwd, Amr::Otp]).acr(Acr::MFA);
//! let payments = Requirement::MFA.max_age(Duration::from_secs(300));
//! assert_eq!(payments.acr_value(), Some(&Acr::MFA));
//! assert_eq!(who.auth_time(), UnixTime::from_secs(1_000));
//! assert!(payments.met_by(&who, &AcrTable::default(), UnixTime::from_secs(1_300)));
//! assert!(!payments.met_by(&who, &AcrTable::default(), UnixTime::from_secs(1_301))); // too long ago
//! ```
//!
//! | what | where |
//! |---|---|
//! | secrets: wiped on drop, redacted in `Debug`, compared in constant time | [`SecretString`], [`SecretBytes`] |
//! | identifiers | [`Id`], [`Subject`], [`SessionId`] |
//! | what a host lends | [`Clock`], [`Random`], [`WorkPool`] |
//! | what a login says, and what may be asked of it | [`SignedIn`], [`Proof`], [`Amr`], [`LoginClaims`]; [`Requirement`], [`Acr`], [`AcrTable`] |
//!
//! # What this crate does not do
//! Parse requests, hash passwords or sign anything.
//!
//! # Features
//! None.
//!
//! # Where next
//! `countersign-oauth-core` issues tokens for a [`SignedIn`], `countersign-mfa` makes one, and `countersign` is all of it in one
//! dependency.

mod assurance;
mod claims;
mod id;
mod random;
mod secret;
mod time;
mod user_agent;
mod work;

pub use assurance::{Acr, AcrClass, AcrTable, Amr, Proof, Remembered, Requirement, SignedIn};
pub use claims::{ClaimError, LoginClaims};
pub use id::{Id, ParseIdError, SessionId, Subject};
pub use random::{Random, RandomError, SystemRandom};
pub use secret::{SecretBytes, SecretString};
pub use time::{Clock, ManualClock, SystemClock, UnixTime};
pub use user_agent::describe_user_agent;
pub use work::{PoolFull, ThreadPool, WorkPool, compute};

/// An error of a host's own code, where only the fact that it failed matters to us.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
