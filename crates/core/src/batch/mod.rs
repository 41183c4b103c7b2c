//! Coalescing: calls that wait at the same moment become one command.
//!
//! A client's cost is per command: a channel, a wake-up, a future. A [`Batcher`] pays it per *flight*. The first
//! call goes out at once; what comes while flights are in the air queues, and the next flight takes it all. There is
//! no timer, and no delay while idle.

mod air;
mod flight;
mod get;
mod groups;
mod queue;
mod script;
mod slot;
mod slots;
mod waiting;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use flight::Flight;
pub use get::{Beside, Getter};
use groups::Groups;
pub use script::ScriptCalls;

use crate::call::until;
use crate::error::Error;

/// How much a batcher takes on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Bounds {
    /// How many calls one flight carries at most.
    pub items: usize,
    /// How many bytes one flight's requests, and by what the last ones came to its replies, have at most.
    pub bytes: usize,
    /// How many flights of a group are in the air at once; over a long way that is free, up to 32.
    pub flights: usize,
    /// How many calls of a group may wait; one more is [`Overloaded`](crate::ErrorKind::Overloaded), and certainly did not run.
    pub waiting: usize,
}

impl Bounds {
    /// Bounds of 65,536 waiting calls, 256 KiB, and these numbers of items and flights.
    pub const fn new(items: usize, flights: usize) -> Self {
        Bounds {
            items,
            bytes: 256 * 1024,
            flights,
            waiting: 65_536,
        }
    }
}

/// Turns concurrent calls into few commands. Cheap to clone.
///
/// Calls of different [groups](Flight::group) share nothing: one group's server that does not answer holds up no other.
///
/// Each call has its own result. A dropped caller never cancels the flight that carries its call. A flight whose reply
/// is lost makes every call in it ambiguous; one that cannot be sent makes none.
pub struct Batcher<F: Flight> {
    groups: Arc<Groups<F>>,
    deadline: Duration,
}

impl<F: Flight> Batcher<F> {
    /// A batcher of one kind of call; each call has this long.
    pub fn new(flight: F, bounds: Bounds, deadline: Duration) -> Self {
        Batcher {
            groups: Arc::new(Groups::new(flight, bounds)),
            deadline,
        }
    }

    /// Makes one call; its result comes with the flight that carries it.
    ///
    /// # Errors
    /// [`Overloaded`](crate::ErrorKind::Overloaded) if too many calls wait, else what the flight met.
    ///
    /// # Cancel safety
    /// A dropped call that is still waiting is not sent.
    pub async fn call(&self, request: F::Request) -> Result<F::Response, Error> {
        self.groups.call(request, until(self.deadline)).await
    }

    /// Makes many calls at once, in flights of their own.
    pub(crate) async fn fly(&self, requests: Vec<F::Request>) -> Vec<Result<F::Response, Error>> {
        self.groups.fly(requests, until(self.deadline)).await
    }
}

impl<F: Flight> Clone for Batcher<F> {
    fn clone(&self) -> Self {
        Batcher {
            groups: self.groups.clone(),
            deadline: self.deadline,
        }
    }
}

impl<F: Flight> fmt::Debug for Batcher<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
