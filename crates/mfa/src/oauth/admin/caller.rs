//! Who calls the admin API: an administrator who has proven enough, by an access token alone.

use countersign_oauth_core::{Cause, Refusal, ScopeSet, Server};
use countersign_primitives::{Requirement, SignedIn, Subject};
use http::request::Parts;
use http::{StatusCode, header};
use percent_encoding::percent_decode_str;

use super::answer::Failure;
use super::{AdminApi, PATH};
use crate::oauth::api::bearer_token;
use crate::oauth::{HelpDesk, Login};
use crate::{Operator, SettingsVersion};

/// An administrator, for one call.
pub(super) struct Admin<'a> {
    pub(super) login: &'a Login,
    pub(super) server: &'a Server,
    pub(super) parts: &'a Parts,
    pub(super) operator: Operator,
    scope: ScopeSet,
}

impl<'a> Admin<'a> {
    /// Checks, in this order: that there is a token of ours for this API, that it is a user's, that the user had proven enough, that the
    /// token has one of these scopes, and that the user is an administrator at this moment.
    pub(super) async fn of(
        login: &'a Login,
        server: &'a Server,
        parts: &'a Parts,
        scopes: &'static [&'static str],
    ) -> Result<Self, Failure> {
        let api = login.admin.as_ref().ok_or_else(|| Failure::missing("inexistent", "Nothing is served here."))?;
        let token = bearer_token(parts)?;
        let access = server.inspect(&token, &AdminApi::audience(server.config().issuer())).await?;
        let access = access.ok_or_else(|| Refusal::from(Cause::InvalidToken))?;
        let Some(who) = access.grant.who() else {
            return Err(Failure::new(
                StatusCode::FORBIDDEN,
                "user_required",
                "A client by itself administers nothing.",
            ));
        };
        login.mfa.0.refresh_settings().await?;
        let table = server.config().acr_table();
        let asked = login.mfa.0.run_time.settings().asked_for(access.scope.iter(), table);
        let requirement = api.requirement.clone().and(&asked, table);
        if !requirement.met_by(who, table, server.now()) {
            return Err(insufficient_authentication(&requirement));
        }
        let admin = Self {
            login,
            server,
            parts,
            operator: Operator::user(who.subject().clone()).by_client(access.client.id()),
            scope: access.scope.clone(),
        };
        admin.need(scopes)?;
        admin.is_still_one(api, who).await?;
        Ok(admin)
    }

    async fn is_still_one(&self, api: &AdminApi, who: &SignedIn) -> Result<(), Failure> {
        if api.is_admin(self.server, who.subject()).await? {
            return Ok(());
        }
        let message = "The user is no administrator.";
        Err(Failure::new(StatusCode::FORBIDDEN, "not_an_administrator", message))
    }

    /// The token must have one of these scopes (RFC 6750 §3.1).
    pub(super) fn need(&self, scopes: &[&str]) -> Result<(), Failure> {
        if scopes.iter().any(|scope| self.scope.contains(scope)) {
            return Ok(());
        }
        let any = scopes.join(" ");
        let message = format!("Insufficient scope, expected any of: {}.", scopes.join(", "));
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{any}\"");
        Err(Failure::new(StatusCode::FORBIDDEN, "insufficient_scope", message).challenge(challenge))
    }

    /// A segment of the path below the API's, by its place.
    pub(super) fn segment(&self, place: usize) -> String {
        let below = self.parts.uri.path().split_once(PATH).map(|(_, below)| below).unwrap_or_default();
        let segment = below.split('/').nth(place).unwrap_or_default();
        percent_decode_str(segment).decode_utf8_lossy().into_owned()
    }

    /// The user that the path names.
    pub(super) fn user(&self) -> Subject {
        Subject::new(self.segment(1))
    }

    pub(super) fn desk(&self) -> HelpDesk {
        HelpDesk::new(self.server, &self.login.mfa, self.operator.clone())
    }

    /// The state that the settings must still be in (RFC 9110 §13.1.1).
    pub(super) fn seen(&self) -> Result<Option<SettingsVersion>, Failure> {
        let Some(value) = self.parts.headers.get(header::IF_MATCH) else { return Ok(None) };
        match value.to_str().ok() {
            Some("*") => Ok(None),
            Some(tag) => {
                let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
                let seen = tag.and_then(|tag| tag.parse().ok());
                let message = "If-Match takes one entity tag that this API gave out.";
                seen.map(Some).ok_or_else(|| Failure::new(StatusCode::BAD_REQUEST, "invalid_if_match", message))
            }
            None => Err(Failure::new(StatusCode::BAD_REQUEST, "invalid_if_match", "If-Match is no text.")),
        }
    }
}

/// What is to be asked of the user for a token that does (RFC 9470 §3).
fn insufficient_authentication(requirement: &Requirement) -> Failure {
    let mut challenge =
        "Bearer error=\"insufficient_user_authentication\", error_description=\"the login must be stronger or newer\""
            .to_owned();
    if let Some(acr) = requirement.acr_value() {
        challenge += &format!(", acr_values=\"{}\"", acr.as_str());
    }
    if let Some(age) = requirement.max_age_value() {
        challenge += &format!(", max_age=\"{}\"", age.as_secs());
    }
    let message = "The login that the token comes from must be stronger or newer.";
    Failure::new(StatusCode::UNAUTHORIZED, "insufficient_user_authentication", message).challenge(challenge)
}
