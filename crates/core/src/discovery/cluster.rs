//! A cluster's slot map, kept up to date.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::around::ask_around;
use super::known::{Known, known};
use super::place::{Part, connect};
use super::slots::SlotMap;
use super::trouble::{Trouble, Watch};
use crate::command::Command;
use crate::driver::{Cause, Client, Tuning};
use crate::error::{BuildError, BuildErrorKind, Error, ErrorKind};
use crate::event::{Event, Told};
use crate::lane::Backoff;
use crate::reply::{FromReply as _, Reply};
use crate::topology::{Endpoint, Node};

/// How far two askings are apart at least, however many callers wish for one.
const APART: Duration = Duration::from_millis(50);
/// How long a node may take to say its map.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How long the connection to a node that answered is held for the next wish.
const HELD: Duration = Duration::from_secs(1);
/// How often a node that answered is asked again before another one is.
const AGAIN: u32 = 3;
/// After so many views in a row that are older than ours, ours is of a cluster that is no more.
const OLDER_VIEWS: u32 = 3;

/// A cluster as its nodes tell it.
///
/// One task asks, whichever node answers first; a `MOVED` changes its slot at once. A node that cannot be reached stops
/// neither.
pub(crate) struct Cluster {
    endpoint: Arc<Endpoint>,
    state: watch::Sender<Known<SlotMap>>,
    /// Counts the maps, so that who has a copy sees at a glance whether it is the present one.
    version: Arc<AtomicU64>,
    watch: Arc<Watch>,
    rounds: watch::Sender<Rounds>,
    /// Which node is next where any will do.
    turn: AtomicUsize,
    task: JoinHandle<()>,
}

/// How often was asked.
#[derive(Clone, Debug, Default)]
struct Rounds {
    begun: u64,
    /// The last one that is over.
    over: u64,
    /// Why that one had no answer.
    failed: Option<Error>,
}

impl Cluster {
    /// Starts asking, on the runtime that this is called on.
    pub(crate) fn start(endpoint: Arc<Endpoint>, tuning: Tuning, told: Told) -> Self {
        let state = watch::channel(Known::Asking).0;
        let rounds = watch::channel(Rounds::default()).0;
        let (version, watch) = (Arc::new(AtomicU64::new(0)), Arc::<Watch>::default());
        let asking = Asking {
            endpoint: endpoint.clone(),
            tuning,
            state: state.clone(),
            version: version.clone(),
            watch: watch.clone(),
            rounds: rounds.clone(),
            told,
            said: None,
            known: None,
            turn: 0,
            older: 0,
            backoff: Backoff::new(),
        };
        Cluster {
            endpoint,
            state,
            version,
            watch,
            rounds,
            turn: AtomicUsize::new(0),
            task: tokio::spawn(asking.run()),
        }
    }

    /// Which map is the present one.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The present map: at once if there is one.
    pub(crate) async fn map(&self, deadline: Instant) -> Result<Arc<SlotMap>, Error> {
        known(&self.state, deadline).await
    }

    /// A map that was asked for after this call.
    pub(crate) async fn fresh(&self, deadline: Instant) -> Result<Arc<SlotMap>, Error> {
        let mut rounds = self.rounds.subscribe();
        let begun = rounds.borrow().begun;
        self.wish();
        let over = async {
            let rounds = rounds.wait_for(|rounds| rounds.over > begun).await.ok()?;
            Some(rounds.failed.clone())
        };
        match tokio::time::timeout_at(deadline.into(), over).await {
            Ok(Some(None)) => self.map(deadline).await,
            Ok(Some(Some(failed))) => Err(failed),
            _ => Err(Error::new(
                ErrorKind::Unavailable,
                "no node of the cluster told its slots within the deadline",
            )),
        }
    }

    /// The primary of a slot, by the present map.
    pub(crate) fn node_of(&self, slot: u16) -> Option<Node> {
        match &*self.state.borrow() {
            Known::Is(map) => map.node_of(slot).cloned(),
            _ => None,
        }
    }

    /// Any node, another one each time.
    pub(crate) async fn any(&self, deadline: Instant) -> Result<Endpoint, Error> {
        let map = self.map(deadline).await?;
        let nodes: Vec<&Node> = map.nodes().collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let node = nodes.get(turn % nodes.len().max(1));
        let nobody = || Error::new(ErrorKind::ClusterDown, "the cluster has no nodes");
        node.map(|node| self.member(node)).ok_or_else(nobody)
    }

    /// Waits until a node is the cluster's no more.
    pub(crate) async fn left(&self, endpoint: &Endpoint) {
        loop {
            let version = self.version();
            let gone = match &*self.state.borrow() {
                Known::Is(map) => !map.nodes().any(|node| self.member(node) == *endpoint),
                _ => false,
            };
            if gone {
                return;
            }
            self.changed(version).await;
        }
    }

    /// Waits until the map has changed from that version.
    pub(crate) async fn changed(&self, from: u64) {
        let mut state = self.state.subscribe();
        while self.version() == from {
            if state.changed().await.is_err() {
                // Shut down: it never will.
                std::future::pending::<()>().await;
            }
        }
    }

    /// A node said that a slot is elsewhere now.
    pub(crate) fn moved(&self, slot: u16, to: &Node) {
        let changed = self.state.send_if_modified(|state| {
            let Known::Is(map) = state else { return false };
            let Some(moved) = map.moved(slot, to) else {
                return false;
            };
            *state = Known::Is(Arc::new(moved));
            self.version.fetch_add(1, Ordering::Release);
            true
        });
        if changed {
            // Seldom does one slot move alone.
            self.wish();
        }
    }

    /// Has the map asked for soon: something there is not as it says.
    pub(crate) fn wish(&self) {
        self.watch.wish();
    }

    /// Asks no more.
    pub(super) fn close(&self) {
        self.task.abort();
        self.rounds.send_modify(|rounds| {
            rounds.over = u64::MAX;
            rounds.failed = Some(Error::new(ErrorKind::Shutdown, "the handle was shut down"));
        });
    }

    /// One of its nodes is away.
    pub(crate) fn trouble(&self) -> Trouble {
        self.watch.trouble()
    }

    /// How a node of it is connected to.
    pub(crate) fn member(&self, node: &Node) -> Endpoint {
        self.endpoint.at(node)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

/// A node that answered, to be asked again.
struct Asked {
    client: Client,
    node: Node,
    left: u32,
}

/// The task that asks.
struct Asking {
    endpoint: Arc<Endpoint>,
    tuning: Tuning,
    state: watch::Sender<Known<SlotMap>>,
    version: Arc<AtomicU64>,
    watch: Arc<Watch>,
    rounds: watch::Sender<Rounds>,
    told: Told,
    /// The last map that listeners were told of.
    said: Option<Arc<SlotMap>>,
    known: Option<Asked>,
    /// Who is asked first.
    turn: usize,
    /// How many views in a row were older than ours.
    older: u32,
    backoff: Backoff,
}

impl Asking {
    async fn run(mut self) {
        loop {
            self.rounds.send_modify(|rounds| rounds.begun += 1);
            let answer = self.ask().await;
            let failed = answer.as_ref().err().cloned();
            match answer {
                Ok(map) => self.accept(map),
                Err(error) => self.failed(error),
            }
            let pause = failed.as_ref().map(|_| self.backoff.next());
            self.rounds.send_modify(|rounds| {
                rounds.over = rounds.begun;
                rounds.failed = failed;
            });
            tokio::time::sleep(APART).await;
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    self.backoff = Backoff::new();
                    self.rest().await;
                }
            }
        }
    }

    /// The node that answered last while there is trouble, but not for ever: one that is cut off from the others still
    /// answers, and knows no better.
    async fn ask(&mut self) -> Result<SlotMap, Error> {
        if let Some(mut known) = self.known.take()
            && known.left > 0
            && let Ok(map) = ask_one(&known.client, &known.node).await
        {
            known.left -= 1;
            self.known = Some(known);
            return Ok(map);
        }
        let mut nodes: Vec<Node> = match &*self.state.borrow() {
            Known::Is(map) => map.nodes().cloned().collect(),
            _ => Vec::new(),
        };
        for seed in self.endpoint.nodes() {
            if !nodes.contains(seed) {
                nodes.push(seed.clone());
            }
        }
        let first = self.turn % nodes.len().max(1);
        nodes.rotate_left(first);
        self.turn = self.turn.wrapping_add(1);
        let (endpoint, tuning) = (&self.endpoint, self.tuning);
        let (map, known) = ask_around(nodes, async |node: Node| {
            let member = endpoint.at(&node);
            let client = connect(&member, tuning, Part::Member).await?;
            let map = ask_one(&client, &node).await?;
            let left = AGAIN;
            Ok((map, Asked { client, node, left }))
        })
        .await?;
        self.known = Some(known);
        Ok(map)
    }

    /// Waits until it is time to ask again; in quiet times nobody holds a connection for that.
    async fn rest(&mut self) {
        if !self.watch.in_trouble() {
            let wished = tokio::time::timeout(HELD, self.watch.wished());
            if wished.await.is_ok() {
                return;
            }
            self.known = None;
        }
        self.watch.due().await;
    }

    fn accept(&mut self, map: SlotMap) {
        let now = match &*self.state.borrow() {
            Known::Is(now) => Some(now.clone()),
            _ => None,
        };
        let is_older = |now: &Arc<SlotMap>| map.epoch != 0 && map.epoch < now.epoch;
        if now.as_ref().is_some_and(is_older) && self.older < OLDER_VIEWS {
            self.older += 1;
            // Another one may know better.
            self.known = None;
            self.watch.wish();
            return;
        }
        self.older = 0;
        let map = Arc::new(map);
        if now.is_none_or(|now| *now != *map) {
            self.state.send_modify(|state| {
                *state = Known::Is(map.clone());
                self.version.fetch_add(1, Ordering::Release);
            });
        }
        match &self.said {
            Some(said) if said.agrees(&map) => {}
            Some(_) => {
                tracing::info!(target: "russet::core", cluster = %self.endpoint, primaries = map.primaries().len(), "the cluster's slots moved");
                self.told.tell(Event::TopologyChanged);
                self.said = Some(map);
            }
            None => self.said = Some(map),
        }
    }

    fn failed(&self, error: Error) {
        self.state.send_if_modified(|state| {
            if matches!(state, Known::Is(_)) {
                // What was known is better than nothing.
                tracing::debug!(target: "russet::core", cluster = %self.endpoint, %error, "nobody tells the cluster's slots");
                return false;
            }
            if matches!(state, Known::Asking) {
                tracing::warn!(target: "russet::core", cluster = %self.endpoint, %error, "cluster away; trying on");
            }
            *state = Known::Unknown(error);
            true
        });
    }
}

async fn ask_one(client: &Client, node: &Node) -> Result<SlotMap, Error> {
    let (slots, info) = (Command::new("CLUSTER SLOTS"), Command::new("CLUSTER INFO"));
    let (slots, info) = tokio::join!(
        client.send(&slots, ANSWER_WITHIN),
        client.send(&info, ANSWER_WITHIN)
    );
    let slots = slots.map_err(|failure| match failure.cause {
        Cause::Answer if failure.text.starts_with("NOPERM") => Error::new(
            ErrorKind::Permission,
            format!("the user may not ask {node} for its slots; allow it +cluster|slots"),
        ),
        Cause::Answer if failure.text.contains("cluster support disabled") => {
            let message = format!("{node} is no node of a cluster; write redis://{node}");
            BuildError::new(BuildErrorKind::Conflict, message).into()
        }
        _ => Error::new(
            ErrorKind::Unavailable,
            format!("{node} does not say its slots: {}", failure.text),
        ),
    })?;
    let epoch = match &info {
        Ok(info) => epoch(info).unwrap_or_default(),
        // A user may not be allowed to ask.
        Err(failure) if failure.cause == Cause::Answer => 0,
        Err(failure) => {
            let message = format!("{node} does not say its epoch: {}", failure.text);
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
    };
    SlotMap::read(slots, epoch, node).ok_or_else(|| {
        Error::new(
            ErrorKind::ClusterDown,
            format!("{node} knows no served slot"),
        )
    })
}

fn epoch(info: &Reply) -> Option<u64> {
    let text = String::from_reply(info.clone()).ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| {
        line.trim()
            .strip_prefix("cluster_current_epoch:")?
            .parse()
            .ok()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// All slots are this node's, as of an epoch.
    fn view(host: &'static str, epoch: u64) -> SlotMap {
        let node = Reply::Array(vec![Reply::Bytes(host.into()), Reply::Int(7000)]);
        let range = Reply::Array(vec![Reply::Int(0), Reply::Int(16_383), node]);
        let seed = Node {
            host: String::new(),
            port: 1,
        };
        SlotMap::read(Reply::Array(vec![range]), epoch, &seed).unwrap()
    }

    #[tokio::test]
    async fn a_node_that_was_cut_off_is_not_believed_at_once() {
        let told = Told::new();
        let mut events = told.listen();
        let mut asking = Asking {
            endpoint: Arc::new(Endpoint::localhost()),
            tuning: Tuning {
                connect_timeout: ANSWER_WITHIN,
                alive_within: ANSWER_WITHIN,
            },
            state: watch::channel(Known::Asking).0,
            version: Arc::default(),
            watch: Arc::default(),
            rounds: watch::channel(Rounds::default()).0,
            told: told.clone(),
            said: None,
            known: None,
            turn: 0,
            older: 0,
            backoff: Backoff::new(),
        };
        let owner = |asking: &Asking| match &*asking.state.borrow() {
            Known::Is(map) => map.node_of(5).unwrap().host.clone(),
            _ => String::new(),
        };
        asking.accept(view("old", 3));
        asking.accept(view("new", 4));
        for _ in 0..2 {
            for _ in 0..OLDER_VIEWS {
                asking.accept(view("old", 3));
                assert_eq!(owner(&asking), "new");
            }
            // One that knows better was asked between.
            asking.accept(view("new", 4));
        }
        // Who may not ask for the epoch believes whoever answers.
        asking.accept(view("unknown", 0));
        assert_eq!(owner(&asking), "unknown");
        asking.accept(view("new", 4));
        // A cluster that was set up anew counts from one.
        for _ in 0..=OLDER_VIEWS {
            asking.accept(view("anew", 1));
        }
        assert_eq!(owner(&asking), "anew");
        told.end();
        let mut changes = 0;
        while let Some(Event::TopologyChanged) = events.next().await {
            changes += 1;
        }
        assert_eq!(changes, 4, "to new, to unknown, to new, to anew");
    }
}
