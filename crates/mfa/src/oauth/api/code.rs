//! `oob_code`: names a challenge, towards the login that it belongs to.

use countersign_primitives::Id;
use countersign_tokens::{Handle, HandleKind};

use crate::keys::Keys;
use crate::login::LoginId;

const KIND: HandleKind = HandleKind::new("cs_oob");

/// The code of a challenge: the same however often it is asked for, and nothing that could be made elsewhere.
pub(super) fn of(keys: &Keys, login: LoginId, challenge: Id) -> String {
    handle(keys, login, challenge).expose()
}

/// The challenge that a code names, if it is one of this login.
pub(super) fn read(keys: &Keys, login: LoginId, code: &str) -> Option<Id> {
    let shown = Handle::parse(KIND, code).ok()?;
    let own = handle(keys, login, shown.id());
    bool::from(subtle::ConstantTimeEq::ct_eq(&own.secret()[..], &shown.secret()[..])).then(|| shown.id())
}

fn handle(keys: &Keys, login: LoginId, challenge: Id) -> Handle {
    let mut secret = [0; 32];
    for (half, label) in secret.chunks_exact_mut(16).zip(["oob code, first half", "oob code, second half"]) {
        half.copy_from_slice(keys.id(label, &[login.0.as_bytes(), challenge.as_bytes()]).as_bytes());
    }
    Handle::from_parts(KIND, challenge, secret)
}

#[cfg(test)]
mod tests {
    use countersign_storage_traits::RootKey;

    use super::*;

    #[test]
    fn promise_11_an_oob_code_names_a_challenge_of_its_own_login_alone() {
        let keys = Keys::derive(&RootKey::from_bytes([7; 32]), "https://a");
        let other_realm = Keys::derive(&RootKey::from_bytes([7; 32]), "https://b");
        let id = |byte| Id::from_bytes([byte; 16]);
        let (login, other, challenge) = (LoginId(id(1)), LoginId(id(2)), id(3));
        let code = of(&keys, login, challenge);
        assert_eq!(read(&keys, login, &code), Some(challenge));
        assert_eq!(read(&keys, other, &code), None);
        assert_eq!(read(&other_realm, login, &code), None);
        let forged = Handle::from_parts(KIND, id(4), *handle(&keys, login, challenge).secret()).expose();
        assert_eq!(read(&keys, login, &forged), None);
        assert_eq!(read(&keys, login, "cs_oob_x"), None);
    }
}
