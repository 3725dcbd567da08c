//! Answering the client: a code, or an error, by the way it asked for.

use bytes::Bytes;
use countersign_events::{Event, EventKind};
use countersign_primitives::{Acr, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key};
use countersign_tokens::{Handle, HandleKind};
use http::{Response, StatusCode};

use super::Pending;
use super::decide::Judged;
use super::outcome::Outcome;
use crate::extension::{At, Hook, Issued, Issuing, Wanted};
use crate::records::{
    self, AuthorizationRequest, CodeRecord, ConsentRecord, Done, GrantRecord, ResponseMode, SpentCode, index,
};
use crate::redirect_uri::VerifiedRedirect;
use crate::transport::{answer, with_query};
use crate::{Browser, Cause, Gathered, Refusal, ScopeSet, Server};

/// The prefix of authorization codes.
pub(crate) const CODE_HANDLE: HandleKind = HandleKind::new("cs_code");

/// How long the same answer may be asked for again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Members of the authorization response that only the core sets.
const RESERVED: &[&str] = &["code", "state", "iss", "error", "error_description", "error_uri"];

/// Where an answer goes: a verified redirect URI, by a mode, with the client's state.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    uri: String,
    state: Option<String>,
    pub(crate) mode: ResponseMode,
}

impl Back {
    pub(crate) fn new(uri: &VerifiedRedirect, state: Option<&str>, mode: ResponseMode) -> Self {
        Self { uri: uri.as_str().to_owned(), state: state.map(str::to_owned), mode }
    }

    /// The way back of a request whose redirect URI was verified when it was read.
    pub(crate) fn of(request: &AuthorizationRequest) -> Self {
        Self { uri: request.redirect_uri.clone(), state: request.state.clone(), mode: request.response_mode }
    }

    /// The answer, with `state` and `iss` (RFC 9207 §2) at its end.
    fn answer(&self, issuer: &str, members: &[(&str, &str)]) -> Response<Bytes> {
        let mut pairs = members.to_vec();
        if let Some(state) = &self.state {
            pairs.push(("state", state));
        }
        pairs.push(("iss", issuer));
        match self.mode {
            ResponseMode::Query => answer::see_other(&with_query(&self.uri, &pairs)),
            ResponseMode::Fragment => {
                let fragment = with_query("", &pairs);
                answer::see_other(&format!("{}#{}", self.uri, fragment.trim_start_matches('?')))
            }
            ResponseMode::FormPost => form_post(&self.uri, &pairs),
        }
    }
}

/// The script of the form_post page. The page's policy names its hash, so that it alone runs.
const SUBMIT: &str = "document.forms[0].submit()";

/// A page whose form carries the answer to the client (OAuth 2.0 Form Post Response Mode §2); a button serves without script.
fn form_post(uri: &str, pairs: &[(&str, &str)]) -> Response<Bytes> {
    use std::fmt::Write as _;
    let mut inputs = String::new();
    for (name, value) in pairs {
        let (name, value) = (answer::escape(name), answer::escape(value));
        let _ = write!(inputs, "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
    }
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Continue</title></head><body>\
         <form method=\"post\" action=\"{}\">{inputs}<button type=\"submit\">Continue</button></form>\
         <script>{SUBMIT}</script></body></html>",
        answer::escape(uri)
    );
    let hash = countersign_tokens::CryptoProvider::sha256(&countersign_tokens::Ring, &[SUBMIT.as_bytes()]);
    let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash);
    let policy = format!("{}; script-src 'sha256-{hash}'", answer::CONTENT_SECURITY_POLICY);
    answer::page(StatusCode::OK, html, &policy)
}

impl Server {
    /// Tells the client of an error, at its verified redirect URI (RFC 6749 §4.1.2.1).
    pub(super) fn tell_client(&self, browser: &Browser, back: &Back, refusal: Refusal) -> Outcome {
        if refusal.is_failure() && refusal.error() == "server_error" {
            return self.refused(refusal);
        }
        self.note_refusal(EventKind::AuthorizationRefused, &refusal, None);
        let members = [("error", refusal.error()), ("error_description", refusal.description())];
        let reply = back.answer(self.config().issuer().as_str(), &members);
        Outcome::Done(self.with_cookie(browser, reply))
    }

    /// Issues a code: decides the interaction first, from which the code then follows, so that a reload gets the same one.
    pub(super) async fn grant_code(
        &self,
        pending: &Pending,
        judged: &Judged,
        scope: ScopeSet,
    ) -> Result<Response<Bytes>, Refusal> {
        let who = judged.who.clone().ok_or(Cause::LoginRequired)?;
        let now = self.now();
        let done = Done { grant: self.random().id()?, subject: who.subject().clone(), scope, at: now };
        let grant = self.grant_of(pending, judged, &done)?;
        self.admit_code(pending, &grant).await?;
        self.remember_consent(pending, judged).await?;
        let (done, secret) = match &pending.kept {
            Some(kept) => {
                let done = self.conclude(kept, done).await?;
                let secret = self.secrets().code(kept.id(), done.grant);
                (done, secret)
            }
            None => (done, self.random().array()?),
        };
        let grant = GrantRecord { scope: done.scope.clone(), ..grant };
        let reply = self.issue_code(pending, grant, &done, secret).await?;
        let event = Event::new(EventKind::AuthorizationGranted, now).with_client_id(pending.client.id());
        self.event(&event.with_subject(done.subject).with_grant(done.grant));
        Ok(reply)
    }

    /// An interaction that was decided: its own browser gets the same answer again for a minute.
    pub(super) async fn answer_again(&self, browser: &Browser, pending: &Pending, judged: &Judged) -> Outcome {
        let decided = pending.kept.as_ref().and_then(|kept| kept.done.as_ref().map(|done| (kept.id(), done)));
        let Some((interaction, done)) = decided else { return self.refused(Cause::InteractionDone.into()) };
        let same_user = judged.who.as_ref().is_some_and(|who| who.subject() == &done.subject);
        if !same_user || self.now().since(done.at) > AGAIN {
            return self.refused(Cause::InteractionDone.into());
        }
        let again = async {
            let grant = self.grant_of(pending, judged, done)?;
            self.admit_code(pending, &grant).await?;
            self.issue_code(pending, grant, done, self.secrets().code(interaction, done.grant)).await
        };
        match again.await {
            Ok(reply) => Outcome::Done(self.with_cookie(browser, reply)),
            Err(refusal) => self.refused(refusal),
        }
    }

    fn grant_of(&self, pending: &Pending, judged: &Judged, done: &Done) -> Result<GrantRecord, Refusal> {
        let request = &pending.request;
        let who = judged.who.clone().ok_or(Cause::LoginRequired)?;
        let table = self.config().acr_table();
        // Of the classes that the client prefers, the first that was reached and is enough is stated.
        let needed = judged.requirement.acr_value();
        let enough = |acr: &Acr| needed.is_none_or(|needed| table.satisfies(acr, needed));
        let reached = |acr: &&Acr| table.knows(acr) && table.reached(&who, acr, self.now());
        let stated = request.acr_values.iter().filter(reached).find(|acr| enough(acr));
        let mut indexes = vec![
            (index::GRANTS_OF_SUBJECT, self.secrets().subject_partition(who.subject())),
            (index::GRANTS_OF_CLIENT, self.secrets().client_index(&request.client_id)),
        ];
        if let Some(session) = who.session_id() {
            indexes.push((index::GRANTS_OF_SESSION, self.secrets().session_index(session.as_str())));
        }
        let offline = done.scope.contains("offline_access");
        let audience = self.config().audience(&request.resources, &done.scope);
        let with_refresh_token =
            pending.client.may_use("refresh_token") && self.config().login_only(&audience).is_none();
        Ok(GrantRecord {
            client_id: request.client_id.clone(),
            client_instance: request.client_instance,
            stated_acr: stated.cloned(),
            who: Some(who),
            epoch: judged.epoch,
            // With `openid` a refresh token is asked for by `offline_access` (OpenID Connect Core §11).
            refreshable: with_refresh_token && (offline || !done.scope.contains("openid")),
            scope: done.scope.clone(),
            resources: request.resources.clone(),
            members: request.members.clone(),
            started_at: self.now(),
            code: None,
            refresh: None,
            ended: None,
            access_token: None,
            indexes,
        })
    }

    async fn admit_code(&self, pending: &Pending, grant: &GrantRecord) -> Result<(), Refusal> {
        let at = At { server: self, client: &pending.client, now: self.now() };
        let requirement = self.config().requirement_for(&grant.resources, &grant.scope);
        let requirement = requirement.and(pending.client.requirement(), self.config().acr_table());
        let wanted = Wanted { scope: &grant.scope, resources: &grant.resources, interactive: true };
        let requirement = self.demanded(&at, grant.who(), wanted, requirement).await?;
        let issuing =
            Issuing { grant_type: "authorization", who: grant.who(), scope: &grant.scope, requirement: &requirement };
        for extension in self.extensions_with(Hook::Admit) {
            extension.admit(&at, &issuing).await?;
        }
        Ok(())
    }

    /// Files the code, created once, and only while its grant has never been.
    async fn issue_code(
        &self,
        pending: &Pending,
        grant: GrantRecord,
        done: &Done,
        secret: [u8; 32],
    ) -> Result<Response<Bytes>, Refusal> {
        let (id, now) = (done.grant, self.now());
        // Counted from the decision, so that making the answer again makes no code live longer.
        let expires_at = done.at.plus(self.config().preset().lifetimes.code);
        if now >= expires_at {
            return Err(Cause::InteractionDone.into());
        }
        let handle = Handle::from_parts(CODE_HANDLE, id, secret);
        let members = self.authorization_members(pending, &grant, &handle).await?;
        let record = CodeRecord {
            binding: SpentCode {
                hash: handle.hash(self.crypto()),
                redirect_uri: pending.request.redirect_uri.clone(),
                redirect_uri_sent: pending.request.redirect_uri_sent,
                challenge: pending.request.challenge.clone(),
            },
            grant,
            asked_at: pending.since,
        };
        let code_key = Key::root(records::CODE, id);
        let grant_key = Key::root(records::GRANT, id);
        let mut batch = Batch::new(id, now, self.random())?;
        batch.check(grant_key, Expect::Absent);
        batch.put_value(code_key, Expect::Absent, expires_at, &record)?;
        match self.store().commit_surely(&batch).await {
            Ok(()) => {}
            // A reload: the same code is there already. One that was redeemed does not come back.
            Err(CommitError::Conflict(key)) if key == code_key => self.check_same_code(code_key, &record).await?,
            Err(CommitError::Conflict(_)) => return Err(Cause::InteractionDone.into()),
            Err(error) => return Err(error.into()),
        }
        let code = handle.to_secret_string();
        let mut pairs = vec![("code", code.expose())];
        pairs.extend(members.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Ok(Back::of(&pending.request).answer(self.config().issuer().as_str(), &pairs))
    }

    async fn check_same_code(&self, key: Key, record: &CodeRecord) -> Result<(), Refusal> {
        let found: Option<Found<CodeRecord>> = self.store().find(key, self.now()).await?;
        let same = found.is_some_and(|found| found.value.binding.hash.matches(&record.binding.hash));
        if same { Ok(()) } else { Err(Cause::InteractionDone.into()) }
    }

    /// What extensions add for a response type of their own.
    async fn authorization_members(
        &self,
        pending: &Pending,
        grant: &GrantRecord,
        code: &Handle,
    ) -> Result<Vec<(String, String)>, Refusal> {
        let response_type = pending.request.response_type.as_str();
        if response_type == "code" {
            return Ok(Vec::new());
        }
        let at = At { server: self, client: &pending.client, now: self.now() };
        let subject = grant.who().map(|who| self.subject_for(&pending.client, who.subject()));
        let code = code.to_secret_string();
        let issued = Issued {
            grant_type: "authorization",
            grant,
            subject: subject.as_ref(),
            scope: &grant.scope,
            access_token: None,
            code: Some(code.expose()),
            response_type: Some(response_type),
        };
        let mut out = Gathered::new(RESERVED);
        for extension in self.extensions_with(Hook::Respond) {
            extension.respond(&at, &issued, &mut out).await?;
        }
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(out.finish()?.into_iter().map(|(name, value)| (name, text(value))).collect())
    }

    /// Remembers consent that was given just now, beside what was given before. Losing the note to another writer costs the
    /// user one more question.
    async fn remember_consent(&self, pending: &Pending, judged: &Judged) -> Result<(), Refusal> {
        let (Some(scope), Some(who)) = (&judged.remember, &judged.who) else { return Ok(()) };
        let key = self.secrets().consent_key(who.subject(), &pending.request.client_id);
        let now = self.now();
        let found = self.store().find::<ConsentRecord>(key, now).await?;
        let instance = pending.client.instance_id();
        let before = found.as_ref().map(|found| &found.value);
        let before = before.filter(|given| given.epoch == judged.epoch && given.client_instance == instance);
        let record = ConsentRecord {
            client_id: pending.client.id().to_owned(),
            client_instance: instance,
            // What the page showed and the user left out is forgotten; what it did not show stays.
            scope: before.map_or_else(
                || scope.clone(),
                |before| before.scope.filtered(|token| !pending.request.scope.contains(token)).union(scope),
            ),
            epoch: judged.epoch,
            given_at: now,
            index: key.partition,
        };
        let mut batch = Batch::new(key.partition, now, self.random())?;
        let expect = found.as_ref().map_or(Expect::Absent, Found::unchanged);
        batch.put_value(key, expect, UnixTime::MAX, &record)?;
        match self.store().commit_surely(&batch).await {
            Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
