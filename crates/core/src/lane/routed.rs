//! A command's way on a cluster: to the primary of its slot, and after it where it goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::CommandLane;
use super::node::{Failed, NodeLane};
use super::nodes::Members;
use super::supervisor::Supervised;
use crate::command::{Command, Policy};
use crate::discovery::Redirect;
use crate::driver::Client;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::reply::Reply;
use crate::script::Script;
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
    /// What is loaded where a node does not know it.
    script: Option<&'static Script>,
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

/// What came of an attempt that did not succeed.
enum Attempt {
    /// Nothing was sent, and sending it elsewhere would not help.
    Unsent(Error),
    Failed(Failed),
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
            script: None,
            policy,
            deadline,
            slot: command.first_key().map(Key::slot),
            hops: 0,
            down: 0,
            doubt: false,
        }
    }

    /// The same for a script's call, which is loaded where it is not known.
    pub(super) fn of_script(mut self, script: &'static Script) -> Self {
        self.script = Some(script);
        self
    }

    pub(super) async fn run(mut self) -> Result<Reply, Error> {
        let mut next = Next::Owner;
        loop {
            let failed = match self.attempt(&next).await {
                Ok(reply) => {
                    self.lane.earn();
                    return Ok(reply);
                }
                Err(Attempt::Unsent(error)) => return Err(error.or_executed(self.doubt)),
                Err(Attempt::Failed(failed)) => failed,
            };
            let (redirect, error) = match failed {
                Failed::Redirect(redirect, error) => (redirect, error),
                Failed::Error(error) => {
                    self.doubt |= error.may_have_executed();
                    match error.kind() {
                        // Of this command or of another one on the connection: nobody knows.
                        ErrorKind::ClusterDown if self.policy == Policy::Idempotent => {
                            (Redirect::Down, error)
                        }
                        _ if self.lane.may_retry(&error, self.policy, self.deadline) => {
                            next = Next::Owner;
                            continue;
                        }
                        _ => return Err(error.or_executed(self.doubt)),
                    }
                }
            };
            match self.follow(redirect).await {
                Some(there) => next = there,
                None => return Err(error.or_executed(self.doubt)),
            }
        }
    }

    async fn attempt(&self, next: &Next) -> Result<Reply, Attempt> {
        let (node, asking) = match next {
            Next::Owner => (self.owner().await?, false),
            Next::Asking(to) => {
                let node = self.members.named(to, self.deadline).await;
                (node.map_err(Attempt::Unsent)?, true)
            }
        };
        let connection = match asking {
            false => node.connection(),
            true => node.asking().map_err(Attempt::Unsent)?,
        };
        let Some(client) = self.client(connection).await? else {
            // The slot's primary is another one by now.
            return Err(Attempt::Failed(Failed::Redirect(
                Redirect::Elsewhere,
                Error::new(ErrorKind::Unavailable, "the cluster's slots keep moving"),
            )));
        };
        let reply = self.send(&node, &client, asking, self.command).await;
        let Err(Failed::Error(error)) = &reply else {
            return reply.map_err(Attempt::Failed);
        };
        if error.kind() == ErrorKind::NoScript
            && (self.policy == Policy::Idempotent || !error.may_have_executed())
            && let Some(script) = self.script
        {
            let doubt = error.may_have_executed();
            return self.load(&node, &client, asking, script, doubt).await;
        }
        if self.is_lost(error) {
            // The next connection to it is waited for, or that there is none.
            connection.left(&client, self.deadline).await;
        }
        reply.map_err(Attempt::Failed)
    }

    /// Loads the script on the node that does not know it, and calls it again there.
    async fn load(
        &self,
        node: &NodeLane,
        client: &Client,
        asking: bool,
        script: &'static Script,
        doubt: bool,
    ) -> Result<Reply, Attempt> {
        self.lane.knows(script);
        let load = script.load();
        let result = match self.send(node, client, asking, &load).await {
            Ok(_) => self.send(node, client, asking, self.command).await,
            // It was the load that failed, and not the script.
            Err(Failed::Error(error) | Failed::Redirect(_, error)) => {
                return Err(Attempt::Unsent(error.with_executed(doubt)));
            }
        };
        result.map_err(|failed| {
            Attempt::Failed(match failed {
                Failed::Error(error) => Failed::Error(error.or_executed(doubt)),
                Failed::Redirect(redirect, error) => {
                    Failed::Redirect(redirect, error.or_executed(doubt))
                }
            })
        })
    }

    async fn send(
        &self,
        node: &NodeLane,
        client: &Client,
        asking: bool,
        command: &Command,
    ) -> Result<Reply, Failed> {
        match asking {
            false => node.attempt(client, command, self.deadline).await,
            true => node.attempt_asking(client, command, self.deadline).await,
        }
    }

    /// The connection as soon as there is one; nothing if the slots moved meanwhile: its node may be gone for good.
    async fn client(&self, connection: &Supervised) -> Result<Option<Client>, Attempt> {
        if let Some(client) = connection.now() {
            return Ok(Some(client));
        }
        let cluster = self.members.discovery();
        let version = cluster.version();
        tokio::select! {
            biased;
            client = connection.client(self.deadline) => client.map(Some).map_err(Attempt::Unsent),
            () = cluster.changed(version) => Ok(None),
        }
    }

    async fn owner(&self) -> Result<Arc<NodeLane>, Attempt> {
        if let Some(node) = self.members.now(self.slot) {
            return Ok(node);
        }
        let node = self.members.of(self.slot, self.deadline).await;
        node.map_err(|error| match error.kind() {
            ErrorKind::ClusterDown => Attempt::Failed(Failed::Redirect(Redirect::Down, error)),
            _ => Attempt::Unsent(error),
        })
    }

    /// Where to go, after the pause that it takes; nothing if that is no use any more.
    async fn follow(&mut self, redirect: Redirect) -> Option<Next> {
        let (next, pause) = match redirect {
            Redirect::Moved { slot, to } => {
                self.members.discovery().moved(slot, &to);
                (Next::Owner, self.hop()?)
            }
            Redirect::Elsewhere => (Next::Owner, self.hop()?),
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
        // With room for an attempt: what is said of the last one is worth more than that there was no time for another.
        if Instant::now() + pause + PAUSE / 2 >= self.deadline {
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
