//! What is measured, a file a part of the budget.

mod documents;
mod jwt;
mod limit;
mod otp;
mod token_endpoint;
mod webauthn;

use crate::meter::Subject;

/// Every subject. What is compared stands side by side.
pub(crate) fn all() -> Vec<Box<dyn Subject>> {
    [jwt::subjects(), otp::subjects(), webauthn::subjects(), documents::subjects(), token_endpoint::subjects()]
        .into_iter()
        .flatten()
        .collect()
}
