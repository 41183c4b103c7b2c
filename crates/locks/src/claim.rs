//! What somebody wants of a lock.

use std::sync::Arc;

use russet_core::Bytes;

use crate::owner::Owner;

/// How many may read at once, and what a semaphore has at most.
pub(crate) const MOST: u32 = 1_000_000;

/// One who asks for a lock, holds it, or leaves it.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) name: Arc<str>,
    pub(crate) owner: Owner,
    /// Microseconds; with what is wanted and the label how it is found in the queue.
    pub(crate) lease: u64,
    pub(crate) want: Want,
}

/// How much of a lock somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    /// A mutex: all of it.
    Whole,
    /// What others may read at the same time.
    Read,
    /// What nobody else may read or write at the same time.
    Write,
    /// So many permits of a semaphore that has so many.
    Permits { weight: u32, of: u32 },
}

impl Want {
    /// Whether several may hold it at once: its state is a hash then, with scripts of its own.
    pub(crate) fn is_shared(self) -> bool {
        self != Want::Whole
    }

    /// What its scripts are told: how much it takes, how much all may take together, and whether it lets others go first (1).
    pub(crate) fn share(self) -> [Bytes; 3] {
        let (weight, of, yields) = match self {
            Want::Whole => (1, 1, 0),
            // Writers go first, or readers who come and go would keep them out for ever.
            Want::Read => (1, MOST, 1),
            Want::Write => (MOST, MOST, 0),
            Want::Permits { weight, of } => (weight, of, 0),
        };
        [weight, of, yields].map(|number: u32| number.to_string().into())
    }
}
