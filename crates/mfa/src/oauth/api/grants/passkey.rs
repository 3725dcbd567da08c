//! `urn:okta:params:oauth:grant-type:webauthn`: what a passkey signed, for a question of `/passkey/challenge`.

use async_trait::async_trait;
use countersign_oauth_core::{Client, Grant, GrantRequest, Issue, Refusal};

use super::{Subject, short};
use crate::Answer;
use crate::oauth::Login;
use crate::oauth::api::refusals::{self, Shown};
use crate::oauth::api::transaction::{Open, Transaction};
use crate::oauth::api::{MfaApi, foreign};

pub(in super::super) struct PasskeyGrant(pub(in super::super) Login);

#[async_trait]
impl Grant for PasskeyGrant {
    fn grant_type(&self) -> &str {
        MfaApi::PASSKEY
    }

    fn objection(&self, client: &Client) -> Option<&'static str> {
        foreign(client)
    }

    async fn redeem(&self, request: &GrantRequest<'_>) -> Result<Issue, Refusal> {
        let (login, server) = (&self.0, request.server());
        let session = short(request, "auth_session", "auth_session is missing")?;
        let response = request.optional_param("authn_response");
        let response = response.ok_or_else(|| refusals::member("authn_response is missing"))?;
        let open = Open::by_token(login, server, request.parts(), session).await.map_err(refusals::of_session)?;
        let open = open.of_client(request.client()).map_err(refusals::of_session)?;
        let terms = request.terms()?;
        let requirement = request.requirement(&terms);
        let transaction = open.transaction.clone().with_terms(terms);
        let wanted = (requirement, transaction.to_context());
        let stand = login.mfa.reply_by_passkey(open.id, wanted, &Answer::webauthn(response), &open.caller).await;
        let stand = stand.map_err(refusals::failed).map_err(refusals::of_session)?;
        // Where who signs in was known before, so was what the tokens are for: another request cannot change it.
        let settled = stand.login.as_ref().and_then(|login| Transaction::of(&login.context));
        let transaction = settled.ok_or_else(|| refusals::wrong(Shown::Passkey))?;
        let open = Open { transaction, ..open };
        Subject::Login(Box::new(open)).conclude(request, stand, Shown::Passkey)
    }
}
