//! A host's own word after the first factor.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_accounts::Account;
use countersign_primitives::{AcrTable, BoxError, ClaimError, LoginClaims, Requirement, Subject, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a host wants to say once it is known who signs in, and before anything else is asked: no, more, or something to tell.
///
/// It can only raise what must be proven: the login goes on under its requirement and under all others. It may be called more than
/// once for a login, so what it does besides answering must bear that. When it fails the login does not go on.
///
/// ```
/// use async_trait::async_trait;
/// use countersign_mfa::{FirstFactor, LoginHook, LoginOrder};
/// use countersign_primitives::{BoxError, Requirement};
///
/// struct OfficeHours;
///
/// #[async_trait]
/// impl LoginHook for OfficeHours {
///     async fn after_first_factor(&self, login: &FirstFactor<'_>) -> Result<LoginOrder, BoxError> {
///         if login.account().is_some_and(|account| account.groups().iter().any(|group| group == "suspended")) {
///             return Ok(LoginOrder::deny());
///         }
///         let hour = login.now().as_secs() / 3_600 % 24;
///         let order = LoginOrder::proceed().claim("department", "Sales")?;
///         Ok(if (7..19).contains(&hour) { order } else { order.require(Requirement::MFA) })
///     }
/// }
/// ```
#[async_trait]
pub trait LoginHook: Send + Sync {
    /// What becomes of a login whose first factor is proven.
    ///
    /// # Errors
    /// Any error stops the login: 503, and nothing is issued.
    async fn after_first_factor(&self, login: &FirstFactor<'_>) -> Result<LoginOrder, BoxError>;
}

#[async_trait]
impl<H: LoginHook + ?Sized> LoginHook for Box<H> {
    async fn after_first_factor(&self, login: &FirstFactor<'_>) -> Result<LoginOrder, BoxError> {
        (**self).after_first_factor(login).await
    }
}

/// A login whose first factor is proven.
#[derive(Debug, Clone, Copy)]
pub struct FirstFactor<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) account: Option<&'a Account>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) requirement: &'a Requirement,
    pub(crate) context: &'a Value,
    pub(crate) has_factor: bool,
    pub(crate) now: UnixTime,
}

impl<'a> FirstFactor<'a> {
    /// Who signs in.
    #[must_use]
    pub fn subject(&self) -> &'a Subject {
        self.subject
    }

    /// The account, where the engine has accounts.
    #[must_use]
    pub fn account(&self) -> Option<&'a Account> {
        self.account
    }

    /// The client that the login is for, where it is for one.
    #[must_use]
    pub fn client_id(&self) -> Option<&'a str> {
        self.client_id
    }

    /// The address that the login was begun from.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What client, scopes and request require so far.
    #[must_use]
    pub fn requirement(&self) -> &'a Requirement {
        self.requirement
    }

    /// What the caller left with the login ([`LoginRequest::context`](crate::LoginRequest::context)).
    #[must_use]
    pub fn context(&self) -> &'a Value {
        self.context
    }

    /// Whether the user has set up a factor beside the first.
    #[must_use]
    pub fn has_factor(&self) -> bool {
        self.has_factor
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.now
    }
}

/// What a [`LoginHook`] orders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct LoginOrder {
    denied: bool,
    requirements: Vec<Requirement>,
    claims: LoginClaims,
}

impl LoginOrder {
    /// The login goes on.
    pub fn proceed() -> Self {
        Self::default()
    }

    /// The login ends here; the client is told `access_denied`.
    pub fn deny() -> Self {
        Self { denied: true, ..Self::default() }
    }

    /// More must be proven. Every requirement that is named counts.
    pub fn require(mut self, requirement: Requirement) -> Self {
        self.requirements.push(requirement);
        self
    }

    /// Something to tell in ID tokens and userinfo. A claim that belongs to a standard scope is told with that scope alone.
    ///
    /// # Errors
    /// [`ClaimError`] when the protocol itself sets the claim, or there are too many.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Result<Self, ClaimError> {
        self.claims = self.claims.claim(name, value)?;
        Ok(self)
    }
}

/// What all hooks ordered, as it is kept with the login.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ordered {
    pub(crate) denied: bool,
    pub(crate) requirement: Requirement,
    pub(crate) claims: LoginClaims,
}

/// A hook's order cannot be carried out.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("it requires a class that the server's table does not know")]
    UnknownClass,
}

impl Ordered {
    /// Asks every hook in turn. The first that denies is the last that is asked.
    pub(crate) async fn by(
        hooks: &[Arc<dyn LoginHook>],
        login: &FirstFactor<'_>,
        table: &AcrTable,
    ) -> Result<Self, BoxError> {
        let mut all = Self::default();
        for hook in hooks {
            let order = hook.after_first_factor(login).await?;
            if order.requirements.iter().filter_map(Requirement::acr_value).any(|acr| table.strength(acr).is_none()) {
                return Err(OrderError::UnknownClass.into());
            }
            all.requirement = order.requirements.iter().fold(all.requirement, |all, one| all.and(one, table));
            all.claims = all.claims.and(&order.claims)?;
            if order.denied {
                return Ok(Self { denied: true, ..all });
            }
        }
        Ok(all)
    }
}
