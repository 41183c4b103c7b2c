//! One concern's way to its server.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::CommandLane;
use crate::batch::{Beside, Bounds, Getter, ScriptCalls};
use crate::call::{admit, until};
use crate::command::{Command, IntoArg, Policy};
use crate::concern::Concern;
use crate::error::Error;
use crate::key::Key;
use crate::reply::{FromReply, Reply};
use crate::script::Script;
use crate::telemetry::Commands;

/// One concern's way to its server: gate, in-flight bound, deadline, classified errors.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Lane {
    lane: Arc<CommandLane>,
    concern: Concern,
    deadline: Duration,
    commands: Arc<Commands>,
}

impl Lane {
    pub(crate) fn new(lane: Arc<CommandLane>, concern: Concern, deadline: Duration) -> Self {
        Lane {
            lane,
            concern,
            deadline,
            commands: Arc::new(Commands::new(concern)),
        }
    }

    /// Runs one command by an absolute deadline, and counts it.
    pub(crate) async fn send(
        &self,
        command: &Command,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let started = Instant::now();
        let reply = self.lane.run(command, policy, deadline).await;
        self.commands.record(command, &reply, started.elapsed());
        reply
    }

    /// Calls a script by an absolute deadline, and counts it.
    pub(crate) async fn call(
        &self,
        script: &'static Script,
        call: &Command,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let started = Instant::now();
        let reply = self.lane.script(script, call, policy, deadline).await;
        self.commands.record(call, &reply, started.elapsed());
        reply
    }

    /// Runs reads of keys that one node has by an absolute deadline, and counts each.
    pub(crate) async fn reads(
        &self,
        reads: &[Command],
        deadline: Instant,
    ) -> Vec<Result<Reply, Error>> {
        let started = Instant::now();
        let replies = self.lane.reads(reads, deadline).await;
        let took = started.elapsed();
        for (read, reply) in reads.iter().zip(&replies) {
            self.commands.record(read, reply, took);
        }
        replies
    }

    /// Which calls may share a [`Flight`](crate::Flight): those to the same server.
    pub fn group(&self, key: &Key) -> u16 {
        self.lane.group(key)
    }

    /// Whether the servers are a cluster: one command or script can name keys of one slot only.
    pub fn is_cluster(&self) -> bool {
        self.lane.cluster().is_some()
    }

    /// The same lane with another deadline for each of its commands.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long each of its commands has.
    pub fn deadline_of_each(&self) -> Duration {
        self.deadline
    }

    /// Runs one command: one round trip.
    ///
    /// Refused are commands that would harm whoever shares the connection: those that change its state (`SELECT`,
    /// `MULTI`), wait on the server (`BLPOP`; see [`Server::blocking`](crate::Server::blocking)), subscribe, or are
    /// scripts by another way than [`Script`]. A function (`FCALL`) must not answer an array of three to five elements
    /// whose first one is text such as `message`: the client library would take it for one, and shift the replies.
    ///
    /// # Errors
    /// Any [`ErrorKind`](crate::ErrorKind); [`Error::may_have_executed`] says whether the command may have run all the same.
    ///
    /// # Cancel safety
    /// A dropped call may still run on the server.
    pub async fn run<T: FromReply>(&self, command: Command, policy: Policy) -> Result<T, Error> {
        admit(&command, policy)?;
        let deadline = until(self.deadline);
        T::from_reply(self.send(&command, policy, deadline).await?)
    }

    /// A reader whose concurrent reads share one `MGET`: at most 128 keys in one, and three on their way at once.
    ///
    /// Make it once and keep it; each call makes a queue of its own.
    pub fn getter(&self) -> Getter {
        self.getter_beside(())
    }

    /// The same, for reads that have other keys in common.
    pub fn getter_beside<B: Beside>(&self, beside: B) -> Getter<B> {
        Getter::new(self.clone(), beside, Bounds::new(128, 3), self.deadline)
    }

    /// A way to call one script for many keys: concurrent calls share one `EVALSHA` of at most 64 keys
    /// ([`Script::at_most_keys`]), three on their way at once. See [`ScriptCalls`] for what the script must do; `common` are the arguments that all calls share,
    /// and `policy` says whether a flight whose connection was lost may be sent again.
    ///
    /// Make it once and keep it; each one has a queue of its own.
    pub fn script_calls<A: IntoArg>(
        &self,
        script: &'static Script,
        common: impl IntoIterator<Item = A>,
        policy: Policy,
    ) -> ScriptCalls {
        let common = common.into_iter().map(IntoArg::into_arg).collect();
        ScriptCalls::new(
            self.clone(),
            script,
            common,
            policy,
            Bounds::new(script.most_keys(), 3),
            self.deadline,
        )
    }

    /// Runs a script by its hash: one round trip, three the first time a server does not know it.
    ///
    /// `keys` are all keys that the script touches; they must share a cluster slot.
    ///
    /// # Errors
    /// As [`run`](Lane::run).
    ///
    /// # Cancel safety
    /// A dropped call may still run on the server.
    pub async fn script<'k, T: FromReply>(
        &self,
        script: &'static Script,
        keys: impl IntoIterator<Item = &'k Key>,
        args: impl IntoIterator<Item = impl IntoArg>,
        policy: Policy,
    ) -> Result<T, Error> {
        let keys: Vec<&Key> = keys.into_iter().collect();
        let call = Command::new("EVALSHA").arg(script.hash()).arg(keys.len());
        let call = keys.into_iter().fold(call, Command::key).args(args);
        let deadline = until(self.deadline);
        T::from_reply(self.call(script, &call, policy, deadline).await?)
    }

    /// Runs several commands in one round trip, each with its own result; on a cluster one to each of their nodes.
    /// Those to one server are sent in order, but for those that are sent again: after a lost connection, or elsewhere. They are no transaction: others may run between them.
    ///
    /// # Errors
    /// None of its own: one command's failure is that command's result.
    ///
    /// # Cancel safety
    /// A dropped call may still run on the server, whole or in part.
    pub async fn pipeline(
        &self,
        commands: &[Command],
        policy: Policy,
    ) -> Vec<Result<Reply, Error>> {
        let deadline = until(self.deadline);
        // Who waits for a connection is woken in any order; who finds one sends in the order of being asked.
        self.lane.ready_for(commands, deadline).await;
        let all = commands.iter().map(async |command| {
            admit(command, policy)?;
            self.send(command, policy, deadline).await
        });
        futures_util::future::join_all(all).await
    }

    /// Gives the connection up for a new one, because it answered what cannot be the answer: a value whose header belongs
    /// to another key, say. A client that mixes replies up is caught by this, at most once in ten seconds, for a value
    /// that somebody stored under a wrong key looks the same and stays.
    ///
    /// `key` is the one that was asked for. Commands under way end as on any lost connection.
    pub fn distrust(&self, key: &Key, what: &'static str) {
        if self.lane.distrust(key) {
            tracing::error!(
                target: "russet::core", concern = self.concern.name(), what,
                "a reply may have been somebody else's; making a new connection"
            );
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lane({})", self.concern.name())
    }
}
