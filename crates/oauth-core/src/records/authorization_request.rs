//! An authorization request that passed every check of its shape.

use std::fmt;
use std::time::Duration;

use countersign_pkce::CodeChallenge;
use countersign_primitives::{Acr, AcrTable, Id, Requirement, Subject};
use serde::{Deserialize, Serialize};

use crate::{ClientId, Member, Members, ScopeSet};

/// How the answer travels to the client (OAuth 2.0 Multiple Response Type Encoding Practices §2.1, Form Post Response Mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    Query,
    /// In the fragment of the redirect URI.
    Fragment,
    /// In the body of a POST that the browser sends.
    FormPost,
}

impl ResponseMode {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }

    /// The mode of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Query, Self::Fragment, Self::FormPost].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// What a client wants the user to be asked (OpenID Connect Core §3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Prompt {
    /// `none`: nobody may be asked anything.
    #[serde(default)]
    pub none: bool,
    /// `login` or `select_account`: sign in anew.
    #[serde(default)]
    pub login: bool,
    /// `consent`: ask for consent even if it was given before.
    #[serde(default)]
    pub consent: bool,
}

/// An authorization request. What is stored of it is what was validated, and it never changes after.
#[derive(Clone, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub(crate) client_id: ClientId,
    pub(crate) client_instance: Id,
    pub(crate) redirect_uri: String,
    /// Whether the request named the redirect URI, so that the token request must repeat it.
    pub(crate) redirect_uri_sent: bool,
    pub(crate) response_type: String,
    pub(crate) response_mode: ResponseMode,
    pub(crate) scope: ScopeSet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) challenge: Option<CodeChallenge>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<String>,
    #[serde(default)]
    pub(crate) prompt: Prompt,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) acr_values: Vec<Acr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) login_hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ui_locales: Option<String>,
    #[serde(default)]
    pub(crate) requirement: Requirement,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) only_subject: Option<Subject>,
    #[serde(default)]
    pub(crate) members: Members,
}

/// Shows who asks for what; not `state`, which the client guards itself with, nor what a user typed.
impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest")
            .field("client_id", &self.client_id)
            .field("response_type", &self.response_type)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl AuthorizationRequest {
    /// The scopes asked for.
    #[must_use]
    pub fn scope(&self) -> &ScopeSet {
        &self.scope
    }

    /// The resources asked for by name (RFC 8707 §2).
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// The `acr` values that the client prefers, the best first.
    #[must_use]
    pub fn acr_values(&self) -> &[Acr] {
        &self.acr_values
    }

    /// How old the login may be.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age.map(Duration::from_secs)
    }

    /// What the user may be asked.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        self.prompt
    }

    /// The response type.
    #[must_use]
    pub fn response_type(&self) -> &str {
        &self.response_type
    }

    /// What extensions keep with it.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Keeps something of an extension's with the request, and with the grant that may follow.
    pub fn set_member<M: Member>(&mut self, member: &M) {
        self.members.set(member);
    }

    /// Demands more of the user, beside what client and scopes demand. What a request asks for is proven: no remembered browser stands
    /// in for it.
    pub fn require(&mut self, requirement: &Requirement, table: &AcrTable) {
        self.requirement = std::mem::take(&mut self.requirement).and(requirement, table).never_remembered();
    }

    /// Prefers these classes, the best first, to those of `acr_values`.
    pub fn prefer(&mut self, values: impl IntoIterator<Item = Acr>) {
        self.acr_values = values.into_iter().collect();
    }

    /// Accepts this user alone (`id_token_hint`, OpenID Connect Core §3.1.2.1).
    pub fn only(&mut self, subject: Subject) {
        self.only_subject = Some(subject);
    }

    /// Accepts a login of at most this age, where the request says nothing of it (`default_max_age`).
    pub fn set_max_age(&mut self, age: Duration) {
        self.max_age = Some(age.as_secs());
    }
}
