//! HOTP (RFC 4226), TOTP (RFC 6238), codes sent by message, and recovery codes: generate, hash and check.
//!
//! An authenticator app and a server share a secret; both compute a short code from it and from the time. The smallest
//! program that asks for such a code:
//!
//! ```
//! use countersign_mfa_otp::TotpSecret;
//! use std::time::SystemTime;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = TotpSecret::generate()?; // once for each user
//! let uri = secret.otpauth_uri("Example", "alice@example.com"); // show it as a QR code
//! # assert!(uri.expose().starts_with("otpauth://totp/Example:alice%40example.com?secret="));
//!
//! # struct User { last_step: Option<u64> }
//! # let mut user = User { last_step: None };
//! # let now = SystemTime::now();
//! # let typed = secret.code_at(now);
//! # let typed = typed.expose();
//! // At each login: which step does the typed code belong to?
//! match secret.check(typed, now, user.last_step) {
//!     Some(step) => user.last_step = Some(step), // right; keep the step, it is spent
//!     None => println!("wrong code, or one that was used before"),
//! }
//! assert_eq!(secret.check(typed, now, user.last_step), None); // the same code again is refused
//! # Ok(())
//! # }
//! ```
//!
//! | what | where |
//! |---|---|
//! | codes of an authenticator app | [`TotpSecret`], set by [`TotpParameters`]; [`Drift`] of its clock |
//! | codes of a hardware token with a button | [`HotpSecret`], [`hotp`] |
//! | codes sent by SMS, e-mail or voice | [`DeliveredCode`], kept as a [`CodeHash`] |
//! | codes on paper, for the day the phone is lost | [`RecoveryCodes`], kept as [`RecoveryCodeHash`]es |
//! | how often somebody may guess | [`Attempts`] |
//!
//! # What this crate does not do
//! - It has *no store*. The caller keeps the spent step, and must do so by compare-and-set: of two requests with one code that
//!   read the same last step, only one may write. RFC 6238 §5.2 accepts a code once, and a check cannot see the other request.
//! - It does *not throttle*. Six digits are guessed in a million tries: raise a counter for the account before every
//!   comparison, over all its codes and challenges (RFC 4226 §7.3). [`Attempts`] is the arithmetic, the counter is the host's.
//! - It does *not encrypt*. A seed belongs in an encrypted record: [`StoredTotp`] is the only form that serde sees.
//! - It sends nothing, and draws no QR code.
//!
//! What users type has spaces: [`normalise`] takes them out at the edge, and everything behind it is exact.
//!
//! # Features
//! None.
//!
//! # Where next
//! `countersign-mfa` builds factors out of these parts, with the store, the throttle and the encryption.

mod algorithm;
mod attempts;
mod base32;
mod delivered;
mod drift;
mod generator;
mod hotp;
mod keyed;
mod otpauth;
mod recovery;
mod stored;
mod totp;

pub use algorithm::{Digits, OtpAlgorithm, ParameterError, TotpParameters};
pub use attempts::{Attempts, AttemptsSpent};
pub use delivered::{CodeAlphabet, CodeFormat, CodeFormatError, DeliveredCode, HostError};
pub use drift::Drift;
pub use generator::{SecretError, normalise};
pub use hotp::{HotpSecret, hotp};
pub use keyed::{CodeHash, CodeKey, ParseHashError};
pub use otpauth::{ImportedHotp, ImportedTotp, OtpauthError};
pub use recovery::{RecoveryCode, RecoveryCodeHash, RecoveryCodes};
pub use stored::{StoredHotp, StoredTotp};
pub use totp::TotpSecret;
