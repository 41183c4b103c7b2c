//! The handle.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_core::{Bytes, Lane, Namespace, ScriptCalls};
use tokio::sync::{mpsc, oneshot};

use crate::builder::Builder;
use crate::hold::Hold;
use crate::keeper::{Keeper, Order};
use crate::mutex::Mutex;
use crate::owner::{Instance, Owner};
use crate::release::{Leaving, Releases};
use crate::wake::Wake;

/// Locks among processes. Cheap to clone.
///
/// A process that holds one is told when it may have lost it, and gets a [`Fence`](crate::Fence) that protects what it writes. One thread, with
/// a connection of its own, renews all locks of a handle: work that blocks the service's runtime loses none.
#[derive(Clone)]
pub struct Locks(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
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
}

impl Locks {
    /// Configures locks; their names stand in their keys: `<prefix>:lock:{<name>}`.
    pub fn builder(ns: &Namespace) -> Builder {
        Builder::new(ns)
    }

    /// The lock of this name, which one at a time may hold: 1 to 256 bytes, or taking it is an error.
    pub fn mutex(&self, name: &str) -> Mutex {
        Mutex::new(self.0.clone(), name)
    }

    /// The names and fences of the locks that this process holds.
    pub fn held(&self) -> Vec<(String, crate::Fence)> {
        let held = self.0.keeper.holds().into_iter();
        held.filter(|hold| hold.is_held())
            .map(|hold| (hold.name.to_string(), hold.fence))
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
    pub(crate) fn give_up(&self, leaving: Leaving) {
        // Nobody hears it once the handle was shut down; then the lease ends it.
        let _ = self.orders.send(Order::GiveUp(leaving));
    }

    pub(crate) fn keep(&self, hold: &Arc<Hold>, sent: crate::clock::Moment) {
        let key = crate::keys::lock(&self.releases.stem, &hold.name);
        if self.keeper.keep(hold, key, sent) {
            let _ = self.orders.send(Order::Look);
        }
    }

    pub(crate) fn owner(&self) -> Owner {
        self.instance.owner()
    }

    pub(crate) fn label(&self) -> Bytes {
        self.releases.label.clone()
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Locks({:?})", self.0.keeper)
    }
}
