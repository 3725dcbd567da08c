//! Claims about the user: which scope asks for which (OpenID Connect Core §5.4), and where they come from.

use async_trait::async_trait;
use countersign_accounts::Account;
use countersign_oauth_core::ScopeSet;
use countersign_primitives::{BoxError, LoginClaims, SignedIn, Subject};
use serde_json::{Map, Value, json};

/// A scope that OpenID Connect defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StandardScope {
    /// `openid`: an ID token.
    OpenId,
    /// `profile`: name and the like.
    Profile,
    /// `email`: the e-mail address.
    Email,
    /// `address`: the postal address.
    Address,
    /// `phone`: the phone number.
    Phone,
    /// `offline_access`: a refresh token (OpenID Connect Core §11).
    OfflineAccess,
}

impl StandardScope {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::OpenId, Self::Profile, Self::Email, Self::Address, Self::Phone, Self::OfflineAccess];

    /// The scope token.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::Address => "address",
            Self::Phone => "phone",
            Self::OfflineAccess => "offline_access",
        }
    }

    /// What it allows, in plain words.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::OpenId => "Know who you are when you sign in",
            Self::Profile => "See your name and profile",
            Self::Email => "See your e-mail address",
            Self::Address => "See your postal address",
            Self::Phone => "See your phone number",
            Self::OfflineAccess => "Keep this access while you are away",
        }
    }

    /// The claims it asks for (OpenID Connect Core §5.4).
    #[must_use]
    pub const fn claims(self) -> &'static [&'static str] {
        match self {
            Self::OpenId | Self::OfflineAccess => &[],
            Self::Profile => &[
                "name",
                "family_name",
                "given_name",
                "middle_name",
                "nickname",
                "preferred_username",
                "profile",
                "picture",
                "website",
                "gender",
                "birthdate",
                "zoneinfo",
                "locale",
                "updated_at",
            ],
            Self::Email => &["email", "email_verified"],
            Self::Address => &["address"],
            Self::Phone => &["phone_number", "phone_number_verified"],
        }
    }
}

/// Where further claims come from: asked only when they are needed, for the scopes that were granted.
#[async_trait]
pub trait ClaimsSource: Send + Sync {
    /// The claims about `subject` that these scopes open. A claim that the protocol itself sets, or that is there already, makes
    /// the answer fail rather than be overwritten.
    ///
    /// # Errors
    /// Any error means that the answer is not known; userinfo is then refused.
    async fn claims(&self, subject: &Subject, scope: &ScopeSet) -> Result<Map<String, Value>, BoxError>;
}

/// The names of all claims that may be told.
pub(crate) fn supported() -> Vec<&'static str> {
    let protocol = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"];
    protocol.into_iter().chain(StandardScope::ALL.iter().flat_map(|scope| scope.claims()).copied()).collect()
}

/// What these scopes open of an account. A value of the wrong type is left out: a client that gets a number for a name, or
/// milliseconds for seconds, is worse off than one that gets nothing (OpenID Connect Core §5.1).
pub(crate) fn of_account(account: &Account, scope: &ScopeSet) -> Map<String, Value> {
    let all = known_of(account);
    let open = |name: &str| {
        StandardScope::ALL.iter().any(|standard| scope.contains(standard.token()) && standard.claims().contains(&name))
    };
    all.into_iter().filter(|(name, value)| open(name) && is_well_typed(name, value)).collect()
}

/// What a login learnt, as far as these scopes open it: a claim that belongs to a standard scope needs that scope, any other was
/// the host's to tell. What the protocol sets is left out, whoever wrote it.
pub(crate) fn of_login(who: &SignedIn, scope: &ScopeSet) -> Map<String, Value> {
    let open = |name: &str| {
        let owner = StandardScope::ALL.iter().find(|standard| standard.claims().contains(&name));
        !LoginClaims::is_reserved(name) && owner.is_none_or(|owner| scope.contains(owner.token()))
    };
    let told = who.claims().iter().filter(|(name, _)| open(name));
    told.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

fn known_of(account: &Account) -> Map<String, Value> {
    let mut all = account.claims().clone();
    if let Some(name) = account.name() {
        all.entry("preferred_username").or_insert_with(|| json!(name));
    }
    if let Some((address, verified)) = account.email_address() {
        all.insert("email".to_owned(), json!(address));
        all.insert("email_verified".to_owned(), json!(verified));
    }
    if let Some((number, verified)) = account.phone() {
        all.insert("phone_number".to_owned(), json!(number));
        all.insert("phone_number_verified".to_owned(), json!(verified));
    }
    all
}

fn is_well_typed(name: &str, value: &Value) -> bool {
    match name {
        // Seconds since 1970, not milliseconds: a later year than 5138 is a mistake.
        "updated_at" => value.as_u64().is_some_and(|seconds| seconds < 100_000_000_000),
        "email_verified" | "phone_number_verified" => value.is_boolean(),
        "address" => value.is_object(),
        _ => value.is_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oidc_core_5_4_each_scope_opens_its_claims_alone() {
        let account = Account::new("u-1")
            .username("alice")
            .email("alice@example.com", true)
            .phone_number("+4930123", false)
            .claim("name", "Alice")
            .claim("secret_note", "hidden");
        let opened = |scope: &str| {
            let claims = of_account(&account, &ScopeSet::parse(scope).unwrap());
            claims.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(opened("openid"), Vec::<String>::new());
        assert_eq!(opened("openid email"), ["email", "email_verified"]);
        assert_eq!(opened("profile"), ["name", "preferred_username"]);
        assert_eq!(opened("phone"), ["phone_number", "phone_number_verified"]);
    }

    #[test]
    fn promise_13_a_claim_of_a_login_opens_no_scope_that_was_not_granted() {
        let claims =
            LoginClaims::default().claim("email", "a@b.example").unwrap().claim("department", "Sales").unwrap();
        let who = SignedIn::new("u-1", countersign_primitives::UnixTime::from_secs(1)).with_claims(claims);
        let told = |scope: &str| {
            let told = of_login(&who, &ScopeSet::parse(scope).unwrap());
            told.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(told("openid"), ["department"]);
        assert_eq!(told("openid email"), ["department", "email"]);
    }

    #[test]
    fn attack_52_what_an_id_token_says_of_itself_is_reserved() {
        assert!(supported()[..11].iter().all(|name| LoginClaims::is_reserved(name)), "{:?}", &supported()[..11]);
    }

    #[test]
    fn oidc_core_5_1_a_claim_of_the_wrong_type_is_left_out() {
        let account = Account::new("u-1").claim("name", 42).claim("updated_at", 1_700_000_000_000_u64);
        assert!(of_account(&account, &ScopeSet::parse("profile").unwrap()).is_empty());
        let account = Account::new("u-1").claim("updated_at", 1_700_000_000_u64);
        assert_eq!(of_account(&account, &ScopeSet::parse("profile").unwrap()).len(), 1);
    }
}
