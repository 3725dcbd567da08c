//! The entries of the file: clients, scopes, resources, lifetimes, users.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign::{Acr, Lifetimes, Preset, Requirement, TokenFormat};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::value::Period;

/// A client: its metadata, whose members are those of RFC 7591 §2, and what its users must prove.
///
/// Whether a value can be served is the server's to say: it gets the metadata as it stands here.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    pub(super) client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uris: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post_logout_redirect_uris: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_signing_alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tos_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token_signed_response_alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_auth_time: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_max_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_number_matching: Option<bool>,
    #[serde(skip_serializing, default)]
    first_party: bool,
    #[serde(skip_serializing)]
    requires: Option<RequirementEntry>,
    #[serde(skip_serializing)]
    preset: Option<PresetEntry>,
    #[serde(skip_serializing, default)]
    token_format: TokenFormatEntry,
    #[serde(skip_serializing, default)]
    introspects: Vec<String>,
}

/// The switches of one client, by the name of their preset.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PresetEntry {
    #[serde(rename = "oauth21")]
    OAuth21,
    Oidc,
    Legacy,
}

impl ClientEntry {
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The metadata as an object.
    pub(crate) fn metadata(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(metadata)) => metadata,
            _ => Map::new(),
        }
    }

    pub(crate) fn requirement(&self) -> Requirement {
        requirement(self.requires.as_ref())
    }

    /// Whether it belongs to whoever runs the server: nobody is asked for consent, and under preset `legacy` it may send passwords.
    pub(crate) fn is_first_party(&self) -> bool {
        self.first_party
    }

    /// What its access tokens look like.
    pub(crate) fn token_format(&self) -> TokenFormat {
        self.token_format.into()
    }

    /// The resources whose tokens it may ask about.
    pub(crate) fn introspects(&self) -> Vec<String> {
        self.introspects.clone()
    }

    /// The client's own switches, in place of the server's.
    pub(crate) fn preset(&self) -> Option<Preset> {
        self.preset.map(|preset| match preset {
            PresetEntry::OAuth21 => Preset::oauth21(),
            PresetEntry::Oidc => Preset::oidc(),
            PresetEntry::Legacy => Preset::legacy(),
        })
    }
}

/// Shows which client it is, not its secret.
impl std::fmt::Debug for ClientEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientEntry").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A scope, and what it takes to get it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeEntry {
    pub(crate) name: String,
    pub(crate) description: String,
    /// It opens administration.
    #[serde(default)]
    pub(crate) admin: bool,
    requires: Option<RequirementEntry>,
}

impl ScopeEntry {
    pub(crate) fn requirement(&self) -> Requirement {
        requirement(self.requires.as_ref())
    }
}

/// A resource (RFC 8707), and the scopes that belong to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceEntry {
    pub(crate) uri: String,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    token_format: TokenFormatEntry,
    requires: Option<RequirementEntry>,
}

impl ResourceEntry {
    pub(crate) fn requirement(&self) -> Requirement {
        requirement(self.requires.as_ref())
    }

    pub(crate) fn token_format(&self) -> TokenFormat {
        self.token_format.into()
    }
}

/// What access tokens look like.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TokenFormatEntry {
    #[default]
    Jwt,
    Opaque,
}

impl From<TokenFormatEntry> for TokenFormat {
    fn from(entry: TokenFormatEntry) -> Self {
        match entry {
            TokenFormatEntry::Jwt => Self::Jwt,
            TokenFormatEntry::Opaque => Self::Opaque,
        }
    }
}

/// A least class of authentication and a greatest age.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequirementEntry {
    acr: Option<String>,
    max_age: Option<Period>,
    /// Whether a remembered device stands in for it, where one can.
    remembered: Option<bool>,
}

impl From<&RequirementEntry> for Requirement {
    fn from(entry: &RequirementEntry) -> Self {
        let acr = match entry.acr.as_deref() {
            None => Self::NONE,
            Some("mfa") => Self::MFA,
            Some(other) => Self::at_least(Acr::new(other)),
        };
        let needed = match entry.max_age {
            Some(Period(age)) => acr.max_age(age),
            None => acr,
        };
        if entry.remembered == Some(false) { needed.never_remembered() } else { needed }
    }
}

fn requirement(entry: Option<&RequirementEntry>) -> Requirement {
    entry.map_or(Requirement::NONE, Requirement::from)
}

/// How long things live; what is left out keeps its default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LifetimesEntry {
    code: Option<Period>,
    access_token: Option<Period>,
    id_token: Option<Period>,
    refresh_token_idle: Option<Period>,
    refresh_token_absolute: Option<Period>,
    refresh_token_grace: Option<Period>,
    login: Option<Period>,
    session_idle: Option<Period>,
    session_absolute: Option<Period>,
    mfa_token: Option<Period>,
}

impl LifetimesEntry {
    /// How long an `mfa_token` lives, if the file says so.
    pub(crate) fn mfa_token(&self) -> Option<Duration> {
        self.mfa_token.map(|Period(said)| said)
    }

    /// Puts what the file says in place of the defaults.
    pub(crate) fn apply(&self, lifetimes: &mut Lifetimes) {
        let places: [(Option<Period>, &mut Duration); 9] = [
            (self.code, &mut lifetimes.code),
            (self.access_token, &mut lifetimes.access_token),
            (self.id_token, &mut lifetimes.id_token),
            (self.refresh_token_idle, &mut lifetimes.refresh_token_idle),
            (self.refresh_token_absolute, &mut lifetimes.refresh_token_absolute),
            (self.refresh_token_grace, &mut lifetimes.refresh_token_grace),
            (self.login, &mut lifetimes.login),
            (self.session_idle, &mut lifetimes.session_idle),
            (self.session_absolute, &mut lifetimes.session_absolute),
        ];
        for (said, place) in places {
            if let Some(Period(said)) = said {
                *place = said;
            }
        }
    }
}

/// The admin API, and the page for administrators.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminEntry {
    /// Whose members are administrators.
    pub(crate) group: String,
}

/// What is known of a demo user beside his name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserEntry {
    pub(crate) groups: Vec<String>,
    pub(crate) claims: BTreeMap<String, Value>,
}
