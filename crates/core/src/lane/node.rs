//! One server's connection on a lane, and how much may be on its way there.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::supervisor::{Supervised, Task, closed};
use crate::call::classify;
use crate::command::Command;
use crate::discovery::{Place, Redirect};
use crate::driver::{Cause, Client, Failure};
use crate::error::{Error, ErrorKind};
use crate::reply::Reply;
use crate::topology::Node;

/// One server of a lane. Each has its own bound, so that one that hangs takes no other's room.
pub(crate) struct NodeLane {
    /// Its name, if it is one of a cluster's: its answers may send a command elsewhere.
    member: Option<(Node, u16)>,
    place: Place,
    task: Task,
    connection: Supervised,
    /// The connection for what another node sent here although the slot is not yet ours.
    asking: OnceLock<Supervised>,
    in_flight: Semaphore,
    max_in_flight: usize,
}

/// Why a command got no reply.
pub(super) enum Failed {
    Error(Error),
    /// It is to go elsewhere, or later; it did not run. With the error for whoever cannot.
    Redirect(Redirect, Error),
}

impl NodeLane {
    pub(super) fn start(
        place: Place,
        member: Option<(Node, u16)>,
        task: Task,
        max_in_flight: usize,
    ) -> Self {
        NodeLane {
            member,
            connection: Supervised::start(place.clone(), task.clone()),
            place,
            task,
            asking: OnceLock::new(),
            in_flight: Semaphore::new(max_in_flight),
            max_in_flight,
        }
    }

    pub(super) fn member(&self) -> Option<&Node> {
        self.member.as_ref().map(|(node, _)| node)
    }

    /// A number that no other node of the lane has, as long as there are less than 65,536; 0 if it is no cluster's.
    pub(super) fn id(&self) -> u16 {
        self.member.as_ref().map_or(0, |&(_, id)| id)
    }

    pub(super) fn connection(&self) -> &Supervised {
        &self.connection
    }

    /// The connection for commands that another node sent here, made with the first of them.
    ///
    /// # Errors
    /// That the lane was shut down.
    pub(super) fn asking(&self) -> Result<&Supervised, Error> {
        let start = || Supervised::start(self.place.clone(), self.task.clone());
        let asking = self.asking.get_or_init(start);
        if self.in_flight.is_closed() {
            // A shutdown that came before it was made did not find it.
            asking.close();
            return Err(closed());
        }
        Ok(asking)
    }

    /// Sends a command once.
    pub(super) async fn attempt(
        &self,
        client: &Client,
        command: &Command,
        deadline: Instant,
    ) -> Result<Reply, Failed> {
        let reply = self.bounded(deadline, async |left| client.send(command, left).await);
        self.classified(reply.await, command, &self.connection)
    }

    /// Sends several reads once, together; nothing where there is no room for all or no connection at once.
    pub(super) async fn attempt_reads(
        &self,
        reads: &[Command],
        deadline: Instant,
    ) -> Option<Vec<Result<Reply, Error>>> {
        let client = self.connection.now()?;
        let permits = u32::try_from(reads.len()).ok()?;
        let _permits = self.in_flight.try_acquire_many(permits).ok()?;
        let left = deadline.checked_duration_since(Instant::now())?;
        let replies = Box::pin(client.send_reads(reads, left)).await;
        let replies = replies.into_iter().zip(reads);
        let classified = |(reply, read)| match self.classified(Ok(reply), read, &self.connection) {
            Ok(reply) => Ok(reply),
            Err(Failed::Error(error) | Failed::Redirect(_, error)) => Err(error),
        };
        Some(replies.map(classified).collect())
    }

    /// Sends a command once that another node sent here.
    pub(super) async fn attempt_asking(
        &self,
        client: &Client,
        command: &Command,
        deadline: Instant,
    ) -> Result<Reply, Failed> {
        let reply = self.bounded(deadline, async |left| {
            client.send_asking(command, left).await
        });
        let asking = self.asking.get().unwrap_or(&self.connection);
        self.classified(reply.await, command, asking)
    }

    /// Sends within the in-flight bound and the deadline.
    async fn bounded(
        &self,
        deadline: Instant,
        send: impl AsyncFnOnce(Duration) -> Result<Reply, Failure>,
    ) -> Result<Result<Reply, Failure>, Error> {
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
        Ok(send(left).await)
    }

    fn classified(
        &self,
        reply: Result<Result<Reply, Failure>, Error>,
        command: &Command,
        connection: &Supervised,
    ) -> Result<Reply, Failed> {
        let failure = match reply.map_err(Failed::Error)? {
            Ok(reply) => {
                connection.vitals().answered();
                return Ok(reply);
            }
            Err(failure) => failure,
        };
        match failure.cause {
            Cause::Timeout => connection.vitals().missed(),
            _ => connection.vitals().answered(),
        }
        let redirect = self.redirect(&failure, command);
        let error = classify::command(command.name(), failure);
        if error.kind() == ErrorKind::ReadOnly {
            self.place.suspect();
        }
        Err(match redirect {
            // They name the command's own slot: no script's words, but the server's before it ran anything.
            Some(redirect @ (Redirect::Moved { .. } | Redirect::Ask { .. })) => {
                Failed::Redirect(redirect, error.with_executed(false))
            }
            Some(redirect) if !error.may_have_executed() => Failed::Redirect(redirect, error),
            _ => Failed::Error(error),
        })
    }

    fn redirect(&self, failure: &Failure, command: &Command) -> Option<Redirect> {
        let (member, _) = self.member.as_ref()?;
        if failure.cause != Cause::Answer {
            return None;
        }
        let slot = command.first_key().map(crate::key::Key::slot);
        Redirect::parse(&failure.text, slot, member)
    }

    /// Waits for what is under way, at most this long, then closes.
    pub(super) async fn drain(&self, limit: Duration) {
        let all = u32::try_from(self.max_in_flight).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(limit, self.in_flight.acquire_many(all)).await;
        self.in_flight.close();
        self.connection.close();
        if let Some(asking) = self.asking.get() {
            asking.close();
        }
    }
}

impl fmt::Display for NodeLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}
