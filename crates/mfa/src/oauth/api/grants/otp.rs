//! `http://auth0.com/oauth/grant-type/mfa-otp`: the code of an authenticator app or token.

use async_trait::async_trait;
use countersign_oauth_core::{Grant, GrantRequest, Issue, Refusal};

use super::{by_code, short};
use crate::factor::{HOTP, TOTP};
use crate::oauth::Login;
use crate::oauth::api::MfaApi;
use crate::oauth::api::refusals::Shown;

pub(in super::super) struct OtpGrant(pub(in super::super) Login);

#[async_trait]
impl Grant for OtpGrant {
    fn grant_type(&self) -> &str {
        MfaApi::OTP
    }

    async fn redeem(&self, request: &GrantRequest<'_>) -> Result<Issue, Refusal> {
        let code = short(request, "otp", "otp is missing")?;
        by_code(&self.0, request, (code, &[TOTP, HOTP]), Shown::Otp).await
    }
}
