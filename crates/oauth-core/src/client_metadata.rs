//! Clients by their metadata (RFC 7591 §2): the members that this server reads, and an error for any other.

use std::sync::Arc;

use countersign_tokens::SigningAlgorithm;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::{Client, ClientAuthenticationMethod as Method};
use crate::{ClientKeys, Config, ConfigError, Extension};

/// The members that the core reads. Others are an extension's, which takes them by [`Extension::register`].
#[derive(Deserialize)]
struct Metadata {
    client_id: String,
    client_secret: Option<String>,
    token_endpoint_auth_method: Option<String>,
    token_endpoint_auth_signing_alg: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    application_type: Option<String>,
    scope: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_name: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    // Read for their shape alone.
    #[serde(rename = "contacts")]
    _contacts: Option<Vec<String>>,
    #[serde(rename = "software_id")]
    _software_id: Option<String>,
    #[serde(rename = "software_version")]
    _software_version: Option<String>,
}

/// The names of the members above.
pub(crate) const MEMBERS: &[&str] = &[
    "client_id",
    "client_secret",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "jwks",
    "jwks_uri",
    "redirect_uris",
    "application_type",
    "scope",
    "grant_types",
    "response_types",
    "client_name",
    "client_uri",
    "logo_uri",
    "policy_uri",
    "tos_uri",
    "contacts",
    "software_id",
    "software_version",
];

/// What writes one member into a client.
type Put = fn(Client, String) -> Client;

/// Reads a client that the host wrote down.
pub(crate) fn read(
    members: &Map<String, Value>,
    extensions: &[Arc<dyn Extension>],
    config: &Config,
) -> Result<Client, ConfigError> {
    let named = members.get("client_id").and_then(Value::as_str).unwrap_or("?").to_owned();
    let wrong = |problem: String| ConfigError::Client { client_id: named.clone(), problem };
    let known: Vec<&str> = extensions.iter().flat_map(|extension| extension.client_members()).copied().collect();
    if let Some(unknown) =
        members.keys().find(|name| !MEMBERS.contains(&name.as_str()) && !known.contains(&name.as_str()))
    {
        return Err(wrong(format!("the member {unknown:?} is not read by any part of this server; leave it out")));
    }
    let mut client = read_core(members, None, config).map_err(&wrong)?;
    for extension in extensions {
        client =
            extension.register(config, members, client).map_err(|refusal| wrong(refusal.description().to_owned()))?;
    }
    Ok(client)
}

/// Reads the core's members. A stored client's secret is known by its hash alone.
pub(crate) fn read_core(
    members: &Map<String, Value>,
    secret_hash: Option<[u8; 32]>,
    config: &Config,
) -> Result<Client, String> {
    let metadata = Metadata::deserialize(members).map_err(|error| error.to_string())?;
    check_types(&metadata, config)?;
    from_metadata(metadata, secret_hash)
}

fn check_types(metadata: &Metadata, config: &Config) -> Result<(), String> {
    for asked in metadata.response_types.iter().flatten() {
        if !config.response_types.contains(&asked.as_str()) {
            return Err(format!("the response type {asked:?} is not served"));
        }
    }
    for asked in metadata.grant_types.iter().flatten() {
        if !config.grant_types.contains(asked) {
            return Err(format!("the grant type {asked:?} is not served"));
        }
    }
    // RFC 7591 §2.1: every response type that is served here begins with a code.
    let by_code = metadata.grant_types.as_ref().is_none_or(|types| types.iter().any(|own| own == "authorization_code"));
    match &metadata.response_types {
        Some(types) if types.is_empty() == by_code => {
            Err("response_types and grant_types contradict each other (RFC 7591 §2.1)".to_owned())
        }
        _ => Ok(()),
    }
}

fn method(metadata: &Metadata) -> Result<Method, String> {
    match metadata.token_endpoint_auth_method.as_deref() {
        Some(name) => {
            Method::parse(name).ok_or_else(|| format!("the token_endpoint_auth_method {name:?} is not served"))
        }
        None if metadata.client_secret.is_some() => Ok(Method::SecretBasic),
        None if metadata.jwks.is_some() => Ok(Method::PrivateKeyJwt),
        None => Ok(Method::None),
    }
}

fn keys(metadata: &Metadata) -> Result<Option<ClientKeys>, String> {
    if metadata.jwks_uri.is_some() {
        return Err(
            "jwks_uri is not served, since this server fetches nothing; give the keys themselves in jwks".to_owned()
        );
    }
    let algorithm = match metadata.token_endpoint_auth_signing_alg.as_deref() {
        None => None,
        Some(name) => {
            let read = name.parse::<SigningAlgorithm>();
            Some(read.map_err(|_| format!("the token_endpoint_auth_signing_alg {name:?} is not served"))?)
        }
    };
    let keys = metadata.jwks.as_ref().map(|jwks| ClientKeys::from_jwks(jwks, algorithm));
    keys.transpose().map_err(|error| error.to_string())
}

fn from_metadata(metadata: Metadata, secret_hash: Option<[u8; 32]>) -> Result<Client, String> {
    let (method, keys) = (method(&metadata)?, keys(&metadata)?);
    check_application_type(&metadata)?;
    let id = metadata.client_id;
    let mut client = match (method, metadata.client_secret, secret_hash, keys) {
        (Method::None, None, ..) => Client::public(id),
        (Method::None, Some(_), ..) => return Err("a public client has no client_secret".to_owned()),
        (Method::PrivateKeyJwt, Some(_), ..) => {
            return Err("a client of private_key_jwt has no client_secret".to_owned());
        }
        (Method::PrivateKeyJwt, None, _, Some(keys)) => Client::with_keys(id, keys),
        (Method::PrivateKeyJwt, None, _, None) => return Err("private_key_jwt needs jwks".to_owned()),
        (Method::SecretBasic | Method::SecretPost, Some(secret), ..) => Client::confidential(id, secret),
        (Method::SecretBasic | Method::SecretPost, None, Some(hash), _) => Client::with_secret_hash(id, hash),
        (Method::SecretBasic | Method::SecretPost, None, None, _) => {
            return Err("this token_endpoint_auth_method needs a client_secret".to_owned());
        }
    };
    if method == Method::SecretPost {
        client = client.secret_post();
    }
    client = metadata.redirect_uris.into_iter().fold(client, Client::redirect_uri);
    if let Some(scope) = metadata.scope {
        client = client.scope(scope);
    }
    if let Some(types) = metadata.grant_types {
        client = client.grant_types(types);
    }
    let shown: [(Option<String>, Put); 5] = [
        (metadata.client_name, Client::name),
        (metadata.client_uri, Client::uri),
        (metadata.logo_uri, Client::logo_uri),
        (metadata.policy_uri, Client::policy_uri),
        (metadata.tos_uri, Client::tos_uri),
    ];
    Ok(shown.into_iter().fold(client, |client, (said, put)| match said {
        Some(said) => put(client, said),
        None => client,
    }))
}

/// OpenID Connect Dynamic Client Registration §2: a web application has no private-use scheme.
fn check_application_type(metadata: &Metadata) -> Result<(), String> {
    let on_the_web = |uri: &String| uri.starts_with("https://") || uri.starts_with("http://");
    match metadata.application_type.as_deref() {
        None | Some("native") => Ok(()),
        Some("web") if metadata.redirect_uris.iter().all(on_the_web) => Ok(()),
        Some("web") => Err("a private-use redirect URI belongs to the application_type native".to_owned()),
        Some(_) => Err("application_type is web or native".to_owned()),
    }
}
