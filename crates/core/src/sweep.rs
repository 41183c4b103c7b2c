//! What clean-up calls.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use crate::error::Error;

/// Something that leaves behind what only a look from outside can remove: indexes of ended sessions, leases of dead
/// workers. Whoever runs sweeps decides how often, and that one does at a time.
pub trait Sweep: fmt::Debug + Send + Sync {
    /// What is swept, in the words of logs and metrics.
    fn subject(&self) -> String;

    /// Removes at most about `items` and returns within `deadline`; safe to run twice at once, and to be cut short.
    fn sweep(
        &self,
        items: usize,
        deadline: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Swept, Error>> + Send + '_>>;
}

/// What a [`Sweep`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// How many it removed.
    pub removed: usize,
    /// Whether there is more to remove now.
    pub more: bool,
}

impl Swept {
    /// So many removed, and whether there is more.
    pub const fn new(removed: usize, more: bool) -> Self {
        Swept { removed, more }
    }
}
