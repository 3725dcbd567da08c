//! Names of credentials and of users.

use std::fmt;

use countersign_primitives::{Random, RandomError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::authenticator_data::MAX_CREDENTIAL_ID;
use crate::encoding::{decode, encode};
use crate::refusal::refusals;

refusals! {
    /// Why bytes are no credential id or user handle.
    IdError as "id" {
        /// A credential id has 1 to 1023 bytes.
        CredentialId = "credential_id": "a credential id has 1 to 1023 bytes",
        /// A user handle has 1 to 64 bytes.
        UserHandle = "user_handle": "a user handle has 1 to 64 bytes",
    }
}

macro_rules! identifier {
    ($(#[$meta:meta])* $name:ident, $most:expr, $error:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<[u8]>);

        impl $name {
            /// The identifier of these bytes.
            ///
            /// # Errors
            /// When there are none, or too many.
            pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, IdError> {
                let bytes = bytes.into();
                if (1..=$most).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err($error) }
            }

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        /// base64url, as JSON has it.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                let bytes = decode(&text).ok_or_else(|| serde::de::Error::custom("not base64url"))?;
                Self::new(bytes).map_err(serde::de::Error::custom)
            }
        }
    };
}

identifier! {
    /// The id of a credential, which its authenticator chose: 1 to 1023 bytes.
    ///
    /// It is not secret, but unauthenticated callers should not learn which ids an account has (WebAuthn 3 §14.6.3).
    CredentialId, MAX_CREDENTIAL_ID, IdError::CredentialId
}

identifier! {
    /// The handle of a user: 1 to 64 bytes that stay the same for ever and tell nothing about the person (WebAuthn 3 §14.6.1).
    ///
    /// ```
    /// use countersign_mfa_webauthn::UserHandle;
    /// use countersign_primitives::SystemRandom;
    ///
    /// let handle = UserHandle::random(&SystemRandom)?; // once for each user; keep it with the account
    /// assert_eq!(handle.as_bytes().len(), 32);
    /// # Ok::<(), countersign_primitives::RandomError>(())
    /// ```
    UserHandle, 64, IdError::UserHandle
}

impl UserHandle {
    /// A new handle of 32 random bytes.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn random(random: &dyn Random) -> Result<Self, RandomError> {
        Ok(Self(Box::new(random.array::<32>()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(CredentialId::new([]), Err(IdError::CredentialId));
        assert_eq!(CredentialId::new(vec![0; 1024]), Err(IdError::CredentialId));
        assert_eq!(UserHandle::new([]), Err(IdError::UserHandle));
        assert_eq!(UserHandle::new(vec![0; 65]), Err(IdError::UserHandle));
        assert!(CredentialId::new(vec![0; 1023]).is_ok() && UserHandle::new(vec![0; 64]).is_ok());
    }

    #[test]
    fn json_has_base64url() {
        let id = CredentialId::new([0xfb, 0xff]).unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"-_8\"");
        assert_eq!(serde_json::from_str::<CredentialId>("\"+/8=\"").unwrap(), id);
        assert!(serde_json::from_str::<CredentialId>("\"\"").is_err());
    }
}
