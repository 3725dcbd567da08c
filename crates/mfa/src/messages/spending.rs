//! The one place where messages are paid for, taken back and confirmed.

use std::net::IpAddr;
use std::time::Duration;

use countersign_events::EventKind;
use countersign_outbound::Channel;
use countersign_primitives::{Id, Subject, UnixTime};
use countersign_storage_traits::{Charge, Charged, CounterKey, Store, StoreError};

use super::budget::{MessageBudget, MessageRefused, Share};
use super::phone::{self, Country};
use crate::keys::Keys;
use crate::mfa::Inner;
use crate::{Budget, Caller, Mfa};

/// The section that asks for it.
const SECTION: &str = "OWASP ASVS 5.0 V6.6";
/// What the entry of a code takes from the debt.
const ENTERED: i32 = -100;

/// A message that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending<'a> {
    pub(crate) channel: Channel,
    /// An E.164 number or a mail address.
    pub(crate) to: &'a str,
    /// The subject's partition, or what stands for a name that nobody has.
    pub(crate) account: Id,
    /// What the account remembers of a browser that signed in to it before.
    pub(crate) known: Option<Id>,
    /// The user has shown before that the number or address is theirs.
    pub(crate) proven: bool,
    /// Where the caller is.
    pub(crate) address: Option<IpAddr>,
    /// A code is in it, which comes back if it is no fraud.
    pub(crate) awaits_code: bool,
}

/// A message that was paid for.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Spent(Vec<(Charge, Charged)>);

/// A message that is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) refused: MessageRefused,
    /// Sending stopped by it just now, there or everywhere.
    pub(crate) stopped: Option<Stop>,
}

/// Where sending stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    To(Country),
    Everywhere,
}

impl From<MessageRefused> for Denied {
    fn from(refused: MessageRefused) -> Self {
        Self { refused, stopped: None }
    }
}

impl Inner {
    /// Pays for a message, and tells of what is refused.
    pub(crate) async fn pay_for_message(
        &self,
        sending: &Sending<'_>,
        (caller, subject): (&Caller, Option<&Subject>),
        now: UnixTime,
    ) -> Result<Result<Spent, MessageRefused>, StoreError> {
        let denied = match self.budget.spend(&*self.store, &self.keys, sending, now).await? {
            Ok(spent) => return Ok(Ok(spent)),
            Err(denied) => denied,
        };
        let country = phone::reachable(sending.to).map(|number| number.country);
        self.tell(EventKind::MessageRefused, Some(caller), |event| {
            let event = event.with_method(sending.channel.as_str()).with_cause(denied.refused.id(), SECTION);
            let event = country.into_iter().fold(event, |event, country| event.with_country(country.as_str()));
            subject.into_iter().fold(event, |event, subject| event.with_subject(subject))
        });
        if let Some(stop) = denied.stopped {
            self.tell(EventKind::MessagesStopped, None, |event| {
                let event = event.with_cause(denied.refused.id(), SECTION);
                match stop {
                    Stop::To(country) => event.with_country(country.as_str()),
                    Stop::Everywhere => event,
                }
            });
        }
        Ok(Err(denied.refused))
    }

    /// A code was entered that had been sent there.
    pub(crate) async fn message_confirmed(&self, sent: (Channel, &str, bool), now: UnixTime) -> Result<(), StoreError> {
        self.budget.confirmed(&*self.store, &self.keys, sent, now).await
    }
}

impl Mfa {
    /// Sends codes again to this country, or everywhere (`None`), where sending has stopped because too few were entered: for an
    /// operator who has looked at why. What stopped in a country stays stopped until that country is resumed, and so does what
    /// stopped everywhere.
    ///
    /// # Errors
    /// When the store fails; calling it again does the rest.
    ///
    /// ```
    /// # use countersign_mfa::Mfa;
    /// # async fn example(mfa: Mfa) -> Result<(), Box<dyn std::error::Error>> {
    /// mfa.resume_messages(Some("FR".parse()?)).await?;
    /// # Ok(()) }
    /// ```
    pub async fn resume_messages(&self, country: Option<Country>) -> Result<(), StoreError> {
        let inner = &*self.0;
        inner.budget.resume(&*inner.store, &inner.keys, country, inner.now()).await?;
        inner.tell(EventKind::MessagesResumed, None, |event| {
            let event = event.with_cause("message.resumed_by_operator", SECTION);
            country.into_iter().fold(event, |event, country| event.with_country(country.as_str()))
        });
        Ok(())
    }
}

/// A charge, and what it means when it is not admitted.
type Priced = (Charge, fn(Duration) -> MessageRefused);

/// A debt of codes that were not entered, and the mark that sending has stopped for it.
#[derive(Debug, Clone, Copy)]
struct Debt {
    share: Share,
    counter: CounterKey,
    stopped: CounterKey,
    stop: Stop,
}

impl MessageBudget {
    /// Pays for a message, before it is sent.
    pub(crate) async fn spend(
        &self,
        store: &dyn Store,
        keys: &Keys,
        sending: &Sending<'_>,
        now: UnixTime,
    ) -> Result<Result<Spent, Denied>, StoreError> {
        if self.off {
            return Ok(Ok(Spent::default()));
        }
        let country = match self.country_of(sending) {
            Ok(country) => country,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let debts = country.filter(|_| sending.awaits_code);
        let debts = debts.map(|country| self.debts(keys, Some(country), sending.proven)).unwrap_or_default();
        let mut prices = self.prices(keys, sending, country);
        prices.extend(debts.iter().map(|debt| (debt.read_stopped(self), unconfirmed as fn(_) -> _)));
        let spent = match pay(store, &prices, now).await? {
            Ok(spent) => spent,
            Err(refused) => return Ok(Err(refused.into())),
        };
        self.owe(store, &debts, spent, now).await
    }

    /// The country of a number to which codes are sent; none of a mail address.
    fn country_of(&self, sending: &Sending<'_>) -> Result<Option<Country>, MessageRefused> {
        if sending.channel == Channel::Email {
            return Ok(None);
        }
        let country = phone::reachable(sending.to).ok_or(MessageRefused::Number)?.country;
        self.countries.has(country).then_some(Some(country)).ok_or(MessageRefused::Country)
    }

    fn prices(&self, keys: &Keys, sending: &Sending<'_>, country: Option<Country>) -> Vec<Priced> {
        let [account, recipient, address] = match country {
            Some(_) => [self.phone_account, self.phone_number, self.phone_address],
            None => [self.mail_account, self.mail_to, self.mail_address],
        };
        let kind: &[u8] = if country.is_some() { b"phone" } else { b"mail" };
        let known = sending.known.map(|known| *known.as_bytes()).unwrap_or_default();
        // A number that is somebody's is counted as theirs: others who have codes sent there do not use theirs up.
        let owner = if sending.proven { [*sending.account.as_bytes(), known] } else { [[0; 16]; 2] };
        let by_account = keys.counter("messages of account", &[kind, sending.account.as_bytes(), &known]);
        let by_recipient = keys.counter("messages to", &[kind, sending.to.as_bytes(), owner.as_flattened()]);
        let mut prices: Vec<Priced> = vec![
            (one(by_account, account), |retry_after| MessageRefused::Account { retry_after }),
            (one(by_recipient, recipient), |retry_after| MessageRefused::Recipient { retry_after }),
        ];
        if let Some(caller) = sending.address.filter(|address| !address.to_canonical().is_loopback()) {
            let by_address = keys.subscriber_counter("messages for", kind, caller);
            prices.push((one(by_address, address), |retry_after| MessageRefused::Address { retry_after }));
        }
        if let Some(country) = country {
            let standing = [u8::from(sending.proven)];
            let by_country = keys.counter("messages to country", &[country.as_str().as_bytes(), &standing]);
            let budget = self.of_country(country);
            prices.push((one(by_country, budget), |retry_after| MessageRefused::CountryBudget { retry_after }));
        }
        prices
    }

    /// What is owed of codes: to this country, and over all. Codes to numbers that their users have proven make a debt of their own.
    fn debts(&self, keys: &Keys, country: Option<Country>, proven: bool) -> Vec<Debt> {
        let debt = |share: Option<Share>, stop: Stop| {
            let place: &[u8] = match &stop {
                Stop::To(country) => country.as_str().as_bytes(),
                Stop::Everywhere => b"",
            };
            let counter = |label| keys.counter(label, &[place, &[u8::from(proven)]]);
            let share = share.filter(|share| share.percent > 0)?;
            Some(Debt { share, counter: counter("codes owed"), stopped: counter("codes stopped"), stop })
        };
        let there = country.and_then(|country| debt(self.country_share, Stop::To(country)));
        there.into_iter().chain(debt(self.share, Stop::Everywhere)).collect()
    }

    /// Adds the code to its debts. Last of all, so that what is not sent for another reason is no code that was not entered.
    async fn owe(
        &self,
        store: &dyn Store,
        debts: &[Debt],
        spent: Spent,
        now: UnixTime,
    ) -> Result<Result<Spent, Denied>, StoreError> {
        let charges: Vec<_> = debts.iter().map(|debt| debt.send(self)).collect();
        if charges.is_empty() {
            return Ok(Ok(spent));
        }
        let answers = store.charge(&charges, now).await?;
        let owed = charges.iter().copied().zip(answers.iter().copied()).filter(|(_, charged)| charged.admitted);
        let all = Spent(spent.0.into_iter().chain(owed).collect());
        let Some(debt) = debts.iter().zip(&answers).find(|(_, charged)| !charged.admitted).map(|(debt, _)| debt) else {
            return Ok(Ok(all));
        };
        all.refund(store, now).await?;
        let mark = store.charge(&[debt.stop(self)], now).await?.into_iter().next();
        let newly = mark.is_some_and(|charged| charged.admitted);
        let retry_after = mark.map_or(self.stopped_for, |charged| charged.resets_at.since(now));
        let stopped = newly.then_some(debt.stop);
        Ok(Err(Denied { refused: unconfirmed(retry_after.max(Duration::from_secs(1))), stopped }))
    }

    /// A code that was sent there was entered.
    pub(crate) async fn confirmed(
        &self,
        store: &dyn Store,
        keys: &Keys,
        (channel, to, proven): (Channel, &str, bool),
        now: UnixTime,
    ) -> Result<(), StoreError> {
        if self.off || channel == Channel::Email {
            return Ok(());
        }
        let country = phone::reachable(to).map(|number| number.country);
        let debts = self.debts(keys, country, proven);
        let entered: Vec<_> = debts.iter().map(|debt| Charge { add: ENTERED, ..debt.send(self) }).collect();
        if !entered.is_empty() {
            store.charge(&entered, now).await?;
        }
        Ok(())
    }

    /// Forgets what was owed, there or over all, and sends again.
    pub(crate) async fn resume(
        &self,
        store: &dyn Store,
        keys: &Keys,
        country: Option<Country>,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let debts = [true, false].into_iter().flat_map(|proven| self.debts(keys, country, proven));
        let debts = debts.filter(|debt| country.is_none() || debt.stop != Stop::Everywhere);
        let cleared = debts.flat_map(|debt| [debt.send(self), debt.stop(self)]);
        let cleared: Vec<_> = cleared.map(|charge| Charge { add: i32::MIN, ..charge }).collect();
        if !cleared.is_empty() {
            store.charge(&cleared, now).await?;
        }
        Ok(())
    }
}

impl Debt {
    /// The window is as long as sending stops, so that no debt is left from before when it goes on.
    fn send(&self, budget: &MessageBudget) -> Charge {
        let limit = self.share.sends.saturating_mul(self.share.percent.into());
        Charge { counter: self.counter, add: self.share.percent.into(), limit, window: budget.stopped_for }
    }

    fn stop(&self, budget: &MessageBudget) -> Charge {
        Charge { counter: self.stopped, add: 1, limit: 1, window: budget.stopped_for }
    }

    /// Only reads: sending has stopped if something stands there.
    fn read_stopped(&self, budget: &MessageBudget) -> Charge {
        Charge { counter: self.stopped, add: 0, limit: u32::MAX, window: budget.stopped_for }
    }
}

impl Spent {
    /// Nobody took the message: takes back what it cost. A counter that started anew meanwhile holds none of it.
    pub(crate) async fn refund(self, store: &dyn Store, now: UnixTime) -> Result<(), StoreError> {
        let running = self.0.into_iter().filter(|(charge, charged)| charge.add > 0 && charged.resets_at > now);
        let refunds: Vec<_> = running.map(|(charge, _)| Charge { add: -charge.add, ..charge }).collect();
        if !refunds.is_empty() {
            store.charge(&refunds, now).await?;
        }
        Ok(())
    }
}

/// Makes all of these charges, or none and says what the longest wait is for.
async fn pay(store: &dyn Store, prices: &[Priced], now: UnixTime) -> Result<Result<Spent, MessageRefused>, StoreError> {
    let charges: Vec<_> = prices.iter().map(|(charge, _)| *charge).collect();
    let answers = store.charge(&charges, now).await?;
    let stopped = |charge: &Charge, charged: &Charged| charge.add == 0 && charged.count > 0;
    let refused = prices.iter().zip(&answers);
    let refused = refused.filter(|((charge, _), charged)| !charged.admitted || stopped(charge, charged));
    let longest = refused.max_by_key(|(_, charged)| charged.resets_at);
    let refusal =
        longest.map(|((_, refused), charged)| refused(charged.resets_at.since(now).max(Duration::from_secs(1))));
    let both = charges.into_iter().zip(answers);
    let spent = Spent(both.filter(|(_, charged)| charged.admitted).collect());
    match refusal {
        None => Ok(Ok(spent)),
        Some(refused) => {
            spent.refund(store, now).await?;
            Ok(Err(refused))
        }
    }
}

fn unconfirmed(retry_after: Duration) -> MessageRefused {
    MessageRefused::Unconfirmed { retry_after }
}

fn one(counter: CounterKey, budget: Budget) -> Charge {
    Charge { counter, add: 1, limit: budget.attempts, window: budget.window }
}

#[cfg(test)]
#[path = "spending_tests.rs"]
mod tests;
