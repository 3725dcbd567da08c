//! `mfa_required`: what a token request lacks, and what its client can do about it.

use countersign_oauth_core::{At, Client, Refusal, Unmet};
use http::StatusCode;
use serde_json::{Value, json};

use super::transaction::{Transaction, caller};
use super::{MfaApi, Wire, refusals, speaks};
use crate::login::LoginId;
use crate::login::machine::ENROL;
use crate::oauth::Login;
use crate::{LoginError, LoginRequest, RefusedReason, Step, Way};

/// The refusal that says so. Clients expect 403.
pub(super) fn refusal(token: &str, step: &Step, client: &Client) -> Refusal {
    let refusal = Refusal::new(StatusCode::FORBIDDEN, "mfa_required", "Multifactor authentication required")
        .cause("mfa_api.required", "promise 8");
    if !MfaApi::is_open_to(client) {
        return refusal; // there is nothing that it could do with a token
    }
    refusal.member("mfa_token", token).member("mfa_requirements", requirements(step, client))
}

/// What a step that is no end says of the ways to go on.
fn requirements(step: &Step, client: &Client) -> Value {
    let (enrol, ask): (Vec<&Way>, Vec<&Way>) = ways(step).iter().partition(|way| way.id.starts_with(ENROL));
    let types = |ways: Vec<&Way>| {
        let mut types: Vec<Value> = Vec::new();
        for wire in ways.into_iter().filter(|way| speaks(client, &way.method)).filter_map(|way| Wire::of(&way.method)) {
            let one = json!({ "type": wire.requirement });
            if !types.contains(&one) {
                types.push(one);
            }
        }
        types
    };
    let mut requirements = json!({});
    for (name, ways) in [("challenge", ask), ("enroll", enrol)] {
        let types = types(ways);
        if !types.is_empty() {
            requirements[name] = types.into();
        }
    }
    requirements
}

/// The ways that a step offers.
pub(super) fn ways(step: &Step) -> &[Way] {
    match step {
        Step::Choose(step) => &step.authenticators,
        Step::Code(step) => &step.or,
        Step::Wait(step) => &step.or,
        Step::Enrol(step) => &step.or,
        _ => &[],
    }
}

/// What a login comes to that cannot reach what is asked.
pub(super) fn out_of_reach(reason: RefusedReason) -> Refusal {
    match reason {
        RefusedReason::AccessDenied => Refusal::new(StatusCode::FORBIDDEN, "access_denied", "the request was denied")
            .cause("mfa_api.denied", "promise 12"),
        RefusedReason::UnmetAuthenticationRequirements => {
            let description = "the authentication that is required cannot be reached";
            Refusal::new(StatusCode::BAD_REQUEST, "unmet_authentication_requirements", description)
                .cause("mfa_api.unmet", "OpenID Connect Core Unmet Authentication Requirements 1.0 §2")
        }
    }
}

/// A refresh fell short: a login begins that its client can bring to an end by the user's factor. One a grant, so that a client that
/// tries again and again fills nothing; what it was given before is void.
pub(super) async fn by_refresh(login: &Login, at: &At<'_>, unmet: &Unmet<'_>) -> Result<Option<Refusal>, Refusal> {
    let (grant_id, _) = unmet.grant;
    let id = LoginId(at.server.derived_id("mfa of refresh", grant_id));
    let terms = (unmet.wanted.scope.clone(), unmet.wanted.resources.to_vec());
    let (transaction, token) = Transaction::begin(login, at.server, (id, at.client), terms)?;
    let transaction = transaction.of_grant(grant_id);
    let caller = caller(at.client, unmet.parts);
    let request = LoginRequest::new()
        .called()
        .requirement(unmet.requirement.clone())
        .client(at.client.display_name())
        .client_id(at.client.id())
        .languages(caller.languages.clone())
        .context(transaction.to_context());
    match login.mfa.begin_anew(id, request, unmet.who.clone(), &caller).await {
        Ok(stand) => Ok(match stand.step {
            Step::Choose(_) => Some(refusal(&token.expose(), &stand.step, at.client)),
            // The password is too old, or nothing that the user has would do: the plain refusal says to sign in again.
            _ => None,
        }),
        Err(LoginError::Expired) => Ok(None),
        Err(error) => Err(refusals::failed(error)),
    }
}
