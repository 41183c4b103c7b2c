//! What health asks.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::command::{Command, Policy};
use crate::error::{Error, ErrorKind};
use crate::server::Server;

/// Something whose health can be asked: a server, a cache, a queue.
pub trait Probe: fmt::Debug + Send + Sync {
    /// What is asked, in the words of logs and metrics; names that a programmer or a configuration wrote, no ids.
    fn subject(&self) -> String;

    /// Asks, and answers within `deadline`. Bounded work: a few commands, never a walk over keys.
    fn probe(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = Finding> + Send + '_>>;
}

/// What a [`Probe`] found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Finding {
    /// It works; so long did it take to say so.
    Healthy(Duration),
    /// It works, and something about it wants to be looked at.
    Degraded(String),
    /// It does not work.
    Failed(Error),
    /// It could not be asked, by what it may do: neither good nor bad.
    Unknown(Error),
}

/// One `PING` on the command lane.
impl Probe for Server {
    fn subject(&self) -> String {
        self.to_string()
    }

    fn probe(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = Finding> + Send + '_>> {
        Box::pin(async move {
            let asked = Instant::now();
            let lane = self.lanes().command();
            let ping = Command::new("PING");
            match lane.run(&ping, Policy::Idempotent, asked + deadline).await {
                Ok(_) => Finding::Healthy(asked.elapsed()),
                Err(error) if error.kind() == ErrorKind::Permission => Finding::Unknown(error),
                Err(error) => Finding::Failed(error),
            }
        })
    }
}
