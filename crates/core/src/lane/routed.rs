//! A command's way on a cluster: to the primary of its slot, and after it where it goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::CommandLane;
use super::node::{Failed, NodeLane};
use super::nodes::Members;
use crate::command::{Command, Policy};
use crate::discovery::Redirect;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::reply::Reply;
use crate::topology::Node;

/// How often a command is sent elsewhere before the nodes are given time to agree.
const AT_ONCE: u32 = 4;
/// How often it is sent elsewhere at all.
const MOST: u32 = 20;
/// How often it is tried while its slot, or the cluster, is not served: a short while, for an election takes long.
const WHILE_DOWN: u32 = 4;
/// How long nodes are given to agree, or a slot to move on.
const PAUSE: Duration = Duration::from_millis(10);

/// One command under way.
pub(super) struct Routed<'c> {
    lane: &'c CommandLane,
    members: &'c Members,
    command: &'c Command,
    policy: Policy,
    deadline: Instant,
    slot: Option<u16>,
    /// How often it was sent elsewhere.
    hops: u32,
    /// How often it found nobody who serves it.
    down: u32,
    /// Whether an attempt before may have run.
    doubt: bool,
}

/// Where the next attempt goes.
enum Next {
    Owner,
    Asking(Node),
}

impl<'c> Routed<'c> {
    pub(super) fn new(
        lane: &'c CommandLane,
        members: &'c Members,
        command: &'c Command,
        policy: Policy,
        deadline: Instant,
    ) -> Self {
        Routed {
            lane,
            members,
            command,
            policy,
            deadline,
            slot: command.first_key().map(Key::slot),
            hops: 0,
            down: 0,
            doubt: false,
        }
    }

    pub(super) async fn run(mut self) -> Result<Reply, Error> {
        let mut next = Next::Owner;
        loop {
            let failed = match self.attempt(&next).await {
                Ok(reply) => {
                    self.lane.earn();
                    return Ok(reply);
                }
                Err(failed) => failed,
            };
            next = match failed {
                Failed::Redirect(redirect, error) => match self.follow(redirect).await {
                    Some(next) => next,
                    None => return Err(error.or_executed(self.doubt)),
                },
                Failed::Error(error) => {
                    self.doubt |= error.may_have_executed();
                    if !self.lane.may_retry(&error, self.policy, self.deadline) {
                        return Err(error.or_executed(self.doubt));
                    }
                    Next::Owner
                }
            };
        }
    }

    async fn attempt(&self, next: &Next) -> Result<Reply, Failed> {
        let (command, deadline) = (self.command, self.deadline);
        match next {
            Next::Owner => {
                let node = self.owner().await?;
                let client = node.connection().client(deadline).await;
                let client = client.map_err(Failed::Error)?;
                let reply = node.attempt(&client, command, deadline).await;
                if let Err(Failed::Error(error)) = &reply
                    && self.is_lost(error)
                {
                    // The connection ended: the next one, or another node's, is waited for.
                    node.connection().left(&client, deadline).await;
                }
                reply
            }
            Next::Asking(to) => {
                let node = self.members.named(to, deadline).await;
                let node = node.map_err(Failed::Error)?;
                let asking = node.asking().map_err(Failed::Error)?;
                let client = asking.client(deadline).await;
                let client = client.map_err(Failed::Error)?;
                node.attempt_asking(&client, command, deadline).await
            }
        }
    }

    async fn owner(&self) -> Result<Arc<NodeLane>, Failed> {
        if let Some(node) = self.members.now(self.slot) {
            return Ok(node);
        }
        let node = self.members.of(self.slot, self.deadline).await;
        node.map_err(|error| match error.kind() {
            ErrorKind::ClusterDown => Failed::Redirect(Redirect::Down, error),
            _ => Failed::Error(error),
        })
    }

    /// Where to go, after the pause that it takes; nothing if that is no use any more.
    async fn follow(&mut self, redirect: Redirect) -> Option<Next> {
        let (next, pause) = match redirect {
            Redirect::Moved { slot, to } => {
                self.members.discovery().moved(slot, &to);
                (Next::Owner, self.hop()?)
            }
            Redirect::Ask { to } => (Next::Asking(to), self.hop()?),
            // Whoever can send its keys one by one does.
            Redirect::TryAgain if self.command.is_batch() => return None,
            Redirect::TryAgain => (Next::Owner, PAUSE),
            Redirect::Down => {
                self.members.discovery().wish();
                self.down += 1;
                if self.down > WHILE_DOWN {
                    return None;
                }
                (Next::Owner, PAUSE * 2_u32.pow(self.down))
            }
        };
        if Instant::now() + pause >= self.deadline {
            return None;
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Some(next)
    }

    fn hop(&mut self) -> Option<Duration> {
        self.hops += 1;
        match self.hops {
            0..=AT_ONCE => Some(Duration::ZERO),
            hops if hops <= MOST => Some(PAUSE),
            _ => None,
        }
    }

    fn is_lost(&self, error: &Error) -> bool {
        matches!(
            error.kind(),
            ErrorKind::ConnectionLost | ErrorKind::Unavailable
        ) && (self.policy == Policy::Idempotent || !error.may_have_executed())
    }
}
