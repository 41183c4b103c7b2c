//! Which subscriptions a connection carries.

use std::sync::Arc;
use std::time::Instant;

use super::Target;
use crate::discovery::{Cluster, Redirect};
use crate::driver::Kind;
use crate::topology::Node;

/// Which subscriptions a connection carries.
pub(super) enum Scope {
    /// All: there is one server.
    All,
    /// Those that any node of a cluster serves: channels and patterns.
    Anywhere,
    /// The sharded channels whose slot is this node's.
    Shard(Arc<Cluster>, Node),
}

impl Scope {
    pub(super) fn holds(&self, target: &Target) -> bool {
        match self {
            Scope::All => true,
            Scope::Anywhere => target.kind() != Kind::Sharded,
            Scope::Shard(cluster, node) => {
                target.kind() == Kind::Sharded
                    && cluster.node_of(target.key().slot()).as_ref() == Some(node)
            }
        }
    }

    /// Has the cluster asked what it holds.
    pub(super) async fn refresh(&self, deadline: Instant) {
        if let Scope::Shard(cluster, _) = self {
            // Without an answer it is as before.
            let _ = cluster.fresh(deadline).await;
        }
    }

    /// Which it is now, for [`changed`](Scope::changed).
    pub(super) fn version(&self) -> u64 {
        match self {
            Scope::All | Scope::Anywhere => 0,
            Scope::Shard(cluster, _) => cluster.version(),
        }
    }

    /// Waits until it may hold others than it did then.
    pub(super) async fn changed(&self, from: u64) {
        match self {
            Scope::All | Scope::Anywhere => std::future::pending().await,
            Scope::Shard(cluster, _) => cluster.changed(from).await,
        }
    }

    /// Whether a refusal says that a target is another node's; the map is told.
    pub(super) fn moved(&self, target: &Target, refusal: &str) -> bool {
        let Scope::Shard(cluster, node) = self else {
            return false;
        };
        match Redirect::parse(refusal, Some(target.key().slot()), node) {
            Some(Redirect::Moved { slot, to }) => {
                cluster.moved(slot, &to);
                true
            }
            _ => false,
        }
    }
}
