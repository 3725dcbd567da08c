//! The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.6).

use countersign_events::{Event, EventKind};
use countersign_pkce::CodeVerifier;
use countersign_primitives::{Requirement, UnixTime};
use countersign_storage_traits::{Batch, Expect, Found, Key};
use countersign_tokens::{Handle, HandleHash};
use serde_json::Map;

use super::{Conflict, Redemption, check_standing, first_refresh_token, grant_end, narrowed_resources};
use crate::endpoints::CODE_HANDLE;
use crate::extension::At;
use crate::records::{self, CodeRecord, EndReason, GrantRecord, SpentCode};
use crate::{Cause, Params, Refusal};

/// Exchanges a code for a grant. The code goes and its grant comes in one batch, and only if the code is as it was read and
/// the grant was never there: a race and a late replay meet the same wall.
pub(crate) async fn redeem(at: &At<'_>, form: &Params) -> Result<Redemption, Refusal> {
    let request = CodeRequest::parse(form)?;
    let id = request.code.id();
    let (code_key, grant_key) = (Key::root(records::CODE, id), Key::root(records::GRANT, id));
    let mut records = at.server.store().get(&[code_key, grant_key], at.now).await?;
    let (grant, code) = (records.pop().flatten(), records.pop().flatten());
    if let Some(grant) = grant {
        return Err(replayed(at, &request, &Found::decode(grant_key, &grant)?).await);
    }
    let code = code.ok_or(Cause::UnknownCode)?;
    let code: Found<CodeRecord> = Found::decode(code_key, &code)?;
    request.check(at, &code.value.binding, &code.value.grant)?;
    check_standing(at, &code.value.grant).await?;

    let mut grant = code.value.grant.clone();
    grant.code = Some(code.value.binding.clone());
    let refresh_token = first_refresh_token(at, id, &mut grant)?;
    let resources = narrowed_resources(at, form, &grant)?;
    let mut batch = Batch::new(id, at.now, at.server.random())?;
    batch.delete(code_key, code.unchanged());
    batch.put_value(grant_key, Expect::Absent, grant_end(at, &grant), &grant)?;
    Ok(Redemption {
        grant_id: id,
        scope: grant.scope.clone(),
        resources,
        batch,
        refresh_token,
        access_token: None,
        once: None,
        conflict: Conflict::CodeReplay,
        proofs_at: code.value.asked_at,
        required: Requirement::NONE,
        ends: UnixTime::MAX,
        by_login: true,
        members: Map::new(),
        grant,
    })
}

struct CodeRequest<'a> {
    code: Handle,
    redirect_uri: Option<&'a str>,
    verifier: Option<&'a str>,
}

impl<'a> CodeRequest<'a> {
    fn parse(form: &'a Params) -> Result<Self, Refusal> {
        let code = form.get("code").ok_or(Cause::MissingParameter)?;
        let code =
            Handle::parse(CODE_HANDLE, code).map_err(|error| Refusal::from(Cause::MalformedCode).source(error))?;
        Ok(Self { code, redirect_uri: form.get("redirect_uri"), verifier: form.get("code_verifier") })
    }

    fn hash(&self, at: &At<'_>) -> HandleHash {
        self.code.hash(at.server.crypto())
    }

    /// Everything that a token request must show beside the code.
    fn check(&self, at: &At<'_>, binding: &SpentCode, grant: &GrantRecord) -> Result<(), Cause> {
        if !binding.hash.matches(&self.hash(at)) {
            return Err(Cause::UnknownCode);
        }
        if grant.client_id.as_str() != at.client.id() {
            return Err(Cause::CodeClient);
        }
        self.check_redirect_uri(at, binding)?;
        self.check_verifier(binding)
    }

    /// The redirect URI of the authorization request, repeated (RFC 6749 §4.1.3).
    fn check_redirect_uri(&self, at: &At<'_>, binding: &SpentCode) -> Result<(), Cause> {
        match self.redirect_uri {
            Some(uri) if uri == binding.redirect_uri => Ok(()),
            Some(_) => Err(Cause::CodeRedirectUri),
            None if binding.redirect_uri_sent && at.server.config().preset_of(at.client).repeat_redirect_uri => {
                Err(Cause::CodeRedirectUri)
            }
            None => Ok(()),
        }
    }

    /// A stored challenge makes the verifier a must; a verifier without a challenge is a downgrade (RFC 9700 §2.1.1).
    fn check_verifier(&self, binding: &SpentCode) -> Result<(), Cause> {
        match (&binding.challenge, self.verifier) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(Cause::UnexpectedVerifier),
            (Some(_), None) => Err(Cause::Verifier),
            (Some(challenge), Some(verifier)) => {
                let verifier = CodeVerifier::parse(verifier).map_err(|_| Cause::Verifier)?;
                if challenge.verify(&verifier) { Ok(()) } else { Err(Cause::Verifier) }
            }
        }
    }
}

/// A code whose grant exists was redeemed before. In an otherwise valid request that is a replay, which ends the grant
/// (RFC 6749 §4.1.2); in any other it is an invalid one, so that nobody who lacks the rest can end it.
async fn replayed(at: &At<'_>, request: &CodeRequest<'_>, grant: &Found<GrantRecord>) -> Refusal {
    let Some(binding) = &grant.value.code else { return Cause::UnknownCode.into() };
    if let Err(cause) = request.check(at, binding, &grant.value) {
        return cause.into();
    }
    match end_for_replay(at, grant).await {
        Ok(()) => Cause::CodeReused.into(),
        Err(refusal) => refusal,
    }
}

async fn end_for_replay(at: &At<'_>, grant: &Found<GrantRecord>) -> Result<(), Refusal> {
    if grant.value.ended.is_none() {
        at.server.end_grant(at.client, grant, EndReason::CodeReused).await?;
    }
    let mut event = Event::new(EventKind::CodeReused, at.now).with_client_id(at.client.id()).with_grant(grant.key.id);
    if let Some(who) = grant.value.who() {
        event = event.with_subject(who.subject());
    }
    at.server.event(&event.with_cause(Cause::CodeReused.id(), Cause::CodeReused.section()));
    Ok(())
}

/// The race for a code was lost: whoever won has a grant now, and this request is the replay that ends it.
pub(crate) async fn lost_race(at: &At<'_>, form: &Params) -> Refusal {
    match redeem(at, form).await {
        // The winner's grant is there, or the code is gone: either way the answer is a refusal.
        Err(refusal) => refusal,
        Ok(_) => Cause::Contention.into(),
    }
}
