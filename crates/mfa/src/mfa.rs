//! The engine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_accounts::Accounts;
use countersign_events::{Event, EventKind, Events};
use countersign_mfa_webauthn::TrustPolicy;
use countersign_outbound::{Channel, MessageSender};
use countersign_primitives::{Acr, AcrTable, Clock, Random, Requirement, Subject, UnixTime};
use countersign_storage_traits::{Found, Key, MasterKey, RootKey, Store, StoreError};

use crate::account_events::By;
use crate::builder::Keyed;
use crate::enrolments::KnownBrowsers;
use crate::factor::{Factor, RecoveryFactor};
use crate::keys::{KNOWN_BROWSER, Keys};
use crate::limits::{PASSWORD, SECTION};
use crate::login::gate::INVITATION;
use crate::metadata::Keeper;
use crate::push::{PushDevices, PushService};
use crate::risk::RiskPolicy;
use crate::settings::{RunTime, Settings};
use crate::webauthn::WebauthnFactor;
use crate::{
    Authenticators, Caller, FirstMethods, GeneralPolicy, Limits, LoginHook, MessageBudget, MessageTexts, MetadataState,
    MetadataUpdateError, Method, MfaBuilder, PasswordHasher, PasswordPolicy, Policy, Subjects,
};

/// Login, factors and policy as one value. A cheap clone.
///
/// ```
/// use std::sync::Arc;
/// use countersign_mfa::{FirstEnrolment, Mfa, Policy, Totp};
/// use countersign_storage_memory::MemoryStore;
/// use countersign_storage_traits::MasterKey;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), countersign_mfa::MfaConfigError> {
/// let mfa = Mfa::builder(MemoryStore::new(), &MasterKey::from_bytes([7; 32]))
///     .realm("https://id.example.com")
///     .factor(Totp::new("Example"))
///     .policy(Policy::always().first_enrolment(FirstEnrolment::ThisLogin))
///     .build()
///     .await?;
/// # let _ = mfa;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Mfa(pub(crate) Arc<Inner>);

/// The factors, each with what it said of itself when the engine was built.
pub(crate) type Factors = Vec<(Method, Arc<dyn Factor>)>;

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) subjects: Arc<dyn Subjects>,
    pub(crate) accounts: Option<(Arc<dyn Accounts>, PasswordHasher)>,
    pub(crate) factors: Factors,
    pub(crate) recovery: Option<Arc<RecoveryFactor>>,
    pub(crate) senders: BTreeMap<Channel, Arc<dyn MessageSender>>,
    /// Who says who signs in.
    pub(crate) first_factors: FirstMethods,
    /// Which passwords may be chosen.
    pub(crate) passwords: PasswordPolicy,
    /// What links begin with: the issuer.
    pub(crate) link_base: String,
    /// Where a front end of the host's own shows a login.
    pub(crate) login_page: Option<String>,
    /// The host name of the issuer.
    pub(crate) host: Option<String>,
    pub(crate) push: Option<Arc<PushService>>,
    /// What is known of models of authenticators.
    pub(crate) metadata: Option<Arc<Keeper>>,
    /// Passkeys that say who signs in.
    pub(crate) passkeys: Option<Arc<WebauthnFactor>>,
    /// Which origins beside those that the RP ID covers may ask for keys.
    pub(crate) related_origins: Option<String>,
    pub(crate) policy: Policy,
    pub(crate) hooks: Vec<Arc<dyn LoginHook>>,
    /// So long a factor counts as just proven.
    pub(crate) fresh_factor: Duration,
    pub(crate) table: AcrTable,
    pub(crate) limits: Limits,
    pub(crate) texts: MessageTexts,
    pub(crate) budget: MessageBudget,
    /// Whether owners are told unasked.
    pub(crate) notices: bool,
    /// Whether the mails that tell them carry a link by which they say that it was not them.
    pub(crate) not_me_links: bool,
    pub(crate) events: Events,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    /// What is switched while it runs.
    pub(crate) run_time: RunTime,
    /// What is required where, beside the policy.
    pub(crate) required: Vec<(String, Requirement)>,
}

impl fmt::Debug for Mfa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mfa").field("factors", &self.0.factors).field("policy", &self.0.policy).finish_non_exhaustive()
    }
}

impl Mfa {
    /// Begins to build an engine on a bare store: what it keeps is sealed under `key` ([`Encrypted`](countersign_storage_traits::Encrypted)).
    #[must_use]
    pub fn builder<'a>(store: impl Store + 'static, key: &'a MasterKey) -> MfaBuilder<'a> {
        MfaBuilder::new(Arc::new(store), Keyed::Bare(key))
    }

    /// Begins to build an engine on a store that the caller has wrapped in [`Encrypted`](countersign_storage_traits::Encrypted) already, for the same realm. TOTP seeds
    /// go there as they are: on a bare store they would lie open.
    #[must_use]
    pub fn builder_sealed(store: Arc<dyn Store>, key: &RootKey) -> MfaBuilder<'_> {
        MfaBuilder::new(store, Keyed::Sealed(key))
    }

    /// The authenticators of users, for the host's administration.
    #[must_use]
    pub fn authenticators(&self) -> Authenticators {
        Authenticators(self.clone(), By::HOST)
    }

    /// Forgets the guesses at an account, so that its owner gets in from a new browser at once: for a help desk that has made
    /// sure who is asking. Factors that were closed open again. What a browser that signed in before has used up is forgotten
    /// too. Budgets of addresses are not touched, since they are no account's, and neither are those of clients at addresses
    /// from which nobody signed in yet.
    ///
    /// # Errors
    /// When the store fails; calling it again does the rest.
    ///
    /// ```
    /// # use countersign_mfa::Mfa;
    /// # async fn example(mfa: Mfa) -> Result<(), Box<dyn std::error::Error>> {
    /// mfa.unlock_subject(&"u-1".into()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn unlock_subject(&self, subject: &Subject) -> Result<(), StoreError> {
        let inner = &*self.0;
        let now = inner.now();
        let partition = inner.subjects.partition(subject);
        let known: Option<Found<KnownBrowsers>> = inner.store.find(Key::root(KNOWN_BROWSER, partition), now).await?;
        let marks: Vec<_> = known.iter().flat_map(|found| found.value.ids()).collect();
        let methods: Vec<_> = inner.guessed().collect();
        inner.limits.unlock(&*inner.store, &inner.keys, partition, (&methods, &marks), now).await?;
        inner.tell(EventKind::GuessingUnlocked, None, |event| {
            event.with_subject(subject).with_cause("guessing.unlocked_by_operator", SECTION)
        });
        Ok(())
    }

    /// What users are sent: for messages that a host sends itself when it hears of an event.
    ///
    /// ```
    /// # use countersign_mfa::{Envelope, Mfa, Notice};
    /// # use countersign_outbound::{Channel, Message};
    /// # use countersign_primitives::UnixTime;
    /// # fn example(mfa: Mfa, now: UnixTime) -> Result<Message, countersign_mfa::MessageError> {
    /// mfa.texts().notice(&Envelope::new(Channel::Email, "alice@example.com", now), Notice::PasswordChanged)
    /// # }
    /// ```
    #[must_use]
    pub fn texts(&self) -> &MessageTexts {
        &self.0.texts
    }

    /// What devices call, where [push](MfaBuilder::push) is plugged in. An authorization server serves it at the path of
    /// [`Push::path`](crate::Push::path) by itself.
    #[must_use]
    pub fn push_devices(&self) -> Option<PushDevices> {
        self.0.push.clone().map(PushDevices)
    }

    /// One bounded round of due work: metadata of authenticators is taken up from the store, and fetched when it is time. Safe on every node
    /// at once; an authorization server does it by itself. Returns when to call again, if there is anything to do.
    ///
    /// ```
    /// # use countersign_mfa::Mfa;
    /// # use countersign_primitives::{Clock, SystemClock};
    /// # async fn example(mfa: Mfa) {
    /// let next = mfa.work(SystemClock.now()).await;
    /// # let _ = next;
    /// # }
    /// ```
    pub async fn work(&self, now: impl Into<UnixTime>) -> Option<UnixTime> {
        let keeper = self.0.metadata.as_ref()?;
        Some(keeper.work(now.into()).await)
    }

    /// What is known of models of authenticators on this node, where [metadata](MfaBuilder::authenticator_metadata) is plugged in and something is
    /// known already: for a probe of the host's that tells when it is overdue.
    #[must_use]
    pub fn authenticator_metadata(&self) -> Option<MetadataState> {
        self.0.metadata.as_ref()?.state(self.0.now())
    }

    /// `policy`, minding what is known of models of authenticators: for a host that verifies attestations itself. Without
    /// [metadata](MfaBuilder::authenticator_metadata) it is `policy` as it stands.
    ///
    /// # Errors
    /// While nothing is known yet, or the store fails: a policy without metadata would be a weaker one.
    pub async fn minding_metadata(&self, policy: &TrustPolicy) -> Result<TrustPolicy, MetadataUpdateError> {
        match &self.0.metadata {
            Some(keeper) => keeper.mind(policy, self.0.now()).await,
            None => Ok(policy.clone()),
        }
    }

    /// The document that browsers look for at `https://RP-ID/.well-known/webauthn`, of type `application/json`, where keys have related
    /// origins ([`Passkeys::related_origin`](crate::Passkeys::related_origin)). An authorization server serves it below the issuer; where the
    /// RP ID is another host, serve it there.
    #[must_use]
    pub fn related_origins(&self) -> Option<&str> {
        self.0.related_origins.as_deref()
    }

    /// The methods that users may set up: those that are not switched off ([`Mfa::settings`]).
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.0.enrolable()
    }

    /// Whether some user could meet a requirement here, by the factors that there are, switched on or off.
    #[must_use]
    pub fn reaches(&self, requirement: &Requirement) -> bool {
        self.0.reaches(requirement)
    }

    /// The classes that a login here can reach, for `acr_values_supported`: a password login's among them.
    #[must_use]
    pub fn acr_values(&self) -> Vec<Acr> {
        self.0.acr_values()
    }
}

impl Inner {
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    pub(crate) fn factor(&self, method: &str) -> Option<(&Method, &Arc<dyn Factor>)> {
        self.factors.iter().find(|(candidate, _)| candidate.name() == method).map(|(method, factor)| (method, factor))
    }

    /// What users call a method.
    pub(crate) fn title<'a>(&'a self, method: &'a str) -> &'a str {
        self.factor(method).map_or(method, |(method, _)| method.title())
    }

    /// Everything whose failures are counted in rows.
    pub(crate) fn guessed(&self) -> impl Iterator<Item = &str> {
        [PASSWORD, INVITATION].into_iter().chain(self.factors.iter().map(|(method, _)| method.name()))
    }

    pub(crate) fn tell(&self, kind: EventKind, caller: Option<&Caller>, fill: impl FnOnce(Event) -> Event) {
        let event = Event::new(kind, self.now());
        let event = match caller.and_then(|caller| caller.address) {
            Some(address) => event.with_address(address),
            None => event,
        };
        self.events.record(&fill(event));
    }

    pub(crate) fn failed(&self, cause: &'static str, subject: Option<&Subject>) {
        self.tell(EventKind::Failure, None, |event| {
            let event = event.with_cause(cause, "");
            match subject {
                Some(subject) => event.with_subject(subject),
                None => event,
            }
        });
    }

    /// What users may set up.
    pub(crate) fn enrolable(&self) -> impl Iterator<Item = &Method> {
        let settings = self.run_time.settings();
        let methods = self.factors.iter().map(|(method, _)| method);
        methods.filter(move |method| !method.is_backup() && settings.is_on(method.name()))
    }

    /// How surely it is the owner who signs in is looked at by this, where it is.
    pub(crate) fn risk_policy(&self) -> Option<&RiskPolicy> {
        let switched = self.run_time.settings().has_policy(GeneralPolicy::ConfidenceScore);
        self.policy.risk_policy().or_else(|| switched.then(|| self.run_time.standby_risk()))
    }

    /// The strongest class that a login can reach under these settings.
    fn best(&self, settings: &Settings) -> Acr {
        let mut methods = self.factors.iter().map(|(method, _)| method);
        let on = |method: &Method| !method.is_backup() && settings.is_on(method.name());
        let resistant = methods.clone().any(|method| on(method) && method.is_phishing_resistant());
        match (methods.any(on), resistant) {
            (_, true) => Acr::PHR,
            (true, false) => Acr::MFA,
            (false, false) => Acr::AAL1,
        }
    }

    fn acr_values(&self) -> Vec<Acr> {
        let values = self.table.classes().iter().map(|class| &class.value);
        values.filter(|value| self.attains(value)).cloned().collect()
    }

    /// Whether some user could reach the class here.
    fn attains(&self, class: &Acr) -> bool {
        self.attains_under(&Settings::default(), class)
    }

    /// The same, by what is switched on. Codes by e-mail alone are not NIST's second level.
    pub(crate) fn attains_under(&self, settings: &Settings, class: &Acr) -> bool {
        let mailed = |method: &Method| method.travels_by() == Some(Channel::Email);
        let mut on = self.factors.iter().map(|(method, _)| method).filter(|method| settings.is_on(method.name()));
        let by_mail_alone = *class == Acr::AAL2 && on.all(mailed);
        self.table.satisfies(&self.best(settings), class) && !by_mail_alone
    }

    /// Whether some user could meet it here.
    pub(crate) fn reaches(&self, requirement: &Requirement) -> bool {
        requirement.acr_value().is_none_or(|need| self.attains(need))
    }
}
