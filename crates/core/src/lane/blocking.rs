//! A connection for commands that wait on the server, and nothing else.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::supervisor::Supervised;
use crate::call::{classify, until};
use crate::command::Command;
use crate::connections::Slot;
use crate::driver::{Cause, Client, Tuning};
use crate::error::Error;
use crate::reply::FromReply;
use crate::topology::Endpoint;

/// Runs blocking commands (`BLPOP`, `XREADGROUP … BLOCK`) on a connection of its own: one consumer loop, one handle.
///
/// A blocking command stops whatever stands behind it on its connection, so it never shares one. Made by
/// [`Server::blocking`](crate::Server::blocking).
pub struct Blocking {
    connection: Arc<Supervised>,
    deadline: Duration,
    _slot: Slot,
}

impl Blocking {
    pub(crate) fn start(
        endpoint: Arc<Endpoint>,
        tuning: Tuning,
        deadline: Duration,
        slot: Slot,
    ) -> Self {
        Blocking {
            connection: Arc::new(Supervised::start_unwatched(endpoint, tuning, "blocking")),
            deadline,
            _slot: slot,
        }
    }

    /// What a shutdown ends, wherever this is then.
    pub(crate) fn connection(&self) -> Weak<Supervised> {
        Arc::downgrade(&self.connection)
    }

    /// Runs a command that waits on the server for at most `wait`, which must be what its own argument says.
    ///
    /// Ends at the latest one deadline after `wait`. Never sent twice.
    ///
    /// # Errors
    /// As [`Lane::run`](crate::Lane::run).
    ///
    /// # Cancel safety
    /// Not safe: a dropped call closes the connection, so that the server stops waiting for it; what it had popped in that
    /// moment is lost. Commands that move what they pop (`BLMOVE`, `XREADGROUP`) lose nothing.
    pub async fn run<T: FromReply>(
        &mut self,
        command: &Command,
        wait: Duration,
    ) -> Result<T, Error> {
        let told = |error: Error| error.on(command.operation(), command.first_key());
        let over = until(wait.saturating_add(self.deadline));
        let client = self
            .connection
            .client(until(self.deadline))
            .await
            .map_err(told)?;
        let mut guard = Guard(Some((&self.connection, &client)));
        let limit = over.saturating_duration_since(Instant::now());
        let reply = Box::pin(client.send_blocking(command, limit)).await;
        // Without a reply by now the connection is no good; a reply that came later would be somebody's lost element.
        if !matches!(&reply, Err(failure) if failure.cause == Cause::Timeout) {
            guard.0 = None;
        }
        drop(guard);
        T::from_reply(reply.map_err(|failure| told(classify::command(command.name(), failure)))?)
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocking")
    }
}

/// Ends the connection unless told that the command is over.
struct Guard<'a>(Option<(&'a Supervised, &'a Client)>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some((connection, client)) = self.0 {
            connection.abandon(client);
        }
    }
}
