//! The multiplexed lane that most commands take.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::supervisor::Supervised;
use crate::call::classify;
use crate::command::Command;
use crate::driver::{Cause, Tuning};
use crate::error::{Error, ErrorKind};
use crate::event::Events;
use crate::reply::Reply;
use crate::script::Script;
use crate::topology::Endpoint;

/// One connection that all callers share.
pub(crate) struct CommandLane {
    connection: Supervised,
    in_flight: Semaphore,
    max_in_flight: usize,
}

impl CommandLane {
    pub(crate) fn start(endpoint: Arc<Endpoint>, tuning: Tuning, max_in_flight: usize) -> Self {
        CommandLane {
            connection: Supervised::start(endpoint, tuning),
            in_flight: Semaphore::new(max_in_flight),
            max_in_flight,
        }
    }

    /// Waits until the lane is up, or its first try has failed.
    pub(crate) async fn ready(&self, deadline: Instant) -> Result<(), Error> {
        self.connection.client(deadline).await.map(drop)
    }

    /// Gate, in-flight bound, deadline, driver, classifier: the way of every command.
    pub(crate) async fn run(&self, command: &Command, deadline: Instant) -> Result<Reply, Error> {
        // The debug mode: one event a command, free while nobody listens at this level.
        let started =
            tracing::enabled!(target: "russet::core", tracing::Level::TRACE).then(Instant::now);
        let reply = self.attempt(command, deadline).await;
        if let Some(started) = started {
            let outcome = reply.as_ref().map_or_else(Error::kind_name, |_| "ok");
            tracing::trace!(target: "russet::core", ?command, took = ?started.elapsed(), outcome);
        }
        reply.map_err(|error| error.on(command.name(), command.first_key()))
    }

    /// Runs a script's EVALSHA; where the server does not know the script, loads it and runs it again.
    pub(crate) async fn script(
        &self,
        script: &'static Script,
        call: &Command,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let reply = match self.run(call, deadline).await {
            Err(error) if error.kind() == ErrorKind::NoScript && !error.may_have_executed() => {
                // From now on every new connection loads it before it is used.
                self.connection.preload(script);
                self.run(&script.load(), deadline).await?;
                self.run(call, deadline).await
            }
            reply => reply,
        };
        Script::unwrap(reply?)
    }

    async fn attempt(&self, command: &Command, deadline: Instant) -> Result<Reply, Error> {
        let client = self.connection.client(deadline).await?;
        let _permit = match self.in_flight.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                match tokio::time::timeout_at(deadline.into(), self.in_flight.acquire()).await {
                    Ok(Ok(permit)) => permit,
                    _ => {
                        let message =
                            format!("{} commands are in flight already", self.max_in_flight);
                        return Err(Error::new(ErrorKind::Overloaded, message));
                    }
                }
            }
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(
                ErrorKind::Overloaded,
                "the deadline passed before the command could be sent",
            ));
        }
        let reply = client.send(command, left).await;
        match &reply {
            Err(failure) if failure.cause == Cause::Timeout => self.connection.vitals().missed(),
            _ => self.connection.vitals().answered(),
        }
        reply.map_err(|failure| classify::command(command.name(), failure))
    }

    pub(crate) fn events(&self) -> Events {
        self.connection.events()
    }

    /// Lets the commands under way end, at most this long, then closes.
    pub(crate) async fn drain(&self, limit: Duration) {
        let all = u32::try_from(self.max_in_flight).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(limit, self.in_flight.acquire_many(all)).await;
        self.in_flight.close();
        self.connection.close();
    }
}

impl fmt::Debug for CommandLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandLane({} at most)", self.max_in_flight)
    }
}
