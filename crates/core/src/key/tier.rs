//! How long keys of one kind of use live.

use std::time::Duration;

/// A TTL that many patterns share, by name: the shortest and the longest that is meant, and the one between that is used.
///
/// ```
/// use std::time::Duration;
/// use russet_core::Tier;
///
/// /// Balances: asked for all the time, and wrong soon.
/// const HOT: Tier = Tier::new("hot", Duration::from_secs(30), Duration::from_secs(45), Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tier {
    /// As documents and audits name it.
    pub name: &'static str,
    /// A key with less left when it is written is one too short-lived.
    pub shortest: Duration,
    /// What a key gets.
    pub default: Duration,
    /// A key with more left is one too long-lived.
    pub longest: Duration,
}

impl Tier {
    /// A tier. For a `const`: an order other than shortest ≤ default ≤ longest, or a TTL under a millisecond, then fails
    /// to compile.
    ///
    /// # Panics
    /// As just said.
    #[allow(
        clippy::panic,
        reason = "in a constant, where it belongs, it is an error of the compiler"
    )]
    pub const fn new(
        name: &'static str,
        shortest: Duration,
        default: Duration,
        longest: Duration,
    ) -> Self {
        if name.is_empty() {
            panic!("a tier needs a name");
        }
        if shortest.as_millis() == 0 {
            panic!("a tier's shortest TTL is at least 1 ms");
        }
        if shortest.as_nanos() > default.as_nanos() || default.as_nanos() > longest.as_nanos() {
            panic!("a tier's TTLs go up: shortest, default, longest");
        }
        Tier {
            name,
            shortest,
            default,
            longest,
        }
    }
}
