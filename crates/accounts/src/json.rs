//! An account as JSON: what stands in a line of an export.

use serde_json::{Map, Value};

use crate::Account;

/// Why a JSON object is no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountJsonError {
    /// There is no `sub`.
    #[error("the member sub is missing: the id that the user has for ever")]
    NoSubject,
    /// A member is of another type than it must be.
    #[error("the member {member} must be {wanted}")]
    Type {
        /// Which member.
        member: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// Nothing is known by this name: it would be lost, so it is refused.
    #[error("there is no member {0:?}; what else may be told about a user stands in claims")]
    Unknown(Box<str>),
    /// Something is said to be verified that is not there.
    #[error("{0} is verified, and is not there")]
    NothingVerified(&'static str),
}

const MEMBERS: [&str; 10] = [
    "sub",
    "username",
    "password_hash",
    "email",
    "email_verified",
    "phone_number",
    "phone_number_verified",
    "groups",
    "claims",
    "disabled",
];

impl Account {
    /// The account as a JSON object, as [`Account::from_json`] reads it: `sub`, `username`, `password_hash`, `email`,
    /// `email_verified`, `phone_number`, `phone_number_verified`, `groups`, `claims`, `disabled`. What is not there is left out.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        let mut put =
            |name: &str, value: Option<Value>| drop(value.and_then(|value| json.insert(name.to_owned(), value)));
        put("sub", Some(self.subject.as_str().into()));
        put("username", self.username.as_deref().map(Value::from));
        put("password_hash", self.password.as_ref().map(|hash| hash.as_str().into()));
        for (name, verified, contact) in
            [("email", "email_verified", &self.email), ("phone_number", "phone_number_verified", &self.phone_number)]
        {
            put(name, contact.as_ref().map(|(text, _)| text.as_str().into()));
            put(verified, contact.as_ref().map(|(_, verified)| (*verified).into()));
        }
        put("groups", (!self.groups.is_empty()).then(|| self.groups.clone().into()));
        put("claims", (!self.claims.is_empty()).then(|| self.claims.clone().into()));
        put("disabled", self.disabled.then_some(true.into()));
        json
    }

    /// Reads an account from a JSON object. A contact whose verification is not told is not verified.
    ///
    /// ```
    /// use countersign_accounts::Account;
    /// use serde_json::json;
    ///
    /// let line = json!({ "sub": "u-1", "username": "alice", "email": "alice@example.com", "email_verified": true });
    /// let account = Account::from_json(line.as_object().unwrap())?;
    /// assert_eq!(account.email_address(), Some(("alice@example.com", true)));
    /// # Ok::<(), countersign_accounts::AccountJsonError>(())
    /// ```
    ///
    /// # Errors
    /// [`AccountJsonError`] names the member.
    pub fn from_json(json: &Map<String, Value>) -> Result<Self, AccountJsonError> {
        if let Some(unknown) = json.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(AccountJsonError::Unknown(unknown.as_str().into()));
        }
        let mut account = Self::new(text(json, "sub")?.ok_or(AccountJsonError::NoSubject)?);
        account.username = text(json, "username")?.map(str::to_owned);
        account.password = text(json, "password_hash")?.map(Into::into);
        account.email = contact(json, "email", "email_verified")?;
        account.phone_number = contact(json, "phone_number", "phone_number_verified")?;
        account.disabled = flag(json, "disabled")?.unwrap_or_default();
        let groups = AccountJsonError::Type { member: "groups", wanted: "an array of strings" };
        if let Some(value) = json.get("groups") {
            for group in value.as_array().ok_or_else(|| groups.clone())? {
                account.groups.push(group.as_str().ok_or_else(|| groups.clone())?.to_owned());
            }
        }
        if let Some(value) = json.get("claims") {
            let claims = AccountJsonError::Type { member: "claims", wanted: "an object" };
            account.claims = value.as_object().ok_or(claims)?.clone();
        }
        Ok(account)
    }
}

fn text<'j>(json: &'j Map<String, Value>, member: &'static str) -> Result<Option<&'j str>, AccountJsonError> {
    let wrong = AccountJsonError::Type { member, wanted: "a string" };
    json.get(member).map(|value| value.as_str().ok_or(wrong)).transpose()
}

fn flag(json: &Map<String, Value>, member: &'static str) -> Result<Option<bool>, AccountJsonError> {
    let wrong = AccountJsonError::Type { member, wanted: "true or false" };
    json.get(member).map(|value| value.as_bool().ok_or(wrong)).transpose()
}

fn contact(
    json: &Map<String, Value>,
    member: &'static str,
    verified: &'static str,
) -> Result<Option<(String, bool)>, AccountJsonError> {
    let is_verified = flag(json, verified)?.unwrap_or_default();
    match text(json, member)? {
        Some(text) => Ok(Some((text.to_owned(), is_verified))),
        None if is_verified => Err(AccountJsonError::NothingVerified(member)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &Value) -> Result<Account, AccountJsonError> {
        Account::from_json(json.as_object().unwrap())
    }

    #[test]
    fn every_combination_of_members_survives_the_round_trip() {
        for chosen in 0..1_u32 << 7 {
            let has = |bit: u32| chosen >> bit & 1 == 1;
            let mut account = Account::new("u-\u{7e}1");
            if has(0) {
                account = account.username("Älice \"quoted\"\n");
            }
            if has(1) {
                account = account.password_hash("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA");
            }
            if has(2) {
                account = account.email("alice@example.com", has(3));
            }
            if has(4) {
                account = account.phone_number("+4930901820", has(3));
            }
            if has(5) {
                account = account.group("admin").group("staff").claim("address", json!({ "country": "DE" }));
            }
            if has(6) {
                account = account.disabled();
            }
            let line = Value::from(account.to_json()).to_string();
            assert!(!line.contains('\n'), "one line");
            assert_eq!(read(&serde_json::from_str(&line).unwrap()).unwrap(), account, "{line}");
        }
    }

    #[test]
    fn what_is_no_account_is_told_by_member() {
        let wrong = |member, wanted| AccountJsonError::Type { member, wanted };
        for (json, error) in [
            (json!({}), AccountJsonError::NoSubject),
            (json!({ "username": "alice" }), AccountJsonError::NoSubject),
            (json!({ "sub": 7 }), wrong("sub", "a string")),
            (json!({ "sub": "u", "email": true }), wrong("email", "a string")),
            (json!({ "sub": "u", "email": "a@b", "email_verified": "yes" }), wrong("email_verified", "true or false")),
            (json!({ "sub": "u", "groups": ["a", 1] }), wrong("groups", "an array of strings")),
            (json!({ "sub": "u", "claims": [] }), wrong("claims", "an object")),
            (json!({ "sub": "u", "phone_number_verified": true }), AccountJsonError::NothingVerified("phone_number")),
            (json!({ "sub": "u", "password": "plain" }), AccountJsonError::Unknown("password".into())),
        ] {
            assert_eq!(read(&json), Err(error), "{json}");
        }
    }
}
