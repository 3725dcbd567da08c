//! The password grant (RFC 6749 §4.3), for clients that cannot be changed any more: only under [`Preset::password_grant`], and only for
//! those that belong to whoever runs the server. Passwords are guessed, throttled and judged as on the pages.

use async_trait::async_trait;
use countersign_oauth_core::{Client, Grant, GrantRequest, Issue, Preset, Refusal};
use countersign_primitives::SecretString;

use super::short;
use crate::login::LoginId;
use crate::oauth::Login;
use crate::oauth::api::transaction::{Transaction, caller};
use crate::oauth::api::{MfaApi, foreign, refusals, required};
use crate::{Answer, LoginError, LoginRequest, Step};

pub(in super::super) struct PasswordGrant {
    pub(in super::super) login: Login,
    pub(in super::super) grant_type: &'static str,
}

#[async_trait]
impl Grant for PasswordGrant {
    fn grant_type(&self) -> &str {
        self.grant_type
    }

    fn serves(&self, preset: &Preset) -> bool {
        preset.password_grant
    }

    fn objection(&self, client: &Client) -> Option<&'static str> {
        foreign(client)
    }

    async fn redeem(&self, request: &GrantRequest<'_>) -> Result<Issue, Refusal> {
        let name = short(request, "username", "username is missing")?;
        let password = request.optional_param("password").ok_or_else(|| refusals::member("password is missing"))?;
        if password.len() > Answer::MAX_PASSWORD {
            return Err(refusals::wrong_password());
        }
        if self.grant_type == MfaApi::PASSWORD_REALM {
            short(request, "realm", "realm is missing")?; // there is one connection, whatever it is called
        }
        let (server, client) = (request.server(), request.client());
        let terms = request.terms()?;
        let id = LoginId(server.random().id()?);
        let caller = caller(client, request.parts());
        let login = LoginRequest::new()
            .called()
            .requirement(request.requirement(&terms))
            .client(client.display_name())
            .client_id(client.id())
            .languages(caller.languages.clone());
        let (transaction, token) = Transaction::begin(&self.login, server, (id, client), terms.clone())?;
        let login = login.context(transaction.to_context());
        let begun = self.login.mfa.begin_by_password(id, login, (name, &SecretString::new(password)), &caller).await;
        let stand = match begun {
            // Passwords are not what this server asks for.
            Err(LoginError::NotALoginAnswer) => return Err(refusals::wrong_password()),
            begun => begun.map_err(refusals::failed)?,
        };
        match (&stand.step, stand.login) {
            (Step::Done(done), Some(login)) => {
                let issue = Issue::to(done.signed_in.clone()).under_epoch(login.epoch).of(terms.0, terms.1);
                Ok(if transaction.refreshable { issue.refreshable() } else { issue })
            }
            (Step::Password(_) | Step::MagicLink(_), _) => Err(refusals::wrong_password()),
            (Step::Refused(refused), _) => Err(required::out_of_reach(refused.reason)),
            (step, _) => Err(required::refusal(&token.expose(), step, client)),
        }
    }
}
