//! The one place where attempts are charged, taken back and counted as failures.

use std::net::IpAddr;
use std::time::Duration;

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Charge, Charged, CounterKey, Store, StoreError};

use super::ladder::Ladder;
use super::row::Row;
use super::{Budget, Limits};
use crate::Method;
use crate::keys::Keys;

/// So many counters are touched in one call.
const AT_ONCE: usize = 64;
/// The name of the password among the methods. No factor may bear it.
pub(crate) const PASSWORD: &str = "password";

/// What is guessed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guess<'a> {
    Password,
    SecondFactor(&'a Method),
}

impl<'a> Guess<'a> {
    /// What shares its budget, and what that is called in events.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Password => PASSWORD,
            Self::SecondFactor(_) => "second_factor",
        }
    }

    pub(crate) fn method(self) -> &'a str {
        match self {
            Self::Password => PASSWORD,
            Self::SecondFactor(method) => method.name(),
        }
    }

    /// Whether guessing could hit it at all. What signs with a key is neither counted for its account nor ever closed.
    fn is_guessable(self) -> bool {
        match self {
            Self::Password => true,
            Self::SecondFactor(method) => method.is_guessable(),
        }
    }
}

/// As whom somebody guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A caller that signed in to the account before.
    Known(Id),
    /// A browser that did not.
    Strangers,
    /// A caller without a browser: this client at this address.
    Client(Id),
}

/// Whose secret is guessed, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guesser {
    /// The subject's partition, or what stands for a name that nobody has.
    pub(crate) account: Id,
    /// What the account remembers of a caller that signed in to it before.
    pub(crate) known: Option<Id>,
    /// Stands for client and address of a caller without a browser.
    pub(crate) client: Option<Id>,
    pub(crate) address: Option<IpAddr>,
}

impl Guesser {
    fn as_known(&self) -> Option<By> {
        self.known.map(By::Known)
    }

    fn as_stranger(&self) -> By {
        self.client.map_or(By::Strangers, By::Client)
    }
}

/// An attempt that was let through and is paid for.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Paid {
    charged: Vec<(Charge, Charged)>,
    row: Option<(Row, Charged)>,
}

/// An attempt that was not let through.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) retry_after: Duration,
    /// The secret is closed to strangers.
    pub(crate) closed: bool,
    pub(crate) note: Note,
}

/// What a failure has led to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    /// The secret was closed to strangers by it.
    pub(crate) closed: bool,
    /// The owner is to be told.
    pub(crate) told: bool,
}

/// Why an attempt is not let through.
#[derive(Clone, Copy)]
enum Refused {
    /// A budget is used up.
    Until(UnixTime),
    /// As many failures in a row as there may be; strangers are shut out by it just now, or were before.
    Row { newly: bool },
}

impl Limits {
    fn ladder(&self, label: &str) -> Ladder {
        let foot = if label == PASSWORD { self.password_strangers } else { self.second_factor_strangers };
        Ladder { foot, longest: self.longest_wait, quiet: self.quiet }
    }

    fn known(&self, label: &str) -> Budget {
        if label == PASSWORD { self.password_known } else { self.second_factor_known }
    }

    /// Charges an attempt, before anything is compared.
    pub(crate) async fn charge(
        &self,
        store: &dyn Store,
        keys: &Keys,
        guess: Guess<'_>,
        guesser: &Guesser,
        now: UnixTime,
    ) -> Result<Result<Paid, Stopped>, StoreError> {
        if self.off {
            return Ok(Ok(Paid::default()));
        }
        let charged = self.try_charge(store, keys, guess, guesser, now).await?;
        Ok(charged.map_err(|refused| self.stopped(refused, now)))
    }

    async fn try_charge(
        &self,
        store: &dyn Store,
        keys: &Keys,
        guess: Guess<'_>,
        guesser: &Guesser,
        now: UnixTime,
    ) -> Result<Result<Paid, Refused>, StoreError> {
        let address = self.address_charge(keys, guesser.address);
        if !guess.is_guessable() {
            return Ok(pay(store, Vec::from_iter(address), now).await?.map_err(|answers| until(&answers)));
        }
        if let (Some(mark), Some(by)) = (guesser.known, guesser.as_known()) {
            let row = Row::of(keys, guesser.account, guess.method(), by);
            let own = charge(known_counter(keys, guess.label(), guesser.account, mark), self.known(guess.label()));
            match pay_in_row(store, row, self, [own].into_iter().chain(address), now).await? {
                Err(Refused::Row { .. }) => {} // it failed so often that it counts as a stranger
                paid => return Ok(paid),
            }
        }
        self.charge_stranger(store, keys, guess, guesser, now).await
    }

    async fn charge_stranger(
        &self,
        store: &dyn Store,
        keys: &Keys,
        guess: Guess<'_>,
        guesser: &Guesser,
        now: UnixTime,
    ) -> Result<Result<Paid, Refused>, StoreError> {
        let by = guesser.as_stranger();
        let (ladder, row) = (self.ladder(guess.label()), Row::of(keys, guesser.account, guess.method(), by));
        let attempts: Vec<_> = rungs(keys, guess.label(), &ladder, guesser.account, by).collect();
        let reads = attempts.iter().map(|attempt| Charge { add: 0, limit: u32::MAX, ..*attempt });
        let reads: Vec<_> = reads.chain([row.read_closed()]).collect();
        let read = store.charge(&reads, now).await?;
        let Some((_, begun)) = read.split_last().filter(|(closed, _)| closed.count == 0) else {
            return Ok(Err(Refused::Row { newly: false }));
        };
        let rung = match ladder.reached(begun, now) {
            Ok(rung) => rung,
            Err(opens) => return Ok(Err(Refused::Until(opens))),
        };
        let attempt = ladder.attempt(rung_counter(keys, guess.label(), guesser.account, by, rung), rung);
        let address = self.address_charge(keys, guesser.address);
        match pay_in_row(store, row.clone(), self, [attempt].into_iter().chain(address), now).await? {
            // The failure that closes it was charged, and a crash came before it was noted.
            Err(Refused::Row { .. }) => Ok(Err(Refused::Row { newly: row.shut(store, now).await? })),
            // Others used the rung up meanwhile. It lives on through the quiet time, but the next one opens before.
            Err(Refused::Until(time)) => {
                let opens = ladder.reached(&store.charge(&reads, now).await?, now).err();
                Ok(Err(Refused::Until(opens.unwrap_or(time))))
            }
            paid => Ok(paid),
        }
    }

    fn stopped(&self, refused: Refused, now: UnixTime) -> Stopped {
        let (wait, closed, newly) = match refused {
            Refused::Until(time) => (time.since(now), false, false),
            Refused::Row { newly } => (self.longest_wait, true, newly),
        };
        let note = Note { closed: newly, told: false };
        Stopped { retry_after: wait.max(Duration::from_secs(1)), closed, note }
    }

    fn address_charge(&self, keys: &Keys, address: Option<IpAddr>) -> Option<Charge> {
        let address = address.filter(|address| !address.to_canonical().is_loopback())?;
        Some(charge(keys.address_counter(address), self.address))
    }

    /// Forgets what was counted of an account: by strangers, and by these that are known.
    pub(crate) async fn unlock(
        &self,
        store: &dyn Store,
        keys: &Keys,
        account: Id,
        (methods, known): (&[&str], &[Id]),
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let mut all = Vec::new();
        for label in [PASSWORD, "second_factor"] {
            all.extend(rungs(keys, label, &self.ladder(label), account, By::Strangers));
            all.extend(known.iter().map(|mark| charge(known_counter(keys, label, account, *mark), self.known(label))));
        }
        let all = all.into_iter().map(|charge| Charge { add: i32::MIN, ..charge });
        let callers = || std::iter::once(By::Strangers).chain(known.iter().copied().map(By::Known));
        let rows = methods.iter().flat_map(|method| callers().map(|by| Row::of(keys, account, method, by)));
        let all: Vec<_> = all.chain(rows.flat_map(|row| row.forget(self))).collect();
        for some in all.chunks(AT_ONCE) {
            store.charge(some, now).await?;
        }
        Ok(())
    }
}

fn charge(counter: CounterKey, budget: Budget) -> Charge {
    Charge { counter, add: 1, limit: budget.attempts, window: budget.window }
}

fn known_counter(keys: &Keys, label: &str, account: Id, mark: Id) -> CounterKey {
    keys.counter(label, &[account.as_bytes(), mark.as_bytes()])
}

/// An attempt on each rung of a ladder.
fn rungs(keys: &Keys, label: &str, ladder: &Ladder, account: Id, by: By) -> impl Iterator<Item = Charge> {
    (0..ladder.rungs()).map(move |rung| ladder.attempt(rung_counter(keys, label, account, by, rung), rung))
}

fn rung_counter(keys: &Keys, label: &str, account: Id, by: By, rung: u32) -> CounterKey {
    let client = match &by {
        By::Client(client) => client.as_bytes().as_slice(),
        By::Strangers | By::Known(_) => &[],
    };
    keys.counter(label, &[account.as_bytes(), client, &rung.to_be_bytes()])
}

/// Charges an attempt, and then one more failure of its row; a refused one costs nothing. In this order, so that a row holds no
/// attempts that were not let through: a flood of them must not close a secret.
async fn pay_in_row(
    store: &dyn Store,
    row: Row,
    limits: &Limits,
    charges: impl Iterator<Item = Charge>,
    now: UnixTime,
) -> Result<Result<Paid, Refused>, StoreError> {
    let mut paid = match pay(store, charges.collect(), now).await? {
        Ok(paid) => paid,
        Err(answers) => return Ok(Err(until(&answers))),
    };
    let failure = row.failure(limits);
    let charged = store.charge(&[failure], now).await?.into_iter().next();
    match charged.filter(|charged| charged.admitted) {
        Some(charged) => {
            paid.charged.push((failure, charged));
            Ok(Ok(Paid { row: Some((row, charged)), ..paid }))
        }
        None => {
            paid.refund(store, now).await?;
            Ok(Err(Refused::Row { newly: false }))
        }
    }
}

/// Makes all of these charges; or none, and says what became of each.
async fn pay(store: &dyn Store, charges: Vec<Charge>, now: UnixTime) -> Result<Result<Paid, Vec<Charged>>, StoreError> {
    if charges.is_empty() {
        return Ok(Ok(Paid::default()));
    }
    let answers = store.charge(&charges, now).await?;
    let both = charges.into_iter().zip(answers.iter().copied());
    let paid = Paid { charged: both.filter(|(_, charged)| charged.admitted).collect(), row: None };
    if answers.iter().all(|charged| charged.admitted) {
        return Ok(Ok(paid));
    }
    paid.refund(store, now).await?; // nothing is compared, so nothing is counted
    Ok(Err(answers))
}

fn until(answers: &[Charged]) -> Refused {
    let refused = answers.iter().filter(|charged| !charged.admitted);
    Refused::Until(refused.map(|charged| charged.resets_at).max().unwrap_or_default())
}

impl Paid {
    /// Takes back this attempt's own charges: it was no failure. A counter that started anew meanwhile holds none of them.
    pub(crate) async fn refund(self, store: &dyn Store, now: UnixTime) -> Result<(), StoreError> {
        apply(store, &self.refunds(now).collect::<Vec<_>>(), now).await
    }

    fn refunds(self, now: UnixTime) -> impl Iterator<Item = Charge> {
        let running = self.charged.into_iter().filter(move |(_, charged)| charged.resets_at > now);
        running.map(|(charge, _)| Charge { add: -1, ..charge })
    }

    /// The answer was right: takes back its own charges, and ends the rows of these methods.
    pub(crate) async fn succeeded(
        self,
        (limits, store, keys): (&Limits, &dyn Store, &Keys),
        guesser: &Guesser,
        methods: impl Iterator<Item = &str>,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        if limits.off {
            return Ok(());
        }
        let callers = || std::iter::once(By::Strangers).chain(guesser.as_known());
        let rows = methods.flat_map(|method| callers().map(move |by| Row::of(keys, guesser.account, method, by)));
        let ended: Vec<_> = rows.flat_map(|row| row.forget(limits)).collect();
        let all: Vec<_> = self.refunds(now).chain(ended).collect();
        for some in all.chunks(AT_ONCE) {
            apply(store, some, now).await?;
        }
        Ok(())
    }

    /// The answer was wrong, and what was charged stays.
    pub(crate) async fn failed(self, limits: &Limits, store: &dyn Store, now: UnixTime) -> Result<Note, StoreError> {
        match self.row {
            Some((row, charged)) => row.note(limits, store, charged, now).await,
            None => Ok(Note::default()),
        }
    }
}

async fn apply(store: &dyn Store, charges: &[Charge], now: UnixTime) -> Result<(), StoreError> {
    if !charges.is_empty() {
        store.charge(charges, now).await?;
    }
    Ok(())
}
