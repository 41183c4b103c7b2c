//! A cluster's push connections: one anywhere, and one to each node that has sharded channels of ours.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::reconciler::Reconciler;
use super::registry::Registry;
use super::scope::Scope;
use crate::discovery::{Cluster, Place};
use crate::driver::{Kind, Tuning};
use crate::topology::Node;

/// Keeps the connections that the wanted subscriptions need.
pub(super) async fn run(cluster: Arc<Cluster>, tuning: Tuning, registry: Arc<Registry>) {
    let reconciler = |place, scope| {
        let reconciler = Reconciler::new(place, scope, tuning, registry.clone());
        Running(tokio::spawn(reconciler.run()))
    };
    let mut anywhere = None;
    let mut shards: HashMap<Node, Running> = HashMap::new();
    let mut changes = registry.changes();
    loop {
        let version = cluster.version();
        changes.mark_unchanged();
        let targets = registry.targets();
        let (sharded, others): (Vec<_>, Vec<_>) = targets
            .into_iter()
            .partition(|target| target.kind() == Kind::Sharded);
        if !others.is_empty() && anywhere.is_none() {
            anywhere = Some(reconciler(Place::Any(cluster.clone()), Scope::Anywhere));
        }
        let owners = sharded
            .iter()
            .filter_map(|target| cluster.node_of(target.key().slot()));
        let mut needed: HashMap<Node, Running> = HashMap::new();
        for node in owners {
            if needed.contains_key(&node) {
                continue;
            }
            let running = shards.remove(&node).unwrap_or_else(|| {
                let place = Place::Member(Arc::new(cluster.member(&node)), cluster.clone());
                reconciler(place, Scope::Shard(cluster.clone(), node.clone()))
            });
            needed.insert(node, running);
        }
        // Those of nodes that nothing is wanted of any more end here.
        shards = needed;
        tokio::select! {
            _ = changes.changed() => {}
            () = cluster.changed(version) => {}
        }
    }
}

/// A task that ends with whoever keeps it.
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}
