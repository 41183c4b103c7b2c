//! The servers of a lane: one, or a cluster's primaries.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockWriteGuard, Weak};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, select_ok};
use tokio::task::JoinHandle;

use super::node::NodeLane;
use super::supervisor::{Task, closed};
use crate::command::Command;
use crate::discovery::{Cluster, Finder, Place, SlotMap};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::server_info::ServerInfo;
use crate::topology::Node;

/// The servers of a lane.
pub(crate) enum Nodes {
    One(Arc<NodeLane>),
    Cluster(Arc<Members>),
}

/// A cluster's primaries, each with its connection, as the slot map names them.
pub(crate) struct Members {
    cluster: Arc<Cluster>,
    task: Task,
    max_in_flight: usize,
    view: RwLock<Option<Arc<View>>>,
    /// How many nodes there have been.
    made: AtomicU16,
    /// Which node has a command without a key next.
    turn: AtomicUsize,
    /// Makes the connections follow the map while nobody asks.
    follows: OnceLock<JoinHandle<()>>,
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
            Err(cluster) => {
                let members = Arc::new(Members {
                    cluster: cluster.clone(),
                    task,
                    max_in_flight,
                    view: RwLock::new(None),
                    made: AtomicU16::new(0),
                    turn: AtomicUsize::new(0),
                    follows: OnceLock::new(),
                    closed: AtomicBool::new(false),
                });
                let follow = follow(cluster.clone(), Arc::downgrade(&members));
                members.follows.get_or_init(|| tokio::spawn(follow));
                Nodes::Cluster(members)
            }
        }
    }

    /// What the one server said when its connection was made.
    pub(crate) fn greeting(&self) -> Option<ServerInfo> {
        match self {
            Nodes::One(node) => Some(node.connection().now()?.greeting().clone()),
            Nodes::Cluster(_) => None,
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
        let first = select_ok(all);
        first.await.map(drop)
    }

    /// Waits until the servers of these commands are up, or cannot be.
    pub(crate) async fn ready_for(&self, commands: &[Command], deadline: Instant) {
        let Nodes::Cluster(members) = self else {
            let _ = self.ready(deadline).await;
            return;
        };
        let mut seen = Vec::new();
        for command in commands {
            let slot = command.first_key().map(Key::slot);
            let Ok(node) = members.of(slot, deadline).await else {
                continue;
            };
            if !seen.contains(&node.id()) {
                seen.push(node.id());
                let _ = node.connection().client(deadline).await;
            }
        }
    }

    pub(crate) fn cluster(&self) -> Option<&Arc<Members>> {
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
                members.stop();
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
        view.of(slot, &self.turn)
    }

    /// The number of a slot's primary, by the map that was followed last; 0 while there is none.
    pub(crate) fn id_of(&self, slot: u16) -> u16 {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let owner = |view: &Arc<View>| Some(view.nodes.get(view.map.owner(slot)?)?.id());
        view.as_ref().and_then(owner).unwrap_or(0)
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
        view.of(slot, &self.turn).ok_or_else(|| {
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

    /// The connection to a primary, if the node is one.
    pub(crate) async fn primary(
        &self,
        node: &Node,
        deadline: Instant,
    ) -> Result<Option<Arc<NodeLane>>, Error> {
        let primaries = self.primaries(deadline).await?;
        let is = |lane: &Arc<NodeLane>| lane.member() == Some(node);
        Ok(primaries.into_iter().find(is))
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
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        Ok(())
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

    fn stop(&self) {
        if let Some(follows) = self.follows.get() {
            follows.abort();
        }
    }

    fn make(&self, node: &Node) -> Arc<NodeLane> {
        // Never 0, which is nobody's.
        let id = self
            .made
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1)
            .max(1);
        let place = Place::Member(Arc::new(self.cluster.member(node)), self.cluster.clone());
        Arc::new(NodeLane::start(
            place,
            Some((node.clone(), id)),
            self.task.clone(),
            self.max_in_flight,
        ))
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.stop();
    }
}

impl View {
    fn of(&self, slot: Option<u16>, turn: &AtomicUsize) -> Option<Arc<NodeLane>> {
        let at = match slot {
            Some(slot) => self.map.owner(slot)?,
            None => {
                let turn = turn.fetch_add(1, Ordering::Relaxed);
                let all = self.map.primaries().len();
                let mut turns = (0..all).map(|step| (turn.wrapping_add(step)) % all);
                let up = |at: &usize| {
                    self.nodes
                        .get(*at)
                        .is_some_and(|node| node.connection().is_up())
                };
                turns.find(up).unwrap_or(0)
            }
        };
        self.nodes.get(at).cloned()
    }
}

/// Nodes that left the map are let go, and new ones connected to, also on a lane that nobody uses just now.
async fn follow(cluster: Arc<Cluster>, members: Weak<Members>) {
    loop {
        let version = cluster.version();
        let Some(members) = members.upgrade() else {
            return;
        };
        let soon = Instant::now() + Duration::from_secs(1);
        let _ = members.view(soon).await;
        drop(members);
        cluster.changed(version).await;
    }
}
