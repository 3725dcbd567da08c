//! What the `claims` parameter says of `acr` (OpenID Connect Core §5.5.1.1). The rest of the parameter is not served, and
//! `claims_parameter_supported` says so; this part is, since a client that calls a class essential must not get a token without it.

use countersign_oauth_core::{At, AuthorizationRequest, Cause, Refusal};
use countersign_primitives::{Acr, AcrTable, Requirement};
use serde::Deserialize;

/// The most values that are looked at.
const MOST: usize = 16;

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClaimsParameter {
    id_token: Option<Members>,
    userinfo: Option<Members>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Members {
    acr: Option<Asked>,
}

/// How a claim is asked for (OpenID Connect Core §5.5.1).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    essential: bool,
    value: Option<String>,
    values: Option<Vec<String>>,
}

impl Asked {
    fn values(&self) -> Vec<Acr> {
        let all = self.value.iter().chain(self.values.iter().flatten());
        all.filter(|value| !value.is_empty()).take(MOST).map(Acr::new).collect()
    }
}

/// Takes over what is asked of `acr`. An essential one is a requirement, one of whose values will do; any other is a preference.
pub(crate) fn read(at: &At<'_>, claims: &str, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
    let claims: ClaimsParameter = serde_json::from_str(claims).map_err(|error| {
        Refusal::invalid_request("claims is no JSON object of the form that the specification gives")
            .cause("oidc.claims", "OpenID Connect Core §5.5")
            .source(error)
    })?;
    let table = at.server.config().acr_table();
    for asked in [claims.userinfo, claims.id_token].into_iter().flatten().filter_map(|members| members.acr) {
        let values = asked.values();
        if asked.essential {
            request.require(&required(&values, table)?, table);
        }
        if !values.is_empty() {
            request.prefer(values);
        }
    }
    Ok(())
}

/// The weakest class that will do; without any value, the weakest there is.
fn required(values: &[Acr], table: &AcrTable) -> Result<Requirement, Refusal> {
    let known = table.classes().iter().filter(|class| values.is_empty() || values.contains(&class.value));
    let weakest = known.min_by_key(|class| class.strength);
    weakest.map(|class| Requirement::at_least(class.value.clone())).ok_or_else(|| Cause::Unmet.into())
}
