//! Clients that act for themselves.

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{At, Client, ConsentRule, Extension, Issuing, Refusal, ServerBuilder, TokenFormat};
use http::{Method, StatusCode};

use super::{API, Answer, Form, Kit, SECRET, basic, request};

/// Another API of the kit's.
pub(crate) const OTHER: &str = "https://other.example.com/";

/// A service whose record names scopes of users too, one with opaque tokens, and one whose record names no scope; the APIs
/// `orders` and `ledger`, which ask about tokens for [`API`] and [`OTHER`]; and `bff`, an app with opaque tokens.
pub(crate) fn services(builder: ServerBuilder) -> ServerBuilder {
    let bff = Client::public("bff").redirect_uri("https://bff.example.com/cb").consent(ConsentRule::Implied);
    builder
        .client(bff.token_format(TokenFormat::Opaque))
        .client(Client::resource_server("orders", SECRET).introspects(API))
        .client(Client::resource_server("ledger", SECRET).introspects(OTHER))
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

    /// A form sent to an endpoint of a client's, authenticated as the client is registered.
    pub(crate) fn send(&self, path: &str, client: &str, form: &Form) -> Answer {
        match client {
            "app" | "bff" | "shop" => self.post_form(path, &form.clone().with("client_id", client).encode(), &[]),
            "post" => {
                let form = form.clone().with("client_id", client).with("client_secret", SECRET);
                self.post_form(path, &form.encode(), &[])
            }
            _ => self.post_form(path, &form.encode(), &[service(client)]),
        }
    }

    pub(crate) fn post_form(&self, path: &str, body: &str, headers: &[(&str, String)]) -> Answer {
        let mut request = request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.handle(request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap())
    }

    /// What a token is worth to a client.
    pub(crate) fn introspect(&self, client: &str, token: &str) -> Answer {
        self.send("/oauth/introspect", client, &Form::new().with("token", token))
    }

    /// The token is nothing to this client, and the answer says no more than that.
    #[track_caller]
    pub(crate) fn is_inactive(&self, client: &str, token: &str) {
        let answer = self.introspect(client, token).ok();
        assert_eq!(&answer.body[..], b"{\"active\":false}", "{client}");
    }

    #[track_caller]
    pub(crate) fn is_active(&self, client: &str, token: &str) {
        assert_eq!(self.introspect(client, token).ok().json["active"], true, "{client}");
    }

    pub(crate) fn revoke(&self, client: &str, token: &str) -> Answer {
        self.send("/oauth/revoke", client, &Form::new().with("token", token))
    }

    /// Gives a token back, whatever comes of it.
    #[track_caller]
    pub(crate) fn revoked(&self, client: &str, token: &str) {
        let answer = self.revoke(client, token).ok();
        assert!(answer.body.is_empty());
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
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
