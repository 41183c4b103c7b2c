//! Who renews the locks of this process, and releases what was dropped: a task on a thread and a connection of its own.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use russet_core::{Bytes, Error, Key, Lane, Policy, Reply, Script};
use tokio::sync::{mpsc, oneshot};

use crate::claim::Claim;
use crate::clock::{Moment, micros};
use crate::hold::Hold;
use crate::holder::{Event, State};
use crate::keys::{self, LockKeys, RENEW, RENEW_SHARE};
use crate::owner::Owner;
use crate::release::Releases;

pub(crate) static RENEWING: Script = Script::new(RENEW);
static RENEWING_SHARES: Script = Script::new(RENEW_SHARE);

/// How many locks one script renews: so many that it takes about half a millisecond.
const AT_ONCE: usize = 500;
/// How long it looks at no lock at most: timers are late after a suspension.
const LONGEST: u64 = 1_000_000;
/// How many are given up at the same time.
const ENDING: usize = 64;

/// The locks of this process.
#[derive(Default)]
pub(crate) struct Keeper {
    held: Mutex<HashMap<Owner, Kept>>,
    /// When it looks next.
    next: AtomicU64,
}

struct Kept {
    hold: Arc<Hold>,
    /// When it is to be renewed; nothing while it is.
    due: Option<Moment>,
}

/// What a keeper is told.
pub(crate) enum Order {
    /// A lock is to be renewed before it looks next.
    Look,
    /// Somebody went away who may hold a lock, or wait for it.
    GiveUp(Claim),
    /// All that was ordered before has been done.
    Drained(oneshot::Sender<()>),
}

impl Keeper {
    /// Renews a lock from now on. Whether the keeper has to be told to look earlier than it would.
    pub(crate) fn keep(&self, hold: &Arc<Hold>, sent: Moment) -> bool {
        // Sooner, if it is held for less than a lease.
        let early = sent.plus(micros(sent.until(hold.till())) * 2 / 3);
        let due = first_due(hold.claim.lease, sent).min(early);
        let kept = Kept {
            hold: hold.clone(),
            due: Some(due),
        };
        self.lock().insert(hold.claim.owner, kept);
        due.0 < self.next.load(Ordering::Acquire)
    }

    pub(crate) fn forget(&self, owner: &Owner) {
        self.lock().remove(owner);
    }

    pub(crate) fn forced(&self, owner: &Owner, reason: &str) {
        let kept = self.lock().remove(owner);
        if let Some(kept) = kept {
            kept.hold.step(Event::Forced);
            tracing::warn!(target: "russet::locks", lock = &*kept.hold.claim.name, fence = kept.hold.fence.0, reason, "a lock was taken away");
        }
    }

    pub(crate) fn holds(&self) -> Vec<Arc<Hold>> {
        self.lock().values().map(|kept| kept.hold.clone()).collect()
    }

    /// What is to be renewed now, and when to look again. What is lost is kept no longer.
    fn due(&self, now: Moment) -> (Vec<Arc<Hold>>, Moment) {
        let mut held = self.lock();
        let mut due = Vec::new();
        let mut next = now.plus(LONGEST);
        held.retain(|_, kept| {
            if let State::Lost(reason) = kept.hold.step(Event::Passed) {
                tracing::warn!(target: "russet::locks", lock = &*kept.hold.claim.name, fence = kept.hold.fence.0, ?reason, "a lock was lost: its lease ended before it could be renewed");
                return false;
            }
            if kept.due.is_some_and(|at| at <= now) {
                kept.due = None;
                due.push(kept.hold.clone());
            }
            next = next.min(kept.due.unwrap_or(next)).min(kept.hold.till());
            true
        });
        self.next.store(next.0, Ordering::Release);
        (due, next)
    }

    /// What became of a renewal that was sent then.
    fn renewed(&self, hold: &Arc<Hold>, sent: Moment, told: Option<bool>) {
        let state = hold.step(match told {
            Some(true) => Event::Renewed { sent },
            Some(false) => Event::Refused,
            None => Event::Failed,
        });
        let mut held = self.lock();
        let Some(kept) = held.get_mut(&hold.claim.owner) else {
            return;
        };
        match state {
            State::Lost(reason) => {
                tracing::warn!(target: "russet::locks", lock = &*hold.claim.name, fence = hold.fence.0, ?reason, "a lock was lost");
                held.remove(&hold.claim.owner);
            }
            State::Held => kept.due = Some(next_due(hold.claim.lease, sent)),
            // Soon again, and not all at once.
            State::AtRisk => kept.due = Some(Moment::now().plus(spread(hold.claim.lease / 12))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Kept>> {
        // Nothing under this lock panics.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locks are renewed each third of their lease, all with the same lease at the same time, so that they share scripts: the first time
/// after a sixth to a half of it.
fn first_due(lease: u64, sent: Moment) -> Moment {
    let period = (lease / 3).max(1);
    Moment(((sent.0 + period / 2) / period + 1) * period)
}

fn next_due(lease: u64, sent: Moment) -> Moment {
    let period = (lease / 3).max(1);
    Moment((sent.0 / period + 1) * period)
}

fn spread(micros: u64) -> u64 {
    micros / 2 + fastrand::u64(..=micros / 2)
}

/// Renews and releases until nobody is left who could order it.
pub(crate) async fn run(
    lane: Lane,
    keeper: Ends,
    mut orders: mpsc::UnboundedReceiver<Order>,
    releases: Releases,
) {
    let keeper = &keeper.0;
    let mut renewals = FuturesUnordered::new();
    let mut endings = FuturesUnordered::new();
    let mut waiting: VecDeque<Claim> = VecDeque::new();
    let mut drained: Vec<oneshot::Sender<()>> = Vec::new();
    let mut told = Vec::new();
    let mut is_open = true;
    let mut next = Moment(0);
    loop {
        let now = Moment::now();
        if now >= next {
            let (due, then) = keeper.due(now);
            next = then;
            let with_key = |hold: Arc<Hold>| {
                let key = LockKeys::of(&releases.stem, &hold.claim.name, hold.claim.want).lock();
                (hold, key)
            };
            let (shares, mutexes): (Vec<_>, Vec<_>) = due
                .into_iter()
                .map(with_key)
                .partition(|(hold, _)| hold.claim.want.is_shared());
            for (script, due) in [(&RENEWING, mutexes), (&RENEWING_SHARES, shares)] {
                for batch in keys::by_group(&lane, due, AT_ONCE) {
                    renewals.push(renew(&lane, script, batch, releases.keeps));
                }
            }
        }
        while endings.len() < ENDING
            && let Some(one) = waiting.pop_front()
        {
            endings.push(releases.end(&lane, one));
        }
        if endings.is_empty() {
            for told in drained.drain(..) {
                let _ = told.send(());
            }
            if !is_open {
                return;
            }
        }
        tokio::select! {
            count = orders.recv_many(&mut told, 256), if is_open => {
                is_open = count > 0;
                for order in told.drain(..) {
                    match order {
                        Order::Look => next = Moment(0),
                        Order::GiveUp(one) => waiting.push_back(one),
                        Order::Drained(told) => drained.push(told),
                    }
                }
            }
            Some((sent, told)) = renewals.next() => {
                for (hold, told) in told {
                    keeper.renewed(&hold, sent, told);
                }
                next = Moment(0);
            }
            Some(()) = endings.next() => {}
            () = tokio::time::sleep_until(next.instant().into()) => {}
        }
    }
}

/// One script; of each lock whether it is still held, if that is known.
async fn renew(
    lane: &Lane,
    script: &'static Script,
    batch: Vec<(Arc<Hold>, Key)>,
    keeps: Duration,
) -> (Moment, Vec<(Arc<Hold>, Option<bool>)>) {
    let sent = Moment::now();
    let shortest = batch
        .iter()
        .map(|(hold, _)| hold.claim.lease)
        .min()
        .unwrap_or(0);
    let lane = lane.clone().deadline(Duration::from_micros(shortest / 6));
    let mut args: Vec<Bytes> = vec![keeps.as_millis().to_string().into()];
    for (hold, _) in &batch {
        args.push(Bytes::copy_from_slice(&hold.claim.owner.0));
        args.push(hold.asks().to_string().into());
    }
    let keys = batch.iter().map(|(_, key)| key);
    let told: Result<Vec<Reply>, Error> = lane.script(script, keys, args, Policy::Idempotent).await;
    let told = told.unwrap_or_else(|error| {
        tracing::warn!(target: "russet::locks", locks = batch.len(), %error, "locks could not be renewed; they are tried again until their leases end");
        Vec::new()
    });
    let mut told = told.into_iter();
    let told = batch.into_iter().map(|(hold, _)| {
        let its = match told.next() {
            Some(Reply::Int(1)) => Some(true),
            Some(Reply::Int(0)) => Some(false),
            _ => None,
        };
        (hold, its)
    });
    (sent, told.collect())
}

/// Dropped with the task that renews, however that ends, and also if it never began: tells all who hold something that nobody renews it any
/// more.
pub(crate) struct Ends(pub(crate) Arc<Keeper>);

impl Drop for Ends {
    fn drop(&mut self) {
        for (_, kept) in self.0.lock().drain() {
            kept.hold.step(Event::Shutdown);
        }
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keeper({} locks)", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_renewed_together() {
        let lease = 30_000_000;
        for sent in [0, 1, 4_999_999, 5_000_000, 9_999_999, 12_345_678] {
            let sent = Moment(sent);
            let due = first_due(lease, sent);
            assert!(due.0.is_multiple_of(10_000_000));
            assert!(
                due > sent.plus(lease / 6) && due <= sent.plus(lease / 2),
                "{sent:?}: {due:?}"
            );
            assert_eq!(next_due(lease, due), due.plus(10_000_000));
        }
    }
}
