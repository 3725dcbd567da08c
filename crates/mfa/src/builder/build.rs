//! An engine is built, where everything fits.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use countersign_outbound::{Channel, MessageSender};
use countersign_primitives::Acr;
use countersign_storage_traits::{Encrypted, RootKey, Store};

use super::{Keyed, MfaBuilder};
use crate::factor::{Factor, Plugged, RECOVERY_CODE, RecoveryFactor};
use crate::keys::{Keys, OwnSubjects};
use crate::limits::PASSWORD;
use crate::login::gate::INVITATION;
use crate::metadata::Keeper;
use crate::mfa::{Factors, Inner};
use crate::push::{PushFactor, PushService};
use crate::settings::RunTime;
use crate::webauthn::WebauthnFactor;
use crate::{FirstEnrolment, MessageTexts, Mfa, MfaConfigError, PasswordHasher, PluggedFactor};

impl MfaBuilder<'_> {
    /// Builds the engine. On a bare store its root key is read, or made by the first engine there.
    ///
    /// # Errors
    /// [`MfaConfigError`] names what does not fit, and the cure.
    pub async fn build(self) -> Result<Mfa, MfaConfigError> {
        let (store, root): (Arc<dyn Store>, RootKey) = match self.key {
            Keyed::Sealed(root) => (self.store, root.clone()),
            Keyed::Bare(master) => {
                let sealed = Encrypted::new(self.store, master, &self.realm, Arc::clone(&self.random));
                let root = sealed.root_key(self.clock.now()).await?;
                (Arc::new(sealed), root)
            }
        };
        let keys = Arc::new(Keys::derive(&root, &self.realm));
        let run_time = RunTime::open(&*store, &keys, self.clock.now()).await?;
        let texts = self.texts.map_or_else(|| MessageTexts::new(host_of(&self.realm)), Ok)?;
        let metadata = self.metadata.map(|settings| {
            Arc::new(Keeper {
                settings,
                store: Arc::clone(&store),
                keys: Arc::clone(&keys),
                pool: self.pool.clone(),
                events: self.events.clone(),
                random: Arc::clone(&self.random),
                held: RwLock::default(),
            })
        });
        let accounts = match (self.accounts, self.pool) {
            (None, _) => None,
            (Some(_), None) => return Err(MfaConfigError::NoPool),
            (Some(accounts), Some(pool)) => {
                Some((accounts, PasswordHasher::new(pool).cost(self.cost)?.random(Arc::clone(&self.random))))
            }
        };
        let Made { factors, passkeys, related_origins } =
            made(self.factors, &self.realm, texts.service(), metadata.as_ref())?;
        let senders = senders(self.senders, &factors)?;
        let subjects = self.subjects.unwrap_or_else(|| Arc::new(OwnSubjects(Arc::clone(&keys))));
        let push = self.push.map(|settings| {
            Arc::new(PushService {
                method: settings.method(),
                settings,
                realm: self.realm.clone(),
                store: Arc::clone(&store),
                keys: Arc::clone(&keys),
                subjects: Arc::clone(&subjects),
                limits: self.limits.clone(),
                events: self.events.clone(),
                clock: Arc::clone(&self.clock),
                random: Arc::clone(&self.random),
            })
        });
        let by_push = push.iter().map(|service| Arc::new(PushFactor(Arc::clone(service))) as Arc<dyn Factor>);
        let mut factors = named(factors.into_iter().chain(by_push).collect())?;
        if self.first_factors.magic_link && !senders.contains_key(&Channel::Email) {
            return Err(MfaConfigError::NoSender(Channel::Email));
        }
        let passwords = self.passwords.service(texts.service()).service(host_of(&self.realm));
        let with_codes = self.recovery_codes > 0 && !factors.is_empty();
        let recovery =
            with_codes.then(|| Arc::new(RecoveryFactor { keys: Arc::clone(&keys), count: self.recovery_codes }));
        if let Some(recovery) = &recovery {
            factors.push((recovery.method(), Arc::clone(recovery) as Arc<dyn Factor>));
        }
        let inner = Inner {
            store,
            keys,
            subjects,
            accounts,
            factors,
            recovery,
            senders,
            push,
            metadata,
            passkeys,
            related_origins,
            first_factors: self.first_factors,
            passwords,
            link_base: self.link_base.as_deref().unwrap_or(&self.realm).trim_end_matches('/').to_owned(),
            login_page: self.login_page,
            host: origin_of(&self.realm),
            policy: self.policy,
            hooks: self.hooks,
            fresh_factor: self.fresh_factor,
            table: self.table,
            limits: self.limits,
            texts,
            budget: self.budget,
            notices: self.notices,
            not_me_links: self.not_me_links,
            events: self.events,
            clock: self.clock,
            random: self.random,
            run_time,
            required: self.required,
        };
        if let Some(risk) = inner.policy.risk_policy() {
            risk.check(inner.passwords.knows_lost_passwords())?;
        }
        let nowhere = match inner.policy.enrolment() {
            FirstEnrolment::Closed => true,
            FirstEnrolment::VerifiedChannel => !inner.factors.iter().any(|(_, factor)| factor.works_on_file()),
            _ => false,
        };
        if inner.policy.has_grace() && nowhere {
            return Err(MfaConfigError::GraceWithoutEnrolment);
        }
        if let Some(unknown) = inner.policy.suggested().filter(|method| inner.factor(method).is_none()) {
            return Err(MfaConfigError::Suggested(unknown.to_owned()));
        }
        let out_of_reach = inner.policy.requirements().find(|requirement| !inner.reaches(requirement)).cloned();
        match out_of_reach {
            None => Ok(Mfa(Arc::new(inner))),
            Some(requirement) => {
                let need = requirement.acr_value().map(Acr::as_str).unwrap_or_default();
                Err(MfaConfigError::Unreachable(need.to_owned()))
            }
        }
    }
}

/// The factors, those too that depend on where they are served; and the passkeys among them that say who signs in.
fn made(
    factors: Vec<PluggedFactor>,
    realm: &str,
    service: &str,
    metadata: Option<&Arc<Keeper>>,
) -> Result<Made, MfaConfigError> {
    let mut made = Made::default();
    for PluggedFactor(plugged) in factors {
        made.factors.push(match plugged {
            Plugged::Made(factor) => factor,
            Plugged::Webauthn(settings) => {
                let is_first = settings.is_first();
                let factor = Arc::new(settings.serve(realm, service, metadata.cloned())?);
                made.related_origins = made.related_origins.or_else(|| factor.related_origins());
                if is_first {
                    made.passkeys = Some(Arc::clone(&factor));
                }
                factor
            }
        });
    }
    Ok(made)
}

#[derive(Default)]
struct Made {
    factors: Vec<Arc<dyn Factor>>,
    passkeys: Option<Arc<WebauthnFactor>>,
    related_origins: Option<String>,
}

/// The host in a realm that is an issuer, else the realm.
fn host_of(realm: &str) -> &str {
    let rest = realm.split_once("://").map_or(realm, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = match authority.split_once(']') {
        Some((address, _)) => address.trim_start_matches('['),
        None => authority.split(':').next().unwrap_or(authority),
    };
    if host.is_empty() { realm } else { host }
}

/// Who carries the messages of each channel. What a factor travels by, and nobody carries, it cannot be.
fn senders(
    mut senders: BTreeMap<Channel, Arc<dyn MessageSender>>,
    factors: &[Arc<dyn Factor>],
) -> Result<BTreeMap<Channel, Arc<dyn MessageSender>>, MfaConfigError> {
    for (channel, sender) in factors.iter().filter_map(|factor| factor.sender()) {
        senders.entry(channel).or_insert(sender);
    }
    let needed = factors.iter().filter_map(|factor| factor.contact().or(factor.method().travels_by()));
    match needed.into_iter().find(|channel| !senders.contains_key(channel)) {
        Some(channel) => Err(MfaConfigError::NoSender(channel)),
        None => Ok(senders),
    }
}

/// The host name that a code can be bound to.
fn origin_of(realm: &str) -> Option<String> {
    let authority = realm.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    (!host.is_empty() && !host.contains(['@', '[', ']'])).then(|| host.to_ascii_lowercase())
}

/// The factors by their methods, each of which must be told from the others and from ours.
fn named(factors: Vec<Arc<dyn Factor>>) -> Result<Factors, MfaConfigError> {
    let mut named = Factors::with_capacity(factors.len() + 1);
    for factor in factors {
        let method = factor.method().with_contact(factor.contact());
        if !method.has_good_name() || [PASSWORD, "pwd", "enrol", INVITATION, RECOVERY_CODE].contains(&method.name()) {
            return Err(MfaConfigError::MethodName(method.name().to_owned()));
        }
        if named.iter().any(|(earlier, _)| earlier.name() == method.name()) {
            return Err(MfaConfigError::MethodTwice(method.name().to_owned()));
        }
        named.push((method, factor));
    }
    Ok(named)
}
