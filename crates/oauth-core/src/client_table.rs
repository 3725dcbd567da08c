//! Where clients are looked up: those of the builder, then those of the host's own table.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_primitives::BoxError;

use crate::{Client, ClientId, ConfigError};

/// Where clients are looked up. A host with its own client table implements the one method.
#[async_trait]
pub trait Clients: Send + Sync {
    /// The client of this id, compared byte for byte. Its record must hold what the builder asks of one: a redirect URI that may
    /// be registered, a secret that cannot be guessed. One that does not counts as a failure of the table.
    ///
    /// # Errors
    /// Any error means that the answer is not known; the request is then refused.
    async fn find(&self, id: &ClientId) -> Result<Option<Arc<Client>>, BoxError>;
}

/// The clients that the host named to the builder, then the host's own table.
pub(crate) struct ClientTable {
    fixed: HashMap<String, Arc<Client>>,
    more: Option<Arc<dyn Clients>>,
}

impl ClientTable {
    pub(crate) fn new(fixed: Vec<Client>, more: Option<Arc<dyn Clients>>) -> Result<Self, ConfigError> {
        let mut table = Self { fixed: HashMap::with_capacity(fixed.len()), more };
        for client in fixed {
            client.check()?;
            let id = client.id().to_owned();
            if table.fixed.insert(id.clone(), Arc::new(client)).is_some() {
                return Err(ConfigError::Client {
                    client_id: id,
                    problem: "two clients have this client_id".to_owned(),
                });
            }
        }
        Ok(table)
    }

    /// Whether the host named this client to the builder.
    pub(crate) fn names(&self, id: &ClientId) -> bool {
        self.fixed.contains_key(id.as_str())
    }

    pub(crate) async fn find(&self, id: &ClientId) -> Result<Option<Arc<Client>>, BoxError> {
        match (self.fixed.get(id.as_str()), &self.more) {
            (Some(client), _) => Ok(Some(Arc::clone(client))),
            (None, Some(more)) => {
                // A table that ignores case finds a client by a name that is not its own.
                let found = more.find(id).await?.filter(|client| client.id() == id.as_str());
                found.as_deref().map_or(Ok(()), Client::check)?;
                Ok(found)
            }
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clients_of_one_name_are_a_mistake_of_the_host() {
        let clients = || Client::public("a").redirect_uri("https://rp.example/cb");
        assert!(ClientTable::new(vec![clients(), clients()], None).is_err());
    }
}
