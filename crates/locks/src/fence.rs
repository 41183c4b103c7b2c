//! A number that rises with each holder of a lock.

use std::fmt;

/// A fencing token: higher than that of every holder before. A resource that remembers the highest one it has seen, and refuses lower
/// ones, is safe from a holder that does not know yet that it has lost its lock (Kleppmann, "How to do distributed locking", 2016).
///
/// It is the server's time in microseconds, or one more than the last one, whichever is higher, and below 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    clippy::exhaustive_structs,
    reason = "it is a number, which resources store and compare"
)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
