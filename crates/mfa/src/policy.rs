//! When users are asked for a second factor, and who may set one up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_accounts::Account;
use countersign_primitives::{AcrTable, BoxError, Requirement, Subject, UnixTime};

use crate::Compromised;
use crate::risk::RiskPolicy;

/// What is asked of everybody, of groups and of single users. Clients, scopes and resources state their own [`Requirement`] beside
/// it, and clients may ask for more at a request (`acr_values`, an essential `acr`, `max_age`); the strictest counts, always.
///
/// ```
/// use std::time::Duration;
/// use countersign_mfa::{PolicyInput, FirstEnrolment, Policy};
/// use countersign_primitives::{BoxError, Requirement};
///
/// let policy = Policy::never()
///     .group("admin", Requirement::PHISHING_RESISTANT)
///     .user("u-17", Requirement::MFA)
///     .rule(|asked: &PolicyInput<'_>| -> Result<Requirement, BoxError> {
///         let external = asked.account().and_then(|account| account.email_address()).is_some_and(|(address, _)| {
///             !address.ends_with("@example.com")
///         });
///         Ok(if external { Requirement::MFA } else { Requirement::NONE })
///     })
///     .grace(Duration::from_secs(14 * 86_400)) // who has no factor may put it off for two weeks
///     .first_enrolment(FirstEnrolment::ThisLogin);
/// # let _ = policy;
/// ```
#[derive(Clone)]
pub struct Policy {
    everybody: Requirement,
    groups: Vec<(String, Requirement)>,
    users: Vec<(Subject, Requirement)>,
    rules: Vec<Arc<dyn PolicyRule>>,
    first_enrolment: FirstEnrolment,
    grace: Option<Duration>,
    verified_contacts: bool,
    suggested: Option<String>,
    risk: Option<Arc<RiskPolicy>>,
    remember: Option<Duration>,
    after_compromise: Duration,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("everybody", &self.everybody)
            .field("groups", &self.groups)
            .field("users", &self.users)
            .field("rules", &self.rules.len())
            .field("first_enrolment", &self.first_enrolment)
            .field("grace", &self.grace)
            .field("verified_contacts", &self.verified_contacts)
            .field("suggested", &self.suggested)
            .field("risk", &self.risk)
            .field("remember", &self.remember)
            .field("after_compromise", &self.after_compromise)
            .finish()
    }
}

/// Two policies are equal if they say the same; a host's own rule is equal to itself alone, and so is what looks at risk.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        let same_rules = self.rules.len() == other.rules.len()
            && self.rules.iter().zip(&other.rules).all(|(mine, theirs)| Arc::ptr_eq(mine, theirs));
        let same_risk = match (&self.risk, &other.risk) {
            (None, None) => true,
            (Some(mine), Some(theirs)) => Arc::ptr_eq(mine, theirs),
            _ => false,
        };
        let said = |policy: &Self| {
            let Self {
                everybody,
                groups,
                users,
                first_enrolment,
                grace,
                verified_contacts,
                suggested,
                remember,
                after_compromise,
                rules: _,
                risk: _,
            } = policy.clone();
            (everybody, groups, users, first_enrolment, grace, verified_contacts, suggested, remember, after_compromise)
        };
        same_rules && same_risk && said(self) == said(other)
    }
}

/// A host's own rule of what is asked of whom. A closure is one.
///
/// It is asked at every step of a login, and again at every grant, so it answers fast and says the same to the same question.
#[async_trait]
pub trait PolicyRule: Send + Sync {
    /// What is asked of this user, here and now. It adds to what all else asks, and takes nothing away.
    ///
    /// # Errors
    /// Any error refuses the login or the grant: nothing is issued on a rule that was not heard (promise 14).
    async fn requirement(&self, asked: &PolicyInput<'_>) -> Result<Requirement, BoxError>;
}

#[async_trait]
impl<F> PolicyRule for F
where
    F: Fn(&PolicyInput<'_>) -> Result<Requirement, BoxError> + Send + Sync,
{
    async fn requirement(&self, asked: &PolicyInput<'_>) -> Result<Requirement, BoxError> {
        self(asked)
    }
}

/// Of whom a policy is asked something, and for what.
#[derive(Debug, Clone, Copy)]
pub struct PolicyInput<'a> {
    subject: &'a Subject,
    account: Option<&'a Account>,
    client_id: Option<&'a str>,
    duty: Duty,
    compromised: Option<Compromised>,
    now: UnixTime,
}

/// How somebody stands who shall have a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Duty {
    /// He has one, or need not.
    #[default]
    None,
    /// He has none, and may put it off until then.
    Until(UnixTime),
    /// He has none, and the time is over.
    Overdue,
}

impl<'a> PolicyInput<'a> {
    /// A question about a user, at a time.
    #[must_use]
    pub fn of(subject: &'a Subject, now: UnixTime) -> Self {
        Self { subject, account: None, client_id: None, duty: Duty::None, compromised: None, now }
    }

    /// The user's account, whose groups count.
    #[must_use]
    pub fn with_account(mut self, account: Option<&'a Account>) -> Self {
        self.account = account;
        self
    }

    /// The client that it is for.
    #[must_use]
    pub fn for_client(mut self, client_id: Option<&'a str>) -> Self {
        self.client_id = client_id;
        self
    }

    /// Whether the user has yet to set up a factor ([`Policy::grace`]).
    #[must_use]
    pub fn with_duty(mut self, duty: Duty) -> Self {
        self.duty = duty;
        self
    }

    /// Whether somebody else may have got in to the account lately ([`Mfa::report_compromise`](crate::Mfa::report_compromise)).
    #[must_use]
    pub fn with_compromised(mut self, compromised: Option<Compromised>) -> Self {
        self.compromised = compromised;
        self
    }

    /// Who.
    #[must_use]
    pub fn subject(&self) -> &'a Subject {
        self.subject
    }

    /// The account, where the engine has accounts.
    #[must_use]
    pub fn account(&self) -> Option<&'a Account> {
        self.account
    }

    /// The client, where it is for one.
    #[must_use]
    pub fn client_id(&self) -> Option<&'a str> {
        self.client_id
    }

    /// How the user stands who shall have a factor.
    #[must_use]
    pub fn duty(&self) -> Duty {
        self.duty
    }

    /// Whether somebody else may have got in lately, at a login; grants rest on what that proved, and are not asked.
    #[must_use]
    pub fn compromised(&self) -> Option<Compromised> {
        self.compromised
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.now
    }
}

/// When a user without a second factor may set up the first one. What a stolen password could do with it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FirstEnrolment {
    /// Not in a login: the host enrols its users.
    Closed,
    /// In any login that needs one, after the password alone: whoever has a stolen password can set up a factor of his own.
    ThisLogin,
    /// In a login that also types a code which was sent to a mail address or phone number that the account has verified before: a
    /// stolen password alone sets up nothing. It needs a factor that sends codes ([`EmailCodes`](crate::EmailCodes),
    /// [`SmsCodes`](crate::SmsCodes), [`VoiceCodes`](crate::VoiceCodes)); without one, or for an account without such an address, it
    /// is as [`FirstEnrolment::Closed`]. The default.
    #[default]
    VerifiedChannel,
    /// In a login that shows an invitation, which the host issued ([`Authenticators::invite`](crate::Authenticators::invite)) and
    /// handed over in a way that it trusts.
    Invitation,
}

impl Default for Policy {
    fn default() -> Self {
        Self::never()
    }
}

impl Policy {
    /// A second factor only where a client, a scope, a resource, a group, a user or the request asks for it.
    #[must_use]
    pub fn never() -> Self {
        Self::of_everybody(Requirement::NONE)
    }

    /// A second factor from everybody, always.
    #[must_use]
    pub fn always() -> Self {
        Self::of_everybody(Requirement::MFA)
    }

    /// A second factor wherever it is not sure enough that it is the owner who signs in: [`RiskPolicy::new`], beside what a client, a
    /// scope, a resource, a group, a user or the request asks for. What is asked for risk is judged once a login; grants and
    /// refreshes that rest on it are not judged again.
    #[must_use]
    pub fn adaptive() -> Self {
        Self::never().risk(RiskPolicy::new())
    }

    /// A factor that cannot be phished from everybody, always: nothing else lets anybody in.
    #[must_use]
    pub fn phishing_resistant() -> Self {
        Self::of_everybody(Requirement::PHISHING_RESISTANT)
    }

    /// This from everybody, always.
    #[must_use]
    pub fn of_everybody(requirement: Requirement) -> Self {
        Self {
            everybody: requirement,
            groups: Vec::new(),
            users: Vec::new(),
            rules: Vec::new(),
            first_enrolment: FirstEnrolment::default(),
            grace: None,
            verified_contacts: false,
            suggested: None,
            risk: None,
            remember: None,
            after_compromise: Compromised::LASTS,
        }
    }

    /// What is asked of members of a group ([`Account::group`](countersign_accounts::Account::group)).
    #[must_use]
    pub fn group(mut self, name: impl Into<String>, requirement: Requirement) -> Self {
        self.groups.push((name.into(), requirement));
        self
    }

    /// What is asked of one user, by the subject.
    #[must_use]
    pub fn user(mut self, subject: impl Into<Subject>, requirement: Requirement) -> Self {
        self.users.push((subject.into(), requirement));
        self
    }

    /// Asks a rule of the host's own too.
    #[must_use]
    pub fn rule(mut self, rule: impl PolicyRule + 'static) -> Self {
        self.rules.push(Arc::new(rule));
        self
    }

    /// Wants every user to have a factor. Who has none is asked to set one up, and may put it off until this long after the policy
    /// first met him; then it is a must. Within that time what is asked of *everybody* is not asked of him: nothing that a client, a
    /// scope, a resource, a group, a rule or the request asks for can be put off.
    ///
    /// The time begins at the first login under this policy, and does not begin again when factors are reset.
    #[must_use]
    pub fn grace(mut self, period: Duration) -> Self {
        self.grace = Some(period);
        self
    }

    /// Looks at how surely it is the owner who signs in, and asks for more where that is in doubt. It only adds: what all else asks is
    /// asked at any confidence, and at low confidence nobody sets up a first factor.
    #[must_use]
    pub fn risk(mut self, risk: RiskPolicy) -> Self {
        self.risk = Some(Arc::new(risk));
        self
    }

    /// What is asked of everybody.
    pub(crate) fn everybody(&self) -> &Requirement {
        &self.everybody
    }

    pub(crate) fn risk_policy(&self) -> Option<&RiskPolicy> {
        self.risk.as_deref()
    }

    /// When a user without a second factor may set up the first one.
    #[must_use]
    pub fn first_enrolment(mut self, when: FirstEnrolment) -> Self {
        self.first_enrolment = when;
        self
    }

    /// Codes may go to the phone number and the mail address that the account has verified, without being set up. Default: no,
    /// since both are often easier to take over than what a user enrols.
    #[must_use]
    pub fn verified_contacts(mut self) -> Self {
        self.verified_contacts = true;
        self
    }

    /// The method (such as `totp`) that a user without a factor is led to, where it reaches what is asked; the others stand beside
    /// it. Default: none, so that of several the user chooses one first.
    #[must_use]
    pub fn suggest(mut self, method: impl Into<String>) -> Self {
        self.suggested = Some(method.into());
        self
    }

    /// How long a browser is usually remembered.
    pub const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

    /// Lets users have a browser remembered in which they prove a second factor: for this long ([`Policy::REMEMBERED`]) it is not asked
    /// for again there. Default: no browser is.
    ///
    /// What a remembered browser stands in for is [`Requirement::MFA`] and its like: of everybody, groups, users, clients, scopes and
    /// rules. It never stands in for a greatest age, for what cannot be phished, for what the request itself asks, nor where a
    /// requirement says so ([`Requirement::never_remembered`]). What a login states (`acr`, `amr`) is what was proven in it.
    ///
    /// ```
    /// use countersign_mfa::Policy;
    /// use countersign_primitives::Requirement;
    ///
    /// let policy = Policy::always()
    ///     .remember_device(Policy::REMEMBERED)
    ///     .group("admin", Requirement::MFA.never_remembered());
    /// # let _ = policy;
    /// ```
    #[must_use]
    pub fn remember_device(mut self, lasts: Duration) -> Self {
        self.remember = Some(lasts);
        self
    }

    /// How long browsers are remembered, where any is.
    pub(crate) fn remembers_devices(&self) -> Option<Duration> {
        self.remember
    }

    /// For how long a second factor is asked for at every login once somebody else may have got in
    /// ([`Mfa::report_compromise`](crate::Mfa::report_compromise)). Default: seven days ([`Compromised::LASTS`]); zero takes no notice.
    #[must_use]
    pub fn after_compromise(mut self, lasts: Duration) -> Self {
        self.after_compromise = lasts;
        self
    }

    /// For how long notice is taken of a compromise, where it is.
    pub(crate) fn heeds_compromise(&self) -> Option<Duration> {
        Some(self.after_compromise).filter(|lasts| !lasts.is_zero())
    }

    pub(crate) fn suggested(&self) -> Option<&str> {
        self.suggested.as_deref()
    }

    pub(crate) fn allows_verified_contacts(&self) -> bool {
        self.verified_contacts
    }

    /// What is asked of a user.
    ///
    /// # Errors
    /// When a rule of the host's own fails.
    ///
    /// ```
    /// # futures_util::FutureExt::now_or_never(async {
    /// use countersign_mfa::{PolicyInput, Policy};
    /// use countersign_primitives::{AcrTable, Requirement, UnixTime};
    ///
    /// let policy = Policy::never().user("u-17", Requirement::MFA);
    /// let (user, now) = ("u-17".into(), UnixTime::from_secs(1));
    /// assert_eq!(policy.requirement(&PolicyInput::of(&user, now), &AcrTable::default()).await?, Requirement::MFA);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(()) }).expect("ready")?;
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub async fn requirement(&self, asked: &PolicyInput<'_>, table: &AcrTable) -> Result<Requirement, BoxError> {
        let everybody = match asked.duty {
            Duty::None => self.everybody.clone(),
            Duty::Until(_) => Requirement::NONE,
            Duty::Overdue => self.everybody.clone().and(&Requirement::MFA, table),
        };
        let groups = asked.account.map(Account::groups).unwrap_or_default();
        let of_groups = self.groups.iter().filter(|(name, _)| groups.contains(name)).map(|(_, one)| one);
        let of_user = self.users.iter().filter(|(user, _)| user == asked.subject).map(|(_, one)| one);
        let mut all = of_groups.chain(of_user).fold(everybody, |all, one| all.and(one, table));
        for rule in &self.rules {
            let one = rule.requirement(asked).await?;
            if one.acr_value().is_some_and(|acr| table.strength(acr).is_none()) {
                return Err(UnknownClass.into()); // joined with another it would be lost, or lose the other
            }
            all = all.and(&one, table);
        }
        Ok(all)
    }

    /// How a user stands, by whether he has a factor and when the policy first met him.
    pub(crate) fn duty(&self, has_factor: bool, met_at: Option<UnixTime>, now: UnixTime) -> Duty {
        match self.grace {
            None => Duty::None,
            Some(_) if has_factor => Duty::None,
            Some(period) => {
                let until = met_at.unwrap_or(now).plus(period);
                if now < until { Duty::Until(until) } else { Duty::Overdue }
            }
        }
    }

    pub(crate) fn has_grace(&self) -> bool {
        self.grace.is_some()
    }

    pub(crate) fn enrolment(&self) -> FirstEnrolment {
        self.first_enrolment
    }

    /// All that it states, rules of the host's own aside.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        let overdue = self.grace.map(|_| const { &Requirement::MFA });
        let groups = self.groups.iter().map(|(_, requirement)| requirement);
        let users = self.users.iter().map(|(_, requirement)| requirement);
        let risk = self.risk.iter().flat_map(|risk| risk.requirements());
        std::iter::once(&self.everybody).chain(overdue).chain(groups).chain(users).chain(risk)
    }
}

/// A rule demands what the table cannot rank.
#[derive(Debug, thiserror::Error)]
#[error("a rule requires a class that the server's table does not know")]
struct UnknownClass;
