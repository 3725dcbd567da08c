//! The demo users: every standard claim, a verified e-mail address and phone number, no factor at first.

use std::sync::Arc;

use countersign::mfa::{AccountsError, Existing, PasswordError, PasswordHasher};
use countersign::{Account, Server, TokioPool};
use serde_json::{Value, json};

use crate::config::UserEntry;
use crate::settings::{DEMO_ADMINS, DemoUser, Settings};

/// The demo users could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsersError {
    /// A password could not be hashed.
    #[error("the password of demo user {name} cannot be used: {source}")]
    Password {
        /// Whose.
        name: String,
        /// Why.
        source: PasswordError,
    },
    /// An account could not be written.
    #[error(transparent)]
    Account(#[from] AccountsError),
}

/// Writes the demo users. Those of an earlier start get today's passwords and claims, and keep their factors.
pub(crate) async fn import(server: &Server, settings: &Settings) -> Result<(), UsersError> {
    let Some(accounts) = server.stored_accounts() else { return Ok(()) };
    let hasher = PasswordHasher::new(Arc::new(TokioPool::default()));
    let nothing = UserEntry::default();
    for (at, user) in settings.users.iter().enumerate() {
        let hash = hasher.hash(&user.password).await;
        let hash = hash.map_err(|source| UsersError::Password { name: user.name.clone(), source })?;
        let entry = settings.file.as_ref().and_then(|file| file.users.get(&user.name)).unwrap_or(&nothing);
        let account = account(user, entry).password_hash(hash);
        // Without a file that says who is one, the first is the administrator.
        let is_admin = at == 0 && settings.file.is_none();
        let account = if is_admin { account.group(DEMO_ADMINS) } else { account };
        accounts.import([account], Existing::Replace).await?;
    }
    Ok(())
}

fn account(user: &DemoUser, entry: &UserEntry) -> Account {
    let name = user.name.as_str();
    let mut account =
        Account::new(name).username(name).email(format!("{name}@example.com"), true).phone_number("+4930901820", true);
    for (claim, value) in standard_claims(name) {
        account = account.claim(claim, value);
    }
    for (claim, value) in &entry.claims {
        account = match (claim.as_str(), value.as_str()) {
            ("email", Some(address)) => account.email(address, true),
            ("phone_number", Some(number)) => account.phone_number(number, true),
            _ => account.claim(claim, value.clone()),
        };
    }
    entry.groups.iter().fold(account, |account, group| account.group(group))
}

/// The claims of OpenID Connect Core §5.1 that an account has no member for.
fn standard_claims(name: &str) -> Vec<(&'static str, Value)> {
    let mut letters = name.chars();
    let given = letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect());
    let page = |part: &str| json!(format!("https://example.com/{part}/{name}"));
    vec![
        ("name", json!(format!("{given} Q. Example"))),
        ("given_name", json!(given)),
        ("middle_name", json!("Q.")),
        ("family_name", json!("Example")),
        ("nickname", json!(name)),
        ("profile", page("people")),
        ("picture", json!(format!("https://example.com/pictures/{name}.png"))),
        ("website", page("home")),
        ("gender", json!("unspecified")),
        ("birthdate", json!("1990-04-01")),
        ("zoneinfo", json!("Europe/Berlin")),
        ("locale", json!("en-GB")),
        (
            "address",
            json!({
                "formatted": "1 Example Street\n10117 Berlin\nGermany",
                "street_address": "1 Example Street",
                "locality": "Berlin",
                "region": "Berlin",
                "postal_code": "10117",
                "country": "DE",
            }),
        ),
        ("updated_at", json!(1_767_225_600)),
    ]
}

#[cfg(test)]
mod tests {
    use countersign::SecretString;

    use super::*;

    #[test]
    fn oidc_core_5_1_a_demo_user_has_every_standard_claim() {
        let user = DemoUser { name: "alice".into(), password: SecretString::new("x") };
        let account = account(&user, &UserEntry::default());
        assert_eq!(account.claims().len(), 14);
        assert_eq!(account.claims()["given_name"], "Alice");
        assert_eq!(account.email_address(), Some(("alice@example.com", true)));
        assert_eq!(account.phone(), Some(("+4930901820", true)));
    }

    #[test]
    fn the_file_adds_groups_and_claims() {
        let entry = UserEntry {
            groups: vec!["admin".into()],
            claims: [("locale".to_owned(), json!("de-DE")), ("email".to_owned(), json!("a@b.example"))].into(),
        };
        let account = account(&DemoUser { name: "alice".into(), password: SecretString::new("x") }, &entry);
        assert_eq!((account.groups(), &account.claims()["locale"]), (&["admin".to_owned()][..], &json!("de-DE")));
        assert_eq!(account.email_address(), Some(("a@b.example", true)));
    }
}
