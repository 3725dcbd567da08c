//! A server out of its parts, and what is wrong with them.

use std::sync::Arc;

use countersign_accounts::Accounts;
use countersign_mfa::oauth::Login;
use countersign_mfa::{Mfa, Presenter, StoredAccounts};
use countersign_oauth_core::ConfigError;
use countersign_primitives::{BoxError, WorkPool};
use countersign_storage_traits::RootKey;

use super::{Server, ServerBuilder, Users};
use crate::logout;
use crate::subjects::SharedSubjects;

impl ServerBuilder {
    /// Checks everything and assembles the server. Makes the signing keys of an issuer that has none.
    ///
    /// # Errors
    /// [`ConfigError`] names place and cure.
    pub async fn build(mut self) -> Result<Server, ConfigError> {
        let subjects = Arc::new(SharedSubjects(self.core.subject_records().await?));
        let root = self.core.root_key().await?;
        let stored = matches!(self.users, Users::Stored).then(|| {
            let accounts = StoredAccounts::in_sealed(self.core.sealed_store(), &root, self.core.issuer());
            accounts.clock(self.core.shared_clock()).subjects(subjects.clone())
        });
        let accounts: Option<Arc<dyn Accounts>> = match (&stored, std::mem::replace(&mut self.users, Users::TheHosts)) {
            (Some(stored), _) => Some(Arc::new(stored.clone())),
            (None, Users::Table(accounts)) => Some(accounts),
            (None, _) => None,
        };
        let Some(accounts) = accounts else { return self.build_without_login().await };
        let mfa = self.login_engine(Arc::clone(&accounts), subjects, &root).await?;
        self.check_reachable(&mfa)?;
        let login = match self.presenter.take().or_else(default_presenter) {
            Some(presenter) => Login::new(mfa.clone()).presenter(presenter),
            None => Login::new(mfa.clone()),
        };
        let login = match self.login_page.take() {
            Some(path) => login.login_page(path),
            None => login,
        };
        let login = match self.mfa_api.take() {
            Some(api) => login.mfa_api(api),
            None => login,
        };
        let login = match self.admin_api.take() {
            Some(api) => login.admin_api(api),
            None => login,
        };
        let oidc = if self.logout_by_host {
            self.oidc.logout_by_host()
        } else {
            self.oidc.logout(logout::Pages { login: login.clone(), page: self.logout_page.take() })
        };
        let core = self.core.accounts(accounts).extension(oidc).extension(login).build().await?;
        Ok(Server { core, stored_accounts: stored, mfa: Some(mfa) })
    }

    /// A host with a login of its own: it owns `/authorize`.
    async fn build_without_login(self) -> Result<Server, ConfigError> {
        let own_pages = self.login_page.is_some() || self.logout_page.is_some();
        let parts_of_a_login = self.policy.is_some() || self.presenter.is_some() || own_pages;
        if !self.factors.is_empty()
            || self.push.is_some()
            || self.metadata.is_some()
            || !self.hooks.is_empty()
            || parts_of_a_login
        {
            return Err(ConfigError::Unreachable {
                what: "factors, hooks, a policy or pages".to_owned(),
                cure: "they belong to a login, which needs users: add stored_accounts() or accounts(…)".to_owned(),
            });
        }
        let oidc = if self.logout_by_host { self.oidc.logout_by_host() } else { self.oidc };
        let core = self.core.extension(oidc).build().await?;
        Ok(Server { core, stored_accounts: None, mfa: None })
    }

    async fn login_engine(
        &mut self,
        accounts: Arc<dyn Accounts>,
        subjects: Arc<SharedSubjects>,
        root: &RootKey,
    ) -> Result<Mfa, ConfigError> {
        let core = &self.core;
        let mut mfa = Mfa::builder_sealed(core.sealed_store(), root)
            .realm(core.issuer())
            .accounts(accounts)
            .subjects(subjects)
            .acr_table(core.known_acr().clone())
            .clock(core.shared_clock())
            .random(core.shared_random())
            .events(core.shared_events())
            .limits(std::mem::take(&mut self.limits))
            .password_cost(self.cost)
            .policy(self.policy.take().unwrap_or_default());
        for (place, requirement) in &self.required {
            mfa = mfa.required(place.as_str(), requirement.clone());
        }
        mfa = mfa.message_budget(std::mem::take(&mut self.budget)).notices(self.notices).not_me_links(true);
        if let Some(lasts) = self.fresh_factor {
            mfa = mfa.fresh_factor(lasts);
        }
        if let Some(texts) = self.texts.take() {
            mfa = mfa.messages(texts);
        }
        for (channel, sender) in self.senders.drain(..) {
            mfa = mfa.sender(channel, sender);
        }
        if let Some(pool) = self.pool.take().or_else(default_pool) {
            mfa = mfa.pool(pool);
        }
        for factor in self.factors.drain(..) {
            mfa = mfa.factor(factor);
        }
        if let Some(push) = self.push.take() {
            mfa = mfa.push(push);
        }
        if let Some(metadata) = self.metadata.take() {
            mfa = mfa.authenticator_metadata(metadata);
        }
        for hook in self.hooks.drain(..) {
            mfa = mfa.login_hook(hook);
        }
        if let Some(page) = &self.login_page {
            let own = if page.starts_with('/') { origin(core.issuer()) } else { "" };
            mfa = mfa.login_page(format!("{own}{page}"));
        }
        mfa = mfa.first_factors_as(self.first_factors).password_policy(self.password_policy.clone());
        mfa.build().await.map_err(|error| extension_error("the login", error))
    }

    /// What a client, scope or resource requires must be within reach of some factor.
    fn check_reachable(&self, mfa: &Mfa) -> Result<(), ConfigError> {
        for (place, requirement) in &self.required {
            let Some(need) = requirement.acr_value() else { continue };
            if !mfa.reaches(requirement) {
                return Err(ConfigError::Unreachable {
                    what: format!("{place} requires {}", need.as_str()),
                    cure: "no factor here reaches it: add one that does".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// The origin of an issuer (RFC 6454 §4).
fn origin(issuer: &str) -> &str {
    let after_scheme = issuer.find("://").map_or(0, |at| at + 3);
    let end = issuer.get(after_scheme..).and_then(|rest| rest.find('/')).map_or(issuer.len(), |at| after_scheme + at);
    issuer.get(..end).unwrap_or(issuer)
}

fn extension_error(extension: &'static str, error: impl Into<BoxError>) -> ConfigError {
    ConfigError::Extension { extension, source: error.into() }
}

#[cfg(feature = "tokio")]
fn default_pool() -> Option<Arc<dyn WorkPool>> {
    Some(Arc::new(crate::TokioPool::default()))
}

#[cfg(not(feature = "tokio"))]
fn default_pool() -> Option<Arc<dyn WorkPool>> {
    None
}

#[cfg(feature = "pages")]
fn default_presenter() -> Option<Arc<dyn Presenter>> {
    Some(Arc::new(countersign_pages::Pages::new("Sign in")))
}

#[cfg(not(feature = "pages"))]
fn default_presenter() -> Option<Arc<dyn Presenter>> {
    None
}
