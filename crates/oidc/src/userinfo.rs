//! The userinfo endpoint (OpenID Connect Core §5.3).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Access, Cause, Endpoint, Refusal, Server, answer};
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value};

use crate::claims::{self, ClaimsSource};

pub(crate) struct Userinfo {
    sources: Vec<Arc<dyn ClaimsSource>>,
}

impl Userinfo {
    pub(crate) fn new(sources: Vec<Arc<dyn ClaimsSource>>) -> Self {
        Self { sources }
    }

    async fn claims(&self, server: &Server, access: &Access) -> Result<Map<String, Value>, Refusal> {
        if !access.scope.contains("openid") {
            return Err(Cause::InsufficientScope.into());
        }
        let who = access.grant.who().ok_or(Cause::InvalidToken)?;
        let failed = |error| Refusal::from(Cause::LookupFailed).source(error);
        let mut members = match server.accounts() {
            Some(accounts) => {
                let account = accounts.by_subject(who.subject()).await.map_err(failed)?.ok_or(Cause::InvalidToken)?;
                claims::of_account(&account, &access.scope)
            }
            None => Map::new(),
        };
        members.extend(claims::of_login(who, &access.scope));
        for source in &self.sources {
            for (name, value) in source.claims(who.subject(), &access.scope).await.map_err(failed)? {
                if name == "sub" || members.contains_key(&name) {
                    return Err(Cause::ReservedMember.into());
                }
                members.insert(name, value);
            }
        }
        members.insert("sub".to_owned(), access.subject.as_str().into());
        Ok(members)
    }
}

#[async_trait]
impl Endpoint for Userinfo {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let claims = async {
            let access = server.access(&parts, &body).await?;
            self.claims(server, &access).await
        };
        match claims.await {
            Ok(claims) => answer::json(StatusCode::OK, &claims),
            Err(refusal) => server.bearer_refusal(&refusal),
        }
    }
}
