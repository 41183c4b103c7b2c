//! What Redis knows of a lock, and taking it from whoever has it.

use std::time::Duration;

use russet_core::{Bytes, Error, FromReply as _, Policy, Reply, Script};

use crate::clock::micros;
use crate::fence::Fence;
use crate::keys::{FORCE, INSPECT, LockKeys};
use crate::mutex::Mutex;
use crate::wire::{numbers_of, unreadable, whole};

static INSPECTING: Script = Script::new(INSPECT);
static FORCING: Script = Script::new(FORCE);

/// How many of those who wait are told by their labels.
const TOLD: usize = 100;

/// What Redis knows of a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Who holds it.
    pub holder: Option<Held>,
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
    /// How long its lease still lasts, unless it is renewed.
    pub left: Duration,
}

impl Mutex {
    /// What Redis knows of it now. One round trip, of a script that changes nothing.
    ///
    /// # Errors
    /// Any that [`Lane::run`](russet_core::Lane::run) has.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn inspect(&self) -> Result<Inspection, Error> {
        let (inner, name) = self.parts();
        let keys = LockKeys::of(&inner.releases.stem, name);
        let [lock, queue, _] = keys.all();
        let asked =
            inner
                .lane
                .script::<Vec<Reply>>(&INSPECTING, [lock, queue], [TOLD], Policy::Idempotent);
        let mut told = Box::pin(asked).await?.into_iter();
        let mut next = || told.next().ok_or_else(unreadable);
        let (waiting, held) = (u64::from_reply(next()?)?, Bytes::from_reply(next()?)?);
        let queue = told.map(|member| {
            let member = Bytes::from_reply(member)?;
            let label = member.get(24..).ok_or_else(unreadable)?;
            Ok(String::from_utf8_lossy(label).into_owned())
        });
        Ok(Inspection {
            holder: holder(&held)?,
            waiting,
            queue: queue.collect::<Result<_, Error>>()?,
        })
    }

    /// Takes it from whoever holds it, and hands it to the first who waits; who held it. For people: whoever held it is told, if they hear it,
    /// and else finds out with their next renewal; what they write meanwhile only a [`Fence`] keeps out. The reason is logged here, and
    /// there. One round trip.
    ///
    /// # Errors
    /// Any that [`Lane::run`](russet_core::Lane::run) has.
    ///
    /// # Cancel safety
    /// A dropped call may have done so.
    pub async fn force_release(&self, reason: &str) -> Result<Option<Held>, Error> {
        let (inner, name) = self.parts();
        let releases = &inner.releases;
        let keys = LockKeys::of(&releases.stem, name);
        let args: [Bytes; 5] = [
            releases.keeps.as_millis().to_string().into(),
            micros(releases.confirm).to_string().into(),
            Bytes::copy_from_slice(releases.channel.as_bytes()),
            Bytes::copy_from_slice(reason.as_bytes()),
            u8::from(releases.barges).to_string().into(),
        ];
        // Who takes its place at once shall not be the next to lose it.
        let asked = inner
            .lane
            .script::<Bytes>(&FORCING, keys.all(), args, Policy::AtMostOnce);
        let held = holder(&Box::pin(asked).await?)?;
        if let Some(held) = &held {
            tracing::warn!(target: "russet::locks", lock = name, owner = held.owner, fence = held.fence.0, reason, "a lock was taken from who held it");
        }
        Ok(held)
    }
}

/// '<Bddc16' and a label; nothing if nobody holds it.
fn holder(bytes: &[u8]) -> Result<Option<Held>, Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (numbers, label) = match (bytes.get(1..17), bytes.get(33..)) {
        (Some(numbers), Some(label)) => (numbers_of(numbers), label),
        _ => return Err(unreadable()),
    };
    let Some([fence, left]) = numbers.as_deref() else {
        return Err(unreadable());
    };
    Ok(Some(Held {
        owner: String::from_utf8_lossy(label).into_owned(),
        fence: Fence(whole(*fence)),
        left: Duration::from_micros(whole(*left)),
    }))
}
