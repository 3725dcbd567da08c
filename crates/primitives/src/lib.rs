//! Secrets, identifiers, clocks and the values that OAuth and MFA share.
//!
//! Every other Countersign crate stands on this one. It does no input or output of its own: time comes from a [`Clock`],
//! randomness from a [`Random`], long computations go to a [`WorkPool`], and each of them is a value that a host passes in.
//!
//! The values that cross from "who is signed in" (MFA, or a host's own login) to "what may be issued" (OAuth) live here
//! too: [`Subject`], [`SignedIn`], [`Acr`], [`Amr`] and [`Requirement`].
//!
//! ```
//! use countersign_primitives::{Acr, Amr, Requirement, SignedIn, UnixTime};
//! use std::time::Duration;
//!
//! let who = SignedIn::new("u-1", UnixTime::from_secs(1_000)).amr([Amr::Pwd, Amr::Otp]).acr(Acr::MFA);
//! let payments = Requirement::MFA.max_age(Duration::from_secs(300));
//! assert_eq!(payments.acr_value(), Some(&Acr::MFA));
//! assert_eq!(who.auth_time(), UnixTime::from_secs(1_000));
//! ```
//!
//! What this crate does *not* do: parse requests, hash passwords or sign anything.

mod assurance;
mod id;
mod random;
mod secret;
mod time;
mod work;

pub use assurance::{Acr, AcrClass, AcrTable, Amr, Proof, Requirement, SignedIn};
pub use id::{Id, ParseIdError, SessionId, Subject};
pub use random::{Random, RandomError, SystemRandom};
pub use secret::{SecretBytes, SecretString};
pub use time::{Clock, ManualClock, SystemClock, UnixTime};
pub use work::{PoolFull, ThreadPool, WorkPool, compute};

/// An error of a host's own code, where only the fact that it failed matters to us.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
