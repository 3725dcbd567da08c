//! Reading an authorization request: the client and its redirect URI first, since until both are verified nothing is
//! redirected; then everything else, whose errors the client is told.

use std::sync::Arc;

use bytes::Bytes;
use countersign_pkce::{ChallengeMethod, CodeChallenge};
use countersign_primitives::{Acr, Requirement};
use http::Method;
use http::header;
use http::request::Parts;

use super::respond::Back;
use crate::config::Pkce;
use crate::extension::At;
use crate::records::{AuthorizationRequest, Prompt, ResponseMode};
use crate::redirect_uri::VerifiedRedirect;
use crate::{Cause, Client, ClientId, Hook, Members, Params, Refusal, ScopeSet, Server};

/// Who hears of a request that fails. An open redirect cannot be written down: a redirect needs a [`VerifiedRedirect`].
pub(crate) enum Failure {
    /// Client or URI unknown: tell the user, redirect nowhere (RFC 6749 §4.1.2.1).
    ShowUser(Refusal),
    /// Tell the client.
    Redirect { back: Back, refusal: Refusal },
}

impl<T: Into<Refusal>> From<T> for Failure {
    fn from(refusal: T) -> Self {
        Self::ShowUser(refusal.into())
    }
}

impl Params {
    /// Reads the parameters of a request that browsers bring: the query of a GET, the form of a POST (OpenID Connect Core §3.1.2.1).
    ///
    /// # Errors
    /// When the body is longer than `limit` or no form, or the parameters are malformed.
    pub fn of_request(parts: &Parts, body: &Bytes, limit: usize) -> Result<Self, Refusal> {
        read(parts, body, limit)
    }
}

/// Reads the parameters: the query of a GET, the form of a POST (OpenID Connect Core §3.1.2.1).
pub(crate) fn read(parts: &Parts, body: &Bytes, limit: usize) -> Result<Params, Refusal> {
    // Also for a host that calls from a route of its own.
    if body.len() > limit {
        return Err(Cause::BodyTooLarge.into());
    }
    let encoded = match parts.method {
        Method::POST => {
            let form = "application/x-www-form-urlencoded";
            if !is_content_type(parts, form) {
                return Err(Cause::ContentType.into());
            }
            &body[..]
        }
        _ => parts.uri.query().unwrap_or_default().as_bytes(),
    };
    Params::parse(encoded).map_err(|error| Refusal::from(Cause::MalformedParameters).source(error))
}

/// Whether the body is of this type, whatever parameters follow it.
pub(crate) fn is_content_type(parts: &Parts, expected: &str) -> bool {
    let value = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

impl Server {
    /// Reads a request into one that passed every check of its shape.
    pub(crate) async fn read_authorization_request(
        &self,
        params: &Params,
    ) -> Result<(Arc<Client>, AuthorizationRequest), Failure> {
        let (client, redirect) = self.verified_client(params).await?;
        let state = params.get("state").filter(|_| !params.is_repeated("state"));
        let mut back = Back::new(&redirect, state, ResponseMode::Query);
        let asked_mode = params.get("response_mode").and_then(ResponseMode::parse);
        back.mode = asked_mode.unwrap_or_else(|| default_mode(params.get("response_type").unwrap_or("code")));
        match self.read_rest(params, &client, &redirect).await {
            Ok(request) => Ok((client, request)),
            Err(refusal) => Err(Failure::Redirect { back, refusal }),
        }
    }

    /// The client, and a redirect URI that it registered (RFC 6749 §3.1.2.3, RFC 9700 §2.1).
    async fn verified_client(&self, params: &Params) -> Result<(Arc<Client>, VerifiedRedirect), Refusal> {
        if params.is_repeated("client_id") || params.is_repeated("redirect_uri") {
            return Err(Cause::RepeatedParameter.into());
        }
        let id = params.get("client_id").and_then(ClientId::parse).ok_or(Cause::AuthorizeUnknownClient)?;
        let client = self.find_client(&id).await?.ok_or(Cause::AuthorizeUnknownClient)?;
        let redirect = client.verify_redirect(params.get("redirect_uri")).ok_or(Cause::RedirectUri)?;
        Ok((client, redirect))
    }

    async fn read_rest(
        &self,
        params: &Params,
        client: &Client,
        redirect: &VerifiedRedirect,
    ) -> Result<AuthorizationRequest, Refusal> {
        check_forms_not_served(params)?;
        let response_type = self.response_type(params, client)?;
        let mut request = AuthorizationRequest {
            client_id: ClientId::parse(client.id()).ok_or(Cause::AuthorizeUnknownClient)?,
            client_instance: client.instance_id(),
            redirect_uri: redirect.as_str().to_owned(),
            redirect_uri_sent: params.get("redirect_uri").is_some(),
            response_mode: response_mode(params, response_type)?,
            response_type: response_type.to_owned(),
            scope: self.requested_scope(params.get("scope"), client)?,
            state: params.get("state").map(str::to_owned),
            challenge: self.challenge(params, client)?,
            resources: self.requested_resources(params)?,
            prompt: prompt(params.get("prompt"))?,
            max_age: max_age(params.get("max_age"))?,
            acr_values: acr_values(params.get("acr_values")),
            login_hint: params.get("login_hint").map(str::to_owned),
            ui_locales: params.get("ui_locales").map(str::to_owned),
            requirement: Requirement::NONE,
            only_subject: None,
            members: Members::default(),
        };
        self.config().check_login_only(&request.resources, &request.scope)?;
        let at = At { server: self, client, now: self.now() };
        for extension in self.extensions_with(Hook::Validate) {
            extension.validate(&at, params, &mut request).await?;
        }
        Ok(request)
    }

    /// The response type, as it is served: the order of its values does not matter (RFC 6749 §3.1.1).
    fn response_type(&self, params: &Params, client: &Client) -> Result<&'static str, Refusal> {
        let asked = params.get("response_type").ok_or(Cause::MissingResponseType)?;
        let mut served = self.config().response_types.iter().copied();
        let served = served.find(|served| is_response_type(asked, served)).ok_or(Cause::ResponseType)?;
        if !client.may_use("authorization_code") {
            return Err(Cause::AuthorizeUnauthorizedClient.into());
        }
        Ok(served)
    }

    /// The code challenge (RFC 7636 §4.3): S256 alone, and from everybody whom the preset names.
    fn challenge(&self, params: &Params, client: &Client) -> Result<Option<CodeChallenge>, Refusal> {
        let method = params.get("code_challenge_method");
        match params.get("code_challenge") {
            Some(text) => {
                // Without a method the challenge would be plain (RFC 7636 §4.3), which is not served.
                let method = method.ok_or(Cause::ChallengeMethod)?;
                ChallengeMethod::parse(method).map_err(|error| Refusal::from(Cause::ChallengeMethod).source(error))?;
                let challenge = CodeChallenge::parse(text);
                challenge.map(Some).map_err(|error| Refusal::from(Cause::MalformedChallenge).source(error))
            }
            None if method.is_some() => Err(Cause::MissingChallenge.into()),
            None if self.config().preset_of(client).pkce == Pkce::Required || client.is_public() => {
                Err(Cause::MissingChallenge.into())
            }
            None => Ok(None),
        }
    }

    /// The scopes asked for: each known, and open to this client (RFC 6749 §3.3).
    pub(crate) fn requested_scope(&self, asked: Option<&str>, client: &Client) -> Result<ScopeSet, Refusal> {
        let Some(asked) = asked else { return Ok(ScopeSet::empty()) };
        let asked = ScopeSet::parse(asked).map_err(|error| Refusal::from(Cause::Scope).source(error))?;
        let open = |token: &str| match (self.config().scope(token), client.names_scope(token)) {
            (Some(_), Some(named)) => named,
            (Some(scope), None) => scope.is_public(),
            (None, _) => false,
        };
        if asked.iter().all(open) { Ok(asked) } else { Err(Cause::Scope.into()) }
    }

    /// The resources asked for (RFC 8707 §2), by either name of the parameter.
    pub(crate) fn requested_resources(&self, params: &Params) -> Result<Vec<String>, Refusal> {
        let mut resources: Vec<String> = Vec::new();
        for asked in params.all("resource").chain(params.all("audience")) {
            if self.config().resource(asked).is_none() && asked != self.config().issuer().as_str() {
                return Err(Cause::Target.into());
            }
            if !resources.iter().any(|known| known == asked) {
                resources.push(asked.to_owned());
            }
        }
        Ok(resources)
    }
}

fn is_response_type(asked: &str, served: &str) -> bool {
    let sorted = |text: &str| {
        let mut values: Vec<_> = text.split(' ').map(str::to_owned).collect();
        values.sort_unstable();
        values
    };
    asked == served || asked.len() == served.len() && sorted(asked) == sorted(served)
}

fn default_mode(response_type: &str) -> ResponseMode {
    if response_type == "code" { ResponseMode::Query } else { ResponseMode::Fragment }
}

fn response_mode(params: &Params, response_type: &str) -> Result<ResponseMode, Refusal> {
    let default = default_mode(response_type);
    let Some(asked) = params.get("response_mode") else { return Ok(default) };
    match ResponseMode::parse(asked) {
        // What carries more than a code must not stand in a query, which logs and referrers keep.
        Some(ResponseMode::Query) if default == ResponseMode::Fragment => Err(Cause::ResponseMode.into()),
        Some(mode) => Ok(mode),
        None => Err(Cause::ResponseMode.into()),
    }
}

/// Ways of asking that other servers know and this one does not must fail, not be ignored (OpenID Connect Core §3.1.2.6).
fn check_forms_not_served(params: &Params) -> Result<(), Refusal> {
    if params.repeated().is_some() {
        return Err(Cause::RepeatedParameter.into());
    }
    if params.get("request").is_some() {
        return Err(Cause::RequestNotSupported.into());
    }
    if params.get("request_uri").is_some() {
        return Err(Cause::RequestUriNotSupported.into());
    }
    Ok(())
}

fn prompt(asked: Option<&str>) -> Result<Prompt, Refusal> {
    let mut prompt = Prompt::default();
    let mut others = false;
    for value in asked.unwrap_or_default().split(' ').filter(|value| !value.is_empty()) {
        match value {
            "none" => prompt.none = true,
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return Err(Cause::Prompt.into()),
        }
        others |= value != "none";
    }
    if prompt.none && others { Err(Cause::Prompt.into()) } else { Ok(prompt) }
}

fn max_age(asked: Option<&str>) -> Result<Option<u64>, Refusal> {
    let Some(asked) = asked else { return Ok(None) };
    let digits = asked.len() <= 10 && asked.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| asked.parse().ok()).flatten().map(Some).ok_or_else(|| Cause::MaxAge.into())
}

/// The preferred classes, the best first. Bounded, since they are kept.
fn acr_values(asked: Option<&str>) -> Vec<Acr> {
    asked.unwrap_or_default().split(' ').filter(|value| !value.is_empty()).take(16).map(Acr::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oidc_core_3_1_2_1_prompt_none_stands_alone() {
        assert!(prompt(Some("none")).unwrap().none);
        let both = prompt(Some("login consent")).unwrap();
        assert!(both.login && both.consent && !both.none);
        for bad in ["none login", "none consent", "unknown"] {
            assert!(prompt(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn oidc_core_3_1_2_1_max_age_is_a_number_of_seconds() {
        assert_eq!(max_age(Some("0")).unwrap(), Some(0));
        assert_eq!(max_age(None).unwrap(), None);
        for bad in ["-1", "1.5", "abc", "99999999999", "+5"] {
            assert!(max_age(Some(bad)).is_err(), "{bad}");
        }
    }
}
