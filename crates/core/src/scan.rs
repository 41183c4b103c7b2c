//! A walk over keys that leaves the server room for everybody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::command::{Command, Policy};
use crate::error::Error;
use crate::key::Key;
use crate::lane::CommandLane;
use crate::reply::FromReply as _;

/// How a walk is paced.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Pace {
    /// How many keys the server looks at for one page (`COUNT`).
    pub count: u32,
    /// How long to wait between pages.
    pub pause: Duration,
}

impl Default for Pace {
    /// 500 keys a page, 1 ms between pages: a server of a million keys is walked in a few seconds.
    fn default() -> Self {
        Pace {
            count: 500,
            pause: Duration::from_millis(1),
        }
    }
}

/// A walk over the keys that match a glob, page by page. Made by [`Server::scan`](crate::Server::scan).
///
/// A key that exists from the beginning to the end is found at least once; one may come twice; one that comes or goes
/// meanwhile may or may not be found (the guarantees of `SCAN`).
#[derive(Debug)]
pub struct Scan {
    lane: Arc<CommandLane>,
    pattern: Bytes,
    pace: Pace,
    deadline: Duration,
    /// `None` at the end.
    cursor: Option<Bytes>,
}

impl Scan {
    pub(crate) fn new(
        lane: Arc<CommandLane>,
        pattern: Bytes,
        pace: Pace,
        deadline: Duration,
    ) -> Self {
        Scan {
            lane,
            pattern,
            pace,
            deadline,
            cursor: Some(Bytes::from_static(b"0")),
        }
    }

    /// The next page, often empty; `None` at the end. One `SCAN`.
    ///
    /// # Errors
    /// As [`Lane::run`](crate::Lane::run); the walk can go on from where it was by calling again.
    ///
    /// # Cancel safety
    /// Safe to drop; the next call asks for the same page.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Key>>, Error> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let begun = &**cursor != b"0";
        if begun && !self.pace.pause.is_zero() {
            tokio::time::sleep(self.pace.pause).await;
        }
        let scan = Command::new("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(&self.pattern)
            .arg("COUNT")
            .arg(self.pace.count);
        let deadline = Instant::now() + self.deadline;
        let reply = self.lane.run(&scan, Policy::Idempotent, deadline).await?;
        let (next, keys) = <(Bytes, Vec<Bytes>)>::from_reply(reply)?;
        self.cursor = (&*next != b"0").then_some(next);
        Ok(Some(keys.into_iter().map(Key::raw).collect()))
    }
}
