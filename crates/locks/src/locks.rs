//! The handle.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_core::{Ack, Acks, Eviction, Finding, Lane, Namespace, Probe, ScriptCalls, Server};
use tokio::sync::{mpsc, oneshot};

use crate::builder::Builder;
use crate::claim::{Claim, Want};
use crate::elector::Elector;
use crate::hold::Hold;
use crate::keeper::{Keeper, Order};
use crate::lock::Lock;
use crate::multi::Multi;
use crate::once::OncePer;
use crate::owner::Instance;
use crate::release::Releases;
use crate::rw::RwLock;
use crate::semaphore::Semaphore;
use crate::wake::Wake;

/// Locks among processes. Cheap to clone.
///
/// A process that holds one is told when it may have lost it, and gets a [`Fence`](crate::Fence) that protects what it writes. One thread, with
/// a connection of its own, renews all locks of a handle: work that blocks the service's runtime loses none.
#[derive(Clone)]
pub struct Locks(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) server: Server,
    pub(crate) lane: Lane,
    pub(crate) releases: Releases,
    pub(crate) instance: Instance,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) take: ScriptCalls,
    pub(crate) give: ScriptCalls,
    pub(crate) wake: Wake,
    pub(crate) lease: Duration,
    pub(crate) acquire: Duration,
    pub(crate) ack: Ack,
    pub(crate) acks: Acks,
    pub(crate) eviction: Eviction,
}

impl Locks {
    /// Configures locks; their names stand in their keys: `<prefix>:lock:{<name>}`.
    pub fn builder(ns: &Namespace) -> Builder {
        Builder::new(ns)
    }

    /// The lock of this name, which one at a time may hold: 1 to 256 bytes, or taking it is an error.
    pub fn mutex(&self, name: &str) -> Lock {
        Lock::new(self.0.clone(), name, Want::Whole)
    }

    /// The lock of this name that many may read under, or one write.
    pub fn rw(&self, name: &str) -> RwLock {
        RwLock::new(self, name)
    }

    /// The semaphore of this name, with so many permits: 1 to 1,000,000, or taking them is an error.
    pub fn semaphore(&self, name: &str, permits: u32) -> Semaphore {
        Semaphore::new(self, name, permits)
    }

    /// Several mutexes, taken all or none: 1 to 64, in any order.
    pub fn multi<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> Multi {
        Multi::new(self, names)
    }

    /// Who leads: one process of all that ask, by the mutex of this name.
    pub fn elector(&self, name: &str) -> Elector {
        Elector::new(self.mutex(name))
    }

    /// What is done at most once in a period by all processes together, by the mutex of this name; a period of 100 ms to 31 days, or running it is an
    /// error.
    pub fn once_per(&self, name: &str, period: Duration) -> OncePer {
        OncePer::new(self.mutex(name), period)
    }

    /// The names and fences of the locks that this process holds.
    pub fn held(&self) -> Vec<(String, crate::Fence)> {
        let held = self.0.keeper.holds().into_iter();
        held.filter(|hold| hold.is_held())
            .map(|hold| (hold.claim.name.to_string(), hold.fence))
            .collect()
    }

    /// Waits until all locks that were dropped are released, at most so long: before a process ends. Whether they are.
    ///
    /// # Cancel safety
    /// Safe to drop; they are released all the same.
    pub async fn shutdown_within(&self, limit: Duration) -> bool {
        let (told, done) = oneshot::channel();
        if self.0.orders.send(Order::Drained(told)).is_err() {
            return false;
        }
        let deadline = Instant::now() + limit.min(Duration::from_hours(24));
        matches!(
            tokio::time::timeout_at(deadline.into(), done).await,
            Ok(Ok(()))
        )
    }
}

impl Inner {
    /// What is not wanted any more, by somebody who does not wait for that.
    pub(crate) fn give_up(&self, claim: Claim) {
        // Nobody hears it once the handle was shut down; then the lease ends it.
        let _ = self.orders.send(Order::GiveUp(claim));
    }

    pub(crate) fn keep(&self, hold: &Arc<Hold>, sent: crate::clock::Moment) {
        self.eviction.look();
        if self.keeper.keep(hold, sent) {
            let _ = self.orders.send(Order::Look);
        }
    }
}

/// One `HELLO` and one `INFO` to each primary: degraded if one of them may evict locks.
impl Probe for Locks {
    fn subject(&self) -> String {
        format!("locks {}", self.0.releases.stem.as_str())
    }

    fn probe(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = Finding> + Send + '_>> {
        Box::pin(self.0.eviction.probe(deadline))
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Locks({:?})", self.0.keeper)
    }
}
