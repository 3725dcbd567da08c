//! Making the answer of the token endpoint: checked, admitted and signed, but not yet released.

use std::borrow::Cow;

use bytes::Bytes;
use countersign_events::{Event, EventKind};
use countersign_primitives::{Requirement, SecretString, SignedIn, Subject};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key};
use http::request::Parts;
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::extension::{At, Ended, Hook, Issued, Issuing, Unmet, Wanted};
use crate::grants::{Redemption, check_standing, grant_end};
use crate::records::{self, EndReason, GrantRecord};
use crate::transport::answer;
use crate::{Cause, Client, Gathered, Refusal, ScopeSet, Server};

/// Members of the token response that only the core sets (RFC 6749 §5.1).
const RESERVED: &[&str] = &["access_token", "token_type", "expires_in", "refresh_token", "scope", "error"];

/// An answer that waits for its commit (RFC 6749 §5.1).
#[derive(Serialize)]
pub(crate) struct Prepared {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    // A scope has one token at least (RFC 6749 §3.3).
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    scope: ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    refresh_token: Option<SecretString>,
    /// What extensions add.
    #[serde(flatten)]
    members: Map<String, Value>,
}

impl Prepared {
    /// The answer. Only after the commit that decides it.
    pub(crate) fn release(self) -> Response<Bytes> {
        answer::json(StatusCode::OK, &self)
    }
}

fn exposed<S: serde::Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(SecretString::expose).serialize(serializer)
}

impl Server {
    /// Checks the requirement, asks the extensions, and signs.
    pub(crate) async fn prepare(
        &self,
        at: &At<'_>,
        (grant_type, parts): (&str, &Parts),
        redemption: &mut Redemption,
    ) -> Result<Prepared, Refusal> {
        self.end_in_time(at, redemption)?;
        let config = self.config();
        let wanted = Wanted { scope: &redemption.scope, resources: &redemption.resources, interactive: false };
        let requirement = config.requirement_for(wanted.resources, wanted.scope);
        let requirement = requirement.and(at.client.requirement(), config.acr_table());
        let requirement = requirement.and(&redemption.required, config.acr_table());
        let who = redemption.grant.who();
        let requirement = self.demanded(at, who, wanted, requirement).await?;
        if !self.is_met(&requirement, who, redemption) {
            let grant = (redemption.grant_id, &redemption.grant);
            let unmet = |who| Unmet { grant_type, parts, grant, who, wanted, requirement: &requirement };
            return Err(self.fall_short(at, who.map(unmet)).await?);
        }
        let issuing = Issuing { grant_type, who, scope: &redemption.scope, requirement: &requirement };
        for extension in self.extensions_with(Hook::Admit) {
            extension.admit(at, &issuing).await?;
        }
        let subject = who.map(|who| self.subject_for(at.client, who.subject()));
        let access_token = self.access_token(at, redemption, subject.as_ref()).await?;
        let issued = Issued {
            grant_type,
            grant: &redemption.grant,
            subject: subject.as_ref(),
            scope: &redemption.scope,
            access_token: Some(&access_token),
            code: None,
            response_type: None,
        };
        let mut out = Gathered::new(RESERVED);
        for extension in self.extensions_with(Hook::Respond) {
            extension.respond(at, &issued, &mut out).await?;
        }
        for (name, value) in std::mem::take(&mut redemption.members) {
            out.add(&name, value);
        }
        let members = out.finish()?;
        Ok(Prepared {
            access_token,
            token_type: "Bearer",
            expires_in: redemption.ends.as_secs().saturating_sub(at.now.as_secs()),
            scope: redemption.scope.clone(),
            refresh_token: redemption.refresh_token.take(),
            members,
        })
    }

    /// What extensions demand of a user, beside `requirement`. A class that nobody can rank is met by nobody: it could not be
    /// joined with the others without losing one of them.
    pub(crate) async fn demanded(
        &self,
        at: &At<'_>,
        who: Option<&SignedIn>,
        wanted: Wanted<'_>,
        mut requirement: Requirement,
    ) -> Result<Requirement, Refusal> {
        let Some(who) = who else { return Ok(requirement) };
        for extension in self.extensions_with(Hook::Demand) {
            let (demanded, table) = (extension.demand(at, who, wanted).await?, self.config().acr_table());
            if demanded.acr_value().is_some_and(|acr| table.strength(acr).is_none()) {
                return Err(Cause::UnknownDemand.into());
            }
            requirement = requirement.and(&demanded, table);
        }
        let rests_on_it = requirement.acr_value().is_some() && !requirement.is_never_remembered();
        if rests_on_it && !self.is_vouched_for(at, who).await? {
            requirement = requirement.never_remembered();
        }
        Ok(requirement)
    }

    /// Whether the remembered browser of `who` still is one, by the word of an extension. Without a mark there is nothing to ask.
    async fn is_vouched_for(&self, at: &At<'_>, who: &SignedIn) -> Result<bool, Refusal> {
        let Some(device) = who.remembered_at(at.now) else { return Ok(true) };
        for extension in self.extensions_with(Hook::Vouch) {
            if extension.vouches(at, who.subject(), device).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Who signed in, without the mark of a remembered browser that is remembered no more.
    pub(crate) async fn as_vouched<'a>(
        &self,
        at: &At<'_>,
        who: Option<&'a SignedIn>,
    ) -> Result<Option<Cow<'a, SignedIn>>, Refusal> {
        let Some(who) = who else { return Ok(None) };
        let vouched = self.is_vouched_for(at, who).await?;
        Ok(Some(if vouched { Cow::Borrowed(who) } else { Cow::Owned(who.clone().on_remembered(None)) }))
    }

    /// No grant yields a token below what client and scopes require (promise 8).
    fn is_met(&self, requirement: &Requirement, who: Option<&SignedIn>, redemption: &Redemption) -> bool {
        let table = self.config().acr_table();
        match who {
            Some(who) => {
                requirement.class_met_by(who, table, self.now()) && requirement.age_met_by(who, redemption.proofs_at)
            }
            None => requirement.is_none(),
        }
    }

    /// What a client is told whose grant falls short.
    async fn fall_short(&self, at: &At<'_>, unmet: Option<Unmet<'_>>) -> Result<Refusal, Refusal> {
        if let Some(unmet) = unmet {
            for extension in self.extensions_with(Hook::Unmet) {
                if let Some(refusal) = extension.unmet(at, &unmet).await? {
                    return Ok(refusal);
                }
            }
        }
        Ok(Cause::GrantRequirement.into())
    }

    /// When the access token ends. One that only a login yields comes from nothing else, whatever was granted, and lives as long as
    /// its resource says.
    fn end_in_time(&self, at: &At<'_>, redemption: &mut Redemption) -> Result<(), Refusal> {
        let config = self.config();
        redemption.ends = redemption.ends.min(at.now.plus(config.preset().lifetimes.access_token));
        if !config.has_login_only() {
            return Ok(());
        }
        let audience = config.audience(&redemption.resources, &redemption.scope);
        if let Some(lifetime) = config.login_only(&audience) {
            if !redemption.by_login || redemption.refresh_token.is_some() {
                return Err(Cause::Target.into());
            }
            redemption.ends = redemption.ends.min(at.now.plus(lifetime));
        }
        Ok(())
    }

    /// Signs claims as a JWT of this `typ` with the issuer's key. It may live as long as an access or ID token of this server
    /// does: no longer is its key sure to be published.
    ///
    /// # Errors
    /// When the signer fails.
    pub async fn sign<T: Serialize + Sync + ?Sized>(&self, typ: &str, claims: &T) -> Result<String, Refusal> {
        self.keys().sign(typ, claims).await
    }

    /// The subject as a client sees it: an extension's name for it (pairwise), else its own.
    #[must_use]
    pub fn subject_for(&self, client: &Client, subject: &Subject) -> Subject {
        let named = self.extensions_with(Hook::Subject).find_map(|extension| extension.subject(client, subject));
        named.unwrap_or_else(|| subject.clone())
    }

    /// Ends a grant: a tombstone on its own record, one commit, which also bars what is in flight (promise 12).
    pub(crate) async fn end_grant(
        &self,
        client: &Client,
        grant: &Found<GrantRecord>,
        reason: EndReason,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let at = At { server: self, client, now };
        let id = grant.key.id;
        let mut tombstone = grant.value.clone();
        tombstone.ended = Some(reason);
        let lasts = grant_end(&at, &grant.value).max(grant.expires_at).max(now.plus(TOMBSTONE));
        let mut bare = Batch::new(id, now, self.random())?;
        bare.put_value(grant.key, Expect::Any, lasts, &tombstone)?;
        bare.delete(Key::root(records::CODE, id), Expect::Any);
        let full = self.with_what_follows(&at, &Ended { grant: &grant.value, reason }, &bare).await;
        match self.store().commit_surely(&full).await {
            // What an extension expects of its own records keeps no grant alive.
            Err(CommitError::Conflict(_)) => {
                self.note_refusal(EventKind::Failure, &Cause::StoreFailed.into(), Some(client.id()));
                self.store().commit_surely(&bare).await?;
            }
            outcome => outcome?,
        }
        let mut event = Event::new(EventKind::GrantEnded, now).with_client_id(client.id()).with_grant(id);
        if let Some(who) = grant.value.who() {
            event = event.with_subject(who.subject());
        }
        self.event(&event);
        Ok(())
    }

    /// The batch that ends a grant, with what extensions add. An addition that fails, or that no store takes, is left out.
    async fn with_what_follows(&self, at: &At<'_>, ended: &Ended<'_>, bare: &Batch) -> Batch {
        let mut batch = bare.clone();
        for extension in self.extensions_with(Hook::Ended) {
            let before = batch.clone();
            let added = extension.ended(at, ended, &mut batch).await;
            let failed = match (added, batch.validate()) {
                (Err(refusal), _) => refusal,
                (Ok(()), Err(error)) => Refusal::from(Cause::StoreFailed).source(error),
                (Ok(()), Ok(())) if is_extended(&before, &batch) => continue,
                (Ok(()), Ok(())) => Cause::StoreFailed.into(),
            };
            batch = before;
            self.note_refusal(EventKind::Failure, &failed, Some(at.client.id()));
        }
        batch
    }

    /// Whether a grant's record, and all it rests on, still stands.
    pub(crate) async fn stands(&self, client: &Client, grant: &GrantRecord) -> Result<bool, Refusal> {
        match check_standing(&At { server: self, client, now: self.now() }, grant).await {
            Ok(()) => Ok(true),
            Err(refusal) if refusal.is_failure() => Err(refusal),
            Err(_) => Ok(false),
        }
    }
}

/// Whether a batch is another one with more at its end.
fn is_extended(before: &Batch, after: &Batch) -> bool {
    after.id() == before.id() && after.ops().starts_with(before.ops())
}

/// How long a tombstone stays at least: longer than anything that could create its grant.
const TOMBSTONE: std::time::Duration = std::time::Duration::from_secs(15 * 60);
