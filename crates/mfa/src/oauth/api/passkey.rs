//! `POST /passkey/challenge`: the question to whoever has a passkey. Its options are the same for everybody and name no credential,
//! so nobody learns from them who has one.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Cause, Endpoint, Refusal, ScopeSet, Server, answer};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::body::Body;
use super::transaction::{Transaction, caller};
use super::{MfaApi, bearer, foreign, refusals};
use crate::login::LoginId;
use crate::oauth::Login;
use crate::{LoginRequest, Shown};

pub(super) struct PasskeyChallenge(pub(super) Arc<Login>);

/// What is asked, and what stands for the login that asks it.
#[derive(Serialize)]
struct Asked {
    auth_session: Shown,
    /// `PublicKeyCredentialRequestOptionsJSON` (WebAuthn 3 §5.1.9).
    authn_params_public_key: Value,
}

#[async_trait]
impl Endpoint for PasskeyChallenge {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        match self.ask(server, &parts, &body).await {
            Ok(asked) => answer::json(StatusCode::OK, &asked),
            Err(refusal) => bearer::answer(server, &refusal),
        }
    }
}

impl PasskeyChallenge {
    async fn ask(&self, server: &Server, parts: &Parts, body: &Bytes) -> Result<Asked, Refusal> {
        let body = Body::read(parts, body)?;
        let client = body.client(server, parts).await?;
        if !client.may_use(MfaApi::PASSKEY) || foreign(&client).is_some() {
            return Err(Cause::UnauthorizedClient.into());
        }
        // There is one connection and no organisation, whatever they are called.
        body.text("realm", "realm is a text")?;
        body.text("organization", "organization is a text")?;
        let id = LoginId(server.random().id()?);
        let caller = caller(&client, parts);
        // What the tokens are to be for is said with the answer.
        let terms = (ScopeSet::empty(), Vec::new());
        let (transaction, token) = Transaction::begin(&self.0, server, (id, &client), terms)?;
        let login = LoginRequest::new()
            .called()
            .client(client.display_name())
            .client_id(client.id())
            .languages(caller.languages.clone())
            .context(transaction.to_context());
        let options = self.0.mfa.begin_by_passkey(id, login, &caller).await.map_err(refusals::failed)?;
        let mut options = options.ok_or_else(refusals::not_offered)?;
        let public_key = options.get_mut("publicKey").map(Value::take).ok_or_else(refusals::not_offered)?;
        Ok(Asked { auth_session: Shown::new(token.expose()), authn_params_public_key: public_key })
    }
}
