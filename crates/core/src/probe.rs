//! What health asks.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::command::Command;
use crate::error::{Error, ErrorKind};
use crate::reply::Reply;
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

/// One `PING` to each primary, on the command lane: healthy if all answer, degraded if some do.
impl Probe for Server {
    fn subject(&self) -> String {
        self.to_string()
    }

    fn probe(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = Finding> + Send + '_>> {
        Box::pin(async move {
            let asked = Instant::now();
            let ping = Command::new("PING");
            match self
                .lanes()
                .command()
                .on_each(&ping, asked + deadline)
                .await
            {
                Ok(answers) => found(answers, asked.elapsed()),
                Err(error) => Finding::Failed(error),
            }
        })
    }
}

fn found(answers: Vec<(String, Result<Reply, Error>)>, took: Duration) -> Finding {
    let all = answers.len();
    let failed: Vec<(String, Error)> = answers
        .into_iter()
        .filter_map(|(name, reply)| Some((name, reply.err()?)))
        .collect();
    match &failed[..] {
        [] => Finding::Healthy(took),
        [(_, error), ..] if failed.len() == all && error.kind() == ErrorKind::Permission => {
            Finding::Unknown(error.clone())
        }
        [(_, error), ..] if failed.len() == all => Finding::Failed(error.clone()),
        some => {
            let some: Vec<String> = some
                .iter()
                .map(|(name, error)| format!("{name}: {error}"))
                .collect();
            Finding::Degraded(format!(
                "{} of {all} primaries: {}",
                some.len(),
                some.join("; ")
            ))
        }
    }
}
