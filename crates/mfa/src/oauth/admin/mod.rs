//! The admin API: factors, policies and users by plain calls, for administrators who have proven a second factor (docs/admin-api.md).
//!
//! Paths, bodies and errors are those that programs know from other servers' management of MFA; what those lack is ours. Tokens alone open it,
//! never a cookie, and no page of another origin may read an answer.

mod answer;
mod body;
mod caller;
mod guardian;
mod users;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{At, Cause, Endpoint, Issuer, Issuing, Refusal, Resource, Route, Scope, ScopeSet, Server};
use countersign_primitives::{Requirement, Subject};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};

use super::Login;
use answer::{Failure, Reply};
use caller::Admin;

/// What the paths begin with, and what its tokens are for.
const PATH: &str = "/admin/api/v2/";

const READ_FACTORS: &str = "read:guardian_factors";
const UPDATE_FACTORS: &str = "update:guardian_factors";
const READ_POLICIES: &str = "read:mfa_policies";
const UPDATE_POLICIES: &str = "update:mfa_policies";
const CREATE_TICKETS: &str = "create:guardian_enrollment_tickets";
const READ_METHODS: &str = "read:authentication_methods";
const UPDATE_METHODS: &str = "update:authentication_methods";
const DELETE_METHODS: &str = "delete:authentication_methods";
const DELETE_ENROLLMENTS: &str = "delete:guardian_enrollments";
const UPDATE_USERS: &str = "update:users";
const READ_SESSIONS: &str = "read:sessions";
const DELETE_SESSIONS: &str = "delete:sessions";
const DELETE_REFRESH_TOKENS: &str = "delete:refresh_tokens";

/// The scopes, and what the consent page says of them.
const SCOPES: [(&str, &str); 13] = [
    (READ_FACTORS, "See which ways to sign in are switched on"),
    (UPDATE_FACTORS, "Switch ways to sign in on and off, for everybody"),
    (READ_POLICIES, "See when users are asked for a second step"),
    (UPDATE_POLICIES, "Change when users are asked for a second step"),
    (CREATE_TICKETS, "Invite users to set up a second step"),
    (READ_METHODS, "See users' ways to sign in"),
    (UPDATE_METHODS, "Rename users' ways to sign in"),
    (DELETE_METHODS, "Remove users' ways to sign in"),
    (DELETE_ENROLLMENTS, "Remove all ways to sign in of a user"),
    (UPDATE_USERS, "Unlock users, and want them to have a second step"),
    (READ_SESSIONS, "See where users are signed in"),
    (DELETE_SESSIONS, "Sign users out"),
    (DELETE_REFRESH_TOKENS, "Take back what users granted"),
];

/// The admin API, to be switched on by [`Login::admin_api`]. Its scopes are [`Scope::admin`]: only clients whose record names them may ask
/// for them, only administrators get them, and only with a second factor.
///
/// ```
/// use std::time::Duration;
/// use countersign_mfa::oauth::AdminApi;
/// use countersign_primitives::Requirement;
///
/// let api = AdminApi::for_group("admin").requires(Requirement::PHISHING_RESISTANT.max_age(Duration::from_secs(3_600)));
/// # let _ = api;
/// ```
#[derive(Debug, Clone)]
pub struct AdminApi {
    group: String,
    requirement: Requirement,
}

impl AdminApi {
    /// For members of a group ([`Account::group`](countersign_accounts::Account::group)), who have proven a second factor in the
    /// login that their token comes from.
    #[must_use]
    pub fn for_group(name: impl Into<String>) -> Self {
        Self { group: name.into(), requirement: Requirement::MFA.never_remembered() }
    }

    /// What administrators must have proven, if it is more than a second factor. It is asked when a token is issued and again at every
    /// call, so a greatest age holds for both.
    #[must_use]
    pub fn requires(mut self, requirement: Requirement) -> Self {
        self.requirement = Scope::admin("", "").requires(requirement).requirement().clone();
        self
    }

    /// What its access tokens are for: the `audience` or `resource` of a request.
    #[must_use]
    pub fn audience(issuer: &Issuer) -> String {
        issuer.url(PATH)
    }

    /// The tokens of its scopes.
    pub fn scope_tokens() -> impl Iterator<Item = &'static str> {
        SCOPES.into_iter().map(|(token, _)| token)
    }

    /// What its scopes require, by place, to be kept within reach ([`MfaBuilder::required`](crate::MfaBuilder::required)).
    pub fn required(&self) -> impl Iterator<Item = (String, Requirement)> {
        Self::scope_tokens().map(|token| (format!("scope {token:?}"), self.requirement.clone()))
    }

    pub(super) fn scopes(&self) -> Vec<Scope> {
        let scope = |(token, description)| Scope::admin(token, description).requires(self.requirement.clone());
        SCOPES.into_iter().map(scope).collect()
    }

    pub(super) fn resources(issuer: &Issuer) -> Vec<Resource> {
        vec![Self::scope_tokens().fold(Resource::new(Self::audience(issuer)), Resource::scope)]
    }

    pub(super) fn routes(login: &Arc<Login>) -> Vec<Route> {
        let route = |rule: &'static Rule| {
            let endpoint = AdminCall { login: Arc::clone(login), rule };
            Route::new(rule.method.clone(), format!("{PATH}{}", rule.path), endpoint)
        };
        RULES.iter().map(route).collect()
    }

    /// Its scopes are for administrators alone, whatever a client asks for.
    pub(super) async fn admit(&self, at: &At<'_>, issuing: &Issuing<'_>) -> Result<(), Refusal> {
        if !is_wanted(issuing.scope) {
            return Ok(());
        }
        match issuing.who {
            Some(who) if self.is_admin(at.server, who.subject()).await? => Ok(()),
            _ => Err(Refusal::new(StatusCode::FORBIDDEN, "access_denied", "these scopes are for administrators")
                .cause("admin.not_an_administrator", "docs/admin-api.md")),
        }
    }

    /// Whether a user is one at this moment.
    async fn is_admin(&self, server: &Server, subject: &Subject) -> Result<bool, Refusal> {
        let Some(accounts) = server.accounts() else { return Ok(false) };
        let account = accounts.by_subject(subject).await;
        let account = account.map_err(|error| Refusal::from(Cause::LookupFailed).source(error))?;
        Ok(account.is_some_and(|account| !account.is_disabled() && account.groups().contains(&self.group)))
    }
}

fn is_wanted(scope: &ScopeSet) -> bool {
    AdminApi::scope_tokens().any(|token| scope.contains(token))
}

/// A call: where it is made, what opens it, and what it does.
struct Rule {
    method: Method,
    path: &'static str,
    /// One of these is needed.
    scopes: &'static [&'static str],
    call: Call,
}

#[derive(Debug, Clone, Copy)]
enum Call {
    ListFactors,
    SwitchFactor,
    ReadPolicies,
    PutPolicies,
    ReadSettings,
    PatchSettings,
    Ticket,
    ListMethods,
    ReadMethod,
    RenameMethod,
    DeleteMethod,
    ResetFactors,
    ForgetBrowsers,
    RequireFactor,
    Unlock,
    ListSessions,
    EndSessions,
    RevokeAccess,
}

const fn rule(method: Method, path: &'static str, scopes: &'static [&'static str], call: Call) -> Rule {
    Rule { method, path, scopes, call }
}

static RULES: [Rule; 19] = [
    rule(Method::GET, "guardian/factors", &[READ_FACTORS], Call::ListFactors),
    rule(Method::PUT, "guardian/factors/{name}", &[UPDATE_FACTORS], Call::SwitchFactor),
    rule(Method::GET, "guardian/policies", &[READ_POLICIES], Call::ReadPolicies),
    rule(Method::PUT, "guardian/policies", &[UPDATE_POLICIES], Call::PutPolicies),
    rule(Method::GET, "guardian/settings", &[READ_POLICIES], Call::ReadSettings),
    rule(Method::PATCH, "guardian/settings", &[UPDATE_POLICIES], Call::PatchSettings),
    rule(Method::POST, "guardian/enrollments/ticket", &[CREATE_TICKETS], Call::Ticket),
    rule(Method::GET, "users/{id}/authentication-methods", &[READ_METHODS], Call::ListMethods),
    rule(Method::DELETE, "users/{id}/authentication-methods", &[DELETE_METHODS], Call::ResetFactors),
    rule(Method::GET, "users/{id}/authentication-methods/{method}", &[READ_METHODS], Call::ReadMethod),
    rule(Method::PATCH, "users/{id}/authentication-methods/{method}", &[UPDATE_METHODS], Call::RenameMethod),
    rule(Method::DELETE, "users/{id}/authentication-methods/{method}", &[DELETE_METHODS], Call::DeleteMethod),
    rule(Method::DELETE, "users/{id}/authenticators", &[DELETE_METHODS, DELETE_ENROLLMENTS], Call::ResetFactors),
    rule(
        Method::POST,
        "users/{id}/multifactor/actions/invalidate-remember-browser",
        &[UPDATE_USERS],
        Call::ForgetBrowsers,
    ),
    rule(Method::PATCH, "users/{id}/multifactor", &[UPDATE_USERS], Call::RequireFactor),
    rule(Method::DELETE, "user-blocks/{id}", &[UPDATE_USERS], Call::Unlock),
    rule(Method::GET, "users/{id}/sessions", &[READ_SESSIONS], Call::ListSessions),
    rule(Method::DELETE, "users/{id}/sessions", &[DELETE_SESSIONS], Call::EndSessions),
    rule(Method::POST, "users/{id}/revoke-access", &[DELETE_SESSIONS], Call::RevokeAccess),
];

struct AdminCall {
    login: Arc<Login>,
    rule: &'static Rule,
}

#[async_trait]
impl Endpoint for AdminCall {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        match self.run(server, &parts, &body).await {
            Ok(reply) => reply.response(),
            Err(failure) => failure.response(server),
        }
    }
}

impl AdminCall {
    async fn run(&self, server: &Server, parts: &Parts, body: &Bytes) -> Result<Reply, Failure> {
        let admin = Admin::of(&self.login, server, parts, self.rule.scopes).await?;
        match self.rule.call {
            Call::ListFactors => guardian::list_factors(&admin).await,
            Call::SwitchFactor => guardian::switch_factor(&admin, body).await,
            Call::ReadPolicies => guardian::read_policies(&admin).await,
            Call::PutPolicies => guardian::put_policies(&admin, body).await,
            Call::ReadSettings => guardian::read_settings(&admin).await,
            Call::PatchSettings => guardian::patch_settings(&admin, body).await,
            Call::Ticket => users::ticket(&admin, body).await,
            Call::ListMethods => users::list_methods(&admin).await,
            Call::ReadMethod => users::read_method(&admin).await,
            Call::RenameMethod => users::rename_method(&admin, body).await,
            Call::DeleteMethod => users::delete_method(&admin).await,
            Call::ResetFactors => users::reset_factors(&admin).await,
            Call::ForgetBrowsers => users::forget_browsers(&admin).await,
            Call::RequireFactor => users::require_factor(&admin, body).await,
            Call::Unlock => users::unlock(&admin).await,
            Call::ListSessions => users::list_sessions(&admin).await,
            Call::EndSessions => users::end_sessions(&admin).await,
            Call::RevokeAccess => users::revoke_access(&admin, body).await,
        }
    }
}
