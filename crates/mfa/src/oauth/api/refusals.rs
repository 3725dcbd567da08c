//! What the API answers when it does not do as it is asked. Client libraries branch on these very texts.

use countersign_oauth_core::{Cause, Refusal};
use http::StatusCode;

use crate::oauth::reply;
use crate::{LoginError, Step, StepError};

/// Where the texts are written down.
const SECTION: &str = "docs/mfa-api.md";

/// What was shown, for the words of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Otp,
    Binding,
    RecoveryCode,
    Passkey,
}

pub(super) fn malformed_token() -> Refusal {
    Refusal::invalid_grant("Malformed mfa_token").cause("mfa_token.malformed", SECTION)
}

pub(super) fn expired_token() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "expired_token", "mfa_token is expired").cause("mfa_token.expired", SECTION)
}

/// The same of what `/passkey/challenge` gave: another one is asked for.
pub(super) fn of_session(refusal: Refusal) -> Refusal {
    match refusal.cause_id() {
        "mfa_token.malformed" | "mfa_token.expired" => {
            Refusal::invalid_grant("Invalid or expired auth_session").cause("auth_session.dead", SECTION)
        }
        _ => refusal,
    }
}

pub(super) fn already_enrolled() -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "access_denied", "User is already enrolled")
        .cause("mfa_api.already_enrolled", "attack M25")
}

pub(super) fn not_offered() -> Refusal {
    let description = "this cannot be set up here: the user signs in on the pages of the server first";
    Refusal::new(StatusCode::FORBIDDEN, "access_denied", description).cause("mfa_api.not_offered", SECTION)
}

pub(super) fn member(description: &'static str) -> Refusal {
    Refusal::invalid_request(description).cause("mfa_api.member", SECTION)
}

pub(super) fn unsupported_challenge_type() -> Refusal {
    let description = "User does not have an authenticator of a type that was asked for";
    Refusal::new(StatusCode::BAD_REQUEST, "unsupported_challenge_type", description)
        .cause("mfa_api.challenge_type", SECTION)
}

pub(super) fn association_required() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "association_required", "User does not have any authenticators enrolled")
        .cause("mfa_api.association_required", SECTION)
}

pub(super) fn unknown_authenticator() -> Refusal {
    member("authenticator_id is none of the user's that can be asked now")
}

pub(super) fn pending() -> Refusal {
    let description = "Authorization pending: please repeat the request in a few seconds.";
    Refusal::new(StatusCode::BAD_REQUEST, "authorization_pending", description).cause("mfa_api.pending", SECTION)
}

pub(super) fn slow_down() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "slow_down", "You are polling faster than allowed.")
        .cause("mfa_api.slow_down", "RFC 8628 §3.5")
}

pub(super) fn wrong(shown: Shown) -> Refusal {
    let (description, cause) = match shown {
        Shown::Otp => ("Invalid otp_code.", "mfa_api.wrong_otp"),
        Shown::Binding => ("Invalid binding_code.", "mfa_api.wrong_binding_code"),
        Shown::RecoveryCode => ("Invalid recovery_code.", "mfa_api.wrong_recovery_code"),
        Shown::Passkey => ("Invalid passkey.", "mfa_api.wrong_passkey"),
    };
    Refusal::invalid_grant(description).cause(cause, "NIST SP 800-63B-4 §3.2.2")
}

fn rejected() -> Refusal {
    Refusal::invalid_grant("MFA Authorization rejected.").cause("mfa_api.rejected", SECTION)
}

pub(super) fn wrong_password() -> Refusal {
    Refusal::invalid_grant("Wrong email or password.").cause("mfa_api.wrong_password", "RFC 6749 §4.3.2")
}

/// The refusal behind an error of the engine.
pub(super) fn failed(error: LoginError) -> Refusal {
    match error {
        LoginError::Expired => expired_token(),
        LoginError::OtherBrowser => malformed_token(),
        LoginError::Throttled { retry_after } => {
            reply::refusal(LoginError::Throttled { retry_after }).retry_after(retry_after)
        }
        other => reply::refusal(other),
    }
}

/// What a step says that was wrong with the last call; none where nothing was.
pub(super) fn told(step: &Step, shown: Shown) -> Option<Refusal> {
    let refusal = match step.error()? {
        StepError::Denied => rejected(),
        StepError::TooSoon => {
            let wait = std::time::Duration::from_secs(step.resend_in().unwrap_or(1));
            let description = "the last message is not long ago; try again a little later";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "slow_down", description)
                .cause("mfa_api.too_soon", "attack M24")
                .retry_after(wait)
        }
        StepError::Unreachable => member("nobody can be reached there").cause("mfa_api.unreachable", SECTION),
        StepError::NotSent => Refusal::from(Cause::LookupFailed).cause("mfa_api.not_sent", "promise 14"),
        StepError::NoSuchChoice => unknown_authenticator(),
        StepError::InvalidContact => member("phone_number or email is malformed"),
        _ => wrong(shown),
    };
    Some(refusal)
}
