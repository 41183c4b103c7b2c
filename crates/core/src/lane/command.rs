//! The multiplexed lane that most commands take.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::node::{Failed, NodeLane};
use super::nodes::{Members, Nodes};
use super::routed::Routed;
use super::supervisor::{Scripts, Task};
use crate::call::Budget;
use crate::command::{Command, Policy};
use crate::discovery::Finder;
use crate::error::{Error, ErrorKind};
use crate::event::{Events, Told};
use crate::key::Key;
use crate::reply::Reply;
use crate::script::Script;
use crate::server_info::ServerInfo;

/// A connection that all callers share, to each server of the lane.
pub(crate) struct CommandLane {
    nodes: Nodes,
    budget: Budget,
    scripts: Arc<Scripts>,
    told: Told,
    max_in_flight: usize,
}

impl CommandLane {
    pub(crate) fn start(finder: &Finder, task: Task, max_in_flight: usize) -> Self {
        CommandLane {
            scripts: task.scripts.clone(),
            told: task.told.clone(),
            nodes: Nodes::start(finder, task, max_in_flight),
            budget: Budget::new(max_in_flight),
            max_in_flight,
        }
    }

    /// What the one server said when its connection was made.
    pub(crate) fn greeting(&self) -> Option<ServerInfo> {
        self.nodes.greeting()
    }

    /// The slot map's side of the lane, on a cluster.
    pub(crate) fn cluster(&self) -> Option<&Arc<Members>> {
        self.nodes.cluster()
    }

    /// Which calls may share a flight: those to the same node. Others shall not wait for it.
    pub(crate) fn group(&self, key: &Key) -> u16 {
        self.cluster()
            .map_or(0, |members| members.id_of(key.slot()))
    }

    /// Waits until the servers of these commands are up, or cannot be.
    pub(crate) async fn ready_for(&self, commands: &[Command], deadline: Instant) {
        self.nodes.ready_for(commands, deadline).await;
    }

    /// Waits until the lane is up, or its first try has failed.
    pub(crate) async fn ready(&self, deadline: Instant) -> Result<(), Error> {
        self.nodes.ready(deadline).await
    }

    /// Gate, in-flight bound, deadline, driver, classifier, and again where the policy lets it: the way of every command.
    pub(crate) async fn run(
        &self,
        command: &Command,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let result = match &self.nodes {
            Nodes::One(node) => self.run_on(node, command, policy, deadline).await,
            // Boxed: off clusters nobody shall hold the room of its future.
            Nodes::Cluster(members) => {
                let routed = Routed::new(self, members, command, policy, deadline);
                Box::pin(routed.run()).await
            }
        };
        match result {
            Ok(reply) => Ok(reply),
            Err(error) => {
                // A call that fails at once waits for nothing: callers in a loop would keep a runtime of one thread from the
                // very task that connects again.
                tokio::task::coop::consume_budget().await;
                Err(error.on(command.operation(), command.first_key()))
            }
        }
    }

    /// The same, on one server and no other.
    pub(crate) async fn run_on(
        &self,
        node: &NodeLane,
        command: &Command,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        // Whether an attempt before may have run: what is told of the last one is told of all.
        let mut doubt = false;
        loop {
            let error = match node.connection().client(deadline).await {
                Err(error) => error,
                Ok(client) => match node.attempt(&client, command, deadline).await {
                    Ok(reply) => {
                        self.budget.earn();
                        return Ok(reply);
                    }
                    Err(Failed::Error(error) | Failed::Redirect(_, error)) => {
                        doubt |= error.may_have_executed();
                        if self.may_retry(&error, policy, deadline) {
                            node.connection().left(&client, deadline).await;
                            continue;
                        }
                        error
                    }
                },
            };
            return Err(error.or_executed(doubt));
        }
    }

    /// Runs reads (`GET`, `MGET`) of keys that one node has, by the present map, at the cost of one write. What it does not
    /// answer goes the way of every command.
    pub(crate) async fn reads(
        &self,
        reads: &[Command],
        deadline: Instant,
    ) -> Vec<Result<Reply, Error>> {
        let slot = reads.first().and_then(Command::first_key).map(Key::slot);
        let node = self.cluster().and_then(|members| members.now(slot));
        let replies = match &node {
            Some(node) => node.attempt_reads(reads, deadline).await,
            None => None,
        };
        let unsent = || Error::new(ErrorKind::Unavailable, "no connection to the node");
        let mut replies = replies.unwrap_or_else(|| vec![Err(unsent()); reads.len()]);
        if Instant::now() < deadline {
            // Whoever can read its keys one by one does, and not once more together.
            let comes_apart = |read: &Command, error: &Error| {
                let refused = matches!(error.kind(), ErrorKind::Permission | ErrorKind::TryAgain);
                read.is_batch() && refused
            };
            let failed = reads.iter().zip(&mut replies).filter(|(read, reply)| {
                reply.as_ref().is_err_and(|error| !comes_apart(read, error))
            });
            let again = failed.map(|(read, reply)| {
                Box::pin(async move { *reply = self.run(read, Policy::Idempotent, deadline).await })
            });
            join_all(again).await;
        }
        replies
    }

    /// Runs an idempotent command on every primary; each one's answer by its name.
    ///
    /// # Errors
    /// That nobody knows who they are.
    pub(crate) async fn on_each(
        &self,
        command: &Command,
        deadline: Instant,
    ) -> Result<Vec<(String, Result<Reply, Error>)>, Error> {
        let nodes = match &self.nodes {
            Nodes::One(node) => vec![node.clone()],
            Nodes::Cluster(members) => members.primaries(deadline).await?,
        };
        let all = nodes.iter().map(async |node| {
            let reply = self
                .run_on(node, command, Policy::Idempotent, deadline)
                .await;
            let reply = reply.map_err(|error| error.on(command.operation(), None));
            (node.to_string(), reply)
        });
        Ok(join_all(all).await)
    }

    /// Runs a script's EVALSHA; where the server does not know the script, loads it and runs it again.
    pub(crate) async fn script(
        &self,
        script: &'static Script,
        call: &Command,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let reply = match &self.nodes {
            Nodes::One(node) => self.script_on(node, script, call, policy, deadline).await,
            Nodes::Cluster(members) => {
                let routed = Routed::new(self, members, call, policy, deadline);
                Box::pin(routed.of_script(script).run()).await
            }
        };
        let reply = reply.map_err(|error| error.on(call.operation(), call.first_key()));
        Script::unwrap(reply?)
    }

    async fn script_on(
        &self,
        node: &NodeLane,
        script: &'static Script,
        call: &Command,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let first = match self.run_on(node, call, policy, deadline).await {
            Err(error)
                if error.kind() == ErrorKind::NoScript
                    && (policy == Policy::Idempotent || !error.may_have_executed()) =>
            {
                error
            }
            reply => return reply,
        };
        self.knows(script);
        let load = script.load();
        let loaded = self.run_on(node, &load, Policy::Idempotent, deadline).await;
        let reply = match loaded {
            Ok(_) => self.run_on(node, call, policy, deadline).await,
            // It was the load that failed, and not the script.
            Err(error) => Err(error.with_executed(false)),
        };
        reply.map_err(|error| error.or_executed(first.may_have_executed()))
    }

    /// From now on every new connection loads a script before it is used.
    pub(super) fn knows(&self, script: &'static Script) {
        self.scripts.add(script);
    }

    /// A connection that ended under a command says nothing against the next one.
    pub(super) fn may_retry(&self, error: &Error, policy: Policy, deadline: Instant) -> bool {
        let lost = matches!(
            error.kind(),
            ErrorKind::ConnectionLost | ErrorKind::Unavailable
        );
        lost && (policy == Policy::Idempotent || !error.may_have_executed())
            && Instant::now() < deadline
            && self.budget.spend()
    }

    pub(super) fn earn(&self) {
        self.budget.earn();
    }

    /// Gives up the connections that a key's replies may have come by; says whether it did.
    pub(crate) fn distrust(&self, key: &Key) -> bool {
        match &self.nodes {
            Nodes::One(node) => node.connection().distrust(),
            Nodes::Cluster(members) => members
                .now(Some(key.slot()))
                .is_some_and(|node| node.connection().distrust()),
        }
    }

    pub(crate) fn events(&self) -> Events {
        self.told.listen()
    }

    /// Lets the commands under way end, at most this long, then closes.
    pub(crate) async fn drain(&self, limit: Duration) {
        self.nodes.drain(limit).await;
        self.told.end();
    }
}

impl fmt::Debug for CommandLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandLane({} at most)", self.max_in_flight)
    }
}
