//! The multiplexed lane that most commands take.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::supervisor::{Supervised, closed};
use crate::call::{Budget, classify};
use crate::command::{Command, Policy};
use crate::driver::{Cause, Client, Tuning};
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
    budget: Budget,
    cluster: bool,
}

impl CommandLane {
    pub(crate) fn start(
        endpoint: Arc<Endpoint>,
        tuning: Tuning,
        max_in_flight: usize,
        name: &'static str,
    ) -> Self {
        CommandLane {
            cluster: endpoint.is_cluster(),
            connection: Supervised::start(endpoint, tuning, name),
            in_flight: Semaphore::new(max_in_flight),
            max_in_flight,
            budget: Budget::new(max_in_flight),
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.cluster
    }

    /// Waits until the lane is up, or its first try has failed.
    pub(crate) async fn ready(&self, deadline: Instant) -> Result<(), Error> {
        self.connection.client(deadline).await.map(drop)
    }

    /// Gate, in-flight bound, deadline, driver, classifier, and again where the policy lets it: the way of every command.
    pub(crate) async fn run(
        &self,
        command: &Command,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        // Whether an attempt before may have run: what is told of the last one is told of all.
        let mut doubt = false;
        loop {
            let error = match self.connection.client(deadline).await {
                Err(error) => error,
                Ok(client) => match self.attempt(&client, command, deadline).await {
                    Ok(reply) => {
                        self.budget.earn();
                        return Ok(reply);
                    }
                    Err(error) => {
                        doubt |= error.may_have_executed();
                        if self.may_retry(&error, policy, deadline) {
                            self.connection.left(&client, deadline).await;
                            continue;
                        }
                        error
                    }
                },
            };
            let error = error.on(command.operation(), command.first_key());
            return Err(error.or_executed(doubt));
        }
    }

    /// Runs a script's EVALSHA; where the server does not know the script, loads it and runs it again.
    pub(crate) async fn script(
        &self,
        script: &'static Script,
        call: &Command,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let first = match self.run(call, policy, deadline).await {
            Err(error)
                if error.kind() == ErrorKind::NoScript
                    && (policy == Policy::Idempotent || !error.may_have_executed()) =>
            {
                error
            }
            reply => return Script::unwrap(reply?),
        };
        // From now on every new connection loads it before it is used.
        self.connection.preload(script);
        let reply = match self.run(&script.load(), Policy::Idempotent, deadline).await {
            Ok(_) => self.run(call, policy, deadline).await,
            // It was the load that failed, and not the script.
            Err(error) => Err(error.with_executed(false)),
        };
        Script::unwrap(reply.map_err(|error| error.or_executed(first.may_have_executed()))?)
    }

    /// A connection that ended under a command says nothing against the next one.
    fn may_retry(&self, error: &Error, policy: Policy, deadline: Instant) -> bool {
        let lost = matches!(
            error.kind(),
            ErrorKind::ConnectionLost | ErrorKind::Unavailable
        );
        lost && (policy == Policy::Idempotent || !error.may_have_executed())
            && Instant::now() < deadline
            && self.budget.spend()
    }

    /// Sends a command once.
    async fn attempt(
        &self,
        client: &Client,
        command: &Command,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let _permit = match self.in_flight.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                match tokio::time::timeout_at(deadline.into(), self.in_flight.acquire()).await {
                    Ok(Ok(permit)) => permit,
                    Ok(Err(_)) => return Err(closed()),
                    Err(_) => {
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

    pub(crate) fn distrust(&self) -> bool {
        self.connection.distrust()
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
