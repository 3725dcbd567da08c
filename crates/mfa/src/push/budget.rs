//! How often a device is nudged, and what a no leads to (attack M31).
//!
//! Counted for the account over all its devices, challenges and logins, before the nudge. Strangers share one budget; a browser
//! that signed in with a second factor before has its own, so that strangers who use theirs up, or are told no, do not keep the
//! owner out (promise 6).

use std::time::Duration;

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Charge, Charged, CounterKey, StoreError};

use super::records::CausedBy;
use super::service::PushService;
use crate::Budget;

/// A nudge that is paid for.
#[derive(Debug)]
pub(super) struct PaidNudge(Vec<(Charge, Charged)>);

/// For so long no nudge is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait(pub(super) Duration);

impl PushService {
    fn push_counter(&self, label: &str, account: Id, by: &CausedBy) -> CounterKey {
        let mark = by.known.as_ref().map_or(&[][..], |mark| mark.as_bytes().as_slice());
        self.keys.counter(label, &[account.as_bytes(), mark])
    }

    fn nudge_charges(&self, account: Id, by: &CausedBy) -> Vec<Charge> {
        let limits = &self.settings.limits;
        let budgets: &[(&str, Budget)] = match by.known {
            Some(_) => &[("push known", limits.known)],
            None => &[("push strangers", limits.strangers), ("push strangers long", limits.strangers_long)],
        };
        let charge = |(label, budget): &(&str, Budget)| one(self.push_counter(label, account, by), *budget);
        budgets.iter().map(charge).collect()
    }

    /// After one of these there is quiet; after several there is more of it.
    fn denial_charges(&self, account: Id, by: &CausedBy) -> [Charge; 2] {
        let limits = &self.settings.limits;
        [
            one(self.push_counter("push cooling", account, by), Budget::new(1, limits.cooling_off)),
            one(self.push_counter("push denials", account, by), limits.denials),
        ]
    }

    /// Charges a nudge, or says when the next one is welcome.
    pub(super) async fn pay_nudge(
        &self,
        account: Id,
        by: &CausedBy,
        now: UnixTime,
    ) -> Result<Result<PaidNudge, Wait>, StoreError> {
        if self.limits.off {
            return Ok(Ok(PaidNudge(Vec::new())));
        }
        let denials = self.denial_charges(account, by);
        let reads: Vec<_> = denials.iter().map(|charge| Charge { add: 0, limit: u32::MAX, ..*charge }).collect();
        let read = self.store.charge(&reads, now).await?;
        let full = denials.iter().zip(&read).filter(|(charge, charged)| charged.count >= charge.limit);
        if let Some(until) = full.map(|(_, charged)| charged.resets_at).max() {
            return Ok(Err(wait(until, now)));
        }
        let charges = self.nudge_charges(account, by);
        let charged = self.store.charge(&charges, now).await?;
        let refused = charged.iter().filter(|charged| !charged.admitted).map(|charged| charged.resets_at).max();
        let admitted = charges.into_iter().zip(charged).filter(|(_, charged)| charged.admitted);
        let paid = PaidNudge(admitted.collect());
        match refused {
            None => Ok(Ok(paid)),
            Some(until) => {
                self.refund_nudge(paid, now).await?; // nothing is sent, so nothing is counted
                Ok(Err(wait(until, now)))
            }
        }
    }

    /// Takes back a nudge that was not sent.
    pub(super) async fn refund_nudge(&self, PaidNudge(charged): PaidNudge, now: UnixTime) -> Result<(), StoreError> {
        let running = charged.into_iter().filter(|(_, charged)| charged.resets_at > now);
        let refunds: Vec<_> = running.map(|(charge, _)| Charge { add: -1, ..charge }).collect();
        if !refunds.is_empty() {
            self.store.charge(&refunds, now).await?;
        }
        Ok(())
    }

    /// Counts a no.
    pub(super) async fn count_denial(&self, account: Id, by: &CausedBy, now: UnixTime) -> Result<(), StoreError> {
        if !self.limits.off {
            self.store.charge(&self.denial_charges(account, by), now).await?;
        }
        Ok(())
    }
}

fn one(counter: CounterKey, budget: Budget) -> Charge {
    Charge { counter, add: 1, limit: budget.attempts, window: budget.window }
}

pub(super) fn wait(until: UnixTime, now: UnixTime) -> Wait {
    Wait(until.since(now).max(Duration::from_secs(1)))
}
