//! `client_secret_post`: name and secret in the body (RFC 6749 §2.3.1).

use countersign_primitives::SecretString;

use super::{Credential, Shown};
use crate::client::ClientAuthenticationMethod;
use crate::{Cause, Params, Refusal};

pub(super) fn read(form: &Params) -> Result<Option<Shown>, Refusal> {
    let Some(secret) = form.get("client_secret") else { return Ok(None) };
    let client_id = form.get("client_id").ok_or(Cause::ClientNotAuthenticated)?.to_owned();
    let credential = Credential::Secret(SecretString::new(secret));
    Ok(Some(Shown { method: ClientAuthenticationMethod::SecretPost, client_id, credential }))
}
