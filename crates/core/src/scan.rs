//! A walk over keys that leaves the servers room for everybody else.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::command::{Command, Policy};
use crate::discovery::SlotMap;
use crate::error::Error;
use crate::key::{Key, SLOTS};
use crate::lane::{CommandLane, Members};
use crate::reply::{FromReply as _, Reply};
use crate::topology::Node;

/// How a walk is paced.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Pace {
    /// How many keys the server looks at for one page (`COUNT`).
    pub count: u32,
    /// How long to wait between pages.
    pub pause: Duration,
}

impl Default for Pace {
    /// 500 keys a page, 1 ms between pages: a server of a million keys is walked in a few seconds.
    fn default() -> Self {
        Pace {
            count: 500,
            pause: Duration::from_millis(1),
        }
    }
}

/// A walk over the keys that match a glob, page by page; on a cluster over one primary after the other. Made by
/// [`Server::scan`](crate::Server::scan).
///
/// A key that exists from the beginning to the end is found at least once; one may come twice; one that comes or goes
/// meanwhile may or may not be found (the guarantees of `SCAN`). Primaries that got slots since they were walked are walked
/// again; while a slot is half way between two, some of its keys may be missed.
#[derive(Debug)]
pub struct Scan {
    lane: Arc<CommandLane>,
    pattern: Bytes,
    pace: Pace,
    deadline: Duration,
    begun: bool,
    /// `None` at the end of a server.
    cursor: Option<Bytes>,
    cluster: Option<Walk>,
}

/// The way through a cluster.
#[derive(Debug, Default)]
struct Walk {
    /// The primaries still to walk, the present one first.
    left: VecDeque<Node>,
    /// What the map was when a primary's walk began.
    walked: HashMap<Node, Arc<SlotMap>>,
}

impl Scan {
    pub(crate) fn new(
        lane: Arc<CommandLane>,
        pattern: Bytes,
        pace: Pace,
        deadline: Duration,
    ) -> Self {
        let cluster = lane.cluster().map(|_| Walk::default());
        Scan {
            lane,
            pattern,
            pace,
            deadline,
            begun: false,
            // A cluster's first server is yet to be found.
            cursor: cluster.is_none().then(start),
            cluster,
        }
    }

    /// The next page, often empty; `None` at the end. One `SCAN`; on a cluster also a look at its slots at the end of each
    /// round.
    ///
    /// # Errors
    /// As [`Lane::run`](crate::Lane::run); the walk can go on from where it was by calling again. Where a primary was lost
    /// for good, that walks its successor.
    ///
    /// # Cancel safety
    /// Safe to drop; the next call asks for the same page.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Key>>, Error> {
        let deadline = Instant::now() + self.pace.pause + self.deadline;
        if self.cursor.is_none() && !self.next_server(deadline).await? {
            return Ok(None);
        }
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        if self.begun && !self.pace.pause.is_zero() {
            tokio::time::sleep(self.pace.pause).await;
        }
        self.begun = true;
        let scan = Command::new("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(&self.pattern)
            .arg("COUNT")
            .arg(self.pace.count);
        let reply = match (self.lane.cluster(), &mut self.cluster) {
            (Some(members), Some(walk)) => {
                match walk.ask(&self.lane, members, &scan, deadline).await? {
                    Some(reply) => reply,
                    None => {
                        // Its cursor means nothing to any other; whoever has its slots now is walked whole.
                        self.cursor = None;
                        return Ok(Some(Vec::new()));
                    }
                }
            }
            _ => self.lane.run(&scan, Policy::Idempotent, deadline).await?,
        };
        let (next, keys) = <(Bytes, Vec<Bytes>)>::from_reply(reply)?;
        self.cursor = (&*next != b"0").then_some(next);
        Ok(Some(keys.into_iter().map(Key::raw).collect()))
    }

    /// Begins the next server, if there is one.
    async fn next_server(&mut self, deadline: Instant) -> Result<bool, Error> {
        let (Some(members), Some(walk)) = (self.lane.cluster(), &mut self.cluster) else {
            return Ok(false);
        };
        walk.left.pop_front();
        if walk.left.is_empty() {
            let map = members.discovery().fresh(deadline).await?;
            walk.left = walk.missing(&map);
        }
        let Some(node) = walk.left.front() else {
            return Ok(false);
        };
        let map = members.discovery().map(deadline).await?;
        walk.walked.insert(node.clone(), map);
        self.cursor = Some(start());
        Ok(true)
    }
}

impl Walk {
    /// The present server's answer; nothing if it is a primary no more.
    async fn ask(
        &self,
        lane: &CommandLane,
        members: &Members,
        scan: &Command,
        deadline: Instant,
    ) -> Result<Option<Reply>, Error> {
        let Some(node) = self.left.front() else {
            return Ok(None);
        };
        let Some(node) = members.primary(node, deadline).await? else {
            return Ok(None);
        };
        let reply = lane.run_on(&node, scan, Policy::Idempotent, deadline).await;
        reply.map(Some).map_err(|error| error.on("SCAN", None))
    }

    /// The primaries that were not walked with all the slots that they have now.
    fn missing(&self, map: &SlotMap) -> VecDeque<Node> {
        let got_slots = |node: &&Node| {
            self.walked.get(*node).is_none_or(|before| {
                let is_new =
                    |slot| map.node_of(slot) == Some(*node) && before.node_of(slot) != Some(*node);
                (0..SLOTS).any(is_new)
            })
        };
        map.primaries().iter().filter(got_slots).cloned().collect()
    }
}

fn start() -> Bytes {
    Bytes::from_static(b"0")
}
