//! Metadata (RFC 8414, OpenID Connect Discovery 1.0) and the key set (RFC 7517 §5).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_events::EventKind;
use countersign_tokens::SigningAlgorithm;
use http::{Request, Response};
use serde_json::{Map, Value, json};

use super::cacheable;
use crate::client::ClientAuthenticationMethod as Method;
use crate::grants::BUILT_IN;
use crate::transport::{Endpoint, answer};
use crate::{Config, ConfigError, Extension, Gathered, Grant, Server};

/// Serves the metadata document, which was written once.
#[derive(Debug, Clone, Copy)]
pub struct MetadataEndpoint;

#[async_trait]
impl Endpoint for MetadataEndpoint {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (body, etag) = server.metadata();
        cacheable(&request.into_parts().0, body, etag, "application/json")
    }
}

/// Serves the published keys.
pub(crate) struct JwksEndpoint;

#[async_trait]
impl Endpoint for JwksEndpoint {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        match server.keys().published().await {
            Ok(keys) => {
                let (body, etag) = keys.jwks();
                cacheable(&request.into_parts().0, body, etag, "application/jwk-set+json")
            }
            Err(refusal) => {
                server.note_refusal(EventKind::Failure, &refusal, None);
                answer::refusal(&refusal)
            }
        }
    }
}

/// Writes the document: what the core serves, then what each extension adds. It says exactly what is switched on (promise 10).
pub(crate) fn write(
    config: &Config,
    extensions: &[Arc<dyn Extension>],
    grants: &[Arc<dyn Grant>],
) -> Result<Vec<u8>, ConfigError> {
    let mut members = core(config);
    let own = grants.iter().filter(|grant| grant.serves(config.preset())).map(|grant| grant.grant_type());
    members.insert("grant_types_supported".to_owned(), BUILT_IN.into_iter().chain(own).collect());
    for extension in extensions {
        let mut out = Gathered::new(&[]);
        extension.metadata(config, &mut out);
        let added = out.finish().map_err(|_| ConfigError::MetadataTwice { member: extension.name().to_owned() })?;
        for (member, value) in added {
            if members.contains_key(&member) {
                return Err(ConfigError::MetadataTwice { member });
            }
            members.insert(member, value);
        }
    }
    serde_json::to_vec(&members).map_err(|error| ConfigError::Keys(error.into()))
}

fn core(config: &Config) -> Map<String, Value> {
    let issuer = config.issuer();
    let scopes: Vec<_> = config.scopes().iter().filter(|scope| scope.is_public()).map(|scope| scope.token()).collect();
    let methods: Vec<_> = Method::ALL.iter().map(|method| method.as_str()).collect();
    // A token is shown to nobody who does not authenticate (RFC 7662 §2.1).
    let confidential: Vec<_> = methods.iter().filter(|method| **method != Method::None.as_str()).collect();
    let algorithms: Vec<_> = SigningAlgorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
    let value = json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.url("/authorize"),
        "token_endpoint": issuer.url("/oauth/token"),
        "jwks_uri": issuer.url("/.well-known/jwks.json"),
        "scopes_supported": scopes,
        "response_types_supported": config.response_types,
        "response_modes_supported": ["query", "fragment", "form_post"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint": issuer.url("/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": issuer.url("/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    let mut members = match value {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    if !config.registration().is_closed() {
        members.insert("registration_endpoint".to_owned(), json!(issuer.url("/oauth/register")));
    }
    members
}
