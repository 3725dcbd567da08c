//! Access tokens: made as JWTs (RFC 9068) or as opaque handles, and found again when they come back.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use countersign_primitives::{Acr, Amr, Id, SignedIn, Subject, UnixTime};
use countersign_storage_traits::{Expect as Expectation, Found, Key, Record};
use countersign_tokens::{Expect, Handle, HandleKind, Jti, JwtError, Verified};
use serde::{Deserialize, Serialize};

use crate::config::TokenFormat;
use crate::extension::At;
use crate::grants::Redemption;
use crate::records::{self, AccessTokenRecord, GrantRecord};
use crate::{Client, ClientId, Refusal, ScopeSet, Server};

/// The claims of an access token (RFC 9068 §2.2).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: Audience<'a>,
    exp: u64,
    iat: u64,
    jti: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    scope: &'a ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a Acr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<Amr>,
}

/// One audience is a string, several are an array (RFC 7519 §4.1.3).
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Audience<'a> {
    One(&'a str),
    Several(&'a [String]),
}

impl<'a> Audience<'a> {
    pub(crate) fn of(audience: &'a [String]) -> Self {
        match audience {
            [one] => Self::One(one),
            several => Self::Several(several),
        }
    }
}

/// An access token that this server made and that has not expired and was not revoked. Whether its grant, and all that rests on, still stands is
/// another question: [`Server::stands`].
#[derive(Debug)]
pub(crate) struct KnownToken {
    /// The client that holds it.
    pub(crate) client: Arc<Client>,
    /// The grant under which it was issued.
    pub(crate) grant: Found<GrantRecord>,
    /// The subject as the client sees it; the client itself where it acts for itself.
    pub(crate) subject: Subject,
    pub(crate) scope: ScopeSet,
    pub(crate) audience: Vec<String>,
    pub(crate) issued_at: Option<UnixTime>,
    pub(crate) expires_at: UnixTime,
    pub(crate) place: Place,
}

/// What tells a token from others of its grant, and where its end is written down.
#[derive(Debug)]
pub(crate) enum Place {
    /// A JWT, by its `jti`: nowhere, until it is revoked.
    Jwt(String),
    /// A record of its own beside the grant.
    Record(Id),
    /// The grant's own record: both end together.
    Grant(Id),
}

impl Place {
    /// The token's name among all others (RFC 7662 §2.2).
    pub(crate) fn jti(&self) -> String {
        match self {
            Self::Jwt(jti) => jti.clone(),
            Self::Record(id) | Self::Grant(id) => id.to_string(),
        }
    }
}

/// The claims that are read beside the registered ones.
#[derive(Deserialize)]
struct OwnClaims<'a> {
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    #[serde(default)]
    scope: ScopeSet,
}

/// What a JWT says, before anything is looked up.
struct Said {
    subject: Subject,
    client_id: ClientId,
    grant: Id,
    jti: String,
    scope: ScopeSet,
    audience: Vec<String>,
    issued_at: Option<UnixTime>,
    expires_at: UnixTime,
}

impl Server {
    /// The access token of an answer, in the format that client and resources want. An opaque one is filed with the batch.
    pub(crate) async fn access_token(
        &self,
        at: &At<'_>,
        redemption: &mut Redemption,
        subject: Option<&Subject>,
    ) -> Result<String, Refusal> {
        if let Some(own) = &redemption.access_token {
            return Ok(own.expose());
        }
        let audience = self.config().audience(&redemption.resources, &redemption.scope);
        match self.config().token_format(at.client, &audience) {
            TokenFormat::Jwt => self.jwt(at, redemption, &audience, subject).await,
            TokenFormat::Opaque => self.opaque(at, redemption, audience),
        }
    }

    async fn jwt(
        &self,
        at: &At<'_>,
        redemption: &Redemption,
        audience: &[String],
        subject: Option<&Subject>,
    ) -> Result<String, Refusal> {
        let jti = Jti::new(self.secrets().jti(), self.random(), redemption.grant_id)?;
        let who = redemption.grant.who();
        let claims = Claims {
            iss: self.config().issuer().as_str(),
            sub: subject.map_or(at.client.id(), Subject::as_str),
            aud: Audience::of(audience),
            exp: redemption.ends.as_secs(),
            iat: at.now.as_secs(),
            jti: &jti,
            client_id: at.client.id(),
            scope: &redemption.scope,
            auth_time: who.map(|who| who.auth_time().as_secs()),
            acr: redemption.grant.acr(),
            amr: who.map(SignedIn::amr_values).unwrap_or_default(),
        };
        self.sign("at+jwt", &claims).await
    }

    /// The batch expects the grant to be as it was read, or makes it: so no token comes to a grant that has ended.
    fn opaque(&self, at: &At<'_>, redemption: &mut Redemption, audience: Vec<String>) -> Result<String, Refusal> {
        let handle = self.new_access_token(redemption.grant_id)?;
        let key = Key::new(redemption.grant_id, records::ACCESS_TOKEN, handle.hash(self.crypto()).as_id());
        let record = AccessTokenRecord { scope: redemption.scope.clone(), audience, issued_at: at.now };
        redemption.batch.put_value(key, Expectation::Absent, redemption.ends, &record)?;
        Ok(handle.expose())
    }

    /// A fresh opaque access token of this grant, which only this server can read out of it.
    pub(crate) fn new_access_token(&self, grant: Id) -> Result<Handle, Refusal> {
        let key = self.secrets().access_tokens();
        Ok(Handle::generate_masked(key, HandleKind::ACCESS_TOKEN, grant, self.random())?)
    }

    /// Looks up an access token of either format; none for what is no token of ours, has expired or was revoked.
    pub(crate) async fn find_access_token(&self, token: &str) -> Result<Option<KnownToken>, Refusal> {
        match Handle::parse(HandleKind::ACCESS_TOKEN, token) {
            Ok(handle) => self.find_opaque(&handle).await,
            Err(_) => self.find_jwt(token).await,
        }
    }

    async fn find_opaque(&self, handle: &Handle) -> Result<Option<KnownToken>, Refusal> {
        let (grant_id, id) = (handle.unmasked_id(self.secrets().access_tokens()), handle.hash(self.crypto()).as_id());
        let (token, grant) = (Key::new(grant_id, records::ACCESS_TOKEN, id), Key::root(records::GRANT, grant_id));
        let [token_record, grant_record] = self.read([token, grant]).await?;
        let Some(grant_record) = grant_record else { return Ok(None) };
        let grant: Found<GrantRecord> = Found::decode(grant, &grant_record)?;
        let Some(client) = self.find_client(&grant.value.client_id).await? else { return Ok(None) };
        let subject = match grant.value.who() {
            Some(who) => self.subject_for(&client, who.subject()),
            None => Subject::new(client.id()),
        };
        Ok(match token_record {
            Some(record) => {
                let found: Found<AccessTokenRecord> = Found::decode(token, &record)?;
                let AccessTokenRecord { scope, audience, issued_at } = found.value;
                let (issued_at, expires_at) = (Some(issued_at), found.expires_at);
                let place = Place::Record(id);
                Some(KnownToken { client, grant, subject, scope, audience, issued_at, expires_at, place })
            }
            None if grant.value.access_token == Some(id) => Some(KnownToken {
                client,
                subject,
                scope: grant.value.scope.clone(),
                audience: grant.value.resources.clone(),
                issued_at: Some(grant.value.started_at),
                expires_at: grant.expires_at,
                place: Place::Grant(id),
                grant,
            }),
            None => None,
        })
    }

    async fn find_jwt(&self, token: &str) -> Result<Option<KnownToken>, Refusal> {
        let Ok(verified) = self.keys().verify(token, &Expect::typ("at+jwt")).await? else { return Ok(None) };
        let Ok(Some(said)) = self.said(&verified) else { return Ok(None) };
        let key = Key::root(records::GRANT, said.grant);
        let [revoked, Some(grant)] = self.read([self.revoked_jwt(said.grant, &said.jti), key]).await? else {
            return Ok(None);
        };
        let grant: Found<GrantRecord> = Found::decode(key, &grant)?;
        let Some(client) = self.find_client(&said.client_id).await? else { return Ok(None) };
        if revoked.is_some() || grant.value.client_id != said.client_id {
            return Ok(None);
        }
        let Said { subject, jti, scope, audience, issued_at, expires_at, .. } = said;
        let place = Place::Jwt(jti);
        Ok(Some(KnownToken { client, grant, subject, scope, audience, issued_at, expires_at, place }))
    }

    /// RFC 9068 §4, but for the audience, which is the caller's to judge.
    fn said(&self, verified: &Verified) -> Result<Option<Said>, JwtError> {
        let registered = verified.registered()?;
        registered.check_issuer(self.config().issuer().as_str())?;
        let expires_at = registered.require_expiry(self.now(), Duration::ZERO)?;
        let claims: OwnClaims<'_> = verified.claims()?;
        let subject = Subject::new(registered.require_subject()?);
        let jti = registered.require_jwt_id()?;
        let grant = Jti::grant(self.secrets().jti(), jti);
        let (Some(grant), Some(client_id)) = (grant, ClientId::parse(&claims.client_id)) else { return Ok(None) };
        Ok(Some(Said {
            subject,
            client_id,
            grant,
            jti: jti.to_owned(),
            scope: claims.scope,
            audience: registered.audiences().map(str::to_owned).collect(),
            issued_at: registered.issued_at(),
            expires_at,
        }))
    }

    /// Two records of one partition, in one round trip and as one view.
    async fn read(&self, keys: [Key; 2]) -> Result<[Option<Record>; 2], Refusal> {
        let mut records = self.store().get(&keys, self.now()).await?.into_iter();
        Ok([records.next().flatten(), records.next().flatten()])
    }
}
