//! `http://auth0.com/oauth/grant-type/mfa-recovery-code`: a recovery code, which is spent; the answer brings another one.

use async_trait::async_trait;
use countersign_oauth_core::{Grant, GrantRequest, Issue, Refusal};

use super::{by_code, short};
use crate::factor::RECOVERY_CODE;
use crate::oauth::Login;
use crate::oauth::api::MfaApi;
use crate::oauth::api::refusals::Shown;

pub(in super::super) struct RecoveryCodeGrant(pub(in super::super) Login);

#[async_trait]
impl Grant for RecoveryCodeGrant {
    fn grant_type(&self) -> &str {
        MfaApi::RECOVERY_CODE
    }

    async fn redeem(&self, request: &GrantRequest<'_>) -> Result<Issue, Refusal> {
        let code = short(request, "recovery_code", "recovery_code is missing")?;
        by_code(&self.0, request, (code, &[RECOVERY_CODE]), Shown::RecoveryCode).await
    }
}
