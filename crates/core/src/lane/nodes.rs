//! The servers of a lane: one, or a cluster's primaries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::node::NodeLane;
use super::supervisor::{Task, closed};
use crate::discovery::{Cluster, Finder, Place, SlotMap};
use crate::error::{Error, ErrorKind};
use crate::topology::Node;
use futures_util::future::join_all;

/// The servers of a lane.
pub(crate) enum Nodes {
    One(Arc<NodeLane>),
    Cluster(Members),
}

/// A cluster's primaries, each with its connection, as the slot map names them.
pub(crate) struct Members {
    cluster: Arc<Cluster>,
    task: Task,
    max_in_flight: usize,
    view: RwLock<Option<Arc<View>>>,
    /// Whether it was shut down: nothing is made any more.
    closed: AtomicBool,
}

/// The connections by one version of the map; in the map's order, and behind them nodes that are none of its primaries
/// yet, to which keys of a moving slot are sent.
struct View {
    version: u64,
    map: Arc<SlotMap>,
    nodes: Vec<Arc<NodeLane>>,
}

impl Nodes {
    pub(crate) fn start(finder: &Finder, task: Task, max_in_flight: usize) -> Self {
        match finder.place() {
            Ok(place) => Nodes::One(Arc::new(NodeLane::start(place, None, task, max_in_flight))),
            Err(cluster) => Nodes::Cluster(Members {
                cluster: cluster.clone(),
                task,
                max_in_flight,
                view: RwLock::new(None),
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// Waits until one server is up, or none can be.
    pub(crate) async fn ready(&self, deadline: Instant) -> Result<(), Error> {
        let members = match self {
            Nodes::One(node) => return node.connection().client(deadline).await.map(drop),
            Nodes::Cluster(members) => members,
        };
        let view = members.view(deadline).await?;
        let all = view.nodes.iter().map(|node| {
            Box::pin(async move { node.connection().client(deadline).await.map(drop) })
        });
        let first = futures_util::future::select_ok(all);
        first.await.map(drop)
    }

    pub(crate) fn cluster(&self) -> Option<&Members> {
        match self {
            Nodes::One(_) => None,
            Nodes::Cluster(members) => Some(members),
        }
    }

    pub(crate) async fn drain(&self, limit: Duration) {
        match self {
            Nodes::One(node) => node.drain(limit).await,
            Nodes::Cluster(members) => {
                members.closed.store(true, Ordering::SeqCst);
                // Whoever is changing the view has done so, and whoever comes later finds it closed.
                let view = members.changing().clone();
                let nodes = view.iter().flat_map(|view| &view.nodes);
                join_all(nodes.map(|node| node.drain(limit))).await;
            }
        }
    }
}

impl Members {
    /// The connection to a slot's primary, or to any that is up; nothing where that must be found out first.
    pub(crate) fn now(&self, slot: Option<u16>) -> Option<Arc<NodeLane>> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let view = view.as_ref()?;
        if view.version != self.cluster.version() {
            return None;
        }
        view.of(slot)
    }

    /// The connection to a slot's primary, or to any that is up.
    ///
    /// # Errors
    /// `ClusterDown` for a slot that nobody serves, or why the map is not known.
    pub(crate) async fn of(
        &self,
        slot: Option<u16>,
        deadline: Instant,
    ) -> Result<Arc<NodeLane>, Error> {
        let view = self.view(deadline).await?;
        view.of(slot).ok_or_else(|| {
            self.cluster.wish();
            let slot = slot.unwrap_or_default();
            Error::new(
                ErrorKind::ClusterDown,
                format!("no node serves slot {slot}"),
            )
        })
    }

    /// The connection to a node that another one named.
    pub(crate) async fn named(
        &self,
        node: &Node,
        deadline: Instant,
    ) -> Result<Arc<NodeLane>, Error> {
        let view = self.view(deadline).await?;
        let is = |lane: &&Arc<NodeLane>| lane.member() == Some(node);
        if let Some(known) = view.nodes.iter().find(is) {
            return Ok(known.clone());
        }
        let mut current = self.changing();
        self.is_open()?;
        let Some(view) = &*current else {
            return Err(closed());
        };
        if let Some(known) = view.nodes.iter().find(is) {
            return Ok(known.clone());
        }
        let made = self.make(node);
        let mut nodes = view.nodes.clone();
        nodes.push(made.clone());
        *current = Some(Arc::new(View {
            version: view.version,
            map: view.map.clone(),
            nodes,
        }));
        Ok(made)
    }

    /// Every primary that serves a slot.
    pub(crate) async fn primaries(&self, deadline: Instant) -> Result<Vec<Arc<NodeLane>>, Error> {
        let view = self.view(deadline).await?;
        let primaries = view.map.primaries().len();
        Ok(view.nodes[..primaries].to_vec())
    }

    pub(crate) fn discovery(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    fn read(&self) -> Option<Arc<View>> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        view.clone()
    }

    fn changing(&self) -> RwLockWriteGuard<'_, Option<Arc<View>>> {
        // A view is whole or was not put there.
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> Result<(), Error> {
        match self.closed.load(Ordering::SeqCst) {
            true => Err(closed()),
            false => Ok(()),
        }
    }

    async fn view(&self, deadline: Instant) -> Result<Arc<View>, Error> {
        // Read before the map, so that a map that comes between is only read once more.
        let version = self.cluster.version();
        if let Some(view) = self.read()
            && view.version == version
        {
            return Ok(view);
        }
        let map = self.cluster.map(deadline).await?;
        self.renew(version, map)
    }

    /// Makes the connections match a map: what is not in it any more ends when nothing is under way there.
    fn renew(&self, version: u64, map: Arc<SlotMap>) -> Result<Arc<View>, Error> {
        let mut current = self.changing();
        self.is_open()?;
        if let Some(view) = &*current
            && view.version >= version
        {
            return Ok(view.clone());
        }
        let known = current.as_ref().map_or(&[][..], |view| &view.nodes);
        let find = |node: &Node| {
            known
                .iter()
                .find(|lane| lane.member() == Some(node))
                .cloned()
        };
        let nodes = map.primaries().iter();
        let nodes = nodes.map(|node| find(node).unwrap_or_else(|| self.make(node)));
        let view = Arc::new(View {
            version,
            nodes: nodes.collect(),
            map,
        });
        *current = Some(view.clone());
        Ok(view)
    }

    fn make(&self, node: &Node) -> Arc<NodeLane> {
        let place = Place::Member(Arc::new(self.cluster.member(node)), self.cluster.clone());
        Arc::new(NodeLane::start(
            place,
            Some(node.clone()),
            self.task.clone(),
            self.max_in_flight,
        ))
    }
}

impl View {
    fn of(&self, slot: Option<u16>) -> Option<Arc<NodeLane>> {
        let at = match slot {
            Some(slot) => self.map.owner(slot)?,
            None => {
                let up = |node: &Arc<NodeLane>| node.connection().is_up();
                self.nodes.iter().position(up).unwrap_or(0)
            }
        };
        self.nodes.get(at).cloned()
    }
}
