//! Storing many values in one command.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use russet_core::{Batcher, Bounds, Bytes, Error, Flight, Key, Lane, Policy, Script, Stem};

use crate::control::Control;
use crate::keys::STORE;
use crate::store::millis;
use crate::wire::Entry;

static SCRIPT: Script = Script::new(STORE);

/// How many values one script stores: so many that all of them take half a millisecond.
const AT_ONCE: usize = 32;

/// Stores values; those that wait at the same moment share an `EVALSHA`.
pub(crate) type Stores = Batcher<Storing>;

/// One value to be stored.
pub(crate) struct Put {
    pub(crate) key: Key,
    pub(crate) lease: Key,
    /// Its place among the shards.
    pub(crate) shard: u16,
    /// What its entry is stored under; none where the script reads that itself.
    pub(crate) under: Option<[u64; 2]>,
    pub(crate) entry: Entry,
    pub(crate) lives: Duration,
}

pub(crate) struct Storing {
    pub(crate) lane: Lane,
    pub(crate) stem: Stem,
    pub(crate) control: Option<Arc<Control>>,
    pub(crate) wake: Bytes,
}

pub(crate) fn stores(storing: Storing, deadline: Duration) -> Stores {
    Batcher::new(storing, Bounds::new(AT_ONCE, 3), deadline)
}

impl Flight for Storing {
    type Request = Put;
    /// The clock that it is stored under.
    type Response = u64;

    fn group(&self, put: &Put) -> u16 {
        self.lane.group(&put.key)
    }

    fn request_bytes(&self, put: &Put) -> usize {
        2 * put.key.as_bytes().len() + put.entry.len()
    }

    fn response_bytes(&self, _: &u64) -> usize {
        0
    }

    async fn fly(&self, puts: Vec<Put>, _: Instant) -> Vec<Result<u64, Error>> {
        // Off clusters and without shards, which is nearly always, all go together.
        let is_one = self
            .control
            .as_ref()
            .is_none_or(|control| control.shards.len() == 1);
        if is_one && !self.lane.is_cluster() {
            return self.together(&puts.iter().collect::<Vec<_>>()).await;
        }
        let mut answers: Vec<Result<u64, Error>> = puts.iter().map(|_| Ok(0)).collect();
        let mut groups: Vec<(u16, Vec<usize>)> = Vec::new();
        for (at, put) in puts.iter().enumerate() {
            let slot = put.key.slot();
            match groups.iter_mut().find(|(of, _)| *of == slot) {
                Some((_, places)) => places.push(at),
                None => groups.push((slot, vec![at])),
            }
        }
        let stored = join_all(groups.iter().map(async |(_, places)| {
            let puts: Vec<&Put> = places.iter().map(|at| &puts[*at]).collect();
            self.together(&puts).await
        }));
        for ((_, places), stored) in groups.iter().zip(stored.await) {
            for (at, stored) in places.iter().zip(stored) {
                answers[*at] = stored;
            }
        }
        answers
    }
}

impl Storing {
    /// Where in its key the part begins that names a value, counted from 1 as scripts do: behind the stem, and the shard's tag.
    fn names_at(&self, put: &Put) -> u64 {
        let part = self.stem.value_in(&put.key).len();
        (put.key.as_bytes().len() - part + 1) as u64
    }

    /// Of one shard and one slot.
    async fn together(&self, puts: &[&Put]) -> Vec<Result<u64, Error>> {
        let Some(first) = puts.first() else {
            return Vec::new();
        };
        let shard = self.control.as_ref().and_then(|control| {
            let shard = control.shards.get(usize::from(first.shard))?;
            Some((control, shard))
        });
        let beside = shard.filter(|(control, _)| control.is_beside);
        let number = |number: u64| Bytes::from(number.to_string());
        let [channel, tag, by, most] = match shard {
            Some((control, shard)) => control.announcing(shard),
            None => Default::default(),
        };
        let [epoch, life] = match (first.under, shard) {
            (Some(under), _) => under.map(number),
            (None, Some((control, _))) => control.args(),
            (None, None) => Default::default(),
        };
        let is_beside = Bytes::from_static(if beside.is_some() { b"1" } else { b"0" });
        let count = number(puts.len() as u64);
        let common = [
            count,
            is_beside,
            self.wake.clone(),
            channel,
            tag,
            by,
            most,
            epoch,
            life,
            first.entry.head.clone(),
            number(self.names_at(first)),
        ];
        let own = puts.iter().flat_map(|put| {
            let lives = number(millis(put.lives));
            [put.entry.rest.clone(), lives]
        });
        let args: Vec<Bytes> = common.into_iter().chain(own).collect();
        let beside = beside
            .map(|(_, shard)| [&shard.state, &shard.tags, &shard.changes])
            .into_iter()
            .flatten();
        let values = puts.iter().map(|put| &put.key);
        let leases = puts.iter().map(|put| &put.lease);
        let keys = beside.chain(values).chain(leases);
        let reply = self
            .lane
            .script::<u64>(&SCRIPT, keys, args, Policy::Idempotent);
        let reply = Box::pin(reply).await;
        puts.iter().map(|_| reply.clone()).collect()
    }
}
