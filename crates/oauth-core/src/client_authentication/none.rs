//! `none`: a public client names itself (RFC 6749 §3.2.1).

use super::{Credential, Shown};
use crate::client::ClientAuthenticationMethod;
use crate::{Cause, Params, Refusal};

pub(super) fn read(form: &Params) -> Result<Shown, Refusal> {
    let client_id = form.get("client_id").ok_or(Cause::ClientNotAuthenticated)?.to_owned();
    Ok(Shown { method: ClientAuthenticationMethod::None, client_id, credential: Credential::Nothing })
}
