//! Asking for a link, and telling nobody whether there is one.

use countersign_accounts::Account;
use countersign_events::EventKind;
use countersign_outbound::{Channel, Message, SendError};
use countersign_primitives::{Id, SecretString, Subject, UnixTime};
use countersign_storage_traits::{Batch, Charge, CommitError, Expect, Found, Key};
use countersign_tokens::{Handle, Ring};

use super::{LIFETIME, Link, LinkPurpose, Links, PER_ACCOUNT, PER_ADDRESS};
use crate::keys::{LINK, LINKS, normalised};
use crate::limits::SECTION;
use crate::messages::spending::{Sending, Spent};
use crate::mfa::Inner;
use crate::{Answer, Caller, Envelope, Languages, LoginError, MessageError, MessageRefused, Notice, Ticket};

/// How often a commit that lost to another is tried again.
pub(super) const TRIES: usize = 4;

/// Who asks, and in which login.
pub(crate) struct Asking<'a> {
    pub(crate) purpose: LinkPurpose,
    pub(crate) caller: &'a Caller,
    /// What client and browser say that is read.
    pub(crate) languages: &'a Languages,
    pub(crate) login: Option<(Id, UnixTime)>,
    pub(crate) client: Option<&'a str>,
}

/// Whom a link is for.
pub(super) enum For {
    /// This account, at this address.
    Owner(Box<Account>, String),
    /// Nobody: what was typed belongs to no account that can be written to.
    Nobody(String),
}

impl Inner {
    /// Sends a link to the owner of an account that is named by what somebody typed. Whoever has no account, or none that can be written
    /// to, gets the same answer, at the same cost: look-up, charge, two records. What is sent is no part of the answer.
    pub(crate) async fn ask_by_name(&self, typed: &str, asking: &Asking<'_>) -> Result<(), LoginError> {
        let Some((accounts, _)) = &self.accounts else { return Ok(()) };
        let typed = typed.trim();
        if typed.is_empty() || typed.len() > Answer::MAX_LOGIN {
            return Ok(());
        }
        let account = accounts.by_login(typed).await.map_err(LoginError::Accounts)?;
        let owner = account.filter(|account| !account.is_disabled()).and_then(owner_of);
        let owner = owner.unwrap_or_else(|| For::Nobody(typed.to_owned()));
        let partition = match &owner {
            For::Owner(account, _) => self.subjects.partition(account.subject()),
            For::Nobody(typed) => self.keys.unknown(&normalised(typed)),
        };
        self.make_link(owner, partition, asking).await
    }

    /// Makes a link and sends it, or makes the same records and sends nothing.
    pub(super) async fn make_link(&self, owner: For, partition: Id, asking: &Asking<'_>) -> Result<(), LoginError> {
        let now = self.now();
        let nobody = Subject::new("nobody");
        let subject = match &owner {
            For::Owner(account, _) => Some(account.subject()),
            For::Nobody(_) => None,
        };
        let epoch = self.epoch(subject.unwrap_or(&nobody)).await?;
        let known = self.charge_link(partition, subject, asking, now).await?;
        let id = self.random.id()?;
        let handle = Handle::generate(asking.purpose.kind(), id, &*self.random)?;
        let to = match &owner {
            For::Owner(_, address) => address.clone(),
            For::Nobody(_) => String::new(),
        };
        let link = Link {
            purpose: asking.purpose,
            subject: subject.cloned(),
            hash: handle.hash(&Ring),
            epoch,
            to,
            login: asking.login,
            spent: false,
        };
        let mut batch = Batch::new(id, now, &*self.random)?;
        batch.put_value(Key::root(LINK, id), Expect::Absent, now.plus(LIFETIME), &link)?;
        self.store.commit_surely(&batch).await?;
        self.change_links(partition, now, |links| links.put(asking.purpose, id)).await?;
        // Its cost is the same whoever it is for, and so is the answer if it is not paid: a stranger must not learn from it.
        let Ok(paid) = self.pay_for_link(&owner, partition, (known, asking), now).await? else { return Ok(()) };
        let taken = match &owner {
            For::Owner(account, address) => self.send_link(account, address, &handle, asking).await,
            For::Nobody(typed) => self.tell_stranger(typed, asking).await,
        };
        if !taken {
            paid.refund(&*self.store, self.now()).await?;
        }
        Ok(())
    }

    /// Pays for the mail: by recipient and by the address of whoever asks, as every message, and by an account that is the links' own, so
    /// that whoever asks for links keeps no owner from codes by mail.
    async fn pay_for_link(
        &self,
        owner: &For,
        partition: Id,
        (known, asking): (Option<Id>, &Asking<'_>),
        now: UnixTime,
    ) -> Result<Result<Spent, MessageRefused>, LoginError> {
        let (to, subject) = match owner {
            For::Owner(account, address) => (normalised(address), Some(account.subject())),
            For::Nobody(typed) => (normalised(typed), None),
        };
        let account = self.keys.id("link mails", &[partition.as_bytes()]);
        let (address, proven) = (asking.caller.address, subject.is_some());
        let sending = Sending { channel: Channel::Email, to: &to, account, known, proven, address, awaits_code: false };
        Ok(self.pay_for_message(&sending, (asking.caller, subject), now).await?)
    }

    /// Changes what is known of a subject's links.
    pub(crate) async fn change_links(
        &self,
        partition: Id,
        now: UnixTime,
        change: impl Fn(&mut Links),
    ) -> Result<(), LoginError> {
        let key = Key::root(LINKS, partition);
        for _ in 0..TRIES {
            let found: Option<Found<Links>> = self.store.find(key, now).await?;
            let expect = found.as_ref().map_or(Expect::Absent, Found::unchanged);
            let mut links = found.map(|found| found.value).unwrap_or_default();
            change(&mut links);
            let mut batch = Batch::new(partition, now, &*self.random)?;
            batch.put_value(key, expect, links.expires(now), &links)?;
            match self.store.commit_surely(&batch).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LoginError::Contended)
    }

    /// What is known of a subject's links.
    pub(crate) async fn links(&self, partition: Id, now: UnixTime) -> Result<Links, LoginError> {
        let found: Option<Found<Links>> = self.store.find(Key::root(LINKS, partition), now).await?;
        Ok(found.map(|found| found.value).unwrap_or_default())
    }

    /// Counts a link, by account and by address, and says which browser it is that asks, if the account knows it. A browser that signed in to the account before has a budget of its own, so that no
    /// stranger keeps the owner from a link.
    async fn charge_link(
        &self,
        partition: Id,
        subject: Option<&Subject>,
        asking: &Asking<'_>,
        now: UnixTime,
    ) -> Result<Option<Id>, LoginError> {
        if self.limits.off {
            return Ok(None);
        }
        let known = self.known_browser(partition, asking.caller, now).await?.map(|browser| browser.id);
        let mark = known.as_ref().map(|browser| browser.as_bytes().as_slice()).unwrap_or_default();
        let account = self.keys.counter("links", &[partition.as_bytes(), mark]);
        let address = asking.caller.address.filter(|address| !address.to_canonical().is_loopback());
        let address =
            address.map(|address| self.keys.counter("links from", &[self.keys.address_counter(address).0.as_bytes()]));
        let of =
            |counter, budget: crate::Budget| Charge { counter, add: 1, limit: budget.attempts, window: budget.window };
        let charges: Vec<_> =
            std::iter::once(of(account, PER_ACCOUNT)).chain(address.map(|counter| of(counter, PER_ADDRESS))).collect();
        let charged = self.store.charge(&charges, now).await?;
        let refused = charged.iter().filter(|charged| !charged.admitted).map(|charged| charged.resets_at).max();
        let Some(opens) = refused else { return Ok(known) };
        self.tell(EventKind::GuessingThrottled, Some(asking.caller), |event| {
            let event = event.with_method(asking.purpose.name()).with_cause("link.throttled", SECTION);
            match subject {
                Some(subject) => event.with_subject(subject),
                None => event,
            }
        });
        Err(LoginError::Throttled { retry_after: opens.since(now).max(std::time::Duration::from_secs(1)) })
    }

    async fn send_link(&self, account: &Account, address: &str, handle: &Handle, asking: &Asking<'_>) -> bool {
        self.tell(EventKind::LinkAsked, Some(asking.caller), |event| {
            event.with_subject(account.subject()).with_method(asking.purpose.name())
        });
        let link = self.address_of(asking, handle);
        let message = self.link_message(account, address, &link, asking);
        self.mail(message, account.subject(), Some(asking.caller)).await
    }

    /// Where a link leads: to this server, whatever `Host` the request that asked had.
    fn address_of(&self, asking: &Asking<'_>, handle: &Handle) -> SecretString {
        let link = handle.to_secret_string();
        let base = &self.link_base;
        SecretString::new(match (asking.purpose, asking.login, &self.login_page) {
            (LinkPurpose::ResetPassword, ..) => format!("{base}/password/reset?link={}", link.expose()),
            (LinkPurpose::VerifyEmail, ..) => format!("{base}/verify-email?link={}", link.expose()),
            (LinkPurpose::MagicLink, Some((login, _)), None) => format!("{base}/login/{login}?link={}", link.expose()),
            (LinkPurpose::MagicLink, Some((login, _)), Some(page)) => {
                let sign = if page.contains('?') { '&' } else { '?' };
                format!("{page}{sign}login={login}&link={}", link.expose())
            }
            (LinkPurpose::MagicLink, None, _) => format!("{base}/?link={}", link.expose()),
        })
    }

    fn link_message(
        &self,
        account: &Account,
        address: &str,
        link: &SecretString,
        asking: &Asking<'_>,
    ) -> Result<Message, MessageError> {
        let languages = self.languages_of(account, asking.languages);
        let mut to = Envelope::new(Channel::Email, address, self.now()).languages(languages);
        if let Some(name) = account.name() {
            to = to.account(name);
        }
        if let Some(client) = asking.client {
            to = to.client(client);
        }
        match asking.purpose {
            LinkPurpose::ResetPassword => self.texts.reset_password(&to, Ticket::Link(link.expose()), LIFETIME),
            LinkPurpose::VerifyEmail => self.texts.verify_address(&to, Ticket::Link(link.expose()), LIFETIME),
            LinkPurpose::MagicLink => self.texts.magic_link(&to, link.expose(), LIFETIME),
        }
    }

    /// Whoever typed an address that no account has is told so there, and nowhere else.
    async fn tell_stranger(&self, typed: &str, asking: &Asking<'_>) -> bool {
        self.tell(EventKind::LinkAsked, Some(asking.caller), |event| {
            event.with_method(asking.purpose.name()).with_cause("link.nobody_to_write_to", "")
        });
        if !typed.contains('@') {
            return true;
        }
        let to = Envelope::new(Channel::Email, typed, self.now()).languages(asking.languages.clone());
        match self.texts.notice(&to, Notice::NoAccount) {
            Ok(message) => self.mail(Ok(message), &Subject::new("nobody"), Some(asking.caller)).await,
            Err(_) => true, // no address
        }
    }

    /// The languages of an account's owner: what the account says, then what the browser asks for.
    pub(crate) fn languages_of(&self, account: &Account, asked: &Languages) -> Languages {
        let own = account.claims().get("locale").and_then(serde_json::Value::as_str).map(Languages::of);
        own.unwrap_or_default().then(asked.clone())
    }

    /// Hands a message over, and says whether it was taken. Nobody who asked learns what became of it; operators do.
    pub(super) async fn mail(
        &self,
        message: Result<Message, MessageError>,
        subject: &Subject,
        caller: Option<&Caller>,
    ) -> bool {
        let (channel, outcome) = match message {
            Err(error) => {
                tracing::warn!(%error, "a message could not be written");
                (Channel::Email, Err("message.unwritable"))
            }
            Ok(message) => (message.channel(), self.hand_to_sender(&message).await),
        };
        let kind = if outcome.is_ok() { EventKind::MessageSent } else { EventKind::MessageFailed };
        self.tell(kind, caller, |event| {
            let event = event.with_subject(subject).with_method(channel.as_str());
            match outcome {
                Ok(()) => event,
                Err(cause) => event.with_cause(cause, ""),
            }
        });
        outcome.is_ok()
    }

    async fn hand_to_sender(&self, message: &Message) -> Result<(), &'static str> {
        let Some(sender) = self.senders.get(&message.channel()) else { return Err("message.no_sender") };
        sender.send(message).await.map_err(|error| {
            tracing::warn!(%error, channel = message.channel().as_str(), "a message could not be sent");
            match error {
                SendError::Unreachable => "message.unreachable",
                SendError::Busy => "message.busy",
                _ => "message.unavailable",
            }
        })
    }

    pub(super) fn can_send(&self, channel: Channel) -> bool {
        self.senders.contains_key(&channel)
    }

    /// Whether a link can be sent by which somebody shows that an address is theirs.
    #[cfg(feature = "oauth")]
    pub(crate) fn can_verify_email(&self) -> bool {
        self.accounts.is_some() && self.can_send(Channel::Email)
    }

    /// Whether a new password can be asked for by mail here.
    pub(crate) fn may_reset(&self) -> bool {
        self.accounts.is_some() && self.first_factors.password && self.can_send(Channel::Email)
    }
}

/// The address that an account can be written to: one that it has shown to be its own. At another somebody else may read.
fn owner_of(account: Account) -> Option<For> {
    let address = account.email_address().filter(|(_, verified)| *verified).map(|(address, _)| address.to_owned());
    address.map(|address| For::Owner(Box::new(account), address))
}
