//! A connection for commands that wait on the server, and nothing else.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::supervisor::{Supervised, Task, closed};
use crate::call::{classify, until};
use crate::command::{Command, IntoArg};
use crate::connections::Slot;
use crate::discovery::{Finder, Place, Redirect};
use crate::driver::{Cause, Client, Failure, Tuning};
use crate::error::{Error, ErrorKind};
use crate::event::Told;
use crate::key::Key;
use crate::reply::{FromReply, Reply};
use crate::script::Script;
use crate::topology::Node;

/// Runs blocking commands (`BLPOP`, `XREADGROUP … BLOCK`) on a connection of its own: one consumer loop, one handle.
///
/// A blocking command stops whatever stands behind it on its connection, so it never shares one. Made by
/// [`Server::blocking`](crate::Server::blocking).
pub struct Blocking {
    waiting: Arc<Waiting>,
    deadline: Duration,
    _slot: Slot,
}

/// The connection that is waited on: on a cluster the one to the primary of the last command's key.
pub(crate) struct Waiting {
    finder: Finder,
    tuning: Tuning,
    current: Mutex<Option<Current>>,
    closed: AtomicBool,
}

struct Current {
    member: Option<Node>,
    connection: Arc<Supervised>,
}

impl Blocking {
    pub(crate) fn start(finder: Finder, tuning: Tuning, deadline: Duration, slot: Slot) -> Self {
        let waiting = Waiting {
            finder,
            tuning,
            current: Mutex::default(),
            closed: AtomicBool::new(false),
        };
        if let Ok(place) = waiting.finder.place() {
            // It is open: nobody else has it yet.
            let _ = waiting.connection(place, None);
        }
        Blocking {
            waiting: Arc::new(waiting),
            deadline,
            _slot: slot,
        }
    }

    /// What a shutdown ends, wherever this is then.
    pub(crate) fn waiting(&self) -> Weak<Waiting> {
        Arc::downgrade(&self.waiting)
    }

    /// Runs a command that waits on the server for at most `wait`, which must be what its own argument says.
    ///
    /// Ends at the latest one deadline after `wait`. Never sent twice; on a cluster it follows a slot that moves, and then
    /// waits anew, for at most five seconds of moving.
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
        let ran = self.on_the_right_one(command, wait).await.map_err(told)?;
        T::from_reply(ran.0)
    }

    /// Runs a script, and then a command that waits for what was written on this connection (`WAIT`, `WAITAOF`): on the same connection, or not at
    /// all. Whether that command shall be sent is decided by the script's reply.
    ///
    /// `keys` are all keys that the script touches; they must share a cluster slot. The script is sent as text. Two round trips.
    ///
    /// # Errors
    /// As [`run`](Blocking::run); the script may have run if it is that of the second command.
    ///
    /// # Cancel safety
    /// Not safe: a dropped call closes the connection, and the script may have run.
    pub async fn script_then<'k, T: FromReply, U: FromReply>(
        &mut self,
        script: &'static Script,
        keys: impl IntoIterator<Item = &'k Key>,
        args: impl IntoIterator<Item = impl IntoArg>,
        then: impl FnOnce(&T) -> Option<(Command, Duration)>,
    ) -> Result<(T, Option<U>), Error> {
        let keys: Vec<&Key> = keys.into_iter().collect();
        let call = Command::new("EVAL").arg(script.text()).arg(keys.len());
        let call = keys.into_iter().fold(call, Command::key).args(args);
        let told = |error: Error| error.on(call.operation(), call.first_key());
        let ran = self.on_the_right_one(&call, Duration::ZERO).await;
        let (reply, connection, client) = ran.map_err(told)?;
        let reply = T::from_reply(Script::unwrap(reply)?)?;
        let Some((then, wait)) = then(&reply) else {
            return Ok((reply, None));
        };
        let over = until(wait.saturating_add(self.deadline));
        let waited = send(&connection, &client, &then, over).await;
        let waited = waited.map_err(|failure| classify::command(then.name(), failure));
        let told = |error: Error| error.on(then.operation(), call.first_key());
        Ok((reply, Some(U::from_reply(waited.map_err(told)?)?)))
    }

    /// Runs a command where its key is; and the connection on which it ran.
    async fn on_the_right_one(
        &mut self,
        command: &Command,
        wait: Duration,
    ) -> Result<(Reply, Arc<Supervised>, Client), Error> {
        for _ in 0..MOVES {
            // Each time anew: the server's own wait begins again.
            let found = until(self.deadline);
            let over = until(wait.saturating_add(self.deadline));
            let (connection, member) = self.waiting.of(command, found).await?;
            let client = connection.client(found).await?;
            match send(&connection, &client, command, over).await {
                Ok(reply) => return Ok((reply, connection, client)),
                Err(failure) if self.waiting.moved(&failure, command, member.as_ref()) => {
                    // Half a slot's move, or an election, may have to end first.
                    tokio::time::sleep(MOVING).await;
                }
                Err(failure) => return Err(classify::command(command.name(), failure)),
            }
        }
        let message = "the key's slot is still on its way to another node";
        Err(Error::new(ErrorKind::TryAgain, message))
    }
}

/// Sends a command over a connection, which is ended with the call, or by the time it has.
async fn send(
    connection: &Supervised,
    client: &Client,
    command: &Command,
    over: Instant,
) -> Result<Reply, Failure> {
    let mut guard = Guard(Some((connection, client)));
    let limit = over.saturating_duration_since(Instant::now());
    let reply = Box::pin(client.send_blocking(command, limit)).await;
    // Without a reply by now the connection is no good; a reply that came later would be somebody's lost element.
    if !matches!(&reply, Err(failure) if failure.cause == Cause::Timeout) {
        guard.0 = None;
    }
    reply
}

/// How often a command follows its slot.
const MOVES: u32 = 500;
/// How long a key that is on its way is given.
const MOVING: Duration = Duration::from_millis(10);

impl Waiting {
    /// The connection to a command's server, and that one's name if it is one of a cluster's.
    async fn of(
        &self,
        command: &Command,
        deadline: Instant,
    ) -> Result<(Arc<Supervised>, Option<Node>), Error> {
        let cluster = match self.finder.place() {
            Ok(place) => return Ok((self.connection(place, None)?, None)),
            Err(cluster) => cluster,
        };
        let map = cluster.map(deadline).await?;
        let slot = command.first_key().map(Key::slot);
        let node = match slot {
            Some(slot) => map.node_of(slot),
            None => map.primaries().first(),
        };
        let Some(node) = node else {
            cluster.wish();
            return Err(Error::new(
                ErrorKind::ClusterDown,
                "no node serves the key's slot",
            ));
        };
        let place = Place::Member(Arc::new(cluster.member(node)), cluster.clone());
        Ok((self.connection(place, Some(node))?, Some(node.clone())))
    }

    /// The connection to a place: the present one, or a new one instead of it.
    fn connection(&self, place: Place, member: Option<&Node>) -> Result<Arc<Supervised>, Error> {
        // Nothing under this lock panics.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        if let Some(current) = &*current
            && current.member.as_ref() == member
        {
            return Ok(current.connection.clone());
        }
        let mut task = Task::new("blocking", self.tuning, Told::new());
        task.watched = false;
        let connection = Arc::new(Supervised::start(place, task));
        *current = Some(Current {
            member: member.cloned(),
            connection: connection.clone(),
        });
        Ok(connection)
    }

    /// Whether a failure is that of a key that is elsewhere, and the command did not run.
    fn moved(&self, failure: &Failure, command: &Command, from: Option<&Node>) -> bool {
        let (Err(cluster), Some(from)) = (self.finder.place(), from) else {
            return false;
        };
        if failure.cause != Cause::Answer {
            return false;
        }
        let slot = command.first_key().map(Key::slot);
        match Redirect::parse(&failure.text, slot, from) {
            Some(Redirect::Moved { slot, to }) => {
                cluster.moved(slot, &to);
                true
            }
            // A key that is not there yet either: wait until the slot has arrived.
            Some(Redirect::Ask { .. } | Redirect::TryAgain) => true,
            _ => false,
        }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = &*current {
            current.connection.close();
        }
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
