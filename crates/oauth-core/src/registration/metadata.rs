//! What a stranger says of its client, reduced to what it may have (RFC 7591 §2, OpenID Connect Dynamic Client Registration §2).

use serde_json::{Map, Value, json};

use crate::client::ClientAuthenticationMethod as Method;
use crate::redirect_uri::check_redirect_uri;
use crate::{Cause, Client, Refusal, ScopeSet, Server, client_metadata};

/// The grants that are open to clients that strangers register.
const GRANT_TYPES: [&str; 3] = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"];

/// The longest string in metadata, keys aside.
const MAX_TEXT: usize = 2_048;

/// The longest name: it stands on the consent page.
const MAX_NAME: usize = 120;

/// How many redirect URIs a client may have.
const MAX_REDIRECT_URIS: usize = 32;

/// Metadata that was checked and completed: what the client is registered with.
pub(crate) struct Asked {
    pub(crate) metadata: Map<String, Value>,
    pub(crate) method: Method,
}

impl Asked {
    /// Reads a request's metadata. Members that nobody here reads are left out, as RFC 7591 §2 says, and so are members that are
    /// null (RFC 7592 §2.2).
    pub(crate) fn read(server: &Server, sent: &Map<String, Value>) -> Result<Self, Refusal> {
        if sent.get("software_statement").is_some_and(|value| !value.is_null()) {
            return Err(Cause::SoftwareStatement.into());
        }
        let mut metadata: Map<String, Value> = sent
            .iter()
            .filter(|(name, value)| !value.is_null() && is_read(server, name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        check_redirect_uris(&metadata)?;
        check_texts(&metadata)?;
        complete(server, &mut metadata)?;
        let method = metadata.get("token_endpoint_auth_method").and_then(Value::as_str).and_then(Method::parse);
        let method = method.ok_or_else(|| wrong("this token_endpoint_auth_method is not served"))?;
        let asked = Self { metadata, method };
        // Read as it will be read at every use: with a name and, where it has one, a secret.
        let trial = asked.client(server, "trial", method.uses_secret().then_some([0; 32]))?;
        trial.check().map_err(|error| wrong("the metadata is malformed or contradictory").source(error))?;
        Ok(asked)
    }

    /// The client that this metadata describes.
    fn client(&self, server: &Server, id: &str, secret: Option<[u8; 32]>) -> Result<Client, Refusal> {
        client_of(server, id, &self.metadata, secret)
    }
}

/// A client by stored metadata: what is public and open to strangers, and nothing else, whatever the record says.
pub(super) fn client_of(
    server: &Server,
    id: &str,
    metadata: &Map<String, Value>,
    secret: Option<[u8; 32]>,
) -> Result<Client, Refusal> {
    let mut members = metadata.clone();
    members.insert("client_id".to_owned(), json!(id));
    let client = client_metadata::read_core(&members, secret, server.config());
    let mut client =
        client.map_err(|problem| wrong("the metadata is malformed or asks for what is not served").source(problem))?;
    for extension in &server.0.extensions {
        client = extension.register(server.config(), &members, client)?;
    }
    Ok(client)
}

fn is_read(server: &Server, name: &str) -> bool {
    let own = client_metadata::MEMBERS.contains(&name) && !["client_id", "client_secret"].contains(&name);
    own || server.0.extensions.iter().any(|extension| extension.client_members().contains(&name))
}

/// Texts are bounded, and what is shown to people holds nothing that turns or hides what stands beside it.
fn check_texts(metadata: &Map<String, Value>) -> Result<(), Refusal> {
    let mut pending: Vec<&Value> =
        metadata.iter().filter(|(name, _)| *name != "jwks").map(|(_, value)| value).collect();
    while let Some(value) = pending.pop() {
        match value {
            Value::String(text) if text.len() > MAX_TEXT => return Err(wrong("a member is too long")),
            Value::Array(values) => pending.extend(values),
            Value::Object(members) => pending.extend(members.values()),
            _ => {}
        }
    }
    if let Some(name) = metadata.get("client_name").and_then(Value::as_str) {
        let plain = |character: char| !character.is_control() && !is_format(character);
        if name.trim().is_empty() || name.chars().count() > MAX_NAME || !name.chars().all(plain) {
            return Err(wrong("client_name is empty, too long, or holds a character that is not shown"));
        }
    }
    Ok(())
}

/// Characters that are not seen and change how others are: joiners aside, which names in several scripts need.
fn is_format(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// RFC 7591 §3.2.2: redirect URIs have an error of their own.
fn check_redirect_uris(metadata: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(uris) = metadata.get("redirect_uris") else { return Ok(()) };
    let uris = uris.as_array().ok_or(Cause::RegisteredRedirectUri)?;
    if uris.len() > MAX_REDIRECT_URIS {
        return Err(Cause::RegisteredRedirectUri.into());
    }
    for uri in uris {
        let uri = uri.as_str().ok_or(Cause::RegisteredRedirectUri)?;
        check_redirect_uri(uri).map_err(|error| Refusal::from(Cause::RegisteredRedirectUri).source(error))?;
    }
    Ok(())
}

/// Fills in what RFC 7591 §2 gives a client that says nothing, and leaves out what it may not have.
fn complete(server: &Server, metadata: &mut Map<String, Value>) -> Result<(), Refusal> {
    let default = |metadata: &mut Map<String, Value>, name: &str, value: Value| {
        metadata.entry(name).or_insert(value);
    };
    default(metadata, "token_endpoint_auth_method", json!(Method::SecretBasic.as_str()));
    default(metadata, "grant_types", json!(["authorization_code"]));
    let grants = metadata.get("grant_types").and_then(Value::as_array).cloned().unwrap_or_default();
    if grants.is_empty() || !grants.iter().all(|grant| grant.as_str().is_some_and(|grant| GRANT_TYPES.contains(&grant)))
    {
        return Err(wrong("a grant type is not open to clients that register themselves"));
    }
    if grants.iter().any(|grant| grant == "authorization_code") {
        default(metadata, "response_types", json!(["code"]));
        if metadata.get("redirect_uris").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return Err(Cause::RegisteredRedirectUri.into());
        }
    }
    keep_public_scopes(server, metadata)
}

/// A client gets of the scopes that it names those that are there and public (RFC 7591 §2 lets the server replace them).
fn keep_public_scopes(server: &Server, metadata: &mut Map<String, Value>) -> Result<(), Refusal> {
    let Some(asked) = metadata.get("scope") else { return Ok(()) };
    let asked = asked.as_str().and_then(|scope| ScopeSet::parse(scope).ok());
    let asked = asked.ok_or_else(|| wrong("scope does not follow RFC 6749 section 3.3"))?;
    let public = |token: &str| server.config().scope(token).is_some_and(crate::Scope::is_public);
    let kept = asked.filtered(public);
    if kept.is_empty() {
        return Err(wrong("no scope of these is open to clients that register themselves"));
    }
    metadata.insert("scope".to_owned(), json!(kept.to_string()));
    Ok(())
}

/// `invalid_client_metadata`, with words of our own.
fn wrong(description: &'static str) -> Refusal {
    Refusal::new(http::StatusCode::BAD_REQUEST, "invalid_client_metadata", description)
        .cause(Cause::ClientMetadata.id(), Cause::ClientMetadata.section())
}
