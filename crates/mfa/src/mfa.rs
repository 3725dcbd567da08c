//! The engine as a host builds it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use countersign_accounts::Accounts;
use countersign_events::{Event, EventKind, Events};
use countersign_outbound::{Channel, MessageSender};
use countersign_primitives::{
    Acr, AcrTable, Clock, Random, Requirement, Subject, SystemClock, SystemRandom, UnixTime, WorkPool,
};
use countersign_storage_traits::{Encrypted, Found, Key, MasterKey, RootKey, Store, StoreError};

use crate::enrolments::KnownBrowsers;
use crate::factor::{Factor, RECOVERY_CODE, RecoveryFactor};
use crate::keys::{KNOWN_BROWSER, Keys, OwnSubjects};
use crate::limits::{PASSWORD, SECTION};
use crate::login::gate::INVITATION;
use crate::push::{Push, PushDevices, PushFactor, PushService};
use crate::{
    Authenticators, Caller, FirstEnrolment, FirstMethod, FirstMethods, Limits, LoginHook, MessageBudget, MessageTexts,
    Method, MfaConfigError, PasswordCost, PasswordHasher, PasswordPolicy, Policy, Subjects,
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
type Factors = Vec<(Method, Arc<dyn Factor>)>;

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
    pub(crate) policy: Policy,
    pub(crate) hooks: Vec<Arc<dyn LoginHook>>,
    pub(crate) table: AcrTable,
    pub(crate) limits: Limits,
    pub(crate) texts: MessageTexts,
    pub(crate) budget: MessageBudget,
    /// Whether owners are told unasked.
    pub(crate) notices: bool,
    pub(crate) events: Events,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl fmt::Debug for Mfa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mfa").field("factors", &self.0.factors).field("policy", &self.0.policy).finish_non_exhaustive()
    }
}

impl Mfa {
    /// Begins to build an engine on a bare store: what it keeps is sealed under `key` ([`Encrypted`]).
    #[must_use]
    pub fn builder<'a>(store: impl Store + 'static, key: &'a MasterKey) -> MfaBuilder<'a> {
        MfaBuilder::new(Arc::new(store), Keyed::Bare(key))
    }

    /// Begins to build an engine on a store that the caller has wrapped in [`Encrypted`] already, for the same realm. TOTP seeds
    /// go there as they are: on a bare store they would lie open.
    #[must_use]
    pub fn builder_sealed(store: Arc<dyn Store>, key: &RootKey) -> MfaBuilder<'_> {
        MfaBuilder::new(store, Keyed::Sealed(key))
    }

    /// The authenticators of users, for the host's administration.
    #[must_use]
    pub fn authenticators(&self) -> Authenticators {
        Authenticators(self.clone())
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
    /// [`Push::path`] by itself.
    #[must_use]
    pub fn push_devices(&self) -> Option<PushDevices> {
        self.0.push.clone().map(PushDevices)
    }

    /// The methods that users may set up.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.0.factors.iter().map(|(method, _)| method).filter(|method| !method.is_backup())
    }

    /// Whether some user could meet a requirement here, by the factors that there are.
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

    /// The strongest class that a login here can reach.
    fn best(&self) -> Acr {
        let second = self.factors.iter().any(|(method, _)| !method.is_backup());
        let resistant = self.factors.iter().any(|(method, _)| method.is_phishing_resistant());
        match (second, resistant) {
            (_, true) => Acr::PHR,
            (true, false) => Acr::MFA,
            (false, false) => Acr::AAL1,
        }
    }

    fn acr_values(&self) -> Vec<Acr> {
        let values = self.table.classes().iter().map(|class| &class.value);
        values.filter(|value| self.attains(value)).cloned().collect()
    }

    /// Whether some user could reach the class here. Codes by e-mail alone are not NIST's second level.
    fn attains(&self, class: &Acr) -> bool {
        let mailed = |method: &Method| method.travels_by() == Some(Channel::Email);
        let by_mail_alone = *class == Acr::AAL2 && self.factors.iter().all(|(method, _)| mailed(method));
        self.table.satisfies(&self.best(), class) && !by_mail_alone
    }

    /// Whether some user could meet it here.
    fn reaches(&self, requirement: &Requirement) -> bool {
        requirement.acr_value().is_none_or(|need| self.attains(need))
    }
}

/// Whether the store is bare, to be sealed under a master key, or sealed already, with its root key known.
enum Keyed<'a> {
    Bare(&'a MasterKey),
    Sealed(&'a RootKey),
}

/// An [`Mfa`] being built.
pub struct MfaBuilder<'a> {
    store: Arc<dyn Store>,
    key: Keyed<'a>,
    realm: String,
    subjects: Option<Arc<dyn Subjects>>,
    accounts: Option<Arc<dyn Accounts>>,
    pool: Option<Arc<dyn WorkPool>>,
    cost: PasswordCost,
    factors: Vec<Arc<dyn Factor>>,
    push: Option<Push>,
    senders: BTreeMap<Channel, Arc<dyn MessageSender>>,
    first_factors: FirstMethods,
    passwords: PasswordPolicy,
    link_base: Option<String>,
    login_page: Option<String>,
    recovery_codes: u8,
    policy: Policy,
    hooks: Vec<Arc<dyn LoginHook>>,
    table: AcrTable,
    limits: Limits,
    texts: Option<MessageTexts>,
    budget: MessageBudget,
    notices: bool,
    events: Events,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for MfaBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MfaBuilder").field("realm", &self.realm).field("factors", &self.factors).finish_non_exhaustive()
    }
}

impl<'a> MfaBuilder<'a> {
    /// The most recovery codes in a set.
    pub const MAX_RECOVERY_CODES: u8 = 20;

    fn new(store: Arc<dyn Store>, key: Keyed<'a>) -> Self {
        Self {
            store,
            key,
            realm: "countersign".to_owned(),
            subjects: None,
            accounts: None,
            pool: None,
            cost: PasswordCost::default(),
            factors: Vec::new(),
            push: None,
            senders: BTreeMap::new(),
            first_factors: FirstMethods::default(),
            passwords: PasswordPolicy::new(),
            link_base: None,
            login_page: None,
            recovery_codes: 10,
            policy: Policy::default(),
            hooks: Vec::new(),
            table: AcrTable::default(),
            limits: Limits::default(),
            texts: None,
            budget: MessageBudget::default(),
            notices: true,
            events: Events::none(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }

    /// Whose logins they are: the issuer. Two realms on one store share nothing. Default: `countersign`.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// A factor beside the password.
    #[must_use]
    pub fn factor(mut self, factor: impl Factor + 'static) -> Self {
        self.factors.push(Arc::new(factor));
        self
    }

    /// Push to devices that users register. Its method is `push`, after the other factors.
    #[must_use]
    pub fn push(mut self, push: Push) -> Self {
        self.push = Some(push);
        self
    }

    /// Who carries the messages of a channel, in place of the sender that a factor brings along.
    #[must_use]
    pub fn sender(mut self, channel: Channel, sender: impl MessageSender + 'static) -> Self {
        self.senders.insert(channel, Arc::new(sender));
        self
    }

    /// How users may say who they are. Default: by a password alone. A link by mail needs a [sender](Self::sender) of mails.
    ///
    /// ```no_run
    /// # use countersign_mfa::{FirstMethod, MfaBuilder};
    /// # fn example(builder: MfaBuilder<'_>) -> MfaBuilder<'_> {
    /// builder.first_factors([FirstMethod::Password, FirstMethod::MagicLink])
    /// # }
    /// ```
    #[must_use]
    pub fn first_factors(mut self, factors: impl IntoIterator<Item = FirstMethod>) -> Self {
        self.first_factors = factors.into_iter().collect();
        self
    }

    /// The same, as a value.
    #[must_use]
    pub fn first_factors_as(mut self, factors: FirstMethods) -> Self {
        self.first_factors = factors;
        self
    }

    /// Which passwords users may choose. Default: [`PasswordPolicy::new`].
    #[must_use]
    pub fn password_policy(mut self, policy: PasswordPolicy) -> Self {
        self.passwords = policy;
        self
    }

    /// What links in mails begin with. Default: the [realm](Self::realm), which is the issuer. Nothing is ever built from what a request
    /// says of its host.
    #[must_use]
    pub fn link_base(mut self, base: impl Into<String>) -> Self {
        self.link_base = Some(base.into());
        self
    }

    /// Where a front end of the host's own shows a login: an absolute address. Links that sign in lead there, with `login` and `link`.
    #[must_use]
    pub fn login_page(mut self, address: impl Into<String>) -> Self {
        self.login_page = Some(address.into());
        self
    }

    /// When a second factor is asked. Default: only on request.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Asks this hook after the first factor of every login. Several are asked in turn.
    #[must_use]
    pub fn login_hook(mut self, hook: impl LoginHook + 'static) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// The users who sign in by a password here. Needs a [pool](Self::pool).
    #[must_use]
    pub fn accounts(mut self, accounts: Arc<dyn Accounts>) -> Self {
        self.accounts = Some(accounts);
        self
    }

    /// Where passwords are hashed.
    #[must_use]
    pub fn pool(mut self, pool: Arc<dyn WorkPool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// What a password hash costs.
    #[must_use]
    pub fn password_cost(mut self, cost: PasswordCost) -> Self {
        self.cost = cost;
        self
    }

    /// How many recovery codes come with the first factor; 0 for none. Default: 10, at most 20.
    #[must_use]
    pub fn recovery_codes(mut self, count: u8) -> Self {
        self.recovery_codes = count.min(Self::MAX_RECOVERY_CODES);
        self
    }

    /// How often somebody may guess.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What users are sent. Default: the texts of the kit, for a service that is called by the host of the
    /// [realm](Self::realm).
    #[must_use]
    pub fn messages(mut self, texts: MessageTexts) -> Self {
        self.texts = Some(texts);
        self
    }

    /// Whether the owner of an account is told unasked that its factors or its password changed, that a recovery code was used, or that
    /// somebody guesses: at its verified mail address and number, where their channels have senders. Default: yes. A host that
    /// sends its own when it hears of the events says no.
    #[must_use]
    pub fn notices(mut self, tell: bool) -> Self {
        self.notices = tell;
        self
    }

    /// How many messages go out, and where.
    #[must_use]
    pub fn message_budget(mut self, budget: MessageBudget) -> Self {
        self.budget = budget;
        self
    }

    /// The classes that `acr` may state.
    #[must_use]
    pub fn acr_table(mut self, table: AcrTable) -> Self {
        self.table = table;
        self
    }

    /// Who hears of what happens.
    #[must_use]
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where randomness comes from.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Where subjects' records live, and what changes with their factors.
    #[must_use]
    pub fn subjects(mut self, subjects: Arc<dyn Subjects>) -> Self {
        self.subjects = Some(subjects);
        self
    }

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
        let texts = self.texts.map_or_else(|| MessageTexts::new(host_of(&self.realm)), Ok)?;
        let accounts = match (self.accounts, self.pool) {
            (None, _) => None,
            (Some(_), None) => return Err(MfaConfigError::NoPool),
            (Some(accounts), Some(pool)) => {
                Some((accounts, PasswordHasher::new(pool).cost(self.cost)?.random(Arc::clone(&self.random))))
            }
        };
        let senders = senders(self.senders, &self.factors)?;
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
        let mut factors = named(self.factors.into_iter().chain(by_push).collect())?;
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
            first_factors: self.first_factors,
            passwords,
            link_base: self.link_base.as_deref().unwrap_or(&self.realm).trim_end_matches('/').to_owned(),
            login_page: self.login_page,
            host: origin_of(&self.realm),
            policy: self.policy,
            hooks: self.hooks,
            table: self.table,
            limits: self.limits,
            texts,
            budget: self.budget,
            notices: self.notices,
            events: self.events,
            clock: self.clock,
            random: self.random,
        };
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
