//! One server of the topology.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::command::{Command, IntoArg, Policy};
use crate::concern::Concern;
use crate::error::{BuildError, Error, ErrorKind};
use crate::event::Events;
use crate::lane::{Blocking, Lane, Lanes};
use crate::push::{Subscription, Target};
use crate::reply::Reply;
use crate::scan::{Pace, Scan};
use crate::server_info::ServerInfo;

/// One server, database and user of the topology, with all ways of using it. Cheap to clone.
///
/// Made by [`Redis::server`](crate::Redis::server) and [`Namespace::server`](crate::Namespace::server). `Display` is its
/// address.
#[derive(Clone)]
pub struct Server(Arc<Lanes>);

/// The same server, database and user of the same handle.
impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Server {}

impl Server {
    pub(crate) fn new(lanes: &Arc<Lanes>) -> Self {
        Server(lanes.clone())
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.0
    }

    /// The lane on which a concern's commands run.
    pub fn lane(&self, concern: Concern) -> Lane {
        let deadline = self.0.settings().deadline;
        Lane::new(self.0.command().clone(), concern, deadline)
    }

    /// Subscribes; returns once the server has confirmed, within the handle's deadline.
    ///
    /// All subscriptions to a server share one connection of their own, made with the first of them. It comes back by
    /// itself, with all of them; every possible loss is a [`Gap`](crate::Delivery::Gap).
    ///
    /// # Errors
    /// [`Permission`](crate::ErrorKind::Permission) if the ACL user may not,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the server did not confirm in time.
    ///
    /// # Cancel safety
    /// A dropped call leaves no subscription behind.
    pub async fn subscribe(&self, target: Target) -> Result<Subscription, Error> {
        let deadline = self.0.settings().deadline;
        self.0.push()?.subscribe(target, deadline).await
    }

    /// A connection of its own for blocking commands: one for each consumer loop.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`](crate::BuildErrorKind::Limit) if it does not fit into `max_connections`.
    pub fn blocking(&self) -> Result<Blocking, BuildError> {
        self.0.blocking()
    }

    /// A walk over the keys that match a glob, on a connection of its own.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`](crate::BuildErrorKind::Limit) if that connection does not fit into `max_connections`.
    pub fn scan(&self, pattern: impl IntoArg, pace: Pace) -> Result<Scan, BuildError> {
        let lane = self.0.maintenance()?;
        let deadline = self.0.settings().deadline;
        Ok(Scan::new(lane, pattern.into_arg(), pace, deadline))
    }

    /// Runs a task on a small thread and connection of core's own, for lease renewals and their timers: user code that
    /// blocks every worker of the service's runtime does not stop it. The task gets the lane to use.
    ///
    /// The task ends with the last handle at the latest; it must not block, nor hold a handle itself.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`](crate::BuildErrorKind::Limit) if its connection does not fit into `max_connections`.
    pub fn spawn_heartbeat<F>(
        &self,
        concern: Concern,
        task: impl FnOnce(Lane) -> F,
    ) -> Result<(), BuildError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let heartbeat = self.0.heartbeat()?;
        let deadline = self.0.settings().deadline;
        let lane = Lane::new(heartbeat.lane().clone(), concern, deadline);
        heartbeat.spawn(task(lane));
        Ok(())
    }

    /// What the server said when the command lane's connection was made; nothing while there is none, and on a cluster.
    pub fn greeting(&self) -> Option<ServerInfo> {
        self.0.command().greeting()
    }

    /// What the server is, as far as it says: `HELLO` and `INFO`, either of which may be denied. Two round trips. On a
    /// cluster it is one of the primaries; [`infos`](Server::infos) asks all.
    ///
    /// # Errors
    /// That it did not answer. A refusal is no error: what it would have said stays unknown.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn info(&self) -> Result<ServerInfo, Error> {
        let deadline = Instant::now() + self.0.settings().deadline;
        let lane = self.0.command();
        let ask = async |name| {
            let command = Command::new(name);
            unless_refused(lane.run(&command, Policy::Idempotent, deadline).await)
        };
        Ok(ServerInfo::read(ask("HELLO").await?, ask("INFO").await?))
    }

    /// What each primary is, by its address, as far as it says: a cluster's all, or the one server. Asked at once, two
    /// round trips to each.
    ///
    /// # Errors
    /// That nobody knows which servers there are. One that does not answer is that one's error.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn infos(&self) -> Result<BTreeMap<String, Result<ServerInfo, Error>>, Error> {
        let deadline = Instant::now() + self.0.settings().deadline;
        let lane = self.0.command();
        let (hello, info) = (Command::new("HELLO"), Command::new("INFO"));
        let hello = lane.on_each(&hello, deadline).await?.into_iter();
        let mut info: BTreeMap<_, _> = lane.on_each(&info, deadline).await?.into_iter().collect();
        let read = |hello, info: Option<Result<Reply, Error>>| {
            let info = info.map_or(Ok(None), unless_refused)?;
            Ok(ServerInfo::read(unless_refused(hello)?, info))
        };
        let all = hello.map(|(name, hello)| {
            let server = read(hello, info.remove(&name));
            (name, server)
        });
        Ok(all.collect())
    }

    /// What happens to the connections of the command lane from now on.
    pub fn events(&self) -> Events {
        self.0.command().events()
    }
}

/// Not allowed to everybody, or not known to every server: then it is unknown, and no error.
fn unless_refused(reply: Result<Reply, Error>) -> Result<Option<Reply>, Error> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(error) if matches!(error.kind(), ErrorKind::Permission | ErrorKind::Server) => Ok(None),
        Err(error) => Err(error),
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.endpoint(), f)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self})")
    }
}
