//! Tokens that come back to be ended (RFC 7009), and how a refresh token is found outside the refresh grant.

use bytes::Bytes;
use countersign_events::{Event, EventKind};
use countersign_primitives::Id;
use countersign_storage_traits::{Batch, Expect, Found, Key};
use countersign_tokens::RefreshToken;

use crate::access_token::{KnownToken, Place};
use crate::records::{self, EndReason, GrantRecord};
use crate::{Client, Refusal, Server};

impl Server {
    /// Ends a token that was issued to this client: a refresh token with its whole grant, an access token alone. What is unknown,
    /// expired or another client's is left as it is.
    pub(crate) async fn revoke_token(&self, client: &Client, token: &str) -> Result<(), Refusal> {
        if let Some((_, grant)) = self.find_refresh_token(token).await? {
            return self.revoke_grant(client, &grant).await;
        }
        let Some(known) = self.find_access_token(token).await? else { return Ok(()) };
        if known.grant.value.client_id() != client.id() {
            return Ok(());
        }
        let now = self.now();
        let mut batch = Batch::new(known.grant.key.partition, now, self.random())?;
        match &known.place {
            Place::Grant(_) => return self.revoke_grant(client, &known.grant).await,
            Place::Record(id) => {
                batch.delete(Key::new(known.grant.key.partition, records::ACCESS_TOKEN, *id), Expect::Any);
            }
            Place::Jwt(jti) => {
                let key = self.revoked_jwt(known.grant.key.partition, jti);
                batch.put(key, Expect::Any, known.expires_at, Vec::new(), Bytes::new());
            }
        }
        self.store().commit_surely(&batch).await?;
        self.announce_revoked(client, &known);
        Ok(())
    }

    /// A true tag is enough, however old the token is: whoever holds one and is the client may end what came of it.
    async fn revoke_grant(&self, client: &Client, grant: &Found<GrantRecord>) -> Result<(), Refusal> {
        if grant.value.client_id() != client.id() || grant.value.ended.is_some() {
            return Ok(());
        }
        self.end_grant(client, grant, EndReason::Revoked).await
    }

    fn announce_revoked(&self, client: &Client, known: &KnownToken) {
        let event = Event::new(EventKind::TokenRevoked, self.now()).with_client_id(client.id());
        let event = event.with_grant(known.grant.key.id);
        self.event(&match known.grant.value.who() {
            Some(who) => event.with_subject(who.subject()),
            None => event,
        });
    }

    /// The mark of a JWT that was revoked, beside its grant: both are read as one view.
    pub(crate) fn revoked_jwt(&self, grant: Id, jti: &str) -> Key {
        Key::new(grant, records::REVOKED_JWT, self.secrets().id("revoked jwt", &[jti]))
    }

    /// The grant of a refresh token of ours, of whatever generation; none for what is no refresh token or has no grant any more.
    pub(crate) async fn find_refresh_token(
        &self,
        token: &str,
    ) -> Result<Option<(RefreshToken, Found<GrantRecord>)>, Refusal> {
        let Ok(token) = self.refresh_tokens().open(token) else { return Ok(None) };
        let grant = self.store().find::<GrantRecord>(Key::root(records::GRANT, token.grant), self.now()).await?;
        Ok(grant.map(|grant| (token, grant)))
    }

    /// Whether the refresh grant would take this token at this moment: the current one, or the one before within its grace.
    pub(crate) fn is_usable_refresh_token(&self, token: &RefreshToken, grant: &GrantRecord) -> bool {
        let Some(state) = &grant.refresh else { return false };
        let (hash, now) = (self.refresh_tokens().hash(token), self.now());
        let current = token.generation == state.generation && state.hash.matches(&hash);
        let previous =
            || state.previous.as_ref().is_some_and(|previous| previous.hash.matches(&hash) && now < previous.until);
        now < state.expires_at && (current || previous())
    }
}
