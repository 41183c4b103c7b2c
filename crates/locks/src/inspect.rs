//! What Redis knows of a lock, and taking it from whoever has it.

use std::time::Duration;

use russet_core::{Bytes, Error, FromReply as _, Policy, Reply, Script};

use crate::clock::micros;
use crate::fence::Fence;
use crate::keys::{FORCE, FORCE_SHARE, INSPECT, INSPECT_SHARE, LockKeys};
use crate::lock::Lock;
use crate::wire::{numbers_of, unreadable, whole};

static INSPECTING: Script = Script::new(INSPECT);
static INSPECTING_SHARES: Script = Script::new(INSPECT_SHARE);
static FORCING: Script = Script::new(FORCE);
static FORCING_SHARES: Script = Script::new(FORCE_SHARE);

/// How many of those who wait are told by their labels.
const TOLD: usize = 100;

/// What Redis knows of a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Who holds it: a mutex one at most.
    pub holders: Vec<Held>,
    /// How many wait for it.
    pub waiting: u64,
    /// The labels of the first hundred of them, in the order in which they are served.
    pub queue: Vec<String>,
}

/// Who holds a lock, as Redis has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// What the builder's [`owner`](crate::Builder::owner) said.
    pub owner: String,
    /// Its fence.
    pub fence: Fence,
    /// How many permits of a semaphore; of a read-write lock 1 to read, all 1,000,000 to write.
    pub weight: u32,
    /// How long its lease still lasts, unless it is renewed.
    pub left: Duration,
}

impl Lock {
    /// What Redis knows of it now: of both sides of a read-write lock, of all permits. One round trip, of a script that changes nothing.
    ///
    /// # Errors
    /// Any that [`Lane::run`](russet_core::Lane::run) has.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn inspect(&self) -> Result<Inspection, Error> {
        let keys = LockKeys::of(&self.inner.releases.stem, &self.name, self.want);
        let script = match self.want.is_shared() {
            true => &INSPECTING_SHARES,
            false => &INSPECTING,
        };
        let asked =
            self.inner
                .lane
                .script::<Vec<Reply>>(script, keys.all(), [TOLD], Policy::Idempotent);
        let mut told = Box::pin(asked).await?.into_iter();
        let mut next = || told.next().ok_or_else(unreadable);
        let (waiting, holding) = (u64::from_reply(next()?)?, u64::from_reply(next()?)?);
        let holders = (0..holding).map(|_| holder(next()?));
        let holders = holders.collect::<Result<_, Error>>()?;
        let queue = told.map(|member| {
            let member = Bytes::from_reply(member)?;
            let label = member.get(24..).ok_or_else(unreadable)?;
            Ok(String::from_utf8_lossy(label).into_owned())
        });
        Ok(Inspection {
            holders,
            waiting,
            queue: queue.collect::<Result<_, Error>>()?,
        })
    }

    /// Takes it from whoever holds it, and hands it to those who wait first; who held it: of a read-write lock or a semaphore all of them. For people:
    /// whoever held it is told, if they hear it, and else finds out with their next renewal; what they write meanwhile only a [`Fence`] keeps
    /// out. The reason is logged here, and there. One round trip.
    ///
    /// # Errors
    /// Any that [`Lane::run`](russet_core::Lane::run) has.
    ///
    /// # Cancel safety
    /// A dropped call may have done so.
    pub async fn force_release(&self, reason: &str) -> Result<Vec<Held>, Error> {
        let releases = &self.inner.releases;
        let keys = LockKeys::of(&releases.stem, &self.name, self.want);
        let args: [Bytes; 5] = [
            releases.keeps.as_millis().to_string().into(),
            micros(releases.confirm).to_string().into(),
            Bytes::copy_from_slice(releases.channel.as_bytes()),
            Bytes::copy_from_slice(reason.as_bytes()),
            u8::from(releases.barges).to_string().into(),
        ];
        let script = match self.want.is_shared() {
            true => &FORCING_SHARES,
            false => &FORCING,
        };
        // Who takes its place at once shall not be the next to lose it.
        let asked =
            self.inner
                .lane
                .script::<Vec<Reply>>(script, keys.all(), args, Policy::AtMostOnce);
        let held: Vec<Held> = Box::pin(asked)
            .await?
            .into_iter()
            .map(holder)
            .collect::<Result<_, Error>>()?;
        for held in &held {
            tracing::warn!(target: "russet::locks", lock = &*self.name, owner = held.owner, fence = held.fence.0, reason, "a lock was taken from who held it");
        }
        Ok(held)
    }
}

/// '<Bdddc16' and a label.
fn holder(reply: Reply) -> Result<Held, Error> {
    let bytes = Bytes::from_reply(reply)?;
    let (numbers, label) = match (bytes.get(1..25), bytes.get(41..)) {
        (Some(numbers), Some(label)) => (numbers_of(numbers), label),
        _ => return Err(unreadable()),
    };
    let Some([fence, left, weight]) = numbers.as_deref() else {
        return Err(unreadable());
    };
    Ok(Held {
        owner: String::from_utf8_lossy(label).into_owned(),
        fence: Fence(whole(*fence)),
        weight: u32::try_from(whole(*weight)).unwrap_or(u32::MAX),
        left: Duration::from_micros(whole(*left)),
    })
}
