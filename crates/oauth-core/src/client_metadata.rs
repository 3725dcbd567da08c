//! Clients by their metadata (RFC 7591 §2): the members that this server reads, and an error for any other.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::{Client, ClientAuthenticationMethod};
use crate::{Config, ConfigError, Extension};

/// The members that the core reads. Others are an extension's, which takes them by [`Extension::register`].
#[derive(Deserialize)]
struct Metadata {
    client_id: String,
    client_secret: Option<String>,
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    scope: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_name: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
}

/// The names of the members above.
const MEMBERS: &[&str] = &[
    "client_id",
    "client_secret",
    "token_endpoint_auth_method",
    "redirect_uris",
    "scope",
    "grant_types",
    "response_types",
    "client_name",
    "client_uri",
    "logo_uri",
];

pub(crate) fn read(
    members: &Map<String, Value>,
    extensions: &[Arc<dyn Extension>],
    config: &Config,
) -> Result<Client, ConfigError> {
    let named = members.get("client_id").and_then(Value::as_str).unwrap_or("?").to_owned();
    let wrong = |problem: String| ConfigError::Client { client_id: named.clone(), problem };
    let metadata = Metadata::deserialize(members).map_err(|error| wrong(error.to_string()))?;
    let known: Vec<&str> = extensions.iter().flat_map(|extension| extension.client_members()).copied().collect();
    if let Some(unknown) =
        members.keys().find(|name| !MEMBERS.contains(&name.as_str()) && !known.contains(&name.as_str()))
    {
        return Err(wrong(format!("the member {unknown:?} is not read by any part of this server; leave it out")));
    }
    check_response_types(&metadata, config).map_err(&wrong)?;
    let mut client = from_metadata(metadata).map_err(&wrong)?;
    for extension in extensions {
        client =
            extension.register(config, members, client).map_err(|refusal| wrong(refusal.description().to_owned()))?;
    }
    Ok(client)
}

fn check_response_types(metadata: &Metadata, config: &Config) -> Result<(), String> {
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
    Ok(())
}

fn from_metadata(metadata: Metadata) -> Result<Client, String> {
    let method = match metadata.token_endpoint_auth_method.as_deref() {
        Some(name) => ClientAuthenticationMethod::parse(name)
            .ok_or_else(|| format!("the token_endpoint_auth_method {name:?} is not served"))?,
        None if metadata.client_secret.is_some() => ClientAuthenticationMethod::SecretBasic,
        None => ClientAuthenticationMethod::None,
    };
    let mut client = match (method, metadata.client_secret) {
        (ClientAuthenticationMethod::None, None) => Client::public(metadata.client_id),
        (ClientAuthenticationMethod::None, Some(_)) => return Err("a public client has no client_secret".to_owned()),
        (_, None) => return Err("this token_endpoint_auth_method needs a client_secret".to_owned()),
        (ClientAuthenticationMethod::SecretPost, Some(secret)) => {
            Client::confidential(metadata.client_id, secret).secret_post()
        }
        (_, Some(secret)) => Client::confidential(metadata.client_id, secret),
    };
    for uri in metadata.redirect_uris {
        client = client.redirect_uri(uri);
    }
    if let Some(scope) = metadata.scope {
        client = client.scope(scope);
    }
    if let Some(types) = metadata.grant_types {
        client = client.grant_types(types);
    }
    if let Some(name) = metadata.client_name {
        client = client.name(name);
    }
    if let Some(uri) = metadata.client_uri {
        client = client.uri(uri);
    }
    if let Some(uri) = metadata.logo_uri {
        client = client.logo_uri(uri);
    }
    Ok(client)
}
