//! What a host says when it builds an engine.

mod build;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_accounts::Accounts;
use countersign_events::Events;
use countersign_outbound::{Channel, MessageSender};
use countersign_primitives::{AcrTable, Clock, Random, Requirement, SystemClock, SystemRandom, WorkPool};
use countersign_storage_traits::{MasterKey, RootKey, Store};

use crate::{
    AuthenticatorMetadata, FirstMethod, FirstMethods, IntoFactor, Limits, LoginHook, MessageBudget, MessageTexts,
    PasswordCost, PasswordPolicy, PluggedFactor, Policy, Push, Subjects,
};

/// Whether the store is bare, to be sealed under a master key, or sealed already, with its root key known.
pub(crate) enum Keyed<'a> {
    Bare(&'a MasterKey),
    Sealed(&'a RootKey),
}

/// An [`Mfa`](crate::Mfa) being built.
pub struct MfaBuilder<'a> {
    store: Arc<dyn Store>,
    key: Keyed<'a>,
    realm: String,
    subjects: Option<Arc<dyn Subjects>>,
    accounts: Option<Arc<dyn Accounts>>,
    pool: Option<Arc<dyn WorkPool>>,
    cost: PasswordCost,
    factors: Vec<PluggedFactor>,
    push: Option<Push>,
    metadata: Option<AuthenticatorMetadata>,
    senders: BTreeMap<Channel, Arc<dyn MessageSender>>,
    first_factors: FirstMethods,
    passwords: PasswordPolicy,
    link_base: Option<String>,
    login_page: Option<String>,
    recovery_codes: u8,
    fresh_factor: Duration,
    policy: Policy,
    hooks: Vec<Arc<dyn LoginHook>>,
    table: AcrTable,
    limits: Limits,
    texts: Option<MessageTexts>,
    budget: MessageBudget,
    notices: bool,
    not_me_links: bool,
    events: Events,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    required: Vec<(String, Requirement)>,
}

impl fmt::Debug for MfaBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MfaBuilder").field("realm", &self.realm).field("factors", &self.factors).finish_non_exhaustive()
    }
}

impl<'a> MfaBuilder<'a> {
    /// The most recovery codes in a set.
    pub const MAX_RECOVERY_CODES: u8 = 20;

    pub(crate) fn new(store: Arc<dyn Store>, key: Keyed<'a>) -> Self {
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
            metadata: None,
            senders: BTreeMap::new(),
            first_factors: FirstMethods::default(),
            passwords: PasswordPolicy::new(),
            link_base: None,
            login_page: None,
            recovery_codes: 10,
            fresh_factor: Duration::from_secs(10 * 60),
            policy: Policy::default(),
            hooks: Vec::new(),
            table: AcrTable::default(),
            limits: Limits::default(),
            texts: None,
            budget: MessageBudget::default(),
            notices: true,
            not_me_links: false,
            events: Events::none(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            required: Vec::new(),
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
    pub fn factor(mut self, factor: impl IntoFactor) -> Self {
        self.factors.push(factor.into_factor());
        self
    }

    /// Push to devices that users register. Its method is `push`, after the other factors.
    #[must_use]
    pub fn push(mut self, push: Push) -> Self {
        self.push = Some(push);
        self
    }

    /// Where metadata of authenticators comes from. It is fetched as [due work](crate::Mfa::work), and kept in the store.
    #[must_use]
    pub fn authenticator_metadata(mut self, metadata: AuthenticatorMetadata) -> Self {
        self.metadata = Some(metadata);
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

    /// For how long a factor counts as just proven by whoever changes his own factors ([`Mfa::has_fresh_factor`](crate::Mfa::has_fresh_factor)). Default: 10
    /// minutes.
    #[must_use]
    pub fn fresh_factor(mut self, lasts: Duration) -> Self {
        self.fresh_factor = lasts;
        self
    }

    /// What is required at a place beside the policy, named as in `scope "payments:write"` and `client "backoffice"`: nothing that is
    /// switched while it runs ([`Settings`](crate::Settings)) may bring it out of reach. An authorization server says it by itself.
    #[must_use]
    pub fn required(mut self, place: impl Into<String>, requirement: Requirement) -> Self {
        self.required.push((place.into(), requirement));
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

    /// Whether mails that tell owners of a change carry a link by which they say that it was not them: it leads to `/not-me` under the
    /// [realm](Self::realm), which an authorization server with [`oauth::Login`](crate::oauth::Login) serves, and works for a week. Default:
    /// no; `countersign` says yes. A host without that page serves one that calls [`Mfa::not_me`](crate::Mfa::not_me).
    #[must_use]
    pub fn not_me_links(mut self, carry: bool) -> Self {
        self.not_me_links = carry;
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
}
