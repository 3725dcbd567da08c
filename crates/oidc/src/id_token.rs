//! ID tokens (OpenID Connect Core §2), and the hint that a client sends with one.

use countersign_oauth_core::{At, AuthorizationRequest, Issued, Member, Params, Refusal};
use countersign_primitives::{Acr, Amr, Subject};
use countersign_tokens::{AudienceRule, Expect, left_half_hash};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{acr, claims};

/// The `nonce` of an authorization request, kept until its ID token is made.
#[derive(Debug, Serialize, Deserialize)]
struct Nonce(String);

impl Member for Nonce {
    const NAME: &'static str = "oidc.nonce";
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
    auth_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a Acr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<Amr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    /// What the login learnt.
    #[serde(flatten)]
    of_login: Map<String, Value>,
}

/// Reads `nonce`, what `claims` says of `acr`, and `id_token_hint` (OpenID Connect Core §3.1.2.1).
pub(crate) async fn validate(at: &At<'_>, params: &Params, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
    if !request.scope().contains("openid") {
        return Ok(());
    }
    if let Some(nonce) = params.get("nonce") {
        request.set_member(&Nonce(nonce.to_owned()));
    }
    if let Some(asked) = params.get("claims") {
        acr::read(at, asked, request)?;
    }
    if let Some(hint) = params.get("id_token_hint") {
        request.only(hinted_subject(at, hint).await?);
    }
    Ok(())
}

/// Whom an ID token of ours speaks of. An expired one will do: it is a hint, and was ours (OpenID Connect Core §3.1.2.1).
async fn hinted_subject(at: &At<'_>, hint: &str) -> Result<Subject, Refusal> {
    let verified = at.server.verify_own(hint, &Expect::typ_if_any(&["JWT"])).await?;
    let checked = verified.and_then(|verified| {
        let claims = verified.registered()?;
        claims.check_issuer(at.server.config().issuer().as_str())?;
        claims.check_audience(AudienceRule::Contains(at.client.id()))?;
        claims.require_subject().map(Subject::new)
    });
    checked.map_err(|error| {
        Refusal::invalid_request("id_token_hint is no ID token of this server for this client")
            .cause("oidc.id_token_hint", "OpenID Connect Core §3.1.2.1")
            .source(error)
    })
}

/// Signs the ID token of a token response; none where a client acts for itself.
pub(crate) async fn sign(at: &At<'_>, issued: &Issued<'_>) -> Result<Option<String>, Refusal> {
    let (Some(who), Some(subject)) = (issued.grant.who(), issued.subject) else { return Ok(None) };
    // A refreshed ID token has no nonce: that belonged to the login (OpenID Connect Core §12.2).
    let nonce = if issued.grant_type == "authorization_code" { issued.grant.member::<Nonce>() } else { None };
    let hash = |token| left_half_hash(at.server.crypto(), at.server.signing_algorithm(), token);
    let claims = Claims {
        iss: at.server.config().issuer().as_str(),
        sub: subject.as_str(),
        aud: at.client.id(),
        exp: at.now.plus(at.server.config().preset().lifetimes.id_token).as_secs(),
        iat: at.now.as_secs(),
        auth_time: who.auth_time().as_secs(),
        nonce: nonce.map(|Nonce(nonce)| nonce),
        acr: issued.grant.acr(),
        amr: who.amr_values(),
        at_hash: issued.access_token.map(hash),
        sid: who.session_id().map(|session| session.as_str()),
        of_login: claims::of_login(who, issued.scope),
    };
    at.server.sign("JWT", &claims).await.map(Some)
}
