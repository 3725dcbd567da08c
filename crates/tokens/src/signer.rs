//! Who signs tokens.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_primitives::BoxError;

use crate::{KeyPair, PublicJwk, Signature};

/// Signs tokens: a key in memory ([`LocalSigner`]), or one that a key service or hardware module keeps.
///
/// The host guarantees that `public_key` names its algorithm and a `kid` of its own, and that it stands in the published
/// key set before the first signature. A service that returns ECDSA signatures in DER passes them through
/// [`Signature::from_der`].
#[async_trait]
pub trait Signer: Send + Sync + fmt::Debug {
    /// The public half, with `kid` and `alg`.
    fn public_key(&self) -> &PublicJwk;

    /// Signs the message, unhashed.
    ///
    /// # Errors
    /// When no signature can be had; nothing is issued then.
    async fn sign(&self, message: &[u8]) -> Result<Signature, BoxError>;
}

// Written out, since the attribute would put a second box around the future.
impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn public_key(&self) -> &PublicJwk {
        (**self).public_key()
    }

    fn sign<'s, 'm, 'f>(
        &'s self,
        message: &'m [u8],
    ) -> Pin<Box<dyn Future<Output = Result<Signature, BoxError>> + Send + 'f>>
    where
        's: 'f,
        'm: 'f,
        Self: 'f,
    {
        (**self).sign(message)
    }
}

/// Signs with a key in memory.
#[derive(Debug, Clone)]
pub struct LocalSigner(Arc<dyn KeyPair>);

impl LocalSigner {
    /// A signer over this key.
    #[must_use]
    pub fn new(key: Arc<dyn KeyPair>) -> Self {
        Self(key)
    }
}

#[async_trait]
impl Signer for LocalSigner {
    fn public_key(&self) -> &PublicJwk {
        self.0.public_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Signature, BoxError> {
        self.0.sign(message).map_err(Into::into)
    }
}
