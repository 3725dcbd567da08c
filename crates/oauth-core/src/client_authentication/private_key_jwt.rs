//! `private_key_jwt`: an assertion signed with a key that the client registered (RFC 7523 §3, OpenID Connect Core §9).

use std::time::Duration;

use bytes::Bytes;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{Batch, CommitError, Expect as Expectation};
use countersign_tokens::{AudienceRule, Compact, Expect, JwtError, RegisteredClaims};
use http::request::Parts;

use super::{Credential, Shown};
use crate::client::ClientAuthenticationMethod;
use crate::config::AssertionAudience;
use crate::{Cause, Client, Params, Refusal, Server};

/// The one `client_assertion_type` that is read (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What `typ` may be. Most clients write `JWT` or nothing; the type of rfc7523bis is welcome.
const TYPES: &[&str] = &["JWT", "client-authentication+jwt"];

/// How far the client's clock may differ from ours.
const LEEWAY: Duration = Duration::from_secs(30);

/// How long an assertion may live: RFC 7523 §3 lets a server refuse one that ends unreasonably far in the future. Widely used
/// libraries make theirs for an hour, and each is remembered as spent for as long as it lives.
const LONGEST_LIFE: Duration = Duration::from_secs(3_600);

/// Takes the assertion apart. Whose it says it is decides only whose keys are asked.
pub(super) fn read(form: &Params) -> Result<Option<Shown>, Refusal> {
    let (kind, assertion) = (form.get("client_assertion_type"), form.get("client_assertion"));
    let assertion = match (kind, assertion) {
        (None, None) => return Ok(None),
        (Some(ASSERTION_TYPE), Some(assertion)) => assertion,
        (Some(ASSERTION_TYPE), None) => return Err(Cause::ClientNotAuthenticated.into()),
        _ => return Err(Cause::ClientAssertionType.into()),
    };
    let subject = unverified_subject(assertion)?;
    if form.get("client_id").is_some_and(|named| named != subject) {
        return Err(Cause::ClientMismatch.into());
    }
    let credential = Credential::Assertion(assertion.to_owned());
    Ok(Some(Shown { method: ClientAuthenticationMethod::PrivateKeyJwt, client_id: subject, credential }))
}

fn unverified_subject(assertion: &str) -> Result<String, Refusal> {
    let compact = Compact::parse(assertion).map_err(refused)?;
    let claims = compact.danger_unverified().map_err(refused)?;
    Ok(claims.require_subject().map_err(refused)?.to_owned())
}

/// Verifies the assertion with the keys of the client's record, then files it as spent, even if the request fails later: under
/// any concurrency and on every node it serves once (promise 1).
pub(super) async fn verify(server: &Server, parts: &Parts, client: &Client, assertion: &str) -> Result<(), Refusal> {
    let keys = client.keys().ok_or(Cause::ClientMethod)?;
    let compact = Compact::parse(assertion).map_err(refused)?;
    let verified = compact.verify(server.crypto(), keys.verifying(), &Expect::typ_if_any(TYPES)).map_err(refused)?;
    let claims = verified.registered().map_err(refused)?;
    let now = server.now();
    check_parties(&claims, client).map_err(refused)?;
    check_audience(server, parts, client, &claims).map_err(refused)?;
    let exp = check_times(&claims, now)?;
    let serial = claims.require_jwt_id().map_err(refused)?;
    spend(server, client, serial, now, exp.plus(LEEWAY)).await
}

/// RFC 7523 §3, items 1 and 2: issuer and subject are the client.
fn check_parties(claims: &RegisteredClaims<'_>, client: &Client) -> Result<(), JwtError> {
    claims.check_issuer(client.id())?;
    if claims.require_subject()? == client.id() { Ok(()) } else { Err(JwtError::Issuer) }
}

/// RFC 7523 §3, item 3, without its openness: one string, so that no other server named beside us can pass the assertion on.
fn check_audience(
    server: &Server,
    parts: &Parts,
    client: &Client,
    claims: &RegisteredClaims<'_>,
) -> Result<(), JwtError> {
    let issuer = server.config().issuer();
    match server.config().preset_of(client).assertion_audience {
        AssertionAudience::Issuer => claims.check_audience(AudienceRule::ExactlyOne(issuer.as_str())),
        AssertionAudience::IssuerOrEndpoint => {
            // Built from the issuer: what `Host` says plays no part.
            let called = format!("{}{}", issuer.origin(), parts.uri.path());
            let token_endpoint = issuer.url("/oauth/token");
            claims.check_audience(AudienceRule::ExactlyOneOf(&[issuer.as_str(), &token_endpoint, &called]))
        }
    }
}

/// RFC 7523 §3, items 4 to 6.
fn check_times(claims: &RegisteredClaims<'_>, now: UnixTime) -> Result<UnixTime, Refusal> {
    let exp = claims.require_expiry(now, LEEWAY).map_err(refused)?;
    claims.check_not_before(now, LEEWAY).map_err(refused)?;
    claims.check_issued_at(now, LEEWAY).map_err(refused)?;
    if exp > now.plus(LONGEST_LIFE).plus(LEEWAY) { Err(Cause::ClientAssertionLifetime.into()) } else { Ok(exp) }
}

/// RFC 7523 §3, item 7: an assertion serves once. It is remembered until its own time is over.
async fn spend(server: &Server, client: &Client, serial: &str, now: UnixTime, until: UnixTime) -> Result<(), Refusal> {
    let key = server.secrets().spent_assertion(client.id(), serial);
    let mut batch = Batch::new(key.partition, now, server.random())?;
    batch.put(key, Expectation::Absent, until, Vec::new(), Bytes::new());
    match server.store().commit_surely(&batch).await {
        Ok(()) => Ok(()),
        Err(CommitError::Conflict(_)) => Err(Cause::ClientAssertionReplayed.into()),
        Err(error) => Err(error.into()),
    }
}

/// The cause of a refused assertion. The client is told of none.
fn refused(error: JwtError) -> Refusal {
    let cause = match error {
        JwtError::Algorithm | JwtError::UnknownKey | JwtError::Signature => Cause::ClientAssertionSignature,
        JwtError::Issuer => Cause::ClientAssertionParties,
        JwtError::Audience | JwtError::Missing("aud") => Cause::ClientAssertionAudience,
        JwtError::Expired | JwtError::NotYetValid | JwtError::Missing("exp") => Cause::ClientAssertionLifetime,
        _ => Cause::MalformedClientAssertion,
    };
    Refusal::from(cause).source(error)
}
