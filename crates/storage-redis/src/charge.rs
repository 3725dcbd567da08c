//! Counters.

use countersign_primitives::{Random, SystemRandom, UnixTime};
use countersign_storage_traits::{Charge, Charged, SWEEP_MARGIN, StoreError};
use futures_util::future::try_join_all;
use redis::Value;

use crate::error::{Cause, Failure};
use crate::script::{CHARGE, Call};
use crate::{Inner, encode};

impl Inner {
    /// Each counter's charges in their order, all counters at once.
    pub(crate) async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        let mut counters: Vec<Vec<usize>> = Vec::new();
        for (at, charge) in charges.iter().enumerate() {
            match counters.iter_mut().find(|members| charges[members[0]].counter == charge.counter) {
                Some(members) => members.push(at),
                None => counters.push(vec![at]),
            }
        }
        let work = counters.iter().map(async |members| {
            let mut answers = Vec::with_capacity(members.len());
            for at in members {
                answers.push((*at, self.charge_one(&charges[*at], now).await?));
            }
            Ok::<_, StoreError>(answers)
        });
        let mut answers: Vec<_> = try_join_all(work).await?.into_iter().flatten().collect();
        answers.sort_by_key(|(at, _)| *at);
        Ok(answers.into_iter().map(|(_, charged)| charged).collect())
    }

    async fn charge_one(&self, charge: &Charge, now: UnixTime) -> Result<Charged, StoreError> {
        let random: &dyn Random = &SystemRandom;
        let own = random.id()?.to_string();
        let call = Call::new(&CHARGE)
            .key(encode::counter_key(charge.counter))
            .number(encode::time(now))
            .arg(&own.as_bytes()[..16])
            .number(charge.add)
            .number(charge.limit)
            .number(encode::time(now.plus(charge.window)))
            .number(SWEEP_MARGIN.as_millis());
        let answers = self.network.call(&call, None, true).await?;
        answers.first().and_then(read).ok_or_else(|| Failure::sent("the server", Cause::Answer).into())
    }
}

fn read(answer: &Value) -> Option<Charged> {
    let Value::Array(parts) = answer else { return None };
    let [Value::Int(admitted), Value::Int(count), Value::Int(resets_at)] = parts.as_slice() else { return None };
    Some(Charged {
        admitted: *admitted == 1,
        count: u32::try_from(*count).ok()?,
        resets_at: encode::time_from(u64::try_from(*resets_at).ok()?),
    })
}
