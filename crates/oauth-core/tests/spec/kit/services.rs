//! Clients that act for themselves.

use async_trait::async_trait;
use countersign_oauth_core::{At, Client, Extension, Issuing, Refusal, ServerBuilder, TokenFormat};
use http::StatusCode;

use super::{Answer, Form, Kit, SECRET, basic};

/// A service whose record names scopes of users too, one with opaque tokens, and one whose record names no scope.
pub(crate) fn services(builder: ServerBuilder) -> ServerBuilder {
    builder
        .client(Client::service("billing", SECRET).scope("read openid offline_access write pay fresh"))
        .client(Client::service("vault", SECRET).token_format(TokenFormat::Opaque))
        .client(Client::service("bare", SECRET))
}

pub(crate) fn with_services() -> Kit {
    Kit::with(services)
}

/// The credentials of a service.
pub(crate) fn service(client: &str) -> (&'static str, String) {
    basic(client, SECRET)
}

impl Kit {
    /// A token that a service asks for itself.
    pub(crate) fn own_token(&self, client: &str, more: &[(&str, &str)]) -> Answer {
        let form = Form::new().with("grant_type", "client_credentials");
        let form = more.iter().fold(form, |form, (name, value)| form.also(name, value));
        self.post_token(&form.encode(), &[service(client)])
    }
}

/// An extension that admits nobody.
#[derive(Debug)]
pub(crate) struct Closed;

#[async_trait]
impl Extension for Closed {
    fn name(&self) -> &'static str {
        "closed"
    }

    async fn admit(&self, _: &At<'_>, issuing: &Issuing<'_>) -> Result<(), Refusal> {
        assert!(issuing.who.is_none() && issuing.requirement.is_none());
        Err(Refusal::new(StatusCode::FORBIDDEN, "access_denied", "closed").cause("test.closed", "test"))
    }
}
